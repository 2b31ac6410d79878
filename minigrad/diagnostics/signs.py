"""Signs: what the rule "gradient = error signal times activation" does to the signs of a layer's update.

Most functions take the pair that a layer's gradient is made of, g = bp.gradients["0"] with g.delta (N, ..., K) and
g.a (N, ..., J); without positions none forms the N x K x J outer products. Each says what it counts: rows of the
batch's gradient, of each sample's (summed over the sample's positions), or of each position's delta_k a.

Signs are pure numbers, shares lie in 0..1, entropies are in bits. "Single-signed" means: no two entries of opposite
sign. Zeros agree with everybody, which keeps the statements true for saturated units and for ReLU; so a row of nothing
but zeros is single-signed, although nothing moves there. Shares are therefore of the rows (or samples, or draws) that
are not zero throughout, and NaN where there is none. Theorems A1 ... A3 are stated and proved in docs/theory.md, and
what positions change in its section E.

Index legend: n sample (N), p position (P, all of them as one axis), k output neuron (K), j input (J).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._checks import as_float, instance, quiet
from .._norms import blocks
from ..backprop import Backprop
from ..gradient import WeightGradient
from .pairs import (
    by_sample,
    checked_flag,
    checked_pair,
    contents,
    gradient_signs,
    mixed,
    moved,
    rows_of,
    signals,
    signs_of,
    single_signed,
)

# ---- the signs of one gradient ----------------------------------------------------------------------------


@quiet
def sign_pattern(g: WeightGradient | ArrayLike) -> np.ndarray:
    """The signs of a gradient, int8 (K, J), each -1, 0 or 1.

    g: WeightGradient, or an array of updates (K, J). For a single sample with one position the signs are
    sgn(delta_k) sgn(a_j), taken from the factors (theorem A1), so that a product too small for a float still shows its
    sign. For several samples or positions they are those of g.weight, the float array that an optimizer gets.
    ValueError for NaN, which has no sign.
    """
    if isinstance(g, WeightGradient):
        delta, a = checked_pair(g)
        if delta.size > delta.shape[-1]:
            return signs_of(g.weight, "g")
        outer: np.ndarray = signs_of(delta.reshape(-1, 1), "g.delta") * signs_of(a.reshape(1, -1), "g.a")
        return outer
    update: np.ndarray = as_float(g, "g")
    if update.ndim != 2 or update.size == 0:
        raise ValueError(f"g has shape {update.shape}, expected (K, J) with K and J at least 1")
    return signs_of(update, "g")


@quiet
def single_signed_rows(
    g: WeightGradient | ArrayLike, per_sample: bool = False, per_position: bool = False
) -> np.ndarray:
    """Which neurons have an update without two entries of opposite sign: bool (K,), (N, K) or (N, ..., K).

    g: WeightGradient, or an array (K, J). Of it are counted
        the K rows of dC/dW                                         by default
        the rows of each sample's gradient, sum_p delta_pk a_p      per_sample=True, (N, K)
        the rows delta_pk a_p of each position                      per_position=True, (N, ..., K)
    Row k of one position is delta_pk a_p: where a >= 0 it has the sign of delta_pk throughout (theorem A1). Samples and
    positions add such rows, and may mix them (A4, A5; P1 in section E of docs/theory.md). A row of zeros is among them:
    see `zero_rows`, and `single_signed_share` for the share of the others.

    Rounding: without positions, and per position, the answer is that of the factors' signs, and exact. Per sample with
    several positions an entry's sign is exact too where no two of its P products are opposed; where they are, rounding
    may turn or lose the sign of a sum below about P 1e-16 times the sum of the products' sizes. By default the signs
    are those of the rounded array g.weight.

    Cost per sample: N (K + J) without positions, 3 N P K J with them. ValueError for NaN and where both flags are True,
    TypeError for a flag with a plain array.
    """
    return ~_of_rows(mixed, g, per_sample, per_position)


@quiet
def zero_rows(g: WeightGradient | ArrayLike, per_sample: bool = False, per_position: bool = False) -> np.ndarray:
    """Which neurons have an update of nothing but zeros: bool (K,), per_sample (N, K), per_position (N, ..., K).

    g, rounding and errors: as in `single_signed_rows`. Row k of one position is zero where delta_k or all of a is:
    behind a ReLU that is silent, say.
    """
    return ~_of_rows(moved, g, per_sample, per_position)


@quiet
def single_signed_share(g: WeightGradient | ArrayLike, per_sample: bool = False, per_position: bool = False) -> float:
    """Of the rows that are not zero throughout, the share that is single-signed: a float, 0..1; NaN if all are zero.

    g, rounding and errors: as in `single_signed_rows`. Over the K rows of the gradient; per_sample over the N K rows of
    the samples' gradients; per_position over the N P K rows delta_pk a_p.
    """
    return single_signed(_of_rows(contents, g, per_sample, per_position))


def _of_rows(measure: Callable[[np.ndarray], Any], g: Any, per_sample: bool, per_position: bool) -> np.ndarray:
    """mixed, moved or contents of the signs of each row: (K,), (N, K) or (N, ..., K).

    contents up to exchanging plus and minus.
    """
    per_sample, per_position = checked_flag(per_sample, "per_sample"), checked_flag(per_position, "per_position")
    if per_sample and per_position:
        raise ValueError("per_sample and per_position are both True, and each says which rows to count: choose one")
    if not (per_sample or per_position):
        return np.asarray(measure(sign_pattern(g)))
    if not isinstance(g, WeightGradient):
        flag = "per_sample" if per_sample else "per_position"
        raise TypeError(f"{flag} needs a WeightGradient, got a {type(g).__name__}")
    delta, a = checked_pair(g)
    if per_sample:
        delta, a = by_sample(delta), by_sample(a)
        if delta.shape[1] > 1:
            return np.concatenate([measure(signs) for signs in gradient_signs(delta, a)])
        delta, a = delta[:, 0], a[:, 0]
    alive = signs_of(delta, "g.delta") != 0
    rows: np.ndarray = alive * measure(signs_of(a, "g.a"))[..., None]
    return rows


@quiet
def delta_agreement(bp: Backprop) -> dict[str, float]:
    """How often all delta_k of a layer share one sign: {layer path: share of the positions}, in forward order.

    bp: what mg.backprop returned; delta = dc/dz of each layer with a weight. Counted are the positions of all samples,
    each with its K entries: the samples themselves where there are no positions. One counts when no two of its entries
    are of opposite sign; those whose delta is zero throughout are left out (NaN if all are). K fair coins would give
    2^(1-K); A2 says why delta is not that free.
    """
    instance(bp, Backprop, "bp")
    found = {}
    for path, g in signals(bp).items():
        found[path] = single_signed(contents(signs_of(checked_pair(g, path)[0], f"delta {path}")))
    return found


PAIRS = 2**22  # pairs of samples that are compared in one go


@quiet
def orthant_pairs(g: WeightGradient) -> float:
    """How often two samples push a neuron's weights into one pair of opposite orthants: 0..1, the mean over the rows.

    g: WeightGradient. The vectors that are compared are what one sample adds to the update of row k: delta_nk a_n, with
    positions sum_p delta_npk a_np. Two lie in one pair of opposite (closed) orthants when their signs, zeros left out,
    agree in all entries or differ in all. Counted for each row k: the pairs of different samples for which both are not
    zero. NaN where no row has such a pair. ValueError for NaN. To compare positions instead of samples, hand over
    mg.WeightGradient(*g.rows()).

    This is what the sign rule says of an update, and more than that each of them is single-signed: with a > 0 and no
    positions it is 1, and it stays 1 when signs are turned (`gauge_flip`); a rotation of the inputs ends it (`rotate`,
    theorem C10). Positions end it as well where delta changes its sign over them (P1).
    Cost: N^2 (J + K) in blocks; with positions N^2 K J, and signs as in `single_signed_rows`, per sample.
    """
    instance(g, WeightGradient, "g")
    if len(g.delta) == 0:
        return float("nan")
    delta, a = (by_sample(factor) for factor in checked_pair(g))
    N, P, K = delta.shape
    if P == 1:
        signs = signs_of(a[:, 0], "g.a")
        shared, counts = _sharing(signs, (signs_of(delta[:, 0], "g.delta") != 0) & moved(signs)[:, None])
    else:
        shared, counts = np.empty(K), np.empty(K)
        for part in blocks(K, N * a.shape[2], PAIRS):
            rows = np.concatenate(list(gradient_signs(delta[:, :, part], a)))  # (N, columns, J)
            for k in range(rows.shape[1]):
                found = _sharing(rows[:, k], moved(rows[:, k])[:, None])
                shared[part.start + k], counts[part.start + k] = found[0][0], found[1][0]
    pairs = counts * (counts - 1)
    return float((shared[pairs > 0] / pairs[pairs > 0]).mean()) if (pairs > 0).any() else float("nan")


def _sharing(signs: np.ndarray, alive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the ordered pairs of samples that share a pair of orthants, the number of samples), for each column: (K,) both.

    alive (N, K) says which samples count; signs (N, J), the same for all columns. A pair is of two different samples.
    """
    signs = np.asarray(signs, np.float32)  # sums of up to 2^24 of them are exact
    counts = alive.sum(axis=0, dtype=np.float64)
    shared = -counts  # a sample with itself is no pair
    for part in blocks(len(signs), len(signs), PAIRS):
        same = np.abs(signs[part] @ signs.T) == np.abs(signs[part]) @ np.abs(signs).T
        shared += (alive[part] * np.matmul(same, alive, dtype=np.float64)).sum(axis=0)
    return shared, counts


