"""The shipped data are what they claim to be, toy sets have their shapes, IDX files are read or refused."""

import gzip
import hashlib
import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import datasets

DATA = Path(datasets.__file__).parent / "data"
SHIPPED = ("digits", "iris")
TOYS = ("moons", "circles", "spirals", "blobs")
MANY = ("spirals", "blobs")  # those with more than two classes
SEEDS = st.integers(0, 99)


# ---- load by name ---------------------------------------------------------------------------------------

SETS = {  # name: (training samples, test samples, features, samples of each class)
    "digits": (1438, 359, 64, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
    "iris": (120, 30, 4, [50, 50, 50]),
    "moons": (800, 200, 2, [500, 500]),
    "circles": (800, 200, 2, [500, 500]),
    "spirals": (800, 200, 2, [334, 334, 332]),
    "blobs": (800, 200, 2, [334, 334, 332]),
}


@pytest.mark.parametrize("name", SETS)
def test_shapes_and_a_stratified_shuffled_split_without_common_rows(name):
    n_train, n_test, features, counts = SETS[name]
    x_train, y_train, x_test, y_test = datasets.load(name)
    for x, y, n in ((x_train, y_train, n_train), (x_test, y_test, n_test)):
        assert (x.shape, x.dtype, y.shape, y.dtype) == ((n, features), np.float64, (n,), np.int64)
        assert x.flags.c_contiguous
        assert np.mean(np.diff(y) != 0) > 0.5  # sorted by class it would be near 0
    assert np.bincount(np.concatenate([y_train, y_test])).tolist() == counts
    assert np.bincount(y_test).tolist() == [round(count / 5) for count in counts]
    assert not set(map(tuple, x_train.tolist())) & set(map(tuple, x_test.tolist()))


@pytest.mark.parametrize(
    ("name", "least", "largest", "digest"),
    [
        ("digits", 0, 16, "680adadddfe980739adbf30e53132113dce15c896845292d692810bdc7870dfe"),
        ("iris", 0.1, 7.9, "65347dc21777a2c425db7be64d5dd35da6f99b99a65d88f91a53eb5db0323da9"),
    ],
)
def test_shipped_values_cannot_change_silently(name, least, largest, digest):
    split = datasets.load(name)
    assert (min(split[0].min(), split[2].min()), max(split[0].max(), split[2].max())) == (least, largest)
    little_endian = [array.astype(array.dtype.newbyteorder("<")) for array in split]
    assert hashlib.sha256(b"".join(array.tobytes() for array in little_endian)).hexdigest() == digest


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_data_are_those_of_scikit_learn(name):
    source = getattr(pytest.importorskip("sklearn.datasets"), f"load_{name}")()
    x_train, y_train, x_test, y_test = datasets.load(name)
    ours = np.column_stack([np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])])
    theirs = np.column_stack([source.data, source.target])
    assert sorted(ours.tolist()) == sorted(theirs.tolist())  # whatever the order


def test_the_recipe_in_the_readme_makes_the_shipped_files(tmp_path, monkeypatch):
    pytest.importorskip("sklearn.datasets")
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1], {})
    assert Path("iris.csv").read_bytes() == (DATA / "iris.csv").read_bytes()
    # Inflated: other versions of zlib may pack the same content into other bytes.
    made, shipped = ((folder / "digits.csv.gz").read_bytes() for folder in (tmp_path, DATA))
    assert gzip.decompress(made) == gzip.decompress(shipped)


def test_the_data_folder_is_small_and_names_sources_and_licence():
    assert {path.name for path in DATA.iterdir()} == {"README.md", "digits.csv.gz", "iris.csv"}
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 70_000
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    assert all(word in readme for word in ("CC BY 4.0", "Alpaydin", "Fisher", "C50P49", "C56C76", "seed 0"))


