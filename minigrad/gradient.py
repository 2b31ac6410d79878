"""The pair that every weight gradient is made of: the error signal delta and the input activation a.

    z = a W^T + b        a (N, ..., J), W (K, J), b (K,), z (N, ..., K)
    delta = dc/dz        the error signal of each sample at each position, (N, ..., K)
    dC/dW = sum over positions, mean over samples of delta a^T

"..." are positions, at each of which the same weights are used: time, height and width; an MLP has none.
delta is per sample: the 1/N of the mean enters once, here, where the pair becomes a gradient.

Index legend: n sample (N), p position (P, all of them as one axis), k output neuron (K), j input (J).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import _notebook as notebook
from ._norms import norms_of_sums, sums_of_products
from .kernels.backend import core


@dataclass(frozen=True, eq=False)
class WeightGradient:
    """The gradient of a weight matrix, kept as its two factors.

    delta (N, ..., K): dc_n/dz at each position        a (N, ..., J): the input of the layer there
    """

    delta: np.ndarray
    a: np.ndarray

    @cached_property
    def weight(self) -> np.ndarray:
        """dC/dW = delta.T @ a / N, (K, J): of all samples and positions as rows."""
        return core.weight_gradient(self.delta, self.a)

    @cached_property
    def bias(self) -> np.ndarray:
        """dC/db = the mean over samples of delta, summed over positions, (K,)."""
        return core.bias_gradient(self.delta)

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """delta (R, K) and a (R, J), every position of every sample a row: R = N P."""
        delta, a = self._by_sample()
        R = delta.shape[0] * delta.shape[1]
        return delta.reshape(R, delta.shape[2]), a.reshape(R, a.shape[2])

    def per_sample(self) -> np.ndarray:
        """The gradients of the samples, delta_n a_n^T summed over positions, (N, K, J): large, so formed on demand."""
        delta, a = self._by_sample()
        with np.errstate(all="ignore"):
            if delta.shape[1] == 1:
                return delta[:, 0, :, None] * a[:, 0, None, :]
            return np.asarray(sums_of_products(delta, a), delta.dtype)

    def per_sample_norms(self) -> np.ndarray:
        """|delta_n a_n^T|, (N,), without forming these where that costs more; weights only, no bias.

        Without positions it is |delta_n| |a_n| (Goodfellow 2015). With P of them |G|^2 is the sum over p and q of
        (delta_p . delta_q) (a_p . a_q), from two Gram matrices (Lee, Kifer 2021), where P (K + J) < K J. That sum has
        an error of eps (sum_p |delta_p| |a_p|)^2, so a norm below a thousandth of that bound is found from the gradient
        itself; the others are right to nine digits.
        """
        with np.errstate(all="ignore"):
            return norms_of_sums(*self._by_sample())

    def _by_sample(self) -> tuple[np.ndarray, np.ndarray]:
        """delta (N, P, K), a (N, P, J)."""
        delta, a = np.asarray(self.delta), np.asarray(self.a)
        P = int(np.prod(delta.shape[1:-1]))
        return delta.reshape(len(delta), P, delta.shape[-1]), a.reshape(len(a), P, a.shape[-1])

    def __repr__(self) -> str:
        return f"WeightGradient(delta {self.delta.shape}, a {self.a.shape})"

    def _repr_html_(self) -> str:
        """What a notebook shows: delta, a and their product for the first sample, and the gradient."""
        return notebook.pair(self)


def joined(g: WeightGradient, h: WeightGradient) -> WeightGradient:
    """One pair for two uses of a weight: the positions of g, then those of h, of the same N samples."""
    (first, a), (second, b) = g._by_sample(), h._by_sample()
    return WeightGradient(np.concatenate([first, second], axis=1), np.concatenate([a, b], axis=1))
