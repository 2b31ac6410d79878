"""C11, diagonal methods: what a step size for each weight can, and cannot, make of a mean.

Statement. Gradient descent with fixed step sizes D_j^2 converges as plain descent does on D H D. (a) For H = s^2 I +
mu^2 1 1^T no diagonal D > 0 makes kappa(D H D) smaller than kappa = 1 + J r^2; with the mean along one axis the best
D makes it 1. (b) With a bias the best D scales the bias input to beta = sqrt(s^2 + J mu^2) and leaves
(sqrt kappa + sqrt(kappa - 1))^2 < 4 kappa. A unit diagonal is worse than no scaling there.

Floats. Ordinary rounding.

Converse. Without a fixed D: step sizes that change, and momentum, do better than any D. A mean along an axis.
"""

import math

import numpy as np
import pytest
from exact_inputs import iid_cases, iid_inputs
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

import minigrad as mg
from minigrad._checks import quiet
from minigrad.diagnostics import best_diagonal_condition, condition_number, curvature, second_moment
from minigrad.diagnostics.curvature import _lower_bound

_best_scaling = quiet(curvature._best_scaling)  # as its caller has it
widths = st.sampled_from((0.0, 0.01, 0.3, 2.0))  # of the random log D


def kappa(H):
    values = np.linalg.eigvalsh(H)
    return values[-1] / values[0]


def scaled(H, rng, width):
    d = np.exp(width * rng.standard_normal(len(H)))
    return H * np.outer(d, d)


def with_bias(case):
    """The smallest condition number that any D leaves, and the bias's scale that attains it."""
    J, mean, spread = case
    plain = 1 + J * (mean / spread) ** 2
    return (math.sqrt(plain) + math.sqrt(plain - 1)) ** 2, math.sqrt(spread**2 + J * mean**2)


@given(iid_cases, seeds, widths)
def test_no_diagonal_beats_a_mean_along_the_diagonal(case, seed, width):
    J, mean, spread = case
    H = second_moment(iid_inputs(*case))
    assert kappa(scaled(H, np.random.default_rng(seed), width)) >= (1 + J * (mean / spread) ** 2) * (1 - 1e-9)


@given(iid_cases)
def test_the_instrument_finds_so(case):
    J, mean, spread = case
    assert best_diagonal_condition(iid_inputs(*case)) == pytest.approx(1 + J * (mean / spread) ** 2, rel=1e-9)


@given(iid_cases)
def test_a_mean_along_one_axis_costs_nothing(case):
    """The same inputs rotated."""
    a = iid_inputs(*case)
    mean = a.mean(axis=0)
    if np.linalg.norm(mean) > 1e-6:
        v = mean / np.linalg.norm(mean) - np.eye(len(mean))[0]
        a = a - 2 * np.outer(a @ v, v) / (v @ v) if v @ v > 1e-12 else a
        assert condition_number(a) == pytest.approx(condition_number(iid_inputs(*case)), rel=1e-8)
    assert best_diagonal_condition(a) == pytest.approx(1, rel=1e-6)


@given(iid_cases, seeds, widths)
def test_with_a_bias_the_best_is_below_four_kappa(case, seed, width):
    J, mean, spread = case
    H, (best, beta) = second_moment(iid_inputs(*case), bias=True), with_bias(case)
    assert best <= 4 * (1 + J * (mean / spread) ** 2)
    d = np.append(np.ones(J), beta)
    assert kappa(H * np.outer(d, d)) == pytest.approx(best, rel=1e-6)
    assert kappa(scaled(H * np.outer(d, d), np.random.default_rng(seed), width)) >= best * (1 - 1e-9)
    assert best_diagonal_condition(iid_inputs(*case), bias=True) == pytest.approx(best, rel=1e-4)


