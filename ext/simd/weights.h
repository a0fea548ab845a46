/* Sums of rows that are listed by their numbers, of a matrix that is neither padded nor aligned. */
#ifndef VSEENS_REC_WEIGHTS_H
#define VSEENS_REC_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "vectors.h"

/* every cache line of n floats */
VR_INLINE void vr_fetch_floats(const float *floats, ptrdiff_t n) {
    ptrdiff_t f;
    for (f = 0; f < n; f += 16) VR_FETCH_TO_READ(floats + f);
}

#if VR_VECTORS

/* columns whose sums fit the registers */
#define VR_SUMMED (8 * VR_WIDTH)

typedef float vr_floats_anywhere __attribute__((vector_size(4 * VR_WIDTH), may_alias, aligned(4)));
#define VR_ANYWHERE(pointer, f) (*(vr_floats_anywhere *)((pointer) + (f)))
#define VR_READ_ANYWHERE(pointer, f) (*(const vr_floats_anywhere *)((pointer) + (f)))

/* Add VR_SUMMED columns of rows to what is there, one row after the other. The first row has the
   number `first`. */
VR_INLINE void vr_add_listed(const int32_t *numbers, ptrdiff_t n, int32_t first, const float *rows,
                             ptrdiff_t stride, float *out) {
    vr_floats sums[8];
    ptrdiff_t i;
    int v;
#pragma GCC unroll 8
    for (v = 0; v < 8; v++) sums[v] = VR_READ_ANYWHERE(out, v * VR_WIDTH);
    for (i = 0; i < n; i++) {
        const float *row = rows + (ptrdiff_t)(numbers[i] - first) * stride;
#pragma GCC unroll 8
        for (v = 0; v < 8; v++) sums[v] += VR_READ_ANYWHERE(row, v * VR_WIDTH);
    }
#pragma GCC unroll 8
    for (v = 0; v < 8; v++) VR_ANYWHERE(out, v * VR_WIDTH) = sums[v];
}

#else

#define VR_SUMMED 64

VR_INLINE void vr_add_listed(const int32_t *numbers, ptrdiff_t n, int32_t first, const float *rows,
                             ptrdiff_t stride, float *out) {
    ptrdiff_t i;
    int f;
    for (i = 0; i < n; i++) {
        const float *row = rows + (ptrdiff_t)(numbers[i] - first) * stride;
        for (f = 0; f < VR_SUMMED; f++) out[f] += row[f];
    }
}

#endif

#endif
