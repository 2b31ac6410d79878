"""gradcheck finds planted mistakes, names the entry, raises no false alarms and changes nothing."""

import math
import re
from itertools import pairwise

import numpy as np
import pytest
from oracles import snapshot
from own_layers import Square, Wrong

import minigrad as mg

X, Y = np.random.default_rng(0).standard_normal((4, 3)), np.random.default_rng(1).standard_normal((4, 3))
BUGS = {  # the planted bug: what the message must say
    "one entry": r"worst at 1\.factor\[1\]: backprop \S+, central difference \S+ \(relative error 0\.001\)",
    "1/N twice": r"worst at 1\.factor\[\d\]: .* \(relative error 0\.75\)",
    "zero": r"worst at 1\.factor\[\d\]: backprop 0, .* \(relative error 1\)",
    "nan": r"worst at 1\.factor\[0\]: backprop nan",
    "delta below": r"worst at (0\.|x)",
    "forgotten": r"no gradient for 1\.factor",
}


def net_with(layer):
    return mg.Sequential(mg.Linear(3, 3, rng=0), layer, mg.Tanh())


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_mistake_is_found_and_named(bug):
    with pytest.raises(AssertionError) as caught:
        mg.gradcheck(net_with(Wrong(3, bug)), mg.MSELoss(), X, Y)
    assert re.search(BUGS[bug], str(caught.value))


def test_a_wrong_delta_of_the_input_is_named_x():
    with pytest.raises(AssertionError, match=r"worst at x\[0, 1\]"):
        mg.gradcheck(mg.Sequential(Wrong(3, "delta below"), mg.Tanh()), mg.MSELoss(), X, Y)


def test_a_wrong_loss_is_found():
    class Halved(mg.MSELoss):
        def value_and_delta(self, output, y):
            c, delta = super().value_and_delta(output, y)
            return c, delta / 2

    with pytest.raises(AssertionError, match=r"the gradient is wrong.*relative error 0\.5"):
        mg.gradcheck(net_with(mg.Tanh()), Halved(), X, Y)


def test_the_tolerance_decides():
    net = net_with(Wrong(3, "one entry"))
    assert mg.gradcheck(net, mg.MSELoss(), X, Y, tolerance=0.01)["1.factor"] == pytest.approx(0.001, rel=0.1)


def test_a_tiny_gradient_beside_a_large_loss_is_no_false_alarm():
    """Differences of C carry noise of 1e-10 |C|; a saturated sigmoid's gradient, 4e-9 here, is not much above it."""
    net = mg.Sequential(mg.Linear(1, 1, init="zeros"), mg.Sigmoid())
    net[0].bias[:] = 20
    loss, x, y = mg.MSELoss(), np.ones((1, 1)), np.zeros((1, 1))
    assert 1e-9 < mg.backprop(net, loss, x, y).parameter_gradients()["0.bias"].item() < 1e-8
    assert max(mg.gradcheck(net, loss, x, y).values()) < 1e-5


@pytest.mark.parametrize(("slope", "far"), [(5e-5, 0.0), (0.5, 1000.0)])
def test_the_error_of_a_small_gradient_is_taken_against_the_loss(slope, far):
    """|ours - numeric| / max(|ours|, |numeric|, 1e-4 (1 + |C|)), where ours is 0 and should be the slope."""
    net, x, y = mg.Sequential(mg.Linear(1, 2, init="zeros"), Wrong(2, "zero")), np.zeros((1, 1)), np.array([[1.0, far]])
    net[0].bias[:], net[1].factor[:] = [1, 0], [1 + slope, 1]
    C = (slope**2 + far**2) / 2
    found = mg.gradcheck(net, mg.MSELoss(), x, y, tolerance=math.inf)["1.factor"]
    assert found == pytest.approx(slope / (1e-4 * (1 + C)), rel=1e-3)


