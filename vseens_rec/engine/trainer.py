"""The training of the factors, epoch by epoch."""

import time
from collections.abc import Iterable, Iterator
from math import ceil, log
from typing import Any, TypeAlias

import numpy as np
from implicit.recommender_base import ModelFitError
from numpy.typing import DTypeLike, NDArray

from .._native import MIN_PAIRS_PER_THREAD, kernel, limit_blas, threads_for
from .._typing import Floats, History
from .call_size import CallSize
from .features import FittedMap, MapInTraining
from .group_size import adaptive_group_size, last_group_size, possible_group_size
from .interactions import Interactions
from .padding import without_padding
from .samplers import sampler_of
from .settings import Settings
from .spectral import add_spectral_start

# an explosion can end just short of infinity
LARGEST_FACTOR = 1e5
# as good as never, and still an integer of 64 bits
MOST_PAIRS = 2.0**62
# images and labels whose scores are looked at after an epoch
SHARED_IMAGES = 100
SHARED_LABELS = 2000
# a row that learns from many draws at a time pulls the labels after it alone meanwhile
DRAWS_OF_VISIT = 4
# Rounds are long enough for two threads, so that a row of very many draws has some more at a time.
# Small data is trained by one thread, whose rounds may be short.
PAIRS_OF_ROUND = 2 * MIN_PAIRS_PER_THREAD
LEAST_ROUNDS = 64
# random numbers of the rounds of an epoch are keyed so far from each other
EPOCHS_APART = 1 << 32
# the code that the paper's authors released calls so many triplets an image an iteration
RELEASED_TRIPLETS = 100

# rows in their order and, where positives are drawn, how many of each
Round: TypeAlias = tuple[NDArray[np.int32], NDArray[np.int32] | None]


