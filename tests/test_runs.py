"""A run that is stopped and resumed: the same bits whatever varies, or a refusal before anything is written."""

import contextlib
import copy
import os
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from catalogue import OPTIMIZERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import LAYOUTS
from oracles import same_bits, snapshot

import minigrad as mg

X = np.random.default_rng(0).standard_normal((13, 3))
CLASSES = (X[:, 0] > 0).astype(int)
TARGETS = {  # loss: targets of the 13 samples
    "cross_entropy": (mg.CrossEntropyLoss, CLASSES),
    "soft_cross_entropy": (mg.CrossEntropyLoss, np.full((13, 2), 0.5)),
    "bce_with_logits": (mg.BCEWithLogitsLoss, np.eye(2)[CLASSES]),
    "mse": (mg.MSELoss, X[:, :2]),
}


class Times(mg.Layer):
    """A layer of one's own with a number that steers it and is no parameter."""

    def __init__(self, factor=2.0):
        self.factor = factor

    def forward(self, x):
        return self.factor * x, self.factor

    def backward(self, delta, factor):
        return factor * delta, {}


def shared(dtype):
    layer = mg.Linear(3, 3, rng=0, dtype=dtype)
    return mg.Sequential(layer, mg.Tanh(), layer, mg.Linear(3, 2, rng=1, dtype=dtype))


NETS = {
    "mlp": lambda dtype: mg.mlp([3, 4, 2], "elu", dtype=dtype, rng=0),
    "noisy": lambda dtype: mg.Sequential(
        mg.Linear(3, 4, rng=0, dtype=dtype),
        mg.BatchNorm(4, dtype=dtype),
        mg.Residual(mg.LeakyReLU(0.2), mg.Dropout(0.3, rng=1)),
        Times(),
        mg.Linear(4, 2, rng=1, dtype=dtype),
    ),
    "shared": shared,
}
RATES = {"number": 0.005, "function": lambda epoch: 0.01 / epoch}


@dataclass
class Call:
    """The arguments of a call of fit, made anew for each call."""

    net: str = "mlp"
    loss: str = "cross_entropy"
    optimizer: str = "momentum"
    lr: str = "number"
    dtype: type = np.float64
    batch_size: int = 5
    shuffle: bool = True
    validation: bool = True
    every: int = 1
    engine: str = "auto"
    dropouts_generator: bool = False  # fit shuffles with the generator that draws the masks

    def __call__(self, epochs, path=None, callbacks=(), change=None, on=None):
        """(net, opt, history) after so many epochs; change(scene) is made by a callback in epoch `on`."""
        kind, y = TARGETS[self.loss]
        net, loss, opt = NETS[self.net](self.dtype), kind(), OPTIMIZERS[self.optimizer](lr=RATES[self.lr])
        rng = net[2][1].rng if self.dropouts_generator and self.net == "noisy" else np.random.default_rng(3)
        scene = {"net": net, "opt": opt, "loss": loss, "x": X.copy(), "y": y.copy(), "rng": rng}

        def meddle(epoch, net, history):
            if epoch == on:
                change(scene | {"history": history})

        history = mg.fit(
            net, loss, opt, scene["x"], scene["y"], epochs=epochs, checkpoint=path, progress=False, rng=rng,
            callbacks=[*([meddle] if change else []), *callbacks], engine=self.engine, every=self.every,
            batch_size=self.batch_size, shuffle=self.shuffle, validation=(X[:6], y[:6]) if self.validation else None,
        )  # fmt: skip
        return net, opt, history


calls = st.builds(
    Call,
    net=st.sampled_from(sorted(NETS)),
    loss=st.sampled_from(sorted(TARGETS)),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    lr=st.sampled_from(sorted(RATES)),
    dtype=st.sampled_from([np.float32, np.float64]),
    batch_size=st.sampled_from([2, 5, 11, 40]).filter(lambda size: 13 % size != 1),
    shuffle=st.booleans(),
    validation=st.booleans(),
    every=st.integers(1, 4),
    engine=st.sampled_from(["auto", "python"]),
    dropouts_generator=st.booleans(),
)


def first(scene):
    return next(iter(scene["net"].parameters().values()))


def replace_weight(scene):
    scene["net"][0].weight = LAYOUTS["read-only"](0.5 * scene["net"][0].weight)


def forget(scene):
    scene["opt"].state.clear()


def change_averages(scene):
    for name, value in (("momentum", 0.1), ("betas", (0.5, 0.5)), ("alpha", 0.3)):
        if hasattr(scene["opt"], name):
            setattr(scene["opt"], name, value)


