"""Tables that chance has written and broken, read by read_pairs and by pandas.

Each is either read exactly as pandas reads it with the same arguments, or refused with the line
and the reason; and pyarrow or not makes no difference, not even in the message.

    python tools/fuzz_readers.py --files 20000
"""

import argparse
import collections
import csv
import io
import random
import re
import sys
import time
import warnings
from unittest import mock

import pandas as pd

from vseens_rec.datasets import read_pairs, tokens

WORDS = [
    "sky", "sea", "a.jpg", "New York", "7", "007", "12", "-3", "1.5", "1e5", "café", "cafe\u0301",
    "日本", "\U0001f431", "it's", 'say "hi"', '"', "x" * 60, "red, white", "a;b", "a|b", "a\tb",
    "#sky", "100%", "NULL", "nan", " sky", "sky ", "two\nlines", "\\N", "true", "new\u3000york",
    "a\xa0b", "x::y", "'", "", "=1+1", "C#",
]  # fmt: skip
DELIMITERS = [",", ",", "\t", "\t", ";", "|", " ", "::", r"\s+", "\x01"]
ENCODINGS = ["utf-8", "utf-8", "utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "shift_jis"]
ENDS = ["\n", "\n", "\n", "\r\n", "\r"]
PLACED = re.compile(r", line \d+( or after|, the header)?: ")


class Case:
    """A table as bytes, and the arguments to read it with."""

    def __init__(self, seed: int):
        rng = random.Random(seed)
        self.delimiter = rng.choice(DELIMITERS)
        may_quote = len(self.delimiter) == 1
        self.quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_NONE]) if may_quote else 3
        self.encoding = rng.choice(ENCODINGS)
        self.comment = rng.choice([None, None, None, None, "#", "%"])
        self.header = rng.random() < 0.3
        width = rng.randint(2, 5)
        self.image, self.label = rng.sample(range(width), 2)
        self.value = rng.randrange(width) if rng.random() < 0.1 else None
        self.data = self._mutated(self._text(rng, width).encode(self.encoding, "replace"), rng)

    def _text(self, rng: random.Random, width: int) -> str:
        end = rng.choice(ENDS)
        separator = " " * rng.randint(1, 3) if self.delimiter == r"\s+" else self.delimiter
        always = rng.random() < 0.3
        plain = rng.random() < 0.6
        lines = []
        if self.header:
            lines.append(separator.join(f"column{number}" for number in range(width)))
        for _ in range(rng.randint(0, 40)):
            fields = []
            for _ in range(width):
                word = rng.choice(WORDS[:12] if plain or rng.random() < 0.5 else WORDS)
                if self.quoting == csv.QUOTE_NONE:
                    for taken in (*self.delimiter, "\n", "\r"):
                        word = word.replace(taken, "_")
                    if self.delimiter == r"\s+":
                        word = word.replace(" ", "_").replace("\t", "_") or "_"
                elif always or any(c in word for c in (self.delimiter, '"', "\n", "\r")):
                    word = '"' + word.replace('"', '""') + '"'
                fields.append(word)
            lines.append(separator.join(fields))
            if self.comment and rng.random() < 0.05:
                lines.append(f"{self.comment} remark")
            if rng.random() < 0.03:
                lines.append("")
        return end.join(lines) + (end if rng.random() < 0.8 else "")

    def _mutated(self, data: bytes, rng: random.Random) -> bytes:
        out = bytearray(data)
        for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 5])):
            if not out:
                break
            place = rng.randrange(len(out))
            kind = rng.randrange(6)
            if kind == 0:
                del out[place:]
            elif kind == 1:
                out[place] = rng.randrange(256)
            elif kind == 2:
                del out[place]
            elif kind == 3:
                out[place:place] = rng.choice([b'"', b"\n", b"\r", b"\0", b"\xff", b",", b"\t"])
            elif kind == 4:
                end = min(len(out), place + rng.randint(1, 30))
                out[place:place] = out[place:end]
            else:
                del out[place : place + rng.randint(1, 10)]
        return bytes(out)

    def begins_with_nothing(self) -> bool:
        r"""Tell whether pandas takes the fields of a line for those one place to the left.

        It does so where lines end on \r and one that is blank precedes an empty first field.
        """
        text = self.data.decode(self.encoding, "replace")
        return re.search(rf"\r[ \t\r]*\r{re.escape(self.delimiter)}", text) is not None

    def ours(self) -> tuple[str, object]:
        """Return what read_pairs reads, as ("read", pairs), or why it does not."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read = read_pairs(
                    io.BytesIO(self.data),
                    image=self.image,
                    label=self.label,
                    value=self.value,
                    delimiter=self.delimiter,
                    quoting=self.quoting,
                    encoding=self.encoding,
                    comment=self.comment,
                    header=self.header,
                    na_values=[],
                    dtype=str,
                )
        except ValueError as error:
            return "refused", str(error)
        pairs = read.matrix.tocoo()
        return "read", {
            (read.image_ids[row], read.labels[column]): value
            for row, column, value in zip(pairs.row, pairs.col, pairs.data, strict=True)
        }

    def of_pandas(self) -> tuple[str, object]:
        """Return the same of pandas."""
        several = len(self.delimiter) > 1 and self.delimiter != r"\s+"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                frame = pd.read_csv(
                    io.BytesIO(self.data),
                    sep=self.delimiter,
                    engine="python" if several else "c",
                    quoting=self.quoting,
                    encoding=self.encoding,
                    comment=self.comment,
                    header=0 if self.header else None,
                    index_col=False,
                    dtype=str,
                    keep_default_na=False,
                    na_filter=False,
                )
            images, labels = (frame.iloc[:, place] for place in (self.image, self.label))
            values = [1.0] * len(frame)
            if self.value is not None:
                values = [float(value) for value in frame.iloc[:, self.value]]
        except pd.errors.EmptyDataError:
            return "read", {}
        except (ValueError, IndexError, OverflowError) as error:
            return "refused", str(error)
        found: dict[object, float] = collections.defaultdict(float)
        for image, label, value in zip(images, labels, values, strict=True):
            found[image, label] = found[image, label] + value if self.value is not None else 1.0
        return "read", found


def check(seed: int) -> tuple[str, str]:
    """Return what became of a file, and what is wrong, if anything is."""
    case = Case(seed)
    outcome, found = case.ours()
    with mock.patch.object(tokens, "arrow", return_value=None):
        without = case.ours()
    if without != (outcome, found):
        return outcome, f"with pyarrow {found!r}, without {without!r}"
    if outcome == "refused":
        assert isinstance(found, str)
        if not PLACED.search(found) and "has " not in found:
            return outcome, f"refused without a line: {found}"
        return outcome, ""
    if case.begins_with_nothing():
        return outcome, ""
    theirs, expected = case.of_pandas()
    if theirs == "refused":
        return outcome, f"read {found!r}, but pandas: {expected}"
    assert isinstance(found, dict)
    assert isinstance(expected, dict)
    if set(found) != set(expected) or any(
        abs(found[pair] - expected[pair]) > 1e-6 * abs(expected[pair]) for pair in found
    ):
        return outcome, f"read {found!r}, but pandas {dict(expected)!r}"
    return outcome, ""


def main() -> None:
    """Check many files and print how many were read and refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first file")
    arguments = parser.parse_args()
    start, outcomes, wrong = time.perf_counter(), collections.Counter[str](), 0
    for seed in range(arguments.first, arguments.first + arguments.files):
        outcome, problem = check(seed)
        outcomes[outcome] += 1
        if problem:
            wrong += 1
            if wrong <= 20:
                print(f"seed {seed}: {Case(seed).__dict__}\n  {problem}")
    print(
        f"{arguments.files} files in {time.perf_counter() - start:.0f} s: "
        + ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        + f", {wrong} wrong"
    )
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
