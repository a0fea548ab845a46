"""
Tune with scikit-learn
======================

Search a grid of two parameters with GridSearchCV, by keywords that are held out of the emoji that
the model knows, and compare settings by cross-validation over emoji that it does not know. The test
keywords take no part in the choice.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from vseens_rec import VSEens
from vseens_rec.choices import Adaptive
from vseens_rec.datasets import load_emoji
from vseens_rec.metrics import ranking_metrics, ranking_scorer
from vseens_rec.model_selection import Holdout, leave_one_out_split

parser = argparse.ArgumentParser()
parser.add_argument("--out", help="write the picture to this file in place of showing it")
options = parser.parse_args()

METRICS = ["ndcg@10", "recall@10"]
# settings that are close may change places with another seed
SEEDS = range(3)

# %%
# The search
# ----------
#
# Keywords are held out twice: for the test, and of what is left for the choice. ``Holdout`` lets
# every setting learn from all emoji and asks it for the second part. The sampler is an object, so
# that the search reaches its scale of ranks by ``sampler__rank_scale``.

train, test = leave_one_out_split(load_emoji().matrix, random_state=0)
inner, validation = leave_one_out_split(train, random_state=1)
rank_scales = [0.01, 0.03, 0.1, 0.3, 1.0]
penalties = [0.01, 0.02, 0.04, 0.08, 0.16]
search = GridSearchCV(
    # one thread a model, as the search fits several at a time
    VSEens(iterations=100, sampler=Adaptive(), num_threads=1, random_state=0),
    {"sampler__rank_scale": rank_scales, "regularization": penalties},
    scoring=ranking_scorer(*METRICS),
    refit="ndcg@10",
    cv=Holdout(),
    n_jobs=-1,
)
search.fit(inner, y=validation)
chosen = ", ".join(f"{name}={value}" for name, value in search.best_params_.items())
print(f"{len(search.cv_results_['params'])} settings, the best on the validation keywords:")
print(f"{chosen} with NDCG@10 {search.best_score_:.3f}")

# %%
# The whole grid. Settings near the best differ by little, so what is chosen among them need not be
# better than the default on other keywords.

# rows in the order of ParameterGrid: names sorted, the last changes first
scores = search.cv_results_["mean_test_ndcg@10"].reshape(len(penalties), len(rank_scales)).T
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
axes.set_xticks(range(len(penalties)), penalties)
axes.set_yticks(range(len(rank_scales)), rank_scales)
axes.set(xlabel="regularization", ylabel="rank_scale  (smaller: harder negatives)")
axes.set_title(
    "A wide optimum: very hard negatives and a large penalty cost most\n"
    "NDCG@10 of keywords held out for validation",
    size=10,
)
axes.tick_params(length=0)
axes.spines[:].set_visible(False)
if options.out:
    figure.savefig(options.out, dpi=150)
else:
    plt.show()

# %%
# Test keywords of emoji that the model knows
# -------------------------------------------
#
# Both settings are fitted on the whole training part, with several seeds.

models = {"default": VSEens(random_state=0), "chosen": search.best_estimator_}
for name, model in models.items():
    found = []
    for seed in SEEDS:
        seeded = clone(model).set_params(random_state=seed).fit(train, show_progress=False)
        found.append([*ranking_metrics(seeded, train, test, METRICS).values()])
    (ndcg, recall), (ndcg_spread, recall_spread) = np.mean(found, axis=0), np.std(found, axis=0)
    print(
        f"{name:10} NDCG@10 {ndcg:.3f} +- {ndcg_spread:.3f}   "
        f"Recall@10 {recall:.3f} +- {recall_spread:.3f}   over {len(SEEDS)} seeds"
    )

# %%
# A hidden keyword of emoji that the model does not know
# ------------------------------------------------------
#
# Without a second matrix the same scorer hides one keyword of every emoji of the test fold and
# folds the emoji in from the rest.

folds = KFold(5, shuffle=True, random_state=0)
for name, model in models.items():
    scores = cross_val_score(model, train, scoring=ranking_scorer("ndcg@10"), cv=folds, n_jobs=-1)
    print(f"{name:10} NDCG@10 {scores.mean():.3f} +- {scores.std():.3f} over {len(scores)} folds")
