"""Backprop: every delta and every gradient from its definition, and what it must leave alone."""

import copy

import catalogue
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import numeric_gradient, snapshot
from own_layers import LowRank, Scale, Square
from strategies import LOSSES, SMOOTH, outputs_and_targets, problems, seeds

import minigrad as mg


def check_gradients(net, loss, x, y):
    """Every parameter's gradient, and delta of the input, against central differences of C."""
    bp = mg.backprop(net, loss, x, y)
    x = x.copy()

    def C():
        return loss(net.forward(x)[0], y)

    assert bp.loss == C()
    tolerance = {"rtol": 1e-5, "atol": 1e-7 * (1 + abs(bp.loss))}
    ours, parameters = bp.parameter_gradients(), net.parameters()
    assert list(ours) == list(parameters)
    for name, array in parameters.items():
        np.testing.assert_allclose(ours[name], numeric_gradient(C, array), **tolerance, err_msg=name)
    np.testing.assert_allclose(bp.deltas[0] / len(x), numeric_gradient(C, x), **tolerance)


# ---- gradients -------------------------------------------------------------------------------------------


@given(problems())
def test_random_compositions(problem):
    check_gradients(*problem)


@given(problems(kinds=SMOOTH, coupled=True))
def test_random_compositions_with_batchnorm_and_dropout(problem):
    """Through gradcheck, which gives Dropout the same mask each time; test_gradcheck.py tests it."""
    errors = mg.gradcheck(*problem)
    assert list(errors) == [*problem[0].parameters(), "x"]


EVERY_LAYER = [
    *catalogue.activations(),
    *(layer for layer in catalogue.layers() if not (isinstance(layer, mg.Dropout) and layer.training)),
    *(Square(), Scale(4), LowRank(4, 2, 4, np.random.default_rng(0))),
]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("layer", EVERY_LAYER, ids=repr)
def test_every_layer_with_every_loss(layer, name, rng):
    end = [mg.Sigmoid()] if catalogue.LOSSES[name].of_probabilities else []
    net = mg.Sequential(mg.Linear(2, 4, rng=0), copy.deepcopy(layer), mg.Linear(4, 2, rng=3), *end)
    check_gradients(net, LOSSES[name], rng.standard_normal((4, 2)), outputs_and_targets(name, 4, 2, rng)[1])


# ---- deltas ----------------------------------------------------------------------------------------------


@given(problems())
def test_deltas_are_the_derivatives_of_each_samples_loss_by_the_activations(problem):
    net, loss, x, y = problem
    bp = mg.backprop(net, loss, x, y)
    assert len(bp.activations) == len(bp.deltas) == len(net) + 1
    assert bp.output is bp.activations[-1]
    np.testing.assert_array_equal(bp.output, net(x))
    for i, (a, delta) in enumerate(zip(bp.activations, bp.deltas, strict=True)):
        a = a.copy()

        def losses(a=a, layers=net.layers[i:]):
            for layer in layers:
                a = layer.forward(a)[0]
            return np.array([loss(a[n : n + 1], y[n : n + 1]) for n in range(len(a))])

        gradient = numeric_gradient(losses, a)  # (N, width, N): all but the sample's own loss stays
        own = np.einsum("njn->nj", gradient)
        np.testing.assert_allclose(delta, own, rtol=1e-5, atol=1e-6 * (1 + abs(bp.loss)))
        assert np.count_nonzero(gradient) <= np.count_nonzero(own)


def test_deltas_below_a_batchnorm_are_n_times_the_derivative_of_the_mean(rng):
    net = mg.Sequential(mg.Linear(3, 2, rng=0), mg.BatchNorm(2), mg.Tanh())
    x, y, loss = rng.standard_normal((5, 3)), rng.standard_normal((5, 2)), mg.MSELoss()
    bp = mg.backprop(net, loss, x, y)
    for i in range(3):
        a = bp.activations[i].copy()
        rest = mg.Sequential(*net.layers[i:])
        expected = len(x) * numeric_gradient(lambda a=a, rest=rest: loss(rest.forward(a)[0], y), a)
        np.testing.assert_allclose(bp.deltas[i], expected, rtol=1e-5, atol=1e-8)


def test_the_lowest_delta_is_right_even_when_asked_for_after_a_step(rng):
    x, y = rng.standard_normal((4, 3)), rng.integers(0, 2, 4)
    for build in (
        mg.mlp,
        lambda sizes, rng: mg.Sequential(mg.Residual(mg.Linear(3, 3, rng=rng)), mg.Linear(3, 2)),
    ):
        net = build([3, 4, 2], rng=0)
        expected = mg.backprop(net, mg.CrossEntropyLoss(), x, y).deltas[0].copy()
        bp = mg.backprop(net, mg.CrossEntropyLoss(), x, y)
        kept = [a.copy() for a in bp.activations]
        mg.SGD(0.5).step(net, bp)
        np.testing.assert_array_equal(bp.deltas[0], expected)
        assert bp.deltas[0] is bp.deltas[0]
        for a, before in zip(bp.activations, kept, strict=True):
            np.testing.assert_array_equal(a, before)


