# What scores highest, for one row of factors or for many.
#
# Callers have checked shapes; ids are checked here, as they are read. The order is that of
# implicit's selection: of two that score the same the larger id comes first, and what is in a full
# list gives way to what scores higher, the lowest score first and of the same the smallest id.

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from heap cimport Scored, replace_lowest
from simd cimport (
    VR_SCAN_TOGETHER,
    vr_finish_piece,
    vr_is_finished,
    vr_scan,
    vr_scan_and_norms,
    vr_scan_is_any_above,
    vr_take_piece,
)


cdef enum:
    # rows whose lengths are computed, and divided by, while they are near
    ROWS_SCANNED = 512


# the highest of n scores, each divided, into a list of that length; what is `lowest` or less is
# left out
cdef void choose_highest(
    const float* scores, int64_t n, float divisor, float lowest, Scored* heap, int64_t length,
    int32_t* ids, float* chosen
) noexcept nogil:
    cdef int64_t size = min(n, length), i
    cdef Scored entry
    cdef float score
    for i in range(size):
        heap[i].score, heap[i].id = scores[i], <int32_t> i
    for i in range(size // 2 - 1, -1, -1):
        replace_lowest(heap, size, i, heap[i])
    i = size
    while i < n:
        if i + VR_SCAN_TOGETHER <= n and not vr_scan_is_any_above(scores + i, heap[0].score):
            # as it nearly always is
            i += VR_SCAN_TOGETHER
            continue
        for i in range(i, min(n, i + VR_SCAN_TOGETHER)):
            if scores[i] > heap[0].score:
                entry.score, entry.id = scores[i], <int32_t> i
                replace_lowest(heap, size, 0, entry)
        i += 1
    for i in range(size, length):
        ids[i], chosen[i] = -1, <float> -INFINITY
    for i in range(size - 1, -1, -1):
        entry = heap[0]
        if i > 0:
            replace_lowest(heap, i, 0, heap[i])
        score = entry.score / divisor
        if score <= lowest:
            ids[i], chosen[i] = -1, <float> -INFINITY
        else:
            ids[i], chosen[i] = entry.id, score


# give labels the lowest score; false if an id is out of range
cdef inline bint leave_out(
    float* scores, int64_t n, const int32_t* ids, int64_t n_ids, float score
) noexcept nogil:
    cdef int64_t i
    for i in range(n_ids):
        if ids[i] < 0 or ids[i] >= n:
            return False
        scores[ids[i]] = score
    return True


cdef inline bint are_numbers(const float* scores, int64_t n) noexcept nogil:
    cdef int64_t i
    cdef int32_t not_numbers = 0
    for i in range(n):
        not_numbers += scores[i] != scores[i]
    return not_numbers == 0


# whether all products, or cosines but for the length of the query, are numbers
cdef bint scan_rows(
    const float* query, const float* rows, int64_t n, int64_t k, bint cosine, bint has_bias,
    float* scores
) noexcept nogil:
    cdef float[ROWS_SCANNED] norms, raw
    cdef int64_t start = 0, size, i
    cdef bint done = True
    while start < n:
        size = min(n - start, <int64_t> ROWS_SCANNED)
        if cosine:
            vr_scan_and_norms(query, rows + start * k, size, k, raw, norms, has_bias)
            # each is written once: another thread may write the same at the same time
            for i in range(size):
                scores[start + i] = raw[i] / norms[i]
        else:
            vr_scan(query, rows + start * k, size, k, scores + start)
        done = are_numbers(scores + start, size) and done
        start += size
    return done


def scan_pieces(
    const float[::1] query not None, const float[:, ::1] factors not None, bint cosine,
    bint has_bias, int64_t together, int64_t[::1] next_piece not None,
    uint8_t[::1] finished not None, bint completes, float[::1] products not None
):
    """Multiply one row with many, beside other threads that do the same with the same arrays.

    Whoever completes the work waits for nobody: what others have begun and not finished, it does
    too. Returns how many pieces those are, to which the others will write the same once more.

    query : IN (k,)
    factors : IN (n, k)
    cosine : divide by the lengths of the rows of factors
    has_bias : the length of a row that is 0 but for its last column is infinite
    together : rows of a piece
    next_piece : INOUT (1,), 0 at first
    finished : INOUT, one a piece, 0 at first
    products : OUT (n,)
    """
    cdef int64_t n = factors.shape[0], k = factors.shape[1], n_pieces = finished.shape[0]
    cdef int64_t piece, start, late = 0
    cdef bint is_next = True
    if query.shape[0] != k or products.shape[0] != n or n_pieces != (n + together - 1) // together:
        raise ValueError("the arrays of a scan do not agree")
    with nogil:
        while is_next:
            piece = vr_take_piece(&next_piece[0])
            is_next = piece < n_pieces
            if is_next:
                start = piece * together
                scan_rows(
                    &query[0], &factors[start, 0], min(n - start, together), k, cosine, has_bias,
                    &products[start])
                vr_finish_piece(&finished[piece])
        if completes:
            for piece in range(n_pieces):
                if not vr_is_finished(&finished[piece]):
                    start = piece * together
                    scan_rows(
                        &query[0], &factors[start, 0], min(n - start, together), k, cosine,
                        has_bias, &products[start])
                    late += 1
    return late


def best_of_one(
    const float[::1] query not None, const float[:, ::1] factors not None,
    const int32_t[::1] left_out, const int32_t[::1] left_out_everywhere, bint cosine,
    bint has_bias, float mask, float lowest, int32_t[::1] ids not None,
    float[::1] scores not None, float[::1] scanned=None
):
    """Find the rows of the highest products, or cosines, with one row; return whether it is done.

    It is not where a product is NaN, or an id of those left out is out of range.

    query : IN (k,)
    factors : IN (n, k), read once
    left_out, left_out_everywhere : IN or None
    has_bias : a row that is 0 but for its last column has cosines of 0
    mask : the score of what is left out
    lowest : what scores so low, or lower, is no part of the list
    ids, scores : OUT, lists of one length, the highest first, filled up with -1 and -inf
    scanned : INOUT (n,), of scan_pieces() with the same arguments, or None
    """
    cdef int64_t n = factors.shape[0], k = factors.shape[1], length = ids.shape[0]
    cdef float* products
    cdef float* own = NULL
    cdef Scored* heap
    cdef float own_norm = 1.0, own_product
    cdef bint done = True
    if n == 0 or k == 0 or length == 0 or query.shape[0] != k or scores.shape[0] != length:
        return False
    if scanned is not None and scanned.shape[0] != n:
        return False
    heap = <Scored*> malloc(min(n, length) * sizeof(Scored))
    if scanned is None:
        own = products = <float*> malloc(n * sizeof(float))
    else:
        products = &scanned[0]
    if products == NULL or heap == NULL:
        free(own)
        free(heap)
        raise MemoryError("no memory to rank")
    with nogil:
        if cosine:
            vr_scan_and_norms(&query[0], &query[0], 1, k, &own_product, &own_norm, has_bias)
        if own != NULL:
            done = scan_rows(&query[0], &factors[0, 0], n, k, cosine, has_bias, products)
        else:
            done = are_numbers(products, n)
        if left_out is not None and left_out.shape[0]:
            done = done and leave_out(products, n, &left_out[0], left_out.shape[0], mask)
        if left_out_everywhere is not None and left_out_everywhere.shape[0]:
            done = done and leave_out(
                products, n, &left_out_everywhere[0], left_out_everywhere.shape[0], mask)
        if done:
            choose_highest(products, n, own_norm, lowest, heap, length, &ids[0], &scores[0])
    free(own)
    free(heap)
    return done


def best_of_scores(
    float[:, ::1] products not None, const float[::1] norms, const float[::1] query_norms,
    const int64_t[::1] indptr, const int32_t[::1] left_out,
    const int32_t[::1] left_out_everywhere, float mask, float lowest,
    int32_t[:, ::1] ids not None, float[:, ::1] scores not None
):
    """Find the highest of the products of each query; return whether it is done.

    products : INOUT (n_queries, n)
    norms, query_norms : IN or None, what products are divided by
    indptr, left_out : IN or None, what is left out for each query
    ids, scores : OUT (n_queries, length)
    """
    cdef int64_t n_queries = products.shape[0], n = products.shape[1], length = ids.shape[1]
    cdef int64_t row, i
    cdef float* own
    cdef Scored* heap
    cdef bint done = True
    if n == 0 or length == 0 or scores.shape[1] != length:
        return False
    heap = <Scored*> malloc(min(n, length) * sizeof(Scored))
    if heap == NULL:
        raise MemoryError("no memory to rank")
    with nogil:
        for row in range(n_queries):
            own = &products[row, 0]
            if norms is not None:
                for i in range(n):
                    own[i] /= norms[i]
            done = are_numbers(own, n)
            if left_out is not None and indptr[row + 1] > indptr[row]:
                done = done and leave_out(
                    own, n, &left_out[indptr[row]], indptr[row + 1] - indptr[row], mask)
            if left_out_everywhere is not None and left_out_everywhere.shape[0]:
                done = done and leave_out(
                    own, n, &left_out_everywhere[0], left_out_everywhere.shape[0], mask)
            if not done:
                break
            choose_highest(
                own, n, query_norms[row] if query_norms is not None else <float> 1.0, lowest,
                heap, length, &ids[row, 0], &scores[row, 0],
            )
    free(heap)
    return done
