"""Ranking measures against hand-worked cases, enumeration of all orders, and other libraries."""

from itertools import pairwise, permutations

import implicit.evaluation
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from numpy.testing import assert_allclose
from scipy.sparse import csr_array, csr_matrix
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from vseens_rec import NamedModel, VSEens
from vseens_rec.metrics import ranking_metrics, ranking_scorer
from vseens_rec.model_selection import Holdout, leave_one_out_split

NAMES = [
    "precision@1", "precision@3", "recall@1", "recall@3", "ndcg@1", "ndcg@3", "ndcg", "hit@1",
    "hit@3", "map", "mrr", "auc", "auc@1", "auc@3",
]  # fmt: skip


class Factors:
    """Nothing but factors."""

    def __init__(self, user_factors, item_factors):
        self.user_factors = user_factors
        self.item_factors = item_factors


def measures_of_order(relevant, names):
    """The definitions, for a list of booleans from the first rank to the last."""
    relevant = np.asarray(relevant, dtype=float)
    m, n_negatives = relevant.sum(), (1 - relevant).sum()
    ranks = np.flatnonzero(relevant) + 1
    above = np.array([(1 - relevant[: rank - 1]).sum() for rank in ranks])
    values = {}
    for name in names:
        measure, _, digits = name.partition("@")
        n = int(digits or len(relevant))
        hits = relevant[:n].sum()
        if measure == "precision":
            value = hits / n
        elif measure == "recall":
            value = hits / m
        elif measure == "hit":
            value = float(hits > 0)
        elif measure == "ndcg":
            ideal = sum(1 / np.log2(1 + j) for j in range(1, int(min(n, m)) + 1))
            value = sum(1 / np.log2(1 + rank) for rank in ranks if rank <= n) / ideal
        elif measure == "map":
            value = np.mean([(j + 1) / rank for j, rank in enumerate(ranks)])
        elif measure == "mrr":
            value = 1 / ranks[0]
        elif n_negatives == 0:
            value = np.nan
        else:
            value = np.where(ranks <= n, 1 - above / n_negatives, 0.5).mean()
        values[name] = value
    return values


def expected_measures(scores, observed, held_out, names):
    """Mean over every order that the scores admit."""
    candidates = np.flatnonzero(~observed)
    collected = [
        measures_of_order([held_out[label] for label in order], names)
        for order in permutations(candidates)
        if all(scores[a] >= scores[b] for a, b in pairwise(order))
    ]
    return {name: np.mean([values[name] for values in collected]) for name in names}


def test_one_image_by_hand():
    # ranks of the candidates: 0 held out, 2, 4 held out, 3; label 1 is known
    scores = np.array([[9.0, 8.0, 7.0, 1.0, 6.0]])
    found = ranking_metrics(
        lambda rows: scores[rows],
        [[0, 1, 0, 0, 0]],
        [[1, 0, 0, 0, 1]],
        ["precision@2", "recall@2", "ndcg@2", "ndcg@3", "hit@1", "map", "mrr", "auc", "auc@2"],
    )
    ideal = 1 + 1 / np.log2(3)
    assert_allclose(
        list(found.values()),
        [1 / 2, 1 / 2, 1 / ideal, 1.5 / ideal, 1, (1 + 2 / 3) / 2, 1, 3 / 4, (1 + 1 / 2) / 2],
    )


def test_lists_longer_than_the_labels():
    found = ranking_metrics(
        lambda rows: np.array([[3.0, 2.0, 1.0]]), None, [[0, 0, 1]],
        ["precision@10", "recall@10", "ndcg@10", "hit@10", "auc@10", "coverage@10",
         "recall@99999999999999999999"],
    )  # fmt: skip
    assert_allclose(list(found.values()), [0.1, 1, 0.5, 1, 0, 1, 1])


