"""Initial factors that follow from which labels appear together, by a truncated decomposition."""

import numpy as np
from numpy.typing import NDArray

from .._native import kernel, limit_blas
from .interactions import Interactions
from .settings import Settings
from .steps import choose_steps

Matrix = NDArray[np.float32]

# powers of the number of labels of an image, and of images of a label, that pairs are divided by
IMAGE_POWER = 0.25
LABEL_POWER = 0.4
# products with the pairs, and where labels are so many that these take long
PRODUCTS = 4
PRODUCTS_OF_MANY = 3
MANY_LABELS = 10_000
# of the random numbers of a seed, one that no epoch comes to
STREAM = (1 << 64) - 1
# of where a fold-in starts, as the training goes on from here for longer
SHARE_OF_START = 0.45
# directions weaker than that are rounding errors
LEAST_EIGENVALUE = 1e-6


class WeightedPairs:
    """The stored pairs, weighted by how many labels the image has and how many images the label."""

    def __init__(self, interactions: Interactions, num_threads: int):
        self.interactions = interactions
        self.shape = interactions.shape
        self.num_threads = num_threads
        counts = np.maximum(interactions.label_counts, 1)
        self.label_weights = (counts**-LABEL_POWER).astype(np.float32)[:, np.newaxis]

    def rows_of_labels(self, columns: int) -> Matrix:
        """Make an array of zeros that the kernel multiplies with."""
        width = -(-columns // kernel.SLICE) * kernel.SLICE
        return kernel.aligned_rows(self.shape[1], width)

    def multiply(self, labels: Matrix, out: Matrix) -> None:
        """Weigh the labels, in place, and multiply by the pairs and by their transpose.

        What comes out lacks the weights of the labels once more.
        """
        labels *= self.label_weights
        out[:] = 0
        kernel.multiply_pairs(
            self.interactions.indptr,
            self.interactions.indices,
            labels,
            out,
            -2 * IMAGE_POWER,
            self.num_threads,
        )


def make_orthonormal(columns: Matrix, out: Matrix) -> int:
    """Write an orthonormal basis of what the columns span, up to rounding errors.

    Return how many columns it has; further ones of `out` become zero.
    """
    values, vectors = np.linalg.eigh((columns.T @ columns).astype(np.float64))
    kept = values > LEAST_EIGENVALUE * max(values[-1], 1e-30)
    n_kept = int(kept.sum())
    combinations = (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    np.matmul(columns, combinations, out=out[:, :n_kept])
    out[:, n_kept:] = 0
    return n_kept


def label_directions(pairs: WeightedPairs, factors: int, seed: int) -> Matrix:
    """Place every label by the labels it appears with: rows of length 1, or zero.

    The columns are the first right singular vectors of the weighted pairs, by the subspace
    iteration of Halko, Martinsson and Tropp (SIAM Review 53, 2011), times the square roots of the
    singular values; fewer than `factors` where there are no more.
    """
    basis, products = (pairs.rows_of_labels(factors) for _ in range(2))
    # columns that fill what is multiplied at once cost nothing
    width = min(basis.shape[1], *pairs.shape)
    kernel.fill_normal(basis, width, 1.0, seed, STREAM, pairs.num_threads)
    n_products = PRODUCTS_OF_MANY if pairs.shape[1] > MANY_LABELS else PRODUCTS
    for _ in range(n_products - 1):
        pairs.multiply(basis, products)
        products *= pairs.label_weights
        width = make_orthonormal(products[:, :width], out=basis)
    pairs.multiply(basis, products)
    basis, products = basis[:, :width], products[:, :width]
    # the weights that the products lack are those that the basis has
    values, vectors = np.linalg.eigh((basis.T @ products).astype(np.float64))
    strongest = np.flatnonzero(values > LEAST_EIGENVALUE * max(values[-1], 1e-30))[::-1][:factors]
    # what was found is the basis times the values, once more in the direction of the strong ones
    scale = values[strongest] ** (0.25 - 1)
    directions: Matrix = products @ (vectors[:, strongest] * scale).astype(np.float32)
    directions *= pairs.label_weights
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    directions /= np.maximum(lengths, 1e-3 * max(float(lengths.mean()), 1e-30))
    return directions


def add_spectral_start(
    user_factors: Matrix,
    item_factors: Matrix,
    interactions: Interactions,
    settings: Settings,
    seed: int,
    num_threads: int,
) -> None:
    """Add to random factors what the pairs tell of labels and, by their labels, of images.

    Parameters
    ----------
    user_factors, item_factors : ndarray of float32
        Those of the labels padded; changed in place, in the columns that are no biases.
    interactions : Interactions
        The labels of the images.
    settings : Settings
        Of the training that follows: the scale of the images goes by its loss.
    seed : int
        64 bits, for the first directions.
    num_threads : int
        At least 1.
    """
    pairs = WeightedPairs(interactions, num_threads)
    labels = kernel.aligned_rows(*item_factors.shape)
    with limit_blas():
        directions = label_directions(pairs, settings.factors, seed)
    labels[:, : directions.shape[1]] = directions
    item_factors += labels
    # images start from the labels without their random part
    steps = choose_steps(settings, labels)
    kernel.start_rows(
        interactions.indptr,
        interactions.indices,
        user_factors,
        labels,
        settings.learned_columns(),
        steps.mean,
        SHARE_OF_START * steps.start,
        num_threads,
    )
