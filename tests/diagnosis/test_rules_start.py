"""Rules on the start: each on a net that has it, and silent on one close to it."""

import numpy as np
import pytest
from rule_cases import CE, Case, check_found, check_silent, classifier, regressor, relu

import minigrad as mg


def changed(net, change):
    """The net, after change was called on it."""
    change(net)
    return net


def with_nan(net):
    net[0].weight[2, 1] = np.nan
    net[2].bias[0] = np.inf


def equal_units(net):
    net[0].weight[...] = net[0].weight[0]


def low_biases(net):
    net[0].bias -= 50


def some_low_biases(net):
    net[0].bias[:8] -= 50


def tanh(*sizes, factor=1.0):
    net = mg.mlp(sizes, "tanh", "glorot_normal", rng=0)
    for layer in net:
        for array in layer.parameters().values():
            array *= factor
    return net


def sigmoids(init, depth=5):
    return mg.mlp([4, *[20] * depth, 3], "sigmoid", init, rng=0)


def loud(factor):
    return changed(relu(4, 16, 3), lambda net: net[2].weight.__imul__(factor))


def flat_share(p):
    """The largest share of a tanh layer's entries at which its slope is below .02."""
    outputs = mg.backprop(p.net, p.loss, p.x, p.y).activations[2:-1:2]
    return max(np.mean(1 - a**2 < 0.02) for a in outputs)


def decades(p):
    deltas = [pair.delta for pair in mg.backprop(p.net, p.loss, p.x, p.y).gradients.values()]
    norms = [np.sqrt(np.square(delta).sum(axis=1)).mean() for delta in deltas]
    return np.log10(norms[0] / norms[-1])


def decades_forward(p):
    sizes = [np.sqrt(np.mean(a**2)) for a in mg.backprop(p.net, p.loss, p.x, p.y).activations]
    return max(decades(p), np.log10(max(sizes[1:]) / sizes[0]))


def spread_of_the_blindest(p):
    """The median unit's spread over how far a sigmoid goes from z = -4 to 4."""
    reach = np.ptp(mg.sigmoid(np.array([-4.0, 4.0])))
    return min(np.median(a.std(axis=0)) for a in mg.backprop(p.net, p.loss, p.x, p.y).activations[2:-1:2]) / reach


def over_the_entropy(p):
    shares = np.bincount(p.y) / len(p.y)
    return CE(p.net(p.x), p.y) / -(shares * np.log(shares)).sum()


CASES = {
    "nan_weights": Case(
        lambda: classifier(net=changed(relu(4, 16, 3), with_nan)), classifier, lambda p: 2
    ),
    "symmetry": Case(
        lambda: classifier(net=changed(relu(4, 16, 3), equal_units)), classifier, lambda p: 1
    ),
    "dead_units": Case(
        lambda: classifier(net=changed(relu(4, 16, 3), low_biases)),
        lambda: classifier(net=changed(relu(4, 16, 3), some_low_biases)),
        lambda p: np.mean((p.x @ p.net[0].weight.T + p.net[0].bias <= 0).all(axis=0)),
    ),
    "saturation": Case(
        lambda: regressor(net=tanh(4, 16, 16, 1, factor=40)), lambda: regressor(net=tanh(4, 16, 16, 1)), flat_share
    ),
    "vanishing": Case(
        lambda: classifier(net=sigmoids("glorot_normal"), opt=mg.SGD(0.1)),
        lambda: classifier(net=sigmoids("tanh_equivalent"), opt=mg.SGD(0.1)),
        decades, rtol=0.05,
    ),
    "exploding": Case(
        lambda: classifier(net=changed(relu(4, 16, 16, 16, 3), lambda net: [i.weight.__imul__(12) for i in net[::2]])),
        lambda: classifier(net=relu(4, 16, 16, 16, 3)),
        decades_forward, rtol=0.05,
    ),
    "blind_units": Case(
        lambda: classifier(net=mg.mlp([4, 10, 10, 3], "sigmoid", mg.initializers.normal(0.01), rng=0)),
        lambda: classifier(net=mg.mlp([4, 10, 10, 3], "sigmoid", "tanh_equivalent", rng=0)),
        spread_of_the_blindest,
    ),
    "loud_start": Case(lambda: classifier(net=loud(30)), lambda: classifier(net=loud(1)), over_the_entropy),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_net_that_has_it(name):
    check_found(name, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_a_net_close_to_it(name):
    check_silent(name, CASES[name])
