"""D3, depth: delta shrinks by a fixed factor per layer; 1/4 per layer is a bound on one part of it, not the
rate.

Statement. delta^(l-1) = ((W^l)^T delta^l) sigma'(z^(l-1)), so |delta^1| <= |delta^L| 4^-(L-1) prod_{l=2..L}
|W^l|_2 for sigmoid layers. The rate is another matter (mean field; Poole et al. 2016, Schoenholz et al.
2017): in wide random nets with W ~ N(0, gain^2 / fan-in), E|delta|^2 is multiplied per layer by chi = gain^2
E[sigma'(sqrt(q*) Z)^2], q* the fixed point of q = gain^2 E[sigma(sqrt(q) Z)^2]. Decades of |delta| per layer,
(1/2) log10 chi: sigmoid -.627 at gain 1, -.498 at sqrt 2, -.200 at 4, 0 at the critical gain 10.149 (q* =
45.6). With the centring bias b = -W 1/2 the critical gain is 4, as 4 (sigma - 1/2) = 2 tanh(z/2); tanh has 1,
ReLU sqrt 2. GELU and SiLU have none: for a gain between sqrt 2 and 2 the map of q has an unstable fixed point, q =
gain^2 E[f(sqrt(q) Z)^2], below which signals die out (chi -> gain^2 / 4 < 1) and above which they grow without end
(chi -> gain^2 / 2 > 1). A residual block x + f(x) adds the identity: delta never shrinks on average. Nielsen's
experiment (W ~ N(0, 1/fan-in), b ~ N(0, 1)): sqrt(chi) = .205 per layer.

Floats. The bound to rounding; the rates statistically.

Converse. The two fates are found in one net, for small and for large inputs. The bound is found broken for slopes
above 1/4 (tanh), "1/4 per layer" is found wrong on both sides: gain 1 shrinks delta 4.2-fold, gain 4 only
1.6-fold, gain 12 makes it grow.
"""

import math

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from strategies import seeds

import minigrad as mg
from minigrad.diagnostics import attenuation, critical_gain, mean_field_rate
from minigrad.layers.activations import ACTIVATIONS


@st.composite
def deep_nets(draw, kind="sigmoid"):
    """(net, x, y): one to five hidden layers of any widths, weights of any size up to 5."""
    rng = np.random.default_rng(draw(seeds))
    widths = draw(st.lists(st.integers(1, 6), min_size=3, max_size=7))
    net = mg.mlp(widths, kind, init=mg.initializers.normal(draw(st.floats(0.01, 5))), rng=rng)
    return net, rng.standard_normal((4, widths[0])), rng.standard_normal((4, widths[-1]))


def bound_and_norm(net, x, y, slope=0.25):
    """(|delta^L| slope^(L-1) prod |W^l|_2, |delta^1|), per sample."""
    gradients = mg.backprop(net, mg.MSELoss(), x, y).gradients
    bound = np.linalg.norm(gradients[list(gradients)[-1]].delta, axis=1)
    for path in list(gradients)[1:]:
        bound = bound * slope * np.linalg.norm(net[int(path)].weight, 2)
    return bound, np.linalg.norm(gradients["0"].delta, axis=1)


@given(deep_nets())
def test_the_bound(problem):
    bound, norm = bound_and_norm(*problem)
    assert (norm <= bound * (1 + 1e-12) + 1e-300).all()


def test_converse_the_bound_needs_slopes_of_a_quarter():
    def broken(problem):
        bound, norm = bound_and_norm(*problem)
        return (norm > bound).any()

    find(deep_nets("tanh"), broken, settings=settings(max_examples=200, phases=[Phase.generate], database=None))


def random_net(kind, gain, depth, rng, width=300, centred=False, residual=False):
    """depth hidden layers of W ~ N(0, gain^2 / fan-in), a linear output of the same law."""

    def init(rng, K, J):
        return rng.normal(0, gain / math.sqrt(J), (K, J))

    layers = []
    for _ in range(depth):
        linear, activation = mg.Linear(width, width, init=init, rng=rng), ACTIVATIONS[kind]()
        if centred and layers:
            linear.bias -= linear.weight.sum(axis=1) / 2
        layers += [mg.Residual(linear, activation)] if residual else [linear, activation]
    return mg.Sequential(*layers, mg.Linear(width, 10, init=init, rng=rng))


