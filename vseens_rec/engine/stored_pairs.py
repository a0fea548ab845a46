"""The pairs that a model remembers, as images and labels come or change."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .interactions import count_labels
from .updates import transposed

# changed rows that are kept beside the others before all become one array again: at least so many,
# and a share of all rows where that is more
MOST_CHANGED = 1024
SHARE_OF_CHANGED = 1 / 8
# looks through all pairs for a label after which the images of every label are listed
MOST_SEARCHES = 16
# rounds of draws before all rows are looked through for those that are not empty
MOST_ROUNDS = 16

NOTHING = np.zeros(0, np.int32)

_appending = threading.Lock()


class _Base:
    """A pattern that does not change, and what is worked out of it when it is asked for."""

    def __init__(self, indptr: NDArray[np.integer[Any]], indices: NDArray[np.int32]):
        self.indptr, self.indices = indptr, indices
        self.n_labels = int(indices.max(initial=-1)) + 1
        self.searches = 0

    @cached_property
    def _columns(self) -> csr_matrix:
        ones = np.ones(len(self.indices), np.int8)
        shape = (len(self.indptr) - 1, self.n_labels)
        return transposed(csr_matrix((ones, self.indices, self.indptr), shape, copy=False))

    def images_of(self, labels: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Find the rows that have one of some labels."""
        labels = labels[labels < self.n_labels]
        self.searches += len(labels)
        if self.searches <= MOST_SEARCHES:
            places = [np.flatnonzero(self.indices == label) for label in labels.tolist()]
            where = np.concatenate([*places, np.zeros(0, np.int64)])
            images: NDArray[np.int64] = np.searchsorted(self.indptr, where, side="right") - 1
        else:
            images = self._columns[labels].indices.astype(np.int64)
        return images


class _Log:
    """Rows that took the place of others, one behind the other; rows are added, and none changes.

    Those who share it each know how many of its rows are theirs.
    """

    def __init__(self, n_rows: int) -> None:
        self.n = 0
        self.labels = np.empty(64, np.int32)
        self.ends = np.zeros(16, np.int64)
        self.numbers = np.empty(16, np.int64)
        # of every row the last place here, or -1
        self.places = np.full(n_rows, -1, np.int32)

    def append(self, rows: dict[int, NDArray[np.int32]]) -> None:
        """Add rows by their numbers."""
        n, end = self.n, int(self.ends[self.n])
        lengths = [len(row) for row in rows.values()]
        self.labels = _with_room(self.labels, end, end + sum(lengths))
        self.ends = _with_room(self.ends, n + 1, n + 1 + len(rows))
        self.numbers = _with_room(self.numbers, n, n + len(rows))
        most = max(rows, default=-1) + 1
        if most > len(self.places):
            used = len(self.places)
            places = _with_room(self.places, used, most)
            places[used:] = -1
            self.places = places
        for place, (number, row) in enumerate(rows.items(), n):
            self.labels[end : end + len(row)] = row
            end += len(row)
            self.ends[place + 1] = end
            self.numbers[place] = number
            self.places[number] = place
        self.n = n + len(rows)


