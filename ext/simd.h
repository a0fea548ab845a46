/* Vector loops over one factor row.

   Rows are 64-byte aligned and their length k is a multiple of 16, padded with zeros. Sixteen
   lanes are summed separately and then in a fixed tree, so a result does not depend on the
   instruction set, except for the rounding of fused multiply-adds. */
#ifndef VSEENS_REC_SIMD_H
#define VSEENS_REC_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VR_LANES 16
/* columns that pairs are multiplied with at once: their sums fit the registers of every kernel */
#define VR_SLICE (2 * VR_LANES)
/* users and labels that are scored together */
#define VR_USERS 8
#define VR_PANEL 32
/* labels of which sixteen factors fit the nearest cache, to be read again */
#define VR_NEAR 256

/* Floats of a vector of the processor's own width: a wider one would go through memory wherever its
   parts are taken up one by one. And the part of a panel whose sums fit the registers. */
#if defined(__AVX512F__)
#define VR_WIDTH 16
#define VR_TILE_USERS 8
#define VR_TILE_VECTORS 2
#elif defined(__AVX2__)
#define VR_WIDTH 8
#define VR_TILE_USERS 4
#define VR_TILE_VECTORS 2
#else
#define VR_WIDTH 4
#define VR_TILE_USERS 2
#define VR_TILE_VECTORS 4
#endif

#if defined(__GNUC__) || defined(__clang__)
#define VR_VECTORS 1
#define VR_INLINE static inline __attribute__((always_inline, unused))
/* a function that is worth a call, since it finds all registers free */
#define VR_CALLED static __attribute__((noinline, unused))
#define VR_ALIGNED __attribute__((aligned(64)))
/* gcc takes a function that does nothing else for one without effects and drops its calls; the empty
   statement, which moves nothing, keeps them */
#define VR_FETCH(pointer, to_write)                                                              \
    do {                                                                                         \
        __builtin_prefetch((pointer), (to_write), 3);                                            \
        __asm__ volatile("");                                                                    \
    } while (0)
#else
#define VR_VECTORS 0
#define VR_INLINE static __inline
#define VR_CALLED static __inline
#define VR_ALIGNED
#define VR_FETCH(pointer, to_write) ((void)(pointer))
#endif

#define VR_FETCH_TO_READ(pointer) VR_FETCH(pointer, 0)
#define VR_FETCH_TO_WRITE(pointer) VR_FETCH(pointer, 1)

/* Unsigned integers that ascend as the values descend; -0 and 0 are one value. */
VR_INLINE uint32_t vr_descending_key(float value) {
    uint32_t bits;
    value += 0.0f;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000u ? bits : bits ^ 0x7fffffffu;
}

/* exp(x) for x from -708, below which it is as there, to 709. Taylor's series on
   [-ln 2 / 2, ln 2 / 2], in pairs so that the terms do not wait for each other, and a power of
   two; what is no number stays none. */
VR_INLINE double vr_exp(double x) {
    /* adding it leaves the nearest integer in the lowest bits */
    const double rounding = 6755399441055744.0;
    union {
        double value;
        int64_t bits;
    } power;
    double r, r2, r4, r8, low, high;
    x = x < -708.0 ? -708.0 : x;
    power.value = x * 1.4426950408889634 + rounding;
    r = power.value - rounding;
    r = (x - r * 0.693147180369123816490) - r * 1.90821492927058770002e-10;
    r2 = r * r;
    r4 = r2 * r2;
    r8 = r4 * r4;
    low = ((1.0 + r) + r2 * (1.0 / 2 + r * (1.0 / 6))) +
          r4 * ((1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040)));
    high = (1.0 / 40320 + r * (1.0 / 362880)) + r2 * (1.0 / 3628800 + r * (1.0 / 39916800)) +
           r4 * (1.0 / 479001600);
    power.bits = (int64_t)((uint64_t)power.bits << 52) + ((int64_t)1023 << 52);
    return (low + r8 * high) * power.value;
}

VR_INLINE void vr_exponentials(double *x, ptrdiff_t n) {
    ptrdiff_t j;
    for (j = 0; j < n; j++) x[j] = vr_exp(x[j]);
}

