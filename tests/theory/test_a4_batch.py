"""A4, the mini-batch: what a sum over samples does to the signs of a row, and which patterns it can reach.

Statement. (a) If all delta_nk of neuron k have one sign and a >= 0, row k of G is single-signed. (b) With P_j
the sum of delta a_j over the samples with delta > 0 and N_j that of |delta| a_j over those with delta < 0,
the row is single-signed iff P_j - N_j has one sign for all j. If 0 < lo <= a <= hi, then sum_+ delta >=
(hi/lo) sum_- |delta| is enough (strictly positive with >), and for J >= 2 no smaller factor is: below it, and above
lo/hi, some inputs in [lo, hi] give a mixed row. (c) For inputs A (N, J) of rank r with columns in general
position and free delta a row meets exactly C(J, r) = 2 sum_{i<r} C(J-1, i) patterns without zeros (Cover
1965), whatever the signs of A; A > 0 only puts all-plus and all-minus among them. Pattern s is unreachable
iff some y >= 0, y != 0 has A (s*y) = 0 (Gordan). For A >= 0 and normal delta of mean 0 no pattern is more probable
than all-plus (Slepian 1962); how much more probable it is depends on A.

Floats. (a) holds exactly, for all finite floats, in any order of summation, with FMA, and when the sum
overflows: rounding is monotone, so a rounded sum of terms >= 0 is >= 0.

Converse. Two signs of delta mix a row; a of both signs does even with one sign of delta; columns that are not
in general position have fewer patterns; and for A of both signs all-plus can be out of reach. For the nearly orthogonal
inputs [[1, .05], [.05, 1]] all four patterns are about equally probable; with a skewed delta two mixed ones are
more probable than all-plus.
"""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, find, given
from hypothesis import strategies as st
from theory_strategies import CORES, SEARCH, arrays, exact, integer_pairs, pairs, positive, seeds, signs_of, whole

import minigrad as mg
from minigrad.diagnostics import is_reachable, pattern_count, sign_pattern, single_signed_rows

by_core = pytest.mark.parametrize("core", CORES, ids=lambda core: core.__name__.rsplit(".", 1)[-1])


def mixed(G):
    return (G > 0).any(axis=-1) & (G < 0).any(axis=-1)


# ---- (a) one sign of delta --------------------------------------------------------------------------------


@by_core
@given(pair=pairs("nonnegative"), negative=st.booleans())
def test_one_sign_of_delta_keeps_every_row_single_signed(core, pair, negative):
    """All finite floats, sums that overflow included."""
    delta, a = abs(pair[0]) * (-1 if negative else 1), pair[1]
    with np.errstate(all="ignore"):
        G = core.weight_gradient(delta, a)
    assert (G <= 0).all() if negative else (G >= 0).all()
    assert single_signed_rows(G).all()


