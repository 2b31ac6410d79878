"""Survival: how often the row of a batch's gradient is still single-signed, theorems A4 and A5 in docs/theory.md.

Index legend: n sample (N), k output neuron (K), j input (J).
"""

import math

import numpy as np

from .._checks import as_float, generator, quiet, real_number, whole_number
from ..gradient import WeightGradient
from .pairs import agree, checked_pair, share, signs_of
from .signs import single_signed_rows, zero_rows

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
    if not signs_of(a, "a").any():
        return math.nan
    hits = 0
    for start in range(0, draws, 1024):
        weights = rng.standard_normal((min(1024, draws - start), len(a)))
        hits += int(agree(signs_of(weights @ a, "a")).sum())
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
    return share(single, moved)


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
        slope = J * math.exp(-0.5 * x * x) / (math.sqrt(2 * math.pi) * (1 - 0.5 * math.erfc(x / math.sqrt(2))))
        low, high = (x, high) if slope * r * r > x else (low, x)
    return low
