"""The comparison of the VSE-ens paper: ranking, lambda, and training time to convergence.

    python benchmarks/paper.py --data FOLDER [--out docs/figures] [--sets mirflickr25k openimages]
        [--methods VSE-ens WARP] [--settings 8] [--seeds 0 1 2] [--openimages-scale 0.0125]

VSE-ens, WARP, Opt-AUC and the naive sampler (true ranks) at the setting of the paper (100 factors,
no bias, initial factors of .01, a margin of 1, for WARP no limit on the trials but the number of
labels), all by one kernel. FOLDER holds one folder a data set with CSR matrices saved by
scipy.sparse.save_npz: HARRISON is at github.com/minstone/HARRISON-Dataset, MIRFlickr-25k at
press.liacs.nl/mirflickr, NUS-WIDE at lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide,
MS-COCO at cocodataset.org. `openimages` is generated: scale 1 has the size of OpenImages (9 million
images, 20,000 labels, 70 million pairs), a part of it fewer labels, as a sample of images would.

One label of every image that has several is held out for the test. Of the rest, one label of about
half the images that still have several, but of 10,000 or so at most, is held out for validation,
which is measured by MAP after every epoch and makes every choice:

- step and penalty among settings spread evenly over the logarithms, the paper's first, the same
  ones for every method, and for the methods that have one then lambda (`rank_scale`) between .001
  and 1, and step and penalty once more at the best lambda; the others try as many more settings of
  step and penalty instead, so that all have as many fits;
- where to stop: after `--patience` epochs without a new best, `--epochs` epochs, or `--limit`
  seconds of training.

The chosen settings are timed by another fit, which may take longer (`--timed-limit`). Training time
to convergence is the seconds of training (refreshing of the rank table and all, validation
excluded) up to the end of the first epoch whose validation MAP reaches 99 % of its best over the
run. The measures of the test are those of one more fit with the same setting, on all of the
training part and for as many epochs as were best.

Writes paper.csv, one fit in a row with its curves; what is there already is not fitted again, so
delete it after a change of the package. The tables and pictures are made of it, for the data sets
and methods named: paper.md, paper.png, paper_trials.png and paper_lambda.png.
"""

import argparse
import csv
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
from implicit.recommender_base import ModelFitError
from scipy.sparse import diags, load_npz, vstack
from scipy.stats import qmc

from vseens_rec import WARP, NaiveRank, OptAUC, VSEens
from vseens_rec.choices import EarlyStopping
from vseens_rec.datasets import make_annotations
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

FILES = {
    "harrison": ["harrison/all.npz"],
    "mirflickr25k": ["mirflickr25k/tags_all.npz"],
    "nuswide81": ["nuswide81/train.npz", "nuswide81/test.npz"],
    "coco80": ["coco80/official_train2014.npz", "coco80/official_val2014.npz"],
}
METHODS = {"VSE-ens": VSEens, "WARP": WARP, "Opt-AUC": OptAUC, "naive": NaiveRank}
BY_RANK = ("VSE-ens", "naive")
COLORS = {"VSE-ens": "tab:blue", "WARP": "tab:orange", "Opt-AUC": "tab:green", "naive": "dimgrey"}
LAMBDAS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# where step and penalty are chosen, in the middle of the sweep
FIRST_LAMBDA = 0.03
STEPS, PENALTIES = (0.005, 0.3), (0.003, 1.0)
METRICS = ("precision@5", "precision@10", "recall@5", "recall@10", "map", "auc", "auc@10")
WATCHED = "map"
CONVERGED = 0.99
# how a fit can end without anything to measure
FAILED = ("divergence", "no epoch")
MOST_VALIDATED, MOST_TESTED = 10_000, 200_000
# how many times faster VSE-ens converges than the state of the art, by the abstract of the paper
# (arXiv 1801.01632), whose other figures are of data that is not used here
PUBLISHED = {"openimages": 5.02, "nuswide81": 2.06}

SETTING = ("learning_rate", "regularization", "rank_scale")
KEY = ("data", "protocol", "part", "method", "seed", *SETTING)
CURVES = ("validation_by_epoch", "seconds_by_epoch", "trials_by_epoch")
FIELDS = (
    *KEY, "epochs", "best_epoch", "ended", "validation", "converged_epoch", "converged_seconds",
    "seconds", *METRICS, *CURVES,
)  # fmt: skip


class Enough(Exception):  # noqa: N818
    """A fit has used up its seconds."""


