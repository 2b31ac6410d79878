"""The optimisers against their formulas, written out by hand, over several steps."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import snapshot
from strategies import DTYPES, seeds

import minigrad as mg


def sgd(w, gradients, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    v = 0.0
    for g in gradients:
        g = g + weight_decay * w
        v = momentum * v + g
        w = w - lr * (g + momentum * v if nesterov else v)
    return w


def rmsprop(w, gradients, lr, alpha=0.99, eps=1e-8, weight_decay=0.0):
    s = 0.0
    for g in gradients:
        g = g + weight_decay * w
        s = alpha * s + (1 - alpha) * g * g
        w = w - lr * g / (math.sqrt(s) + eps)
    return w


def adam(w, gradients, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        if decoupled:
            w = w - lr * weight_decay * w
        else:
            g = g + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        w = w - lr * (m / (1 - betas[0] ** t)) / (math.sqrt(v / (1 - betas[1] ** t)) + eps)
    return w


def adamw(w, gradients, lr, weight_decay=0.01, **others):
    return adam(w, gradients, lr, weight_decay=weight_decay, decoupled=True, **others)


RULES = [  # optimiser, its formula, the arguments of both
    (mg.SGD, sgd, {"lr": 0.1}),
    (mg.SGD, sgd, {"lr": 0.1, "weight_decay": 0.3}),
    (mg.SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    (mg.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.3}),
    (mg.RMSprop, rmsprop, {"lr": 0.01}),
    (mg.RMSprop, rmsprop, {"lr": 0.1, "alpha": 0.5, "eps": 0.1, "weight_decay": 0.3}),
    (mg.Adam, adam, {"lr": 0.001}),
    (mg.Adam, adam, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 0.1, "weight_decay": 0.3}),
    (mg.AdamW, adamw, {"lr": 0.001}),
    (mg.AdamW, adamw, {"lr": 0.1, "betas": (0.5, 0.7), "weight_decay": 0.3}),
]


def net_of_one_weight(w, dtype=np.float64):
    net = mg.Sequential(mg.Linear(1, 1, bias=False, dtype=dtype))
    net[0].weight[:] = w
    return net


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("make", "formula", "arguments"), RULES)
@given(st.floats(-3, 3), st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=6))
def test_the_rule_by_hand(make, formula, arguments, dtype, w, gradients):
    net, opt = net_of_one_weight(w, dtype), make(**arguments)
    for gradient in gradients:
        opt.step(net, {"0.weight": np.full((1, 1), gradient, dtype)})
    exact = dtype == np.float64
    expected = formula(w, gradients, **arguments)
    assert net[0].weight.item() == pytest.approx(expected, rel=1e-10 if exact else 1e-4, abs=1e-12 if exact else 1e-4)
    assert opt.steps == len(gradients)


@pytest.mark.parametrize(("make", "_", "arguments"), RULES)
@given(seeds)
def test_each_weight_is_on_its_own_and_each_name_has_its_own_state(make, _, arguments, seed):
    rng = np.random.default_rng(seed)
    net, opt = mg.mlp([3, 4, 2], rng=seed), make(**arguments)
    starts, gradients = net.state_dict(), []
    for _ in range(3):
        gradients.append({name: rng.standard_normal(array.shape) for name, array in starts.items()})
        opt.step(net, gradients[-1])
    for name, array in net.parameters().items():
        for i in ((0,) * array.ndim, (-1,) * array.ndim):
            alone, other = net_of_one_weight(starts[name][i]), make(**arguments)
            for g in gradients:
                other.step(alone, {"0.weight": g[name][i].reshape(1, 1)})
            assert alone[0].weight.item() == pytest.approx(array[i], rel=1e-12, abs=1e-14)
    kept = {name: tuple(array.shape for array in arrays) for name, arrays in opt.state.items() if arrays}
    assert kept == ({n: (a.shape,) * len(opt.slots) for n, a in starts.items()} if opt.slots else {})


def test_a_first_step_goes_downhill_and_takes_a_backprop_or_its_gradients(rng):
    x, y, loss = rng.standard_normal((8, 3)), rng.standard_normal((8, 2)), mg.MSELoss()
    for make, _, arguments in RULES:
        nets = [mg.mlp([3, 4, 2], rng=0) for _ in range(2)]
        start, bp, opt = nets[0].state_dict(), mg.backprop(nets[0], loss, x, y), make(**arguments)
        opt.step(nets[0], bp)
        make(**arguments).step(nets[1], bp.parameter_gradients())
        assert snapshot(nets[0]) == snapshot(nets[1])
        moved = {name: array - start[name] for name, array in nets[0].parameters().items()}
        decay = arguments.get("weight_decay", 0)  # it pulls weights to 0, and that too is downhill: of decay w^2 / 2
        for name, g in bp.parameter_gradients().items():
            if make is mg.AdamW:
                moved[name] += opt.lr * opt.weight_decay * start[name]  # there it is a step of its own
                slope = g
            else:
                slope = g + decay * start[name]
            assert (slope * moved[name] < 0).all()


def test_the_gradient_is_not_written_to():
    for make, _, arguments in RULES:
        net, gradient = net_of_one_weight(1.0), np.ones((1, 1))
        gradient.setflags(write=False)
        opt = make(**arguments)
        for _ in range(2):
            opt.step(net, {"0.weight": gradient})


@pytest.mark.parametrize(("make", "_", "arguments"), RULES)
def test_repr_reads_back(make, _, arguments):
    opt = make(**arguments)
    again = eval(repr(opt), vars(mg))
    assert repr(again) == repr(opt)
    assert again.config() == opt.config()
    assert arguments.items() <= opt.config().items()


@pytest.mark.parametrize(
    ("make", "arguments", "text"),
    [
        (mg.SGD, (0.1,), "SGD(lr=0.1, weight_decay=0.0, momentum=0.0, nesterov=False)"),
        (mg.RMSprop, (), "RMSprop(lr=0.01, weight_decay=0.0, alpha=0.99, eps=1e-08)"),
        (mg.Adam, (), "Adam(lr=0.001, weight_decay=0.0, betas=(0.9, 0.999), eps=1e-08)"),
        (mg.AdamW, (), "AdamW(lr=0.001, weight_decay=0.01, betas=(0.9, 0.999), eps=1e-08)"),
    ],
)
def test_the_defaults_are_pytorchs(make, arguments, text):
    assert repr(make(*arguments)) == text


def test_an_optimizer_of_ones_own_needs_update_only():
    class Signs(mg.Optimizer):
        def update(self, weight, gradient, slots):
            weight -= self.lr * np.sign(gradient)

    net = net_of_one_weight(1.0)
    Signs(lr=0.25, weight_decay=0).step(net, {"0.weight": np.array([[-7.0]])})
    assert net[0].weight.item() == 1.25
    with pytest.raises(NotImplementedError, match=r"Optimizer\.update"):
        mg.Optimizer(0.1, 0).step(net, {"0.weight": np.ones((1, 1))})


BAD = [
    (lambda: mg.SGD(0), "lr is 0, expected a finite number in (0, inf]"),
    (lambda: mg.SGD(math.nan), "lr is nan"),
    (lambda: mg.Adam(lr=-1), "lr is -1"),
    (lambda: mg.SGD(0.1, momentum=1), "momentum is 1, expected a finite number in [0, 1)"),
    (lambda: mg.SGD(0.1, nesterov=True), "nesterov needs a momentum"),
    (lambda: mg.SGD(0.1, weight_decay=-1), "weight_decay is -1"),
    (lambda: mg.RMSprop(alpha=1), "alpha is 1"),
    (lambda: mg.RMSprop(eps=0), "eps is 0"),
    (lambda: mg.Adam(betas=(0.9, 1)), "betas[1] is 1"),
    (lambda: mg.Adam(betas=(-0.1, 0.9)), "betas[0] is -0.1"),
    (lambda: mg.Adam(betas=(1, 0.9)), "betas[0] is 1"),
    (lambda: mg.Adam(eps=0), "eps is 0"),
    (lambda: mg.Adam(eps=-1), "eps is -1"),
    (lambda: mg.AdamW(eps=math.inf), "eps is inf"),
    (lambda: mg.SGD("0.1"), "lr must be a number, not '0.1'"),
    (lambda: mg.SGD(True), "lr must be a number, not True"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_arguments(make, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    assert str(caught.value).startswith(message)


STEPS = [  # gradients that do not fit a Linear(2, 3), beside a good one that must not be applied either
    (
        {"1.weight": np.ones((3, 2))},
        KeyError,
        "the net has no parameter '1.weight'; it has ['0.weight', '0.bias']",
    ),
    ({"0.weight": np.ones((2, 3))}, ValueError, "gradient '0.weight' has shape (2, 3), expected (3, 2)"),
    ({"0.weight": np.ones((3, 2), complex)}, TypeError, "gradient '0.weight' has dtype complex128"),
]


@pytest.mark.parametrize(("gradients", "error", "message"), STEPS, ids=[message for *_, message in STEPS])
@pytest.mark.parametrize("opt", [mg.SGD(0.1), mg.SGD(0.1, momentum=0.9), mg.Adam()], ids=repr)
def test_a_step_that_does_not_fit_changes_nothing(opt, gradients, error, message):
    net = mg.Sequential(mg.Linear(2, 3, rng=0))
    before = snapshot(net, opt)
    with pytest.raises(error) as caught:
        opt.step(net, {"0.bias": np.ones(3)} | gradients)
    assert message in str(caught.value)
    assert snapshot(net, opt) == before


def test_a_gradient_of_the_other_float_type_is_converted():
    net = net_of_one_weight(1.0, np.float32)
    mg.SGD(0.5).step(net, {"0.weight": np.ones((1, 1))})
    assert net[0].weight.item() == 0.5
    assert net[0].weight.dtype == np.float32


def test_an_optimizer_belongs_to_one_net():
    opt = mg.SGD(0.1, momentum=0.9)
    opt.step(net_of_one_weight(1.0), {"0.weight": np.ones((1, 1))})
    other = mg.Sequential(mg.Linear(2, 3, rng=0))
    before = snapshot(other, opt)
    with pytest.raises(ValueError, match="state for another net"):
        opt.step(other, {"0.weight": np.ones((3, 2))})
    assert snapshot(other, opt) == before


class OpenEnded(mg.SGD):
    def __init__(self, lr, **others):
        super().__init__(lr)
        self.factor, self._own = others.get("factor", 1), 3


def test_state_is_kept_for_the_parameters_that_were_stepped():
    net, opt = mg.mlp([2, 3, 1], rng=0), mg.SGD(0.1, momentum=0.9)
    opt.step(net, {"0.weight": np.ones((3, 2))})
    assert opt.state.keys() == {"0.weight"}
    opt.step(net, {"0.bias": np.ones(3)})
    assert opt.state.keys() == {"0.weight", "0.bias"}
    np.testing.assert_array_equal(opt.state["0.weight"][0], np.ones((3, 2)))


def test_what_somebody_notes_on_an_optimizer_is_not_in_its_config():
    opt = mg.SGD(0.1)
    opt.note = "mine"
    assert opt.config() == mg.SGD(0.1).config()


def test_config_of_an_optimizer_that_takes_any_argument_has_all_that_is_not_state():
    net = mg.mlp([2, 2], rng=0)
    opt = OpenEnded(0.5, factor=7)
    opt.step(net, mg.backprop(net, mg.MSELoss(), np.ones((3, 2)), np.zeros((3, 2))))
    expected = {"lr": 0.5, "weight_decay": 0.0, "momentum": 0.0, "nesterov": False, "factor": 7}
    assert opt.config() == expected


def test_what_was_kept_in_the_other_float_type_is_converted_for_good():
    net = net_of_one_weight(1.0)
    opt = mg.SGD(0.5, momentum=0.5)
    opt.step(net, {"0.weight": np.ones((1, 1))})
    opt.state["0.weight"] = (np.full((1, 1), 3, np.float32),)
    opt.step(net, {"0.weight": np.ones((1, 1))})
    assert net[0].weight.item() == 1 - 0.5 - 0.5 * (0.5 * 3 + 1)
    assert opt.state["0.weight"][0].dtype == np.float64
