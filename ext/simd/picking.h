/* A column of a row, drawn by its weight. */
#ifndef VSEENS_REC_PICKING_H
#define VSEENS_REC_PICKING_H

#include "vectors.h"

#if VR_VECTORS

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

#else

VR_INLINE void vr_running_weights(const float *v, const float *spread, float *running,
                                  ptrdiff_t k) {
    ptrdiff_t f;
    for (f = 0; f < k; f++) running[f] = (v[f] < 0 ? -v[f] : v[f]) * spread[f];
    for (f = VR_LANES; f < k; f++) running[f] += running[f - VR_LANES];
}

#endif

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
