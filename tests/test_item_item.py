"""Item-item models: each solve against the obvious one, and both interfaces."""

import io

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from vseens_rec import EASE, EDLAE, Checkpoint, Popularity, SparseEASE
from vseens_rec.datasets import make_annotations
from vseens_rec.engine.holdouts import Holdout
from vseens_rec.engine.item_item import ClosedForm, Pairs, local_ridge, row_weights
from vseens_rec.engine.item_item_choices import choose_penalty, ndcg_of, weight_of_parts
from vseens_rec.files import models
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

MODELS = [
    EASE(regularization=3.0),
    EDLAE(pairs=50, regularization=3.0),
    SparseEASE(neighbors=15, regularization=3.0),
    SparseEASE(neighbors=15, regularization=3.0, pairs=50),
]


@pytest.fixture(scope="module")
def small():
    return make_annotations(150, 30, 900, random_state=0)


def slow_features(matrix, pairs):
    """Labels and pairs of labels as dense columns, and the labels that each is made of."""
    dense = (matrix.toarray() > 0).astype(float)
    products = [dense[:, first] * dense[:, second] for first, second in pairs]
    parts = [{label} for label in range(dense.shape[1])] + [set(pair) for pair in pairs]
    return np.column_stack([dense, *products]), parts


def slow_weights(matrix, penalty, dropout=0.0, row_power=0.0, pairs=(), chosen=None):
    """A ridge regression for each label on what lacks it, or on some of these, by a dense solve."""
    features, parts = slow_features(matrix, pairs)
    n_labels = matrix.shape[1]
    lengths = np.diff(matrix.indptr)
    counts = np.where(lengths, np.maximum(lengths, 1.0) ** -row_power, 0)
    counts = counts / counts[lengths > 0].mean()
    products = features.T @ (counts[:, None] * features)
    added = penalty + dropout / (1 - dropout) * np.diag(products)
    added[n_labels:] *= 3
    weights = np.zeros((len(parts), n_labels))
    for label in range(n_labels):
        own = [f for f, part in enumerate(parts) if label not in part]
        if chosen is not None:
            own = [f for f in own if f in chosen[label]]
        block = products[np.ix_(own, own)] + np.diag(added[own])
        weights[own, label] = np.linalg.solve(block, products[own, label])
    return weights


def pairs_of(pairs):
    """The pairs as tuples, in the order of their features."""
    return [tuple(pair) for pair in pairs.parts[pairs.n_labels :].tolist()]


def test_two_labels_by_hand():
    # together in two images of four, alone in one each: 2 / (3 + 1) either way
    matrix = csr_matrix(np.array([[1, 1], [1, 1], [1, 0], [0, 1]]))
    expected = np.array([[0, 0.5], [0.5, 0]])
    np.testing.assert_allclose(EASE(regularization=1.0).fit(matrix).item_weights, expected)
    sparse = SparseEASE(regularization=1.0, row_power=0).fit(matrix).item_weights
    np.testing.assert_allclose(sparse.toarray(), expected)
    # the diagonal of 3 grows by 1 / 2 of it
    dropped = EDLAE(regularization=1.0, dropout=1 / 3, row_power=0, pairs=0).fit(matrix)
    np.testing.assert_allclose(dropped.item_weights, expected * 4 / 5.5, rtol=1e-6)


@pytest.mark.parametrize("dropout", [0, 0.3])
@pytest.mark.parametrize("row_power", [0, 0.6])
@pytest.mark.parametrize("most", [0, 40])
def test_closed_form_is_a_ridge_regression_for_each_label(small, dropout, row_power, most):
    pairs = Pairs.most_frequent(small, most)
    form = ClosedForm(small, 2.5, dropout, row_power, pairs)
    expected = slow_weights(small, 2.5, dropout, row_power, pairs_of(pairs))
    np.testing.assert_allclose(form.weights().weights, expected, atol=1e-6)


