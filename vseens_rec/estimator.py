"""What every model of linear scores does: fit, transform, score, files."""

import sys
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from . import _validation, frames
from ._native import limit_blas
from ._typing import BinaryFile, EpochCallback, Floats, MatrixLike, PathLike
from .annotating import AnnotatingRecommender
from .choices.base import Choice
from .engine.features import Features, FittedMap
from .engine.item_item import ItemItemWeights
from .engine.stored_pairs import StoredPairs
from .files import models
from .files.archive import Arrays, MmapMode
from .files.checkpoints import Checkpoint
from .files.models import NO_EXTRAS, Extras, ModelState
from .metrics import held_out_metrics

if TYPE_CHECKING:
    from typing_extensions import Self


class LinearRecommender(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, AnnotatingRecommender
):
    """An estimator of scikit-learn and a model of implicit, whose scores are products of factors.

    What is left to a class is to learn, and to fold in.
    """

    dtype: DTypeLike
    # what files hold of a class beside what they hold of all
    _extras: ClassVar[Extras] = NO_EXTRAS

    _parameter_constraints: ClassVar[dict[str, list[Any] | str]] = {
        "num_threads": [Interval(Integral, 0, None, closed="left")],
        "dtype": "no_validation",
    }

    def _as_matrix(self, X: Any) -> Any:
        """Return the matrix that `fit` was given something else for."""
        return X

    def _learn(
        self,
        matrix: csr_matrix,
        show_progress: bool,
        callback: EpochCallback | None,
        checkpoint: Checkpoint | None,
        features: Features | None,
    ) -> None:
        """Learn from a canonical matrix and remember what was learned."""
        raise NotImplementedError

    def _expected_columns(self) -> int:
        """Count the columns of factors that the parameters make."""
        raise NotImplementedError

    def _check_parameters(self) -> None:
        _validation.check_parameters(self)
        for value in self.get_params(deep=False).values():
            if isinstance(value, Choice):
                value.check()

    def __sklearn_clone__(self) -> "Self":
        # whoever clones fits more than one
        clone: Self = super().__sklearn_clone__()
        clone._is_clone = True
        return clone

    def _is_watched(self) -> bool:
        """Tell whether somebody is likely to look at a progress bar."""
        if self.__dict__.get("_is_clone", False):
            return False
        in_terminal = sys.stderr is not None and sys.stderr.isatty()
        return in_terminal or "ipykernel" in sys.modules

    def __sklearn_is_fitted__(self) -> bool:
        return self.user_factors is not None and self.item_factors is not None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.target_tags.required = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    @overload
    def fit(
        self,
        X: MatrixLike | None = None,
        y: object = None,
        show_progress: bool | None = None,
        callback: EpochCallback | None = None,
        *,
        user_items: MatrixLike | None = None,
        image_features: MatrixLike | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> "Self": ...
    @overload
    def fit(
        self,
        X: MatrixLike,
        y: bool,
        show_progress: EpochCallback | None,
        *,
        image_features: MatrixLike | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> "Self": ...
    def fit(
        self,
        X: MatrixLike | None = None,
        y: object = None,
        show_progress: Any = None,
        callback: EpochCallback | None = None,
        *,
        user_items: MatrixLike | None = None,
        image_features: MatrixLike | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> "Self":
        """Learn the factors of images and labels, starting afresh.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_labels)
            A value > 0 marks a label that the image has. Stored zeros are ignored and duplicates
            summed; neither changes the arrays passed in.
        y : None
            Ignored, so that pipelines and searches work. A bool here is implicit's positional
            ``show_progress``.
        show_progress : bool or None, default=None
            Show a progress bar; None: where somebody is likely to look, that is in a terminal or a
            notebook. A clone shows none unless asked: scikit-learn's searches fit clones.
        callback : callable or None, default=None
            Called after every epoch as ``callback(epoch, elapsed, correct, skipped)``: number of
            the epoch from 0, its seconds, pairs whose positive scored above the negative (also
            those for which no violator was found), and pairs for which no negative was drawn that
            the image does not have (without `verify_negative_samples`: that is not the positive).
            Meanwhile the model holds what was learned so far, so that it can be measured, asked and
            saved (images' factors are those of the training, not yet folded in); afterwards it is
            what it was until `fit` ends.
        user_items : sparse matrix or array-like of shape (n_images, n_labels)
            `X`, under implicit's name for it.
        image_features : sparse matrix or array-like of shape (n_images, n_features), optional
            Features of each image, for models that learn from features (`VSEens` and its presets).
            Their columns should have about the same scale. `transform`, `annotate` and whatever
            computes factors anew takes them as well then; they are not kept.
        checkpoint : vseens_rec.Checkpoint or None, default=None
            A file that the training is written to as it goes on, and goes on from if it is there.

        Returns
        -------
        VSEens
            The model itself.

        Raises
        ------
        ValueError
            `X` is not a 2-d matrix of finite values >= 0 with a positive among them, a parameter
            is out of range, parameters contradict each other, `checkpoint` is of another training,
            or `image_features` is not a matrix of finite numbers with a row for every image.
        implicit.recommender_base.ModelFitError
            The factors diverged; the model is then as it was before the call.
        KeyboardInterrupt, or what `callback` or the writing of `checkpoint` raises
            The model then holds what was learned so far, with a warning that says of how many
            epochs; if none was finished, it is as it was before the call.

        Warns
        -----
        implicit.utils.ParameterWarning
            `X` is sparse, but neither CSR nor CSC.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(load_emoji().matrix, show_progress=False)
        >>> model.user_factors.shape, model.item_factors.shape
        ((1881, 9), (1151, 9))
        >>> model.n_iter_, len(model.history_["loss"])
        (2, 2)
        """
        if X is None:
            X = user_items
        elif user_items is not None:
            raise ValueError("fit got both X and user_items: they are two names for one matrix")
        if isinstance(y, (bool, np.bool_)):
            # fit(user_items, show_progress, callback)
            show_progress, callback = bool(y), callback or show_progress
        if show_progress is None:
            show_progress = self._is_watched()
        _validation.check_callback(callback)
        if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
            raise TypeError(
                f"checkpoint must be a vseens_rec.Checkpoint, got {checkpoint!r}: use "
                "checkpoint=Checkpoint(path)"
            )
        if checkpoint is not None:
            checkpoint.check()
        self._check_parameters()
        before = dict(self.__dict__)
        try:
            matrix = _validation.check_user_items(self, self._as_matrix(X))
            features = self._features_to_learn_from(image_features, matrix.shape[0])
            with limit_blas(self.num_threads):
                self._learn(matrix, bool(show_progress), callback, checkpoint, features)
        except BaseException:
            if self.user_factors is before.get("_user_factors"):
                # nothing was learned: what checking X has set goes back as well
                self.__dict__.clear()
                self.__dict__.update(before)
            raise
        return self

    def fit_transform(
        self,
        X: MatrixLike,
        y: object = None,
        *,
        image_features: MatrixLike | None = None,
        **fit_params: Any,
    ) -> Floats:
        """Fit, and return what `transform` gives for the same images.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_labels)
            The labels of the images (values > 0).
        y : None
            Ignored.
        image_features : sparse matrix or array-like of shape (n_images, n_features), optional
            Features of each image.
        **fit_params
            What `fit` takes beside that.

        Returns
        -------
        ndarray of shape (n_images, factors + use_bias)
            Factors of the images.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model.fit_transform(load_emoji().matrix).shape
        (1881, 9)
        """
        if image_features is not None:
            fit_params["image_features"] = image_features
        return self.fit(X, y, **fit_params).transform(X, image_features=image_features)

    def transform(self, X: MatrixLike, *, image_features: MatrixLike | None = None) -> Floats:
        """Compute the factors of images from their labels, with the factors of labels fixed.

        Where the loss is logistic and the selection not the violator: Newton's step on the loss
        as it would be if negatives were normal around their mean, and three steps on the loss that
        the training expects, of every label against 32 to 256 negatives that the sampler draws for
        the image as it is then; those count as often as the selection would choose them. The result
        is the mean after the last two.
        For other losses, values and cosines: about 96 of the training's own steps, in 8 passes over
        the labels at least, smaller for images of more than 32 labels, and the mean after each pass
        of the later half.
        The random numbers are keyed by the labels of the image, so the result for an image depends
        on them and on nothing else: not on its row number, the other rows or the number of threads.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_labels)
            The labels of the images (values > 0). They need not be images of `fit`.
        image_features : sparse matrix or array-like of shape (n_images, n_features), optional
            Their features, which a model that was fitted with features needs. An image starts from
            what these say, and the fewer labels it has the less it leaves that.

        Returns
        -------
        ndarray of shape (n_images, factors + use_bias)
            Factors, of the type `dtype`. Those of images without a label are zero, but for the 1
            of the bias, so that labels rank by their biases, and what its features say.

        Raises
        ------
        ValueError
            `X` is not a 2-d matrix of finite values >= 0 with n_labels columns, or `image_features`
            are missing or of another shape.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> matrix = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(matrix[100:], show_progress=False)
        >>> new = model.transform(matrix[:100])
        >>> new.shape, bool((new[:3] == model.transform(matrix[:3])).all())
        ((100, 9), True)
        """
        check_is_fitted(self)
        rows = _validation.check_new_rows(self, X)
        return self._fold_in_rows(
            rows, self._features_of(image_features, rows.shape[0], "transform")
        )

    def score(
        self,
        X: MatrixLike,
        y: MatrixLike | None = None,
        *,
        image_features: MatrixLike | None = None,
    ) -> float:
        """Measure how high held-out labels rank: NDCG@10 over all labels that an image lacks.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_labels)
            The labels that are known of the images (values > 0). Where this is the matrix of the
            fit, the learned factors are used, otherwise those of `transform`.
        y : sparse matrix or array-like of shape (n_images, n_labels), optional
            The labels held out of `X`. Without a matrix here, each image hides one label, chosen by
            a hash of its labels, and is folded in from the rest; images with fewer than
            two labels are left out.
        image_features : sparse matrix or array-like of shape (n_images, n_features), optional
            Features of the images in `X`, which a model that was fitted with features needs, unless
            `X` is the matrix of the fit.

        Returns
        -------
        float
            The mean over the images with a held-out label.

        Raises
        ------
        ValueError
            Shapes do not agree, or there is nothing to hold out.

        See Also
        --------
        vseens_rec.metrics.ranking_scorer : The same with other measures.

        Examples
        --------
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> from vseens_rec.model_selection import leave_one_out_split
        >>> train, held_out = leave_one_out_split(load_emoji().matrix, random_state=0)
        >>> model = VSEens(factors=8, iterations=10, random_state=0, num_threads=1)
        >>> model.fit(train, show_progress=False).score(train, held_out) > 0.05
        True
        """
        check_is_fitted(self)
        _validation.check_features(self, X)
        return held_out_metrics(self, X, y, ["ndcg@10"], image_features)["ndcg@10"]

    def factors_of(
        self,
        matrix: csr_matrix,
        rows: NDArray[np.integer[Any]],
        image_features: MatrixLike | None = None,
    ) -> Floats:
        """Return the factors of some rows of a matrix: learned, if the fit was on these pairs.

        `score` and `vseens_rec.metrics.ranking_scorer` ask this of a model.

        Parameters
        ----------
        matrix : csr_matrix of shape (n_images, n_labels)
            Canonical: sorted, without duplicates, every stored value > 0.
        rows : ndarray of int
            Rows whose factors are wanted.
        image_features : sparse matrix or array-like of shape (n_images, n_features), optional
            Features of the images of the matrix.

        Returns
        -------
        ndarray of shape (len(rows), factors + use_bias)
            The learned factors, or those of `transform` for a matrix with other pairs. The values
            are not compared, as a model does not keep them.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> factors = model.factors_of(X, np.array([3, 5]))
        >>> bool((factors == model.user_factors[[3, 5]]).all())
        True
        """
        features = None
        if image_features is not None:
            features = self._features_of(image_features, matrix.shape[0], "score")
        pairs: StoredPairs | None = self.__dict__.get("_pairs")
        if pairs is not None and matrix.shape[0] == len(self.user_factors) == len(pairs):
            indptr, indices = pairs.arrays()
            if np.array_equal(matrix.indptr, indptr) and np.array_equal(matrix.indices, indices):
                learned: Floats = self.user_factors[rows]
                return learned
        if features is None:
            # there are none, or they are missing
            features = self._features_of(None, matrix.shape[0], "score")
        return self._fold_in_rows(matrix[rows], None if features is None else features.rows(rows))

    def scores_of(
        self,
        matrix: csr_matrix,
        rows: NDArray[np.integer[Any]] | None = None,
        image_features: MatrixLike | None = None,
    ) -> NDArray[np.float32]:
        """Score all labels for images, by factors and by the labels that they have.

        Parameters
        ----------
        matrix : csr_matrix of shape (n, n_labels)
            Canonical: the labels of each image.
        rows : ndarray of int of shape (n,), optional
            Images whose learned factors are used; otherwise factors are folded in.
        image_features : sparse matrix or array-like of shape (n, n_features), optional
            Features of the images, where factors are folded in.

        Returns
        -------
        ndarray of float32 of shape (n, n_labels)
            Scores of all labels, those the image has included.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model.fit(X, show_progress=False).scores_of(X[:5], np.arange(5)).shape
        (5, 1151)
        """
        check_is_fitted(self)
        if rows is not None:
            return self._sums(self.user_factors[rows], matrix)
        features = self._features_of(image_features, matrix.shape[0], "scores_of")
        return self._sums(self._fold_in_rows(matrix, features), matrix)

    @property
    def _n_features_out(self) -> int:
        columns: int = self.item_factors.shape[1]
        return columns

    def save(self, file: PathLike | BinaryFile, *, fitted_matrix: bool = True) -> None:
        """Save the model in a file that `load` reads, replacing it only when it is whole.

        Parameters
        ----------
        file : str, path-like or binary file object
            A name without the suffix ``.npz`` gets it.
        fitted_matrix : bool, default=True
            Keep which labels every image has. Without, `recommend` needs ``user_items``, and
            labels cannot be folded in.

        Examples
        --------
        >>> import io
        >>> from vseens_rec import VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> X = load_emoji().matrix
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> model = model.fit(X, show_progress=False)
        >>> file = io.BytesIO()
        >>> model.save(file)
        >>> bool((VSEens.load(file).item_factors == model.item_factors).all())
        True
        """
        models.write(self._state(fitted_matrix), file, self._extras)

    @classmethod
    def load(cls, fileobj_or_path: PathLike | BinaryFile, *, mmap_mode: MmapMode = None) -> "Self":
        """Load a model that `save` wrote. No code from the file is run.

        Parameters
        ----------
        fileobj_or_path : str, path-like or binary file object
            The file; a name without the suffix ``.npz`` gets it.
        mmap_mode : {"c"} or None, default=None
            Map the arrays into memory in place of reading them, so that processes which load the
            same file share it; changes stay in the process. Needs a path, and the file must
            stay.

        Returns
        -------
        VSEens
            A model that gives the same recommendations.

        Raises
        ------
        ValueError
            The file is not one that `save` wrote for this class, or is damaged.
        FileNotFoundError
            There is no such file.

        Examples
        --------
        >>> import os, tempfile
        >>> from vseens_rec import VSEens
        >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
        >>> VSEens(factors=8).save(path)
        >>> VSEens.load(path)
        VSEens(factors=8)
        """
        return cls._of(models.read(cls.__name__, fileobj_or_path, mmap_mode, cls._extras))

    def _state(self, fitted_matrix: bool = True) -> ModelState:
        """Return all that a file holds."""
        attributes = vars(self)
        learned = {"user_factors": self.user_factors, "item_factors": self.item_factors}
        if fitted_matrix and "_pairs" in attributes:
            learned["liked_indptr"], learned["liked_indices"] = self._pairs.arrays()
        if self._item_item is not None:
            learned |= self._item_item.arrays()
        learned |= {name: attributes[name] for name in self._extras.arrays if name in attributes}
        if self._feature_map is not None:
            learned["feature_factors"] = self._feature_map.weights
            learned["feature_squares"] = self._feature_map.squares
        arrays = {name: np.asarray(array) for name, array in learned.items() if array is not None}
        self._check_files_columns(arrays, "the model")
        values = {**models.VALUES, **self._extras.values}
        return ModelState(
            type(self).__name__,
            self.get_params(deep=False),
            {name: attributes[name] for name in values if name in attributes},
            frames.fitted_columns(self),
            arrays,
            None if self._feature_map is None else self._feature_map.names,
        )

    @classmethod
    def _of(cls, state: ModelState) -> "Self":
        """Make the model of a file."""
        try:
            return cls._restored(state)
        except (TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"the header of the file is damaged: {error}") from error

    @classmethod
    def _restored(cls, state: ModelState) -> "Self":
        unknown = set(state.parameters) - set(cls._get_param_names())
        if unknown:
            raise ValueError(
                f"the file has parameters that {cls.__name__} lacks: {sorted(unknown)}"
            )
        model = cls(**state.parameters)
        model.__dict__.update(state.values)
        model._check_files_columns(state.arrays, "the file")
        for name in ("user_factors", "item_factors"):
            if name in state.arrays:
                setattr(model, f"_{name}", state.arrays[name])
        item_item = ItemItemWeights.of_arrays(state.arrays)
        if item_item is not None:
            model._item_item = item_item
        model.__dict__.update(
            {name: state.arrays[name] for name in cls._extras.arrays if name in state.arrays}
        )
        if "feature_factors" in state.arrays:
            model._feature_map = FittedMap(
                state.arrays["feature_factors"],
                state.arrays["feature_squares"],
                state.feature_names,
            )
        if "liked_indptr" in state.arrays:
            model._pairs = StoredPairs(state.arrays["liked_indptr"], state.arrays["liked_indices"])
        if state.columns is not None:
            if all(isinstance(name, str) for name in state.columns):
                model.feature_names_in_ = np.array(state.columns, dtype=object)
            frames.remember_columns(model, state.columns)
        return model

    def _check_files_columns(self, arrays: Arrays, owner: str) -> None:
        items = arrays.get("item_factors")
        expected = self._expected_columns()
        if items is not None and len(items) and items.shape[1] != expected:
            raise ValueError(
                f"{owner} has factors of {items.shape[1]} columns, but its parameters make "
                f"{expected}"
            )
