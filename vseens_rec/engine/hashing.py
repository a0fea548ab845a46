"""Random-looking numbers of labels and of rows, which depend on nothing else."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

# no more memory than for so many pairs, or those of one row
PAIRS_AT_ONCE = 1 << 18
# and rows that are compared
ROWS_AT_ONCE = 1 << 12


class Rows(Protocol):
    """The labels of rows: `Interactions`, or a canonical CSR matrix."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and labels."""

    @property
    def indptr(self) -> NDArray[np.integer[Any]]:
        """Where the labels of a row begin."""

    @property
    def indices(self) -> NDArray[np.integer[Any]]:
        """The labels, ascending within a row."""


def hash_of(numbers: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser, one to one on 64 bits."""
    bits = numbers.astype(np.uint64, copy=False)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def hashes_of_labels(labels: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """Hash the numbers of labels."""
    return hash_of(labels + 1)


def hashes_of_rows(matrix: Rows) -> NDArray[np.uint64]:
    """Add up the hashes of the labels of every row."""
    hashes = np.zeros(matrix.shape[0], dtype=np.uint64)
    start = 0
    while start < matrix.shape[0]:
        limit = int(matrix.indptr[start]) + PAIRS_AT_ONCE
        stop = max(start + 1, int(np.searchsorted(matrix.indptr, limit, side="right")) - 1)
        ends = matrix.indptr[start : stop + 1]
        filled = np.flatnonzero(np.diff(ends))
        if len(filled):
            labels = hashes_of_labels(matrix.indices[ends[0] : ends[-1]])
            hashes[start + filled] = np.add.reduceat(labels, ends[filled] - ends[0])
        start = stop
    return hashes


def first_of_equal_rows(matrix: Rows) -> NDArray[np.int64]:
    """For every row of a canonical matrix, find the first one that has the same labels.

    Returns
    -------
    ndarray of int64 of shape (n_rows,)
        Itself for a row that comes first. Where the hashes of unequal rows collide, a row may be
        given as its own although an earlier one is equal.
    """
    _, first, groups = np.unique(hashes_of_rows(matrix), return_index=True, return_inverse=True)
    earlier = first[groups.reshape(-1)]
    lengths = np.diff(matrix.indptr)
    found = np.arange(matrix.shape[0])
    candidates = np.flatnonzero((earlier < found) & (lengths == lengths[earlier]))
    for start in range(0, len(candidates), ROWS_AT_ONCE):
        rows = candidates[start : start + ROWS_AT_ONCE]
        rows = rows[_hold_the_same(matrix, rows, earlier[rows])]
        found[rows] = earlier[rows]
    return found


def _hold_the_same(
    matrix: Rows, rows: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Compare rows with others that hold as many labels."""
    starts = matrix.indptr.astype(np.int64)
    lengths = starts[rows + 1] - starts[rows]
    places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    own, other = (
        matrix.indices[np.repeat(starts[side], lengths) + places] for side in (rows, others)
    )
    same = np.ones(len(rows), dtype=bool)
    same[np.repeat(np.arange(len(rows)), lengths)[own != other]] = False
    return same
