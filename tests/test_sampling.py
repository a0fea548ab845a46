"""The samplers draw from the law they state, and that law is the paper's."""

import numpy as np
import pytest
from scipy import stats
from scipy.sparse import csr_matrix

from vseens_rec import (
    AdaptiveSampler,
    ExactSampler,
    PopularitySampler,
    UniformSampler,
    VSEens,
)
from vseens_rec._native import kernel
from vseens_rec.engine import interactions
from vseens_rec.engine.samplers import rank_law

N_DRAWS = 1_000_000


def paper_law(user, items, rank_scale):
    """Eqs. 6 to 10: sum over factors of p(f|i) p(r_f(a)), with ranks by plain sorting."""
    n_labels = len(items)
    scale = max(1.0, rank_scale * n_labels)
    depth = min(n_labels, int(np.ceil(10 * scale)))
    by_rank = np.where(np.arange(1, n_labels + 1) <= depth,
                       np.exp(-np.arange(1, n_labels + 1) / scale), 0)  # fmt: skip
    by_rank /= by_rank.sum()
    importance = np.abs(user) * items.std(axis=0)
    if importance.sum() == 0:
        return np.full(n_labels, 1 / n_labels)
    law = np.zeros(n_labels)
    for f, share in enumerate(importance / importance.sum()):
        from_top = np.argsort(-items[:, f], kind="stable")
        order = from_top if user[f] > 0 else from_top[::-1]
        law[order] += share * by_rank
    return law


def with_exclusions(law, excluded):
    """The law of up to 33 draws until one is not excluded, and then a uniform one."""
    mass = law[excluded].sum()
    result = sum(law * mass**redraw for redraw in range(33))
    allowed = np.setdiff1d(np.arange(len(law)), excluded)
    result[excluded] = 0
    result[allowed] += mass**33 / len(allowed)
    return result


def assert_drawn_from(drawn, law):
    """Chi-square, with the rare labels as one."""
    counts = np.bincount(drawn.ravel(), minlength=len(law)).astype(float)
    expected = law * drawn.size
    assert not counts[law == 0].any()
    rare = expected < 10
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    kept = expected > 0
    if kept.sum() == 1:
        return
    p = stats.chisquare(counts[kept], expected[kept] * counts.sum() / expected.sum()).pvalue
    assert p > 1e-4


def make_factors(case, n_labels, factors=9):
    rng = np.random.default_rng(n_labels)
    items = rng.normal(size=(n_labels, factors)).astype(np.float32)
    user = rng.normal(size=(1, factors)).astype(np.float32)
    if case == "ties":
        items = np.round(items)
    elif case == "zero factor of the row":
        user[0, ::2] = 0
    elif case == "zero row":
        user[:] = 0
    elif case == "zero variance":
        items[:, 1:4] = 2.5
    elif case == "no variance at all":
        items[:] = 1.0
    elif case == "negative":
        user = -np.abs(user)
    elif case == "positive":
        user = np.abs(user)
    return user, items


CASES = [
    "mixed", "ties", "zero factor of the row", "zero row", "zero variance", "no variance at all",
    "negative", "positive",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("n_labels", "rank_scale"), [(7, 0.3), (60, 0.05), (5000, 0.01)])
def test_adaptive_law_is_the_papers(case, n_labels, rank_scale):
    user, items = make_factors(case, n_labels)
    law = AdaptiveSampler(items, rank_scale).probability(user)[0]
    np.testing.assert_allclose(law, paper_law(user[0], items, rank_scale), rtol=1e-4, atol=1e-9)
    assert law.sum() == pytest.approx(1)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("n_labels", "rank_scale"), [(7, 0.3), (5000, 0.01)])
