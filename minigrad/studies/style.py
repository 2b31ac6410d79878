"""How the pictures look: colours, a few helpers, and no matplotlib until it is needed."""

from __future__ import annotations

import contextlib
from io import BytesIO, StringIO

from .._pictures import MINUS, PLUS, strength

# Of lines that mean neither a sign nor an activation.
INK, ROSE, GREY = "#444444", "#C2447E", "#8A8A8A"

WIDTH = 8.0  # inches: at 100 dots per inch the 800 pixels at which every picture must be legible
_SETTINGS = {
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 12,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": "#222222",
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "lines.linewidth": 2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # letters stay letters: smaller, and they can be searched for and read aloud
    "svg.hashsalt": "minigrad",  # the names in the file are the same each time
}


@contextlib.contextmanager
def settings():
    """Within it matplotlib has its defaults and ours, whatever the user's matplotlibrc says; afterwards the user's."""
    matplotlib = need_matplotlib()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # all but the backend
        matplotlib.rcParams.update(_SETTINGS | {"axes.prop_cycle": matplotlib.cycler(color=[INK, ROSE, GREY])})
        yield


def png(figure, dots_per_inch):
    """The figure as a PNG file, bytes; much is drawn, and asked of matplotlib's settings, only here."""
    file = BytesIO()
    with settings():
        figure.savefig(file, format="png", dpi=dots_per_inch)
    return file.getvalue()


def svg(figure):
    """The figure as an SVG file, text, without a background; the same figure gives the same text."""
    file = StringIO()
    with settings():
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return file.getvalue()


def need_matplotlib():
    """The matplotlib module, or an ImportError that says how to get it."""
    try:
        import matplotlib
    except ImportError:
        raise ImportError("the pictures need matplotlib, which is not installed: pip install matplotlib") from None
    return matplotlib


def figure(height=4.5, layout="constrained"):
    """An empty figure, 8 inches wide. It belongs to no window and to no pyplot, so it needs no display."""
    need_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout=layout)


def coloured(ax, values):
    """Signed numbers (rows, columns) as squares: PLUS above 0, MINUS below, the stronger the larger, 0 grey.

    The strength is an opacity, so that the squares fit a light page and a dark one.
    """
    need_matplotlib()
    from matplotlib.colors import to_rgba

    largest = abs(values).max() or 1.0
    squares = [
        [to_rgba(PLUS if v > 0 else MINUS, strength(abs(v) / largest)) if v else to_rgba(GREY, 0.13) for v in row]
        for row in values
    ]
    ax.imshow(squares, aspect="auto", interpolation="none")  # a pixel a square, in an SVG file too
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color=INK, linewidth=0.6)


def sign_key(fig, x=0.01, y=0.02):
    """The two words that explain the two colours, in the lower left corner (x, y as shares of the figure)."""
    line = 0.22 / fig.get_figheight()
    fig.text(x, y + line, "■ plus", color=PLUS, ha="left", va="bottom")
    fig.text(x, y, "■ minus", color=MINUS, ha="left", va="bottom")


def number(value, digits=2):
    """A signed number for a picture, with a minus sign rather than a hyphen: "−0.73"."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")  # + 0.0: no minus before a zero


def label_ends(ax, x, ends, apart):
    """The names of lines beside their right ends, ends = {name: (height, colour)}, at least `apart` from each other."""
    names = sorted(ends, key=lambda name: ends[name][0])
    heights = [ends[name][0] for name in names]
    for _ in range(100):  # neighbours that are too near push each other away
        for i in range(len(heights) - 1):
            short = max(0.0, apart - (heights[i + 1] - heights[i])) / 2
            heights[i], heights[i + 1] = heights[i] - short, heights[i + 1] + short
    for name, height in zip(names, heights, strict=True):
        label_line(ax, x, height, name, ends[name][1], xytext=(10, 0))


def label_line(ax, x, y, text, color, **rest):
    """A line's name beside a point of it, in the line's own colour: no legend to look up."""
    rest = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "annotation_clip": False} | rest
    return ax.annotate(text, (x, y), color=color, **rest)
