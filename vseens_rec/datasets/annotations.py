"""A matrix with the names of its rows and columns, and how it is gathered from pairs of names."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from .problems import Unknown, warn

__all__ = ["Annotations"]

# what stands for nothing in tables of other programs; a warning where one becomes an id
NOTHING = frozenset(
    {
        "NULL", "null", "Null", "nan", "NaN", "NAN", "-nan", "-NaN", "None", "none", "\\N", "N/A",
        "n/a", "NA", "<NA>", "#N/A", "#NA", "nil", "NIL", "NaT", "undefined",
    }
)  # fmt: skip

NameList: TypeAlias = Iterable[Hashable]


class Coded(NamedTuple):
    """A column: the place of every value among the different ones, and these as they come."""

    codes: NDArray[np.integer[Any]]
    names: list[Any]


class _NamedMatrix(NamedTuple):
    matrix: csr_matrix
    image_ids: NDArray[Any]
    labels: NDArray[Any]


class Annotations(_NamedMatrix):
    """A matrix to fit, and what its rows and columns stand for; what readers return.

    It unpacks into three: ``matrix, image_ids, labels = read``.

    Parameters
    ----------
    matrix : csr_matrix of float32 of shape (n_images, n_labels)
        A value > 0 where the image has the label.
    image_ids : ndarray of shape (n_images,)
        The id of every row.
    labels : ndarray of shape (n_labels,)
        The id or name of every column.
    times : ndarray of shape (matrix.nnz,), optional
        When each stored value was observed, in the order of ``matrix.data``.

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

    times: NDArray[Any] | None = None

    def __new__(
        cls,
        matrix: csr_matrix,
        image_ids: NDArray[Any],
        labels: NDArray[Any],
        times: NDArray[Any] | None = None,
    ) -> "Annotations":
        """Make a tuple of three with an attribute."""
        self = super().__new__(cls, matrix, image_ids, labels)
        self.times = times
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (*self, self.times)

    def reindex(
        self,
        *,
        image_ids: NameList | None = None,
        labels: NameList | None = None,
        unknown: str = "raise",
    ) -> "Annotations":
        """Give rows and columns the numbers that they have elsewhere.

        For a test set that was read apart from its training set: measures compare by number.

        Parameters
        ----------
        image_ids, labels : sequence of hashable, optional
            Names of the rows and of the columns of the result, in this order; None: as they are.
        unknown : {"raise", "warn", "skip", "add"}, default="raise"
            What to do about rows and columns with other names, if they have a pair: raise; leave
            them out, with a warning or without; or put them after the others.

        Returns
        -------
        Annotations
            With a matrix of the shape of the names.

        Raises
        ------
        ValueError
            A name is not known, or comes twice.

        Examples
        --------
        >>> import numpy as np
        >>> from scipy.sparse import csr_matrix
        >>> from vseens_rec.datasets import Annotations
        >>> test = Annotations(csr_matrix([[1, 1]]), np.array([7]), np.array(["sea", "sky"]))
        >>> test.reindex(image_ids=[3, 7], labels=["sky", "sun", "sea"]).matrix.toarray()
        array([[0., 0., 0.],
               [1., 0., 1.]], dtype=float32)
        """
        pairs = self.matrix.tocoo()
        found = Pairs(
            Numbering(self.image_ids if image_ids is None else image_ids, "image"),
            Numbering(self.labels if labels is None else labels, "label"),
            Unknown(unknown),
        )
        found.add(
            Coded(pairs.row, self.image_ids.tolist()),
            Coded(pairs.col, self.labels.tolist()),
            values=np.asarray(pairs.data, np.float64),
            times=self.times,
            place=lambda row: "annotations",
        )
        return found.annotations()


