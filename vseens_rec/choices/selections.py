"""Selections: which of the candidates become negatives. Every fact of one is in its class."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Literal

from sklearn.utils._param_validation import Interval, StrOptions

from .base import Choice


class Selection(Choice):
    """Which of the candidates become negatives."""

    name: ClassVar[str]
    # takes every candidate
    takes_all: ClassVar[bool] = False
    # takes those that score highest, so that it needs several to choose from
    takes_highest: ClassVar[bool] = False
    # draws until a candidate serves, and counts the trials
    counts_trials: ClassVar[bool] = False
    # gives one negative, however many candidates are drawn
    gives_one: ClassVar[bool] = False


class First(Selection):
    """All of the candidates.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import First
    >>> VSEens(selection=First(), candidates=1).selection
    First()
    """

    name = "first"
    takes_all = True


class Hardest(Selection):
    """The candidate that scores highest.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Hardest
    >>> VSEens(selection=Hardest(), candidates=8).selection
    Hardest()
    """

    name = "hardest"
    takes_highest = True
    gives_one = True


class Group(Selection):
    """Those candidates that score highest.

    Parameters
    ----------
    size : int or "auto", default=1
        Negatives to keep; ``"auto"`` sets it anew for every epoch from the alignment of positives
        and the uniformity of negatives (Zhang et al., EACL 2023).

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Group
    >>> model = VSEens(selection=Group(size="auto"), candidates=16)
    """

    name = "group"
    takes_highest = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "size": [Interval(Integral, 1, 2**16, closed="both"), StrOptions({"auto"})]
    }

    def __init__(self, size: int | Literal["auto"] = 1):
        self.size = size


class Violator(Selection):
    """Candidates are drawn until one scores within the margin of the positive.

    Where none does, nothing is learned.

    Parameters
    ----------
    max_trials : int or None, default=None
        Most draws; None: ``n_labels - 1``.
    margin : float or None, default=None
        How far below the positive a label violates. None: the margin of the loss, or 1 for a loss
        without.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Violator
    >>> model = VSEens(sampler="uniform", loss="warp", selection=Violator(max_trials=50))
    """

    name = "violator"
    counts_trials = True
    gives_one = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_trials": [Interval(Integral, 1, 2**31 - 1, closed="both"), None],
        "margin": [Interval(Real, None, None, closed="neither"), None],
    }

    def __init__(self, max_trials: int | None = None, margin: float | None = None):
        self.max_trials = max_trials
        self.margin = margin
