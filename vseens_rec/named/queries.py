"""Questions by name: what to recommend, and what is alike."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .. import _validation, frames
from ..estimator import LinearRecommender
from ..serving import LOWEST
from .names import Names, Policy
from .ranking import NamedRanking
from .requests import (
    NameList,
    Request,
    Sessions,
    check_columns,
    numbers_of_lists,
    policy_of,
    sessions_of,
    some_rows,
)


class NamedQueries:
    """A model with names for its rows and columns, to be asked by them."""

    model: Any
    unknown: Policy
    _images: Names
    _labels: Names
    # what models of implicit were fitted on, who do not remember it
    _matrix: csr_matrix | None

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
            `filter_labels` or `labels` is not a list.
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
        policy = policy_of(unknown, self.unknown)
        asked, numbers, single = self._images.asked(image, policy)
        arguments |= numbers_of_lists(
            self._labels,
            policy,
            ("filter_labels", "filter_items", filter_labels),
            ("labels", "items", labels),
        )
        known = numbers >= 0
        check_columns(arguments.get("user_items"), "user_items", self._labels)
        if "user_items" not in arguments:
            if self._matrix is not None:
                arguments["user_items"] = self._matrix[numbers[known]]
        elif not known.all():
            arguments["user_items"] = some_rows(arguments["user_items"], known)
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
        policy = policy_of(unknown, self.unknown)
        sessions, single = sessions_of(known, "known", self._labels)
        rows, answerable = self._labels.rows(sessions, policy)
        arguments |= numbers_of_lists(
            self._labels,
            policy,
            ("filter_labels", "filter_items", filter_labels),
            ("labels", "items", labels),
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
        check_columns(X, argument, self._labels)
        rows = frames.row_names(X) if rows_too else None
        if rows is not None and not self._images.are(rows):
            raise ValueError(
                f"the rows of {argument} are not image_ids, in their order: pass "
                f"{argument}.loc[named.image_ids], or NamedModel.of(model, {argument}), which "
                "takes the names from the frame"
            )

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
        counts = np.bincount(matrix.indices[matrix.data > 0], minlength=len(self._labels))
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
        policy = self._policy_here(unknown)
        if policy == "popular":
            raise ValueError("unknown='popular' is of recommend: use 'error' or 'skip' here")
        asked, numbers, single = names.asked(asked_for, policy)
        check_columns(arguments.get("item_users"), "item_users", self._images)
        arguments |= numbers_of_lists(names, policy, *lists)
        known = numbers >= 0
        N = min(_validation.check_n(N), len(names))
        found, scores = self._answers(
            method, numbers[known], known, N, single and bool(known.all()), arguments, policy
        )
        return self._named(
            found, scores, single, names, (names.what, f"similar_{names.what}", asked)
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
        return NamedRanking.of(found, scores, *columns)

    def _check_sizes(self, shape: tuple[int, ...], what: str) -> None:
        if tuple(shape) != (len(self._images), len(self._labels)):
            size = f"{shape[0]} images and {shape[1]} labels" if len(shape) == 2 else f"{shape}"
            raise ValueError(
                f"{what} has {size}, but there are "
                f"{len(self._images)} image_ids and {len(self._labels)} labels"
            )

    def _policy_here(self, unknown: Policy | None) -> Policy:
        """Return the policy of a method that has no popular answer to give."""
        return policy_of(unknown, "skip" if self.unknown == "popular" else self.unknown)

    def _check_grown(self) -> None:
        self._check_sizes((len(self.model.user_factors), len(self.model.item_factors)), "the model")
