"""gradcheck finds planted mistakes, names the entry, raises no false alarms and changes nothing."""

import re

import numpy as np
import pytest
from oracles import snapshot
from readers import Wrong

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