def _with_room(array: NDArray[Any], used: int, needed: int) -> NDArray[Any]:
    if needed <= len(array):
        return array
    grown: NDArray[Any] = np.empty(needed + needed // 2, array.dtype)
    grown[:used] = array[:used]
    return grown


# a pattern, the rows that changed since, and how many of those count
_Rows: TypeAlias = tuple[_Base, _Log | None, int]


class StoredPairs:
    """The labels that every image has: a pattern by rows, and the rows that changed since.

    It does not change: an update returns another one, which shares the pattern, at the cost of
    what is updated. After updates of 1,024 rows, or an eighth of all where that is more, they are
    copied to a pattern of their own.

    Parameters
    ----------
    indptr, indices : ndarray
        Of a canonical CSR matrix; kept as they are.
    """

    def __init__(self, indptr: NDArray[np.integer[Any]], indices: NDArray[np.int32]):
        self._begin(_Base(indptr, indices))

    def _begin(self, base: _Base) -> None:
        self._n_rows, self._n_pairs = len(base.indptr) - 1, len(base.indices)
        # no label is as large; a smaller number may be true after rows were replaced
        self._n_labels = base.n_labels
        self._counts: NDArray[np.int64] | None = None
        # set at once: another thread may be reading
        self._rows: _Rows = (base, None, 0)

    @classmethod
    def of(cls, matrix: csr_matrix) -> StoredPairs:
        """Copy the pairs of a canonical matrix."""
        return cls(matrix.indptr.copy(), matrix.indices.astype(np.int32))

    def __len__(self) -> int:
        return self._n_rows

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredPairs, self.arrays()

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return self._n_pairs

    def fits(self, n_labels: int) -> bool:
        """Tell whether all labels are below a number."""
        if self._n_labels <= n_labels:
            return True
        return bool(self.arrays()[1].max(initial=-1) < n_labels)

    def counts(self, n_labels: int) -> NDArray[np.int64]:
        """Count the images of every label, which an update keeps up to date."""
        if self._counts is None:
            self._counts = count_labels(self.arrays()[1], max(n_labels, self._n_labels))
        counts: NDArray[np.int64] = np.zeros(n_labels, np.int64)
        counts[: len(self._counts)] = self._counts[:n_labels]
        return counts

    def row(self, number: int) -> NDArray[np.int32]:
        """Return the labels of an image."""
        base, log, n_log = self._rows
        if log is not None and number < len(log.places):
            place = int(log.places[number])
            if place >= 0:
                if place >= n_log:
                    return self._own_log().row(number)
                return log.labels[log.ends[place] : log.ends[place + 1]]
        if number + 1 >= len(base.indptr):
            return base.indices[:0]
        return base.indices[base.indptr[number] : base.indptr[number + 1]]

    def rows(self, numbers: NDArray[np.integer[Any]]) -> tuple[np.ndarray, NDArray[np.int32]]:
        """Return the labels of several images, as indptr and indices."""
        starts, lengths, changed, (base, log, _) = self._find(numbers)
        ends = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)
        if log is None or not changed.any():
            return ends, base.indices[places]
        found = np.empty(len(places), np.int32)
        of_log = np.repeat(changed, lengths)
        found[of_log] = log.labels[places[of_log]]
        found[~of_log] = base.indices[places[~of_log]]
        return ends, found

    def lengths(self, numbers: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Count the labels of several images."""
        return self._find(numbers)[1]

    def _find(
        self, numbers: NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], _Rows]:
        """Return where rows begin, how long they are, whether they are in the log, and of what.

        Another thread may put all rows into one array meanwhile, so that `_rows` is another one.
        """
        found = base, log, n_log = self._rows
        n_old = len(base.indptr) - 1
        inside = numbers
        if self._n_rows > n_old:
            inside = np.where(numbers < n_old, numbers, n_old)
        starts = base.indptr[inside].astype(np.int64)
        lengths = base.indptr[np.minimum(inside + 1, n_old)] - starts
        changed = np.zeros(len(numbers), bool)
        if log is None:
            return starts, lengths, changed, found
        known = np.minimum(numbers, len(log.places) - 1)
        places = np.where(known == numbers, log.places[known], -1)
        if places.max(initial=-1) >= n_log:
            return self._own_log()._find(numbers)
        changed = places >= 0
        own = places[changed]
        starts[changed] = log.ends[own]
        lengths[changed] = log.ends[own + 1] - log.ends[own]
        return starts, lengths, changed, found

    def _own_log(self) -> StoredPairs:
        """Copy the rows that changed, where somebody added others to them."""
        base, log, n_log = self._rows
        assert log is not None
        own = _Log(self._n_rows)
        for place in range(n_log):
            labels = log.labels[log.ends[place] : log.ends[place + 1]]
            own.append({int(log.numbers[place]): labels})
        self._rows = (base, own, n_log)
        return self

    def arrays(self) -> tuple[NDArray[np.integer[Any]], NDArray[np.int32]]:
        """Return indptr and indices of all rows."""
        base, log, _ = self._rows
        if log is None and self._n_rows == len(base.indptr) - 1:
            return base.indptr, base.indices
        merged, labels = self.rows(np.arange(self._n_rows))
        if merged[-1] <= np.iinfo(base.indptr.dtype).max:
            merged = merged.astype(base.indptr.dtype, copy=False)
        base = _Base(merged, labels)
        self._rows = (base, None, 0)
        return base.indptr, base.indices

    def draw(
        self, generator: np.random.Generator, n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Draw pairs, each as likely as any other: images and labels."""
        images, labels = np.zeros(0, np.int64), np.zeros(0, np.int32)
        if not self.n_pairs:
            return images, labels
        # nobody adds rows meanwhile
        with _appending:
            base, log, n_log = self._rows
            if log is None:
                places = generator.integers(len(base.indices), size=n)
                return np.searchsorted(base.indptr, places, side="right") - 1, base.indices[places]
            if log.n > n_log:
                # the last place of a row may be that of somebody else
                base, log, n_log = self._own_log()._rows
                assert log is not None
            of_base, of_log = len(base.indices), int(log.ends[n_log])
            while len(images) < n:
                places = generator.integers(of_base + of_log, size=n - len(images))
                old, new = places[places < of_base], places[places >= of_base] - of_base
                rows = np.searchsorted(base.indptr, old, side="right") - 1
                entries = np.searchsorted(log.ends[: n_log + 1], new, side="right") - 1
                # what was replaced is drawn again
                kept, last = log.places[rows] < 0, log.places[log.numbers[entries]] == entries
                images = np.concatenate([images, rows[kept], log.numbers[entries[last]]])
                labels = np.concatenate([labels, base.indices[old[kept]], log.labels[new[last]]])
        return images, labels

    def draw_rows(self, generator: np.random.Generator, n: int) -> NDArray[np.int64]:
        """Draw images that have labels, each as likely as any other; none if there are none."""
        images = np.zeros(0, np.int64)
        if not self.n_pairs:
            return images
        for _ in range(MOST_ROUNDS):
            drawn = generator.integers(self._n_rows, size=n)
            images = np.append(images, drawn[self.lengths(drawn) > 0])
            if len(images) >= n:
                return images[:n]
        filled = np.flatnonzero(self.lengths(np.arange(self._n_rows)))
        return generator.choice(filled, size=n)

    def with_rows(self, numbers: NDArray[np.integer[Any]], rows: csr_matrix) -> StoredPairs:
        """Replace rows; there are as many as the largest number needs.

        Parameters
        ----------
        numbers : ndarray of int of shape (k,)
            Rows to replace, each once.
        rows : csr_matrix of shape (k, m)
            What replaces them; canonical.
        """
        new = {}
        for place, number in enumerate(numbers.tolist()):
            start, stop = rows.indptr[place : place + 2]
            new[number] = rows.indices[start:stop].astype(np.int32)
        return self._updated(new)

    def with_columns(
        self, labels: NDArray[np.integer[Any]], columns: csr_matrix, n_labels: int
    ) -> StoredPairs:
        """Replace the images of labels, each once; those from `n_labels` on have none yet."""
        gained: dict[int, list[int]] = {}
        for place, label in enumerate(labels.tolist()):
            start, stop = columns.indptr[place : place + 2]
            for image in columns.indices[start:stop].tolist():
                gained.setdefault(image, []).append(label)
        affected = set(gained)
        replaced = labels[labels < n_labels]
        if len(replaced):
            base, log, n_log = self._rows
            affected.update(base.images_of(replaced).tolist())
            if log is not None:
                where = np.flatnonzero(np.isin(log.labels[: log.ends[n_log]], replaced))
                entries = np.searchsorted(log.ends[: n_log + 1], where, side="right") - 1
                affected.update(log.numbers[entries].tolist())
        new = {}
        for image in affected:
            row = self.row(image)
            if len(replaced):
                row = row[~np.isin(row, replaced)]
            if image in gained:
                row = np.sort(np.concatenate([row, np.array(gained[image], dtype=np.int32)]))
            new[image] = row
        return self._updated(new)

    def _updated(self, new: dict[int, NDArray[np.int32]]) -> StoredPairs:
        result = StoredPairs.__new__(StoredPairs)
        result._n_rows = max([self._n_rows, *(number + 1 for number in new)])
        lasts = (int(row[-1]) + 1 for row in new.values() if len(row))
        result._n_labels = max([self._n_labels, *lasts])
        old = [self.row(number) for number in new]
        result._n_pairs = self._n_pairs + sum(map(len, new.values())) - sum(map(len, old))
        result._counts = None
        if self._counts is not None:
            result._counts = self.counts(max(result._n_labels, len(self._counts)))
            np.subtract.at(result._counts, np.concatenate([*old, NOTHING]), 1)
            np.add.at(result._counts, np.concatenate([*new.values(), NOTHING]), 1)
        with _appending:
            base, log, n_log = self._rows
            if log is None:
                log = _Log(self._n_rows)
            elif log.n != n_log:
                _, log, n_log = self._own_log()._rows
                assert log is not None
            log.append(new)
            result._rows = (base, log, log.n)
        most = max(min(MOST_CHANGED, result._n_rows), int(SHARE_OF_CHANGED * result._n_rows))
        if log.n > most or log.ends[log.n] > max(MOST_CHANGED, result._n_pairs):
            result.arrays()
        return result
