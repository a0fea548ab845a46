"""
Suggest keywords for new images
===============================

Images arrive after the training, here a fifth of the emoji with all keywords but one. Their factors
are computed from the keywords that are known (fold-in), in three ways that lead to the same lists.
The keyword that was hidden shows how good the lists are, beside those of a model that was trained
on the same emoji.
"""

from time import perf_counter

import numpy as np
from scipy.sparse import vstack

from vseens_rec import Popularity, VSEens
from vseens_rec.datasets import load_emoji
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

LENGTH = 6

# %%
# A fifth of the emoji, of those with two keywords or more, is kept from the training.

emoji = load_emoji()
several = np.flatnonzero(emoji.matrix.getnnz(axis=1) >= 2)
new = np.sort(np.random.default_rng(0).choice(several, len(emoji.images) // 5, replace=False))
old = np.setdiff1d(np.arange(len(emoji.images)), new)
train = emoji.matrix[old]
known, hidden = leave_one_out_split(emoji.matrix[new], random_state=0)

setting = {"regularization": 0.05, "iterations": 100, "random_state": 0}
model = VSEens(**setting).fit(train, show_progress=False)
print(f"trained on {len(old)} emoji, {len(new)} are new")

# %%
# Three ways
# ----------
#
# Factors as an array, for code that ranks in its own way:

factors = model.transform(known)
scores = np.where(known.toarray() > 0, -np.inf, factors @ model.item_factors.T)
by_hand = np.argsort(-scores, axis=1)[:, :LENGTH]

# %%
# lists from a model that stays as it is, where the row numbers have no influence:

ids = np.arange(len(new))
recalculated, _ = model.recommend(ids, known, N=LENGTH, recalculate_user=True)

# %%
# and new rows of the model, which from then on knows the images by their numbers:

added = len(old) + ids
model.partial_fit_users(added, known)
remembered, _ = model.recommend(added, N=LENGTH)

same = np.array_equal(recalculated, by_hand) and np.array_equal(recalculated, remembered)
print("transform, recalculate_user and partial_fit_users suggest the same:", same)

# %%
# How good the lists are
# ----------------------
#
# The hidden keyword is asked of popularity, of the factors that were folded in, and of a model that
# was trained with the known keywords of the new emoji.

popular = Popularity().fit(train)
informed = VSEens(**setting).fit(vstack([train, known], format="csr"), show_progress=False)
ways = {
    "most popular keywords": (popular, popular.transform(known)),
    "VSEens, folded in": (model, factors),
    "VSEens, trained on them too": (informed, informed.user_factors[len(old) :]),
}
for name, (fitted, users) in ways.items():
    scores = users @ fitted.item_factors.T
    found = ranking_metrics(
        lambda rows, scores=scores: scores[rows], known, hidden, ["ndcg@10", "recall@10"]
    )
    print(f"{name:30} NDCG@10 {found['ndcg@10']:.3f}   Recall@10 {found['recall@10']:.3f}")

# %%
# What it costs
# -------------


def milliseconds(call, repeats=20):
    """Return the median time of a call."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return 1000 * np.median(times)


print(f"fold-in of one emoji: {milliseconds(lambda: model.transform(known[:1])):.1f} ms")
print(f"fold-in of all {len(new)}: {milliseconds(lambda: model.transform(known)):.1f} ms")

# %%
# Some of the lists
# -----------------

print("\n   known keywords -> suggested keywords (* is the hidden one)")
for row in np.linspace(0, len(new) - 1, 8, dtype=int):
    suggested = [
        f"{emoji.labels[i]}{'*' if i in hidden[row].indices else ''}" for i in remembered[row]
    ]
    described = ", ".join(emoji.labels[known[row].indices])
    print(f"{emoji.images[new[row]]}  {described} -> {', '.join(suggested)}")
