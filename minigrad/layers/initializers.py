"""How the weights of a layer start: each function draws a (K, J) matrix for K outputs and J inputs.

An initialiser is called as init(rng, K, J); `init=` takes one of the names below or any such function.
Biases start at zero, except with torch_default.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from .._checks import Rng, aligned, generator, one_of, real_number

Initializer = Callable[[np.random.Generator, int, int], np.ndarray]


def normal(std: float) -> Initializer:
    """An initialiser: W ~ N(0, std^2)."""
    return functools.partial(_normal, std=real_number(std, "std", 0))


# Named functions, no lambdas, since only these can be sent to another process.


def glorot_uniform(rng: np.random.Generator, K: int, J: int) -> np.ndarray:
    """U(-l, l) of variance 2 / (K + J). Glorot and Bengio 2010."""
    return _uniform(rng, K, J, 2 / (K + J))


def glorot_normal(rng: np.random.Generator, K: int, J: int) -> np.ndarray:
    """N(0, 2 / (K + J)). Glorot and Bengio 2010."""
    return _normal(rng, K, J, math.sqrt(2 / (K + J)))


def he_uniform(rng: np.random.Generator, K: int, J: int) -> np.ndarray:
    """U(-l, l) of variance 2 / J. He et al. 2015."""
    return _uniform(rng, K, J, 2 / J)


def he_normal(rng: np.random.Generator, K: int, J: int) -> np.ndarray:
    """N(0, 2 / J). He et al. 2015."""
    return _normal(rng, K, J, math.sqrt(2 / J))


def lecun_uniform(rng: np.random.Generator, K: int, J: int) -> np.ndarray:
    """U(-l, l) of variance 1 / J. LeCun et al. 1998."""
    return _uniform(rng, K, J, 1 / J)


def lecun_normal(rng: np.random.Generator, K: int, J: int) -> np.ndarray:
    """N(0, 1 / J). LeCun et al. 1998."""
    return _normal(rng, K, J, math.sqrt(1 / J))


def zeros(rng: np.random.Generator, K: int, J: int) -> np.ndarray:
    """0 throughout."""
    return np.zeros((K, J))


def torch_default(rng: np.random.Generator, K: int, J: int) -> np.ndarray:
    """U(-1/sqrt(J), 1/sqrt(J)), as PyTorch's Linear; the biases are drawn from it as well."""
    return _uniform(rng, K, J, 1 / (3 * J))


def _uniform(rng: np.random.Generator, K: int, J: int, variance: float) -> np.ndarray:
    limit = math.sqrt(3 * variance)
    return rng.uniform(-limit, limit, (K, J))


def _normal(rng: np.random.Generator, K: int, J: int, std: float) -> np.ndarray:
    return rng.normal(0.0, std, (K, J))


INITIALIZERS: dict[str, Initializer] = {
    draw.__name__: draw
    for draw in (
        glorot_uniform,
        glorot_normal,
        he_uniform,
        he_normal,
        lecun_uniform,
        lecun_normal,
        zeros,
        torch_default,
    )
}


def initialize(init: str | Initializer, rng: Rng, K: int, J: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """(weight (K, J), bias (K,)). Drawn in float64, so that both dtypes start from the same numbers."""
    random = generator(rng)
    draw = init if callable(init) else INITIALIZERS[one_of(init, "init", INITIALIZERS)]
    weight = np.ascontiguousarray(draw(random, K, J), dtype)
    if weight.shape != (K, J):
        raise ValueError(f"init returned shape {weight.shape}, expected {(K, J)}")
    bias = random.uniform(-1, 1, K) / math.sqrt(J) if draw is torch_default else np.zeros(K)
    return aligned(weight), aligned(bias.astype(dtype))
