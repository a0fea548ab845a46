"""What scores highest for factors: one row or many, with what each leaves out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from implicit.cpu.topk import topk
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ._native import (
    MIN_PAIRS_PER_THREAD,
    Fork,
    bounded_threads,
    effective_threads,
    helpers,
    kernel,
    limit_blas,
)
from ._typing import Floats, Ranking

# what is left out scores that; what does not score more than the second argument of a list is no
# part of it: neither that, nor what no cosine can be, nor, with KEEP_ALL, anything
LOWEST = -float(np.finfo(np.float32).max)
NO_COSINE = -2.0
KEEP_ALL = float("nan")
# queries that are multiplied at once, if there are no more scores than that
MOST_TOGETHER = 256
SCORES_TOGETHER = 1 << 23
# implicit's top-k works in batches of this size, and in parallel only if there are several
TOPK_BATCH = 100
# factors that one row is multiplied with by one thread, and how many are taken at a time by each of
# several
FACTORS_PER_SCAN = 1 << 21
FACTORS_TOGETHER = 1 << 18
# factors that one thread multiplies in the time that a second takes to start
FACTORS_PER_THREAD = 256 * MIN_PAIRS_PER_THREAD


class LeftOut(NamedTuple):
    """Ids that each query leaves out; one query has no indptr."""

    indptr: NDArray[np.integer[Any]] | None
    ids: NDArray[np.integer[Any]]

    @classmethod
    def of(cls, rows: csr_matrix, queries: int | NDArray[np.int64]) -> LeftOut:
        """Leave out what rows have stored, of one query or several."""
        return cls(None if isinstance(queries, int) else rows.indptr, rows.indices)

    def rows(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the ids as rows of a matrix: indptr and indices."""
        indptr = np.array([0, len(self.ids)]) if self.indptr is None else self.indptr
        return indptr.astype(np.int64, copy=False), _int32(self.ids)

    def matrix(self, n_labels: int) -> csr_matrix:
        """Return the ids as rows with ones for values."""
        indptr = np.array([0, len(self.ids)]) if self.indptr is None else self.indptr
        ones = np.ones(len(self.ids), np.float32)
        return csr_matrix((ones, self.ids, indptr), (len(indptr) - 1, n_labels), copy=False)

    def among(self, sorted_ids: NDArray[np.integer[Any]]) -> LeftOut:
        """Number the ids by their places among some, and drop the others."""
        places = np.searchsorted(sorted_ids, self.ids)
        found = sorted_ids[np.minimum(places, len(sorted_ids) - 1)] == self.ids
        if self.indptr is None:
            return LeftOut(None, places[found])
        return LeftOut(np.concatenate([[0], np.cumsum(found)])[self.indptr], places[found])


def best(
    queries: Floats,
    factors: Floats,
    N: int,
    lowest: float,
    left_out: LeftOut | None,
    left_out_everywhere: NDArray[np.int64] | None,
    num_threads: int,
    *,
    cosine: bool = False,
    has_bias: bool = False,
) -> Ranking:
    """Find the rows of factors with the highest products, or cosines, with one row or with many.

    Parameters
    ----------
    queries : ndarray of shape (k,) or (n, k)
        One row, or many.
    factors : ndarray of shape (m, k)
        What they are multiplied with.
    N : int
        Length of the lists, which are filled up with -1 and -inf.
    lowest : float
        What scores so low, or lower, is no part of a list.
    left_out : LeftOut or None
        Ids that a query leaves out.
    left_out_everywhere : ndarray of int or None
        Ids that all leave out.
    num_threads : int
        Upper limit of the threads.
    cosine : bool
        Divide the products by the lengths of both rows.
    has_bias : bool
        The last column is a bias: a row that is 0 but for it has a cosine of 0 with all others.

    Returns
    -------
    ids : ndarray of int32 of shape (N,) or (n, N)
        Numbers of rows, the best first; of two that score the same the larger comes first.
    scores : ndarray of float32 of the same shape
        Products or cosines.
    """
    if num_threads < 0:
        effective_threads(num_threads)
    found = _best_by_kernel(
        queries, factors, N, lowest, left_out, left_out_everywhere, num_threads, cosine, has_bias
    )
    if found is not None:
        return found
    return _best_by_implicit(
        queries, factors, N, lowest, left_out, left_out_everywhere, num_threads, cosine, has_bias
    )


