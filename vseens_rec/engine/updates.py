"""Growing factors, when images and labels come or change."""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix

from .._typing import Floats

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
