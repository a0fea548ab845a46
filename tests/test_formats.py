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
    read_harrison,
    read_lightgcn,
    read_nus_wide_labels,
    read_nus_wide_matrix,
    read_nus_wide_tags,
    read_openimages,
    read_pairs,
)

from .reading import as_dict

DATA = Path(__file__).parents[2] / "shared" / "data"


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


def test_openimages_verified_absence_wins(write):
    """In any order, in one file or in two, with a column for the source or without."""
    people = "ImageID,Source,LabelName,Confidence\n1,verification,/m/a,0\n1,verification,/m/b,1\n"
    machines = "ImageID,Source,LabelName,Confidence\n1,machine,/m/a,0.9\n2,machine,/m/a,0.9\n"
    paths = [write(people, "people.csv"), write(machines, "machines.csv")]
    expected = {("1", "/m/b"): 1, ("2", "/m/a"): 1}
    for order in (paths, paths[::-1]):
        assert as_dict(read_openimages(order)) == expected
    plain = [
        write("ImageID,LabelName,Confidence\n1,/m/a,0\n1,/m/b,1\n", "p.csv"),
        write("ImageID,LabelName,Confidence\n1,/m/a,0.9\n2,/m/a,0.9\n", "m.csv"),
    ]
    assert as_dict(read_openimages(plain)) == expected
    # even if everything counts
    assert as_dict(read_openimages(paths[0], min_confidence=0)) == {("1", "/m/b"): 1}
    # a machine that is sure of nothing has verified nothing
    guess = write(machines + "3,machine,/m/a,0\n3,verification,/m/a,1\n", "guess.csv")
    assert ("3", "/m/a") in as_dict(read_openimages(guess))
    with pytest.raises(ValueError, match="min_confidence must be from 0 to 1"):
        read_openimages(paths, min_confidence=2)


def test_openimages_labels_of_one_name_are_kept_apart(write):
    path = write("ImageID,LabelName,Confidence\n1,/m/04,1\n1,/m/02,1\n1,/m/01,1\n")
    names = write("/m/04,Mouse\n/m/02,Mouse\n/m/01,Cat\n", "names.csv")
    read = read_openimages(path, descriptions=names)
    assert list(read.labels) == ["Mouse (/m/04)", "Mouse (/m/02)", "Cat"]
    for text, message in (
        ("/m/04\n", "line 1: 1 column, expected a code"),
        ("/m/1,a\n/m/1,b\n", "/m/1 is 'b'"),
    ):
        with pytest.raises(ValueError, match=message):
            read_openimages(path, descriptions=write(text, "bad.csv"))


def test_openimages_in_known_numbers(write):
    path = write("ImageID,LabelName,Confidence\n1,/m/a,1\n2,/m/new,1\n3,/m/new,0\n")
    with pytest.raises(ValueError, match="the label '/m/new' is not among the labels"):
        read_openimages(path, labels=["/m/b", "/m/a"])
    read = read_openimages(path, labels=["/m/b", "/m/a"], unknown="skip")
    assert read.matrix.toarray().tolist() == [[0, 1], [0, 0], [0, 0]]


def test_coco_files_that_are_numbered_from_0_each(write):
    def content(names):
        return json.dumps(
            {
                "images": [{"id": n, "file_name": name} for n, name in enumerate(names)],
                "categories": [{"id": 0, "name": "cat"}],
                "annotations": [{"image_id": 0, "category_id": 0}],
            }
        )

    one, two = write(content(["a", "b"]), "one.json"), write(content(["c", "b"]), "two.json")
    with pytest.raises(ValueError, match=r"id 0 have 'a' in .*one.json and 'c' in .*two.json"):
        read_coco([one, two])
    apart = read_coco([one, two], separate=True)
    assert list(apart.image_ids) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert apart.matrix.toarray().tolist() == [[1], [0], [1], [0]]
    named = read_coco([one, two], image_key="file_name")
    assert list(named.image_ids) == ["a", "b", "c"]
    # the same images again, as in the files of objects and of persons
    again = write(content(["a", "b"]), "again.json")
    assert read_coco([one, again]).image_ids.tolist() == [0, 1]
    bare = COCO | {"annotations": []}
    with pytest.raises(ValueError, match="no file_name that would tell whether they are one"):
        read_coco([write(json.dumps(bare), "x.json"), write(json.dumps(bare), "y.json")])
    with pytest.raises(ValueError, match="has no 'file_name', only 'id'"):
        read_coco(write(json.dumps(bare), "x.json"), image_key="file_name")
    twice = COCO | {"images": [{"id": 9, "file_name": "a"}, {"id": 9, "file_name": "b"}]}
    with pytest.raises(ValueError, match="two images with the id 9"):
        read_coco(write(json.dumps(twice), "x.json"))


