"""Weights and times from what stands in tables, in full precision."""

import datetime
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .problems import warn

__all__ = ["Times", "warn_of_times", "weights_of"]

SMALLEST_WEIGHT = float(np.finfo(np.float32).smallest_subnormal)
LARGEST_WEIGHT = float(np.finfo(np.float32).max)
# up to here float32 has every whole number
MOST_EXACT = 2**24
# nanoseconds of a time that 64 bits hold
LATEST = 2.0**63
INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
ZONE = re.compile(r".*[T ].*(Z|[+-]\d\d:?\d\d)$")


def as_float(value: Any) -> float:
    """Return a number as float, NaN where it is none; text as it is written in files."""
    if isinstance(value, str):
        value = value.strip()
        return float(value) if NUMBER.fullmatch(value) else float("nan")
    if isinstance(value, (bool, np.bool_)):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def weights_of(values: Sequence[Any]) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Return weights, and what is wrong with some by place."""
    weights = np.fromiter(map(as_float, values), np.float64, len(values))
    # as float32 has them
    wrong = ~((weights >= SMALLEST_WEIGHT) & (weights <= LARGEST_WEIGHT))
    problems = {
        int(place): f"the weight {values[int(place)]!r} is not a finite number above 0"
        for place in np.flatnonzero(wrong)
    }
    return weights, problems


def warn_of_times(weights: NDArray[np.float64], name: str) -> bool:
    """Warn of whole numbers that float32 changes: they are times more often than weights."""
    large = weights[(weights > MOST_EXACT) & (weights < LATEST)]
    changed = large[(large == np.floor(large)) & (large != large.astype(np.float32))]
    if len(changed):
        warn(
            f"{name}: the weight {changed[0]:.0f} becomes {np.float32(changed[0]):.0f} in the "
            "matrix; if the column has times, pass it as time= instead of value="
        )
    return bool(len(changed))


class Times:
    """Reads times: all of a table are integers, numbers or dates, whichever the first is."""

    def __init__(self) -> None:
        self.is_date: bool | None = None

    def read(self, values: Sequence[Any]) -> tuple[NDArray[Any], dict[int, str]]:
        """Return times as int64, float64 or datetime64, and what is wrong with some by place."""
        if self.is_date is not True and _are_digits(values):
            self.is_date = False
            return np.fromiter(map(int, values), np.int64, len(values)), {}
        parsed = [_time_of(value) for value in values]
        if self.is_date is None:
            self.is_date = next(
                (isinstance(time, np.datetime64) for time in parsed if time is not None), None
            )
        problems = {}
        for place, time in enumerate(parsed):
            if time is None:
                problems[place] = (
                    f"the time {values[place]!r} is neither a number nor a date such as "
                    "2024-02-29 or 2024-02-29T12:30:00"
                )
            elif isinstance(time, np.datetime64) != self.is_date:
                kinds = ("number", "date") if self.is_date else ("date", "number")
                problems[place] = (
                    f"the time {values[place]!r} is a {kinds[0]}, those before it are {kinds[1]}s"
                )
            elif isinstance(time, int) and abs(time) > 2**53 and _has_floats(parsed):
                problems[place] = f"the time {time} is not exact beside others with fractions"
        kept = [time for place, time in enumerate(parsed) if place not in problems]
        if self.is_date or not kept:
            stand_in: Any = np.datetime64(0, "s") if self.is_date else 0
        else:
            stand_in = 0.0 if _has_floats(kept) else 0
        filled = [stand_in if place in problems else time for place, time in enumerate(parsed)]
        return np.array(filled, dtype=None if filled else np.int64), problems


def _are_digits(values: Sequence[Any]) -> bool:
    """Tell whether all values are written as integers that 64 bits hold, as most times are."""
    if not values or not all(isinstance(value, str) for value in values):
        return False
    text = "".join(values)
    return (
        text.isascii()
        and text.isdecimal()
        and min(map(len, values)) >= 1
        and (max(map(len, values)) <= 18)
    )


def _has_floats(times: Sequence[Any]) -> bool:
    return any(isinstance(time, float) for time in times)


def _time_of(value: Any) -> Any:
    """Return an int, a float or a datetime64 without zone (UTC where one is given), or None."""
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, (int, np.integer)):
        return int(value) if -(2**63) <= value < 2**63 else None
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, str):
        return _time_of_text(value.strip())
    if hasattr(value, "to_datetime64"):
        value = value.to_datetime64()
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        value = np.datetime64(value)
    elif isinstance(value, datetime.date):
        value = np.datetime64(value)
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else value
    return None


def _time_of_text(text: str) -> Any:
    if INTEGER.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text):
        number = float(text)
        return number if np.isfinite(number) else None
    try:
        if ZONE.fullmatch(text):
            moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
            return np.datetime64(moment.astimezone(datetime.timezone.utc).replace(tzinfo=None))
        # as a date, since NumPy would also take a word such as "today"
        return np.datetime64(text) if text[:1].isdigit() else None
    except ValueError:
        return None
