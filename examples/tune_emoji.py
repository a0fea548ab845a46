"""
Tune with scikit-learn
======================

Search a grid of two parameters with GridSearchCV, by keywords that are held out of the emoji that
the model knows, and compare settings by cross-validation over emoji that it does not know. The test
keywords take no part in the choice.

    python examples/tune_emoji.py
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from vseens_rec import VSEens
from vseens_rec.datasets import load_emoji
from vseens_rec.metrics import ranking_metrics, ranking_scorer
from vseens_rec.model_selection import Holdout, leave_one_out_split

METRICS = ["ndcg@10", "recall@10"]
RANK_SCALES = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
PENALTIES = [0.005, 0.01, 0.02, 0.04, 0.08, 0.12]
# settings that are close may change places with another seed
SEEDS = range(5)


def search_known_emoji(train):
    """Choose the setting by keywords held out of the training part, and return the search."""
    inner, validation = leave_one_out_split(train, random_state=1)
    search = GridSearchCV(
        # one thread a model, as the search fits several at a time
        VSEens(iterations=100, num_threads=1, random_state=0),
        {"rank_scale": RANK_SCALES, "regularization": PENALTIES},
        scoring=ranking_scorer(*METRICS),
        refit="ndcg@10",
        cv=Holdout(),
        n_jobs=-1,
    )
    return search.fit(inner, y=validation)


def measure(name, model, train, test):
    """Fit on the whole training part and print how the test keywords rank."""
    found = []
    for seed in SEEDS:
        seeded = clone(model).set_params(random_state=seed).fit(train, show_progress=False)
        found.append([*ranking_metrics(seeded, train, test, METRICS).values()])
    (ndcg, recall), (ndcg_spread, recall_spread) = np.mean(found, axis=0), np.std(found, axis=0)
    print(
        f"{name:10} NDCG@10 {ndcg:.3f} +- {ndcg_spread:.3f}   "
        f"Recall@10 {recall:.3f} +- {recall_spread:.3f}   over {len(SEEDS)} seeds"
    )


def measure_unseen(name, model, train):
    """Print how a hidden keyword of emoji ranks that the model was not fitted on."""
    folds = KFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(model, train, scoring=ranking_scorer("ndcg@10"), cv=folds)
    print(f"{name:10} NDCG@10 {scores.mean():.3f} +- {scores.std():.3f} over {len(scores)} folds")


def draw(search, path):
    """Draw the searched grid with the figure in every cell."""
    import matplotlib.pyplot as plt

    # rows in the order of ParameterGrid: names sorted, the last changes first
    scores = search.cv_results_["mean_test_ndcg@10"].reshape(len(RANK_SCALES), len(PENALTIES))
    figure, axes = plt.subplots(figsize=(6.4, 5), layout="constrained")
    shades = axes.imshow(scores, cmap="Blues", aspect="auto")
    best = np.unravel_index(scores.argmax(), scores.shape)
    for cell, score in np.ndenumerate(scores):
        axes.text(
            cell[1],
            cell[0],
            f"{score:.3f}",
            ha="center",
            va="center",
            color="white" if shades.norm(score) > 0.6 else "black",
            weight="bold" if cell == best else "normal",
        )
    corner = (best[1] - 0.5, best[0] - 0.5)
    axes.add_patch(plt.Rectangle(corner, 1, 1, fill=False, edgecolor="C1", linewidth=3))
    axes.set_xticks(range(len(PENALTIES)), PENALTIES)
    axes.set_yticks(range(len(RANK_SCALES)), RANK_SCALES)
    axes.set(xlabel="regularization", ylabel="rank_scale  (smaller: harder negatives)")
    axes.set_title(
        "A wide optimum: very hard negatives cost most, with a small penalty above all\n"
        "NDCG@10 of keywords held out for validation",
        size=10,
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--out", type=Path, default=Path("docs/figures/tune_emoji.png"))
    options = parser.parse_args()
    train, test = leave_one_out_split(load_emoji().matrix, random_state=0)
    search = search_known_emoji(train)
    chosen = ", ".join(f"{name}={value}" for name, value in search.best_params_.items())
    print(f"{len(search.cv_results_['params'])} settings, the best on the validation keywords:")
    print(f"{chosen} with NDCG@10 {search.best_score_:.3f}")

    models = {"default": VSEens(random_state=0), "chosen": search.best_estimator_}
    print("\nTest keywords of emoji that the model knows:")
    for name, model in models.items():
        measure(name, model, train, test)
    print("\nOne hidden keyword of emoji that the model does not know:")
    for name, model in models.items():
        measure_unseen(name, model, train)
    try:
        draw(search, options.out)
    except ImportError:
        print("no picture: it needs matplotlib, pip install vseens-rec[plot]")


if __name__ == "__main__":
    main()
