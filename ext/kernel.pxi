# The one training loop. Compiled once for every vector instruction set, in kernel_plain.pyx and its
# siblings.
#
# Callers have checked every argument: shapes agree, ids are in range, factor rows are padded with
# zeros to a multiple of 16 where it does not say otherwise, and n_labels < 2^31. That rows are
# 64-byte aligned is checked here, once a call, because NumPy does not show it.

from libc.math cimport HUGE_VAL, exp, fabs, log, sqrt
from libc.string cimport memcpy

from losses cimport (
    Loss,
    LossKind,
    PairLoss,
    add_loss,
    damped_slope,
    list_damping,
    list_losses,
    pair_loss,
    violation_margin,
)
from proposals cimport is_positive, propose_negative
from rng cimport below, mix
from selections cimport FIRST, VIOLATOR, SelectionKind, choose


cdef extern from "simd.h" nogil:
    float vr_dot(const float* a, const float* b, Py_ssize_t k)
    float vr_reach(
        const float* u, const float* p, const float* n, const float* learns, float step_u,
        float step, Py_ssize_t k
    )
    float vr_difference(const float* u, const float* p, const float* n, Py_ssize_t k)
    float vr_difference_and_reach(
        const float* u, const float* p, const float* n, const float* learns, float step_u,
        float step, Py_ssize_t k, float* reach
    )
    void vr_update(
        float* u, float* p, float* n, const float* learns, float step_u, float step,
        float decay_u, float decay_p, float decay_n, Py_ssize_t k
    )
    void vr_update_in_turn(
        float* u, float* p, float* n, const float* learns, float step_u, float step,
        float decay_u, float decay_p, float decay_n, Py_ssize_t k
    )
    void vr_add_masked(
        float* a, const float* b, const float* learns, float step, float decay, Py_ssize_t k
    )
    void vr_gather_update(
        float* gradient, float* b, const float* u, float weight, float step, float decay,
        Py_ssize_t k
    )
    void vr_scale(float* a, float scale, Py_ssize_t k)
    void VR_FETCH_TO_READ(const void* address)
    void VR_FETCH_TO_WRITE(const void* address)


cdef enum:
    # candidates whose rows are on their way from the further caches while one is worked on: those
    # of one step, but no fewer, and no more than MOST_AHEAD
    LEAST_AHEAD = 2
    # how often a thread comes for more rows
    TURNS = 16


cdef enum PositiveKind:
    STORED = 0
    DRAWN = 1
    DRAWN_BY_VALUE = 2


# a row of the matrix to train on: its stored positives, or so many drawn from them
ctypedef struct Row:
    # a padded copy of its factors
    float* user
    int64_t begin
    int64_t end
    int64_t n_pairs
    uint64_t number
    # of the full steps on its factors
    float share


ctypedef struct Task:
    const Proposal* proposal
    const int64_t* indptr
    const int32_t* indices
    const int32_t* rows
    const int32_t* draws
    const double* running_values
    float* user_factors
    float* item_factors
    const float* learns
    const double* rank_weights
    PositiveKind positives
    SelectionKind selection
    Loss loss
    uint32_t stride
    # columns of user_factors, whose rows have no padding
    uint32_t user_columns
    uint32_t candidates
    uint32_t group_size
    uint32_t max_trials
    uint32_t pairs_at_once
    float learning_rate
    float learning_rate_user
    # a row of more pairs moves by less with each, in all as far as one of so many; 0: as far
    float pairs_of_full_steps
    float decay_user
    float decay_positive
    float decay_negative
    bint decay_violating_only
    bint verify
    bint cosine
    bint corrected
    # one set of candidates for the positives of a row that are trained on at once
    bint shares_candidates
    # the first pairs of a row are drawn before the last steps on the row before
    bint draws_ahead
    # so far ahead are rows of positives and of candidates fetched
    uint32_t pairs_ahead
    uint32_t candidates_ahead
    # what a step does to the rows of the labels
    bint writes_positives
    bint writes_candidates
    bint measure_cosines
    # steps on a positive and a negative do not overshoot
    bint damped
    # as in the code the paper's authors released: u moves before the labels, and the violator is
    # the first by id
    bint in_turn
    # fold-in: labels stay as they are, and every row goes over its positives so many times, or as
    # often as makes so many steps
    uint32_t sweeps
    uint32_t least_steps
    # before that, a first step from what its labels differ from the mean negative on average: by a
    # (stride, stride) matrix, and no further than is good for scores of such a size
    const float* first_step
    const float* mean_negative
    float unit
    uint64_t seed
    uint64_t epoch


