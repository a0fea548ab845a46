"""What each default parameter is worth: every one moved alone, on labels held out for validation.

    python benchmarks/defaults.py --data FOLDER [--sets mirflickr25k harrison coco80] [--seeds 1]

FOLDER holds mirflickr25k/tags_all.npz, harrison/all.npz and coco80/official_train2014.npz, CSR
matrices saved by scipy.sparse.save_npz; where the public gets them is in benchmarks/pareto.py. One
label of every image is held out for a test that is not looked at here, and one of the rest is what
is ranked. Prints NDCG@10 and the seconds of fit, for the default and for every change.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.sparse import load_npz

from vseens_rec import VSEens
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

FILES = {
    "mirflickr25k": "mirflickr25k/tags_all.npz",
    "harrison": "harrison/all.npz",
    "coco80": "coco80/official_train2014.npz",
}
CHANGES = {
    "user_learning_rate_multiplier": [1.0, 4.0, 16.0],
    "learning_rate": [0.07, 0.1, 0.2, 0.3],
    "learning_rate_schedule": ["constant"],
    "damped_steps": [False],
    "regularization": [0.02, 0.08],
    "rank_scale": [0.1, 0.2, 0.5, 1.0],
    "refresh_interval": [1.0, 4.0, 16.0],
    "factors": [64, 256],
    "iterations": [12, 25, 100],
    "fold_in_users": [False],
}


def changes_for(n_labels):
    """Name and parameters of every model."""
    yield "VSEens()", {}
    for name, values in CHANGES.items():
        for value in values:
            yield f"{name}={value}", {name: value}
    candidates = VSEens()._settings(n_labels).candidates
    for factor in (0.5, 2):
        value = max(1, round(factor * candidates))
        yield f"candidates={candidates} -> {value}", {"candidates": value}
    yield "sampler=uniform", {"sampler": "uniform"}
    yield "uniform, candidates x 2", {"sampler": "uniform", "candidates": 2 * candidates}
    yield "one candidate, rank_scale=.1", {"candidates": 1, "rank_scale": 0.1}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(FILES), choices=FILES)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    for data in options.sets:
        train, _ = leave_one_out_split(load_npz(options.data / FILES[data]), random_state=0)
        inner, validation = leave_one_out_split(train, random_state=1)
        print(data)
        for name, parameters in changes_for(inner.shape[1]):
            found, seconds = [], []
            for seed in range(options.seeds):
                started = time.perf_counter()
                model = VSEens(random_state=seed, **parameters)
                model.fit(inner, show_progress=False)
                seconds.append(time.perf_counter() - started)
                found.append(ranking_metrics(model, inner, validation, "ndcg@10")["ndcg@10"])
            print(f"    {name:34} {np.mean(found):.4f} {np.mean(seconds):7.2f} s", flush=True)


if __name__ == "__main__":
    main()
