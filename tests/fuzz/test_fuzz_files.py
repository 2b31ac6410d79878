"""Damaged and hostile files: refused by name, with nothing executed or changed, or read as the whole file would be."""

import gzip
import io
import json
import os
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from damaged_files import CodeInAPickle, damaged_bytes, malformed_archive, npy_bytes
from fuzz_runner import CASES, run_fuzz
from oracles import same_bits, snapshot

import minigrad as mg
from minigrad.datasets.table import Text
from minigrad.files.archive import read_archive, write_archive
from minigrad.files.nets import FORMAT
from minigrad.training.run import RUN_FORMAT

X, Y = np.random.default_rng(0).standard_normal((6, 3)), np.array([0, 1, 1, 0, 1, 0])
TABLE = b'''size,colour,wild,kind
1.5,red,true,"a rose"
-2,white,false,"a ""lily"""
3e-2,NA,TRUE,a rose
4,"red
ish",true,tulip
,red,False,tulip
'''
MNIST = {
    "train-images-idx3-ubyte": np.arange(24).reshape(6, 2, 2),
    "train-labels-idx1-ubyte": Y,
    "t10k-images-idx3-ubyte": np.arange(8).reshape(2, 2, 2),
    "t10k-labels-idx1-ubyte": Y[:2],
}


def a_net():
    """A net with each kind of layer that has arrays."""
    inner = mg.Residual(mg.Linear(4, 4, rng=2), mg.Tanh())
    return mg.Sequential(mg.Linear(3, 4, rng=0), mg.BatchNorm(4), inner, mg.Linear(4, 2, rng=1))


def fit(net, opt, path):
    return mg.fit(net, mg.CrossEntropyLoss(), opt, X, Y, epochs=1, rng=0, checkpoint=path, progress=False)


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="module", autouse=True)
def in_a_folder_without_waiting_for_the_disk(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("files"))
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="module")
def whole(in_a_folder_without_waiting_for_the_disk):
    """The bytes of a file of each kind, what is in the archives, and the net after the run."""
    mg.save(a_net(), "net")
    trained = a_net()
    fit(trained, mg.Adam(), "run")
    Path("table").write_bytes(TABLE)
    encoder = mg.datasets.load_table("table", "kind", missing="mean", test=0)[-1]
    mg.save(mg.mlp([encoder.width, encoder.outputs], rng=0), "table net", encoder=encoder)
    return {
        "encoder": encoder,
        "inside table net": read_archive("table net", FORMAT),
        "net": Path("net").read_bytes(),
        "run": Path("run").read_bytes(),
        "inside net": read_archive("net", FORMAT),
        "inside run": read_archive("run", RUN_FORMAT),
        "trained": trained.state_dict(),
        "idx": idx(MNIST["train-images-idx3-ubyte"]),
        "gz": gzip.compress(idx(MNIST["train-images-idx3-ubyte"])),
    }


def attempt(path, call):
    """call()'s result and what came of it; a refusal names the file, and nothing was executed."""
    try:
        return call(), "a result"
    except (ValueError, OSError) as error:
        if path not in str(error):
            raise AssertionError(f"this does not name {path}") from error
        return None, type(error).__name__
    finally:
        assert not os.path.exists("executed")


# ---- what is read, and how it is judged -------------------------------------------------------------------


def load_net(content, whole, exact):
    Path("a net").write_bytes(content)
    net, outcome = attempt("a net", lambda: mg.load("a net"))
    if net is None:
        return outcome
    assert isinstance(net, mg.Sequential)
    assert all(np.isfinite(array).all() for array in net.state().values())
    same = same_bits(net.state_dict(), a_net().state_dict()) and repr(net) == repr(a_net())
    assert same or not exact
    return "the same net" if same else "another net"


def resume(content, whole, exact):
    Path("a run").write_bytes(content)
    net, opt = a_net(), mg.Adam()
    before = snapshot(net, opt)
    history, outcome = attempt("a run", lambda: fit(net, opt, "a run"))
    if history is None:
        assert snapshot(net, opt) == before
        assert Path("a run").read_bytes() == content
        return outcome
    same = same_bits(net.state_dict(), whole["trained"])
    assert same or not exact
    assert all(np.isfinite(array).all() for array in net.state().values())
    return "the same run" if same else "another run"


