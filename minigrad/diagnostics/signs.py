"""Signs: what the rule "gradient = error signal times activation" does to the signs of a layer's update.

Most functions take the pair a layer's gradient is made of, g = bp.gradients["0"] with g.delta (N, K) and g.a
(N, J); none forms the N x K x J outer products. Signs are pure numbers, shares lie in 0..1, entropies
are in bits. "Single-signed" means: no two entries of opposite sign. Zeros agree with everybody, which keeps
the statements true for saturated units and for ReLU; so a row of nothing but zeros is single-signed, although
nothing moves there. Shares are therefore of the rows (or samples, or draws) that are not zero throughout, and NaN
where there is none. Theorems A1 ... A3 are stated and proved in docs/theory.md.

Index legend: n sample (N), k output neuron (K), j input (J).
"""

from dataclasses import dataclass

import numpy as np

from .._checks import as_float, instance, quiet
from ..backprop import Backprop
from ..gradient import WeightGradient
from .pairs import agree, checked_flag, checked_pair, sample_signs, share, signs_of

# ---- the signs of one gradient ----------------------------------------------------------------------------


@quiet
def sign_pattern(g):
    """The signs of a gradient, int8 (K, J), each -1, 0 or 1.

    g: WeightGradient, or an array of updates (K, J). For a single sample the signs are sgn(delta_k) sgn(a_j),
    taken from the factors (theorem A1), so that a product too small for a float still shows its sign; for a
    batch they are those of dC/dW = delta^T a / N. ValueError for NaN, which has no sign.
    """
    if isinstance(g, WeightGradient):
        delta, a = checked_pair(g)
        return signs_of(delta, "g.delta").T * signs_of(a, "g.a") if len(delta) == 1 else signs_of(g.weight, "g")
    g = as_float(g, "g")
    if g.ndim != 2 or g.size == 0:
        raise ValueError(f"g has shape {g.shape}, expected (K, J) with K and J at least 1")
    return signs_of(g, "g")


@quiet
def single_signed_rows(g, per_sample=False):
    """Which neurons have an update without two entries of opposite sign: bool (K,), per_sample (N, K).

    g: WeightGradient, or an array (K, J) when per_sample is False. Row k of one sample is delta_k a^T: where
    a >= 0 it has the sign of delta_k throughout (A1); a batch adds such rows, and may mix them (A4, A5). A row of
    zeros is among them: see `zero_rows`, and `single_signed_share` for the share of the others.
    ValueError for NaN, TypeError for per_sample of a plain array.
    """
    if checked_flag(per_sample, "per_sample"):
        delta, a = sample_signs(g)
        return (delta == 0) | agree(a)[:, None]
    return agree(sign_pattern(g))


@quiet
def zero_rows(g, per_sample=False):
    """Which neurons have an update of nothing but zeros: bool (K,), per_sample (N, K).

    g: as in `single_signed_rows`. Row k of one sample is zero where delta_k or all of a is: behind a ReLU that is
    silent, say. ValueError for NaN, TypeError for per_sample of a plain array.
    """
    if checked_flag(per_sample, "per_sample"):
        delta, a = sample_signs(g)
        return (delta == 0) | ~a.any(axis=1)[:, None]
    return ~sign_pattern(g).any(axis=1)


@quiet
def single_signed_share(g, per_sample=False):
    """Of the rows that are not zero throughout, the share that is single-signed: a float, 0..1; NaN if all are zero.

    g: as in `single_signed_rows`. Over the K rows of the gradient, per_sample over the N K rows of the samples'.
    """
    moved = ~zero_rows(g, per_sample)
    return share(single_signed_rows(g, per_sample)[moved].sum(), moved.sum())


@quiet
def delta_agreement(bp):
    """How often all delta_k of a layer share one sign: {layer path: share of the samples}, in forward order.

    bp: what mg.backprop returned; delta = dc/dz of each layer with a weight. A sample counts when no two of
    its K entries are of opposite sign; those whose delta is zero throughout are left out (NaN if all are). K fair
    coins would give 2^(1-K); A2 says why delta is not that free.
    """
    instance(bp, Backprop, "bp")
    found = {}
    for path, g in bp.gradients.items():
        delta = signs_of(checked_pair(g, path)[0], f"delta {path}")
        delta = delta[delta.any(axis=1)]
        found[path] = share(agree(delta).sum(), len(delta))
    return found


