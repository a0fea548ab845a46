# Training as Python sees it: all about how a model learns in one object, run on rows of pairs.

from cython.parallel import parallel, prange, threadid

import numpy as np

from libc.math cimport log
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from buffers cimport (
    MOST_AHEAD,
    ROWS_AT_ONCE,
    Counts,
    Scratch,
    aligned_row,
    allocate_all,
    pairs_at_once,
    release,
    require_alignment,
    require_length,
)
from choices cimport number_of
from feature_map cimport FeatureMap
from losses cimport LossKind, loss_kinds, make_loss
from row_fold_in cimport FoldIn, fold_row
from samplers cimport ranks_live, unmark_positives
from selections cimport FIRST, VIOLATOR, SelectionKind, selection_kinds
from steps cimport Settings
from visits cimport (
    DRAWN,
    DRAWN_BY_VALUE,
    STORED,
    Row,
    Task,
    begin_row,
    fetch_rows,
    load_row,
    store_row,
    train_pairs,
)


cdef class Features


cdef class Sampler


cdef enum:
    # candidates whose rows are on their way from the further caches while one is worked on: those
    # of one step, but no fewer, and no more than MOST_AHEAD
    LEAST_AHEAD = 2
    # how often a thread comes for more rows
    TURNS = 16


SELECTIONS = tuple(selection_kinds())
COUNTS = (
    "loss", "pairs", "correct", "violations", "skipped", "not_finite", "trials",
    "positive_cosine", "negative_repulsion", "negatives",
)


