"""Splits of matrices."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vseens_rec.model_selection import leave_one_out_split


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
