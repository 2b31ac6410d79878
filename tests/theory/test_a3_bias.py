"""A3, the bias: it is a weight from the constant input 1, and its gradient carries the single-signed part.

Statement. dC/db_k is the weight gradient of an input that is always 1, so A1 and A4 hold for it. Exactly, for
any delta and a,   G_k = dC/db_k mean(a) + (1/N) sum_n delta_nk (a_n - mean(a)).   For a >= 0 the first part
is single-signed; the second is the covariance of delta and a: a constant added to delta, or to a, leaves it
alone.

Floats. The identity holds to rounding: the error of each entry is within a few N eps of the sum of the
absolute values that enter it. The first part is single-signed exactly, for all a whose mean is finite.

Converse. A mean of both signs gives a mixed first part; and the mean is the only centre that makes the rest
independent of the level of delta.
"""

import numpy as np
import pytest
from hypothesis import assume, find, given
from hypothesis import strategies as st
from theory_strategies import CORES, SEARCH, arrays, exact, integer_pairs, pairs, signs_of, unit_pairs, whole

import minigrad as mg
from minigrad.diagnostics import mean_fluctuation_split

by_core = pytest.mark.parametrize("core", CORES, ids=lambda core: core.__name__.rsplit(".", 1)[-1])
both_kinds = st.one_of(unit_pairs(), integer_pairs())


def parts(delta, a):
    """Gradient, first and second part from their definitions, as Fractions; and the size that rounding
    scales with."""
    d, x, N = exact(delta), exact(a), len(a)
    b, mean = d.sum(axis=0) / N, x.sum(axis=0) / N
    rest = d.T @ (x - mean) / N
    size = 2 * (abs(d).T @ (abs(x) + abs(mean))) / N
    return d.T @ x / N, np.outer(b, mean), rest, np.array(size, dtype=float)


def assert_close(found, expected, size, N):
    error = np.array(abs(exact(found) - expected), dtype=float)
    assert (error <= 4 * (N + 2) * np.finfo(float).eps * size).all()


@pytest.mark.proof_check
@given(both_kinds)
def test_the_identity_is_exact_without_rounding(pair):
    G, mean_part, rest, _ = parts(*pair)
    np.testing.assert_array_equal(G, mean_part + rest)


@given(both_kinds)
def test_the_instrument_gives_both_parts_and_their_sum_is_the_gradient(pair):
    delta, a = pair
    g = mg.WeightGradient(delta, a)
    split = mean_fluctuation_split(g)
    G, mean_part, rest, size = parts(delta, a)
    for found, expected in (
        (g.weight, G),
        (split.mean_part, mean_part),
        (split.fluctuation, rest),
        (split.mean_part + split.fluctuation, G),
    ):
        assert_close(found, expected, size, len(a))


@by_core
@given(pair=both_kinds)
def test_the_bias_is_a_weight_from_the_input_1(core, pair):
    delta, a = pair
    ones = np.hstack([a, np.ones((len(a), 1))])
    as_weight = core.weight_gradient(delta, ones)[:, -1]
    exactly = exact(delta).sum(axis=0) / len(delta)
    assert_close(as_weight, exactly, abs(delta).mean(axis=0), len(a))
    assert_close(core.bias_gradient(delta), exactly, abs(delta).mean(axis=0), len(a))


@given(pairs("nonnegative"))
def test_the_first_part_is_single_signed_for_a_not_negative(pair):
    """All finite a up to 1e-2 of the largest float, so that their mean is finite."""
    delta, a = pair
    assume(a.max() <= np.finfo(a.dtype).max / 100)
    with np.errstate(all="ignore"):
        g = mg.WeightGradient(delta, a)
        b = g.bias
        assume(np.isfinite(b).all())
        part = mean_fluctuation_split(g).mean_part
    assert not ((part > 0).any(axis=1) & (part < 0).any(axis=1)).any()
    assert (signs_of(part) * signs_of(b)[:, None] >= 0).all()


@given(integer_pairs(), st.integers(-9, 9), st.integers(-9, 9))
def test_a_constant_added_to_delta_or_to_a_leaves_the_second_part_alone(pair, to_delta, to_a):
    delta, a = pair
    for moved in ((delta + to_delta, a), (delta, a + to_a)):
        rest = mean_fluctuation_split(mg.WeightGradient(*moved)).fluctuation
        _, _, expected, size = parts(delta, a)
        assert_close(rest, expected, size + 40 * abs(to_delta) + 40 * abs(to_a) + 1, len(a))


@given(unit_pairs())
def test_the_share_of_the_mean_is_a_share(pair):
    share = mean_fluctuation_split(mg.WeightGradient(*pair)).share
    assert share.shape == pair[0].shape[1:]
    assert ((share >= 0) & (share <= 1))[~np.isnan(share)].all()


# ---- converse ---------------------------------------------------------------------------------------------


def test_converse_a_mean_of_both_signs_gives_a_mixed_first_part():
    def mixed(pair):
        part = mean_fluctuation_split(mg.WeightGradient(*pair)).mean_part
        return ((part > 0).any(axis=1) & (part < 0).any(axis=1)).any()

    delta, a = find(integer_pairs(), mixed, settings=SEARCH)
    mean = a.mean(axis=0)
    assert mean.min() < 0 < mean.max()


@pytest.mark.proof_check
@given(arrays(np.float64, (3, 2), st.integers(-9, 9).map(float)), whole((2,)))
def test_converse_no_other_centre_makes_the_rest_independent_of_the_level_of_delta(a, centre):
    assume((centre * 3 != a.sum(axis=0)).any())
    one_more = np.ones((3, 1)).T @ (a - centre)  # what adding 1 to delta adds to the rest, times N
    assert one_more.any()