cdef class Training:
    """How a model learns: made once, and run on any rows of pairs.

    A run keeps nothing in it, so that runs in several threads may overlap.

    Parameters
    ----------
    sampler : Sampler
        What draws candidates; refreshed by whoever made it.
    item_factors : float32 (n_labels, stride), padded and aligned
        INOUT: moved by every run, unless there are sweeps.
    learns : float32 (stride,)
        1 for the columns of an image's vector that are learned, else 0.
    loss, selection : str
        One of LOSSES, and of SELECTIONS.
    margin, temperature, corrected
        Of the loss; corrected for what the sampler draws too often (softmax).
    rank_weights : float64 (n_labels,) or None
        L(rank) for the WARP loss.
    candidates, max_trials : int
        Labels to draw for a pair; for the violator selection, at most.
    damped : bool
        No step carries scores past where the loss is least.
    in_turn : bool
        Steps as in the code the paper's authors released.
    cosine : bool
        Vectors and rows keep a length of 1.
    verify : bool
        A positive is never a candidate.
    regularization_user, regularization_positive, regularization_negative : float
        Penalties.
    regularize_violating_only : bool
        They apply where scores violate the margin.
    pairs_of_full_steps : float
        0, or a number of pairs: the steps on a row of more of them are smaller in proportion.
    measures_cosines : bool
        Count what the "auto" group size goes by.
    sweeps : int
        0, or how often to go over the positives of a row with item_factors fixed. Then vectors
        begin with what is in user_factors, and random numbers depend on the positives alone.
    least_steps : int
        Rows with few positives go over them more often, up to so many steps.
    first_step : float32 (stride, stride), padded and aligned, and
    mean_negative : float32 (stride,), padded and aligned
        A row begins with half the product of this matrix with the mean of its positives' rows less
        this one, divided by 1 and a quarter of the product of both, and times
    unit : float
        which is that of the scores. Needed where there are sweeps.
    anchored : bool
        In place of that first step, a row stays where it is, and sweeps shrink what it learns
        beside that; regularization_user has no part then.
    regularization_own : float
        Penalty of what an image learns beside its features, once for every visit.
    """

    # of a run, all but its data
    cdef Task task
    cdef FoldIn fold_in
    cdef double regularization_user, regularization_positive, regularization_negative
    cdef double regularization_own
    cdef float n_learned
    cdef Sampler sampler
    # the arrays that the pointers lead to
    cdef tuple kept

    def __init__(
        self,
        Sampler sampler not None,
        float[:, ::1] item_factors not None,
        const float[::1] learns not None,
        *,
        str loss not None,
        double margin=1.0,
        double temperature=1.0,
        bint corrected=False,
        const double[::1] rank_weights=None,
        str selection not None,
        int candidates=1,
        int max_trials=1,
        bint damped=False,
        bint in_turn=False,
        bint cosine=False,
        bint verify=True,
        double regularization_user=0.0,
        double regularization_positive=0.0,
        double regularization_negative=0.0,
        bint regularize_violating_only=False,
        double pairs_of_full_steps=0.0,
        bint measures_cosines=False,
        int sweeps=0,
        int least_steps=0,
        const float[:, ::1] first_step=None,
        const float[::1] mean_negative=None,
        double unit=1.0,
        bint anchored=False,
        double regularization_own=0.0,
    ):
        cdef Settings* settings = &self.task.settings
        cdef int64_t stride = sampler.tables.stride
        cdef const float[::1] aligned_learns
        require_shape("item_factors", item_factors, sampler.tables.n_labels, stride)
        require_length("learns", learns.shape[0], stride)
        if candidates < 1 or max_trials < 1:
            raise ValueError(
                f"candidates and max_trials must be at least 1, got {candidates} and {max_trials}")
        require_alignment(&item_factors[0, 0])
        aligned_learns = aligned_row(learns)
        memset(&self.task, 0, sizeof(Task))
        memset(&self.fold_in, 0, sizeof(FoldIn))
        self.sampler = sampler
        self.n_learned = <float> max(1.0, np.sum(learns))
        settings.tables = &sampler.tables
        settings.item_factors = &item_factors[0, 0]
        settings.stride = <uint32_t> stride
        settings.learns = &aligned_learns[0]
        settings.loss = make_loss(
            <LossKind> number_of(loss, loss_kinds(), "loss"), margin, temperature)
        settings.selection = <SelectionKind> number_of(
            selection, selection_kinds(), "selection")
        if settings.selection == VIOLATOR and settings.loss.is_of_lists:
            raise ValueError(f"a violator is one negative, but loss={loss!r} is of lists of them")
        if rank_weights is not None:
            require_length("rank_weights", rank_weights.shape[0], sampler.tables.n_labels)
            settings.rank_weights = &rank_weights[0]
        settings.candidates = candidates
        settings.max_trials = max_trials
        settings.pairs_of_full_steps = <float> pairs_of_full_steps
        settings.decay_violating_only = regularize_violating_only
        settings.verify = verify
        settings.cosine = cosine
        settings.corrected = corrected
        settings.damped = damped
        settings.in_turn = in_turn
        settings.labels_stay = sweeps > 0
        settings.measure_cosines = measures_cosines
        settings.candidates_ahead = max(
            <uint32_t> LEAST_AHEAD, min(<uint32_t> candidates, <uint32_t> MOST_AHEAD))
        settings.pairs_ahead = (LEAST_AHEAD + settings.candidates - 1) // settings.candidates
        settings.writes_candidates = not sweeps and settings.selection == FIRST
        # what images have of their own beside features has a penalty of its own
        self.regularization_user = 0.0 if anchored else regularization_user
        self.regularization_own = regularization_own
        self.regularization_positive = regularization_positive
        self.regularization_negative = regularization_negative
        self.task.vectors.stride = settings.stride
        self.task.pairs_at_once = pairs_at_once(candidates)
        # what else a draw depends on changes with every step, or has one place for its numbers
        self.task.draws_ahead = not (
            ranks_live(sampler.tables.kind) or settings.selection == VIOLATOR or corrected
            or sweeps)
        if sweeps:
            if first_step is None or mean_negative is None:
                raise ValueError("to fold in takes first_step and mean_negative")
            require_shape("first_step", first_step, stride, stride)
            require_length("mean_negative", mean_negative.shape[0], stride)
            require_alignment(&first_step[0, 0])
            require_alignment(&mean_negative[0])
            self.fold_in.sweeps = sweeps
            self.fold_in.least_steps = least_steps
            self.fold_in.first_step = &first_step[0, 0]
            self.fold_in.mean_negative = &mean_negative[0]
            self.fold_in.unit = <float> unit
            self.fold_in.anchored = anchored
            self.fold_in.penalty_own = <float> regularization_own
        self.kept = (item_factors, aligned_learns, rank_weights, first_step, mean_negative)

    def run(
        self,
        const int64_t[::1] indptr not None,
        const int32_t[::1] indices not None,
        const int32_t[::1] rows not None,
        float[:, ::1] user_factors not None,
        *,
        double learning_rate,
        double learning_rate_user,
        uint64_t seed,
        uint64_t epoch,
        int group_size=1,
        const int32_t[::1] draws=None,
        const double[::1] running_values=None,
        int64_t first_row=0,
        Features features=None,
        double learning_rate_features=0.0,
        int n_threads=1,
    ):
        """Train on the positives of the given rows, in this order, and return counts.

        indptr, indices : IN, the positives of every row, ascending
        rows : IN, the rows to train, each at most once
        user_factors : INOUT (n_rows, columns), those of the sampler; not padded, so that most of
            what a model holds takes no more memory than it has to
        group_size : how many of the candidates the "group" selection keeps
        draws : IN, how many positives to draw of each of these rows, or None for each stored one
            once
        running_values : IN, of running_sums(): draw by value; None: uniformly
        first_row : the number of row 0 where these are some rows of a larger matrix: random numbers
            go by the number there, so that they are the same wherever the rows are trained
        features : of the images, whose map is moved; None: images have factors of their own alone
        """
        cdef Task task = self.task
        cdef const FoldIn* fold_in = &self.fold_in
        cdef Settings* settings = &task.settings
        cdef FeatureMap map_of_features
        cdef Counts counts
        cdef size_t most_features = 0
        cdef int64_t n_rows = rows.shape[0], rows_at_once, n_chunks, chunk
        cdef Scratch** scratch
        require_shape(
            "user_factors", user_factors, indptr.shape[0] - 1, self.sampler.tables.columns)
        if n_rows == 0:
            return dict.fromkeys(COUNTS, 0)
        require_rows(rows, indptr.shape[0] - 1)
        if indptr[indptr.shape[0] - 1] > indices.shape[0]:
            raise ValueError(
                f"indptr ends at {indptr[indptr.shape[0] - 1]}, beyond the {indices.shape[0]} "
                "entries of indices")
        if not 1 <= group_size <= settings.candidates:
            raise ValueError(
                f"group_size must be from 1 to the {settings.candidates} candidates, got "
                f"{group_size}")
        task.indptr = &indptr[0]
        task.indices = &indices[0]
        task.rows = &rows[0]
        task.vectors.factors = &user_factors[0, 0]
        task.vectors.columns = <uint32_t> user_factors.shape[1]
        task.positives = STORED
        if draws is not None:
            require_length("draws", draws.shape[0], n_rows)
            task.draws = &draws[0]
            task.positives = DRAWN
            if running_values is not None:
                require_length("running_values", running_values.shape[0], indices.shape[0])
                task.positives = DRAWN_BY_VALUE
                task.running_values = &running_values[0]
        elif running_values is not None:
            raise ValueError("running_values say what draws are by: give draws as well")
        task.first_row = first_row
        task.seed = seed
        task.epoch = epoch
        settings.group_size = group_size
        settings.learning_rate = <float> learning_rate
        settings.learning_rate_user = <float> learning_rate_user
        settings.decay_user = <float> (learning_rate_user * self.regularization_user)
        settings.decay_positive = <float> (learning_rate * self.regularization_positive)
        settings.decay_negative = <float> (learning_rate * self.regularization_negative)
        if features is not None:
            if features.n_rows != indptr.shape[0] - 1:
                raise ValueError(
                    f"there are features of {features.n_rows} images, but pairs of "
                    f"{indptr.shape[0] - 1}")
            if features.map.stride != settings.stride:
                raise ValueError(
                    f"the map of features must have rows of {settings.stride}, got "
                    f"{features.map.stride}")
            map_of_features = features.map
            map_of_features.learning_rate = <float> learning_rate_features
            map_of_features.learning_rate_user = settings.learning_rate_user
            map_of_features.decay_own = <float> (learning_rate_user * self.regularization_own)
            map_of_features.learns = settings.learns
            map_of_features.n_learned = self.n_learned
            map_of_features.seed = seed
            map_of_features.epoch = epoch
            map_of_features.first_row = first_row
            settings.decay_user = 0
            task.vectors.features = &map_of_features
            # the vector of a row is not whole before the map has moved with the row before
            task.draws_ahead = False
            most_features = features.most
        rows_at_once = max(1, min(<int64_t> ROWS_AT_ONCE, n_rows // (TURNS * max(1, n_threads))))
        n_chunks = (n_rows + rows_at_once - 1) // rows_at_once
        n_threads = <int> max(1, min(<int64_t> n_threads, n_chunks))
        scratch = allocate_all(
            n_threads, settings.tables, settings.candidates, settings.corrected, most_features)
        with nogil, parallel(num_threads=n_threads):
            for chunk in prange(n_chunks, schedule="dynamic", chunksize=1):
                train_rows(
                    &task, fold_in, scratch[threadid()], chunk * rows_at_once,
                    min(n_rows, (chunk + 1) * rows_at_once),
                )
        counts = sum_counts(scratch, n_threads)
        release(scratch, n_threads)
        return {
            "loss": counts.loss.total,
            "pairs": counts.pairs,
            "correct": counts.correct,
            "violations": counts.violations,
            "skipped": counts.skipped,
            "not_finite": counts.not_finite,
            "trials": counts.trials,
            "positive_cosine": counts.positive_cosine,
            "negative_repulsion": counts.negative_repulsion,
            "negatives": counts.negatives,
        }


cdef require_shape(str name, const float[:, ::1] array, int64_t n, int64_t columns):
    if array.shape[0] != n or array.shape[1] != columns:
        raise ValueError(
            f"{name} must have shape ({n}, {columns}), got ({array.shape[0]}, {array.shape[1]})")


cdef require_rows(const int32_t[::1] rows, int64_t n_rows):
    cdef int32_t lowest = 0, highest = 0
    cdef int64_t i
    for i in range(rows.shape[0]):
        lowest = min(lowest, rows[i])
        highest = max(highest, rows[i])
    if lowest < 0 or highest >= n_rows:
        raise ValueError(f"rows must be from 0 to {n_rows - 1}, got {lowest} to {highest}")


cdef Counts sum_counts(Scratch** scratch, int n_threads) noexcept:
    cdef Counts counts
    cdef const Counts* one
    cdef int thread
    memset(&counts, 0, sizeof(Counts))
    for thread in range(n_threads):
        one = &scratch[thread].counts
        counts.loss.total += one.loss.total + log(one.loss.factor)
        counts.pairs += one.pairs
        counts.correct += one.correct
        counts.violations += one.violations
        counts.skipped += one.skipped
        counts.not_finite += one.not_finite
        counts.trials += one.trials
        counts.positive_cosine += one.positive_cosine
        counts.negative_repulsion += one.negative_repulsion
        counts.negatives += one.negatives
    return counts


# fold_in: used where the rows of labels stay
cdef void train_rows(
    const Task* task, const FoldIn* fold_in, Scratch* scratch, int64_t start, int64_t stop
) noexcept nogil:
    cdef int64_t place
    cdef Row row, following
    cdef bint drawn = False
    for place in range(start, stop):
        fetch_rows(task, place, stop)
        if not drawn:
            row = load_row(task, scratch, place, scratch.user)
            begin_row(task, scratch, &row)
        if task.settings.labels_stay:
            fold_row(task, fold_in, scratch, &row)
            store_row(task, scratch, &row)
        elif task.draws_ahead and place + 1 < stop and row.n_pairs > 0:
            following = load_row(task, scratch, place + 1, scratch.following_user)
            train_pairs(task, scratch, &row, drawn, &following)
            store_row(task, scratch, &row)
            row, drawn = following, True
            scratch.user, scratch.following_user = scratch.following_user, scratch.user
        else:
            train_pairs(task, scratch, &row, drawn, NULL)
            store_row(task, scratch, &row)
            drawn = False
    unmark_positives(&scratch.drawer)


def running_sums(const int64_t[::1] indptr not None, const double[::1] values not None):
    """Sum the values of every row up to each of them."""
    sums = np.empty(values.shape[0], dtype=np.float64)
    cdef double[::1] out = sums
    cdef double total
    cdef int64_t row, i
    with nogil:
        for row in range(indptr.shape[0] - 1):
            total = 0
            for i in range(indptr[row], indptr[row + 1]):
                total += values[i]
                out[i] = total
    return sums
