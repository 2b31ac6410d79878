"""Numbers at the edge, in both float types and on both cores: what the layers and the losses make of them."""

import math
import sys

import numpy as np
import pytest
from strategies import DTYPES, KINDS

import minigrad as mg
from minigrad.kernels import backend, twin
from minigrad.layers.activations import activation

CORES = ["compiled", "numpy"] if backend.core is not twin else ["numpy"]
CE, LOGITS, BCE, MSE = mg.CrossEntropyLoss(), mg.BCEWithLogitsLoss(), mg.BCELoss(), mg.MSELoss()
types = pytest.mark.parametrize("dtype", DTYPES)
kinds = pytest.mark.parametrize("kind", KINDS)


def run_on(monkeypatch, name):
    """Let minigrad compute with the core of that name until the test is over."""
    before, core = backend.core, twin if name == "numpy" else backend.core
    for user in [module for n, module in sys.modules.items() if n.startswith("minigrad")]:
        if getattr(user, "core", None) is before:
            monkeypatch.setattr(user, "core", core)


@pytest.fixture(params=CORES)
def core(request, monkeypatch):
    run_on(monkeypatch, request.param)


def unit(dtype):
    """The smallest subnormal: whole multiples of it are exact."""
    return np.finfo(dtype).smallest_subnormal


# ---- activations: far out, and around zero --------------------------------------------------------------

FAR = {  # f(-z), f'(-z), f(z), f'(z) for large z; a pair (value, slope) of a line is value + slope z
    "identity": ((0, -1), 1, (0, 1), 1),
    "sigmoid": ((0, 0), 0, (1, 0), 0),
    "tanh": ((-1, 0), 0, (1, 0), 0),
    "relu": ((0, 0), 0, (0, 1), 1),
    "leaky_relu": ((0, -0.01), 0.01, (0, 1), 1),
    "elu": ((-1, 0), 0, (0, 1), 1),
    "selu": ((-1.7580993408473766, 0), 0, (0, 1.0507009873554805), 1.0507009873554805),
    "gelu": ((0, 0), 0, (0, 1), 1),
    "silu": ((0, 0), 0, (0, 1), 1),
    "mish": ((0, 0), 0, (0, 1), 1),
    "softplus": ((0, 0), 0, (0, 1), 1),
    "centered_sigmoid": ((-0.5, 0), 0, (0.5, 0), 0),
}


@types
@kinds
def test_activations_and_their_slopes_far_out_are_the_limits(core, kind, dtype):
    f, largest = activation(kind), np.finfo(dtype).max
    z = np.array([800, 1e4, 1e30, largest / 2, largest], dtype)
    for sign, line, slope in ((-1, *FAR[kind][:2]), (1, *FAR[kind][2:])):
        with np.errstate(over="ignore"):  # SELU of the largest float is infinite
            expected = dtype(line[0]) + dtype(line[1]) * z
        a, saved = f.forward(sign * z)
        np.testing.assert_allclose(a, expected, rtol=4 * np.finfo(dtype).eps, atol=0)
        for found in (f.slope(sign * z), f.backward(np.ones_like(z), saved)[0]):
            np.testing.assert_allclose(found, np.full_like(z, slope), rtol=4 * np.finfo(dtype).eps, atol=0)


SUBNORMAL = {  # f(4 t), f(-4 t) and delta = 4 t behind z = 0, in units of the smallest subnormal t
    "identity": (4, -4, 4),
    "sigmoid": (None, None, 1),
    "tanh": (4, -4, 4),
    "relu": (4, 0, 0),
    "leaky_relu": (4, -0.0, 0),
    "elu": (4, -4, 4),
    "selu": (4, -7, 7),
    "gelu": (2, -2, 2),
    "silu": (2, -2, 2),
    "mish": (2, -2, 2),
    "softplus": (None, None, 2),
    "centered_sigmoid": (1, -1, 1),
}


