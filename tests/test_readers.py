"""Files in the public formats, well formed and not."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_matrix, csr_matrix, load_npz

from vseens_rec import BPR
from vseens_rec.datasets import (
    load_emoji,
    read_coco,
    read_lightgcn,
    read_nus_wide_labels,
    read_nus_wide_tags,
    read_openimages,
    read_pairs,
)

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def write(tmp_path):
    def write(text, name="pairs.csv"):
        path = tmp_path / name
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_bytes(text.encode())
        return path

    return write


def as_dict(read):
    """Pairs of names and their values."""
    pairs = read.matrix.tocoo()
    return {
        (read.image_ids[row], read.labels[column]): value
        for row, column, value in zip(pairs.row, pairs.col, pairs.data, strict=True)
    }


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
        ("a,x\nb\nc,z\n", {}, 2, "1 columns, expected at least 2"),
        ("a,x\nb,y\n,z\n", {}, 3, "an empty id"),
        ("i,l\na,x\nb,\n", {"header": True}, 3, "an empty id"),
        ("a,x,1\nb,y,many\n", {"value": 2}, 2, "the weight 'many'"),
        ("a,x,1\nb,y,0\n", {"value": 2}, 2, "the weight '0'"),
        ("a,x,1\nb,y,nan\n", {"value": 2}, 2, "the weight 'nan'"),
        ("a,x,1\nb,y,1e-50\n", {"value": 2}, 2, "the weight '1e-50'"),
        ('a,"two\nlines"\nb\n', {}, 3, "1 columns"),
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
        gzip.compress(b"a,x\n" * 1000)[:-20],
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
    with pytest.raises(ValueError, match="no column 'image', only photo, tag"):
        read_pairs(path, image="image", label="tag")
    with pytest.raises(ValueError, match="header"):
        read_pairs(path, image="photo", label="tag", header=False)
    with pytest.raises(ValueError, match="number from 0 or its name"):
        read_pairs(path, image=-1)
    with pytest.raises(ValueError, match="'raise' or 'warn'"):
        read_pairs(path, malformed="ignore")
    with pytest.raises(FileNotFoundError):
        read_pairs(path.with_name("nowhere.csv"))
    with pytest.raises(ValueError, match="after line 1"):
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


OPENIMAGES = (
    "ImageID,Source,LabelName,Confidence\n"
    "0001,verification,/m/01,1\n0001,verification,/m/02,0\n0002,machine,/m/02,0.7\n"
    "0003,verification,/m/01,0\n"
)


def test_openimages(write):
    path = write(OPENIMAGES)
    read = read_openimages(path)
    assert as_dict(read) == {("0001", "/m/01"): 1, ("0002", "/m/02"): 1}
    assert list(read.image_ids) == ["0001", "0002", "0003"]
    assert as_dict(read_openimages([path], min_confidence=0.8)) == {("0001", "/m/01"): 1}
    names = write('/m/01,Cat\n/m/02,"Dog, large"\n', "names.csv")
    named = read_openimages(path, descriptions=names)
    assert as_dict(named) == {("0001", "Cat"): 1, ("0002", "Dog, large"): 1}
    bad = write(OPENIMAGES + "0004,machine,/m/01,1.5\n0005,machine\n", "bad.csv")
    with pytest.raises(ValueError, match="line 6: .*confidence '1.5'"):
        read_openimages(bad)
    with pytest.warns(UserWarning, match=r"2 malformed lines \(6, 7\)"):
        assert as_dict(read_openimages(bad, malformed="warn")) == as_dict(read)
    with pytest.raises(ValueError, match="no column 'Confidence'"):
        read_openimages(write("ImageID,LabelName\n1,2\n", "other.csv"))
    with pytest.raises(ValueError, match="no file"):
        read_openimages([])


COCO = {
    "images": [{"id": 9}, {"id": 4}, {"id": 5}],
    "categories": [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}],
    "annotations": [
        {"image_id": 4, "category_id": 3}, {"image_id": 4, "category_id": 3},
        {"image_id": 9, "category_id": 1},
    ],
}  # fmt: skip


def test_coco(write):
    path = write(json.dumps(COCO), "instances.json")
    read = read_coco(path)
    assert list(read.labels) == ["person", "car"]
    assert read.image_ids.tolist() == [9, 4, 5]
    np.testing.assert_array_equal(read.matrix.toarray(), [[1, 0], [0, 1], [0, 0]])
    other = COCO | {"images": [{"id": 1}], "annotations": [{"image_id": 1, "category_id": 1}]}
    both = read_coco([path, write(json.dumps(other), "other.json")])
    assert both.image_ids.tolist() == [9, 4, 5, 1]
    renamed = COCO | {"categories": [{"id": 1, "name": "dog"}, *COCO["categories"][1:]]}
    with pytest.raises(ValueError, match="renamed.json .*category 1 is 'dog', and 'person' before"):
        read_coco([path, write(json.dumps(renamed), "renamed.json")])
    for broken, message in (
        ("{", "no file of instances"),
        (json.dumps({"images": []}), "no file of instances"),
        (json.dumps([]), "no file of instances"),
        (json.dumps(COCO | {"categories": []}), "annotation 0 has the unknown category 3"),
        (json.dumps(COCO | {"images": [{"id": 4}]}), "annotation 2 is of the unknown image 9"),
    ):
        with pytest.raises(ValueError, match=message):
            read_coco(write(broken, "broken.json"))


def test_nus_wide_labels(write):
    paths = [
        write("1\n0\n1\n", "Labels_animal.txt"),
        write("0\n0\n1\n\n", "Labels_sky_Train.txt"),
    ]
    read = read_nus_wide_labels(paths)
    assert list(read.labels) == ["animal", "sky"]
    np.testing.assert_array_equal(read.matrix.toarray(), [[1, 0], [0, 0], [1, 1]])
    with pytest.raises(ValueError, match="line 2: '2', expected 0 or 1"):
        read_nus_wide_labels([write("1\n2\n", "Labels_x.txt")])
    with pytest.raises(ValueError, match="has 1 lines, the files before it 3"):
        read_nus_wide_labels([paths[0], write("1\n", "Labels_y.txt")])


def test_nus_wide_tags(write):
    path = write("100 sky sea\n7\n8 sea sea boat\n", "All_Tags.txt")
    read = read_nus_wide_tags(path)
    assert as_dict(read) == {(100, "sky"): 1, (100, "sea"): 1, (8, "sea"): 1, (8, "boat"): 1}
    assert read.image_ids.tolist() == [100, 7, 8]
    kept = read_nus_wide_tags(path, vocabulary=["boat", "sky", "tree"])
    assert list(kept.labels) == ["boat", "sky", "tree"]
    assert as_dict(kept) == {(100, "sky"): 1, (8, "boat"): 1}
    for line, problem in (("x sky", "no integer"), ("7 sea", "second time")):
        with pytest.raises(ValueError, match=f"line 4: .*{problem}"):
            read_nus_wide_tags(write(path.read_text() + line, "bad.txt"))


def test_lightgcn(write):
    path = write("0 1 3\n2 0 0\n4\n\n", "train.txt")
    matrix = read_lightgcn(path)
    np.testing.assert_array_equal(
        matrix.toarray(), [[0, 1, 0, 1], [0] * 4, [1, 0, 0, 0], [0] * 4, [0] * 4]
    )
    assert read_lightgcn(path, shape=(9, 7)).shape == (9, 7)
    with pytest.raises(ValueError, match="line 1: an id is outside"):
        read_lightgcn(path, shape=(9, 3))
    for line, problem in (("1 -2", "'-2' is no integer"), ("1 99999999999", "outside")):
        bad = write(path.read_text() + line, "bad.txt")
        with pytest.raises(ValueError, match=f"line 5: .*{problem}"):
            read_lightgcn(bad)
        with pytest.warns(UserWarning, match="1 malformed"):
            assert (read_lightgcn(bad, malformed="warn") != matrix).nnz == 0


def test_real_data_survives_a_round_trip(tmp_path):
    """The pairs of a real set, written in the format of LightGCN and as a table."""
    path = DATA / "corel5k" / "train.npz"
    matrix = load_npz(path) if path.exists() else load_emoji().matrix
    matrix = csr_matrix(matrix, dtype=np.float32)
    lines = [
        " ".join(map(str, [row, *matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]]))
        for row in range(matrix.shape[0])
    ]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    assert (read_lightgcn(tmp_path / "train.txt", shape=matrix.shape) != matrix).nnz == 0
    pairs = matrix.tocoo()
    with gzip.open(tmp_path / "pairs.tsv.gz", "wt") as file:
        for row, column in zip(pairs.row, pairs.col, strict=True):
            file.write(f"{row}\t{column}\n")
    read = read_pairs(tmp_path / "pairs.tsv.gz")
    back = coo_matrix(
        (read.matrix.data, (read.image_ids[read.matrix.tocoo().row],
                            read.labels[read.matrix.tocoo().col])),
        shape=matrix.shape,
    )  # fmt: skip
    assert (back.tocsr() != matrix).nnz == 0


def test_matrices_of_other_libraries_are_taken_as_they_are():
    """LightFM's interactions are int32 COO; implicit's are CSR of counts."""
    interactions = coo_matrix((np.ones(3, np.int32), ([0, 1, 1], [0, 0, 1])), shape=(2, 3))
    with pytest.warns(match="converts the coo_matrix"):
        one = BPR(factors=2, random_state=0, num_threads=1).fit(interactions, show_progress=False)
    counts = csr_matrix(interactions.toarray() * 7.0)
    other = BPR(factors=2, random_state=0, num_threads=1).fit(counts, show_progress=False)
    np.testing.assert_array_equal(one.item_factors, other.item_factors)
