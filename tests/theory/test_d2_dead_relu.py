"""D2, the dead ReLU: a unit with z <= 0 on every sample gets no gradient, and plain GD cannot wake it.

Statement. If z_k <= 0 on all samples (at z = 0 the slope is taken as 0, by convention), row k of the weights'
gradient and its bias's gradient are exactly 0. In the first layer, whose inputs do not move, plain gradient
descent on the same data therefore leaves that row as it is for ever, and the unit stays dead.

Weight decay of weights and bias alike moves the row. In SGD and AdamW, from a state without memory, it multiplies
w and b by one factor c_t at step t, and so z: the unit stays dead exactly as long as no c_t is negative. Plain SGD
and AdamW: c_t = (1 - lr wd)^t, never negative for lr wd <= 1. Momentum beta: c_(t+1) = (1 + beta - lr wd) c_t -
beta c_(t-1), never negative iff lr wd <= (1 - sqrt(beta))^2; Nesterov iff lr wd <= ((1 - beta) / (1 + beta))^2.
(The ratio c_t / c_(t-1) falls towards the larger root of the recurrence where that is real; where the roots are
complex, or one is negative, some c_t is below 0.) Inside Adam and RMSprop the decay moves every entry by about
lr towards 0, whatever its size: that turns the row, and may wake the unit. So may a bias exempt from the decay,
momentum and Adam that remember gradients from before its death, and in deeper layers inputs that move.

Floats. Without decay exactly 0 and not one bit moved: delta is multiplied by a slope of exactly 0. (Infinite or
NaN deltas apart.) With it no entry of w changes its sign; z keeps its own unless it is 0 to rounding.

Converse. Found: units woken by momentum's and Adam's memory, by momentum beyond its limit, by decay inside Adam and
RMSprop, by decay with lr wd > 1, by decay of the weights alone, by moving inputs. A leaky unit is never dead.
"""

import contextlib
import copy

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import DTYPES, LOSSES, arrays, finite, outputs_and_targets, seeds, sizes

import minigrad as mg
from minigrad.diagnostics import dead_units


@st.composite
def nets_with_a_dead_unit(draw):
    """(net, loss, x, y): unit 0 of the first layer has z <= 0 on all samples; any moderate floats."""
    dtype = draw(st.sampled_from(DTYPES))
    N, J, H, K = (draw(sizes) for _ in "NJHK")
    name = draw(st.sampled_from(("mse", "bce_with_logits", "cross_entropy")))
    K = max(K, 2) if name == "cross_entropy" else K  # which needs two outputs
    net = mg.mlp([J, H, K], "relu", dtype=dtype, rng=0)
    moderate = finite(dtype, min_value=-4, max_value=4)
    for parameter in net.parameters().values():
        parameter[...] = draw(arrays(dtype, parameter.shape, moderate))
    x = draw(arrays(dtype, (N, J), moderate))
    net[0].bias[0] -= max(0, (net[0].forward(x)[0][:, 0]).max() * dtype(1.5))
    assume((net[0].forward(x)[0][:, 0] <= 0).all())
    return net, LOSSES[name], x, outputs_and_targets(name, N, K, np.random.default_rng(draw(seeds)))[1]


@given(nets_with_a_dead_unit())
def test_its_gradients_are_exactly_zero(problem):
    net, loss, x, y = problem
    assert dead_units(net, x)["1"][0]
    found = mg.backprop(net, loss, x, y)
    assert (found.gradients["0"].delta[:, 0] == 0).all()
    assert (found.gradients["0"].weight[0] == 0).all()
    assert found.parameter_gradients()["0.bias"][0] == 0


def unit_0(net):
    """The bits of its weights and bias, every zero positive: -0 less a step of -0 is 0."""
    return (net[0].weight[0] + 0.0).tobytes(), (net[0].bias[0] + 0.0).tobytes()


@given(nets_with_a_dead_unit(), st.floats(1e-3, 1), st.integers(1, 5))
def test_plain_gradient_descent_never_moves_it(problem, lr, batch_size):
    net, loss, x, y = problem
    before = unit_0(net)
    # A run that diverges keeps the weights of its last finite epoch.
    with np.errstate(all="ignore"), contextlib.suppress(mg.DivergenceError):
        mg.fit(net, loss, mg.SGD(lr), x, y, epochs=10, batch_size=batch_size, rng=0, progress=False)
    assert unit_0(net) == before
    assert dead_units(mg.Sequential(*net[:2]), x)["1"][0]  # the layers above may have gone astronomic


