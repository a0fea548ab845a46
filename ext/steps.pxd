"""Steps on the vector of an image and on the rows of labels: a pair, a list, a violator."""

from libc.math cimport HUGE_VAL, exp, fabs, log, sqrt
from libc.stdint cimport uint32_t
from libc.string cimport memset

from buffers cimport FLOATS_IN_LINE, Counts, Scratch
from losses cimport (
    Loss,
    PairLoss,
    add_loss,
    damped_slope,
    list_damping,
    list_loss,
    pair_loss,
    violation_margin,
)
from samplers cimport SamplerTables, is_positive, propose_negative
from selections cimport VIOLATOR, SelectionKind, choose
from simd cimport (
    VR_FETCH_TO_READ,
    VR_FETCH_TO_WRITE,
    vr_add_masked,
    vr_difference,
    vr_difference_and_reach,
    vr_dot,
    vr_gather_update,
    vr_reach,
    vr_scale,
    vr_update,
    vr_update_in_turn,
)


# how steps are taken, and on which labels
ctypedef struct Settings:
    const SamplerTables* tables
    float* item_factors
    # floats of a row
    uint32_t stride
    # 1 for the columns of a vector that move, else 0
    const float* learns
    Loss loss
    # L(rank) of the WARP loss, or NULL
    const double* rank_weights
    SelectionKind selection
    uint32_t candidates
    uint32_t group_size
    uint32_t max_trials
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
    # steps on a positive and a negative do not overshoot
    bint damped
    # as in the code the paper's authors released: the vector moves before the labels, and the
    # violator is the first by id
    bint in_turn
    # only the vectors of images move
    bint labels_stay
    bint measure_cosines
    # so far ahead are rows of positives and of candidates fetched, and which of them to be written
    uint32_t pairs_ahead
    uint32_t candidates_ahead
    bint writes_candidates


cdef inline float* row_of(const Settings* settings, uint32_t label) noexcept nogil:
    return settings.item_factors + <size_t> label * settings.stride


