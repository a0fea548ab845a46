"""Formats in which a line is an image or a user, and its words are labels or items."""

import os
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from .annotations import Annotations, Coded, NameList, Numbering, Pairs
from .problems import Malformed, Unknown
from .sources import is_path, name_of, open_text, words_of
from .tokens import columns_of_rows

__all__ = ["read_harrison", "read_lightgcn"]

# columns without shape=, as a multiple of the ids that occur
SPARSEST = 1000


def read_harrison(
    tag_list: Any,
    data_list: Any = None,
    *,
    encoding: str | None = None,
    image_ids: NameList | None = None,
    labels: NameList | None = None,
    unknown: str = "raise",
) -> Annotations:
    r"""Read the hashtags of HARRISON: line i of one file has the tags of line i of another.

    Parameters
    ----------
    tag_list : path or open file
        ``tag_list.txt``, the tags of an image a line; or the folder that has both files.
    data_list : path or open file, optional
        ``data_list.txt``, the image a line; None: images are numbered from 0.
    encoding : str or None, default=None
        See `read_pairs`.
    image_ids, labels : sequence of hashable or None, default=None
        Ids and names that have their numbers already; see `read_pairs`.
    unknown : {"raise", "warn", "skip", "add"}, default="raise"
        What to do about others; see `read_pairs`.

    Returns
    -------
    Annotations
        Rows are all images, with tags or without.

    Raises
    ------
    ValueError
        The files differ in length, an image comes twice, or a name is not known.

    Examples
    --------
    >>> import os, tempfile
    >>> from vseens_rec.datasets import read_harrison
    >>> folder = tempfile.mkdtemp()
    >>> for name, text in [("data_list.txt", "sea/1.jpg\ncat/2.jpg\n"),
    ...                    ("tag_list.txt", "beach sea \ncat \n")]:
    ...     with open(os.path.join(folder, name), "w") as file:
    ...         _ = file.write(text)
    >>> read = read_harrison(folder)
    >>> list(read.image_ids), list(read.labels), read.matrix.toarray().tolist()
    (['sea/1.jpg', 'cat/2.jpg'], ['beach', 'sea', 'cat'], [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    """
    if is_path(tag_list) and os.path.isdir(tag_list):
        folder = os.fspath(tag_list)
        tag_list = os.path.join(folder, "tag_list.txt")
        if data_list is None:
            data_list = os.path.join(folder, "data_list.txt")
    tags = [words for _, words in words_of(tag_list, encoding)]
    names: list[Any]
    if data_list is None:
        names = list(range(len(tags)))
    else:
        names = _lines_of(data_list, encoding)
        # an image without tags may be the last
        while len(tags) > len(names) and not tags[-1]:
            tags.pop()
        if len(tags) != len(names):
            raise ValueError(
                f"{name_of(tag_list)} has {len(tags)} lines, {name_of(data_list)} {len(names)}: "
                "line i of one is about line i of the other"
            )
        twice = _first_repeated(names)
        if twice is not None:
            raise ValueError(
                f"{name_of(data_list)}, line {twice + 1}: the image {names[twice]!r} comes a "
                "second time"
            )
    return of_lists(names, tags, name_of(tag_list), image_ids, labels, unknown)


def of_lists(
    names: Sequence[Any],
    lists: Sequence[Sequence[Any]],
    source: str,
    image_ids: NameList | None,
    labels: NameList | None,
    unknown: str,
    lines: Sequence[int] | None = None,
) -> Annotations:
    """Make annotations of images, each once, and lists of their labels."""
    pairs = Pairs(Numbering(image_ids, "image"), Numbering(labels, "label"), Unknown(unknown))
    spread = columns_of_rows(lists, [], 0)[1]
    assert spread is not None
    pairs.add(
        Coded(np.arange(len(names)), list(names)),
        spread[1],
        owner=spread[0],
        place=lambda row: f"{source}, line {lines[row] if lines else row + 1}",
    )
    return pairs.annotations()


def _lines_of(source: Any, encoding: str | None) -> list[str]:
    with open_text(source, encoding) as text:
        lines = "".join(block.text for block in text).replace("\r\n", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return [line.strip() for line in lines]


def _first_repeated(names: Sequence[Any]) -> int | None:
    seen = set()
    for place, name in enumerate(names):
        if name in seen:
            return place
        seen.add(name)
    return None


def read_lightgcn(
    path: Any,
    *,
    shape: tuple[int, int] | None = None,
    encoding: str | None = None,
    malformed: str = "raise",
) -> csr_matrix:
    r"""Read a ``train.txt`` or ``test.txt`` as LightGCN has them: a user and its items a line.

    Parameters
    ----------
    path : path or open file
        Integers separated by white space; ids are numbered from 0 already. Packed or not.
    shape : tuple of int, optional
        Numbers of users and of items; None: up to the largest ids of the file. Give that of the
        training matrix for a test file.
    encoding : str, optional
        See `read_pairs`.
    malformed : {"raise", "warn"}, default="raise"
        What to do about what is not an integer >= 0 or does not fit the shape; see `read_pairs`.

    Returns
    -------
    csr_matrix of float32 of shape (n_users, n_items)
        Users without items have empty rows; one that comes twice has the items of both lines.

    Raises
    ------
    ValueError
        A line is malformed; or, without `shape`, the largest id is a thousand times the number of
        different ones or more, so that ids hardly are numbers of rows or columns.

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
    rows, columns, users = array("q"), array("q"), array("q")
    problems = Malformed(malformed)
    problems.begin(name_of(path), "line")
    for number, words in words_of(path, encoding):
        if not words:
            continue
        if not all(word.isascii() and word.isdecimal() for word in words):
            wrong = next(word for word in words if not (word.isascii() and word.isdecimal()))
            problems.report(
                number,
                f"{wrong!r} is not an integer >= 0 (read_pairs(..., rest=True) reads names and "
                "other delimiters)",
            )
            continue
        user, *items = map(int, words)
        if max(user, *items, 0) >= 2**31 or (
            shape is not None and (user >= shape[0] or max(items, default=0) >= shape[1])
        ):
            problems.report(number, f"an id is outside of the shape {shape or (2**31,) * 2}")
            continue
        users.append(user)
        rows.extend([user] * len(items))
        columns.extend(items)
    problems.end()
    place = (np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64))
    if shape is None:
        shape = (
            _size(np.array(users, dtype=np.int64), "user", problems.name),
            _size(place[1], "item", problems.name),
        )
    matrix = csr_matrix((np.ones(len(rows), np.float32), place), shape=shape)
    matrix.data[:] = 1
    return matrix


def _size(ids: Any, what: str, name: str) -> int:
    largest = int(ids.max(initial=-1))
    n_different = len(np.unique(ids))
    if largest >= SPARSEST * max(n_different, SPARSEST):
        raise ValueError(
            f"{name}: the largest {what} is {largest}, of {n_different} different ones, but ids "
            "are numbers of rows and columns here: read_pairs(path, rest=True) numbers them, or "
            "pass shape= if they are meant"
        )
    return largest + 1
