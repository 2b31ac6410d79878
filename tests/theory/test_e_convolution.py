"""E, convolution: a layer with shared weights has a gradient that is a batch over positions.

Statement. Where one weight matrix is used at many positions p of a sample (convolution, recurrence,
attention), G = sum_p delta_p patch_p^T. So one sample behaves as a batch: A4 holds (with patches >= 0 and
deltas of one sign the rows are single-signed), A1 does not (the rank exceeds 1, rows mix). And |G|^2 =
sum_{p,q} (delta_p . delta_q) (a_p . a_q), which needs no G.

Floats. The norm to rounding; single-signed rows exactly (A4).

Converse. One sample with two positions and a rank of 2 is found, with patches >= 0 and a row of both signs.
"""

import numpy as np
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from oracles import numeric_gradient
from strategies import seeds

import minigrad as mg
from minigrad.diagnostics import single_signed_rows


class Conv1d(mg.Layer):
    """K filters of J taps over a signal (N, T): out (N, P K), P = T - J + 1, written as a Linear over the
    patches.
    """

    parameter_names = ("weight",)

    def __init__(self, J, K, rng):
        self.weight = rng.standard_normal((K, J))

    def forward(self, x):
        patches = np.lib.stride_tricks.sliding_window_view(x, self.weight.shape[1], axis=1)  # (N, P, J)
        return (patches @ self.weight.T).reshape(len(x), -1), patches

    def backward(self, delta, patches):
        """Rows of the pair are the positions of all samples; N P rows and a mean over N make the factor P."""
        N, P, J = patches.shape
        rows = delta.reshape(N * P, -1)
        return None, {"weight": mg.WeightGradient(rows * P, np.ascontiguousarray(patches).reshape(N * P, J))}


@st.composite
def signals(draw, N=1):
    """(net of one Conv1d, x (N, T), y)."""
    rng = np.random.default_rng(draw(seeds))
    J, K = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    T = J + draw(st.integers(1, 4))
    net = mg.Sequential(Conv1d(J, K, rng))
    return net, rng.random((N, T)), rng.standard_normal((N, (T - J + 1) * K))


@given(signals(N=2))
def test_the_gradient_is_the_sum_over_positions(problem):
    """Against differences of the loss, and against the sum written out for one position after the other."""
    net, x, y = problem
    g = mg.backprop(net, mg.MSELoss(), x, y).gradients["0"].weight
    numeric = numeric_gradient(lambda: mg.MSELoss()(net.forward(x)[0], y), net[0].weight)
    np.testing.assert_allclose(g, numeric, atol=1e-8)
    K, J = g.shape
    delta = mg.MSELoss().delta(net.forward(x)[0], y).reshape(len(x), -1, K)
    total = sum(np.outer(delta[n, p], x[n, p : p + J]) for n in range(len(x)) for p in range(delta.shape[1]))
    np.testing.assert_allclose(g, total / len(x), atol=1e-12)


@given(signals())
def test_the_norm_from_the_two_gram_matrices(problem):
    net, x, y = problem
    g = mg.backprop(net, mg.MSELoss(), x, y).gradients["0"]
    delta, patches = g.delta / len(g.delta), g.a
    squared = ((delta @ delta.T) * (patches @ patches.T)).sum()
    np.testing.assert_allclose(squared, np.square(g.weight).sum(), rtol=1e-9, atol=1e-14)


@given(signals())
def test_a4_holds_deltas_of_one_sign(problem):
    net, x, _ = problem
    out = net.forward(x)[0]
    g = mg.backprop(net, mg.MSELoss(), x, out + 1).gradients["0"]  # every delta is negative
    assert single_signed_rows(g).all()


def test_converse_a1_does_not():
    def mixed(problem):
        net, x, y = problem
        g = mg.backprop(net, mg.MSELoss(), x, y).gradients["0"]
        return np.linalg.matrix_rank(g.weight, tol=1e-3) > 1 and not single_signed_rows(g).any()

    find(signals(), mixed, settings=settings(max_examples=500, phases=[Phase.generate], database=None))
