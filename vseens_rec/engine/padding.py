"""Rows of factors as the kernel reads them: padded to whole vectors, at the start of lines."""

import numpy as np
from numpy.typing import NDArray

from .._native import kernel
from .._typing import Floats

COMPACTED_TOGETHER = 4096


def padded(factors: Floats, *, copy: bool = False) -> NDArray[np.float32]:
    """Return float32 rows as the kernel reads them; a copy only if asked for or needed."""
    width = kernel.padded_width(factors.shape[1])
    ready = width == factors.shape[1] and factors.ctypes.data % 64 == 0
    if ready and factors.dtype == np.float32 and factors.flags.c_contiguous and not copy:
        return factors
    rows = kernel.aligned_rows(len(factors), width)
    rows[:, : factors.shape[1]] = factors
    return rows


def without_padding(padded: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Move the rows together inside their own memory, so that no second copy is needed."""
    n_rows, width = padded.shape
    if columns == width:
        return padded
    flat = padded.reshape(-1)
    for start in range(0, n_rows, COMPACTED_TOGETHER):
        stop = min(n_rows, start + COMPACTED_TOGETHER)
        flat[start * columns : stop * columns] = padded[start:stop, :columns].copy().reshape(-1)
    return flat[: n_rows * columns].reshape(n_rows, columns)
