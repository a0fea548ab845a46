"""The product of an image's features with a matrix: added to its vector, and moved with it.

A row of features is sparse, or holds all of them. The steps on the matrix are AdaGrad's with one
sum of squares for each feature, so that a feature of few images moves as far as one of many.
"""

from libc.math cimport sqrtf
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from rng cimport Random, mix, next_random, random_stream
from simd cimport vr_add_rows, vr_dot, vr_move_rows


cdef enum:
    # of the seed, so that what is dropped is drawn apart from negatives
    DROPOUT_STREAM = 0x44524F50


# features of images, and the matrix that maps them
ctypedef struct FeatureMap:
    const float* values
    # where the features of an image begin, and which they are; NULL: images have a value of each
    const int64_t* indptr
    const int32_t* indices
    int64_t n_features
    # (n_features, stride), padded and aligned; and for each row the sum of squared gradients
    float* weights
    float* squares
    uint32_t stride
    # of 2^32, how many features are dropped, and what the others are multiplied by
    uint64_t dropped
    float scale
    float learning_rate
    float penalty
    # images have factors of their own beside the product; a visit shrinks them by so much
    bint has_own
    float decay_own
    # 1 for the columns of a vector that move, else 0, and how many do
    const float* learns
    float n_learned
    # of the steps on the image's vector
    float learning_rate_user
    uint64_t seed
    uint64_t epoch
    int64_t first_row


# what of an image's features takes part in a visit
ctypedef struct FeatureRow:
    uint32_t n
    uint32_t* numbers
    float* values
    # how much of a row of the matrix is kept, and of the gradient is added
    float* keeps
    float* shares
    # the vector of the image before its steps
    float* loaded


cdef inline int64_t begin_of(const FeatureMap* features, int64_t image) noexcept nogil:
    return image * features.n_features if features.indptr == NULL else features.indptr[image]


# all of an image's features, or those that are not dropped
cdef inline void choose_features(
    const FeatureMap* features, int64_t image, FeatureRow* row
) noexcept nogil:
    cdef int64_t begin = begin_of(features, image), end = begin_of(features, image + 1), i
    cdef uint32_t drawn = 0
    cdef uint32_t n = 0
    cdef uint64_t numbers = 0
    cdef Random random
    if features.dropped > 0:
        random = random_stream(
            mix(features.seed + DROPOUT_STREAM), features.epoch,
            <uint64_t> (features.first_row + image))
    for i in range(begin, end):
        # what an image does not have takes no part, whether it is stored or not
        if features.values[i] == 0:
            continue
        row.numbers[n] = <uint32_t> (
            i - begin if features.indices == NULL else features.indices[i])
        row.values[n] = features.scale * features.values[i]
        if features.dropped == 0:
            n += 1
            continue
        # two features share a random number
        numbers = next_random(&random) if drawn & 1 == 0 else numbers >> 32
        drawn += 1
        n += (numbers & <uint64_t> 0xffffffff) >= features.dropped
    row.n = n


cdef inline void add_features(
    const FeatureMap* features, int64_t image, FeatureRow* row, float* vector
) noexcept nogil:
    choose_features(features, image, row)
    vr_add_rows(
        features.weights, features.stride, row.numbers, row.values, row.n, vector)
    memcpy(row.loaded, vector, features.stride * sizeof(float))


# row.loaded becomes how far the vector has moved
cdef inline void find_move(
    const FeatureMap* features, FeatureRow* row, const float* vector
) noexcept nogil:
    cdef uint32_t f
    for f in range(features.stride):
        row.loaded[f] = vector[f] - row.loaded[f]


# one step on the matrix along the sum of the gradients of a visit, which is row.loaded over the
# learning rate
cdef inline void move_map(const FeatureMap* features, FeatureRow* row) noexcept nogil:
    cdef float gradient = 1, square, step
    cdef uint32_t i, n = row.n
    if not features.learning_rate_user > 0:
        return
    gradient /= features.learning_rate_user
    # of a mean column
    square = gradient * gradient * vr_dot(row.loaded, row.loaded, features.stride)
    if not square > 0:
        return
    square /= features.n_learned
    for i in range(n):
        features.squares[row.numbers[i]] += row.values[i] * row.values[i] * square
        step = features.learning_rate / sqrtf(features.squares[row.numbers[i]])
        row.keeps[i] = 1 / (1 + step * features.penalty)
        row.shares[i] = row.keeps[i] * step * row.values[i] * gradient
    vr_move_rows(
        features.weights, features.stride, row.numbers, row.keeps, row.shares, n, row.loaded)
