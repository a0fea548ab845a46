"""Names of images and labels as JSON has them."""

from datetime import date
from typing import Any

import numpy as np

from .parameters import plain


def names_to_json(names: list[Any] | None) -> list[Any] | None:
    """Return names as JSON has them; tuples become lists."""
    if names is None:
        return None
    return [_name_to_json(name) for name in names]


def _name_to_json(name: Any) -> Any:
    value = plain(name)
    if isinstance(value, tuple):
        return [_name_to_json(part) for part in value]
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (date, np.datetime64)):
        return {"time": str(value)}
    raise TypeError(
        f"the name {name!r} is a {type(name).__name__}, which a file cannot hold: use text, "
        "numbers or tuples of these, or pickle the model"
    )


def names_from_json(names: Any) -> list[Any] | None:
    """Return names as they were before `names_to_json`."""
    if names is None:
        return None
    if not isinstance(names, list):
        raise ValueError("the names of the file are not a list")
    return [_name_from_json(name) for name in names]


def _name_from_json(name: Any) -> Any:
    if isinstance(name, list):
        return tuple(_name_from_json(part) for part in name)
    if isinstance(name, dict):
        return np.datetime64(name["time"])
    if not isinstance(name, (str, int, float)):
        raise ValueError(f"{name!r} of the file is no name")
    return name
