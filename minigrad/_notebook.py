"""What a notebook shows of nets, pairs and runs: small tables and pictures, as HTML text without a library.

All that is not a sign or an activation has the colour of the notebook's own text, so it fits light and dark themes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np

from ._pictures import activation_colour, broken_line, sign_squares, svg, tag

ROWS, COLUMNS = 12, 24  # of a matrix, drawn at most
WIDE, HIGH, ROOM = 360, 140, 58  # of a chart, and the room left of it


def table(title: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table under a title. The title and the names are text, the cells are HTML."""
    left = "text-align:left;vertical-align:top;padding:.2em 1em .2em 0"
    head = tag("tr", "".join(tag("th", escape(name), scope="col", style=left) for name in names))
    body = "".join(tag("tr", "".join(tag("td", cell, style=left) for cell in row)) for row in rows)
    caption = tag("caption", escape(title), style=f"caption-side:top;color:inherit;{left}")
    return tag("table", caption + tag("thead", head) + tag("tbody", body))


def shape(array: Any) -> str:
    """(32, 10), as text."""
    return str(tuple(int(size) for size in np.shape(array)))


def number(value: float) -> str:
    """Four digits, and a minus sign rather than a hyphen."""
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def matrix(array: np.ndarray, label: str, side: int = 8) -> str:
    """A matrix (K, J) as coloured squares, its upper left corner where it is large; the sizes stand below."""
    K, J = array.shape
    corner = array[:ROWS, :COLUMNS].astype(np.float64)
    largest = f"largest {number(np.abs(corner).max())}" if corner.size else "no entries"
    part = "" if corner.shape == (K, J) else f", the first {len(corner)} x {corner.shape[1]} of {K} x {J}"
    picture = tag("span", sign_squares(corner.tolist(), side), role="img", aria_label=f"{label}, {largest}{part}")
    return picture + tag("div", escape(largest + part), style="font-size:smaller;opacity:.75")


def pair(g: Any) -> str:
    """A WeightGradient: delta, a and their product for the first sample, and the gradient of all."""
    delta, a = g.rows()
    if not len(delta):
        return tag("code", escape(repr(g)))
    place = "sample 0" if g.delta.ndim == 2 else "sample 0 at its first position"
    side = 16 if max(g.weight.shape) <= ROWS else 8
    with np.errstate(all="ignore"):
        product = delta[:1].T * a[:1]
    cells = [
        matrix(delta[:1].T, f"delta of {place}", side),
        matrix(a[:1], f"a of {place}", side),
        matrix(product, f"delta a^T of {place}", side),
        matrix(g.weight, "the weight gradient", side),
    ]
    title = f"WeightGradient: delta {shape(g.delta)}, a {shape(g.a)}. Orange is plus, blue minus"
    names = [
        f"delta of {place}",
        "a",
        "delta a\N{MODIFIER LETTER CAPITAL T}",
        f"weight, the mean of {len(g.delta)} samples",
    ]
    return table(title, names, [cells])


def layers(title: str, rows: Iterable[tuple[str, str, str, str, np.ndarray | None, str]]) -> str:
    """The layers of a net: path, repr, output shape, number of parameters, weight (K, J) or None, activation or ""."""

    def named(text: str, kind: str) -> str:
        dot = tag("span", "\N{BLACK CIRCLE} ", style=f"color:{activation_colour(kind)}") if kind else ""
        return dot + tag("code", escape(text))

    cells = (
        (escape(path), named(text, kind), escape(out), count, "" if w is None else matrix(w, f"weight of {path}"))
        for path, text, out, count, w, kind in rows
    )
    return table(title, ["path", "layer", "output", "parameters", "weight"], cells)


