"""One linear neuron with two weights, trained step by step by minigrad: the run behind the first scene.

    z = a_1 w_1 + a_2 w_2,  c_n = (z - y)^2,  y from the target weights: a bowl over the plane of the two weights

The inputs have the same mean on both axes, and exactly the spread asked for, so that the curvatures of the bowl are
those of theorem C4. Flipping and turning change inputs and weights together (theorems C1 and C10).

Index legend: n sample (N), j input (J = 2), t step (T).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

import minigrad as mg

from .. import diagnostics as dg

SAMPLES, MOST, DONE = 32, 200, 1e-3  # of the cloud; steps of a run; part of the first loss at which a run ends
FAR = 1e140  # beyond it, nothing about a path can be measured


def standard_cloud() -> np.ndarray:
    """SAMPLES points (N, 2) with mean 0 and the identity as covariance, to rounding."""
    u = np.random.default_rng(0).standard_normal((SAMPLES, 2))
    u -= u.mean(axis=0)
    return u @ np.linalg.inv(np.linalg.cholesky(u.T @ u / SAMPLES)).T


def rotation(degrees: float) -> np.ndarray:
    """The rotation by an angle, (2, 2)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]])


class Path:
    """A run: the weights [(2,)] and the losses of every step so far, as they are turned and flipped.

    setting: mean, spread, turn in degrees, flip, optimizer, lr, momentum, batch ("all" or a number), start-1, start-2,
    target-1, target-2. x (N, 2) and target (2,) are turned and flipped too, by gauge (2, 2).
    """

    def __init__(self, setting: Mapping[str, Any]) -> None:
        x = setting["mean"] + setting["spread"] * standard_cloud()
        target = np.array([setting["target-1"], setting["target-2"]])
        self.y = x @ target[:, None]
        self.gauge = rotation(setting["turn"])
        self.net = mg.Sequential(mg.Linear(2, 1, bias=False))
        self.net[0].weight[...] = [setting["start-1"], setting["start-2"]]
        self.net, self.x = dg.rotate(self.net, x, self.gauge)
        if setting["flip"]:
            self.net, self.x = dg.gauge_flip(self.net, self.x, [-1, 1])
            self.gauge = np.diag([-1.0, 1.0]) @ self.gauge
        self.target = self.gauge @ target
        if setting["optimizer"] == "adam":
            self.opt: mg.Optimizer = mg.Adam(setting["lr"])
        else:
            self.opt = mg.SGD(setting["lr"], momentum=setting["momentum"])
        self.batch = SAMPLES if setting["batch"] == "all" else int(setting["batch"])
        self.weights: list[np.ndarray] = []
        self.losses: list[float] = []
        self._look()

    def _look(self) -> None:
        """A pass of all samples at the weights of now, wherever the batch is."""
        self.bp = mg.backprop(self.net, mg.MSELoss(), self.x, self.y)
        self.weights.append(self.net[0].weight[0].copy())
        self.losses.append(self.bp.loss)

    @property
    def steps(self) -> int:
        return len(self.losses) - 1

    @property
    def ended(self) -> bool:
        """A run ends where the loss is below DONE of the first one, or after MOST steps."""
        return self.losses[-1] < DONE * self.losses[0] or self.steps >= MOST

    def rows(self, step: int) -> np.ndarray:
        """The samples of the batch of a step: in their order, and from the first again after the last."""
        return (step * self.batch + np.arange(self.batch)) % SAMPLES

    def step(self) -> None:
        """One step of the optimizer, on the samples whose turn it is."""
        bp = self.bp
        if self.batch < SAMPLES:
            rows = self.rows(self.steps)
            bp = mg.backprop(self.net, mg.MSELoss(), self.x[rows], self.y[rows])
        self.opt.step(self.net, bp)
        self._look()

    def go_to(self, steps: int, to_its_end: bool = False) -> None:
        """Take steps until there are so many; or, if that comes first, until the run ends by itself."""
        while self.steps < steps and not (to_its_end and self.ended):
            self.step()

    def finite_weights(self) -> np.ndarray:
        """(T+1, 2): the points of the path, up to the first whose square is near the largest float."""
        points = np.array(self.weights)
        near = (np.abs(points) < FAR).all(axis=1)
        return points if near.all() else points[: int(np.argmin(near))]

    def directions(self) -> list[str]:
        """For each update "plus", "minus" or "mixed": both weights up, both down, or neither; "" for no move at all."""
        moves = np.diff(self.finite_weights(), axis=0)
        if len(moves) == 0:
            return []
        single, zero = dg.single_signed_rows(moves), dg.zero_rows(moves)
        names = np.where(zero, "", np.where(~single, "mixed", np.where(moves.sum(axis=1) > 0, "plus", "minus")))
        return names.tolist()

    def reversals(self) -> int:
        """How often an update pointed against the last one that moved anything: of each such pair, made one neuron."""
        moves = np.diff(self.finite_weights(), axis=0)
        moves = moves[moves.any(axis=1)]
        return int(dg.ZigZag.of_updates(np.stack([moves[:-1], moves[1:]])).reversals.sum()) if len(moves) > 1 else 0

    def gradient(self) -> np.ndarray:
        """dC/dw over all samples at the weights of now, (2,)."""
        return self.bp.gradients["0"].weight[0]

    def orthant_pairs(self) -> float:
        """The share of pairs of samples that push the weights into one pair of opposite orthants, now."""
        g = self.bp.gradients["0"]
        return dg.orthant_pairs(g) if np.isfinite(g.delta).all() else math.nan

    def curvatures(self) -> np.ndarray:
        """The second derivatives of the loss along the axes of the bowl, the larger first."""
        return 2 * dg.spectrum(self.x)


def largest_difference(path: Path, other: Path) -> float:
    """The largest difference between the losses of two runs, step by step."""
    with np.errstate(all="ignore"):
        return float(np.abs(np.array(path.losses) - np.array(other.losses)).max())
