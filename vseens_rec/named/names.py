"""Names of rows and columns, and the number of each."""

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .. import frames
from ..files.names import names_from_json, names_to_json

Policy: TypeAlias = Literal["error", "skip", "popular"]


class Names:
    """Names in the order of rows or columns, and the number of each.

    Parameters
    ----------
    names : iterable of hashable
        Each once.
    argument : str
        What they are called where they are given.
    what : str
        What one of them is.
    as_text : bool
        Compare them by what they look like.
    """

    def __init__(self, names: Any, argument: str, what: str, as_text: bool):
        self.argument, self.what, self.as_text = argument, what, as_text
        self.array = _as_array(names, argument)
        plain = self.array.tolist() if self.array.dtype.kind != "M" else list(self.array)
        self.has_tuples = any(isinstance(name, tuple) for name in plain)
        self.numbers: dict[Hashable, int] = {}
        if not as_text and set(map(type, plain)) <= {str, int}:
            # their own keys: there may be very many
            self.numbers = dict(zip(plain, range(len(plain)), strict=True))
            if len(self.numbers) == len(plain):
                return
            self.numbers = {}
        self._number(plain)

    def _number(self, names: list[Any]) -> None:
        for name in names:
            key = self._key(name)
            if name is None or key != key:
                raise ValueError(
                    f"{self.argument} has {name!r}, which is no name: leave such pairs out"
                )
            if key in self.numbers:
                raise ValueError(f"{self.argument} has {name!r} more than once")
            self.numbers[key] = len(self.numbers)

    def __len__(self) -> int:
        return len(self.array)

    def _key(self, name: Any) -> Hashable:
        """Return what a name is found by: equal for what stands for the same."""
        if type(name) in (str, int) and not self.as_text:
            key: Hashable = name
            return key
        if isinstance(name, (date, np.datetime64)):
            return _time_key(name)
        if isinstance(name, np.generic):
            name = name.item()
        if self.as_text:
            if isinstance(name, float) and name.is_integer():
                name = int(name)
            return str(name)
        # in Python True is 1
        return ("bool", name) if isinstance(name, bool) else name

    def find(self, name: Any) -> int:
        """Return the number of a name, or -1."""
        try:
            return self.numbers.get(self._key(name), -1)
        except TypeError:
            return -1

    def are(self, names: list[Any]) -> bool:
        """Tell whether these are the names, in their order."""
        return [self.find(name) for name in names] == list(range(len(self)))

    def are_several(self, given: Any) -> bool:
        """Tell a list of names from one name, which may be a tuple."""
        if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
            return False
        if isinstance(given, np.ndarray) and not given.ndim:
            return False
        if isinstance(given, tuple):
            return not self.has_tuples
        return self.find_hashable(given) < 0

    def find_hashable(self, given: Any) -> int:
        """Return the number of what may be a name; -1 also for what cannot be one."""
        return self.find(given) if isinstance(given, Hashable) else -1

    def asked(self, given: Any, policy: Policy) -> tuple[list[Any], NDArray[np.int64], bool]:
        """Return the names of a request, their numbers or -1, and whether it was one alone."""
        if isinstance(given, (set, frozenset)) and self.find_hashable(given) < 0:
            raise TypeError(
                f"a set of {self.argument} has no order that answers could have: pass sorted(...) "
                "of it"
            )
        if frames.is_frame(given):
            raise TypeError(
                f"the {self.what} is a table: pass the names in one of its columns, such "
                f"as frame[{next(iter(given.columns))!r}]"
            )
        single = not self.are_several(given)
        names = [given] if single else list(given)
        return names, self.numbers_of(names, policy, keep=True), single

    def numbers_of(
        self, names: Sequence[Any], policy: Policy, *, keep: bool = False
    ) -> NDArray[np.int64]:
        """Return the numbers of names; unknown ones raise, are left out, or are -1 (`keep`)."""
        numbers = np.array([self.find(name) for name in names], dtype=np.int64)
        if policy == "error" and (numbers < 0).any():
            raise self._not_known(
                [names[i] for i in np.flatnonzero(numbers < 0).tolist()], len(names)
            )
        return numbers if keep else numbers[numbers >= 0]

    def rows(
        self, sessions: list[list[Hashable]], policy: Policy
    ) -> tuple[csr_matrix, NDArray[np.bool_]]:
        """Return a row for every list of names, and whether anything is known of it."""
        numbers = [np.unique(self.numbers_of(session, policy)) for session in sessions]
        lengths = [len(row) for row in numbers]
        columns = np.concatenate([*numbers, np.empty(0, np.int64)]).astype(np.int32)
        rows = csr_matrix(
            (np.ones(len(columns), np.float32), columns, np.cumsum([0, *lengths])),
            shape=(len(sessions), len(self)),
        )
        # who has no label at all is no one unknown
        answerable = [
            len(row) > 0 or not session for row, session in zip(numbers, sessions, strict=True)
        ]
        return rows, np.array(answerable, dtype=bool)

    def with_new(self, new: list[Any]) -> "Names":
        """Return these names with others after them."""
        if not new:
            return self
        array = self.array
        added = _as_array(new, self.argument)
        if array.dtype.kind in "iufUM" and np.result_type(type(new[0])).kind == array.dtype.kind:
            added = np.array(new)
        if added.dtype.kind != array.dtype.kind:
            array, added = array.astype(object), added.astype(object)
        grown = copy(self)
        grown.array = np.concatenate([array, added])
        # not made anew: there may be very many
        grown.numbers = dict(self.numbers)
        grown._number(new)
        return grown

    def after(self, first: "Names") -> tuple[NDArray[np.int64], "Names"]:
        """Return the place of each of these names in those of `first` and the new ones, and all."""
        places = first.numbers_of(self.array.tolist(), "skip", keep=True)
        if self.array.dtype.kind == "M":
            places = first.numbers_of(list(self.array), "skip", keep=True)
        known = places[places >= 0]
        if len(known) < len(first):
            missing = np.setdiff1d(np.arange(len(first)), known)
            raise ValueError(
                f"the model is to train on (warm_start) and has {len(missing)} {self.argument} "
                f"that the annotations lack, such as {first.array[missing[0]]!r}: pass all of "
                "them, or use warm_start=False"
            )
        new = places < 0
        places[new] = len(first) + np.arange(int(new.sum()))
        return places, first.with_new([self.array[i] for i in np.flatnonzero(new)])

    def _not_known(self, names: list[Any], n_asked: int) -> KeyError:
        message = f"there is no {self.what} {names[0]!r}"
        if len(names) > 1:
            message += f", nor {len(names) - 1} others of {n_asked}"
        other = self._same_as_text(names[0])
        if other is not None:
            message += (
                f", but there is {other!r}: text and numbers are not the same. Pass "
                f"{other!r}, or use NamedModel(..., compare_as_text=True)"
            )
        elif len(self) and isinstance(names[0], str) != isinstance(self.array.tolist()[0], str):
            message += (
                f", a {type(names[0]).__name__}: {self.argument} are of type "
                f"{type(self.array.tolist()[0]).__name__}, such as {self.array.tolist()[0]!r}"
            )
        else:
            message += ": unknown='skip' goes on without"
        return KeyError(message)

    def _same_as_text(self, name: Any) -> Any:
        if not isinstance(name, (str, bytes, int, float, np.generic)) or self.as_text:
            return None
        text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        candidates: list[Any] = [text]
        with suppress(ValueError, OverflowError):
            candidates += [float(text), int(float(text))]
        number = max(self.find(candidate) for candidate in candidates)
        return None if number < 0 else self.array[number : number + 1].tolist()[0]

    def to_json(self) -> tuple[str, str]:
        """Return the names as JSON, and the type of the array."""
        kind = self.array.dtype
        plain = self.array.view(np.int64) if kind.kind == "M" else self.array
        return json.dumps(names_to_json(plain.tolist())), kind.str


