"""Where candidate negatives come from: for the kernel, and for anybody's training loop."""

from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _validation
from ._native import effective_threads, kernel, threads_for
from ._typing import Floats, MatrixLike, RandomStateLike

__all__ = ["AdaptiveSampler", "ExactSampler", "PopularitySampler", "UniformSampler"]

# ranks beyond this many times the scale of the law hold exp(-10) of its mass
DEPTH_IN_SCALES = 10
# numbers that are counted at once, as NumPy makes larger ones of them
COUNTED_AT_ONCE = 1 << 21


def count_labels(indices: NDArray[np.int32], n_labels: int) -> NDArray[np.int64]:
    """Count the images of every label."""
    counts = np.zeros(n_labels, dtype=np.int64)
    for start in range(0, len(indices), COUNTED_AT_ONCE):
        counts += np.bincount(indices[start : start + COUNTED_AT_ONCE], minlength=n_labels)
    return counts


def rank_law(n_labels: int, rank_scale: float, released: bool = False) -> NDArray[np.float64]:
    """Probabilities of the ranks 1 to R, in proportion to exp(-rank / scale).

    The scale is ``max(1, rank_scale * n_labels)`` and R is ten times that, at most `n_labels`
    (Eq. 6 of the paper, read as exp(-r / lambda)). The released code rounds rank / scale down.
    """
    scale = max(1.0, rank_scale * n_labels)
    # a scale may be too large for an integer
    depth = n_labels if DEPTH_IN_SCALES * scale >= n_labels else ceil(DEPTH_IN_SCALES * scale)
    ranks = np.arange(1, depth + 1)
    exponent = ranks // int(min(scale, n_labels + 1)) if released else (ranks - 1) / scale
    weights: NDArray[np.float64] = np.exp(-exponent.astype(np.float64))
    weights /= weights.sum()
    return weights


def popularity_weights(
    counts: NDArray[np.int64] | NDArray[np.float64], exponent: float
) -> NDArray[np.float64]:
    """Return what labels are drawn in proportion to: a power of their counts."""
    # a power of counts themselves may be infinite
    weights: NDArray[np.float64] = (counts / max(counts.max(initial=0), 1e-300)) ** exponent
    return weights


def make_sampler(
    kind: str,
    n_labels: int,
    columns: int,
    *,
    rank_scale: float = 1.0,
    label_weights: NDArray[np.float64] | None = None,
    released: bool = False,
) -> kernel.Sampler:
    """Make a kernel sampler; ``label_weights`` are those of the popularity sampler."""
    law: NDArray[np.float64] | None = None
    table: NDArray[np.uint16] | NDArray[np.uint32] | None = None
    if label_weights is not None:
        law = label_weights / label_weights.sum()
    elif kind in ("adaptive", "exact"):
        law = rank_law(n_labels, rank_scale, released)
        if kind == "adaptive":
            shape = (columns, min(n_labels, 2 * len(law)))
            few = n_labels <= 2**16
            table = np.zeros(shape, np.uint16) if few else np.zeros(shape, np.uint32)
    return kernel.Sampler(
        kind,
        n_labels,
        columns,
        None if law is None else kernel.alias_table(law),
        law,
        table,
        variance=released,
    )


