"""Splits of the stored pairs of a matrix into what is learned from and what is asked for."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from . import _validation
from ._typing import MatrixLike, RandomStateLike
from .hashing import hash_of, hashes_of_labels, hashes_of_rows

__all__ = ["Holdout", "fraction_split", "leave_k_out_split", "leave_one_out_split"]


def leave_one_out_split(
    X: MatrixLike, random_state: RandomStateLike = None
) -> tuple[csr_matrix, csr_matrix]:
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


def leave_k_out_split(
    X: MatrixLike, k: int = 1, random_state: RandomStateLike = None
) -> tuple[csr_matrix, csr_matrix]:
    """Hold out k random labels of every image that has more than k.

    Differs from the function of this name in implicit 0.7.3, which splits images with more than
    k + 1 labels only, and whose two parts do not always add up to `X`.

    Parameters
    ----------
    X : sparse matrix or array-like of shape (n_images, n_labels)
        Values > 0 are the labels of the images. It is not changed.
    k : int, default=1
        Labels to hold out of an image.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the choice.

    Returns
    -------
    train, test : csr_matrix of shape (n_images, n_labels)
        Disjoint; together they hold every positive of `X` with its value. Images with k labels or
        fewer keep them in `train` and have nothing in `test`.

    Raises
    ------
    ValueError
        `X` is not a matrix of finite values >= 0 with a positive among them, or k is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec.model_selection import leave_k_out_split
    >>> X = np.array([[1, 1, 1, 0], [0, 0, 1, 1]])
    >>> train, test = leave_k_out_split(X, k=2, random_state=0)
    >>> train.getnnz(axis=1).tolist(), test.getnnz(axis=1).tolist()
    ([1, 2], [2, 0])
    """
    k = _validation.check_n(k, "k")
    matrix = _validation.check_matrix(X, "leave_k_out_split")
    counts = np.where(np.diff(matrix.indptr) > k, k, 0)
    return _split(matrix, counts, random_state)


def fraction_split(
    X: MatrixLike, test_fraction: float = 0.2, random_state: RandomStateLike = None
) -> tuple[csr_matrix, csr_matrix]:
    """Hold out a fraction of the labels of every image, at random.

    Parameters
    ----------
    X : sparse matrix or array-like of shape (n_images, n_labels)
        Values > 0 are the labels of the images. It is not changed.
    test_fraction : float, default=0.2
        Share of an image's labels to hold out, above 0 and below 1. An image with m labels
        gives m * test_fraction of them, rounded up or down at random so that the mean is right,
        and keeps one at least.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the choice.

    Returns
    -------
    train, test : csr_matrix of shape (n_images, n_labels)
        Disjoint; together they hold every positive of `X` with its value.

    Raises
    ------
    ValueError
        `X` is not a matrix of finite values >= 0 with a positive among them, or `test_fraction`
        is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec.model_selection import fraction_split
    >>> train, test = fraction_split(np.ones((3, 10)), test_fraction=0.3, random_state=0)
    >>> test.getnnz(axis=1).tolist()
    [3, 3, 3]
    """
    fraction = _validation.check_positive(test_fraction, "test_fraction")
    if fraction >= 1:
        raise ValueError(f"test_fraction must be below 1, got {test_fraction}")
    matrix = _validation.check_matrix(X, "fraction_split")
    generator = np.random.default_rng(_validation.seed_from(random_state))
    lengths = np.diff(matrix.indptr)
    expected = lengths * fraction
    # products such as 10 * 0.3 are meant as whole numbers
    counts = np.floor(expected + 1e-9)
    counts += generator.random(len(lengths)) < expected - counts
    return _split(matrix, np.minimum(counts.astype(np.int64), lengths - 1), generator)


class Holdout:
    """Splitter for ``cv``: one split in which all rows train and all rows are scored.

    For searches over held-out labels of the same images, ``search.fit(X_train, y=X_held_out)``:
    the model learns from the rows of X_train and is scored on those of X_held_out.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.datasets import load_emoji
    >>> from vseens_rec.model_selection import Holdout, leave_one_out_split
    >>> train, held_out = leave_one_out_split(load_emoji().matrix, random_state=0)
    >>> search = GridSearchCV(
    ...     VSEens(factors=8, random_state=0), {"iterations": [1, 20]}, cv=Holdout()
    ... )
    >>> search.fit(train, y=held_out).best_params_
    {'iterations': 20}
    """

    def split(
        self, X: Any, y: MatrixLike | None = None, groups: object = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the one pair of row numbers for training and scoring: all, twice.

        Parameters
        ----------
        X : sparse matrix or ndarray of shape (n_images, n_labels)
            What is learned from; only its number of rows matters.
        y : sparse matrix or array-like of shape (n_images, n_labels)
            The labels held out of `X`.
        groups : object, default=None
            Ignored.

        Yields
        ------
        train, test : ndarray of int of shape (n_images,)
            All rows, both times.

        Raises
        ------
        ValueError
            `y` is not a matrix.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec.model_selection import Holdout
        >>> X, held_out = np.array([[1, 0], [1, 0]]), np.array([[0, 1], [0, 0]])
        >>> [(train.tolist(), test.tolist()) for train, test in Holdout().split(X, held_out)]
        [([0, 1], [0, 1])]
        """
        if not _validation.is_matrix(y):
            raise ValueError(
                "Holdout needs the matrix of held-out labels: search.fit(X_train, y=X_held_out), "
                "or a cv such as 5 to score unseen images"
            )
        rows = np.arange(X.shape[0])
        yield rows, rows

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """Return the number of splits, which is 1.

        Parameters
        ----------
        X, y, groups : object, default=None
            Ignored.

        Returns
        -------
        int
            1, always.

        Examples
        --------
        >>> from vseens_rec.model_selection import Holdout
        >>> Holdout().get_n_splits()
        1
        """
        return 1


