"""Image-level labels of Open Images."""

from collections import Counter
from typing import Any

import numpy as np

from .annotations import Annotations, Coded, NameList, Numbering, Pairs, first_places
from .problems import Malformed, Unknown
from .sources import Paths, expand, open_text
from .tables import TextOptions, text_parts
from .tokens import Dialect, columns_text, split_rows
from .values import as_float

__all__ = ["read_openimages"]

COLUMNS = ("ImageID", "LabelName", "Confidence", "Source")
OF_MACHINES = "machine"


def read_openimages(
    paths: Paths,
    *,
    min_confidence: float = 0.5,
    descriptions: Any = None,
    encoding: str | None = None,
    image_ids: NameList | None = None,
    labels: NameList | None = None,
    unknown: str = "raise",
    malformed: str = "raise",
) -> Annotations:
    r"""Read image-level labels of Open Images.

    Parameters
    ----------
    paths : path, open file or list of them
        Files with the columns ``ImageID``, ``LabelName`` and ``Confidence``, such as
        ``train-annotations-human-imagelabels.csv``, and those of machines beside them; packed or
        not.
    min_confidence : float, default=0.5
        Labels with less are left out; those verified by people have 1 (there) or 0 (not there). A
        label that somebody verified not to be there is left out, whatever else is said of it.
    descriptions : path or open file, optional
        ``class-descriptions.csv``, two columns without header: names in place of ``/m/0abc``.
        Where several codes have one name, the code is added to it: ``Mouse (/m/04rmv)``.
    encoding : str or None, default=None
        See `read_pairs`.
    image_ids, labels : sequence of hashable or None, default=None
        Ids and names (those of `descriptions`) that have their numbers already; see
        `read_pairs`.
    unknown : {"raise", "warn", "skip", "add"}, default="raise"
        What to do about others; see `read_pairs`.
    malformed : {"raise", "warn"}, default="raise"
        See `read_pairs`.

    Returns
    -------
    Annotations
        Images whose labels are all left out keep an empty row.

    Raises
    ------
    ValueError
        A line is malformed, a name is not known, or a file lacks one of the columns.

    Notes
    -----
    Verified are lines whose ``Source`` is not ``machine``; in files without that column, those with
    a confidence of 0 or 1.

    Examples
    --------
    >>> import os, tempfile
    >>> from vseens_rec.datasets import read_openimages
    >>> path = os.path.join(tempfile.mkdtemp(), "labels.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("ImageID,Source,LabelName,Confidence\n")
    ...     _ = file.write("00a1,verification,/m/01yrx,1\n00b2,verification,/m/01yrx,0\n")
    ...     _ = file.write("00b2,machine,/m/01yrx,0.9\n")
    >>> read = read_openimages(path)
    >>> read.matrix.toarray().tolist(), list(read.image_ids), list(read.labels)
    ([[1.0], [0.0]], ['00a1', '00b2'], ['/m/01yrx'])
    """
    if not 0 <= min_confidence <= 1:
        raise ValueError(f"min_confidence must be from 0 to 1, got {min_confidence!r}")
    names = {} if descriptions is None else _read_descriptions(descriptions, encoding)
    problems, strangers = Malformed(malformed), Unknown(unknown)
    files = expand(paths)
    claims = _Claims(min_confidence)
    options = TextOptions(delimiter=",", header=True, encoding=encoding)
    for name, word, blocks in text_parts(files, COLUMNS, options, optional=COLUMNS[3:]):
        problems.begin(name, word)
        for block in blocks:
            image, code, confidence, source = block.columns
            assert image is not None
            assert code is not None
            assert confidence is not None
            claims.add(image, code, confidence, source, block, problems)
        problems.end()
    owner, codes = claims.true_ones()
    pairs = Pairs(Numbering(image_ids, "image"), Numbering(labels, "label"), strangers)
    images = list(claims.images.numbers)
    codes_in_order = [str(code) for code in claims.codes.numbers]
    pairs.add(
        Coded(np.arange(len(images)), images),
        Coded(codes, [names.get(code, code) for code in codes_in_order]),
        owner=owner,
        place=lambda row: f"{name}, image {images[row]!r}",
    )
    found = pairs.annotations()
    found.matrix.data[:] = 1
    return found


class _Claims:
    """What is said of pairs of image and label: that they are true, are not, or might be."""

    def __init__(self, min_confidence: float):
        self.min_confidence = min_confidence
        self.images, self.codes = Numbering(None, "image"), Numbering(None, "label")
        self.parts: list[tuple[Any, Any, Any]] = []

    def add(
        self,
        image: Coded,
        code: Coded,
        confidence: Coded,
        source: Coded | None,
        block: Any,
        problems: Malformed,
    ) -> None:
        values = np.fromiter(map(as_float, confidence.names), float, len(confidence.names))
        values = values[confidence.codes]
        wrong = ~((values >= 0) & (values <= 1))
        for column in (image, code):
            if "" in column.names:
                wrong |= column.codes == column.names.index("")
        problems.report_all(
            block.problems
            + [
                (
                    block.line_of(int(row)),
                    "no image, no label, or the confidence "
                    f"{confidence.names[confidence.codes[row]]!r}",
                )
                for row in np.flatnonzero(wrong)
            ]
        )
        if source is None:
            verified = (values == 0) | (values == 1)
        else:
            by_machines = np.array([name == OF_MACHINES for name in source.names], dtype=bool)
            verified = ~by_machines[source.codes]
        claim = np.zeros(len(values), np.int8)
        claim[(values >= self.min_confidence) & (values > 0)] = 1
        claim[verified & (values == 0)] = -1
        kept = ~wrong
        self.parts.append(
            (
                self._numbers(self.images, image, kept),
                self._numbers(self.codes, code, kept),
                claim[kept],
            )
        )

    @staticmethod
    def _numbers(numbering: Numbering, column: Coded, kept: Any) -> Any:
        codes = column.codes[kept]
        used = first_places(codes)[1]
        numbers = np.full(len(column.names), -1, np.int64)
        numbers[used] = numbering.number([column.names[code] for code in used], add=True)
        return numbers[codes]

    def true_ones(self) -> tuple[Any, Any]:
        """Return image and code of what is claimed and not denied."""
        if not self.parts:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        images, codes, claims = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        keys = images * len(self.codes.numbers) + codes
        true = (claims == 1) & ~np.isin(keys, keys[claims == -1])
        return images[true], codes[true]


def _read_descriptions(descriptions: Any, encoding: str | None) -> dict[str, str]:
    names: dict[str, str] = {}
    with open_text(descriptions, encoding) as text:
        content = "".join(block.text for block in text)
        dialect = Dialect(",", True, encoding=text.encoding)
        found = split_rows(content, dialect, width=None)
    problems = found.problems + [
        (line, f"{columns_text(len(row))}, expected a code and a name")
        for line, row in zip(found.lines, found.rows, strict=True)
        if len(row) < 2
    ]
    if problems:
        line, problem = min(problems)
        raise ValueError(f"{text.name}, line {line}: {problem}")
    for code, name, *_ in found.rows:
        if names.setdefault(code, name) != name:
            raise ValueError(f"{text.name}: {code} is {name!r}, and {names[code]!r} before")
    counts = Counter(names.values())
    return {code: name if counts[name] == 1 else f"{name} ({code})" for code, name in names.items()}