#if VR_VECTORS

/* sixteen lanes are so many vectors */
#define VR_PARTS (VR_LANES / VR_WIDTH)

typedef float vr_floats __attribute__((vector_size(4 * VR_WIDTH), may_alias));
typedef int32_t vr_ints __attribute__((vector_size(4 * VR_WIDTH), may_alias));
/* half a vector of floats, which makes a whole one of doubles */
typedef float vr_half __attribute__((vector_size(2 * VR_WIDTH), may_alias));
typedef double vr_doubles __attribute__((vector_size(4 * VR_WIDTH), may_alias));
typedef float vr_float4 __attribute__((vector_size(16), may_alias));
typedef int32_t vr_int4 __attribute__((vector_size(16), may_alias));
typedef int32_t vr_int4_anywhere __attribute__((vector_size(16), may_alias, aligned(4)));

#define VR_AT(pointer, f) (*(const vr_floats *)((pointer) + (f)))
#define VR_SET(pointer, f) (*(vr_floats *)((pointer) + (f)))
#define VR_SET_ANYWHERE(pointer, i) (*(vr_int4_anywhere *)((pointer) + (i)))
/* the parts of sixteen lanes, so many that the compiler writes them one after the other */
#define VR_EACH_PART(part) _Pragma("GCC unroll 4") for (part = 0; part < VR_PARTS; part++)

/* A product that is added to something is not fused with the addition after that. */
#if defined(__AVX512F__)
#define VR_ROUNDED(vector) __asm__("" : "+v"(vector))
#elif defined(__x86_64__) || defined(__SSE2__)
#define VR_ROUNDED(vector) __asm__("" : "+x"(vector))
#elif defined(__aarch64__)
#define VR_ROUNDED(vector) __asm__("" : "+w"(vector))
#else
#define VR_ROUNDED(vector) __asm__("" : "+m"(vector))
#endif

/* The sum of sixteen lanes: eight are added to eight, then four to four, and so on. */
VR_INLINE float vr_sum(const vr_floats *parts) {
    union {
        vr_floats all;
        vr_float4 four[VR_WIDTH / 4];
    } sum;
#if VR_PARTS == 4
    sum.all = (parts[0] + parts[2]) + (parts[1] + parts[3]);
#elif VR_PARTS == 2
    sum.all = parts[0] + parts[1];
    sum.four[0] += sum.four[1];
#else
    sum.all = parts[0];
    sum.four[0] = (sum.four[0] + sum.four[2]) + (sum.four[1] + sum.four[3]);
#endif
    return (sum.four[0][0] + sum.four[0][2]) + (sum.four[0][1] + sum.four[0][3]);
}

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

/* weights |v| spread, summed along each lane: running[b, l] = sum over b' <= b. A draw does not
   depend on the instruction set, since the products are rounded before they are added. */
VR_INLINE void vr_running_weights(const float *v, const float *spread, float *running,
                                  ptrdiff_t k) {
    vr_floats sums[VR_PARTS] = {{0}};
    ptrdiff_t start;
    int part;
    for (start = 0; start < k; start += VR_LANES) VR_EACH_PART(part) {
            const ptrdiff_t f = start + part * VR_WIDTH;
            union {
                vr_ints bits;
                vr_floats value;
            } weight;
            weight.bits = *(const vr_ints *)(v + f) & 0x7fffffff;
            weight.value *= VR_AT(spread, f);
            VR_ROUNDED(weight.value);
            sums[part] += weight.value;
            VR_SET(running, f) = sums[part];
        }
}

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

/* Scores of VR_USERS users for a panel of VR_PANEL labels. Every score is summed over the factors in
   their order, in one lane, so it does not depend on its place in a block.
   users: rows of k floats, stride apart; panel: k x VR_PANEL, 64-byte aligned. */
