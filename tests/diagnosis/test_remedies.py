"""Remedies: apply() makes copies, its code is Python that does the same, and the finding is gone afterwards."""

import copy
import functools

import numpy as np
import pytest
from kinds_of_problems import AT_EACH, POSITIONS
from oracles import same_bits
from rule_cases import CE, CLASS, MSE, VALUE, YES, Problem, X, classifier, linear, regressor, relu, sequential
from test_rules import CASES

import minigrad as mg

BY_HAND = ("one_class", "unused_outputs", "labels")  # what only a person can mend
MENDED = [name for name in CASES if name not in BY_HAND]
# Code that shows what to write, not what to run: it names sizes that only the reader knows, or a method of his loss.
ONLY_SHOWN = {
    "symmetry", "dead_units", "saturation", "vanishing", "exploding", "blind_units", "no_activation", "no_bias",
    "bottleneck", "dropout", "batchnorm_statistics", "sum_loss", "wrong_delta",
}  # fmt: skip
WITHOUT_CODE = {"nan_weights", "diverges", "stuck"}


def finding(name, problem):
    (found,) = [f for f in problem.diagnosed().findings if f.name == name]
    return found


@functools.cache
def case(name):
    """(problem, finding) of the case of a name; nobody may write into them."""
    problem = CASES[name].has()
    return problem, finding(name, problem)


def state_of(p):
    """All of a problem, or of a setup, as values that can be compared."""
    opt = p.opt
    return {
        "net": {name: array.tobytes() for name, array in p.net.state().items()},
        "layers": repr(p.net),
        "loss": (repr(p.loss), {k: repr(v) for k, v in vars(p.loss).items()}),
        "opt": opt and (repr(opt.config()), opt.lr, opt.steps, len(opt.state)),
        "x": (np.shape(p.x), np.asarray(p.x).tobytes()),
        "y": (np.shape(p.y), np.asarray(p.y).tobytes()),
    }


def spoil(s):
    """Write into everything that can be written to."""
    for array in s.net.state().values():
        array[...] = 77
    for layer in s.net:
        layer.training = not layer.training
    s.net.layers.clear()
    s.loss.spoiled = True
    if s.opt is not None:
        s.opt.lr = 77
        s.opt.state["spoiled"] = ()
    s.x[...], s.y[...] = 7, 1


@pytest.mark.parametrize("name", MENDED)
def test_apply_gives_copies(name):
    problem = CASES[name].has()
    before = state_of(problem)
    modes = [layer.training for layer in problem.net]
    found = finding(name, problem)
    made = found.apply()
    first = state_of(made)
    for mine, new in ((problem.x, made.x), (problem.y, made.y)):
        assert not np.shares_memory(mine, new)
    assert made.net is not problem.net
    assert made.loss is not problem.loss
    spoil(made)
    assert state_of(problem) == before
    assert [layer.training for layer in problem.net] == modes
    assert state_of(found.apply()) == first


def test_the_names_without_a_remedy_are_those_that_say_so():
    for name in CASES:
        assert (case(name)[1].apply is None) == (name not in MENDED), name


def run(code, problem):
    """What a reader has after running the code of a finding: (net, loss, opt, x, y, batch_size, epochs)."""
    p = copy.deepcopy(problem)
    given = {"batch_size": 32, "epochs": None} | {k: v for k, v in p.options.items() if k in ("batch_size", "epochs")}
    names = {"np": np, "mg": mg, "net": p.net, "loss": p.loss, "opt": p.opt, "x": p.x, "y": p.y} | given
    exec(code, names)
    return names


