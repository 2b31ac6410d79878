"""Rules on the structure: each on a net that has it, and silent on one close to it."""

import numpy as np
import pytest
from rule_cases import VALUE, Case, X, check_found, check_silent, classifier, linear, regressor, relu, sequential

import minigrad as mg


def two_in_a_row(between):
    return classifier(net=sequential(linear(4, 16), *between, linear(16, 3, 1)))


def without_bias(shift):
    return regressor(y=VALUE + shift, net=sequential(linear(4, 1, bias=False)), opt=mg.SGD(0.1))


def mean_error_after_training(p):
    """Of the best weights without a bias, which the trial comes close to."""
    error = p.x @ np.linalg.lstsq(p.x, p.y, rcond=None)[0] - p.y
    return abs(error.mean()) / np.sqrt(np.square(error).mean())


def waist(width):
    return classifier(net=relu(4, 16, width, 16, 3))


def dropping(p):
    return classifier(net=sequential(linear(4, 32, 0, "he_normal"), mg.ReLU(), mg.Dropout(p, rng=0), linear(32, 3, 1)))


def normalised(momentum):
    net = sequential(linear(4, 16), mg.BatchNorm(16, momentum=momentum), mg.ReLU(), linear(16, 3, 1))
    return classifier(10 + 5 * X, net=net)


CASES = {
    "no_activation": Case(lambda: two_in_a_row([]), lambda: two_in_a_row([mg.Tanh()]), lambda p: 1),
    "no_bias": Case(lambda: without_bias(3), lambda: without_bias(0), mean_error_after_training, rtol=0.01),
    "bottleneck": Case(lambda: waist(1), lambda: waist(8), lambda p: 1),
    "dropout": Case(lambda: dropping(0.95), lambda: dropping(0.2), lambda p: 0.95),
    "batchnorm_statistics": Case(lambda: normalised(0.001), lambda: normalised(0.1)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_net_that_has_it(name):
    check_found(name, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_a_net_close_to_it(name):
    check_silent(name, CASES[name])


def test_a_batch_of_one_is_found_before_it_is_refused():
    problem = normalised(0.1)
    problem.options = {"batch_size": 299}
    (found,) = problem.diagnosed().findings
    assert found.name == "batchnorm_statistics"
    assert 300 % found.apply().batch_size != 1
    problem.x, problem.y = problem.x[:1], problem.y[:1]
    (found,) = problem.diagnosed().findings
    assert found.apply is None  # no size of the batches makes two samples of one