def test_a_negative_zero_loses_its_sign():
    net = one_unit(-1.0, -0.0)
    assert np.signbit(net[0].bias[0])
    mg.fit(net, mg.MSELoss(), mg.SGD(0.5), np.array([[0.5]]), np.array([[1.0]]), epochs=1, progress=False)
    assert net[0].bias[0] == 0
    assert not np.signbit(net[0].bias[0])


# ---- converse: what moves or wakes a dead unit ----------------------------------------------------------


def one_unit(w, b, kind="relu"):
    """x -> relu(w x + b) -> + itself."""
    net = mg.mlp([1, 1, 1], kind, rng=0)
    net[0].weight[...], net[0].bias[...], net[2].weight[...], net[2].bias[...] = w, b, 1, 0
    return net


def alive_again(optimizer):
    """(dead after step, alive after step): a unit is killed by one step on one sample and then left alone.

    It is alive on x = 1 only, and the target pulls it down there. While the memory of that gradient goes on
    pulling, w falls on, which raises z = w x + b on the other sample, x = -4.
    """
    net, x, y = one_unit(0.5, -0.3), np.array([[1.0], [-4.0]]), np.array([[-4.0], [0.0]])
    died = None
    for step in range(200):
        dead = dead_units(net, x)["1"][0]
        if dead and died is None:
            died = step
        if died is not None and not dead:
            return died, step
        optimizer.step(net, mg.backprop(net, mg.MSELoss(), x, y))
    return died, None


def test_converse_momentum_and_adam_remember_and_wake_it():
    for optimizer in (mg.SGD(0.05, momentum=0.9), mg.Adam(0.1), mg.SGD(0.05, momentum=0.9, nesterov=True)):
        died, woke = alive_again(optimizer)
        assert died is not None, optimizer
        assert woke is not None, optimizer
    for optimizer in (mg.SGD(0.05), mg.RMSprop(0.1)):  # no memory of a direction: dead is dead
        died, woke = alive_again(optimizer)
        assert died is not None, optimizer
        assert woke is None, optimizer


# ---- weight decay ---------------------------------------------------------------------------------------

THREE = np.array([[1, 0.1], [1, 0.05], [0.8, 0]])  # on these z = -.5, -.75, -.8 for w = (-1, 5), b = 0


def woken(optimizer, most, x=THREE, w=(-1.0, 5.0), b=0.0):
    """The step after which a dead unit is alive, None for never; and the factors w_t / w_0 (T, J) on the way."""
    net, w, factors = mg.mlp([x.shape[1], 1, 1], "relu", rng=0), np.array(w), []
    net[0].weight[...], net[0].bias[...] = w, b
    for step in range(most + 1):
        factors.append(net[0].weight[0] / w)
        if not dead_units(net, x)["1"][0]:
            return step, np.array(factors)
        optimizer.step(net, mg.backprop(net, mg.MSELoss(), x, np.ones((len(x), 1))))
    return None, np.array(factors)


@st.composite
def dead_rows(draw):
    """(x, w, b): z = x w + b below 0 on all samples, by more than rounding."""
    rng = np.random.default_rng(draw(seeds))
    x, w = rng.standard_normal((3, draw(sizes))), None
    w = rng.standard_normal(x.shape[1])
    return x, w, -(x @ w).max() - draw(st.floats(1e-6, 2))


@given(dead_rows(), st.floats(0.01, 0.99), st.floats(0.01, 10), st.sampled_from((mg.SGD, mg.AdamW)))
def test_decay_by_one_positive_factor_never_wakes_it(row, share, lr, optimizer):
    """share = lr wd: every entry is multiplied by 1 - share, so that no sign turns and z keeps its own."""
    x, w, b = row
    step, factors = woken(optimizer(lr, weight_decay=share / lr), 40, x, w, b)
    assert step is None
    np.testing.assert_allclose(factors, (1 - share) ** np.arange(41)[:, None] * np.ones(len(w)), rtol=1e-11)


limits = {False: lambda beta: (1 - beta**0.5) ** 2, True: lambda beta: ((1 - beta) / (1 + beta)) ** 2}


