"""The true ranks of the negatives that each selection keeps of the same candidates."""

import matplotlib.pyplot as plt
import numpy as np
from emoji_models import (
    BLACK,
    BLUE,
    GREEN,
    RED,
    emoji,
    highest,
    in_bins,
    negatives_by_score,
    rank_bins,
    trained,
)

from vseens_rec import AdaptiveSampler, UniformSampler

CANDIDATES, GROUP = 8, 3

_, train, _ = emoji()
model = trained(10)
images = np.arange(0, train.shape[0], 4)
users, items = model.user_factors[images], model.item_factors
known, order = negatives_by_score(model, train, images)
n_ranks = train.shape[1] - known.sum(axis=1).max()


def violators(law):
    """Return the law of the first candidate within 1 of a positive, for pairs that have one."""
    scores = users @ items.T
    sorted_scores = np.take_along_axis(scores, order, axis=1)[:, :n_ranks]
    total = np.zeros(n_ranks)
    for row in range(len(images)):
        for score in scores[row, known[row]]:
            violates = sorted_scores[row] > score - 1
            chance = law[row, violates].sum()
            if chance > 0:
                found = 1 - (1 - chance) ** (train.shape[1] - 1)
                total += found * law[row] * violates / chance
    return total / total.sum()


samplers = {
    "uniform": UniformSampler(train.shape[1]),
    "adaptive": AdaptiveSampler(items, rank_scale=0.29),
}
figure, both = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for axes, (name, sampler) in zip(both, samplers.items(), strict=True):
    law = sampler.probability(users, exclude=train[images])
    law = np.take_along_axis(law, order, axis=1)[:, :n_ranks]
    hardest = highest(law, CANDIDATES).mean(axis=0)
    group = highest(law, CANDIDATES, GROUP).mean(axis=0)
    laws = {
        '"violator"': (violators(law), RED, "-."),
        f'"hardest" of {CANDIDATES}': (hardest, BLACK, "-"),
        f'"group": {GROUP} of {CANDIDATES}': (group, BLUE, "--"),
        '"first"': (law.mean(axis=0), GREEN, ":"),
    }
    edges = rank_bins(n_ranks)
    middles = np.sqrt(edges[:-1] * (edges[1:] - 1))
    for label, (values, colour, style) in laws.items():
        lift = in_bins(values, edges) * n_ranks
        axes.plot(middles, lift, style, color=colour, label=label, linewidth=2)
    axes.set(xscale="log", yscale="log", ylim=(0.01, 600), title=f'candidates: "{name}"')
    axes.set_xlabel("rank among the labels an image does not have")
both[0].set_ylabel("negative so many times as often\nas a uniform draw")
both[0].legend(title="selection")
figure.suptitle("Looking at several candidates makes negatives harder, whatever proposes them")
