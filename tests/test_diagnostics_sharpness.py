"""sharpness against the largest eigenvalue of the Hessian, and against where training diverges."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import numeric_gradient, snapshot
from strategies import DTYPES, problems

import minigrad as mg
from minigrad.diagnostics import max_stable_lr, sharpness


def hessian(net, loss, x, y):
    """All second derivatives, (P, P), by central differences of backprop's gradient along every parameter."""
    arrays = net.parameters()

    def gradient():
        found = mg.backprop(net, loss, x, y).parameter_gradients()
        return np.concatenate([np.ravel(found[name]) for name in arrays])

    rows = [numeric_gradient(gradient, array, 1e-5) for array in arrays.values()]
    return np.concatenate([row.reshape(-1, row.shape[-1]) for row in rows])


@given(problems(kinds=("identity", "sigmoid", "tanh", "gelu", "silu", "softplus")), st.integers(0, 5))
def test_sharpness_is_the_largest_eigenvalue_of_the_hessian(problem, seed):
    net, loss, x, y = problem
    if not net.parameters():
        with pytest.raises(ValueError, match=r"^net .* has no parameters"):
            sharpness(net, loss, x, y)
        return
    before = snapshot(net)
    H = hessian(net, loss, x, y)
    values = np.linalg.eigvalsh((H + H.T) / 2)
    assert abs(sharpness(net, loss, x, y, tolerance=1e-6, rng=seed) - values[-1]) < 1e-5 * (1 + abs(values).max())
    assert snapshot(net) == before


@pytest.mark.parametrize("kind", ["relu", "leaky_relu", "selu"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sharpness_away_from_the_kinks_and_in_float32(kind, dtype):
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((7, 4)).astype(dtype), rng.integers(0, 3, 7)
    net, wide = (mg.mlp([4, 6, 3], kind, rng=1, dtype=kind_of) for kind_of in (dtype, np.float64))
    wide.load_state_dict(net.state_dict())
    H = hessian(wide, mg.CrossEntropyLoss(), x.astype(float), y)
    expected = np.linalg.eigvalsh((H + H.T) / 2)[-1]
    assert sharpness(net, mg.CrossEntropyLoss(), x, y) == pytest.approx(expected, rel=1e-3)
    assert net.dtype == dtype


def test_the_tolerance_bounds_the_error_and_the_start_does_not_matter():
    rng = np.random.default_rng(0)
    net, x, y = mg.mlp([8, 20, 20, 5], "tanh", rng=0), rng.standard_normal((60, 8)), rng.integers(0, 5, 60)
    best = sharpness(net, mg.CrossEntropyLoss(), x, y, tolerance=1e-7)
    for seed in range(5):
        for tolerance in (0.1, 1e-3):
            found = sharpness(net, mg.CrossEntropyLoss(), x, y, tolerance=tolerance, rng=seed)
            assert 0 <= best - found < tolerance * best + 1e-6
    assert sharpness(net, mg.CrossEntropyLoss(), x, y, rng=3) == sharpness(
        net, mg.CrossEntropyLoss(), x, y, rng=np.random.default_rng(3)
    )


@pytest.mark.filterwarnings("ignore:training diverged")
@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_gradient_descent_converges_below_the_measured_limit_and_diverges_above(momentum):
    """A quadratic loss in a net of one layer, where the limit is exact."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 4)) + 1, rng.standard_normal((20, 3))
    start = mg.Sequential(mg.Linear(4, 3, rng=0))
    limit = 2 * (1 + momentum) / sharpness(start, mg.MSELoss(), x, y)
    assert limit == pytest.approx((1 + momentum) * max_stable_lr(pair_of(x, 3), bias=True, loss=mg.MSELoss()), rel=1e-5)
    best = np.linalg.lstsq(np.column_stack([x, np.ones(20)]), y, rcond=None)[1].sum() / y.size
    ends = []
    for share, epochs in ((0.97, 2000), (1.03, 1000)):
        net = mg.Sequential(mg.Linear(4, 3, rng=0))
        opt = mg.SGD(share * limit, momentum=momentum)
        ends.append(mg.fit(net, mg.MSELoss(), opt, x, y, epochs=epochs, batch_size=20, progress=False).loss[-1])
    assert ends[0] == pytest.approx(best, rel=1e-6)
    assert ends[1] > 1e6


def pair_of(x, K):
    return mg.WeightGradient(np.ones((len(x), K)), x)


@pytest.mark.slow
def test_a_deep_net_leaves_its_valley_above_the_limit_only():
    """Near the bottom of a valley a small push is forgotten below 2 / sharpness and grows above it."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 3))
    y = np.tanh(x @ rng.standard_normal((3, 2)))
    net = mg.mlp([3, 4, 2], "tanh", rng=0)
    mg.fit(net, mg.MSELoss(), mg.SGD(0.2, momentum=0.9), x, y, epochs=20_000, batch_size=12, progress=False)
    limit, weights, ends = 2 / sharpness(net, mg.MSELoss(), x, y), net.state_dict(), []
    for share in (0.95, 1.05):
        reached = []
        for push in (0, 1e-7):
            net.load_state_dict({name: array + push for name, array in weights.items()})
            mg.fit(net, mg.MSELoss(), mg.SGD(share * limit), x, y, epochs=100, batch_size=12, progress=False)
            reached.append(np.concatenate([array.ravel() for array in net.parameters().values()]))
        ends.append(np.linalg.norm(reached[1] - reached[0]))
    assert ends[0] < 1e-6
    assert ends[1] > 1e-4


def test_sharpness_in_the_mode_that_the_net_is_in():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 3)), rng.standard_normal((9, 2))
    layers = mg.Linear(3, 5, rng=0), mg.BatchNorm(5), mg.Tanh(), mg.Dropout(0.5, rng=7), mg.Linear(5, 2, rng=1)
    net = mg.Sequential(*layers)
    before = snapshot(net)
    training = sharpness(net, mg.MSELoss(), x, y)
    assert training == sharpness(net, mg.MSELoss(), x, y), "the same mask each time"
    assert snapshot(net) == before
    net.eval()
    H = hessian(net, mg.MSELoss(), x, y)
    evaluated = sharpness(net, mg.MSELoss(), x, y)
    assert evaluated == pytest.approx(np.linalg.eigvalsh((H + H.T) / 2)[-1], rel=1e-5)
    assert evaluated != pytest.approx(training, rel=0.01)


