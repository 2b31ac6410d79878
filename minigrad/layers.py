"""The layers, and the pair every weight gradient is made of: the error signal delta and the input a.

    forward(x) -> (out, saved)                        saved: whatever backward will need
    backward(delta, saved) -> (delta below, gradients)

delta is per sample, (N, K): delta[n] = d c_n / d out[n], without the 1/N of the mean. Write a layer of your
own as a class with these two methods, derived from Layer.

Index legend: n sample (N), k output neuron (K), j input (J).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ._advice import described
from ._backend import core
from ._checks import as_batch, as_float, float_type, generator, real_number, whole_number
from ._parameters import float_of, put_back, settle
from .initializers import initialize


@dataclass(frozen=True, eq=False)
class WeightGradient:
    """The gradient of a weight matrix, kept as its two factors.

    delta: (N, K), dc/dz of each sample        a: (N, J), the input of the layer
    """

    delta: np.ndarray
    a: np.ndarray

    @cached_property
    def weight(self):
        """dC/dW = delta.T @ a / N, (K, J)."""
        return core.weight_gradient(self.delta, self.a)

    @cached_property
    def bias(self):
        """dC/db = the mean of delta over the samples, (K,)."""
        return core.bias_gradient(self.delta)

    def per_sample(self):
        """The outer products delta_n a_n^T, (N, K, J): large, so formed only when asked for."""
        with np.errstate(all="ignore"):
            return np.asarray(self.delta)[:, :, None] * np.asarray(self.a)[:, None, :]

    def per_sample_norms(self):
        """|delta_n a_n^T| = |delta_n| |a_n|, (N,), without forming them (Goodfellow 2015); weights only, no bias."""
        with np.errstate(all="ignore"):
            return _lengths(self.delta) * _lengths(self.a)

    def __repr__(self):
        return f"WeightGradient(delta {self.delta.shape}, a {self.a.shape})"


def _lengths(rows):
    """|row| of each (N, J) -> (N,): scaled by a power of two, so that no square overflows or vanishes."""
    exponent = np.frexp(np.abs(rows).max(axis=1, initial=0))[1]
    return np.ldexp(np.linalg.norm(np.ldexp(rows, -exponent[:, None]), axis=1), exponent)


# Class name -> class: what a saved net can be made of. A class enters it by being derived from Layer.
LAYERS: dict[str, type["Layer"]] = {}


class Layer:
    """What all layers share. A layer of your own needs forward and backward; the rest is inherited.

    To be saved it also needs parameter_names, buffer_names where it keeps other arrays, and config(): see there.
    """

    training = True
    in_features: int | None = None  # the width of the input; None where any will do
    parameter_names: tuple = ()  # attributes that are trained
    buffer_names: tuple = ()  # attributes that are kept with the weights but not trained
    positional: tuple = ()  # arguments that repr shows without their names

    def __init_subclass__(cls, abstract=False, **rest):
        """Makes the class known to save and load. One defined again, as in a notebook, takes the place of the older.

        abstract: for classes that are only derived from. The name of one of minigrad's own stays minigrad's.
        """
        super().__init_subclass__(**rest)
        own = cls.__module__.startswith(f"{__package__}.")
        taken = cls.__name__ in LAYERS and LAYERS[cls.__name__].__module__.startswith(f"{__package__}.")
        if not abstract and (own or not taken):
            LAYERS[cls.__name__] = cls

    def forward(self, x):
        """x (N, J) -> (out (N, K), saved)."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def backward(self, delta, saved):
        """delta (N, K) -> (delta below (N, J), {parameter name: WeightGradient or array})."""
        raise NotImplementedError(f"{type(self).__name__}.backward")

    def __call__(self, x):
        x = as_batch(x, "x", self.dtype, self.in_features)
        with np.errstate(all="ignore"):  # what overflows shows in what is returned
            return self.forward(x)[0]

    def parameters(self):
        """{name: array}, the trained arrays themselves: change them in place and the layer changes."""
        return {name: array for name in self.parameter_names if (array := getattr(self, name)) is not None}

    def state(self):
        """{name: array}: parameters, then buffers; the arrays themselves."""
        found = self.parameters()
        for name in self.buffer_names:
            found[name] = getattr(self, name)
        return found

    def state_dict(self):
        """{name: copy of the array}: parameters and buffers. Names and shapes are PyTorch's."""
        return {name: array.copy() for name, array in self.state().items()}

    def load_state_dict(self, state):
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
    def dtype(self):
        """The float type of the parameters; None where there are none."""
        return next((dtype for array in self.parameters().values() if (dtype := float_of(array))), None)

    def shapes(self):
        """{name: shape} of the parameters and buffers whose shape the constructor's arguments fix."""
        return {}

    def children(self):
        """The layers inside this one, as (name, layer)."""
        return []

    def train(self, mode=True):
        """Training mode, for Dropout and BatchNorm; returns the layer."""
        self.training = bool(mode)
        for _, child in self.children():
            child.train(mode)
        return self

    def eval(self):
        """Evaluation mode: Dropout passes everything, BatchNorm uses its running statistics."""
        return self.train(False)

    def config(self):
        """The constructor's arguments, {name: value}: what repr shows, and what load makes the layer again from.

        Values are None, numbers, text, layers, and lists and dicts of them. Those with their defaults may be left out.
        """
        return {}

    def __repr__(self):
        arguments = [repr(v) if k in self.positional else f"{k}={v!r}" for k, v in self.config().items()]
        return f"{type(self).__name__}({', '.join(arguments)})"


def _fitting(array, name, mine):
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


