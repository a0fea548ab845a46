# Factors of single rows from their labels, the labels' factors fixed, for the logistic loss.
#
# A row takes a few steps of Newton's method. Each is on the loss that the training expects at the
# row as it is: of every positive against negatives that the sampler draws, each as likely to be
# chosen as its place among them says. Callers have checked every argument, as for the training.

from cython.parallel import parallel, prange, threadid

from libc.math cimport HUGE_VAL, fmin, isfinite
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from alias cimport alias_draw
from buffers cimport (
    MOST_AHEAD,
    Scratch,
    aligned_row,
    allocate_all,
    in_lines,
    release,
    require_alignment,
    require_length,
)
from rng cimport mix, next_random, random_stream, upper_unit
from samplers cimport (
    ADAPTIVE,
    Drawer,
    SamplerTables,
    mark_positives,
    place_in_table,
    prepare,
    propose_all,
    settle_all,
    unmark_positives,
)
from simd cimport (
    VR_FETCH_TO_READ,
    vr_add_masked,
    vr_add_rows,
    vr_dot,
    vr_exp,
    vr_logistic_slopes,
    vr_odds,
    vr_ranks,
    vr_score_rows,
    vr_spread,
)
from steps cimport fetch_row


cdef class Sampler


cdef enum:
    # negatives of a step, at most; a multiple of 16
    MOST_DRAWN = 1024
    # rows that a thread takes at a time
    ROWS_FOLDED = 8


ctypedef struct NewtonFoldIn:
    const SamplerTables* tables
    const int64_t* indptr
    const int32_t* indices
    const float* item_factors
    const float* learns
    # how likely a negative is chosen, by how many score higher: for n_negatives, and twice as many
    const float* chances_of_few
    const float* chances_of_many
    size_t stride
    size_t columns
    uint32_t n_negatives
    int64_t pairs_of_few
    uint32_t steps
    float size
    float penalty
    bint decay_violating_only
    # rows start from what their features say, and what they learn beside that has a penalty that
    # does not grow with their positives
    bint anchored
    float penalty_own
    bint verify
    const float* inverse
    const float* mean_negative
    uint64_t seed
    # of one row, where somebody asks for them: how much of the first move and of that of each step
    # is taken; and of each step the row before it, its negatives and how likely each is chosen
    float* taken
    float* vectors
    int32_t* negatives
    float* weights


# what one thread works with
ctypedef struct NewtonScratch:
    uint32_t[MOST_DRAWN] negatives
    float[MOST_DRAWN] scores
    float[MOST_DRAWN] odds
    float[MOST_DRAWN] weights
    float[MOST_DRAWN] slopes
    int32_t[MOST_DRAWN] ranks
    # by rank, how many with that rank have a place so far
    int32_t[MOST_DRAWN] tied
    Scratch* drawing
    # how fast the slope of each positive falls with its score
    float* bends


cdef inline const float* label_row(const NewtonFoldIn* task, uint32_t label) noexcept nogil:
    return task.item_factors + <size_t> label * task.stride


cdef inline void add_row(
    const NewtonFoldIn* task, const float* row, float weight, float* out
) noexcept nogil:
    vr_add_rows(row, <Py_ssize_t> task.stride, NULL, &weight, 1, out)


# Newton's step from zero, if all negatives were normal around their mean. The matrix has the
# curvature that rows have in common; what the positives of this one add to it has a rank of one.
cdef void take_step_from_zero(
    const NewtonFoldIn* task, const int32_t* labels, float share, int64_t n, float* user,
    float* gap, float* move
) noexcept nogil:
    cdef float squares
    cdef int64_t i
    memset(gap, 0, task.stride * sizeof(float))
    memset(move, 0, task.stride * sizeof(float))
    for i in range(min(n, <int64_t> MOST_AHEAD)):
        fetch_row(label_row(task, labels[i]), <uint32_t> task.stride, False)
    for i in range(n):
        add_row(task, label_row(task, labels[i]), share, gap)
    add_row(task, task.mean_negative, -1, gap)
    vr_add_rows(
        task.inverse, <Py_ssize_t> task.stride, NULL, gap, <Py_ssize_t> task.columns, move)
    squares = vr_dot(move, gap, <Py_ssize_t> task.stride)
    squares = <float> 0.5 / (1 + <float> 0.25 * squares)
    vr_add_masked(user, move, task.learns, squares, 0, <Py_ssize_t> task.stride)
    if task.taken != NULL:
        task.taken[0] = squares