def matrices_of(X: Any, y: Any) -> tuple[Any, Any]:
    """Return the matrices of what is learned from and of what is held out.

    Where both have names, rows and columns have to be the same ones.
    """
    if isinstance(X, Annotations) and isinstance(y, Annotations):
        for argument in ("image_ids", "labels"):
            ours, theirs = getattr(X, argument), getattr(y, argument)
            if ours.tolist() != theirs.tolist():
                raise ValueError(
                    f"X and y have different {argument}, so their numbers mean different things: "
                    f"read both with the {argument} of X, or pass y.reindex(image_ids=X.image_ids, "
                    "labels=X.labels)"
                )
    return tuple(part.matrix if isinstance(part, Annotations) else part for part in (X, y))


class Numbering:
    """Numbers names from 0: in the order in which they come, or as they are given.

    Parameters
    ----------
    known : sequence of hashable, optional
        Names with the numbers 0, 1, and so on; others are not known.
    what : str
        "image" or "label".
    as_text : bool
        Names are read from text, where integers have no type: those that are written as such
        stand for known integers, and become integers if all of them are.
    """

    def __init__(self, known: NameList | None, what: str, *, as_text: bool = False):
        self.what, self.as_text = what, as_text
        self.known: NDArray[Any] | None = None
        self.numbers: dict[Hashable, int] = {}
        if known is not None:
            self.known = _array_of_known(known, "image_ids" if what == "image" else "labels")
            for name in self.known.tolist():
                self.numbers[name] = len(self.numbers)
        self.n_known = len(self.numbers)
        self.knows_integers = any(isinstance(name, int) for name in self.numbers)

    @property
    def fixed(self) -> bool:
        return self.known is not None

    def number(self, names: Sequence[Hashable], *, add: bool) -> NDArray[np.int64]:
        """Return the number of each name, -1 where it is not known and not to be added."""
        numbers = self.numbers
        if not self.fixed:
            return np.fromiter(
                (numbers.setdefault(name, len(numbers)) for name in names), np.int64, len(names)
            )
        out = np.empty(len(names), np.int64)
        for place, name in enumerate(names):
            found = numbers.get(name, -1)
            if found < 0 and self.as_text and self.knows_integers:
                integer = as_integer(name)
                if integer is not None:
                    name, found = integer, numbers.get(integer, -1)
            if found < 0 and add:
                found = numbers.setdefault(name, len(numbers))
            out[place] = found
        return out

    def hint(self, name: Hashable) -> str:
        """Say that a name is there with another type, or without decimals."""
        other: Hashable = str(name)
        if isinstance(name, str):
            other = as_integer(name.removesuffix(".0"))
            if other is not None and str(other) in self.numbers:
                other = str(other)
        if other is not None and other in self.numbers:
            return f", which have {other!r} ({type(other).__name__})"
        return ""

    def ids(self) -> NDArray[Any]:
        """Return the names by number."""
        if self.known is not None and len(self.numbers) == self.n_known:
            return self.known
        names = list(self.numbers)
        if self.as_text and not self.fixed:
            integers = [as_integer(name) for name in names]
            if names and None not in integers:
                return array_of(integers)
        return array_of(names)

    def check(self, nothing: frozenset[str]) -> None:
        """Warn of words for nothing, and of names that are written in two ways."""
        if self.fixed:
            return
        texts = [name for name in self.numbers if isinstance(name, str)]
        words = [name for name in texts if name in nothing]
        if words:
            warn(
                f"{_listed(words)} became {self.what} ids: na_values={words!r} makes them no ids, "
                "na_values=[] keeps them without this warning"
            )
        decimal = [
            name
            for name in texts
            if name.endswith(".0") and name.removesuffix(".0") in self.numbers
        ]
        if decimal:
            warn(
                f"{_listed(decimal)} and the same without .0 are two {self.what}s each: integers "
                "that were written as decimals somewhere"
            )
        forms: dict[str, str] = {}
        alike = [
            name
            for name in texts
            if not name.isascii() and forms.setdefault(normalize("NFC", name), name) != name
        ]
        if alike:
            warn(
                f"{_listed(alike)} and others that look the same are two {self.what}s each, since "
                "their accents are written in two ways: unicodedata.normalize makes them one"
            )
        twins = [name for name in texts if name != name.strip() and name.strip() in self.numbers]
        if twins:
            warn(
                f"{_listed(twins)} and the same without white space around are two {self.what}s "
                "each: mend the table, or, if the space follows the delimiter, pass "
                "skipinitialspace=True"
            )


