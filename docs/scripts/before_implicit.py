"""Keywords for emoji with implicit: python before_implicit.py pairs.csv"""

import sys

import numpy as np
import pandas as pd
from implicit.cpu.als import AlternatingLeastSquares
from implicit.evaluation import leave_k_out_split, ranking_metrics_at_k
from implicit.nearest_neighbours import bm25_weight
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

threadpool_limits(1, "blas")

# the matrix and the names of its rows and columns
table = pd.read_csv(sys.argv[1], keep_default_na=False)
users, items = table["user"].astype("category"), table["item"].astype("category")
values = np.ones(len(table), np.float32)
matrix = csr_matrix((values, (users.cat.codes, items.cat.codes)))
user_names, item_names = users.cat.categories, items.cat.categories

# train on all items but one of each user; the split draws from numpy's global generator
np.random.seed(0)  # noqa: NPY002
train, test = leave_k_out_split(matrix, K=1)
confidence = bm25_weight(train, K1=100, B=0.8).tocsr()
model = AlternatingLeastSquares(
    factors=64, regularization=0.1, alpha=2.0, iterations=20, random_state=0
)
model.fit(confidence, show_progress=False)
scores = ranking_metrics_at_k(model, train, test, K=10, show_progress=False)
print("held out:", {name: round(value, 2) for name, value in scores.items()})

# lists for all users, a thousand at a time
lists = np.empty((matrix.shape[0], 5), dtype=np.int32)
for start in range(0, len(lists), 1000):
    batch = np.arange(start, min(start + 1000, len(lists)))
    lists[batch], _ = model.recommend(batch, train[batch], N=5)
user = user_names.get_loc("cat face")
print("cat face:", ", ".join(item_names[lists[user]]))

# items like an item
ids, _ = model.similar_items(item_names.get_loc("music"), N=5)
print("music is like:", ", ".join(item_names[ids[1:]]))

# a user who came later, first for one answer, then for good
columns = [item_names.get_loc(name) for name in ("fruit", "green")]
newcomer = csr_matrix((np.ones(2, np.float32), ([0, 0], columns)), shape=(1, matrix.shape[1]))
ids, _ = model.recommend(0, newcomer, N=5, recalculate_user=True)
print("fruit, green:", ", ".join(item_names[ids]))
model.partial_fit_users([matrix.shape[0]], newcomer)

model.save("implicit_model.npz")
model = AlternatingLeastSquares.load("implicit_model.npz")
ids, _ = model.recommend(matrix.shape[0], newcomer, N=5)
print("after loading:", ", ".join(item_names[ids]))
