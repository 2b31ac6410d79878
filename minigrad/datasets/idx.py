"""Readers for IDX files, the format of MNIST. What a file declares is checked before memory is asked for."""

import gzip
import io
import math
import os
import sys
import zlib
from pathlib import Path

import numpy as np

from .toys import Pair

# The third byte of a file names the type of its values.
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 32  # what an array can have in NumPy 1
_BEST_RATIO = 1032  # deflate, gzip's method, packs no more bytes than this into one (zlib's technical notes)
_CHUNK = 1 << 20

Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


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
        raise ValueError(
            f"{path}: expected an IDX file, which starts with 00 00, a type (08, 09, 0b, "
            f"0c, 0d, 0e) and the number of dimensions, got {magic.hex(' ') or 'an empty file'}"
        )
    dimensions = magic[3]
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise ValueError(f"{path}: expected 1 to {_MOST_DIMENSIONS} dimensions, got {dimensions}")
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise ValueError(
            f"{path}: expected the sizes of {dimensions} dimensions, {4 * dimensions} bytes, "
            f"the file ends after {len(sizes)} of them"
        )
    shape = tuple(int(s) for s in np.frombuffer(sizes, ">u4"))
    dtype = np.dtype(_IDX_TYPES[magic[2]])
    declared = math.prod(shape) * dtype.itemsize  # Python's integers do not overflow
    expected = f"{path}: expected {declared} bytes of values, shape {shape} of {dtype.name}"
    # A size of 0 makes `declared` 0 whatever the others are, but NumPy limits the product of the others too.
    if math.prod(s or 1 for s in shape) * dtype.itemsize > sys.maxsize:
        raise ValueError(f"{expected}; NumPy can hold no array of this shape")
    available = size - len(magic) - len(sizes)
    if declared > available or (exact and declared < available):
        raise ValueError(f"{expected}, the file holds {'' if exact else 'at most '}{available}")

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
        raise ValueError(
            f"{folder}: expected images of one size, training images have "
            f"{x_train.shape[1]} values, test images {x_test.shape[1]}"
        )
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
        raise ValueError(
            f"{label_path}: expected a whole number for each image of {image_path.name}, "
            f"shape {images.shape[:1]}, got shape {labels.shape} of {labels.dtype}"
        )
    if labels.min() < 0:
        raise ValueError(f"{label_path}: expected class numbers from 0, got {labels.min()}")
    return images.reshape(len(images), -1).astype(np.float64), labels.astype(np.int64)
