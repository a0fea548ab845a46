"""How often words stand near each other: the skip-grams that a training draws, by expectation.

Words are numbers; a negative number ends a sentence. Callers have checked every argument: the
numbers are below the length of `keep`, and the window is at least 1.
"""

from cython.parallel import prange

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

import numpy as np


cdef extern from *:
    """
    #if defined(__GNUC__)
    #define VR_FETCH_SLOT(address) __builtin_prefetch((address), 1)
    #else
    #define VR_FETCH_SLOT(address) ((void) (address))
    #endif
    """
    void VR_FETCH_SLOT(const void* address) noexcept nogil


cdef enum:
    # tables that threads fill one at a time, so that sums do not depend on how many there are
    N_TABLES = 8
    FIRST_SLOTS = 1 << 12
    # pairs whose slots are on their way from memory while others are added
    PAIRS_WAITING = 32
    # words behind a word, those that subsampling may drop included
    MOST_REACH = 1000


# no pair has this key, as numbers of words are below 2^31
cdef uint64_t NO_PAIR = <uint64_t> 0xffffffffffffffff
# what is left of a pair where the words between are likely to fill the window
cdef double NEGLIGIBLE = 0.01


cdef struct Slot:
    uint64_t pair
    double count


# open addressing with linear probing; the number of slots is a power of two
cdef struct Table:
    Slot* slots
    uint64_t mask
    int64_t n_pairs
    bint out_of_memory


cdef struct Pending:
    uint64_t pairs[PAIRS_WAITING]
    double counts[PAIRS_WAITING]
    uint32_t n


cdef struct Corpus:
    const int32_t* words
    int64_t n_words
    const double* keep
    # of each number of kept words between two words: how likely a window is to reach across
    const double* share
    int window


cdef inline uint64_t hash_pair(uint64_t pair) noexcept nogil:
    pair = (pair ^ (pair >> 32)) * <uint64_t> 0x9e3779b97f4a7c15
    return pair ^ (pair >> 29)


cdef inline int table_of(int32_t word) noexcept nogil:
    return <int> ((<uint32_t> word * <uint32_t> 2654435769) >> 29)


cdef bint start_table(Table* table, uint64_t n_slots) noexcept nogil:
    table.slots = <Slot*> malloc(n_slots * sizeof(Slot))
    table.n_pairs = 0
    table.mask = n_slots - 1
    if table.slots == NULL:
        return False
    memset(table.slots, 0xff, n_slots * sizeof(Slot))
    return True


cdef inline Slot* find_slot(Table* table, uint64_t pair) noexcept nogil:
    cdef uint64_t place = hash_pair(pair) & table.mask
    while table.slots[place].pair != pair and table.slots[place].pair != NO_PAIR:
        place = (place + 1) & table.mask
    return &table.slots[place]


cdef void double_table(Table* table) noexcept nogil:
    cdef Table larger
    cdef uint64_t place
    if not start_table(&larger, 2 * (table.mask + 1)):
        table.out_of_memory = True
        return
    for place in range(table.mask + 1):
        if table.slots[place].pair != NO_PAIR:
            find_slot(&larger, table.slots[place].pair)[0] = table.slots[place]
    free(table.slots)
    table.slots, table.mask = larger.slots, larger.mask


cdef inline void add(Table* table, uint64_t pair, double count) noexcept nogil:
    cdef Slot* slot
    if table.out_of_memory:
        return
    slot = find_slot(table, pair)
    if slot.pair == pair:
        slot.count += count
        return
    slot.pair, slot.count = pair, count
    table.n_pairs += 1
    # from there on places are long to find
    if 3 * <uint64_t> table.n_pairs > 2 * (table.mask + 1):
        double_table(table)


cdef inline void add_later(
    Table* table, Pending* pending, uint64_t pair, double count
) noexcept nogil:
    cdef uint32_t place = pending.n % PAIRS_WAITING
    if pending.n >= PAIRS_WAITING:
        add(table, pending.pairs[place], pending.counts[place])
    VR_FETCH_SLOT(&table.slots[hash_pair(pair) & table.mask])
    pending.pairs[place], pending.counts[place] = pair, count
    pending.n += 1


cdef void add_all(Table* table, Pending* pending) noexcept nogil:
    cdef uint32_t place
    for place in range(
        pending.n - PAIRS_WAITING if pending.n > PAIRS_WAITING else 0, pending.n
    ):
        add(
            table, pending.pairs[place % PAIRS_WAITING], pending.counts[place % PAIRS_WAITING])
    pending.n = 0


