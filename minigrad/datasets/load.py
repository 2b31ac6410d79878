"""Loads data by name: a shipped set, a toy set, or a folder of IDX files."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .._advice import shown
from .idx import Split, load_mnist
from .toys import Pair, blobs, circles, moons, spirals, xor

_DATA = Path(__file__).parent / "data"
_SHIPPED = {"digits": "digits.csv.gz", "iris": "iris.csv"}


def load(name: str | os.PathLike[str]) -> Split:
    """A data set by name, or MNIST-like IDX files by the folder they lie in.

    name      N train, test  J   classes  values
    digits    1438, 359      64  10       8x8 pixels, ink 0..16 (Alpaydin, Kaynak 1998; UCI, CC BY 4.0)
    iris      120, 30        4   3        centimetres (Fisher 1936; UCI, CC BY 4.0)
    moons     800, 200       2   2        this generator and the next three: their own defaults, seed 0
    circles   800, 200       2   2
    spirals   800, 200       2   3
    blobs     800, 200       2   3
    xor       4, 4           2   2        the four points, and the same four again
    a folder  see `load_mnist`; one that is called like a data set needs a "./" before its name

    digits and iris are split 80/20 within each class and shuffled, once, with seed 0. The files are stored in
    that order, so every version of NumPy gives the same split. (The toy sets may change with NumPy's
    generators.)

    Returns x_train (N, J), y_train (N,), x_test, y_test: arrays of the caller's own, x float64, y int64.
    Raises ValueError for an unknown name, and what `load_mnist` raises for a folder.
    """
    if not isinstance(name, str | os.PathLike):
        raise TypeError(f"name: expected a str or a path, got {shown(name)}")
    name = os.fspath(name)
    if name in _SHIPPED:
        table = np.loadtxt(_DATA / _SHIPPED[name], delimiter=",", skiprows=1, encoding="ascii")
        x, y = table[:, :-1].copy(), table[:, -1].astype(np.int64)
        test = len(y) // 5
        return x[:-test], y[:-test], x[-test:], y[-test:]
    if name in _TOYS:
        rng = np.random.default_rng(0)
        return *_TOYS[name](800, rng=rng), *_TOYS[name](200, rng=rng)
    if name == "xor":
        x, y = xor()
        classes = y[:, 0].astype(np.int64)
        return x, classes, x.copy(), classes.copy()
    if os.path.isdir(name):
        return load_mnist(name)
    got = "is a file: load_table(path, target) reads a table" if os.path.isfile(name) else "is neither"
    raise ValueError(f"name: expected one of {', '.join(NAMES)}, or a folder with IDX files; {name!r} {got}")


_TOYS: dict[str, Callable[..., Pair]]
_TOYS = {"moons": moons, "circles": circles, "spirals": spirals, "blobs": blobs}
NAMES = (*_SHIPPED, *_TOYS, "xor")
