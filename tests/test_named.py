"""Ids and names in place of numbers."""

import datetime
from copy import copy

import numpy as np
import pytest
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_matrix

from vseens_rec import NamedModel, VSEens
from vseens_rec.datasets import Annotations


@pytest.fixture(scope="module")
def names(annotations):
    images = [f"photo {i}.jpg" for i in range(annotations.shape[0])]
    return images, [f"tag {i}" for i in range(annotations.shape[1])]


@pytest.fixture(scope="module")
def named(annotations, names):
    model = VSEens(factors=8, iterations=5, random_state=0, num_threads=1)
    return NamedModel(model, *names).fit(annotations, show_progress=False)


def test_recommends_the_names_of_what_the_model_recommends(named, annotations):
    labels, scores = named.recommend("photo 7.jpg", N=5)
    ids, expected = named.model.recommend(7, N=5)
    assert labels.tolist() == [f"tag {i}" for i in ids]
    np.testing.assert_array_equal(scores, expected)
    several, _ = named.recommend(["photo 7.jpg", "photo 3.jpg"], N=5)
    assert several.shape == (2, 5)
    assert several[0].tolist() == labels.tolist()
    left, _ = named.recommend("photo 7.jpg", N=5, filter_labels=[labels[0]])
    assert left[:4].tolist() == labels[1:].tolist()
    only, _ = named.recommend("photo 7.jpg", N=2, labels=[labels[4], labels[2]])
    assert only.tolist() == [labels[2], labels[4]]


def test_lists_that_end_early_are_filled_with_none(named, annotations):
    labels, scores = named.recommend("photo 0.jpg", N=120)
    missing = annotations[0].nnz
    assert [label for label in labels if label is None] == [None] * missing
    assert labels[-1] is None
    assert np.isneginf(scores[-1])


def test_labels_that_the_image_has_are_none(named, annotations):
    own = annotations[7].indices[0]
    other = named.recommend("photo 7.jpg", N=1)[0][0]
    labels, scores = named.recommend("photo 7.jpg", labels=[f"tag {own}", other])
    assert labels.tolist() == [other, None]
    assert np.isfinite(scores[0])
    assert np.isneginf(scores[1])


def test_names_may_be_tuples(annotations):
    images = [("photo", i) for i in range(annotations.shape[0])]
    labels = [("tag", i) for i in range(annotations.shape[1])]
    model = VSEens(factors=8, iterations=1, random_state=0, num_threads=1)
    named = NamedModel(model, images, labels).fit(annotations, show_progress=False)
    found, _ = named.recommend(("photo", 7), N=3)
    assert [("tag", i) for i in model.recommend(7, N=3)[0]] == found.tolist()


def test_recommends_from_labels(named, annotations):
    own = [f"tag {i}" for i in annotations[7].indices]
    labels, _ = named.recommend_from([*own, own[0]], N=5)
    expected = named.model.recommend(0, annotations[7], N=5, recalculate_user=True)[0]
    assert labels.tolist() == [f"tag {i}" for i in expected]
    assert not set(own) & set(labels)


def test_similar(named):
    labels, _ = named.similar_labels("tag 3", N=4)
    assert labels[0] == "tag 3"
    images, _ = named.similar_images(["photo 3.jpg", "photo 4.jpg"], N=4)
    assert images[:, 0].tolist() == ["photo 3.jpg", "photo 4.jpg"]


def test_from_what_a_reader_returns(annotations):
    read = Annotations(annotations, np.arange(400) + 1000, np.array([f"t{i}" for i in range(120)]))
    named = NamedModel.of(VSEens(factors=4, iterations=1), read, show_progress=False)
    labels, _ = named.recommend(1003)
    assert labels.tolist() == named.recommend(np.int64(1003))[0].tolist()
    assert set(labels) <= set(read.labels)
    assert repr(named).startswith("NamedModel(VSEens(")
    assert repr(named).endswith("400 images, 120 labels)")


def test_other_models(annotations, names):
    model = AlternatingLeastSquares(factors=4, iterations=2, random_state=0)
    named = NamedModel(model, *names).fit(annotations, show_progress=False)
    labels, _ = named.recommend("photo 3.jpg", N=3, user_items=annotations[3])
    assert all(label.startswith("tag ") for label in labels)


