"""E, convolution: a layer with shared weights has a gradient that is a batch over positions.

Statement. Where one weight matrix is used at many positions p of a sample (convolution, recurrence,
attention), G = sum_p delta_p patch_p^T. So one sample behaves as a batch: A4 holds (with patches >= 0 and
deltas of one sign the rows are single-signed), A1 does not (the rank exceeds 1, rows mix).

Although neighbouring patches overlap, so that they are no free inputs, P1 stays an "if and only if" for a convolution
of stride 1 with at least two taps: for every delta_k of both signs there is a signal x > 0 whose row k is mixed.

Floats. Single-signed rows exactly (A4, P1).

Converse. One sample with two positions and a rank of 2 is found, with patches >= 0 and a row of both signs. With one
tap, where patches do not overlap, a delta of both signs leaves the row single-signed.
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st
from oracles import numeric_gradient
from positions import Conv1d
from strategies import seeds
from theory_strategies import whole

import minigrad as mg
from minigrad.diagnostics import single_signed_rows


@st.composite
def signals(draw, N=1):
    """(net of one Conv1d, x (N, T), y (N, P, K))."""
    rng = np.random.default_rng(draw(seeds))
    J, K = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    T = J + draw(st.integers(1, 4))
    net = mg.Sequential(Conv1d(J, K, rng))
    return net, rng.random((N, T)), rng.standard_normal((N, T - J + 1, K))


@given(signals(N=2))
def test_the_gradient_is_the_sum_over_positions(problem):
    """Against differences of the loss, and against the sum written out for one position after the other."""
    net, x, y = problem
    g = mg.backprop(net, mg.MSELoss(), x, y).gradients["0"]
    N, P, K = y.shape
    assert g.delta.shape == (N, P, K)
    numeric = numeric_gradient(lambda: mg.MSELoss()(net.forward(x)[0], y), net[0].weight)
    np.testing.assert_allclose(g.weight, numeric, atol=1e-8)
    J = g.weight.shape[1]
    delta = mg.MSELoss().delta(net.forward(x)[0], y)
    samples = [sum(np.outer(delta[n, p], x[n, p : p + J]) for p in range(P)) for n in range(N)]
    np.testing.assert_allclose(g.weight, sum(samples) / N, atol=1e-12)
    np.testing.assert_allclose(g.per_sample(), samples, atol=1e-12)


@given(signals())
def test_a4_holds_deltas_of_one_sign(problem):
    net, x, _ = problem
    out = net.forward(x)[0]
    g = mg.backprop(net, mg.MSELoss(), x, out + 1).gradients["0"]  # every delta is negative
    assert single_signed_rows(g).all()
    assert single_signed_rows(g, per_sample=True).all()


def test_converse_a1_does_not():
    def mixed(problem):
        net, x, y = problem
        g = mg.backprop(net, mg.MSELoss(), x, y).gradients["0"]
        return np.linalg.matrix_rank(g.weight, tol=1e-3) > 1 and not single_signed_rows(g).any()

    find(signals(), mixed, settings=settings(max_examples=500, phases=[Phase.generate], database=None))


# ---- P1 stays an "if and only if" although patches overlap ------------------------------------------------


def mixing_signal(delta, J):
    """x > 0 of length P + J - 1 for which sum_p delta_p x_p and sum_p delta_p x_(p+1) have opposite signs.

    Between two entries of opposite signs, s < t with zeros in between, x_(s+1) and x_t are made so large that they
    decide: x_t adds delta_t times it to the first sum, x_(s+1) adds delta_s times it to the second.
    """
    moved = np.flatnonzero(delta)
    s, t = next((s, t) for s, t in pairwise(moved) if delta[s] * delta[t] < 0)
    x = np.ones(len(delta) + J - 1)
    x[[s + 1, t]] = 1 + np.abs(delta).sum()
    return x


def mixing_image(delta):
    """x > 0 (H, W+1) with the same property for filters of one line and two taps, delta (H, W).

    Where no line has both signs: the first entry of a positive line, and what follows the last one of a negative line.
    """
    x, large = np.ones((len(delta), delta.shape[1] + 1)), 1 + np.abs(delta).sum()
    for line, row in enumerate(delta):
        if row.min() < 0 < row.max():
            x[line] = np.where(mixing_signal(row, 2) > 1, large, 1)
            return x
    plus, minus = delta.max(axis=1).argmax(), delta.min(axis=1).argmin()
    x[plus, np.flatnonzero(delta[plus])[0]] = x[minus, np.flatnonzero(delta[minus])[-1] + 1] = large
    return x


deltas = st.integers(2, 8).flatmap(lambda P: whole((P,), -5, 5))


@given(deltas, st.integers(2, 4))
def test_every_delta_of_both_signs_is_mixed_by_some_positive_signal(delta, J):
    """Whole numbers, so that the sums are exact."""
    assume(delta.min() < 0 < delta.max())
    net, x = mg.Sequential(Conv1d(J, 1, np.random.default_rng(0))), mixing_signal(delta, J)[None]
    assert (x > 0).all()
    g = mg.WeightGradient(delta[None, :, None], net[0].forward(x)[1])
    assert g.a.shape == (1, len(delta), J)
    assert not single_signed_rows(g, per_sample=True).any()
    first, second = g.weight[0, :2]
    assert first * second < 0


@given(whole((3, 2), -5, 5))
def test_the_same_for_images_and_filters_of_two_taps(delta):
    assume(delta.min() < 0 < delta.max())
    x = mixing_image(delta)
    assert (x > 0).all()
    patches = np.stack([x[:, :-1], x[:, 1:]], axis=-1)  # (H, W, 2)
    g = mg.WeightGradient(delta[None, ..., None], patches[None])
    assert not single_signed_rows(g, per_sample=True).any()
    assert g.weight.min() < 0 < g.weight.max()


@given(deltas)
def test_every_delta_of_one_sign_leaves_all_positive_signals_single_signed(delta):
    rng = np.random.default_rng(0)
    for J in (1, 2, 4):
        x = rng.random((1, len(delta) + J - 1))
        patches = mg.Sequential(Conv1d(J, 1, rng))[0].forward(x)[1]
        for one_sign in (np.abs(delta), -np.abs(delta)):
            assert single_signed_rows(mg.WeightGradient(one_sign[None, :, None], patches), per_sample=True).all()


@pytest.mark.parametrize("delta", [[1.0, -1, 3], [2.0, 0, -2]])
def test_converse_one_tap_has_one_sign_whatever_delta(delta):
    x = np.random.default_rng(0).random((1, 3))
    g = mg.WeightGradient(
        np.array(delta)[None, :, None], mg.Sequential(Conv1d(1, 1, np.random.default_rng(0)))[0].forward(x)[1]
    )
    assert single_signed_rows(g, per_sample=True).all()
