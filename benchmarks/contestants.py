"""The methods that are compared: how each is trained, and the settings it is tuned among.

As a command it trains one of them in a process of its own, for a job that is read as JSON, and
hands over what it learned: factors, weights between labels, or a file of a model. It imports no
peer, and not this library, before the job asks for one: one of them may need an environment that
has nothing else than NumPy and SciPy.
"""

import io
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, load_npz

# fits whose number of epochs is corrected by what the one before took
MOST_TRIES_OF_BUDGET = 3


class Recorder:
    """Hands over what was learned when the job asks for it; its clock stands still meanwhile."""

    def __init__(self, job, default_epochs=1):
        self.path = job["learned"]
        self.budgets = list(job.get("budgets", []))
        self.asked = job.get("epochs", [] if self.budgets else [default_epochs])
        self.epochs, self.seconds, self.resumed = 0, 0.0, time.perf_counter()

    def save(self, epochs, seconds, **arrays):
        """Wait until it is measured: users and items, weights, or a model's class and file."""
        np.savez(self.path, **arrays)
        print(json.dumps({"epochs": epochs, "seconds": seconds}), flush=True)
        input()

    def save_factors(self, epochs, seconds, users, items):
        """Scores are their products."""
        self.save(epochs, seconds, users=np.float32(users), items=np.float32(items))

    def save_weights(self, seconds, *weights):
        """Scores are the products of an image's labels with one or two matrices, in turn."""
        arrays = {}
        for number, matrix in enumerate(weights):
            name = f"weights{number}"
            if isinstance(matrix, np.ndarray):
                arrays[name] = np.float32(matrix)
                continue
            matrix = csr_matrix(matrix, dtype=np.float32)
            parts = ("data", "indices", "indptr", "shape")
            arrays |= {f"{name}_{part}": np.asarray(getattr(matrix, part)) for part in parts}
        self.save(1, seconds, **arrays)

    def goes_on(self, epoch_seconds, factors):
        """Count an epoch; whether another one is wanted."""
        self.seconds += time.perf_counter() - self.resumed
        self.epochs += 1
        due = self.epochs in self.asked
        while self.budgets and self.seconds + epoch_seconds > self.budgets[0]:
            self.budgets.pop(0)
            due = True
        if due:
            self.save_factors(self.epochs, self.seconds, *factors())
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
    """Make the training of a class of this library.

    It fits anew for every number of iterations, as what fit does at its end counts too.
    """

    def train(matrix, job):
        import vseens_rec
        from vseens_rec.choices import Adaptive

        model = getattr(vseens_rec, name)(num_threads=job["threads"])
        if "iterations" not in model.get_params():
            recorder = Recorder(job)
            save_model(recorder, 1, fit_timed(model.set_params(**job["setting"]), matrix), model)
            return
        model.set_params(sampler=Adaptive(), random_state=job["seed"])
        fit_for_budgets(model.set_params(**job["setting"]), matrix, job)

    return train


def fit_timed(model, matrix):
    """Fit, and return the seconds."""
    started = time.perf_counter()
    model.fit(matrix, show_progress=False)
    return time.perf_counter() - started


def save_model(recorder, epochs, seconds, model):
    """Hand over the file of a model of this library."""
    file = io.BytesIO()
    model.save(file)
    recorder.save(
        epochs,
        seconds,
        kind=np.array(type(model).__name__),
        model=np.frombuffer(file.getvalue(), np.uint8),
    )


def fit_for_budgets(model, matrix, job):
    """Fit with as many iterations as a job asks for, or as its budgets allow."""
    from implicit.recommender_base import ModelFitError

    recorder = Recorder(job, model.iterations)

    def fit(epochs):
        seconds = fit_timed(model.set_params(iterations=epochs), matrix)
        save_model(recorder, epochs, seconds, model)
        in_epochs = sum(model.history_["seconds"])
        return seconds - in_epochs, in_epochs / epochs

    try:
        for epochs in recorder.asked:
            fit(epochs)
        if recorder.budgets:
            # the first fit finds caches and memory cold, and says little about the next ones
            fit(1)
            rest, epoch_seconds = fit(1)
            tried = {1}
            for budget in recorder.budgets:
                # what comes before and after the epochs is known by the last fit only, which may
                # have been of fewer parts: a fit that took too long is tried with fewer epochs
                for _ in range(MOST_TRIES_OF_BUDGET):
                    epochs = int((0.9 * budget - rest) / epoch_seconds)
                    near = any(abs(epochs - other) <= 0.1 * other for other in tried)
                    if epochs < 1 or near:
                        break
                    rest, epoch_seconds = fit(epochs)
                    tried.add(epochs)
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


