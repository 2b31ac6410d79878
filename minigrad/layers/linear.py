"""The linear layer: z = a W^T + b, and the pair (delta, a) that its gradient is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._checks import Rng, as_float, float_type, whole_number
from ..gradient import WeightGradient
from ..kernels.backend import core
from .base import Gradients, Layer
from .initializers import Initializer, initialize
from .parameters import settle


class Linear(Layer):
    """z = a W^T + b, at every position of every sample: a (N, ..., J) -> z (N, ..., K).

    weight (K, J) = (out_features, in_features), bias (K,) or None.
    init: a name of mg.initializers.INITIALIZERS or a function (rng, K, J) -> (K, J).
    """

    parameter_names = ("weight", "bias")
    positional = ("in_features", "out_features")
    in_features: int
    bias: np.ndarray  # or None: typed without, so that net.bias[0] passes a type checker

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        init: str | Initializer = "glorot_uniform",
        dtype: Any = np.float64,
        rng: Rng = None,
    ) -> None:
        self.in_features = whole_number(in_features, "in_features", 1)
        self.out_features = whole_number(out_features, "out_features", 1)
        self.weight, self.bias = initialize(init, rng, self.out_features, self.in_features, float_type(dtype))
        if not bias:
            self.bias = None  # type: ignore[assignment]

    def forward(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.check_input(a)
        if not isinstance(self.weight, np.ndarray) or a.dtype != self.weight.dtype:
            settle(self)  # a weight that was put here since may be a list, or of integers
            a = as_float(a, f"input of {self!r}", self.weight.dtype)
        return core.affine(a, self.weight, self.bias), a

    def backward(self, delta: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, Gradients]:
        return core.propagate(delta, self.weight), self.gradients(delta, a)

    def gradients(self, delta: np.ndarray, a: np.ndarray) -> Gradients:
        """The pair (delta, a), which knows dC/dW = delta^T a / N, and dC/db; without the delta below."""
        g = WeightGradient(delta, a)
        return {"weight": g} if self.bias is None else {"weight": g, "bias": g.bias}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.out_features, self.in_features), "bias": (self.out_features,)}

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"in_features": self.in_features, "out_features": self.out_features}
        if self.bias is None:
            config["bias"] = False
        return config | self.dtype_argument()
