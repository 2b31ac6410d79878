"""recipe(): a case in one line, for nets that are a data set, an mlp, a loss and an optimizer."""

from collections.abc import Callable

import numpy as np
import sources as s
from corpus import Setup

import minigrad as mg

CE, BCE, MSE = mg.CrossEntropyLoss, mg.BCEWithLogitsLoss, mg.MSELoss


def usual_init(activation):
    """He for the kinked ones, Glorot for the others."""
    return "he_uniform" if activation in ("relu", "leaky_relu", "elu", "gelu", "silu") else "glorot_uniform"


def recipe(
    data: Callable,
    sizes: list[int],
    activation: str,
    loss: Callable,
    opt: Callable,
    batch_size: int = 32,
    epochs: int = 30,
    init=None,
    float32: bool = False,
    end: Callable | None = None,
    change: Callable | None = None,
    shuffle: bool = True,
):
    """make(seed) of a Setup. data(rng) -> x, y; end() is a list of layers after the last Linear; change(net, rng)."""

    def make(seed: int) -> Setup:
        rng = np.random.default_rng([seed, 15])
        x, y = data(rng)
        if float32:
            x, y = s.as_float32(x, y)
        dtype = np.float32 if float32 else np.float64
        net = mg.mlp(sizes, activation, usual_init(activation) if init is None else init, dtype, rng)
        if end is not None:
            net = s.ended(net, *end())
        if change is not None:
            net = change(net, rng) or net
        return Setup(net, loss(), opt(), x, y, batch_size, epochs, shuffle)

    return make


def layers(data: Callable, build: Callable, loss: Callable, opt: Callable, batch_size: int = 32, epochs: int = 30):
    """make(seed) of a Setup whose net build(rng) returns as a list of layers."""

    def make(seed: int) -> Setup:
        rng = np.random.default_rng([seed, 15])
        x, y = data(rng)
        return Setup(mg.Sequential(*build(rng)), loss(), opt(), x, y, batch_size, epochs)

    return make


def sgd(lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    return lambda: mg.SGD(lr, momentum, nesterov, weight_decay)


def adam(lr=1e-3, **rest):
    return lambda: mg.Adam(lr, **rest)


def adamw(lr=1e-3, **rest):
    return lambda: mg.AdamW(lr, **rest)


def rmsprop(lr=1e-2, **rest):
    return lambda: mg.RMSprop(lr, **rest)
