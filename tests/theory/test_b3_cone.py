"""B3, the narrow cone: inputs that all point the same way make ways across that direction long.

Statement. If every +-a_n lies within the angle theta of an axis e (theta <= 90 degrees), then each path made
of steps along the a_n that leads to d has length at least |d_across| / sin(theta), d_across = d - (d.e) e.
For one sample of J iid units with mean/spread r and e along the diagonal, 1 / sin(theta) -> sqrt(1 + r^2) as
J grows.

Floats. Checked to a relative 1e-9 for small whole numbers; sin(theta) is computed from the part across the
axis, and so keeps its relative accuracy, to about eps / sin(theta), for narrow cones.

Converse. A way along the axis costs nothing extra; and one input far from the axis removes the price.
"""

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from theory_strategies import SEARCH, arrays, matrices, positive, whole

import minigrad as mg
from minigrad.diagnostics import narrow_cone

inputs = matrices(columns=st.just(3)).filter(np.any)


@given(inputs, st.lists(st.tuples(st.integers(0, 4), st.integers(-5, 5)), min_size=1, max_size=6), st.data())
def test_no_path_along_the_inputs_is_shorter(a, steps, data):
    axis = data.draw(st.one_of(st.none(), whole((3,)).filter(np.any)))
    cone = narrow_cone(a, axis)
    moves = np.array([a[n % len(a)] * c for n, c in steps])
    length = np.linalg.norm(moves, axis=1).sum()
    assert 0 <= cone.sin_theta <= 1
    if cone.sin_theta > 1e-9:  # in floats a cone of one direction is not always exactly that
        assert length * (1 + 1e-6) >= cone.shortest(moves.sum(axis=0))


@given(inputs, whole((3,)).filter(np.any))
def test_every_input_is_inside_the_cone(a, axis):
    cone = narrow_cone(a, axis)
    np.testing.assert_allclose(np.linalg.norm(cone.axis), 1, rtol=1e-12)
    a = a[a.any(axis=1)]
    sine = np.linalg.norm(np.cross(a, cone.axis), axis=1) / np.linalg.norm(a, axis=1)
    np.testing.assert_allclose(sine.max(), cone.sin_theta, atol=1e-12)


@given(arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(2, 5)), positive(np.float64)))
def test_positive_inputs_lie_within_the_orthant_s_own_angle(a):
    """All finite a > 0: their angle to the diagonal is below acos(1/sqrt J)."""
    J = a.shape[1]
    assert narrow_cone(a, np.ones(J)).sin_theta <= np.sqrt(1 - 1 / J) * (1 + 1e-15 * J)


@pytest.mark.parametrize("kind", ["sigmoid", "softplus", "relu", "tanh"])
def test_iid_units_pay_the_square_root_of_one_plus_r_squared(kind):
    f = mg.layers.activations.activation(kind)
    mean, spread = f.moments()
    a = f(np.random.default_rng(0).standard_normal((1, 20_000)))
    assert narrow_cone(a, np.ones(20_000)).price == pytest.approx(np.hypot(1, mean / spread), rel=0.02)


def test_figures_of_the_limit():
    limits = {
        kind: np.hypot(1, np.divide(*mg.layers.activations.activation(kind).moments())) for kind in ("sigmoid", "relu")
    }
    assert (limits["sigmoid"], limits["relu"]) == pytest.approx((2.60, 1.21), abs=5e-3)


@given(inputs)
def test_converse_the_way_along_the_axis_costs_nothing_extra(a):
    cone = narrow_cone(a)
    if np.isfinite(cone.price):
        assert cone.shortest(3 * cone.axis) <= 1e-14 * cone.price


def test_converse_one_input_far_from_the_axis_removes_the_price():
    narrow = [[10.0, 10.0, 9.0], [9.0, 10.0, 10.0]]
    assert narrow_cone(narrow).price > 10
    extra = find(
        whole((3,)).filter(np.any),
        lambda a: narrow_cone([*narrow, a], [1, 1, 1]).price < 1.01,
        settings=SEARCH,
    )
    assert extra.min() < 0 < extra.max() or (extra == 0).any()


def test_a_single_direction_has_no_way_across():
    cone = narrow_cone([[0.0, 2.0], [0.0, -1.0]])
    assert cone.sin_theta == 0
    assert cone.shortest([1.0, 0.0]) == np.inf
    assert cone.shortest([0.0, 5.0]) == 0
    with pytest.raises(ValueError, match="no direction"):
        narrow_cone(np.zeros((2, 3)))
