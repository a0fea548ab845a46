"""The vector loops of simd/, compiled with every kernel for its own instruction set.

Rows are padded with zeros to a multiple of 16 floats and 64-byte aligned, where it does not say
otherwise.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t


cdef extern from "simd/vectors.h" nogil:
    void VR_FETCH_TO_READ(const void* address)
    void VR_FETCH_TO_WRITE(const void* address)


cdef extern from "simd/exponential.h" nogil:
    double vr_exp(double x)
    void vr_exponentials(double* x, Py_ssize_t n)


cdef extern from "simd/rows.h" nogil:
    enum:
        VR_SLICE
    float vr_dot(const float* a, const float* b, Py_ssize_t k)
    float vr_reach(
        const float* u, const float* p, const float* n, const float* learns, float step_u,
        float step, Py_ssize_t k
    )
    float vr_difference(const float* u, const float* p, const float* n, Py_ssize_t k)
    float vr_difference_and_reach(
        const float* u, const float* p, const float* n, const float* learns, float step_u,
        float step, Py_ssize_t k, float* reach
    )
    void vr_update(
        float* u, float* p, float* n, const float* learns, float step_u, float step,
        float decay_u, float decay_p, float decay_n, Py_ssize_t k
    )
    void vr_update_in_turn(
        float* u, float* p, float* n, const float* learns, float step_u, float step,
        float decay_u, float decay_p, float decay_n, Py_ssize_t k
    )
    void vr_add_masked(
        float* a, const float* b, const float* learns, float step, float decay, Py_ssize_t k
    )
    void vr_gather_update(
        float* gradient, float* b, const float* u, float weight, float step, float decay,
        Py_ssize_t k
    )
    void vr_scale(float* a, float scale, Py_ssize_t k)
    void vr_move_rows(
        float* rows, Py_ssize_t stride, const uint32_t* numbers, const float* keeps,
        const float* shares, Py_ssize_t n, const float* step
    )
    void vr_share_sum(
        const int32_t* rows, Py_ssize_t n, const float* factors, float* out, Py_ssize_t stride,
        float weight
    )


cdef extern from "simd/keys.h" nogil:
    uint32_t vr_descending_key(float value)
    void vr_factor_keys(
        const float* rows, Py_ssize_t stride, Py_ssize_t n, uint32_t* keys, double* variance
    )
    int vr_fill_grid(const uint32_t* keys, Py_ssize_t n, uint16_t* grid)


cdef extern from "simd/picking.h" nogil:
    void vr_running_weights(const float* v, const float* spread, float* running, Py_ssize_t k)
    float vr_lane_sums(const float* running, float* lane_sums, Py_ssize_t k)
    Py_ssize_t vr_pick(
        const float* running, const float* lane_sums, float across, float along, Py_ssize_t k
    )


# of one row that is compared with many
cdef extern from "simd/negatives.h" nogil:
    void vr_odds(const float* scores, Py_ssize_t n, float highest, float* odds)
    void vr_spread(
        const float* running, const float* lane_sums, Py_ssize_t k, float offset, Py_ssize_t n,
        size_t* columns
    )
    void vr_ranks(const float* scores, Py_ssize_t n, int32_t* ranks)
    void vr_score_rows(
        const float* user, const float* rows, Py_ssize_t stride, const uint32_t* numbers,
        Py_ssize_t n, float* scores
    )
    float vr_logistic_slopes(
        const float* odds, float relative, const float* weights, Py_ssize_t n, float* sums
    )
    void vr_add_rows(
        const float* rows, Py_ssize_t stride, const uint32_t* numbers, const float* weights,
        Py_ssize_t n, float* out
    )


cdef extern from "simd/panels.h" nogil:
    enum:
        VR_PANEL
        VR_USERS
    void vr_score_panel(
        const float* users, Py_ssize_t stride, const float* panel, Py_ssize_t k, float* out,
        Py_ssize_t out_stride
    )


# rows that are neither padded nor aligned
cdef extern from "simd/scan.h" nogil:
    void vr_scan(
        const float* query, const float* rows, Py_ssize_t n, Py_ssize_t k, float* products
    )
    void vr_scan_and_norms(
        const float* query, const float* rows, Py_ssize_t n, Py_ssize_t k, float* products,
        float* norms, bint has_bias
    )
    int64_t vr_take_piece(int64_t* next)
    void vr_finish_piece(uint8_t* finished)
    bint vr_is_finished(uint8_t* finished)
    enum:
        VR_SCAN_TOGETHER
    bint vr_scan_is_any_above(const float* scores, float limit)


# rows that are listed, of a matrix that is neither padded nor aligned
cdef extern from "simd/weights.h" nogil:
    enum:
        VR_SUMMED
    void vr_fetch_floats(const float* floats, Py_ssize_t n)
    void vr_add_listed(
        const int32_t* numbers, Py_ssize_t n, int32_t first, const float* rows, Py_ssize_t stride,
        float* out
    )
