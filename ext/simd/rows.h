/* Sums over rows of factors, and steps on them. */
#ifndef VSEENS_REC_ROWS_H
#define VSEENS_REC_ROWS_H

#include "vectors.h"

/* columns that pairs are multiplied with at once: their sums fit the registers of every kernel */
#define VR_SLICE (2 * VR_LANES)

#if VR_VECTORS

/* one vector of p, or of p - n */
VR_INLINE vr_floats vr_factor(const float *p, const float *n, int subtracts, ptrdiff_t f) {
    vr_floats factor = VR_AT(p, f);
    if (subtracts) factor -= VR_AT(n, f);
    return factor;
}

/* u . p, or u . (p - n). Neighbouring sixteens have sums of their own, which do not wait for each
   other. */
VR_INLINE float vr_sum_of_products(const float *u, const float *p, const float *n, int subtracts,
                                   ptrdiff_t k) {
    vr_floats even[VR_PARTS] = {{0}}, odd[VR_PARTS] = {{0}};
    ptrdiff_t start = 0, f;
    int part;
    for (; start + 2 * VR_LANES <= k; start += 2 * VR_LANES) {
        VR_EACH_PART(part) {
            f = start + part * VR_WIDTH;
            even[part] += VR_AT(u, f) * vr_factor(p, n, subtracts, f);
        }
        VR_EACH_PART(part) {
            f = start + VR_LANES + part * VR_WIDTH;
            odd[part] += VR_AT(u, f) * vr_factor(p, n, subtracts, f);
        }
    }
    if (start < k) {
        VR_EACH_PART(part) {
            f = start + part * VR_WIDTH;
            even[part] += VR_AT(u, f) * vr_factor(p, n, subtracts, f);
        }
    }
    VR_EACH_PART(part) even[part] += odd[part];
    return vr_sum(even);
}

/* a . b */
VR_INLINE float vr_dot(const float *a, const float *b, ptrdiff_t k) {
    return vr_sum_of_products(a, b, NULL, 0, k);
}

/* u . (p - n) */
VR_INLINE float vr_difference(const float *u, const float *p, const float *n, ptrdiff_t k) {
    return vr_sum_of_products(u, p, n, 1, k);
}

/* vr_difference, and step_u |learns * (p - n)|^2 + 2 step |u|^2: how far vr_update moves
   u . (p - n) if both of its steps are multiplied by one small number, over that number. */
VR_INLINE float vr_difference_and_reach(const float *u, const float *p, const float *n,
                                        const float *learns, float step_u, float step,
                                        ptrdiff_t k, float *reach) {
    vr_floats scores[VR_PARTS] = {{0}}, lanes[VR_PARTS] = {{0}};
    ptrdiff_t start;
    int part;
    for (start = 0; start < k; start += VR_LANES) VR_EACH_PART(part) {
            const ptrdiff_t f = start + part * VR_WIDTH;
            const vr_floats uf = VR_AT(u, f), gap = VR_AT(p, f) - VR_AT(n, f);
            scores[part] += uf * gap;
            lanes[part] += step_u * (VR_AT(learns, f) * (gap * gap)) + 2.0f * step * (uf * uf);
        }
    *reach = vr_sum(lanes);
    return vr_sum(scores);
}

VR_INLINE float vr_reach(const float *u, const float *p, const float *n, const float *learns,
                         float step_u, float step, ptrdiff_t k) {
    float reach;
    (void)vr_difference_and_reach(u, p, n, learns, step_u, step, k, &reach);
    return reach;
}

/* One step on a triplet, all from the values before it:
       u += learns * (step_u (p - n) - decay_u u)
       p += step u - decay_p p
       n -= step u + decay_n n
   learns is 1 for a learned column of u and 0 for the constant one that carries a bias. */
VR_INLINE void vr_update(float *u, float *p, float *n, const float *learns, float step_u,
                         float step, float decay_u, float decay_p, float decay_n,
                         ptrdiff_t k) {
    const float keep_p = 1.0f - decay_p, keep_n = 1.0f - decay_n;
    ptrdiff_t f;
    for (f = 0; f < k; f += VR_WIDTH) {
        const vr_floats uf = VR_AT(u, f), pf = VR_AT(p, f), nf = VR_AT(n, f);
        const vr_floats move = step * uf;
        VR_SET(u, f) = uf + VR_AT(learns, f) * (step_u * (pf - nf) - decay_u * uf);
        VR_SET(p, f) = keep_p * pf + move;
        VR_SET(n, f) = keep_n * nf - move;
    }
}

