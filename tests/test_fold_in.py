"""Factors of images and labels that the training has not seen, and models that grow."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from vseens_rec import BPR, DNS, WARP, Popularity, VSEens
from vseens_rec.choices import ByPopularity, Group, Penalty, Random, Softmax, Violator
from vseens_rec.engine import label_fold_in
from vseens_rec.engine.fold_in import FoldIn
from vseens_rec.engine.group_size import last_group_size
from vseens_rec.engine.interactions import Interactions
from vseens_rec.engine.label_fold_in import LabelFoldIn
from vseens_rec.engine.padding import padded
from vseens_rec.engine.samplers import sampler_of
from vseens_rec.engine.stored_pairs import StoredPairs
from vseens_rec.metrics import ranking_metrics
from vseens_rec.vseens import settings_of

MODELS = {
    "adaptive": VSEens(factors=12, iterations=20),
    "hinge": VSEens(factors=12, iterations=20, loss="hinge", use_bias=False),
    "hardest": DNS(factors=12, iterations=20),
    "group of 2": VSEens(
        factors=12, iterations=10, selection=Group(size=2), candidates=4,
        regularization=Penalty(violating_only=True),
    ),
    "softmax": VSEens(factors=12, iterations=20, loss="softmax", candidates=5, sampler="uniform"),
    "popularity": VSEens(factors=12, iterations=20, sampler="popularity"),
    "exact": VSEens(factors=12, iterations=5, sampler="exact"),
    "warp": WARP(factors=12, iterations=20, learning_rate=0.02, selection=Violator(max_trials=20)),
    "weighted": VSEens(factors=12, iterations=20, positive_sampling="weighted"),
    "auto group": VSEens(
        factors=12, iterations=10, loss=Softmax(temperature=0.2), selection=Group(size="auto"),
        candidates=6, cosine=True, use_bias=False, learning_rate=0.01,
    ),
}  # fmt: skip


def fit(model, matrix, **parameters):
    # what is folded in are factors
    model = clone(model).set_params(**{"random_state": 0, "item_item": None} | parameters)
    return model.fit(matrix, show_progress=False)


@pytest.fixture(scope="module")
def fitted(annotations):
    return fit(VSEens(factors=12, iterations=30), annotations)


@pytest.mark.parametrize("name", MODELS)
def test_a_row_depends_on_its_labels_alone(name, annotations):
    model = fit(MODELS[name], annotations)
    whole = model.transform(annotations)
    np.testing.assert_array_equal(whole, model.user_factors)
    order = np.random.default_rng(0).permutation(400)
    np.testing.assert_array_equal(model.transform(annotations[order]), whole[order])
    for n_threads in (1, 3):
        model.set_params(num_threads=n_threads)
        np.testing.assert_array_equal(model.transform(annotations), whole)
    for row in (0, 17, 399):
        np.testing.assert_array_equal(model.transform(annotations[[row]])[0], whole[row])
    np.testing.assert_array_equal(model.recalculate_user(3, annotations[[5]]), whole[5])
    np.testing.assert_array_equal(model.recalculate_user([7, 7], annotations[[5, 6]]), whole[5:7])


def test_the_order_and_the_copies_of_labels_do_not_matter(fitted, annotations):
    row = annotations[[3]]
    backwards = csr_matrix((row.data[::-1], row.indices[::-1], row.indptr), row.shape)
    expected = fitted.transform(row)
    np.testing.assert_array_equal(fitted.transform(backwards), expected)
    np.testing.assert_array_equal(fitted.transform(5 * row), expected)
    np.testing.assert_array_equal(fitted.transform(row.toarray()), expected)


def test_values_matter_where_positives_are_drawn_by_them(annotations):
    model = fit(MODELS["weighted"], annotations)
    row = annotations[[3]]
    heavy = row.copy()
    heavy.data = np.where(np.arange(row.nnz) == 0, 50.0, 1.0).astype(np.float32)
    scores = model.transform(vstack([row, heavy])) @ model.item_factors[row.indices[0]]
    assert scores[1] > scores[0]


def test_images_without_labels_rank_by_the_biases(fitted, annotations):
    empty, full = csr_matrix((1, 120)), csr_matrix(np.ones((1, 120)))
    for row in (empty, full):
        np.testing.assert_array_equal(fitted.transform(row)[0], [0.0] * 12 + [1.0])
    ids, scores = fitted.recommend(0, empty, recalculate_user=True, N=120)
    np.testing.assert_allclose(scores, fitted.item_factors[ids, 12])


def test_folded_images_rank_about_as_well_as_learned_ones(split):
    """At the end of a long training; after a short one from a random start they rank better."""
    long = fit(VSEens(), split[0], fold_in_users=False)
    short = fit(VSEens(init="random"), split[0], fold_in_users=False, iterations=5)
    learned, folded = [], []
    for model in (long, short):
        learned.append(ranking_metrics(model, *split, "ndcg@10")["ndcg@10"])
        model.user_factors = model.transform(split[0])
        folded.append(ranking_metrics(model, *split, "ndcg@10")["ndcg@10"])
    assert folded[0] > 0.97 * learned[0]
    assert folded[1] > 1.1 * learned[1]


def test_unseen_images_rank_nearly_as_well_as_seen_ones(split):
    train, held_out = split
    rows = np.random.default_rng(0).permutation(train.shape[0])
    unseen = np.sort(rows[:300])
    seen = fit(VSEens(), train)
    model = fit(VSEens(), train[np.sort(rows[300:])])
    found = ranking_metrics(
        lambda part: model.transform(train[unseen][part]) @ model.item_factors.T,
        train[unseen], held_out[unseen], "recall@10",
    )["recall@10"]  # fmt: skip
    assert found > 0.7 * seen_recall(seen, train, held_out, unseen)
    popular = Popularity().fit(train)
    assert found > 2.5 * seen_recall(popular, train, held_out, unseen)


def seen_recall(model, train, held_out, rows):
    users = model.user_factors[rows]
    return ranking_metrics(
        lambda part: users[part] @ model.item_factors.T, train[rows], held_out[rows], "recall@10"
    )["recall@10"]


def test_tables_follow_factors_that_were_changed(fitted, annotations):
    model = clone(fitted).set_params(random_state=0).fit(annotations, show_progress=False)
    before = model.transform(annotations[:5])
    model.item_factors[:, 0] *= -1
    changed = model.transform(annotations[:5])
    assert not np.array_equal(changed, before)
    model.item_factors[:, 0] *= -1
    np.testing.assert_array_equal(model.transform(annotations[:5]), before)


def test_labels_that_do_not_differ_do_not_blow_up_the_step(annotations):
    model = fit(VSEens(factors=8, iterations=0, init=Random(scale=1e-4)), annotations)
    assert np.isfinite(model.user_factors).all()
    model = fit(VSEens(factors=8, iterations=0, init=Random(scale=0.0)), annotations)
    np.testing.assert_array_equal(model.user_factors[:, :8], 0)


def test_a_setting_of_a_choice_that_was_changed_is_followed(annotations):
    model = fit(VSEens(factors=8, iterations=3, sampler=ByPopularity(exponent=0.5)), annotations)
    before = model.transform(annotations)
    model.set_params(sampler__exponent=3.0)
    assert not np.array_equal(model.transform(annotations), before)
    model.set_params(sampler__exponent=0.5)
    np.testing.assert_array_equal(model.transform(annotations), before)


def test_errors_of_transform(fitted, annotations):
    with pytest.raises(NotFittedError):
        VSEens().transform(annotations)
    with pytest.raises(ValueError, match="119 features"):
        fitted.transform(annotations[:, :119])
    with pytest.raises(ValueError, match="Negative values in data passed to VSEens"):
        fitted.transform(-annotations)
    with pytest.raises(ValueError, match="1 rows for 2 ids"):
        fitted.recalculate_user([1, 2], annotations[[0]])


@pytest.mark.parametrize(
    "model",
    [VSEens(), VSEens(sampler="uniform"), DNS(), VSEens(loss="hinge", learning_rate=0.02)],
    ids=["adaptive", "uniform", "hardest", "hinge"],
)
def test_labels_fold_in_to_about_what_was_learned(model, split):
    train, held_out = split
    model = fit(model, train)
    before = ranking_metrics(model, train, held_out, "ndcg@10")["ndcg@10"]
    ids = np.random.default_rng(1).permutation(train.shape[1])[:150]
    without = model.item_factors.copy()
    without[ids] = 0
    learned, folded = model.item_factors, model.item_factors.copy()
    folded[ids] = model.recalculate_item(ids, train.T.tocsr()[ids])
    model.item_factors = without
    none = ranking_metrics(model, train, held_out, "ndcg@10")["ndcg@10"]
    model.item_factors = folded
    after = ranking_metrics(model, train, held_out, "ndcg@10")["ndcg@10"]
    assert after > none + 0.7 * (before - none)
    norms = np.linalg.norm(folded[ids], axis=1).mean() / np.linalg.norm(learned[ids], axis=1).mean()
    assert 0.6 < norms < 1.6


@pytest.mark.parametrize("name", MODELS)
def test_a_label_depends_on_its_images_alone(name, annotations):
    model = fit(MODELS[name], annotations)
    columns = annotations.T.tocsr()
    together = model.recalculate_item([3, 50, 119], columns[[3, 50, 119]])
    assert together.shape == (3, model.item_factors.shape[1])
    assert np.isfinite(together).all()
    for place, itemid in enumerate((3, 50, 119)):
        alone = model.recalculate_item(itemid, columns[[itemid]])
        np.testing.assert_array_equal(alone, together[place])
    model.set_params(num_threads=3)
    np.testing.assert_array_equal(
        model.recalculate_item([119, 3], columns[[119, 3]]), together[[2, 0]]
    )
    assert not model.recalculate_item(0, csr_matrix((1, 400))).any()


def sizes_of_labels(model, columns, ids):
    return np.linalg.norm(model.recalculate_item(ids, columns[ids]), axis=1).mean()


@pytest.mark.parametrize("name", ["adaptive", "warp"])
def test_folded_labels_are_as_large_as_learned_ones(name, annotations):
    model, ids = fit(MODELS[name], annotations), np.arange(40)
    learned = np.linalg.norm(model.item_factors[ids], axis=1).mean()
    assert 0.7 < sizes_of_labels(model, annotations.T.tocsr(), ids) / learned < 1.4


def test_images_without_labels_do_not_change_the_steps_of_a_label(annotations):
    model, ids = fit(MODELS["adaptive"], annotations), np.arange(20)
    before = sizes_of_labels(model, annotations.T.tocsr(), ids)
    model.partial_fit_users([20_000], annotations[[0]])
    columns = vstack([annotations, csr_matrix((19_600, 120)), annotations[[0]]]).T.tocsr()
    assert 0.85 < sizes_of_labels(model, columns, ids) / before < 1.15


def test_labels_with_many_images_are_computed_piece_by_piece(annotations, monkeypatch):
    model, ids = fit(MODELS["adaptive"], annotations), np.arange(20)
    columns = annotations.T.tocsr()
    whole = model.recalculate_item(ids, columns[ids])
    monkeypatch.setattr(label_fold_in, "SCORES_AT_ONCE", 1)
    pieces = model.recalculate_item(ids, columns[ids])
    lengths = np.linalg.norm(whole, axis=1) * np.linalg.norm(pieces, axis=1)
    assert (np.einsum("ij,ij->i", whole, pieces) > 0.9 * lengths).all()


def label_fold_in_of(model, matrix, trials=1.0):
    settings = settings_of(model, 120)
    sampler = sampler_of(settings, 120, lambda: Interactions.of(matrix).label_counts)
    group_size = last_group_size(settings, model.history_)
    tables = FoldIn(settings, padded(model.item_factors), sampler, group_size, num_threads=1)
    return LabelFoldIn(tables, model.user_factors, StoredPairs.of(matrix), trials, num_threads=1)


def comparisons_of(model, matrix):
    return label_fold_in_of(model, matrix).comparisons(np.random.default_rng(0))


def test_a_label_is_compared_with_what_the_selection_takes(annotations):
    images = np.arange(50, dtype=np.int32)
    highest = []
    for candidates in (2, 20):
        model = fit(DNS(factors=12, iterations=20), annotations, candidates=candidates)
        comparisons = comparisons_of(model, annotations)
        terms = comparisons.as_positive(images, comparisons.rows(images), 3, 10)
        assert np.isnan(terms.gates).all()
        highest.append(terms.others.mean())
    assert highest[1] > highest[0] + 0.2


@pytest.mark.parametrize("group_size", [2, 6])
def test_every_candidate_is_a_negative_if_all_are_kept(group_size, annotations):
    model = fit(
        VSEens(factors=12, iterations=5, sampler="uniform", candidates=6),
        annotations,
        selection=Group(size=group_size),
    )
    comparisons = comparisons_of(model, annotations)
    others = comparisons.draw_others(annotations.T.tocsr()[3].indices, 3, 100, 2)
    terms = comparisons.as_negative(others, comparisons.rows(others.images))
    assert len(terms.gates) > 100
    assert (terms.gates == -np.inf).all() == (group_size == 6)


def test_how_often_a_label_is_drawn(annotations):
    """For each positive a candidate, or as many as it took to a violator."""
    violator = VSEens(factors=12, iterations=2, sampler="uniform", selection="violator")
    for model, expected in ((MODELS["softmax"], 5), (violator, 9)):
        model = fit(model, annotations)
        n, weight = label_fold_in_of(model, annotations, trials=9.0).negatives_of(3, mean_rank=1.0)
        assert n * weight == pytest.approx(expected * annotations.nnz / 120)


def test_groups_of_as_many_candidates_as_there_are_now(annotations):
    """The last epoch's group can be larger than what later calls draw."""
    model = fit(MODELS["auto group"], annotations, candidates=100)
    assert model.history_["group_size"][-1] > 1
    model.set_params(candidates=2)
    small = fit(model, annotations, selection=Group(size=1), iterations=0)
    small.user_factors, small.item_factors = model.user_factors, model.item_factors
    np.testing.assert_array_equal(model.transform(annotations), small.transform(annotations))
    model.set_params(warm_start=True, iterations=1).fit(annotations, show_progress=False)
    assert model.history_["group_size"][-1] == 1


