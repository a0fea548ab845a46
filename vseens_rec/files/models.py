"""Models in files: what of a model goes into an archive, and how it comes back.

The header holds format, version, class, parameters and the fitted values that are no arrays.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._typing import BinaryFile, PathLike
from ..engine.trial import result_from
from . import archive
from .archive import Arrays, Header, Kinds, MmapMode
from .names import names_from_json, names_to_json
from .parameters import parameter_from_json, parameters_to_json

FORMAT = "vseens_rec model"
NAMED_FORMAT = "vseens_rec named model"
VERSION = 1
FLOATS = (np.float32, np.float64)
INTEGERS = (np.int32, np.int64)
# dimensions and types of each array
ARRAYS: Kinds = {
    "user_factors": (2, FLOATS),
    "item_factors": (2, FLOATS),
    "liked_indptr": (1, INTEGERS),
    "liked_indices": (1, INTEGERS),
    # the item-item part: dense, or sparse by rows; and labels of its pairs
    "item_weights": (2, (np.float32,)),
    "item_weights_indptr": (1, INTEGERS),
    "item_weights_indices": (1, INTEGERS),
    "item_weights_data": (1, (np.float32,)),
    "item_pairs_indptr": (1, INTEGERS),
    "item_pairs": (1, INTEGERS),
    # the map of features, and what a warm start goes on with
    "feature_factors": (2, FLOATS),
    "feature_squares": (1, (np.float32,)),
}
VALUES: dict[str, type] = {
    "history_": dict,
    "n_iter_": int,
    "n_features_in_": int,
    "best_iteration_": int,
    "trial_": dict,
}


@dataclass(frozen=True)
class Extras:
    """What models of one class hold beside what all do, by the names of their attributes.

    Attributes
    ----------
    arrays : dict of str to tuple
        Dimensions and types of each array.
    values : dict of str to type
        Attributes that are no arrays.
    check : callable
        Takes a `ModelState` and what it belongs to; ValueError if it cannot be one.
    """

    arrays: Kinds = field(default_factory=dict)
    values: dict[str, type] = field(default_factory=dict)
    check: Callable[["ModelState", str], None] = lambda state, owner: None


NO_EXTRAS = Extras()


@dataclass
class ModelState:
    """All that a file holds of a model.

    Attributes
    ----------
    class_name : str
        Of the model.
    parameters : dict
        By name.
    values : dict
        Fitted attributes that are no arrays, those of `VALUES` and of the class that there are.
    columns : list or None
        What the labels are called, where they were columns of a frame.
    arrays : dict of str to ndarray
        Those of `ARRAYS` and of the class that there are.
    feature_names : list or None
        What features of images are called, where they were columns of a frame.
    """

    class_name: str
    parameters: dict[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    columns: list[Any] | None = None
    arrays: Arrays = field(default_factory=dict)
    feature_names: list[Any] | None = None


def described(state: ModelState, extras: Extras = NO_EXTRAS) -> tuple[Header, Arrays]:
    """Return the header and the arrays of a file."""
    kinds = {**ARRAYS, **extras.arrays}
    # what could not be read again must not replace a file that can
    for name, array in state.arrays.items():
        ndim, types = kinds[name]
        if array.ndim != ndim or array.dtype not in types:
            raise ValueError(f"{name} of the model has shape {array.shape} and type {array.dtype}")
    _check_arrays(state.arrays, "the model")
    extras.check(state, "the model")
    header = {
        "format": FORMAT,
        "version": VERSION,
        "class": state.class_name,
        "parameters": parameters_to_json(state.parameters),
        "values": state.values,
        "columns": names_to_json(state.columns),
    }
    if state.feature_names is not None:
        header["feature_names"] = names_to_json(state.feature_names)
    return header, dict(state.arrays)


def write(state: ModelState, file: PathLike | BinaryFile, extras: Extras = NO_EXTRAS) -> None:
    """Write a model to a path (as a whole or not at all) or to an open binary file."""
    archive.write(file, *described(state, extras))


def read(
    class_name: str,
    file: PathLike | BinaryFile,
    mmap_mode: MmapMode = None,
    extras: Extras = NO_EXTRAS,
) -> ModelState:
    """Read a model of a class from a path or an open binary file."""

    def check(header: Header) -> Kinds:
        if header.get("format") == NAMED_FORMAT:
            raise ValueError("the file holds a NamedModel: load it with NamedModel.load")
        check_header(header)
        if header.get("class") != class_name:
            raise ValueError(
                f"the file holds a {header.get('class')}: load it with {header.get('class')}.load, "
                f"not {class_name}.load"
            )
        return {**ARRAYS, **extras.arrays}

    return restored(*archive.read(file, check, mmap_mode), extras)


def check_header(header: Header) -> None:
    """Check that a header is of a model that this release reads."""
    if header.get("format") != FORMAT:
        raise ValueError("this is not the file of a model of vseens_rec")
    if header.get("version") != VERSION:
        raise ValueError(
            f"the file has version {header.get('version')!r} of the format, this release reads "
            f"{VERSION}: load it with the release that wrote it, or a later one"
        )


def restored(header: Header, arrays: Arrays, extras: Extras = NO_EXTRAS) -> ModelState:
    """Check what was described, and return it."""
    try:
        return _restored(header, arrays, extras)
    except (TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"the header of the file is damaged: {error}") from error


def _restored(header: Header, arrays: Arrays, extras: Extras) -> ModelState:
    parameters, values = header.get("parameters"), header.get("values")
    if not isinstance(parameters, dict) or not isinstance(values, dict):
        raise ValueError("the header of the file is damaged")
    kept = {}
    for name, kind in {**VALUES, **extras.values}.items():
        if name in values:
            if not isinstance(values[name], kind):
                raise ValueError(f"{name} of the file is a {type(values[name]).__name__}")
            kept[name] = values[name]
    if not is_history(values.get("history_", {})):
        raise ValueError("history_ of the file holds more than lists of numbers")
    try:
        result_from(values.get("trial_", {}))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"trial_ of the file is damaged: {error}") from error
    columns = names_from_json(header.get("columns"))
    if columns is not None and len(columns) != kept.get("n_features_in_"):
        raise ValueError(f"the file names {len(columns)} columns, but the model has others")
    _check_arrays(arrays, "the file")
    feature_names = names_from_json(header.get("feature_names"))
    if feature_names is not None and len(feature_names) != len(arrays.get("feature_factors", [])):
        raise ValueError(f"the file names {len(feature_names)} features, but the model has others")
    state = ModelState(
        header["class"],
        {name: parameter_from_json(name, value) for name, value in parameters.items()},
        kept,
        columns,
        arrays,
        feature_names,
    )
    extras.check(state, "the file")
    return state


def _check_arrays(arrays: Arrays, owner: str) -> None:
    """Check that arrays agree with each other."""
    if ("user_factors" in arrays) != ("item_factors" in arrays):
        raise ValueError(f"{owner} lacks the factors of one side")
    if "user_factors" not in arrays:
        if arrays:
            raise ValueError(f"{owner} has a fitted matrix without factors")
        return
    users, items = arrays["user_factors"], arrays["item_factors"]
    if users.shape[1] != items.shape[1]:
        raise ValueError(f"{owner} has factors of shapes {users.shape} and {items.shape}")
    if not (np.isfinite(users).all() and np.isfinite(items).all()):
        raise ValueError(f"{owner} has factors that are not finite")
    _check_item_item(arrays, len(items), owner)
    _check_feature_map(arrays, items.shape[1], owner)
    if ("liked_indptr" in arrays) != ("liked_indices" in arrays):
        raise ValueError(f"{owner} has half of a fitted matrix")
    if "liked_indptr" in arrays and not _is_pattern(
        arrays["liked_indptr"], arrays["liked_indices"], len(users), len(items)
    ):
        raise ValueError(f"the fitted matrix of {owner} does not agree with its factors")


def _check_feature_map(arrays: Arrays, columns: int, owner: str) -> None:
    """Check that the map of features agrees with the factors."""
    if ("feature_factors" in arrays) != ("feature_squares" in arrays):
        raise ValueError(f"{owner} has half of a map of features")
    if "feature_factors" not in arrays:
        return
    weights, squares = arrays["feature_factors"], arrays["feature_squares"]
    if weights.shape[1] != columns or not 0 < len(weights) == len(squares):
        raise ValueError(f"the map of features of {owner} does not agree with its factors")
    if not np.isfinite(weights).all() or not (np.isfinite(squares) & (squares > 0)).all():
        raise ValueError(f"{owner} has a map of features that is not finite")


def _check_item_item(arrays: Arrays, n_labels: int, owner: str) -> None:
    """Check that item-item weights agree with each other, and with the labels."""
    names = {name for name in arrays if name.startswith("item_weights")}
    if not names and not any(name.startswith("item_pairs") for name in arrays):
        return
    sparse = {f"item_weights_{name}" for name in ("indptr", "indices", "data")}
    damaged = ValueError(f"the item-item weights of {owner} do not agree with its labels")
    if names not in ({"item_weights"}, sparse) or not {"item_pairs", "item_pairs_indptr"} <= set(
        arrays
    ):
        raise damaged
    pairs = arrays["item_pairs"]
    if not _is_pattern(arrays["item_pairs_indptr"], pairs, n_labels, n_labels):
        raise damaged
    n_features = n_labels + len(pairs)
    if names == {"item_weights"}:
        values = arrays["item_weights"]
        agree = values.shape == (n_features, n_labels)
    else:
        values, indices = arrays["item_weights_data"], arrays["item_weights_indices"]
        agree = len(values) == len(indices) and _is_pattern(
            arrays["item_weights_indptr"], indices, n_features, n_labels
        )
    if not agree:
        raise damaged
    if not np.isfinite(values).all():
        raise ValueError(f"{owner} has item-item weights that are not finite")


def _is_pattern(indptr: np.ndarray, indices: np.ndarray, n_rows: int, n_columns: int) -> bool:
    """Tell whether these are ascending ids in rows."""
    return bool(
        len(indptr) == n_rows + 1
        and indptr[0] == 0
        and indptr[-1] == len(indices)
        and not (np.diff(indptr) < 0).any()
        and (not len(indices) or (indices.min() >= 0 and indices.max() < n_columns))
        and _ascend(indptr, indices)
    )


def _ascend(indptr: np.ndarray, indices: np.ndarray) -> bool:
    """Tell whether the indices of every row ascend, each once."""
    ascends = np.diff(indices) > 0
    starts = indptr[(indptr > 0) & (indptr < len(indices))]
    ascends[starts - 1] = True
    return bool(ascends.all())


def is_history(value: Any) -> bool:
    """Tell whether this could be the history of a training."""
    return isinstance(value, dict) and all(
        isinstance(numbers, list) and all(isinstance(number, (int, float)) for number in numbers)
        for numbers in value.values()
    )
