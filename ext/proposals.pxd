"""Where candidate negatives come from.

A proposal is prepared for a row once and then drawn from many times. To add one: a value of
ProposalKind, its branch in prepare(), propose_place(), settle() and fill_probabilities().
"""

from libc.math cimport pow
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from alias cimport alias_draw
from rank_table cimport Sorter, order_ends
from rng cimport Random, below, lower_unit, next_random, upper_unit


cdef extern from "simd.h" nogil:
    void VR_FETCH_TO_READ(const void* address)
    uint32_t vr_descending_key(float value)
    float vr_dot(const float* a, const float* b, Py_ssize_t k)
    void vr_running_weights(const float* v, const float* spread, float* running, Py_ssize_t k)
    float vr_lane_sums(const float* running, float* lane_sums, Py_ssize_t k)
    Py_ssize_t vr_pick(
        const float* running, const float* lane_sums, float across, float along, Py_ssize_t k
    )


cdef enum ProposalKind:
    ADAPTIVE = 0
    UNIFORM = 1
    POPULARITY = 2
    EXACT = 3


cdef enum:
    # a positive is drawn again this often before a uniform negative takes its place
    MAX_REDRAWS = 32


ctypedef struct Proposal:
    ProposalKind kind
    uint32_t n_labels
    # columns of a factor row: those in use, and with the padding
    uint32_t columns
    uint32_t stride
    # alias table of the rank law (adaptive, exact) or of the labels (popularity), n_outcomes rows,
    # and the probabilities it stands for
    const uint32_t* law
    const double* law_probability
    uint32_t n_outcomes
    # adaptive: the rank table, of one or the other type, and the deviation of every factor
    uint16_t* narrow_table
    uint32_t* wide_table
    uint32_t width
    float* spread
    # its variance in place of the deviation
    bint variance
    # exact
    const float* item_factors


# what one thread needs to draw for one row
ctypedef struct Drawer:
    # adaptive: running weights (stride) and their lane sums (16) of the row prepared last
    float* running
    float* lane_sums
    float weight
    # exact: the labels at the ranks of the law, for the row prepared last
    uint32_t* ranking
    Sorter sorter
    # one bit a label
    uint64_t* positive
    # the row's positives, ascending
    const int32_t* positives
    uint32_t n_positives


cdef inline void mark_positives(
    Drawer* drawer, const int32_t* positives, uint32_t n_positives
) noexcept nogil:
    cdef uint32_t i
    drawer.positives = positives
    drawer.n_positives = n_positives
    for i in range(n_positives):
        drawer.positive[positives[i] >> 6] |= <uint64_t> 1 << (positives[i] & 63)


cdef inline void unmark_positives(Drawer* drawer) noexcept nogil:
    cdef uint32_t i
    for i in range(drawer.n_positives):
        drawer.positive[drawer.positives[i] >> 6] = 0
    drawer.n_positives = 0


cdef inline bint is_positive(const Drawer* drawer, uint32_t label) noexcept nogil:
    return (drawer.positive[label >> 6] >> (label & 63)) & 1


# user: one padded factor row
cdef inline void prepare(
    const Proposal* proposal, Drawer* drawer, const float* user
) noexcept nogil:
    cdef uint32_t label
    if proposal.kind == ADAPTIVE:
        vr_running_weights(user, proposal.spread, drawer.running, proposal.stride)
        drawer.weight = vr_lane_sums(drawer.running, drawer.lane_sums, proposal.stride)
    elif proposal.kind == EXACT:
        for label in range(proposal.n_labels):
            drawer.sorter.keys[label] = vr_descending_key(vr_dot(
                user, proposal.item_factors + <size_t> label * proposal.stride, proposal.stride
            ))
        order_ends(
            drawer.sorter.keys, proposal.n_labels, proposal.n_outcomes, 0, &drawer.sorter,
            NULL, drawer.ranking,
        )


cdef inline size_t place_in_table(
    const Proposal* proposal, uint32_t factor, uint32_t rank, bint from_top
) noexcept nogil:
    return <size_t> factor * proposal.width + (
        rank if from_top else proposal.width - 1 - rank)


cdef inline uint32_t label_at(const Proposal* proposal, size_t place) noexcept nogil:
    if proposal.narrow_table != NULL:
        return proposal.narrow_table[place]
    return proposal.wide_table[place]


