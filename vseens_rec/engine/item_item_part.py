"""The item-item part of a model: which one for how many labels, and its weight in the sum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ..choices import DenseItemItem, SparseItemItem
from ..choices.item_item import ItemItem
from .holdouts import FEWEST_IMAGES, Holdout
from .item_item import ClosedForm, ItemItemWeights, local_ridge
from .item_item_choices import choose_closed_form, most_pairs, ndcg_of, weight_of_parts

# one inverse of more takes longer than a regression for each
MOST_LABELS_OF_DENSE = 6000
# with fewer epochs there is as little time for it as for a trial
FEWEST_ITERATIONS = 20
# scores that are compared at once: fewer images where labels are many
MOST_SCORES = 40_000_000
# of what hidden labels ask for: labels to come are less like the known ones than those that were
# hidden, and of many labels the weights know the fewer
SHARE_OF_SPARSE = 0.5
# in place of factors that are to count for nothing, which still tell equal scores apart
ALONE = 64.0


def item_item_of(given: str | ItemItem | None, n_labels: int, iterations: int) -> ItemItem | None:
    """Return the part that a name stands for; "auto" goes by the numbers of labels and epochs.

    One whose memory has a limit that it would not keep is refused.
    """
    if given == "auto":
        if iterations < FEWEST_ITERATIONS:
            return None
        given = "dense" if n_labels <= MOST_LABELS_OF_DENSE else "sparse"
    if isinstance(given, str):
        given = DenseItemItem() if given == "dense" else SparseItemItem()
    if isinstance(given, DenseItemItem):
        n_pairs = most_pairs(n_labels) if given.pairs is None else given.pairs
        ClosedForm.check_memory(
            n_labels, n_pairs, given.memory_limit, "DenseItemItem", "SparseItemItem"
        )
    return given


class ItemItemPart:
    """The weights between labels, solved for, and how high they rank hidden labels.

    Parameters
    ----------
    choice : ItemItem
        How they are solved for.
    matrix : csr_matrix
        Canonical.
    holdout : Holdout or None
        Labels hidden of some of its images; None: nothing is chosen by them.
    num_threads : int
        At least 1.
    weighs : bool
        Its weight is to be chosen by the holdout, and not only what it is made of.
    """

    def __init__(
        self,
        choice: ItemItem,
        matrix: csr_matrix,
        holdout: Holdout | None,
        num_threads: int,
        *,
        weighs: bool,
    ):
        self.choice, self.num_threads = choice, num_threads
        if holdout is not None:
            holdout = holdout.some(max(FEWEST_IMAGES, MOST_SCORES // matrix.shape[1]))
        self.holdout = holdout
        self.hidden_scores: NDArray[np.floating[Any]] | None = None
        if isinstance(choice, DenseItemItem):
            form = choose_closed_form(
                matrix,
                holdout,
                choice.regularization,
                choice.dropout,
                choice.row_power,
                choice.pairs,
                num_threads,
            )
            self.weights = form.weights()
            if holdout is not None and weighs:
                self.hidden_scores = form.left_out_scores(holdout.rows, holdout.known)
        elif isinstance(choice, SparseItemItem):
            self.weights = self._sparse(choice, matrix)
            if holdout is not None and weighs:
                reduced = self._sparse(choice, holdout.train)
                self.hidden_scores = reduced.scores(holdout.known, num_threads)
        else:
            raise TypeError(f"{choice!r} is not a part that can be solved for")

    def _sparse(self, choice: SparseItemItem, matrix: csr_matrix) -> ItemItemWeights:
        return local_ridge(
            matrix,
            choice.neighbors,
            choice.regularization,
            choice.dropout,
            choice.row_power,
            num_threads=self.num_threads,
        )

    def weight_beside(self, factor_scores: NDArray[np.floating[Any]]) -> float:
        """Choose the weight beside scores of factors for the images of the holdout; 0 is none."""
        assert self.holdout is not None and self.hidden_scores is not None  # noqa: PT018
        holdout, hidden = self.holdout, self.hidden_scores
        of_factors, weight = weight_of_parts(
            factor_scores, hidden, lambda scores: ndcg_of(holdout, scores, self.num_threads)
        )
        if of_factors == 0:
            return ALONE * float(factor_scores.std()) / max(float(hidden.std()), 1e-30)
        return weight * (SHARE_OF_SPARSE if isinstance(self.choice, SparseItemItem) else 1.0)