PAIRS = 2**22  # pairs of samples that are looked at in one go


@quiet
def orthant_pairs(g):
    """How often two samples push a neuron's weights into one pair of opposite orthants: 0..1, the mean over the
    rows.

    g: WeightGradient. Two row gradients delta_mk a_m and delta_nk a_n lie in one pair of opposite (closed) orthants
    when the signs of a_m and a_n, zeros left out, agree in all entries or differ in all; whatever the two deltas,
    if neither is 0. Counted for each row k: the pairs of different samples whose row gradients are both not zero.
    nan where no row has such a pair. ValueError for NaN.

    This is what the sign rule says of an update, and more than that each of them is single-signed: with a > 0 it is
    1, and it stays 1 when signs are turned (`gauge_flip`); a rotation of the inputs ends it (`rotate`, theorem C10).
    Cost: N^2 (J + K), in blocks.
    """
    instance(g, WeightGradient, "g")
    signs = signs_of(g.a, "g.a").astype(np.float32)  # sums of up to 2^24 signs are exact
    alive = ((signs_of(g.delta, "g.delta") != 0) & signs.any(axis=1)[:, None]).astype(np.float64)
    N, counts = len(signs), alive.sum(axis=0)
    shared = -counts  # a sample with itself is no pair
    rows = max(1, PAIRS // max(N, 1))
    for start in range(0, N, rows):
        block = signs[start : start + rows]
        agree = np.abs(block @ signs.T) == np.abs(block) @ np.abs(signs).T
        shared += np.einsum("nk,nk->k", alive[start : start + rows], agree @ alive)
    pairs = counts * (counts - 1)
    return float((shared[pairs > 0] / pairs[pairs > 0]).mean()) if (pairs > 0).any() else float("nan")


@quiet
def sign_entropy_bits(g):
    """Shannon entropy, in bits, of the sign patterns that were seen.

    g: WeightGradient: the patterns are those of the N outer products delta_n a_n^T, found from their factors.
    Or an array (T, ...) of T updates or signal vectors. T patterns cannot show more than log2 T bits, so read
    the result beside that number and beside reachable_patterns(...).bits.
    """
    if isinstance(g, WeightGradient):
        delta, a = sample_signs(g)
        first = np.take_along_axis(a, (a != 0).argmax(axis=1)[:, None], axis=1)  # 0 only where a is all zero
        both = np.concatenate([delta * first, a * first], axis=1)  # (delta, a), (-delta, -a) are one pattern
        both[~delta.any(axis=1)] = 0
        seen = both
    else:
        g = as_float(g, "g")
        if g.ndim < 2 or g.size == 0:
            raise ValueError(f"g has shape {g.shape}, expected (T, ...) with T and all others at least 1")
        seen = signs_of(g, "g").reshape(len(g), -1)
    counts = np.unique(seen, axis=0, return_counts=True)[1]
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum()) + 0.0


# ---- the mean and the rest: A3 ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MeanFluctuation:
    """G = mean_part + fluctuation, both (K, J), in the units of the gradient."""

    mean_part: np.ndarray
    fluctuation: np.ndarray

    @property
    @quiet
    def share(self):
        """|mean part| / (|mean part| + |fluctuation|) of each row, (K,); NaN for a row that is all zero."""
        mean, rest = (np.linalg.norm(part, axis=1) for part in (self.mean_part, self.fluctuation))
        return mean / (mean + rest)


@quiet
def mean_fluctuation_split(g):
    """A3: G_k = dC/db_k mean(a) + (1/N) sum_n delta_nk (a_n - mean(a)).

    g: WeightGradient. The first part is the bias gradient times the mean input: single-signed whenever
    mean(a) is. The second does not change when a constant is added to delta or to a. Their sum is g.weight,
    to rounding.
    """
    delta, a = checked_pair(g)
    mean = a.mean(axis=0)
    return MeanFluctuation(np.outer(g.bias, mean), WeightGradient(delta, a - mean).weight)
