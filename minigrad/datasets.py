"""Data to train on: two shipped sets (digits, iris), five toy generators, and readers for MNIST's files.

`load(name)` is the way in. It returns `x_train, y_train, x_test, y_test` with x (N, J) float64 and y (N,)
int64 class numbers from 0. Values are as in the source, neither scaled nor centred: what centring does is one
of this project's questions. Sources and licences of the shipped files: data/README.md.

N samples, J features. `rng` is a seed, a numpy Generator, or None for a new random one.
"""

import gzip
import io
import math
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ._checks import generator, real_number, shown, whole_number

Pair = tuple[np.ndarray, np.ndarray]
Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Rng = int | np.random.Generator | None

_DATA = Path(__file__).parent / "data"
_SHIPPED = {"digits": "digits.csv.gz", "iris": "iris.csv"}


# ---- loading by name ----------------------------------------------------------------------------------


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
    got = "is a file: give a table of your own to mg.fit, in Python" if os.path.isfile(name) else "is neither"
    raise ValueError(f"name: expected one of {', '.join(NAMES)}, or a folder with IDX files; {name!r} {got}")


# ---- toy sets -----------------------------------------------------------------------------------------
# Classes alternate, 0 1 2 0 1 2 ..., so any slice is balanced; positions along a shape are drawn, not evenly
# spaced, so two calls with one Generator give two different samples of the same shape. Every argument is
# checked before the first draw: an error leaves the caller's Generator as it was.


def xor() -> Pair:
    """The four points of exclusive or: x (4, 2) of 0 and 1; y (4, 1) float64, 1 where the two differ, else 0.

    y is a column of probabilities, as BCELoss, BCEWithLogitsLoss and MSELoss want it; `load("xor")` gives
    class numbers (4,).
    """
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return x, np.array([[0.0], [1.0], [1.0], [0.0]])


def moons(n: int = 200, noise: float = 0.1, rng: Rng = None) -> Pair:
    """Two half circles of radius 1 that reach into each other; parting them needs a bent boundary.

    Class 0: (cos t, sin t); class 1: (1 - cos t, 1/2 - sin t), t uniform in [0, pi]. `noise` is the standard
    deviation of the Gaussian noise added to both coordinates. The shape is scikit-learn's `make_moons`.

    Returns x (n, 2) float64, y (n,) int64. Raises ValueError or TypeError for n < 1 or noise < 0.
    """
    n, noise = whole_number(n, "n", 1), _deviation(noise, "noise")
    random = generator(rng)
    y = np.arange(n, dtype=np.int64) % 2
    t = random.uniform(0.0, np.pi, n)
    upper = np.stack([np.cos(t), np.sin(t)], axis=1)
    x = np.where(y[:, None] == 0, upper, [1.0, 0.5] - upper)
    return x + random.normal(0.0, noise, (n, 2)), y


def circles(n: int = 200, noise: float = 0.05, factor: float = 0.5, rng: Rng = None) -> Pair:
    """A circle within a circle; no straight line parts them.

    Class 0 has radius 1, class 1 has radius `factor`, 0 < factor < 1; `noise` is as in `moons`. The shape is
    that of scikit-learn's `make_circles`.

    Returns x (n, 2) float64, y (n,) int64. Raises ValueError or TypeError for n < 1, noise < 0, or a factor
    that is not between 0 and 1.
    """
    n, noise = whole_number(n, "n", 1), _deviation(noise, "noise")
    factor = real_number(factor, "factor", 0, 1, open_low=True, open_high=True)
    random = generator(rng)
    y = np.arange(n, dtype=np.int64) % 2
    x = _polar(np.where(y == 0, 1.0, factor), random.uniform(0.0, 2 * np.pi, n))
    return x + random.normal(0.0, noise, (n, 2)), y