def train_closed_form(matrix, job):
    """Solve for weights between labels by one inverse.

    EASE (Steck, WWW 2019) has a penalty alone; EDLAE (Steck, NeurIPS 2020) one in proportion to how
    many images have a label besides. Rows and columns of the matrix are divided by powers of how
    many labels, or images, they have.
    """

    def solve(penalty, dropout=0.0, row_power=0.0, label_power=0.0):
        ones = csr_matrix(matrix, dtype=np.float64)
        ones.data[:] = 1
        of_rows = np.maximum(np.diff(ones.indptr), 1) ** -row_power
        of_labels = np.maximum(ones.sum(axis=0).A1, 1) ** -label_power
        scaled = ones.multiply(of_rows[:, None]).multiply(of_labels).tocsr()
        products = (scaled.T @ scaled).toarray()
        diagonal = np.diag_indices_from(products)
        products[diagonal] *= 1 / (1 - dropout)
        products[diagonal] += penalty * np.mean(of_labels**2)
        inverse = np.linalg.inv(products)
        weights = inverse / -np.diag(inverse)
        weights[diagonal] = 0
        return weights * of_labels[:, None] / of_labels

    recorder = Recorder(job)
    weights = solve(**job["setting"])
    recorder.save_weights(time.perf_counter() - recorder.resumed, weights)


def train_irspack_weights(name):
    """Make the training of a model of irspack that has weights between labels."""

    def train(matrix, job):
        import irspack

        recorder = Recorder(job)
        model = getattr(irspack, name)(matrix, **job["setting"], n_threads=job["threads"])
        model.learn()
        recorder.save_weights(time.perf_counter() - recorder.resumed, model.W)

    return train


def train_neighbours(name):
    """Make the training of nearest neighbours of implicit."""

    def train(matrix, job):
        from implicit import nearest_neighbours

        recorder = Recorder(job)
        model = getattr(nearest_neighbours, name)(**job["setting"], num_threads=job["threads"])
        model.fit(matrix, show_progress=False)
        recorder.save_weights(time.perf_counter() - recorder.resumed, model.similarity)

    return train


def train_sansa(matrix, job):
    """Train a sparse approximate inverse."""
    import sansa

    recorder = Recorder(job)
    model = sansa.SANSA(
        sansa.SANSAConfig(
            **job["setting"],
            gramian_factorizer_config=sansa.CHOLMODGramianFactorizerConfig(),
            lower_triangle_inverter_config=sansa.UMRUnitLowerTriangleInverterConfig(),
        )
    )
    model.fit(csr_matrix(matrix, dtype=np.float32))
    recorder.save_weights(time.perf_counter() - recorder.resumed, *model.weights)


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

    The number of factors joins the space of a model that has some. Without a space only the epochs
    are tuned, if there are any.
    """

    train: Callable
    fixed: dict[str, Any]
    space: dict[str, Any]
    has_factors: bool = True
    # with more of them it is left out
    most_labels: int = 10**9


# of a dense matrix of labels x labels, and of regressions for all of them
MOST_LABELS_OF_INVERSE = 6000
NEIGHBOURS = [5, 10, 20, 50, 100, 200, 500, 1000]
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
    "factors alone": Method(train_ours("VSEens"), {"item_item": None}, {}),
    "EDLAE()": Method(train_ours("EDLAE"), {}, {}, False, MOST_LABELS_OF_INVERSE),
    "SparseEASE()": Method(train_ours("SparseEASE"), {}, {}, False),
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
    "EASE": Method(train_closed_form, {}, {"penalty": Log(1, 1e5)}, False, MOST_LABELS_OF_INVERSE),
    "EDLAE": Method(
        train_closed_form,
        {},
        {
            "penalty": Log(1, 3e3),
            "dropout": [0.0, 0.1, 0.2, 0.33, 0.5, 0.67, 0.8],
            "row_power": [0.0, 0.15, 0.3, 0.5],
            "label_power": [0.0, 0.1, 0.2],
        },
        False,
        MOST_LABELS_OF_INVERSE,
    ),
    "irspack SLIM": Method(
        train_irspack_weights("SLIMRecommender"),
        {},
        {"alpha": Log(1e-5, 1), "l1_ratio": Log(1e-6, 1)},
        False,
        MOST_LABELS_OF_INVERSE,
    ),
    "irspack RP3beta": Method(
        train_irspack_weights("RP3betaRecommender"),
        {},
        {
            "alpha": [0.5, 0.75, 1.0, 1.25, 1.5],
            "beta": [0.0, 0.2, 0.4, 0.6, 0.8],
            "top_k": [10, 30, 100, 300, 1000],
            "normalize_weight": [True, False],
        },
        False,
    ),
    "implicit cosine": Method(train_neighbours("CosineRecommender"), {}, {"K": NEIGHBOURS}, False),
    "implicit BM25": Method(
        train_neighbours("BM25Recommender"),
        {},
        {"K": NEIGHBOURS, "K1": Log(0.1, 300), "B": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]},
        False,
    ),
    "SANSA": Method(
        train_sansa,
        {},
        {"l2": Log(1, 1000), "weight_matrix_density": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 0.1]},
        False,
    ),
    **LIGHTFM,
}
METHODS = OURS | PEERS


def settings_of(method, factors, n_settings):
    """Random settings of a method, the same at every call.

    Three times as many of one without factors, which is trained in a fraction of the time.
    """
    if not method.space:
        return [method.fixed]
    if not method.has_factors:
        n_settings *= 3
    generator = np.random.default_rng(0)
    space = ({"factors": factors} if method.has_factors else {}) | method.space
    return [
        {
            name: values.draw(generator)
            if isinstance(values, Log)
            else values[generator.integers(len(values))]
            for name, values in space.items()
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
