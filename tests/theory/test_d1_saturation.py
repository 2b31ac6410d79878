"""D1, saturation: the sigmoid's slope dies exponentially at both tails; in floats the two tails differ.

Statement. sigma' = sigma(z) sigma(-z), so it is even, at most 1/4 (at 0), and e^-|z| / 4 <= sigma' <= e^-|z|.
tanh' = 1 - tanh^2 = 4 sigma'(2z) <= min(1, 4 e^-2|z|). tanh z = 2 sigma(2z) - 1.

Floats. slope(z), the product sigma(z) sigma(-z), is even in every bit, for all floats, and keeps the bounds
to a few units in the last place. Training uses a (1 - a), which is not even: 1/(1 + e^-z) is 1 from z = 53 ln
2 = 36.737 on (float32: 24 ln 2 = 16.636), and there a (1 - a) is exactly 0; a sigma rounded correctly is 1
only from 54 ln 2 = 37.430 (25 ln 2 = 17.329), so any good one lies between. The negative tail lives to -1075
ln 2 = -745.13 (-150 ln 2 = -103.97). The naive 1/(1 + e^-z) is 0 already below -709.78 (-88.72), where e^-z
overflows.

Converse. The form a (1 - a) is found uneven by one bit near 0.01 and by everything at 40; the naive sigma
loses e^-710.

All of float16 and float32 are tried under the marker `proofs`, a sample of them in every run.
"""

import math

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from strategies import DTYPES, finite
from theory_strategies import CORES

import minigrad as mg
from minigrad.kernels import twin

cores = st.sampled_from(CORES)
dtypes = st.sampled_from(DTYPES)


def slope(core, z):
    """sigma(z) sigma(-z), with the sigmoid of one core."""
    return core.activation("sigmoid", z) * core.activation("sigmoid", -z)


def unequal(first, second):
    """How many entries differ in some bit."""
    return int((first.view(f"u{first.itemsize}") != second.view(f"u{second.itemsize}")).sum())


def exact_slope(z):
    """e^-|z| / (1 + e^-|z|)^2 in float64, and e^-|z|."""
    with np.errstate(under="ignore"):
        e = np.exp(-np.abs(z.astype(np.float64)))
    return e / (1 + e) ** 2, e


def outside_the_bounds(found, z, ulps=8):
    """How many slopes leave [e^-|z|/4, e^-|z|] or 1/4 by more than a few ulps."""
    _, e = exact_slope(z)
    slack, tiny = 1 + ulps * np.finfo(found.dtype).eps, 4 * float(np.finfo(found.dtype).smallest_subnormal)
    wide = found.astype(np.float64)
    return int(((wide > e * slack + tiny) | (wide * slack + tiny < e / 4) | (wide > 0.25)).sum())


# ---- the laws, on floats as they are --------------------------------------------------------------------


@given(st.data(), cores, dtypes)
def test_the_stable_slope_is_even_and_bounded(data, core, dtype):
    z = np.array(data.draw(st.lists(finite(dtype), min_size=1, max_size=20)), dtype)
    found = slope(core, z)
    assert unequal(found, slope(core, -z)) == 0
    assert outside_the_bounds(found, z) == 0


@given(st.data(), dtypes)
def test_the_public_slopes(data, dtype):
    """Sigmoid, CenteredSigmoid and Tanh: even in every bit, and right."""
    z = np.array(data.draw(st.lists(finite(dtype), min_size=1, max_size=20)), dtype)
    exact, _ = exact_slope(z)
    for activation in (mg.Sigmoid(), mg.CenteredSigmoid()):
        assert unequal(activation.slope(z), activation.slope(-z)) == 0
        np.testing.assert_allclose(activation.slope(z), exact, rtol=8 * np.finfo(dtype).eps, atol=1e-44)
    with np.errstate(over="ignore"):
        found, twice = mg.Tanh().slope(z / 2), 4 * exact_slope(2 * (z / 2))[0]
    assert unequal(found, mg.Tanh().slope(-z / 2)) == 0
    np.testing.assert_allclose(found, twice, rtol=8 * np.finfo(dtype).eps, atol=1e-44)
    with np.errstate(under="ignore"):
        bound = np.minimum(1, 4 * np.exp(-2 * np.abs((z / 2).astype(float))))
    assert (found <= bound * (1 + 8 * np.finfo(dtype).eps) + 1e-44).all()


@given(st.data(), cores, dtypes)
def test_tanh_is_a_stretched_sigmoid(data, core, dtype):
    z = np.array(data.draw(st.lists(finite(dtype, min_value=-50, max_value=50), min_size=1, max_size=20)), dtype)
    stretched = 2 * core.activation("sigmoid", 2 * z).astype(float) - 1
    np.testing.assert_allclose(core.activation("tanh", z), stretched, atol=4 * np.finfo(dtype).eps)


def float16_values():
    z = np.arange(2**16, dtype=np.uint16).view(np.float16)
    return z[~np.isnan(z)]


@pytest.mark.parametrize("core", CORES, ids=lambda core: core.__name__)
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_float16_values(core, dtype):
    """Infinities included. minigrad has no float16 of its own: its values, in the wider types."""
    z = float16_values().astype(dtype)
    assert len(z) == 63490
    found = slope(core, z)
    assert unequal(found, slope(core, -z)) == 0
    assert outside_the_bounds(found, z) == 0


