"""Factors of images that were not trained on, from their labels, with the labels' factors fixed."""

import time
from functools import cached_property

import numpy as np
from implicit.recommender_base import ModelFitError
from numpy.typing import NDArray

from .._native import kernel, threads_for
from .._typing import Floats
from .call_size import CallSize
from .features import MapInTraining
from .hashing import first_of_equal_rows
from .interactions import Interactions
from .newton_fold_in import NewtonFoldIn, Part, is_expected
from .settings import Settings
from .steps import choose_first_step, choose_steps

# of gradient descent: passes over the labels of an image, more for those with few labels up to so
# many steps; the result is the mean after each of the later half
SWEEPS = 8
LEAST_STEPS = 96
# an image of more labels takes smaller steps with each
PAIRS_OF_FULL_STEPS = 32
# labels of an image for which the steps from its features are made: the penalty of what it learns
# beside them is shared among its labels
USUAL_LABELS = 4
# rows computed at once: no more memory than that beside the result
MOST_ROWS = 1 << 16
# one seed for all: the random numbers of an image depend on its labels alone
SEED = 1801_01632


class FoldIn:
    """Newton's method or stochastic gradient descent for single rows, each by its labels alone.

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
    pairs : object
        What the sampler's weights were counted from, where it has any.
    feature_map : MapInTraining, optional
        What maps the features of images, where they have any.
    """

    def __init__(
        self,
        settings: Settings,
        item_factors: NDArray[np.float32],
        sampler: kernel.Sampler,
        group_size: int,
        num_threads: int,
        pairs: object = None,
        feature_map: MapInTraining | None = None,
    ):
        self.settings = settings
        self.feature_map = feature_map
        self.pairs = pairs
        self.item_factors = item_factors
        self.sampler = sampler
        self.group_size = group_size
        self.rank_weights = settings.rank_weights(len(item_factors))
        if not np.isfinite(item_factors).all():
            raise ValueError("item_factors are not finite: nothing can be folded in")
        self.steps = choose_steps(settings, item_factors)
        sampler.refresh(item_factors, num_threads)

    @cached_property
    def newton(self) -> NewtonFoldIn | None:
        """What folds images in where the loss is expected."""
        if not is_expected(self.settings):
            return None
        return NewtonFoldIn(
            self.settings, self.item_factors, self.sampler, self.group_size, self._penalty
        )

    @property
    def _penalty(self) -> float:
        """The penalty of a pair of an image."""
        if self.feature_map is None:
            return self.settings.regularization_user
        return self.settings.regularization_own / USUAL_LABELS

    @cached_property
    def training(self) -> kernel.Training:
        """What folds images in where it is not; labels need none."""
        first_step = choose_first_step(self.settings, self.item_factors, self._penalty)
        return self.settings.make_training(
            self.sampler,
            self.item_factors,
            measures_cosines=False,
            # its steps are chosen by the scale of the factors
            damped=False,
            pairs_of_full_steps=PAIRS_OF_FULL_STEPS,
            sweeps=SWEEPS,
            least_steps=LEAST_STEPS,
            first_step=first_step.matrix,
            mean_negative=first_step.mean_negative,
            unit=self.steps.unit,
            anchored=self.feature_map is not None,
        )

    def agrees_with(
        self,
        settings: Settings,
        item_factors: Floats,
        group_size: int,
        pairs: object,
        feature_map: MapInTraining | None,
    ) -> bool:
        """Tell whether this was made for the same settings and factors (without padding)."""
        columns = settings.columns
        return (
            settings == self.settings
            and group_size == self.group_size
            and pairs is self.pairs
            and feature_map is self.feature_map
            and item_factors.shape == (len(self.item_factors), columns)
            and same_rows(self.item_factors, item_factors)
        )

    def users(
        self, interactions: Interactions, num_threads: int, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Compute the factors of rows; with nothing to compare they are zero, but for the bias.

        Parameters
        ----------
        interactions : Interactions
            The labels of every row, and its features where there is a map.
        num_threads : int
            At least 1. The result does not depend on it.
        out : ndarray, optional
            Rows to overwrite, some at a time: after an interrupt each row is the old one or the
            new one.
        """
        n_rows, n_labels = interactions.shape
        if out is None:
            out = np.zeros((n_rows, self.settings.columns), np.float32)
        indptr, indices, lengths = interactions.indptr, interactions.indices, interactions.lengths
        if not len(indices):
            indices = np.zeros(1, dtype=np.int32)
        foldable = lengths > 0
        if self.settings.features is not None and not self.settings.features.image_ids:
            # images are what their features say
            foldable[:] = False
        if self.settings.verify_negative_samples:
            foldable &= lengths < n_labels
        weighted = self.settings.positive_sampling == "weighted"
        if n_rows == 1 and not weighted:
            # what follows for many would take longer than the row
            row = self._start(interactions, 0, 1, 1)
            if foldable[0]:
                self._fold(Part(indptr, indices, np.zeros(1, np.int32), row), None, None, 1)
            out[:] = row
            return out
        running_values = None
        own = np.arange(n_rows)
        first = own
        if weighted:
            running_values = interactions.running_values
        elif self.feature_map is None:
            # many images have the labels of another one: where labels are few, most
            first = first_of_equal_rows(interactions)
        computed = foldable & (first == own)
        steps = np.where(computed, np.maximum(SWEEPS * lengths.astype(np.int64), LEAST_STEPS), 0)
        steps_before = np.concatenate([[0], np.cumsum(steps)])
        n_threads = threads_for(int(steps_before[-1]), num_threads)
        call_size = CallSize()
        start = 0
        while start < n_rows:
            work = steps_before[start] + call_size.pairs
            stop = max(start + 1, int(np.searchsorted(steps_before, work)))
            stop = min(n_rows, stop, start + MOST_ROWS)
            rows = np.flatnonzero(computed[start:stop]).astype(np.int32)
            block = self._start(interactions, start, stop, num_threads)
            started = time.perf_counter()
            part = Part(indptr[start : stop + 1], indices, rows, block)
            draws = lengths[start:stop][rows].astype(np.int32) if weighted else None
            self._fold(part, draws, running_values, n_threads)
            n_steps = int(steps_before[stop] - steps_before[start])
            call_size.record(n_steps, time.perf_counter() - started)
            copies = np.flatnonzero(foldable[start:stop] & ~computed[start:stop])
            originals = first[start + copies]
            within = originals >= start
            block[copies[within]] = block[originals[within] - start]
            block[copies[~within]] = out[originals[~within]]
            out[start:stop] = block
            start = stop
        return out

    def shares(self, labels: NDArray[np.int32]) -> NDArray[np.float64] | None:
        """Share out an image's factors among its labels, (n, factors), or return None.

        The sum over the labels is what `users` computes, without the bias and but for rounding;
        steps on single pairs, with other losses than the logistic one, are no such sum, and
        neither are factors that start from features.
        """
        settings, n_labels = self.settings, len(self.item_factors)
        if self.newton is None or settings.features is not None:
            return None
        if not len(labels) or (settings.verify_negative_samples and len(labels) >= n_labels):
            return np.zeros((len(labels), settings.factors))
        return self.newton.shares(labels, SEED, settings.use_bias)

    def _start(
        self, interactions: Interactions, start: int, stop: int, num_threads: int
    ) -> NDArray[np.float32]:
        """Return the factors of some images of which no label is known."""
        settings, lengths = self.settings, interactions.lengths[start:stop]
        block = np.zeros((stop - start, settings.columns), np.float32)
        block[:, settings.factors :] = settings.fixed_columns(lengths)
        if self.feature_map is not None:
            assert interactions.features is not None
            self.feature_map.add_products(
                interactions.features.part(start, stop), block, num_threads
            )
        return block

    def _fold(
        self,
        part: Part,
        draws: NDArray[np.int32] | None,
        running_values: NDArray[np.float64] | None,
        n_threads: int,
    ) -> None:
        not_finite: float
        if self.newton is not None:
            not_finite = self.newton.run(part, SEED, n_threads)
        else:
            counts = self.training.run(
                *part,
                draws=draws,
                running_values=running_values,
                learning_rate=self.steps.size,
                learning_rate_user=self.steps.size,
                group_size=self.group_size,
                seed=SEED,
                epoch=0,
                n_threads=n_threads,
            )
            not_finite = counts["not_finite"]
        if not_finite:
            raise ModelFitError(
                "the factors that were folded in are no longer finite: the labels' factors "
                "are too large. Lower learning_rate or raise regularization, or keep the "
                "factors of the training by fold_in_users=False"
            )


def same_rows(padded: NDArray[np.float32], rows: Floats) -> bool:
    """Tell whether rows are those of padded ones."""
    if rows.dtype == np.float32 and rows.flags.c_contiguous:
        return kernel.same_rows(padded, rows)
    return np.array_equal(padded[:, : rows.shape[1]], rows)
