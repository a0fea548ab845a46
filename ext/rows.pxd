"""What the vector of an image is made of.

A row of factors of its own, loaded before the pairs of the image are trained on and stored after
that. To add a part, such as the product of its features with
a matrix: the arrays in VectorParts, what it adds to the vector in load_vector(), and its share of
how far the vector moved in store_vector(). Steps know the vector alone.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memcpy, memset

from simd cimport VR_FETCH_TO_WRITE


ctypedef struct VectorParts:
    # one row for each image, not padded
    float* factors
    uint32_t columns
    # floats of a vector, which is padded
    uint32_t stride


# to the cache, well before it is loaded
cdef inline void fetch_vector(const VectorParts* parts, int32_t image) noexcept nogil:
    cdef const float* row = parts.factors + <size_t> image * parts.columns
    cdef size_t line = <size_t> row & ~<size_t> 63
    while line < <size_t> (row + parts.columns):
        VR_FETCH_TO_WRITE(<const void*> line)
        line += 64


cdef inline void load_vector(
    const VectorParts* parts, int32_t image, float* vector
) noexcept nogil:
    memcpy(
        vector, parts.factors + <size_t> image * parts.columns, parts.columns * sizeof(float))
    # what the vector before left there may be no number
    memset(vector + parts.columns, 0, (parts.stride - parts.columns) * sizeof(float))


cdef inline void store_vector(
    const VectorParts* parts, int32_t image, const float* vector
) noexcept nogil:
    memcpy(
        parts.factors + <size_t> image * parts.columns, vector, parts.columns * sizeof(float))
