"""Rows that are told apart, or not, by their labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.sparse import csr_matrix

from vseens_rec.engine import hashing
from vseens_rec.engine.hashing import first_of_equal_rows, hashes_of_rows

MATRICES = arrays(
    np.float32, array_shapes(min_dims=2, max_dims=2), elements=st.sampled_from([0, 1])
)


def rows_of(matrix):
    return [tuple(row) for row in matrix.tolist()]


@given(MATRICES, st.integers(1, 12))
def test_equal_rows_are_found(dense, rows_at_once):
    rows = rows_of(dense)
    expected = [rows.index(row) for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "ROWS_AT_ONCE", rows_at_once)
        patch.setattr(hashing, "PAIRS_AT_ONCE", 3 * rows_at_once)
        np.testing.assert_array_equal(first_of_equal_rows(csr_matrix(dense)), expected)


@given(MATRICES)
def test_collisions_of_hashes_join_no_unequal_rows(dense):
    def collide(matrix):
        return np.zeros(matrix.shape[0], dtype=np.uint64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "hashes_of_rows", collide)
        first = first_of_equal_rows(csr_matrix(dense))
    rows = rows_of(dense)
    assert [rows[place] for place in first] == rows


def test_hashes_of_rows_depend_on_their_labels_alone(annotations):
    hashes = hashes_of_rows(annotations)
    order = np.random.default_rng(0).permutation(annotations.shape[0])
    np.testing.assert_array_equal(hashes_of_rows(annotations[order]), hashes[order])
    different = {tuple(row.indices) for row in annotations}
    assert len(set(hashes.tolist())) == len(different)
    assert hashes_of_rows(csr_matrix((3, 5))).tolist() == [0, 0, 0]
    assert first_of_equal_rows(csr_matrix((0, 5))).shape == (0,)
