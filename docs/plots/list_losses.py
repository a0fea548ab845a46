"""How the losses over a list share out among its negatives, as the kernel computes them."""

import matplotlib.pyplot as plt
import numpy as np
from emoji_models import BLACK, BLUE, GREEN, ORANGE, RED

from vseens_rec._native import kernel

POSITIVE, NEGATIVES = 1.0, np.linspace(-3, 3, 13)
LOSSES = {
    '"softmax", temperature 1': ("softmax", {"margin": 0.0}, BLUE, "o-"),
    '"softmax", temperature 0.3': ("softmax", {"margin": 0.0, "temperature": 0.3}, BLACK, "s-"),
    '"sgns"': ("sgns", {}, RED, "^-."),
    '"logistic", mean of the pairs': ("logistic", {}, GREEN, "d:"),
    '"hinge", mean of the pairs': ("hinge", {"margin": 1.0}, ORANGE, "v--"),
}

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for label, (name, options, colour, style) in LOSSES.items():
    slopes = kernel.loss_and_slopes(name, POSITIVE, NEGATIVES, **options)[2]
    slopes[slopes == 0] = np.nan
    axes.plot(NEGATIVES, slopes, style, color=colour, label=label, markersize=4)
axes.axvline(POSITIVE, color="grey", linewidth=0.8)
axes.annotate(
    "the positive's score", (POSITIVE, 3), (-4, 0), textcoords="offset points",
    va="center", ha="right", color="dimgrey",
)  # fmt: skip
axes.set(
    yscale="log",
    ylim=(1e-4, 6),
    xlabel="score of one of 13 negatives",
    ylabel="slope: how hard it is pushed down",
    title="A softmax pushes the highest negatives, all the more when it is cold",
)
axes.legend(fontsize="small", loc="lower right")
