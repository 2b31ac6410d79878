"""Numbers at the edge: what becomes of them, in both float types, on both cores and in both engines."""

import math
import sys

import numpy as np
import pytest
from oracles import same_bits, snapshot
from strategies import DTYPES, KINDS

import minigrad as mg
from minigrad import _backend, _core_numpy
from minigrad.activations import activation

CORES = ["compiled", "numpy"] if _backend.core is not _core_numpy else ["numpy"]
DRIVERS = [pair for pair in (("compiled", "fused"), ("compiled", "python"), ("numpy", "python")) if pair[0] in CORES]
CE, LOGITS, BCE, MSE = mg.CrossEntropyLoss(), mg.BCEWithLogitsLoss(), mg.BCELoss(), mg.MSELoss()
X, Y = np.random.default_rng(0).standard_normal((8, 3)), np.arange(8) % 2
types = pytest.mark.parametrize("dtype", DTYPES)
kinds = pytest.mark.parametrize("kind", KINDS)


def run_on(monkeypatch, name):
    """Let minigrad compute with the core of that name until the test is over."""
    before, core = _backend.core, _core_numpy if name == "numpy" else _backend.core
    for user in [module for n, module in sys.modules.items() if n.startswith("minigrad")]:
        if getattr(user, "core", None) is before:
            monkeypatch.setattr(user, "core", core)


@pytest.fixture(params=CORES)
def core(request, monkeypatch):
    run_on(monkeypatch, request.param)


@pytest.fixture(params=DRIVERS, ids=" ".join)
def driver(request, monkeypatch):
    """The engine to train with, on the core beside it."""
    run_on(monkeypatch, request.param[0])
    return request.param[1]


def unit(dtype):
    """The smallest subnormal: whole multiples of it are exact."""
    return np.finfo(dtype).smallest_subnormal


def fit(net, loss, opt, x, y, **others):
    return mg.fit(net, loss, opt, x, y, **{"epochs": 2, "batch_size": 4, "rng": 0, "progress": False} | others)


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
    if kind in ("gelu", "silu"):
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


@types
def test_training_moves_subnormal_weights(driver, dtype):
    t = unit(dtype)
    net = mg.Sequential(mg.Linear(1, 1, init="zeros", bias=False, dtype=dtype))
    net[0].weight[:] = 5 * t
    fit(net, MSE, mg.SGD(1.0), np.ones((4, 1)), np.full((4, 1), 4 * t, dtype), epochs=1)  # w -= 2 (w - 4 t)
    assert (net[0].weight / t).tolist() == [[3]]


# ---- losses of huge logits -----------------------------------------------------------------------------------

HUGE = {  # logits in units of the size, y, C in units of the size, delta
    "class, right": (CE, [[1, 0, -1]], [0], 0, [[0, 0, 0]]),
    "class, wrong": (CE, [[1, 0, 0.5]], [1], 1, [[1, -1, 0]]),
    "class, far wrong": (CE, [[0.5, 0, -0.5]], [2], 1, [[1, 0, -1]]),
    "classes, tied": (CE, [[1, 1, 0]], [1], 0, [[0.5, -0.5, 0]]),
    "one class": (CE, [[1], [-1]], [0, 0], 0, [[0], [0]]),
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
    size = {"half": np.finfo(dtype).max / 2, "max": np.finfo(dtype).max}.get(size) or dtype(size)
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
            logs = np.maximum(np.log(np.abs(1 - y - p, dtype=np.float64)), -100)
        assert c == pytest.approx(-logs.mean(), rel=1e-6)
        expected = (p - y) / np.maximum(p * (1 - p), 1e-12)
        np.testing.assert_allclose(d, expected, rtol=1e-6)


@types
def test_a_mean_of_large_losses_does_not_overflow_in_float32(core, dtype):
    size = np.float32(3e38)
    assert LOGITS(np.full((4, 2), size, dtype), np.zeros((4, 2))) == pytest.approx(float(size))
    assert MSE(np.full((4, 2), np.sqrt(size), dtype), np.zeros((4, 2))) == pytest.approx(float(size), rel=1e-6)


# ---- units that have no slope left ---------------------------------------------------------------------------


@types
@pytest.mark.parametrize("opt", [mg.SGD(0.5), mg.Adam(), mg.RMSprop()], ids=repr)
@pytest.mark.parametrize(("kind", "bias"), [("sigmoid", 800), ("sigmoid", -800), ("tanh", 800), ("relu", -1e30)])
def test_a_saturated_layer_gets_a_delta_of_zero_and_stays_as_it_is(driver, kind, bias, opt, dtype):
    net = mg.mlp([3, 4, 2], kind, dtype=dtype, rng=0)
    net[0].bias[:] = bias
    bp = mg.backprop(net, CE, X, Y)
    assert (bp.gradients["0"].delta == 0).all()
    assert (bp.gradients["0"].weight == 0).all()
    first, second = net[0].state_dict(), net[2].state_dict()
    opt = type(opt)(**opt.config())
    assert np.isfinite(fit(net, CE, opt, X, Y).loss).all()
    assert same_bits(net[0].state_dict(), first)
    assert not same_bits(net[2].state_dict(), second)


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


# ---- training at the edge ------------------------------------------------------------------------------------

OPTIMIZERS = {
    "sgd": mg.SGD,
    "momentum": lambda lr: mg.SGD(lr, momentum=0.9, nesterov=True),
    "rmsprop": mg.RMSprop,
    "adam": mg.Adam,
    "adamw": mg.AdamW,
}


@types
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_learning_rate_that_overflows_is_divergence_and_everything_is_restored(driver, name, dtype):
    net, opt = mg.mlp([3, 4, 2], dtype=dtype, rng=0), OPTIMIZERS[name](0.01)
    fit(net, CE, opt, X, Y, engine=driver)
    opt.lr, before = 1e308, snapshot(net, opt)
    with pytest.raises(mg.DivergenceError, match=r"epoch 1.*(layer \d|the loss itself).*smaller lr"):
        fit(net, CE, opt, X, Y, engine=driver)
    assert snapshot(net, opt) == before


@types
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_learning_rate_too_small_to_matter_changes_no_bit(driver, name, dtype):
    net, again = (mg.mlp([3, 4, 2], dtype=dtype, rng=0) for _ in "12")
    for parameter in (*net.parameters().values(), *again.parameters().values()):
        parameter += 1
    fit(net, CE, OPTIMIZERS[name](5e-324), X, Y, engine=driver)
    assert same_bits(net.state_dict(), again.state_dict())


@types
def test_features_of_a_billion_to_one_diverge_by_name_or_train(driver, dtype):
    x, y = X * [1e9, 1, 1e-9], np.eye(2)[Y]
    net = mg.mlp([3, 4, 2], "relu", dtype=dtype, rng=0)
    before = snapshot(net)
    with pytest.raises(mg.DivergenceError, match=r"epoch \d+, step \d, beginning in (layer 2, Linear|the loss itself)"):
        fit(net, MSE, mg.SGD(0.1), x, y, epochs=20, engine=driver)
    assert np.isfinite(net(x)).all()
    net.load_state_dict(dict(zip(net.state(), (np.frombuffer(b, dtype).reshape(a.shape) for b, a in zip(
        before[0].values(), net.state().values(), strict=True)), strict=True)))
    history = fit(net, MSE, mg.SGD(1e-20), x, y, epochs=20, engine=driver)
    assert history.loss[-1] < history.loss[0]
