"""Training that went wrong is said: what overflowed and how large it was, and a loss that rose without overflowing."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import same_bits
from strategies import LOSSES, outputs_and_targets, seeds, sizes

import minigrad as mg
from minigrad.training.divergence import KNOWN, constant_loss

LINE = np.arange(200.0)[:, None]  # not scaled: its largest stable lr is about 7.5e-5


def train(net, loss, opt, x, y, **others):
    settings = {"epochs": 5, "rng": 0, "progress": False} | others
    return mg.fit(net, loss, opt, x, y, **settings)


# ---- a loss that stays finite ----------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [1, 5])
def test_a_loss_that_rose_is_said_once_with_lr_output_and_layer(engine, epochs):
    net = mg.Sequential(mg.Linear(1, 1, rng=0))
    with pytest.warns(RuntimeWarning) as caught:
        history = train(net, mg.MSELoss(), mg.SGD(1e-4), LINE, 2 * LINE, epochs=epochs, engine=engine)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    said = str(caught[0].message)
    for part in (
        "training diverged: the loss rose from 3.08e+04 to ",
        f"where the best constant output has {(2 * LINE).var():.4g}",
        f"The largest output is {np.abs(net(LINE)).max():.3g}",
        "the first layer whose output grew is layer 0, Linear(1, 1), from 54.6 to ",
        "Try a smaller lr than 0.0001",
    ):
        assert part in said
    assert history.loss[-1] > 1e4
    assert said.endswith("; mg.diagnose(net, loss, x, y, opt) says why")


def test_the_first_layer_that_grew_is_named_and_not_the_last(engine):
    net = mg.Sequential(mg.Tanh(), mg.Linear(1, 4, rng=0), mg.Linear(4, 4, rng=1), mg.Linear(4, 1, rng=2))
    with pytest.warns(RuntimeWarning, match=r"first layer whose output grew is layer 1, Linear\(1, 4\), from "):
        train(net, mg.MSELoss(), mg.SGD(0.05), np.linspace(-1, 1, 40)[:, None], LINE[:40], epochs=2, engine=engine)


def test_a_resumed_run_that_rose_is_said_too(tmp_path):
    path = tmp_path / "run"
    with pytest.warns(RuntimeWarning, match="training diverged"):
        train(mg.mlp([1, 1], rng=0), mg.MSELoss(), mg.SGD(1e-4), LINE, LINE, epochs=1, checkpoint=path)
    with pytest.warns(RuntimeWarning, match="training diverged"):
        train(mg.mlp([1, 1], rng=0), mg.MSELoss(), mg.SGD(1e-4), LINE, LINE, epochs=3, checkpoint=path)


class Absolute(mg.Loss):
    """A loss of one's own, of which nothing is known."""

    def value_and_delta(self, output, y):
        return float(np.abs(output - y).mean()), np.sign(output - y) / y.shape[1]


def test_a_loss_of_ones_own_that_rose_is_said():
    net = mg.mlp([1, 8, 1], "identity", rng=0)
    with pytest.warns(RuntimeWarning, match="training diverged"):
        train(net, Absolute(), mg.SGD(50.0), LINE, LINE)


def learnable(rng, N=200):
    x = rng.standard_normal((N, 4))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def collapsed(x):
    """A net that fits y = x exactly, and decays to the best constant."""
    net = mg.Sequential(mg.Linear(1, 1, init="zeros"))
    net[0].weight[:] = 1.0
    return net, mg.MSELoss(), mg.SGD(0.1, weight_decay=5.0), x, x


