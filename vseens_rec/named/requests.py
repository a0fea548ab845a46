"""What people ask by name, in the numbers of a model."""

from collections.abc import Hashable, Iterable
from typing import Any, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from .. import _validation, frames
from .names import Names, Policy, list_of

NameList: TypeAlias = Iterable[Hashable]
# one, or several
Request: TypeAlias = Hashable | Iterable[Hashable]
# of one image, or of several
Sessions: TypeAlias = Iterable[Hashable] | Iterable[Iterable[Hashable]]


def policy_of(given: Any, otherwise: Policy) -> Policy:
    """Return a policy that is known, the other one where none is given."""
    policy: Policy = otherwise if given is None else given
    if policy not in get_args(Policy):
        raise ValueError(f"unknown must be one of {', '.join(get_args(Policy))}, got {given!r}")
    return policy


def for_all(listed: list[Any], argument: str, names: Names) -> list[Any]:
    """Check that a list of names does not hold one for each row of the answer."""
    lists = [name for name in listed if names.are_several(name)]
    if lists:
        raise TypeError(
            f"{argument} is one list of names for all rows of the answer, got a list of lists with "
            f"{lists[0]!r}: ask for each with its own, or leave them out of the result"
        )
    return listed


def numbers_of_lists(
    names: Names,
    policy: Policy,
    filters: tuple[str, str, Any],
    choices: tuple[str, str, Any],
) -> dict[str, Any]:
    """Return the numbers of names to leave out, or to choose among, as the model takes them."""
    arguments = {}
    argument, parameter, given = filters
    excluded = names.numbers_of(for_all(list_of(given, argument), argument, names), policy)
    if len(excluded):
        arguments[parameter] = excluded
    argument, parameter, given = choices
    if given is not None:
        chosen = for_all(list_of(given, argument), argument, names)
        if not chosen:
            raise ValueError(f"{argument} is empty: leave it out to rank all")
        if len(excluded):
            raise ValueError(f"give either {argument} or {filters[0]}, not both")
        arguments[parameter] = names.numbers_of(chosen, policy)
        repeated = [
            name
            for name, number in zip(chosen, arguments[parameter], strict=False)
            if (arguments[parameter] == number).sum() > 1
        ]
        if repeated:
            raise ValueError(f"{argument} has {repeated[0]!r} more than once")
    return arguments


def sessions_of(given: Any, argument: str, names: Names) -> tuple[list[list[Hashable]], bool]:
    """Return lists of names, and whether there was one alone."""
    if frames.is_frame(given):
        raise TypeError(
            f"{argument} is a table: pass the list of names in one of its columns, such as "
            f"{argument}[{next(iter(given.columns))!r}]"
        )
    listed = list_of(given, argument)
    nested = [names.are_several(name) for name in listed]
    if not any(nested):
        return [listed], True
    if not all(nested):
        raise TypeError(
            f"{argument} mixes names and lists of names: {listed[nested.index(False)]!r} "
            "stands beside a list. Pass one list, or a list of lists"
        )
    return [list_of(session, argument) for session in listed], False


def extended(given: Request, names: Names) -> tuple[list[Any], NDArray[np.int64], Names]:
    """Return names, their numbers, new ones at the end, and all names with these."""
    several: Any = given
    ids = list(several) if names.are_several(given) else [given]
    numbers = names.numbers_of(ids, "skip", keep=True)
    new = [name for name, number in zip(ids, numbers, strict=True) if number < 0]
    numbers[numbers < 0] = len(names) + np.arange(len(new))
    return ids, numbers, names.with_new(new)


def rows_given(given: Any, ids: list[Hashable], argument: str, names: Names, policy: Policy) -> Any:
    """Return the rows for ids, from a matrix or from names."""
    if issparse(given) or frames.is_frame(given) or is_numeric_matrix(given):
        check_columns(given, argument, names)
        return given
    sessions, single = sessions_of(given, argument, names)
    if single and len(ids) > 1:
        raise ValueError(
            f"{argument} is one list of names for {len(ids)} ids: pass a list of lists"
        )
    if len(sessions) != len(ids):
        raise ValueError(f"{argument} has {len(sessions)} lists of names for {len(ids)} ids")
    return names.rows(sessions, policy)[0]


def check_columns(X: Any, argument: str, names: Names) -> None:
    """Check that a frame has these names for columns, in their order."""
    columns = frames.column_names(X)
    if columns is not None and not names.are(columns):
        known = "named.labels" if names.what == "label" else "named.image_ids"
        raise ValueError(
            f"the columns of {argument} are not {names.argument}, in their order: pass "
            f"{argument}[{known}], or {argument}.reindex(columns={known}, fill_value=0)"
        )


def is_numeric_matrix(given: Any) -> bool:
    """Tell a matrix of numbers from a list of names."""
    return isinstance(given, np.ndarray) and given.ndim == 2 and given.dtype.kind in "biuf"


def some_rows(user_items: Any, kept: NDArray[np.bool_]) -> Any:
    """Return some rows of a matrix or a frame."""
    if hasattr(user_items, "iloc"):
        return user_items.iloc[np.flatnonzero(kept)]
    rows = _validation.as_rows(user_items)
    return (rows.tocsr() if issparse(rows) else np.asarray(rows))[np.flatnonzero(kept)]
