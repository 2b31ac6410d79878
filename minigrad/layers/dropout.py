"""Dropout: random zeros while training."""

from .._checks import generator, real_number
from .base import Layer


class Dropout(Layer):
    """In training each entry is zeroed with probability p and the rest scaled by 1/(1-p); in eval nothing happens.

    x of any shape (N, ...) -> the same shape. Srivastava et al. 2014.
    """

    positional = ("p",)

    def __init__(self, p=0.5, rng=None):
        self.p = real_number(p, "p", 0, 1, open_high=True)
        self.rng = generator(rng)

    def forward(self, x):
        if not self.training:
            return x, None
        mask = ((self.rng.random(x.shape) >= self.p) / (1 - self.p)).astype(x.dtype)
        return x * mask, mask

    def backward(self, delta, mask):
        return (delta if mask is None else delta * mask), {}

    def config(self):
        return {"p": self.p}
