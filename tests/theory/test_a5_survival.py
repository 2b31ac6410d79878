"""A5, the survival law: how often a large batch leaves a row single-signed.

Statement. Let delta_n be iid with mean zero and a variance above 0 and finite, independent of the inputs a_n,
which have the second moment H. As the batch grows, P(row single-signed) -> 2 P(N(0, H) in the positive orthant).
For J units of equal mean mu and spread s, uncorrelated otherwise, r = |mu|/s:  E[Phi(rT)^J + Phi(-rT)^J], T ~ N(0,
1). That is 2/(J+1) exactly at r = 1, 2^(1-J) for centred units (r = 0), grows with r (Slepian 1962), and for large J
    (2/r) Gamma(1/r^2) (4 pi ln J)^((1/r^2 - 1)/2) J^(-1/r^2):
polynomial, and the same for every (large) batch size. Where E[delta a] is not 0 the row tends to it, and the
probability to 1 or 0: to 1 if E delta != 0, delta is independent of a, and all mean a_j > 0.

The slope of ln P against ln J is steeper than -1/r^2 for r > 1 and flatter for r < 1 (the power of ln J
changes sign).

Floats. The instrument's relative error is below 1e-10, checked against closed forms and against 30 digits.

Converse. Centred inputs: next to nothing survives. A delta that depends on a leaves the law: it can fall to 0.
The errors of a real net have a mean, so that its rows leave the law in large batches: whole epochs have other shares.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from theory_strategies import seeds, unit_pairs

import minigrad as mg
from minigrad.diagnostics import batch_survival, survival_limit, survival_probability

ratios = st.floats(0.01, 1000)
SIGMOID = mg.layers.activations.Sigmoid().moments()
R = SIGMOID[0] / SIGMOID[1]


def one_sign(rows):
    return ((rows >= 0).all(axis=-1) | (rows <= 0).all(axis=-1)).mean()


def survivors(f, J, B, draws, rng, mean=0.0):
    """The share of single-signed rows of fresh batches of B samples f(z), z ~ N(0, 1), with delta ~ N(mean,
    1)."""
    rows = []
    for _ in range(draws):
        a = f(rng.standard_normal((B, J), dtype=np.float32).astype(float))
        delta = rng.standard_normal((B, 1)) + mean
        rows.append(mg.WeightGradient(delta, a).weight[0])
    return one_sign(np.array(rows))


# ---- law: the formula -------------------------------------------------------------------------------------


@given(st.integers(1, 10**9))
def test_r_equal_to_one_is_two_over_j_plus_one(J):
    assert survival_probability(J, 1) == pytest.approx(2 / (J + 1), rel=1e-10)


@given(st.integers(1, 60), st.floats(0, 1e-12))
def test_centred_units_survive_like_coins(J, r):
    assert survival_probability(J, r) == pytest.approx(2.0 ** (1 - J), rel=1e-9)


@given(ratios)
def test_two_and_three_units_are_arcs_of_a_circle_and_of_a_sphere(r):
    """Sheppard 1899: an orthant of two or three equally correlated normals, rho = r^2 / (1 + r^2)."""
    arc = math.atan2(r * r, math.sqrt(1 + 2 * r * r))  # = asin(rho), accurate for rho near 1 too
    assert survival_probability(2, r) == pytest.approx(0.5 + arc / math.pi, rel=1e-10)
    assert survival_probability(3, r) == pytest.approx(0.25 + 1.5 * arc / math.pi, rel=1e-10)


@given(st.integers(1, 10**6), ratios, ratios)
def test_it_grows_with_r_and_falls_with_j(J, r, other):
    low, high = sorted((r, other))
    p = survival_probability(J, low)
    assert 0 <= p <= 1
    assert p <= survival_probability(J, high) * (1 + 1e-10)
    assert survival_probability(J + 1, low) <= p * (1 + 1e-10)
    assert p == survival_probability(J, -low)


@pytest.mark.slow
@pytest.mark.parametrize("J", [2, 30, 1000])
@pytest.mark.parametrize("r", [0.05, 0.68, 2.4, 40])
def test_against_thirty_digits(J, r):
    mp = pytest.importorskip("mpmath")
    with mp.workdps(30):
        points = [-30, *mp.linspace(-8, 40, 49), 60]
        expected = 2 * mp.quad(lambda t: mp.ncdf(r * t) ** J * mp.npdf(t), points)
        assert abs(survival_probability(J, r) / expected - 1) < 1e-10


@given(st.floats(0.6, 5), st.integers(12, 100))
def test_the_tail_is_a_power_of_j_with_this_constant(r, exponent):
    """The relative error falls like ln ln J / ln J: slowly, hence J = 10^12 ... 10^100."""
    q, J = 1 / r**2, 10**exponent
    ln_4_pi_ln_j = math.log(4 * math.pi * math.log(J))
    asymptotic = math.exp(math.log(2 / r) + math.lgamma(q) + (q - 1) / 2 * ln_4_pi_ln_j - q * math.log(J))
    slack = 1.5 * abs(q - 1) * ln_4_pi_ln_j / math.log(J) + 1e-9
    assert abs(survival_probability(J, r) / asymptotic - 1) < slack


@given(st.floats(0.3, 5))
def test_fitted_slopes_are_steeper_than_the_power_above_r_1_and_flatter_below(r):
    assume(abs(r - 1) > 0.1)
    slope = math.log10(survival_probability(1000, r) / survival_probability(100, r))
    assert (slope < -1 / r**2) == (r > 1)


# ---- law: what it says about batches ----------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "J"), [("sigmoid", 30), ("relu", 4), ("softplus", 10)])
def test_a_large_batch_survives_as_often_as_the_formula_says(kind, J):
    """2000 draws: standard error at most .011."""
    f = mg.layers.activations.activation(kind)
    mean, spread = f.moments()
    measured = survivors(f, J, 128, 2000, np.random.default_rng(0))
    assert abs(measured - survival_probability(J, mean / spread)) < 0.04


def test_the_figures_of_the_theorem():
    assert pytest.approx(R**2, abs=1e-3) == 5.763
    assert survival_probability(100, R) == pytest.approx(0.304, abs=5e-4)
    rng = np.random.default_rng(0)
    for B, expected in ((1, 1), (2, 0.61), (8, 0.36), (32, 0.32)):
        assert abs(survivors(mg.sigmoid, 100, B, 1500, rng) - expected) < 0.045


def test_the_instrument_for_activations_as_they_are_agrees_with_the_formula():
    a = mg.sigmoid(np.random.default_rng(0).standard_normal((4000, 20)))
    assert abs(survival_limit(a, draws=4000, rng=1) - survival_probability(20, R)) < 0.04


@given(unit_pairs())
def test_a_batch_of_one_is_single_signed_where_a_is(pair):
    delta, a = pair
    assume(delta.any(axis=1).all() and a.any(axis=1).all())  # a row of nothing but zeros is not counted
    g = mg.WeightGradient(delta, abs(a))
    assert batch_survival(g, 1, draws=3, rng=0) == 1.0


def test_the_instrument_for_a_gradient_measures_random_batches_of_it():
    rng = np.random.default_rng(0)
    g = mg.WeightGradient(rng.standard_normal((3000, 20)), mg.sigmoid(rng.standard_normal((3000, 20))))
    limit = survival_probability(20, R)
    assert abs(batch_survival(g, 64, draws=100, rng=1) - limit) < 0.06
    with pytest.raises(ValueError, match="3000 samples"):
        batch_survival(g, 3001)


def test_figures_in_closed_form():
    """J = 100: the limits of the other activations; and the slope of ln P that one would fit from 100 to 1000."""
    ratio = {kind: np.divide(*mg.layers.activations.activation(kind).moments()) for kind in ("softplus", "relu", "elu")}
    assert survival_probability(100, ratio["softplus"]) == pytest.approx(0.118, abs=5e-4)
    assert survival_probability(100, ratio["relu"]) == pytest.approx(0.0013, abs=5e-5)
    assert survival_probability(100, ratio["elu"]) == pytest.approx(3e-13, rel=0.2)
    assert survival_probability(100, 0) == pytest.approx(1.6e-30, rel=0.02)
    assert survival_probability(100, R) / 2 == pytest.approx(0.1519, abs=5e-5)
    slope = math.log10(survival_probability(1000, R) / survival_probability(100, R))
    assert (slope, -1 / R**2) == pytest.approx((-0.22, -0.17), abs=5e-3)


def test_an_error_with_a_mean_keeps_the_rows_single_signed():
    assert survivors(mg.sigmoid, 100, 1000, 60, np.random.default_rng(0), mean=0.5) == 1


# ---- converse ---------------------------------------------------------------------------------------------


def test_converse_centred_activations_survive_next_to_never():
    assert survivors(np.tanh, 30, 32, 500, np.random.default_rng(0)) == 0
    assert survival_probability(30, 0) < 1e-8


@given(seeds)
def test_converse_a_delta_that_depends_on_a_leaves_the_law(seed):
    """delta = a_0 - a_1 minus its mean: row 0 tends to the covariances, positive with a_0, negative with
    a_1."""
    rng = np.random.default_rng(seed)
    a = mg.sigmoid(rng.standard_normal((500, 10)))
    delta = a[:, :1] - a[:, 1:2]
    row = mg.WeightGradient(delta - delta.mean(), a).weight
    assert one_sign(row) == 0
    assert survival_probability(10, R) > 0.5


@pytest.mark.slow
def test_converse_real_errors_have_a_mean_and_leave_the_law():
    """Digits, 64-100-100-10: some delta_k of the output has a mean of eight standard errors and more."""
    x, y, *_ = mg.datasets.load("digits")
    for seed in range(3):
        net = mg.mlp([64, 100, 100, 10], rng=seed)
        g = mg.backprop(net, mg.CrossEntropyLoss(), x / 16, y).gradients["4"]
        errors = abs(g.bias) / g.delta.std(axis=0) * math.sqrt(len(x))
        far = errors > 8
        assert far.any()
        assert one_sign(g.weight[far]) == 1, "the row of the whole sample is a mean, and has its sign"
        mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(0.5), x / 16, y, epochs=30, rng=seed, progress=False)
        g = mg.backprop(net, mg.CrossEntropyLoss(), x / 16, y).gradients["4"]
        assert 0.45 < batch_survival(g, 64, rng=seed) < 0.7, "94 of 100 is for the start only"
