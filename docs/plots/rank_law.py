"""The law of ranks at several scales, and the true ranks of what is drawn with it."""

import matplotlib.pyplot as plt
import numpy as np
from emoji_models import SHADES, by_rank, emoji, in_bins, negatives_by_score, rank_bins, trained

from vseens_rec import AdaptiveSampler
from vseens_rec.engine.samplers import rank_law

SCALES = (1.0, 0.3, 0.1, 0.03, 0.01)

_, train, _ = emoji()
n_labels = train.shape[1]
images = np.arange(0, train.shape[0], 4)

figure, (of_factor, *of_scores) = plt.subplots(
    1, 3, figsize=(10.5, 4), sharey=True, layout="constrained"
)
for rank_scale, colour in zip(SCALES, SHADES, strict=True):
    law = rank_law(n_labels, rank_scale)
    of_factor.plot(
        np.arange(1, len(law) + 1), law * n_labels, color=colour, label=f"{rank_scale:g}"
    )
of_factor.set(title="Ranks in one factor: the law", xlabel=f"rank of {n_labels:,}")
of_factor.set_ylabel("drawn so many times as often\nas by the uniform sampler")
for axes, iterations in zip(of_scores, (1, 50), strict=True):
    model = trained(iterations)
    known, order = negatives_by_score(model, train, images)
    for rank_scale, colour in zip(SCALES, SHADES, strict=True):
        sampler = AdaptiveSampler(model.item_factors, rank_scale=rank_scale)
        law = sampler.probability(model.user_factors[images], exclude=train[images])
        law = by_rank(law, known, order)
        edges = rank_bins(len(law))
        middles = np.sqrt(edges[:-1] * (edges[1:] - 1))
        axes.plot(middles, in_bins(law, edges) * len(law), color=colour)
    epochs = f"{iterations} epoch" + "s" * (iterations > 1)
    axes.set(title=f"Ranks in the scores: after {epochs}", xlabel="rank among negatives")
for axes in (of_factor, *of_scores):
    axes.set(xscale="log", yscale="log", ylim=(0.05, 120))
    axes.axhline(1, color="grey", linewidth=0.8, zorder=0)
of_scores[-1].legend(*of_factor.get_legend_handles_labels(), title="rank_scale")
figure.suptitle("The law is that of one factor: over the scores the draws are softer, late most")
