"""What the vector of an image is made of.

Factors of its own, and where images have features the product of these with a matrix: loaded before
the pairs of the image are trained on, and stored after that. To add a part: the arrays in
VectorParts, what it adds to the vector in load_vector(), and its share of how far the vector moved
in store_vector(). Steps know the vector alone.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memcpy, memset

from feature_map cimport FeatureMap, FeatureRow, add_features, find_move, move_map
from simd cimport VR_FETCH_TO_WRITE


ctypedef struct VectorParts:
    # one row for each image, not padded
    float* factors
    uint32_t columns
    # floats of a vector, which is padded
    uint32_t stride
    # NULL: images have no features
    const FeatureMap* features


# to the cache, well before it is loaded
cdef inline void fetch_vector(const VectorParts* parts, int32_t image) noexcept nogil:
    cdef const float* row = parts.factors + <size_t> image * parts.columns
    cdef size_t line = <size_t> row & ~<size_t> 63
    while line < <size_t> (row + parts.columns):
        VR_FETCH_TO_WRITE(<const void*> line)
        line += 64


# row: what takes part of the features is kept there until the vector is stored
cdef inline void load_vector(
    const VectorParts* parts, int32_t image, float* vector, FeatureRow* row
) noexcept nogil:
    memcpy(
        vector, parts.factors + <size_t> image * parts.columns, parts.columns * sizeof(float))
    # what the vector before left there may be no number
    memset(vector + parts.columns, 0, (parts.stride - parts.columns) * sizeof(float))
    if parts.features != NULL:
        add_features(parts.features, image, row, vector)


# share: of the full steps on the vector
cdef inline void store_vector(
    const VectorParts* parts, int32_t image, const float* vector, FeatureRow* row, float share
) noexcept nogil:
    cdef float* factors = parts.factors + <size_t> image * parts.columns
    cdef float decay
    cdef uint32_t f
    if parts.features == NULL:
        memcpy(factors, vector, parts.columns * sizeof(float))
        return
    find_move(parts.features, row, vector)
    if parts.features.has_own:
        decay = share * parts.features.decay_own
        for f in range(parts.columns):
            factors[f] = (factors[f] + row.loaded[f]) / (1 + parts.features.learns[f] * decay)
    move_map(parts.features, row)
