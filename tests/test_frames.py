"""Data frames are taken by the names of their columns, and long tables are not taken for wide."""

import io
import pickle

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone

from vseens_rec import NamedModel, Popularity, VSEens
from vseens_rec.datasets import Annotations
from vseens_rec.metrics import ranking_metrics, ranking_scorer
from vseens_rec.model_selection import leave_one_out_split

pd = pytest.importorskip("pandas")

OPTIONS = {"factors": 4, "iterations": 2, "random_state": 0, "num_threads": 1}


def fit(X, **parameters):
    return VSEens(**OPTIONS | parameters).fit(X, show_progress=False)


@pytest.fixture(scope="module", params=["text", "number"])
def frame(request, annotations):
    labels = [f"tag {i}" if request.param == "text" else 1000 - 7 * i for i in range(120)]
    images = [f"photo {i}" for i in range(400)]
    return pd.DataFrame(annotations.toarray(), index=images, columns=labels)


@pytest.fixture(scope="module")
def fitted(frame):
    return fit(frame)


def everywhere(model, X):
    """Every call of a fitted model that takes rows of labels."""
    row = X.iloc[[3]]
    return {
        "recommend": lambda: model.recommend(3, row),
        "recommend anew": lambda: model.recommend(3, row, recalculate_user=True),
        "recalculate_user": lambda: model.recalculate_user(3, row),
        "partial_fit_users": lambda: pickle.loads(pickle.dumps(model)).partial_fit_users(3, row),
        "transform": lambda: model.transform(row),
        "score": lambda: model.score(X),
        "score, held out": lambda: model.score(X.to_numpy() * (np.arange(120) > 60), X),
        "ranking_metrics": lambda: ranking_metrics(model, None, X, "mrr"),
        "ranking_scorer": lambda: ranking_scorer("mrr")(model, X),
        "warm start": lambda: (
            clone(model) and pickle.loads(pickle.dumps(model)).set_params(warm_start=True).fit(X)
        ),
    }


