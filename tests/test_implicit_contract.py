"""implicit's own test-suite for recommenders, and its evaluation and ANN wrappers."""

import unittest
from functools import partial
from importlib.metadata import version

import implicit.evaluation
import numpy as np
import pytest
from implicit.als import AlternatingLeastSquares
from implicit.cpu.matrix_factorization_base import MatrixFactorizationBase
from scipy.sparse import csr_matrix

from vseens_rec import (
    BPR,
    DNS,
    EASE,
    EDLAE,
    WARP,
    AoBPR,
    NaiveRank,
    OptAUC,
    SampledSoftmax,
    SparseEASE,
    VSEens,
)
from vseens_rec.choices import Adaptive, Exact, Violator

from . import implicit_sources
from .implicit_sources import FOLDER_VARIABLE, find_source, recommender_tests


@pytest.fixture(scope="session")
def mixin(tmp_path_factory):
    return recommender_tests(tmp_path_factory.mktemp("implicit"))


MIXIN_TESTS = [
    "test_dtype", "test_evaluation", "test_fit_callback", "test_fit_non_csr_matrix",
    "test_fit_ordering", "test_invalid_user_items", "test_pickle", "test_pickle_unfitted_model",
    "test_rank_items", "test_rank_items_batch", "test_recalculate_user", "test_recommend",
    "test_recommend_batch", "test_serialization", "test_serialization_without_fit",
    "test_similar_items", "test_similar_items_batch", "test_similar_items_filter",
    "test_similar_users", "test_similar_users_batch", "test_similar_users_filter",
    "test_zero_length_row",
]  # fmt: skip


# the checkerboards have no noise: penalties make the labels of one colour the same to the last bit
# (implicit tests its BPR without), and hard negatives are mostly the withheld positives
MODELS = {
    VSEens: {},
    AoBPR: {"sampler": Adaptive(rank_scale=0.5)},
    DNS: {"regularization": 0},
    BPR: {"regularization": 0},
    OptAUC: {"regularization": 0},
    NaiveRank: {"sampler": Exact(rank_scale=0.5), "regularization": 0},
    WARP: {"learning_rate": 0.01, "selection": Violator(max_trials=20)},
    SampledSoftmax: {},
}


fits = {}


def fit_once(model, X, **options):
    """Fit a model, or let it have what the same fit has learned before."""
    key = (repr(model), X.shape, X.indptr.tobytes(), X.indices.tobytes())
    if key not in fits:
        fits[key] = vars(type(model).fit(model, X, **options)).copy()
    vars(model).update(fits[key])
    return model


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", MIXIN_TESTS)
def test_implicits_own_tests(mixin, name, model):
    def get_model(self):
        made = model(factors=3, random_state=42, num_threads=1, **MODELS[model])
        if name.startswith("test_similar"):
            # these all ask a model of the same board
            made.fit = partial(fit_once, made)
        return made

    case = type("Case", (unittest.TestCase, mixin), {"_get_model": get_model})
    getattr(case(name), name)()


@pytest.mark.parametrize("model", [EASE, EDLAE, SparseEASE])
@pytest.mark.parametrize("name", MIXIN_TESTS)
def test_implicits_own_tests_of_item_item_models(mixin, name, model):
    case = type("Case", (unittest.TestCase, mixin), {"_get_model": lambda self: model()})
    getattr(case(name), name)()


def test_all_of_implicits_own_tests_are_run(mixin):
    assert sorted(n for n in dir(mixin) if n.startswith("test_")) == sorted(MIXIN_TESTS)


@pytest.mark.skipif(version("implicit") not in implicit_sources.SHA256, reason="is not kept")
def test_the_source_of_implicit_is_kept_whole(mixin, tmp_path, monkeypatch):
    source = find_source(tmp_path)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "kept"))
    # no download from here on
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    (tmp_path / "kept").mkdir()
    kept = tmp_path / "kept" / source.name
    kept.write_bytes(source.read_bytes())
    assert find_source(tmp_path) == kept
    kept.write_bytes(source.read_bytes()[:-1])
    with pytest.raises(pytest.skip.Exception, match=f"is not whole at .*set {FOLDER_VARIABLE}"):
        find_source(tmp_path)


def test_is_a_matrix_factorization_of_implicit():
    assert issubclass(VSEens, MatrixFactorizationBase)


def test_fit_as_implicit_calls_it(checkerboard):
    calls = []
    model = VSEens(factors=4, iterations=3, random_state=0)
    assert model.fit(checkerboard, False, lambda *event: calls.append(event)) is model
    assert [event[0] for event in calls] == [0, 1, 2]
    assert all(event[1] > 0 for event in calls)
    correct, skipped = calls[-1][2:]
    assert 0 < correct <= checkerboard.nnz
    assert skipped == 0
    model.fit(user_items=checkerboard, show_progress=False, callback=lambda *e: calls.append(e))
    assert len(calls) == 6
    model.fit(checkerboard, True, callback=lambda *e: calls.append(e))
    assert len(calls) == 9


def test_implicits_evaluation(checkerboard):
    model = VSEens(factors=4, random_state=0, num_threads=2).fit(checkerboard, show_progress=False)
    held_out = csr_matrix(np.eye(50, dtype=np.float32))
    for n_threads in (1, 2):
        measures = implicit.evaluation.ranking_metrics_at_k(
            model, checkerboard, held_out, K=60, show_progress=False, num_threads=n_threads
        )
        assert measures["precision"] == 1


def test_implicits_faiss_wrapper(annotations):
    faiss_wrapper = pytest.importorskip("implicit.ann.faiss")
    exact = VSEens(factors=16, iterations=20, item_item=None, random_state=0, num_threads=1)
    wrapper = faiss_wrapper.FaissModel(exact, nlist=4, nprobe=4, use_gpu=False)
    wrapper.fit(annotations, show_progress=False)
    ids, _ = wrapper.recommend(3, annotations[3], N=5)
    np.testing.assert_array_equal(ids, exact.recommend(3, N=5)[0])
    ids, _ = wrapper.similar_items(7, N=5)
    np.testing.assert_array_equal(ids, exact.similar_items(7, N=5)[0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("userid", [3, [3, 4], np.array([4])])
@pytest.mark.parametrize(
    "selected", [[1, 2, 3], [5, 2, 5], list(range(40)), [7, 7, 7], np.arange(4), range(3)]
)
def test_rank_items_as_implicit_does(annotations, userid, selected):
    als = AlternatingLeastSquares(factors=8, iterations=2, random_state=0, num_threads=1)
    als.fit(annotations, show_progress=False)
    model = VSEens(num_threads=1)
    model.user_factors, model.item_factors = als.user_factors, als.item_factors
    for user_items in (annotations[np.atleast_1d(userid)], annotations, None):
        ids, scores = model.rank_items(userid, user_items, selected)
        expected_ids, expected_scores = als.rank_items(userid, user_items, selected)
        np.testing.assert_array_equal(ids, expected_ids)
        np.testing.assert_allclose(scores, expected_scores, rtol=1e-5)


def test_rank_items_of_rows_that_are_new(annotations):
    model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
    model.fit(annotations, show_progress=False)
    with pytest.warns(DeprecationWarning, match="rank_items is deprecated"):
        ids, _ = model.rank_items(0, annotations[3], [4, 7, 9], recalculate_user=True)
    assert ids.tolist() == [
        label
        for label in model.recommend(3, N=120, filter_already_liked_items=False)[0]
        if label in (4, 7, 9)
    ]
