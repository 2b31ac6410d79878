"""The question, drawn: two neurons, four weights, the update that is wanted, and those that one sample can give."""

from __future__ import annotations

from html import escape

from .._pictures import MINUS, PLUS, sign_squares, tag

WANTED = [[1.0, -1.0], [1.0, -1.0]]  # a row is a neuron, a column an input: w1 and w3 up, w2 and w4 down
POSSIBLE = [[[k, k], [m, m]] for k in (1.0, -1.0) for m in (1.0, -1.0)]  # behind positive inputs a row has one sign
ICON = sign_squares(WANTED)
UP, DOWN = "▲", "▼"


def drawings() -> list[tuple[str, str]]:
    """[(SVG element, what it shows)]: the net, the update that is wanted, and those that are possible."""
    return [
        (_net(), "The question: w₁ and w₃ up, w₂ and w₄ down."),
        (_tiles([WANTED], "Wanted"), "Wanted: each row, a neuron's weights, has both signs."),
        (_tiles(POSSIBLE, "Possible"), "Possible for one sample behind sigmoids: each row has one sign."),
    ]


def _svg(content: str, wide: int, high: int, alt: str) -> str:
    return tag(
        "svg",
        content,
        viewBox=f"0 0 {wide} {high}",
        role="img",
        aria_label=alt,
        style=f"max-width:{wide}px;fill:var(--ink)",
    )


def _text(x: float, y: float, words: str, fill: str = "var(--ink)", size: int = 16, anchor: str = "middle") -> str:
    return tag("text", escape(words), x=x, y=y, fill=fill, font_size=size, text_anchor=anchor)


def _net() -> str:
    """Two inputs on the left, two neurons on the right, and a line for each weight in the colour of its wanted sign."""
    left, right, heights = 30, 250, (30, 180)
    parts = []
    for k, neuron in enumerate(heights):
        for j, given in enumerate(heights):
            up = WANTED[k][j] > 0
            colour = PLUS if up else MINUS
            parts.append(tag("line", x1=left, y1=given, x2=right, y2=neuron, stroke=colour, stroke_width=3))
            x, y = left + 0.7 * (right - left), given + 0.7 * (neuron - given)  # near the neuron, where lines are apart
            name = f"w{'₁₂₃₄'[2 * k + j]} {UP if up else DOWN}"
            parts.append(_text(x - (34 if k != j else 0), y + (20 if k else -8), name, size=15))
    for i, height in enumerate(heights):
        for x, words in ((left, f"a{'₁₂'[i]}"), (right, f"δ{'₁₂'[i]}")):
            circle = tag("circle", cx=x, cy=height, r=22, fill="var(--paper)", stroke="var(--ink)", stroke_width=1.5)
            parts.append(circle + _text(x, height + 5, words))
    alt = """\
Two inputs, a1 and a2, lead to two neurons with errors delta 1 and delta 2. Into the first neuron go w1, which is to
grow, and w2, which is to shrink; into the second w3, which is to grow, and w4, which is to shrink."""
    return _svg("".join(parts), 280, 215, alt)


def _tiles(patterns: list[list[list[float]]], words: str) -> str:
    """Tiles of two by two signs, two in a row."""
    side, gap = 34, 26
    step = 2 * side + gap
    columns = min(2, len(patterns))
    parts = []
    for i, pattern in enumerate(patterns):
        left, top = gap / 2 + i % columns * step, gap / 2 + i // columns * step
        for k, row in enumerate(pattern):
            for j, sign in enumerate(row):
                x, y = left + j * side, top + k * side
                parts.append(tag("rect", x=x, y=y, width=side, height=side, fill=PLUS if sign > 0 else MINUS))
                parts.append(_text(x + side / 2, y + side / 2 + 6, "+" if sign > 0 else "−", "#fff", 18))
    signs = "; ".join(" above ".join(" ".join("+" if s > 0 else "−" for s in row) for row in p) for p in patterns)
    rows = -(-len(patterns) // columns)
    return _svg("".join(parts), columns * step, rows * step, f"{words}: {signs}.")
