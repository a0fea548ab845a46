"""The methods that pareto.py compares: how each is trained, and the settings it is tuned among.

As a command it trains one of them in a process of its own, for a job that is read as JSON, and
hands the factors over. It imports no peer, and not this library, before the job asks for one: one
of them may need an environment that has nothing else than NumPy and SciPy.
"""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import load_npz


class Recorder:
    """Hands factors over when the job asks for them; its clock stands still meanwhile."""

    def __init__(self, job, default_epochs):
        self.path = job["factors"]
        self.budgets = list(job.get("budgets", []))
        self.asked = job.get("epochs", [] if self.budgets else [default_epochs])
        self.epochs, self.seconds, self.resumed = 0, 0.0, time.perf_counter()

    def save(self, epochs, seconds, users, items):
        """Wait until the factors have been measured."""
        np.savez(self.path, users=np.float32(users), items=np.float32(items))
        print(json.dumps({"epochs": epochs, "seconds": seconds}), flush=True)
        input()

    def goes_on(self, epoch_seconds, factors):
        """Count an epoch; whether another one is wanted."""
        self.seconds += time.perf_counter() - self.resumed
        self.epochs += 1
        due = self.epochs in self.asked
        while self.budgets and self.seconds + epoch_seconds > self.budgets[0]:
            self.budgets.pop(0)
            due = True
        if due:
            self.save(self.epochs, self.seconds, *factors())
        self.resumed = time.perf_counter()
        return bool(self.budgets) or self.epochs < max(self.asked, default=0)

    def run(self, run_epoch, factors):
        """Run epochs one by one."""
        going = True
        while going:
            started = time.perf_counter()
            run_epoch()
            going = self.goes_on(time.perf_counter() - started, factors)


class Finished(Exception):  # noqa: N818
    """Ends a training from its callback."""


def train_ours(name):
    """Make the training of a class of this library, with its sampler as an object.

    It fits anew for every number of iterations, as fit ends with a fold-in that counts.
    """

    def train(matrix, job):
        import vseens_rec
        from vseens_rec.choices import Adaptive

        model = getattr(vseens_rec, name)(
            sampler=Adaptive(), random_state=job["seed"], num_threads=job["threads"]
        )
        fit_for_budgets(model.set_params(**job["setting"]), matrix, job)

    return train


def fit_for_budgets(model, matrix, job):
    """Fit with as many iterations as a job asks for, or as its budgets allow."""
    from implicit.recommender_base import ModelFitError

    recorder = Recorder(job, model.iterations)

    def fit(epochs):
        started = time.perf_counter()
        model.set_params(iterations=epochs).fit(matrix, show_progress=False)
        seconds = time.perf_counter() - started
        recorder.save(epochs, seconds, model.user_factors, model.item_factors)
        in_epochs = sum(model.history_["seconds"])
        return seconds - in_epochs, in_epochs / epochs

    try:
        for epochs in recorder.asked:
            fit(epochs)
        if recorder.budgets:
            # the first fit finds caches and memory cold, and says little about the next ones
            fit(1)
            rest, epoch_seconds = fit(1)
            done = 1
            for budget in recorder.budgets:
                # a fit that takes a little longer than its budget is lost for it; one that takes
                # much less has shown how many epochs there is time for
                epochs = int((0.9 * budget - rest) / epoch_seconds)
                while epochs > 1.1 * done:
                    rest, epoch_seconds = fit(epochs)
                    done = epochs
                    epochs = int((0.9 * budget - rest) / epoch_seconds)
    except ModelFitError:
        return


def train_implicit(name):
    """Make the training of a model of implicit, which is looked at from its callback."""

    def train(matrix, job):
        from implicit.als import AlternatingLeastSquares
        from implicit.bpr import BayesianPersonalizedRanking
        from implicit.lmf import LogisticMatrixFactorization

        classes = {
            "als": AlternatingLeastSquares,
            "bpr": BayesianPersonalizedRanking,
            "lmf": LogisticMatrixFactorization,
        }
        arguments = {"random_state": job["seed"], "num_threads": job["threads"]}
        recorder = Recorder(job, classes[name]().iterations)

        def factors():
            return model.user_factors, model.item_factors

        def callback(_, epoch_seconds, *__):
            if not recorder.goes_on(epoch_seconds, factors):
                raise Finished

        recorder.resumed = time.perf_counter()
        model = classes[name](**job["setting"], **arguments, iterations=10**9)
        try:
            model.fit(matrix, show_progress=False, callback=callback)
        except Finished:
            return

    return train


