"""What a model recommends with its factors: implicit's interface, with checks of its input."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from . import _validation
from ._typing import Floats, IdListLike, IdsLike, MatrixLike, Ranking
from .fitted import FittedModel
from .serving import (
    KEEP_ALL,
    LOWEST,
    NO_COSINE,
    LeftOut,
    best,
)

# labels that implicit's `rank_items` gives back
RANKED = 10


class FactorRecommender(FittedModel):
    """What ranks high, by implicit's methods."""

    def recommend(
        self,
        userid: IdsLike,
        user_items: MatrixLike | None = None,
        N: int = 10,
        filter_already_liked_items: bool = True,
        filter_items: IdListLike | None = None,
        recalculate_user: bool = False,
        items: IdListLike | None = None,
        *,
        image_features: MatrixLike | None = None,
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
        image_features : sparse matrix or array-like of shape (1 or n, n_features), optional
            Features of each image, which `recalculate_user` needs of a model that was fitted with
            features.

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
            `filter_items`; `image_features` are given without `recalculate_user`, or are missing or
            of another shape with it.

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
        self._check_fitted()
        n_images, n_labels = len(self.user_factors), len(self.item_factors)
        _validation.check_same_columns(self.user_factors, self.item_factors)
        N = _validation.check_n(N)
        if recalculate_user and user_items is not None:
            # the image may be one the model has never seen
            n_images = np.iinfo(np.int32).max
        userid = _validation.check_ids(userid, n_images, "userid", "images")
        n_rows = 1 if isinstance(userid, int) else len(userid)
        filter_items, items = check_lists(filter_items, items, n_labels, "items", "labels")
        if items is not None:
            # implicit would leave out only one of them for the images that have the label
            _validation.check_unique(items, "items")
        if image_features is not None and not recalculate_user:
            raise ValueError(
                "recommend computes nothing from image_features unless recalculate_user=True: pass "
                "that, or leave them out to use the factors there are"
            )
        left_out = None
        if user_items is not None:
            user_items = _validation.check_rows(user_items, n_rows, n_labels, model=self)
            left_out = LeftOut.of(user_items, userid)
        elif filter_already_liked_items or recalculate_user:
            left_out = self._liked(userid)
        width = N if items is None else min(N, len(items))
        if n_rows == 0:
            return np.empty((0, width), np.int32), np.empty((0, width), np.float32)
        if recalculate_user:
            if user_items is None and left_out is not None:
                user_items = left_out.matrix(n_labels)
            users = self.recalculate_user(userid, user_items, image_features=image_features)
        else:
            users = self.user_factors[userid]
        known = None
        if self._item_item is not None:
            known = left_out if user_items is None else self._known_labels(userid, user_items)
            known = self._liked(userid) if known is None else known
        if not filter_already_liked_items:
            left_out = None
        if known is not None:
            lowest = LOWEST if items is None else KEEP_ALL
            among = None if items is None else np.sort(items)
            return self._best_sums(users, known, width, lowest, left_out, filter_items, among)
        if items is None:
            return best(
                users, self.item_factors, N, LOWEST, left_out, filter_items, self.num_threads
            )
        items = np.sort(items)
        if left_out is not None:
            left_out = left_out.among(items)
        places, scores = best(
            users, self.item_factors[items], width, KEEP_ALL, left_out, None, self.num_threads
        )
        return items[places].astype(np.int32), scores

    def explain(
        self, userid: int, user_items: MatrixLike | None, itemid: int, N: int = 10
    ) -> tuple[float, list[tuple[int, float]], None]:
        """Tell which labels of an image speak for a label, in the shape of implicit's `explain`.

        A label has what the item-item weights give it, and its share of the image's factors. These
        are folded in by a few steps, each the sum of what the image's labels ask for: to come
        closer to themselves and away from labels that the image lacks. So the shares of all labels
        sum to the product of the factors, and the explained score is that of
        ``recommend(recalculate_user=True)``; with `fit`'s default, ``fold_in_users=True``, that of
        `recommend` as well. The bias of the label is part of the total but of no label's share.

        With features of images, or with a loss other than the logistic one, the factors are not
        such a sum: then, and where there are no factors, the total and the shares are of the
        item-item part alone.

        Parameters
        ----------
        userid : int
            Row number of an image.
        user_items : sparse matrix of shape (1, n_labels) or None
            Its labels. None: those it was fitted with.
        itemid : int
            Column number of the label to explain.
        N : int, default=10
            Length of the list.

        Returns
        -------
        total_score : float
            The score of the label: all shares and its bias, which ``item_factors[itemid, -1]``
            holds where there is one. The sum differs from `recommend`'s by rounding.
        top_contributions : list of tuple of int and float
            Labels and what each adds, the largest first; of a pair each has half.
        user_weights : None
            For implicit's third value, which is not needed here.

        Raises
        ------
        IndexError
            An id is out of range.
        NotImplementedError
            The model has factors alone, and they are not sums over labels: it was fitted with
            features, or with another loss than the logistic one.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import EASE
        >>> X = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0]])
        >>> total, labels, _ = EASE(regularization=1.0).fit(X).explain(3, None, 1)
        >>> round(total, 3), [label for label, _ in labels]
        (0.5, [0])
        """
        self._check_fitted()
        n_users = len(self.user_factors) if user_items is None else np.iinfo(np.int32).max
        user = _validation.check_ids(userid, n_users, "userid", "images")
        label = _validation.check_ids(itemid, len(self.item_factors), "itemid", "labels")
        if not isinstance(user, int) or not isinstance(label, int):
            raise TypeError("explain takes one userid and one itemid")
        N = _validation.check_n(N)
        _, known = self._known_labels(user, user_items).rows()
        of_factors = self._shares_of_factors(known, label)
        if of_factors is None and self._item_item is None:
            raise NotImplementedError(
                f"{self!r} has factors alone, and they are not sums over the labels of an image: "
                "those of VSEens with the logistic loss and without features are, and item-item "
                "weights (item_item, EASE, EDLAE and SparseEASE)"
            )
        shares: dict[int, float] = {}
        bias = 0.0
        if self._item_item is not None:
            shares = self._item_item.contributions(known, label)
        if of_factors is None:
            # the label itself says nothing
            shares.pop(label, None)
        else:
            values, bias = of_factors
            for own, value in zip(known.tolist(), values.tolist(), strict=True):
                shares[own] = shares.get(own, 0.0) + value
        ranked = sorted(shares.items(), key=lambda share: (-share[1], share[0]))
        return sum(shares.values()) + bias, ranked[:N], None

    def _shares_of_factors(
        self, labels: NDArray[np.int32], label: int
    ) -> tuple[NDArray[np.float64], float] | None:
        """Share out a label's score by factors among an image's labels, and return its bias.

        None where factors are not sums over labels.
        """
        return None

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
        self._check_fitted()
        n_labels = len(self.item_factors)
        # a label that is computed anew may be one the model does not have
        most = _validation.MAX_LABELS if recalculate_item else n_labels
        itemid = _validation.check_ids(itemid, most, "itemid", "labels")
        factors = self.item_factors
        query = self.recalculate_item(itemid, item_users) if recalculate_item else factors[itemid]
        return self._similar(itemid, query, factors, N, filter_items, items, "items", "labels")

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
        self._check_fitted()
        factors = self.user_factors
        userid = _validation.check_ids(userid, len(factors), "userid", "images")
        return self._similar(
            userid, factors[userid], factors, N, filter_users, users, "users", "images"
        )

    def _check_fitted(self) -> None:
        if self.user_factors is None or self.item_factors is None:
            check_is_fitted(self)

    def _similar(
        self,
        own: int | NDArray[np.int64],
        query: Floats,
        factors: Floats,
        N: int,
        filtered: IdListLike | None,
        among: IdListLike | None,
        argument: str,
        things: str,
    ) -> Ranking:
        N = _validation.check_n(N)
        n = len(factors)
        left_out, kept = check_lists(filtered, among, n, argument, things)
        columns = min(N, n if kept is None else len(kept))
        compared_with = factors if kept is None else factors[kept]
        if not isinstance(own, int) and not len(own):
            return np.empty((0, columns), np.int32), np.empty((0, columns), np.float32)
        ids, scores = best(
            query,
            compared_with,
            columns,
            NO_COSINE,
            None,
            left_out,
            self.num_threads,
            cosine=True,
            has_bias=self._has_bias,
        )
        if kept is not None:
            ids = np.where(ids < 0, -1, kept[ids]).astype(np.int32)
        if isinstance(own, int) and ids.item(0) == own and 0 != scores.item(0) < np.inf:
            # as it nearly always is: nothing is to be moved
            scores[0] = 1
            return ids, scores
        owners = np.atleast_1d(own)
        compared = owners < n if kept is None else np.isin(owners, kept)
        if left_out is not None:
            compared &= ~np.isin(owners, left_out)
        _put_first(ids, scores, owners, compared)
        return ids, scores


def check_lists(
    left_out: IdListLike | None, kept: IdListLike | None, n: int, argument: str, things: str
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
    """Check what is left out of the n things that are ranked, or what alone is ranked."""
    if left_out is not None:
        left_out = _validation.check_item_list(
            left_out, n, f"filter_{argument}", things, may_be_empty=True
        )
        left_out = left_out if len(left_out) else None
    if kept is not None:
        kept = _validation.check_item_list(kept, n, argument, things)
        if left_out is not None:
            raise ValueError(f"give either {argument} or filter_{argument}, not both")
    return left_out, kept


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
