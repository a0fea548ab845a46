"""The true ranks of what each sampler draws."""

import matplotlib.pyplot as plt
import numpy as np
from emoji_models import (
    BLACK,
    BLUE,
    GREEN,
    RED,
    by_rank,
    emoji,
    in_bins,
    negatives_by_score,
    rank_bins,
    trained,
)

from vseens_rec import AdaptiveSampler, ExactSampler, PopularitySampler, UniformSampler

_, train, _ = emoji()
model = trained(10)
images = np.arange(0, train.shape[0], 4)
users, items = model.user_factors[images], model.item_factors
samplers = {
    "exact": (ExactSampler(items, rank_scale=0.1), BLACK, "--"),
    "adaptive": (AdaptiveSampler(items, rank_scale=0.1), BLUE, "-"),
    "popularity": (PopularitySampler(train.getnnz(axis=0)), RED, "-."),
    "uniform": (UniformSampler(train.shape[1]), GREEN, ":"),
}
known, order = negatives_by_score(model, train, images)

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for name, (sampler, colour, style) in samplers.items():
    law = by_rank(sampler.probability(users, exclude=train[images]), known, order)
    edges = rank_bins(len(law))
    middles = np.sqrt(edges[:-1] * (edges[1:] - 1))
    axes.plot(middles, in_bins(law, edges) * len(law), style, color=colour, label=name, linewidth=2)
axes.set(
    ylim=(0.05, 20),
    xscale="log",
    yscale="log",
    xlabel="rank in the model's scores, of the labels an image does not have",
    ylabel="drawn so many times as often\nas by the uniform sampler",
    title="Adaptive draws lean to the head of the ranking, less than the exact law",
)
axes.legend(title="sampler")
