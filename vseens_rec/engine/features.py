"""Features of images as the kernel reads them, and the matrix that maps them to factors."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_matrix

from .._native import kernel, threads_for
from .._typing import Floats
from ..choices import FeatureMap
from .padding import padded

# features of an image of which a fourth is dropped; of many more, nearly a half
FEATURES_OF_A_FOURTH = 5.0
# what sums of squared gradients start from, for features whose rows have a length of 1
FIRST_SQUARES = 1e-6


class Features:
    """A row of features for every image, sparse or with a value of each feature.

    Parameters
    ----------
    values : ndarray of float32
        Those of all images, one after the other.
    indptr, indices : ndarray of int64 and of int32, or None
        Where the values of an image begin, and of which features they are; None: an image has a
        value of each.
    n_features : int
    names : list, optional
        What they are called, where they were columns of a frame.
    """

    def __init__(
        self,
        values: NDArray[np.float32],
        indptr: NDArray[np.int64] | None,
        indices: NDArray[np.int32] | None,
        n_features: int,
        names: list[Any] | None = None,
    ):
        self.values, self.indptr, self.indices = values, indptr, indices
        self.n_features, self.names = n_features, names

    @classmethod
    def of(cls, matrix: csr_matrix | NDArray[Any], names: list[Any] | None = None) -> Features:
        """Read a matrix; arrays are taken as they are where they have the types already."""
        if isinstance(matrix, np.ndarray):
            values = np.ascontiguousarray(matrix, dtype=np.float32)
            return cls(values.reshape(-1), None, None, values.shape[1], names)
        return cls(
            matrix.data.astype(np.float32, copy=False),
            matrix.indptr.astype(np.int64, copy=False),
            matrix.indices.astype(np.int32, copy=False),
            matrix.shape[1],
            names,
        )

    @classmethod
    def none(cls, n_images: int, n_features: int) -> Features:
        """Return what images have of which nothing is known."""
        return cls.of(csr_matrix((n_images, n_features), dtype=np.float32))

    def __len__(self) -> int:
        if self.indptr is None:
            return len(self.values) // self.n_features
        return len(self.indptr) - 1

    def rows(self, ids: NDArray[np.integer[Any]]) -> Features:
        """Return the features of some images."""
        if self.indptr is None or self.indices is None:
            return Features.of(self.values.reshape(len(self), self.n_features)[ids])
        shape = (len(self), self.n_features)
        matrix = csr_matrix((self.values, self.indices, self.indptr), shape, copy=False)
        return Features.of(matrix[ids])

    def part(self, start: int, stop: int) -> Features:
        """Return the features of images that follow each other, without a copy."""
        if self.indptr is None or self.indices is None:
            values = self.values[start * self.n_features : stop * self.n_features]
            return Features(values, None, None, self.n_features)
        indptr = self.indptr[start : stop + 1]
        within = slice(indptr[0], indptr[-1])
        return Features(
            self.values[within], indptr - indptr[0], self.indices[within], self.n_features
        )

    @cached_property
    def length(self) -> float:
        """The root of the mean squared length of a row; 1 where all is zero."""
        squares = float(np.dot(self.values, self.values)) if len(self.values) else 0.0
        return float(np.sqrt(squares / max(1, len(self)))) or 1.0

    @cached_property
    def usual_dropout(self) -> float:
        """The share of features to leave out of a visit: an image of few needs them all."""
        n = np.count_nonzero(self.values) / max(1, len(self))
        return float(0.5 * n / (n + FEATURES_OF_A_FOURTH))


class MapInTraining:
    """The matrix that maps features, with what AdaGrad remembers.

    Parameters
    ----------
    weights : ndarray of float32 of shape (n_features, stride)
        Padded and aligned; moved by the training.
    squares : ndarray of float32 of shape (n_features,)
        Sums of squared gradients, above 0; moved as well.
    """

    def __init__(self, weights: NDArray[np.float32], squares: NDArray[np.float32]):
        self.weights, self.squares = weights, squares

    @classmethod
    def zero(cls, features: Features, columns: int) -> MapInTraining:
        """Begin with a matrix of zeros for these features."""
        weights = kernel.aligned_rows(features.n_features, kernel.padded_width(columns))
        first = np.float32(max(FIRST_SQUARES * features.length**2, 1e-30))
        return cls(weights, np.full(features.n_features, first, np.float32))

    @classmethod
    def of(cls, fitted: FittedMap) -> MapInTraining:
        """Go on from a fitted matrix."""
        return cls(padded(fitted.weights, copy=True), fitted.squares.astype(np.float32))

    def of_images(self, features: Features, settings: FeatureMap) -> kernel.Features:
        """Return what the kernel trains on: the matrix for features of images."""
        return kernel.Features(
            features.values,
            features.indptr,
            features.indices,
            self.weights,
            self.squares,
            dropout=features.usual_dropout if settings.dropout is None else settings.dropout,
            regularization=settings.regularization * features.length**2,
            has_own=settings.image_ids,
        )

    def add_products(self, features: Features, out: NDArray[np.float32], num_threads: int) -> None:
        """Add to vectors of images the products of their features, each by its own alone."""
        if len(out):
            mapped = kernel.Features(
                features.values, features.indptr, features.indices, self.weights, self.squares
            )
            mapped.add_to(out, threads_for(len(features.values), num_threads))

    def fitted(self, columns: int, dtype: DTypeLike, names: list[Any] | None = None) -> FittedMap:
        """Return a copy, as a model keeps it."""
        weights = self.weights[:, :columns].astype(dtype, order="C")
        return FittedMap(weights, self.squares.copy(), names)


class FittedMap:
    """The matrix that a model maps features with.

    Attributes
    ----------
    weights : ndarray of shape (n_features, columns)
    squares : ndarray of float32 of shape (n_features,)
        What a warm start goes on with.
    names : list or None
        What the features are called, where they were columns of a frame.
    """

    def __init__(
        self, weights: Floats, squares: NDArray[np.float32], names: list[Any] | None = None
    ):
        self.weights, self.squares, self.names = weights, squares, names

    def __reduce__(self) -> tuple[Any, ...]:
        # what the kernel reads is aligned, which no copy would be
        return FittedMap, (self.weights, self.squares, self.names)

    @cached_property
    def in_kernel(self) -> MapInTraining:
        """The same, as the kernel reads it."""
        return MapInTraining.of(self)