class _SamplerObject:
    """What the samplers have in common: drawing and its law."""

    n_labels: int
    _columns: int | None
    _sampler: kernel.Sampler

    def _start(self, random_state: RandomStateLike, num_threads: int) -> None:
        self._seed = _validation.seed_from(random_state)
        self._calls = 0
        self._num_threads = num_threads

    def refresh(self, item_factors: ArrayLike) -> None:
        """Do nothing: this sampler does not depend on the factors.

        Parameters
        ----------
        item_factors : array-like of float of shape (n_labels, n_factors)
            Not read, so that a training loop can call this whatever the sampler is.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import UniformSampler
        >>> UniformSampler(5, random_state=0).refresh(np.ones((5, 3)))
        """

    def sample(
        self, user_factors: ArrayLike, size: int, exclude: MatrixLike | None = None
    ) -> NDArray[np.int32]:
        """Draw labels for every row.

        Parameters
        ----------
        user_factors : array-like of float of shape (n, n_factors)
            Factors of the images; float32 in C order is read in place where all rows start at
            multiples of 64 bytes. The uniform and popularity samplers use its length only.
        size : int
            Labels to draw for a row, with replacement.
        exclude : sparse matrix of shape (n, n_labels), optional
            Labels never to draw for a row, such as its positives. A label that comes up and is
            excluded is drawn again up to 32 times, and then one that is not excluded is drawn
            uniformly.

        Returns
        -------
        ndarray of int32 of shape (n, size)
            Labels; -1 for rows that exclude every label.

        Raises
        ------
        ValueError
            `size` is below 1, or `user_factors` or `exclude` has the wrong shape.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import UniformSampler
        >>> UniformSampler(5, random_state=0).sample(np.ones((2, 3)), size=4).shape
        (2, 4)
        """
        size = _validation.check_n(size, "size")
        users, indptr, indices = self._arguments(user_factors, exclude)
        out = np.empty((len(users), size), dtype=np.int32)
        if len(users):
            self._sampler.draw(
                users, out, indptr, indices, self._seed, self._calls, self._threads(out.size)
            )
        self._calls += 1
        return out

    def probability(
        self, user_factors: ArrayLike, exclude: MatrixLike | None = None
    ) -> NDArray[np.float64]:
        """Compute the law that `sample` draws from, redraws and fallback included.

        Parameters
        ----------
        user_factors : array-like of float of shape (n, n_factors)
            As for `sample`.
        exclude : sparse matrix of shape (n, n_labels), optional
            As for `sample`.

        Returns
        -------
        ndarray of float64 of shape (n, n_labels)
            Rows sum to 1, or to 0 where every label is excluded.

        Raises
        ------
        ValueError
            `user_factors` or `exclude` has the wrong shape.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import PopularitySampler
        >>> PopularitySampler([1, 3, 4], exponent=1).probability(np.ones((1, 2))).tolist()
        [[0.125, 0.375, 0.5]]
        """
        users, indptr, indices = self._arguments(user_factors, exclude)
        out = np.empty((len(users), self.n_labels), dtype=np.float64)
        if len(users):
            self._sampler.probability(users, out, indptr, indices, self._threads(out.size))
        return out

    def _threads(self, work: int) -> int:
        return threads_for(work, effective_threads(self._num_threads))

    def _arguments(
        self, user_factors: ArrayLike, exclude: MatrixLike | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64] | None, NDArray[np.int32] | None]:
        users = _validation.check_factors(user_factors, self._columns, "user_factors")
        users = padded(users)
        if exclude is None:
            return users, None, None
        return users, *_validation.check_exclusions(exclude, len(users), self.n_labels)


class _FactorSampler(_SamplerObject):
    """A sampler that follows the factors of the labels."""

    _kind: str

    def __init__(
        self,
        item_factors: ArrayLike,
        rank_scale: float = 0.1,
        *,
        random_state: RandomStateLike = None,
        num_threads: int = 0,
    ):
        items = _validation.check_factors(item_factors, None, "item_factors")
        if not len(items):
            raise ValueError(
                f"item_factors must have a row for every label, got an array of shape {items.shape}"
            )
        self.rank_scale: float = _validation.check_positive(rank_scale, "rank_scale")
        self.n_labels: int
        self.n_labels, self._columns = items.shape
        self._sampler = make_sampler(
            self._kind, self.n_labels, self._columns, rank_scale=self.rank_scale
        )
        self._start(random_state, num_threads)
        self.refresh(items)

    def refresh(self, item_factors: ArrayLike) -> None:
        """Follow the label factors as they are now.

        Parameters
        ----------
        item_factors : array-like of float of shape (n_labels, n_factors)
            Of the same shape as before. float32 in C order, whose rows all start at multiples of
            64 bytes, is read in place; the exact sampler then sees later changes of the array, too.

        Raises
        ------
        ValueError
            The shape is another one.

        Notes
        -----
        The adaptive sampler sorts the labels by every factor here. `VSEens` does it once in
        ``refresh_interval * n_labels * ln(n_labels)`` pairs.

        Examples
        --------
        >>> import numpy as np
        >>> from vseens_rec import AdaptiveSampler
        >>> items = np.random.default_rng(0).normal(size=(100, 4))
        >>> sampler = AdaptiveSampler(items, rank_scale=0.01, random_state=0)
        >>> sampler.refresh(-items)
        >>> best = int((-items[:, 0]).argmax())
        >>> bool(sampler.probability(np.eye(4)[:1])[0].argmax() == best)
        True
        """
        items = _validation.check_factors(item_factors, self._columns, "item_factors")
        if len(items) != self.n_labels:
            raise ValueError(
                f"item_factors has {len(items)} rows, but the sampler was made for "
                f"{self.n_labels} labels: make a new one"
            )
        self._sampler.refresh(padded(items), effective_threads(self._num_threads))