def from_json(content: np.ndarray, kind: str) -> NDArray[Any]:
    """Return names as they were before `Names.to_json`."""
    names = names_from_json(json.loads(content.tobytes().decode()))
    dtype = np.dtype(kind)
    if dtype.kind not in "iufUMO" or names is None:
        raise ValueError(f"the names of the file have the type {kind}")
    if dtype.kind == "M":
        return np.array(names, dtype=np.int64).view(dtype)
    if dtype.kind == "U" and all(isinstance(name, str) for name in names):
        # as wide as they are, whatever the file says
        return np.array(names, dtype=np.str_)
    return np.array(names, dtype=dtype) if dtype.kind in "iuf" else _as_array(names, "names")


def _as_array(names: Any, argument: str) -> NDArray[Any]:
    """Return names as an array of one dimension."""
    if isinstance(names, (str, bytes)):
        raise TypeError(f"{argument} must be a list of names, got the string {names!r}")
    if not isinstance(names, Iterable):
        raise TypeError(f"{argument} must be a list of names, got {names!r}")
    if frames.is_frame(names):
        raise TypeError(f"{argument} is a table: pass one of its columns")
    if isinstance(names, np.ndarray):
        if names.ndim != 1:
            raise ValueError(f"{argument} has {names.ndim} dimensions, expected a list of names")
        return names
    if hasattr(names, "to_numpy") and getattr(getattr(names, "dtype", None), "kind", "") == "M":
        times: NDArray[Any] = names.to_numpy()
        if times.dtype.kind == "M":
            return times
    listed = list(names)
    array = np.empty(len(listed), dtype=object)
    # one by one, as NumPy would take tuples apart
    for place, name in enumerate(listed):
        array[place] = name
    return array


def _time_key(name: Any) -> Hashable:
    """Return the same for the same moment in any unit, of NumPy, pandas or Python."""
    if isinstance(name, datetime) and name.tzinfo is not None:
        return name
    moment = name.to_datetime64() if hasattr(name, "to_datetime64") else np.datetime64(name)
    if np.isnat(moment):
        return float("nan")
    if np.datetime_data(moment.dtype)[0] in ("ns", "ps", "fs", "as"):
        return ("time", *divmod(int(moment.astype("M8[ns]").astype(np.int64)), 1000))
    return ("time", int(moment.astype("M8[us]").astype(np.int64)), 0)


def list_of(names: Any, argument: str) -> list[Any]:
    """Return the names of a list, which is never one string nor a dict."""
    if isinstance(names, (str, bytes)):
        raise TypeError(
            f"{argument} must be a list of names, got the string {names!r}: pass [{names!r}]"
        )
    if isinstance(names, Mapping) or not isinstance(names, Iterable):
        raise TypeError(f"{argument} must be a list of names, got {names!r}: pass [...]")
    return list(names)
