# Item-item weights: products of columns, pairs of labels as columns of their own, and a ridge
# regression of each label on the columns that it is most often seen with.
#
# Callers have checked every argument: matrices are canonical (ids ascend in every row and every
# column, each once), ids are in range, and a matrix by rows and by columns is the same one.

from cython.parallel import parallel, prange

import numpy as np

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from heap cimport Scored, is_lower, replace_lowest


cdef extern from "cholesky.h" nogil:
    bint vr_cholesky_solve(
        double* a, Py_ssize_t stride, Py_ssize_t m, double* b, double* columns
    )


def gram(
    const int64_t[::1] indptr not None, const int32_t[::1] indices not None,
    const int64_t[::1] column_indptr not None, const int32_t[::1] column_rows not None,
    const double[::1] row_weights not None, double[:, ::1] out not None, int n_threads
):
    """Sum the weights of the rows that two columns share; the lower triangle and the diagonal.

    indptr, indices : IN, the matrix by rows
    column_indptr, column_rows : IN, the same by columns
    row_weights : IN (n_rows,)
    out : OUT (n, n), the upper triangle stays as it is
    """
    cdef int64_t n = out.shape[0], column
    if n == 0 or indices.shape[0] == 0:
        out[:, :] = 0.0
        return
    with nogil, parallel(num_threads=n_threads):
        for column in prange(n, schedule="dynamic", chunksize=8):
            gram_row(
                column, &indptr[0], &indices[0], column_rows, column_indptr[column],
                column_indptr[column + 1], &row_weights[0], &out[column, 0],
            )


cdef void gram_row(
    int64_t column, const int64_t* indptr, const int32_t* indices, const int32_t[::1] rows,
    int64_t first, int64_t last, const double* row_weights, double* out
) noexcept nogil:
    cdef int64_t i, place
    cdef int32_t row
    cdef double weight
    memset(out, 0, (column + 1) * sizeof(double))
    for i in range(first, last):
        row = rows[i]
        weight = row_weights[row]
        place = indptr[row]
        # the row has the column itself, behind which nothing is asked for
        while indices[place] < column:
            out[indices[place]] += weight
            place += 1
        out[column] += weight


def row_features(
    const int64_t[::1] indptr not None, const int32_t[::1] indices not None,
    const int64_t[::1] partner_indptr not None, const int32_t[::1] partners not None,
    int64_t[::1] out_indptr not None, int32_t[::1] out not None
):
    """Find the features of every row: its labels, and behind them the pairs that it has.

    indptr, indices : IN, the first row need not begin at 0
    partner_indptr, partners : IN, for each label those larger ones that it makes a pair with, in
        ascending order; the id of a pair is its place there, counted from the number of labels
    out_indptr : OUT (n_rows + 1,)
    out : OUT, the features of all rows; room for one more than all labels and their partners
    """
    cdef int64_t n_rows = indptr.shape[0] - 1, n_labels = partner_indptr.shape[0] - 1
    cdef int64_t row, i, pair, found = 0
    cdef int32_t label
    cdef int32_t[::1] seen = np.zeros(n_labels, dtype=np.int32)
    with nogil:
        for row in range(n_rows):
            out_indptr[row] = found
            for i in range(indptr[row], indptr[row + 1]):
                seen[indices[i]] = 1
                out[found] = indices[i]
                found += 1
            for i in range(indptr[row], indptr[row + 1]):
                label = indices[i]
                for pair in range(partner_indptr[label], partner_indptr[label + 1]):
                    # written over unless the row has it
                    out[found] = <int32_t> (n_labels + pair)
                    found += seen[partners[pair]]
            for i in range(indptr[row], indptr[row + 1]):
                seen[indices[i]] = 0
        out_indptr[n_rows] = found


# what one thread needs to solve for one label after the other
ctypedef struct Local:
    # of labels: what they share with the one at hand, and their places among its neighbours
    double* shared
    int32_t* touched
    int32_t* place
    # of rows: the last label for which they were read
    int32_t* read_for
    Scored* heap
    int32_t* hits
    double* block
    double* solution
    double* columns


