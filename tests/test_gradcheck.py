"""gradcheck finds planted mistakes, names the entry, raises no false alarms and changes nothing."""

import math
import re

import numpy as np
import pytest
from oracles import snapshot
from readers import Square, Wrong

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


def test_a_kink_within_eps_gives_a_false_alarm_as_documented():
    net = mg.Sequential(mg.Linear(1, 1, init="zeros"), mg.ReLU())
    with pytest.raises(AssertionError, match=r"0\.(bias|weight)"):
        mg.gradcheck(net, mg.MSELoss(), [[1.0]], [[1.0]])
