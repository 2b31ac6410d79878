"""Averages over z ~ N(0, 1), for what an activation makes of it."""

from __future__ import annotations

import math

import numpy as np


def normal_quadrature() -> tuple[np.ndarray, np.ndarray]:
    """(z, weight): E g(Z) is weight @ g(z) for Z ~ N(0, 1), where g is smooth but for a kink at 0.

    Gauss-Legendre quadrature with 24 nodes in each interval between 0, 2^-10, 2^-9, ..., 8, 12, on either side: 0 lies
    between two intervals and in none, and a step as steep as 1,000 z is met too.
    """
    nodes, weights = np.polynomial.legendre.leggauss(24)
    edges = np.concatenate([[0], 2.0 ** np.arange(-10, 4), [12]])
    length = np.diff(edges)[:, None]
    z = (edges[:-1, None] + length * (nodes + 1) / 2).ravel()
    weight = (length * weights / 2).ravel() * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return np.concatenate([-z[::-1], z]), np.concatenate([weight[::-1], weight])
