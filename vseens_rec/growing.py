"""Images and labels that come or change after a fit: computed from their pairs, one by one."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.utils.validation import check_is_fitted

from . import _validation, frames
from ._typing import Floats, IdsLike, MatrixLike
from .engine.features import Features
from .engine.stored_pairs import StoredPairs
from .engine.updates import grown, is_unshared, replaced
from .recommender import FactorRecommender


class GrowingRecommender(FactorRecommender):
    """A model that folds in images by their labels, and labels by their images."""

    def _fold_in_rows(self, matrix: csr_matrix, features: Features | None = None) -> Floats:
        """Compute the factors of images; each follows from its row and the model alone."""
        raise NotImplementedError

    def _fold_in_labels(
        self, ids: NDArray[np.int64], item_users: csr_matrix, users: Floats, known: StoredPairs
    ) -> Floats:
        """Compute the factors of labels, given those of the images and what images have."""
        raise NotImplementedError

    def recalculate_user(
        self, userid: IdsLike, user_items: MatrixLike, *, image_features: MatrixLike | None = None
    ) -> Floats:
        """Compute factors of images from their labels, without changing the model.

        Parameters
        ----------
        userid : int or array-like of int of shape (n,)
            Row numbers; they have no influence on the result.
        user_items : sparse matrix of shape (1 or n, n_labels)
            The labels of each image.
        image_features : sparse matrix or array-like of shape (1 or n, n_features), optional
            Their features, which a model that was fitted with features needs.

        Returns
        -------
        ndarray of shape (factors + use_bias,) or (n, factors + use_bias)
            As by `transform`.

        Raises
        ------
        ValueError
            `user_items` has the wrong shape or negative values, or `image_features` are missing or
            of another shape.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> factors = model.recalculate_user(0, X[25])
        >>> factors.shape, bool((factors == model.transform(X[25])[0]).all())
        ((9,), True)
        """
        self._check_fitted()
        userid = _validation.check_ids(userid, np.iinfo(np.int32).max, "userid", "images")
        n_rows = 1 if isinstance(userid, int) else len(userid)
        n_labels = len(self.item_factors)
        rows = _validation.check_canonical_rows(
            user_items, n_rows, n_labels, "recalculate_user", model=self
        )
        features = self._features_of(image_features, n_rows, "recalculate_user")
        factors = self._fold_in_rows(rows, features)
        return factors[0] if isinstance(userid, int) else factors

    def recalculate_item(self, itemid: IdsLike, item_users: MatrixLike) -> Floats:
        """Compute factors of labels from the images that have them, without changing the model.

        As in the training, a label is compared as the positive of each of its images, with labels
        drawn for the image, and as a negative of other images, as often as the sampler would draw
        it; the images' factors are fixed. The random numbers are keyed by the label's
        images, so the result for a label depends on those alone.

        Parameters
        ----------
        itemid : int or array-like of int of shape (n,)
            Column numbers. A label that the model has is not compared with itself.
        item_users : sparse matrix of shape (1 or n, n_images)
            The images that have each label.

        Returns
        -------
        ndarray of shape (factors + use_bias,) or (n, factors + use_bias)
            Factors; zero for a label that no image has.

        Raises
        ------
        ValueError
            `item_users` has the wrong shape or negative values, or the model was saved without
            the fitted matrix.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> model.recalculate_item([7, 9], X.T.tocsr()[[7, 9]]).shape
        (2, 9)
        """
        check_is_fitted(self)
        ids, rows = self._labels_and_images(itemid, item_users, "recalculate_item")
        factors = self._fold_in_labels(ids, rows, self.user_factors, self._known())
        return factors[0] if np.ndim(itemid) == 0 else factors

    def partial_fit_users(
        self, userids: IdsLike, user_items: MatrixLike, *, image_features: MatrixLike | None = None
    ) -> None:
        """Set the factors of images, new ones or such whose labels changed, by fold-in.

        A call costs what its images do; now and then one copies the model's arrays to where there
        is room for more. Neither a copy of the model nor an array that was taken from it changes.

        Parameters
        ----------
        userids : int or array-like of int of shape (n,)
            Row numbers, each once. The model grows to hold the largest; images in between that
            are not given have no labels.
        user_items : sparse matrix of shape (n, n_labels)
            All labels of each image. They take the place of those that the model remembers, which
            `recommend` filters.
        image_features : sparse matrix or array-like of shape (n, n_features), optional
            Their features, which a model that was fitted with features needs. They are not kept.

        Raises
        ------
        ValueError
            A number comes twice, `user_items` has the wrong shape or negative values, or
            `image_features` are missing or of another shape.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> model.partial_fit_users([1881, 1882], X[:2])
        >>> model.user_factors.shape
        (1883, 9)
        """
        self._check_fitted()
        ids = np.atleast_1d(
            _validation.check_ids(userids, np.iinfo(np.int32).max, "userids", "images")
        )
        _validation.check_unique(ids, "userids")
        n_labels = len(self.item_factors)
        rows = _validation.check_canonical_rows(
            user_items, len(ids), n_labels, "partial_fit_users", model=self
        )
        features = self._features_of(image_features, len(ids), "partial_fit_users")
        folded = self._fold_in_rows(rows, features)
        # new images are written behind the others, and others copied where somebody has them
        in_place = is_unshared(self.__dict__, "_user_factors")
        users, n_rows = self.user_factors, int(ids.max(initial=-1)) + 1
        if n_rows - len(users) > (ids >= len(users)).sum():
            # images in between that are not given
            unknown = None if features is None else Features.none(1, features.n_features)
            users = grown(users, n_rows, self._fold_in_rows(csr_matrix((1, n_labels)), unknown))
        pairs: StoredPairs | None = self.__dict__.get("_pairs")
        if pairs is not None:
            self._check_pairs(pairs)
        users = replaced(users, ids, folded, in_place=in_place)
        if pairs is not None:
            self._remember(pairs.with_rows(ids, rows), _user_factors=users)
        else:
            self.user_factors = users

    def partial_fit_items(self, itemids: IdsLike, item_users: MatrixLike) -> None:
        """Set the factors of labels, new ones or such whose images changed, by fold-in.

        A call costs some thousands of comparisons a label, tables of all labels' factors, and what
        the images of the labels are; not the pairs of the others. When the images of 16 labels that
        the model had before have changed, the images of every label are listed once.

        Parameters
        ----------
        itemids : int or array-like of int of shape (n,)
            Column numbers, each once. The model grows to hold the largest; labels in between
            that are not given have factors of zero. An item-item part has no weights for new
            labels, and keeps those it has, until the next `fit`.
        item_users : sparse matrix of shape (n, n_images)
            All images that have each label. They take the place of those that the model remembers.

        Raises
        ------
        ValueError
            A number comes twice, `item_users` has the wrong shape or negative values, or the model
            was saved without the fitted matrix.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> model.partial_fit_items(1151, X.T.tocsr()[[7]])
        >>> model.item_factors.shape, model.n_features_in_
        ((1152, 9), 1152)
        """
        check_is_fitted(self)
        ids, rows = self._labels_and_images(itemids, item_users, "partial_fit_items", "itemids")
        _validation.check_unique(ids, "itemids")
        folded = self._fold_in_labels(ids, rows, self.user_factors, self._known())
        n_labels = len(self.item_factors)
        items = replaced(self.item_factors, ids, folded)
        grows = len(items) > n_labels
        item_item = self._item_item
        self._remember(
            self._pairs.with_columns(ids, rows, n_labels),
            _item_factors=items,
            n_features_in_=len(items),
            _item_item=None if item_item is None else item_item.grown(len(items)),
        )
        if grows:
            frames.forget_columns(self)

    def _labels_and_images(
        self, itemid: IdsLike, item_users: MatrixLike, name: str, argument: str = "itemid"
    ) -> tuple[NDArray[np.int64], csr_matrix]:
        ids = np.atleast_1d(
            _validation.check_ids(itemid, _validation.MAX_LABELS, argument, "labels")
        )
        rows = _validation.check_canonical_rows(
            item_users, len(ids), len(self.user_factors), name, "item_users", "images"
        )
        return ids, rows
