"""
Annotate emoji
==============

Learn the keywords of emoji from other emoji's keywords, without ever looking at one: an emoji is a
row number. One keyword of every emoji is held out, and the question is how often it is among the
ten that are suggested.

    python examples/annotate_emoji.py
"""

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.evaluation import ranking_metrics_at_k
from threadpoolctl import threadpool_limits

from vseens_rec import VSEens
from vseens_rec.datasets import load_emoji
from vseens_rec.model_selection import leave_one_out_split

SHOWN = ["🐳", "🎸", "🍕", "🚲", "💔", "🌋"]


class MostPopular:
    """Suggests the keywords that most emoji have."""

    def __init__(self, train):
        self.counts = np.asarray(train.sum(axis=0)).ravel()

    def recommend(self, userids, user_items, N=10):
        """Return ids and scores as the models of implicit do."""
        scores = np.where(user_items.toarray() > 0, -1.0, self.counts)
        ids = np.argsort(-scores, axis=1, kind="stable")[:, :N].astype(np.int32)
        return ids, np.take_along_axis(scores, ids, axis=1)


def measure(name, model, train, test):
    """Print how the held-out keywords rank among all that the emoji does not have."""
    found = ranking_metrics_at_k(model, train, test, K=10, show_progress=False)
    # with one held-out keyword an emoji, precision over min(10, 1) is recall
    print(f"{name:38} Recall@10 {found['precision']:.3f}   NDCG@10 {found['ndcg']:.3f}")


def main():
    emoji = load_emoji()
    train, test = leave_one_out_split(emoji.matrix, random_state=0)
    print(
        f"{train.shape[0]} emoji x {train.shape[1]} keywords: {train.nnz} pairs to learn from, "
        f"{test.nnz} held out\n"
    )
    # chosen on keywords held out of the training part
    model = VSEens(
        factors=160,
        learning_rate=0.1,
        regularization=0.04,
        rank_scale=0.1,
        init_scale=0.1,
        iterations=600,
        random_state=0,
    )
    model.fit(train)
    with threadpool_limits(1, "blas"):
        als = AlternatingLeastSquares(factors=64, alpha=20, regularization=2, random_state=0)
        als.fit(train, show_progress=False)
        print()
        measure("most popular keywords", MostPopular(train), train, test)
        measure("implicit ALS (64 factors, alpha 20)", als, train, test)
        measure("VSEens", model, train, test)

    print("\n   known keywords -> suggested keywords (* is the held-out one)")
    for glyph in SHOWN:
        image = int(np.flatnonzero(emoji.images == glyph)[0])
        known = emoji.labels[train[image].indices]
        ids, _ = model.recommend(image, N=6)
        hidden = set(test[image].indices)
        suggested = [f"{emoji.labels[i]}{'*' if i in hidden else ''}" for i in ids]
        print(f"{glyph}  {', '.join(known)} -> {', '.join(suggested)}")


if __name__ == "__main__":
    main()
