"""Sizes and start of the steps of a row while the factors that it is compared with stay."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._native import kernel

if TYPE_CHECKING:
    from .training import Settings

# where the steps of an image start, in units of the scores over the variance of the labels
START = 2.3
# where labels hardly differ and no penalty bounds it
LARGEST_STEP = 1000.0


class Steps(NamedTuple):
    """How the factors of a row are found: the size of a step, and where the first one starts.

    A row with n labels starts from `start` times the sum of what its labels' factors differ from
    the mean of all, divided by the root of n: where the steps lead to, as far as a line goes.

    Attributes
    ----------
    size, start : float
    variance : float
        The sum of the variances of the factors over the labels.
    mean : ndarray of float32
        The mean of all labels' rows, padded and aligned as they are.
    """

    size: float
    start: float
    variance: float
    mean: NDArray[np.float32]


def choose_steps(settings: "Settings", item_factors: NDArray[np.float32]) -> Steps:
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
        return Steps(settings.learning_rate, 0.0, variance, row)
    margin = settings.margin if settings.margin > 0 else 1.0
    # of the scores, and so of the row's factors
    unit = 1.0
    if settings.loss == "softmax":
        unit = settings.temperature
        scale = (0.6 if settings.cosine else 0.5) * settings.temperature**2
    elif settings.loss == "sgns":
        scale = 0.25
    elif settings.cosine:
        scale = 0.1
    elif settings.loss == "logistic":
        # harder negatives have steeper losses
        scale = 1.25 if settings.selection == "first" else 0.5
    else:
        unit = margin if settings.loss == "warp" else 0.65 * margin
        scale = 0.15 * margin
    # the square of a small temperature may be 0
    scale = max(scale, 1e-300)
    rank_weights = settings.rank_weights(len(item_factors))
    if rank_weights is not None and len(rank_weights) > 1:
        scale /= max(1.0, rank_weights[-1] / 2)
    size = min(scale / variance, LARGEST_STEP)
    if settings.regularization_user > 0:
        # labels that hardly differ must not turn the penalty into a jump
        penalties = 1
        if settings.share_candidates:
            penalties = kernel.pairs_drawn_together(settings.candidates, True)
        size = min(size, 0.5 / (penalties * settings.regularization_user))
    return Steps(size, size * START * unit / scale, variance, row)
