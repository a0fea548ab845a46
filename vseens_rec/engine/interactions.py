"""The pairs of a matrix, converted once for all that reads them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .._native import kernel
from .features import Features

# numbers that are counted at once, as NumPy makes larger ones of them
COUNTED_AT_ONCE = 1 << 21


class Interactions:
    """The labels of every image, in the types that the kernel reads.

    Parameters
    ----------
    indptr : ndarray of int64
        Where the labels of an image begin; with the end as a last number.
    indices : ndarray of int32
        Labels, ascending within an image.
    n_labels : int
        There may be labels that no image has.
    values : ndarray or None
        What the pairs are worth; None: all alike.
    first_row : int
        Number of the first image where these are a part of more: random numbers go by it.
    popularity : ndarray of float64, optional
        How popular every label is; None: by the number of images that have it.
    features : Features, optional
        Features of the images.
    """

    def __init__(
        self,
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        n_labels: int,
        values: NDArray[Any] | None = None,
        first_row: int = 0,
        popularity: NDArray[np.float64] | None = None,
        features: Features | None = None,
    ):
        self.indptr, self.indices, self.values = indptr, indices, values
        self.shape = len(indptr) - 1, n_labels
        self.first_row = first_row
        self._popularity = popularity
        self.features = features

    @classmethod
    def of(
        cls,
        matrix: csr_matrix,
        popularity: NDArray[np.float64] | None = None,
        features: Features | None = None,
    ) -> Interactions:
        """Read a canonical matrix: sorted, without duplicates, every stored value > 0.

        Arrays are taken as they are where they have the types already.
        """
        return cls(
            matrix.indptr.astype(np.int64, copy=False),
            matrix.indices.astype(np.int32, copy=False),
            matrix.shape[1],
            matrix.data,
            popularity=popularity,
            features=features,
        )

    @property
    def n_pairs(self) -> int:
        """The number of pairs."""
        return len(self.indices)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """The number of labels of every image."""
        return np.diff(self.indptr)

    @cached_property
    def label_counts(self) -> NDArray[np.int64]:
        """The number of images of every label."""
        return count_labels(self.indices, self.shape[1])

    @property
    def popularity(self) -> NDArray[np.int64] | NDArray[np.float64]:
        """How popular every label is."""
        return self.label_counts if self._popularity is None else self._popularity

    @cached_property
    def running_values(self) -> NDArray[np.float64]:
        """The sums of the values of an image up to each of its pairs."""
        if self.values is None:
            raise ValueError("these pairs have no values")
        return kernel.running_sums(self.indptr, self.values.astype(np.float64))

    def labels_of_mean_pair(self) -> float:
        """Return the number of labels of a pair's image, averaged over the pairs."""
        lengths = self.lengths.astype(np.float64)
        return float((lengths**2).sum() / max(1.0, lengths.sum()))

    def matrix(self) -> csr_matrix:
        """Return the pairs as a matrix around the same arrays."""
        values = self.values
        if values is None:
            values = np.ones(self.n_pairs, dtype=np.float32)
        return csr_matrix((values, self.indices, self.indptr), shape=self.shape, copy=False)


def count_labels(indices: NDArray[np.int32], n_labels: int) -> NDArray[np.int64]:
    """Count the images of every label."""
    counts = np.zeros(n_labels, dtype=np.int64)
    for start in range(0, len(indices), COUNTED_AT_ONCE):
        counts += np.bincount(indices[start : start + COUNTED_AT_ONCE], minlength=n_labels)
    return counts
