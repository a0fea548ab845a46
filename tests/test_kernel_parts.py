"""The parts of a kernel by themselves: random numbers, first factors, tables, scores."""

import numpy as np
import pytest
from scipy import stats

from . import reference
from .kernel_cases import (
    make_samplers,
    padded,
)


def test_random_numbers_agree_with_the_slow_version(kernel):
    random = reference.Random(2**63 + 5, 7, 123_456_789)
    expected = [random.next() for _ in range(50)]
    assert kernel.random_numbers(2**63 + 5, 7, 123_456_789, 50).tolist() == expected


def test_random_numbers_are_uniform_and_rows_are_independent(kernel):
    numbers = np.stack([kernel.random_numbers(1, 2, row, 256) for row in range(1000)])
    unit = numbers / 2.0**64
    assert stats.kstest(unit.ravel(), "uniform").pvalue > 1e-4
    # the same draw of neighbouring rows, and neighbouring draws of one row
    assert abs(np.corrcoef(unit[:-1].ravel(), unit[1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(unit[:, :-1].ravel(), unit[:, 1:].ravel())[0, 1]) < 0.01
    bits = (numbers.ravel()[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.006


def test_initial_factors_reach_the_ends_of_their_range_and_have_their_deviation(kernel):
    many = kernel.aligned_rows(300_000, 64)
    kernel.fill_normal(many, 64, 1.0, 0, 0, 2)
    assert many.max() == -many.min() == pytest.approx(4.0, abs=0.05)
    assert many.std(dtype=np.float64) == pytest.approx(1.0, abs=5e-4)
    assert abs(many.mean(dtype=np.float64)) < 1e-3


def test_initial_factors_are_normal_and_do_not_depend_on_threads(kernel):
    one, two = kernel.aligned_rows(20_000, 16), kernel.aligned_rows(20_000, 16)
    kernel.fill_normal(one, 10, 0.3, 5, 1, 1)
    kernel.fill_normal(two, 10, 0.3, 5, 1, 2)
    np.testing.assert_array_equal(one, two)
    assert not one[:, 10:].any()
    values = one[:, :10].ravel() / 0.3
    assert stats.kstest(values, "norm").pvalue > 1e-4
    kernel.fill_normal(two, 10, 0.3, 5, 0, 1)
    assert (one != two).mean() > 0.5


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_alias_table_has_the_law_it_is_built_from(kernel, n):
    weights = np.random.default_rng(n).exponential(size=n) ** 3
    weights[n // 2 :: 5] = 0 if n > 2 else 1
    table = kernel.alias_table(weights)
    share = table[:, 0] / (2.0**32 - 1)
    law = np.bincount(table[:, 1], weights=1 - share, minlength=n) + share
    np.testing.assert_allclose(law / n, weights / weights.sum(), atol=1e-9)


@pytest.mark.parametrize("n_labels", [1, 5, 300, 20_000, 70_000])
@pytest.mark.parametrize("rank_scale", [0.005, 0.04, 1.0])
def test_rank_table_is_the_sorted_order(kernel, n_labels, rank_scale):
    rng = np.random.default_rng(n_labels)
    columns = 21
    items = rng.normal(size=(n_labels, columns)).astype(np.float32)
    items[:, 1] = np.round(items[:, 1])  # ties
    items[:, 2] = 0
    items[:, 3] = -0.0
    items[::2, 3] = 0.0
    items[:, 4] = 3.7
    items[:, 5] *= 1e30
    items[:, 6] *= 1e-41  # denormal
    sampler, _ = make_samplers(kernel, "adaptive", n_labels, columns, rank_scale)
    sampler.refresh(padded(kernel, items), 2)
    order, spread = reference.rank_table(items, columns)
    width = sampler.table.shape[1]
    if width < n_labels:
        order = np.hstack([order[:, : width // 2], order[:, -(width // 2) :]])
    np.testing.assert_array_equal(sampler.table, order)
    np.testing.assert_allclose(sampler.spread[:columns], spread, rtol=1e-4, atol=1e-42)
    assert sampler.spread[4] == 0
    assert not sampler.spread[columns:].any()


def test_scores_of_pairs(kernel):
    rng = np.random.default_rng(3)
    users, items = (rng.normal(size=(n, 20)).astype(np.float32) for n in (6, 9))
    images = np.array([5, 0, 0, 3], dtype=np.int32)
    labels = rng.integers(9, size=(4, 3)).astype(np.int32)
    labels[1, 2] = -1
    out = np.empty((4, 3))
    kernel.score_pairs(padded(kernel, users), images, padded(kernel, items), labels, out, 2)
    expected = np.einsum("if,ijf->ij", users[images], items[labels])
    expected[1, 2] = -np.inf
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


def test_rows_that_are_not_aligned_are_refused(kernel):
    """Vector instructions may need it."""
    memory = np.zeros(40 * 16 + 32, np.float32)
    first = -memory.ctypes.data % 64 // 4 + 4
    crooked = memory[first : first + 40 * 16].reshape(40, 16)
    straight = kernel.aligned_rows(40, 16)
    sampler, _ = make_samplers(kernel, "adaptive", 40, 12)
    with pytest.raises(ValueError, match="multiples of 64 bytes"):
        sampler.refresh(crooked, 1)
    sampler.refresh(straight, 1)
    with pytest.raises(ValueError, match="multiples of 64 bytes"):
        sampler.draw(crooked, np.zeros((40, 2), np.int32), None, None, 0, 0, 1)
    with pytest.raises(ValueError, match="multiples of 64 bytes"):
        sampler.probability(crooked, np.zeros((40, 40)), None, None, 1)


def test_running_sums_begin_anew_in_every_row(kernel):
    sums = kernel.running_sums(np.array([0, 2, 2, 5]), np.array([1.0, 2.0, 0.5, 1.0, 4.0]))
    np.testing.assert_array_equal(sums, [1.0, 3.0, 0.5, 1.5, 5.5])
