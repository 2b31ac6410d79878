"""Nets as ONNX files: valid by onnx's checker, and with minigrad's numbers in onnxruntime and onnx's own evaluator."""

import os
import re
import subprocess
import sys

import catalogue
import numpy as np
import pytest
from catalogue import WIDTH
from hypothesis import given
from hypothesis import strategies as st
from oracles import same_bits, snapshot
from strategies import layer_stacks, seeds

import minigrad as mg
from minigrad.layers.containers import visits

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx.reference import ReferenceEvaluator  # noqa: E402

from minigrad.bridges.onnx import OPERATORS, export  # noqa: E402

TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def run(path, x, evaluator="onnxruntime"):
    """The output of a file, after the checker has passed it."""
    onnx.checker.check_model(path, full_check=True)
    if evaluator == "onnx":
        with np.errstate(all="ignore"):
            return ReferenceEvaluator(onnx.load(path)).run(None, {"x": x})[0]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def randomised(net, seed):
    rng = np.random.default_rng(seed)
    for name, array in net.state().items():
        array[...] = (
            rng.uniform(0.5, 2, array.shape) if name.endswith("running_var") else rng.normal(0, 0.7, array.shape)
        )
    return net


def assert_same(net, x, path, dtype, evaluator="onnxruntime"):
    """The file computes what the net computes in eval mode, up to rounding at the scale of the numbers inside."""
    found = run(path, x.astype(dtype), evaluator)
    assert found.dtype == dtype
    x = x.astype(dtype).astype(np.float64)
    net.eval()
    scale = max([1e-3, abs(x).max(), *(abs(out).max() for _, _, _, out, _ in visits(net, x))])
    np.testing.assert_allclose(found, net(x), rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=repr(net))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.onnx"


# ---- numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("evaluator", ["onnxruntime", "onnx"])
@pytest.mark.parametrize("layer", [*catalogue.layers(), *catalogue.activations()], ids=repr)
def test_every_layer_has_its_operators(layer, evaluator, dtype, path):
    net = randomised(mg.Sequential(layer), 0)
    x = np.random.default_rng(1).normal(0, 3, (400, WIDTH))
    if not net.state():
        x = np.concatenate([x, np.linspace(-100, 100, 4 * 501).reshape(-1, 4), 1e-6 * x])
    export(net, path, dtype)
    assert_same(net, x, path, dtype, evaluator)


def test_no_kind_of_layer_was_forgotten():
    known = {*catalogue.LAYER_CLASSES, *catalogue.ACTIVATION_CLASSES.values()} - {mg.Sequential, mg.Residual}
    assert known == set(OPERATORS)


@given(st.data(), st.sampled_from(["float32", "float64"]), st.integers(0, 2), seeds)
def test_any_stack_on_any_positions(tmp_path_factory, data, dtype, positions, seed):
    layers, _ = data.draw(layer_stacks(3, catalogue.KINDS, coupled=True))
    net, path = randomised(mg.Sequential(*layers), seed), tmp_path_factory.getbasetemp() / "any.onnx"
    export(net, path, dtype, positions=positions)
    for N in (1, 7):
        x = np.random.default_rng(seed).normal(size=(N, *(2, 5)[:positions], 3))
        assert_same(net, x, path, dtype)


@pytest.mark.parametrize("norm", [mg.BatchNorm, mg.LayerNorm])
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_norms_keep_their_eps_and_their_digits_far_from_0(norm, eps, path, rng):
    net = randomised(mg.Sequential(norm(6, eps=eps)), 0)
    for name, array in net.state().items():
        array += 0.25 if name.endswith("mean") else 0
    x = 0.5 + 0.01 * rng.normal(size=(50, 6)).astype("float32")
    export(net, path)
    np.testing.assert_allclose(run(path, x), net.eval()(x.astype(float)), rtol=0, atol=2e-6)
    export(net, path, "float64")
    np.testing.assert_allclose(run(path, x.astype(float)), net(x.astype(float)), rtol=0, atol=2e-12)


