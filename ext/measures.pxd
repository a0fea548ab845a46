"""Ranking measures of one image from the places of its held-out labels.

Tied labels stand in random order and every measure is its expectation over these orders. Held-out
labels come as groups of equal scores, the highest first. To add a measure: a value of MeasureKind
with its name and its branch in measure().
"""

from libc.stdint cimport int64_t


cdef enum MeasureKind:
    PRECISION
    RECALL
    NDCG
    HIT
    AVERAGE_PRECISION
    RECIPROCAL_RANK
    AUC
    TRUNCATED_AUC


cdef inline dict measure_kinds():
    return {
        "precision": PRECISION, "recall": RECALL, "ndcg": NDCG, "hit": HIT,
        "map": AVERAGE_PRECISION, "mrr": RECIPROCAL_RANK, "auc": AUC, "auc@": TRUNCATED_AUC,
    }


# labels with one score, `held_out` of them held out, below `above` others
ctypedef struct Group:
    int64_t above
    int64_t size
    int64_t held_out
    # held-out labels above
    int64_t held_out_above


cdef inline int64_t places_within(const Group* group, int64_t n) noexcept nogil:
    return max(<int64_t> 0, min(group.size, n - group.above))


# the chance that none of the held-out labels of the group is among its first `places`
cdef inline double chance_of_none(const Group* group, int64_t places) noexcept nogil:
    cdef double chance = 1.0
    cdef int64_t i
    for i in range(group.held_out):
        chance *= max(0.0, <double> (group.size - places - i) / (group.size - i))
    return chance


# mean of 1 / rank of the first held-out label of the group
cdef inline double first_reciprocal(const Group* group) noexcept nogil:
    cdef double chance = <double> group.held_out / group.size, value = 0.0
    cdef int64_t place
    for place in range(1, group.size - group.held_out + 2):
        value += chance / (group.above + place)
        chance *= <double> (group.size - place - group.held_out + 1) / max(
            <int64_t> 1, group.size - place)
    return value


# sum over the held-out labels of the group of the precision at their ranks
cdef inline double precision_at_ranks(const Group* group) noexcept nogil:
    cdef double value = 0.0, others = 0.0
    cdef int64_t place
    if group.size > 1:
        others = <double> (group.held_out - 1) / (group.size - 1)
    for place in range(group.size):
        value += (group.held_out_above + 1 + place * others) / (group.above + place + 1)
    return value * group.held_out / group.size


# n: length of the list that counts; 0: all of it. discounts[r]: 1 / log2(r + 2); gains[r]: the sum
# of the first r of them. Not a number where the measure is undefined.
cdef inline double measure(
    MeasureKind kind, int64_t n, const Group* groups, int64_t n_groups, int64_t held_out,
    int64_t candidates, const double* discounts, const double* gains
) noexcept nogil:
    cdef double value = 0.0, negatives = <double> (candidates - held_out), above, tied, inside
    cdef const Group* group
    cdef int64_t i, places
    if kind != PRECISION and (n == 0 or n > candidates):
        n = candidates
    if kind == HIT:
        value = 1.0
        for i in range(n_groups):
            value *= chance_of_none(&groups[i], places_within(&groups[i], n))
        return 1.0 - value
    if kind == RECIPROCAL_RANK:
        return first_reciprocal(&groups[0])
    if (kind == AUC or kind == TRUNCATED_AUC) and negatives == 0:
        return 0.0 / negatives
    for i in range(n_groups):
        group = &groups[i]
        places = places_within(group, n)
        if kind == PRECISION or kind == RECALL:
            value += <double> group.held_out * places / group.size
        elif kind == NDCG:
            if places == 1 and group.size == 1:
                value += discounts[group.above]
            elif places > 0:
                value += group.held_out * (
                    gains[group.above + places] - gains[group.above]) / group.size
        elif kind == AVERAGE_PRECISION:
            value += precision_at_ranks(group)
        else:
            above = group.above - group.held_out_above
            tied = group.size - group.held_out
            if kind == AUC:
                value += group.held_out * (negatives - above - 0.5 * tied) / negatives
            else:
                inside = places * (negatives - above) / negatives
                if group.size > 1:
                    inside -= 0.5 * places * (places - 1) * tied / (group.size - 1) / negatives
                value += group.held_out * (
                    inside + 0.5 * (group.size - places)) / group.size
    if kind == PRECISION:
        return value / n
    if kind == NDCG:
        return value / gains[min(n, held_out)]
    return value / held_out
