"""What all layers share: how one is called, saved, trained, and found by its name.

    forward(x) -> (out, saved)                        saved: whatever backward will need
    backward(delta, saved) -> (delta below, gradients)

delta is per sample: delta[n] = d c_n / d out[n], without the 1/N of the mean. Write a layer of your own as a class
with these two methods, derived from Layer.

Index legend: n sample (N), k output neuron (K), j input (J); "...": positions, at each of which the same weights are
used (none in an MLP).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from .._advice import described, package_of
from .._checks import as_batch, as_float
from ..gradient import WeightGradient
from .parameters import float_of, put_back, settle

Gradients = dict[str, WeightGradient | np.ndarray]

# Class name -> class: what a saved net can be made of. A class enters it by being derived from Layer.
LAYERS: dict[str, type[Layer]] = {}


def is_ours(cls: type) -> bool:
    """True for minigrad's own classes, False for those that somebody derived from them."""
    return package_of(cls) == package_of(Layer)


class Layer:
    """What all layers share. A layer of your own needs forward and backward; the rest is inherited.

    To be saved it also needs parameter_names, buffer_names where it keeps other arrays, and config(): see there.
    """

    training = True
    in_features: int | None = None  # the width of the input; None where any will do
    parameter_names: tuple[str, ...] = ()  # attributes that are trained
    buffer_names: tuple[str, ...] = ()  # attributes that are kept with the weights but not trained
    positional: tuple[str, ...] = ()  # arguments that repr shows without their names

    def __init_subclass__(cls, abstract: bool = False, **rest: Any) -> None:
        """Makes the class known to save and load. One defined again, as in a notebook, takes the place of the older.

        abstract: for classes that are only derived from. The name of one of minigrad's own stays minigrad's.
        """
        super().__init_subclass__(**rest)
        taken = cls.__name__ in LAYERS and is_ours(LAYERS[cls.__name__])
        if not abstract and (is_ours(cls) or not taken):
            LAYERS[cls.__name__] = cls

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """x (N, ..., J) -> (out (N, ..., K), saved)."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def backward(self, delta: np.ndarray, saved: Any) -> tuple[np.ndarray, Gradients]:
        """delta (N, ..., K) -> (delta below (N, ..., J), {parameter name: WeightGradient or array})."""
        raise NotImplementedError(f"{type(self).__name__}.backward")

    def __call__(self, x: Any) -> np.ndarray:
        """The output (N, ..., K) for x (N, ..., J)."""
        x = as_batch(x, "x", self.dtype, self.in_features)
        with np.errstate(all="ignore"):  # what overflows shows in what is returned
            return self.forward(x)[0]

    def check_input(self, x: np.ndarray) -> None:
        """A ValueError where x is not (N, ..., in_features)."""
        if x.ndim < 2 or x.shape[-1] != self.in_features:
            raise ValueError(f"input of {self!r} has shape {x.shape}, expected (N, {self.in_features})")

    def parameters(self) -> dict[str, np.ndarray]:
        """{name: array}, the trained arrays themselves: change them in place and the layer changes."""
        return {name: array for name in self.parameter_names if (array := getattr(self, name)) is not None}

    def state(self) -> dict[str, np.ndarray]:
        """{name: array}: parameters, then buffers; the arrays themselves."""
        found = self.parameters()
        for name in self.buffer_names:
            found[name] = getattr(self, name)
        return found

    def state_dict(self) -> dict[str, np.ndarray]:
        """{name: copy of the array}: parameters and buffers. Names and shapes are PyTorch's."""
        return {name: array.copy() for name, array in self.state().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy in the arrays of a state_dict: any mapping of names to arrays, PyTorch's too, or an open .npz file.

        Entries called num_batches_tracked, which PyTorch's BatchNorm counts, are ignored. KeyError, TypeError or
        ValueError, before any change, where names, shapes or types do not fit, where a number is beyond the layer's
        float type, or a running variance below 0. NaN and infinity are copied as they are.
        """
        if not isinstance(state, Mapping):
            fix = "; use state.state_dict()" if hasattr(state, "state_dict") else ""
            raise TypeError(f"state is {described(state)}, expected a dict, or another mapping of names to arrays{fix}")
        settle(self)
        mine, arrays = self.state(), {}
        missing = [name for name in mine if name not in state]
        extra = [n for n in state if n not in mine and str(n).rpartition(".")[2] != "num_batches_tracked"]
        if missing or extra:
            raise KeyError(f"state has missing entries {missing} and unexpected entries {extra}")
        for name, array in mine.items():
            arrays[name] = _fitting(state[name], f"state[{name!r}]", array)
            if name.rpartition(".")[2] == "running_var" and (arrays[name] < 0).any():
                raise ValueError(f"state[{name!r}] holds {arrays[name].min():g}, expected variances of at least 0")
        put_back(self, arrays)

    @property
    def dtype(self) -> np.dtype | None:
        """The float type of the parameters; None where there are none."""
        return next((dtype for array in self.parameters().values() if (dtype := float_of(array))), None)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """{name: shape} of the parameters and buffers whose shape the constructor's arguments fix."""
        return {}

    def children(self) -> list[tuple[str, Layer]]:
        """The layers inside this one, as (name, layer)."""
        return []

    def train(self, mode: bool = True) -> Self:
        """Training mode, for Dropout and BatchNorm; returns the layer."""
        self.training = bool(mode)
        for _, child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Evaluation mode: Dropout passes everything, BatchNorm uses its running statistics."""
        return self.train(False)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, {name: value}: what repr shows, and what load makes the layer again from.

        Values are None, numbers, text, layers, and lists and dicts of them. Those with their defaults may be left out.
        """
        return {}

    def dtype_argument(self) -> dict[str, str]:
        """The dtype among the constructor's arguments; {} where it is the usual one."""
        dtypes = [array.dtype.newbyteorder("=") for array in self.parameters().values()]
        return {} if not dtypes or dtypes[0] == np.float64 else {"dtype": str(dtypes[0])}

    def __repr__(self) -> str:
        arguments = [repr(v) if k in self.positional else f"{k}={v!r}" for k, v in self.config().items()]
        return f"{type(self).__name__}({', '.join(arguments)})"


def _fitting(array: Any, name: str, mine: np.ndarray) -> np.ndarray:
    """The argument as an array of its own, fit to be copied into mine."""
    plain = as_float(array, name)
    if plain.shape != mine.shape:
        raise ValueError(f"{name} has shape {plain.shape}, expected {mine.shape}")
    with np.errstate(all="ignore"):
        fitting = plain.astype(mine.dtype)  # a copy: it may be an array of the net that is about to change
    if (np.isinf(fitting) & ~np.isinf(plain)).any():
        largest = np.abs(plain[np.isfinite(plain)]).max()
        raise ValueError(f"{name} holds {largest:g}, which is beyond {mine.dtype}")
    return fitting
