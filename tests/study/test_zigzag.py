"""The runs behind Q7: the nets that are compared start as the same function, and the runs are what they seem."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.diagnostics import orthant_pairs, single_signed_rows, spectrum
from minigrad.studies import Config, decomposition, gauges, zigzag
from minigrad.studies.decomposition import Shifted

SIZES = [5, 6, 6, 6, 6, 3]


def test_shifted_is_the_function_and_its_gradient(rng):
    z, scale, shift = rng.standard_normal((4, 6)), rng.standard_normal(6), rng.standard_normal(6)
    layer = Shifted(mg.Tanh(), shift, scale)
    np.testing.assert_allclose(layer(z), scale * np.tanh(z) + shift, atol=1e-6)  # scale and shift are float32
    net = mg.Sequential(mg.Linear(5, 6, rng=0), layer, mg.Linear(6, 2, rng=1))
    mg.gradcheck(net, mg.MSELoss(), rng.standard_normal((4, 5)), rng.standard_normal((4, 2)))


@pytest.mark.parametrize("name", ["sigmoid, start of tanh", "sigmoid - 1/2, start of tanh", "tanh + 1"])
def test_these_nets_start_as_the_tanh_net(name, rng):
    x = rng.standard_normal((8, 5)).astype(np.float32)
    tanh = decomposition.build("tanh", SIZES, 3)
    np.testing.assert_allclose(decomposition.build(name, SIZES, 3)(x), tanh(x), atol=1e-5)
    assert abs(decomposition.build("sigmoid", SIZES, 3)(x) - tanh(x)).max() > 0.1  # and this one does not


@pytest.mark.parametrize("offset", [0.5, 2.0, np.array([1, -1, 1, 1, -1, 2.0])])
def test_an_offset_leaves_the_function(offset, rng):
    x = rng.standard_normal((8, 5)).astype(np.float32)
    shifted, tanh = decomposition.build("offset", SIZES, 3, offset), decomposition.build("tanh", SIZES, 3)
    np.testing.assert_allclose(shifted(x), tanh(x), atol=1e-5)
    a = mg.backprop(shifted, mg.MSELoss(), x, tanh(x)).gradients["4"].a
    np.testing.assert_allclose(np.sign(a.mean(axis=0)), np.sign(offset) * np.ones(6))


def twins():
    """(first, second, third): a Backprop of a net, of its flipped and of its rotated twin."""
    rng = np.random.default_rng(0)
    x, y, net = rng.random((7, 5)) + 0.1, rng.integers(0, 3, 7), mg.mlp([5, 6, 4, 3], "sigmoid", rng=0)
    flipped, rotated = gauges.flipped_net(net, x, np.random.default_rng(0)), gauges.rotated_net(net, x)
    assert (net[0].weight == mg.mlp([5, 6, 4, 3], "sigmoid", rng=0)[0].weight).all()  # the first is left alone
    return [mg.backprop(n, mg.CrossEntropyLoss(), inputs, y) for n, inputs in ((net, x), flipped, rotated)]


def test_the_flipped_net_is_the_same_function_in_other_signs():
    first, second, _ = twins()
    assert (first.output == second.output).all()
    for path, g in first.gradients.items():
        assert (abs(g.weight) == abs(second.gradients[path].weight)).all()
        assert single_signed_rows(g, per_sample=True).all()
        assert not single_signed_rows(second.gradients[path], per_sample=True).any()
        assert orthant_pairs(g) == orthant_pairs(second.gradients[path]) == 1


def test_the_rotated_net_is_the_same_function_in_other_axes():
    first, _, third = twins()
    np.testing.assert_allclose(third.output, first.output, atol=1e-13)
    for path, g in first.gradients.items():
        other = third.gradients[path]
        np.testing.assert_allclose(other.delta, g.delta, atol=1e-13)
        np.testing.assert_allclose(other.a @ other.a.T, g.a @ g.a.T, atol=1e-12)
        np.testing.assert_allclose(other.a.mean(axis=0)[1:], 0, atol=1e-13)
        assert orthant_pairs(other) < 0.5


def test_rotated_is_the_function_and_its_gradient(rng):
    Q = gauges.onto_first_axis(rng.random(6))
    np.testing.assert_allclose(Q @ Q.T, np.eye(6), atol=1e-14)
    net = mg.Sequential(mg.Linear(5, 6, rng=0), gauges.Rotated(mg.Tanh(), Q), mg.Linear(6, 2, rng=1))
    mg.gradcheck(net, mg.MSELoss(), rng.standard_normal((4, 5)), rng.standard_normal((4, 2)))


def test_sgd_does_not_see_where_the_mean_lies():
    along, one, zero = (gauges.steps_by_axes((None, ("SGD", mean, 0.011), 3)) for mean in gauges.MEANS)
    assert along == one < zero, "this rate is made for the mean's curvature"
    adam = [gauges.steps_by_axes((None, ("Adam", mean, 0.09), 3)) for mean in gauges.MEANS]
    assert adam[0] > adam[1]
    assert all(gauges.steps_by_axes((None, ("SGD", mean, 3.0), 3)) == np.inf for mean in gauges.MEANS), "it runs away"


def test_momentum_takes_the_steps_that_the_curvatures_say():
    """Each eigenvector's error by its own recursion of two terms."""
    found, rng = gauges.valley_steps(2), np.random.default_rng(2)
    a = 1 / (1 + np.exp(-rng.standard_normal((gauges.SAMPLES, gauges.UNITS))))
    error = rng.standard_normal(gauges.UNITS)
    values, axes = np.linalg.eigh(a.T @ a / len(a))
    low, high = values[0] ** 0.5, values[-1] ** 0.5
    assert found["root"] == pytest.approx(high / low)
    for name, lr, beta in (
        ("plain", 2 / (values[0] + values[-1]), 0.0),
        ("momentum", 4 / (low + high) ** 2, ((high - low) / (high + low)) ** 2),
    ):
        before = now = axes.T @ error
        steps = 0
        while np.linalg.norm(now) > 1e-3 * np.linalg.norm(error):
            before, now = now, now - lr * values * now + beta * (now - before)
            steps += 1
        assert found[name] == steps