def load_idx(content, whole, exact):
    Path("an idx").write_bytes(content)
    array, outcome = attempt("an idx", lambda: mg.datasets.load_idx("an idx"))
    if array is None:
        return outcome
    same = array.tobytes() == MNIST["train-images-idx3-ubyte"].astype(np.uint8).tobytes()
    assert same or not exact  # without a checksum nobody can tell
    return "the same array" if same else "another array"


def read_table(content, whole, exact):
    """Read, used with the encoder of the whole table, and learned anew: a fault is named by the file, in each."""
    Path("a table").write_bytes(content)
    table, outcome = attempt("a table", lambda: mg.datasets.read_table("a table"))
    if table is None:
        return outcome
    columns = [column.codes if isinstance(column, Text) else column for column in table.columns.values()]
    assert {len(column) for column in columns} == {len(table)}
    encoder = whole["encoder"]
    x, used = attempt("a table", lambda: encoder.inputs(encoder.read("a table")))
    if x is not None:
        assert x.shape == (len(table), encoder.width)
        assert np.isfinite(x).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of columns that look odd
        made, learned = attempt("a table", lambda: mg.datasets.load_table("a table", "kind", missing="mean", test=0))
    if made is not None:
        assert all(np.isfinite(array).all() for array in made[:4])
        assert len(made[0]) + len(made[2]) == len(table)
    return f"read, {used}, {learned}"


def load_encoder(content, whole, exact):
    Path("a table net").write_bytes(content)
    encoder, outcome = attempt("a table net", lambda: mg.datasets.load_encoder("a table net"))
    if encoder is None:
        return outcome
    text = json.loads(json.dumps(encoder.config()))
    x, _ = attempt("table", lambda: encoder.inputs(encoder.read("table")))
    assert x is None or np.isfinite(x).all()
    return "the same encoder" if text == json.loads(json.dumps(whole["encoder"].config())) else "another encoder"


FILE_KINDS = {  # name: (share of all inputs, bytes of an input, how it is read, must a result be as of the whole file?)
    "file: net, damaged": (0.05, lambda draw, whole: damaged_bytes(draw, whole["net"]), load_net, True),
    "file: run, damaged": (0.02, lambda draw, whole: damaged_bytes(draw, whole["run"]), resume, True),
    "file: net, put together": (
        0.03,
        lambda draw, whole: malformed_archive(draw, *whole["inside net"]),
        load_net,
        False,
    ),
    "file: run, put together": (0.01, lambda draw, whole: malformed_archive(draw, *whole["inside run"]), resume, False),
    "file: table, damaged": (0.03, lambda draw, whole: damaged_bytes(draw, TABLE), read_table, False),
    "file: encoder, put together": (
        0.03,
        lambda draw, whole: malformed_archive(draw, *whole["inside table net"]),
        load_encoder,
        False,
    ),
    "file: idx, damaged": (0.03, lambda draw, whole: damaged_bytes(draw, whole["idx"]), load_idx, False),
    "file: idx.gz, damaged": (0.03, lambda draw, whole: damaged_bytes(draw, whole["gz"]), load_idx, True),
}


@pytest.mark.parametrize("name", FILE_KINDS)
def test_a_file_is_refused_by_name_or_read_as_it_was(whole, name):
    share, make, read, exact = FILE_KINDS[name]

    def call_once(draw):
        content = make(draw, whole)
        try:
            return read(content, whole, exact)
        except BaseException:
            Path("failed").write_bytes(content)
            raise

    run_fuzz(name, share * CASES, call_once)


def test_a_folder_with_one_damaged_file_is_refused_by_name_or_fits_together():
    os.makedirs("mnist", exist_ok=True)
    good = {name: idx(array) for name, array in MNIST.items()}
    for name, content in good.items():
        Path("mnist", name).write_bytes(content)

    def call_once(draw):
        name = draw.choice(list(MNIST))
        Path("mnist", name).write_bytes(damaged_bytes(draw, good[name]))
        result, outcome = attempt("mnist", lambda: mg.datasets.load("mnist"))
        Path("mnist", name).write_bytes(good[name])
        if result is None:
            return outcome
        x, y, x_test, y_test = result
        assert x.shape == (len(y), x_test.shape[1])
        assert len(x_test) == len(y_test)
        assert (x.dtype, y.dtype) == (np.float64, np.int64)
        assert min(y.min(), y_test.min()) >= 0
        return outcome

    run_fuzz("file: folder, one damaged", 0.01 * CASES, call_once)