@given(dead_rows(), st.floats(0.05, 0.95), st.floats(0.05, 0.999), st.booleans())
def test_momentum_does_not_wake_it_up_to_its_limit(row, beta, share, nesterov):
    wd = share * limits[nesterov](beta) / 0.5
    step, factors = woken(mg.SGD(0.5, momentum=beta, nesterov=nesterov, weight_decay=wd), 60, *row)
    assert step is None
    assert (factors > 0).all()


@given(dead_rows(), st.floats(0.05, 0.9), st.floats(1.5, 4), st.booleans())
def test_converse_momentum_beyond_its_limit_wakes_it(row, beta, times, nesterov):
    wd = times * limits[nesterov](beta) / 0.5
    step, factors = woken(mg.SGD(0.5, momentum=beta, nesterov=nesterov, weight_decay=wd), 150, *row)
    assert step is not None
    assert (factors[-1] < 0).all(), "the whole row has gone through 0"
    assert (factors[:-1] >= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (mg.SGD(0.1, weight_decay=0.1), None),
        (mg.AdamW(0.1, weight_decay=0.1), None),
        (mg.Adam(0.01, weight_decay=1e-4), 64),
        (mg.RMSprop(0.01, weight_decay=1e-4), 16),
        (mg.SGD(0.1, momentum=0.9, weight_decay=0.1), 24),
        (mg.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1), 24),
        (mg.SGD(0.1, momentum=0.9, weight_decay=0.026), None),
        (mg.SGD(1.0, weight_decay=1.1), 1),
        (mg.SGD(1.0, weight_decay=1.0), None),  # w = 0: z = 0 counts as dead
    ],
    ids=repr,
)
def test_figures_who_wakes_it(optimizer, expected):
    """The limit of lr wd for momentum .9 is .00263."""
    assert woken(copy.deepcopy(optimizer), 1000)[0] == expected


def test_converse_adam_turns_the_row():
    """Every entry moves by the same amount, not in proportion: w = (-1, 5) becomes (-.43, 4.37)."""
    for optimizer in (mg.Adam(0.01, weight_decay=1e-4), mg.RMSprop(0.01, weight_decay=1e-4)):
        factors = woken(optimizer, 1000)[1]
        assert factors[-1, 0] < 0.5 < 0.8 < factors[-1, 1]
        assert (factors > 0).all(), "no entry has turned its sign, and z has"


def test_converse_decay_of_the_weights_alone_wakes_it():
    """w = -1, b = 0.5, x = 1: dead at z = -0.5. With b exempt from the decay, z tends to b > 0."""
    net, x, y = one_unit(-1.0, 0.5), np.ones((1, 1)), np.zeros((1, 1))
    assert dead_units(net, x)["1"][0]
    opt = mg.SGD(0.5, weight_decay=0.1)
    for _ in range(50):
        gradients = mg.backprop(net, mg.MSELoss(), x, y).parameter_gradients()
        opt.step(net, {name: g for name, g in gradients.items() if name.endswith("weight")})
    assert not dead_units(net, x)["1"][0]


def test_converse_a_deeper_unit_is_woken_by_its_inputs():
    """Unit 0 of the second layer is dead; the first layer learns for the sake of unit 1, and so unit 0 wakes."""
    net = mg.Sequential(mg.Linear(1, 1), mg.ReLU(), mg.Linear(1, 2), mg.ReLU(), mg.Linear(2, 1))
    values = {"0.weight": [[1.0]], "0.bias": [0.0], "2.weight": [[1.0], [1.0]], "2.bias": [-2.0, 0.0]}
    net.load_state_dict({k: np.array(v) for k, v in (values | {"4.weight": [[1.0, 1.0]], "4.bias": [0.0]}).items()})
    x, y = np.ones((1, 1)), np.array([[20.0]])
    assert dead_units(net, x)["3"].tolist() == [True, False]
    mg.fit(net, mg.MSELoss(), mg.SGD(0.005), x, y, epochs=30, progress=False)
    assert dead_units(net, x)["3"].tolist() == [False, False]


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_converse_a_leaky_unit_is_never_dead(w, b):
    net = one_unit(w, b, "leaky_relu")
    assert not dead_units(net, np.array([[1.0], [2.0]]))["1"][0]
