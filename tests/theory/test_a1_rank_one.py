"""A1, rank one: the gradient of one sample is an outer product, and so is its sign pattern.

Statement. For one sample G = delta a^T. Hence sgn G = sgn(delta) sgn(a)^T, the rank is at most 1, every 2 x 2
block of non-zero signs has the product +1, and |G|_F = |G|_2 = |delta| |a|. Of the 2^(KJ) patterns without
zeros a layer with a > 0 reaches 2^K, with a of free sign 2^(K+J-1), and with one fixed a (no entry 0) again
2^K, whatever the activation.

Floats. signbit(fl(x y)) = signbit(x) XOR signbit(y) for all finite x, y, through subnormals, underflow and
overflow. np.sign of a product is wrong exactly where 0 < |x y| <= half the smallest subnormal (2^-1075,
float32 2^-150): it rounds to zero. So a computed row never has two opposite signs when a >= 0; it may have
zeros too many. Under -ffast-math (x86) there is no such threshold: products below 2^-1022 become 0, and so does
any product with a subnormal factor, however large.

Converse. With a of both signs the pattern [[+,-],[+,-]] is found; with two samples [[+,+],[+,-]] is.
"""

import itertools
import platform
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import assume, find, given
from hypothesis import strategies as st
from oracles import numeric_gradient
from theory_strategies import (
    CORES,
    DTYPES,
    SEARCH,
    arrays,
    exact,
    finite,
    halves,
    pairs,
    positive,
    seeds,
    signs_of,
    smallest,
    unit_pairs,
    whole,
)

import minigrad as mg
from minigrad.diagnostics import reachable_patterns, sign_pattern, single_signed_rows

STRIPES = [[1, -1], [1, -1]]
ODD_ONE_OUT = [[1, 1], [1, -1]]
by_core = pytest.mark.parametrize("core", CORES, ids=lambda core: core.__name__.rsplit(".", 1)[-1])


# ---- law: floating point ----------------------------------------------------------------------------------


@st.composite
def factors(draw, dtype):
    """Two arrays (8,) of any finite floats; the products of some lie near the point where they round to
    zero."""
    any_finite = halves(8) if dtype is np.float16 else arrays(dtype, 8)
    x, y = draw(any_finite), draw(any_finite)
    if draw(st.booleans()):
        with np.errstate(all="ignore"):
            near = (smallest(dtype) / x * dtype(draw(st.sampled_from([0.25, 0.49, 0.5, 0.51, 1])))).astype(dtype)
        y = np.where(np.isfinite(near), near, y)
    return x, y


@pytest.mark.proof_check
@pytest.mark.parametrize("dtype", [np.float16, *DTYPES])
@given(data=st.data())
def test_the_sign_bit_of_a_product_is_the_xor_of_the_sign_bits(dtype, data):
    x, y = data.draw(factors(dtype))
    with np.errstate(all="ignore"):
        product = x * y
    np.testing.assert_array_equal(np.signbit(product), np.signbit(x) ^ np.signbit(y))


@pytest.mark.proof_check
@pytest.mark.parametrize("dtype", [np.float16, *DTYPES])
@given(data=st.data())
def test_np_sign_is_wrong_exactly_where_the_product_rounds_to_zero(dtype, data):
    x, y = data.draw(factors(dtype))
    with np.errstate(all="ignore"):
        wrong = np.sign(x * y) != np.sign(x) * np.sign(y)
    size = abs(exact(x) * exact(y))
    np.testing.assert_array_equal(wrong, (size > 0) & (size <= exact(smallest(dtype)) / 2))


@pytest.mark.proof_check
def test_the_threshold_is_2_to_the_minus_1075():
    for dtype, exponent in ((np.float16, -25), (np.float32, -150), (np.float64, -1075)):
        assert exact(smallest(dtype)).item() / 2 == exact(np.float64(2.0)).item() ** exponent


