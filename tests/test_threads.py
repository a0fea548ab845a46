"""Several threads and processes at once."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import threadpoolctl

from vseens_rec import VSEens, show_config
from vseens_rec._native import limit_blas
from vseens_rec.datasets import make_annotations

OPTIONS = {"factors": 16, "iterations": 10, "random_state": 0, "num_threads": 1}


@pytest.fixture(scope="module")
def matrix():
    return make_annotations(1500, 200, 15_000, random_state=0)


@pytest.fixture(scope="module")
def fitted(matrix):
    return VSEens(**OPTIONS).fit(matrix, show_progress=False)


def train(matrix, seed, num_threads=1):
    model = VSEens(**OPTIONS | {"random_state": seed, "num_threads": num_threads})
    return model.fit(matrix, show_progress=False)


def answers(model, matrix):
    return (
        model.recommend(np.arange(300), N=5)[0],
        model.similar_items([3, 4], N=5)[0],
        model.transform(matrix[:50]),
        model.recommend(0, matrix[7], recalculate_user=True)[0],
        model.score(matrix[:200]),
    )


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_model_serves_many_threads(fitted, matrix):
    expected = answers(fitted, matrix)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: answers(fitted, matrix), range(24)):
            assert_same(found, expected)


def test_fits_of_several_models_at_once(matrix):
    expected = [train(matrix, seed).item_factors for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        for found, wanted in zip(
            pool.map(lambda seed: train(matrix, seed), range(6)), expected, strict=True
        ):
            np.testing.assert_array_equal(found.item_factors, wanted)


def test_a_model_that_is_fitted_anew_goes_on_serving(matrix):
    model = VSEens(**OPTIONS).fit(matrix, show_progress=False)
    answers, failures, done = [], [], threading.Event()

    def serve():
        while not done.is_set():
            try:
                answers.append(model.recommend(0, N=20)[0])
                model.transform(matrix[:3])
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=serve) for _ in range(3)]
    for thread in threads:
        thread.start()
    for seed in range(5):
        model.set_params(random_state=seed).fit(matrix, show_progress=False)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert len({tuple(ids) for ids in answers}) > 1
    assert all(len(set(ids)) == 20 and not set(ids) & set(matrix[0].indices) for ids in answers)
    np.testing.assert_array_equal(
        model.recommend(0, N=20)[0], train(matrix, 4).recommend(0, N=20)[0]
    )


def test_other_threads_make_progress_during_training():
    matrix = make_annotations(20_000, 500, 200_000, random_state=0)
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.002)

    thread = threading.Thread(target=tick)
    started = time.perf_counter()
    thread.start()
    VSEens(factors=64, iterations=2, num_threads=1).fit(matrix, show_progress=False)
    done.set()
    thread.join()
    elapsed = time.perf_counter() - started
    # with the lock held there would be one tick for every call of the kernel
    assert len(ticks) > 0.1 * elapsed / 0.002
    assert np.diff(ticks).max() < 0.5 * elapsed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("num_threads", [1, 2])
def test_works_after_a_fork(matrix, num_threads):
    model = train(matrix, 0, num_threads=2)
    model.recommend(np.arange(300))
    expected = train(matrix, 1).item_factors
    # at its end this pool kills children that wait for ever
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.apply_async(train, (matrix, 1, num_threads)).get(timeout=60)
        # a child has one thread left, which gives the same bits
        np.testing.assert_array_equal(found.item_factors, expected)
        ids = pool.apply_async(recommend, (model,)).get(timeout=60)
    np.testing.assert_array_equal(ids, recommend(model))


def recommend(model):
    return model.recommend(np.arange(300), N=5)[0]


# a program of its own, as other processes cannot import the modules of the tests
PROCESSES = """
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from joblib import Parallel, delayed

from vseens_rec import VSEens
from vseens_rec.datasets import make_annotations


def train(matrix, seed):
    model = VSEens(factors=16, iterations=10, random_state=seed, num_threads=1)
    return model.fit(matrix, show_progress=False)


def recommend(model):
    return model.recommend(np.arange(300), N=5)[0]


if __name__ == "__main__":
    matrix = make_annotations(1500, 200, 15_000, random_state=0)
    model = train(matrix, 1)
    if sys.argv[1] == "spawn":
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
            models = list(pool.map(train, [matrix] * 2, [1, 1]))
            ids = list(pool.map(recommend, [model] * 2))
    else:
        models = Parallel(2, backend=sys.argv[1])(delayed(train)(matrix, 1) for _ in range(2))
        # large arrays reach the processes as read-only memory maps
        ids = Parallel(2, backend=sys.argv[1], max_nbytes=1000)(
            delayed(recommend)(model) for _ in range(2))
    for other in models:
        np.testing.assert_array_equal(other.item_factors, model.item_factors)
    for found in ids:
        np.testing.assert_array_equal(found, recommend(model))
    print("the same")
