"""B2, the tube: many zig-zags need a narrow valley, not merely a sign rule.

Statement. A path of single-signed steps starts and ends on a line of unit direction u. Let w_i be its
distance from the line at its i-th reversal (where steps >= 0 give way to steps <= 0, or back) and L the
distance it gains along u. Then  L |u+| |u-| <= sum_i w_i;  so if all reversals lie within eps of the line
there are at least (L / eps) |u+| |u-| of them. This is attained for every u and every whole number of
reversals: the legs are multiples of u+ and of -u-, from wall to wall. A positive leg between points at
distances w, w' gains at most (w + w') |u+| / |u-|, a negative one at most (w + w') |u-| / |u+|. On the
diagonal of the plane, L = 1, eps = .1: 5 reversals, 6 legs; 5 legs are enough only for a path that may begin
and end at the walls.

Floats. Checked to a relative 1e-9 for directions of small whole numbers; the instrument's legs are exact
multiples.

Converse. In a wide tube one reversal does, however long the way (B1); without the sign rule none is needed;
nor for a single-signed u.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from theory_strategies import matrices, whole

from minigrad.diagnostics import ZigZag, fewest_reversals, tube_legs

mixed = whole((4,)).filter(lambda u: u.min() < 0 < u.max())
lengths, widths = st.floats(0.1, 100), st.floats(0.05, 10)


def size_of_parts(u):
    return np.linalg.norm(np.maximum(u, 0)), np.linalg.norm(np.minimum(u, 0))


def off_line(points, u):
    return np.linalg.norm(points - np.outer(points @ u, u), axis=1)


@given(matrices(rows=st.integers(2, 7), columns=st.integers(2, 4), low=0))
def test_the_gain_is_bounded_by_the_distances_at_the_reversals(legs):
    """Any path of alternating legs; the line is the one from its start to its end."""
    legs = legs * np.where(np.arange(len(legs)) % 2 == 0, 1, -1)[:, None]
    points = np.cumsum(legs, axis=0)
    assume(points[-1].any())
    L = np.linalg.norm(points[-1])
    u = points[-1] / L
    plus, minus = size_of_parts(u)
    distances = off_line(points[:-1], u)
    assert L * plus * minus <= distances.sum() * (1 + 1e-9)
    if distances.max() > 0:
        assert fewest_reversals(u, L, distances.max() * (1 + 1e-9)) <= len(legs) - 1


@pytest.mark.proof_check
@given(mixed, matrices(rows=st.just(2), columns=st.just(4), low=0), whole((4,)))
def test_one_leg_gains_no_more_than_its_two_ends_allow(u, both, start):
    u = u / np.linalg.norm(u)
    plus, minus = size_of_parts(u)
    for leg, best in ((both[0], plus / minus), (-both[1], minus / plus)):
        ends = off_line(np.array([start, start + leg]), u)
        assert leg @ u <= best * ends.sum() * (1 + 1e-9) + 1e-9


@given(mixed, lengths, widths)
def test_the_bound_is_attained_for_every_direction(u, length, eps):
    legs = tube_legs(u, length, eps)
    unit = u / np.linalg.norm(u)
    points = np.cumsum(legs, axis=0)
    plus, minus = size_of_parts(unit)
    bound = length / eps * plus * minus
    reversals = fewest_reversals(u, length, eps)
    assert bound * (1 - 1e-9) <= reversals < bound + 1
    assert ((legs >= 0).all(axis=1) | (legs <= 0).all(axis=1)).all()
    assert ZigZag.of_updates(legs).reversals.item() == reversals == len(legs) - 1
    np.testing.assert_allclose(points[-1], unit * length, rtol=1e-9, atol=1e-9)
    assert off_line(points[:-1], unit).max() <= eps * (1 + 1e-9)


@given(mixed, lengths)
def test_converse_in_a_wide_tube_one_reversal_does(u, length):
    assert fewest_reversals(u, length, eps=length) == 1


@given(whole((4,), 0, 9).filter(np.any), st.sampled_from((-1, 1)), lengths, widths)
def test_converse_a_single_signed_direction_needs_no_reversal(u, sign, length, eps):
    assert fewest_reversals(sign * u, length, eps) == 0
    np.testing.assert_allclose(tube_legs(sign * u, length, eps), [sign * u / np.linalg.norm(u) * length])


@given(mixed, lengths)
def test_converse_without_the_sign_rule_the_straight_way_never_turns(u, length):
    path = ZigZag.of_updates(np.repeat(u[None] * length, 5, axis=0))
    assert path.reversals.item() == 0
    np.testing.assert_allclose(path.ratio, 1, rtol=1e-12)


def test_the_figure_of_the_theorem_five_reversals_are_six_legs():
    assert fewest_reversals([1, -1], 1, 0.1) == 5
    path = ZigZag.of_updates(tube_legs([1, -1], 1, 0.1))
    assert path.reversals.item() == 5
    np.testing.assert_allclose([path.length, path.displacement], [np.sqrt(2), 1], rtol=1e-12)


def test_five_legs_are_enough_from_wall_to_wall():
    u, across = np.array([1, -1]) / np.sqrt(2), np.array([1, 1]) / np.sqrt(2)
    legs = np.array([[0.2, 0], [0, -0.2]] * 2 + [[0.2, 0]]) * np.sqrt(2)
    points = np.cumsum(np.vstack([-0.1 * across, legs]), axis=0)
    np.testing.assert_allclose(off_line(points, u), 0.1)
    np.testing.assert_allclose(points[-1] @ u, 1)
    path = ZigZag.of_updates(legs)
    assert path.reversals.item() == 4 == fewest_reversals([1, -1], 1, 0.1) - 1
    np.testing.assert_allclose([path.length, path.displacement], [np.sqrt(2), np.hypot(1, 0.2)])
