"""Parameters of models as JSON has them."""

import json
from typing import Any

import numpy as np

from .. import choices
from .._typing import RandomStateLike
from ..choices.base import Choice

# NumPy trusts these places of a random state's next number
LAST_PLACES = {"pos": 624, "buffer_pos": 4}


def parameters_to_json(given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a model as JSON has them."""
    parameters = {}
    for name, value in given.items():
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
    if isinstance(value, Choice):
        settings = {key: plain(setting) for key, setting in value.get_params().items()}
        return {"choice": type(value).__name__, "settings": settings}
    if isinstance(value, np.random.Generator):
        return {"generator": plain(value.bit_generator.state)}
    if isinstance(value, np.random.RandomState):
        return {"random_state": plain(value.get_state(legacy=False))}
    return plain(value)


def parameter_from_json(name: str, value: Any) -> Any:
    """Return a parameter as it was before `parameters_to_json`."""
    if name == "dtype":
        if value not in ("float32", "float64"):
            raise ValueError(f"the file has the unknown dtype {value!r}")
        return np.dtype(value).type
    if name == "random_state" and isinstance(value, dict):
        return _restored_random_state(value)
    if isinstance(value, dict) and set(value) == {"choice", "settings"}:
        return _restored_choice(value["choice"], value["settings"])
    return value


def _restored_choice(name: Any, settings: Any) -> Choice:
    # none but the classes of that module: nothing else that the file may name is made
    if name not in choices.__all__:
        raise ValueError(f"the file has the unknown choice {name!r}")
    choice: Choice = getattr(choices, name)(**settings)
    choice.check()
    return choice


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
        _check_random_state(state, plain(bit_generator.state))
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


def plain(value: Any) -> Any:
    """Turn numpy's types into those of JSON."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return value
