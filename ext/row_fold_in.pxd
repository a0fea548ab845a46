"""The vector of an image from its labels alone, with those of the labels fixed."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from buffers cimport Scratch
from rng cimport mix, random_stream
from simd cimport vr_add_masked, vr_dot
from steps cimport Settings, normalise, row_of
from visits cimport Row, Task, train_pairs


# a row goes over its positives so many times, or as often as makes so many steps
ctypedef struct FoldIn:
    uint32_t sweeps
    uint32_t least_steps
    # before that, a first step from what its labels differ from the mean negative on average: by a
    # (stride, stride) matrix, and no further than is good for scores of such a size
    const float* first_step
    const float* mean_negative
    float unit
    # rows start from what their features say, and every pass shrinks what they learn beside that
    bint anchored
    float penalty_own


# Newton's step on the logistic loss of the row's positives against all negatives at once, if those
# were normal around their mean. The matrix has the curvature that rows have in common; what the
# positives of this one add to it has a rank of one.
cdef inline void take_first_step(
    const Task* task, const FoldIn* fold_in, Scratch* scratch, const Row* row
) noexcept nogil:
    cdef const Settings* settings = &task.settings
    cdef float* gap = scratch.gradient
    cdef float* move = scratch.folded
    cdef float share = <float> (1.0 / (row.end - row.begin)), squares = 0
    cdef uint32_t f
    cdef int64_t i
    memset(gap, 0, settings.stride * sizeof(float))
    memset(move, 0, settings.stride * sizeof(float))
    for i in range(row.begin, row.end):
        vr_add_masked(
            gap, row_of(settings, <uint32_t> task.indices[i]), settings.learns, share, 0,
            settings.stride)
    vr_add_masked(gap, fold_in.mean_negative, settings.learns, -1, 0, settings.stride)
    for f in range(task.vectors.columns):
        move[f] = vr_dot(fold_in.first_step + <size_t> f * settings.stride, gap, settings.stride)
        squares += move[f] * gap[f]
    vr_add_masked(
        row.user, move, settings.learns,
        fold_in.unit * <float> 0.5 / (1 + <float> 0.25 * squares), 0, settings.stride)


# what the vector has learned beside where it started
cdef inline void shrink_to_start(
    const Task* task, const FoldIn* fold_in, Scratch* scratch, const Row* row
) noexcept nogil:
    cdef const float* start = scratch.features.loaded
    cdef const float* learns = task.settings.learns
    cdef float decay = row.share * task.settings.learning_rate_user * fold_in.penalty_own
    decay /= 1 + decay
    vr_add_masked(row.user, start, learns, decay, decay, task.settings.stride)


# the mean over the later sweeps; the random numbers depend on the positives alone
cdef inline void fold_row(
    const Task* task, const FoldIn* fold_in, Scratch* scratch, const Row* row
) noexcept nogil:
    cdef const Settings* settings = &task.settings
    cdef uint64_t key = 0
    cdef uint32_t sweep, kept = 0
    cdef uint32_t sweeps = <uint32_t> max(
        <int64_t> fold_in.sweeps, fold_in.least_steps // row.n_pairs)
    cdef int64_t i
    for i in range(row.begin, row.end):
        key = mix(key + <uint64_t> task.indices[i] + 1)
    if fold_in.anchored:
        memcpy(scratch.features.loaded, row.user, settings.stride * sizeof(float))
    else:
        take_first_step(task, fold_in, scratch, row)
    if settings.cosine:
        normalise(row.user, settings.stride)
    scratch.random = random_stream(task.seed, task.epoch, key)
    memset(scratch.folded, 0, settings.stride * sizeof(float))
    for sweep in range(sweeps):
        train_pairs(task, scratch, row, False, NULL)
        if fold_in.anchored:
            shrink_to_start(task, fold_in, scratch, row)
        if 2 * sweep >= sweeps - 1:
            vr_add_masked(scratch.folded, row.user, settings.learns, 1, 0, settings.stride)
            kept += 1
    vr_add_masked(row.user, scratch.folded, settings.learns, <float> 1.0 / kept, 1, settings.stride)
    if settings.cosine:
        normalise(row.user, settings.stride)
