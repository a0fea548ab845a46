"""Columns of tables that have types: data frames, Arrow, Parquet, and rows in memory."""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .annotations import Coded
from .sources import is_file, is_path, name_of, suffixes_of
from .tokens import columns_of_rows

__all__ = ["blocks_of_parquet", "blocks_of_table", "is_parquet", "is_table", "kind_of"]

Columns = list[Any]
# of labels, in one field
LISTS = (list, tuple, set, frozenset, np.ndarray)


def is_table(source: Any) -> bool:
    """Tell a table in memory from paths and files."""
    return (
        hasattr(source, "columns")
        or hasattr(source, "__arrow_c_stream__")
        or (isinstance(source, np.ndarray) and source.ndim == 2)
    )


def kind_of(source: Any) -> str:
    """Return what messages call a table."""
    return f"the {type(source).__name__}"


def is_parquet(source: Any) -> bool:
    """Tell by the suffix whether a file is Parquet."""
    return suffixes_of(name_of(source))[0] == ".parquet" and (is_path(source) or is_file(source))


def place_in(names: Sequence[Any], column: int | str, name: str) -> int:
    """Return the number of a column that is given by number or name."""
    if isinstance(column, str):
        places = [place for place, other in enumerate(names) if other == column]
        if len(places) != 1:
            has = f"{len(places)} columns {column!r}" if places else f"no column {column!r}, only "
            listed = "" if places else ", ".join(map(str, names))
            raise ValueError(f"{name} has {has}{listed}")
        return places[0]
    if column >= len(names):
        raise ValueError(f"{name} has {len(names)} columns, so none has the number {column}")
    return column


def blocks_of_table(source: Any, wanted: Sequence[int | str]) -> Iterator[tuple[int, Columns]]:
    """Yield the columns that are wanted with the number of their first row, which is 0."""
    name = kind_of(source)
    if hasattr(source, "iloc"):
        places = [place_in(list(source.columns), column, name) for column in wanted]
        yield 0, [_of_series(source.iloc[:, place]) for place in places]
    elif isinstance(source, np.ndarray):
        names = range(source.shape[1])
        yield 0, [coded(source[:, place_in(names, column, name)].tolist()) for column in wanted]
    else:
        table = source
        if not hasattr(table, "column_names"):
            import pyarrow

            table = pyarrow.table(source)
        places = [place_in(table.column_names, column, name) for column in wanted]
        yield 0, [_of_arrow(table.column(place)) for place in places]


def blocks_of_rows(
    rows: Iterable[Sequence[Any]], wanted: Sequence[int | str]
) -> Iterator[tuple[int, Columns]]:
    """Yield the columns of rows in memory, such as a list of pairs."""
    if any(isinstance(column, str) for column in wanted):
        raise ValueError(f"columns {list(wanted)} are named, but rows in memory have no names")
    most = max(int(column) for column in wanted)
    table = list(rows)
    for number, row in enumerate(table):
        if isinstance(row, (str, bytes)) or not hasattr(row, "__len__") or len(row) <= most:
            raise ValueError(
                f"row {number} is {row!r}, expected a tuple or a list of at least {most + 1}"
            )
    width = {len(row) for row in table}
    if len(width) > 1:
        raise ValueError(f"rows have from {min(width)} to {max(width)} fields: expected one length")
    yield 0, [coded([row[int(column)] for row in table]) for column in wanted]


def blocks_of_parquet(source: Any, wanted: Sequence[int | str]) -> Iterator[tuple[int, Columns]]:
    """Yield the columns of a file, and the number of the first row of each block, from 1."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            "Parquet needs pyarrow: pip install pyarrow, or write the table as CSV"
        ) from error
    if is_file(source) and not (callable(getattr(source, "seek", None)) and source.seekable()):
        # what the columns are stands at the end
        source = io.BytesIO(source.read())
    name = name_of(source)
    file = parquet.ParquetFile(source)
    names = file.schema_arrow.names
    columns = [names[place_in(names, column, name)] for column in wanted]
    number = 1
    for batch in file.iter_batches(columns=sorted(set(columns))):
        yield number, [_of_arrow(batch.column(column)) for column in columns]
        number += batch.num_rows


def coded(values: Sequence[Any]) -> Any:
    """Number the values of a column; lists stay as they are."""
    if any(isinstance(value, LISTS) for value in values):
        return list(values)
    values = [None if _is_nothing(value) else value for value in values]
    kinds = set(map(type, values)) - {type(None)}
    if len(kinds) > 1 and kinds & {bool, np.bool_}:
        raise ValueError(
            "a column has bool and other types, so that True and 1 would be one: make it text"
        )
    try:
        return columns_of_rows([(value,) for value in values], [0], None)[0][0]
    except TypeError as error:
        raise ValueError(f"a column has values that cannot be ids: {error}") from error


def _is_nothing(value: Any) -> bool:
    if value is None:
        return True
    different = value != value
    # pandas.NA is neither
    return different is True or (not isinstance(different, (bool, np.bool_))) or bool(different)


def _of_series(series: Any) -> Any:
    dtype = getattr(series.dtype, "kind", "O")
    if isinstance(series.dtype, np.dtype) and dtype in "iuMm":
        return _of_array(series.to_numpy())
    return coded(series.tolist())


def _of_array(array: NDArray[Any]) -> Coded:
    values, codes = np.unique(array, return_inverse=True)
    names = list(values) if array.dtype.kind in "Mm" else values.tolist()
    return Coded(codes.ravel(), names)


def _of_arrow(column: Any) -> Any:
    import pyarrow

    kind = column.type
    if pyarrow.types.is_nested(kind):
        return coded(column.to_pylist())
    if pyarrow.types.is_temporal(kind) and not pyarrow.types.is_time(kind):
        # as objects of Python they would lose nanoseconds
        return _of_array(np.asarray(column))
    if not pyarrow.types.is_dictionary(kind):
        column = column.dictionary_encode()
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
        if isinstance(column, pyarrow.ChunkedArray):
            column = column.chunk(0) if column.num_chunks else pyarrow.array([])
    names = column.dictionary.to_pylist() if len(column) else []
    codes = column.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
    names = [None if _is_nothing(name) else name for name in names]
    return Coded(codes.astype(np.int64), [*names, None])
