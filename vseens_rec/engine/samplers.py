"""The kernel's samplers, and the laws that they draw by."""

from collections.abc import Callable
from math import ceil

import numpy as np
from numpy.typing import NDArray

from .._native import kernel
from ..choices import Sampler
from .settings import Settings

# ranks beyond this many times the scale of the law hold exp(-10) of its mass
DEPTH_IN_SCALES = 10


def rank_law(n_labels: int, rank_scale: float, released: bool = False) -> NDArray[np.float64]:
    """Probabilities of the ranks 1 to R, in proportion to exp(-rank / scale).

    The scale is ``max(1, rank_scale * n_labels)`` and R is ten times that, at most `n_labels`
    (Eq. 6 of the paper, read as exp(-r / lambda)). The released code rounds rank / scale down.
    """
    scale = max(1.0, rank_scale * n_labels)
    # a scale may be too large for an integer
    depth = n_labels if DEPTH_IN_SCALES * scale >= n_labels else ceil(DEPTH_IN_SCALES * scale)
    ranks = np.arange(1, depth + 1)
    exponent = ranks // int(min(scale, n_labels + 1)) if released else (ranks - 1) / scale
    weights: NDArray[np.float64] = np.exp(-exponent.astype(np.float64))
    weights /= weights.sum()
    return weights


def popularity_weights(
    counts: NDArray[np.int64] | NDArray[np.float64], exponent: float
) -> NDArray[np.float64]:
    """Return what labels are drawn in proportion to: a power of their counts."""
    # a power of counts themselves may be infinite
    weights: NDArray[np.float64] = (counts / max(counts.max(initial=0), 1e-300)) ** exponent
    return weights


def make_sampler(
    sampler: Sampler,
    n_labels: int,
    columns: int,
    *,
    rank_scale: float = 1.0,
    label_weights: NDArray[np.float64] | None = None,
    released: bool = False,
) -> kernel.Sampler:
    """Make the kernel's sampler of a choice.

    Parameters
    ----------
    sampler : Sampler
        What is drawn from where.
    n_labels : int
        At least 1.
    columns : int
        Of a row of factors, without padding.
    rank_scale : float
        Of the law of ranks, as a share of the labels.
    label_weights : ndarray, optional
        Of a sampler that needs counts: what labels are drawn in proportion to.
    released : bool
        Draw factors and ranks as the code that the paper's authors released.
    """
    law: NDArray[np.float64] | None = None
    table: NDArray[np.uint16] | NDArray[np.uint32] | None = None
    if label_weights is not None:
        law = label_weights / label_weights.sum()
    elif sampler.draws_ranks:
        law = rank_law(n_labels, rank_scale, released)
        if sampler.has_rank_table:
            shape = (columns, min(n_labels, 2 * len(law)))
            few = n_labels <= 2**16
            table = np.zeros(shape, np.uint16) if few else np.zeros(shape, np.uint32)
    return kernel.Sampler(
        sampler.name,
        n_labels,
        columns,
        None if law is None else kernel.alias_table(law),
        law,
        table,
        variance=released,
    )


def sampler_of(
    settings: Settings,
    n_labels: int,
    label_counts: Callable[[], NDArray[np.int64] | NDArray[np.float64]],
) -> kernel.Sampler:
    """Make the sampler of a training; the counts of labels are asked for if it needs them."""
    weights = None
    if settings.sampler.needs_counts:
        exponent = settings.sampler.get_params()["exponent"]
        weights = popularity_weights(label_counts(), exponent)
    return make_sampler(
        settings.sampler,
        n_labels,
        settings.columns,
        rank_scale=settings.rank_scale,
        label_weights=weights,
        released=settings.released,
    )
