"""When to stop: a measure on held-out labels, watched after every epoch."""

import numpy as np
from scipy.sparse import csr_matrix

from ._native import kernel
from .fold_in import FoldIn
from .hashing import hash_of, hashes_of_rows
from .metrics import Factors, parse_metric, ranking_metrics
from .model_selection import hide_one_label
from .training import Trainer, last_group_size


def validation_split(matrix: csr_matrix, fraction: float) -> tuple[csr_matrix, csr_matrix]:
    """Hold out one label of about a fraction of the images that have two or more, at least one.

    Images and labels are chosen by hashes of the images' labels alone, so that trainings that
    follow each other, on more images too, hold out the same ones.
    """
    lengths = np.diff(matrix.indptr)
    several = np.flatnonzero(lengths >= 2)
    if not len(several):
        raise ValueError(
            "early_stopping holds out one label of images with two or more, but X has no such "
            "image: use early_stopping=False"
        )
    hashes = hash_of(hashes_of_rows(matrix)[several])
    chosen = several[hashes < np.uint64(fraction * 2**64)]
    if not len(chosen):
        chosen = several[[hashes.argmin()]]
    n_images = len(chosen)
    _, hidden = hide_one_label(matrix[chosen])
    place = csr_matrix(
        (np.ones(n_images, dtype=matrix.dtype), (chosen, np.arange(n_images))),
        shape=(matrix.shape[0], n_images),
    )
    held_out = (place @ hidden).tocsr()
    train = (matrix - held_out).tocsr()
    train.eliminate_zeros()
    train.sort_indices()
    held_out.sort_indices()
    return train, held_out


class EarlyStopping:
    """Watches a measure of a training and keeps the factors that were best.

    Parameters
    ----------
    train, held_out : csr_matrix
        What the trainer learns from, and what was held out of it.
    metric : str
        A name of `ranking_metrics`; larger is better.
    n_iter_no_change : int
        Stop after so many epochs that did not beat the best before them by `tol`.
    tol : float
        At least 0.
    fold_in : bool
        Measure the factors that fold-in gives for the images, not those of the training.
    num_threads : int
        Upper limit of the threads.

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
        metric: str,
        n_iter_no_change: int,
        tol: float,
        fold_in: bool,
        num_threads: int,
    ):
        self.rows = np.flatnonzero(np.diff(held_out.indptr))
        self.train, self.held_out = train[self.rows], held_out[self.rows]
        self.metric, self.num_threads = parse_metric(metric).name, num_threads
        self.n_iter_no_change, self.tol = n_iter_no_change, tol
        self.fold_in = fold_in
        self.sampler: kernel.Sampler | None = None
        self.best_epoch, self.best_score = 0, -np.inf
        # the score that has to be beaten, and how often it was not
        self.reference, self.unchanged = -np.inf, 0
        self.kept: tuple[np.ndarray | None, np.ndarray] | None = None

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
            )
            users = folder.users(self.train, self.num_threads)
        else:
            users = trainer.user_factors[self.rows]
        if not np.isfinite(users).all():
            return -np.inf
        found = ranking_metrics(
            Factors(users, trainer.item_factors[:, : users.shape[1]]),
            self.train,
            self.held_out,
            self.metric,
            num_threads=self.num_threads,
        )
        return found[self.metric]

    def should_stop(self, trainer: Trainer) -> bool:
        """Measure after an epoch, keep the factors if they are the best, and decide."""
        score = self.score(trainer)
        earlier = [float("nan")] * (trainer.epochs - 1)
        trainer.history.setdefault("validation", [*earlier, score])[-1] = score
        self.keep_if_best(trainer, score)
        if score > self.reference + self.tol:
            self.reference, self.unchanged = score, 0
        else:
            self.unchanged += 1
        return self.unchanged >= self.n_iter_no_change

    def keep_if_best(self, trainer: Trainer, score: float) -> None:
        """Copy the factors if none scored higher."""
        if score > self.best_score:
            self.best_epoch, self.best_score = trainer.epochs, score
            users = None if self.fold_in else trainer.user_factors.copy()
            self.kept = (users, trainer.item_factors.copy())

    def state(self) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return what it takes to go on watching: numbers, and the best factors."""
        values = {
            "best_epoch": self.best_epoch,
            "best_score": float(self.best_score),
            "reference": float(self.reference),
            "unchanged": self.unchanged,
        }
        users, items = self.kept or (None, None)
        arrays = {"best_user_factors": users, "best_item_factors": items}
        return values, {name: array for name, array in arrays.items() if array is not None}

    def restore_state(self, values: dict[str, float], arrays: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        self.best_epoch, self.unchanged = int(values["best_epoch"]), int(values["unchanged"])
        self.best_score, self.reference = values["best_score"], values["reference"]
        if "best_item_factors" in arrays:
            users = None if self.fold_in else arrays["best_user_factors"]
            self.kept = (users, arrays["best_item_factors"])

    def restore(self, trainer: Trainer) -> None:
        """Put the best factors back."""
        if self.kept is None:
            return
        users, items = self.kept
        if users is not None:
            trainer.user_factors[:] = users
        trainer.item_factors[:] = items