@by_core
@pytest.mark.parametrize(("dtype", "exponent"), [(np.float32, -149), (np.float64, -1074)])
def test_the_smallest_product_is_not_flushed_to_zero(core, dtype, exponent):
    """What a build with -ffast-math would do, and to the whole process."""
    half = np.full((1, 1), 2.0 ** (exponent // 2), dtype)
    other = np.full((1, 1), 2.0 ** (exponent - exponent // 2), dtype)
    assert core.weight_gradient(half, other).item() == 2.0**exponent > 0
    assert core.weight_gradient(half, other / 2).item() == 0


PRODUCT = """
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words) {
    volatile double x = strtod(words[1], 0), y = strtod(words[2], 0), product = x * y;
    union { double value; unsigned long long bits; } seen = { product };
    printf("%llu", seen.bits);
    return 0;
}
"""
SMALL, SUBNORMAL = (2.0**-540, 2.0**-483), (5e-322, 2.0**1000)  # products 2^-1023 and 5.4e-21


@pytest.mark.skipif(
    not shutil.which("gcc") or platform.machine() != "x86_64", reason="needs gcc, and the FTZ and DAZ bits of x86"
)
@pytest.mark.parametrize(("flags", "flushes"), [(["-O2"], False), (["-O2", "-ffast-math"], True)])
def test_fast_math_zeroes_subnormal_factors_and_products(tmp_path, flags, flushes):
    """In a program of its own: the bits are set for a whole process."""
    source, program = tmp_path / "product.c", tmp_path / "product"
    source.write_text(PRODUCT)
    subprocess.run(["gcc", *flags, "-o", program, source], check=True)
    for x, y in (SMALL, SUBNORMAL, (2.0**-500, 2.0**-500)):
        answer = subprocess.run([program, x.hex(), y.hex()], check=True, capture_output=True, text=True).stdout
        product = np.array(int(answer), np.uint64).view(np.float64)
        assert product == (0 if flushes and (x, y) != (2.0**-500, 2.0**-500) else x * y)
    assert SMALL[0] * SMALL[1] > 0 < SUBNORMAL[0]
    assert SUBNORMAL[0] * SUBNORMAL[1] > 1e-21, "far from small itself"


@by_core
@given(pair=pairs(N=1))
def test_a_computed_gradient_loses_a_sign_only_where_the_product_rounds_to_zero(core, pair):
    delta, a = pair
    with np.errstate(all="ignore"):
        G = core.weight_gradient(delta, a)
    size = abs(exact(delta).T * exact(a))
    survives = (size > exact(smallest(a.dtype)) / 2).astype(int)
    np.testing.assert_array_equal(signs_of(G), signs_of(delta).T * signs_of(a) * survives)


# ---- law: the pattern of one sample -----------------------------------------------------------------------


@given(pairs(N=1))
def test_the_pattern_is_an_outer_product_of_signs_and_has_rank_one(pair):
    delta, a = pair
    S = sign_pattern(mg.WeightGradient(delta, a))
    np.testing.assert_array_equal(S, np.outer(signs_of(delta), signs_of(a)))
    blocks = S[:, None, :, None] * S[:, None, None, :] * S[None, :, :, None] * S[None, :, None, :]
    assert (blocks >= 0).all()
    assert np.linalg.matrix_rank(S) <= 1


@by_core
@given(pair=pairs("nonnegative", N=1))
def test_with_a_not_negative_no_row_has_two_opposite_signs(core, pair):
    delta, a = pair
    with np.errstate(all="ignore"):
        G = core.weight_gradient(delta, a)
    assert not ((G > 0).any(axis=1) & (G < 0).any(axis=1)).any()
    assert not (signs_of(G) * signs_of(delta).T == -1).any(), "a row has the sign of its delta"
    assert single_signed_rows(G).all()
    assert single_signed_rows(mg.WeightGradient(delta, a)).all()


@given(pairs("nonnegative"))
def test_per_sample_rows_are_single_signed_for_every_sample_of_a_batch(pair):
    delta, a = pair
    rows = single_signed_rows(mg.WeightGradient(delta, a), per_sample=True)
    assert rows.shape == delta.shape
    assert rows.all()


@given(pairs())
def test_per_sample_rows_are_those_of_the_outer_products(pair):
    delta, a = pair
    S = np.einsum("nk,nj->nkj", signs_of(delta), signs_of(a))
    expected = ~((S > 0).any(axis=2) & (S < 0).any(axis=2))
    np.testing.assert_array_equal(single_signed_rows(mg.WeightGradient(delta, a), per_sample=True), expected)


@given(unit_pairs(most=6))
def test_the_norms_of_one_sample_are_products(pair):
    """Domain: numbers of usual size, so that no square leaves the floats."""
    for n in range(len(pair[0])):
        g = mg.WeightGradient(pair[0][n : n + 1], pair[1][n : n + 1])
        product = np.linalg.norm(g.delta) * np.linalg.norm(g.a)
        np.testing.assert_allclose(np.linalg.norm(g.weight), product, rtol=1e-13)
        np.testing.assert_allclose(np.linalg.norm(g.weight, 2), product, rtol=1e-13)
        np.testing.assert_allclose(g.per_sample_norms(), [product], rtol=1e-13)


@given(
    seed=seeds,
    kind=st.sampled_from(("sigmoid", "tanh", "softplus")),
    J=st.integers(1, 4),
    K=st.integers(1, 4),
)
def test_what_backprop_keeps_is_that_outer_product(seed, kind, J, K):
    """delta a^T of one sample is dC/dW by finite differences: delta is dc/dz, not dc/da."""
    rng = np.random.default_rng(seed)
    net, loss = mg.mlp([J, K, 3, 2], activation=kind, rng=rng), mg.MSELoss()
    x, y = rng.standard_normal((1, J)), rng.standard_normal((1, 2))
    bp = mg.backprop(net, loss, x, y)
    for path, g in bp.gradients.items():
        measured = numeric_gradient(lambda: loss(net(x), y), net[int(path)].weight)
        np.testing.assert_allclose(np.outer(g.delta[0], g.a[0]), measured, rtol=1e-5, atol=1e-8)


# ---- law: the counts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("positive_a", [True, False])
@pytest.mark.parametrize(("K", "J"), list(itertools.product((1, 2, 3), repeat=2)))
def test_the_patterns_listed_are_those_that_all_choices_of_signs_give(K, J, positive_a):
    reached = set()
    for delta in itertools.product((-1, 1), repeat=K):
        for a in [(1,) * J] if positive_a else itertools.product((-1, 1), repeat=J):
            reached.add(tuple(d * x for d in delta for x in a))
    found = reachable_patterns(K, J, positive=positive_a)
    listed = {tuple(pattern.ravel().tolist()) for pattern in found.patterns()}
    assert listed == reached
    assert found.count == len(found.patterns()) == len(reached)
    everything = [np.reshape(s, (K, J)) for s in itertools.product((-1, 1), repeat=K * J)]
    assert found.all == len(everything)
    assert sum(s in found for s in everything) == found.count
    assert (found.bits, found.all_bits) == (np.log2(found.count), np.log2(found.all))


@given(arrays(np.float64, (1, 3), positive(np.float64)), arrays(np.float64, (1, 4)), st.booleans())
def test_every_pattern_of_a_pair_without_zeros_is_counted(delta_size, a, is_positive):
    assume((a != 0).all())
    a = abs(a) if is_positive else a
    for signs in itertools.product((-1, 1), repeat=3):
        assert sign_pattern(mg.WeightGradient(delta_size * signs, a)) in reachable_patterns(3, 4, is_positive)


@given(arrays(np.float64, (1, 4), finite(np.float64).filter(bool)))
def test_one_a_leaves_k_bits_whatever_its_signs(a):
    seen = set()
    for signs in itertools.product((-1, 1), repeat=3):
        pattern = sign_pattern(mg.WeightGradient(np.array([signs], float), a))
        np.testing.assert_array_equal(pattern, np.outer(signs, signs_of(a[0])))
        seen.add(pattern.tobytes())
    assert len(seen) == 2**3


def test_the_figures_of_the_theorem():
    small, tanh = reachable_patterns(2, 2), reachable_patterns(2, 2, positive=False)
    assert (small.count, tanh.count, small.all) == (4, 8, 16)
    assert (small.bits, tanh.bits, small.all_bits) == (2, 3, 4)
    large = reachable_patterns(100, 100), reachable_patterns(100, 100, positive=False)
    assert [large[0].bits, large[1].bits, large[0].all_bits] == [100, 199, 10_000]
    assert STRIPES not in small
    assert STRIPES in tanh
    assert ODD_ONE_OUT not in tanh
    with pytest.raises(ValueError, match="too many"):
        large[0].patterns()


# ---- converse ---------------------------------------------------------------------------------------------


def gives(pattern):
    return lambda pair: np.array_equal(signs_of(np.einsum("nk,nj->kj", *pair)), pattern)


@given(pairs("nonnegative", dtype=np.float64, N=1, K=2, J=2))
def test_stripes_are_out_of_reach_for_a_not_negative(pair):
    assert not np.array_equal(sign_pattern(mg.WeightGradient(*pair)), STRIPES)


def test_converse_a_of_both_signs_reaches_the_stripes():
    delta, a = find(pairs(dtype=np.float64, N=1, K=2, J=2), gives(STRIPES), settings=SEARCH)
    assert a.min() < 0 < a.max()
    np.testing.assert_array_equal(sign_pattern(mg.WeightGradient(delta, a)), STRIPES)


@given(pairs(dtype=np.float64, N=1, K=2, J=2))
def test_the_odd_one_out_is_out_of_reach_for_one_sample_of_any_sign(pair):
    assert not np.array_equal(sign_pattern(mg.WeightGradient(*pair)), ODD_ONE_OUT)


def test_converse_two_samples_reach_the_odd_one_out():
    both = st.tuples(whole((2, 2), -3, 3), whole((2, 2), 1, 5))
    delta, a = find(both, gives(ODD_ONE_OUT), settings=SEARCH)
    np.testing.assert_array_equal(sign_pattern(mg.WeightGradient(delta, a)), ODD_ONE_OUT)