class Figures:
    """The rows of paper.csv, to which fits are added as they are made."""

    def __init__(self, path):
        self.path, self.rows = path, []
        if path.exists():
            with open(path, newline="") as file:
                self.rows = list(csv.DictReader(file))

    def find(self, **wanted):
        """Rows with these values."""
        wanted = {name: written(value) for name, value in wanted.items()}
        return [row for row in self.rows if all(row[n] == v for n, v in wanted.items())]

    def once(self, key, make):
        """Return the row with the key, made now if there is none."""
        found = self.find(**key)
        if found:
            return found[0]
        row = dict.fromkeys(FIELDS, "")
        row |= {name: written(value) for name, value in (key | make()).items()}
        fresh = not self.path.exists()
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        self.rows.append(row)
        return row


def written(value):
    """Return a value as it stands in the file."""
    if isinstance(value, (list, np.ndarray)):
        return " ".join(f"{number:.5g}" for number in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def curve(row, name):
    """Return one number an epoch."""
    return np.array([float(number) for number in row[name].split()])


def openimages_size(scale):
    """Return images, labels and pairs; a sample of images shows a part of the labels (Heaps)."""
    return round(9_000_000 * scale), round(20_000 * scale**0.275), round(70_000_000 * scale)


def load_set(name, options):
    """Return the matrix of a data set, without empty rows."""
    if name == "openimages":
        images, labels, pairs = openimages_size(options.openimages_scale)
        topics = max(1, labels // 50)
        return make_annotations(images, labels, pairs, n_topics=topics, random_state=0)
    matrix = vstack([load_npz(options.data / file) for file in FILES[name]], format="csr")
    return matrix[np.flatnonzero(np.diff(matrix.indptr))].astype(np.float32)


def title_of(name, options):
    """Name a data set, with its scale if it has one."""
    return f"{name} x {options.openimages_scale:g}" if name == "openimages" else name


def some_rows(matrix, at_most):
    """Keep random rows that have something, no more than so many."""
    rows = np.flatnonzero(np.diff(matrix.indptr))
    if len(rows) <= at_most:
        return matrix
    kept = np.zeros(matrix.shape[0])
    kept[np.random.default_rng(0).choice(rows, at_most, replace=False)] = 1
    matrix = (diags(kept) @ matrix).tocsr()
    matrix.eliminate_zeros()
    return matrix


def settings_of(method, options):
    """Step and penalty, the paper's first, then spread evenly over the logarithms."""
    more = 0 if method in BY_RANK else len(LAMBDAS) - 1 + options.settings - 1
    settings = [{"learning_rate": 0.01, "regularization": 0.01}]
    for point in qmc.Halton(2, scramble=False).random(options.settings + more)[1:]:
        step, penalty = (
            low * (high / low) ** place
            for place, (low, high) in zip(point, (STEPS, PENALTIES), strict=True)
        )
        settings.append(
            {"learning_rate": float(f"{step:.2g}"), "regularization": float(f"{penalty:.2g}")}
        )
    if method in BY_RANK:
        settings = [setting | {"rank_scale": FIRST_LAMBDA} for setting in settings]
    return settings


def make_model(method, setting, seed, options, **others):
    """Make a model at the setting of the paper but for what is given."""
    return METHODS[method].paper(
        factors=options.factors,
        num_threads=options.threads,
        random_state=seed,
        **setting,
        **others,
    )


def watch(method, setting, seed, train, options, limit):
    """Fit with a validation after every epoch, for so many seconds; return how it went."""
    several = np.count_nonzero(np.diff(train.indptr) >= 2)
    model = make_model(
        method,
        setting,
        seed,
        options,
        iterations=options.epochs,
        early_stopping=EarlyStopping(
            scoring=WATCHED,
            validation_fraction=min(0.5, MOST_VALIDATED / several),
            n_iter_no_change=options.patience,
            tol=0.0,
        ),
    )
    trained = []

    def count(epoch, elapsed, correct, skipped):
        trained.append(elapsed)
        if sum(trained) >= limit:
            raise Enough

    ended = "patience"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "training stopped early")
            model.fit(train, show_progress=False, callback=count)
        if len(trained) == options.epochs:
            ended = "epochs"
    except Enough:
        ended = "limit"
    except ModelFitError:
        return {"ended": "divergence", "validation": 0.0, "epochs": len(trained)}
    if not hasattr(model, "history_"):
        return {"ended": "no epoch", "validation": 0.0, "epochs": 0}
    validation = np.array(model.history_["validation"])
    seconds = np.array(model.history_["seconds"])
    converged = int(np.argmax(validation >= CONVERGED * validation.max()))
    return {
        "epochs": len(validation),
        "best_epoch": int(np.argmax(validation)) + 1,
        "ended": ended,
        "validation": float(validation.max()),
        "converged_epoch": converged + 1,
        "converged_seconds": float(seconds[: converged + 1].sum()),
        "seconds": float(seconds.sum()),
        "validation_by_epoch": validation,
        "seconds_by_epoch": seconds,
        "trials_by_epoch": np.array(model.history_["trials"]),
    }


def measure(method, setting, seed, epochs, train, test, options):
    """Fit on all of the training part and rank the labels of the test."""
    model = make_model(method, setting, seed, options, iterations=epochs)
    try:
        model.fit(train, show_progress=False)
    except ModelFitError:
        return {"epochs": epochs, "ended": "divergence"}
    found = ranking_metrics(model, train, test, METRICS, num_threads=options.threads)
    return {"epochs": epochs, "seconds": sum(model.history_["seconds"])} | found


def seconds_to(row, value):
    """Return the seconds of training until validation first reaches a value."""
    # the curves are written with fewer digits than the best
    reached = curve(row, "validation_by_epoch") >= value * (1 - 1e-4)
    return float(curve(row, "seconds_by_epoch").cumsum()[np.argmax(reached)])


def setting_in(row):
    """Return the parameters that a row was fitted with."""
    return {name: float(row[name]) for name in SETTING if row[name]}


def described(row):
    """Return the parameters of a row in words."""
    text = f"step {row['learning_rate']}, penalty {row['regularization']}"
    return text + (f", lambda {row['rank_scale']}" if row["rank_scale"] else "")


def tune(figures, key, method, train, options):
    """Return the row of the best setting on validation."""

    def trial(setting):
        row = figures.once(
            key | {"part": "tuning", "method": method, "seed": 0, "rank_scale": ""} | setting,
            lambda: watch(method, setting, 0, train, options, options.limit),
        )
        print(
            f"    {method:8} {described(row)}: MAP {float(row['validation']):.4f}, "
            f"{row['epochs']} epochs, ended by {row['ended']}",
            flush=True,
        )
        return row

    def value(row):
        return float(row["validation"])

    settings = settings_of(method, options)
    best = max(map(trial, settings), key=value)
    if method in BY_RANK:
        best = max(
            (trial(setting_in(best) | {"rank_scale": scale}) for scale in LAMBDAS), key=value
        )
        # at another lambda other steps and penalties are right
        scale = {"rank_scale": float(best["rank_scale"])}
        best = max([best, *(trial(setting | scale) for setting in settings)], key=value)
    return best


def run(figures, name, methods, options):
    """Tune every method on a data set, then let them take turns in timing and testing."""
    key = {"data": title_of(name, options), "protocol": protocol(options, options.limit)}
    matrix = load_set(name, options)
    train, test = leave_one_out_split(matrix, random_state=0)
    test = some_rows(test, MOST_TESTED)
    print(f"\n{key['data']}: {matrix.shape[0]:,} x {matrix.shape[1]:,}, {matrix.nnz:,} pairs")
    chosen = {}
    for method in methods:
        scores = float(matrix.shape[0]) * matrix.shape[1]
        if method == "naive" and scores > options.naive_limit:
            print(f"    naive    left out: it would sort {scores:.3g} scores an epoch")
            continue
        best = tune(figures, key, method, train, options)
        if best["ended"] in FAILED:
            print(f"    {method:8} left out: every setting diverged or finished no epoch in time")
            continue
        chosen[method] = setting_in(best)
    key["protocol"] = protocol(options, options.timed_limit)
    for seed in options.seeds:
        for method, setting in chosen.items():
            own = key | {"method": method, "seed": seed, "rank_scale": ""} | setting
            timed = figures.once(
                own | {"part": "convergence"},
                lambda: watch(method, setting, seed, train, options, options.timed_limit),  # noqa: B023
            )
            if timed["ended"] in FAILED:
                continue
            epochs = int(timed["best_epoch"])
            figures.once(
                own | {"part": "test"},
                lambda: measure(method, setting, seed, epochs, train, test, options),  # noqa: B023
            )
    return chosen


def protocol(options, limit):
    """Say in one text what a figure depends on besides its setting."""
    return (
        f"{options.factors} factors, {options.threads} threads, {options.epochs} epochs at most, "
        f"patience {options.patience}, {limit:g} s at most"
    )


class Results:
    """What the file says of one data set at the settings that were chosen."""

    def __init__(self, figures, name, chosen, options):
        self.name, self.title, self.chosen = name, title_of(name, options), chosen
        self.figures = figures
        self.tuned = {"data": self.title, "protocol": protocol(options, options.limit)}
        self.timed = {"data": self.title, "protocol": protocol(options, options.timed_limit)}
        self.seeds = options.seeds

    def rows(self, part, method):
        """Return one row a seed, without those that diverged."""
        setting = {"rank_scale": ""} | self.chosen[method]
        found = []
        for seed in self.seeds:
            found += self.figures.find(**self.timed, part=part, method=method, seed=seed, **setting)
        return [row for row in found if row["ended"] not in FAILED]

    def mean(self, part, method, field):
        """Mean over the seeds."""
        values = [float(row[field]) for row in self.rows(part, method)]
        return statistics.fmean(values) if values else float("nan")

    def sweep(self, method):
        """Return lambda and best validation MAP of the sweep, which has one step and penalty."""
        first = self.figures.find(
            **self.tuned, part="tuning", method=method, rank_scale=FIRST_LAMBDA
        )
        setting = setting_in(max(first, key=lambda row: float(row["validation"])))
        rows = [
            self.figures.find(
                **self.tuned, part="tuning", method=method, **setting | {"rank_scale": scale}
            )
            for scale in LAMBDAS
        ]
        return [(float(r[0]["rank_scale"]), float(r[0]["validation"])) for r in rows if r]

    def cut(self, method):
        """Tell whether any timed run ended before it was clear that its best was its best."""
        for row in self.rows("convergence", method):
            seconds = curve(row, "seconds_by_epoch")
            to_best = seconds[: int(row["best_epoch"])].sum()
            if row["ended"] != "patience" and to_best > seconds.sum() / 2:
                return True
        return False

    def pairs(self):
        """Return the timed runs of VSE-ens and WARP, one pair a seed."""
        if not {"VSE-ens", "WARP"} <= set(self.chosen):
            return []
        ours, theirs = (
            {row["seed"]: row for row in self.rows("convergence", method)}
            for method in ("VSE-ens", "WARP")
        )
        return [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]

    def speedup(self):
        """Return seconds of WARP over those of VSE-ens to convergence, the median over seeds."""
        return statistics.median(
            float(theirs["converged_seconds"]) / float(ours["converged_seconds"])
            for ours, theirs in self.pairs()
        )

    def speedup_to_same(self):
        """Return the same for the MAP at which the lower of the two runs converges."""
        ratios = []
        for ours, theirs in self.pairs():
            value = CONVERGED * min(float(row["validation"]) for row in (ours, theirs))
            ratios.append(seconds_to(theirs, value) / seconds_to(ours, value))
        return statistics.median(ratios)


def table(header, rows):
    """Return a markdown table, its numbers to the right."""
    ruler = ["---"] + ["---:"] * (len(header) - 1)
    return ["| " + " | ".join(line) + " |" for line in (header, ruler, *rows)]


def ranking_table(results):
    """Measures of the test, a method a row."""
    lines = [
        "",
        f"Test, mean of {len(results[0].seeds)} seed(s); auc@10 counts a label that is not among "
        "the first 10 as 1/2, as the AUC of the paper does:",
        "",
    ]
    rows = [
        [f"{result.title}, {method}"]
        + [f"{result.mean('test', method, name):.4f}" for name in METRICS]
        for result in results
        for method in result.chosen
    ]
    return lines + table(["data, method", *METRICS], rows)


def lambda_table(results):
    """Best validation MAP by lambda."""
    lines = ["", "Validation MAP by lambda, a fraction of the number of labels:", ""]
    rows = []
    for result in results:
        for method in [name for name in result.chosen if name in BY_RANK]:
            found = dict(result.sweep(method))
            best = max(found.values())
            cells = [f"{found[scale]:.4f}" if scale in found else "" for scale in LAMBDAS]
            cells = [f"**{cell}**" if cell == f"{best:.4f}" else cell for cell in cells]
            rows.append([f"{result.title}, {method}", *cells])
    return lines + table(["data, method", *(f"{scale:g}" for scale in LAMBDAS)], rows)


def time_table(results):
    """Seconds to convergence."""
    lines = [
        "",
        f"Seconds of training until validation MAP first reaches {CONVERGED:.0%} of its best over "
        "the run (> where the run came to its limit of epochs or seconds with its best in the "
        "later half of its seconds):",
        "",
    ]
    header = ["data, method", "seconds", "epochs", "seconds an epoch", "best MAP", "setting"]
    rows = []
    for result in results:
        for method in result.chosen:
            timed = result.rows("convergence", method)
            if not timed:
                continue
            seconds = result.mean("convergence", method, "converged_seconds")
            epochs = result.mean("convergence", method, "converged_epoch")
            rows.append(
                [
                    f"{result.title}, {method}",
                    f"{'> ' if result.cut(method) else ''}{seconds:.2f}",
                    f"{epochs:.1f}",
                    f"{seconds / epochs:.3f}",
                    f"{result.mean('convergence', method, 'validation'):.4f}",
                    described(timed[0]),
                ]
            )
    return lines + table(header, rows)


def verdict(results):
    """Say plainly whether VSE-ens converges faster than WARP."""
    results = [result for result in results if result.pairs()]
    if not results:
        return ["", "VSE-ens and WARP were not both run."]
    lines = ["", "Is VSE-ens faster than WARP to convergence? The median over seeds:", ""]
    for result in results:
        ratio = result.speedup()
        line = f"- {result.title}: " + (
            f"yes, {ratio:.2f} times faster"
            if ratio > 1
            else f"no, its speed is {ratio:.2f} of that of WARP"
        )
        if result.name in PUBLISHED:
            of = "OpenImages" if result.name == "openimages" else "NUS-WIDE with 5,108 tags"
            line += f" ({PUBLISHED[result.name]} for {of} in the abstract of the paper)"
        bests = [result.mean("convergence", m, "validation") for m in ("VSE-ens", "WARP")]
        line += (
            f". To {CONVERGED:.0%} of the lower of the two best validation MAPs "
            f"({bests[0]:.4f} and {bests[1]:.4f}): {result.speedup_to_same():.2f} times."
        )
        if bests[0] < CONVERGED * bests[1]:
            line += f" VSE-ens does not come to {CONVERGED:.0%} of the best of WARP."
        if result.cut("WARP") or result.cut("VSE-ens"):
            line += " Provisional: a run came to its limit while it still improved."
        lines.append(line)
    ratios = [result.speedup() for result in results]
    faster = sum(ratio > 1 for ratio in ratios)
    as_good = sum(
        result.speedup() > 1
        and result.mean("convergence", "VSE-ens", "validation")
        >= CONVERGED * result.mean("convergence", "WARP", "validation")
        for result in results
    )
    lines += [
        "",
        f"VSE-ens converges faster than WARP on {faster} of {len(results)} data sets ("
        f"{min(ratios):.2f} to {max(ratios):.2f} times its speed), on {as_good} of them to a "
        f"best MAP of at least {CONVERGED:.0%} of that of WARP.",
    ]
    return lines


def draw_measures(results, path):
    """Draw measures of the test beside validation against seconds, a data set a row."""
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(
        len(results),
        2,
        figsize=(12, 3.2 * len(results) + 0.5),
        squeeze=False,
        layout="constrained",
        gridspec_kw={"width_ratios": [1.3, 1]},
    )
    for result, (bars, lines) in zip(results, grid, strict=True):
        width = 0.8 / len(result.chosen)
        bests = {m: max(result.mean("test", name, m) for name in result.chosen) for m in METRICS}
        for place, method in enumerate(result.chosen):
            heights = [result.mean("test", method, m) / best for m, best in bests.items()]
            left = np.arange(len(METRICS)) - 0.4 + width * (place + 0.5)
            bars.bar(left, heights, width * 0.92, color=COLORS[method], label=method)
            for row in result.rows("convergence", method):
                spent = curve(row, "seconds_by_epoch").cumsum()
                values = curve(row, "validation_by_epoch")
                lines.plot(spent, values, color=COLORS[method], lw=1.5)
                at = int(row["converged_epoch"]) - 1
                lines.plot(spent[at], values[at], "o", color=COLORS[method], ms=7)
        names = [f"{name}\n{best:.3f}" for name, best in bests.items()]
        bars.set_xticks(range(len(METRICS)), names, fontsize=8)
        bars.set(title=f"{result.title}: test, relative to the best (named below)", ylim=(0, 1.05))
        lines.set(
            xscale="log",
            xlabel="seconds of training",
            ylabel="validation MAP",
            title=f"{result.title}: dots at {CONVERGED:.0%} of the best",
        )
        lines.set_ylim(bottom=0)
        for axes in (bars, lines):
            axes.spines[["top", "right"]].set_visible(False)
    shown = [method for method in METHODS if any(method in result.chosen for result in results)]
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLORS[method]) for method in shown]
    figure.legend(handles, shown, loc="outside upper center", ncols=len(shown), frameon=False)
    figure.get_layout_engine().set(w_pad=0.12)
    figure.savefig(path, dpi=75)
    plt.close(figure)


