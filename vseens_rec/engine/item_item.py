"""Item-item weights: the score of a label by the labels that an image has beside it.

Each label is predicted by a ridge regression on the others, and on pairs of others, which count as
features of their own. Where labels are few, one inverse solves all regressions (EASE: Steck, WWW
2019; EDLAE: Steck, NeurIPS 2020; with pairs: Steck and Liang, RecSys 2021). Where they are many,
each label has a regression on those that it is most often seen with.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.sparse import csr_matrix

from .._native import MIN_PAIRS_PER_THREAD, effective_threads, kernel
from .updates import transposed

# bytes that a closed form takes at most, unless it is told otherwise
MEMORY_LIMIT = 4_000_000_000
# labels that a regression of its own is solved for between two looks for an interrupt
LABELS_AT_ONCE = 4096
# features that are copied at once where a triangle becomes a square
FEATURES_AT_ONCE = 256
# columns whose common rows are counted at once
COLUMNS_AT_ONCE = 512
# weights that one thread adds in the time that a second takes to start
ADDITIONS_PER_THREAD = 256 * MIN_PAIRS_PER_THREAD
# pairs that fewer images have tell nothing of what is to come
FEWEST_OF_A_PAIR = 3


class Pairs(NamedTuple):
    """Pairs of labels that are features; their ids follow those of the labels.

    Attributes
    ----------
    indptr : ndarray of int64 of shape (n_labels + 1,)
        Where in `partners` those of each label begin.
    partners : ndarray of int32
        For each label the larger ones that it makes a pair with, in ascending order.
    """

    indptr: NDArray[np.int64]
    partners: NDArray[np.int32]

    @classmethod
    def none(cls, n_labels: int) -> Pairs:
        """Return no pairs."""
        return cls(np.zeros(n_labels + 1, np.int64), np.zeros(0, np.int32))

    @classmethod
    def of(cls, first: NDArray[Any], second: NDArray[Any], n_labels: int) -> Pairs:
        """Sort pairs of a smaller and a larger label, each of which comes once."""
        order = np.lexsort((second, first))
        counts = np.bincount(first, minlength=n_labels)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(indptr, second[order].astype(np.int32))

    @classmethod
    def most_frequent(cls, matrix: csr_matrix, most: int) -> Pairs:
        """Choose the pairs of labels that most images have, of the same number the smaller ids."""
        n_labels = matrix.shape[1]
        if most == 0:
            return cls.none(n_labels)
        pattern = csr_matrix(
            (np.ones(matrix.nnz, np.int32), matrix.indices, matrix.indptr), matrix.shape
        )
        columns = transposed(pattern)
        first = second = counts = np.zeros(0, np.int64)
        for start in range(0, n_labels, COLUMNS_AT_ONCE):
            shared = (columns[start : start + COLUMNS_AT_ONCE] @ pattern).tocoo()
            chosen = (shared.data >= FEWEST_OF_A_PAIR) & (shared.col > shared.row + start)
            first = np.concatenate([first, shared.row[chosen] + start])
            second = np.concatenate([second, shared.col[chosen]])
            counts = np.concatenate([counts, shared.data[chosen]])
            if len(counts) > most:
                kept = np.lexsort((second, first, -counts))[:most]
                first, second, counts = first[kept], second[kept], counts[kept]
        return cls.of(first, second, n_labels)

    @property
    def n_labels(self) -> int:
        """Number of labels that could be in a pair."""
        return len(self.indptr) - 1

    @property
    def parts(self) -> NDArray[np.int32]:
        """The labels of each feature, (n_features, 2): twice its own, or those of the pair."""
        labels = np.arange(self.n_labels, dtype=np.int32)
        firsts = np.repeat(labels, np.diff(self.indptr))
        own = np.column_stack([labels, labels])
        return np.concatenate([own, np.column_stack([firsts, self.partners])]).astype(np.int32)

    def features(self, matrix: csr_matrix) -> csr_matrix:
        """Return the features of rows, with ones for values; `matrix` is canonical."""
        indptr, ids = self.feature_ids(
            matrix.indptr.astype(np.int64, copy=False), matrix.indices.astype(np.int32, copy=False)
        )
        if len(ids) > indptr[-1]:
            ids = ids[: indptr[-1]].copy()
        ones = np.ones(len(ids), np.float32)
        shape = (len(indptr) - 1, self.n_labels + len(self.partners))
        return csr_matrix((ones, ids, indptr), shape, copy=False)

    def feature_ids(
        self, indptr: NDArray[np.int64], indices: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the features of rows as indptr and indices; without pairs the arrays as they are.

        The first row need not begin at 0; behind the last one there may be more.
        """
        if not len(self.partners) or indptr[0] == indptr[-1]:
            return indptr, indices
        labels = indices[indptr[0] : indptr[-1]]
        most = len(labels) + int(np.diff(self.indptr)[labels].sum())
        found, ids = np.empty_like(indptr), np.empty(most + 1, np.int32)
        kernel.row_features(indptr, indices, self.indptr, self.partners, found, ids)
        return found, ids


