"""How folded-in factors rank beside learned ones, and how fast they come.

    python benchmarks/fold_in.py --data FOLDER [--sets mirflickr25k harrison coco80] [--seeds 3]
    python benchmarks/fold_in.py --data FOLDER --methods

FOLDER has the data sets of common.py. One label of every image is held out. Images: NDCG@10 of the
factors that the training leaves, of those folded in with the labels' factors of the same model,
after few and many iterations, and of images that were not trained on. Labels: NDCG@10 when a tenth
of the labels is folded in, and when it is missing. Rates are of one thread and of all. With
--methods: NDCG@10 of learned and of folded-in factors for losses and selections of all kinds.
"""

import argparse
import statistics
import time

import numpy as np
from common import add_data, load_images

from vseens_rec import WARP, VSEens
from vseens_rec.choices import Adaptive, Hinge, Penalty, Softmax, Violator
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

SETS = ("mirflickr25k", "harrison", "coco80")
MANY = {"learning_rate": 0.05, "regularization": 0.01}
METHODS = {
    "VSEens()": VSEens(),
    "one candidate": VSEens(sampler=Adaptive(rank_scale=0.1), candidates=1),
    "uniform": VSEens(sampler="uniform"),
    "hinge": VSEens(loss="hinge", learning_rate=0.02, regularization=0.01),
    "hinge, margin 3": VSEens(
        loss=Hinge(margin=3.0), learning_rate=0.02,
        regularization=Penalty(0.01, 0.01, 0.01, violating_only=True),
    ),
    "warp": WARP(
        learning_rate=0.01, regularization=1.0, selection=Violator(max_trials=10), iterations=20,
        damped_steps=False,
    ),
    "softmax of 16": VSEens(**MANY, sampler="uniform", loss="softmax", candidates=16),
    "skip-gram of 4": VSEens(**MANY, loss="sgns", candidates=4),
    "softmax of 64 cosines": VSEens(
        learning_rate=0.03, regularization=0, loss=Softmax(temperature=0.2), candidates=64,
        cosine=True, use_bias=False,
    ),
}  # fmt: skip


def ndcg(users, items, train, held_out):
    """NDCG@10 of factors."""
    return ranking_metrics(lambda rows: users[rows] @ items.T, train, held_out, "ndcg@10")[
        "ndcg@10"
    ]


def compare_images(train, held_out, seed):
    """NDCG@10 of learned and folded-in factors, by number of iterations, and of unseen images."""
    row = []
    for iterations in (10, 50):
        model = VSEens(iterations=iterations, fold_in_users=False, random_state=seed)
        model.fit(train, show_progress=False)
        row.append(ndcg(model.user_factors, model.item_factors, train, held_out))
        row.append(ndcg(model.transform(train), model.item_factors, train, held_out))
    order = np.random.default_rng(seed).permutation(train.shape[0])
    unseen, seen = np.split(order, [train.shape[0] // 5])
    model.fit(train[seen], show_progress=False)
    users = model.transform(train[unseen])
    row.append(ndcg(users, model.item_factors, train[unseen], held_out[unseen]))
    return row


def compare_labels(train, held_out, seed):
    """NDCG@10 with all labels learned, with a tenth of them folded in, and without these."""
    model = VSEens(random_state=seed).fit(train, show_progress=False)
    ids = np.random.default_rng(seed).permutation(train.shape[1])[: train.shape[1] // 10]
    folded, without = model.item_factors.copy(), model.item_factors.copy()
    folded[ids] = model.recalculate_item(ids, train.T.tocsr()[ids])
    without[ids] = 0
    users = model.user_factors
    return [ndcg(users, items, train, held_out) for items in (model.item_factors, folded, without)]


def compare_methods(train, held_out):
    """Print NDCG@10 of learned and of folded-in factors for every method."""
    for name, model in METHODS.items():
        model.set_params(fold_in_users=False, random_state=0).fit(train, show_progress=False)
        learned = ndcg(model.user_factors, model.item_factors, train, held_out)
        folded = ndcg(model.transform(train), model.item_factors, train, held_out)
        print(f"    {name:30} learned {learned:.4f}, folded in {folded:.4f}", flush=True)


def rates(train, repeats):
    """Images folded in per second, on one thread and on all; and milliseconds of a single one."""
    found = []
    for num_threads in (1, 0):
        model = VSEens(iterations=20, num_threads=num_threads, random_state=0)
        model.fit(train, show_progress=False)
        seconds = []
        for _ in range(repeats):
            started = time.perf_counter()
            model.transform(train)
            seconds.append(time.perf_counter() - started)
        found.append(train.shape[0] / statistics.median(seconds))
    started = time.perf_counter()
    for row in range(200):
        model.transform(train[row])
    return [*found, (time.perf_counter() - started) / 200 * 1e3]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data(parser, SETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", action="store_true", help="other losses and selections")
    options = parser.parse_args()
    for name in options.sets:
        matrix = load_images(options.data, name)
        if options.methods:
            print(f"{name}, NDCG@10")
            compare_methods(*leave_one_out_split(matrix, random_state=0))
            continue
        images, labels = [], []
        for seed in range(options.seeds):
            train, held_out = leave_one_out_split(matrix, random_state=seed)
            images.append(compare_images(train, held_out, seed))
            labels.append(compare_labels(train, held_out, seed))
        images, labels = np.mean(images, axis=0), np.mean(labels, axis=0)
        one, all_threads, single = rates(train, 5)
        print(
            f"{name}, NDCG@10, mean of {options.seeds} seeds\n"
            f"    images after 10 iterations: learned {images[0]:.4f}, folded in {images[1]:.4f}\n"
            f"    images after 50 iterations: learned {images[2]:.4f}, folded in {images[3]:.4f}\n"
            f"    images not trained on: {images[4]:.4f}\n"
            f"    a tenth of the labels: learned {labels[0]:.4f}, folded in {labels[1]:.4f}, "
            f"missing {labels[2]:.4f}\n"
            f"    {one:,.0f} images/s on one thread, {all_threads:,.0f} on all, "
            f"{single:.2f} ms for a single one",
            flush=True,
        )


if __name__ == "__main__":
    main()
