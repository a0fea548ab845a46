"""Every check of public input, with its message."""

import inspect
import warnings
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from numbers import Integral, Real
from typing import Any, TypeGuard, overload

import numpy as np
from implicit.utils import ParameterWarning
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import check_array, validate_data

from . import frames
from ._typing import Floats, IdsLike, MatrixLike, RandomStateLike

MAX_LABELS = 2**31 - 1


def check_parameters(estimator: BaseEstimator) -> None:
    """Check the parameters of an estimator against its constraints.

    A bool passes for an integer in Python; here it is a mistake (``iterations=True``).
    """
    for name, value in estimator.get_params(deep=False).items():
        constraints = estimator._parameter_constraints.get(name)
        if constraints is None:
            # of a subclass, which knows what it may be
            continue
        if name == "num_threads" and isinstance(value, Integral) and value < 0:
            raise InvalidParameterError(
                f"The 'num_threads' parameter of {type(estimator).__name__} must be at least 0. "
                f"Got {value!r} instead; num_threads=0 takes all processors."
            )
        if isinstance(value, (bool, np.bool_)) and "boolean" not in constraints:
            raise InvalidParameterError(
                f"The {name!r} parameter of {type(estimator).__name__} must not be a bool. "
                f"Got {value!r} instead."
            )
        if _is_real(value) and not isinstance(value, Integral) and not np.isfinite(value):
            raise InvalidParameterError(
                f"The {name!r} parameter of {type(estimator).__name__} must be finite. "
                f"Got {value!r} instead."
            )
    estimator._validate_params()
    try:
        known = np.dtype(estimator.dtype) in (np.float32, np.float64)
    except TypeError:
        known = False
    if not known:
        raise InvalidParameterError(
            f"The 'dtype' parameter of {type(estimator).__name__} must be np.float32 or "
            f"np.float64. Got {estimator.dtype!r} instead."
        )


def check_random_state(random_state: RandomStateLike) -> None:
    """Check what random numbers are to come from."""
    if random_state is None or isinstance(
        random_state, (np.random.Generator, np.random.RandomState)
    ):
        return
    if isinstance(random_state, (bool, np.bool_)) or not isinstance(random_state, Integral):
        raise TypeError(
            "random_state must be an int, a numpy RandomState, a numpy Generator or None, got "
            f"{random_state!r}"
        )
    if random_state < 0:
        raise ValueError(f"random_state must be at least 0, got {random_state}")


def seed_from(random_state: RandomStateLike) -> int:
    """Draw the 64-bit seed of one fit."""
    check_random_state(random_state)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**64, dtype=np.uint64))
    if isinstance(random_state, np.random.RandomState):
        low, high = random_state.randint(2**32, size=2, dtype=np.uint32)
        return int(low) << 32 | int(high)
    sequence = np.random.SeedSequence(None if random_state is None else int(random_state))
    return int(sequence.generate_state(1, np.uint64)[0])


def check_user_items(estimator: BaseEstimator, X: Any) -> csr_matrix:
    """Check the matrix to fit and return it canonical; the caller's arrays stay as they are."""
    if X is None:
        raise ValueError(
            "fit needs a matrix of images x labels: fit(X) or fit(user_items=X), got None"
        )
    _check_kind(X, "X")
    if issparse(X) and X.format not in ("csr", "csc"):
        warnings.warn(
            f"fit converts the {type(X).__name__} to CSR; pass X.tocsr() to do it once",
            ParameterWarning,
            stacklevel=3,
        )
    names = frames.column_names(X)
    if getattr(estimator, "warm_start", False):
        frames.check_grown_columns(frames.fitted_columns(estimator), X)
    with _remedies("X", X):
        X = validate_data(estimator, X, **SPARSE_OR_DENSE)
    frames.remember_columns(estimator, names)
    return _canonical(X, type(estimator).__name__)


def check_new_rows(estimator: BaseEstimator, X: MatrixLike) -> csr_matrix:
    """Check rows of images that a fitted model may not know, and return them canonical."""
    rows = as_rows(X)
    _check_kind(rows, "X")
    frames.check_columns(estimator, rows, "X")
    with _remedies("X", rows):
        checked = validate_data(estimator, rows, reset=False, **SPARSE_OR_DENSE)
    return canonical(checked, type(estimator).__name__)


