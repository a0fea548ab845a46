"""From text to a matrix: how often words stand near each other."""

import codecs
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .._counting import REACH, PairCounter
from .._native import effective_threads
from .._typing import PathLike
from ..datasets.sources import is_file, is_path, name_of, open_binary

__all__ = ["Sentences", "SkipGramCounts", "check_counting", "count_skip_grams"]

Sentences: TypeAlias = Iterable[Iterable[str]] | PathLike | IO[bytes]

# bytes of a file that are looked at together
BLOCK = 1 << 22
# in the numbers of words
END_OF_SENTENCE, LEFT_OUT = -1, -2
# numbers of words that are written, and read, together
WORDS_AT_ONCE = 1 << 18
# a pair takes a slot of 16 bytes in a table a third of which may be in use, and is sorted
BYTES_OF_PAIR = 80
# of which tables and sorting have room for in any case
FEWEST_PAIRS = 1 << 10
LONGEST_WINDOW = 100
MOST_WORDS = 2**31 - 1

Run: TypeAlias = tuple[NDArray[np.uint64], NDArray[np.float64]]


class SkipGramCounts(NamedTuple):
    """Words, how often each occurs, and how often they stand near each other.

    It unpacks into three: ``matrix, words, counts = counted``.

    Parameters
    ----------
    matrix : csr_matrix of float32 of shape (n_words, n_words)
        How many pairs of the word of the row and of the column a pass of skip-gram over the text is
        expected to train on. It is symmetric.
    words : list of str
        The word of every row and column, the most frequent first.
    counts : ndarray of int64 of shape (n_words,)
        How often each word occurs in the text.

    Examples
    --------
    >>> from vseens_rec.text import count_skip_grams
    >>> matrix, words, counts = count_skip_grams([["a", "rose", "is", "a", "rose"]], min_count=1)
    >>> words, counts.tolist(), matrix.shape
    (['a', 'rose', 'is'], [2, 2, 1], (3, 3))
    """

    matrix: csr_matrix
    words: list[str]
    counts: NDArray[np.int64]


def count_skip_grams(
    sentences: Sentences,
    *,
    window: int = 5,
    min_count: int = 5,
    sample: float | None = 1e-3,
    max_vocabulary: int | None = None,
    encoding: str = "utf-8",
    memory: int = 1 << 30,
    num_threads: int = 0,
) -> SkipGramCounts:
    """Count the pairs of words that skip-gram would train on, by expectation.

    Each pair of words inside a sentence counts by how likely a pass of word2vec over it is to train
    on that pair: both words are to be kept by the subsampling, and a window that is drawn from 1 to
    `window` is to reach from one to the other across the words between that are kept. So one matrix
    stands for any number of passes, and nothing in it is random. Pairs that a window reaches across
    so many words less than once in a hundred times are left out.

    The text is read once, in blocks, and may be larger than memory. In memory are all different
    words, about so many bytes as `memory` says, and in the end the matrix twice; temporary files
    (see `tempfile.gettempdir`) hold 4 bytes a word of the text, and 16 bytes for each pair that
    finds no room in memory.

    Parameters
    ----------
    sentences : iterable of lists of str, path, or file open for reading bytes
        A file holds words between white space and one sentence a line; it may be packed (``.gz``,
        ``.bz2``, ``.xz``, ``.zip``).
    window : int, default=5
        Most words from one to the other, those that subsampling drops not counted; 1 to 100.
    min_count : int, default=5
        Words that occur less often are left out, before distances are counted.
    sample : float or None, default=1e-3
        Subsampling: a word that makes up the share f of the text is kept with probability
        ``sqrt(sample / f) + sample / f``, if that is below 1. None: all are kept.
    max_vocabulary : int or None, default=None
        Keep this many of the most frequent words; None: all that occur `min_count` times.
    encoding : str, default="utf-8"
        Of a file.
    memory : int, default=2**30
        Bytes to count pairs in. With less, more are written to temporary files; the counts are the
        same, up to rounding.
    num_threads : int, default=0
        Threads that count; 0: all processors of the process. They have no influence on the result.

    Returns
    -------
    SkipGramCounts
        The matrix, the words of its rows and columns, and how often they occur.

    Raises
    ------
    TypeError
        A sentence is text in place of a list of words, or a word is not a str.
    ValueError
        A parameter is out of range, no word occurs `min_count` times, or a file cannot be read.

    Examples
    --------
    >>> from vseens_rec.text import count_skip_grams
    >>> text = [["the", "cat", "sat"], ["the", "dog", "sat"]]
    >>> counted = count_skip_grams(text, window=2, min_count=1, sample=None)
    >>> counted.words
    ['the', 'sat', 'cat', 'dog']
    >>> counted.matrix.toarray()
    array([[0., 1., 1., 1.],
           [1., 0., 1., 1.],
           [1., 1., 0., 0.],
           [1., 1., 0., 0.]], dtype=float32)
    """
    check_counting(window, min_count, sample, max_vocabulary)
    _check_integer(memory, "memory", 1)
    threads = effective_threads(num_threads)
    with ExitStack() as stack:
        spool = stack.enter_context(TemporaryFile())
        names, occurrences = _spool_words(sentences, encoding, spool)
        words, counts, numbers = _choose_words(names, occurrences, min_count, max_vocabulary)
        del names
        most_pairs = max(FEWEST_PAIRS, memory // BYTES_OF_PAIR)
        counter = PairCounter(_keep_probability(counts, sample), window)
        runs: list[Run] = []
        at_once = min(WORDS_AT_ONCE, most_pairs)
        for block, stop in _blocks(spool, numbers, at_once):
            counter.add(block, stop, threads)
            if counter.n_pairs > most_pairs:
                file = stack.enter_context(TemporaryFile())
                runs.append(_written(file, _sorted_run(*counter.take())))
        runs.append(_sorted_run(*counter.take()))
        del counter
        behind = _merged(runs, len(words), most_pairs)
    return SkipGramCounts((behind + behind.T.tocsr()).tocsr(), words, counts)


def check_counting(window: Any, min_count: Any, sample: Any, max_vocabulary: Any) -> None:
    """Check what says which pairs count."""
    _check_integer(window, "window", 1, LONGEST_WINDOW)
    _check_integer(min_count, "min_count", 1)
    if max_vocabulary is not None:
        _check_integer(max_vocabulary, "max_vocabulary", 1)
    if sample is not None and (
        isinstance(sample, bool) or not isinstance(sample, float | int) or not 0 < sample < np.inf
    ):
        raise ValueError(
            f"sample must be a number above 0, got {sample!r}: sample=None keeps all words"
        )


def _check_integer(value: Any, name: str, least: int, most: int | None = None) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | np.integer)
        or value < least
        or (most is not None and value > most)
    ):
        expected = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise ValueError(f"{name} must be an integer {expected}, got {value!r}")


