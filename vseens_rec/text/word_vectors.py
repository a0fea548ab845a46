"""Vectors of words: which are near, and word2vec's files."""

import gzip
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._typing import BinaryFile, Floats, PathLike
from .._validation import check_n
from ..datasets.sources import is_path, name_of, open_binary

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["WordVectors"]

# of a file, to tell whether it is text
FIRST_BYTES = 1 << 16
LONGEST_LINE = 1 << 24
# what would end a word in one of word2vec's files
SEPARATORS = (" ", "\n")


class WordVectors:
    """Words and a vector of each.

    Parameters
    ----------
    words : sequence of str
        Each once.
    vectors : array-like of float of shape (n_words, n_columns)
        The vector of each word.

    Attributes
    ----------
    words : list of str
        As they were given.
    vectors : ndarray of shape (n_words, n_columns)
        As they were given.
    vocabulary : dict of str to int
        The row of every word.

    Raises
    ------
    ValueError
        There are not as many words as vectors, or a word comes twice.

    Examples
    --------
    >>> from vseens_rec.text import WordVectors
    >>> vectors = WordVectors(["sea", "lake", "tree"], [[2.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> vectors["lake"].tolist(), "river" in vectors, len(vectors)
    ([1.0, 0.1], False, 3)
    """

    def __init__(self, words: Sequence[str], vectors: ArrayLike):
        self.words: list[str] = list(words)
        self.vectors: Floats = np.asarray(vectors)
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.words):
            raise ValueError(
                f"{len(self.words)} words go with as many rows of vectors, got vectors of shape "
                f"{self.vectors.shape}"
            )
        self.vocabulary: dict[str, int] = {word: row for row, word in enumerate(self.words)}
        if len(self.vocabulary) < len(self.words):
            twice = next(w for row, w in enumerate(self.words) if self.vocabulary[w] != row)
            raise ValueError(f"words has {twice!r} more than once")

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.vocabulary

    def __getitem__(self, word: str) -> Floats:
        vector: Floats = self.vectors[self._row(word)]
        return vector

    def __repr__(self) -> str:
        return f"<{len(self)} word vectors of {self.vectors.shape[1]} columns>"

    def _row(self, word: str) -> int:
        try:
            return self.vocabulary[word]
        except (KeyError, TypeError):
            raise KeyError(
                f"{word!r} is not one of the {len(self)} words: they are compared letter by "
                "letter, and rare ones are left out by min_count"
            ) from None

    def most_similar(
        self,
        positive: str | Iterable[str],
        negative: str | Iterable[str] = (),
        N: int = 10,
    ) -> list[tuple[str, float]]:
        """Find the words nearest to the sum of some, less that of others, by the cosine.

        Parameters
        ----------
        positive, negative : str or iterable of str
            Words, whose vectors are brought to length 1 and then added, or subtracted.
        N : int, default=10
            Words to find.

        Returns
        -------
        list of (str, float)
            Words, none of those that were given, and their cosines, the highest first.

        Raises
        ------
        KeyError
            A word is not there.
        ValueError
            No word is given.

        Examples
        --------
        >>> from vseens_rec.text import WordVectors
        >>> vectors = WordVectors(["sea", "lake", "tree"], [[2.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
        >>> vectors.most_similar("sea", N=1)[0][0]
        'lake'
        """
        check_n(N)
        added, taken = (
            [words] if isinstance(words, str) else list(words) for words in (positive, negative)
        )
        rows = [self._row(word) for word in added + taken]
        if not rows:
            raise ValueError("most_similar needs a word, got none")
        lengths = np.linalg.norm(self.vectors, axis=1)
        # a word without a direction is near to nothing
        lengths[lengths == 0] = np.inf
        signs = np.repeat([1.0, -1.0], [len(added), len(taken)]).astype(self.vectors.dtype)
        target = (signs / lengths[rows]) @ self.vectors[rows]
        cosines = self.vectors @ (target / max(float(np.linalg.norm(target)), 1e-30)) / lengths
        cosines[rows] = -np.inf
        N = min(N, len(self) - len(set(rows)))
        best = np.argpartition(-cosines, N - 1)[:N] if N else np.zeros(0, np.int64)
        best = best[np.argsort(-cosines[best], kind="stable")]
        return [(self.words[row], float(cosines[row])) for row in best]

    def save_word2vec(self, file: PathLike | BinaryFile, *, binary: bool = True) -> None:
        r"""Write word2vec's format, which gensim and others read.

        Parameters
        ----------
        file : str, path-like or binary file object
            A name that ends with ``.gz`` is packed.
        binary : bool, default=True
            Write numbers as 4 bytes each, or as text.

        Raises
        ------
        ValueError
            A word has a space or the end of a line in it, which the format cannot hold.

        Examples
        --------
        >>> import io
        >>> from vseens_rec.text import WordVectors
        >>> file = io.BytesIO()
        >>> WordVectors(["sea"], [[2.0, 0.5]]).save_word2vec(file, binary=False)
        >>> file.getvalue()
        b'1 2\nsea 2.0 0.5\n'
        """
        for word in self.words:
            if not word or any(separator in word for separator in SEPARATORS):
                raise ValueError(
                    f"the format of word2vec cannot hold the word {word!r}: words end at a space "
                    "or at the end of a line there"
                )
        vectors = self.vectors.astype("<f4")
        with _open_to_write(file) as out:
            out.write(f"{len(self)} {vectors.shape[1]}\n".encode())
            for word, vector in zip(self.words, vectors, strict=True):
                # the fewest digits that give the same number
                numbers = vector.tobytes() if binary else " ".join(map(str, vector)).encode()
                out.write(word.encode() + b" " + numbers + b"\n")

    @classmethod
    def load_word2vec(
        cls, file: PathLike | BinaryFile, *, binary: bool | None = None, encoding: str = "utf-8"
    ) -> "Self":
        r"""Read word2vec's format, packed or not.

        Parameters
        ----------
        file : str, path-like or binary file object
            As written by `save_word2vec`, gensim or word2vec itself.
        binary : bool or None, default=None
            Whether numbers are 4 bytes each or text; None: what the file looks like.
        encoding : str, default="utf-8"
            Of the words.

        Returns
        -------
        WordVectors
            With float32 vectors.

        Raises
        ------
        ValueError
            The file is not in this format, or not whole.

        Examples
        --------
        >>> import io
        >>> from vseens_rec.text import WordVectors
        >>> WordVectors.load_word2vec(io.BytesIO(b"1 2\nsea 2.0 0.5\n"))["sea"].tolist()
        [2.0, 0.5]
        """
        name = name_of(file)
        with open_binary(file) as source:
            header = source.readline(LONGEST_LINE).split()
            try:
                n_words, n_columns = (int(number) for number in header)
            except ValueError:
                n_words = n_columns = -1
            if n_words < 0 or n_columns < 1:
                raise ValueError(
                    f"{name} does not begin with the numbers of words and columns, as word2vec's "
                    f"format does, but with {b' '.join(header)[:40]!r}"
                )
            reader = _Reader(source, name, encoding)
            if binary is None:
                binary = not reader.looks_like_text(n_columns)
            read = reader.read_binary if binary else reader.read_text
            words: list[str] = []
            rows: list[NDArray[np.float32]] = []
            for _ in range(n_words):
                word, row = read(n_columns)
                words.append(word)
                rows.append(row)
        vectors = np.array(rows, np.float32).reshape(len(rows), n_columns)
        return cls(words, vectors)


