"""The kernel against the slow version in reference.py, and its random numbers."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from . import reference
from .kernel_cases import (
    assert_agree,
    make_case,
    make_samplers,
    padded,
    run_both,
    train,
)

SAMPLERS = ["adaptive", "uniform", "popularity", "exact"]


@pytest.mark.parametrize("loss", ["hinge", "logistic"])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(
    ("n_images", "n_labels", "factors", "bias"),
    [(40, 30, 16, False), (40, 30, 37, True), (30, 90, 1, False), (25, 20, 5, True),
     (6, 300, 100, True), (20, 2, 7, False)],
)  # fmt: skip
def test_an_epoch_agrees_with_the_slow_version(
    kernel, sampler, loss, n_images, n_labels, factors, bias
):
    matrix, users, items = make_case(1, n_images, n_labels, factors, bias=bias)
    fast, slow = run_both(
        kernel, matrix, users, items, sampler=sampler, loss=loss, learning_rate=0.1, bias=bias,
        decay=(0.02, 0.01, 0.03),
    )  # fmt: skip
    assert np.abs(fast[0] - users).max() > 1e-3
    assert_agree(fast, slow)


@pytest.mark.parametrize("sampler", ["adaptive", "uniform"])
@pytest.mark.parametrize("n_labels", [65_535, 65_536, 65_537])
def test_label_ids_at_the_limit_of_16_bits(kernel, sampler, n_labels):
    matrix, users, items = make_case(2, 6, n_labels, 3, density=4e-4)
    matrix = matrix[3:]
    users = users[3:]
    fast, slow = run_both(
        kernel, matrix, users, items, sampler=sampler, loss="logistic", learning_rate=0.1
    )
    assert_agree(fast, slow)


def test_one_label_trains_nothing(kernel):
    matrix, users, items = make_case(3, 5, 1, 4)
    fast, _ = run_both(kernel, matrix, users, items, loss="hinge", learning_rate=0.1)
    np.testing.assert_array_equal(fast[0], users)
    np.testing.assert_array_equal(fast[1], items)


def test_one_label_without_verification_is_never_its_own_negative(kernel):
    matrix, users, items = make_case(3, 5, 1, 4)
    rows = np.flatnonzero(np.diff(matrix.indptr)).astype(np.int32)
    fast, slow = run_both(
        kernel, matrix, users, items, loss="hinge", learning_rate=0.1, verify=False, rows=rows
    )
    assert fast[2]["skipped"] == len(rows)
    assert_agree(fast, slow)


def test_rows_longer_than_what_is_drawn_together(kernel):
    matrix, users, items = make_case(4, 8, 400, 20, density=0.5)
    fast, slow = run_both(kernel, matrix, users, items, loss="logistic", learning_rate=0.05)
    assert np.diff(matrix.indptr).max() > 2 * reference.pairs_drawn_together(1)
    assert_agree(fast, slow)


AHEAD = [
    {},
    {"selection": "hardest", "candidates": 3},
    {"loss": "softmax", "candidates": 12},
    {"selection": "violator"},
]


@pytest.mark.parametrize("options", AHEAD, ids=lambda o: "-".join(str(v) for v in o.values()))
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("drawn", [False, True])
def test_rows_that_follow_each_other_on_one_thread(kernel, sampler, options, drawn):
    """Many rows a thread, some with more pairs than are drawn together, or with none."""
    rng = np.random.default_rng(21)
    density = np.where(np.arange(120) % 20 == 3, 0.8, 0.05)
    matrix = csr_matrix(rng.random((120, 120)) < density[:, None]).astype(np.float32)
    users = rng.normal(scale=0.3, size=(120, 9)).astype(np.float32)
    items = rng.normal(scale=0.3, size=(120, 9)).astype(np.float32)
    rows = rng.permutation(np.flatnonzero(np.diff(matrix.indptr))).astype(np.int32)
    draws = rng.integers(0, 3, size=len(rows)).astype(np.int32) if drawn else None
    fast, slow = run_both(
        kernel, matrix, users, items, sampler=sampler, rows=rows, draws=draws,
        **{"loss": "logistic", "learning_rate": 0.02, **options},
    )  # fmt: skip
    assert fast[2]["pairs"] == (draws.sum() if drawn else matrix.nnz)
    assert_agree(fast, slow)


def test_rows_whose_positives_fill_the_head_of_the_ranking_fall_back(kernel):
    """All labels that the sampler can reach but one are positives."""
    n_labels = 400
    users = np.ones((1, 1), dtype=np.float32)
    items = np.linspace(1, -1, n_labels, dtype=np.float32)[:, None]
    matrix = csr_matrix((np.arange(n_labels) < 390).astype(float)[None])
    fast, slow = run_both(kernel, matrix, users, items, loss="logistic", learning_rate=0.01)
    assert_agree(fast, slow)


GRID = [
    {"loss": "logistic", "selection": "hardest", "candidates": 5},
    {"loss": "hinge", "selection": "hardest", "candidates": 4},
    {"loss": "hinge", "selection": "first", "candidates": 3},
    {"loss": "logistic", "selection": "first", "candidates": 3},
    {"loss": "logistic", "selection": "group", "candidates": 6, "group_size": 2},
    {"loss": "hinge", "selection": "group", "candidates": 6, "group_size": 1},
    {"loss": "softmax", "selection": "first", "candidates": 8, "margin": 0.0},
    {"loss": "softmax", "selection": "group", "candidates": 8, "group_size": 3,
     "margin": 0.2, "temperature": 0.5},
    {"loss": "softmax", "selection": "first", "candidates": 1, "margin": 0.0},
    {"loss": "softmax", "selection": "hardest", "candidates": 4, "margin": 0.0},
    {"loss": "sgns", "selection": "first", "candidates": 5},
    {"loss": "sgns", "selection": "hardest", "candidates": 5},
    {"loss": "warp", "selection": "violator"},
    {"loss": "warp", "selection": "violator", "max_trials": 2, "margin": 0.3},
    {"loss": "hinge", "selection": "violator", "max_trials": 5},
    {"loss": "logistic", "selection": "violator", "max_trials": 5},
]  # fmt: skip


@pytest.mark.parametrize("options", GRID, ids=lambda o: "-".join(str(v) for v in o.values()))
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("bias", [False, True])
def test_selections_and_losses_agree_with_the_slow_version(kernel, sampler, options, bias):
    matrix, users, items = make_case(5, 30, 40, 19, bias=bias)
    fast, slow = run_both(
        kernel, matrix, users, items, sampler=sampler, bias=bias, learning_rate=0.03,
        decay=(0.03, 0.01, 0.02), **options,
    )  # fmt: skip
    assert np.abs(fast[1] - items).max() > 1e-3
    assert_agree(fast, slow)


@pytest.mark.parametrize(
    "options",
    [{"loss": "logistic"}, {"loss": "softmax", "candidates": 4, "margin": 0.0},
     {"loss": "logistic", "in_turn": True}],
    ids=lambda o: "-".join(str(v) for v in o.values()),
)  # fmt: skip
def test_images_can_take_larger_steps_than_labels(kernel, options):
    matrix, users, items = make_case(14, 30, 40, 12)
    settings = {"learning_rate": 0.02, "decay": (0.02, 0.01, 0.03)} | options
    fast, slow = run_both(kernel, matrix, users, items, learning_rate_user=0.1, **settings)
    assert_agree(fast, slow)
    alike, _ = run_both(kernel, matrix, users, items, **settings)
    assert np.abs(fast[0] - users).max() > 2 * np.abs(alike[0] - users).max()


@pytest.mark.parametrize(
    "options",
    [{"loss": "logistic"}, {"loss": "hinge"}, {"loss": "hinge", "margin": 0.1},
     {"loss": "logistic", "selection": "hardest", "candidates": 5},
     {"loss": "warp", "selection": "violator"},
     {"loss": "logistic", "selection": "violator", "max_trials": 5}],
    ids=lambda o: "-".join(str(v) for v in o.values()),
)  # fmt: skip
@pytest.mark.parametrize("bias", [False, True])
def test_damped_steps(kernel, options, bias):
    matrix, users, items = make_case(15, 30, 40, 20, bias=bias)
    settings = {"learning_rate": 0.2, "learning_rate_user": 0.8, "bias": bias} | options
    fast, slow = run_both(kernel, matrix, users, items, damped=True, **settings)
    assert_agree(fast, slow)
    free, _ = run_both(kernel, matrix, users, items, **settings)
    assert np.linalg.norm(fast[0] - users) < 0.8 * np.linalg.norm(free[0] - users)


@pytest.mark.parametrize("loss", ["hinge", "logistic", "softmax"])
def test_penalty_of_violating_triplets_only(kernel, loss):
    matrix, users, items = make_case(6, 30, 40, 12)
    options = {"loss": loss, "learning_rate": 0.1, "decay": (0.3, 0.3, 0.3), "margin": 0.1}
    fast, slow = run_both(kernel, matrix, users, items, violating_only=True, **options)
    assert_agree(fast, slow)
    everywhere, _ = run_both(kernel, matrix, users, items, **options)
    assert np.abs(fast[1] - everywhere[1]).max() > 1e-3


def test_softmax_corrected_for_the_uniform_sampler(kernel):
    matrix, users, items = make_case(7, 30, 40, 12)
    options = {"loss": "softmax", "candidates": 6, "learning_rate": 0.1, "margin": 0.0}
    fast, slow = run_both(
        kernel, matrix, users, items, sampler="uniform", corrected=True, **options
    )
    assert_agree(fast, slow)


@pytest.mark.parametrize("options", [{"loss": "hinge"}, {"loss": "softmax", "candidates": 4}])
def test_cosine_keeps_rows_on_the_unit_sphere(kernel, options):
    matrix, users, items = make_case(8, 30, 40, 12)
    users /= np.linalg.norm(users, axis=1, keepdims=True)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    fast, slow = run_both(
        kernel, matrix, users, items, sampler="uniform", cosine=True, learning_rate=0.1, **options
    )
    assert_agree(fast, slow)
    np.testing.assert_allclose(np.linalg.norm(fast[1], axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"loss": "hinge"}, {"loss": "logistic"}, {"loss": "logistic", "selection": "violator"},
     {"loss": "logistic", "selection": "violator", "max_trials": 3, "margin": 0.1}],
)  # fmt: skip
def test_the_released_codes_order_of_updates(kernel, options):
    matrix, users, items = make_case(12, 30, 40, 12)
    settings = {"learning_rate": 0.1, "decay": (0.02, 0.01, 0.03)} | options
    fast, slow = run_both(kernel, matrix, users, items, in_turn=True, **settings)
    assert_agree(fast, slow)
    together, _ = run_both(kernel, matrix, users, items, **settings)
    assert np.abs(fast[1] - together[1]).max() > 1e-3


def test_labels_that_the_released_code_tries_end(kernel):
    """None of the labels that an image does not have violates: all of them were tried."""
    matrix = csr_matrix(np.array([[1, 1, 0, 0, 0]], dtype=np.float32))
    counts = run_both(
        kernel, matrix, np.ones((1, 4)), np.zeros((5, 4)), in_turn=True, loss="logistic",
        selection="violator", margin=-1.0, learning_rate=0.1,
    )[0][2]  # fmt: skip
    assert (counts["pairs"], counts["correct"], counts["trials"]) == (2, 2, 6)


@pytest.mark.parametrize("by_value", [False, True])
def test_drawn_positives(kernel, by_value):
    matrix, users, items = make_case(9, 30, 40, 12)
    lengths = np.diff(matrix.indptr)
    rows = np.flatnonzero((lengths > 0) & (lengths < 40)).astype(np.int32)
    draws = np.random.default_rng(0).integers(1, 9, size=len(rows)).astype(np.int32)
    values = matrix.data.astype(np.float64) if by_value else None
    fast, slow = run_both(
        kernel, matrix, users, items, loss="logistic", learning_rate=0.1, rows=rows,
        draws=draws, values=values,
    )  # fmt: skip
    assert fast[2]["pairs"] == draws.sum()
    assert_agree(fast, slow)


def test_positives_are_drawn_by_their_values(kernel):
    """At learning rate 0 the loss tells which positives were drawn."""
    values = np.array([1.0, 2.0, 5.0])
    matrix = csr_matrix(([1, 1, 1], [0, 1, 2], [0, 3]), shape=(1, 4))
    users = np.array([[1.0]], dtype=np.float32)
    # the hinge of the positive a against the only negative, 0, is 1 - a: 0, 1 and 100,000
    items = np.array([[1.0], [0.0], [-99_999.0], [0.0]], dtype=np.float32)
    n = 8000
    counts = run_both(
        kernel, matrix, users, items, sampler="uniform", loss="hinge", learning_rate=0.0,
        rows=np.zeros(1, np.int32), draws=np.array([n], np.int32), values=values,
    )[0][2]  # fmt: skip
    third, second = divmod(round(counts["loss"]), 100_000)
    assert third / n == pytest.approx(5 / 8, abs=0.02)
    assert second / n == pytest.approx(2 / 8, abs=0.02)


def test_draws_do_not_depend_on_threads_or_order_of_rows(kernel):
    """At learning rate 0 the loss of an epoch is a function of the draws alone."""
    matrix, users, items = make_case(10, 3000, 50, 8, density=0.1)
    lengths = np.diff(matrix.indptr)
    rows = np.flatnonzero((lengths > 0) & (lengths < 50)).astype(np.int32)
    fast, _ = make_samplers(kernel, "adaptive", 50, 8)
    fast_users, fast_items = users.astype(np.float32), padded(kernel, items)
    fast.refresh(fast_items, 1)

    def loss(rows, n_threads, epoch=5):
        return train(
            kernel, fast, matrix, rows, fast_users, fast_items, learning_rate=0.0,
            learning_rate_user=0.0, epoch=epoch, n_threads=n_threads,
        )["loss"]  # fmt: skip

    whole = loss(rows, 1)
    assert loss(rows, 4) == pytest.approx(whole, rel=1e-12)
    assert loss(rows[::-1].copy(), 2) == pytest.approx(whole, rel=1e-12)
    parts = sum(loss(np.ascontiguousarray(part), 2) for part in np.array_split(rows, 7))
    assert parts == pytest.approx(whole, rel=1e-12)
    assert loss(rows, 1, epoch=6) != pytest.approx(whole, rel=1e-6)


PARTS = [
    {},
    {"loss": "hinge", "selection": "hardest", "candidates": 3},
    {"loss": "softmax", "candidates": 5},
    {"loss": "warp", "selection": "violator", "max_trials": 9},
    {"draws": True},
]


@pytest.mark.parametrize("options", PARTS, ids=lambda o: "-".join(str(v) for v in o.values()))
@pytest.mark.parametrize("sampler", ["adaptive", "uniform", "exact"])
def test_part_of_a_matrix_draws_as_in_the_whole(kernel, sampler, options):
    """With labels that stay, rows learn the same wherever they are trained."""
    matrix, users, items = make_case(16, 120, 50, 8, density=0.1)
    lengths = np.diff(matrix.indptr)
    rows = np.flatnonzero((lengths > 0) & (lengths < 50)).astype(np.int32)
    fast, _ = make_samplers(kernel, sampler, 50, 8)
    labels = padded(kernel, items)
    fast.refresh(labels, 1)

    def learn(start, stop, first_row):
        inside = rows[(start <= rows) & (rows < stop)] - start
        part, own = matrix[start:stop], users[start:stop].astype(np.float32)
        given = options | (
            {"draws": np.full(len(inside), 4, np.int32)} if "draws" in options else {}
        )
        # steps on labels of no length
        counts = train(
            kernel, fast, part, inside, own, labels, learning_rate=0.0, learning_rate_user=0.1,
            first_row=first_row, **given,
        )  # fmt: skip
        return own, counts

    whole, counts = learn(0, 120, 0)
    first, of_first = learn(0, 47, 0)
    second, of_second = learn(47, 120, 47)
    np.testing.assert_array_equal(np.vstack([first, second]), whole)
    for name in ("pairs", "correct", "violations", "trials"):
        assert of_first[name] + of_second[name] == counts[name]
    elsewhere, _ = learn(47, 120, 0)
    assert np.abs(elsewhere - second).max() > 1e-4
    np.testing.assert_array_equal(labels[:, :8], items)


def test_initial_factors_of_a_part_are_those_of_the_whole(kernel):
    whole, part = kernel.aligned_rows(50, 16), kernel.aligned_rows(20, 16)
    kernel.fill_normal(whole, 10, 0.3, 5, 1, 1)
    kernel.fill_normal(part, 10, 0.3, 5, 1, 1, first_row=30)
    np.testing.assert_array_equal(part, whole[30:])


def mismatches():
    """Arguments of a training and a run that are not like the others, and what is said of them."""
    yield {"learns": np.ones(32, np.float32)}, "learns must have length 16, got 32"
    yield {"items": (39, 16)}, r"item_factors must have shape \(40, 16\), got \(39, 16\)"
    yield {"rank_weights": np.ones(5)}, "rank_weights must have length 40, got 5"
    yield {"loss": "square"}, "loss must be one of hinge, .*, got 'square'"
    yield {"selection": "best"}, "selection must be one of first, .*, got 'best'"
    yield {"loss": "softmax", "selection": "violator"}, "a violator is one negative"
    yield {"candidates": 0}, "candidates and max_trials must be at least 1"
    yield {"users": (29, 12)}, r"user_factors must have shape \(30, 12\), got \(29, 12\)"
    yield {"users": (30, 13)}, r"user_factors must have shape \(30, 12\), got \(30, 13\)"
    yield {"rows": np.array([3, 30], np.int32)}, "rows must be from 0 to 29, got 0 to 30"
    yield {"rows": np.array([-1, 4], np.int32)}, "rows must be from 0 to 29, got -1 to 4"
    yield {"group_size": 2}, "group_size must be from 1 to the 1 candidates, got 2"
    yield {"draws": np.ones(3, np.int32)}, "draws must have length 2, got 3"
    yield {"running_values": np.ones(3)}, "give draws as well"
    yield (
        {"running_values": np.ones(3), "draws": np.ones(2, np.int32)},
        "running_values must have length",
    )
    yield {"indices": 3}, "beyond the 3 entries of indices"


@pytest.mark.parametrize(("change", "message"), mismatches(), ids=lambda value: str(value)[:40])
def test_arrays_that_do_not_belong_together_are_refused(kernel, change, message):
    change = dict(change)
    matrix, *_ = make_case(11, 30, 40, 12)
    items = kernel.aligned_rows(*change.pop("items", (40, 16)))
    users = np.zeros(change.pop("users", (30, 12)), np.float32)
    rows = change.pop("rows", np.array([3, 4], np.int32))
    if "indices" in change:
        n = change.pop("indices")
        matrix.data, matrix.indices = matrix.data[:n], matrix.indices[:n]
    sampler, _ = make_samplers(kernel, "uniform", 40, 12)
    with pytest.raises(ValueError, match=message):
        train(kernel, sampler, matrix, rows, users, items, **change)


def test_factors_that_are_no_numbers_are_counted_and_do_no_harm(kernel):
    for bad in (np.nan, np.inf, -np.inf, 3e38):
        matrix, users, items = make_case(11, 30, 40, 12)
        users[5] = bad
        items[7] = bad
        fast, _ = make_samplers(kernel, "adaptive", 40, 12)
        fast_users, fast_items = users.astype(np.float32), padded(kernel, items)
        fast.refresh(fast_items, 1)
        for loss in ("hinge", "logistic"):
            counts = train(
                kernel, fast, matrix, np.arange(3, 30, dtype=np.int32), fast_users, fast_items,
                loss=loss, damped=loss == "logistic",
            )  # fmt: skip
            assert counts["not_finite"] > 0


def test_a_row_that_is_no_number_does_not_reach_the_next(kernel):
    matrix, users, items = make_case(12, 30, 40, 12)
    rows = np.arange(3, 30, dtype=np.int32)
    users[rows[0]] = np.nan
    sampler, _ = make_samplers(kernel, "uniform", 40, 12)
    fast_users, fast_items = users.astype(np.float32), padded(kernel, items)
    train(
        kernel, sampler, matrix, rows, fast_users, fast_items, sweeps=2,
        first_step=kernel.aligned_rows(16, 16), mean_negative=kernel.aligned_rows(1, 16)[0],
    )  # fmt: skip
    assert np.isnan(fast_users[rows[0]]).all()
    assert np.isfinite(fast_users[rows[1:]]).all()


FOLD_INS = [
    {"loss": "logistic"},
    {"loss": "hinge", "sampler": "uniform", "violating_only": True},
    {"loss": "logistic", "selection": "hardest", "candidates": 4, "sampler": "popularity"},
    {"loss": "softmax", "candidates": 5, "sampler": "uniform", "corrected": True},
    {"loss": "sgns", "candidates": 3, "sampler": "exact"},
    {"loss": "warp", "selection": "violator", "sampler": "uniform", "max_trials": 6},
    {"loss": "softmax", "candidates": 3, "cosine": True, "temperature": 0.2},
    {"loss": "hinge", "selection": "group", "candidates": 5, "group_size": 2, "bias": True},
    {"loss": "logistic", "in_turn": True},
]


@pytest.mark.parametrize("options", FOLD_INS, ids=lambda o: "-".join(str(v) for v in o.values()))
@pytest.mark.parametrize(
    ("sweeps", "least_steps", "unit"), [(1, 0, None), (5, 0, 1.0), (40, 0, None), (4, 48, 0.5)]
)
def test_fold_in_agrees_with_the_reference(kernel, options, sweeps, least_steps, unit):
    bias = options.get("bias", False)
    matrix, users, items = make_case(11, 25, 60, 18 + bias)
    first = {}
    if bias:
        users[:, -1] = 1
    if unit is not None:
        square = np.random.default_rng(0).normal(size=(18, 18))
        first = {
            "first_step": (square @ square.T / 18).astype(np.float32),
            "mean_negative": items[:9, :18].mean(axis=0),
            "unit": unit,
        }
    fast, slow = run_both(
        kernel, matrix, users, items, learning_rate=0.2, decay=(0.03, 0.0, 0.0), sweeps=sweeps,
        least_steps=least_steps, pairs_of_full_steps=2.0 if unit else 0.0, **first, **options,
    )  # fmt: skip
    assert_agree(fast, slow)
    np.testing.assert_array_equal(fast[1], items)
    assert np.abs(fast[0] - users).max() > 0.01
    if bias:
        assert (fast[0][:, -1] == 1).all()


def test_a_fold_in_needs_its_first_step(kernel):
    matrix, users, items = make_case(11, 25, 60, 18)
    with pytest.raises(ValueError, match="takes first_step and mean_negative"):
        run_both(
            kernel, matrix, users, items, loss="logistic", learning_rate=0.2, sweeps=3,
            gives_first_step=False,
        )  # fmt: skip


@pytest.mark.parametrize("options", [{"loss": "logistic"}, {"loss": "softmax", "candidates": 4}])
def test_images_of_many_pairs_take_smaller_steps(kernel, options):
    matrix, users, items = make_case(15, 30, 40, 12)
    settings = {"learning_rate": 0.05, "learning_rate_user": 0.2, "decay": (0.1, 0.01, 0.01)}
    settings |= options
    fast, slow = run_both(kernel, matrix, users, items, pairs_of_full_steps=2.0, **settings)
    assert_agree(fast, slow)
    full, _ = run_both(kernel, matrix, users, items, **settings)
    lengths = np.diff(matrix.indptr)
    moved, moved_fully = (np.linalg.norm(one[0] - users, axis=1) for one in (fast, full))
    trained = (lengths > 4) & (moved_fully > 0)
    assert trained.any()
    assert (moved[trained] < 0.8 * moved_fully[trained]).all()


LISTS = [
    {"loss": "softmax", "candidates": 4, "margin": 0.0},
    {"loss": "softmax", "candidates": 4, "margin": 0.1, "temperature": 0.3},
    {"loss": "sgns", "candidates": 3},
    {"loss": "logistic", "candidates": 6, "selection": "group", "group_size": 3},
    {"loss": "hinge", "candidates": 6, "selection": "group", "group_size": 3, "margin": 0.5},
]


@pytest.mark.parametrize("options", LISTS, ids=lambda o: "-".join(str(v) for v in o.values()))
@pytest.mark.parametrize("bias", [False, True])
def test_damped_steps_on_lists(kernel, options, bias):
    matrix, users, items = make_case(15, 30, 40, 20, bias=bias)
    settings = {"learning_rate": 0.2, "learning_rate_user": 0.8, "bias": bias} | options
    fast, slow = run_both(kernel, matrix, users, items, damped=True, **settings)
    assert_agree(fast, slow)
    free, _ = run_both(kernel, matrix, users, items, **settings)
    assert np.linalg.norm(fast[0] - users) < 0.8 * np.linalg.norm(free[0] - users)
