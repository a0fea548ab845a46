"""
Annotate emoji
==============

Learn the keywords of emoji from other emoji's keywords, without ever looking at one: an emoji is a
row number. One keyword of every emoji is held out, and the question is how often it is among the
ten that are suggested.
"""

import numpy as np
from implicit.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from vseens_rec import Popularity, VSEens
from vseens_rec.datasets import load_emoji
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

# %%
# The data is a sparse matrix, emoji by keywords. ``leave_one_out_split`` takes one keyword from
# every emoji that has two or more.

emoji = load_emoji()
train, test = leave_one_out_split(emoji.matrix, random_state=0)
print(
    f"{train.shape[0]} emoji x {train.shape[1]} keywords: {train.nnz} pairs to learn from, "
    f"{test.nnz} held out\n"
)

# %%
# Three models: one that suggests the same to all, implicit's ALS, and this library's. The settings
# of the last two were chosen among the best on keywords held out of the training part.

popularity = Popularity().fit(train)
with threadpool_limits(1, "blas"):
    als = AlternatingLeastSquares(factors=64, alpha=20, regularization=2, random_state=0)
    als.fit(train, show_progress=False)
model = VSEens(iterations=100, regularization=0.05, random_state=0)
model.fit(train, show_progress=False)

# %%
# All keywords that an emoji does not have in the training compete, and the measures look where the
# held-out one stands.

models = {
    "most popular keywords": popularity,
    "implicit ALS (64 factors, alpha 20)": als,
    "VSEens": model,
}
for name, fitted in models.items():
    found = ranking_metrics(fitted, train, test, ["recall@10", "ndcg@10"])
    print(f"{name:38} Recall@10 {found['recall@10']:.3f}   NDCG@10 {found['ndcg@10']:.3f}")

# %%
# What is suggested for some of them. A star marks the keyword that was held out.

print("\n   known keywords -> suggested keywords (* is the held-out one)")
for glyph in ["🐳", "🎸", "🍕", "🚲", "💔", "🌋"]:
    image = int(np.flatnonzero(emoji.images == glyph)[0])
    known = emoji.labels[train[image].indices]
    ids, _ = model.recommend(image, N=6)
    hidden = set(test[image].indices)
    suggested = [f"{emoji.labels[i]}{'*' if i in hidden else ''}" for i in ids]
    print(f"{glyph}  {', '.join(known)} -> {', '.join(suggested)}")

# sphinx_gallery_thumbnail_path = 'figures/annotate_emoji.png'