def test_a_trained_net_answers_as_in_minigrad_and_as_probabilities(path):
    x, y, x_test, _ = mg.datasets.load("digits")
    hidden = mg.Linear(64, 32, rng=0), mg.BatchNorm(32), mg.ReLU(), mg.Dropout(0.2, rng=1)
    net = mg.Sequential(*hidden, mg.Linear(32, 10, rng=2))
    mg.fit(net, mg.CrossEntropyLoss(), mg.Adam(0.01), x / 16, y, epochs=2, rng=0, progress=False)
    export(net.train(), path)
    assert_same(net, x_test / 16, path, "float32")
    assert (run(path, (x_test / 16).astype("float32")).argmax(axis=1) == net(x_test / 16).argmax(axis=1)).all()


def deep_net(rng):
    """A net of up to 30 layers, with norms that have seen three batches."""
    width = J = int(rng.integers(1, 40))
    layers = []
    for _ in range(rng.integers(1, 9)):
        K = int(rng.integers(1, 60))
        layers.append(mg.Linear(width, K, rng=rng))
        width = K
        layers += [norm(width) for norm in (mg.BatchNorm, mg.LayerNorm) if rng.random() < 0.3]
        layers.append(catalogue.ACTIVATION_CLASSES[rng.choice(catalogue.KINDS)]())
        if rng.random() < 0.2:
            layers.append(mg.Residual(mg.LayerNorm(width), mg.Linear(width, width, rng=rng), mg.GELU()))
    net = mg.Sequential(*layers)
    for _ in range(3):
        net.forward(rng.normal(0, 1.4, (64, J)))
    return net, rng.normal(size=(64, J))


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_deep_nets_with_norms(dtype, tolerance, path, monkeypatch):
    monkeypatch.setitem(TOLERANCE, dtype, tolerance)
    for seed in range(120):
        net, x = deep_net(np.random.default_rng(seed))
        export(net, path, dtype)
        assert_same(net, x, path, dtype)


# ---- what is in the file ---------------------------------------------------------------------------------


def arrays_in(path):
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def ends_of(path):
    """[[name, *dimensions]] of the input and the output."""
    graph = onnx.load(path).graph
    ends = [*graph.input, *graph.output]
    return [[end.name, *(d.dim_param or d.dim_value for d in end.type.tensor_type.shape.dim)] for end in ends]


@pytest.mark.parametrize(
    ("net", "positions", "ends"),
    [
        (mg.mlp([4, 3, 2]), 0, [["x", "N", 4], ["output", "N", 2]]),
        (mg.mlp([4, 3, 2]), 1, [["x", "N", "P", 4], ["output", "N", "P", 2]]),
        (mg.Sequential(mg.Tanh(), mg.mlp([4, 3])), 2, [["x", "N", "P1", "P2", 4], ["output", "N", "P1", "P2", 3]]),
        (mg.Sequential(mg.Dropout(0.5)), 0, [["x", "N", "J"], ["output", "N", "J"]]),
        (mg.Sequential(mg.Residual(mg.BatchNorm(5))), 0, [["x", "N", 5], ["output", "N", 5]]),
    ],
    ids=str,
)  # fmt: skip
def test_the_ends_are_named_and_the_number_of_samples_is_free(net, positions, ends, path):
    export(net, path, positions=positions)
    assert ends_of(path) == ends


def test_in_float64_the_file_holds_the_state_dict_to_the_bit(path):
    net = randomised(
        mg.Sequential(mg.Linear(4, 3), mg.BatchNorm(3), mg.Sequential(mg.LayerNorm(3), mg.Linear(3, 3))), 0
    )
    export(net, path, "float64")
    held = arrays_in(path)
    other = randomised(mg.Sequential(*net), 0)
    other.load_state_dict({name: held[name] for name in net.state_dict()})
    assert same_bits(other.state_dict(), net.state_dict())


def test_a_weight_and_a_constant_that_are_used_twice_are_there_once(path, rng):
    net = mg.mlp([4, 4, 4, 4], "silu", rng=0)
    net[2].weight = net[4].weight
    net = mg.Sequential(*net, mg.CenteredSigmoid(), mg.CenteredSigmoid(), net[0], mg.BatchNorm(4), mg.BatchNorm(4))
    export(net, path)
    names = [*arrays_in(path)]
    assert len(set(names)) == len(names)
    assert sorted(n for n in names if n.endswith("weight")) == ["0.weight", "2.weight", "8.weight", "9.weight"]
    assert len([n for n in names if n.startswith("constant")]) == 2  # 1/2 and eps
    assert_same(net, rng.normal(size=(5, 4)), path, "float32")


