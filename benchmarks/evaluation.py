"""Seconds to evaluate a model, against implicit's ranking_metrics_at_k on the same factors.

    python benchmarks/evaluation.py --data FOLDER [--repeats 5] [--threads 1 2]

FOLDER has the data sets of common.py, of which HARRISON and Gowalla are used. Both compute
precision or recall, NDCG@10, MAP and AUC; ours over all ranks and with ties, implicit's over the
first 10. They take turns and the medians are compared.
"""

import argparse
import statistics
import time
import warnings
from pathlib import Path

from common import load_split, load_whole
from implicit.als import AlternatingLeastSquares
from implicit.evaluation import ranking_metrics_at_k
from threadpoolctl import threadpool_limits

from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

METRICS = ["precision@10", "recall@10", "ndcg@10", "map", "auc"]


def load_sets(folder):
    """Yield name, training part and held-out part."""
    yield "harrison", *leave_one_out_split(load_whole(folder, "harrison"), random_state=0)
    yield "gowalla", *load_split(folder, "gowalla")


def seconds_of(call):
    """Time one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def race(model, train, held_out, threads, repeats):
    """Seconds of both, taking turns."""

    def theirs():
        ranking_metrics_at_k(model, train, held_out, K=10, show_progress=False, num_threads=threads)

    def ours():
        ranking_metrics(model, train, held_out, METRICS, num_threads=threads)

    seconds = [(seconds_of(theirs), seconds_of(ours)) for _ in range(repeats)]
    return zip(*seconds, strict=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, train, held_out in load_sets(options.data):
        print(f"{name}: {train.shape[0]:,} x {train.shape[1]:,}, {held_out.nnz:,} held out")
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(options.factors, iterations=3, random_state=0)
            model.fit(train, show_progress=False)
            for threads in options.threads:
                theirs, ours = race(model, train, held_out, threads, options.repeats)
                ratio = statistics.median(a / b for a, b in zip(theirs, ours, strict=True))
                print(
                    f"    {threads} threads: implicit {statistics.median(theirs):.3f} s, "
                    f"vseens_rec {statistics.median(ours):.3f} s, ratio {ratio:.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
