"""Features of images: fit, fold-in, annotation, routing, files, and errors."""

import copy
import pickle

import numpy as np
import pytest
import sklearn
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline

from vseens_rec import EASE, Checkpoint, Popularity, SkipGram, VSEens
from vseens_rec.choices import EarlyStopping, FeatureMap, Penalty
from vseens_rec.metrics import ranking_metrics, ranking_scorer
from vseens_rec.model_selection import leave_one_out_split

N_LABELS = 30


def make_images(n_images, seed=0):
    """Return labels of images, and features that tell which of three topics an image is of."""
    rng = np.random.default_rng(seed)
    topics = rng.integers(3, size=n_images)
    chances = np.where(np.arange(N_LABELS) % 3 == topics[:, None], 0.3, 0.02)
    matrix = csr_matrix(rng.random((n_images, N_LABELS)) < chances).astype(np.float32)
    features = np.eye(3)[topics] + rng.normal(scale=0.2, size=(n_images, 3))
    return matrix, np.column_stack([features, rng.normal(size=(n_images, 2))]), topics


SETTINGS = {"factors": 12, "iterations": 12, "random_state": 0, "num_threads": 1}


@pytest.fixture(scope="module")
def images():
    return make_images(300)


@pytest.fixture(scope="module")
def fitted(images):
    matrix, features, _ = images
    return VSEens(**SETTINGS).fit(matrix, show_progress=False, image_features=features)


def test_images_never_seen_are_annotated_by_their_features(fitted):
    unseen, features, topics = make_images(80, seed=1)
    ids, scores = fitted.annotate(features, N=5)
    assert ids.shape == scores.shape == (80, 5)
    assert ids.dtype == np.int32
    assert scores.dtype == np.float32
    assert (np.diff(scores, axis=1) <= 0).all()
    assert (ids % 3 == topics[:, None]).mean() > 0.95
    by_map = ranking_metrics(lambda rows: scores_of(fitted, features[rows]), None, unseen, "map")
    popular = fitted.annotate(np.zeros((80, 5)), N=N_LABELS)
    assert (popular[0] == popular[0][0]).all()
    assert (
        by_map["map"]
        > 1.5
        * ranking_metrics(
            lambda rows: np.tile(in_order(*popular)[0], (len(rows), 1)), None, unseen, "map"
        )["map"]
    )


def in_order(ids, scores):
    """Return scores by label."""
    ordered = np.empty_like(scores)
    np.put_along_axis(ordered, ids, scores, axis=1)
    return ordered


def scores_of(model, features):
    return in_order(*model.annotate(features, N=N_LABELS))