def check_code(found, problem):
    """The code does what apply() does."""
    made, by_hand = found.apply(), run(found.code, problem)
    np.testing.assert_allclose(by_hand["x"], made.x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(by_hand["y"], made.y, rtol=1e-12, atol=1e-12)
    assert (by_hand["batch_size"], by_hand["epochs"]) == (made.batch_size, made.epochs)
    assert repr(by_hand["loss"]) == repr(made.loss)
    assert repr(by_hand["net"]) == repr(made.net)
    assert same_bits(by_hand["net"].state_dict(), made.net.state_dict())
    if made.opt is not None:
        assert by_hand["opt"].lr == made.opt.lr
        settings = [{k: v for k, v in opt.config().items() if k != "lr"} for opt in (by_hand["opt"], made.opt)]
        assert settings[0] == settings[1]
    before, after = state_of(problem), state_of(made)
    sizes = (problem.options.get("batch_size", 32), problem.options.get("epochs"))
    assert before != after or sizes != (made.batch_size, made.epochs)


@pytest.mark.parametrize("name", [name for name in MENDED if name not in ONLY_SHOWN | WITHOUT_CODE])
def test_the_code_does_what_apply_does(name):
    problem, found = case(name)
    check_code(found, problem)


@pytest.mark.parametrize("name", sorted(ONLY_SHOWN))
def test_code_that_is_only_shown_is_python(name):
    _, found = case(name)
    assert compile(found.code, name, "exec").co_code
    assert found.code.strip()


def positions(scale=1.0, shift=0.0):
    return Problem(relu(4, 16, 3), CE, scale * POSITIONS + shift, AT_EACH, mg.Adam(0.01))


BESIDES = {  # the code where a remedy has another form than in the cases of the rules
    "unscaled_input, positions": lambda: positions(1000),
    "mean_input, positions": lambda: positions(shift=10),
    "uneven_features, positions": lambda: positions(np.array([1, 1, 1, 1000.0])),
    "unscaled_input, a constant feature": lambda: classifier(1000 * X * [1, 1, 1, 0]),
    "unscaled_target, positions": lambda: Problem(relu(4, 16, 2), MSE, POSITIONS, 1e3 * POSITIONS[..., :2], mg.Adam()),
    "unscaled_target, a constant target": lambda: regressor(
        y=np.column_stack([1e3 * VALUE, 0 * VALUE]), net=relu(4, 16, 2)
    ),
    "imbalance, probabilities": lambda: classifier(y=np.eye(3)[(X[:, 0] > 2) * 1 + (X[:, 1] > 2)]),
    "imbalance, yes or no": lambda: Problem(
        relu(4, 16, 1), mg.BCEWithLogitsLoss(), X, (X[:, :1] > 1.8) * 1.0, mg.Adam(0.01)
    ),
    "one_sample, in y": lambda: regressor(y=np.where(np.arange(300)[:, None] == 9, 1e4, VALUE)),
    "one_sample, batches of one": lambda: regressor(
        X * np.where(np.arange(300)[:, None] == 9, 20, 1), net=sequential(linear(4, 1)), opt=mg.SGD(0.05), batch_size=1
    ),
    "momentum, Adam": lambda: classifier(opt=mg.Adam(0.01, betas=(0.999, 0.999))),
    "momentum, Nesterov": lambda: classifier(opt=mg.SGD(0.1, momentum=0.99, nesterov=True)),
    "weight_decay, AdamW": lambda: classifier(opt=mg.AdamW(0.01, weight_decay=1.0)),
    "lr_low, Adam": lambda: classifier(opt=mg.Adam(1e-7)),
    "loud_start, nested": lambda: loud(sequential(linear(4, 8), sequential(mg.Tanh(), linear(8, 3, 1)))),
    "loud_start, no bias": lambda: loud(sequential(linear(4, 8), mg.Tanh(), linear(8, 3, 1, bias=False))),
    "saturation, of the output": lambda: saturated_end(),
    "mse_on_probabilities, classes": lambda: classifier(
        y=np.eye(3)[CLASS], net=sequential(*relu(4, 16, 3), mg.Sigmoid())
    ),
}  # fmt: skip


def loud(net):
    for array in net.parameters().values():
        array *= 20
    return classifier(net=net)


def saturated_end():
    net = sequential(linear(4, 8), mg.Tanh(), linear(8, 1), mg.Sigmoid())
    net[2].weight *= 1000
    return Problem(net, mg.BCELoss(), X, YES, mg.Adam(0.01))


@pytest.mark.parametrize("form", BESIDES)
def test_the_code_in_other_forms(form):
    problem, name = BESIDES[form](), form.partition(",")[0]
    if name == "mse_on_probabilities":
        problem.loss = MSE
    check_code(finding(name, problem), problem)


def test_a_learning_rate_that_was_set_is_the_one_that_is_judged():
    problem, found = case("lr_high")
    mended = copy.deepcopy(problem)
    exec(found.code, {"opt": mended.opt})
    assert mended.opt.lr < problem.opt.lr
    assert "lr_high" not in [f.name for f in mended.diagnosed().findings]


REMAIN = {"diverges": "the loss of this case refuses what the net should learn, from every start"}


@pytest.mark.slow
def test_what_was_mended_is_no_fault_any_more():
    remain = []
    for name in MENDED:
        made = case(name)[1].apply()
        again = mg.diagnose(
            made.net, made.loss, made.x, made.y, made.opt, batch_size=made.batch_size, epochs=made.epochs
        )
        if name in [f.name for f in again.findings if f.level == "fault"]:
            remain.append(name)
    assert sorted(remain) == sorted(REMAIN)
    assert len(remain) <= 0.2 * len(MENDED)


@pytest.mark.parametrize("name", ["unscaled_input", "lr_high", "target_range", "symmetry", "mse_on_probabilities"])
def test_what_was_mended_learns(name):
    """Trained by fit as apply() returns it, it gets far below where it began."""
    made = case(name)[1].apply()
    start = made.loss(made.net(made.x), made.y)
    history = mg.fit(made.net, made.loss, made.opt, made.x, made.y, epochs=20, rng=0, progress=False)
    assert history.loss[-1] < 0.5 * start
