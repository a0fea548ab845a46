"""Saving, loading and pickling."""

import io
import json
import pickle

import numpy as np
import pytest

from vseens_rec import VSEens


@pytest.fixture
def fitted(annotations):
    return VSEens(factors=5, iterations=4, random_state=0, num_threads=1).fit(
        annotations, show_progress=False
    )


def assert_same(one, other):
    assert type(one) is type(other)
    np.testing.assert_array_equal(one.user_factors, other.user_factors)
    np.testing.assert_array_equal(one.item_factors, other.item_factors)
    np.testing.assert_array_equal(one.recommend(3, N=120)[0], other.recommend(3, N=120)[0])
    assert one.history_ == other.history_
    assert one.n_iter_ == other.n_iter_
    assert one.n_features_in_ == other.n_features_in_


@pytest.mark.parametrize("name", ["model.npz", "model", "model.v2"])
@pytest.mark.parametrize("as_type", [str, lambda path: path])
def test_save_and_load(fitted, tmp_path, name, as_type):
    path = as_type(tmp_path / name)
    fitted.save(path)
    loaded = VSEens.load(path)
    assert_same(loaded, fitted)
    assert loaded.get_params() == fitted.get_params()
    assert [p.name for p in tmp_path.iterdir()] == [name if name.endswith("npz") else name + ".npz"]


def test_file_objects(fitted):
    file = io.BytesIO()
    fitted.save(file)
    file.seek(0)
    assert_same(VSEens.load(file), fitted)


def test_pickle(fitted):
    assert_same(pickle.loads(pickle.dumps(fitted)), fitted)


def test_the_fitted_matrix_can_be_left_out(fitted, annotations, tmp_path):
    fitted.save(tmp_path / "small", fitted_matrix=False)
    loaded = VSEens.load(tmp_path / "small")
    with pytest.raises(ValueError, match="pass user_items"):
        loaded.recommend(3)
    ids = loaded.recommend(3, annotations[3])[0]
    np.testing.assert_array_equal(ids, fitted.recommend(3)[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: None,
        lambda: 7,
        lambda: np.int64(7),
        lambda: np.random.RandomState(3),
        lambda: np.random.default_rng(3),
        lambda: np.random.Generator(np.random.Philox(3)),
        lambda: np.random.Generator(np.random.MT19937(3)),
    ],
)
def test_every_kind_of_random_state_is_kept(annotations, tmp_path, make):
    model = VSEens(factors=4, iterations=2, num_threads=1, random_state=make())
    model.fit(annotations, show_progress=False).save(tmp_path / "model")
    loaded = VSEens.load(tmp_path / "model")
    assert_same(loaded, model)
    if make() is not None:
        # it goes on from where the saved one was
        model.fit(annotations, show_progress=False)
        loaded.fit(annotations, show_progress=False)
        np.testing.assert_array_equal(loaded.item_factors, model.item_factors)


def test_a_failing_save_leaves_the_old_file(fitted, tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    fitted.save(path)
    before = path.read_bytes()

    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        fitted.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]


def write(path, header, **arrays):
    encoded = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(path, header=encoded, **arrays)


GOOD = {
    "format": "vseens_rec model",
    "version": 1,
    "class": "VSEens",
    "parameters": {},
    "values": {},
}
ONE = np.ones((1, 1), dtype=np.float32)


@pytest.mark.parametrize(
    ("header", "arrays", "message"),
    [
        (GOOD | {"version": 99}, {}, "version 99"),
        (GOOD | {"format": "other"}, {}, "not the file of a model"),
        (GOOD | {"class": "Other"}, {}, "Other.load"),
        (GOOD | {"parameters": {"nonsense": 1}}, {}, "nonsense"),
        (GOOD | {"parameters": None}, {}, "damaged"),
        (GOOD | {"values": {"n_iter_": "many"}}, {}, "n_iter_"),
        (GOOD | {"parameters": {"random_state": {"generator": {}}}}, {}, "random_state"),
        (GOOD, {"user_factors": ONE}, "one side"),
        (GOOD, {"user_factors": ONE, "item_factors": np.ones((2, 3))}, "shapes"),
        (GOOD, {"user_factors": ONE, "item_factors": np.array([["x"]])}, "type"),
        (GOOD, {"user_factors": ONE * np.nan, "item_factors": ONE}, "finite"),
        (GOOD, {"user_factors": ONE, "item_factors": ONE, "liked_indptr": np.array([0, 1]),
                "liked_indices": np.array([5])}, "does not agree"),
    ],
)  # fmt: skip
def test_files_that_are_no_models(tmp_path, header, arrays, message):
    write(tmp_path / "bad.npz", header, **arrays)
    with pytest.raises(ValueError, match=message):
        VSEens.load(tmp_path / "bad.npz")


def test_damaged_and_foreign_files(fitted, tmp_path):
    path = tmp_path / "model.npz"
    fitted.save(path)
    whole = path.read_bytes()
    foreign = [b"", b"no model", whole[: len(whole) // 2], pickle.dumps({"a": 1}), whole[:-30]]
    for content in foreign:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a whole file"):
            VSEens.load(path)
    np.savez(path, header=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(ValueError, match="not a whole file"):
        VSEens.load(path)
    with pytest.raises(FileNotFoundError):
        VSEens.load(tmp_path / "nowhere")
