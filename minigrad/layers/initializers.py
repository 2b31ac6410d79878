"""How the weights of a layer start: each function draws a (K, J) matrix for K outputs and J inputs.

An initialiser is called as init(rng, K, J); `init=` takes one of the names below or any such function.
Biases start at zero, except with torch_default.
"""

import functools
import math

import numpy as np

from .._checks import aligned, generator, one_of, real_number


def normal(std):
    """An initialiser: W ~ N(0, std^2)."""
    return functools.partial(_normal, std=real_number(std, "std", 0))


# Named functions, no lambdas, since only these can be sent to another process.


def glorot_uniform(rng, K, J):
    """U(-l, l) of variance 2 / (K + J). Glorot and Bengio 2010."""
    return _uniform(rng, K, J, 2 / (K + J))


def glorot_normal(rng, K, J):
    """N(0, 2 / (K + J)). Glorot and Bengio 2010."""
    return _normal(rng, K, J, math.sqrt(2 / (K + J)))


def he_uniform(rng, K, J):
    """U(-l, l) of variance 2 / J. He et al. 2015."""
    return _uniform(rng, K, J, 2 / J)


def he_normal(rng, K, J):
    """N(0, 2 / J). He et al. 2015."""
    return _normal(rng, K, J, math.sqrt(2 / J))


def lecun_uniform(rng, K, J):
    """U(-l, l) of variance 1 / J. LeCun et al. 1998."""
    return _uniform(rng, K, J, 1 / J)


def lecun_normal(rng, K, J):
    """N(0, 1 / J). LeCun et al. 1998."""
    return _normal(rng, K, J, math.sqrt(1 / J))


def zeros(rng, K, J):
    """0 throughout."""
    return np.zeros((K, J))


def torch_default(rng, K, J):
    """U(-1/sqrt(J), 1/sqrt(J)), as PyTorch's Linear; the biases are drawn from it as well."""
    return _uniform(rng, K, J, 1 / (3 * J))


def _uniform(rng, K, J, variance):
    limit = math.sqrt(3 * variance)
    return rng.uniform(-limit, limit, (K, J))


def _normal(rng, K, J, std):
    return rng.normal(0.0, std, (K, J))


INITIALIZERS = {
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


def initialize(init, rng, K, J, dtype):
    """(weight (K, J), bias (K,)). Drawn in float64, so that both dtypes start from the same numbers."""
    rng = generator(rng)
    draw = init if callable(init) else INITIALIZERS[one_of(init, "init", INITIALIZERS)]
    weight = np.ascontiguousarray(draw(rng, K, J), dtype)
    if weight.shape != (K, J):
        raise ValueError(f"init returned shape {weight.shape}, expected {(K, J)}")
    bias = rng.uniform(-1, 1, K) / math.sqrt(J) if draw is torch_default else np.zeros(K)
    return aligned(weight), aligned(bias.astype(dtype))
