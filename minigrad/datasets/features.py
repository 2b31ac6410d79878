"""Columns of a table as numbers: what is an input of a net, what is its target, and what either refuses."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .._advice import shown
from .table import MISSING, Table, Text, numbers_in

BOOLEANS = ("false", "true")  # in any case


class Number(NamedTuple):
    """A column of numbers, one input: (value - mean) / spread; where it is missing, 0."""

    name: str
    mean: float
    spread: float

    @property
    def width(self) -> int:
        """The number of inputs."""
        return 1

    def encode(self, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (N, 1), and where the value is missing (N,)."""
        values = numbers_of(table, self.name)
        missing = np.isnan(values)
        with np.errstate(over="ignore"):
            scaled = np.where(missing, 0.0, (values - self.mean) / self.spread)
        for row in np.flatnonzero(np.isinf(scaled))[:1]:
            raise ValueError(
                f"{table.place(int(row), self.name)}: {values[row]:g} is too far from what the net was trained on, "
                f"{self.mean:g} +- {self.spread:g}"
            )
        return scaled[:, None], missing


class Boolean(NamedTuple):
    """A column of true and false, one input: 1 and 0; where it is missing, the most frequent."""

    name: str
    usual: bool

    @property
    def width(self) -> int:
        """The number of inputs."""
        return 1

    def encode(self, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (N, 1), and where the value is missing (N,)."""
        column = text_of(table, self.name)
        lower = Text(column.codes, [value if value in MISSING else value.lower() for value in column.values])
        index, missing = indices(table, self.name, lower, BOOLEANS)
        return np.where(missing, self.usual, index)[:, None].astype(np.float64), missing


class Category(NamedTuple):
    """A column of text, an input for each of its values: 1 for that of the row, else 0; one-hot.

    Where it is missing, the most frequent.
    """

    name: str
    values: tuple[str, ...]
    usual: str

    @property
    def width(self) -> int:
        """The number of inputs."""
        return len(self.values)

    def encode(self, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (N, number of values), and where the value is missing (N,)."""
        index, missing = indices(table, self.name, text_of(table, self.name), self.values)
        index[missing] = self.values.index(self.usual)
        return (index[:, None] == np.arange(len(self.values))).astype(np.float64), missing


class Classes(NamedTuple):
    """A target of classes; output k is the logit of names[k]."""

    name: str
    names: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return (self.name,)

    @property
    def outputs(self) -> int:
        """The number of outputs that a net needs."""
        return len(self.names)

    def encode(self, table: Table) -> np.ndarray:
        """Class numbers (N,) int64."""
        column = text_of(table, self.name)
        present(table, self.name, np.isin(column.codes, missing_codes(column)), "target")
        return indices(table, self.name, Text(column.codes, as_named(column.values, self.names)), self.names)[0]


class Numbers(NamedTuple):
    """A target of one number or several: y = (value - mean) / spread, each column with its own."""

    columns: tuple[str, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]

    @property
    def outputs(self) -> int:
        """The number of outputs that a net needs."""
        return len(self.columns)

    def encode(self, table: Table) -> np.ndarray:
        """Standardised values (N, K)."""
        values = np.column_stack([numbers_of(table, name) for name in self.columns])
        for name, column in zip(self.columns, values.T, strict=True):
            present(table, name, np.isnan(column), "target")
        return (values - self.mean) / self.spread


# ---- values, and where one is not what it must be --------------------------------------------------------


def check_names(table: Table, names: Sequence[str]) -> None:
    """A ValueError where a table lacks one of the columns; it suggests those of nearly the same name."""
    lacking = [name for name in names if name not in table.columns]
    if lacking:
        theirs = list(table.columns)
        close = [match for name in lacking for match in close_names(name, theirs)]
        hint = f"; is it {' or '.join(map(shown, dict.fromkeys(close)))}?" if close else "."
        raise ValueError(
            f"{table.path} has no column{'s' * (len(lacking) > 1)} {listed(lacking)}{hint} It has {listed(theirs)}"
        )


def close_names(name: str, names: Sequence[str]) -> list[str]:
    """The names that differ from one in a few letters, or in capitals."""
    lower = {other.lower(): other for other in names}
    return [lower[match] for match in difflib.get_close_matches(name.lower(), lower, 1)]


def listed(values: Sequence[str]) -> str:
    """Some words for a message, the first ten of them."""
    more = f" and {len(values) - 10} more" if len(values) > 10 else ""
    return ", ".join(shown(value) for value in values[:10]) + more


def numbers_of(table: Table, name: str) -> np.ndarray:
    """A column as numbers (N,), NaN where one is missing; a ValueError for the first that is none."""
    column = table.columns[name]
    if not isinstance(column, Text):
        return column
    values = numbers_in(column.values)
    if values is None:
        good = np.array([numbers_in([value]) is not None for value in column.values])
        row = int(np.argmin(good[column.codes]))
        raise ValueError(f"{table.place(row, name)}: {shown(column.values[column.codes[row]])} is no number")
    for row in np.flatnonzero(np.isinf(values[column.codes]))[:1]:
        raise ValueError(f"{table.place(int(row), name)}: the number is too large for a float")
    return values[column.codes]


def text_of(table: Table, name: str) -> Text:
    """A column as text; a ValueError where it was read as numbers, which no longer tell how they were written."""
    column = table.columns[name]
    if not isinstance(column, Text):
        raise ValueError(
            f"{table.path}: column {shown(name)} is numbers, expected text; use read_table(path, text=[{shown(name)}])"
        )
    return column


def missing_codes(column: Text) -> list[int]:
    """The codes of the values that stand for a missing one."""
    return [code for code, value in enumerate(column.values) if value in MISSING]


def indices(table: Table, name: str, column: Text, known: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The index of each value among the known ones (N,), and where it is missing (N,); a ValueError for any other."""
    index = {value: i for i, value in enumerate(known)}
    index_of = np.array([index.get(value, -1) for value in column.values], np.int64)
    missing = np.isin(column.codes, missing_codes(column))
    found = index_of[column.codes] if len(column.codes) else np.empty(0, np.int64)
    for row in np.flatnonzero((found < 0) & ~missing)[:1]:
        value = text_of(table, name).values[column.codes[row]]
        raise ValueError(
            f"{table.place(int(row), name)}: {shown(value)} was not there in training; known are {listed(known)}"
        )
    return found, missing


def present(table: Table, name: str, missing: np.ndarray, role: str) -> None:
    """A ValueError that names the first row in which a value is missing."""
    for row in np.flatnonzero(missing)[:1]:
        n = int(missing.sum())
        remedy = (
            "leave out the rows without an answer"
            if role
            else "leave the rows out, or train with missing='mean' (--missing mean), which fills in"
        )
        raise ValueError(f"{table.place(int(row), name)}: the value is missing ({n} of {len(missing)} rows); {remedy}")


def as_named(values: Sequence[str], names: Sequence[str]) -> list[str]:
    """The values, with another spelling of a class that is a number in place of its own: 1.0 -> 1."""
    numbers = numbers_in(names)
    if numbers is None or any(name in MISSING for name in names):
        return list(values)
    spelled = dict(zip(numbers.tolist(), names, strict=True))
    parsed = (numbers_in([value]) for value in values)
    return [value if p is None else spelled.get(float(p[0]), value) for value, p in zip(values, parsed, strict=True)]
