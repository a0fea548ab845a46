"""Concepts and tags of NUS-WIDE."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .annotations import Annotations, NameList, array_of
from .lines import of_lists
from .problems import Malformed
from .sources import Paths, expand, is_file, is_path, name_of, open_text, words_of
from .tokens import columns_text

__all__ = ["read_nus_wide_labels", "read_nus_wide_matrix", "read_nus_wide_tags"]


def read_nus_wide_labels(
    paths: Paths,
    *,
    image_ids: NameList | None = None,
    labels: NameList | None = None,
    unknown: str = "raise",
) -> Annotations:
    r"""Read the concepts of NUS-WIDE: a file a concept, and in it a 0 or 1 for every image.

    Parameters
    ----------
    paths : list of paths, or a folder
        Files such as ``Groundtruth/AllLabels/Labels_animal.txt``; what stands between the first
        ``Labels_`` and the suffix or ``_Train`` or ``_Test`` is the label.
    image_ids : sequence of hashable, optional
        The ids of the lines, such as those of ``ImageList.txt``; None: numbers from 0.
    labels : sequence of hashable, optional
        Names of the columns, in this order; None: those of the files, in their order.
    unknown : {"raise", "warn", "skip", "add"}, default="raise"
        What to do about files whose label is not among the `labels`; see `read_pairs`.

    Returns
    -------
    Annotations
        Rows are the lines of the files.

    Raises
    ------
    ValueError
        A line is neither 0 nor 1, the files or the ids differ in length, or two files have one
        label.

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
    rows, places, length = [], [], None
    names: list[str] = []
    for column, path in enumerate(expand(paths)):
        shown = name_of(path)
        lines = _lines(path)
        for number, line in enumerate(lines, 1):
            if line not in ("0", "1"):
                hint = ""
                if set(line.split()) <= {"0", "1"}:
                    hint = "; read_nus_wide_matrix reads tables of zeros and ones"
                raise ValueError(f"{shown}, line {number}: {line[:40]!r}, expected 0 or 1{hint}")
        if length is not None and len(lines) != length:
            raise ValueError(f"{shown} has {len(lines)} lines, the files before it {length}")
        length = len(lines)
        rows.append(np.flatnonzero(np.array(lines) == "1"))
        places.append(np.full(len(rows[-1]), column))
        name = os.path.basename(shown).partition(".")[0]
        name = name.removeprefix("Labels_").removesuffix("_Train").removesuffix("_Test")
        if name in names:
            raise ValueError(
                f"{shown} is about {name!r}, as a file before it is: read those of training and "
                "test apart"
            )
        names.append(name)
    place = (np.concatenate(rows), np.concatenate(places))
    return _of_matrix(place, (length or 0, len(names)), image_ids, names, labels, unknown)


def read_nus_wide_matrix(
    path: Any, *, labels: Any = None, image_ids: NameList | None = None
) -> Annotations:
    r"""Read a table of zeros and ones, such as NUS-WIDE's ``AllTags1k.txt``.

    Parameters
    ----------
    path : path or open file
        A line an image and a column a label, separated by white space: ``AllTags1k.txt``,
        ``Train_Tags81.txt``, ``AllLabels81.txt``.
    labels : path, open file or sequence of str, optional
        The names of the columns, such as the path of ``TagList1k.txt``, a name a line; None:
        numbers from 0.
    image_ids : sequence of hashable, optional
        The ids of the lines, such as those of ``ImageList.txt``; None: numbers from 0.

    Returns
    -------
    Annotations
        Rows are the lines.

    Raises
    ------
    ValueError
        A field is neither 0 nor 1, or lines, labels or ids differ in number.

    Examples
    --------
    >>> import os, tempfile
    >>> from vseens_rec.datasets import read_nus_wide_matrix
    >>> path = os.path.join(tempfile.mkdtemp(), "AllTags1k.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("1\t0\t1\t\n0\t0\t1\t\n")
    >>> read = read_nus_wide_matrix(path, labels=["sky", "sun", "sea"])
    >>> read.matrix.toarray().tolist(), list(read.labels)
    ([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]], ['sky', 'sun', 'sea'])
    """
    shown, parts, lengths = name_of(path), [], []
    width = None
    with open_text(path) as text:
        for block in text:
            for number, line in enumerate(block.text.split("\n"), block.first_line):
                if not line.strip():
                    continue
                values = _zeros_and_ones(line)
                if values is None:
                    raise ValueError(
                        f"{shown}, line {number}: {line[:40]!r}, expected zeros and ones"
                    )
                if width is None:
                    width = len(values)
                if len(values) != width:
                    raise ValueError(
                        f"{shown}, line {number}: {columns_text(len(values))}, expected {width}"
                    )
                parts.append(np.flatnonzero(values))
                lengths.append(len(parts[-1]))
    width = width or 0
    if labels is None:
        names: list[Any] = list(range(width))
    elif is_path(labels) or is_file(labels):
        names = [line for line in _lines(labels) if line]
    else:
        names = list(labels)
    if len(names) != width:
        raise ValueError(f"{shown} has {width} columns, but there are {len(names)} labels")
    place = (
        np.repeat(np.arange(len(parts)), lengths),
        np.concatenate([np.zeros(0, np.int64), *parts]),
    )
    return _of_matrix(place, (len(parts), width), image_ids, names, None, "raise")


