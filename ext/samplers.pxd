"""Where candidate negatives come from.

A sampler is prepared for a row once and then drawn from many times. To add one: a value of
SamplerKind with its name, its branch in prepare(), propose_place(), settle() and
fill_probabilities().
"""

from libc.math cimport pow
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from alias cimport alias_draw
from rank_table cimport Sorter, order_ends
from rng cimport Random, below, lower_unit, next_random, upper_unit
from simd cimport (
    VR_FETCH_TO_READ,
    vr_descending_key,
    vr_dot,
    vr_lane_sums,
    vr_pick,
    vr_running_weights,
)


cdef enum SamplerKind:
    ADAPTIVE
    UNIFORM
    POPULARITY
    EXACT


cdef inline dict sampler_kinds():
    return {
        "adaptive": ADAPTIVE,
        "uniform": UNIFORM,
        "popularity": POPULARITY,
        "exact": EXACT,
    }


# whether it ranks the labels by what they score when a row is prepared, in place of a table
cdef inline bint ranks_live(SamplerKind kind) noexcept nogil:
    return kind == EXACT


cdef enum:
    # a positive is drawn again this often before a uniform negative takes its place
    MAX_REDRAWS = 32


# what is drawn from, the same for all rows
ctypedef struct SamplerTables:
    SamplerKind kind
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
    const SamplerTables* tables, Drawer* drawer, const float* user
) noexcept nogil:
    cdef uint32_t label
    if tables.kind == ADAPTIVE:
        vr_running_weights(user, tables.spread, drawer.running, tables.stride)
        drawer.weight = vr_lane_sums(drawer.running, drawer.lane_sums, tables.stride)
    elif tables.kind == EXACT:
        for label in range(tables.n_labels):
            drawer.sorter.keys[label] = vr_descending_key(vr_dot(
                user, tables.item_factors + <size_t> label * tables.stride, tables.stride
            ))
        order_ends(
            drawer.sorter.keys, tables.n_labels, tables.n_outcomes, 0, &drawer.sorter,
            NULL, drawer.ranking,
        )


cdef inline size_t place_in_table(
    const SamplerTables* tables, uint32_t factor, uint32_t rank, bint from_top
) noexcept nogil:
    return <size_t> factor * tables.width + (
        rank if from_top else tables.width - 1 - rank)


cdef inline uint32_t label_at(const SamplerTables* tables, size_t place) noexcept nogil:
    if tables.narrow_table != NULL:
        return tables.narrow_table[place]
    return tables.wide_table[place]


# The first half of a draw: where settle() finds the label, which is on its way to the cache then.
# user: the row that was prepared, as it was then
cdef inline size_t propose_place(
    const SamplerTables* tables, const Drawer* drawer, const float* user, Random* random
) noexcept nogil:
    cdef uint32_t rank, factor
    cdef uint64_t number
    cdef size_t place
    # a weight that is not a number is not above 0 either
    if tables.kind == UNIFORM or (tables.kind == ADAPTIVE and not drawer.weight > 0):
        return below(random, tables.n_labels)
    rank = alias_draw(tables.law, tables.n_outcomes, random)
    if tables.kind != ADAPTIVE:
        return rank
    number = next_random(random)
    factor = <uint32_t> vr_pick(
        drawer.running, drawer.lane_sums, upper_unit(number), lower_unit(number),
        tables.stride,
    )
    # infinite weights lead past the columns
    if factor >= tables.columns:
        factor = tables.columns - 1
    place = place_in_table(tables, factor, rank, user[factor] > 0)
    if tables.narrow_table != NULL:
        VR_FETCH_TO_READ(tables.narrow_table + place)
    else:
        VR_FETCH_TO_READ(tables.wide_table + place)
    return place


cdef inline uint32_t settle(
    const SamplerTables* tables, const Drawer* drawer, size_t place
) noexcept nogil:
    if tables.kind == ADAPTIVE and drawer.weight > 0:
        return label_at(tables, place)
    if tables.kind == EXACT:
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
    const SamplerTables* tables, const Drawer* drawer, const float* user, bint verify,
    Random* random, size_t place
) noexcept nogil:
    cdef uint32_t label = settle(tables, drawer, place)
    cdef int _redraw
    if not verify or not is_positive(drawer, label):
        return label
    for _redraw in range(MAX_REDRAWS):
        label = settle(tables, drawer, propose_place(tables, drawer, user, random))
        if not is_positive(drawer, label):
            return label
    return uniform_negative(drawer, tables.n_labels, random)


cdef inline uint32_t propose_negative(
    const SamplerTables* tables, const Drawer* drawer, const float* user, bint verify,
    Random* random
) noexcept nogil:
    return settle_negative(
        tables, drawer, user, verify, random, propose_place(tables, drawer, user, random))


# the law of settle(propose_place()) for the row that was prepared, over all labels
cdef inline void fill_probabilities(
    const SamplerTables* tables, const Drawer* drawer, const float* user, double* probability
) noexcept nogil:
    cdef uint32_t label, factor, rank
    cdef double weight, total
    if tables.kind == UNIFORM or (tables.kind == ADAPTIVE and not drawer.weight > 0):
        for label in range(tables.n_labels):
            probability[label] = 1.0 / tables.n_labels
        return
    memset(probability, 0, tables.n_labels * sizeof(double))
    if tables.kind == ADAPTIVE:
        total = 0
        for factor in range(tables.columns):
            total += (user[factor] if user[factor] > 0 else -user[factor]) * <double> (
                tables.spread[factor])
        for factor in range(tables.columns):
            weight = (user[factor] if user[factor] > 0 else -user[factor]) * <double> (
                tables.spread[factor]) / total
            if weight > 0:
                for rank in range(tables.n_outcomes):
                    label = label_at(
                        tables, place_in_table(tables, factor, rank, user[factor] > 0))
                    probability[label] += weight * tables.law_probability[rank]
    elif tables.kind == POPULARITY:
        for label in range(tables.n_labels):
            probability[label] = tables.law_probability[label]
    else:
        for rank in range(tables.n_outcomes):
            probability[drawer.ranking[rank]] = tables.law_probability[rank]


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


# All are proposed before the first is looked up: the tables are larger than the nearest caches.
cdef inline void propose_all(
    const SamplerTables* tables, const Drawer* drawer, const float* user, Random* random,
    size_t* places, uint32_t n
) noexcept nogil:
    cdef uint32_t j
    for j in range(n):
        places[j] = propose_place(tables, drawer, user, random)


cdef inline void settle_all(
    const SamplerTables* tables, const Drawer* drawer, const float* user, bint verify,
    Random* random, const size_t* places, uint32_t* out, uint32_t n
) noexcept nogil:
    cdef uint32_t j
    for j in range(n):
        out[j] = settle_negative(tables, drawer, user, verify, random, places[j])
