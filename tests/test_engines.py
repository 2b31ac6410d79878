"""One semantics, two drivers: the fused epoch and the Python loop end with the same bits."""

from itertools import pairwise

import catalogue
import numpy as np
import pytest
from catalogue import ACTIVATION_CLASSES, KINDS, OPTIMIZERS
from epochs import train_epoch
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, seeds

import minigrad as mg
from minigrad.training import fused


def random_net(widths, kind, residual, bias, dtype, seed):
    """Linear and activation layers, a Residual and a nested Sequential among them where asked for."""
    rng = np.random.default_rng(seed)
    layers = []
    for J, K in pairwise(widths):
        layers += [mg.Linear(J, K, bias=bias, dtype=dtype, rng=rng), ACTIVATION_CLASSES[kind]()]
    if residual:
        K = widths[-2]
        inner = mg.Sequential(mg.Linear(K, K, dtype=dtype, rng=rng), ACTIVATION_CLASSES[kind]())
        layers.insert(-2, mg.Residual(inner, mg.Residual(mg.Linear(K, K, dtype=dtype, rng=rng))))
    return mg.Sequential(*layers[:-1])


def everything(net, opt, history):
    """All that a run leaves behind, as bytes."""
    slots = [array.tobytes() for name in sorted(opt.state) for array in opt.state[name]]
    return [array.tobytes() for array in net.state_dict().values()], slots, opt.steps, repr(history)


@given(
    widths=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    kind=st.sampled_from(KINDS),
    residual=st.booleans(),
    bias=st.booleans(),
    loss=st.sampled_from(list(catalogue.LOSSES)),
    optimizer=st.sampled_from(list(OPTIMIZERS)),
    weight_decay=st.sampled_from([0.0, 0.01]),
    dtype=st.sampled_from(DTYPES),
    N=st.integers(1, 70),
    batch_size=st.integers(1, 80),
    shuffle=st.booleans(),
    seed=seeds,
)
def test_both_engines_end_with_the_same_bits(
    compiled, widths, kind, residual, bias, loss, optimizer, weight_decay, dtype, N, batch_size, shuffle, seed
):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, widths[0])).astype(dtype)
    example = catalogue.LOSSES[loss]
    widths = [*widths[:-1], max(example.least_outputs, widths[-1])]
    y = example.targets(rng, N, widths[-1])
    y = y if y.dtype.kind == "i" else y.astype(dtype)
    left = []
    for engine in ("fused", "python"):
        net = random_net(widths, kind, residual, bias, dtype, seed)
        if example.of_probabilities:
            net.layers.append(mg.Sigmoid())
        opt = OPTIMIZERS[optimizer](lr=0.01, weight_decay=weight_decay)
        history = mg.fit(
            net, example.loss, opt, x, y, epochs=2, batch_size=batch_size, shuffle=shuffle, rng=seed,
            validation=(x, y), engine=engine,
        )  # fmt: skip
        left.append(everything(net, opt, history))
    assert left[0] == left[1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("J", "K", "batch_size"), [(400, 200, 200), (1100, 300, 130)])
def test_large_products_give_the_same_bits_too(compiled, J, K, batch_size, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, J)).astype(dtype), rng.integers(0, 10, 300)
    left = []
    for engine in ("fused", "python"):
        net, opt = mg.mlp([J, K, 10], "relu", dtype=dtype, rng=0), mg.SGD(0.1)
        history = mg.fit(net, mg.CrossEntropyLoss(), opt, x, y, epochs=2, batch_size=batch_size, rng=0, engine=engine)
        left.append(everything(net, opt, history))
    assert left[0] == left[1]


def test_divergence_is_found_at_the_same_step(compiled):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 4)), rng.standard_normal((64, 2))
    said = []
    for engine in ("fused", "python"):
        net = mg.mlp([4, 8, 2], "relu", rng=0)
        with pytest.raises(mg.DivergenceError) as error:
            mg.fit(net, mg.MSELoss(), mg.SGD(1e3), x, y, epochs=50, batch_size=8, rng=0, engine=engine)
        said.append((str(error.value), [array.tobytes() for array in net.state_dict().values()]))
    assert said[0] == said[1]


RIGHT = [  # loss, the output, y, right answers of the entries or the samples
    (mg.BCELoss(), [[0.0, -0.25], [1.0, 2.0]], [[0, 1], [1, 0.5]], 2 / 4),  # before the Sigmoid
    (mg.BCEWithLogitsLoss(), [[0.0, 0.25], [-1.0, 2.0]], [[0, 1], [0.5, 0.25]], 3 / 4),
    (mg.CrossEntropyLoss(), [[1.0, 1.0], [0.0, 2.0], [2.0, 2.0]], [0, 1, 1], 2 / 3),
    (mg.CrossEntropyLoss(), [[1.0, 1.0], [0.0, 2.0], [0.0, 3.0]], [[0.5, 0.5], [0.5, 0.5], [0, 1]], 2 / 3),
]