class ItemItemWeights:
    """What each feature of an image adds to the score of each label.

    Parameters
    ----------
    weights : ndarray of float32 or csr_matrix, of shape (n_features, n_weighted)
        Of the labels, then of the pairs; 0 where a feature has the label in it.
    pairs : Pairs
        Those that are features.
    n_labels : int, optional
        There may be more labels behind those, which have no weights.
    """

    def __init__(
        self,
        weights: NDArray[np.float32] | csr_matrix,
        pairs: Pairs,
        n_labels: int | None = None,
    ):
        self.weights, self.pairs = weights, pairs
        self.n_labels = int(weights.shape[1]) if n_labels is None else n_labels
        # indptr, ids and values
        self._sparse: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]] | None = None
        if not isinstance(weights, np.ndarray):
            self._sparse = (
                weights.indptr.astype(np.int64, copy=False),
                weights.indices.astype(np.int32, copy=False),
                weights.data,
            )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds."""
        if self.n_labels > self.weights.shape[1]:
            return self.of_all_labels().arrays()
        arrays: dict[str, NDArray[Any]] = {
            "item_pairs_indptr": self.pairs.indptr,
            "item_pairs": self.pairs.partners,
        }
        if self._sparse is None:
            return arrays | {"item_weights": self.weights}
        names = ("item_weights_indptr", "item_weights_indices", "item_weights_data")
        return arrays | dict(zip(names, self._sparse, strict=True))

    @classmethod
    def of_arrays(cls, arrays: dict[str, NDArray[Any]]) -> ItemItemWeights | None:
        """Make them of what a file holds; None where it has none."""
        if "item_pairs" not in arrays:
            return None
        indptr = arrays["item_pairs_indptr"].astype(np.int64, copy=False)
        pairs = Pairs(indptr, arrays["item_pairs"].astype(np.int32, copy=False))
        if "item_weights" in arrays:
            return cls(arrays["item_weights"], pairs)
        names = ("item_weights_data", "item_weights_indices", "item_weights_indptr")
        shape = (pairs.n_labels + len(pairs.partners), pairs.n_labels)
        return cls(csr_matrix(tuple(arrays[name] for name in names), shape), pairs)

    def add_to(
        self,
        scores: NDArray[np.float32],
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        num_threads: int = 1,
    ) -> None:
        """Add the scores of images, given their labels, to what is there, in place.

        Parameters
        ----------
        scores : ndarray of float32 of shape (n_rows, n_labels)
            Contiguous.
        indptr, indices : ndarray
            The labels of each image, ascending; the first one's need not begin at 0.
        num_threads : int
            Upper limit of the threads. The result does not depend on it.
        """
        indptr, indices = self._weighted(indptr, indices)
        indptr, indices = self.pairs.feature_ids(indptr, indices)
        threads = 1
        if num_threads != 1 and (indptr[-1] - indptr[0]) * self.width > ADDITIONS_PER_THREAD:
            threads = effective_threads(num_threads)
        if self._sparse is None:
            kernel.add_dense_weights(indptr, indices, self.weights, scores, threads)
        else:
            weight_indptr, ids, values = self._sparse
            kernel.add_sparse_weights(indptr, indices, weight_indptr, ids, values, scores, threads)

    def _weighted(
        self, indptr: NDArray[np.int64], indices: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Leave out labels that came later than the weights."""
        if self.n_labels == self.weights.shape[1]:
            return indptr, indices
        own = indices[indptr[0] : indptr[-1]]
        kept = own < self.weights.shape[1]
        return np.concatenate([[0], np.cumsum(kept)])[indptr - indptr[0]], own[kept]

    @property
    def width(self) -> int:
        """Values of a row of weights, in the mean."""
        if self._sparse is None:
            return int(self.weights.shape[1])
        return len(self._sparse[2]) // len(self._sparse[0])

    def scores(self, rows: csr_matrix, num_threads: int = 1) -> NDArray[np.float32]:
        """Return the scores of images, given their labels, (n_rows, n_labels)."""
        scores = np.zeros((rows.shape[0], self.n_labels), np.float32)
        indptr, indices = rows.indptr.astype(np.int64, copy=False), rows.indices
        self.add_to(scores, indptr, indices.astype(np.int32, copy=False), num_threads)
        return scores

    def scaled(self, factor: float) -> ItemItemWeights:
        """Return the weights times a number."""
        return ItemItemWeights(self.weights * np.float32(factor), self.pairs, self.n_labels)

    def grown(self, n_labels: int) -> ItemItemWeights:
        """Return the weights with labels added that have none; no weight is copied."""
        return ItemItemWeights(self.weights, self.pairs, max(n_labels, self.n_labels))

    def of_all_labels(self) -> ItemItemWeights:
        """Return the weights with zeros for those of labels that have none."""
        n = int(self.weights.shape[1])
        added = self.n_labels - n
        if not added:
            return self
        last = np.repeat(self.pairs.indptr[-1], added)
        pairs = Pairs(np.concatenate([self.pairs.indptr, last]), self.pairs.partners)
        if self._sparse is None:
            own = np.pad(self.weights[:n], ((0, added), (0, added)))
            of_pairs = np.pad(self.weights[n:], ((0, 0), (0, added)))
            return ItemItemWeights(np.concatenate([own, of_pairs]), pairs)
        indptr, indices, data = self._sparse
        indptr = np.insert(indptr, np.repeat(n, added), indptr[n])
        return ItemItemWeights(
            csr_matrix((data, indices, indptr), (len(indptr) - 1, self.n_labels)), pairs
        )

    def contributions(self, labels: NDArray[np.int32], label: int) -> dict[int, float]:
        """Share the score of a label among the labels of an image; half of a pair's each.

        Parameters
        ----------
        labels : ndarray of int32
            Those of the image, ascending.
        label : int
            Whose score it is.
        """
        shares: dict[int, float] = dict.fromkeys(labels.tolist(), 0.0)
        if label >= self.weights.shape[1]:
            return shares
        indptr, own = self._weighted(np.array([0, len(labels)]), labels)
        indptr, ids = self.pairs.feature_ids(indptr, own)
        ids = ids[: indptr[-1]]
        values = self._column(self.weights[ids], label)
        parts = self.pairs.parts[ids]
        for (first, second), value in zip(parts.tolist(), values.tolist(), strict=True):
            shares[first] += value / 2
            shares[second] += value / 2
        return shares

    def partial_correlations(self, label: int) -> NDArray[np.float32]:
        """Compare a label with all others: the mean of the weights in both directions, by sign.

        Of a closed form without pairs that is the correlation of two labels, the others given.
        """
        given = self._column(self.weights[[label]].T, 0)
        taken = self._column(self.weights[: self.weights.shape[1]], label)
        products = given * taken
        found: NDArray[np.float32] = np.sqrt(np.maximum(products, 0)) * np.sign(given)
        found[label] = 1
        return found

    @staticmethod
    def _column(weights: Any, label: int) -> NDArray[np.float32]:
        column: NDArray[np.float32] = (
            weights[:, [label]]
            if isinstance(weights, np.ndarray)
            else weights[:, [label]].toarray()
        )
        return column.ravel()


