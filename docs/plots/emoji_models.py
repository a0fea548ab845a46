"""What the pictures of the guide share: models of the emoji, laws over true ranks, colours."""

from functools import cache
from itertools import pairwise

import numpy as np
from scipy.stats import binom

from vseens_rec import VSEens
from vseens_rec.datasets import load_emoji
from vseens_rec.model_selection import leave_one_out_split

# of Okabe and Ito, which can be told apart with any colour vision
BLACK, ORANGE, SKY, GREEN, BLUE, RED = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00",
)  # fmt: skip
# from easy to hard: lighter to darker of one hue
SHADES = ("#b7d7ea", "#7fb3d5", "#4a8fc0", "#1f6aa5", "#08386b")


@cache
def emoji():
    """Return the data set, its training part and the labels held out of it."""
    data = load_emoji()
    return data, *leave_one_out_split(data.matrix, random_state=0)


@cache
def trained(iterations, **parameters):
    """Fit to the training part for the first epochs of a training at a constant step."""
    model = VSEens(
        factors=32,
        iterations=iterations,
        learning_rate_schedule="constant",
        random_state=0,
        num_threads=1,
        **parameters,
    )
    return model.fit(emoji()[1], show_progress=False)


def negatives_by_score(model, X, images):
    """Rank what the images do not have: a mask of them, and their labels from the best."""
    scores = model.user_factors[images] @ model.item_factors.T
    known = X[images].toarray() > 0
    scores[known] = -np.inf
    return known, np.argsort(-scores, axis=1, kind="stable")


def by_rank(probability, known, order):
    """Average a law over labels, (images, labels), by their rank among those not known."""
    n_ranks = known.shape[1] - known.sum(axis=1).max()
    return np.take_along_axis(probability, order, axis=1)[:, :n_ranks].mean(axis=0)


def highest(law, candidates, kept=1):
    """Return the law of the `kept` highest of independent candidates, from that of one.

    Labels are in the order of their scores, from the best.
    """
    at_least = np.minimum(1, np.cumsum(law, axis=-1))
    # of the candidates at a rank or above, as many as are kept
    counts = sum(binom.sf(n, candidates, at_least) for n in range(kept))
    return np.diff(counts / kept, axis=-1, prepend=0)


def in_bins(law, edges):
    """Average a law over ranks from 1 within bins of ranks."""
    return np.array([law[low - 1 : high - 1].mean() for low, high in pairwise(edges)])


def rank_bins(n_ranks, n_bins=18):
    """Return edges of bins of ranks, about even on a logarithmic scale, the first of one rank."""
    return np.unique(np.geomspace(1, n_ranks + 1, n_bins + 1).round().astype(int))
