"""Trainings in processes of their own, and how high what they learned ranks held-out labels."""

import io
import json
import os
import subprocess
import sys
from tempfile import TemporaryDirectory

import contestants
import numpy as np
from contestants import LIGHTFM
from scipy.sparse import csr_matrix, save_npz

import vseens_rec
from vseens_rec.metrics import Factors, ranking_metrics

# what is measured for an epoch in which factors became infinite, or a job that was never finished
NOTHING = {"ndcg": 0.0, "recall": 0.0}


class Jobs:
    """Runs jobs on the parts of one data set.

    Parameters
    ----------
    parts : dict of str to (csr_matrix, csr_matrix)
        By name, what is trained on and what is held out.
    length : int
        Of the lists that are measured.
    threads : int
        Of a training.
    lightfm_python : path or None
        The interpreter that trains LightFM.
    """

    def __init__(self, parts, length, threads, lightfm_python=None):
        self.parts, self.length, self.threads = parts, length, threads
        self.lightfm_python = lightfm_python
        self.temporary = TemporaryDirectory()
        for part, (train, _) in parts.items():
            save_npz(self.path(f"{part}.npz"), train, compressed=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def path(self, name):
        """Where a file is."""
        return os.path.join(self.temporary.name, name)

    def measure(self, part):
        """NDCG and recall of what a process has saved."""
        train, held_out = self.parts[part]
        with np.load(self.path("learned.npz")) as file:
            scores = scores_of(dict(file), train)
        if scores is None:
            return NOTHING
        names = [f"{name}@{self.length}" for name in NOTHING]
        found = ranking_metrics(scores, train, held_out, names, num_threads=self.threads)
        return dict(zip(NOTHING, found.values(), strict=True))

    def run(self, method, part, setting, seed=0, **asked):
        """Return what was measured of a training, by epochs and seconds; None if it failed.

        `asked` is either the epochs to measure after, or the seconds that there are for them.
        """
        job = {
            "method": method,
            "setting": setting,
            "seed": seed,
            "threads": self.threads,
            "matrix": self.path(f"{part}.npz"),
            "learned": self.path("learned.npz"),
            **asked,
        }
        python = self.lightfm_python if method in LIGHTFM else sys.executable
        # what learns by epochs has threads of its own, and those of BLAS would come on top
        blas = 1 if contestants.METHODS[method].has_factors else self.threads
        limits = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(blas))
        points = []
        with (
            open(self.path("errors.txt"), "w+") as errors,
            subprocess.Popen(
                [python, contestants.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | limits | {"OMP_NUM_THREADS": str(self.threads)},
            ) as process,
        ):
            print(json.dumps(job), file=process.stdin, flush=True)
            for line in process.stdout:
                points.append(json.loads(line) | self.measure(part))
                print(file=process.stdin, flush=True)
            if process.wait():
                errors.seek(0)
                print(f"{method} with {setting} failed\n{errors.read()}", file=sys.stderr)
                return None
        # a job that diverged before its first point is done too
        return points or [{"epochs": 0, "seconds": 0.0} | NOTHING]


def scores_of(learned, train):
    """What ranking_metrics takes for the arrays that a process has saved; None if not numbers."""
    if "model" in learned:
        kind = getattr(vseens_rec, str(learned["kind"]))
        return kind.load(io.BytesIO(learned["model"].tobytes()))
    if "users" in learned:
        factors = Factors(learned["users"], learned["items"])
        return factors if all(np.isfinite(side).all() for side in factors) else None
    weights = [matrix_of(learned, f"weights{number}") for number in range(2)]
    weights = [matrix for matrix in weights if matrix is not None]

    def scores(rows):
        found = train[rows].astype(np.float32)
        for matrix in weights:
            found = found @ matrix
        return found if isinstance(found, np.ndarray) else found.toarray()

    finite = all(np.isfinite(getattr(matrix, "data", matrix)).all() for matrix in weights)
    return scores if finite else None


def matrix_of(arrays, name):
    """One matrix of weights, dense or sparse; None if there is none of that name."""
    if f"{name}_data" in arrays:
        parts = [arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr")]
        return csr_matrix(tuple(parts), tuple(arrays[f"{name}_shape"]))
    return arrays.get(name)
