"""E, the update: which optimisers keep the sign rule, and for how long.

Statement. On single samples with a > 0 row k of the gradient has the sign of delta_k. An update made by a
positive factor per entry (SGD, RMSprop; signSGD and clipping likewise) keeps that rule for ever. Momentum
does so until delta_k turns: (1, .1) followed by -(.1, 1) makes an update of both signs. Adam moves every
entry by lr against sgn(delta_k) at first, for gradients well above eps, and both ways at the second step of
that example. With weight decay the rule ends where w has both signs.

Floats. Exactly: no two entries of opposite sign, whatever underflows. Adam's first step to eps / |g| and
rounding.

Converse. The counterexamples above are run; and with a of both signs SGD's updates are mixed.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, arrays, finite, sizes

import minigrad as mg
from minigrad.diagnostics import single_signed_rows

EXAMPLE = np.array([[[1.0, 0.1]], [[-0.1, -1.0]]])  # two gradients of one neuron with two weights, from a > 0


def updates(optimizer, gradients, start=0.0):
    """What each step of a run of gradients (T, K, J) adds to the weights."""
    T, K, J = gradients.shape
    net = mg.Sequential(mg.Linear(J, K, bias=False, dtype=gradients.dtype, init="zeros"))
    net[0].weight[...] = start
    found = []
    for gradient in gradients:
        before = net[0].weight.copy()
        optimizer.step(net, {"0.weight": gradient})
        found.append(net[0].weight - before)
    return found


@st.composite
def single_samples(draw, T=5):
    """(T, K, J): gradients delta a^T of T samples with a > 0 and delta of any sign."""
    dtype = draw(st.sampled_from(DTYPES))
    K, J = draw(sizes), draw(sizes)
    delta = draw(arrays(dtype, (T, K, 1), finite(dtype, min_value=-1e6, max_value=1e6)))
    a = draw(arrays(dtype, (T, 1, J), finite(dtype, min_value=0, max_value=1e6)))
    with np.errstate(under="ignore"):
        return delta * a


@pytest.mark.parametrize("make", [lambda: mg.SGD(0.1), lambda: mg.RMSprop(0.01)], ids=["sgd", "rmsprop"])
@given(gradients=single_samples())
def test_positive_scaling_keeps_the_rule_for_ever(make, gradients):
    for update, gradient in zip(updates(make(), gradients), gradients, strict=True):
        assert single_signed_rows(update).all()
        assert (np.sign(update) * np.sign(gradient) <= 0).all()


@given(single_samples())
def test_momentum_keeps_it_while_delta_keeps_its_sign(gradients):
    for optimizer in (mg.SGD(0.1, momentum=0.9), mg.SGD(0.1, momentum=0.9, nesterov=True), mg.Adam(0.01)):
        for update in updates(optimizer, np.abs(gradients)):
            assert single_signed_rows(update).all()


@pytest.mark.parametrize("nesterov", [False, True])
def test_converse_momentum_mixes_when_delta_turns(nesterov):
    first, second = updates(mg.SGD(1.0, momentum=0.9, nesterov=nesterov), EXAMPLE)
    assert single_signed_rows(first).all()
    assert not single_signed_rows(second).any()
    if not nesterov:
        np.testing.assert_allclose(second, [[-0.8, 0.91]])


def test_converse_adam_mixes_at_its_second_step():
    first, second = updates(mg.Adam(0.01), EXAMPLE)
    np.testing.assert_allclose(first, [[-0.01, -0.01]], rtol=1e-6)
    assert not single_signed_rows(second).any()


@given(single_samples(T=1), st.floats(1e-3, 1))
def test_adam_s_first_step_is_the_sign(gradients, lr):
    """-lr g / (|g| + eps): entries well above eps = 1e-8 all move by lr, whatever their size."""
    (update,) = updates(mg.Adam(lr), gradients)
    strong = np.abs(gradients[0]) > 1e-2
    np.testing.assert_allclose(update[strong], -lr * np.sign(gradients[0][strong]), rtol=2e-5)
    assert (np.abs(update) <= lr * (1 + 1e-5)).all()


def test_converse_weight_decay_breaks_it():
    gradient, start = np.array([[[0.1, 0.1]]]), np.array([[3.0, -3.0]])
    for make in (mg.SGD, mg.RMSprop, mg.Adam, mg.AdamW):
        assert single_signed_rows(updates(make(0.01, weight_decay=0.0), gradient, start)[0]).all()
        assert not single_signed_rows(updates(make(0.01, weight_decay=0.5), gradient, start)[0]).any()


def test_converse_inputs_of_both_signs():
    assert not single_signed_rows(updates(mg.SGD(0.1), np.array([[[0.2, -0.3]]]))[0]).any()
