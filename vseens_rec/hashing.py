"""Random-looking numbers of labels and of rows, which depend on nothing else."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix


def hash_of(numbers: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser, one to one on 64 bits."""
    bits = numbers.astype(np.uint64, copy=False)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def hashes_of_labels(matrix: csr_matrix) -> NDArray[np.uint64]:
    """Hash the label of every stored pair."""
    return hash_of(matrix.indices + 1)


def hashes_of_rows(matrix: csr_matrix) -> NDArray[np.uint64]:
    """Add up the hashes of the labels of every row."""
    filled = np.flatnonzero(np.diff(matrix.indptr))
    hashes = np.zeros(matrix.shape[0], dtype=np.uint64)
    if len(filled):
        hashes[filled] = np.add.reduceat(hashes_of_labels(matrix), matrix.indptr[filled])
    return hashes


def first_of_equal_rows(matrix: csr_matrix) -> NDArray[np.int64]:
    """For every row of a canonical matrix, find the first one that has the same labels.

    Returns
    -------
    ndarray of int64 of shape (n_rows,)
        Itself for a row that comes first. Where the hashes of unequal rows collide, a row may be
        given as its own although an earlier one is equal.
    """
    n_rows = matrix.shape[0]
    _, first, groups = np.unique(hashes_of_rows(matrix), return_index=True, return_inverse=True)
    first = first[groups.reshape(-1)]
    lengths = np.diff(matrix.indptr).astype(np.int64)
    own = np.arange(n_rows)
    rows = np.flatnonzero((first < own) & (lengths == lengths[first]))
    within = np.arange(lengths[rows].sum()) - np.repeat(
        np.cumsum(lengths[rows]) - lengths[rows], lengths[rows]
    )
    places, of_first = (
        np.repeat(matrix.indptr[side].astype(np.int64), lengths[rows]) + within
        for side in (rows, first[rows])
    )
    unequal = matrix.indices[places] != matrix.indices[of_first]
    equal = np.ones(n_rows, dtype=bool)
    equal[np.repeat(rows, lengths[rows])[unequal]] = False
    equal &= lengths == lengths[first]
    return np.where(equal, first, own)
