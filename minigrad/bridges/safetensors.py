"""Nets in safetensors files: arrays that every library can read, and what minigrad needs to make the net again.

The arrays have the names of the state_dict, which are PyTorch's. The metadata holds the same JSON text as an .npz.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..files.archive import ENDLESS, kind_of_file, replacing
from ..files.nets import FORMAT, packed, unpacked
from ..layers import Sequential
from . import missing

try:
    import safetensors.numpy
except ImportError:
    raise missing("safetensors") from None

KEY = "minigrad"  # the entry of the metadata


def save(net: Sequential, path: str | os.PathLike[str]) -> None:
    """Write net to path (.safetensors), atomically: an existing file is replaced by a whole new one or left as it was.

    Others read the arrays with safetensors' own load_file. Raises what mg.save raises, and TypeError where an array of
    a layer of your own is of a type that the format has not.
    """
    text, state = packed(net)
    arrays = {name: np.array(a, a.dtype.newbyteorder("<"), order="C") for name, a in state.items()}
    try:
        content = safetensors.numpy.save(arrays, {KEY: json.dumps(text)})
    except Exception as error:
        types = {name: str(array.dtype) for name, array in state.items()}
        raise TypeError(f"net has arrays that safetensors cannot hold: {error}; their types are {types}") from None
    with replacing(path) as file:
        file.write(content)


def load(path: str | os.PathLike[str]) -> Sequential:
    """The net that save wrote, to the bit. FileNotFoundError where there is no file.

    ValueError where it is no safetensors file, or one of another library: that does not say which layers there are.
    A layer of your own is made by the class of its name that was defined last: import its module, or define it, first.
    """
    text, arrays = _read(Path(path))
    if text is None:
        raise ValueError(
            f"{path} was not written by minigrad: its metadata has no entry {KEY!r}, which says what layers there are. "
            f"It holds {[*arrays]!r:.200}; make the net, and use net.load_state_dict(safetensors.numpy.load_file(path))"
        )
    return unpacked(text, arrays, path)


def _read(path: Path) -> tuple[dict[str, Any] | None, dict[str, np.ndarray]]:
    """(text, arrays) of a safetensors file, text None where minigrad did not write it; else a ValueError."""
    try:
        kind = kind_of_file(path)
        if kind in ENDLESS:
            raise ValueError(f"it is {kind}")
        with safetensors.safe_open(path, framework="numpy") as file:
            words = (file.metadata() or {}).get(KEY)
            arrays = {name: file.get_tensor(name) for name in [*file.keys()]}
        text = None if words is None else json.loads(words)
        if text is not None and text["format"] != FORMAT:
            raise ValueError(f"its format is {text['format']!r}, expected {FORMAT!r}")
    except OSError:
        raise
    except Exception as error:  # a damaged file makes its readers raise almost anything
        raise ValueError(f"{path} is not a safetensors file: {error}{_remedy(path)}") from None
    return text, arrays


def _remedy(path: Path) -> str:
    """What to do with a file of another format, where minigrad reads it."""
    if kind_of_file(path) == "a plain file":
        with open(path, "rb") as file:
            if file.read(4) == b"PK\x03\x04":
                return "; it is a zip archive, perhaps an .npz: use mg.load(path)"
    return ""
