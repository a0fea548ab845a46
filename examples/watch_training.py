"""
Watch a training and stop it early
==================================

One label of a tenth of the emoji is held out, and after every epoch the model is asked for it. The
training ends when that no longer improves, and the model goes back to where it was best. The loss
alone would not tell: it falls on.

    python examples/watch_training.py [--out FILE]
"""

import argparse
from pathlib import Path

from vseens_rec import WARP
from vseens_rec.datasets import load_emoji
from vseens_rec.model_selection import leave_one_out_split


def draw(model, path):
    """Draw the loss and the watched measure over the epochs."""
    import matplotlib.pyplot as plt

    epochs = range(1, model.n_iter_ + 1)
    figure, (above, below) = plt.subplots(2, 1, figsize=(6, 5), sharex=True, layout="constrained")
    above.plot(epochs, model.history_["loss"], color="tab:grey")
    above.set(
        yscale="log",
        ylabel="training loss",
        title="The loss falls on after the ranking is at its best",
    )
    below.plot(epochs, model.history_["validation"], color="tab:blue")
    best = model.best_iteration_
    value = model.history_["validation"][best - 1]
    below.plot(best, value, "o", color="tab:orange")
    below.annotate(
        f"best: epoch {best}", (best, value), xytext=(0, 8), textcoords="offset points",
        ha="center", color="tab:orange",
    )  # fmt: skip
    below.set(xlabel="epoch", ylabel="NDCG@10 of held-out labels", ylim=(0, 1.2 * value))
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"picture: {path}")


def main():
    parser = argparse.ArgumentParser(description="Watch a training and stop it early.")
    parser.add_argument("--out", type=Path, default=Path("docs/figures/watch_training.png"))
    options = parser.parse_args()
    train, test = leave_one_out_split(load_emoji().matrix, random_state=0)
    # a method that overfits within sight: its penalty acts only where a label violates
    settings = {"learning_rate": 0.02, "regularization": 0.1, "max_trials": 50, "random_state": 0}
    model = WARP(iterations=200, early_stopping=True, n_iter_no_change=30, **settings)
    model.fit(train)
    whole = WARP(iterations=200, **settings).fit(train)
    print(
        f"stopped after {model.n_iter_} of 200 epochs, best after {model.best_iteration_}\n"
        f"NDCG@10 of other labels that were held out: {model.score(train, test):.3f}, "
        f"after all 200 epochs {whole.score(train, test):.3f}"
    )
    try:
        draw(model, options.out)
    except ImportError:
        print("no picture: it needs matplotlib, pip install vseens-rec[plot]")


if __name__ == "__main__":
    main()