def test_the_neuron_takes_the_steps_that_its_curvatures_say():
    a, wanted = zigzag.inputs(4, 0), np.array([1.0, -2.0, 0.5, 1.0])
    path, losses = zigzag.descend(a, wanted, 1.0)
    curvature, axes = np.linalg.eigh(2 * a.T @ a / len(a))
    error = axes.T @ -wanted
    steps = 0
    while np.linalg.norm(error) > zigzag.NEAR * np.linalg.norm(wanted):
        error = error * (1 - curvature / curvature[-1])
        steps += 1
    assert len(path) - 1 == len(losses) == steps
    assert zigzag.learning_rate(a, "best") == pytest.approx(1 / spectrum(a)[[0, -1]].sum())


def test_a_neuron_that_does_not_arrive_stops(monkeypatch):
    monkeypatch.setattr(zigzag, "MOST", 7)
    path, losses = zigzag.descend(zigzag.inputs(4, 0), np.ones(4), 2.5)
    assert (len(path), len(losses)) == (8, 7)
    assert losses[-1] > losses[0], "at more than 2 / lambda_1 the loss rises"


def test_a_run_that_runs_away_counts_as_not_finished(rng):
    x, y = rng.standard_normal((64, 5)).astype(np.float32), rng.integers(0, 3, 64)
    net = decomposition.build("tanh", SIZES, 0)
    assert decomposition.epochs_needed(net, x, y, 1e6, 0, 20) == np.inf
    assert decomposition.epochs_needed(decomposition.build("tanh", SIZES, 0), x, y, 1e-6, 0, 2) == np.inf


def test_the_first_layer_has_centred_inputs():
    x, y, sizes = decomposition.problem(Config(quick=True))
    assert abs(x.mean(axis=0)).max() < 1e-6
    assert x.std() == pytest.approx(1, rel=1e-5)
    assert sizes == [64, 32, 32, 32, 32, 10]
    assert len(x) == len(y) == 256
