"""Initial factors that follow from which labels appear together, by a truncated decomposition."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ._native import limit_blas
from .steps import choose_steps, variance_of

if TYPE_CHECKING:
    from .training import Settings

Matrix = NDArray[np.float32]

# powers of the number of labels of an image, and of images of a label, that pairs are divided by
IMAGE_POWER = 0.25
LABEL_POWER = 0.4
# power iterations, and directions that are carried along beyond those wanted
ITERATIONS = 3
OVERSAMPLING = 10
# of where a fold-in starts, as the training goes on from here for longer
SHARE_OF_START = 0.45
# directions weaker than that are rounding errors
LEAST_EIGENVALUE = 1e-6
# rows multiplied at once, or as many as there are labels, so that what is between two products is
# no larger than the labels' factors
MOST_ROWS = 1 << 14


class Pairs:
    """The stored pairs, multiplied with weights, in blocks of rows and by several threads."""

    def __init__(self, user_items: csr_matrix, num_threads: int):
        self.indptr, self.indices = user_items.indptr, user_items.indices
        self.shape: tuple[int, int] = user_items.shape
        self.num_threads = num_threads
        counts = np.maximum(np.bincount(self.indices, minlength=self.shape[1]), 1)
        self.label_weights = (counts**-LABEL_POWER).astype(np.float32)

    def together(self, labels: Matrix) -> Matrix:
        """Multiply by the transpose of the weighted pairs times the weighted pairs."""

        def multiply(rows: slice) -> Matrix:
            block = self.block(rows, IMAGE_POWER, self.label_weights)
            product: Matrix = block.T @ (block @ labels)
            return product

        total = np.zeros_like(labels)
        with ThreadPoolExecutor(self.num_threads) as pool:
            for product in pool.map(multiply, self.blocks()):
                total += product
        return total

    def add_sums(self, labels: Matrix, out: Matrix) -> None:
        """Add to every image the sum over its labels, divided by the root of their number."""

        def add(rows: slice) -> None:
            out[rows] += self.block(rows, 0.5) @ labels

        with ThreadPoolExecutor(self.num_threads) as pool:
            for _ in pool.map(add, self.blocks()):
                pass

    def blocks(self) -> list[slice]:
        """Divide the rows among the threads, or further."""
        n_rows, n_labels = self.shape
        size = min(-(-n_rows // self.num_threads), max(MOST_ROWS, n_labels))
        return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]

    def block(
        self, rows: slice, image_power: float, label_weights: Matrix | None = None
    ) -> csr_matrix:
        """Weigh the pairs of some rows by how many labels these have, and by the label."""
        first, last = self.indptr[rows.start], self.indptr[rows.stop]
        indices = self.indices[first:last]
        indptr = self.indptr[rows.start : rows.stop + 1] - first
        lengths = np.diff(indptr)
        weights = np.repeat((np.maximum(lengths, 1) ** -image_power).astype(np.float32), lengths)
        if label_weights is not None:
            weights *= label_weights[indices]
        return csr_matrix((weights, indices, indptr), shape=(len(lengths), self.shape[1]))


def orthonormal(columns: Matrix) -> Matrix:
    """Return an orthonormal basis of what the columns span, up to rounding errors."""
    values, vectors = np.linalg.eigh((columns.T @ columns).astype(np.float64))
    kept = values > LEAST_EIGENVALUE * max(values[-1], 1e-30)
    basis: Matrix = columns @ (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    return basis


def label_directions(pairs: Pairs, factors: int, generator: np.random.Generator) -> Matrix:
    """Place every label by the labels it appears with: rows of length 1, or zero.

    The columns are the first right singular vectors of the weighted pairs, by the subspace
    iteration of Halko, Martinsson and Tropp (SIAM Review 53, 2011), times the square roots of the
    singular values; fewer than `factors` where there are no more.
    """
    width = min(factors + OVERSAMPLING, *pairs.shape)
    basis = generator.standard_normal((pairs.shape[1], width), dtype=np.float32)
    found = pairs.together(basis)
    for _ in range(ITERATIONS - 1):
        basis = orthonormal(found)
        found = pairs.together(basis)
    values, vectors = np.linalg.eigh((basis.T @ found).astype(np.float64))
    strongest = np.flatnonzero(values > LEAST_EIGENVALUE * max(values[-1], 1e-30))[::-1][:factors]
    # what was found is the basis times the values, once more in the direction of the strong ones
    scale = values[strongest] ** (0.25 - 1)
    directions: Matrix = found @ (vectors[:, strongest] * scale).astype(np.float32)
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    directions /= np.maximum(lengths, 1e-3 * max(float(lengths.mean()), 1e-30))
    return directions


def add_spectral_start(
    user_factors: Matrix,
    item_factors: Matrix,
    user_items: csr_matrix,
    settings: "Settings",
    generator: np.random.Generator,
    num_threads: int,
) -> None:
    """Add to random factors what the pairs tell of labels and, by their labels, of images.

    Parameters
    ----------
    user_factors, item_factors : ndarray of float32
        Padded; changed in place, in the columns that are no biases.
    user_items : csr_matrix
        Canonical; the values do not matter.
    settings : Settings
        Of the training that follows: the scale of the images goes by its loss.
    generator : numpy.random.Generator
        For the first directions.
    num_threads : int
        At least 1.
    """
    pairs = Pairs(user_items, num_threads)
    with limit_blas():
        labels = label_directions(pairs, settings.factors, generator)
        found = slice(0, labels.shape[1])
        item_factors[:, found] += labels
        variance = variance_of(settings, labels)
        start = choose_steps(settings, variance, settings.rank_weights(len(labels))).start
        labels -= labels.mean(axis=0, dtype=np.float64)
        labels *= SHARE_OF_START * start
        pairs.add_sums(labels, user_factors[:, found])
