"""The saturation and depth instruments against counts and norms written out."""

import math

import numpy as np
import pytest
from hypothesis import given
from strategies import KINDS, SMOOTH, problems

import minigrad as mg
from minigrad.diagnostics import attenuation, critical_gain, dead_units, mean_field_norms, mean_field_rate, saturation
from minigrad.layers.activations import ACTIVATIONS
from minigrad.layers.quadrature import normal_quadrature


def on_z(activation):
    """A net that applies an activation to its input."""
    return mg.Sequential(activation)


def test_the_two_tails_of_the_sigmoid():
    z = np.array([[-800.0, -40.0, -5.0, -1.0, 0.0, 1.0, 5.0, 30.0, 40.0, 800.0]])
    found = saturation(on_z(mg.Sigmoid()), z)["0"]
    assert found.low == pytest.approx(0.3)
    assert found.high == pytest.approx(0.4)
    assert found.zero == pytest.approx(0.3), "-800, 40 and 800: in floats the upper tail dies first"
    assert saturation(on_z(mg.Sigmoid()), z, threshold=0.2)["0"].low == pytest.approx(0.4)
    assert saturation(on_z(mg.Sigmoid()), z[:, 3:6])["0"] == (0, 0, 0)


def test_a_slope_at_the_threshold_is_not_under_it():
    assert saturation(on_z(mg.Identity()), np.ones((2, 3)), threshold=1)["0"] == (0, 0, 0)
    assert saturation(on_z(mg.Identity()), np.ones((2, 3)), threshold=1.1)["0"] == (0, 1, 0)


def test_the_samples_are_measured_in_the_nets_float_type():
    for dtype, zero in ((np.float32, 1), (np.float64, 0)):
        net = mg.Sequential(mg.Sigmoid(), mg.Linear(1, 1, dtype=dtype))
        assert saturation(net, np.array([[20.0]]))["0"].zero == zero


