"""The comparison of the VSE-ens paper: ranking, lambda, and training time to convergence.

    python benchmarks/paper.py --data FOLDER [--out docs/figures] [--sets mirflickr25k openimages]
        [--methods VSE-ens WARP] [--settings 8] [--seeds 0 1 2] [--openimages-scale 0.0125]

VSE-ens, WARP, Opt-AUC and the naive sampler (true ranks) at the setting of the paper (100 factors,
no bias, initial factors of .01, a margin of 1, for WARP no limit on the trials but the number of
labels), all by one kernel. FOLDER has the data sets of common.py. `openimages` is generated: scale
1 has the size of OpenImages (9 million images, 20,000 labels, 70 million pairs), a part of it fewer
labels, as a sample of images would.

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
import time
import warnings
from pathlib import Path

import numpy as np
from common import add_data, load_whole
from implicit.recommender_base import ModelFitError
from paper_report import (
    BY_RANK,
    CONVERGED,
    FAILED,
    FIRST_LAMBDA,
    LAMBDAS,
    METRICS,
    Figures,
    Results,
    described,
    draw_lambda,
    draw_measures,
    draw_trials,
    lambda_table,
    protocol,
    ranking_table,
    setting_in,
    time_table,
    title_of,
    verdict,
)  # fmt: skip
from scipy.sparse import diags
from scipy.stats import qmc

from vseens_rec import WARP, NaiveRank, OptAUC, VSEens
from vseens_rec.choices import EarlyStopping
from vseens_rec.datasets import make_annotations
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

SETS = ("harrison", "mirflickr25k", "nuswide81", "coco80", "openimages")
METHODS = {"VSE-ens": VSEens, "WARP": WARP, "Opt-AUC": OptAUC, "naive": NaiveRank}
STEPS, PENALTIES = (0.005, 0.3), (0.003, 1.0)
WATCHED = "map"
MOST_VALIDATED, MOST_TESTED = 10_000, 200_000


class Enough(Exception):  # noqa: N818
    """A fit has used up its seconds."""


def openimages_size(scale):
    """Return images, labels and pairs; a sample of images shows a part of the labels (Heaps)."""
    return round(9_000_000 * scale), round(20_000 * scale**0.275), round(70_000_000 * scale)


def load_set(name, options):
    """Return the matrix of a data set, without empty rows."""
    if name == "openimages":
        images, labels, pairs = openimages_size(options.openimages_scale)
        topics = max(1, labels // 50)
        return make_annotations(images, labels, pairs, n_topics=topics, random_state=0)
    matrix = load_whole(options.data, name)
    return matrix[np.flatnonzero(np.diff(matrix.indptr))]


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data(parser, SETS)
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
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
