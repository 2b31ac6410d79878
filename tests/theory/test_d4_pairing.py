"""D4, pairing: a loss that fits its output function sends back the plain error; another sends back next to
nothing.

Statement. With c = A(z) - y.z and h = grad A (canonical link) delta = dc/dz = h(z) - y: sigmoid with binary
cross-entropy, A = log(1 + e^z), and softmax with cross-entropy, A = log sum e^z, both give a - y. Sigmoid
with half the squared error gives (a - y) a (1 - a), at most 4/27 in size for y in [0, 1] (at a = 2/3, y = 0),
and tends to 0 at a confident mistake, where cross-entropy gives +-1. As MSELoss takes the mean over K
outputs, without the half: at most 8/(27 K). Softmax: the deltas of a sample sum to 0, so 1^T G = 0 and the
column sums 1^T W of the output layer are conserved by GD and momentum.

Floats. The loss max(z, 0) - y z + log1p(e^-|z|) and its delta are finite for all finite z, and delta is in
[-1, 1]; the unfused (a - y) / (a (1 - a)) times a (1 - a) is nan at z = +-800. BCELoss after a Sigmoid clamps
a (1 - a) at 1e-12 as PyTorch does: no nan, but its delta leaves a - y from |z| = 27.6 on and is exactly 0
from z = 36.74: the confident mistake goes unpunished after all. Column sums are conserved to rounding.

Converse. Adam, RMSprop and weight decay are found to move the column sums. A paired output does not help
hidden layers: their delta vanishes at the same rate (D3).
"""

import copy
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import central_difference
from strategies import DTYPES, arrays, finite, seeds

import minigrad as mg
from minigrad.diagnostics import attenuation

probabilities = st.floats(0, 1)


@given(st.floats(-30, 30), probabilities)
def test_bce_with_logits_is_canonical(z, y):
    """delta = h(z) - y, with A = log(1 + e^z) and h its derivative taken numerically."""
    column, target = np.array([[z]]), np.array([[y]])
    loss, delta = mg.BCEWithLogitsLoss().value_and_delta(column, target)
    assert loss == pytest.approx(np.logaddexp(0, z) - y * z, rel=1e-12, abs=1e-13)
    h = central_difference(lambda t: np.logaddexp(0, t), np.float64(z))
    assert delta.item() == pytest.approx(h - y, abs=1e-9)


@given(st.data(), st.integers(2, 5))
def test_softmax_with_cross_entropy_is_canonical(data, K):
    z = data.draw(arrays(np.float64, (1, K), st.floats(-20, 20)))
    y = data.draw(arrays(np.float64, (1, K), st.floats(0.01, 1)))
    y /= y.sum()
    A = lambda t: float(np.logaddexp.reduce(t, axis=None))  # noqa: E731
    loss, delta = mg.CrossEntropyLoss().value_and_delta(z, y)
    assert loss == pytest.approx(A(z) - (y * z).sum(), rel=1e-10, abs=1e-10)
    for k in range(K):
        e = np.eye(K)[k]
        h = central_difference(np.vectorize(lambda t, e=e: A(z + t * e)), np.float64(0.0))
        assert delta[0, k] == pytest.approx(h - y[0, k], abs=1e-8)


@given(st.data(), st.sampled_from(DTYPES), st.integers(1, 4))
def test_floats_the_fused_form_is_finite_everywhere(data, dtype, K):
    z = data.draw(arrays(dtype, (2, K), finite(dtype)))
    y = data.draw(arrays(dtype, (2, K), finite(dtype, min_value=0, max_value=1)))
    with np.errstate(over="ignore"):
        loss, delta = mg.BCEWithLogitsLoss().value_and_delta(z, y)
    assert loss >= 0
    if np.abs(z).max() < np.finfo(dtype).max / 8:
        assert math.isfinite(loss)
    assert np.isfinite(delta).all()
    assert (np.abs(delta) * K <= 1 + 4 * np.finfo(dtype).eps).all()


# ---- the squared error after a sigmoid ------------------------------------------------------------------


def delta_at_z(loss, z, y):
    """delta of the sigmoid's input, as backprop finds it."""
    sigmoid = mg.Sigmoid()
    a, saved = sigmoid.forward(z)
    return sigmoid.backward(loss.delta(a, y), saved)[0]


def test_converse_the_bound_needs_targets_between_0_and_1():
    assert abs(delta_at_z(mg.MSELoss(), np.zeros((1, 1)), np.full((1, 1), 2.0))).item() > 8 / 27


@given(st.data(), st.sampled_from(DTYPES), st.integers(1, 4))
def test_the_bound_of_the_squared_error(data, dtype, K):
    z = data.draw(arrays(dtype, (2, K), finite(dtype)))
    y = data.draw(arrays(dtype, (2, K), finite(dtype, min_value=0, max_value=1)))
    found = delta_at_z(mg.MSELoss(), z, y)
    assert (np.abs(found) <= 8 / (27 * K) * (1 + 8 * np.finfo(dtype).eps)).all()