# ---- small files that would become large ------------------------------------------------------------------

TEXT = {"format": FORMAT, "net": ["Sequential", [["Linear", {"in_features": 3, "out_features": 2}]]]}
LARGE = 2**24


def zipped(path, content, method, declared=None):
    """A net whose first array is that content; the declared size may be another."""
    write_archive(path, TEXT, {"0.bias": np.ones(2)})
    with zipfile.ZipFile(path, "a", method) as file:
        file.writestr("array.0.weight.npy", content)
    if declared is not None:
        data = Path(path).read_bytes()
        Path(path).write_bytes(data.replace(struct.pack("<I", len(content)), struct.pack("<I", declared)))


def with_header(shape, size=48):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + bytes(size)


def many_names_for_one_member(path):
    """A thousand entries of the directory lead to one member of 200 kB."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("text.npy", npy_bytes(np.array(json.dumps(TEXT))))
        file.writestr("array.a.npy", npy_bytes(np.zeros(25000)))
        first = file.infolist()[1]
        for number in range(1000):
            info = zipfile.ZipInfo(f"array.{number}.npy")
            info.header_offset, info.CRC, info.file_size = first.header_offset, first.CRC, first.file_size
            info.compress_size = first.compress_size
            file.filelist.append(info)
            file.NameToInfo[info.filename] = info


def wide(path):
    write_archive(path, TEXT | {"net": ["Sequential", [["Linear", {"in_features": 2**24, "out_features": 2}]]]}, {})


BOMBS = {
    "zeros, deflated": lambda path: zipped(path, with_header((3, 2**19), LARGE), zipfile.ZIP_DEFLATED),
    "more than declared": lambda path: zipped(path, with_header((3, 2), LARGE), zipfile.ZIP_DEFLATED, 176),
    "zeros, bzip2": lambda path: zipped(path, with_header((3, 2**19), LARGE), zipfile.ZIP_BZIP2),
    "zeros, lzma": lambda path: zipped(path, with_header((3, 2**19), LARGE), zipfile.ZIP_LZMA),
    "a shape that is not there": lambda path: zipped(path, with_header((2**23,)), zipfile.ZIP_STORED),
    "a shape beyond all memory": lambda path: zipped(path, with_header((2**62, 8)), zipfile.ZIP_STORED),
    "a size that is not there": lambda path: zipped(path, with_header((2, 3)), zipfile.ZIP_STORED, LARGE),
    "one member, many names": many_names_for_one_member,
    "a large layer, no arrays": wide,
    "gzip, more than declared": lambda path: Path(path).write_bytes(gzip.compress(idx(np.zeros(4)) + bytes(LARGE))),
    "gzip, declared, not there": lambda path: Path(path).write_bytes(
        gzip.compress(struct.pack(">HBBI", 0, 8, 1, LARGE))),
    "idx, declared, not there": lambda path: Path(path).write_bytes(struct.pack(">HBBI", 0, 8, 1, LARGE)),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", BOMBS)
def test_a_small_file_never_takes_much_memory(case):
    path = "a bomb"
    BOMBS[case](path)
    assert os.path.getsize(path) < LARGE / 20
    tracemalloc.start()
    try:
        load = mg.datasets.load_idx if case.startswith(("idx", "gzip")) else mg.load
        assert attempt(path, lambda: load(path))[0] is None
        assert tracemalloc.get_traced_memory()[1] < LARGE / 4
    finally:
        tracemalloc.stop()


def test_a_pickle_is_never_loaded():
    for content in (np.array([CodeInAPickle()], object), np.array(CodeInAPickle(), object)):
        with open("a pickle", "wb") as file:
            np.savez(file, **{"text": content, "array.0.weight": content})
        assert attempt("a pickle", lambda: mg.load("a pickle"))[0] is None
        with open("a pickle", "wb") as file:
            np.save(file, content)
        assert attempt("a pickle", lambda: mg.load("a pickle"))[0] is None
