"""Arrays that other code hands over, as weights and as optimizer state: used as they are meant, or refused by name."""

import io
import pickle

import numpy as np
import pytest
from memory_layouts import LAYOUTS
from oracles import same_bits, snapshot

import minigrad as mg
from minigrad.layers.parameters import put_back

X = np.random.default_rng(0).standard_normal((11, 3))
Y = np.arange(11) % 2


def build(kind="mlp", dtype=np.float64):
    if kind == "mlp":
        return mg.mlp([3, 4, 2], "tanh", dtype=dtype, rng=0)
    norm = {"norm": mg.BatchNorm, "row norm": mg.LayerNorm}[kind](4, dtype=dtype)
    return mg.Sequential(
        mg.Linear(3, 4, dtype=dtype, rng=0), mg.Residual(norm, mg.Tanh()), mg.Linear(4, 2, dtype=dtype, rng=1)
    )


def places(net):
    """(layer, attribute) of every parameter and buffer."""
    return [
        (layer, name)
        for layer in (net[0], *(net[1] if isinstance(net[1], mg.Residual) else []), net[2])
        for name in (*layer.parameter_names, *layer.buffer_names)
    ]


def hand_over(net, change):
    for layer, name in places(net):
        setattr(layer, name, change(getattr(layer, name)))
    return net


def train(net, opt, x=X, y=Y, **others):
    settings = {"epochs": 2, "batch_size": 4, "rng": 0, "progress": False} | others
    return mg.fit(net, mg.CrossEntropyLoss(), opt, x, y, **settings)


def run(net, opt, how):
    """Three ways in; what they do must not depend on how the arrays lie in memory."""
    if how is not None:
        return train(net, opt, engine=how)
    for _ in range(3):
        opt.step(net, mg.backprop(net, mg.CrossEntropyLoss(), X, Y))
    return None


