# The losses as Python sees them.

import numpy as np

from libc.math cimport log
from libc.stdint cimport uint32_t

from choices cimport number_of
from losses cimport (
    Loss,
    LossKind,
    LossSum,
    PairLoss,
    list_loss,
    loss_kinds,
    make_loss,
    pair_loss,
)


LOSSES = tuple(loss_kinds())


def loss_and_slopes(
    str loss not None, double positive, const double[::1] negatives not None,
    double margin=1.0, double temperature=1.0, double weight=1.0,
    const double[::1] correction=None
):
    """Compute the loss of a positive against negatives; return it and the slopes of both.

    The slopes are minus the derivative by the score of the positive, and the derivatives by those
    of the negatives. weight is that of the WARP loss, which takes one negative.
    """
    cdef Loss settings = make_loss(
        <LossKind> number_of(loss, loss_kinds(), "loss"), margin, temperature)
    cdef LossSum total
    cdef PairLoss pair
    cdef uint32_t m = <uint32_t> negatives.shape[0]
    cdef double slope
    cdef const double* shifts = NULL
    if correction is not None:
        shifts = &correction[0]
    slopes = np.empty(m, dtype=np.float64)
    cdef double[::1] out = slopes
    if m == 1 and not settings.is_of_lists:
        pair = pair_loss(&settings, positive - negatives[0], weight)
        out[0] = pair.slope
        return pair.linear + log(pair.factor), pair.slope, slopes
    total.total, total.factor = 0.0, 1.0
    slope = list_loss(&settings, positive, &negatives[0], m, shifts, &out[0], &total)
    return total.total + log(total.factor), slope, slopes
