"""Saving, loading and pickling."""

import importlib
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

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


@pytest.mark.parametrize(
    ("bit_generator", "place", "value"),
    [
        ("MT19937", ("state", "pos"), 10**9),
        ("MT19937", ("state", "pos"), -1),
        ("MT19937", ("state", "key"), [0] * 7),
        ("Philox", ("buffer_pos",), 5),
        ("Philox", ("buffer",), [0]),
        ("PCG64", ("state",), 3),
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_a_hostile_random_state_is_refused(tmp_path, bit_generator, place, value, legacy):
    generator = getattr(np.random, bit_generator)(0)
    make = np.random.RandomState if legacy else np.random.Generator
    if legacy and bit_generator != "MT19937":
        pytest.skip("RandomState has one kind of state")
    model = VSEens(random_state=make(generator))
    file = tmp_path / "model.npz"
    model.save(file)
    with np.load(file) as saved:
        header = json.loads(saved["header"].tobytes())
    (stored,) = header["parameters"]["random_state"].values()
    for name in place[:-1]:
        stored = stored[name]
    stored[place[-1]] = value
    write(file, header)
    with pytest.raises(ValueError, match="random_state of the file is damaged"):
        VSEens.load(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.set_params(factors=7), "6 columns, but its parameters make 8"),
        (lambda model: setattr(model, "user_factors", model.user_factors[:, :3]), "shapes"),
        (lambda model: setattr(model, "item_factors", model.item_factors * np.nan), "finite"),
        (
            lambda model: vars(model).update(_user_factors=model.user_factors.astype(np.float16)),
            "user_factors of the model has .* float16",
        ),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(fitted, tmp_path, change, message):
    path = tmp_path / "model.npz"
    fitted.save(path)
    before = path.read_bytes()
    change(fitted)
    with pytest.raises(ValueError, match=message):
        fitted.save(path)
    assert path.read_bytes() == before


def test_a_failing_save_leaves_the_old_file(fitted, tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    fitted.save(path)
    before = path.read_bytes()

    def full_disk(file, *_, **__):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full_disk)
    with pytest.raises(OSError, match="No space"):
        fitted.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]


def write(path, header, **arrays):
    if isinstance(header, dict):
        header = header | {"arrays": list(arrays)}
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
TWO = np.ones((2, 1), dtype=np.float32)
NO_PAIRS = {"item_pairs": np.zeros(0, np.int32), "item_pairs_indptr": np.zeros(2, np.int32)}


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
        (GOOD, {"user_factors": ONE, "item_factors": TWO, "liked_indptr": np.array([0, 2]),
                "liked_indices": np.array([1, 1])}, "does not agree"),
        (GOOD, {"user_factors": ONE, "item_factors": TWO, "liked_indptr": np.array([0, 2]),
                "liked_indices": np.array([1, 0])}, "does not agree"),
        (GOOD, {"user_factors": np.asfortranarray(TWO.repeat(2, 1)), "item_factors": TWO}, "type"),
        (GOOD, {"user_factors": ONE.astype(">f4"), "item_factors": TWO}, "type"),
        (GOOD | {"values": {"history_": {"loss": ["x"]}}}, {}, "lists of numbers"),
        (GOOD | {"parameters": {"factors": None}},
         {"user_factors": ONE, "item_factors": ONE}, "damaged"),
        (["no", "object"], {}, "no object"),
        (GOOD | {"values": {"trial_": {"penalty": "large"}}}, {}, "trial_ of the file is damaged"),
        (GOOD | {"values": {"n_features_in_": 2}, "columns": ["a"]}, {}, "names 1 columns"),
        (GOOD | {"columns": "ab"}, {}, "names of the file are not a list"),
        (GOOD | {"columns": [None]}, {}, "None of the file is no name"),
        (GOOD, {"liked_indptr": np.array([0])}, "matrix without factors"),
        (GOOD, {"user_factors": ONE, "item_factors": ONE, "liked_indptr": np.array([0, 0])},
         "half of a fitted matrix"),
        (GOOD, {"user_factors": ONE, "item_factors": ONE, "item_weights": ONE}, "item-item"),
        (GOOD, {"user_factors": ONE, "item_factors": ONE, "item_weights": TWO, **NO_PAIRS},
         "item-item weights of the file do not agree"),
        (GOOD, {"user_factors": ONE, "item_factors": ONE, "item_weights": np.nan * ONE,
                **NO_PAIRS}, "weights that are not finite"),
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
    np.savez_compressed(path, header=np.zeros(10_000_000, np.uint8))
    with pytest.raises(ValueError, match="compressed"):
        VSEens.load(path)
    with pytest.raises(FileNotFoundError):
        VSEens.load(tmp_path / "nowhere")


def member(header, data):
    """An array's file with a header of its own making."""
    text = f"{header}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


@pytest.mark.parametrize(
    "content",
    [
        member("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1000)}", b"1234"),
        member("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -4)}", bytes(16)),
        member("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}", pickle.dumps([])),
        member("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 1)}", bytes(4)),
        member("__import__('os').abort()", bytes(4)),
        member("{" * 5000, bytes(4)),
        b"\x93NUMPY\x09\x00",
        b"",
    ],
)
def test_hostile_arrays(fitted, tmp_path, content):
    fitted.save(tmp_path / "model")
    with (
        zipfile.ZipFile(tmp_path / "model.npz") as whole,
        zipfile.ZipFile(tmp_path / "hostile.npz", "w") as hostile,
    ):
        for name in whole.namelist():
            hostile.writestr(name, content if name == "user_factors.npy" else whole.read(name))
    with pytest.raises(ValueError, match="not a whole file"):
        VSEens.load(tmp_path / "hostile")


# set VSEENS_REC_FUZZ_CASES to try more
@pytest.mark.parametrize("seed", range(1 + int(os.environ.get("VSEENS_REC_FUZZ_CASES", 0)) // 300))
def test_mutated_files(annotations, seed):
    """What is changed by chance is refused, or does not matter, and never crashes."""
    model = VSEens(factors=2, iterations=1, random_state=0, num_threads=1)
    file = io.BytesIO()
    model.fit(annotations[:30], show_progress=False).save(file)
    whole = np.frombuffer(file.getvalue(), np.uint8)
    generator = np.random.default_rng(seed)
    refused = 0
    for _ in range(300):
        mutated = whole.copy()
        for place in generator.integers(len(whole), size=generator.integers(1, 4)):
            mutated[place] ^= 1 << generator.integers(8)
        if generator.random() < 0.2:
            mutated = mutated[: generator.integers(len(mutated))]
        if generator.random() < 0.1:
            mutated = np.concatenate([mutated, mutated[: generator.integers(200)]])
        try:
            loaded = VSEens.load(io.BytesIO(mutated.tobytes()))
        except ValueError:
            refused += 1
        else:
            np.testing.assert_array_equal(loaded.user_factors, model.user_factors)
            np.testing.assert_array_equal(loaded.recommend(0)[0], model.recommend(0)[0])
    assert refused > 200


def test_mapped_into_memory(fitted, tmp_path):
    path = tmp_path / "model.npz"
    fitted.save(path)
    mapped = VSEens.load(path, mmap_mode="c")
    assert_same(mapped, fitted)
    factors = mapped.user_factors
    assert factors.ctypes.data % 64 == 0
    while factors is not None and not isinstance(factors, np.memmap):
        factors = factors.base
    assert factors is not None
    mapped.partial_fit_users([0], csr_matrix(np.eye(1, 120)))
    np.testing.assert_array_equal(VSEens.load(path).user_factors, fitted.user_factors)
    with pytest.raises(ValueError, match="mmap_mode must be 'c' or None"):
        VSEens.load(path, mmap_mode="r+")
    with open(path, "rb") as file, pytest.raises(ValueError, match="needs a path"):
        VSEens.load(file, mmap_mode="c")


def test_what_is_mapped_is_of_one_file(fitted, annotations, tmp_path, monkeypatch):
    """A file that takes the place of the one being read has no part in what is read."""
    path = tmp_path / "model.npz"
    fitted.save(path)
    other = VSEens(**fitted.get_params() | {"random_state": 1}).fit(
        annotations, show_progress=False
    )
    read = np.lib.format.read_array_header_1_0
    monkeypatch.setattr(
        np.lib.format, "read_array_header_1_0", lambda file: (other.save(path), read(file))[1]
    )
    mapped = VSEens.load(path, mmap_mode="c")
    np.testing.assert_array_equal(mapped.user_factors, fitted.user_factors)
    np.testing.assert_array_equal(mapped.item_factors, fitted.item_factors)


def test_a_file_of_the_first_version():
    """Kept as it was written; every release reads it and gives the same answers."""
    model = VSEens.load(Path(__file__).parent / "data" / "model_version_1.npz")
    assert model.get_params()["factors"] == 3
    assert model.n_iter_ == 2
    ids, scores = model.recommend([0, 7], N=4)
    np.testing.assert_array_equal(ids, [[9, 6, 2, 7], [9, 5, 10, 2]])
    np.testing.assert_allclose(
        scores,
        [[0.12142673, 0.01040176, -0.03797272, -0.04986919],
         [0.29853198, 0.26224834, 0.21515241, 0.07338677]],
        rtol=1e-5,
    )  # fmt: skip
    assert np.isfinite(model.transform(csr_matrix(np.eye(2, 12)))).all()


needs_links = pytest.mark.skipif(not hasattr(os, "symlink"), reason="there are no links")


@needs_links
@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_is_written_through(fitted, tmp_path, exists):
    (tmp_path / "versions").mkdir()
    target = tmp_path / "versions" / "model 1.npz"
    if exists:
        target.write_bytes(b"old")
    link = tmp_path / "current.npz"
    link.symlink_to(Path("versions") / target.name)
    fitted.save(tmp_path / "current")
    assert link.is_symlink()
    np.testing.assert_array_equal(VSEens.load(target).item_factors, fitted.item_factors)
    np.testing.assert_array_equal(VSEens.load(link).item_factors, fitted.item_factors)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current.npz", "versions"]
    assert [path.name for path in target.parent.iterdir()] == [target.name]


class Upload:
    """A file that can be written and nothing else."""

    def __init__(self):
        self.content = b""

    def write(self, data):
        self.content += bytes(data)
        return len(data)


class Download:
    """A file that can be read and nothing else."""

    def __init__(self, content):
        self.file = io.BytesIO(content)

    def read(self, n=-1):
        return self.file.read(n)


class RawDownload(io.RawIOBase):
    """A file of Python's own kind that cannot seek."""

    def __init__(self, content):
        self.file = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.file.readinto(buffer)


def test_files_that_cannot_seek(fitted, tmp_path):
    upload = Upload()
    fitted.save(upload)
    for download in (Download(upload.content), RawDownload(upload.content)):
        with pytest.raises(ValueError, match=r"cannot seek.*load\(io.BytesIO\(file.read\(\)\)\)"):
            VSEens.load(download)
    with pytest.raises(TypeError, match=r"got bytes: .*io.BytesIO\(content\)"):
        VSEens.load(upload.content)
    loaded = VSEens.load(io.BytesIO(Download(upload.content).read()))
    np.testing.assert_array_equal(loaded.item_factors, fitted.item_factors)
    # and can be mapped like any other
    (tmp_path / "model.npz").write_bytes(upload.content)
    mapped = VSEens.load(tmp_path / "model", mmap_mode="c")
    np.testing.assert_array_equal(mapped.item_factors, fitted.item_factors)


@pytest.mark.parametrize("module", ["gzip", "bz2", "lzma"])
def test_compressing_files(fitted, tmp_path, module):
    opens = importlib.import_module(module).open
    with opens(tmp_path / "model", "wb") as file:
        fitted.save(file)
    with opens(tmp_path / "model", "rb") as file:
        loaded = VSEens.load(io.BytesIO(file.read()))
    np.testing.assert_array_equal(loaded.item_factors, fitted.item_factors)


def test_after_something_else_in_an_open_file(fitted):
    file = io.BytesIO()
    file.write(b"something else")
    fitted.save(file)
    assert file.getvalue().startswith(b"something else")
    np.testing.assert_array_equal(VSEens.load(file).item_factors, fitted.item_factors)


def test_files_opened_for_text(fitted, tmp_path):
    with (
        open(tmp_path / "text", "w+") as file,
        pytest.raises(TypeError, match="opened for text: open it with mode 'wb'"),
    ):
        fitted.save(file)
    with (
        open(tmp_path / "text") as file,
        pytest.raises(TypeError, match="opened for text: open it with mode 'rb'"),
    ):
        VSEens.load(file)