def test_relu_saturates_below():
    found = saturation(on_z(mg.ReLU()), np.array([[-1.0, 0.0, 2.0, 3.0]]))["0"]
    assert found == (0.5, 0.0, 0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_shares_are_counts_of_slopes(kind, rng):
    z = 3 * rng.standard_normal((40, 5))
    activation = ACTIVATIONS[kind]()
    found = saturation(on_z(activation), z, threshold=0.1)["0"]
    slopes = activation.slope(z)
    assert found.low == np.mean([s < 0.1 and v <= 0 for s, v in zip(slopes.flat, z.flat, strict=True)])
    assert found.high == np.mean([s < 0.1 and v > 0 for s, v in zip(slopes.flat, z.flat, strict=True)])


def test_paths_and_inputs_of_nested_layers(rng):
    """Layers inside Residual and Sequential are found, and see what the net gives them."""
    inner = mg.Linear(3, 3, rng=0)
    net = mg.Sequential(mg.Linear(2, 3, rng=1), mg.Tanh(), mg.Residual(inner, mg.Sigmoid()), mg.ReLU())
    x = 5 * rng.standard_normal((30, 2))
    found = saturation(net, x, threshold=0.1)
    assert list(found) == ["1", "2.1", "3"]
    a = np.tanh(net[0](x))
    z = inner(a)
    sigma = 1 / (1 + np.exp(-z))
    assert found["1"].low + found["1"].high == pytest.approx((1 - a**2 < 0.1).mean())
    assert found["2.1"].low + found["2.1"].high == pytest.approx((sigma * (1 - sigma) < 0.1).mean())
    assert found["3"].zero == pytest.approx((a + sigma <= 0).mean())
    assert dead_units(net, x)["3"].tolist() == (a + sigma <= 0).all(axis=0).tolist()


def test_a_layer_of_one_s_own():
    class Twice(mg.Sequential):
        def forward(self, x):
            return super().forward(2 * x)

    class Step(mg.layers.activations.Activation):
        def forward(self, z):
            return np.clip(z, -1, 1), z

        def backward(self, delta, z):
            return delta * (np.abs(z) < 1), {}

        def slope(self, z):
            return 1.0 * (np.abs(z) < 1)

    net = mg.Sequential(Step(), Twice(mg.Tanh()))
    found = saturation(net, np.array([[-2.0, 0.5, 3.0, 4.0]]))
    assert found == {"0": (0.25, 0.5, 0.75)}, "inside a layer with a forward of its own nobody looks"


def test_the_net_is_left_as_it_is(rng):
    net = mg.Sequential(mg.Linear(3, 4, rng=0), mg.BatchNorm(4), mg.Sigmoid(), mg.Dropout(0.5, rng=1))
    before, state = net.state_dict(), net[3].rng.bit_generator.state
    saturation(net, rng.standard_normal((5, 3)))
    dead_units(net, rng.standard_normal((5, 3)))
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert net[3].rng.bit_generator.state == state
    assert net.training


def test_dead_means_on_every_sample():
    net = mg.mlp([1, 3, 1], "relu", rng=0)
    net[0].weight[...], net[0].bias[...] = [[1.0], [0.0], [-1.0]], [0.0, -1.0, -5.0]
    assert dead_units(net, np.array([[1.0], [-1.0]]))["1"].tolist() == [False, True, True]
    assert dead_units(net, np.array([[-9.0], [-1.0]]))["1"].tolist() == [True, True, False]


def test_refusals():
    net = mg.mlp([2, 3, 1], rng=0)
    for instrument in (saturation, dead_units):
        with pytest.raises(ValueError, match=r"^x has shape \(2,\)"):
            instrument(net, np.ones(2))
        with pytest.raises(ValueError, match="no samples"):
            instrument(net, np.ones((0, 2)))
    with pytest.raises(ValueError, match="^threshold is 0"):
        saturation(net, np.ones((1, 2)), threshold=0)
    with pytest.raises(ValueError, match="^gain is 0"):
        mean_field_rate("sigmoid", 0)
    with pytest.raises(ValueError, match="^bias_std is -1"):
        mean_field_rate("sigmoid", 1, bias_std=-1)
    with pytest.raises(ValueError, match=r"^q0 is 0, expected a finite number in \(0, 1e\+30\]"):
        mean_field_rate("sigmoid", 1, q0=0)
    with pytest.raises(ValueError, match="unknown activation"):
        mean_field_rate("sigmoido", 1)


# ---- depth ----------------------------------------------------------------------------------------------


@given(problems(kinds=SMOOTH))
def test_attenuation_is_norms_of_delta(problem):
    bp = mg.backprop(*problem)
    found = attenuation(bp)
    assert found.paths == list(bp.gradients)
    for path, norm, averaged in zip(*found[:3], strict=True):
        delta = bp.gradients[path].delta
        assert norm == pytest.approx(math.sqrt(np.mean([d @ d for d in delta])), rel=1e-12, abs=1e-300)
        assert averaged == pytest.approx(np.linalg.norm(bp.gradients[path].bias), rel=1e-12, abs=1e-15)
    assert len(found.decades) == max(len(found.paths) - 1, 0)
    if (found.norms > 0).all():
        np.testing.assert_allclose(10**found.decades, found.norms[:-1] / found.norms[1:], rtol=1e-9)


def test_attenuation_of_nothing():
    net = mg.mlp([1, 1, 1], "relu", rng=0)
    net[0].bias[...] = -100
    found = attenuation(mg.backprop(net, mg.MSELoss(), np.ones((1, 1)), np.ones((1, 1))))
    assert found.norms[0] == 0
    assert found.decades[0] == -math.inf


@pytest.mark.parametrize("kind", KINDS)
def test_mean_field_is_a_fixed_point(kind):
    """q and chi against a plain average over a million normal numbers."""
    found = mean_field_rate(kind, 0.9, bias_std=0.5)
    z, f = np.random.default_rng(0).standard_normal(1_000_000), ACTIVATIONS[kind]()
    root = math.sqrt(found.q)
    assert 0.81 * np.square(f(root * z)).mean() + 0.25 == pytest.approx(found.q, rel=0.02)
    assert 0.81 * np.square(f.slope(root * z)).mean() == pytest.approx(found.chi, rel=0.02)
    assert found.decades == pytest.approx(math.log10(found.chi) / 2)
    assert mean_field_rate(f, 0.9, 0.5) == found


def test_mean_field_without_a_limit():
    """ReLU: chi = gain^2 / 2 whatever q is; q itself dies out or runs away."""
    assert mean_field_rate("relu", 1).q == 0
    assert mean_field_rate("relu", 1).chi == pytest.approx(0.5)
    assert mean_field_rate("relu", 2).q == math.inf
    assert mean_field_rate("relu", 1.45).q == math.inf
    assert mean_field_rate("relu", 2).chi == pytest.approx(2)
    assert mean_field_rate("tanh", 0.5).q == 0
    assert mean_field_rate("tanh", 0.5).chi == pytest.approx(0.25)


@pytest.mark.parametrize(("kind", "gain"), [("identity", 1), ("elu", 1), ("selu", 0.6905), ("softplus", 2**0.5)])
def test_critical_gains_of_the_others(kind, gain):
    found = critical_gain(kind)
    assert found == pytest.approx(gain, abs=2e-4)
    assert 0.9 < mean_field_rate(kind, found * 0.999).chi < 1 <= mean_field_rate(kind, found * 1.001).chi


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("gelu", "silu")])
@pytest.mark.parametrize("gain", [0.5, 1.7, 12])
def test_the_scale_of_the_inputs_does_not_matter_to_the_others(kind, gain):
    expected = mean_field_rate(kind, gain)
    for q0 in (1e-6, 0.1, 25, 1e6):
        assert mean_field_rate(kind, gain, q0=q0) == pytest.approx(expected, rel=1e-6)