@given(
    scores=arrays(np.float32, (3, 6), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
    known=arrays(np.int8, (3, 6), elements=st.sampled_from([0, 1, 2, 2])),
)
@settings(deadline=None, max_examples=40)
def test_expectation_over_all_orders_of_ties(scores, known):
    observed, held_out = known == 0, known == 1
    if not held_out.any():
        held_out[0, 0], observed[0, 0] = True, False
    names = [*NAMES, "coverage@2"]
    found = ranking_metrics(
        lambda rows: scores[rows], observed, held_out, names, average=False, num_threads=1
    )
    for row in range(3):
        if not held_out[row].any():
            assert all(np.isnan(found[name][row]) for name in NAMES)
            continue
        expected = expected_measures(scores[row], observed[row], held_out[row], NAMES)
        for name in NAMES:
            assert_allclose(found[name][row], expected[name], atol=1e-12, err_msg=name)


def test_coverage_counts_labels_of_any_list():
    scores = np.array([[3, 2, 1, 0], [3, 2, 1, 0], [0, 1, 1, 1]], dtype=np.float32)
    held_out = np.eye(4)[[3, 3, 0]]
    observed = [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    found = ranking_metrics(lambda rows: scores[rows], observed, held_out, "coverage@1")
    # label 0 by the second image, 1 by the first, 2 and 3 each with a chance of 1/3 by the last
    assert_allclose(found["coverage@1"], (1 + 1 + 1 / 3 + 1 / 3) / 4)
    found = ranking_metrics(
        lambda rows: scores[rows], observed, held_out, ["coverage@1", "coverage@3"]
    )
    assert_allclose(found["coverage@3"], 1)


@pytest.fixture(scope="module")
def evaluated():
    """Scores without ties, what is known and what is held out, several labels an image."""
    generator = np.random.default_rng(3)
    users = generator.normal(size=(70, 5)).astype(np.float32)
    items = generator.normal(size=(45, 5)).astype(np.float32)
    known = generator.choice(3, p=[0.2, 0.2, 0.6], size=(70, 45))
    known[7] = 0
    known[11, known[11] == 1] = 2
    return Factors(users, items), csr_matrix(known == 0), csr_matrix(known == 1)


def test_agrees_with_scikit_learn(evaluated):
    model, observed, held_out = evaluated
    scores = model.user_factors @ model.item_factors.T
    found = ranking_metrics(
        model, observed, held_out, ["ndcg@5", "ndcg", "map", "auc"], average=False
    )
    for row in np.flatnonzero(held_out.getnnz(axis=1)):
        candidates = ~observed[row].toarray()[0]
        truth, score = held_out[row].toarray()[0][candidates], scores[row, candidates]
        expected = [
            ndcg_score([truth], [score], k=5),
            ndcg_score([truth], [score]),
            label_ranking_average_precision_score([truth], [score]),
            roc_auc_score(truth, score),
        ]
        assert_allclose([values[row] for values in found.values()], expected, rtol=1e-6)


def test_agrees_with_scikit_learn_on_ties():
    generator = np.random.default_rng(5)
    scores = generator.integers(0, 4, size=(40, 12)).astype(np.float64)
    held_out = generator.random((40, 12)) < 0.3
    held_out[:, 0] = True
    held_out[:, 1] = False
    found = ranking_metrics(lambda rows: scores[rows], None, held_out, ["ndcg@3", "auc"])
    assert_allclose(found["ndcg@3"], ndcg_score(held_out, scores, k=3))
    aucs = [roc_auc_score(truth, score) for truth, score in zip(held_out, scores, strict=True)]
    assert_allclose(found["auc"], np.mean(aucs))


def test_agrees_with_implicit_where_it_defines_the_same(annotations):
    train, test = leave_one_out_split(annotations, random_state=0)
    model = VSEens(factors=8, iterations=10, random_state=0).fit(train, show_progress=False)
    theirs = implicit.evaluation.ranking_metrics_at_k(model, train, test, K=10, show_progress=False)
    ours = ranking_metrics(model, train, test, ["recall@10", "ndcg@10", "precision@10"])
    # with one label held out of every image implicit's precision is recall
    assert_allclose(ours["recall@10"], theirs["precision"], rtol=1e-6)
    assert_allclose(ours["ndcg@10"], theirs["ndcg"], rtol=1e-6)
    assert_allclose(ours["precision@10"], theirs["precision"] / 10, rtol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), shift=st.sampled_from([-3.0, 0.0, 8.0]))
@settings(deadline=None, max_examples=20)
def test_nothing_depends_on_the_order_of_labels_or_the_scale_of_scores(seed, shift):
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 6, size=(20, 15)).astype(np.float32)
    known = generator.choice(3, p=[0.2, 0.3, 0.5], size=scores.shape)
    known[0, 0] = 1
    names = [*NAMES, "coverage@4"]
    first = ranking_metrics(lambda rows: scores[rows], known == 0, known == 1, names)
    order = generator.permutation(scores.shape[1])
    changed = 4 * scores[:, order] + shift
    second = ranking_metrics(
        lambda rows: changed[rows], (known == 0)[:, order], (known == 1)[:, order], names
    )
    assert_allclose(list(first.values()), list(second.values()), rtol=1e-12)


