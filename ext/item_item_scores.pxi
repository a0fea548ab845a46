# What the labels of images, and their pairs, add to the scores of all labels.
#
# Callers have checked every argument: ids are in range, and ascend in every row. Rows are added in
# that order, so that a score depends neither on the other rows nor on the threads.

from cython.parallel import parallel, prange

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from buffers cimport in_lines
from simd cimport VR_SUMMED, vr_add_listed, vr_fetch_floats


cdef enum:
    # floats of weights that stay in the nearer caches while many rows take them up
    TILE = 1 << 17
    # rows of weights that are fetched before they are copied there
    COPIED_AHEAD = 8


def add_dense_weights(
    const int64_t[::1] indptr not None, const int32_t[::1] indices not None,
    const float[:, ::1] weights not None, float[:, ::1] scores not None, int n_threads
):
    """Add the rows of weights that belong to the ids of each row.

    indptr, indices : IN, the first row need not begin at 0
    weights : IN (n_ids, n)
    scores : INOUT (n_rows, stride), the first n columns of it
    """
    cdef int64_t n_rows = scores.shape[0], n = weights.shape[1], n_ids = weights.shape[0], i
    cdef int64_t stride = scores.shape[1]
    cdef int64_t n_tiles = (n + VR_SUMMED - 1) // VR_SUMMED
    cdef int no_memory = 0
    cdef float* tile = NULL
    cdef int64_t* ends
    if n_rows == 0 or n == 0 or indices.shape[0] == 0:
        return
    if indptr[n_rows] - indptr[0] < 2 * n_ids:
        # to copy them would take longer than to add them
        with nogil, parallel(num_threads=n_threads):
            for i in prange(n_rows, schedule="static"):
                add_rows(
                    &indices[0] + indptr[i], indptr[i + 1] - indptr[i], &weights[0, 0], n,
                    &scores[i, 0])
        return
    ends = <int64_t*> malloc(
        n_rows * ((n_ids + TILE // VR_SUMMED - 1) // (TILE // VR_SUMMED)) * sizeof(int64_t))
    if ends == NULL:
        raise MemoryError("no memory to add scores")
    with nogil:
        find_ends(&indptr[0], &indices[0], n_rows, n_ids, ends)
        with parallel(num_threads=n_threads):
            tile = <float*> malloc(TILE * sizeof(float) + 64)
            for i in prange(n_tiles, schedule="dynamic"):
                if tile == NULL:
                    no_memory += 1
                else:
                    add_tile(
                        &indptr[0], ends, &indices[0], &weights[0, 0], n_ids, n, i * VR_SUMMED,
                        &scores[0, 0], n_rows, stride, <float*> in_lines(<size_t> tile))
            free(tile)
    free(ends)
    if no_memory:
        raise MemoryError("no memory to add scores")


cdef void add_rows(
    const int32_t* ids, int64_t n_ids, const float* weights, int64_t n, float* scores
) noexcept nogil:
    cdef int64_t column = 0, i, label
    cdef const float* own
    while column + VR_SUMMED <= n:
        # what comes next is far away
        for i in range(n_ids):
            vr_fetch_floats(weights + ids[i] * n + column + VR_SUMMED, VR_SUMMED)
        vr_add_listed(ids, n_ids, 0, weights + column, n, scores + column)
        column += VR_SUMMED
    for i in range(n_ids):
        own = weights + ids[i] * n
        for label in range(column, n):
            scores[label] += own[label]


# where the ids of each row end that are in the first tile, in the second, and so on
cdef void find_ends(
    const int64_t* indptr, const int32_t* indices, int64_t n_rows, int64_t n_ids, int64_t* ends
) noexcept nogil:
    cdef int64_t row, place, last
    for row in range(n_rows):
        place = indptr[row]
        last = 0
        while last < n_ids:
            last = min(n_ids, last + TILE // VR_SUMMED)
            if last == n_ids:
                place = indptr[row + 1]
            while place < indptr[row + 1] and indices[place] < last:
                place += 1
            ends[0] = place
            ends += 1


# some columns for all rows, the weights copied to where they are near
cdef void add_tile(
    const int64_t* indptr, const int64_t* ends, const int32_t* indices, const float* weights,
    int64_t n_ids, int64_t n, int64_t column, float* scores, int64_t n_rows, int64_t stride,
    float* tile
) noexcept nogil:
    cdef int64_t width = min(n - column, <int64_t> VR_SUMMED), together = TILE // VR_SUMMED
    cdef int64_t n_parts = (n_ids + together - 1) // together
    cdef int64_t part, first, row, start, size, i
    cdef float[VR_SUMMED] own
    cdef float* out
    if width < VR_SUMMED:
        memset(tile, 0, TILE * sizeof(float))
        memset(own, 0, sizeof(own))
    for part in range(n_parts):
        first = part * together
        for i in range(first, min(n_ids, first + together)):
            if i + COPIED_AHEAD < n_ids:
                vr_fetch_floats(weights + (i + COPIED_AHEAD) * n + column, width)
            memcpy(
                tile + (i - first) * VR_SUMMED, weights + i * n + column, width * sizeof(float))
        for row in range(n_rows):
            start = ends[row * n_parts + part - 1] if part else indptr[row]
            size = ends[row * n_parts + part] - start
            if size == 0:
                continue
            out = scores + row * stride + column
            if width == VR_SUMMED:
                vr_add_listed(indices + start, size, <int32_t> first, tile, VR_SUMMED, out)
            else:
                memcpy(own, out, width * sizeof(float))
                vr_add_listed(indices + start, size, <int32_t> first, tile, VR_SUMMED, own)
                memcpy(out, own, width * sizeof(float))


def add_sparse_weights(
    const int64_t[::1] indptr not None, const int32_t[::1] indices not None,
    const int64_t[::1] weight_indptr not None, const int32_t[::1] weight_ids not None,
    const float[::1] weights not None, float[:, ::1] scores not None, int n_threads
):
    """Add the sparse rows of weights that belong to the ids of each row.

    indptr, indices : IN, the first row need not begin at 0
    weight_indptr, weight_ids, weights : IN, by rows, one an id
    scores : INOUT (n_rows, n)
    """
    cdef int64_t n_rows = scores.shape[0], row
    if n_rows == 0 or scores.shape[1] == 0 or indices.shape[0] == 0 or weights.shape[0] == 0:
        return
    with nogil, parallel(num_threads=n_threads):
        for row in prange(n_rows, schedule="static"):
            add_sparse_rows(
                &indices[0], indptr[row], indptr[row + 1], &weight_indptr[0], &weight_ids[0],
                &weights[0], &scores[row, 0],
            )


cdef void add_sparse_rows(
    const int32_t* ids, int64_t first, int64_t last, const int64_t* weight_indptr,
    const int32_t* weight_ids, const float* weights, float* scores
) noexcept nogil:
    cdef int64_t i, j
    for i in range(first, last):
        for j in range(weight_indptr[ids[i]], weight_indptr[ids[i] + 1]):
            scores[weight_ids[j]] += weights[j]
