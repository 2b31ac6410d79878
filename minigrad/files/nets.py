"""Nets in files: what is written of each layer, and how it is made again.

The file holds the arrays of the net and one JSON text that says which classes to build it from, with which arguments.
"""

from __future__ import annotations

import inspect
import json
import math
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .._advice import described
from .._checks import instance
from ..layers.base import LAYERS, Layer, is_ours
from ..layers.containers import Sequential, first_names
from ..layers.linear import Linear
from ..layers.parameters import tree
from .archive import check_finite, read_archive, write_archive

FORMAT = "minigrad net 1"
INNER_LAYER = "minigrad layer"  # the key of an argument that is a layer itself
ALLOWED = 2**24  # entries that a reader's own layer may ask for, whatever the file holds: 128 MB of float64


# ---- nets ------------------------------------------------------------------------------------------------


class Encoding(Protocol):
    """What `save` asks of an encoder: mg.datasets.Encoder is one."""

    def config(self) -> dict[str, Any]:
        """What makes it again, JSON-ready."""
        ...

    def check(self, net: Sequential) -> None:
        """A ValueError where the net does not fit."""
        ...


def save(net: Sequential, path: str | os.PathLike[str], encoder: Encoding | None = None) -> None:
    """Write net to path (.npz), atomically: an existing file is replaced by a whole new one or left as it was.

    A layer of your own is written as its class name, its config() and its state(); load needs the class to be there.
    encoder: that of the table the net was trained on (mg.datasets.load_table), to be kept beside the net: then
    `minigrad predict` and mg.datasets.load_encoder know the columns, their scaling and the classes.
    Raises, before anything is written: OSError where the file cannot be written, TypeError where load could not make
    a layer again from what the file says, ValueError where a weight is NaN or infinite, or the encoder is that of a
    net with other inputs or outputs.
    """
    text, arrays = packed(net)
    if encoder is not None:
        if not (hasattr(encoder, "config") and hasattr(encoder, "check")):
            raise TypeError(f"encoder is {described(encoder)}, expected one that mg.datasets.load_table made")
        encoder.check(net)
        text["encoder"] = encoder.config()
    write_archive(path, text, arrays)


def load(path: str | os.PathLike[str]) -> Sequential:
    """The net that save wrote. ValueError where the file is no such net, FileNotFoundError where there is none.

    A layer of your own is made by the class of its name that was defined last: import its module, or define it, first.
    """
    return unpacked(*read_archive(Path(path), FORMAT), path)


def packed(net: Sequential) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a file of any format must hold of a net: (JSON-ready text, arrays by name). Raises what save raises."""
    state = instance(net, Sequential, "net").state()
    for name, array in state.items():
        instance(array, np.ndarray, name)
    check_finite(state)
    _check_rebuilds(net, max((array.size for array in state.values()), default=0))
    shared = first_names(net)
    return {"format": FORMAT, "net": describe(net)} | ({"shared": shared} if shared else {}), state


def unpacked(text: dict[str, Any], arrays: dict[str, np.ndarray], path: str | os.PathLike[str]) -> Sequential:
    """The net that was packed; a ValueError that names the file, path, where the two make none."""
    try:
        net = rebuild(text["net"], max((array.size for array in arrays.values()), default=0))
        if not isinstance(net, Sequential):
            raise ValueError(f"it holds a {type(net).__name__}, expected a Sequential")
        _share(net, text.get("shared", {}))
        net.load_state_dict(arrays)
        check_finite(arrays)
    except Exception as error:  # a reader's own layer may raise anything
        raise ValueError(f"{path} is not a minigrad net: {error}") from None
    return net


def _share(net: Sequential, shared: dict[str, str]) -> None:
    """Make one of the weights that were one in the net that was saved: {name: its first name}."""
    places = {f"{path}.{name}": (layer, name) for path, layer in tree(net) for name in layer.parameter_names}
    for name, first in shared.items():
        (layer, attribute), (other, other_attribute) = places[name], places[first]
        setattr(layer, attribute, getattr(other, other_attribute))


def describe(layer: Layer) -> list[Any]:
    """What a file says of a layer, JSON-ready: [class name, its config(), or its inner layers].

    A TypeError where the class is not the one that load would take, or where config() is not JSON-ready.
    """
    cls = type(layer)
    name, known = cls.__name__, LAYERS.get(cls.__name__)
    if known is None:
        raise TypeError(f"{name} is only there to be derived from")
    path, known_path = (f"{c.__module__}.{c.__qualname__}" for c in (cls, known))
    if path != known_path:  # equal where the class was only defined again, as in a notebook
        raise TypeError(f"load would take it for the {name} that is {known_path}; give the class {path} another name")
    if isinstance(layer, Sequential) and cls.config is Layer.config:
        return [name, [describe(inner) for inner in layer]]
    config = layer.config()
    if not isinstance(config, dict):
        raise TypeError(f"config() of {name} returned a {type(config).__name__}, expected a dict")
    return [name, _plain(config, f"config() of {name}")]


def rebuild(structure: Any, limit: float = math.inf) -> Layer:
    """The net that describe() described; a ValueError where a layer asks for an array of more than `limit` entries."""
    name, content = structure
    if name not in LAYERS:
        raise ValueError(
            f"it holds a layer {name!r:.100}, which is not known here; if it is a layer of your own, import the module "
            "that defines it, and load again"
        )
    cls = LAYERS[name]
    if issubclass(cls, Sequential) and isinstance(content, list):
        return cls(*[rebuild(inner, limit) for inner in content])
    if not isinstance(content, dict):
        raise ValueError(f"the arguments of a {name} are a {type(content).__name__}, expected a dict")
    _check_sizes(cls, content, limit)
    zeros = {"init": "zeros"} if cls is Linear else {}  # its weights come from the file
    return cls(**zeros | {key: _built(value, limit) for key, value in content.items()})


def _check_sizes(cls: type[Layer], content: dict[str, Any], limit: float) -> None:
    """A ValueError, before a layer is made, where its arguments ask for far more memory than the file's arrays take."""
    sizes = [content[key] for key in ("in_features", "out_features", "num_features") if key in content]
    if sizes and all(isinstance(size, int) for size in sizes) and math.prod(sizes) > limit:
        raise ValueError(f"a {cls.__name__} of {sizes} features is larger than any of its arrays")
    largest = [] if is_ours(cls) else sorted(_whole_numbers(content))[-2:]
    if math.prod(largest) > max(limit, ALLOWED):
        raise ValueError(
            f"the arguments {largest} of a {cls.__name__}, taken for sizes, make {math.prod(largest)} entries, more "
            f"than any array there and than {ALLOWED}; let config() give a number that is no size as a float or as text"
        )