class _Reader:
    """What follows the first line of a file."""

    def __init__(self, file: IO[bytes], name: str, encoding: str):
        self.file, self.name, self.encoding = file, name, encoding
        self.start = file.read(FIRST_BYTES)
        self.line = 1

    def looks_like_text(self, n_columns: int) -> bool:
        """Tell whether the first line holds a word and so many numbers."""
        while b"\n" not in self.start and len(self.start) < LONGEST_LINE:
            more = self.file.read(FIRST_BYTES)
            if not more:
                break
            self.start += more
        parts = self.start.partition(b"\n")[0].split()
        try:
            return len(parts[1:]) == n_columns and bool(np.array(parts[1:], np.float32).size)
        except ValueError:
            return False

    def _read(self, size: int) -> bytes:
        taken, self.start = self.start[:size], self.start[size:]
        if len(taken) < size:
            taken += self.file.read(size - len(taken))
        return taken

    def _until(self, end: bytes) -> bytes:
        """Read up to a byte, which is left out."""
        while end not in self.start:
            more = self.file.read(FIRST_BYTES)
            if not more or len(self.start) > LONGEST_LINE:
                rest, self.start = self.start, b""
                if end == b"\n" and not more and rest:
                    # the last line need not end
                    return rest
                raise self._error("the file ends too soon")
            self.start += more
        found, _, self.start = self.start.partition(end)
        return found

    def _error(self, what: str) -> ValueError:
        return ValueError(f"{self.name}, word {self.line}: {what}")

    def _word(self, encoded: bytes) -> str:
        try:
            return encoded.decode(self.encoding)
        except UnicodeError as error:
            raise self._error(
                f"not {self.encoding}: {error}; pass the encoding that the file has"
            ) from error

    def read_binary(self, n_columns: int) -> tuple[str, NDArray[np.float32]]:
        # word2vec ends every vector with a line, gensim does not
        word = self._word(self._until(b" ").lstrip(b"\n"))
        data = self._read(4 * n_columns)
        if len(data) < 4 * n_columns:
            raise self._error("the file ends too soon")
        self.line += 1
        return word, np.frombuffer(data, "<f4").astype(np.float32)

    def read_text(self, n_columns: int) -> tuple[str, NDArray[np.float32]]:
        parts = self._until(b"\n").rstrip().split(b" ")
        if len(parts) != n_columns + 1:
            raise self._error(f"expected {n_columns} numbers, got {len(parts) - 1}")
        try:
            row = np.array([float(part) for part in parts[1:]], np.float32)
        except ValueError as error:
            raise self._error(str(error)) from error
        word = self._word(parts[0])
        self.line += 1
        return word, row


@contextmanager
def _open_to_write(file: Any) -> Iterator[IO[bytes]]:
    if not is_path(file):
        if not callable(getattr(file, "write", None)) or hasattr(file, "encoding"):
            raise TypeError("a file is a path, or open for writing bytes, with mode 'wb'")
        yield file
        return
    opens: Any = gzip.open if str(file).endswith(".gz") else open
    with opens(file, "wb") as out:
        yield out