# Where to find negatives whose factors are as many as the adaptive law says, to the nearest whole
# number: a row needs fewer of them then than if all were drawn apart. Their ranks are drawn.
cdef inline void propose_evenly(
    const SamplerTables* tables, Scratch* scratch, const float* user, uint32_t n
) noexcept nogil:
    cdef Drawer* drawer = &scratch.drawer
    cdef uint32_t j, factor, rank
    if tables.kind != ADAPTIVE or not drawer.weight > 0 or not drawer.weight < HUGE_VAL:
        propose_all(tables, drawer, user, &scratch.random, scratch.places, n)
        return
    vr_spread(
        drawer.running, drawer.lane_sums, tables.stride, upper_unit(next_random(&scratch.random)),
        n, scratch.places)
    for j in range(n):
        factor = <uint32_t> scratch.places[j]
        rank = alias_draw(tables.law, tables.n_outcomes, &scratch.random)
        scratch.places[j] = place_in_table(tables, factor, rank, user[factor] > 0)
        if tables.narrow_table != NULL:
            VR_FETCH_TO_READ(tables.narrow_table + scratch.places[j])
        else:
            VR_FETCH_TO_READ(tables.wide_table + scratch.places[j])


# negatives for the row as it is, their scores, and how likely each is chosen
cdef void draw_negatives(
    const NewtonFoldIn* task, NewtonScratch* scratch, const float* user, uint32_t n
) noexcept nogil:
    cdef uint32_t j
    cdef int32_t rank
    cdef const float* chances = (
        task.chances_of_few if n == task.n_negatives else task.chances_of_many)
    cdef Scratch* drawing = scratch.drawing
    prepare(task.tables, &drawing.drawer, user)
    propose_evenly(task.tables, drawing, user, n)
    settle_all(
        task.tables, &drawing.drawer, user, task.verify, &drawing.random, drawing.places,
        scratch.negatives, n)
    for j in range(n):
        fetch_row(label_row(task, scratch.negatives[j]), <uint32_t> task.stride, False)
    vr_score_rows(
        user, task.item_factors, <Py_ssize_t> task.stride, scratch.negatives, n, scratch.scores)
    if chances == NULL:
        for j in range(n):
            scratch.weights[j] = <float> 1.0 / n
        return
    vr_ranks(scratch.scores, n, scratch.ranks)
    memset(scratch.tied, 0, n * sizeof(int32_t))
    for j in range(n):
        # what scores the same, as a label drawn twice does, takes the places that follow
        rank = scratch.ranks[j]
        scratch.weights[j] = chances[rank + scratch.tied[rank]]
        scratch.tied[rank] += 1


# minus the gradient of the expected loss, to `move`
cdef void add_slopes(
    const NewtonFoldIn* task, NewtonScratch* scratch, const int32_t* labels, float share,
    int64_t n, const float* user, uint32_t n_negatives, float* move
) noexcept nogil:
    cdef float highest = scratch.scores[0], score, slope, decay = 0
    cdef int64_t i
    cdef uint32_t j
    cdef const float* row
    for j in range(1, n_negatives):
        highest = max(highest, scratch.scores[j])
    vr_odds(scratch.scores, n_negatives, highest, scratch.odds)
    memset(scratch.slopes, 0, n_negatives * sizeof(float))
    for i in range(n):
        row = label_row(task, labels[i])
        score = vr_dot(user, row, <Py_ssize_t> task.stride)
        # beyond that a slope is one to the last bit
        slope = vr_logistic_slopes(
            scratch.odds, <float> vr_exp(fmin(<double> highest - score, 60.0)), scratch.weights,
            n_negatives, scratch.slopes)
        add_row(task, row, slope * share, move)
        # no less than the mean over the negatives
        scratch.bends[i] = slope * (1 - slope)
        if task.decay_violating_only:
            for j in range(n_negatives):
                if scratch.scores[j] > score:
                    decay += share * scratch.weights[j]
    for j in range(n_negatives):
        scratch.slopes[j] *= -share * scratch.weights[j]
    vr_add_rows(
        task.item_factors, <Py_ssize_t> task.stride, scratch.negatives, scratch.slopes,
        n_negatives, move)
    if task.anchored:
        add_row(task, user, -task.penalty_own * share, move)
        add_row(task, scratch.drawing.features.loaded, task.penalty_own * share, move)
        return
    add_row(task, user, -task.penalty * (decay if task.decay_violating_only else 1), move)


