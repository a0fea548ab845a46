"""The methods of the paper at settings tuned with one budget, and what each setting is worth.

    python benchmarks/methods.py --data FOLDER [--sets mirflickr25k harrison emoji] [--trials 24]

FOLDER has the data sets of common.py. One label of every image is held out for the test, and one
more of what is left for validation, which alone chooses among random settings. Writes methods.csv,
every fit in a row, and prints a table of the chosen ones and, for every parameter, the best
validation figure by value.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from common import add_data, load_images, split_twice
from implicit.recommender_base import ModelFitError
from sklearn.base import clone

from vseens_rec import BPR, DNS, WARP, AoBPR, NaiveRank, Popularity, VSEens
from vseens_rec.choices import Hinge, Penalty, Violator, Warp
from vseens_rec.metrics import ranking_metrics

SETS = ("mirflickr25k", "harrison", "emoji")
EVERY = {
    "learning_rate": [0.005, 0.01, 0.02, 0.05, 0.1, 0.2],
    "regularization": [0.0, 0.003, 0.01, 0.03, 0.06],
    "init__scale": [0.01, 0.03, 0.1, 0.3],
    "iterations": [20, 50, 100],
    "use_bias": [False, True],
}
MARGIN = {"loss__margin": [0.3, 1.0, 3.0]}
RANKS = {"sampler__rank_scale": [0.005, 0.02, 0.05, 0.1, 0.3]}
HINGE = {"violating_only": [False, True], **MARGIN, **RANKS}
METHODS = {
    "VSE-ens (hinge)": (VSEens.paper(loss=Hinge()), HINGE),
    "NaiveRank": (NaiveRank.paper(loss=Hinge()), HINGE),
    # its L2 acts where a label violates, which becomes rare, and L(rank) multiplies its steps
    "WARP": (
        WARP.paper(selection=Violator(), loss=Warp()),
        {
            "selection__max_trials": [10, 30, 100],
            "learning_rate": [0.002, 0.005, 0.01, 0.02],
            "regularization": [0.01, 0.1, 0.3, 1.0, 3.0],
            "iterations": [10, 20, 50],
            **MARGIN,
        },
    ),
    "Opt-AUC": (BPR.paper(), {}),
    "AoBPR": (AoBPR.paper(), RANKS),
    "DNS": (DNS.paper(), {"candidates": [2, 4, 8, 16]}),
}


def settings_of(method, n_trials):
    """Random settings, after that of the paper."""
    grid = EVERY | METHODS[method][1]
    generator = np.random.default_rng(0)
    yield {}
    for _ in range(n_trials - 1):
        yield {name: values[generator.integers(len(values))] for name, values in grid.items()}


def make_model(method, setting, threads):
    """Make a model of the paper's setting but for what is given."""
    setting = dict(setting)
    violating_only = setting.pop("violating_only", False)
    model = clone(METHODS[method][0])
    model.set_params(random_state=0, num_threads=threads, **setting)
    if violating_only:
        model.regularization = Penalty(*[model.regularization] * 3, violating_only=True)
    return model


def measure(model, train, held_out):
    """NDCG@10 and Recall@10 of a model fitted here; zeros where it diverges."""
    try:
        model.fit(train, show_progress=False)
    except ModelFitError:
        return 0.0, 0.0
    return tuple(ranking_metrics(model, train, held_out, ["ndcg@10", "recall@10"]).values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data(parser, SETS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with open(options.out / "methods.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["data", "method", "part", "ndcg@10", "recall@10", "setting"])
        for data in options.sets:
            parts = split_twice(load_images(options.data, data))
            (train, test), (inner, validation) = parts
            figures = measure(Popularity(), train, test)
            print(f"\n{data}: popularity {figures[0]:.3f} {figures[1]:.3f} (NDCG@10 Recall@10)")
            for method in options.methods:
                best, by_value = (-1.0, {}), {}
                for setting in settings_of(method, options.trials):
                    model = make_model(method, setting, options.threads)
                    ndcg, recall = measure(model, inner, validation)
                    writer.writerow([data, method, "validation", ndcg, recall, setting])
                    file.flush()
                    best = max(best, (ndcg, setting), key=lambda pair: pair[0])
                    for name, value in setting.items():
                        key = (name, value)
                        by_value[key] = max(by_value.get(key, 0.0), ndcg)
                print(f"{method}: best on validation {best[0]:.3f}")
                for title, setting in (("paper's", {}), ("tuned", best[1])):
                    model = make_model(method, setting, options.threads)
                    ndcg, recall = measure(model, train, test)
                    writer.writerow([data, method, "test", ndcg, recall, setting])
                    print(f"    {title:8} NDCG@10 {ndcg:.3f} Recall@10 {recall:.3f}  {setting}")
                for name in dict.fromkeys(name for name, _ in by_value):
                    values = {v: f"{n:.3f}" for (key, v), n in by_value.items() if key == name}
                    print(f"    best by {name}: {values}", flush=True)


if __name__ == "__main__":
    main()