class Linear(Layer):
    """z = a W^T + b. weight (K, J) = (out_features, in_features), bias (K,) or None.

    init: a name of mg.initializers.INITIALIZERS or a function (rng, K, J) -> (K, J).
    """

    parameter_names = ("weight", "bias")
    positional = ("in_features", "out_features")
    in_features: int

    def __init__(self, in_features, out_features, bias=True, init="glorot_uniform", dtype=np.float64, rng=None):
        self.in_features = whole_number(in_features, "in_features", 1)
        self.out_features = whole_number(out_features, "out_features", 1)
        self.weight, self.bias = initialize(init, rng, self.out_features, self.in_features, float_type(dtype))
        if not bias:
            self.bias = None

    def forward(self, a):
        if a.ndim != 2 or a.shape[1] != self.in_features:
            raise ValueError(f"input of {self!r} has shape {a.shape}, expected (N, {self.in_features})")
        if not isinstance(self.weight, np.ndarray) or a.dtype != self.weight.dtype:
            settle(self)  # a weight that was put here since may be a list, or of integers
            a = as_float(a, f"input of {self!r}", self.weight.dtype)
        return core.affine(a, self.weight, self.bias), a

    def backward(self, delta, a):
        return core.propagate(delta, self.weight), self.gradients(delta, a)

    def gradients(self, delta, a):
        """dC/dW = delta^T a / N and dC/db = mean of delta, without the delta below."""
        g = WeightGradient(delta, a)
        return {"weight": g} if self.bias is None else {"weight": g, "bias": g.bias}

    def shapes(self):
        return {"weight": (self.out_features, self.in_features), "bias": (self.out_features,)}

    def config(self):
        config = {"in_features": self.in_features, "out_features": self.out_features}
        if self.bias is None:
            config["bias"] = False
        if self.weight.dtype.newbyteorder("=") != np.float64:
            config["dtype"] = str(self.weight.dtype.newbyteorder("="))
        return config


class BatchNorm(Layer):
    """Each feature less its batch mean, over its batch spread, times weight (gamma) plus bias (beta).

    Ioffe and Szegedy 2015. x-hat = (x - mean) / sqrt(var + eps), out = gamma x-hat + beta. In eval mode mean and var
    are the running ones: running = (1 - momentum) running + momentum batch, with the unbiased variance, as in PyTorch.
    The samples of a batch are coupled here, so what flows below is N dC/dx rather than d c_n / d x_n.
    """

    parameter_names = ("weight", "bias")
    buffer_names = ("running_mean", "running_var")
    positional = ("num_features",)

    def __init__(self, num_features, eps=1e-5, momentum=0.1, dtype=np.float64):
        self.num_features = self.in_features = whole_number(num_features, "num_features", 1)
        self.eps = real_number(eps, "eps", 0, open_low=True)
        self.momentum = real_number(momentum, "momentum", 0, 1)
        dtype = float_type(dtype)
        self.weight, self.bias = np.ones(num_features, dtype), np.zeros(num_features, dtype)
        self.running_mean, self.running_var = np.zeros(num_features, dtype), np.ones(num_features, dtype)

    def forward(self, x):
        if x.ndim != 2 or x.shape[1] != self.num_features:
            raise ValueError(f"input of {self!r} has shape {x.shape}, expected (N, {self.num_features})")
        mean, var = self.running_mean, self.running_var
        if self.training:
            if len(x) < 2:
                raise ValueError(f"{self!r} in training mode needs at least 2 samples in a batch, got {len(x)}")
            mean = x[0] + _mean(x - x[0])  # exact where a feature is constant
            var = _mean(np.square(x - mean))
            self.running_mean = self._moved(self.running_mean, mean)
            self.running_var = self._moved(self.running_var, var * len(x) / (len(x) - 1))
        spread = np.sqrt(var + self.eps)
        normal = (x - mean) / spread
        return self.weight * normal + self.bias, (normal, spread, self.training)

    def _moved(self, running, batch):
        """A running statistic after a batch: a new array, for the old one may be read-only.

        In float64, since 1 - momentum would lose digits in float32.
        """
        moved = (1 - self.momentum) * running.astype(np.float64) + self.momentum * batch
        return moved.astype(running.dtype)

    def backward(self, delta, saved):
        normal, spread, training = saved
        d_weight, d_bias = _mean(delta * normal), _mean(delta)
        below = delta - d_bias - normal * d_weight if training else delta
        return below * (self.weight / spread), {"weight": d_weight, "bias": d_bias}

    def shapes(self):
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (self.num_features,))

    def config(self):
        config = {"num_features": self.num_features}
        if self.eps != 1e-5:
            config["eps"] = self.eps
        if self.momentum != 0.1:
            config["momentum"] = self.momentum
        if self.weight.dtype.newbyteorder("=") != np.float64:
            config["dtype"] = str(self.weight.dtype.newbyteorder("="))
        return config


def _mean(rows):
    """The mean of the rows, added up in float64: a million float32 lose four digits one by one."""
    return rows.mean(axis=0, dtype=np.result_type(rows, np.float64)).astype(rows.dtype)


class Dropout(Layer):
    """In training each entry is zeroed with probability p and the rest scaled by 1/(1-p); in eval nothing happens.

    Srivastava et al. 2014.
    """

    positional = ("p",)

    def __init__(self, p=0.5, rng=None):
        self.p = real_number(p, "p", 0, 1, open_high=True)
        self.rng = generator(rng)

    def forward(self, x):
        if not self.training:
            return x, None
        mask = ((self.rng.random(x.shape) >= self.p) / (1 - self.p)).astype(x.dtype)
        return x * mask, mask

    def backward(self, delta, mask):
        return (delta if mask is None else delta * mask), {}

    def config(self):
        return {"p": self.p}
