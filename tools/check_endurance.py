"""Train many times in one process, then serve from many threads, and watch memory and answers.

    python tools/check_endurance.py [--fits 1000] [--minutes 60] [--threads 8] [--pause 0.2]

Fits go round the methods, with early stopping, warm starts, files, pickles and trainings that fail.
Memory is looked at after every round, and must not grow from the first quarter of the rounds on.
Then threads ask one model for recommendations, similar labels and fold-ins; every answer is
compared with the one that was found before they started, and latency and memory are shown. Between
two calls a thread waits, for so many seconds on average. Any difference, exception or growth fails.
"""

import argparse
import gc
import io
import os
import pickle
import sys
import threading
import time
import warnings
from itertools import count

import numpy as np
from implicit.recommender_base import ModelFitError
from sklearn.base import clone

from vseens_rec import BPR, DNS, WARP, AoBPR, NaiveRank, ReleasedVSEens, SampledSoftmax, VSEens
from vseens_rec.choices import EarlyStopping, Group
from vseens_rec.datasets import make_annotations

SHARED = {"factors": 12, "iterations": 3}
METHODS = [
    VSEens(**SHARED),
    VSEens(**SHARED, early_stopping=EarlyStopping(validation_fraction=0.3)),
    VSEens(**SHARED, loss="softmax", candidates=8),
    VSEens(**SHARED, selection=Group(size="auto"), candidates=6, loss="softmax"),
    VSEens(**SHARED, sampler="popularity", loss="sgns", selection="first", candidates=3),
    VSEens(**SHARED, positive_sampling="weighted"),
    VSEens.paper(**SHARED),
    ReleasedVSEens(**SHARED),
    WARP(**SHARED), BPR(**SHARED), AoBPR(**SHARED), DNS(**SHARED), NaiveRank(**SHARED),
    SampledSoftmax(**SHARED),
]  # fmt: skip
# what the allocator keeps is not a leak
ALLOWED_GROWTH = 2**20
# borders of milliseconds between which calls are counted, so that counting takes no memory
BORDERS = np.geomspace(1e-2, 1e6, 801)


