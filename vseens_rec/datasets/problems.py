"""What cannot be read, and names that are not known: an error, or one warning that counts them."""

import sys
import warnings
from collections.abc import Hashable, Sequence
from typing import Any

__all__ = ["MALFORMED", "UNKNOWN", "Malformed", "Unknown", "warn"]

MALFORMED = ("raise", "warn")
UNKNOWN = ("raise", "warn", "skip", "add")
# numbers of lines that a message lists
MOST_LISTED = 5


def warn(message: str) -> None:
    """Warn at the line outside of this package that called a reader."""
    depth, frame = 2, sys._getframe(1)
    package = __name__.partition(".")[0]
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, stacklevel=depth)


def check_choice(value: object, choices: Sequence[str], argument: str) -> None:
    """Check an argument that is one of a few words."""
    if value not in choices:
        listed = ", ".join(map(repr, choices[:-1])) + f" or {choices[-1]!r}"
        raise ValueError(f"{argument} must be {listed}, got {value!r}")


class Malformed:
    """Lines that cannot be read: the first raises, or all of a file end in one warning."""

    def __init__(self, mode: str):
        check_choice(mode, MALFORMED, "malformed")
        self.mode = mode
        self.begin("", "line")

    def begin(self, name: str, word: str) -> None:
        """Begin with another file, whose places are lines or rows."""
        self.name, self.word, self.first = name, word, ""
        self.numbers: list[int] = []
        self.count = 0

    def report(self, number: int, problem: str) -> None:
        """Report what is wrong in a line."""
        if self.mode == "raise":
            raise ValueError(
                f"{self.name}, {self.word} {number}: {problem}. Mend the "
                f"{'file' if self.word == 'line' else 'table'}, or leave such {self.word}s out "
                "with malformed='warn'"
            )
        self.count += 1
        self.first = self.first or problem
        if len(self.numbers) < MOST_LISTED:
            self.numbers.append(number)

    def report_all(self, problems: Sequence[tuple[int, str]]) -> None:
        """Report what was found in some lines, the first line first."""
        for number, problem in sorted(problems):
            self.report(number, problem)

    def end(self) -> None:
        """Warn of what was left out of the file."""
        if self.count:
            listed = ", ".join(map(str, self.numbers)) + (
                ", ..." if self.count > len(self.numbers) else ""
            )
            warn(
                f"{self.name}: left out {self.count} malformed {self.word}s ({listed}); the "
                f"first: {self.first}"
            )


class Unknown:
    """Names that are not among those a caller gave."""

    def __init__(self, mode: str):
        check_choice(mode, UNKNOWN, "unknown")
        self.mode = mode
        self.count = 0
        self.names: dict[str, set[Hashable]] = {"image": set(), "label": set()}
        self.first = ""

    @property
    def adds(self) -> bool:
        """Whether unknown names get numbers."""
        return self.mode == "add"

    def report(self, what: str, names: Sequence[Any], count: int, place: str, hint: str) -> None:
        """Report `count` pairs whose images (or labels) have these names, the first at `place`."""
        first = f"{place}: the {what} {names[0]!r}"
        if self.mode == "raise":
            argument = "image_ids" if what == "image" else "labels"
            raise ValueError(
                f"{first} is not among the {argument} that were given{hint}. unknown='warn' or "
                "'skip' leaves such pairs out, unknown='add' gives them numbers after the others"
            )
        self.first = self.first or first
        self.count += count
        self.names[what].update(names)

    def end(self) -> None:
        """Warn of what was left out, if that was asked for."""
        if self.count and self.mode == "warn":
            images, labels = (len(self.names[what]) for what in ("image", "label"))
            warn(
                f"left out {self.count} pairs or rows of {images} images and {labels} labels "
                f"that are not known; the first: {self.first}"
            )
