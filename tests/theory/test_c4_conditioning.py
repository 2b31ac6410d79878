"""C4, conditioning: the mean of the inputs against their spread sets the speed of gradient descent.

Statement (LeCun, Kanter, Solla 1991). Half the squared error of one linear neuron has the Hessian H = E[a
a^T]. Let lambda_J be above 0, or the error in the range of H (no part of it where H is 0, for that part never
moves). Gradient descent converges for lr < 2 / lambda_1 and diverges above; in the worst case the error shrinks
by max_i |1 - lr lambda_i| a step, which is least, (kappa - 1) / (kappa + 1), at lr = 2 / (lambda_1 +
lambda_J): about (kappa / 2) ln(1 / tolerance) steps. For J >= 2 iid units of mean mu and spread s: lambda_1 =
s^2 + J mu^2, all others s^2, kappa = 1 + J r^2 with r = mu / s. With P samples the bulk fills s^2 (1 +-
sqrt(J / P))^2 (Marchenko, Pastur 1967). With momentum the limit is 2 (1 + momentum) / lambda_1, with Nesterov's
2 (1 + momentum) / ((1 + 2 momentum) lambda_1). Sigmoid of z ~ N(0, 1), J = 100: kappa 577, 1994 steps to 1e-3.

Floats. Ordinary rounding: figures to 1e-9, the number of steps exactly on the cases tried.

Converse. Above 2 / lambda_1 the loss is found growing, and the "best lr 1 / lambda_1" is found slower;
without a mean (tanh) kappa is 1 however large J is.
"""

import math

import numpy as np
import pytest
from exact_inputs import descend, iid_cases, iid_inputs, r_squared, steps_to
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

import minigrad as mg
from minigrad.diagnostics import condition_number, max_stable_lr, second_moment, spectrum
from minigrad.layers.activations import ACTIVATIONS


@given(iid_cases)
def test_spectrum_of_iid_units(case):
    J, mean, spread = case
    a = iid_inputs(J, mean, spread)
    np.testing.assert_allclose(second_moment(a), spread**2 * np.eye(J) + mean**2, atol=1e-12)
    expected = np.full(J, spread**2)
    expected[0] += J * mean**2
    np.testing.assert_allclose(spectrum(a), expected, rtol=1e-9)
    assert condition_number(a) == pytest.approx(1 + J * (mean / spread) ** 2, rel=1e-9)


@given(iid_cases, seeds, st.floats(0.05, 0.99))
def test_below_the_limit_every_step_helps(case, seed, share):
    a = iid_inputs(*case)
    start = np.random.default_rng(seed).standard_normal(case[0])
    errors = np.linalg.norm(descend(a, share * max_stable_lr(a), 30, start), axis=1)
    assert (np.diff(errors) <= 1e-12).all()


@given(iid_cases, st.floats(1.01, 1.5))
def test_converse_above_the_limit_the_error_grows(case, share):
    a = iid_inputs(*case)
    leading = np.linalg.eigh(second_moment(a))[1][:, -1]
    errors = np.linalg.norm(descend(a, share * max_stable_lr(a), 30, leading), axis=1)
    assert errors[-1] > 1.5
    assert (np.diff(errors) > 0).all()


@given(iid_cases, st.floats(0.01, 1.99))
def test_no_lr_beats_two_over_the_sum(case, share):
    values = spectrum(iid_inputs(*case))
    kappa, best = values[0] / values[-1], 2 / (values[0] + values[-1])
    worst = abs(1 - share / values[0] * values).max()
    assert abs(1 - best * values).max() == pytest.approx((kappa - 1) / (kappa + 1), abs=1e-12)
    assert worst >= (kappa - 1) / (kappa + 1) - 1e-12


