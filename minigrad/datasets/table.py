"""Reads tables from text files (CSV): each column as numbers or as text, each fault named by its line."""

from __future__ import annotations

import contextlib
import csv
import itertools
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._advice import shown
from ..files.archive import ENDLESS, kind_of_file

MISSING = frozenset({"", "NA", "NaN", "nan", "null", "NULL", "?"})  # the ways to write that a value is missing
_DELIMITERS = "\t;,"  # the first that fits: a comma may stand inside a cell, a tab hardly ever does
_GUESSED_FROM = 20  # rows
_CHUNK = 1000  # rows whose text is in memory at a time
_IN_NUMBERS = b"0123456789eE.+-\n"  # float() takes more than a table means: "1_000", "infinity"


class Text(NamedTuple):
    """A column of text: row n holds values[codes[n]]. The values are distinct, and each is in some row."""

    codes: np.ndarray  # (N,) int64
    values: list[str]


Column = np.ndarray | Text


@dataclass(frozen=True)
class Table:
    """The columns of a table by name: numbers (N,) float64, NaN where one is missing, or `Text`.

    rows and lines (N,) say where each row comes from, for messages: its number, the first below the header is 1, and
    the line of the file it begins on.
    """

    path: str
    columns: dict[str, Column]
    rows: np.ndarray
    lines: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: np.ndarray) -> Table:
        """The table with some of the rows: their indices (M,), or a mask (N,)."""
        columns: dict[str, Column] = {}
        for name, column in self.columns.items():
            if isinstance(column, Text):
                used, codes = np.unique(column.codes[chosen], return_inverse=True)
                columns[name] = Text(codes.reshape(-1), [column.values[code] for code in used])
            else:
                columns[name] = column[chosen]
        return Table(self.path, columns, self.rows[chosen], self.lines[chosen])

    def place(self, row: int, name: str) -> str:
        """Where the value of a column is, for a message; row is an index of this table."""
        return f"{self.path}: row {self.rows[row]} (line {self.lines[row]}), column {shown(name)}"


def read_table(path: str | os.PathLike[str], *, text: Collection[str] = ()) -> Table:
    """The table in a text file: UTF-8, the names of the columns in the first line, then a row a line.

    The cells are parted by commas, semicolons or tabs, which the first lines tell; a cell in double quotes may hold
    these, line breaks, and "" for a quote (RFC 4180). Spaces around names and values are dropped, and blank lines. A
    column is numbers (with a decimal point; 1e-3 is one) where all its values are, else text; those named in `text`
    are text. Missing is an empty cell, NA, NaN, nan, null, NULL or ?.

    Values are read 1,000 rows at a time, so a table takes 8 bytes a number, and a little more while it is read.
    Raises OSError where the file cannot be opened; ValueError, naming file and line, where it is no such table: no
    names, two columns of one name, rows of another length, text in another encoding, a quote without its end.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path: expected a str or a path, got {shown(path)}")
    if kind_of_file(path) in ENDLESS:  # and a table is read twice
        raise ValueError(f"{path} is {kind_of_file(path)}, expected a plain file")
    names, delimiter = _header(Path(path))
    as_text = set(names_given(text, "text"))
    while True:  # at most twice: the first pass finds each column that turns out to be text
        table, late = _read(Path(path), names, delimiter, as_text)
        if not late:
            return table
        as_text |= late


def column_names(path: str | os.PathLike[str]) -> list[str]:
    """The names in the first line of a table, and nothing more of it. Raises as `read_table` does."""
    return _header(Path(path))[0]


def names_given(names: Any, argument: str) -> list[str]:
    """Names of columns as a list, also of a single one; a TypeError where they are none."""
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list | tuple | set | frozenset) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{argument}: expected a list of names of columns, got {shown(names)}")
    return list(names)


def numbers_in(values: Sequence[str]) -> np.ndarray | None:
    """The values as floats (N,), NaN where one is missing; None where one is no number."""
    parsed = _floats(values)
    if parsed is not None:
        return parsed
    values = [value.strip() for value in values]
    present = np.array([value not in MISSING for value in values], bool)
    parsed = _floats([value for value in values if value not in MISSING])
    if parsed is None:
        return None
    found = np.full(len(values), np.nan)
    found[present] = parsed
    return found


def _floats(values: Sequence[str]) -> np.ndarray | None:
    """The values as floats; None where one is no number, is missing or has spaces around it."""
    joined = "\n".join(values)
    if not joined.isascii() or joined.encode().translate(None, _IN_NUMBERS):
        return None
    try:
        return np.fromiter(map(float, values), np.float64, len(values))
    except ValueError:
        return None


# ---- rows ------------------------------------------------------------------------------------------------


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(the line it begins on, its cells) of each row that is not blank."""
    with open(path, encoding="utf-8-sig", newline="") as file:  # -sig: without the mark that spreadsheets begin with
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader, None)
            except UnicodeDecodeError:
                raise _not_utf8(path) from None
            except csv.Error as error:
                raise ValueError(f"{path}, line {line}: {error}; is a quote opened there that does not end?") from None
            if row is None:
                return
            if row:
                yield line, row


