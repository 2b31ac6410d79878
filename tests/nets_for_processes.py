"""Nets that travel to other processes and back, and the training that shows whether they are still the same."""

import numpy as np

import minigrad as mg
from minigrad.kernels.backend import core

ENGINES = ["python", "fused"] if hasattr(core, "Program") else ["python"]
LARGE = [600, 300, 3]  # 1.4 MB in the first layer: joblib sends arrays over 1 MB as read-only memory maps


class Twice(mg.Layer):
    """A layer of one's own."""

    parameter_names = ("factor",)

    def __init__(self):
        self.factor = np.full(1, 2.0)

    def forward(self, x):
        return self.factor * x, x

    def backward(self, delta, x):
        return self.factor * delta, {"factor": np.array([(delta * x).sum(axis=1).mean()])}


def net_of(kind):
    rng = np.random.default_rng(0)
    if kind == "large":
        return mg.mlp(LARGE, "tanh", rng=rng)
    if kind == "float32":
        return mg.mlp([5, 7, 3], "gelu", dtype=np.float32, rng=rng)
    if kind == "own layer":
        return mg.Sequential(mg.Linear(5, 7, rng=rng), Twice(), mg.Tanh(), mg.Linear(7, 3, rng=rng))
    inner = mg.Residual(mg.Linear(7, 7, rng=rng), mg.ELU())
    first, last = mg.Linear(5, 7, rng=rng), mg.Linear(7, 3, rng=rng)
    return mg.Sequential(first, mg.BatchNorm(7), inner, mg.Dropout(0.2, rng=1), last)


KINDS = ["large", "float32", "own layer", "all layers"]


def trainable(kind, engine):
    """Can this engine train a net of this kind?"""
    return engine == "python" or kind in ("large", "float32")


def train(net, opt=None, engine="auto", epochs=2):
    """Train the net in place -> (net, opt, bits of all that it ends with). As a job: train_one((net, engine))."""
    x = np.random.default_rng(2).standard_normal((24, net.in_features))
    opt = opt or mg.Adam(0.01)
    history = mg.fit(net, mg.CrossEntropyLoss(), opt, x, np.arange(24) % 3, epochs=epochs, batch_size=8, rng=3,
                     engine=engine, progress=False)  # fmt: skip
    arrays = [*net.state_dict().values(), *(array for name in sorted(opt.state) for array in opt.state[name])]
    return net, opt, b"".join(array.tobytes() for array in arrays) + repr(history).encode()


def train_one(config):
    return train(*config)


def fails_on_two(n):
    if n == 2:
        raise ArithmeticError("two")
    return n
