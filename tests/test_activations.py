"""The activations: derivatives from their definition, and the range, largest slope and moments they state."""

import math

import catalogue
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import central_difference, complex_step
from strategies import DTYPES, KINDS, KINKED, finite

import minigrad as mg
from minigrad.kernels import twin
from minigrad.layers.activations import activation, sigmoid_slope

every = pytest.mark.parametrize("f", [*catalogue.activations()], ids=repr)


def true_slope(f, z):
    """f'(z) of the twin's function by the complex step; GELU's erf takes no complex numbers."""
    if f.kind == "gelu":
        return central_difference(lambda z: twin.activation("gelu", z), z)
    return complex_step(lambda z: twin.activation(f.kind, z, f.alpha), z)


def away_from_kinks(f, z):
    return z[np.abs(z) > 1e-2] if f.kind in KINKED or f.alpha not in (0, 1) else z


# ---- derivatives -----------------------------------------------------------------------------------------


@every
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=8), st.floats(-3, 3))
def test_backward_is_delta_times_the_derivative(f, z, delta):
    z = away_from_kinks(f, np.array(z))
    saved, tolerance = f.forward(z)[1], 1e-8 if f.kind == "gelu" else 1e-13
    below, gradients = f.backward(np.full_like(z, delta), saved)
    np.testing.assert_allclose(below, delta * true_slope(f, z), rtol=tolerance, atol=tolerance)
    assert gradients == {}
    reference = twin.activation_backward(f.kind, np.full_like(z, delta), saved, f.alpha)
    np.testing.assert_allclose(reference, delta * true_slope(f, z), rtol=tolerance, atol=tolerance)


@every
def test_slope_is_the_derivative(f):
    z = away_from_kinks(f, np.linspace(-6, 6, 241))
    np.testing.assert_allclose(f.slope(z), true_slope(f, z), rtol=1e-9 if f.kind == "gelu" else 1e-12, atol=1e-9)


@pytest.mark.parametrize(("kind", "slope"), [("relu", 0), ("leaky_relu", 0.01), ("elu", 1), ("selu", 1.7580993)])
def test_the_slope_at_a_kink_is_the_one_from_below(kind, slope):
    assert activation(kind).slope(np.zeros(1)) == pytest.approx(slope)


@pytest.mark.parametrize("f", [mg.Sigmoid(), mg.CenteredSigmoid(), mg.Tanh()], ids=repr)
@pytest.mark.parametrize("dtype", DTYPES)
@given(st.data())
def test_accurate_slopes_are_even_to_the_last_bit(f, dtype, data):
    z = np.array([data.draw(finite(dtype, min_value=-700, max_value=700))], dtype)
    assert f.slope(z).tobytes() == f.slope(-z).tobytes()


@pytest.mark.parametrize("f", [mg.Sigmoid(), mg.CenteredSigmoid()], ids=repr)
def test_accurate_slopes_keep_both_tails(f):
    z = np.array([40.0, 300.0, 700.0])
    np.testing.assert_allclose(f.slope(z), np.exp(-z), rtol=1e-12)
    np.testing.assert_allclose(mg.Tanh().slope(z / 2), 4 * np.exp(-z), rtol=1e-12)


@pytest.mark.parametrize(("dtype", "edge"), [(np.float64, 53 * math.log(2)), (np.float32, 24 * math.log(2))])
def test_the_training_slope_is_zero_where_the_output_rounds_to_one(dtype, edge):
    z = np.array([edge - 0.8, edge + 0.8, -edge - 0.8], dtype)
    a, saved = mg.Sigmoid().forward(z)
    below = mg.Sigmoid().backward(np.ones(3, dtype), saved)[0]
    assert (a == 1).tolist() == [False, True, False]
    assert (below == 0).tolist() == [False, True, False]  # the negative tail lives on
    assert (sigmoid_slope(z) > 0).all()


# ---- values ----------------------------------------------------------------------------------------------

