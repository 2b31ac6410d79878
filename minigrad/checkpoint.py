"""Nets in files: .npz archives of plain arrays, written whole or not at all, and read without executing anything.

An archive holds the arrays of the net and one JSON text that says what to build. No pickle.
"""

import contextlib
import errno
import json
import os
import secrets
from pathlib import Path

import numpy as np

from .activations import ACTIVATIONS
from .layers import BatchNorm, Dropout, Linear
from .networks import Residual, Sequential

FORMAT = "minigrad net 1"
LAYERS = {cls.__name__: cls for cls in (Linear, BatchNorm, Dropout, Sequential, Residual, *ACTIVATIONS.values())}


def describe(net):
    """The net's structure as JSON-ready lists: [class name, arguments or inner layers]."""
    name = type(net).__name__
    if LAYERS.get(name) is not type(net):
        raise TypeError(f"{name} is not one of minigrad's layers, so a file cannot rebuild it; save net.state_dict()")
    if isinstance(net, Sequential):
        return [name, [describe(layer) for layer in net]]
    return [name, net.config()]


def rebuild(structure):
    """The net that describe() described."""
    name, content = structure
    if name in ("Sequential", "Residual"):
        return LAYERS[name](*[rebuild(layer) for layer in content])
    return LAYERS[name](**content)


def save(net, path):
    """Write net to path (.npz), atomically: an existing file is replaced by a whole new one or left as it was.

    OSError where the file cannot be written; TypeError where the net has layers that are not minigrad's own.
    """
    if not isinstance(net, Sequential):
        raise TypeError(f"net is a {type(net).__name__}, expected a Sequential")
    write_archive(path, {"format": FORMAT, "net": describe(net)}, net.state())


def load(path):
    """The net that save wrote. ValueError where the file is no such net, FileNotFoundError where there is none."""
    text, arrays = read_archive(path, FORMAT)
    try:
        net = rebuild(text["net"])
        if not isinstance(net, Sequential):
            raise ValueError(f"it holds a {type(net).__name__}, expected a Sequential")
        net.load_state_dict(arrays)
    except (KeyError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{path} is not a minigrad net: {error}") from None
    return net


def write_archive(path, text, arrays):
    """Write a JSON-ready dict and named arrays to an .npz: a temporary file beside it, flushed to disk, renamed."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # less the umask, as for any new file
    try:
        with os.fdopen(handle, "wb") as file:
            # savez's own keywords ("file") cannot clash: array names start with "array."
            np.savez(file, text=np.array(json.dumps(text)), **{f"array.{name}": a for name, a in arrays.items()})
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    with contextlib.suppress(OSError, AttributeError):  # not every system can flush a folder
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_archive(path, kind):
    """(dict, arrays) from a file that write_archive wrote with that "format"; a ValueError where it is not one."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            text = json.loads(str(archive["text"]))
            arrays = {n.removeprefix("array."): archive[n] for n in archive.files if n.startswith("array.")}
        if text["format"] != kind:
            raise ValueError(f"its format is {text['format']!r}, expected {kind!r}")
    except Exception as error:  # a damaged archive makes its readers raise almost anything
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(f"{path} is not a minigrad file ({kind}): {error}") from None
    return text, arrays
