"""The linear layer: z = a W^T + b, and the pair (delta, a) that its gradient is made of."""

import numpy as np

from .._checks import as_float, float_type, whole_number
from ..gradient import WeightGradient
from ..kernels.backend import core
from .base import Layer
from .initializers import initialize
from .parameters import settle


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
