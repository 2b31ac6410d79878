"""The instruments for paths: zig-zag by hand, on a real run, shapes, refusals, and life without scipy."""

import sys
import tracemalloc
from types import SimpleNamespace

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


def test_a_pause_is_no_reversal():
    path = dg.ZigZag.of_updates([[1.0, 1], [0, 0], [1, 1]])
    assert path.reversals.tolist() == [0]
    assert path.reversals.dtype.kind == "i"


def test_each_neuron_has_a_floor_and_a_past_of_its_own():
    updates = np.zeros((4, 3, 2))
    updates[:, 0] = [[8, 0], [0, -8], [8, 0], [0, -8]]  # a staircase
    updates[:, 1] = [[0, 0], [0.1, 0.1], [0.2, 0.2], [0.1, 0.1]]  # a late start, then straight on
    updates[:, 2] = [[0.2, 0.2], [-0.2, -0.2], [0.1, 0.1], [-0.2, -0.2]]  # the third step is at the floor
    assert dg.ZigZag.of_updates(updates, floor=0.5).reversals.tolist() == [3, 0, 1]
    assert dg.ZigZag.of_updates(updates[:, ::-1], floor=0.5).reversals.tolist() == [1, 0, 3]
    assert dg.ZigZag.of_updates(-updates, floor=0.5).reversals.tolist() == [3, 0, 1]
    weights = np.cumsum(np.concatenate([np.zeros((1, 3, 2)), updates * 64]), axis=0) / 64
    assert dg.ZigZag.of_weights(weights, floor=0.5).reversals.tolist() == [3, 0, 1]
    assert dg.ZigZag.of_weights(weights).reversals.tolist() == [3, 0, 3]


def test_two_points_are_a_path():
    assert dg.ZigZag.of_weights([[1.0, 1], [4, 5]]).length == 5


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
    assert answer.rows.dtype == bool
    assert answer.delta[0, 1] > 0
    np.testing.assert_allclose(answer.margin, [0, 1], atol=1e-15)
    np.testing.assert_allclose(dg.is_reachable([-1, -1], [[0.5, 0.25]]).margin, 1, err_msg="no delta beyond 1")


def test_a_column_of_zeros_reaches_no_sign():
    pytest.importorskip("scipy")
    answer = dg.is_reachable([1, 1], [[0.5, 0.0]])
    assert not answer
    np.testing.assert_allclose(answer.certificate, [[0, 1]])
    assert not dg.is_reachable([1, 1], [[0.5, 0.0]], tolerance=0)


def test_a_linear_program_that_fails_is_named(monkeypatch):
    optimize = pytest.importorskip("scipy.optimize")
    monkeypatch.setattr(optimize, "linprog", lambda *_, **__: SimpleNamespace(status=4, message="numerical trouble"))
    with pytest.raises(ArithmeticError, match="^the linear program of row 1 failed: numerical trouble"):
        dg.is_reachable([[0, 0], [1, 1]], np.ones((1, 2)))


def test_legs_by_hand():
    """They begin along u+, and halfway between the line and the walls."""
    half = np.sqrt(0.5)
    np.testing.assert_allclose(dg.tube_legs([3, -3], 2, 0.5), [[half, 0], [0, -2 * half], [half, 0]])


@pytest.mark.parametrize("size", [1e-300, 1, 1e300])
def test_a_direction_may_have_any_size(size):
    assert dg.fewest_reversals([size, -size], length=1, eps=0.1) == 5


def test_a_detour_has_the_length_of_its_legs_whatever_the_sizes_of_the_rows():
    detour = dg.sign_detour([[3e-200, -4e-200], [3e200, 4e200], [1.7e308, -1.7e308]])
    np.testing.assert_allclose(detour.length[:2], [7e-200, 5e200])
    assert detour.length[2] == np.inf
    np.testing.assert_allclose(detour.ratio, [7 / 5, 1, 2**0.5])
    np.testing.assert_allclose(detour.cosine, [4 / 5, 1, 0.5**0.5])


def test_the_main_direction_points_with_most_of_its_entries(rng):
    for _ in range(20):
        axis = dg.narrow_cone(rng.standard_normal((5, 3))).axis
        assert axis.sum() >= 0
        assert np.linalg.norm(axis) == pytest.approx(1)


def test_cosines_and_sines_are_at_most_1(rng):
    for x, y in rng.standard_normal((1000, 2)):
        assert dg.narrow_cone([[x, y]], axis=[-y, x]).sin_theta <= 1
        assert dg.nearest_reachable([x, y], np.eye(2) + 0.1).cosine <= 1


