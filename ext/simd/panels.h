/* Scores of several users for a panel of labels at a time. */
#ifndef VSEENS_REC_PANELS_H
#define VSEENS_REC_PANELS_H

#include "vectors.h"

/* users and labels that are scored together */
#define VR_USERS 8
#define VR_PANEL 32

/* the part of a panel whose sums fit the registers */
#if VR_WIDTH == 16
#define VR_TILE_USERS 8
#define VR_TILE_VECTORS 2
#elif VR_WIDTH == 8
#define VR_TILE_USERS 4
#define VR_TILE_VECTORS 2
#else
#define VR_TILE_USERS 2
#define VR_TILE_VECTORS 4
#endif

#if VR_VECTORS

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

#else

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

#endif
