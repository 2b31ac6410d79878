"""The instruments for paths: zig-zag by hand, on a real run, shapes, refusals, and life without scipy."""

import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad import diagnostics as dg

# ---- zig-zag ----------------------------------------------------------------------------------------------


def test_a_straight_path():
    path = dg.ZigZag.of_updates([[1.0, 2], [2, 4], [0.5, 1]])
    assert (path.length, path.displacement) == pytest.approx((3.5 * 5**0.5,) * 2)
    assert path.ratio == pytest.approx(1)
    assert path.off_target == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(path.cosines, [1, 1])
    np.testing.assert_array_equal(path.reversals, [0])


def test_a_staircase_of_single_signed_steps():
    """Half of the squared motion goes across the diagonal, and each step is a reversal although none goes
    back."""
    path = dg.ZigZag.of_updates([[1.0, 0], [0, -1], [1, 0], [0, -1]])
    assert path.ratio == pytest.approx(2**0.5)
    assert path.off_target == pytest.approx(0.5)
    np.testing.assert_array_equal(path.cosines, [0, 0, 0])
    np.testing.assert_array_equal(path.reversals, [3])


def test_to_and_fro():
    path = dg.ZigZag.of_updates([[1.0, 0], [-1, 0]])
    assert path.ratio == np.inf
    assert np.isnan(path.off_target)
    np.testing.assert_array_equal(path.cosines, [-1])
    assert dg.ZigZag.of_updates([[1.0, 0], [-1, 0]], target=[0, 1]).off_target == 1


def test_neurons_are_counted_one_by_one_and_pauses_do_not_hide_a_reversal():
    updates = np.zeros((4, 3, 2))
    updates[:, 0] = [[1, 1], [2, 2], [1, 0], [0, 1]]  # never
    updates[:, 1] = [[1, 1], [0, 0], [-1, -1], [0, -2]]  # once, after a pause
    updates[:, 2] = [[1, -2], [1, 1], [-1, -1], [2, 0]]  # mixed, then up, down, up
    path = dg.ZigZag.of_updates(updates)
    np.testing.assert_array_equal(path.reversals, [0, 1, 3])
    assert path.cosines.shape == (3,)
    np.testing.assert_allclose(path.length, np.linalg.norm(updates.reshape(4, -1), axis=1).sum())


def test_a_floor_leaves_rounding_noise_out():
    updates = [[1.0, 1], [1e-17, 1e-17], [-1e-17, -1e-17], [1, 1]]
    assert dg.ZigZag.of_updates(updates).reversals.item() == 2
    assert dg.ZigZag.of_updates(updates, floor=1e-12).reversals.item() == 0


def test_weights_are_the_cumulated_updates():
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((6, 3, 4))
    one, other = dg.ZigZag.of_weights(weights), dg.ZigZag.of_updates(np.diff(weights, axis=0))
    assert (one.length, one.ratio, one.off_target) == (other.length, other.ratio, other.off_target)
    assert one.displacement == pytest.approx(np.linalg.norm(weights[-1] - weights[0]))
    goal = rng.standard_normal((3, 4))
    towards = dg.ZigZag.of_weights(weights, target=goal)
    assert towards.off_target == dg.ZigZag.of_updates(np.diff(weights, axis=0), goal - weights[0]).off_target


def test_on_a_run_of_a_net():
    rng = np.random.default_rng(0)
    net, x = mg.mlp([2, 3, 1], rng=0), rng.standard_normal((8, 2))
    weights = [net[2].weight.copy()]
    mg.fit(
        net,
        mg.BCEWithLogitsLoss(),
        mg.SGD(0.5),
        x,
        (x[:, :1] > 0).astype(float),
        epochs=9,
        batch_size=1,
        rng=0,
        callbacks=[lambda epoch, net, history: weights.append(net[2].weight.copy())],
        progress=False,
    )
    path = dg.ZigZag.of_weights(np.array(weights))
    assert path.ratio >= 1
    assert path.cosines.shape == (8,)
    assert path.reversals.shape == (1,)


# ---- the rest ---------------------------------------------------------------------------------------------


def test_what_is_certified_unreachable_is_shown_with_its_weights():
    pytest.importorskip("scipy")
    answer = dg.is_reachable([[1, -1], [1, 1]], [[0.5, 0.25]])
    np.testing.assert_array_equal(answer.rows, [False, True])
    assert not answer
    np.testing.assert_allclose(answer.certificate, [[0.5, 0.5], [0, 0]])
    assert answer.delta[0, 1] > 0
    np.testing.assert_allclose(answer.margin, [0, 1], atol=1e-15)


def test_a_column_of_zeros_reaches_no_sign():
    pytest.importorskip("scipy")
    answer = dg.is_reachable([1, 1], [[0.5, 0.0]])
    assert not answer
    np.testing.assert_allclose(answer.certificate, [[0, 1]])


def test_a_million_weights_take_seconds():
    pytest.importorskip("scipy")
    rng = np.random.default_rng(0)
    a, wanted = rng.random((32, 1000)), rng.standard_normal((1000, 1000))
    free = dg.nearest_reachable(wanted, a)
    signed = dg.nearest_reachable(wanted[:100], a, signs=rng.choice([-1, 1], (32, 100)))
    assert 0 < signed.cosine < free.cosine < 1
    assert dg.is_reachable(np.ones(1000), a)


def test_without_scipy_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"minigrad\[theory\]"):
        dg.is_reachable([1, 1], np.ones((1, 2)))
    with pytest.raises(ImportError, match=r"minigrad\[theory\]"):
        dg.nearest_reachable([1, 1], np.ones((1, 2)), signs=[1])
    assert dg.nearest_reachable([1, 1], np.ones((1, 2))).cosine == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: dg.nearest_reachable([1.0, 2], np.ones((3, 4))),
            r"shape \(2,\), expected \(4,\) or \(K, 4\)",
        ),
        (lambda: dg.nearest_reachable([0.0, 0], np.ones((3, 2))), "not zero"),
        (lambda: dg.nearest_reachable([1.0, 0], np.ones(2)), r"\(N, J\)"),
        (lambda: dg.sign_detour([np.nan, 1]), "finite"),
        (lambda: dg.fewest_reversals([0, 0], 1, 1), "other than 0"),
        (lambda: dg.fewest_reversals([1, -1], 1, 0), "eps is 0"),
        (lambda: dg.tube_legs([1, -1], -1, 1), "length is -1"),
        (lambda: dg.ZigZag.of_updates(np.ones(3)), r"\(T, J\)"),
        (lambda: dg.ZigZag.of_updates(np.ones((0, 3))), "T at least 1"),
        (lambda: dg.ZigZag.of_weights(np.ones((1, 3))), "T at least 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_pattern_must_be_one():
    pytest.importorskip("scipy")
    with pytest.raises(ValueError, match="entries -1, 0, 1"):
        dg.is_reachable([1, 2], np.ones((3, 2)))
