"""The negatives drawn most often for one emoji, early and late, by scale of ranks."""

import matplotlib.pyplot as plt
import numpy as np
from emoji_models import BLACK, BLUE, SKY, emoji, highest, negatives_by_score, trained

from vseens_rec import AdaptiveSampler

NAME, SHOWN = "cat face", 7
WAYS = ((0.01, 1, BLUE), (0.3, 1, SKY), (0.3, 8, BLACK))
EPOCHS = (1, 50)

data, train, _ = emoji()
row = np.array([list(data.names).index(NAME)])

figure, grid = plt.subplots(len(WAYS), len(EPOCHS), figsize=(8, 7), layout="constrained")
for column, iterations in enumerate(EPOCHS):
    model = trained(iterations)
    _, order = negatives_by_score(model, train, row)
    for axes, (rank_scale, candidates, colour) in zip(grid[:, column], WAYS, strict=True):
        sampler = AdaptiveSampler(model.item_factors, rank_scale=rank_scale)
        law = sampler.probability(model.user_factors[row], exclude=train[row])
        law = highest(law[0, order[0]], candidates)
        shown = np.argsort(-law)[:SHOWN]
        axes.barh(data.labels[order[0, shown]], 100 * law[shown], color=colour)
        axes.invert_yaxis()
        epochs = f"{iterations} epoch" + "s" * (iterations > 1)
        way = "one candidate" if candidates == 1 else f"hardest of {candidates}"
        axes.set_title(f"{way}, rank_scale={rank_scale}, {epochs}", fontsize="medium")
        axes.set_xlabel("percent of the draws")
figure.suptitle(f"Negatives of the {NAME}: extremes of single factors, unless scores decide")
