"""Alias tables (Walker 1977, Vose 1991): a draw from any fixed distribution in constant time.

A table has a row (threshold, other) for every outcome; the number that picks the row also holds
the fraction that is compared with the threshold.
"""

from libc.stdint cimport uint32_t, uint64_t

from rng cimport Random, next_random, scaled


cdef inline uint32_t alias_draw(const uint32_t* table, uint32_t n, Random* random) noexcept nogil:
    cdef uint64_t number = scaled(next_random(random), n)
    cdef uint32_t row = <uint32_t> (number >> 32), other = table[2 * row + 1]
    # A branch that nobody could foresee would cost more than the draw: the upper half of the
    # difference has all bits where it is below zero, or none.
    cdef uint64_t difference = <uint64_t> <uint32_t> number - table[2 * row]
    cdef uint32_t keeps = <uint32_t> (difference >> 32)
    return other ^ ((row ^ other) & keeps)


# weights: n of them, >= 0, not all zero; scale and waiting: room for n each
cdef inline void alias_build(
    const double* weights, uint32_t n, double* scale, uint32_t* waiting, uint32_t* table
) noexcept nogil:
    cdef double total = 0
    cdef uint32_t i, small, large, n_small = 0, n_large = 0
    for i in range(n):
        total += weights[i]
    # one stack from the left for what is short of its share, one from the right for the rest
    for i in range(n):
        scale[i] = weights[i] * (n / total)
        table[2 * i] = <uint32_t> 0xffffffff
        table[2 * i + 1] = i
        if scale[i] < 1.0:
            waiting[n_small] = i
            n_small += 1
        else:
            n_large += 1
            waiting[n - n_large] = i
    while n_small > 0 and n_large > 0:
        n_small -= 1
        small = waiting[n_small]
        large = waiting[n - n_large]
        table[2 * small] = <uint32_t> (scale[small] * 4294967295.0)
        table[2 * small + 1] = large
        scale[large] -= 1.0 - scale[small]
        if scale[large] < 1.0:
            n_large -= 1
            waiting[n_small] = large
            n_small += 1
