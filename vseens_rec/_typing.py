"""Names of types that stand in more than one signature."""

import os
from collections.abc import Callable, Sequence
from typing import IO, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray


class SparseLike(Protocol):
    """Any of scipy's sparse matrices and arrays."""

    def tocsr(self, copy: bool = ...) -> Any:
        """Return the values by rows."""


PathLike: TypeAlias = str | os.PathLike[str]
BinaryFile: TypeAlias = IO[bytes]
MatrixLike: TypeAlias = SparseLike | ArrayLike
IdListLike: TypeAlias = Sequence[int] | Sequence[np.integer[Any]] | NDArray[np.integer[Any]]
IdsLike: TypeAlias = int | np.integer[Any] | IdListLike
RandomStateLike: TypeAlias = int | np.random.RandomState | np.random.Generator | None
EpochCallback: TypeAlias = Callable[[int, float, int, int], object]

Floats: TypeAlias = NDArray[np.floating[Any]]
# Any stands for the None that they are before fit: whoever has fitted need not rule it out
LearnedFactors: TypeAlias = Floats | Any
# ids and scores
Ranking: TypeAlias = tuple[NDArray[np.int32], NDArray[np.float32]]
History: TypeAlias = dict[str, list[float]]
