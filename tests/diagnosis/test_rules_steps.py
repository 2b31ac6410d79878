"""Rules on the steps: each on an optimizer that has it, and silent on one close to it."""

import numpy as np
import pytest
from rule_cases import (
    VALUE,
    Case,
    Picky,
    Problem,
    X,
    check_found,
    check_silent,
    classifier,
    linear,
    regressor,
    sequential,
)

import minigrad as mg

FAR = X.copy()
FAR[17] *= 1e5
NEAR = X.copy()
NEAR[17] *= 3
ONE = np.random.default_rng(3).standard_normal((300, 1))


def curvature(p):
    """lambda_1 of the mean square error of one linear output: twice that of the inputs' second moment, with a one."""
    a = np.column_stack([p.x, np.ones(len(p.x))])
    return 2 * np.linalg.eigvalsh(a.T @ a / len(a))[-1]


def line(opt, **options):
    return regressor(net=sequential(linear(4, 1)), opt=opt, **options)


def over_the_limit(p):
    return p.opt.lr * curvature(p) / 2 / (1 + p.opt.momentum)


def share_of_the_loss(p):
    """lr |g|^2 steps / C."""
    bp = mg.backprop(p.net, p.loss, p.x, p.y)
    square = sum(np.square(g).sum() for g in bp.parameter_gradients().values())
    return p.opt.lr * square * p.options["epochs"] * np.ceil(len(p.x) / 32) / bp.loss


def relu_of_a_relu(weight):
    """A ReLU that should learn max(x, 0): with a weight far below 0 its gradient is 0 where it matters."""
    net = sequential(mg.Linear(1, 1, bias=False, rng=0), mg.ReLU())
    net[0].weight[...] = weight
    return Problem(net, mg.MSELoss(), ONE, np.maximum(ONE, 0), mg.SGD(0.1))


def refusing(factor):
    """A loss that refuses outputs beyond so many times those at the start; the targets lie further out."""
    problem = regressor(y=3 * VALUE, opt=mg.SGD(0.1))
    problem.loss = Picky(factor * np.abs(problem.net(X)).max())
    return problem


CASES = {
    "lr_high": Case(lambda: line(mg.SGD(20.0)), lambda: line(mg.SGD(0.2)), over_the_limit, rtol=0.2),
    "lr_low": Case(
        lambda: line(mg.SGD(1e-5), epochs=20), lambda: line(mg.SGD(0.2), epochs=20), share_of_the_loss
    ),
    "momentum": Case(
        lambda: classifier(opt=mg.SGD(0.1, momentum=0.999)), lambda: classifier(opt=mg.SGD(0.1, momentum=0.9)),
        lambda p: 0.999,
    ),
    "weight_decay": Case(
        lambda: classifier(opt=mg.SGD(0.1, weight_decay=1.0)), lambda: classifier(opt=mg.SGD(0.1, weight_decay=1e-4)),
        lambda p: 1.0,
    ),
    "few_steps": Case(lambda: classifier(epochs=1), lambda: classifier(epochs=50), lambda p: 10),
    "one_sample": Case(
        lambda: classifier(FAR), lambda: classifier(NEAR),
        lambda p: np.abs(p.x[17]).max() / np.quantile(np.abs(p.x).max(axis=1), 0.95),
    ),
    "diverges": Case(
        lambda: refusing(1.05), lambda: refusing(100)
    ),
    "stuck": Case(lambda: relu_of_a_relu(-10), lambda: relu_of_a_relu(0.5)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_optimizer_that_has_it(name):
    check_found(name, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_an_optimizer_close_to_it(name):
    check_silent(name, CASES[name])


def test_adam_moves_each_weight_by_its_lr():
    problem = classifier(opt=mg.Adam(3.0))
    (found,) = [f for f in problem.diagnosed().findings if f.name == "lr_high"]
    weights = np.concatenate([problem.net[0].weight.ravel(), problem.net[2].weight.ravel()])
    assert found.measured == pytest.approx(3.0 / np.sqrt(np.square(weights).mean()))


def test_nothing_is_said_of_steps_without_an_optimizer():
    problem = classifier(opt=mg.SGD(1e-9))
    assert "lr_low" in [f.name for f in problem.diagnosed().findings]
    problem.opt = None
    kinds = [f.kind for f in problem.diagnosed().findings]
    assert "steps" not in kinds
