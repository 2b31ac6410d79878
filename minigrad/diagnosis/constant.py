"""The loss of the best constant output: what a net can reach without looking at x."""

from __future__ import annotations

import numpy as np

from .._checks import quiet
from ..losses import Loss
from ..training.divergence import KNOWN, constant_loss

STEPS = 200  # of the search
LOOKED_AT = 512  # samples


@quiet
def best_constant_loss(loss: Loss, y: np.ndarray, shape: tuple[int, ...]) -> float:
    """The least loss of an output that is the same everywhere; shape is that of the output for y, (N, ..., K).

    From the targets for minigrad's own losses. Of any other it is searched for, in the K numbers of the output, by the
    pattern search of Hooke and Jeeves (1961), which needs no derivative.
    """
    if type(loss) in KNOWN:
        return float(constant_loss(loss, y, shape))
    y = y[:: -(-len(y) // LOOKED_AT)]
    shape, floats = (len(y), *shape[1:]), y.dtype if y.dtype.kind == "f" else np.dtype(np.float64)

    def value(row: np.ndarray) -> float:
        try:
            found = float(loss(np.broadcast_to(row.astype(floats), shape).copy(), y))
        except (ValueError, ArithmeticError):
            return np.inf
        return found if np.isfinite(found) else np.inf

    starts = [np.zeros(shape[-1]), np.full(shape[-1], 0.5)]
    if y.shape == shape:
        starts.append(y.reshape(-1, shape[-1]).mean(axis=0, dtype=np.float64))
    best = min(starts, key=value)
    least, step = value(best), 0.25 * (1 + np.abs(best).max())
    for _ in range(STEPS):
        before = least
        for k in range(len(best)):
            for sign in (1, -1):
                moved = best.copy()
                moved[k] += sign * step
                if (now := value(moved)) < least:
                    best, least = moved, now
                    break
        if not least < before:
            step /= 2
            if step < 1e-4 * (1 + np.abs(best).max()):
                break
    return least
