# Ranks of held-out labels among all labels, by counting what scores higher: no sort, and never more
# scores at once than a block.
#
# Callers have checked every argument: indices are in range, and no label of a row is both
# known and held out.

from cython.parallel import parallel, prange, threadid

import numpy as np

from libc.math cimport INFINITY, NAN
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from buffers cimport new_rows
from measures cimport Group, MeasureKind, measure, measure_kinds
from simd cimport VR_PANEL, VR_USERS, vr_score_panel


MEASURES = measure_kinds()


cdef enum:
    MOST_USERS_TOGETHER = 64
    # a thread scores about this many together; more users read the panels fewer times
    SCORES_TOGETHER = 1 << 21


ctypedef fused Score:
    float
    double


# which labels are ranked for which images, and where their places go
ctypedef struct Ranking:
    const int64_t* known_indptr
    const int32_t* known
    const int64_t* held_out_indptr
    const int32_t* held_out
    int32_t* above
    int32_t* tied
    int64_t n_labels
    const int64_t* list_lengths
    int64_t n_lists


# what one thread adds to the coverage: the chance, for every length of list and label, that
# no list has the label; and room for the highest scores
ctypedef struct Cover:
    double* missed
    double* highest


cdef inline void count_places(
    const Score* scores, int64_t n_labels, Score score, int32_t* above, int32_t* tied
) noexcept nogil:
    cdef int32_t higher = 0, equal = 0
    cdef int64_t label
    for label in range(n_labels):
        higher += scores[label] > score
        equal += scores[label] == score
    above[0] = higher
    tied[0] = equal - 1


# scores of the row are overwritten
cdef inline bint rank_row(
    const Ranking* ranking, int64_t row, Score* scores, Cover* cover
) noexcept nogil:
    cdef int64_t i, length
    cdef int32_t not_numbers = 0
    for i in range(ranking.n_labels):
        not_numbers += scores[i] != scores[i]
    # neither higher than, nor equal to anything
    for i in range(ranking.known_indptr[row], ranking.known_indptr[row + 1]):
        scores[ranking.known[i]] = <Score> NAN
    for i in range(ranking.held_out_indptr[row], ranking.held_out_indptr[row + 1]):
        count_places(
            scores, ranking.n_labels, scores[ranking.held_out[i]], &ranking.above[i],
            &ranking.tied[i],
        )
    for i in range(ranking.n_lists):
        length = ranking.list_lengths[i]
        cover_row(
            scores, ranking.n_labels, length, cover.highest,
            cover.missed + i * ranking.n_labels,
        )
    return not_numbers == 0


cdef inline void cover_row(
    const Score* scores, int64_t n_labels, int64_t length, double* highest, double* missed
) noexcept nogil:
    cdef int64_t label, place, child, higher = 0, equal = 0
    cdef double score, chance
    for place in range(length):
        highest[place] = -INFINITY
    # a heap with the lowest of the highest on top
    for label in range(n_labels):
        score = scores[label]
        if score > highest[0]:
            place = 0
            while True:
                child = 2 * place + 1
                if child + 1 < length and highest[child + 1] < highest[child]:
                    child += 1
                if child >= length or score <= highest[child]:
                    break
                highest[place] = highest[child]
                place = child
            highest[place] = score
    for label in range(n_labels):
        higher += scores[label] > highest[0]
        equal += scores[label] == highest[0]
    if equal == 0:
        chance = 0.0
    else:
        chance = min(1.0, <double> (length - higher) / equal)
    for label in range(n_labels):
        if scores[label] > highest[0]:
            missed[label] = 0.0
        elif scores[label] == highest[0]:
            missed[label] *= 1.0 - chance


cdef bint rank_block(
    const Ranking* ranking, const float* users, int64_t k, const float* panels, int64_t n_panels,
    const int32_t* rows, int64_t n_rows, float* gathered, float* scores, Cover* cover
) noexcept nogil:
    cdef int64_t i, panel, width = n_panels * VR_PANEL
    cdef bint finite = True
    for i in range(n_rows):
        memcpy(gathered + i * k, users + rows[i] * k, k * sizeof(float))
    for panel in range(n_panels):
        i = 0
        while i < n_rows:
            vr_score_panel(
                gathered + i * k, k, panels + panel * k * VR_PANEL, k,
                scores + i * width + panel * VR_PANEL, width,
            )
            i += VR_USERS
    for i in range(n_rows):
        finite = rank_row(ranking, rows[i], scores + i * width, cover) and finite
    return finite


