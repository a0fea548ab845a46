"""Keywords for emoji with vseens_rec: python after_vseens_rec.py pairs.csv"""

import sys

import numpy as np
from scipy.sparse import csr_matrix

from vseens_rec import VSEens
from vseens_rec.datasets import read_pairs
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

# the matrix and the names of its rows and columns
table = read_pairs(sys.argv[1], image="user", label="item")
matrix, user_names, item_names = table
user_ids = {name: number for number, name in enumerate(user_names)}
item_ids = {name: number for number, name in enumerate(item_names)}

# train on all items but one of each user
train, test = leave_one_out_split(matrix, random_state=0)
model = VSEens(random_state=0)
model.fit(train, show_progress=False)
scores = ranking_metrics(model, train, test, ["recall@10", "ndcg@10"])
print("held out:", {name: round(value, 2) for name, value in scores.items()})

# lists for all users
lists, _ = model.recommend(np.arange(matrix.shape[0]), N=5)
user = user_ids["cat face"]
print("cat face:", ", ".join(item_names[lists[user]]))

# items like an item
ids, _ = model.similar_items(item_ids["music"], N=5)
print("music is like:", ", ".join(item_names[ids[1:]]))

# a user who came later, first for one answer, then for good
columns = [item_ids[name] for name in ("fruit", "green")]
newcomer = csr_matrix((np.ones(2, np.float32), ([0, 0], columns)), shape=(1, matrix.shape[1]))
ids, _ = model.recommend(0, newcomer, N=5, recalculate_user=True)
print("fruit, green:", ", ".join(item_names[ids]))
model.partial_fit_users([matrix.shape[0]], newcomer)

model.save("model.npz")
model = VSEens.load("model.npz")
ids, _ = model.recommend(matrix.shape[0], N=5)
print("after loading:", ", ".join(item_names[ids]))
