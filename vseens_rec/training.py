"""The training of the factors, epoch by epoch, on checked input."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, cos, isnan, log
from typing import Any, Literal

import numpy as np
from implicit.recommender_base import ModelFitError
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_matrix
from tqdm.auto import tqdm

from ._native import kernel, limit_blas, threads_for
from ._typing import EpochCallback, Floats, History
from .sampling import count_labels, make_sampler, popularity_weights
from .spectral import add_spectral_start

# the kernel returns to Python about this often, so that an interrupt is seen soon
SECONDS_PER_CALL = 0.2
# until it is known how long they take
FIRST_PAIRS = 256
# an explosion can end just short of infinity
LARGEST_FACTOR = 1e5
# as good as never, and still an integer of 64 bits
MOST_PAIRS = 2.0**62
COMPACTED_TOGETHER = 4096
# images and labels whose scores are looked at after an epoch
SHARED_IMAGES = 100
SHARED_LABELS = 2000


@dataclass(frozen=True)
class Settings:
    """The parameters of the training, every one resolved to a value the kernel takes."""

    factors: int
    learning_rate: float
    learning_rate_schedule: str
    damped_steps: bool
    user_learning_rate_multiplier: float
    # images with more of them take smaller steps with each; 0: all alike
    pairs_of_full_steps: float
    regularization_user: float
    regularization_positive: float
    regularization_negative: float
    regularize_violating_only: bool
    sampler: str
    rank_scale: float
    popularity_exponent: float
    refresh_interval: float
    selection: str
    candidates: int
    share_candidates: bool
    group_size: int | Literal["auto"]
    max_trials: int | None
    loss: str
    margin: float
    temperature: float
    corrected: bool
    positive_sampling: str
    use_bias: bool
    cosine: bool
    verify_negative_samples: bool
    init: str
    init_scale: float
    released: bool

    @property
    def columns(self) -> int:
        """Columns of a row of factors."""
        return self.factors + self.use_bias

    def make_sampler(
        self, n_labels: int, label_counts: Callable[[], NDArray[np.int64]]
    ) -> kernel.Sampler:
        """Make the kernel's sampler; the number of images of each label is asked for if needed."""
        weights = None
        if self.sampler == "popularity":
            weights = popularity_weights(label_counts(), self.popularity_exponent)
        return make_sampler(
            self.sampler,
            n_labels,
            self.columns,
            rank_scale=self.rank_scale,
            label_weights=weights,
            released=self.released,
        )

    def rank_weights(self, n_labels: int) -> NDArray[np.float64] | None:
        """L(rank) of WARP for the ranks from 0 to n_labels - 1."""
        if self.loss != "warp":
            return None
        return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n_labels))])

    def learned_columns(self) -> NDArray[np.float32]:
        """Mark with 1 the columns, padding included, that are learned for an image."""
        learns = np.zeros(kernel.padded_width(self.columns), dtype=np.float32)
        learns[: self.factors] = 1.0
        return learns

    def make_training(
        self, sampler: kernel.Sampler, item_factors: NDArray[np.float32], **options: Any
    ) -> kernel.Training:
        """Make the kernel's training, with some options other than those of these settings."""
        n_labels = len(item_factors)
        own: dict[str, Any] = {
            "loss": self.loss,
            "margin": self.margin,
            "temperature": self.temperature,
            "corrected": self.corrected,
            "rank_weights": self.rank_weights(n_labels),
            "selection": self.selection,
            "candidates": self.candidates,
            "max_trials": min(self.max_trials or n_labels, max(1, n_labels - 1)),
            "shares_candidates": self.share_candidates,
            "damped": self.damped_steps,
            "in_turn": self.released,
            "cosine": self.cosine,
            "verify": self.verify_negative_samples,
            "regularization_user": self.regularization_user,
            "regularization_positive": self.regularization_positive,
            "regularization_negative": self.regularization_negative,
            "regularize_violating_only": self.regularize_violating_only,
            "pairs_of_full_steps": self.pairs_of_full_steps,
            "measures_cosines": self.group_size == "auto",
        }
        return kernel.Training(sampler, item_factors, self.learned_columns(), **own | options)


