"""Reachability: which sign patterns one sample can give, and which updates a batch can make.

Theorems A1, A2, A4 and B4 are stated and proved in docs/theory.md.

The inputs a (N, ..., J) that a batch can combine are its rows: every position of every sample is one.

Index legend: n sample (N), r row (R: every position of every sample), k output neuron (K), j input (J).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._checks import as_float, quiet, real_number, whole_number
from .pairs import finite_rows_of

# ---- counting patterns: A1, A2, A4 ------------------------------------------------------------------------


@dataclass(frozen=True)
class SignPatterns:
    """The sign patterns without zeros that one sample can give a K x J layer. bits: log2 of their number."""

    K: int
    J: int
    positive: bool

    @property
    def count(self) -> int:
        """2^K where a > 0, else 2^(K+J-1): the signs of delta and of a, less one for flipping both (A1)."""
        return 1 << (self.K if self.positive else self.K + self.J - 1)

    @property
    def all(self) -> int:
        """2^(KJ), what K J free signs would give."""
        return 1 << self.K * self.J

    @property
    def bits(self) -> float:
        """log2 of count."""
        return float(self.K if self.positive else self.K + self.J - 1)

    @property
    def all_bits(self) -> float:
        """log2 of all."""
        return float(self.K * self.J)

    def patterns(self) -> np.ndarray:
        """All of them, int8 (count, K, J). ValueError where that would be more than 2^26 entries."""
        if self.count * self.K * self.J > 2**26:
            raise ValueError(f"{self.count} patterns of shape {(self.K, self.J)} are too many to list")
        delta = _all_signs(self.K)
        a = np.ones((1, self.J), np.int8) if self.positive else _all_signs(self.J)
        a = a[a[:, 0] > 0]  # of a pair (delta, a), (-delta, -a) keep one
        outer: np.ndarray = delta[:, None, :, None] * a[None, :, None, :]
        return outer.reshape(-1, self.K, self.J)

    def __contains__(self, pattern: ArrayLike) -> bool:
        """Whether this (K, J) pattern of -1 and 1 is one of them; decided without listing."""
        pattern = np.asarray(as_float(pattern, "pattern"))
        if pattern.shape != (self.K, self.J):
            raise ValueError(f"pattern has shape {pattern.shape}, expected {(self.K, self.J)}")
        if not np.isin(pattern, (-1, 1)).all():
            return False
        a = pattern[0] * pattern[0, 0]  # rank one: every row is the first or its opposite
        return bool((pattern == pattern[:, :1] * a).all() and (not self.positive or (a == 1).all()))


@quiet
def reachable_patterns(K: int, J: int, positive: bool = True) -> SignPatterns:
    """The sign patterns one sample with one position can give the (K, J) gradient: theorem A1.

    positive: all a_j > 0 (sigmoid), or a of free sign (tanh). The question's four weights are

        reachable_patterns(2, 2).patterns()     # 4 of 16; [[1, -1], [1, -1]] is not among them
    """
    return SignPatterns(whole_number(K, "K", 1), whole_number(J, "J", 1), bool(positive))


@quiet
def pattern_count(J: int, r: int) -> int:
    """How many sign patterns without zeros a generic r-dimensional subspace of R^J meets: 2 sum_{i<r} C(J-1, i).

    An exact int (Schlaefli; Cover 1965). A row of a batch gradient lies in the span of its r independent inputs, be
    they samples (A4) or the positions of one sample (P2); delta of a hidden layer with n units and K outputs lies in
    the range of the transposed Jacobian, so r = K (A2), or r = K - 1 where the entries of delta_out sum to zero.
    math.log2 of it is the number of bits.
    """
    J, r = whole_number(J, "J", 1), whole_number(r, "r", 0)
    return 2 * sum(math.comb(J - 1, i) for i in range(min(r, J)))


def _all_signs(n: int) -> np.ndarray:
    """All 2^n vectors of -1 and 1, int8 (2^n, n), all ones first."""
    return (1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)).astype(np.int8)


# ---- what a batch can do: B4 ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reachability:
    """The answer of is_reachable, row by row, with what proves it. True as a whole if every row is reachable.

    rows (K,) bool. Where True, delta[..., k] (N, ...) gives row k that pattern, and margin[k] > 0 is the smallest
    |delta . a_j| / |a_j| with all |delta_r| <= 1. Where False, certificate[k] (J,) >= 0 adds up to 1 and
    a @ (pattern[k] * certificate[k] / |a_j|) = 0: no delta can have all those signs (Gordan).
    """

    rows: np.ndarray
    delta: np.ndarray
    certificate: np.ndarray
    margin: np.ndarray

    def __bool__(self) -> bool:
        return bool(self.rows.all())


@quiet
def is_reachable(pattern: ArrayLike, a: ArrayLike, tolerance: float = 1e-9) -> Reachability:
    """Whether a batch with inputs a can give the update this sign pattern, for some delta.

    pattern (J,) or (K, J) of -1, 0, 1, where 0 asks nothing of an entry; a (N, ..., J), each row an input that a delta
    of its own multiplies. A linear program for each row of the pattern: maximises t with s_j (delta . a_j) >= t |a_j|
    and |delta_r| <= 1, a_j the j-th column; the dual variables are the certificate. A margin below the tolerance counts
    as none. Needs scipy, from the extra `theory`.
    """
    optimize = _scipy_optimize()
    signs, inputs = np.atleast_2d(as_float(pattern, "pattern")), finite_rows_of(a)
    tolerance = real_number(tolerance, "tolerance")
    R, J = inputs.shape
    if signs.ndim != 2 or signs.shape[1] != J or not np.isin(signs, (-1, 0, 1)).all():
        raise ValueError(f"pattern of shape {signs.shape} must be (K, {J}) with entries -1, 0, 1")
    length = np.linalg.norm(inputs, axis=0)
    unit = inputs / np.where(length > 0, length, 1)
    rows, margin = np.zeros(len(signs), bool), np.zeros(len(signs))
    delta, certificate = np.zeros((R, len(signs))), np.zeros(signs.shape)
    for k, s in enumerate(signs):
        asked = np.flatnonzero(s)
        if len(asked) == 0:
            rows[k] = True
            continue
        columns = (unit * s)[:, asked]
        found = optimize.linprog(
            np.r_[np.zeros(R), -1.0],
            A_ub=np.hstack([-columns.T, np.ones((len(asked), 1))]),
            b_ub=np.zeros(len(asked)),
            bounds=[(-1, 1)] * R + [(None, None)],
            method="highs",
        )
        if found.status != 0:
            raise ArithmeticError(f"the linear program of row {k} failed: {found.message}")
        margin[k] = (found.x[:R] @ columns).min()
        rows[k] = margin[k] > tolerance
        if rows[k]:
            delta[:, k] = found.x[:R]
        else:
            dual = np.maximum(-found.ineqlin.marginals, 0)  # weights with columns @ dual = 0: Gordan's alternative
            certificate[k, asked] = dual / dual.sum()
    return Reachability(rows, delta.reshape(*np.shape(a)[:-1], len(signs)), certificate, margin)


@dataclass(frozen=True, eq=False)
class Nearest:
    """The update closest to the wanted one, shaped like it; the coefficients (N, ..., K) that make it; the cosine.

    update[k] = sum_r coefficients[r, k] a_r. For gradient descent the coefficients are -lr delta / N. cosine:
    of the angle between the wanted update and this one, over all rows; 0 where only the zero update is left.
    """

    update: np.ndarray
    coefficients: np.ndarray
    cosine: float


@quiet
def nearest_reachable(update: ArrayLike, a: ArrayLike, signs: ArrayLike | None = None) -> Nearest:
    """The update nearest to the one wanted, among those that one batch with inputs a can make: theorem B4.

    update (J,) or (K, J), not zero; a (N, ..., J), each row an input that a delta of its own multiplies. With delta
    free it is the projection on the span of these rows. signs (N, ..., K), or (N, ...) for all K rows of the update:
    the sign that each coefficient must have (0: it must be zero); a descent step has -sgn(delta). Then it is a
    non-negative least-squares problem for each row, and needs scipy, from the extra `theory`.
    """
    wanted, inputs, leading = np.asarray(as_float(update, "update", np.float64)), finite_rows_of(a), np.shape(a)[:-1]
    rows, (R, J) = np.atleast_2d(wanted), inputs.shape
    if wanted.ndim not in (1, 2) or rows.shape[1] != J:
        raise ValueError(f"update has shape {wanted.shape}, expected ({J},) or (K, {J})")
    size = np.linalg.norm(wanted)
    if size == 0 or not np.isfinite(size):
        raise ValueError("update must be finite and not zero: there is no angle to it otherwise")
    if signs is None:
        coefficients = np.linalg.lstsq(inputs.T, rows.T, rcond=None)[0]
    else:
        asked = np.asarray(as_float(signs, "signs", np.float64))
        if asked.shape not in (leading, (*leading, len(rows))):
            raise ValueError(f"signs has shape {asked.shape}, expected {leading} or {(*leading, len(rows))}")
        if not np.isin(asked, (-1, 0, 1)).all():
            raise ValueError("signs must hold -1, 0 and 1 only")
        asked = np.broadcast_to(asked.reshape(R, -1), (R, len(rows)))
        nnls = _scipy_optimize().nnls
        q, r = np.linalg.qr(inputs.T)  # the least-squares problems shrink from J equations to min(R, J)
        coefficients = np.stack([s * nnls(r * s, q.T @ row)[0] for s, row in zip(asked.T, rows, strict=True)], axis=1)
    found = coefficients.T @ inputs
    cosine = np.linalg.norm(found) / size  # a projection, on a space or a cone: u . p = |p|^2
    shaped = coefficients.reshape(*leading, len(rows))
    return Nearest(found.reshape(wanted.shape), shaped, min(float(cosine), 1.0))


def _scipy_optimize() -> Any:
    try:
        from scipy import optimize
    except ImportError:
        raise ImportError("this needs scipy: pip install scipy") from None
    return optimize
