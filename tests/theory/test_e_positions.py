"""E, positions: P1 the sign rule over positions, P2 one sample is a batch, P3 the norm of a sum over positions.

P1. If a >= 0 and delta_k has no two opposite signs over the positions of a sample, row k of the sample's gradient
G_n = sum_p delta_np a_np^T is single-signed; so is row k of the batch's if that sign is the same for all samples.
Over all a > 0 it is an "if and only if" (J >= 2).

P2. rank G_n <= min(P, J, K); with a in general position and delta free a row meets exactly C(J, min(P, J)) patterns,
all 2^J from P >= J on.

P3. |G_n|^2 = <delta delta^T, a a^T>, of two Gram matrices (P, P); |G_n| <= |delta|_F |a|_F, for delta and a other than
0 with equality iff delta = u d^T and a = u e^T with one u.

Floats. P1 exactly: products keep their sign (A1) or become 0, and sums of numbers of one sign do too, in any order.
P2: the rank to rounding. P3: the square from the Gram matrices has an error of about eps (sum_p |delta_p| |a_p|)^2.

Converse. P1: for one fixed a a delta of both signs can leave the row single-signed; with a of both signs, or another
sign of delta in another sample, it is mixed. P2: equal inputs at all positions, and the rank is 1 again (A1). P3: the
same d and e with another u for a, and the product is only a bound.
"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, find, given
from hypothesis import strategies as st
from positions import pairs_with_positions, sample_gradients
from theory_strategies import CORES, DTYPES, SEARCH, arrays, finite, positive, whole

import minigrad as mg
from minigrad.diagnostics import is_reachable, pattern_count, single_signed_rows

# ---- P1: signs -------------------------------------------------------------------------------------------


def mixed(rows):
    return (rows > 0).any(axis=-1) & (rows < 0).any(axis=-1)


@st.composite
def of_one_sign(draw, same_for_all):
    """A pair of any finite floats with a >= 0, in which delta_nk has one sign over the positions of sample n, the same
    for all samples or not.
    """
    dtype = draw(st.sampled_from(DTYPES))
    g = draw(pairs_with_positions(finite(dtype), positive(dtype, zero=True), [(3,), (2, 2)], dtype))
    N, K = len(g.delta), g.delta.shape[-1]
    signs = draw(arrays(dtype, (1 if same_for_all else N, K), st.sampled_from([1.0, -1.0])))
    return mg.WeightGradient(np.abs(g.delta) * signs.reshape(-1, *[1] * (g.delta.ndim - 2), K), g.a)


@given(of_one_sign(same_for_all=False))
def test_one_sign_over_the_positions_keeps_the_rows_of_a_sample_single_signed(g):
    assert single_signed_rows(g, per_sample=True).all()
    assert single_signed_rows(g, per_position=True).all()
    assert not mixed(g.per_sample()).any(), "and so are the rounded sums"


@pytest.mark.parametrize("core", CORES, ids=lambda core: core.__name__)
@given(of_one_sign(same_for_all=True))
def test_one_sign_over_samples_and_positions_keeps_the_rows_of_the_batch_single_signed(core, g):
    assert not mixed(core.weight_gradient(g.delta, g.a)).any()
    assert single_signed_rows(g).all()


@st.composite
def deltas_of_both_signs(draw):
    """One row's delta (P,) of whole numbers, with both signs."""
    delta = draw(whole((draw(st.integers(2, 6)),)))
    assume(delta.min() < 0 < delta.max())
    return delta


@given(deltas_of_both_signs(), st.integers(2, 4))
def test_every_delta_of_both_signs_is_mixed_by_some_positive_inputs(delta, J):
    """The first input is large where delta is positive, all others where it is negative."""
    large = 1 + np.abs(delta).sum()
    a = np.where(delta[:, None] > 0, [large] + [1.0] * (J - 1), [1.0] + [large] * (J - 1))
    g = mg.WeightGradient(delta[None, :, None], a[None])
    assert not single_signed_rows(g, per_sample=True).any()
    assert g.weight[0, 0] > 0 > g.weight[0, 1:].max()


