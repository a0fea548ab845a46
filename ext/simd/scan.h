/* Products of one row with many that are neither padded nor aligned: factors as their users hold
   them, read once. Sixteen lanes are summed separately and then in the tree of vectors.h; columns
   beyond a multiple of sixteen are read with some of those before them, which count as zeros. */
#ifndef VSEENS_REC_SCAN_H
#define VSEENS_REC_SCAN_H

#include <math.h>
#include <stddef.h>

#include "vectors.h"

#if !VR_VECTORS
#include <intrin.h>
#endif

/* Lengths from squares, 1e-10 in place of 0, infinite where the last factor, a bias, is all. */
VR_INLINE void vr_scan_lengths(
    const float *rows, ptrdiff_t n, ptrdiff_t k, float *norms, int has_bias
) {
    ptrdiff_t i;
    if (has_bias) {
        for (i = 0; i < n; i++) {
            const float bias = rows[i * k + k - 1];
            if (norms[i] == bias * bias && bias != 0.0f) norms[i] = INFINITY;
        }
    }
    /* apart, so that several are computed at once */
    for (i = 0; i < n; i++) norms[i] = norms[i] == 0.0f ? 1e-10f : sqrtf(norms[i]);
}

#if VR_VECTORS

#if defined(__AVX2__)
#define VR_SCAN_WIDTH 8
#else
#define VR_SCAN_WIDTH 4
#endif
typedef float vr_loose __attribute__((vector_size(4 * VR_SCAN_WIDTH), may_alias, aligned(4)));
#define VR_LOOSE(pointer) (*(const vr_loose *)(pointer))

/* rows whose lanes are summed together */
#define VR_SCAN_BLOCK 64
/* floats fetched before their turn: what the processor fetches by itself ends with a page */
#define VR_SCAN_AHEAD 1024

VR_INLINE void vr_scan_fetch(const float *rows, ptrdiff_t n) {
    ptrdiff_t f;
    for (f = 0; f < n; f += 16) VR_FETCH_TO_READ(rows + VR_SCAN_AHEAD + f);
}

/* the first half of the tree for a block of rows: four sums of each are left */
#if VR_SCAN_WIDTH == 8

typedef float vr_float8 __attribute__((vector_size(32), may_alias));

VR_INLINE vr_float4 vr_scan_quarters(vr_float8 low, vr_float8 high) {
    union {
        vr_float8 all;
        vr_float4 half[2];
    } eight;
    eight.all = low + high;
    return eight.half[0] + eight.half[1];
}

VR_INLINE void vr_scan_block(
    const float *query, const float *last, const float *counts, const float *rows, ptrdiff_t n,
    ptrdiff_t k, vr_float4 *dots, vr_float4 *lengths, int squares
) {
    ptrdiff_t i, f, whole = k / VR_LANES * VR_LANES;
    /* two at a time share what is read of the query; the last of an odd number is read twice */
    for (i = 0; i < n; i += 2) {
        ptrdiff_t j = i + 1 < n ? i + 1 : i;
        const float *a = rows + i * k, *b = rows + j * k;
        vr_float8 a_low = {0}, a_high = {0}, b_low = {0}, b_high = {0};
        vr_float8 aa_low = {0}, aa_high = {0}, bb_low = {0}, bb_high = {0};
        vr_scan_fetch(a, 2 * k);
        for (f = 0; f < whole; f += VR_LANES) {
            vr_float8 q_low = VR_LOOSE(query + f), q_high = VR_LOOSE(query + f + 8);
            vr_float8 x = VR_LOOSE(a + f), y = VR_LOOSE(a + f + 8);
            vr_float8 z = VR_LOOSE(b + f), w = VR_LOOSE(b + f + 8);
            a_low += q_low * x;
            a_high += q_high * y;
            b_low += q_low * z;
            b_high += q_high * w;
            if (squares) {
                aa_low += x * x;
                aa_high += y * y;
                bb_low += z * z;
                bb_high += w * w;
            }
        }
        if (whole < k) {
            const float *a_last = a + k - VR_LANES, *b_last = b + k - VR_LANES;
            vr_float8 q_low = VR_LOOSE(last), q_high = VR_LOOSE(last + 8);
            vr_float8 c_low = VR_LOOSE(counts), c_high = VR_LOOSE(counts + 8);
            vr_float8 x = VR_LOOSE(a_last) * c_low, y = VR_LOOSE(a_last + 8) * c_high;
            vr_float8 z = VR_LOOSE(b_last) * c_low, w = VR_LOOSE(b_last + 8) * c_high;
            a_low += q_low * x;
            a_high += q_high * y;
            b_low += q_low * z;
            b_high += q_high * w;
            if (squares) {
                aa_low += x * x;
                aa_high += y * y;
                bb_low += z * z;
                bb_high += w * w;
            }
        }
        dots[i] = vr_scan_quarters(a_low, a_high);
        dots[j] = vr_scan_quarters(b_low, b_high);
        if (squares) {
            lengths[i] = vr_scan_quarters(aa_low, aa_high);
            lengths[j] = vr_scan_quarters(bb_low, bb_high);
        }
    }
}

