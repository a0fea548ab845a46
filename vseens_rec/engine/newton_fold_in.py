"""Vectors of images from their labels, by Newton's method on the loss that a training expects."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .._native import kernel
from .settings import Settings
from .steps import choose_first_step

# steps of an image after the first, and how much of Newton's each of them is; the result is the
# mean after all but one
STEPS = 3
SHARE_OF_NEWTON = 0.5
# of an image that starts from what its features say, which has no first step to look back on
STEPS_FROM_FEATURES = 4
# negatives of a step, twice as many for images with more labels than that
NEGATIVES = 32
FEW_LABELS = 12
# where the highest of several are taken, most of those that are drawn count little
LEAST_OF_SEVERAL = 128
NEGATIVES_OF_CANDIDATE = 16


class Part(NamedTuple):
    """Some rows: their pairs, which of them are computed, and where their factors go."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    rows: NDArray[np.int32]
    factors: NDArray[np.float32]


def is_expected(settings: Settings) -> bool:
    """Tell whether the loss that a training expects of its draws is known here, and smooth."""
    return (
        settings.loss.has_newton_steps
        and not settings.selection.counts_trials
        and settings.positive_sampling != "weighted"
        and not settings.cosine
    )


def negatives_of_step(settings: Settings) -> int:
    """Tell how many negatives a step of an image with few labels draws: a power of two."""
    if not settings.selection.takes_highest or settings.candidates == 1:
        return NEGATIVES
    wanted = max(LEAST_OF_SEVERAL, NEGATIVES_OF_CANDIDATE * settings.candidates)
    return int(min(kernel.MOST_NEGATIVES, 2 ** math.ceil(math.log2(wanted))))


def chances_of(settings: Settings, group_size: int, n_drawn: int) -> NDArray[np.float32] | None:
    """Tell how likely a negative is chosen, by its place among those drawn; None: all alike."""
    selection, candidates = settings.selection, settings.candidates
    chosen = candidates
    if selection.takes_highest:
        chosen = 1 if selection.gives_one else group_size
    if chosen >= candidates:
        return None
    shares = np.arange(n_drawn + 1) / n_drawn
    # the chance that one of the candidates, counted from the highest, is one of the first so many
    below = [special.betainc(i + 1, candidates - i, shares) for i in range(chosen)]
    chances: NDArray[np.float64] = np.diff(np.sum(below, axis=0)) / chosen
    return chances.astype(np.float32)


class NewtonFoldIn:
    """Newton's method for single rows, each by its labels alone.

    Parameters
    ----------
    settings : Settings
        Those of a training whose loss is_expected().
    item_factors : ndarray of float32
        Padded and aligned.
    sampler : Sampler
        Of the settings, with tables for these factors.
    group_size : int
        Negatives that a group has.
    penalty : float
        Of a pair of a usual image.
    """

    def __init__(
        self,
        settings: Settings,
        item_factors: NDArray[np.float32],
        sampler: kernel.Sampler,
        group_size: int,
        penalty: float,
    ):
        self.settings, self.item_factors, self.sampler = settings, item_factors, sampler
        self.learns = settings.learned_columns()
        self.first_step = choose_first_step(settings, item_factors, penalty)
        self.n_negatives = negatives_of_step(settings)
        self.chances_of_few, self.chances_of_many = (
            chances_of(settings, group_size, n_drawn)
            for n_drawn in (self.n_negatives, 2 * self.n_negatives)
        )

    def run(self, part: Part, seed: int, n_threads: int) -> int:
        """Compute the factors of rows; return how many are not finite."""
        return kernel.fold_rows(
            self.sampler,
            *part,
            self.item_factors,
            self.learns,
            self.first_step.matrix,
            self.first_step.mean_negative,
            self.chances_of_few,
            self.chances_of_many,
            n_negatives=self.n_negatives,
            pairs_of_few=FEW_LABELS,
            steps=STEPS if self.settings.features is None else STEPS_FROM_FEATURES,
            size=SHARE_OF_NEWTON,
            penalty=self.settings.regularization_user,
            regularize_violating_only=self.settings.regularize_violating_only,
            verify=self.settings.verify_negative_samples,
            seed=seed,
            n_threads=n_threads,
            anchored=self.settings.features is not None,
            penalty_own=self.settings.regularization_own,
        )
