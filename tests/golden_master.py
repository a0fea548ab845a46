"""What a dozen trainings learn, as numbers to compare with those of another build.

    python tests/golden_master.py [--write]

Prints, for the kernel in use (``VSEENS_REC_INSTRUCTION_SET`` chooses one), a hash of the learned
bits of every setting and some rounded values of them. With --write they take the place of those
stored for this kernel in tests/data/golden_master.json.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np

import vseens_rec
from vseens_rec import ReleasedVSEens, VSEens
from vseens_rec.choices import (
    Adaptive,
    ByPopularity,
    Exact,
    Group,
    Hinge,
    Penalty,
    Random,
    Softmax,
    Spectral,
    Warp,
)
from vseens_rec.datasets import make_annotations

STORED = Path(__file__).parent / "data" / "golden_master.json"

# every number is given, so that a default that changes moves nothing here
PLAIN = {
    "factors": 20,
    "learning_rate": 0.1,
    "regularization": 0.02,
    "iterations": 4,
    "sampler": Adaptive(rank_scale=0.2, refresh_interval=1.0),
    "selection": "first",
    "candidates": 1,
    "loss": "logistic",
    "learning_rate_schedule": "linear",
    "damped_steps": False,
    "user_learning_rate_multiplier": 2.0,
    "use_bias": True,
    "init": Random(scale=0.1),
    "fold_in_users": False,
    "item_item": None,
    "num_threads": 1,
    "random_state": 3,
}
SETTINGS = {
    "adaptive, first, logistic": {},
    "uniform, first, hinge": {"sampler": "uniform", "loss": Hinge(margin=1.0), "factors": 40},
    "popularity, first, logistic": {"sampler": ByPopularity(exponent=0.75), "damped_steps": True},
    "exact, first, hinge": {
        "sampler": Exact(rank_scale=0.2),
        "loss": Hinge(margin=1.0),
        "iterations": 2,
    },
    "adaptive, hardest of 4, logistic": {
        "selection": "hardest",
        "candidates": 4,
        "damped_steps": True,
    },
    "uniform, violator, warp": {
        "sampler": "uniform",
        "selection": "violator",
        "loss": Warp(margin=1.0),
        "damped_steps": True,
        "regularization": Penalty(0.02, 0.02, 0.02, violating_only=True),
    },
    "adaptive, 2 of 6, hinge": {
        "selection": Group(size=2),
        "candidates": 6,
        "loss": Hinge(margin=1.0),
        "learning_rate": 0.03,
    },
    "adaptive, 6 of 6, softmax": {
        "candidates": 6,
        "loss": Softmax(margin=1.0),
        "learning_rate": 0.03,
    },
    "adaptive, 3 of 3, sgns": {"candidates": 3, "loss": "sgns", "learning_rate": 0.03},
    "uniform, softmax of cosines": {
        "sampler": "uniform",
        "candidates": 8,
        "loss": Softmax(margin=1.0, temperature=0.2),
        "learning_rate": 0.03,
        "cosine": True,
        "use_bias": False,
    },
    "positives by their value": {"positive_sampling": "weighted", "factors": 16},
    "as released": {"preset": ReleasedVSEens, "use_bias": False, "iterations": 1},
    # a decomposition depends on the linear algebra at hand as well, and so do its bits
    "spectral start": {"init": Spectral(scale=0.1), "iterations": 1},
    "images folded in": {"fold_in_users": True},
    "images folded in, hardest of 4": {
        "fold_in_users": True,
        "selection": "hardest",
        "candidates": 4,
        "damped_steps": True,
    },
}


def learn(parameters):
    """Return all that one setting learns, as one array."""
    matrix = make_annotations(250, 90, 2200, random_state=0)
    matrix.data[:] = 1 + np.arange(matrix.nnz) % 3
    parameters = PLAIN | parameters
    preset = parameters.pop("preset", VSEens)
    known = {name: parameters[name] for name in parameters if name in preset().get_params()}
    model = preset(**known).fit(matrix, show_progress=False)
    return np.concatenate([model.user_factors.ravel(), model.item_factors.ravel()])


def summary(learned):
    """Sums that a change of any part moves, and some of the values."""
    learned = learned.astype(np.float64)
    waves = np.cos(np.arange(len(learned)) * np.array([[0.1], [0.37], [1.9]]))
    sums = [np.abs(learned).mean(), *(waves @ learned / np.sqrt(len(learned)))]
    return [float(f"{value:.5g}") for value in (*sums, *learned[:: len(learned) // 12])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    config = vseens_rec.show_config(mode="dicts")
    found = {"compiler": config["compiler"], "settings": {}}
    for name, parameters in SETTINGS.items():
        learned = learn(parameters)
        bits = hashlib.sha256(learned.tobytes()).hexdigest()[:16]
        found["settings"][name] = {"bits": bits, "values": summary(learned)}
    if options.write:
        stored = json.loads(STORED.read_text()) if STORED.exists() else {}
        stored[config["instruction_set"]] = found
        STORED.write_text(json.dumps(stored, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
