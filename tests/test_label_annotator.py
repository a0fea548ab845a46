"""LabelAnnotator inside scikit-learn, and what it says of images."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.metrics import label_ranking_average_precision_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from vseens_rec import LabelAnnotator, VSEens
from vseens_rec.choices import FeatureMap, Softmax

from .test_features import make_images

MODEL = VSEens(
    factors=12, iterations=12, loss="softmax", sampler="uniform", item_item=None, random_state=0,
    num_threads=1,
)  # fmt: skip
# of classifiers that give each sample one class, or the labels above a threshold
OF_OTHERS = {
    "check_classifiers_classes": "y is a matrix, not a vector of classes",
    "check_classifiers_train": "y is a matrix, not a vector of classes",
    "check_classifiers_regression_target": "y is a matrix, not a vector of numbers",
    "check_classifier_not_supporting_multiclass": "y is a matrix, not a vector of classes",
    "check_classifier_multioutput": "predict gives N labels, not those above a threshold",
}


@parametrize_with_checks(
    [LabelAnnotator(VSEens(factors=4, iterations=3, item_item=None, random_state=0))],
    expected_failed_checks=lambda _: OF_OTHERS,
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def images():
    matrix, features, topics = make_images(300)
    return features, matrix.toarray().astype(int), topics


def test_it_says_what_its_model_says(images):
    features, labels, topics = images
    annotator = LabelAnnotator(MODEL, N=4, prior_exponent=0.5).fit(features, labels)
    model = clone(MODEL).fit(labels, show_progress=False, image_features=features)
    ids, scores = model.annotate(features, N=4, prior_exponent=0.5)
    found = annotator.decision_function(features)
    assert found.shape == labels.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.take_along_axis(found, ids, 1), scores, rtol=1e-5, atol=1e-5)
    given = annotator.predict(features)
    assert (given.sum(axis=1) == 4).all()
    assert np.take_along_axis(given, ids, 1).all()
    assert (ids % 3 == topics[:, None]).mean() > 0.95
    assert LabelAnnotator(MODEL, N=100).fit(features, labels).predict(features).all()
    assert len(annotator.classes_) == labels.shape[1]
    assert MODEL.user_factors is None


def test_sparse_and_dense_are_the_same(images):
    features, labels, _ = images
    dense = LabelAnnotator(MODEL).fit(features, labels)
    sparse = LabelAnnotator(MODEL).fit(csr_matrix(features), csr_matrix(labels) > 0)
    np.testing.assert_array_equal(
        sparse.decision_function(csr_matrix(features[:9])), dense.decision_function(features[:9])
    )


def test_probabilities_are_those_of_a_label_that_is_drawn():
    rng = np.random.default_rng(0)
    topics = rng.integers(2, size=2000)
    features = np.eye(2)[topics]
    # one label an image, by the law of its topic
    laws = np.zeros((2, 30))
    laws[:, [3, 9, 12, 20]] = [[0.6, 0.3, 0.1, 0.0], [0.1, 0.1, 0.2, 0.6]]
    drawn = (rng.random(2000)[:, None] > np.cumsum(laws, axis=1)[topics]).sum(axis=1)
    labels = np.eye(30)[drawn]
    model = clone(MODEL).set_params(iterations=30, candidates=20, regularization=0.0)
    model.set_params(features=FeatureMap(dropout=0.0, image_ids=False))
    for loss in (Softmax(), Softmax(temperature=0.5)):
        model.set_params(loss=loss)
        annotator = LabelAnnotator(model, prior_exponent=1.0).fit(features, labels)
        found = annotator.predict_proba(np.eye(2))
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(found, laws, atol=0.08)
    for model in (VSEens(), VSEens(loss="softmax"), VSEens(loss="sgns", sampler="uniform")):
        assert not hasattr(LabelAnnotator(model), "predict_proba")
    assert hasattr(LabelAnnotator(), "predict_proba")


def test_score_is_average_precision_by_image(images):
    features, labels, _ = images
    some = labels.any(axis=1)
    annotator = LabelAnnotator(MODEL).fit(features, labels)
    expected = label_ranking_average_precision_score(
        labels[some], annotator.decision_function(features[some])
    )
    assert annotator.score(features, labels) == pytest.approx(expected, rel=1e-6)


def test_in_scikit_learns_tools_without_routing(images):
    pandas = pytest.importorskip("pandas")
    features, labels, _ = images
    frame = pandas.DataFrame(features * [1, 1, 1, 1e6, 10], columns=list("abcde"))
    columns = ColumnTransformer([
        ("topics", Normalizer(), ["a", "b", "c"]),
        ("noise", StandardScaler(), ["d", "e"]),
    ])  # fmt: skip
    pipeline = make_pipeline(columns, LabelAnnotator(MODEL))
    search = GridSearchCV(
        pipeline,
        {"labelannotator__model__iterations": [0, 12], "labelannotator__prior_exponent": [0.0]},
        cv=2,
    )
    search.fit(frame, labels)
    assert search.best_params_["labelannotator__model__iterations"] == 12
    found = search.cv_results_["mean_test_score"]
    assert found[1] > found[0] + 0.1
    assert search.predict(frame[:7]).shape == (7, labels.shape[1])
    f1 = cross_val_score(pipeline, frame, labels, cv=2, scoring="f1_micro")
    assert (f1 > 0.3).all()


def test_names_of_columns_are_kept_and_checked(images):
    pandas = pytest.importorskip("pandas")
    features, labels, _ = images
    frame = pandas.DataFrame(features, columns=list("abcde"))
    annotator = LabelAnnotator(MODEL).fit(frame, labels)
    assert annotator.feature_names_in_.tolist() == list("abcde")
    with pytest.raises(ValueError, match="should match those that were passed during fit"):
        annotator.predict(frame[list("bacde")])


def test_wrong_input_is_refused_with_a_remedy(images):
    features, labels, topics = images
    for X, y, message in [
        (features[:-1], labels, r"X has 299 rows of features, y 300 of labels"),
        (features, topics, "MultiLabelBinarizer"),
        (features, labels * 0.5, "y is continuous"),
        (features, labels * -1, "Negative values"),
        (features, labels * 0, "no positive"),
        (features, None, "requires y"),
    ]:
        with pytest.raises(ValueError, match=message):
            LabelAnnotator(MODEL).fit(X, y)
    with pytest.raises(ValueError, match="features"):
        LabelAnnotator(MODEL).fit(features, labels).predict(features[:, :2])
    for parameters in ({"N": 0}, {"model": "softmax"}, {"prior_exponent": np.inf}):
        with pytest.raises(ValueError, match="parameter of LabelAnnotator"):
            LabelAnnotator(**parameters).fit(features, labels)


def test_a_refused_fit_changes_nothing(images):
    features, labels, _ = images
    annotator = LabelAnnotator(MODEL).fit(features, labels)
    before = dict(vars(annotator))
    with pytest.raises(ValueError, match="inconsistent"):
        annotator.fit(features[:, :3], labels[:5])
    assert vars(annotator) == before


@pytest.mark.parametrize(
    ("rows", "columns", "message"), [(5, None, "inconsistent"), (None, 7, "7 labels")]
)
def test_a_score_needs_the_labels_of_the_same_images(images, rows, columns, message):
    features, labels, _ = images
    annotator = LabelAnnotator(MODEL).fit(features, labels)
    with pytest.raises(ValueError, match=message):
        annotator.score(features, labels[:rows, :columns])


@pytest.mark.parametrize("method", ["decision_function", "predict_proba", "predict"])
def test_scikit_learn_predicts_what_folds_leave_out(images, method):
    features, labels, _ = images
    found = cross_val_predict(LabelAnnotator(MODEL), features, labels, cv=3, method=method)
    assert np.shape(found) == labels.shape


def test_the_usual_model_takes_a_seed(images):
    features, labels, _ = images
    quick = {"iterations": 2, "random_state": 3, "num_threads": 1}
    found = [
        LabelAnnotator(VSEens.for_annotation(**quick)).fit(features, labels).predict(features)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*found)
    usual, own = LabelAnnotator().fit(features, labels).model_, VSEens.for_annotation()
    assert usual.get_params() == own.get_params()


def test_probabilities_are_those_of_the_fitted_model(images):
    features, labels, _ = images
    annotator = LabelAnnotator(clone(MODEL).set_params(loss="logistic")).fit(features, labels)
    annotator.set_params(model=None)
    assert not hasattr(annotator, "predict_proba")