HEALTHY = {
    "learns": lambda rng: (mg.mlp([4, 16, 2], "tanh", rng=0), mg.CrossEntropyLoss(), mg.SGD(0.5), *learnable(rng)),
    "noise": lambda rng: (
        mg.mlp([4, 16, 2], "relu", rng=0), mg.CrossEntropyLoss(), mg.SGD(0.5),
        rng.standard_normal((200, 4)), rng.integers(0, 2, 200),
    ),
    "deep and slow": lambda rng: (
        mg.mlp([4, *[16] * 6, 2], rng=0), mg.CrossEntropyLoss(), mg.SGD(0.1), *learnable(rng)
    ),
    "dropout": lambda rng: (
        mg.Sequential(mg.Linear(4, 8, rng=0), mg.Dropout(0.8, rng=0), mg.Linear(8, 2, rng=1)),
        mg.CrossEntropyLoss(), mg.Adam(0.01), *learnable(rng, 23),
    ),
    "batchnorm": lambda rng: (
        mg.Sequential(mg.Linear(4, 8, rng=0), mg.BatchNorm(8), mg.ReLU(), mg.Linear(8, 2, rng=1)),
        mg.CrossEntropyLoss(), mg.SGD(0.5), *learnable(rng, 40),
    ),
    "at the goal from the start": lambda rng: (mg.Sequential(mg.Linear(2, 1, init="zeros")), mg.MSELoss(), mg.SGD(0.1),
                                               rng.standard_normal((50, 2)), np.zeros((50, 1))),
    "collapses to a constant": lambda rng: collapsed(rng.standard_normal((200, 1))),
    "loud start": lambda rng: (
        mg.mlp([4, 16, 2], "relu", init=mg.initializers.normal(3.0), rng=0),
        mg.CrossEntropyLoss(), mg.SGD(1e-4), *learnable(rng),
    ),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_said_of_a_run_that_did_not_diverge(name, seed):
    net, loss, opt, x, y = HEALTHY[name](np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(net, loss, opt, x, y, epochs=6)


WITH_A_FORMULA = sorted(name for name in LOSSES if type(LOSSES[name]) in KNOWN)


@given(st.sampled_from(WITH_A_FORMULA), sizes, st.integers(1, 20), seeds)
def test_no_constant_output_is_better_than_the_best_one(name, K, N, seed):
    rng, K = np.random.default_rng(seed), max(K, 2) if "cross_entropy" in name else K
    y, loss = outputs_and_targets(name, N, K, rng)[1], LOSSES[name]
    best = constant_loss(loss, y, (N, K))
    mean = np.bincount(y, minlength=K) / N if y.ndim == 1 else y.mean(axis=0)
    with np.errstate(all="ignore"):
        answer = {"mse": mean, "bce": mean, "bce_with_logits": np.log(mean / (1 - mean))}.get(name, np.log(mean))
    answer = np.clip(answer, -300, 300)
    assert loss(np.tile(answer, (N, 1)), y) == pytest.approx(best, rel=1e-9, abs=1e-12)
    for _ in range(20):
        other = answer + rng.standard_normal(K) * 10.0 ** rng.uniform(-3, 1)
        other = np.clip(other, 1e-6, 1 - 1e-6) if name == "bce" else other
        assert loss(np.tile(other, (N, 1)), y) >= best - 1e-9


# ---- a loss that does not fall -----------------------------------------------------------------------------


def plateau(rng, N=320):
    """A deep sigmoid net, whose delta is too small in all layers but the last."""
    x = rng.standard_normal((N, 4))
    return mg.mlp([4, *[8] * 5, 2], rng=0), mg.CrossEntropyLoss(), mg.SGD(0.1), x, np.arange(N) % 2


@pytest.mark.parametrize("seed", range(3))
def test_a_net_that_learns_nothing_is_said_once_with_lr_and_loss(engine, seed):
    net, loss, opt, x, y = plateau(np.random.default_rng(seed))
    with pytest.warns(RuntimeWarning) as caught:
        history = train(net, loss, opt, x, y, epochs=10, engine=engine)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    said = str(caught[0].message)
    assert said.startswith(f"nothing was learned: after 100 steps with lr 0.1 the loss is {history.loss[-1]:.4g}, and ")
    assert f"has {np.log(2):.4g}; mg.diagnose(net, loss, x, y, opt) says why" in said


def test_a_resumed_run_counts_the_steps_before(tmp_path):
    path, (net, loss, opt, x, y) = tmp_path / "run", plateau(np.random.default_rng(0))
    train(net, loss, opt, x, y, epochs=9, checkpoint=path)  # 90 steps: too early to say
    net, loss, opt, x, y = plateau(np.random.default_rng(0))
    with pytest.warns(RuntimeWarning, match="nothing was learned: after 100 steps"):
        train(net, loss, opt, x, y, epochs=10, checkpoint=path)


def noisy_labels(rng):
    x, y = learnable(rng, 640)
    return x, np.where(rng.random(640) < 0.4, rng.integers(0, 2, 640), (x[:, 0] > 0).astype(int))


NOT_STUCK = {
    "learns": lambda rng: (mg.mlp([4, 16, 2], "tanh", rng=0), mg.CrossEntropyLoss(), mg.SGD(0.5), *learnable(rng, 640)),
    "two labels of ten are wrong": lambda rng: (
        mg.mlp([4, 16, 2], "relu", rng=0), mg.CrossEntropyLoss(), mg.Adam(0.01), *noisy_labels(rng)
    ),
    "R^2 of .2": lambda rng: (
        mg.mlp([4, 1], rng=0), mg.MSELoss(), mg.SGD(0.05),
        x := rng.standard_normal((640, 4)), x[:, :1] + 2 * rng.standard_normal((640, 1)),
    ),
    "on its way": lambda rng: (
        mg.mlp([4, 1], rng=0), mg.MSELoss(), mg.SGD(0.003), rng.standard_normal((640, 4)) + 3,
        rng.standard_normal((640, 1)) / 100,
    ),
    "targets that never vary": lambda rng: (
        mg.mlp([4, 8, 1], "tanh", rng=0), mg.MSELoss(), mg.SGD(1e-12), rng.standard_normal((640, 4)),
        np.full((640, 1), 0.1),
    ),
    "much Dropout": lambda rng: (
        mg.Sequential(mg.Linear(4, 8, rng=0), mg.Dropout(0.95, rng=0), mg.Linear(8, 2, rng=1)),
        mg.CrossEntropyLoss(), mg.Adam(0.1), *noisy_labels(rng),
    ),
    "a loss of one's own": lambda rng: (
        mg.mlp([1, 1], "identity", rng=0), Absolute(), mg.SGD(1e-9), np.linspace(0, 1, 640)[:, None],
        np.resize([3.0, -3.0], (640, 1)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NOT_STUCK)
def test_nothing_is_said_of_a_run_that_learns_or_of_which_nobody_knows(name, seed):
    net, loss, opt, x, y = NOT_STUCK[name](np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(net, loss, opt, x, y, epochs=10)


# ---- samples in an order that misleads -----------------------------------------------------------------------

ORDERED = np.repeat([0, 1, 2], 30)


@pytest.mark.parametrize(
    ("y", "loss"),
    [
        (ORDERED, mg.CrossEntropyLoss()),
        (np.eye(3)[ORDERED], mg.CrossEntropyLoss()),
        ((ORDERED[:, None] > 0).astype(float), mg.BCEWithLogitsLoss()),
    ],
)
def test_samples_that_are_sorted_and_stay_so_are_said_once(engine, y, loss):
    x = np.random.default_rng(0).standard_normal((90, 2))
    net = mg.mlp([2, 4, 1 if y.shape[-1] == 1 else 3], rng=0)
    with pytest.warns(RuntimeWarning, match="sorted by class and shuffle=False keeps them so.*shuffle=True$") as caught:
        train(net, loss, mg.SGD(0.01), x, y, shuffle=False, epochs=2, batch_size=10, engine=engine)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("y", "rest"),
    [
        (ORDERED, {"shuffle": True}),
        (ORDERED, {"batch_size": 90}),  # each batch is everything
        (ORDERED[::3], {}),  # too few to tell
        (np.random.default_rng(0).permutation(ORDERED), {}),
        (np.arange(90) % 3, {}),
        (np.zeros(90, int), {}),
        (np.linspace(0, 1, 90)[:, None] * [1, 1, 1], {"loss": mg.MSELoss()}),
    ],
)
def test_nothing_is_said_of_samples_that_are_mixed_or_do_no_harm(y, rest):
    settings = {"shuffle": False, "batch_size": 10, "epochs": 2, "loss": mg.CrossEntropyLoss()} | rest
    x = np.random.default_rng(0).standard_normal((len(y), 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(mg.mlp([2, 4, 3], rng=0), settings.pop("loss"), mg.SGD(0.01), x, y, **settings)


# ---- what overflows --------------------------------------------------------------------------------------


def divergence(net, loss, opt, x, y, engine="auto", **others):
    with pytest.raises(mg.DivergenceError) as caught:
        train(net, loss, opt, x, y, engine=engine, **others)
    return str(caught.value)


def test_an_overflow_of_the_squared_error_tells_the_output_and_what_the_kept_weights_are_worth(engine):
    net = mg.mlp([1, 1], rng=0)
    said = divergence(net, mg.MSELoss(), mg.SGD(1e-3), LINE, 2 * LINE, engine, epochs=40)
    assert "every output is finite, the largest is 1.57e+154, and MSELoss() of it overflows" in said
    assert "weights of the last finite epoch (15), whose loss on the samples of that step is 4.994e+296" in said
    assert "risen from 3.183e+20 in the first" in said
    assert said.endswith("; try a smaller lr than 0.001, or scale x and y; mg.diagnose(net, loss, x, y, opt) says why")
    assert np.isfinite(mg.MSELoss()(net(LINE), 2 * LINE))


def test_an_overflow_of_x_is_not_blamed_on_lr(engine):
    x = np.full((4, 2), 1e38, np.float32)
    net = mg.mlp([2, 3, 1], "relu", dtype=np.float32, init=lambda rng, K, J: np.full((K, J), 3.0), rng=0)
    said = divergence(net, mg.MSELoss(), mg.SGD(1e-3), x, np.zeros((4, 1)), engine)
    assert "beginning in layer 0, Linear(2, 3, dtype='float32'): its output overflows, with x of up to 1e+38" in said
    assert "scale x" in said
    assert "(none: those it began with)" in said


def test_weights_that_overflowed_in_the_step_before_are_named(engine):
    x, y = np.ones((8, 2)), np.array([0, 1] * 4)
    net = mg.mlp([2, 3, 2], "relu", rng=0)
    start = net.state_dict()
    said = divergence(net, mg.CrossEntropyLoss(), mg.SGD(1.7e308), 1e3 * x, y, engine, batch_size=2, shuffle=False)
    assert "epoch 1, step 2, beginning in layer " in said
    assert same_bits(net.state_dict(), start)