cdef int64_t users_together(int64_t n_labels) noexcept nogil:
    cdef int64_t n = min(
        <int64_t> MOST_USERS_TOGETHER, SCORES_TOGETHER // max(<int64_t> 1, n_labels))
    return max(<int64_t> 1, n // VR_USERS) * VR_USERS


cdef class Ranker:
    """Ranks held-out labels, and remembers which labels the top lists had.

    Parameters
    ----------
    n_labels : int
        Number of labels.
    known_indptr, known, held_out_indptr, held_out : IN
        For every image the labels that are not ranked and those whose places are asked for.
    list_lengths : int64
        Lengths of the top lists whose coverage is wanted; may be empty.

    Attributes
    ----------
    above, tied : int32, like held_out
        Labels that score higher than, and other labels that score the same as each.
    """

    cdef Ranking ranking
    cdef readonly object above, tied, missed
    cdef object kept
    cdef int64_t longest

    def __init__(
        self, int64_t n_labels, const int64_t[::1] known_indptr not None,
        const int32_t[::1] known not None, const int64_t[::1] held_out_indptr not None,
        const int32_t[::1] held_out not None, const int64_t[::1] list_lengths not None
    ):
        cdef int32_t[::1] above, tied
        cdef int64_t i
        memset(&self.ranking, 0, sizeof(Ranking))
        self.above = above = np.zeros(held_out.shape[0], dtype=np.int32)
        self.tied = tied = np.zeros(held_out.shape[0], dtype=np.int32)
        self.missed = np.ones((list_lengths.shape[0], n_labels), dtype=np.float64)
        # the arrays that the ranking points into
        self.kept = (known_indptr, known, held_out_indptr, held_out, list_lengths)
        self.ranking.n_labels = n_labels
        self.ranking.known_indptr = &known_indptr[0]
        self.ranking.held_out_indptr = &held_out_indptr[0]
        if known.shape[0]:
            self.ranking.known = &known[0]
        if held_out.shape[0]:
            self.ranking.held_out = &held_out[0]
            self.ranking.above, self.ranking.tied = &above[0], &tied[0]
        self.ranking.n_lists = list_lengths.shape[0]
        for i in range(list_lengths.shape[0]):
            self.longest = max(self.longest, list_lengths[i])
            self.ranking.list_lengths = &list_lengths[0]

    def rank_factors(
        self, const float[:, ::1] users not None, const float[:, ::1] panels not None,
        const int32_t[::1] rows not None, int n_threads
    ):
        """Rank by the products of factors; return whether all scores asked for were numbers.

        users : IN (n_images, k)
        panels : IN, of label_panels()
        rows : IN, the images to rank for
        """
        cdef int64_t k = users.shape[1], n_rows = rows.shape[0]
        cdef int64_t n_panels = panels.shape[0] // k
        cdef int64_t together = users_together(self.ranking.n_labels)
        cdef int64_t n_blocks = (n_rows + together - 1) // together, block
        cdef int64_t gathered_size = (together * k + 15) // 16 * 16
        cdef int64_t size = gathered_size + together * n_panels * VR_PANEL
        cdef Cover* covers
        cdef float[:, ::1] memory
        cdef int not_finite = 0
        cdef int thread
        cdef const Ranking* ranking = &self.ranking
        if n_rows == 0:
            return True
        n_threads = <int> max(1, min(<int64_t> n_threads, n_blocks))
        memory = new_rows(n_threads, (size + 15) // 16 * 16)
        covered, highest = self.cover_arrays(n_threads)
        covers = self.new_covers(covered, highest, n_threads)
        with nogil, parallel(num_threads=n_threads):
            for block in prange(n_blocks, schedule="dynamic", chunksize=1):
                thread = threadid()
                not_finite += not rank_block(
                    ranking, &users[0, 0], k, &panels[0, 0], n_panels, &rows[block * together],
                    min(together, n_rows - block * together), &memory[thread, 0],
                    &memory[thread, 0] + gathered_size, &covers[thread],
                )
        free(covers)
        self.missed *= covered.prod(axis=0)
        return not_finite == 0

    def rank_scores(self, Score[:, ::1] scores, const int32_t[::1] rows not None, int n_threads):
        """Rank by given scores; return whether all that were asked for were numbers.

        scores : INOUT (len(rows), n_labels), known labels are overwritten
        rows : IN, the images they belong to
        """
        cdef int64_t n_rows = rows.shape[0], i
        cdef Cover* covers
        cdef int not_finite = 0
        cdef const Ranking* ranking = &self.ranking
        if n_rows == 0:
            return True
        n_threads = <int> max(1, min(<int64_t> n_threads, n_rows))
        covered, highest = self.cover_arrays(n_threads)
        covers = self.new_covers(covered, highest, n_threads)
        with nogil, parallel(num_threads=n_threads):
            for i in prange(n_rows, schedule="dynamic", chunksize=8):
                not_finite += not rank_row(ranking, rows[i], &scores[i, 0], &covers[threadid()])
        free(covers)
        self.missed *= covered.prod(axis=0)
        return not_finite == 0

    cdef cover_arrays(self, int n_threads):
        covered = np.ones((n_threads, self.ranking.n_lists, self.ranking.n_labels))
        return covered, np.zeros((n_threads, self.longest + 1))

    cdef Cover* new_covers(
        self, double[:, :, ::1] covered, double[:, ::1] highest, int n
    ) except NULL:
        cdef Cover* covers = <Cover*> calloc(n, sizeof(Cover))
        cdef int thread
        if covers == NULL:
            raise MemoryError("no memory to rank")
        for thread in range(n):
            covers[thread].highest = &highest[thread, 0]
            if self.ranking.n_lists:
                covers[thread].missed = &covered[thread, 0, 0]
        return covers

    def measure(
        self, const int32_t[::1] rows not None, const int32_t[::1] kinds not None,
        const int64_t[::1] lengths not None, double[:, ::1] out not None
    ):
        """Compute measures of the images from the places of their held-out labels.

        kinds, lengths : IN, values of MEASURES, and the length of list of each; 0: all labels
        out : OUT (len(kinds), len(rows)), not a number where undefined
        """
        cdef const Ranking* ranking = &self.ranking
        cdef int64_t n_rows = rows.shape[0], i, m, n_groups, begin, end, most = 1
        cdef int64_t candidates
        cdef Group* groups
        cdef double[::1] discounts = 1.0 / np.log2(np.arange(2.0, ranking.n_labels + 2))
        cdef double[::1] gains = np.concatenate([[0.0], np.cumsum(discounts)])
        for i in range(n_rows):
            most = max(
                most, ranking.held_out_indptr[rows[i] + 1] - ranking.held_out_indptr[rows[i]])
        groups = <Group*> malloc(most * sizeof(Group))
        if groups == NULL:
            raise MemoryError("no memory to measure")
        with nogil:
            for i in range(n_rows):
                begin = ranking.held_out_indptr[rows[i]]
                end = ranking.held_out_indptr[rows[i] + 1]
                candidates = ranking.n_labels - (
                    ranking.known_indptr[rows[i] + 1] - ranking.known_indptr[rows[i]])
                n_groups = group_places(
                    ranking.above + begin, ranking.tied + begin, end - begin, groups)
                for m in range(kinds.shape[0]):
                    out[m, i] = measure(
                        <MeasureKind> kinds[m], lengths[m], groups, n_groups, end - begin,
                        candidates, &discounts[0], &gains[0],
                    )
        free(groups)


# held-out labels by score, the highest first; returns the number of different scores
cdef int64_t group_places(
    const int32_t* above, const int32_t* tied, int64_t n, Group* groups
) noexcept nogil:
    cdef int64_t i, n_groups = 0, low, high, middle, j, before = 0
    for i in range(n):
        low, high = 0, n_groups
        while low < high:
            middle = (low + high) >> 1
            if groups[middle].above < above[i]:
                low = middle + 1
            else:
                high = middle
        if low < n_groups and groups[low].above == above[i]:
            groups[low].held_out += 1
            continue
        for j in range(n_groups, low, -1):
            groups[j] = groups[j - 1]
        groups[low].above = above[i]
        groups[low].size = <int64_t> tied[i] + 1
        groups[low].held_out = 1
        n_groups += 1
    for i in range(n_groups):
        groups[i].held_out_above = before
        before += groups[i].held_out
    return n_groups


def label_panels(const float[:, ::1] item_factors not None):
    """Copy the factors of labels, (n_labels, k), to panels: (k rows of VR_PANEL labels) each."""
    cdef int64_t n_labels = item_factors.shape[0], k = item_factors.shape[1]
    cdef int64_t n_panels = (n_labels + VR_PANEL - 1) // VR_PANEL, panel, f, label
    panels = new_rows(n_panels * k, VR_PANEL)
    cdef float[:, ::1] out = panels
    with nogil:
        for panel in range(n_panels):
            for label in range(panel * VR_PANEL, min(n_labels, (panel + 1) * VR_PANEL)):
                for f in range(k):
                    out[panel * k + f, label - panel * VR_PANEL] = item_factors[label, f]
    return panels
