"""Nets in safetensors files: the same bits come back, others can read them, and no file does harm."""

import json
import os
import struct
import subprocess
import sys

import catalogue
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import same_bits
from own_layers import Block, Counter, Doubled, Gain, Swish
from strategies import layer_stacks, seeds

import minigrad as mg

safetensors = pytest.importorskip("safetensors")
pytest.importorskip("safetensors.numpy")

from minigrad.bridges.safetensors import load, save  # noqa: E402

X = np.random.default_rng(0).standard_normal((5, 4))


def net_of_all(dtype="float64"):
    """A net with every layer, in a Residual and outside; in float32 with those that have weights."""
    if dtype == "float32":
        weighted = (mg.Linear(4, 3, dtype=dtype, rng=1), mg.BatchNorm(3, dtype=dtype), mg.LayerNorm(3, dtype=dtype))
        return mg.Sequential(*weighted)
    layers = [layer for layer in catalogue.layers() if not isinstance(layer, mg.Sequential)]
    inner = mg.Sequential(mg.Tanh(), mg.BatchNorm(4, 0.1, 0.3))
    net = mg.Sequential(*layers, *catalogue.activations(), mg.Residual(mg.Linear(4, 4, rng=2), inner))
    for name, array in net.state().items():
        array += np.random.default_rng(len(name)).random(array.shape)
    return net


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def rewritten(path, change):
    """The file with another header: change(header dict) -> header dict or bytes."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = change(json.loads(content[8 : 8 + size]))
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content[8 + size :])


def with_text(change):
    """A change of the header: of the JSON text that describes the net."""

    def changed(header):
        header["__metadata__"]["minigrad"] = json.dumps(change(json.loads(header["__metadata__"]["minigrad"])))
        return header

    return changed


# ---- there and back --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_layer_comes_back_to_the_bit(dtype, path, tmp_path):
    net = net_of_all(dtype)
    save(net, path)
    mg.save(net, tmp_path / "net.npz")
    back, from_npz = load(path), mg.load(tmp_path / "net.npz")
    assert repr(back) == repr(from_npz) == repr(net)
    assert same_bits(back.state_dict(), net.state_dict())
    assert back.training is from_npz.training
    np.testing.assert_array_equal(back.eval()(X), net.eval()(X))
    mg.fit(back, mg.MSELoss(), mg.SGD(0.1), X, back(X) + 1, epochs=1, batch_size=5, progress=False)  # it can be trained


@given(st.data(), st.sampled_from([np.float32, np.float64]), seeds)
def test_any_stack_comes_back_to_the_bit(tmp_path_factory, data, dtype, seed):
    layers, _ = data.draw(layer_stacks(4, catalogue.KINDS, coupled=True))
    net, path = mg.Sequential(*layers), tmp_path_factory.getbasetemp() / "any.safetensors"
    for array in net.state().values():
        array += np.random.default_rng(seed).random(array.shape)
    save(net, path)
    back = load(path)
    assert repr(back) == repr(net)
    assert same_bits(back.state_dict(), net.state_dict())


@pytest.mark.parametrize("format", ["safetensors", "npz"])
def test_a_weight_that_is_used_twice_stays_one(format, tmp_path):
    net = mg.mlp([4, 4, 4, 4], rng=0)
    net[2].weight = net[4].weight
    net = mg.Sequential(net, mg.Linear(4, 4, rng=1), net[0])
    net[1].bias = net[0][0].bias
    write, read = (save, load) if format == "safetensors" else (mg.save, mg.load)
    write(net, tmp_path / "net")
    back = read(tmp_path / "net")
    assert same_bits(back.state_dict(), net.state_dict())
    assert list(back.parameters()) == list(net.parameters())
    assert back[0][2].weight is back[0][4].weight is not back[0][0].weight
    assert back[1].bias is back[0][0].bias is back[2].bias
    ours, theirs = (mg.backprop(n, mg.MSELoss(), X, X).parameter_gradients() for n in (net, back))
    assert same_bits(ours, theirs)


@pytest.mark.usefixtures("known_layers_as_before")
def test_layers_of_ones_own_come_back(path):
    net = mg.Sequential(Gain(4), Counter(4, start=2.0), Swish(1.5), Doubled(mg.Linear(4, 4, rng=0)), Block(4))
    save(net, path)
    back = load(path)
    assert same_bits(back.state_dict(), net.state_dict())
    np.testing.assert_array_equal(back.eval()(X), net.eval()(X))


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda a: a.astype(">f8"), lambda a: a[::-1]], ids="FbR")
def test_arrays_of_any_layout_are_written_as_they_read(layout, path):
    net = mg.mlp([4, 3, 2], rng=0)
    net[0].weight = layout(net[0].weight)
    save(net, path)
    np.testing.assert_array_equal(load(path)[0].weight, net[0].weight)
    np.testing.assert_array_equal(safetensors.numpy.load_file(path)["0.weight"], net[0].weight)


def test_others_read_the_arrays_by_pytorchs_names(path):
    net = net_of_all()
    save(net, path)
    arrays = safetensors.numpy.load_file(path)
    assert same_bits(arrays, net.state_dict())
    with safetensors.safe_open(path, "numpy") as file:
        text = json.loads(file.metadata()["minigrad"])
    assert text["format"] == "minigrad net 1"
    again = net_of_all()
    again.load_state_dict({name: 0 * array for name, array in arrays.items()})
    again.load_state_dict(arrays)
    assert same_bits(again.state_dict(), net.state_dict())


def test_torch_reads_it_into_its_own_net(path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    net = mg.Sequential(mg.Linear(4, 6, rng=0), mg.BatchNorm(6), mg.Tanh(), mg.Sequential(mg.Linear(6, 2, rng=1)))
    save(net.eval(), path)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Sequential(nn.Linear(6, 2))).double().eval()
    model.load_state_dict(load_file(path))
    np.testing.assert_allclose(model(torch.from_numpy(X)).detach(), net(X), rtol=1e-12)


# ---- writing ---------------------------------------------------------------------------------------------


def test_what_is_refused_leaves_the_old_file(path):
    net = mg.mlp([4, 2], rng=0)
    save(net, path)
    old = path.read_bytes()
    net[0].weight[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"0\.weight holds NaN"):
        save(net, path)
    with pytest.raises(TypeError, match="net is a Linear, expected a Sequential"):
        save(net[0], path)
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == [path.name]


def test_a_disk_that_is_full_leaves_the_old_file(path, monkeypatch):
    save(mg.mlp([4, 2], rng=0), path)
    old = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left.*net\.safetensors"):
        save(mg.mlp([4, 2], rng=1), path)
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == [path.name]


def test_places_that_are_no_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for name, error, message in (("", OSError, "folder"), ("fifo", OSError, "FIFO"), ("no/net", OSError, "no folder")):
        with pytest.raises(error, match=message):
            save(mg.mlp([2, 2]), tmp_path / name)
    with pytest.raises(ValueError, match="a FIFO"):
        load(tmp_path / "fifo")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")
    with pytest.raises((OSError, ValueError)):
        load(tmp_path)


# ---- files of others, and worse --------------------------------------------------------------------------


def test_a_foreign_file_is_told_apart_and_the_remedy_works(path):
    net = mg.mlp([4, 3, 2], rng=0)
    for metadata in (None, {"format": "pt"}):
        safetensors.numpy.save_file(net.state_dict(), path, metadata)
        with pytest.raises(ValueError, match=r"not written by minigrad.*no entry 'minigrad'.*2\.weight") as caught:
            load(path)
        other = mg.mlp([4, 3, 2], rng=1)
        eval(str(caught.value).rpartition("use ")[2], {"net": other, "safetensors": safetensors, "path": path})
        assert same_bits(other.state_dict(), net.state_dict())


def test_files_of_other_formats_are_refused_by_name(path):
    mg.save(mg.mlp([4, 2]), path)
    with pytest.raises(ValueError, match=r"net\.safetensors is not a safetensors file.*use mg\.load"):
        load(path)
    for content in (b"", b"x", b"\xff" * 100, b"\x08" + bytes(7) + b"[[[[[[[[", bytes(8) + b"{}"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"net\.safetensors is not a safetensors file"):
            load(path)


def linear(**more):
    return lambda text: text | {"net": ["Sequential", [["Linear", {"in_features": 4, "out_features": 2} | more]]]}


CHANGES = {
    "another format": (with_text(lambda text: text | {"format": "minigrad net 2"}), "its format is 'minigrad net 2'"),
    "no format": (with_text(lambda text: {}), "format"),
    "no dict": (with_text(lambda text: 3), "not a safetensors file"),
    "no JSON": (lambda header: header | {"__metadata__": {"minigrad": "{"}}, "not a safetensors file"),
    "deep": (lambda header: header | {"__metadata__": {"minigrad": "[" * 100_000}}, "not a safetensors file"),
    "a code": (with_text(lambda text: text | {"net": ["os.system", {"command": "touch x"}]}), "not known here"),
    "a list": (with_text(lambda text: text | {"net": []}), "not a minigrad net"),
    "a Linear": (with_text(lambda text: text | {"net": linear()(text)["net"][1][0]}), "it holds a Linear"),
    "huge": (with_text(linear(in_features=10**6, out_features=10**6)), "larger than any of its arrays"),
    "other sizes": (with_text(linear(in_features=2, out_features=2)), r"has shape \(2, 4\), expected \(2, 2\)"),
    "an overlap": (lambda header: header | {"0.weight": header["0.weight"] | {"data_offsets": [0, 64]}}, "0.weight"),
    "a gap": (lambda header: {k: v for k, v in header.items() if k != "0.bias"}, "not a safetensors file"),
    "too much": (lambda header: header | {"0.bias": header["0.bias"] | {"shape": [2**40]}}, "not a safetensors file"),
    "a tie to nothing": (with_text(lambda text: text | {"shared": {"0.bias": "1.bias"}}), "not a minigrad net"),
    "a tie of two shapes": (with_text(lambda text: text | {"shared": {"0.bias": "0.weight"}}), "expected"),
    "an argument": (with_text(linear(path="x")), "not a minigrad net"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_forged_text_is_refused(change, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    save(mg.mlp([4, 2], rng=0), path)
    load(path)
    rewritten(path, CHANGES[change][0])
    with pytest.raises(ValueError, match=CHANGES[change][1]):
        load(path)
    assert os.listdir(path.parent) == [path.name]


def test_numbers_that_are_none_are_refused(path):
    save(mg.mlp([4, 2], rng=0), path)
    content = path.read_bytes()
    path.write_bytes(content[:-8] + struct.pack("<d", np.inf))
    with pytest.raises(ValueError, match="holds NaN or infinity"):
        load(path)


def test_damaged_files_are_refused_by_name_or_read_as_another_net(path):
    net, rng = mg.Sequential(mg.Linear(4, 3, rng=0), mg.BatchNorm(3), mg.ELU(0.5)), np.random.default_rng(0)
    save(net, path)
    whole, refusals = path.read_bytes(), []
    for _ in range(600):
        data = bytearray(whole)
        for at in rng.integers(0, len(data) - 100, rng.integers(1, 4)):
            data[at] ^= 1 << int(rng.integers(8))
        if rng.random() < 0.3:
            del data[rng.integers(len(data)) :]
        path.write_bytes(data)
        try:
            assert isinstance(load(path), mg.Sequential)
        except ValueError as error:
            refusals.append(str(error))
    assert len(refusals) > 300
    assert [text for text in refusals if str(path) not in text] == []


def test_without_safetensors_the_error_says_what_to_install():
    code = "import sys; sys.modules['safetensors'] = None; import minigrad.bridges.safetensors"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: this bridge needs safetensors, which is not installed: pip install safetensors" in run.stderr
