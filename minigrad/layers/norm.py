"""Normalisation: what keeps the spread of z the same from layer to layer."""

import numpy as np

from .._checks import float_type, real_number, whole_number
from .base import Layer


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
