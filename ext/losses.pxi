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
    list_losses,
    loss_kinds,
    make_loss,
    pair_loss,
)


LOSSES = tuple(loss_kinds())


def loss_and_slopes(
    str loss not None, const double[::1] positives not None, const double[::1] negatives not None,
    double margin=1.0, double temperature=1.0, double weight=1.0,
    const double[::1] correction=None
):
    """Sum the losses of positives against the same negatives; return it and the slopes of both.

    The slopes are minus the derivatives by the scores of the positives, and the derivatives by
    those of the negatives. weight is that of the WARP loss, which takes one of each.
    """
    cdef Loss settings = make_loss(
        <LossKind> number_of(loss, loss_kinds(), "loss"), margin, temperature)
    cdef LossSum total
    cdef PairLoss pair
    cdef uint32_t n = <uint32_t> positives.shape[0], m = <uint32_t> negatives.shape[0]
    positive_slopes, slopes = np.empty(n, dtype=np.float64), np.empty(m, dtype=np.float64)
    cdef double[::1] positive_out = positive_slopes, out = slopes
    cdef const double* shifts = NULL
    if correction is not None:
        shifts = &correction[0]
    if n == 1 and m == 1 and not settings.is_of_lists:
        pair = pair_loss(&settings, positives[0] - negatives[0], weight)
        positive_out[0] = out[0] = pair.slope
        return pair.linear + log(pair.factor), positive_slopes, slopes
    total.total, total.factor = 0.0, 1.0
    list_losses(
        &settings, &positives[0], n, &negatives[0], m, shifts, &positive_out[0], &out[0], &total)
    return total.total + log(total.factor), positive_slopes, slopes
