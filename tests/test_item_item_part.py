"""Factors and item-item weights in one model: what is added, by what weight, and that it lasts."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vseens_rec import EDLAE, Checkpoint, VSEens
from vseens_rec.choices import DenseItemItem, SparseItemItem
from vseens_rec.engine.holdouts import Holdout
from vseens_rec.engine.item_item import ItemItemWeights, Pairs
from vseens_rec.engine.item_item_part import MOST_LABELS_OF_DENSE, ItemItemPart, item_item_of
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

OPTIONS = {"factors": 6, "iterations": 10, "random_state": 3, "num_threads": 1}
PARTS = {
    "dense": DenseItemItem(pairs=40),
    "sparse": SparseItemItem(neighbors=20),
    "weighted": DenseItemItem(pairs=0, weight=2.0),
}


def fit(X, **parameters):
    return VSEens(**OPTIONS | parameters).fit(X, show_progress=False)


@pytest.fixture(scope="module")
def models(annotations):
    return {name: fit(annotations, item_item=part) for name, part in PARTS.items()}


def sums(model, X):
    """The scores of images of the fit, by products and by a loop over labels and pairs."""
    scores = model.user_factors.astype(np.float64) @ model.item_factors.T.astype(np.float64)
    weights = model.item_weights
    weights = weights.toarray() if hasattr(weights, "toarray") else weights
    has = X.toarray() > 0
    features = [has[:, label] for label in range(X.shape[1])]
    features += [has[:, first] & has[:, second] for first, second in model.item_pairs]
    return scores + np.column_stack(features).astype(np.float64) @ weights.astype(np.float64)


@pytest.mark.parametrize("name", PARTS)
def test_everything_that_ranks_has_both_parts(models, name, annotations):
    model = models[name]
    assert model.trial_["item_item"] > 0
    expected = sums(model, annotations)
    np.testing.assert_allclose(model.scores_of(annotations, np.arange(400)), expected, atol=1e-4)
    left = np.where(annotations.toarray() > 0, -np.inf, expected)
    ids, scores = model.recommend(np.arange(400), N=5)
    np.testing.assert_allclose(scores, -np.sort(-left, axis=1)[:, :5], atol=1e-4)
    np.testing.assert_array_equal(model.recommend(7, N=5)[0], ids[7])
    # as if the labels of another image were its own
    ids, scores = model.recommend(7, annotations[[9]], N=5, filter_already_liked_items=False)
    by_factors = model.user_factors[7] @ model.item_factors.T
    by_labels = (expected - model.user_factors @ model.item_factors.T)[9]
    np.testing.assert_allclose(scores, np.sort(by_factors + by_labels)[::-1][:5], atol=1e-4)
    train, held_out = annotations, csr_matrix(np.roll(annotations.toarray(), 1, axis=1))
    found = ranking_metrics(model, train, held_out, "ndcg@10")["ndcg@10"]
    by_scores = ranking_metrics(lambda rows: expected[rows], train, held_out, "ndcg@10")["ndcg@10"]
    assert found == pytest.approx(by_scores, abs=1e-6)
    assert model.score(train, held_out) == pytest.approx(by_scores, abs=1e-6)


def test_the_sum_ranks_above_both_parts(emoji):
    train, held_out = leave_one_out_split(emoji, random_state=0)
    options = {"factors": 32, "iterations": 20}
    found = {
        name: ranking_metrics(model, train, held_out, "ndcg@10")["ndcg@10"]
        for name, model in {
            "sum": fit(train, **options, item_item=DenseItemItem(pairs=0)),
            "factors": fit(train, **options, item_item=None),
            "item-item": EDLAE(pairs=0, num_threads=1).fit(train),
        }.items()
    }
    assert found["sum"] > 1.05 * found["factors"]
    assert found["sum"] >= 0.995 * found["item-item"]


def test_a_part_without_weight_is_left_out(annotations, monkeypatch):
    monkeypatch.setattr(ItemItemPart, "weight_beside", lambda self, scores: 0.0)
    model = fit(annotations, item_item=PARTS["dense"])
    assert model.trial_["item_item"] == 0
    assert model.item_weights is None
    alone = fit(annotations, item_item=None)
    assert alone.trial_["item_item"] is None
    # the labels that were hidden for most epochs are in what is folded in
    assert not np.array_equal(model.item_factors, alone.item_factors)
    np.testing.assert_array_equal(model.transform(annotations), model.user_factors)


def test_scores_that_tell_nothing_get_no_weight(annotations):
    train, held_out = leave_one_out_split(annotations, random_state=0)
    rows = np.flatnonzero(np.diff(held_out.indptr))
    holdout = Holdout(rows, train[rows], held_out[rows], train)
    shape = (len(rows), 120)
    generator = np.random.default_rng(0)
    part = ItemItemPart(PARTS["dense"], train, holdout, 1, weighs=True)
    good = 9 * held_out[rows].toarray() + generator.normal(size=shape)
    part.hidden_scores = generator.normal(size=shape)
    assert part.weight_beside(good) == 0
    part.hidden_scores = good
    noise = generator.normal(size=shape)
    # the factors still tell equal scores apart
    assert part.weight_beside(noise) == pytest.approx(64 * noise.std() / good.std())


def test_which_part_a_name_is():
    assert item_item_of(None, 10, 50) is None
    assert item_item_of("auto", MOST_LABELS_OF_DENSE, 20) == DenseItemItem()
    assert item_item_of("auto", MOST_LABELS_OF_DENSE + 1, 20) == SparseItemItem()
    assert item_item_of("auto", 100, 19) is None
    assert item_item_of("dense", 10**4, 1) == DenseItemItem()
    assert item_item_of("sparse", 10, 1) == SparseItemItem()
    assert item_item_of(PARTS["sparse"], 10, 1) is PARTS["sparse"]


@pytest.mark.parametrize("name", PARTS)
def test_files_and_pickles_have_both_parts(models, name, annotations, tmp_path):
    model = models[name]
    model.save(tmp_path / "model")
    for again in (
        VSEens.load(tmp_path / "model"),
        VSEens.load(tmp_path / "model", mmap_mode="c"),
        pickle.loads(pickle.dumps(model)),
    ):
        assert again.trial_ == model.trial_
        for one, other in zip(again.recommend([0, 5]), model.recommend([0, 5]), strict=True):
            np.testing.assert_array_equal(one, other)


class Interruption(Exception):  # noqa: N818
    pass


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("n_epochs", [5, 8, 9])
def test_a_resumed_training_ends_with_the_same_sum(models, annotations, tmp_path, name, n_epochs):
    """Labels are hidden for 8 of 10 epochs."""

    def stop(epoch, *_):
        if epoch == n_epochs - 1:
            raise Interruption

    checkpoint = Checkpoint(tmp_path / "training")
    model = VSEens(**OPTIONS, item_item=PARTS[name])
    with pytest.warns(UserWarning, match="stopped early"), pytest.raises(Interruption):
        model.fit(annotations, show_progress=False, checkpoint=checkpoint, callback=stop)
    assert model.item_weights is None
    model = VSEens(**OPTIONS, item_item=PARTS[name])
    model.fit(annotations, show_progress=False, checkpoint=checkpoint)
    np.testing.assert_array_equal(model.item_factors, models[name].item_factors)
    np.testing.assert_array_equal(model.recommend([3])[1], models[name].recommend([3])[1])


def test_threads_change_nothing_but_the_training(annotations):
    model = fit(annotations, item_item=PARTS["dense"])
    one = model.recommend(np.arange(400))
    model.set_params(num_threads=3)
    np.testing.assert_array_equal(model.recommend(np.arange(400))[1], one[1])


def test_images_and_labels_that_come_later(models, annotations):
    for name in ("dense", "sparse"):
        model = pickle.loads(pickle.dumps(models[name]))
        model.partial_fit_users(400, annotations[[9]])
        labels = annotations[[9]]
        np.testing.assert_allclose(
            model.scores_of(labels, np.array([400])), model.scores_of(labels), atol=1e-5
        )
        before = model.recommend([3], N=120, filter_already_liked_items=False)
        model.partial_fit_items([121], csr_matrix(np.eye(1, 401)))
        assert model.item_weights.shape[1] == 122
        ids, scores = model.recommend([3], N=122, filter_already_liked_items=False)
        old = ids[0] < 120
        np.testing.assert_array_equal(ids[0][old], before[0][0])
        np.testing.assert_allclose(scores[0][old], before[1][0], rtol=1e-5)
        # pairs stay those of the same labels
        np.testing.assert_array_equal(model.item_pairs, models[name].item_pairs)


def test_weights_grow_by_hand():
    pairs = Pairs.of(np.array([0]), np.array([1]), 2)
    dense = np.array([[0, 1], [2, 0], [0, 0]], np.float32)
    for weights in (dense, csr_matrix(dense)):
        fitted = ItemItemWeights(weights, pairs)
        assert fitted.grown(3).weights is weights
        assert fitted.grown(3).grown(2).n_labels == 3
        grown = fitted.grown(3).of_all_labels()
        found = grown.weights.toarray() if hasattr(weights, "toarray") else grown.weights
        assert found.tolist() == [[0, 1, 0], [2, 0, 0], [0, 0, 0], [0, 0, 0]]
        assert grown.pairs.parts.tolist() == [[0, 0], [1, 1], [2, 2], [0, 1]]
        assert grown.of_all_labels() is grown


def test_a_warm_start_keeps_the_weight_and_solves_anew(annotations):
    model = fit(annotations[:300], item_item=PARTS["dense"], warm_start=True)
    weight, before = model.trial_["item_item"], model.item_weights
    model.fit(annotations, show_progress=False)
    assert model.trial_["item_item"] == weight
    assert model.item_weights.shape[1] == 120
    assert not np.array_equal(model.item_weights, before)


def test_a_callback_sees_the_factors_alone(annotations):
    model = VSEens(**OPTIONS, item_item=PARTS["dense"])
    seen = []
    model.fit(annotations, show_progress=False, callback=lambda *_: seen.append(model.item_weights))
    assert seen == [None] * 10
    assert model.item_weights is not None


@pytest.mark.parametrize("few", [{"iterations": 1}, {"warm_start": True}, {}])
def test_a_part_that_was_asked_for_is_not_left_out_in_silence(annotations, few):
    X = annotations if few else annotations[:60]
    model = VSEens(**OPTIONS | few)
    if "warm_start" in few:
        model.set_params(item_item=None).fit(X, show_progress=False)
    with pytest.warns(UserWarning, match=r"item_item='dense' .* DenseItemItem\(weight"):
        model.set_params(item_item="dense").fit(X, show_progress=False)
    assert model.item_weights is None
    model.set_params(item_item=DenseItemItem(weight=1.0)).fit(X, show_progress=False)
    assert model.item_weights is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(item_item="auto").fit(X, show_progress=False)


def test_early_stopping_and_the_part(annotations):
    model = fit(annotations, item_item=PARTS["dense"], early_stopping=True, iterations=12)
    assert model.item_weights is not None
    assert model.best_iteration_ >= 0
    ids, _ = model.recommend(0, N=120)
    assert not set(ids) & set(annotations[[0]].indices)


def test_explain_shares_both_parts_out(models, annotations):
    model = models["dense"]
    label = int(model.recommend(7, N=1)[0][0])
    total, shares, _ = model.explain(7, None, label, N=120)
    assert total == pytest.approx(float(sums(model, annotations)[7, label]), abs=1e-4)
    assert {known for known, _ in shares} <= set(annotations[[7]].indices)
