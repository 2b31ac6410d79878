"""Runs at the edge: training with numbers that hardly fit, and what is refused or answered of NaN, of 0 and of 1."""

import numpy as np
import pytest
from catalogue import OPTIMIZERS
from oracles import same_bits, snapshot
from test_extreme_numbers import BCE, CE, CORES, LOGITS, MSE, core, run_on, types, unit

import minigrad as mg
from minigrad import diagnostics as dg

__all__ = ["core"]  # the fixture
DRIVERS = [pair for pair in (("compiled", "fused"), ("compiled", "python"), ("numpy", "python")) if pair[0] in CORES]
X, Y = np.random.default_rng(0).standard_normal((8, 3)), np.arange(8) % 2
optimizers = pytest.mark.parametrize("name", OPTIMIZERS)


@pytest.fixture(params=DRIVERS, ids=" ".join)
def driver(request, monkeypatch):
    """The engine to train with, on the core beside it."""
    run_on(monkeypatch, request.param[0])
    return request.param[1]


def fit(net, loss=CE, opt=None, x=X, y=Y, **others):
    others = {"epochs": 2, "batch_size": 4, "rng": 0, "progress": False} | others
    return mg.fit(net, loss, opt or mg.SGD(0.1), x, y, **others)


# ---- training ------------------------------------------------------------------------------------------------


@types
def test_training_moves_subnormal_weights_and_leaves_the_process_with_subnormals(driver, dtype):
    net, t = mg.Sequential(mg.Linear(1, 1, init="zeros", bias=False, dtype=dtype)), unit(dtype)
    net[0].weight[:] = 5 * t
    fit(net, MSE, mg.SGD(1.0), np.ones((4, 1)), np.full((4, 1), 4 * t), epochs=1, engine=driver)  # w -= 2 (w - 4 t)
    assert (net[0].weight / t).tolist() == [[3]]
    few = np.array([1, 3, 1000] * 8, dtype)
    assert (few * t / t == few).all()  # neither results nor operands are flushed to zero


@types
@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize(("kind", "bias"), [("sigmoid", 800), ("sigmoid", -800), ("tanh", 800), ("relu", -1e30)])
def test_a_saturated_layer_gets_a_delta_of_zero_and_stays_as_it_is(driver, kind, bias, name, dtype):
    net = mg.mlp([3, 4, 2], kind, dtype=dtype, rng=0)
    net[0].bias[:] = bias
    bp = mg.backprop(net, CE, X, Y)
    assert (bp.gradients["0"].delta == 0).all()
    assert (bp.gradients["0"].weight == 0).all()
    assert dg.dead_units(net, X)["1"].all()
    first, last = net[0].state_dict(), net[2].state_dict()
    assert np.isfinite(fit(net, opt=OPTIMIZERS[name](lr=0.1), engine=driver).loss).all()
    assert same_bits(net[0].state_dict(), first)
    assert not same_bits(net[2].state_dict(), last)


@types
@optimizers
def test_a_step_that_overflows_is_divergence_and_everything_is_restored(driver, name, dtype):
    net, opt = mg.mlp([3, 4, 2], dtype=dtype, rng=0), OPTIMIZERS[name](lr=0.01)
    fit(net, opt=opt, engine=driver)
    opt.lr, before = 1e308, snapshot(net, opt)
    with pytest.raises(mg.DivergenceError, match=r"epoch 1.*(layer \d|the loss itself).*smaller lr"):
        fit(net, opt=opt, engine=driver)
    assert snapshot(net, opt) == before


@types
@optimizers
def test_a_learning_rate_too_small_to_matter_changes_no_bit(driver, name, dtype):
    net = mg.mlp([3, 4, 2], dtype=dtype, rng=0)
    for parameter in net.parameters().values():
        parameter += 1
    before = net.state_dict()
    fit(net, opt=OPTIMIZERS[name](lr=5e-324), engine=driver)
    assert same_bits(net.state_dict(), before)


