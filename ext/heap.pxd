"""Heaps of what scores highest, the lowest of them on top; of the same score the smallest id is."""

from libc.stdint cimport int32_t, int64_t


ctypedef struct Scored:
    float score
    int32_t id


cdef inline bint is_lower(const Scored* one, const Scored* other) noexcept nogil:
    return one.score < other.score or (one.score == other.score and one.id < other.id)


# put an entry in the place of the lowest of a heap
cdef inline void replace_lowest(
    Scored* heap, int64_t size, int64_t place, Scored entry
) noexcept nogil:
    cdef int64_t child
    while True:
        child = 2 * place + 1
        if child + 1 < size and is_lower(&heap[child + 1], &heap[child]):
            child += 1
        if child >= size or not is_lower(&heap[child], &entry):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = entry