def check_features(estimator: BaseEstimator, X: MatrixLike) -> None:
    """Check the number of columns, and their names, against those of the fit."""
    frames.check_columns(estimator, X, "X")
    validate_data(estimator, as_rows(X), reset=False, skip_check_array=True)


def as_rows(X: Any) -> Any:
    """Return a sparse array of one dimension, such as ``X[5]`` of another, as one row."""
    if issparse(X) and len(X.shape) == 1:
        return X.reshape(1, -1).tocsr()
    return X


def is_matrix(y: Any) -> TypeGuard[MatrixLike]:
    """Tell a matrix, sparse or dense, from None and from a vector."""
    return np.ndim(y) == 2 or bool(issparse(y))


def canonical(X: csr_matrix, name: str) -> csr_matrix:
    """Return a matrix whose shape and type were checked in canonical form; it may be empty."""
    return _canonical(X, name, allow_empty=True)


def check_matrix(
    X: MatrixLike, name: str, argument: str = "X", *, allow_empty: bool = False
) -> csr_matrix:
    """Check the matrix passed to the function of this name, as `check_user_items` does."""
    X = as_rows(X)
    _check_kind(X, argument)
    with _remedies(argument, X):
        checked = check_array(X, input_name=argument, **SPARSE_OR_DENSE)
    return _canonical(checked, name, argument, allow_empty)


def _check_kind(X: Any, argument: str) -> None:
    """Refuse what looks like a matrix of images x labels and is not one."""
    if hasattr(X, "matrix") and hasattr(X, "labels"):
        raise ValueError(
            f"{argument} is of type {type(X).__name__}, a matrix with names: pass its .matrix, or "
            "use NamedModel.of(model, annotations), which keeps the names"
        )
    frames.check_wide(X, argument)


@contextmanager
def _remedies(argument: str, X: Any) -> Iterator[None]:
    """Add to scikit-learn's errors what to do about them here."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        if "contains NaN" in message:
            call = f"{argument}.fillna(0)" if frames.is_frame(X) else f"np.nan_to_num({argument})"
            raise ValueError(
                f"Input {argument} contains NaN (not a number): where it stands for nothing, "
                f"as in a pivot table, pass {call}"
            ) from error
        if "inhomogeneous" in message or "array element with a sequence" in message:
            raise ValueError(
                f"{argument} holds lists in place of numbers: for the labels of each image use "
                "sklearn.preprocessing.MultiLabelBinarizer(sparse_output=True).fit_transform("
                f"{argument}), or pass the lists to NamedModel ({message})"
            ) from error
        raise


SPARSE_OR_DENSE: dict[str, Any] = {
    "accept_sparse": "csr",
    "dtype": "numeric",
    "ensure_all_finite": True,
}


def _canonical(
    X: np.ndarray | csr_matrix, name: str, argument: str = "X", allow_empty: bool = False
) -> csr_matrix:
    if not issparse(X) and X.dtype == np.float16:
        # which scipy does not know
        X = X.astype(np.float32)
    # a new object around the same arrays: its flags are computed, whatever the caller's say
    matrix = csr_matrix(X, copy=False)
    matrix = csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
    _check_format(matrix, argument)
    if matrix.shape[1] > MAX_LABELS:
        raise ValueError(
            f"{argument} has {matrix.shape[1]} labels (columns), more than {MAX_LABELS}; number "
            "the labels that occur from 0"
        )
    owned = False
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        if matrix.data.dtype.kind in "biu":
            # sums of small integers may not fit their type
            matrix.data = matrix.data.astype(np.int64)
        matrix.sum_duplicates()
        owned = True
    if matrix.nnz and matrix.data.min() < 0:
        raise ValueError(negative_message(name))
    if matrix.nnz and not matrix.data.all():
        matrix = matrix if owned else matrix.copy()
        matrix.eliminate_zeros()
    if not matrix.nnz and not allow_empty:
        raise ValueError(
            f"{argument} has no positive: all {matrix.shape[0]} x {matrix.shape[1]} values are "
            "zero. Store a value > 0 for every (image, label) pair that was observed"
        )
    return matrix


def _check_format(matrix: csr_matrix, argument: str) -> None:
    """Check the ids within a matrix, at which SciPy does not look, before the kernel uses them."""
    try:
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(
            f"{argument} is not a valid sparse matrix of shape {matrix.shape}: {error}. Columns "
            f"are numbered 0 to {matrix.shape[1] - 1}; ids that start at 1 need one more column, "
            "or 1 taken from all, and -1 cannot stand for nothing"
        ) from error


def negative_message(name: str) -> str:
    """Say what to do about negative values."""
    return (
        f"Negative values in data passed to {name}: a stored value > 0 marks a positive. Leave "
        "out pairs that were rated low (X[X < 0] = 0; X.eliminate_zeros()), or clip a weighting "
        "such as implicit's bm25_weight, which gives negative weights to labels that most images "
        "have (np.maximum(X.data, tiny))"
    )


@overload
def check_ids(
    ids: NDArray[np.integer[Any]], n: int, argument: str, what: str
) -> NDArray[np.int64]: ...
@overload
def check_ids(ids: IdsLike, n: int, argument: str, what: str) -> int | NDArray[np.int64]: ...
def check_ids(ids: IdsLike, n: int, argument: str, what: str) -> int | NDArray[np.int64]:
    """Check one id or a sequence of them; return an int or an int64 array."""
    if type(ids) is int and 0 <= ids < n:
        return ids
    array = _as_ids(ids)
    scalar = array.ndim == 0
    if scalar and (isinstance(ids, (str, bytes)) or array.dtype.kind not in "iu"):
        raise TypeError(
            f"{argument} must be an integer or an array of integers, got {ids!r}"
            + _remedy_for_ids(ids, array)
        )
    if array.ndim > 1:
        raise ValueError(
            f"{argument} must be one id or a 1-d array of ids, got an array of shape {array.shape}"
        )
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(
            f"{argument} must hold integers, got an array of {array.dtype}"
            + _remedy_for_ids(ids, array)
        )
    if array.size and (array.min() < 0 or array.max() >= n):
        wrong = array.min() if array.min() < 0 else array.max()
        if n >= MAX_LABELS:
            raise IndexError(f"{argument} {int(wrong)} is out of range: ids are 0 to {n - 1}")
        raise IndexError(
            f"{argument} {int(wrong)} is out of range: the model has {n} {what}, numbered 0 to "
            f"{n - 1}"
        )
    return int(array) if scalar else array.astype(np.int64)


def _as_ids(ids: Any) -> NDArray[Any]:
    """Return ids as an array, those of pandas' own integers too."""
    array = np.asarray(ids)
    if array.dtype == object and array.ndim == 1 and array.size:
        integers = [isinstance(value, Integral) and not isinstance(value, bool) for value in array]
        if all(integers):
            return array.astype(np.int64)
    return array


