"""What a negative costs, and how steeply.

slope: minus the derivative by the positive's score, and the derivative by a negative's score; for
a pairwise loss they are one number. To add a loss: a value of LossKind and its branch in
pair_loss() if it compares one positive with one negative, else in list_loss().
"""

from libc.math cimport exp, log, log1p
from libc.stdint cimport uint32_t


cdef enum LossKind:
    HINGE = 0
    LOGISTIC = 1
    WARP = 2
    SOFTMAX = 3
    SGNS = 4


ctypedef struct Loss:
    LossKind kind
    double margin
    double temperature


# a loss is linear + log(factor): factors are multiplied up and share one logarithm
ctypedef struct PairLoss:
    double slope
    double linear
    double factor


# score differences below this violate; the losses without a margin count wrong orders
cdef inline double violation_margin(const Loss* loss) noexcept nogil:
    if loss.kind == HINGE or loss.kind == WARP:
        return loss.margin
    return 0.0


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
            tail = exp(-difference)
            result.factor = 1.0 + tail
            result.slope = tail / (1.0 + tail)
        else:
            result.linear = -difference
            result.slope = 1.0 / (1.0 + exp(difference))
    elif difference >= loss.margin:
        result.slope = 0.0
    else:
        result.slope = weight
        result.linear = weight * (loss.margin - difference)
    return result


cdef inline double sigmoid(double x) noexcept nogil:
    if x >= 0:
        return 1.0 / (1.0 + exp(-x))
    return exp(x) / (1.0 + exp(x))


# log(1 + exp(x))
cdef inline double softplus(double x) noexcept nogil:
    if x > 0:
        return x + log1p(exp(-x))
    return log1p(exp(x))


# One positive against m negatives: writes the m slopes, returns the loss and sets the positive's
# slope. correction: added to the scores of the negatives (softmax), or NULL. Pairwise losses are
# averaged over the negatives.
cdef inline double list_loss(
    const Loss* loss, double positive, const double* negatives, uint32_t m,
    const double* correction, double* slopes, double* positive_slope
) noexcept nogil:
    cdef uint32_t j
    cdef double value, highest, total, logit
    cdef PairLoss pair
    if loss.kind == SOFTMAX:
        highest = positive / loss.temperature
        for j in range(m):
            logit = (negatives[j] + loss.margin) / loss.temperature
            if correction != NULL:
                logit += correction[j]
            slopes[j] = logit
            if logit > highest:
                highest = logit
        total = exp(positive / loss.temperature - highest)
        for j in range(m):
            total += exp(slopes[j] - highest)
        value = log(total) + highest - positive / loss.temperature
        positive_slope[0] = 0.0
        for j in range(m):
            slopes[j] = exp(slopes[j] - highest) / total / loss.temperature
            positive_slope[0] += slopes[j]
        return value
    if loss.kind == SGNS:
        value = softplus(-positive)
        positive_slope[0] = sigmoid(-positive)
        for j in range(m):
            value += softplus(negatives[j])
            slopes[j] = sigmoid(negatives[j])
        return value
    value = 0.0
    positive_slope[0] = 0.0
    for j in range(m):
        pair = pair_loss(loss, positive - negatives[j], 1.0)
        slopes[j] = pair.slope / m
        positive_slope[0] += slopes[j]
        value += (pair.linear + log(pair.factor)) / m
    return value