@pytest.mark.filterwarnings("ignore:OpenBLAS", "ignore:Method expects CSR")
@pytest.mark.parametrize("cls", [AlternatingLeastSquares, CosineRecommender])
def test_models_of_implicit_leave_out_what_is_known(annotations, names, cls):
    model = cls() if cls is CosineRecommender else cls(factors=4, iterations=2, random_state=0)
    named = NamedModel(model, *names).fit(annotations, show_progress=False)
    labels, _ = named.recommend(["photo 7.jpg", "nobody", "photo 3.jpg"], N=5, unknown="popular")
    for row, image in ((0, 7), (2, 3)):
        own = {f"tag {i}" for i in annotations[image].indices}
        assert not own & set(labels[row])
        expected = model.recommend(image, annotations[image], N=5)[0]
        assert labels[row].tolist() == [f"tag {i}" for i in expected]
    counts = annotations.getnnz(axis=0)
    assert labels[1, 0] == f"tag {counts.argmax()}"
    if cls is AlternatingLeastSquares:
        named.partial_fit_users("new", ["tag 1", "tag 2"])
        assert not {"tag 1", "tag 2"} & set(named.recommend("new", N=100)[0])
        assert named.recommend_from([["tag 1"], ["tag 2"]], N=3)[0].shape == (2, 3)


def test_what_is_not_known(named, names, annotations):
    for call in (
        lambda: named.recommend("photo 999.jpg"),
        lambda: named.recommend(["photo 1.jpg", "nothing"]),
        lambda: named.recommend({}),
        lambda: named.similar_images("tag 3"),
    ):
        with pytest.raises(KeyError, match="there is no image"):
            call()
    with pytest.raises(KeyError, match="there is no label 'sky'"):
        named.recommend_from(["sky"])
    with pytest.raises(ValueError, match="labels has 'a' more than once"):
        NamedModel(VSEens(), ["x"], ["a", "a"])
    with pytest.raises(ValueError, match="X has 400 images and 119 labels.*120 labels"):
        NamedModel(VSEens(), *names).fit(annotations[:, :119])
    with pytest.raises(ValueError, match="the model has 400 images"):
        NamedModel(named.model, names[0][:-1], names[1])
    with pytest.raises(ValueError, match="X has 1 images"):
        NamedModel.of(VSEens(), Annotations(csr_matrix((1, 2)), np.arange(2), np.arange(2)))


# ---- requests

REQUESTS = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "array of objects": lambda names: np.array(names, dtype=object),
    "keys": lambda names: dict.fromkeys(names).keys(),
    "generator": lambda names: (name for name in names),
}


@pytest.mark.parametrize("form", REQUESTS)
def test_several_names_come_in_any_list(named, form):
    names = ["photo 7.jpg", "photo 3.jpg"]
    expected = named.recommend(names, N=4)[0]
    np.testing.assert_array_equal(named.recommend(REQUESTS[form](names), N=4)[0], expected)
    tags = ["tag 1", "tag 5"]
    np.testing.assert_array_equal(
        named.recommend_from(REQUESTS[form](tags), N=4)[0], named.recommend_from(tags, N=4)[0]
    )
    assert "tag 1" not in named.recommend("photo 0.jpg", filter_labels=REQUESTS[form](tags))[0]


def test_columns_of_pandas(named):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"name": ["photo 7.jpg", "photo 3.jpg"]}, index=[5, 9])
    expected = named.recommend(["photo 7.jpg", "photo 3.jpg"], N=4)[0]
    for names in (frame["name"], pd.Index(frame["name"]), pd.Categorical(frame["name"])):
        np.testing.assert_array_equal(named.recommend(names, N=4)[0], expected)
    with pytest.raises(TypeError, match=r"is a table.*frame\['name'\]"):
        named.recommend(frame)
    with pytest.raises(TypeError, match=r"known is a table.*known\['name'\]"):
        named.recommend_from(frame)
    lists = pd.Series([["tag 1"], ["tag 5", "tag 7"]])
    assert named.recommend_from(lists, N=4)[0].shape == (2, 4)