@types
@kinds
def test_subnormal_inputs_and_deltas_are_not_flushed_to_zero(core, kind, dtype):
    f, t = activation(kind), unit(dtype)
    *expected, delta = SUBNORMAL[kind]
    a = f(np.array([4, -4], dtype) * t)
    if expected[0] is None:
        assert a.tolist() == [f(np.zeros(1, dtype))[0]] * 2
    else:
        np.testing.assert_array_equal(a / t, expected)
    below = f.backward(np.array([4 * t], dtype), f.forward(np.zeros(1, dtype))[1])[0]
    assert (below / t).tolist() == [delta]


@types
@kinds
def test_the_sign_of_zero_is_kept_by_all_but_relu(core, kind, dtype):
    a = activation(kind)(np.array([-0.0, 0.0], dtype))
    expected = {"sigmoid": [0.5, 0.5], "softplus": [math.log(2)] * 2, "relu": [0.0, 0.0]}.get(kind, [-0.0, 0.0])
    assert a.tobytes() == np.array(expected, dtype).tobytes()


@types
@kinds
def test_infinities_go_to_the_limits_and_nan_to_nan(core, kind, dtype):
    a = activation(kind)(np.array([-np.inf, np.inf, np.nan], dtype))
    with np.errstate(invalid="ignore"):
        limits = [value + slope * np.inf if slope else value for value, slope in FAR[kind][::2]]
    if kind in ("gelu", "silu", "mish"):
        limits[0] = np.nan  # -inf times 0
    np.testing.assert_allclose(a, [*limits, np.nan], rtol=1e-7)


# ---- products of subnormal numbers -------------------------------------------------------------------------

SIZES = [(1, 1, 1), (2, 3, 2), (4, 300, 8), (64, 24, 40), (256, 200, 160)]  # each way the core multiplies


@types
@pytest.mark.parametrize(("N", "J", "K"), SIZES)
def test_products_with_subnormal_factors_are_exact(core, rng, N, J, K, dtype):
    a, w, delta = (rng.integers(-4, 5, shape) for shape in ((N, J), (K, J), (N, K)))
    t, layer = unit(dtype), mg.Linear(J, K, dtype=dtype)
    np.copyto(layer.weight, w * t, casting="same_kind")
    expected = {"z": a @ w.T, "below": delta @ w, "weight": delta.T @ a, "bias": delta.sum(axis=0)}
    g = mg.WeightGradient((N * delta * t).astype(dtype), a.astype(dtype))  # the mean divides by N
    found = {
        "z": layer(a),
        "below": layer.backward(delta.astype(dtype), a.astype(dtype))[0],
        "weight": g.weight,
        "bias": g.bias,
    }
    for name, whole in expected.items():
        np.testing.assert_array_equal(found[name] / t, whole, err_msg=name)
    np.copyto(layer.weight, w, casting="unsafe")
    np.testing.assert_array_equal(layer((a * t).astype(dtype)) / t, expected["z"])


# ---- losses of huge logits -----------------------------------------------------------------------------------

HUGE = {  # logits in units of the size, y, C in units of the size, delta
    "class, right": (CE, [[1, 0, -1]], [0], 0, [[0, 0, 0]]),
    "class, wrong": (CE, [[1, 0, 0.5]], [1], 1, [[1, -1, 0]]),
    "class, far wrong": (CE, [[0.5, 0, -0.5]], [2], 1, [[1, 0, -1]]),
    "classes, tied": (CE, [[1, 1, 0]], [1], 0, [[0.5, -0.5, 0]]),
    "probabilities": (CE, [[1, 0]], [[0.25, 0.75]], 0.75, [[0.75, -0.75]]),
    "a certain class": (CE, [[1, -1]], [[1, 0]], 0, [[0, 0]]),
    "logits, right": (LOGITS, [[1, -1]], [[1, 0]], 0, [[0, 0]]),
    "logits, wrong": (LOGITS, [[1, -1]], [[0, 1]], 1, [[0.5, -0.5]]),
    "logits, undecided": (LOGITS, [[1, -1]], [[0.5, 0.5]], 0.5, [[0.25, -0.25]]),
}