class Pairs:
    """Pairs of names as they come, 8 bytes each and as many for values or times."""

    def __init__(self, images: Numbering, labels: Numbering, unknown: Unknown):
        if unknown.mode != "raise" and not (images.fixed or labels.fixed):
            raise ValueError(
                f"unknown={unknown.mode!r} says what to do about names beside image_ids= or "
                "labels=, but neither is given"
            )
        self.images, self.labels, self.unknown = images, labels, unknown
        self.parts: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self.values: list[NDArray[np.float64]] = []
        self.times: list[NDArray[Any]] = []

    def add(
        self,
        images: Coded,
        labels: Coded,
        *,
        owner: NDArray[np.integer[Any]] | None = None,
        values: NDArray[np.float64] | None = None,
        times: NDArray[Any] | None = None,
        place: Callable[[int], str],
    ) -> None:
        """Add a block of rows.

        Parameters
        ----------
        images : Coded
            The image of each row.
        labels : Coded
            The label of each row, or of each entry.
        owner : ndarray, optional
            The row of each entry, where a row has several labels or none.
        values, times : ndarray, optional
            One for each row.
        place : callable
            Says where a row is.
        """
        rows = self._numbers(self.images, images, None, place)
        row_of = np.arange(len(rows)) if owner is None else owner
        kept = rows[row_of] >= 0
        columns = self._numbers(self.labels, labels, kept, lambda entry: place(int(row_of[entry])))
        kept &= columns >= 0
        row_of, columns = row_of[kept], columns[kept]
        self.parts.append((rows[row_of].astype(np.int32), columns.astype(np.int32)))
        if values is not None:
            self.values.append(values[row_of])
        if times is not None:
            self.times.append(times[row_of])

    def _numbers(
        self,
        numbering: Numbering,
        column: Coded,
        kept: NDArray[np.bool_] | None,
        place: Callable[[int], str],
    ) -> NDArray[np.int64]:
        """Number the values of a column; those that are not kept stay without a number."""
        codes, names = column
        used = first_places(codes if kept is None else codes[kept])[1]
        numbers = np.full(len(names) + 1, -1, np.int64)
        numbers[used] = numbering.number([names[code] for code in used], add=self.unknown.adds)
        out: NDArray[np.int64] = numbers[codes]
        if kept is not None:
            out[~kept] = -1
        missing = (out < 0) if kept is None else (out < 0) & kept
        if missing.any():
            wrong = [names[code] for code in first_places(codes[missing])[1]]
            first = int(np.flatnonzero(missing)[0])
            self.unknown.report(
                numbering.what, wrong, int(missing.sum()), place(first), numbering.hint(wrong[0])
            )
        return out

    def annotations(self, *, nothing: frozenset[str] = frozenset()) -> Annotations:
        """Make the matrix; values of a pair that comes more than once are summed.

        Without values every pair has 1. Of the times of a pair the first is kept.
        """
        self.unknown.end()
        self.images.check(nothing)
        self.labels.check(nothing)
        shape = (len(self.images.numbers), len(self.labels.numbers))
        empty = np.zeros(0, np.int32)
        rows = np.concatenate([empty, *(part[0] for part in self.parts)])
        columns = np.concatenate([empty, *(part[1] for part in self.parts)])
        values = np.concatenate(self.values) if self.values else None
        times = np.concatenate(self.times) if self.times else None
        self.parts.clear()
        if times is None:
            data = np.ones(len(rows), np.float32) if values is None else values
            matrix = coo_matrix((data, (rows, columns)), shape=shape).tocsr()
        else:
            matrix, times = _with_times(rows, columns, values, times, shape)
        if values is None:
            matrix.data = np.ones(matrix.nnz, np.float32)
        with np.errstate(over="ignore"):
            matrix = matrix.astype(np.float32)
        if not np.isfinite(matrix.data).all():
            raise ValueError("the values of a pair sum to more than float32 holds: scale them down")
        return Annotations(matrix, self.images.ids(), self.labels.ids(), times)


