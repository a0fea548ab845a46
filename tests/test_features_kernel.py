"""Features of images in the kernel, against the slow version, and their gradient by differences."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_matrix

from . import reference
from .kernel_cases import assert_agree, make_case, make_samplers, padded, run_both, train

N_FEATURES = 21


class FastMap:
    """The kernel's features, and the arrays that it moves."""

    def __init__(self, kernel, rows, weights, squares, *, rate, dense=False, **options):
        self.rate = rate
        self.weights, self.squares = padded(kernel, weights), squares.copy()
        parts = (rows.toarray().ravel(), None, None)
        if not dense:
            parts = rows.data, rows.indptr.astype(np.int64), rows.indices.astype(np.int32)
        names = {"dropout": "dropout", "penalty": "regularization", "has_own": "has_own"}
        self.features = kernel.Features(
            *parts,
            self.weights,
            self.squares,
            **{names[name]: value for name, value in options.items()},
        )


def make_maps(kernel, n_images, columns, *, bias=False, dense=False, seed=0, **options):
    """Return the kernel's map and the slow one, of the same rows; one image has no feature."""
    rng = np.random.default_rng(seed)
    rows = random_matrix(
        n_images, N_FEATURES, 1.0 if dense else 0.4, format="lil", dtype=np.float32,
        random_state=rng, data_rvs=lambda size: rng.normal(size=size),
    )  # fmt: skip
    if not dense:
        rows[n_images // 2] = np.zeros(N_FEATURES)
    rows = csr_matrix(rows)
    rows.sort_indices()
    weights = rng.normal(scale=0.1, size=(N_FEATURES, columns)).astype(np.float32)
    if bias:
        weights[:, -1] = 0
    squares = rng.uniform(0.01, 0.1, N_FEATURES).astype(np.float32)
    options = {"rate": 0.05} | options
    fast = FastMap(kernel, rows, weights, squares, dense=dense, **options)
    split = [(row.indices, row.data) for row in (rows[i] for i in range(n_images))]
    return fast, reference.FeatureMap(split, weights.copy(), squares.copy(), **options)


def run_with_features(kernel, case, *, bias=False, maps=None, **options):
    matrix, users, items = case
    fast, slow = make_maps(kernel, len(users), items.shape[1], bias=bias, **maps or {})
    results = run_both(kernel, matrix, users, items, bias=bias, features=(fast, slow), **options)
    return results, (fast, slow)


def assert_maps_agree(fast, slow):
    columns = slow.weights.shape[1]
    np.testing.assert_allclose(fast.weights[:, :columns], slow.weights, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(fast.squares, slow.squares, rtol=2e-4, atol=1e-7)
    assert not fast.weights[:, columns:].any()


GRID = [
    {"loss": "logistic"},
    {"loss": "logistic", "selection": "hardest", "candidates": 5, "damped": True},
    {"loss": "hinge", "selection": "violator", "max_trials": 5},
    {"loss": "warp", "selection": "violator"},
    {"loss": "softmax", "candidates": 8, "margin": 0.0},
    {"loss": "sgns", "candidates": 4},
    {"loss": "logistic", "selection": "group", "candidates": 6, "group_size": 2},
]


@pytest.mark.parametrize("options", GRID, ids=lambda o: "-".join(str(v) for v in o.values()))
@pytest.mark.parametrize("sampler", ["adaptive", "uniform", "popularity", "exact"])
@pytest.mark.parametrize("bias", [False, True])
def test_an_epoch_with_features_agrees_with_the_slow_version(kernel, options, sampler, bias):
    case = make_case(5, 30, 40, 19, bias=bias)
    results, maps = run_with_features(
        kernel, case, bias=bias, sampler=sampler, learning_rate=0.03, learning_rate_user=0.1,
        decay=(0.0, 0.01, 0.02), decay_own=0.3, **options,
    )  # fmt: skip
    before = make_maps(kernel, 30, 19 + bias, bias=bias)[1]
    assert np.abs(maps[1].weights - before.weights).max() > 1e-3
    assert_agree(*results)
    assert_maps_agree(*maps)


MAPS = [
    {"dropout": 0.5},
    {"dropout": 0.25, "penalty": 0.3},
    {"penalty": 1.0},
    {"has_own": False},
    {"dense": True},
    {"dense": True, "dropout": 0.5, "has_own": False},
]


@pytest.mark.parametrize("maps", MAPS, ids=lambda o: "-".join(map(str, o)))
@pytest.mark.parametrize("factors", [5, 16, 37, 100])
def test_ways_to_map_features_agree_with_the_slow_version(kernel, maps, factors):
    case = make_case(6, 30, 40, factors, bias=True)
    results, moved = run_with_features(
        kernel, case, bias=True, maps=maps, loss="logistic", learning_rate=0.05,
        learning_rate_user=0.2, decay_own=0.2, pairs_of_full_steps=4.0,
    )  # fmt: skip
    assert_agree(*results)
    assert_maps_agree(*moved)
    own = results[0][0]
    assert (own == case[1]).all() == (not maps.get("has_own", True))


@pytest.mark.parametrize("selection", ["first", "violator"])
def test_fold_in_from_a_start_agrees_with_the_slow_version(kernel, selection):
    matrix, users, items = make_case(7, 30, 40, 19, bias=True)
    options = {
        "loss": "hinge", "selection": selection, "learning_rate": 0.05, "bias": True,
        "sweeps": 4, "least_steps": 12, "anchored": True, "pairs_of_full_steps": 5.0,
    }  # fmt: skip
    results = run_both(kernel, matrix, users, items, decay_own=2.0, **options)
    assert_agree(*results)
    free, _ = run_both(kernel, matrix, users, items, **options)
    assert np.linalg.norm(results[0][0] - users) < 0.9 * np.linalg.norm(free[0] - users)


@pytest.mark.parametrize("loss", ["logistic", "softmax"])
def test_gradient_of_the_map_by_differences(kernel, loss):
    """A step on an image with one positive and all other labels as negatives."""
    rng = np.random.default_rng(3)
    n_labels, columns, rate, full_rate = 2, 12, 0.01, 1e-4
    items = rng.normal(size=(n_labels, columns)).astype(np.float32)
    own = rng.normal(size=(1, columns)).astype(np.float32)
    weights = rng.normal(size=(4, columns)).astype(np.float32)
    values = rng.normal(size=4).astype(np.float32)
    matrix = csr_matrix(np.array([[1.0, 0.0]]))
    fast_items, fast_weights = padded(kernel, items), padded(kernel, weights)
    # so that a step is the rate times the gradient
    squares = np.full(4, 1e8, np.float32)
    features = kernel.Features(values, None, None, fast_weights, squares)
    train(
        kernel, make_samplers(kernel, "uniform", n_labels, columns)[0], matrix,
        np.zeros(1, np.int32), own.copy(), fast_items, loss=loss, learning_rate=full_rate,
        learning_rate_user=full_rate, margin=0.0, features=features,
        learning_rate_features=1e4 * rate,
    )  # fmt: skip

    def value(matrix_of_map):
        scores = items.astype(np.float64) @ (own[0] + values.astype(np.float64) @ matrix_of_map)
        return np.logaddexp(0, scores[1] - scores[0])

    for feature, factor in [(0, 0), (1, 5), (3, 11)]:
        moved = weights.astype(np.float64)
        moved[feature, factor] += 1e-4
        up = value(moved)
        moved[feature, factor] -= 2e-4
        slope = (up - value(moved)) / 2e-4
        step = fast_weights[feature, factor] - weights[feature, factor]
        assert step == pytest.approx(-rate * slope, rel=0.02, abs=1e-5)


def test_features_are_dropped_anew_in_every_epoch(kernel):
    matrix, users, items = make_case(8, 12, 20, 8)
    touched = []
    for epoch in range(2):
        fast, slow = make_maps(kernel, len(users), 8, dropout=0.5)
        start = fast.squares.copy()
        run_both(
            kernel, matrix, users, items, features=(fast, slow), loss="logistic",
            learning_rate=0.1, epoch=epoch, rows=np.array([4], np.int32),
        )  # fmt: skip
        touched.append(fast.squares != start)
        assert 0 < touched[-1].sum() < slow.rows[4][0].size
    assert (touched[0] != touched[1]).any()


@pytest.mark.parametrize("dense", [False, True])
def test_products_are_added(kernel, dense):
    fast, slow = make_maps(kernel, 70, 7, dense=dense)
    rng = np.random.default_rng(0)
    before = rng.normal(size=(70, 7)).astype(np.float32)
    one, three = before.copy(), before.copy()
    fast.features.add_to(one, 1)
    fast.features.add_to(three, 3)
    expected = [values @ slow.weights[numbers] for numbers, values in slow.rows]
    np.testing.assert_allclose(one, before + expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(one, three)


def test_threads_train_features_together(kernel):
    rng = np.random.default_rng(9)
    matrix = csr_matrix(rng.random((3000, 60)) < 0.08).astype(np.float32)
    users = rng.normal(scale=0.1, size=(3000, 16)).astype(np.float32)
    items = rng.normal(scale=0.1, size=(60, 16)).astype(np.float32)
    moved = []
    for n_threads in (1, 4):
        fast, _ = make_maps(kernel, 3000, 16, dropout=0.3)
        fast_users, fast_items = users.copy(), padded(kernel, items)
        rows = np.flatnonzero(np.diff(matrix.indptr)).astype(np.int32)
        counts = train(
            kernel, make_samplers(kernel, "uniform", 60, 16)[0], matrix, rows, fast_users,
            fast_items, features=fast.features, learning_rate_features=0.05, n_threads=n_threads,
        )  # fmt: skip
        assert counts["pairs"] == matrix.nnz
        assert counts["not_finite"] == 0
        moved.append(fast.weights[:, :16].copy())
    # updates race, so bits differ, and little else
    assert np.corrcoef(moved[0].ravel(), moved[1].ravel())[0, 1] > 0.9


def test_wrong_arrays_are_refused(kernel):
    weights, squares = kernel.aligned_rows(3, 16), np.ones(3, np.float32)
    values, indptr, indices = np.ones(4, np.float32), np.array([0, 1, 4]), np.array([0, 0, 1, 2])
    indices = indices.astype(np.int32)
    kernel.Features(values, indptr, indices, weights, squares)
    for arguments, message in [
        ((values, None, None, weights, squares), "entries for each image"),
        ((values, indptr, None, weights, squares), "both"),
        ((values, indptr, indices, weights, squares[:2]), "length 3"),
        ((values, indptr[::-1].copy(), indices, weights, squares), "does not agree"),
        ((values, np.array([0, 5, 4]), indices, weights, squares), "ascend"),
        ((values, indptr, indices + np.int32(1), weights, squares), "from 0 to 2"),
        ((values, indptr, indices - np.int32(1), weights, squares), "from 0 to 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            kernel.Features(*arguments)
    with pytest.raises(ValueError, match="dropout"):
        kernel.Features(values, indptr, indices, weights, squares, dropout=1.0)
    features = kernel.Features(values, indptr, indices, weights, squares)
    with pytest.raises(ValueError, match="2 rows"):
        features.add_to(np.zeros((3, 5), np.float32), 1)
    matrix, users, items = make_case(1, 5, 6, 4)
    rows = np.array([3], np.int32)
    sampler = make_samplers(kernel, "uniform", 6, 4)[0]
    with pytest.raises(ValueError, match="2 images"):
        train(kernel, sampler, matrix, rows, users, padded(kernel, items), features=features)
