"""Growing factors and patterns of stored pairs, when images and labels come or change."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix


def with_rows(pattern: csr_matrix, ids: np.ndarray, rows: csr_matrix) -> csr_matrix:
    """Replace rows of a pattern, which grows to hold the largest id; the values are ones.

    Parameters
    ----------
    pattern : csr_matrix of shape (n, m)
        The pairs there are.
    ids : ndarray of int of shape (k,)
        Rows to replace, each once.
    rows : csr_matrix of shape (k, m)
        What replaces them.
    """
    n_rows = max(pattern.shape[0], int(ids.max(initial=-1)) + 1)
    kept = np.ones(n_rows, dtype=bool)
    kept[ids] = False
    old_rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    old = kept[old_rows]
    row = np.concatenate([old_rows[old], np.repeat(ids, np.diff(rows.indptr))])
    column = np.concatenate([pattern.indices[old], rows.indices])
    order = np.lexsort((column, row))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_rows))])
    return csr_matrix(
        (np.ones(len(row), dtype=np.float32), column[order].astype(np.int32), indptr),
        shape=(n_rows, pattern.shape[1]),
    )


def with_columns(pattern: csr_matrix, ids: np.ndarray, columns: csr_matrix) -> csr_matrix:
    """Replace columns of a pattern; the images of each are a row of `columns`."""
    return transposed(with_rows(transposed(pattern), ids, columns))


def transposed(pattern: csr_matrix) -> csr_matrix:
    """Turn rows into columns, in canonical form."""
    turned = pattern.T.tocsr()
    turned.sort_indices()
    return turned


def grown(factors: np.ndarray, n_rows: int, new_row: ArrayLike) -> np.ndarray:
    """Copy factors, with copies of one row added up to a number of rows."""
    result = np.empty((max(n_rows, len(factors)), factors.shape[1]), dtype=factors.dtype)
    result[:] = new_row
    result[: len(factors)] = factors
    return result
