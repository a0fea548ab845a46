"""Losses by their gradients and their tables, through the kernel's own code."""

import numpy as np
import pytest
import scipy.special
from scipy.sparse import csr_matrix

from vseens_rec import WARP
from vseens_rec.engine.group_size import adaptive_group_size
from vseens_rec.vseens import settings_of

LOSSES = ["hinge", "logistic", "warp", "softmax", "sgns"]


@pytest.mark.parametrize("m", [1, 4])
@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("hinge", {"margin": 0.7}),
        ("logistic", {}),
        ("warp", {"margin": 1.0}),
        ("softmax", {"margin": 0.2, "temperature": 0.05}),
        ("softmax", {"margin": 0.0, "temperature": 1.0}),
        ("softmax", {"margin": 0.0, "temperature": 1.0, "corrected": True}),
        ("sgns", {}),
    ],
)
def test_slopes_are_the_derivatives(kernel, loss, options, m):
    options = dict(options)
    corrected = options.pop("corrected", False)
    rng = np.random.default_rng(m)
    for _ in range(30):
        scores = rng.normal(size=1 + m)
        if corrected:
            options["correction"] = rng.normal(size=m)
        if loss == "warp" and m == 1:
            options["weight"] = 2.5

        def value(scores, options=options):
            return kernel.loss_and_slopes(loss, scores[0], scores[1:], **options)[0]

        _, slope, slopes = kernel.loss_and_slopes(loss, scores[0], scores[1:], **options)
        derivatives = [
            (value(scores + shift) - value(scores - shift)) / 2e-6 for shift in 1e-6 * np.eye(1 + m)
        ]
        np.testing.assert_allclose([-slope, *slopes], derivatives, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("score", [-1e30, -800.0, -40.0, 40.0, 800.0, 1e30])
def test_losses_of_extreme_scores_are_finite(kernel, loss, score, m):
    for positive in (score, 0.0):
        value, slope, slopes = kernel.loss_and_slopes(loss, positive, np.linspace(0, -score, m))
        assert np.isfinite([value, slope, *slopes]).all()
        assert min(value, slope, *slopes) >= 0


@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_scores_that_are_no_numbers_are_not_hidden(kernel, loss, m):
    for positive, negatives in ((np.nan, np.zeros(m)), (0.0, np.full(m, np.nan))):
        value, *_ = kernel.loss_and_slopes(loss, positive, negatives)
        assert np.isnan(value)


@pytest.mark.parametrize("m", [1, 7, 300])
def test_exponentials_are_exact_to_the_last_digits(kernel, m):
    """The softmax against one positive that scores 0, over the whole range of doubles."""
    rng = np.random.default_rng(m)
    for scale in (1e-9, 1.0, 30.0, 700.0):
        negatives = rng.normal(size=m) * scale
        value, _, slopes = kernel.loss_and_slopes("softmax", 0.0, negatives, margin=0.0)
        expected = scipy.special.softmax(np.concatenate([[0.0], negatives]))
        np.testing.assert_allclose(slopes, expected[1:], rtol=1e-13, atol=1e-300)
        assert value == pytest.approx(
            scipy.special.logsumexp(np.concatenate([[0.0], negatives])), rel=1e-13, abs=1e-15
        )


def test_the_correction_estimates_the_full_softmax(kernel):
    """The corrected sum over drawn negatives is unbiased for the sum over all."""
    rng = np.random.default_rng(0)
    scores, law = rng.normal(size=50), rng.dirichlet(np.full(50, 3.0))
    m = 8
    sums = []
    for _ in range(4000):
        drawn = rng.choice(50, size=m, p=law)
        value = kernel.loss_and_slopes(
            "softmax", 0.3, scores[drawn], margin=0.0,
            correction=-np.log(m * law[drawn]),
        )[0]  # fmt: skip
        # exp(loss) = 1 + sum / exp(s_p)
        sums.append((np.exp(value) - 1) * np.exp(0.3))
    assert np.mean(sums) == pytest.approx(np.exp(scores).sum(), rel=0.03)


def test_warp_estimates_the_rank_that_is_known(kernel):
    """Trials are geometric: their mean is the number of negatives over that of violators."""
    n_labels, n_violators = 201, 20
    items = np.full((n_labels, 1), -1.0, dtype=np.float32)
    items[0] = 0.0
    items[1 : 1 + n_violators] = 1.0
    padded_items = kernel.aligned_rows(n_labels, 16)
    padded_items[:, :1] = items
    users = np.ones((1, 1), np.float32)
    matrix = csr_matrix(([1.0], [0], [0, 1]), shape=(1, n_labels))
    sampler = kernel.Sampler("uniform", n_labels, 1, None, None, None)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n_labels))])
    n_draws = 20_000
    training = kernel.Training(
        sampler, padded_items, np.ones(16, np.float32), loss="warp", margin=0.5,
        rank_weights=harmonic, selection="violator", max_trials=n_labels - 1,
    )  # fmt: skip
    counts = training.run(
        matrix.indptr.astype(np.int64), matrix.indices, np.zeros(1, np.int32), users,
        draws=np.array([n_draws], np.int32), learning_rate=0.0, learning_rate_user=0.0, seed=1,
        epoch=0,
    )  # fmt: skip
    share = n_violators / (n_labels - 1)
    assert counts["trials"] / n_draws == pytest.approx(1 / share, rel=0.03)
    trials = np.arange(1, n_labels)
    law = share * (1 - share) ** (trials - 1)
    # a violator is 1 above the positive and the margin is 0.5
    expected = (law * harmonic[(n_labels - 1) // trials]).sum() * 1.5
    assert counts["loss"] / n_draws == pytest.approx(expected, rel=0.03)


def test_table_of_rank_weights_is_exact():
    weights = settings_of(WARP(factors=2), 120).rank_weights(120)
    expected = [sum(1 / j for j in range(1, rank + 1)) for rank in range(120)]
    np.testing.assert_allclose(weights, expected, rtol=1e-12)


def test_every_kernel_has_the_losses_that_are_tested(kernel):
    assert list(kernel.LOSSES) == LOSSES


def test_adaptive_group_size():
    # cos(1) of 16 is 8.6: the start, with cosines of 0
    assert adaptive_group_size(0.0, 1.0, 16) == 9
    # aligned positives and spread negatives leave fewer, never none and never all
    sizes = [adaptive_group_size(a, 0.6, 16) for a in np.linspace(-1, 1, 21)]
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes) == 1
    assert max(sizes) == 15
