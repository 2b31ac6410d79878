"""Archives of plain arrays (.npz), written whole or not at all, and read without executing anything: no pickle.

An archive holds named arrays and one JSON text that says what they are.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import math
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from .._checks import all_finite

if TYPE_CHECKING:
    import zipfile

STORED = 0  # zip's number for "not compressed"


# ---- writing ---------------------------------------------------------------------------------------------


def check_target(path: str | os.PathLike[str]) -> Path:
    """The file that writing to path will make or replace: path itself, or what the symbolic link there leads to.

    To be called before long work; nothing is opened. Raises an OSError that names path where a file cannot be written
    there: it is a folder, FIFO, socket, device or open stream (/dev/stdout); the file or its folder is write-protected;
    the folder is missing; or the links lead in a circle.
    """
    try:
        target = _end_of_links(path)
        kind = kind_of_file(target)
        if kind == "a folder":
            raise IsADirectoryError(errno.EISDIR, "is a folder, expected the name of a file")
        if kind not in ("a plain file", ""):
            raise OSError(errno.EINVAL, f"is {kind}, expected a plain file or a new name")
        if not target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, f"there is no folder {target.parent}")
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"the folder {target.parent} cannot be written to")
        if kind and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "the file may not be written to")
        if kind and os.path.ismount(target):
            raise OSError(errno.EBUSY, "is a mount point, so no new file can take its place")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # the name that was asked for
    return target


ENDLESS = ("a FIFO", "a socket", "a device")  # the kinds of files of which opening one might never end


def kind_of_file(path: str | os.PathLike[str]) -> str:
    """What is at path, at the end of its links: "a plain file", "a folder", "a FIFO", ...; "" where nothing is."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return ""
    kinds = {stat.S_IFREG: "a plain file", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _end_of_links(path: str | os.PathLike[str]) -> Path:
    """Where the symbolic link at path leads in the end, whether or not anything is there; path itself if it is none."""
    path = Path(path)
    for _ in range(40):  # as many as Linux follows
        if not path.is_symlink():
            return path
        if os.path.realpath(path.parent).startswith("/proc/"):  # a handle, not the name of a file
            raise OSError(errno.EINVAL, "is an open stream, expected a plain file or a new name")
        path = path.parent / os.readlink(path)
    raise OSError(errno.ELOOP, "its symbolic links lead in a circle")


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A context with a new file, which takes the place of path once it is whole and on disk. Else path stays as it was.

    Where path is a symbolic link, the file that it leads to is replaced and the link stays. The new file has the
    permission bits of the old one; other hard links to the old one keep the old content.
    It is written beside its place, under a hidden name that ends in .part, which only a killed process leaves behind.
    """
    target = check_target(path)
    temporary = target.with_name(f"{_hidden_name(target)}.{secrets.token_hex(6)}.part")
    try:
        mode = stat.S_IMODE(target.stat().st_mode) & 0o777 if target.exists() else None
        # A new file gets what the umask leaves. A private file must not be public even for a moment.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
        with os.fdopen(handle, "wb") as file:
            if mode is not None:
                with contextlib.suppress(OSError, AttributeError):  # not every file system has permissions
                    os.fchmod(handle, mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from None  # the name that was asked for
        raise
    with contextlib.suppress(OSError, AttributeError):  # not every system can flush a folder
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _hidden_name(target: Path) -> str:
    """The beginning of the hidden names of target's temporary files: ".net.npz", or a digest where the name is long.

    A name may have 255 bytes, and a temporary one needs 19 more.
    """
    name = os.fsencode(target.name)
    return f".{target.name}" if len(name) <= 100 else f".{hashlib.sha256(name).hexdigest()}"


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Delete the temporary files beside path that killed processes have left."""
    target = _end_of_links(path)
    for leftover in target.parent.glob(f"{glob.escape(_hidden_name(target))}.{'?' * 12}.part"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def write_archive(path: str | os.PathLike[str], text: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write a JSON-ready dict and named arrays to an .npz."""
    with replacing(path) as file:
        # savez's own keywords ("file") cannot clash: array names start with "array."
        words = np.array(json.dumps(text, default=np.ndarray.tolist))  # some generators keep arrays in their state
        named: dict[str, Any] = {f"array.{name}": array for name, array in arrays.items()}
        np.savez(file, text=words, **named)


def read_archive(path: Path, *kinds: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(dict, arrays) from a file that write_archive wrote with one of these "format"s; else a ValueError."""
    import zipfile  # here, so that `import minigrad` need not wait for it

    try:
        kind = kind_of_file(path)
        if kind in ENDLESS:
            raise ValueError(f"it is {kind}")
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, os.path.getsize(path))
            text = json.loads(str(_array(archive, members.pop("text.npy"))))
            if text["format"] not in kinds:
                raise ValueError(f"its format is {text['format']!r}, expected {kinds[0]!r}")
            arrays = {n[len("array.") : -len(".npy")]: _array(archive, member) for n, member in members.items()}
    except Exception as error:  # a damaged archive makes its readers raise almost anything
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(f"{path} is not a minigrad file ({kinds[0]}): {error}") from None
    return text, arrays


def check_finite(arrays: Mapping[str, np.ndarray]) -> None:
    """A ValueError that names the first array with a NaN or an infinity."""
    for name, array in arrays.items():
        if not all_finite(array):
            raise ValueError(f"{name} holds NaN or infinity")


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """{name: member} of an archive as write_archive writes it: nothing compressed, and no more than the file holds."""
    members = archive.infolist()
    for member in members:
        if member.compress_type != STORED or member.file_size != member.compress_size:
            raise ValueError(f"{member.filename!r} is compressed")
        if not (member.filename == "text.npy" or member.filename.startswith("array.")):
            raise ValueError(f"it holds {member.filename!r}")
    if len({member.filename for member in members}) < len(members):
        raise ValueError("two of its arrays have one name")
    if sum(member.file_size for member in members) > size:
        raise ValueError("its arrays are larger than the file")
    return {member.filename: member for member in members}


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """One array of an archive. Its header is compared with the bytes that follow before memory is asked for."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(file)
        declared = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or min(shape, default=0) < 0 or declared != member.file_size - file.tell():
            raise ValueError(f"{member.filename!r} declares shape {shape} of {dtype} in {member.file_size} bytes")
        values = bytearray(file.read())  # to the end, where zipfile compares the checksum
    return np.ndarray(shape, dtype, values, order="F" if fortran else "C")
