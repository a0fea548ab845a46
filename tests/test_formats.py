"""Files in the public formats, well formed and not."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_matrix, csr_matrix, load_npz

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
        ("{", "not a file of instances"),
        (json.dumps({"images": []}), "not a file of instances"),
        (json.dumps([]), "not a file of instances"),
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
    for line, problem in (("x sky", "not an integer"), ("7 sea", "second time")):
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
    for line, problem in (("1 -2", "'-2' is not an integer"), ("1 99999999999", "outside")):
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
