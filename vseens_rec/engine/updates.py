"""Growing factors and patterns of stored pairs, when images and labels come or change."""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix

from .._typing import Floats

# rows that are kept beside the others before all become one array again
MOST_CHANGED = 1024

Note = TypeVar("Note")


class ArrayNotes(Generic[Note]):
    """What is known of arrays, for as long as they live; pickles and copies of them lack it."""

    def __init__(self) -> None:
        self._notes: dict[int, tuple[weakref.ref[NDArray[Any]], Note]] = {}

    def get(self, array: NDArray[Any]) -> Note | None:
        """Return the note of this array, the same object, if there is one."""
        found = self._notes.get(id(array))
        return found[1] if found is not None and found[0]() is array else None

    def put(self, array: NDArray[Any], note: Note) -> None:
        """Note something of an array."""
        key, notes = id(array), self._notes

        def forget(reference: weakref.ref[NDArray[Any]]) -> None:
            # another array may have its place by now
            if key in notes and notes[key][0] is reference:
                del notes[key]

        self._notes[key] = (weakref.ref(array, forget), note)


class _Rows(NamedTuple):
    indptr: NDArray[np.integer[Any]]
    indices: NDArray[np.int32]
    changed: dict[int, NDArray[np.int32]]
    n_rows: int
    # no label is as large; a smaller number may be true after rows were replaced
    n_labels: int


class StoredPairs:
    """The labels that every image has: a pattern by rows, and the rows that changed since.

    It does not change: an update returns another one, which shares the pattern, at the cost of
    what is updated. After many updates all rows are copied to a pattern of their own.

    Parameters
    ----------
    indptr, indices : ndarray
        Of a canonical CSR matrix; kept as they are.
    """

    def __init__(self, indptr: NDArray[np.integer[Any]], indices: NDArray[np.int32]):
        n_labels = int(indices.max(initial=-1)) + 1
        self._rows = _Rows(indptr, indices, {}, len(indptr) - 1, n_labels)

    @classmethod
    def of(cls, matrix: csr_matrix) -> StoredPairs:
        """Copy the pairs of a canonical matrix."""
        return cls(matrix.indptr.copy(), matrix.indices.astype(np.int32))

    def __len__(self) -> int:
        return self._rows.n_rows

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredPairs, self.arrays()

    def fits(self, n_labels: int) -> bool:
        """Tell whether all labels are below a number."""
        if self._rows.n_labels <= n_labels:
            return True
        return bool(self.arrays()[1].max(initial=-1) < n_labels)

    def row(self, number: int) -> NDArray[np.int32]:
        """Return the labels of an image."""
        indptr, indices, changed, _, _ = self._rows
        found = changed.get(number)
        if found is not None:
            return found
        if number + 1 >= len(indptr):
            return indices[:0]
        return indices[indptr[number] : indptr[number + 1]]

    def rows(self, numbers: NDArray[np.integer[Any]]) -> tuple[np.ndarray, NDArray[np.int32]]:
        """Return the labels of several images, as indptr and indices."""
        if len(numbers) > MOST_CHANGED:
            self.arrays()
        indptr, indices, changed, n_rows, _ = self._rows
        if changed or n_rows >= len(indptr):
            parts = [self.row(number) for number in numbers.tolist()]
            lengths = [len(part) for part in parts]
            found = np.concatenate([*parts, indices[:0]])
            return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), found
        starts = indptr[numbers].astype(np.int64)
        lengths = indptr[numbers + 1] - starts
        own = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(own[-1]) + np.repeat(starts - own[:-1], lengths)
        return own, indices[places]

    def arrays(self) -> tuple[NDArray[np.integer[Any]], NDArray[np.int32]]:
        """Return indptr and indices of all rows."""
        indptr, indices, changed, n_rows, n_labels = self._rows
        if not changed and n_rows == len(indptr) - 1:
            return indptr, indices
        lengths = np.zeros(n_rows, dtype=np.int64)
        lengths[: len(indptr) - 1] = np.diff(indptr)
        order = sorted(changed)
        lengths[order] = [len(changed[number]) for number in order]
        merged = np.concatenate([[0], np.cumsum(lengths)])
        labels = np.empty(merged[-1], dtype=np.int32)
        done, n_old = 0, len(indptr) - 1
        # what lies between two changed rows is copied at once
        for number in [*order, n_rows]:
            begin, end = min(done, n_old), min(number, n_old)
            kept = indices[indptr[begin] : indptr[end]]
            labels[merged[done] : merged[done] + len(kept)] = kept
            if number < n_rows:
                labels[merged[number] : merged[number + 1]] = changed[number]
            done = number + 1
        if merged[-1] <= np.iinfo(indptr.dtype).max:
            merged = merged.astype(indptr.dtype, copy=False)
        self._rows = _Rows(merged, labels, {}, n_rows, n_labels)
        return self._rows.indptr, self._rows.indices

    def with_rows(self, numbers: NDArray[np.integer[Any]], rows: csr_matrix) -> StoredPairs:
        """Replace rows; there are as many as the largest number needs.

        Parameters
        ----------
        numbers : ndarray of int of shape (k,)
            Rows to replace, each once.
        rows : csr_matrix of shape (k, m)
            What replaces them; canonical.
        """
        new = {}
        for place, number in enumerate(numbers.tolist()):
            start, stop = rows.indptr[place : place + 2]
            new[number] = rows.indices[start:stop].astype(np.int32)
        return self._updated(new)

    def with_columns(
        self, labels: NDArray[np.integer[Any]], columns: csr_matrix, n_labels: int
    ) -> StoredPairs:
        """Replace the images of labels, each once; those from `n_labels` on have none yet."""
        gained: dict[int, list[int]] = {}
        for place, label in enumerate(labels.tolist()):
            start, stop = columns.indptr[place : place + 2]
            for image in columns.indices[start:stop].tolist():
                gained.setdefault(image, []).append(label)
        affected = set(gained)
        replaced = labels[labels < n_labels]
        if len(replaced):
            indptr, indices = self.arrays()
            where = np.flatnonzero(np.isin(indices, replaced))
            affected.update((np.searchsorted(indptr, where, side="right") - 1).tolist())
        new = {}
        for image in affected:
            row = self.row(image)
            if len(replaced):
                row = row[~np.isin(row, replaced)]
            if image in gained:
                row = np.sort(np.concatenate([row, np.array(gained[image], dtype=np.int32)]))
            new[image] = row
        return self._updated(new)

    def _updated(self, new: dict[int, NDArray[np.int32]]) -> StoredPairs:
        indptr, indices, changed, n_rows, n_labels = self._rows
        n_rows = max([n_rows, *(number + 1 for number in new)])
        n_labels = max([n_labels, *(int(row[-1]) + 1 for row in new.values() if len(row))])
        result = StoredPairs.__new__(StoredPairs)
        result._rows = _Rows(indptr, indices, changed | new, n_rows, n_labels)
        if len(result._rows.changed) > MOST_CHANGED:
            result.arrays()
        return result


