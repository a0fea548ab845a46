# The samplers, and what Python needs of them. Compiled with every kernel.
#
# Callers have checked every argument.

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel import parallel, prange, threadid

from libc.stdint cimport int32_t

from alias cimport alias_build
from proposals cimport (
    ADAPTIVE,
    ProposalKind,
    exclude_positives,
    fill_probabilities,
    mark_positives,
    prepare,
    propose_place,
    settle_negative,
    unmark_positives,
)
from rank_table cimport FACTORS_AT_ONCE, Sorter, refresh_factors
from rng cimport next_random, random_stream


cdef class Sampler:
    """A proposal with the tables it draws from.

    Parameters
    ----------
    kind : int
        A value of PROPOSALS.
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

    cdef Proposal proposal
    # the arrays that the proposal points into
    cdef readonly object law, law_probability, table, spread, item_factors

    def __init__(
        self, int kind, uint32_t n_labels, uint32_t columns, law, law_probability, table,
        bint variance=False
    ):
        cdef const uint32_t[:, ::1] law_view
        cdef const double[::1] probability_view
        cdef uint16_t[:, ::1] narrow_view
        cdef uint32_t[:, ::1] wide_view
        cdef float[::1] spread_view
        memset(&self.proposal, 0, sizeof(Proposal))
        self.proposal.kind = <ProposalKind> kind
        self.proposal.n_labels = n_labels
        self.proposal.columns = columns
        self.proposal.variance = variance
        self.proposal.stride = padded_width(columns)
        self.law, self.law_probability, self.table = law, law_probability, table
        if law is not None:
            law_view = law
            probability_view = law_probability
            self.proposal.law = &law_view[0, 0]
            self.proposal.law_probability = &probability_view[0]
            self.proposal.n_outcomes = <uint32_t> law_view.shape[0]
        if table is not None:
            self.proposal.width = <uint32_t> table.shape[1]
            if table.dtype == np.uint16:
                narrow_view = table
                self.proposal.narrow_table = &narrow_view[0, 0]
            else:
                wide_view = table
                self.proposal.wide_table = &wide_view[0, 0]
            self.spread = aligned_rows(1, self.proposal.stride)[0]
            spread_view = self.spread
            self.proposal.spread = &spread_view[0]

    def refresh(self, const float[:, ::1] item_factors, int n_threads):
        """Rank the labels by every factor; the exact sampler keeps the array itself.

        item_factors : float32 (n_labels, stride), padded and aligned
        """
        cdef Proposal* proposal = &self.proposal
        cdef uint32_t stride = <uint32_t> item_factors.shape[1], first
        cdef int32_t group, n_groups, start, stop, groups_at_once
        require_alignment(&item_factors[0, 0])
        self.item_factors = item_factors.base
        proposal.item_factors = &item_factors[0, 0]
        if proposal.kind != ADAPTIVE:
            return
        n_groups = (proposal.columns + FACTORS_AT_ONCE - 1) // FACTORS_AT_ONCE
        n_threads = max(1, min(n_threads, n_groups))
        groups_at_once = <int32_t> max(
            n_threads, VALUES_AT_ONCE // (FACTORS_AT_ONCE * <int64_t> proposal.n_labels))
        cdef Sorter* sorters = allocate_sorters(n_threads, proposal.n_labels)
        try:
            for start in range(0, n_groups, groups_at_once):
                stop = min(n_groups, start + groups_at_once)
                with nogil, parallel(num_threads=n_threads):
                    for group in prange(start, stop, schedule="dynamic", chunksize=1):
                        first = <uint32_t> group * FACTORS_AT_ONCE
                        refresh_factors(
                            proposal.item_factors, proposal.n_labels, stride, first,
                            min(first + FACTORS_AT_ONCE, proposal.columns), proposal.n_outcomes,
                            proposal.width, proposal.narrow_table, proposal.wide_table,
                            proposal.spread, proposal.variance, &sorters[threadid()],
                        )
                PyErr_CheckSignals()
        finally:
            release_sorters(sorters, n_threads)

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
        cdef Scratch** scratch = allocate_all(n_threads, &self.proposal, 1, False)
        cdef bint verify = indptr is not None
        cdef int64_t size = out.shape[1]
        with nogil, parallel(num_threads=n_threads):
            for row in prange(n_rows, schedule="dynamic", chunksize=ROWS_AT_ONCE):
                draw_row(
                    &self.proposal, scratch[threadid()], &users[row, 0], &out[row, 0], size,
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
        cdef Scratch** scratch = allocate_all(n_threads, &self.proposal, 1, False)
        cdef bint verify = indptr is not None
        with nogil, parallel(num_threads=n_threads):
            for row in prange(n_rows, schedule="dynamic", chunksize=ROWS_AT_ONCE):
                probability_row(
                    &self.proposal, &scratch[threadid()].drawer, &users[row, 0], &out[row, 0],
                    verify, &indices[indptr[row]] if verify and indptr[row + 1] > indptr[row]
                    else NULL,
                    <uint32_t> (indptr[row + 1] - indptr[row]) if verify else 0,
                )
        release(scratch, n_threads)


cdef Sorter* allocate_sorters(int n, uint32_t n_labels) except NULL:
    cdef Sorter* sorters = <Sorter*> calloc(n, sizeof(Sorter))
    cdef int i
    cdef bint complete = sorters != NULL
    for i in range(n):
        if complete:
            sorters[i].items = <uint64_t*> malloc(
                2 * (<size_t> n_labels + 1) * sizeof(uint64_t))
            sorters[i].spare = <uint64_t*> malloc(<size_t> n_labels * sizeof(uint64_t))
            sorters[i].keys = <uint32_t*> malloc(
                <size_t> n_labels * FACTORS_AT_ONCE * sizeof(uint32_t))
            sorters[i].counters = <uint32_t*> malloc(N_COUNTERS * sizeof(uint32_t))
            sorters[i].grid = <uint16_t*> malloc(MOST_ON_GRID * sizeof(uint16_t))
            complete = (
                sorters[i].items != NULL and sorters[i].spare != NULL
                and sorters[i].keys != NULL and sorters[i].counters != NULL
                and sorters[i].grid != NULL
            )
    if not complete:
        release_sorters(sorters, n)
        raise MemoryError("no memory to sort the labels for the rank table")
    return sorters


cdef void release_sorters(Sorter* sorters, int n) noexcept nogil:
    cdef int i
    if sorters != NULL:
        for i in range(n):
            free(sorters[i].items)
            free(sorters[i].spare)
            free(sorters[i].keys)
            free(sorters[i].counters)
            free(sorters[i].grid)
        free(sorters)


cdef void draw_row(
    const Proposal* proposal, Scratch* scratch, const float* user, int32_t* out, int64_t size,
    bint verify, const int32_t* excluded, uint32_t n_excluded, uint64_t seed, uint64_t epoch,
    uint64_t row
) noexcept nogil:
    cdef int64_t i, n, drawn = 0
    if n_excluded >= proposal.n_labels:
        for i in range(size):
            out[i] = -1
        return
    scratch.random = random_stream(seed, epoch, row)
    mark_positives(&scratch.drawer, excluded, n_excluded)
    prepare(proposal, &scratch.drawer, user)
    while drawn < size:
        n = min(<int64_t> DRAWN_AHEAD, size - drawn)
        propose_all(proposal, scratch, user, <uint32_t> n)
        settle_all(proposal, scratch, user, verify, <uint32_t*> (out + drawn), <uint32_t> n)
        drawn += n
    unmark_positives(&scratch.drawer)


cdef void probability_row(
    const Proposal* proposal, Drawer* drawer, const float* user, double* out, bint verify,
    const int32_t* excluded, uint32_t n_excluded
) noexcept nogil:
    prepare(proposal, drawer, user)
    fill_probabilities(proposal, drawer, user, out)
    if verify:
        drawer.positives = excluded
        drawer.n_positives = n_excluded
        exclude_positives(drawer, proposal.n_labels, out)
        drawer.n_positives = 0


# All are proposed before the first is looked up: the tables are larger than the nearest caches.
cdef inline void propose_all(
    const Proposal* proposal, Scratch* scratch, const float* user, uint32_t n
) noexcept nogil:
    cdef uint32_t j
    for j in range(n):
        scratch.places[j] = propose_place(proposal, &scratch.drawer, user, &scratch.random)


cdef inline void settle_all(
    const Proposal* proposal, Scratch* scratch, const float* user, bint verify, uint32_t* out,
    uint32_t n
) noexcept nogil:
    cdef uint32_t j
    for j in range(n):
        out[j] = settle_negative(
            proposal, &scratch.drawer, user, verify, &scratch.random, scratch.places[j])


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


PROPOSALS = {"adaptive": 0, "uniform": 1, "popularity": 2, "exact": 3}