def test_fold_in_after_early_stopping_knows_all_labels(annotations):
    model = VSEens(factors=8, iterations=3, sampler="popularity", early_stopping=True)
    model = fit(model, annotations, num_threads=1)
    np.testing.assert_array_equal(model.user_factors, model.transform(annotations))


def test_the_history_of_a_group_is_used_after_loading(annotations, tmp_path):
    model = fit(MODELS["auto group"], annotations)
    model.save(tmp_path / "model")
    loaded = VSEens.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.transform(annotations), model.user_factors)


def test_bpr_folds_in_as_it_trains(annotations):
    """The presets have all of it."""
    model = fit(BPR(factors=6, iterations=10), annotations)
    np.testing.assert_array_equal(model.fit_transform(annotations), model.user_factors)


def test_similar_labels_of_one_that_is_computed_anew(fitted, annotations):
    columns = annotations.T.tocsr()
    ids, scores = fitted.similar_items([3, 50], N=6, recalculate_item=True,
                                       item_users=columns[[3, 50]])  # fmt: skip
    factors = fitted.recalculate_item([3, 50], columns[[3, 50]])
    for row, (label, factor) in enumerate(zip((3, 50), factors, strict=True)):
        cosines = fitted.item_factors @ factor / np.linalg.norm(factor) / fitted.item_norms
        order = [label, *(other for other in np.argsort(-cosines) if other != label)]
        np.testing.assert_array_equal(ids[row], order[:6])
        np.testing.assert_allclose(scores[row], [1, *cosines[order[1:6]]], rtol=1e-4)
    # one that the model does not have, and one that is filtered
    ids, _ = fitted.similar_items(500, N=3, recalculate_item=True, item_users=columns[[7]])
    assert 500 not in ids
    query = {"recalculate_item": True, "item_users": columns[[7]]}
    assert 7 not in fitted.similar_items(7, filter_items=[7], **query)[0]
    assert 7 not in fitted.similar_items(7, items=[5, 6], **query)[0]
    assert fitted.similar_items(7, items=[5, 7, 6], **query)[0][0] == 7


