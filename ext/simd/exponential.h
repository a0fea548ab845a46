/* Exponentials that take one branch, and whose bits no library decides. */
#ifndef VSEENS_REC_EXPONENTIAL_H
#define VSEENS_REC_EXPONENTIAL_H

#include <stddef.h>
#include <stdint.h>

#include "vectors.h"

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

#endif