def resident():
    """Bytes of memory that the process has now."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Stop(Exception):  # noqa: N818
    """Raised by a callback."""


def fail_in_training(X):
    """Train in ways that end in an exception."""

    def stop(*_):
        raise Stop

    attempts = [
        (VSEens(**SHARED), {"X": X, "callback": stop}, Stop),
        (VSEens(**SHARED, learning_rate=1e30), {"X": X}, (ModelFitError, ValueError)),
        (VSEens(**SHARED, loss="nonsense"), {"X": X}, ValueError),
        (VSEens(**SHARED), {"X": -X}, ValueError),
    ]
    for model, arguments, expected in attempts:
        try:
            model.fit(show_progress=False, **arguments)
        except expected:
            continue
        raise AssertionError(f"{model} was fitted with {arguments}")


def one_round(X, seed):
    """Fit every method once, and do what people do with a fitted model."""
    for method in METHODS:
        model = clone(method).set_params(random_state=seed)
        model.fit(X, show_progress=False)
        model.recommend(np.arange(150), N=5)
        model.transform(X[:20])
        file = io.BytesIO()
        model.save(file)
        file.seek(0)
        again = type(model).load(file)
        pickle.loads(pickle.dumps(again)).similar_items(0)
        again.set_params(warm_start=True).fit(X, show_progress=False)
        again.partial_fit_users([X.shape[0] + 1], X[:1])
    fail_in_training(X)
    return 2 * len(METHODS)


def check_fits(n_fits):
    """Fail if memory grows with the number of fits."""
    X = make_annotations(800, 120, 8_000, random_state=0)
    done, seen = 0, []
    started = time.perf_counter()
    for seed in count():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            done += one_round(X, seed)
        seen.append(resident())
        if done >= n_fits:
            break
    early = max(seen[: max(1, len(seen) // 4)])
    print(
        f"{done} fits in {time.perf_counter() - started:.0f} s: {early / 2**20:.1f} MiB at most in "
        f"the first quarter, {seen[-1] / 2**20:.1f} MiB at the end",
        flush=True,
    )
    if seen[-1] > early + ALLOWED_GROWTH:
        sys.exit(f"memory grew; MiB after every round: {[round(n / 2**20, 1) for n in seen]}")


def make_calls(model, X, new):
    """Return what the threads ask for, by name: its weight, and a function of a number below 64."""
    return {
        "recommend, 1 image": (10, lambda i: model.recommend(i, N=10)),
        "recommend, 200 images": (10, lambda i: model.recommend(np.arange(i, i + 200), N=10)),
        "recommend, 50 given labels": (
            10,
            lambda i: model.recommend(i, items=np.arange(i, i + 50)),
        ),
        "recommend, a new image": (
            10,
            lambda i: model.recommend(0, user_items=new[i], recalculate_user=True),
        ),
        "transform, 20 new images": (10, lambda i: model.transform(new[i : i + 20])),
        "similar labels": (10, lambda i: model.similar_items(i)),
        "recalculate a label": (1, lambda i: model.recalculate_item(i, X[:, [i]].T.tocsr())),
    }


def check_serving(minutes, n_threads, pause):
    """Fail if a thread gets another answer than the first, or an exception, or memory grows."""
    X = make_annotations(20_000, 2_000, 200_000, random_state=0)
    new = make_annotations(100, 2_000, 1_000, random_state=1)
    model = VSEens(factors=64, iterations=10, random_state=0).fit(X, show_progress=False)
    calls = make_calls(model, X, new)
    expected = {name: [call(i) for i in range(64)] for name, (_, call) in calls.items()}
    weights = np.array([weight for weight, _ in calls.values()])
    counts = np.zeros((n_threads, len(calls), len(BORDERS) + 1), dtype=np.int64)
    longest = np.zeros((n_threads, len(calls)))
    problems, seen = [], []
    end = time.monotonic() + 60 * minutes

    def work(number):
        generator = np.random.default_rng(number)
        try:
            while time.monotonic() < end and not problems:
                time.sleep(generator.exponential(pause))
                kind = int(generator.choice(len(calls), p=weights / weights.sum()))
                name, query = list(calls)[kind], int(generator.integers(64))
                started = time.perf_counter()
                answer = calls[name][1](query)
                milliseconds = 1e3 * (time.perf_counter() - started)
                counts[number, kind, np.searchsorted(BORDERS, milliseconds)] += 1
                longest[number, kind] = max(longest[number, kind], milliseconds)
                for one, other in zip(
                    np.atleast_2d(answer), np.atleast_2d(expected[name][query]), strict=True
                ):
                    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        except BaseException as error:
            problems.append(f"{name}, {query}: {error!r}")
            raise

    threads = [threading.Thread(target=work, args=(number,)) for number in range(n_threads)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen.append(resident())
        threads[0].join(timeout=max(1.0, 60 * minutes / 60))
    for thread in threads:
        thread.join()
    if problems:
        sys.exit(f"failed: {problems}")
    early = max(seen[: max(1, len(seen) // 4)])
    print(
        f"{counts.sum():,} calls from {n_threads} threads in {minutes:g} min, all as expected: "
        f"{early / 2**20:.1f} MiB at most in the first quarter, {seen[-1] / 2**20:.1f} MiB at the "
        "end"
    )
    for kind, name in enumerate(calls):
        below = np.cumsum(counts[:, kind].sum(axis=0))
        half, most, nearly_all = (
            BORDERS[min(np.searchsorted(below, share * below[-1]), len(BORDERS) - 1)]
            for share in (0.5, 0.95, 0.99)
        )
        print(
            f"{name:28} {below[-1]:9,} calls, ms: median {half:6.1f}, 95 % {most:6.1f}, "
            f"99 % {nearly_all:6.1f}, longest {longest[:, kind].max():7.1f}"
        )
    if seen[-1] > early + ALLOWED_GROWTH:
        sys.exit(f"memory grew; MiB over time: {[round(n / 2**20, 1) for n in seen]}")


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0.2)
    options = parser.parse_args()
    if options.fits:
        check_fits(options.fits)
    if options.minutes:
        check_serving(options.minutes, options.threads, options.pause)


if __name__ == "__main__":
    main()