def _remedy_for_ids(ids: Any, array: NDArray[Any]) -> str:
    """Say which call was meant."""
    if isinstance(ids, (str, bytes)) or array.dtype.kind in "US":
        return ": numbers are asked for here, names by vseens_rec.NamedModel"
    if isinstance(ids, Mapping):
        return ": pass a list of them"
    if isinstance(ids, Iterable) and not array.ndim:
        return f": pass list({type(ids).__name__})"
    if array.dtype.kind == "f" and array.ndim:
        return ": drop those that are missing, and pass ids.astype(int)"
    if array.dtype == bool and array.ndim:
        return ": pass np.flatnonzero of the mask"
    if array.dtype == object and array.ndim and any(isinstance(value, str) for value in array):
        return ": numbers are asked for here, names by vseens_rec.NamedModel"
    return ""


def check_unique(ids: np.ndarray, argument: str) -> None:
    """Check that no id comes twice."""
    if len(ids) < 2:
        return
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"{argument} has {int(values[counts > 1][0])} more than once")


def check_callback(callback: Any) -> None:
    """Check that a callback can be called with what there is, before the training."""
    wanted = "callback must be a function of epoch, seconds, correct and skipped"
    if callback is None:
        return
    if not callable(callback):
        raise TypeError(f"{wanted}, got {callback!r}")
    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):
        # of compiled functions
        return
    try:
        signature.bind(0, 0.0, 0, 0)
    except TypeError as error:
        raise TypeError(
            f"{wanted}, got one that takes {signature}: as implicit's BPR calls it. Use "
            "lambda epoch, seconds, *rest: ..."
        ) from error


def check_n(N: Any, argument: str = "N", least: int = 1) -> int:
    """Check the length of a list of recommendations, or another number of things."""
    if type(N) is int and least <= N:
        return N
    if isinstance(N, (bool, np.bool_)) or not isinstance(N, Integral):
        raise TypeError(f"{argument} must be an integer, got {N!r}")
    if least > N:
        remedy = ": 0 takes all processors" if argument == "num_threads" else ""
        raise ValueError(f"{argument} must be at least {least}, got {N}{remedy}")
    return int(N)