# ---- the pairs -------------------------------------------------------------------------------------------


@given(problems())
def test_the_mean_of_the_samples_gradients_is_the_gradient(problem):
    net, loss, x, y = problem
    bp = mg.backprop(net, loss, x, y)
    for path, g in bp.gradients.items():
        singly = [mg.backprop(net, loss, x[n : n + 1], y[n : n + 1]).gradients[path] for n in range(len(x))]
        tolerance = {"rtol": 1e-9, "atol": 1e-12 * (1 + np.abs(g.delta).max() * np.abs(g.a).max())}
        np.testing.assert_allclose(g.per_sample(), np.stack([one.weight for one in singly]), **tolerance)
        np.testing.assert_allclose(g.per_sample().mean(axis=0), g.weight, **tolerance)
        np.testing.assert_allclose(g.delta.T @ g.a / len(x), bp.parameter_gradients()[f"{path}.weight"], **tolerance)
        np.testing.assert_allclose(g.per_sample_norms(), np.linalg.norm(g.per_sample(), axis=(1, 2)), **tolerance)
        if f"{path}.bias" in net.parameters():
            np.testing.assert_allclose(g.bias, np.mean([one.bias for one in singly], axis=0), **tolerance)
            np.testing.assert_array_equal(g.bias, bp.parameter_gradients()[f"{path}.bias"])


def test_the_factors_are_the_deltas_and_activations_of_the_net(rng):
    net = mg.mlp([3, 4, 4, 2], rng=0)
    bp = mg.backprop(net, mg.MSELoss(), rng.standard_normal((5, 3)), np.zeros((5, 2)))
    assert list(bp.gradients) == ["0", "2", "4"]
    for path, g in bp.gradients.items():
        assert g.a is bp.activations[int(path)]
        assert g.delta is bp.deltas[int(path) + 1]


def test_a_backprop_equals_itself_alone_and_shows_what_is_public(rng):
    net, x, y = mg.mlp([3, 2], rng=0), rng.standard_normal((5, 3)), np.zeros((5, 2))
    bp = mg.backprop(net, mg.MSELoss(), x, y)
    assert bp == bp
    assert bp != mg.backprop(net, mg.MSELoss(), x, y)
    assert repr(bp).startswith(f"Backprop(loss={bp.loss!r}, activations=[")
    assert repr(bp).endswith("gradients={'0': WeightGradient(delta (5, 2), a (5, 3))})")


def test_gradients_are_keyed_by_path_and_in_forward_order(rng):
    inner = mg.Sequential(mg.Linear(3, 3), LowRank(3, 2, 3, rng))
    net = mg.Sequential(mg.Linear(2, 3), mg.BatchNorm(3), Scale(3), mg.Residual(mg.Tanh(), inner), mg.Linear(3, 1))
    bp = mg.backprop(net, mg.MSELoss(), rng.standard_normal((4, 2)), np.zeros((4, 1)))
    assert list(bp.gradients) == ["0", "3.1.0", "3.1.1.first", "3.1.1.second", "4"]
    assert all(isinstance(g, mg.WeightGradient) for g in bp.gradients.values())
    trainable = [name for name in net.state_dict() if "running" not in name]
    shapes = {name: net.state_dict()[name].shape for name in trainable}
    assert {name: g.shape for name, g in bp.parameter_gradients().items()} == shapes
    assert list(bp.parameter_gradients()) == trainable


def test_a_layer_written_by_a_reader_works_everywhere(rng, tmp_path):
    net = mg.Sequential(mg.Linear(3, 4, rng=0), Square(), LowRank(4, 2, 3, rng), Scale(3), mg.Linear(3, 2, rng=1))
    x, y, loss = rng.standard_normal((20, 3)), rng.integers(0, 2, 20), mg.CrossEntropyLoss()
    assert max(mg.gradcheck(net, loss, x, y).values()) < 1e-5
    kept, before = net.state_dict(), loss(net(x), y)
    mg.fit(net, loss, mg.Adam(0.01), x, y, epochs=5, rng=0, progress=False)
    assert loss(net(x), y) < before
    net.load_state_dict(kept)
    assert loss(net(x), y) == before
    with pytest.raises(TypeError, match=r"(?s)layer 2, a LowRank, cannot be saved: .*def config"):
        mg.save(net, tmp_path / "net.npz")
    assert not any(tmp_path.iterdir())


