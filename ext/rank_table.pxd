"""The labels with the largest and the smallest value of every factor, in order.

Row f of a table holds the labels sorted by their value of factor f from the largest, ties by
ascending id: all of them, or only the first and the last `depth` where that is fewer. So the
label at rank r (from 0) from the top is entry r, and from the bottom entry width - 1 - r.
"""

from libc.math cimport sqrt
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memset


cdef extern from "simd.h" nogil:
    void vr_factor_keys(
        const float* rows, Py_ssize_t stride, Py_ssize_t n, uint32_t* keys, double* variance
    )


cdef enum:
    # factors read together: one cache line of a factor row
    FACTORS_AT_ONCE = 16
    # a sort goes by digits of so many bits; clearing and summing the counters of long digits
    # would cost more than a short list itself
    LONG_DIGIT = 11
    SHORT_DIGIT = 8
    SHORT_LIST = 2048
    # the ends are found by the first eleven bits of the keys
    DIGITS = 2048
    KEY_SHIFT = 21
    # enough for three long digits or four short ones
    N_COUNTERS = 3 * DIGITS


ctypedef struct Sorter:
    # a key in the upper half, the label in the lower: 2 (n_labels + 1), and n_labels
    uint64_t* items
    uint64_t* spare
    # FACTORS_AT_ONCE * n_labels
    uint32_t* keys
    # N_COUNTERS
    uint32_t* counters


# sorts by the upper 32 bits and keeps the order of equals; returns the array that has the result
cdef inline uint64_t* radix_sort(
    uint64_t* items, uint64_t* spare, uint32_t n, uint32_t* counters
) noexcept nogil:
    cdef int bits = LONG_DIGIT if n > SHORT_LIST else SHORT_DIGIT
    cdef uint32_t digits = <uint32_t> 1 << bits
    cdef uint32_t mask = digits - 1, i, j, start, count, key, smallest, largest
    cdef uint32_t* counter
    cdef int n_passes = 0, sort_pass, shift
    if n == 0:
        return items
    # only the bits in which the keys differ from the smallest need sorting
    smallest = largest = <uint32_t> (items[0] >> 32)
    for i in range(n):
        key = <uint32_t> (items[i] >> 32)
        smallest = min(smallest, key)
        largest = max(largest, key)
    largest -= smallest
    while n_passes * bits < 32 and largest >> (n_passes * bits):
        n_passes += 1
    memset(counters, 0, n_passes * digits * sizeof(uint32_t))
    for i in range(n):
        key = <uint32_t> (items[i] >> 32) - smallest
        for sort_pass in range(n_passes):
            counters[sort_pass * digits + ((key >> (sort_pass * bits)) & mask)] += 1
    for sort_pass in range(n_passes):
        counter = counters + sort_pass * digits
        start = 0
        for i in range(digits):
            count = counter[i]
            counter[i] = start
            start += count
        shift = sort_pass * bits
        for i in range(n):
            j = ((<uint32_t> (items[i] >> 32) - smallest) >> shift) & mask
            spare[counter[j]] = items[i]
            counter[j] += 1
        items, spare = spare, items
    return items


cdef inline void write_ids(
    const uint64_t* ordered, uint32_t n, uint16_t* narrow_ids, uint32_t* wide_ids, uint32_t first
) noexcept nogil:
    cdef uint32_t i
    if narrow_ids != NULL:
        for i in range(n):
            narrow_ids[first + i] = <uint16_t> ordered[i]
    else:
        for i in range(n):
            wide_ids[first + i] = <uint32_t> ordered[i]


# the ids of the `top` smallest keys in order, then of the `bottom` largest, also in order: to
# narrow_ids if that is not NULL, else to wide_ids. All n of them if top + bottom >= n.
cdef inline void order_ends(
    const uint32_t* keys, uint32_t n, uint32_t top, uint32_t bottom, Sorter* sorter,
    uint16_t* narrow_ids, uint32_t* wide_ids
) noexcept nogil:
    cdef uint32_t i, digit, found, last_of_top = 0, first_of_bottom = DIGITS - 1
    cdef uint32_t n_top = 0, n_bottom = 0
    cdef uint64_t item
    cdef uint64_t* bottom_items = sorter.items + n + 1
    cdef uint32_t* counters = sorter.counters
    if top + bottom >= n:
        for i in range(n):
            sorter.items[i] = (<uint64_t> keys[i] << 32) | i
        write_ids(
            radix_sort(sorter.items, sorter.spare, n, counters), n, narrow_ids, wide_ids, 0)
        return
    # neighbours often share a digit, and a counter cannot be raised twice at the same time
    memset(counters, 0, 2 * DIGITS * sizeof(uint32_t))
    for i in range(n >> 1):
        counters[keys[2 * i] >> KEY_SHIFT] += 1
        counters[DIGITS + (keys[2 * i + 1] >> KEY_SHIFT)] += 1
    if n & 1:
        counters[keys[n - 1] >> KEY_SHIFT] += 1
    # the digits that are sure to hold what each end needs
    found = counters[0] + counters[DIGITS]
    while found < top:
        last_of_top += 1
        found += counters[last_of_top] + counters[DIGITS + last_of_top]
    found = counters[first_of_bottom] + counters[DIGITS + first_of_bottom]
    while found < bottom:
        first_of_bottom -= 1
        found += counters[first_of_bottom] + counters[DIGITS + first_of_bottom]
    for i in range(n):
        digit = keys[i] >> KEY_SHIFT
        item = (<uint64_t> keys[i] << 32) | i
        sorter.items[n_top] = item
        bottom_items[n_bottom] = item
        n_top += digit <= last_of_top
        n_bottom += digit >= first_of_bottom
    write_ids(
        radix_sort(sorter.items, sorter.spare, n_top, counters), top, narrow_ids, wide_ids, 0)
    if bottom > 0:
        write_ids(
            radix_sort(bottom_items, sorter.spare, n_bottom, counters) + n_bottom - bottom,
            bottom, narrow_ids, wide_ids, top,
        )


# rows first to last - 1 of the table (at most FACTORS_AT_ONCE) and the standard deviations
cdef inline void refresh_factors(
    const float* item_factors, uint32_t n_labels, uint32_t stride, uint32_t first, uint32_t last,
    uint32_t depth, uint32_t width, uint16_t* narrow_table, uint32_t* wide_table, float* spread,
    Sorter* sorter
) noexcept nogil:
    cdef uint32_t f
    cdef double variance[FACTORS_AT_ONCE]
    vr_factor_keys(item_factors + first, stride, n_labels, sorter.keys, variance)
    for f in range(last - first):
        spread[first + f] = <float> sqrt(variance[f])
        order_ends(
            sorter.keys + <size_t> f * n_labels, n_labels, depth, depth, sorter,
            NULL if narrow_table == NULL else narrow_table + <size_t> (first + f) * width,
            NULL if wide_table == NULL else wide_table + <size_t> (first + f) * width,
        )
