"""Paths: which updates a batch can make, what a way made of single-signed steps costs, and how a path
zig-zags.

A row of weights moves in R^J. Its batch updates lie in the span of the batch's inputs; with a >= 0 each
single-sample update is in the positive or in the negative orthant. Lengths are in the units of the weights;
ratios, cosines and shares are pure numbers. Theorems B1 ... B4 are stated and proved in docs/theory.md.

Index legend: n sample (N), k output neuron (K), j input (J), t step of a path (T).
"""

import math
from dataclasses import dataclass

import numpy as np

from .._checks import MOST, as_float, quiet, real_number

__all__ = [
    "NarrowCone",
    "Nearest",
    "Reachability",
    "SignDetour",
    "ZigZag",
    "fewest_reversals",
    "is_reachable",
    "narrow_cone",
    "nearest_reachable",
    "sign_detour",
    "tube_legs",
]

# ---- what a batch can do: B4 ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reachability:
    """The answer of is_reachable, row by row, with what proves it. True as a whole if every row is reachable.

    rows (K,) bool. Where True, delta[:, k] (N,) gives row k that pattern, and margin[k] > 0 is the smallest
    |delta . a_j| / |a_j| with all |delta_n| <= 1. Where False, certificate[k] (J,) >= 0 adds up to 1 and
    a @ (pattern[k] * certificate[k] / |a_j|) = 0: no delta can have all those signs (Gordan).
    """

    rows: np.ndarray
    delta: np.ndarray
    certificate: np.ndarray
    margin: np.ndarray

    def __bool__(self):
        return bool(self.rows.all())


@quiet
def is_reachable(pattern, a, tolerance=1e-9):
    """Can a batch with inputs a give the update this sign pattern, for some delta? A linear program for each
    row.

    pattern (J,) or (K, J) of -1, 0, 1, where 0 asks nothing of an entry; a (N, J). Maximises t with
    s_j (delta . a_j) >= t |a_j| and |delta_n| <= 1, a_j the j-th column; the dual variables are the
    certificate. A margin below the tolerance counts as none. Needs scipy, from the extra `theory`.
    """
    optimize = _scipy_optimize()
    pattern, a = np.atleast_2d(as_float(pattern, "pattern")), _inputs(a)
    tolerance = real_number(tolerance, "tolerance")
    if pattern.ndim != 2 or pattern.shape[1] != a.shape[1] or not np.isin(pattern, (-1, 0, 1)).all():
        raise ValueError(f"pattern of shape {pattern.shape} must be (K, {a.shape[1]}) with entries -1, 0, 1")
    N = len(a)
    length = np.linalg.norm(a, axis=0)
    unit = a / np.where(length > 0, length, 1)
    rows, margin = np.zeros(len(pattern), bool), np.zeros(len(pattern))
    delta, certificate = np.zeros((N, len(pattern))), np.zeros(pattern.shape)
    for k, s in enumerate(pattern):
        asked = np.flatnonzero(s)
        if len(asked) == 0:
            rows[k] = True
            continue
        columns = (unit * s)[:, asked]
        found = optimize.linprog(
            np.r_[np.zeros(N), -1.0],
            A_ub=np.hstack([-columns.T, np.ones((len(asked), 1))]),
            b_ub=np.zeros(len(asked)),
            bounds=[(-1, 1)] * N + [(None, None)],
            method="highs",
        )
        if found.status != 0:
            raise ArithmeticError(f"the linear program of row {k} failed: {found.message}")
        margin[k] = (found.x[:N] @ columns).min()
        rows[k] = margin[k] > tolerance
        if rows[k]:
            delta[:, k] = found.x[:N]
        else:
            dual = np.maximum(-found.ineqlin.marginals, 0)  # weights with columns @ dual = 0: Gordan's alternative
            certificate[k, asked] = dual / dual.sum()
    return Reachability(rows, delta, certificate, margin)


@dataclass(frozen=True, eq=False)
class Nearest:
    """The update closest to the wanted one, shaped like it; the coefficients (N, K) that make it; the cosine.

    update[k] = sum_n coefficients[n, k] a_n. For gradient descent the coefficients are -lr delta / N. cosine:
    of the angle between the wanted update and this one, over all rows; 0 where only the zero update is left.
    """

    update: np.ndarray
    coefficients: np.ndarray
    cosine: float


