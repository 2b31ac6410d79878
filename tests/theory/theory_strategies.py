"""Random pairs (delta, a) for the theorems: any finite floats, whole numbers, or activations of a real shape.

Letters as everywhere: n sample (N), k output neuron (K), j input (J). `finite`, `arrays`, `sizes`, `seeds`,
DTYPES come from tests/strategies.py and are handed on, so that a theory test needs one import.
"""

from fractions import Fraction

import numpy as np
from hypothesis import Phase, settings
from hypothesis import strategies as st
from strategies import DTYPES, arrays, finite, seeds, sizes

import minigrad as mg
from minigrad.kernels import twin
from minigrad.kernels.backend import core

__all__ = [
    "CORES",
    "DTYPES",
    "SEARCH",
    "arrays",
    "exact",
    "finite",
    "halves",
    "integer_pairs",
    "matrices",
    "pairs",
    "positive",
    "seeds",
    "signs_of",
    "sizes",
    "smallest",
    "unit_pairs",
    "whole",
]

CORES = tuple({module.__name__: module for module in (core, twin)}.values())
# To find a counterexample: the first will do, and every run finds the same.
SEARCH = settings(max_examples=5000, database=None, derandomize=True, phases=[Phase.generate])


def smallest(dtype):
    """The smallest positive number of a float type, a subnormal; half of it, and all below, rounds to
    zero."""
    return np.finfo(dtype).smallest_subnormal


def positive(dtype, zero=False):
    """All finite floats above 0 (zero: or equal to 0, of either sign)."""
    if not zero:
        return finite(dtype, min_value=float(smallest(dtype)))
    return st.one_of(finite(dtype, min_value=0.0), st.sampled_from([0.0, -0.0]))


def entries(dtype, flavour):
    return {"positive": positive(dtype), "nonnegative": positive(dtype, zero=True), "free": finite(dtype)}[flavour]


@st.composite
def pairs(draw, flavour="free", dtype=None, N=None, K=None, J=None):
    """(delta (N, K), a (N, J)) of one float type, over all its finite values; flavour: the sign of a."""
    dtype = draw(st.sampled_from(DTYPES)) if dtype is None else dtype
    N, K, J = (draw(sizes) if size is None else size for size in (N, K, J))
    return draw(arrays(dtype, (N, K))), draw(arrays(dtype, (N, J), entries(dtype, flavour)))


@st.composite
def matrices(draw, rows=sizes, columns=sizes, low=-9, high=9):
    """Small whole numbers as float64 (rows, columns): sums of products of them are exact."""
    shape = draw(rows), draw(columns)
    return draw(whole(shape, low, high))


def halves(shape):
    """All finite float16 alike, by their bits: hypothesis would throw most of its drafts away."""
    bits = st.tuples(st.integers(0, 0x7BFF), st.booleans()).map(lambda drawn: drawn[0] | drawn[1] << 15)
    return arrays(np.uint16, shape, bits).map(lambda drawn: drawn.view(np.float16))


def whole(shape, low=-9, high=9):
    """Whole numbers from low to high, as float64."""
    return arrays(np.float64, shape, st.integers(low, high).map(float))


@st.composite
def integer_pairs(draw, low=-9, high=9, a_low=-9, most=5):
    """(delta (N, K), a (N, J)) of small whole numbers."""
    N, K, J = (draw(st.integers(1, most)) for _ in "NKJ")
    return draw(whole((N, K), low, high)), draw(whole((N, J), a_low, high))


@st.composite
def unit_pairs(draw, kind=None, most=8):
    """(delta (N, K), a (N, J)): normal delta, and activations f(z) of normal z, as in a net at its start."""
    rng = np.random.default_rng(draw(seeds))
    N, K, J = (draw(st.integers(1, most)) for _ in "NKJ")
    f = mg.layers.activations.activation(kind or draw(st.sampled_from(("sigmoid", "relu", "softplus", "tanh"))))
    return rng.standard_normal((N, K)), f(rng.standard_normal((N, J)))


def signs_of(array):
    """-1, 0 or 1, by comparison: what the diagnostics are tested against must not be the diagnostics."""
    return np.where(array > 0, 1, np.where(array < 0, -1, 0))


def exact(array):
    """The floats of an array as Fractions, in an object array: arithmetic without rounding."""
    array = np.asarray(array)
    fractions = np.empty(array.shape, dtype=object)
    fractions.reshape(-1)[:] = [Fraction(float(value)) for value in array.reshape(-1)]
    return fractions