# The first half of a draw: where settle() finds the label, which is on its way to the cache then.
# user: the row that was prepared, as it was then
cdef inline size_t propose_place(
    const Proposal* proposal, const Drawer* drawer, const float* user, Random* random
) noexcept nogil:
    cdef uint32_t rank, factor
    cdef uint64_t number
    cdef size_t place
    # a weight that is not a number is not above 0 either
    if proposal.kind == UNIFORM or (proposal.kind == ADAPTIVE and not drawer.weight > 0):
        return below(random, proposal.n_labels)
    rank = alias_draw(proposal.law, proposal.n_outcomes, random)
    if proposal.kind != ADAPTIVE:
        return rank
    number = next_random(random)
    factor = <uint32_t> vr_pick(
        drawer.running, drawer.lane_sums, upper_unit(number), lower_unit(number),
        proposal.stride,
    )
    # infinite weights lead past the columns
    if factor >= proposal.columns:
        factor = proposal.columns - 1
    place = place_in_table(proposal, factor, rank, user[factor] > 0)
    if proposal.narrow_table != NULL:
        VR_FETCH_TO_READ(proposal.narrow_table + place)
    else:
        VR_FETCH_TO_READ(proposal.wide_table + place)
    return place


cdef inline uint32_t settle(
    const Proposal* proposal, const Drawer* drawer, size_t place
) noexcept nogil:
    if proposal.kind == ADAPTIVE and drawer.weight > 0:
        return label_at(proposal, place)
    if proposal.kind == EXACT:
        return drawer.ranking[place]
    return <uint32_t> place


# each label that is no positive with the same probability; there has to be one
cdef inline uint32_t uniform_negative(
    const Drawer* drawer, uint32_t n_labels, Random* random
) noexcept nogil:
    cdef uint32_t place = below(random, n_labels - drawer.n_positives)
    cdef uint32_t low = 0, high = drawer.n_positives, middle
    # the number of positives before the label with `place` negatives before it
    while low < high:
        middle = (low + high) >> 1
        if <uint32_t> drawer.positives[middle] - middle <= place:
            low = middle + 1
        else:
            high = middle
    return place + low


# what becomes of a draw that was proposed: a positive is drawn again
cdef inline uint32_t settle_negative(
    const Proposal* proposal, const Drawer* drawer, const float* user, bint verify,
    Random* random, size_t place
) noexcept nogil:
    cdef uint32_t label = settle(proposal, drawer, place)
    cdef int _redraw
    if not verify or not is_positive(drawer, label):
        return label
    for _redraw in range(MAX_REDRAWS):
        label = settle(proposal, drawer, propose_place(proposal, drawer, user, random))
        if not is_positive(drawer, label):
            return label
    return uniform_negative(drawer, proposal.n_labels, random)


cdef inline uint32_t propose_negative(
    const Proposal* proposal, const Drawer* drawer, const float* user, bint verify, Random* random
) noexcept nogil:
    return settle_negative(
        proposal, drawer, user, verify, random, propose_place(proposal, drawer, user, random))


# the law of settle(propose_place()) for the row that was prepared, over all labels
cdef inline void fill_probabilities(
    const Proposal* proposal, const Drawer* drawer, const float* user, double* probability
) noexcept nogil:
    cdef uint32_t label, factor, rank
    cdef double weight, total
    if proposal.kind == UNIFORM or (proposal.kind == ADAPTIVE and not drawer.weight > 0):
        for label in range(proposal.n_labels):
            probability[label] = 1.0 / proposal.n_labels
        return
    memset(probability, 0, proposal.n_labels * sizeof(double))
    if proposal.kind == ADAPTIVE:
        total = 0
        for factor in range(proposal.columns):
            total += (user[factor] if user[factor] > 0 else -user[factor]) * <double> (
                proposal.spread[factor])
        for factor in range(proposal.columns):
            weight = (user[factor] if user[factor] > 0 else -user[factor]) * <double> (
                proposal.spread[factor]) / total
            if weight > 0:
                for rank in range(proposal.n_outcomes):
                    label = label_at(
                        proposal, place_in_table(proposal, factor, rank, user[factor] > 0))
                    probability[label] += weight * proposal.law_probability[rank]
    elif proposal.kind == POPULARITY:
        for label in range(proposal.n_labels):
            probability[label] = proposal.law_probability[label]
    else:
        for rank in range(proposal.n_outcomes):
            probability[drawer.ranking[rank]] = proposal.law_probability[rank]


# turns that law into the one of propose_negative() with verification
cdef inline void exclude_positives(
    const Drawer* drawer, uint32_t n_labels, double* probability
) noexcept nogil:
    cdef uint32_t i, label
    cdef double positive_mass = 0, misses, scale, fallback
    if drawer.n_positives == n_labels:
        memset(probability, 0, n_labels * sizeof(double))
        return
    for i in range(drawer.n_positives):
        positive_mass += probability[drawer.positives[i]]
    misses = pow(positive_mass, MAX_REDRAWS + 1)
    # 1 + m + ... + m^32
    scale = MAX_REDRAWS + 1
    if positive_mass < 1.0:
        scale = (1.0 - misses) / (1.0 - positive_mass)
    fallback = misses / (n_labels - drawer.n_positives)
    for label in range(n_labels):
        probability[label] = probability[label] * scale + fallback
    for i in range(drawer.n_positives):
        probability[drawer.positives[i]] = 0