#else

VR_INLINE void vr_scan_block(
    const float *query, const float *last, const float *counts, const float *rows, ptrdiff_t n,
    ptrdiff_t k, vr_float4 *dots, vr_float4 *lengths, int squares
) {
    ptrdiff_t i, f, whole = k / VR_LANES * VR_LANES;
    for (i = 0; i < n; i++) {
        const float *a = rows + i * k;
        vr_float4 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
        vr_float4 l0 = {0}, l1 = {0}, l2 = {0}, l3 = {0};
        vr_scan_fetch(a, k);
        for (f = 0; f < whole; f += VR_LANES) {
            vr_float4 x = VR_LOOSE(a + f), y = VR_LOOSE(a + f + 4);
            vr_float4 z = VR_LOOSE(a + f + 8), w = VR_LOOSE(a + f + 12);
            s0 += VR_LOOSE(query + f) * x;
            s1 += VR_LOOSE(query + f + 4) * y;
            s2 += VR_LOOSE(query + f + 8) * z;
            s3 += VR_LOOSE(query + f + 12) * w;
            if (squares) {
                l0 += x * x;
                l1 += y * y;
                l2 += z * z;
                l3 += w * w;
            }
        }
        if (whole < k) {
            const float *end = a + k - VR_LANES;
            vr_float4 x = VR_LOOSE(end) * VR_LOOSE(counts);
            vr_float4 y = VR_LOOSE(end + 4) * VR_LOOSE(counts + 4);
            vr_float4 z = VR_LOOSE(end + 8) * VR_LOOSE(counts + 8);
            vr_float4 w = VR_LOOSE(end + 12) * VR_LOOSE(counts + 12);
            s0 += VR_LOOSE(last) * x;
            s1 += VR_LOOSE(last + 4) * y;
            s2 += VR_LOOSE(last + 8) * z;
            s3 += VR_LOOSE(last + 12) * w;
            if (squares) {
                l0 += x * x;
                l1 += y * y;
                l2 += z * z;
                l3 += w * w;
            }
        }
        dots[i] = (s0 + s2) + (s1 + s3);
        if (squares) lengths[i] = (l0 + l2) + (l1 + l3);
    }
}

#endif

/* the second half, of four rows at once */
VR_INLINE void vr_scan_finish(const vr_float4 *quarters, ptrdiff_t n, float *out) {
    const float *four = (const float *)quarters;
    ptrdiff_t i;
    for (i = 0; i + 4 <= n; i += 4) {
        const vr_float4 *row = quarters + i;
        const vr_float4 ab = VR_SHUFFLE(row[0], row[1], 0, 4, 1, 5) +
                             VR_SHUFFLE(row[0], row[1], 2, 6, 3, 7);
        const vr_float4 cd = VR_SHUFFLE(row[2], row[3], 0, 4, 1, 5) +
                             VR_SHUFFLE(row[2], row[3], 2, 6, 3, 7);
        const vr_float4 sums = VR_SHUFFLE(ab, cd, 0, 1, 4, 5) + VR_SHUFFLE(ab, cd, 2, 3, 6, 7);
        memcpy(out + i, &sums, sizeof sums);
    }
    for (; i < n; i++)
        out[i] = (four[4 * i] + four[4 * i + 2]) + (four[4 * i + 1] + four[4 * i + 3]);
}

