"""Item-item models: labels are scored by the labels that an image has, without factors."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from . import _validation
from ._typing import EpochCallback, Floats, IdListLike, IdsLike, MatrixLike, Ranking
from .choices import DenseItemItem, SparseItemItem
from .engine.features import Features
from .engine.holdouts import Holdout
from .engine.item_item import MEMORY_LIMIT, ClosedForm, ItemItemWeights, Pairs, local_ridge
from .engine.item_item_choices import SEED, choose_closed_form, most_pairs
from .engine.stored_pairs import StoredPairs
from .estimator import LinearRecommender
from .files.checkpoints import Checkpoint
from .recommender import check_lists
from .serving import LOWEST, best_of_scores

__all__ = ["EASE", "EDLAE", "SparseEASE"]


class _ItemItemModel(LinearRecommender):
    """What item-item models have in common: factors of no columns, and weights beside them."""

    _parameter_constraints: ClassVar[dict[str, list[Any] | str]] = {
        **SparseItemItem._parameter_constraints,
        **DenseItemItem._parameter_constraints,
        "num_threads": [Interval(Integral, 0, None, closed="left")],
        "memory_limit": [Interval(Real, 0, None, closed="neither")],
    }

    # of scores
    dtype = np.float32

    def _weights_of(self, matrix: csr_matrix) -> ItemItemWeights:
        raise NotImplementedError

    def _learn(
        self,
        matrix: csr_matrix,
        show_progress: bool,
        callback: EpochCallback | None,
        checkpoint: Checkpoint | None,
        features: Features | None,
    ) -> None:
        name = type(self).__name__
        if checkpoint is not None:
            raise ValueError(f"{name} is solved at once: leave checkpoint out")
        weights = self._weights_of(matrix)
        self._remember(
            StoredPairs.of(matrix),
            _item_item=weights,
            _user_factors=np.zeros((matrix.shape[0], 0), np.float32),
            _item_factors=np.zeros((matrix.shape[1], 0), np.float32),
        )
        if callback is not None:
            callback(0, 0.0, 0, 0)

    def _expected_columns(self) -> int:
        return 0

    def _fold_in_rows(self, matrix: csr_matrix, features: Features | None = None) -> Floats:
        return np.zeros((matrix.shape[0], 0), np.float32)

    def _fold_in_labels(
        self, ids: NDArray[np.int64], item_users: csr_matrix, users: Floats, known: StoredPairs
    ) -> Floats:
        raise NotImplementedError(
            f"{type(self).__name__} solves for all labels together: fit again to change labels"
        )

    @property
    def _n_features_out(self) -> int:
        return len(self.item_factors)

    def transform(self, X: MatrixLike, *, image_features: MatrixLike | None = None) -> Floats:
        """Score all labels for images, given their labels.

        Parameters
        ----------
        X : sparse matrix or array-like of shape (n_images, n_labels)
            The labels of the images (values > 0). They need not be images of `fit`.
        image_features : None
            Weights between labels have no use for them.

        Returns
        -------
        ndarray of float32 of shape (n_images, n_labels)
            Scores; those of labels that an image has say how well its others predict them.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import EASE
        >>> X = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0]])
        >>> model = EASE(regularization=1.0).fit(X)
        >>> model.transform(X[3:]).shape, int(model.transform(X[3:]).argmax())
        ((1, 3), 1)
        """
        check_is_fitted(self)
        rows = _validation.check_new_rows(self, X)
        return self.scores_of(rows, image_features=image_features)

    def similar_items(
        self,
        itemid: IdsLike,
        N: int = 10,
        recalculate_item: bool = False,
        item_users: MatrixLike | None = None,
        filter_items: IdListLike | None = None,
        items: IdListLike | None = None,
    ) -> Ranking:
        """Find the labels that go with a label, the others given.

        Parameters
        ----------
        itemid, N : as in `VSEens`
            See `VSEens.similar_items`.
        recalculate_item, item_users : bool, None, default=False, None
            Not to be had: weights follow from all labels together.
        filter_items, items : as in `VSEens`
            See `VSEens.similar_items`.

        Returns
        -------
        ids, scores : ndarray of int32, ndarray of float32, of shape (N,) or (n, N)
            The root of the product of both weights between two labels, with their sign, which for
            `EASE` is their partial correlation; 1 for the label itself, which comes first.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import EASE
        >>> X = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0]])
        >>> EASE(regularization=1.0).fit(X).similar_items(0, N=2)[0].tolist()
        [0, 1]
        """
        self._check_fitted()
        if recalculate_item:
            raise NotImplementedError(
                f"{type(self).__name__} solves for all labels together: leave recalculate_item out"
            )
        n = len(self.item_factors)
        itemid = _validation.check_ids(itemid, n, "itemid", "labels")
        given = np.atleast_1d(itemid)
        part = self._item_item
        assert part is not None

        def compare(block: slice) -> NDArray[np.float32]:
            return np.stack([part.partial_correlations(label) for label in given[block]])

        return self._compared(itemid, n, compare, N, filter_items, items, "items", "labels")

    def similar_users(
        self,
        userid: IdsLike,
        N: int = 10,
        filter_users: IdListLike | None = None,
        users: IdListLike | None = None,
    ) -> Ranking:
        """Find the images whose labels have the largest cosine with those of an image.

        Parameters
        ----------
        userid, N, filter_users, users : as in `VSEens`
            See `VSEens.similar_users`.

        Returns
        -------
        ids, scores : ndarray of int32, ndarray of float32, of shape (N,) or (n, N)
            The most similar images and the cosines of their rows.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import EASE
        >>> X = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0]])
        >>> EASE(regularization=1.0).fit(X).similar_users(3, N=2)[0].tolist()
        [3, 1]
        """
        self._check_fitted()
        pattern = self._pattern()
        n = pattern.shape[0]
        userid = _validation.check_ids(userid, n, "userid", "images")
        given = np.atleast_1d(userid)
        lengths = np.sqrt(np.maximum(np.diff(pattern.indptr), 1)).astype(np.float32)

        def compare(block: slice) -> NDArray[np.float32]:
            shared = (pattern[given[block]] @ pattern.T).toarray()
            cosines: NDArray[np.float32] = shared / lengths / lengths[given[block], None]
            return cosines

        return self._compared(userid, n, compare, N, filter_users, users, "users", "images")

    def _compared(
        self,
        own: int | NDArray[np.int64],
        n: int,
        compare: Callable[[slice], NDArray[np.float32]],
        N: int,
        filtered: IdListLike | None,
        among: IdListLike | None,
        argument: str,
        things: str,
    ) -> Ranking:
        N = _validation.check_n(N)
        left_out, kept = check_lists(filtered, among, n, argument, things)
        kept = None if kept is None else np.sort(kept)
        width = min(N, n if kept is None else len(kept))
        n_queries = 1 if isinstance(own, int) else len(own)
        ids, scores = best_of_scores(
            compare, n_queries, n, width, LOWEST, None, left_out, among=kept
        )
        return (ids[0], scores[0]) if isinstance(own, int) else (ids, scores)


class EDLAE(_ItemItemModel):
    """Linear autoencoder with emphasised denoising (Steck, NeurIPS 2020), and with pairs of labels.

    `EASE` with a penalty that grows with how often a label is seen, as if labels of the images
    were dropped by chance. By default long rows count less, and the most frequent pairs of labels
    are features of their own where that ranks higher (Steck and Liang, RecSys 2021): what two
    labels say together is not the sum of what each says. One inverse solves all. The penalty, and
    whether there are pairs, are chosen by labels that are hidden of up to 2,000 images; the inverse
    tells the scores of a fit without them.

    Parameters
    ----------
    regularization : float or None, default=None
        The penalty, in images of a mean number of labels. None: 10, raised in steps while that
        ranks hidden labels higher.
    dropout : float, default=0.1
        The chance that a label is dropped, in [0, 1); 0.1 to 0.3 is usual.
    row_power : float, default=0.5
        An image of n labels counts ``n ** -row_power`` times; 0: all count the same.
    pairs : int or None, default=None
        How many pairs of labels are features: the most frequent ones, those that three images have.
        None: up to 2,000, with the labels up to 3,000, or none if hidden labels rank higher
        without.
    memory_limit : float, default=4e9
        Bytes that the closed form may take; `fit` refuses a matrix that needs more.
    num_threads : int, default=0
        Threads; 0: all processors of the process.

    Attributes
    ----------
    item_weights : ndarray of float32 of shape (n_labels + pairs, n_labels)
        What each label, and each pair, adds to the score of each label.
    item_pairs : ndarray of int32 of shape (pairs, 2)
        Labels of the pairs.

    Examples
    --------
    >>> from vseens_rec import EDLAE
    >>> from vseens_rec.datasets import load_emoji
    >>> X = load_emoji().matrix
    >>> model = EDLAE(pairs=100, num_threads=1).fit(X)
    >>> model.item_weights.shape, model.recommend(0, N=3)[0].shape
    ((1251, 1151), (3,))
    """

    def __init__(
        self,
        *,
        regularization: float | None = None,
        dropout: float = 0.1,
        row_power: float = 0.5,
        pairs: int | None = None,
        memory_limit: float = MEMORY_LIMIT,
        num_threads: int = 0,
    ):
        self.regularization = regularization
        self.dropout = dropout
        self.row_power = row_power
        self.pairs = pairs
        self.memory_limit = memory_limit
        self.num_threads = num_threads

    def _weights_of(self, matrix: csr_matrix) -> ItemItemWeights:
        name, n_labels = type(self).__name__, matrix.shape[1]
        pairs = most_pairs(n_labels) if self.pairs is None else self.pairs
        ClosedForm.check_memory(n_labels, pairs, self.memory_limit, name, "SparseEASE")
        holdout = None
        if self.regularization is None or self.pairs is None:
            holdout = Holdout.of(matrix, SEED)
        form = choose_closed_form(
            matrix,
            holdout,
            self.regularization,
            self.dropout,
            self.row_power,
            self.pairs,
            self.num_threads,
        )
        return form.weights()


class EASE(EDLAE):
    """Embarrassingly shallow autoencoder (Steck, WWW 2019): the usual closed form.

    A label is predicted by a ridge regression on all others; the inverse of one matrix solves all.
    `EDLAE` ranks higher at its defaults; this one is what others mean by the name, with the
    penalty chosen by labels that are hidden. For tens of thousands of labels and more take
    `SparseEASE`.

    Parameters
    ----------
    regularization : float or None, default=None
        The penalty. None: 10, raised in steps while that ranks hidden labels higher.
    row_power : float, default=0.0
        An image of n labels counts ``n ** -row_power`` times, where a mean one counts once.
    pairs : int or None, default=0
        As in `EDLAE`.
    memory_limit : float, default=4e9
        Bytes that the closed form may take; `fit` refuses a matrix that needs more.
    num_threads : int, default=0
        Threads; 0: all processors of the process.

    Attributes
    ----------
    item_weights : ndarray of float32 of shape (n_labels, n_labels)
        What each label adds to the score of each other.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec import EASE
    >>> X = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0]])
    >>> model = EASE(regularization=1.0).fit(X)
    >>> model.recommend(3, N=1)[0].tolist()
    [1]
    """

    dropout = 0.0

    def __init__(
        self,
        *,
        regularization: float | None = None,
        row_power: float = 0.0,
        pairs: int | None = 0,
        memory_limit: float = MEMORY_LIMIT,
        num_threads: int = 0,
    ):
        self.regularization = regularization
        self.row_power = row_power
        self.pairs = pairs
        self.memory_limit = memory_limit
        self.num_threads = num_threads


class SparseEASE(_ItemItemModel):
    """`EASE` for many labels: each is predicted by those alone that it is most often seen with.

    A ridge regression for each label among its strongest neighbours, each solved by itself, takes
    seconds for tens of thousands of labels; memory is in proportion to the pairs and to
    ``neighbors`` times the labels. Few weights that are negative are lost by it, so `EASE` ranks
    higher where it can be had.

    Parameters
    ----------
    neighbors : int, default=60
        Features in the regression of a label, at most.
    regularization : float, default=50.0
        The penalty, in images of a mean number of labels.
    dropout : float, default=0.0
        The chance that a label is dropped, as in `EDLAE`.
    row_power : float, default=0.3
        An image of n labels counts ``n ** -row_power`` times; 0: all count the same.
    pairs : int, default=0
        How many pairs of labels can be neighbours as well: the most frequent ones.
    num_threads : int, default=0
        Threads; 0: all processors of the process. The result does not depend on it.

    Attributes
    ----------
    item_weights : csr_matrix of float32 of shape (n_labels + pairs, n_labels)
        What each label, and each pair, adds to the score of each label.
    item_pairs : ndarray of int32 of shape (pairs, 2)
        Labels of the pairs.

    Examples
    --------
    >>> from vseens_rec import SparseEASE
    >>> from vseens_rec.datasets import load_emoji
    >>> X = load_emoji().matrix
    >>> model = SparseEASE(neighbors=20, num_threads=1).fit(X)
    >>> model.item_weights.shape, model.recommend(0, N=3)[0].shape
    ((1151, 1151), (3,))
    """

    def __init__(
        self,
        *,
        neighbors: int = 60,
        regularization: float = 50.0,
        dropout: float = 0.0,
        row_power: float = 0.3,
        pairs: int = 0,
        num_threads: int = 0,
    ):
        self.neighbors = neighbors
        self.regularization = regularization
        self.dropout = dropout
        self.row_power = row_power
        self.pairs = pairs
        self.num_threads = num_threads

    def _weights_of(self, matrix: csr_matrix) -> ItemItemWeights:
        if self.regularization is None or self.pairs is None:
            raise ValueError(
                "SparseEASE chooses neither regularization nor pairs: leave them out for the usual "
                "ones, or use EDLAE, which does"
            )
        return local_ridge(
            matrix,
            self.neighbors,
            self.regularization,
            self.dropout,
            self.row_power,
            Pairs.most_frequent(matrix, self.pairs),
            num_threads=self.num_threads,
        )
