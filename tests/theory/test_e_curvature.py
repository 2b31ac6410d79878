"""E, curvature: embeddings, K-FAC and data in [0, 1], read off the second moment of the inputs.

Statement. Embedding: one-hot inputs have H = diag(p), p the frequencies of the tokens, and so the condition
number p_max / p_min: the rarest token sets it, no sign does. K-FAC's block A x G (Kronecker) has kappa(A)
kappa(G). Its natural gradient uses A^-1 a; for A = s^2 I + mu^2 1 1^T, A^-1 a = (a - g mean(a)) / s^2 with g
= J r^2 / (1 + J r^2): centred but for a factor g near 1. Pixels in [0, 1] do to the first layer of any net
what sigmoids do to the layers above them.

Imprecise in its usual form: "A^-1 a is mixed-sign" holds iff min a < g mean(a), so it needs a mean that
dominates. For one-hot inputs A^-1 a = a / p is >= 0.

Floats. Ordinary rounding.

Converse. A one-hot input, and a > 0 with a small mean (J = 2, r = 0.1), are found to keep one sign under
A^-1.
"""

import numpy as np
import pytest
from exact_inputs import iid_cases, iid_inputs
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

import minigrad as mg
from minigrad.diagnostics import coherence, condition_number, gram_signs, second_moment, single_signed_rows


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_embedding(counts):
    a = np.repeat(np.eye(len(counts)), counts, axis=0)
    np.testing.assert_allclose(second_moment(a), np.diag(counts) / sum(counts), atol=1e-15)
    assert condition_number(a) == pytest.approx(max(counts) / min(counts), rel=1e-9)


@given(seeds, st.integers(1, 4), st.integers(1, 4))
def test_kronecker_block_multiplies_condition_numbers(seed, J, K):
    """The mean of (a a^T) x (delta delta^T) for independent a and delta is A x G; its kappa, from the block
    itself.
    """
    rng = np.random.default_rng(seed)
    a, delta = rng.standard_normal((12, J)), rng.standard_normal((12, K))
    block = np.kron(second_moment(a), second_moment(delta))
    values = np.linalg.eigvalsh(block)
    product = condition_number(a) * condition_number(delta)
    assert values[-1] / values[0] == pytest.approx(product, rel=1e-6)
    pairs = np.einsum("mj,nk->mnjk", a, delta).reshape(-1, J * K)  # every a with every delta
    assert condition_number(pairs) == pytest.approx(product, rel=1e-6)


@given(iid_cases, seeds)
def test_the_natural_gradient_all_but_centres(case, seed):
    J, mean, spread = case
    A = second_moment(iid_inputs(*case))
    a = mean + spread * np.random.default_rng(seed).standard_normal(J)
    r2 = (mean / spread) ** 2
    g = J * r2 / (1 + J * r2)
    natural = np.linalg.solve(A, a)
    np.testing.assert_allclose(natural, (a - g * a.mean()) / spread**2, atol=1e-8)
    if (a > 0).all() and abs(a.min() - g * a.mean()) > 1e-6:
        mixed = natural.min() < 0 < natural.max()
        assert mixed == (a.min() < g * a.mean())


def test_converse_inverse_curvature_can_keep_one_sign():
    counts = [4, 1, 2]
    one_hot = np.repeat(np.eye(3), counts, axis=0)
    assert (np.linalg.solve(second_moment(one_hot), one_hot.T) >= -1e-12).all()
    A = second_moment(iid_inputs(2, 0.1, 1.0))
    assert (np.linalg.solve(A, np.array([0.05, 0.15])) > 0).all()
    assert np.linalg.solve(second_moment(iid_inputs(2, 3.0, 1.0)), np.array([0.05, 0.15])).min() < 0


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_pixels_burden_the_first_layer_of_every_net(activation):
    x, y, *_ = mg.datasets.load("digits")
    x = x[:400] / 16
    net = mg.mlp([64, 20, 10], activation, rng=0)
    first = mg.backprop(net, mg.CrossEntropyLoss(), x, y[:400]).gradients["0"]
    assert single_signed_rows(first, per_sample=True).all()
    assert coherence(first.a) > 0.6
    assert gram_signs(first.a).positive == 1
    centred = x - x.mean(axis=0)
    first = mg.backprop(net, mg.CrossEntropyLoss(), centred, y[:400]).gradients["0"]
    assert not single_signed_rows(first, per_sample=True)[first.delta != 0].any()
    assert coherence(first.a) < 1e-20
    used = x.std(axis=0) > 0.05
    assert condition_number(x[:, used]) > 3 * condition_number(centred[:, used])
