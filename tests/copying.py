"""The ways to copy a Python object, and all that an object holds and computes, to compare a copy by."""

import copy
import dataclasses
import functools
import inspect
import pickle

import numpy as np

import minigrad as mg

X, Y = np.random.default_rng(0).standard_normal((6, 4)), np.arange(6) % 3

COPIERS = {  # every protocol of pickle, and copy
    **{
        f"pickle protocol {protocol}": lambda value, protocol=protocol: pickle.loads(pickle.dumps(value, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
}


def contents(value):
    """What an object says and does, as a comparable value: its numbers bit by bit, and what it computes."""
    if isinstance(value, np.ndarray):
        return (value.shape, str(value.dtype), value.tobytes())
    if isinstance(value, dict):
        return {key: contents(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [contents(entry) for entry in value]
    if isinstance(value, mg.Layer):
        return [repr(value), contents(value.state()), contents(value(X)), contents(value.parameters())]
    if isinstance(value, mg.Loss):
        return [repr(value), contents(value.value_and_delta(mg.sigmoid(X[:, :3]), np.eye(3)[Y]))]
    if isinstance(value, functools.partial) or inspect.isfunction(value):
        return contents(value(np.random.default_rng(0), 3, 2))
    if isinstance(value, Exception):
        return [str(value), contents(vars(value))]
    if dataclasses.is_dataclass(value):
        named = [name for name in dir(type(value)) if isinstance(getattr(type(value), name), property)]
        return [contents(vars(value)), [contents(getattr(value, name)) for name in named]]
    return repr(value) if not hasattr(value, "__dict__") else [type(value).__name__, contents(vars(value))]
