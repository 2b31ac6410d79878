"""The layers one by one: what goes forward, what comes back, what they keep, and what the pair can tell."""

from collections import ChainMap, OrderedDict, UserDict
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
from foreign_objects import Tensor
from hypothesis import given
from hypothesis import strategies as st
from oracles import same_bits
from own_layers import Square
from strategies import DTYPES, seeds

import minigrad as mg

sizes = st.integers(1, 6)


# ---- WeightGradient --------------------------------------------------------------------------------------


@given(sizes, sizes, sizes, seeds)
def test_a_weight_gradient_is_the_mean_outer_product_of_its_factors(N, K, J, seed):
    rng = np.random.default_rng(seed)
    delta, a = rng.standard_normal((N, K)), rng.standard_normal((N, J))
    g = mg.WeightGradient(delta, a)
    outer = np.array([np.outer(delta[n], a[n]) for n in range(N)])
    np.testing.assert_array_equal(g.per_sample(), outer)
    np.testing.assert_allclose(g.per_sample_norms(), [np.linalg.norm(o) for o in outer], rtol=1e-12)
    np.testing.assert_allclose(g.weight, outer.mean(axis=0), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(g.bias, delta.mean(axis=0), rtol=1e-12, atol=1e-14)
    assert repr(g) == f"WeightGradient(delta ({N}, {K}), a ({N}, {J}))"
    assert g.weight is g.weight  # computed once


def test_a_weight_gradient_equals_itself_alone():
    g = mg.WeightGradient(np.ones((1, 2)), np.ones((1, 3)))
    assert g == g
    assert g != mg.WeightGradient(g.delta, g.a)
    assert g in {g}


def test_a_weight_gradient_cannot_be_given_other_factors():
    g = mg.WeightGradient(np.ones((1, 2)), np.ones((1, 3)))
    with pytest.raises(AttributeError):
        g.delta = np.zeros((1, 2))


# ---- Linear ----------------------------------------------------------------------------------------------


def test_linear_by_hand():
    layer = mg.Linear(2, 3)
    layer.load_state_dict({"weight": [[1, 2], [3, 4], [5, 6]], "bias": [10, 20, 30]})
    x, delta = np.array([[1.0, 1.0], [0.0, -1.0]]), np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -1.0]])
    z, saved = layer.forward(x)
    below, gradients = layer.backward(delta, saved)
    assert z.tolist() == [[13, 27, 41], [8, 16, 24]]
    assert below.tolist() == [[1, 2], [-2, -2]]
    assert gradients["weight"].weight.tolist() == [[0.5, 0.5], [0, -0.5], [0, 0.5]]
    assert gradients["bias"].tolist() == [0.5, 0.5, -0.5]


def test_linear_without_bias():
    layer = mg.Linear(2, 1, bias=False, rng=0)
    z, saved = layer.forward(np.ones((3, 2)))
    assert layer.bias is None
    assert list(layer.state_dict()) == ["weight"]
    assert list(layer.backward(np.ones((3, 1)), saved)[1]) == ["weight"]
    np.testing.assert_allclose(z, np.full((3, 1), layer.weight.sum()))


