"""Ids and names in place of numbers."""

import numpy as np
import pytest
from implicit.als import AlternatingLeastSquares
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
