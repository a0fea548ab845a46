"""Annotations from files: pairs of ids, and the formats of public data sets.

Tables and lists are read line by line, so that a file may be larger than the memory: what stays is
12 bytes a pair, and the ids. COCO's JSON is read as a whole. Files that end on ``.gz`` are unpacked
on the way.
"""

import csv
import gzip
import json
import os
import warnings
import zlib
from array import array
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from ._typing import PathLike

__all__ = [
    "Annotations",
    "read_coco",
    "read_lightgcn",
    "read_nus_wide_labels",
    "read_nus_wide_tags",
    "read_openimages",
    "read_pairs",
]

SMALLEST_WEIGHT = float(np.finfo(np.float32).smallest_subnormal)
# numbers of lines that a message lists
MOST_LISTED = 5
DELIMITERS = "\t,;|"

Paths: TypeAlias = PathLike | Iterable[PathLike]
# a line with its number
Row: TypeAlias = tuple[int, list[Any]]


class Annotations(NamedTuple):
    """A matrix to fit, and what its rows and columns stand for; what readers return.

    Parameters
    ----------
    matrix : csr_matrix of float32 of shape (n_images, n_labels)
        A value > 0 where the image has the label.
    image_ids : ndarray of shape (n_images,)
        The id of every row.
    labels : ndarray of shape (n_labels,)
        The id or name of every column.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_matrix
    >>> from vseens_rec.datasets import Annotations
    >>> read = Annotations(csr_matrix([[1, 1]]), np.array(["a.jpg"]), np.array(["sea", "sky"]))
    >>> matrix, image_ids, labels = read
    >>> matrix is read.matrix, labels[matrix[0].indices].tolist()
    (True, ['sea', 'sky'])
    """

    matrix: csr_matrix
    image_ids: NDArray[Any]
    labels: NDArray[Any]


class _Numbering:
    """Numbers ids from 0 in the order in which they come."""

    def __init__(self, known: Iterable[Hashable] = ()):
        self.numbers: dict[Hashable, int] = {}
        for name in known:
            self.number(name)

    def number(self, name: Hashable) -> int:
        return self.numbers.setdefault(name, len(self.numbers))

    def ids(self) -> NDArray[Any]:
        """The ids by number: of integers if all of them are, else of objects."""
        names = list(self.numbers)
        if names and all(isinstance(name, int) for name in names):
            with suppress(OverflowError):
                return np.array(names, dtype=np.int64)
        out = np.empty(len(names), dtype=object)
        out[:] = names
        return out


class _Pairs:
    """Pairs of ids as they come, 12 bytes each."""

    def __init__(self, images: _Numbering | None = None, labels: _Numbering | None = None):
        self.images, self.labels = images or _Numbering(), labels or _Numbering()
        self.rows, self.columns, self.values = array("i"), array("i"), array("f")

    def add(self, image: Hashable, label: Hashable, value: float = 1.0) -> None:
        self.rows.append(self.images.number(image))
        self.columns.append(self.labels.number(label))
        self.values.append(value)

    def annotations(self, *, binary: bool) -> Annotations:
        """Make the matrix; values of a pair that comes more than once are summed."""
        shape = (len(self.images.numbers), len(self.labels.numbers))
        matrix = coo_matrix(
            (
                np.frombuffer(self.values, np.float32) if self.values else np.zeros(0, np.float32),
                (
                    np.frombuffer(self.rows, np.int32) if self.rows else np.zeros(0, np.int32),
                    np.frombuffer(self.columns, np.int32)
                    if self.columns
                    else np.zeros(0, np.int32),
                ),
            ),
            shape=shape,
        ).tocsr()
        if binary:
            matrix.data[:] = 1
        return Annotations(matrix, self.images.ids(), self.labels.ids())


class _Malformed:
    """Lines that cannot be read: the first raises, or all of them end in one warning."""

    def __init__(self, path: PathLike, mode: str):
        if mode not in ("raise", "warn"):
            raise ValueError(f"malformed must be 'raise' or 'warn', got {mode!r}")
        self.path, self.mode, self.first = path, mode, ""
        self.numbers: list[int] = []
        self.count = 0

    def report(self, number: int, problem: str) -> None:
        if self.mode == "raise":
            raise ValueError(
                f"{self.path}, line {number}: {problem}. Mend the file, or leave such lines out "
                "with malformed='warn'"
            )
        self.count += 1
        self.first = self.first or problem
        if len(self.numbers) < MOST_LISTED:
            self.numbers.append(number)

    def close(self) -> None:
        if self.count:
            listed = ", ".join(map(str, self.numbers)) + (
                ", ..." if self.count > len(self.numbers) else ""
            )
            warnings.warn(
                f"{self.path}: left out {self.count} malformed lines ({listed}); the first: "
                f"{self.first}",
                stacklevel=3,
            )