def _spool_words(
    sentences: Sentences, encoding: str, spool: IO[bytes]
) -> tuple[list[str], NDArray[np.int64]]:
    """Write the number of each word, counted from 0 as they come; return words and counts."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    counts = np.zeros(0, np.int64)
    for lines in _lines(sentences, encoding):
        found: list[int] = []
        for words, ends in lines:
            found.extend(map(numbers.__getitem__, words))
            if ends:
                found.append(END_OF_SENTENCE)
        if len(numbers) > MOST_WORDS:
            raise ValueError(f"the text has more than {MOST_WORDS} different words")
        written = np.array(found, np.int32)
        spool.write(written.tobytes())
        counts = np.concatenate([counts, np.zeros(len(numbers) - len(counts), np.int64)])
        if len(counts):
            counts += np.bincount(written[written >= 0], minlength=len(counts))
    names = list(numbers)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"words must be of type str, got {name!r} of type {type(name).__name__}: a matrix "
                "of numbers is fitted as it is, without counting"
            )
    return names, counts


def _lines(sentences: Sentences, encoding: str) -> Iterator[list[tuple[Iterable[str], bool]]]:
    """Yield blocks of pieces of sentences: words, and whether the sentence ends behind them."""
    if is_path(sentences) or is_file(sentences):
        yield from _lines_of_file(sentences, encoding)
        return
    if isinstance(sentences, bytes) or not isinstance(sentences, Iterable):
        raise TypeError(
            "sentences must be an iterable of lists of words, or a file, got "
            f"{type(sentences).__name__}"
        )
    block: list[tuple[Iterable[str], bool]] = []
    words_in_block = 0
    for number, sentence in enumerate(sentences):
        if isinstance(sentence, (str, bytes)) or not isinstance(sentence, Iterable):
            raise TypeError(
                f"sentence {number} is of type {type(sentence).__name__}, expected a list of "
                "words: split it, such as sentence.split()"
            )
        words: list[Any] = list(sentence)
        block.append((words, True))
        words_in_block += len(words) + 1
        if words_in_block >= WORDS_AT_ONCE:
            yield block
            block, words_in_block = [], 0
    yield block


def _lines_of_file(source: Any, encoding: str) -> Iterator[list[tuple[Iterable[str], bool]]]:
    name = name_of(source)
    try:
        codec = codecs.lookup(encoding).name
    except (LookupError, TypeError):
        raise ValueError(f"encoding={encoding!r} is not an encoding that Python knows") from None
    # a mark at the start is not part of the first word
    decoder = codecs.getincrementaldecoder("utf-8-sig" if codec == "utf-8" else codec)()
    if is_file(source) and isinstance(source.read(0), str):
        raise TypeError(f"{name} is open as text: open it with mode 'rb'")
    rest = ""
    with open_binary(source) as file:
        while True:
            data = file.read(BLOCK)
            try:
                text = rest + decoder.decode(data, not data)
            except UnicodeError as error:
                raise ValueError(
                    f"{name} is not {encoding}: {error}. Pass the encoding that the file has, "
                    "such as encoding='latin-1'"
                ) from error
            # a word goes on in the next block unless white space follows
            cut = len(text) if not data else 1 + max(map(text.rfind, " \n\t\r"))
            text, rest = text[:cut], text[cut:]
            lines = text.split("\n")
            pieces: list[tuple[Iterable[str], bool]] = [(line.split(), True) for line in lines]
            pieces[-1] = (pieces[-1][0], False)
            yield pieces
            if not data:
                return


def _choose_words(
    names: list[str], counts: NDArray[np.int64], min_count: int, max_vocabulary: int | None
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int32]]:
    """Return the words that are kept, their counts, and the new number of every word there is."""
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= min_count][:max_vocabulary]
    if not len(order):
        raise ValueError(
            f"no word occurs {min_count} times in the {counts.sum()} words of the text: lower "
            f"min_count={min_count}, or pass more text"
        )
    numbers = np.full(len(names) + 1, LEFT_OUT, np.int32)
    numbers[order] = np.arange(len(order), dtype=np.int32)
    # of END_OF_SENTENCE, counted from behind
    numbers[-1] = END_OF_SENTENCE
    return [names[place] for place in order.tolist()], counts[order], numbers


def _keep_probability(counts: NDArray[np.int64], sample: float | None) -> NDArray[np.float64]:
    if sample is None:
        return np.ones(len(counts))
    ratio = sample / (counts / counts.sum())
    kept: NDArray[np.float64] = np.minimum(1.0, np.sqrt(ratio) + ratio)
    return kept


def _blocks(
    spool: IO[bytes], numbers: NDArray[np.int32], at_once: int
) -> Iterator[tuple[NDArray[np.int32], int]]:
    """Yield words by their new numbers, and before which of them pairs are still to be counted.

    What stands behind that is there for the pairs to reach, and comes again.
    """
    spool.seek(0)
    waiting = np.zeros(0, np.int32)
    while True:
        data = spool.read(4 * at_once)
        words = numbers[np.frombuffer(data, np.int32)]
        waiting = np.concatenate([waiting, words[words != LEFT_OUT]])
        stop = max(0, len(waiting) - REACH) if data else len(waiting)
        yield waiting, stop
        waiting = waiting[stop:]
        if not data:
            return


def _sorted_run(pairs: NDArray[np.uint64], counts: NDArray[np.float64]) -> Run:
    order = np.argsort(pairs)
    return pairs[order], counts[order]


def _written(file: IO[bytes], run: Run) -> Run:
    """Write a run, and return what reads it from the disk."""
    for array in run:
        file.write(array.data)
    file.flush()
    n = len(run[0])
    return (
        np.memmap(file, np.uint64, "r", 0, (n,)),
        np.memmap(file, np.float64, "r", 8 * n, (n,)),
    )


def _merged(runs: list[Run], n_words: int, most_pairs: int) -> csr_matrix:
    """Sum up sorted runs to a matrix, a part of each at a time."""
    room = sum(len(pairs) for pairs, _ in runs)
    # what is not written to takes no memory
    columns, values = np.empty(room, np.int32), np.empty(room, np.float32)
    lengths = np.zeros(n_words, np.int64)
    at_once = max(1, most_pairs // len(runs))
    starts, written = [0] * len(runs), 0
    while True:
        open_runs = [
            (number, pairs, counts)
            for number, (pairs, counts) in enumerate(runs)
            if starts[number] < len(pairs)
        ]
        if not open_runs:
            break
        # all runs are read as far as the one that comes least far with so many pairs
        last = min(
            pairs[min(starts[number] + at_once, len(pairs)) - 1] for number, pairs, _ in open_runs
        )
        parts = []
        for number, pairs, counts in open_runs:
            start = starts[number]
            stop = start + int(np.searchsorted(pairs[start : start + at_once], last, "right"))
            parts.append((pairs[start:stop], counts[start:stop]))
            starts[number] = stop
        found, sums = _summed(parts)
        n = len(found)
        columns[written : written + n] = found & np.uint64(0xFFFFFFFF)
        values[written : written + n] = sums
        lengths += np.bincount((found >> np.uint64(32)).astype(np.int64), minlength=n_words)
        written += n
    columns.resize(written, refcheck=False)
    values.resize(written, refcheck=False)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return csr_matrix((values, columns, indptr), shape=(n_words, n_words))


def _summed(parts: list[Run]) -> Run:
    """Sum the counts of pairs that are in several parts."""
    if len(parts) == 1:
        return parts[0]
    pairs = np.concatenate([part[0] for part in parts])
    counts = np.concatenate([part[1] for part in parts])
    order = np.argsort(pairs, kind="stable")
    pairs, counts = pairs[order], counts[order]
    firsts = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
    return pairs[firsts], np.add.reduceat(counts, firsts)
