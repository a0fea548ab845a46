"""When to stop: a measure on held-out labels, watched after every epoch."""

import numpy as np
from scipy.sparse import csr_matrix

from .._native import kernel
from ..choices import EarlyStopping
from .features import Features
from .fold_in import FoldIn
from .group_size import last_group_size
from .interactions import Interactions
from .measures import Factors, measure, parse_metric
from .trainer import Trainer


class Monitor:
    """Watches a measure of a training and keeps the factors that were best.

    Parameters
    ----------
    train, held_out : csr_matrix
        What the trainer learns from, and what was held out of it.
    stopping : EarlyStopping
        What is watched, and how long it may stay as it is.
    fold_in : bool
        Measure the factors that fold-in gives for the images, not those of the training.
    num_threads : int
        Upper limit of the threads.
    features : Features, optional
        Of all images.

    Attributes
    ----------
    best_epoch : int
        The number of epochs after which the kept factors were best; 0 before the first.
    """

    def __init__(
        self,
        train: csr_matrix,
        held_out: csr_matrix,
        *,
        stopping: EarlyStopping,
        fold_in: bool,
        num_threads: int,
        features: Features | None = None,
    ):
        self.rows = np.flatnonzero(np.diff(held_out.indptr))
        self.train, self.held_out = train[self.rows], held_out[self.rows]
        self.interactions = Interactions.of(
            self.train, features=None if features is None else features.rows(self.rows)
        )
        self.metric, self.num_threads = parse_metric(stopping.scoring), num_threads
        self.stopping = stopping
        self.fold_in = fold_in
        self.sampler: kernel.Sampler | None = None
        self.best_epoch, self.best_score = 0, -np.inf
        # the score that has to be beaten, and how often it was not
        self.reference, self.unchanged = -np.inf, 0
        # of images, unless they are folded in, and of labels; and the map of features
        self.kept: tuple[np.ndarray | None, np.ndarray, np.ndarray | None] | None = None

    def score(self, trainer: Trainer) -> float:
        """Measure the factors as they are."""
        if trainer.has_exploded():
            return -np.inf
        if self.fold_in:
            if self.sampler is None:
                # of its own, so that watching changes nothing in the training
                self.sampler = trainer.new_sampler()
            group_size = last_group_size(trainer.settings, trainer.history)
            folder = FoldIn(
                trainer.settings,
                trainer.item_factors,
                self.sampler,
                group_size,
                self.num_threads,
                feature_map=trainer.feature_map,
            )
            users = folder.users(self.interactions, self.num_threads)
        else:
            users = trainer.vectors_of(self.rows)
        if not np.isfinite(users).all():
            return -np.inf
        factors = Factors(users, trainer.item_factors[:, : users.shape[1]])
        return measure(factors, self.train, self.held_out, self.metric, self.num_threads)

    def should_stop(self, trainer: Trainer) -> bool:
        """Measure after an epoch, keep the factors if they are the best, and decide."""
        score = self.score(trainer)
        earlier = [float("nan")] * (trainer.epochs - 1)
        trainer.history.setdefault("validation", [*earlier, score])[-1] = score
        self.keep_if_best(trainer, score)
        if score > self.reference + self.stopping.tol:
            self.reference, self.unchanged = score, 0
        else:
            self.unchanged += 1
        return self.unchanged >= self.stopping.n_iter_no_change

    def keep_if_best(self, trainer: Trainer, score: float) -> None:
        """Copy the factors if none scored higher."""
        if score > self.best_score:
            self.best_epoch, self.best_score = trainer.epochs, score
            users = None if self.fold_in else trainer.user_factors.copy()
            weights = None if trainer.feature_map is None else trainer.feature_map.weights.copy()
            self.kept = (users, trainer.item_factors.copy(), weights)

    def state(self) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return what it takes to go on watching: numbers, and the best factors."""
        values = {
            "best_epoch": self.best_epoch,
            "best_score": float(self.best_score),
            "reference": float(self.reference),
            "unchanged": self.unchanged,
        }
        users, items, weights = self.kept or (None, None, None)
        arrays = {
            "best_user_factors": users,
            "best_item_factors": items,
            "best_feature_weights": weights,
        }
        return values, {name: array for name, array in arrays.items() if array is not None}

    def restore_state(self, values: dict[str, float], arrays: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        self.best_epoch, self.unchanged = int(values["best_epoch"]), int(values["unchanged"])
        self.best_score, self.reference = values["best_score"], values["reference"]
        if "best_item_factors" in arrays:
            users = None if self.fold_in else arrays["best_user_factors"]
            self.kept = (users, arrays["best_item_factors"], arrays.get("best_feature_weights"))

    def restore(self, trainer: Trainer) -> None:
        """Put the best factors back."""
        if self.kept is None:
            return
        users, items, weights = self.kept
        if users is not None:
            trainer.user_factors[:] = users
        trainer.item_factors[:] = items
        if trainer.feature_map is not None and weights is not None:
            trainer.feature_map.weights[:] = weights