@quiet
def nearest_reachable(update, a, signs=None):
    """The update nearest to the one wanted, among those that one batch with inputs a can make: theorem B4.

    update (J,) or (K, J), not zero; a (N, J). With delta free it is the projection on the row space of a.
    signs (N, K), or (N,) for all rows: the sign that each coefficient must have (0: it must be zero); a
    descent step has -sgn(delta). Then it is a non-negative least-squares problem for each row, and needs
    scipy, from the extra `theory`.
    """
    wanted, a = as_float(update, "update", np.float64), _inputs(a)
    rows = np.atleast_2d(wanted)
    if wanted.ndim not in (1, 2) or rows.shape[1] != a.shape[1]:
        raise ValueError(f"update has shape {wanted.shape}, expected ({a.shape[1]},) or (K, {a.shape[1]})")
    size = np.linalg.norm(wanted)
    if size == 0 or not np.isfinite(size):
        raise ValueError("update must be finite and not zero: there is no angle to it otherwise")
    if signs is None:
        coefficients = np.linalg.lstsq(a.T, rows.T, rcond=None)[0]
    else:
        signs = as_float(signs, "signs", np.float64)
        if signs.shape not in ((len(a),), (len(a), len(rows))):
            raise ValueError(f"signs has shape {signs.shape}, expected ({len(a)},) or ({len(a)}, {len(rows)})")
        if not np.isin(signs, (-1, 0, 1)).all():
            raise ValueError("signs must hold -1, 0 and 1 only")
        signs = np.broadcast_to(signs[:, None] if signs.ndim == 1 else signs, (len(a), len(rows)))
        nnls = _scipy_optimize().nnls
        q, r = np.linalg.qr(a.T)  # the least-squares problems shrink from J equations to min(N, J)
        coefficients = np.stack(
            [s * nnls(r * s, q.T @ row)[0] for s, row in zip(signs.T, rows, strict=True)], axis=1
        )
    found = coefficients.T @ a
    cosine = np.linalg.norm(found) / size  # a projection, on a space or a cone: u . p = |p|^2
    return Nearest(found.reshape(wanted.shape), coefficients, min(float(cosine), 1.0))


# ---- what the sign rule can cost: B1, B2, B3 --------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SignDetour:
    """A way to d by one positive and one negative leg; all but legs have the shape of d without its last
    axis.

    legs (2, ..., J): d+ and -d-. length |d+| + |d-|. ratio = length / |d|, from 1 to sqrt 2. cosine: between
    d and the nearest single-signed direction, from 1/sqrt 2 to 1. ratio and cosine are NaN for d = 0.
    """

    legs: np.ndarray
    length: np.ndarray
    ratio: np.ndarray
    cosine: np.ndarray


@quiet
def sign_detour(d):
    """A shortest way (Euclidean) to d (..., J) of steps that are all >= 0 or all <= 0, row by row: theorem B1."""
    d = as_float(d, "d", np.float64)
    if d.ndim == 0 or d.shape[-1] == 0 or not np.isfinite(d).all():
        raise ValueError(f"d of shape {d.shape} must be finite, (..., J) with J at least 1")
    legs = np.stack([np.maximum(d, 0), np.minimum(d, 0)])
    scale = np.abs(d).max(axis=-1, keepdims=True)  # so that neither huge nor tiny entries leave the floats
    plus, minus = np.linalg.norm(legs / scale, axis=-1)
    whole = np.hypot(plus, minus)
    length = np.nan_to_num((plus + minus) * scale[..., 0], posinf=np.inf)
    return SignDetour(legs, length, (plus + minus) / whole, np.maximum(plus, minus) / whole)


def _parts(u, name="u"):
    """u as a unit vector, |u+| and |u-|."""
    u = as_float(u, name, np.float64)
    if u.ndim != 1 or not np.isfinite(u).all() or not u.any():
        raise ValueError(f"{name} must be a finite vector (J,) other than 0, got shape {u.shape}")
    u = u / np.abs(u).max()
    u = u / np.linalg.norm(u)
    return u, np.linalg.norm(np.maximum(u, 0)), np.linalg.norm(np.minimum(u, 0))