CALLS = [
    "recommend", "recommend anew", "recalculate_user", "partial_fit_users", "transform", "score",
    "score, held out", "ranking_metrics", "ranking_scorer", "warm start",
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_columns_in_another_order_are_refused_by_all(fitted, frame, call):
    everywhere(fitted, frame)[call]()
    with pytest.raises(ValueError, match="order"):
        everywhere(fitted, frame[frame.columns[::-1]])[call]()


@pytest.mark.parametrize("call", CALLS[:-1])
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_other_columns_are_refused_by_all(fitted, frame, call):
    other = frame.rename(columns={frame.columns[5]: frame.columns[5] * 2})
    with pytest.raises(ValueError, match="(?s)unseen at fit time.*now missing.*reindex"):
        everywhere(fitted, other)[call]()


def test_the_remedy_for_another_order_works(fitted, frame):
    turned = frame[frame.columns[::-1]]
    names = getattr(fitted, "feature_names_in_", frame.columns)
    np.testing.assert_array_equal(fitted.transform(turned[names]), fitted.transform(frame))


def test_the_names_of_columns_survive_files_and_pickles(fitted, frame):
    file = io.BytesIO()
    fitted.save(file)
    for model in (VSEens.load(file), pickle.loads(pickle.dumps(fitted))):
        with pytest.raises(ValueError, match="same order"):
            model.transform(frame[frame.columns[::-1]])
        np.testing.assert_array_equal(model.transform(frame), fitted.transform(frame))
        assert hasattr(model, "feature_names_in_") == isinstance(frame.columns[0], str)
        if hasattr(model, "feature_names_in_"):
            assert model.feature_names_in_.tolist() == frame.columns.tolist()
            assert model.feature_names_in_.dtype == object


def test_a_fit_without_names_forgets_them(frame, annotations):
    model = fit(frame)
    model.fit(annotations, show_progress=False)
    assert not hasattr(model, "feature_names_in_")
    turned = frame[frame.columns[::-1]]
    turned.columns = np.arange(120)
    model.transform(turned)


def test_numbered_columns_are_no_names(annotations):
    X = pd.DataFrame(annotations.toarray())
    model = fit(X)
    np.testing.assert_array_equal(model.item_factors, fit(annotations).item_factors)
    named = pd.DataFrame(annotations.toarray(), columns=[f"t{i}" for i in range(120)])
    with pytest.warns(UserWarning, match="fitted without feature names"):
        model.transform(named)


def test_a_warm_start_takes_new_columns_at_the_end(frame):
    old = frame.iloc[:, :100]
    model = fit(old[old.sum(axis=1) > 0], warm_start=True)
    for X, message in (
        (frame[frame.columns[::-1]], "in the order of the first fit, new ones last"),
        (frame.drop(columns=[frame.columns[3]]), f"lacks the columns\n- {frame.columns[3]}"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, show_progress=False)
    model.fit(frame, show_progress=False)
    with pytest.raises(ValueError, match="same order"):
        model.transform(frame[frame.columns[::-1]])


def test_labels_that_come_later_end_the_names(frame):
    model = fit(frame)
    model.partial_fit_items(120, csr_matrix(np.ones((1, 400))))
    assert not hasattr(model, "feature_names_in_")
    assert model.recommend(3, csr_matrix((1, 121)))[0].shape == (10,)


def test_two_frames_that_are_measured_have_the_same_names(fitted, frame):
    train, test = (
        pd.DataFrame(part.toarray(), frame.index, frame.columns)
        for part in leave_one_out_split(frame, random_state=0)
    )
    expected = ranking_metrics(fitted, train, test, "mrr")
    turned = test.iloc[::-1]
    with pytest.raises(ValueError, match="the rows of y are in another order.*reindex"):
        ranking_metrics(fitted, train, turned, "mrr")
    with pytest.raises(ValueError, match="the columns of y are in another order"):
        ranking_metrics(fitted, train, test[frame.columns[::-1]], "mrr")
    with pytest.raises(ValueError, match="the rows of y are others"):
        ranking_scorer("mrr")(fitted, train, test.rename(index={"photo 0": "?"}))
    again = turned.reindex(index=train.index, columns=train.columns, fill_value=0)
    assert ranking_metrics(fitted, train, again, "mrr") == expected


LONG = {
    "text": {"user": ["a", "a", "b"], "item": ["x", "y", "y"], "n": [1, 2, 1]},
    "numbers": {"userId": [0, 0, 1], "movieId": [3, 4, 4]},
    "0 and 1": {"user_id": [0, 0, 1], "item_id": [0, 1, 1]},
    "two words": {"Customer ID": [7, 7, 9], "Product": [1, 2, 1], "count": [1, 1, 5]},
    "names of no help": {"who": [5, 5, 9, 9], "what": [1, 2, 2, 3], "n": [1, 1, 1, 4]},
    "texts of no help": {"who": ["a", "b"], "what": ["x", "y"]},
    "a text and numbers": {"who": ["a", "a", "b"], "what": [7, 8, 8]},
    "with a time": {"u": [5, 5, 9], "i": [11, 12, 13], "r": [3, 4, 5], "t": [880, 881, 890]},
}


@pytest.mark.parametrize("kind", LONG)
def test_long_tables_are_refused_with_the_call_that_was_meant(kind):
    X = pd.DataFrame(LONG[kind])
    first, second = list(X.columns)[:2]
    with pytest.raises(ValueError, match="a row for every pair of an image and a label") as caught:
        fit(X)
    assert f"pandas.crosstab(X[{first!r}], X[{second!r}])" in str(caught.value)
    assert f"image={first!r}, label={second!r}" in str(caught.value)
    with pytest.raises(ValueError, match="NamedModel.of"):
        NamedModel.of(VSEens(**OPTIONS), X)
    # the call that is named gives the matrix
    wide = pd.crosstab(X[first], X[second])
    assert fit(wide).item_factors.shape == (X[second].nunique(), 5)


def test_long_arrays_are_refused():
    pairs = np.array([[5, 11, 1], [5, 12, 1], [9, 12, 1], [9, 15, 3]])
    with pytest.raises(ValueError, match=r"csr_matrix\(\(np.ones\(len\(X\)\), \(X\[:, 0\]"):
        fit(pairs)
    records = np.array([(1, 2), (3, 4)], dtype=[("user", int), ("tag", int)])
    with pytest.raises(ValueError, match=r"crosstab\(X\['user'\], X\['tag'\]\)"):
        fit(records)
    with pytest.raises(ValueError, match="a row for every pair"):
        leave_one_out_split(pairs)


def test_matrices_with_few_labels_are_not_taken_for_long_tables():
    rng = np.random.default_rng(0)
    for X in (
        pd.DataFrame(rng.integers(0, 2, (50, 3)), columns=["sea", "sky", "user"]),
        pd.DataFrame(rng.integers(0, 40, (50, 2)) * rng.integers(0, 2, (50, 2))),
        pd.DataFrame(rng.integers(0, 2, (9, 2)), columns=["photo", "painting"]),
        rng.integers(0, 2, (50, 3)) * rng.integers(1, 9, (50, 3)),
        rng.random((50, 3)),
        np.array([[1, 1], [1, 0], [0, 1]]),
        # the way out that the message names
        csr_matrix(np.array([[5, 11, 1], [5, 12, 1], [9, 12, 1], [9, 15, 3]])),
    ):
        assert len(fit(X).item_factors) == X.shape[1]


def test_ids_in_a_column_and_lists_in_a_column():
    wide = pd.DataFrame({"user": ["a", "b", "c"], "x": [1, 0, 1], "y": [0, 1, 1], "z": [1, 0, 0]})
    with pytest.raises(ValueError, match=r"names the images.*X.set_index\('user'\)"):
        fit(wide)
    assert len(fit(wide.set_index("user")).item_factors) == 3
    tags = pd.DataFrame({"image": ["a", "b"], "tags": [["sea", "sky"], ["sea"]]})
    with pytest.raises(ValueError, match=r"lists in its column 'tags'.*X.explode\('tags'\)"):
        fit(tags)
    long = tags.explode("tags")
    assert len(fit(pd.crosstab(long["image"], long["tags"])).item_factors) == 2
    with pytest.raises(ValueError, match="MultiLabelBinarizer"):
        fit([["sea", "sky"], ["sea"]])


def test_a_pivot_with_holes_names_fillna(fitted, frame):
    holes = frame.where(frame > 0)
    for call in (lambda: fit(holes), lambda: leave_one_out_split(holes)):
        with pytest.raises(ValueError, match=r"X contains NaN.*pivot.*X\.fillna\(0\)"):
            call()
    with pytest.raises(ValueError, match="user_items must hold finite .* got NaN.*fillna"):
        fitted.recommend(3, holes.iloc[[3]])
    with pytest.raises(ValueError, match=r"np\.nan_to_num\(X\)"):
        fit(holes.to_numpy())
    np.testing.assert_array_equal(fit(holes.fillna(0)).item_factors, fitted.item_factors)


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "object", "sparse"])
def test_columns_of_pandas_own_types(fitted, frame, dtype):
    X = (frame > 0).astype("boolean") if dtype == "boolean" else frame
    if dtype == "sparse":
        dtype = pd.SparseDtype(float, 0)
    X = X.astype(dtype)
    np.testing.assert_array_equal(fit(X).item_factors, fitted.item_factors)
    np.testing.assert_array_equal(
        fitted.recommend(3, X.iloc[[3]])[0], fitted.recommend(3, frame.iloc[[3]])[0]
    )


