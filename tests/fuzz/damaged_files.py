"""Damaged bytes, and archives that are put together wrongly: what a broken disk or an attacker might hand over."""

import io
import json
import os
import pickle
import struct
import warnings
import zipfile

import numpy as np
from random_arguments import ODD_OBJECTS


class CodeInAPickle:
    """Unpickled, it makes a folder."""

    def __reduce__(self):
        return (os.mkdir, ("executed",))


def damaged_bytes(draw, whole):
    """The bytes with some flipped, cut, repeated, exchanged, or with a size that is huge."""
    data, at = bytearray(whole), draw.randrange(len(whole))
    way, end = draw.randrange(8), min(len(whole), at + draw.choice((1, 2, 4, 8, 64)))
    if way < 3:
        for _ in range(draw.choice((1, 1, 2, 8))):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif way == 3:
        del data[at:]
    elif way == 4:
        data[draw.choice((0, len(data))) : 0] = draw.randbytes(end - at)
    elif way == 5:
        data[at:end] = draw.choice((b"", data[at:end] * 2, draw.randbytes(end - at)))
    elif way == 6:
        data[at:end] = draw.choice((b"\xff", b"\0", b"\x7f")) * (end - at)
    else:
        other = draw.randrange(len(data))
        data[at], data[other] = data[other], data[at]
    return bytes(data)


# ---- archives that are put together wrongly ---------------------------------------------------------------


def malformed_npy(draw, array):
    """An .npy file, with a header that may lie."""
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    lies = {
        "shape": [(2**40,), (-1, 3), (-2, -3), (10**30,), (2**62, 2**62), (0,), (), [2, 3], "x", (1.5,), None],
        "descr": ["|O", "<f4", ">f8", "<c16", "<U3", "|V8", "<M8[s]", [("a", "<f8")], "x" * 50, None, 8, "|O8"],
        "fortran_order": [True, None, 1],
        "more": [1],
    }
    if draw.random() < 0.5:
        key = draw.choice(list(lies))
        header[key] = draw.choice(lies[key])
    text = repr(header) if draw.random() < 0.95 else draw.choice(["(" * 500, "{}", "os.mkdir('executed')", "\0", ""])
    text = text.encode().ljust(54)
    version = draw.choice((b"\1\0",) * 9 + (b"\2\0", b"\3\0", b"\x09\0"))
    size = struct.pack("<H" if version == b"\1\0" else "<I", len(text) if draw.random() < 0.95 else 2**16 - 1)
    body = pickle.dumps(CodeInAPickle()) if header.get("descr") == "|O" else np.ascontiguousarray(array).tobytes()
    return b"\x93NUMPY" + version + size + text + body


JSON = [t for t in ODD_OBJECTS if type(t) in (type(None), bool, int, float, str, list, dict)]


def changed_in_one_place(draw, value):
    """A JSON-ready value with one place in it changed."""
    if isinstance(value, list | dict) and value and draw.random() < 0.85:
        key = draw.choice(list(value)) if isinstance(value, dict) else draw.randrange(len(value))
        copy = type(value)(value)
        copy[key] = changed_in_one_place(draw, value[key])
        if isinstance(value, dict) and draw.random() < 0.1:
            copy[draw.choice(("format", "net", "in_features", "\udcff", ""))] = copy.pop(key)
        return copy
    return draw.choice([*JSON, [["Linear", {}]], ["Sequential", []], 10**9, 10**15, "Linear", "os.system"])


def malformed_archive(draw, text, arrays):
    """A zip file of these, in which anything may be wrong."""
    text = changed_in_one_place(draw, text) if draw.random() < 0.5 else text
    try:
        words = json.dumps(text)
    except (TypeError, ValueError):
        words = "{}"
    if draw.random() < 0.1:
        words = draw.choice(["[" * 100000, '{"a":' * 2000, "1" * 5000, "", "{", "nul", '"\\ud800"', "NaN", "{}" * 2])
    entries = {"text.npy": np.array(words)} | {f"array.{name}.npy": array for name, array in arrays.items()}
    if draw.random() < 0.3:
        name = draw.choice(list(arrays))
        bad = arrays[name].copy()
        bad.reshape(-1)[0] = draw.choice((np.nan, np.inf, -np.inf))
        misfits = (bad.T, bad[None], bad.astype(complex), bad[:0], np.array(1.0))
        entries[f"array.{name}.npy"] = bad if draw.random() < 0.5 else draw.choice(misfits)
    names = ["../x", "/etc/passwd", "array.../x.npy", "text", "array.", "x" * 300, "array.é.npy", "a\0b", *entries]
    buffer, forged = io.BytesIO(), draw.random() < 0.4
    with zipfile.ZipFile(buffer, "w") as file:
        for name, array in entries.items():
            if forged and draw.random() < 0.2:
                name = draw.choice(names)
            info = zipfile.ZipInfo(name)
            info.compress_type = draw.choice((0, 8, 12, 14)) if forged and draw.random() < 0.3 else 0
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of two members with one name
                file.writestr(info, malformed_npy(draw, array) if forged else npy_bytes(array))
    data = bytearray(buffer.getvalue())
    if draw.random() < 0.3:  # a field of the central directory: flags, method, sizes, where a member begins
        place = data.find(b"PK\1\2") + draw.choice((8, 10, 16, 20, 24, 28, 30, 42))
        data[place : place + 2] = draw.choice((b"\1\0", b"\x63\0", b"\xff\xff", b"\0\0", b"\0\x08"))
    return bytes(data)


def npy_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