VR_INLINE void vr_scan_wide(
    const float *query, const float *rows, ptrdiff_t n, ptrdiff_t k, float *products,
    float *norms, int squares, int has_bias
) {
    float last[VR_LANES] = {0}, counts[VR_LANES] = {0};
    vr_float4 dots[VR_SCAN_BLOCK], lengths[VR_SCAN_BLOCK];
    ptrdiff_t start, f;
    for (f = k / VR_LANES * VR_LANES; f < k; f++) {
        last[VR_LANES - k + f] = query[f];
        counts[VR_LANES - k + f] = 1.0f;
    }
    for (start = 0; start < n; start += VR_SCAN_BLOCK) {
        ptrdiff_t size = n - start < VR_SCAN_BLOCK ? n - start : VR_SCAN_BLOCK;
        vr_scan_block(query, last, counts, rows + start * k, size, k, dots, lengths, squares);
        vr_scan_finish(dots, size, products + start);
        if (squares) {
            vr_scan_finish(lengths, size, norms + start);
            /* while the rows are near */
            vr_scan_lengths(rows + start * k, size, k, norms + start, has_bias);
        }
    }
}

#endif

VR_INLINE void vr_scan_narrow(
    const float *query, const float *rows, ptrdiff_t n, ptrdiff_t k, float *products, float *norms,
    int squares
) {
    ptrdiff_t i, f;
    for (i = 0; i < n; i++) {
        const float *row = rows + i * k;
        float dot = 0.0f, square = 0.0f;
        for (f = 0; f < k; f++) {
            dot += query[f] * row[f];
            if (squares) square += row[f] * row[f];
        }
        products[i] = dot;
        if (squares) norms[i] = square;
    }
}

/* query . row of every row */
static inline void vr_scan(
    const float *query, const float *rows, ptrdiff_t n, ptrdiff_t k, float *products
) {
#if VR_VECTORS
    if (k >= VR_LANES) {
        vr_scan_wide(query, rows, n, k, products, products, 0, 0);
        return;
    }
#endif
    vr_scan_narrow(query, rows, n, k, products, products, 0);
}

/* and the lengths of the rows, 1e-10 in place of 0, infinite where the last factor, a bias, is all */
static inline void vr_scan_and_norms(
    const float *query, const float *rows, ptrdiff_t n, ptrdiff_t k, float *products, float *norms,
    int has_bias
) {
#if VR_VECTORS
    if (k >= VR_LANES) {
        vr_scan_wide(query, rows, n, k, products, norms, 1, has_bias);
        return;
    }
#endif
    vr_scan_narrow(query, rows, n, k, products, norms, 1);
    vr_scan_lengths(rows, n, k, norms, has_bias);
}

/* whether one of VR_SCAN_TOGETHER scores is above a limit, or no number */
#define VR_SCAN_TOGETHER 64
VR_INLINE int vr_scan_is_any_above(const float *scores, float limit) {
    int32_t above = 0, i;
    for (i = 0; i < VR_SCAN_TOGETHER; i++) above |= !(scores[i] <= limit);
    return above;
}

/* the number of the next of some pieces of work, each of which one thread takes */
VR_INLINE int64_t vr_take_piece(int64_t *next) {
#if VR_VECTORS
    return __atomic_fetch_add(next, 1, __ATOMIC_RELAXED);
#else
    return _InterlockedExchangeAdd64((volatile int64_t *)next, 1);
#endif
}

VR_INLINE void vr_finish_piece(uint8_t *finished) {
#if VR_VECTORS
    __atomic_store_n(finished, 1, __ATOMIC_RELEASE);
#else
    _InterlockedExchange8((volatile char *)finished, 1);
#endif
}

VR_INLINE int vr_is_finished(uint8_t *finished) {
#if VR_VECTORS
    return __atomic_load_n(finished, __ATOMIC_ACQUIRE);
#else
    return _InterlockedOr8((volatile char *)finished, 0);
#endif
}

#endif