def decades(net, rng, skip=2, width=300):
    """Mean decades per layer of the layers' deltas, a few at both ends left out: they feel the input and the
    output.
    """
    bp = mg.backprop(net, mg.MSELoss(), rng.standard_normal((20, width)), rng.standard_normal((20, 10)))
    return attenuation(bp).decades[skip:-skip].mean()


@pytest.mark.parametrize(
    ("kind", "gain", "expected", "tolerance"),
    [
        ("sigmoid", 1, -0.627, 0.015),
        ("sigmoid", math.sqrt(2), -0.498, 0.015),
        ("sigmoid", 4, -0.200, 0.025),
        ("sigmoid", 10.149, 0.0, 0.04),
        ("tanh", 1, 0.0, 0.06),  # chi tends to 1 from below as 1/depth: -.036 at depth 16, -.014 at 60
        ("relu", math.sqrt(2), 0.0, 0.04),
    ],
)
def test_measured_rates(kind, gain, expected, tolerance):
    rng = np.random.default_rng(0)
    found = np.mean([decades(random_net(kind, gain, 12, rng), rng) for _ in range(2)])
    assert mean_field_rate(kind, gain).decades == pytest.approx(expected, abs=1e-3)
    assert found == pytest.approx(expected, abs=tolerance)


def test_converse_one_quarter_is_not_the_rate():
    assert math.log10(1 / 4) == pytest.approx(-0.602, abs=1e-3)
    assert mean_field_rate("sigmoid", 1).decades < -0.62
    assert mean_field_rate("sigmoid", 4).decades > -0.21
    assert mean_field_rate("sigmoid", 12).decades > 0.02
    rng = np.random.default_rng(0)
    assert decades(random_net("sigmoid", 20, 12, rng), rng) > 0.05, "delta grows with depth, sigmoid or not"


@pytest.mark.parametrize(
    ("kind", "gain"), [("sigmoid", 10.1493), ("centered_sigmoid", 4), ("tanh", 1), ("relu", math.sqrt(2))]
)
def test_critical_gains(kind, gain):
    assert critical_gain(kind) == pytest.approx(gain, rel=1e-5)


def balance(kind, q):
    """The gain at which signals of variance q neither grow nor shrink in a wide net of this activation."""
    z = np.linspace(-12, 12, 24_001)
    weights = np.exp(-0.5 * z * z) / np.exp(-0.5 * z * z).sum()
    return math.sqrt(q / (weights @ ACTIVATIONS[kind]()(math.sqrt(q) * z) ** 2))


@pytest.mark.parametrize("kind", ["gelu", "silu"])
@given(st.floats(-2, 1.5))
def test_gelu_and_silu_have_no_critical_gain(kind, exponent):
    """At every scale the balance is another, from 2 down to sqrt 2, and it is not stable."""
    q0 = 10.0**exponent
    gain = balance(kind, q0)
    assert math.sqrt(2) < balance(kind, 1.1 * q0) < gain < 2
    below, above = (mean_field_rate(kind, gain, q0=q) for q in (0.9 * q0, 1.1 * q0))
    assert below.q < 1e-20
    assert above.q > 1e20
    assert below.chi == pytest.approx(gain**2 / 4, rel=1e-6)
    assert above.chi == pytest.approx(gain**2 / 2, rel=1e-6)
    assert below.chi < 1 < above.chi


def test_figures_of_gelu_and_silu():
    assert math.isnan(critical_gain("gelu"))
    assert math.isnan(critical_gain("silu"))
    found = [balance("gelu", q) for q in (0.01, 0.1, 1, 4, 25)]
    np.testing.assert_allclose(found, [1.981, 1.854, 1.534, 1.440, 1.416], atol=6e-4)
    np.testing.assert_allclose([balance("silu", q) for q in (0.1, 1, 25)], [1.934, 1.677, 1.426], atol=6e-4)


@pytest.mark.parametrize("kind", ["gelu", "silu"])
def test_converse_one_gain_and_both_fates(kind):
    """Gain 1.5, 25 layers of 300 units: small inputs die out, large ones grow."""
    for spread, fate in ((0.3, lambda power: power < 1e-5), (5, lambda power: power > 50)):
        rng = np.random.default_rng(0)
        net = random_net(kind, 1.5, 25, rng)
        assert fate(np.square(mg.Sequential(*net[:-1])(spread * rng.standard_normal((20, 300)))).mean())