def transposed(pattern: csr_matrix) -> csr_matrix:
    """Turn rows into columns, in canonical form."""
    turned = pattern.T.tocsr()
    turned.sort_indices()
    return turned


# how many rows of an array with room for more are in use, by all who share it
_rows_in_use: ArrayNotes[int] = ArrayNotes()
_growing = threading.Lock()


def grown(factors: Floats, n_rows: int, new_row: ArrayLike) -> Floats:
    """Add copies of one row to factors, up to a number of rows.

    The rows there are stay where they are if there is room behind them that nobody uses, and are
    else copied to where there is; in a row of calls each costs what it adds.
    """
    n_old, columns = factors.shape
    if n_rows <= n_old:
        return factors
    with _growing:
        room = factors.base
        if (
            not isinstance(room, np.ndarray)
            or _rows_in_use.get(room) != n_old
            or len(room) < n_rows
            or room[:n_old].__array_interface__ != factors.__array_interface__
        ):
            room = np.empty((n_rows + max(1024, n_rows // 8), columns), dtype=factors.dtype)
            room[:n_old] = factors
        _rows_in_use.put(room, n_rows)
    room[n_old:n_rows] = new_row
    return room[:n_rows]


def replaced(
    factors: Floats, numbers: NDArray[np.integer[Any]], rows: Floats, *, in_place: bool = False
) -> Floats:
    """Put rows in the place of others or behind them; rows that nobody gave are zero.

    The array that is passed changes only `in_place`.
    """
    n_old = len(factors)
    result = grown(factors, int(numbers.max(initial=-1)) + 1, 0)
    if not in_place and numbers.min(initial=n_old) < n_old:
        result = result.copy()
    result[numbers] = rows
    return result


def is_unshared(owner: dict[str, Any], name: str) -> bool:
    """Tell whether nothing but this dictionary holds an array and what it is a view of.

    Neither another model, a copy of this one, nor a user then sees what is written to it.
    """
    array = owner[name]
    if type(array) is not np.ndarray or not array.flags.writeable:
        return False
    del array
    if sys.getrefcount(owner[name]) > _ALONE:
        return False
    base = owner[name].base
    if base is None:
        return True
    unshared = type(base) is np.ndarray and base.base is None
    del base
    return unshared and sys.getrefcount(owner[name].base) <= _ALONE


_example = {"array": np.empty(1)}
_ALONE = sys.getrefcount(_example["array"])
