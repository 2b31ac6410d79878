"""C9: a net of sigmoids IS a net of tanhs, trained with a preconditioner.

Statement. sigma(z) = (1 + tanh(z/2)) / 2. So every net of sigmoids computes what a net of tanhs computes,
with W' = W/2, b' = b/2 in the first layer, W' = W/4, b' = b/2 + W 1/4 in hidden layers and W' = W/2, b' = b +
W 1/2 in a linear output layer. As functions the two are one. Gradient descent tells them apart: GD on the
sigmoid net is GD on the tanh net with every hidden row's gradient multiplied by M = (1/16) [[I, 1], [1^T,
J+4]], output rows by four times that, first-layer rows by I/4. kappa(M) = lambda^2 / 4 with lambda = ((J+5) +
sqrt((J+5)^2 - 16)) / 2: about (J+5)^2 / 4.

Proof. A row is mapped by (w', b') = T (w, b) with T linear, so its gradients by g = T^T g', and the step -lr
g becomes the step -lr T T^T g'. For hidden rows T = [[I/4, 0], [1^T/4, 1/2]] and T T^T = M. The eigenvalues
of 16 M are 1 and the two roots of x^2 - (J+5) x + 4.

Floats. Ordinary rounding: three layers, 300 steps of SGD, losses apart by at most 1e-15 or so.

Converse. Without M, or with only its diagonal, the trajectories are found to part.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from strategies import seeds

import minigrad as mg
from minigrad.diagnostics import precondition, tanh_twin, twin_preconditioner


@st.composite
def sigmoid_nets(draw, hidden=(0, 3)):
    """(net, x, y): sigmoids between Linear layers, some without bias, random biases; y class numbers."""
    rng = np.random.default_rng(draw(seeds))
    widths = draw(st.lists(st.integers(1, 5), min_size=hidden[0] + 2, max_size=hidden[1] + 2))
    widths[-1] = max(widths[-1], 2)  # the cross-entropy needs two outputs
    layers = []
    for J, K in itertools.pairwise(widths):
        layers += [mg.Linear(J, K, bias=draw(st.booleans()), rng=rng), mg.Sigmoid()]
    net = mg.Sequential(*layers[:-1])
    for parameter in net.parameters().values():
        parameter += 0.5 * rng.standard_normal(parameter.shape)
    return net, rng.standard_normal((4, widths[0])), rng.integers(0, widths[-1], 4)


@given(sigmoid_nets())
def test_the_same_outputs(problem):
    net, x, _ = problem
    twin = tanh_twin(net)
    assert not any(isinstance(layer, mg.Sigmoid) for layer in twin)
    np.testing.assert_allclose(twin(x), net(x), rtol=1e-12, atol=1e-13)


def losses(net, x, y, steps, matrices=None, lr=0.3, optimizer=mg.SGD):
    """The loss before each of some full-batch steps, gradients preconditioned if matrices are given."""
    opt, found = optimizer(lr), []
    for _ in range(steps):
        bp = mg.backprop(net, mg.CrossEntropyLoss(), x, y)
        opt.step(net, bp if matrices is None else precondition(bp, matrices))
        found.append(bp.loss)
    return np.array(found)


@given(sigmoid_nets(), st.floats(0.01, 1), st.sampled_from((0.0, 0.9)))
def test_the_same_training_with_the_preconditioner(problem, lr, momentum):
    """Momentum too: it is linear in the gradients. Layers without bias included: the twin's bias then moves
    with W.
    """
    net, x, y = problem
    twin, matrices = tanh_twin(net), twin_preconditioner(net)

    def optimizer(lr):
        return mg.SGD(lr, momentum=momentum)

    first = losses(net, x, y, 15, lr=lr, optimizer=optimizer)
    second = losses(twin, x, y, 15, matrices, lr=lr, optimizer=optimizer)
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(tanh_twin(net)(x), twin(x), atol=1e-9)


@pytest.mark.parametrize("J", [1, 2, 10, 100, 500])
def test_the_preconditioner_and_its_condition(J):
    matrices = twin_preconditioner(mg.mlp([J, J, J, 2], "sigmoid", rng=0))
    hidden = np.block([[np.eye(J), np.ones((J, 1))], [np.ones((1, J)), np.full((1, 1), J + 4.0)]]) / 16
    np.testing.assert_allclose(matrices["0"], np.eye(J + 1) / 4, atol=1e-15)
    np.testing.assert_allclose(matrices["2"], hidden, atol=1e-15)
    np.testing.assert_allclose(matrices["4"], 4 * hidden, atol=1e-15)
    values = np.linalg.eigvalsh(matrices["2"])
    root = ((J + 5) + math.sqrt((J + 5) ** 2 - 16)) / 2
    assert values[-1] / values[0] == pytest.approx(root**2 / 4, rel=1e-8)
    assert root**2 / 4 == pytest.approx((J + 5) ** 2 / 4, rel=10 / (J + 5) ** 2)


def three_layers():
    rng = np.random.default_rng(0)
    return mg.mlp([8, 16, 16, 3], "sigmoid", rng=0), rng.standard_normal((64, 8)), rng.integers(0, 3, 64)


def test_figure_300_steps():
    net, x, y = three_layers()
    twin, matrices = tanh_twin(net), twin_preconditioner(net)
    assert abs(losses(net, x, y, 300) - losses(twin, x, y, 300, matrices)).max() < 5e-15


@pytest.mark.parametrize("change", ["no M", "only the diagonal of M", "M of a hidden layer everywhere"])
def test_converse_without_the_preconditioner_they_part(change):
    def parts(problem):
        net, x, y = problem
        twin, matrices = tanh_twin(net), twin_preconditioner(net)
        if change == "no M":
            matrices = None
        elif change == "only the diagonal of M":
            matrices = {path: np.diag(np.diag(M)) for path, M in matrices.items()}
        else:
            matrices = matrices | {path: M / 4 for path, M in matrices.items() if path == str(len(net) - 1)}
        first, second = losses(net, x, y, 15), losses(twin, x, y, 15, matrices)
        return math.isclose(first[0], second[0], rel_tol=1e-12) and abs(first - second).max() > 1e-3

    quick = settings(max_examples=200, phases=[Phase.generate], database=None)
    find(sigmoid_nets(hidden=(1, 2)), parts, settings=quick)
