"""E, per-sample norms: the size of every sample's gradient, without forming one of them.

Statement (Goodfellow 2015). The gradient of sample n is (delta_n a_n^T, delta_n), so its squared norm is
|delta_n|^2 |a_n|^2 for the weights and |delta_n|^2 (1 + |a_n|^2) with the bias. Cost N (K + J), not N K J.

Floats. To rounding, while no square overflows.

Converse. Of a batch the norms say nothing but a bound: |G| <= mean of the norms, reached only for parallel
gradients; two samples that cancel are found.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, arrays, finite, sizes

import minigrad as mg


@st.composite
def moderate_pairs(draw):
    dtype = draw(st.sampled_from(DTYPES))
    N, K, J = (draw(sizes) for _ in "NKJ")
    entries = finite(dtype, min_value=-1e6, max_value=1e6)
    return mg.WeightGradient(draw(arrays(dtype, (N, K), entries)), draw(arrays(dtype, (N, J), entries)))


@given(moderate_pairs())
def test_norms_of_the_outer_products(g):
    formed = np.array(
        [np.linalg.norm(np.outer(d.astype(float), a.astype(float))) for d, a in zip(g.delta, g.a, strict=True)]
    )
    tiny = 1e-12 if g.delta.dtype == np.float32 else 1e-140  # squares of smaller entries underflow
    np.testing.assert_allclose(
        g.per_sample_norms(), formed, rtol=1e-5 if g.delta.dtype == np.float32 else 1e-12, atol=tiny
    )


@given(moderate_pairs())
def test_with_the_bias(g):
    """Formed by giving the input one more entry, the constant 1 (A3)."""
    delta, a = g.delta.astype(float), g.a.astype(float)
    with_one = np.column_stack([a, np.ones(len(a))])
    formed = np.array([np.linalg.norm(np.outer(d, b)) for d, b in zip(delta, with_one, strict=True)])
    expected = np.sqrt(mg.WeightGradient(delta, a).per_sample_norms() ** 2 + (delta**2).sum(axis=1))
    np.testing.assert_allclose(expected, formed, rtol=1e-12, atol=1e-140)
    closed = np.sqrt((delta**2).sum(axis=1) * (1 + (a**2).sum(axis=1)))
    np.testing.assert_allclose(closed, formed, rtol=1e-12, atol=1e-140)


@given(moderate_pairs())
def test_they_bound_the_batch(g):
    batch = np.linalg.norm(g.weight.astype(float))
    assert batch <= g.per_sample_norms().astype(float).mean() * (1 + 1e-5) + 1e-12


def test_a_wide_layer_needs_no_outer_products():
    """512 samples of a layer with a million weights: 4 GB as outer products."""
    rng = np.random.default_rng(0)
    g = mg.WeightGradient(rng.standard_normal((512, 1000)), rng.standard_normal((512, 1000)))
    assert g.per_sample_norms()[7] == pytest.approx(np.linalg.norm(np.outer(g.delta[7], g.a[7])))


def test_converse_a_batch_can_cancel():
    g = mg.WeightGradient(np.array([[1.0], [-1.0]]), np.array([[3.0, 4.0], [3.0, 4.0]]))
    assert g.per_sample_norms().tolist() == [5, 5]
    assert (g.weight == 0).all()