/* The same, but u first and the labels from the moved u. */
VR_INLINE void vr_update_in_turn(float *u, float *p, float *n, const float *learns, float step_u,
                                 float step, float decay_u, float decay_p, float decay_n,
                                 ptrdiff_t k) {
    const float keep_p = 1.0f - decay_p, keep_n = 1.0f - decay_n;
    ptrdiff_t f;
    for (f = 0; f < k; f += VR_WIDTH) {
        const vr_floats uf = VR_AT(u, f), pf = VR_AT(p, f), nf = VR_AT(n, f);
        const vr_floats moved = uf + VR_AT(learns, f) * (step_u * (pf - nf) - decay_u * uf);
        VR_SET(u, f) = moved;
        VR_SET(p, f) = keep_p * pf + step * moved;
        VR_SET(n, f) = keep_n * nf - step * moved;
    }
}

/* a += learns * (step b - decay a) */
VR_INLINE void vr_add_masked(float *a, const float *b, const float *learns, float step,
                             float decay, ptrdiff_t k) {
    ptrdiff_t f;
    for (f = 0; f < k; f += VR_WIDTH)
        VR_SET(a, f) = VR_AT(a, f) + VR_AT(learns, f) * (step * VR_AT(b, f) - decay * VR_AT(a, f));
}

/* Add the sum of some rows, `weight` times, to the same rows of out; VR_SLICE columns of them. */
VR_INLINE void vr_share_sum(const int32_t *rows, ptrdiff_t n, const float *factors, float *out,
                            ptrdiff_t stride, float weight) {
    vr_floats sums[2 * VR_PARTS] = {{0}};
    ptrdiff_t i;
    int part;
    for (i = 0; i < n; i++) {
        const float *row = factors + (size_t)rows[i] * stride;
        VR_FETCH_TO_WRITE(out + (size_t)rows[i] * stride);
        VR_FETCH_TO_WRITE(out + (size_t)rows[i] * stride + VR_LANES);
#pragma GCC unroll 8
        for (part = 0; part < 2 * VR_PARTS; part++) sums[part] += VR_AT(row, part * VR_WIDTH);
    }
#pragma GCC unroll 8
    for (part = 0; part < 2 * VR_PARTS; part++) sums[part] *= weight;
    for (i = 0; i < n; i++) {
        float *row = out + (size_t)rows[i] * stride;
#pragma GCC unroll 8
        for (part = 0; part < 2 * VR_PARTS; part++) VR_SET(row, part * VR_WIDTH) += sums[part];
    }
}

/* gradient += weight b, then b = (1 - decay) b + step u */
VR_INLINE void vr_gather_update(float *gradient, float *b, const float *u, float weight,
                                float step, float decay, ptrdiff_t k) {
    const float keep = 1.0f - decay;
    ptrdiff_t f;
    for (f = 0; f < k; f += VR_WIDTH) {
        const vr_floats bf = VR_AT(b, f);
        VR_SET(gradient, f) = VR_AT(gradient, f) + weight * bf;
        VR_SET(b, f) = keep * bf + step * VR_AT(u, f);
    }
}

/* a *= scale */
VR_INLINE void vr_scale(float *a, float scale, ptrdiff_t k) {
    ptrdiff_t f;
    for (f = 0; f < k; f += VR_WIDTH) VR_SET(a, f) = scale * VR_AT(a, f);
}

/* Rows of the numbers: each becomes its keep times itself and its share times the step. */
VR_INLINE void vr_move_rows(float *rows, ptrdiff_t stride, const uint32_t *numbers,
                            const float *keeps, const float *shares, ptrdiff_t n,
                            const float *step) {
    ptrdiff_t i, f;
    for (i = 0; i < n; i++) {
        float *row = rows + (size_t)numbers[i] * stride;
        const float keep = keeps[i], share = shares[i];
        for (f = 0; f < stride; f += VR_WIDTH)
            VR_SET(row, f) = keep * VR_AT(row, f) + share * VR_AT(step, f);
    }
}

#else /* a compiler without vector types: sums lane by lane, mostly the same to the last bit */

VR_INLINE float vr_dot(const float *a, const float *b, ptrdiff_t k) {
    float lanes[2 * VR_LANES] = {0};
    ptrdiff_t f;
    int l;
    for (f = 0; f < k; f += VR_LANES)
        for (l = 0; l < VR_LANES; l++)
            lanes[((f / VR_LANES) % 2) * VR_LANES + l] += a[f + l] * b[f + l];
    for (l = 0; l < VR_LANES; l++) lanes[l] += lanes[l + VR_LANES];
    return vr_sum(lanes);
}