WRONG_SETTINGS = [
    ({"candidates": 0}, "candidates"),
    ({"sampler": "bogus"}, "sampler"),
    ({"factors": 7}, "factors=7"),
    ({"factors": 4000, "use_bias": False}, "factors=4000"),
    ({"use_bias": False}, "use_bias=False"),
    ({"loss": "warp", "selection": "first"}, "violator"),
]


@pytest.mark.parametrize(("parameters", "message"), WRONG_SETTINGS)
def test_settings_that_do_not_go_with_the_factors(fitted, annotations, parameters, message):
    model = fit(fitted, annotations, iterations=1).set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        model.transform(annotations)
    with pytest.raises(ValueError, match=message):
        model.recalculate_item(0, annotations.T.tocsr()[[0]])


def test_factors_that_do_not_go_with_the_settings(annotations):
    model = fit(VSEens(factors=8, iterations=1), annotations)
    model.item_factors = np.ones((120, 40), np.float32)
    with pytest.raises(ValueError, match="40"):
        model.transform(annotations)
    model.item_factors = np.full((120, 9), np.nan, np.float32)
    with pytest.raises(ValueError, match="not finite"):
        model.transform(annotations)


def test_tiny_factors_give_finite_ones(annotations):
    for scale in (1e-20, 1e-12):
        model = fit(
            VSEens(factors=8, iterations=0, init=Random(scale=scale), regularization=0), annotations
        )
        assert np.abs(model.user_factors).max() < 1e4