def hide_one_label(matrix: csr_matrix) -> tuple[csr_matrix, csr_matrix]:
    """Hide one label of every row that has two or more, chosen by the labels of the row alone.

    The label is that with the largest hash of (the row's sorted labels, the label), so the same
    one whatever the other rows and the order are.

    Parameters
    ----------
    matrix : csr_matrix
        Canonical: sorted, without duplicates, every stored value > 0.

    Returns
    -------
    observed, hidden : csr_matrix
        Rows of `matrix` with two labels or more.
    """
    matrix = matrix[np.flatnonzero(np.diff(matrix.indptr) >= 2)]
    if not matrix.shape[0]:
        raise ValueError(
            "score hides one label of every image with two or more, but X has no such image: pass "
            "the held-out labels as y"
        )
    starts = matrix.indptr[:-1]
    of_row = hash_of(hashes_of_rows(matrix))
    values = hash_of(hashes_of_labels(matrix.indices) ^ np.repeat(of_row, np.diff(matrix.indptr)))
    largest = np.repeat(np.maximum.reduceat(values, starts), np.diff(matrix.indptr))
    hidden = values == largest
    return _part(matrix, ~hidden), _part(matrix, hidden)


def split_rows(
    matrix: csr_matrix, rows: NDArray[np.integer[Any]], share: float, seed: int
) -> tuple[csr_matrix, csr_matrix]:
    """Hold out a share of the labels of some rows, at least one, and leave at least one.

    `matrix` is canonical, and the rows have two labels or more.
    """
    lengths = np.diff(matrix.indptr)
    counts = np.zeros(len(lengths), dtype=np.int64)
    counts[rows] = np.clip(np.rint(share * lengths[rows]), 1, lengths[rows] - 1)
    return _split(matrix, counts, seed)


def _split(
    matrix: csr_matrix, counts: NDArray[np.integer[Any]], random_state: RandomStateLike
) -> tuple[csr_matrix, csr_matrix]:
    """Hold out so many random labels of every row."""
    generator = np.random.default_rng(_validation.seed_from(random_state))
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    shuffled = np.lexsort((generator.random(matrix.nnz), rows))
    place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
    held_out = np.empty(matrix.nnz, dtype=bool)
    held_out[shuffled] = place < counts[rows]
    return _part(matrix, ~held_out), _part(matrix, held_out)


def _part(matrix: csr_matrix, kept: NDArray[np.bool_]) -> csr_matrix:
    before = np.concatenate([[0], np.cumsum(kept)])
    return csr_matrix(
        (matrix.data[kept], matrix.indices[kept], before[matrix.indptr]), shape=matrix.shape
    )
