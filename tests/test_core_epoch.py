"""The fused epoch of the compiled core, beside a loop over the functions that it is made of."""

import numpy as np
import pytest
from epochs import run_epoch, train_epoch
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import DTYPES, outputs_and_targets, seeds

from minigrad.kernels import twin

LOSSES = ("mse", "huber", "bce", "bce_with_logits", "cross_entropy", "soft_cross_entropy")
LR = 0.125
ALPHA = 0.75  # of huber


def random_net(J, K, loss, dtype, seed):
    """[(weight, bias), ...] of three layers, and the activation behind each."""
    rng = np.random.default_rng(seed)
    widths = [(5, J), (5, 5), (K, 5)]
    weights = [(0.5 * rng.standard_normal(shape), 0.1 * rng.standard_normal(shape[0])) for shape in widths]
    kinds = ["tanh", "silu", "sigmoid" if loss == "bce" else "identity"]
    return [tuple(array.astype(dtype) for array in pair) for pair in weights], kinds


def step_by_step(core, net, kinds, loss, x, y, order, batch_size):
    """One epoch of SGD by the functions of a core, with a short cut about the second layer -> the sum of the losses."""
    total = 0.0
    for start in range(0, len(x), batch_size):
        some = order[start : start + batch_size]
        inputs, saved = [x[some]], []
        for i, ((weight, bias), kind) in enumerate(zip(net, kinds, strict=True)):
            z = core.affine(inputs[-1], weight, bias)
            a = core.activation(kind, z)
            saved.append(a if kind in ("tanh", "sigmoid") else z)
            inputs.append(inputs[-1] + a if i == 1 else a)
        value, delta = getattr(core, loss)(inputs[-1], y[some], *[ALPHA] * (loss == "huber"))
        total += value
        for i in (2, 1, 0):
            weight, bias = net[i]
            short_cut, delta = delta, core.activation_backward(kinds[i], delta, saved[i])
            steps = (weight, core.weight_gradient(delta, inputs[i])), (bias, core.bias_gradient(delta))
            delta = core.propagate(delta, weight)
            if i == 1:
                delta = short_cut + delta
            for array, gradient in steps:
                core.sgd(array, gradient, None, LR, 0.0, False, 0.0)
    return total


def fused(compiled, net, kinds, loss, x, y, order, batch_size):
    layers = [[("linear", *pair, (), ()), (kind, 0.0)] for pair, kind in zip(net, kinds, strict=True)]
    ops = [*layers[0], ("fork", 5), *layers[1], ("join", 2), *layers[2]]
    return train_epoch(compiled, ops, loss, 0.5, "sgd", (LR, 0.0, 0.0, 0.0), 3, x, y, order, batch_size, ALPHA)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