@types
def test_features_of_a_billion_to_one_diverge_by_name_or_train(driver, dtype):
    x, y, net = X * [1e9, 1, 1e-9], np.eye(2)[Y], mg.mlp([3, 4, 2], "relu", dtype=dtype, rng=0)
    with pytest.raises(mg.DivergenceError, match=r"epoch \d+, step \d, beginning in (layer 2, Linear|the loss itself)"):
        fit(net, MSE, mg.SGD(0.1), x, y, epochs=20, engine=driver)
    history = fit(mg.mlp([3, 4, 2], "relu", dtype=dtype, rng=0), MSE, mg.SGD(1e-20), x, y, epochs=20, engine=driver)
    assert history.loss[-1] < 0.99 * history.loss[0]


@types
def test_gradients_of_features_of_a_billion_to_one_are_right_in_every_column(core, dtype):
    scale = np.array([1e9, 1, 1e-9])
    x, net = (X * scale).astype(dtype), mg.mlp([3, 4, 2], "tanh", dtype=dtype, rng=0)
    net[0].weight[:] = (net[0].weight / scale).astype(dtype)
    a, w, v = (array.astype(np.longdouble) for array in (x, net[0].weight, net[2].weight))  # the biases are 0
    h = np.tanh(a @ w.T)
    p = np.exp(h @ v.T)
    out = p / p.sum(axis=1, keepdims=True) - np.eye(2)[Y]
    below = (out @ v) * (1 - h * h)
    bp = mg.backprop(net, CE, x, Y)
    for path, exact, size in (
        ("0", below.T @ a / 8, np.abs(below).T @ np.abs(a) / 8),
        ("2", out.T @ h / 8, np.abs(out).T @ np.abs(h) / 8),
    ):
        assert (np.abs(bp.gradients[path].weight - exact) <= 32 * np.finfo(dtype).eps * size).all()


@types
@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("loss", [CE, LOGITS, BCE], ids=repr)
def test_labels_all_of_one_class_are_learnt(driver, loss, label, dtype):
    layers = [*mg.mlp([3, 4, 2], dtype=dtype, rng=0), *([mg.Sigmoid()] if loss is BCE else [])]
    y = np.full(8, label) if loss is CE else np.full((8, 2), label)
    history = fit(mg.Sequential(*layers), loss, mg.SGD(5.0), y=y, epochs=60, engine=driver)
    assert history.accuracy[-1] == 1
    assert 0 < history.loss[-1] < 0.05


# ---- NaN, infinity, and sizes of 0 and 1 ---------------------------------------------------------------------

