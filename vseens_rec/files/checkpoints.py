"""Trainings in files: what it takes to go on after an interruption as if there had been none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from .._typing import PathLike
from .._validation import check_n
from ..engine.early_stopping import Monitor
from ..engine.settings import TrialResult
from ..engine.trainer import Trainer
from ..engine.trial import result_from
from . import archive
from .models import ModelState, is_history
from .parameters import parameters_to_json

__all__ = ["Checkpoint"]

FORMAT = "vseens_rec checkpoint"
VERSION = 1
FACTORS = (2, (np.float32,))
KINDS: archive.Kinds = {
    "user_factors": FACTORS,
    "item_factors": FACTORS,
    "rank_table": (2, (np.uint16, np.uint32)),
    "spread": (1, (np.float32,)),
    "best_user_factors": FACTORS,
    "best_item_factors": FACTORS,
    "feature_weights": FACTORS,
    "feature_squares": (1, (np.float32,)),
    "best_feature_weights": FACTORS,
}
# what may differ between the training that wrote the file and the one that goes on
FREE = ("num_threads", "dtype", "random_state")
# what a caller knows the rest of its description by
ARGUMENTS = {
    "matrix": "X",
    "popularity": "X",
    "features": "image_features",
    "start": "warm_start",
    "initial factors": "warm_start",
}


class Checkpoint:
    """A file that a training is written to as it goes on, and that a new `fit` resumes from.

    Pass it to `VSEens.fit`. If the file exists, it has to be of the same training (parameters,
    matrix, and the factors a warm start begins with), and the training goes on where the
    file ends; on one thread the factors have the same bits as those of a training that ran through.
    Once `fit` is done the file is removed, so that the next one starts afresh.

    Parameters
    ----------
    path : str or path-like
        The file; ``.npz`` is added to a name without it. It is replaced by a new one once that is
        whole, so there is always one to go on from.
    every : int, default=1
        Epochs from one writing to the next.

    Attributes
    ----------
    path : pathlib.Path
        The file, with its suffix.
    every : int
        As it was given.

    Examples
    --------
    >>> import os, tempfile
    >>> from vseens_rec import Checkpoint, VSEens
    >>> from vseens_rec.datasets import load_emoji
    >>> checkpoint = Checkpoint(os.path.join(tempfile.mkdtemp(), "training"), every=2)
    >>> model = VSEens(factors=16, iterations=5, random_state=0).fit(
    ...     load_emoji().matrix, show_progress=False, checkpoint=checkpoint)
    >>> checkpoint.path.exists()
    False
    """

    def __init__(self, path: PathLike, every: int = 1):
        self.path: Path = archive.with_suffix(path)
        self.every: int = check_n(every, "every")

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, every={self.every})"

    def check(self) -> None:
        """Raise OSError if the file cannot be written, which `fit` asks before it trains.

        Examples
        --------
        >>> from vseens_rec import Checkpoint
        >>> Checkpoint("no/such/folder/training").check()
        Traceback (most recent call last):
        FileNotFoundError: checkpoint is 'no/such/folder/training.npz', but there is no folder ...
        """
        archive.check_writable(self.path, "checkpoint")

    def remove(self) -> None:
        """Delete the file, if there is one, so that the next training starts afresh.

        Examples
        --------
        >>> import os, tempfile
        >>> from vseens_rec import Checkpoint
        >>> checkpoint = Checkpoint(os.path.join(tempfile.mkdtemp(), "training"))
        >>> _ = checkpoint.path.write_bytes(b"of another training")
        >>> checkpoint.remove()
        >>> checkpoint.path.exists()
        False
        """
        with suppress(FileNotFoundError):
            archive.target(self.path).unlink()


def stored_result(checkpoint: Checkpoint) -> TrialResult | None:
    """Return what the trial of an interrupted training chose, None if it cannot be told."""
    try:
        header, _ = archive.read(checkpoint.path, lambda header: KINDS)
        return result_from(header["trial"])
    except (FileNotFoundError, KeyError, ValueError, TypeError):
        # what is wrong with the file is said when it is resumed
        return None


class Resumable:
    """One training with its checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where it is written.
    model : ModelState
        The class and the parameters that it follows.
    matrix : csr_matrix
        What it learns from, canonical.
    trainer : Trainer
        Before its first epoch.
    monitor : Monitor or None
        What watches it.
    found : callable
        Returns what was chosen for it so far, a `TrialResult`.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        model: ModelState,
        matrix: csr_matrix,
        trainer: Trainer,
        monitor: Monitor | None,
        found: Callable[[], TrialResult],
    ):
        self.checkpoint, self.trainer, self.monitor = checkpoint, trainer, monitor
        self.found = found
        parameters = parameters_to_json(model.parameters)
        self.fixed_seed = isinstance(parameters["random_state"], int)
        self.identity: dict[str, Any] = {
            "class": model.class_name,
            "parameters": {name: parameters[name] for name in parameters if name not in FREE},
            "matrix": _digest(np.array(matrix.shape), matrix.indptr, matrix.indices, matrix.data),
            "start": trainer.epochs,
        }
        features = trainer.interactions.features
        if features is not None:
            parts = (features.values, features.indptr, features.indices)
            self.identity["features"] = _digest(*(part for part in parts if part is not None))
        if trainer.settings.sampler.needs_counts:
            self.identity["popularity"] = _digest(trainer.interactions.popularity)
        if trainer.epochs:
            # a warm start: the factors do not follow from the seed
            self.identity["initial factors"] = _digest(trainer.user_factors, trainer.item_factors)

    def resume(self) -> int:
        """Put the trainer where the file ends; return the number of epochs that it has done."""
        if not self.checkpoint.path.exists():
            return 0
        path = self.checkpoint.path

        def check(header: archive.Header) -> archive.Kinds:
            if header.get("format") != FORMAT or header.get("version") != VERSION:
                raise ValueError(
                    f"{path} is no checkpoint that this release reads: give another path, or "
                    "delete it"
                )
            return KINDS

        header, arrays = archive.read(path, check)
        differing = sorted(set(_differences(header.get("identity"), self.identity)))
        stored = header.get("trainer")
        if not isinstance(stored, dict):
            raise ValueError(f"{path} is damaged: it does not hold the state of a training")
        if self.fixed_seed and stored.get("seed") != self.trainer.seed:
            differing.append("random_state")
        if differing:
            raise ValueError(
                f"{path} is the checkpoint of another training, which differs in "
                f"{', '.join(differing)}: fit as it was begun, or delete the file to start afresh"
            )
        try:
            if not is_history(stored["history"]):
                raise TypeError("history holds more than lists of numbers")
            self.trainer.restore(stored, arrays)
            if self.monitor is not None:
                self.monitor.restore_state(header["monitor"], arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        start: int = self.identity["start"]
        return self.trainer.epochs - start

    def write(self, done: int) -> None:
        """Write the state after so many epochs, if it is time to."""
        if done % self.checkpoint.every:
            return
        values, arrays = self.trainer.state()
        header: archive.Header = {"format": FORMAT, "version": VERSION, "identity": self.identity}
        header["trainer"] = values
        header["trial"] = self.found()._asdict()
        if self.monitor is not None:
            header["monitor"], best = self.monitor.state()
            arrays |= best
        archive.write(self.checkpoint.path, header, arrays)


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _differences(stored: Any, own: dict[str, Any]) -> Iterator[str]:
    """Name what differs between two descriptions of a training."""
    if not isinstance(stored, dict):
        stored = {}
    for name in sorted(own.keys() | stored.keys()):
        if name == "parameters" and isinstance(stored.get(name), dict):
            yield from _differences(stored[name], own[name])
        elif stored.get(name) != own.get(name):
            yield ARGUMENTS.get(name, name)
