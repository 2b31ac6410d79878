"""Nets in files: .npz archives of plain arrays, written whole or not at all, and read without executing anything.

An archive holds the arrays of the net and one JSON text that says what to build. No pickle.
"""

import contextlib
import errno
import glob
import hashlib
import inspect
import json
import math
import os
import secrets
import stat
from pathlib import Path

import numpy as np

from . import activations  # noqa: F401  its classes become known by being defined
from ._checks import all_finite, instance
from .layers import LAYERS, Layer, Linear
from .networks import Sequential

FORMAT = "minigrad net 1"
STORED = 0  # the compression method of a zip archive's members that is none
INNER = "minigrad layer"  # marks, among the arguments of a layer, one that is a layer itself
ALLOWED = 2**24  # entries that a layer of one's own may ask for, whatever the file holds: 128 MB of float64


# ---- nets ------------------------------------------------------------------------------------------------


def save(net, path):
    """Write net to path (.npz), atomically: an existing file is replaced by a whole new one or left as it was.

    A layer of your own is written as its class name, its config() and its state(); load needs the class to be there.
    OSError where the file cannot be written. TypeError where a layer could not be made again from what the file
    would say of it. ValueError where a weight is NaN or infinite. All three before anything is written.
    """
    state = instance(net, Sequential, "net").state()
    for name, array in state.items():
        instance(array, np.ndarray, name)
    check_finite(state)
    _check_rebuilds(net, max((array.size for array in state.values()), default=0))
    write_archive(path, {"format": FORMAT, "net": describe(net)}, state)


def load(path):
    """The net that save wrote. ValueError where the file is no such net, FileNotFoundError where there is none.

    A layer of your own is made by the class of its name that was defined last: import its module, or define it, first.
    """
    text, arrays = read_archive(Path(path), FORMAT)
    try:
        net = rebuild(text["net"], max((array.size for array in arrays.values()), default=0))
        if not isinstance(net, Sequential):
            raise ValueError(f"it holds a {type(net).__name__}, expected a Sequential")
        net.load_state_dict(arrays)
        check_finite(arrays)
    except Exception as error:  # a layer of one's own may raise anything
        raise ValueError(f"{path} is not a minigrad net: {error}") from None
    return net


def describe(layer):
    """What a file says of a layer, JSON-ready: [class name, its config(), or its inner layers].

    A TypeError where the class is not the one that load would take, or where config() is not JSON-ready.
    """
    cls = type(layer)
    name, known = cls.__name__, LAYERS.get(cls.__name__)
    if known is None:
        raise TypeError(f"{name} is only there to be derived from")
    mine, its = (f"{c.__module__}.{c.__qualname__}" for c in (cls, known))
    if mine != its:  # a class that was defined again in its place is the same class, newer
        raise TypeError(f"load would take it for the {name} that is {its}; give the class {mine} another name")
    if isinstance(layer, Sequential) and cls.config is Layer.config:
        return [name, [describe(inner) for inner in layer]]
    config = layer.config()
    if not isinstance(config, dict):
        raise TypeError(f"config() of {name} returned a {type(config).__name__}, expected a dict")
    return [name, _plain(config, f"config() of {name}")]


def rebuild(structure, most=math.inf):
    """The net that describe() described; a ValueError where a layer asks for an array of more than `most` entries."""
    name, content = structure
    if name not in LAYERS:
        raise ValueError(
            f"it holds a layer {name!r:.100}, which is not known here; if it is a layer of your own, import the module "
            "that defines it, and load again"
        )
    cls = LAYERS[name]
    if issubclass(cls, Sequential) and isinstance(content, list):
        return cls(*[rebuild(inner, most) for inner in content])
    if not isinstance(content, dict):
        raise ValueError(f"the arguments of a {name} are a {type(content).__name__}, expected a dict")
    _check_sizes(cls, content, most)
    zeros = {"init": "zeros"} if cls is Linear else {}  # its weights come from the file: none need be drawn
    return cls(**zeros | {key: _built(value, most) for key, value in content.items()})