ctypedef struct Columns:
    const int64_t* indptr
    const int32_t* indices
    const int64_t* column_indptr
    const int32_t* column_rows
    const double* row_weights
    const double* penalties
    # of columns: what shared weights are divided by to compare neighbours
    const double* scales
    # of columns: the two labels that a pair is made of, or twice the label
    const int32_t* parts


cdef enum:
    NOT_POSITIVE = -1
    NO_MEMORY = -2


cdef void free_local(Local* local) noexcept nogil:
    if local == NULL:
        return
    free(local.shared)
    free(local.touched)
    free(local.place)
    free(local.read_for)
    free(local.heap)
    free(local.hits)
    free(local.block)
    free(local.solution)
    free(local.columns)
    free(local)


# NULL without memory
cdef Local* new_local(int64_t n_rows, int64_t n, int64_t most) noexcept nogil:
    cdef Local* local = <Local*> calloc(1, sizeof(Local))
    cdef int64_t i
    if local == NULL:
        return NULL
    local.shared = <double*> calloc(n, sizeof(double))
    local.touched = <int32_t*> malloc(n * sizeof(int32_t))
    local.place = <int32_t*> malloc(n * sizeof(int32_t))
    local.read_for = <int32_t*> malloc(n_rows * sizeof(int32_t))
    local.heap = <Scored*> malloc(most * sizeof(Scored))
    # one more than there can be, as every place is written before it is kept
    local.hits = <int32_t*> malloc((most + 1) * sizeof(int32_t))
    local.block = <double*> malloc(most * most * sizeof(double))
    local.solution = <double*> malloc(most * sizeof(double))
    local.columns = <double*> malloc(4 * most * sizeof(double))
    if (
        local.shared == NULL or local.touched == NULL or local.place == NULL
        or local.read_for == NULL or local.heap == NULL or local.hits == NULL
        or local.block == NULL or local.solution == NULL or local.columns == NULL
    ):
        free_local(local)
        return NULL
    for i in range(n):
        local.place[i] = -1
    for i in range(n_rows):
        local.read_for[i] = -1
    return local


