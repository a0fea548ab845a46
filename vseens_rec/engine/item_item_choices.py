"""What an item-item part is chosen by: labels that are hidden of some images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .holdouts import Holdout
from .item_item import ClosedForm, Pairs
from .measures import make_ranker, parse_metric, values_of

METRIC = parse_metric("ndcg@10")
# one seed for all: the images that labels are hidden of are the same for the same matrix
SEED = 1801_01632
# what is tried, in images
PENALTY = 10.0
PENALTY_STEP = 10**0.5
HIGHEST_PENALTY = 1e5
# less is chance, and would be lost with one label hidden in place of a fifth
GAIN_OF_PENALTY = 1.02
# ratios of the deviations of two scores; the curve between them is flat
RATIOS = tuple(2.0**power for power in range(-7, 6))
# a second part that brings less than that is chance
GAIN_OF_SUM = 1.01
# features in all, up to which pairs are added: an inverse of them takes about a second
MOST_FEATURES = 3000
MOST_PAIRS = 2000
# they are left out where hidden labels rank lower by more than chance
LOSS_OF_PAIRS = 0.995


def ndcg_of(holdout: Holdout, scores: NDArray[np.floating[Any]], num_threads: int = 1) -> float:
    """Return the NDCG@10 of the hidden labels by scores of shape (len(rows), n_labels)."""
    places = np.arange(len(holdout.rows), dtype=np.int32)
    ranker = make_ranker(holdout.known, holdout.hidden)
    # the kernel writes into them
    ranker.rank_scores(np.array(scores, order="C"), places, num_threads)
    return float(values_of(ranker, places, [METRIC])[0].mean())


def choose_penalty(measure: Callable[[float], float]) -> float:
    """Raise the penalty in steps for as long as that pays.

    Parameters
    ----------
    measure : callable
        Takes a penalty and returns how high hidden labels rank with it.
    """
    penalty = PENALTY
    score = measure(penalty)
    while penalty < HIGHEST_PENALTY:
        raised = measure(penalty * PENALTY_STEP)
        if raised <= GAIN_OF_PENALTY * score:
            break
        penalty, score = penalty * PENALTY_STEP, raised
    return penalty


def weight_of_parts(
    first: NDArray[np.floating[Any]],
    second: NDArray[np.floating[Any]],
    measure: Callable[[NDArray[np.floating[Any]]], float],
) -> tuple[float, float]:
    """Choose the weights of two scores in their sum, 0 for one where the other alone ranks higher.

    Parameters
    ----------
    first, second : ndarray of shape (n_rows, n_labels)
        Scores of the same images by models that have not seen what is hidden.
    measure : callable
        Takes scores and returns how high hidden labels rank by them.

    Returns
    -------
    tuple of float
        What to multiply each with. The means of neighbouring ratios are compared, as single ones
        are up to chance.
    """
    scale = float(first.std()) / max(float(second.std()), 1e-30)
    ratios = [0.0, *RATIOS]
    values = [measure(first)]
    values += [measure(first + np.asarray(ratio * scale, first.dtype) * second) for ratio in RATIOS]
    alone = measure(second)
    inner = np.convolve(values[1:], [0.25, 0.5, 0.25], mode="valid")
    best = int(np.argmax(inner))
    if GAIN_OF_SUM * values[0] >= max(inner[best], alone):
        return 1.0, 0.0
    if alone >= inner[best]:
        return 0.0, 1.0
    return 1.0, float(ratios[best + 2]) * scale


def most_pairs(n_labels: int) -> int:
    """Tell how many pairs of labels are features where nobody says."""
    return max(0, min(MOST_PAIRS, MOST_FEATURES - n_labels))


def choose_closed_form(
    matrix: csr_matrix,
    holdout: Holdout | None,
    penalty: float | None,
    dropout: float,
    row_power: float,
    pairs: int | None,
    num_threads: int,
) -> ClosedForm:
    """Solve for all labels, with what is left open chosen by labels that are hidden.

    Parameters
    ----------
    matrix : csr_matrix
        Canonical.
    holdout : Holdout or None
        Labels of some of its images; without, nothing is compared.
    penalty : float or None
        None: raised from 10 images for as long as that pays.
    dropout, row_power
        As in `ClosedForm`.
    pairs : int or None
        How many pairs of labels are features, at most; None: as many as are quickly solved for, if
        hidden labels rank no lower with them.
    num_threads : int
        Upper limit of the threads.
    """

    def solve(penalty: float, pairs: Pairs | None = None) -> ClosedForm:
        return ClosedForm(matrix, penalty, dropout, row_power, pairs=pairs, num_threads=num_threads)

    def measure(form: ClosedForm) -> float:
        assert holdout is not None
        return ndcg_of(holdout, form.left_out_scores(holdout.rows, holdout.known), num_threads)

    if penalty is None:
        penalty = PENALTY
        if holdout is not None:
            penalty = choose_penalty(lambda penalty: measure(solve(penalty)))
    n_labels = matrix.shape[1]
    chosen = Pairs.most_frequent(matrix, most_pairs(n_labels) if pairs is None else pairs)
    plain = None
    if pairs is None and holdout is not None and len(chosen.partners):
        plain = solve(penalty)
    if not len(chosen.partners):
        return plain or solve(penalty)
    form = solve(penalty, chosen)
    if plain is not None and measure(form) < LOSS_OF_PAIRS * measure(plain):
        return plain
    return form
