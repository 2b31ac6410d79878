"""Writing to what is no plain file: refused by name before it is opened; through a link, the target is replaced."""

import errno
import os
import re
import socket
import stat
import subprocess
import sys

import numpy as np
import pytest
from oracles import same_bits

import minigrad as mg
from minigrad.files.archive import check_target, remove_leftovers, replacing
from minigrad.report.make import replace_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems")
OLD, NEW = mg.mlp([3, 2], rng=0), mg.mlp([3, 2], rng=1)
X, Y = np.eye(3), np.eye(3)[:, :2]


def fit(path):
    mg.fit(mg.mlp([3, 2], rng=0), mg.MSELoss(), mg.SGD(0.1), X, Y, epochs=1, checkpoint=path, progress=False)


WRITERS = {
    "check_target": check_target,
    "save": lambda path: mg.save(NEW, path),
    "report": lambda path: replace_file(path, b"text"),
}


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(path.parent)  # the name of a socket must be short
        one.bind(path.name)
        os.chdir(here)


def make_device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))  # another /dev/null
    except PermissionError:
        pytest.skip("devices can be made by root only")


STRANGE = {
    "a FIFO": make_fifo,
    "a socket": make_socket,
    "a device": make_device,
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("through_link", [False, True])
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_plain_file_is_refused_by_name_and_stays(kind, writer, through_link, tmp_path):
    STRANGE[kind](tmp_path / "strange")
    path = tmp_path / "strange"
    if through_link:
        path = tmp_path / "link"
        path.symlink_to("strange")
    before = os.lstat(tmp_path / "strange")
    with pytest.raises(OSError, match=f"is {kind}, expected .*{re.escape(str(path))}"):
        WRITERS[writer](path)
    after = os.lstat(tmp_path / "strange")
    assert (before.st_mode, before.st_ino) == (after.st_mode, after.st_ino)
    assert set(os.listdir(tmp_path)) <= {"strange", "link"}


@pytest.mark.parametrize("kind", ["a FIFO", "a socket", "a device"])
def test_what_is_no_plain_file_is_not_read(kind, tmp_path):
    STRANGE[kind](tmp_path / "strange")  # opening a FIFO would wait for ever
    with pytest.raises(ValueError, match=f"strange is not a minigrad file .*: it is {kind}"):
        mg.load(tmp_path / "strange")


@pytest.mark.parametrize("name", ["/dev/null", "/dev/full", "/dev/zero"])
def test_devices_are_refused(name):
    if not os.path.exists(name):
        pytest.skip(f"there is no {name}")
    before = os.lstat(name)
    with pytest.raises(OSError, match=f"is a device, expected .*'{name}'"):
        mg.save(NEW, name)
    assert os.lstat(name).st_rdev == before.st_rdev != 0


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_an_open_stream_is_refused_even_where_it_is_a_file(name, tmp_path):
    code = f"import minigrad as mg\ntry: mg.save(mg.mlp([3, 2]), {name!r})\nexcept OSError as e: print('refused', e)"
    with open(tmp_path / "out", "w") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text().startswith("refused [Errno 22] is an open stream")
    assert os.listdir(tmp_path) == ["out"]


# ---- links -----------------------------------------------------------------------------------------------


def test_through_links_the_target_is_replaced_and_the_links_stay(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    mg.save(OLD, tmp_path / "there" / "net.npz")
    (tmp_path / "here" / "second").symlink_to("../there/net.npz")  # relative to the link, not to the current folder
    (tmp_path / "first").symlink_to(tmp_path / "here" / "second")
    monkeypatch.chdir(tmp_path / "here")
    places, replace = [], os.replace

    def watched(source, target):
        places.append(os.path.realpath(source.parent))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    mg.save(NEW, tmp_path / "first")
    assert os.readlink(tmp_path / "first") == str(tmp_path / "here" / "second")
    assert os.readlink(tmp_path / "here" / "second") == "../there/net.npz"
    assert not (tmp_path / "there" / "net.npz").is_symlink()
    assert same_bits(mg.load(tmp_path / "there" / "net.npz").state_dict(), NEW.state_dict())
    assert places == [str(tmp_path / "there")]  # in the folder of the target: a rename is atomic within a folder only
    assert os.listdir(tmp_path / "there") == ["net.npz"]


def test_a_dangling_link_makes_its_target(tmp_path):
    (tmp_path / "link").symlink_to("new.npz")
    mg.save(NEW, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert same_bits(mg.load(tmp_path / "new.npz").state_dict(), NEW.state_dict())
    (tmp_path / "astray").symlink_to("no folder/new.npz")
    with pytest.raises(FileNotFoundError, match="there is no folder .*no folder: '.*astray'"):
        mg.save(NEW, tmp_path / "astray")


@pytest.mark.parametrize("links", [1, 2, 3])
def test_links_in_a_circle_are_refused(links, tmp_path):
    for i in range(links):
        (tmp_path / f"link{i}").symlink_to(f"link{(i + 1) % links}")
    with pytest.raises(OSError, match="lead in a circle.*link0") as caught:
        mg.save(NEW, tmp_path / "link0")
    assert caught.value.errno == errno.ELOOP


def test_a_run_goes_on_through_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to("disk/run")
    fit(tmp_path / "run")
    (tmp_path / "disk" / ".run.0123456789ab.part").touch()  # a killed process left it
    first = (tmp_path / "disk" / "run").read_bytes()
    fit(tmp_path / "run")
    assert (tmp_path / "run").is_symlink()
    assert (tmp_path / "disk" / "run").read_bytes() == first
    assert os.listdir(tmp_path / "disk") == ["run"]


# ---- names, modes, hard links ----------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["n", "é", "字", "🦜"])
@pytest.mark.parametrize("size", [236, 237, 255])
def test_a_name_may_be_as_long_as_the_file_system_allows(letter, size, tmp_path):
    letters = size // len(letter.encode())
    path = tmp_path / (letter * letters + "x" * (size - letters * len(letter.encode())))
    assert len(os.fsencode(path.name)) == size
    mg.save(OLD, path)
    mg.save(NEW, path)
    assert os.listdir(tmp_path) == [path.name]
    with replacing(path) as file:
        file.write(path.read_bytes())
        left = {*os.listdir(tmp_path)} - {path.name}
    (tmp_path / left.pop()).touch()  # as if it had been killed there
    (tmp_path / ".another.0123456789ab.part").touch()
    remove_leftovers(path)
    assert set(os.listdir(tmp_path)) == {path.name, ".another.0123456789ab.part"}
    assert same_bits(mg.load(path).state_dict(), NEW.state_dict())


def test_a_name_beyond_that_is_refused_before_any_work(tmp_path):
    with pytest.raises(OSError, match="too long") as caught:
        check_target(tmp_path / ("n" * 256))
    assert caught.value.filename == str(tmp_path / ("n" * 256))


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o777])
def test_a_file_keeps_its_permissions_and_is_at_no_moment_more_open(mode, tmp_path):
    path, umask = tmp_path / "net.npz", os.umask(0o022)
    try:
        mg.save(OLD, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        path.chmod(mode)
        with replacing(path) as file:
            assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == mode
        assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(umask)


def test_a_private_file_is_private_from_the_first_moment(tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    mg.save(OLD, path)
    path.chmod(0o600)
    seen = []
    monkeypatch.setattr(os, "fchmod", lambda handle, mode: seen.append(stat.S_IMODE(os.fstat(handle).st_mode)))
    mg.save(NEW, path)
    assert seen == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_write_protected_file_is_refused(tmp_path, monkeypatch):
    mg.save(OLD, tmp_path / "net.npz")
    (tmp_path / "net.npz").chmod(0o444)
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # whom no mode stops
        monkeypatch.setattr(os, "access", lambda path, _: os.stat(path).st_mode & 0o200 != 0)
    with pytest.raises(PermissionError, match="may not be written to"):
        mg.save(NEW, tmp_path / "net.npz")


def test_another_hard_link_keeps_the_old_net(tmp_path):
    mg.save(OLD, tmp_path / "net.npz")
    os.link(tmp_path / "net.npz", tmp_path / "backup.npz")
    mg.save(NEW, tmp_path / "net.npz")
    assert same_bits(mg.load(tmp_path / "backup.npz").state_dict(), OLD.state_dict())
    assert same_bits(mg.load(tmp_path / "net.npz").state_dict(), NEW.state_dict())


def test_a_mount_point_is_refused_before_any_work(tmp_path):
    mg.save(OLD, tmp_path / "net.npz")
    (tmp_path / "disk").mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path / "disk"], capture_output=True)
    if made.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (tmp_path / "disk" / "other").touch()
        subprocess.run(["mount", "--bind", tmp_path / "disk" / "other", tmp_path / "net.npz"], check=True)
        with pytest.raises(OSError, match="is a mount point"):
            check_target(tmp_path / "net.npz")
        subprocess.run(["umount", tmp_path / "net.npz"], check=True)
    finally:
        subprocess.run(["umount", tmp_path / "disk"], check=True)


@pytest.mark.parametrize("name", ["net.npz", "./net.npz", "sub/../net.npz", "sub/net.npz", ".hidden"])
def test_check_target_passes_what_can_be_written_and_opens_nothing(name, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "open", None)
    assert os.path.abspath(check_target(name)) == os.path.abspath(tmp_path / name)
    assert os.listdir(tmp_path) == ["sub"]
