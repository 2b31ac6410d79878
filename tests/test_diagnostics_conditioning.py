"""The conditioning instruments against their definitions: eigenvalues, means and pairs written out."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, LOSSES, arrays, finite, outputs_and_targets

import minigrad as mg
from minigrad.diagnostics import (
    coherence,
    condition_number,
    critical_batch,
    gram_signs,
    max_stable_lr,
    rank,
    second_moment,
    spectrum,
)

OF_INPUTS = (
    second_moment,
    spectrum,
    condition_number,
    rank,
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


def test_without_the_null_space_the_condition_number_is_that_of_the_directions_seen():
    rng = np.random.default_rng(0)
    few = rng.standard_normal((5, 12))
    assert condition_number(few) == condition_number(few[:, :5], bias=True) == np.inf
    assert (rank(few), rank(few, bias=True), rank(few[:, :5], bias=True), rank(few[:, :4], bias=True)) == (5, 5, 5, 5)
    for bias in (False, True):
        wide = np.column_stack([few, np.ones(5)]) if bias else few
        seen = np.linalg.eigvalsh(wide @ wide.T / 5)  # what is not 0 is what the Gram matrix of the samples has
        assert condition_number(few, bias, null_space=False) == pytest.approx(seen[-1] / seen[0], rel=1e-9)
    a = np.diag([1.0, 2.0, 4.0])
    assert condition_number(a, null_space=False) == condition_number(a) == pytest.approx(16)
    assert condition_number(np.hstack([a, np.zeros((3, 2))]), null_space=False) == pytest.approx(16)
    assert condition_number(np.zeros((2, 2)), null_space=False) == np.inf
    assert (rank(np.zeros((2, 2))), rank(np.zeros((2, 2)), bias=True), rank(np.array([[3.0]]))) == (0, 1, 1)


def test_rank_does_not_count_rounding():
    rng = np.random.default_rng(0)
    for N, J, R in ((50, 20, 3), (10, 400, 4), (300, 30, 29)):
        a = rng.standard_normal((N, R)) @ rng.standard_normal((R, J))
        assert rank(a) == R == np.linalg.matrix_rank(a)
        assert rank(a * 1e-200) == R
        assert np.isfinite(condition_number(a, null_space=False))


def test_gradient_descent_takes_the_pace_of_the_condition_number_without_the_null_space():
    """Fewer samples than inputs: C4's rate holds with the kappa of the directions seen."""
    rng = np.random.default_rng(1)
    a = rng.standard_normal((4, 9))
    scales = np.sort(spectrum(a))[-4:]
    kappa, lr, w = condition_number(a, null_space=False), 2 / (scales[0] + scales[-1]), rng.standard_normal(9)
    losses = []
    for _ in range(400):
        w = w - lr * a.T @ (a @ w) / 4
        losses.append(np.sqrt(np.square(a @ w).mean()))
    measured = (losses[-1] / losses[199]) ** (1 / 200)
    assert measured == pytest.approx((kappa - 1) / (kappa + 1), abs=1e-3)


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
    """Scaled by a power of two, down to where entries become subnormal and up to where their squares overflow."""
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
    for instrument in OF_INPUTS:
        instrument(a)
    assert a.tobytes() == before


@pytest.mark.parametrize("bias", [False, True])
def test_float32_is_measured_in_float64(bias):
    a = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    assert condition_number(a, bias) == condition_number(a.astype(np.float64), bias)


@pytest.mark.parametrize("instrument", OF_INPUTS)
def test_refusals(instrument):
    with pytest.raises(ValueError, match=r"^a has shape \(3,\)"):
        instrument(np.ones(3))
    with pytest.raises(ValueError, match=r"^a has shape \(0, 3\): there is nothing to measure"):
        instrument(np.ones((0, 3)))
    with pytest.raises(ValueError, match="^a holds NaN or infinity"):
        instrument(np.array([[1.0, np.nan]]))
    with pytest.raises(TypeError, match="dtype"):
        instrument(np.ones((2, 2), dtype=complex))


def test_more_refusals():
    with pytest.raises(ValueError, match="one sample has no pairs"):
        gram_signs(np.ones((1, 3)))
    for instrument in set(OF_INPUTS) - {coherence}:
        with pytest.raises(TypeError, match="^bias must be True or False, not 'yes'"):
            instrument(np.ones((3, 2)), bias="yes")
    with pytest.raises(TypeError, match="^null_space must be True or False, not array"):
        condition_number(np.ones((3, 2)), null_space=np.ones(3))
    with pytest.raises(ValueError, match="^curvature is 0"):
        max_stable_lr(np.ones((1, 3)), curvature=0)
    with pytest.raises(ValueError, match="^curvature and loss are both given"):
        max_stable_lr(np.ones((1, 3)), curvature=1, loss=mg.MSELoss())
    with pytest.raises(TypeError, match="^loss is 'mse', expected a Loss"):
        max_stable_lr(np.ones((1, 3)), loss="mse")
    for loss in (mg.MSELoss(), mg.BCEWithLogitsLoss()):
        with pytest.raises(ValueError, match="depends on the number of outputs.*give the WeightGradient"):
            max_stable_lr(np.ones((1, 3)), loss=loss)
    with pytest.raises(ValueError, match=r"BCELoss\(\) does not say.*instead; for logits use BCEWithLogitsLoss\(\)$"):
        max_stable_lr(pair(3), loss=mg.BCELoss())
    with pytest.raises(ValueError, match="does not say its largest curvature: give curvature= instead$"):
        max_stable_lr(pair(3), loss=mg.Loss())
    with pytest.raises(ValueError, match="^a holds NaN"):
        max_stable_lr(mg.WeightGradient(np.ones((1, 2)), np.array([[np.nan]])), loss=mg.MSELoss())