@pytest.mark.parametrize("most", [0, 40])
def test_left_out_scores_are_those_of_a_fit_without_the_image(small, most):
    pairs = Pairs.most_frequent(small, most)
    rows = np.flatnonzero(np.diff(small.indptr) >= 3)[:6]
    known = small[rows].tolil()
    for place in range(len(rows)):
        for label in known.rows[place][:2]:
            known[place, label] = 0
    known = known.tocsr()
    form = ClosedForm(small, 4.0, row_power=0.4, pairs=pairs)
    found = form.left_out_scores(rows, known)
    features, parts = slow_features(small, pairs_of(pairs))
    given, _ = slow_features(known, pairs_of(pairs))
    added = np.where(np.arange(len(parts)) < small.shape[1], 4.0, 12.0)
    counts = row_weights(small, 0.4)
    for place, row in enumerate(rows):
        rest = np.delete(np.arange(small.shape[0]), row)
        products = features[rest].T @ (counts[rest, None] * features[rest])
        for label in np.flatnonzero(known[place].toarray().ravel() == 0):
            own = [f for f, part in enumerate(parts) if label not in part]
            block = products[np.ix_(own, own)] + np.diag(added[own])
            solved = np.linalg.solve(block, products[own, label])
            assert found[place, label] == pytest.approx(given[place, own] @ solved, abs=1e-9)


def strongest(matrix, pairs, neighbours, row_power):
    """Neighbours of each label by what they share, over the root of their counts."""
    features, parts = slow_features(matrix, pairs)
    products = features.T @ (row_weights(matrix, row_power)[:, None] * features)
    found = []
    for label in range(matrix.shape[1]):
        shared = (products[:, label] / np.sqrt(np.maximum(np.diag(products), 1e-30))).astype("f4")
        own = [f for f, part in enumerate(parts) if label not in part and products[f, label] > 0]
        found.append(set(sorted(own, key=lambda f: (-shared[f], f))[:neighbours]))
    return found


@pytest.mark.parametrize(("neighbours", "most"), [(5, 0), (11, 40), (200, 0)])
def test_each_label_has_its_regression_on_its_neighbours(
    small, kernel, monkeypatch, neighbours, most
):
    monkeypatch.setattr("vseens_rec.engine.item_item.kernel", kernel)
    pairs = Pairs.most_frequent(small, most)
    found = local_ridge(small, neighbours, 2.0, 0.1, 0.6, pairs)
    chosen = strongest(small, pairs_of(pairs), neighbours, 0.6)
    assert [set(found.weights.getcol(label).nonzero()[0]) for label in range(30)] == chosen
    expected = slow_weights(small, 2.0, 0.1, 0.6, pairs_of(pairs), chosen)
    np.testing.assert_allclose(found.weights.toarray(), expected, atol=1e-6)


