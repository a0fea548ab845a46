"""Losses: what a positive and its negatives cost. Every fact of one is in its class."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from .base import Choice

MARGIN = [Interval(Real, None, None, closed="neither")]


class Loss(Choice):
    """What a positive and its negatives cost.

    The kernel has a branch for each in ``ext/losses.pxd``, under the same name.
    """

    name: ClassVar[str]
    # of a positive and one negative; where there are several, their mean
    is_of_pairs: ClassVar[bool] = True
    # has a margin that a violator is within
    can_be_violated: ClassVar[bool] = True
    # weighs by the rank that the trials to a violator estimate
    weighs_ranks: ClassVar[bool] = False
    # estimates a loss over all labels where it knows how often each is drawn
    can_be_corrected: ClassVar[bool] = False
    # of pairs, and so smooth that an image's vector is found by Newton's method
    has_newton_steps: ClassVar[bool] = False
    # where no selection is given, and a positive has several candidates
    usual_selection: ClassVar[str] = "hardest"
    # candidates where their number is not given, as a share of n_labels ** 0.44
    usual_candidates: ClassVar[float | None] = None

    margin: float = 1.0
    temperature: float = 1.0

    def fold_in_scale(self, *, hard: bool, cosine: bool) -> tuple[float, float]:
        """Return the unit of an image's scores, and how far one of its steps moves them.

        The steps of a fold-in go by it; what is best was found by measurement.

        Parameters
        ----------
        hard : bool
            Whether negatives are the hardest of several candidates.
        cosine : bool
            Whether scores are cosines.

        Examples
        --------
        >>> from vseens_rec.choices import Logistic
        >>> Logistic().fold_in_scale(hard=True, cosine=False)
        (1.0, 0.5)
        """
        raise NotImplementedError


def _positive(margin: float) -> float:
    return margin if margin > 0 else 1.0


class Logistic(Loss):
    """``log(1 + exp(s_n - s_p))`` for scores s_p and s_n of a positive and a negative.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Logistic
    >>> VSEens(loss=Logistic()).loss
    Logistic()
    """

    name = "logistic"
    has_newton_steps = True

    def fold_in_scale(self, *, hard: bool, cosine: bool) -> tuple[float, float]:
        """Return unit and step: harder negatives have steeper losses."""
        if cosine:
            return 1.0, 0.1
        return 1.0, 0.5 if hard else 1.25


class Hinge(Loss):
    """``max(0, margin - s_p + s_n)`` for scores s_p and s_n of a positive and a negative.

    Parameters
    ----------
    margin : float, default=1.0
        How far above the negative a positive is asked to score.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Hinge
    >>> model = VSEens(loss=Hinge(margin=0.5))
    """

    name = "hinge"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"margin": MARGIN}

    def __init__(self, margin: float = 1.0):
        self.margin = margin

    def fold_in_scale(self, *, hard: bool, cosine: bool) -> tuple[float, float]:
        """Return unit and step, in proportion to the margin."""
        margin = _positive(self.margin)
        return (1.0, 0.1) if cosine else (0.65 * margin, 0.15 * margin)


class Warp(Loss):
    """The hinge times ``L(rank)``, the sum of 1/j up to the rank ``(n_labels - 1) // trials``.

    Weston, Bengio and Usunier, IJCAI 2011.

    Parameters
    ----------
    margin : float, default=1.0
        How far above the negative a positive is asked to score.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Warp
    >>> model = VSEens(sampler="uniform", loss=Warp(margin=0.5))
    """

    name = "warp"
    weighs_ranks = True
    usual_selection = "violator"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"margin": MARGIN}

    def __init__(self, margin: float = 1.0):
        self.margin = margin

    def fold_in_scale(self, *, hard: bool, cosine: bool) -> tuple[float, float]:
        """Return unit and step, in proportion to the margin."""
        margin = _positive(self.margin)
        return (1.0, 0.1) if cosine else (margin, 0.15 * margin)


class Softmax(Loss):
    """Cross-entropy of the scores ``[s_p, s_n + margin] / temperature``.

    Parameters
    ----------
    temperature : float, default=1.0
        What scores are divided by. Below 1, the usual learning rate is multiplied by it.
    margin : float, default=0.0
        What is added to the scores of negatives.
    proposal_correction : bool, default=False
        Subtract the logarithm of how often a candidate is drawn from its score, so that the loss
        estimates the softmax over all labels. Costs a pass over all labels for every image, as
        often as ``sampler="exact"`` costs one.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Softmax
    >>> model = VSEens(loss=Softmax(temperature=0.5))
    """

    name = "softmax"
    is_of_pairs = False
    can_be_violated = False
    can_be_corrected = True
    usual_selection = "first"
    usual_candidates = 0.5
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "margin": MARGIN,
        "proposal_correction": ["boolean"],
    }

    def __init__(
        self,
        temperature: float = 1.0,
        margin: float = 0.0,
        proposal_correction: bool = False,
    ):
        self.temperature = temperature
        self.margin = margin
        self.proposal_correction = proposal_correction

    def fold_in_scale(self, *, hard: bool, cosine: bool) -> tuple[float, float]:
        """Return unit and step, by the temperature."""
        return self.temperature, (0.6 if cosine else 0.5) * self.temperature**2


class SkipGramNegative(Loss):
    """``log(1 + exp(-s_p))`` plus the sum of ``log(1 + exp(s_n))``: word2vec's negative sampling.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import SkipGramNegative
    >>> VSEens(loss=SkipGramNegative(), candidates=5).loss
    SkipGramNegative()
    """

    name = "sgns"
    is_of_pairs = False
    can_be_violated = False
    usual_selection = "first"

    def fold_in_scale(self, *, hard: bool, cosine: bool) -> tuple[float, float]:
        """Return unit and step, the same for all."""
        return 1.0, 0.25
