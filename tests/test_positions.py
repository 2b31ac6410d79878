"""Positions: the same weights at several places of a sample, x (N, ..., J), through every part of minigrad.

The reference is always the plain one: the sample's positions taken one by one, as samples of their own or in a loop.
"""

import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import numeric_gradient
from strategies import DTYPES, seeds

import minigrad as mg

AXES = [(), (1,), (4,), (2, 3)]
LOSSES = {
    "mse": (mg.MSELoss(), "values"),
    "bce": (mg.BCELoss(), "probabilities"),
    "bce_with_logits": (mg.BCEWithLogitsLoss(), "probabilities"),
    "classes": (mg.CrossEntropyLoss(), "classes"),
    "soft": (mg.CrossEntropyLoss(), "distributions"),
}


def outputs(name, rng, shape, dtype):
    """An output of this shape that the loss takes."""
    z = rng.standard_normal(shape)
    return (1 / (1 + np.exp(-z)) if name == "bce" else z).astype(dtype)


def targets(kind, rng, shape, dtype):
    if kind == "classes":
        return rng.integers(0, shape[-1], shape[:-1])
    if kind == "values":
        return rng.standard_normal(shape).astype(dtype)
    p = rng.random(shape) + 0.1
    return (p / p.sum(axis=-1, keepdims=True) if kind == "distributions" else p / 1.2).astype(dtype)


