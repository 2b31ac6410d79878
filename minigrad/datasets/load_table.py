"""Loads a table of one's own for training: splits its rows, and makes the `Encoder` from the training part alone."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Sequence

import numpy as np

from .._advice import shown
from .._checks import Rng, generator, one_of, real_number
from .encoder import Encoder
from .features import (
    BOOLEANS,
    Boolean,
    Category,
    Classes,
    Number,
    Numbers,
    check_names,
    listed,
    missing_codes,
    numbers_of,
    present,
    text_of,
)  # fmt: skip
from .table import MISSING, Table, Text, numbers_in, read_table

FEW_CLASSES = 20  # whole numbers that are taken for classes
MOST_CATEGORIES = 1000  # inputs that one column of text may become
_COMMA = re.compile(r"[+-]?\d+(,\d+)+(\.\d*)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII)
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{2}|\d{4})", re.ASCII)

Loaded = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Encoder]


def load_table(
    path: str | os.PathLike[str],
    target: str | Sequence[str],
    *,
    test: float = 0.2,
    classes: bool | None = None,
    missing: str = "refuse",
    ignore: Sequence[str] = (),
    rng: Rng = None,
) -> Loaded:
    """A table of your own (CSV; see `read_table`), as numbers to train on: x_train, y_train, x_test, y_test, encoder.

    target: the column to be learned, or several columns of numbers. All others are inputs, but for those in `ignore`
    and those that are the same in all training rows. A column of numbers is one input, with mean 0 and standard
    deviation 1; true and false are 1 and 0; text is an input for each value, 1 in its rows and else 0 (one-hot).
    classes: are the values of the target classes, or numbers? None: text and true/false are classes, and so are up to
    20 different whole numbers that occur twice or more on average. y is class numbers (N,), int64, in the order
    of encoder.target.names; or numbers (N, K), each column with mean 0 and standard deviation 1.
    test: the share of rows to test on, drawn with rng, and of each class alike; 0 for none. Means, spreads, categories
    and classes are those of the training rows; a row with a category of its own is one of them.
    missing: "refuse", or "mean", which puts in the mean, and for text the most frequent value; never in the target.

    A UserWarning says what should be looked at: columns that are left out, text that looks like numbers or dates.
    Raises ValueError that names the column, and the row where one is to blame: no such column, a value is missing,
    nothing but missing values, text that is different in most rows, numbers with a decimal comma, a target that is the
    same everywhere, no rows.
    """
    names = [target] if isinstance(target, str) else list(target)
    ignore = [ignore] if isinstance(ignore, str) else list(ignore)
    _check_given(names, ignore)
    test = real_number(test, "test", 0, 1, open_high=True)
    one_of(missing, "missing", ("refuse", "mean"))
    random = generator(rng)
    table = read_table(path, text=names)
    check_names(table, [*names, *ignore])
    if len(table) == 0:
        raise ValueError(f"{path} has the names of its columns but no rows")
    as_classes = _classes_meant(table, names, classes)
    chosen = _test_rows(table, test, random, names[0] if as_classes else None, {*names, *ignore})
    train = table.take(~chosen)
    learned = _target(train, names, as_classes)
    encoder = Encoder(_features(train, {*names, *ignore}), learned, fill=missing == "mean")
    held_out = table.take(chosen)
    x, x_test = encoder.inputs(train), encoder.inputs(held_out)
    return x, encoder.targets(train), x_test, encoder.targets(held_out), encoder


def _check_given(names: Sequence[str], ignore: Sequence[str]) -> None:
    """A ValueError where the target is no column, is one twice, or is to be left out."""
    for given, role in ((names, "target"), (ignore, "ignore")):
        if not all(isinstance(name, str) for name in given) or (role == "target" and not given):
            raise TypeError(f"{role}: expected names of columns, got {shown(given)}")
    both = [name for name in names if name in ignore or list(names).count(name) > 1]
    if both:
        raise ValueError(f"target: {shown(both[0])} is named twice, or in ignore too")


# ---- the target ------------------------------------------------------------------------------------------


def _classes_meant(table: Table, names: Sequence[str], classes: bool | None) -> bool:
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


def _target(table: Table, names: Sequence[str], as_classes: bool) -> Classes | Numbers:
    """The target of the training rows."""
    if as_classes:
        return _classes(table, names[0])
    columns = [numbers_of(table, name) for name in names]
    for name, column in zip(names, columns, strict=True):
        if column.min() == column.max():
            raise ValueError(f"{table.path}: the target {shown(name)} is {column[0]:g} in all rows to train on")
    mean, spread = zip(
        *(mean_and_spread(table, name, column) for name, column in zip(names, columns, strict=True)), strict=True
    )
    return Numbers(tuple(names), mean, spread)


def _classes(table: Table, name: str) -> Classes:
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
        raise ValueError(f"{table.path}: the target {shown(name)} is {shown(found[0])} in all rows to train on")
    for value in found:
        if "\n" in value or "\r" in value:
            raise ValueError(f"{table.path}: the target {shown(name)} has a class with a line break, {shown(value)}")
    if len(found) > max(FEW_CLASSES, len(table) / 2):
        raise ValueError(
            f"{table.path}: the target {shown(name)} has {len(found)} different values in {len(table)} rows, too many "
            f"for classes{hint(values)}"
        )
    return Classes(name, tuple(found))


# ---- the rows --------------------------------------------------------------------------------------------


def _test_rows(
    table: Table, share: float, random: np.random.Generator, classes: str | None, no_inputs: set[str]
) -> np.ndarray:
    """Which rows are to be tested on (N,), bool: of each class the same share, to a row."""
    N, chosen = len(table), np.zeros(len(table), bool)
    if share == 0:
        return chosen
    M = min(max(1, round(share * N)), N - 1)
    order = random.permutation(N)
    if classes is not None:
        order = order[np.argsort(text_of(table, classes).codes[order], kind="stable")]
    chosen[order[((np.arange(M) + random.random()) * N / max(M, 1)).astype(int)]] = True
    for name, column in table.columns.items():  # what training has not seen cannot be tested
        if isinstance(column, Text) and (name == classes or name not in no_inputs):
            chosen &= np.isin(column.codes, column.codes[~chosen])
    if not chosen.any():
        raise ValueError(f"{table.path}: test={share:g} leaves none of the {N} rows to test on; give test=0 (--test 0)")
    return chosen


# ---- the inputs ------------------------------------------------------------------------------------------


def _features(table: Table, no_inputs: set[str]) -> tuple[Number | Boolean | Category, ...]:
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
    usual = max(values, key=lambda value: count[value])
    lower = {value.lower() for value in values}
    if lower <= set(BOOLEANS):
        return Boolean(name, usual.lower() == "true") if len(lower) == 2 else None
    if len(values) == 1:
        return None
    what = f"{table.path}: column {shown(name)} is text with {len(values)} different values in {len(table)} rows"
    if len(values) > min(max(FEW_CLASSES, len(table) / 2), MOST_CATEGORIES):
        raise ValueError(f"{what}, too many to be an input each{hint(values)}; {leave_out(name)}")
    if hint(values) or len(values) > max(5, len(table) / 2):
        _warn(f"{what}, each of them an input{hint(values)}")
    return Category(name, tuple(values), usual)


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
    warnings.warn(text, UserWarning, stacklevel=3)
