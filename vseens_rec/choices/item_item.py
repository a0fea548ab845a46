"""The item-item part: scores by the labels that an image has, beside those by factors."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from .base import Choice

ABOVE_ZERO = Interval(Real, 0, None, closed="neither")
SHARE = Interval(Real, 0, 1, closed="left")
ANY = Interval(Real, None, None, closed="neither")
COUNT = Interval(Integral, 0, None, closed="left")


class ItemItem(Choice):
    """How the weights between labels are found."""

    name: ClassVar[str]


class DenseItemItem(ItemItem):
    """All labels at once, by one inverse, as `EDLAE` does: for some thousands of labels.

    Parameters
    ----------
    regularization, dropout, row_power, pairs : float or None, float, float, int or None, \
            default=None, 0.1, 0.5, None
        As in `EDLAE`.
    weight : float or None, default=None
        What its scores are multiplied by before they are added to those of the factors. None:
        chosen by labels that are hidden of up to 2,000 images.
    memory_limit : float, default=4e9
        Bytes that the inverse may take. A fit that needs more is refused: 8 bytes times the square
        of labels and pairs. The model keeps 4 bytes for each of them and each label.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import DenseItemItem
    >>> model = VSEens(item_item=DenseItemItem(pairs=0))
    """

    name = "dense"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "regularization": [ABOVE_ZERO, None],
        "dropout": [SHARE],
        "row_power": [ANY],
        "pairs": [COUNT, None],
        "weight": [ABOVE_ZERO, None],
        "memory_limit": [ABOVE_ZERO],
    }

    def __init__(
        self,
        regularization: float | None = None,
        dropout: float = 0.1,
        row_power: float = 0.5,
        pairs: int | None = None,
        weight: float | None = None,
        memory_limit: float = 4e9,
    ):
        self.regularization = regularization
        self.dropout = dropout
        self.row_power = row_power
        self.pairs = pairs
        self.weight = weight
        self.memory_limit = memory_limit


class SparseItemItem(ItemItem):
    """Each label by those that it is most often seen with, as `SparseEASE` does: for many labels.

    Parameters
    ----------
    neighbors, regularization, dropout, row_power : int, float, float, float, \
            default=60, 50.0, 0.0, 0.3
        As in `SparseEASE`.
    weight : float or None, default=None
        As in `DenseItemItem`.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import SparseItemItem
    >>> model = VSEens(item_item=SparseItemItem(neighbors=100))
    """

    name = "sparse"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "neighbors": [Interval(Integral, 1, None, closed="left")],
        "regularization": [ABOVE_ZERO],
        "dropout": [SHARE],
        "row_power": [ANY],
        "weight": [ABOVE_ZERO, None],
    }

    def __init__(
        self,
        neighbors: int = 60,
        regularization: float = 50.0,
        dropout: float = 0.0,
        row_power: float = 0.3,
        weight: float | None = None,
    ):
        self.neighbors = neighbors
        self.regularization = regularization
        self.dropout = dropout
        self.row_power = row_power
        self.weight = weight
