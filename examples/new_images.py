"""
Suggest keywords for new images
===============================

Images arrive after the training, here a fifth of the emoji with all keywords but one. Their factors
are computed from the keywords that are known (fold-in), in three ways that lead to the same lists.
The keyword that was hidden shows how good the lists are, beside those of a model that was trained
on the same emoji.

    python examples/new_images.py
"""

from time import perf_counter

import numpy as np
from scipy.sparse import vstack

from vseens_rec import Popularity, VSEens
from vseens_rec.datasets import load_emoji
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

SETTING = {
    "regularization": 0.05,
    "iterations": 100,
    "random_state": 0,
}
LENGTH = 6
SHOWN = 8


def split(matrix):
    """Return the numbers of emoji to learn from, and of new ones with two keywords or more."""
    several = np.flatnonzero(np.diff(matrix.indptr) >= 2)
    new = np.random.default_rng(0).choice(several, matrix.shape[0] // 5, replace=False)
    return np.setdiff1d(np.arange(matrix.shape[0]), new), np.sort(new)


def measure(name, model, factors, known, hidden):
    """Print how the hidden keywords rank among all that the emoji is not known to have."""
    scores = factors @ model.item_factors.T
    found = ranking_metrics(lambda rows: scores[rows], known, hidden, ["ndcg@10", "recall@10"])
    print(f"{name:30} NDCG@10 {found['ndcg@10']:.3f}   Recall@10 {found['recall@10']:.3f}")


def milliseconds(call, repeats=20):
    """Return the median time of a call."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return 1000 * np.median(times)


def main():
    emoji = load_emoji()
    old, new = split(emoji.matrix)
    known, hidden = leave_one_out_split(emoji.matrix[new], random_state=0)
    train = emoji.matrix[old]
    model = VSEens(**SETTING).fit(train, show_progress=False)
    print(f"trained on {len(old)} emoji, {len(new)} are new\n")

    # 1. factors as an array, for code that ranks in its own way
    factors = model.transform(known)
    scores = np.where(known.toarray() > 0, -np.inf, factors @ model.item_factors.T)
    by_hand = np.argsort(-scores, axis=1)[:, :LENGTH]
    # 2. lists from a model that stays as it is; the ids have no influence
    ids = np.arange(len(new))
    recalculated, _ = model.recommend(ids, known, N=LENGTH, recalculate_user=True)
    # 3. new rows of the model, which from then on knows the images by their numbers
    added = len(old) + ids
    model.partial_fit_users(added, known)
    remembered, _ = model.recommend(added, N=LENGTH)
    same = np.array_equal(recalculated, by_hand) and np.array_equal(recalculated, remembered)
    print("transform, recalculate_user and partial_fit_users suggest the same:", same)

    # the same keywords, but known before the training
    informed = VSEens(**SETTING).fit(vstack([train, known], format="csr"), show_progress=False)
    popular = Popularity().fit(train)
    print("\nOne hidden keyword of every new emoji:")
    measure("most popular keywords", popular, popular.transform(known), known, hidden)
    measure("VSEens, folded in", model, factors, known, hidden)
    measure(
        "VSEens, trained on them too", informed, informed.user_factors[len(old) :], known, hidden
    )

    print(f"\nfold-in of one emoji: {milliseconds(lambda: model.transform(known[:1])):.1f} ms")
    print(f"fold-in of all {len(new)}: {milliseconds(lambda: model.transform(known)):.1f} ms")

    print("\n   known keywords -> suggested keywords (* is the hidden one)")
    for row in np.linspace(0, len(new) - 1, SHOWN, dtype=int):
        suggested = [
            f"{emoji.labels[i]}{'*' if i in hidden[row].indices else ''}" for i in remembered[row]
        ]
        described = ", ".join(emoji.labels[known[row].indices])
        print(f"{emoji.images[new[row]]}  {described} -> {', '.join(suggested)}")


if __name__ == "__main__":
    main()