def spirals(
    n: int = 200, classes: int = 3, noise: float = 0.02, turns: float = 0.75, rng: Rng = None
) -> Pair:
    """Arms wound around the origin, one for each class: the hardest of the toy sets.

    Arm c: radius r uniform in [0.1, 1] (the arms do not meet in the origin), angle 2 pi (turns r +
    c / classes). Along a ray the next arm is 1 / (turns classes) away; `noise`, as in `moons`, should be well
    below that.

    Returns x (n, 2) float64, y (n,) int64. Raises ValueError or TypeError for classes < 2, n < classes,
    noise < 0, or turns that are not above 0 and at most 100.
    """
    classes, noise = whole_number(classes, "classes", 2), _deviation(noise, "noise")
    n, turns = whole_number(n, "n", classes), real_number(turns, "turns", 0, 100, open_low=True)
    random = generator(rng)
    y = np.arange(n, dtype=np.int64) % classes
    radius = random.uniform(0.1, 1.0, n)
    x = _polar(radius, 2 * np.pi * (turns * radius + y / classes))
    return x + random.normal(0.0, noise, (n, 2)), y


def blobs(n: int = 200, classes: int = 3, spread: float = 0.2, rng: Rng = None) -> Pair:
    """Round clouds, one for each class; straight lines part them when `spread` is small.

    Cloud c is Gaussian with standard deviation `spread` around the point (cos, sin)(2 pi c / classes).

    Returns x (n, 2) float64, y (n,) int64. Raises ValueError or TypeError for classes < 2, n < classes
    or spread < 0.
    """
    classes, spread = whole_number(classes, "classes", 2), _deviation(spread, "spread")
    n = whole_number(n, "n", classes)
    random = generator(rng)
    y = np.arange(n, dtype=np.int64) % classes
    return _polar(np.ones(n), 2 * np.pi * y / classes) + random.normal(0.0, spread, (n, 2)), y


_TOYS: dict[str, Callable[..., Pair]]
_TOYS = {"moons": moons, "circles": circles, "spirals": spirals, "blobs": blobs}
NAMES = (*_SHIPPED, *_TOYS, "xor")


