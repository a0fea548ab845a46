"""Recommendation by the caller's own ids and names in place of numbers."""

from collections.abc import Hashable, Iterable
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, get_args
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, issparse

from . import _validation, frames
from ._typing import BinaryFile, MatrixLike, PathLike
from .datasets import Annotations
from .estimator import LinearRecommender
from .files import archive, models
from .files.archive import Header, MmapMode
from .names import Names, Policy, from_json, list_of
from .serving import LOWEST
from .updates import StoredPairs

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["NamedModel", "NamedRanking"]

NameList: TypeAlias = Iterable[Hashable]
# one, or several
Request: TypeAlias = Hashable | Iterable[Hashable]
# of one image, or of several
Sessions: TypeAlias = Iterable[Hashable] | Iterable[Iterable[Hashable]]
# of the files, whose names are JSON in bytes
VERSION = 1
KINDS: archive.Kinds = {
    **models.ARRAYS,
    "image_ids": (1, (np.uint8,)),
    "labels": (1, (np.uint8,)),
}
# what a model was last named by, for as long as it has the factors of then
_known_names: "WeakKeyDictionary[Any, tuple[Names, Names, Any]]" = WeakKeyDictionary()


class _Lists(NamedTuple):
    names: NDArray[Any]
    scores: NDArray[np.float32]