def test_coco_ids_keep_their_types(write):
    content = {
        "images": [{"id": "7"}, {"id": 7}, {"id": "007"}],
        "categories": [{"id": "1", "name": "cat"}, {"id": 1, "name": "dog"}],
        "annotations": [{"image_id": "7", "category_id": 1}, {"image_id": 7, "category_id": "1"}],
    }
    read = read_coco(write(json.dumps(content), "mixed.json"))
    assert list(read.image_ids) == ["7", 7, "007"]
    assert as_dict(read) == {("7", "dog"): 1, (7, "cat"): 1}
    for wrong in (True, 1.5, None, [1]):
        content["images"] = [{"id": wrong}]
        with pytest.raises(ValueError, match="image id .* is neither an integer nor text"):
            read_coco(write(json.dumps(content), "wrong.json"))


def test_coco_categories(write):
    twins = COCO | {"categories": [{"id": 1, "name": "a"}, {"id": 3, "name": "a"}]}
    with pytest.raises(ValueError, match="categories 1 and 3 are both 'a'"):
        read_coco(write(json.dumps(twins), "twins.json"))
    path = write(json.dumps(COCO), "instances.json")
    assert read_coco(path, label_key="id").labels.tolist() == [1, 3]
    with pytest.raises(ValueError, match="label_key must be 'name' or 'id'"):
        read_coco(path, label_key="supercategory")
    read = read_coco(path, image_ids=[4, 9, 5], labels=["car", "bird", "person"])
    assert read.matrix.toarray().tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    with pytest.raises(ValueError, match="the image 5 is not among the image_ids"):
        read_coco(path, image_ids=[4, 9])


