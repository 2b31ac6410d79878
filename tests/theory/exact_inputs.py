"""Inputs of a layer whose second moment is known exactly, and gradient descent on them, for C4 to C8."""

import numpy as np
from hypothesis import strategies as st

import minigrad as mg
from minigrad.layers.activations import ACTIVATIONS


def iid_inputs(J, mean, spread):
    """(N, J) with H = spread^2 I + mean^2 1 1^T: what iid units have on average, these few samples have
    exactly.

    mean + spread times J columns of a Hadamard matrix, which are orthogonal to one another and to the ones.
    """
    hadamard = np.ones((1, 1))
    while len(hadamard) <= J:
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    return mean + spread * hadamard[:, 1 : J + 1]


def r_squared(kind):
    """(mean / standard deviation)^2 of an activation of z ~ N(0, 1)."""
    mean, spread = ACTIVATIONS[kind]().moments()
    return (mean / spread) ** 2


def descend(a, lr, steps, start, bias=False, target=None):
    """The errors e_t = w_t - w* (J,), or (J+1,) with the bias, of full-batch GD on (w.a + b - y)^2 / 2:
    (steps+1, J).

    Through Linear, backprop and SGD. MSELoss has twice that curvature, so SGD gets half of lr. Stops early
    when the error is below target times its beginning.
    """
    J = a.shape[1]
    net, opt = mg.Sequential(mg.Linear(J, 1, bias=bias, init="zeros")), mg.SGD(lr / 2)
    weight, offset = net[0].weight, net[0].bias
    weight[0] = start[:J]
    if bias:
        offset[:] = start[J]
    y, errors = np.zeros((len(a), 1)), [np.array(start, float)]
    for _ in range(steps):
        opt.step(net, mg.backprop(net, mg.MSELoss(), a, y))
        errors.append(np.concatenate([weight[0], offset]) if bias else weight[0].copy())
        if target is not None and np.linalg.norm(errors[-1]) <= target * np.linalg.norm(start):
            break
    return np.array(errors)


def steps_to(a, lr, target, start, bias=False, most=20000):
    """How many steps until |e| <= target |e_0|."""
    return len(descend(a, lr, most, start, bias, target)) - 1


# (J, mean, spread): r^2 J from nearly 0 to about 300
iid_cases = st.tuples(st.integers(2, 12), st.floats(-2, 2), st.floats(0.4, 2))
