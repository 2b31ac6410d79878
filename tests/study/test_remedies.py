"""The price list's own arithmetic: what counts as arrived, and how the learning rate is chosen."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.diagnostics import critical_gain
from minigrad.studies import Config, depth, remedies


def test_epochs_of_a_curve():
    assert remedies.epochs_of([2.0, 0.5, remedies.TARGET]) == 3
    assert remedies.epochs_of([2.0, 0.5]) == math.inf
    assert remedies.epochs_of([]) == math.inf


def test_the_rate_is_the_one_with_the_best_median():
    good, slow, never = [2.0, 0.1], [2.0] * 8 + [0.1], [2.0]
    runs = [{0.1: good, 0.3: slow}, {0.1: never, 0.3: slow}, {0.3: slow}]  # a rate may not have been tried
    lr, curves = remedies.tuned(runs)
    assert lr == 0.3
    assert curves == [slow] * 3
    assert remedies.tuned(runs[:1])[0] == 0.1


def test_the_nets_differ_in_what_they_say_and_in_nothing_else():
    x, y = np.ones((2, 64)), np.array([9, 0])
    plain = remedies.build(remedies.PLAIN, x, y, 0).state_dict()
    for remedy, (_, init, added, _) in remedies.REMEDIES.items():
        net = remedies.build(remedy, x, y, 0)
        assert net(x).shape == (2, 10)
        weights = [array for name, array in net.state_dict().items() if array.ndim == 2]
        assert len(weights) == remedies.DEPTH + 1
        if init == "glorot_uniform":
            for array, plain_array in zip(weights, [w for w in plain.values() if w.ndim == 2], strict=True):
                np.testing.assert_array_equal(array, plain_array)
        assert sum(isinstance(layer, mg.BatchNorm) for layer in net) == (remedies.DEPTH if added == "batchnorm" else 0)


def test_a_start_like_tanh_s_computes_what_the_tanh_net_computes():
    x = np.random.default_rng(0).standard_normal((20, 64))
    y = np.array([9] * 20)
    outputs = [remedies.build(name, x, y, 3)(x) for name in (remedies.START, remedies.BOTH, "tanh")]
    np.testing.assert_allclose(outputs[0], outputs[2], atol=1e-12)
    np.testing.assert_allclose(outputs[1], outputs[2], atol=1e-12)


@pytest.mark.parametrize("name", depth.SIMPLE)
def test_the_two_factors_make_the_whole_loss_of_delta(name):
    found = depth.delta_norms((Config(quick=True), (name, 6), 5))
    whole = (found["slope"] + found["weight"])[:-1]
    np.testing.assert_allclose(whole, found["decades"], atol=1e-9)


def test_the_critical_gain_is_the_one_that_is_computed():
    assert round(critical_gain("sigmoid"), 3) == depth.CRITICAL
