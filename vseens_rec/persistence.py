"""Models in files: what of a model goes into an archive, and how it comes back.

The header holds format, version, class, parameters and the fitted values that are no arrays.
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import archive, frames
from ._typing import BinaryFile, PathLike, RandomStateLike
from .archive import Arrays, Header, MmapMode
from .trial import choice_from
from .updates import StoredPairs

if TYPE_CHECKING:
    from .vseens import VSEens

Model = TypeVar("Model", bound="VSEens")

FORMAT = "vseens_rec model"
NAMED_FORMAT = "vseens_rec named model"
VERSION = 1
FLOATS = (np.float32, np.float64)
INTEGERS = (np.int32, np.int64)
# NumPy trusts these places of a random state's next number
LAST_PLACES = {"pos": 624, "buffer_pos": 4}
# dimensions and types of each array
ARRAYS: dict[str, tuple[int, tuple[type, ...]]] = {
    "user_factors": (2, FLOATS),
    "item_factors": (2, FLOATS),
    "liked_indptr": (1, INTEGERS),
    "liked_indices": (1, INTEGERS),
}
VALUES: dict[str, type] = {
    "history_": dict,
    "n_iter_": int,
    "n_features_in_": int,
    "best_iteration_": int,
    "trial_": dict,
}


def save(model: VSEens, file: PathLike | BinaryFile, *, fitted_matrix: bool = True) -> None:
    """Write the model to a path (as a whole or not at all) or to an open binary file."""
    archive.write(file, *described(model, fitted_matrix=fitted_matrix))


def described(model: VSEens, *, fitted_matrix: bool = True) -> tuple[Header, Arrays]:
    """Return what a file of the model holds."""
    state = vars(model)
    learned = {"user_factors": model.user_factors, "item_factors": model.item_factors}
    if fitted_matrix and "_pairs" in state:
        learned["liked_indptr"], learned["liked_indices"] = model._pairs.arrays()
    arrays = {name: np.asarray(array) for name, array in learned.items() if array is not None}
    # what could not be read again must not replace a file that can
    for name, array in arrays.items():
        ndim, types = ARRAYS[name]
        if array.ndim != ndim or array.dtype not in types:
            raise ValueError(f"{name} of the model has shape {array.shape} and type {array.dtype}")
    _check_arrays(arrays, model, "the model")
    header = {
        "format": FORMAT,
        "version": VERSION,
        "class": type(model).__name__,
        "parameters": parameters_to_json(model),
        "values": {name: state[name] for name in VALUES if name in state},
        "columns": names_to_json(frames.fitted_columns(model)),
    }
    return header, arrays


def load(cls: type[Model], file: PathLike | BinaryFile, mmap_mode: MmapMode = None) -> Model:
    """Read a model of the class from a path or an open binary file."""

    def check(header: Header) -> None:
        if header.get("format") == NAMED_FORMAT:
            raise ValueError("the file holds a NamedModel: load it with NamedModel.load")
        check_header(header)
        if header.get("class") != cls.__name__:
            raise ValueError(
                f"the file holds a {header.get('class')}: load it with {header.get('class')}.load, "
                f"not {cls.__name__}.load"
            )

    return restored(cls, *archive.read(file, ARRAYS, check, mmap_mode))


def check_header(header: Header) -> None:
    """Check that a header is of a model that this release reads."""
    if header.get("format") != FORMAT:
        raise ValueError("this is not the file of a model of vseens_rec")
    if header.get("version") != VERSION:
        raise ValueError(
            f"the file has version {header.get('version')!r} of the format, this release reads "
            f"{VERSION}: load it with the release that wrote it, or a later one"
        )


def restored(cls: type[Model], header: Header, arrays: Arrays) -> Model:
    """Make the model that was described."""
    try:
        return _build(cls, header, arrays)
    except (TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"the header of the file is damaged: {error}") from error


def _build(cls: type[Model], header: Header, arrays: Arrays) -> Model:
    parameters, values = header.get("parameters"), header.get("values")
    if not isinstance(parameters, dict) or not isinstance(values, dict):
        raise ValueError("the header of the file is damaged")
    unknown = set(parameters) - set(cls._get_param_names())
    if unknown:
        raise ValueError(f"the file has parameters that {cls.__name__} lacks: {sorted(unknown)}")
    model = cls(**{name: _from_json(name, value) for name, value in parameters.items()})
    for name, kind in VALUES.items():
        if name in values:
            if not isinstance(values[name], kind):
                raise ValueError(f"{name} of the file is a {type(values[name]).__name__}")
            setattr(model, name, values[name])
    if not is_history(values.get("history_", {})):
        raise ValueError("history_ of the file holds more than lists of numbers")
    try:
        choice_from(values.get("trial_", {}))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"trial_ of the file is damaged: {error}") from error
    _check_arrays(arrays, model, "the file")
    for name in ("user_factors", "item_factors"):
        if name in arrays:
            setattr(model, f"_{name}", arrays[name])
    if "liked_indptr" in arrays:
        model._pairs = StoredPairs(arrays["liked_indptr"], arrays["liked_indices"])
    _set_columns(model, names_from_json(header.get("columns")))
    return model


def _set_columns(model: VSEens, names: list[Any] | None) -> None:
    if names is None:
        return
    if len(names) != getattr(model, "n_features_in_", None):
        raise ValueError(f"the file names {len(names)} columns, but the model has others")
    if all(isinstance(name, str) for name in names):
        model.feature_names_in_ = np.array(names, dtype=object)
    frames.remember_columns(model, names)


def names_to_json(names: list[Any] | None) -> list[Any] | None:
    """Return names as JSON has them; tuples become lists."""
    if names is None:
        return None
    return [_name_to_json(name) for name in names]


def _name_to_json(name: Any) -> Any:
    plain = _plain(name)
    if isinstance(plain, tuple):
        return [_name_to_json(part) for part in plain]
    if isinstance(plain, (str, int, float)):
        return plain
    if isinstance(plain, (date, np.datetime64)):
        return {"time": str(plain)}
    raise TypeError(
        f"the name {name!r} is a {type(name).__name__}, which a file cannot hold: use text, "
        "numbers or tuples of these, or pickle the model"
    )


def names_from_json(names: Any) -> list[Any] | None:
    """Return names as they were before `names_to_json`."""
    if names is None:
        return None
    if not isinstance(names, list):
        raise ValueError("the names of the file are no list")
    return [_name_from_json(name) for name in names]


def _name_from_json(name: Any) -> Any:
    if isinstance(name, list):
        return tuple(_name_from_json(part) for part in name)
    if isinstance(name, dict):
        return np.datetime64(name["time"])
    if not isinstance(name, (str, int, float)):
        raise ValueError(f"{name!r} of the file is no name")
    return name


def _check_arrays(arrays: Arrays, model: VSEens, owner: str) -> None:
    """Check that arrays agree with each other and with the parameters of a model."""
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
    if ("liked_indptr" in arrays) != ("liked_indices" in arrays):
        raise ValueError(f"{owner} has half of a fitted matrix")
    if "liked_indptr" in arrays:
        indptr, indices = arrays["liked_indptr"], arrays["liked_indices"]
        if (
            len(indptr) != len(users) + 1
            or indptr[0] != 0
            or indptr[-1] != len(indices)
            or (np.diff(indptr) < 0).any()
            or (len(indices) and (indices.min() < 0 or indices.max() >= len(items)))
            or not _ascend(indptr, indices)
        ):
            raise ValueError(f"the fitted matrix of {owner} does not agree with its factors")
    if len(items) and items.shape[1] != model._expected_columns():
        raise ValueError(
            f"{owner} has factors of {items.shape[1]} columns, but its parameters make "
            f"{model._expected_columns()}"
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


def parameters_to_json(model: VSEens) -> dict[str, Any]:
    """Return the parameters of a model as JSON has them."""
    parameters = {}
    for name, value in model.get_params(deep=False).items():
        parameters[name] = _to_json(name, value)
        try:
            json.dumps(parameters[name])
        except TypeError as error:
            # of a subclass
            raise TypeError(
                f"the parameter {name}={value!r} is a {type(value).__name__}, which a file cannot "
                "hold: use text, numbers, or lists and dicts of them, or pickle the model"
            ) from error
    return parameters


def _to_json(name: str, value: Any) -> Any:
    if name == "dtype":
        return np.dtype(value).name
    if isinstance(value, np.random.Generator):
        return {"generator": _plain(value.bit_generator.state)}
    if isinstance(value, np.random.RandomState):
        return {"random_state": _plain(value.get_state(legacy=False))}
    return _plain(value)


def _from_json(name: str, value: Any) -> Any:
    if name == "dtype":
        if value not in ("float32", "float64"):
            raise ValueError(f"the file has the unknown dtype {value!r}")
        return np.dtype(value).type
    if name == "random_state" and isinstance(value, dict):
        return _restored_random_state(value)
    return value


def _restored_random_state(stored: dict[str, Any]) -> RandomStateLike:
    kind: str | None
    state: Any
    kind, state = next(iter(stored.items()), (None, None))
    bit_generators = {
        known.__name__: known
        for known in (
            np.random.PCG64,
            np.random.PCG64DXSM,
            np.random.MT19937,
            np.random.Philox,
            np.random.SFC64,
        )
    }
    try:
        bit_generator = bit_generators[state["bit_generator"]]()
        _check_random_state(state, _plain(bit_generator.state))
        if kind == "generator":
            bit_generator.state = state
            return np.random.Generator(bit_generator)
        random_state = np.random.RandomState(bit_generator)
        random_state.set_state(state)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError("the random_state of the file is damaged") from error
    return random_state


def _check_random_state(stored: dict[str, Any], fresh: dict[str, Any]) -> None:
    for name, value in fresh.items():
        if isinstance(value, dict):
            _check_random_state(stored[name], value)
        elif isinstance(value, list) and len(stored[name]) != len(value):
            raise ValueError(f"{name} has {len(stored[name])} numbers")
        elif name in LAST_PLACES and not 0 <= stored[name] <= LAST_PLACES[name]:
            raise ValueError(f"{name} is {stored[name]}")


def _plain(value: Any) -> Any:
    """Turn numpy's types into those of JSON."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return value