# between: room for `window` numbers, how likely so many of the words between are kept
cdef void count_behind(
    const Corpus* corpus, int64_t place, Table* table, Pending* pending, double* between
) noexcept nogil:
    cdef int32_t first = corpus.words[place], second
    cdef double kept = corpus.keep[first], near, likely
    cdef int64_t other, stop = min(corpus.n_words, place + 1 + MOST_REACH)
    cdef int n
    memset(between, 0, corpus.window * sizeof(double))
    between[0] = 1.0
    for other in range(place + 1, stop):
        second = corpus.words[other]
        if second < 0:
            return
        near = 0
        for n in range(corpus.window):
            near += between[n] * corpus.share[n]
        if near < NEGLIGIBLE:
            return
        likely = corpus.keep[second]
        add_later(
            table, pending, <uint64_t> first << 32 | <uint64_t> second, kept * likely * near)
        for n in range(corpus.window - 1, 0, -1):
            between[n] += likely * (between[n - 1] - between[n])
        between[0] -= likely * between[0]


cdef void count_table(
    const Corpus* corpus, int64_t stop, int number, Table* table, double* between
) noexcept nogil:
    cdef Pending pending
    cdef int64_t place
    pending.n = 0
    for place in range(stop):
        if corpus.words[place] >= 0 and table_of(corpus.words[place]) == number:
            count_behind(corpus, place, table, &pending, between)
    add_all(table, &pending)


cdef class PairCounter:
    """Counts of pairs of words, the first of which stands before the second.

    Parameters
    ----------
    keep : float64 (n_words,)
        How likely subsampling is to keep each word.
    window : int
        Most kept words from one to the other. The window of a training is drawn from 1 to this, so
        the pair counts by how likely it is to lie inside.
    """

    cdef Table tables[N_TABLES]
    cdef object keep, share
    cdef double[:, ::1] between
    cdef int window

    def __cinit__(self, const double[::1] keep not None, int window):
        cdef int number
        memset(self.tables, 0, N_TABLES * sizeof(Table))
        self.window = window
        self.keep = np.array(keep)
        self.share = (window - np.arange(window, dtype=np.float64)) / window
        # rows of one thread share no line with those of another
        self.between = np.zeros((N_TABLES, window + 16))
        for number in range(N_TABLES):
            if not start_table(&self.tables[number], FIRST_SLOTS):
                raise MemoryError("no memory to count pairs of words")

    def __dealloc__(self):
        cdef int number
        for number in range(N_TABLES):
            free(self.tables[number].slots)

    @property
    def n_pairs(self):
        """The number of different pairs that were counted."""
        cdef int number
        cdef int64_t n = 0
        for number in range(N_TABLES):
            n += self.tables[number].n_pairs
        return n

    def add(self, const int32_t[::1] words not None, int64_t stop, int n_threads):
        """Count the pairs whose first word is at a place below `stop`.

        words : IN, numbers of words; what is below 0 ends a sentence
        """
        cdef Corpus corpus
        cdef int number
        cdef const double[::1] keep = self.keep, share = self.share
        if stop == 0 or keep.shape[0] == 0:
            return
        corpus.words, corpus.n_words = &words[0], words.shape[0]
        corpus.keep, corpus.share, corpus.window = &keep[0], &share[0], self.window
        for number in prange(
            N_TABLES, nogil=True, schedule="dynamic", chunksize=1, num_threads=n_threads
        ):
            count_table(
                &corpus, stop, number, &self.tables[number], &self.between[number, 0])
        for number in range(N_TABLES):
            if self.tables[number].out_of_memory:
                raise MemoryError("no memory to count pairs of words")

    def take(self):
        """Return the pairs, first word times 2^32 plus second, and their counts; forget them."""
        cdef int64_t n = self.n_pairs, found = 0
        cdef uint64_t place
        cdef int number
        pairs, counts = np.empty(n, dtype=np.uint64), np.empty(n, dtype=np.float64)
        cdef uint64_t[::1] pairs_out = pairs
        cdef double[::1] counts_out = counts
        cdef Table* table
        for number in range(N_TABLES):
            table = &self.tables[number]
            for place in range(table.mask + 1):
                if table.slots[place].pair != NO_PAIR:
                    pairs_out[found] = table.slots[place].pair
                    counts_out[found] = table.slots[place].count
                    found += 1
            memset(table.slots, 0xff, (table.mask + 1) * sizeof(Slot))
            table.n_pairs = 0
        return pairs, counts


REACH = MOST_REACH
