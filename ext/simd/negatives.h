/* Loops over the negatives of a row that is folded in: rows of factors are aligned and padded, as in
   rows.h, and the negatives are a multiple of 32. */
#ifndef VSEENS_REC_NEGATIVES_H
#define VSEENS_REC_NEGATIVES_H

#include <stddef.h>
#include <stdint.h>

#include "exponential.h"
#include "rows.h"
#include "vectors.h"

/* exp of what the scores are below the highest */
VR_INLINE void vr_odds(const float *scores, ptrdiff_t n, float highest, float *odds) {
    double wide[VR_LANES];
    ptrdiff_t start;
    int l;
    for (start = 0; start < n; start += VR_LANES) {
        for (l = 0; l < VR_LANES; l++) wide[l] = scores[start + l] - highest;
        vr_exponentials(wide, VR_LANES);
        for (l = 0; l < VR_LANES; l++) odds[start + l] = (float)wide[l];
    }
}

/* Columns for n even steps through the running weights of picking.h, the first one offset (below 1) of
   a step from their start; room for three more. */
VR_INLINE void vr_spread(const float *running, const float *lane_sums, ptrdiff_t k, float offset,
                         ptrdiff_t n, size_t *columns) {
    const float steps = (float)n / lane_sums[VR_LANES - 1];
    ptrdiff_t done = 0, lane, f;
    size_t last = 0;
    for (lane = 0; lane < VR_LANES; lane++) {
        const float before = lane ? lane_sums[lane - 1] : 0.0f;
        for (f = lane; f < k; f += VR_LANES) {
            const float steps_to = (before + running[f]) * steps - offset;
            ptrdiff_t stop = (ptrdiff_t)steps_to, i;
            stop += steps_to > (float)stop;
            stop = stop < n ? stop : n;
            if (stop > done) last = (size_t)f;
            /* more are rare, and what is too much is written over */
            for (i = 0; i < 4; i++) columns[done + i] = (size_t)f;
            for (i = done + 4; i < stop; i++) columns[i] = (size_t)f;
            done = stop > done ? stop : done;
        }
    }
    /* sums are rounded */
    for (; done < n; done++) columns[done] = last;
}

#if VR_VECTORS

/* vectors of scores that are compared at once: a multiple of 32 divides into them */
#define VR_RANKED (VR_WIDTH > 8 ? 2 : 4)

/* How many scores are higher, for each of them. */
VR_INLINE void vr_ranks(const float *scores, ptrdiff_t n, int32_t *ranks) {
    ptrdiff_t i, start;
    int part;
    for (start = 0; start < n; start += VR_RANKED * VR_WIDTH) {
        vr_floats own[VR_RANKED];
        vr_ints higher[VR_RANKED] = {{0}};
#pragma GCC unroll 4
        for (part = 0; part < VR_RANKED; part++) own[part] = VR_AT(scores, start + part * VR_WIDTH);
        for (i = 0; i < n; i++) {
#pragma GCC unroll 4
            for (part = 0; part < VR_RANKED; part++) higher[part] -= scores[i] > own[part];
        }
#pragma GCC unroll 4
        for (part = 0; part < VR_RANKED; part++)
            *(vr_ints *)(ranks + start + part * VR_WIDTH) = higher[part];
    }
}

#if VR_WIDTH > 4
#define VR_SCORED 4
#else
#define VR_SCORED 1
#endif

/* user . row of some rows; n is a multiple of four. Several rows share what is read of the user. */
VR_INLINE void vr_score_rows(const float *user, const float *rows, ptrdiff_t stride,
                             const uint32_t *numbers, ptrdiff_t n, float *scores) {
    ptrdiff_t i, f;
    int row, part;
    for (i = 0; i < n; i += VR_SCORED) {
        vr_floats sums[VR_SCORED][VR_PARTS] = {{{0}}};
        const float *start[VR_SCORED];
#pragma GCC unroll 4
        for (row = 0; row < VR_SCORED; row++) start[row] = rows + (size_t)numbers[i + row] * stride;
        for (f = 0; f < stride; f += VR_LANES) VR_EACH_PART(part) {
                const vr_floats uf = VR_AT(user, f + part * VR_WIDTH);
#pragma GCC unroll 4
                for (row = 0; row < VR_SCORED; row++)
                    sums[row][part] += uf * VR_AT(start[row], f + part * VR_WIDTH);
            }
#pragma GCC unroll 4
        for (row = 0; row < VR_SCORED; row++) scores[i + row] = vr_sum(sums[row]);
    }
}

