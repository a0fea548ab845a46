"""The defaults on every set: NDCG of presets, item-item models, tuned EASE and iALS, and seconds.

    python benchmarks/every_set.py --data FOLDER [FOLDER ...] --out every_set.csv
        [--sets ml1m delicious] [--methods "VSEens()" EASE] [--seeds 1] [--threads 1]

A folder has data sets of common.py; those that are missing are left out. Of images one label is
held out, and NDCG@10 is measured; sets of users bring their split, and NDCG@20 is measured.

The penalty of EASE (twelve values) and the setting of irspack's iALS (twelve random ones of 64, 128
and 256 factors, its loss weights and its penalty) are chosen on labels that are held out of the
training part once more. EASE is left out where there are more than 6,000 labels. What is in the
file is not run again.
"""

import argparse
import csv
import time
import warnings
from pathlib import Path

import numpy as np
from common import FILES, USERS, load_images, load_split
from scipy.sparse import csr_matrix

import vseens_rec
from vseens_rec import Popularity, VSEens
from vseens_rec.engine.holdouts import split_rows
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

IMAGES = ("emoji", *FILES)
PRESETS = ("SampledSoftmax", "BPR", "AoBPR", "WARP", "DNS", "NaiveRank")
METHODS = (
    "popularity", "VSEens()", "factors alone", *(f"{name}()" for name in PRESETS),
    "VSEens.paper()", "EDLAE()", "SparseEASE()", "EASE", "iALS tuned",
)  # fmt: skip
PENALTIES = tuple(10.0**power for power in np.arange(0.5, 6.5, 0.5))
MOST_LABELS_OF_EASE = 6000
SETTINGS_OF_IALS = 12


def load(name, folders, seed):
    """Return train, test and the measure; None if the set is not there."""
    for folder in folders:
        if name in IMAGES and (name == "emoji" or (folder / FILES[name][0]).exists()):
            split = leave_one_out_split(load_images(folder, name), random_state=seed)
            return *split, "ndcg@10"
        if name in USERS and (folder / name / "train.npz").exists():
            return *load_split(folder, name), "ndcg@20"
    return None


def ndcg(scores, known, held_out, measure):
    """Measure a model, or a function of row numbers."""
    return ranking_metrics(scores, known, held_out, measure)[measure]


def ease(train, penalty):
    """Item-item weights by the closed form of Steck (2019)."""
    # counts do not fit the small integers of some files
    train = train.astype(np.float64)
    products = (train.T @ train).toarray()
    diagonal = np.diag_indices_from(products)
    products[diagonal] += penalty
    inverse = np.linalg.inv(products)
    weights = inverse / -np.diag(inverse)
    weights[diagonal] = 0
    return weights.astype(np.float32)


def validation_part(train, measure):
    """Hold out once more, as the test was."""
    if measure == "ndcg@10":
        return leave_one_out_split(train, random_state=1)
    rows = np.flatnonzero(np.diff(train.indptr) >= 2)
    return split_rows(train, rows, 0.2, 1)


def run_ease(train, test, measure):
    """Choose the penalty, then learn from all."""
    inner, validation = validation_part(train, measure)

    def score(matrix, held_out, penalty):
        weights = ease(matrix, penalty)
        return ndcg(lambda rows: np.asarray(matrix[rows] @ weights), matrix, held_out, measure)

    best = max(PENALTIES, key=lambda penalty: score(inner, validation, penalty))
    started = time.perf_counter()
    weights = ease(train, best)
    seconds = time.perf_counter() - started
    return ndcg(lambda rows: np.asarray(train[rows] @ weights), train, test, measure), seconds


def run_ials(train, test, measure, threads):
    """Choose a setting, then learn from all."""
    from irspack import IALSRecommender

    inner, validation = validation_part(train, measure)
    generator = np.random.default_rng(0)

    def fit(matrix, setting):
        model = IALSRecommender(
            csr_matrix(matrix, dtype=np.float64), n_threads=threads, random_seed=0, **setting
        )
        started = time.perf_counter()
        model.learn()
        seconds = time.perf_counter() - started
        return model, seconds

    def score(model, matrix, held_out):
        users, items = model.get_user_embedding(), model.get_item_embedding()
        return ndcg(lambda rows: users[rows] @ items.T, matrix, held_out, measure)

    settings = [
        {
            "n_components": int(generator.choice([64, 128, 256])),
            "alpha0": float(10 ** generator.uniform(-2.5, 0)),
            "reg": float(10 ** generator.uniform(-4, -1)),
            "train_epochs": 16,
        }
        for _ in range(SETTINGS_OF_IALS)
    ]
    best = max(settings, key=lambda setting: score(fit(inner, setting)[0], inner, validation))
    model, seconds = fit(train, best)
    return score(model, train, test), seconds


def run(method, train, test, measure, seed, threads):
    """Return NDCG and seconds of training."""
    if method == "EASE":
        return run_ease(train, test, measure)
    if method == "iALS tuned":
        return run_ials(train, test, measure, threads)
    if method == "popularity":
        model = Popularity(num_threads=threads)
    elif method == "VSEens.paper()":
        model = VSEens.paper(random_state=seed, num_threads=threads)
    elif method == "factors alone":
        model = VSEens(item_item=None, random_state=seed, num_threads=threads)
    elif method in ("EDLAE()", "SparseEASE()"):
        model = getattr(vseens_rec, method.removesuffix("()"))(num_threads=threads)
    else:
        kind = getattr(vseens_rec, method.removesuffix("()"))
        model = kind(random_state=seed, num_threads=threads)
    started = time.perf_counter()
    model.fit(train, show_progress=False)
    seconds = time.perf_counter() - started
    return ndcg(model, train, test, measure), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=[*IMAGES, *USERS], choices=[*IMAGES, *USERS])
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    done = set()
    if options.out.exists():
        with options.out.open(newline="") as file:
            done = {(row["data"], row["method"], row["seed"]) for row in csv.DictReader(file)}
    else:
        options.out.write_text("data,method,seed,ndcg,seconds\n")
    for data in options.sets:
        for seed in range(options.seeds):
            found = load(data, options.data, seed)
            if found is None:
                continue
            train, test, measure = found
            for method in options.methods:
                too_many = method in ("EASE", "EDLAE()") and train.shape[1] > MOST_LABELS_OF_EASE
                if (data, method, str(seed)) in done or too_many:
                    continue
                value, seconds = run(method, train, test, measure, seed, options.threads)
                print(f"{data:18} {method:16} {measure} {value:.4f} {seconds:8.2f} s", flush=True)
                with options.out.open("a", newline="") as file:
                    csv.writer(file).writerow(
                        [data, method, seed, f"{value:.5f}", f"{seconds:.2f}"]
                    )


if __name__ == "__main__":
    main()