@by_core
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("N", "K", "J"), [(3, 70, 65), (130, 64, 70), (257, 9, 33)])
def test_the_same_for_shapes_that_go_through_blas_or_have_tails(core, dtype, N, K, J):
    rng, top = np.random.default_rng(0), np.finfo(dtype).maxexp
    sizes = [np.ldexp(rng.random((N, n)), rng.integers(-top, top // 2, (N, n))).astype(dtype) for n in (K, J)]
    sign = rng.choice([-1, 1], K).astype(dtype)
    with np.errstate(all="ignore"):
        G = core.weight_gradient(sizes[0] * sign, sizes[1])
    assert (G * sign[:, None] >= 0).all()


def rounded(value):
    """A Fraction as the nearest float64; beyond the largest, infinity."""
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


@pytest.mark.proof_check
@given(
    arrays(np.float64, 6, positive(np.float64, zero=True)),
    arrays(np.float64, 6, positive(np.float64, zero=True)),
    st.booleans(),
    st.data(),
)
def test_in_any_order_and_with_fused_multiply_add(delta, a, negative, data):
    """A random tree of additions; wherever a single product joins it, fused or not, as drawn."""
    sign = -1 if negative else 1
    with np.errstate(all="ignore"):
        terms = [(sign * x * y, (sign * x, y)) for x, y in zip(delta, a, strict=True)]
        while len(terms) > 1:
            (left, _), (right, product) = (
                terms.pop(data.draw(st.integers(0, len(terms) - 1), label="next")) for _ in range(2)
            )
            if product is not None and np.isfinite(left) and data.draw(st.booleans(), label="fused"):
                total = rounded(Fraction(product[0]) * Fraction(product[1]) + Fraction(left))
            else:
                total = left + right
            terms.append((np.float64(total), None))
    assert sign * terms[0][0] >= 0


def test_converse_two_signs_of_delta_mix_a_row_of_positive_inputs():
    both = st.tuples(whole((2, 1)), whole((2, 2), 1, 9))
    delta, a = find(both, lambda pair: mixed(mg.WeightGradient(*pair).weight).any(), settings=SEARCH)
    assert delta.min() < 0 < delta.max()


def test_converse_inputs_of_both_signs_mix_a_row_with_one_sign_of_delta():
    both = st.tuples(whole((2, 1), 0, 9), whole((2, 2)))
    _, a = find(both, lambda pair: not single_signed_rows(mg.WeightGradient(*pair)).all(), settings=SEARCH)
    assert a.min() < 0 < a.max()


# ---- (b) the criterion ------------------------------------------------------------------------------------


@given(integer_pairs(a_low=0))
def test_a_row_is_single_signed_iff_p_minus_n_has_one_sign(pair):
    """Whole numbers, so that the sums are exact."""
    delta, a = pair
    P, M = np.maximum(delta, 0).T @ a, np.maximum(-delta, 0).T @ a
    one_sign = (P >= M).all(axis=1) | (P <= M).all(axis=1)
    np.testing.assert_array_equal(single_signed_rows(mg.WeightGradient(delta, a)), one_sign)


@st.composite
def bounded(draw):
    """(delta (N,), lo, hi) of whole numbers, 0 < lo <= hi."""
    lo = draw(st.integers(1, 5))
    return draw(whole((draw(st.integers(1, 6)),), -20, 20)), lo, draw(st.integers(lo, 9))


@given(bounded(), st.data())
def test_enough_of_one_sign_makes_the_row_single_signed(drawn, data):
    delta, lo, hi = drawn
    plus, minus = delta[delta > 0].sum(), -delta[delta < 0].sum()
    if plus * lo < minus * hi:  # raise one entry until the condition holds, with equality or a little more
        delta = np.append(delta, np.ceil((minus * hi - plus * lo) / lo) + data.draw(st.integers(0, 1)))
        plus = delta[delta > 0].sum()
    a = data.draw(whole((len(delta), 4), lo, hi))
    row = mg.WeightGradient(delta[:, None], a).weight[0]
    assert (row > 0).all() if plus * lo > minus * hi else (row >= 0).all()


@given(bounded())
def test_no_smaller_factor_is_enough(drawn):
    """Between lo/hi and hi/lo these two columns, with entries lo and hi only, have opposite signs: J >= 2."""
    delta, lo, hi = drawn
    delta = np.append(delta, [1, -1])  # so that there are both signs
    plus, minus = delta[delta > 0].sum(), -delta[delta < 0].sum()
    hi = max(hi, lo * max(plus, minus) // min(plus, minus) + 1)
    a = np.stack([np.where(delta > 0, lo, hi), np.where(delta > 0, hi, lo)], axis=1).astype(float)
    row = mg.WeightGradient(delta[:, None], a).weight[0]
    assert row[0] < 0 < row[1]


# ---- (c) which patterns -----------------------------------------------------------------------------------

scipy = pytest.mark.usefixtures("needs_scipy")


@pytest.fixture(scope="module")
def needs_scipy():
    pytest.importorskip("scipy")


def determinant(rows):
    if len(rows) == 1:
        return rows[0][0]
    minors = (determinant([row[:j] + row[j + 1 :] for row in rows[1:]]) for j in range(len(rows)))
    return sum((-1) ** j * rows[0][j] * minor for j, minor in enumerate(minors))


def general_position(A):
    """Is every square block of N columns regular? Decided in whole numbers."""
    N, J = A.shape
    blocks = (A[:, list(c)].astype(int).tolist() for c in itertools.combinations(range(J), N))
    return all(determinant(block) != 0 for block in blocks)


@st.composite
def inputs(draw, low, N=None):
    """A (N, J) of whole numbers with columns in general position."""
    N = draw(st.integers(1, 3)) if N is None else N
    A = draw(whole((N, draw(st.integers(N, 5))), low, 30))
    assume(general_position(A))
    return A


def sweep(A):
    """All patterns without zeros of two samples, (P, J), in whole numbers: one delta between any two
    neighbouring
    directions in which some entry of delta @ A vanishes, going round the circle."""
    edges = [tuple(map(int, v)) for x, y in A.T for v in ((-y, x), (y, -x))]
    edges.sort(key=lambda v: np.arctan2(v[1], v[0]))
    patterns = set()
    for (x, y), (u, v) in zip(edges, edges[1:] + edges[:1], strict=True):
        between = (x + u, y + v) if x * v != y * u or x * u + y * v > 0 else (-y, x)
        found = signs_of(np.array(between) @ A.astype(int))
        if found.all():
            patterns.add(tuple(found.tolist()))
    return patterns


@given(st.one_of(inputs(-30, N=2), inputs(1, N=2)))
def test_two_samples_meet_exactly_cover_s_number_whatever_the_signs_of_the_inputs(A):
    assert len(sweep(A)) == pattern_count(A.shape[1], 2) == 2 * A.shape[1]


@scipy
@given(st.one_of(inputs(-30), inputs(1)), st.data())
def test_the_linear_program_or_the_certificate_and_never_both(A, data):
    s = data.draw(st.tuples(*[st.sampled_from((-1, 1))] * A.shape[1]))
    answer = is_reachable(s, A)
    if answer:
        assert (signs_of(exact(answer.delta[:, 0]) @ exact(A)) == s).all(), "the witness, without rounding"
        assert not answer.certificate.any()
    else:
        y = answer.certificate[0]
        assert (y >= 0).all()
        assert abs(y.sum() - 1) < 1e-12
        assert abs(A / np.linalg.norm(A, axis=0) @ (s * y)).max() < 1e-12
    if len(A) == 2:
        assert bool(answer) == (s in sweep(A))


@scipy
@pytest.mark.parametrize("low", [-30, 1])
@pytest.mark.parametrize(("N", "J"), [(1, 4), (2, 5), (3, 5), (4, 4)])
def test_all_patterns_counted_one_by_one(low, N, J):
    rng = np.random.default_rng(J)
    A = next(A for A in (rng.integers(low, 30, (N, J)) for _ in range(99)) if general_position(A))
    reached = is_reachable(list(itertools.product((-1, 1), repeat=J)), A).rows
    assert reached.sum() == pattern_count(J, N)
    if low > 0:
        assert reached[0]  # all-minus
        assert reached[-1]  # all-plus


@scipy
@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 6)), st.floats(0.01, 1)))
def test_positive_inputs_always_reach_all_plus_and_all_minus(A):
    assert is_reachable(np.ones(A.shape[1]), A)
    assert is_reachable(-np.ones(A.shape[1]), A)


