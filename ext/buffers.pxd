"""Memory: what one thread works with, in one piece; rows that are padded and aligned."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from feature_map cimport FeatureRow
from losses cimport LossSum
from rank_table cimport FACTORS_AT_ONCE, MOST_ON_GRID, N_COUNTERS, Sorter
from rng cimport Random
from samplers cimport Drawer, SamplerTables, ranks_live


cdef enum:
    # candidates drawn ahead of the steps that use them
    DRAWN_AHEAD = 256
    # pairs whose candidates are drawn from a sampler that was prepared once
    PAIRS_AT_ONCE = 64
    # candidates whose rows are fetched while one is worked on, at most
    MOST_AHEAD = 16
    # rows that a thread takes at a time, at most
    ROWS_AT_ONCE = 32
    # values that are written or sorted before an interrupt is looked for
    VALUES_AT_ONCE = 1 << 24
    FLOATS_IN_LINE = 16


ctypedef struct Counts:
    LossSum loss
    int64_t pairs
    int64_t correct
    int64_t violations
    int64_t skipped
    int64_t not_finite
    int64_t trials
    # alignment and uniformity of the "auto" group
    double positive_cosine
    double negative_repulsion
    int64_t negatives


# pairs of one row with the candidates that were drawn for them
ctypedef struct Block:
    uint32_t n_pairs
    uint32_t n_candidates
    # these and MOST_AHEAD more, so that one can always look ahead
    uint32_t* labels
    uint32_t* candidates


# what one thread works with
ctypedef struct Scratch:
    void* memory
    Drawer drawer
    Random random
    # what is trained on, and what comes after it
    Block block
    Block following
    float* user
    float* following_user
    # of the vector that is trained on
    FeatureRow features
    # of the row that is trained on
    float learning_rate_user
    float decay_user
    # where the candidates are found
    size_t* places
    # of the candidates
    double* scores
    double* slopes
    double* corrections
    double* probability
    float* gradient
    # the image's vector when the sampler was prepared for it
    float* prepared
    # sum of the image's vectors after some of the sweeps
    float* folded
    Counts counts


cdef inline uint32_t pairs_at_once(uint32_t candidates) noexcept nogil:
    return max(1, min(<uint32_t> PAIRS_AT_ONCE, DRAWN_AHEAD // candidates))


cdef inline size_t in_lines(size_t size) noexcept nogil:
    return (size + 63) // 64 * 64


# a buffer at an address, which moves behind it, to the next line
cdef inline void* take(size_t* address, size_t size) noexcept nogil:
    cdef size_t taken = address[0]
    address[0] += in_lines(size)
    return <void*> taken


# the buffers to sort n_labels by n_keys keys each; returns where they end
cdef inline size_t lay_out_sorter(
    Sorter* sorter, size_t n_labels, size_t n_keys, size_t address
) noexcept nogil:
    cdef size_t n_counters = N_COUNTERS if n_labels else 0
    sorter.items = <uint64_t*> take(&address, 2 * (n_labels + 1) * sizeof(uint64_t))
    sorter.spare = <uint64_t*> take(&address, n_labels * sizeof(uint64_t))
    sorter.keys = <uint32_t*> take(&address, n_keys * n_labels * sizeof(uint32_t))
    sorter.counters = <uint32_t*> take(&address, n_counters * sizeof(uint32_t))
    sorter.grid = <uint16_t*> take(
        &address, min(n_labels, <size_t> MOST_ON_GRID) * sizeof(uint16_t))
    return address


# divides memory among the buffers, from an address on; returns where they end
# n_features: most features of an image
cdef inline size_t lay_out(
    Scratch* scratch, const SamplerTables* tables, uint32_t candidates, bint dense,
    size_t n_features, size_t address
) noexcept nogil:
    cdef size_t n_labels = tables.n_labels
    cdef size_t row = tables.stride * sizeof(float)
    cdef size_t labels = (PAIRS_AT_ONCE + MOST_AHEAD) * sizeof(uint32_t)
    cdef size_t ahead = max(<size_t> candidates, <size_t> DRAWN_AHEAD)
    cdef size_t drawn = (ahead + MOST_AHEAD) * sizeof(uint32_t)
    cdef size_t ranked = n_labels if ranks_live(tables.kind) else 0
    cdef Drawer* drawer = &scratch.drawer
    drawer.running = <float*> take(&address, row)
    drawer.lane_sums = <float*> take(&address, FLOATS_IN_LINE * sizeof(float))
    drawer.positive = <uint64_t*> take(&address, (n_labels // 64 + 1) * sizeof(uint64_t))
    drawer.ranking = <uint32_t*> take(&address, ranked * sizeof(uint32_t))
    address = lay_out_sorter(&drawer.sorter, ranked, 1, address)
    scratch.block.labels = <uint32_t*> take(&address, labels)
    scratch.block.candidates = <uint32_t*> take(&address, drawn)
    scratch.following.labels = <uint32_t*> take(&address, labels)
    scratch.following.candidates = <uint32_t*> take(&address, drawn)
    scratch.user = <float*> take(&address, row)
    scratch.following_user = <float*> take(&address, row)
    scratch.places = <size_t*> take(&address, ahead * sizeof(size_t))
    scratch.scores = <double*> take(&address, ahead * sizeof(double))
    scratch.slopes = <double*> take(&address, ahead * sizeof(double))
    scratch.corrections = <double*> take(&address, ahead * sizeof(double))
    scratch.probability = <double*> take(&address, (n_labels if dense else 0) * sizeof(double))
    scratch.gradient = <float*> take(&address, row)
    scratch.prepared = <float*> take(&address, row)
    scratch.folded = <float*> take(&address, row)
    # one more, since what is dropped is written over
    scratch.features.numbers = <uint32_t*> take(&address, (n_features + 1) * sizeof(uint32_t))
    scratch.features.values = <float*> take(&address, (n_features + 1) * sizeof(float))
    scratch.features.keeps = <float*> take(&address, n_features * sizeof(float))
    scratch.features.shares = <float*> take(&address, n_features * sizeof(float))
    scratch.features.loaded = <float*> take(&address, row)
    return address


# begins on a line, so that no line holds what two threads write
cdef inline Scratch* allocate(
    const SamplerTables* tables, uint32_t candidates, bint dense, size_t n_features
) noexcept nogil:
    cdef Scratch measured
    cdef size_t header = in_lines(sizeof(Scratch))
    cdef void* memory = calloc(
        lay_out(&measured, tables, candidates, dense, n_features, header + 64), 1)
    if memory == NULL:
        return NULL
    cdef Scratch* scratch = <Scratch*> in_lines(<size_t> memory)
    scratch.memory = memory
    lay_out(scratch, tables, candidates, dense, n_features, <size_t> scratch + header)
    scratch.counts.loss.factor = 1.0
    return scratch


cdef inline void release(Scratch** scratch, int n) noexcept nogil:
    cdef int i
    if scratch != NULL:
        for i in range(n):
            if scratch[i] != NULL:
                free(scratch[i].memory)
        free(scratch)


# one for every thread
cdef inline Scratch** allocate_all(
    int n_threads, const SamplerTables* tables, uint32_t candidates, bint dense, size_t n_features
) except NULL:
    cdef Scratch** scratch = <Scratch**> calloc(n_threads, sizeof(Scratch*))
    cdef int i
    cdef bint complete = scratch != NULL
    for i in range(n_threads):
        if complete:
            scratch[i] = allocate(tables, candidates, dense, n_features)
            complete = scratch[i] != NULL
    if not complete:
        release(scratch, n_threads)
        raise MemoryError("no memory for the buffers of the sampler")
    return scratch


# sorters for the rank table, one for every thread, in one piece of memory; free() ends them
cdef inline Sorter* allocate_sorters(int n_threads, uint32_t n_labels) except NULL:
    cdef Sorter measured
    cdef size_t header = in_lines(n_threads * sizeof(Sorter)) + 64
    cdef size_t size = in_lines(lay_out_sorter(&measured, n_labels, FACTORS_AT_ONCE, 0))
    cdef Sorter* sorters = <Sorter*> malloc(header + n_threads * size)
    cdef size_t first
    cdef int i
    if sorters == NULL:
        raise MemoryError("no memory to sort the labels for the rank table")
    first = in_lines(<size_t> sorters + n_threads * sizeof(Sorter))
    for i in range(n_threads):
        lay_out_sorter(&sorters[i], n_labels, FACTORS_AT_ONCE, first + i * size)
    return sorters


# floats in a padded row of so many columns
cdef inline uint32_t padded_floats(uint32_t columns) noexcept nogil:
    return (columns + FLOATS_IN_LINE - 1) // FLOATS_IN_LINE * FLOATS_IN_LINE


# a float32 (n_rows, stride) array of zeros whose data starts on a 64-byte boundary
cdef inline object new_rows(Py_ssize_t n_rows, Py_ssize_t stride):
    import numpy as np

    memory = np.zeros(n_rows * stride + FLOATS_IN_LINE, dtype=np.float32)
    first = -memory.ctypes.data % 64 // 4
    return memory[first:first + n_rows * stride].reshape(n_rows, stride)


cdef inline float[::1] aligned_row(const float[::1] values):
    row = new_rows(1, values.shape[0])[0]
    row[:] = values
    return row


cdef inline int require_alignment(const float* rows) except -1:
    if <size_t> rows & 63:
        raise ValueError("rows of factors must start at multiples of 64 bytes: aligned_rows()")
    return 0


cdef inline int require_length(str name, int64_t length, int64_t n) except -1:
    if length != n:
        raise ValueError(f"{name} must have length {n}, got {length}")
    return 0
