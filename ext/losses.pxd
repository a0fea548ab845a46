"""What a negative costs, and how steeply.

slope: minus the derivative by the positive's score, and the derivative by a negative's score; for
a loss of pairs they are one number. To add a loss: a value of LossKind with its name, what is true
of it in make_loss(), and its branch in pair_loss() if it compares one positive with one negative,
else in list_loss().
"""

from libc.math cimport fabs, log
from libc.stdint cimport uint32_t

from simd cimport vr_exp, vr_exponentials


cdef enum LossKind:
    HINGE
    LOGISTIC
    WARP
    SOFTMAX
    SGNS


cdef inline dict loss_kinds():
    return {
        "hinge": HINGE,
        "logistic": LOGISTIC,
        "warp": WARP,
        "softmax": SOFTMAX,
        "sgns": SGNS,
    }


ctypedef struct Loss:
    LossKind kind
    # of the scores of a positive and all its negatives, in place of a sum over differences of two
    bint is_of_lists
    # differences of scores below the margin violate; without one, wrong orders do
    bint has_margin
    # no difference of scores is large enough for a slope of zero
    bint slopes_everywhere
    # the slope is the same up to the margin, where it falls at once
    bint slope_jumps
    # how much a slope changes at most where scores move against each other by 1; one that jumps has
    # the margin to change in
    double curvature
    # every negative has a loss of its own, and they add up
    bint adds_negatives
    double margin
    double temperature


cdef inline Loss make_loss(LossKind kind, double margin, double temperature) noexcept nogil:
    cdef Loss loss
    loss.kind = kind
    loss.is_of_lists = kind == SOFTMAX or kind == SGNS
    loss.has_margin = kind == HINGE or kind == WARP
    loss.slopes_everywhere = kind == LOGISTIC
    loss.slope_jumps = kind == HINGE or kind == WARP
    loss.adds_negatives = kind == SGNS
    loss.margin = margin
    loss.temperature = temperature
    loss.curvature = 0.25
    if kind == SOFTMAX:
        loss.curvature /= temperature * temperature
    elif loss.slope_jumps and margin > 0:
        loss.curvature /= margin
    return loss


# a loss is linear + log(factor): factors are multiplied up and share one logarithm
ctypedef struct PairLoss:
    double slope
    double linear
    double factor


# score differences below this violate
cdef inline double violation_margin(const Loss* loss) noexcept nogil:
    return loss.margin if loss.has_margin else 0.0


# difference: score of the positive less that of the negative; weight: L(rank) for WARP, else 1.
# Differences that are not numbers give losses that are not numbers, never a silent zero.
cdef inline PairLoss pair_loss(
    const Loss* loss, double difference, double weight
) noexcept nogil:
    cdef PairLoss result
    cdef double tail
    result.factor = 1.0
    result.linear = 0.0
    if loss.kind == LOGISTIC:
        if difference > -30.0:
            tail = vr_exp(-difference)
            result.factor = 1.0 + tail
            result.slope = tail / (1.0 + tail)
        else:
            result.linear = -difference
            result.slope = 1.0 / (1.0 + vr_exp(difference))
    elif difference >= loss.margin:
        result.slope = 0.0
    else:
        result.slope = weight
        result.linear = weight * (loss.margin - difference)
    return result


# A slope that does not carry the difference of the scores past where the loss is least, if a step
# along a slope of one moves that difference by reach.
cdef inline double damped_slope(
    const Loss* loss, double slope, double difference, double reach
) noexcept nogil:
    if not loss.slope_jumps:
        return slope * (1.0 / (1.0 + loss.curvature * reach))
    if slope > 0 and slope * reach > loss.margin - difference:
        return (loss.margin - difference) / reach
    return slope


# How many times as long a step on a list is taken as its slopes say, if scores move against each
# other by reach along slopes of one.
cdef inline double list_damping(const Loss* loss, double reach) noexcept nogil:
    return 1.0 / (1.0 + loss.curvature * reach)


# the loss of several steps: total + log(factor)
ctypedef struct LossSum:
    double total
    double factor


cdef inline void add_loss(LossSum* sum, double linear, double factor) noexcept nogil:
    sum.total += linear
    sum.factor *= factor
    # also true where the product is not a number
    if not sum.factor < 1e200:
        sum.total += log(sum.factor)
        sum.factor = 1.0


# The loss of a positive against m negatives: adds it to the sum, writes the slopes of the negatives
# and returns that of the positive. correction: added to the logits of the negatives (softmax), or
# NULL. Losses of pairs are averaged over the negatives.
cdef inline double list_loss(
    const Loss* loss, double positive, const double* negatives, uint32_t m,
    const double* correction, double* slopes, LossSum* sum
) noexcept nogil:
    cdef uint32_t j
    cdef double highest, total, gap, share, tail, slope, scale = 1.0 / loss.temperature
    cdef PairLoss pair
    if loss.kind == SOFTMAX:
        for j in range(m):
            slopes[j] = (negatives[j] + loss.margin) * scale
        if correction != NULL:
            for j in range(m):
                slopes[j] += correction[j]
        highest = slopes[0]
        for j in range(1, m):
            # a score that is not a number is taken, and stays
            if highest == highest and not slopes[j] <= highest:
                highest = slopes[j]
        for j in range(m):
            slopes[j] -= highest
        vr_exponentials(slopes, m)
        total = 0
        for j in range(m):
            total += slopes[j]
        # the share of what an exponential of 1 has
        gap = positive * scale - highest
        if gap > 0:
            tail = vr_exp(-gap)
            add_loss(sum, 0, 1 + total * tail)
            share = tail / (1 + total * tail)
        else:
            tail = total + vr_exp(gap)
            add_loss(sum, -gap, tail)
            share = 1 / tail
        slope = total * share * scale
        share *= scale
        for j in range(m):
            slopes[j] *= share
        return slope
    if loss.kind == SGNS:
        for j in range(m):
            slopes[j] = -fabs(negatives[j])
        vr_exponentials(slopes, m)
        for j in range(m):
            tail = slopes[j]
            add_loss(sum, negatives[j] if negatives[j] > 0 else 0, 1 + tail)
            slopes[j] = (1 if negatives[j] > 0 else tail) / (1 + tail)
        tail = vr_exp(-fabs(positive))
        add_loss(sum, -positive if positive < 0 else 0, 1 + tail)
        return (1 if positive < 0 else tail) / (1 + tail)
    slope = 0
    for j in range(m):
        pair = pair_loss(loss, positive - negatives[j], 1.0)
        slopes[j] = pair.slope / m
        slope += slopes[j]
        add_loss(sum, (pair.linear + log(pair.factor)) / m, 1.0)
    return slope