@scipy
def test_converse_inputs_of_both_signs_need_not_reach_all_plus():
    A = find(whole((2, 3)), lambda A: general_position(A) and (1,) * A.shape[1] not in sweep(A), settings=SEARCH)
    assert A.min() < 0
    assert not is_reachable(np.ones(3), A)


def test_converse_two_equal_columns_have_fewer_patterns():
    A = np.array([[1.0, 1.0, 2.0], [3.0, 3.0, 1.0]])
    assert (len(sweep(A)), pattern_count(3, 2)) == (4, 6)


@pytest.mark.parametrize(("N", "expected"), [(2, 0.30), (32, 0.16)])
def test_all_plus_takes_far_more_of_the_probability_than_any_other_pattern(N, expected):
    """Sigmoid of N(0, 1), J = 100, normal delta. The standard error of 2000 draws is .01."""
    rng = np.random.default_rng(0)
    a = mg.sigmoid(rng.standard_normal((2000, N, 100)))
    delta = rng.standard_normal((2000, N, 1))
    row = np.vstack([mg.WeightGradient(d, inputs).weight for d, inputs in zip(delta, a, strict=True)])
    assert abs((row > 0).all(axis=1).mean() - expected) < 0.035
    others = row[mixed(row)]
    assert np.unique(others > 0, axis=0, return_counts=True)[1].max() <= 0.05 * (row > 0).all(axis=1).sum()