"""


@pytest.mark.parametrize("kind", ["spawn", "loky", "threading"])
def test_works_in_other_processes(tmp_path, kind):
    (tmp_path / "processes.py").write_text(PROCESSES)
    found = subprocess.run(
        [sys.executable, tmp_path / "processes.py", kind],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert found.stdout == "the same\n"


@pytest.mark.skipif(
    not show_config(mode="dicts")["openmp"], reason="built without OpenMP: always one thread"
)
def test_threads_follow_the_environment():
    code = "import vseens_rec; print(vseens_rec.show_config(mode='dicts')['threads'])"
    for n in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"OMP_NUM_THREADS": n},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert int(found.stdout) <= int(n)
    if hasattr(os, "sched_setaffinity"):
        own = min(os.sched_getaffinity(0))
        one = f"import os; os.sched_setaffinity(0, [{own}]); {code}"
        environment = {key: value for key, value in os.environ.items() if key[:4] != "OMP_"}
        found = subprocess.run(
            [sys.executable, "-c", one], env=environment, capture_output=True, text=True, check=True
        )
        assert int(found.stdout) == 1


ONE_PROCESSOR = """
import os, sys
import numpy as np
from vseens_rec import VSEens
from vseens_rec.metrics import ranking_metrics
from vseens_rec.datasets import make_annotations

rng = np.random.default_rng(0)
X = make_annotations(3000, 2000, 30_000, random_state=0)
model = VSEens(factors=127, iterations=1, num_threads=1)
model.fit(X, show_progress=False)
large = VSEens(factors=127, num_threads=1)
large.user_factors = rng.normal(size=(3000, 128)).astype(np.float32)
large.item_factors = rng.normal(size=(100_000, 128)).astype(np.float32)
double = VSEens(factors=127, num_threads=1)
double.user_factors, double.item_factors = (
    np.float64(f) for f in (model.user_factors, model.item_factors)
)
one = X.T.tocsr()[[7]]
CALLS = {
    "fit": lambda: model.fit(X, show_progress=False),
    "recommend one": lambda: large.recommend(3, filter_already_liked_items=False),
    "recommend 50": lambda: large.recommend(np.arange(50), filter_already_liked_items=False),
    "recommend 300": lambda: large.recommend(np.arange(300), filter_already_liked_items=False),
    "similar_items": lambda: large.similar_items(np.arange(50)),
    "similar_users": lambda: model.similar_users(np.arange(50)),
    "transform": lambda: model.transform(X[:500]),
    "recalculate_item": lambda: model.recalculate_item(7, one),
    "score": lambda: model.score(X[:500]),
    "ranking_metrics": lambda: ranking_metrics(double, None, X, "mrr", num_threads=1),
}


def seconds_of_others():
    times = []
    for thread in os.listdir("/proc/self/task"):
        if int(thread) != os.getpid():
            with open(f"/proc/self/task/{thread}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            times.append(int(fields[11]) + int(fields[12]))
    return sum(times)


for name, call in CALLS.items():
    before = seconds_of_others()
    for _ in range(5):
        call()
    print(name, seconds_of_others() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs the times of threads")
def test_one_thread_is_one_processor_in_every_call():
    found = subprocess.run(
        [sys.executable, "-c", ONE_PROCESSOR], capture_output=True, text=True, check=True
    )
    lines = [line.rsplit(" ", 1) for line in found.stdout.splitlines()]
    ticks = {name: int(count) for name, count in lines}
    assert len(ticks) == 10
    # hundredths of a second: none works beside the one that calls
    assert max(ticks.values()) <= 2, ticks


def blas_threads():
    """Threads of the libraries that NumPy and SciPy use; other packages may have loaded more."""
    return [
        library["num_threads"]
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
        and any(name in library["filepath"] for name in ("numpy", "scipy"))
    ]


def test_limits_of_blas_that_overlap_are_put_back():
    before = blas_threads()
    if not before:
        pytest.skip("no library whose threads can be counted")
    with limit_blas(0):
        assert blas_threads() == before
    first, second = limit_blas(2), limit_blas(1)
    first.__enter__()
    assert max(blas_threads()) <= 2
    second.__enter__()
    assert set(blas_threads()) == {1}
    first.__exit__(None, None, None)
    assert set(blas_threads()) == {1}
    second.__exit__(None, None, None)
    assert blas_threads() == before