# How much of a move to take: all if the positives were alike, and no more than is good for their
# distances from the mean negative, of which the matrix knows nothing.
cdef inline float share_of_move(
    const NewtonFoldIn* task, const NewtonScratch* scratch, const int32_t* labels, float share,
    int64_t n, const float* gradient, const float* move
) noexcept nogil:
    cdef Py_ssize_t k = <Py_ssize_t> task.stride
    cdef float gain = vr_dot(gradient, move, k), bend = 0, apart
    cdef float of_negative = vr_dot(task.mean_negative, move, k)
    cdef int64_t i
    for i in range(n):
        apart = vr_dot(label_row(task, labels[i]), move, k) - of_negative
        bend += share * scratch.bends[i] * apart * apart
    return gain / (gain + bend) if gain > 0 else <float> 0.0


cdef void record_step(
    const NewtonFoldIn* task, const NewtonScratch* scratch, uint32_t step, const float* user,
    uint32_t n_negatives, float taken
) noexcept nogil:
    cdef size_t first = <size_t> step * MOST_DRAWN, j
    task.taken[step + 1] = taken
    memcpy(task.vectors + step * task.stride, user, task.stride * sizeof(float))
    for j in range(n_negatives):
        task.negatives[first + j] = <int32_t> scratch.negatives[j]
        task.weights[first + j] = scratch.weights[j]


# false where a factor is not finite
cdef bint fold_row_in(
    const NewtonFoldIn* task, NewtonScratch* scratch, int64_t begin, int64_t n, float* out
) noexcept nogil:
    cdef Scratch* drawing = scratch.drawing
    cdef const int32_t* labels = task.indices + begin
    cdef float* user = drawing.user
    cdef float* gradient = drawing.gradient
    cdef float* move = drawing.prepared
    cdef float* folded = drawing.folded
    cdef uint64_t key = 0
    cdef uint32_t step, n_negatives = task.n_negatives
    cdef float share = <float> (1.0 / n), taken
    cdef int64_t i
    cdef size_t f
    if n > task.pairs_of_few:
        n_negatives *= 2
    for i in range(n):
        key = mix(key + <uint64_t> labels[i] + 1)
    drawing.random = random_stream(task.seed, 0, key)
    memset(user, 0, task.stride * sizeof(float))
    memcpy(user, out, task.columns * sizeof(float))
    if task.anchored:
        memcpy(drawing.features.loaded, user, task.stride * sizeof(float))
    else:
        take_step_from_zero(task, labels, share, n, user, gradient, move)
    if task.verify:
        unmark_positives(&drawing.drawer)
        mark_positives(&drawing.drawer, labels, <uint32_t> n)
    memset(folded, 0, task.stride * sizeof(float))
    for step in range(task.steps):
        draw_negatives(task, scratch, user, n_negatives)
        memset(gradient, 0, task.stride * sizeof(float))
        memset(move, 0, task.stride * sizeof(float))
        add_slopes(task, scratch, labels, share, n, user, n_negatives, gradient)
        vr_add_rows(
            task.inverse, <Py_ssize_t> task.stride, NULL, gradient, <Py_ssize_t> task.columns,
            move)
        taken = task.size * share_of_move(task, scratch, labels, share, n, gradient, move)
        if task.taken != NULL:
            record_step(task, scratch, step, user, n_negatives, taken)
        vr_add_masked(user, move, task.learns, taken, 0, <Py_ssize_t> task.stride)
        # the first step is on its way
        if step > 0:
            add_row(task, user, <float> 1.0 / (task.steps - 1), folded)
    vr_add_masked(user, folded, task.learns, 1, 1, <Py_ssize_t> task.stride)
    memcpy(out, user, task.columns * sizeof(float))
    for f in range(task.columns):
        if not isfinite(out[f]):
            return False
    return True