def _plain(value: Any, name: str) -> Any:
    """A value of config() as JSON keeps it; a TypeError that names it where JSON cannot."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Layer):
        return {INNER_LAYER: describe(value)}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key == INNER_LAYER:
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


def _built(value: Any, limit: float) -> Any:
    """The value of config() that _plain wrote."""
    if isinstance(value, dict):
        if value.keys() == {INNER_LAYER}:
            return rebuild(value[INNER_LAYER], limit)
        return {key: _built(inner, limit) for key, inner in value.items()}
    return [_built(inner, limit) for inner in value] if isinstance(value, list) else value


def _whole_numbers(value: Any) -> list[int]:
    """The absolute values of all whole numbers among a layer's arguments; inner layers are checked by themselves."""
    if isinstance(value, dict):
        value = [] if INNER_LAYER in value else list(value.values())
    if isinstance(value, list):
        return [n for inner in value for n in _whole_numbers(inner)]
    return [abs(value)] if isinstance(value, int) else []


# ---- before saving: can load make each layer again -------------------------------------------------------


def _check_rebuilds(layer: Layer, limit: float, path: str = "net") -> None:
    """A TypeError for the first layer that load could not make again; it says what the class lacks."""
    for name, inner in layer.children():
        _check_rebuilds(inner, limit, name if path == "net" else f"{path}.{name}")
    subject = f"{'net' if path == 'net' else f'layer {path}'}, a {type(layer).__name__}, cannot be saved: "
    try:
        structure = describe(layer)
        if isinstance(structure[1], dict):
            _check_sizes(type(layer), structure[1], limit)
    except (TypeError, ValueError, RecursionError) as error:
        reason = "its config() is nested too deep" if isinstance(error, RecursionError) else error
        raise TypeError(f"{subject}{reason}") from None
    try:
        again = rebuild(structure, limit)
    except Exception as error:  # its constructor may raise anything
        shown = f"{structure[1]!r:.200}"
        raise TypeError(f"{subject}load cannot make it again from {shown}: {error}. {_advice(layer)}") from error
    shapes, shapes_again = _shapes(layer), _shapes(again)
    if shapes != shapes_again:
        raise TypeError(
            f"{subject}it has the arrays {shapes}, and the one that load makes {shapes_again}. {_advice(layer)}"
        )
    if json.dumps(describe(again)) != json.dumps(structure):
        raise TypeError(f"{subject}load would make {describe(again)!r:.200} of {structure!r:.200}. {_advice(layer)}")
    if lost := _lost(layer, again):
        raise TypeError(f"{subject}its {lost} would be another one after load. {_advice(layer, lost)}")


def _shapes(layer: Layer) -> dict[str, tuple[tuple[int, ...], str]]:
    return {name: (array.shape, str(array.dtype.newbyteorder("="))) for name, array in layer.state().items()}


def _lost(layer: Layer, again: Layer) -> str | None:
    """The first attribute in which a layer and the one that load makes differ; None where there is none.

    What begins with an underscore, and is no argument of the constructor, is taken for a cache.
    """
    arguments = inspect.signature(type(layer)).parameters
    kept = {"training", *layer.parameter_names, *layer.buffer_names}
    for name, value in getattr(layer, "__dict__", {}).items():
        value_again, is_argument = getattr(again, name, None), name.removeprefix("_") in arguments
        if name in kept or (not is_argument and (name.startswith("_") or value is None or value_again is None)):
            continue
        if not _equal(value, value_again):
            return name
    return None


def _equal(a: Any, b: Any) -> bool:
    """True where two attributes are equal, or are not numbers, text, arrays, or lists and dicts of these."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    plain = (str, int, float, complex, np.generic, np.ndarray, type(None))
    if not (isinstance(a, plain) and isinstance(b, plain)):
        return True
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())


def _advice(layer: Layer, lost: str = "") -> str:
    """What to write, so that config() holds the arguments of the constructor."""
    if is_ours(type(layer)):
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
