"""A run that is stopped and resumed: the same bits whatever varies, or a refusal before anything is written."""

import contextlib
import os
from dataclasses import dataclass

import numpy as np
import pytest
from catalogue import OPTIMIZERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_layouts import LAYOUTS
from oracles import snapshot
from stopping import stop

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
