"""Ranking measures over all labels, for any model that scores them, and scorers of scikit-learn."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol, TypeAlias, overload

import numpy as np
import sklearn
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.validation import check_is_fitted

from . import _validation, frames
from ._native import effective_threads, kernel, limit_blas
from ._typing import MatrixLike
from .datasets.annotations import Annotations, matrices_of
from .engine.holdouts import hide_one_label
from .engine.measures import (
    COVERAGE,
    Factors,
    make_ranker,
    parse_metrics,
    rank_by_factors,
    values_of,
)
from .image_features import rows_of_features

__all__ = ["ranking_metrics", "ranking_scorer"]

# scores that are asked of a function or a model at once
SCORES_IN_BLOCK = 4_000_000
DEFAULT_METRICS = ("precision@10", "recall@10", "ndcg@10", "map", "mrr", "auc")


class HasFactors(Protocol):
    """A model whose scores are products of factors."""

    @property
    def user_factors(self) -> Any:
        """Factors of the images."""

    @property
    def item_factors(self) -> Any:
        """Factors of the labels."""


class HasRecommend(Protocol):
    """A model with the method of implicit's."""

    def recommend(
        self, userid: Any, user_items: Any, /, N: int, filter_already_liked_items: bool
    ) -> Any:
        """Return ids and scores."""


Scoring: TypeAlias = HasFactors | HasRecommend | Callable[[NDArray[np.int32]], ArrayLike]


@overload
def ranking_metrics(
    model: Scoring,
    X: MatrixLike | Annotations | None,
    y: MatrixLike | Annotations,
    metrics: str | Iterable[str] = ...,
    *,
    average: Literal[True] = True,
    num_threads: int = ...,
) -> dict[str, float]: ...
@overload
def ranking_metrics(
    model: Scoring,
    X: MatrixLike | Annotations | None,
    y: MatrixLike | Annotations,
    metrics: str | Iterable[str] = ...,
    *,
    average: bool,
    num_threads: int = ...,
) -> dict[str, Any]: ...
def ranking_metrics(
    model: Scoring,
    X: MatrixLike | Annotations | None,
    y: MatrixLike | Annotations,
    metrics: str | Iterable[str] = DEFAULT_METRICS,
    *,
    average: bool = True,
    num_threads: int = 0,
) -> dict[str, Any]:
    """Rank all labels that an image does not have yet, and measure where the held-out ones stand.

    Nothing is sampled: every label competes but those in `X`, other held-out labels of the image
    too. Where labels tie, every measure is its expectation over random orders of them, so that a
    model which gives all labels the same score does not score better than chance. Images with no
    held-out label are left out.

    Parameters
    ----------
    model : object or callable
        Something with ``user_factors`` and ``item_factors``, whose rows belong to those of `X`; a
        model with implicit's ``recommend``; a pipeline or a search that ends in one of these, which
        transforms `X` for it; a `NamedModel`; or a function that takes an array of row numbers and
        returns their scores, (rows, n_labels).
    X : sparse matrix or array-like of shape (n_images, n_labels), Annotations or None
        The labels that are known already (values > 0), which are not ranked. None: there are none.
    y : sparse matrix or array-like of shape (n_images, n_labels), or Annotations
        The labels that were held out (values > 0). Those that are in `X` too are not asked for.
        Where `X` and `y` are what readers return, their names have to be the same.
    metrics : str or iterable of str
        ``"precision@N"``, ``"recall@N"``, ``"ndcg@N"``, ``"hit@N"``, ``"auc@N"``,
        ``"coverage@N"`` with any N, ``"map"``, ``"mrr"``, ``"auc"`` and ``"ndcg"``.
    average : bool, default=True
        Return means over the images; otherwise the value of every image.
    num_threads : int, default=0
        Threads; 0: all processors of the process. The result does not depend on it, but for the
        last bits of ``"coverage@N"`` where labels tie.

    Returns
    -------
    dict of str to float, or of str to ndarray of shape (n_images,)
        By name, in the order of `metrics`. Not a number for images that were left out, and for
        the ``"auc"`` of images whose labels are all in `X` or held out, which no mean counts.
        ``"coverage@N"`` is one number in both cases.

    Raises
    ------
    ValueError
        Shapes or names do not agree, nothing is held out, a metric is not known, or scores are not
        numbers.

    Notes
    -----
    With m held-out labels, at ranks r_1 < ... < r_m among the candidates:

    - ``precision@N``: #{r_j <= N} / N, whatever m is. (In implicit the number is divided by
      min(N, m), summed over the images.)
    - ``recall@N``: #{r_j <= N} / m.
    - ``ndcg@N``: sum of 1 / log2(1 + r_j) over r_j <= N, divided by its largest value, the sum of
      1 / log2(1 + j) over j <= min(N, m). ``ndcg`` has no limit.
    - ``hit@N``: 1 if r_1 <= N.
    - ``map``: mean of j / r_j.
    - ``mrr``: 1 / r_1.
    - ``auc``: of the candidates that are not held out, the share ranked below each r_j, averaged.
    - ``auc@N``: the same, with 1/2 for every r_j > N.
    - ``coverage@N``: labels among the first N of at least one image, divided by n_labels.

    Examples
    --------
    >>> import numpy as np
    >>> from vseens_rec.metrics import ranking_metrics
    >>> scores = np.array([[0.9, 0.4, 0.8, 0.1], [0.5, 0.5, 0.5, 0.5]])
    >>> known = np.array([[1, 0, 0, 0], [0, 0, 0, 0]])
    >>> held_out = np.array([[0, 1, 0, 0], [0, 0, 1, 0]])
    >>> ranking_metrics(lambda rows: scores[rows], known, held_out, ["recall@1", "mrr"])
    {'recall@1': 0.125, 'mrr': 0.5104166666666666}
    """
    X, y = matrices_of(X, y)
    parsed = parse_metrics(metrics)
    if X is not None:
        frames.check_same_names(X, y)
    if hasattr(model, "check_frame"):
        for argument, frame in (("X", X), ("y", y)):
            model.check_frame(frame, argument, rows_too=True)
    model, given = unwrapped(model, X)
    for argument, frame in (("X", given), ("y", y)):
        frames.check_columns(model, frame, argument)
    held_out = _validation.check_matrix(y, "ranking_metrics", "y")
    known = None
    if given is not None:
        known = _validation.check_matrix(given, "ranking_metrics", allow_empty=True)
    known, held_out = _without_known(known, held_out)
    threads = effective_threads(_validation.check_n(num_threads, "num_threads", least=0))
    rows = np.flatnonzero(np.diff(held_out.indptr)).astype(np.int32)
    lists = sorted({metric.length for metric in parsed if metric.measure == COVERAGE})
    ranker = make_ranker(known, held_out, lists)
    with limit_blas(num_threads):
        _rank(ranker, model, known, rows, threads)

    per_image = [metric for metric in parsed if metric.measure != COVERAGE]
    values = values_of(ranker, rows, per_image)
    measured = {metric.name: row for metric, row in zip(per_image, values, strict=True)}
    result: dict[str, Any] = {}
    for metric in parsed:
        if metric.measure == COVERAGE:
            result[metric.name] = float(1 - ranker.missed[lists.index(metric.length)].mean())
        elif average:
            counted = measured[metric.name][~np.isnan(measured[metric.name])]
            result[metric.name] = float(counted.mean()) if len(counted) else float("nan")
        else:
            result[metric.name] = np.full(held_out.shape[0], np.nan)
            result[metric.name][rows] = measured[metric.name]
    return result


