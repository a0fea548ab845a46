"""What the first lines of a table say of its delimiter, header and comments."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from .problems import warn
from .sources import suffixes_of
from .tokens import BLANK, WHITE_SPACE, Dialect, columns_text, split_rows

__all__ = ["Layout", "Wanted", "layout_of"]

Wanted = Sequence[int | str]

# lines that are looked at
SAMPLE = 1000
VISIBLE = ("\t", ",", ";", "|", "::")
NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", "::": "double colons",
         WHITE_SPACE: "white space"}  # fmt: skip
# what a suffix promises; a .csv of many countries has semicolons
OF_SUFFIX = {".tsv": ("\t",), ".tab": ("\t",), ".csv": (",", ";")}
COMMENTS = ("#", "%")
# how numbers and dates begin
NUMBER = re.compile(r"[+-]?\.?\d")
FILE_NAME = re.compile(r".\.[A-Za-z]\w{1,3}$")
# columns are called so, and nothing else is
COLUMN_NAMES = frozenset(
    {
        "user", "userid", "uid", "username", "item", "itemid", "iid", "image", "imageid",
        "img", "imgid", "imagename", "photo", "photoid", "filename", "file", "tag", "tags",
        "tagid", "tagname", "label", "labels", "labelid", "labelname", "keyword", "category",
        "categoryid", "concept", "movie", "movieid", "book", "bookid", "isbn", "artist",
        "artistid", "track", "trackid", "song", "songid", "product", "productid", "asin",
        "rating", "timestamp", "time", "title", "genre", "genres",
    }
)  # fmt: skip


class Layout(NamedTuple):
    """How a file is split, how many columns it has, and which are wanted."""

    dialect: Dialect
    has_header: bool
    width: int
    # of the wanted columns; -1: not there, and may be
    places: list[int]


def layout_of(
    text: str,
    first_line: int,
    name: str,
    wanted: Wanted,
    *,
    delimiter: str | None,
    header: bool | None,
    quoting: int | None,
    dialect: Dialect,
    split: str | None = None,
    rest: bool = False,
    optional: Sequence[str] = (),
) -> Layout | None:
    """Find out how a table is written, from its first lines; None if it has none.

    What is given is taken; what is not is found, or an error where it is in doubt.
    """
    named = [column for column in wanted if isinstance(column, str)]
    has_header = bool(named) if header is None else header
    lines = list(islice(io.StringIO(text, newline=""), SAMPLE))
    if dialect.comment is None:
        # a header may begin like a remark
        lines = lines[:has_header] + _without_remarks(lines[has_header:], name)
    else:
        lines = ["\n" if line.startswith(dialect.comment) else line for line in lines]
    sample = "".join(lines)
    lines = [line for line in lines if line.strip(BLANK)]
    if not lines:
        return None
    least = max([column for column in wanted if not isinstance(column, str)], default=-1) + 1
    found: dict[str, list[list[str]]] = {}
    before_rows: dict[str, tuple[int, str]] = {}
    candidates = [*VISIBLE, WHITE_SPACE] if delimiter is None else [delimiter]
    if delimiter is None and quoting is not None and is_quoted(",", quoting):
        candidates = [candidate for candidate in candidates if len(candidate) == 1]
    for candidate in candidates:
        tried = dialect._replace(delimiter=candidate, quoted=is_quoted(candidate, quoting))
        split_up = split_rows(sample, tried, is_last=False, width=None)
        if not split_up.rows or len(split_up.rest) > len(sample) // 2:
            # a quote that is never closed, not a row that the end of the sample cuts
            split_up = split_rows(sample, tried, width=None)
        if split_up.rows and candidate != split:
            found[candidate] = split_up.rows
        first = split_up.lines[0] if split_up.lines else len(sample)
        before_rows.update(
            (candidate, problem) for problem in split_up.problems[:1] if problem[0] < first
        )
    if not found:
        line, problem = before_rows.get(candidates[0], (1, "nothing that could be split"))
        raise ValueError(f"{name}, line {first_line + line - 1}: {problem}")
    if delimiter is None:
        delimiter = (
            _of_ragged_lines(found, sample, name)
            if rest
            else _chosen(found, lines, name, max(least, 2), set(named) - set(optional))
        )
    if has_header and delimiter in before_rows:
        line, problem = before_rows[delimiter]
        raise ValueError(f"{name}, line {first_line + line - 1}, the header: {problem}")
    rows = found[delimiter]
    chosen = dialect._replace(delimiter=delimiter, quoted=is_quoted(delimiter, quoting))
    fields = rows[0] if has_header else []
    enough = [row for row in rows if len(row) >= max(least, 2)]
    width = len(fields) if has_header else _usual_width(enough or rows)[0]
    if rest:
        width = max(width, least)
    places = [_place(column, fields, width, name, column in optional) for column in wanted]
    if header is None and not has_header:
        _refuse_forgotten_header(rows, places, width, name)
    if not rest and _usual_width(rows)[1] < 0.9:
        chosen = chosen._replace(is_ragged=True)
    if not chosen.quoted:
        _warn_of_quotes(rows[int(has_header) :], places, name, delimiter)
    return Layout(chosen, has_header, width, places)


def is_quoted(delimiter: str, quoting: int | None) -> bool:
    """Tell whether quotes mean something: not between tabs, if nothing is said."""
    if quoting is None:
        return len(delimiter) == 1 and delimiter != "\t"
    if quoting not in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE):
        raise ValueError(
            f"quoting must be csv.QUOTE_MINIMAL, csv.QUOTE_ALL or csv.QUOTE_NONE, got {quoting!r}"
        )
    return quoting != csv.QUOTE_NONE and len(delimiter) == 1


def _without_remarks(lines: list[str], name: str) -> list[str]:
    remarks = [line for line in lines if line.startswith(COMMENTS)]
    n_lines = sum(1 for line in lines if line.strip(BLANK))
    if not remarks or len(remarks) == n_lines:
        return lines
    mark = remarks[0][0]
    warn(
        f"{name}: {len(remarks)} of the first {n_lines} lines begin with {mark!r} and are "
        f"taken for data; if they are remarks, pass comment={mark!r}"
    )
    # lines keep their numbers
    return ["\n" if line.startswith(COMMENTS) else line for line in lines]


def _usual_width(rows: list[list[str]]) -> tuple[int, float]:
    """Return the most frequent number of columns and the share of lines that have it."""
    width, count = Counter(map(len, rows)).most_common(1)[0]
    return width, count / len(rows)


def _chosen(
    found: dict[str, list[list[str]]], lines: list[str], name: str, least: int, named: set[str]
) -> str:
    usual = {candidate: _usual_width(rows) for candidate, rows in found.items()}
    fit = {
        candidate: share
        for candidate, (width, share) in usual.items()
        if width >= least
        and (not named or named <= {field.strip() for field in found[candidate][0]})
    }
    if not fit:
        return _of_few_lines(found, name, least, len(lines))
    full = [candidate for candidate, share in fit.items() if share == 1]
    promised = [c for c in OF_SUFFIX.get(suffixes_of(name)[0], ()) if c in fit]
    if WHITE_SPACE in full and len(full) > 1:
        visible = [candidate for candidate in full if candidate != WHITE_SPACE]
        if (
            len(visible) > 1
            or visible[0] in ("\t", *promised)
            or not _spaces_split_as_well(lines, visible[0])
        ):
            full = visible
    if len(full) == 1:
        return full[0]
    if promised == ["\t"]:
        return "\t"
    if not full:
        best, *others = sorted(fit, key=lambda candidate: -fit[candidate])
        if not others or (fit[best] >= 0.9 and fit[others[0]] <= 0.5):
            return best
    in_doubt = full or list(fit)
    first, *more = (f"{usual[c][0]}{{}} by {NAMES[c]}" for c in in_doubt)
    counts = ", ".join([first.format(" columns"), *(other.format("") for other in more)])
    raise ValueError(
        f"{name}: the delimiter is in doubt ({counts} in the first {len(lines)} lines): pass "
        + " or ".join(f"delimiter={c!r}" for c in in_doubt)
    )


def _of_few_lines(found: dict[str, list[list[str]]], name: str, least: int, n_lines: int) -> str:
    """Choose where most lines are malformed: what splits any of them, if only one does."""
    splitting = [c for c, rows in found.items() if any(len(row) >= least for row in rows)]
    if len(splitting) > 1 and WHITE_SPACE in splitting:
        splitting.remove(WHITE_SPACE)
    if len(splitting) == 1:
        return splitting[0]
    partly = [c for c, rows in found.items() if any(len(row) > 1 for row in rows)]
    if len(partly) == 1:
        return partly[0]
    if not splitting:
        # with names, the message about the columns says more
        return partly[0] if partly else ","
    raise ValueError(
        f"{name}: no delimiter splits the first {n_lines} lines alike: pass delimiter="
        + " or delimiter=".join(map(repr, splitting))
    )


def _spaces_split_as_well(lines: list[str], delimiter: str) -> bool:
    """Tell whether white space splits, other than that beside the delimiter."""
    beside = re.compile(rf"[ \t]*{re.escape(delimiter)}[ \t]*")
    counts = {len(beside.sub(delimiter, line).split()) for line in lines}
    return counts != {1} and len(counts) == 1


def _of_ragged_lines(found: dict[str, list[list[str]]], sample: str, name: str) -> str:
    """Choose where lines differ in length: what occurs, if nothing else could be meant."""
    occurring = [c for c, rows in found.items() if any(len(row) > 1 for row in rows)]
    promised = [c for c in OF_SUFFIX.get(suffixes_of(name)[0], ()) if c in occurring]
    if len(promised) == 1:
        return promised[0]
    if len(occurring) <= 1:
        return (*occurring, WHITE_SPACE)[0]
    raise ValueError(
        f"{name}: the delimiter is in doubt, as lines have "
        + " and ".join(NAMES[c] for c in occurring)
        + ": pass "
        + " or ".join(f"delimiter={c!r}" for c in occurring)
    )


def _place(column: int | str, names: Sequence[str], width: int, name: str, optional: bool) -> int:
    if isinstance(column, str):
        count = list(names).count(column)
        if count > 1:
            raise ValueError(f"{name} has {count} columns {column!r}: give the number of one")
        if not count:
            if optional:
                return -1
            spaced = any(other.strip() == column for other in names)
            raise ValueError(
                f"{name} has no column {column!r}, only {', '.join(map(repr, names))}"
                + (": skipinitialspace=True leaves the space out" if spaced else "")
            )
        return list(names).index(column)
    if column >= width:
        raise ValueError(
            f"{name} has {columns_text(width)}, so none has the number {column} (from 0)"
            + (": if it has more, say what separates them, delimiter=" if width == 1 else "")
        )
    return column


def _refuse_forgotten_header(
    rows: list[list[str]], places: Sequence[int], width: int, name: str
) -> None:
    first, others = rows[0], [row for row in rows[1:] if len(row) == width]
    if len(first) != width or not others or any(map(_is_data, first)):
        return
    over_data = any(
        not _is_data(first[place]) and all(_is_data(row[place]) for row in others)
        for place in range(width)
    )
    called = all(re.sub(r"[\W_]", "", first[place].lower()) in COLUMN_NAMES for place in places[:2])
    if over_data or called:
        raise ValueError(
            f"{name}: the first line looks like a header ({', '.join(map(repr, first))}): pass "
            "header=True, or header=False if it is data"
        )


def _warn_of_quotes(
    rows: list[list[str]], places: Sequence[int], name: str, delimiter: str
) -> None:
    for place in places[:2]:
        fields = [row[place] for row in rows if len(row) > place]
        if fields and all(len(f) > 1 and f[0] == f[-1] == '"' for f in fields):
            warn(
                f"{name}: all fields of column {place} are in quotes, which stay part of them; "
                "quoting=csv.QUOTE_MINIMAL takes them away"
                + ("" if len(delimiter) == 1 else ", with a delimiter of one character")
            )
            return


def _is_number(field: str) -> bool:
    return NUMBER.match(field.strip()) is not None


def _is_data(field: str) -> bool:
    """Tell whether no column is called so: a number, a date, or the name of a file."""
    return _is_number(field) or FILE_NAME.search(field.strip()) is not None
