"""IDX files and MNIST's four: read as they were written, or refused with the file's name and what is wrong with it."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import datasets

# dtype: the format's type byte, struct's letter
CODES = {
    "uint8": (0x08, "B"),
    "int8": (0x09, "b"),
    "int16": (0x0B, "h"),
    "int32": (0x0C, "i"),
    "float32": (0x0D, "f"),
    "float64": (0x0E, "d"),
}
idx_arrays = st.sampled_from(sorted(CODES)).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
)


def header(code, shape):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def idx(array):
    """The bytes of an IDX file, written independently of the reader: value by value with struct."""
    code, letter = CODES[array.dtype.name]
    return header(code, array.shape) + struct.pack(f">{array.size}{letter}", *array.ravel().tolist())


def same(read, array):
    return np.array_equal(read, array, equal_nan=array.dtype.kind == "f")


def attempt(path, content):
    """What `load_idx` makes of the content: an array, or its ValueError's message. Nothing else may come."""
    path.write_bytes(content)
    try:
        return datasets.load_idx(path)
    except ValueError as error:
        return str(error)


def refused(path, content, *words):
    message = attempt(path, content)
    assert isinstance(message, str)
    assert all(str(word) in message for word in (path, "expected", *words)), message


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "some.file"


@given(array=idx_arrays, pack=st.booleans())
def test_idx_round_trip(path, array, pack):
    read = attempt(path, gzip.compress(idx(array)) if pack else idx(array))
    assert (read.dtype, read.dtype.isnative, read.shape) == (array.dtype, True, array.shape)
    assert same(read, array)
    assert read.flags.carray  # writeable, C-contiguous


@given(array=idx_arrays, data=st.data())
def test_a_truncated_file_is_refused(path, array, data):
    content = idx(array)
    short = content[: data.draw(st.integers(0, len(content) - 1))]
    refused(path, short)
    refused(path, gzip.compress(short))
    packed = gzip.compress(content)
    refused(path, packed[: data.draw(st.integers(0, len(packed) - 1))])


@given(array=idx_arrays, extra=st.binary(min_size=1, max_size=9))
def test_a_file_with_more_than_declared_is_refused(path, array, extra):
    content = idx(array) + extra
    for whole, held in ((content, array.nbytes + len(extra)), (gzip.compress(content), "more")):
        refused(path, whole, f"expected {array.nbytes} bytes", array.shape, f"holds {held}")


@given(array=idx_arrays, data=st.data())
def test_a_damaged_gzip_file_gives_the_array_or_a_value_error(path, array, data):
    content = bytearray(gzip.compress(idx(array)))
    content[data.draw(st.integers(2, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    result = attempt(path, content)
    assert str(path) in result if isinstance(result, str) else same(result, array)  # the time stamp, say


@given(content=st.binary(max_size=64), start=st.sampled_from([b"", b"\0\0\x08", b"\0\0\x0d\x02"]))
def test_any_bytes_give_an_array_or_a_value_error_that_names_the_file(path, content, start):
    for whole in (start + content, gzip.compress(start + content)):
        result = attempt(path, whole)
        assert isinstance(result, np.ndarray) or str(path) in result


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("an empty file",)),
        (b"\0\0\x08", ("got 00 00 08",)),
        (b"\x01\0\x08\x01\0\0\0\0", ("got 01 00 08 01",)),
        (b"\0\x01\x08\x01\0\0\0\0", ("got 00 01 08 01",)),
        (b"\0\0\x0a\x01\0\0\0\0", ("got 00 00 0a 01",)),
        (b"\0\0\x08\0\x05", ("1 to 32 dimensions, got 0",)),
        (b"\0\0\x08\x21" + b"\0\0\0\x01" * 33 + b"\x05", ("1 to 32 dimensions, got 33",)),
        (b"\0\0\x08\x03" + b"\0\0\0\x01" * 2, ("12 bytes", "ends after 8")),
        (header(0x0D, (2, 3)) + b"\0" * 23, ("24 bytes", "(2, 3)", "float32", "23")),
        (header(0x08, (0, *[2**32 - 1] * 2)), ("no array",)),
    ],
)
def test_a_wrong_header_is_explained(tmp_path, content, words, pack):
    refused(tmp_path / "x", gzip.compress(content) if pack else content, *words)


