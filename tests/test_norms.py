"""The norms of the samples' gradients: right, by the cheaper of two ways, and in bounded memory."""

import itertools
import tracemalloc

import numpy as np
import pytest
from strategies import DTYPES

import minigrad as mg
from minigrad import _norms
from minigrad._norms import blocks, norms_of_sums, sums_of_products


def pair(shape, rng):
    """delta (N, P, K) and a (N, P, J) for (N, P, K, J)."""
    N, P, K, J = shape
    return rng.standard_normal((N, P, K)), rng.standard_normal((N, P, J))


@pytest.fixture
def formed(monkeypatch):
    """The shapes of the sums that were formed."""
    shapes, real = [], sums_of_products

    def watched(delta, a):
        shapes.append(real(delta, a).shape)
        return real(delta, a)

    monkeypatch.setattr(_norms, "sums_of_products", watched)
    return shapes


def peak(function, *arguments):
    """The most memory that a call holds, in bytes, beside what there was."""
    tracemalloc.start()
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("count", "entries", "limit", "expected"),
    [
        (5, 3, 7, [(0, 2), (2, 4), (4, 5)]),
        (3, 100, 7, [(0, 1), (1, 2), (2, 3)]),
        (4, 1, 2, [(0, 2), (2, 4)]),
        (4, 0, 3, [(0, 3), (3, 4)]),
        (0, 1, 7, []),
    ],
)
def test_blocks_cover_all_and_hold_no_more_than_the_limit(count, entries, limit, expected):
    assert [part.indices(count)[:2] for part in blocks(count, entries, limit)] == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(7, 3, 20, 30), (7, 40, 5, 4), (7, 12, 20, 30), (5, 1, 3, 2), (5, 3, 1, 2), (5, 0, 3, 2)]
)
def test_the_norms_of_the_gradients_written_out(shape, dtype, rng):
    """By Gram matrices, by sums, where both cost the same, without positions, and with none."""
    delta, a = (factor.astype(dtype) for factor in pair(shape, rng))
    each = [sum((np.outer(*rows) for rows in zip(*one, strict=True)), np.zeros(shape[2:])) for one in zip(
        delta.astype(float), a.astype(float), strict=True)]  # fmt: skip
    found = mg.WeightGradient(delta, a).per_sample_norms()
    assert found.dtype == dtype
    np.testing.assert_allclose(found, [np.linalg.norm(one) for one in each], rtol=1e-6 if dtype == np.float32 else 1e-9)


@pytest.mark.parametrize(
    ("shape", "sums"),
    [((3, 3, 20, 30), 0), ((3, 13, 20, 30), 1), ((3, 12, 20, 30), 1), ((3, 2, 9, 3), 0), ((3, 2, 3, 9), 0)],
)
def test_the_sums_are_formed_where_that_costs_no_more(shape, sums, formed, rng):
    """Of all samples at once; P (K + J) against K J, and 12 * 50 = 20 * 30."""
    norms_of_sums(*pair(shape, rng))
    assert formed == [(shape[0], *shape[2:])] * sums


@pytest.mark.parametrize("shape", [(1, 2, 1500, 1500), (1, 2000, 2, 2), (1, 300, 40, 40)])
def test_the_larger_matrices_are_not_formed(shape, rng):
    delta, a = pair(shape, rng)
    assert peak(norms_of_sums, delta, a) < 4 * (delta.nbytes + a.nbytes)


@pytest.mark.parametrize("P", [16, 20], ids=["Gram matrices", "sums"])
def test_many_samples_take_no_more_memory_than_their_factors(P, monkeypatch, rng):
    monkeypatch.setattr(_norms, "ENTRIES", 2**12)
    delta, a = pair((600, P, 40, 40), rng)
    assert peak(norms_of_sums, delta, a) < 1.25 * (delta.nbytes + a.nbytes)


@pytest.mark.parametrize(("less", "sums"), [(1026, 0), (1025, 1), (1024.5, 1)])
def test_a_sample_whose_digits_cancel_is_summed_and_no_other(less, sums, formed):
    """Two outer products x e e^T and -y e e^T: the norm x - y, of the bound x + y. At 2^-10 of it digits are lost."""
    delta, a = np.zeros((3, 2, 5)), np.zeros((3, 2, 5))
    delta[:, :, 0] = 8
    a[:, :, 0] = [[4096, 4096], [less, less - 2048], [2**20, 2**20]]
    np.testing.assert_allclose(norms_of_sums(delta, a), [2**16, 16 * (less - 1024), 2**24], rtol=1e-9)
    assert formed == [(5, 5)] * sums


@pytest.mark.parametrize("power", [-500, 500])
def test_no_square_vanishes_or_overflows(power, rng):
    for shape in ((3, 3, 20, 30), (3, 12, 20, 30), (3, 1, 20, 30)):
        delta, a = pair(shape, rng)
        expected = np.ldexp(norms_of_sums(delta, a), 2 * power)
        np.testing.assert_array_equal(norms_of_sums(np.ldexp(delta, power), np.ldexp(a, power)), expected)


def test_gram_matrices_of_float32_keep_the_digits_of_float64(rng):
    """The two positions leave 1 / 400 of their size, so that six digits of the square cancel."""
    v = rng.standard_normal((1, 1, 30))
    delta = np.repeat(rng.standard_normal((1, 1, 20)), 2, axis=1).astype(np.float32)
    a = np.concatenate([v, -1.005 * v], axis=1).astype(np.float32)
    expected = np.linalg.norm(delta[0].astype(float).T @ a[0].astype(float))
    assert norms_of_sums(delta, a)[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", itertools.permutations((1e8, 1, -1e8)), ids=str)
def test_sums_are_added_up_in_float64(order, dtype):
    """In float32 the 1 beside 1e8 is lost in most of these orders."""
    delta, a = np.array(order, dtype)[None, :, None], np.ones((1, 3, 2), dtype)
    np.testing.assert_array_equal(sums_of_products(delta, a), [[[1, 1]]])
    found = mg.WeightGradient(delta, a).per_sample()
    np.testing.assert_array_equal(found, [[[1, 1]]])
    assert found.dtype == dtype