# ---- the loss's own curvature ----------------------------------------------------------------------------


def pair(K, N=30, J=4):
    rng = np.random.default_rng(K)
    return mg.WeightGradient(rng.standard_normal((N, K)), rng.standard_normal((N, J)) + 1)


def hessian_in_outputs(loss, z, y):
    """d^2 c / dz^2 of one sample with K outputs, by differences of its loss."""
    K, h = len(z), 1e-3
    eye = h * np.eye(K)

    def c(point):
        return loss(point[None, :], y)

    return np.array([
        [(c(z + u + v) - c(z + u - v) - c(z - u + v) + c(z - u - v)) / (4 * h * h) for u in eye] for v in eye
    ])  # fmt: skip


@pytest.mark.parametrize("name", ["mse", "bce_with_logits", "cross_entropy", "soft_cross_entropy"])
@pytest.mark.parametrize("K", [1, 2, 3, 6])
def test_no_output_curves_more_than_the_loss_says_and_some_do_so_much(name, K):
    K = max(K, 2) if "cross_entropy" in name else K  # the cross-entropy of one output is refused
    loss, rng, found = LOSSES[name], np.random.default_rng(0), []
    undecided = np.full(K, -40.0)
    undecided[:2] = 0
    points = [np.zeros(K), undecided, *(s * rng.standard_normal(K) for s in (0.1, 1, 3, 10))]
    for z in points:
        y = outputs_and_targets(name, 1, K, rng)[1]
        found.append(np.linalg.eigvalsh(hessian_in_outputs(loss, z, y))[-1])
    assert max(found) == pytest.approx(loss.largest_curvature(K), abs=1e-5)


@pytest.mark.parametrize("name", ["mse", "bce_with_logits", "cross_entropy"])
@pytest.mark.parametrize("K", [2, 5])
@pytest.mark.parametrize("bias", [False, True])
def test_the_limit_of_a_last_layer_by_its_loss(name, K, bias):
    """Below it the loss only falls; at undecided outputs (MSELoss: everywhere) a step of more than it goes too far."""
    loss, rng, g = LOSSES[name], np.random.default_rng(K), pair(K)
    limit = max_stable_lr(g, bias, loss=loss)
    y = outputs_and_targets(name, len(g.a), K, rng)[1]
    for lr, seed in itertools.product((0.999 * limit, 0.5 * limit), range(3)):
        net = mg.Sequential(mg.Linear(4, K, bias=bias, rng=seed))
        losses = mg.fit(net, loss, mg.SGD(lr), g.a, y, epochs=60, batch_size=99, shuffle=False, progress=False).loss
        assert (np.diff(losses) <= 1e-12).all()
    assert max_stable_lr(g.a, bias, curvature=loss.largest_curvature(K)) == limit


def test_a_limit_of_mse_is_exact():
    g, y = pair(3), np.random.default_rng(5).standard_normal((30, 3))
    limit, ends = max_stable_lr(g, bias=True, loss=mg.MSELoss()), []
    for lr in (0.98 * limit, 1.02 * limit):
        net = mg.Sequential(mg.Linear(4, 3, rng=0))
        ends.append(mg.fit(net, mg.MSELoss(), mg.SGD(lr), g.a, y, epochs=900, batch_size=30, progress=False).loss[-1])
    assert ends[0] < 1.1
    assert ends[1] > 1e6


def test_one_class_bends_nowhere():
    assert max_stable_lr(pair(1), loss=mg.CrossEntropyLoss()) == np.inf


def test_on_a_net_of_a_million_weights():
    rng = np.random.default_rng(0)
    net = mg.mlp([784, 1000, 300, 10], "relu", rng=0, dtype=np.float32)
    bp = mg.backprop(net, mg.CrossEntropyLoss(), rng.standard_normal((500, 784)), rng.integers(0, 10, 500))
    begin = time.process_time()  # not of the clock: another process may have the machine
    for g in bp.gradients.values():
        gram_signs(g.a)
        assert 0 <= coherence(g.a) <= 1
        assert 1 <= critical_batch(g.a) <= g.a.shape[1]
    assert time.process_time() - begin < 30


def test_the_smallest_numbers_of_all_are_as_coherent_as_any():
    assert coherence(np.full((3, 2), 5e-324)) == 1