def ranking_scorer(*metrics: str) -> "RankingScorer":
    """Make a scorer for the ``scoring`` of scikit-learn.

    Called as ``scorer(estimator, X, y)``. With a matrix `y`, `X` is what is known of the images
    and `y` what was held out of it; without, every image hides one label, which is then
    looked for among those it does not have. Images are folded in (`VSEens.transform`), unless `X`
    is the matrix of the fit.

    Parameters
    ----------
    *metrics : str
        Names as in `ranking_metrics`. For all of them a larger value is better.

    Returns
    -------
    callable
        Returns a float for one metric, and for several a dict, as scikit-learn takes for
        several figures of one model: ``GridSearchCV(..., scoring=ranking_scorer("ndcg@10",
        "recall@10"), refit="ndcg@10")``. Where images have features, searches pass them on to
        ``ranking_scorer(...).set_score_request(image_features=True)``.

    Raises
    ------
    ValueError
        No metric is named, or one is not known.

    Examples
    --------
    >>> from sklearn.model_selection import KFold, cross_val_score
    >>> from vseens_rec import VSEens
    >>> from vseens_rec.datasets import load_emoji
    >>> from vseens_rec.metrics import ranking_scorer
    >>> scores = cross_val_score(
    ...     VSEens(factors=16, iterations=30, item_item=None, random_state=0), load_emoji().matrix,
    ...     scoring=ranking_scorer("recall@10"), cv=KFold(2, shuffle=True, random_state=0))
    >>> bool((scores > 0.2).all())
    True
    """
    return RankingScorer(metrics)


