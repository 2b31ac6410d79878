"""Pairs with positions, a layer that makes them, and sums over positions written out.

Letters as everywhere: n sample (N), p position (P), k output neuron (K), j input (J).
"""

import itertools

import numpy as np
from hypothesis import strategies as st
from strategies import DTYPES, arrays, sizes

import minigrad as mg

SHAPES = ((), (1,), (3,), (2, 2), (1, 1, 2))  # of the positions


class Conv1d(mg.Layer):
    """K filters of J taps over a signal (N, T): out (N, P, K), P = T - J + 1; its pair's a is (N, P, J)."""

    parameter_names = ("weight",)

    def __init__(self, J, K, rng):
        self.weight = rng.standard_normal((K, J))

    def forward(self, x):
        patches = np.lib.stride_tricks.sliding_window_view(x, self.weight.shape[1], axis=1)
        return patches @ self.weight.T, np.ascontiguousarray(patches)

    def backward(self, delta, patches):
        """The delta below, (N, T), adds up what each entry of the signal did in each patch."""
        N, P, J = patches.shape
        below = np.zeros((N, P + J - 1))
        for p in range(P):
            below[:, p : p + J] += delta[:, p] @ self.weight
        return below, {"weight": mg.WeightGradient(delta, patches)}


few = st.sampled_from([-2.0, -1.0, 0.0, 0.0, 1.0, 3.0])  # sums of products of these are exact, in float32 too


@st.composite
def pairs_with_positions(draw, entries=few, a_entries=None, shapes=SHAPES, dtype=None, N=None):
    """A WeightGradient: delta (N, ..., K), a (N, ..., J)."""
    dtype = draw(st.sampled_from(DTYPES)) if dtype is None else dtype
    N, K, J = draw(sizes) if N is None else N, draw(st.integers(1, 3)), draw(st.integers(1, 4))
    leading = (N, *draw(st.sampled_from(shapes)))
    delta = draw(arrays(dtype, (*leading, K), entries))
    return mg.WeightGradient(delta, draw(arrays(dtype, (*leading, J), entries if a_entries is None else a_entries)))


def position_pairs(g):
    """One sample after the other: [(delta (K,), a (J,)), ...] of its positions, as float64."""
    for delta, a in zip(g.delta, g.a, strict=True):
        places = list(itertools.product(*(range(size) for size in delta.shape[:-1])))
        yield [(delta[place].astype(float), a[place].astype(float)) for place in places]


def sample_gradients(g):
    """The gradient of each sample, one outer product after the other: a list of N arrays (K, J)."""
    return [sum(np.outer(delta, a) for delta, a in places) for places in position_pairs(g)]


def all_inputs(a):
    """(R, J): the input of each position of each sample, one after the other."""
    return np.array([v for places in position_pairs(mg.WeightGradient(a, a)) for _, v in places])
