"""B4, the oracles: which updates a batch can make, and which the sum of many.

Statement. With delta free, the updates of a row that a batch with inputs A (N, J) can make are the row space
of A: the nearest one to a wanted update is its projection there, at the cosine |projection| / |wanted|. With
the signs of delta known it is a cone, and the nearest one solves a non-negative least-squares problem. Over
many steps of gradient descent, momentum included, the weights move inside span(all inputs), whatever the sign
of the inputs; with one sign of delta, inside the cone of the inputs, and what lies outside is shown to by a v
with A v >= 0 and v.d < 0 (Farkas). A sign pattern is reachable, or has a certificate: A4.

Floats. Orthogonality, signs and complementarity hold to 1e-9 of the sizes involved, for inputs of small whole
numbers.

Converse. Adam rescales every entry and leaves the span; a free sign of delta leaves the cone; a pattern out
of reach for one sample is within reach of two.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from theory_strategies import matrices, seeds, whole

import minigrad as mg
from minigrad.diagnostics import is_reachable, nearest_reachable

STRIPES = np.array([[1.0, -1], [1, -1]])
needs_scipy = pytest.mark.usefixtures("scipy")


@pytest.fixture(scope="module")
def scipy():
    pytest.importorskip("scipy")


@st.composite
def problems(draw, low=-9):
    """(wanted (K, J), a (N, J)) of whole numbers, wanted not zero."""
    a = draw(matrices(low=low))
    wanted = draw(whole((draw(st.integers(1, 3)), a.shape[1])))
    assume(wanted.any())
    return wanted, a


@given(problems())
def test_with_delta_free_the_nearest_update_is_the_projection(problem):
    wanted, a = problem
    near = nearest_reachable(wanted, a)
    np.testing.assert_allclose(near.update, near.coefficients.T @ a, atol=1e-9)
    np.testing.assert_allclose((wanted - near.update) @ a.T, 0, atol=1e-9)
    cosine = (wanted * near.update).sum() / np.linalg.norm(wanted) / (np.linalg.norm(near.update) or 1)
    assert near.cosine == pytest.approx(cosine, abs=1e-7)
    for row, found in zip(wanted, near.update, strict=True):
        np.testing.assert_allclose(nearest_reachable(row, a).update if row.any() else 0, found, atol=1e-9)


@needs_scipy
@given(problems(), st.data())
def test_with_known_signs_it_solves_the_constrained_problem(problem, data):
    """The conditions of Karush, Kuhn and Tucker decide: no allowed change of a coefficient comes nearer."""
    wanted, a = problem
    signs = data.draw(whole((len(a), len(wanted)), -1, 1))
    near = nearest_reachable(wanted, a, signs)
    np.testing.assert_allclose(near.update, near.coefficients.T @ a, atol=1e-9)
    assert (near.coefficients * signs >= 0).all()
    assert not near.coefficients[signs == 0].any()
    slope = (a @ (wanted - near.update).T) * signs  # how much nearer a larger coefficient would come
    assert (slope <= 1e-8).all()
    assert (slope[near.coefficients != 0] >= -1e-8).all()
    assert near.cosine <= nearest_reachable(wanted, a).cosine + 1e-9


@needs_scipy
@given(problems(low=0), st.data())
def test_one_sign_of_delta_reaches_the_cone_and_the_residual_separates_the_rest(problem, data):
    d, a = problem[0][0], problem[1]
    assume(d.any())
    plus = np.ones(len(a))
    v = nearest_reachable(d, a, plus).update - d
    if np.linalg.norm(v) > 1e-9:
        assert (a @ v >= -1e-8).all()
        assert v @ d < 0
    inside = data.draw(whole((len(a),), 0, 9)) @ a
    assume(inside.any())
    assert nearest_reachable(inside, a, plus).cosine > 1 - 1e-12


@given(seeds, st.booleans(), st.sampled_from((0.0, 0.9)))
def test_many_steps_of_descent_stay_in_the_span_of_the_inputs(seed, is_positive, momentum):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((3, 6)), rng.standard_normal((3, 2))
    x = abs(x) if is_positive else x
    net = mg.mlp([6, 4, 2], rng=rng)
    before = net[0].weight.copy()
    mg.fit(net, mg.MSELoss(), mg.SGD(0.1, momentum=momentum), x, y, epochs=4, batch_size=1, rng=1, progress=False)
    assert nearest_reachable(net[0].weight - before, x).cosine > 1 - 1e-12


def test_converse_adam_leaves_the_span():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, 6)), rng.standard_normal((3, 2))
    net = mg.mlp([6, 4, 2], rng=rng)
    before = net[0].weight.copy()
    mg.fit(net, mg.MSELoss(), mg.Adam(0.01), x, y, epochs=4, batch_size=1, rng=1, progress=False)
    assert nearest_reachable(net[0].weight - before, x).cosine < 0.99


@needs_scipy
def test_the_four_weights_of_the_question():
    """The needed update is [[+,-],[+,-]]: what one positive sample, one of both signs, and two samples make
    of it."""
    equal, unequal, both = [[1.0, 1.0]], [[0.9, 0.1]], [[0.9, 0.1], [0.1, 0.9]]
    assert nearest_reachable(STRIPES, equal).cosine == pytest.approx(0, abs=1e-15)
    assert nearest_reachable(STRIPES, unequal).cosine == pytest.approx(0.8 / np.sqrt(2 * 0.82))
    assert nearest_reachable(STRIPES, [[1.0, -1.0]]).cosine == pytest.approx(1)
    assert nearest_reachable(STRIPES, both).cosine == pytest.approx(1)
    assert [bool(is_reachable(STRIPES, a)) for a in (equal, unequal, both)] == [False, False, True]


@needs_scipy
def test_converse_a_free_sign_of_delta_leaves_the_cone():
    a = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert nearest_reachable([1.0, -1.0], a).cosine == pytest.approx(1)
    assert nearest_reachable([1.0, -1.0], a, [1, 1]).cosine < 0.8
    assert nearest_reachable([1.0, -1.0], a, [1, -1]).cosine == pytest.approx(1)
    assert nearest_reachable([-1.0, -1.0], a, [1, 1]).cosine == 0


@needs_scipy
@given(matrices(columns=st.integers(1, 5)), st.data())
def test_zeros_in_a_pattern_ask_nothing_and_rows_are_judged_one_by_one(a, data):
    pattern = data.draw(whole((2, a.shape[1]), -1, 1))
    answer = is_reachable(pattern, a)
    for k, s in enumerate(pattern):
        asked = s != 0
        if asked.any():
            assert answer.rows[k] == bool(is_reachable(s[asked], a[:, asked]))
        else:
            assert answer.rows[k]
        assert not answer.certificate[k, ~asked].any()
    assert bool(answer) == answer.rows.all()