def test_a_constant_model_scores_like_chance(emoji):
    train, test = leave_one_out_split(emoji, random_state=1)
    n_images, n_labels = train.shape
    model = Factors(np.ones((n_images, 3), np.float32), np.zeros((n_labels, 3), np.float32))
    found = ranking_metrics(
        model, train, test, ["recall@10", "hit@10", "ndcg@10", "mrr", "map", "auc", "auc@10"]
    )
    rows = np.flatnonzero(test.getnnz(axis=1))
    candidates = n_labels - train.getnnz(axis=1)[rows]
    chance = np.mean(10 / candidates)
    reciprocal = np.mean([np.mean(1 / np.arange(1, n + 1)) for n in candidates])
    assert_allclose(found["recall@10"], chance)
    assert_allclose(found["hit@10"], chance)
    assert_allclose(found["ndcg@10"], np.mean(np.sum(1 / np.log2(np.arange(2, 12))) / candidates))
    assert_allclose([found["mrr"], found["map"]], reciprocal)
    assert_allclose(found["auc"], 0.5)
    assert 0.5 < found["auc@10"] < 0.5 + chance


def test_the_same_factors_give_ties_wherever_they_stand(kernel):
    """Sums of 37 products in any column of a block are the same to the last bit."""
    generator = np.random.default_rng(0)
    users = generator.normal(size=(21, 37)).astype(np.float32)
    items = np.tile(generator.normal(size=37).astype(np.float32), (99, 1))
    held_out = csr_matrix(np.eye(99)[np.arange(21) * 4])
    ranker = kernel.Ranker(
        99, np.zeros(22, np.int64), np.zeros(0, np.int32), held_out.indptr.astype(np.int64),
        held_out.indices, np.zeros(0, np.int64),
    )  # fmt: skip
    assert ranker.rank_factors(users, kernel.label_panels(items), np.arange(21, dtype=np.int32), 1)
    assert (ranker.above == 0).all()
    assert (ranker.tied == 98).all()


@pytest.mark.parametrize("n_labels", [1, 31, 32, 33, 500])
@pytest.mark.parametrize("k", [1, 16, 37])
def test_every_kernel_counts_what_numpy_counts(kernel, n_labels, k):
    generator = np.random.default_rng(k)
    # small whole numbers: sums are exact, and many scores tie
    users = generator.integers(-2, 3, size=(75, k)).astype(np.float32)
    items = generator.integers(-2, 3, size=(n_labels, k)).astype(np.float32)
    known = generator.choice(3, p=[0.1, 0.2, 0.7], size=(75, n_labels))
    observed, held_out = csr_matrix(known == 0), csr_matrix(known == 1)
    rows = np.flatnonzero(held_out.getnnz(axis=1)).astype(np.int32)
    arguments = (
        n_labels, observed.indptr.astype(np.int64), observed.indices,
        held_out.indptr.astype(np.int64), held_out.indices, np.array([min(4, n_labels)]),
    )  # fmt: skip
    scores = (users @ items.T).astype(np.float64)
    candidates = np.where(known == 0, np.nan, scores)
    of_row = np.repeat(np.arange(75), held_out.getnnz(axis=1))
    asked = scores[of_row, held_out.indices][:, None]
    above = (candidates[of_row] > asked).sum(axis=1)
    tied = (candidates[of_row] == asked).sum(axis=1) - 1
    missed = []
    for n_threads in (1, 3):
        ranker = kernel.Ranker(*arguments)
        assert ranker.rank_factors(users, kernel.label_panels(items), rows, n_threads)
        np.testing.assert_array_equal(ranker.above, above)
        np.testing.assert_array_equal(ranker.tied, tied)
        missed.append(ranker.missed)
        for dtype in (np.float32, np.float64):
            ranker = kernel.Ranker(*arguments)
            assert ranker.rank_scores(scores[rows].astype(dtype), rows, n_threads)
            np.testing.assert_array_equal(ranker.above, above)
            np.testing.assert_array_equal(ranker.tied, tied)
            missed.append(ranker.missed)
    for other in missed[1:]:
        assert_allclose(other, missed[0], atol=1e-12)