def test_one_string_is_never_read_as_letters(annotations):
    letters = NamedModel(
        VSEens(factors=2, iterations=1, num_threads=1),
        range(400),
        [chr(97 + i) for i in range(120)],
    ).fit(annotations, show_progress=False)
    for call in (
        lambda: letters.recommend_from("cab"),
        lambda: letters.recommend(3, filter_labels="cab"),
        lambda: letters.recommend(3, labels="cab"),
        lambda: letters.similar_labels("a", filter_labels="cab"),
        lambda: letters.similar_labels("a", labels="c"),
        lambda: letters.partial_fit_users(3, "cab"),
    ):
        with pytest.raises(TypeError, match=r"must be a list of names, got the string.*pass \['c"):
            call()
    with pytest.raises(TypeError, match="filter_labels must be a list of names, got 3"):
        letters.recommend(3, filter_labels=3)
    with pytest.raises(TypeError, match="labels must be a list of names, got {'a': 1}"):
        letters.recommend(3, labels={"a": 1})
    with pytest.raises(TypeError, match="image_ids must be a list of names, got the string 'ab'"):
        NamedModel(VSEens(), "ab", ["x"])


def test_a_set_has_no_order_for_answers(named):
    with pytest.raises(TypeError, match="a set of image_ids has no order.*sorted"):
        named.recommend({"photo 7.jpg", "photo 3.jpg"})
    # which does not matter for what is left out or chosen among
    left, _ = named.recommend("photo 7.jpg", N=5, filter_labels={"tag 1", "tag 2"})
    assert not {"tag 1", "tag 2"} & set(left)


# ---- filters and choices


def test_filters_and_choices_by_name_in_every_method(named):
    known = ["tag 3", "tag 9"]
    free, _ = named.recommend_from(known, N=6)
    left, _ = named.recommend_from(known, N=5, filter_labels=[free[0]])
    assert left.tolist() == free[1:].tolist()
    only, scores = named.recommend_from(known, N=6, labels=[free[3], "tag 9", free[1]])
    assert only.tolist() == [free[1], free[3], None]
    assert np.isneginf(scores[2])
    alike, _ = named.similar_labels("tag 3", N=6)
    left, _ = named.similar_labels("tag 3", N=5, filter_labels=[alike[2]])
    assert left.tolist() == [name for name in alike if name != alike[2]]
    only, _ = named.similar_labels("tag 3", labels=[alike[4], alike[1]])
    assert only.tolist() == [alike[1], alike[4]]
    alike, _ = named.similar_images("photo 3.jpg", N=6)
    left, _ = named.similar_images("photo 3.jpg", N=5, filter_images=[alike[2]])
    assert left.tolist() == [name for name in alike if name != alike[2]]
    only, _ = named.similar_images("photo 3.jpg", images=[alike[4], alike[1]])
    assert only.tolist() == [alike[1], alike[4]]
    with pytest.raises(ValueError, match="either labels or filter_labels"):
        named.recommend_from(known, labels=["tag 1"], filter_labels=["tag 2"])
    with pytest.raises(ValueError, match="labels is empty"):
        named.recommend_from(known, labels=[])
    with pytest.raises(ValueError, match="labels has 'tag 1' more than once"):
        named.recommend("photo 3.jpg", labels=["tag 1", "tag 2", "tag 1"])


def test_filters_are_the_same_for_all_rows(named):
    asked = ["photo 3.jpg", "photo 7.jpg"]
    with pytest.raises(TypeError, match="filter_labels is one list of names for all rows"):
        named.recommend(asked, filter_labels=[["tag 1"], ["tag 2"]])
    with pytest.raises(TypeError, match="labels is one list of names for all rows"):
        named.recommend(asked, labels=[["tag 1"], ["tag 2"]])


def test_a_copy_grows_alone(named):
    grown = copy(named)
    grown.partial_fit_users("new", ["tag 1"])
    assert len(grown.image_ids) == len(grown.model.user_factors) == 401
    assert len(named.image_ids) == len(named.model.user_factors) == 400
    with pytest.raises(KeyError):
        named.recommend("new")