@pytest.mark.parametrize("name", datasets.NAMES)
def test_every_name_loads_and_twice_the_same_in_arrays_of_the_callers_own(name):
    first, second = datasets.load(name), datasets.load(name)
    expected = [array.copy() for array in second]
    for number, array in enumerate(first):
        array[:] = 77 + number
    assert [array.mean() for array in first] == [77, 78, 79, 80]  # none is a part of another
    for array, copy, again in zip(second, expected, datasets.load(name), strict=True):
        assert array.tolist() == copy.tolist() == again.tolist()


@pytest.mark.parametrize("name", ["", "Digits", "no/such/folder", "a" * 5000, "\0", "diгits", Path(__file__)])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(ValueError, match="or a folder with IDX files") as error:
        datasets.load(name)
    assert all(known in str(error.value) for known in (*datasets.NAMES, repr(str(name))))


@pytest.mark.parametrize("name", [None, 3, b"digits", ["digits"]])
def test_a_name_that_is_none(name):
    with pytest.raises(TypeError, match="name: expected a str or a path"):
        datasets.load(name)


# ---- generators -----------------------------------------------------------------------------------------


def make(name, n, *, rng, spread=0.1, classes=2):
    """One generator, called with those of the arguments that it has."""
    deviation = {"spread" if name == "blobs" else "noise": spread}
    return getattr(datasets, name)(n, **deviation, **({"classes": classes} if name in MANY else {}), rng=rng)


def test_xor_is_exclusive_or():
    x, y = datasets.xor()
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((4, 2), np.float64, (4, 1), np.float64)
    assert {tuple(point) for point in x.tolist()} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert np.array_equal(y[:, 0], x[:, 0] != x[:, 1])
    x_train, y_train, x_test, y_test = datasets.load("xor")
    assert y_train.dtype == np.int64
    for ours, theirs in ((x_train, x), (x_test, x), (y_train, y[:, 0]), (y_test, y[:, 0])):
        assert np.array_equal(ours, theirs)


@given(st.sampled_from(TOYS), st.integers(1, 60), st.integers(2, 7), st.floats(0, 9, width=32), SEEDS)
def test_shapes_classes_and_determinism(name, n, classes, spread, seed):
    n = max(n, classes)
    x, y = make(name, n, rng=seed, spread=spread, classes=classes)
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((n, 2), np.float64, (n,), np.int64)
    assert np.isfinite(x).all()
    assert y.tolist() == [i % (classes if name in MANY else 2) for i in range(n)]
    for rng in (np.int64(seed), np.random.default_rng(seed)):  # NumPy's numbers are numbers, too
        again = make(name, np.uint64(n), rng=rng, spread=np.float32(spread), classes=np.uint8(classes))
        assert np.array_equal(x, again[0])
        assert (again[1].dtype, again[1].tolist()) == (np.int64, y.tolist())


@pytest.mark.parametrize(
    ("name", "defaults"),
    [
        ("moons", {"noise": 0.1}),
        ("circles", {"noise": 0.05, "factor": 0.5}),
        ("spirals", {"classes": 3, "noise": 0.02, "turns": 0.75}),
        ("blobs", {"classes": 3, "spread": 0.2}),
    ],
)
def test_a_toy_by_name_is_one_draw_with_the_documented_defaults(name, defaults):
    rng = np.random.default_rng(0)
    expected = *getattr(datasets, name)(800, rng=rng, **defaults), *getattr(datasets, name)(200, rng=rng, **defaults)
    for found, array in zip(datasets.load(name), expected, strict=True):
        np.testing.assert_array_equal(found, array)
    np.testing.assert_array_equal(getattr(datasets, name)(rng=5)[0], getattr(datasets, name)(200, rng=5, **defaults)[0])


@pytest.mark.parametrize("name", TOYS)
def test_a_generator_goes_on_and_no_seed_is_a_new_one(name):
    rng = np.random.default_rng(0)
    assert not np.array_equal(make(name, 9, rng=rng)[0], make(name, 9, rng=rng)[0])
    assert not np.array_equal(make(name, 9, rng=None)[0], make(name, 9, rng=None)[0])
    assert not np.array_equal(make(name, 9, rng=0)[0], make(name, 9, rng=1)[0])


