# The samplers as Python sees them.
#
# Callers have checked every argument.

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel import parallel, prange, threadid

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from alias cimport alias_build
from buffers cimport (
    DRAWN_AHEAD,
    ROWS_AT_ONCE,
    VALUES_AT_ONCE,
    Scratch,
    allocate_all,
    allocate_sorters,
    new_rows,
    padded_floats,
    release,
    require_alignment,
)
from choices cimport number_of
from rank_table cimport FACTORS_AT_ONCE, Sorter, refresh_factors
from rng cimport Random, next_random, random_stream
from samplers cimport (
    ADAPTIVE,
    Drawer,
    SamplerKind,
    SamplerTables,
    exclude_positives,
    fill_probabilities,
    mark_positives,
    prepare,
    propose_all,
    sampler_kinds,
    settle_all,
    unmark_positives,
)


SAMPLERS = tuple(sampler_kinds())


cdef class Sampler:
    """What draws candidates, with the tables it draws from.

    Parameters
    ----------
    kind : str
        One of SAMPLERS.
    n_labels, columns : int
        Number of labels, and of columns of a factor row that are in use.
    law : uint32 (n, 2) or None
        Alias table over ranks (adaptive, exact) or labels (popularity).
    law_probability : float64 (n,) or None
        What the alias table stands for.
    table : uint16 or uint32 (columns, width) or None
        Where the rank table goes; 16 bits wide for up to 65,536 labels.
    variance : bool
        Weigh factors by the variance over the labels in place of the standard deviation.
    """

    cdef SamplerTables tables
    # the arrays that the tables point into
    cdef readonly object law, law_probability, table, spread, item_factors

    def __init__(
        self, str kind not None, uint32_t n_labels, uint32_t columns, law, law_probability, table,
        bint variance=False
    ):
        cdef const uint32_t[:, ::1] law_view
        cdef const double[::1] probability_view
        cdef uint16_t[:, ::1] narrow_view
        cdef uint32_t[:, ::1] wide_view
        cdef float[::1] spread_view
        memset(&self.tables, 0, sizeof(SamplerTables))
        self.tables.kind = <SamplerKind> number_of(kind, sampler_kinds(), "kind")
        self.tables.n_labels = n_labels
        self.tables.columns = columns
        self.tables.variance = variance
        self.tables.stride = padded_floats(columns)
        self.law, self.law_probability, self.table = law, law_probability, table
        if law is not None:
            law_view = law
            probability_view = law_probability
            self.tables.law = &law_view[0, 0]
            self.tables.law_probability = &probability_view[0]
            self.tables.n_outcomes = <uint32_t> law_view.shape[0]
        if table is not None:
            self.tables.width = <uint32_t> table.shape[1]
            if table.dtype == np.uint16:
                narrow_view = table
                self.tables.narrow_table = &narrow_view[0, 0]
            else:
                wide_view = table
                self.tables.wide_table = &wide_view[0, 0]
            self.spread = new_rows(1, self.tables.stride)[0]
            spread_view = self.spread
            self.tables.spread = &spread_view[0]

    def refresh(self, const float[:, ::1] item_factors, int n_threads):
        """Rank the labels by every factor; the exact sampler keeps the array itself.

        item_factors : float32 (n_labels, stride), padded and aligned
        """
        cdef SamplerTables* tables = &self.tables
        cdef uint32_t stride = <uint32_t> item_factors.shape[1], first
        cdef int32_t group, n_groups, start, stop, groups_at_once
        require_alignment(&item_factors[0, 0])
        self.item_factors = item_factors.base
        tables.item_factors = &item_factors[0, 0]
        if tables.kind != ADAPTIVE:
            return
        n_groups = (tables.columns + FACTORS_AT_ONCE - 1) // FACTORS_AT_ONCE
        n_threads = max(1, min(n_threads, n_groups))
        groups_at_once = <int32_t> max(
            n_threads, VALUES_AT_ONCE // (FACTORS_AT_ONCE * <int64_t> tables.n_labels))
        cdef Sorter* sorters = allocate_sorters(n_threads, tables.n_labels)
        try:
            for start in range(0, n_groups, groups_at_once):
                stop = min(n_groups, start + groups_at_once)
                with nogil, parallel(num_threads=n_threads):
                    for group in prange(start, stop, schedule="dynamic", chunksize=1):
                        first = <uint32_t> group * FACTORS_AT_ONCE
                        refresh_factors(
                            tables.item_factors, tables.n_labels, stride, first,
                            min(first + FACTORS_AT_ONCE, tables.columns), tables.n_outcomes,
                            tables.width, tables.narrow_table, tables.wide_table,
                            tables.spread, tables.variance, &sorters[threadid()],
                        )
                PyErr_CheckSignals()
        finally:
            free(sorters)

    def draw(
        self, const float[:, ::1] users, int32_t[:, ::1] out, const int64_t[::1] indptr,
        const int32_t[::1] indices, uint64_t seed, uint64_t epoch, int n_threads
    ):
        """Draw out.shape[1] labels for every row of users.

        users : IN, padded and aligned (n, stride)
        out : OUT, -1 for the rows that exclude every label
        indptr, indices : IN, the labels excluded from every row, or None
        """
        require_alignment(&users[0, 0])
        cdef int64_t n_rows = users.shape[0], row
        cdef Scratch** scratch = allocate_all(n_threads, &self.tables, 1, False, 0)
        cdef bint verify = indptr is not None
        cdef int64_t size = out.shape[1]
        with nogil, parallel(num_threads=n_threads):
            for row in prange(n_rows, schedule="dynamic", chunksize=ROWS_AT_ONCE):
                draw_row(
                    &self.tables, scratch[threadid()], &users[row, 0], &out[row, 0], size,
                    verify, &indices[indptr[row]] if verify and indptr[row + 1] > indptr[row]
                    else NULL,
                    <uint32_t> (indptr[row + 1] - indptr[row]) if verify else 0,
                    seed, epoch, <uint64_t> row,
                )
        release(scratch, n_threads)

    def probability(
        self, const float[:, ::1] users, double[:, ::1] out, const int64_t[::1] indptr,
        const int32_t[::1] indices, int n_threads
    ):
        """Write the law that draw() follows, for every row of users, to out (n, n_labels)."""
        require_alignment(&users[0, 0])
        cdef int64_t n_rows = users.shape[0], row
        cdef Scratch** scratch = allocate_all(n_threads, &self.tables, 1, False, 0)
        cdef bint verify = indptr is not None
        with nogil, parallel(num_threads=n_threads):
            for row in prange(n_rows, schedule="dynamic", chunksize=ROWS_AT_ONCE):
                probability_row(
                    &self.tables, &scratch[threadid()].drawer, &users[row, 0], &out[row, 0],
                    verify, &indices[indptr[row]] if verify and indptr[row + 1] > indptr[row]
                    else NULL,
                    <uint32_t> (indptr[row + 1] - indptr[row]) if verify else 0,
                )
        release(scratch, n_threads)


cdef void draw_row(
    const SamplerTables* tables, Scratch* scratch, const float* user, int32_t* out, int64_t size,
    bint verify, const int32_t* excluded, uint32_t n_excluded, uint64_t seed, uint64_t epoch,
    uint64_t row
) noexcept nogil:
    cdef int64_t i, n, drawn = 0
    if n_excluded >= tables.n_labels:
        for i in range(size):
            out[i] = -1
        return
    scratch.random = random_stream(seed, epoch, row)
    mark_positives(&scratch.drawer, excluded, n_excluded)
    prepare(tables, &scratch.drawer, user)
    while drawn < size:
        n = min(<int64_t> DRAWN_AHEAD, size - drawn)
        propose_all(
            tables, &scratch.drawer, user, &scratch.random, scratch.places, <uint32_t> n)
        settle_all(
            tables, &scratch.drawer, user, verify, &scratch.random, scratch.places,
            <uint32_t*> (out + drawn), <uint32_t> n)
        drawn += n
    unmark_positives(&scratch.drawer)


cdef void probability_row(
    const SamplerTables* tables, Drawer* drawer, const float* user, double* out, bint verify,
    const int32_t* excluded, uint32_t n_excluded
) noexcept nogil:
    prepare(tables, drawer, user)
    fill_probabilities(tables, drawer, user, out)
    if verify:
        drawer.positives = excluded
        drawer.n_positives = n_excluded
        exclude_positives(drawer, tables.n_labels, out)
        drawer.n_positives = 0


def alias_table(const double[::1] weights not None):
    """Build the alias table, uint32 (n, 2), of outcomes in proportion to the weights."""
    cdef uint32_t n = <uint32_t> weights.shape[0]
    table = np.empty((n, 2), dtype=np.uint32)
    cdef uint32_t[:, ::1] out = table
    cdef double[::1] scale = np.empty(n, dtype=np.float64)
    cdef uint32_t[::1] waiting = np.empty(n, dtype=np.uint32)
    with nogil:
        alias_build(&weights[0], n, &scale[0], &waiting[0], &out[0, 0])
    return table


def random_numbers(uint64_t seed, uint64_t epoch, uint64_t row, int n):
    """The first n numbers of a row, uint64."""
    numbers = np.empty(n, dtype=np.uint64)
    cdef uint64_t[::1] out = numbers
    cdef Random random = random_stream(seed, epoch, row)
    cdef int i
    for i in range(n):
        out[i] = next_random(&random)
    return numbers
