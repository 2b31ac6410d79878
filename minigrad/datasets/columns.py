"""What becomes of the columns of a table, by their values: which kind of input each is, and what the target is."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence

import numpy as np

from .._advice import shown
from .features import (
    BOOLEANS,
    Boolean,
    Category,
    Classes,
    Number,
    Numbers,
    listed,
    missing_codes,
    numbers_of,
    present,
    text_of,
)  # fmt: skip
from .table import MISSING, Table, Text, numbers_in

FEW_CLASSES = 20  # different whole numbers that are taken for classes, and different words that are never too many
MOST_CATEGORIES = 1000  # inputs that one column of text may become
_COMMA = re.compile(r"[+-]?\d+(,\d+)+(\.\d*)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII)
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{2}|\d{4})", re.ASCII)


# ---- the target ------------------------------------------------------------------------------------------


def classes_meant(table: Table, names: Sequence[str], classes: bool | None) -> bool:
    """Are the values of the target classes? As it was said, or else as they look."""
    for name in names:
        column = text_of(table, name)
        absent = np.isin(column.codes, missing_codes(column))
        if absent.all():
            raise ValueError(f"{table.path}: column {shown(name)} is the target, and all its values are missing")
        present(table, name, absent, "target")
    if len(names) > 1:
        if classes:
            raise ValueError(f"target: classes are in one column, got {listed(names)}")
        return False
    if classes is not None:
        return classes
    numbers = numbers_in(text_of(table, names[0]).values)
    if numbers is None:
        return True
    few = len(np.unique(numbers)) <= min(FEW_CLASSES, len(table) / 2)
    return few and bool((numbers == np.floor(numbers)).all())


def numbers_of_target(table: Table, names: Sequence[str]) -> Numbers:
    """Mean and spread of each column of a target of numbers."""
    found = []
    for name in names:
        column = numbers_of(table, name)
        if column.min() == column.max():
            raise ValueError(f"{table.path}: the target {shown(name)} is {column[0]:g} in all rows to train on")
        found.append(mean_and_spread(table, name, column))
    mean, spread = zip(*found, strict=True)
    return Numbers(tuple(names), mean, spread)


def classes_of(table: Table, name: str) -> Classes:
    """The classes in their order: numbers by size, text by the alphabet."""
    values = text_of(table, name).values
    check_commas(table, name, values)
    numbers = numbers_in(values)
    if numbers is None:
        found = sorted(values)
    else:
        spelled: dict[float, str] = {}
        for value, number in sorted(zip(values, numbers.tolist(), strict=True)):
            spelled.setdefault(number, value)
        found = [spelled[number] for number in sorted(spelled)]
    if len(found) == 1:
        raise ValueError(f"{table.path}: the target {shown(name)} is {shown(found[0])} in all rows")
    for value in found:
        if "\n" in value or "\r" in value:
            raise ValueError(f"{table.path}: the target {shown(name)} has a class with a line break, {shown(value)}")
    if len(found) > max(FEW_CLASSES, len(table) / 2):
        raise ValueError(
            f"{table.path}: the target {shown(name)} has {len(found)} different values in {len(table)} rows, too many "
            f"for classes{hint(values)}"
        )
    return Classes(name, tuple(found))


# ---- the inputs ------------------------------------------------------------------------------------------


def features_of(table: Table, no_inputs: set[str]) -> tuple[Number | Boolean | Category, ...]:
    """The inputs, from the training rows."""
    found: list[Number | Boolean | Category] = []
    constant = []
    for name, column in table.columns.items():
        if name in no_inputs:
            continue
        feature = _category(table, name, column) if isinstance(column, Text) else _number(table, name, column)
        if feature is None:
            constant.append(name)
        else:
            found.append(feature)
    if constant:
        _warn(f"{table.path}: left out, because they are the same in all rows to train on: {listed(constant)}")
    if not found:
        raise ValueError(
            f"{table.path} has no column left that could be an input: it has {listed(list(table.columns))}"
        )
    return tuple(found)


def _number(table: Table, name: str, column: np.ndarray) -> Number | None:
    """A column of numbers; None where all are one number."""
    values = column[~np.isnan(column)]
    if not len(values):
        raise ValueError(f"{table.path}: all values of column {shown(name)} are missing; {leave_out(name)}")
    if values.min() == values.max():
        return None
    if len(values) > 2 and np.ptp(values - table.rows[~np.isnan(column)]) == 0:
        _warn(f"{table.path}: column {shown(name)} counts the rows; if it is only their number, {leave_out(name)}")
    return Number(name, *mean_and_spread(table, name, values))


def mean_and_spread(table: Table, name: str, values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation; a ValueError where one of them is beyond all floats, or too near to 0."""
    with np.errstate(all="ignore"):
        mean, spread = float(values.mean()), float(values.std())
        scaled = (values - mean) / spread
    if not (math.isfinite(mean) and 0 < spread < math.inf and np.isfinite(scaled).all()):
        raise ValueError(
            f"{table.path}: column {shown(name)} reaches from {values.min():g} to {values.max():g}, which floats "
            "cannot bring to mean 0 and standard deviation 1; give it another unit"
        )
    return mean, spread


