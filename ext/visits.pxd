"""A visit to a row: its pairs, with candidates that are drawn before the steps on them."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from buffers cimport Block, Scratch
from rng cimport below, next_random, random_stream
from rows cimport VectorParts, fetch_vector, load_vector, store_vector
from samplers cimport (
    exclude_positives,
    fill_probabilities,
    mark_positives,
    prepare,
    propose_all,
    settle_all,
    unmark_positives,
)
from selections cimport VIOLATOR
from simd cimport VR_FETCH_TO_READ
from steps cimport Settings, fetch_candidate, fetch_positive, step


cdef enum PositiveKind:
    STORED
    DRAWN
    DRAWN_BY_VALUE


# what is trained on in one call, and how
ctypedef struct Task:
    Settings settings
    VectorParts vectors
    PositiveKind positives
    const int64_t* indptr
    const int32_t* indices
    const int32_t* rows
    const int32_t* draws
    const double* running_values
    # the number of row 0 in the whole matrix, by which random numbers go
    int64_t first_row
    uint64_t seed
    uint64_t epoch
    uint32_t pairs_at_once
    # the first pairs of a row are drawn before the last steps on the row before
    bint draws_ahead


# a row of the matrix to train on: its stored positives, or so many drawn from them
ctypedef struct Row:
    int32_t image
    # a padded copy of its vector
    float* user
    int64_t begin
    int64_t end
    int64_t n_pairs
    # of the full steps on its vector
    float share


cdef inline uint32_t draw_positive(
    const Task* task, Scratch* scratch, int64_t begin, int64_t end
) noexcept nogil:
    cdef int64_t low = begin, high = end - 1, middle
    cdef double target
    if task.positives == DRAWN:
        return <uint32_t> task.indices[
            begin + below(&scratch.random, <uint32_t> (end - begin))]
    # the first entry whose running value exceeds the target
    target = task.running_values[end - 1] * (
        <double> (next_random(&scratch.random) >> 11) * 1.1102230246251565e-16)
    while low < high:
        middle = (low + high) >> 1
        if task.running_values[middle] > target:
            high = middle
        else:
            low = middle + 1
    return <uint32_t> task.indices[low]


# chooses the next pairs of a row, stored positives in their order or drawn ones, and proposes
# their candidates
cdef inline void propose_pairs(
    const Task* task, Scratch* scratch, const Row* row, int64_t done, Block* block
) noexcept nogil:
    cdef uint32_t n = <uint32_t> min(<int64_t> task.pairs_at_once, row.n_pairs - done), i
    block.n_pairs = n
    block.n_candidates = n * task.settings.candidates
    for i in range(n):
        if task.positives == STORED:
            block.labels[i] = <uint32_t> task.indices[row.begin + done + i]
        else:
            block.labels[i] = draw_positive(task, scratch, row.begin, row.end)
    prepare(task.settings.tables, &scratch.drawer, row.user)
    if task.settings.selection == VIOLATOR:
        # it draws between the steps, which move the factors
        memcpy(scratch.prepared, row.user, task.settings.stride * sizeof(float))
        block.n_candidates = 0
        return
    if task.settings.corrected:
        fill_probabilities(task.settings.tables, &scratch.drawer, row.user, scratch.probability)
        if task.settings.verify:
            exclude_positives(&scratch.drawer, task.settings.tables.n_labels, scratch.probability)
    propose_all(
        task.settings.tables, &scratch.drawer, row.user, &scratch.random, scratch.places,
        block.n_candidates)


cdef inline void settle_pairs(
    const Task* task, Scratch* scratch, const Row* row, Block* block
) noexcept nogil:
    cdef uint32_t i
    for i in range(min(block.n_pairs, task.settings.pairs_ahead)):
        fetch_positive(&task.settings, block.labels[i])
    settle_all(
        task.settings.tables, &scratch.drawer, row.user, task.settings.verify, &scratch.random,
        scratch.places, block.candidates, block.n_candidates)
    for i in range(min(block.n_candidates, task.settings.candidates_ahead)):
        fetch_candidate(&task.settings, block.candidates[i])
    for i in range(task.settings.pairs_ahead):
        block.labels[block.n_pairs + i] = block.labels[0]
    for i in range(task.settings.candidates_ahead):
        block.candidates[block.n_candidates + i] = block.candidates[0]


cdef inline void step_pairs(
    const Task* task, Scratch* scratch, float* user, const Block* block, uint32_t first,
    uint32_t last
) noexcept nogil:
    cdef uint32_t i
    for i in range(first, last):
        step(
            &task.settings, scratch, user, block.labels + i,
            block.candidates + <size_t> i * task.settings.candidates)


# vector: where that of the image goes, padded
cdef inline Row load_row(
    const Task* task, Scratch* scratch, int64_t place, float* vector
) noexcept nogil:
    cdef Row row
    cdef int32_t image = task.rows[place]
    load_vector(&task.vectors, image, vector, &scratch.features)
    row.image = image
    row.user = vector
    row.begin = task.indptr[image]
    row.end = task.indptr[image + 1]
    row.n_pairs = row.end - row.begin if task.positives == STORED else task.draws[place]
    row.share = 1
    if task.settings.pairs_of_full_steps > 0 and row.n_pairs > task.settings.pairs_of_full_steps:
        row.share = task.settings.pairs_of_full_steps / <float> row.n_pairs
    return row


cdef inline void store_row(const Task* task, Scratch* scratch, const Row* row) noexcept nogil:
    store_vector(&task.vectors, row.image, row.user, &scratch.features, row.share)


# all draws from here on are for this row
cdef inline void begin_row(const Task* task, Scratch* scratch, const Row* row) noexcept nogil:
    scratch.random = random_stream(
        task.seed, task.epoch, <uint64_t> (task.first_row + row.image))
    if task.settings.verify:
        unmark_positives(&scratch.drawer)
        mark_positives(
            &scratch.drawer, task.indices + row.begin, <uint32_t> (row.end - row.begin))


# drawn: the first pairs are there already. following: the row that comes next, whose first pairs
# are drawn here, or NULL. They are proposed before the last steps on this row and looked up
# between them, when the table has had time to arrive. It draws the same as later: the steps on a
# row change neither the factors of another nor the rank table.
cdef inline void train_pairs(
    const Task* task, Scratch* scratch, const Row* row, bint drawn, const Row* following
) noexcept nogil:
    cdef int64_t done = 0
    cdef Block* block = &scratch.block
    cdef uint32_t middle
    scratch.learning_rate_user = row.share * task.settings.learning_rate_user
    scratch.decay_user = row.share * task.settings.decay_user
    while done < row.n_pairs:
        if not drawn:
            propose_pairs(task, scratch, row, done, block)
            settle_pairs(task, scratch, row, block)
        drawn = False
        done += block.n_pairs
        middle = 0
        if done == row.n_pairs and following != NULL:
            begin_row(task, scratch, following)
            propose_pairs(task, scratch, following, 0, &scratch.following)
            if block.n_pairs > task.settings.pairs_ahead:
                middle = block.n_pairs - task.settings.pairs_ahead
            step_pairs(task, scratch, row.user, block, 0, middle)
            settle_pairs(task, scratch, following, &scratch.following)
        step_pairs(task, scratch, row.user, block, middle, block.n_pairs)
    if following != NULL:
        scratch.block, scratch.following = scratch.following, scratch.block


# rows are in no order, so that nothing of the next ones is near
cdef inline void fetch_rows(const Task* task, int64_t place, int64_t stop) noexcept nogil:
    if place + 4 < stop:
        VR_FETCH_TO_READ(task.indptr + task.rows[place + 4])
    if place + 2 < stop:
        # the positives of most rows lie in one or two lines
        VR_FETCH_TO_READ(task.indices + task.indptr[task.rows[place + 2]])
        VR_FETCH_TO_READ(task.indices + task.indptr[task.rows[place + 2] + 1] - 1)
        fetch_vector(&task.vectors, task.rows[place + 2])
