"""
Serve with an approximate index
===============================

Recommending is a search for the largest inner products of an image's factors with those of the
labels. An index looks at a part of the labels, so it is faster and misses some of them. It needs
nothing but the factors: the bias of a label is a column of them.

Needs faiss, which the package itself does not: ``pip install faiss-cpu``.
"""

import argparse
from time import perf_counter

import faiss
import matplotlib.pyplot as plt
import numpy as np

from vseens_rec import VSEens
from vseens_rec.datasets import make_annotations

parser = argparse.ArgumentParser()
parser.add_argument("--out", help="write the picture to this file in place of showing it")
options = parser.parse_args()

N = 10
ASKED = 1000

# %%
# Synthetic annotations with 40,000 labels, and a model of them.

X = make_annotations(20_000, 40_000, 400_000, random_state=0)
model = VSEens(factors=64, iterations=20, candidates=4, fold_in_users=False, random_state=0)
model.fit(X, show_progress=False)
queries = np.arange(ASKED)


def timed(call):
    """Return what a call returns, and its milliseconds for one query."""
    start = perf_counter()
    result = call()
    return result, 1000 * (perf_counter() - start) / ASKED


# %%
# Exact lists
# -----------
#
# ``recommend`` scores all labels. It leaves out those that the image has.

faiss.omp_set_num_threads(1)
model.set_params(num_threads=1)
(exact, _), exact_time = timed(lambda: model.recommend(queries, N=N))
print(f"recommend: {exact_time:.2f} ms a query")

# %%
# An index
# --------
#
# The labels are grouped into 200 cells, and a query looks into ``nprobe`` of them. It asks for as
# many labels more as the image has, and leaves those out afterwards. ``nprobe=200`` looks
# everywhere, which shows that the factors are all that is needed.

index = faiss.index_factory(model.item_factors.shape[1], "IVF200,Flat", faiss.METRIC_INNER_PRODUCT)
index.train(model.item_factors)
index.add(model.item_factors)
liked = X[queries]
longest = int(liked.getnnz(axis=1).max())
liked_pairs = np.repeat(queries, liked.getnnz(axis=1)) * X.shape[1] + liked.indices


def search(nprobe):
    """Return lists of N labels for all queries, without those that the images have."""
    index.nprobe = nprobe
    _, found = index.search(model.user_factors[queries], N + longest)
    is_liked = np.isin(queries[:, None] * X.shape[1] + found, liked_pairs)
    others_first = np.argsort(is_liked, axis=1, kind="stable")
    return np.take_along_axis(found, others_first[:, :N], axis=1)


cells, shares, times = [1, 2, 4, 16, 64, 200], [], []
print(f"{'cells':>5}{'of the exact lists':>20}{'ms a query':>12}")
for nprobe in cells:
    lists, milliseconds = timed(lambda nprobe=nprobe: search(nprobe))
    shared = [len(np.intersect1d(one, other)) for one, other in zip(lists, exact, strict=True)]
    shares.append(np.mean(shared) / N)
    times.append(milliseconds)
    print(f"{nprobe:5}{shares[-1]:20.1%}{milliseconds:12.2f}")

# %%
# Points are labelled by the cells that a query looks into. ``recommend`` is so fast for 40,000
# labels that a search which misses nothing takes longer.

figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
axes.plot(times, shares, "o-", color="#0072B2")
for nprobe, share, milliseconds in zip(cells, shares, times, strict=True):
    axes.annotate(f"{nprobe}", (milliseconds, share), (6, -12), textcoords="offset points")
axes.axvline(exact_time, color="#D55E00", linestyle="--")
axes.annotate(
    "recommend", (exact_time, min(shares)), (-5, 0), textcoords="offset points",
    rotation=90, ha="right", va="bottom", color="#D55E00",
)  # fmt: skip
axes.set(xscale="log", xlabel="milliseconds a query, one thread", ylabel="share of the exact lists")
axes.xaxis.set_major_formatter("{x:g}")
axes.yaxis.set_major_formatter("{x:.0%}")
axes.margins(y=0.12)
axes.set_title(f"Fewer of the {max(cells)} cells: less time, and less of the exact lists")
axes.spines[["top", "right"]].set_visible(False)
if options.out:
    figure.savefig(options.out, dpi=120)
else:
    plt.show()

# %%
# Images that arrive later are folded in and asked for in the same index, which stays as it is as
# long as the factors of the labels do.

new = make_annotations(3, 40_000, 40, random_state=1)
scores, labels = index.search(model.transform(new), N)
print(labels.shape)

# %%
# ``implicit.ann.faiss.FaissModel`` wraps such an index behind ``recommend``;
# `saving and serving <../guide/saving_and_serving.html>`_ has what to mind with it.