@pytest.mark.parametrize("eps", [0.1, 0.01])
def test_eps_is_the_step_of_the_differences(eps):
    """C = w^4 at w = 1: the difference is 4 + 4 eps^2, the gradient 4."""
    net = mg.Sequential(mg.Linear(1, 1, bias=False), Square())
    net[0].weight[:] = 1
    found = mg.gradcheck(net, mg.MSELoss(), np.ones((1, 1)), np.zeros((1, 1)), eps=eps, tolerance=math.inf)
    assert found["0.weight"] == pytest.approx(eps**2 / (1 + eps**2), rel=1e-9)


def test_right_gradients_pass_with_the_error_of_every_parameter():
    errors = mg.gradcheck(net_with(Wrong(3, "none")), mg.MSELoss(), X, Y)
    assert list(errors) == ["0.weight", "0.bias", "1.factor", "x"]
    assert max(errors.values()) < 1e-6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_is_changed_and_float32_is_checked_in_float64(dtype):
    net = mg.Sequential(
        mg.Linear(3, 4, dtype=dtype, rng=0), mg.BatchNorm(4, dtype=dtype), mg.Dropout(0.5, rng=1),
        mg.Linear(4, 3, bias=False, dtype=dtype, rng=2),
    )  # fmt: skip
    net[1].eval()
    before, x = snapshot(net), X.astype(dtype)
    assert max(mg.gradcheck(net, mg.MSELoss(), x, Y).values()) < 1e-5
    assert snapshot(net) == before
    assert net.dtype == dtype
    np.testing.assert_array_equal(x, X.astype(dtype))


# ---- kinks ------------------------------------------------------------------------------------------------

ZERO_ROW = X * [[1], [0], [1], [0]]
KINKED = {"relu": mg.ReLU, "leaky_relu": mg.LeakyReLU, "selu": mg.SELU, "elu": lambda: mg.ELU(2.5)}


class Bent(mg.Layer):
    """max(z, z/2), as a layer of one's own. Its backward may be wrong."""

    def __init__(self, bug="none"):
        self.bug = bug

    def forward(self, z):
        return np.maximum(z, z / 2), z

    def backward(self, delta, z):
        slope = np.where(z > 0, 1, 0.5)
        if self.bug == "wrong below":
            slope[z < 0] = 0.501
        if self.bug == "wrong above":
            slope[z > 0] = 0.5
        return delta * slope, {}


class Sparse(mg.Layer):
    """sin(z + 1), which is smooth; backward leaves out what is exactly zero, as if nothing came of it."""

    def forward(self, z):
        return np.sin(z + 1), z

    def backward(self, delta, z):
        return delta * np.cos(z + 1) * (z != 0), {}


