"""What a fitted model holds: factors, weights between labels, and the pairs they belong to."""

from typing import Any

import numpy as np
from implicit.cpu.matrix_factorization_base import MatrixFactorizationBase
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from . import _validation
from ._native import limit_blas
from ._typing import Floats, LearnedFactors, Ranking
from .engine.features import Features, FittedMap
from .engine.item_item import ItemItemWeights
from .engine.stored_pairs import StoredPairs
from .image_features import check_features, refuse_missing
from .serving import LeftOut, best_of_scores, norms_of, products

# images that are scored at once: the more, the fewer times dense weights come from far memory
MOST_SUMMED_TOGETHER = 1024


class FittedModel(MatrixFactorizationBase):
    """Factors of images and labels, item-item weights, and the matrix that they were fitted on."""

    num_threads: int
    # what scores have beside the products of factors
    _item_item: ItemItemWeights | None = None
    # what maps the features of images
    _feature_map: FittedMap | None = None

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
        return norms_of(self.user_factors, self._has_bias)

    @property
    def item_norms(self) -> Floats:
        """Euclidean norms of the labels' factors, 1e-10 in place of 0.

        Infinite for a label whose factors are 0 but for its bias: nothing is similar to it.
        """
        return norms_of(self.item_factors, self._has_bias)

    @property
    def item_weights(self) -> NDArray[np.float32] | csr_matrix | None:
        """What labels, and pairs of them, add to the score of each label; None without that part.

        Of shape (n_labels + pairs, n_labels), dense or sparse.
        """
        return None if self._item_item is None else self._item_item.of_all_labels().weights

    @property
    def item_pairs(self) -> NDArray[np.int32] | None:
        """The pairs of labels that `item_weights` has rows for, of shape (pairs, 2)."""
        if self._item_item is None:
            return None
        pairs = self._item_item.pairs
        found: NDArray[np.int32] = pairs.parts[pairs.n_labels :]
        return found

    @property
    def feature_factors(self) -> Floats | None:
        """What maps features to factors, (n_features, factors + use_bias); None without."""
        return None if self._feature_map is None else self._feature_map.weights

    def _features_of(self, image_features: Any, n_images: int | None, call: str) -> Features | None:
        """Check the features of images for a call: they are needed where the fit had some."""
        known = self._feature_map
        if known is None:
            if image_features is not None:
                raise ValueError(
                    f"{call} got image_features, but {type(self).__name__} was fitted without: "
                    "pass them to fit as well, or leave them out"
                )
            return None
        if image_features is None:
            refuse_missing(type(self).__name__, known, call)
        return check_features(image_features, n_images, known)

    @property
    def _has_bias(self) -> bool:
        return bool(getattr(self, "use_bias", False))

    def _remember(self, pairs: StoredPairs, **learned: Any) -> None:
        """Set the fitted pairs and the attributes that go with them, all of them or none."""
        self.__dict__.update(learned, _pairs=pairs)

    def _stored_pairs(self, remedy: str) -> StoredPairs:
        """Return the pairs that the model was fitted on."""
        pairs: StoredPairs | None = self.__dict__.get("_pairs")
        if pairs is None:
            raise ValueError(f"this model does not hold the matrix it was fitted on: {remedy}")
        return pairs

    def _known(self) -> StoredPairs:
        """Return the pairs that the model was fitted on, and that its factors belong to."""
        pairs = self._stored_pairs(
            "fold-in of labels compares with it, so save it with fitted_matrix=True"
        )
        self._check_pairs(pairs)
        return pairs

    def _pattern(self) -> csr_matrix:
        """Return the fitted matrix with ones for values."""
        pairs = self._known()
        indptr, indices = pairs.arrays()
        shape = (len(pairs), len(self.item_factors))
        return csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape, copy=False)

    def _check_pairs(self, pairs: StoredPairs) -> None:
        """Check that the factors have the numbers of rows of the fitted matrix."""
        n_users, n_labels = len(self.user_factors), len(self.item_factors)
        if n_users != len(pairs) or not pairs.fits(n_labels):
            raise ValueError(
                f"the factors of {n_users} images and {n_labels} labels do not belong to the "
                f"fitted matrix, which has {len(pairs)} images and labels up to "
                f"{pairs.arrays()[1].max(initial=-1)}: fit again, or use partial_fit_users and "
                "partial_fit_items to change their numbers"
            )

    def _liked(self, userids: int | NDArray[np.int64]) -> LeftOut:
        """Return the rows of the fitted matrix."""
        pairs = self._stored_pairs(
            "pass user_items=X[userid], or recommend with filter_already_liked_items=False and "
            "recalculate_user=False"
        )
        last = userids if isinstance(userids, int) else userids.max(initial=-1)
        if last >= len(pairs) or not pairs.fits(len(self.item_factors)):
            self._check_pairs(pairs)
        if isinstance(userids, int):
            return LeftOut(None, pairs.row(userids))
        return LeftOut(*pairs.rows(userids))

    def _known_labels(
        self, userids: int | NDArray[np.int64], user_items: csr_matrix | None
    ) -> LeftOut:
        """Return the labels that images have, those of the fit unless others are given."""
        if user_items is None:
            return self._liked(userids)
        n_rows = 1 if isinstance(userids, int) else len(userids)
        rows = _validation.check_canonical_rows(
            user_items, n_rows, len(self.item_factors), "recommend", model=self
        )
        return LeftOut.of(rows, userids)

    def _sums(self, users: Floats, rows: csr_matrix) -> NDArray[np.float32]:
        """Return the scores of images by their factors and by the labels that they have."""
        with limit_blas(self.num_threads):
            scores = products(users, self.item_factors)
        if self._item_item is not None:
            indptr, indices = LeftOut(rows.indptr, rows.indices).rows()
            self._item_item.add_to(scores, indptr, indices, self.num_threads)
        return scores

    def _best_sums(
        self,
        users: Floats,
        known: LeftOut,
        N: int,
        lowest: float,
        left_out: LeftOut | None,
        left_out_everywhere: NDArray[np.int64] | None,
        among: NDArray[np.int64] | None,
    ) -> Ranking:
        """Find what scores highest by both parts, for one image or for several."""
        part = self._item_item
        assert part is not None
        users, (indptr, indices) = np.atleast_2d(users), known.rows()

        def scores_of(block: slice) -> NDArray[np.float32]:
            scores = products(users[block], self.item_factors)
            part.add_to(scores, indptr[block.start : block.stop + 1], indices)
            return scores

        additions = len(indices) * part.width // max(1, len(users))
        ids, scores = best_of_scores(
            scores_of,
            len(users),
            len(self.item_factors),
            N,
            lowest,
            left_out,
            left_out_everywhere,
            among,
            num_threads=self.num_threads,
            operations=self.item_factors.size + additions,
            together=MOST_SUMMED_TOGETHER,
        )
        return (ids[0], scores[0]) if known.indptr is None else (ids, scores)