STATE = {  # what a callback may change, and a checkpoint holds
    "lr": lambda scene: setattr(scene["opt"], "lr", 0.002),
    "a weight": lambda scene: first(scene).__imul__(0.5),
    "a new weight": replace_weight,
    "the optimizer's arrays": forget,
    "the optimizer's steps": lambda scene: setattr(scene["opt"], "steps", scene["opt"].steps + 3),
    "the random numbers": lambda scene: scene["rng"].random(5),
    "the history": lambda scene: scene["history"].loss.__setitem__(0, 7.0),
    "the mode": lambda scene: scene["net"].train(),
}
SETTINGS = {  # what it may change too, but no checkpoint holds
    "weight_decay": lambda scene: setattr(scene["opt"], "weight_decay", 0.3),
    "momentum or betas": change_averages,
    "an activation": lambda scene: setattr(scene["net"][1], "alpha", 0.9) or setattr(scene["net"][1], "eps", 0.3),
    "x": lambda scene: scene["x"].__imul__(0.5),
    "y": lambda scene: scene["y"].__setitem__(slice(None), np.roll(scene["y"], 1, axis=0)),
}


class Interrupted(BaseException):
    """As a kill would end the process: no handler of fit's saves anything."""


def stop(at, error):
    def callback(epoch, *_):
        if epoch == at and error is not None:
            raise error
        return epoch == at

    return callback


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)


def everything(outcome):
    net, opt, history = outcome
    return snapshot(net, opt), opt.lr, vars(history)


anyhow = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
quietly = pytest.mark.filterwarnings("ignore:training diverged")


@quietly
@anyhow
@given(calls, st.integers(1, 4), st.data())
def test_a_stopped_run_ends_with_the_same_bits_or_is_refused(tmp_path_factory, call, epochs, data):
    path = tmp_path_factory.mktemp("run") / "run.npz"
    how = data.draw(st.sampled_from(["fewer epochs", "returned", KeyboardInterrupt(), Interrupted()]))
    change = data.draw(st.sampled_from([None, *sorted(STATE), *sorted(SETTINGS)]))
    meddling = {"change": (STATE | SETTINGS)[change], "on": data.draw(st.integers(1, epochs))} if change else {}
    at = data.draw(st.integers(1, epochs))
    expected = everything(call(epochs, **meddling))
    try:
        if how == "fewer epochs":
            call(at, path, **meddling)
        else:
            with contextlib.suppress(KeyboardInterrupt, Interrupted):
                call(epochs, path, [stop(at, None if how == "returned" else how)], **meddling)
        got = everything(call(epochs, path, **meddling))
    except ValueError as error:
        if change in STATE or "a callback changed the" not in str(error):
            raise
        return
    assert got == expected
    assert everything(call(epochs, path, **meddling)) == expected  # and so does what the file holds now


@quietly
@pytest.mark.parametrize("change", SETTINGS)
def test_what_no_checkpoint_holds_is_refused_before_it_is_written(change, tmp_path):
    path = tmp_path / "run.npz"
    call = Call(net="noisy", optimizer="momentum", lr="function")
    call(1, path)
    kept = path.read_bytes()
    with pytest.raises(ValueError, match=r"a callback changed the (optimizer|data|net) of the run from .* to "):
        call(3, path, change=SETTINGS[change], on=2)
    assert path.read_bytes() == kept
    call(3, change=SETTINGS[change], on=2)  # without a checkpoint a callback may do so


NEUTRAL = [{"engine": "python"}, {"every": 3}]
OTHER = {  # what the refusal names: another value of an argument
    "net": {"net": "shared"},
    "loss": {"loss": "mse"},
    "optimizer": {"optimizer": "adam"},
    "data": {"loss": "soft_cross_entropy"},
    "validation": {"validation": False},
    "batch_size": {"batch_size": 40},
    "shuffle": {"shuffle": False},
}


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("turned", [False, True])
def test_another_run_is_refused_and_nothing_is_written(name, turned, tmp_path):
    path, calls = tmp_path / "run.npz", [Call(), Call(**OTHER[name])]
    one, other = calls[::-1] if turned else calls
    one(2, path)
    kept = path.read_bytes()
    with pytest.raises(ValueError, match=f"run.npz belongs to a run with another {name}: it has .*, this one "):
        other(4, path)
    assert path.read_bytes() == kept


@pytest.mark.parametrize("change", NEUTRAL, ids=str)
def test_how_a_run_is_done_does_not_belong_to_it(change, tmp_path):
    path = tmp_path / "run.npz"
    Call()(2, path)
    assert everything(Call(**change)(4, path)) == everything(Call()(4))


def test_a_number_that_steers_a_layer_of_ones_own_belongs_to_the_run(tmp_path):
    path = tmp_path / "run.npz"

    def run(factor):
        layer = Times(factor)
        mg.fit(
            mg.Sequential(layer, mg.Linear(3, 2, rng=0)),
            mg.MSELoss(),
            mg.SGD(0.1),
            X,
            X[:, :2],
            epochs=2,
            checkpoint=path,
        )

    run(2.0)
    with pytest.raises(ValueError, match=r"another settings: it has \{'net.0.factor': '2.0'\}, this one .*'3.0'"):
        run(3.0)


