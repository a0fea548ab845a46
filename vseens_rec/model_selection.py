"""Splits of the stored pairs of a matrix into what is learned from and what is asked for."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix, issparse

from . import _validation
from ._typing import MatrixLike, RandomStateLike
from .engine.holdouts import part, split_counts

__all__ = [
    "Holdout",
    "fraction_split",
    "leave_k_out_split",
    "leave_last_k_out_split",
    "leave_one_out_split",
    "time_split",
]


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
    return part(matrix, ~held_out), part(matrix, held_out)


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
    return split_counts(matrix, counts, _validation.seed_from(random_state))


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
    fraction = _check_fraction(test_fraction)
    matrix = _validation.check_matrix(X, "fraction_split")
    generator = np.random.default_rng(_validation.seed_from(random_state))
    lengths = np.diff(matrix.indptr)
    expected = lengths * fraction
    # products such as 10 * 0.3 are meant as whole numbers
    counts = np.floor(expected + 1e-9)
    counts += generator.random(len(lengths)) < expected - counts
    counts = np.minimum(counts.astype(np.int64), lengths - 1)
    return split_counts(matrix, counts, _validation.seed_from(generator))


def time_split(
    X: MatrixLike,
    times: ArrayLike,
    *,
    cutoff: Any = None,
    test_fraction: float | None = None,
) -> tuple[csr_matrix, csr_matrix]:
    """Learn from what came before a moment, and hold out what came from then on.

    The moment is one for all images, as in use, where a model knows nothing of what is to come.

    Parameters
    ----------
    X : sparse matrix or array-like of shape (n_images, n_labels)
        Values > 0 are the labels of the images. It is not changed.
    times : array-like of shape (X.nnz,), or sparse matrix of the shape of X
        When each stored value of `X` was observed: numbers or dates, in the order of ``X.data`` by
        rows, as ``times`` of what `vseens_rec.datasets.read_pairs` returns.
    cutoff : number, date or None, default=None
        The first moment that is held out, of the type of `times`; a date may be text such as
        ``"2024-03-01"``.
    test_fraction : float or None, default=None
        Share of the pairs to hold out, in place of `cutoff`: that moment is chosen which holds out
        as near to this share as equal times allow, and no more.

    Returns
    -------
    train, test : csr_matrix of shape (n_images, n_labels)
        Disjoint; together they hold every positive of `X` with its value. Images and labels that
        came from the cutoff on have an empty row or column in `train`.

    Raises
    ------
    ValueError
        `X` is not a matrix of finite values >= 0 with a positive among them, `times` do not
        belong to its values, not exactly one of `cutoff` and `test_fraction` is given, or a part
        would be empty.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec.datasets import read_pairs
    >>> from vseens_rec.model_selection import time_split
    >>> plays = [("ann", "sea", "2024-01-05"), ("bob", "sea", "2024-01-09"),
    ...          ("ann", "sky", "2024-02-01"), ("bob", "sun", "2024-02-03")]
    >>> read = read_pairs(plays, time=2)
    >>> train, test = time_split(read.matrix, read.times, cutoff="2024-02-01")
    >>> train.toarray(), test.toarray()
    (array([[1., 0., 0.], [1., 0., 0.]], dtype=float32),
     array([[0., 1., 0.], [0., 0., 1.]], dtype=float32))
    """
    if (cutoff is None) == (test_fraction is None):
        raise ValueError("time_split needs either cutoff, a moment, or test_fraction, a share")
    matrix, moments = _with_times(X, times, "time_split")
    if test_fraction is not None:
        fraction = _check_fraction(test_fraction)
        n_held_out = int(np.floor(matrix.nnz * fraction + 1e-9))
        in_order = np.sort(moments)
        if not n_held_out:
            raise ValueError(f"test_fraction={test_fraction} of {matrix.nnz} pairs is none")
        # the moment from which on no more are held out
        before = in_order[matrix.nnz - n_held_out - 1]
        held_out = moments > before
        span = "all times after it are one"
    else:
        if moments.dtype.kind == "M":
            try:
                cutoff = np.datetime64(cutoff)
            except (TypeError, ValueError):
                cutoff = np.datetime64("NaT")
            wrong = np.isnat(cutoff)
        else:
            wrong = isinstance(cutoff, (bool, str)) or not np.isreal(cutoff) or cutoff != cutoff
        if wrong:
            kind = "dates" if moments.dtype.kind == "M" else "numbers"
            raise ValueError(f"times are {kind}, but cutoff is another or nothing")
        held_out = moments >= cutoff
        span = f"the times go from {moments.min()} to {moments.max()}"
    if held_out.all() or not held_out.any():
        empty = "train" if held_out.all() else "test"
        raise ValueError(f"{empty} would be empty: {span}")
    return part(matrix, ~held_out), part(matrix, held_out)


def leave_last_k_out_split(
    X: MatrixLike, times: ArrayLike, k: int = 1
) -> tuple[csr_matrix, csr_matrix]:
    """Hold out the last k labels of every image that has more than k.

    Times are compared within an image only: others may have been observed later, so the model
    learns from what was not known yet (`time_split` keeps to one moment for all).

    Parameters
    ----------
    X : sparse matrix or array-like of shape (n_images, n_labels)
        Values > 0 are the labels of the images. It is not changed.
    times : array-like of shape (X.nnz,), or sparse matrix of the shape of X
        When each stored value was observed; see `time_split`. Of labels with one time the one with
        the smaller number counts as the earlier.
    k : int, default=1
        Labels to hold out of an image.

    Returns
    -------
    train, test : csr_matrix of shape (n_images, n_labels)
        Disjoint; together they hold every positive of `X` with its value. Images with k labels or
        fewer keep them in `train` and have nothing in `test`.

    Raises
    ------
    ValueError
        `X` is not a matrix of finite values >= 0 with a positive among them, `times` do not
        belong to its values, or k is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec.model_selection import leave_last_k_out_split
    >>> X = np.array([[1, 1, 1], [0, 1, 1]])
    >>> train, test = leave_last_k_out_split(X, [30, 10, 20, 1, 2], k=1)
    >>> test.toarray().tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    k = _validation.check_n(k, "k")
    matrix, moments = _with_times(X, times, "leave_last_k_out_split")
    lengths = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(matrix.shape[0]), lengths)
    order = np.lexsort((moments, rows))
    place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], lengths)
    counts = np.where(lengths > k, k, 0)
    held_out = np.empty(matrix.nnz, dtype=bool)
    held_out[order] = place >= np.repeat(lengths - counts, lengths)
    return part(matrix, ~held_out), part(matrix, held_out)