class AdaptiveSampler(_FactorSampler):
    """The sampler of VSE-ens: labels that score high now, at a cost of O(factors) a draw.

    A rank r has probability proportional to ``exp(-r / (rank_scale * n_labels))``, a factor f one
    proportional to ``|v_f| sigma_f``, where v are the factors of the row and sigma the standard
    deviations over the labels; the label is the one at rank r of those sorted by factor f, from
    the largest if ``v_f > 0``, from the smallest if ``v_f < 0`` (Eqs. 6 to 10 of the paper). The
    scale is one rank at least, and ranks beyond ten times the scale are never drawn.

    Parameters
    ----------
    item_factors : array-like of float of shape (n_labels, n_factors)
        Factors of the labels.
    rank_scale : float, default=0.1
        Scale of the law of ranks as a fraction of the number of labels.
    random_state : int, RandomState, Generator or None, default=None
        Seed. The n-th call of `sample` draws the same labels for the same arguments.
    num_threads : int, default=0
        Upper limit of the threads; 0: all processors of the process. Draws do not depend on it.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec import AdaptiveSampler
    >>> rng = np.random.default_rng(0)
    >>> items, users = rng.normal(size=(1000, 8)), rng.normal(size=(4, 8))
    >>> sampler = AdaptiveSampler(items, rank_scale=0.01, random_state=0)
    >>> drawn = sampler.sample(users, size=500)
    >>> scores = users @ items.T
    >>> bool(np.take_along_axis(scores, drawn, 1).mean() > scores.mean() + 1)
    True
    """

    _kind = "adaptive"


class ExactSampler(_FactorSampler):
    """The law of ranks over the true ranking: what `AdaptiveSampler` approximates.

    Every call scores and sorts all labels for every row. The law has the least scale and the end
    that it has there.

    Parameters
    ----------
    item_factors : array-like of float of shape (n_labels, n_factors)
        Factors of the labels.
    rank_scale : float, default=0.1
        Scale of the law of ranks as a fraction of the number of labels.
    random_state : int, RandomState, Generator or None, default=None
        Seed.
    num_threads : int, default=0
        Upper limit of the threads; 0: all processors of the process.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec import ExactSampler
    >>> rng = np.random.default_rng(0)
    >>> items, users = rng.normal(size=(100, 4)), rng.normal(size=(2, 4))
    >>> law = ExactSampler(items, rank_scale=0.02, random_state=0).probability(users)
    >>> bool((law.argmax(axis=1) == (users @ items.T).argmax(axis=1)).all())
    True
    """

    _kind = "exact"


class UniformSampler(_SamplerObject):
    """Every label alike.

    Parameters
    ----------
    n_labels : int
        Number of labels.
    random_state : int, RandomState, Generator or None, default=None
        Seed.
    num_threads : int, default=0
        Upper limit of the threads; 0: all processors of the process.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec import UniformSampler
    >>> sampler = UniformSampler(4, random_state=0)
    >>> sampler.probability(np.ones((1, 2)), exclude=np.array([[1, 0, 0, 1]])).tolist()
    [[0.0, 0.5, 0.5, 0.0]]
    """

    def __init__(
        self, n_labels: int, *, random_state: RandomStateLike = None, num_threads: int = 0
    ):
        self.n_labels: int = _validation.check_n(n_labels, "n_labels")
        if self.n_labels > _validation.MAX_LABELS:
            raise ValueError(f"n_labels must be at most {_validation.MAX_LABELS}, got {n_labels}")
        self._columns = None
        self._sampler = make_sampler("uniform", self.n_labels, 1)
        self._start(random_state, num_threads)


class PopularitySampler(_SamplerObject):
    """Labels in proportion to a power of their popularity.

    Parameters
    ----------
    popularity : array-like of float of shape (n_labels,)
        How often every label occurs; >= 0 and not all 0.
    exponent : float, default=0.75
        The power, 0 or more; 0.75 is that of word2vec (Mikolov et al., NIPS 2013).
    random_state : int, RandomState, Generator or None, default=None
        Seed.
    num_threads : int, default=0
        Upper limit of the threads; 0: all processors of the process.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec import PopularitySampler
    >>> from vseens_rec.datasets import load_emoji
    >>> X = load_emoji().matrix
    >>> sampler = PopularitySampler(X.getnnz(axis=0), random_state=0)
    >>> drawn = sampler.sample(np.ones((2, 1)), size=100, exclude=X[:2])
    >>> bool(np.isin(drawn[0], X[0].indices).any())
    False
    """

    def __init__(
        self,
        popularity: ArrayLike,
        exponent: float = 0.75,
        *,
        random_state: RandomStateLike = None,
        num_threads: int = 0,
    ):
        weights = _validation.check_weights(popularity, "popularity")
        self.exponent: float = _validation.check_positive(exponent, "exponent", or_zero=True)
        self.n_labels: int = len(weights)
        self._columns = None
        self._sampler = make_sampler(
            "popularity",
            self.n_labels,
            1,
            label_weights=popularity_weights(weights, self.exponent),
        )
        self._start(random_state, num_threads)


def padded(factors: Floats, *, copy: bool = False) -> NDArray[np.float32]:
    """Return float32 rows as the kernel reads them; a copy only if asked for or needed."""
    width = kernel.padded_width(factors.shape[1])
    ready = width == factors.shape[1] and factors.ctypes.data % 64 == 0
    if ready and factors.dtype == np.float32 and factors.flags.c_contiguous and not copy:
        return factors
    rows = kernel.aligned_rows(len(factors), width)
    rows[:, : factors.shape[1]] = factors
    return rows
