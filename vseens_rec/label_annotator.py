"""LabelAnnotator: labels of images from their features, in scikit-learn's multilabel shape."""

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _validation
from ._native import limit_blas
from ._typing import MatrixLike
from .choices import Sampler
from .choices.base import as_choice
from .choices.losses import Loss
from .metrics import ranking_metrics
from .vseens import VSEens

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LabelAnnotator"]


def _has_probabilities(annotator: "LabelAnnotator") -> bool:
    """Tell whether the loss is least where scores are those of a distribution over labels."""
    model = getattr(annotator, "model_", None) or annotator._unfitted()
    loss, sampler = as_choice(model.loss, Loss), as_choice(model.sampler, Sampler)
    if loss.name != "softmax" or sampler.name != "uniform":
        raise AttributeError(
            f"loss={loss.name!r} and sampler={sampler.name!r} do not turn scores into "
            "probabilities: use loss='softmax' with sampler='uniform'"
        )
    return True


class LabelAnnotator(ClassifierMixin, BaseEstimator):
    """Labels of images from their features: a multilabel classifier of scikit-learn.

    It is `VSEens` with features, for those who have features first and want labels: features are
    ``X``, labels are ``y``, and nothing is known of an image but its features when labels are asked
    for. No metadata routing is needed: it works as it is in `Pipeline`, behind a
    `ColumnTransformer`, and in `GridSearchCV`.

    Parameters
    ----------
    model : VSEens or None, default=None
        What learns; it is cloned, so that its `warm_start` has no part. None:
        ``VSEens.for_annotation()``, which takes parameters, such as ``random_state=0``. Where one
        is given, a grid reaches its parameters by ``model__factors``.
    N : int, default=5
        Labels that `predict` gives an image.
    prior_exponent : float, default=0.0
        Divide how likely a label is by this power of the number of images that have it (see
        `VSEens.annotate`): more finds rare labels.

    Attributes
    ----------
    model_ : VSEens
        The fitted model.
    classes_ : ndarray of shape (n_labels, 2)
        0 and 1 for every label, as scikit-learn has it for several outputs.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where ``X`` was a frame whose columns are named by text.

    See Also
    --------
    VSEens.annotate : The same for models that know labels of some images as well.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec import LabelAnnotator, VSEens
    >>> rng = np.random.default_rng(0)
    >>> topics = rng.integers(2, size=200)
    >>> features = np.eye(2)[topics] + 0.1 * rng.normal(size=(200, 2))
    >>> labels = (rng.random((200, 6)) < 0.7) & (np.arange(6) % 2 == topics[:, None])
    >>> annotator = LabelAnnotator(VSEens(factors=8, loss="softmax", random_state=0), N=3)
    >>> annotator.fit(features, labels).predict([[1, 0], [0, 1]])
    array([[1, 0, 1, 0, 1, 0],
           [0, 1, 0, 1, 0, 1]])
    """

    model_: VSEens
    classes_: NDArray[np.int64]
    n_features_in_: int

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "model": [VSEens, None],
        "N": [Interval(Integral, 1, None, closed="left")],
        "prior_exponent": [Interval(Real, None, None, closed="neither")],
    }

    def __init__(self, model: VSEens | None = None, N: int = 5, prior_exponent: float = 0.0):
        self.model = model
        self.N = N
        self.prior_exponent = prior_exponent

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        tags.classifier_tags.multi_label = True
        tags.classifier_tags.multi_class = False
        # from noise, or from a single label, nothing can be learned
        tags.classifier_tags.poor_score = True
        return tags

    def _unfitted(self) -> VSEens:
        return VSEens.for_annotation() if self.model is None else self.model

    def fit(self, X: MatrixLike, y: MatrixLike) -> "Self":
        """Learn labels from features.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_features)
            Features of each image.
        y : sparse matrix or array-like of shape (n_images, n_labels)
            Values > 0 are the labels of the images.

        Returns
        -------
        LabelAnnotator
            The annotator itself.

        Raises
        ------
        ValueError
            `X` or `y` is not a matrix of finite numbers with a row for every image.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import LabelAnnotator, VSEens
        >>> annotator = LabelAnnotator(VSEens(factors=4, iterations=2, random_state=0))
        >>> annotator.fit(np.eye(4), np.eye(4)[:, ::-1]).n_features_in_
        4
        """
        self._validate_params()
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: pass "
                "the labels of the images, a matrix of images x labels"
            )
        before = dict(self.__dict__)
        try:
            features: Any = validate_data(self, X, accept_sparse="csr", dtype="numeric")
            labels = _labels_of(y)
            _check_same_images(features, labels)
            model = clone(self._unfitted())
            model.fit(labels, show_progress=False, image_features=features)
        except BaseException:
            # what checking X has set goes back as well
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        self.model_ = model
        self.classes_ = np.tile([0, 1], (labels.shape[1], 1))
        return self

    def _scores(self, X: MatrixLike, prior_exponent: float) -> NDArray[np.float32]:
        """Score all labels by the features alone, the prior taken off."""
        check_is_fitted(self)
        rows: Any = validate_data(self, X, accept_sparse="csr", dtype="numeric", reset=False)
        users, items = self.model_._factors_by_features(rows, prior_exponent)
        with limit_blas(self.model_.num_threads):
            scores: NDArray[np.float32] = np.matmul(users, items.T)
        return scores.astype(np.float32, copy=False)

    def decision_function(self, X: MatrixLike) -> NDArray[np.float32]:
        """Score labels for images, the prior taken off.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_features)
            Features of each image.

        Returns
        -------
        ndarray of float32 of shape (n_images, n_labels)
            Higher for labels that are more likely.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import LabelAnnotator, VSEens
        >>> annotator = LabelAnnotator(VSEens(factors=4, iterations=2, random_state=0))
        >>> annotator.fit(np.eye(4), np.eye(4)).decision_function(np.eye(4)[:2]).shape
        (2, 4)
        """
        return self._scores(X, self.prior_exponent)

    def predict(self, X: MatrixLike) -> NDArray[np.int64]:
        """Give each image the `N` labels that score highest.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_features)
            Features of each image.

        Returns
        -------
        ndarray of int64 of shape (n_images, n_labels)
            1 for the labels of an image, else 0.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import LabelAnnotator, VSEens
        >>> annotator = LabelAnnotator(VSEens(factors=4, iterations=2, random_state=0), N=2)
        >>> annotator.fit(np.eye(4), np.eye(4)).predict(np.eye(4)).sum(axis=1).tolist()
        [2, 2, 2, 2]
        """
        scores = self.decision_function(X)
        given = np.zeros(scores.shape, dtype=np.int64)
        n = min(_validation.check_n(self.N), scores.shape[1])
        # labels that score the same come in their order
        best = np.argsort(-scores, axis=1, kind="stable")[:, :n]
        np.put_along_axis(given, best, 1, axis=1)
        return given

    def score(self, X: MatrixLike, y: MatrixLike) -> float:
        """Measure how high the labels of images rank: average precision, averaged over images.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_features)
            Features of each image.
        y : sparse matrix or array-like of shape (n_images, n_labels)
            Values > 0 are the labels of the images. Images without a label are left out.

        Returns
        -------
        float
            1 where the labels of every image come first.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import LabelAnnotator, VSEens
        >>> annotator = LabelAnnotator(VSEens(factors=4, iterations=9, random_state=0))
        >>> 0 < annotator.fit(np.eye(4), np.eye(4)).score(np.eye(4), np.eye(4)) <= 1
        True
        """
        scores, labels = self.decision_function(X), _labels_of(y)
        _check_same_images(scores, labels)
        if labels.shape[1] != scores.shape[1]:
            raise ValueError(
                f"y has {labels.shape[1]} labels (columns), but LabelAnnotator was fitted with "
                f"{scores.shape[1]}"
            )
        return ranking_metrics(lambda rows: scores[rows], None, labels, "map")["map"]

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: MatrixLike) -> NDArray[np.float32]:
        """Tell how likely each label is to be the one, if a label of the image is drawn.

        The probabilities of an image sum to 1, and ignore the prior. The method is there where the
        loss is the softmax and negatives are uniform, as by default: other samplers draw some
        labels more often than others, so that scores say less of how likely each is.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_features)
            Features of each image.

        Returns
        -------
        ndarray of float32 of shape (n_images, n_labels)
            Probabilities.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import LabelAnnotator, VSEens
        >>> annotator = LabelAnnotator().fit(np.eye(4), np.eye(4))
        >>> found = annotator.predict_proba(np.eye(4))
        >>> bool(np.allclose(found.sum(axis=1), 1))
        True
        """
        scores = self._scores(X, 0.0) / as_choice(self.model_.loss, Loss).temperature
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        probabilities: NDArray[np.float32] = scores / scores.sum(axis=1, keepdims=True)
        return probabilities


def _check_same_images(features: Any, labels: Any) -> None:
    if labels.shape[0] != features.shape[0]:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: X has "
            f"{features.shape[0]} rows of features, y {labels.shape[0]} of labels. Both have a "
            "row for each image"
        )


def _labels_of(y: Any) -> csr_matrix:
    """Check labels of images; only values above 0 count."""
    if not issparse(y):
        y = np.asarray(y)
        if y.ndim != 2:
            raise ValueError(
                f"y must be a matrix of images x labels, got an array of shape {y.shape}: make "
                "lists of labels one by sklearn.preprocessing.MultiLabelBinarizer, and a class for "
                "each image by OneHotEncoder"
            )
    labels = _validation.check_matrix(y, "LabelAnnotator", "y")
    broken = labels.data % 1 != 0
    if broken.any():
        raise ValueError(
            "Unknown label type: y is continuous, but must hold 1 for the labels of an image and 0 "
            f"for others, got {labels.data[broken][0]}: pass y > 0 if any value above 0 stands "
            "for a label"
        )
    return labels
