"""Presets and combinations: what runs, what is refused, and that each method learns."""

import numpy as np
import pytest
from implicit.evaluation import ranking_metrics_at_k
from implicit.recommender_base import ModelFitError
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from vseens_rec import (
    BPR,
    DNS,
    WARP,
    AoBPR,
    NaiveRank,
    OptAUC,
    Popularity,
    ReleasedVSEens,
    SampledSoftmax,
    VSEens,
)
from vseens_rec.choices import Adaptive, Exact, Group, Penalty, Random, Softmax, Violator
from vseens_rec.datasets import make_annotations
from vseens_rec.vseens import settings_of

TEXTBOOK = [WARP, OptAUC, BPR, AoBPR, DNS, NaiveRank]
PRESETS = [*TEXTBOOK, SampledSoftmax, ReleasedVSEens]
# by rank where the sampler does
SAMPLERS = {AoBPR: Adaptive(rank_scale=0.1), NaiveRank: Exact(rank_scale=0.1)}


@parametrize_with_checks([preset(factors=5, iterations=10) for preset in PRESETS] + [Popularity()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("preset", TEXTBOOK)
def test_a_preset_is_vseens_with_fixed_parameters(preset, annotations):
    model = preset(factors=6, iterations=3, random_state=0, num_threads=1)
    same = VSEens(
        sampler=SAMPLERS.get(preset, model.sampler), selection=model.selection, loss=model.loss,
        candidates=model.candidates, learning_rate_schedule="constant",
        regularization=0.1 if preset is WARP else 0.03,
        user_learning_rate_multiplier=1, learning_rate=0.1, init="random",
        factors=6, iterations=3, random_state=0, num_threads=1,
    )  # fmt: skip
    model.fit(annotations, show_progress=False)
    same.fit(annotations, show_progress=False)
    np.testing.assert_array_equal(model.item_factors, same.item_factors)
    assert clone(model).get_params() == model.get_params()
    with pytest.raises((TypeError, ValueError), match="sampler"):
        preset(sampler="popularity").fit(annotations)
    assert preset.paper(iterations=5).learning_rate == 0.01


def test_sampled_softmax_is_vseens_with_fixed_parameters(annotations):
    given = {"factors": 6, "iterations": 3, "random_state": 0, "num_threads": 1}
    model = SampledSoftmax(**given)
    n_labels = annotations.shape[1]
    same = VSEens(
        loss="softmax",
        selection="first",
        candidates=max(2, int(n_labels**0.44 / 2)),
        learning_rate=0.05,
        regularization=0.03,
        init="spectral",
        **given,
    )
    model.fit(annotations, show_progress=False)
    same.fit(annotations, show_progress=False)
    np.testing.assert_array_equal(model.item_factors, same.item_factors)
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(TypeError, match="selection"):
        SampledSoftmax(selection="hardest")
    assert SampledSoftmax(sampler="uniform").sampler == "uniform"


@pytest.mark.parametrize(("n_labels", "candidates"), [(2, 2), (80, 3), (1000, 10), (100_000, 79)])
def test_softmax_has_more_candidates_where_there_are_more_labels(n_labels, candidates):
    assert settings_of(SampledSoftmax(), n_labels).candidates == candidates


def test_sampled_softmax_ranks_tags_higher_than_the_factors_of_the_default(split):
    """By 2 to 3.5 % with each of eight seeds."""
    found = [
        np.mean([ndcg(clone(model).set_params(random_state=seed, num_threads=1).fit(
            split[0], show_progress=False), *split) for seed in range(2)])
        for model in (SampledSoftmax(), VSEens(item_item=None))
    ]  # fmt: skip
    assert found[0] > found[1]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_learn_small_dense_data_at_their_defaults(preset):
    X = make_annotations(400, 60, 4_000, random_state=0)
    model = preset(factors=12, iterations=6, random_state=0).fit(X, show_progress=False)
    assert np.abs(model.item_factors).max() < 100


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_saved_and_loaded(preset, annotations, tmp_path):
    model = preset(factors=4, iterations=2, random_state=0).fit(annotations, show_progress=False)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(
        preset.load(tmp_path / "model").recommend(3)[0], model.recommend(3)[0]
    )
    with pytest.raises(ValueError, match=f"{preset.__name__}.load"):
        VSEens.load(tmp_path / "model")


def ndcg(model, train, test):
    return ranking_metrics_at_k(model, train, test, show_progress=False)["ndcg"]


@pytest.fixture(scope="module")
def popularity(split):
    return ndcg(Popularity().fit(split[0]), *split)


LEARNERS = {
    "VSEens": VSEens(factors=64),
    "paper": VSEens.paper(
        rank_scale=0.1, learning_rate=0.1, iterations=200, init=Random(scale=0.1)
    ),
    "WARP": WARP(factors=64, learning_rate=0.03, init=Random(scale=0.1)),
    "OptAUC": OptAUC(factors=64),
    "AoBPR": AoBPR(factors=64),
    "DNS": DNS(factors=64),
    "NaiveRank": NaiveRank(factors=64, iterations=30),
    "softmax": VSEens(
        factors=64, sampler="uniform", loss="softmax", candidates=32, iterations=60
    ),
    "corrected softmax": VSEens(
        factors=64, loss=Softmax(proposal_correction=True), candidates=16,
        sampler=Adaptive(rank_scale=0.5), iterations=12,
    ),
    "adaptive objective": VSEens(
        factors=64, loss="softmax", selection=Group(size="auto"), candidates=16
    ),
    "cosine": VSEens(
        factors=64, loss=Softmax(margin=0.2, temperature=0.05), selection=Group(size="auto"),
        candidates=16, cosine=True, use_bias=False, learning_rate=0.01,
        regularization=0, fold_in_users=False,
    ),
    "self-embedded skip-gram": VSEens(
        factors=64, loss="sgns", candidates=5, positive_sampling="weighted"
    ),
    "popular negatives": VSEens(factors=64, sampler="popularity"),
    "VSE++": VSEens(
        factors=64, sampler="uniform", selection="hardest", candidates=8, loss="hinge"
    ),
    "images": VSEens(factors=64, positive_sampling="images"),
    "violating": VSEens(factors=64, loss="hinge", regularization=Penalty(violating_only=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", LEARNERS)
def test_each_method_beats_popularity_by_far(name, split, popularity):
    model = clone(LEARNERS[name]).set_params(item_item=None, random_state=0, num_threads=1)
    model.fit(split[0], show_progress=False)
    assert ndcg(model, *split) > 3 * popularity


@pytest.mark.parametrize("name", LEARNERS)
def test_each_method_recovers_planted_topics(name, planted):
    """Of the planted law, the 15 labels ranked first hold clearly more than the most popular do."""
    model = clone(LEARNERS[name]).set_params(
        factors=8, item_item=None, random_state=0, num_threads=1
    )
    model.fit(planted.matrix, show_progress=False)
    learned = planted.held_by_the_first_15(model.user_factors @ model.item_factors.T)
    popular = planted.held_by_the_first_15(
        np.broadcast_to(planted.matrix.sum(axis=0), planted.law.shape)
    )
    assert learned > popular + 0.04 * planted.held_by_the_first_15(planted.law)


def test_adaptive_beats_uniform_at_an_equal_number_of_updates(split):
    for iterations in (50, 100):
        found = [
            ndcg(
                VSEens(
                    factors=64, sampler=sampler, candidates=1, item_item=None,
                    iterations=iterations, random_state=0, num_threads=1,
                ).fit(split[0], show_progress=False),
                *split,
            )
            for sampler in (Adaptive(rank_scale=0.1), "uniform")
        ]  # fmt: skip
        assert found[0] > 1.05 * found[1]


REFUSED = [
    ({"loss": "warp", "selection": "first"}, "use selection='violator'"),
    ({"selection": "violator", "loss": "softmax"}, "selection='hardest'"),
    ({"selection": "violator", "loss": "sgns"}, "loss='hinge'"),
    ({"selection": "violator", "loss": "hinge", "candidates": 4}, "max_trials"),
    ({"selection": Violator(margin=0.5), "loss": "hinge"}, "set the margin of the loss alone"),
    ({"selection": "hardest", "candidates": 1}, "use 2 or more"),
    ({"selection": "group", "candidates": 1}, "use 2 or more"),
    ({"selection": Group(size=5), "candidates": 4}, "more than candidates=4"),
    ({"loss": Softmax(proposal_correction=True), "selection": "hardest", "candidates": 4},
     "selection='first'"),
    ({"cosine": True}, "use_bias=False"),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "message"), REFUSED)
def test_combinations_without_sense_are_refused(annotations, parameters, message):
    with pytest.raises(ValueError, match=message):
        VSEens(factors=3, iterations=1, **parameters).fit(annotations)


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("positive_sampling", ["pairs", "images", "weighted"])
@pytest.mark.parametrize("selection", ["first", "hardest", "group", "violator"])
@pytest.mark.parametrize("loss", ["hinge", "logistic", "warp", "softmax", "sgns"])
def test_every_other_combination_runs(annotations, loss, selection, positive_sampling, use_bias):
    if (loss == "warp") != (selection == "violator") and (loss == "warp" or loss[0] == "s"):
        return
    for sampler in ("adaptive", "uniform", "popularity", "exact"):
        model = VSEens(
            factors=4, iterations=2, sampler=sampler, loss=loss,
            selection=Group(size=2) if selection == "group" else selection,
            candidates=1 if selection == "violator" else 4, positive_sampling=positive_sampling,
            use_bias=use_bias, random_state=0, learning_rate=0.01,
            regularization=Penalty(user=0.1, positive=0.0, negative=0.2),
        ).fit(annotations, show_progress=False)  # fmt: skip
        assert np.isfinite(model.item_factors).all()
        assert np.isfinite(model.history_["loss"]).all()
        assert min(model.history_["trials"]) >= 1
        assert len(model.recommend(0)[0]) == 10


def test_more_trials_than_labels_are_no_more_than_all_of_them(annotations):
    models = [
        WARP(
            factors=4, iterations=2, selection=Violator(max_trials=max_trials), learning_rate=0.02,
            num_threads=1, random_state=0,
        ).fit(annotations, show_progress=False)
        for max_trials in (None, 10**6)
    ]  # fmt: skip
    np.testing.assert_array_equal(models[0].item_factors, models[1].item_factors)
    assert models[0].history_["trials"] == models[1].history_["trials"]


def test_a_temperature_whose_square_is_zero(annotations):
    model = VSEens(factors=4, iterations=0, loss=Softmax(temperature=1e-170), random_state=0)
    with pytest.raises(ModelFitError, match="no longer finite"):
        model.fit(annotations, show_progress=False)


def test_separate_penalties(annotations):
    def sizes(**parameters):
        penalty = Penalty(**{"user": 0.04, "positive": 0.04, "negative": 0.04} | parameters)
        model = VSEens(
            factors=8, iterations=30, regularization=penalty, use_bias=False, item_item=None,
            random_state=0,
        )  # fmt: skip
        model.fit(annotations, show_progress=False)
        return np.linalg.norm(model.user_factors), np.linalg.norm(model.item_factors)

    users, items = sizes()
    less_users, _ = sizes(user=0.3)
    _, less_items = sizes(positive=0.3, negative=0.3)
    assert less_users < 0.8 * users
    assert less_items < 0.8 * items
    _, negatives_only = sizes(negative=0.3)
    assert less_items < negatives_only < items


def test_images_are_drawn_alike_and_values_by_weight(annotations):
    """Weights that leave only some pairs leave the others' labels without positives."""
    X = annotations.copy()
    X.data[:] = 1e-9
    X.data[X.indices < 40] = 1.0
    model = VSEens(factors=8, iterations=20, positive_sampling="weighted", random_state=0)
    model.fit(X, show_progress=False)
    scores = model.user_factors @ model.item_factors.T
    assert scores[:, :40].mean() > scores[:, 40:].mean() + 0.5


def test_group_size_is_set_anew_each_epoch(split):
    model = VSEens(
        factors=16, iterations=15, loss="softmax", selection=Group(size="auto"), candidates=16,
        random_state=0,
    ).fit(split[0], show_progress=False)  # fmt: skip
    sizes = model.history_["group_size"]
    assert sizes[0] == 9
    assert len(set(sizes)) > 1
    assert all(1 <= size <= 15 for size in sizes)


@pytest.mark.parametrize(
    "method",
    [{}, {"sampler": "uniform", "selection": "violator", "loss": "warp"}, {"sampler": "uniform"}],
    ids=["VSE-ens", "WARP", "Opt-AUC"],
)
def test_released_code_can_be_followed(annotations, method):
    epochs = []
    model = ReleasedVSEens(factors=8, iterations=2, random_state=0, learning_rate=0.05, **method)
    model.fit(annotations, show_progress=False, callback=lambda *event: epochs.append(event))
    assert [event[0] for event in epochs] == [0, 1]
    # 100 triplets for each of the 400 images, of which most are in order by now
    assert annotations.nnz < epochs[1][2] <= 100 * 400
    assert model.history_["loss"][1] < model.history_["loss"][0]


def test_popularity_ranks_by_counts(annotations):
    model = Popularity().fit(annotations)
    counts = np.asarray(annotations.sum(axis=0)).ravel()
    _, scores = model.recommend(0, N=5)
    left = np.where(annotations[0].toarray().ravel() > 0, -1, counts)
    np.testing.assert_array_equal(scores, np.sort(left)[::-1][:5])
