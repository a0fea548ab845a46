"""Factors of images that were not trained on, from their labels, with the labels' factors fixed."""

import time
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from implicit.recommender_base import ModelFitError
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .._native import kernel, limit_blas, threads_for
from .._typing import Floats
from .call_size import CallSize
from .features import MapInTraining
from .hashing import first_of_equal_rows
from .interactions import Interactions, count_labels
from .newton_fold_in import NewtonFoldIn, Part, is_expected
from .padding import padded
from .samplers import popularity_weights
from .settings import Settings
from .steps import choose_first_step, choose_steps
from .updates import StoredPairs

# of gradient descent: passes over the labels of an image, more for those with few labels up to so
# many steps; the result is the mean after each of the later half
SWEEPS = 8
LEAST_STEPS = 96
# an image of more labels takes smaller steps with each
PAIRS_OF_FULL_STEPS = 32
# labels of an image for which the steps from its features are made: the penalty of what it learns
# beside them is shared among its labels
USUAL_LABELS = 4
# passes over the images of a label, and the mean in the same way
LABEL_SWEEPS = 40
# scores that are drawn and kept at once for a label, if one pass takes no more
SCORES_AT_ONCE = 1 << 22
# comparisons in a pass in which a label is the negative: where it would be more often, each of
# these has more weight
MOST_NEGATIVES = 500
# images whose factors tell how long they are
MEASURED_IMAGES = 4096
# rows computed at once: no more memory than that beside the result
MOST_ROWS = 1 << 16
# draws whose rank is looked up to know how hard a sampler's negatives are
RANKED_DRAWS = 300
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

    def items(
        self,
        item_users: csr_matrix,
        itemids: NDArray[np.integer[Any]],
        user_factors: Floats,
        known: StoredPairs,
        trials: float,
        num_threads: int,
    ) -> NDArray[np.float32]:
        """Compute the padded factors of labels from the images that have them.

        A label is compared as in the training: as the positive of each of its images, with labels
        that the sampler draws and the selection takes for the image; and as the negative of other
        images, as often as the sampler would draw it if it were among the labels. For the violator
        selection, the highest of the mean number of trials stands for the violator, and the WARP
        loss has the weight of the rank that so many trials estimate.

        Parameters
        ----------
        item_users : csr_matrix of shape (n, n_images)
            Canonical; the images of each label. A label without images stays zero.
        itemids : ndarray of int of shape (n,)
            Their numbers, so that a known label is not compared with itself.
        user_factors : ndarray
            Without padding: of most images nothing is read.
        known : StoredPairs
            The labels that images have, as in the training.
        trials : float
            Mean number of labels that the violator selection draws for a positive, as the last
            epoch counted.
        num_threads : int
            Upper limit of the threads that draw.
        """
        out = kernel.aligned_rows(item_users.shape[0], self.item_factors.shape[1])
        trained = np.flatnonzero(np.diff(known.arrays()[0]))
        measured = user_factors[trained[:: max(1, len(trained) // MEASURED_IMAGES)]]
        squares = np.einsum("ij,ij->", measured, measured, dtype=np.float64)
        rate = self.steps.size * self.steps.variance / max(squares / max(1, len(measured)), 1e-30)
        weight_of_ranks = 1.0
        if self.rank_weights is not None:
            n_labels = len(self.rank_weights)
            weight_of_ranks = self.rank_weights[int((n_labels - 1) / max(1.0, trials))]
        mean_rank = 1.0
        if self.settings.sampler.draws_ranks:
            generator = np.random.default_rng(SEED)
            mean_rank = _Comparisons(
                self, user_factors, known, generator, num_threads
            ).mean_rank_of_draws()
        for place, itemid in enumerate(itemids):
            start, stop = item_users.indptr[place : place + 2]
            images = item_users.indices[start:stop].astype(np.int32)
            if not len(images):
                continue
            generator = np.random.default_rng([SEED, *images.tolist()])
            negatives, weight = self._negatives_of(len(images), known, trials, mean_rank)
            comparisons = _Comparisons(self, user_factors, known, generator, num_threads, trials)
            scores_of_a_sweep = (len(images) + negatives) * (1 + self.settings.candidates)
            at_once = min(LABEL_SWEEPS, max(1, SCORES_AT_ONCE // scores_of_a_sweep))
            total = kernel.aligned_rows(1, out.shape[1])[0]
            for first in range(0, LABEL_SWEEPS, at_once):
                sweeps = min(at_once, LABEL_SWEEPS - first)
                others = comparisons.draw_others(images, itemid, negatives, sweeps)
                # rows of images and of others, one behind the other
                rows = comparisons.rows(np.concatenate([images, others.images]))
                positive = comparisons.as_positive(images, rows[: len(images)], itemid, sweeps)
                negative = comparisons.as_negative(others, rows[len(images) :])
                places = np.arange(len(images), len(rows), dtype=np.int32)
                sweep = np.concatenate([positive.sweep, others.sweep])
                order = np.lexsort((generator.random(len(sweep)), sweep))
                kernel.fold_label(
                    out[place],
                    total,
                    rows,
                    np.concatenate([positive.places, places])[order],
                    np.concatenate([positive.others, negative.others])[order],
                    np.concatenate([positive.gates, negative.gates])[order],
                    np.searchsorted(sweep[order], np.arange(sweeps + 1)),
                    loss=self.settings.loss.name,
                    margin=self.settings.margin,
                    temperature=self.settings.temperature,
                    learning_rate=rate * weight_of_ranks,
                    regularization_positive=self.settings.regularization_positive / weight_of_ranks,
                    regularization_negative=self.settings.regularization_negative / weight_of_ranks,
                    negative_weight=weight,
                    first_summed=max(0, LABEL_SWEEPS // 2 - first),
                    cosine=self.settings.cosine,
                )
            out[place] = total / (LABEL_SWEEPS - LABEL_SWEEPS // 2)
            if self.settings.cosine:
                out[place] /= max(np.linalg.norm(out[place]), 1e-30)
        return out

    def _negatives_of(
        self, n_images: int, known: StoredPairs, trials: float, mean_rank: float
    ) -> tuple[int, float]:
        """How often a pass of training draws the label as a candidate, and the weight of one."""
        settings, n_labels, labels = self.settings, len(self.item_factors), known.arrays()[1]
        share = 1 / n_labels
        if settings.sampler.draws_ranks:
            # taken as in proportion to the chance of scoring higher than a label that was drawn,
            # which is exact for an exponential law of ranks; that chance is left to the gate, and
            # over all labels it sums to the mean rank of those drawn
            share = 1 / mean_rank
        elif settings.sampler.needs_counts:
            counts = np.append(count_labels(labels, n_labels), n_images)
            weights = popularity_weights(counts, settings.sampler.get_params()["exponent"])
            share = weights[-1] / max(weights[:-1].sum(), 1e-30)
        if not settings.selection.counts_trials:
            trials = settings.candidates
        expected = len(labels) * max(1.0, trials) * share
        drawn = max(1, min(MOST_NEGATIVES, round(expected)))
        return drawn, expected / drawn

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

    def _start(
        self, interactions: Interactions, start: int, stop: int, num_threads: int
    ) -> NDArray[np.float32]:
        """Return the factors of some images of which no label is known."""
        block = np.zeros((stop - start, self.settings.columns), np.float32)
        if self.settings.use_bias:
            block[:, self.settings.factors] = 1
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


class _Others(NamedTuple):
    """Positives of other images, with which a label is compared as a negative."""

    sweep: NDArray[np.int64]
    images: NDArray[np.int32]
    positives: NDArray[np.int32]


class _AsPositive(NamedTuple):
    """Comparisons of a label with negatives: where the image is, and the negative's score."""

    sweep: NDArray[np.int64]
    places: NDArray[np.int32]
    others: NDArray[np.float64]
    gates: NDArray[np.float64]


class _AsNegative(NamedTuple):
    """Scores of other images' positives, and what a negative's own score has to reach."""

    others: NDArray[np.float64]
    gates: NDArray[np.float64]


class _Comparisons:
    """Scores that a label is compared with, drawn as the training draws them."""

    def __init__(
        self,
        folder: FoldIn,
        user_factors: Floats,
        known: StoredPairs,
        generator: np.random.Generator,
        num_threads: int,
        trials: float = 1.0,
    ):
        self.folder, self.user_factors, self.known = folder, user_factors, known
        self.generator, self.num_threads, self.trials = generator, num_threads, trials

    def rows(self, images: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return the factors of images as the kernel reads them."""
        return padded(self.user_factors[images])

    def draw(
        self, images: NDArray[np.int32], rows: NDArray[np.float32], size: int
    ) -> NDArray[np.int32]:
        """Draw negatives for images and their rows; -1 for those that have every label."""
        out = np.empty((len(images), size), dtype=np.int32)
        if len(images):
            indptr, labels = self.known.rows(images)
            self.folder.sampler.draw(
                rows,
                out,
                indptr.astype(np.int64, copy=False),
                labels if len(labels) else np.zeros(1, np.int32),
                int(self.generator.integers(2**63)),
                0,
                threads_for(out.size, self.num_threads),
            )
        return out

    def scores(self, rows: NDArray[np.float32], labels: NDArray[np.int32]) -> NDArray[np.float64]:
        """Score labels (n, m) for rows of images (n, k); -inf for labels below 0."""
        out = np.empty(labels.shape, dtype=np.float64)
        if out.size:
            kernel.score_pairs(
                rows,
                np.arange(len(rows), dtype=np.int32),
                self.folder.item_factors,
                labels,
                out,
                threads_for(out.size, self.num_threads),
            )
        return out

    def mean_rank_of_draws(self) -> float:
        """Estimate the mean number of labels that score as high as one that is drawn."""
        lengths, factors = np.diff(self.known.arrays()[0]), self.folder.item_factors
        images = np.flatnonzero((lengths > 0) & (lengths < len(factors))).astype(np.int32)
        if not len(images):
            return 1.0
        images = self.generator.choice(images, size=min(len(images), RANKED_DRAWS))
        rows = self.rows(images)
        drawn = self.draw(images, rows, 1)
        together = max(1, SCORES_AT_ONCE // len(factors))
        ranks = 0
        # the bits of a product depend on the number of threads
        with limit_blas():
            for start in range(0, len(images), together):
                block = slice(start, start + together)
                scores = rows[block] @ factors.T
                ranks += int((scores >= np.take_along_axis(scores, drawn[block], 1)).sum())
        return ranks / len(images)

    @property
    def n_chosen(self) -> int:
        """How many of the candidates become negatives where the highest do, else 0."""
        selection = self.folder.settings.selection
        if not selection.takes_highest:
            return 0
        return 1 if selection.gives_one else self.folder.group_size

    def as_positive(
        self, images: NDArray[np.int32], rows: NDArray[np.float32], itemid: int, sweeps: int
    ) -> _AsPositive:
        """Compare with a negative for each image and pass, one of those that are chosen."""
        chosen = self.n_chosen
        candidates = self.folder.settings.candidates if chosen else 1
        if self.folder.settings.selection.counts_trials:
            chosen, candidates = 1, max(1, round(self.trials))
        shape = (len(images), sweeps)
        drawn = self.draw(images, rows, sweeps * candidates)
        drawn[drawn == itemid] = -1
        scores = self.scores(rows, drawn).reshape(*shape, candidates)
        if chosen:
            scores.sort(axis=2)
            place = candidates - 1 - self.generator.integers(chosen, size=(*shape, 1))
            scores = np.take_along_axis(scores, place, axis=2)
        others = scores[..., 0]
        usable = others > -np.inf
        sweep = np.broadcast_to(np.arange(sweeps), shape)[usable]
        places = np.arange(len(images), dtype=np.int32)
        repeated = np.broadcast_to(places[:, None], shape)[usable]
        return _AsPositive(sweep, repeated, others[usable], np.full(len(sweep), np.nan))

    def draw_others(self, images: NDArray[np.int32], itemid: int, n: int, sweeps: int) -> _Others:
        """Draw positives of other images than those that have the label, n for each pass."""
        indptr, labels = self.known.arrays()
        if not len(labels):
            n = 0
        pairs = self.generator.integers(max(1, len(labels)), size=n * sweeps)
        sweep = np.repeat(np.arange(sweeps), n)
        others = (np.searchsorted(indptr, pairs, side="right") - 1).astype(np.int32)
        positives = labels[pairs]
        usable = ~np.isin(others, images) & (positives != itemid)
        return _Others(sweep[usable], others[usable], positives[usable])

    def as_negative(self, drawn: _Others, rows: NDArray[np.float32]) -> _AsNegative:
        """Compare with positives of other images, where the label would have been drawn."""
        settings, chosen = self.folder.settings, self.n_chosen
        others, positives = drawn.images, drawn.positives
        gates = np.full(len(others), -np.inf)
        ranked = settings.sampler.draws_ranks
        # whatever scores, as many as are chosen are
        rivals = settings.candidates - 1 if chosen and settings.candidates > chosen else 0
        if len(others) and (ranked or rivals):
            scores = self.scores(rows, self.draw(others, rows, ranked + rivals))
            if ranked:
                gates = scores[:, 0]
            if rivals:
                rival = np.sort(scores[:, ranked:], axis=1)[:, -chosen]
                gates = np.maximum(gates, rival)
        return _AsNegative(self.scores(rows, positives[:, None])[:, 0], gates)
