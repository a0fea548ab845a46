"""Microseconds of calls to a fitted model, against implicit's ALS with the same factors.

    python benchmarks/serving.py [--threads 1 2] [--repeats 15] [--many-images 500000]
        [--growing 3e5 1.5e6 1e7] [--data FOLDER] [--sets ml1m gowalla ...]

Single calls, batches, and models that grow by one image or one label. With a folder (common.py):
lists for all images of its sets by factors and item-item weights, beside those by factors alone.
The factors are those of one epoch; each model has a copy of its own. They take turns and the
medians are compared, since a shared machine drifts. implicit is given the rows that it needs, cut
out of the matrix within the time, as a caller would do; this package remembers the matrix.
"""

import argparse
import copy
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import FILES, add_sizes, load_split, load_whole
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
    labels = np.random.default_rng(1).permutation(X.shape[1])

    def row_of(model):
        """The row, as wide as the model is by now."""
        return csr_matrix((row.data, row.indices, row.indptr), (1, len(model.item_factors)))

    def column(model, i):
        n = len(model.user_factors)
        ids = np.unique(images[i])
        return csr_matrix((np.ones(len(ids), np.float32), ids, [0, len(ids)]), (1, n))

    yield (
        "partial_fit_users, one new", 5,
        lambda i: ours.partial_fit_users([len(ours.user_factors)], row_of(ours)),
        lambda i: theirs.partial_fit_users([len(theirs.user_factors)], row_of(theirs)),
    )  # fmt: skip
    yield (
        "partial_fit_users, one changed", 5,
        lambda i: ours.partial_fit_users([images[i, 0]], row_of(ours)),
        lambda i: theirs.partial_fit_users([images[i, 0]], row_of(theirs)),
    )  # fmt: skip
    yield (
        "partial_fit_items, one new", 2,
        lambda i: ours.partial_fit_items([len(ours.item_factors)], column(ours, i)),
        lambda i: theirs.partial_fit_items([len(theirs.item_factors)], column(theirs, i)),
    )  # fmt: skip
    yield (
        "partial_fit_items, one changed", 2,
        lambda i: ours.partial_fit_items([labels[i]], column(ours, i)),
        lambda i: theirs.partial_fit_items([labels[i]], column(theirs, i)),
    )  # fmt: skip

    def first(method, arguments):
        """Take the first list after a call, which is not timed."""

        def prepare(model, i):
            getattr(model, method)(*arguments(model, i))

        return (
            Timed(partial(prepare, ours), lambda i: ours.recommend(images[i, 1])),
            Timed(
                partial(prepare, theirs),
                lambda i: theirs.recommend(images[i, 1], X[images[i, 1]]),
            ),
        )

    new_user = first(
        "partial_fit_users", lambda model, _: ([len(model.user_factors)], row_of(model))
    )
    yield "recommend after one new image", 5, *new_user
    old_user = first("partial_fit_users", lambda model, i: ([images[i, 0]], row_of(model)))
    yield "recommend after one changed image", 5, *old_user
    new_label = first(
        "partial_fit_items", lambda model, i: ([len(model.item_factors)], column(model, i))
    )
    yield "recommend after one new label", 2, *new_label


def similar_images(model, images, i):
    """Look for images like one of those given."""
    return model.similar_users(images[i])


class Timed(NamedTuple):
    """A call, and another one before it that is not timed."""

    prepare: Callable
    call: Callable

    def __call__(self, number):
        """Make both calls."""
        self.prepare(number)
        self.call(number)


def seconds_of(call, numbers):
    """Time calls one after the other; return the mean."""
    if isinstance(call, Timed):
        seconds = 0.0
        for number in numbers:
            call.prepare(number)
            seconds += seconds_of(call.call, [number])
        return seconds / len(numbers)
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


def compare_parts(folder, name, threads, repeats):
    """Time lists for all images by both parts and by factors alone, in turns."""
    X = load_whole(folder, name) if name in FILES else load_split(folder, name)[0]
    model = VSEens(iterations=20, random_state=0).fit(X, show_progress=False)
    alone = copy.copy(model)
    alone._item_item = None
    images = np.arange(min(X.shape[0], 20_000))
    for n_threads in threads:
        seconds = {model: [], alone: []}
        with threadpool_limits(n_threads, "blas"):
            for one in seconds:
                one.set_params(num_threads=n_threads).recommend(images[:2000])
            for _ in range(repeats):
                for one, found in seconds.items():
                    found.append(seconds_of(lambda _, one=one: one.recommend(images), [0]))
        both, factors = (statistics.median(found) * 1e3 for found in seconds.values())
        size = f"{X.shape[1]:,} labels, {X.nnz / X.shape[0]:.0f} a row"
        print(f"{name:14}{size:28}{n_threads:3}{both:10,.0f}{factors:10,.0f}{both / factors:7.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_sizes(parser)
    parser.set_defaults(factors=64)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--many-images", type=int, default=500_000)
    parser.add_argument("--growing", type=float, nargs="*", default=[3e5, 1.5e6])
    parser.add_argument("--data", type=Path, help="the folder of common.py")
    parser.add_argument("--sets", nargs="+", default=["ml1m", "mirflickr25k", "gowalla"])
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
            images = max(options.images, pairs // 9)
            X = make_annotations(images, options.labels, pairs, random_state=0)
            print(f"\n{pairs:,} pairs, {images:,} images, 1 thread")
            compare(growing_calls(*make_models(X, options.factors, 1), X), 5)
    if options.data is not None:
        print(f"\n{'milliseconds for all images':42}{'threads':>3}{'both':>7}{'factors':>10}")
        for name in options.sets:
            compare_parts(options.data, name, options.threads, options.repeats)


if __name__ == "__main__":
    main()