def draw_trials(results, path):
    """Draw the mean trials of WARP by epoch, the one draw of VSE-ens beside them."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8.5, 4.4), layout="constrained")
    longest = 2
    for result in results:
        rows = result.rows("convergence", "WARP") if "WARP" in result.chosen else []
        if rows:
            trials = curve(rows[0], "trials_by_epoch")
            axes.plot(range(1, len(trials) + 1), trials, marker=".", label=f"WARP, {result.title}")
            longest = max(longest, len(trials))
    axes.plot([1, longest], [1, 1], color="black", ls="--", label="VSE-ens, any data")
    axes.set(
        xlabel="epoch",
        ylabel="labels drawn for a positive (mean)",
        yscale="log",
        title="What it takes to find a negative (Figure 1 of the paper)",
    )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw_lambda(results, path):
    """Draw validation by lambda, relative to the best of each line."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8.5, 4.4), layout="constrained")
    for number, result in enumerate(results):
        for method in [name for name in result.chosen if name in BY_RANK]:
            scales, values = zip(*result.sweep(method), strict=True)
            axes.plot(
                scales,
                np.array(values) / max(values),
                marker="o",
                color=f"C{number}",
                ls="-" if method == "VSE-ens" else ":",
                label=f"{method}, {result.title}",
            )
    axes.set(
        xscale="log",
        ylim=(0, 1.05),
        xlabel="lambda, as a fraction of the number of labels",
        ylabel="validation MAP, relative to the best",
        title="How hard negatives should be",
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    parser.add_argument(
        "--sets", nargs="+", default=[*FILES, "openimages"], choices=[*FILES, "openimages"]
    )
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--settings", type=int, default=8, help="of step and penalty, a method")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--factors", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=200, help="of a fit, at most")
    parser.add_argument("--patience", type=int, default=20, help="epochs without a new best")
    parser.add_argument("--limit", type=float, default=600, help="seconds of training of a fit")
    parser.add_argument(
        "--timed-limit", type=float, help="the same of the fits that are timed, by default --limit"
    )
    parser.add_argument("--threads", type=int, default=1, help="of every method")
    parser.add_argument("--openimages-scale", type=float, default=0.0125)
    parser.add_argument(
        "--naive-limit", type=float, default=1e8, help="images times labels for the naive sampler"
    )
    options = parser.parse_args()
    options.timed_limit = options.timed_limit or options.limit
    options.out.mkdir(parents=True, exist_ok=True)
    figures = Figures(options.out / "paper.csv")
    started = time.perf_counter()
    results = []
    for name in options.sets:
        chosen = run(figures, name, options.methods, options)
        if chosen:
            results.append(Results(figures, name, chosen, options))
    print(f"\n{time.perf_counter() - started:.0f} s in all")
    if not results:
        return
    lines = [
        "# The comparison of the paper",
        "",
        f"`python benchmarks/paper.py`: {protocol(options, options.limit)} "
        f"({options.timed_limit:g} s where timed), {options.settings} settings.",
    ]
    lines += ranking_table(results)
    if any(set(BY_RANK) & set(result.chosen) for result in results):
        lines += lambda_table(results)
    lines += time_table(results) + verdict(results)
    text = "\n".join(lines) + "\n"
    (options.out / "paper.md").write_text(text)
    print("\n" + text)
    try:
        draw_measures(results, options.out / "paper.png")
        if any("WARP" in result.chosen for result in results):
            draw_trials(results, options.out / "paper_trials.png")
        if any(set(BY_RANK) & set(result.chosen) for result in results):
            draw_lambda(results, options.out / "paper_lambda.png")
    except ImportError:
        print("no pictures: they need matplotlib, pip install matplotlib")


if __name__ == "__main__":
    main()