class NamedRanking(_Lists):
    """Names and their scores, the pair that `NamedModel` returns.

    Parameters
    ----------
    names : ndarray of shape (N,) or (n, N)
        The best first; None where there are no more.
    scores : ndarray of float32 of the same shape
        Their scores; -inf where the name is None.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec import NamedModel, Popularity
    >>> named = NamedModel(Popularity(), ["a.jpg", "b.jpg"], ["sky", "sea"])
    >>> named = named.fit(np.array([[1, 0], [1, 1]]), show_progress=False)
    >>> labels, scores = named.recommend("a.jpg", N=1)
    >>> labels.tolist(), scores.tolist()
    (['sea'], [1.0])
    """

    _asked: tuple[str, str, Any]

    @classmethod
    def _of(
        cls,
        names: NDArray[Any],
        scores: NDArray[np.float32],
        column: str,
        found_column: str,
        asked: Any,
    ) -> "Self":
        ranking = cls(names, scores)
        ranking._asked = (column, found_column, asked)
        return ranking

    def to_frame(self) -> Any:
        """Return a data frame with a row for every name that was found; needs pandas.

        Returns
        -------
        pandas.DataFrame
            Columns: what was asked for (``image``, ``session`` or ``label``), ``rank`` from 1, what
            was found (``label``, ``similar_label`` or ``similar_image``), and ``score``.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import NamedModel, Popularity
        >>> named = NamedModel(Popularity(), ["a.jpg", "b.jpg"], ["sky", "sea"])
        >>> named = named.fit(np.array([[1, 0], [1, 1]]), show_progress=False)
        >>> named.recommend(["a.jpg", "b.jpg"], N=1).to_frame()  # doctest: +SKIP
           image  rank label  score
        0  a.jpg     1   sea    1.0
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "to_frame needs pandas: pip install pandas, or take names and scores as they are"
            ) from error
        column, found_column, asked = self._asked
        names, scores = np.atleast_2d(self.names), np.atleast_2d(self.scores)
        row, place = np.nonzero(np.isfinite(scores))
        return pd.DataFrame(
            {
                column: [asked[i] for i in row],
                "rank": place + 1,
                found_column: names[row, place],
                "score": scores[row, place],
            }
        )


class NamedModel:
    r"""A model that is asked by ids of images and answers with names of labels.

    Parameters
    ----------
    model : VSEens
        Any model of this package, or of implicit, fitted or not.
    image_ids : iterable of hashable
        The id of every row of the matrix: text, numbers, dates, tuples of these.
    labels : iterable of hashable
        The name of every column.
    unknown : {"error", "skip", "popular"}, default="error"
        What becomes of a request for a name that the model does not have. ``"error"``: `KeyError`.
        ``"skip"``: a list without an answer, all None, and the others get theirs; unknown labels of
        `recommend_from`, of filters and of choices are left out. ``"popular"``: as ``"skip"``, but
        who is unknown gets the labels that most images have, with their number as scores. Each
        method takes it too.
    compare_as_text : bool, default=False
        Let ``"7"`` and 7 be the same name. Otherwise text and numbers are never the same.

    Attributes
    ----------
    model : VSEens
        What numbers are asked of.
    image_ids, labels : ndarray
        As they were given.

    Raises
    ------
    ValueError
        An id or a name comes twice or is None or not a number, or there are not as many as the
        model has, or not those of the frame that it was fitted on.

    Examples
    --------
    >>> from vseens_rec import NamedModel, VSEens
    >>> from vseens_rec.datasets import load_emoji
    >>> emoji = load_emoji()
    >>> named = NamedModel(VSEens(factors=16, random_state=0), emoji.images, emoji.labels)
    >>> labels, scores = named.fit(emoji.matrix, show_progress=False).recommend("\U0001f600", N=3)
    >>> len(labels), labels.dtype == named.labels.dtype
    (3, True)
    """

    def __init__(
        self,
        model: Any,
        image_ids: NameList,
        labels: NameList,
        *,
        unknown: Policy = "error",
        compare_as_text: bool = False,
    ):
        self._set(model, image_ids, labels, unknown, compare_as_text)
        if getattr(model, "user_factors", None) is not None:
            self._check_sizes((len(model.user_factors), len(model.item_factors)), "the model")
            fitted = frames.fitted_columns(model)
            if fitted is not None and not self._labels.are(fitted):
                raise ValueError(
                    "labels are not the columns that the model was fitted on, in their order: pass "
                    "labels=model.feature_names_in_"
                )
            self._register()

    def _set(
        self,
        model: Any,
        image_ids: NameList,
        labels: NameList,
        unknown: Policy,
        compare_as_text: bool,
    ) -> None:
        self.model = model
        self.unknown = _policy(unknown, "error")
        self.compare_as_text = bool(compare_as_text)
        self._images = Names(image_ids, "image_ids", "image", self.compare_as_text)
        self._labels = Names(labels, "labels", "label", self.compare_as_text)
        # what models of implicit were fitted on, who do not remember it
        self._matrix: csr_matrix | None = None

    @property
    def image_ids(self) -> NDArray[Any]:
        """The id of every row."""
        return self._images.array

    @property
    def labels(self) -> NDArray[Any]:
        """The name of every column."""
        return self._labels.array

    def _register(self) -> None:
        """Keep in mind what the rows and columns of the model are called."""
        factors = getattr(self.model, "item_factors", None)
        if factors is not None:
            _known_names[self.model] = (self._images, self._labels, ref(factors))

    @classmethod
    def of(
        cls,
        model: Any,
        annotations: Any,
        *,
        unknown: Policy | None = None,
        compare_as_text: bool | None = None,
        **arguments: Any,
    ) -> "Self":
        r"""Fit a model to what a reader returned, or let it train on with what has come since.

        With ``warm_start`` and a model that was fitted by this class, rows and columns are brought
        into the order of the model by their names, new ones last: the new set may have more images
        and labels, in any order.

        Parameters
        ----------
        model : VSEens or NamedModel
            Of this package or of implicit, or one with its names.
        annotations : Annotations or DataFrame
            Matrix and names; or a frame with a row for every image and a column for every label.
        unknown : {"error", "skip", "popular"}, optional
            Of the `NamedModel`; default: that of `model` if it is one, else ``"error"``.
        compare_as_text : bool, optional
            Of the `NamedModel`; default: that of `model` if it is one, else False.
        **arguments
            Of the model's ``fit``.

        Returns
        -------
        NamedModel
            With the fitted model and the names of the annotations.

        Raises
        ------
        ValueError
            The model is to train on, and the annotations lack images or labels that it has.

        Examples
        --------
        >>> import numpy as np
        >>> from scipy.sparse import csr_matrix
        >>> from vseens_rec import NamedModel, VSEens
        >>> from vseens_rec.datasets import Annotations
        >>> first = Annotations(csr_matrix([[1, 0], [1, 1]]), ["a.jpg", "b.jpg"], ["sky", "sea"])
        >>> model = VSEens(factors=2, iterations=1, warm_start=True, random_state=0)
        >>> named = NamedModel.of(model, first, show_progress=False)
        >>> grown = Annotations(
        ...     csr_matrix([[1, 0, 0], [0, 1, 1], [1, 1, 0]]),
        ...     ["c.jpg", "a.jpg", "b.jpg"], ["sea", "sky", "sun"])
        >>> named = NamedModel.of(named, grown, show_progress=False)
        >>> named.image_ids.tolist(), named.labels.tolist()
        (['a.jpg', 'b.jpg', 'c.jpg'], ['sky', 'sea', 'sun'])
        """
        known = None
        if isinstance(model, NamedModel):
            unknown = model.unknown if unknown is None else unknown
            if compare_as_text is None:
                compare_as_text = model.compare_as_text
            known, model = (model._images, model._labels), model.model
        annotations = _annotations(annotations)
        named = cls.__new__(cls)
        named._set(
            model,
            annotations.image_ids,
            annotations.labels,
            unknown or "error",
            bool(compare_as_text),
        )
        named._check_sizes(annotations.matrix.shape, "X")
        matrix = annotations.matrix
        if getattr(model, "warm_start", False) and getattr(model, "user_factors", None) is not None:
            matrix = named._after(known or _names_of(model), matrix)
        return named._fit(matrix, **arguments)

    def _after(self, known: tuple[Names, Names] | None, matrix: Any) -> Any:
        """Bring a matrix and the names into the order of a model that is to train on."""
        if known is None:
            # rows and columns are taken as they come, as in fit
            return matrix
        rows, images = self._images.after(known[0])
        columns, labels = self._labels.after(known[1])
        self._images, self._labels = images, labels
        given = coo_matrix(matrix)
        return csr_matrix(
            (given.data, (rows[given.row], columns[given.col])), shape=(len(images), len(labels))
        )

    def __copy__(self) -> "Self":
        # so that a copy can grow while the original answers
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied.model = copy(self.model)
        copied._register()
        return copied

    def __repr__(self) -> str:
        return (
            f"NamedModel({self.model!r}, {len(self.image_ids)} images, {len(self.labels)} labels)"
        )

    def fit(self, X: Any, *args: Any, **arguments: Any) -> "Self":
        """Fit the model to a matrix whose rows and columns are those named.

        Parameters
        ----------
        X : sparse matrix or DataFrame of shape (n_images, n_labels)
            Row i is the image ``image_ids[i]``, column j the label ``labels[j]``; a frame that
            names them otherwise is refused.
        *args, **arguments
            Of the model's ``fit``.

        Returns
        -------
        NamedModel
            Itself, with the model fitted.

        Raises
        ------
        ValueError
            The shape of `X` is not that of the names, or the model's ``fit`` refuses it.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import NamedModel, Popularity
        >>> named = NamedModel(Popularity(), ["a.jpg", "b.jpg"], ["sky", "sea"])
        >>> named.fit(np.array([[1, 0], [1, 1]]), show_progress=False)
        NamedModel(Popularity(), 2 images, 2 labels)
        """
        frames.check_wide(X, "X")
        self._check_sizes(np.shape(X), "X")
        self.check_frame(X, "X", rows_too=True)
        return self._fit(X, *args, **arguments)

    def _fit(self, X: Any, *args: Any, **arguments: Any) -> "Self":
        self.model.fit(X, *args, **arguments)
        self._matrix = None if isinstance(self.model, LinearRecommender) else csr_matrix(X)
        self._register()
        return self

    def transform(self, X: MatrixLike) -> NDArray[np.floating[Any]]:
        """Compute the factors of images from their labels, by the model's ``transform``.

        Parameters
        ----------
        X : sparse matrix or DataFrame of shape (n, n_labels)
            The columns of a frame have to be `labels`, in their order.

        Returns
        -------
        ndarray of shape (n, n_factors)
            As from the model.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import NamedModel, Popularity
        >>> named = NamedModel(Popularity(), ["a.jpg", "b.jpg"], ["sky", "sea"])
        >>> named = named.fit(np.array([[1, 0], [1, 1]]), show_progress=False)
        >>> named.transform(np.array([[0, 1]]))
        array([[1.]], dtype=float32)
        """
        self.check_frame(X, "X")
        factors: NDArray[np.floating[Any]] = self.model.transform(X)
        return factors

    def score(self, X: MatrixLike, y: MatrixLike | None = None) -> float:
        """Measure how high held-out labels rank, by the model's ``score``.

        Parameters
        ----------
        X : sparse matrix or DataFrame of shape (n, n_labels)
            What is known of the images.
        y : sparse matrix or DataFrame of shape (n, n_labels), optional
            What was held out of it.

        Returns
        -------
        float
            NDCG@10.

        Examples
        --------
        >>> from vseens_rec import NamedModel, VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> emoji = load_emoji()
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> named = NamedModel(model, emoji.images, emoji.labels)
        >>> 0 < named.fit(emoji.matrix, show_progress=False).score(emoji.matrix) < 1
        True
        """
        self.check_frame(X, "X")
        self.check_frame(y, "y")
        score: float = self.model.score(X, y)
        return score

    def recommend(
        self,
        image: Request,
        N: int = 10,
        *,
        filter_labels: NameList = (),
        labels: NameList | None = None,
        unknown: Policy | None = None,
        **arguments: Any,
    ) -> NamedRanking:
        """Recommend labels for one image or for several.

        Parameters
        ----------
        image : hashable, or list, array or Series of them
            An id, or several.
        N : int, default=10
            Length of the lists.
        filter_labels : iterable of hashable, default=()
            Names to leave out.
        labels : iterable of hashable, optional
            Rank these only.
        unknown : {"error", "skip", "popular"}, optional
            What becomes of names that the model does not have; default: as the `NamedModel` says.
        **arguments
            Of the model's ``recommend``.

        Returns
        -------
        labels, scores : ndarray of shape (N,) or (n, N)
            Names and scores; None and -inf where there are no more. With `labels` no more columns
            than these. The pair has a method ``to_frame``.

        Raises
        ------
        KeyError
            An id or a name is not known.
        TypeError
            `filter_labels` or `labels` is no list.
        ValueError
            `labels` is empty, has a name twice or is given with `filter_labels`.

        Examples
        --------
        >>> from vseens_rec import NamedModel, VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> emoji = load_emoji()
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> named = NamedModel(model, emoji.images, emoji.labels)
        >>> named = named.fit(emoji.matrix, show_progress=False)
        >>> labels, scores = named.recommend(emoji.images[:2], N=3, filter_labels=["face"])
        >>> labels.shape, bool((labels == "face").any())
        ((2, 3), False)

        One that is not known gets popular labels, or none, in place of an error for all:

        >>> labels, scores = named.recommend([emoji.images[0], "sphinx"], N=3, unknown="skip")
        >>> labels[1].tolist()
        [None, None, None]
        """
        policy = _policy(unknown, self.unknown)
        asked, numbers, single = self._images.asked(image, policy)
        arguments |= self._lists(
            policy, ("filter_labels", "filter_items", filter_labels), ("labels", "items", labels)
        )
        known = numbers >= 0
        self._check_columns(arguments.get("user_items"), "user_items", self._labels)
        if "user_items" not in arguments:
            if self._matrix is not None:
                arguments["user_items"] = self._matrix[numbers[known]]
        elif not known.all():
            arguments["user_items"] = _rows(arguments["user_items"], known)
        found, scores = self._answers(
            "recommend", numbers[known], known, N, single and bool(known.all()), arguments, policy
        )
        return self._named(found, scores, single, self._labels, ("image", "label", asked))

    def recommend_from(
        self,
        known: Sessions,
        N: int = 10,
        *,
        filter_labels: NameList = (),
        labels: NameList | None = None,
        unknown: Policy | None = None,
        **arguments: Any,
    ) -> NamedRanking:
        """Recommend for an image that is not known from the labels it has, or for several.

        Parameters
        ----------
        known : iterable of hashable, or of lists of them
            Names of its labels, which are not recommended; or a list of them for each image.
        N : int, default=10
            Length of the lists.
        filter_labels : iterable of hashable, default=()
            More names to leave out.
        labels : iterable of hashable, optional
            Rank these only.
        unknown : {"error", "skip", "popular"}, optional
            What becomes of names that the model does not have; default: as the `NamedModel` says.
        **arguments
            Of the model's ``recommend``.

        Returns
        -------
        labels, scores : ndarray of shape (N,) or (n, N)
            Names and scores; None and -inf where there are no more. The pair has a method
            ``to_frame``.

        Raises
        ------
        KeyError
            A name is not known.
        TypeError
            `known` is one string, which is never read as letters, or no list.

        Examples
        --------
        >>> from vseens_rec import NamedModel, VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> emoji = load_emoji()
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> named = NamedModel(model, emoji.images, emoji.labels)
        >>> named = named.fit(emoji.matrix, show_progress=False)
        >>> labels, scores = named.recommend_from(["cat", "smile"], N=3)
        >>> labels.shape, "cat" in labels or "smile" in labels
        ((3,), False)
        >>> labels, scores = named.recommend_from([["cat", "smile"], ["dog"]], N=3)
        >>> labels.shape
        (2, 3)
        """
        policy = _policy(unknown, self.unknown)
        sessions, single = self._sessions(known, "known", self._labels)
        rows, answerable = self._labels.rows(sessions, policy)
        arguments |= self._lists(
            policy, ("filter_labels", "filter_items", filter_labels), ("labels", "items", labels)
        )
        arguments |= {"user_items": rows[answerable], "recalculate_user": True}
        found, scores = self._answers(
            "recommend",
            np.arange(int(answerable.sum())),
            answerable,
            N,
            False,
            arguments,
            policy,
        )
        asked = np.arange(len(sessions))
        return self._named(found, scores, single, self._labels, ("session", "label", asked))

    def similar_labels(
        self,
        label: Request,
        N: int = 10,
        *,
        filter_labels: NameList = (),
        labels: NameList | None = None,
        unknown: Policy | None = None,
        **arguments: Any,
    ) -> NamedRanking:
        """Find the labels that are most like a label, or each of several.

        Parameters
        ----------
        label : hashable, or list, array or Series of them
            A name, or several.
        N : int, default=10
            Length of the lists.
        filter_labels : iterable of hashable, default=()
            Names to leave out.
        labels : iterable of hashable, optional
            Compare with these only.
        unknown : {"error", "skip"}, optional
            What becomes of names that the model does not have; default: as the `NamedModel` says.
        **arguments
            Of the model's ``similar_items``.

        Returns
        -------
        labels, scores : ndarray of shape (N,) or (n, N)
            Names, the label itself first, and cosines; None and -inf where there are no more. The
            pair has a method ``to_frame``.

        Raises
        ------
        KeyError
            A name is not known.

        Examples
        --------
        >>> from vseens_rec import NamedModel, VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> emoji = load_emoji()
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> named = NamedModel(model, emoji.images, emoji.labels)
        >>> named = named.fit(emoji.matrix, show_progress=False)
        >>> labels, cosines = named.similar_labels("cat", N=3, filter_labels=["face"])
        >>> str(labels[0]), cosines.shape
        ('cat', (3,))
        """
        return self._similar(
            "similar_items",
            self._labels,
            label,
            N,
            unknown,
            (("filter_labels", "filter_items", filter_labels), ("labels", "items", labels)),
            arguments,
        )

    def similar_images(
        self,
        image: Request,
        N: int = 10,
        *,
        filter_images: NameList = (),
        images: NameList | None = None,
        unknown: Policy | None = None,
        **arguments: Any,
    ) -> NamedRanking:
        """Find the images that are most like an image, or each of several.

        Parameters
        ----------
        image : hashable, or list, array or Series of them
            An id, or several.
        N : int, default=10
            Length of the lists.
        filter_images : iterable of hashable, default=()
            Ids to leave out.
        images : iterable of hashable, optional
            Compare with these only.
        unknown : {"error", "skip"}, optional
            What becomes of ids that the model does not have; default: as the `NamedModel` says.
        **arguments
            Of the model's ``similar_users``.

        Returns
        -------
        image_ids, scores : ndarray of shape (N,) or (n, N)
            Ids, the image itself first, and cosines; None and -inf where there are no more. The
            pair has a method ``to_frame``.

        Raises
        ------
        KeyError
            An id is not known.

        Examples
        --------
        >>> from vseens_rec import NamedModel, VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> emoji = load_emoji()
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> named = NamedModel(model, emoji.images, emoji.labels)
        >>> named = named.fit(emoji.matrix, show_progress=False)
        >>> images, cosines = named.similar_images(emoji.images[25], N=3)
        >>> bool(images[0] == emoji.images[25]), cosines.shape
        (True, (3,))
        """
        return self._similar(
            "similar_users",
            self._images,
            image,
            N,
            unknown,
            (("filter_images", "filter_users", filter_images), ("images", "users", images)),
            arguments,
        )

    def partial_fit_users(
        self, image: Request, known: Sessions | MatrixLike, *, unknown: Policy | None = None
    ) -> None:
        """Set the factors of images by the model's ``partial_fit_users``; new ids are added.

        Parameters
        ----------
        image : hashable, or list, array or Series of them
            An id, or several, of images there are or new ones.
        known : iterable of hashable, of lists of them, or sparse matrix
            All labels of the image, by name; a list of them for each of several; or rows with a
            column for every label.
        unknown : {"error", "skip"}, optional
            What becomes of labels that the model does not have; default: as the `NamedModel` says.

        Raises
        ------
        KeyError
            A label is not known.

        Examples
        --------
        >>> from vseens_rec import NamedModel, VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> emoji = load_emoji()
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> named = NamedModel(model, emoji.images, emoji.labels)
        >>> named = named.fit(emoji.matrix, show_progress=False)
        >>> named.partial_fit_users("mine", ["cat", "smile"])
        >>> labels, scores = named.recommend("mine", N=3)
        >>> str(named.image_ids[-1]), "cat" in labels
        ('mine', False)
        """
        ids, numbers, grown = self._extended(image, self._images)
        rows = self._given_rows(known, ids, image, "known", self._labels, unknown)
        self.model.partial_fit_users(numbers, rows)
        if self._matrix is not None:
            pairs = StoredPairs.of(self._matrix).with_rows(numbers, csr_matrix(rows))
            self._matrix = _as_matrix(pairs, self._matrix.shape[1])
        self._images = grown
        self._register()

    def partial_fit_items(
        self, label: Request, images: Sessions | MatrixLike, *, unknown: Policy | None = None
    ) -> None:
        """Set the factors of labels by the model's ``partial_fit_items``; new names are added.

        Parameters
        ----------
        label : hashable, or list, array or Series of them
            A name, or several, of labels there are or new ones.
        images : iterable of hashable, of lists of them, or sparse matrix
            All images that have the label, by id; a list of them for each of several; or rows with
            a column for every image.
        unknown : {"error", "skip"}, optional
            What becomes of images that the model does not have; default: as the `NamedModel` says.

        Raises
        ------
        KeyError
            An image is not known.

        Examples
        --------
        >>> from vseens_rec import NamedModel, VSEens
        >>> from vseens_rec.datasets import load_emoji
        >>> emoji = load_emoji()
        >>> model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
        >>> named = NamedModel(model, emoji.images, emoji.labels)
        >>> named = named.fit(emoji.matrix, show_progress=False)
        >>> named.partial_fit_items("favourite", emoji.images[[3, 20, 25]])
        >>> str(named.labels[-1]), named.model.item_factors.shape
        ('favourite', (1152, 9))
        """
        ids, numbers, grown = self._extended(label, self._labels)
        rows = self._given_rows(images, ids, label, "images", self._images, unknown)
        self.model.partial_fit_items(numbers, rows)
        if self._matrix is not None:
            n_labels = self._matrix.shape[1]
            pairs = StoredPairs.of(self._matrix).with_columns(numbers, csr_matrix(rows), n_labels)
            self._matrix = _as_matrix(pairs, max(n_labels, int(numbers.max(initial=-1)) + 1))
        self._labels = grown
        self._register()

    def save(self, file: PathLike | BinaryFile, *, fitted_matrix: bool = True) -> None:
        """Save the model and its names in one file that `load` reads.

        Parameters
        ----------
        file : str, path-like or binary file object
            A name without the suffix ``.npz`` gets it.
        fitted_matrix : bool, default=True
            Keep which labels every image has, as in `VSEens.save`.

        Raises
        ------
        TypeError
            The model is not of this package, or a name is neither text, a number, a date nor a
            tuple of these.

        Examples
        --------
        >>> import io
        >>> import numpy as np
        >>> from vseens_rec import NamedModel, Popularity
        >>> named = NamedModel(Popularity(), ["a.jpg", "b.jpg"], ["sky", "sea"])
        >>> named = named.fit(np.array([[1, 0], [1, 1]]), show_progress=False)
        >>> file = io.BytesIO()
        >>> named.save(file)
        >>> NamedModel.load(file).recommend("a.jpg", N=1).names.tolist()
        ['sea']
        """
        if not isinstance(self.model, LinearRecommender):
            raise TypeError(
                f"NamedModel.save takes models of vseens_rec, this one is of "
                f"{type(self.model).__name__}: pickle it, or save the model and the names apart"
            )
        header, arrays = models.described(self.model._state(fitted_matrix))
        kinds = {}
        for argument, names in (("image_ids", self._images), ("labels", self._labels)):
            text, kinds[argument] = names.to_json()
            arrays[argument] = np.frombuffer(text.encode(), np.uint8)
        archive.write(
            file,
            {
                "format": models.NAMED_FORMAT,
                "version": VERSION,
                "model": header,
                "kinds": kinds,
                "unknown": self.unknown,
                "compare_as_text": self.compare_as_text,
            },
            arrays,
        )

    @classmethod
    def load(
        cls,
        file: PathLike | BinaryFile,
        *,
        model_class: type[LinearRecommender] | None = None,
        mmap_mode: MmapMode = None,
    ) -> "Self":
        """Load a model and its names that `save` wrote. No code from the file is run.

        Parameters
        ----------
        file : str, path-like or binary file object
            The file; a name without the suffix ``.npz`` gets it.
        model_class : type, optional
            The class of the model; needed only where it is not one that is imported.
        mmap_mode : {"c"} or None, default=None
            As in `VSEens.load`.

        Returns
        -------
        NamedModel
            One that gives the same answers.

        Raises
        ------
        ValueError
            The file is not one that `save` wrote, or is damaged.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np
        >>> from vseens_rec import NamedModel, Popularity
        >>> named = NamedModel(Popularity(), ["a.jpg", "b.jpg"], ["sky", "sea"])
        >>> named = named.fit(np.array([[1, 0], [1, 1]]), show_progress=False)
        >>> path = os.path.join(tempfile.mkdtemp(), "named.npz")
        >>> named.save(path)
        >>> NamedModel.load(path)
        NamedModel(Popularity(), 2 images, 2 labels)
        """

        def check(header: Header) -> None:
            if header.get("format") == models.FORMAT:
                raise ValueError(
                    f"the file holds a {header.get('class')} without names: load it with "
                    f"{header.get('class')}.load"
                )
            if header.get("format") != models.NAMED_FORMAT:
                raise ValueError("this is not the file of a NamedModel of vseens_rec")
            if header.get("version") != VERSION or not isinstance(header.get("model"), dict):
                raise ValueError(
                    f"the file has version {header.get('version')!r} of the format, this release "
                    f"reads {VERSION}"
                )
            models.check_header(header["model"])

        header, arrays = archive.read(file, KINDS, check, mmap_mode)
        try:
            names = [
                from_json(arrays.pop(argument), header["kinds"][argument])
                for argument in ("image_ids", "labels")
            ]
            known_class = model_class or _class_named(header["model"]["class"])
            model = known_class._of(models.restored(header["model"], arrays))
            return cls(
                model,
                *names,
                unknown=header["unknown"],
                compare_as_text=header["compare_as_text"],
            )
        except (KeyError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(f"the file is damaged: {error}") from error

    def _answers(
        self,
        method: str,
        numbers: NDArray[np.int64],
        answered: NDArray[np.bool_],
        N: int,
        single: bool,
        arguments: dict[str, Any],
        policy: Policy,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ask the model for those that can be answered; return rows for all, -1 for nothing."""
        N = _validation.check_n(N)
        choices = arguments.get("items", arguments.get("users"))
        width = N if choices is None else min(N, len(choices))
        found = np.full((len(answered), width), -1, dtype=np.int64)
        scores = np.full(found.shape, -np.inf, dtype=np.float32)
        if len(numbers) and width:
            query = int(numbers[0]) if single else numbers
            given, values = getattr(self.model, method)(query, N=N, **arguments)
            given, values = np.atleast_2d(given), np.atleast_2d(values)
            # what the image has already stands at the end, with the lowest score there is
            left_out = (values <= LOWEST) | (given < 0)
            columns = min(width, given.shape[1])
            found[answered, :columns] = np.where(left_out, -1, given)[:, :columns]
            scores[answered, :columns] = np.where(left_out, -np.inf, values)[:, :columns]
        if policy == "popular" and method == "recommend" and not answered.all():
            popular, counts = self._popular(width, arguments)
            found[~answered, : len(popular)], scores[~answered, : len(popular)] = popular, counts
        return found, scores

    def _popular(
        self, N: int, arguments: dict[str, Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the labels that most images have, and how many those are."""
        matrix = (
            self.model._pattern() if isinstance(self.model, LinearRecommender) else self._matrix
        )
        if matrix is None:
            raise ValueError(
                "unknown='popular' needs to know how many images have each label, but the model "
                "was not fitted by this NamedModel: use 'skip'"
            )
        counts = np.bincount(matrix.indices[matrix.data > 0], minlength=len(self.labels))
        counts[arguments.get("filter_items", [])] = 0
        if "items" in arguments:
            counts[np.setdiff1d(np.arange(len(counts)), arguments["items"])] = 0
        first = np.argsort(-counts, kind="stable")[:N]
        first = first[counts[first] > 0]
        return first, counts[first]

    def _similar(
        self,
        method: str,
        names: Names,
        asked_for: Request,
        N: int,
        unknown: Policy | None,
        lists: tuple[tuple[str, str, Any], tuple[str, str, Any]],
        arguments: dict[str, Any],
    ) -> NamedRanking:
        policy = _policy(unknown, "skip" if self.unknown == "popular" else self.unknown)
        if policy == "popular":
            raise ValueError("unknown='popular' is of recommend: use 'error' or 'skip' here")
        asked, numbers, single = names.asked(asked_for, policy)
        self._check_columns(arguments.get("item_users"), "item_users", self._images)
        arguments |= self._lists(policy, *lists, names=names)
        known = numbers >= 0
        N = min(_validation.check_n(N), len(names))
        found, scores = self._answers(
            method, numbers[known], known, N, single and bool(known.all()), arguments, policy
        )
        return self._named(
            found, scores, single, names, (names.what, f"similar_{names.what}", asked)
        )

    def _lists(
        self,
        policy: Policy,
        filters: tuple[str, str, Any],
        choices: tuple[str, str, Any],
        names: Names | None = None,
    ) -> dict[str, Any]:
        """Return the numbers of names to leave out, or to choose among, as the model takes them."""
        names = self._labels if names is None else names
        arguments = {}
        argument, parameter, given = filters
        excluded = names.numbers_of(_for_all(list_of(given, argument), argument, names), policy)
        if len(excluded):
            arguments[parameter] = excluded
        argument, parameter, given = choices
        if given is not None:
            chosen = _for_all(list_of(given, argument), argument, names)
            if not chosen:
                raise ValueError(f"{argument} is empty: leave it out to rank all")
            if len(excluded):
                raise ValueError(f"give either {argument} or {filters[0]}, not both")
            arguments[parameter] = names.numbers_of(chosen, policy)
            repeated = [
                name
                for name, number in zip(chosen, arguments[parameter], strict=False)
                if (arguments[parameter] == number).sum() > 1
            ]
            if repeated:
                raise ValueError(f"{argument} has {repeated[0]!r} more than once")
        return arguments

    def _sessions(
        self, given: Any, argument: str, names: Names
    ) -> tuple[list[list[Hashable]], bool]:
        """Return lists of names, and whether there was one alone."""
        if frames.is_frame(given):
            raise TypeError(
                f"{argument} is a table: pass the list of names in one of its columns, such as "
                f"{argument}[{next(iter(given.columns))!r}]"
            )
        listed = list_of(given, argument)
        nested = [names.are_several(name) for name in listed]
        if not any(nested):
            return [listed], True
        if not all(nested):
            raise TypeError(
                f"{argument} mixes names and lists of names: {listed[nested.index(False)]!r} "
                "stands beside a list. Pass one list, or a list of lists"
            )
        return [list_of(session, argument) for session in listed], False

    def _extended(self, given: Request, names: Names) -> tuple[list[Any], NDArray[np.int64], Names]:
        """Return names, their numbers, new ones at the end, and all names with these."""
        several: Any = given
        ids = list(several) if names.are_several(given) else [given]
        self._check_sizes((len(self.model.user_factors), len(self.model.item_factors)), "the model")
        numbers = names.numbers_of(ids, "skip", keep=True)
        new = [name for name, number in zip(ids, numbers, strict=True) if number < 0]
        numbers[numbers < 0] = len(names) + np.arange(len(new))
        return ids, numbers, names.with_new(new)

    def _given_rows(
        self,
        given: Any,
        ids: list[Hashable],
        asked: Any,
        argument: str,
        names: Names,
        unknown: Policy | None,
    ) -> Any:
        """Return the rows for ids, from a matrix or from names."""
        if issparse(given) or frames.is_frame(given) or _is_numeric_matrix(given):
            self._check_columns(given, argument, names)
            return given
        policy = _policy(unknown, "skip" if self.unknown == "popular" else self.unknown)
        sessions, single = self._sessions(given, argument, names)
        if single and len(ids) > 1:
            raise ValueError(
                f"{argument} is one list of names for {len(ids)} ids: pass a list of lists"
            )
        if len(sessions) != len(ids):
            raise ValueError(f"{argument} has {len(sessions)} lists of names for {len(ids)} ids")
        return names.rows(sessions, policy)[0]

    def check_frame(self, X: Any, argument: str, *, rows_too: bool = False) -> None:
        """Check that a frame has the labels for columns, and the images for rows; pass others.

        Parameters
        ----------
        X : DataFrame or matrix
            What is checked if it is a frame.
        argument : str
            What it is called in the message.
        rows_too : bool, default=False
            Compare the index with `image_ids`.

        Raises
        ------
        ValueError
            Names are others, or in another order.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import NamedModel, Popularity
        >>> named = NamedModel(Popularity(), ["a.jpg", "b.jpg"], ["sky", "sea"])
        >>> named.check_frame(np.ones((2, 2)), "X")
        """
        self._check_columns(X, argument, self._labels)
        rows = frames.row_names(X) if rows_too else None
        if rows is not None and not self._images.are(rows):
            raise ValueError(
                f"the rows of {argument} are not image_ids, in their order: pass "
                f"{argument}.loc[named.image_ids], or NamedModel.of(model, {argument}), which "
                "takes the names from the frame"
            )

    @staticmethod
    def _check_columns(X: Any, argument: str, names: Names) -> None:
        columns = frames.column_names(X)
        if columns is not None and not names.are(columns):
            known = "named.labels" if names.what == "label" else "named.image_ids"
            raise ValueError(
                f"the columns of {argument} are not {names.argument}, in their order: pass "
                f"{argument}[{known}], or {argument}.reindex(columns={known}, fill_value=0)"
            )

    def _check_sizes(self, shape: tuple[int, ...], what: str) -> None:
        if tuple(shape) != (len(self.image_ids), len(self.labels)):
            size = f"{shape[0]} images and {shape[1]} labels" if len(shape) == 2 else f"{shape}"
            raise ValueError(
                f"{what} has {size}, but there are "
                f"{len(self.image_ids)} image_ids and {len(self.labels)} labels"
            )

    def _named(
        self,
        numbers: NDArray[np.int64],
        scores: NDArray[np.float32],
        single: bool,
        names: Names,
        columns: tuple[str, str, Any],
    ) -> NamedRanking:
        if numbers.max(initial=-1) >= len(names):
            raise ValueError(
                f"the model has grown beyond the {len(names)} {names.argument} of this NamedModel: "
                "add to both by its partial_fit_users and partial_fit_items"
            )
        found = names.array[np.maximum(numbers, 0)]
        missing = numbers < 0
        if missing.any():
            found = found.astype(object)
            found[missing] = None
        if single:
            found, scores = found[0], scores[0]
        return NamedRanking._of(found, scores, *columns)


def _policy(given: Any, otherwise: Policy) -> Policy:
    policy: Policy = otherwise if given is None else given
    if policy not in get_args(Policy):
        raise ValueError(f"unknown must be one of {', '.join(get_args(Policy))}, got {given!r}")
    return policy


def _for_all(listed: list[Any], argument: str, names: Names) -> list[Any]:
    """Check that a list of names does not hold one for each row of the answer."""
    lists = [name for name in listed if names.are_several(name)]
    if lists:
        raise TypeError(
            f"{argument} is one list of names for all rows of the answer, got a list of lists with "
            f"{lists[0]!r}: ask for each with its own, or leave them out of the result"
        )
    return listed


def _is_numeric_matrix(given: Any) -> bool:
    return isinstance(given, np.ndarray) and given.ndim == 2 and given.dtype.kind in "biuf"


def _rows(user_items: Any, kept: NDArray[np.bool_]) -> Any:
    """Return some rows of a matrix or a frame."""
    if hasattr(user_items, "iloc"):
        return user_items.iloc[np.flatnonzero(kept)]
    rows = _validation.as_rows(user_items)
    return (rows.tocsr() if issparse(rows) else np.asarray(rows))[np.flatnonzero(kept)]


def _as_matrix(pairs: StoredPairs, n_labels: int) -> csr_matrix:
    """Make a matrix of stored pairs, with ones for values."""
    indptr, indices = pairs.arrays()
    ones = np.ones(len(indices), np.float32)
    return csr_matrix((ones, indices, indptr), shape=(len(indptr) - 1, n_labels))


def _annotations(given: Any) -> Annotations:
    """Return matrix and names, also of a wide frame."""
    if all(hasattr(given, name) for name in ("matrix", "image_ids", "labels")):
        return Annotations(given.matrix, given.image_ids, given.labels)
    if type(given) is tuple and len(given) == 3:
        return Annotations(*given)
    if frames.is_frame(given) and hasattr(given, "index"):
        frames.check_wide(given, "annotations")
        return Annotations(
            _validation.check_matrix(given, "NamedModel.of"), given.index, given.columns
        )
    raise TypeError(
        f"annotations must be what a reader returns (matrix, image_ids, labels), got a "
        f"{type(given).__name__}: for a matrix and its names use "
        "NamedModel(model, image_ids, labels).fit(X)"
    )


def _names_of(model: Any) -> tuple[Names, Names] | None:
    """Return what the rows and columns of a model were called when it had these factors."""
    known = _known_names.get(model)
    if known is None:
        return None
    images, labels, factors = known
    if factors() is not model.item_factors:
        return None
    if (len(images), len(labels)) != (len(model.user_factors), len(model.item_factors)):
        return None
    return images, labels


def _class_named(name: str) -> type[LinearRecommender]:
    """Find a class of models by its name among those that are imported."""
    classes: list[type[LinearRecommender]] = [LinearRecommender]
    for known in classes:
        if known.__name__ == name:
            return known
        classes += known.__subclasses__()
    raise ValueError(
        f"the file holds a {name}, which is not imported: pass it as model_class to NamedModel.load"
    )
