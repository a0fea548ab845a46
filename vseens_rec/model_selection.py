"""Splits of the stored pairs of a matrix into what is learned from and what is asked for."""

import numpy as np
from scipy.sparse import csr_matrix

from . import _validation

__all__ = ["leave_one_out_split"]


def leave_one_out_split(X, random_state=None) -> tuple[csr_matrix, csr_matrix]:
    """Hold out one random label of every image that has two or more.

    Parameters
    ----------
    X : sparse matrix or array-like of shape (n_images, n_labels)
        Values > 0 are the labels of the images. It is not changed.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the choice.

    Returns
    -------
    train, test : csr_matrix of shape (n_images, n_labels)
        Disjoint; together they hold every positive of `X` with its value. Images with one label
        keep it in `train` and have nothing in `test`.

    Raises
    ------
    ValueError
        `X` is not a matrix of finite values >= 0 with a positive among them.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec.model_selection import leave_one_out_split
    >>> train, test = leave_one_out_split(np.array([[1, 1, 0], [0, 0, 1]]), random_state=0)
    >>> train.nnz, test.nnz, test[1].nnz
    (2, 1, 0)
    """
    matrix = _validation.check_matrix(X, "leave_one_out_split")
    generator = np.random.default_rng(_validation.seed_from(random_state))
    lengths = np.diff(matrix.indptr)
    several = lengths >= 2
    chosen = matrix.indptr[:-1][several] + generator.integers(0, lengths[several])
    held_out = np.zeros(matrix.nnz, dtype=bool)
    held_out[chosen] = True
    return _part(matrix, ~held_out), _part(matrix, held_out)


def _part(matrix: csr_matrix, kept: np.ndarray) -> csr_matrix:
    before = np.concatenate([[0], np.cumsum(kept)])
    return csr_matrix(
        (matrix.data[kept], matrix.indices[kept], before[matrix.indptr]), shape=matrix.shape
    )
