"""Proposals: where candidate negatives come from, ready for the kernel."""

from math import ceil

import numpy as np

from ._native import kernel

# ranks beyond this many times the scale of the law hold exp(-10) of its mass
DEPTH_IN_SCALES = 10


def rank_law(n_labels: int, rank_scale: float) -> np.ndarray:
    """Probabilities of the ranks 1 to R, in proportion to exp(-rank / scale).

    The scale is ``max(1, rank_scale * n_labels)`` and R is ten times that, at most `n_labels`
    (Eq. 6 of the paper, read as exp(-r / lambda)).
    """
    scale = max(1.0, rank_scale * n_labels)
    depth = min(n_labels, ceil(DEPTH_IN_SCALES * scale))
    weights = np.exp(-np.arange(depth) / scale)
    return weights / weights.sum()


def make_sampler(
    kind: str,
    n_labels: int,
    columns: int,
    *,
    rank_scale: float,
    label_weights: np.ndarray | None = None,
):
    """Make a kernel sampler; ``label_weights`` are those of the popularity sampler."""
    law = table = None
    if kind == "popularity":
        law = label_weights / label_weights.sum()
    elif kind in ("adaptive", "exact"):
        law = rank_law(n_labels, rank_scale)
    if kind == "adaptive":
        width = min(n_labels, 2 * len(law))
        dtype = np.uint16 if n_labels <= 2**16 else np.uint32
        table = np.zeros((columns, width), dtype=dtype)
    return kernel.Sampler(
        kernel.PROPOSALS[kind],
        n_labels,
        columns,
        None if law is None else kernel.alias_table(law),
        law,
        table,
    )