#else

VR_INLINE void vr_ranks(const float *scores, ptrdiff_t n, int32_t *ranks) {
    ptrdiff_t i, j;
    for (j = 0; j < n; j++) {
        ranks[j] = 0;
        for (i = 0; i < n; i++) ranks[j] += scores[i] > scores[j];
    }
}

VR_INLINE void vr_score_rows(const float *user, const float *rows, ptrdiff_t stride,
                             const uint32_t *numbers, ptrdiff_t n, float *scores) {
    ptrdiff_t i;
    for (i = 0; i < n; i++) scores[i] = vr_dot(user, rows + (size_t)numbers[i] * stride, stride);
}

#endif

/* The slopes of the logistic loss of one positive against all negatives. odds: exp of the negatives'
   scores, over that of the positive's times 1 / relative. Adds them to sums, and returns their sum
   with weights. */
#if VR_VECTORS
VR_INLINE float vr_logistic_slopes(const float *odds, float relative, const float *weights,
                                   ptrdiff_t n, float *sums) {
    vr_floats lanes[VR_PARTS] = {{0}};
    ptrdiff_t start;
    int part;
    for (start = 0; start < n; start += VR_LANES) VR_EACH_PART(part) {
            const ptrdiff_t j = start + part * VR_WIDTH;
            const vr_floats odd = relative * VR_AT(odds, j), slope = odd / (1.0f + odd);
            VR_SET(sums, j) += slope;
            lanes[part] += VR_AT(weights, j) * slope;
        }
    return vr_sum(lanes);
}
#else
VR_INLINE float vr_logistic_slopes(const float *odds, float relative, const float *weights,
                                   ptrdiff_t n, float *sums) {
    float lanes[VR_LANES] = {0};
    ptrdiff_t start;
    int l;
    for (start = 0; start < n; start += VR_LANES)
        for (l = 0; l < VR_LANES; l++) {
            const float odd = relative * odds[start + l], slope = odd / (1.0f + odd);
            sums[start + l] += slope;
            lanes[l] += weights[start + l] * slope;
        }
    return vr_sum(lanes);
}
#endif

#if VR_VECTORS

/* Add some neighbouring vectors of rows, each times its weight; the sums stay in registers. */
VR_INLINE void vr_add_columns(const float *rows, ptrdiff_t stride, const uint32_t *numbers,
                              const float *weights, ptrdiff_t n, float *out, int vectors) {
    vr_floats sums[8];
    ptrdiff_t i;
    int part;
#pragma GCC unroll 8
    for (part = 0; part < vectors; part++) sums[part] = VR_AT(out, part * VR_WIDTH);
    for (i = 0; i < n; i++) {
        const float *row = rows + (size_t)(numbers ? numbers[i] : i) * stride;
#pragma GCC unroll 8
        for (part = 0; part < vectors; part++)
            sums[part] += weights[i] * VR_AT(row, part * VR_WIDTH);
    }
#pragma GCC unroll 8
    for (part = 0; part < vectors; part++) VR_SET(out, part * VR_WIDTH) = sums[part];
}

/* Add rows, those of the numbers or the first ones, each times its weight. */
VR_INLINE void vr_add_rows(const float *rows, ptrdiff_t stride, const uint32_t *numbers,
                           const float *weights, ptrdiff_t n, float *out) {
    ptrdiff_t f = 0;
    for (; f + 8 * VR_WIDTH <= stride; f += 8 * VR_WIDTH)
        vr_add_columns(rows + f, stride, numbers, weights, n, out + f, 8);
    for (; f + 4 * VR_WIDTH <= stride; f += 4 * VR_WIDTH)
        vr_add_columns(rows + f, stride, numbers, weights, n, out + f, 4);
    for (; f < stride; f += VR_LANES)
        vr_add_columns(rows + f, stride, numbers, weights, n, out + f, VR_PARTS);
}

#else

VR_INLINE void vr_add_rows(const float *rows, ptrdiff_t stride, const uint32_t *numbers,
                           const float *weights, ptrdiff_t n, float *out) {
    ptrdiff_t i, f;
    for (i = 0; i < n; i++) {
        const float *row = rows + (size_t)(numbers ? numbers[i] : i) * stride;
        for (f = 0; f < stride; f++) out[f] += weights[i] * row[f];
    }
}

#endif

#endif
