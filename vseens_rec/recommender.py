"""What a model recommends with its factors: implicit's interface, with checks of its input."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from implicit.cpu.matrix_factorization_base import MatrixFactorizationBase
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.utils.validation import check_is_fitted

from . import _validation
from ._native import Fork, bounded_threads, effective_threads, limit_blas
from ._typing import Floats, IdListLike, IdsLike, LearnedFactors, MatrixLike, Ranking

if TYPE_CHECKING:
    from typing_extensions import Self

# implicit's top-k works in batches of this size, and in parallel only if there are several
TOPK_BATCH = 100
# labels that its `rank_items` gives back
RANKED = 10
# what it scores the labels that are left out
LOWEST = -float(np.finfo(np.float32).max)


class FactorRecommender(MatrixFactorizationBase):
    """Factors of images and labels, the matrix that they were fitted on, and what ranks high."""

    num_threads: int

    # The two base classes disagree on where fitted state lives: implicit's is set in its
    # constructor and public, scikit-learn's must appear in fit and not clash with parameters.
    # Properties serve both.

    @property
    def user_factors(self) -> LearnedFactors:
        """Factors of the images, (n_images, factors + use_bias); None before `fit`."""
        return self.__dict__.get("_user_factors")

    @user_factors.setter
    def user_factors(self, factors: LearnedFactors) -> None:
        self._user_factors = _validation.as_factors(factors, "user_factors")

    @property
    def item_factors(self) -> LearnedFactors:
        """Factors of the labels, (n_labels, factors + use_bias); None before `fit`."""
        return self.__dict__.get("_item_factors")

    @item_factors.setter
    def item_factors(self, factors: LearnedFactors) -> None:
        self._item_factors = _validation.as_factors(factors, "item_factors")

    # computed at every use, so that they follow factors that were changed in place

    @property
    def user_norms(self) -> Floats:
        """Euclidean norms of the images' factors, 1e-10 in place of 0.

        Infinite for an image whose factors are 0 but for the 1 of the bias: nothing is similar to
        it.
        """
        return _norms(self.user_factors, self._has_bias)

    @property
    def item_norms(self) -> Floats:
        """Euclidean norms of the labels' factors, 1e-10 in place of 0.

        Infinite for a label whose factors are 0 but for its bias: nothing is similar to it.
        """
        return _norms(self.item_factors, self._has_bias)

    @property
    def _has_bias(self) -> bool:
        return bool(getattr(self, "use_bias", False))

    def _remember(self, matrix: csr_matrix, **learned: Any) -> None:
        """Set the fitted matrix and the attributes that go with it, all of them or none."""
        # copies: what the caller does to its matrix later does not reach the model
        indptr, indices = matrix.indptr.copy(), matrix.indices.astype(np.int32)
        self.__dict__.update(learned, _liked_indptr=indptr, _liked_indices=indices)

    def _memory(self, remedy: str) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        """Return indptr, indices and shape of the fitted matrix."""
        if "_liked_indptr" not in self.__dict__:
            raise ValueError(f"this model does not hold the matrix it was fitted on: {remedy}")
        shape = (len(self._liked_indptr) - 1, len(self.item_factors))
        return self._liked_indptr, self._liked_indices, shape

    def _pattern(self) -> csr_matrix:
        """Return the fitted matrix with ones for values."""
        indptr, indices, shape = self._memory(
            "fold-in of labels compares with it, so save it with fitted_matrix=True"
        )
        if shape[0] != len(self.user_factors) or indices.max(initial=-1) >= shape[1]:
            raise ValueError(
                f"the factors of {len(self.user_factors)} images and {shape[1]} labels do not "
                f"belong to the fitted matrix, which has {shape[0]} images and labels up to "
                f"{indices.max(initial=-1)}: fit again, or use partial_fit_users and "
                "partial_fit_items to change their numbers"
            )
        return csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape, copy=False)

    def _liked(self, userids: int | NDArray[np.int64]) -> csr_matrix:
        """Return the rows of the fitted matrix, with ones for values."""
        indptr, indices, shape = self._memory(
            "pass user_items=X[userid], or recommend with filter_already_liked_items=False and "
            "recalculate_user=False"
        )
        if np.ndim(userids) == 0:
            row = indices[indptr[userids] : indptr[userids + 1]]
            return csr_matrix((np.ones(len(row), np.float32), row, [0, len(row)]), (1, shape[1]))
        # values do not matter; one byte each is the least scipy can hold
        ones = np.ones(len(indices), dtype=np.int8)
        return csr_matrix((ones, indices, indptr), shape, copy=False)[userids]

    def recommend(
        self,
        userid: IdsLike,
        user_items: MatrixLike | None = None,
        N: int = 10,
        filter_already_liked_items: bool = True,
        filter_items: IdListLike | None = None,
        recalculate_user: bool = False,
        items: IdListLike | None = None,
    ) -> Ranking:
        """Recommend labels for an image, or for each of several.

        Parameters
        ----------
        userid : int or array-like of int of shape (n,)
            Row numbers of images.
        user_items : sparse matrix of shape (1 or n, n_labels), optional
            The labels each image has already, one row for every id. Default: those it was fitted
            with, all of them with the value 1.
        N : int, default=10
            Length of the lists.
        filter_already_liked_items : bool, default=True
            Leave out the labels in `user_items`.
        filter_items : array-like of int, optional
            Labels to leave out for all images.
        recalculate_user : bool, default=False
            Use factors computed from `user_items` instead of the learned ones.
        items : array-like of int, optional
            Rank these labels only; excludes `filter_items`.

        Returns
        -------
        ids : ndarray of int32 of shape (N,) or (n, N)
            Labels, the best first. Where fewer than N are left, the rest is -1. With `items`:
            min(N, len(items)) columns, those the image has already last.
        scores : ndarray of float32 of the same shape
            Their scores, products of factors; -inf where the id is -1.

        Raises
        ------
        IndexError
            An id is out of range.
        TypeError
            An id or `N` is not an integer.
        ValueError
            `user_items` has the wrong shape, or is left out and the model was saved without the
            fitted matrix; `N` is below 1; `items` is empty, has a label twice or is given with
            `filter_items`.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> ids, scores = model.recommend([25, 26], N=3)
        >>> ids.shape, bool((scores[:, :-1] >= scores[:, 1:]).all())
        ((2, 3), True)

        An image that the model does not have, by its labels:

        >>> ids, scores = model.recommend(0, X[25] + X[26], N=3, recalculate_user=True)
        >>> ids.shape
        (3,)
        """
        check_is_fitted(self)
        n_images, n_labels = len(self.user_factors), len(self.item_factors)
        _validation.check_same_columns(self.user_factors, self.item_factors)
        N = _validation.check_n(N)
        if recalculate_user and user_items is not None:
            # the image may be one the model has never seen
            n_images = np.iinfo(np.int32).max
        userid = _validation.check_ids(userid, n_images, "userid", "images")
        n_rows = 1 if isinstance(userid, int) else len(userid)
        if items is not None:
            items = _validation.check_item_list(items, n_labels, "items")
            # implicit would leave out only one of them for the images that have the label
            _validation.check_unique(items, "items")
        if filter_items is not None:
            filter_items = _validation.check_item_list(
                filter_items, n_labels, "filter_items", may_be_empty=True
            )
            if not len(filter_items):
                filter_items = None
            elif items is not None:
                raise ValueError("give either items or filter_items, not both")
        if user_items is not None:
            user_items = _validation.check_rows(user_items, n_rows, n_labels, model=self)
        elif filter_already_liked_items or recalculate_user:
            user_items = self._liked(userid)
        if n_rows == 0:
            width = N if items is None else min(N, len(items))
            return np.empty((0, width), np.int32), np.empty((0, width), np.float32)
        arguments = (filter_already_liked_items, filter_items, recalculate_user, items)
        with _limit_blas(n_rows, self.num_threads):
            ids, scores = super(FactorRecommender, self._on_its_threads()).recommend(
                userid, user_items, min(N, n_labels), *arguments
            )
        if items is not None:
            return _single(ids, scores)
        return _padded(ids, scores, N)

    def rank_items(
        self,
        userid: IdsLike,
        user_items: MatrixLike | None,
        selected_items: IdListLike,
        recalculate_user: bool = False,
    ) -> Ranking:
        """Rank some labels for an image, or for each of several, as implicit does.

        Deprecated there: `recommend` with ``items=selected_items`` and
        ``filter_already_liked_items=False`` is the same, for labels that come once.

        Parameters
        ----------
        userid : int or array-like of int of shape (n,)
            Row numbers of images.
        user_items : sparse matrix of shape (1 or n, n_labels) or None
            The labels each image has; used with `recalculate_user` only.
        selected_items : array-like of int
            The labels to rank. One that comes twice is ranked twice.
        recalculate_user : bool, default=False
            Use factors computed from `user_items`.

        Returns
        -------
        ids, scores : ndarray of int32, ndarray of float32, of shape (m,) or (n, m)
            The best of the labels, min(10, len(selected_items)) of them.

        Examples
        --------
        >>> import warnings
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore", DeprecationWarning)
        ...     ids, scores = model.rank_items(0, X[0], [4, 7, 9])
        >>> sorted(ids.tolist())
        [4, 7, 9]
        """
        warnings.warn(
            "rank_items is deprecated. Use recommend with the 'items' parameter instead",
            DeprecationWarning,
            stacklevel=2,
        )
        check_is_fitted(self)
        given = _validation.check_item_list(
            selected_items, len(self.item_factors), "selected_items"
        )
        items, counts = np.unique(given, return_counts=True)
        ids, scores = self.recommend(
            userid,
            user_items if recalculate_user else None,
            N=len(items),
            filter_already_liked_items=False,
            recalculate_user=recalculate_user,
            items=items,
        )
        width = min(RANKED, len(given))
        # labels that came twice stand twice
        places = np.array(
            [
                np.repeat(np.arange(len(items)), times)[:width]
                for times in counts[np.searchsorted(items, np.atleast_2d(ids))]
            ],
            dtype=np.int64,
        ).reshape(*ids.shape[:-1], width)
        return np.take_along_axis(ids, places, -1), np.take_along_axis(scores, places, -1)

    def similar_items(
        self,
        itemid: IdsLike,
        N: int = 10,
        recalculate_item: bool = False,
        item_users: MatrixLike | None = None,
        filter_items: IdListLike | None = None,
        items: IdListLike | None = None,
    ) -> Ranking:
        """Find the labels whose factors have the largest cosine with those of a label.

        Parameters
        ----------
        itemid : int or array-like of int of shape (n,)
            Column numbers of labels.
        N : int, default=10
            Length of the lists; fewer where fewer labels are compared.
        recalculate_item : bool, default=False
            Use factors computed from `item_users` (by `VSEens.recalculate_item`) instead of the
            learned ones. `itemid` may then be of a label that the model does not have.
        item_users : sparse matrix of shape (1 or n, n_images), optional
            The images that have each label. Needed with `recalculate_item`.
        filter_items : array-like of int, optional
            Labels to leave out.
        items : array-like of int, optional
            Compare with these labels only.

        Returns
        -------
        ids, scores : ndarray of int32, ndarray of float32, of shape (N,) or (n, N)
            The most similar labels and their cosines, padded with -1 and -inf. A label that is
            computed anew stands for itself in the comparison. A label that is compared comes
            first in its own list, however many have the same factors.

        Raises
        ------
        IndexError
            An id is out of range.
        ValueError
            `N` is below 1, `items` is empty or given with `filter_items`, or `item_users` is
            missing or has the wrong shape.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> ids, cosines = model.similar_items([7, 9], N=3)
        >>> ids.shape, ids[:, 0].tolist()
        ((2, 3), [7, 9])
        """
        check_is_fitted(self)
        n_labels = len(self.item_factors)
        # a label that is computed anew may be one the model does not have
        most = _validation.MAX_LABELS if recalculate_item else n_labels
        itemid = _validation.check_ids(itemid, most, "itemid", "labels")
        ids, scores = self._similar(
            super(FactorRecommender, self._on_its_threads()).similar_items,
            itemid,
            N,
            n_labels,
            {"recalculate_item": recalculate_item, "item_users": item_users},
            filter_items=filter_items,
            items=items,
        )
        return ids, scores

    def similar_users(
        self,
        userid: IdsLike,
        N: int = 10,
        filter_users: IdListLike | None = None,
        users: IdListLike | None = None,
    ) -> Ranking:
        """Find the images whose factors have the largest cosine with those of an image.

        Parameters
        ----------
        userid : int or array-like of int of shape (n,)
            Row numbers of images.
        N : int, default=10
            Length of the lists; fewer where fewer images are compared.
        filter_users : array-like of int, optional
            Images to leave out.
        users : array-like of int, optional
            Compare with these images only.

        Returns
        -------
        ids, scores : ndarray of int32, ndarray of float32, of shape (N,) or (n, N)
            The most similar images and their cosines, padded with -1 and -inf. An image that is
            compared comes first in its own list.

        Raises
        ------
        IndexError
            An id is out of range.
        ValueError
            `N` is below 1, or `users` is empty or given with `filter_users`.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> ids, cosines = model.similar_users(25, N=3, users=range(20, 30))
        >>> int(ids[0]), bool(abs(cosines[0] - 1) < 1e-5)
        (25, True)
        """
        check_is_fitted(self)
        userid = _validation.check_ids(userid, len(self.user_factors), "userid", "images")
        return self._similar(
            super(FactorRecommender, self._on_its_threads()).similar_users,
            userid,
            N,
            len(self.user_factors),
            {},
            filter_users=filter_users,
            users=users,
        )

    def _on_its_threads(self) -> "Self":
        """Return the model, or a copy that asks implicit for as many threads as there can be."""
        # which also finds out whether there are threads to lose
        effective_threads(self.num_threads)
        threads = 1 if Fork.lost_threads else bounded_threads(self.num_threads)
        if threads == self.num_threads:
            return self
        bounded = copy(self)
        bounded.num_threads = threads
        return bounded

    def _similar(
        self,
        method: Callable[..., Ranking],
        query: int | NDArray[np.int64],
        N: int,
        n: int,
        options: dict[str, Any],
        **lists: IdListLike | None,
    ) -> Ranking:
        N = _validation.check_n(N)
        what = "images" if "users" in lists else "labels"
        (filter_name, left_out), (name, kept) = lists.items()
        if left_out is not None:
            left_out = _validation.check_item_list(
                left_out, n, filter_name, what, may_be_empty=True
            )
            left_out = left_out if len(left_out) else None
        if kept is not None:
            kept = _validation.check_item_list(kept, n, name, what)
        lists = {filter_name: left_out, name: kept}
        if left_out is not None and kept is not None:
            raise ValueError(f"give either {filter_name} or {filter_name[7:]}, not both")
        columns = min(N, n if kept is None else len(kept))
        # what is left out has a score of -max, which is divided by the norms as well
        with _limit_blas(np.size(query), self.num_threads), np.errstate(over="ignore"):
            ids, scores = method(query, N=columns, **options, **lists)
        ids, scores = _padded(ids, scores, columns, lowest=-2.0)
        own = np.atleast_1d(query)
        compared = own < n if kept is None else np.isin(own, kept)
        if left_out is not None:
            compared &= ~np.isin(own, left_out)
        _put_first(ids, scores, own, compared)
        return ids, scores


def _norms(factors: Floats, has_bias: bool) -> Floats:
    norms: Floats = np.sqrt(np.einsum("ij,ij->i", factors, factors))
    if has_bias:
        # few have the norm of their bias by chance
        only_bias = np.flatnonzero(norms == np.abs(factors[:, -1]))
        only_bias = only_bias[~factors[only_bias, :-1].any(axis=1)]
        norms[only_bias[factors[only_bias, -1] != 0]] = np.inf
    norms[norms == 0] = 1e-10
    return norms


def _single(ids: NDArray[Any], scores: NDArray[Any]) -> Ranking:
    """Return ids and scores in 32 bits."""
    # what is left out has the lowest score of 64 bits
    with np.errstate(over="ignore"):
        return ids.astype(np.int32, copy=False), scores.astype(np.float32, copy=False)


def _padded(ids: NDArray[Any], scores: NDArray[Any], N: int, lowest: float = LOWEST) -> Ranking:
    """Blank out what was left out, which scores `lowest` or less, and add columns up to N."""
    ids, scores = _single(ids, scores)
    filtered = scores <= lowest
    ids[filtered], scores[filtered] = -1, -np.inf
    missing = N - ids.shape[-1]
    if missing > 0:
        widths = [(0, 0)] * (ids.ndim - 1) + [(0, missing)]
        ids = np.pad(ids, widths, constant_values=-1)
        scores = np.pad(scores, widths, constant_values=-np.inf)
    return ids, scores


def _put_first(ids: np.ndarray, scores: np.ndarray, own: np.ndarray, compared: np.ndarray) -> None:
    """Move every row's own id to the front in place, where it is among those compared."""
    if not ids.size:
        return
    rows, values = np.atleast_2d(ids), np.atleast_2d(scores)
    # a label without images is similar to nothing, itself included
    first = ((values != 0) & np.isfinite(values)).any(axis=1).astype(values.dtype)
    found = rows == own[:, None]
    # what makes room is its old place, or the end of the list
    left_out = np.where(found.any(axis=1), found.argmax(axis=1) + 1, rows.shape[1])
    left_out[~compared] = 0
    keep = np.ones((len(rows), rows.shape[1] + 1), dtype=bool)
    keep[np.arange(len(rows)), left_out] = False
    rows[:] = np.column_stack([own.astype(rows.dtype), rows])[keep].reshape(rows.shape)
    values[:] = np.column_stack([first, values])[keep].reshape(values.shape)


def _limit_blas(n_rows: int, num_threads: int) -> AbstractContextManager[Any]:
    """Keep BLAS to the threads of the model, to one where batches of top-k run in parallel."""
    return limit_blas(num_threads if n_rows <= TOPK_BATCH else 1)