def test_sharpness_of_a_valley_without_slope_or_bend():
    net = mg.Sequential(mg.Linear(2, 1, init="zeros"))
    flat = mg.Sequential(mg.Linear(2, 1, bias=False, rng=0))
    assert sharpness(flat, mg.MSELoss(), np.zeros((3, 2)), np.ones((3, 1))) == 0
    H = np.array([[1.0, 1, 1], [1, 1, 1], [1, 1, 1]])
    assert sharpness(net, mg.MSELoss(), np.ones((3, 2)), np.ones((3, 1))) == pytest.approx(2 * np.linalg.norm(H, 2))


def test_refusals_of_sharpness():
    net, x, y = mg.mlp([3, 4, 2], "relu", rng=0), np.random.default_rng(0).standard_normal((5, 3)), [0, 1, 0, 1, 1]
    loss = mg.CrossEntropyLoss()
    with pytest.raises(TypeError, match="^net is a Linear, expected a Sequential"):
        sharpness(mg.Linear(3, 2), loss, x, y)
    with pytest.raises(TypeError, match="^loss is an int"):
        sharpness(net, 3, x, y)
    with pytest.raises(ValueError, match=r"^x has shape \(0, 3\)"):
        sharpness(net, loss, x[:0], y[:0])
    for tolerance in (0, 2, np.nan):
        with pytest.raises(ValueError, match="^tolerance is"):
            sharpness(net, loss, x, y, tolerance=tolerance)
    with pytest.raises(ArithmeticError, match="^the gradients of net hold NaN or infinity: there is no"):
        sharpness(net, loss, x * np.nan, y)
    x[2] = 0
    with pytest.raises(ValueError, match="^the gradient jumps at these weights"):
        sharpness(net, loss, x, y)
    net[0].bias[...] = 0.1
    assert sharpness(net, loss, x, y) > 0


def test_an_iteration_that_does_not_converge_says_how_far_it_came(monkeypatch):
    rng = np.random.default_rng(0)
    net, x, y = mg.mlp([8, 20, 5], "tanh", rng=0), rng.standard_normal((60, 8)), rng.integers(0, 5, 60)
    expected = sharpness(net, mg.CrossEntropyLoss(), x, y)
    monkeypatch.setattr("minigrad.diagnostics.curvature.PRODUCTS", 5)
    with pytest.raises(ArithmeticError, match=r"^the sharpness is \S+ to within \S+ after 5 products") as caught:
        sharpness(net, mg.CrossEntropyLoss(), x, y, tolerance=1e-6)
    value, error = map(float, re.findall(r" is (\S+) to within (\S+) ", str(caught.value))[0])
    assert abs(value - expected) <= 1.01 * error < 0.2 * expected
