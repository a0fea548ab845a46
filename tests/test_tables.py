"""Tables as programs write them: dialects, sources, numbers for names, lists and times."""

import bz2
import csv
import gzip
import io
import lzma
import warnings
import zipfile

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vseens_rec.datasets import read_pairs, sources, tokens

from .reading import pairs_of


@pytest.fixture
def small_blocks(monkeypatch):
    """Text in blocks that come apart everywhere, so that a delimiter has to be given."""
    monkeypatch.setattr(sources, "BLOCK", 5)


# --- dialects ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        # commas are part of a label, in the first line or in all
        ("p1\tred, blue, green\np2\tsky\n", "x.tsv", [("p1", "red, blue, green"), ("p2", "sky")]),
        ("p1\tlime, fig\np2\tkiwi, plum\n", "x.tsv", [("p1", "lime, fig"), ("p2", "kiwi, plum")]),
        ("u1;Crosby, Stills, Nash\nu2;Blur\n", "x.csv", [("u1", "Crosby, Stills, Nash"),
                                                         ("u2", "Blur")]),
        ("5::17::4\n6::17::1\n", "x.dat", [(5, 17), (6, 17)]),
        # quotes mean nothing between tabs
        ('u1\t"Weird" Al\nu2\t"Heroes\nu3\t7" mix\n', "x.tsv",
         [("u1", '"Weird" Al'), ("u2", '"Heroes'), ("u3", '7" mix')]),
        ('u1,"a ""b"", c"\nu2,"two\nlines"\nu3,x"y\n', "x.csv",
         [("u1", 'a "b", c'), ("u2", "two\nlines"), ("u3", 'x"y')]),
        ("a x\n\n  b   y  \n\n", "x.txt", [("a", "x"), ("b", "y")]),
        ("a,x\rb,y\r", "x.csv", [("a", "x"), ("b", "y")]),
        ("a,x\r\n\r\nb,y", "x.csv", [("a", "x"), ("b", "y")]),
        # other white space belongs to names
        ("a new\u3000york\nb new\xa0york\n", "x.txt", [("a", "new\u3000york"),
                                                       ("b", "new\xa0york")]),
    ],
)  # fmt: skip
def test_dialects_are_found(write, text, name, expected):
    assert pairs_of(read_pairs(write(text, name))) == expected


@pytest.mark.parametrize(
    ("text", "name", "choices"),
    [
        ("p1\tlime, fig\np2\tkiwi, plum\n", "x.txt", ["'\\t'", "','"]),
        ("u1;Simon, Garfunkel\nu2;Hall, Oates\n", "x.csv", ["','", "';'"]),
        ("p1 lime,fig\np2 kiwi,plum\n", "x.txt", ["','", "'\\\\s+'"]),
        ("a,b|c\nd,e|f\n", "x.csv", ["','", "'|'"]),
    ],
)
def test_doubt_is_refused_with_the_choices(write, text, name, choices):
    with pytest.raises(ValueError, match="the delimiter is in doubt") as caught:
        read_pairs(write(text, name))
    for choice in choices:
        assert f"delimiter={choice}" in str(caught.value)


def test_names_settle_the_delimiter(write):
    path = write("photo;tag\np1;a, b\np2;c, d\n")
    assert pairs_of(read_pairs(path, image="photo", label="tag")) == [
        ("p1", "a, b"),
        ("p2", "c, d"),
    ]
    assert pairs_of(read_pairs(path, header=True, delimiter=";")) == [
        ("p1", "a, b"),
        ("p2", "c, d"),
    ]


def test_delimiters_that_are_given(write):
    path = write("a<->x y<->1\nb<->z<->2\n", "x.txt")
    assert pairs_of(read_pairs(path, delimiter="<->")) == [("a", "x y"), ("b", "z")]
    path = write("a  x\nb y\n", "x.txt")
    assert pairs_of(read_pairs(path, delimiter=r"\s+")) == [("a", "x"), ("b", "y")]
    with pytest.raises(ValueError, match="line 2: 2 columns, expected 3"):
        read_pairs(path, delimiter=" ", label=2)
    for delimiter in ("", "\n", 3, '"'):
        with pytest.raises((ValueError, TypeError), match="delimiter"):
            read_pairs(path, delimiter=delimiter)
    with pytest.raises(ValueError, match="quotes need a delimiter of one character"):
        read_pairs(path, delimiter="::", quoting=csv.QUOTE_MINIMAL)


