"""The norm of a sum of outer products, of each sample: without forming the sum where that costs more.

Index legend: n sample (N), p position (P), k output neuron (K), j input (J).
"""

from __future__ import annotations

import numpy as np

ENTRIES = 2**22  # of the matrices that are formed in one go
DIGITS = 2.0**-20  # below this share of its bound, the squared norm from the Gram matrices has lost too many


def norms_of_sums(delta: np.ndarray, a: np.ndarray) -> np.ndarray:
    """|sum over p of delta_p a_p^T| of each sample, (N, P, K) and (N, P, J) -> (N,), without overflow."""
    if delta.shape[1] == 1:
        return _lengths(delta[:, 0]) * _lengths(a[:, 0])
    delta_size, a_size = _exponent(delta), _exponent(a)
    scaled = [np.ldexp(v.astype(np.float64), -e[:, None, None]) for v, e in ((delta, delta_size), (a, a_size))]
    return np.ldexp(_norms(*scaled), delta_size + a_size).astype(delta.dtype)


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
        norms = np.linalg.norm(sums_of_products(d, b), axis=(1, 2)) if squares is None else np.sqrt(squares)
        if squares is not None:
            bound = (np.linalg.norm(d, axis=2) * np.linalg.norm(b, axis=2)).sum(axis=1)
            for n in np.flatnonzero(~(squares > DIGITS * bound**2)):
                norms[n] = np.linalg.norm(sums_of_products(d[n], b[n]))
        found[start : start + step] = norms
    return found


def sums_of_products(delta: np.ndarray, a: np.ndarray) -> np.ndarray:
    """delta^T a over the positions, (..., P, K) and (..., P, J) -> (..., K, J), added up in float64."""
    return np.matmul(delta.swapaxes(-1, -2).astype(np.float64), a.astype(np.float64))


def _exponent(array: np.ndarray) -> np.ndarray:
    """The power of two of each sample's largest entry, (N,)."""
    return np.frexp(np.abs(array).max(axis=tuple(range(1, array.ndim)), initial=0))[1]


def _lengths(rows: np.ndarray) -> np.ndarray:
    """|row| of each (N, J) -> (N,): scaled by a power of two, so that no square overflows or vanishes."""
    exponent = _exponent(rows)
    return np.ldexp(np.linalg.norm(np.ldexp(rows, -exponent[:, None]), axis=1), exponent)