def test_what_is_known_does_not_come_back_among_choices(named, annotations):
    own = [f"tag {i}" for i in annotations[7].indices]
    items = [*annotations[7].indices.tolist(), 0, 1]
    for found, scores in (
        named.recommend_from(own, labels=list(dict.fromkeys([*own, "tag 0", "tag 1"]))),
        named.recommend_from(own, items=sorted(set(items))),
    ):
        assert not set(own) & set(found)
        assert [label is None for label in found] == np.isneginf(scores).tolist()


# ---- unknown names


def test_an_unknown_image_is_an_error_or_a_list_without_an_answer(named):
    asked = ["photo 3.jpg", "nobody", "photo 7.jpg"]
    with pytest.raises(KeyError, match="no image 'nobody': unknown='skip' goes on without"):
        named.recommend(asked)
    with pytest.raises(KeyError, match="no image 'x', nor 1 others of 3"):
        named.recommend(["x", "photo 3.jpg", "y"])
    labels, scores = named.recommend(asked, N=4, unknown="skip")
    expected = named.recommend(["photo 3.jpg", "photo 7.jpg"], N=4)
    np.testing.assert_array_equal(labels[[0, 2]], expected[0])
    np.testing.assert_array_equal(scores[[0, 2]], expected[1])
    assert labels[1].tolist() == [None] * 4
    assert np.isneginf(scores[1]).all()
    alone, scores = named.recommend("nobody", N=3, unknown="skip")
    assert alone.tolist() == [None] * 3
    assert named.similar_images(asked, N=3, unknown="skip")[0][1].tolist() == [None] * 3
    assert named.similar_labels(["?", "tag 3"], N=3, unknown="skip")[0][1, 0] == "tag 3"


def test_who_is_unknown_gets_popular_labels(named, annotations):
    counts = annotations.getnnz(axis=0)
    first = np.lexsort((np.arange(120), -counts))
    labels, scores = named.recommend(["photo 3.jpg", "nobody"], N=4, unknown="popular")
    assert labels[1].tolist() == [f"tag {i}" for i in first[:4]]
    assert scores[1].tolist() == counts[first[:4]].tolist()
    assert labels[0].tolist() == named.recommend("photo 3.jpg", N=4)[0].tolist()
    left, _ = named.recommend("nobody", N=3, unknown="popular", filter_labels=[labels[1][0]])
    assert left.tolist() == labels[1][1:].tolist()
    only, _ = named.recommend("nobody", unknown="popular", labels=[labels[1][2], labels[1][1]])
    assert only.tolist() == labels[1][[1, 2]].tolist()
    found, _ = named.recommend_from([["tag 3"], ["?"]], N=4, unknown="popular")
    assert found[1].tolist() == labels[1].tolist()
    with pytest.raises(ValueError, match="unknown='popular' is of recommend"):
        named.similar_labels("?", unknown="popular")


def test_unknown_labels_of_a_session_are_left_out(named):
    with pytest.raises(KeyError, match="there is no label 'sky'"):
        named.recommend_from(["tag 3", "sky"])
    found, _ = named.recommend_from([["tag 3", "sky"], ["sky"], []], N=4, unknown="skip")
    assert found[0].tolist() == named.recommend_from(["tag 3"], N=4)[0].tolist()
    assert found[1].tolist() == [None] * 4
    # who has no label yet is nobody unknown
    assert found[2].tolist() == named.recommend_from([], N=4)[0].tolist()
    only, _ = named.recommend_from(["tag 3"], labels=["sky", "tag 5"], unknown="skip")
    assert only.tolist() == ["tag 5"]
    left, _ = named.recommend_from(["tag 3"], N=4, filter_labels=["sky"], unknown="skip")
    assert left.tolist() == found[0].tolist()