def test_adaptive_draws_follow_their_law(case, n_labels, rank_scale, seed):
    user, items = make_factors(case, n_labels)
    sampler = AdaptiveSampler(items, rank_scale, random_state=seed)
    drawn = sampler.sample(np.repeat(user, 100, axis=0), N_DRAWS // 100)
    assert_drawn_from(drawn, sampler.probability(user)[0])


def make_others(n_labels, seed):
    user, items = make_factors("mixed", n_labels)
    popularity = np.arange(n_labels) ** 2.0
    return [
        (ExactSampler(items, 0.02, random_state=seed), user),
        (UniformSampler(n_labels, random_state=seed), user),
        (PopularitySampler(popularity, random_state=seed), user),
    ]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("n_labels", [5, 3000])
@pytest.mark.parametrize("which", [0, 1, 2], ids=["exact", "uniform", "popularity"])
def test_other_draws_follow_their_law(n_labels, which, seed):
    sampler, user = make_others(n_labels, seed)[which]
    law = sampler.probability(user)[0]
    drawn = sampler.sample(np.repeat(user, 100, axis=0), N_DRAWS // 100)
    assert_drawn_from(drawn, law)
    _, items = make_factors("mixed", n_labels)
    if which == 0:
        expected = np.zeros(n_labels)
        by_rank = rank_law(n_labels, 0.02)
        expected[np.argsort(-(items @ user[0]), kind="stable")[: len(by_rank)]] = by_rank
    elif which == 1:
        expected = np.full(n_labels, 1 / n_labels)
    else:
        expected = np.arange(n_labels) ** 1.5 / (np.arange(n_labels) ** 1.5).sum()
    np.testing.assert_allclose(law, expected, rtol=1e-9)


@pytest.mark.parametrize("mass", [0.01, 0.9, 0.999])
@pytest.mark.parametrize("which", ["adaptive", "exact", "uniform", "popularity"])
def test_exclusions(which, mass):
    n_labels = 400
    user, items = make_factors("mixed", n_labels)
    sampler = {
        "adaptive": lambda: AdaptiveSampler(items, 0.03, random_state=0),
        "exact": lambda: ExactSampler(items, 0.03, random_state=0),
        "uniform": lambda: UniformSampler(n_labels, random_state=0),
        "popularity": lambda: PopularitySampler(np.arange(n_labels), random_state=0),
    }[which]()
    law = sampler.probability(user)[0]
    # labels that together hold at least this much of the mass
    order = np.argsort(-law if mass > 0.5 else law + (law == 0), kind="stable")
    excluded = np.sort(order[: np.searchsorted(np.cumsum(law[order]), mass) + 1])
    excluded = excluded[: n_labels - 1]
    assert mass * 0.9 < law[excluded].sum() < mass + 0.11
    row = np.zeros((1, n_labels))
    row[0, excluded] = 1
    stated = sampler.probability(user, exclude=csr_matrix(row))[0]
    np.testing.assert_allclose(stated, with_exclusions(law, excluded), rtol=1e-6, atol=1e-12)
    drawn = sampler.sample(
        np.repeat(user, 100, axis=0), N_DRAWS // 100, exclude=csr_matrix(np.repeat(row, 100, 0))
    )
    assert_drawn_from(drawn, stated)


def test_rows_that_exclude_everything_or_nothing():
    user, items = make_factors("mixed", 20)
    exclude = csr_matrix(np.array([np.ones(20), np.zeros(20)]))
    for sampler in (AdaptiveSampler(items, random_state=0), UniformSampler(20, random_state=0)):
        users = np.repeat(user, 2, axis=0)
        drawn = sampler.sample(users, 50, exclude=exclude)
        assert (drawn[0] == -1).all()
        assert (drawn[1] >= 0).all()
        law = sampler.probability(users, exclude=exclude)
        assert not law[0].any()
        np.testing.assert_allclose(law[1], sampler.probability(users)[1])
        assert sampler.sample(users[:0], 5).shape == (0, 5)
        assert sampler.sample(users, 5, exclude=csr_matrix((2, 20))).min() >= 0


def test_draws_are_reproducible_and_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    items, users = rng.normal(size=(500, 20)), rng.normal(size=(3000, 20))
    for make in (
        lambda **p: AdaptiveSampler(items, **p),
        lambda **p: ExactSampler(items, **p),
        lambda **p: UniformSampler(500, **p),
        lambda **p: PopularitySampler(np.arange(500), **p),
    ):
        one, two = make(random_state=5, num_threads=1), make(random_state=5, num_threads=3)
        first = one.sample(users, 7)
        np.testing.assert_array_equal(first, two.sample(users, 7))
        second = one.sample(users, 7)
        np.testing.assert_array_equal(second, two.sample(users, 7))
        assert (first != second).mean() > 0.5
        assert (make(random_state=6).sample(users, 7) != first).mean() > 0.5
        assert first.dtype == np.int32


def test_refresh_follows_the_factors():
    user, items = make_factors("mixed", 50)
    sampler = AdaptiveSampler(items)
    moved = items[::-1].copy()
    sampler.refresh(moved)
    np.testing.assert_allclose(
        sampler.probability(user), AdaptiveSampler(moved).probability(user), rtol=1e-6
    )


def test_factors_in_the_kernels_layout_are_not_copied(monkeypatch):
    rows = kernel.aligned_rows(100, 32)
    rows[:] = np.random.default_rng(0).normal(size=rows.shape)
    sampler = AdaptiveSampler(rows, random_state=0)
    monkeypatch.setattr(kernel, "aligned_rows", None)
    sampler.refresh(rows)
    assert sampler.sample(rows, 3).shape == (100, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s, u: s.sample(u[:, :3], 4), ValueError, "3 factors, but .* made for 9"),
        (lambda s, u: s.sample(u * np.nan, 4), ValueError, "NaN"),
        (lambda s, u: s.sample(u, 0), ValueError, "size must be at least 1"),
        (lambda s, u: s.sample(u, 2.5), TypeError, "size must be an integer"),
        (lambda s, u: s.sample(u, 2, exclude=np.ones((1, 4))), ValueError, "50 labels"),
        (lambda s, u: s.sample(u, 2, exclude=np.ones((3, 50))), ValueError, "3 rows for 1 ids"),
        (lambda s, u: s.refresh(np.ones((7, 9))), ValueError, "made for 50 labels"),
        (lambda s, u: AdaptiveSampler(u, rank_scale=0), ValueError, "rank_scale"),
        (lambda s, u: AdaptiveSampler(np.empty((0, 9))), ValueError, r"item_factors .* \(0, 9\)"),
        (lambda s, u: ExactSampler(np.empty((0, 16))), ValueError, r"item_factors .* \(0, 16\)"),
        (lambda s, u: AdaptiveSampler(u, rank_scale="x"), TypeError, "rank_scale"),
        (lambda s, u: UniformSampler(0), ValueError, "n_labels"),
        (lambda s, u: PopularitySampler([0, 0]), ValueError, "not all 0"),
        (lambda s, u: PopularitySampler([1, -1]), ValueError, ">= 0"),
        (lambda s, u: PopularitySampler([0, 1], exponent=-1), ValueError, "at least 0, got -1"),
        (lambda s, u: UniformSampler(2**31 + 1), ValueError, "n_labels must be at most"),
    ],
)
def test_bad_arguments(call, error, message):
    user, items = make_factors("mixed", 50)
    with pytest.raises(error, match=message):
        call(AdaptiveSampler(items), user)