def test_32_dimensions_several_chunks_and_several_gzip_members(tmp_path):
    for array in (np.full((1,) * 32, 5, np.uint8), np.arange(3 * 2**20, dtype=np.uint8).reshape(3, -1)):
        content = idx(array)
        members = gzip.compress(content[:9]) + gzip.compress(content[9:])
        for packed in (content, gzip.compress(content), members):
            assert same(attempt(tmp_path / "x", packed), array)


def peak(call):
    """What `call` allocates at its peak, in bytes (NumPy's arrays are counted)."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_not_inflated(tmp_path):
    content = gzip.compress(header(0x08, (5,)) + bytes(2**26))
    assert peak(lambda: refused(tmp_path / "x", content, "expected 5 bytes", "holds more")) < 2**20


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("shape", [(2**32 - 1,), (2**20, 2**10), (2**32 - 1,) * 9])
def test_a_small_file_that_declares_much_costs_no_memory(tmp_path, shape, pack):
    content = header(0x0E, shape) + bytes(1000)
    content = gzip.compress(content) if pack else content
    word = "the file holds" if len(shape) < 9 else "no array"
    assert peak(lambda: refused(tmp_path / "x", content, word)) < 2**20


def test_a_file_that_cannot_be_opened(tmp_path):
    for path, error in ((tmp_path / "none", FileNotFoundError), (tmp_path, OSError)):
        with pytest.raises(error) as caught:
            datasets.load_idx(path)
        assert Path(caught.value.filename) == path


# ---- MNIST's four files ---------------------------------------------------------------------------------

FILES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def mnist_arrays():
    rng = np.random.default_rng(0)
    shapes = ((30, 28, 28), (30,), (10, 28, 28), (10,))
    return {name: rng.integers(0, 256, shape, np.uint8) for name, shape in zip(FILES, shapes, strict=True)}


def write_mnist(folder, arrays, dotted=False, zipped=False):
    for name, array in arrays.items():
        name = name.replace("-idx", ".idx") if dotted else name
        content = gzip.compress(idx(array)) if zipped else idx(array)
        (folder / (name + ".gz" * zipped)).write_bytes(content)


@pytest.mark.parametrize(("dotted", "zipped"), [(False, False), (False, True), (True, False), (True, True)])
def test_mnist_files_in_all_spellings(tmp_path, dotted, zipped):
    arrays = mnist_arrays()
    write_mnist(tmp_path, arrays, dotted, zipped)
    for source in (tmp_path, str(tmp_path)):
        split = datasets.load(source)
        for read, array, dtype in zip(split, arrays.values(), (np.float64, np.int64) * 2, strict=True):
            flat = array.reshape(-1, 784) if array.ndim == 3 else array
            assert (read.dtype, read.tolist()) == (dtype, flat.tolist())  # 0..255: not scaled


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path, name):
    write_mnist(tmp_path, mnist_arrays())
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()  # a folder of that name is not the file
    with pytest.raises(FileNotFoundError, match=f"{name} or {name}.gz"):
        datasets.load_mnist(tmp_path)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        (FILES[0], np.zeros((29, 28, 28), np.uint8), (FILES[1], "(29,)", "(30,)")),
        (FILES[1], np.zeros((30, 1), np.uint8), (FILES[1], "(30,)", "(30, 1)")),
        (FILES[1], np.zeros(30, np.float32), (FILES[1], "whole number", "float32")),
        (FILES[1], np.full(30, -1, np.int8), (FILES[1], "class numbers from 0", "-1")),
        (FILES[2], np.zeros((10, 27, 28), np.uint8), ("784", "756", "one size")),
        (FILES[2], np.zeros((0, 28, 28), np.uint8), (FILES[2], "images", "(0, 28, 28)")),
        (FILES[0], np.zeros(30, np.uint8), (FILES[0], "images", "(30,)")),
    ],
)
def test_files_that_do_not_belong_together(tmp_path, name, array, words):
    write_mnist(tmp_path, mnist_arrays() | {name: array})
    with pytest.raises(ValueError) as error:
        datasets.load_mnist(tmp_path)
    assert all(word in str(error.value) for word in (str(tmp_path), "expected", *words)), str(error.value)