@quiet
def fewest_reversals(u, length, eps):
    """How often a path must reverse to follow a line for this length, turning only within eps of it: theorem
    B2.

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
def tube_legs(u, length, eps):
    """The legs (reversals + 1, J) of a path along u with no more reversals than fewest_reversals asks for.

    Multiples of u+ and of -u-; the reversals lie on the walls of the tube, by turns. The points of the path
    are the cumulated sums.
    """
    u, _, _ = _parts(u)
    reversals, length = fewest_reversals(u, length, eps), float(length)
    if reversals == 0:
        return u[None, :] * length
    if reversals > MOST:
        raise ValueError(f"length {length:g} with eps {eps:g} needs {reversals:.3g} legs, expected at most {MOST}")
    legs = np.where(np.arange(reversals + 1)[:, None] % 2 == 0, np.maximum(u, 0), np.minimum(u, 0))
    legs *= 2 * length / reversals
    legs[[0, -1]] /= 2  # from the line to a wall, where the others go from wall to wall
    return legs


@dataclass(frozen=True, eq=False)
class NarrowCone:
    """All +-a_n lie within theta of the axis (J,). price = 1 / sin(theta): length per way across it."""

    axis: np.ndarray
    sin_theta: float

    @property
    def price(self):
        return math.inf if self.sin_theta == 0 else 1 / self.sin_theta

    @quiet
    def shortest(self, d):
        """A lower bound for the length of any path to d (J,) made of steps along the +-a_n."""
        d = as_float(d, "d", np.float64)
        if d.shape != self.axis.shape or not np.isfinite(d).all():
            raise ValueError(f"d of shape {d.shape} must be finite, {self.axis.shape}")
        across = np.linalg.norm(d - (d @ self.axis) * self.axis)
        return float(across * self.price) if across > 0 else 0.0


@quiet
def narrow_cone(a, axis=None):
    """How narrow a double cone holds all inputs a (N, J), and what that costs across its axis: theorem B3.

    axis (J,), else the main direction of the a_n / |a_n|. For iid units of mean/spread r and large J, price
    is about sqrt(1 + r^2). Samples that are zero move nothing and are left out; ValueError where all are.
    """
    a = _inputs(a)
    if not a.any():
        raise ValueError("a is zero on every sample: it has no direction")
    a = a[a.any(axis=1)]
    a = a / np.abs(a).max(axis=1, keepdims=True)  # so that no square leaves the floats
    unit = a / np.linalg.norm(a, axis=1, keepdims=True)
    if axis is None:
        axis = np.linalg.svd(unit, full_matrices=False)[2][0]
        axis = axis * (1 if axis.sum() >= 0 else -1)
    axis = _parts(axis, "axis")[0]
    if len(axis) != a.shape[1]:
        raise ValueError(f"axis has {len(axis)} entries, expected {a.shape[1]} as a has")
    across = unit - (unit @ axis)[:, None] * axis
    return NarrowCone(axis, float(min(1.0, np.linalg.norm(across, axis=1).max())))


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
    def of_updates(cls, updates, target=None, floor=0.0):
        """updates (T, J) of one neuron or (T, K, J); target: a direction, shaped like an update, else where
        the path led. Updates of a neuron up to floor times its longest one do not count as reversals."""
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
        along = np.einsum("tkj,kj->t", u, d) / np.linalg.norm(d)
        off_target = float(1 - (along**2).sum() / (steps**2).sum())
        ratio = float(np.float64(length) / displacement)
        reversals, last = np.zeros(u.shape[1], int), np.zeros(net.shape)
        counts = sizes > floor * sizes.max(axis=0)
        for step, moved in zip(u, counts, strict=True):
            up, down = (step >= 0) & (last <= 0), (step <= 0) & (last >= 0)
            against = (step * last).sum(axis=1) < 0
            reversals += moved & last.any(axis=1) & (against | up.all(axis=1) | down.all(axis=1))
            last[moved] = step[moved]
        return cls(length, displacement, ratio, cosines, off_target, reversals)

    @classmethod
    @quiet
    def of_weights(cls, weights, target=None, floor=0.0):
        """weights (T+1, J) or (T+1, K, J): the points of the path; target: the point to be reached."""
        w = as_float(weights, "weights", np.float64)
        if w.ndim not in (2, 3) or len(w) < 2 or w.size == 0 or not np.isfinite(w).all():
            raise ValueError(f"weights of shape {w.shape} must be finite, (T+1, J) or (T+1, K, J), T at least 1, J too")
        if target is not None:
            target = as_float(target, "target", np.float64)
            if target.shape != w[0].shape:
                raise ValueError(f"target has shape {target.shape}, expected {w[0].shape} as a point")
            target = target - w[0]
        return cls.of_updates(np.diff(w, axis=0), target, floor)


# ---- shared -----------------------------------------------------------------------------------------------


def _inputs(a):
    a = as_float(a, "a", np.float64)
    if a.ndim != 2 or a.size == 0 or not np.isfinite(a).all():
        raise ValueError(f"a of shape {a.shape} must be finite, (N, J) with N and J at least 1")
    return a


def _scipy_optimize():
    try:
        from scipy import optimize
    except ImportError:
        raise ImportError("this needs scipy: pip install scipy") from None
    return optimize
