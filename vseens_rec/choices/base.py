"""What every choice has in common: a name for every day, and settings of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import StrOptions, validate_parameter_constraints

if TYPE_CHECKING:
    from typing_extensions import Self

Kind = TypeVar("Kind", bound="Choice")


class Choice(BaseEstimator):
    """One of several ways to do something.

    A parameter takes its name or the object. The settings of the object are parameters as
    scikit-learn knows them, so that ``set_params`` and a grid reach them by
    ``sampler__rank_scale``.
    """

    # what the parameter of a model takes in place of the object; None: it takes the object alone
    name: ClassVar[str | None] = None
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __copy__(self) -> Self:
        # a call that recommends for one image copies several
        twin = type(self).__new__(type(self))
        twin.__dict__.update(vars(self))
        return twin

    # its settings can change
    __hash__ = None  # type: ignore[assignment]

    def check(self) -> None:
        """Check the settings; `InvalidParameterError` where one is out of range.

        Examples
        --------
        >>> from vseens_rec.choices import Adaptive
        >>> Adaptive(rank_scale=0.1).check()
        """
        settings = self.get_params(deep=False)
        validate_parameter_constraints(self._parameter_constraints, settings, type(self).__name__)


def known_as(kind: type[Kind]) -> dict[str, type[Kind]]:
    """Find the choices of a kind that have a name."""
    return {cls.name: cls for cls in kind.__subclasses__() if cls.name is not None}


def constraint(kind: type[Choice]) -> list[Any]:
    """Return what scikit-learn's validation takes for a parameter of a kind."""
    return [StrOptions(set(known_as(kind))), kind]


def as_choice(given: str | Kind, kind: type[Kind]) -> Kind:
    """Return a choice by its name, or the one that is given."""
    if not isinstance(given, str):
        return given
    known = known_as(kind)
    if given not in known:
        names = ", ".join(map(repr, known))
        raise ValueError(f"{kind.__name__.lower()} must be one of {names}, got {given!r}")
    return known[given]()