def train_irspack(matrix, job):
    """Train the iALS of irspack."""
    from irspack import IALSRecommender

    setting = renamed(job["setting"], "n_components")
    recorder = Recorder(job, IALSRecommender(matrix).train_epochs)
    recorder.resumed = time.perf_counter()
    model = IALSRecommender(matrix, **setting, random_seed=job["seed"], n_threads=job["threads"])
    model.start_learning()
    recorder.run(model.run_epoch, lambda: (model.get_user_embedding(), model.get_item_embedding()))


def train_lightfm(matrix, job):
    """Train a LightFM; a column of ones takes the labels' biases."""
    from lightfm import LightFM

    recorder = Recorder(job, 1)
    model = LightFM(**renamed(job["setting"], "no_components"), random_state=job["seed"])
    pairs = matrix.tocoo()

    def factors():
        users, items = model.user_embeddings, model.item_embeddings
        ones = np.ones((len(users), 1), dtype=np.float32)
        return np.hstack([users, ones]), np.hstack([items, model.item_biases[:, None]])

    try:
        recorder.run(lambda: model.fit_partial(pairs, num_threads=job["threads"]), factors)
    except ValueError as error:
        if "finite" not in str(error):
            raise


def renamed(setting, name):
    """The setting with another name for the number of factors."""
    return {name if key == "factors" else key: value for key, value in setting.items()}


class Log(NamedTuple):
    """A range to draw from uniformly in the logarithm."""

    low: float
    high: float

    def draw(self, generator):
        """One value, with three digits."""
        return float(f"{np.exp(generator.uniform(*np.log(self))):.3g}")


class Method(NamedTuple):
    """How to train, what is always set, and the space of settings; of a list one is chosen.

    The number of factors joins every space but an empty one, where only the epochs are tuned.
    """

    train: Callable
    fixed: dict[str, Any]
    space: dict[str, Any]


OURS = {
    "VSEens()": Method(train_ours("VSEens"), {}, {}),
    "VSEens tuned": Method(
        train_ours("VSEens"),
        {},
        {
            "learning_rate": Log(0.05, 0.5),
            "regularization": Log(0.02, 0.08),
            "sampler__rank_scale": Log(0.05, 1),
            "candidates": [1, 2, 4, 8, 16, 32],
            "fold_in_users": [True, False],
        },
    ),
    "SampledSoftmax()": Method(train_ours("SampledSoftmax"), {}, {}),
    "SampledSoftmax tuned": Method(
        train_ours("SampledSoftmax"),
        {},
        {
            "learning_rate": Log(0.03, 0.15),
            "regularization": Log(0.01, 0.06),
            "sampler__rank_scale": Log(0.05, 1),
            "candidates": [2, 4, 8, 16, 32],
            "fold_in_users": [True, False],
        },
    ),
}
LIGHTFM_SPACE = {
    "learning_rate": Log(0.01, 0.1),
    "item_alpha": Log(1e-7, 1e-4),
    "user_alpha": Log(1e-7, 1e-4),
}
LIGHTFM = {
    "LightFM WARP": Method(
        train_lightfm, {"loss": "warp"}, {**LIGHTFM_SPACE, "max_sampled": [10, 20, 50, 100]}
    ),
    "LightFM BPR": Method(train_lightfm, {"loss": "bpr"}, LIGHTFM_SPACE),
}
PEERS = {
    "implicit ALS": Method(
        train_implicit("als"), {}, {"alpha": Log(1, 60), "regularization": Log(0.01, 10)}
    ),
    "implicit BPR": Method(
        train_implicit("bpr"),
        {},
        {"learning_rate": Log(0.005, 0.1), "regularization": Log(0.001, 0.1)},
    ),
    "implicit LMF": Method(
        train_implicit("lmf"),
        {},
        {
            "learning_rate": Log(0.1, 2),
            "regularization": Log(0.1, 5),
            "neg_prop": [10, 20, 30, 45, 60],
        },
    ),
    "irspack iALS": Method(train_irspack, {}, {"alpha0": Log(0.003, 1), "reg": Log(1e-4, 3e-2)}),
    **LIGHTFM,
}
METHODS = OURS | PEERS


def settings_of(method, factors, n_settings):
    """Random settings of a method, the same at every call."""
    if not method.space:
        return [method.fixed]
    generator = np.random.default_rng(0)
    return [
        {
            name: values.draw(generator)
            if isinstance(values, Log)
            else values[generator.integers(len(values))]
            for name, values in ({"factors": factors} | method.space).items()
        }
        | method.fixed
        for _ in range(n_settings)
    ]


def work():
    """Do the one job that is read."""
    job = json.loads(input())
    METHODS[job["method"]].train(load_npz(job["matrix"]), job)


if __name__ == "__main__":
    work()
