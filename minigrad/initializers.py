"""How the weights of a layer start: each function draws a (K, J) matrix for K outputs and J inputs.

An initialiser is called as init(rng, K, J); `init=` takes one of the names below or any such function.
Biases start at zero, except with torch_default.
"""

import math

import numpy as np

from ._checks import aligned, generator, one_of, real_number


def _uniform(variance):
    def draw(rng, K, J):
        limit = math.sqrt(3 * variance(K, J))
        return rng.uniform(-limit, limit, (K, J))

    return draw


def _normal(variance):
    return lambda rng, K, J: rng.normal(0.0, math.sqrt(variance(K, J)), (K, J))


def normal(std):
    """W ~ N(0, std^2)."""
    std = real_number(std, "std", 0)
    return lambda rng, K, J: rng.normal(0.0, std, (K, J))


def _glorot(K, J):  # Glorot and Bengio 2010
    return 2 / (K + J)


def _he(K, J):  # He et al. 2015
    return 2 / J


def _lecun(K, J):  # LeCun et al. 1998
    return 1 / J


INITIALIZERS = {
    "glorot_uniform": _uniform(_glorot),
    "glorot_normal": _normal(_glorot),
    "he_uniform": _uniform(_he),
    "he_normal": _normal(_he),
    "lecun_uniform": _uniform(_lecun),
    "lecun_normal": _normal(_lecun),
    "zeros": lambda rng, K, J: np.zeros((K, J)),
    "torch_default": _uniform(lambda K, J: 1 / (3 * J)),  # W and b ~ U(-1/sqrt(J), 1/sqrt(J))
}


def initialize(init, rng, K, J, dtype):
    """(weight (K, J), bias (K,)). Drawn in float64, so that both dtypes start from the same numbers."""
    rng = generator(rng)
    draw = init if callable(init) else INITIALIZERS[one_of(init, "init", INITIALIZERS)]
    weight = np.ascontiguousarray(draw(rng, K, J), dtype)
    if weight.shape != (K, J):
        raise ValueError(f"init returned shape {weight.shape}, expected {(K, J)}")
    bias = rng.uniform(-1, 1, K) / math.sqrt(J) if init == "torch_default" else np.zeros(K)
    return aligned(weight), aligned(bias.astype(dtype))
