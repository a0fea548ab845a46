"""How features of images are mapped to factors."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from .base import Choice

FROM_ZERO = Interval(Real, 0, None, closed="left")


class FeatureMap(Choice):
    """A linear map of the features of images, learned with the factors.

    The factors of an image are the product of its features with a matrix, and its own factors
    beside that. The steps on the matrix are AdaGrad's, with one sum of squares for each feature.

    Parameters
    ----------
    learning_rate : float, default=0.1
        Step size of the matrix for features whose rows have a mean squared length of 1; features of
        another length have steps in inverse proportion, so that their scale does not matter.
    regularization : float, default=1e-4
        L2 penalty of a feature's row in the matrix, once for every visit to an image that has it.
    dropout : float or None, default=None
        The chance that a feature takes no part in a visit to an image, in [0, 1). The others are
        multiplied by ``1 / (1 - dropout)``. None: ``0.5 * n / (n + 5)`` where an image has n
        features other than 0 on average, since an image with few features needs them all.
    image_ids : bool, default=True
        Learn factors of each image beside the map. They have the penalty of images, so that an
        image of few labels is what its features say and one of many labels is more itself.
        Otherwise images are what their features say.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import FeatureMap
    >>> model = VSEens(features=FeatureMap(dropout=0.2))
    >>> model.set_params(features__image_ids=False).features
    FeatureMap(dropout=0.2, image_ids=False)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "learning_rate": [FROM_ZERO],
        "regularization": [FROM_ZERO],
        "dropout": [Interval(Real, 0, 1, closed="left"), None],
        "image_ids": ["boolean"],
    }

    def __init__(
        self,
        learning_rate: float = 0.1,
        regularization: float = 1e-4,
        dropout: float | None = None,
        image_ids: bool = True,
    ):
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.dropout = dropout
        self.image_ids = image_ids