def test_dropout_and_identity_leave_nothing_and_containers_neither(path):
    net = mg.Sequential(mg.Sequential(mg.Dropout(0.5), mg.Identity()), mg.Sequential(mg.Sequential(mg.ReLU())))
    export(net, path)
    assert [node.op_type for node in onnx.load(path).graph.node] == ["Relu"]


def test_the_standard_operators_are_used_in_float32(path):
    net = mg.Sequential(mg.LeakyReLU(0.2), mg.ELU(0.5), mg.SELU(), mg.Softplus(), mg.LayerNorm(3))
    export(net, path)
    model = onnx.load(path)
    assert {"LeakyRelu", "Elu", "Selu", "Softplus", "LayerNormalization"} <= {node.op_type for node in model.graph.node}
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)


def test_the_net_stays_as_it_is_and_two_files_of_it_are_the_same(path):
    net = mg.Sequential(mg.Linear(3, 3, rng=0), mg.BatchNorm(3), mg.Dropout(0.5, rng=0))
    before = snapshot(net)
    export(net, path)
    first = path.read_bytes()
    export(net.eval(), path)
    assert path.read_bytes() == first
    assert snapshot(net.train()) == before


# ---- what is refused -------------------------------------------------------------------------------------


class Twice(mg.Layer):
    def forward(self, x):
        return 2 * x, None


class Doubled(mg.Sequential):
    def forward(self, x):
        out, saved = super().forward(x)
        return 2 * out, saved


class Named(mg.Sequential):
    """A container whose forward is Sequential's."""


@pytest.mark.parametrize(
    ("net", "place"),
    [
        (mg.Sequential(mg.Tanh(), mg.Residual(mg.Tanh(), Twice())), r"layer 1\.1 is an? .*Twice"),
        (mg.Sequential(Doubled(mg.Tanh())), r"layer 0 is an? .*Doubled"),
    ],
    ids=["a layer", "a container"],
)
def test_a_layer_without_an_operator_is_refused_by_path_and_class(net, place, path):
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=place + r".*no operator.*mg\.Sequential\(\*layers\)"):
        export(net, path)
    assert path.read_bytes() == b"old"
    export(mg.Sequential(Named(mg.Tanh())), path)
    assert [node.op_type for node in onnx.load(path).graph.node] == ["Tanh"]


def test_numbers_that_the_type_cannot_hold_are_refused(path):
    net = mg.mlp([3, 2], rng=0)
    net[0].weight[1, 1] = 1e39
    with pytest.raises(ValueError, match=r"0\.weight as float32 holds NaN or infinity"):
        export(net, path)
    export(net, path, "float64")
    net[0].bias[0] = np.nan
    with pytest.raises(ValueError, match=r"0\.bias as float64 holds NaN or infinity"):
        export(net, path, "float64")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net, path: export(net[0], path), TypeError, "net is a Linear, expected a Sequential"),
        (lambda net, path: export(net, path, "float16"), ValueError, "dtype must be float32 or float64"),
        (lambda net, path: export(net, path, positions=-1), ValueError, "positions is -1"),
        (lambda net, path: export(net, path, positions="1"), TypeError, "positions must be a whole number"),
        (lambda net, path: export(net, path.parent), IsADirectoryError, "folder"),
        (lambda net, path: export(net, path / "no" / "file"), FileNotFoundError, "no folder"),
    ],
    ids=["a layer", "float16", "-1", "text", "a folder", "no folder"],
)
def test_wrong_arguments_are_refused_by_name(call, error, message, path):
    with pytest.raises(error, match=message):
        call(mg.mlp([2, 2], rng=0), path)
    assert os.listdir(path.parent) == []


def test_more_than_protobuf_holds_is_refused(path, monkeypatch):
    monkeypatch.setattr("minigrad.bridges.onnx.LARGEST", 2**20 + 10_000)
    export(mg.mlp([20, 60], rng=0), path)
    with pytest.raises(ValueError, match="net has 10,160 bytes of weights"):
        export(mg.mlp([126, 20], rng=0), path)


def test_a_disk_that_is_full_leaves_the_old_file(path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left.*net\.onnx"):
        export(mg.mlp([4, 2], rng=1), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_without_onnx_the_error_says_what_to_install():
    code = "import sys; sys.modules['onnx'] = None; import minigrad.bridges.onnx"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert re.search("ImportError: this bridge needs onnx, which is not installed: pip install onnx", run.stderr)