# ---- what stays as it was --------------------------------------------------------------------------------


@given(problems(coupled=True), st.booleans())
def test_inputs_and_weights_are_never_written_to(problem, training):
    net, loss, x, y = problem
    net.train(training)
    buffers = [layer for layer in net if isinstance(layer, mg.BatchNorm)] if training else []
    if buffers or any(isinstance(layer, mg.Dropout) for layer in net):
        kept = net.parameters()
    else:
        kept = net.state()
    copies, kept_x, kept_y = {n: a.copy() for n, a in kept.items()}, x.copy(), y.copy()
    for array in (x, y, *net.parameters().values()):
        array.setflags(write=False)
    for array in mg.backprop(net, loss, x, y).deltas:
        assert not np.shares_memory(array, x)
    for name, array in copies.items():
        np.testing.assert_array_equal(kept[name], array)
    np.testing.assert_array_equal(x, kept_x)
    np.testing.assert_array_equal(y, kept_y)


@given(seeds)
def test_samples_in_another_layout_give_the_same(seed):
    rng = np.random.default_rng(seed)
    net, y = mg.mlp([3, 4, 2], rng=0), rng.standard_normal((6, 2))
    x = rng.standard_normal((6, 3))
    plain = mg.backprop(net, mg.MSELoss(), x, y)
    for other in (np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], x[::-1].copy()[::-1]):
        bp = mg.backprop(net, mg.MSELoss(), other, np.asfortranarray(y))
        np.testing.assert_array_equal(bp.gradients["0"].weight, plain.gradients["0"].weight)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_float_type_throughout(dtype, rng):
    net = mg.Sequential(
        *mg.mlp([3, 4], dtype=dtype),
        mg.BatchNorm(4, dtype=dtype),
        mg.Dropout(0.5),
        mg.GELU(),
        mg.Linear(4, 2, dtype=dtype),
    )
    for x in (
        rng.standard_normal((4, 3)),
        rng.standard_normal((4, 3)).astype(np.float32),
        np.ones((4, 3), int),
    ):
        bp = mg.backprop(net, mg.CrossEntropyLoss(), x, [0, 1, 1, 0])
        arrays = [*bp.activations, *bp.deltas, *bp.parameter_gradients().values()]
        assert {array.dtype for array in arrays} == {np.dtype(dtype)}
        assert isinstance(bp.loss, float)


@pytest.mark.parametrize(
    ("net", "x", "error", "message"),
    [
        (mg.Linear(3, 2), np.ones((1, 3)), TypeError, "net is a Linear, expected a Sequential"),
        (mg.mlp([3, 2]), np.ones((0, 3)), ValueError, r"x has shape \(0, 3\)"),
        (mg.mlp([3, 2]), np.ones((1, 4)), ValueError, r"x has shape \(1, 4\), expected \(N, 3\)"),
        (mg.mlp([3, 2]), np.ones(3), ValueError, r"x has shape \(3,\).*use x\[None, :\]"),
        (mg.mlp([3, 2]), [[1, 2], [3]], ValueError, "x is not a rectangular array"),
    ],
)
def test_bad_arguments(net, x, error, message):
    before = snapshot(net)
    with pytest.raises(error, match=message):
        mg.backprop(net, mg.MSELoss(), x, np.zeros((len(x), 2)))
    assert snapshot(net) == before


class Halved(mg.Linear):
    """Derived from Linear: saves something of its own, and has a backward to match."""

    def forward(self, a):
        z, saved = super().forward(a)
        return 0.5 * z, (saved, 0.5)

    def backward(self, delta, saved):
        return super().backward(saved[1] * delta, saved[0])


@pytest.mark.parametrize("place", [0, 1])
def test_a_layer_derived_from_linear_is_asked_for_its_own_backward(place, rng):
    net = mg.Sequential(*[mg.Tanh()] * place, Halved(3, 4, rng=0), mg.Tanh(), mg.Linear(4, 2, rng=1))
    x, y = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    mg.gradcheck(net, mg.MSELoss(), x, y)
    plain = mg.Sequential(*[mg.Tanh()] * place, mg.Linear(3, 4, rng=0), mg.Tanh(), mg.Linear(4, 2, rng=1))
    plain[place].weight *= 0.5
    ours, theirs = (mg.backprop(each, mg.MSELoss(), x, y) for each in (net, plain))
    np.testing.assert_allclose(ours.deltas[0], theirs.deltas[0])
    np.testing.assert_allclose(ours.parameter_gradients()[f"{place}.weight"], theirs.gradients[str(place)].weight / 2)
