"""best_diagonal_condition and curvature_outlier: hand-computed cases, and the same from matrices written out."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, problems, seeds

import minigrad as mg
from minigrad.diagnostics import best_diagonal_condition, condition_number, curvature_outlier
from minigrad.diagnostics.pairs import has_bias, signals

# ---- best_diagonal_condition -----------------------------------------------------------------------------


def of_moment(H):
    """Inputs whose second moment is H."""
    return np.linalg.cholesky(H).T * np.sqrt(len(H))


@pytest.mark.parametrize("rho", [-0.999999, -0.5, 0.0, 0.1, 0.9, 0.999999])
@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e8])
def test_two_inputs_by_hand(rho, scale):
    """With J = 2 a unit diagonal is the best, and leaves (1 + |rho|) / (1 - |rho|)."""
    H = np.array([[1.0, rho * scale], [rho * scale, scale**2]])
    assert best_diagonal_condition(of_moment(H)) == pytest.approx((1 + abs(rho)) / (1 - abs(rho)), rel=1e-6)


@pytest.mark.parametrize("J", [2, 3, 10, 40])
@pytest.mark.parametrize("offset", [0.01, 1.0, 30.0])
def test_a_circle_of_inputs_cannot_be_improved(J, offset, rng):
    """H with H_ij a function of i - j around a circle is the same for all inputs: no scaling helps."""
    around = 2 * np.pi * np.subtract.outer(np.arange(J), np.arange(J)) / J
    weights = rng.random(J // 2 + 1) + 0.1
    H = sum(w * np.cos(k * around) for k, w in enumerate(weights)) + offset
    values = np.linalg.eigvalsh(H)
    assert best_diagonal_condition(of_moment(H)) == pytest.approx(values[-1] / values[0], rel=1e-9)


def test_independent_inputs_are_made_perfect_and_units_do_not_matter(rng):
    assert best_diagonal_condition(np.diag([1e-9, 2.0, 5e7])) == pytest.approx(1)
    a = rng.standard_normal((40, 6)) + 1
    found = best_diagonal_condition(a)
    assert best_diagonal_condition(a * 2.0 ** np.array([-300, 0, 7, 20, -5, 400])) == pytest.approx(found, rel=1e-4)
    assert best_diagonal_condition(a.astype(np.float32)) == pytest.approx(found, rel=1e-3)
    assert best_diagonal_condition(np.array([[3.0]])) == 1


def test_a_unit_diagonal_is_not_the_best(rng):
    """Far from it where one input goes with all others, as a bias does: a search that stops there is seen."""
    a = mg.Sigmoid()(rng.standard_normal((400, 30)))
    wide = np.column_stack([a, np.ones(len(a))])
    unit = condition_number(wide / np.linalg.norm(wide, axis=0))
    assert best_diagonal_condition(a, bias=True) < 0.5 * min(unit, condition_number(a, bias=True))
    assert best_diagonal_condition(a, bias=True) == pytest.approx(best_diagonal_condition(wide), rel=1e-6)


@given(st.integers(1, 12), seeds, st.floats(0, 3), st.floats(0, 4))
def test_no_random_scaling_is_better(J, seed, mean, spread):
    rng = np.random.default_rng(seed)
    a = (rng.standard_normal((2 * J + 3, J)) + mean) * np.exp(spread * rng.standard_normal(J))
    best = best_diagonal_condition(a)
    assert 1 <= best <= condition_number(a) * (1 + 1e-9)
    unit = a / np.linalg.norm(a, axis=0)
    for width in (0, 0.01, 0.1, 1):
        tried = condition_number(unit * np.exp(width * rng.standard_normal(J)))
        assert best <= tried * (1 + 1e-4)


def test_the_best_scaling_takes_some_fifty_decompositions(monkeypatch, rng):
    """A wrong slope or a wrong step still ends at the minimum, but later."""
    counts, real = [], np.linalg.svd

    def counted(*args, **kwargs):
        counts[-1] += 1
        return real(*args, **kwargs)

    monkeypatch.setattr(np.linalg, "svd", counted)
    for J in (2, 5, 20):
        a = rng.standard_normal((3 * J, J))
        kinds = a, a + 3, a * np.exp(3 * rng.standard_normal(J)), mg.Sigmoid()(a), (a + 2) @ rng.standard_normal((J, J))
        for inputs in kinds:
            for bias in (False, True):
                counts.append(0)
                best_diagonal_condition(inputs, bias)
    assert max(counts) < 110
    assert np.mean(counts) < 65


def test_singular_inputs_have_no_best_scaling():
    for a in (np.ones((3, 4)), np.zeros((5, 2)), np.eye(4)[:, [0, 1, 1]], np.hstack([np.eye(3), np.zeros((3, 1))])):
        assert best_diagonal_condition(a) == condition_number(a) == np.inf
    constant = np.column_stack([np.arange(5.0), np.full(5, 3.0)])
    assert best_diagonal_condition(constant) < np.inf
    assert best_diagonal_condition(constant, bias=True) == np.inf, "two constants are one direction"


def test_best_diagonal_condition_refuses():
    for a, message in (
        (np.ones(3), r"^a has shape \(3,\)"),
        (np.ones((0, 3)), "nothing to measure"),
        (np.array([[1.0, np.nan]]), "^a holds NaN or infinity"),
    ):
        with pytest.raises(ValueError, match=message):
            best_diagonal_condition(a)


# ---- curvature_outlier -----------------------------------------------------------------------------------


def written_out(delta, a, bias):
    """(value, bound), from the (K J, K J) matrix of the per-sample gradients."""
    a = np.column_stack([a, np.ones(len(a))]) if bias else a
    rows = [np.kron(d, v) for d, v in zip(delta.astype(float), a.astype(float), strict=True)]
    fisher = sum(np.outer(row, row) for row in rows) / len(rows)
    errors = sum(np.outer(d, d) for d in delta.astype(float)) / len(rows)
    mean = a.mean(axis=0, dtype=float)
    return np.linalg.eigvalsh(fisher)[-1], np.linalg.eigvalsh(errors)[-1] * mean @ mean


@given(problems())
def test_it_is_the_largest_eigenvalue_of_the_matrix_written_out(problem):
    bp = mg.backprop(*problem)
    found = curvature_outlier(bp)
    assert list(found) == list(bp.gradients)
    for path, g in bp.gradients.items():
        expected = written_out(g.delta, g.a, f"{path}.bias" in bp.parameter_gradients())
        np.testing.assert_allclose(found[path], expected, rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
def test_many_samples_and_a_small_gap(dtype, bias, rng):
    """150 samples, so that the search ends long before its space is full."""
    net = mg.Sequential(mg.Linear(7, 6, bias=bias, dtype=dtype, rng=0), mg.Tanh(), mg.Linear(6, 3, dtype=dtype, rng=1))
    x = rng.standard_normal((150, 7))
    bp = mg.backprop(net, mg.MSELoss(), x, rng.standard_normal((150, 3)))
    for path, with_bias in (("0", bias), ("2", True)):
        g = bp.gradients[path]
        np.testing.assert_allclose(curvature_outlier(bp)[path], written_out(g.delta, g.a, with_bias), rtol=1e-6)


def test_one_sample_by_hand():
    """One sample: |delta|^2 (|a|^2 + 1), twice. No error: 0."""
    net = mg.Sequential(mg.Linear(2, 2))
    net[0].weight[...] = 0
    bp = mg.backprop(net, mg.MSELoss(), np.array([[3.0, 4.0]]), np.array([[1.0, 2.0]]))
    delta = bp.gradients["0"].delta[0]
    np.testing.assert_allclose(curvature_outlier(bp)["0"], [(delta @ delta) * 26] * 2)
    bp = mg.backprop(net, mg.MSELoss(), np.array([[3.0, 4.0], [1.0, 0.0]]), np.zeros((2, 2)))
    assert curvature_outlier(bp) == {"0": (0.0, 0.0)}


def test_a_curvature_beyond_the_floats_is_no_number():
    x = np.random.default_rng(0).standard_normal((6, 3))
    bp = mg.backprop(mg.mlp([3, 4, 2], "tanh", rng=0), mg.MSELoss(), x, np.full((6, 2), 1e200))
    assert np.isnan([value for value, _ in curvature_outlier(bp).values()]).all()


def test_curvature_outlier_refuses():
    with pytest.raises(TypeError, match="^bp is a dict, expected a Backprop"):
        curvature_outlier({})
    net = mg.mlp([2, 2], rng=0)
    bp = mg.backprop(net, mg.MSELoss(), np.array([[np.inf, 1.0]]), np.ones((1, 2)))
    with pytest.raises(ValueError, match="^layer '0' has NaN or infinity"):
        curvature_outlier(bp)


def test_they_travel_to_another_process_and_change_nothing(rng):
    for function in (best_diagonal_condition, curvature_outlier):
        assert pickle.loads(pickle.dumps(function)) is function
    a = rng.standard_normal((9, 3))
    a.flags.writeable = False
    best_diagonal_condition(a)
    bp = mg.backprop(mg.mlp([3, 2], rng=0), mg.MSELoss(), a, rng.standard_normal((9, 2)))
    for g in bp.gradients.values():
        g.delta.flags.writeable = False
    curvature_outlier(bp)


class Joined(mg.Layer):
    """(N, P, K) -> (N, P K): all positions of a sample in one row."""

    def forward(self, x):
        return x.reshape(len(x), -1), x.shape

    def backward(self, delta, shape):
        return delta.reshape(shape), {}


def test_positions_that_the_output_joins_are_positions_still(rng):
    net, x, y = mg.mlp([3, 4, 2], rng=0), rng.standard_normal((6, 5, 3)), rng.standard_normal((6, 5, 2))
    expected = curvature_outlier(mg.backprop(net, mg.MSELoss(), x, y))
    joined = mg.Sequential(*net, Joined())
    assert curvature_outlier(mg.backprop(joined, mg.MSELoss(), x, y.reshape(6, 10))) == expected


@pytest.mark.parametrize(
    ("weight", "bias"),
    [
        ("0.weight", "0.bias"),
        ("0", "0.bias"),
        ("a.weighted.weight", "a.weighted.bias"),
        ("w.weight_ih_l0", "w.bias_ih_l0"),
    ],
)
def test_the_bias_of_a_weight_has_the_name_that_fits(weight, bias):
    """Of a pass of another library, a pair has the name of its parameter."""
    name = f"{weight}.weight" if weight == "0" else weight
    for names, there in (((name, bias), True), ((name,), False), ((name, "bias"), False), ((name, f"{bias}2"), False)):
        assert has_bias(SimpleNamespace(parameter_gradients=lambda names=names: dict.fromkeys(names)), weight) == there


def test_a_parameter_without_weight_in_its_name_is_not_its_own_bias():
    assert not has_bias(SimpleNamespace(parameter_gradients=lambda: {"scale": 1}), "scale")


def test_a_pass_may_say_which_factor_is_the_error_signal():
    assert signals(SimpleNamespace(gradients="as they are", signals=lambda: "the right way round")) == (
        "the right way round"
    )