def test_no_critical_gain():
    class Constant(mg.layers.activations.Activation):
        def __call__(self, z):
            return np.ones_like(z)

        def slope(self, z):
            return np.zeros_like(z)

    class Steep(mg.Identity):
        def __call__(self, z):
            return 1200 * z

        def slope(self, z):
            return np.full_like(z, 1200)

    assert math.isnan(critical_gain(Constant()))
    assert mean_field_rate(Constant(), 1) == pytest.approx((1.0, 0.0, -math.inf), rel=1e-15)
    assert math.isnan(critical_gain(Steep())), "chi is above 1 even at the lowest gain tried, and below 2"


def test_mean_field_of_an_even_bump():
    """f = e^(-z^2 / 2) has E f(sqrt(q) Z)^2 = 1 / sqrt(1 + 2q), which falls: q^2 (1 + 2q) = gain^4."""

    class Bump(mg.layers.activations.Activation):
        def __call__(self, z):
            return np.exp(-z * z / 2)

        def slope(self, z):
            return -z * np.exp(-z * z / 2)

    for gain in (0.5, 2, 10):
        q = mean_field_rate(Bump(), gain).q
        assert q * q * (1 + 2 * q) == pytest.approx(gain**4)


@pytest.mark.parametrize(("kind", "gain", "bias"), [("identity", 1, 0.1), ("identity", 1, 2), ("relu", 2**0.5, 1)])
def test_a_bias_leaves_no_fixed_point_where_the_slope_of_the_variance_is_one(kind, gain, bias):
    found = mean_field_rate(kind, gain, bias)
    assert found.q == math.inf
    assert found.chi == pytest.approx(1)


def test_attenuation_of_float32_deltas_whose_squares_vanish():
    delta = np.full((1, 4), 1e-30, np.float32)
    bp = mg.Backprop(0.0, [], {"0": mg.WeightGradient(delta, delta), "2": mg.WeightGradient(10 * delta, delta)}, [], {})
    found = attenuation(bp)
    assert found.norms == pytest.approx([2e-30, 2e-29], rel=1e-6)
    assert found.decades == pytest.approx([-1], rel=1e-6)


# ---- mean field beside a net ----------------------------------------------------------------------------


def test_mean_field_norms_of_relu_layers_halve_the_square_each_time(rng):
    """E f'(z)^2 = 1/2 for ReLU, whatever the variance: |delta| is multiplied by gain / sqrt 2, gain^2 = J mean(W^2)."""
    net = mg.mlp([4, 9, 6, 7, 3], "relu", rng=rng)
    bp = mg.backprop(net, mg.MSELoss(), rng.standard_normal((8, 4)), rng.standard_normal((8, 3)))
    expected = {"6": math.sqrt((bp.gradients["6"].delta ** 2).sum() / 8)}
    for lower, upper in (("4", "6"), ("2", "4"), ("0", "2")):
        weight = net[int(upper)].weight
        expected[lower] = expected[upper] * math.sqrt(weight.shape[1] * (weight**2).mean() / 2)
    found = mean_field_norms(net, bp)
    assert list(found) == ["0", "2", "4", "6"]
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
def test_a_very_wide_net_has_the_norms_that_mean_field_expects(kind, rng):
    net = mg.mlp([200] * 6, kind, "lecun_normal", rng=rng)
    x = rng.standard_normal((100, 200)) * (0.3 if kind == "tanh" else 1)
    bp = mg.backprop(net, mg.MSELoss(), x, rng.standard_normal((100, 200)))
    decades = np.log10(attenuation(bp).norms / list(mean_field_norms(net, bp).values()))
    assert np.abs(decades).max() < 0.15


def test_mean_field_norms_with_biases_are_those_of_the_rate(rng):
    net = mg.mlp([3, 5, 2], "tanh", "torch_default", rng=rng)
    bp = mg.backprop(net, mg.MSELoss(), rng.standard_normal((4, 3)), rng.standard_normal((4, 2)))
    rate = mean_field_rate("tanh", math.sqrt(5 * (net[2].weight ** 2).mean()), math.sqrt((net[0].bias ** 2).mean()))
    found = mean_field_norms(net, bp)
    assert found["0"] / found["2"] == pytest.approx(math.sqrt(rate.chi), rel=1e-12)


