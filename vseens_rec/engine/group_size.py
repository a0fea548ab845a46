"""How many of the candidates become negatives, where that changes from epoch to epoch."""

from math import cos, isnan

import numpy as np

from .._typing import History
from .settings import Settings


def adaptive_group_size(alignment: float, uniformity: float, candidates: int) -> int:
    """Negatives to keep of the candidates of the next epoch (Zhang et al., EACL 2023).

    Parameters
    ----------
    alignment : float
        Mean cosine of the positives.
    uniformity : float
        Mean of exp(-cosine) of the negatives drawn.
    candidates : int
        At least 2.
    """
    share = cos(max(0.0, alignment + uniformity) ** 1.25)
    return possible_group_size(int(share * candidates) + 1, candidates)


def possible_group_size(size: float, candidates: int) -> int:
    """Return the nearest size that leaves a candidate out."""
    return int(np.clip(size, 1, max(1, candidates - 1)))


def last_group_size(settings: Settings, history: History) -> int:
    """Negatives that the "group" selection keeps, in the last epoch if they change."""
    if settings.group_size != "auto":
        return int(settings.group_size)
    known = [size for size in history.get("group_size", []) if not isnan(size)]
    if known:
        # of as many candidates as there were then
        return possible_group_size(known[-1], settings.candidates)
    # fresh factors point nowhere: the cosines are 0
    return adaptive_group_size(0.0, 1.0, settings.candidates)
