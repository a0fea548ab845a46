"""Files in the public formats, well formed and not."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_matrix, csr_matrix

from vseens_rec import BPR
from vseens_rec.datasets import (
    read_pairs,
)

from .reading import as_dict

DATA = Path(__file__).parents[2] / "shared" / "data"


PAIRS = {("a", "sky"): 1, ("a", "sea"): 1, ("b", "sea"): 1}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a,sky\na,sea\nb,sea\n", {}),
        ("a\tsky\na\tsea\nb\tsea", {}),
        ("a;sky\r\na;sea\r\nb;sea\r\n", {}),
        ("a sky\na  sea\n\nb sea\n", {}),
        ("photo,tag\na,sky\na,sea\nb,sea\n", {"header": True}),
        ("tag,photo\nsky,a\nsea,a\nsea,b\n", {"image": "photo", "label": "tag"}),
        ("sky|x|a\nsea|x|a\nsea|x|b\n", {"image": 2, "label": 0}),
        ("a#sky\na#sea\nb#sea\n", {"delimiter": "#"}),
        ("\ufeffa,sky\na,sea\nb,sea\n", {}),
        ('"a","sky"\n"a","sea"\nb,sea\nb,sea\n', {}),
    ],
)
@pytest.mark.parametrize("name", ["pairs.csv", "pairs.txt.gz"])
def test_pairs(write, text, options, name):
    read = read_pairs(write(text, name), **options)
    assert as_dict(read) == PAIRS
    assert read.matrix.dtype == np.float32
    assert read.matrix.has_canonical_format
    assert list(read.image_ids) == ["a", "b"]


def test_weights_are_summed(write):
    read = read_pairs(write("a,x,2\na,x,0.5\nb,x,1e-3\n"), value=2)
    assert as_dict(read) == {("a", "x"): 2.5, ("b", "x"): pytest.approx(1e-3)}


def test_ids_that_are_integers(write):
    read = read_pairs(write("10,007\n2,1\n"))
    assert read.image_ids.dtype == np.int64
    assert read.image_ids.tolist() == [10, 2]
    # these would lose their zeros
    assert read.labels.tolist() == ["007", "1"]


def test_quoted_fields_over_several_lines(write):
    read = read_pairs(write('a,"two\nlines"\nb,"with, comma"\n'))
    assert list(read.labels) == ["two\nlines", "with, comma"]


@pytest.mark.parametrize(
    ("text", "options", "line", "problem"),
    [
        ("a,x\nb\nc,z\nd,x\n", {}, 2, "1 column, expected 2"),
        ("a,x\nb,y\n,z\n", {}, 3, "an empty id"),
        ("i,l\na,x\nb,\n", {"header": True}, 3, "an empty id"),
        ("a,x,1\nb,y,many\n", {"value": 2}, 2, "the weight 'many'"),
        ("a,x,1\nb,y,0\n", {"value": 2}, 2, "the weight '0'"),
        ("a,x,1\nb,y,nan\n", {"value": 2}, 2, "the weight 'nan'"),
        ("a,x,1\nb,y,1e-50\n", {"value": 2}, 2, "the weight '1e-50'"),
        ('a,"two\nlines"\nb\n', {}, 3, "1 column, expected 2"),
    ],
)
def test_malformed_lines_are_named(write, text, options, line, problem):
    path = write(text)
    with pytest.raises(ValueError, match=f"pairs.csv, line {line}: .*{problem}.*malformed='warn'"):
        read_pairs(path, **options)
    with pytest.warns(UserWarning, match=rf"left out 1 malformed lines \({line}\).*{problem}"):
        read = read_pairs(path, malformed="warn", **options)
    assert ("a", read.labels[0]) in as_dict(read)


def test_many_malformed_lines_are_one_warning(write):
    path = write("a,x\n" + "bad\n" * 50)
    with pytest.warns(UserWarning, match=r"50 malformed lines \(2, 3, 4, 5, 6, \.\.\.\)") as caught:
        read_pairs(path, malformed="warn")
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "content",
    [
        "ä,x\nb,y\n".encode("latin-1"),
        b"a,x\n" * 100_000 + "ä,x\n".encode("latin-1"),
        gzip.compress(b"a,x\n" * 1000, mtime=0)[:-20],
        b"a,x\n",
    ],
)
def test_files_that_are_no_text_are_named(tmp_path, content):
    name = "pairs.csv" if "ä,x".encode("latin-1") in content else "pairs.csv.gz"
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=name):
        read_pairs(path)


def test_ids_that_are_larger_than_64_bits(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = {"photo": np.array([2**63 + 5, 7], dtype=np.uint64), "tag": ["x", "y"]}
    path = tmp_path / "pairs.parquet"
    parquet.write_table(pytest.importorskip("pyarrow").table(table), path)
    assert read_pairs(path).image_ids.tolist() == [2**63 + 5, 7]


def test_what_is_asked_for_in_vain(write):
    path = write("photo,tag\na,x\n")
    with pytest.raises(ValueError, match="no column 'image', only 'photo', 'tag'"):
        read_pairs(path, image="image", label="tag")
    with pytest.raises(ValueError, match="header"):
        read_pairs(path, image="photo", label="tag", header=False)
    with pytest.raises(ValueError, match="number from 0 or its name"):
        read_pairs(path, image=-1)
    with pytest.raises(ValueError, match="'raise' or 'warn'"):
        read_pairs(path, malformed="ignore")
    with pytest.raises(FileNotFoundError):
        read_pairs(path.with_name("nowhere.csv"))
    with pytest.raises(ValueError, match="line 2: a quoted field of more than"):
        read_pairs(write("a,x\n" + '"' + "y" * 200_000 + '"' + ",z\n"))
    empty = read_pairs(write(""))
    assert empty.matrix.shape == (0, 0)


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    import pandas as pd

    frame = pd.DataFrame({"tag": ["sky", "sea", "sea"], "photo": [7, 7, 8], "w": [1.0, 2.0, 0.5]})
    path = tmp_path / "pairs.parquet"
    frame.to_parquet(path)
    read = read_pairs(path, image="photo", label="tag", value="w")
    assert as_dict(read) == {(7, "sky"): 1.0, (7, "sea"): 2.0, (8, "sea"): 0.5}
    with pytest.raises(ValueError, match="no column 'x'"):
        read_pairs(path, image="x", label="tag")
    frame.loc[1, "tag"] = None
    frame.to_parquet(path)
    with pytest.raises(ValueError, match="line 2: an empty id"):
        read_pairs(path, image="photo", label="tag")


def test_matrices_of_other_libraries_are_taken_as_they_are():
    """LightFM's interactions are int32 COO; implicit's are CSR of counts."""
    interactions = coo_matrix((np.ones(3, np.int32), ([0, 1, 1], [0, 0, 1])), shape=(2, 3))
    with pytest.warns(match="converts the coo_matrix"):
        one = BPR(factors=2, random_state=0, num_threads=1).fit(interactions, show_progress=False)
    counts = csr_matrix(interactions.toarray() * 7.0)
    other = BPR(factors=2, random_state=0, num_threads=1).fit(counts, show_progress=False)
    np.testing.assert_array_equal(one.item_factors, other.item_factors)
