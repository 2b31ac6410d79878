"""The initialisers: the variance each of them states, the same numbers for the same seed, bad ones."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.layers.initializers import INITIALIZERS, initialize, normal

VARIANCE = {  # of the weights, for K = 200 outputs and J = 300 inputs
    "glorot": 2 / 500,
    "he": 2 / 300,
    "lecun": 1 / 300,
    "torch_default": 1 / 900,
    "zeros": 0,
}
K, J = 200, 300


@pytest.mark.parametrize("name", INITIALIZERS)
def test_mean_variance_and_distribution(name):
    weight, bias = initialize(name, 0, K, J, np.float64)
    expected = VARIANCE.get(name, VARIANCE.get(name.split("_")[0]))
    assert (weight.shape, bias.shape) == ((K, J), (K,))
    assert weight.mean() == pytest.approx(0, abs=4 * math.sqrt(expected / weight.size) + 1e-300)
    assert weight.var() == pytest.approx(expected, rel=0.03)
    if expected:
        longest = np.abs(weight).max() / math.sqrt(expected)
        assert longest > 3.5 if name.endswith("normal") else 1.73 < longest <= math.sqrt(3)
    if name == "torch_default":
        assert -1 / math.sqrt(J) <= bias.min() < -0.055, "the limit is 0.0577"
        assert 0.055 < bias.max() <= 1 / math.sqrt(J)
        assert bias.var() == pytest.approx(expected, rel=0.15)
    else:
        assert (bias == 0).all()


def test_normal_has_the_spread_it_is_given():
    weight = mg.Linear(J, K, init=normal(0.3), rng=0).weight
    assert weight.std() == pytest.approx(0.3, rel=0.02)
    assert (mg.Linear(J, K, init=normal(0)).weight == 0).all()


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_seed_fixes_the_weights_and_both_float_types_start_alike(name):
    wide, again, narrow = (initialize(name, 5, 4, 3, dtype) for dtype in (np.float64, np.float64, np.float32))
    for first, second, third in zip(wide, again, narrow, strict=True):
        assert first.tobytes() == second.tobytes()
        assert third.dtype == np.float32
        assert third.tobytes() == first.astype(np.float32).tobytes()
    if name != "zeros":
        assert (initialize(name, 6, 4, 3, np.float64)[0] != wide[0]).all()


def test_a_generator_goes_on_from_where_it_is():
    rng = np.random.default_rng(0)
    first, second = (mg.Linear(3, 2, rng=rng).weight for _ in range(2))
    assert (first != second).all()
    assert (mg.Linear(3, 2).weight != mg.Linear(3, 2).weight).all()  # None is fresh randomness


@pytest.mark.parametrize(
    ("init", "error", "message"),
    [
        ("xavier", ValueError, "unknown init 'xavier', expected one of: glorot_uniform, glorot_normal"),
        (None, ValueError, "unknown init None"),
        (lambda rng, K, J: np.zeros((J, K)), ValueError, r"init returned shape \(3, 2\), expected \(2, 3\)"),
    ],
)
def test_bad_init(init, error, message):
    with pytest.raises(error, match=message):
        mg.Linear(3, 2, init=init)


@pytest.mark.parametrize("std", [-1, math.inf, math.nan])
def test_bad_std(std):
    with pytest.raises(ValueError, match="std is"):
        normal(std)