def check_positive(value: Any, argument: str, *, or_zero: bool = False) -> float:
    """Check a finite number above 0, or one that may be 0."""
    if isinstance(value, (bool, np.bool_)) or not _is_real(value):
        raise TypeError(f"{argument} must be a number, got {value!r}")
    if not 0 < value < np.inf and not (or_zero and value == 0):
        least = "at least" if or_zero else "above"
        raise ValueError(f"{argument} must be finite and {least} 0, got {value}")
    return float(value)


def _is_real(value: object) -> TypeGuard[float]:
    return isinstance(value, Real)


def check_factors(factors: ArrayLike, columns: int | None, argument: str) -> NDArray[np.float32]:
    """Check factors passed to a sampler; return them as float32 in C order."""
    array: NDArray[np.float32] = check_array(
        factors,
        dtype=np.float32,
        order="C",
        ensure_min_samples=0,
        input_name=argument,
    )
    if columns is not None and array.shape[1] != columns:
        raise ValueError(
            f"{argument} has {array.shape[1]} factors, but the sampler was made for {columns}"
        )
    return array


def as_factors(factors: Any, argument: str) -> Any:
    """Return factors that are set by hand as an array of a type that can be computed with."""
    if factors is None:
        return None
    array = factors if isinstance(factors, np.ndarray) else np.asarray(factors)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{argument} must be an array of numbers with a row for every image or label, got "
            f"shape {array.shape} and type {array.dtype}"
        )
    if array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float32 if array.dtype == np.float16 else np.float64)


def check_same_columns(user_factors: Floats, item_factors: Floats) -> None:
    """Check that factors, which can be set one after the other, belong together."""
    if user_factors.shape[1] != item_factors.shape[1]:
        raise ValueError(
            f"user_factors of shape {user_factors.shape} and item_factors of shape "
            f"{item_factors.shape} do not belong together: their columns are the same factors"
        )


