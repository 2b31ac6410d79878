"""C6: a bias next to inputs with a mean squares the conditioning problem.

Statement. With a bias the input is (a, 1) and H = [[S + mu mu^T, mu], [mu^T, 1]]. For iid units J - 1
eigenvalues are s^2, the other two are lambda_+- = (T +- sqrt(T^2 - 4 s^2)) / 2 with T = 1 + s^2 + J mu^2
(their product is s^2), and kappa_b = lambda_+^2 / s^2. Roughly kappa becomes (s kappa)^2: 577 -> 15,634 for
sigmoid, J = 100. The worst case is (kappa_b / 2) ln(1 / tolerance) = 54,000 steps to 1e-3; from a random
start 32,000 to 43,000, since little of it lies along the worst axis. With centred inputs, w.(a - mu) + b',
the bias decouples: kappa = max(s^2, 1) / min(s^2, 1).

Floats. Ordinary rounding.

Converse. Without a mean the bias squares nothing; a fixed bias (none trained) leaves kappa at 1 + J r^2.
"""

import math

import numpy as np
import pytest
from exact_inputs import descend, iid_cases, iid_inputs, steps_to
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from minigrad.diagnostics import condition_number, second_moment, spectrum
from minigrad.layers.activations import ACTIVATIONS


def lambda_plus(J, mean, spread):
    T = 1 + spread**2 + J * mean**2
    return (T + math.sqrt(T**2 - 4 * spread**2)) / 2


@given(iid_cases)
def test_condition_number_with_a_bias(case):
    J, mean, spread = case
    a, largest = iid_inputs(*case), lambda_plus(*case)
    expected = np.sort([largest, *[spread**2] * (J - 1), spread**2 / largest])[::-1]
    np.testing.assert_allclose(spectrum(a, bias=True), expected, rtol=1e-8)
    np.testing.assert_allclose(second_moment(a, bias=True)[-1], [mean] * J + [1], atol=1e-12)
    assert condition_number(a, bias=True) == pytest.approx(largest**2 / spread**2, rel=1e-8)


@given(iid_cases)
def test_centred_inputs_decouple_the_bias(case):
    J, _, spread = case
    centred = condition_number(iid_inputs(J, 0.0, spread), bias=True)
    assert centred == pytest.approx(max(spread**2, 1) / min(spread**2, 1), rel=1e-9)


@given(iid_cases)
def test_the_bias_never_helps_and_squares_when_the_mean_dominates(case):
    J, mean, spread = case
    a = iid_inputs(*case)
    plain, with_bias = condition_number(a), condition_number(a, bias=True)
    assert with_bias >= plain * (1 - 1e-9)
    assert with_bias >= (spread * plain) ** 2 * (1 - 1e-9)
    assert with_bias <= (spread * plain + 1 / spread) ** 2 * (1 + 1e-9)


@given(st.tuples(st.integers(1, 6), st.floats(0.3, 1), st.floats(0.5, 1)), seeds)
def test_gradient_descent_pays_it(case, seed):
    """Through the framework: the errors are those of the formula, and no worse than the worst case."""
    a = iid_inputs(*case)
    H = second_moment(a, bias=True)
    values, vectors = np.linalg.eigh(H)
    lr, start = 2 / (values[0] + values[-1]), np.random.default_rng(seed).standard_normal(case[0] + 1)
    errors = descend(a, lr, 60, start, bias=True)
    expected = (vectors.T @ start) * (1 - lr * values) ** np.arange(61)[:, None] @ vectors.T
    np.testing.assert_allclose(errors, expected, atol=1e-9)
    kappa = values[-1] / values[0]
    worst = np.linalg.norm(start) * ((kappa - 1) / (kappa + 1)) ** np.arange(61)
    assert (np.linalg.norm(errors, axis=1) <= worst * (1 + 1e-9)).all()


def test_figures():
    mean, spread = ACTIVATIONS["sigmoid"]().moments()
    kappa = condition_number(iid_inputs(100, mean, spread), bias=True)
    assert kappa == pytest.approx(15634, abs=1)
    assert kappa / 2 * math.log(1e3) == pytest.approx(54000, rel=1e-3)
    centred = condition_number(iid_inputs(100, 0.0, spread), bias=True)
    assert centred == pytest.approx(23, abs=0.5)


def test_small_figure_of_steps(rng):
    """Sigmoid, J = 12, to 1e-2: 162 steps without a bias, several times as many with it, few when centred."""
    mean, spread = ACTIVATIONS["sigmoid"]().moments()
    a, start = iid_inputs(12, mean, spread), rng.standard_normal(13)
    steps = []
    for inputs, bias in ((a, False), (a, True), (a - mean, True)):
        values = spectrum(inputs, bias)
        steps.append(steps_to(inputs, 2 / (values[0] + values[-1]), 1e-2, start[: 12 + bias], bias))
    assert steps[0] == 162
    assert steps[1] > 3 * steps[0]
    assert steps[2] < 60


def test_converse_without_a_mean_a_bias_costs_nothing():
    a = iid_inputs(7, 0.0, 1.0)
    assert condition_number(a, bias=True) == pytest.approx(1)
    assert condition_number(iid_inputs(7, 1.0, 1.0), bias=True) > 60
