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

from .kernels.backend import core

ENTRIES = 2**22  # of the matrices that are formed in one go
DIGITS = 2.0**-20  # below this share of its bound, the squared norm from the Gram matrices has lost too many


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
            return _summed(delta, a).astype(delta.dtype, copy=False)

    def per_sample_norms(self) -> np.ndarray:
        """|delta_n a_n^T|, (N,), without forming these where that costs more; weights only, no bias.

        Without positions it is |delta_n| |a_n| (Goodfellow 2015). With P of them |G|^2 is the sum over p and q of
        (delta_p . delta_q) (a_p . a_q), from two Gram matrices (Lee, Kifer 2021), where P (K + J) < K J. That sum has
        an error of eps (sum_p |delta_p| |a_p|)^2, so a norm below a thousandth of that bound is found from the gradient
        itself; the others are right to nine digits.
        """
        delta, a = self._by_sample()
        with np.errstate(all="ignore"):
            if delta.shape[1] == 1:
                return _lengths(delta[:, 0]) * _lengths(a[:, 0])
            delta_size, a_size = _exponent(delta), _exponent(a)
            delta, a = (
                np.ldexp(v.astype(np.float64), -e[:, None, None]) for v, e in ((delta, delta_size), (a, a_size))
            )
            norms = _norms(delta, a)
            return np.ldexp(norms, delta_size + a_size).astype(self.delta.dtype)

    def _by_sample(self) -> tuple[np.ndarray, np.ndarray]:
        """delta (N, P, K), a (N, P, J)."""
        delta, a = np.asarray(self.delta), np.asarray(self.a)
        P = int(np.prod(delta.shape[1:-1]))
        return delta.reshape(len(delta), P, delta.shape[-1]), a.reshape(len(a), P, a.shape[-1])

    def __repr__(self) -> str:
        return f"WeightGradient(delta {self.delta.shape}, a {self.a.shape})"


def joined(g: WeightGradient, h: WeightGradient) -> WeightGradient:
    """One pair for two uses of a weight: the positions of g, then those of h, of the same N samples."""
    (first, a), (second, b) = g._by_sample(), h._by_sample()
    return WeightGradient(np.concatenate([first, second], axis=1), np.concatenate([a, b], axis=1))


def _norms(delta: np.ndarray, a: np.ndarray) -> np.ndarray:
    """The norm of each sample's gradient, delta (N, P, K) and a (N, P, J) of moderate size."""
    (N, P, K), J = delta.shape, a.shape[2]
    by_gram = P * (K + J) < K * J
    found = np.empty(N)
    step = max(1, ENTRIES // max(P * P if by_gram else K * J, 1))
    for start in range(0, N, step):
        d, b = delta[start : start + step], a[start : start + step]
        squares = (
            (np.matmul(d, d.swapaxes(1, 2)) * np.matmul(b, b.swapaxes(1, 2))).sum(axis=(1, 2)) if by_gram else None
        )
        norms = np.linalg.norm(_summed(d, b), axis=(1, 2)) if squares is None else np.sqrt(squares)
        if squares is not None:
            bound = (np.linalg.norm(d, axis=2) * np.linalg.norm(b, axis=2)).sum(axis=1)
            for n in np.flatnonzero(~(squares > DIGITS * bound**2)):
                norms[n] = np.linalg.norm(_summed(d[n], b[n]))
        found[start : start + step] = norms
    return found


def _summed(delta: np.ndarray, a: np.ndarray) -> np.ndarray:
    """delta^T a over the positions, (..., P, K) and (..., P, J) -> (..., K, J), added up in float64."""
    return np.matmul(delta.swapaxes(-1, -2).astype(np.float64), a.astype(np.float64))


def _exponent(array: np.ndarray) -> np.ndarray:
    """The power of two of each sample's largest entry, (N,)."""
    return np.frexp(np.abs(array).max(axis=tuple(range(1, array.ndim)), initial=0))[1]


def _lengths(rows: np.ndarray) -> np.ndarray:
    """|row| of each (N, J) -> (N,): scaled by a power of two, so that no square overflows or vanishes."""
    exponent = _exponent(rows)
    return np.ldexp(np.linalg.norm(np.ldexp(rows, -exponent[:, None]), axis=1), exponent)