def test_the_policy_is_one_of_the_model_or_of_a_call(annotations, names):
    model = VSEens(factors=2, iterations=1, num_threads=1)
    named = NamedModel(model, *names, unknown="skip").fit(annotations, show_progress=False)
    assert named.recommend("nobody", N=2)[0].tolist() == [None, None]
    with pytest.raises(KeyError):
        named.recommend("nobody", unknown="error")
    for call in (lambda: NamedModel(model, *names, unknown="ignore"),
                 lambda: named.recommend("nobody", unknown="ignore")):  # fmt: skip
        with pytest.raises(ValueError, match="one of error, skip, popular, got 'ignore'"):
            call()


def test_who_has_no_label_left_does_not_spoil_the_others(named, annotations):
    own = [f"tag {i}" for i in annotations[7].indices]
    labels, _ = named.recommend(["photo 7.jpg", "photo 3.jpg"], labels=own)
    assert set(labels[0]) == {None}
    assert labels[1][0] is not None


def test_user_items_of_a_batch_with_an_unknown_image(named, annotations):
    asked = ["photo 3.jpg", "nobody", "photo 7.jpg"]
    found, _ = named.recommend(asked, N=4, unknown="skip", user_items=annotations[[3, 5, 7]])
    np.testing.assert_array_equal(found[[0, 2]], named.recommend(asked[::2], N=4)[0])


# ---- sessions


def test_many_sessions_in_one_call(named):
    sessions = [["tag 3", "tag 9"], ["tag 1"], ("tag 4", "tag 5"), {"tag 7"}]
    found, scores = named.recommend_from(sessions, N=5)
    assert found.shape == scores.shape == (4, 5)
    for row, session in zip(found, sessions, strict=True):
        assert row.tolist() == named.recommend_from(list(session), N=5)[0].tolist()
    with pytest.raises(TypeError, match="known mixes names and lists of names: 'tag 1' stands"):
        named.recommend_from([["tag 3"], "tag 1"])


def test_tuples_are_names_where_the_labels_are_tuples(annotations):
    labels = [("tag", i) for i in range(120)]
    model = VSEens(factors=2, iterations=1, num_threads=1)
    named = NamedModel(model, range(400), labels).fit(annotations, show_progress=False)
    assert named.recommend_from([("tag", 3), ("tag", 4)], N=2)[0].shape == (2,)
    assert named.recommend_from([[("tag", 3)], [("tag", 4)]], N=2)[0].shape == (2, 2)
    with pytest.raises(KeyError, match="no label"):
        named.recommend_from([("tag", 300)])


# ---- types of names


def test_text_and_numbers_are_the_same_only_if_said_so(annotations):
    model = VSEens(factors=2, iterations=1, num_threads=1).fit(annotations, show_progress=False)
    numbers = NamedModel(model, np.arange(400) + 1000, [f"t{i}" for i in range(120)])
    texts = NamedModel(model, [str(i + 1000) for i in range(400)], [f"t{i}" for i in range(120)])
    for named, asked, there in ((numbers, "1007", "1007"), (texts, 1007, "'1007'")):
        with pytest.raises(KeyError, match=f"but there is {there}: text and numbers") as caught:
            named.recommend(asked)
        assert "compare_as_text=True" in str(caught.value)
        same = NamedModel(model, named.image_ids, named.labels, compare_as_text=True)
        expected = model.recommend(7, N=3)[0]
        for name in ("1007", 1007, np.int64(1007), 1007.0):
            assert same.recommend(name, N=3)[0].tolist() == [f"t{i}" for i in expected]
    assert numbers.recommend(1007.0, N=3)[0].tolist() == numbers.recommend(1007, N=3)[0].tolist()
    with pytest.raises(KeyError, match="no image 'x', a str: image_ids are of type int, such as"):
        numbers.recommend("x")
    with pytest.raises(ValueError, match="image_ids has '7' more than once"):
        NamedModel(VSEens(), [7, "7"], ["a"], compare_as_text=True)
    NamedModel(VSEens(), [7, "7"], ["a"])


def test_true_is_not_one(annotations):
    model = VSEens(factors=2, iterations=1, num_threads=1).fit(annotations, show_progress=False)
    named = NamedModel(model, range(400), range(120))
    with pytest.raises(KeyError, match="no image True"):
        named.recommend(True)


