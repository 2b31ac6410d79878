"""Sums of outer products, one for each sample, and their norms: without forming the sum where that costs more.

Index legend: n sample (N), p position (P), k output neuron (K), j input (J).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

ENTRIES = 2**22  # of the matrices that are formed in one go
DIGITS = 2.0**-20  # below this share of its bound, the squared norm from the Gram matrices has lost too many


def norms_of_sums(delta: np.ndarray, a: np.ndarray) -> np.ndarray:
    """|sum over p of delta_p a_p^T| of each sample, (N, P, K) and (N, P, J) -> (N,), without overflow."""
    if delta.shape[1] == 1:
        return _lengths(delta[:, 0]) * _lengths(a[:, 0])
    delta_size, a_size = _exponent(delta), _exponent(a)
    scaled = [np.ldexp(v, -e[:, None, None], dtype=np.float64) for v, e in ((delta, delta_size), (a, a_size))]
    return np.ldexp(_norms(*scaled), delta_size + a_size).astype(delta.dtype)


def _norms(delta: np.ndarray, a: np.ndarray) -> np.ndarray:
    """The norm of each sample's gradient, delta (N, P, K) and a (N, P, J) of moderate size: the cheaper way."""
    (N, P, K), J = delta.shape, a.shape[2]
    by_gram = P * (K + J) < K * J
    norms, entries = (_norms_by_gram, P * P) if by_gram else (_norms_by_sum, K * J)
    found = np.empty(N)
    for part in blocks(N, entries, ENTRIES):
        found[part] = norms(delta[part], a[part])
    return found


def _norms_by_sum(delta: np.ndarray, a: np.ndarray) -> np.ndarray:
    """The norms from the sums themselves, (N, K, J)."""
    return np.linalg.norm(sums_of_products(delta, a), axis=(1, 2))


def _norms_by_gram(delta: np.ndarray, a: np.ndarray) -> np.ndarray:
    """The norms from the Gram matrices, (N, P, P): from the sum where that would lose too many digits."""
    squares = (np.matmul(delta, delta.swapaxes(1, 2)) * np.matmul(a, a.swapaxes(1, 2))).sum(axis=(1, 2))
    bound = (np.linalg.norm(delta, axis=2) * np.linalg.norm(a, axis=2)).sum(axis=1)
    norms = np.sqrt(squares)
    for n in np.flatnonzero(~(squares > DIGITS * bound**2)):
        norms[n] = np.linalg.norm(sums_of_products(delta[n], a[n]))
    return norms


def sums_of_products(delta: np.ndarray, a: np.ndarray) -> np.ndarray:
    """delta^T a over the positions, (..., P, K) and (..., P, J) -> (..., K, J), added up in float64."""
    d, b = (np.asarray(factor, np.float64) for factor in (delta, a))
    return np.matmul(d.swapaxes(-1, -2), b)


def blocks(count: int, entries: int, limit: int) -> Iterator[slice]:
    """Slices of so many samples, each of so many entries: at most `limit` entries at once, or one sample."""
    size = max(1, limit // max(1, entries))
    for start in range(0, count, size):
        yield slice(start, start + size)


def _exponent(array: np.ndarray) -> np.ndarray:
    """The power of two of each sample's largest entry, (N,)."""
    return np.frexp(np.abs(array).max(axis=tuple(range(1, array.ndim)), initial=0))[1]


def _lengths(rows: np.ndarray) -> np.ndarray:
    """|row| of each (N, J) -> (N,): scaled by a power of two, so that no square overflows or vanishes."""
    exponent = _exponent(rows)
    return np.ldexp(np.linalg.norm(np.ldexp(rows, -exponent[:, None]), axis=1), exponent)