@pytest.fixture(params=["fused", "python", None], ids=["fused", "python", "step"])
def how(request):
    if request.param == "fused" and not hasattr(mg.layers.linear.core, "Program"):
        pytest.skip("the compiled core does not run here")
    return request.param


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["mlp", "norm", "row norm"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_in_any_layout_train_to_the_same_bits(layout, kind, dtype, how):
    if kind != "mlp" and how == "fused":
        pytest.skip("BatchNorm and LayerNorm run on the Python engine")
    plain, other = build(kind, dtype), hand_over(build(kind, dtype), LAYOUTS[layout])
    outputs = plain.eval()(X), other.eval()(X)
    np.testing.assert_array_equal(*outputs)
    for net in (plain, other):
        run(net.train(), mg.Adam(), how)
    assert same_bits(plain.state_dict(), other.state_dict())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "make", [lambda: mg.SGD(0.1, momentum=0.9), mg.RMSprop, mg.Adam], ids=["momentum", "rmsprop", "adam"]
)
def test_optimizer_state_in_any_layout_goes_on_to_the_same_bits(layout, make, how):
    pairs = [(build(), make()) for _ in "12"]
    for net, opt in pairs:
        run(net, opt, how)
    opt = pairs[1][1]
    opt.state = {name: tuple(LAYOUTS[layout](array) for array in kept) for name, kept in opt.state.items()}
    for net, opt in pairs:
        run(net, opt, how)
    assert snapshot(*pairs[0]) == snapshot(*pairs[1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_data_in_any_layout_train_to_the_same_bits(layout, how):
    if how is None:
        pytest.skip("of fit")
    plain, other = build(), build()
    first = train(plain, mg.SGD(0.1), X, np.eye(2)[Y], engine=how)
    assert first == train(other, mg.SGD(0.1), LAYOUTS[layout](X), LAYOUTS[layout](np.eye(2)[Y]), engine=how)
    assert same_bits(plain.state_dict(), other.state_dict())


def test_data_in_fortran_order_are_copied_once_and_not_in_every_epoch(monkeypatch):
    from minigrad.training import fit as training

    copies, aligned = [], training.aligned
    monkeypatch.setattr(training, "aligned", lambda array: copies.append(array.shape) or aligned(array))
    train(build(), mg.SGD(0.1), np.asfortranarray(X), epochs=5)
    assert copies == [X.shape]


class Subclass(np.ndarray):
    """As np.matrix is one, whose products are of another kind."""

    def __mul__(self, other):
        return self @ other


@pytest.mark.parametrize(
    ("put", "dtype"),
    [
        (lambda w: np.ones(w.shape, int), np.float64),
        (lambda w: np.ones(w.shape, np.uint8), np.float64),
        (lambda w: np.ones(w.shape).tolist(), np.float64),
        (lambda w: np.ones(w.shape).view(Subclass), np.float64),
    ],
    ids=["integers", "bytes", "lists", "subclass"],
)
def test_what_holds_numbers_is_used(put, dtype, how):
    net = build()
    net[0].weight = put(net[0].weight)
    plain = build()
    plain[0].weight = np.ones((4, 3), dtype)
    for each in (net, plain):
        run(each, mg.SGD(0.1), how)
    assert net[0].weight.dtype == dtype
    assert same_bits(net.state_dict(), plain.state_dict())


class NoArray:
    def __array__(self, *args, **kwargs):
        raise TypeError("not to be had")


BAD = [  # what is put in place of net[0].weight, and what the error says
    (lambda w: w.T, r"0\.weight has shape \(3, 4\), expected \(4, 3\) in Linear\(3, 4\)"),
    (lambda w: w[:2], r"0\.weight has shape \(2, 3\), expected \(4, 3\)"),
    (lambda w: w.astype(complex), r"0\.weight has dtype complex128"),
    (lambda w: w.astype(np.float32), r"0\.bias is float64 and 0\.weight float32; convert one of them with \.astype"),
    (lambda w: w.astype(np.float16), r"0\.weight has dtype float16"),
    (lambda w: np.full(w.shape, "a"), r"0\.weight .*<U1"),
    (lambda w: [[1, 2, 3], [1]] * 2, r"0\.weight is not a rectangular array"),
    (lambda w: np.ma.masked_array(w, w > 0), r"0\.weight is a masked array"),
    (lambda w: NoArray(), r"0\.weight"),
]


@pytest.mark.parametrize(("put", "message"), BAD, ids=[message for _, message in BAD])
def test_what_cannot_be_used_is_refused_by_name_before_anything_changes(put, message, how):
    if how is None and ("2, 3" in message or "convert" in message):
        pytest.skip("a step compares a gradient with the weight as it is")
    net, opt = build(), mg.Adam()
    net[0].weight = put(net[0].weight)
    rest = net[2].state_dict()
    with pytest.raises((ValueError, TypeError), match=message):
        run(net, opt, how) if how else opt.step(net, {"2.bias": np.ones(2)})
    assert opt.steps == 0
    assert opt.state == {}
    assert same_bits(net[2].state_dict(), rest)


def test_optimizer_state_that_does_not_fit_is_refused_before_anything_changes(how):
    for broken, message in (
        ((np.ones((4, 3)),), "holds 1 arrays, expected 2"),
        ((np.ones((4, 3)), np.ones((3, 4))), r"its square of '0.weight' has shape \(3, 4\), expected \(4, 3\)"),
        ((np.ones((4, 3)), np.full((4, 3), 1j)), "the square of '0.weight' in opt.state has dtype complex128"),
    ):
        net, opt = build(), mg.Adam()
        opt.step(net, {name: np.zeros_like(array) for name, array in net.parameters().items()})
        opt.state["0.weight"] = broken
        before = net.state_dict()
        with pytest.raises((ValueError, TypeError), match=message):
            run(net, opt, how)
        assert opt.steps == 1
        assert same_bits(net.state_dict(), before)


@pytest.mark.parametrize("make", [lambda: mg.SGD(0.1, momentum=0.9), mg.Adam], ids=["momentum", "adam"])
def test_optimizer_state_of_the_other_float_type_becomes_that_of_the_weights(make, how):
    pairs = [(build(dtype=np.float32), make()) for _ in "12"]
    for net, opt in pairs:
        run(net, opt, how)
    opt = pairs[1][1]
    opt.state = {name: tuple(array.astype(np.float64) for array in kept) for name, kept in opt.state.items()}
    for net, opt in pairs:
        run(net, opt, how)
    assert {array.dtype for kept in opt.state.values() for array in kept} == {np.dtype(np.float32)}
    assert snapshot(*pairs[0]) == snapshot(*pairs[1])


# ---- memory that is shared ---------------------------------------------------------------------------------


def test_a_weight_that_is_a_view_of_another_is_refused():
    net = mg.mlp([3, 3, 3], rng=0)
    net[2].weight = net[0].weight.T
    with pytest.raises(ValueError, match=r"0\.weight and 2\.weight share memory; give one of them a copy.*\.copy\(\)"):
        train(net, mg.SGD(0.1), y=np.arange(11) % 3)
    assert net[2].weight.base is not None  # nothing was replaced


def test_columns_of_one_matrix_share_no_numbers(how):
    both = np.random.default_rng(1).standard_normal((4, 6))
    net, plain = build(), build()
    net[0].weight, plain[0].weight = both[:, ::2], both[:, ::2].copy()
    for each in (net, plain):
        run(each, mg.SGD(0.1), how)
    assert same_bits(net.state_dict(), plain.state_dict())


def test_weights_whose_numbers_alternate_in_one_memory_share_none(how):
    memory = np.random.default_rng(1).standard_normal(24)
    net, plain = build(), build()
    net[0].weight, net[2].weight = memory[::2].reshape(4, 3), memory[1:16:2].reshape(2, 4)
    plain[0].weight, plain[2].weight = net[0].weight.copy(), net[2].weight.copy()
    assert net[0].weight.base is net[2].weight.base
    for each in (net, plain):
        run(each, mg.SGD(0.1), how)
    assert same_bits(net.state_dict(), plain.state_dict())


@pytest.mark.parametrize("make", [lambda: mg.SGD(0.1, weight_decay=0.5), mg.Adam, lambda: mg.AdamW(weight_decay=0.5)])
@pytest.mark.parametrize("tie", ["layer", "array"])
def test_a_weight_that_is_used_twice_moves_once(make, tie):
    def tied():
        layer = mg.Linear(3, 3, rng=0)
        other = layer
        if tie == "array":
            other = mg.Linear(3, 3)
            other.weight, other.bias = layer.weight, layer.bias
        return mg.Sequential(layer, mg.Tanh(), other, mg.Linear(3, 2, rng=1))

    net = tied()
    assert list(net.parameters()) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias", "3.weight", "3.bias"]
    bp = mg.backprop(net, mg.CrossEntropyLoss(), X, Y)
    assert list(bp.gradients) == ["0", "3"]  # one pair for both uses, as two positions
    g = bp.gradients["0"]
    uses = [g.delta[:, p].T @ g.a[:, p] / len(X) for p in range(2)]
    np.testing.assert_allclose(g.weight, uses[0] + uses[1], rtol=1e-12, atol=1e-15)
    total, bias = g.weight, bp.parameter_gradients()["0.bias"]
    np.testing.assert_allclose(bias, g.delta.sum(axis=1).mean(axis=0), rtol=1e-12, atol=1e-15)
    mg.gradcheck(net, mg.CrossEntropyLoss(), X, Y)

    alone, first, second = mg.Sequential(mg.Linear(3, 3, rng=0)), make(), make()
    second.step(alone, {"0.weight": total, "0.bias": bias})
    first.step(net, bp)
    np.testing.assert_array_equal(net[0].weight, alone[0].weight)
    assert net[2].weight is net[0].weight
    assert train(net, first, epochs=1).loss  # fit takes the engine that can


# ---- copies ------------------------------------------------------------------------------------------------


def by_pickle_5(value):
    """Through protocol 5, with the arrays beside the pickle: they come back read-only and anywhere in memory."""
    buffers = []
    text = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(text, buffers=[memoryview(b"\0" + bytes(buffer))[1:] for buffer in buffers])


def test_a_net_and_its_optimizer_survive_pickle_5_with_buffers_beside_it(how):
    net, opt = build(), mg.Adam()
    run(net, opt, how)
    other, other_opt = by_pickle_5((net, opt))
    assert not other[0].weight.flags.writeable
    for each in ((net, opt), (other, other_opt)):
        run(*each, how)
    assert snapshot(net, opt) == snapshot(other, other_opt)


def test_a_net_over_a_memory_map_trains_and_the_file_stays(tmp_path, how):
    net, plain, path = build(), build(), tmp_path / "weight.npy"
    np.save(path, net[0].weight)
    kept = path.read_bytes()
    net[0].weight = np.load(path, mmap_mode="r")
    for each in (net, plain):
        run(each, mg.SGD(0.1), how)
    assert same_bits(net.state_dict(), plain.state_dict())
    assert path.read_bytes() == kept


def test_load_state_dict_fills_read_only_weights():
    net, state = hand_over(build(), LAYOUTS["read-only"]), mg.mlp([3, 4, 2], rng=5).state_dict()
    net.load_state_dict(state)
    assert same_bits(net.state_dict(), state)


@pytest.mark.parametrize("change", [LAYOUTS["read-only"], lambda array: np.zeros(7), lambda array: None])
@pytest.mark.parametrize("alone", [False, True], ids=["in a net", "alone"])
def test_values_are_put_back_where_they_cannot_be_written(change, alone):
    net = mg.Linear(3, 2, rng=0) if alone else build()
    layer, name = (net, "weight") if alone else (net[2], "2.weight")
    kept = {name: array.copy() for name, array in net.state().items()}
    bias = layer.bias
    bias += 1
    layer.weight = change(layer.weight)
    put_back(net, kept)
    assert same_bits(net.state(), kept)
    assert layer.weight is not kept[name], "training on must not change what was kept"
    assert layer.bias is bias, "what can be written stays, with its values of before"


def test_what_is_not_among_the_values_put_back_stays_as_it_is():
    net, other = build("norm"), build("norm")
    for array in other.state().values():
        array += 1
    before = {name: array.copy() for name, array in net.state().items()}
    some = {name: array for i, (name, array) in enumerate(other.state().items()) if i % 2}
    put_back(net, some)
    assert same_bits(net.state(), before | some)


def test_batchnorm_from_elsewhere_takes_its_statistics_in_a_loop_of_ones_own():
    net = hand_over(build("norm"), LAYOUTS["read-only"])
    mg.backprop(net, mg.CrossEntropyLoss(), X, Y)
    plain = build("norm")
    mg.backprop(plain, mg.CrossEntropyLoss(), X, Y)
    assert same_bits(net.state_dict(), plain.state_dict())


def test_an_open_archive_gives_weights():
    file = io.BytesIO()
    np.savez(file, **build().state_dict())
    net = mg.mlp([3, 4, 2], rng=9)
    file.seek(0)
    with np.load(file) as archive:
        for name in ("weight", "bias"):
            setattr(net[0], name, archive[f"0.{name}"])
            setattr(net[2], name, archive[f"2.{name}"])
    assert same_bits(net.state_dict(), build().state_dict())
