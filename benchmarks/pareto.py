"""NDCG and recall against seconds of training, for this library and its peers, all of them tuned.

    python benchmarks/pareto.py --data FOLDER --out FOLDER [--lightfm-python PYTHON]
        [--sets mirflickr25k gowalla] [--methods "VSEens()" "implicit BPR"]
        [--settings 12] [--seconds 30] [--seeds 3] [--threads 2]

The peers are implicit 0.7.3, irspack 0.5.2 and LightFM 1.17; the last needs an older Cython to
build, so it may live in an environment of its own, with numpy and scipy, whose interpreter is
given. Without it LightFM is left out.

The data folder holds one folder a data set with CSR matrices saved by scipy.sparse.save_npz.
MIRFlickr-25k is at press.liacs.nl/mirflickr, HARRISON at github.com/minstone/HARRISON-Dataset, COCO
2014 at cocodataset.org (categories of the images), Gowalla in the split of LightGCN at
github.com/kuandeng/LightGCN, AmazonCDs_m1 at huggingface.co/datasets/reczoo. Of the images one
label is held out for the test, and one more of what is left for validation. Gowalla brings its
validation part; AmazonCDs gives a fifth of every user's training pairs.

Every method gets the same number of random settings out of the spaces below. Each of them is
trained on what validation leaves, for --seconds at most, and measured at growing numbers of epochs.
For every budget of seconds, validation chooses the setting and the epochs among those that took no
longer. They are trained anew on the whole training part with several seeds and measured on the
test, whose labels no choice has seen: the seeds change the training, not the split. That part is
larger, so these seconds can exceed the budget.
Every method also runs at its defaults. Only training counts as seconds, initialisation included;
nothing else should run at the same time.

Writes pareto.csv, every measured point in a row, and pareto.png, and prints a table. What is in
pareto.csv is not run again: delete the rows of a method to measure it anew.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, pstdev
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import load_npz, save_npz, vstack

# LightFM's environment has neither vseens_rec nor the other peers: they are imported where needed

BUDGETS = [0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 30, 60, 120, 240]
COLUMNS = {
    "data": str, "method": str, "part": str, "seed": int, "threads": int, "limit": float,
    "setting": str, "epochs": int, "seconds": float, "ndcg": float, "recall": float,
}  # fmt: skip


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


class DataSet(NamedTuple):
    """Files, the length of the lists that are measured, and the numbers of factors to choose from.

    Files of one part are stacked, and a single part is split by holding out labels.
    """

    files: dict[str, list[str]]
    length: int
    factors: list[int]


IMAGES = (10, [64, 128, 256])
USERS = (20, [64])
SETS = {
    "mirflickr25k": DataSet({"all": ["tags_all"]}, *IMAGES),
    "harrison": DataSet({"all": ["all"]}, *IMAGES),
    "coco80": DataSet({"all": ["official_train2014", "official_val2014"]}, *IMAGES),
    "gowalla": DataSet(
        {
            "train": ["train"],
            "test": ["test"],
            "inner": ["train_minus_valid"],
            "validation": ["valid"],
        },
        *USERS,
    ),
    "amazoncds_m1": DataSet({"train": ["train"], "test": ["test"]}, *USERS),
}


def work():
    """Do the one job that is read."""
    job = json.loads(input())
    METHODS[job["method"]].train(load_npz(job["matrix"]), job)


def parts_of(folder, data):
    """The training and the held-out part, for the choice and for the test."""
    from vseens_rec.model_selection import fraction_split, leave_one_out_split

    parts = {
        part: vstack([load_npz(folder / data / f"{name}.npz") for name in names], "csr", np.float32)
        for part, names in SETS[data].files.items()
    }
    if "all" in parts:
        train, test = leave_one_out_split(parts["all"], random_state=0)
        inner, validation = leave_one_out_split(train, random_state=1)
    else:
        train, test = parts["train"], parts["test"]
        if "inner" in parts:
            inner, validation = parts["inner"], parts["validation"]
        else:
            inner, validation = fraction_split(train, 0.2, random_state=1)
    return {"validation": (inner, validation), "test": (train, test)}


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


class Results:
    """The rows of pareto.csv."""

    def __init__(self, path):
        self.path, self.rows = path, []
        if path.exists():
            with open(path, newline="") as file:
                self.rows = [
                    {name: kind(row[name]) for name, kind in COLUMNS.items()}
                    for row in csv.DictReader(file)
                ]

    def find(self, **wanted):
        """Rows with these values."""
        return [row for row in self.rows if all(row[key] == wanted[key] for key in wanted)]

    def add(self, rows):
        """Append rows, all those of a job at once, so that no job counts as done in part."""
        new = not self.path.exists()
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if new:
                writer.writeheader()
            writer.writerows(rows)
        self.rows += rows


class Bench:
    """Runs the jobs of one data set that are not in the results yet."""

    def __init__(self, data, options, results, folder):
        self.data, self.options, self.results, self.folder = data, options, results, folder
        self.parts = parts_of(options.data, data)
        for part, (train, _) in self.parts.items():
            save_npz(folder / f"{part}.npz", train, compressed=False)

    def measure(self, part):
        """NDCG and recall of the factors that a process has saved."""
        from vseens_rec.metrics import Factors, ranking_metrics

        length = SETS[self.data].length
        with np.load(self.folder / "factors.npz") as saved:
            factors = Factors(saved["users"], saved["items"])
        if not all(np.isfinite(side).all() for side in factors):
            return {"ndcg": 0.0, "recall": 0.0}
        found = ranking_metrics(
            factors,
            *self.parts[part],
            [f"ndcg@{length}", f"recall@{length}"],
            num_threads=self.options.threads,
        )
        return dict(zip(("ndcg", "recall"), found.values(), strict=True))

    def points_of(self, job, part):
        """Train in a process of its own; what was measured, None if it failed."""
        python = self.options.lightfm_python if job["method"] in LIGHTFM else sys.executable
        # the threads of BLAS would come on top of those of the methods
        limits = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        points = []
        with (
            open(self.folder / "errors.txt", "w+") as errors,
            subprocess.Popen(
                [python, __file__, "--worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | limits | {"OMP_NUM_THREADS": str(self.options.threads)},
            ) as process,
        ):
            print(json.dumps(job), file=process.stdin, flush=True)
            for line in process.stdout:
                points.append(json.loads(line) | self.measure(part))
                print(file=process.stdin, flush=True)
            if process.wait():
                errors.seek(0)
                print(f"{self.data}: {job['method']} failed\n{errors.read()}", file=sys.stderr)
                return None
        # a job that diverged before its first point is done too
        return points or [{"epochs": 0, "seconds": 0.0, "ndcg": 0.0, "recall": 0.0}]

    def run(self, method, part, setting, seed=0, **asked):
        """Run a job and add its rows; `part` is validation, test or default."""
        measured = "validation" if part == "validation" else "test"
        job = {
            "method": method,
            "setting": setting,
            "seed": seed,
            "threads": self.options.threads,
            "matrix": str(self.folder / f"{measured}.npz"),
            "factors": str(self.folder / "factors.npz"),
            **asked,
        }
        points = self.points_of(job, measured)
        if points is None:
            return
        self.results.add([self.key(method, part, setting, seed) | point for point in points])
        best = max(points, key=lambda point: point["ndcg"])
        print(
            f"{self.data}: {method}, {part}, seed {seed}, {json.dumps(setting)}: NDCG "
            f"{best['ndcg']:.4f} after {best['epochs']} epochs, {best['seconds']:.2f} s",
            file=sys.stderr,
        )

    def key(self, method, part, setting, seed=0):
        """The columns that name a job."""
        return {
            "data": self.data,
            "method": method,
            "part": part,
            "seed": seed,
            "threads": self.options.threads,
            "limit": self.options.seconds,
            "setting": json.dumps(setting, sort_keys=True),
        }

    def chosen(self, method):
        """By budget, the row of the best setting and number of epochs on validation."""
        budgets = [b for b in BUDGETS if b < self.options.seconds] + [self.options.seconds]
        settings = settings_of(METHODS[method], SETS[self.data].factors, self.options.settings)
        rows = []
        for setting in settings:
            key = self.key(method, "validation", setting)
            if not self.results.find(**key):
                self.run(method, "validation", setting, budgets=budgets)
            rows += [row for row in self.results.find(**key) if row["epochs"]]
        found = {}
        for budget in budgets:
            affordable = [row for row in rows if row["seconds"] <= budget]
            if affordable:
                found[budget] = max(affordable, key=lambda row: row["ndcg"])
        return found

    def test(self, method, chosen):
        """Train chosen rows anew, those of one setting in one job, with every seed."""
        wanted = {}
        for row in chosen.values():
            wanted.setdefault(row["setting"], set()).add(row["epochs"])
        for setting, epochs in wanted.items():
            for seed in range(self.options.seeds):
                key = self.key(method, "test", json.loads(setting), seed)
                missing = epochs - {row["epochs"] for row in self.results.find(**key)}
                if missing:
                    self.run(method, "test", json.loads(setting), seed, epochs=sorted(missing))

    def run_defaults(self, method):
        """Train at the defaults with every seed."""
        for seed in range(self.options.seeds):
            if not self.results.find(**self.key(method, "default", METHODS[method].fixed, seed)):
                self.run(method, "default", METHODS[method].fixed, seed)

    def summary(self, method, part, setting, **wanted):
        """Means over the seeds and the deviation of NDCG; None if nothing was measured."""
        keys = [self.key(method, part, setting, seed) for seed in range(self.options.seeds)]
        rows = [row for key in keys for row in self.results.find(**key, **wanted)]
        if not rows:
            return None
        means = {name: mean(row[name] for row in rows) for name in ("seconds", "ndcg", "recall")}
        deviation = pstdev(row["ndcg"] for row in rows)
        return means | {"deviation": deviation, "epochs": rows[0]["epochs"], "setting": setting}

    def compare(self, method):
        """Run what is missing of a method; its summaries by budget, None for the defaults."""
        chosen = self.chosen(method)
        self.test(method, chosen)
        found = {
            budget: self.summary(method, "test", json.loads(row["setting"]), epochs=row["epochs"])
            for budget, row in chosen.items()
        }
        # a contestant with a space is no default of the library
        if method in PEERS or not METHODS[method].space:
            self.run_defaults(method)
            found[None] = self.summary(method, "default", METHODS[method].fixed)
        return {budget: summary for budget, summary in found.items() if summary}


def print_table(data, found):
    """One line a method and budget."""
    length = SETS[data].length
    print(
        f"\n{data}\n{'method':16}{'budget':>8}{'seconds':>9}"
        f"{f'NDCG@{length}':>17}{f'recall@{length}':>11}{'epochs':>8}  setting"
    )
    for method, summaries in found.items():
        for budget, row in summaries.items():
            setting = " ".join(f"{name}={value}" for name, value in row["setting"].items())
            print(
                f"{method:16}{'default' if budget is None else f'{budget:g}':>8}"
                f"{row['seconds']:9.2f}{row['ndcg']:9.4f} ±{row['deviation']:.4f}"
                f"{row['recall']:11.4f}{row['epochs']:8}  {setting}",
                flush=True,
            )


OUR_COLOURS = ["#d62728", "#ff7f0e", "#8c1a4b", "#e377c2", "#a0522d", "#c9a400"]
PEER_COLOURS = ["#1f5fa8", "#4fb3d9", "#2a7f3f", "#7d5fb2", "#8a8a8a", "#1a1a1a"]


def draw(found, path):
    """One panel a data set, our lines thick and warm, defaults as hollow points."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    columns = min(len(found), 3)
    rows = -(-len(found) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(6.4 * columns, 4.8 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(found) :]:
        axis.remove()
    for axis, (data, methods) in zip(axes.flat, found.items(), strict=False):
        draw_panel(axis, methods)
        axis.set_title(data, loc="left", fontweight="bold")
        axis.set_xlabel("seconds of training")
        axis.set_ylabel(f"NDCG@{SETS[data].length}")
    figure.supxlabel("hollow: at the defaults", fontsize="medium", color="#555555")
    figure.savefig(path, dpi=150)


def style_of(method):
    """Colour and weight of a method, whatever methods are shown with it."""
    ours = method in OURS
    names, colours = (list(OURS), OUR_COLOURS) if ours else (list(PEERS), PEER_COLOURS)
    colour = colours[names.index(method) % len(colours)]
    return {"color": colour, "lw": 3 if ours else 1.4, "zorder": 3 if ours else 2}


def spread(places, gap):
    """Move sorted places apart, none above 1."""
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    ceiling = 1.0
    for i in reversed(range(len(places))):
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - gap
    return places


def draw_panel(axis, methods):
    """Lines with their names at the right, in the order of their ends."""
    from matplotlib.ticker import LogLocator

    ends, ys = {}, []
    for method, summaries in methods.items():
        points = {key: (row["seconds"], row["ndcg"]) for key, row in summaries.items()}
        default = points.pop(None, None)
        style, curve = style_of(method), sorted(points.values())
        if curve:
            axis.plot(*zip(*curve, strict=True), "o-", ms=4, **style)
            ends[method] = curve[-1]
        if default:
            axis.plot(*default, "D", ms=7, mfc="none", mew=1.6, **style)
            ends.setdefault(method, default)
            ys.append(default[1])
        ys += [y for _, y in curve]
    if not ends:
        return
    # earlier points and defaults below all ends would flatten the rest
    low, high = min(y for _, y in ends.values()), max(ys)
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low) + 1e-9
    axis.set_ylim(low, high)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=[1, 2, 5]))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    ends = dict(sorted(ends.items(), key=lambda pair: pair[1][1]))
    places = spread([(y - low) / (high - low) for _, y in ends.values()], 0.055)
    for (method, end), place in zip(ends.items(), places, strict=True):
        colour = style_of(method)["color"]
        axis.annotate(
            method,
            xy=end,
            xytext=(1.04, place),
            textcoords="axes fraction",
            color=colour,
            fontweight="bold" if method in OURS else "normal",
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.7, "ls": ":"},
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--settings", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lightfm-python", type=Path)
    options = parser.parse_args()
    methods = options.methods
    if not options.lightfm_python and not LIGHTFM.keys().isdisjoint(methods):
        print("LightFM is left out: it needs --lightfm-python")
        methods = [method for method in methods if method not in LIGHTFM]
    options.out.mkdir(parents=True, exist_ok=True)
    results = Results(options.out / "pareto.csv")
    found = {}
    for data in options.sets:
        with TemporaryDirectory() as folder:
            bench = Bench(data, options, results, Path(folder))
            found[data] = {method: bench.compare(method) for method in methods}
        print_table(data, found[data])
    try:
        draw(found, options.out / "pareto.png")
    except ImportError:
        print("no picture: it needs matplotlib, pip install matplotlib")


if __name__ == "__main__":
    if sys.argv[1:] == ["--worker"]:
        work()
    else:
        main()