class Distance(mg.Loss):
    """mean |a - y|, with a kink where the output is right. Its delta may be wrong."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def value_and_delta(self, output, y):
        off = output - y
        return float(np.abs(off).mean()), self.factor * np.sign(off) / output.shape[1]


def stack(kind, seed, widths=(3, 5, 4, 3)):
    layers = []
    for J, K in pairwise(widths):
        layers += [mg.Linear(J, K, rng=seed + J), KINKED[kind]()]
    return mg.Sequential(*layers[:-1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINKED)
def test_a_row_of_zeros_puts_every_unit_of_a_fresh_net_at_its_kink_and_is_no_false_alarm(kind):
    for seed in range(30 if kind == "relu" else 10):
        net = stack(kind, seed)
        assert (net[0](ZERO_ROW)[1] == 0).all()
        errors = mg.gradcheck(net, mg.CrossEntropyLoss(), ZERO_ROW, np.arange(4) % 3)
        assert max(errors.values()) < 1e-5
        assert list(errors) == [*net.parameters(), "x"]


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("kind", KINKED)
def test_a_planted_mistake_is_found_beside_kinks(kind, bug):
    net = mg.Sequential(mg.Linear(3, 3, rng=0), KINKED[kind](), Wrong(3, bug), mg.Tanh())
    said = "no gradient for 2.factor" if bug == "forgotten" else "the gradient is wrong"
    with pytest.raises(AssertionError, match=said):
        mg.gradcheck(net, mg.MSELoss(), ZERO_ROW, Y)


@pytest.mark.parametrize("rows", [X, ZERO_ROW, X[:1] * 0])
def test_a_layer_that_is_wrong_on_one_side_of_its_kink_is_found(rows):
    mg.gradcheck(net_with(Bent()), mg.MSELoss(), rows, Y[: len(rows)])
    for bug in ("wrong below", "wrong above"):
        with pytest.raises(AssertionError, match="the gradient is wrong"):
            mg.gradcheck(net_with(Bent(bug)), mg.MSELoss(), rows, Y[: len(rows)])


@pytest.mark.parametrize("bug", ["wrong below", "wrong above"])
def test_both_sides_of_a_single_kink_must_be_right(bug):
    for seed in range(10):
        net = mg.Sequential(mg.Linear(1, 1, rng=seed), Bent(bug))
        with pytest.raises(AssertionError, match="the gradient is wrong"):
            mg.gradcheck(net, mg.MSELoss(), [[0.0]], [[3.0]])
        mg.gradcheck(mg.Sequential(net[0], Bent()), mg.MSELoss(), [[0.0]], [[3.0]])


def test_a_gradient_that_is_wrong_at_the_given_point_alone_is_found():
    """All is right a little beside, but there is no kink that would excuse it."""
    x = X.copy()
    x[2, 1] = 0
    with pytest.raises(AssertionError, match=r"worst at x\[2, 1\]: backprop -?0,"):
        mg.gradcheck(mg.Sequential(Sparse(), mg.Linear(3, 3, rng=0), mg.ReLU()), mg.MSELoss(), x, Y)
    mg.gradcheck(mg.Sequential(Sparse(), mg.Linear(3, 3, rng=0), mg.ReLU()), mg.MSELoss(), X, Y)


def test_a_loss_with_a_kink():
    net = mg.mlp([3, 3], rng=0)
    y = net(X)
    y[0] += 1
    mg.gradcheck(net, Distance(), X, y)
    with pytest.raises(AssertionError, match="the gradient is wrong"):
        mg.gradcheck(net, Distance(1.001), X, y)


def test_a_kink_between_the_point_and_the_end_of_a_difference():
    net = mg.Sequential(mg.Linear(1, 1, init="zeros"), mg.ReLU())
    for bias in (0, 3e-7, -3e-7):
        net[0].bias[0] = bias
        assert max(mg.gradcheck(net, mg.MSELoss(), [[1.0]], [[1.0]]).values()) < 1e-5
        assert max(mg.gradcheck(net, mg.MSELoss(), [[1.0]], [[1.0]], tolerance=np.inf).values()) < 1e-5


def test_a_loss_that_takes_no_outputs_beside_the_kink():
    """The outputs 0 and 1 are the ends of what BCELoss takes; there is no place beside it on both sides."""
    net = mg.Sequential(mg.Linear(1, 2, bias=False, init="zeros"), mg.ReLU(), Bent())
    net[0].weight[...] = [[0.5], [0.999]]
    assert max(mg.gradcheck(net, mg.BCELoss(), [[1.0]], [[1.0, 1.0]]).values()) < 1e-5
    net[0].weight[0] = 0
    with pytest.raises(AssertionError, match="the gradient is wrong"):
        mg.gradcheck(net, mg.BCELoss(), [[1.0]], [[0.0, 1.0]])


def test_nothing_is_changed_where_there_are_kinks():
    net, x = stack("relu", 0), ZERO_ROW.copy()
    before = snapshot(net)
    mg.gradcheck(net, mg.MSELoss(), x, Y)
    assert snapshot(net) == before
    np.testing.assert_array_equal(x, ZERO_ROW)