def test_dates_are_the_same_in_any_unit(annotations):
    model = VSEens(factors=2, iterations=1, num_threads=1).fit(annotations, show_progress=False)
    days = np.datetime64("2024-01-01") + np.arange(400)
    expected = model.recommend(7, N=3)[0].tolist()
    for ids in (days, days.astype("M8[ns]"), list(days.astype("M8[s]").tolist()), days.tolist()):
        named = NamedModel(model, ids, range(120))
        for asked in (
            np.datetime64("2024-01-08"),
            np.datetime64("2024-01-08", "ns"),
            datetime.date(2024, 1, 8),
            datetime.datetime(2024, 1, 8),
        ):
            assert named.recommend(asked, N=3)[0].tolist() == expected
        with pytest.raises(KeyError):
            named.recommend(int(np.datetime64("2024-01-08", "ns").astype(int)))


@pytest.mark.parametrize("nothing", [None, float("nan"), np.datetime64("NaT")])
def test_nothing_is_no_name(nothing):
    with pytest.raises(ValueError, match="image_ids has .* which is no name"):
        NamedModel(VSEens(), ["a", nothing], ["x"])


# ---- results


def test_results_as_a_frame(named):
    pytest.importorskip("pandas")
    ranking = named.recommend(["photo 3.jpg", "nobody", "photo 7.jpg"], N=2, unknown="skip")
    frame = ranking.to_frame()
    assert frame.columns.tolist() == ["image", "rank", "label", "score"]
    assert frame["image"].tolist() == ["photo 3.jpg"] * 2 + ["photo 7.jpg"] * 2
    assert frame["rank"].tolist() == [1, 2, 1, 2]
    assert frame["label"].tolist() == ranking.names[[0, 0, 2, 2], [0, 1, 0, 1]].tolist()
    np.testing.assert_array_equal(frame["score"], ranking.scores[[0, 0, 2, 2], [0, 1, 0, 1]])
    for ranking, columns in (
        (named.recommend("photo 3.jpg", N=2), ["image", "label"]),
        (named.recommend_from([["tag 1"], ["tag 2"]], N=2), ["session", "label"]),
        (named.similar_labels("tag 1", N=2), ["label", "similar_label"]),
        (named.similar_images("photo 3.jpg", N=2), ["image", "similar_image"]),
    ):
        frame = ranking.to_frame()
        assert frame.columns.tolist() == [columns[0], "rank", columns[1], "score"]
        assert len(frame) == ranking.scores.size


# ---- growing


def test_images_and_labels_are_added_by_name(annotations, names):
    model = VSEens(factors=8, iterations=5, random_state=0, num_threads=1)
    named = NamedModel(model, *names).fit(annotations, show_progress=False)
    plain = VSEens(factors=8, iterations=5, random_state=0, num_threads=1)
    plain.fit(annotations, show_progress=False)
    named.partial_fit_users(["new 1", "photo 3.jpg"], [["tag 4", "tag 7"], ["tag 5"]])
    rows = csr_matrix(([1.0, 1, 1], ([0, 0, 1], [4, 7, 5])), shape=(2, 120))
    plain.partial_fit_users([400, 3], rows)
    np.testing.assert_array_equal(named.model.user_factors, plain.user_factors)
    assert named.image_ids[-1] == "new 1"
    found, _ = named.recommend("new 1", N=5)
    assert found.tolist() == [f"tag {i}" for i in plain.recommend(400, N=5)[0]]
    named.partial_fit_users("new 2", annotations[5])
    named.partial_fit_items("tag new", ["photo 1.jpg", "new 1"])
    assert named.labels[-1] == "tag new"
    assert "tag new" not in named.recommend("new 1", N=121)[0]
    assert named.similar_labels("tag new", N=1)[0].tolist() == ["tag new"]
    with pytest.raises(KeyError, match="no image 'nobody'"):
        named.partial_fit_items("tag x", ["nobody"])
    with pytest.raises(ValueError, match="one list of names for 2 ids: pass a list of lists"):
        named.partial_fit_users(["a", "b"], ["tag 1"])
    with pytest.raises(ValueError, match="3 lists of names for 2 ids"):
        named.partial_fit_users(["a", "b"], [["tag 1"]] * 3)
    with pytest.raises(ValueError, match="image_ids has 'a' more than once"):
        named.partial_fit_users(["a", "a"], [["tag 1"]] * 2)
    # what failed has added nothing
    assert len(named.image_ids) == len(named.model.user_factors) == 402
    assert len(named.labels) == len(named.model.item_factors) == 121