def _with_times(
    rows: NDArray[Any],
    columns: NDArray[Any],
    values: NDArray[np.float64] | None,
    times: NDArray[Any],
    shape: tuple[int, int],
) -> tuple[csr_matrix, NDArray[Any]]:
    order = np.lexsort((times, rows.astype(np.int64) * shape[1] + columns))
    rows, columns, times = rows[order], columns[order], times[order]
    fresh = np.ones(len(rows), bool)
    fresh[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
    starts = np.flatnonzero(fresh)
    data = np.ones(len(starts), np.float32)
    if values is not None and len(starts):
        data = np.add.reduceat(values[order], starts)
        if len(starts) < len(rows):
            warn(
                f"{len(rows) - len(starts)} lines repeat a pair: its values are summed, whenever "
                "they were, and its time is the first"
            )
    indptr = np.searchsorted(rows[starts], np.arange(shape[0] + 1))
    return csr_matrix((data, columns[starts], indptr), shape=shape), times[starts]


def first_places(codes: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return where each different code comes first, and these codes, in the order they come."""
    if not len(codes):
        return np.zeros(0, np.intp), codes
    n = int(codes.max()) + 1
    first = np.full(n, len(codes), np.intp)
    # the last write stays
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    places = np.sort(first[first < len(codes)])
    return places, codes[places]


def as_integer(name: Hashable) -> int | None:
    """Return the integer of 64 bits that a text is the usual writing of."""
    if isinstance(name, str) and len(name) <= 20 and name.isascii():
        with suppress(ValueError):
            integer = int(name)
            if str(integer) == name and -(2**63) <= integer < 2**63:
                return integer
    return None


def array_of(names: Sequence[Any]) -> NDArray[Any]:
    """Return names as an array: of integers or floats if all are, else of objects."""
    names = [
        name.item() if isinstance(name, np.generic) and name.dtype.kind not in "mM" else name
        for name in names
    ]
    kinds = {type(name) for name in names}
    if len(kinds) == 1 and kinds <= {int, float}:
        with suppress(OverflowError):
            return np.array(names, dtype=np.int64 if int in kinds else np.float64)
    out = np.empty(len(names), dtype=object)
    for place, name in enumerate(names):
        out[place] = name
    return out


def _array_of_known(known: NameList, argument: str) -> NDArray[Any]:
    if isinstance(known, (str, bytes, Mapping)) or not isinstance(known, Iterable):
        raise ValueError(
            f"{argument} must be a list or an array of names, one for each number, got {known!r}"
        )
    if isinstance(known, (set, frozenset)):
        raise ValueError(f"{argument} must have an order, which a set has not: pass a list")
    array = known if isinstance(known, np.ndarray) else array_of(list(known))
    if array.ndim != 1:
        raise ValueError(f"{argument} must have one dimension, got shape {array.shape}")
    names = array.tolist()
    if len(set(names)) < len(names):
        seen: set[Hashable] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{argument} has {twice!r} more than once")
    return array


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")


def ones_csr(indices: NDArray[Any], indptr: NDArray[Any], shape: tuple[int, int]) -> csr_matrix:
    """Return a float32 matrix of ones over canonical index arrays, without copying them."""
    data = np.ones(len(indices), np.float32)
    matrix = csr_matrix((data, indices, indptr), shape=shape, copy=False)
    matrix.has_canonical_format = True
    return matrix