def test_all_float16_values_in_float16_arithmetic():
    """The formula itself, evaluated in half precision by the twin; there 1 is reached from 11 ln 2 = 7.62."""
    z = float16_values()
    found = slope(twin, z)
    assert found.dtype == np.float16
    assert unequal(found, slope(twin, -z)) == 0
    assert outside_the_bounds(found, z) == 0
    first = z[(twin.activation("sigmoid", z) == 1) & (z > 0)].min()
    assert first == pytest.approx(11 * math.log(2), abs=0.01)


def check_float32(core, start, stop, stride=1):
    """The non-negative float32 of these bit patterns, in blocks."""
    for block in range(start, stop, 2**18 * stride):
        z = np.arange(block, min(block + 2**18 * stride, stop), stride, dtype=np.uint32).view(np.float32)
        found = slope(core, z)
        assert unequal(found, slope(core, -z)) == 0, (z[0], z[-1])
        assert outside_the_bounds(found, z) == 0, (z[0], z[-1])


INFINITY = 0x7F800000  # its bit pattern; those below are the finite floats >= 0, in order


@pytest.mark.parametrize("core", CORES, ids=lambda core: core.__name__)
def test_a_sample_of_float32(core):
    check_float32(core, 0, INFINITY + 1, stride=4099)


@pytest.mark.proofs
@pytest.mark.parametrize("core", CORES, ids=lambda core: core.__name__)
def test_all_float32_values(core):
    check_float32(core, 0, INFINITY + 1)


# ---- where floats end -----------------------------------------------------------------------------------


def first_float(condition, low, high, dtype):
    """The smallest float between low and high for which a condition, false first and then true, is true."""
    integer = np.int32 if dtype is np.float32 else np.int64
    low, high = (int(np.array([limit], dtype).view(integer)[0]) for limit in (low, high))
    while high - low > 1:
        middle = (low + high) // 2
        if condition(np.array([middle], integer).view(dtype)):
            high = middle
        else:
            low = middle
    return float(np.array([high], integer).view(dtype)[0])


LIMITS = {np.float64: (53, 1075, 709.7827), np.float32: (24, 150, 88.7228)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("core", CORES, ids=lambda core: core.__name__)
def test_limits(core, dtype):
    bits, tail, _ = LIMITS[dtype]

    def sigmoid(z):
        return core.activation("sigmoid", z)[0]

    one = first_float(lambda z: sigmoid(z) == 1, 1, 60, dtype)
    assert bits * math.log(2) * (1 - 1e-6) <= one <= (bits + 1) * math.log(2) * (1 + 1e-6)
    if core is twin:
        assert one == pytest.approx(bits * math.log(2), rel=1e-7)
    zero = first_float(lambda z: sigmoid(-z) == 0, 1, 1000, dtype)
    assert zero == pytest.approx(tail * math.log(2), rel=2e-6)
    flat = first_float(
        lambda z: core.activation_backward("sigmoid", np.ones_like(z), core.activation("sigmoid", z)) == 0,
        1,
        60,
        dtype,
    )
    assert flat == one, "a (1 - a) is exactly 0 from where a is 1"
    other = np.array([-flat, -0.99 * zero], dtype)
    assert (core.activation_backward("sigmoid", np.ones_like(other), core.activation("sigmoid", other)) > 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_limits_of_the_naive_form(dtype):
    bits, _, overflow = LIMITS[dtype]
    with np.errstate(over="ignore"):
        zero = first_float(lambda z: 1 / (1 + np.exp(z)) == 0, 1, 1000, dtype)
        one = first_float(lambda z: 1 / (1 + np.exp(-z)) == 1, 1, 60, dtype)
    assert zero == pytest.approx(overflow, abs=1e-3)
    assert one == pytest.approx(bits * math.log(2), rel=1e-6)
    lost = np.array([-zero], dtype)
    assert mg.sigmoid(lost)[0] > 0, "what the naive form has lost"


@pytest.mark.proof_check
def test_figures():
    found = [
        53 * math.log(2),
        24 * math.log(2),
        54 * math.log(2),
        1075 * math.log(2),
        math.log(np.finfo(float).max),
    ]
    np.testing.assert_allclose(found, [36.737, 16.636, 37.43, 745.13, 709.78], atol=5e-3)


# ---- converse -------------------------------------------------------------------------------------------


def naive(z):
    with np.errstate(over="ignore"):
        a = 1 / (1 + np.exp(-z))
    return a * (1 - a)


def test_converse_the_naive_slope_is_not_even():
    quick = settings(max_examples=500, phases=[Phase.generate], database=None)
    find(st.floats(-5, 5), lambda z: naive(np.float64(z)) != naive(np.float64(-z)), settings=quick)
    z = np.linspace(0, 40, 4001)
    assert (naive(z) != naive(-z)).mean() == pytest.approx(0.977, abs=3e-3), "nearly everywhere"
    assert naive(np.float64(40.0)) == 0
    assert naive(np.float64(-40.0)) > 4e-18
    assert naive(np.float64(-720.0)) == 0
    assert mg.Sigmoid().slope(np.array([-720.0, 720.0])).tolist() == [math.exp(-720)] * 2
