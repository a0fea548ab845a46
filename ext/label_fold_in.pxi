# The factors of a label from the images that have it, with those of the images fixed, and scores of
# pairs.
#
# Callers have checked every argument: shapes agree, ids are in range.

from cython.parallel import parallel, prange

import numpy as np

from libc.math cimport HUGE_VAL
from libc.stdint cimport int32_t, int64_t, uint32_t

from buffers cimport aligned_row, require_alignment
from choices cimport number_of
from losses cimport Loss, LossKind, LossSum, list_loss, loss_kinds, make_loss
from simd cimport vr_add_masked, vr_dot
from steps cimport normalise


def fold_label(
    float[::1] factors not None,
    float[::1] sum_of_sweeps not None,
    const float[:, ::1] user_factors not None,
    const int32_t[::1] images not None,
    const double[::1] others not None,
    const double[::1] gates not None,
    const int64_t[::1] starts not None,
    *,
    str loss not None, double margin, double temperature, double learning_rate,
    double regularization_positive, double regularization_negative, double negative_weight,
    int first_summed, bint cosine
):
    """Learn the factors of one label from given comparisons, the factors of images fixed.

    factors : INOUT (stride,), padded and aligned
    sum_of_sweeps : INOUT (stride,), padded and aligned; what the factors are after each sweep from
        first_summed on is added to it
    user_factors : IN, padded and aligned
    images, others, gates : IN, one value a comparison: the image, the score of the label compared
        with, and what the label's own score has to reach to count as its negative; not a
        number where the label is the positive
    starts : IN, the first comparison of every sweep, and the number of all
    negative_weight : how many comparisons each stands for in which the label is the negative: so
        many steps of about that size are taken in turn, while the score reaches the gate, since
        one that is many times as long overshoots
    """
    cdef Loss settings = make_loss(
        <LossKind> number_of(loss, loss_kinds(), "loss"), margin, temperature)
    cdef Py_ssize_t stride = user_factors.shape[1], sweeps = starts.shape[0] - 1, sweep, t
    cdef int turns = max(1, <int> round(negative_weight)), turn
    cdef double weight = negative_weight / turns
    cdef const float* user
    cdef float* label = &factors[0]
    cdef double score, slope, of_other
    # nobody asks for the loss
    cdef LossSum loss_sum
    loss_sum.total, loss_sum.factor = 0.0, 1.0
    require_alignment(label)
    require_alignment(&user_factors[0, 0])
    cdef float[::1] learns = aligned_row(np.ones(stride, dtype=np.float32))
    with nogil:
        for sweep in range(sweeps):
            for t in range(starts[sweep], starts[sweep + 1]):
                user = &user_factors[images[t], 0]
                if gates[t] != gates[t]:
                    score = vr_dot(label, user, stride)
                    slope = list_loss(
                        &settings, score, &others[t], 1, NULL, &of_other, &loss_sum)
                    step_label(
                        label, user, &learns[0], learning_rate * slope,
                        learning_rate * regularization_positive, stride, cosine,
                    )
                    continue
                for turn in range(turns):
                    score = vr_dot(label, user, stride)
                    if score < gates[t]:
                        break
                    list_loss(&settings, others[t], &score, 1, NULL, &slope, &loss_sum)
                    step_label(
                        label, user, &learns[0], -learning_rate * weight * slope,
                        learning_rate * weight * regularization_negative, stride, cosine,
                    )
            if sweep >= first_summed:
                vr_add_masked(&sum_of_sweeps[0], label, &learns[0], 1, 0, stride)


cdef void step_label(
    float* label, const float* user, const float* learns, double step, double decay,
    Py_ssize_t stride, bint cosine
) noexcept nogil:
    vr_add_masked(label, user, learns, <float> step, <float> min(0.5, decay), stride)
    if cosine:
        normalise(label, <uint32_t> stride)


def score_pairs(
    const float[:, ::1] user_factors not None,
    const int32_t[::1] images not None,
    const float[:, ::1] item_factors not None,
    const int32_t[:, ::1] labels not None,
    double[:, ::1] out not None,
    int n_threads
):
    """Score labels (n, m) for images (n,), to out (n, m).

    user_factors, item_factors : IN, padded and aligned
    labels : IN, those below 0 score -inf
    """
    require_alignment(&user_factors[0, 0])
    require_alignment(&item_factors[0, 0])
    cdef int64_t n = labels.shape[0], row
    with nogil, parallel(num_threads=n_threads):
        for row in prange(n, schedule="static"):
            score_row(
                &user_factors[images[row], 0], &item_factors[0, 0], &labels[row, 0],
                &out[row, 0], labels.shape[1], item_factors.shape[1],
            )


cdef void score_row(
    const float* user, const float* item_factors, const int32_t* labels, double* out, Py_ssize_t n,
    Py_ssize_t stride
) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        out[j] = -HUGE_VAL
        if labels[j] >= 0:
            out[j] = vr_dot(user, item_factors + <size_t> labels[j] * stride, stride)
