"""The conditioning instruments against their definitions: eigenvalues, means and pairs written out."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, arrays, finite

import minigrad as mg
from minigrad.diagnostics import (
    coherence,
    condition_number,
    critical_batch,
    gram_signs,
    max_stable_lr,
    second_moment,
    spectrum,
)

SIX = (
    second_moment,
    spectrum,
    condition_number,
    coherence,
    critical_batch,
    max_stable_lr,
    gram_signs,
)


@st.composite
def activations(draw, least=1):
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.integers(least, 6)), draw(st.integers(1, 5))
    return draw(arrays(dtype, shape, finite(dtype, min_value=-100, max_value=100)))


@given(activations(), st.booleans())
def test_second_moment_and_spectrum(a, bias):
    wide = a.astype(float)
    if bias:
        wide = np.hstack([wide, np.ones((len(a), 1))])
    H = sum(np.outer(row, row) for row in wide) / len(wide)
    np.testing.assert_allclose(second_moment(a, bias), H, rtol=1e-12, atol=1e-12)
    expected = np.linalg.eigvalsh(H)[::-1]
    np.testing.assert_allclose(spectrum(a, bias), expected, atol=1e-11 * max(1, expected[0]))


def test_condition_number_of_known_inputs():
    a = np.diag([1.0, 2.0, 4.0])
    assert condition_number(a) == pytest.approx(16)
    assert condition_number(-a) == pytest.approx(16)
    assert condition_number(np.eye(3)) == pytest.approx(1)
    assert condition_number(a[:2]) == np.inf, "fewer samples than inputs"
    assert condition_number(np.hstack([a, np.zeros((3, 1))])) == np.inf, "an input that is always 0"
    constant = np.hstack([np.random.default_rng(0).standard_normal((50, 2)), np.full((50, 1), 3.0)])
    assert condition_number(constant) < 50
    assert condition_number(constant, bias=True) == np.inf, "two constants are one direction"
    assert condition_number(np.zeros((2, 2))) == np.inf
    assert condition_number(np.array([[3.0]])) == 1


def test_coherence_of_known_inputs():
    assert coherence(np.array([[1.0, 1.0], [1.0, 1.0]])) == pytest.approx(1)
    assert coherence(np.array([[1.0, 2.0], [-1.0, -2.0]])) == 0
    assert coherence(np.array([[3.0, 0.0], [0.0, 4.0]])) == pytest.approx((1.5**2 + 2**2) / 12.5)
    assert coherence(np.zeros((3, 2))) == 0


def test_critical_batch_and_limit_of_known_inputs():
    a = np.diag([1.0, 2.0, 2.0])
    assert critical_batch(a) == pytest.approx(9 / 4)
    assert max_stable_lr(a) == pytest.approx(2 / (4 / 3))
    assert max_stable_lr(a, curvature=2) == pytest.approx(1 / (4 / 3))
    assert max_stable_lr(a, bias=True) < max_stable_lr(a)
    assert critical_batch(a, bias=True) == pytest.approx((3 + 1) / spectrum(a, bias=True)[0])
    assert critical_batch(np.zeros((2, 2))) == 1
    assert max_stable_lr(np.zeros((2, 2))) == np.inf
    assert max_stable_lr(np.array([[1e-160]])) == np.inf, "as large as no float is"


@given(activations(least=2), st.booleans())
def test_gram_signs_pair_by_pair(a, bias):
    a[np.abs(a) < 1e-20] = 0  # so that no square below underflows
    wide = np.hstack([a.astype(float), np.ones((len(a), 1))]) if bias else a.astype(float)
    found = gram_signs(a, bias)
    dots = np.array([wide[m] @ wide[n] for m in range(len(a)) for n in range(m)])
    scale = (wide**2).sum(axis=1).max() + 1e-300
    clear = np.abs(dots) > 1e-13 * scale
    assert found.positive * len(dots) == pytest.approx((dots[clear] > 0).sum(), abs=(~clear).sum() + 1e-9)
    assert found.positive + found.negative + found.zero == pytest.approx(1)
    norms = np.linalg.norm(wide, axis=1)
    units = [row / norm if norm > 0 else row for row, norm in zip(wide, norms, strict=True)]
    cosines = [units[m] @ units[n] for m in range(len(a)) for n in range(m)]
    assert found.mean_cosine == pytest.approx(np.mean(cosines), abs=1e-9)


def test_gram_signs_of_samples_of_any_size():
    a = np.array([[1e-300, 1e-300], [1e300, 0.0], [-1e300, 1e290], [0.0, 0.0]])
    found = gram_signs(a)
    assert [6 * share for share in found[:3]] == pytest.approx([1, 2, 3])
    assert found.mean_cosine == pytest.approx((0.5**0.5 - 0.5**0.5 - 1) / 6)


def test_gram_signs_in_blocks(monkeypatch, rng):
    """The same from several blocks of rows as from one."""
    a = rng.standard_normal((57, 6)) + 0.3
    whole = gram_signs(a)
    monkeypatch.setattr("minigrad.diagnostics.conditioning.BLOCK", 57 * 5)
    assert gram_signs(a) == whole


@given(activations(least=2), st.integers(-900, 900))
def test_pure_numbers_do_not_depend_on_the_unit(a, exponent):
    """Down to where entries become subnormal and up to where their squares overflow: scaled by a power of
    two.
    """
    a = a.astype(float)
    a[np.abs(a) < 1e-20] = 0
    scaled = np.ldexp(a, exponent)
    assert coherence(scaled) == pytest.approx(coherence(a), rel=1e-9, abs=1e-12)
    assert critical_batch(scaled) == pytest.approx(critical_batch(a), rel=1e-9)
    assert gram_signs(scaled) == gram_signs(a)
    if condition_number(a) < 1e20:
        assert condition_number(scaled) == pytest.approx(condition_number(a), rel=1e-4)


@given(activations(least=2))
def test_inputs_are_left_as_they_are(a):
    a.flags.writeable = False
    before = a.tobytes()
    for instrument in SIX:
        instrument(a)
    assert a.tobytes() == before


@pytest.mark.parametrize("instrument", SIX)
def test_refusals(instrument):
    with pytest.raises(ValueError, match=r"^a has shape \(3,\)"):
        instrument(np.ones(3))
    with pytest.raises(ValueError, match="nothing to measure"):
        instrument(np.ones((0, 3)))
    with pytest.raises(ValueError, match="^a holds NaN or infinity"):
        instrument(np.array([[1.0, np.nan]]))
    with pytest.raises(TypeError, match="dtype"):
        instrument(np.ones((2, 2), dtype=complex))


def test_more_refusals():
    with pytest.raises(ValueError, match="one sample has no pairs"):
        gram_signs(np.ones((1, 3)))
    with pytest.raises(ValueError, match="^curvature is 0"):
        max_stable_lr(np.ones((1, 3)), curvature=0)


def test_on_a_net_of_a_million_weights():
    rng = np.random.default_rng(0)
    net = mg.mlp([784, 1000, 300, 10], "relu", rng=0, dtype=np.float32)
    bp = mg.backprop(net, mg.CrossEntropyLoss(), rng.standard_normal((500, 784)), rng.integers(0, 10, 500))
    begin = time.perf_counter()
    for g in bp.gradients.values():
        gram_signs(g.a)
        assert 0 <= coherence(g.a) <= 1
        assert 1 <= critical_batch(g.a) <= g.a.shape[1]
    assert time.perf_counter() - begin < 30
