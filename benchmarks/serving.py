"""Microseconds of calls to a fitted model, against implicit's ALS with the same factors.

    python benchmarks/serving.py [--threads 1 2] [--repeats 15] [--many-images 500000]
        [--growing 3e5 1.5e6]

Single calls, batches, and models that grow by one image or one label. The factors are those of one
epoch; each model has a copy of its own. They take turns and the medians are compared, since a
shared machine drifts. implicit is given the rows that it needs, cut out of the matrix within the
time, as a caller would do; this package remembers the matrix.
"""

import argparse
import statistics
import time
import warnings
from functools import partial

import numpy as np
from common import add_sizes
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

import vseens_rec
from vseens_rec import VSEens
from vseens_rec.datasets import make_annotations

# calls of a turn, so that each finds its own factors in the caches
SINGLE_CALLS = 20


def make_models(matrix, factors, threads):
    """Make a model of this package, and an ALS with copies of its factors."""
    ours = VSEens(
        factors=factors - 1, iterations=1, fold_in_users=False, init="random", random_state=0,
        num_threads=threads,
    )  # fmt: skip
    ours.fit(matrix, show_progress=False)
    theirs = AlternatingLeastSquares(factors=factors, num_threads=threads)
    theirs.user_factors, theirs.item_factors = ours.user_factors.copy(), ours.item_factors.copy()
    return ours, theirs


def calls(ours, theirs, X):
    """Name, calls of one turn and both calls, which take the number of the call."""
    n_images, n_labels = X.shape
    single = partial(np.random.default_rng(0).integers, size=1 << 12)
    images, labels = single(n_images).tolist(), single(n_labels).tolist()
    many, some, few = np.arange(10_000), np.arange(1_000), np.arange(200)
    folded = np.arange(2_000)
    fold, again = {"recalculate_user": True}, SINGLE_CALLS
    yield (
        "recommend, remembered matrix", again,
        lambda i: ours.recommend(images[i]),
        lambda i: theirs.recommend(images[i], X[images[i]]),
    )  # fmt: skip
    yield (
        "recommend, row given", again,
        lambda i: ours.recommend(images[i], X[images[i]]),
        lambda i: theirs.recommend(images[i], X[images[i]]),
    )  # fmt: skip
    yield (
        "recommend, no filter", again,
        lambda i: ours.recommend(images[i], filter_already_liked_items=False),
        lambda i: theirs.recommend(images[i], None, filter_already_liked_items=False),
    )  # fmt: skip
    yield (
        "recommend, recalculate_user", again,
        lambda i: ours.recommend(images[i], X[images[i]], **fold),
        lambda i: theirs.recommend(images[i], X[images[i]], **fold),
    )  # fmt: skip
    yield (
        "similar_items", again,
        lambda i: ours.similar_items(labels[i]),
        lambda i: theirs.similar_items(labels[i]),
    )  # fmt: skip
    yield (
        "similar_users", again,
        lambda i: ours.similar_users(images[i]),
        lambda i: theirs.similar_users(images[i]),
    )  # fmt: skip
    yield (
        "recommend for 10,000", 1,
        lambda i: ours.recommend(many),
        lambda i: theirs.recommend(many, X[many]),
    )  # fmt: skip
    yield (
        "recommend for 2,000, recalculate", 1,
        lambda i: ours.recommend(folded, X[folded], **fold),
        lambda i: theirs.recommend(folded, X[folded], **fold),
    )  # fmt: skip
    yield (
        "similar_items of 1,000", 1,
        lambda i: ours.similar_items(some),
        lambda i: theirs.similar_items(some),
    )  # fmt: skip
    yield (
        "similar_users of 200", 1,
        lambda i: ours.similar_users(few),
        lambda i: theirs.similar_users(few),
    )  # fmt: skip
    yield (
        "transform of 2,000", 1,
        lambda i: ours.transform(X[folded]),
        lambda i: theirs.recalculate_user(folded, X[folded]),
    )  # fmt: skip


def growing_calls(ours, theirs, X):
    """Name, calls of one turn and both calls that add one image or one label."""
    row, images = X[[7]], np.random.default_rng(0).integers(X.shape[0], size=(1 << 12, 9))

    def column(model, i):
        n = len(model.user_factors)
        ids = np.unique(images[i])
        return csr_matrix((np.ones(len(ids), np.float32), ids, [0, len(ids)]), (1, n))

    yield (
        "partial_fit_users, one new", 5,
        lambda i: ours.partial_fit_users([len(ours.user_factors)], row),
        lambda i: theirs.partial_fit_users([len(theirs.user_factors)], row),
    )  # fmt: skip
    yield (
        "partial_fit_users, one changed", 5,
        lambda i: ours.partial_fit_users([images[i, 0]], row),
        lambda i: theirs.partial_fit_users([images[i, 0]], row),
    )  # fmt: skip
    yield (
        "partial_fit_items, one new", 2,
        lambda i: ours.partial_fit_items([len(ours.item_factors)], column(ours, i)),
        lambda i: theirs.partial_fit_items([len(theirs.item_factors)], column(theirs, i)),
    )  # fmt: skip


def similar_images(model, images, i):
    """Look for images like one of those given."""
    return model.similar_users(images[i])


def seconds_of(call, numbers):
    """Time calls one after the other; return the mean."""
    started = time.perf_counter()
    for number in numbers:
        call(number)
    return (time.perf_counter() - started) / len(numbers)


def compare(entries, repeats):
    """Time both calls of each entry in turns, and print the medians and their ratio."""
    for name, n_calls, ours, theirs in entries:
        seconds = {ours: [], theirs: []}
        for call in seconds:
            call(0)
        for turn in range(repeats):
            numbers = range(1 + turn * n_calls, 1 + (turn + 1) * n_calls)
            for call, found in seconds.items():
                found.append(seconds_of(call, numbers))
        one, other = (statistics.median(found) * 1e6 for found in seconds.values())
        print(f"{name:34}{one:14,.0f}{other:14,.0f}{one / other:8.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_sizes(parser)
    parser.set_defaults(factors=64)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--many-images", type=int, default=500_000)
    parser.add_argument("--growing", type=float, nargs="*", default=[3e5, 1.5e6])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    vseens_rec.show_config()
    for threads in options.threads:
        with threadpool_limits(threads, "blas"):
            X = make_annotations(options.images, options.labels, options.pairs, random_state=0)
            print(f"\n{X.shape[0]:,} x {X.shape[1]:,}, {options.factors} factors")
            title = f"microseconds, {threads} thread{'s' * (threads > 1)}"
            print(f"{title:34}{'vseens_rec':>14}{'implicit ALS':>14}{'ratio':>8}")
            compare(calls(*make_models(X, options.factors, threads), X), options.repeats)
            if not options.many_images:
                continue
            X = make_annotations(options.many_images, options.labels, options.pairs, random_state=0)
            models = make_models(X, options.factors, threads)
            images = np.random.default_rng(0).integers(len(X.indptr) - 1, size=1 << 12).tolist()
            one, other = (partial(similar_images, model, images) for model in models)
            name = f"similar_users, {options.many_images:,} images"
            compare([(name, 5, one, other)], options.repeats)
    for pairs in map(round, options.growing):
        with threadpool_limits(1, "blas"):
            X = make_annotations(options.images, options.labels, pairs, random_state=0)
            print(f"\n{pairs:,} pairs, 1 thread")
            compare(growing_calls(*make_models(X, options.factors, 1), X), 5)


if __name__ == "__main__":
    main()