def test_ranks_do_not_change_with_the_normalised_score(annotations):
    """The paper's s*: a positive multiple of s plus a constant for each image."""
    model = VSEens(factors=8, iterations=10, use_bias=False, random_state=0, num_threads=1)
    model.fit(annotations, show_progress=False)
    users, items = model.user_factors.astype(float), model.item_factors.astype(float)
    score = users @ items.T
    mean, spread = items.mean(axis=0), items.std(axis=0)
    importance = np.abs(users) * spread
    importance /= importance.sum(axis=1, keepdims=True)
    normalised = (importance * np.sign(users)) @ ((items - mean) / spread).T
    np.testing.assert_array_equal(
        np.argsort(-score, axis=1, kind="stable"), np.argsort(-normalised, axis=1, kind="stable")
    )


@pytest.mark.parametrize("at_once", [1, 7, 1 << 21])
def test_labels_are_counted_in_parts(annotations, monkeypatch, at_once):
    monkeypatch.setattr(interactions, "COUNTED_AT_ONCE", at_once)
    counts = interactions.count_labels(annotations.indices, 130)
    np.testing.assert_array_equal(counts[:120], (annotations > 0).sum(axis=0).A1)
    np.testing.assert_array_equal(counts[120:], 0)


def test_a_large_power_of_popularity_stays_finite():
    sampler = PopularitySampler([1e5, 9e4, 0.0], exponent=100, random_state=0)
    share = 0.9**100
    np.testing.assert_allclose(
        sampler.probability(np.ones((1, 1)))[0], [1 / (1 + share), share / (1 + share), 0]
    )
    assert (sampler.sample(np.ones((1, 1)), 1000) == 0).mean() > 0.99
    assert PopularitySampler([2, 0], exponent=0).probability(np.ones((1, 1))).tolist() == [
        [0.5] * 2
    ]


@pytest.mark.parametrize("released", [False, True])
def test_a_scale_beyond_all_ranks(released):
    law = rank_law(1000, 1e306, released)
    np.testing.assert_allclose(law, np.full(1000, 1e-3))
