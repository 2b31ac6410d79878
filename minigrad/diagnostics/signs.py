"""Signs: what the rule "gradient = error signal times activation" does to the signs of a layer's update.

Most functions take the pair a layer's gradient is made of, g = bp.gradients["0"] with g.delta (N, K) and g.a
(N, J); none forms the N x K x J outer products. Signs are pure numbers, probabilities lie in 0..1, entropies
are in bits. "Single-signed" means: no two entries of opposite sign. Zeros agree with everybody, which keeps
the statements true for saturated units and for ReLU; so a row of nothing but zeros is single-signed, although
nothing moves there. Shares are therefore of the rows (or samples, or draws) that are not zero throughout, and NaN
where there is none. Theorems A1 ... A5 are stated and proved in docs/theory.md.

Index legend: n sample (N), k output neuron (K), j input (J).
"""

import math
from dataclasses import dataclass

import numpy as np

from .._checks import as_float, generator, instance, quiet, real_number, shown, whole_number
from ..backprop import Backprop
from ..layers import WeightGradient

__all__ = [
    "MeanFluctuation",
    "SignPatterns",
    "batch_survival",
    "delta_agreement",
    "mean_fluctuation_split",
    "orthant_pairs",
    "pattern_count",
    "reachable_patterns",
    "sign_entropy_bits",
    "sign_pattern",
    "single_signed_rows",
    "single_signed_share",
    "survival_limit",
    "survival_probability",
    "zero_rows",
]

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
        return _signs(delta, "g.delta").T * _signs(a, "g.a") if len(delta) == 1 else _signs(g.weight, "g")
    g = as_float(g, "g")
    if g.ndim != 2 or g.size == 0:
        raise ValueError(f"g has shape {g.shape}, expected (K, J) with K and J at least 1")
    return _signs(g, "g")


@quiet
def single_signed_rows(g, per_sample=False):
    """Which neurons have an update without two entries of opposite sign: bool (K,), per_sample (N, K).

    g: WeightGradient, or an array (K, J) when per_sample is False. Row k of one sample is delta_k a^T: where
    a >= 0 it has the sign of delta_k throughout (A1); a batch adds such rows, and may mix them (A4, A5). A row of
    zeros is among them: see `zero_rows`, and `single_signed_share` for the share of the others.
    ValueError for NaN, TypeError for per_sample of a plain array.
    """
    if checked_flag(per_sample, "per_sample"):
        delta, a = _sample_signs(g)
        return (delta == 0) | _agree(a)[:, None]
    return _agree(sign_pattern(g))


@quiet
def zero_rows(g, per_sample=False):
    """Which neurons have an update of nothing but zeros: bool (K,), per_sample (N, K).

    g: as in `single_signed_rows`. Row k of one sample is zero where delta_k or all of a is: behind a ReLU that is
    silent, say. ValueError for NaN, TypeError for per_sample of a plain array.
    """
    if checked_flag(per_sample, "per_sample"):
        delta, a = _sample_signs(g)
        return (delta == 0) | ~a.any(axis=1)[:, None]
    return ~sign_pattern(g).any(axis=1)


