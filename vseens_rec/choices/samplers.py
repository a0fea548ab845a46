"""Samplers: where candidate negatives come from. Every fact of one is in its class."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from .base import Choice

SCALE = [Interval(Real, 0, None, closed="neither"), None]


class Sampler(Choice):
    """Where candidates are drawn from, which the selection may make negatives."""

    name: ClassVar[str]
    # draws what scores high now, so that it has to be told of the labels' factors
    follows_factors: ClassVar[bool] = False
    # by a law of ranks
    draws_ranks: ClassVar[bool] = False
    # looks ranks up in tables that are made anew now and then, in place of the factors themselves
    has_rank_table: ClassVar[bool] = False
    # draws in proportion to counts of the labels
    needs_counts: ClassVar[bool] = False


class Adaptive(Sampler):
    """The sampler of VSE-ens: labels that rank high now, at a cost of O(factors) a draw.

    A rank from a truncated exponential law, a factor f in proportion to ``|v_if| sigma_f``, and the
    label at that rank from the top (bottom, if ``v_if < 0``) of the labels sorted by factor f.

    Parameters
    ----------
    rank_scale : float or None, default=None
        Scale of the exponential law of ranks, as a fraction of the number of labels; the paper's
        lambda. Smaller is harder. None: ``1.2 * n_labels ** -0.2`` (0.30 of 1,000 labels, 0.12 of
        100,000), since the labels that an image might have grow in number more slowly than all
        labels do; times ``(candidates / default) ** (2 / 3)`` where the highest of them is taken,
        or where there is one; 1 at most. The scale is one rank at least, and ranks beyond ten
        times the scale are never drawn.
    refresh_interval : float, default=8.0
        How long the sorted labels are used before they are sorted anew, in units of
        ``n_labels * ln(n_labels)`` pairs; the paper's is 1.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Adaptive
    >>> model = VSEens(sampler=Adaptive(rank_scale=0.1))
    >>> model.set_params(sampler__rank_scale=0.2).sampler
    Adaptive(rank_scale=0.2)
    """

    name = "adaptive"
    follows_factors = True
    draws_ranks = True
    has_rank_table = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "rank_scale": SCALE,
        "refresh_interval": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, rank_scale: float | None = None, refresh_interval: float = 8.0):
        self.rank_scale = rank_scale
        self.refresh_interval = refresh_interval


class Exact(Sampler):
    """The law of ranks over the true current ranking of all labels for the image.

    It costs scoring and sorting all labels for every image, again after every 64 of its pairs or
    256 candidates. To check and to compare.

    Parameters
    ----------
    rank_scale : float or None, default=None
        As for `Adaptive`.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Exact
    >>> model = VSEens(sampler=Exact(rank_scale=0.1))
    """

    name = "exact"
    follows_factors = True
    draws_ranks = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"rank_scale": SCALE}

    def __init__(self, rank_scale: float | None = None):
        self.rank_scale = rank_scale


class Uniform(Sampler):
    """All labels alike.

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import Uniform
    >>> VSEens(sampler=Uniform()).sampler
    Uniform()
    """

    name = "uniform"


class ByPopularity(Sampler):
    """In proportion to a power of the number of images that have the label.

    Parameters
    ----------
    exponent : float, default=0.75
        The power; 0.75 is that of word2vec (Mikolov et al., NIPS 2013).

    Examples
    --------
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.choices import ByPopularity
    >>> model = VSEens(sampler=ByPopularity(exponent=1))
    """

    name = "popularity"
    needs_counts = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "exponent": [Interval(Real, 0, None, closed="left")]
    }

    def __init__(self, exponent: float = 0.75):
        self.exponent = exponent
