"""Factors of labels from the images that have them, with the images' factors fixed."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .._native import kernel, limit_blas, threads_for
from .._typing import Floats
from .fold_in import SEED, FoldIn
from .padding import padded
from .samplers import popularity_weights
from .stored_pairs import StoredPairs

# passes over the images of a label; the result is the mean after each of the later half
LABEL_SWEEPS = 10
# scores that are drawn and kept at once for a label, if one pass takes no more
SCORES_AT_ONCE = 1 << 22
# comparisons in a pass in which a label is the negative: where it would be more often, each of
# these has more weight
MOST_NEGATIVES = 500
# images whose factors tell how long they are
MEASURED_IMAGES = 1024
# draws whose rank is looked up to know how hard a sampler's negatives are
RANKED_DRAWS = 300
RANKED_LABELS = 1024


class LabelFoldIn:
    """Stochastic gradient descent for single labels, each by the images that have it.

    A label is compared as in the training: as the positive of each of its images, with labels
    that the sampler draws and the selection takes for the image; and as the negative of other
    images, as often as the sampler would draw it if it were among the labels. For the violator
    selection, the highest of the mean number of trials stands for the violator, and the WARP
    loss has the weight of the rank that so many trials estimate.

    Parameters
    ----------
    tables : FoldIn
        Of the labels that a label is compared with.
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

    def __init__(
        self,
        tables: FoldIn,
        user_factors: Floats,
        known: StoredPairs,
        trials: float,
        num_threads: int,
    ):
        self.tables, self.user_factors, self.known = tables, user_factors, known
        self.trials, self.num_threads = trials, num_threads

    def run(self, item_users: csr_matrix, itemids: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Compute the padded factors of labels from the images that have them.

        Parameters
        ----------
        item_users : csr_matrix of shape (n, n_images)
            Canonical; the images of each label. A label without images stays zero.
        itemids : ndarray of int of shape (n,)
            Their numbers, so that a known label is not compared with itself.
        """
        tables, settings = self.tables, self.tables.settings
        out = kernel.aligned_rows(item_users.shape[0], tables.item_factors.shape[1])
        generator = np.random.default_rng(SEED)
        measured = self.user_factors[self.known.draw_rows(generator, MEASURED_IMAGES)]
        squares = np.einsum("ij,ij->", measured, measured, dtype=np.float64)
        mean_square = max(squares / max(1, len(measured)), 1e-30)
        rate = tables.steps.size * tables.steps.variance / mean_square
        weight_of_ranks = 1.0
        if tables.rank_weights is not None:
            n_labels = len(tables.rank_weights)
            weight_of_ranks = tables.rank_weights[int((n_labels - 1) / max(1.0, self.trials))]
        mean_rank = 1.0
        if settings.sampler.follows_factors:
            mean_rank = self.comparisons(generator).mean_rank_of_draws()
        for place, itemid in enumerate(itemids):
            start, stop = item_users.indptr[place : place + 2]
            images = item_users.indices[start:stop].astype(np.int32)
            if not len(images):
                continue
            generator = np.random.default_rng([SEED, *images.tolist()])
            negatives, weight = self.negatives_of(len(images), mean_rank)
            comparisons = self.comparisons(generator)
            scores_of_a_sweep = (len(images) + negatives) * (1 + settings.candidates)
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
                    loss=settings.loss.name,
                    margin=settings.margin,
                    temperature=settings.temperature,
                    learning_rate=rate * weight_of_ranks,
                    regularization_positive=settings.regularization_positive / weight_of_ranks,
                    regularization_negative=settings.regularization_negative / weight_of_ranks,
                    negative_weight=weight,
                    first_summed=max(0, LABEL_SWEEPS // 2 - first),
                    cosine=settings.cosine,
                )
            out[place] = total / (LABEL_SWEEPS - LABEL_SWEEPS // 2)
            if settings.cosine:
                out[place] /= max(np.linalg.norm(out[place]), 1e-30)
        return out

    def negatives_of(self, n_images: int, mean_rank: float) -> tuple[int, float]:
        """How often a pass of training draws the label as a candidate, and the weight of one."""
        settings, n_labels = self.tables.settings, len(self.tables.item_factors)
        share = 1 / n_labels
        if settings.sampler.follows_factors:
            # taken as in proportion to the chance of scoring higher than a label that was drawn,
            # which is exact for an exponential law of ranks; that chance is left to the gate, and
            # over all labels it sums to the mean rank of those drawn
            share = 1 / mean_rank
        elif settings.sampler.needs_counts:
            counts = np.append(self.known.counts(n_labels), n_images)
            weights = popularity_weights(counts, settings.sampler.get_params()["exponent"])
            share = weights[-1] / max(weights[:-1].sum(), 1e-30)
        trials = self.trials if settings.selection.counts_trials else settings.candidates
        expected = self.known.n_pairs * max(1.0, trials) * share
        drawn = max(1, min(MOST_NEGATIVES, round(expected)))
        return drawn, expected / drawn

    def comparisons(self, generator: np.random.Generator) -> "Comparisons":
        """Return what draws comparisons from a stream of random numbers."""
        return Comparisons(
            self.tables, self.user_factors, self.known, generator, self.num_threads, self.trials
        )


class Others(NamedTuple):
    """Positives of other images, with which a label is compared as a negative."""

    sweep: NDArray[np.int64]
    images: NDArray[np.int32]
    positives: NDArray[np.int32]


class AsPositive(NamedTuple):
    """Comparisons of a label with negatives: where the image is, and the negative's score."""

    sweep: NDArray[np.int64]
    places: NDArray[np.int32]
    others: NDArray[np.float64]
    gates: NDArray[np.float64]


class AsNegative(NamedTuple):
    """Scores of other images' positives, and what a negative's own score has to reach."""

    others: NDArray[np.float64]
    gates: NDArray[np.float64]


class Comparisons:
    """Scores that a label is compared with, drawn as the training draws them."""

    def __init__(
        self,
        tables: FoldIn,
        user_factors: Floats,
        known: StoredPairs,
        generator: np.random.Generator,
        num_threads: int,
        trials: float,
    ):
        self.tables, self.user_factors, self.known = tables, user_factors, known
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
            self.tables.sampler.draw(
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
                self.tables.item_factors,
                labels,
                out,
                threads_for(out.size, self.num_threads),
            )
        return out

    def mean_rank_of_draws(self) -> float:
        """Estimate the mean number of labels that score as high as one that is drawn."""
        factors = self.tables.item_factors
        images = self.known.draw_rows(self.generator, RANKED_DRAWS)
        images = images[self.known.lengths(images) < len(factors)]
        if not len(images):
            return 1.0
        some_images = images.astype(np.int32)
        rows = self.rows(some_images)
        drawn = self.draw(some_images, rows, 1)
        # some of the labels stand for all
        some = factors[:: max(1, len(factors) // RANKED_LABELS)]
        # the bits of a product depend on the number of threads
        with limit_blas():
            scores = rows @ some.T
        own = self.scores(rows, drawn)
        return max(1.0, float((scores >= own).mean()) * len(factors))

    @property
    def n_chosen(self) -> int:
        """How many of the candidates become negatives where the highest do, else 0."""
        selection = self.tables.settings.selection
        if not selection.takes_highest:
            return 0
        return 1 if selection.gives_one else self.tables.group_size

    def as_positive(
        self, images: NDArray[np.int32], rows: NDArray[np.float32], itemid: int, sweeps: int
    ) -> AsPositive:
        """Compare with a negative for each image and pass, one of those that are chosen."""
        chosen = self.n_chosen
        candidates = self.tables.settings.candidates if chosen else 1
        if self.tables.settings.selection.counts_trials:
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
        return AsPositive(sweep, repeated, others[usable], np.full(len(sweep), np.nan))

    def draw_others(self, images: NDArray[np.int32], itemid: int, n: int, sweeps: int) -> Others:
        """Draw positives of other images than those that have the label, n for each pass."""
        drawn, positives = self.known.draw(self.generator, n * sweeps)
        sweep = np.repeat(np.arange(sweeps), n if len(drawn) else 0)
        others = drawn.astype(np.int32)
        usable = ~np.isin(others, images) & (positives != itemid)
        return Others(sweep[usable], others[usable], positives[usable])

    def as_negative(self, drawn: Others, rows: NDArray[np.float32]) -> AsNegative:
        """Compare with positives of other images, where the label would have been drawn."""
        settings, chosen = self.tables.settings, self.n_chosen
        others, positives = drawn.images, drawn.positives
        gates = np.full(len(others), -np.inf)
        ranked = settings.sampler.follows_factors
        # whatever scores, as many as are chosen are
        rivals = settings.candidates - 1 if chosen and settings.candidates > chosen else 0
        if len(others) and (ranked or rivals):
            scores = self.scores(rows, self.draw(others, rows, ranked + rivals))
            if ranked:
                gates = scores[:, 0]
            if rivals:
                rival = np.sort(scores[:, ranked:], axis=1)[:, -chosen]
                gates = np.maximum(gates, rival)
        return AsNegative(self.scores(rows, positives[:, None])[:, 0], gates)