def test_quotes_by_choice(write):
    path = write('"a"\t"x\ty"\n"b"\t"z"\n', "x.tsv")
    assert pairs_of(read_pairs(path, quoting=csv.QUOTE_MINIMAL)) == [("a", "x\ty"), ("b", "z")]
    path = write('"a"\t"x"\n"b"\t"z"\n', "y.tsv")
    with pytest.warns(UserWarning, match="in quotes, which stay part"):
        assert read_pairs(path).labels.tolist() == ['"x"', '"z"']
    path = write('a,"x\nb,y\nc,z"\n', "y.csv")
    assert pairs_of(read_pairs(path, quoting=csv.QUOTE_NONE))[0] == ("a", '"x')
    with pytest.raises(ValueError, match="quoting must be"):
        read_pairs(path, quoting=csv.QUOTE_NONNUMERIC)


@pytest.mark.usefixtures("reader", "small_blocks")
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('b,"y', "a quote is opened and not closed"),
        ('b,"y"z', "does not end at a delimiter"),
        ("b,y,w", "3 columns, expected 2"),
        ("b", "1 column, expected 2"),
        ("b,y\0", "a NUL character"),
        ("b,", "an empty id"),
    ],
)
def test_only_the_broken_line_is_lost(write, line, reason):
    path = write(f'a,x\n"a","two\nlines"\n\n{line}\nc,z\nd,v\n')
    with pytest.raises(ValueError, match=f"pairs.csv, line 5: .*{reason}"):
        read_pairs(path, delimiter=",")
    with pytest.warns(UserWarning, match=r"\(5\)"):
        read = read_pairs(path, delimiter=",", malformed="warn")
    assert pairs_of(read) == [("a", "x"), ("a", "two\nlines"), ("c", "z"), ("d", "v")]


def test_a_quote_that_ends_in_another_line(write):
    path = write('a,x\nb,"y\nc,z" w\nd,v\n')
    with pytest.raises(ValueError, match="line 2: .*does not end at a delimiter 1 lines further"):
        read_pairs(path)
    with pytest.warns(UserWarning, match=r"left out 1 malformed lines \(2\)"):
        read = read_pairs(path, malformed="warn")
    assert pairs_of(read) == [("a", "x"), ("c", 'z" w'), ("d", "v")]


def test_ragged_lines_are_refused_with_the_way_to_read_them(write):
    path = write("p1 sky sea\np2 cat\np3 dog sun moon\n", "x.txt")
    with pytest.raises(ValueError, match=r"line 2: 2 columns, expected 3; .*rest=True"):
        read_pairs(path)


def test_a_header_is_not_taken_for_data(write):
    numbers = write("userId,movieId,rating\n1,31,2.5\n2,10,4.0\n")
    for options in ({}, {"value": 2}, {"malformed": "warn"}):
        with pytest.raises(ValueError, match="looks like a header .*header=True, or header=False"):
            read_pairs(numbers, **options)
    assert read_pairs(numbers, header=True).image_ids.tolist() == [1, 2]
    with pytest.raises(ValueError, match="looks like a header"):
        read_pairs(write("image,tag\na.jpg,sky\nb.jpg,sea\n"))
    for text in ("pic,motif\n1.jpg,sky\n", "pic,motif\na.jpg,sky\nb.png,sea\n",
                 "who,what,when\nann,sea,2024-01-01\nbob,sky,2024-01-02\n"):  # fmt: skip
        with pytest.raises(ValueError, match="looks like a header"):
            read_pairs(write(text))
    assert read_pairs(write("image,tag\na.jpg,sky\n"), header=False).matrix.shape == (2, 2)
    assert read_pairs(write("ann,sky\nbob,sea\nann,1984\n")).matrix.shape == (2, 3)
    with pytest.raises(ValueError, match="has 1 column, so none has the number 1.*delimiter="):
        read_pairs(write("sky\nsea\n"))
    # numbers in the first line are no names of columns
    assert read_pairs(write("1,x\n2,y\n")).matrix.shape == (2, 2)
    assert read_pairs(write("guest,1\n7,2\n"), header=False).image_ids.tolist() == ["guest", "7"]