class ClosedForm:
    """Regressions of all labels at once, by the inverse of the regularised products of features.

    Parameters
    ----------
    matrix : csr_matrix of shape (n_images, n_labels)
        Canonical; values do not count.
    penalty : float
        Above 0, in images: what is added to the diagonal.
    dropout : float
        The chance that a feature is dropped, in [0, 1), by which the diagonal grows: EDLAE's p.
    row_power : float
        An image of n labels counts n^-row_power times, where a mean one counts once.
    pairs : Pairs
        Those that are features.
    pair_penalty : float
        Of pairs, in penalties of labels.
    num_threads : int
        Upper limit of the threads that count; BLAS has its own.
    """

    def __init__(
        self,
        matrix: csr_matrix,
        penalty: float,
        dropout: float = 0.0,
        row_power: float = 0.0,
        pairs: Pairs | None = None,
        pair_penalty: float = 3.0,
        num_threads: int = 1,
    ):
        self.pairs = Pairs.none(matrix.shape[1]) if pairs is None else pairs
        self.row_weights = row_weights(matrix, row_power)
        self.features = self.pairs.features(matrix)
        n_labels, n_features = matrix.shape[1], self.features.shape[1]
        columns = transposed(self.features)
        inverse = np.empty((n_features, n_features))
        kernel.gram(
            self.features.indptr.astype(np.int64, copy=False),
            self.features.indices,
            columns.indptr.astype(np.int64, copy=False),
            columns.indices.astype(np.int32, copy=False),
            self.row_weights,
            inverse,
            effective_threads(num_threads),
        )
        added = penalty + dropout / (1 - dropout) * np.diag(inverse)
        added[n_labels:] *= pair_penalty
        inverse[np.diag_indices(n_features)] += added
        # LAPACK reads by columns, and finds the lower triangle in the upper one
        _, failed = lapack.dpotrf(inverse.T, lower=0, clean=0, overwrite_a=1)
        if not failed:
            _, failed = lapack.dpotri(inverse.T, lower=0, overwrite_c=1)
        if failed:
            raise ValueError(
                f"the products of labels are not positive definite with a penalty of {penalty:g}: "
                "raise it"
            )
        for start in range(0, n_features, FEATURES_AT_ONCE):
            block = slice(start, min(n_features, start + FEATURES_AT_ONCE))
            square = np.tril(inverse[block, block])
            inverse[block, block] = square + np.tril(square, -1).T
            inverse[block, block.stop :] = inverse[block.stop :, block].T
        self.inverse = inverse
        # what must have no say in the score of each label: itself, and pairs with it
        self._own: list[NDArray[np.int64]] = [np.array([label]) for label in range(n_labels)]
        if n_features > n_labels:
            parts = self.pairs.parts
            places = np.concatenate([np.arange(n_features), np.arange(n_labels, n_features)])
            labels = np.concatenate([parts[:, 0], parts[n_labels:, 1]])
            order = np.argsort(labels, kind="stable")
            ends = np.searchsorted(labels[order], np.arange(n_labels + 1))
            self._own = [places[order[ends[i] : ends[i + 1]]] for i in range(n_labels)]
        # the inverse of the inverse for those alone
        self._inverse_of_own = [np.linalg.inv(inverse[np.ix_(own, own)]) for own in self._own]

    @staticmethod
    def bytes_for(n_labels: int, n_pairs: int) -> int:
        """Tell the most memory that it takes, beside the matrix and its features."""
        n_features = n_labels + n_pairs
        return 8 * n_features**2 + 4 * n_features * n_labels

    @classmethod
    def check_memory(
        cls, n_labels: int, n_pairs: int, limit: float, name: str, remedy: str
    ) -> None:
        """Refuse what would take more memory than a limit; `name` is what the caller chose."""
        needed = cls.bytes_for(n_labels, n_pairs)
        if needed > limit:
            raise ValueError(
                f"{name} of {n_labels} labels{f' and {n_pairs} pairs' if n_pairs else ''} needs "
                f"{needed / 1e9:.1f} GB, more than memory_limit={limit:g} bytes: use {remedy}, "
                "whose memory is in proportion to the pairs, or raise memory_limit"
            )

    def weights(self) -> ItemItemWeights:
        """Return the weights of all features for all labels."""
        n_labels = self.pairs.n_labels
        weights = np.empty((len(self.inverse), n_labels), np.float32)
        for label, (own, inverse_of_own) in enumerate(
            zip(self._own, self._inverse_of_own, strict=True)
        ):
            column = -(inverse_of_own[0] @ self.inverse[own])
            column[own] = 0
            weights[:, label] = column
        return ItemItemWeights(weights, self.pairs)

    def left_out_scores(self, rows: NDArray[Any], known: csr_matrix) -> NDArray[np.float64]:
        """Score labels of images as if each had not been there, given what is left of it.

        The scores are those of a fit on the other images with the same penalties, at the price of
        some products: a row taken from the products of features changes their inverse by one
        product of vectors (Sherman and Morrison).

        Parameters
        ----------
        rows : ndarray of int of shape (n,)
            Rows of the matrix.
        known : csr_matrix of shape (n, n_labels)
            The labels of each that are given; the others are to be found.
        """
        weight = self.row_weights[rows][:, None]
        features, given = self.features[rows], self.pairs.features(known)
        own_products = features @ self.inverse
        given_products = given @ self.inverse
        leverage = weight * _row_sums(features, own_products)
        gain = weight / (1 - leverage)
        # products of what is given with the inverse that lacks the row
        given_products += gain * own_products * _row_sums(given, own_products)
        gain = gain.ravel()
        scores = np.empty((len(rows), self.pairs.n_labels))
        for label, (own, inverse_of_own) in enumerate(
            zip(self._own, self._inverse_of_own, strict=True)
        ):
            left, right = given_products[:, own], own_products[:, own]
            turned = right @ inverse_of_own
            correction = gain * (left * turned).sum(axis=1) * turned[:, 0]
            correction /= 1 + gain * (right * turned).sum(axis=1)
            scores[:, label] = correction - left @ inverse_of_own[0]
        return scores


