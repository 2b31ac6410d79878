"""Dropout: random zeros while training."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._checks import Rng, generator, real_number
from .base import Gradients, Layer


class Dropout(Layer):
    """In training each entry is zeroed with probability p and the rest scaled by 1/(1-p); in eval nothing happens.

    x of any shape (N, ...) -> the same shape. Srivastava et al. 2014.
    """

    positional = ("p",)

    def __init__(self, p: float = 0.5, rng: Rng = None) -> None:
        self.p = real_number(p, "p", 0, 1, open_high=True)
        self.rng = generator(rng)

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        if not self.training:
            return x, None
        mask = ((self.rng.random(x.shape) >= self.p) / (1 - self.p)).astype(x.dtype)
        return x * mask, mask

    def backward(self, delta: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, Gradients]:
        return (delta if mask is None else delta * mask), {}

    def config(self) -> dict[str, Any]:
        return {"p": self.p}
