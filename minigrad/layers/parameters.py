"""The arrays that a net is trained by: found in its layers, made fit to be updated in place, and put back.

layers/base.py imports this file, so a layer is typed Any here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .._checks import FLOATS, aligned, usable


def tree(layer: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The layer and all layers inside it, with their paths: ("", net), ("0", Linear), ("3", Residual), ("3.1", ...)."""
    yield path, layer
    for name, child in layer.children():
        yield from tree(child, _below(path, name))


def _below(path: str, name: str) -> str:
    """The path of what has this name inside the layer of that path, "" for the net itself."""
    return f"{path}.{name}" if path else name


def generators(net: Any) -> list[np.random.Generator]:
    """Every random generator that a layer of net keeps as an attribute, as Dropout does."""
    kept = (value for _, layer in tree(net) for value in vars(layer).values())
    return [value for value in kept if isinstance(value, np.random.Generator)]


def float_of(array: Any) -> np.dtype | None:
    """float32 or float64 where it is an array of them, in whatever byte order; else None."""
    dtype = getattr(array, "dtype", None)
    native = dtype.newbyteorder("=") if isinstance(dtype, np.dtype) else None
    return native if native is not None and native in FLOATS else None  # None equals NumPy's float64


def is_usable(array: Any) -> bool:
    """Can the kernels read the array and update it in place?"""
    return type(array) is np.ndarray and array.dtype in FLOATS and array.flags.carray


def settle(net: Any) -> None:
    """Make each parameter and buffer of net an array that the kernels can update in place.

    What other code handed over may be read-only, unaligned, in Fortran order, of another byte order or of integers: it
    is replaced by a copy. ValueError or TypeError that names the parameter, before anything is replaced, where one is
    no array of numbers, has a shape that its layer cannot use, or shares memory with another one.
    """
    if _fits(net):
        return
    arrays: dict[int, tuple[Any, str]] = {}  # by id: each array, and its first name
    places: list[tuple[Any, str, int]] = []  # (layer, attribute, id) of those to be copied
    for path, layer in tree(net):
        for name in layer.parameter_names + layer.buffer_names:
            array = getattr(layer, name)
            if array is not None:
                arrays.setdefault(id(array), (array, _below(path, name)))
                places += [] if is_usable(array) else [(layer, name, id(array))]
    dtype = net.dtype or np.dtype(np.float64)
    copies = {i: usable(*arrays[i], dtype=float_of(arrays[i][0]) or dtype) for _, _, i in places}
    for path, layer in tree(net):
        _check_layer(layer, path, copies)
    _apart(arrays.values())
    for layer, name, i in places:
        setattr(layer, name, copies[i])


def usable_parameters(net: Any) -> dict[str, np.ndarray]:
    """net.parameters(), settled where they have to be; ValueError or TypeError where that is not enough."""
    parameters = net.parameters()
    if not all(map(is_usable, parameters.values())):
        settle(net)
        parameters = net.parameters()
    for name, array in parameters.items():
        if not is_usable(array):  # of a layer that keeps its parameters elsewhere than in attributes
            usable(array, name)
            raise ValueError(f"{name} cannot be updated in place, and no attribute of its layer could be replaced")
    return parameters


def _fits(net: Any) -> bool:
    """Is every array usable as it is, of its layer's shape and float type, and in memory of its own?"""
    owners, count = set(), 0
    for _, layer in tree(net):
        names = layer.parameter_names + layer.buffer_names
        shapes, dtypes = layer.shapes() if names else {}, set()
        for name in names:
            array = getattr(layer, name)
            if array is None:
                continue
            if not is_usable(array) or array.shape != shapes.get(name, array.shape):
                return False
            dtypes.add(array.dtype)
            owners.add(id(_owner(array)))
            count += 1
        if len(dtypes) > 1:
            return False
    return len(owners) == count


def _owner(array: Any) -> Any:
    """The object that an array's memory belongs to."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


def _check_layer(layer: Any, path: str, copies: dict[int, np.ndarray]) -> None:
    """A ValueError where the layer's arrays, or their copies, are not of its shapes or not of one float type."""
    first = None
    for name, shape in layer.shapes().items():
        array = getattr(layer, name)
        array = copies.get(id(array), array)
        if array is None:
            continue
        place = f"{path}." if path else ""
        if array.shape != shape:
            raise ValueError(f"{place}{name} has shape {array.shape}, expected {shape} in {layer!r}")
        first = first or (name, array.dtype)
        if array.dtype != first[1]:
            pair = f"{place}{name} is {array.dtype} and {place}{first[0]} {first[1]}"
            raise ValueError(f"{pair}; convert one of them with .astype")


def put_back(net: Any, arrays: dict[str, np.ndarray]) -> None:
    """Give the parameters and buffers of net the values of {name: array}: in place, or anew where that cannot be."""
    for path, layer in tree(net):
        for name in layer.parameter_names + layer.buffer_names:
            kept, now = arrays.get(_below(path, name)), getattr(layer, name)
            if kept is not None and not (is_usable(now) and now.shape == kept.shape):
                setattr(layer, name, aligned(kept))
    for name, array in net.state().items():
        array[...] = arrays.get(name, array)


def _apart(named: Iterable[tuple[Any, str]]) -> None:
    """A ValueError where two of the arrays share memory: copies would part them, one update would move both."""
    together: dict[int, list[tuple[Any, str]]] = {}  # by id of the object that owns the memory: the arrays in it
    for array, name in named:
        others = together.setdefault(id(_owner(array)), [])
        for other, first in others:
            if np.may_share_memory(array, other, max_work=10**6):  # type: ignore[arg-type]
                raise ValueError(f"{first} and {name} share memory; give one of them a copy of its own, with .copy()")
        others.append((array, name))
