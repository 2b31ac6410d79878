"""C, the crucial experiments: which of "all activations positive", "a mean" and "a poor start" is it that
costs?

(i) Hidden units a = tanh(z) + c, biases changed so that the net starts as the same function whatever c is.
From c = 1 on all activations are positive and every row of a single sample's gradient is single-signed;
below, none. If the signs were to blame, the price would appear at c = 1. It rises smoothly instead, with c^2.
And offsets +-c of random sign, which leave no row single-signed, cost the same: they ARE the same net up to a
gauge (C1), and with the signs of the start turned as well the losses agree in every bit.

(ii) Sigmoids that start as a tanh net does (C9) against sigmoids with a Glorot start, centred ones and tanh,
each at its best lr: the start and the mean cost a factor each, the signs nothing.

Smaller than the tables in docs/theory.md, which take minutes: three layers, 16 units, digits.
"""

import functools

import numpy as np
import pytest

import minigrad as mg
from minigrad.diagnostics import single_signed_rows


class OffsetTanh(mg.Tanh):
    """a = tanh(z) + c, c one number per unit."""

    def __init__(self, c):
        self.c = np.asarray(c, float)

    def forward(self, z):
        a, kept = super().forward(z)
        return a + self.c, kept


@functools.cache
def digits():
    x, y, *_ = mg.datasets.load("digits")
    x = x[:100] / 16
    return 3 * (x - x.mean(axis=0)), y[:100]


SIZES = [64, 16, 16, 10]


def offset_net(c, seed):
    """tanh + c with the function of a plain tanh net at the start: b = -W c. c (16,)."""
    net = mg.mlp(SIZES, "tanh", rng=seed)
    for i in (2, 4):
        net[i].bias -= net[i].weight @ c
    return mg.Sequential(net[0], OffsetTanh(c), net[2], OffsetTanh(c), net[4])


def steps(net, lr, most, target=0.1):
    """Full-batch steps to the target loss; `most` where it takes longer or diverges."""
    (x, y), opt = digits(), mg.SGD(lr)
    for step in range(most):
        bp = mg.backprop(net, mg.CrossEntropyLoss(), x, y)
        if not bp.loss < 30:
            return most
        if bp.loss < target:
            return step
        opt.step(net, bp)
    return most


def tuned(make, seeds=(0,)):
    """The best of a grid of lr."""
    best = 600
    for lr in np.geomspace(0.1, 12, 9)[::-1]:
        best = min(best, np.mean([steps(make(seed), lr, int(best * 1.5) + 2) for seed in seeds]))
    return best


def share_of_single_signed_rows(net):
    """Over single samples, in the layers above the first."""
    x, y = digits()
    bp = mg.backprop(net, mg.CrossEntropyLoss(), x[:20], y[:20])
    return np.mean([single_signed_rows(bp.gradients[path], per_sample=True).mean() for path in ("2", "4")])


def test_all_offsets_start_as_the_same_function():
    x, _ = digits()
    plain = mg.mlp(SIZES, "tanh", rng=0)(x)
    for c in (0.5, 1.0, -2.0):
        np.testing.assert_allclose(offset_net(np.full(16, c), 0)(x), plain, atol=1e-12)


@pytest.mark.slow
def test_the_sign_rule_has_a_threshold_and_the_price_has_none():
    offsets = (0.0, 0.5, 0.95, 1.05, 1.5)
    rows = [share_of_single_signed_rows(offset_net(np.full(16, c), 0)) for c in offsets]
    assert rows[0] < 0.01
    assert rows[2] < 0.95
    assert rows[3] == rows[4] == 1
    price = [tuned(lambda seed, c=c: offset_net(np.full(16, c), seed)) for c in offsets]
    assert price[0] < price[1] < price[2] < price[3] < price[4]
    assert price[2] > 2 * price[0], "most of the price at c = 1 is paid just below it"
    assert price[3] < 1.45 * price[2], "and there is no jump where the signs change"


@pytest.mark.parametrize("c", [0.7, 1.0, 1.5])
def test_random_signs_of_the_offsets_are_a_gauge(c):
    """No row single-signed, and the same losses in every bit."""
    (x, y), signs = digits(), np.random.default_rng(1).choice([-1.0, 1.0], (2, 16))
    positive, mixed = offset_net(np.full(16, c), 0), offset_net(np.full(16, c), 0)
    for i, s in zip((0, 2), signs, strict=True):
        mixed[i].weight *= s[:, None]
        mixed[i].bias *= s
        mixed[i + 1].c = c * s
        mixed[i + 2].weight *= s
    runs = [
        mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(0.3), x, y, epochs=5, rng=0, progress=False).loss
        for net in (positive, mixed)
    ]
    assert runs[0] == runs[1]
    assert share_of_single_signed_rows(mixed) < 0.01


def test_start_and_centring_cost_and_signs_do_not():
    prices = {
        name: tuned(lambda seed, kind=kind, init=init: mg.mlp(SIZES, kind, init=init, rng=seed))
        for name, kind, init in (
            ("tanh", "tanh", "glorot_uniform"),
            ("sigmoid", "sigmoid", "glorot_uniform"),
            ("sigmoid, tanh's start", "sigmoid", "tanh_equivalent"),
            ("centred", "centered_sigmoid", "glorot_uniform"),
            ("centred, tanh's start", "centered_sigmoid", "tanh_equivalent"),
        )
    }
    assert prices["sigmoid"] > 1.5 * prices["sigmoid, tanh's start"] > 1.5 * prices["tanh"]
    assert prices["sigmoid"] > 1.5 * prices["centred"] > 1.5 * prices["centred, tanh's start"]
    assert prices["centred, tanh's start"] < 1.5 * prices["tanh"]
