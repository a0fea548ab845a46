"""Make the bundled emoji data set from the CLDR English annotations.

The source is ``annotations/en/annotations.json`` of the package
``cldr-annotations-full``, version 48.2.0 (CLDR 48), which maps characters to English
keywords (``default``) and to a name (``tts``).

What is kept:

* every entry of the file is an image, in the order of the file: the single emoji and the
  multi-character ones, the five skin tone swatches, and also the symbols, currency signs and
  punctuation marks that CLDR annotates. Nothing is left out by kind. The file itself has no
  flags of countries and no skin tone variants of other emoji: CLDR derives those by rule;
* the keywords of ``default`` are the labels. The name is stored beside them, never as a label;
* keywords that occur on fewer than three entries are dropped, then entries left without a
  keyword are dropped. One pass settles it: dropping entries that have no kept keyword takes
  nothing away from a kept one.

Version 48.2.0 gives 1,881 images, 1,151 labels and 7,735 pairs.

The output is gzip-compressed UTF-8 text, one line an image: the glyph, a tab, its name, a tab,
its keywords in code point order joined by ``|``. The gzip header holds neither time nor file
name, so the same input gives the same bytes.

Usage::

    python tools/make_emoji_data.py annotations.json vseens_rec/datasets/data/emoji.tsv.gz
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter
from pathlib import Path

__all__ = ["MIN_IMAGES", "main", "make_lines", "write_lines"]

MIN_IMAGES = 3


def make_lines(annotations: dict[str, dict[str, list[str]]]) -> list[str]:
    """Return the lines of the data set.

    Parameters
    ----------
    annotations : dict
        The innermost ``annotations`` object of the CLDR file: character to an object with the
        lists ``default`` (keywords) and ``tts`` (one name).

    Returns
    -------
    list of str
        One line an image, without line ends.

    Raises
    ------
    ValueError
        If a field holds a character that the format uses as a separator.
    """
    keywords = {
        glyph: sorted(set(entry.get("default", ()))) for glyph, entry in annotations.items()
    }
    counts = Counter(word for words in keywords.values() for word in words)
    lines = []
    for glyph, words in keywords.items():
        kept = [word for word in words if counts[word] >= MIN_IMAGES]
        if not kept:
            continue
        name = annotations[glyph]["tts"][0]
        for field in (glyph, name, *kept):
            if any(mark in field for mark in "\t\r\n"):
                raise ValueError(f"{field!r}: a field must hold no tab and no line end")
        for word in kept:
            if "|" in word:
                raise ValueError(f"{word!r}: a keyword must hold no '|', which separates keywords")
        lines.append(f"{glyph}\t{name}\t{'|'.join(kept)}")
    return lines


def write_lines(lines: list[str], path: str | Path) -> None:
    """Write `lines` to the gzip file `path`, the same bytes for the same lines.

    Parameters
    ----------
    lines : list of str
        Lines without line ends.
    path : str or pathlib.Path
        File to write.
    """
    text = "".join(line + "\n" for line in lines).encode("utf-8")
    # An explicit empty file name keeps the output path out of the header; mtime=0 the time.
    with (
        open(path, "wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=raw, mtime=0) as packed,
    ):
        packed.write(text)


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments; those of the process when None.

    Returns
    -------
    int
        Exit status.
    """
    parser = argparse.ArgumentParser(description="Make the bundled emoji data set.")
    parser.add_argument("annotations", type=Path, help="annotations/en/annotations.json of CLDR")
    parser.add_argument("output", type=Path, help="file to write, emoji.tsv.gz")
    args = parser.parse_args(argv)
    source = json.loads(args.annotations.read_text(encoding="utf-8"))
    lines = make_lines(source["annotations"]["annotations"])
    write_lines(lines, args.output)
    words = [word for line in lines for word in line.split("\t")[2].split("|")]
    print(f"{len(lines)} images, {len(set(words))} labels, {len(words)} pairs")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