@given(
    N=st.integers(1, 12), positions=st.lists(st.integers(1, 7), max_size=2), J=st.integers(1, 9), K=st.integers(1, 9),
    batch_size=st.integers(1, 14), seed=seeds,
)  # fmt: skip
@example(N=5, positions=[], J=3, K=2, batch_size=2, seed=0)
@example(N=5, positions=[1], J=3, K=2, batch_size=2, seed=0)
@example(N=5, positions=[300], J=3, K=2, batch_size=2, seed=0)  # 600 rows in a batch
@example(N=60, positions=[9, 40], J=9, K=2, batch_size=2, seed=0)  # rows fetched ahead
def test_an_epoch_is_the_loop_over_its_kernels(compiled, loss, dtype, N, positions, J, K, batch_size, seed):
    rng = np.random.default_rng(seed)
    x, order = rng.standard_normal((N, *positions, J)).astype(dtype), rng.permutation(N)
    y = outputs_and_targets(loss, N * int(np.prod(positions)), K, rng)[1]
    y = (y if loss == "cross_entropy" else y.astype(dtype)).reshape(N, *positions, *y.shape[1:])
    nets = [random_net(J, K, loss, dtype, seed) for _ in range(3)]
    arrays = [[array for pair in net for array in pair] for net, _ in nets]
    total, _, steps, finite = fused(compiled, *nets[0], loss, x, y, order, batch_size)
    assert (steps, finite) == (-(-N // batch_size), True)  # batch_size counts samples
    assert total == step_by_step(compiled, *nets[1], loss, x, y, order, batch_size)
    assert [a.tobytes() for a in arrays[0]] == [a.tobytes() for a in arrays[1]]

    expected = step_by_step(twin, *nets[2], loss, x, y, order, batch_size)
    rtol = 1e-9 if dtype is np.float64 else 1e-3
    assert total == pytest.approx(expected, rel=rtol, abs=rtol)
    for ours, theirs in zip(arrays[0], arrays[2], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("loss", LOSSES)
def test_right_answers_are_counted_at_every_position(compiled, loss):
    x = np.array([[[2.0, 1], [0, 3], [1, 1]], [[-1, 0], [5, 4], [0, 0.75]]])  # (2, 3, 2), and the net passes it on
    weight = np.eye(2)
    y = np.array([[0, 0, 0], [1, 0, 1]]) if loss == "cross_entropy" else np.eye(2)[[[0, 0, 0], [1, 0, 1]]]
    y = y.astype(np.int64) if loss == "cross_entropy" else y
    output = 1 / (1 + np.exp(-x)) if loss == "bce" else x
    ops = [("linear", weight, None, (), ()), *[("sigmoid", 0.0)] * (loss == "bce")]
    right = train_epoch(compiled, ops, loss, 0.5, "sgd", (1e-300, 0.0, 0.0, 0.0), 0, x, y, np.arange(2), 2)[1]
    of_entries = ((output > 0.5) == (y > 0.5)).sum() if "bce" in loss else 0
    assert right == {"mse": 0, "huber": 0, "cross_entropy": 5, "soft_cross_entropy": 5}.get(loss, of_entries)


X = np.ones((4, 3, 2))
GOOD = {
    "ops": [("linear", np.ones((3, 2)), np.ones(3), (), ())], "loss": "mse", "threshold": 0.0, "optimizer": "sgd",
    "rates": (0.0, 0.0, 0.0, 0.0), "steps": 0, "x": X, "y": np.ones((4, 3, 3)), "order": np.arange(4), "batch_size": 2,
}  # fmt: skip
CLASSES = {"loss": "cross_entropy"}
REFUSED = {
    "no positions": {"x": X[:, :0], "y": np.ones((4, 0, 3))},
    "targets without positions": {"y": np.ones((4, 3))},
    "targets of other positions": {"y": np.ones((4, 2, 3))},
    "targets of fewer samples": {"y": np.ones((3, 3, 3))},
    "narrow targets": {"y": np.ones((4, 3, 2))},
    "classes without positions": {**CLASSES, "y": np.zeros(4, np.int64)},
    "classes of other positions": {**CLASSES, "y": np.zeros((4, 2), np.int64)},
    "classes along too many axes": {**CLASSES, "y": np.zeros((4, 3, 1), np.int64)},
    "a class too large": {**CLASSES, "y": np.full((4, 3), 3)},
    "an order of positions": {"order": np.arange(12)},
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_epoch_at_positions_that_does_not_fit_is_refused(compiled, case):
    assert train_epoch(compiled, *GOOD.values())[2:] == (2, True)
    with pytest.raises((TypeError, ValueError), match="x|y|order|classes|train on"):
        train_epoch(compiled, *(GOOD | REFUSED[case]).values())


def test_a_program_runs_many_epochs_with_rates_of_their_own(compiled):
    """Compiled once, or anew for each epoch: the same bits."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, 2, 3)), rng.standard_normal((7, 2, 3))
    left = []
    for compiled_once in (True, False):
        w, v = np.eye(3), np.zeros((3, 3))
        ops = [("linear", w, None, (v,), ()), ("tanh", 0.0)]
        program = compiled.Program(ops, "mse", 0.0, 0.0, "sgd", x, 3)
        for epoch in range(3):
            if not compiled_once:
                program = compiled.Program(ops, "mse", 0.0, 0.0, "sgd", x, 3)
            result = run_epoch(
                program, x, y, np.roll(np.arange(7), epoch), (0.1 / (1 + epoch), 0.9, 0.0, 0.0), 3 * epoch
            )
        left.append((w.tobytes(), v.tobytes(), result))
    assert left[0] == left[1]
    assert left[0][2][2:] == (3, True)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"x": X[:3], "y": np.ones((3, 3, 3)), "order": np.arange(3)}, "x has shape"),
        ({"x": X[:, 0].copy(), "y": np.ones((4, 3))}, "x has 2 dimensions"),
        ({"x": X.astype(np.float32)}, "x has dtype"),
        ({"rates": (0.0, 0.9, 0.0, 0.0)}, "momentum is 0.9, with 0 arrays"),
        ({"rates": (0.0, 0.0, 0.0)}, "the number of rates"),
    ],
)
def test_what_a_program_was_not_compiled_for_is_refused(compiled, change, word):
    program = compiled.Program(GOOD["ops"], "mse", 0.0, 0.0, "sgd", X, 2)
    given = {name: GOOD[name] for name in ("x", "y", "order", "rates", "steps")}
    with pytest.raises((TypeError, ValueError), match=word):
        run_epoch(program, *(given | change).values())
    assert run_epoch(program, *given.values())[2:] == (2, True)


def test_a_program_of_momentum_needs_momentum(compiled):
    program = compiled.Program([("linear", np.ones((3, 2)), None, (np.ones((3, 2)),), ())], "mse", 0, 0, "sgd", X, 2)
    with pytest.raises(ValueError, match="momentum is 0.0, with 1 arrays"):
        run_epoch(program, *(GOOD[name] for name in ("x", "y", "order", "rates", "steps")))
