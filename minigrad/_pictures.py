"""Colours, and small pieces of HTML and SVG as text: what every picture and page of minigrad has in common.

A colour means one thing everywhere. PLUS and MINUS are the signs of numbers and nothing else, and each activation has
a colour of its own. All are told apart from a white page and from a dark one (a contrast of 3 and more), and those of
the activations that are compared with each other (sigmoid, centred sigmoid, tanh, ReLU) by every kind of eye.
"""

from __future__ import annotations

from html import escape
from math import isfinite

PLUS, MINUS = "#D55E00", "#0072B2"  # Okabe and Ito's vermilion and blue

_ACTIVATIONS = {
    "sigmoid": "#6F48E8",
    "centered_sigmoid": "#B07CC6",
    "tanh": "#97941C",
    "relu": "#1F7F5F",
    "leaky_relu": "#4F9A3C",
    "elu": "#2F93A0",
    "selu": "#5E7F1F",
    "gelu": "#C2507A",
    "silu": "#A8484F",
    "mish": "#B5651D",
    "softplus": "#9A6A3A",
    "identity": "#808080",
}

_PAGE = {  # what a page is made of: (on a light screen and on paper, on a dark screen)
    "paper": ("#fdfdfb", "#16181a"),
    "ink": ("#222222", "#e8e6e1"),
    "soft": ("#5c5c5c", "#a9a7a2"),
    "line": ("#dddddd", "#3a3d40"),
    "box": ("#f2f2ee", "#212427"),
    "link": ("#00568a", "#7cc4f2"),
    "good": ("#00674b", "#4fd1a8"),
    "slow": ("#855500", "#f0b64a"),
    "bad": ("#a40000", "#ff8f86"),
    "other": ("#9b3572", "#eda6cf"),
    "last": ("#4b5fb3", "#9fb0ff"),
}


def page_colours(selector: str) -> str:
    """CSS: the colours of a page, --paper, --ink, ..., as variables of the elements that the selector names."""
    light, dark = ("".join(f"--{name}:{pair[i]};" for name, pair in _PAGE.items()) for i in (0, 1))
    at_night = f"@media screen and (prefers-color-scheme:dark){{{selector}{{{dark}}}}}"
    return f"{selector}{{color-scheme:light dark;{light}}}{at_night}"


def activation_colour(kind: str) -> str:
    """The colour of an activation, by the name that mlp(activation=...) knows; that of "identity" for any other."""
    return _ACTIVATIONS.get(kind, _ACTIVATIONS["identity"])


def strength(size: float) -> float:
    """How strongly a number is coloured, 1/4 to 1, for its size beside the largest one, 0 to 1.

    The palest plus and the palest minus are still coloured, so that every sign can be read. The strength goes with the
    square root of the size: small entries stay visible, and the root of a product is the product of the roots.
    """
    return 0.25 + 0.75 * size**0.5


def tag(name: str, content: str = "", **attributes: object) -> str:
    """An element, as <i title="x">a</i> for "i", "a", title="x". The content is HTML, attributes are escaped."""
    written = "".join(f' {key.replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items())
    return f"<{name}{written}>{content}</{name}>"


def sign_squares(values: list[list[float]], side: int = 16) -> str:
    """Signed numbers as an SVG picture of squares: PLUS above 0, MINUS below, the stronger the larger.

    values: one list a row, all of one length. The strength is an opacity, so the picture fits light and dark pages. An
    infinite number has full strength, and NaN, which has no sign, none.
    """
    largest = max((abs(value) for row in values for value in row if isfinite(value)), default=0.0) or 1.0
    squares = [
        tag(
            "rect",
            x=side * j,
            y=side * k,
            width=side,
            height=side,
            fill=PLUS if value > 0 else MINUS,
            fill_opacity=f"{strength(min(abs(value) / largest, 1)) if value and value == value else 0:.3g}",
        )
        for k, row in enumerate(values)
        for j, value in enumerate(row)
    ]
    wide, high = side * max(map(len, values), default=0), side * len(values)
    return svg("".join(squares), wide, high, width=wide, height=high)


def svg(content: str, wide: float, high: float, **attributes: object) -> str:
    """A picture of shapes, in a view box of this size."""
    box = f"0 0 {wide} {high}"
    return tag("svg", content, xmlns="http://www.w3.org/2000/svg", viewBox=box, **attributes)


def broken_line(points: list[tuple[float, float]]) -> str:
    """The d of a path through the points; it is interrupted where y is not finite, and may be empty."""
    path, pen = [], "M"
    for x, y in points:
        if isfinite(y):
            path.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L" if isfinite(y) else "M"
    return " ".join(path)