def test_scores_are_products_with_the_map(fitted, images):
    _, features, _ = images
    vectors = np.column_stack([np.zeros((5, 12)), np.ones(5)]) + features[:5] @ (
        fitted.feature_factors
    )
    assert fitted.feature_factors.shape == (5, 13)
    assert not fitted.feature_factors[:, -1].any()
    np.testing.assert_allclose(
        scores_of(fitted, features[:5]), vectors @ fitted.item_factors.T, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("loss", ["logistic", "hinge"])
def test_an_image_without_labels_is_the_map_alone(images, loss):
    matrix, features, _ = images
    model = VSEens(loss=loss, **SETTINGS).fit(matrix, show_progress=False, image_features=features)
    empty = csr_matrix((4, N_LABELS))
    found = model.transform(empty, image_features=features[:4])
    np.testing.assert_allclose(found[:, :-1], (features[:4] @ model.feature_factors)[:, :-1], 1e-4)
    assert (found[:, -1] == 1).all()
    # with labels it is more, and of many labels more than of few
    some = model.transform(matrix[:40], image_features=features[:40])
    own = np.linalg.norm(some[:, :-1] - (features[:40] @ model.feature_factors)[:, :-1], axis=1)
    lengths = np.diff(matrix[:40].indptr)
    assert (own > 1e-3).all() == (lengths > 0).all()
    assert own[lengths >= 5].mean() > own[lengths == 1].mean()


def test_the_exponent_of_the_prior_finds_rare_labels(fitted, images):
    matrix, features, _ = images
    counts = matrix.getnnz(axis=0)
    usual, _ = fitted.annotate(features, N=5)
    rare, scores = fitted.annotate(features, N=5, prior_exponent=1.0)
    assert counts[rare].mean() < counts[usual].mean()
    expected = scores_of(fitted, features) - np.log(counts)
    np.testing.assert_allclose(scores[:, 0], expected.max(axis=1), rtol=1e-4, atol=1e-4)
    assert len(np.unique(rare)) >= len(np.unique(usual))


def test_fold_in_depends_on_the_row_alone(fitted, images):
    matrix, features, _ = images
    whole = fitted.transform(matrix, image_features=features)
    np.testing.assert_array_equal(whole, fitted.user_factors)
    some = np.array([7, 3, 250])
    np.testing.assert_array_equal(
        fitted.transform(matrix[some], image_features=csr_matrix(features)[some]), whole[some]
    )
    np.testing.assert_array_equal(
        fitted.transform(matrix[5], image_features=features[[5]])[0], whole[5]
    )
    two = copy.deepcopy(fitted).set_params(num_threads=2)
    np.testing.assert_array_equal(two.transform(matrix, image_features=features), whole)


def test_sparse_and_dense_features_teach_the_same(images):
    matrix, features, _ = images
    # what an image does not have, a zero, counts in none of them
    features = np.where(np.abs(features) > 0.3, features, 0)
    stored = csr_matrix(np.ones_like(features))
    stored.data[:] = features.ravel()
    models = [
        VSEens(**SETTINGS).fit(matrix, show_progress=False, image_features=given)
        for given in (
            stored,
            features,
            csr_matrix(features),
            features.astype(np.float32),
            features.tolist(),
        )
    ]
    for model in models[1:]:
        np.testing.assert_array_equal(model.item_factors, models[0].item_factors)
        np.testing.assert_array_equal(model.feature_factors, models[0].feature_factors)


def test_the_scale_of_features_does_not_matter(images, fitted):
    matrix, features, _ = images
    model = VSEens(**SETTINGS).fit(matrix, show_progress=False, image_features=64 * features)
    np.testing.assert_allclose(model.item_factors, fitted.item_factors, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(
        64 * model.feature_factors, fitted.feature_factors, rtol=0.02, atol=0.02
    )


def test_the_arrays_of_the_caller_stay(images):
    matrix, features, _ = images
    for given in (features.copy(), csr_matrix(features)):
        before = pickle.dumps(given)
        VSEens(**SETTINGS | {"iterations": 1}).fit(
            matrix, show_progress=False, image_features=given
        )
        assert pickle.dumps(given) == before


def test_without_image_ids_images_are_what_their_features_say(images):
    matrix, features, _ = images
    model = VSEens(features=FeatureMap(image_ids=False), **SETTINGS)
    model.fit(matrix, show_progress=False, image_features=features)
    np.testing.assert_allclose(
        model.user_factors[:, :-1], (features @ model.feature_factors)[:, :-1], rtol=1e-4, atol=1e-4
    )


def test_features_help_images_of_few_labels():
    matrix, features, _ = make_images(600, seed=3)
    train, held_out = leave_one_out_split(matrix, random_state=0)
    settings = SETTINGS | {"iterations": 30}
    by_ids = VSEens(**settings).fit(train, show_progress=False).score(train, held_out)
    model = VSEens(**settings).fit(train, show_progress=False, image_features=features)
    assert model.score(train, held_out) > 1.02 * by_ids


@pytest.mark.parametrize(
    "parameters",
    [
        {"fold_in_users": False},
        {"early_stopping": EarlyStopping(n_iter_no_change=2)},
        {"early_stopping": True, "fold_in_users": False},
        {"loss": "warp", "sampler": "uniform"},
        {"loss": "softmax", "use_bias": False},
        {"positive_sampling": "weighted"},
        {"init": "spectral", "item_item": None},
        {"item_item": "dense", "iterations": 6},
        {"regularization": Penalty(user=0.2), "dtype": np.float64},
    ],
    ids=lambda p: ",".join(p),
)
def test_ways_to_train_with_features(images, parameters):
    matrix, features, topics = images
    model = VSEens(**SETTINGS | parameters)
    model.fit(matrix, show_progress=False, image_features=features)
    ids, _ = model.annotate(features, N=3)
    assert (ids % 3 == topics[:, None]).mean() > 0.9
    assert model.feature_factors.dtype == model.item_factors.dtype
    assert np.isfinite(model.user_factors).all()


def test_images_come_and_change_with_their_features(fitted, images):
    matrix, features, _ = images
    model = pickle.loads(pickle.dumps(fitted))
    new, new_features, topics = make_images(3, seed=5)
    model.partial_fit_users([300, 302, 4], new, image_features=new_features)
    assert model.user_factors.shape == (303, 13)
    expected = fitted.transform(new, image_features=new_features)
    np.testing.assert_array_equal(model.user_factors[[300, 302, 4]], expected)
    # nothing is known of the one between
    np.testing.assert_array_equal(model.user_factors[301], np.eye(13)[12])
    ids, _ = model.recommend(
        [0, 1, 2], new, N=4, recalculate_user=True, image_features=new_features
    )
    assert (ids % 3 == topics[:, None]).mean() > 0.5
    known = model.recalculate_user(0, matrix[9], image_features=features[[9]])
    np.testing.assert_array_equal(known, fitted.user_factors[9])


def test_a_warm_start_goes_on_with_the_map(images):
    matrix, features, _ = images
    model = VSEens(warm_start=True, **SETTINGS)
    model.fit(matrix[:200], show_progress=False, image_features=features[:200])
    before = model.feature_factors.copy()
    loss = model.history_["loss"][-1]
    model.set_params(iterations=3).fit(matrix, show_progress=False, image_features=features)
    assert model.n_iter_ == 15
    assert model.history_["loss"][12] < 1.5 * loss + 0.1
    moved = np.linalg.norm(model.feature_factors - before) / np.linalg.norm(before)
    assert 0 < moved < 0.8
    with pytest.raises(ValueError, match="some image_features, but this one gets none"):
        model.fit(matrix, show_progress=False)
    with pytest.raises(ValueError, match=r"4 features .* fitted with 5"):
        model.fit(matrix, show_progress=False, image_features=features[:, :4])
    without = VSEens(warm_start=True, **SETTINGS).fit(matrix, show_progress=False)
    with pytest.raises(ValueError, match="no image_features, but this one gets some"):
        without.fit(matrix, show_progress=False, image_features=features)


def test_files_keep_the_map_and_never_the_features(fitted, images, tmp_path):
    matrix, features, _ = images
    path = tmp_path / "model.npz"
    fitted.save(path)
    loaded = VSEens.load(path)
    np.testing.assert_array_equal(loaded.feature_factors, fitted.feature_factors)
    for found, expected in zip(loaded.annotate(features), fitted.annotate(features), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        loaded.transform(matrix[:9], image_features=features[:9]), fitted.user_factors[:9]
    )
    assert len(pickle.dumps(fitted)) < matrix.nnz * 8 + 4 * 14 * (300 + N_LABELS) + 40_000
    fitted.save(path, fitted_matrix=False)
    small = VSEens.load(path)
    small.annotate(features)
    with pytest.raises(ValueError, match="fitted_matrix=True"):
        small.annotate(features, prior_exponent=0.5)


def test_a_file_whose_map_does_not_agree_is_refused(fitted, tmp_path):
    from vseens_rec.files import models

    fitted.save(tmp_path / "model.npz")
    state = models.read("VSEens", tmp_path / "model.npz")
    for change, message in [
        ({"feature_factors": state.arrays["feature_factors"][:, :-1]}, "does not agree"),
        ({"feature_squares": state.arrays["feature_squares"][:-1]}, "does not agree"),
        ({"feature_factors": np.full((5, 13), np.nan, np.float32)}, "not finite"),
    ]:
        damaged = models.ModelState(**vars(state) | {"arrays": state.arrays | change})
        with pytest.raises(ValueError, match=message):
            models.write(damaged, tmp_path / "model.npz")
    half = {name: array for name, array in state.arrays.items() if name != "feature_squares"}
    with pytest.raises(ValueError, match="half of a map"):
        models.write(models.ModelState(**vars(state) | {"arrays": half}), tmp_path / "model.npz")
    named = models.ModelState(**vars(state) | {"feature_names": ["a", "b"]})
    models.write(named, tmp_path / "model.npz")
    with pytest.raises(ValueError, match="names 2 features"):
        VSEens.load(tmp_path / "model.npz")


@pytest.mark.parametrize("stopping", [False, True])
def test_a_training_with_features_goes_on_from_its_checkpoint(images, tmp_path, stopping):
    matrix, features, _ = images
    model = VSEens(early_stopping=stopping, **SETTINGS)

    def stop(epoch, *rest):
        if epoch == 6:
            raise KeyboardInterrupt

    whole = clone(model).fit(matrix, show_progress=False, image_features=features)
    checkpoint = Checkpoint(tmp_path / "training")
    with pytest.warns(UserWarning, match="stopped early"), pytest.raises(KeyboardInterrupt):
        clone(model).fit(
            matrix, show_progress=False, image_features=features, callback=stop,
            checkpoint=checkpoint,
        )  # fmt: skip
    with pytest.raises(ValueError, match="differs in image_features"):
        clone(model).fit(
            matrix, show_progress=False, image_features=2 * features, checkpoint=checkpoint
        )
    resumed = clone(model).fit(
        matrix, show_progress=False, image_features=features, checkpoint=checkpoint
    )
    np.testing.assert_array_equal(resumed.feature_factors, whole.feature_factors)
    np.testing.assert_array_equal(resumed.user_factors, whole.user_factors)


def test_a_callback_can_annotate(images):
    matrix, features, topics = images
    model = VSEens(**SETTINGS)
    right = []

    def look(*counts):
        ids, _ = model.annotate(features, N=3)
        right.append((ids % 3 == topics[:, None]).mean())

    model.fit(matrix, show_progress=False, image_features=features, callback=look)
    assert right[-1] > right[0]
    assert len(right) == SETTINGS["iterations"]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("scoring", [None, "ndcg@10"])
def test_folds_cut_the_features_with_the_rows(images, scoring):
    matrix, features, _ = images
    model = VSEens(**SETTINGS).set_fit_request(image_features=True)
    scorer = None
    if scoring is None:
        model.set_score_request(image_features=True)
    else:
        scorer = ranking_scorer(scoring).set_score_request(image_features=True)
    search = GridSearchCV(
        model, {"learning_rate": [0.0, 0.2]}, cv=KFold(2, shuffle=True, random_state=0),
        scoring=scorer,
    )  # fmt: skip
    search.fit(matrix, image_features=features)
    assert search.best_params_ == {"learning_rate": 0.2}
    rows = next(iter(KFold(2, shuffle=True, random_state=0).split(matrix)))
    by_hand = clone(model).set_params(learning_rate=0.2)
    by_hand.fit(matrix[rows[0]], image_features=features[rows[0]])
    expected = by_hand.score(matrix[rows[1]], image_features=features[rows[1]])
    assert search.cv_results_["split0_test_score"][1] == pytest.approx(expected)


@pytest.mark.usefixtures("routing")
def test_a_pipeline_passes_features_on(images):
    matrix, features, _ = images
    model = VSEens(**SETTINGS).set_fit_request(image_features=True)
    model.set_transform_request(image_features=True)
    pipeline = Pipeline([("model", model)])
    pipeline.fit(matrix, image_features=features)
    found = pipeline.transform(matrix[:5], image_features=features[:5])
    expected = clone(model).fit(matrix, image_features=features)
    np.testing.assert_array_equal(found, expected.user_factors[:5])
    np.testing.assert_array_equal(
        clone(model).fit_transform(matrix, image_features=features), expected.user_factors
    )


def test_names_of_features_are_kept_and_checked(images, tmp_path):
    pandas = pytest.importorskip("pandas")
    matrix, features, _ = images
    frame = pandas.DataFrame(features, columns=["red", "green", "blue", "x", "y"])
    model = VSEens(**SETTINGS).fit(matrix, show_progress=False, image_features=frame)
    plain = VSEens(**SETTINGS).fit(matrix, show_progress=False, image_features=features)
    np.testing.assert_array_equal(model.item_factors, plain.item_factors)
    model.save(tmp_path / "model.npz")
    for named in (model, VSEens.load(tmp_path / "model.npz")):
        named.annotate(frame)
        named.annotate(features)
        with pytest.raises(ValueError, match="in another order"):
            named.annotate(frame[["green", "red", "blue", "x", "y"]])
        with pytest.raises(ValueError, match="others, such as 'z'"):
            named.annotate(frame.rename(columns={"y": "z"}))
    frame["green"] = "much"
    with pytest.raises(ValueError, match=r"column 'green' .*OneHotEncoder"):
        VSEens(**SETTINGS).fit(matrix, image_features=frame)


def test_wrong_features_are_refused_with_a_remedy(fitted, images):
    matrix, features, _ = images
    wrong = features.copy()
    wrong[4, 1] = np.nan
    large = features * [1, 1, 1e6, 1, 1]
    for given, message in [
        (features[:-1], r"299 rows, but there are 300 images"),
        (features[0], r"shape \(5,\): for one image pass features.reshape"),
        (wrong, r"NaN, in column 1 .*SimpleImputer"),
        (csr_matrix(wrong), r"NaN, in column 1 "),
        (np.where(wrong > 0, np.inf, wrong), "infinity|NaN"),
        (large, r"column 2 .* values of about 6\.58e\+05, where .*StandardScaler"),
        (features.astype(str), "OneHotEncoder"),
        (np.zeros((300, 0)), "no column"),
        ([["a"]] * 300, "numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            VSEens(**SETTINGS).fit(matrix, image_features=given)
        if given is not large:
            with pytest.raises(ValueError, match=r".*"):
                fitted.transform(matrix, image_features=given)
    for call in (
        lambda: fitted.transform(matrix[:2], image_features=features[:2, :3]),
        lambda: fitted.annotate(csr_matrix(features[:2, :3])),
    ):
        with pytest.raises(ValueError, match=r"3 features \(columns\), .* fitted with 5"):
            call()


def test_features_that_are_missing_or_too_many_are_said(fitted, images):
    matrix, features, _ = images
    plain = VSEens(**SETTINGS).fit(matrix, show_progress=False)
    for call in (
        lambda: fitted.transform(matrix),
        lambda: fitted.recalculate_user(0, matrix[0]),
        lambda: fitted.partial_fit_users(0, matrix[0]),
        lambda: fitted.recommend(0, matrix[0], recalculate_user=True),
        lambda: fitted.score(matrix[:50]),
    ):
        with pytest.raises(ValueError, match="fitted with 5 features"):
            call()
    for call in (
        lambda: plain.transform(matrix, image_features=features),
        lambda: plain.recalculate_user(0, matrix[0], image_features=features[:1]),
        lambda: plain.partial_fit_users(0, matrix[0], image_features=features[:1]),
        lambda: plain.score(matrix[:50], image_features=features[:50]),
        lambda: plain.annotate(features),
    ):
        with pytest.raises(ValueError, match="fitted without"):
            call()
    with pytest.raises(ValueError, match="recalculate_user=True"):
        fitted.recommend(0, image_features=features[:1])
    for model in (EASE(), Popularity()):
        with pytest.raises(ValueError, match="takes no image_features"):
            model.fit(matrix, image_features=features)
    with pytest.raises(ValueError, match="takes no image_features"):
        SkipGram().fit(matrix, image_features=features)
    with pytest.raises(ValueError, match="fit got none"):
        VSEens(features=FeatureMap()).fit(matrix)
    with pytest.raises(ValueError, match="cosine=True"):
        VSEens(cosine=True, use_bias=False).fit(matrix, image_features=features)
    with pytest.raises(ValueError, match="dropout"):
        VSEens(features=FeatureMap(dropout=1.0)).fit(matrix, image_features=features)
    assert fitted.annotate(np.zeros((0, 5)))[0].shape == (0, 5)
    with pytest.raises(ValueError, match="prior_exponent"):
        fitted.annotate(features, prior_exponent=np.nan)


def test_features_of_no_use_leave_images_that_have_labels_as_they_were():
    matrix, features, _ = make_images(600, seed=7)
    train, held_out = leave_one_out_split(matrix, random_state=0)
    settings = SETTINGS | {"iterations": 30}
    shuffled = np.random.default_rng(0).permutation(features)
    by_ids = VSEens(**settings).fit(train, show_progress=False).score(train, held_out)
    model = VSEens(**settings).fit(train, show_progress=False, image_features=shuffled)
    assert model.score(train, held_out) > 0.97 * by_ids