NAN = np.where(np.arange(8)[:, None] == 3, np.nan, X)
BROKEN = mg.mlp([3, 4, 2], rng=0)
BROKEN[0].weight[1, 1] = np.nan
G = mg.backprop(BROKEN, CE, X, Y)
NET, NORM = mg.mlp([3, 4, 2], rng=0), mg.Sequential(mg.BatchNorm(3), mg.Linear(3, 2, rng=0))
EMPTY = mg.WeightGradient(np.zeros((0, 2)), np.zeros((0, 3)))
NONE = np.zeros((2, 0, 3))  # samples without positions
Z, BIG = np.zeros((2, 2)), np.array([0, 2**64 - 1], np.uint64)
REFUSED = {  # call, error, words of its message
    "NaN weight, fit": (lambda: fit(BROKEN), mg.DivergenceError, "epoch 1, step 1, beginning in layer 0, Linear"),
    "NaN weight, gradcheck": (lambda: mg.gradcheck(BROKEN, CE, X, Y), AssertionError, "backprop nan"),
    "NaN weight, saturation": (lambda: dg.saturation(BROKEN, X), ValueError, r"layer 1, Sigmoid\(\), gets NaN"),
    "NaN x, dead_units": (lambda: dg.dead_units(NET, NAN), ValueError, r"layer 1, Sigmoid\(\), gets NaN"),
    "NaN delta, signs": (lambda: dg.sign_pattern(G.gradients["2"]), ValueError, "g holds NaN, which has no sign"),
    "NaN delta, agreement": (lambda: dg.delta_agreement(G), ValueError, "delta 0 holds NaN"),
    "NaN a, conditioning": (lambda: dg.condition_number(NAN), ValueError, "a holds NaN or infinity"),
    "NaN a, cone": (lambda: dg.narrow_cone(NAN), ValueError, "must be finite"),
    "NaN tolerance": (lambda: mg.gradcheck(NET, CE, X, Y, tolerance=np.nan), ValueError, "tolerance is nan"),
    "eps of 0": (lambda: mg.gradcheck(NET, CE, X, Y, eps=0), ValueError, "eps is 0"),
    "too large for float32": (
        lambda: fit(mg.mlp([3, 2], dtype="float32"), x=X * 1e300), ValueError, "x holds NaN or infinity, first in row 0"
    ),
    "a huge gain": (lambda: dg.mean_field_rate("tanh", 1e300), ValueError, r"gain is 1e\+300"),
    "N = 0, backprop": (lambda: mg.backprop(NET, CE, X[:0], Y[:0]), ValueError, "mean loss of no samples"),
    "N = 0, gradcheck": (lambda: mg.gradcheck(NET, CE, X[:0], Y[:0]), ValueError, "mean loss of no samples"),
    "N = 0, saturation": (lambda: dg.saturation(NET, X[:0]), ValueError, "no samples to look at"),
    "N = 0, BatchNorm": (lambda: NORM(X[:0]), ValueError, "at least 2 samples in a batch, got 0"),
    "N = 0, split": (lambda: dg.mean_fluctuation_split(EMPTY), ValueError, "g has no samples"),
    "no positions, loss": (lambda: MSE(NONE[..., :2], NONE[..., :2]), ValueError, "there are no outputs"),
    "no positions, backprop": (lambda: mg.backprop(NET, MSE, NONE, NONE[..., :2]), ValueError, "there are no outputs"),
    "no positions, saturation": (lambda: dg.saturation(NET, NONE), ValueError, "no positions to look at"),
    "no positions, fit": (lambda: fit(NET, MSE, x=NONE, y=NONE[..., :2]), ValueError, r"shape \(2, 0, [23]\)"),
    "N = 0, spectrum": (lambda: dg.spectrum(X[:0]), ValueError, "nothing to measure"),
    "N = 1, BatchNorm": (lambda: mg.backprop(NORM, CE, X[:1], Y[:1]), ValueError, "needs at least 2 samples.*, got 1"),
    "N = 1, fit": (lambda: fit(NORM, x=X[:5], y=Y[:5]), ValueError, "batch of one of the 5 samples, which layer 0"),
    "N = 1, pairs": (lambda: dg.gram_signs(X[:1]), ValueError, "one sample has no pairs"),
    "J = 0, spectrum": (lambda: dg.spectrum(X[:, :0]), ValueError, "nothing to measure"),
    "K = 0, accuracy": (lambda: mg.accuracy(Z[:, :0], [0, 0]), ValueError, r"shape \(2, 0\): there are no outputs"),
    **{
        f"K = 0, {loss!r}": (lambda l=loss: l(Z[:, :0], Z[:, :0]), ValueError, r"shape \(2, 0\): there are no outputs")
        for loss in (CE, LOGITS, BCE, MSE)
    },
    "largest label": (lambda: CE(Z, BIG), ValueError, "from 0 to 18446744073709551615, expected 0 to 1"),
    "largest label, accuracy": (lambda: mg.accuracy(np.eye(2), BIG), ValueError, "from 0 to 18446744073709551615"),
    "NaN label": (lambda: mg.accuracy([[0.1], [0.9]], [np.nan, 1]), ValueError, "y holds NaN or infinity.* row 0"),
    "NaN class": (lambda: mg.accuracy(np.eye(2), [np.nan, 1]), TypeError, "y has dtype float64, .*; entry 0 is nan"),
    "smallest label": (lambda: fit(NET, y=Y + np.int64(-(2**63))), ValueError, "from -9223372036854775808"),
    "K = 1, one class": (lambda: CE(Z[:, :1], [0, 0]), ValueError, "needs an output for each class"),
    "K = 1, one class, fit": (lambda: fit(mg.mlp([3, 1])), ValueError, "needs an output for each class"),
    "bool x": (lambda: NET(X > 0), TypeError, r"x has dtype bool, .*; use x.astype\(float\)"),
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_answer_is_refused_in_words(core, case):
    call, error, words = REFUSED[case]
    with pytest.raises(error, match=words) as caught:
        call()
    assert type(caught.value) is error


ONE, SINGLE = np.ones((1, 4)), np.ones((1, 4), np.float32)
ANSWERED = {  # call, answer
    "NaN x stays in its row": (lambda: np.isnan(NET(NAN)).all(axis=1).nonzero()[0], [3]),
    "NaN logit stays in its row": (lambda: np.isnan(mg.softmax([[np.nan, 0], [0, 0]])[:, 0]), [True, False]),
    "NaN loss": (lambda: [np.isnan(G.loss), np.isnan(G.gradients["0"].weight).any()], [True, True]),
    "NaN is no right answer": (lambda: mg.accuracy([[np.nan, 0.0], [1.0, 0.0]], [0, 0]), 0.5),
    "NaN is no right answer of two": (lambda: mg.accuracy([[np.nan], [0.0]], [0, 0]), 0.5),
    "bool probabilities": (lambda: LOGITS(Z, Z > 0), np.log(2)),
    "bool classes": (lambda: CE(Z, [True, False]), np.log(2)),
    "bool labels in accuracy": (lambda: mg.accuracy([[0.9], [0.1]], [True, False]), 1),
    "N = 0": (lambda: NET(X[:0]), np.zeros((0, 2))),
    "no positions": (lambda: NET(NONE), np.zeros((2, 0, 2))),
    "LayerNorm of equal features": (lambda: mg.LayerNorm(3)(np.array([[0.1] * 3, [1e200] * 3])), np.zeros((2, 3))),
    "N = 1": (lambda: fit(NET, x=X[:1], y=Y[:1], epochs=0).loss, []),
    "K = 1, softmax": (lambda: mg.softmax([[5.0], [-1e308]]), [[1], [1]]),
    "J = 1": (lambda: dg.condition_number(X[:, :1]), 1),
    "signs of zeros": (lambda: dg.sign_pattern(np.array([[-0.0, 0.0, 5e-324]])), [[0, 0, 1]]),
    "signs of a product that underflows": (
        lambda: dg.sign_pattern(mg.WeightGradient(-5e-324 * ONE, 5e-324 * ONE)), -np.ones((4, 4))
    ),
    "zeros agree with everybody": (lambda: dg.single_signed_rows(np.array([[-0.0, 1.0], [0.0, -1.0]])), [True, True]),
    "norms of huge times tiny": (
        lambda: mg.WeightGradient(1e200 * ONE, 1e-200 * ONE).per_sample_norms().round(12), [4]
    ),
    "norms in float32": (
        lambda: mg.WeightGradient(np.float32(2**-100) * SINGLE, SINGLE).per_sample_norms(), [2**-98]
    ),
    "best scaling of the largest": (
        lambda: round(dg.best_diagonal_condition(1e308 * np.array([[1, -1], [1, 1]])), 9), 1),
    "kappa of the largest": (lambda: round(dg.condition_number(1e308 * np.array([[1, -1], [1, 1]])), 9), 1),
    "a huge std": (lambda: np.isfinite(mg.initializers.normal(1e300)(np.random.default_rng(0), 2, 2)).all(), True),
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", ANSWERED)
def test_what_has_an_answer_gets_it_without_a_warning(core, case):
    call, answer = ANSWERED[case]
    np.testing.assert_array_equal(call(), answer)