@pytest.mark.parametrize("dtype", DTYPES)
def test_linear_keeps_one_float_type_and_converts_the_input(dtype):
    layer = mg.Linear(3, 2, dtype=dtype, rng=0)
    for x in (np.ones((2, 3), int), np.ones((2, 3), np.float32), np.ones((2, 3)), [[1, 2, 3]]):
        assert layer(x).dtype == layer.dtype == dtype
    assert layer(np.zeros((0, 3))).shape == (0, 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_linear_converts_what_a_layer_below_it_passes_on(dtype):
    layer = mg.Linear(3, 2, dtype=dtype, rng=0)
    for below in (np.float32, np.float64, int):
        z, saved = layer.forward(np.full((2, 3), 3, below))
        assert z.dtype == saved.dtype == dtype
        np.testing.assert_array_equal(z, layer(np.full((2, 3), 3, dtype)))
    with pytest.raises(TypeError, match=r"^input of Linear\(3, 2.*\) has dtype complex128"):
        layer.forward(np.ones((2, 3), complex))


# ---- BatchNorm -------------------------------------------------------------------------------------------


def test_batchnorm_in_training_gives_each_feature_mean_beta_and_spread_gamma(rng):
    layer = mg.BatchNorm(3, eps=1e-12)
    layer.weight[:], layer.bias[:] = [1, 2, 3], [-1, 0, 1]
    out = layer(rng.normal(5, 7, (50, 3)))
    np.testing.assert_allclose(out.mean(axis=0), [-1, 0, 1], atol=1e-12)
    np.testing.assert_allclose(out.std(axis=0), [1, 2, 3])


def test_batchnorm_of_constant_features_is_its_bias_wherever_they_stand():
    layer = mg.BatchNorm(4)
    layer.bias[:] = [1, 2, 3, 4]
    assert layer(np.full((7, 4), [0.1, 123456.7, 0.1, 1e17 / 3])).tolist() == 7 * [[1, 2, 3, 4]]


def test_batchnorm_keeps_running_means_and_uses_them_in_eval():
    layer = mg.BatchNorm(1, eps=1.0, momentum=0.25)
    layer(np.array([[1.0], [3.0]]))  # mean 2, unbiased variance 2
    assert layer.running_mean.tolist() == [0.5]
    assert layer.running_var.tolist() == [0.75 + 0.5]
    kept = layer.state_dict()
    assert layer.eval()(np.array([[2.0]])).tolist() == [[1.5 / np.sqrt(2.25)]]
    assert same_bits(kept, layer.state_dict())
    layer = mg.BatchNorm(1, momentum=1)
    layer(np.array([[1.0], [2.0], [6.0]]))
    assert layer.running_mean.tolist() == [3]
    assert layer.running_var.tolist() == [7]


def test_batchnorm_backward_sums_to_zero_over_the_batch_in_training_only(rng):
    layer, delta = mg.BatchNorm(2), rng.standard_normal((5, 2))
    x = rng.standard_normal((5, 2))
    np.testing.assert_allclose(layer.backward(delta, layer.forward(x)[1])[0].sum(axis=0), 0, atol=1e-14)
    layer.eval()
    spread = np.sqrt(layer.running_var + layer.eps)
    np.testing.assert_allclose(layer.backward(delta, layer.forward(x)[1])[0], delta / spread)


# ---- Dropout ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_zeroes_a_share_and_scales_the_rest(dtype):
    layer, x = mg.Dropout(0.25, rng=0), np.ones((200, 100), dtype)
    out, mask = layer.forward(x)
    assert out.dtype == dtype
    assert set(np.unique(out)) == {0, dtype(1 / 0.75)}
    assert (out == 0).mean() == pytest.approx(0.25, abs=0.01)
    below, gradients = layer.backward(3 * x, mask)
    np.testing.assert_array_equal(below, 3 * out)
    assert gradients == {}
    assert (layer(x) != out).any()  # another mask each time
    np.testing.assert_array_equal(mg.Dropout(0.25, rng=0)(x), out)  # and the same ones from the same seed


def test_dropout_drops_half_by_default():
    assert repr(mg.Dropout()) == "Dropout(0.5)"


def test_dropout_of_nothing_keeps_an_entry_whose_draw_is_0():
    layer, x = mg.Dropout(0.0), np.ones((2, 3))
    layer.rng = SimpleNamespace(random=np.zeros)
    np.testing.assert_array_equal(layer.forward(x)[0], x)


def test_dropout_does_nothing_in_eval_and_leaves_its_generator_alone():
    layer, x = mg.Dropout(0.5, rng=0).eval(), np.ones((4, 3))
    before = layer.rng.bit_generator.state
    out, saved = layer.forward(x)
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(layer.backward(x, saved)[0], x)
    assert layer.rng.bit_generator.state == before


# ---- what all layers share -------------------------------------------------------------------------------

LAYERS = [
    (mg.Linear(3, 2), "Linear(3, 2)"),
    (mg.Linear(3, 2, bias=False, dtype=np.float32), "Linear(3, 2, bias=False, dtype='float32')"),
    (mg.BatchNorm(4), "BatchNorm(4)"),
    (mg.BatchNorm(4, 0.1, 0.2, np.float32), "BatchNorm(4, eps=0.1, momentum=0.2, dtype='float32')"),
    (mg.Dropout(0.3), "Dropout(0.3)"),
    (Square(), "Square()"),
]


@pytest.mark.parametrize(("layer", "text"), LAYERS, ids=[text for _, text in LAYERS])
def test_repr_and_modes(layer, text):
    assert repr(layer) == text
    assert layer.training
    assert layer.eval() is layer
    assert not layer.training
    assert layer.train() is layer
    assert layer.training


@pytest.mark.parametrize("layer", [layer for layer, _ in LAYERS if layer.state()], ids=repr)
def test_a_state_dict_is_a_copy_and_can_be_put_back(layer):
    kept = layer.state_dict()
    before = {name: array.tobytes() for name, array in kept.items()}
    for array in layer.state().values():
        array += 1
    assert {name: array.tobytes() for name, array in kept.items()} == before
    assert not any((array == kept[name]).any() for name, array in layer.state_dict().items())
    layer.load_state_dict({name: kept[name].astype(np.float64) for name in reversed(kept)})  # any order, any float
    assert same_bits(kept, layer.state_dict())


@pytest.mark.parametrize("kind", [dict, OrderedDict, MappingProxyType, UserDict, ChainMap])
def test_a_state_may_be_any_mapping_with_counters_of_batches(kind):
    net, other = (mg.Sequential(mg.Linear(3, 2, rng=seed), mg.BatchNorm(2)) for seed in (0, 1))
    other(np.ones((4, 3)))
    state = kind(other.state_dict() | {"1.num_batches_tracked": np.array(7)})
    net.load_state_dict(state)
    assert same_bits(net.state_dict(), other.state_dict())
    net[1].load_state_dict(kind(other[1].state_dict() | {"num_batches_tracked": np.array(7)}))
    assert "1.num_batches_tracked" not in net.state_dict()


def test_a_state_may_be_an_open_file(tmp_path):
    net, other = mg.mlp([3, 4, 2], rng=0), mg.mlp([3, 4, 2], rng=1)
    np.savez(tmp_path / "state.npz", **other.state_dict())
    with np.load(tmp_path / "state.npz") as state:
        net.load_state_dict(state)
    assert same_bits(net.state_dict(), other.state_dict())


def test_a_state_may_hold_tensors_and_nan():
    net = mg.Linear(3, 2)
    net.load_state_dict({"weight": Tensor(np.full((2, 3), 2), "float32"), "bias": [np.nan, -np.inf]})
    assert (net.weight == 2).all()
    assert np.isnan(net.bias[0])
    assert net.bias[1] == -np.inf


def test_a_state_may_hold_the_arrays_of_the_net_itself():
    net = mg.Sequential(mg.Linear(2, 2, rng=0), mg.Linear(2, 2, rng=1))
    old = net.state_dict()
    swapped = {f"{1 - int(name[0])}{name[1:]}": array for name, array in net.state().items()}
    net.load_state_dict(swapped)
    assert all((net.state()[f"{1 - int(name[0])}{name[1:]}"] == array).all() for name, array in old.items())


@pytest.mark.parametrize("dtype", DTYPES)
def test_all_that_is_kept_has_the_layers_float_type(dtype):
    for layer in (mg.Linear(3, 2, dtype=dtype), mg.BatchNorm(3, dtype=dtype)):
        assert {array.dtype for array in layer.state().values()} == {np.dtype(dtype)}
        assert layer(np.ones((2, 3))).dtype == dtype


def test_parameters_are_the_arrays_themselves():
    layer = mg.Linear(3, 2)
    weight = layer.weight
    layer.load_state_dict({"weight": np.ones((2, 3)), "bias": np.ones(2)})
    assert weight is layer.weight is layer.parameters()["weight"]
    assert (weight == 1).all()


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_a_layer_without_its_two_methods_says_which_is_missing(method):
    with pytest.raises(NotImplementedError, match=rf"Layer\.{method}"):
        getattr(mg.Layer(), method)(*[None] * (1 if method == "forward" else 2))


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_per_sample_norms_where_squares_leave_the_floats(size):
    delta, a = np.full((3, 2), size), np.full((3, 8), 1 / size)
    np.testing.assert_allclose(mg.WeightGradient(delta, a).per_sample_norms(), 4, rtol=1e-15)
    assert mg.WeightGradient(delta[:, :0], a).per_sample_norms().tolist() == [0, 0, 0]


@pytest.mark.parametrize("beside_larger", [False, True])
def test_per_sample_norms_where_two_wide_positions_nearly_cancel(beside_larger, rng):
    """|d a^T - d b^T| = |d| |a - b|. What is larger stands beside zeros and adds nothing."""
    d, a = rng.uniform(0.8, 1, (2, 200, 400))
    b = a * (1 - np.geomspace(0.1, 1e-6, 200)[:, None] * rng.uniform(0.5, 1.5, a.shape))
    larger, zero = np.full_like(a, 1000), np.zeros_like(a)
    delta, inputs = ([d, -d, larger, zero], [a, b, zero, larger]) if beside_larger else ([d, -d], [a, b])
    g = mg.WeightGradient(np.stack(delta, 1), np.stack(inputs, 1))
    exact = np.linalg.norm(d, axis=1) * np.linalg.norm(a - b, axis=1)
    np.testing.assert_allclose(g.per_sample_norms(), exact, rtol=1e-9)


def test_backward_refuses_what_another_net_saved():
    net = mg.mlp([3, 4, 2], rng=0)
    output, saved = net.forward(np.ones((5, 3)))
    for other in (saved[1:], [*saved, None]):
        with pytest.raises(ValueError, match="argument 2 is"):
            net.backward(output, other)


# ---- BatchNorm in float32 ----------------------------------------------------------------------------------


def test_batchnorm_of_a_million_float32_has_the_mean_of_all_of_them():
    x = np.full((10**6, 2), 0.1, np.float32)
    x[::2] += 3  # added one by one, the mean would be off by 1e-3
    layer = mg.BatchNorm(2, momentum=1.0, dtype=np.float32)
    saved = layer.forward(x)[1]
    np.testing.assert_allclose(layer.running_mean, x.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(layer.running_var, x.var(axis=0, dtype=np.float64), rtol=1e-5)
    gradients = layer.backward(x, saved)[1]
    np.testing.assert_allclose(gradients["bias"], x.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(gradients["weight"], (x * saved[0]).mean(axis=0, dtype=np.float64), rtol=1e-6)


def test_large_float32_that_cancel_leave_the_small_one_in_a_mean():
    """One by one in float32, 1e8 + 1 - 1e8 is 0."""
    large = np.array([0, 1e8, 1, -1e8], np.float32)
    batch = mg.BatchNorm(1, momentum=1.0, dtype=np.float32)
    batch.forward(large[:, None])
    assert batch.running_mean == 0.25
    layer = mg.LayerNorm(4, dtype=np.float32)
    assert layer(large[None])[0, 0] == pytest.approx(-0.25 / np.std(large, dtype=float), rel=1e-6)
    below = layer.backward(large[None], (np.zeros((1, 4), np.float32), np.ones((1, 1), np.float32)))[0]
    np.testing.assert_array_equal(below, [[-0.25, 1e8, 0.75, -1e8]])


def test_a_small_momentum_of_batchnorm_is_not_rounded_away():
    layer = mg.BatchNorm(1, momentum=1e-7, dtype=np.float32)
    layer.running_mean[:] = 3 * 2**22
    layer.forward(np.array([[-1.0], [1.0]], np.float32))
    assert layer.running_mean.item() == 3 * 2**22 - 1  # of 1.26, rounded; the float32 nearest to 1 - 1e-7 takes 2