@given(iid_cases)
def test_curvature_of_the_framework_s_loss(case):
    """MSELoss has the curvature 2/K in each output: GD converges below K / lambda_1, and not above."""
    J, mean, spread = case
    a, K = iid_inputs(J, mean, spread), 3
    leading = np.linalg.eigh(second_moment(a))[1][:, -1]
    sizes = []
    for share in (0.97, 1.03):
        net = mg.Sequential(mg.Linear(J, K, bias=False, init=lambda rng, K, J: np.tile(leading, (K, 1))))
        opt = mg.SGD(share * max_stable_lr(a, curvature=2 / K))
        for _ in range(40):
            opt.step(net, mg.backprop(net, mg.MSELoss(), a, np.zeros((len(a), K))))
        sizes.append(np.linalg.norm(net[0].weight))
    assert sizes[0] < 0.2 * math.sqrt(K)
    assert sizes[1] > 5 * math.sqrt(K)


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_the_limit_with_momentum_above_which_the_error_grows(momentum, nesterov):
    """One weight, C = w^2: the curvature is 2."""
    limit = 2 * (1 + momentum) / (1 + 2 * momentum if nesterov else 1) / 2
    one, sizes = np.ones((1, 1)), []
    for share in (0.98, 1.02):
        net = mg.Sequential(mg.Linear(1, 1, bias=False, init=lambda rng, K, J: np.ones((K, J))))
        opt = mg.SGD(share * limit, momentum=momentum, nesterov=nesterov and momentum > 0)
        for _ in range(1500):
            opt.step(net, mg.backprop(net, mg.MSELoss(), one, 0 * one))
        sizes.append(abs(net[0].weight[0, 0]))
    assert sizes[0] < 1e-3
    assert sizes[1] > 1e3


@pytest.mark.slow
def test_figure_1994_steps(rng):
    """Sigmoid, J = 100, through the framework; 1 / lambda_1, often called the best lr, takes twice that."""
    mean, spread = ACTIVATIONS["sigmoid"]().moments()
    a = iid_inputs(100, mean, spread)
    values = spectrum(a)
    assert values[0] / values[-1] == pytest.approx(577.3, abs=0.05)
    assert values[0] / values[-1] / 2 * math.log(1e3) == pytest.approx(1994, abs=0.5)
    start = rng.standard_normal(100)
    assert steps_to(a, 2 / (values[0] + values[-1]), 1e-3, start) == 1994
    assert 3975 <= steps_to(a, 1 / values[0], 1e-3, start) <= 3990


def test_figures_of_kappa():
    found = {kind: 1 + 100 * r_squared(kind) for kind in ACTIVATIONS}
    for kind, kappa in (("softplus", 240), ("relu", 47.7), ("gelu", 24.0), ("silu", 14.6), ("elu", 5.2)):
        assert found[kind] == pytest.approx(kappa, abs=0.5 if kappa > 100 else 0.06), kind


@given(st.integers(2, 6), seeds)
def test_converse_what_h_does_not_see_never_moves(J, seed):
    """A direction across all samples, lambda_J = 0: below 2 / lambda_1, and for ever as far off as at the start."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((J - 1, J))
    unseen = np.linalg.svd(a)[2][-1]
    start = rng.standard_normal(J)
    errors = descend(a, 0.9 * max_stable_lr(a), 200, start)
    assert errors[-1] @ unseen == pytest.approx(start @ unseen, abs=1e-10)
    assert condition_number(a) == math.inf


def test_figures_of_r_squared():
    found = {kind: r_squared(kind) for kind in ACTIVATIONS}
    expected = {
        "sigmoid": 5.763,
        "softplus": 2.393,
        "relu": 0.467,
        "gelu": 0.230,
        "silu": 0.136,
        "elu": 0.042,
    }
    for kind, value in expected.items():
        assert found[kind] == pytest.approx(value, abs=6e-4), kind
    assert max(found["selu"], found["tanh"], found["centered_sigmoid"]) < 1e-12
    assert found["relu"] == pytest.approx(1 / (math.pi - 1), rel=1e-6), "in closed form"


@pytest.mark.parametrize("P", [400, 1000, 10000])
def test_marchenko_pastur_bulk(P, rng):
    J = 100
    bulk = spectrum(mg.sigmoid(rng.standard_normal((P, J))))[1:] / ACTIVATIONS["sigmoid"]().moments()[1] ** 2
    assert bulk[-1] == pytest.approx((1 - math.sqrt(J / P)) ** 2, rel=0.15)
    assert bulk[0] == pytest.approx((1 + math.sqrt(J / P)) ** 2, rel=0.15)


@given(st.integers(1, 200), st.floats(0.1, 2))
def test_converse_without_a_mean_the_width_costs_nothing(J, spread):
    assert condition_number(iid_inputs(J, 0.0, spread)) == pytest.approx(1, rel=1e-9)
