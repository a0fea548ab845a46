"""Penalties, starts and early stopping, with their settings."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from .base import Choice

FROM_ZERO = Interval(Real, 0, None, closed="left")


class Penalty(Choice):
    """L2 penalties of the three factor rows of a triplet, one by one.

    Parameters
    ----------
    user, positive, negative : float or None, default=None
        The penalty of the image, the positive and the negatives. None: what `VSEens` takes where
        ``regularization=None``.
    violating_only : bool, default=False
        Apply them only where the negative violates (see ``history_`` of `VSEens`), in place of
        every triplet.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Penalty
    >>> model = VSEens(regularization=Penalty(user=0.1, positive=0.02, negative=0.02))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "user": [FROM_ZERO, None],
        "positive": [FROM_ZERO, None],
        "negative": [FROM_ZERO, None],
        "violating_only": ["boolean"],
    }

    def __init__(
        self,
        user: float | None = None,
        positive: float | None = None,
        negative: float | None = None,
        violating_only: bool = False,
    ):
        self.user = user
        self.positive = positive
        self.negative = negative
        self.violating_only = violating_only


class Start(Choice):
    """Where a training starts from.

    Parameters
    ----------
    scale : float, default=0.03
        Standard deviation of a normal distribution around what it starts from.
    """

    name: ClassVar[str]
    follows_pairs: ClassVar[bool] = False
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"scale": [FROM_ZERO]}

    def __init__(self, scale: float = 0.03):
        self.scale = scale


class Spectral(Start):
    """From a truncated singular value decomposition of the matrix.

    It is weighted by how many labels an image and how many images a label has: labels that appear
    together start near each other, and images on the way to where a fold-in would start them. That
    ranks well after few iterations already, and takes about as long as one, or two of a single
    candidate.

    Parameters
    ----------
    scale : float, default=0.03
        Standard deviation of the normal distribution of what is added to the factors.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Spectral
    >>> model = VSEens(init=Spectral(scale=0.1))
    """

    name = "spectral"
    follows_pairs = True


class Random(Start):
    """From small random factors.

    Parameters
    ----------
    scale : float, default=0.03
        Standard deviation of the normal distribution of the factors.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Random
    >>> model = VSEens(init=Random(scale=0.1))
    """

    name = "random"


class EarlyStopping(Choice):
    """Hold out labels, watch how they rank, and stop when that no longer improves.

    One label of some images is held out; after every epoch it is looked up how these rank. The
    factors that were best are kept. The training never sees the labels held out; `recommend`
    filters them like the others. They are chosen by hashes of the images' labels, so a warm start
    holds out the same, on more images too; a training before it without early stopping has seen
    them.

    Parameters
    ----------
    scoring : str, default="ndcg@10"
        What is watched: a name of `vseens_rec.metrics.ranking_metrics`.
    validation_fraction : float, default=0.1
        About the share of the images with two labels or more that give one.
    n_iter_no_change : int, default=10
        Epochs without an improvement after which the training stops.
    tol : float, default=1e-4
        What counts as an improvement.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import EarlyStopping
    >>> model = VSEens(early_stopping=EarlyStopping(n_iter_no_change=3))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "scoring": [str],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [FROM_ZERO],
    }

    def __init__(
        self,
        scoring: str = "ndcg@10",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
    ):
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