def test_every_kernel_sees_scores_that_are_no_numbers(kernel):
    """That of any label, not only of one that is held out."""
    users, items = np.zeros((1, 3), np.float32), np.ones((2, 3), np.float32)
    items[1, 2] = np.inf
    ranker = kernel.Ranker(
        2, np.array([0, 0]), np.zeros(1, np.int32), np.array([0, 1]), np.zeros(1, np.int32),
        np.array([1]),
    )  # fmt: skip
    assert not ranker.rank_factors(users, kernel.label_panels(items), np.zeros(1, np.int32), 1)


def test_the_number_of_threads_changes_nothing(evaluated):
    model, observed, held_out = evaluated
    names = [*NAMES, "coverage@5"]
    one = ranking_metrics(model, observed, held_out, names, num_threads=1)
    assert one == ranking_metrics(model, observed, held_out, names, num_threads=3)


def test_models_of_many_kinds_agree(evaluated):
    model, observed, held_out = evaluated
    names = [*NAMES, "coverage@5"]
    expected = ranking_metrics(model, observed, held_out, names)
    wide = Factors(model.user_factors.astype(float), model.item_factors.astype(float))
    scores = wide.user_factors @ wide.item_factors.T
    for other in (wide, lambda rows: scores[rows]):
        found = ranking_metrics(other, observed, held_out, names)
        assert_allclose(list(found.values()), list(expected.values()), rtol=1e-9)


def test_factors_on_a_graphics_processor(evaluated):
    class OnDevice:
        def __init__(self, array):
            self.array = array

        def to_numpy(self):
            return self.array

    model, observed, held_out = evaluated
    remote = Factors(OnDevice(model.user_factors), OnDevice(model.item_factors))
    assert ranking_metrics(remote, observed, held_out) == ranking_metrics(model, observed, held_out)


def test_models_of_implicit(annotations):
    train, test = leave_one_out_split(annotations, random_state=0)
    als = AlternatingLeastSquares(factors=8, iterations=5, random_state=0)
    als.fit(train, show_progress=False)
    neighbours = CosineRecommender(K=20)
    neighbours.fit(train, show_progress=False)
    scores = (train @ neighbours.similarity).toarray()
    scores[scores == 0] = -np.inf
    by_model = ranking_metrics(neighbours, train, test, NAMES)
    by_scores = ranking_metrics(lambda rows: scores[rows], train, test, NAMES)
    assert_allclose(list(by_model.values()), list(by_scores.values()))
    for values in (by_model, ranking_metrics(als, train, test, NAMES)):
        assert values["auc"] > 0.6


def test_labels_that_are_known_are_not_asked_for():
    scores = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    observed, held_out = [[1, 0, 0], [1, 0, 0]], [[1, 1, 0], [1, 0, 0]]
    found = ranking_metrics(
        lambda rows: scores[rows], observed, held_out, ["recall@1"], average=False
    )
    assert found["recall@1"][0] == 1
    assert np.isnan(found["recall@1"][1])


def test_auc_is_undefined_without_other_labels():
    scores = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    found = ranking_metrics(
        lambda rows: scores[rows], [[1, 0, 0], [0, 0, 0]], [[0, 1, 1], [0, 0, 1]], ["auc", "map"]
    )
    assert found == {"auc": 1.0, "map": 1.0}
    found = ranking_metrics(lambda rows: scores[rows[:1]], None, [[1, 1, 1], [0, 0, 0]], "auc")
    assert np.isnan(found["auc"])