def test_figures():
    mean, spread = mg.Sigmoid().moments()
    a = iid_inputs(100, mean, spread)
    best, beta = with_bias((100, mean, spread))
    assert best == pytest.approx(2307.2606, abs=5e-5)
    assert best_diagonal_condition(a, bias=True) == pytest.approx(best, rel=1e-7)
    assert beta == pytest.approx(5.0043, abs=5e-5)
    assert condition_number(a, bias=True) == pytest.approx(15634, abs=1)
    unit = np.column_stack([a, np.ones(len(a))])
    assert condition_number(unit / np.linalg.norm(unit, axis=0)) == pytest.approx(50440, abs=1)
    assert condition_number(a) == pytest.approx(577.3, abs=0.1)


# ---- the lower bound -------------------------------------------------------------------------------------


@given(st.integers(1, 6), seeds, widths)
def test_two_matrices_of_equal_diagonals_bound_every_scaling(J, seed, width):
    """tr(HY) / tr(HX) <= kappa(D H D), whatever D, for X, Y >= 0 with X_jj = Y_jj."""
    rng = np.random.default_rng(seed)
    H, X, Y = (root.T @ root for root in rng.standard_normal((3, J + 1, J)) + rng.standard_normal((3, 1, 1)))
    d = np.sqrt(np.diag(X) / np.diag(Y))
    bound = (H * (Y * np.outer(d, d))).sum() / (H * X).sum()
    assert kappa(scaled(H, rng, width)) >= bound * (1 - 1e-9)


@pytest.mark.parametrize("J", [2, 5, 30])
def test_certificates_in_closed_form(J):
    """(a) X = (I - P) J / (J - 1), Y = 1 1^T, P the projection on 1; (b) the ends of the scaled spectrum."""
    mean, spread = 0.5, 0.2
    H = second_moment(iid_inputs(J, mean, spread))
    X, Y = (np.eye(J) - 1 / J) * J / (J - 1), np.ones((J, J))
    np.testing.assert_allclose(np.diag(X), np.diag(Y))
    assert (H * Y).sum() / (H * X).sum() == pytest.approx(1 + J * (mean / spread) ** 2)
    best, beta = with_bias((J, mean, spread))
    d = np.append(np.ones(J), beta)
    H = second_moment(iid_inputs(J, mean, spread), bias=True) * np.outer(d, d)
    values, vectors = np.linalg.eigh(H)
    np.testing.assert_allclose(vectors[:, 0] ** 2, vectors[:, -1] ** 2, atol=1e-9)
    assert values[-1] / values[0] == pytest.approx(best)