@pytest.mark.parametrize(("loss", "output", "y", "share"), RIGHT)
def test_right_answers_at_the_threshold_and_of_equal_classes(engine, loss, output, y, share):
    net = mg.Sequential(mg.Linear(2, 2, bias=False), *[mg.Sigmoid()] * isinstance(loss, mg.BCELoss))
    net[0].weight[...] = np.eye(2)
    history = mg.fit(net, loss, mg.SGD(1e-9), np.array(output), y, epochs=1, batch_size=3, shuffle=False, engine=engine)
    assert history.accuracy == [pytest.approx(share)]


class OwnSigmoid(mg.Sigmoid):
    """A layer of a reader's own."""


@pytest.mark.parametrize(
    ("net", "loss", "opt", "reason"),
    [
        (lambda: mg.Sequential(mg.Linear(3, 2), mg.BatchNorm(2)), mg.MSELoss(), mg.SGD(0.1), "BatchNorm"),
        (lambda: mg.Sequential(mg.Linear(3, 2), mg.Dropout(0.1)), mg.MSELoss(), mg.SGD(0.1), "Dropout"),
        (lambda: mg.Sequential(mg.Linear(3, 2), OwnSigmoid()), mg.MSELoss(), mg.SGD(0.1), "OwnSigmoid"),
        (lambda: mg.Sequential(mg.Linear(3, 2), mg.Tanh()), mg.BCELoss(), mg.SGD(0.1), "BCELoss"),
        (lambda: mg.Sequential(mg.Sigmoid()), mg.MSELoss(), mg.SGD(0.1), "no parameters"),
    ],
)
def test_what_the_fused_epoch_cannot_train_is_said(compiled, net, loss, opt, reason):
    with pytest.raises(ValueError, match=reason):
        mg.fit(net(), loss, opt, np.ones((4, 3)), np.ones((4, net()(np.ones((4, 3))).shape[1])), epochs=1,
               engine="fused")  # fmt: skip


