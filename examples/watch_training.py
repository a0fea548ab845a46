"""
Watch a training and stop it early
==================================

One label of a tenth of the emoji is held out, and after every epoch the model is asked for it. The
training ends when that no longer improves, and the model goes back to where it was best. The loss
alone would not tell: it falls on.
"""

import argparse

import matplotlib.pyplot as plt

from vseens_rec import WARP
from vseens_rec.choices import EarlyStopping, Violator
from vseens_rec.datasets import load_emoji
from vseens_rec.model_selection import leave_one_out_split

parser = argparse.ArgumentParser()
parser.add_argument("--out", help="write the picture to this file in place of showing it")
options = parser.parse_args()

# %%
# A method that overfits within sight is WARP: its penalty acts only where a label violates. The
# same setting is trained with early stopping, and for all 200 epochs.

train, test = leave_one_out_split(load_emoji().matrix, random_state=0)
settings = {
    "learning_rate": 0.02,
    "regularization": 0.1,
    "selection": Violator(max_trials=50),
    "random_state": 0,
}
stopping = EarlyStopping(n_iter_no_change=30)
model = WARP(iterations=200, early_stopping=stopping, **settings)
model.fit(train, show_progress=False)
whole = WARP(iterations=200, **settings).fit(train, show_progress=False)

# %%
# The test labels are others than those that were watched.

print(f"stopped after {model.n_iter_} of 200 epochs, best after {model.best_iteration_}")
print(
    f"NDCG@10 of other labels that were held out: {model.score(train, test):.3f}, "
    f"after all 200 epochs {whole.score(train, test):.3f}"
)

# %%
# ``history_`` has the loss of every epoch and the measure that was watched.

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
    f"best: epoch {best}",
    (best, value),
    xytext=(0, 8),
    textcoords="offset points",
    ha="center",
    color="tab:orange",
)
below.set(xlabel="epoch", ylabel="NDCG@10 of held-out labels", ylim=(0, 1.2 * value))
for axes in (above, below):
    axes.spines[["top", "right"]].set_visible(False)
if options.out:
    figure.savefig(options.out, dpi=120)
else:
    plt.show()