def check_weights(weights: ArrayLike, argument: str) -> NDArray[np.float64]:
    """Check weights that are to become probabilities."""
    array = np.asarray(weights, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(
            f"{argument} must be a 1-d array that is not empty, got shape {array.shape}"
        )
    if not (np.isfinite(array).all() and (array >= 0).all() and array.any()):
        raise ValueError(f"{argument} must be finite, >= 0 and not all 0")
    return array


def check_exclusions(
    exclude: MatrixLike, n_rows: int, n_labels: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Check the labels excluded from every row; return index arrays as the kernel takes them."""
    rows = check_rows(exclude, n_rows, n_labels, "exclude")
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    indices = rows.indices if rows.nnz else np.zeros(1, np.int32)
    return rows.indptr.astype(np.int64), indices.astype(np.int32, copy=False)


def check_rows(
    user_items: Any,
    n_rows: int,
    n_labels: int,
    argument: str = "user_items",
    what: str = "labels",
    model: BaseEstimator | None = None,
) -> csr_matrix:
    """Check the rows that belong to the ids of a call, with `n_labels` columns of `what`.

    The columns of a frame are compared with those that `model` was fitted on.
    """
    if n_rows == 1 and is_canonical_row(user_items, n_labels):
        row: csr_matrix = user_items
        return row
    given, user_items = user_items, as_rows(user_items)
    if model is not None:
        frames.check_columns(model, user_items, argument)
    if not issparse(user_items):
        user_items = _dense_rows(user_items, argument)
    shape = user_items.shape
    if shape[1] != n_labels:
        hint = ""
        if shape[0] == n_labels:
            hint = f"; it looks transposed: pass {argument}.T.tocsr()"
        elif argument == "item_users" and shape[1] > n_labels:
            hint = "; add the new images first, by partial_fit_users"
        raise ValueError(
            f"{argument} has shape {shape}, but the model has {n_labels} {what} (columns){hint}"
        )
    if shape[0] != n_rows:
        raise ValueError(
            f"{argument} has {shape[0]} rows for {n_rows} ids: it must hold one row for every id "
            f"of the call, {argument}[userid]"
            + (", or be left out to use the fitted matrix" if argument == "user_items" else "")
        )
    if issparse(user_items):
        # not all formats have an array of their values
        user_items = user_items.tocsr()
    values = user_items.data if issparse(user_items) else user_items
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        call = ""
        if values.dtype.kind == "f" and np.isnan(values).any():
            fill = "fillna(0)" if frames.is_frame(given) else "nan_to_num"
            call = f", got NaN: fill what stands for nothing with 0 ({fill})"
        raise ValueError(f"{argument} must hold finite real numbers{call}")
    rows = csr_matrix(user_items)
    _check_format(rows, argument)
    if rows.nnz and not rows.data.all():
        # a stored zero is no label that an image has
        rows = rows.copy()
        rows.eliminate_zeros()
    return rows


def check_canonical_rows(
    rows: Any,
    n_rows: int,
    n_labels: int,
    name: str,
    argument: str = "user_items",
    what: str = "labels",
    model: BaseEstimator | None = None,
) -> csr_matrix:
    """Check rows as `check_rows` does, and that none of their values is negative."""
    if n_rows == 1 and is_canonical_row(rows, n_labels):
        row: csr_matrix = rows
        return row
    return canonical(check_rows(rows, n_rows, n_labels, argument, what, model), name)


def is_canonical_row(row: Any, n_labels: int) -> bool:
    """Tell whether one row is all that the checks of rows ask for, and canonical.

    Few looks at its arrays do: a single request waits for them.
    """
    if not isinstance(row, csr_matrix) or row.shape != (1, n_labels):
        return False
    indptr, ids, values = row.indptr, row.indices, row.data
    if indptr[0] != 0 or not len(ids) == len(values) == indptr[1] or ids.dtype != np.int32:
        return False
    if not len(ids):
        return values.dtype.kind in "biuf"
    return bool(
        values.dtype.kind in "biuf"
        and values.min() > 0
        and values.max() < np.inf
        and ids[0] >= 0
        and ids[-1] < n_labels
        and (ids[1:] > ids[:-1]).all()
    )


def _dense_rows(user_items: Any, argument: str) -> NDArray[Any]:
    """Return rows that are not sparse as an array."""
    array = np.asarray(user_items)
    if array.dtype == object and array.ndim == 2:
        # columns of a frame with types of their own
        with suppress(TypeError, ValueError):
            array = array.astype(np.float64)
    if array.ndim != 2:
        call = ""
        if hasattr(user_items, "to_frame"):
            call = ": a row of a frame keeps two dimensions in frame.iloc[[i]]"
        elif array.ndim == 1:
            call = ": for one image pass X[[i]] or row.reshape(1, -1)"
        raise ValueError(
            f"{argument} must be a sparse matrix with a row for every id of the call, got an "
            f"array of shape {array.shape}{call}"
        )
    return array


def check_item_list(
    items: Any,
    n_labels: int,
    argument: str,
    what: str = "labels",
    *,
    may_be_empty: bool = False,
) -> NDArray[np.int64]:
    """Check a list of ids, one for all rows of the call."""
    one = what.removesuffix("s")
    if isinstance(items, Set):
        items = sorted(items)
    kind = f"{argument} must be a list of {one} ids"
    one_for_all = f"{argument} is one list for all rows of the call"
    if what == "labels":
        one_for_all += (
            ": to leave out other labels for each image, store them in user_items too, as in "
            "recommend(userid, X[userid] + others)"
        )
    if isinstance(items, Mapping):
        raise TypeError(f"{kind}, got a dict; {one_for_all}")
    if isinstance(items, (str, bytes)):
        raise TypeError(f"{kind}, got the string {items!r}; NamedModel takes names, as a list")
    try:
        array = _as_ids(items)
    except ValueError as error:
        # lists of different lengths
        raise ValueError(f"{kind}, got lists of ids; {one_for_all}") from error
    if array.ndim == 0:
        pass_list = f"[{items!r}]" if array.dtype.kind in "iu" else "a list"
        raise ValueError(f"{kind}, got {items!r}: pass {argument}={pass_list}")
    if array.ndim > 1 or (array.dtype == object and any(np.ndim(item) for item in array)):
        raise ValueError(f"{kind}, got shape {array.shape}; {one_for_all}")
    if array.size == 0:
        if may_be_empty:
            return np.empty(0, np.int64)
        raise ValueError(f"{kind} that is not empty, got none; use None for no list")
    checked: NDArray[np.int64] = check_ids(array, n_labels, argument, what)
    return checked
