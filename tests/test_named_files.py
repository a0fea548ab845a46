"""A model and its names in one file."""

import io

import numpy as np
import pytest
from implicit.als import AlternatingLeastSquares

from vseens_rec import NamedModel, VSEens

# ---- files


@pytest.fixture(scope="module")
def names(annotations):
    images = [f"photo {i}.jpg" for i in range(annotations.shape[0])]
    return images, [f"tag {i}" for i in range(annotations.shape[1])]


@pytest.fixture(scope="module")
def named(annotations, names):
    model = VSEens(factors=8, iterations=5, random_state=0, num_threads=1)
    return NamedModel(model, *names).fit(annotations, show_progress=False)


@pytest.mark.parametrize(
    "ids",
    [
        [f"photo {i}" for i in range(400)],
        np.arange(400, dtype=np.int32) * 5,
        np.array([f"é{i}" for i in range(400)]),
        np.datetime64("2024-01-01", "h") + np.arange(400),
        [("photo", i) for i in range(400)],
        [i if i % 2 else str(i) for i in range(400)],
        [float(i) / 4 for i in range(400)],
    ],
)
def test_model_and_names_come_back_from_one_file(annotations, ids, tmp_path):
    model = VSEens(factors=4, iterations=2, random_state=0, num_threads=1)
    named = NamedModel(model, ids, np.array([f"t{i}" for i in range(120)]), unknown="skip")
    named.fit(annotations, show_progress=False).save(tmp_path / "named")
    for arguments in ({}, {"mmap_mode": "c"}, {"model_class": VSEens}):
        loaded = NamedModel.load(tmp_path / "named.npz", **arguments)
        assert loaded.image_ids.tolist() == named.image_ids.tolist()
        assert loaded.image_ids.dtype == named.image_ids.dtype
        assert loaded.labels.dtype == named.labels.dtype
        assert loaded.unknown == "skip"
        for name in (ids[3], "nobody"):
            np.testing.assert_array_equal(loaded.recommend(name)[0], named.recommend(name)[0])


def test_files_that_hold_something_else(annotations, names, tmp_path):
    model = VSEens(factors=4, iterations=2, random_state=0, num_threads=1)
    named = NamedModel(model, *names).fit(annotations, show_progress=False)
    model.save(tmp_path / "model")
    named.save(tmp_path / "named")
    with pytest.raises(ValueError, match="a VSEens without names: load it with VSEens.load"):
        NamedModel.load(tmp_path / "model")
    with pytest.raises(ValueError, match="holds a NamedModel: load it with NamedModel.load"):
        VSEens.load(tmp_path / "named")
    other = NamedModel(AlternatingLeastSquares(factors=2), *names)
    with pytest.raises(TypeError, match="takes models of vseens_rec.*pickle"):
        other.save(tmp_path / "other")
    odd = NamedModel(VSEens(), [frozenset({"a"})], ["x"])
    with pytest.raises(TypeError, match="is a frozenset, which a file cannot hold"):
        odd.save(tmp_path / "odd")


def test_files_of_a_subclass(annotations, names):
    class Own(VSEens):
        pass

    model = Own(factors=4, iterations=1, random_state=0, num_threads=1)
    named = NamedModel(model, *names).fit(annotations, show_progress=False)
    file = io.BytesIO()
    named.save(file)
    assert type(NamedModel.load(file).model) is Own
    assert type(NamedModel.load(file, model_class=Own).model) is Own


def test_damaged_files_of_names_are_refused(annotations, names, tmp_path):
    model = VSEens(factors=2, iterations=1, random_state=0, num_threads=1)
    named = NamedModel(model, *names).fit(annotations, show_progress=False)
    file = io.BytesIO()
    named.save(file)
    whole = bytearray(file.getvalue())
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        try:
            loaded = NamedModel.load(io.BytesIO(bytes(damaged)))
        except ValueError:
            continue
        assert loaded.image_ids.tolist() == names[0]


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ("abc", TypeError, "got the string 'abc'"),
        (3, TypeError, "must be a list of names, got 3"),
        (np.array([["a", "b", "c"]]), ValueError, "2 dimensions"),
    ],
)
def test_names_that_are_no_list(names, error, message):
    with pytest.raises(error, match=f"labels.*{message}"):
        NamedModel(VSEens(), ["a.jpg"], names)
