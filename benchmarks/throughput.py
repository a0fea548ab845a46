"""Pairs per second of a whole fit, against implicit's BPR in the same run.

    python benchmarks/throughput.py [--grid] [--epochs 10] [--repeats 3] [--threads 1 2]

Every figure is the number of stored pairs times the epochs, divided by the seconds of `fit`:
copying, initial factors, refreshing of the rank table and all, from random factors and without the
fold-in of the images at the end, but for one line of each. The contestants take turns and the
medians are compared, because a shared machine drifts.
"""

import argparse
import statistics
import time
import warnings

from common import add_sizes
from implicit.bpr import BayesianPersonalizedRanking
from threadpoolctl import threadpool_limits

import vseens_rec
from vseens_rec import VSEens
from vseens_rec.choices import Adaptive, Group, Violator
from vseens_rec.datasets import make_annotations

# how hard negatives are with one candidate and with many does not change the work
ADAPTIVE = Adaptive(rank_scale=0.1)
SAMPLERS = {"adaptive": ADAPTIVE, "uniform": "uniform"}
FIRST = {"selection": "first"}
SELECTIONS = {
    "hardest of 8": {"selection": "hardest", "candidates": 8},
    "4 of 8": {"selection": Group(size=4), "candidates": 8},
    "violator": {"selection": Violator(max_trials=100)},
}


def contestants(grid):
    """Name and parameters of everything that is timed; the first is the yardstick."""
    yield "implicit BPR", None
    for name, sampler in SAMPLERS.items():
        for loss in ("logistic", "hinge"):
            yield f"{name}, first, {loss}", {"sampler": sampler, "loss": loss} | FIRST
    yield "adaptive, paper's refreshes", {"sampler": Adaptive(0.1, refresh_interval=1.0)} | FIRST
    yield "the first, images folded in", {"fold_in_users": True} | FIRST
    yield "the first, spectral start", {"init": "spectral"} | FIRST
    yield "the first, with both", {"init": "spectral", "fold_in_users": True} | FIRST
    yield "VSEens()'s sampling", {"sampler": "adaptive"}
    if not grid:
        return
    yield "popularity, first, logistic", {"sampler": "popularity"} | FIRST
    for name, sampler in SAMPLERS.items():
        for kept, selection in SELECTIONS.items():
            loss = "warp" if kept == "violator" else "logistic"
            yield f"{name}, {kept}, {loss}", {"sampler": sampler, "loss": loss} | selection
        for loss in ("softmax", "sgns"):
            yield f"{name}, 8 of 8, {loss}", {"sampler": sampler, "loss": loss, "candidates": 8}


def make_model(parameters, factors, epochs, threads):
    """Make the yardstick, whose bias is one factor more, or a model of this package."""
    shared = {"iterations": epochs, "random_state": 0, "num_threads": threads}
    if parameters is None:
        return BayesianPersonalizedRanking(factors=factors - 1, **shared)
    # a step that no loss diverges with; it does not change the work
    options = {
        "use_bias": False,
        "learning_rate": 0.01,
        "fold_in_users": False,
        "init": "random",
        "sampler": ADAPTIVE,
        # which leaves out the trial
        "regularization": 0.04,
    }
    return VSEens(factors=factors, **shared, **options | parameters)


def seconds_of_fit(model, matrix):
    """Time one fit on a matrix of its own."""
    own = matrix.copy()
    started = time.perf_counter()
    with threadpool_limits(1, "blas"):
        model.fit(own, show_progress=False)
    return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_sizes(parser)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--grid", action="store_true", help="every selection and loss as well")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    vseens_rec.show_config()
    matrix = make_annotations(options.images, options.labels, options.pairs, random_state=0)
    print(
        f"\n{options.images:,} x {options.labels:,}, {options.pairs:,} pairs, "
        f"{options.factors} factors, {options.epochs} epochs, median of {options.repeats}"
    )
    print(
        f"{'method':34}"
        + "".join(f"{f'{t} threads: M pairs/s':>24}  ratio" for t in options.threads)
    )
    entries = list(contestants(options.grid))
    seconds = {(name, t): [] for name, _ in entries for t in options.threads}
    for _ in range(options.repeats):
        for threads in options.threads:
            for name, parameters in entries:
                model = make_model(parameters, options.factors, options.epochs, threads)
                seconds[name, threads].append(seconds_of_fit(model, matrix))
    work = options.pairs * options.epochs / 1e6
    yardstick = entries[0][0]
    for name, _ in entries:
        line = f"{name:34}"
        for threads in options.threads:
            ratios = [
                a / b
                for a, b in zip(seconds[yardstick, threads], seconds[name, threads], strict=True)
            ]
            rate = work / statistics.median(seconds[name, threads])
            line += f"{rate:24.2f}  {statistics.median(ratios):5.2f}"
        print(line)


if __name__ == "__main__":
    main()