def test_popularity_follows_the_remembered_matrix(annotations, tmp_path):
    model = fit(MODELS["popularity"], annotations)
    model.transform(annotations)
    model.partial_fit_users(np.arange(120), csr_matrix(np.eye(120)))
    model.save(tmp_path / "model")
    loaded = VSEens.load(tmp_path / "model")
    np.testing.assert_array_equal(model.transform(annotations), loaded.transform(annotations))


def test_labels_fold_in_without_anything_to_compare_with(annotations):
    columns = annotations.T.tocsr()
    for name in ("adaptive", "popularity", "hardest", "exact"):
        model = fit(MODELS[name], annotations, iterations=2)
        model.partial_fit_users(np.arange(400), csr_matrix((400, 120)))
        assert np.isfinite(model.recalculate_item(0, columns[[0]])).all()
        assert np.isfinite(model.transform(annotations)).all()


def test_images_that_have_every_label_are_not_ranked_for(annotations):
    full = csr_matrix(np.ones((300, 120), np.float32))
    model = fit(VSEens(factors=8, iterations=5), vstack([full, annotations]).tocsr())
    columns = vstack([full, annotations]).T.tocsr()
    assert np.isfinite(model.recalculate_item(0, columns[[0]])).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_of_rows_are_checked(fitted, annotations, value):
    row = annotations[[0]].copy()
    row.data[0] = value
    with pytest.raises(ValueError, match="user_items must hold finite"):
        fitted.recalculate_user(0, row)
    with pytest.raises(ValueError, match="item_users must hold finite"):
        fitted.recalculate_item(0, csr_matrix(np.full((1, 400), value)))


def test_groups_that_become_automatic(annotations):
    model = VSEens(factors=8, iterations=2, selection=Group(size=2), candidates=5)
    model = fit(model, annotations, warm_start=True)
    model.set_params(selection__size="auto")
    assert np.isfinite(model.transform(annotations)).all()
    # and back, and again, while the history goes on
    for group_size in ("auto", 3, "auto"):
        model.set_params(selection__size=group_size).fit(annotations, show_progress=False)
    assert np.isnan(model.history_["group_size"]).tolist() == (
        [True] * 2 + [False] * 2 + [True] * 2 + [False] * 2
    )
    assert np.isfinite(model.transform(annotations)).all()


def test_recommending_for_an_image_beyond_the_matrix(fitted):
    with pytest.raises(IndexError, match="the model has 400 images"):
        fitted.recommend(99999, recalculate_user=True)
