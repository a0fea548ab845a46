"""Vectors of images from their labels, by Newton's method on the loss that a training expects."""

from typing import Any, NamedTuple

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
    """Tell how many negatives a step of an image with few labels draws."""
    if not settings.selection.takes_highest or settings.candidates == 1:
        return NEGATIVES
    wanted = max(LEAST_OF_SEVERAL, NEGATIVES_OF_CANDIDATE * settings.candidates)
    return min(kernel.MOST_NEGATIVES, wanted)


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

    def shares(self, labels: NDArray[np.int32], seed: int, use_bias: bool) -> NDArray[np.float64]:
        """Share out the factors of a row among its labels, (n, columns without the bias).

        Every step goes where the labels of the row pull it, each to itself and away from the
        negatives that it is compared with, and where the penalty pulls what each has done so far.
        So the sum of the shares is the row that `run` computes, but for rounding.
        """
        n, k = len(labels), self.settings.factors
        stride = self.item_factors.shape[1]
        way = {
            "taken": np.zeros(STEPS + 1, np.float32),
            "vectors": np.zeros((STEPS, stride), np.float32),
            "negatives": np.zeros((STEPS, 2 * kernel.MOST_NEGATIVES), np.int32),
            "weights": np.zeros((STEPS, 2 * kernel.MOST_NEGATIVES), np.float32),
        }
        row = np.zeros((1, k + use_bias), np.float32)
        row[0, k:] = 1
        part = Part(np.array([0, n]), labels, np.zeros(1, np.int32), row)
        self.run(part, seed, 1, **way)
        own = self.item_factors[labels].astype(np.float64)
        matrix = self.first_step.matrix[:k, :k].astype(np.float64)
        taken = way["taken"].astype(np.float64)
        gaps = own[:, :k] - self.first_step.mean_negative[:k]
        shares = taken[0] / n * gaps @ matrix
        total: NDArray[np.float64] = np.zeros_like(shares)
        for step in range(STEPS):
            used = way["weights"][step] > 0
            negatives = self.item_factors[way["negatives"][step][used]].astype(np.float64)
            weights = way["weights"][step][used].astype(np.float64)
            vector = way["vectors"][step].astype(np.float64)
            gaps = (own @ vector)[:, None] - negatives @ vector
            slopes = special.expit(-gaps) * weights
            pulls = slopes.sum(axis=1)[:, None] * own[:, :k] - slopes @ negatives[:, :k]
            decay = self.settings.regularization_user
            if self.settings.regularize_violating_only:
                decay *= float(((gaps < 0) @ weights).mean())
            shares = shares + taken[step + 1] * ((pulls / n - decay * shares) @ matrix)
            if step:
                total += shares
        total /= STEPS - 1
        return total

    def run(self, part: Part, seed: int, n_threads: int, **way: NDArray[Any]) -> int:
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
            **way,
            anchored=self.settings.features is not None,
            penalty_own=self.settings.regularization_own,
        )
