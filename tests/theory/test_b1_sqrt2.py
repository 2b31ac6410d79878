"""B1, the square root of two: the most that the sign rule can cost in length.

Statement. Let d in R^J be where a row of weights has to go, d = d+ - d- with d+, d- >= 0. The paths to d whose
steps are each in the (closed) positive or negative orthant have length |d+| + |d-| or more; one of the shortest has
one reversal at most, and  |d| <= |d+| + |d-| <= sqrt(2) |d|. The factor belongs to the Euclidean norm: it is 1 in
the 1-norm and up to 2 in the maximum norm.  The nearest single-signed direction to d is d+ or
-d-, whichever is longer, and lies within 45 degrees of d. Both bounds are attained at |d+| = |d-|.

Floats. d = d+ + (-d-) is exact; the ratio and the cosine obey their bounds to 4 ulp for all finite d, since
the instrument scales by max |d_j| first.

Converse. Without the sign rule the way is |d| long; with the positive orthant alone most d cannot be reached. With
steps inside the open orthants (a > 0) the length is approached and not attained where d has both signs.
"""

import numpy as np
from hypothesis import assume, find, given
from hypothesis import strategies as st
from theory_strategies import SEARCH, arrays, finite, matrices, whole

from minigrad.diagnostics import ZigZag, sign_detour

ULPS = 4 * np.finfo(float).eps
vectors = arrays(np.float64, st.integers(1, 6), finite(np.float64))


@given(vectors)
def test_the_detour_is_at_most_the_square_root_of_two(d):
    """All finite floats."""
    assume(d.any())
    detour = sign_detour(d)
    assert 1 - ULPS <= detour.ratio <= np.sqrt(2) * (1 + ULPS)
    assert np.sqrt(0.5) * (1 - ULPS) <= detour.cosine <= 1 + ULPS


@given(vectors)
def test_two_legs_of_one_sign_each_lead_exactly_to_d(d):
    plus, minus = sign_detour(d).legs
    assert (plus >= 0).all()
    assert (minus <= 0).all()
    np.testing.assert_array_equal(plus + minus, d)
    if np.abs(d).max() < 1e100:
        assert ZigZag.of_updates([plus, minus]).reversals.item() <= 1


@given(matrices(rows=st.integers(1, 6), low=0), st.data())
def test_no_path_of_single_signed_steps_is_shorter(steps, data):
    signs = data.draw(st.lists(st.sampled_from((-1, 1)), min_size=len(steps), max_size=len(steps)))
    steps = steps * np.array(signs)[:, None]
    length = np.linalg.norm(steps, axis=1).sum()
    assert length >= sign_detour(steps.sum(axis=0)).length * (1 - 1e-12)


@given(whole((4,)), whole((4,), 0, 9), st.sampled_from((-1, 1)))
def test_no_single_signed_direction_is_nearer(d, direction, sign):
    assume(d.any())
    assume(direction.any())
    cosine = sign * d @ direction / np.linalg.norm(d) / np.linalg.norm(direction)
    assert cosine <= sign_detour(d).cosine + 1e-12


@given(matrices())
def test_rows_are_judged_one_by_one_and_a_layer_moves_them_together(D):
    """All rows may share the two legs, so that a whole layer pays no more than sqrt(2) |D| either."""
    assume(D.any())
    detour = sign_detour(D)
    for row, length in zip(D, detour.length, strict=True):
        np.testing.assert_allclose(length, sign_detour(row).length, rtol=1e-15)
    together = np.linalg.norm(detour.legs, axis=(1, 2)).sum()
    assert together <= np.sqrt(2) * np.linalg.norm(D) * (1 + ULPS)


def test_both_bounds_are_attained_at_opposite_halves():
    detour = sign_detour([3.0, -3.0])
    np.testing.assert_allclose([detour.ratio, detour.cosine], [np.sqrt(2), np.sqrt(0.5)], rtol=1e-15)
    assert np.isnan(sign_detour([0.0, 0.0]).ratio)


@given(whole((4,)))
def test_in_other_norms_the_factor_is_1_and_2(d):
    assume(d.any())
    plus, minus = sign_detour(d).legs
    assert abs(plus).sum() + abs(minus).sum() == abs(d).sum()
    ratio = (abs(plus).max() + abs(minus).max()) / abs(d).max()
    assert 1 <= ratio <= 2
    assert (ratio == 2) == (d.max() == -d.min())


@given(whole((3,)), st.floats(1e-6, 1))
def test_converse_steps_with_no_entry_0_approach_the_length_and_do_not_attain_it(d, extra):
    """A step up by d+ + extra, and one down by d- + extra."""
    assume(d.min() < 0 < d.max())
    plus, minus = sign_detour(d).legs
    length = np.linalg.norm(plus + extra) + np.linalg.norm(minus - extra)
    shortest = sign_detour(d).length
    assert shortest < length <= shortest + 2 * np.sqrt(3) * extra


def test_converse_without_the_rule_the_straight_way_is_shorter():
    d = find(whole((3,)), lambda d: sign_detour(d).length > 1.4 * np.linalg.norm(d), settings=SEARCH)
    assert d.min() < 0 < d.max()
    assert ZigZag.of_updates([d / 2, d / 2]).ratio == 1


def test_converse_with_the_positive_orthant_alone_45_degrees_do_not_hold():
    d = find(whole((3,)), lambda d: 0 < np.linalg.norm(np.maximum(d, 0)) < 0.2 * np.linalg.norm(d), settings=SEARCH)
    best = np.linalg.norm(np.maximum(d, 0)) / np.linalg.norm(d)
    assert best < np.sqrt(0.5) <= sign_detour(d).cosine
    other = np.linalg.norm(np.minimum(d, 0)) / np.linalg.norm(d)  # the opposite orthant is the near one
    np.testing.assert_allclose(sign_detour(d).cosine, other, rtol=1e-12)
