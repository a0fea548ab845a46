"""Numbers for names, values and times: what readers make of ids, weights and moments."""

import datetime
import pickle
import warnings

import numpy as np
import pytest

from vseens_rec import Popularity
from vseens_rec.datasets import Annotations, read_pairs
from vseens_rec.metrics import ranking_metrics

# --- two files, one numbering --------------------------------------------------------------------


def test_two_files_with_one_numbering(write):
    train = read_pairs(write("1,10\n1,11\n2,10\n3,12\n", "train.csv"))
    path = write("3,10\n2,12\n", "test.csv")
    test = read_pairs(path, image_ids=train.image_ids, labels=train.labels)
    np.testing.assert_array_equal(test.matrix.toarray(), [[0, 0, 0], [0, 0, 1], [1, 0, 0]])
    assert test.image_ids is train.image_ids
    apart = read_pairs(path)
    assert apart.image_ids.tolist() == [3, 2]
    same = apart.reindex(image_ids=train.image_ids, labels=train.labels)
    assert (same.matrix != test.matrix).nnz == 0


def test_measures_refuse_two_numberings():
    train = read_pairs([("a", "x"), ("b", "y"), ("b", "x")])
    test = read_pairs([("b", "y"), ("a", "x")])
    model = Popularity().fit(train.matrix, show_progress=False)
    with pytest.raises(ValueError, match=r"different image_ids.*y.reindex"):
        ranking_metrics(model, train, test, "mrr")
    right = test.reindex(image_ids=train.image_ids, labels=train.labels)
    wanted = ranking_metrics(model, None, right.matrix, "mrr")
    assert ranking_metrics(model, None, right, "mrr") == wanted
    held_out = read_pairs([("a", "y")], image_ids=train.image_ids, labels=train.labels)
    assert ranking_metrics(model, train, held_out, "mrr") == {"mrr": 1.0}


def test_names_that_are_not_known(write):
    path = write("a,x\nb,new\nnew,y\na,y\n")
    known = {"image_ids": ["b", "a"], "labels": np.array(["x", "y"])}
    with pytest.raises(ValueError, match=r"line 3: the image 'new' is not among the image_ids"):
        read_pairs(path, **known)
    with pytest.raises(ValueError, match=r"line 2: the label 'new' is not among the labels"):
        read_pairs(path, labels=["x", "y"])
    with pytest.warns(UserWarning, match=r"left out 2 pairs or rows of 1 images and 1 labels"):
        read = read_pairs(path, unknown="warn", **known)
    np.testing.assert_array_equal(read.matrix.toarray(), [[0, 0], [1, 1]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        skipped = read_pairs(path, unknown="skip", **known)
    assert (skipped.matrix != read.matrix).nnz == 0
    added = read_pairs(path, unknown="add", **known)
    assert added.image_ids.tolist() == ["b", "a", "new"]
    assert added.labels.tolist() == ["x", "y", "new"]
    assert added.matrix.nnz == 4
    with pytest.raises(ValueError, match="neither is given"):
        read_pairs(path, unknown="skip")
    with pytest.raises(ValueError, match="unknown must be"):
        read_pairs(path, unknown="ignore", **known)


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ("abc", "must be a list"),
        ({"a", "b"}, "must have an order"),
        (["a", "b", "a"], "has 'a' more than once"),
        ({"a": 0}, "must be a list"),
        (np.array([["a"]]), "must have one dimension"),
        (3, "must be a list"),
    ],
)
def test_known_names_are_checked(known, message):
    with pytest.raises(ValueError, match=f"image_ids {message}"):
        read_pairs([("a", "x")], image_ids=known)


def test_types_of_known_names(write):
    path = write("7,x\n")
    # text has no types, so the writing of a number stands for it
    for known in ([7, 8], np.array([7, 8]), [np.int32(7), 8], ["7", "8"]):
        assert read_pairs(path, image_ids=known).matrix.toarray().tolist() == [[1], [0]]
    with pytest.raises(ValueError, match=r"row 0: the image '7' .*which have 7 \(int\)"):
        read_pairs([("7", "x")], image_ids=[7])
    with pytest.raises(ValueError, match=r"the image 7 .*which have '7' \(str\)"):
        read_pairs([(7, "x")], image_ids=["7"])


def test_integers_that_were_written_as_decimals(write):
    path = write("7.0,x\n8.0,y\n")
    with pytest.raises(ValueError, match=r"the image '7.0' .*which have 7 \(int\)"):
        read_pairs(path, image_ids=[7, 8])
    with pytest.warns(UserWarning, match="'7.0' and the same without .0 are two images each"):
        assert read_pairs(write("7.0,x\n7,y\n")).image_ids.tolist() == ["7.0", "7"]


def test_accents_in_two_ways_are_warned_of(write):
    with pytest.warns(UserWarning, match="accents are written in two ways"):
        assert len(read_pairs(write("a,café\nb,cafe\u0301\n")).labels) == 2


# --- values and times ----------------------------------------------------------------------------


