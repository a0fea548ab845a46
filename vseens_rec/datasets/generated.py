"""Synthetic annotations from a planted model, from unit tests to tens of millions of pairs."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from scipy import sparse
from sklearn.utils import Bunch

from .._typing import RandomStateLike
from .._validation import check_n, check_random_state
from .annotations import ones_csr

__all__ = ["make_annotations"]

# Constants of the planted model. The offset is that of the Zipf-Mandelbrot law for text: it keeps
# the first few labels from filling their topic, which real tag counts do not show either.
_ZIPF_OFFSET = 2.7
_TOPIC_SHARE = 0.8
_TOPIC_COUNT_LAW = (0.5, 0.3, 0.2)
_ROW_SIZE_SIGMA = 1.0
_DEFAULT_N_TOPICS = 32

# Pairs, or cells of a dense piece, worked on at once: a few tens of megabytes of temporaries.
_BLOCK_PAIRS = 1 << 19
# Bounds the rounds of rejection for short rows of very concentrated laws.
_MAX_ROUNDS = 64


@overload
def make_annotations(
    n_images: int = ...,
    n_labels: int = ...,
    n_pairs: int = ...,
    *,
    n_topics: int | None = ...,
    random_state: RandomStateLike = ...,
    return_planted: Literal[False] = False,
) -> sparse.csr_matrix: ...
@overload
def make_annotations(
    n_images: int = ...,
    n_labels: int = ...,
    n_pairs: int = ...,
    *,
    n_topics: int | None = ...,
    random_state: RandomStateLike = ...,
    return_planted: Literal[True],
) -> Bunch: ...
def make_annotations(
    n_images: int = 1000,
    n_labels: int = 500,
    n_pairs: int = 10_000,
    *,
    n_topics: int | None = None,
    random_state: RandomStateLike = None,
    return_planted: bool = False,
) -> sparse.csr_matrix | Bunch:
    """Draw annotations from a planted topic model, with exactly `n_pairs` pairs.

    Labels have a Zipf-Mandelbrot popularity, in a random order of columns. Each label belongs to
    one topic; a topic draws from its own labels four times out of five and from all labels else,
    by popularity either way. Each image mixes one to three topics, and popular topics are in
    more images. The number of labels of an image is skewed (lognormal). The labels of an image
    are drawn one after another, without replacement, from the mixture of its topics.

    Parameters
    ----------
    n_images : int, default=1000
        Number of images (rows), at least 1.
    n_labels : int, default=500
        Number of labels (columns), at least 1.
    n_pairs : int, default=10_000
        Number of distinct pairs of image and label, from 1 to ``n_images * n_labels``. If it is
        `n_images` or more, every image has a label. A label may be left without an image.
    n_topics : int or None, default=None
        Number of topics, from 1 to `n_labels`. None means 32, or `n_labels` if that is less.
    random_state : int, numpy.random.RandomState, numpy.random.Generator or None, default=None
        Seed or source of the randomness. An int gives the same result at every call, a
        RandomState or Generator is advanced, None gives another result at every call.
    return_planted : bool, default=False
        Whether to return the planted model too. It does not change the matrix.

    Returns
    -------
    matrix : scipy.sparse.csr_matrix of float32, shape (n_images, n_labels)
        1 for each pair, in canonical form: int32 indices, sorted and distinct in each row.
        The indices are int64 if there are more pairs than int32 counts. Only this is returned
        if `return_planted` is false.
    data : sklearn.utils.Bunch
        If `return_planted` is true, with the attributes

        matrix : scipy.sparse.csr_matrix of float32, shape (n_images, n_labels)
            As above.
        image_topics : scipy.sparse.csr_matrix of float64, shape (n_images, n_topics)
            Topic weights of each image; rows sum to 1.
        topic_labels : numpy.ndarray of float64, shape (n_topics, n_labels)
            Label probabilities of each topic; rows sum to 1. The law the labels of image ``i``
            were drawn from is ``image_topics[i] @ topic_labels``.

    Raises
    ------
    TypeError
        If a size is not an integer, or `random_state` is of none of the types above.
    ValueError
        If a size is less than 1, `n_pairs` is more than ``n_images * n_labels``, `n_topics` is
        more than `n_labels`, or an int `random_state` is negative.

    See Also
    --------
    load_emoji : A small real data set.

    Notes
    -----
    Rows are drawn in blocks straight into the arrays of the result. The memory used beyond the
    result is 16 bytes for each of the ``n_topics * n_labels`` probabilities and some tens of
    megabytes for a block. The sizes of the rows are drawn before the result is filled, with about
    40 bytes an image for that time.

    Examples
    --------
    >>> from vseens_rec.datasets import make_annotations
    >>> X = make_annotations(n_images=200, n_labels=50, n_pairs=1500, random_state=0)
    >>> X.shape, X.nnz
    ((200, 50), 1500)
    >>> data = make_annotations(200, 50, 1500, n_topics=4, random_state=0, return_planted=True)
    >>> law = data.image_topics @ data.topic_labels
    >>> law.shape, bool((abs(law.sum(axis=1) - 1) < 1e-9).all())
    ((200, 50), True)
    """
    n_images = check_n(n_images, "n_images")
    n_labels = check_n(n_labels, "n_labels")
    n_pairs = check_n(n_pairs, "n_pairs")
    if n_pairs > n_images * n_labels:
        raise ValueError(
            f"n_pairs={n_pairs}: expected at most n_images * n_labels = {n_images} * {n_labels} "
            f"= {n_images * n_labels} distinct pairs"
        )
    if n_topics is None:
        n_topics = min(_DEFAULT_N_TOPICS, n_labels)
    n_topics = check_n(n_topics, "n_topics")
    if n_topics > n_labels:
        raise ValueError(f"n_topics={n_topics}: expected at most n_labels = {n_labels}")
    rng = _make_generator(random_state)

    topic_weights, topic_labels = _draw_topics(n_topics, n_labels, rng)
    topic_cdf = np.cumsum(topic_weights)
    label_cdf = _stack_cdf(topic_labels)

    # scipy wants one dtype for both index arrays, so indptr decides.
    index_dtype = np.int32 if n_pairs <= np.iinfo(np.int32).max else np.int64
    indptr = np.zeros(n_images + 1, index_dtype)
    np.cumsum(_draw_row_sizes(n_images, n_labels, n_pairs, rng), out=indptr[1:])
    indices = np.empty(n_pairs, index_dtype)
    planted = []
    start = 0
    while start < n_images:
        offset = int(indptr[start])
        # Of the dtype of indptr, or searchsorted would convert all of indptr for each block.
        limit = index_dtype(min(offset + _BLOCK_PAIRS, n_pairs))
        stop = int(np.searchsorted(indptr, limit, side="right")) - 1
        stop = min(max(stop, start + 1), start + _BLOCK_PAIRS)
        bounds = indptr[start : stop + 1].astype(np.int64) - offset
        topics, weights = _draw_mixtures(stop - start, topic_cdf, rng)
        out = indices[offset : offset + bounds[-1]]
        _draw_labels(out, bounds, topics, weights, topic_labels, label_cdf, rng)
        if return_planted:
            planted.append(_mixture_csr(topics, weights, n_topics))
        start = stop

    matrix = ones_csr(indices, indptr, (n_images, n_labels))
    if not return_planted:
        return matrix
    image_topics = sparse.csr_matrix(sparse.vstack(planted, format="csr"))
    return Bunch(matrix=matrix, image_topics=image_topics, topic_labels=topic_labels)


def _make_generator(random_state: RandomStateLike) -> np.random.Generator:
    """Return the Generator that `random_state` stands for."""
    check_random_state(random_state)
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(0, 1 << 32, size=4, dtype=np.uint32))
    return np.random.default_rng(random_state)


def _draw_topics(
    n_topics: int, n_labels: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the topic weights, shape (n_topics,), and the label law of each topic."""
    ranked = 1.0 / (np.arange(1, n_labels + 1) + _ZIPF_OFFSET)
    ranked /= ranked.sum()
    # Each run of n_topics ranks is dealt out one label a topic: every topic gets popular labels
    # and rare ones, and none is empty.
    n_runs = -(-n_labels // n_topics)
    home = rng.permuted(np.tile(np.arange(n_topics), (n_runs, 1)), axis=1).ravel()[:n_labels]
    column = rng.permutation(n_labels)
    # With the mass of its labels as the weight of a topic, the law of a label drawn from a random
    # image is the popularity itself, exactly: the topics leave the Zipf law as it is.
    weights = np.bincount(home, weights=ranked, minlength=n_topics)
    topic_labels = np.empty((n_topics, n_labels))
    topic_labels[:, column] = (1.0 - _TOPIC_SHARE) * ranked
    topic_labels[home, column] += _TOPIC_SHARE * ranked / weights[home]
    topic_labels /= topic_labels.sum(axis=1, keepdims=True)
    return weights, topic_labels


def _draw_row_sizes(
    n_images: int, n_labels: int, n_pairs: int, rng: np.random.Generator
) -> np.ndarray:
    """Return skewed row sizes, int32 (n_images,), that sum to n_pairs, none over n_labels."""
    base = 1 if n_pairs >= n_images else 0
    room = n_labels - base
    excess = n_pairs - base * n_images
    share = rng.lognormal(sigma=_ROW_SIZE_SIGMA, size=n_images)
    share *= excess / share.sum()
    full = share > room
    # What the cut rows lose goes to the others, which may push further rows over the room.
    while full.any() and not full.all():
        share[full] = room
        share[~full] *= (excess - room * int(full.sum())) / share[~full].sum()
        over = share > room
        if not over.any():
            break
        full |= over
    sizes = np.minimum(share, room, out=share).astype(np.int32)
    sizes += base
    missing = n_pairs - int(sizes.sum(dtype=np.int64))
    while missing:
        open_rows = np.flatnonzero(sizes < n_labels)
        if missing < len(open_rows):
            open_rows = rng.choice(open_rows, missing, replace=False, shuffle=False)
        sizes[open_rows] += 1
        missing -= len(open_rows)
    return sizes


def _draw_mixtures(
    n_rows: int, topic_cdf: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return topics and their weights, each (n_rows, 3); unused places have weight 0."""
    n_places = len(_TOPIC_COUNT_LAW)
    topics = np.searchsorted(topic_cdf, rng.random((n_rows, n_places)), side="right")
    np.minimum(topics, len(topic_cdf) - 1, out=topics)
    used = np.searchsorted(np.cumsum(_TOPIC_COUNT_LAW[:-1]), rng.random(n_rows), side="right")
    # Normalised exponentials: uniform over all mixtures of the topics used.
    weights = rng.standard_exponential((n_rows, n_places))
    weights[np.arange(n_places) > used[:, None]] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    return topics, weights


def _mixture_csr(topics: np.ndarray, weights: np.ndarray, n_topics: int) -> sparse.csr_matrix:
    """Return the mixtures of a block of rows as a canonical matrix."""
    n_rows, n_places = topics.shape
    indptr = np.arange(0, n_rows * n_places + 1, n_places)
    mixture = sparse.csr_matrix(
        (weights.ravel(), topics.ravel(), indptr), shape=(n_rows, n_topics), copy=True
    )
    mixture.eliminate_zeros()
    # One topic may have been drawn twice.
    mixture.sum_duplicates()
    return mixture


def _stack_cdf(topic_labels: np.ndarray) -> np.ndarray:
    """Return the laws as one increasing array: that of topic t fills the span from t to t + 1.

    One search then serves draws from all topics at once.
    """
    cdf = np.cumsum(topic_labels, axis=1)
    cdf[:, -1] = 1.0
    np.minimum(cdf, 1.0, out=cdf)
    cdf += np.arange(len(cdf))[:, None]
    return cdf.ravel()


def _draw_labels(
    out: np.ndarray,
    bounds: np.ndarray,
    topics: np.ndarray,
    weights: np.ndarray,
    topic_labels: np.ndarray,
    label_cdf: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Write the labels of a block of rows into `out`, sorted within each row.

    Row ``i`` fills ``out[bounds[i]:bounds[i + 1]]``. Each round draws as many labels as its rows
    still lack and drops repeats. As no round draws more than is lacking, every draw of the stream
    counts until its row is full, so the result is that of drawing one label after another.
    """
    n_labels = topic_labels.shape[1]
    sizes = np.diff(bounds)
    shares = np.cumsum(weights, axis=1)
    rows = np.flatnonzero(sizes)
    lacking = sizes[rows]
    # A key is row * n_labels + label: one sort orders the rows and the labels in them.
    keys = np.empty(0, np.int64)
    n_rounds = 0
    while rows.size:
        # The race costs n_labels a row, a round the size of the row: rows that have taken as much
        # by rejection, or would at once, stop rejecting.
        slow = sizes[rows] * (n_rounds + 2) > n_labels
        if n_rounds == _MAX_ROUNDS:
            slow[:] = True
        if slow.any():
            in_slow = np.repeat(slow, sizes[rows] - lacking)
            _race_labels(out, bounds, rows[slow], keys[in_slow], topics, weights, topic_labels, rng)
            rows, lacking, keys = rows[~slow], lacking[~slow], keys[~in_slow]
        row = np.repeat(rows, lacking)
        spot = rng.random(row.size)
        place = np.zeros(row.size, np.intp)
        for column in range(topics.shape[1] - 1):
            place += spot >= shares[row, column]
        topic = topics[row, place]
        label = np.searchsorted(label_cdf, topic + rng.random(row.size), side="right")
        label -= topic * n_labels
        # The sum above may round up to the end of the span.
        np.minimum(label, n_labels - 1, out=label)
        keys = np.concatenate([keys, row * n_labels + label])
        keys.sort()
        fresh = np.ones(keys.size, bool)
        np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
        keys = keys[fresh]
        found = np.searchsorted(keys, (rows + 1) * n_labels)
        found -= np.searchsorted(keys, rows * n_labels)
        lacking = sizes[rows] - found
        done = lacking == 0
        in_done = np.repeat(done, found)
        _write_rows(out, bounds, rows[done], keys[in_done] % n_labels)
        rows, lacking, keys = rows[~done], lacking[~done], keys[~in_done]
        n_rounds += 1


def _race_labels(
    out: np.ndarray,
    bounds: np.ndarray,
    rows: np.ndarray,
    keys: np.ndarray,
    topics: np.ndarray,
    weights: np.ndarray,
    topic_labels: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Complete `rows`, which have the labels of `keys` already, whatever their law.

    Exponential arrival times, each divided by the probability of its label: the order of arrival
    is that of drawing one label after another without replacement.
    """
    n_labels = topic_labels.shape[1]
    step = max(1, _BLOCK_PAIRS // n_labels)
    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        law = np.zeros((len(part), n_labels))
        for column in range(topics.shape[1]):
            law += weights[part, column, None] * topic_labels[topics[part, column]]
        arrival = rng.standard_exponential(law.shape)
        arrival /= law
        low, high = np.searchsorted(keys, [part[0] * n_labels, (part[-1] + 1) * n_labels])
        had = keys[low:high]
        # Before all others: what a row has already stays in it.
        arrival[np.searchsorted(part, had // n_labels), had % n_labels] = -1.0
        wanted = np.arange(n_labels) < np.diff(bounds)[part, None]
        taken = np.empty(law.shape, bool)
        np.put_along_axis(taken, np.argsort(arrival, axis=1), wanted, axis=1)
        _write_rows(out, bounds, part, np.nonzero(taken)[1])


def _write_rows(out: np.ndarray, bounds: np.ndarray, rows: np.ndarray, labels: np.ndarray) -> None:
    """Write the labels of complete `rows`, given one row after another, to their places."""
    sizes = bounds[rows + 1] - bounds[rows]
    shift = bounds[rows] - (np.cumsum(sizes) - sizes)
    out[np.arange(len(labels)) + np.repeat(shift, sizes)] = labels
