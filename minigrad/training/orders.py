"""In which order the samples are visited: drawn for several epochs at once, where they are short."""

from __future__ import annotations

import functools

import numpy as np

from ..kernels.backend import core
from ..layers.containers import Sequential

AHEAD = 2**14  # samples whose order is drawn before they are trained on
EPOCHS = 256  # at a time, at most: where one of them fails, they are trained again, one by one
PAUSE = 2**23  # samples times weights in one call: between two calls a run can be interrupted


def epochs_at_once(N: int, net: Sequential) -> int:
    """How many epochs of N samples the compiled core trains in one call, where nothing happens between them."""
    return max(1, min(AHEAD // N, PAUSE // (N * size(net)), EPOCHS))


def size(net: Sequential) -> int:
    """The number of weights and biases."""
    return sum(parameter.size for parameter in net.parameters().values())


def draw(orders: np.ndarray, rng: np.random.Generator) -> None:
    """Fill each row of orders (epochs, N) uint32 with rng.permutation(N)."""
    if hasattr(core, "draw_orders") and _draws_as_numpy():
        core.draw_orders(orders, rng.bit_generator)
    else:
        for order in orders:
            order[...] = rng.permutation(len(order))


@functools.cache
def _draws_as_numpy() -> bool:
    """Does the core draw what this NumPy draws? How a permutation is made of random numbers NumPy does not promise."""
    orders = np.zeros((9, 257), np.uint32)
    core.draw_orders(orders, np.random.default_rng(0).bit_generator)
    rng = np.random.default_rng(0)
    return np.array_equal(orders, [rng.permutation(257) for _ in orders])
