/* Keys that sort labels by a factor, a step of an even grid for each, and the deviation of the
   factors. */
#ifndef VSEENS_REC_KEYS_H
#define VSEENS_REC_KEYS_H

#include <string.h>

#include "vectors.h"

/* labels of which sixteen factors fit the nearest cache, to be read again */
#define VR_NEAR 256

/* Unsigned integers that ascend as the values descend; -0 and 0 are one value. */
VR_INLINE uint32_t vr_descending_key(float value) {
    uint32_t bits;
    value += 0.0f;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000u ? bits : bits ^ 0x7fffffffu;
}

#if VR_VECTORS

#ifdef __clang__
#define VR_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define VR_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vr_int4){__VA_ARGS__})
#endif

VR_INLINE vr_int4 vr_four_keys(const float *values) {
    union {
        vr_float4 value;
        vr_int4 bits;
    } four;
    four.value = *(const vr_float4 *)values + 0.0f;
    return four.bits ^ (~(four.bits >> 31) & 0x7fffffff);
}

/* vr_descending_key of four neighbouring factors of the labels, a factor after the other. */
VR_CALLED void vr_transposed_keys(const float *rows, ptrdiff_t stride, ptrdiff_t n,
                                  uint32_t *keys, ptrdiff_t keys_stride) {
    ptrdiff_t i;
    int f;
    for (i = 0; i + 4 <= n; i += 4, rows += 4 * stride) {
        const vr_int4 a = vr_four_keys(rows), b = vr_four_keys(rows + stride);
        const vr_int4 c = vr_four_keys(rows + 2 * stride), d = vr_four_keys(rows + 3 * stride);
        const vr_int4 low = VR_SHUFFLE(a, c, 0, 4, 1, 5), lower = VR_SHUFFLE(b, d, 0, 4, 1, 5);
        const vr_int4 high = VR_SHUFFLE(a, c, 2, 6, 3, 7), higher = VR_SHUFFLE(b, d, 2, 6, 3, 7);
        VR_SET_ANYWHERE(keys, i) = VR_SHUFFLE(low, lower, 0, 4, 1, 5);
        VR_SET_ANYWHERE(keys, keys_stride + i) = VR_SHUFFLE(low, lower, 2, 6, 3, 7);
        VR_SET_ANYWHERE(keys, 2 * keys_stride + i) = VR_SHUFFLE(high, higher, 0, 4, 1, 5);
        VR_SET_ANYWHERE(keys, 3 * keys_stride + i) = VR_SHUFFLE(high, higher, 2, 6, 3, 7);
    }
    for (; i < n; i++, rows += stride)
        for (f = 0; f < 4; f++) keys[f * keys_stride + i] = vr_descending_key(rows[f]);
}

#define VR_TO_DOUBLES(pointer) __builtin_convertvector(*(const vr_half *)(pointer), vr_doubles)

/* Add to sums over labels, for VR_WIDTH neighbouring factors, of how far their values lie from those
   of the first label, and of the squares. */
VR_CALLED void vr_add_moments(const float *rows, ptrdiff_t stride, ptrdiff_t n,
                              const float *first, double *sums, double *squares) {
    vr_doubles *sums_out = (vr_doubles *)sums, *squares_out = (vr_doubles *)squares;
    const vr_doubles low = VR_TO_DOUBLES(first), high = VR_TO_DOUBLES(first + VR_WIDTH / 2);
    vr_doubles low_sums = sums_out[0], high_sums = sums_out[1];
    vr_doubles low_squares = squares_out[0], high_squares = squares_out[1];
    ptrdiff_t i;
    for (i = 0; i < n; i++, rows += stride) {
        const vr_doubles low_gap = VR_TO_DOUBLES(rows) - low;
        const vr_doubles high_gap = VR_TO_DOUBLES(rows + VR_WIDTH / 2) - high;
        low_sums += low_gap;
        high_sums += high_gap;
        low_squares += low_gap * low_gap;
        high_squares += high_gap * high_gap;
    }
    sums_out[0] = low_sums;
    sums_out[1] = high_sums;
    squares_out[0] = low_squares;
    squares_out[1] = high_squares;
}

#else /* a compiler without vector types: sums lane by lane, mostly the same to the last bit */

VR_CALLED void vr_transposed_keys(const float *rows, ptrdiff_t stride, ptrdiff_t n,
                                  uint32_t *keys, ptrdiff_t keys_stride) {
    ptrdiff_t i;
    int f;
    for (i = 0; i < n; i++)
        for (f = 0; f < 4; f++)
            keys[f * keys_stride + i] = vr_descending_key(rows[i * stride + f]);
}

VR_CALLED void vr_add_moments(const float *rows, ptrdiff_t stride, ptrdiff_t n,
                              const float *first, double *sums, double *squares) {
    ptrdiff_t i;
    int f;
    for (i = 0; i < n; i++, rows += stride)
        for (f = 0; f < VR_WIDTH; f++) {
            const double gap = (double)rows[f] - (double)first[f];
            sums[f] += gap;
            squares[f] += gap * gap;
        }
}

#endif

/* The keys and the statistics of sixteen neighbouring factors of all labels.
   rows: the first of them in the row of label 0, 64-byte aligned; keys: 16 x n, a factor a row;
   variance: 16. Differences from the first label are summed, so that a factor that
   is the same for every label has a variance of exactly zero. */
VR_INLINE void vr_factor_keys(const float *rows, ptrdiff_t stride, ptrdiff_t n, uint32_t *keys,
                              double *variance) {
    VR_ALIGNED double sums[VR_LANES] = {0}, squares[VR_LANES] = {0};
    ptrdiff_t start, count;
    int f;
    for (start = 0; start < n; start += VR_NEAR) {
        const float *first = rows + start * stride;
        count = n - start < VR_NEAR ? n - start : VR_NEAR;
        for (f = 0; f < VR_LANES; f += VR_WIDTH)
            vr_add_moments(first + f, stride, count, rows + f, sums + f, squares + f);
        for (f = 0; f < VR_LANES; f += 4)
            vr_transposed_keys(first + f, stride, count, keys + f * n + start, n);
    }
    for (f = 0; f < VR_LANES; f++) {
        const double mean = sums[f] / n;
        variance[f] = squares[f] / n - mean * mean;
        if (!(variance[f] > 0)) variance[f] = 0;
    }
}

VR_INLINE float vr_value_of_key(uint32_t key) {
    const uint32_t bits = key & 0x80000000u ? key : key ^ 0x7fffffffu;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The place of every key's value on an even grid of 2^16 steps, from the largest value; a larger
   key never has a lower place. Returns 0 where the values have no finite range. */
VR_INLINE int vr_fill_grid(const uint32_t *keys, ptrdiff_t n, uint16_t *grid) {
    uint32_t smallest = UINT32_MAX, largest = 0;
    float highest, range, scale;
    ptrdiff_t i;
    for (i = 0; i < n; i++) {
        smallest = keys[i] < smallest ? keys[i] : smallest;
        largest = keys[i] > largest ? keys[i] : largest;
    }
    highest = vr_value_of_key(smallest);
    range = highest - vr_value_of_key(largest);
    scale = 65535.0f / range;
    if (!(range > 0 && range < 1e30f && scale < 1e30f)) return 0;
    for (i = 0; i < n; i++) {
        const uint32_t bits = keys[i] ^ (~(uint32_t)((int32_t)keys[i] >> 31) & 0x7fffffffu);
        float value;
        memcpy(&value, &bits, sizeof value);
        grid[i] = (uint16_t)(int32_t)((highest - value) * scale);
    }
    return 1;
}

#endif
