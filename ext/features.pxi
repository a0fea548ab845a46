# Features of images and the matrix that maps them, as Python sees them.

from cython.parallel import parallel, prange, threadid

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from buffers cimport ROWS_AT_ONCE, new_rows, require_alignment, require_length
from feature_map cimport FeatureMap, begin_of
from simd cimport vr_add_rows


cdef class Features:
    """Features of images, and a matrix that maps them to vectors.

    Parameters
    ----------
    values : float32 (n_values,)
        Those of all images, one after the other.
    indptr : int64 (n_rows + 1,) or None
        Where the values of an image begin.
    indices : int32 (n_values,) or None
        Which features they are of. Both None: every image has a value of each.
    weights : float32 (n_features, stride), padded and aligned
        INOUT: the matrix.
    squares : float32 (n_features,)
        INOUT: sums of squared gradients, above 0.
    dropout : float
        The chance that a feature takes no part in a visit, below 1.
    regularization : float
        Penalty of a feature's row, once for every visit that it takes part in.
    has_own : bool
        Images have factors of their own beside the product.
    """

    cdef FeatureMap map
    cdef readonly int64_t n_rows
    # of an image
    cdef readonly int64_t most
    cdef tuple kept

    def __init__(
        self,
        const float[::1] values not None,
        const int64_t[::1] indptr,
        const int32_t[::1] indices,
        float[:, ::1] weights not None,
        float[::1] squares not None,
        *,
        double dropout=0.0,
        double regularization=0.0,
        bint has_own=True,
    ):
        cdef int64_t n_features = weights.shape[0], i, lowest = 0, highest = -1
        memset(&self.map, 0, sizeof(FeatureMap))
        require_length("squares", squares.shape[0], n_features)
        if (indptr is None) != (indices is None):
            raise ValueError("give both indptr and indices, or neither")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1, got {dropout}")
        if n_features == 0:
            raise ValueError("weights must have a row for each feature, got none")
        require_alignment(&weights[0, 0])
        if indptr is None:
            if values.shape[0] % n_features:
                raise ValueError(
                    f"values must have {n_features} entries for each image, got "
                    f"{values.shape[0]} in all")
            self.n_rows, self.most = values.shape[0] // n_features, n_features
        else:
            self.n_rows = indptr.shape[0] - 1
            if indptr[0] != 0 or not (
                indptr[self.n_rows] == values.shape[0] == indices.shape[0]
            ):
                raise ValueError("indptr does not agree with values and indices")
            for i in range(self.n_rows):
                if indptr[i + 1] < indptr[i]:
                    raise ValueError("indptr must ascend")
                self.most = max(self.most, indptr[i + 1] - indptr[i])
            for i in range(indices.shape[0]):
                lowest, highest = min(lowest, indices[i]), max(highest, indices[i])
            if lowest < 0 or highest >= n_features:
                raise ValueError(
                    f"indices must be from 0 to {n_features - 1}, got {lowest} to {highest}")
            self.map.indptr = &indptr[0]
            if indices.shape[0]:
                self.map.indices = &indices[0]
        if values.shape[0]:
            self.map.values = &values[0]
        self.map.n_features = n_features
        self.map.weights = &weights[0, 0]
        self.map.squares = &squares[0]
        self.map.stride = <uint32_t> weights.shape[1]
        self.map.dropped = <uint64_t> (dropout * 4294967296.0)
        self.map.scale = <float> (1 / (1 - dropout))
        self.map.penalty = <float> regularization
        self.map.has_own = has_own
        self.kept = (values, indptr, indices, weights, squares)

    def add_to(self, float[:, ::1] out not None, int n_threads):
        """Add to rows of vectors, which are not padded, the product of each image's features."""
        cdef int64_t n_rows = self.n_rows, columns = out.shape[1], row
        # a padded row for every thread
        cdef float[:, ::1] vectors = new_rows(n_threads, self.map.stride)
        if out.shape[0] != n_rows or columns > self.map.stride:
            raise ValueError(
                f"out must have {n_rows} rows of at most {self.map.stride} columns, got "
                f"({out.shape[0]}, {columns})")
        with nogil, parallel(num_threads=n_threads):
            for row in prange(n_rows, schedule="dynamic", chunksize=ROWS_AT_ONCE):
                add_product(&self.map, row, &vectors[threadid(), 0], &out[row, 0], columns)


# of all features, whatever is dropped in training
cdef void add_product(
    const FeatureMap* features, int64_t row, float* vector, float* out, int64_t columns
) noexcept nogil:
    cdef int64_t begin = begin_of(features, row)
    cdef const uint32_t* numbers = NULL
    memset(vector, 0, features.stride * sizeof(float))
    memcpy(vector, out, columns * sizeof(float))
    if features.indices != NULL:
        numbers = <const uint32_t*> (features.indices + begin)
    vr_add_rows(
        features.weights, features.stride, numbers, features.values + begin,
        begin_of(features, row + 1) - begin, vector)
    memcpy(out, vector, columns * sizeof(float))