def test_mean_field_ends_where_a_net_is_no_longer_plain(rng):
    def norms(*layers):
        net = mg.Sequential(*layers)
        bp = mg.backprop(net, mg.MSELoss(), rng.standard_normal((4, 3)), rng.standard_normal((4, 3)))
        return list(mean_field_norms(net, bp))

    def linear():
        return mg.Linear(3, 3, rng=rng)

    assert norms(linear(), mg.Tanh(), linear(), mg.BatchNorm(3), linear()) == ["4"]
    assert norms(linear(), mg.Tanh(), mg.Dropout(0.5, rng=0), linear()) == ["0", "3"], "Dropout keeps the mean"
    assert norms(linear(), linear()) == ["0", "1"]
    assert norms(linear(), mg.Tanh(), mg.Tanh(), linear()) == ["3"]
    assert norms(mg.Sequential(linear(), mg.ReLU()), linear()) == ["0.0", "1"]
    assert norms(linear(), mg.Residual(linear(), mg.Tanh()), linear()) == []
    assert norms(mg.Tanh()) == []
    assert norms(linear(), mg.Tanh(), mg.Linear(3, 3, init="zeros")) == ["2"], "of weights 0 there is no gain"


def test_mean_field_norms_refuse_another_nets_pass(rng):
    net = mg.mlp([2, 2, 2, 2], rng=rng)
    bp = mg.backprop(net, mg.MSELoss(), np.ones((1, 2)), np.ones((1, 2)))
    with pytest.raises(ValueError, match="^bp has layer '4', net has no weight of that name$"):
        mean_field_norms(mg.mlp([2, 2, 2], rng=rng), bp)
    with pytest.raises(TypeError, match="^net is an int, expected a Sequential$"):
        mean_field_norms(3, bp)


def test_a_kink_costs_the_mean_field_no_digits():
    e2 = math.exp(2) * 0.5 * math.erfc(2 / math.sqrt(2))  # E e^2Z over Z < 0
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    leaky, selu = mean_field_rate(mg.LeakyReLU(0.3), 0.5, 0.5), mean_field_rate("selu", 1)
    assert leaky.chi == pytest.approx(0.25 * (1 + 0.09) / 2, rel=1e-14)
    assert selu.chi == pytest.approx(scale**2 * (0.5 + alpha**2 * e2), rel=1e-9)  # at q = 1, its fixed point
    assert selu.q == pytest.approx(1, rel=1e-9)


class Foreign(mg.Layer):
    """A layer of another library: it tells of the tanh that is inside."""

    def forward(self, x):
        return np.tanh(x), x

    def inside(self, path, saved):
        yield f"{path}.tanh", mg.Tanh(), saved, np.tanh(saved), saved


class Told(mg.Backprop):
    """A pass that knows what went into its activation functions."""

    def activation_inputs(self):
        yield "block.tanh", mg.Tanh(), np.array([[0.0, 9.0], [0.0, -9.0]])


def test_what_another_library_tells_of_its_activations_is_measured():
    x = np.array([[0.0, 9.0], [0.0, -9.0]])
    of_layer, of_pass = saturation(mg.Sequential(Foreign()), x), saturation(Told(0.0, [], {}, [], {}))
    assert (list(of_layer), list(of_pass)) == (["0.tanh"], ["block.tanh"])
    for (share,) in (of_layer.values(), of_pass.values()):
        assert (share.low, share.high) == (0.25, 0.25)


def test_a_pass_that_does_not_know_its_activations_is_refused_with_what_is_expected():
    net, x = on_z(mg.Tanh()), np.ones((2, 2))
    with pytest.raises(TypeError, match="^net is a Backprop, expected a Layer"):
        saturation(mg.backprop(net, mg.MSELoss(), x, x), x)


def test_without_positions_there_is_nothing_to_measure():
    with pytest.raises(ValueError, match=r"^x has shape \(4, 0, 2\): there are no positions to look at"):
        saturation(on_z(mg.Tanh()), np.ones((4, 0, 2)))


def test_the_quadrature_meets_steps_that_are_steep():
    """E (1 - tanh(1000 Z)^2) = 2 phi(0) / 1000, to 1e-9."""
    z, weight = normal_quadrature()
    assert weight @ np.tanh(1000 * z) ** 2 == pytest.approx(1 - 2 / 1000 / math.sqrt(2 * math.pi), abs=2e-9)
