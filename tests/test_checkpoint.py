"""Nets in files: what comes back, what a failed write leaves behind, and what is not a net."""

import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import same_bits
from strategies import DTYPES, KINDS, problems

import minigrad as mg
from minigrad.files.archive import read_archive, write_archive
from minigrad.files.nets import FORMAT


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("nets")


# ---- save and load ---------------------------------------------------------------------------------------


@given(problem=problems(coupled=True))
def test_a_net_comes_back_with_its_structure_and_its_bits(folder, problem):
    net, x = problem[0], problem[2]
    mg.save(net, folder / "net.npz")
    again = mg.load(folder / "net.npz")
    assert repr(again) == repr(net)
    assert same_bits(again.state_dict(), net.state_dict())
    np.testing.assert_array_equal(again.eval()(x), net.eval()(x))
    assert os.listdir(folder) == ["net.npz"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_activation_and_float_type(kind, dtype, tmp_path):
    net = mg.mlp([3, 4, 2], activation=kind, dtype=dtype, rng=0)
    mg.save(net, str(tmp_path / "a net"))  # any name, a str or a path
    again = mg.load(str(tmp_path / "a net"))
    assert type(again[1]) is type(net[1])
    assert again.dtype == dtype
    assert same_bits(again.state_dict(), net.state_dict())


def test_parameters_of_layers_come_back(tmp_path):
    net = mg.Sequential(mg.Linear(2, 2, bias=False), mg.LeakyReLU(0.3), mg.ELU(2.0), mg.BatchNorm(2, 0.5, 0.25))
    net = mg.Sequential(mg.Residual(net), mg.Dropout(0.125))
    net(np.random.default_rng(0).standard_normal((9, 2)))  # moves the running statistics
    mg.save(net, tmp_path / "net")
    again = mg.load(tmp_path / "net")
    assert repr(again) == repr(net)
    assert same_bits(again.state_dict(), net.state_dict())


def test_a_saved_net_can_be_read_without_minigrad_and_without_pickle(tmp_path):
    net = mg.mlp([3, 2], rng=0)
    mg.save(net, tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz", allow_pickle=False) as archive:
        assert archive.files == ["text", "array.0.weight", "array.0.bias"]
        np.testing.assert_array_equal(archive["array.0.weight"], net[0].weight)
        assert json.loads(str(archive["text"]))["net"] == [
            "Sequential",
            [["Linear", {"in_features": 3, "out_features": 2}]],
        ]


# ---- a failed write --------------------------------------------------------------------------------------


def fails(error):
    def function(*args, **kwargs):
        raise error

    return function


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["disk full", "Ctrl-C"])
@pytest.mark.parametrize("step", ["numpy.savez", "os.fsync", "os.replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(step, error, tmp_path, monkeypatch):
    old, new, path = mg.mlp([3, 2], rng=0), mg.mlp([3, 2], rng=1), tmp_path / "net.npz"
    mg.save(old, path)
    monkeypatch.setattr(step, fails(error))
    with pytest.raises(type(error)):
        mg.save(new, path)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["net.npz"]
    assert same_bits(mg.load(path).state_dict(), old.state_dict())
    mg.save(new, path)
    assert same_bits(mg.load(path).state_dict(), new.state_dict())


def test_the_new_file_is_whole_before_it_takes_the_name(tmp_path, monkeypatch):
    seen, path, replace = [], tmp_path / "net.npz", os.replace

    def look(source, target):
        seen.append((path.exists(), mg.load(source)[0].weight.shape))
        replace(source, target)

    monkeypatch.setattr(os, "replace", look)
    mg.save(mg.mlp([3, 2]), path)
    assert seen == [(False, (2, 3))]


@pytest.mark.parametrize(
    ("where", "why"), [("no such folder/net.npz", "there is no folder .*no such folder:"), (".", "is a folder")]
)
def test_a_place_that_cannot_be_written_is_an_oserror(where, why, tmp_path):
    with pytest.raises(OSError, match=why):
        mg.save(mg.mlp([3, 2]), tmp_path / where)
    assert not any(tmp_path.iterdir())


def test_only_a_whole_net_is_saved(tmp_path):
    with pytest.raises(TypeError, match="net is a Linear, expected a Sequential"):
        mg.save(mg.Linear(3, 2), tmp_path / "net")
    assert not any(tmp_path.iterdir())


# ---- files that are no nets ------------------------------------------------------------------------------


def saved_arrays(path, **arrays):
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def changed(**changes):
    """A file of a Linear(3, 2), with other text or other arrays."""
    text = {"format": FORMAT, "net": ["Sequential", [["Linear", {"in_features": 3, "out_features": 2}]]]}
    arrays = {"0.weight": np.ones((2, 3)), "0.bias": np.ones(2)}

    def write(path):
        write_archive(path, text | changes.get("text", {}), arrays | changes.get("arrays", {}))

    return write


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("unpickled",))


def layer(name, arguments):
    return {"text": {"net": ["Sequential", [[name, arguments]]]}}


NOT_NETS = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("hello"),
    "a pickle": lambda path: path.write_bytes(pickle.dumps(Bomb())),
    "an npy file": lambda path: np.save(path.open("wb"), np.ones(3)),
    "another npz": lambda path: saved_arrays(path, a=np.ones(3)),
    "objects": lambda path: saved_arrays(path, text=np.array([Bomb()], object)),
    "text is no JSON": lambda path: saved_arrays(path, text=np.array("{")),
    "JSON is a list": lambda path: saved_arrays(path, text=np.array("[]")),
    "a zip of nothing": lambda path: zipfile.ZipFile(path, "w").close(),
    "another format": changed(text={"format": "minigrad net 99"}),
    "no net": changed(text={"net": None}),
    "a lone layer": lambda path: write_archive(path, {"format": FORMAT, "net": ["Tanh", {}]}, {}),
    "an unknown layer": changed(**layer("Convolution", {})),
    "a name from elsewhere": changed(**layer("os.system", {"command": "true"})),
    "a wrong argument": changed(**layer("Linear", {"width": 3})),
    "a bad value": changed(**layer("Linear", {"in_features": 0, "out_features": 2})),
    "far too large": changed(**layer("Linear", {"in_features": 10**9, "out_features": 10**9})),
    "beyond all sizes": changed(**layer("Linear", {"in_features": 10**30, "out_features": 2})),
    "no layers": changed(text={"net": ["Sequential", []]}),
    "a missing array": changed(text={"net": ["Sequential", [["Linear", {"in_features": 3, "out_features": 2}]] * 2]}),
    "an extra array": changed(arrays={"0.scale": np.ones(2)}),
    "a misshapen array": changed(arrays={"0.weight": np.ones((3, 2))}),
    "a complex array": changed(arrays={"0.weight": np.ones((2, 3), complex)}),
}


@pytest.mark.parametrize("case", NOT_NETS)
def test_a_file_that_is_not_a_net_is_a_valueerror_that_names_it(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "some file.npz"
    NOT_NETS[case](path)
    with pytest.raises(ValueError, match=r"some file\.npz is not a minigrad (net|file)"):
        mg.load(path)
    assert os.listdir(tmp_path) == ["some file.npz"]  # nothing was executed


def test_a_run_is_not_a_net(tmp_path):
    net, path = mg.mlp([3, 2], rng=0), tmp_path / "run"
    mg.fit(
        net,
        mg.MSELoss(),
        mg.SGD(0.1),
        np.ones((4, 3)),
        np.ones((4, 2)),
        epochs=1,
        checkpoint=path,
        progress=False,
    )
    with pytest.raises(ValueError, match=r"is not a minigrad file \(minigrad net 1\): its format is 'minigrad run 2'"):
        mg.load(path)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz"):
        mg.load(tmp_path / "nowhere.npz")


@pytest.fixture(scope="module")
def whole(folder):
    changed()(folder / "whole")
    return (folder / "whole").read_bytes()


@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(1, 255), cut=st.booleans())
@example(place=0.0, byte=1, cut=True)
def test_a_damaged_file_is_refused_or_read_as_it_was(folder, whole, place, byte, cut):
    at = int(place * len(whole))
    damaged = whole[:at] if cut else whole[:at] + bytes([whole[at] ^ byte]) + whole[at + 1 :]
    (folder / "damaged").write_bytes(damaged)
    try:
        net = mg.load(folder / "damaged")
    except ValueError:
        return
    finally:
        (folder / "damaged").unlink()
    assert same_bits(net.state_dict(), {"0.weight": np.ones((2, 3)), "0.bias": np.ones(2)})


def lists_and_dicts(inner):
    words = st.sampled_from(["Sequential", "Linear", "in_features"])
    return st.lists(inner | words, max_size=3) | st.dictionaries(words, inner, max_size=2)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lists_and_dicts, max_leaves=6))
def test_any_json_for_a_net_is_refused(tmp_path_factory, structure):
    path = tmp_path_factory.getbasetemp() / "any"
    write_archive(path, {"format": FORMAT, "net": structure}, {})
    with pytest.raises(ValueError, match="is not a minigrad net"):
        mg.load(path)


def test_archives_keep_names_and_types(tmp_path):
    arrays = {"file": np.ones(2, np.float32), "text": np.arange(3), "a.b": np.zeros((0, 2))}
    write_archive(tmp_path / "a", {"format": "f", "n": [1, None]}, arrays)
    text, again = read_archive(tmp_path / "a", "f")
    assert text == {"format": "f", "n": [1, None]}
    assert {n: (a.dtype, a.tolist()) for n, a in again.items()} == {n: (a.dtype, a.tolist()) for n, a in arrays.items()}


def test_a_net_that_load_would_refuse_is_not_saved(tmp_path):
    net, path = mg.mlp([2, 2], rng=0), tmp_path / "net.npz"
    mg.save(net, path)
    kept = path.read_bytes()
    net[0].bias[1] = np.nan
    with pytest.raises(ValueError, match="^0.bias holds NaN"):
        mg.save(net, path)
    assert path.read_bytes() == kept