cdef inline void fetch_row(const float* row, uint32_t stride, bint to_write) noexcept nogil:
    cdef uint32_t line
    if to_write:
        for line in range(stride // FLOATS_IN_LINE):
            VR_FETCH_TO_WRITE(row + line * FLOATS_IN_LINE)
    else:
        # a line that is only read stays in the caches of the other threads
        for line in range(stride // FLOATS_IN_LINE):
            VR_FETCH_TO_READ(row + line * FLOATS_IN_LINE)


cdef inline void fetch_user(const Task* task, int32_t number) noexcept nogil:
    cdef const float* row = task.user_factors + <size_t> number * task.user_columns
    cdef size_t line = <size_t> row & ~<size_t> 63
    while line < <size_t> (row + task.user_columns):
        VR_FETCH_TO_WRITE(<const void*> line)
        line += 64


cdef inline void fetch_positive(const Task* task, uint32_t label) noexcept nogil:
    fetch_row(
        task.item_factors + <size_t> label * task.stride, task.stride, task.writes_positives)


cdef inline void fetch_candidate(const Task* task, uint32_t label) noexcept nogil:
    fetch_row(
        task.item_factors + <size_t> label * task.stride, task.stride, task.writes_candidates)


cdef inline void normalise(float* row, uint32_t stride) noexcept nogil:
    cdef float norm = vr_dot(row, row, stride)
    if norm > 0:
        vr_scale(row, <float> 1.0 / <float> sqrt(norm), stride)


# reach is that of vr_reach, or below zero where it is not known yet
cdef inline void step_pair(
    const Task* task, Scratch* scratch, float* user, uint32_t positive, uint32_t negative,
    double difference, double weight, float reach
) noexcept nogil:
    cdef Counts* counts = &scratch.counts
    cdef float* positive_row = task.item_factors + <size_t> positive * task.stride
    cdef float* negative_row = task.item_factors + <size_t> negative * task.stride
    cdef PairLoss loss = pair_loss(&task.loss, difference, weight)
    cdef bint violates = not difference >= violation_margin(&task.loss)
    cdef bint decays = violates or not task.decay_violating_only
    cdef float move
    add_loss(&counts.loss, loss.linear, loss.factor)
    counts.correct += difference > 0
    counts.violations += violates
    counts.not_finite += not fabs(difference) < HUGE_VAL
    if task.damped and loss.slope != 0:
        if reach < 0:
            reach = vr_reach(
                user, positive_row, negative_row, task.learns, scratch.learning_rate_user,
                task.learning_rate, task.stride,
            )
        loss.slope = damped_slope(&task.loss, loss.slope, difference, reach)
    if task.sweeps:
        move = <float> (scratch.learning_rate_user * loss.slope)
        vr_add_masked(
            user, positive_row, task.learns, move, scratch.decay_user * decays, task.stride)
        vr_add_masked(user, negative_row, task.learns, -move, 0, task.stride)
    elif task.in_turn:
        vr_update_in_turn(
            user, positive_row, negative_row, task.learns,
            <float> (scratch.learning_rate_user * loss.slope),
            <float> (task.learning_rate * loss.slope), scratch.decay_user * decays,
            task.decay_positive * decays, task.decay_negative * decays, task.stride,
        )
    else:
        vr_update(
            user, positive_row, negative_row, task.learns,
            <float> (scratch.learning_rate_user * loss.slope),
            <float> (task.learning_rate * loss.slope), scratch.decay_user * decays,
            task.decay_positive * decays, task.decay_negative * decays, task.stride,
        )
    if task.cosine:
        normalise(user, task.stride)
    if task.cosine and not task.sweeps:
        normalise(positive_row, task.stride)
        normalise(negative_row, task.stride)


cdef inline void step_drawn_pair(
    const Task* task, Scratch* scratch, float* user, uint32_t positive, uint32_t negative,
    double difference, float reach
) noexcept nogil:
    if negative == positive:
        scratch.counts.skipped += 1
    else:
        step_pair(task, scratch, user, positive, negative, difference, 1.0, reach)


cdef inline double square_of(const Task* task, uint32_t label) noexcept nogil:
    cdef const float* row = task.item_factors + <size_t> label * task.stride
    return vr_dot(row, row, task.stride)


# Shortens the slopes of a list. The image's step moves the score of a positive against that of a
# negative by its rate times the squared distance of both, for which their squared lengths stand;
# where every negative has a loss of its own, all of them move it.
cdef inline void damp_list(
    const Task* task, Scratch* scratch, const float* user, const uint32_t* positives,
    uint32_t n_positives, const uint32_t* negatives, uint32_t n_negatives
) noexcept nogil:
    cdef double of_positive = 0, of_negatives = 0, square, damping
    cdef uint32_t i, j
    for i in range(n_positives):
        of_positive = max(of_positive, square_of(task, positives[i]))
    for j in range(n_negatives):
        square = square_of(task, negatives[j])
        if task.loss.kind == LossKind.SGNS:
            of_negatives += square
        else:
            of_negatives = max(of_negatives, square)
    damping = list_damping(&task.loss, n_positives * (
        scratch.learning_rate_user * (of_positive + of_negatives)
        + 2 * task.learning_rate * <double> vr_dot(user, user, task.stride)))
    for i in range(n_positives):
        scratch.positive_slopes[i] *= damping
    for j in range(n_negatives):
        scratch.slopes[j] *= damping


# positives against the chosen candidates, which are the first n_negatives, all from the values of
# the image's factors before the step
cdef inline void step_list(
    const Task* task, Scratch* scratch, float* user, const uint32_t* positives,
    uint32_t n_positives, const uint32_t* negatives, uint32_t n_negatives
) noexcept nogil:
    cdef Counts* counts = &scratch.counts
    cdef uint32_t i, j, decays, n_decays = 0
    cdef double difference, highest = scratch.scores[0]
    if task.corrected:
        for j in range(n_negatives):
            scratch.corrections[j] = -log(
                task.candidates * scratch.probability[negatives[j]])
    list_losses(
        &task.loss, scratch.positive_scores, n_positives, scratch.scores, n_negatives,
        scratch.corrections if task.corrected else NULL, scratch.positive_slopes,
        scratch.slopes, &counts.loss,
    )
    if task.damped:
        damp_list(task, scratch, user, positives, n_positives, negatives, n_negatives)
    for j in range(1, n_negatives):
        # a score that is not a number is taken, and stays
        if highest == highest and not scratch.scores[j] <= highest:
            highest = scratch.scores[j]
    memset(scratch.gradient, 0, task.stride * sizeof(float))
    for i in range(n_positives):
        difference = scratch.positive_scores[i] - highest
        decays = not difference >= violation_margin(&task.loss)
        counts.correct += difference > 0
        counts.violations += decays
        counts.not_finite += not fabs(difference) < HUGE_VAL
        decays = decays or not task.decay_violating_only
        n_decays += decays
        gather(
            task, scratch, user, positives[i], scratch.positive_slopes[i],
            task.decay_positive * decays)
    for j in range(n_negatives):
        gather(
            task, scratch, user, negatives[j], -scratch.slopes[j],
            task.decay_negative * (n_decays > 0))
    vr_add_masked(
        user, scratch.gradient, task.learns, scratch.learning_rate_user,
        scratch.decay_user * n_decays, task.stride,
    )
    if task.cosine:
        normalise(user, task.stride)


# a label's part of the gradient of the image, and its own step
cdef inline void gather(
    const Task* task, Scratch* scratch, const float* user, uint32_t label, double slope,
    float decay
) noexcept nogil:
    cdef float* row = task.item_factors + <size_t> label * task.stride
    if task.sweeps:
        vr_add_masked(scratch.gradient, row, task.learns, <float> slope, 0, task.stride)
        return
    vr_gather_update(
        scratch.gradient, row, user, <float> slope, <float> (task.learning_rate * slope), decay,
        task.stride,
    )
    if task.cosine:
        normalise(row, task.stride)


cdef inline void measure_cosines(
    const Task* task, Scratch* scratch, const float* user, uint32_t positive, double score,
    const uint32_t* candidates
) noexcept nogil:
    cdef double user_norm = sqrt(vr_dot(user, user, task.stride)), norm
    cdef const float* row = task.item_factors + <size_t> positive * task.stride
    cdef uint32_t j
    norm = user_norm * sqrt(vr_dot(row, row, task.stride))
    if norm > 0:
        scratch.counts.positive_cosine += score / norm
    for j in range(task.candidates):
        row = task.item_factors + <size_t> candidates[j] * task.stride
        norm = user_norm * sqrt(vr_dot(row, row, task.stride))
        scratch.counts.negative_repulsion += exp(-scratch.scores[j] / norm) if norm > 0 else 1.0
    scratch.counts.negatives += task.candidates


# draws until one violates, as WARP does
cdef inline void step_violator(
    const Task* task, Scratch* scratch, float* user, uint32_t positive
) noexcept nogil:
    cdef Counts* counts = &scratch.counts
    cdef uint32_t trial, negative = 0, rank, trials = task.max_trials
    cdef double weight = 1.0, difference
    cdef double score = vr_dot(
        user, task.item_factors + <size_t> positive * task.stride, task.stride)
    for trial in range(1, task.max_trials + 1):
        if task.in_turn:
            while negative < task.proposal.n_labels and is_positive(&scratch.drawer, negative):
                negative += 1
            if negative == task.proposal.n_labels:
                trials = trial - 1
                break
        else:
            negative = propose_negative(
                task.proposal, &scratch.drawer, scratch.prepared, task.verify, &scratch.random)
        difference = score - vr_dot(
            user, task.item_factors + <size_t> negative * task.stride, task.stride)
        if not difference >= task.loss.margin and negative != positive:
            if task.rank_weights != NULL:
                rank = (task.proposal.n_labels - 1) // trial
                weight = task.rank_weights[rank]
            step_pair(task, scratch, user, positive, negative, difference, weight, -1)
            counts.trials += trial
            return
        if task.in_turn:
            negative += 1
    counts.correct += 1
    counts.trials += trials


# both arrays go on with what is fetched meanwhile
cdef inline void step(
    const Task* task, Scratch* scratch, float* user, const uint32_t* positives,
    uint32_t n_positives, uint32_t* candidates
) noexcept nogil:
    cdef uint32_t n_negatives = task.candidates, i, j
    cdef bint is_pair = n_positives == 1 and task.loss.kind <= LossKind.WARP
    cdef float* positive_row
    cdef float* negative_row
    cdef float difference, reach = -1
    scratch.counts.pairs += n_positives
    if task.selection == VIOLATOR:
        fetch_positive(task, positives[task.pairs_ahead])
        step_violator(task, scratch, user, positives[0])
        return
    scratch.counts.trials += task.candidates
    if is_pair and task.candidates == 1:
        fetch_positive(task, positives[task.pairs_ahead])
        fetch_candidate(task, candidates[task.candidates_ahead])
        positive_row = task.item_factors + <size_t> positives[0] * task.stride
        negative_row = task.item_factors + <size_t> candidates[0] * task.stride
        # the hinge has no slope where it is satisfied, and needs no reach there
        if task.damped and task.loss.kind == LossKind.LOGISTIC:
            difference = vr_difference_and_reach(
                user, positive_row, negative_row, task.learns, scratch.learning_rate_user,
                task.learning_rate, task.stride, &reach)
        else:
            difference = vr_difference(user, positive_row, negative_row, task.stride)
        step_drawn_pair(
            task, scratch, user, positives[0], candidates[0], difference, reach)
        return
    for i in range(n_positives):
        fetch_positive(task, positives[i + task.pairs_ahead])
        scratch.positive_scores[i] = vr_dot(
            user, task.item_factors + <size_t> positives[i] * task.stride, task.stride)
    for j in range(task.candidates):
        fetch_candidate(task, candidates[j + task.candidates_ahead])
        scratch.scores[j] = vr_dot(
            user, task.item_factors + <size_t> candidates[j] * task.stride, task.stride)
    if task.measure_cosines:
        for i in range(n_positives):
            measure_cosines(
                task, scratch, user, positives[i], scratch.positive_scores[i], candidates)
    n_negatives = choose(
        task.selection, candidates, scratch.scores, task.candidates, task.group_size)
    if is_pair and n_negatives == 1:
        step_drawn_pair(
            task, scratch, user, positives[0], candidates[0],
            scratch.positive_scores[0] - scratch.scores[0], -1)
        return
    step_list(task, scratch, user, positives, n_positives, candidates, n_negatives)


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
cdef void propose_pairs(
    const Task* task, Scratch* scratch, const Row* row, int64_t done, Block* block
) noexcept nogil:
    cdef uint32_t n = <uint32_t> min(<int64_t> task.pairs_at_once, row.n_pairs - done), i
    block.n_pairs = n
    block.n_candidates = task.candidates if task.shares_candidates else n * task.candidates
    for i in range(n):
        if task.positives == STORED:
            block.labels[i] = <uint32_t> task.indices[row.begin + done + i]
        else:
            block.labels[i] = draw_positive(task, scratch, row.begin, row.end)
    prepare(task.proposal, &scratch.drawer, row.user)
    if task.selection == VIOLATOR:
        # it draws between the steps, which move the factors
        memcpy(scratch.prepared, row.user, task.stride * sizeof(float))
        block.n_candidates = 0
        return
    if task.corrected:
        fill_probabilities(task.proposal, &scratch.drawer, row.user, scratch.probability)
        if task.verify:
            exclude_positives(&scratch.drawer, task.proposal.n_labels, scratch.probability)
    propose_all(task.proposal, scratch, row.user, block.n_candidates)


cdef void settle_pairs(
    const Task* task, Scratch* scratch, const Row* row, Block* block
) noexcept nogil:
    cdef uint32_t i
    for i in range(min(block.n_pairs, task.pairs_ahead)):
        fetch_positive(task, block.labels[i])
    settle_all(
        task.proposal, scratch, row.user, task.verify, block.candidates, block.n_candidates)
    for i in range(min(block.n_candidates, task.candidates_ahead)):
        fetch_candidate(task, block.candidates[i])
    for i in range(task.pairs_ahead):
        block.labels[block.n_pairs + i] = block.labels[0]
    for i in range(task.candidates_ahead):
        block.candidates[block.n_candidates + i] = block.candidates[0]


cdef inline void step_pairs(
    const Task* task, Scratch* scratch, float* user, const Block* block, uint32_t first,
    uint32_t last
) noexcept nogil:
    cdef uint32_t i
    if task.shares_candidates:
        if first < last:
            step(task, scratch, user, block.labels + first, last - first, block.candidates)
        return
    for i in range(first, last):
        step(
            task, scratch, user, block.labels + i, 1,
            block.candidates + <size_t> i * task.candidates)


# user: where its factors go, padded
cdef Row load_row(const Task* task, int64_t place, float* user) noexcept nogil:
    cdef Row row
    cdef int32_t number = task.rows[place]
    row.user = user
    memcpy(
        user, task.user_factors + <size_t> number * task.user_columns,
        task.user_columns * sizeof(float))
    # what the row before left there may be no number
    memset(user + task.user_columns, 0, (task.stride - task.user_columns) * sizeof(float))
    row.begin = task.indptr[number]
    row.end = task.indptr[number + 1]
    row.n_pairs = row.end - row.begin if task.positives == STORED else task.draws[place]
    row.number = <uint64_t> number
    row.share = 1
    if task.pairs_of_full_steps > 0 and row.n_pairs > task.pairs_of_full_steps:
        row.share = task.pairs_of_full_steps / <float> row.n_pairs
    return row


cdef void store_row(const Task* task, const Row* row) noexcept nogil:
    memcpy(
        task.user_factors + row.number * task.user_columns, row.user,
        task.user_columns * sizeof(float))


# all draws from here on are for this row
cdef void begin_row(const Task* task, Scratch* scratch, const Row* row) noexcept nogil:
    scratch.random = random_stream(task.seed, task.epoch, row.number)
    if task.verify:
        unmark_positives(&scratch.drawer)
        mark_positives(
            &scratch.drawer, task.indices + row.begin, <uint32_t> (row.end - row.begin))


# drawn: the first pairs are there already. following: the row that comes next, whose first pairs
# are drawn here, or NULL. They are proposed before the last steps on this row and looked up
# between them, when the table has had time to arrive. It draws the same as later: the steps on a
# row change neither the factors of another nor the rank table.
cdef void train_pairs(
    const Task* task, Scratch* scratch, const Row* row, bint drawn, const Row* following
) noexcept nogil:
    cdef int64_t done = 0
    cdef Block* block = &scratch.block
    cdef uint32_t middle
    scratch.learning_rate_user = row.share * task.learning_rate_user
    scratch.decay_user = row.share * task.decay_user
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
            if not task.shares_candidates and block.n_pairs > task.pairs_ahead:
                middle = block.n_pairs - task.pairs_ahead
            step_pairs(task, scratch, row.user, block, 0, middle)
            settle_pairs(task, scratch, following, &scratch.following)
        step_pairs(task, scratch, row.user, block, middle, block.n_pairs)
    if following != NULL:
        scratch.block, scratch.following = scratch.following, scratch.block


# Newton's step on the logistic loss of the row's positives against all negatives at once, if those
# were normal around their mean. The matrix has the curvature that rows have in common; what the
# positives of this one add to it has a rank of one.
cdef void take_first_step(const Task* task, Scratch* scratch, const Row* row) noexcept nogil:
    cdef float* gap = scratch.gradient
    cdef float* move = scratch.folded
    cdef float share = <float> (1.0 / (row.end - row.begin)), squares = 0
    cdef uint32_t f
    cdef int64_t i
    memset(gap, 0, task.stride * sizeof(float))
    memset(move, 0, task.stride * sizeof(float))
    for i in range(row.begin, row.end):
        vr_add_masked(
            gap, task.item_factors + <size_t> task.indices[i] * task.stride, task.learns, share, 0,
            task.stride)
    vr_add_masked(gap, task.mean_negative, task.learns, -1, 0, task.stride)
    for f in range(task.user_columns):
        move[f] = vr_dot(task.first_step + <size_t> f * task.stride, gap, task.stride)
        squares += move[f] * gap[f]
    vr_add_masked(
        row.user, move, task.learns, task.unit * <float> 0.5 / (1 + <float> 0.25 * squares), 0,
        task.stride)


# the mean over the later sweeps; the random numbers depend on the positives alone
cdef void fold_row(const Task* task, Scratch* scratch, const Row* row) noexcept nogil:
    cdef uint64_t key = 0
    cdef uint32_t sweep, kept = 0
    cdef uint32_t sweeps = <uint32_t> max(<int64_t> task.sweeps, task.least_steps // row.n_pairs)
    cdef int64_t i
    for i in range(row.begin, row.end):
        key = mix(key + <uint64_t> task.indices[i] + 1)
    take_first_step(task, scratch, row)
    if task.cosine:
        normalise(row.user, task.stride)
    scratch.random = random_stream(task.seed, task.epoch, key)
    memset(scratch.folded, 0, task.stride * sizeof(float))
    for sweep in range(sweeps):
        train_pairs(task, scratch, row, False, NULL)
        if 2 * sweep >= sweeps - 1:
            vr_add_masked(scratch.folded, row.user, task.learns, 1, 0, task.stride)
            kept += 1
    vr_add_masked(row.user, scratch.folded, task.learns, <float> 1.0 / kept, 1, task.stride)
    if task.cosine:
        normalise(row.user, task.stride)


# rows are in no order, so that nothing of the next ones is near
cdef inline void fetch_rows(const Task* task, int64_t place, int64_t stop) noexcept nogil:
    if place + 4 < stop:
        VR_FETCH_TO_READ(task.indptr + task.rows[place + 4])
    if place + 2 < stop:
        # the positives of most rows lie in one or two lines
        VR_FETCH_TO_READ(task.indices + task.indptr[task.rows[place + 2]])
        VR_FETCH_TO_READ(task.indices + task.indptr[task.rows[place + 2] + 1] - 1)
        fetch_user(task, task.rows[place + 2])


cdef void train_rows(
    const Task* task, Scratch* scratch, int64_t start, int64_t stop
) noexcept nogil:
    cdef int64_t place
    cdef Row row, following
    cdef bint drawn = False
    for place in range(start, stop):
        fetch_rows(task, place, stop)
        if not drawn:
            row = load_row(task, place, scratch.user)
            begin_row(task, scratch, &row)
        if task.sweeps:
            fold_row(task, scratch, &row)
            store_row(task, &row)
        elif task.draws_ahead and place + 1 < stop and row.n_pairs > 0:
            following = load_row(task, place + 1, scratch.following_user)
            train_pairs(task, scratch, &row, drawn, &following)
            store_row(task, &row)
            row, drawn = following, True
            scratch.user, scratch.following_user = scratch.following_user, scratch.user
        else:
            train_pairs(task, scratch, &row, drawn, NULL)
            store_row(task, &row)
            drawn = False
    unmark_positives(&scratch.drawer)


def train(
    Sampler sampler not None,
    const int64_t[::1] indptr not None,
    const int32_t[::1] indices not None,
    const int32_t[::1] rows not None,
    const int32_t[::1] draws,
    const double[::1] running_values,
    float[:, ::1] user_factors not None,
    float[:, ::1] item_factors not None,
    const float[::1] learns not None,
    const double[::1] rank_weights,
    *,
    int selection, int candidates, int group_size, int max_trials,
    int loss, double margin, double temperature, bint corrected, bint shares_candidates,
    bint damped,
    double learning_rate, double learning_rate_user, double regularization_user,
    double regularization_positive, double regularization_negative, bint regularize_violating_only,
    bint verify, bint cosine, bint auto_group, bint in_turn,
    uint64_t seed, uint64_t epoch, int n_threads, double pairs_of_full_steps=0.0,
    int sweeps=0, int least_steps=0, const float[:, ::1] first_step=None,
    const float[::1] mean_negative=None, double unit=1.0
):
    """Train on the positives of the given rows, in this order, and return counts.

    indptr, indices : IN, the positives of every row, ascending
    rows : IN, the rows to train, each at most once
    draws : IN, how many positives to draw of each of these rows, or None for each stored one once
    running_values : IN, of running_sums(): draw by value; None: uniformly
    user_factors : INOUT (n_rows, columns), at most as wide as item_factors; not padded, so that
        most of what a model holds takes no more memory than it has to
    item_factors : INOUT (n_labels, stride), padded and aligned
    learns : IN (stride,), 1 for the columns of a user that are learned, else 0
    rank_weights : IN (n_labels,), L(rank) for the WARP loss, else None
    pairs_of_full_steps : 0, or a number of pairs: the steps on a row of more of them are smaller in
        proportion
    sweeps : 0, or how often to go over the positives of a row with item_factors fixed. Then
        user_factors are where it starts from, and random numbers depend on the positives alone
    least_steps : rows with few positives go over them more often, up to so many steps
    first_step : IN (stride, stride), padded and aligned, and
    mean_negative : IN (stride,), padded and aligned: a row begins with half the product of this
        matrix with the mean of its positives' rows less this one, divided by 1 and a quarter of the
        product of both, and times
    unit : which is that of the scores. Needed where there are sweeps
    """
    cdef Task task
    cdef Counts counts
    cdef int64_t n_rows = rows.shape[0], rows_at_once, n_chunks, chunk
    cdef int thread
    cdef Scratch** scratch
    if n_rows == 0:
        return dict.fromkeys(COUNTS, 0)
    memset(&task, 0, sizeof(Task))
    task.proposal = &sampler.proposal
    task.indptr = &indptr[0]
    task.indices = &indices[0]
    task.rows = &rows[0]
    if draws is not None:
        task.draws = &draws[0]
        task.positives = DRAWN
        if running_values is not None:
            task.positives = DRAWN_BY_VALUE
            task.running_values = &running_values[0]
    task.user_factors = &user_factors[0, 0]
    task.item_factors = &item_factors[0, 0]
    require_alignment(task.item_factors)
    cdef float[::1] aligned_learns = aligned_row(learns)
    task.learns = &aligned_learns[0]
    if rank_weights is not None:
        task.rank_weights = &rank_weights[0]
    task.selection = <SelectionKind> selection
    task.loss.kind = <LossKind> loss
    task.loss.margin = margin
    task.loss.temperature = temperature
    task.stride = <uint32_t> item_factors.shape[1]
    task.user_columns = <uint32_t> user_factors.shape[1]
    task.candidates = candidates
    task.group_size = group_size
    task.max_trials = max_trials
    task.pairs_at_once = pairs_at_once(candidates, shares_candidates)
    task.learning_rate = <float> learning_rate
    task.learning_rate_user = <float> learning_rate_user
    task.pairs_of_full_steps = <float> pairs_of_full_steps
    task.decay_user = <float> (learning_rate_user * regularization_user)
    task.decay_positive = <float> (learning_rate * regularization_positive)
    task.decay_negative = <float> (learning_rate * regularization_negative)
    task.decay_violating_only = regularize_violating_only
    task.verify = verify
    task.cosine = cosine
    task.corrected = corrected
    task.shares_candidates = shares_candidates
    # what else a draw depends on changes with every step, or has one place for its numbers
    task.draws_ahead = (
        sampler.proposal.kind != EXACT and task.selection != VIOLATOR and not corrected
        and not sweeps)
    task.candidates_ahead = max(
        <uint32_t> LEAST_AHEAD, min(<uint32_t> candidates, <uint32_t> MOST_AHEAD))
    task.pairs_ahead = LEAST_AHEAD
    if not shares_candidates:
        task.pairs_ahead = (LEAST_AHEAD + task.candidates - 1) // task.candidates
    task.writes_positives = not sweeps
    task.writes_candidates = not sweeps and task.selection == FIRST
    task.measure_cosines = auto_group
    task.damped = damped
    task.in_turn = in_turn
    task.sweeps = sweeps
    task.least_steps = least_steps
    if sweeps:
        if first_step is None or mean_negative is None:
            raise ValueError("to fold in takes first_step and mean_negative")
        task.first_step = &first_step[0, 0]
        task.mean_negative = &mean_negative[0]
        task.unit = <float> unit
        require_alignment(task.first_step)
        require_alignment(task.mean_negative)
    task.seed = seed
    task.epoch = epoch
    rows_at_once = max(1, min(<int64_t> ROWS_AT_ONCE, n_rows // (TURNS * max(1, n_threads))))
    n_chunks = (n_rows + rows_at_once - 1) // rows_at_once
    n_threads = <int> max(1, min(<int64_t> n_threads, n_chunks))
    scratch = allocate_all(n_threads, &sampler.proposal, candidates, corrected)
    with nogil, parallel(num_threads=n_threads):
        for chunk in prange(n_chunks, schedule="dynamic", chunksize=1):
            train_rows(
                &task, scratch[threadid()], chunk * rows_at_once,
                min(n_rows, (chunk + 1) * rows_at_once),
            )
    memset(&counts, 0, sizeof(Counts))
    for thread in range(n_threads):
        counts.loss.total += (
            scratch[thread].counts.loss.total + log(scratch[thread].counts.loss.factor))
        counts.pairs += scratch[thread].counts.pairs
        counts.correct += scratch[thread].counts.correct
        counts.violations += scratch[thread].counts.violations
        counts.skipped += scratch[thread].counts.skipped
        counts.not_finite += scratch[thread].counts.not_finite
        counts.trials += scratch[thread].counts.trials
        counts.positive_cosine += scratch[thread].counts.positive_cosine
        counts.negative_repulsion += scratch[thread].counts.negative_repulsion
        counts.negatives += scratch[thread].counts.negatives
    release(scratch, n_threads)
    return {
        "loss": counts.loss.total,
        "pairs": counts.pairs,
        "correct": counts.correct,
        "violations": counts.violations,
        "skipped": counts.skipped,
        "not_finite": counts.not_finite,
        "trials": counts.trials,
        "positive_cosine": counts.positive_cosine,
        "negative_repulsion": counts.negative_repulsion,
        "negatives": counts.negatives,
    }


def fold_label(
    float[::1] factors not None,
    float[::1] sum_of_sweeps not None,
    const float[:, ::1] user_factors not None,
    const int32_t[::1] images not None,
    const double[::1] others not None,
    const double[::1] gates not None,
    const int64_t[::1] starts not None,
    *,
    int loss, double margin, double temperature, double learning_rate,
    double regularization_positive, double regularization_negative, double negative_weight,
    int first_summed, bint cosine
):
    """Learn the factors of one label from given comparisons, the factors of images fixed.

    factors : INOUT (stride,), padded and aligned
    sum_of_sweeps : INOUT (stride,), padded and aligned; what the factors are after each sweep from
        first_summed on is added to it
    user_factors : IN, padded and aligned
    images, others, gates : IN, one value a comparison: the image, the score of the label compared
        with, and what the label's own score has to reach to count as its negative; not a
        number where the label is the positive
    starts : IN, the first comparison of every sweep, and the number of all
    negative_weight : how many comparisons each stands for in which the label is the negative: so
        many steps of about that size are taken in turn, while the score reaches the gate, since
        one that is many times as long overshoots
    """
    cdef Loss settings
    cdef Py_ssize_t stride = user_factors.shape[1], sweeps = starts.shape[0] - 1, sweep, t
    cdef int turns = max(1, <int> round(negative_weight)), turn
    cdef double weight = negative_weight / turns
    cdef const float* user
    cdef float* label = &factors[0]
    cdef double score, slope, of_other
    # nobody asks for the loss
    cdef LossSum loss_sum
    loss_sum.total, loss_sum.factor = 0.0, 1.0
    require_alignment(label)
    require_alignment(&user_factors[0, 0])
    cdef float[::1] learns = aligned_row(np.ones(stride, dtype=np.float32))
    settings.kind = <LossKind> loss
    settings.margin = margin
    settings.temperature = temperature
    with nogil:
        for sweep in range(sweeps):
            for t in range(starts[sweep], starts[sweep + 1]):
                user = &user_factors[images[t], 0]
                if gates[t] != gates[t]:
                    score = vr_dot(label, user, stride)
                    list_losses(
                        &settings, &score, 1, &others[t], 1, NULL, &slope, &of_other, &loss_sum)
                    step_label(
                        label, user, &learns[0], learning_rate * slope,
                        learning_rate * regularization_positive, stride, cosine,
                    )
                    continue
                for turn in range(turns):
                    score = vr_dot(label, user, stride)
                    if score < gates[t]:
                        break
                    list_losses(
                        &settings, &others[t], 1, &score, 1, NULL, &of_other, &slope, &loss_sum)
                    step_label(
                        label, user, &learns[0], -learning_rate * weight * slope,
                        learning_rate * weight * regularization_negative, stride, cosine,
                    )
            if sweep >= first_summed:
                vr_add_masked(&sum_of_sweeps[0], label, &learns[0], 1, 0, stride)


cdef void step_label(
    float* label, const float* user, const float* learns, double step, double decay,
    Py_ssize_t stride, bint cosine
) noexcept nogil:
    vr_add_masked(label, user, learns, <float> step, <float> min(0.5, decay), stride)
    if cosine:
        normalise(label, <uint32_t> stride)


def score_pairs(
    const float[:, ::1] user_factors not None,
    const int32_t[::1] images not None,
    const float[:, ::1] item_factors not None,
    const int32_t[:, ::1] labels not None,
    double[:, ::1] out not None,
    int n_threads
):
    """Score labels (n, m) for images (n,), to out (n, m).

    user_factors, item_factors : IN, padded and aligned
    labels : IN, those below 0 score -inf
    """
    require_alignment(&user_factors[0, 0])
    require_alignment(&item_factors[0, 0])
    cdef int64_t n = labels.shape[0], row
    with nogil, parallel(num_threads=n_threads):
        for row in prange(n, schedule="static"):
            score_row(
                &user_factors[images[row], 0], &item_factors[0, 0], &labels[row, 0],
                &out[row, 0], labels.shape[1], item_factors.shape[1],
            )


cdef void score_row(
    const float* user, const float* item_factors, const int32_t* labels, double* out, Py_ssize_t n,
    Py_ssize_t stride
) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        out[j] = -HUGE_VAL
        if labels[j] >= 0:
            out[j] = vr_dot(user, item_factors + <size_t> labels[j] * stride, stride)


def running_sums(const int64_t[::1] indptr not None, const double[::1] values not None):
    """Sum the values of every row up to each of them."""
    sums = np.empty(values.shape[0], dtype=np.float64)
    cdef double[::1] out = sums
    cdef double total
    cdef int64_t row, i
    with nogil:
        for row in range(indptr.shape[0] - 1):
            total = 0
            for i in range(indptr[row], indptr[row + 1]):
                total += values[i]
                out[i] = total
    return sums


def loss_and_slopes(
    int loss, const double[::1] positives not None, const double[::1] negatives not None,
    double margin=1.0, double temperature=1.0, double weight=1.0,
    const double[::1] correction=None
):
    """Sum the losses of positives against the same negatives; return it and the slopes of both.

    The slopes are minus the derivatives by the scores of the positives, and the derivatives by
    those of the negatives. weight is that of the WARP loss, which takes one of each.
    """
    cdef Loss settings
    cdef LossSum total
    cdef PairLoss pair
    cdef uint32_t n = <uint32_t> positives.shape[0], m = <uint32_t> negatives.shape[0]
    positive_slopes, slopes = np.empty(n, dtype=np.float64), np.empty(m, dtype=np.float64)
    cdef double[::1] positive_out = positive_slopes, out = slopes
    cdef const double* shifts = NULL
    if correction is not None:
        shifts = &correction[0]
    settings.kind = <LossKind> loss
    settings.margin = margin
    settings.temperature = temperature
    if n == 1 and m == 1 and loss <= LossKind.WARP:
        pair = pair_loss(&settings, positives[0] - negatives[0], weight)
        positive_out[0] = out[0] = pair.slope
        return pair.linear + log(pair.factor), positive_slopes, slopes
    total.total, total.factor = 0.0, 1.0
    list_losses(
        &settings, &positives[0], n, &negatives[0], m, shifts, &positive_out[0], &out[0], &total)
    return total.total + log(total.factor), positive_slopes, slopes


SELECTIONS = {"first": 0, "hardest": 1, "group": 2, "violator": 3}
LOSSES = {"hinge": 0, "logistic": 1, "warp": 2, "softmax": 3, "sgns": 4}
COUNTS = (
    "loss", "pairs", "correct", "violations", "skipped", "not_finite", "trials",
    "positive_cosine", "negative_repulsion", "negatives",
)


def pairs_drawn_together(int candidates, bint shares_candidates=False):
    """Pairs of a row whose candidates are drawn before the first of them is trained on."""
    return pairs_at_once(candidates, shares_candidates)
