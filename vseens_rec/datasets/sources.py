"""Where text comes from: paths, folders, patterns, open files; packed or not, in any encoding."""

import bz2
import codecs
import glob
import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, NamedTuple, TypeAlias

from .._typing import PathLike

__all__ = ["Paths", "Text", "expand", "open_binary", "open_text", "words_of"]

Paths: TypeAlias = PathLike | IO[Any] | Iterable[PathLike | IO[Any]]

# characters that are looked at together
BLOCK = 1 << 22
# the first bytes of what the suffix stands for
PACKED: dict[str, tuple[bytes, Callable[[Any], Any]]] = {
    ".gz": (b"\x1f\x8b", gzip.GzipFile),
    ".bz2": (b"BZh", bz2.BZ2File),
    ".xz": (b"\xfd7zXZ\x00", lzma.LZMAFile),
    ".zip": (b"PK\x03\x04", zipfile.ZipFile),
}
# the longer marks first, as that of UTF-32 begins with that of UTF-16
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UNPACKING_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


class _Bytes(io.RawIOBase):
    """What has a ``read`` method alone, as a file of bytes; closing it leaves that open."""

    def __init__(self, source: Any):
        self.source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def is_path(source: object) -> bool:
    return isinstance(source, (str, os.PathLike))


def is_file(source: object) -> bool:
    return callable(getattr(source, "read", None))


def name_of(source: Any) -> str:
    """Return what messages call a source."""
    if is_path(source):
        return str(os.fspath(source))
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else f"the open {type(source).__name__}"


def suffixes_of(name: str) -> tuple[str, str]:
    """Return the suffix that says what is in a file, and the one that says how it is packed."""
    base, packed = os.path.splitext(name.lower())
    if packed not in PACKED:
        return packed, ""
    return os.path.splitext(base)[1], packed


def expand(sources: Paths) -> list[Any]:
    """Return the paths and open files that are meant, those of folders and patterns in order."""
    if isinstance(sources, bytes):
        raise TypeError("got bytes: pass io.BytesIO(data), or a path as text")
    if is_file(sources) or is_path(sources):
        sources = [sources]  # type: ignore[list-item]
    found: list[Any] = []
    given = list(sources)  # type: ignore[arg-type]
    if not given:
        raise ValueError("no file is given: expected a path, an open file or a list of them")
    for source in given:
        if is_file(source):
            found.append(source)
        elif is_path(source):
            found.extend(_files_at(os.fspath(source)))
        else:
            raise TypeError(
                f"a file is a path or open, got {type(source).__name__}: {source!r}"[:200]
            )
    return found


def _files_at(path: str) -> list[str]:
    if os.path.isdir(path):
        inside = sorted(os.scandir(path), key=lambda entry: entry.name)
        # marks and sums of checks that programs leave beside the parts
        parts = [entry for entry in inside if not entry.name.startswith((".", "_"))]
        if any(entry.is_dir() for entry in parts):
            raise ValueError(f"{path} has folders in it: pass a list of the files that are meant")
        kinds = {suffixes_of(entry.name) for entry in parts}
        if len(kinds) > 1:
            listed = ", ".join(sorted(entry.name for entry in parts)[:5])
            raise ValueError(
                f"{path} has files of several kinds ({listed}): pass a list of those that are "
                "parts of one table"
            )
        if not parts:
            raise FileNotFoundError(f"the folder {path} has no files")
        return [entry.path for entry in parts]
    if not os.path.exists(path):
        if "://" in path:
            raise ValueError(
                f"{path} is an address, which is not opened here: pass an open file, such as "
                "urllib.request.urlopen(address), or the path of a copy"
            )
        if glob.has_magic(path):
            matching = sorted(glob.glob(path))
            if not matching:
                raise FileNotFoundError(f"no file is like {path}")
            return matching
    return [path]


@contextmanager
def open_binary(source: Any) -> Iterator[IO[bytes]]:
    """Open a path, or take an open file; unpack what is packed. Only what was opened is closed."""
    name = name_of(source)
    with ExitStack() as stack:
        raw: Any = stack.enter_context(open(source, "rb")) if is_path(source) else source
        if not isinstance(raw, io.BufferedReader):
            raw = io.BufferedReader(_Bytes(raw))
        packed = suffixes_of(name)[1] if is_path(source) else ""
        start = raw.peek(8)[:8]
        for suffix, (magic, _) in PACKED.items():
            packed = packed or (suffix if start.startswith(magic) else "")
        if not packed:
            yield raw
            return
        try:
            with _unpacked(raw, packed, name) as file:
                yield file
        except UNPACKING_ERRORS as error:
            raise ValueError(f"{name} is not a whole {packed} file: {error}") from error
        except OSError as error:
            # bz2 has no error of its own
            if error.errno is not None:
                raise
            raise ValueError(f"{name} is not a whole {packed} file: {error}") from error


