"""Survival: how often the row of a batch's gradient is still single-signed, theorems A4 and A5 in docs/theory.md.

Index legend: n sample (N), p position (P), r row (R = N P), k output neuron (K), j input (J).
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from .._checks import Rng, as_float, generator, quiet, real_number, whole_number
from ..gradient import WeightGradient
from .pairs import checked_pair, contents, mixed, rows_of, signs_of, single_signed
from .signs import sign_pattern

# ---- what a batch leaves of it: A5 ------------------------------------------------------------------------


@quiet
def survival_probability(J: int, r: float) -> float:
    """The chance that a large batch leaves a row single-signed, for J units of equal mean/spread r = mu/s (theorem A5).

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
    integral = (np.exp(_log_integrand(x, J, r)) * weights).sum(axis=1) @ half / (r * math.sqrt(2 * math.pi))
    return float(min(1.0, 2 * (integral + 0.5 * math.erfc(high / (r * math.sqrt(2))) * (high == flat))))


@quiet
def survival_limit(a: ArrayLike, draws: int = 2000, rng: Rng = None) -> float:
    """A5 for activations as they are: 2 P(N(0, H) in the positive orthant), H = a^T a / R, by sampling.

    a (N, ..., J): every position of every sample is a row, and counts as a sample of its own, with a delta of its own.
    So it is the limit for sums over the positions too, if delta at one position knows nothing of the others.
    Standard error sqrt(p (1 - p) / draws). N(0, H) is drawn as the sum of the rows with normal weights. Units that
    are always 0 agree with all others; NaN where a is all 0, as there is no row to survive.
    """
    array, draws = np.asarray(as_float(a, "a")), whole_number(draws, "draws", 1)
    random: np.random.Generator = generator(rng)
    if array.ndim < 2 or array.size == 0:
        raise ValueError(f"a has shape {array.shape}, expected (N, J) or (N, positions..., J) with none of these 0")
    rows = rows_of(array)
    if not signs_of(rows, "a").any():
        return math.nan
    hits = 0
    for start in range(0, draws, 1024):
        weights = random.standard_normal((min(1024, draws - start), len(rows)))
        hits += int((~mixed(signs_of(weights @ rows, "a"))).sum())
    return hits / draws


@quiet
def batch_survival(g: WeightGradient, batch_size: int, draws: int = 100, rng: Rng = None) -> float:
    """The share of single-signed rows among the gradients of random batches drawn from the samples of g, 0..1.

    g: WeightGradient with at least batch_size samples; batches are drawn without replacement, each sample with all of
    its positions. Compare with survival_limit(g.a), which assumes that delta knows nothing of a and has mean zero. The
    share is of all rows of all the batches' gradients that are not zero throughout (silent units of a ReLU make many
    that are); NaN if all are.
    """
    delta, a = checked_pair(g)
    B = whole_number(batch_size, "batch_size", 1)
    random: np.random.Generator = generator(rng)
    if len(delta) < B:
        raise ValueError(f"batch_size is {B}, but g has {len(delta)} samples")
    found = []
    for _ in range(whole_number(draws, "draws", 1)):
        n = random.choice(len(delta), B, replace=False)
        found.append(contents(sign_pattern(WeightGradient(delta[n], a[n]))))
    return single_signed(np.concatenate(found))


_erfc = np.vectorize(math.erfc, otypes=[float])


def _log_integrand(x: np.ndarray, J: int, r: float) -> np.ndarray:
    """J log Phi(x) - x^2 / (2 r^2)."""
    tail = 0.5 * _erfc(np.abs(x) / math.sqrt(2))
    logarithm: np.ndarray = J * np.where(x > 0, np.log1p(-tail), np.log(tail)) - 0.5 * (x / r) ** 2
    return logarithm


def _peak(J: int, r: float, high: float) -> float:
    """Where the integrand is largest: its derivative J phi(x) / Phi(x) - x / r^2 falls, so halve."""
    low = 0.0
    for _ in range(60):
        x = (low + high) / 2
        slope = J * math.exp(-0.5 * x * x) / (math.sqrt(2 * math.pi) * (1 - 0.5 * math.erfc(x / math.sqrt(2))))
        low, high = (x, high) if slope * r * r > x else (low, x)
    return low
