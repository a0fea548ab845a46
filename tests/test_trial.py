"""Defaults that follow the data: what a trial chooses, and that no data makes them collapse."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from vseens_rec import (
    BPR,
    DNS,
    WARP,
    AoBPR,
    Checkpoint,
    NaiveRank,
    Popularity,
    SampledSoftmax,
    VSEens,
)
from vseens_rec.choices import Adaptive, Penalty
from vseens_rec.engine import trial
from vseens_rec.engine.holdouts import Holdout, images_to_try, split_rows
from vseens_rec.engine.interactions import Interactions
from vseens_rec.engine.settings import Facts, TrialResult, hardness_by_counts, resolve
from vseens_rec.engine.trial import result_from
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split
from vseens_rec.vseens import settings_of

PRESETS = (BPR, AoBPR, WARP, DNS, NaiveRank, SampledSoftmax)


def fit(model, matrix):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return model.set_params(random_state=0, num_threads=1).fit(matrix, show_progress=False)


def independent(n_images, n_labels, mean_length, exponent=1.0, seed=0):
    """Draw labels by their popularity alone: there is nothing else to learn."""
    generator = np.random.default_rng(seed)
    law = (np.arange(n_labels) + 3.0) ** -exponent
    law *= mean_length / law.sum()
    has = generator.random((n_images, n_labels)) < np.minimum(law, 0.9)
    has[np.arange(n_images), generator.integers(n_labels, size=n_images)] = True
    return csr_matrix(has.astype(np.float32))


def blocks(n_images, n_labels, n_blocks, share, seed=0):
    """Images that have a share of the labels of their own block, and of no other."""
    generator = np.random.default_rng(seed)
    own = np.arange(n_images)[:, None] % n_blocks == np.arange(n_labels) % n_blocks
    return csr_matrix((own & (generator.random(own.shape) < share)).astype(np.float32))


def ndcg(model, train, held_out):
    return ranking_metrics(model, train, held_out, "ndcg@10")["ndcg@10"]


@pytest.fixture(scope="module")
def noise():
    return leave_one_out_split(independent(1500, 1200, 4), random_state=0)


def test_where_there_is_only_popularity_the_model_is_popularity(noise):
    train, held_out = noise
    model = VSEens(random_state=0, num_threads=1)
    with pytest.warns(UserWarning, match="popularity ranks the labels.*regularization=0.04"):
        model.fit(train, show_progress=False)
    assert model.trial_["popularity"]
    assert model.trial_["scores"]["popularity"] >= max(model.trial_["scores"].values())
    popularity = Popularity().fit(train)
    assert ndcg(model, train, held_out) == pytest.approx(ndcg(popularity, train, held_out))
    counts = np.asarray(train.sum(axis=0)).ravel()
    np.testing.assert_allclose(model.item_factors[:, -1], np.log1p(counts), rtol=1e-6)
    assert not model.item_factors[:, :-1].any()
    # images that come later rank in the same way
    np.testing.assert_array_equal(model.transform(train[:5])[:, -1], 1)
    assert not model.transform(train[:5])[:, :-1].any()
    # factors on request, which rank lower here
    kept = fit(VSEens(regularization=0.04), train)
    assert kept.item_factors[:, :-1].any()
    assert ndcg(kept, train, held_out) < ndcg(model, train, held_out)


def test_where_labels_go_together_the_factors_stay():
    train, held_out = leave_one_out_split(blocks(900, 120, 6, 0.4), random_state=0)
    model = fit(VSEens(), train)
    assert not model.trial_["popularity"]
    assert ndcg(model, train, held_out) > 2 * ndcg(Popularity().fit(train), train, held_out)


def test_popularity_without_a_bias_is_out_of_reach(noise):
    train, _ = noise
    model = fit(VSEens(use_bias=False), train)
    assert not model.trial_["popularity"]
    assert model.item_factors.any()


# what was measured, and the penalty, hardness and popularity that follow from it
DECISIONS = {
    "the usual": ([0.20, 0.205, 0.205], 0.10, (1.0, 1.0, False)),
    "a small penalty": ([0.20, 0.22, 0.22], 0.10, (0.3125, 1.0, False)),
    "easier negatives": ([0.20, 0.205, 0.22], 0.10, (1.0, 0.25, False)),
    "both": ([0.20, 0.22, 0.24], 0.10, (0.3125, 0.25, False)),
    "a large penalty": ([0.08, 0.05, 0.09, 0.12], 0.10, (4.0, 0.25, False)),
    "popularity": ([0.08, 0.05, 0.09, 0.09], 0.10, (1.0, 0.25, True)),
}


def not_asked(found):
    """Settings of a trial whose scores are given."""
    raise AssertionError(found)


@pytest.mark.parametrize("name", DECISIONS)
def test_what_follows_from_the_scores(name, emoji, monkeypatch):
    scores, popularity, (penalty, hardness, popular) = DECISIONS[name]
    monkeypatch.setattr(trial.Trial, "measure", lambda self, *_: next(self_scores))
    monkeypatch.setattr(trial.Trial, "measure_popularity", lambda self: popularity)
    self_scores = iter(scores)
    chosen = trial.choose(not_asked, emoji, 50, 0, 1, hardness=1.0, popularity=True)
    assert chosen[:3] == (penalty, hardness, popular)
    assert next(self_scores, None) is None
    # where candidates are given their number stays, and so does what a model without a bias can do
    self_scores = iter([scores[0], scores[1], scores[-1]])
    chosen = trial.choose(not_asked, emoji, 50, 0, 1, hardness=None, popularity=False)
    assert chosen.hardness == 1
    assert not chosen.popularity


def test_images_of_many_labels_get_easier_negatives():
    generator = np.random.default_rng(1)
    matrix = csr_matrix((generator.random((300, 400)) < 0.3).astype(np.float32))
    model = fit(VSEens(regularization=0.04, iterations=2), matrix)
    assert 0.2 < model.trial_["hardness"] < 0.6
    usual, chosen = (settings_of(model, 400, found) for found in (TrialResult(), None))
    assert chosen.candidates < usual.candidates
    assert chosen.rank_scale > usual.rank_scale
    # what the user says stays
    model.set_params(regularization=0.5, candidates=7)
    assert settings_of(model, 400).regularization_user == 0.5
    assert settings_of(model, 400).candidates == 7


def test_hardness_follows_the_length_of_the_row_of_a_mean_pair():
    # ten rows of 2 and one of 80: a mean pair has 64.4 labels beside it
    rows = np.zeros((11, 100), dtype=np.float32)
    rows[:10, :2], rows[10, :80] = 1, 1
    parameters = VSEens().get_params(deep=False)
    for some, labels in ((rows, 64.4), (rows[:10], 2)):
        facts = Facts(100, Interactions.of(csr_matrix(some)).labels_of_mean_pair())
        assert facts.labels_of_mean_pair == pytest.approx(labels)
        settings = resolve(parameters, facts)
        behind = settings.rank_scale * 100 / settings.candidates
        assert hardness_by_counts(parameters, facts) == pytest.approx(min(1, behind / labels))
    for closed in ({"candidates": 2}, {"sampler": Adaptive(rank_scale=0.5)}):
        assert hardness_by_counts(parameters | closed, facts) is None


@pytest.mark.parametrize(
    ("parameters", "n_images"),
    [({"regularization": 0.04}, 1500), ({"iterations": 19}, 1500), ({}, 90),
     ({"regularization": Penalty(0.1, 0.1, 0.1)}, 1500)],
    ids=["penalty", "few epochs", "few images", "all penalties"],
)  # fmt: skip
def test_without_a_trial_nothing_is_tried(noise, parameters, n_images):
    model = fit(VSEens(factors=8, **parameters), noise[0][:n_images])
    assert model.trial_["scores"] == {}
    assert model.trial_["penalty"] == 1
    assert not model.trial_["popularity"]


def test_a_trial_repeats_itself(emoji):
    one, two = (fit(VSEens(factors=8), emoji) for _ in range(2))
    assert one.trial_ == two.trial_
    assert set(one.trial_["scores"]) == {
        "usual", "small penalty", "easier negatives", "popularity"
    }  # fmt: skip
    np.testing.assert_array_equal(one.item_factors, two.item_factors)


def test_what_a_trial_chose_stays_with_the_model(noise, tmp_path):
    train, _ = noise
    model = fit(VSEens(factors=8), train)
    model.save(tmp_path / "model")
    loaded = VSEens.load(tmp_path / "model")
    assert loaded.trial_ == model.trial_
    np.testing.assert_array_equal(loaded.transform(train[:9]), model.transform(train[:9]))


def test_a_warm_start_goes_on_with_what_was_chosen(emoji):
    model = fit(VSEens(factors=8, warm_start=True), emoji)
    chosen = dict(model.trial_)
    model.set_params(iterations=30).fit(emoji, show_progress=False)
    assert model.trial_ == chosen
    assert model.n_iter_ == 80


def test_a_resumed_training_does_not_try_again(emoji, tmp_path):
    class Stop(Exception):  # noqa: N818
        pass

    def stop(epoch, *_):
        if epoch == 4:
            raise Stop

    whole = fit(VSEens(factors=8), emoji)
    checkpoint = Checkpoint(tmp_path / "training")
    model = VSEens(factors=8, random_state=0, num_threads=1)
    with pytest.warns(UserWarning, match="stopped early"), pytest.raises(Stop):
        model.fit(emoji, show_progress=False, callback=stop, checkpoint=checkpoint)
    resumed = VSEens(factors=8, random_state=0, num_threads=1)
    resumed.fit(emoji, show_progress=False, checkpoint=checkpoint)
    assert resumed.trial_ == whole.trial_
    np.testing.assert_array_equal(resumed.item_factors, whole.item_factors)


@pytest.mark.parametrize(
    "stored",
    [{"penalty": -1.0}, {"hardness": float("nan")}, {"popularity": 1}, {"scores": {"usual": "x"}},
     {"other": 1}, {"penalty": "1"}],
    ids=str,
)  # fmt: skip
def test_what_a_file_cannot_hold(stored):
    with pytest.raises((TypeError, ValueError)):
        result_from(stored)


def test_rows_are_split_alone():
    matrix = independent(50, 40, 8)
    rows = np.flatnonzero(np.diff(matrix.indptr) >= 2)[:10]
    train, hidden = split_rows(matrix, rows, 0.2, 3)
    assert (train + hidden != matrix).nnz == 0
    lengths, taken = np.diff(matrix.indptr), np.diff(hidden.indptr)
    assert set(np.flatnonzero(taken)) == set(rows)
    expected = np.clip(np.rint(0.2 * lengths[rows]), 1, lengths[rows] - 1)
    np.testing.assert_array_equal(taken[rows], expected)


def test_a_third_of_the_images_are_tried():
    matrix = independent(900, 60, 8)
    images = images_to_try(matrix, 0)
    assert len(images) == int((np.diff(matrix.indptr) >= 2).sum() / 3)
    assert len(np.unique(images)) == len(images)
    assert not len(images_to_try(matrix[:50], 0))


def test_a_collapse_is_said(emoji):
    with pytest.warns(UserWarning, match="factors make up.*Lower regularization"):
        VSEens(factors=8, iterations=12, regularization=1.0, num_threads=1).fit(
            emoji, show_progress=False
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = VSEens(factors=8, iterations=12, regularization=0.02, num_threads=1)
        model.fit(emoji, show_progress=False)
    shares = model.history_["factor_share"]
    assert len(shares) == 12
    k = model.factors
    by_factors = (model.user_factors[:, :k] @ model.item_factors[:, :k].T).var(axis=1).mean()
    # the images were folded in since
    assert shares[-1] == pytest.approx(
        by_factors / (by_factors + model.item_factors[:, k].var()), abs=0.15
    )


MATRICES = {
    "sparse": independent(400, 300, 3),
    "dense": independent(300, 120, 40),
    "nearly full": independent(120, 30, 24, exponent=0.1),
    "blocks": blocks(300, 60, 5, 0.7),
    "all but one label": csr_matrix(1.0 - np.eye(40, 12, dtype=np.float32)),
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("preset", [VSEens, VSEens.paper, *PRESETS], ids=lambda p: p.__qualname__)
def test_nothing_explodes_within_ten_times_the_defaults(preset, name):
    matrix = MATRICES[name]
    iterations = 6 if preset is NaiveRank else 15
    usual = settings_of(preset(), matrix.shape[1])
    for faster, weaker in ((10, 1), (1, 10), (10, 10)):
        model = preset(
            iterations=iterations,
            learning_rate=faster * usual.learning_rate,
            regularization=usual.regularization_user / weaker,
        )
        fit(model, matrix)
        assert np.abs(model.item_factors).max() < 1e3


@settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    n_images=st.integers(250, 900),
    n_labels=st.sampled_from([12, 60, 300, 900]),
    length=st.sampled_from([1.5, 4.0, 20.0]),
    exponent=st.sampled_from([0.0, 0.7, 1.3]),
    structure=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 5),
)
def test_the_default_is_not_below_popularity(n_images, n_labels, length, exponent, structure, seed):
    length = min(length, n_labels / 3)
    matrix = independent(n_images, n_labels, length, exponent, seed)
    if structure:
        same = blocks(n_images, n_labels, 4, min(1.0, 4 * length / n_labels), seed)
        keep = np.random.default_rng(seed).random(n_images) < structure
        matrix = csr_matrix(np.where(keep[:, None], same.toarray(), matrix.toarray()))
    train, held_out = leave_one_out_split(matrix, random_state=seed)
    if not held_out.nnz:
        return
    model = fit(VSEens(), train)
    values = [
        ranking_metrics(one, train, held_out, "ndcg@10", average=False)["ndcg@10"]
        for one in (model, Popularity().fit(train))
    ]
    gaps = (values[0] - values[1])[~np.isnan(values[0])]
    # what a trial of some images can see, and what chance does to these
    noise = 3 * gaps.std() / len(gaps) ** 0.5 + 0.05 * np.nanmean(values[1])
    assert gaps.mean() > -noise


@pytest.mark.parametrize("preset", [VSEens, *PRESETS])
@pytest.mark.parametrize(
    "matrix",
    [np.ones((1, 1)), np.ones((3, 1)), np.ones((4, 5)), np.eye(6), np.eye(1, 7)],
    ids=["one pair", "one label", "all labels", "a label each", "one of seven"],
)
def test_tiny_matrices_end_finite(preset, matrix):
    model = fit(preset(iterations=25), csr_matrix(matrix, dtype=np.float32))
    assert np.isfinite(model.user_factors).all()
    assert np.isfinite(model.item_factors).all()


def test_some_of_the_images_that_hide_labels(emoji):
    whole = Holdout.of(emoji, seed=3)
    some = whole.some(100)
    assert len(some.rows) == 100
    assert set(some.rows.tolist()) < set(whole.rows.tolist())
    # from the first to the last, and with what belongs to them
    assert some.rows[0] == whole.rows[0]
    assert some.rows[-1] > whole.rows[-len(whole.rows) // 50]
    assert abs(some.known + some.hidden - emoji[some.rows]).nnz == 0
    assert some.train is whole.train
    assert whole.some(10**6) is whole