@given(st.integers(1, 100), st.floats(0.01, 0.99), SEEDS)
def test_noiseless_circles_have_their_radii_and_moons_are_half_circles(n, factor, seed):
    x, y = datasets.circles(n, noise=0, factor=factor, rng=seed)
    np.testing.assert_allclose(np.hypot(*x.T), np.where(y == 0, 1.0, factor), rtol=1e-12)
    x, y = datasets.moons(n, noise=0, rng=seed)
    for half in (x[y == 0], [1.0, 0.5] - x[y == 1]):  # the second is the first, turned around and moved
        np.testing.assert_allclose(np.hypot(*half.T), 1.0, rtol=1e-12)
        assert (half[:, 1] >= 0).all()


@given(st.integers(6, 99), st.integers(2, 6), st.floats(0.01, 3), SEEDS)
def test_noiseless_spirals_wind_as_told_and_blobs_are_their_centres(n, classes, turns, seed):
    x, y = datasets.spirals(n, classes, noise=0, turns=turns, rng=seed)
    radius, turned = np.hypot(*x.T), y / classes  # turned: by which part of a full turn
    assert ((radius >= 0.1 - 1e-12) & (radius <= 1 + 1e-12)).all()
    points = x[:, 0] + 1j * x[:, 1]
    np.testing.assert_allclose(points, radius * np.exp(2j * np.pi * (turns * radius + turned)), atol=1e-9)
    x, y = datasets.blobs(n, classes, spread=0, rng=seed)
    np.testing.assert_allclose(x[:, 0] + 1j * x[:, 1], np.exp(2j * np.pi * turned), atol=1e-12)


@pytest.mark.parametrize("name", TOYS)
def test_noise_is_added_with_its_standard_deviation(name):
    clean, _ = make(name, 20_000, rng=0, spread=0)
    noisy, _ = make(name, 20_000, rng=0, spread=0.3)  # the same positions: the noise is drawn last
    np.testing.assert_allclose((noisy - clean).mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose((noisy - clean).std(axis=0), 0.3, rtol=0.03)


@pytest.mark.parametrize(
    ("name", "argument", "value", "error", "expected"),
    [
        ("moons", "n", 0, ValueError, "at least 1"),
        ("spirals", "n", 2, ValueError, "at least 3"),  # a point for each class
        ("blobs", "n", 2.5, TypeError, "whole number"),
        ("blobs", "classes", 1, ValueError, "at least 2"),
        ("spirals", "classes", None, TypeError, "whole number"),
        ("moons", "noise", -0.1, ValueError, "[0, "),
        ("circles", "noise", float("nan"), ValueError, "[0, "),
        ("blobs", "spread", -1.0, ValueError, "[0, "),
        ("circles", "factor", 0.0, ValueError, "(0, 1)"),
        ("spirals", "turns", 0.0, ValueError, "(0, 100]"),
        ("spirals", "turns", 100.5, ValueError, "(0, 100]"),
        ("spirals", "turns", "1", TypeError, "number"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_drawn(name, argument, value, error, expected):
    rng = np.random.default_rng(0)
    with pytest.raises(error) as caught:
        getattr(datasets, name)(**{"rng": rng, argument: value})
    shown = f"{value:g}" if error is ValueError else repr(value)
    assert all(word in f" {caught.value}" for word in (f" {argument} ", shown, expected))
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


@pytest.mark.parametrize("name", TOYS)
def test_seeds_that_are_none(name):
    for rng, error in ((-1, ValueError), ("0", TypeError), (0.0, TypeError)):
        with pytest.raises(error, match="rng"):
            make(name, 9, rng=rng)


# ---- IDX files ------------------------------------------------------------------------------------------

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
