"""What each default parameter is worth: every one moved alone, on labels held out for validation.

    python benchmarks/defaults.py --data FOLDER [--sets mirflickr25k harrison coco80] [--seeds 1]
        [--estimator SampledSoftmax] [--starts]

FOLDER has the data sets of common.py. One label of every image is held out for a test that is not
looked at here, and one of the rest is what is ranked. Prints NDCG@10 and the seconds of fit, for
the default and for every change; with --starts for both starts (`init`) and several numbers of
iterations.
"""

import argparse
import time

import numpy as np
from common import add_data, load_images, split_twice
from implicit.recommender_base import ModelFitError

from vseens_rec import SampledSoftmax, VSEens
from vseens_rec.choices import Adaptive
from vseens_rec.metrics import ranking_metrics

SETS = (
    "mirflickr25k", "harrison", "coco80", "nuswide81", "corel5k", "corel5k_mulan374", "emoji"
)  # fmt: skip
CHANGES = {
    "user_learning_rate_multiplier": [1.0, 4.0, 16.0],
    "learning_rate": [0.05, 0.07, 0.1, 0.2, 0.3],
    "learning_rate_schedule": ["constant"],
    "damped_steps": [False],
    "regularization": [0.01, 0.02, 0.04, 0.08],
    "sampler__rank_scale": [0.1, 0.2, 0.5, 1.0],
    "sampler__refresh_interval": [1.0, 4.0, 16.0],
    "factors": [64, 128, 256, 512],
    "iterations": [6, 12, 25, 50, 100],
    "fold_in_users": [False],
    "init": ["random", "spectral"],
}
ESTIMATORS = {"VSEens": VSEens, "SampledSoftmax": SampledSoftmax}


def changes_for(estimator, n_labels):
    """Name and parameters of every model."""
    yield f"{estimator.__name__}()", {}
    defaults = estimator(sampler=Adaptive()).get_params()
    for name, values in CHANGES.items():
        for value in values:
            if name in defaults and value != defaults[name]:
                yield f"{name}={value}", {name: value}
    candidates = estimator()._settings(n_labels).candidates
    for factor in (0.5, 2):
        value = max(1, round(factor * candidates))
        yield f"candidates={candidates} -> {value}", {"candidates": value}
    yield "sampler=uniform", {"sampler": "uniform"}
    yield "uniform, candidates x 2", {"sampler": "uniform", "candidates": 2 * candidates}
    yield "one candidate, rank_scale=.1", {"candidates": 1, "sampler__rank_scale": 0.1}


def starts():
    """Name and parameters of both starts after several numbers of epochs."""
    for iterations in (3, 15, 50):
        for init in ("random", "spectral"):
            yield f"{init}, {iterations} iterations", {"init": init, "iterations": iterations}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data(parser, SETS, ["mirflickr25k", "harrison", "coco80"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--estimator", default="VSEens", choices=ESTIMATORS)
    parser.add_argument("--starts", action="store_true")
    options = parser.parse_args()
    estimator = ESTIMATORS[options.estimator]
    for data in options.sets:
        _, (inner, validation) = split_twice(load_images(options.data, data))
        print(data)
        models = starts() if options.starts else changes_for(estimator, inner.shape[1])
        for name, parameters in models:
            found, seconds = [], []
            for seed in range(options.seeds):
                started = time.perf_counter()
                model = estimator(sampler=Adaptive(), random_state=seed).set_params(**parameters)
                try:
                    model.fit(inner, show_progress=False)
                    exploded = False
                except ModelFitError:
                    exploded = True
                seconds.append(time.perf_counter() - started)
                ndcg = np.nan
                if not exploded:
                    ndcg = ranking_metrics(model, inner, validation, "ndcg@10")["ndcg@10"]
                found.append(ndcg)
            print(f"    {name:34} {np.mean(found):.4f} {np.mean(seconds):7.2f} s", flush=True)


if __name__ == "__main__":
    main()