def test_figure_how_many_layers_floats_last():
    assert np.log10(np.finfo(float).tiny) / mean_field_rate("sigmoid", 1).decades == pytest.approx(490, abs=2)


def test_the_variance_at_the_sigmoid_s_critical_gain():
    assert mean_field_rate("sigmoid", critical_gain("sigmoid")).q == pytest.approx(45.6, abs=0.05)


def test_a_centring_bias_makes_gain_4_critical():
    """b = -W 1/2 turns sigma into sigma - 1/2; the same weights without it lose a fifth of a decade a layer."""
    rng = np.random.default_rng(0)
    centred = decades(random_net("sigmoid", 4, 12, rng, centred=True), rng)
    assert centred == pytest.approx(0, abs=0.08)
    assert decades(random_net("sigmoid", 4, 12, rng), rng) < -0.15


@pytest.mark.parametrize("gain", [1, 4])
def test_residual_blocks_do_not_shrink_delta(gain):
    """Between 0 and (1/2) log10(1 + gain^2 / 16) decades won per block, as the cross term averages out."""
    rng = np.random.default_rng(0)
    net = random_net("sigmoid", gain, 8, rng, residual=True)
    bp = mg.backprop(net, mg.MSELoss(), rng.standard_normal((20, 300)), rng.standard_normal((20, 10)))
    logs = np.log10([np.linalg.norm(delta) for delta in bp.deltas[:-1]])
    assert 0 < (logs[0] - logs[-1]) / 8 < 0.5 * math.log10(1 + gain**2 / 16)


# ---- Nielsen's experiment -------------------------------------------------------------------------------

PUBLISHED = {2: [0.0657, 0.309], 3: [0.0118, 0.0600, 0.283], 4: [0.00298, 0.0171, 0.0695, 0.285]}


class NielsenLoss(mg.Loss):
    """network2.py's default cost: binary cross-entropy of sigmoid outputs, summed over the outputs."""

    def value_and_delta(self, output, y):
        loss, delta = mg.BCEWithLogitsLoss().value_and_delta(output, y)
        return loss * output.shape[1], delta * output.shape[1]


class HalfSquaredLoss(mg.Loss):
    """|sigmoid(z) - y|^2 / 2."""

    def value_and_delta(self, output, y):
        a = mg.sigmoid(output)
        return float(((a - y) ** 2).sum() / 2 / len(a)), (a - y) * a * (1 - a)


def nielsen_norms(hidden, loss, seeds=range(12)):
    """Norms of the averaged delta of the hidden layers, geometric mean over seeds: 1000 of our digits, full
    batch.
    """
    x, y, *_ = mg.datasets.load("digits")
    x, y, found = x[:1000] / 16, np.eye(10)[y[:1000]], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        net = mg.mlp([64] + [30] * hidden + [10], "sigmoid", init="lecun_normal", rng=rng)
        for layer in net:
            if isinstance(layer, mg.Linear):
                layer.bias[...] = rng.standard_normal(layer.out_features)
        found.append(np.log(attenuation(mg.backprop(net, loss, x, y)).averaged[:-1]))
    return np.exp(np.mean(found, axis=0))


@pytest.mark.parametrize("hidden", [2, 3, 4])
def test_nielsen_s_published_norms(hidden):
    """His MNIST images are not here; with digits of 8 x 8 pixels his norms come out within a third, one net
    per row.
    """
    found = nielsen_norms(hidden, NielsenLoss())
    np.testing.assert_allclose(found, PUBLISHED[hidden], rtol=0.35)
    ratio = (found[0] / found[-1]) ** (1 / (hidden - 1))
    expected = math.sqrt(mean_field_rate("sigmoid", 1, bias_std=1).chi)
    assert expected == pytest.approx(0.205, abs=5e-4)
    assert ratio == pytest.approx(expected, rel=0.08)
    published = (PUBLISHED[hidden][0] / PUBLISHED[hidden][-1]) ** (1 / (hidden - 1))
    assert published == pytest.approx(expected, rel=0.08)


def test_nielsen_s_norms_are_not_those_of_the_squared_error():
    """With half the squared error the ratio is the same and the norms are five times too small."""
    found = nielsen_norms(3, HalfSquaredLoss())
    assert (found < np.array(PUBLISHED[3]) / 3.5).all()
    assert math.sqrt(found[0] / found[-1]) == pytest.approx(0.205, rel=0.08)
