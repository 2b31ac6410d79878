"""What the instruments share: checked pairs and inputs, the signs of factors and of sums, and shares of counts.

Index legend: n sample (N), p position (P, all of them as one axis), k output neuron (K), j input (J), r row (R = N P).
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._advice import shown
from .._checks import as_float, instance
from .._norms import blocks
from ..gradient import WeightGradient

# ---- arguments --------------------------------------------------------------------------------------------


def checked_flag(value: object, name: str) -> bool:
    """True or False; a TypeError where it is neither."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, not {shown(value)}")
    return bool(value)


def checked_pair(g: object, name: str = "g") -> tuple[np.ndarray, np.ndarray]:
    """delta (N, ..., K) and a (N, ..., J) of a WeightGradient, as float arrays; an error where they do not fit."""
    pair: WeightGradient = instance(g, WeightGradient, name)
    delta, a = as_float(pair.delta, f"{name}.delta"), as_float(pair.a, f"{name}.a")
    shapes = f"{name} has delta of shape {delta.shape} and a of shape {a.shape}"
    if delta.ndim < 2 or delta.shape[:-1] != a.shape[:-1]:
        raise ValueError(f"{shapes}, expected (N, K) and (N, J), or (N, positions..., K) and (N, positions..., J)")
    if len(a) == 0:
        raise ValueError(f"{name} has no samples to take the mean of")
    if 0 in delta.shape[1:-1]:
        raise ValueError(f"{shapes}: there are no positions")
    if delta.size == 0 or a.size == 0:
        raise ValueError(f"{shapes}: there are no weights")
    return delta, a


def signals(bp: Any) -> dict[str, WeightGradient]:
    """{layer path: the pair} of a Backprop, with delta the error signal and a the input.

    Of a weight that another library uses as its transpose, the two have changed places in bp.gradients.
    """
    found: dict[str, WeightGradient] = bp.signals() if hasattr(bp, "signals") else bp.gradients
    return found


def has_bias(bp: Any, path: str) -> bool:
    """Whether the weight of a layer, or of a parameter such as "0.weight" or "lstm.weight_ih_l0", has a bias."""
    names = bp.parameter_gradients()
    module, dot, name = path.rpartition(".")
    bias = f"{module}{dot}{name.replace('weight', 'bias')}" if path in names else f"{path}.bias"
    return bias != path and bias in names


def positions_of_output(bp: Any) -> int:
    """How many the output has, 1 without: those of the last layer, where the output is as large as what that gave."""
    if not bp.activations:  # one made by hand may hold nothing but pairs
        return 1
    last = next(reversed(signals(bp).values()), None)
    if last is not None and last.delta[0].size == bp.output[0].size:
        return math.prod(last.delta.shape[1:-1])
    return math.prod(bp.output.shape[1:-1])


def finite_rows_of(a: ArrayLike) -> np.ndarray:
    """a (N, ..., J), every position of every sample a row: finite float64 (R, J), with R and J at least 1."""
    array: np.ndarray = as_float(a, "a", np.float64)
    if array.ndim < 2 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(
            f"a of shape {array.shape} must be finite, (N, J) or (N, positions..., J), with none of these 0"
        )
    return rows_of(array)


# ---- shapes and sizes -------------------------------------------------------------------------------------


def rows_of(array: np.ndarray) -> np.ndarray:
    """(N, ..., J) -> (R, J): every position of every sample a row."""
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


def by_sample(array: np.ndarray) -> np.ndarray:
    """(N, ..., J) -> (N, P, J): all positions along one axis."""
    return array.reshape(len(array), math.prod(array.shape[1:-1]), array.shape[-1])


def moderate(a: np.ndarray, axis: int | None = None) -> np.ndarray:
    """a times a power of two that brings the largest entry, of all or along the axis, near 1: 2^-75 to 2^24.

    This is exact, and afterwards no square overflows: float64 also where a is float32.
    """
    largest = np.maximum(a.max(axis=axis, keepdims=True), -a.min(axis=axis, keepdims=True))
    exponent = np.frexp(largest)[1]
    scaled: np.ndarray = a * np.ldexp(1.0, -np.clip(exponent, -1000, 1000))  # 2^1074 is no float
    return scaled


# ---- signs ------------------------------------------------------------------------------------------------

BLOCK = 2**16  # entries of delta, of a and of the samples' gradients in one go: what stays in the cache


def signs_of(array: np.ndarray, name: str) -> np.ndarray:
    """-1, 0 or 1 for each entry, int8."""
    if np.isnan(array).any():
        raise ValueError(f"{name} holds NaN, which has no sign")
    signs: np.ndarray = (array > 0).astype(np.int8) - (array < 0)
    return signs


def mixed(signs: np.ndarray) -> Any:
    """Whether each vector along the last axis has two opposed entries: (..., J) -> bool (...)."""
    return (signs > 0).any(axis=-1) & (signs < 0).any(axis=-1)


def moved(signs: np.ndarray) -> Any:
    """Whether each vector along the last axis has an entry other than 0: (..., J) -> bool (...)."""
    return signs.any(axis=-1)


def contents(signs: np.ndarray) -> Any:
    """What each vector along the last axis holds: 0 only zeros, 1 a plus, 2 a minus, 3 both: (..., J) -> uint8."""
    return (signs > 0).any(axis=-1) + np.uint8(2) * (signs < 0).any(axis=-1)


def single_signed(found: Any) -> float:
    """The share of 1 and 2 among what `contents` found to be other than 0; NaN where there is none."""
    some = np.count_nonzero(found)
    return share(some - np.count_nonzero(found == 3), some)


def gradient_signs(delta: np.ndarray, a: np.ndarray) -> Iterator[np.ndarray]:
    """The signs of the samples' gradients, sum_p delta_pk a_pj: int8 (n, K, J) for one block of samples after another.

    delta (N, P, K), a (N, P, J). Where no two of the P products of an entry are opposed, the sign is that of the
    factors, and exact. Elsewhere it is that of the sum, taken in float64 after scaling that keeps it from overflowing:
    rounding may turn the sign of a sum below about P eps times the sum of the products' sizes, or make it 0.
    """
    (N, P, K), J = delta.shape, a.shape[2]
    for part in blocks(N, P * (K + J) + K * J, BLOCK):
        d, b = delta[part], a[part]
        d_signs, b_signs = (np.asarray(signs_of(v, name), np.float32) for v, name in ((d, "g.delta"), (b, "g.a")))
        total = d_signs.swapaxes(1, 2) @ b_signs  # plus products less minus products: exact up to 2^24 positions
        count = np.abs(d_signs).swapaxes(1, 2) @ np.abs(b_signs)
        found = np.sign(total).astype(np.int8)
        opposed = np.abs(total) < count
        if opposed.any():
            d, b = moderate(d, axis=1), moderate(b, axis=1)
            found[opposed] = signs_of((d.swapaxes(1, 2) @ b)[opposed], "the sum over the positions of g")
        yield found


def share(part: Any, whole: Any) -> float:
    """part / whole as a float, NaN where there is no whole."""
    return float(part / whole) if whole else math.nan
