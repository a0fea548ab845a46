"""A model whose rows and columns have names."""

from copy import copy
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from .. import _validation, frames
from .._typing import BinaryFile, MatrixLike, PathLike
from ..datasets import Annotations
from ..engine.stored_pairs import StoredPairs
from ..estimator import LinearRecommender
from ..files import archive, models
from ..files.archive import Header, Kinds, MmapMode
from .names import Names, Policy, from_json
from .queries import NamedQueries
from .requests import NameList, Request, Sessions, extended, policy_of, rows_given

if TYPE_CHECKING:
    from typing_extensions import Self

# of the files, whose names are JSON in bytes
VERSION = 1
NAMES: Kinds = {
    "image_ids": (1, (np.uint8,)),
    "labels": (1, (np.uint8,)),
}
# what a model was last named by, for as long as it has the factors of then
_known_names: "WeakKeyDictionary[Any, tuple[Names, Names, Any]]" = WeakKeyDictionary()


class NamedModel(NamedQueries):
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
    >>> model = VSEens(factors=16, item_item=None, random_state=0)
    >>> named = NamedModel(model, emoji.images, emoji.labels)
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
        self.unknown = policy_of(unknown, "error")
        self.compare_as_text = bool(compare_as_text)
        self._images = Names(image_ids, "image_ids", "image", self.compare_as_text)
        self._labels = Names(labels, "labels", "label", self.compare_as_text)
        self._matrix = None

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
        self._check_grown()
        ids, numbers, grown = extended(image, self._images)
        rows = rows_given(known, ids, "known", self._labels, self._policy_here(unknown))
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
        self._check_grown()
        ids, numbers, grown = extended(label, self._labels)
        rows = rows_given(images, ids, "images", self._images, self._policy_here(unknown))
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
        header, arrays = models.described(self.model._state(fitted_matrix), self.model._extras)
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

        def check(header: Header) -> Kinds:
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
            known_class = model_class or _class_named(header["model"].get("class"))
            return {**NAMES, **models.ARRAYS, **known_class._extras.arrays}

        header, arrays = archive.read(file, check, mmap_mode)
        try:
            names = [
                from_json(arrays.pop(argument), header["kinds"][argument])
                for argument in ("image_ids", "labels")
            ]
            known_class = model_class or _class_named(header["model"]["class"])
            model = known_class._of(models.restored(header["model"], arrays, known_class._extras))
            return cls(
                model,
                *names,
                unknown=header["unknown"],
                compare_as_text=header["compare_as_text"],
            )
        except (KeyError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(f"the file is damaged: {error}") from error


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
