"""Detours: what a way made of single-signed steps costs.

A row of weights moves in R^J; with a >= 0 each single-sample update is in the positive or in the negative orthant.
Lengths are in the units of the weights; ratios and cosines are pure numbers. Theorems B1, B2 and B3 are stated and
proved in docs/theory.md.

Index legend: n sample (N), r row (R: every position of every sample), k output neuron (K), j input (J), t step of a
path (T).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._checks import MOST, as_float, quiet, real_number
from .pairs import finite_rows_of

# ---- what the sign rule can cost: B1, B2, B3 --------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SignDetour:
    """A way to d by one positive and one negative leg; all but legs have the shape of d without its last axis.

    legs (2, ..., J): d+ and -d-. length |d+| + |d-|. ratio = length / |d|, from 1 to sqrt 2. cosine: between
    d and the nearest single-signed direction, from 1/sqrt 2 to 1. ratio and cosine are NaN for d = 0.
    """

    legs: np.ndarray
    length: np.ndarray
    ratio: np.ndarray
    cosine: np.ndarray


@quiet
def sign_detour(d: ArrayLike) -> SignDetour:
    """A shortest way (Euclidean) to d (..., J) of steps that are all >= 0 or all <= 0, row by row: theorem B1."""
    d = np.asarray(as_float(d, "d", np.float64))
    if d.ndim == 0 or d.shape[-1] == 0 or not np.isfinite(d).all():
        raise ValueError(f"d of shape {d.shape} must be finite, (..., J) with J at least 1")
    legs = np.stack([np.maximum(d, 0), np.minimum(d, 0)])
    scale = np.abs(d).max(axis=-1, keepdims=True)  # so that neither huge nor tiny entries leave the floats
    plus, minus = np.linalg.norm(legs / scale, axis=-1)
    whole = np.hypot(plus, minus)
    length = np.nan_to_num((plus + minus) * scale[..., 0], posinf=np.inf)
    return SignDetour(legs, length, (plus + minus) / whole, np.maximum(plus, minus) / whole)


def _parts(u: ArrayLike, name: str = "u") -> tuple[np.ndarray, float, float]:
    """u as a unit vector, |u+| and |u-|."""
    unit = np.asarray(as_float(u, name, np.float64))
    if unit.ndim != 1 or not np.isfinite(unit).all() or not unit.any():
        raise ValueError(f"{name} must be a finite vector (J,) other than 0, got shape {unit.shape}")
    unit = unit / np.abs(unit).max()
    unit = unit / np.linalg.norm(unit)
    return unit, float(np.linalg.norm(np.maximum(unit, 0))), float(np.linalg.norm(np.minimum(unit, 0)))


@quiet
def fewest_reversals(u: ArrayLike, length: float, eps: float) -> int:
    """How often a path must reverse to follow a line for this length, turning only within eps of it: theorem B2.

    u (J,): the line's direction, of any length; the path starts and ends on the line, and all its steps are
    >= 0 or <= 0. At least (length / eps) |u+| |u-|, and tube_legs attains it. 0 for a single-signed u,
    else at least 1.
    """
    _, plus, minus = _parts(u)
    length, eps = real_number(length, "length", 0), real_number(eps, "eps", 0, open_low=True)
    if plus * minus == 0 or length == 0:
        return 0
    if math.isinf(length / eps):
        raise ValueError(f"length {length:g} is beyond all floats when counted in eps {eps:g}")
    return max(1, math.ceil(length / eps * plus * minus * (1 - 1e-12)))  # 5.000000000000001 is 5


@quiet
def tube_legs(u: ArrayLike, length: float, eps: float) -> np.ndarray:
    """The legs (reversals + 1, J) of a path along u with no more reversals than fewest_reversals asks for.

    Multiples of u+ and of -u-; the reversals lie on the walls of the tube, by turns. The points of the path
    are the cumulated sums.
    """
    line, _, _ = _parts(u)
    reversals, length = fewest_reversals(line, length, eps), float(length)
    if reversals == 0:
        return line[None, :] * length
    if reversals > MOST:
        raise ValueError(f"length {length:g} with eps {eps:g} needs {reversals:.3g} legs, expected at most {MOST}")
    legs: np.ndarray = np.where(np.arange(reversals + 1)[:, None] % 2 == 0, np.maximum(line, 0), np.minimum(line, 0))
    legs *= 2 * length / reversals
    legs[[0, -1]] /= 2  # from the line to a wall, where the others go from wall to wall
    return legs


@dataclass(frozen=True, eq=False)
class NarrowCone:
    """All +-a_r lie within theta of the axis (J,).

    price = 1 / sin(theta): how long a path across the axis must be, in units of the distance.
    """

    axis: np.ndarray
    sin_theta: float

    @property
    def price(self) -> float:
        return math.inf if self.sin_theta == 0 else 1 / self.sin_theta

    @quiet
    def shortest(self, d: ArrayLike) -> float:
        """A lower bound for the length of any path to d (J,) made of steps along the +-a_r."""
        d = np.asarray(as_float(d, "d", np.float64))
        if d.shape != self.axis.shape or not np.isfinite(d).all():
            raise ValueError(f"d of shape {d.shape} must be finite, {self.axis.shape}")
        perpendicular = np.linalg.norm(d - (d @ self.axis) * self.axis)
        return float(perpendicular * self.price) if perpendicular > 0 else 0.0


@quiet
def narrow_cone(a: ArrayLike, axis: ArrayLike | None = None) -> NarrowCone:
    """How narrow a double cone holds all inputs a (N, ..., J), and what that costs across its axis: theorem B3.

    Every position of every sample is an input a_r. axis (J,), else the main direction of the a_r / |a_r|. For iid units
    of mean/spread r and large J, price is about sqrt(1 + r^2). Inputs that are zero move nothing and are left out;
    ValueError where all are.
    """
    rows = finite_rows_of(a)
    if not rows.any():
        raise ValueError("a is zero on every sample: it has no direction")
    rows = rows[rows.any(axis=1)]
    rows = rows / np.abs(rows).max(axis=1, keepdims=True)  # so that no square leaves the floats
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    if axis is None:
        main = np.linalg.svd(unit, full_matrices=False)[2][0]
        axis = main * (1 if main.sum() >= 0 else -1)
    direction = _parts(axis, "axis")[0]
    if len(direction) != rows.shape[1]:
        raise ValueError(f"axis has {len(direction)} entries, expected {rows.shape[1]} as a has")
    perpendicular = unit - (unit @ direction)[:, None] * direction
    return NarrowCone(direction, float(min(1.0, np.linalg.norm(perpendicular, axis=1).max())))