def net_of(dtype=np.float64, seed=0, last=3):
    rng = np.random.default_rng(seed)
    return mg.Sequential(
        mg.Linear(5, 6, dtype=dtype, rng=rng),
        mg.LayerNorm(6, dtype=dtype),
        mg.Tanh(),
        mg.Residual(mg.Linear(6, 6, dtype=dtype, rng=rng), mg.Sigmoid()),
        mg.Linear(6, last, dtype=dtype, rng=rng),
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_the_mean_over_positions_and_delta_carries_their_share(name, axes, dtype, rng):
    loss, kind = LOSSES[name]
    shape = (5, *axes, 4)
    output, y = outputs(name, rng, shape, dtype), targets(kind, rng, shape, dtype)
    P = math.prod(axes)
    rows = y.reshape(-1, 4) if y.ndim == output.ndim else y.ravel()
    value, delta = loss.value_and_delta(output, y)
    expected, per_row = loss.value_and_delta(output.reshape(-1, 4), rows)
    tight = 1e-6 if dtype == np.float32 else 1e-14
    assert value == pytest.approx(expected, rel=tight)
    assert delta.shape == shape
    assert delta.dtype == dtype
    np.testing.assert_allclose(delta.reshape(-1, 4), per_row / P, rtol=4 * tight, atol=tight / 10)


@pytest.mark.parametrize("name", LOSSES)
def test_delta_against_differences_of_the_loss(name, rng):
    loss, kind = LOSSES[name]
    shape = (3, 2, 4)
    output, y = outputs(name, rng, shape, float), targets(kind, rng, shape, float)
    numeric = numeric_gradient(lambda: loss(output, y), output)
    np.testing.assert_allclose(loss.delta(output, y) / len(output), numeric, atol=1e-8)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck_with_positions(name, axes, rng):
    loss, kind = LOSSES[name]
    net = net_of()
    if name == "bce":
        net = mg.Sequential(*net, mg.Sigmoid())
    x = rng.standard_normal((3, *axes, 5))
    mg.gradcheck(net, loss, x, targets(kind, rng, (3, *axes, 3), float))


@pytest.mark.parametrize("training", [True, False])
def test_gradcheck_of_batch_norm_with_positions(training, rng):
    net = mg.Sequential(mg.Linear(5, 4, rng=0), mg.BatchNorm(4), mg.Tanh(), mg.Linear(4, 2, rng=1)).train(training)
    net[1].weight[:] = [1, -2, 0.5, 3]
    mg.gradcheck(net, mg.MSELoss(), rng.standard_normal((3, 4, 5)), rng.standard_normal((3, 4, 2)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_batch_norm_takes_each_position_for_a_row(dtype, rng):
    x = (3 + 2 * rng.standard_normal((4, 3, 2, 5))).astype(dtype)
    delta = rng.standard_normal(x.shape).astype(dtype)
    layer, flat = mg.BatchNorm(5, dtype=dtype), mg.BatchNorm(5, dtype=dtype)
    (out, saved), (expected, flat_saved) = layer.forward(x), flat.forward(x.reshape(-1, 5))
    np.testing.assert_allclose(out.reshape(-1, 5), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.running_var, flat.running_var, rtol=1e-5)
    (below, gradients), (flat_below, flat_gradients) = (
        layer.backward(delta, saved),
        flat.backward(delta.reshape(-1, 5), flat_saved),
    )
    np.testing.assert_allclose(below.reshape(-1, 5), flat_below, rtol=1e-4, atol=1e-5)
    for name, g in gradients.items():  # the flat one is a mean over 24 rows, this one over 4 samples
        np.testing.assert_allclose(g, 6 * flat_gradients[name], rtol=1e-4, atol=1e-5)


def test_batch_norm_of_one_sample_needs_two_positions(rng):
    assert mg.BatchNorm(3).forward(rng.random((1, 2, 3)))[0].shape == (1, 2, 3)
    with pytest.raises(ValueError, match="at least 2 samples"):
        mg.BatchNorm(3).forward(rng.random((1, 1, 3)))


@pytest.mark.parametrize("axes", AXES)
def test_layer_norm_by_hand(axes, rng):
    x = 5 + rng.standard_normal((3, *axes, 7))
    layer = mg.LayerNorm(7)
    layer.weight[:], layer.bias[:] = rng.standard_normal((2, 7))
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(layer(x), expected * layer.weight + layer.bias, rtol=1e-12, atol=1e-12)
    mg.gradcheck(mg.Sequential(layer), mg.MSELoss(), x, rng.standard_normal(x.shape))


def test_layer_norm_says_what_it_is_and_refuses_what_it_cannot_be():
    assert repr(mg.LayerNorm(1)) == "LayerNorm(1)"
    assert repr(mg.LayerNorm(3, eps=0.5)) == "LayerNorm(3, eps=0.5)"
    assert mg.LayerNorm(3, eps=0.5).config() == {"num_features": 3, "eps": 0.5}
    for arguments, name in (((0,), "num_features"), ((3, 0), "eps"), ((3, -1), "eps")):
        with pytest.raises(ValueError, match=f"^{name} is"):
            mg.LayerNorm(*arguments)


def test_layer_norm_of_equal_features_is_its_bias():
    layer = mg.LayerNorm(3)
    layer.bias[:] = [1, 2, 3]
    np.testing.assert_array_equal(layer(np.full((2, 3), 0.1)), [[1, 2, 3], [1, 2, 3]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axes", AXES)
def test_the_pair_of_each_layer_is_delta_and_a_at_each_position(axes, dtype, rng):
    net, x = net_of(dtype), rng.standard_normal((4, *axes, 5)).astype(dtype)
    y = rng.standard_normal((4, *axes, 3)).astype(dtype)
    bp = mg.backprop(net, mg.MSELoss(), x, y)
    assert bp.output.shape == (4, *axes, 3)
    assert bp.deltas[0].shape == x.shape
    g = bp.gradients["0"]
    np.testing.assert_array_equal(g.a, x)
    assert g.delta.shape == (4, *axes, 6)
    total = sum(
        np.outer(d, a)
        for n in range(4)
        for d, a in zip(g.delta[n].reshape(-1, 6).astype(float), x[n].reshape(-1, 5).astype(float), strict=True)
    )
    tight = 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(g.weight, total / 4, rtol=tight, atol=tight)
    np.testing.assert_allclose(g.bias, g.delta.reshape(4, -1, 6).sum(axis=1).mean(axis=0), rtol=tight, atol=tight)
    np.testing.assert_allclose(g.per_sample().mean(axis=0), g.weight, rtol=tight, atol=tight)
    rows = g.rows()
    assert [row.shape for row in rows] == [(4 * math.prod(axes), 6), (4 * math.prod(axes), 5)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_position_is_none(dtype, rng):
    """To the last bit: x (N, 1, J) and x (N, J)."""
    x, y = rng.standard_normal((7, 5)).astype(dtype), rng.integers(0, 3, 7)
    flat = mg.backprop(net_of(dtype), mg.CrossEntropyLoss(), x, y)
    one = mg.backprop(net_of(dtype), mg.CrossEntropyLoss(), x[:, None], y[:, None])
    assert flat.loss == one.loss
    for name, array in flat.parameter_gradients().items():
        np.testing.assert_array_equal(one.parameter_gradients()[name], array, err_msg=name)


# ---- norms: P3 ---------------------------------------------------------------------------------------------


@st.composite
def pairs(draw):
    """A pair whose positions nearly cancel, by a share from 1 to 0, and of any size."""
    rng = np.random.default_rng(draw(seeds))
    dtype = draw(st.sampled_from(DTYPES))
    N, P, K, J = draw(st.integers(1, 3)), draw(st.integers(2, 6)), draw(st.integers(1, 30)), draw(st.integers(1, 30))
    share = 10.0 ** -draw(st.integers(0, 14))
    size = 10.0 ** draw(st.integers(-15, 15))
    delta, a = rng.standard_normal((N, P, K)), rng.standard_normal((N, P, J))
    delta[:, 1::2], a[:, 1::2] = -delta[:, : P // 2 * 2 : 2], a[:, : P // 2 * 2 : 2]
    delta += share * rng.standard_normal(delta.shape)
    return mg.WeightGradient((size * delta).astype(dtype), a.astype(dtype))


@given(pairs())
def test_norms_are_those_of_the_gradients_however_much_cancels(g):
    """Nine digits from the Gram matrices; where these have fewer, as many as the direct sum has."""
    delta, a = g.delta.astype(np.longdouble), g.a.astype(np.longdouble)
    exact = np.sqrt((np.einsum("npk,npj->nkj", delta, a) ** 2).sum(axis=(1, 2)))
    bound = (np.linalg.norm(g.delta.astype(float), axis=2) * np.linalg.norm(g.a.astype(float), axis=2)).sum(axis=1)
    eps = np.finfo(g.delta.dtype).eps
    allowed = (4 * eps + 1e-9) * exact + 4e-15 * bound + 1e-300
    np.testing.assert_array_less(np.abs(g.per_sample_norms() - exact), allowed)


def test_norms_of_wide_layers_have_nine_digits_however_much_cancels():
    """What the Gram matrices lose grows with the width: here they are left in time."""
    rng, share = np.random.default_rng(0), np.geomspace(1, 1e-9, 60)[:, None, None]
    delta, a = rng.standard_normal((60, 30, 200)), rng.standard_normal((60, 30, 200))
    delta[:, 1::2], a[:, 1::2] = -delta[:, ::2], a[:, ::2]
    delta += share * rng.standard_normal(delta.shape)
    exact = np.linalg.norm(np.einsum("npk,npj->nkj", delta, a, optimize=True), axis=(1, 2))
    np.testing.assert_allclose(mg.WeightGradient(delta, a).per_sample_norms(), exact, rtol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_samples_keep_the_float_type(dtype, rng):
    g = mg.WeightGradient(*(rng.standard_normal((2, 3, size)).astype(dtype) for size in (4, 5)))
    assert g.per_sample().dtype == g.per_sample_norms().dtype == dtype


@pytest.mark.parametrize("entry", [1e-170, 1e160])
def test_no_square_of_a_norm_overflows_or_vanishes(entry):
    g = mg.WeightGradient(np.full((1, 2, 3), entry), np.ones((1, 2, 40)))
    np.testing.assert_allclose(g.per_sample_norms(), 2 * entry * math.sqrt(120), rtol=1e-12)


# ---- weights that are used twice ---------------------------------------------------------------------------


class Unfolded(mg.Layer):
    """(N, 2 J) -> (2 N, J): the halves of a row become samples."""

    def forward(self, x):
        return x.reshape(2 * len(x), -1), None

    def backward(self, delta, saved):
        return delta.reshape(len(delta) // 2, -1) / 2, {}  # N dC/dx, for half as many samples


def test_a_weight_used_on_other_numbers_of_samples_has_one_gradient(rng):
    shared = mg.Linear(4, 4, rng=0)
    net = mg.Sequential(shared, mg.Tanh(), mg.Linear(4, 8, rng=1), Unfolded(), shared)
    x, y = rng.standard_normal((3, 4)), rng.standard_normal((6, 4))
    mg.gradcheck(net, mg.MSELoss(), x, y)


@pytest.mark.parametrize("axes", [(), (3,)])
def test_a_weight_used_twice_is_one_pair_joined_along_positions(axes, rng):
    shared = mg.Linear(4, 4, rng=0)
    net = mg.Sequential(shared, mg.Tanh(), shared, mg.Tanh(), mg.Linear(4, 2, rng=1))
    x, y = rng.standard_normal((5, *axes, 4)), rng.standard_normal((5, *axes, 2))
    bp = mg.backprop(net, mg.MSELoss(), x, y)
    assert list(bp.gradients) == ["0", "4"]
    P = math.prod(axes)
    assert bp.gradients["0"].delta.shape == (5, 2 * P, 4)
    np.testing.assert_array_equal(bp.gradients["0"].a[:, :P].reshape(x.shape), x)
    assert list(bp.parameter_gradients()) == list(net.parameters())
    assert set(net.state_dict()) == {f"{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias")}
    for name, array in net.parameters().items():
        numeric = numeric_gradient(lambda: mg.MSELoss()(net.forward(x)[0], y), array)
        np.testing.assert_allclose(bp.parameter_gradients()[name], numeric, atol=1e-8, err_msg=name)


# ---- fit ---------------------------------------------------------------------------------------------------

TASKS = {
    "classes": (mg.CrossEntropyLoss, 3),
    "soft": (mg.CrossEntropyLoss, 3),
    "values": (mg.MSELoss, 3),
    "probabilities": (mg.BCEWithLogitsLoss, 1),
}
KINDS = {"classes": "classes", "soft": "distributions", "values": "values", "probabilities": "probabilities"}


def task(name, axes, dtype, N=23, seed=0):
    rng = np.random.default_rng(seed)
    make, K = TASKS[name]
    x = rng.standard_normal((N, *axes, 5)).astype(dtype)
    return net_of(dtype, seed, K), make(), x, targets(KINDS[name], rng, (N, *axes, K), dtype)


def plain(net):
    """The net without its LayerNorm, which the compiled epoch does not know."""
    return mg.Sequential(*[layer for layer in net if not isinstance(layer, mg.LayerNorm)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("name", TASKS)
@settings(max_examples=3)
@given(seed=seeds)
def test_both_engines_end_with_the_same_bits(name, axes, dtype, seed):
    net, loss, x, y = task(name, axes, dtype, seed=seed)
    net = plain(net)
    try:
        mg.fit(copy.deepcopy(net), loss, mg.SGD(0.1), x, y, epochs=0, engine="fused")
    except ValueError as error:
        pytest.skip(str(error))
    ends = []
    for engine in ("fused", "python"):
        mine, opt = copy.deepcopy(net), mg.Adam(0.01)
        history = mg.fit(mine, loss, opt, x, y, epochs=2, batch_size=6, rng=1, engine=engine, validation=(x[:5], y[:5]))
        ends.append((mine.state_dict(), history))
    for key, array in ends[0][0].items():
        np.testing.assert_array_equal(array, ends[1][0][key], err_msg=key)
    assert ends[0][1] == ends[1][1]


@pytest.mark.parametrize("name", TASKS)
def test_fit_steps_as_positions_written_out(name):
    """One step of plain SGD: the mean over samples of the mean over positions is the mean over all rows."""
    net, loss, x, y = task(name, (4,), np.float64)
    flat = copy.deepcopy(net)
    rows = y.reshape(-1, y.shape[-1]) if y.ndim == x.ndim else y.ravel()
    settings = {"epochs": 3, "shuffle": False, "progress": False}
    mine = mg.fit(net, loss, mg.SGD(0.1), x, y, batch_size=23, **settings)
    theirs = mg.fit(flat, loss, mg.SGD(0.1), x.reshape(-1, 5), rows, batch_size=92, **settings)
    np.testing.assert_allclose(mine.loss, theirs.loss, rtol=1e-12)
    assert mine.accuracy == pytest.approx(theirs.accuracy)
    for key, array in flat.state_dict().items():
        np.testing.assert_allclose(net.state_dict()[key], array, atol=1e-12, err_msg=key)


def test_accuracy_counts_positions(rng):
    output, y = rng.standard_normal((6, 4, 3)), rng.integers(0, 3, (6, 4))
    right = sum(output[n, p].argmax() == y[n, p] for n in range(6) for p in range(4))
    assert mg.accuracy(output, y) == right / 24
    assert mg.accuracy(output, np.eye(3)[y]) == right / 24
    assert mg.accuracy(output[..., :1], (y > 0)[..., None], 0.0) == ((output[..., 0] > 0) == (y > 0)).mean()
    assert mg.accuracy(output[..., :1], y > 0, 0.0) == ((output[..., 0] > 0) == (y > 0)).mean()


def test_softmax_over_the_last_axis(rng):
    z = rng.standard_normal((2, 3, 4))
    np.testing.assert_allclose(mg.softmax(z).sum(axis=-1), 1)
    np.testing.assert_array_equal(mg.softmax(z)[1], mg.softmax(z[1]))


def test_training_resumes_to_the_same_bits(tmp_path):
    net, loss, x, y = task("classes", (4,), np.float64)
    whole, halves = copy.deepcopy(net), copy.deepcopy(net)
    settings = {"batch_size": 6, "rng": 3, "progress": False}
    mg.fit(whole, loss, mg.Adam(0.01), x, y, epochs=4, **settings)
    for epochs in (2, 4):
        halves = halves if epochs == 2 else copy.deepcopy(net)
        mg.fit(halves, loss, mg.Adam(0.01), x, y, epochs=epochs, checkpoint=tmp_path / "run.npz", **settings)
    for key, array in whole.state_dict().items():
        np.testing.assert_array_equal(halves.state_dict()[key], array, err_msg=key)


# ---- what does not fit -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(6, int), r"y has shape \(6,\), expected \(6, 4\) class numbers or \(6, 4, 3\) probabilities"),
        (np.zeros((4, 6), int), r"y has shape \(4, 6\), expected \(6, 4\) class numbers"),
        (np.zeros((6, 4, 1), int), r"y has shape \(6, 4, 1\), expected \(6, 4\) class numbers; use y\[..., 0\]"),
        (np.full((6, 4), 3), r"class numbers from 3 to 3, expected 0 to 2"),
        (np.zeros((6, 4, 2)), r"y has shape \(6, 4, 2\), expected \(6, 4, 3\)"),
    ],
)
def test_targets_that_do_not_fit_are_named(y, message, rng):
    net, x = net_of(), rng.standard_normal((6, 4, 5))
    for call in (
        lambda: mg.backprop(net, mg.CrossEntropyLoss(), x, y),
        lambda: mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(0.1), x, y, epochs=1),
        lambda: mg.accuracy(net(x), y),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_images_that_were_to_be_flattened_are_still_told_so(rng):
    with pytest.raises(ValueError, match=r"x has shape \(6, 8, 8\), expected \(N, 64\); use x.reshape\(len\(x\), -1\)"):
        mg.mlp([64, 3])(rng.random((6, 8, 8)))


def test_a_checkpoint_knows_its_positions(tmp_path, rng):
    """The same bytes as other positions are other data, in both directions."""
    x, y = rng.standard_normal((6, 4, 5)), rng.standard_normal((6, 4, 3))
    shapes = {"with": (x, y), "without": (x.reshape(24, 5), y.reshape(24, 3)), "others": (x.reshape(6, 2, 2, 5), None)}
    shapes["others"] = (shapes["others"][0], y.reshape(6, 2, 2, 3))
    for first, second in (("with", "without"), ("without", "with"), ("with", "others")):
        path = tmp_path / f"{first}-{second}.npz"
        mg.fit(net_of(), mg.MSELoss(), mg.SGD(0.1), *shapes[first], epochs=1, checkpoint=path, rng=0)
        with pytest.raises(ValueError, match="another positions"):
            mg.fit(net_of(), mg.MSELoss(), mg.SGD(0.1), *shapes[second], epochs=2, checkpoint=path, rng=0)
