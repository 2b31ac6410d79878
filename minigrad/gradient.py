"""The pair that every weight gradient is made of: the error signal delta and the input activation a.

    z = a W^T + b        delta = dc/dz, one row per sample        dC/dW = delta^T a / N

Index legend: n sample (N), k output neuron (K), j input (J).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .kernels.backend import core


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