@quiet
def sign_entropy_bits(g: WeightGradient | ArrayLike) -> float:
    """Shannon entropy, in bits, of the sign patterns that were seen.

    g: WeightGradient: the patterns are those of the N samples' gradients, delta_n a_n^T summed over positions, (K, J)
    each; without positions they are found from their factors, with positions as in `single_signed_rows`, per sample.
    Or an array (T, ...) of T updates or signal vectors. T patterns cannot show more than log2 T bits, so read
    the result beside that number and beside reachable_patterns(...).bits.
    """
    if isinstance(g, WeightGradient):
        delta, a = (by_sample(factor) for factor in checked_pair(g))
        if delta.shape[1] > 1:
            seen = np.concatenate([signs.reshape(len(signs), -1) for signs in gradient_signs(delta, a)])
        else:
            seen = _outer_patterns(signs_of(delta[:, 0], "g.delta"), signs_of(a[:, 0], "g.a"))
    else:
        updates: np.ndarray = as_float(g, "g")
        if updates.ndim < 2 or updates.size == 0:
            raise ValueError(f"g has shape {updates.shape}, expected (T, ...) with T and all others at least 1")
        seen = signs_of(updates, "g").reshape(len(updates), -1)
    counts = np.unique(seen, axis=0, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def _outer_patterns(delta: np.ndarray, a: np.ndarray) -> np.ndarray:
    """One row of signs for each outer product delta_n a_n^T, (N, K + J); rows are equal exactly where patterns are."""
    first = np.take_along_axis(a, (a != 0).argmax(axis=1)[:, None], axis=1)  # 0 only where a is all zero
    both = np.concatenate([delta * first, a * first], axis=1)  # (delta, a), (-delta, -a) are one pattern
    both[~delta.any(axis=1)] = 0
    return both


# ---- the mean and the rest: A3 ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MeanFluctuation:
    """G = mean_part + fluctuation, both (K, J), in the units of the gradient."""

    mean_part: np.ndarray
    fluctuation: np.ndarray

    @property
    @quiet
    def share(self) -> np.ndarray:
        """|mean part| / (|mean part| + |fluctuation|) of each row, (K,); NaN for a row that is all zero."""
        mean, fluctuation = (np.linalg.norm(part, axis=1) for part in (self.mean_part, self.fluctuation))
        found: np.ndarray = mean / (mean + fluctuation)
        return found


@quiet
def mean_fluctuation_split(g: WeightGradient) -> MeanFluctuation:
    """A3: G_k = dC/db_k mean(a) + (1/N) sum_n sum_p delta_npk (a_np - mean(a)), the mean over samples and positions.

    g: WeightGradient. The first part is the bias gradient times the mean input: single-signed whenever
    mean(a) is. The second does not change when a constant is added to delta or to a. Their sum is g.weight,
    to rounding.
    """
    delta, a = checked_pair(g)
    mean = rows_of(a).mean(axis=0)
    return MeanFluctuation(np.outer(g.bias, mean), WeightGradient(delta, a - mean).weight)