def _category(table: Table, name: str, column: Text) -> Boolean | Category | None:
    """A column of text; None where all are one text."""
    counts = np.bincount(column.codes, minlength=len(column.values))
    count = {value: int(n) for value, n in zip(column.values, counts, strict=True) if value not in MISSING}
    values = sorted(count)
    if not values:
        raise ValueError(f"{table.path}: all values of column {shown(name)} are missing; {leave_out(name)}")
    check_commas(table, name, values)
    if {value.lower() for value in values} <= set(BOOLEANS):
        true = sum(n for value, n in count.items() if value.lower() == "true")
        return Boolean(name, true > sum(count.values()) / 2) if 0 < true < sum(count.values()) else None
    if len(values) == 1:
        return None
    if hint(values) or len(values) > max(5, len(table) / 2):
        _warn(f"{_different(table, name, column)}, each of them an input")
    return Category(name, tuple(values), max(values, key=lambda value: count[value]))


# ---- what is refused, and what is said ---------------------------------------------------------------------


def check_words(table: Table, no_inputs: set[str]) -> None:
    """A ValueError for a column of text that is different in most rows: hardly a word of it is there twice."""
    for name, column in table.columns.items():
        most = min(max(FEW_CLASSES, len(table) / 2), MOST_CATEGORIES)
        if isinstance(column, Text) and name not in no_inputs and len(column.values) > most:
            check_commas(table, name, column.values)
            raise ValueError(f"{_different(table, name, column)}, too many to be an input each; {leave_out(name)}")


def _different(table: Table, name: str, column: Text) -> str:
    values = sorted(set(column.values) - MISSING)
    what = f"column {shown(name)} is text with {len(values)} different values in {len(table)} rows"
    return f"{table.path}: {what}{hint(values)}"


def leave_out(name: str) -> str:
    """How a column is left out, for a message."""
    return f"leave it out with ignore=[{shown(name)}] (--ignore {name})"


def check_commas(table: Table, name: str, values: Sequence[str]) -> None:
    """A ValueError where a column is numbers with a decimal comma."""
    others = [value for value in values if value not in MISSING and numbers_in([value]) is None]
    if others and all(map(_COMMA.fullmatch, others)) and not all(map(_THOUSANDS.fullmatch, others)):
        comma = next(value for value in others if not _THOUSANDS.fullmatch(value))
        raise ValueError(
            f"{table.path}: column {shown(name)} has decimal commas, {shown(comma)}; write its numbers with a point"
        )


def hint(values: Sequence[str]) -> str:
    """What text looks like, if it looks like numbers or dates: the end of a message."""
    others = [value for value in values if value not in MISSING and numbers_in([value]) is None]
    if others and all(map(_THOUSANDS.fullmatch, others)):
        return f" ({shown(others[0])} looks like a number; leave out the commas for thousands)"
    if others and all(map(_DATE.fullmatch, others)):
        return f" ({shown(others[0])} looks like a date; a number, of days say, would keep the order)"
    if 0 < len(others) < len(values) / 2:
        return f" (most look like numbers, but {shown(others[0])} is none)"
    return ""


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=5)