def test_values_that_are_times_are_warned_of(write):
    path = write("1,10,1445714835\n1,11,1445714836\n")
    with pytest.warns(UserWarning, match="1445714835 becomes 1445714816.*time= instead of value="):
        read_pairs(path, value=2)
    with pytest.raises(ValueError, match="sum to more than float32 holds"):
        read_pairs([("a", "x", 3e38), ("a", "x", 3e38)], value=2)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1445714836", "1445714835"], np.array([1445714836, 1445714835])),
        (["9007199254740993", "1"], np.array([9007199254740993, 1])),
        (["1445714836.25", "3"], np.array([1445714836.25, 3])),
        (["2024-02-29", "2024-03-01"], np.array(["2024-02-29", "2024-03-01"], "M8[D]")),
        (["2024-02-29 10:00:00.123456789", "2024-02-28T09:00"],
         np.array(["2024-02-29T10:00:00.123456789", "2024-02-28T09:00"], "M8[ns]")),
        (["2024-02-29T10:00:00+02:00", "2024-02-29T10:00:00Z"],
         np.array(["2024-02-29T08:00", "2024-02-29T10:00"], "M8[s]")),
    ],
)  # fmt: skip
def test_times_keep_their_precision(write, texts, expected):
    path = write("".join(f"a,{label},{text}\n" for label, text in zip("xy", texts, strict=True)))
    times = read_pairs(path, time=2).times
    assert times.dtype.kind == expected.dtype.kind
    np.testing.assert_array_equal(times, expected)


def test_times_belong_to_stored_values(write):
    path = write("a,y,2,50\nb,x,1,40\na,x,4,30\na,y,1,20\n")
    with pytest.warns(UserWarning, match="1 lines repeat a pair"):
        read = read_pairs(path, value=2, time=3)
    np.testing.assert_array_equal(read.matrix.toarray(), [[3, 4], [0, 1]])
    assert read.matrix.has_canonical_format
    # of (a, y) the first
    assert read.times.tolist() == [20, 30, 40]
    assert read.matrix.data.tolist() == [3, 4, 1]
    back = pickle.loads(pickle.dumps(read))
    assert isinstance(back, Annotations)
    assert back.times.tolist() == [20, 30, 40]
    turned = read.reindex(labels=["x", "y"])
    assert turned.times.tolist() == [30, 20, 40]
    assert read_pairs(path).times is None


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a,x,5\nb,y,soon\n", 2, "the time 'soon' is neither a number nor a date"),
        ("a,x,5\nb,y,2024-01-01\n", 2, "is a date, those before it are numbers"),
        ("a,x,2024-01-01\nb,y,5\n", 2, "is a number, those before it are dates"),
        ("a,x,5\nb,y,\n", 2, "the time ''"),
        ("a,x,1\nb,y,nan\n", 2, "the time 'nan'"),
        ("a,x,1\nb,y,today\n", 2, "the time 'today'"),
        ("a,x,1.5\nb,y,9007199254740993\n", 2, "not exact"),
    ],
)
def test_times_that_cannot_be_read(write, text, line, reason):
    with pytest.raises(ValueError, match=f"line {line}: .*{reason}"):
        read_pairs(write(text), time=2)


def test_times_of_tables_with_types():
    pandas = pytest.importorskip("pandas")
    pyarrow = pytest.importorskip("pyarrow")
    when = pandas.to_datetime(["2024-01-02T03:04:05.123456789", "2024-01-01T00:00:00.0"])
    frame = pandas.DataFrame({"i": ["a", "b"], "l": ["x", "y"], "t": when})
    expected = when.to_numpy()
    for table in (frame, pyarrow.Table.from_pandas(frame), frame.assign(t=when.tz_localize("UTC"))):
        np.testing.assert_array_equal(read_pairs(table, time="t").times, expected)
    with pytest.raises(ValueError, match="row 1: the time"):
        read_pairs(frame.assign(t=[when[0], pandas.NaT]), time="t")
    days = [("a", "x", datetime.date(2024, 1, 1)), ("a", "y", datetime.date(2024, 1, 2))]
    assert read_pairs(days, time=2).times.dtype.kind == "M"


def test_times_of_every_kind_are_the_same_moment():
    zone = datetime.timezone(datetime.timedelta(hours=2))
    moments = [
        "2024-03-01T10:00:00Z",
        "2024-03-01T12:00:00+02:00",
        datetime.datetime(2024, 3, 1, 10),
        datetime.datetime(2024, 3, 1, 12, tzinfo=zone),
        np.datetime64("2024-03-01T10"),
    ]
    for moment in moments:
        times = read_pairs([("a", "x", moment)], time=2).times
        assert times[0] == np.datetime64("2024-03-01T10:00:00")
    (day,) = read_pairs([("a", "x", datetime.date(2024, 3, 1))], time=2).times
    assert day == np.datetime64("2024-03-01")


@pytest.mark.parametrize("moment", [float("inf"), np.datetime64("NaT"), "today", "9" * 400])
def test_what_is_no_time(moment):
    with pytest.raises(ValueError, match="row 1: the time"):
        read_pairs([("a", "x", 3), ("b", "x", moment)], time=2)
