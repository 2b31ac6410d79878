"""Data frames and series of pandas, polars and their like as arrays.

They are known by what they can do, so neither library is imported.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ._advice import shown

NUMBERS = "biuf"  # the kinds of NumPy's types that are numbers here; "b": false is 0 and true is 1
FEW = 100  # different words that are worth an input each

# Lines that may mend a frame. What a column is called is in none of them.
FILL_LINES = (
    "{a}.fillna({a}.mean())", "{a}.astype(float).fillna({a}.mean())",
    "{a}.fill_null(strategy='mean')", "{a}.cast(pl.Float64).fill_null(strategy='mean')",
)  # fmt: skip
CAST_LINES = ("{a}.astype(float)", "{a}.cast(pl.Float64)")
ONE_HOT_LINES = (
    "pd.get_dummies({a}, dtype=float)", "{a}.to_dummies(pl.selectors.by_dtype(pl.String, pl.Categorical, pl.Enum))"
)  # fmt: skip
SELECT_LINES = ("{a}.select_dtypes('number')", "{a}.select(pl.selectors.numeric())")


def is_frame(value: Any) -> bool:
    """True for a table of named columns."""
    cls = type(value)
    return (
        hasattr(cls, "to_numpy") and hasattr(cls, "columns") and (hasattr(cls, "items") or hasattr(cls, "iter_columns"))
    )


def is_series(value: Any) -> bool:
    """True for one column, in which values may be missing."""
    cls = type(value)
    return hasattr(cls, "to_numpy") and not is_frame(value) and (hasattr(cls, "isna") or hasattr(cls, "is_null"))


def array_of(value: Any, name: str) -> np.ndarray:
    """A frame as an array (N, J), a series as one (N,); a ValueError that names the first missing value.

    In a frame of numbers, false and true are 0 and 1. Where a column of it is no numbers, the array is one of objects.
    """
    if is_series(value):
        return _array(value, name, "")
    arrays = [_array(series, name, f" of column {shown(label)}") for label, series in _columns(value)]
    arrays = [array.astype(np.uint8) if array.dtype.kind == "b" else array for array in arrays]
    if not arrays:
        return np.empty((len(value), 0))
    if not all(array.dtype.kind in NUMBERS for array in arrays):
        arrays = [array.astype(object) for array in arrays]
    return np.column_stack(arrays)


def no_numbers(frame: Any) -> list[str]:
    """The columns that are no numbers, with their types: "'colour' (str)"."""
    return [f"{shown(label)} ({series.dtype})" for label, series in _columns(frame) if not _is_numbers(series)]


def number_lines(frame: Any) -> list[str]:
    """Lines that may make numbers of all columns; one-hot only where there are few different words."""
    words = [series for _, series in _columns(frame) if not _is_numbers(series)]
    try:
        few = sum(len(set(np.asarray(series).tolist())) for series in words) <= FEW
    except TypeError:  # entries that cannot be compared: lists
        few = False
    return [*CAST_LINES, *(ONE_HOT_LINES if few else ()), *SELECT_LINES]


def check_numbers(frame: Any) -> None:
    """A ValueError where a column is no numbers, or there is none."""
    if no_numbers(frame) or not len(frame.columns):
        raise ValueError("it has columns that are no numbers, or none")


def _columns(frame: Any) -> Iterable[tuple[Any, Any]]:
    """(label, series) of each column; two may have one label."""
    return frame.items() if hasattr(frame, "items") else ((series.name, series) for series in frame.iter_columns())


def _is_numbers(series: Any) -> bool:
    categories = str(series.dtype).lower().startswith(("category", "categorical", "enum"))  # whose names may be numbers
    return not categories and _present(series, _missing(series)).dtype.kind in NUMBERS


def _array(series: Any, name: str, where: str) -> np.ndarray:
    """A column as an array; a ValueError where a value is missing."""
    missing = _missing(series)
    if missing.any():
        raise ValueError(f"{name} holds missing values, first in row {int(missing.argmax())}{where}")
    return _present(series, missing)


def _missing(series: Any) -> np.ndarray:
    """Where a value is missing (N,): pandas counts NaN, polars does not."""
    return np.asarray(series.isna() if hasattr(series, "isna") else series.is_null(), bool)


def _present(series: Any, missing: np.ndarray) -> np.ndarray:
    """The values that are not missing. Some nullable types give objects, though they hold numbers."""
    array = np.asarray(series)[~missing]
    if array.dtype.kind == "O" and str(series.dtype) != "object":
        values = array.tolist()
        array = np.array(values) if all(isinstance(value, bool | int | float) for value in values) else array
    return array
