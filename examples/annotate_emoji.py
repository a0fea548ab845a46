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
from threadpoolctl import threadpool_limits

from vseens_rec import Popularity, VSEens
from vseens_rec.datasets import load_emoji
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

SHOWN = ["🐳", "🎸", "🍕", "🚲", "💔", "🌋"]


def measure(name, model, train, test):
    """Print how the held-out keywords rank among all that the emoji does not have."""
    found = ranking_metrics(model, train, test, ["recall@10", "ndcg@10"])
    print(f"{name:38} Recall@10 {found['recall@10']:.3f}   NDCG@10 {found['ndcg@10']:.3f}")


def main():
    emoji = load_emoji()
    train, test = leave_one_out_split(emoji.matrix, random_state=0)
    print(
        f"{train.shape[0]} emoji x {train.shape[1]} keywords: {train.nnz} pairs to learn from, "
        f"{test.nnz} held out\n"
    )
    # chosen on keywords held out of the training part
    model = VSEens(iterations=100, regularization=0.05, random_state=0)
    model.fit(train)
    with threadpool_limits(1, "blas"):
        als = AlternatingLeastSquares(factors=64, alpha=20, regularization=2, random_state=0)
        als.fit(train, show_progress=False)
        print()
        measure("most popular keywords", Popularity().fit(train), train, test)
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