@quiet
def single_signed_share(g, per_sample=False):
    """Of the rows that are not zero throughout, the share that is single-signed: a float, 0..1; NaN if all are zero.

    g: as in `single_signed_rows`. Over the K rows of the gradient, per_sample over the N K rows of the samples'.
    """
    moved = ~zero_rows(g, per_sample)
    return _share(single_signed_rows(g, per_sample)[moved].sum(), moved.sum())


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
        delta = _signs(checked_pair(g, path)[0], f"delta {path}")
        delta = delta[delta.any(axis=1)]
        found[path] = _share(_agree(delta).sum(), len(delta))
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
    signs = _signs(g.a, "g.a").astype(np.float32)  # sums of up to 2^24 signs are exact
    alive = ((_signs(g.delta, "g.delta") != 0) & signs.any(axis=1)[:, None]).astype(np.float64)
    N, counts = len(signs), alive.sum(axis=0)
    shared = -counts  # a sample with itself is no pair
    rows = max(1, PAIRS // max(N, 1))
    for start in range(0, N, rows):
        block = signs[start : start + rows]
        agree = np.abs(block @ signs.T) == np.abs(block) @ np.abs(signs).T
        shared += np.einsum("nk,nk->k", alive[start : start + rows], agree @ alive)
    pairs = counts * (counts - 1)
    return float((shared[pairs > 0] / pairs[pairs > 0]).mean()) if (pairs > 0).any() else float("nan")


# ---- counting patterns: A1, A2, A4 ------------------------------------------------------------------------


@dataclass(frozen=True)
class SignPatterns:
    """The sign patterns without zeros that one sample can give a K x J layer. bits: log2 of their number."""

    K: int
    J: int
    positive: bool

    @property
    def count(self):
        """2^K where a > 0, else 2^(K+J-1): the signs of delta and of a, less one for flipping both (A1)."""
        return 2**self.K if self.positive else 2 ** (self.K + self.J - 1)

    @property
    def all(self):
        """2^(KJ), what K J free signs would give."""
        return 2 ** (self.K * self.J)

    @property
    def bits(self):
        return float(self.K if self.positive else self.K + self.J - 1)

    @property
    def all_bits(self):
        return float(self.K * self.J)

    def patterns(self):
        """All of them, int8 (count, K, J). ValueError where that would be more than 2^26 entries."""
        if self.count * self.K * self.J > 2**26:
            raise ValueError(f"{self.count} patterns of shape {(self.K, self.J)} are too many to list")
        delta = _all_signs(self.K)
        a = np.ones((1, self.J), np.int8) if self.positive else _all_signs(self.J)
        a = a[a[:, 0] > 0]  # of a pair (delta, a), (-delta, -a) keep one
        return (delta[:, None, :, None] * a[None, :, None, :]).reshape(-1, self.K, self.J)

    def __contains__(self, pattern):
        """Is this (K, J) pattern of -1 and 1 one of them? Decided without listing."""
        pattern = as_float(pattern, "pattern")
        if pattern.shape != (self.K, self.J):
            raise ValueError(f"pattern has shape {pattern.shape}, expected {(self.K, self.J)}")
        if not np.isin(pattern, (-1, 1)).all():
            return False
        a = pattern[0] * pattern[0, 0]  # rank one: every row is the first or its opposite
        return bool((pattern == pattern[:, :1] * a).all() and (not self.positive or (a == 1).all()))


@quiet
def reachable_patterns(K, J, positive=True):
    """The sign patterns one sample can give the (K, J) gradient: theorem A1.

    positive: all a_j > 0 (sigmoid), or a of free sign (tanh). The question's four weights are

        reachable_patterns(2, 2).patterns()     # 4 of 16; [[1, -1], [1, -1]] is not among them
    """
    return SignPatterns(whole_number(K, "K", 1), whole_number(J, "J", 1), bool(positive))


@quiet
def pattern_count(J, r):
    """How many sign patterns without zeros a generic r-dimensional subspace of R^J meets: 2 sum_{i<r} C(J-1,
    i).

    An exact int (Schlaefli; Cover 1965). A row of a batch gradient lies in the span of the r independent
    samples (A4); delta of a hidden layer with n units and K outputs lies in the range of the transposed
    Jacobian, so r = K (A2), or r = K - 1 where the entries of delta_out sum to zero. math.log2 of it is the
    number of bits.
    """
    J, r = whole_number(J, "J", 1), whole_number(r, "r", 0)
    return 2 * sum(math.comb(J - 1, i) for i in range(min(r, J)))


@quiet
def sign_entropy_bits(g):
    """Shannon entropy, in bits, of the sign patterns that were seen.

    g: WeightGradient: the patterns are those of the N outer products delta_n a_n^T, found from their factors.
    Or an array (T, ...) of T updates or signal vectors. T patterns cannot show more than log2 T bits, so read
    the result beside that number and beside reachable_patterns(...).bits.
    """
    if isinstance(g, WeightGradient):
        delta, a = _sample_signs(g)
        first = np.take_along_axis(a, (a != 0).argmax(axis=1)[:, None], axis=1)  # 0 only where a is all zero
        both = np.concatenate([delta * first, a * first], axis=1)  # (delta, a), (-delta, -a) are one pattern
        both[~delta.any(axis=1)] = 0
        seen = both
    else:
        g = as_float(g, "g")
        if g.ndim < 2 or g.size == 0:
            raise ValueError(f"g has shape {g.shape}, expected (T, ...) with T and all others at least 1")
        seen = _signs(g, "g").reshape(len(g), -1)
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


# ---- what a batch leaves of it: A5 ------------------------------------------------------------------------


@quiet
def survival_probability(J, r):
    """The chance that a large batch leaves a row single-signed, for J units of equal mean/spread r = mu/s:
    theorem A5.

    delta independent of a and of mean zero, N -> infinity:  E[Phi(rT)^J + Phi(-rT)^J], T ~ N(0, 1). Exactly
    2/(J+1) at r = 1 and 2^(1-J) at r = 0. Relative error below 1e-10. Coherence c = r^2 / (1 + r^2).
    """
    J, r = whole_number(J, "J", 1, 10**300), abs(real_number(r, "r"))
    if J * r < 1e-9:  # the next term is (J r)^2 / pi
        return 2.0 ** (1 - J)
    # Substitute x = rT: twice the integral of Phi(x)^J times the N(0, r^2) density. Its logarithm is concave,
    # so the mass lies around one peak, at most r wide; above `flat` Phi(x)^J is 1 to the last bit.
    flat = 9 + math.sqrt(2 * math.log(J))
    peak = _peak(J, r, flat)
    low, high = max(-10, peak - 12 * r), min(flat, peak + 12 * r)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    edges = np.linspace(low, high, 101)
    half = (edges[1:] - edges[:-1]) / 2
    x = edges[:-1, None] + half[:, None] * (nodes + 1)
    inside = (np.exp(_log_integrand(x, J, r)) * weights).sum(axis=1) @ half / (r * math.sqrt(2 * math.pi))
    return float(min(1.0, 2 * (inside + 0.5 * math.erfc(high / (r * math.sqrt(2))) * (high == flat))))


@quiet
def survival_limit(a, draws=2000, rng=None):
    """A5 for activations as they are, a (N, J): 2 P(N(0, H) in the positive orthant), H = a^T a / N, by
    sampling.

    Standard error sqrt(p (1 - p) / draws). N(0, H) is drawn as the sum of the samples with normal weights. Units that
    are always 0 agree with all others; NaN where a is all 0, as there is no row to survive.
    """
    a, rng, draws = as_float(a, "a"), generator(rng), whole_number(draws, "draws", 1)
    if a.ndim != 2 or a.size == 0:
        raise ValueError(f"a has shape {a.shape}, expected (N, J) with N and J at least 1")
    if not _signs(a, "a").any():
        return math.nan
    hits = 0
    for start in range(0, draws, 1024):
        weights = rng.standard_normal((min(1024, draws - start), len(a)))
        hits += int(_agree(_signs(weights @ a, "a")).sum())
    return hits / draws


@quiet
def batch_survival(g, batch_size, draws=100, rng=None):
    """The share of single-signed rows among the gradients of random batches drawn from the samples of g, 0..1.

    g: WeightGradient with at least batch_size samples; batches are drawn without replacement. Compare with
    survival_limit(g.a), which assumes that delta knows nothing of a and has mean zero. The share is of all rows of all
    the batches' gradients that are not zero throughout (silent units of a ReLU make many that are); NaN if all are.
    """
    delta, a = checked_pair(g)
    B, rng = whole_number(batch_size, "batch_size", 1), generator(rng)
    if len(delta) < B:
        raise ValueError(f"batch_size is {B}, but g has {len(delta)} samples")
    single = moved = 0
    for _ in range(whole_number(draws, "draws", 1)):
        n = rng.choice(len(delta), B, replace=False)
        batch = WeightGradient(delta[n], a[n])
        alive = ~zero_rows(batch)
        moved += alive.sum()
        single += single_signed_rows(batch)[alive].sum()
    return _share(single, moved)


# ---- shared -----------------------------------------------------------------------------------------------


def checked_flag(value, name):
    """True or False; a TypeError where it is neither."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, not {shown(value)}")
    return bool(value)


def checked_pair(g, name="g"):
    """delta (N, K) and a (N, J) of a WeightGradient, as float arrays; an error where they are not that, or empty."""
    instance(g, WeightGradient, name)
    delta, a = as_float(g.delta, f"{name}.delta"), as_float(g.a, f"{name}.a")
    shapes = f"{name} has delta of shape {delta.shape} and a of shape {a.shape}"
    if delta.ndim != 2 or a.ndim != 2 or len(delta) != len(a):
        raise ValueError(f"{shapes}, expected (N, K) and (N, J)")
    if len(a) == 0:
        raise ValueError(f"{name} has no samples to take the mean of")
    if delta.size == 0 or a.size == 0:
        raise ValueError(f"{shapes}: there are no weights")
    return delta, a


def _signs(array, name):
    """-1, 0 or 1 for each entry, int8."""
    if np.isnan(array).any():
        raise ValueError(f"{name} holds NaN, which has no sign")
    return (array > 0).astype(np.int8) - (array < 0)


def _sample_signs(g):
    """The signs of delta (N, K) and of a (N, J)."""
    if not isinstance(g, WeightGradient):
        raise TypeError(f"per_sample needs a WeightGradient, got a {type(g).__name__}")
    delta, a = checked_pair(g)
    return _signs(delta, "g.delta"), _signs(a, "g.a")


def _share(part, whole):
    """part / whole as a float, NaN where there is no whole."""
    return float(part / whole) if whole else math.nan


def _agree(signs):
    """Is no entry along the last axis opposed to another? (..., J) -> bool (...)."""
    return ~((signs > 0).any(axis=-1) & (signs < 0).any(axis=-1))


def _all_signs(n):
    """All 2^n vectors of -1 and 1, int8 (2^n, n), all ones first."""
    return (1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)).astype(np.int8)


_erfc = np.vectorize(math.erfc, otypes=[float])


def _log_integrand(x, J, r):
    """J log Phi(x) - x^2 / (2 r^2)."""
    tail = 0.5 * _erfc(np.abs(x) / math.sqrt(2))
    return J * np.where(x > 0, np.log1p(-tail), np.log(tail)) - 0.5 * (x / r) ** 2


def _peak(J, r, high):
    """Where the integrand is largest: its derivative J phi(x) / Phi(x) - x / r^2 falls, so halve."""
    low = 0.0
    for _ in range(60):
        x = (low + high) / 2
        slope = (
            J * math.exp(-0.5 * x * x) / (math.sqrt(2 * math.pi) * (1 - 0.5 * math.erfc(x / math.sqrt(2))))
        )
        low, high = (x, high) if slope * r * r > x else (low, x)
    return low
