"""Tables of pairs: delimited text, Parquet, data frames, Arrow tables and rows in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .annotations import (
    NOTHING,
    Annotations,
    Coded,
    NameList,
    Numbering,
    Pairs,
    as_integer,
)
from .dialects import Layout, Wanted, layout_of
from .frames import (
    LISTS,
    blocks_of_parquet,
    blocks_of_rows,
    blocks_of_table,
    is_parquet,
    is_table,
    kind_of,
)
from .problems import Malformed, Unknown
from .sources import expand, is_file, is_path, name_of, open_text
from .tokens import (
    Dialect,
    columns_of_rows,
    columns_text,
    quick_columns,
    split_rows,
    without_first_row,
)
from .values import Times, warn_of_times, weights_of

__all__ = ["read_pairs"]

Spread: TypeAlias = tuple[NDArray[np.intp], Coded]


class TextOptions(NamedTuple):
    """What is said of a text; None: it is found out."""

    delimiter: str | None = None
    header: bool | None = None
    encoding: str | None = None
    comment: str | None = None
    quoting: int | None = None
    skipinitialspace: bool = False
    split: str | None = None
    rest: bool = False


class TableBlock(NamedTuple):
    """Rows of a table: the wanted columns, or None for one that is not there.

    With lists of labels, the second column is None and `spread` has the row and the label of each
    entry.
    """

    columns: list[Coded | None]
    spread: Spread | None
    line_of: Callable[[int], int]
    problems: list[tuple[int, str]]


def read_pairs(
    source: Any,
    *,
    image: int | str = 0,
    label: int | str = 1,
    value: int | str | None = None,
    time: int | str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    comment: str | None = None,
    quoting: int | None = None,
    skipinitialspace: bool = False,
    na_values: Iterable[str] | None = None,
    dtype: type | None = None,
    split: str | None = None,
    rest: bool = False,
    image_ids: NameList | None = None,
    labels: NameList | None = None,
    unknown: str = "raise",
    malformed: str = "raise",
) -> Annotations:
    r"""Read pairs of image and label (user and item) from a table: one pair a line.

    Parameters
    ----------
    source : path, open file, table, or list of paths or files
        Text with columns, or Parquet if a path ends on ``.parquet`` (which needs pyarrow); several
        files, a folder or a pattern such as ``part-*.csv`` are parts of one table. Files may be
        packed (``.gz``, ``.bz2``, ``.xz``, ``.zip``). Or a table in memory: a data frame, an Arrow
        table, an array with two dimensions, a list of pairs.
    image, label : int or str, default=0 and 1
        The columns with the ids, by number from 0, or by the name in the first line. A column of
        lists (in memory or in Parquet) has all labels of an image.
    value : int or str or None, default=None
        The column with weights > 0, which are summed for a pair that comes more than once; None:
        every pair has the value 1.
    time : int or str or None, default=None
        The column that says when a pair was observed, for
        :func:`vseens_rec.model_selection.time_split`: integers, numbers, or dates as ISO 8601 has
        them. What is read is in ``times``; of a pair that comes more than once, the first.
    delimiter : str or None, default=None
        What separates columns: one character or several, ``r"\s+"`` for white space. None: tab,
        comma, semicolon, bar, double colon or white space, whichever splits the first 1,000 lines
        alike; where more than one does, that of the suffix ``.tsv``, or an error.
    header : bool or None, default=None
        Whether the first line names the columns; None: if a column is given by name. A first line
        that looks like a header is an error then, if columns are given by number.
    encoding : str or None, default=None
        Of bytes, as Python calls it; None: that of a byte order mark, else UTF-8.
    comment : str or None, default=None
        Lines that begin so are left out. It must not stand within others, unless in quotes.
    quoting : {csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE} or None, default=None
        Whether fields may stand in double quotes; None: unless tabs, white space or several
        characters separate them.
    skipinitialspace : bool, default=False
        Whether spaces after a delimiter are left out.
    na_values : iterable of str or None, default=None
        Words that mean nothing, as an empty field does. None: there are none, but words such as
        ``NULL`` that become ids are warned of; ``[]``: none, without a warning.
    dtype : {str, int} or None, default=None
        The type of ids in text. None: integers where all of a side are written as such, so that
        one more line may make them text; ``str``: text as it is; ``int``: integers, and anything
        else is malformed.
    split : str or None, default=None
        What separates the labels of an image that stand in one field, such as ``"|"``. Empty ones
        are nothing, and an image without any keeps an empty row.
    rest : bool, default=False
        Whether lines differ in length, and `label` is the first of several columns with labels,
        up to the end of the line. An image without any keeps an empty row.
    image_ids, labels : sequence of hashable or None, default=None
        Ids and names that have their numbers already, such as those of the training set: rows and
        columns are these, in this order. None: numbers in the order of the file.
    unknown : {"raise", "warn", "skip", "add"}, default="raise"
        What to do about pairs with others: raise; leave them out, with a warning or without; or
        number them after those that are given.
    malformed : {"raise", "warn"}, default="raise"
        Raise at the first line that has too few or too many columns, an empty id, a weight that is
        not a finite number > 0 or a time that is not one; or leave such lines out and warn with
        their numbers.

    Returns
    -------
    Annotations
        Ids are text as it is in the file, integers where all of a side are written as such;
        numbered in the order in which they come. Those of tables with types keep them.

    Raises
    ------
    ValueError
        A line is malformed, a name is not known, a column does not exist, or it is in doubt how
        the text is to be split.
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

    A test set, in the numbers of the training set:

    >>> test = read_pairs([("b.jpg", "sky")], image_ids=read.image_ids, labels=read.labels)
    >>> test.matrix.toarray()
    array([[0., 0.], [1., 0.]], dtype=float32)
    """
    wanted = [_checked(column) for column in (image, label, value, time) if column is not None]
    options = TextOptions(
        delimiter, header, encoding, comment, quoting, skipinitialspace, split, rest
    )
    _check_options(options, wanted, dtype)
    words = _words(na_values)
    problems, strangers = Malformed(malformed), Unknown(unknown)
    parts, as_text = _parts(source, options, dtype)
    pairs = Pairs(
        Numbering(image_ids, "image", as_text=as_text and dtype is None),
        Numbering(labels, "label", as_text=as_text and dtype is None),
        strangers,
    )
    reader = _Reader(pairs, words, value is not None, time is not None, split, dtype)
    for name, word, blocks in _blocks(parts, wanted, options):
        problems.begin(name, word)
        for block in blocks:
            reader.read(block, problems)
        problems.end()
    nothing = NOTHING if na_values is None else frozenset[str]()
    return pairs.annotations(nothing=nothing)


def _checked(column: Any) -> int | str:
    if isinstance(column, str):
        return column
    if isinstance(column, bool) or not isinstance(column, (int, np.integer)) or column < 0:
        raise ValueError(f"a column is its number from 0 or its name, got {column!r}")
    return int(column)


def _check_options(options: TextOptions, wanted: Wanted, dtype: type | None) -> None:
    named = any(isinstance(column, str) for column in wanted)
    if named and options.header is False:
        raise ValueError(f"columns {wanted} are named, so the first line has to be a header")
    for name in ("delimiter", "comment", "split"):
        text = getattr(options, name)
        if text is not None and (not isinstance(text, str) or not text or set(text) & set("\r\n")):
            raise ValueError(f"{name} must be a text within a line, or None, got {text!r}")
    if options.quoting is not None and options.quoting != 3:
        several = options.delimiter is not None and len(options.delimiter) > 1
        if several:
            raise ValueError(
                f"quotes need a delimiter of one character, got {options.delimiter!r}: leave "
                "quoting out, or pass csv.QUOTE_NONE"
            )
    if options.delimiter == '"':
        raise ValueError("a quote cannot be the delimiter")
    if dtype not in (None, str, int):
        raise ValueError(f"dtype must be str, int or None, got {dtype!r}")
    if options.rest and options.split is not None:
        raise ValueError("rest=True and split exclude each other: labels are in columns, or in one")
    if options.rest and len(wanted) > 2:
        raise ValueError("rest=True takes all columns from label on, so value and time have none")


def _words(na_values: Iterable[str] | None) -> frozenset[str]:
    if isinstance(na_values, str):
        raise ValueError(f"na_values must be a list of words, got the text {na_values!r}")
    return frozenset(na_values or ())


def _parts(
    source: Any, options: TextOptions, dtype: type | None
) -> tuple[list[Any] | Iterable[Any], bool]:
    """Return the files of a source, or the table that it is, and whether it is text."""
    rows: Any = None
    if is_table(source):
        rows = source
    elif not (is_path(source) or is_file(source) or isinstance(source, bytes)):
        if isinstance(source, Mapping) or hasattr(source, "tocsr"):
            raise TypeError(
                f"got {kind_of(source)}: expected a file, or a table such as "
                "pandas.DataFrame({'image': ..., 'label': ...}) or a list of pairs"
            )
        if not isinstance(source, Iterable):
            raise TypeError(f"got {source!r}: expected a path, an open file, a table or a list")
        items = iter(source)
        first = next(items, None)
        source = [] if first is None else chain([first], items)
        if isinstance(first, (tuple, list, np.ndarray)):
            rows = source
    if rows is None:
        files = expand(source)
        if not all(map(is_parquet, files)):
            if any(map(is_parquet, files)):
                raise ValueError("text and Parquet are not parts of one table: read them apart")
            return files, True
        rows = files
    given = [
        name
        for name, there in zip(options._fields, options, strict=True)
        if there not in (None, False) and name != "split"
    ] + (["dtype"] if dtype is not None else [])
    if given:
        raise ValueError(f"{', '.join(given)} say how text is read, but the table has types")
    return rows, False


def _blocks(
    parts: Any, wanted: Wanted, options: TextOptions
) -> Iterator[tuple[str, str, Iterator[TableBlock]]]:
    """Yield every part: its name, what its places are called, and its blocks."""
    if is_table(parts):
        yield kind_of(parts), "row", map(_of_types, blocks_of_table(parts, wanted))
    elif not isinstance(parts, list):
        yield "the list of pairs", "row", map(_of_types, blocks_of_rows(parts, wanted))
    elif is_parquet(parts[0]):
        for part in parts:
            yield name_of(part), "line", map(_of_types, blocks_of_parquet(part, wanted))
    else:
        yield from text_parts(parts, wanted, options)


def _of_types(block: tuple[int, list[Any]]) -> TableBlock:
    first, columns = block
    spread = None
    labels = columns[1]
    problems = []
    if isinstance(labels, list):
        lists = [[] if entry is None else entry for entry in labels]
        for place, entry in enumerate(labels):
            if not isinstance(entry, LISTS):
                problems.append((first + place, f"{entry!r} beside lists of labels"))
                lists[place] = []
        spread = _spread([list(entry) for entry in lists])
        columns = [columns[0], None, *columns[2:]]
    for column in columns:
        if isinstance(column, list):
            raise ValueError("only the labels may be lists, not images, values or times")
    return TableBlock(columns, spread, lambda row: first + row, problems)


def _spread(lists: Sequence[Sequence[Any]]) -> Spread:
    found = columns_of_rows(lists, [], 0)[1]
    assert found is not None
    return found


def text_parts(
    files: Sequence[Any],
    wanted: Wanted,
    options: TextOptions,
    optional: Sequence[str] = (),
) -> Iterator[tuple[str, str, Iterator[TableBlock]]]:
    """Yield the files of a table in text; all have to be written alike."""
    layouts: list[Layout] = []
    for file in files:
        yield name_of(file), "line", _text_blocks(file, wanted, options, optional, layouts)


def _text_blocks(
    file: Any,
    wanted: Wanted,
    options: TextOptions,
    optional: Sequence[str],
    layouts: list[Layout],
) -> Iterator[TableBlock]:
    layout = None
    with open_text(file, options.encoding) as text:
        dialect = Dialect("", False, options.comment, options.skipinitialspace, text.encoding)
        for block in text:
            body, first_line = block.text, block.first_line
            if layout is None:
                layout = layout_of(
                    body,
                    first_line,
                    text.name,
                    wanted,
                    delimiter=layouts[0].dialect.delimiter if layouts else options.delimiter,
                    header=layouts[0].has_header if layouts else options.header,
                    quoting=options.quoting,
                    dialect=dialect,
                    split=options.split,
                    rest=options.rest,
                    optional=optional,
                )
                if layout is None:
                    continue
                if options.rest and layout.places[0] >= layout.places[1]:
                    raise ValueError("rest=True: the image has to stand before its labels")
                if not layouts:
                    layouts.append(layout)
                elif layout.width != layouts[0].width and not options.rest:
                    raise ValueError(
                        f"{text.name} has {layout.width} columns, but the files before it "
                        f"{layouts[0].width}: they are not parts of one table"
                    )
                if layout.has_header:
                    body, n_lines = without_first_row(body, layout.dialect)
                    first_line += n_lines
            read = _block_of(body, first_line, block.is_last, layout, options.rest)
            if isinstance(read, str):
                text.give_back(read)
                read = _block_of(
                    body[: len(body) - len(read)], first_line, True, layout, options.rest
                )
                assert not isinstance(read, str)
            yield read


def _block_of(
    text: str, first_line: int, is_last: bool, layout: Layout, rest: bool
) -> TableBlock | str:
    """Return the columns of whole rows, or the row at the end that the next block completes."""
    dialect, places = layout.dialect, layout.places
    there = [place for place in places if place >= 0]
    if not rest:
        quick = quick_columns(text, dialect, width=layout.width, places=there)
        if quick is not None:
            known: list[list[int]] = []

            def line_of(row: int) -> int:
                if not known:
                    known.append(split_rows(text, dialect, first_line=first_line, width=None).lines)
                return known[0][row]

            return TableBlock(_with_gaps(quick, places), None, line_of, [])
    found = split_rows(
        text,
        dialect,
        first_line=first_line,
        is_last=is_last,
        width=None if rest else layout.width,
    )
    if found.rest:
        return found.rest
    if rest:
        image, label = places[:2]
        rows, lines = [], []
        for line, row in zip(found.lines, found.rows, strict=True):
            if len(row) > image:
                rows.append(row)
                lines.append(line)
            else:
                found.problems.append((line, f"{columns_text(len(row))}, so none with the image"))
        columns, spread = columns_of_rows(rows, [image], label)
        return TableBlock([columns[0], None], spread, lines.__getitem__, found.problems)
    columns, _ = columns_of_rows(found.rows, there, None)
    return TableBlock(_with_gaps(columns, places), None, found.lines.__getitem__, found.problems)


def _with_gaps(columns: Sequence[Coded], places: Sequence[int]) -> list[Coded | None]:
    there = iter(columns)
    return [next(there) if place >= 0 else None for place in places]


class _Reader:
    """Checks the rows of a table and adds their pairs."""

    def __init__(
        self,
        pairs: Pairs,
        nothing: frozenset[str],
        has_values: bool,
        has_times: bool,
        split: str | None,
        dtype: type | None,
    ):
        self.pairs, self.nothing, self.split, self.dtype = pairs, nothing, split, dtype
        self.has_values, self.has_times = has_values, has_times
        self.times = Times()
        self.warned_of_times = False

    def read(self, block: TableBlock, problems: Malformed) -> None:
        columns = iter(block.columns)
        images, labels = next(columns), next(columns)
        assert images is not None
        wrong: dict[int, str] = {}
        images = self._ids(images, wrong)
        spread = block.spread
        if spread is None and self.split is not None:
            assert labels is not None
            spread = self._split(labels)
        if spread is None:
            assert labels is not None
            labels = self._ids(labels, wrong)
        else:
            spread = self._without_nothing(spread)
            entries: dict[int, str] = {}
            labels = self._ids(spread[1], entries)
            for entry, problem in entries.items():
                wrong.setdefault(int(spread[0][entry]), problem)
        values = times = None
        if self.has_values:
            column = next(columns)
            assert column is not None
            weights, bad = weights_of(column.names)
            if not self.warned_of_times:
                self.warned_of_times = warn_of_times(weights, problems.name)
            _mark(column.codes, bad, wrong)
            values = weights[column.codes]
        if self.has_times:
            column = next(columns)
            assert column is not None
            read, bad = self.times.read(column.names)
            _mark(column.codes, bad, wrong)
            times = read[column.codes] if len(read) else np.zeros(len(column.codes), np.int64)
        found = [(block.line_of(row), problem) for row, problem in wrong.items()]
        problems.report_all(found + block.problems)
        line_of: Callable[[int], int] = block.line_of
        owner = None if spread is None else spread[0]
        if wrong:
            kept = np.ones(len(images.codes), bool)
            kept[list(wrong)] = False
            places = np.flatnonzero(kept)
            images = images._replace(codes=images.codes[kept])
            values = None if values is None else values[kept]
            times = None if times is None else times[kept]
            if owner is None:
                labels = labels._replace(codes=labels.codes[kept])
            else:
                entry_kept = kept[owner]
                owner = (np.cumsum(kept) - 1)[owner[entry_kept]]
                labels = labels._replace(codes=labels.codes[entry_kept])

            def line_of(row: int) -> int:
                return block.line_of(int(places[row]))

        self.pairs.add(
            images,
            labels,
            owner=owner,
            values=values,
            times=times,
            place=lambda row: f"{problems.name}, {problems.word} {line_of(row)}",
        )

    def _ids(self, column: Coded, wrong: dict[int, str]) -> Coded:
        """Mark the rows whose id is nothing, or not of the type that is asked for."""
        bad: dict[int, str] = {}
        names = column.names
        for place, name in enumerate(names):
            if name is None or name == "":
                bad[place] = "an empty id"
            elif self.nothing and isinstance(name, str) and name in self.nothing:
                bad[place] = f"an empty id ({name!r})"
        if self.dtype is int:
            integers = [as_integer(name) for name in names]
            for place, integer in enumerate(integers):
                if integer is None:
                    bad.setdefault(place, f"the id {names[place]!r} is not an integer")
            column = column._replace(names=integers)
        _mark(column.codes, bad, wrong)
        return column

    def _split(self, column: Coded) -> Spread:
        """Take the labels of every row apart."""
        lists = []
        for name in column.names:
            if name is not None and not isinstance(name, str):
                raise ValueError(f"split={self.split!r} needs text, got the label {name!r}")
            lists.append([] if name is None else name.split(self.split))
        owners, labels = _spread(lists)
        lengths = np.bincount(owners, minlength=len(lists))
        starts = np.cumsum(lengths) - lengths
        of_row = lengths[column.codes]
        owner = np.repeat(np.arange(len(column.codes)), of_row)
        first = np.cumsum(of_row) - of_row
        entry = np.arange(len(owner)) - np.repeat(first, of_row)
        return owner, labels._replace(
            codes=labels.codes[np.repeat(starts[column.codes], of_row) + entry]
        )

    def _without_nothing(self, spread: Spread) -> Spread:
        owner, labels = spread
        nothing = [
            place
            for place, name in enumerate(labels.names)
            if name is None or name == "" or name in self.nothing
        ]
        if not nothing:
            return spread
        kept = ~np.isin(labels.codes, nothing)
        return owner[kept], labels._replace(codes=labels.codes[kept])


def _mark(codes: NDArray[Any], bad: dict[int, str], wrong: dict[int, str]) -> None:
    """Give the rows of bad values the first problem they have."""
    if bad:
        for row in np.flatnonzero(np.isin(codes, list(bad))):
            wrong.setdefault(int(row), bad[int(codes[row])])
