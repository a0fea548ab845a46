"""From lines to columns: the same rows by pyarrow, by the csv module, and line by line.

A block of text takes the fastest way on which it is certain to be split as RFC 4180 has it. What
is not certain, or is wrong, goes line by line, and every problem is reported with its line.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain, islice
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .annotations import Coded

__all__ = [
    "BLANK",
    "WHITE_SPACE",
    "Dialect",
    "Rows",
    "columns_of_rows",
    "columns_text",
    "quick_columns",
    "split_rows",
    "without_first_row",
]

# how pandas spells it; spaces and tabs only, since names may have others
WHITE_SPACE = r"\s+"
# what a line without anything may have
BLANK = " \t\r\n"
WORD = re.compile(r"[^ \t]+")
RUN = re.compile("[ \t]+")
# what else str.strip takes for white space
OTHER_SPACE = "".join(
    character for character in map(chr, range(0x3001)) if character.isspace()
).translate(dict.fromkeys(map(ord, BLANK)))
# of a delimiter of several characters
STAND_IN = "\x1f"
UNDECODED = re.compile("[\udc80-\udcff]")
QUOTED_PART = re.compile('"[^"]*"')
# rows that are split together; more would keep the garbage collector busy
BATCH = 1 << 14
UNENDED = "unexpected end of data"


class Dialect(NamedTuple):
    """How a line is split.

    Parameters
    ----------
    delimiter : str
        A text, or `WHITE_SPACE`.
    quoted : bool
        Whether fields may stand in double quotes, and have delimiters and line ends in them.
    comment : str, optional
        What lines begin with that are left out.
    skip_space : bool
        Whether white space after a delimiter is left out.
    encoding : str
        For messages.
    is_ragged : bool
        Whether lines differ much in length, for messages too.
    """

    delimiter: str
    quoted: bool
    comment: str | None = None
    skip_space: bool = False
    encoding: str = "UTF-8"
    is_ragged: bool = False


class Rows(NamedTuple):
    """Fields of lines, the number of each line, what is wrong, and a row that did not end."""

    rows: list[list[str]]
    lines: list[int]
    problems: list[tuple[int, str]]
    rest: str


class _Numbers(dict[Any, int]):
    """Numbers what it is asked for from 0."""

    def __missing__(self, key: Any) -> int:
        number = self[key] = len(self)
        return number


@cache
def arrow() -> Any:
    """Return pyarrow with its reader of CSV, or None."""
    try:
        import pyarrow.csv
    except ImportError:
        return None
    return pyarrow


def split_rows(
    text: str, dialect: Dialect, *, first_line: int = 1, is_last: bool = True, width: int | None
) -> Rows:
    """Split whole lines of text, line by line, and say what is wrong with those left out."""
    lines = list(io.StringIO(text, newline=""))
    found = Rows([], [], [], "")
    at = 0
    while at < len(lines):
        line, number = lines[at], first_line + at
        at += 1
        if _is_blank(line, dialect):
            continue
        if dialect.comment and line.startswith(dialect.comment):
            problem = _of_characters(line, dialect)
            if problem:
                found.problems.append((number, problem))
            continue
        if dialect.quoted and '"' in line and "\0" not in line:
            reader = _reader(islice(lines, at - 1, None), dialect)
            try:
                row = next(reader)
            except csv.Error as error:
                if str(error) == UNENDED and not is_last:
                    return found._replace(rest="".join(lines[at - 1 :]))
                found.problems.append((number, _of_csv(error, reader.line_num)))
                continue
            at += reader.line_num - 1
            line = "".join(lines[number - first_line : at])
        else:
            row = _split(line, dialect)
        problem = _problem(row, line, dialect, width)
        if problem:
            found.problems.append((number, problem))
        else:
            found.rows.append(row)
            found.lines.append(number)
    return found


def without_first_row(text: str, dialect: Dialect) -> tuple[str, int]:
    """Leave out the first row, such as a header, and return how many lines go with it."""
    lines = list(islice(io.StringIO(text, newline=""), 1000))
    for at, line in enumerate(lines):
        if _is_blank(line, dialect) or (dialect.comment and line.startswith(dialect.comment)):
            continue
        n_lines = 1
        if dialect.quoted and '"' in line:
            reader = _reader(iter(lines[at:]), dialect)
            with suppress(csv.Error):
                next(reader)
                n_lines = reader.line_num
        n_lines += at
        return text[sum(map(len, lines[:n_lines])) :], n_lines
    return text, 0


def _is_blank(line: str, dialect: Dialect) -> bool:
    return not line.strip(BLANK) and (
        dialect.delimiter == WHITE_SPACE or dialect.delimiter not in line
    )


def _split(line: str, dialect: Dialect) -> list[str]:
    line = line.rstrip("\r\n")
    if dialect.delimiter == WHITE_SPACE:
        return WORD.findall(line)
    row = line.split(dialect.delimiter)
    return [field.lstrip(" ") for field in row] if dialect.skip_space else row


def _reader(lines: Iterable[str], dialect: Dialect) -> Any:
    return csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
        skipinitialspace=dialect.skip_space,
        strict=True,
    )


def _of_csv(error: csv.Error, n_lines: int) -> str:
    hint = "where quotes mean nothing, pass quoting=csv.QUOTE_NONE"
    if str(error) == UNENDED:
        return f"a quote is opened and not closed; {hint}"
    if "field limit" in str(error):
        return f"a quoted field of more than {csv.field_size_limit()} characters; {hint}"
    place = "" if n_lines == 1 else f" {n_lines - 1} lines further"
    return f"a quoted field does not end at a delimiter{place} ({error}); {hint}"


def _of_characters(line: str, dialect: Dialect) -> str:
    if "\0" in line:
        return "a NUL character (is it UTF-16? then pass encoding='utf-16')"
    if not line.isascii() and UNDECODED.search(line):
        return (
            f"bytes that are not {dialect.encoding}: pass the encoding that the file has, such as "
            "encoding='latin-1'"
        )
    return ""


def _problem(row: list[str], line: str, dialect: Dialect, width: int | None) -> str:
    problem = _of_characters(line, dialect)
    if problem:
        return problem
    if len(dialect.delimiter) > 1 and dialect.delimiter != WHITE_SPACE:
        content = line.rstrip("\r\n")
        if content != content.strip():
            return (
                "white space at an end of the line, which others leave out where a delimiter has "
                "several characters"
            )
    if dialect.comment and dialect.comment in line:
        outside = QUOTED_PART.sub("", line) if dialect.quoted else line
        if dialect.comment in outside:
            return (
                f"{dialect.comment!r} within the line: only whole lines are comments, so quote "
                "the field, or choose comment= so that fields have none"
            )
    if width is not None and len(row) != width:
        hint = "; if all columns after the image are labels of it, pass rest=True"
        return f"{columns_text(len(row))}, expected {width}" + (hint if dialect.is_ragged else "")
    return ""


def columns_text(number: int) -> str:
    """Return so many columns in words."""
    return f"{number} column" + ("" if number == 1 else "s")


def columns_of_rows(
    rows: Sequence[Sequence[Any]], places: Sequence[int], rest: int | None
) -> tuple[list[Coded], tuple[NDArray[np.intp], Coded] | None]:
    """Return columns by place, and all from place `rest` on with the row of each value."""
    columns = [_coded(map(itemgetter(place), rows), len(rows)) for place in places]
    if rest is None:
        return columns, None
    lengths = np.fromiter((max(len(row) - rest, 0) for row in rows), np.intp, len(rows))
    values = chain.from_iterable(row[rest:] for row in rows)
    owner = np.repeat(np.arange(len(rows)), lengths)
    return columns, (owner, _coded(values, len(owner)))


def _coded(values: Iterable[Any], n: int) -> Coded:
    numbers = _Numbers()
    codes = np.fromiter(map(numbers.__getitem__, values), np.int64, n)
    return Coded(codes, list(numbers))


def quick_columns(
    text: str, dialect: Dialect, *, width: int, places: Sequence[int]
) -> list[Coded] | None:
    """Return columns of a block in which nothing is wrong or uncertain, or None."""
    if "\0" in text or (dialect.comment and dialect.comment in text):
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    plain = _with_one_character(text, dialect)
    if plain is None:
        return None
    found = _by_arrow(*plain, width, places)
    return _by_csv(*plain, width, places) if found is None else found


def _with_one_character(text: str, dialect: Dialect) -> tuple[str, Dialect] | None:
    """Write the text with a delimiter of one character, if that is the same table."""
    delimiter = dialect.delimiter
    if len(delimiter) == 1:
        return text, dialect
    if delimiter == WHITE_SPACE:
        if "\t" in text or "  " in text:
            text = RUN.sub(" ", text)
        for end in "\r\n":
            text = text.replace(f" {end}", end).replace(f"{end} ", end)
        return text.strip(" "), dialect._replace(delimiter=" ")
    if STAND_IN in text or any(space in text for space in OTHER_SPACE):
        return None
    ends = (space + end for space in " \t" for end in "\r\n")
    if text != text.strip(" \t") or any(pair in text or pair[::-1] in text for pair in ends):
        return None
    return text.replace(delimiter, STAND_IN), dialect._replace(delimiter=STAND_IN)


def _by_arrow(text: str, dialect: Dialect, width: int, places: Sequence[int]) -> list[Coded] | None:
    pyarrow = arrow()
    delimiter = dialect.delimiter
    if pyarrow is None or not delimiter.isascii() or dialect.skip_space:
        return None
    if text.count("\r") != text.count("\r\n"):
        return None
    data = text.encode()
    quoted = dialect.quoted and '"' in text
    if quoted and not _is_well_quoted(data, ord(delimiter)):
        return None
    names = list(map(str, range(width)))
    wanted = sorted(set(places))
    as_codes = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.py_buffer(data),
            read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=1 << 20),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quoted else False,
                double_quote=quoted,
                escape_char=False,
                newlines_in_values=quoted,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=[names[place] for place in wanted],
                column_types=dict.fromkeys(names, as_codes),
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pyarrow.ArrowInvalid:
        return None
    found = {}
    for place in wanted:
        column = table.column(names[place]).unify_dictionaries()
        codes = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in column.chunks]
        known = column.chunk(0).dictionary.to_pylist() if codes else []
        found[place] = Coded(np.concatenate([np.zeros(0, np.int32), *codes]), known)
    return [found[place] for place in places]


def _is_well_quoted(data: bytes, delimiter: int) -> bool:
    """Tell whether quotes stand at both ends of fields, and doubled within, and nowhere else.

    Nor may a field be longer than the csv module takes.
    """
    array = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(array == ord('"'))
    if len(places) % 2 or np.diff(places).max(initial=0) > csv.field_size_limit():
        return False
    line_end = ord("\n")
    before = np.where(places > 0, array[places - 1], line_end)[0::2]
    after = np.append(array, np.uint8(line_end))[places + 1][1::2]
    quote = ord('"')
    opens = (before == delimiter) | (before == line_end) | (before == quote)
    closes = (after == delimiter) | (after == line_end) | (after == quote) | (after == ord("\r"))
    return bool(opens.all() and closes.all())


def _by_csv(text: str, dialect: Dialect, width: int, places: Sequence[int]) -> list[Coded] | None:
    numbers = [_Numbers() for _ in places]
    codes: list[list[NDArray[np.int64]]] = [[] for _ in places]
    rows = _reader(io.StringIO(text, newline=""), dialect)
    try:
        while batch := list(islice(rows, BATCH)):
            lengths = set(map(len, batch))
            if lengths != {width}:
                batch = [row for row in batch if row]
                if batch and set(map(len, batch)) != {width}:
                    return None
            for place, known, out in zip(places, numbers, codes, strict=True):
                values = map(known.__getitem__, map(itemgetter(place), batch))
                out.append(np.fromiter(values, np.int64, len(batch)))
    except csv.Error:
        return None
    empty = np.zeros(0, np.int64)
    return [
        Coded(np.concatenate([empty, *parts]), list(known))
        for parts, known in zip(codes, numbers, strict=True)
    ]