class RankingScorer:
    """What `ranking_scorer` makes."""

    def __init__(self, metrics: Iterable[str]):
        self.metrics: tuple[str, ...] = tuple(metric.name for metric in parse_metrics(metrics))
        self._request = MetadataRequest(owner="ranking_scorer")

    def set_score_request(self, *, image_features: bool | str | None = None) -> "RankingScorer":
        """Ask searches to pass features of images on, as scikit-learn's own scorers do.

        Needs ``sklearn.set_config(enable_metadata_routing=True)``.
        """
        if not sklearn.get_config()["enable_metadata_routing"]:
            raise RuntimeError(
                "set_score_request has no effect without metadata routing: call "
                "sklearn.set_config(enable_metadata_routing=True) first"
            )
        self._request.score.add_request(param="image_features", alias=image_features)
        return self

    def get_metadata_routing(self) -> MetadataRequest:
        """Return what is asked for."""
        return self._request

    def __call__(
        self,
        estimator: Any,
        X: MatrixLike,
        y: MatrixLike | None = None,
        *,
        image_features: MatrixLike | None = None,
    ) -> float | dict[str, float]:
        """Measure a fitted estimator."""
        found = held_out_metrics(estimator, X, y, self.metrics, image_features)
        return found[self.metrics[0]] if len(self.metrics) == 1 else found

    def __repr__(self) -> str:
        return f"ranking_scorer({', '.join(map(repr, self.metrics))})"


def held_out_metrics(
    estimator: Any,
    X: MatrixLike,
    y: MatrixLike | None,
    metrics: Iterable[str],
    image_features: MatrixLike | None = None,
) -> dict[str, float]:
    """Measure a fitted estimator, or the last step of a pipeline, as `ranking_scorer` says."""
    if _validation.is_matrix(y):
        frames.check_same_names(X, y)
    if hasattr(estimator, "check_frame"):
        for argument, frame in (("X", X), ("y", y)):
            estimator.check_frame(frame, argument)
    estimator, X = unwrapped(estimator, X)
    frames.check_columns(estimator, X, "X")
    if _validation.is_matrix(y):
        frames.check_columns(estimator, y, "y")
    name = type(estimator).__name__
    known = _validation.check_matrix(X, name, allow_empty=True)
    if not _validation.is_matrix(y):
        if image_features is not None:
            image_features = rows_of_features(
                image_features, np.diff(known.indptr) >= 2, known.shape[0]
            )
        known, held_out = hide_one_label(known)
    else:
        held_out = _validation.check_matrix(y, name, "y")
        if held_out.shape != known.shape:
            raise ValueError(
                f"X has shape {known.shape} and y {held_out.shape}: y holds the labels that "
                "were held out of the images in X, of the same shape"
            )
    factors_of = getattr(estimator, "factors_of", None)
    if factors_of is not None:
        check_is_fitted(estimator)
        n_labels = len(estimator.item_factors)
        if known.shape[1] != n_labels:
            raise ValueError(
                f"X has {known.shape[1]} labels (columns), but {name} was fitted with {n_labels}"
            )
    else:
        if image_features is not None:
            raise ValueError(f"{name} does not take image_features: leave them out")
        return ranking_metrics(estimator, known, held_out, metrics)
    asked = np.flatnonzero(np.diff(held_out.indptr))
    given = {} if image_features is None else {"image_features": image_features}
    factors, rest = factors_of(known, asked, **given), known[asked]
    model: Scoring = Factors(factors, estimator.item_factors)
    if getattr(estimator, "item_weights", None) is not None:

        def score(rows: NDArray[np.int32]) -> NDArray[np.float32]:
            scores: NDArray[np.float32] = estimator._sums(factors[rows], rest[rows])
            return scores

        model = score
    return ranking_metrics(model, rest, held_out[asked], metrics, num_threads=estimator.num_threads)


def unwrapped(model: Any, X: Any) -> tuple[Any, Any]:
    """Return the model at the end of a search, a pipeline or a `NamedModel`, and its `X`."""
    while True:
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif hasattr(model, "steps") and hasattr(model, "named_steps"):
            if len(model) > 1 and X is not None:
                X = model[:-1].transform(X)
            model = model[-1]
        elif hasattr(model, "image_ids") and hasattr(model, "model"):
            model = model.model
        elif hasattr(model, "estimator") and hasattr(model, "refit"):
            raise ValueError(
                f"this {type(model).__name__} has no best_estimator_: fit it, with refit=True"
            )
        else:
            return model, X


