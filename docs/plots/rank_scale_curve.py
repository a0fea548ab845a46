"""How held-out emoji keywords rank by rank_scale, with one candidate and with several."""

import matplotlib.pyplot as plt
import numpy as np
from emoji_models import BLACK, BLUE, emoji

from vseens_rec import VSEens
from vseens_rec.choices import Adaptive
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

SCALES = (0.01, 0.03, 0.1, 0.3, 1.0)
SPLITS = (1, 2)

_, train, _ = emoji()


def ndcg(split, scale, candidates):
    """Measure on labels held out of the training part."""
    inner, validation = leave_one_out_split(train, random_state=split)
    model = VSEens(
        factors=64,
        sampler=Adaptive(scale),
        candidates=candidates,
        random_state=split,
        num_threads=1,
    )
    model.fit(inner, show_progress=False)
    return ranking_metrics(model, inner, validation, "ndcg@10")["ndcg@10"]


figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for candidates, colour, style in ((None, BLACK, "o-"), (1, BLUE, "s--")):
    found = np.array([[ndcg(split, scale, candidates) for split in SPLITS] for scale in SCALES])
    label = "one candidate" if candidates else "hardest of 5, the default"
    axes.plot(SCALES, found.mean(axis=1), style, color=colour, label=label)
    axes.plot(SCALES, found, style[0], color=colour, markersize=3, alpha=0.5)
    default = 1.2 * train.shape[1] ** -0.2 / (5 ** (2 / 3) if candidates else 1)
    axes.axvline(default, color=colour, linewidth=0.8)
    axes.annotate(
        f"default, {default:.2f}", (default, 0.02), (4, 0), xycoords=("data", "axes fraction"),
        textcoords="offset points", color=colour,
    )  # fmt: skip
axes.set(
    xscale="log",
    xlabel="rank_scale",
    ylabel="NDCG@10 on validation labels",
    title="One candidate wants a smaller scale than the hardest of several",
)
axes.set_xticks(SCALES, [f"{s:g}" for s in SCALES])
axes.legend(loc="lower right", bbox_to_anchor=(1, 0.1))