class CallSize:
    """How many pairs one call of the kernel may train on, from how long the last ones took.

    Results do not depend on it: every row has random numbers of its own.
    """

    def __init__(self) -> None:
        self.pairs = FIRST_PAIRS

    def record(self, pairs: int, seconds: float) -> None:
        """Follow the speed, upwards in steps."""
        if not pairs:
            return
        affordable = pairs * SECONDS_PER_CALL / max(seconds, 1e-9)
        self.pairs = max(1, int(min(affordable, 8 * max(pairs, self.pairs))))


# the code that the paper's authors released calls so many triplets an image an iteration
RELEASED_TRIPLETS = 100


class Trainer:
    """Factors in training, with the sampler that follows them.

    Parameters
    ----------
    user_items : csr_matrix
        Canonical: sorted, without duplicates, every stored value > 0.
    settings : Settings
        The resolved parameters.
    seed : int
        64 bits; with the epoch and the row it fixes every random number.
    num_threads : int
        Upper limit of the threads used, at least 1.
    initial : tuple of ndarray, optional
        Factors of images and labels to start from, without padding.

    Attributes
    ----------
    user_factors : ndarray of float32
        As wide as `Settings.columns`.
    item_factors : ndarray of float32
        Padded to a multiple of 16 columns.
    epochs : int
        The number of finished epochs.
    history : dict of str to list of float
        One value an epoch: see `VSEens.history_`.
    """

    def __init__(
        self,
        user_items: csr_matrix,
        settings: Settings,
        seed: int,
        num_threads: int,
        initial: tuple[Floats, Floats] | None = None,
    ):
        self.settings = settings
        self.seed = seed
        self.num_threads = num_threads
        self.shape: tuple[int, int] = user_items.shape
        n_labels = self.shape[1]
        self.indptr: NDArray[np.int64] = user_items.indptr.astype(np.int64, copy=False)
        self.indices: NDArray[np.int32] = user_items.indices.astype(np.int32, copy=False)
        lengths = np.diff(self.indptr)
        trainable = lengths > 0
        if settings.verify_negative_samples:
            trainable &= lengths < n_labels
        self.rows = np.flatnonzero(trainable).astype(np.int32)
        self.n_pairs = int(lengths[trainable].sum())
        if settings.released:
            self.n_pairs = RELEASED_TRIPLETS * len(self.rows)
        self.lengths = lengths

        self._init_factors(initial)
        self.sampler = self.new_sampler()
        self.training = settings.make_training(self.sampler, self.item_factors)
        # in pairs
        self.refresh_interval: int = max(
            1, ceil(min(settings.refresh_interval * n_labels * log(n_labels), MOST_PAIRS))
        )
        self.pairs_since_refresh: int | None = None
        self.running_values: NDArray[np.float64] | None = None
        self.row_values: NDArray[np.float64] | None = None
        if settings.positive_sampling == "weighted":
            values = user_items.data.astype(np.float64)
            self.running_values = kernel.running_sums(self.indptr, values)
            self.row_values = self.running_values[self.indptr[self.rows + 1] - 1]
        self.learning_rate = settings.learning_rate
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
            for stream, array in enumerate(factors):
                kernel.fill_normal(
                    array,
                    settings.factors,
                    settings.init_scale,
                    self.seed,
                    stream,
                    threads_for(len(array), self.num_threads),
                )
            if settings.init == "spectral":
                add_spectral_start(
                    self.user_factors,
                    self.item_factors,
                    self.indptr,
                    self.indices,
                    settings,
                    self.seed,
                    threads_for(self.n_pairs, self.num_threads),
                )
        if settings.cosine:
            for array in factors:
                array /= np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-30)
        if settings.use_bias:
            self.user_factors[:, settings.factors] = 1.0

    def new_sampler(self) -> kernel.Sampler:
        """Make a sampler of the settings for these labels."""
        return self.settings.make_sampler(
            self.shape[1], lambda: count_labels(self.indices, self.shape[1])
        )

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
            self.group_size = _possible_group_size(values["group_size"], self.settings.candidates)
        since = values["pairs_since_refresh"]
        self.pairs_since_refresh = None if since is None else int(since)
        if self.settings.sampler == "exact":
            # its table is the factors themselves
            self.sampler.refresh(self.item_factors, self.num_threads)

    def train(
        self,
        iterations: int,
        show_progress: bool = False,
        callback: EpochCallback | None = None,
        should_stop: Callable[["Trainer"], bool] | None = None,
        done: int = 0,
        keep: Callable[[int], None] | None = None,
    ) -> None:
        """Run epochs; `ModelFitError` when the factors are no longer finite.

        ``should_stop`` is asked after every epoch, and ``keep`` is called with the number of those
        that are done, of which there may be some already.
        """
        with tqdm(
            total=iterations, initial=done, disable=not show_progress, unit="epoch"
        ) as progress:
            for iteration in range(done, iterations):
                if self.settings.learning_rate_schedule == "linear":
                    self.learning_rate = self.settings.learning_rate * (1 - iteration / iterations)
                counts = self.run_epoch()
                stops = should_stop is not None and should_stop(self)
                shown = {
                    "loss": f"{self.history['loss'][-1]:.4f}",
                    "violations": f"{self.history['violations'][-1]:.1%}",
                }
                if should_stop is not None:
                    shown["validation"] = f"{self.history['validation'][-1]:.4f}"
                progress.set_postfix(shown, refresh=False)
                progress.update(1)
                if keep is not None and not stops:
                    keep(iteration + 1)
                if callback is not None:
                    callback(
                        self.epochs - 1,
                        self.history["seconds"][-1],
                        int(counts["correct"]),
                        int(counts["skipped"]),
                    )
                if stops:
                    break
        if iterations and self.has_exploded():
            raise self._divergence(self.epochs)

    def has_exploded(self) -> bool:
        """Tell whether there are factors that are no numbers, or too large to mean anything."""
        largest = LARGEST_FACTOR * max(1.0, self.settings.init_scale)
        # what is no number is not smaller either
        return not all(
            factors.max(initial=0) < largest and factors.min(initial=0) > -largest
            for factors in (self.user_factors, self.item_factors)
        )

    def run_epoch(self) -> dict[str, float]:
        """Train on every positive once (or as many drawn ones) and return the kernel's counts."""
        started = time.perf_counter()
        generator = np.random.Generator(np.random.PCG64([self.seed, self.epochs]))
        order, draws = self._plan_epoch(generator)
        work = np.cumsum(self.lengths[order] if draws is None else draws, dtype=np.int64)
        counts: dict[str, float] = dict.fromkeys(kernel.COUNTS, 0)
        start, done = 0, 0
        while start < len(order):
            limit = self.call_size.pairs
            if self.settings.sampler in ("adaptive", "exact"):
                limit = min(limit, self._refresh_if_due())
            stop = min(len(order), int(np.searchsorted(work, done + limit)) + 1)
            call_started = time.perf_counter()
            called = self._call_kernel(
                order[start:stop], None if draws is None else draws[start:stop]
            )
            self.call_size.record(int(work[stop - 1]) - done, time.perf_counter() - call_started)
            if called["not_finite"]:
                raise self._divergence(self.epochs + 1)
            for name, value in called.items():
                counts[name] += value
            if self.pairs_since_refresh is not None:
                self.pairs_since_refresh += int(work[stop - 1]) - done
            start, done = stop, int(work[stop - 1])
        self._close_epoch(counts, time.perf_counter() - started)
        return counts

    def _plan_epoch(
        self, generator: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
        """Return the order of the rows and, where positives are drawn, how many of each row."""
        if not len(self.rows):
            return self.rows, None
        if self.settings.positive_sampling == "pairs":
            return generator.permutation(self.rows), None
        weights = np.ones(len(self.rows)) if self.row_values is None else self.row_values
        visits = generator.multinomial(self.n_pairs, weights / weights.sum())
        place = generator.permutation(np.flatnonzero(visits))
        return self.rows[place], visits[place].astype(np.int32)

    def _refresh_if_due(self) -> int:
        """Refresh the rank table if its interval has passed; return the pairs to the next one."""
        since = self.pairs_since_refresh
        # the exact sampler reads the factors themselves
        if self.settings.sampler == "exact" and since is not None:
            return int(MOST_PAIRS)
        if since is None or since >= self.refresh_interval:
            self.sampler.refresh(self.item_factors, self.num_threads)
            self.pairs_since_refresh = since = 0
        return self.refresh_interval - since

    def _call_kernel(
        self, rows: NDArray[np.int32], draws: NDArray[np.int32] | None
    ) -> dict[str, float]:
        return self.training.run(
            self.indptr,
            self.indices,
            rows,
            self.user_factors,
            draws=draws,
            running_values=self.running_values,
            learning_rate=self.learning_rate,
            learning_rate_user=self.learning_rate * self.settings.user_learning_rate_multiplier,
            group_size=self.group_size,
            seed=self.seed,
            # the first two streams of the seed made the initial factors
            epoch=self.epochs + 2,
            n_threads=threads_for(self.n_pairs, self.num_threads),
        )

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

    def _divergence(self, epoch: int) -> ModelFitError:
        return ModelFitError(
            f"the factors or scores exploded in epoch {epoch}: learning_rate="
            f"{self.settings.learning_rate:g} is too large for this data. Lower learning_rate "
            "(by a factor of 2 to 10) or init_scale; the model was left as it was before fit"
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
            scores = self.user_factors[rows, :k] @ labels[:, :k].T
        by_factors = float(scores.var(axis=1, dtype=np.float64).mean())
        by_biases = float(labels[:, k].var(dtype=np.float64)) if self.settings.use_bias else 0.0
        whole = by_factors + by_biases
        return by_factors / whole if whole > 0 else 0.0

    def keep_popularity(self) -> None:
        """Put in place of all that was learned the number of images that have each label."""
        counts = count_labels(self.indices, self.shape[1])
        factors = self.settings.factors
        self.user_factors[:, :factors] = 0
        self.item_factors[:, :factors] = 0
        self.item_factors[:, factors] = np.log1p(counts)

    def forget_unseen(self) -> None:
        """Set the factors of labels and images without a pair to 0, all but their biases.

        The bias of such a label is what it was as a negative, so that it ranks last. Without an
        epoch the factors are those that a training starts from.
        """
        if not self.epochs:
            return
        unseen = count_labels(self.indices, self.shape[1]) == 0
        self.item_factors[unseen, : self.settings.factors] = 0
        self.user_factors[self.lengths == 0, : self.settings.factors] = 0

    def factors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the factors of images and labels as they are, without the padding."""
        return self.user_factors, self.item_factors[:, : self.settings.columns]

    def take_factors(self, dtype: DTypeLike) -> tuple[Floats, Floats]:
        """Give the factors away, contiguous and without the padding; training is over then."""
        users = self.user_factors.astype(dtype, copy=False)
        items = _without_padding(self.item_factors, self.settings.columns)
        items = items.astype(dtype, copy=False)
        del self.user_factors, self.item_factors, self.training
        return users, items


def adaptive_group_size(alignment: float, uniformity: float, candidates: int) -> int:
    """Negatives to keep of the candidates of the next epoch (Zhang et al., EACL 2023).

    Parameters
    ----------
    alignment : float
        Mean cosine of the positives.
    uniformity : float
        Mean of exp(-cosine) of the negatives drawn.
    candidates : int
        At least 2.
    """
    share = cos(max(0.0, alignment + uniformity) ** 1.25)
    return _possible_group_size(int(share * candidates) + 1, candidates)


def _possible_group_size(size: float, candidates: int) -> int:
    return int(np.clip(size, 1, max(1, candidates - 1)))


def last_group_size(settings: Settings, history: History) -> int:
    """Negatives that the "group" selection keeps, in the last epoch if they change."""
    if settings.group_size != "auto":
        return int(settings.group_size)
    known = [size for size in history.get("group_size", []) if not isnan(size)]
    if known:
        # of as many candidates as there were then
        return _possible_group_size(known[-1], settings.candidates)
    # fresh factors point nowhere: the cosines are 0
    return adaptive_group_size(0.0, 1.0, settings.candidates)


def _without_padding(padded: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Move the rows together inside their own memory, so that no second copy is needed."""
    n_rows, width = padded.shape
    if columns == width:
        return padded
    flat = padded.reshape(-1)
    for start in range(0, n_rows, COMPACTED_TOGETHER):
        stop = min(n_rows, start + COMPACTED_TOGETHER)
        flat[start * columns : stop * columns] = padded[start:stop, :columns].copy().reshape(-1)
    return flat[: n_rows * columns].reshape(n_rows, columns)
