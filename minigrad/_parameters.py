"""The arrays that a net is trained by: found in its layers, made fit to be updated in place, and put back."""

from typing import Any

import numpy as np

from ._checks import FLOATS, aligned, usable


def tree(layer, path=""):
    """The layer and all layers inside it, with their paths: ("", net), ("0", Linear), ("3", Residual), ("3.1", ...)."""
    yield path, layer
    for name, child in layer.children():
        yield from tree(child, f"{path}.{name}" if path else name)


def float_of(array):
    """float32 or float64 where it is an array of them, in whatever byte order; else None."""
    dtype = getattr(array, "dtype", None)
    native = dtype.newbyteorder("=") if isinstance(dtype, np.dtype) else None
    return native if native is not None and native in FLOATS else None  # None equals NumPy's float64


def is_usable(array):
    """Can the kernels read the array and update it in place?"""
    return type(array) is np.ndarray and array.dtype in FLOATS and array.flags.carray


def settle(net):
    """Make each parameter and buffer of net an array that the kernels can update in place -> its parameters.

    What other code handed over may be read-only, unaligned, in Fortran order, of another byte order or of integers: it
    is replaced by a copy. ValueError or TypeError that names the parameter, before anything is replaced, where one is
    no array of numbers, has a shape that its layer cannot use, or shares memory with another one.
    """
    arrays: dict[int, tuple[Any, str]] = {}  # by id: each array, and its first name
    strange: dict[int, list[tuple[Any, str]]] = {}  # by id: the places (layer, attribute) of those to be copied
    for path, layer in tree(net):
        shapes = layer.shapes() if layer.parameter_names else {}
        for name in layer.parameter_names + layer.buffer_names:
            array = getattr(layer, name)
            if array is None:
                continue
            arrays.setdefault(id(array), (array, f"{path}.{name}" if path else name))
            if not is_usable(array):
                strange.setdefault(id(array), []).append((layer, name))
            elif array.shape != shapes.get(name, array.shape):
                _check_shape(array, arrays[id(array)][1], layer, name)
    dtype = net.dtype or np.dtype(np.float64)
    copies = {i: usable(*arrays[i], dtype=float_of(arrays[i][0]) or dtype) for i in strange}
    for i, places in strange.items():
        for layer, name in places:
            _check_shape(copies[i], arrays[i][1], layer, name)
    for path, layer in tree(net):
        _check_types(layer, path, copies)
    _apart(arrays.values())
    for i, places in strange.items():
        for layer, name in places:
            setattr(layer, name, copies[i])
    parameters = net.parameters()
    for name, array in parameters.items():
        if not is_usable(array):  # of a layer that keeps its parameters elsewhere than in attributes
            usable(array, name)
            raise ValueError(f"{name} cannot be updated in place, and no attribute of its layer could be replaced")
    return parameters


def _check_shape(array, full_name, layer, name):
    expected = layer.shapes().get(name, array.shape)
    if array.shape != expected:
        raise ValueError(f"{full_name} has shape {array.shape}, expected {expected} in {layer!r}")


def _check_types(layer, path, copies):
    """One layer's kernels work in one float type."""
    first = None
    for name in layer.shapes() if layer.parameter_names else ():
        array = getattr(layer, name)
        if array is None:
            continue
        dtype = copies.get(id(array), array).dtype
        if first is not None and dtype != first[1]:
            place = f"{path}." if path else ""
            pair = f"{place}{name} is {dtype} and {place}{first[0]} {first[1]}"
            raise ValueError(f"{pair}; convert one of them with .astype")
        first = first or (name, dtype)


def put_back(net, arrays):
    """Give the parameters and buffers of net the values of {name: array}: in place, or anew where that cannot be."""
    for path, layer in tree(net):
        for name in layer.parameter_names + layer.buffer_names:
            kept, now = arrays.get(f"{path}.{name}" if path else name), getattr(layer, name)
            if kept is not None and not (is_usable(now) and now.shape == kept.shape):
                setattr(layer, name, aligned(kept))
    for name, array in net.state().items():
        array[...] = arrays.get(name, array)


def _apart(named):
    """A ValueError where two of the arrays share memory: copies would part them, one update would move both."""
    owners: dict[int, list] = {}  # by id of the object that owns the memory: the arrays in it
    for array, name in named:
        owner = array
        while getattr(owner, "base", None) is not None:
            owner = owner.base
        for other, first in owners.setdefault(id(owner), []):
            if np.may_share_memory(array, other, max_work=10**6):  # type: ignore[arg-type]
                raise ValueError(f"{first} and {name} share memory; give one of them a copy of its own, with .copy()")
        owners[id(owner)].append((array, name))