# the neighbours of a label with the highest scaled weights in common, of the same the smaller ids;
# their ids ascend
cdef int64_t find_neighbours(
    const Columns* columns, int64_t label, int64_t most, Local* local, int32_t* ids
) noexcept nogil:
    cdef int64_t i, j, n_touched = 0, size = 0
    cdef int32_t row, other
    cdef Scored entry
    for i in range(columns.column_indptr[label], columns.column_indptr[label + 1]):
        row = columns.column_rows[i]
        for j in range(columns.indptr[row], columns.indptr[row + 1]):
            other = columns.indices[j]
            if local.shared[other] == 0.0:
                local.touched[n_touched] = other
                n_touched += 1
            local.shared[other] += columns.row_weights[row]
    for i in range(n_touched):
        other = local.touched[i]
        # what has the label in it would tell of itself
        if columns.parts[2 * other] == label or columns.parts[2 * other + 1] == label:
            continue
        # of two that are the same the heap keeps the larger id
        entry.score = <float> (local.shared[other] / columns.scales[other])
        entry.id = -other
        if size < most:
            local.heap[size] = entry
            size += 1
            if size == most:
                for j in range(size // 2 - 1, -1, -1):
                    replace_lowest(local.heap, size, j, local.heap[j])
        elif is_lower(&local.heap[0], &entry):
            replace_lowest(local.heap, size, 0, entry)
    for i in range(size):
        ids[i] = -local.heap[i].id
    sort_ids(ids, size)
    for i in range(size):
        local.place[ids[i]] = <int32_t> i
        local.solution[i] = local.shared[ids[i]]
    for i in range(n_touched):
        local.shared[local.touched[i]] = 0.0
    return size


cdef void sort_ids(int32_t* ids, int64_t n) noexcept nogil:
    cdef int64_t i, place
    cdef int32_t own
    for i in range(1, n):
        own = ids[i]
        place = i
        while place > 0 and ids[place - 1] > own:
            ids[place] = ids[place - 1]
            place -= 1
        ids[place] = own


# the lower triangle of what neighbours have in common, each row that has one of them read once
cdef void fill_block(
    const Columns* columns, int64_t label, const int32_t* ids, int64_t m, int64_t stride,
    Local* local
) noexcept nogil:
    cdef int64_t i, j, k, n_hits, first
    cdef int32_t row, place
    cdef double weight
    cdef double* own
    for i in range(m):
        memset(local.block + i * stride, 0, (i + 1) * sizeof(double))
    for k in range(m):
        for i in range(columns.column_indptr[ids[k]], columns.column_indptr[ids[k] + 1]):
            row = columns.column_rows[i]
            if local.read_for[row] == label:
                continue
            local.read_for[row] = <int32_t> label
            n_hits = 0
            for j in range(columns.indptr[row], columns.indptr[row + 1]):
                place = local.place[columns.indices[j]]
                local.hits[n_hits] = place
                n_hits += place >= 0
            weight = columns.row_weights[row]
            for j in range(n_hits):
                own = local.block + local.hits[j] * stride
                for first in range(j + 1):
                    own[local.hits[first]] += weight
    for k in range(m):
        local.block[k * stride + k] += columns.penalties[ids[k]]


# the number of neighbours, or NOT_POSITIVE
cdef int32_t solve_label(
    const Columns* columns, int64_t label, int64_t most, Local* local, int32_t* ids,
    float* weights
) noexcept nogil:
    cdef int64_t m = find_neighbours(columns, label, most, local, ids), i
    fill_block(columns, label, ids, m, most, local)
    for i in range(m):
        local.place[ids[i]] = -1
    if not vr_cholesky_solve(local.block, most, m, local.solution, local.columns):
        return NOT_POSITIVE
    for i in range(m):
        weights[i] = <float> local.solution[i]
    return <int32_t> m


def local_ridge(
    const int64_t[::1] indptr not None, const int32_t[::1] indices not None,
    const int64_t[::1] column_indptr not None, const int32_t[::1] column_rows not None,
    const double[::1] row_weights not None, const double[::1] penalties not None,
    const double[::1] scales not None, const int32_t[:, ::1] parts not None, int64_t first,
    int32_t[:, ::1] ids not None, float[:, ::1] weights not None, int32_t[::1] counts not None,
    int n_threads
):
    """Solve a ridge regression for each of some labels on its strongest neighbours.

    indptr, indices : IN, the matrix by rows
    column_indptr, column_rows : IN, the same by columns
    row_weights : IN (n_rows,)
    penalties : IN (n,), > 0, what is added to the diagonal
    scales : IN (n,), > 0: neighbours of a label are those that share most with it, divided by that
    parts : IN (n, 2), the labels that a column stands for: twice its own, or those of a pair
    first : the labels are this one and those that follow, one a row of `ids`
    ids, weights : OUT (n_labels, most), ids ascend; behind `counts` undefined
    counts : OUT (n_labels,)
    """
    cdef int64_t n_labels = ids.shape[0], most = ids.shape[1], n = column_indptr.shape[0] - 1
    cdef int64_t n_rows = indptr.shape[0] - 1, i
    cdef Columns columns
    cdef Local* local = NULL
    if n_labels == 0 or most == 0 or indices.shape[0] == 0:
        counts[:] = 0
        return
    columns.indptr, columns.indices = &indptr[0], &indices[0]
    columns.column_indptr, columns.column_rows = &column_indptr[0], &column_rows[0]
    columns.row_weights, columns.penalties = &row_weights[0], &penalties[0]
    columns.scales, columns.parts = &scales[0], &parts[0, 0]
    with nogil, parallel(num_threads=n_threads):
        local = new_local(n_rows, n, most)
        for i in prange(n_labels, schedule="dynamic", chunksize=16):
            if local == NULL:
                counts[i] = NO_MEMORY
            else:
                counts[i] = solve_label(
                    &columns, first + i, most, local, &ids[i, 0], &weights[i, 0])
        free_local(local)
    lowest = np.min(counts)
    if lowest == NO_MEMORY:
        raise MemoryError("no memory for the ridge regression of labels")
    if lowest == NOT_POSITIVE:
        raise ValueError("a regression is not positive definite: raise the penalty")
