"""Recommendation by the caller's own ids and names in place of numbers."""

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .readers import Annotations
from .serving import LOWEST

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["NamedModel"]

NameList: TypeAlias = Sequence[Hashable] | NDArray[Any]
# one, or several
Names: TypeAlias = Hashable | list[Any] | NDArray[Any]
NamedRanking: TypeAlias = tuple[NDArray[Any], NDArray[np.float32]]


class NamedModel:
    r"""A model that is asked by ids of images and answers with names of labels.

    Parameters
    ----------
    model : VSEens
        Any model of this package, or of implicit, fitted or not.
    image_ids : sequence of hashable
        The id of every row of the matrix.
    labels : sequence of hashable
        The name of every column.

    Attributes
    ----------
    model : VSEens
        What numbers are asked of.
    image_ids, labels : ndarray
        As they were given.

    Raises
    ------
    ValueError
        An id or a name comes twice, or there are not as many as the model has.

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

    def __init__(self, model: Any, image_ids: NameList, labels: NameList):
        self.model = model
        self.image_ids: NDArray[Any]
        self.labels: NDArray[Any]
        self.image_ids, self._images = _numbered(image_ids, "image_ids")
        self.labels, self._labels = _numbered(labels, "labels")
        if getattr(model, "user_factors", None) is not None:
            self._check_sizes((len(model.user_factors), len(model.item_factors)), "the model")

    @classmethod
    def of(cls, model: Any, annotations: Annotations, **arguments: Any) -> "Self":
        r"""Fit a model to what a reader returned.

        Parameters
        ----------
        model : VSEens
            Of this package or of implicit.
        annotations : Annotations
            Matrix and names.
        **arguments
            Of the model's ``fit``.

        Returns
        -------
        NamedModel
            With the fitted model and the names of the annotations.

        Examples
        --------
        >>> import os, tempfile
        >>> from vseens_rec import NamedModel, Popularity
        >>> from vseens_rec.datasets import read_pairs
        >>> path = os.path.join(tempfile.mkdtemp(), "tags.txt")
        >>> with open(path, "w") as file:
        ...     _ = file.write("a.jpg sky\nb.jpg sky\nb.jpg sea\n")
        >>> named = NamedModel.of(Popularity(), read_pairs(path), show_progress=False)
        >>> named.recommend("a.jpg", N=1)[0].tolist()
        ['sea']
        """
        return cls(model, annotations.image_ids, annotations.labels).fit(
            annotations.matrix, **arguments
        )

    def __repr__(self) -> str:
        return (
            f"NamedModel({self.model!r}, {len(self.image_ids)} images, {len(self.labels)} labels)"
        )

    def fit(self, X: Any, *args: Any, **arguments: Any) -> "Self":
        """Fit the model to a matrix whose rows and columns are those named.

        Parameters
        ----------
        X : sparse matrix of shape (n_images, n_labels)
            Row i is the image ``image_ids[i]``, column j the label ``labels[j]``.
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
        self._check_sizes(X.shape, "X")
        self.model.fit(X, *args, **arguments)
        return self

    def recommend(
        self,
        image: Names,
        N: int = 10,
        *,
        filter_labels: Iterable[Hashable] = (),
        labels: Iterable[Hashable] | None = None,
        **arguments: Any,
    ) -> NamedRanking:
        """Recommend labels for one image or for several.

        Parameters
        ----------
        image : hashable, or list or array of them
            An id, or several.
        N : int, default=10
            Length of the lists.
        filter_labels : iterable of hashable, default=()
            Names to leave out.
        labels : iterable of hashable, optional
            Rank these only.
        **arguments
            Of the model's ``recommend``.

        Returns
        -------
        labels, scores : ndarray of shape (N,) or (n, N)
            Names and scores; None and -inf where there are no more. With `labels` no more columns
            than these.

        Raises
        ------
        KeyError
            An id or a name is not known.
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
        """
        if labels is not None:
            arguments["items"] = self._numbers(list(labels), self._labels, "label")
        excluded = list(filter_labels)
        if excluded:
            arguments["filter_items"] = self._numbers(excluded, self._labels, "label")
        numbers = self._numbers(image, self._images, "image")
        found, scores = self.model.recommend(numbers, N=N, **arguments)
        # what the image has already stands at the end, with the lowest score there is
        has = scores <= LOWEST
        found, scores = np.where(has, -1, found), np.where(has, -np.float32(np.inf), scores)
        return self._named(found, self.labels), scores

    def recommend_from(
        self, labels: Iterable[Hashable], N: int = 10, **arguments: Any
    ) -> NamedRanking:
        """Recommend for an image that is not known, from the labels it has.

        Parameters
        ----------
        labels : iterable of hashable
            Names of its labels, which are not recommended.
        N : int, default=10
            Length of the list.
        **arguments
            Of the model's ``recommend``.

        Returns
        -------
        labels, scores : ndarray of shape (N,)
            Names and scores; None and -inf where there are no more.

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
        >>> labels, scores = named.recommend_from(["cat", "smile"], N=3)
        >>> labels.shape, "cat" in labels or "smile" in labels
        ((3,), False)
        """
        numbers = np.unique(self._numbers(list(labels), self._labels, "label"))
        row = csr_matrix(
            (np.ones(len(numbers), np.float32), (np.zeros(len(numbers), int), numbers)),
            shape=(1, len(self.labels)),
        )
        found, scores = self.model.recommend(0, row, N=N, recalculate_user=True, **arguments)
        return self._named(found, self.labels), scores

    def similar_labels(self, label: Names, N: int = 10, **arguments: Any) -> NamedRanking:
        """Find the labels that are most like a label, or each of several.

        Parameters
        ----------
        label : hashable, or list or array of them
            A name, or several.
        N : int, default=10
            Length of the lists.
        **arguments
            Of the model's ``similar_items``.

        Returns
        -------
        labels, scores : ndarray of shape (N,) or (n, N)
            Names, the label itself first, and cosines; None and -inf where there are no more.

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
        >>> labels, cosines = named.similar_labels("cat", N=3)
        >>> str(labels[0]), cosines.shape
        ('cat', (3,))
        """
        numbers = self._numbers(label, self._labels, "label")
        found, scores = self.model.similar_items(numbers, N=N, **arguments)
        return self._named(found, self.labels), scores

    def similar_images(self, image: Names, N: int = 10, **arguments: Any) -> NamedRanking:
        """Find the images that are most like an image, or each of several.

        Parameters
        ----------
        image : hashable, or list or array of them
            An id, or several.
        N : int, default=10
            Length of the lists.
        **arguments
            Of the model's ``similar_users``.

        Returns
        -------
        image_ids, scores : ndarray of shape (N,) or (n, N)
            Ids, the image itself first, and cosines; None and -inf where there are no more.

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
        numbers = self._numbers(image, self._images, "image")
        found, scores = self.model.similar_users(numbers, N=N, **arguments)
        return self._named(found, self.image_ids), scores

    def _check_sizes(self, shape: tuple[int, int], what: str) -> None:
        if tuple(shape) != (len(self.image_ids), len(self.labels)):
            raise ValueError(
                f"{what} has {shape[0]} images and {shape[1]} labels, but there are "
                f"{len(self.image_ids)} image_ids and {len(self.labels)} labels"
            )

    @staticmethod
    def _numbers(names: Names, known: dict[Hashable, int], what: str) -> int | NDArray[np.int64]:
        def number(name: Hashable) -> int:
            name = name.item() if isinstance(name, np.generic) else name
            try:
                return known[name]
            except (KeyError, TypeError):
                raise KeyError(f"there is no {what} {name!r}") from None

        if isinstance(names, (list, np.ndarray)):
            return np.array([number(name) for name in names], dtype=np.int64)
        return number(names)

    @staticmethod
    def _named(numbers: NDArray[np.int32], names: NDArray[Any]) -> NDArray[Any]:
        found = names[np.maximum(numbers, 0)]
        missing = numbers < 0
        if missing.any():
            found = found.astype(object)
            found[missing] = None
        return found


def _numbered(names: NameList, argument: str) -> tuple[NDArray[Any], dict[Hashable, int]]:
    """Return the names as an array, and the number of each."""
    if isinstance(names, np.ndarray):
        array = names
    else:
        array = np.empty(len(names), dtype=object)
        # one by one, as NumPy would take tuples apart
        for place, name in enumerate(names):
            array[place] = name
    numbers: dict[Hashable, int] = {}
    for name in array.tolist():
        if name in numbers:
            raise ValueError(f"{argument} has {name!r} more than once")
        numbers[name] = len(numbers)
    return array, numbers