def _with_times(X: Any, times: Any, caller: str) -> tuple[csr_matrix, NDArray[Any]]:
    """Check a matrix and the time of each of its positives."""
    stored = X if issparse(X) else csr_matrix(np.asarray(X))
    stored = stored.tocsr()
    if issparse(times):
        times = times.tocsr()
        if times.shape != stored.shape:
            raise ValueError(f"times have shape {times.shape}, but X {stored.shape}")
        if not (
            np.array_equal(times.indptr, stored.indptr)
            and np.array_equal(times.indices, stored.indices)
        ):
            raise ValueError("times must be stored where X has its values, in the same order")
        times = times.data
    moments = np.asarray(times)
    if moments.dtype.kind not in "iufM":
        raise ValueError(
            "times must be numbers or dates (numpy.datetime64), got an array of "
            f"{moments.dtype}: numpy.array(times, dtype='datetime64[s]') reads dates"
        )
    if moments.shape != (stored.nnz,):
        raise ValueError(
            f"times have shape {moments.shape}, but X has {stored.nnz} stored values: one for each"
        )
    if (np.isnat(moments) if moments.dtype.kind == "M" else ~np.isfinite(moments)).any():
        raise ValueError("times have NaN, NaT or infinity among them")
    # positions in place of values: whatever the check drops or sorts, a time stays with its pair
    places = csr_matrix(
        (np.arange(1, stored.nnz + 1), stored.indices.copy(), stored.indptr.copy()),
        shape=stored.shape,
    )
    n_stored = places.nnz
    places.sum_duplicates()
    if places.nnz != n_stored:
        raise ValueError("X has values stored twice for a pair: X.sum_duplicates(), with one time")
    places.data[:] *= stored.data[places.data - 1] > 0
    places.eliminate_zeros()
    matrix = _validation.check_matrix(stored, caller)
    return matrix, moments[places.data - 1]


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
    ...     VSEens(factors=8, item_item=None, random_state=0), {"iterations": [1, 20]},
    ...     cv=Holdout())
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


def _check_fraction(test_fraction: float) -> float:
    fraction = _validation.check_positive(test_fraction, "test_fraction")
    if fraction >= 1:
        raise ValueError(f"test_fraction must be below 1, got {test_fraction}")
    return fraction