def fold_rows(
    Sampler sampler not None,
    const int64_t[::1] indptr not None,
    const int32_t[::1] indices not None,
    const int32_t[::1] rows not None,
    float[:, ::1] user_factors not None,
    const float[:, ::1] item_factors not None,
    const float[::1] learns not None,
    const float[:, ::1] inverse not None,
    const float[::1] mean_negative not None,
    const float[::1] chances_of_few,
    const float[::1] chances_of_many,
    *,
    int n_negatives, int pairs_of_few, int steps, double size, double penalty,
    bint regularize_violating_only, bint verify, uint64_t seed, int n_threads,
    float[::1] taken=None, float[:, ::1] vectors=None, int32_t[:, ::1] negatives=None,
    float[:, ::1] weights=None, bint anchored=False, double penalty_own=0.0
):
    """Learn the factors of rows, each from its positives alone; return how many are not finite.

    indptr, indices : IN, the positives of every row, ascending
    rows : IN, those to learn, each at most once and with a positive
    user_factors : INOUT (n_rows, columns), where they start from
    item_factors : IN (n_labels, stride), padded and aligned
    learns : IN (stride,), 1 for the columns that are learned, else 0
    inverse : IN (stride, stride), padded and aligned, symmetric: of the curvature of the loss
    mean_negative : IN (stride,), padded and aligned
    chances_of_few, chances_of_many : IN (n_negatives,) and twice as many, how likely a negative is
        chosen, the highest first; None: all alike
    n_negatives : of a step, a multiple of 16, MOST_DRAWN / 2 at most; rows of more positives than
        pairs_of_few draw twice as many
    steps, size : at least 2, and how much of Newton's step each is
    taken, vectors, negatives, weights : OUT (steps + 1,), (steps, stride), (steps, MOST_DRAWN)
        twice, or None; the way of a single row: how much of the first move and of that of each step
        is taken; the row before each step, its negatives and how likely each is chosen, 0 behind
        them
    anchored : what a row starts from is what its features say, and not to be left at once
    penalty_own : then, of how far it is from there, in place of the penalty
    """
    cdef NewtonFoldIn task
    cdef int64_t n_rows = rows.shape[0], place, longest = 0
    cdef int not_finite = 0, thread
    cdef Scratch** drawing
    cdef void* memory
    # those of the threads begin on lines
    cdef size_t scratch, size_of_scratch = in_lines(sizeof(NewtonScratch))
    if n_negatives % 16 or not 16 <= n_negatives <= MOST_DRAWN // 2:
        raise ValueError(
            f"n_negatives must be a multiple of 16 up to {MOST_DRAWN // 2}, got {n_negatives}")
    if (chances_of_few is None) != (chances_of_many is None):
        raise ValueError("chances_of_few and chances_of_many are both given or both None")
    if n_rows == 0:
        return 0
    cdef float[::1] aligned_learns = aligned_row(learns)
    memset(&task, 0, sizeof(NewtonFoldIn))
    task.tables = &sampler.tables
    task.indptr, task.indices = &indptr[0], &indices[0]
    task.item_factors = &item_factors[0, 0]
    task.learns = &aligned_learns[0]
    task.inverse = &inverse[0, 0]
    task.mean_negative = &mean_negative[0]
    require_alignment(task.item_factors)
    require_alignment(task.inverse)
    require_alignment(task.mean_negative)
    if chances_of_few is not None:
        require_length("chances_of_few", chances_of_few.shape[0], n_negatives)
        require_length("chances_of_many", chances_of_many.shape[0], 2 * n_negatives)
        task.chances_of_few = &chances_of_few[0]
        task.chances_of_many = &chances_of_many[0]
    task.stride, task.columns = item_factors.shape[1], user_factors.shape[1]
    task.n_negatives, task.pairs_of_few = n_negatives, pairs_of_few
    task.steps, task.size, task.penalty = steps, <float> size, <float> penalty
    task.decay_violating_only, task.verify = regularize_violating_only, verify
    task.anchored, task.penalty_own = anchored, <float> penalty_own
    task.seed = seed
    if taken is not None:
        if n_rows != 1:
            raise ValueError(f"the way of one row is kept, got {n_rows} rows")
        weights[:, :] = 0
        negatives[:, :] = 0
        task.taken, task.vectors = &taken[0], &vectors[0, 0]
        task.negatives, task.weights = &negatives[0, 0], &weights[0, 0]
    n_threads = <int> max(1, min(<int64_t> n_threads, n_rows // ROWS_FOLDED))
    drawing = allocate_all(n_threads, &sampler.tables, MOST_DRAWN + MOST_AHEAD, False, 0)
    for place in range(n_rows):
        longest = max(longest, indptr[rows[place] + 1] - indptr[rows[place]])
    memory = calloc(
        n_threads * (size_of_scratch + in_lines(longest * sizeof(float))) + 64, 1)
    if memory == NULL:
        release(drawing, n_threads)
        raise MemoryError("no memory to fold in")
    scratch = in_lines(<size_t> memory)
    for thread in range(n_threads):
        (<NewtonScratch*> (scratch + thread * size_of_scratch)).drawing = drawing[thread]
        (<NewtonScratch*> (scratch + thread * size_of_scratch)).bends = <float*> (
            scratch + n_threads * size_of_scratch + thread * in_lines(longest * sizeof(float)))
    with nogil, parallel(num_threads=n_threads):
        for place in prange(n_rows, schedule="dynamic", chunksize=ROWS_FOLDED):
            not_finite += not fold_row_in(
                &task, <NewtonScratch*> (scratch + threadid() * size_of_scratch),
                indptr[rows[place]], indptr[rows[place] + 1] - indptr[rows[place]],
                &user_factors[rows[place], 0])
    free(memory)
    release(drawing, n_threads)
    return not_finite


# of a step of a row with few positives
MOST_NEGATIVES = MOST_DRAWN // 2