def test_threads_give_the_same_bits(small):
    one, two = (local_ridge(small, 9, 2.0, num_threads=n).weights for n in (1, 2))
    np.testing.assert_array_equal(one.toarray(), two.toarray())
    model = EDLAE(regularization=2.0, pairs=20).fit(small)
    one, two = (model.set_params(num_threads=n).transform(small) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_pairs_are_the_most_frequent_ones(small):
    dense = (small.toarray() > 0).astype(int)
    counts = np.triu(dense.T @ dense, 1)
    every = [(f, s) for f, s in np.argwhere(counts >= 3).tolist()]
    assert pairs_of(Pairs.most_frequent(small, 10**6)) == every
    few = pairs_of(Pairs.most_frequent(small, 12))
    assert few == sorted(sorted(every, key=lambda pair: (-counts[pair], pair))[:12])
    features = Pairs.most_frequent(small, 12).features(small)
    assert features.has_canonical_format
    np.testing.assert_array_equal(features.toarray(), slow_features(small, few)[0])
    empty = csr_matrix((4, 30))
    assert Pairs.most_frequent(small, 12).features(empty).shape == (4, 42)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_recommend_ranks_by_the_weights_of_what_an_image_has(model, small):
    model = clone(model).fit(small)
    features, _ = slow_features(small, model.item_pairs.tolist())
    weights = model.item_weights
    expected = features @ (weights if isinstance(weights, np.ndarray) else weights.toarray())
    np.testing.assert_allclose(model.transform(small), expected, atol=1e-5)
    ids, scores = model.recommend(np.arange(5), N=4)
    for row in range(5):
        masked = np.where(small[row].toarray().ravel() > 0, -np.inf, expected[row])
        np.testing.assert_allclose(scores[row], np.sort(masked)[::-1][:4], atol=1e-5)
        one = model.recommend(row, N=4)
        np.testing.assert_array_equal(one[0], ids[row])
        np.testing.assert_array_equal(one[1], scores[row])
    # of an image that the model does not have, by its labels
    given = model.recommend([700], small[3], N=4, recalculate_user=True)
    np.testing.assert_array_equal(given[0][0], ids[3])
    some = model.recommend(2, N=3, items=[9, 4, 20], filter_already_liked_items=False)
    assert some[0].tolist() == sorted([4, 9, 20], key=lambda label: -expected[2, label])
    assert not set(model.recommend(2, N=5, filter_items=some[0])[0]) & set(some[0].tolist())


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_files_hold_the_weights(model, small):
    model = clone(model).fit(small)
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    loaded = type(model).load(file)
    assert repr(loaded) == repr(model)
    np.testing.assert_array_equal(loaded.transform(small), model.transform(small))
    np.testing.assert_array_equal(loaded.recommend([1, 2])[0], model.recommend([1, 2])[0])
    file.seek(0)
    state = models.read(type(model).__name__, file)
    state.arrays["item_pairs_indptr"] = state.arrays["item_pairs_indptr"][:-1]
    with pytest.raises(ValueError, match="item-item weights of the model do not agree"):
        models.write(state, io.BytesIO())


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_explain_shares_the_score_out_among_the_labels(model, small):
    model = clone(model).fit(small)
    row = int(np.argmax(np.diff(small.indptr)))
    label = int(model.recommend(row, N=1)[0][0])
    total, shares, _ = model.explain(row, None, label, N=100)
    assert total == pytest.approx(float(model.recommend(row, N=1)[1][0]), abs=1e-5)
    assert total == pytest.approx(sum(value for _, value in shares))
    assert sorted(label for label, _ in shares) == small[row].indices.tolist()
    assert [value for _, value in shares] == sorted((v for _, v in shares), reverse=True)
    # a label that the image has does not speak for itself
    own = int(small[row].indices[0])
    assert own not in dict(model.explain(row, None, own, N=100)[1])
    with pytest.raises(NotImplementedError, match="EASE, EDLAE and SparseEASE"):
        Popularity().fit(small).explain(0, None, 1)


def test_similar_labels_of_ease_are_partial_correlations(small):
    model = EASE(regularization=2.0).fit(small)
    dense = (small.toarray() > 0).astype(float)
    inverse = np.linalg.inv(dense.T @ dense + 2 * np.eye(30))
    scale = np.sqrt(np.diag(inverse))
    expected = -inverse / scale / scale[:, None]
    np.fill_diagonal(expected, 1)
    ids, values = model.similar_items(7, N=30)
    np.testing.assert_allclose(values, expected[7, ids], atol=1e-5)
    assert ids[0] == 7
    ids, values = model.similar_users([3], N=5)
    cosines = dense @ dense[3] / np.sqrt(dense.sum(1) * dense[3].sum())
    np.testing.assert_allclose(values[0], np.sort(cosines)[::-1][:5], atol=1e-6)


def test_images_that_come_later_are_scored_by_their_labels(small):
    model = EASE(regularization=2.0).fit(small[:100])
    model.partial_fit_users(np.arange(100, 150), small[100:])
    whole = model.recommend(120, N=5)
    given = model.recommend(0, small[120], N=5, recalculate_user=True)
    np.testing.assert_array_equal(whole[0], given[0])
    with pytest.raises(NotImplementedError, match="fit again"):
        model.partial_fit_items(30, csr_matrix((1, 150)))


def test_the_penalty_is_raised_while_that_pays():
    tried = []

    def measure(penalty):
        tried.append(penalty)
        return -abs(np.log10(penalty) - 2.5) + 10

    assert choose_penalty(measure) == pytest.approx(10**2.5)
    assert len(tried) == 5
    assert choose_penalty(lambda penalty: 1.0) == 10


def test_what_is_chosen_ranks_above_popularity():
    train, test = leave_one_out_split(
        make_annotations(1500, 60, 9000, random_state=2), random_state=0
    )
    popularity = Popularity().fit(train).score(train, test)
    for model in (EASE(), EDLAE(), SparseEASE()):
        model.fit(train)
        score = model.score(train, test)
        assert score > 1.1 * popularity
        measured = ranking_metrics(model, train, test, "ndcg@10")["ndcg@10"]
        assert measured == pytest.approx(score)


def test_pairs_are_taken_where_they_tell_more():
    # a third label is there if exactly one of two others is
    generator = np.random.default_rng(0)
    two = generator.random((3000, 2)) < 0.5
    noise = generator.random((3000, 5)) < 0.3
    matrix = np.column_stack([two, two[:, 0] ^ two[:, 1], noise, np.ones(3000, bool)])
    model = EDLAE().fit(csr_matrix(matrix.astype(np.float32)))
    assert len(model.item_pairs)
    asked = np.array([[1, 1, *[0] * 6, 1], [1, 0, *[0] * 6, 1]])
    both, one = model.transform(asked)
    assert one[2] - both[2] > 0.3
    plain = EDLAE(pairs=0).fit(csr_matrix(matrix.astype(np.float32)))
    both, one = plain.transform(asked)
    assert abs(one[2] - both[2]) < 0.2


def test_what_is_hidden_is_in_neither_part(small):
    holdout = Holdout.of(small, 1)
    assert holdout.train.nnz + holdout.hidden.nnz == small.nnz
    assert (holdout.known != holdout.train[holdout.rows]).nnz == 0
    assert not holdout.hidden.multiply(holdout.known).nnz
    form = ClosedForm(small, 2.0)
    first = form.left_out_scores(holdout.rows, holdout.known).astype(np.float32)
    noise = np.random.default_rng(0).random(first.shape).astype(np.float32)

    def measure(scores):
        return ndcg_of(holdout, scores)

    given, other = weight_of_parts(first, noise, measure)
    assert (given, other) == (1, 0) or other * noise.std() < 0.2 * first.std()
    assert weight_of_parts(noise, first, measure)[0] in (0.0, 1.0)
    assert weight_of_parts(-first, first, measure) == (0.0, 1.0)


def test_bounds_and_errors(small):
    with pytest.raises(ValueError, match=r"EASE of 30 labels needs 0.0 GB.*use SparseEASE"):
        EASE(memory_limit=1000).fit(small)
    with pytest.raises(ValueError, match="leave checkpoint out"):
        EASE().fit(small, checkpoint=Checkpoint("never.npz"))
    for bad in ({"regularization": 0}, {"pairs": -1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            EASE(**bad).fit(small)
    with pytest.raises(ValueError, match="dropout"):
        EDLAE(dropout=1.0).fit(small)
    with pytest.raises(ValueError, match="neighbors"):
        SparseEASE(neighbors=0).fit(small)
    with pytest.raises(ValueError, match="EDLAE, which does"):
        SparseEASE(regularization=None).fit(small)


def test_few_images_have_the_usual_penalty():
    matrix = csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]]))
    expected = EASE(regularization=10.0).fit(matrix).item_weights
    np.testing.assert_array_equal(EASE().fit(matrix).item_weights, expected)


@parametrize_with_checks([EASE(), EDLAE(), SparseEASE()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)