@pytest.mark.parametrize("ids", [np.arange(400) * 3, np.array([f"p{i}" for i in range(400)])])
def test_arrays_of_names_keep_their_type(annotations, ids):
    model = VSEens(factors=2, iterations=1, num_threads=1)
    named = NamedModel(model, ids, range(120)).fit(annotations, show_progress=False)
    new = 7000 if ids.dtype.kind == "i" else "a longer name than the others"
    named.partial_fit_users(new, [3, 4])
    assert named.image_ids.dtype.kind == ids.dtype.kind
    assert named.image_ids[-1] == new


def test_a_model_that_grew_without_its_names(annotations, names):
    model = VSEens(factors=8, iterations=5, random_state=0, num_threads=1)
    named = NamedModel(model, *names).fit(annotations, show_progress=False)
    model.partial_fit_users(400, annotations[3])
    with pytest.raises(ValueError, match="grown beyond the 400 image_ids.*partial_fit_users"):
        named.similar_images("photo 3.jpg", N=400)
    with pytest.raises(ValueError, match="the model has 401 images"):
        named.partial_fit_users("x", ["tag 1"])
    # labels are as they were
    assert named.recommend("photo 3.jpg", N=2)[0].shape == (2,)


@pytest.mark.parametrize("by", ["named model", "model"])
def test_a_grown_set_in_another_order_is_trained_on_by_name(annotations, names, by):
    model = VSEens(factors=8, iterations=10, random_state=0, num_threads=1, warm_start=True)
    old = Annotations(annotations[:350, :110], names[0][:350], names[1][:110])
    named = NamedModel.of(model, old, show_progress=False)
    before = model.item_factors
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(400), rng.permutation(120)
    grown = Annotations(
        annotations[rows][:, columns],
        np.array(names[0], dtype=object)[rows],
        np.array(names[1], dtype=object)[columns],
    )
    model.set_params(iterations=1, learning_rate=1e-6)
    again = NamedModel.of(named if by == "named model" else model, grown, show_progress=False)
    assert again.model is model
    assert again.image_ids[:350].tolist() == names[0][:350]
    assert again.labels[:110].tolist() == names[1][:110]
    assert set(again.image_ids) == set(names[0])
    assert model.n_iter_ == 11
    own = {f"tag {i}" for i in annotations[7].indices}
    assert not own & set(again.recommend("photo 7.jpg", N=10)[0])
    # trained on from where it was
    np.testing.assert_allclose(model.item_factors[:110], before, atol=1e-3)
    lacking = Annotations(annotations[1:, :], names[0][1:], names[1])
    with pytest.raises(ValueError, match="has 1 image_ids that the annotations lack.*'photo 0.jpg"):
        NamedModel.of(again, lacking)


def test_without_warm_start_another_set_is_learned_afresh(annotations, names):
    model = VSEens(factors=2, iterations=1, random_state=0, num_threads=1)
    named = NamedModel.of(model, Annotations(annotations, *names), show_progress=False)
    small = Annotations(annotations[:50], names[0][:50], names[1])
    named = NamedModel.of(named, small, show_progress=False)
    assert len(named.image_ids) == len(named.model.user_factors) == 50


def test_what_is_no_annotations(annotations, names):
    with pytest.raises(TypeError, match=r"got a csr_matrix.*NamedModel\(model, image_ids"):
        NamedModel.of(VSEens(), annotations)
    named = NamedModel.of(
        VSEens(factors=2, iterations=1), (annotations, *names), show_progress=False
    )
    assert len(named.labels) == 120


def test_measures(named, annotations):
    assert 0 < named.score(annotations) == named.model.score(annotations)
    np.testing.assert_array_equal(
        named.transform(annotations[:3]), named.model.transform(annotations[:3])
    )