@types
@pytest.mark.parametrize("size", [1e4, 1e30, "half", "max"])
@pytest.mark.parametrize("case", HUGE)
def test_huge_logits_have_finite_losses_and_full_deltas(core, case, size, dtype):
    loss, z, y, value, delta = HUGE[case]
    size = np.finfo(dtype).max * {"half": 0.5, "max": 1}[size] if isinstance(size, str) else dtype(size)
    if "wrong" in case and dtype == np.float64 and loss is LOGITS:
        size = size / 2  # the sum over the entries must be a float as well
    c, d = loss.value_and_delta((size * np.array(z)).astype(dtype), np.array(y))
    tied = math.log(2) if case == "classes, tied" else 0.0
    assert c == pytest.approx(tied + value * float(size), rel=1e-6)
    np.testing.assert_array_equal(d, np.array(delta, dtype))


@types
def test_a_difference_of_logits_that_is_no_float_is_an_infinite_loss(core, dtype):
    z = np.finfo(dtype).max * np.array([[1, -1]], dtype)
    c, d = CE.value_and_delta(z, np.array([1]))
    assert (c, d.tolist()) == (math.inf, [[1, -1]])
    assert mg.softmax(z).tolist() == [[1, 0]]


@pytest.mark.parametrize(("dtype", "z"), [(np.float64, 700), (np.float64, 740), (np.float32, 80), (np.float32, 100)])
def test_small_losses_live_as_long_as_the_exponential(core, dtype, z):
    rel, tiny = 4 * float(np.finfo(dtype).eps), 2 * float(unit(dtype))
    expected = pytest.approx(math.exp(-z), rel=rel * 10, abs=tiny)
    assert LOGITS(np.array([[-z], [z]], dtype), [[0], [1]]) == expected
    assert LOGITS.delta(np.array([[-z]], dtype), [[0]])[0, 0] == expected
    assert mg.Softplus()(np.array([-z], dtype))[0] == expected
    assert CE.delta(np.array([[0, -z]], dtype), [0])[0, 1] == expected


@types
def test_bce_of_probabilities_next_to_0_and_1(core, dtype):
    p = np.array([[0], [unit(dtype)], [1 - np.finfo(dtype).epsneg], [1]], dtype)
    for y in (0, 1):
        c, d = BCE.value_and_delta(p, np.full((4, 1), y))
        with np.errstate(divide="ignore"):
            assert c == pytest.approx(np.minimum(-np.log(p if y else 1 - p), 100).mean(), rel=1e-6)
        np.testing.assert_allclose(d, (p - y) / np.maximum(p * (1 - p), dtype(1e-12)), rtol=1e-6)


@types
def test_a_mean_of_large_losses_does_not_overflow_in_float32(core, dtype):
    size = np.float32(3e38)
    assert LOGITS(np.full((4, 2), size, dtype), np.zeros((4, 2))) == pytest.approx(float(size))
    assert MSE(np.full((4, 2), np.sqrt(size), dtype), np.zeros((4, 2))) == pytest.approx(float(size), rel=1e-6)


@types
def test_huber_of_the_largest_error_is_finite_where_mse_is_not(core, dtype):
    far, zero = np.full((1, 1), np.finfo(dtype).max, dtype), np.zeros((1, 1), dtype)
    c, d = mg.HuberLoss().value_and_delta(far, zero)
    assert [c, d[0, 0]] == [far[0, 0], 1]
    assert MSE(far, zero) == np.inf


# ---- BatchNorm -----------------------------------------------------------------------------------------------


@types
@pytest.mark.parametrize("N", [2, 3, 7, 11])
@pytest.mark.parametrize("value", [0.0, -0.0, "unit", 0.1, 123456.7, 1e8 / 3, 1e17 / 3, 1e30, "max"])
def test_a_constant_feature_leaves_batchnorm_as_beta(value, N, dtype):
    value = {"unit": unit(dtype), "max": np.finfo(dtype).max}.get(value, value)
    layer = mg.BatchNorm(2, dtype=dtype)
    layer.bias[:] = 3
    x = np.stack([np.full(N, value), np.arange(N)], axis=1).astype(dtype)
    out, saved = layer.forward(x)
    assert out[:, 0].tolist() == [3] * N
    assert np.isfinite(out).all()
    below, gradients = layer.backward(np.ones_like(x), saved)
    assert np.isfinite(below).all()
    assert gradients["weight"][0] == 0
    assert all(np.isfinite(a).all() for a in layer.state().values())
