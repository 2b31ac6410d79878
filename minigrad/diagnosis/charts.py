"""Small charts as SVG text, without a library: a number on its line, curves, and bars. Colours come from page.css.

Lengths are in units of the view box, WIDE across, which a phone shows at about one pixel each. All text is escaped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from .._pictures import broken_line, svg, tag
from .number_line import NumberLine, number_line

WIDE = 340
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 38  # of a chart: room around the field
HIGH = 190
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 4")  # so that curves can be told apart without colours


@dataclass(frozen=True)
class Series:
    """One curve: its name and its points (x, y). What cannot be drawn, as infinity, interrupts it."""

    name: str
    points: list[tuple[float, float]]


def element(name: str, kind: str = "", content: str = "", **attributes: object) -> str:
    """An element of a class of page.css."""
    return tag(name, content, **({"class": kind} if kind else {}), **attributes)


def words(text: str, x: float, y: float, anchor: str = "middle", kind: str = "", **attributes: object) -> str:
    """Text at a place."""
    return element("text", kind, escape(text), x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, **attributes)


def picture(content: str, high: float, label: str) -> str:
    """The SVG; label says what it shows to those who cannot see it."""
    return svg(content, WIDE, high, role="img", aria_label=label)


# ---- a number on its line ------------------------------------------------------------------------------------


def number_picture(measured: float, expected: tuple[float, float], label: str) -> str:
    """The expected range shaded, the measured number as a diamond above it. An arrow: it goes on beyond that end."""
    line = number_line(measured, expected)
    start, end, y = 14.0, WIDE - 14.0, 30.0

    def at(place: float) -> float:
        return start + place * (end - start)

    low, high = at(line.low), at(line.high)
    parts = [
        element("line", "axis", x1=start, x2=end, y1=y, y2=y),
        element("rect", "healthy", x=f"{low:.1f}", y=y - 6, width=f"{max(high - low, 2):.1f}", height=12),
    ]
    for bound, x, turn in ((expected[0], low, -1), (expected[1], high, 1)):
        if math.isinf(bound):
            parts.append(_arrow(x, y, turn, "healthy-end"))
    x = at(line.measured)
    if line.beyond or math.isinf(measured):
        parts.append(_arrow(x, y, line.beyond or (1 if measured > 0 else -1), "measured"))
    else:
        parts.append(element("path", "measured", d=f"M{x:.1f} {y - 7} l6 7 l-6 7 l-6 -7z"))
    parts.append(_label(line.marks[-1][1], x, y - 13, "value"))
    parts += _bounds(line, at, y + 21)
    if line.logarithmic:
        parts.append(words("log scale", WIDE - 2, y + 34, "end", "tick"))
    return picture("".join(parts), 66 if line.logarithmic else 56, label)


def _arrow(x: float, y: float, turn: int, kind: str) -> str:
    return element("path", kind, d=f"M{x + 9 * turn:.1f} {y} l{-9 * turn} -7 v14z")


def _label(text: str, x: float, y: float, kind: str) -> str:
    """Text centred at x, or as near as it stays inside."""
    half = 3.6 * len(text)
    return words(text, min(max(x, half + 2), WIDE - half - 2), y, "middle", kind)


def _bounds(line: NumberLine, at: object, y: float) -> list[str]:
    """The numbers at the ends of the range; where they are near each other they part."""
    assert callable(at)
    marks = line.marks[:-1]
    places = [at(place) for place, _ in marks]
    if len(marks) == 2 and places[1] - places[0] < 44:
        left, right = places[0], places[1]
        left, right = max(left, 30), max(right, max(left, 30))
        return [
            words(marks[0][1], min(left, WIDE - 60) - 2, y, "end", "tick"),
            words(marks[1][1], min(right, WIDE - 56) + 2, y, "start", "tick"),
        ]
    return [_label(text, x, y, "tick") for x, (_, text) in zip(places, marks, strict=True)]


# ---- charts with axes ----------------------------------------------------------------------------------------


def curves(
    series: Sequence[Series],
    x_ticks: Sequence[tuple[float, str]],
    x_label: str,
    y_label: str,
    level: float | None = None,
) -> str:
    """Curves on a logarithmic y axis; level is a dotted line across. Of class s0, s1, ... each."""
    heights = [y for one in series for _, y in one.points if _drawn(y)] + ([level] if level else [])
    heights = heights or [1.0]
    low, high = math.log10(min(heights)), math.log10(max(heights))
    low, high = (low - 0.08 * (high - low), high + 0.08 * (high - low)) if high - low > 0.3 else (low - 0.2, high + 0.2)
    xs = [x for x, _ in x_ticks] or [0.0]
    span = (max(xs) - min(xs)) or 1.0

    def across(x: float) -> float:
        return LEFT + 8 + (x - min(xs)) / span * (WIDE - LEFT - RIGHT - 16)

    def up(y: float) -> float:
        return TOP + (high - math.log10(y)) / (high - low) * (HIGH - TOP - BOTTOM)

    parts = _axes([(across(x), text) for x, text in x_ticks], x_label, y_label)
    parts += [_y_tick(up(y), text) for y, text in _log_ticks(low, high)]
    if level:
        parts.append(element("path", "level-line", d=f"M{LEFT} {up(level):.1f} H{WIDE - RIGHT}"))
    for i, one in enumerate(series):
        parts.append(_curve([(across(x), up(y) if _drawn(y) else math.nan) for x, y in one.points], i))
    return picture("".join(parts), HIGH, f"{y_label} by {x_label}: {', '.join(one.name for one in series)}")


def bars(values: Sequence[tuple[str, float | None]], x_label: str, y_label: str) -> str:
    """A bar from 0 to 1 for each name; None is no bar."""
    step = (WIDE - LEFT - RIGHT) / max(len(values), 1)
    places = [LEFT + (i + 0.5) * step for i in range(len(values))]
    field = HIGH - TOP - BOTTOM
    parts = _axes(list(zip(places, (name for name, _ in values), strict=True)), x_label, y_label)
    parts += [_y_tick(TOP + (1 - y) * field, f"{y:g}") for y in (0, 0.5, 1)]
    wide = min(0.6 * step, 34)
    for x, (_, value) in zip(places, values, strict=True):
        if value is None or math.isnan(value):
            parts.append(words("none", x, TOP + field - 4, "middle", "tick"))
            continue
        high = min(max(value, 0.0), 1.0) * field
        y = TOP + field - high
        parts.append(
            element("rect", "bar", x=f"{x - wide / 2:.1f}", y=f"{y:.1f}", width=f"{wide:.1f}", height=f"{high:.1f}")
        )
        if step >= 26:
            parts.append(
                words(
                    f"{value:.2g}", x, y - 3 if value < 0.9 else y + 12, "middle", "on-bar" if value >= 0.9 else "tick"
                )
            )
    return picture("".join(parts), HIGH, f"{y_label} by {x_label}")


def swatch(i: int) -> str:
    """A piece of curve i, for a legend."""
    line = element("line", f"s{i}", x1=0, x2=30, y1=6, y2=6, stroke_dasharray=DASHES[i % len(DASHES)])
    return svg(line, 30, 12, width=30, height=12)


def _drawn(y: float) -> bool:
    return math.isfinite(y) and y > 0


def _axes(x_ticks: Sequence[tuple[float, str]], x_label: str, y_label: str) -> list[str]:
    bottom = HIGH - BOTTOM
    parts = [element("path", "axis", d=f"M{LEFT} {TOP} V{bottom} H{WIDE - RIGHT}")]
    every = -(-len(x_ticks) // 8)
    parts += [words(text, x, bottom + 15, "middle", "tick") for x, text in x_ticks[::every]]
    parts.append(words(x_label, (LEFT + WIDE - RIGHT) / 2, HIGH - 6, "middle", "label"))
    middle = (TOP + bottom) / 2
    parts.append(words(y_label, 11, middle, "middle", "label", transform=f"rotate(-90 11 {middle:.1f})"))
    return parts


def _y_tick(y: float, text: str) -> str:
    grid = element("line", "grid", x1=LEFT, x2=WIDE - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}")
    return grid + words(text, LEFT - 4, y + 4, "end", "tick")


def _log_ticks(low: float, high: float) -> Iterable[tuple[float, str]]:
    """Powers of ten, at most five of them; 1, 2, 5 of each where there are few."""
    every = max(1, math.ceil((high - low) / 5))
    powers = [e for e in range(math.floor(low), math.ceil(high) + 1) if e % every == 0]
    factors = (1, 2, 5) if high - low < 1.7 else (1,)
    ticks = [factor * 10.0**e for e in powers for factor in factors]
    return [(tick, re.sub(r"e\+?(-?)0*", r"e\1", f"{tick:.3g}")) for tick in ticks if low <= math.log10(tick) <= high]


def _curve(points: list[tuple[float, float]], i: int) -> str:
    """A line through the points, and a dot at each; broken where y is nan."""
    dots = "".join(
        element("circle", f"dot s{i}", cx=f"{x:.1f}", cy=f"{y:.1f}", r=2.6) for x, y in points if not math.isnan(y)
    )
    line = element("path", f"curve s{i}", d=broken_line(points) or "M0 0", stroke_dasharray=DASHES[i % len(DASHES)])
    return line + dots