def test_converse_for_one_a_the_row_can_be_single_signed_although_delta_is_not():
    drawn = st.tuples(whole((1, 3, 1)), whole((1, 3, 2), 1, 9))
    delta, _ = find(
        drawn,
        lambda pair: single_signed_rows(mg.WeightGradient(*pair), per_sample=True).all() and mixed(pair[0][0, :, 0]),
        settings=SEARCH,
    )
    assert delta.min() < 0 < delta.max()


def test_converse_inputs_of_both_signs_mix_a_row_with_one_sign_of_delta():
    drawn = st.tuples(whole((1, 2, 1), 0, 9), whole((1, 2, 2)))
    _, a = find(
        drawn, lambda pair: not single_signed_rows(mg.WeightGradient(*pair), per_sample=True).all(), settings=SEARCH
    )
    assert a.min() < 0 < a.max()


def test_converse_another_sign_in_another_sample_mixes_the_batch():
    drawn = st.tuples(whole((2, 1), 1, 9), whole((2, 2, 2), 1, 9))

    def found(pair):
        delta = np.repeat(pair[0][:, None] * [[[1.0]], [[-1.0]]], 2, axis=1)
        g = mg.WeightGradient(delta, pair[1])
        return single_signed_rows(g, per_sample=True).all() and not single_signed_rows(g).any()

    find(drawn, found, settings=SEARCH)


# ---- P2: rank and patterns -------------------------------------------------------------------------------


def exact_rank(matrix):
    """The rank of a matrix of whole numbers, by elimination in fractions."""
    rows, rank = [[Fraction(int(v)) for v in row] for row in matrix], 0
    for j in range(len(rows[0])):
        pivot = next((row for row in rows if row[j]), None)
        if pivot is not None:
            rank += 1
            rows = [
                [v - row[j] / pivot[j] * w for v, w in zip(row, pivot, strict=True)] for row in rows if row is not pivot
            ]
        if not rows:
            break
    return rank


@given(pairs_with_positions())
def test_the_rank_is_at_most_the_number_of_positions(g):
    P, K, J = int(np.prod(g.delta.shape[1:-1])), g.delta.shape[-1], g.a.shape[-1]
    for G in sample_gradients(g):
        assert exact_rank(G) <= min(P, K, J)
    for G in g.per_sample():
        assert np.linalg.matrix_rank(G) <= min(P, K, J)


@pytest.mark.parametrize(("P", "K", "J"), [(1, 3, 4), (2, 3, 4), (3, 3, 4), (5, 3, 4), (4, 5, 3)])
def test_the_rank_is_attained(P, K, J, rng):
    g = mg.WeightGradient(rng.integers(-9, 10, (1, P, K)).astype(float), rng.integers(-9, 10, (1, P, J)).astype(float))
    assert exact_rank(g.per_sample()[0]) == min(P, K, J)


def patterns_met(a):
    """How many of the 2^J patterns without zeros a row of the gradient of a sample with inputs a (1, P, J) can have."""
    J = a.shape[-1]
    return int(is_reachable(1.0 - 2 * ((np.arange(2**J)[:, None] >> np.arange(J)) & 1), a).rows.sum())


@pytest.mark.parametrize(("P", "expected"), [(1, 2), (2, 8), (3, 14), (4, 16), (5, 16)])
@pytest.mark.parametrize("low", [-1.0, 0.1])
def test_a_row_meets_as_many_patterns_as_a_batch_of_its_positions(P, expected, low, rng):
    """J = 4, inputs of both signs or positive ones, in general position: the numbers are the same."""
    pytest.importorskip("scipy")
    assert pattern_count(4, P) == expected
    assert patterns_met(rng.uniform(low, 1, (1, P, 4))) == expected


def test_converse_equal_inputs_at_all_positions_have_rank_one(rng):
    pytest.importorskip("scipy")
    a = np.repeat(rng.standard_normal((1, 1, 4)), 3, axis=1)
    assert patterns_met(a) == 2
    whole_numbers = np.repeat(rng.integers(1, 9, (1, 1, 4)), 3, axis=1).astype(float)
    assert (
        exact_rank(mg.WeightGradient(rng.integers(-9, 10, (1, 3, 3)).astype(float), whole_numbers).per_sample()[0]) == 1
    )


# ---- P3: the norm ----------------------------------------------------------------------------------------


def exact_square(G):
    return sum(Fraction(float(v)) ** 2 for v in G.ravel())


