/* What vectors are made of, for every instruction set.

   Rows are 64-byte aligned and their length k is a multiple of 16, padded with zeros. Sixteen
   lanes are summed separately and then in a fixed tree, so a result does not depend on the
   instruction set, except for the rounding of fused multiply-adds. */
#ifndef VSEENS_REC_VECTORS_H
#define VSEENS_REC_VECTORS_H

#include <stddef.h>
#include <stdint.h>

#define VR_LANES 16

/* Floats of a vector of the processor's own width: a wider one would go through memory wherever its
   parts are taken up one by one. */
#if defined(__AVX512F__)
#define VR_WIDTH 16
#elif defined(__AVX2__)
#define VR_WIDTH 8
#else
#define VR_WIDTH 4
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

#else /* a compiler without vector types: sums lane by lane, mostly the same to the last bit */

VR_INLINE float vr_sum(const float *lanes) {
    float eight[8], four[4];
    int l;
    for (l = 0; l < 8; l++) eight[l] = lanes[l] + lanes[l + 8];
    for (l = 0; l < 4; l++) four[l] = eight[l] + eight[l + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

#endif

#endif