def _best_by_kernel(
    queries: Floats,
    factors: Floats,
    N: int,
    lowest: float,
    left_out: LeftOut | None,
    left_out_everywhere: NDArray[np.int64] | None,
    num_threads: int,
    cosine: bool,
    has_bias: bool,
) -> Ranking | None:
    """Find them in float32; None for other types, and where a product is NaN."""
    if not (_is_plain(queries) and _is_plain(factors) and factors.size):
        return None
    if queries.shape[-1] != factors.shape[1]:
        return None
    shape = (N,) if queries.ndim == 1 else (len(queries), N)
    ids, scores = np.empty(shape, np.int32), np.empty(shape, np.float32)
    indptr, own = (None, None) if left_out is None else left_out
    own = None if own is None else _int32(own)
    everywhere = None if left_out_everywhere is None else _int32(left_out_everywhere)
    limits = (LOWEST, lowest)
    if queries.ndim == 1:
        scanned = None
        if num_threads != 1 and factors.size >= 2 * FACTORS_PER_SCAN:
            threads = min(effective_threads(num_threads), factors.size // FACTORS_PER_SCAN)
            scanned = _scan(queries, factors, cosine, has_bias, threads)
        done = kernel.best_of_one(
            queries, factors, own, everywhere, cosine, has_bias, *limits, ids, scores, scanned
        )
        return (ids, scores) if done else None
    threads = 1
    if num_threads != 1 and len(queries) * factors.size >= 2 * FACTORS_PER_THREAD:
        threads = effective_threads(num_threads)
    ends = None if indptr is None else indptr.astype(np.int64, copy=False)
    norms = norms_of(factors, has_bias) if cosine else None
    query_norms = norms_of(queries, has_bias) if cosine else None
    together = max(1, min(MOST_TOGETHER, SCORES_TOGETHER // len(factors)))

    def answer(block: slice) -> bool:
        return kernel.best_of_scores(
            products(queries[block], factors),
            norms,
            None if query_norms is None else query_norms[block],
            None if ends is None else ends[block.start : block.stop + 1],
            own,
            everywhere,
            *limits,
            ids[block],
            scores[block],
        )

    # few scores are not worth a limit, which takes longer than they do
    few = len(queries) * factors.size < FACTORS_PER_THREAD
    done = _in_blocks(answer, len(queries), together, threads, 0 if few else num_threads)
    return (ids, scores) if done else None


def _in_blocks(
    answer: Callable[[slice], bool], n: int, together: int, threads: int, blas_threads: int
) -> bool:
    """Answer queries block by block, on several threads each with one of BLAS; tell if all are."""
    blocks = [slice(start, min(n, start + together)) for start in range(0, n, together)]
    if threads == 1:
        with limit_blas(blas_threads):
            return all(map(answer, blocks))
    with limit_blas(), ThreadPoolExecutor(threads) as pool:
        return all(pool.map(answer, blocks))


def best_of_scores(
    scores_of: Callable[[slice], NDArray[np.float32]],
    n_queries: int,
    n: int,
    N: int,
    lowest: float,
    left_out: LeftOut | None,
    left_out_everywhere: NDArray[np.integer[Any]] | None,
    among: NDArray[np.integer[Any]] | None = None,
    *,
    num_threads: int = 1,
    operations: int = 0,
    together: int = MOST_TOGETHER,
) -> Ranking:
    """Find what scores highest for each query, by scores that are more than products of factors.

    Parameters
    ----------
    scores_of : callable
        Takes a slice of queries and returns their scores, (queries, n), which are overwritten. It
        is called from several threads.
    n_queries, n : int
        Number of queries, and of what is scored.
    N : int
        Length of the lists, which are filled up with -1 and -inf.
    lowest : float
        What scores so low, or lower, is no part of a list.
    left_out : LeftOut or None
        Ids that a query leaves out; for one query as for several.
    left_out_everywhere : ndarray of int or None
        Ids that all leave out.
    among : ndarray of int or None
        Ids in ascending order: those alone are ranked.
    num_threads : int
        Upper limit of the threads.
    operations : int
        How much work a query is; it decides whether threads are worth their start.
    together : int
        Queries that are scored at once, at most. The scores of no more than that are in memory,
        for each thread, and no more than `SCORES_TOGETHER` numbers if that is less.

    Returns
    -------
    ids : ndarray of int32 of shape (n_queries, N)
        The best first; of two that score the same the larger comes first.
    scores : ndarray of float32 of the same shape
        Their scores.
    """
    ids, scores = np.empty((n_queries, N), np.int32), np.empty((n_queries, N), np.float32)
    ends: NDArray[np.int64] | None = None
    own = None
    if left_out is not None:
        left_out = left_out if among is None else left_out.among(among)
        ends, own = left_out.rows()
    everywhere = None if left_out_everywhere is None else _int32(left_out_everywhere)

    def answer(block: slice) -> bool:
        values = scores_of(block)
        if among is not None:
            values = np.ascontiguousarray(values[:, among])
        return kernel.best_of_scores(
            values,
            None,
            None,
            None if ends is None else ends[block.start : block.stop + 1],
            own,
            everywhere,
            LOWEST,
            lowest,
            ids[block],
            scores[block],
        )

    threads = 1
    if num_threads != 1 and n_queries * operations >= 2 * FACTORS_PER_THREAD:
        threads = effective_threads(num_threads)
    few = n_queries * operations < FACTORS_PER_THREAD
    together = max(1, min(together, SCORES_TOGETHER // max(1, n)))
    if not _in_blocks(answer, n_queries, together, threads, 0 if few else num_threads):
        raise ValueError("the scores are not numbers: weights or factors are too large")
    if among is not None:
        ids = np.where(ids < 0, -1, among[ids]).astype(np.int32)
    return ids, scores


def _scan(
    query: Floats, factors: Floats, cosine: bool, has_bias: bool, threads: int
) -> NDArray[np.float32] | None:
    """Multiply one row with many on some threads; None where one is enough.

    The caller works as well, and waits for nobody: where processors are busy, another thread may
    stand still for longer than the work takes. What others have begun and not finished when there
    is nothing else to do, the caller does too.
    """
    if threads < 2:
        return None
    found = np.empty(len(factors), np.float32)
    together = max(1, FACTORS_TOGETHER // factors.shape[1])
    next_piece, finished = np.zeros(1, np.int64), np.zeros(-(-len(factors) // together), np.uint8)

    def work(completes: bool = False) -> int:
        return kernel.scan_pieces(
            query, factors, cosine, has_bias, together, next_piece, finished, completes, found
        )

    others = [helpers().submit(work) for _ in range(threads - 1)]
    late = work(completes=True)
    for other in others:
        other.cancel()
    # who is late writes the same once more, but not to what the caller goes on with
    return found.copy() if late else found


def _best_by_implicit(
    queries: Floats,
    factors: Floats,
    N: int,
    lowest: float,
    left_out: LeftOut | None,
    left_out_everywhere: NDArray[np.int64] | None,
    num_threads: int,
    cosine: bool,
    has_bias: bool,
) -> Ranking:
    """Find them in the type of the factors, as implicit does."""
    dtype = np.result_type(queries, factors)
    many, factors = (
        np.atleast_2d(queries).astype(dtype, copy=False),
        factors.astype(dtype, copy=False),
    )
    one_batch = len(many) <= TOPK_BATCH or num_threads == 1
    # which also finds out whether there are threads to lose
    effective_threads(num_threads)
    # batches run in parallel already, and what is left out has the lowest score of 64 bits, which
    # is divided by norms as well
    with limit_blas(num_threads if one_batch else 1), np.errstate(over="ignore"):
        ids, scores = topk(
            factors,
            many,
            min(N, len(factors)),
            item_norms=norms_of(factors, has_bias) if cosine else None,
            filter_query_items=None if left_out is None else left_out.matrix(len(factors)),
            filter_items=left_out_everywhere,
            num_threads=1 if Fork.lost_threads else bounded_threads(num_threads),
        )
        if cosine:
            scores /= norms_of(many, has_bias)[:, None]
        ids, scores = ids.astype(np.int32, copy=False), scores.astype(np.float32, copy=False)
    nothing = scores <= lowest
    ids[nothing], scores[nothing] = -1, -np.inf
    widths = [(0, 0), (0, N - ids.shape[1])]
    ids = np.pad(ids, widths, constant_values=-1)
    scores = np.pad(scores, widths, constant_values=-np.inf)
    return (ids[0], scores[0]) if queries.ndim == 1 else (ids, scores)


def products(queries: Floats, factors: Floats) -> NDArray[np.float32]:
    """Multiply rows with factors, in float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.matmul(queries, factors.T)
    scores: NDArray[np.float32] = found.astype(np.float32, order="C", copy=False)
    return scores


def norms_of(factors: Floats, has_bias: bool) -> Floats:
    """Return the lengths of rows, 1e-10 in place of 0, infinite for those with a bias alone."""
    norms: Floats = np.sqrt(np.einsum("ij,ij->i", factors, factors))
    if has_bias:
        # few have the norm of their bias by chance
        only_bias = np.flatnonzero(norms == np.abs(factors[:, -1]))
        only_bias = only_bias[~factors[only_bias, :-1].any(axis=1)]
        norms[only_bias[factors[only_bias, -1] != 0]] = np.inf
    norms[norms == 0] = 1e-10
    return norms


def _is_plain(factors: Floats) -> bool:
    return factors.dtype == np.float32 and factors.flags.c_contiguous


def _int32(ids: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    # all are below the number of labels
    return np.ascontiguousarray(ids, dtype=np.int32)
