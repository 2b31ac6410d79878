"""C12, the outlier of the whole net's curvature: a mean limits the learning rate of every layer.

Statement. F = E[g g^T] over the samples' gradients g of all weights, F_l the block of layer l, E[delta delta^T (x)
a a^T] with a 1 behind a for the bias. Then lambda_1(F) >= lambda_1(F_l), and where delta is independent of a,

    lambda_1(E delta delta^T) (|mu|^2 + 1) <= lambda_1(F_l) <= lambda_1(E delta delta^T) (|mu|^2 + 1 + lambda_1(S)),

with mu and S the mean and the covariance of a. Centred inputs have lambda_1(E delta delta^T) max(lambda_1(S), 1).
For any delta the lower bound holds with the mean of a taken with the weights (u . delta)^2, u the first eigenvector
of E delta delta^T.

Floats. Ordinary rounding.

Converse. delta that follows a: a bound of any size above the value.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import problems, seeds

import minigrad as mg
from minigrad.diagnostics import curvature_outlier


def pairs_of(delta, a):
    """A Backprop with this one layer, with a bias."""
    g = mg.WeightGradient(np.asarray(delta, float), np.asarray(a, float))
    return mg.Backprop(0.0, [], {"0": g}, [], {"0.weight": g, "0.bias": g.bias})


def independent(seed, M, L, K, J, mean):
    """(delta, a): every one of M error signals with every one of L inputs, so that one says nothing of the other."""
    rng = np.random.default_rng(seed)
    delta, a = rng.standard_normal((M, K)) + rng.standard_normal(K), rng.standard_normal((L, J)) + mean
    return np.repeat(delta, L, axis=0), np.tile(a, (M, 1))


def top(matrix):
    return np.linalg.eigvalsh(matrix)[-1]


sizes = [st.integers(1, 6)] * 4


@given(seeds, *sizes, st.floats(-5, 5))
def test_the_bounds_where_delta_is_independent_of_a(seed, M, L, K, J, mean):
    delta, a = independent(seed, M, L, K, J, mean)
    value, bound = curvature_outlier(pairs_of(delta, a))["0"]
    errors, centred = top(delta.T @ delta / len(a)), a - a.mean(axis=0)
    spread = top(centred.T @ centred / len(a))
    assert bound == pytest.approx(errors * (a.mean(axis=0) @ a.mean(axis=0) + 1))
    assert bound * (1 - 1e-9) <= value <= (bound + errors * spread) * (1 + 1e-9)
    wide = np.column_stack([a, np.ones(len(a))])
    assert value == pytest.approx(errors * top(wide.T @ wide / len(a)), rel=1e-6)  # Kronecker's spectrum


@given(seeds, *sizes, st.floats(0.1, 4))
def test_centred_inputs(seed, M, L, K, J, size):
    delta, a = independent(seed, M, L, K, J, 0.0)
    a = size * (a - a.mean(axis=0))
    value, _ = curvature_outlier(pairs_of(delta, a))["0"]
    assert value == pytest.approx(top(delta.T @ delta / len(a)) * max(top(a.T @ a / len(a)), 1), rel=1e-6)


@given(problems())
def test_a_block_is_no_more_than_the_whole(problem):
    """The whole matrix from the Gram matrix of the samples' gradients, layers added up."""
    bp = mg.backprop(*problem)
    gram = np.zeros((len(bp.output), len(bp.output)))
    for path, g in bp.gradients.items():
        gram += (g.delta @ g.delta.T) * (g.a @ g.a.T + (f"{path}.bias" in bp.parameter_gradients()))
    whole = top(gram / len(gram))
    blocks = [value for value, _ in curvature_outlier(bp).values()]
    assert all(value <= whole * (1 + 1e-6) + 1e-14 for value in blocks)


@given(problems())
def test_for_any_delta_with_the_mean_weighted(problem):
    bp = mg.backprop(*problem)
    for path, g in bp.gradients.items():
        values, vectors = np.linalg.eigh(g.delta.T @ g.delta / len(g.a))
        weights = (g.delta @ vectors[:, -1]) ** 2
        if values[-1] <= 1e-20:
            continue
        mean = weights @ g.a / weights.sum()
        bias = f"{path}.bias" in bp.parameter_gradients()
        assert curvature_outlier(bp)[path][0] >= values[-1] * (mean @ mean + bias) * (1 - 1e-6)


@pytest.mark.parametrize("size", [1.0, 10.0, 1000.0])
def test_converse_a_delta_that_follows_a(size):
    """Large inputs silence the unit: half of the samples have a = (size, size) and no error, half a = 0."""
    delta, a = [[0.0], [0], [1], [-1]], [[size, size]] * 2 + [[0.0, 0]] * 2
    value, bound = curvature_outlier(pairs_of(delta, a))["0"]
    assert value == pytest.approx(0.5)
    assert bound == pytest.approx(0.5 * (size**2 / 2 + 1))
    assert bound > value


@pytest.mark.parametrize("H", [30, 90])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_figure_of_a_net(H, seed):
    """Centred digits, 64-H-H-10, sigmoid and sigmoid - 1/2 as one function with one delta: the mean's factor is
    1 + H/4, and the bound holds to a few percent though delta comes from a.
    """
    x, y, _, _ = mg.datasets.load("digits")
    x, y = (x[:300] - x[:300].mean(axis=0)) / 16, y[:300]
    centred, plain = (mg.mlp([64, H, H, 10], kind, rng=seed) for kind in ("centered_sigmoid", "sigmoid"))
    for i in (2, 4):
        plain[i].bias[...] = -plain[i].weight.sum(axis=1) / 2
    first, second = (mg.backprop(net, mg.CrossEntropyLoss(), x, y) for net in (plain, centred))
    for path in first.gradients:
        np.testing.assert_allclose(first.gradients[path].delta, second.gradients[path].delta, atol=1e-12)
    found, without = curvature_outlier(first), curvature_outlier(second)
    for path in ("2", "4"):
        assert found[path][0] == pytest.approx(found[path][1], rel=0.05)
        assert found[path][0] / without[path][0] == pytest.approx(1 + H / 4, rel=0.2)
    assert found["0"] == pytest.approx(without["0"]), "the pixels are the same for both"