VALUES = {  # f(-2), f(0), f(1), from the equations
    "identity": (-2, 0, 1),
    "sigmoid": (1 / (1 + math.e**2), 0.5, 1 / (1 + 1 / math.e)),
    "tanh": (math.tanh(-2), 0, math.tanh(1)),
    "relu": (0, 0, 1),
    "leaky_relu": (-0.02, 0, 1),
    "elu": (math.exp(-2) - 1, 0, 1),
    "selu": (1.0507009873554805 * 1.6732632423543772 * (math.exp(-2) - 1), 0, 1.0507009873554805),
    "gelu": (-0.04550026389635842, 0, 0.8413447460685429),  # z Phi(z) from a table of the normal distribution
    "silu": (-2 / (1 + math.e**2), 0, 1 / (1 + 1 / math.e)),
    "mish": (-2 * math.tanh(math.log(1 + math.exp(-2))), 0, math.tanh(math.log(1 + math.e))),
    "softplus": (math.log(1 + math.exp(-2)), math.log(2), math.log(1 + math.e)),
    "centered_sigmoid": (1 / (1 + math.e**2) - 0.5, 0, 1 / (1 + 1 / math.e) - 0.5),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_values(kind, dtype):
    a = activation(kind)(np.array([-2, 0, 1], dtype))
    assert a.dtype == dtype
    np.testing.assert_allclose(a, VALUES[kind], rtol=8 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps)


@every
@pytest.mark.parametrize("dtype", DTYPES)
@given(st.data())
@example(None)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # the twin's e^(z^2) on its way to 0
def test_outputs_stay_in_the_range_and_never_become_nan(f, dtype, data):
    z = [-1e38, -1000, -50, 50, 1000, 1e38] if data is None else data.draw(st.lists(finite(dtype), min_size=1))
    a = f(np.array(z, dtype))
    slack = 4 * np.finfo(dtype).eps
    assert (a >= f.range[0] - slack).all()
    assert (a <= f.range[1] + slack).all()


@every
def test_the_range_is_not_wider_than_it_must_be(f):
    a = f(np.concatenate([np.linspace(-800, 800, 3201), np.linspace(-3, 3, 6001)]))
    for end, reached in zip(f.range, (a.min(), a.max()), strict=True):
        assert abs(reached) > 7 if math.isinf(end) else reached == pytest.approx(end, abs=1e-6)


@every
def test_largest_slope(f):
    z = np.concatenate([np.linspace(-10, 10, 20002), np.linspace(-800, 800, 161)])
    assert f.slope(z).max() == pytest.approx(f.largest_slope, rel=1e-6)


def test_sigmoid_takes_any_shape():
    z = np.array([[[-800.0, 0.0]], [[math.log(3), 800.0]]])
    np.testing.assert_allclose(mg.sigmoid(z), [[[0, 0.5]], [[0.75, 1]]], rtol=1e-15, atol=1e-300)
    assert mg.sigmoid(0) == 0.5


# ---- moments under z ~ N(0, 1) ---------------------------------------------------------------------------


@every
def test_moments_agree_with_another_quadrature(f):
    nodes, weights = np.polynomial.legendre.leggauss(120)
    z = np.concatenate([6 * nodes - 6, 6 * nodes + 6])  # two halves, so that a kink at 0 does no harm
    weights = 6 * np.concatenate([weights, weights]) * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    a = twin.activation(f.kind, z, f.alpha)
    mean = weights @ a
    assert f.moments() == pytest.approx((mean, math.sqrt(weights @ (a - mean) ** 2)), rel=1e-12, abs=1e-13)


def below(t):
    """Phi(t), the normal distribution function."""
    return math.erfc(-t / math.sqrt(2)) / 2


MEAN_OF_RELU, ROOT_E = 1 / math.sqrt(2 * math.pi), math.exp(0.5)


def relu_like(slope):
    """E f and E f^2 of the function that is z above 0 and slope z below."""
    return (1 - slope) * MEAN_OF_RELU, (1 + slope**2) / 2


def elu_like(alpha, scale=1.0):
    """E f and E f^2 of scale times ELU, from E[e^tz; z < 0] = e^(t^2/2) Phi(-t)."""
    mean = MEAN_OF_RELU + alpha * (ROOT_E * below(-1) - 0.5)
    square = 0.5 + alpha**2 * (math.exp(2) * below(-2) - 2 * ROOT_E * below(-1) + 0.5)
    return scale * mean, scale**2 * square


@pytest.mark.parametrize(
    ("f", "mean", "square"),
    [
        (mg.Identity(), 0, 1),
        (mg.Sigmoid(), 0.5, None),
        (mg.ReLU(), *relu_like(0)),
        (mg.LeakyReLU(), *relu_like(0.01)),
        (mg.LeakyReLU(0.3), *relu_like(0.3)),
        (mg.LeakyReLU(50), *relu_like(50)),
        (mg.ELU(), *elu_like(1)),
        (mg.ELU(0.1), *elu_like(0.1)),
        (mg.ELU(7), *elu_like(7)),
        (mg.SELU(), 0, 1),  # its fixed point is what it was made for
        (mg.SELU(), *elu_like(1.6732632423543772, 1.0507009873554805)),
    ],
    ids=repr,
)
def test_moments_are_the_closed_forms_to_rounding(f, mean, square):
    found, spread = f.moments()
    assert found == pytest.approx(mean, rel=1e-14, abs=1e-15)
    if square is not None:
        assert spread == pytest.approx(math.sqrt(square - mean**2), rel=1e-14)


KNOWN_RATIO = {  # r^2 = mean^2 / variance
    "sigmoid": 5.763,
    "softplus": 2.39,
    "relu": 1 / (math.pi - 1),
    "gelu": 0.230,
    "silu": 0.136,
    "elu": 0.042,
    "selu": 0,
    "tanh": 0,
    "identity": 0,
    "centered_sigmoid": 0,
}


@pytest.mark.parametrize("kind", KNOWN_RATIO)
def test_the_known_ratios_of_mean_to_spread(kind):
    mean, spread = activation(kind).moments()
    assert (mean / spread) ** 2 == pytest.approx(KNOWN_RATIO[kind], abs=5e-3 if kind == "softplus" else 6e-4)
    if kind in ("selu", "identity"):
        assert spread == pytest.approx(1, abs=1e-6)  # what SELU was made for


# ---- names and arguments ---------------------------------------------------------------------------------


@every
def test_repr_reads_back(f):
    again = eval(repr(f), vars(mg))
    assert type(again) is type(f)
    assert (again.alpha, again.range, again.largest_slope) == (f.alpha, f.range, f.largest_slope)


def test_names():
    assert {kind: type(activation(kind)).__name__.lower() for kind in KINDS} == {k: k.replace("_", "") for k in KINDS}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mg.LeakyReLU(0), "negative_slope is 0"),
        (lambda: mg.LeakyReLU(math.nan), "negative_slope is nan"),
        (lambda: mg.ELU(-1), "alpha is -1"),
        (lambda: mg.ELU(0), "alpha is 0"),
        (lambda: activation("sine"), "unknown activation 'sine', expected one of: identity, sigmoid, tanh"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("f", [mg.sigmoid, sigmoid_slope, mg.ReLU(), mg.ReLU().slope, mg.Tanh().slope])
def test_what_is_no_float_is_refused_as_z(f):
    with pytest.raises(TypeError, match="^z has dtype complex128"):
        f(np.array([1j]))


def test_repr_leaves_out_what_is_the_default():
    assert [repr(f) for f in (mg.LeakyReLU(), mg.LeakyReLU(0.2), mg.ELU(), mg.ELU(2))] == [
        "LeakyReLU()",
        "LeakyReLU(negative_slope=0.2)",
        "ELU()",
        "ELU(alpha=2.0)",
    ]