def passes(bp: Any) -> str:
    """A Backprop: the sizes of delta, a and gradient at each weight."""
    names = ["weight", "delta", "size of delta", "a", "mean of a", "size of the gradient", "gradient"]
    rows = (
        (
            escape(path),
            shape(g.delta),
            number(_rms(g.delta)),
            shape(g.a),
            number(float(g.a.mean(dtype=np.float64))),
            number(_rms(g.weight)),
            matrix(g.weight, f"the gradient of {path}"),
        )
        for path, g in bp.gradients.items()
    )
    title = f"Backprop of {len(bp.activations[0])} samples: loss {number(bp.loss)}. A size is a root mean square"
    with np.errstate(all="ignore"):
        return table(title, names, rows)


def run(entries: dict[str, list[float]]) -> str:
    """A training run: {"loss": [one number an epoch], "val_loss": ..., ...}."""
    epochs = len(entries["loss"])
    rows = []
    for name, values in entries.items():
        if values:
            known = [value for value in values if value == value]
            best = (max if name.endswith("accuracy") else min)(known, default=math.nan)
            at = f" in epoch {values.index(best) + 1}" if known else ""
            rows.append((name, number(values[0]), number(values[-1]), number(best) + at))
    found = table(f"History of {epochs} epochs", ["", "first", "last", "best"], rows)
    return found + chart([("training", entries["loss"]), ("validation", entries["val_loss"])]) if epochs > 1 else found


def chart(curves: Iterable[tuple[str, list[float]]]) -> str:
    """Losses by epoch, the second of them dashed; each is named at its end. What is not finite interrupts a curve."""
    drawn = [(name, values) for name, values in curves if any(map(math.isfinite, values))]
    heights = [value for _, values in drawn for value in values if math.isfinite(value)]
    if not heights:
        return ""
    low, high, epochs = min(heights), max(heights), max(len(values) for _, values in drawn)
    bottom, right = HIGH - 40, WIDE - 74
    parts = [tag("path", d=f"M{ROOM} 10 V{bottom} H{right}", fill="none", stroke="currentColor")]
    parts += [_words(number(high), ROOM - 4, 14, "end"), _words(number(low), ROOM - 4, bottom + 4, "end")]
    parts += [_words("1", ROOM, bottom + 16), _words(str(epochs), right, bottom + 16)]
    parts += [_words("epoch", (ROOM + right) / 2, bottom + 16), _words("loss", 4, bottom / 2 + 8, "start")]
    ends = []
    for i, (name, values) in enumerate(drawn):
        points = [
            (
                ROOM + epoch / max(epochs - 1, 1) * (right - ROOM),
                bottom - (value - low) / ((high - low) or 1) * (bottom - 10),
            )
            for epoch, value in enumerate(values)
        ]
        parts.append(_curve(points, "5 3" if i else "none"))
        ends.append((*next(point for point in reversed(points) if math.isfinite(point[1]))[::-1], name))
    highest = math.inf
    for y, x, name in sorted(ends, reverse=True):
        highest = min(y + 4, highest - 12)  # names that would lie on each other part
        parts.append(_words(name, x + 5, highest, "start"))
    label = f"loss by epoch: {', '.join(name for name, _ in drawn)}"
    return svg("".join(parts), WIDE, HIGH, width=WIDE, height=HIGH, role="img", aria_label=label)


def _words(text: str, x: float, y: float, anchor: str = "middle") -> str:
    return tag("text", escape(text), x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, fill="currentColor", font_size=11)


def _curve(points: list[tuple[float, float]], dashes: str) -> str:
    """A line through the points, and a dot at one that stands alone."""
    line = broken_line(points)
    alone = [part.split() for part in line.split("M") if part and "L" not in part]
    dots = "".join(tag("circle", cx=x, cy=y, r=2, fill="currentColor") for x, y in alone)
    return tag("path", d=line, fill="none", stroke="currentColor", stroke_width=1.5, stroke_dasharray=dashes) + dots


def _rms(array: np.ndarray) -> float:
    return float(np.sqrt(np.square(array, dtype=np.float64).mean()))
