"""Seconds to recommend for all images, against implicit's own class with the same factors.

    python benchmarks/recommend.py [--n 10] [--repeats 5] [--threads 1 2]

Both have the training matrix and leave out what an image has. They take turns, and the medians are
compared, since a shared machine drifts.
"""

import argparse
import statistics
import time

import numpy as np
from implicit.bpr import BayesianPersonalizedRanking
from throughput import add_sizes

from vseens_rec import VSEens
from vseens_rec.datasets import make_annotations


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_sizes(parser)
    parser.add_argument("--n", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    matrix = make_annotations(options.images, options.labels, options.pairs, random_state=0)
    ids = np.arange(options.images)
    print(f"{options.images:,} x {options.labels:,}, {options.factors} factors, N={options.n}")
    for threads in options.threads:
        ours = VSEens(
            factors=options.factors - 1, iterations=1, fold_in_users=False, random_state=0,
            num_threads=threads,
        )  # fmt: skip
        ours.fit(matrix, show_progress=False)
        theirs = BayesianPersonalizedRanking(num_threads=threads)
        theirs.user_factors, theirs.item_factors = ours.user_factors, ours.item_factors
        seconds = {"vseens_rec": [], "implicit": []}
        for _ in range(options.repeats):
            started = time.perf_counter()
            one = ours.recommend(ids, N=options.n)[0]
            seconds["vseens_rec"].append(time.perf_counter() - started)
            started = time.perf_counter()
            other = theirs.recommend(ids, matrix, N=options.n)[0]
            seconds["implicit"].append(time.perf_counter() - started)
        same = (one == other).mean()
        ratio = statistics.median(
            b / a for a, b in zip(seconds["vseens_rec"], seconds["implicit"], strict=True)
        )
        print(
            f"{threads} threads: {statistics.median(seconds['vseens_rec']):.2f} s, implicit "
            f"{statistics.median(seconds['implicit']):.2f} s, ratio {ratio:.2f}, {same:.2%} of the "
            "labels alike",
            flush=True,
        )


if __name__ == "__main__":
    main()
