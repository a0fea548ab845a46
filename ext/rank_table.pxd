"""The labels with the largest and the smallest value of every factor, in order.

Row f of a table holds the labels sorted by their value of factor f from the largest, ties by
ascending id: all of them, or only the first and the last `depth` where that is fewer. So the
label at rank r (from 0) from the top is entry r, and from the bottom entry width - 1 - r.
"""

from libc.math cimport sqrt
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from simd cimport vr_factor_keys, vr_fill_grid


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
    # up to so many labels are sorted on a grid, unless that leaves more than so many moves
    MOST_ON_GRID = 65536
    MOVES_A_LABEL = 4


# what is sorted: see Sorter.items
ctypedef fused Item:
    uint32_t
    uint64_t


ctypedef struct Sorter:
    # a key in the upper half and the label in the lower, or both in half as many bits where the
    # key is a step of the grid: 2 (n_labels + 1), and n_labels
    uint64_t* items
    uint64_t* spare
    # FACTORS_AT_ONCE * n_labels
    uint32_t* keys
    # N_COUNTERS
    uint32_t* counters
    # n_labels, at most MOST_ON_GRID
    uint16_t* grid


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


# the lower bits of the items that the mask has; the upper ones hold other things
cdef inline void write_ids(
    const Item* ordered, uint32_t n, uint32_t mask, uint16_t* narrow_ids, uint32_t* wide_ids,
    uint32_t first
) noexcept nogil:
    cdef uint32_t i
    if narrow_ids != NULL:
        for i in range(n):
            narrow_ids[first + i] = <uint16_t> ordered[i]
    else:
        for i in range(n):
            wide_ids[first + i] = <uint32_t> ordered[i] & mask


# moves an item to its place among those before it that have the same step; by how many places
cdef inline uint32_t insert_in_step(
    uint32_t* items, uint32_t place, const uint32_t* keys
) noexcept nogil:
    cdef uint32_t item = items[place], key = keys[item & 0xffff], first = place
    while (
        place > 0 and not (items[place - 1] ^ item) >> 16
        and keys[items[place - 1] & 0xffff] > key
    ):
        items[place] = items[place - 1]
        place -= 1
    items[place] = item
    return first - place


# Puts items of the same step, which are in the order of their labels, into that of their keys.
# False, and not in order, if it would take more than so many moves. tied: room for n
cdef inline bint order_within_steps(
    uint32_t* items, uint32_t n, const uint32_t* keys, uint32_t most_moves, uint8_t* tied
) noexcept nogil:
    cdef uint32_t i, j, moves = 0
    cdef uint64_t eight
    # most have a step of their own: eight of these cost one comparison
    if n > 0:
        tied[0] = 0
    for i in range(1, n):
        tied[i] = (items[i - 1] ^ items[i]) < 0x10000
    for i in range(0, n, 8):
        if i + 8 <= n:
            memcpy(&eight, tied + i, 8)
            if eight == 0:
                continue
        for j in range(i, min(i + 8, n)):
            if tied[j]:
                moves += insert_in_step(items, j, keys)
        if moves > most_moves:
            return False
    return True


cdef inline void counts_to_places(uint32_t* counters) noexcept nogil:
    cdef uint32_t digit, count, start = 0
    for digit in range(256):
        count = counters[digit]
        counters[digit] = start
        start += count


# Of the items with the first coarse digits that hold `top` of them, and with the last that hold
# `bottom`: counts them by these digits, sorts them into spare by the fine ones, and returns their
# number.
cdef inline uint32_t sort_ends_by_fine_digits(
    const uint16_t* grid, uint32_t n, uint32_t top, uint32_t bottom, uint32_t* coarse,
    uint32_t* fine, uint32_t* items, uint32_t* spare
) noexcept nogil:
    cdef uint32_t i, step, digit, found, end_of_top = 0, start_of_bottom = 256, kept = 0
    cdef bint keep
    for i in range(n):
        coarse[grid[i] >> 8] += 1
    found = 0
    while found < top:
        found += coarse[end_of_top]
        end_of_top += 1
    found = 0
    while found < bottom:
        start_of_bottom -= 1
        found += coarse[start_of_bottom]
    for digit in range(end_of_top, start_of_bottom):
        coarse[digit] = 0
    for i in range(n):
        step = grid[i]
        items[kept] = step << 16 | i
        keep = (step >> 8) < end_of_top or (step >> 8) >= start_of_bottom
        fine[step & 255] += keep
        kept += keep
    counts_to_places(fine)
    for i in range(kept):
        digit = (items[i] >> 16) & 255
        spare[fine[digit]] = items[i]
        fine[digit] += 1
    return kept


