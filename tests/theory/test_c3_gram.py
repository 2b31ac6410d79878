"""C3, the Gram version: with a > 0 one step on one sample pushes every sample's output the same way.

Statement. A step of SGD on sample m moves the output z_nk of sample n, by the weights of the last layer, by
-lr delta_mk (a_m . a_n), and -lr delta_mk (a_m . a_n + 1) with a bias. a >= 0 makes all these a_m . a_n >= 0:
output k moves by the sign of -delta_mk on every sample, those included for which it should have moved the
other way. The mean cosine between two samples is about the coherence c = |E a|^2 / E|a|^2: .852 / .318 / .040
/ 0 for sigmoid / ReLU / ELU / tanh of z ~ N(0, 1).

Floats. Exactly, not to rounding: rounding is monotone, so a larger weight never gives a smaller sum in the
same order of summation, fused or not. No output ever moves the wrong way; one too far away to notice may
stay.

Converse. a of both signs: one step that moves two samples in opposite directions is found (tanh: every second
pair).
"""

import numpy as np
import pytest
from exact_inputs import r_squared
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from strategies import DTYPES, arrays, finite, seeds, sizes

import minigrad as mg
from minigrad.diagnostics import coherence, gram_signs
from minigrad.layers.activations import ACTIVATIONS


@st.composite
def layers_and_samples(draw, low):
    """(Linear(J, K), a (N, J)), entries of a from low to 1000."""
    dtype = draw(st.sampled_from(DTYPES))
    N, K, J = (draw(sizes) for _ in "NKJ")
    net = mg.Sequential(mg.Linear(J, K, bias=draw(st.booleans()), dtype=dtype, init="zeros"))
    for parameter in net.parameters().values():
        parameter[...] = draw(arrays(dtype, parameter.shape, finite(dtype, min_value=-8, max_value=8)))
    return net, draw(arrays(dtype, (N, J), finite(dtype, min_value=low, max_value=1000)))


def moves(net, a, lr, seed):
    """(how every output moved (N, K), delta (K,)): one SGD step on the first sample."""
    before = net(a)
    y = np.random.default_rng(seed).uniform(-10, 10, (1, before.shape[1]))
    bp = mg.backprop(net, mg.MSELoss(), a[:1], y)
    mg.SGD(lr).step(net, bp)
    return np.sign(net(a) - before), bp.gradients["0"].delta[0]


@given(layers_and_samples(low=0), st.floats(1e-6, 10), seeds)
def test_every_output_moves_the_same_way(problem, lr, seed):
    net, a = problem
    moved, delta = moves(net, a, lr, seed)
    assert (moved * np.sign(delta) <= 0).all()


def test_converse_mixed_signs_move_outputs_apart():
    def apart(problem):
        moved, _ = moves(*problem, 0.01, 0)
        return (moved.max(axis=0) > 0).any() and (moved.min(axis=0) < 0).any()

    quick = settings(max_examples=1000, phases=[Phase.generate], database=None)
    find(layers_and_samples(low=-1000), apart, settings=quick)


@given(seeds, st.booleans())
def test_the_size_of_the_move_is_the_gram_matrix(seed, bias):
    rng = np.random.default_rng(seed)
    net, a = mg.Sequential(mg.Linear(4, 3, bias=bias, rng=rng)), rng.standard_normal((5, 4))
    before, y = net(a), rng.standard_normal((1, 3))
    bp = mg.backprop(net, mg.MSELoss(), a[:1], y)
    mg.SGD(0.1).step(net, bp)
    gram = a @ a[0] + bias
    np.testing.assert_allclose(net(a) - before, -0.1 * np.outer(gram, bp.gradients["0"].delta[0]), atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "cosine", "positive"),
    [("sigmoid", 0.852, 1.0), ("relu", 0.318, 1.0), ("elu", 0.040, None), ("tanh", 0.0, 0.5)],
)
def test_figures(kind, cosine, positive, rng):
    a = ACTIVATIONS[kind]()(rng.standard_normal((400, 300)))
    found, c = gram_signs(a), r_squared(kind) / (1 + r_squared(kind))
    assert c == pytest.approx(cosine, abs=6e-4)
    assert found.mean_cosine == pytest.approx(cosine, abs=0.01)
    assert coherence(a) == pytest.approx(cosine, abs=0.01)
    if positive is not None:
        assert found.positive == pytest.approx(positive, abs=0.02)
