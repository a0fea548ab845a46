"""Factors of images that were not trained on, from their labels, with the labels' factors fixed."""

import numpy as np
from scipy.sparse import csr_matrix

from ._native import kernel
from .training import MAX_PAIRS_PER_CALL, Settings, threads_for

# passes over the labels of an image; the result is the mean after each of the later half
SWEEPS = 20
# one seed for all: the random numbers of an image depend on its labels alone
SEED = 1801_01632


def step_size(settings: Settings, item_factors: np.ndarray, rank_weights) -> float:
    """Choose a step that moves scores by as much, whatever the scale of the labels' factors.

    A step on a positive and a negative changes the difference of their scores by the step times
    their squared distance, which is on average twice the sum of the variances of the factors. What
    is best in these units was found by measurement for every loss.
    """
    variance = float(item_factors[:, : settings.factors].astype(np.float64).var(axis=0).sum())
    if not variance > 0:
        return settings.learning_rate
    margin = settings.margin if settings.margin > 0 else 1.0
    if settings.loss == "softmax":
        scale = 0.5 * settings.temperature**2
    elif settings.loss == "sgns":
        scale = 0.4
    elif settings.cosine:
        scale = 0.1
    elif settings.loss == "logistic":
        # harder negatives have steeper losses
        scale = 2.5 if settings.selection == "first" else 0.75
    else:
        scale = 0.25 * margin
    if rank_weights is not None and len(rank_weights) > 1:
        scale /= max(1.0, rank_weights[-1] / 2)
    step = scale / variance
    if settings.regularization_user > 0:
        # labels that hardly differ must not turn the penalty into a jump
        step = min(step, 0.5 / settings.regularization_user)
    return step


class FoldIn:
    """Stochastic gradient descent for single rows, each from zero and by its labels alone.

    Parameters
    ----------
    settings : Settings
        Those of the training: the same sampler, selection, loss and penalty.
    item_factors : ndarray of float32
        Padded and aligned; kept as it is.
    sampler : Sampler
        Of the settings; its tables are made anew for these factors.
    group_size : int
        Negatives that the "group" selection keeps.
    num_threads : int
        Upper limit of the threads for the tables.
    """

    def __init__(
        self, settings: Settings, item_factors: np.ndarray, sampler, group_size: int, num_threads
    ):
        self.settings = settings
        self.item_factors = item_factors
        self.sampler = sampler
        self.group_size = group_size
        self.rank_weights = settings.rank_weights(len(item_factors))
        self.learning_rate = step_size(settings, item_factors, self.rank_weights)
        sampler.refresh(item_factors, num_threads)

    def agrees_with(self, settings: Settings, item_factors: np.ndarray) -> bool:
        """Tell whether this was made for the same settings and factors (without padding)."""
        columns = settings.columns
        return (
            settings == self.settings
            and item_factors.shape == (len(self.item_factors), columns)
            and np.array_equal(self.item_factors[:, :columns], item_factors)
        )

    def users(
        self, user_items: csr_matrix, num_threads: int, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Compute the padded factors of rows; ones that hold no label or every label stay zero.

        Parameters
        ----------
        user_items : csr_matrix
            Canonical: sorted, without duplicates, every stored value > 0.
        num_threads : int
            At least 1. The result does not depend on it.
        out : ndarray, optional
            Padded and aligned rows to overwrite, some at a time: after an interrupt each row is
            the old one or the new one.
        """
        n_rows, n_labels = user_items.shape
        if out is None:
            out = kernel.aligned_rows(n_rows, self.item_factors.shape[1])
        indptr = user_items.indptr.astype(np.int64, copy=False)
        indices = user_items.indices.astype(np.int32, copy=False)
        if not len(indices):
            indices = np.zeros(1, dtype=np.int32)
        lengths = np.diff(indptr)
        foldable = lengths > 0
        if self.settings.verify_negative_samples:
            foldable &= lengths < n_labels
        weighted = self.settings.positive_sampling == "weighted"
        running_values = None
        if weighted:
            running_values = kernel.running_sums(indptr, user_items.data.astype(np.float64))
        options = self.settings.kernel_options(n_labels) | {"auto_group": False}
        start = 0
        while start < n_rows:
            work = indptr[start] + MAX_PAIRS_PER_CALL // SWEEPS
            stop = max(start + 1, int(np.searchsorted(indptr, work)))
            stop = min(n_rows, stop)
            rows = (start + np.flatnonzero(foldable[start:stop])).astype(np.int32)
            out[start:stop] = 0
            if self.settings.use_bias:
                out[start:stop, self.settings.factors] = 1
            kernel.train(
                self.sampler,
                indptr,
                indices,
                rows,
                lengths[rows].astype(np.int32) if weighted else None,
                running_values,
                out,
                self.item_factors,
                self.settings.learned_columns(),
                self.rank_weights,
                **options,
                learning_rate=self.learning_rate,
                group_size=self.group_size,
                seed=SEED,
                epoch=0,
                n_threads=threads_for(SWEEPS * int(lengths[rows].sum()), num_threads),
                sweeps=SWEEPS,
            )
            start = stop
        return out


def padded(factors: np.ndarray) -> np.ndarray:
    """Copy factors to rows as the kernel takes them."""
    n_rows, columns = factors.shape
    rows = kernel.aligned_rows(n_rows, kernel.padded_width(columns))
    rows[:, :columns] = factors
    return rows
