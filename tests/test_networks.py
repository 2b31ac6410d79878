"""Nets: structure, names, repr, summary, mlp(), and the sigmoid net that is a tanh net."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import same_bits, snapshot
from own_layers import Scale, Square
from strategies import DTYPES, KINDS, problems, seeds

import minigrad as mg
from minigrad.layers.containers import output_shape, walk


def nested():
    """Sequential and Residual inside one another, with every kind of layer."""
    inner = mg.Sequential(mg.Linear(3, 4, rng=1), mg.Tanh(), mg.Linear(4, 3, bias=False, rng=2))
    return mg.Sequential(
        mg.Linear(2, 3, rng=0),
        mg.Residual(inner, mg.Dropout(0.5, rng=0)),
        mg.BatchNorm(3),
        mg.ELU(0.5),
        mg.Linear(3, 1),
    )


# ---- structure -------------------------------------------------------------------------------------------


def test_a_net_is_a_list_of_layers():
    first, second = mg.Linear(2, 3), mg.Tanh()
    net = mg.Sequential(first, second)
    assert len(net) == 2
    assert net[0] is first
    assert net[-1] is second
    assert list(net) == [first, second] == net.layers


def test_names_give_the_path_through_nested_layers():
    names = ["0.weight", "0.bias", "1.0.0.weight", "1.0.0.bias", "1.0.2.weight", "2.weight", "2.bias"]
    assert list(nested().parameters()) == [*names, "4.weight", "4.bias"]
    assert list(nested().state_dict()) == [*names, "2.running_mean", "2.running_var", "4.weight", "4.bias"]
    assert [path for path, _ in walk(nested())] == ["0", "1.0.0", "1.0.1", "1.0.2", "1.1", "2", "3", "4"]


@given(problems())
def test_a_net_is_its_layers_one_after_the_other(problem):
    net, _, x, _ = problem
    out = x
    for layer in net:
        if isinstance(layer, mg.Residual):
            out = out + layer[1](layer[0](out))
        else:
            out = layer(out)
    np.testing.assert_array_equal(net(x), out)
    assert net(x[:0]).shape == (0, out.shape[1])


def test_a_residual_adds_its_input(rng):
    inside = mg.Linear(3, 3, rng=0)
    x, delta = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    layer = mg.Residual(inside)
    out, saved = layer.forward(x)
    np.testing.assert_array_equal(out, x + inside(x))
    np.testing.assert_allclose(layer.backward(delta, saved)[0], delta + delta @ inside.weight)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_net_has_the_float_type_of_its_first_layer_that_has_one(dtype):
    linear = mg.Linear(3, 3, dtype=dtype, rng=0)
    for layers in ([linear], [mg.Tanh(), linear], [mg.Dropout(0.5), mg.Residual(mg.ReLU(), linear)]):
        net = mg.Sequential(*layers)
        assert net.dtype == net.eval()(np.ones((2, 3))).dtype == dtype
        assert net.in_features == (3 if layers[0] is linear else None)
    assert mg.Sequential(mg.Tanh()).dtype is None


def test_modes_reach_every_layer():
    net = nested()
    assert not any(layer.training for _, layer in walk(net.eval()))
    assert all(layer.training for _, layer in walk(net.train()))


@pytest.mark.parametrize("evaluating", [[], [2], [0, 2], ["net"]])
def test_the_output_shape_is_found_without_a_change(evaluating):
    net = nested()
    for i in evaluating:
        (net if i == "net" else net[i]).eval()
    before = snapshot(net)
    assert output_shape(net, np.ones((5, 2))) == (5, 1)
    assert snapshot(net) == before


# ---- repr and summary ------------------------------------------------------------------------------------


@given(problems(coupled=True))
def test_repr_reads_back_as_the_constructor_call(problem):
    net = problem[0]
    again = eval(repr(net), vars(mg))
    assert repr(again) == repr(net)
    assert [type(layer) for _, layer in walk(again)] == [type(layer) for _, layer in walk(net)]
    again.load_state_dict(net.state_dict())
    assert same_bits(again.state_dict(), net.state_dict())
    x = problem[2]
    np.testing.assert_array_equal(again.eval()(x), net.eval()(x))


def test_repr_by_hand():
    net = mg.mlp([64, 32, 10], activation="leaky_relu", dtype=np.float32)
    first, last = (f"Linear({sizes}, dtype='float32')" for sizes in ("64, 32", "32, 10"))
    assert repr(net) == f"Sequential({first}, LeakyReLU(), {last})"
    assert eval(repr(net), vars(mg)).dtype == np.float32


def test_summary(capsys):
    nested().summary()
    assert capsys.readouterr().out.splitlines() == [
        "layer                           output shape  parameters",
        "0 Linear(2, 3)                  (N, 3)                 9",
        "1.0.0 Linear(3, 4)              (N, 4)                16",
        "1.0.1 Tanh()                    (N, 4)                 0",
        "1.0.2 Linear(4, 3, bias=False)  (N, 3)                12",
        "1.1 Dropout(0.5)                (N, 3)                 0",
        "2 BatchNorm(3)                  (N, 3)                 6",
        "3 ELU(alpha=0.5)                (N, 3)                 0",
        "4 Linear(3, 1)                  (N, 1)                 4",
        "total                                                 47",
    ]


def test_summary_of_a_norm_tells_its_width(capsys):
    mg.Sequential(mg.BatchNorm(3), mg.Tanh()).summary()
    assert [line.split()[-3:] for line in capsys.readouterr().out.splitlines()[1:-1]] == [
        ["(N,", "3)", n] for n in "60"
    ]


def test_summary_of_layers_of_unknown_width(capsys):
    mg.Sequential(Square(), Scale(1000)).summary()
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["0", "Square()", "(N,", "?)", "0"],
        ["1", "Scale()", "(N,", "?)", "1,000"],
        ["total", "1,000"],
    ]


class Added(mg.Layer):
    def forward(self, x):
        return x.sum(axis=1), None


def test_an_output_without_an_axis_for_its_numbers_is_named():
    with pytest.raises(ValueError, match=r"^the net's output has shape \(1,\)"):
        output_shape(mg.Sequential(Added()), np.ones((3, 2)))


# ---- state_dict ------------------------------------------------------------------------------------------


def test_a_state_dict_carries_a_net_over(rng):
    net, other, x = nested(), nested(), rng.standard_normal((6, 2))
    for array in net.state().values():
        array += rng.random(array.shape)
    other.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(other.eval()(x), net.eval()(x))


# ---- mlp -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        *({"activation": "nope"}, {"init": "nope"}, {"init": lambda rng, K, J: np.zeros(3)}, {"dtype": "int"}),
        *({"sizes": [3, 4, 0]}, {"init": "tanh_equivalent", "activation": "relu"}),
    ],
)
def test_a_wrong_argument_of_mlp_leaves_the_callers_generator_as_it_was(wrong):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="activation|init|dtype|sizes"):
        mg.mlp(**({"sizes": [3, 4, 2], "rng": rng} | wrong))
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_mlp_is_the_same_structure_in_short(kind, dtype):
    net = mg.mlp([5, 4, 3, 2], activation=kind, dtype=dtype, rng=0)
    assert [net[i].weight.shape for i in (0, 2, 4)] == [(4, 5), (3, 4), (2, 3)]
    assert not any(net[i].bias.any() for i in (0, 2, 4))
    assert [getattr(layer, "kind", "linear") for layer in net] == ["linear", kind, "linear", kind, "linear"]
    assert net.dtype == net(np.ones((1, 5))).dtype == dtype


def test_mlp_draws_its_layers_in_order_from_one_generator():
    rng = np.random.default_rng(7)
    by_hand = mg.Sequential(mg.Linear(4, 3, rng=rng), mg.Sigmoid(), mg.Linear(3, 2, rng=rng))
    assert same_bits(mg.mlp([4, 3, 2], rng=7).state_dict(), by_hand.state_dict())
    assert not same_bits(mg.mlp([4, 3, 2], rng=8).state_dict(), by_hand.state_dict())


def test_mlp_of_two_sizes_is_linear():
    assert repr(mg.mlp([3, 2])) == "Sequential(Linear(3, 2))"


def test_mlp_takes_an_initializer_of_ones_own():
    net = mg.mlp([3, 2, 4], init=lambda rng, K, J: np.full((K, J), K + 10 * J), rng=0)
    assert (net[0].weight == 32).all()
    assert (net[2].weight == 24).all()


@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=6),
    seeds,
    st.sampled_from(["sigmoid", "centered_sigmoid"]),
)
def test_the_tanh_equivalent_sigmoid_net_is_the_tanh_net_with_glorot_weights(sizes, seed, activation):
    tanh = mg.mlp(sizes, activation="tanh", rng=seed)
    net = mg.mlp(sizes, activation=activation, init="tanh_equivalent", rng=seed)
    x = np.random.default_rng(seed).standard_normal((4, sizes[0]))
    np.testing.assert_allclose(net(x), tanh(x), rtol=1e-12, atol=1e-13)


def test_the_tanh_equivalent_net_is_not_the_plain_one(rng):
    x, sizes = rng.standard_normal((4, 3)), [3, 5, 5, 2]
    assert np.abs(mg.mlp(sizes, rng=0)(x) - mg.mlp(sizes, activation="tanh", rng=0)(x)).max() > 0.1


def test_what_backward_is_given_must_be_of_every_layer(rng):
    net, x = mg.mlp([3, 4, 2], rng=0), rng.standard_normal((5, 3))
    out, saved = net.forward(x)
    for wrong in (saved[1:], [*saved, None]):
        with pytest.raises(ValueError, match="longer|shorter"):
            net.backward(out, wrong)


class Seen(mg.Layer):
    """Keeps the sizes of the batches that it gets."""

    def __init__(self):
        self.sizes = []

    def forward(self, x):
        self.sizes.append(len(x))
        return x, None


def test_the_shape_of_an_output_takes_one_sample(rng):
    net = mg.Sequential(mg.Linear(3, 2, rng=0), Seen())
    assert output_shape(net, rng.standard_normal((5, 4, 3))) == (5, 4, 2)
    assert net[1].sizes == [1]