# The ids of the `top` smallest keys in order, then of the `bottom` largest, also in order, for at
# most 2^16 keys. The values are sorted by their place on an even grid of 2^16 steps, which leaves
# few out of order; False where they crowd into few steps.
cdef inline bint order_by_grid(
    const uint32_t* keys, uint32_t n, uint32_t top, uint32_t bottom, Sorter* sorter,
    uint16_t* narrow_ids, uint32_t* wide_ids
) noexcept nogil:
    cdef uint32_t i, step, digit, kept
    cdef uint32_t* coarse = sorter.counters
    cdef uint32_t* fine = sorter.counters + 256
    cdef uint32_t* items = <uint32_t*> sorter.items
    cdef uint32_t* spare = <uint32_t*> sorter.spare
    if not vr_fill_grid(keys, n, sorter.grid):
        return False
    memset(coarse, 0, 512 * sizeof(uint32_t))
    if <uint64_t> 4 * (top + bottom) >= <uint64_t> 3 * n:
        # to find the few that are not needed would take longer than to sort them, too
        for i in range(n):
            coarse[sorter.grid[i] >> 8] += 1
            fine[sorter.grid[i] & 255] += 1
        counts_to_places(fine)
        for i in range(n):
            step = sorter.grid[i]
            spare[fine[step & 255]] = step << 16 | i
            fine[step & 255] += 1
        kept = n
    else:
        kept = sort_ends_by_fine_digits(
            sorter.grid, n, top, bottom, coarse, fine, items, spare)
    counts_to_places(coarse)
    for i in range(kept):
        digit = spare[i] >> 24
        items[coarse[digit]] = spare[i]
        coarse[digit] += 1
    if not order_within_steps(
        items, kept, keys, MOVES_A_LABEL * n, <uint8_t*> sorter.grid
    ):
        return False
    write_ids(items, top, 0xffff, narrow_ids, wide_ids, 0)
    write_ids(items + kept - bottom, bottom, 0xffff, narrow_ids, wide_ids, top)
    return True


# The same for any values, digit by digit.
cdef inline void order_by_digits(
    const uint32_t* keys, uint32_t n, uint32_t top, uint32_t bottom, Sorter* sorter,
    uint16_t* narrow_ids, uint32_t* wide_ids
) noexcept nogil:
    cdef uint32_t i, digit, found, last_of_top = 0, first_of_bottom = DIGITS - 1
    cdef uint32_t n_top = 0, n_bottom = 0
    cdef uint64_t item
    cdef uint64_t* bottom_items = sorter.items + n + 1
    cdef uint32_t* counters = sorter.counters
    if top == n:
        for i in range(n):
            sorter.items[i] = (<uint64_t> keys[i] << 32) | i
        write_ids(
            radix_sort(sorter.items, sorter.spare, n, counters), n, <uint32_t> 0xffffffff,
            narrow_ids, wide_ids, 0,
        )
        return
    memset(counters, 0, DIGITS * sizeof(uint32_t))
    for i in range(n):
        counters[keys[i] >> KEY_SHIFT] += 1
    # the digits that are sure to hold what each end needs
    found = counters[0]
    while found < top:
        last_of_top += 1
        found += counters[last_of_top]
    found = counters[first_of_bottom]
    while found < bottom:
        first_of_bottom -= 1
        found += counters[first_of_bottom]
    for i in range(n):
        digit = keys[i] >> KEY_SHIFT
        item = (<uint64_t> keys[i] << 32) | i
        sorter.items[n_top] = item
        bottom_items[n_bottom] = item
        n_top += digit <= last_of_top
        n_bottom += digit >= first_of_bottom
    write_ids(
        radix_sort(sorter.items, sorter.spare, n_top, counters), top, <uint32_t> 0xffffffff,
        narrow_ids, wide_ids, 0,
    )
    if bottom > 0:
        write_ids(
            radix_sort(bottom_items, sorter.spare, n_bottom, counters) + n_bottom - bottom,
            bottom, <uint32_t> 0xffffffff, narrow_ids, wide_ids, top,
        )


# the ids of the `top` smallest keys in order, then of the `bottom` largest, also in order: to
# narrow_ids if that is not NULL, else to wide_ids. All n of them if top + bottom >= n.
cdef inline void order_ends(
    const uint32_t* keys, uint32_t n, uint32_t top, uint32_t bottom, Sorter* sorter,
    uint16_t* narrow_ids, uint32_t* wide_ids
) noexcept nogil:
    if top + bottom >= n:
        top = n
        bottom = 0
    if n <= MOST_ON_GRID and order_by_grid(keys, n, top, bottom, sorter, narrow_ids, wide_ids):
        return
    order_by_digits(keys, n, top, bottom, sorter, narrow_ids, wide_ids)


# rows first to last - 1 of the table (at most FACTORS_AT_ONCE) and the standard deviations
cdef inline void refresh_factors(
    const float* item_factors, uint32_t n_labels, uint32_t stride, uint32_t first, uint32_t last,
    uint32_t depth, uint32_t width, uint16_t* narrow_table, uint32_t* wide_table, float* spread,
    bint keep_variance, Sorter* sorter
) noexcept nogil:
    cdef uint32_t f
    cdef double variance[FACTORS_AT_ONCE]
    vr_factor_keys(item_factors + first, stride, n_labels, sorter.keys, variance)
    for f in range(last - first):
        spread[first + f] = <float> (variance[f] if keep_variance else sqrt(variance[f]))
        order_ends(
            sorter.keys + <size_t> f * n_labels, n_labels, depth, depth, sorter,
            NULL if narrow_table == NULL else narrow_table + <size_t> (first + f) * width,
            NULL if wide_table == NULL else wide_table + <size_t> (first + f) * width,
        )