def test_single_precision_is_measured_in_double():
    large, u = np.float32([3e38, 3e38]), np.float32([0.1, -0.3])
    assert dg.nearest_reachable(large, np.ones((1, 2))).cosine == pytest.approx(1)
    assert float(dg.sign_detour(large).length) == pytest.approx(3e38 * 2**0.5, rel=1e-6)
    assert dg.narrow_cone(np.eye(2), axis=u).axis.dtype == np.float64
    assert dg.narrow_cone(np.float32([[1, 3]]), axis=[1, 3]).sin_theta < 1e-15
    straight = dg.ZigZag.of_updates(np.float32([[1, 1], [2, 2]]), target=np.float32([3, 3]))
    assert straight.off_target == pytest.approx(0, abs=1e-15)
    assert dg.ZigZag.of_updates(np.float32([[1e30, 1e30]])).length == pytest.approx(2**0.5 * 1e30, rel=1e-6)
    assert dg.ZigZag.of_weights(np.float32([[1e8, 0], [1, 0]])).length == 99_999_999


def test_the_main_direction_of_wide_inputs_needs_no_square_array():
    """One J-by-J array would have 9 million entries, 72 megabytes."""
    tracemalloc.start()
    dg.narrow_cone(np.ones((2, 3000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


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
    with pytest.raises(ImportError, match=r"^this needs scipy: pip install scipy$"):
        dg.is_reachable([1, 1], np.ones((1, 2)))
    with pytest.raises(ImportError, match=r"^this needs scipy: pip install scipy$"):
        dg.nearest_reachable([1, 1], np.ones((1, 2)), signs=[1])
    assert dg.nearest_reachable([1, 1], np.ones((1, 2))).cosine == pytest.approx(1)


@pytest.mark.parametrize(
    "measure",
    [
        lambda: dg.nearest_reachable([1.0, 2.0], np.eye(2)),
        lambda: dg.sign_detour([[1.0, -1.0]]),
        lambda: dg.narrow_cone(np.eye(2)),
        lambda: dg.ZigZag.of_updates(np.eye(2)),
        lambda: dg.mean_fluctuation_split(mg.WeightGradient(np.eye(2), np.eye(2))),
    ],
    ids=["Nearest", "SignDetour", "NarrowCone", "ZigZag", "MeanFluctuation"],
)
def test_a_result_equals_itself_alone_and_stays_as_it_is(measure):
    found = measure()
    assert found == found
    assert found != measure()
    with pytest.raises(AttributeError):
        setattr(found, next(iter(vars(found))), 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: dg.nearest_reachable([1.0, 2], np.ones((3, 4))),
            r"shape \(2,\), expected \(4,\) or \(K, 4\)",
        ),
        (lambda: dg.nearest_reachable([0.0, 0], np.ones((3, 2))), "^update must be finite and not zero"),
        (lambda: dg.narrow_cone(np.zeros((2, 2))), "^a is zero on every sample"),
        (lambda: dg.narrow_cone(np.ones((0, 2))), r"^a of shape \(0, 2\)"),
        (lambda: dg.narrow_cone([[1, np.inf]]), r"^a of shape \(1, 2\) must be finite"),
        (lambda: dg.narrow_cone(np.eye(2), axis=np.eye(2)), r"^axis must be a finite vector .* shape \(2, 2\)"),
        (lambda: dg.nearest_reachable([1.0, 0], np.ones(2)), r"\(N, J\)"),
        (lambda: dg.sign_detour([np.nan, 1]), "finite"),
        (lambda: dg.fewest_reversals([0, 0], 1, 1), "other than 0"),
        (lambda: dg.fewest_reversals([1, -1], 1, 0), "eps is 0"),
        (lambda: dg.tube_legs([1, -1], -1, 1), "length is -1"),
        (lambda: dg.ZigZag.of_updates(np.ones(3)), r"\(T, J\)"),
        (lambda: dg.ZigZag.of_updates(np.ones((0, 3))), "T at least 1"),
        (lambda: dg.ZigZag.of_weights(np.ones((1, 3))), "T at least 1"),
        (lambda: dg.ZigZag.of_weights(np.ones(3)), r"^weights of shape \(3,\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("pattern", [[1, 2], [1, 1, 1], np.ones((1, 2, 2))], ids=["a 2", "too long", "too deep"])
def test_a_pattern_must_be_one(pattern):
    pytest.importorskip("scipy")
    with pytest.raises(ValueError, match="must be .K, 2. with entries -1, 0, 1"):
        dg.is_reachable(pattern, np.ones((3, 2)))


def test_a_long_way_in_wide_steps():
    assert dg.fewest_reversals([1, -1], 1e308, 1e10) > 1e290
    assert dg.fewest_reversals([1, -1], 1e10, 1e308) == 1
    assert dg.tube_legs([1, -1], 3, 10).tolist() == pytest.approx(np.array([[3, 0], [0, -3]]) / np.sqrt(2))
