"""Normalisation: z with mean 0 and spread 1, of each feature over a batch or of each row over its features."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._checks import float_type, real_number, whole_number
from .base import Gradients, Layer


class BatchNorm(Layer):
    """Each feature less its batch mean, over its batch spread, times weight (gamma) plus bias (beta).

    x (N, ..., J) -> (N, ..., J); the batch is all samples at all positions.
    Ioffe and Szegedy 2015. x-hat = (x - mean) / sqrt(var + eps), out = gamma x-hat + beta. In eval mode mean and var
    are the running ones: running = (1 - momentum) running + momentum batch, with the unbiased variance, as in PyTorch.
    The samples of a batch are coupled here, so what flows below is N dC/dx rather than d c_n / d x_n.
    """

    parameter_names = ("weight", "bias")
    buffer_names = ("running_mean", "running_var")
    positional = ("num_features",)

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, dtype: Any = np.float64) -> None:
        self.num_features = self.in_features = whole_number(num_features, "num_features", 1)
        self.eps = real_number(eps, "eps", 0, open_low=True)
        self.momentum = real_number(momentum, "momentum", 0, 1)
        dtype = float_type(dtype)
        self.weight, self.bias = np.ones(num_features, dtype), np.zeros(num_features, dtype)
        self.running_mean, self.running_var = np.zeros(num_features, dtype), np.ones(num_features, dtype)

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        self.check_input(x)
        mean, var = self.running_mean, self.running_var
        if self.training:
            R = math.prod(x.shape[:-1])
            if R < 2:
                raise ValueError(f"{self!r} in training mode needs at least 2 samples in a batch, got {len(x)}")
            first = x.reshape(R, self.num_features)[0]
            mean = first + _mean(x - first)  # exact where a feature is constant
            var = _mean(np.square(x - mean))
            self.running_mean = self._moved(self.running_mean, mean)
            self.running_var = self._moved(self.running_var, var * R / (R - 1))
        spread = np.sqrt(var + self.eps)
        normal = (x - mean) / spread
        return self.weight * normal + self.bias, (normal, spread, self.training)

    def _moved(self, running: np.ndarray, batch: np.ndarray) -> np.ndarray:
        """A running statistic after a batch: a new array, for the old one may be read-only.

        In float64, since 1 - momentum would lose digits in float32.
        """
        moved = (1 - self.momentum) * np.asarray(running, np.float64) + self.momentum * batch
        return moved.astype(running.dtype)

    def backward(self, delta: np.ndarray, saved: Any) -> tuple[np.ndarray, Gradients]:
        normal, spread, training = saved
        along, mean = _mean(delta * normal), _mean(delta)
        below = delta - mean - normal * along if training else delta
        P = math.prod(delta.shape[1:-1])  # a gradient is the mean over samples, and the sum over positions
        return below * (self.weight / spread), {"weight": along * P, "bias": mean * P}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (self.num_features,))

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"num_features": self.num_features}
        if self.eps != 1e-5:
            config["eps"] = self.eps
        if self.momentum != 0.1:
            config["momentum"] = self.momentum
        return config | self.dtype_argument()


class LayerNorm(Layer):
    """Each row less its mean over the features, over its spread, times weight (gamma) plus bias (beta).

    x (N, ..., J) -> (N, ..., J); every position of every sample is a row, and no two are coupled.
    Ba, Kiros and Hinton 2016. x-hat = (x - mean) / sqrt(var + eps), out = gamma x-hat + beta, with the variance over J,
    as in PyTorch. Where beta is 0 the layer above gets inputs of both signs, whatever comes in.
    """

    parameter_names = ("weight", "bias")
    positional = ("num_features",)

    def __init__(self, num_features: int, eps: float = 1e-5, dtype: Any = np.float64) -> None:
        self.num_features = self.in_features = whole_number(num_features, "num_features", 1)
        self.eps = real_number(eps, "eps", 0, open_low=True)
        self.weight, self.bias = np.ones(num_features, float_type(dtype)), np.zeros(num_features, float_type(dtype))

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        self.check_input(x)
        first = x[..., :1]
        centred = x - (first + _row_mean(x - first))  # exact where all features are equal
        spread = np.sqrt(_row_mean(np.square(centred)) + self.eps)
        normal = centred / spread
        return self.weight * normal + self.bias, (normal, spread)

    def backward(self, delta: np.ndarray, saved: Any) -> tuple[np.ndarray, Gradients]:
        normal, spread = saved
        P = math.prod(delta.shape[1:-1])
        gradients: Gradients = {"weight": _mean(delta * normal) * P, "bias": _mean(delta) * P}
        scaled = delta * self.weight
        below = scaled - _row_mean(scaled) - normal * _row_mean(scaled * normal)
        return below / spread, gradients

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("weight", "bias"), (self.num_features,))

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"num_features": self.num_features}
        if self.eps != 1e-5:
            config["eps"] = self.eps
        return config | self.dtype_argument()


def _mean(x: np.ndarray) -> np.ndarray:
    """The mean over samples and positions, (J,), added up in float64: a million float32 lose four digits one by one."""
    axes = tuple(range(x.ndim - 1))
    return x.mean(axis=axes, dtype=np.float64).astype(x.dtype)


def _row_mean(x: np.ndarray) -> np.ndarray:
    """The mean of each row over its features, (N, ..., 1), added up in float64."""
    return x.mean(axis=-1, keepdims=True, dtype=np.float64).astype(x.dtype)