def _polar(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _deviation(value: float, name: str) -> float:
    # Not merely finite: the draws must be finite too; and NumPy takes no -0.0.
    return abs(real_number(value, name, 0, 1e100))


# ---- IDX files: MNIST, Fashion-MNIST and their kin ----------------------------------------------------

# The third byte of a file names the type of its values.
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 32  # what an array can have in NumPy 1
_BEST_RATIO = 1032  # deflate, gzip's method, packs no more bytes than this into one (zlib's technical notes)
_CHUNK = 1 << 20


def load_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in an IDX file, gzipped or not (its first bytes tell, not its name).

    Format (Y. LeCun, C. Cortes, C. Burges, the MNIST page): two zero bytes, a type byte (uint8, int8, int16,
    int32, float32, float64), the number of dimensions, that many sizes as unsigned 4-byte integers, then the
    values; all big-endian, the last index fastest.

    The header is checked against the file's size before any value is read, and of a gzip file no more is used
    than the declared size and one byte: a small file that inflates without end costs neither time nor memory.

    Returns an array of the caller's own, in the machine's byte order. Raises ValueError naming the file, what
    it holds and what was expected; OSError when it cannot be opened.
    """
    path = Path(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not zipped:
            return _read_idx(path, file, size, exact=True)
        try:
            with gzip.GzipFile(fileobj=file) as inflated:
                return _read_idx(path, inflated, _BEST_RATIO * size, exact=False)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path}: expected a whole gzip file, this one is damaged: {error}") from error


def _read_idx(path: Path, stream: io.BufferedIOBase, size: int, *, exact: bool) -> np.ndarray:
    """The array in a stream that holds `size` bytes, or (exact=False) no more than these."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES:
        raise ValueError(f"{path}: expected an IDX file, which starts with 00 00, a type (08, 09, 0b, "
                         f"0c, 0d, 0e) and the number of dimensions, got {magic.hex(' ') or 'an empty file'}")
    dimensions = magic[3]
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise ValueError(f"{path}: expected 1 to {_MOST_DIMENSIONS} dimensions, got {dimensions}")
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise ValueError(f"{path}: expected the sizes of {dimensions} dimensions, {4 * dimensions} bytes, "
                         f"the file ends after {len(sizes)} of them")
    shape = tuple(int(s) for s in np.frombuffer(sizes, ">u4"))
    dtype = np.dtype(_IDX_TYPES[magic[2]])
    declared = math.prod(shape) * dtype.itemsize  # Python's integers do not overflow
    expected = f"{path}: expected {declared} bytes of values, shape {shape} of {dtype.name}"
    # A size of 0 makes `declared` 0 whatever the others are, but NumPy limits the product of the others too.
    if math.prod(s or 1 for s in shape) * dtype.itemsize > sys.maxsize:
        raise ValueError(f"{expected}; NumPy can hold no array of this shape")
    most = size - len(magic) - len(sizes)
    if declared > most or (exact and declared < most):
        raise ValueError(f"{expected}, the file holds {'' if exact else 'at most '}{most}")

    values = bytearray()
    while len(values) <= declared:  # up to one byte more than declared, to see whether there is more
        chunk = stream.read(min(_CHUNK, declared + 1 - len(values)))
        if not chunk:
            break
        values += chunk
    if len(values) != declared:
        raise ValueError(f"{expected}, the file holds {'more' if len(values) > declared else len(values)}")
    return np.ndarray(shape, dtype, buffer=values).astype(dtype.newbyteorder("="), copy=False)


def load_mnist(folder: str | os.PathLike[str]) -> Split:
    """MNIST, Fashion-MNIST or any set in their four files, from the folder they lie in.

    The files: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte, also with ".idx" for "-idx", also with ".gz" at the end. Nothing is downloaded.

    Returns x_train (N, J), y_train (N,), x_test, y_test: x float64, a row for each image, y int64. For MNIST:
    J = 784, values 0..255, N = 60000 and 10000. Raises FileNotFoundError naming a missing file, ValueError
    (as in `load_idx`) for files that are damaged or do not belong together.
    """
    folder = Path(folder)
    kinds = ("images-idx3-ubyte", "labels-idx1-ubyte")
    train, test = ([_find(folder, f"{part}-{kind}") for kind in kinds] for part in ("train", "t10k"))
    x_train, y_train = _images_and_labels(*train)
    x_test, y_test = _images_and_labels(*test)
    if x_train.shape[1] != x_test.shape[1]:
        raise ValueError(f"{folder}: expected images of one size, training images have "
                         f"{x_train.shape[1]} values, test images {x_test.shape[1]}")
    return x_train, y_train, x_test, y_test


def _find(folder: Path, name: str) -> Path:
    dotted = name.replace("-idx", ".idx")
    spellings = (name, f"{name}.gz", dotted, f"{dotted}.gz")
    for spelling in spellings:
        if (folder / spelling).is_file():
            return folder / spelling
    raise FileNotFoundError(f"{folder}: expected a file {' or '.join(spellings)}, found none")


def _images_and_labels(image_path: Path, label_path: Path) -> Pair:
    images, labels = load_idx(image_path), load_idx(label_path)
    if images.ndim < 2 or images.size == 0:
        raise ValueError(f"{image_path}: expected images, (N, height, width) without 0, got {images.shape}")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(f"{label_path}: expected a whole number for each image of {image_path.name}, "
                         f"shape {images.shape[:1]}, got shape {labels.shape} of {labels.dtype}")
    if labels.min() < 0:
        raise ValueError(f"{label_path}: expected class numbers from 0, got {labels.min()}")
    return images.reshape(len(images), -1).astype(np.float64), labels.astype(np.int64)