def _without_known(known: csr_matrix | None, held_out: csr_matrix) -> tuple[csr_matrix, csr_matrix]:
    if known is None:
        return csr_matrix(held_out.shape, dtype=np.float32), held_out
    if known.shape != held_out.shape:
        raise ValueError(
            f"X has shape {known.shape} and y {held_out.shape}: both hold the same images and "
            "labels, y those that were held out of X"
        )
    both = known.astype(bool).multiply(held_out.astype(bool))
    if both.nnz:
        held_out = held_out - held_out.multiply(both)
        held_out.eliminate_zeros()
        held_out.sort_indices()
    if not held_out.nnz:
        raise ValueError("nothing is held out: all pairs in y are in X too")
    return known, held_out


def _rank(
    ranker: kernel.Ranker, model: Any, known: csr_matrix, rows: NDArray[np.int32], threads: int
) -> None:
    shape = known.shape
    with_weights = getattr(model, "item_weights", None) is not None
    factors = None if with_weights else _factors_of(model, shape)
    if factors is not None and factors[0].dtype == factors[1].dtype == np.float32:
        users, items = factors
        if not rank_by_factors(ranker, Factors(users, items), rows, threads):
            raise ValueError("model gives scores that are not numbers: its factors are too large")
        return
    if factors is not None:
        users, items = factors

        def scores_of(rows: NDArray[np.int32]) -> NDArray[Any]:
            scores: NDArray[Any] = users[rows] @ items.T
            return scores

    elif with_weights:
        _check_rows((len(model.user_factors), len(model.item_factors)), shape)

        def scores_of(rows: NDArray[np.int32]) -> NDArray[Any]:
            scores: NDArray[Any] = model.scores_of(known[rows], rows)
            return scores

    elif callable(model):
        scores_of = model
    elif hasattr(model, "recommend"):

        def scores_of(rows: NDArray[np.int32]) -> NDArray[Any]:
            return _recommended(model, known[rows], rows)

    else:
        raise TypeError(
            "model must have user_factors and item_factors, or recommend, or be a function that "
            f"gives scores; got {model!r}"
        )
    block = max(1, SCORES_IN_BLOCK // max(1, shape[1]))
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        # a copy: the kernel writes into it
        scores = np.array(scores_of(part), order="C")
        if scores.shape != (len(part), shape[1]):
            raise ValueError(
                f"model returned scores of shape {scores.shape} for {len(part)} images and "
                f"{shape[1]} labels, expected {(len(part), shape[1])}"
            )
        if scores.dtype != np.float32:
            scores = scores.astype(np.float64, copy=False)
        if np.isnan(scores).any():
            raise ValueError("model gives scores that are not numbers (NaN)")
        ranker.rank_scores(scores, part, threads)


def _factors_of(model: Any, shape: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    if not (hasattr(model, "user_factors") and hasattr(model, "item_factors")):
        return None
    users, items = model.user_factors, model.item_factors
    if users is None or items is None:
        raise ValueError(f"the model is not fitted: {model!r} has no factors yet")
    # those of implicit's models on a graphics processor have this
    users, items = (
        factors.to_numpy() if hasattr(factors, "to_numpy") else np.asarray(factors)
        for factors in (users, items)
    )
    if users.ndim != 2 or items.ndim != 2 or not 0 < users.shape[1] == items.shape[1]:
        raise ValueError(
            f"user_factors of shape {users.shape} and item_factors of shape {items.shape} do not "
            "belong together: both need a row for every image or label and the same columns"
        )
    _check_rows((len(users), len(items)), shape)
    if not (np.isfinite(users).all() and np.isfinite(items).all()):
        raise ValueError("the factors of the model are not finite: its training has diverged")
    return users, items


def _check_rows(there: tuple[int, int], shape: tuple[int, int]) -> None:
    if there != shape:
        raise ValueError(
            f"the model has {there[0]} images and {there[1]} labels, but X and y have shape "
            f"{shape}: rows of the model's factors belong to rows of X; for other images pass "
            "scores, as in lambda rows: model.transform(X[rows]) @ model.item_factors.T"
        )


def _recommended(
    model: Any, user_items: csr_matrix, rows: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Scores by a model's recommend; labels that it does not give stand below the others."""
    scores = np.full(user_items.shape, -np.inf, dtype=np.float64)
    if user_items.dtype.kind != "f":
        # implicit's models of nearest neighbours take no other
        user_items = user_items.astype(np.float64)
    ids, values = model.recommend(
        rows, user_items, N=user_items.shape[1], filter_already_liked_items=False
    )
    for row, labels, given in zip(scores, ids, values, strict=True):
        row[labels[labels >= 0]] = given[labels >= 0]
    return scores