def test_a_layer_used_twice_is_left_to_the_python_loop(compiled):
    """In the fused epoch a weight is updated before the layers below have passed delta on."""
    shared = mg.Linear(3, 3, rng=0)
    net = mg.Sequential(shared, mg.Tanh(), shared)
    assert "twice" in fused.obstacle(net, mg.MSELoss(), mg.SGD(0.1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_activation_trains_to_the_same_bits(compiled, kind, dtype):
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(dtype)
    nets = [mg.mlp([3, 8, 8, 2], kind, dtype=dtype, rng=0) for _ in range(2)]
    for net, engine in zip(nets, ("python", "fused"), strict=True):
        mg.fit(net, mg.MSELoss(), mg.SGD(0.02), x, x[:, :2], epochs=2, batch_size=8, rng=0, engine=engine)
    assert {n: a.tobytes() for n, a in nets[0].state().items()} == {n: a.tobytes() for n, a in nets[1].state().items()}


@pytest.mark.parametrize("batch_size", [10, 64])  # inner products of few samples, and tiles
@pytest.mark.parametrize("dtype", DTYPES)
def test_samples_that_outgrow_the_cache_train_to_the_same_bits(compiled, dtype, batch_size):
    """The rows of the next batch are then fetched while this one is multiplied; the last batch is short."""
    x = np.random.default_rng(0).standard_normal((1003, 99)).astype(dtype)
    nets = [mg.mlp([99, 9, 2], "tanh", dtype=dtype, rng=0) for _ in range(2)]
    for net, engine in zip(nets, ("python", "fused"), strict=True):
        mg.fit(net, mg.MSELoss(), mg.SGD(0.02), x, x[:, :2], epochs=2, batch_size=batch_size, rng=0, engine=engine)
    assert {n: a.tobytes() for n, a in nets[0].state().items()} == {n: a.tobytes() for n, a in nets[1].state().items()}


NETS = {
    "a short cut within a short cut that goes on": lambda linear: [
        linear(), mg.Residual(mg.Residual(linear(), mg.Tanh()), linear(), mg.Sigmoid(), mg.Residual(linear())), linear()
    ],
    "parameters that are not the default": lambda linear: [
        linear(), mg.ELU(0.3), linear(), mg.LeakyReLU(0.4), linear(), mg.ELU(1.7), linear()
    ],
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NETS)
def test_nets_that_share_nothing_by_mistake(compiled, name, dtype):
    x = np.random.default_rng(0).standard_normal((40, 6)).astype(dtype)
    left = []
    for engine in ("python", "fused"):
        rng = np.random.default_rng(1)
        net, opt = mg.Sequential(*NETS[name](lambda rng=rng: mg.Linear(6, 6, dtype=dtype, rng=rng))), mg.SGD(0.05)
        history = mg.fit(net, mg.MSELoss(), opt, x, x[:, ::-1].copy(), epochs=2, batch_size=8, rng=0, engine=engine)
        left.append(everything(net, opt, history))
    assert left[0] == left[1]


@pytest.mark.parametrize("wanted", range(4))
def test_of_equal_outputs_the_first_is_the_answer(engine, wanted):
    output = np.array([[2.0, 2, 2, 2], [0, 2, 2, 1], [0, 0, 2, 2], [0, 1, 1, 2]])
    net = mg.Sequential(mg.Linear(4, 4, bias=False))
    net[0].weight[...] = np.eye(4)
    for y in (np.full(4, wanted), np.eye(4)[[wanted] * 4]):
        net[0].weight[...] = np.eye(4)
        history = mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(1e-12), output, y, epochs=1, batch_size=4, shuffle=False,
                         engine=engine)  # fmt: skip
        assert history.accuracy == [1 / 4]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("J", [3, 200])
def test_batches_of_more_than_512_samples_train_to_the_same_bits(compiled, J, dtype):
    x = np.random.default_rng(0).standard_normal((2700, J)).astype(dtype)
    left = []
    for engine in ("python", "fused"):
        net, opt = mg.mlp([J, 90 if J > 3 else 5, 2], "gelu", dtype=dtype, rng=0), mg.Adam(0.01)
        history = mg.fit(net, mg.MSELoss(), opt, x, x[:, :2], epochs=2, batch_size=1300, rng=0, engine=engine)
        left.append(everything(net, opt, history))
    assert left[0] == left[1]


@pytest.mark.parametrize("loss", [np.inf, np.nan])
def test_a_loss_that_is_not_finite_ends_the_fused_epoch_before_its_update(compiled, loss):
    weight = np.full((1, 1), 1e200 if loss == np.inf else np.nan)
    ops = [("linear", weight, None, (), ())]
    x = np.full((4, 1), 1e10)
    rest = "mse", 0.0, "sgd", (0.1, 0.0, 0.0, 0.0), 5, x, x, np.arange(4), 2
    total, _, steps, finite = train_epoch(compiled, ops, *rest)
    assert (total, steps, finite) == (0.0, 0, False)


# ---- what the compiled core itself refuses ---------------------------------------------------------------

W, S = np.ones((3, 2)), np.ones((3, 2))  # a weight, and a slot of the optimiser for it
LINEAR = ("linear", W, np.ones(3), (), ())
GOOD = {
    "ops": [LINEAR], "loss": "mse", "threshold": 0.0, "optimizer": "sgd", "rates": (0.0, 0.0, 0.0, 0.0), "steps": 0,
    "x": np.ones((4, 2)), "y": np.ones((4, 3)), "order": np.arange(4), "batch_size": 2,
}  # fmt: skip
REFUSED = {
    "no samples": {"x": np.ones((0, 2)), "y": np.ones((0, 3)), "order": np.arange(0)},
    "no batch": {"batch_size": 0},
    "no layers": {"ops": [], "y": np.ones((4, 2))},
    "an order below the samples": {"order": np.array([0, 1, -1, 2])},
    "an order beyond the samples": {"order": np.array([0, 1, 4, 2])},
    "a short order": {"order": np.arange(3)},
    "an order in two dimensions": {"order": np.arange(4)[:, None]},
    "an order of another type": {"order": np.arange(4, dtype=np.int32)},
    "one dimension": {"x": np.ones(4)},
    "whole numbers": {"x": np.ones((4, 2), int)},
    "fewer targets": {"y": np.ones((3, 3))},
    "wider targets": {"y": np.ones((4, 4))},
    "targets of another type": {"y": np.ones((4, 3), np.float32)},
    "a class too small": {"loss": "cross_entropy", "y": np.array([0, -1, 2, 0])},
    "a class too large": {"loss": "cross_entropy", "y": np.array([0, 3, 2, 0])},
    "a wide weight": {"ops": [("linear", np.ones((3, 3)), None, (), ())]},
    "a weight of another type": {"ops": [("linear", W.astype(np.float32), None, (), ())]},
    "a weight not in order": {"ops": [("linear", np.ones((2, 3)).T, None, (), ())]},
    "a frozen weight": {"ops": [("linear", np.broadcast_to(1.0, (3, 2)), None, (), ())]},
    "a slot too short": {"ops": [("linear", W, None, (S[:2],), ())]},
    "a second slot too short": {"ops": [("linear", W, None, (S, S[:2]), ())]},
    "a short cut that does not fit": {"ops": [("fork", 2), LINEAR, ("join", 0)]},
    "a fork without its join": {"ops": [("fork", 1), LINEAR]},
    "an op too long": {"ops": [(*LINEAR, 0)]},
    "an unknown layer": {"ops": [LINEAR, ("sine", 0.0)]},
    "an unknown loss": {"loss": "hinge"},
    "an unknown optimiser": {"optimizer": "LBFGS"},
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_epoch_that_does_not_fit_is_refused(compiled, case):
    assert train_epoch(compiled, *GOOD.values())[2:] == (2, True)
    with pytest.raises((TypeError, ValueError, KeyError)):
        train_epoch(compiled, *(GOOD | REFUSED[case]).values())