def test_fewer_epochs_than_the_file_holds_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    Call()(4, path)
    with pytest.raises(ValueError, match=r"is of a run of 4 epochs already, more than epochs=3"):
        Call()(3, path)


# ---- the learning rate -----------------------------------------------------------------------------------


def train(opt, epochs=4, path=None, net=None, **others):
    net = net or mg.mlp([3, 4, 2], rng=0)
    settings = {"rng": 0, "progress": False, "batch_size": 5} | others
    return mg.fit(net, mg.CrossEntropyLoss(), opt, X, CLASSES, epochs=epochs, checkpoint=path, **settings), net


def test_a_function_is_asked_once_an_epoch_and_opt_lr_is_its_number(engine):
    asked, seen = [], []

    def halve(epoch):
        asked.append(epoch)
        return 0.5**epoch

    opt = mg.SGD(lr=halve)
    assert opt.lr is None
    train(opt, callbacks=[lambda *_: seen.append(opt.lr)], engine=engine)
    assert asked == [1, 2, 3, 4]
    assert seen == [0.5, 0.25, 0.125, 0.0625]
    assert opt.lr == 0.0625


def test_a_function_trains_as_the_numbers_set_by_hand(engine):
    by_function = train(mg.Adam(lr=lambda epoch: 0.1 / epoch), engine=engine)
    opt = mg.Adam(0.1)

    def set_next(epoch, *_):
        opt.lr = 0.1 / (epoch + 1)

    by_hand = train(opt, callbacks=[set_next], engine=engine)
    assert by_function[0] == by_hand[0]
    assert same_bits(by_function[1].state_dict(), by_hand[1].state_dict())


def test_a_resumed_function_is_asked_for_the_epochs_of_the_run(tmp_path, engine):
    path, asked = tmp_path / "run", []
    train(mg.SGD(lr=lambda epoch: 0.5**epoch), 2, path, engine=engine)
    train(mg.SGD(lr=lambda epoch: asked.append(epoch) or 0.5**epoch), 4, path, engine=engine)
    assert asked == [1, 2, 3, 4]  # the past ones to compare them


@pytest.mark.parametrize("other", [0.5, lambda epoch: 0.5**epoch + (epoch == 2) * 1e-9])
def test_another_function_is_refused(other, tmp_path):
    path = tmp_path / "run"
    train(mg.SGD(lr=lambda epoch: 0.5**epoch), 3, path)
    kept, net, opt = path.read_bytes(), mg.mlp([3, 4, 2], rng=0), mg.SGD(lr=other)
    before = snapshot(net, opt)
    with pytest.raises(ValueError, match="another (lr: its function gave 0.25 for epoch 2|optimizer)"):
        train(opt, 4, path, net)
    assert path.read_bytes() == kept
    assert snapshot(net, opt) == before


def test_outside_fit_nobody_calls_the_function():
    opt, net = mg.SGD(lr=lambda epoch: 0.1), mg.mlp([3, 4, 2], rng=0)
    bp = mg.backprop(net, mg.CrossEntropyLoss(), X, CLASSES)
    before = snapshot(net, opt)
    with pytest.raises(ValueError, match=r"lr is a function of the epoch, which only fit calls.*opt\.lr = 0\.1"):
        opt.step(net, bp)
    assert snapshot(net, opt) == before
    train(opt, 1, net=net)
    with pytest.raises(ValueError, match="only fit calls"):
        opt.step(net, bp)
    opt.lr = 0.1
    opt.step(net, bp)


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, "fast", None, True, [0.1]])
def test_a_learning_rate_is_checked_when_it_is_set_and_when_a_function_gives_it(value):
    opt = mg.SGD(0.1)
    with pytest.raises((ValueError, TypeError), match="^lr "):
        opt.lr = value
    assert opt.lr == 0.1
    scheduled, net = mg.SGD(lr=lambda epoch: 0.1 if epoch == 1 else value), mg.mlp([3, 4, 2], rng=0)
    with pytest.raises((ValueError, TypeError), match=r"^lr\(2\) "):
        train(scheduled, net=net)
    assert same_bits(net.state_dict(), train(mg.SGD(0.1), 1)[1].state_dict())


def test_repr_and_config_tell_what_the_constructor_got():
    opt = mg.SGD(0.5)
    opt.lr = 0.1
    assert repr(opt) == "SGD(lr=0.5, weight_decay=0.0, momentum=0.0, nesterov=False)"
    assert repr(mg.RMSprop(lambda epoch: 1)).startswith("RMSprop(lr=<function of the epoch>, ")