VR_INLINE void vr_score_panel(const float *users, ptrdiff_t stride, const float *panel,
                              ptrdiff_t k, float *out, ptrdiff_t out_stride) {
    ptrdiff_t f, first, v;
    int i, j;
    for (first = 0; first < VR_USERS; first += VR_TILE_USERS)
        for (v = 0; v < VR_PANEL; v += VR_TILE_VECTORS * VR_WIDTH) {
            const float *rows = users + first * stride;
            vr_floats sums[VR_TILE_USERS][VR_TILE_VECTORS] = {{{0}}};
            for (f = 0; f < k; f++)
#pragma GCC unroll 8
                for (i = 0; i < VR_TILE_USERS; i++)
#pragma GCC unroll 4
                    for (j = 0; j < VR_TILE_VECTORS; j++)
                        sums[i][j] += rows[i * stride + f] *
                                      VR_AT(panel, f * VR_PANEL + v + j * VR_WIDTH);
#pragma GCC unroll 8
            for (i = 0; i < VR_TILE_USERS; i++)
#pragma GCC unroll 4
                for (j = 0; j < VR_TILE_VECTORS; j++)
                    VR_SET(out, (first + i) * out_stride + v + j * VR_WIDTH) = sums[i][j];
        }
}

#else /* a compiler without vector types: sums lane by lane, mostly the same to the last bit */

VR_INLINE float vr_sum(const float *lanes) {
    float eight[8], four[4];
    int l;
    for (l = 0; l < 8; l++) eight[l] = lanes[l] + lanes[l + 8];
    for (l = 0; l < 4; l++) four[l] = eight[l] + eight[l + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

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

VR_INLINE void vr_running_weights(const float *v, const float *spread, float *running,
                                  ptrdiff_t k) {
    ptrdiff_t f;
    for (f = 0; f < k; f++) running[f] = (v[f] < 0 ? -v[f] : v[f]) * spread[f];
    for (f = VR_LANES; f < k; f++) running[f] += running[f - VR_LANES];
}

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

VR_INLINE void vr_score_panel(const float *users, ptrdiff_t stride, const float *panel,
                              ptrdiff_t k, float *out, ptrdiff_t out_stride) {
    ptrdiff_t f;
    int i, l;
    for (i = 0; i < VR_USERS; i++) {
        float *scores = out + i * out_stride;
        for (l = 0; l < VR_PANEL; l++) scores[l] = 0.0f;
        for (f = 0; f < k; f++)
            for (l = 0; l < VR_PANEL; l++)
                scores[l] += users[i * stride + f] * panel[f * VR_PANEL + l];
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

/* Sum of the weights of the lanes 0 to l, for each of the sixteen; returns the whole. */
VR_INLINE float vr_lane_sums(const float *running, float *lane_sums, ptrdiff_t k) {
    float sum = 0.0f;
    int l;
    for (l = 0; l < VR_LANES; l++) {
        sum += running[k - VR_LANES + l];
        lane_sums[l] = sum;
    }
    return sum;
}

/* How many of sixteen values are at most the limit. */
#if VR_VECTORS
VR_INLINE ptrdiff_t vr_count_to(const float *values, float limit) {
    vr_int4 four = {0};
    int l;
    for (l = 0; l < VR_LANES; l += 4) four -= *(const vr_float4 *)(values + l) <= limit;
    return (four[0] + four[2]) + (four[1] + four[3]);
}
#else
VR_INLINE ptrdiff_t vr_count_to(const float *values, float limit) {
    ptrdiff_t count = 0;
    int l;
    for (l = 0; l < VR_LANES; l++) count += values[l] <= limit;
    return count;
}
#endif

/* The column whose weight covers the point (across, along), both in [0, 1): the first number
   picks the lane, the second the column in it. */
VR_INLINE ptrdiff_t vr_pick(const float *running, const float *lane_sums, float across,
                            float along, ptrdiff_t k) {
    const float whole = lane_sums[VR_LANES - 1];
    float point = across * whole, total;
    ptrdiff_t lane = 0, block = 0, b;
    /* the product may round up to the whole */
    if (!(point < whole)) point = whole * 0.9999999f;
    lane = vr_count_to(lane_sums, point);
    if (lane > VR_LANES - 1) lane = VR_LANES - 1;
    total = running[k - VR_LANES + lane];
    point = along * total;
    if (!(point < total)) point = total * 0.9999999f;
    for (b = lane; b < k; b += VR_LANES) block += running[b] <= point;
    return block * VR_LANES + lane;
}

#endif
