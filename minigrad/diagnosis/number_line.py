"""A measured number on the line of the values expected of it: where things stand, for text and picture alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

DECADES = 30.0  # a ratio from which on a line is logarithmic


@dataclass(frozen=True)
class NumberLine:
    """Places from 0 (left end) to 1.

    low, high  where the expected range begins and ends; 0 and 1 where it has no such end
    measured   where the number lies; 0 or 1, too, where it lies beyond the line
    beyond     -1 or 1: the number lies beyond that end; else 0
    marks      (place, text) of the ends of the range and of the number, the number last
    """

    low: float
    high: float
    measured: float
    beyond: int
    marks: list[tuple[float, str]]
    logarithmic: bool


def number_line(measured: float, expected: tuple[float, float]) -> NumberLine:
    """The line for a number and its range (low, high), either end of which may be infinite.

    Logarithmic where nothing is below 0 and the numbers span more than a decade and a half. A range from 0 begins at
    the left end of such a line.
    """
    low, high = (_bounded(value) for value in expected)
    shown = dict.fromkeys(value for value in expected if math.isfinite(value))
    text, measured = f"{measured:.4g}", _bounded(measured)
    finite = [value for value in (low, high, measured) if math.isfinite(value)]
    positive = [value for value in finite if value > 0]
    logarithmic = min(finite, default=0.0) >= 0 and bool(positive) and max(positive) / min(positive) > DECADES
    start, end = _ends(finite, low, high, logarithmic)

    def place(value: float) -> float:
        if math.isnan(value):
            return 0.5
        if logarithmic:
            value = math.log10(value) if value > 0 else -math.inf
        return min(max((value - start) / (end - start), 0.0), 1.0)

    return NumberLine(
        place(low),
        place(high),
        place(measured),
        _beyond(math.log10(measured) if logarithmic and measured > 0 else measured, start, end),
        [*((place(value), f"{value:.4g}") for value in shown), (place(measured), text)],
        logarithmic,
    )


def _bounded(value: float) -> float:
    """A number whose distance from any other is no infinity, unless it is infinite itself."""
    return min(max(value, -1e300), 1e300) if math.isfinite(value) else value


def _ends(finite: list[float], low: float, high: float, logarithmic: bool) -> tuple[float, float]:
    """What lies at 0 and at 1: numbers, or their logarithms."""
    if logarithmic:
        logs = [math.log10(value) for value in finite if value > 0]
        room = 0.12 * (max(logs) - min(logs))
        least = min(logs) - (room if min(finite) > 0 and low != 0 else 4 * room)
        return least, max(logs) + room
    finite = finite or [0.0]
    bounds = [value for value in (low, high) if math.isfinite(value)]
    if bounds and (width := max(bounds) - min(bounds)) > 0:  # so that the range can still be seen
        finite = [min(max(value, min(bounds) - 20 * width), max(bounds) + 20 * width) for value in finite]
    room = 0.15 * (max(finite) - min(finite)) or 0.15 * abs(finite[0]) or 1.0
    return min(finite) - (0 if min(finite) == low == 0 else room), max(finite) + room


def _beyond(value: float, start: float, end: float) -> int:
    """On which side of the line a number lies: -1, 1, or 0 where it lies on it."""
    return -1 if value < start else 1 if value > end else 0