@pytest.mark.parametrize(
    "make", [lambda: mg.SGD(0.1), lambda: mg.SGD(0.1, momentum=0.9), mg.Adam], ids=["sgd", "momentum", "adam"]
)
def test_a_used_optimizer_is_refused_by_another_net(make):
    opt, net, other = make(), mg.mlp([3, 4, 2], rng=0), mg.mlp([3, 4, 2], rng=0)
    train(opt, net=net)
    train(opt, net=net)  # its own net goes on
    before = snapshot(other, opt)
    with pytest.raises(ValueError, match="opt has taken 24 steps (and keeps state for|on) another net; make a new"):
        train(opt, net=other)
    with pytest.raises(ValueError, match="another net"):
        opt.step(other, mg.backprop(other, mg.CrossEntropyLoss(), X, CLASSES))
    assert snapshot(other, opt) == before
    for again in (copy.deepcopy((net, opt)), pickle.loads(pickle.dumps((net, opt)))):
        train(again[1], net=again[0])  # copied together they stay together


# ---- early stopping --------------------------------------------------------------------------------------


def history_of(monitor, values):
    return mg.History(**{"loss": [0.0] * len(values), monitor: list(values)})


@pytest.mark.parametrize(
    ("monitor", "values", "patience", "ends"),
    [
        ("val_loss", [3, 2, 1, 1, 1, 1], 2, 5),
        ("val_loss", [3, 2, 2.5, 1.9, 2, 2], 2, 6),
        ("val_loss", [1, 2], 1, 2),
        ("loss", [1, np.nan, np.nan, 0.5], 3, None),
        ("loss", [np.nan, np.nan, 5], 2, None),
        ("loss", [np.inf, np.inf, np.inf], 2, 3),
        ("accuracy", [0.1, 0.5, 0.5, 0.4], 2, 4),
        ("val_accuracy", [0.1, 0.2, 0.3, 0.4], 1, None),
    ],
)
def test_early_stopping_counts_epochs_without_a_new_best(monitor, values, patience, ends):
    callback = mg.early_stopping(patience, monitor)
    told = [n for n in range(1, len(values) + 1) if callback(n, None, history_of(monitor, values[:n]))]
    assert told[:1] == ([ends] if ends else [])


def test_early_stopping_ends_a_run_and_a_resumed_one_at_the_same_epoch(engine, tmp_path):
    path, settings = tmp_path / "run", {"validation": (X[:5], 1 - CLASSES[:5]), "engine": engine}
    whole, net = train(mg.SGD(0.5), 40, callbacks=[mg.early_stopping(3)], **settings)
    assert 4 <= len(whole) < 40
    train(mg.SGD(0.5), 2, path, callbacks=[mg.early_stopping(3)], **settings)
    for _ in range(3):  # it is over, and stays so
        again, resumed = train(mg.SGD(0.5), 40, path, callbacks=[mg.early_stopping(3)], **settings)
        assert again == whole
        assert same_bits(net.state_dict(), resumed.state_dict())
    assert len(train(mg.SGD(0.5), 40, path, callbacks=[mg.early_stopping(5)], **settings)[0]) > len(whole)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mg.early_stopping(0), "patience is 0, expected at least 1"),
        (lambda: mg.early_stopping(2.0), "patience must be a whole number"),
        (lambda: mg.early_stopping(2, "val-loss"), "unknown monitor 'val-loss', expected one of: loss, val_loss, "),
        (
            lambda: train(mg.SGD(0.1), callbacks=[mg.early_stopping(2)]),
            "watches 'val_loss', but there is no validation",
        ),
        (
            lambda: mg.fit(
                mg.mlp([3, 2]),
                mg.MSELoss(),
                mg.SGD(0.1),
                X,
                X[:, :2],
                epochs=1,
                callbacks=[mg.early_stopping(2, "accuracy")],
            ),
            "watches 'accuracy', but MSELoss() knows no right answers",
        ),
    ],
)
def test_early_stopping_is_refused_where_it_would_find_nothing(make, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    assert message in str(caught.value)


# ---- callbacks that break the run ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda net, history: net[0].weight.fill(np.nan), "a callback left NaN or infinity in 0.weight"),
        (lambda net, history: net.layers.append(mg.Linear(2, 2)), "a callback changed the layers of net: 3.weight"),
        (lambda net, history: history.loss.clear(), "a callback left 0 entries in history.loss, not 2"),
        (lambda net, history: history.val_loss.append(1.0), "a callback left 1 entries in history.val_loss, not 2"),
    ],
)
def test_what_a_run_cannot_go_on_with_is_said(change, message, engine):
    def callback(epoch, net, history):
        if epoch == 2:
            change(net, history)

    with pytest.raises(ValueError, match=message):
        train(mg.SGD(0.1), callbacks=[callback], engine=engine)
