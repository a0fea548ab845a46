"""Features of images as callers pass them: checks, with their messages."""

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

from . import frames
from .engine.features import Features, FittedMap

# a column whose values are larger than those of a typical one by this factor drowns the others
LARGEST_SCALE = 1000.0
# squares of larger values do not fit the kernel's 4-byte floats
LARGEST_VALUE = 1e15


def check_features(
    image_features: Any, n_images: int | None, known: FittedMap | None = None
) -> Features:
    """Check a row of features for each image; the caller's arrays stay as they are.

    Parameters
    ----------
    image_features : object
        What should be a matrix.
    n_images : int or None
        Rows that it has to have; None: any number.
    known : FittedMap, optional
        Of the fit: the columns have to be the same.
    """
    names = frames.column_names(image_features)
    matrix = _as_matrix(image_features)
    if n_images is not None:
        _check_rows(matrix.shape[0], n_images)
    if matrix.shape[1] == 0:
        raise ValueError(
            "image_features has no columns: leave it out to learn factors of each image alone"
        )
    if known is not None:
        _check_columns(matrix.shape[1], names, known)
    _check_finite(matrix, names, image_features)
    if known is None:
        _check_scale(matrix, names)
    return Features.of(matrix, names)


def rows_of_features(image_features: Any, kept: NDArray[np.bool_], n_images: int) -> Any:
    """Return the features of some of the images."""
    if not getattr(image_features, "shape", ()):
        image_features = np.atleast_1d(np.asarray(image_features))
    _check_rows(image_features.shape[0], n_images)
    if hasattr(image_features, "iloc"):
        return image_features[kept]
    if issparse(image_features):
        return image_features.tocsr()[np.flatnonzero(kept)]
    return np.asarray(image_features)[kept]


def _check_rows(n_rows: int, n_images: int) -> None:
    if n_rows != n_images:
        raise ValueError(
            f"image_features has {n_rows} rows, but there are {n_images} images: it needs one row "
            "for each, in their order"
        )


def check_width(features: Features, known: FittedMap) -> None:
    """Check that features have the columns of an earlier fit."""
    _check_columns(features.n_features, features.names, known)


def refuse_missing(name: str, known: FittedMap, call: str) -> NoReturn:
    """Refuse a call without features to a model that was fitted with them."""
    routed = ""
    if call in ("transform", "score"):
        routed = (
            " (in a search or pipeline with sklearn.set_config(enable_metadata_routing=True) and "
            f"set_{call}_request(image_features=True))"
        )
    raise ValueError(
        f"{name} was fitted with {len(known.weights)} features of each image, but {call} got none: "
        f"pass image_features=, one row of them for each image{routed}"
    )


def _as_matrix(given: Any) -> csr_matrix | NDArray[Any]:
    if issparse(given):
        if len(given.shape) == 1:
            given = given.reshape(1, -1)
        matrix = csr_matrix(given, copy=False)
        try:
            matrix.check_format(full_check=True)
        except ValueError as error:
            raise ValueError(
                f"image_features is not a valid sparse matrix of shape {matrix.shape}: {error}"
            ) from error
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        values = matrix.data
    else:
        if frames.is_frame(given):
            _check_numbers(given)
        matrix = np.asarray(given)
        if matrix.dtype == object and matrix.ndim == 2:
            try:
                matrix = matrix.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise ValueError(f"image_features must hold numbers: {error}") from error
        if matrix.ndim != 2:
            call = ": for one image pass features.reshape(1, -1)" if matrix.ndim == 1 else ""
            raise ValueError(
                "image_features must be a matrix with a row for each image, got an array of shape "
                f"{matrix.shape}{call}"
            )
        values = matrix
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"image_features must hold real numbers, got {values.dtype}: "
            "sklearn.preprocessing.OneHotEncoder makes columns of text or categories into numbers"
        )
    return matrix


def _check_numbers(frame: Any) -> None:
    """Name a column of a frame whose values are not numbers."""
    kinds: Any = getattr(frame, "dtypes", None)
    if not hasattr(kinds, "to_numpy"):
        return
    for name, kind in zip(frame.columns, kinds, strict=True):
        if getattr(kind, "kind", "O") not in "biuf":
            raise ValueError(
                f"column {name!r} of image_features has the type {kind}, but must hold numbers: "
                "turn it into columns of numbers by sklearn.preprocessing.OneHotEncoder (in a "
                "ColumnTransformer where other columns hold numbers)"
            )


def _check_columns(n_features: int, names: frames.Names | None, known: FittedMap) -> None:
    if n_features != len(known.weights):
        raise ValueError(
            f"image_features has {n_features} features (columns), but the model was fitted with "
            f"{len(known.weights)}: pass the columns of the fit, by the transformer that was "
            "fitted then"
        )
    if names is None or known.names is None or names == known.names:
        return
    unseen = [name for name in names if name not in known.names]
    problem = "in another order" if not unseen else f"others, such as {unseen[0]!r}"
    raise ValueError(
        f"image_features has as many columns as in the fit, but they are {problem}: pass "
        f"image_features[{known.names[:3]!r}...], the {len(known.names)} columns of the fit in "
        "their order"
    )


def _check_finite(matrix: Any, names: frames.Names | None, given: Any) -> None:
    values = matrix.data if issparse(matrix) else matrix
    largest = float(np.abs(values).max(initial=0)) if values.dtype.kind == "f" else 0.0
    if largest <= LARGEST_VALUE:
        return
    if np.isfinite(largest):
        raise ValueError(
            f"image_features has values up to {largest:.3g}, too large to compute with: scale the "
            "columns, by sklearn.preprocessing.StandardScaler or MaxAbsScaler (for sparse ones)"
        )
    wrong = np.flatnonzero(~np.isfinite(values))[0]
    column = matrix.indices[wrong] if issparse(matrix) else wrong % matrix.shape[1]
    what = "NaN" if np.isnan(values).any() else "infinity"
    fill = "image_features.fillna(0)" if frames.is_frame(given) else "sklearn.impute.SimpleImputer"
    remedy = f"fill it by {fill}" if what == "NaN" else "replace it by a finite number"
    raise ValueError(
        f"image_features contains {what}, in column {_called(int(column), names)} among others: "
        f"{remedy}"
    )


def _check_scale(matrix: Any, names: frames.Names | None) -> None:
    """Refuse columns that were not scaled, as most of the others would not count."""
    if issparse(matrix):
        squares = matrix.data.astype(np.float64) ** 2
        sums = np.bincount(matrix.indices, squares, minlength=matrix.shape[1])
        counts = np.bincount(matrix.indices, squares > 0, minlength=matrix.shape[1])
    else:
        sums = np.einsum("ij,ij->j", matrix, matrix, dtype=np.float64, casting="unsafe")
        counts = np.count_nonzero(matrix, axis=0)
    sizes = np.sqrt(sums / np.maximum(counts, 1))
    if not (counts > 0).any():
        return
    typical = float(np.median(sizes[counts > 0]))
    largest = int(sizes.argmax())
    if sizes[largest] > LARGEST_SCALE * typical:
        raise ValueError(
            f"column {_called(largest, names)} of image_features has values of about "
            f"{sizes[largest]:.3g}, where a typical column has {typical:.3g}: scale the columns, "
            "by sklearn.preprocessing.StandardScaler or MaxAbsScaler (for sparse ones)"
        )


def _called(column: int, names: frames.Names | None) -> str:
    return str(column) if names is None else repr(names[column])
