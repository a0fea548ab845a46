"""Ranking measures by name, and the ranks that they are made of."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .._native import kernel, limit_blas
from .._typing import Floats

COVERAGE = "coverage"

WITH_LENGTH = ("precision", "recall", "ndcg", "hit", "auc", "coverage")
WITHOUT_LENGTH = ("map", "mrr", "auc", "ndcg")
MOST_LABELS = 2**31 - 1


class Metric(NamedTuple):
    """A measure and the length of list that counts, 0 for all of it."""

    name: str
    measure: str
    length: int

    @property
    def kind(self) -> int:
        """The kernel's number of the measure."""
        return kernel.MEASURES["auc@" if self.measure == "auc" and self.length else self.measure]


def parse_metric(name: str) -> Metric:
    """Split a name such as ``"ndcg@10"``; ValueError if there is no such measure."""
    if not isinstance(name, str):
        raise TypeError(f"metrics are named by strings such as 'ndcg@10', got {name!r}")
    measure, at, digits = name.partition("@")
    allowed = WITH_LENGTH if at else WITHOUT_LENGTH
    if measure not in allowed or (at and not (digits.isdecimal() and int(digits) > 0)):
        names = [f"{other}@N" for other in WITH_LENGTH] + list(WITHOUT_LENGTH)
        meant = name.lower().replace(" ", "")
        raise ValueError(
            f"metric {name!r} is not known; there are {', '.join(names)}, with N a whole number "
            f"such as 10{f': use {meant!r}' if meant != name and _is_metric(meant) else ''}"
        )
    # lists longer than any number of labels are all the same
    return Metric(name, measure, min(int(digits or 0), MOST_LABELS))


def _is_metric(name: str) -> bool:
    try:
        parse_metric(name)
    except ValueError:
        return False
    return True


def parse_metrics(metrics: str | Iterable[str]) -> list[Metric]:
    """Parse one name or several."""
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    if not names:
        raise ValueError("metrics is empty: name at least one, such as 'ndcg@10'")
    return [parse_metric(name) for name in names]


class Factors(NamedTuple):
    """The factors of a model without the rest."""

    user_factors: Floats
    item_factors: Floats


def make_ranker(
    known: csr_matrix, held_out: csr_matrix, lists: Sequence[int] = ()
) -> kernel.Ranker:
    """Make what ranks held-out labels among those that are not known.

    Both matrices are canonical and share no pair; the lengths of `lists` are those whose labels
    are counted for the coverage.
    """
    n_labels = held_out.shape[1]
    return kernel.Ranker(
        n_labels,
        known.indptr.astype(np.int64),
        known.indices.astype(np.int32, copy=False),
        held_out.indptr.astype(np.int64),
        held_out.indices.astype(np.int32, copy=False),
        np.array([min(length, n_labels) for length in lists], dtype=np.int64),
    )


def rank_by_factors(
    ranker: kernel.Ranker, factors: Factors, rows: NDArray[np.int32], num_threads: int
) -> bool:
    """Rank the labels of rows by float32 factors; False where scores are not numbers."""
    users, items = factors
    return ranker.rank_factors(
        np.ascontiguousarray(users),
        kernel.label_panels(np.ascontiguousarray(items)),
        rows,
        num_threads,
    )


def values_of(
    ranker: kernel.Ranker, rows: NDArray[np.int32], metrics: Sequence[Metric]
) -> NDArray[np.float64]:
    """Return the value of every metric for every row that was ranked."""
    values = np.empty((len(metrics), len(rows)))
    if metrics:
        ranker.measure(
            rows,
            np.array([metric.kind for metric in metrics], dtype=np.int32),
            np.array([metric.length for metric in metrics], dtype=np.int64),
            values,
        )
    return values


def measure(
    factors: Factors, known: csr_matrix, held_out: csr_matrix, metric: Metric, num_threads: int
) -> float:
    """Rank the held-out labels of every row by float32 factors, and return the mean of a metric."""
    rows = np.flatnonzero(np.diff(held_out.indptr)).astype(np.int32)
    lists = [metric.length] if metric.measure == COVERAGE else []
    ranker = make_ranker(known, held_out, lists)
    with limit_blas(num_threads):
        if not rank_by_factors(ranker, factors, rows, num_threads):
            raise ValueError("the factors give scores that are not numbers: they are too large")
    if lists:
        return float(1 - ranker.missed[0].mean())
    values = values_of(ranker, rows, [metric])[0]
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if len(counted) else float("nan")