def test_a_header_after_blank_lines_and_one_that_is_double(write):
    path = write("\n\nphoto,tag\na,x\n")
    assert pairs_of(read_pairs(path, image="photo", label="tag")) == [("a", "x")]
    path = write("photo,photo,tag\n1,2,x\n")
    with pytest.raises(ValueError, match="2 columns 'photo'"):
        read_pairs(path, image="photo", label="tag")
    path = write("photo, tag\na, x\n")
    with pytest.raises(ValueError, match="skipinitialspace=True"):
        read_pairs(path, image="photo", label="tag")
    read = read_pairs(path, image="photo", label="tag", skipinitialspace=True)
    assert pairs_of(read) == [("a", "x")]
    path.write_bytes(b"photo,t\xffag\na,x\n")
    with pytest.raises(ValueError, match=r"line 1, the header: bytes that are not UTF-8"):
        read_pairs(path, header=True)


def test_white_space_that_splits_a_label_is_warned_of(write):
    path = write("a, sky\nb,sky\n", "x.csv")
    with pytest.warns(UserWarning, match="' sky' and the same without white space.*two labels"):
        assert read_pairs(path).labels.tolist() == [" sky", "sky"]
    assert read_pairs(path, skipinitialspace=True).labels.tolist() == ["sky"]


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("mark", ["#", "%"])
def test_remarks(write, mark):
    path = write(f"{mark} made by hand\na,x\n{mark} more, of it\nb,y\n")
    with (
        pytest.warns(UserWarning, match=f"begin with '{mark}'.*comment='{mark}'"),
        pytest.raises(ValueError, match="line 1: 1 column, expected 2"),
    ):
        read_pairs(path)
    assert pairs_of(read_pairs(path, comment=mark)) == [("a", "x"), ("b", "y")]
    # a tag that begins so is data
    path = write(f"a,{mark}sky\nb,y\n")
    assert read_pairs(path).labels.tolist() == [f"{mark}sky", "y"]
    with pytest.raises(ValueError, match=f"line 1: '{mark}' within the line"):
        read_pairs(path, comment=mark)
    path = write(f'{mark} remark\na,"{mark}sky"\nb,y\n')
    assert read_pairs(path, comment=mark).labels.tolist() == [f"{mark}sky", "y"]
    path = write(f'a,"two\n{mark}lines"\nb,y\n')
    assert read_pairs(path, comment=mark).labels.tolist() == [f"two\n{mark}lines", "y"]


@pytest.mark.parametrize("word", ["NULL", "nan", "None", "\\N", "NA"])
def test_words_for_nothing(write, word):
    path = write(f"a,x\n{word},y\nb,{word}\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_pairs(path).matrix.nnz == 3
    images, labels = (str(warning.message) for warning in caught)
    assert "became image ids: na_values=" in images
    assert "became label ids: na_values=" in labels
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_pairs(path, na_values=[]).matrix.nnz == 3
    with pytest.raises(ValueError, match="line 2: an empty id"):
        read_pairs(path, na_values=[word])
    with pytest.warns(UserWarning, match=r"left out 2 malformed lines \(2, 3\)"):
        read = read_pairs(path, na_values=[word], malformed="warn")
    assert pairs_of(read) == [("a", "x")]
    with pytest.raises(ValueError, match="list of words"):
        read_pairs(path, na_values=word)


def test_types_of_ids(write):
    path = write("7,x\n8,y\n")
    assert read_pairs(path).image_ids.dtype == np.int64
    assert read_pairs(path, dtype=str).image_ids.tolist() == ["7", "8"]
    path = write("7,1\nguest,2\n")
    assert read_pairs(path).image_ids.tolist() == ["7", "guest"]
    with pytest.raises(ValueError, match="line 2: the id 'guest' is not an integer"):
        read_pairs(path, dtype=int)
    with pytest.raises(ValueError, match="dtype must be"):
        read_pairs(path, dtype=float)


# --- encodings and sources -----------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig", "shift_jis"])
def test_encodings(write, encoding):
    label = "ソニー" if encoding == "shift_jis" else "café"
    path = write(f"a,x\nb,{label}\n", encoding=encoding)
    assert read_pairs(path, encoding=encoding).labels.tolist() == ["x", label]
    if encoding.startswith("utf"):
        # a byte order mark says which it is
        assert read_pairs(path).labels.tolist() == ["x", label]
        return
    with pytest.raises(ValueError, match=r"line 2: bytes that are not UTF-8: .*encoding='latin-1'"):
        read_pairs(path)
    with pytest.warns(UserWarning, match=r"left out 1 malformed lines \(2\)"):
        assert pairs_of(read_pairs(path, malformed="warn")) == [("a", "x")]


def test_encodings_that_are_not(write):
    path = write("a,x\nb,y\n", encoding="utf-16-le")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"line \d or after: not utf-16-le"):
        read_pairs(path, encoding="utf-16-le")
    with pytest.raises(ValueError, match="encoding='of mine' is not an encoding"):
        read_pairs(path, encoding="of mine")
    with pytest.raises(ValueError, match="open as text, so encoding='latin-1' comes too late"):
        read_pairs(io.StringIO("a,x\n"), encoding="latin-1")


