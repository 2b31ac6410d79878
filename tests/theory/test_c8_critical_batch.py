"""C8, the critical batch: a mean takes away what larger batches are good for.

Statement (after Ma, Bassily, Belkin 2018). Up to about B* = tr H / lambda_1 samples a batch saves steps in
proportion; beyond it a step is as good as a full-batch one. 1 <= B* <= min(J, 1/c), c the coherence. For iid
units B* = J (1 + r^2) / (1 + J r^2), about 1 + 1/r^2 (1.17 for sigmoid, 3.1 for ReLU), against J for centred
ones (tanh). Steps at tuned lr, J = 64, B from 1 to 256: tanh 409 -> 5, ReLU 557 -> 60, sigmoid several
hundred, flat from B = 8.

Floats. Ordinary rounding.

Converse. 1 + 1/r^2 without a mean is infinite and B* is J; the benefit of batches is back.
"""

import numpy as np
import pytest
from exact_inputs import iid_cases, iid_inputs
from hypothesis import given
from hypothesis import strategies as st
from strategies import arrays

import minigrad as mg
from minigrad.diagnostics import coherence, critical_batch, second_moment
from minigrad.layers.activations import ACTIVATIONS


@given(iid_cases)
def test_formula_for_iid_units(case):
    J, mean, spread = case
    r2 = (mean / spread) ** 2
    assert critical_batch(iid_inputs(*case)) == pytest.approx(J * (1 + r2) / (1 + J * r2), rel=1e-9)


@given(st.data(), st.integers(1, 6), st.integers(1, 6))
def test_bounds_for_any_inputs(data, N, J):
    a = data.draw(arrays(np.float64, (N, J), st.floats(-1e3, 1e3)))
    found = critical_batch(a)
    assert 1 - 1e-12 <= found <= min(N, J) + 1e-9
    assert found * coherence(a) <= 1 + 1e-9


@given(st.data(), st.integers(1, 6), st.integers(1, 6))
def test_it_is_the_trace_over_the_largest_eigenvalue(data, N, J):
    a = data.draw(arrays(np.float64, (N, J), st.floats(-9, 9).map(round).map(float)))
    H = second_moment(a)
    largest = np.linalg.eigvalsh(H)[-1]
    if largest > 1e-9:
        assert critical_batch(a) == pytest.approx(np.trace(H) / largest, rel=1e-9)


@pytest.mark.parametrize(("kind", "limit"), [("sigmoid", 1.1735), ("relu", np.pi), ("tanh", np.inf)])
def test_figures(kind, limit):
    """B* of wide layers; of J units it is 1 / (1 / limit + (1 - 1 / limit) / J), and so J where there is no mean."""
    for J in (16, 255):
        found = critical_batch(iid_inputs(J, *ACTIVATIONS[kind]().moments()))
        assert found == pytest.approx(1 / (1 / limit + (1 - 1 / limit) / J), rel=1e-4)


def tuned_steps(kind, J, B, seed=0):
    """Steps of SGD on fresh batches until the loss is a thousandth of its beginning, at the best lr of a grid.

    By a Linear of one neuron whose right weights are 0; MSELoss is twice the loss of the theorem, so lr is halved.
    """
    f, (mean, spread) = ACTIVATIONS[kind](), ACTIVATIONS[kind]().moments()
    H, best = spread**2 * np.eye(J) + mean**2, 2000
    net = mg.Sequential(mg.Linear(J, 1, bias=False))
    e = net[0].weight
    for lr in 2 / (spread**2 + J * mean**2) * np.geomspace(1.1, 0.03, 9):
        rng, opt = np.random.default_rng(seed), mg.SGD(lr / 2)
        e[0] = rng.standard_normal(J)
        begin = e[0] @ H @ e[0]
        for step in range(1, best):
            opt.step(net, mg.backprop(net, mg.MSELoss(), f(rng.standard_normal((B, J))), np.zeros((B, 1))))
            loss = e[0] @ H @ e[0]
            if not loss < 1e6 * begin:
                break
            if loss < 1e-3 * begin:
                best = step
                break
    return best


@pytest.mark.slow
def test_a_mean_destroys_the_benefit_of_batches_and_centring_restores_it():
    J = 16
    saved = {kind: tuned_steps(kind, J, 1) / tuned_steps(kind, J, 64) for kind in ("tanh", "sigmoid")}
    assert saved["tanh"] > 10
    assert saved["sigmoid"] < 4
    assert tuned_steps("sigmoid", J, 8) < 1.6 * tuned_steps("sigmoid", J, 64), "flat after the critical batch"
    assert tuned_steps("tanh", J, 4) > 3 * tuned_steps("tanh", J, 64)
