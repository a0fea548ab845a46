"""Which of the candidates become negatives.

To add a selection: a value of SelectionKind with its name and its branch in choose(), which works
on candidates that are already scored. The violator draws until it has found one, so its loop is
among the steps.
"""

from libc.stdint cimport uint32_t


cdef enum SelectionKind:
    FIRST
    HARDEST
    GROUP
    VIOLATOR


cdef inline dict selection_kinds():
    return {"first": FIRST, "hardest": HARDEST, "group": GROUP, "violator": VIOLATOR}


# moves the chosen candidates to the front, the highest score first; returns how many there are
cdef inline uint32_t choose(
    SelectionKind kind, uint32_t* candidates, double* scores, uint32_t n_candidates,
    uint32_t group_size
) noexcept nogil:
    cdef uint32_t chosen, i, best
    if kind == FIRST:
        return n_candidates
    if kind == HARDEST:
        group_size = 1
    for chosen in range(group_size):
        best = chosen
        for i in range(chosen + 1, n_candidates):
            if scores[i] > scores[best]:
                best = i
        candidates[chosen], candidates[best] = candidates[best], candidates[chosen]
        scores[chosen], scores[best] = scores[best], scores[chosen]
    return group_size
