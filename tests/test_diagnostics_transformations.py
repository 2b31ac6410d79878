"""gauge_flip and tanh_twin: what they return, what they refuse, and that nothing else changes."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.diagnostics import gauge_flip, precondition, tanh_twin, twin_preconditioner


def states(net):
    return {name: array.tobytes() for name, array in net.state_dict().items()}


def test_gauge_flip_turns_inputs_and_columns(rng):
    net, x = mg.mlp([3, 4, 2], "sigmoid", rng=0), rng.standard_normal((5, 3))
    before, kept = states(net), x.copy()
    flipped, turned = gauge_flip(net, x, [1, -1, -1])
    np.testing.assert_array_equal(turned, x * [1, -1, -1])
    np.testing.assert_array_equal(flipped[0].weight, net[0].weight * [1, -1, -1])
    for name in ("0.bias", "2.weight", "2.bias"):
        assert flipped.state_dict()[name].tobytes() == before[name]
    assert states(net) == before
    np.testing.assert_array_equal(x, kept)
    assert not np.shares_memory(turned, x)
    again, back = gauge_flip(flipped, turned, [1, -1, -1])
    assert states(again) == before
    np.testing.assert_array_equal(back, x)


def test_gauge_flip_of_hidden_units(rng):
    net, x = mg.mlp([3, 4, 2], "tanh", rng=0), rng.standard_normal((5, 3))
    net[0].bias[...] = rng.standard_normal(4)
    signs = np.array([1, -1, -1, 1])
    flipped, same = gauge_flip(net, x, signs, layer=2)
    np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(flipped[0].weight, net[0].weight * signs[:, None])
    np.testing.assert_array_equal(flipped[0].bias, net[0].bias * signs)
    np.testing.assert_array_equal(flipped[2].weight, net[2].weight * signs)
    np.testing.assert_array_equal(flipped(x), net(x))


def test_gauge_flip_keeps_the_float_type():
    net = mg.mlp([2, 3, 1], "tanh", rng=0, dtype=np.float32)
    flipped, x = gauge_flip(net, np.ones((1, 2)), [1, -1])
    assert x.dtype == flipped[0].weight.dtype == np.float32


def test_gauge_flip_without_a_bias_and_behind_an_odd_first_layer(rng):
    net = mg.Sequential(mg.Tanh(), mg.Linear(3, 4, bias=False, rng=0), mg.Dropout(0.0), mg.Linear(4, 1, rng=0))
    x = rng.standard_normal((5, 3))
    flipped, turned = gauge_flip(net, x, [-1, 1, -1], layer=1)
    np.testing.assert_array_equal(flipped(turned), net(x))
    flipped, same = gauge_flip(net, x, [-1, 1, -1, 1], layer=3)
    np.testing.assert_array_equal(flipped(same), net(x))


def test_gauge_flip_refuses():
    net, x = mg.mlp([2, 3, 3, 1], "relu", rng=0), np.ones((4, 2))
    for signs in ([1, -1, 1], [1, 0], [1, 2], 1, [1, np.nan]):
        with pytest.raises(ValueError, match="entries 1 and -1"):
            gauge_flip(net, x, signs)
    with pytest.raises(ValueError, match="not odd"):
        gauge_flip(net, x, [1, 1, 1], layer=2)
    for layer in (1, 5, -1):
        with pytest.raises(TypeError, match="no(t a)? Linear|is not a Linear"):
            gauge_flip(net, x, [1, 1, 1], layer=layer)
    with pytest.raises(TypeError, match="Linear layer of a Sequential"):
        gauge_flip(mg.Linear(2, 1), x, [1, 1])
    with pytest.raises(ValueError, match=r"^x has shape \(2,\)"):
        gauge_flip(net, x[0], [1, 1])


def test_tanh_twin_is_new_and_made_of_tanh(rng):
    net = mg.mlp([3, 4, 4, 2], "sigmoid", rng=0)
    before = states(net)
    twin = tanh_twin(net)
    assert [type(layer).__name__ for layer in twin] == ["Linear", "Tanh", "Linear", "Tanh", "Linear"]
    assert states(net) == before
    np.testing.assert_array_equal(twin[0].weight, net[0].weight / 2)
    np.testing.assert_array_equal(twin[2].weight, net[2].weight / 4)
    np.testing.assert_array_equal(twin[4].weight, net[4].weight / 2)
    np.testing.assert_allclose(twin[2].bias, net[2].weight.sum(axis=1) / 4)
    np.testing.assert_allclose(twin[4].bias, net[4].weight.sum(axis=1) / 2)


def test_tanh_twin_of_a_tanh_equivalent_net_is_the_glorot_net():
    """mlp(init="tanh_equivalent") is this map backwards."""
    twin = tanh_twin(mg.mlp([3, 4, 4, 2], "sigmoid", init="tanh_equivalent", rng=5))
    glorot = mg.mlp([3, 4, 4, 2], "tanh", rng=5)
    for name, array in glorot.state_dict().items():
        np.testing.assert_allclose(twin.state_dict()[name], array, atol=1e-15)


def test_a_sigmoid_at_the_end_stays_and_other_activations_are_left_alone(rng):
    net = mg.Sequential(
        mg.Linear(3, 4, rng=0), mg.Sigmoid(), mg.Linear(4, 5, rng=1), mg.ReLU(), mg.Linear(5, 2, rng=2), mg.Sigmoid()
    )
    twin, x = tanh_twin(net), rng.standard_normal((6, 3))
    assert [type(layer).__name__ for layer in twin][1::2] == ["Tanh", "ReLU", "Sigmoid"]
    np.testing.assert_allclose(twin(x), net(x), rtol=1e-13)
    matrices = twin_preconditioner(net)
    assert list(matrices) == ["0", "2", "4"]
    np.testing.assert_array_equal(matrices["4"], np.eye(6))


def test_tanh_twin_in_float32():
    twin = tanh_twin(mg.mlp([3, 4, 2], "sigmoid", rng=0, dtype=np.float32))
    assert {array.dtype for array in twin.state_dict().values()} == {np.dtype(np.float32)}


def test_tanh_twin_refuses():
    between = "not between two Linear layers"
    for layers, message in (
        ((mg.Sigmoid(), mg.Linear(2, 1)), between),
        ((mg.Linear(2, 2), mg.Sigmoid(), mg.Sigmoid(), mg.Linear(2, 1)), between),
        ((mg.Linear(2, 2), mg.BatchNorm(2), mg.Sigmoid(), mg.Linear(2, 1)), "expected Linear and activation layers"),
        ((mg.Residual(mg.Linear(2, 2), mg.Sigmoid()),), "expected Linear and activation layers"),
    ):
        for function in (tanh_twin, twin_preconditioner):
            with pytest.raises(ValueError, match=message):
                function(mg.Sequential(*layers))
    with pytest.raises(TypeError, match="^net is a Linear, expected a Sequential"):
        tanh_twin(mg.Linear(2, 1))


def test_precondition_multiplies_rows(rng):
    net = mg.mlp([2, 3, 1], "sigmoid", rng=0)
    bp = mg.backprop(net, mg.MSELoss(), rng.standard_normal((4, 2)), rng.standard_normal((4, 1)))
    M = rng.standard_normal((3, 3))
    found = precondition(bp, {"0": M})
    for k in range(3):
        row = np.append(bp.gradients["0"].weight[k], bp.gradients["0"].bias[k]) @ M
        np.testing.assert_allclose(np.append(found["0.weight"][k], found["0.bias"][k]), row)
    np.testing.assert_array_equal(found["2.weight"], bp.gradients["2"].weight)
    assert list(found) == list(bp.parameter_gradients())


def test_precondition_keeps_the_float_type():
    net = mg.mlp([2, 3, 1], "sigmoid", rng=0, dtype=np.float32)
    bp = mg.backprop(net, mg.MSELoss(), np.ones((4, 2)), np.ones((4, 1)))
    found = precondition(bp, twin_preconditioner(net))
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
