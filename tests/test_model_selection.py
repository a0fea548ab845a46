"""Splits of matrices."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vseens_rec.engine.holdouts import hide_one_label
from vseens_rec.model_selection import (
    Holdout,
    fraction_split,
    leave_k_out_split,
    leave_last_k_out_split,
    leave_one_out_split,
    time_split,
)


def test_leave_one_out_takes_one_label_of_images_with_several(annotations):
    X = annotations.tolil()
    X[0] = 0
    X[1] = np.eye(1, 120, 5)
    X = X.tocsr() * 3
    before = [X.data.copy(), X.indices.copy(), X.indptr.copy()]
    train, test = leave_one_out_split(X, random_state=0)
    assert train.shape == test.shape == X.shape
    assert (train + test != X).nnz == 0
    assert train.multiply(test).nnz == 0
    lengths = np.diff(X.indptr)
    np.testing.assert_array_equal(np.diff(test.indptr), lengths >= 2)
    for now, then in zip((X.data, X.indices, X.indptr), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_leave_one_out_is_random_and_reproducible():
    X = csr_matrix(np.ones((6000, 3)))
    _, test = leave_one_out_split(X, random_state=1)
    assert (test != leave_one_out_split(X, random_state=1)[1]).nnz == 0
    assert (test != leave_one_out_split(X, random_state=2)[1]).nnz > 0
    np.testing.assert_allclose(np.asarray(test.mean(axis=0)).ravel(), 1 / 3, atol=0.03)


def test_leave_one_out_refuses_what_is_no_matrix():
    with pytest.raises(ValueError, match="no positive"):
        leave_one_out_split(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="Negative values in data passed to leave_one_out_split"):
        leave_one_out_split(np.array([[1, -1]]))


@pytest.mark.parametrize("k", [1, 2, 5])
def test_leave_k_out(annotations, k):
    train, test = leave_k_out_split(annotations, k=k, random_state=0)
    assert (train + test != annotations).nnz == 0
    assert train.multiply(test).nnz == 0
    lengths = np.diff(annotations.indptr)
    np.testing.assert_array_equal(np.diff(test.indptr), np.where(lengths > k, k, 0))
    assert (np.diff(train.indptr)[lengths > 0] > 0).all()
    again = leave_k_out_split(annotations, k=k, random_state=0)[1]
    assert (again != test).nnz == 0
    assert (leave_k_out_split(annotations, k=k, random_state=1)[1] != test).nnz > 0


def test_every_label_is_held_out_alike():
    X = csr_matrix(np.ones((4000, 5)))
    _, test = leave_k_out_split(X, k=2, random_state=0)
    np.testing.assert_allclose(np.asarray(test.mean(axis=0)).ravel(), 2 / 5, atol=0.03)


def test_fraction(annotations):
    train, test = fraction_split(annotations, test_fraction=0.25, random_state=0)
    assert (train + test != annotations).nnz == 0
    assert train.multiply(test).nnz == 0
    lengths, held_out = np.diff(annotations.indptr), np.diff(test.indptr)
    assert (held_out >= np.minimum(np.floor(0.25 * lengths), lengths - 1)).all()
    assert (held_out <= np.ceil(0.25 * lengths)).all()
    assert (held_out < lengths)[lengths > 0].all()
    assert test.nnz == pytest.approx(0.25 * annotations.nnz, rel=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: leave_k_out_split(np.ones((2, 2)), k=0), "k must be at least 1"),
        (lambda: fraction_split(np.ones((2, 2)), 1.0), "test_fraction must be below 1"),
        (lambda: fraction_split(np.ones((2, 2)), 0), "test_fraction"),
        (lambda: next(Holdout().split(np.ones((2, 2)), np.ones(2))), "X_held_out"),
    ],
)
def test_what_splits_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("seed", ["abc", 1.7, True])
def test_seeds_of_another_type(seed):
    with pytest.raises(TypeError, match=f"random_state must be an int.*{seed!r}"):
        leave_one_out_split(np.ones((2, 2)), random_state=seed)


def test_the_hidden_label_depends_on_the_row_alone(annotations):
    observed, hidden = hide_one_label(annotations)
    kept = np.flatnonzero(np.diff(annotations.indptr) >= 2)
    assert (observed + hidden != annotations[kept]).nnz == 0
    np.testing.assert_array_equal(np.diff(hidden.indptr), 1)
    order = np.random.default_rng(0).permutation(400)[:100]
    _, other = hide_one_label(annotations[order])
    place = {row: i for i, row in enumerate(kept)}
    rows = [row for row in order if row in place]
    np.testing.assert_array_equal(other.indices, [hidden.indices[place[row]] for row in rows])


def test_hidden_labels_are_of_any_place_and_popularity():
    X = csr_matrix((np.random.default_rng(0).random((5000, 40)) < 0.1).astype(np.float32))
    _, hidden = hide_one_label(X)
    rows = np.diff(X.indptr) >= 2
    share = np.asarray(hidden.sum(axis=0)).ravel() / np.asarray(X[rows].sum(axis=0)).ravel()
    assert share.std() < 0.04
    with pytest.raises(ValueError, match="no such image"):
        hide_one_label(csr_matrix(np.eye(3)))


# --- by time -------------------------------------------------------------------------------------


def timed(seed=0, n_times=40):
    """A random matrix and a time for each of its values, many of them equal."""
    generator = np.random.default_rng(seed)
    matrix = csr_matrix((generator.random((30, 20)) < 0.3).astype(np.float32))
    matrix.data[:] = generator.integers(1, 9, matrix.nnz)
    return matrix, generator.integers(0, n_times, matrix.nnz)


def assert_parts(matrix, train, test):
    assert train.shape == test.shape == matrix.shape
    assert train.multiply(test).nnz == 0
    assert (train + test != matrix).nnz == 0


@pytest.mark.parametrize("kind", ["int64", "float64", "datetime64[D]", "float32", "uint8"])
def test_time_split_at_a_moment(kind):
    matrix, times = timed()
    times = times.astype(kind)
    cutoff = times.astype(kind)[np.argsort(times)[matrix.nnz // 2]]
    train, test = time_split(matrix, times, cutoff=cutoff)
    assert_parts(matrix, train, test)
    moments = csr_matrix(
        (np.arange(1, matrix.nnz + 1), matrix.indices, matrix.indptr), shape=matrix.shape
    )
    of_train = times[moments[train.nonzero()].A1 - 1]
    of_test = times[moments[test.nonzero()].A1 - 1]
    assert of_train.max() < cutoff <= of_test.min()


def test_time_split_is_exact_where_float32_is_not():
    X = np.array([[1, 1, 1]])
    times = np.array([1445714835, 1445714836, 1445714837])
    train, test = time_split(X, times, cutoff=1445714836)
    assert train.toarray().tolist() == [[1, 0, 0]]
    assert test.toarray().tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.9])
def test_time_split_of_a_share(fraction):
    matrix, times = timed()
    train, test = time_split(matrix, times, test_fraction=fraction)
    assert_parts(matrix, train, test)
    # no more than the share, and less by fewer than those of one moment
    most = np.bincount(times).max()
    assert matrix.nnz * fraction - most - 1 < test.nnz <= matrix.nnz * fraction + 1e-9
    distinct = np.arange(matrix.nnz)
    assert time_split(matrix, distinct, test_fraction=fraction)[1].nnz == int(matrix.nnz * fraction)


@pytest.mark.parametrize("k", [1, 3])
def test_leave_last_k_out(k):
    matrix, times = timed()
    train, test = leave_last_k_out_split(matrix, times, k)
    assert_parts(matrix, train, test)
    for row in range(matrix.shape[0]):
        own = slice(matrix.indptr[row], matrix.indptr[row + 1])
        last = np.lexsort((matrix.indices[own], times[own]))[-k:]
        n_labels = own.stop - own.start
        wanted = set(matrix.indices[own][last]) if n_labels > k else set()
        assert set(test[row].indices) == wanted


def test_times_stay_with_their_pairs_in_any_order():
    matrix, times = timed(n_times=1000)
    expected = time_split(matrix, times, cutoff=500)[1]
    # unsorted, with a stored zero, and in another format
    other = matrix.copy()
    shuffled = times.copy()
    first = slice(matrix.indptr[0], matrix.indptr[1])
    for array in (other.indices, other.data, shuffled):
        array[first] = array[first][::-1].copy()
    other.has_sorted_indices = False
    before = other.indices.copy(), other.data.copy()
    assert (time_split(other, shuffled, cutoff=500)[1] != expected).nnz == 0
    np.testing.assert_array_equal(other.indices, before[0])
    np.testing.assert_array_equal(other.data, before[1])
    sparse_times = csr_matrix((times, matrix.indices, matrix.indptr), shape=matrix.shape)
    assert (time_split(matrix, sparse_times, cutoff=500)[1] != expected).nnz == 0
    with_zero = matrix.copy()
    with_zero.data[3] = 0
    kept = matrix.copy()
    kept.data[3] = 0
    kept.eliminate_zeros()
    assert_parts(kept, *time_split(with_zero, times, cutoff=500))


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        ([1, 2, 3], {}, "either cutoff, a moment, or test_fraction"),
        ([1, 2, 3], {"cutoff": 2, "test_fraction": 0.5}, "either cutoff"),
        ([1, 2], {"cutoff": 2}, r"shape \(2,\), but X has 3 stored values"),
        (["a", "b", "c"], {"cutoff": 2}, "must be numbers or dates"),
        ([1, np.nan, 3], {"cutoff": 2}, "NaN, NaT or infinity"),
        ([1, 2, 3], {"cutoff": "2024-01-01"}, "times are numbers, but cutoff"),
        ([1, 2, 3], {"cutoff": np.nan}, "times are numbers, but cutoff"),
        (np.array([1, 2, 3], "M8[D]"), {"cutoff": "soon"}, "times are dates, but cutoff"),
        ([1, 2, 3], {"cutoff": 4}, "test would be empty: the times go from 1 to 3"),
        ([1, 2, 3], {"cutoff": 1}, "train would be empty"),
        ([1, 1, 1], {"test_fraction": 0.5}, "test would be empty"),
        ([1, 2, 3], {"test_fraction": 1.5}, "must be below 1"),
        ([1, 2, 3], {"test_fraction": 0.1}, "of 3 pairs is none"),
    ],
)
def test_times_that_do_not_fit(times, options, message):
    with pytest.raises(ValueError, match=message):
        time_split(np.array([[1, 1, 0], [0, 0, 1]]), times, **options)


def test_a_pair_that_is_stored_twice_has_no_time():
    twice = csr_matrix((np.ones(2), np.array([1, 1]), np.array([0, 2])), shape=(1, 3))
    with pytest.raises(ValueError, match="stored twice"):
        time_split(twice, [1, 2], cutoff=2)
    other = csr_matrix(np.array([[0, 1, 1]]))
    with pytest.raises(ValueError, match="times must be stored where X has its values"):
        time_split(csr_matrix(np.array([[1, 1, 0]])), other, cutoff=2)
    with pytest.raises(ValueError, match=r"times have shape \(1, 3\), but X \(1, 2\)"):
        time_split(csr_matrix(np.array([[1, 1]])), other, cutoff=2)
