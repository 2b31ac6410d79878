"""D2, the dead ReLU: a unit with z <= 0 on every sample gets no gradient, and plain GD cannot wake it.

Statement. If z_k <= 0 on all samples, row k of the weights' gradient and its bias's gradient are exactly 0.
In the first layer, whose inputs do not move, plain gradient descent on the same data therefore leaves that
row as it is for ever, and the unit stays dead. What can still move a dead row: momentum and Adam, which
remember gradients from before its death, weight decay, and in deeper layers the inputs, which move under it.

Imprecise in its usual form: weight decay moves the row but does not wake the unit. Decay multiplies w and b
by the same factor below 1 and above 0, so z keeps its sign. A unit is woken by decay only where w and b decay
differently (a bias exempt from decay), or where rounding decides the sign of z.

Floats. Exactly 0 and not one bit moved: delta is multiplied by a slope of exactly 0. (Infinite or NaN deltas
apart.)

Converse. Found: a dead unit moved by momentum and woken, by Adam's memory and woken, moved by weight decay,
woken by moving inputs. A leaky unit is never dead.
"""

import contextlib

import numpy as np
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


@given(nets_with_a_dead_unit(), st.floats(1e-3, 1), st.integers(1, 5))
def test_plain_gradient_descent_never_moves_it(problem, lr, batch_size):
    net, loss, x, y = problem
    row, bias = net[0].weight[0].tobytes(), net[0].bias[0].tobytes()
    # A run that diverges keeps the weights of its last finite epoch.
    with np.errstate(all="ignore"), contextlib.suppress(mg.DivergenceError):
        mg.fit(net, loss, mg.SGD(lr), x, y, epochs=10, batch_size=batch_size, rng=0, progress=False)
    assert (net[0].weight[0].tobytes(), net[0].bias[0].tobytes()) == (row, bias)
    assert dead_units(mg.Sequential(*net[:2]), x)["1"][0]  # the layers above may have gone astronomic


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


@given(st.floats(0.01, 2), st.floats(-3, -0.01), st.floats(0.01, 0.9))
def test_converse_weight_decay_moves_it_but_does_not_wake_it(w, b, decay):
    net, x, y = one_unit(-w, b), np.array([[0.5], [2.0]]), np.zeros((2, 1))
    opt = mg.SGD(0.5, weight_decay=decay)
    for _ in range(50):
        opt.step(net, mg.backprop(net, mg.MSELoss(), x, y))
        assert dead_units(net, x)["1"][0]
    assert net[0].weight[0, 0] != -w
    assert -w < net[0].weight[0, 0] <= 0


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
