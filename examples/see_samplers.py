"""
See what each sampler draws as the training goes on
===================================================

A negative teaches something where the model ranks it high. The four samplers draw for the same
models, after 1, 5 and 20 epochs, once alone and once with the highest of several draws kept, and
every label is looked up in the ranking that the model has for the image then.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np

from vseens_rec import (
    AdaptiveSampler,
    ExactSampler,
    PopularitySampler,
    UniformSampler,
    VSEens,
)
from vseens_rec.datasets import load_emoji
from vseens_rec.model_selection import leave_one_out_split

parser = argparse.ArgumentParser()
parser.add_argument("--out", help="write the picture to this file in place of showing it")
options = parser.parse_args()

RANK_SCALE = 0.03
EPOCHS = [1, 5, 20]
DRAWS = 70
# as many as VSEens takes by default for these labels
CANDIDATES = 5

# %%
# The models are stages of one training: with a constant step and one seed, the first five epochs
# of twenty are the same as five. ``fold_in_users=False`` keeps the factors that the samplers see
# within the training.

train, test = leave_one_out_split(load_emoji().matrix, random_state=0)
n_images, n_labels = train.shape
models = [
    VSEens(
        iterations=epochs,
        learning_rate_schedule="constant",
        fold_in_users=False,
        num_threads=1,
        random_state=0,
    ).fit(train, show_progress=False)
    for epochs in EPOCHS
]

# %%
# Each sampler draws labels for every image, none of those that the image has. The adaptive and the
# exact one look at the factors and have the same law of ranks, of scale 35 here; the others do not.

popularity = train.getnnz(axis=0)
samplers = {
    "uniform": lambda model: UniformSampler(n_labels, random_state=0),
    "popularity": lambda model: PopularitySampler(popularity, random_state=0),
    "adaptive": lambda model: AdaptiveSampler(
        model.item_factors, rank_scale=RANK_SCALE, random_state=0
    ),
    "exact": lambda model: ExactSampler(model.item_factors, rank_scale=RANK_SCALE, random_state=0),
}


def true_ranks(model, labels):
    """Return the places of labels, (images, draws), among those that the images do not have."""
    scores = model.user_factors @ model.item_factors.T
    scores[train.nonzero()] = -np.inf
    ranks = np.argsort(np.argsort(-scores, axis=1), axis=1) + 1
    return np.take_along_axis(ranks, labels, axis=1)


single, hardest = {}, {}
for name, make in samplers.items():
    for epochs, model in zip(EPOCHS, models, strict=True):
        drawn = make(model).sample(model.user_factors, DRAWS, exclude=train)
        ranks = true_ranks(model, drawn)
        single[name, epochs] = ranks
        hardest[name, epochs] = ranks.reshape(n_images, -1, CANDIDATES).min(axis=2)

kept = {"one draw": single, f"hardest of {CANDIDATES}": hardest}
print(f"{'median rank after epoch':28}" + "".join(f"{epochs:6}" for epochs in EPOCHS))
for way, ranks in kept.items():
    for name in samplers:
        medians = "".join(f"{np.median(ranks[name, epochs]):6.0f}" for epochs in EPOCHS)
        print(f"{f'{name}, {way}':28}{medians}")

# %%
# A curve that rises early draws what ranks high.
#
# - The uniform sampler draws from everywhere at all times, and the exact one from the head at the
#   price of sorting all labels for every image.
# - The popularity sampler draws the same labels for all images.
# - A draw of the adaptive sampler ranks high by one factor. That is near the head in the beginning,
#   and less so when the model has learned to tell images apart by many factors.
# - The hardest of several draws is picked by the score itself. This is why ``VSEens`` keeps the
#   hardest of several adaptive candidates.

SHADES = ["#7fb3d5", "#1f6aa5", "#08306b"]
figure, grid = plt.subplots(2, 4, figsize=(11, 6), sharex=True, sharey=True, layout="constrained")
places = np.arange(1, n_labels + 1)
for row, (way, ranks) in zip(grid, kept.items(), strict=True):
    for axes, name in zip(row, samplers, strict=True):
        for epochs, shade, width in zip(EPOCHS, SHADES, [3.2, 2.2, 1.4], strict=True):
            counts = np.bincount(ranks[name, epochs].ravel(), minlength=n_labels + 1)[1:]
            share = np.cumsum(counts) / counts.sum()
            label = f"{epochs} epoch" + "s" * (epochs > 1)
            axes.plot(places, share, color=shade, linewidth=width, label=label)
        axes.set(xscale="log", title=f"{name}, {way}", xlim=(1, n_labels), ylim=(0, 1.02))
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
grid[0, 0].legend(title="trained for", frameon=False, loc="upper left")
figure.supxlabel("rank that the model gives to the label, among all that the image does not have")
figure.supylabel("share of draws at this rank or above")
figure.suptitle("Single adaptive draws spread out as the model learns: keep the hardest of several")
if options.out:
    figure.savefig(options.out, dpi=120)
else:
    plt.show()