@given(st.integers(1, 12), seeds, st.floats(0, 2), st.floats(0, 3), widths)
def test_what_the_search_finds_is_between_its_bound_and_every_other(J, seed, mean, spread, width):
    """Attained, within 0.1 % of the bound from below; and that is one."""
    rng = np.random.default_rng(seed)
    a = (rng.standard_normal((3 * J, J)) + mean) * np.exp(spread * rng.standard_normal(J))
    root = np.linalg.qr(a / np.linalg.norm(a, axis=0), mode="r")
    attained, bound = _best_scaling(root)
    assert bound * (1 - 1e-9) <= attained <= bound * 1.001
    assert best_diagonal_condition(a) <= attained
    assert kappa(scaled(root.T @ root, rng, width)) >= bound * (1 - 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sigmoid", "relu", "tanh"])
@pytest.mark.parametrize("bias", [False, True])
def test_a_hundred_inputs(kind, bias, rng):
    a = mg.layers.activations.activation(kind)(rng.standard_normal((300, 100)))
    wide = np.column_stack([a, np.ones(300)]) if bias else a
    attained, bound = _best_scaling(np.linalg.qr(wide / np.linalg.norm(wide, axis=0), mode="r"))
    assert attained <= bound * 1.001
    assert best_diagonal_condition(a, bias) <= attained


@given(st.integers(1, 8), seeds, st.floats(0.01, 0.99), st.floats(1.01, 1e3), widths)
def test_the_bound_holds_away_from_the_best_too(J, seed, low, high, width):
    """_lower_bound is one for any spectrum between 1 and t, and any axes."""
    rng = np.random.default_rng(seed)
    values = np.sort(1 + (high - 1) * rng.random(J))[::-1]
    axes = np.linalg.qr(rng.standard_normal((J, J)))[0]
    bound = _lower_bound(values, axes, values[0] * (1 + low))
    assert kappa(scaled((axes.T * values) @ axes, rng, width)) >= bound * (1 - 1e-9)


# ---- what it means for a run -----------------------------------------------------------------------------


@given(iid_cases, seeds)
def test_descent_with_a_step_for_each_weight_goes_at_the_rate_of_the_scaled_bowl(case, seed):
    """The spectral radius of 1 - lr D^2 H, lr at its best, is (kappa - 1) / (kappa + 1) of D H D."""
    rng = np.random.default_rng(seed)
    H, steps = second_moment(iid_inputs(*case)), np.exp(rng.standard_normal(case[0]))
    values = np.linalg.eigvalsh(H * np.sqrt(np.outer(steps, steps)))
    radius = abs(np.linalg.eigvals(np.eye(len(H)) - 2 / (values[0] + values[-1]) * steps[:, None] * H)).max()
    assert radius == pytest.approx((values[-1] - values[0]) / (values[-1] + values[0]), abs=1e-8)
    best = best_diagonal_condition(iid_inputs(*case))
    assert radius >= (best - 1) / (best + 1) - 1e-8


def heavy_ball_steps(H, error, momentum):
    """Steps to a thousandth: plain descent or heavy ball, each at its best rate (Polyak 1964), through SGD."""
    values = np.linalg.eigvalsh(H)
    low, high = np.sqrt(values[[0, -1]])
    best = mg.SGD(4 / (low + high) ** 2, ((high - low) / (high + low)) ** 2)
    opt = best if momentum else mg.SGD(2 / (values[0] + values[-1]))
    net = mg.Sequential(mg.Linear(len(H), 1, bias=False))
    net[0].weight[0] = error
    for step in range(1, 5000):
        opt.step(net, {"0.weight": net[0].weight @ H})
        if np.linalg.norm(net[0].weight) <= 1e-3 * np.linalg.norm(error):
            return step
    return math.inf


def test_figure_momentum_pays_the_root():
    """An error across the steep axis, and one with as much along it: there heavy ball first swings far out."""
    mean, spread = mg.Sigmoid().moments()
    H = second_moment(iid_inputs(100, mean, spread))
    axes = np.linalg.eigh(H)[1]
    for error, steps in ((axes[:, 0], 111), (axes[:, 0] + axes[:, -1], 147)):
        assert heavy_ball_steps(H, error, momentum=False) == 1994
        assert heavy_ball_steps(H, error, momentum=True) == steps


def test_converse_step_sizes_that_change_beat_every_fixed_one():
    """Two rates by turns (Chebyshev's), the same for all weights, no D at all: a smaller factor in two steps."""
    mean, spread = mg.Sigmoid().moments()
    H = second_moment(iid_inputs(30, mean, spread))
    low, high = np.linalg.eigvalsh(H)[[0, -1]]
    fixed = ((high - low) / (high + low)) ** 2
    middle, half = (high + low) / 2, (high - low) / 2
    two = [1 / (middle + half * math.cos(math.pi * k / 4)) for k in (1, 3)]
    factor = np.linalg.norm((np.eye(30) - two[0] * H) @ (np.eye(30) - two[1] * H), 2)
    assert best_diagonal_condition(iid_inputs(30, mean, spread)) == pytest.approx(high / low)
    assert 1 - factor > 1.9 * (1 - fixed)


def test_converse_adam_s_state_is_not_the_best_scaling():
    """Adam's steps at rest, 1 / sqrt(E g_j^2) with delta independent of a: worse than the best by far, next to a
    bias.
    """
    mean, spread = mg.Sigmoid().moments()
    a = iid_inputs(100, mean, spread)
    d = np.append(np.full(100, (spread**2 + mean**2) ** -0.25), 1.0)
    H = second_moment(a, bias=True)
    assert kappa(H * np.outer(d, d)) > 10 * best_diagonal_condition(a, bias=True)