def _not_utf8(path: Path) -> ValueError:
    """The error for a file in another encoding: the decoder itself does not know the line."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return ValueError(
                    f"{path}, line {number}: the byte 0x{line[error.start]:02x} is not UTF-8; save the table as UTF-8 "
                    "(in a spreadsheet: CSV UTF-8)"
                )
    return ValueError(f"{path} is not UTF-8")


def _delimiter(path: Path) -> str:
    """The delimiter that parts the first rows into equally many cells; where none does, the header into most."""

    def fit(delimiter: str) -> tuple[bool, int]:
        widths: list[int] = []
        whole = False
        with contextlib.suppress(ValueError):  # which comes again, once the delimiter is chosen
            for _, row in itertools.islice(_rows(path, delimiter), _GUESSED_FROM):
                widths.append(len(row))
            whole = True
        even = whole and len(set(widths)) == 1 and widths[0] > 1
        return even, 0 if even or not widths else widths[0]

    return max(_DELIMITERS, key=fit)


def _header(path: Path) -> tuple[list[str], str]:
    """The names of the columns, and the delimiter."""
    delimiter = _delimiter(path)
    line, row = next(_rows(path, delimiter), (1, []))
    names = [name.strip() for name in row]
    if not names:
        raise ValueError(f"{path} is empty, expected a line with the names of the columns, and rows below it")
    where = f"{path}, line {line}"
    if any("\0" in name for name in names):
        raise ValueError(f"{where}: it holds bytes of 0, as no text does; save the table as CSV in UTF-8")
    values = [name for name in names if name and numbers_in([name]) is not None]
    if len(set(values)) < len(values) or any(not value.isdecimal() for value in values):
        raise ValueError(
            f"{where}: expected the names of the columns, found values, {shown(names)}; add a line of names"
        )
    for number, name in enumerate(names, 1):
        if not name:
            raise ValueError(
                f"{where}: column {number} of {len(names)} has no name; name it there. (pandas writes such a column "
                "unless it is told to_csv(..., index=False).)"
            )
        if name in names[: number - 1]:
            first = names.index(name) + 1
            raise ValueError(f"{where}: columns {first} and {number} are both called {shown(name)}; rename one")
    return names, delimiter


# ---- columns ---------------------------------------------------------------------------------------------


def _read(path: Path, names: list[str], delimiter: str, as_text: set[str]) -> tuple[Table, set[str]]:
    """The table; and the columns in which text came after the first chunk, whose numbers are then incomplete."""
    numbers: dict[str, list[np.ndarray]] = {name: [] for name in names if name not in as_text}
    codes: dict[str, list[np.ndarray]] = {name: [] for name in names if name in as_text}
    values: dict[str, dict[str, int]] = {name: {} for name in codes}
    lines: list[int] = []
    late: set[str] = set()
    rows = _rows(path, delimiter)
    next(rows)  # the names
    while chunk := list(itertools.islice(rows, _CHUNK)):
        _check_widths(path, len(names), chunk)
        lines.extend(line for line, _ in chunk)
        for name, column in zip(names, zip(*(row for _, row in chunk), strict=True), strict=True):
            if name in numbers:
                parsed = numbers_in(column)
                if parsed is not None:
                    numbers[name].append(_finite(parsed, column, path, name, len(lines) - len(column), lines))
                    continue
                if numbers[name]:
                    late.add(name)
                    continue
                del numbers[name]
                codes[name], values[name] = [], {}
            known = values[name]
            codes[name].append(np.array([known.setdefault(cell.strip(), len(known)) for cell in column], np.int64))
    columns: dict[str, Column] = {
        name: _joined(numbers[name], np.float64)
        if name in numbers
        else Text(_joined(codes[name], np.int64), list(values[name]))
        for name in names
    }
    return Table(str(path), columns, np.arange(1, len(lines) + 1), np.array(lines, np.int64)), late


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _check_widths(path: Path, width: int, chunk: Iterable[tuple[int, list[str]]]) -> None:
    for line, row in chunk:
        if len(row) != width:
            raise ValueError(f"{path}, line {line}: expected {width} values, as there are names, found {len(row)}")


def _finite(
    parsed: np.ndarray, cells: Sequence[str], path: Path, name: str, first: int, lines: list[int]
) -> np.ndarray:
    """The numbers; a ValueError for the first that is beyond all floats."""
    for i in np.flatnonzero(np.isinf(parsed))[:1]:
        row = first + int(i)
        raise ValueError(
            f"{path}: row {row + 1} (line {lines[row]}), column {shown(name)}: {cells[i]} is too large for a float"
        )
    return parsed
