"""What VSEens learns and gives back."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from implicit.evaluation import ranking_metrics_at_k
from implicit.recommender_base import ModelFitError
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.base import clone

from vseens_rec import SampledSoftmax, VSEens
from vseens_rec.choices import Adaptive, Random
from vseens_rec.datasets import make_annotations
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split


@pytest.fixture(scope="module")
def fitted(annotations):
    model = VSEens(factors=12, iterations=20, item_item=None, random_state=0, num_threads=1)
    return model.fit(annotations, show_progress=False)


@pytest.mark.parametrize("sampler", ["adaptive", "uniform"])
@pytest.mark.parametrize("loss", ["hinge", "logistic"])
@pytest.mark.parametrize("use_bias", [False, True])
def test_recovers_a_planted_ranking(sampler, loss, use_bias, planted):
    """The 15 labels recommended hold far more of the planted law than the most popular do."""
    model = VSEens(
        factors=8, iterations=60, learning_rate=0.1, regularization=0.1, sampler=sampler,
        loss=loss, use_bias=use_bias, random_state=0,
    ).fit(planted.matrix, show_progress=False)  # fmt: skip
    ideal = planted.held_by_the_first_15(planted.law)
    popular = planted.held_by_the_first_15(
        np.broadcast_to(planted.matrix.sum(axis=0), planted.law.shape)
    )
    learned = planted.held_by_the_first_15(model.user_factors @ model.item_factors.T)
    assert learned / ideal > popular / ideal + 0.08


def test_loss_falls_and_history_is_complete(annotations):
    model = VSEens(factors=12, regularization=0.04, iterations=30, item_item=None, random_state=0)
    model.fit(annotations, show_progress=False)
    assert model.n_iter_ == 30
    history = model.history_
    assert {len(values) for values in history.values()} == {30}
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    assert history["violations"][-1] < 0.8 * history["violations"][0]
    assert all(0 <= share <= 1 for share in history["violations"])
    assert all(seconds > 0 for seconds in history["seconds"])
    # 120 ** 0.44 / 4
    assert set(history["trials"]) == {2.0}


def test_zero_iterations_give_the_initial_factors(annotations):
    model = VSEens(
        factors=50, iterations=0, init=Random(scale=0.2), fold_in_users=False, random_state=0
    )
    model.fit(annotations, show_progress=False)
    assert model.n_iter_ == 0
    assert model.user_factors[:, :50].std() == pytest.approx(0.2, rel=0.02)
    assert (model.user_factors[:, 50] == 1).all()
    assert (model.item_factors[:, 50] == 0).all()


def test_the_bias_is_an_extra_column(annotations):
    model = VSEens(factors=8, iterations=10, sampler="uniform", random_state=0)
    model.fit(annotations, show_progress=False)
    assert model.user_factors.shape == (400, 9)
    assert (model.user_factors[:, 8] == 1).all()
    popularity = np.asarray(annotations.sum(axis=0)).ravel()
    assert np.corrcoef(model.item_factors[:, 8], popularity)[0, 1] > 0.5
    ids, scores = model.recommend(0, N=5)
    np.testing.assert_allclose(
        scores, model.item_factors[ids] @ model.user_factors[0], rtol=1e-4, atol=1e-5
    )
    model.set_params(use_bias=False).fit(annotations, show_progress=False)
    assert model.user_factors.shape == (400, 8)


def test_images_without_labels_or_with_all_keep_their_initial_factors():
    matrix = make_annotations(30, 20, 150, random_state=0).tolil()
    matrix[3] = 0
    matrix[4] = 1
    matrix = matrix.tocsr()
    parameters = {"factors": 6, "random_state": 0}
    before = VSEens(iterations=0, **parameters).fit(matrix, show_progress=False).user_factors
    after = VSEens(iterations=9, **parameters).fit(matrix, show_progress=False).user_factors
    np.testing.assert_array_equal(after[3:5], before[3:5])
    assert (after[5:] != before[5:]).any(axis=1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_of_the_factors(annotations, dtype):
    model = VSEens(factors=6, iterations=2, dtype=dtype).fit(annotations, show_progress=False)
    for factors in (model.user_factors, model.item_factors):
        assert factors.dtype == dtype
        assert factors.flags.c_contiguous
    _, scores = model.recommend(0)
    assert scores.dtype == np.float32
    # the lowest number of 64 bits stands for what is left out
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids, scores = model.recommend(0, N=120)
        model.recommend(0, items=annotations[0].indices)
        model.similar_items(0, N=120, filter_items=[3])
    assert (scores[ids < 0] == -np.inf).all()
    # what is computed anew belongs to the factors there are, whatever the next fit is to learn
    for other in (np.float32, np.float64):
        model.set_params(dtype=other)
        assert model.transform(annotations[:3]).dtype == dtype
        found = model.recommend(0, annotations[0], recalculate_user=True)[0]
        assert len(found) == 10
        model.similar_items(0, recalculate_item=True, item_users=annotations.T.tocsr()[0])


def test_one_seed_and_one_thread_give_the_same_bits(annotations):
    def fit(seed):
        model = VSEens(factors=6, iterations=5, num_threads=1, random_state=seed)
        return model.fit(annotations, show_progress=False).item_factors

    np.testing.assert_array_equal(fit(3), fit(3))
    assert (fit(3) != fit(4)).any()
    assert (fit(None) != fit(None)).any()
    for make in (np.random.default_rng, np.random.RandomState):
        np.testing.assert_array_equal(fit(make(3)), fit(make(3)))
        shared = make(3)
        assert (fit(shared) != fit(shared)).any()


def test_more_threads_learn_as_well():
    matrix = make_annotations(2000, 200, 30_000, random_state=0)
    train, test = matrix.copy(), matrix.copy()
    held_out = np.arange(matrix.nnz) % 9 == 4
    train.data[held_out] = 0
    test.data[~held_out] = 0
    for part in (train, test):
        part.eliminate_zeros()
    found = [
        ranking_metrics_at_k(
            VSEens(factors=16, iterations=20, num_threads=n, random_state=0).fit(
                train, show_progress=False
            ),
            train, test, show_progress=False,
        )["ndcg"]
        for n in (1, 4)
    ]  # fmt: skip
    assert found[1] == pytest.approx(found[0], rel=0.05)


def test_refit_starts_afresh_on_any_shape(annotations):
    model = VSEens(factors=6, iterations=3, random_state=0, num_threads=1)
    first = model.fit(annotations, show_progress=False).item_factors
    for part in (annotations[:50, :30], annotations[:, :60], annotations):
        model.fit(part.tocsr(), show_progress=False)
        assert model.user_factors.shape == (part.shape[0], 7)
        assert model.item_factors.shape == (part.shape[1], 7)
        assert model.recommend(part.shape[0] - 1, N=3)[0].max() < part.shape[1]
    np.testing.assert_array_equal(model.item_factors, first)


def test_recommend_uses_the_fitted_matrix(fitted, annotations):
    for image in (0, 7, 399):
        ids, scores = fitted.recommend(image, N=20)
        assert ids.dtype == np.int32
        assert scores.dtype == np.float32
        assert not set(ids) & set(annotations[image].indices)
        np.testing.assert_array_equal(ids, fitted.recommend(image, annotations[image], N=20)[0])
        expected = fitted.item_factors @ fitted.user_factors[image]
        expected[annotations[image].indices] = -np.inf
        np.testing.assert_array_equal(ids, np.argsort(-expected)[:20])
    batch_ids, batch_scores = fitted.recommend(np.array([0, 7, 399]), N=20)
    assert batch_ids.shape == (3, 20)
    np.testing.assert_array_equal(batch_ids[2], ids)
    np.testing.assert_allclose(batch_scores[2], scores, rtol=1e-5)


def test_recommend_pads_lists_and_never_brings_back_what_is_filtered(fitted, annotations):
    image = int(np.diff(annotations.indptr).argmax())
    liked = annotations[image].indices
    for ids, scores in (
        fitted.recommend(image, N=200, filter_items=[0, 1, 2]),
        [part[0] for part in fitted.recommend([image], N=200, filter_items=np.array([0, 1, 2]))],
    ):
        assert len(ids) == len(scores) == 200
        left = sorted(set(range(3, 120)) - set(liked))
        assert sorted(ids[: len(left)]) == left
        assert (ids[len(left) :] == -1).all()
        assert np.isneginf(scores[len(left) :]).all()
        assert np.isfinite(scores[: len(left)]).all()
    ids, _ = fitted.recommend(image, N=200, filter_already_liked_items=False)
    assert sorted(ids[:120]) == list(range(120))


def test_recommend_with_items_puts_those_already_had_last(fitted, annotations):
    liked = annotations[5].indices[:2]
    others = np.setdiff1d(np.arange(120), annotations[5].indices)[:4]
    ids, _ = fitted.recommend(5, items=np.concatenate([liked, others]), N=20)
    assert sorted(ids[:4]) == sorted(others)
    assert sorted(ids[4:]) == sorted(liked)
    assert ids.dtype == np.int32


@pytest.mark.parametrize("make", [list, tuple, memoryview, np.asarray])
def test_recommend_takes_any_sequence_of_ids(fitted, make):
    ids, _ = fitted.recommend(make(np.array([1, 2, 3], dtype=np.int32)), N=4)
    np.testing.assert_array_equal(ids, fitted.recommend(np.array([1, 2, 3]), N=4)[0])
    assert fitted.recommend(np.int64(1), N=4)[0].shape == (4,)
    assert fitted.recommend(np.array(1), N=4)[0].shape == (4,)
    assert fitted.recommend([], N=4)[0].shape == (0, 4)


def test_similar_items_and_users(fitted):
    items = fitted.item_factors / np.linalg.norm(fitted.item_factors, axis=1, keepdims=True)
    ids, scores = fitted.similar_items(4, N=6)
    np.testing.assert_array_equal(ids, np.argsort(-(items @ items[4]))[:6])
    assert scores[0] == pytest.approx(1, abs=1e-5)
    ids, scores = fitted.similar_users([4, 5], N=1000)
    assert ids.shape == (2, 400)
    assert sorted(ids[0]) == list(range(400))
    ids, scores = fitted.similar_users(4, N=400, filter_users=[4, 7])
    assert (ids[-2:] == -1).all()
    assert not {4, 7} & set(ids)


def test_norms_follow_the_factors(fitted):
    model = pickle.loads(pickle.dumps(fitted))
    before = model.similar_items(4, N=3)[0]
    model.item_factors[before[1]] = -model.item_factors[4]
    assert before[1] not in model.similar_items(4, N=3)[0]
    model.item_factors = np.ascontiguousarray(fitted.item_factors * 7)
    np.testing.assert_allclose(model.item_norms, 7 * fitted.item_norms, rtol=1e-5)
    model.user_factors = fitted.user_factors[:10]
    assert model.similar_users(0, N=20)[0].shape == (10,)


def test_factors_set_by_hand_recommend(annotations):
    model = VSEens()
    model.item_factors = np.eye(5, dtype=np.float32)
    model.user_factors = np.array([[1, 2, 3, 4, 5]], dtype=np.float32)
    ids, _ = model.recommend(0, filter_already_liked_items=False, N=2)
    assert ids.tolist() == [4, 3]
    ids, _ = model.recommend(0, csr_matrix(np.array([[0, 0, 0, 0, 1]])), N=2)
    assert ids.tolist() == [3, 2]
    with pytest.raises(ValueError, match="user_items=X"):
        model.recommend(0)


def test_factors_set_by_hand_fold_in(annotations):
    rng = np.random.default_rng(0)
    model = VSEens(factors=5, use_bias=False, iterations=2, warm_start=True, random_state=0)
    model.item_factors = rng.normal(size=(120, 5)).astype(np.float32)
    model.user_factors = rng.normal(size=(400, 5)).astype(np.float32)
    assert np.isfinite(model.transform(annotations)).all()
    model.partial_fit_users([400], annotations[0])
    assert model.user_factors.shape == (401, 5)
    model.user_factors = model.user_factors[:400]
    model.fit(annotations, show_progress=False)
    assert model.n_iter_ == 2
    assert len(model.history_["loss"]) == 2


def test_what_is_no_callback_leaves_the_model(annotations):
    model = VSEens(factors=4, iterations=2, random_state=0).fit(annotations, show_progress=False)
    before = model.item_factors
    with pytest.raises(TypeError, match="callback must be a function .* got 'x'"):
        model.fit(annotations, callback="x")
    assert model.item_factors is before


def test_a_warm_start_of_cosines_has_length_1(annotations):
    model = VSEens(factors=8, use_bias=False, iterations=2, warm_start=True, random_state=0)
    model.fit(annotations, show_progress=False)
    model.set_params(cosine=True, iterations=0, fold_in_users=False)
    model.fit(annotations, show_progress=False)
    for factors in (model.user_factors, model.item_factors):
        lengths = np.linalg.norm(factors, axis=1)
        # an image without labels has factors of 0
        np.testing.assert_allclose(lengths[lengths > 0], 1, rtol=1e-5)
        assert (lengths > 0).mean() > 0.9


def test_a_label_without_factors_is_like_nothing(annotations):
    model = VSEens(factors=8, iterations=2, random_state=0).fit(annotations, show_progress=False)
    model.item_factors[7] = 0
    for arguments in ({}, {"filter_items": [0]}):
        ids, cosines = model.similar_items(7, N=120, **arguments)
        assert ids[0] == 7
        assert cosines[0] == 0


def test_an_interval_that_never_ends(annotations):
    model = VSEens(
        factors=4, iterations=1, sampler=Adaptive(refresh_interval=1e308), random_state=0
    )
    assert model.fit(annotations, show_progress=False).n_iter_ == 1


def test_later_changes_of_the_callers_matrix_do_not_reach_the_model(annotations):
    matrix = annotations.copy()
    model = VSEens(factors=4, iterations=2, random_state=0).fit(matrix, show_progress=False)
    before = model.recommend(0, N=120)[0]
    matrix.indices[:] = 0
    np.testing.assert_array_equal(model.recommend(0, N=120)[0], before)


def test_an_interrupt_keeps_the_finished_epochs(annotations):
    def stop(epoch, *_):
        if epoch == 3:
            raise KeyboardInterrupt

    options = {"factors": 6, "learning_rate_schedule": "constant", "random_state": 0}
    model = VSEens(iterations=50, num_threads=1, **options)
    with pytest.warns(UserWarning, match="4 of 50 epochs"), pytest.raises(KeyboardInterrupt):
        model.fit(annotations, show_progress=False, callback=stop)
    assert model.n_iter_ == 4
    # it stops at once, and leaves the images' factors as the training had them
    whole = VSEens(iterations=4, fold_in_users=False, num_threads=1, **options)
    whole.fit(annotations, show_progress=False)
    np.testing.assert_array_equal(model.user_factors, whole.user_factors)


def test_no_warning_about_blas_threads():
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import numpy as np\n"
        "from vseens_rec import VSEens\n"
        "from vseens_rec.datasets import make_annotations\n"
        "X = make_annotations(500, 50, 3000, random_state=0)\n"
        "m = VSEens(factors=5, iterations=2).fit(X, show_progress=False)\n"
        "m.recommend(np.arange(500)); m.similar_items(np.arange(50))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("loss", ["logistic", "hinge", "warp"])
def test_damped_steps_bear_a_learning_rate_that_diverges_without(annotations, loss):
    def trained(**parameters):
        model = VSEens(
            factors=16, iterations=10, loss=loss, learning_rate=2.0, random_state=0, num_threads=1,
            **parameters,
        )  # fmt: skip
        return model.fit(train, show_progress=False)

    train, test = leave_one_out_split(annotations, random_state=0)
    found = ranking_metrics(trained(), train, test, "ndcg@10")["ndcg@10"]
    chance = sum(1 / np.log2(np.arange(2, 12))) / annotations.shape[1]
    assert found > 2 * chance
    with pytest.raises(ModelFitError):
        trained(damped_steps=False)


def test_the_linear_schedule_ends_small(annotations):
    """The last of many epochs moves the factors less than the same epoch at full step."""

    def moved(schedule):
        ends = []
        for epochs in (19, 20):

            def keep(epoch, *_, last=epochs - 1):
                if epoch == last:
                    raise KeyboardInterrupt

            model = VSEens(
                factors=6, iterations=20, learning_rate_schedule=schedule, random_state=0,
                num_threads=1,
            )  # fmt: skip
            with pytest.warns(UserWarning, match="epochs"), pytest.raises(KeyboardInterrupt):
                model.fit(annotations, show_progress=False, callback=keep)
            ends.append(model.item_factors)
        return np.abs(ends[1] - ends[0]).mean()

    assert moved("linear") < 0.25 * moved("constant")


def test_images_take_larger_steps_than_labels(annotations):
    def factors(multiplier, iterations=1):
        model = VSEens(
            factors=6, iterations=iterations, user_learning_rate_multiplier=multiplier,
            random_state=0, fold_in_users=False, regularization=0, num_threads=1,
        )  # fmt: skip
        return model.fit(annotations, show_progress=False).user_factors

    initial = factors(1.0, iterations=0)
    np.testing.assert_array_equal(factors(0.0), initial)
    moved = [np.abs(factors(multiplier) - initial).mean() for multiplier in (1.0, 8.0)]
    assert moved[1] > 5 * moved[0]


@pytest.fixture(scope="module")
def with_empty_ones(annotations):
    """Annotations, with labels that no image has and images that have no label."""
    wide = hstack([annotations, csr_matrix((400, 30))])
    return csr_matrix(vstack([wide, csr_matrix((25, 150))]))


@pytest.mark.parametrize(
    "parameters",
    [
        {}, {"init": "random"}, {"init": "spectral"}, {"use_bias": False}, {"cosine": True},
        {"fold_in_users": False}, {"sampler": "popularity"}, {"loss": "softmax"},
        {"early_stopping": True}, {"positive_sampling": "images"}, {"num_threads": 2},
    ],
)  # fmt: skip
def test_what_has_no_pair_has_factors_of_0(with_empty_ones, parameters):
    options = {"factors": 8, "iterations": 5, "random_state": 0, "num_threads": 1} | parameters
    if options.get("cosine"):
        options["use_bias"] = False
    model = VSEens(**options).fit(with_empty_ones, show_progress=False)
    counts = with_empty_ones.getnnz(axis=0)
    assert not model.item_factors[counts == 0, :8].any()
    assert model.item_factors[:120].any(axis=1).sum() >= 118
    assert not model.user_factors[400:, :8].any()
    # and so are similar to nothing
    ids, cosines = model.similar_items(np.arange(120), N=10)
    assert (cosines[np.isin(ids, np.flatnonzero(counts == 0))] <= 0).all()
    ids, cosines = model.similar_users(np.arange(400), N=10)
    assert (cosines[ids >= 400] <= 0).all()
    assert not model.similar_users(410, N=10)[1].any()
    if model.use_bias:
        # a label that nobody has comes after those that somebody has
        found = model.recommend(np.arange(400), N=20)[0]
        assert np.isin(found, np.flatnonzero(counts == 0)).mean() < 0.01
    # an image without labels is still recommended what many have
    if model.use_bias:
        found = model.recommend(410, N=5)[0]
        assert counts[found].mean() > counts.mean()


def test_factors_of_0_before_the_images_are_folded_in(with_empty_ones):
    model = VSEens(factors=8, iterations=5, random_state=0, num_threads=1)
    model.fit(with_empty_ones, show_progress=False)
    np.testing.assert_array_equal(model.transform(with_empty_ones), model.user_factors)


def test_a_training_that_stops_early_leaves_factors_of_0(with_empty_ones):
    model = VSEens(factors=8, iterations=5, random_state=0, num_threads=1)

    def stop(epoch, *_):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), pytest.warns(UserWarning, match="3 of 5 epochs"):
        model.fit(with_empty_ones, show_progress=False, callback=stop)
    assert not model.item_factors[120:, :8].any()
    assert not model.user_factors[400:, :8].any()


class Logged(VSEens):
    """A subclass with a parameter of its own."""

    def __init__(self, factors=8, run="a run", num_threads=1, random_state=0):
        super().__init__(
            factors=factors, iterations=2, num_threads=num_threads, random_state=random_state
        )
        self.run = run


class LoggedPreset(SampledSoftmax):
    def __init__(self, factors=8, *, run="a run", random_state=0):
        super().__init__(factors=factors, iterations=2, num_threads=1, random_state=random_state)
        self.run = run


@pytest.mark.parametrize("cls", [Logged, LoggedPreset])
def test_subclasses_may_add_parameters(annotations, cls, tmp_path):
    model = cls(run="another").fit(annotations, show_progress=False)
    assert clone(model).get_params()["run"] == "another"
    model.save(tmp_path / "model")
    loaded = cls.load(tmp_path / "model")
    assert loaded.run == "another"
    np.testing.assert_array_equal(loaded.recommend(3)[0], model.recommend(3)[0])
    with pytest.raises(ValueError, match="'factors' parameter"):
        cls(factors=0).fit(annotations)
    model.run = object()
    with pytest.raises(TypeError, match="the parameter run=.* which a file cannot hold"):
        model.save(tmp_path / "other")


def test_factors_set_by_hand_in_any_form(annotations):
    model = VSEens(factors=8, iterations=2, random_state=0, num_threads=1)
    model.fit(annotations, show_progress=False)
    users, items = model.user_factors, model.item_factors
    expected = model.recommend([3, 4], annotations[[3, 4]], N=5)[0]
    for convert in (
        np.asarray, np.asfortranarray, np.float64, np.ndarray.tolist,
        lambda a: np.repeat(a, 2, 1)[:, ::2],
    ):  # fmt: skip
        other = VSEens()
        other.user_factors, other.item_factors = convert(users), convert(items)
        np.testing.assert_array_equal(
            other.recommend([3, 4], annotations[[3, 4]], N=5)[0], expected
        )
        assert other.similar_items(7, N=3)[0][0] == 7
    half = VSEens()
    half.user_factors, half.item_factors = users.astype(np.float16), items.astype(np.float16)
    assert half.item_factors.dtype == np.float32
    assert half.recommend(3, annotations[3], N=5)[0].shape == (5,)
    half.item_factors = items[:, :-1]
    with pytest.raises(ValueError, match="do not belong together"):
        half.recommend(3, annotations[3])
    for wrong in (items[0], [["a"]], 3):
        with pytest.raises(ValueError, match="item_factors must be an array of numbers"):
            half.item_factors = wrong
    model.item_factors = model.user_factors = None
    assert model.item_factors is None
