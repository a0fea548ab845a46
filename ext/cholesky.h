/* Solve A x = b for a small symmetric positive definite A by its Cholesky factor.

   The lower triangle of A is read and overwritten, row by row in a square of `stride` columns; b
   becomes x. Four columns are taken at once, so that the rows below them are read and written a
   quarter as often. */

#ifndef VR_CHOLESKY_H
#define VR_CHOLESKY_H

#include <math.h>
#include <stddef.h>

#if defined(_MSC_VER)
#define VR_RESTRICT __restrict
#else
#define VR_RESTRICT restrict
#endif

/* `columns` is room for 4 * m numbers; 0 if A is not positive definite */
static int vr_cholesky_solve(
    double *VR_RESTRICT a, ptrdiff_t stride, ptrdiff_t m, double *VR_RESTRICT b,
    double *VR_RESTRICT columns)
{
    ptrdiff_t i, j, k, c, p;
    for (k = 0; k < m; k += 4) {
        const ptrdiff_t end = k + 4 < m ? k + 4 : m;
        for (c = k; c < end; c++) {
            double pivot = a[c * stride + c];
            for (p = k; p < c; p++)
                pivot -= a[c * stride + p] * a[c * stride + p];
            if (!(pivot > 0.0))
                return 0;
            pivot = sqrt(pivot);
            a[c * stride + c] = pivot;
            for (i = c + 1; i < m; i++) {
                double value = a[i * stride + c];
                for (p = k; p < c; p++)
                    value -= a[i * stride + p] * a[c * stride + p];
                a[i * stride + c] = value / pivot;
            }
        }
        if (end < k + 4)
            break;
        for (p = 0; p < 4; p++)
            for (j = end; j < m; j++)
                columns[p * m + j] = a[j * stride + k + p];
        for (i = end; i < m; i++) {
            double *VR_RESTRICT row = a + i * stride;
            const double x0 = row[k], x1 = row[k + 1], x2 = row[k + 2], x3 = row[k + 3];
            const double *VR_RESTRICT y0 = columns, *VR_RESTRICT y1 = columns + m;
            const double *VR_RESTRICT y2 = columns + 2 * m, *VR_RESTRICT y3 = columns + 3 * m;
            for (j = end; j <= i; j++)
                row[j] -= x0 * y0[j] + x1 * y1[j] + x2 * y2[j] + x3 * y3[j];
        }
    }
    for (i = 0; i < m; i++) {
        double value = b[i];
        for (j = 0; j < i; j++)
            value -= a[i * stride + j] * b[j];
        b[i] = value / a[i * stride + i];
    }
    for (i = m - 1; i >= 0; i--) {
        const double value = b[i] / a[i * stride + i];
        b[i] = value;
        for (j = 0; j < i; j++)
            b[j] -= a[i * stride + j] * value;
    }
    return 1;
}

#endif