cdef inline void fetch_row(const float* row, uint32_t stride, bint to_write) noexcept nogil:
    cdef uint32_t line
    if to_write:
        for line in range(stride // FLOATS_IN_LINE):
            VR_FETCH_TO_WRITE(row + line * FLOATS_IN_LINE)
    else:
        # a line that is only read stays in the caches of the other threads
        for line in range(stride // FLOATS_IN_LINE):
            VR_FETCH_TO_READ(row + line * FLOATS_IN_LINE)


cdef inline void fetch_positive(const Settings* settings, uint32_t label) noexcept nogil:
    fetch_row(row_of(settings, label), settings.stride, not settings.labels_stay)


cdef inline void fetch_candidate(const Settings* settings, uint32_t label) noexcept nogil:
    # where one of several is chosen, the others are only read
    fetch_row(row_of(settings, label), settings.stride, settings.writes_candidates)


cdef inline void normalise(float* row, uint32_t stride) noexcept nogil:
    cdef float norm = vr_dot(row, row, stride)
    if norm > 0:
        vr_scale(row, <float> 1.0 / <float> sqrt(norm), stride)


# reach is that of vr_reach, or below zero where it is not known yet
cdef inline void step_pair(
    const Settings* settings, Scratch* scratch, float* user, uint32_t positive, uint32_t negative,
    double difference, double weight, float reach
) noexcept nogil:
    cdef Counts* counts = &scratch.counts
    cdef float* positive_row = row_of(settings, positive)
    cdef float* negative_row = row_of(settings, negative)
    cdef PairLoss loss = pair_loss(&settings.loss, difference, weight)
    cdef bint violates = not difference >= violation_margin(&settings.loss)
    cdef bint decays = violates or not settings.decay_violating_only
    cdef float move
    add_loss(&counts.loss, loss.linear, loss.factor)
    counts.correct += difference > 0
    counts.violations += violates
    counts.not_finite += not fabs(difference) < HUGE_VAL
    if settings.damped and loss.slope != 0:
        if reach < 0:
            reach = vr_reach(
                user, positive_row, negative_row, settings.learns, scratch.learning_rate_user,
                settings.learning_rate, settings.stride,
            )
        loss.slope = damped_slope(&settings.loss, loss.slope, difference, reach)
    if settings.labels_stay:
        move = <float> (scratch.learning_rate_user * loss.slope)
        vr_add_masked(
            user, positive_row, settings.learns, move, scratch.decay_user * decays, settings.stride)
        vr_add_masked(user, negative_row, settings.learns, -move, 0, settings.stride)
    elif settings.in_turn:
        vr_update_in_turn(
            user, positive_row, negative_row, settings.learns,
            <float> (scratch.learning_rate_user * loss.slope),
            <float> (settings.learning_rate * loss.slope), scratch.decay_user * decays,
            settings.decay_positive * decays, settings.decay_negative * decays, settings.stride,
        )
    else:
        vr_update(
            user, positive_row, negative_row, settings.learns,
            <float> (scratch.learning_rate_user * loss.slope),
            <float> (settings.learning_rate * loss.slope), scratch.decay_user * decays,
            settings.decay_positive * decays, settings.decay_negative * decays, settings.stride,
        )
    if settings.cosine:
        normalise(user, settings.stride)
    if settings.cosine and not settings.labels_stay:
        normalise(positive_row, settings.stride)
        normalise(negative_row, settings.stride)


cdef inline void step_drawn_pair(
    const Settings* settings, Scratch* scratch, float* user, uint32_t positive, uint32_t negative,
    double difference, float reach
) noexcept nogil:
    if negative == positive:
        scratch.counts.skipped += 1
    else:
        step_pair(settings, scratch, user, positive, negative, difference, 1.0, reach)


cdef inline double square_of(const Settings* settings, uint32_t label) noexcept nogil:
    cdef const float* row = row_of(settings, label)
    return vr_dot(row, row, settings.stride)


# By how much the slopes of a list are shortened. The image's step moves the score of the positive
# against that of a negative by its rate times the squared distance of both, for which their squared
# lengths stand; where every negative has a loss of its own, all of them move it.
cdef inline double damping_of_list(
    const Settings* settings, const Scratch* scratch, const float* user, uint32_t positive,
    const uint32_t* negatives, uint32_t n_negatives
) noexcept nogil:
    cdef double of_positive = square_of(settings, positive), of_negatives = 0, square
    cdef uint32_t j
    for j in range(n_negatives):
        square = square_of(settings, negatives[j])
        if settings.loss.adds_negatives:
            of_negatives += square
        else:
            of_negatives = max(of_negatives, square)
    return list_damping(
        &settings.loss,
        scratch.learning_rate_user * (of_positive + of_negatives)
        + 2 * settings.learning_rate * <double> vr_dot(user, user, settings.stride))


# a positive, which scores so much, against the chosen candidates, which are the first n_negatives,
# all from the values of the vector before the step
cdef inline void step_list(
    const Settings* settings, Scratch* scratch, float* user, uint32_t positive, double score,
    const uint32_t* negatives, uint32_t n_negatives
) noexcept nogil:
    cdef Counts* counts = &scratch.counts
    cdef uint32_t j
    cdef bint violates, decays
    cdef double slope, damping, difference, highest = scratch.scores[0]
    if settings.corrected:
        for j in range(n_negatives):
            scratch.corrections[j] = -log(
                settings.candidates * scratch.probability[negatives[j]])
    slope = list_loss(
        &settings.loss, score, scratch.scores, n_negatives,
        scratch.corrections if settings.corrected else NULL, scratch.slopes, &counts.loss)
    if settings.damped:
        damping = damping_of_list(settings, scratch, user, positive, negatives, n_negatives)
        slope *= damping
        for j in range(n_negatives):
            scratch.slopes[j] *= damping
    for j in range(1, n_negatives):
        # a score that is not a number is taken, and stays
        if highest == highest and not scratch.scores[j] <= highest:
            highest = scratch.scores[j]
    difference = score - highest
    violates = not difference >= violation_margin(&settings.loss)
    decays = violates or not settings.decay_violating_only
    counts.correct += difference > 0
    counts.violations += violates
    counts.not_finite += not fabs(difference) < HUGE_VAL
    memset(scratch.gradient, 0, settings.stride * sizeof(float))
    gather(settings, scratch, user, positive, slope, settings.decay_positive * decays)
    for j in range(n_negatives):
        gather(
            settings, scratch, user, negatives[j], -scratch.slopes[j],
            settings.decay_negative * decays)
    vr_add_masked(
        user, scratch.gradient, settings.learns, scratch.learning_rate_user,
        scratch.decay_user * decays, settings.stride,
    )
    if settings.cosine:
        normalise(user, settings.stride)


# a label's part of the gradient of the image, and its own step
cdef inline void gather(
    const Settings* settings, Scratch* scratch, const float* user, uint32_t label, double slope,
    float decay
) noexcept nogil:
    cdef float* row = row_of(settings, label)
    if settings.labels_stay:
        vr_add_masked(scratch.gradient, row, settings.learns, <float> slope, 0, settings.stride)
        return
    vr_gather_update(
        scratch.gradient, row, user, <float> slope, <float> (settings.learning_rate * slope), decay,
        settings.stride,
    )
    if settings.cosine:
        normalise(row, settings.stride)


cdef inline void measure_cosines(
    const Settings* settings, Scratch* scratch, const float* user, uint32_t positive, double score,
    const uint32_t* candidates
) noexcept nogil:
    cdef double user_norm = sqrt(vr_dot(user, user, settings.stride)), norm
    cdef const float* row = row_of(settings, positive)
    cdef uint32_t j
    norm = user_norm * sqrt(vr_dot(row, row, settings.stride))
    if norm > 0:
        scratch.counts.positive_cosine += score / norm
    for j in range(settings.candidates):
        row = row_of(settings, candidates[j])
        norm = user_norm * sqrt(vr_dot(row, row, settings.stride))
        scratch.counts.negative_repulsion += exp(-scratch.scores[j] / norm) if norm > 0 else 1.0
    scratch.counts.negatives += settings.candidates


# draws until one violates, as WARP does
cdef inline void step_violator(
    const Settings* settings, Scratch* scratch, float* user, uint32_t positive
) noexcept nogil:
    cdef Counts* counts = &scratch.counts
    cdef uint32_t trial, negative = 0, rank, trials = settings.max_trials
    cdef double weight = 1.0, difference
    cdef double score = vr_dot(user, row_of(settings, positive), settings.stride)
    for trial in range(1, settings.max_trials + 1):
        if settings.in_turn:
            while negative < settings.tables.n_labels and is_positive(&scratch.drawer, negative):
                negative += 1
            if negative == settings.tables.n_labels:
                trials = trial - 1
                break
        else:
            negative = propose_negative(
                settings.tables, &scratch.drawer, scratch.prepared, settings.verify,
                &scratch.random)
        difference = score - vr_dot(user, row_of(settings, negative), settings.stride)
        if not difference >= settings.loss.margin and negative != positive:
            if settings.rank_weights != NULL:
                rank = (settings.tables.n_labels - 1) // trial
                weight = settings.rank_weights[rank]
            step_pair(settings, scratch, user, positive, negative, difference, weight, -1)
            counts.trials += trial
            return
        if settings.in_turn:
            negative += 1
    counts.correct += 1
    counts.trials += trials


# Both arrays begin with what the step is on, and go on with what is fetched meanwhile.
cdef inline void step(
    const Settings* settings, Scratch* scratch, float* user, const uint32_t* positives,
    uint32_t* candidates
) noexcept nogil:
    cdef uint32_t positive = positives[0], n_negatives, j
    cdef bint is_pair = not settings.loss.is_of_lists
    cdef float* positive_row = row_of(settings, positive)
    cdef float* negative_row
    cdef float difference, reach = -1
    cdef double score
    scratch.counts.pairs += 1
    if settings.selection == VIOLATOR:
        fetch_positive(settings, positives[settings.pairs_ahead])
        step_violator(settings, scratch, user, positive)
        return
    scratch.counts.trials += settings.candidates
    if is_pair and settings.candidates == 1:
        negative_row = row_of(settings, candidates[0])
        # where a loss has no slope it needs no reach either
        if settings.damped and settings.loss.slopes_everywhere:
            difference = vr_difference_and_reach(
                user, positive_row, negative_row, settings.learns, scratch.learning_rate_user,
                settings.learning_rate, settings.stride, &reach)
        else:
            difference = vr_difference(user, positive_row, negative_row, settings.stride)
        # while the sums and the loss are on their way
        fetch_positive(settings, positives[settings.pairs_ahead])
        fetch_candidate(settings, candidates[settings.candidates_ahead])
        step_drawn_pair(
            settings, scratch, user, positive, candidates[0], difference, reach)
        return
    fetch_positive(settings, positives[settings.pairs_ahead])
    score = vr_dot(user, positive_row, settings.stride)
    for j in range(settings.candidates):
        fetch_candidate(settings, candidates[j + settings.candidates_ahead])
        scratch.scores[j] = vr_dot(user, row_of(settings, candidates[j]), settings.stride)
    if settings.measure_cosines:
        measure_cosines(settings, scratch, user, positive, score, candidates)
    n_negatives = choose(
        settings.selection, candidates, scratch.scores, settings.candidates, settings.group_size)
    if is_pair and n_negatives == 1:
        step_drawn_pair(
            settings, scratch, user, positive, candidates[0], score - scratch.scores[0], -1)
        return
    step_list(settings, scratch, user, positive, score, candidates, n_negatives)