def _zip(data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("pairs.csv", data)
    return out.getvalue()


class Body:
    """Has nothing but a method to read, like what object storage returns."""

    def __init__(self, data):
        self.file = io.BytesIO(data)

    def read(self, size=-1):
        return self.file.read(size)


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": _zip}


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_files(tmp_path, suffix):
    packed = PACKERS[suffix](b"a,x\nb,x\n")
    path = tmp_path / ("PAIRS.CSV" + suffix.upper())
    path.write_bytes(packed)
    for source in (path, io.BytesIO(packed), Body(packed)):
        assert pairs_of(read_pairs(source)) == [("a", "x"), ("b", "x")]
    with path.open("rb") as file:
        assert read_pairs(file).matrix.nnz == 2
        assert not file.closed
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ValueError, match=f"not a whole {suffix} file"):
        read_pairs(path)


def test_a_zip_of_several_files(tmp_path):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ratings.csv", "1,2\n")
        archive.writestr("movies.csv", "2,Heat\n")
    with pytest.raises(ValueError, match=r"2 files in it.*open\('ratings.csv'\)"):
        read_pairs(path)
    with zipfile.ZipFile(path) as archive, archive.open("ratings.csv") as file:
        assert pairs_of(read_pairs(file)) == [(1, 2)]


def test_open_files():
    assert pairs_of(read_pairs(io.StringIO("a,x\nb,y\n"))) == [("a", "x"), ("b", "y")]
    assert pairs_of(read_pairs(io.BytesIO(b"a,x\n"))) == [("a", "x")]
    assert pairs_of(read_pairs(Body("a,é\n".encode()))) == [("a", "é")]
    with pytest.raises(TypeError, match=r"io.BytesIO\(data\)"):
        read_pairs(b"a,x\n")
    with pytest.raises(ValueError, match="BytesIO, line 2"):
        read_pairs(io.BytesIO(b"a,x\nb,\n"))