def _check_sizes(cls, content, most):
    """A ValueError, before a layer is made, where its arguments ask for far more memory than the file's arrays take."""
    sizes = [content[key] for key in ("in_features", "out_features", "num_features") if key in content]
    if sizes and all(isinstance(size, int) for size in sizes) and math.prod(sizes) > most:
        raise ValueError(f"a {cls.__name__} of {sizes} features is larger than any of its arrays")
    largest = [] if _is_ours(cls) else sorted(_whole_numbers(content))[-2:]
    if math.prod(largest) > max(most, ALLOWED):
        raise ValueError(
            f"the arguments {largest} of a {cls.__name__}, taken for sizes, make {math.prod(largest)} entries, more "
            f"than any array there and than {ALLOWED}; let config() give a number that is no size as a float or as text"
        )


def _is_ours(cls):
    return cls.__module__.partition(".")[0] == Layer.__module__.partition(".")[0]


def _plain(value, name):
    """A value of config() as JSON keeps it; a TypeError that names it where JSON cannot."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Layer):
        return {INNER: describe(value)}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key == INNER:
                raise TypeError(f"{name} has a key {key!r}, expected text")
        return {key: _plain(inner, f"{name}[{key!r}]") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, f"{name}[{i}]") for i, inner in enumerate(value)]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(
        f"{name} is a {type(value).__name__}, which a file cannot hold: it holds None, numbers, text, layers, and "
        "lists and dicts of them"
    )


def _built(value, most):
    """The value of config() that _plain wrote."""
    if isinstance(value, dict):
        if value.keys() == {INNER}:
            return rebuild(value[INNER], most)
        return {key: _built(inner, most) for key, inner in value.items()}
    return [_built(inner, most) for inner in value] if isinstance(value, list) else value


def _whole_numbers(value):
    """The sizes of all whole numbers in what a file says of a layer; inner layers are looked at by themselves."""
    if isinstance(value, dict):
        value = [] if INNER in value else list(value.values())
    if isinstance(value, list):
        return [n for inner in value for n in _whole_numbers(inner)]
    return [abs(value)] if isinstance(value, int) else []


# ---- does a layer come back? -----------------------------------------------------------------------------


def _check_rebuilds(layer, most, path="net"):
    """A TypeError that names the first layer which load could not make again, and says what its class lacks."""
    for name, inner in layer.children():
        _check_rebuilds(inner, most, name if path == "net" else f"{path}.{name}")
    about = f"{'net' if path == 'net' else f'layer {path}'}, a {type(layer).__name__}, cannot be saved: "
    try:
        structure = describe(layer)
        if isinstance(structure[1], dict):
            _check_sizes(type(layer), structure[1], most)
    except (TypeError, ValueError, RecursionError) as error:
        why = "its config() is nested too deep" if isinstance(error, RecursionError) else error
        raise TypeError(f"{about}{why}") from None
    try:
        again = rebuild(structure, most)
    except Exception as error:  # its constructor may raise anything
        shown = f"{structure[1]!r:.200}"
        raise TypeError(f"{about}load cannot make it again from {shown}: {error}. {_advice(layer)}") from error
    mine, its = _shapes(layer), _shapes(again)
    if mine != its:
        raise TypeError(f"{about}it has the arrays {mine}, and the one that load makes {its}. {_advice(layer)}")
    if json.dumps(describe(again)) != json.dumps(structure):
        raise TypeError(f"{about}load would make {describe(again)!r:.200} of {structure!r:.200}. {_advice(layer)}")
    if lost := _lost(layer, again):
        raise TypeError(f"{about}its {lost} would be another one after load. {_advice(layer, lost)}")


def _shapes(layer):
    return {name: (array.shape, str(array.dtype.newbyteorder("="))) for name, array in layer.state().items()}


def _lost(layer, again):
    """The first attribute in which a layer and the one that load makes differ; None where there is none.

    What begins with an underscore, and is no argument of the constructor, is taken for a cache.
    """
    arguments = inspect.signature(type(layer)).parameters
    kept = {"training", *layer.parameter_names, *layer.buffer_names}
    for name, mine in getattr(layer, "__dict__", {}).items():
        its, named = getattr(again, name, None), name.removeprefix("_") in arguments
        if name in kept or (not named and (name.startswith("_") or mine is None or its is None)):
            continue
        if not _same(mine, its):
            return name
    return None


def _same(a, b):
    """Are two attributes equal? True for what is neither a number, text, an array, nor a list or dict of them."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    plain = (str, int, float, complex, np.generic, np.ndarray, type(None))
    if not (isinstance(a, plain) and isinstance(b, plain)):
        return True
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())