class Trainer:
    """Factors in training, with the sampler that follows them.

    Parameters
    ----------
    interactions : Interactions
        The pairs.
    settings : Settings
        The resolved parameters.
    seed : int
        64 bits; with the epoch and the row it fixes every random number.
    num_threads : int
        Upper limit of the threads used, at least 1.
    initial : tuple of ndarray, optional
        Factors of images and labels to start from, without padding.
    initial_map : MapInTraining, optional
        A map of features to start from, with which those of images are what they are.

    Attributes
    ----------
    user_factors : ndarray of float32
        As wide as `Settings.columns`: what images have of their own, until `add_products`.
    feature_map : MapInTraining or None
        What maps features.
    item_factors : ndarray of float32
        Padded to a multiple of 16 columns.
    epochs : int
        The number of finished epochs.
    history : dict of str to list of float
        One value an epoch: see `VSEens.history_`.
    """

    def __init__(
        self,
        interactions: Interactions,
        settings: Settings,
        seed: int,
        num_threads: int,
        initial: tuple[Floats, Floats] | None = None,
        initial_map: MapInTraining | None = None,
    ):
        self.settings = settings
        self.seed = seed
        self.num_threads = num_threads
        self.shape = interactions.shape
        n_labels = self.shape[1]
        self._take(interactions)
        self._init_factors(initial)
        self.feature_map = initial_map
        self._init_map()
        self.sampler = self.new_sampler()
        self.training = settings.make_training(self.sampler, self.item_factors)
        # in pairs
        self.refresh_interval: int = max(
            1, ceil(min(settings.refresh_interval * n_labels * log(n_labels), MOST_PAIRS))
        )
        self.pairs_since_refresh: int | None = None
        self.call_size = CallSize()
        self.epochs = 0
        self.history: History = {
            "loss": [],
            "violations": [],
            "trials": [],
            "factor_share": [],
            "seconds": [],
        }
        if settings.group_size == "auto":
            self.history["group_size"] = []
        self.group_size = last_group_size(settings, self.history)

    def _take(self, interactions: Interactions) -> None:
        """Learn from these pairs from now on."""
        self.interactions = interactions
        lengths = interactions.lengths
        trainable = lengths > 0
        if self.settings.verify_negative_samples:
            trainable &= lengths < self.shape[1]
        self.rows = np.flatnonzero(trainable).astype(np.int32)
        self.n_pairs = int(lengths[trainable].sum())
        if self.settings.released:
            self.n_pairs = RELEASED_TRIPLETS * len(self.rows)
        self.running_values: NDArray[np.float64] | None = None
        self.row_values: NDArray[np.float64] | None = None
        if self.settings.positive_sampling == "weighted":
            self.running_values = interactions.running_values
            self.row_values = self.running_values[interactions.indptr[self.rows + 1] - 1]
            if self.settings.values_are_counts:
                self.n_pairs = max(1, round(float(self.row_values.sum())))

    def go_on_with(self, interactions: Interactions) -> None:
        """Learn from other pairs of the same images and labels, where an epoch has ended."""
        self._take(interactions)
        if self.settings.sampler.needs_counts:
            self.sampler = self.new_sampler()
            self.training = self.settings.make_training(self.sampler, self.item_factors)

    def _init_factors(self, initial: tuple[Floats, Floats] | None) -> None:
        settings = self.settings
        n_images, n_labels = self.shape
        self.user_factors = np.zeros((n_images, settings.columns), np.float32)
        self.item_factors = kernel.aligned_rows(n_labels, kernel.padded_width(settings.columns))
        factors = (self.user_factors, self.item_factors)
        if initial is not None:
            for array, given in zip(factors, initial, strict=True):
                array[:, : settings.columns] = given
        else:
            first_rows = (self.interactions.first_row, 0)
            for stream, (array, first_row) in enumerate(zip(factors, first_rows, strict=True)):
                kernel.fill_normal(
                    array,
                    settings.factors,
                    settings.init.scale,
                    self.seed,
                    stream,
                    threads_for(len(array), self.num_threads),
                    first_row,
                )
            if settings.init.follows_pairs:
                # what images are to have in common their features shall say
                own = self.user_factors
                add_spectral_start(
                    own if settings.features is None else own.copy(),
                    self.item_factors,
                    self.interactions,
                    settings,
                    self.seed,
                    threads_for(self.n_pairs, self.num_threads),
                )
        if settings.cosine:
            for array in factors:
                array /= np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-30)
        self.user_factors[:, settings.factors :] = settings.fixed_columns(self.interactions.lengths)

    def _init_map(self) -> None:
        settings, features = self.settings, self.interactions.features
        self.has_products = False
        if settings.features is None:
            return
        assert features is not None
        if self.feature_map is not None:
            products = np.zeros_like(self.user_factors)
            self.feature_map.add_products(features, products, self.num_threads)
            self.user_factors -= products
        else:
            self.feature_map = MapInTraining.zero(features, settings.columns)
        if not settings.features.image_ids:
            self.user_factors[:, : settings.factors] = 0
        self.training_features = self.feature_map.of_images(features, settings.features)

    def add_products(self) -> None:
        """Make of what images have of their own their whole factors; training is over then."""
        features = self.interactions.features
        if self.feature_map is not None and features is not None and not self.has_products:
            self.has_products = True
            self.feature_map.add_products(features, self.user_factors, self.num_threads)

    def vectors_of(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return a copy of the whole factors of some images."""
        vectors: NDArray[np.float32] = self.user_factors[rows]
        features = self.interactions.features
        if self.feature_map is not None and features is not None and not self.has_products:
            self.feature_map.add_products(features.rows(rows), vectors, self.num_threads)
        return vectors

    @property
    def _reads_factors(self) -> bool:
        """Whether the sampler reads the factors themselves, so that it has no table to make."""
        sampler = self.settings.sampler
        return sampler.follows_factors and not sampler.has_rank_table

    def new_sampler(self) -> kernel.Sampler:
        """Make a sampler of the settings for these labels."""
        return sampler_of(self.settings, self.shape[1], lambda: self.interactions.popularity)

    def continue_history(self, history: History, epochs: int) -> None:
        """Count on from the epochs of another training, whose random numbers are not used again.

        Where one of the two did not record something, it is not a number.
        """
        self.epochs = epochs
        for name in self.history | history:
            self.history[name] = list(history.get(name, [float("nan")] * epochs))
        self.group_size = last_group_size(self.settings, self.history)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what it takes to go on after an epoch: numbers, and arrays that are not copied."""
        values = {
            "seed": self.seed,
            "epochs": self.epochs,
            "history": self.history,
            "group_size": self.group_size,
            "pairs_since_refresh": self.pairs_since_refresh,
        }
        arrays: dict[str, NDArray[Any]] = {
            "user_factors": self.user_factors,
            "item_factors": self.item_factors,
        }
        if self.sampler.table is not None and self.sampler.spread is not None:
            arrays |= {"rank_table": self.sampler.table, "spread": self.sampler.spread}
        if self.feature_map is not None:
            arrays |= {
                "feature_weights": self.feature_map.weights,
                "feature_squares": self.feature_map.squares,
            }
        return values, arrays

    def restore(self, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        table = arrays.get("rank_table")
        if table is not None and table.max(initial=0) >= self.shape[1]:
            # the kernel looks up what the table names
            raise ValueError(f"rank_table names labels beyond the {self.shape[1]} that there are")
        for name, own in self.state()[1].items():
            if arrays[name].shape != own.shape or arrays[name].dtype != own.dtype:
                raise ValueError(f"{name} has shape {arrays[name].shape}, expected {own.shape}")
            own[:] = arrays[name]
        self.seed, self.epochs = int(values["seed"]), int(values["epochs"])
        self.history = values["history"]
        if self.settings.group_size == "auto":
            self.group_size = possible_group_size(values["group_size"], self.settings.candidates)
        since = values["pairs_since_refresh"]
        self.pairs_since_refresh = None if since is None else int(since)
        if self._reads_factors:
            self.sampler.refresh(self.item_factors, self.num_threads)

    def has_exploded(self) -> bool:
        """Tell whether some factors are NaN, or too large to mean anything."""
        largest = LARGEST_FACTOR * max(1.0, self.settings.init.scale)
        # NaN is not smaller than anything
        learned = [self.user_factors, self.item_factors]
        if self.feature_map is not None:
            learned.append(self.feature_map.weights)
        return not all(
            factors.max(initial=0) < largest and factors.min(initial=0) > -largest
            for factors in learned
        )

    def run_epoch(self, iteration: int = 0, iterations: int = 1) -> dict[str, float]:
        """Train on every positive once (or as many drawn ones) and return the kernel's counts.

        Of so many iterations, this is that of a number from 0: the learning rate goes by it.
        """
        started = time.perf_counter()
        generator = np.random.Generator(np.random.PCG64([self.seed, self.epochs]))
        n_rounds, rounds = self._plan_epoch(generator)
        counts: dict[str, float] = dict.fromkeys(kernel.COUNTS, 0)
        for number, (order, draws) in enumerate(rounds):
            self.learning_rate = self.settings.learning_rate
            if self.settings.learning_rate_schedule == "linear":
                self.learning_rate *= 1 - (iteration + number / n_rounds) / iterations
            self._run_round(number, order, draws, counts)
        self._close_epoch(counts, time.perf_counter() - started)
        return counts

    def _run_round(
        self,
        number: int,
        order: NDArray[np.int32],
        draws: NDArray[np.int32] | None,
        counts: dict[str, float],
    ) -> None:
        """Train on rows in their order, and add what the kernel counts."""
        work = np.cumsum(
            self.interactions.lengths[order] if draws is None else draws, dtype=np.int64
        )
        n_threads = threads_for(int(work[-1]) if len(work) else 0, self.num_threads)
        start, done = 0, 0
        while start < len(order):
            limit = self.call_size.pairs
            if self.settings.sampler.follows_factors:
                limit = min(limit, self._refresh_if_due())
            stop = min(len(order), int(np.searchsorted(work, done + limit)) + 1)
            call_started = time.perf_counter()
            called = self._call_kernel(
                number, order[start:stop], None if draws is None else draws[start:stop], n_threads
            )
            self.call_size.record(int(work[stop - 1]) - done, time.perf_counter() - call_started)
            if called["not_finite"]:
                raise self.divergence(self.epochs + 1)
            for name, value in called.items():
                counts[name] += value
            if self.pairs_since_refresh is not None:
                self.pairs_since_refresh += int(work[stop - 1]) - done
            start, done = stop, int(work[stop - 1])

    def _plan_epoch(self, generator: np.random.Generator) -> tuple[int, Iterable[Round]]:
        """Return how many rounds an epoch has, and each; a row comes up once in one at most."""
        if not len(self.rows):
            return 1, [(self.rows, None)]
        if self.settings.positive_sampling == "pairs":
            return 1, [(generator.permutation(self.rows), None)]
        weights = np.ones(len(self.rows)) if self.row_values is None else self.row_values
        draws = generator.multinomial(self.n_pairs, weights / weights.sum())
        place = generator.permutation(np.flatnonzero(draws))
        rows, draws = self.rows[place], draws[place].astype(np.int32)
        if not self.settings.values_are_counts:
            return 1, [(rows, draws)]
        n_rounds = max(LEAST_ROUNDS, self.n_pairs // PAIRS_OF_ROUND)
        visits = np.minimum(-(-draws // DRAWS_OF_VISIT), n_rounds)
        return n_rounds, spread_visits(rows, draws, visits, n_rounds, generator)

    def _refresh_if_due(self) -> int:
        """Refresh the rank table if its interval has passed; return the pairs to the next one."""
        since = self.pairs_since_refresh
        if self._reads_factors and since is not None:
            return int(MOST_PAIRS)
        if since is None or since >= self.refresh_interval:
            self.sampler.refresh(self.item_factors, self.num_threads)
            self.pairs_since_refresh = since = 0
        return self.refresh_interval - since

    def _call_kernel(
        self,
        number: int,
        rows: NDArray[np.int32],
        draws: NDArray[np.int32] | None,
        n_threads: int,
    ) -> dict[str, float]:
        return self.training.run(
            self.interactions.indptr,
            self.interactions.indices,
            rows,
            self.user_factors,
            draws=draws,
            running_values=self.running_values,
            learning_rate=self.learning_rate,
            learning_rate_user=self.learning_rate * self.settings.user_learning_rate_multiplier,
            group_size=self.group_size,
            seed=self.seed,
            # the first two streams of the seed made the initial factors
            epoch=self.epochs + 2 + number * EPOCHS_APART,
            first_row=self.interactions.first_row,
            n_threads=n_threads,
            **self._of_features(),
        )

    def _of_features(self) -> dict[str, Any]:
        features, settings = self.interactions.features, self.settings.features
        if features is None or settings is None:
            return {}
        # it falls as the others do
        share = self.learning_rate / (self.settings.learning_rate or 1.0)
        return {
            "features": self.training_features,
            "learning_rate_features": share * settings.learning_rate / features.length,
        }

    def _close_epoch(self, counts: dict[str, float], seconds: float) -> None:
        pairs = max(1, counts["pairs"])
        self.epochs += 1
        self.history["loss"].append(counts["loss"] / pairs)
        self.history["violations"].append(counts["violations"] / pairs)
        self.history["trials"].append(counts["trials"] / pairs)
        self.history["factor_share"].append(self.factor_share())
        self.history["seconds"].append(seconds)
        for name in ("validation", "group_size"):
            if name in self.history:
                self.history[name].append(float("nan"))
        if self.settings.group_size == "auto":
            self.history["group_size"][-1] = self.group_size
            self.group_size = adaptive_group_size(
                counts["positive_cosine"] / pairs,
                counts["negative_repulsion"] / max(1, counts["negatives"]),
                self.settings.candidates,
            )

    def check(self) -> None:
        """Raise `ModelFitError` if the factors have exploded."""
        if self.has_exploded():
            raise self.divergence(self.epochs)

    def divergence(self, epoch: int) -> ModelFitError:
        """Make the error that says what to change."""
        return ModelFitError(
            f"the factors or scores exploded in epoch {epoch}: learning_rate="
            f"{self.settings.learning_rate:g} is too large for this data. Lower learning_rate "
            "(by a factor of 2 to 10) or the scale of init; the model was left as it was before fit"
        )

    def factor_share(self) -> float:
        """Tell what part of the variance of an image's scores comes from the factors.

        The rest is that of the biases. Of some hundred images and some thousand labels, at equal
        distances.
        """
        if not len(self.rows):
            return float("nan")
        k = self.settings.factors
        rows = self.rows[:: max(1, len(self.rows) // SHARED_IMAGES)]
        labels = self.item_factors[:: max(1, len(self.item_factors) // SHARED_LABELS)]
        with limit_blas():
            scores = self.vectors_of(rows)[:, :k] @ labels[:, :k].T
        by_factors = float(scores.var(axis=1, dtype=np.float64).mean())
        by_biases = float(labels[:, k].var(dtype=np.float64)) if self.settings.use_bias else 0.0
        whole = by_factors + by_biases
        return by_factors / whole if whole > 0 else 0.0

    def keep_popularity(self) -> None:
        """Put in place of all that was learned the number of images that have each label."""
        counts = self.interactions.label_counts
        factors = self.settings.factors
        self.user_factors[:, :factors] = 0
        self.item_factors[:, :factors] = 0
        self.item_factors[:, factors] = np.log1p(counts)
        if self.feature_map is not None:
            self.feature_map.weights[:] = 0

    def forget_unseen(self) -> None:
        """Set the factors of labels and images without a pair to 0, all but their biases.

        The bias of such a label is what it was as a negative, so that it ranks last. Without an
        epoch the factors are those that a training starts from.
        """
        if not self.epochs:
            return
        unseen = self.interactions.label_counts == 0
        self.item_factors[unseen, : self.settings.factors] = 0
        if not self.has_products:
            # what features say stays
            self.user_factors[self.interactions.lengths == 0, : self.settings.factors] = 0

    def factors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the factors of images and labels as they are, without the padding."""
        users = self.user_factors
        if self.feature_map is not None:
            users = self.vectors_of(np.arange(len(users)))
        return users, self.item_factors[:, : self.settings.columns]

    def fitted_map(self, dtype: DTypeLike) -> FittedMap | None:
        """Return a copy of the map as it is."""
        features = self.interactions.features
        if self.feature_map is None or features is None:
            return None
        return self.feature_map.fitted(self.settings.columns, dtype, features.names)

    def take_factors(self, dtype: DTypeLike) -> tuple[Floats, Floats]:
        """Give the factors away, contiguous and without the padding; training is over then."""
        self.add_products()
        users = self.user_factors.astype(dtype, copy=False)
        items = without_padding(self.item_factors, self.settings.columns)
        items = items.astype(dtype, copy=False)
        del self.user_factors, self.item_factors, self.training
        return users, items


def spread_visits(
    rows: NDArray[np.int32],
    draws: NDArray[np.int32],
    visits: NDArray[np.int32],
    n_rounds: int,
    generator: np.random.Generator,
) -> Iterator[Round]:
    """Cut the draws of rows into visits, at even distances over rounds.

    Parameters
    ----------
    rows, draws : ndarray of int32 of shape (n,)
        Each row once, and its draws.
    visits : ndarray of int32 of shape (n,)
        From 1 to the draws, and to the rounds.
    n_rounds : int
        Rounds to make, of which some may be empty.
    generator : Generator
        For the place of each row's first visit, and the order of rows in a round.

    Yields
    ------
    (rows, draws)
        Of a round, in which a row comes up once at most.
    """
    shifts = generator.random(len(rows))
    # visits of a row differ by one draw at most
    share, rest = np.divmod(draws, visits)
    done = np.zeros(len(rows), np.int32)
    for number in range(1, n_rounds + 1):
        due = (number * (visits / n_rounds) + shifts).astype(np.int32)
        if number == n_rounds:
            # where rounding has lost one
            due = visits
        chosen = generator.permutation(np.flatnonzero(due > done))
        yield rows[chosen], (share[chosen] + (done[chosen] < rest[chosen])).astype(np.int32)
        done = due