def _row_sums(pattern: csr_matrix, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum, for each row, the values at the places that the pattern has."""
    sums: NDArray[np.float64] = np.asarray(pattern.multiply(values).sum(axis=1), dtype=np.float64)
    return sums.reshape(-1, 1)


def row_weights(matrix: csr_matrix, power: float) -> NDArray[np.float64]:
    """Weigh images by their number of labels to a negative power; the mean of them is 1."""
    lengths = np.diff(matrix.indptr).astype(np.float64)
    weights: NDArray[np.float64] = np.maximum(lengths, 1) ** -power
    weights /= weights[lengths > 0].mean()
    return weights


def local_ridge(
    matrix: csr_matrix,
    neighbours: int,
    penalty: float,
    dropout: float = 0.0,
    row_power: float = 0.0,
    pairs: Pairs | None = None,
    pair_penalty: float = 3.0,
    num_threads: int = 1,
) -> ItemItemWeights:
    """Solve a ridge regression for each label on the features that it is most often seen with.

    Neighbours are those that share the most images with the label, divided by the root of how many
    they have. No more is kept at once than the pairs of the matrix and one regression a thread, so
    memory is in proportion to the pairs.

    Parameters
    ----------
    matrix : csr_matrix of shape (n_images, n_labels)
        Canonical; values do not count.
    neighbours : int
        Features in a regression, at most.
    penalty, dropout, row_power, pairs, pair_penalty
        As in `ClosedForm`.
    num_threads : int
        Upper limit of the threads. The result does not depend on it.
    """
    n_labels = matrix.shape[1]
    pairs = Pairs.none(n_labels) if pairs is None else pairs
    features = pairs.features(matrix)
    columns = transposed(features)
    weights_of_rows = row_weights(matrix, row_power)
    counts = columns @ weights_of_rows
    penalties = penalty + dropout / (1 - dropout) * counts
    penalties[n_labels:] *= pair_penalty
    arrays = (
        features.indptr.astype(np.int64, copy=False),
        features.indices,
        columns.indptr.astype(np.int64, copy=False),
        columns.indices.astype(np.int32, copy=False),
        weights_of_rows,
        penalties,
        np.sqrt(np.maximum(counts, 1e-30)),
        pairs.parts,
    )
    neighbours = min(neighbours, len(counts))
    threads = effective_threads(num_threads)
    all_ids, all_weights, lengths = [], [], np.zeros(n_labels, np.int32)
    for start in range(0, n_labels, LABELS_AT_ONCE):
        found = lengths[start : start + LABELS_AT_ONCE]
        ids = np.zeros((len(found), neighbours), np.int32)
        weights = np.zeros((len(found), neighbours), np.float32)
        kernel.local_ridge(*arrays, start, ids, weights, found, threads)
        used = np.arange(neighbours) < found[:, None]
        all_ids.append(ids[used])
        all_weights.append(weights[used])
    indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    by_label = csr_matrix(
        (np.concatenate(all_weights), np.concatenate(all_ids), indptr), (n_labels, len(counts))
    )
    return ItemItemWeights(transposed(by_label), pairs)
