# Where the factors of rows start from: random numbers, and what is known of a row before its first
# step.
#
# Callers have checked every argument: ids are in range, and the labels of a row differ.

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel import parallel, prange, threadid

import numpy as np
from scipy import special

from libc.math cimport pow, sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from buffers cimport ROWS_AT_ONCE, VALUES_AT_ONCE, aligned_row, new_rows, require_alignment
from rng cimport Random, next_random, random_stream
from rows cimport VectorParts, load_vector, store_vector
from simd cimport VR_SLICE, vr_add_masked, vr_share_sum


SLICE = VR_SLICE


cdef enum:
    # numbers that are read before an interrupt is looked for
    NUMBERS_AT_ONCE = 1 << 28
    # different random values: a power of two, up to 2^16
    NORMAL_STEPS = 16384


def fill_normal(
    float[:, ::1] out not None, int columns, double scale, uint64_t seed, uint64_t stream,
    int n_threads, int64_t first_row=0
):
    """Write normal numbers of the given standard deviation to the first columns of every row.

    They are the quantiles at the middles of NORMAL_STEPS equal parts. A row's numbers depend on
    seed, stream and the number of the row alone, which is first_row for the first.
    """
    cdef int64_t n_rows = out.shape[0], row
    units = (np.arange(NORMAL_STEPS) + 0.5) / NORMAL_STEPS
    # the parts at the ends are narrow enough to leave the variance a little short of 1
    quantiles = special.ndtri(units)
    cdef float[::1] table = (scale / quantiles.std() * quantiles).astype(np.float32)
    cdef int64_t rows_at_once = max(1, VALUES_AT_ONCE // max(1, columns)), start, stop
    for start in range(0, n_rows, rows_at_once):
        stop = min(n_rows, start + rows_at_once)
        with nogil, parallel(num_threads=n_threads):
            for row in prange(start, stop, schedule="static"):
                fill_normal_row(
                    &out[row, 0], columns, &table[0], seed, stream, <uint64_t> (first_row + row))
        PyErr_CheckSignals()


cdef void fill_normal_row(
    float* out, int columns, const float* table, uint64_t seed, uint64_t stream, uint64_t row
) noexcept nogil:
    cdef Random random = random_stream(seed, stream, row)
    cdef uint64_t number = 0
    cdef int f
    for f in range(columns):
        # a number of 64 bits makes four
        if f & 3 == 0:
            number = next_random(&random)
        out[f] = table[number & (NORMAL_STEPS - 1)]
        number >>= 16


# so many times the sum of what the factors of some labels differ from the mean of all, over the
# root of their number
cdef inline void add_start(
    float* row, const int32_t* labels, int64_t n, const float* item_factors, const float* mean,
    const float* learns, float start, uint32_t stride
) noexcept nogil:
    cdef float root = sqrt(<float> n)
    cdef int64_t i
    for i in range(n):
        vr_add_masked(
            row, item_factors + <size_t> labels[i] * stride, learns, start / root, 0, stride)
    vr_add_masked(row, mean, learns, -start * root, 0, stride)


cdef int64_t rows_between_checks(
    int64_t n_rows, int64_t n_pairs, Py_ssize_t stride
) noexcept nogil:
    return max(1, NUMBERS_AT_ONCE // (n_pairs // n_rows + 1) // stride)


def start_rows(
    const int64_t[::1] indptr not None,
    const int32_t[::1] indices not None,
    float[:, ::1] user_factors not None,
    const float[:, ::1] item_factors not None,
    const float[::1] learns not None,
    const float[::1] mean not None,
    double start,
    int n_threads
):
    """Add to every row a multiple of the differences between its labels' factors and the mean.

    The sum over its labels is divided by the root of their number.

    user_factors : not padded
    item_factors, mean : padded and aligned
    """
    cdef int64_t n_rows = user_factors.shape[0], rows_at_once, first, stop, row
    cdef uint32_t stride = <uint32_t> item_factors.shape[1]
    cdef VectorParts vectors
    # a padded row for every thread
    cdef float[:, ::1] users = new_rows(n_threads, stride)
    cdef float[::1] aligned_learns = aligned_row(learns)
    if n_rows == 0 or indices.shape[0] == 0:
        return
    require_alignment(&item_factors[0, 0])
    require_alignment(&mean[0])
    vectors.factors = &user_factors[0, 0]
    vectors.features = NULL
    vectors.columns, vectors.stride = <uint32_t> user_factors.shape[1], stride
    rows_at_once = rows_between_checks(n_rows, indices.shape[0], stride)
    for first in range(0, n_rows, rows_at_once):
        stop = min(n_rows, first + rows_at_once)
        with nogil, parallel(num_threads=n_threads):
            for row in prange(first, stop, schedule="dynamic", chunksize=ROWS_AT_ONCE):
                if indptr[row] < indptr[row + 1]:
                    start_row(
                        &vectors, <int32_t> row, &users[threadid(), 0], &indices[indptr[row]],
                        indptr[row + 1] - indptr[row], &item_factors[0, 0], &mean[0],
                        &aligned_learns[0], <float> start)
        PyErr_CheckSignals()


cdef void start_row(
    const VectorParts* vectors, int32_t row, float* user, const int32_t* labels, int64_t n,
    const float* item_factors, const float* mean, const float* learns, float start
) noexcept nogil:
    load_vector(vectors, row, user, NULL)
    add_start(user, labels, n, item_factors, mean, learns, start, vectors.stride)
    store_vector(vectors, row, user, NULL, 1)


def multiply_pairs(
    const int64_t[::1] indptr not None,
    const int32_t[::1] indices not None,
    const float[:, ::1] factors not None,
    float[:, ::1] out not None,
    double power,
    int n_threads
):
    """Add to out the product of factors with the pairs, and again with their transpose.

    A row of n pairs counts n**power times. What is computed does not depend on n_threads.

    factors, out : (n_labels, stride), aligned, of a multiple of SLICE columns
    """
    cdef int64_t n_rows = indptr.shape[0] - 1, rows_at_once, first, stop
    cdef Py_ssize_t stride = factors.shape[1], part
    if n_rows == 0 or indices.shape[0] == 0:
        return
    require_alignment(&factors[0, 0])
    require_alignment(&out[0, 0])
    rows_at_once = rows_between_checks(n_rows, indices.shape[0], stride)
    for first in range(0, n_rows, rows_at_once):
        stop = min(n_rows, first + rows_at_once)
        # threads share the columns, so that no two of them write to the same place
        with nogil, parallel(num_threads=n_threads):
            for part in prange(stride // VR_SLICE, schedule="dynamic", chunksize=1):
                multiply_rows(
                    &indptr[0], &indices[0], first, stop, &factors[0, part * VR_SLICE],
                    &out[0, part * VR_SLICE], stride, power)
        PyErr_CheckSignals()


cdef void multiply_rows(
    const int64_t* indptr, const int32_t* indices, int64_t first, int64_t stop,
    const float* factors, float* out, Py_ssize_t stride, double power
) noexcept nogil:
    cdef int64_t row, n
    for row in range(first, stop):
        n = indptr[row + 1] - indptr[row]
        if n > 0:
            vr_share_sum(
                indices + indptr[row], n, factors, out, stride, <float> pow(<double> n, power))