def test_callers_arrays_stay_as_they_are(evaluated):
    model, observed, held_out = evaluated
    scores = (model.user_factors @ model.item_factors.T).astype(np.float32)
    kept, known = scores.copy(), observed.toarray()
    scores.setflags(write=False)
    rows = np.arange(70)
    ranking_metrics(lambda part: scores[rows[part]], observed, held_out, NAMES)
    np.testing.assert_array_equal(scores, kept)
    np.testing.assert_array_equal(observed.toarray(), known)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": "ndcg@0"}, "ndcg@0"),
        ({"metrics": "recall"}, "recall@N"),
        ({"metrics": "map@5"}, "not known"),
        ({"metrics": []}, "empty"),
        ({"X": np.ones((3, 3))}, "same images"),
        ({"X": np.ones((2, 3))}, "nothing is held out"),
        ({"y": np.zeros((2, 3))}, "y has no positive"),
        ({"model": lambda rows: np.zeros((1, 3))}, "expected"),
        ({"model": lambda rows: np.full((2, 3), np.nan)}, "NaN"),
        ({"model": Factors(np.ones((3, 2)), np.ones((3, 2)))}, "rows of the model"),
        ({"model": Factors(np.full((2, 2), np.nan), np.ones((3, 2)))}, "not finite"),
        ({"model": Factors(np.ones((2, 5)), np.ones((3, 3)))}, "do not belong together"),
        ({"model": Factors(np.ones((2, 0)), np.ones((3, 0)))}, "do not belong together"),
        ({"model": Factors(np.ones(2), np.ones(3))}, "do not belong together"),
        ({"num_threads": -1}, "num_threads"),
    ],
)
def test_errors_say_what_came(change, message):
    arguments = {
        "model": lambda rows: np.zeros((2, 3)),
        "X": None,
        "y": np.array([[0, 1, 0], [1, 0, 0]]),
        "metrics": "mrr",
    }
    with pytest.raises(ValueError, match=message):
        ranking_metrics(**(arguments | change))


def test_things_that_are_no_fitted_models():
    with pytest.raises(ValueError, match="not fitted"):
        ranking_metrics(AlternatingLeastSquares(), None, [[0, 1]])
    with pytest.raises(TypeError, match="user_factors"):
        ranking_metrics("model", None, [[0, 1]])


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("cls", [CosineRecommender, BM25Recommender, VSEens])
def test_matrices_of_any_type_with_any_model(annotations, cls, dtype):
    X, held_out = leave_one_out_split((annotations > 0).astype(np.float64), random_state=0)
    model = VSEens(factors=4, iterations=2, num_threads=1) if cls is VSEens else cls()
    model.fit(X, show_progress=False)
    expected = ranking_metrics(model, X, held_out, "mrr")
    for form in (csr_matrix, csr_array, lambda matrix: matrix.toarray()):
        found = ranking_metrics(model, form(X.astype(dtype)), form(held_out.astype(dtype)), "mrr")
        assert_allclose(found["mrr"], expected["mrr"])


def test_pipelines_searches_and_models_with_names(annotations):
    X, held_out = leave_one_out_split(annotations, random_state=0)
    options = {"factors": 4, "iterations": 2, "random_state": 0, "num_threads": 1}
    model = VSEens(**options).fit(X, show_progress=False)
    expected = ranking_metrics(model, X, held_out, "mrr")
    named = NamedModel(model, range(400), range(120))
    # another matrix for the model, the same labels
    double = FunctionTransformer(lambda matrix: matrix * 2, accept_sparse=True)
    pipeline = make_pipeline(double, VSEens(**options)).fit(X)
    search = GridSearchCV(VSEens(**options), {"factors": [4]}, cv=Holdout()).fit(X, y=held_out)
    around = make_pipeline(double, search)
    for wrapped in (named, pipeline, search, around):
        assert ranking_metrics(wrapped, X, held_out, "mrr") == expected
        assert ranking_scorer("mrr")(wrapped, X, held_out) == expected["mrr"]
    neighbours = CosineRecommender()
    neighbours.fit(X, show_progress=False)
    assert ranking_metrics(NamedModel(neighbours, range(400), range(120)), X, held_out, "mrr") == (
        ranking_metrics(neighbours, X, held_out, "mrr")
    )
    with pytest.raises(ValueError, match="GridSearchCV has no best_estimator_: fit it"):
        ranking_metrics(GridSearchCV(VSEens(), {"factors": [4]}), X, held_out, "mrr")


def test_a_measure_in_capitals(annotations):
    with pytest.raises(ValueError, match="'NDCG@10' is not known.*: use 'ndcg@10'"):
        ranking_metrics(lambda rows: None, None, annotations, "NDCG@10")
    with pytest.raises(ValueError, match="such as 10$"):
        ranking_metrics(lambda rows: None, None, annotations, "F@1")
