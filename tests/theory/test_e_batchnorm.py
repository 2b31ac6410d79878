"""E, BatchNorm: normalising after a linear layer centres its delta and takes the mean of its inputs out of
the gradient.

Statement. With BatchNorm behind z = a W^T + b, sum_n delta^n = 0 for every neuron. Hence the bias's gradient
is 0, G = D^T A / B = D^T (A - mean A) / B, and (eps = 0) w_k . G_k = 0: a row with w_k > 0 has a gradient of
both signs, or zero. With eps > 0, w_k . G_k = gamma_k m_k eps / (var_k + eps), m_k the mean over the batch of
the loss's derivative by the normalised output times that output: small for var >> eps and of either sign.

Floats. Sums are 0 to rounding, relative to the terms that the backward pass subtracts.

Converse. Without BatchNorm, or in eval mode, whose statistics are constants, all four are found broken.
"""

import numpy as np
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st
from strategies import seeds

import minigrad as mg
from minigrad.diagnostics import single_signed_rows

SEARCH = settings(max_examples=200, phases=[Phase.generate], database=None)


@st.composite
def normalised_nets(draw, eps):
    """(net, loss, x, y): Linear, BatchNorm with any gamma and beta, an activation, Linear; positive weights
    and inputs.
    """
    rng = np.random.default_rng(draw(seeds))
    N, J, K = draw(st.integers(3, 8)), draw(st.integers(2, 5)), draw(st.integers(1, 4))
    f = mg.layers.activations.activation(draw(st.sampled_from(("sigmoid", "tanh", "gelu", "identity"))))
    norm = mg.BatchNorm(K, eps=draw(eps))
    norm.weight[...], norm.bias[...] = rng.uniform(-2, 2, K), rng.standard_normal(K)
    net = mg.Sequential(mg.Linear(J, K, rng=rng), norm, f, mg.Linear(K, 2, rng=rng))
    net[0].weight[...] = rng.uniform(0.1, 1, (K, J))
    x = rng.uniform(0.1, 1, (N, J))
    return net, mg.MSELoss(), x, rng.standard_normal((N, 2))


TINY = st.just(1e-30)


def scales(net, bp, x):
    """(K,): the size of what BatchNorm's backward pass subtracts from one another; rounding is relative to it."""
    z = net[0].forward(x)[0]
    return np.abs(net[1].weight) / np.sqrt(z.var(axis=0) + net[1].eps) * np.abs(bp.deltas[2]).sum(axis=0) + 1e-300


@given(normalised_nets(TINY))
def test_delta_is_centred_and_so_is_the_input(problem):
    net, loss, x, y = problem
    assume(net[0].forward(x)[0].std(axis=0).min() > 1e-3)
    bp = mg.backprop(net, loss, x, y)
    g, scale = bp.gradients["0"], scales(net, bp, x)
    assert (np.abs(g.delta.sum(axis=0)) <= 1e-11 * scale).all()
    assert (np.abs(g.bias) <= 1e-11 * scale).all()
    centred = g.delta.T @ (x - x.mean(axis=0)) / len(x)
    assert (np.abs(g.weight - centred) <= 1e-11 * scale[:, None]).all()


@given(normalised_nets(TINY))
def test_gradient_at_right_angles_to_the_weights(problem):
    """So with all weights positive no row is single-signed, except rows of zeros."""
    net, loss, x, y = problem
    assume(net[0].forward(x)[0].std(axis=0).min() > 1e-3)
    bp = mg.backprop(net, loss, x, y)
    g, noise = bp.gradients["0"], 1e-10 * scales(net, bp, x)
    assert (np.abs((net[0].weight * g.weight).sum(axis=1)) <= noise).all()
    strong = np.abs(g.weight).max(axis=1) > 1e3 * noise
    assert not single_signed_rows(g)[strong].any()


@given(normalised_nets(st.floats(1e-6, 10)))
def test_with_eps_the_product_has_a_closed_form(problem):
    net, loss, x, y = problem
    bp = mg.backprop(net, loss, x, y)
    g, norm = bp.gradients["0"], net[1]
    z = net[0].forward(x)[0]
    normal = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + norm.eps)
    m = (bp.deltas[2] * normal).mean(axis=0)
    expected = norm.weight * m * norm.eps / (z.var(axis=0) + norm.eps)
    size = scales(net, bp, x).max() * np.abs(z).max()
    np.testing.assert_allclose((net[0].weight * g.weight).sum(axis=1), expected, atol=1e-11 * size)


# ---- converse -------------------------------------------------------------------------------------------


def test_converse_without_batchnorm():
    def broken(problem):
        net, loss, x, y = problem
        g = mg.backprop(mg.Sequential(net[0], *net[2:]), loss, x, y).gradients["0"]
        product = (net[0].weight * g.weight).sum(axis=1)
        return np.abs(g.bias).max() > 1e-2 and np.abs(product).max() > 1e-2 and single_signed_rows(g).any()

    find(normalised_nets(TINY), broken, settings=SEARCH)


def test_converse_in_eval_mode():
    def broken(problem):
        net, loss, x, y = problem
        g = mg.backprop(net.eval(), loss, x, y).gradients["0"]
        return np.abs(g.bias).max() > 1e-2 and np.abs((net[0].weight * g.weight).sum(axis=1)).max() > 1e-2

    find(normalised_nets(TINY), broken, settings=SEARCH)