def test_one_row_of_a_frame_keeps_its_dimensions(fitted, frame):
    with pytest.raises(ValueError, match=r"frame\.iloc\[\[i\]\]"):
        fitted.recommend(3, frame.iloc[3])


def test_a_matrix_with_its_names_is_not_taken_for_a_matrix(annotations):
    read = Annotations(annotations, np.arange(400), np.arange(120))
    with pytest.raises(ValueError, match=r"pass its \.matrix, or use NamedModel\.of"):
        fit(read)


class TestNamed:
    def test_fit_compares_columns_and_rows(self, frame):
        named = NamedModel(VSEens(**OPTIONS), frame.index, frame.columns)
        named.fit(frame, show_progress=False)
        for X, message in (
            (frame[frame.columns[::-1]], "the columns of X are not labels, in their order"),
            (frame.iloc[::-1], "the rows of X are not image_ids, in their order.*loc"),
        ):
            with pytest.raises(ValueError, match=message):
                named.fit(X, show_progress=False)
        with pytest.raises(ValueError, match="the columns of X are not labels"):
            named.transform(frame[frame.columns[::-1]])
        with pytest.raises(ValueError, match="the columns of y are not labels"):
            named.score(frame, frame[frame.columns[::-1]])
        with pytest.raises(ValueError, match="the columns of known are not labels"):
            named.partial_fit_users("x", frame.iloc[[0]][frame.columns[::-1]])

    def test_rows_and_measures_are_compared_with_the_names(self, frame, annotations):
        named = NamedModel(VSEens(**OPTIONS), frame.index, frame.columns)
        named.fit(annotations, show_progress=False)
        turned = frame[frame.columns[::-1]]
        for call in (
            lambda X: named.recommend("photo 3", user_items=X.iloc[[3]]),
            lambda X: ranking_metrics(named, None, X, "mrr"),
            lambda X: ranking_scorer("mrr")(named, X),
        ):
            call(frame)
            with pytest.raises(ValueError, match="are not labels, in their order: pass"):
                call(turned)
        with pytest.raises(ValueError, match="the rows of y are not image_ids"):
            ranking_metrics(named, None, frame.iloc[::-1], "mrr")
        users = pd.DataFrame(annotations.T.toarray()[[7]], columns=frame.index)
        label = frame.columns[7]
        named.similar_labels(label, item_users=users, recalculate_item=True)
        with pytest.raises(ValueError, match="columns of item_users are not image_ids"):
            named.similar_labels(label, item_users=users[users.columns[::-1]])

    def test_the_names_of_a_fitted_model_are_its_own(self, fitted, frame):
        NamedModel(fitted, frame.index, frame.columns)
        with pytest.raises(ValueError, match="not the columns that the model was fitted on"):
            NamedModel(fitted, frame.index, frame.columns[::-1])

    def test_of_takes_the_names_of_a_frame(self, frame):
        named = NamedModel.of(VSEens(**OPTIONS), frame, show_progress=False)
        assert named.image_ids.tolist() == frame.index.tolist()
        assert named.labels.tolist() == frame.columns.tolist()
        own = set(frame.columns[frame.loc["photo 7"] > 0])
        assert not own & set(named.recommend("photo 7")[0])


def test_popularity_counts_tables_of_few_labels():
    model = Popularity().fit(np.array([[1, 1, 0], [1, 0, 0]]))
    assert model.item_factors.ravel().tolist() == [2, 1, 0]
