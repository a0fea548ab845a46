"""Losses of one positive and one negative, as the kernel computes them."""

import matplotlib.pyplot as plt
import numpy as np
from emoji_models import BLACK, BLUE, RED

from vseens_rec._native import kernel

N_LABELS, TRIALS = 1000, (1, 10, 100)

differences = np.linspace(-3, 4, 701)


def loss_and_slope(name, weight=1.0):
    """Return both at every difference of the two scores."""
    values = [
        kernel.loss_and_slopes(name, difference, np.zeros(1), weight=weight)
        for difference in differences
    ]
    return np.array([(loss, slope) for loss, slope, _ in values]).T


figure, (losses, slopes, weights) = plt.subplots(1, 3, figsize=(10.5, 3.8), layout="constrained")
for name, colour, style in (("logistic", BLACK, "-"), ("hinge", BLUE, "--")):
    loss, slope = loss_and_slope(name)
    losses.plot(differences, loss, style, color=colour, linewidth=2, label=f'"{name}"')
    slopes.plot(differences, slope, style, color=colour, linewidth=2)
by_rank = np.cumsum(1 / np.arange(1, N_LABELS))
for trials in TRIALS:
    weight = by_rank[(N_LABELS - 1) // trials - 1]
    loss, slope = loss_and_slope("warp", weight)
    label = '"warp"' if trials == 1 else None
    losses.plot(differences, loss, "-.", color=RED, linewidth=1.2, label=label)
    slopes.plot(differences, slope, "-.", color=RED, linewidth=1.2)
    slopes.annotate(
        f"{trials} trial" + "s" * (trials > 1), (-2.9, weight), (0, 3),
        textcoords="offset points", color=RED,
    )  # fmt: skip
losses.set(title="Loss", ylim=(0, 8), xlabel="score of the positive less the negative's")
slopes.set(title="Slope: what moves the factors", ylim=(0, 8.4))
slopes.set_xlabel("score of the positive less the negative's")
losses.legend(title="loss")
trials = np.arange(1, N_LABELS)
weights.plot(trials, by_rank[(N_LABELS - 1) // trials - 1], "-.", color=RED, linewidth=2)
weights.set(
    title=f'Weight L of "warp", {N_LABELS:,} labels',
    xscale="log",
    ylim=(0, 8.4),
    xlabel="draws until one violates",
)
figure.suptitle('A hinge stops at its margin; "warp" is a hinge that is as steep as the trials say')