def test_parts_of_one_table(write, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for name, text in (("part-1.csv", "i,l\nb,y\nc,x\n"), ("part-0.csv", "i,l\na,x\nb,x\n"),
                       ("_SUCCESS", ""), (".part-0.csv.crc", "\0")):  # fmt: skip
        (folder / name).write_text(text)
    expected = [("a", "x"), ("b", "x"), ("b", "y"), ("c", "x")]
    paths = sorted(folder.glob("part*"))
    for source in (folder, str(folder), paths, iter(paths), str(folder / "part-?.csv")):
        assert pairs_of(read_pairs(source, image="i", label="l")) == expected
    (folder / "notes.txt").write_text("notes")
    with pytest.raises(ValueError, match="files of several kinds"):
        read_pairs(folder)
    with pytest.raises(ValueError, match="has 3 columns, but the files before it 2"):
        read_pairs([paths[0], write("a,b,c\n", "other.csv")], header=False)
    (tmp_path / "empty").mkdir()
    for source, error, message in (
        (tmp_path / "empty", FileNotFoundError, "has no files"),
        (str(tmp_path / "*.nothing"), FileNotFoundError, "no file is like"),
        (tmp_path, ValueError, "has folders in it"),
        ("https://example.org/pairs.csv", ValueError, "is an address"),
        ([], ValueError, "no file is given"),
        ([3], TypeError, "a file is a path or open, got int"),
        ({"image": ["a"]}, TypeError, "pandas.DataFrame"),
        (None, TypeError, "got None: expected a path"),
        (csr_matrix((2, 2)), TypeError, "the csr_matrix"),
    ):
        with pytest.raises(error, match=message):
            read_pairs(source)


def test_files_without_a_pair(write):
    assert read_pairs(write("")).matrix.shape == (0, 0)
    assert read_pairs(write("\n \n")).matrix.shape == (0, 0)
    assert read_pairs(write("i,l\n"), image="i", label="l").matrix.shape == (0, 0)


# --- tables in memory ----------------------------------------------------------------------------


def frames():
    """The same pairs as other libraries hold them."""
    pandas = pytest.importorskip("pandas")
    pyarrow = pytest.importorskip("pyarrow")
    columns = {"tag": ["sky", "sea", "sky"], "photo": [7, 7, 9], "n": [1.0, 2.0, 0.5]}
    frame = pandas.DataFrame(columns, index=[5, 5, 1])
    table = pyarrow.table(columns)
    return [frame, frame.astype({"tag": "category", "photo": "Int64"}), table,
            table.to_batches()[0], pyarrow.chunked_array([[1]]) and table.slice(0)]  # fmt: skip


def test_frames_and_arrow_tables():
    for frame in frames():
        read = read_pairs(frame, image="photo", label="tag", value="n")
        assert read.image_ids.tolist() == [7, 9]
        assert read.image_ids.dtype == np.int64
        assert read.labels.tolist() == ["sky", "sea"]
        np.testing.assert_array_equal(read.matrix.toarray(), [[1, 2], [0.5, 0]])
        assert pairs_of(read_pairs(frame, image=1, label=0)) == pairs_of(read)
        with pytest.raises(ValueError, match="no column 'user', only"):
            read_pairs(frame, image="user", label="tag")
        with pytest.raises(ValueError, match="has 3 columns, so none has the number 3"):
            read_pairs(frame, label=3)
        with pytest.raises(ValueError, match="delimiter, dtype say how text is read"):
            read_pairs(frame, delimiter=",", dtype=str)


def test_lists_and_arrays_of_pairs():
    assert pairs_of(read_pairs([("a", "x"), ("b", "x")])) == [("a", "x"), ("b", "x")]
    assert pairs_of(read_pairs(pair for pair in [["a", "x"]])) == [("a", "x")]
    array = np.array([[3, 5], [4, 5]])
    assert pairs_of(read_pairs(array)) == [(3, 5), (4, 5)]
    with pytest.raises(ValueError, match="row 1 is"):
        read_pairs([("a", "x"), ("b",)])
    with pytest.raises(ValueError, match="rows have from 2 to 3 fields"):
        read_pairs([("a", "x"), ("b", "x", 3)])
    with pytest.raises(ValueError, match="rows in memory have no names"):
        read_pairs([("a", "x")], image="user")


def test_types_of_tables_are_kept_apart():
    pandas = pytest.importorskip("pandas")
    read = read_pairs(pandas.DataFrame({"i": ["7", 7, "007"], "l": ["1", "2", "3"]}))
    assert read.image_ids.tolist() == ["7", 7, "007"]
    assert read.labels.tolist() == ["1", "2", "3"]
    assert read_pairs([(1.0, "x"), (2.0, "x")]).image_ids.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="bool and other types"):
        read_pairs([(True, "x"), (1, "y")])
    for nothing in (None, float("nan"), pandas.NA, pandas.NaT):
        frame = pandas.DataFrame({"i": [1, nothing], "l": ["x", "y"]}, dtype=object)
        with pytest.raises(ValueError, match="DataFrame, row 1: an empty id"):
            read_pairs(frame)
        with pytest.warns(UserWarning, match=r"left out 1 malformed rows \(1\)"):
            assert pairs_of(read_pairs(frame, malformed="warn")) == [(1, "x")]


