"""What the instruments share: a pair that is checked, the signs of its factors, and shares of what was counted."""

import math

import numpy as np

from .._checks import as_float, instance, shown
from ..gradient import WeightGradient

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


def signs_of(array, name):
    """-1, 0 or 1 for each entry, int8."""
    if np.isnan(array).any():
        raise ValueError(f"{name} holds NaN, which has no sign")
    return (array > 0).astype(np.int8) - (array < 0)


def sample_signs(g):
    """The signs of delta (N, K) and of a (N, J)."""
    if not isinstance(g, WeightGradient):
        raise TypeError(f"per_sample needs a WeightGradient, got a {type(g).__name__}")
    delta, a = checked_pair(g)
    return signs_of(delta, "g.delta"), signs_of(a, "g.a")


def share(part, whole):
    """part / whole as a float, NaN where there is no whole."""
    return float(part / whole) if whole else math.nan


def agree(signs):
    """Is no entry along the last axis opposed to another? (..., J) -> bool (...)."""
    return ~((signs > 0).any(axis=-1) & (signs < 0).any(axis=-1))


def finite_inputs(a):
    a = as_float(a, "a", np.float64)
    if a.ndim != 2 or a.size == 0 or not np.isfinite(a).all():
        raise ValueError(f"a of shape {a.shape} must be finite, (N, J) with N and J at least 1")
    return a
