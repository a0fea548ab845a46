"""Sizes and start of the steps of a row while the factors that it is compared with stay."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._native import kernel, limit_blas
from .settings import Settings

# where the steps of an image start, in units of the scores over the variance of the labels
START = 2.3
# where labels hardly differ and no penalty bounds it
LARGEST_STEP = 1000.0
# how much more of the negatives have a bias that is a standard deviation larger, as a logarithm
BIAS_OF_NEGATIVES = 0.45
LABELS_AT_ONCE = 1 << 14


class Steps(NamedTuple):
    """How the factors of a row are found: the size of a step, and where the first one starts.

    In the spectral start a row with n labels starts from `start` times the sum of what its labels'
    factors differ from the mean of all, divided by the root of n: where the steps lead to, as far
    as a line goes.

    Attributes
    ----------
    size, start : float
    unit : float
        Of the scores, and so of the row's factors.
    variance : float
        The sum of the variances of the factors over the labels.
    mean : ndarray of float32
        The mean of all labels' rows, padded and aligned as they are.
    """

    size: float
    start: float
    unit: float
    variance: float
    mean: NDArray[np.float32]


class FirstStep(NamedTuple):
    """Newton's step of a row from zero, if its negatives were normal around their mean.

    Attributes
    ----------
    matrix : ndarray of float32
        The inverse of the curvature that all rows have in common, padded and aligned.
    mean_negative : ndarray of float32
        The row of a mean negative, padded and aligned.
    """

    matrix: NDArray[np.float32]
    mean_negative: NDArray[np.float32]


def choose_steps(settings: Settings, item_factors: NDArray[np.float32]) -> Steps:
    """Choose steps that move scores by as much, whatever the scale of the labels' factors.

    A step on a positive and a negative changes the difference of their scores by the step times
    their squared distance, which is on average twice the sum of the variances of the factors. What
    is best in these units was found by measurement for every loss.
    """
    mean = item_factors.mean(axis=0, dtype=np.float64)
    row = kernel.aligned_rows(1, len(mean))[0]
    row[:] = mean
    factors, mean = item_factors[:, : settings.factors], mean[: settings.factors]
    squares = float(np.einsum("lf,lf->", factors, factors, dtype=np.float64))
    variance = max(0.0, squares / len(factors) - float(mean @ mean))
    if not variance > 0:
        return Steps(settings.learning_rate, 0.0, 1.0, variance, row)
    unit, scale = settings.loss.fold_in_scale(
        hard=not settings.selection.takes_all, cosine=settings.cosine
    )
    # the square of a small temperature may be 0
    scale = max(scale, 1e-300)
    rank_weights = settings.rank_weights(len(item_factors))
    if rank_weights is not None and len(rank_weights) > 1:
        scale /= max(1.0, rank_weights[-1] / 2)
    size = min(scale / variance, LARGEST_STEP)
    if settings.regularization_user > 0:
        # labels that hardly differ must not turn the penalty into a jump
        size = min(size, 0.5 / settings.regularization_user)
    return Steps(size, size * START * unit / scale, unit, variance, row)


def choose_first_step(
    settings: Settings, item_factors: NDArray[np.float32], penalty: float
) -> FirstStep:
    """Take the mean and the curvature of negatives from labels that a ranking has at its head.

    The logistic loss of a pair has a curvature of a quarter of its gap's square at zero. How likely
    a label is a negative, the model tells by its length and its bias. The penalty is of a pair.
    """
    k = settings.factors
    row = kernel.aligned_rows(1, item_factors.shape[1])[0]
    matrix = kernel.aligned_rows(item_factors.shape[1], item_factors.shape[1])
    weights = np.linalg.norm(item_factors[:, :k], axis=1).astype(np.float64)
    if settings.use_bias:
        biases = item_factors[:, k].astype(np.float64)
        spread = biases.std()
        if spread > 0:
            weights *= np.exp(BIAS_OF_NEGATIVES * (biases - biases.max()) / spread)
    if not weights.sum() > 0:
        return FirstStep(matrix, row)
    weights /= weights.sum()
    mean = np.zeros(k)
    squares = np.zeros((k, k))
    # the order of the sums does not depend on threads
    with limit_blas():
        for start in range(0, len(item_factors), LABELS_AT_ONCE):
            part = item_factors[start : start + LABELS_AT_ONCE, :k].astype(np.float64)
            weighted = part * weights[start : start + LABELS_AT_ONCE, np.newaxis]
            mean += weighted.sum(axis=0)
            squares += part.T @ weighted
        curvature = 0.25 * (squares - np.outer(mean, mean))
        # no step is longer than those that follow may be, whatever the labels' scale
        least = max(1e-6 * np.trace(curvature) / k, 1 / LARGEST_STEP)
        curvature[np.diag_indices(k)] += max(penalty, least)
        matrix[:k, :k] = np.linalg.inv(curvature)
    row[:k] = mean
    return FirstStep(matrix, row)
