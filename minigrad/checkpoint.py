"""Nets in files: .npz archives of plain arrays, written whole or not at all, and read without executing anything.

An archive holds the arrays of the net and one JSON text that says what to build. No pickle.
"""

import contextlib
import errno
import glob
import json
import math
import os
import secrets
from pathlib import Path

import numpy as np

from ._checks import all_finite, instance
from .activations import ACTIVATIONS
from .layers import BatchNorm, Dropout, Linear
from .networks import Residual, Sequential

FORMAT = "minigrad net 1"
STORED = 0  # the compression method of a zip archive's members that is none
LAYERS = {cls.__name__: cls for cls in (Linear, BatchNorm, Dropout, Sequential, Residual, *ACTIVATIONS.values())}


def describe(net):
    """The net's structure as JSON-ready lists: [class name, arguments or inner layers]."""
    name = type(net).__name__
    if LAYERS.get(name) is not type(net):
        raise TypeError(f"{name} is not one of minigrad's layers, so a file cannot rebuild it; save net.state_dict()")
    if isinstance(net, Sequential):
        return [name, [describe(layer) for layer in net]]
    return [name, net.config()]


def rebuild(structure, most=math.inf):
    """The net that describe() described; a ValueError where a layer asks for an array of more than `most` entries."""
    name, content = structure
    if name in ("Sequential", "Residual"):
        return LAYERS[name](*[rebuild(layer, most) for layer in content])
    sizes = [content[key] for key in ("in_features", "out_features", "num_features") if key in content]
    if sizes and all(isinstance(size, int) for size in sizes) and math.prod(sizes) > most:
        raise ValueError(f"a {name} of {sizes} features is larger than any of its arrays")
    return LAYERS[name](**content)


def save(net, path):
    """Write net to path (.npz), atomically: an existing file is replaced by a whole new one or left as it was.

    OSError where the file cannot be written, TypeError where the net has layers that are not minigrad's own, ValueError
    where a weight is NaN or infinite.
    """
    check_finite(instance(net, Sequential, "net").state())
    write_archive(path, {"format": FORMAT, "net": describe(net)}, net.state())


def load(path):
    """The net that save wrote. ValueError where the file is no such net, FileNotFoundError where there is none."""
    text, arrays = read_archive(Path(path), FORMAT)
    try:
        net = rebuild(text["net"], max((array.size for array in arrays.values()), default=0))
        if not isinstance(net, Sequential):
            raise ValueError(f"it holds a {type(net).__name__}, expected a Sequential")
        net.load_state_dict(arrays)
        check_finite(arrays)
    except (KeyError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{path} is not a minigrad net: {error}") from None
    return net


@contextlib.contextmanager
def replacing(path):
    """A new file that takes the place of path when it is whole and on disk; where that fails, path stays as it was.

    It is written beside path, under a hidden name that ends in .part, which only a killed process leaves behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # less the umask, as for any new file
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from None  # the name that was asked for
        raise
    with contextlib.suppress(OSError, AttributeError):  # not every system can flush a folder
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def remove_leftovers(path):
    """Delete what processes that were killed while they wrote path have left beside it."""
    path = Path(path)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.{'?' * 12}.part"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def write_archive(path, text, arrays):
    """Write a JSON-ready dict and named arrays to an .npz."""
    with replacing(path) as file:
        # savez's own keywords ("file") cannot clash: array names start with "array."
        text = np.array(json.dumps(text, default=np.ndarray.tolist))  # some generators keep arrays in their state
        np.savez(file, text=text, **{f"array.{name}": a for name, a in arrays.items()})


def read_archive(path, *kinds):
    """(dict, arrays) from a file that write_archive wrote with one of these "format"s; else a ValueError."""
    import zipfile  # here, because those who only train need not wait for it

    try:
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


def check_finite(arrays):
    """A ValueError that names the first array with a NaN or an infinity."""
    for name, array in arrays.items():
        if not all_finite(array):
            raise ValueError(f"{name} holds NaN or infinity")


def _members(archive, size):
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


def _array(archive, member):
    """One array of an archive; its header is compared with the size of what follows before any memory is asked for."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(file)
        declared = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or min(shape, default=0) < 0 or declared != member.file_size - file.tell():
            raise ValueError(f"{member.filename!r} declares shape {shape} of {dtype} in {member.file_size} bytes")
        values = bytearray(file.read())  # to the end, where zipfile compares the checksum
    return np.ndarray(shape, dtype, values, order="F" if fortran else "C")
