"""Labels for images that a model has never seen, from their features alone."""

from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from . import _validation
from ._typing import Floats, MatrixLike, Ranking
from .engine.features import Features
from .growing import GrowingRecommender
from .image_features import check_features
from .serving import LOWEST, best


class AnnotatingRecommender(GrowingRecommender):
    """A model that annotates images by their features, if it was fitted with any."""

    # whether it learns from features of images
    _takes_features: ClassVar[bool] = False

    def _features_to_learn_from(self, image_features: Any, n_images: int) -> Features | None:
        if image_features is None:
            return None
        if not self._takes_features:
            raise ValueError(
                f"{type(self).__name__} learns from labels alone and takes no image_features: "
                "leave them out, or use VSEens"
            )
        return check_features(image_features, n_images)

    def annotate(
        self, image_features: MatrixLike, N: int = 5, prior_exponent: float = 0.0
    ) -> Ranking:
        """Annotate images of which no label is known.

        Parameters
        ----------
        image_features : sparse matrix or array-like of shape (n, n_features)
            A row for each image, with the columns of the fit.
        N : int, default=5
            Labels for each image.
        prior_exponent : float, default=0.0
            Divide how likely a label is by this power of the number of images that have it: its
            logarithm, times the exponent, is taken from the score. 0 ranks by what is most likely;
            a larger one finds rare labels, and more different ones.

        Returns
        -------
        ids : ndarray of int32 of shape (n, N)
            Labels, the best first; -1 where there are fewer than N.
        scores : ndarray of float32 of shape (n, N)
            Their scores, less the prior.

        Raises
        ------
        ValueError
            The model was fitted without features, `image_features` do not have the columns of the
            fit or are not finite, or `prior_exponent` is not 0 and the model was saved without the
            fitted matrix.

        See Also
        --------
        recommend : Labels for images of which some labels are known; with
            ``recalculate_user=True`` by these and their features.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> features = np.random.default_rng(0).normal(size=(X.shape[0], 4))
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False, image_features=features)
        >>> ids, scores = model.annotate(features[:3], N=2)
        >>> ids.shape, bool((scores[:, 0] >= scores[:, 1]).all())
        ((3, 2), True)
        """
        N = _validation.check_n(N)
        users, items = self._factors_by_features(image_features, prior_exponent)
        if not len(users):
            return np.empty((0, N), np.int32), np.empty((0, N), np.float32)
        return best(users, items, N, LOWEST, None, None, self.num_threads)

    def _factors_by_features(
        self, image_features: MatrixLike, prior_exponent: float
    ) -> tuple[Floats, Floats]:
        """Return factors of images and labels whose products are scores less the prior."""
        self._check_fitted()
        if not np.isfinite(prior_exponent):
            raise ValueError(f"prior_exponent must be a finite number, got {prior_exponent}")
        if self._feature_map is None:
            raise ValueError(
                "annotate goes by features of images, but the model was fitted without: use "
                "fit(X, image_features=...), or recommend for images whose labels are known"
            )
        features = self._features_of(image_features, None, "annotate")
        assert features is not None
        items = self.item_factors
        users = self._fold_in_rows(csr_matrix((len(features), len(items))), features)
        if not prior_exponent:
            return users, items
        pairs = self._stored_pairs(
            "prior_exponent needs to know how many images have each label, so save it with "
            "fitted_matrix=True"
        )
        prior = -prior_exponent * np.log(np.maximum(pairs.counts(len(items)), 1))
        users = np.column_stack([users, np.ones(len(users), users.dtype)])
        return users, np.column_stack([items, prior.astype(items.dtype)])