@contextmanager
def _open(path: PathLike) -> Iterator[IO[str]]:
    opens: Any = gzip.open if str(path).endswith(".gz") else open
    with opens(path, "rt", encoding="utf-8-sig", newline="") as file:
        try:
            yield file
        except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path} is no whole file of UTF-8 text: {error}") from error


def _words(path: PathLike) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the words of every line that has any."""
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            words = line.split()
            if words:
                yield number, words


def _fields(rows: Iterable[Row], places: Sequence[int], problems: _Malformed) -> Iterator[Row]:
    """Yield the number of every row that is not empty and what stands at the places."""
    most = max(places)
    for number, row in rows:
        if len(row) > most:
            yield number, [row[place] for place in places]
        elif row:
            problems.report(number, f"{len(row)} columns, expected at least {most + 1}")


def _paths(paths: Paths) -> list[PathLike]:
    if isinstance(paths, (str, os.PathLike)):
        return [paths]
    paths = list(paths)
    if not paths:
        raise ValueError("no file is given: expected a path or a list of paths")
    return paths


def read_pairs(
    path: PathLike,
    *,
    image: int | str = 0,
    label: int | str = 1,
    value: int | str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    malformed: str = "raise",
) -> Annotations:
    r"""Read pairs of image and label (user and item) from a table: one pair a line.

    Parameters
    ----------
    path : str or path-like
        A file of text with columns, packed if it ends on ``.gz``; or Parquet, if it ends on
        ``.parquet``, which needs pyarrow.
    image, label : int or str, default=0 and 1
        The columns with the ids, by number from 0, or by the name in the first line.
    value : int or str or None, default=None
        The column with weights > 0, which are summed for a pair that comes more than once; None:
        every pair has the value 1.
    delimiter : str or None, default=None
        What separates columns; None: the most frequent of tab, comma, semicolon and bar in the
        first line, or white space if it has none of them.
    header : bool or None, default=None
        Whether the first line names the columns; None: if a column is given by name.
    malformed : {"raise", "warn"}, default="raise"
        Raise at the first line that has too few columns, an empty id or a weight that is no
        finite number > 0; or leave such lines out and warn with their numbers.

    Returns
    -------
    Annotations
        Ids are text as it is in the file, integers where all of a side are written as such;
        numbered in the order in which they come.

    Raises
    ------
    ValueError
        A line is malformed, or a column does not exist.
    FileNotFoundError
        There is no such file.

    Examples
    --------
    >>> import os, tempfile
    >>> from vseens_rec.datasets import read_pairs
    >>> path = os.path.join(tempfile.mkdtemp(), "tags.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("photo,tag\na.jpg,sky\na.jpg,sea\nb.jpg,sea\n")
    >>> read = read_pairs(path, image="photo", label="tag")
    >>> read.matrix.toarray(), list(read.image_ids), list(read.labels)
    (array([[1., 1.], [0., 1.]], dtype=float32), ['a.jpg', 'b.jpg'], ['sky', 'sea'])
    """
    wanted = [image, label] + ([] if value is None else [value])
    if header is None:
        header = any(isinstance(column, str) for column in wanted)
    if any(isinstance(column, str) for column in wanted) and not header:
        raise ValueError(f"columns {wanted} are named, so the first line has to be a header")
    problems = _Malformed(path, malformed)
    pairs = _Pairs()
    if str(path).endswith(".parquet"):
        rows: Iterator[Row] = _parquet_rows(path, wanted)
        places = list(range(len(wanted)))
    else:
        rows, places = _text_rows(path, wanted, delimiter, header)
    for number, fields in _fields(rows, places, problems):
        if fields[0] in ("", None) or fields[1] in ("", None):
            problems.report(number, "an empty id")
            continue
        weight = 1.0
        if value is not None:
            try:
                weight = float(fields[2])
            except (TypeError, ValueError):
                weight = float("nan")
            # as float32 has them
            if not SMALLEST_WEIGHT <= weight < 3e38:
                problems.report(number, f"the weight {fields[2]!r} is no finite number above 0")
                continue
        pairs.add(fields[0], fields[1], weight)
    problems.close()
    found = pairs.annotations(binary=value is None)
    return Annotations(found.matrix, _as_integers(found.image_ids), _as_integers(found.labels))


def _text_rows(
    path: PathLike, wanted: Sequence[int | str], delimiter: str | None, header: bool
) -> tuple[Iterator[Row], list[int]]:
    def rows() -> Iterator[Row]:
        with _open(path) as file:
            lines: Any = (
                csv.reader(file, delimiter=delimiter) if delimiter else map(str.split, file)
            )
            number = 0
            try:
                for number, row in enumerate(islice(lines, int(header), None), 1 + header):
                    # a quoted field may go over several lines of the file
                    yield (lines.line_num if delimiter else number), row
            except (csv.Error, UnicodeDecodeError) as error:
                raise ValueError(f"{path}, after line {number}: {error}") from error

    with _open(path) as file:
        first = file.readline()
    if delimiter is None:
        counts = {character: first.count(character) for character in DELIMITERS}
        best = max(counts, key=lambda character: counts[character])
        delimiter = best if counts[best] else None
    names: list[str] = []
    if header:
        reader = csv.reader([first], delimiter=delimiter) if delimiter else [first.split()]
        names = next(iter(reader), [])
    return rows(), [_place(column, names, path) for column in wanted]


def _place(column: int | str, names: Sequence[str], path: PathLike) -> int:
    if isinstance(column, str):
        if column not in names:
            raise ValueError(f"{path} has no column {column!r}, only {', '.join(names)}")
        return names.index(column)
    if isinstance(column, bool) or not isinstance(column, (int, np.integer)) or column < 0:
        raise ValueError(f"a column is its number from 0 or its name, got {column!r}")
    return int(column)


def _parquet_rows(path: PathLike, wanted: Sequence[int | str]) -> Iterator[Row]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            "Parquet needs pyarrow: pip install pyarrow, or write the table as CSV"
        ) from error
    file = parquet.ParquetFile(path)
    names = file.schema_arrow.names
    columns = []
    for column in wanted:
        place = _place(column, names, path)
        if place >= len(names):
            raise ValueError(f"{path} has {len(names)} columns, so none has the number {place}")
        columns.append(names[place])
    number = 0
    for batch in file.iter_batches(columns=sorted(set(columns))):
        lists = [batch.column(name).to_pylist() for name in columns]
        for row in zip(*lists, strict=True):
            number += 1
            yield number, list(row)


def _as_integers(ids: NDArray[Any]) -> NDArray[Any]:
    """Turn text into integers where that loses nothing."""
    if ids.dtype != object or not len(ids):
        return ids
    try:
        numbers = np.array([int(name) for name in ids], dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        return ids
    if all(str(number) == str(name) for number, name in zip(numbers, ids, strict=True)):
        return numbers
    return ids


def read_openimages(
    paths: Paths,
    *,
    min_confidence: float = 0.5,
    descriptions: PathLike | None = None,
    malformed: str = "raise",
) -> Annotations:
    r"""Read image-level labels of Open Images.

    Parameters
    ----------
    paths : path or list of paths
        Files with the columns ``ImageID``, ``LabelName`` and ``Confidence``, such as
        ``train-annotations-human-imagelabels.csv``.
    min_confidence : float, default=0.5
        Labels with less are left out; those verified by people have 1 (there) or 0 (not there).
    descriptions : path, optional
        ``class-descriptions.csv``, two columns without header: names in place of ``/m/0abc``.
    malformed : {"raise", "warn"}, default="raise"
        See `read_pairs`.

    Returns
    -------
    Annotations
        Images whose labels are all left out keep an empty row. Labels of the same name are one.

    Raises
    ------
    ValueError
        A line is malformed, or a file lacks one of the columns.

    Examples
    --------
    >>> import os, tempfile
    >>> from vseens_rec.datasets import read_openimages
    >>> path = os.path.join(tempfile.mkdtemp(), "labels.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("ImageID,Source,LabelName,Confidence\n")
    ...     _ = file.write("00a1,verification,/m/01yrx,1\n00b2,verification,/m/01yrx,0\n")
    >>> read = read_openimages(path)
    >>> read.matrix.toarray().tolist(), list(read.image_ids), list(read.labels)
    ([[1.0], [0.0]], ['00a1', '00b2'], ['/m/01yrx'])
    """
    names = {}
    if descriptions is not None:
        with _open(descriptions) as file:
            names = {row[0]: row[1] for row in csv.reader(file) if len(row) >= 2}
    pairs = _Pairs()
    wanted = ["ImageID", "LabelName", "Confidence"]
    for path in _paths(paths):
        problems = _Malformed(path, malformed)
        rows, places = _text_rows(path, wanted, ",", True)
        for number, (image, label, text) in _fields(rows, places, problems):
            try:
                confidence = float(text)
            except ValueError:
                confidence = float("nan")
            if not 0 <= confidence <= 1 or not image or not label:
                problems.report(number, f"no image, no label, or the confidence {text!r}")
            elif confidence >= min_confidence:
                pairs.add(image, names.get(label, label))
            else:
                pairs.images.number(image)
        problems.close()
    return pairs.annotations(binary=True)


def read_coco(paths: Paths) -> Annotations:
    """Read the categories of images from COCO's ``instances_*.json``.

    Parameters
    ----------
    paths : path or list of paths
        Files with the lists ``images``, ``categories`` and ``annotations``.

    Returns
    -------
    Annotations
        Rows are all images, with an object or without, in the order of the files, named by their
        ids; columns all categories, by ascending id, named by their names.

    Raises
    ------
    ValueError
        A file is no such JSON, an annotation names an image or a category that is not listed, or
        a category has two names.

    Examples
    --------
    >>> import json, os, tempfile
    >>> from vseens_rec.datasets import read_coco
    >>> path = os.path.join(tempfile.mkdtemp(), "instances.json")
    >>> content = {"images": [{"id": 9}, {"id": 7}], "categories": [{"id": 1, "name": "cat"}],
    ...            "annotations": [{"image_id": 7, "category_id": 1}]}
    >>> with open(path, "w") as file:
    ...     json.dump(content, file)
    >>> read = read_coco(path)
    >>> read.matrix.toarray().tolist(), read.image_ids.tolist(), list(read.labels)
    ([[0.0], [1.0]], [9, 7], ['cat'])
    """
    images, found = _Numbering(), []
    categories: dict[int, str] = {}
    paths = _paths(paths)
    for path in paths:
        with _open(path) as file:
            try:
                content = json.load(file)
                for image in content["images"]:
                    images.number(int(image["id"]))
                for one in content["categories"]:
                    number, name = int(one["id"]), str(one["name"])
                    if categories.setdefault(number, name) != name:
                        raise ValueError(
                            f"category {number} is {name!r}, and {categories[number]!r} before"
                        )
                found.append(
                    [
                        (int(one["image_id"]), int(one["category_id"]))
                        for one in content["annotations"]
                    ]
                )
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(
                    f"{path} is no file of instances in COCO's format: {error!r}"
                ) from error
    pairs = _Pairs(images, _Numbering(categories[number] for number in sorted(categories)))
    n_images = len(images.numbers)
    for path, annotations in zip(paths, found, strict=True):
        for place, (image, category) in enumerate(annotations):
            if category not in categories:
                raise ValueError(f"{path}: annotation {place} has the unknown category {category}")
            pairs.add(image, categories[category])
            if len(images.numbers) > n_images:
                raise ValueError(f"{path}: annotation {place} is of the unknown image {image}")
    return pairs.annotations(binary=True)


def read_nus_wide_labels(paths: Paths) -> Annotations:
    r"""Read the concepts of NUS-WIDE: a file a concept, and in it a 0 or 1 for every image.

    Parameters
    ----------
    paths : list of paths
        Files such as ``Groundtruth/AllLabels/Labels_animal.txt``; what stands between the first
        ``Labels_`` and the suffix or ``_Train`` or ``_Test`` is the label.

    Returns
    -------
    Annotations
        Rows are the lines of the files, numbered from 0.

    Raises
    ------
    ValueError
        A line is neither 0 nor 1, or the files differ in length.

    Examples
    --------
    >>> import os, tempfile
    >>> from vseens_rec.datasets import read_nus_wide_labels
    >>> folder = tempfile.mkdtemp()
    >>> paths = [os.path.join(folder, f"Labels_{name}.txt") for name in ("animal", "sky")]
    >>> for path, lines in zip(paths, ["1\n0\n", "1\n1\n"]):
    ...     with open(path, "w") as file:
    ...         _ = file.write(lines)
    >>> read = read_nus_wide_labels(paths)
    >>> read.matrix.toarray().tolist(), list(read.labels)
    ([[1.0, 1.0], [0.0, 1.0]], ['animal', 'sky'])
    """
    rows, columns, names, length = [], [], [], None
    for column, path in enumerate(_paths(paths)):
        with _open(path) as file:
            lines = [line.strip() for line in file]
        while lines and not lines[-1]:
            lines.pop()
        for number, line in enumerate(lines, 1):
            if line not in ("0", "1"):
                raise ValueError(f"{path}, line {number}: {line!r}, expected 0 or 1")
        if length is not None and len(lines) != length:
            raise ValueError(f"{path} has {len(lines)} lines, the files before it {length}")
        length = len(lines)
        rows.append(np.flatnonzero(np.array(lines) == "1"))
        columns.append(np.full(len(rows[-1]), column))
        name = os.path.basename(os.fspath(path)).partition(".")[0]
        name = name.removeprefix("Labels_").removesuffix("_Train").removesuffix("_Test")
        names.append(name)
    place = (np.concatenate(rows), np.concatenate(columns))
    matrix = csr_matrix(
        (np.ones(len(place[0]), np.float32), place), shape=(length or 0, len(names))
    )
    return Annotations(matrix, np.arange(length or 0), np.array(names, dtype=object))


def read_nus_wide_tags(
    path: PathLike, *, vocabulary: Iterable[str] | None = None, malformed: str = "raise"
) -> Annotations:
    r"""Read the tags of NUS-WIDE: ``All_Tags.txt``, an image id and its tags a line.

    Parameters
    ----------
    path : path
        Words separated by white space; the first of a line is the id of the image.
    vocabulary : iterable of str, optional
        The tags to keep, in this order; None: all of them.
    malformed : {"raise", "warn"}, default="raise"
        What to do about an id that is no integer or comes twice; see `read_pairs`.

    Returns
    -------
    Annotations
        Rows are all images, with tags or without.

    Raises
    ------
    ValueError
        A line is malformed.

    Examples
    --------
    >>> import os, tempfile
    >>> from vseens_rec.datasets import read_nus_wide_tags
    >>> path = os.path.join(tempfile.mkdtemp(), "All_Tags.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("702409954 sky sea\n2124494179 sea\n")
    >>> read = read_nus_wide_tags(path, vocabulary=["sea", "sky"])
    >>> read.matrix.toarray().tolist(), read.image_ids.tolist()
    ([[1.0, 1.0], [1.0, 0.0]], [702409954, 2124494179])
    """
    kept = None if vocabulary is None else _Numbering(vocabulary)
    pairs = _Pairs(labels=kept)
    known = None if kept is None else set(kept.numbers)
    problems = _Malformed(path, malformed)
    for number, (image, *tags) in _words(path):
        if not image.isdecimal():
            problems.report(number, f"the image id {image!r} is no integer")
            continue
        if int(image) in pairs.images.numbers:
            problems.report(number, f"the image {image} comes a second time")
            continue
        pairs.images.number(int(image))
        for tag in tags:
            if known is None or tag in known:
                pairs.add(int(image), tag)
    problems.close()
    return pairs.annotations(binary=True)


def read_lightgcn(
    path: PathLike, *, shape: tuple[int, int] | None = None, malformed: str = "raise"
) -> csr_matrix:
    r"""Read a ``train.txt`` or ``test.txt`` as LightGCN has them: a user and its items a line.

    Parameters
    ----------
    path : path
        Integers separated by white space; ids are numbered from 0 already.
    shape : tuple of int, optional
        Numbers of users and of items; None: up to the largest ids of the file. Give that of the
        training matrix for a test file.
    malformed : {"raise", "warn"}, default="raise"
        What to do about what is no integer >= 0 or does not fit the shape; see `read_pairs`.

    Returns
    -------
    csr_matrix of float32 of shape (n_users, n_items)
        Users without items have empty rows.

    Raises
    ------
    ValueError
        A line is malformed.

    Examples
    --------
    >>> import os, tempfile
    >>> from vseens_rec.datasets import read_lightgcn
    >>> path = os.path.join(tempfile.mkdtemp(), "train.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("0 0 2\n1 1\n")
    >>> read_lightgcn(path).toarray().tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    rows, columns = array("q"), array("q")
    n_users = 0
    problems = _Malformed(path, malformed)
    for number, words in _words(path):
        if not all(word.isdecimal() for word in words):
            wrong = next(word for word in words if not word.isdecimal())
            problems.report(number, f"{wrong!r} is no integer >= 0")
            continue
        user, *items = map(int, words)
        if max(user, *items, 0) >= 2**31 or (
            shape is not None and (user >= shape[0] or max(items, default=0) >= shape[1])
        ):
            problems.report(number, f"an id is outside of the shape {shape or (2**31,) * 2}")
            continue
        n_users = max(n_users, user + 1)
        rows.extend([user] * len(items))
        columns.extend(items)
    problems.close()
    place = (np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64))
    if shape is None:
        shape = (n_users, int(place[1].max(initial=-1)) + 1)
    matrix = csr_matrix((np.ones(len(rows), np.float32), place), shape=shape)
    matrix.data[:] = 1
    return matrix