VR_INLINE float vr_difference(const float *u, const float *p, const float *n, ptrdiff_t k) {
    float lanes[2 * VR_LANES] = {0};
    ptrdiff_t f;
    int l;
    for (f = 0; f < k; f += VR_LANES)
        for (l = 0; l < VR_LANES; l++)
            lanes[((f / VR_LANES) % 2) * VR_LANES + l] += u[f + l] * (p[f + l] - n[f + l]);
    for (l = 0; l < VR_LANES; l++) lanes[l] += lanes[l + VR_LANES];
    return vr_sum(lanes);
}

VR_INLINE float vr_reach(const float *u, const float *p, const float *n, const float *learns,
                         float step_u, float step, ptrdiff_t k) {
    float lanes[VR_LANES] = {0};
    ptrdiff_t f;
    int l;
    for (f = 0; f < k; f += VR_LANES)
        for (l = 0; l < VR_LANES; l++) {
            const float uf = u[f + l], gap = p[f + l] - n[f + l];
            lanes[l] += step_u * (learns[f + l] * (gap * gap)) + 2.0f * step * (uf * uf);
        }
    return vr_sum(lanes);
}

VR_INLINE float vr_difference_and_reach(const float *u, const float *p, const float *n,
                                        const float *learns, float step_u, float step,
                                        ptrdiff_t k, float *reach) {
    *reach = vr_reach(u, p, n, learns, step_u, step, k);
    return vr_difference(u, p, n, k);
}

VR_INLINE void vr_update(float *u, float *p, float *n, const float *learns, float step_u,
                         float step, float decay_u, float decay_p, float decay_n,
                         ptrdiff_t k) {
    ptrdiff_t f;
    for (f = 0; f < k; f++) {
        const float uf = u[f], pf = p[f], nf = n[f];
        u[f] = uf + learns[f] * (step_u * (pf - nf) - decay_u * uf);
        p[f] = (1.0f - decay_p) * pf + step * uf;
        n[f] = (1.0f - decay_n) * nf - step * uf;
    }
}

VR_INLINE void vr_update_in_turn(float *u, float *p, float *n, const float *learns, float step_u,
                                 float step, float decay_u, float decay_p, float decay_n,
                                 ptrdiff_t k) {
    ptrdiff_t f;
    for (f = 0; f < k; f++) {
        u[f] += learns[f] * (step_u * (p[f] - n[f]) - decay_u * u[f]);
        p[f] = (1.0f - decay_p) * p[f] + step * u[f];
        n[f] = (1.0f - decay_n) * n[f] - step * u[f];
    }
}

VR_INLINE void vr_add_masked(float *a, const float *b, const float *learns, float step,
                             float decay, ptrdiff_t k) {
    ptrdiff_t f;
    for (f = 0; f < k; f++) a[f] += learns[f] * (step * b[f] - decay * a[f]);
}

VR_INLINE void vr_share_sum(const int32_t *rows, ptrdiff_t n, const float *factors, float *out,
                            ptrdiff_t stride, float weight) {
    float sums[VR_SLICE] = {0};
    ptrdiff_t i, f;
    for (i = 0; i < n; i++)
        for (f = 0; f < VR_SLICE; f++) sums[f] += factors[(size_t)rows[i] * stride + f];
    for (i = 0; i < n; i++)
        for (f = 0; f < VR_SLICE; f++) out[(size_t)rows[i] * stride + f] += weight * sums[f];
}

VR_INLINE void vr_gather_update(float *gradient, float *b, const float *u, float weight,
                                float step, float decay, ptrdiff_t k) {
    ptrdiff_t f;
    for (f = 0; f < k; f++) {
        const float bf = b[f];
        gradient[f] += weight * bf;
        b[f] = (1.0f - decay) * bf + step * u[f];
    }
}

VR_INLINE void vr_scale(float *a, float scale, ptrdiff_t k) {
    ptrdiff_t f;
    for (f = 0; f < k; f++) a[f] *= scale;
}

VR_INLINE void vr_move_rows(float *rows, ptrdiff_t stride, const uint32_t *numbers,
                            const float *keeps, const float *shares, ptrdiff_t n,
                            const float *step) {
    ptrdiff_t i, f;
    for (i = 0; i < n; i++) {
        float *row = rows + (size_t)numbers[i] * stride;
        for (f = 0; f < stride; f++) row[f] = keeps[i] * row[f] + shares[i] * step[f];
    }
}

#endif

#endif