def shares(A, delta):
    """{pattern: its share} among the rows of the gradient; delta (N, K), a neuron for each draw."""
    rows = sign_pattern(mg.WeightGradient(delta, A))
    return {s: (rows == s).all(axis=1).mean() for s in itertools.product((-1, 1), repeat=A.shape[1])}


def pair_shares(A):
    """The probabilities of the patterns (+, +), (+, -), (-, +), (-, -) of a row of two entries, normal delta."""
    H = A.T @ A
    alike = 0.25 + np.arcsin(H[0, 1] / np.sqrt(H[0, 0] * H[1, 1])) / (2 * np.pi)  # Sheppard 1899
    return np.array([alike, 0.5 - alike, 0.5 - alike, alike])


@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.just(3)), st.floats(0.01, 1)), seeds)
def test_no_pattern_is_more_probable_than_all_plus_for_inputs_of_one_sign(A, seed):
    """2000 normal deltas: the standard error of a difference is below .022."""
    share = shares(A, np.random.default_rng(seed).standard_normal((len(A), 2000)))
    assert max(share.values()) <= share[1, 1, 1] + 0.11


def test_converse_nearly_orthogonal_inputs_make_all_plus_hardly_more_probable():
    A = np.array([[1, 0.05], [0.05, 1]])
    np.testing.assert_allclose(pair_shares(A), [0.2659, 0.2341, 0.2341, 0.2659], atol=5e-5)
    share = shares(A, np.random.default_rng(0).standard_normal((2, 100_000)))
    measured = [share[s] for s in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
    np.testing.assert_allclose(measured, pair_shares(A), atol=0.006)


def test_converse_with_a_skewed_delta_mixed_patterns_are_more_probable_than_all_plus():
    A = np.array([[1, 0.05], [0.05, 1]])
    share = shares(A, np.random.default_rng(0).standard_exponential((2, 100_000)) - 1)
    assert share[1, 1] < 0.16 < 0.21 < share[1, -1]
    assert share[-1, 1] > 0.21


def test_converse_inputs_of_both_signs_make_a_mixed_pattern_the_most_probable():
    A = np.array([[1.0, -1.0], [0.5, 0.2]])
    share = shares(A, np.random.default_rng(0).standard_normal((2, 10_000)))
    assert max(share, key=share.get) in ((1, -1), (-1, 1))


@given(seeds)
def test_cover_counts_what_rank_deficient_batches_reach(seed):
    """r is the rank: a repeated sample adds nothing."""
    rng = np.random.default_rng(seed)
    A = rng.random((1, 6))
    row = rng.standard_normal((50, 3)) @ np.vstack([A, 2 * A, 5 * A])
    assert len(np.unique(signs_of(row), axis=0)) <= pattern_count(6, 1) == 2
