"""The shipped data are what they claim to be, and toy sets have their shapes."""

import gzip
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