def test_parquet_in_parts_and_from_streams(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "table.parquet"
    folder.mkdir()
    for number, (image, label) in enumerate([("a", "x"), ("b", "y")]):
        table = pyarrow.table({"image": [image, image], "label": [label, "z"]})
        parquet.write_table(table, folder / f"part-{number}.parquet", row_group_size=1)
    expected = [("a", "x"), ("a", "z"), ("b", "z"), ("b", "y")]
    assert pairs_of(read_pairs(folder)) == expected
    body = Body((folder / "part-0.parquet").read_bytes())
    body.name = "part-0.parquet"
    assert pairs_of(read_pairs(body)) == expected[:2]
    with pytest.raises(ValueError, match="text and Parquet"):
        read_pairs([folder / "part-0.parquet", tmp_path / "x.csv"])


# --- lists of labels -----------------------------------------------------------------------------


@pytest.mark.usefixtures("reader")
def test_labels_in_one_field(write):
    path = write('id,title,genres\n1,"Sea, the",Drama|War\n2,Sky,\n3,Sun,War|Drama||Noir\n')
    read = read_pairs(path, image="id", label="genres", split="|")
    assert pairs_of(read) == [(1, "Drama"), (1, "War"), (3, "Drama"), (3, "War"), (3, "Noir")]
    assert read.image_ids.tolist() == [1, 2, 3]
    path = write("1,a;b,2\n2,b,3\n", "x.csv")
    read = read_pairs(path, split=";", value=2)
    np.testing.assert_array_equal(read.matrix.toarray(), [[2, 2], [0, 3]])
    read = read_pairs(path, split=";", na_values=["b"])
    assert pairs_of(read) == [(1, "a")]
    assert read.image_ids.tolist() == [1, 2]


@pytest.mark.usefixtures("reader")
def test_labels_in_the_rest_of_a_line(write):
    path = write("p1.jpg sky sea\np2.jpg\np3.jpg cat\n", "x.txt")
    read = read_pairs(path, rest=True)
    assert pairs_of(read) == [("p1.jpg", "sky"), ("p1.jpg", "sea"), ("p3.jpg", "cat")]
    assert read.image_ids.tolist() == ["p1.jpg", "p2.jpg", "p3.jpg"]
    path = write("p1,x,New York,sky\np2,y\np3,x,cat,,\n")
    read = read_pairs(path, rest=True, label=2)
    assert pairs_of(read) == [("p1", "New York"), ("p1", "sky"), ("p3", "cat")]
    with pytest.raises(ValueError, match="in doubt, as lines have commas and white space"):
        read_pairs(write("p1,New York\np2,sky\n", "x.txt"), rest=True)
    for options in ({"split": "|"}, {"value": 2}, {"label": 0, "image": 1}):
        with pytest.raises(ValueError, match="rest=True"):
            read_pairs(path, rest=True, **options)


def test_lists_in_a_column():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"i": ["a", "b", "c"], "tags": [["x", "y"], [], ("y",)]})
    read = read_pairs(frame, image="i", label="tags")
    assert pairs_of(read) == [("a", "x"), ("a", "y"), ("c", "y")]
    assert read.image_ids.tolist() == ["a", "b", "c"]
    frame.loc[1, "tags"] = "x"
    with pytest.raises(ValueError, match="row 1: 'x' beside lists of labels"):
        read_pairs(frame, image="i", label="tags")
    with pytest.raises(ValueError, match="values that cannot be ids"):
        read_pairs([("a", {"x": 1})])
    with pytest.raises(ValueError, match="only the labels may be lists"):
        read_pairs(frame, image="tags", label="i")


# --- the same by every way ---------------------------------------------------------------------


@pytest.mark.usefixtures("reader", "small_blocks")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_blocks_come_together_again(write, end, encoding):
    lines = ["photo;tag", "", "père.jpg;sky", '"a;b";"two', 'lines, ""too"""', "c;日本", "c;sky"]
    path = write(end.join(lines), encoding=encoding)
    read = read_pairs(path, delimiter=";", image="photo", label="tag", encoding=encoding)
    labels = ["sky", f'two{end}lines, "too"', "日本"]
    assert read.labels.tolist() == labels
    assert read.image_ids.tolist() == ["père.jpg", "a;b", "c"]
    assert read.matrix.toarray().tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]


def test_large_tables_are_the_same_with_and_without_pyarrow(write, monkeypatch):
    generator = np.random.default_rng(0)
    rows = [f'u{a},"i,{b}",{c}' for a, b, c in generator.integers(1, 300, (20_000, 3))]
    rows[15_000] = 'u5,"two\nlines",7'
    path = write("\n".join(rows))
    quick = read_pairs(path, value=2)
    monkeypatch.setattr(tokens, "arrow", lambda: None)
    slow = read_pairs(path, value=2)
    assert (quick.matrix != slow.matrix).nnz == 0
    assert quick.image_ids.tolist() == slow.image_ids.tolist()
    assert quick.labels.tolist() == slow.labels.tolist()
    rows[18_000] = "u5,"
    path = write("\n".join(rows))
    with pytest.raises(ValueError, match="line 18002: 2 columns"):
        read_pairs(path, value=2)
