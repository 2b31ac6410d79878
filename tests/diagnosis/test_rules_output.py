"""Rules on the output and the loss: each on a problem that has it, and silent on one close to it."""

import numpy as np
import pytest
from rule_cases import (
    CE,
    LOGITS,
    MSE,
    VALUE,
    YES,
    Case,
    OwnSquare,
    Problem,
    Softmax,
    check_found,
    check_silent,
    classifier,
    linear,
    regressor,
    relu,
    sequential,
)
from rule_cases import X as INPUTS

import minigrad as mg

POSITIVE = 2 * np.abs(VALUE)
INSIDE = 0.5 + 0.4 * VALUE


def yes_or_no(*tail, y=YES, loss=MSE, bias=0.0, opt=None):
    """tanh 4-16-1 and whatever comes behind it."""
    last = linear(16, 1, 1)
    last.bias += bias
    return Problem(sequential(linear(4, 16), mg.Tanh(), last, *tail), loss, INPUTS, y, opt or mg.Adam(0.01))


def passed_by_the_sigmoid(p):
    """|(a - y) a (1 - a)| over |a - y|."""
    a = p.net(p.x)
    return np.linalg.norm((a - p.y) * a * (1 - a)) / np.linalg.norm(a - p.y)


CASES = {
    "target_range": Case(
        lambda: yes_or_no(mg.Sigmoid(), y=POSITIVE),
        lambda: yes_or_no(mg.Sigmoid(), y=INSIDE),
        lambda p: np.mean(p.y > 1 + 1e-3),
    ),
    "activation_before_logits": Case(
        lambda: classifier(net=sequential(*relu(4, 16, 3), mg.Tanh())), classifier, lambda p: np.log(1 + 2 * np.exp(-2))
    ),
    "softmax_twice": Case(
        lambda: classifier(net=sequential(*relu(4, 16, 3), Softmax())),
        classifier,
        lambda p: CE(np.eye(3), np.arange(3)),  # of the best row of a softmax
    ),
    "softmax_of_one": Case(lambda: yes_or_no(Softmax()), lambda: yes_or_no(loss=LOGITS), lambda p: 0),
    "mse_on_probabilities": Case(
        lambda: yes_or_no(mg.Sigmoid(), bias=7.0), lambda: yes_or_no(mg.Sigmoid(), y=INSIDE), passed_by_the_sigmoid
    ),
    "bce_without_sigmoid": Case(
        lambda: yes_or_no(loss=mg.BCELoss()), lambda: yes_or_no(mg.Sigmoid(), loss=mg.BCELoss())
    ),
    "sum_loss": Case(
        lambda: regressor(loss=OwnSquare(adds_up=("value", "delta")), opt=mg.SGD(0.1)),
        lambda: regressor(loss=OwnSquare(), opt=mg.SGD(0.1)),
        lambda p: 2,
    ),
    "wrong_delta": Case(
        lambda: regressor(loss=OwnSquare(factor=-3)), lambda: regressor(loss=OwnSquare()), lambda p: -3
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_problem_that_has_it(name):
    check_found(name, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_a_problem_close_to_it(name):
    check_silent(name, CASES[name])


def test_cross_entropy_of_one_output_is_found_before_it_is_refused():
    found = Problem(relu(4, 16, 1), CE, INPUTS, YES[:, 0].astype(int)).diagnosed().findings
    assert [f.name for f in found] == ["softmax_of_one"]
    assert found[0].apply().loss(np.zeros((300, 1)), found[0].apply().y) == pytest.approx(np.log(2))


def test_a_relu_before_logits_cannot_say_no():
    """The bound is what is measured: no logit below 0."""
    found = yes_or_no(mg.ReLU(), loss=LOGITS).diagnosed().findings
    (logits,) = [f for f in found if f.name == "activation_before_logits"]
    assert logits.measured == pytest.approx(np.log(2))  # of a yes or no it is log(1 + e^0)
    found = classifier(net=sequential(*relu(4, 16, 3), mg.ReLU())).diagnosed().findings
    (logits,) = [f for f in found if f.name == "activation_before_logits"]
    assert logits.measured == 0.0 > logits.expected[1]


@pytest.mark.parametrize("adds_up", [("value",), ("value", "delta")])
def test_a_loss_that_adds_up_is_not_called_one_with_a_wrong_delta(adds_up):
    """Its delta is right either way: that of the mean, which training takes, or that of the sum, which it returns."""
    found = regressor(loss=OwnSquare(adds_up=adds_up), opt=mg.SGD(1e-3)).diagnosed().findings
    assert "wrong_delta" not in [f.name for f in found]
    (loss,) = [f.apply().loss for f in found if f.name == "sum_loss"]
    output = np.zeros((300, 1))
    np.testing.assert_allclose(loss(output, VALUE), MSE(output, VALUE))
    np.testing.assert_allclose(loss.delta(output, VALUE), MSE.delta(output, VALUE))
