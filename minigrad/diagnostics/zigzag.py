"""Zig-zag: how the path of the weights turns from step to step.

Index legend: k output neuron (K), j input (J), t step of a path (T).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from .._checks import as_float, quiet, real_number

# ---- how a path zig-zags ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ZigZag:
    """What a path of updates looks like.

    length         sum of |u_t|                   displacement   |sum of u_t|
    ratio          length / displacement, 1 for a straight path, inf for a closed one
    cosines        (T-1,), between successive updates; NaN next to an update of zero
    off_target     1 - sum (u_t . d)^2 / sum |u_t|^2 for the unit target direction d: the share of the
                   squared motion that went across; NaN without a direction
    reversals      (K,), for each neuron: how often its update pointed against its last non-zero one, by a
                   negative product or from one orthant (all >= 0, all <= 0) into the opposite one
    """

    length: float
    displacement: float
    ratio: float
    cosines: np.ndarray
    off_target: float
    reversals: np.ndarray

    @classmethod
    @quiet
    def of_updates(cls, updates: ArrayLike, target: ArrayLike | None = None, floor: float = 0.0) -> Self:
        """The ZigZag of a path that is made of these updates.

        updates (T, J) of one neuron or (T, K, J); target: a direction, shaped like an update, else where the path led.
        Updates of a neuron up to floor times its longest one do not count as reversals.
        """
        u, floor = as_float(updates, "updates", np.float64), real_number(floor, "floor", 0)
        if u.ndim not in (2, 3) or u.size == 0 or not np.isfinite(u).all():
            raise ValueError(f"updates of shape {u.shape} must be finite, (T, J) or (T, K, J), T at least 1, J too")
        u = u[:, None, :] if u.ndim == 2 else u
        net = u.sum(axis=0)
        d = net if target is None else as_float(target, "target", np.float64)
        if d.size != net.size:
            raise ValueError(f"target has shape {d.shape}, expected {net.shape} as an update")
        d = d.reshape(net.shape)
        sizes = np.linalg.norm(u, axis=2)  # (T, K)
        steps = np.sqrt((sizes**2).sum(axis=1))
        length, displacement = float(steps.sum()), float(np.linalg.norm(net))
        cosines = np.einsum("tkj,tkj->t", u[1:], u[:-1]) / (steps[1:] * steps[:-1])
        projections = np.einsum("tkj,kj->t", u, d) / np.linalg.norm(d)
        off_target = float(1 - (projections**2).sum() / (steps**2).sum())
        ratio = float(np.float64(length) / displacement)
        reversals, last = np.zeros(u.shape[1], int), np.zeros(net.shape)
        counts = sizes > floor * sizes.max(axis=0)
        for step, moved in zip(u, counts, strict=True):
            turned_up, turned_down = (step >= 0) & (last <= 0), (step <= 0) & (last >= 0)
            opposed = (step * last).sum(axis=1) < 0
            reversals += moved & last.any(axis=1) & (opposed | turned_up.all(axis=1) | turned_down.all(axis=1))
            last[moved] = step[moved]
        return cls(length, displacement, ratio, cosines, off_target, reversals)

    @classmethod
    @quiet
    def of_weights(cls, weights: ArrayLike, target: ArrayLike | None = None, floor: float = 0.0) -> Self:
        """The ZigZag of a path through these points.

        weights (T+1, J) or (T+1, K, J); target: the point to be reached; floor: as in of_updates.
        """
        w = as_float(weights, "weights", np.float64)
        if w.ndim not in (2, 3) or len(w) < 2 or w.size == 0 or not np.isfinite(w).all():
            raise ValueError(f"weights of shape {w.shape} must be finite, (T+1, J) or (T+1, K, J), T at least 1, J too")
        way = None
        if target is not None:
            point = np.asarray(as_float(target, "target", np.float64))
            if point.shape != w[0].shape:
                raise ValueError(f"target has shape {point.shape}, expected {w[0].shape} as a point")
            way = point - w[0]
        found: Self = cls.of_updates(np.diff(w, axis=0), way, floor)
        return found