@contextmanager
def _unpacked(raw: Any, packed: str, name: str) -> Iterator[IO[bytes]]:
    if packed == ".zip":
        # the list of what is in it stands at the end
        with zipfile.ZipFile(raw if raw.seekable() else io.BytesIO(raw.read())) as archive:
            members = [entry for entry in archive.namelist() if not entry.endswith("/")]
            if len(members) != 1:
                raise ValueError(
                    f"{name} has {len(members)} files in it: open the one that is meant, "
                    f"zipfile.ZipFile(path).open({(members or ['name'])[0]!r})"
                )
            with archive.open(members[0]) as file:
                yield file
    else:
        opens: Any = {".gz": lambda: gzip.GzipFile(fileobj=raw)}
        file = opens[packed]() if packed in opens else PACKED[packed][1](raw)
        with file:
            yield file


class Block(NamedTuple):
    """Whole lines of text."""

    text: str
    first_line: int
    is_last: bool


class Text:
    """A text in blocks of whole lines.

    Parameters
    ----------
    read : callable
        Returns about so many characters, or an empty text at the end.
    name : str
        What messages call it.
    encoding : str
        What bytes that cannot be decoded should have been.
    """

    def __init__(self, read: Callable[[int], str], name: str, encoding: str):
        self._read, self.name, self.encoding = read, name, encoding
        self._line = 1
        self._rest = ""
        self._ended = False

    def give_back(self, text: str) -> None:
        """Take back the end of the last block, which begins the next."""
        self._rest = text + self._rest
        self._line -= count_lines(text)

    def __iter__(self) -> Iterator[Block]:
        while not self._ended or self._rest:
            text = self._rest
            cut = 0
            # a cut that is followed by something, so that no \r\n comes apart
            while not self._ended and not cut:
                try:
                    more = self._read(BLOCK)
                except UnicodeError as error:
                    line = self._line + count_lines(text)
                    raise ValueError(
                        f"{self.name}, line {line} or after: not {self.encoding}: {error}"
                    ) from error
                self._ended = not more
                text += more
                if len(text) > len(self._rest):
                    cut = text.rfind("\n", 0, len(text)) + 1 or text.rfind("\r", 0, -1) + 1
            if self._ended:
                cut = len(text)
            self._rest = text[cut:]
            text = text[:cut]
            if not text:
                return
            line = self._line
            self._line += count_lines(text)
            yield Block(text, line, self._ended and not self._rest)


@contextmanager
def open_text(source: Any, encoding: str | None = None) -> Iterator[Text]:
    """Open a source of text.

    Bytes that cannot be decoded become single surrogates, for the line to be reported, where an
    encoding keeps lines apart without them.
    """
    name = name_of(source)
    if not is_path(source) and isinstance(source.read(0), str):
        if encoding is not None:
            raise ValueError(
                f"{name} is open as text, so encoding={encoding!r} comes too late: open it so, or "
                "open it for bytes"
            )
        yield Text(source.read, name, getattr(source, "encoding", None) or "text")
        return
    with open_binary(source) as file:
        start = file.read(BLOCK)
        if encoding is None:
            marked = [codec for mark, codec in MARKS if start.startswith(mark)]
            encoding = (*marked, "utf-8")[0]
        try:
            codec = codecs.lookup(encoding).name
        except (LookupError, TypeError):
            raise ValueError(
                f"encoding={encoding!r} is not an encoding that Python knows"
            ) from None
        shown = "UTF-8" if codec.startswith("utf-8") else encoding
        in_units = codec.startswith(("utf-16", "utf-32"))
        decoder = codecs.getincrementaldecoder("utf-8-sig" if codec == "utf-8" else codec)(
            "strict" if in_units else "surrogateescape"
        )
        parts = iter([start])

        def read(size: int) -> str:
            while True:
                data = next(parts, None)
                if data is None:
                    data = file.read(size)
                text = decoder.decode(data, not data)
                if text or not data:
                    return text

        yield Text(read, name, shown)


def count_lines(text: str) -> int:
    r"""Count the ends of lines: \n, \r\n and \r."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def words_of(source: Any, encoding: str | None = None) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of every line and its words, which white space separates."""
    with open_text(source, encoding) as text:
        for block in text:
            lines = io.StringIO(block.text, newline="")
            for number, line in enumerate(lines, block.first_line):
                words = line.split()
                if not block.text.isascii() and any("\udc80" <= c <= "\udcff" for c in line):
                    raise ValueError(
                        f"{text.name}, line {number}: bytes that are not {text.encoding}: pass "
                        "the encoding that the file has, such as encoding='latin-1'"
                    )
                yield number, words