def test_other_files_of_coco(write):
    panoptic = COCO | {
        "annotations": [
            {"image_id": 4, "segments_info": [{"category_id": 3}, {"category_id": 1}]},
            {"image_id": 9, "segments_info": []},
        ]
    }
    path = write(json.dumps(panoptic), "panoptic.json")
    assert as_dict(read_coco(path)) == {(4, "car"): 1, (4, "person"): 1}
    with path.open() as text, path.open("rb") as file:
        assert as_dict(read_coco(text)) == as_dict(read_coco(file)) == as_dict(read_coco(path))
    packed = path.with_suffix(".json.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert as_dict(read_coco(packed)) == as_dict(read_coco(path))
    captions = {"images": [], "annotations": [{"image_id": 1, "caption": "a road"}]}
    for content, message in (
        (captions, "no 'categories' .captions have no categories"),
        ([{"image_id": 1, "category_id": 1, "score": 0.5}], "a list, such as results are"),
        ({"images": [], "categories": []}, "no 'annotations' .the images of a test set"),
    ):
        with pytest.raises(ValueError, match=message):
            read_coco(write(json.dumps(content), "other.json"))


def test_nus_wide_matrix(write):
    path = write("1\t0\t1\t\n0\t0\t0\t\n0\t0\t1\t\n", "AllTags1k.txt")
    read = read_nus_wide_matrix(path)
    assert read.matrix.toarray().tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert read.labels.tolist() == [0, 1, 2]
    names = write("sky\nsun\nsea\n", "TagList1k.txt")
    read = read_nus_wide_matrix(path, labels=names, image_ids=[51, 52, 53])
    assert as_dict(read) == {(51, "sky"): 1, (51, "sea"): 1, (53, "sea"): 1}
    for text, options, message in (
        ("1 0\n1 2\n", {}, "line 2: '1 2', expected zeros and ones"),
        ("1 0\n\n1\n", {}, "line 3: 1 column, expected 2"),
        ("1 0\n", {"labels": ["a"]}, "has 2 columns, but there are 1 labels"),
        ("1 0\n", {"labels": ["a", "a"]}, "'a' more than once"),
        ("1 0\n", {"image_ids": [1, 2]}, "1 lines, but there are 2 image_ids"),
    ):
        with pytest.raises(ValueError, match=message):
            read_nus_wide_matrix(write(text, "bad.txt"), **options)
    assert read_nus_wide_matrix(write("", "empty.txt")).matrix.shape == (0, 0)


def test_files_of_nus_wide_are_not_taken_for_each_other(write):
    table = write("1\t0\t1\t\n0\t0\t1\t\n", "AllTags1k.txt")
    for reader in (read_nus_wide_labels, read_nus_wide_tags):
        with pytest.raises(ValueError, match="read_nus_wide_matrix reads"):
            reader(table)
    tags = write("51 sky sea\n52 sea\n", "All_Tags.txt")
    with pytest.raises(ValueError, match="line 1: '51 sky sea', expected zeros and ones"):
        read_nus_wide_matrix(tags)
    with pytest.raises(ValueError, match="vocabulary must be a list of tags, got the text 'sky'"):
        read_nus_wide_tags(tags, vocabulary="sky")
    with pytest.raises(ValueError, match="pass one of them"):
        read_nus_wide_tags(tags, vocabulary=["sky"], labels=["sky"])
    with pytest.raises(ValueError, match="'sea' is not among the labels"):
        read_nus_wide_tags(tags, labels=["sky"])
    train, test = write("1\n", "Labels_sky_Train.txt"), write("0\n", "Labels_sky_Test.txt")
    with pytest.raises(ValueError, match="is about 'sky', as a file before it is"):
        read_nus_wide_labels([train, test])
    read = read_nus_wide_labels([train], image_ids=["a"], labels=["sea", "sky"])
    assert as_dict(read) == {("a", "sky"): 1}


def test_harrison(write, tmp_path):
    write("beach/1.jpg\ncat/2.jpg\nsea 3.jpg\n", "data_list.txt")
    tags = write("beach sea \n\nsun sea \n", "tag_list.txt")
    expected = {("beach/1.jpg", "beach"): 1, ("beach/1.jpg", "sea"): 1,
                ("sea 3.jpg", "sun"): 1, ("sea 3.jpg", "sea"): 1}  # fmt: skip
    read = read_harrison(tmp_path)
    assert as_dict(read) == expected
    assert list(read.image_ids) == ["beach/1.jpg", "cat/2.jpg", "sea 3.jpg"]
    assert as_dict(read_harrison(tags, tmp_path / "data_list.txt")) == expected
    assert read_harrison(tags).image_ids.tolist() == [0, 1, 2]
    known = read_harrison(tags, labels=["sea"], unknown="skip")
    assert known.matrix.toarray().tolist() == [[1], [0], [1]]
    with pytest.raises(ValueError, match=r"has 3 lines, .*other.txt 2"):
        read_harrison(tags, write("a\nb\n", "other.txt"))
    with pytest.raises(ValueError, match="line 3: the image 'a' comes a second time"):
        read_harrison(tags, write("a\nb\na\n", "other.txt"))


def test_lightgcn_ids_that_are_no_numbers_of_rows(write):
    path = write("0 1 2\n1 0 2000000000\n", "train.txt")
    with pytest.raises(ValueError, match=r"largest item is 2000000000, of 4 different.*shape="):
        read_lightgcn(path)
    assert read_lightgcn(path, shape=(2, 2000000001)).nnz == 4
    with pytest.raises(ValueError, match="largest user is 13647000"):
        read_lightgcn(write("13647000 1\n", "train.txt"))
    assert read_lightgcn(write("0 1\n13647 \n", "train.txt")).shape == (13648, 2)
    with pytest.raises(ValueError, match=r"line 1: '0,1,2' is not an integer.*read_pairs"):
        read_lightgcn(write("0,1,2\n", "train.txt"))
    path = write("0 1\n", "train.txt")
    path.write_bytes(path.read_bytes() + b"1 \xff\n")
    with pytest.raises(ValueError, match="line 2: bytes that are not UTF-8"):
        read_lightgcn(path)
