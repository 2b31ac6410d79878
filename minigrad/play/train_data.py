"""The data of the training scene: a set of `mg.datasets`, or a table that was pasted in."""

from __future__ import annotations

import csv
import functools
import math
from dataclasses import dataclass

import numpy as np

from .. import datasets
from .._advice import shown
from ..datasets.table import numbers_in

LONGEST = 20_000  # characters of a table: an address holds it
MOST_ROWS, MOST_FEATURES, MOST_CLASSES = 1_000, 64, 10
HELD_OUT = 5  # one row of so many is kept from training
TABLE = "table"  # the data's name where it is a table


@dataclass(frozen=True, eq=False)
class Data:
    """x (N, J) and the class of each row, y (N,), to train with; x_test, y_test held out, None where there are none.

    classes and features are their names; shift and spread (J,) are what x was scaled with.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray | None
    y_test: np.ndarray | None
    features: tuple[str, ...]
    classes: tuple[str, ...]
    shift: np.ndarray
    spread: np.ndarray


@functools.lru_cache(maxsize=16)
def load(name: str, table: str, scale: str) -> Data:
    """The data of a name, or of a table's text where the name is TABLE; scaled by the numbers of the training rows."""
    if name == TABLE:
        x, y, features, classes = parse(table)
        test = held_out(len(x))
        x, y, x_test, y_test = x[~test], y[~test], x[test], y[test]
    else:
        x, y, x_test, y_test = datasets.load(name)
        features = tuple(f"x{j + 1}" for j in range(x.shape[1]))
        classes = tuple(str(k) for k in range(int(max(y.max(), y_test.max())) + 1))
    shift, spread = datasets.scaling(x, scale)
    x, x_test = (x - shift) / spread, (x_test - shift) / spread
    if len(x_test) == 0 or name == "xor":  # whose held-out points are the four that it is trained on
        return Data(x, y, None, None, features, classes, shift, spread)
    return Data(x, y, x_test, y_test, features, classes, shift, spread)


def held_out(N: int) -> np.ndarray:
    """Which of N rows are kept from training, bool (N,): the last of every five, so that sorted classes are parted."""
    return np.arange(N) % HELD_OUT == HELD_OUT - 1


def parse(text: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """x (N, J), y (N,), and the names of features and classes, of a table: columns of numbers, the last one the class.

    Commas, semicolons or tabs part the cells; a first row of names may be there. ValueError, naming the line, where it
    is no such table.
    """
    if len(text) > LONGEST:
        raise ValueError(f"the table has {len(text):,} characters, expected at most {LONGEST:,}: paste fewer rows")
    rows = [(line, [cell.strip() for cell in row]) for line, row in _rows(text) if any(map(str.strip, row))]
    if not rows:
        raise ValueError("the table is empty: paste rows of numbers, with the class in the last column")
    width = len(rows[0][1])
    if not 3 <= width <= MOST_FEATURES + 1:
        raise ValueError(
            f"the table has {width} columns, expected from 3 to {MOST_FEATURES + 1}: numbers, and then the class"
        )
    for line, row in rows:
        if len(row) != width:
            raise ValueError(f"line {line} has {len(row)} cells, the first row {width}")
    names = rows.pop(0)[1] if any(_number(cell) is None for cell in rows[0][1][:-1]) else None
    if not 2 <= len(rows) <= MOST_ROWS:
        raise ValueError(f"the table has {len(rows):,} rows of numbers, expected from 2 to {MOST_ROWS:,}")
    x = np.array([_features(line, row[:-1]) for line, row in rows])
    return x, *_classes([row[-1] for _, row in rows], names, width)


def _classes(
    labels: list[str], names: list[str] | None, width: int
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    known = sorted(set(labels), key=lambda label: (value if (value := _number(label)) is not None else math.inf, label))
    if not 2 <= len(known) <= MOST_CLASSES:
        raise ValueError(
            f"the last column holds {len(known)} different classes, expected from 2 to {MOST_CLASSES}; "
            "put the class into the last column"
        )
    y = np.array([known.index(label) for label in labels], np.int64)
    features = names[:-1] if names else [f"x{j + 1}" for j in range(width - 1)]
    return y, tuple(features), tuple(known)


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """(line, cells) of each row."""
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    reader = csv.reader(lines, delimiter=max(",;\t", key=first.count))
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} of the table cannot be read: {error}") from None


def _features(line: int, cells: list[str]) -> list[float]:
    numbers = [_number(cell) for cell in cells]
    for column, (cell, number) in enumerate(zip(cells, numbers, strict=True), 1):
        if number is None:
            raise ValueError(f"line {line}, column {column} holds {shown(cell)}, expected a number")
    return numbers  # type: ignore[return-value]


def _number(text: str) -> float | None:
    """The finite float that a cell says, as in any table; None where it says none."""
    values = numbers_in([text])
    return float(values[0]) if values is not None and abs(values[0]) < 1e100 else None