def _advice(layer, lost=""):
    """What to write, so that config() holds the arguments of the constructor."""
    if _is_ours(type(layer)):
        return "Its arrays were replaced by others: make a layer of these sizes and this type, and copy them in"
    parameters = inspect.signature(type(layer)).parameters.values()
    names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if lost and lost.removeprefix("_") not in names:
        return f"Add {lost!r} to buffer_names (arrays only), or make it an argument of the constructor and of config()"
    entries = ", ".join(f"{name!r}: self.{name}" for name in names)
    return (
        f"{type(layer).__name__}(**self.config()) must make this layer; write in the class\n"
        f"    def config(self):\n        return {{{entries}}}"
    )


# ---- writing ---------------------------------------------------------------------------------------------


def check_target(path):
    """The file that writing to path will make or replace: path itself, or what the symbolic link there leads to.

    For before any work: nothing is opened. An OSError that names path where it is a folder, FIFO, socket, device, an
    open stream such as /dev/stdout, or a file that may not be written to, where its links lead in a circle, or where
    its folder is missing or cannot be written to.
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


def kind_of_file(path):
    """What is at path, at the end of its links: "a plain file", "a folder", "a FIFO", ...; "" where nothing is."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return ""
    kinds = {stat.S_IFREG: "a plain file", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _end_of_links(path):
    """Where the symbolic link at path leads in the end, whether or not anything is there; path itself if it is none."""
    path = Path(path)
    for _ in range(40):  # as many as Linux follows
        if not path.is_symlink():
            return path
        if os.path.realpath(path.parent).startswith("/proc/"):  # no name of a file, but a handle
            raise OSError(errno.EINVAL, "is an open stream, expected a plain file or a new name")
        path = path.parent / os.readlink(path)
    raise OSError(errno.ELOOP, "its symbolic links lead in a circle")


@contextlib.contextmanager
def replacing(path):
    """A new file that takes the place of path when it is whole and on disk; where that fails, path stays as it was.

    Where path is a symbolic link, the file that it leads to is replaced and the link stays. The new file has the
    permission bits of the old one; other hard links to the old one keep the old content.
    It is written beside its place, under a hidden name that ends in .part, which only a killed process leaves behind.
    """
    target = check_target(path)
    temporary = target.with_name(f"{_hidden(target)}.{secrets.token_hex(6)}.part")
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


def _hidden(target):
    """How the hidden names of target's temporary files begin: ".net.npz", or, for a long name, a digest of it.

    A name may have 255 bytes, and a temporary one needs 19 more.
    """
    name = os.fsencode(target.name)
    return f".{target.name}" if len(name) <= 100 else f".{hashlib.sha256(name).hexdigest()}"


def remove_leftovers(path):
    """Delete what processes that were killed while they wrote path have left beside it."""
    target = _end_of_links(path)
    for leftover in target.parent.glob(f"{glob.escape(_hidden(target))}.{'?' * 12}.part"):
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
        what = kind_of_file(path)
        if what in ("a FIFO", "a socket", "a device"):  # opening it might never end
            raise ValueError(f"it is {what}")
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