def test_the_bound_is_reached_at_two_thirds():
    z = np.array([[math.log(2)]])
    assert delta_at_z(mg.MSELoss(), z, np.zeros((1, 1))).item() == pytest.approx(8 / 27, rel=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_confident_mistakes(dtype):
    z, y = np.array([[800.0], [-800.0], [40.0], [-90.0]], dtype), np.array([[0.0], [1.0], [0.0], [1.0]], dtype)
    np.testing.assert_array_equal(mg.BCEWithLogitsLoss().delta(z, y), [[1], [-1], [1], [-1]])
    assert np.abs(delta_at_z(mg.MSELoss(), z, y)).max() < 1e-38
    assert delta_at_z(mg.MSELoss(), z, y)[0, 0] == 0


def test_floats_the_unfused_form():
    z, y = np.array([[800.0], [-800.0]]), np.array([[0.0], [1.0]])
    with np.errstate(all="ignore"):
        a = 1 / (1 + np.exp(-z))
        assert np.isnan((a - y) / (a * (1 - a)) * (a * (1 - a))).all()
    clamped = delta_at_z(mg.BCELoss(), z, y)
    assert (clamped == 0).all(), "no nan, and no error signal either"


def test_floats_where_the_clamp_takes_over():
    z = np.array([[20.0], [27.0], [28.5], [36.0], [37.0]])
    found = delta_at_z(mg.BCELoss(), z, np.zeros_like(z))
    np.testing.assert_allclose(found[:2], 1, rtol=2e-4)  # 1 - a has few digits left up there
    assert (found[2:4] < 0.5).all()
    assert (found[2:4] > 0).all()
    assert found[4] == 0
    assert -math.log(1e-12) == pytest.approx(27.63, abs=0.01)


# ---- what softmax conserves -----------------------------------------------------------------------------


@st.composite
def classifiers(draw):
    """(net, x, y) with softmax outputs; y class numbers or probabilities."""
    rng = np.random.default_rng(draw(seeds))
    K = draw(st.integers(2, 5))
    net = mg.mlp([3, draw(st.integers(1, 5)), K], draw(st.sampled_from(("sigmoid", "relu", "tanh"))), rng=rng)
    x = rng.standard_normal((8, 3))
    y = rng.integers(0, K, 8) if draw(st.booleans()) else rng.dirichlet(np.ones(K), 8)
    return net, x, y


def column_sums(net):
    return np.append(net[2].weight.sum(axis=0), net[2].bias.sum())


def moved(problem, optimizer, epochs=10):
    """How far the column sums of the output layer move in a run."""
    net, x, y = problem
    before = column_sums(net)
    mg.fit(net, mg.CrossEntropyLoss(), optimizer, x, y, epochs=epochs, batch_size=3, rng=0, progress=False)
    return np.abs(column_sums(net) - before).max()


@given(classifiers(), st.sampled_from((0.0, 0.5, 0.9)), st.booleans())
def test_column_sums_are_conserved_by_gd_and_momentum(problem, momentum, nesterov):
    net, x, y = problem
    found = mg.backprop(net, mg.CrossEntropyLoss(), x, y).gradients["2"]
    assert np.abs(found.delta.sum(axis=1)).max() < 1e-14
    assert np.abs(found.weight.sum(axis=0)).max() < 1e-13
    assert moved(problem, mg.SGD(0.3, momentum=momentum, nesterov=nesterov and momentum > 0)) < 1e-12


@pytest.mark.parametrize("optimizer", [mg.Adam(0.05), mg.RMSprop(0.05), mg.SGD(0.3, weight_decay=0.1)], ids=repr)
def test_converse_others_move_them(optimizer, rng):
    problem = mg.mlp([3, 4, 3], "sigmoid", rng=1), rng.standard_normal((20, 3)), rng.integers(0, 3, 20)
    assert moved(problem, copy.deepcopy(optimizer)) > 1e-2


def test_converse_hidden_layers_vanish_all_the_same():
    """Four hidden layers of sigmoids: other norms at the output, the same decades lost below."""
    rng = np.random.default_rng(0)
    net = mg.mlp([20] + [100] * 5 + [1], "sigmoid", init="lecun_normal", rng=rng)
    x, y = rng.standard_normal((30, 20)), np.zeros((30, 1))
    net[-1].bias[...] = 6  # a confident mistake
    fused = attenuation(mg.backprop(net, mg.BCEWithLogitsLoss(), x, y))
    squared = attenuation(mg.backprop(mg.Sequential(*net, mg.Sigmoid()), mg.MSELoss(), x, y))
    assert fused.norms[-1] > 100 * squared.norms[-1]
    np.testing.assert_allclose(fused.decades, squared.decades, atol=0.02)
    assert (fused.decades[:-1] < -0.5).all()
