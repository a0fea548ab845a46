"""Which labels are held out, of rows of a canonical matrix."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .hashing import hash_of, hashes_of_labels, hashes_of_rows

# images whose labels are hidden, a third of all at most, since the rest has to tell of the labels
# what it would without; the share of their labels that is; with fewer images chance decides
MOST_IMAGES = 2000
FEWEST_IMAGES = 100
SHARE_OF_IMAGES = 1 / 3
SHARE_HIDDEN = 0.2


def hide_one_label(matrix: csr_matrix) -> tuple[csr_matrix, csr_matrix]:
    """Hide one label of every row that has two or more, chosen by the labels of the row alone.

    The label is that with the largest hash of (the row's sorted labels, the label), so the same
    one whatever the other rows and the order are.

    Parameters
    ----------
    matrix : csr_matrix
        Canonical: sorted, without duplicates, every stored value > 0.

    Returns
    -------
    known, hidden : csr_matrix
        Rows of `matrix` with two labels or more.
    """
    matrix = matrix[np.flatnonzero(np.diff(matrix.indptr) >= 2)]
    if not matrix.shape[0]:
        raise ValueError(
            "score hides one label of every image with two or more, but X has no such image: pass "
            "the held-out labels as y"
        )
    starts = matrix.indptr[:-1]
    of_row = hash_of(hashes_of_rows(matrix))
    values = hash_of(hashes_of_labels(matrix.indices) ^ np.repeat(of_row, np.diff(matrix.indptr)))
    largest = np.repeat(np.maximum.reduceat(values, starts), np.diff(matrix.indptr))
    hidden = values == largest
    return part(matrix, ~hidden), part(matrix, hidden)


def split_rows(
    matrix: csr_matrix, rows: NDArray[np.integer[Any]], share: float, seed: int
) -> tuple[csr_matrix, csr_matrix]:
    """Hold out a share of the labels of some rows, at least one, and leave at least one.

    `matrix` is canonical, and the rows have two labels or more.
    """
    lengths = np.diff(matrix.indptr)
    counts = np.zeros(len(lengths), dtype=np.int64)
    counts[rows] = np.clip(np.rint(share * lengths[rows]), 1, lengths[rows] - 1)
    return split_counts(matrix, counts, seed)


def validation_split(matrix: csr_matrix, fraction: float) -> tuple[csr_matrix, csr_matrix]:
    """Hold out one label of about a fraction of the images that have two or more, at least one.

    Images and labels are chosen by hashes of the images' labels alone, so that trainings that
    follow each other, on more images too, hold out the same ones.
    """
    lengths = np.diff(matrix.indptr)
    several = np.flatnonzero(lengths >= 2)
    if not len(several):
        raise ValueError(
            "early_stopping holds out one label of images with two or more, but X has no such "
            "image: use early_stopping=False"
        )
    hashes = hash_of(hashes_of_rows(matrix)[several])
    chosen = several[hashes < np.uint64(fraction * 2**64)]
    if not len(chosen):
        chosen = several[[hashes.argmin()]]
    n_images = len(chosen)
    _, hidden = hide_one_label(matrix[chosen])
    place = csr_matrix(
        (np.ones(n_images, dtype=matrix.dtype), (chosen, np.arange(n_images))),
        shape=(matrix.shape[0], n_images),
    )
    held_out = (place @ hidden).tocsr()
    train = (matrix - held_out).tocsr()
    train.eliminate_zeros()
    train.sort_indices()
    held_out.sort_indices()
    return train, held_out


def split_counts(
    matrix: csr_matrix, counts: NDArray[np.integer[Any]], seed: int
) -> tuple[csr_matrix, csr_matrix]:
    """Hold out so many random labels of every row."""
    generator = np.random.default_rng(seed)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    shuffled = np.lexsort((generator.random(matrix.nnz), rows))
    place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
    held_out = np.empty(matrix.nnz, dtype=bool)
    held_out[shuffled] = place < counts[rows]
    return part(matrix, ~held_out), part(matrix, held_out)


def part(matrix: csr_matrix, kept: NDArray[np.bool_]) -> csr_matrix:
    """Return the stored values that are marked, in a matrix of the same shape."""
    before = np.concatenate([[0], np.cumsum(kept)])
    return csr_matrix(
        (matrix.data[kept], matrix.indices[kept], before[matrix.indptr]), shape=matrix.shape
    )


def images_to_try(matrix: csr_matrix, seed: int) -> NDArray[np.int64]:
    """Choose images with two labels or more, none where there are too few."""
    several = np.flatnonzero(np.diff(matrix.indptr) >= 2)
    if len(several) < FEWEST_IMAGES:
        return several[:0]
    generator = np.random.Generator(np.random.PCG64([seed, len(several)]))
    most = min(MOST_IMAGES, max(FEWEST_IMAGES, int(SHARE_OF_IMAGES * len(several))))
    return np.sort(generator.permutation(several)[:most])


class Holdout(NamedTuple):
    """Some labels of some images, to compare models by how high they rank them.

    Attributes
    ----------
    rows : ndarray of int
        Rows of the matrix.
    known, hidden : csr_matrix of shape (len(rows), n_labels)
        Their labels.
    train : csr_matrix of shape (n_images, n_labels)
        The matrix without what is hidden.
    """

    rows: NDArray[np.int64]
    known: csr_matrix
    hidden: csr_matrix
    train: csr_matrix

    @classmethod
    def of(
        cls, matrix: csr_matrix, seed: int, seed_of_labels: int | None = None
    ) -> "Holdout | None":
        """Hide a fifth of the labels of some images; None where there are too few.

        The labels have a seed of their own if one is given.
        """
        rows = images_to_try(matrix, seed)
        if not len(rows):
            return None
        seed = seed if seed_of_labels is None else seed_of_labels
        train, hidden = split_rows(matrix, rows, SHARE_HIDDEN, seed)
        return cls(rows, train[rows], hidden[rows], train)

    def some(self, n: int) -> "Holdout":
        """Keep so many of the images, of the same training."""
        if n >= len(self.rows):
            return self
        places = np.arange(n) * len(self.rows) // n
        return Holdout(self.rows[places], self.known[places], self.hidden[places], self.train)
