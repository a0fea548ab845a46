"""Splits of matrices."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vseens_rec.model_selection import (
    Holdout,
    fraction_split,
    hide_one_label,
    leave_k_out_split,
    leave_one_out_split,
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