def gram_square(delta, a):
    """<delta delta^T, a a^T> of one sample."""
    return ((delta @ delta.T) * (a @ a.T)).sum()


@given(pairs_with_positions())
def test_the_square_from_the_gram_matrices_and_its_bound(g):
    """Whole numbers, so that both squares are exact."""
    delta, a = (v.reshape(len(v), -1, v.shape[-1]).astype(float) for v in (g.delta, g.a))
    norms = g.per_sample_norms().astype(float)
    for n, G in enumerate(sample_gradients(g)):
        square = exact_square(G)
        assert gram_square(delta[n], a[n]) == square
        assert norms[n] == pytest.approx(float(square) ** 0.5, rel=1e-6 if g.delta.dtype == np.float32 else 1e-13)
        assert square <= np.square(delta[n]).sum() * np.square(a[n]).sum()


vectors = st.integers(1, 4).flatmap(lambda size: whole((size,), -5, 5))


@given(vectors, vectors, vectors, vectors)
def test_the_product_is_the_norm_iff_both_share_one_u(u, v, d, e):
    """delta = u d^T, a = v e^T: |G| = |u . v| |d| |e|, and |delta| |a| = |u| |v| |d| |e|: Cauchy and Schwarz."""
    v = np.resize(v, u.shape)
    assume(u.any() and v.any() and d.any() and e.any())
    square = exact_square(sample_gradients(mg.WeightGradient(np.outer(u, d)[None], np.outer(v, e)[None]))[0])
    product = (u @ u) * (v @ v) * (d @ d) * (e @ e)
    assert (square == product) == (exact_rank(np.stack([u, v])) == 1)


@given(pairs_with_positions(shapes=[(2,), (3,)], N=1))
def test_with_equality_both_have_rank_one_and_one_u(g):
    """The "only if" for any delta and a: where they are equal, all columns of both are multiples of one u."""
    delta, a = g.delta[0].astype(float), g.a[0].astype(float)
    assume(delta.any() and a.any())
    square = exact_square(sample_gradients(g)[0])
    equal = square == np.square(delta).sum() * np.square(a).sum()
    assert equal == (exact_rank(np.hstack([delta, a])) == 1)


def test_converse_goodfellow_s_product_can_be_far_off():
    """Two positions that cancel nearly: 1 % of the product is left. With one position it is exact."""
    delta, a = np.array([[[1.0], [-0.98]]]), np.ones((1, 2, 3))
    g = mg.WeightGradient(delta, a)
    product = np.linalg.norm(delta) * np.linalg.norm(a)
    assert g.per_sample_norms()[0] / product == pytest.approx(0.02 / 2**0.5 / np.linalg.norm(delta))
    one = mg.WeightGradient(delta[:, :1], a[:, :1])
    assert one.per_sample_norms()[0] == pytest.approx(np.linalg.norm(delta[0, 0]) * np.linalg.norm(a[0, 0]), rel=1e-15)


def nearly_cancelling(left, rng, K=30, J=40):
    """One sample with two nearly opposite positions: its norm is about `left` times sum_p |delta_p| |a_p|."""
    delta, a = rng.standard_normal((2, 2, K)), rng.standard_normal((1, J))
    delta[:, 1] = -delta[:, 0] + 2 * left * delta[:, 1]
    return delta[:1], np.repeat(a, 2, axis=0)[None]


@pytest.mark.parametrize("left", [1e-6, 1e-9, 1e-12])
def test_figure_where_the_gram_form_has_no_digits_left_the_instrument_has_some(left, rng):
    """At 1e-6 the Gram form has lost most of its digits, at 1e-9 all; per_sample_norms forms the sum there."""
    delta, a = nearly_cancelling(left, rng)
    truth = (
        float(
            sum(
                sum(Fraction(d) * Fraction(v) for d, v in zip(delta[0, :, k], a[0, :, j], strict=True)) ** 2
                for k in range(delta.shape[2])
                for j in range(a.shape[2])
            )
        )
        ** 0.5
    )
    assert mg.WeightGradient(delta, a).per_sample_norms()[0] == pytest.approx(truth, rel=1e-15 / left + 1e-12)
    error = abs(max(gram_square(delta[0], a[0]), 0.0) ** 0.5 / truth - 1)
    assert error > 1e-6 if left == 1e-6 else error > 0.3
