"""A disk without room, or that cannot be written: the error names the file, the old file stays, no training is lost.

A disk that is really full, and one that is really read-only, are mounted where that is allowed: as root, or in
`unshare -rm`. What the system says there is also said without them, by a limit on file sizes and by false files.
"""

import contextlib
import errno
import io
import os
import re
import subprocess

import numpy as np
import pytest
from oracles import same_bits, snapshot

import minigrad as mg
from minigrad.cli import main as cli
from minigrad.files.archive import read_archive
from minigrad.report.make import replace_file
from minigrad.training.run import RUN_FORMAT

X = np.random.default_rng(0).standard_normal((40, 8))
Y = X[:, :3].argmax(axis=1)


# ---- disks -----------------------------------------------------------------------------------------------


@pytest.fixture
def tmpfs(tmp_path):
    """A small disk of its own."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting needs root")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tmp_path], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


@contextlib.contextmanager
def filled(disk):
    with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))
    yield
    (disk / "filler").unlink()


@contextlib.contextmanager
def size_limit(size):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def patched(name, function):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(name, function)
        yield


def no_room(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def files_that_hold(room):
    class Full(io.FileIO):
        def write(self, data):
            return super().write(data) if self.tell() + len(data) <= room else no_room()

    return lambda handle, mode: io.BufferedWriter(Full(handle, mode), 64)


FAILURES = {
    "a full disk": filled,
    "a limit on file sizes": lambda _: size_limit(300),
    "the first write fails": lambda _: patched("os.fdopen", files_that_hold(0)),
    "a later write fails": lambda _: patched("os.fdopen", files_that_hold(200)),
    "the flush fails": lambda _: patched("os.fsync", no_room),
    "the new name fails": lambda _: patched("os.replace", no_room),
}


@pytest.fixture(params=FAILURES)
def failure(request, tmp_path):
    """A context in which nothing can be written to tmp_path / "files"."""
    if request.param == "a full disk":
        request.getfixturevalue("tmpfs")
    (tmp_path / "files").mkdir()
    return lambda: FAILURES[request.param](tmp_path)


@pytest.fixture
def folder(failure, tmp_path):
    return tmp_path / "files"


@pytest.fixture
def read_only(request, tmp_path):
    """A function that makes tmp_path read-only."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # whom no mode stops
        request.getfixturevalue("tmpfs")
        yield lambda: subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
    else:
        yield lambda: tmp_path.chmod(0o555)
        tmp_path.chmod(0o755)


# ---- no room ---------------------------------------------------------------------------------------------


def run(path, net, opt=None, *, engine="auto", epochs=5, callbacks=()):
    return mg.fit(net, mg.CrossEntropyLoss(), opt or mg.Adam(), X, Y, epochs=epochs, batch_size=8, rng=0,
                  checkpoint=path, engine=engine, callbacks=callbacks, progress=False)  # fmt: skip


def net(seed=0):
    return mg.mlp([8, 16, 3], "tanh", rng=seed)


WRITERS = {
    "save": lambda path, seed: mg.save(net(seed), path),
    "fit": lambda path, seed: run(path, net(), epochs=seed + 1),
    "report": lambda path, seed: replace_file(path, bytes([seed]) * 5000),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_without_room_the_error_names_the_file_and_the_old_one_stays(writer, failure, folder):
    path, write = folder / "a file", WRITERS[writer]
    write(path, 0)
    kept = path.read_bytes()
    with failure(), pytest.raises(OSError, match=re.escape(str(path))) as caught:
        write(path, 1)
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert path.read_bytes() == kept
    assert os.listdir(folder) == ["a file"]
    write(path, 1)
    assert path.read_bytes() != kept


def test_without_room_the_net_keeps_the_last_whole_epoch_and_the_run_can_go_on(engine, failure, folder):
    path, trained, opt = folder / "run", net(), mg.Adam()
    with contextlib.ExitStack() as stack:

        def fill(epoch, *_):
            if epoch == 3:
                stack.enter_context(failure())

        with pytest.raises(OSError, match="run"):
            run(path, trained, opt, callbacks=[fill], engine=engine)
    reference, same_steps = net(), mg.Adam()
    run(None, reference, same_steps, epochs=3, engine=engine)
    assert snapshot(trained, opt) == snapshot(reference, same_steps)
    assert read_archive(path, RUN_FORMAT)[0]["epochs"] == 2

    assert run(path, trained, opt, engine=engine) == run(None, whole := net(), engine=engine)
    assert same_bits(trained.state_dict(), whole.state_dict())


@pytest.mark.parametrize("option", ["save", "checkpoint"])
def test_without_room_the_command_ends_with_one_line_and_1(option, failure, folder, capsys):
    path = folder / "file.npz"
    with failure():
        assert cli.main(["train", "--data", "iris", "--lr", "0.1", "--epochs", "2", f"--{option}", str(path)]) == 1
    said = capsys.readouterr()
    assert re.fullmatch(rf"minigrad: {re.escape(str(path))}: .*\n", said.err)
    assert ("test  loss" in said.out) == (option == "save")  # what has been learnt is at least told
    assert os.listdir(folder) == []


# ---- read-only -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", WRITERS)
def test_in_a_read_only_folder_the_error_names_the_file_and_the_old_one_stays(writer, read_only, tmp_path):
    path, write = tmp_path / "a file", WRITERS[writer]
    write(path, 0)
    kept = path.read_bytes()
    read_only()
    with pytest.raises(OSError, match=re.escape(str(path))):
        write(path, 1)
    assert path.read_bytes() == kept
    assert os.listdir(tmp_path) == ["a file"]


def test_a_finished_run_can_be_read_from_a_read_only_folder(read_only, tmp_path):
    first, again = net(), net(seed=1)
    run(tmp_path / "run", first)
    read_only()
    run(tmp_path / "run", again)
    assert same_bits(again.state_dict(), first.state_dict())


@pytest.mark.parametrize("line", ["train --data iris --save", "train --data iris --checkpoint", "report --out"])
def test_a_read_only_folder_is_told_before_any_work(line, read_only, tmp_path, capsys):
    if "report" in line:
        pytest.importorskip("matplotlib")
        pytest.importorskip("jinja2")
    read_only()
    assert cli.main([*line.split(), str(tmp_path / "new")]) == 1
    said = capsys.readouterr()
    assert re.fullmatch(r"minigrad: .*\n", said.err)
    assert str(tmp_path / "new") in said.err
    assert said.out == ""