def _zeros_and_ones(line: str) -> NDArray[np.bool_] | None:
    words = line.split()
    if not set(words) <= {"0", "1"}:
        return None
    ones: NDArray[np.bool_] = np.array(words) == "1"
    return ones


def _lines(source: Any) -> list[str]:
    with open_text(source) as text:
        lines = "".join(block.text for block in text).split("\n")
    lines = [line.strip() for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _of_matrix(
    place: tuple[Any, Any],
    shape: tuple[int, int],
    image_ids: NameList | None,
    names: list[Any],
    labels: NameList | None,
    unknown: str,
) -> Annotations:
    matrix = csr_matrix((np.ones(len(place[0]), np.float32), place), shape=shape)
    rows = np.arange(shape[0]) if image_ids is None else array_of(list(image_ids))
    if len(rows) != shape[0]:
        raise ValueError(f"the files have {shape[0]} lines, but there are {len(rows)} image_ids")
    read = Annotations(matrix, rows, array_of(names))
    # also without labels, as a name may come twice
    return read.reindex(
        image_ids=rows, labels=read.labels if labels is None else labels, unknown=unknown
    )


def read_nus_wide_tags(
    path: Any,
    *,
    vocabulary: Iterable[str] | None = None,
    encoding: str | None = None,
    image_ids: NameList | None = None,
    labels: NameList | None = None,
    unknown: str = "raise",
    malformed: str = "raise",
) -> Annotations:
    r"""Read the tags of NUS-WIDE: ``All_Tags.txt``, an image id and its tags a line.

    Parameters
    ----------
    path : path or open file
        Words separated by white space; the first of a line is the id of the image.
    vocabulary : iterable of str, optional
        The tags to keep, in this order: ``labels=vocabulary, unknown="skip"`` for tags alone. None:
        all of them.
    encoding : str or None, default=None
        See `read_pairs`.
    image_ids, labels : sequence of hashable or None, default=None
        Ids and names that have their numbers already; see `read_pairs`.
    unknown : {"raise", "warn", "skip", "add"}, default="raise"
        What to do about others; see `read_pairs`.
    malformed : {"raise", "warn"}, default="raise"
        What to do about an id that is not an integer or comes twice; see `read_pairs`.

    Returns
    -------
    Annotations
        Rows are all images, with tags or without.

    Raises
    ------
    ValueError
        A line is malformed, or a name is not known.

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
    kept = None
    if vocabulary is not None:
        if labels is not None:
            raise ValueError("vocabulary and labels both name the columns: pass one of them")
        if isinstance(vocabulary, str):
            raise ValueError(f"vocabulary must be a list of tags, got the text {vocabulary!r}")
        labels = list(vocabulary)
        kept = set(labels)
    problems = Malformed(malformed)
    problems.begin(name_of(path), "line")
    images: dict[int, None] = {}
    lists, lines = [], []
    for number, words in words_of(path, encoding):
        if not words:
            continue
        image, *tags = words
        if not (image.isascii() and image.isdecimal()):
            problems.report(
                number,
                f"the image id {image!r} is not an integer (read_pairs(path, rest=True) takes any)",
            )
            continue
        if int(image) in images:
            hint = ""
            if image in ("0", "1") and set(tags) <= {"0", "1"}:
                hint = "; read_nus_wide_matrix reads tables of zeros and ones"
            problems.report(number, f"the image {image} comes a second time{hint}")
            continue
        images[int(image)] = None
        lines.append(number)
        lists.append(tags if kept is None else [tag for tag in tags if tag in kept])
    problems.end()
    if len(lists) > 1 and all(set(tags) <= {"0", "1"} and tags for tags in lists):
        raise ValueError(
            f"{problems.name} is a table of zeros and ones, not of tags: read_nus_wide_matrix "
            "reads it"
        )
    read = of_lists(list(images), lists, problems.name, image_ids, labels, unknown, lines)
    read.matrix.data[:] = 1
    return read
