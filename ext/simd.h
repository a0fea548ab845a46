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

/* the part of them whose sums fit the registers */
#if defined(__AVX512F__)
#define VR_TILE_USERS 8
#define VR_TILE_VECTORS 2
#elif defined(__AVX2__)
#define VR_TILE_USERS 4
#define VR_TILE_VECTORS 2
#else
#define VR_TILE_USERS 2
#define VR_TILE_VECTORS 4
#endif

#if defined(__GNUC__) || defined(__clang__)
#define VR_VECTORS 1
#define VR_INLINE static inline __attribute__((always_inline, unused))
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

/* Vectors of the processor's own width: a wider one would go through memory wherever its parts
   are taken up one by one. Sixteen lanes are VR_PARTS of them. */
#if defined(__AVX512F__)
#define VR_WIDTH 16
#elif defined(__AVX2__)
#define VR_WIDTH 8
#else
#define VR_WIDTH 4
#endif
#define VR_PARTS (VR_LANES / VR_WIDTH)

typedef float vr_floats __attribute__((vector_size(4 * VR_WIDTH), may_alias));
typedef int32_t vr_ints __attribute__((vector_size(4 * VR_WIDTH), may_alias));
typedef float vr_float4 __attribute__((vector_size(16), may_alias));
typedef int32_t vr_int4 __attribute__((vector_size(16), may_alias));

#define VR_AT(pointer, f) (*(const vr_floats *)((pointer) + (f)))
#define VR_SET(pointer, f) (*(vr_floats *)((pointer) + (f)))
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

/* The upper and the lower half of one vector added up, down to four lanes. */
#define VR_HALVES(name, whole, quarter)                                                          \
    VR_INLINE quarter name(const whole *parts) {                                                 \
        union {                                                                                  \
            whole all;                                                                           \
            quarter four[VR_WIDTH / 4];                                                          \
        } last;                                                                                  \
        VR_ADD_PARTS(last.all, parts);                                                           \
        VR_ADD_QUARTERS(last.four);                                                              \
        return last.four[0];                                                                     \
    }
/* in the order of sixteen lanes, of which eight are added to eight and then four to four */
#if VR_PARTS == 4
#define VR_ADD_PARTS(sum, parts) (sum = (parts[0] + parts[2]) + (parts[1] + parts[3]))
#define VR_ADD_QUARTERS(four) ((void)0)
#elif VR_PARTS == 2
#define VR_ADD_PARTS(sum, parts) (sum = parts[0] + parts[1])
#define VR_ADD_QUARTERS(four) (four[0] += four[1])
#else
#define VR_ADD_PARTS(sum, parts) (sum = parts[0])
#define VR_ADD_QUARTERS(four) (four[0] = (four[0] + four[2]) + (four[1] + four[3]))
#endif
VR_HALVES(vr_four_sums, vr_floats, vr_float4)
VR_HALVES(vr_four_counts, vr_ints, vr_int4)

VR_INLINE float vr_sum(const vr_floats *parts) {
    const vr_float4 four = vr_four_sums(parts);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

/* The sum of what a term is at the sixteen lanes from f on, over all of them. Neighbouring
   sixteens have sums of their own, which do not wait for each other. */
#define VR_SUM_OF(term)                                                                          \
    vr_floats even[VR_PARTS] = {{0}}, odd[VR_PARTS] = {{0}};                                     \
    ptrdiff_t start = 0, f;                                                                      \
    int part;                                                                                    \
    for (; start + 2 * VR_LANES <= k; start += 2 * VR_LANES) {                                   \
        VR_EACH_PART(part) {                                                                     \
            f = start + part * VR_WIDTH;                                                         \
            even[part] += term;                                                                  \
        }                                                                                        \
        VR_EACH_PART(part) {                                                                     \
            f = start + VR_LANES + part * VR_WIDTH;                                              \
            odd[part] += term;                                                                   \
        }                                                                                        \
    }                                                                                            \
    if (start < k) VR_EACH_PART(part) {                                                          \
            f = start + part * VR_WIDTH;                                                         \
            even[part] += term;                                                                  \
        }                                                                                        \
    VR_EACH_PART(part) even[part] += odd[part];                                                  \
    return vr_sum(even)

/* a . b */
VR_INLINE float vr_dot(const float *a, const float *b, ptrdiff_t k) {
    VR_SUM_OF(VR_AT(a, f) * VR_AT(b, f));
}

/* u . (p - n) */
VR_INLINE float vr_difference(const float *u, const float *p, const float *n, ptrdiff_t k) {
    VR_SUM_OF(VR_AT(u, f) * (VR_AT(p, f) - VR_AT(n, f)));
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

/* keys[l] = vr_descending_key of sixteen factors of one label */
VR_INLINE void vr_label_keys(const float *row, uint32_t *keys) {
    int part;
    VR_EACH_PART(part) {
        union {
            vr_floats value;
            vr_ints bits;
        } factors;
        factors.value = VR_AT(row, part * VR_WIDTH) + 0.0f;
        *(vr_ints *)(keys + part * VR_WIDTH) =
            factors.bits ^ (~(factors.bits >> 31) & 0x7fffffff);
    }
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

VR_INLINE void vr_label_keys(const float *row, uint32_t *keys) {
    int l;
    for (l = 0; l < VR_LANES; l++) keys[l] = vr_descending_key(row[l]);
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
    VR_ALIGNED uint32_t block[VR_LANES * VR_LANES];
    double total[VR_LANES] = {0}, squares[VR_LANES] = {0};
    ptrdiff_t start, count;
    int f, l;
    for (start = 0; start < n; start += VR_LANES) {
        count = n - start < VR_LANES ? n - start : VR_LANES;
        for (l = 0; l < count; l++) {
            const float *row = rows + (start + l) * stride;
            vr_label_keys(row, block + l * VR_LANES);
            for (f = 0; f < VR_LANES; f++) {
                const double difference = (double)row[f] - (double)rows[f];
                total[f] += difference;
                squares[f] += difference * difference;
            }
        }
        if (count == VR_LANES) {
            for (f = 0; f < VR_LANES; f++)
                for (l = 0; l < VR_LANES; l++) keys[f * n + start + l] = block[l * VR_LANES + f];
        } else {
            for (f = 0; f < VR_LANES; f++)
                for (l = 0; l < count; l++) keys[f * n + start + l] = block[l * VR_LANES + f];
        }
    }
    for (f = 0; f < VR_LANES; f++) {
        const double mean = total[f] / n;
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
    vr_ints within[VR_PARTS];
    vr_int4 four;
    int part;
    VR_EACH_PART(part) within[part] = VR_AT(values, part * VR_WIDTH) <= limit;
    four = vr_four_counts(within);
    return -((four[0] + four[2]) + (four[1] + four[3]));
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
