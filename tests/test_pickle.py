"""Whatever is public can be copied and sent to another process, and is there what it was here."""

import copy
import dataclasses
import functools
import inspect
import pickle
import types
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import minigrad as mg
from minigrad import diagnostics as dg
from minigrad.layers.activations import ACTIVATIONS
from minigrad.layers.initializers import INITIALIZERS, normal

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 4)), np.arange(6) % 3
UPDATES = RNG.standard_normal((5, 4))


def trips():
    """The ways to a copy: every protocol of pickle, and copy."""
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        yield lambda value, protocol=protocol: pickle.loads(pickle.dumps(value, protocol))
    yield copy.copy
    yield copy.deepcopy


def public(module, prefix):
    """(name, value) of every class and function that the module offers, submodules of minigrad included."""
    for name in dir(module):
        value = getattr(module, name)
        if name.startswith("_") or (isinstance(value, types.ModuleType) and not value.__name__.startswith("minigrad")):
            continue
        if callable(value):
            yield f"{prefix}.{name}", value


CALLABLES = dict(
    pair
    for module, prefix in (
        (mg, "mg"), (dg, "mg.diagnostics"), (mg.datasets, "mg.datasets"), (mg.initializers, "mg.initializers"),
        (mg.losses, "mg.losses"), (mg.training.optimizers, "mg.training.optimizers"), (mg.layers, "mg.layers"),
    )
    for pair in public(module, prefix)
)  # fmt: skip


def test_the_walk_sees_everything():
    assert {f"mg.{name}" for name in mg.__all__ if callable(getattr(mg, name))} <= set(CALLABLES)
    assert len([name for name in CALLABLES if name.startswith("mg.diagnostics")]) >= 30


@pytest.mark.parametrize("name", CALLABLES)
def test_functions_and_classes_come_back_as_themselves(name):
    for trip in trips():
        assert trip(CALLABLES[name]) == CALLABLES[name]  # of functions and classes: the very same


def test_every_instrument_has_floating_point_settings_of_its_own():
    """What overflows or is 0/0 shows in the result: the caller's np.errstate is neither asked nor changed."""
    functions = [getattr(dg, name) for name in dir(dg) if inspect.isfunction(getattr(dg, name))]
    forgotten = [function.__name__ for function in functions if not hasattr(function, "__wrapped__")]
    assert forgotten == [], "decorate with @quiet where it is defined"


# ---- objects -----------------------------------------------------------------------------------------------


def net(activation="sigmoid"):
    return mg.Sequential(
        mg.Linear(4, 5, rng=0), mg.BatchNorm(5), ACTIVATIONS[activation](), mg.Residual(mg.Linear(5, 5, rng=1)),
        mg.Dropout(0.3, rng=2), mg.Linear(5, 3, rng=3),
    )  # fmt: skip


def passed():
    return mg.backprop(mg.mlp([4, 5, 3], "tanh", rng=0), mg.CrossEntropyLoss(), X, Y)


def trained():
    learner = mg.mlp([4, 5, 3], rng=0)
    return mg.fit(learner, mg.CrossEntropyLoss(), mg.SGD(0.1), X, Y, epochs=2, rng=0, progress=False)


def diverged():
    try:
        mg.fit(mg.mlp([4, 3], rng=0), mg.MSELoss(), mg.SGD(1e30), X, X[:, :3], epochs=9, rng=0, progress=False)
    except mg.DivergenceError as error:
        return error
    raise AssertionError("that should have diverged")


PAIR = mg.WeightGradient(X[:, :3], np.abs(X))
OBJECTS = {
    **{f"a net of {kind}": lambda kind=kind: net(kind) for kind in ACTIVATIONS},
    **{f"initialiser {name}": lambda name=name: INITIALIZERS[name] for name in INITIALIZERS},
    "initialiser normal": lambda: normal(0.3),
    "the table of initialisers": lambda: INITIALIZERS,
    "ELU": lambda: mg.ELU(0.7),
    "LeakyReLU": lambda: mg.LeakyReLU(0.3),
    "losses": lambda: [mg.MSELoss(), mg.BCELoss(), mg.BCEWithLogitsLoss(), mg.CrossEntropyLoss()],
    "optimizers": lambda: [mg.SGD(0.1, 0.9, True, 0.1), mg.RMSprop(), mg.Adam(), mg.AdamW()],
    "History": trained,
    "DivergenceError": diverged,
    "Backprop": passed,
    "WeightGradient": lambda: PAIR,
    "GramSigns": lambda: dg.gram_signs(X),
    "MeanFluctuation": lambda: dg.mean_fluctuation_split(PAIR),
    "SignPatterns": lambda: dg.reachable_patterns(2, 3),
    "SignDetour": lambda: dg.sign_detour(UPDATES),
    "NarrowCone": lambda: dg.narrow_cone(np.abs(X)),
    "ZigZag": lambda: dg.ZigZag.of_updates(UPDATES),
    "Nearest": lambda: dg.nearest_reachable(UPDATES[0], X),
    "Saturation": lambda: dg.saturation(net(), X),
    "Attenuation": lambda: dg.attenuation(passed()),
    "MeanField": lambda: dg.mean_field_rate("tanh", 1.5),
}


def told(value):
    """What an object says and does, as a comparable value: its numbers bit by bit, and what it computes."""
    if isinstance(value, np.ndarray):
        return (value.shape, str(value.dtype), value.tobytes())
    if isinstance(value, dict):
        return {key: told(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [told(entry) for entry in value]
    if isinstance(value, mg.Sequential):
        return [repr(value), told(value.state()), told(value(X)), told(value.parameters())]
    if isinstance(value, mg.Loss):
        return [repr(value), told(value.value_and_delta(mg.sigmoid(X[:, :3]), np.eye(3)[Y]))]
    if isinstance(value, mg.Layer):
        return [repr(value), told(value(X))]
    if isinstance(value, functools.partial) or inspect.isfunction(value):
        return told(value(np.random.default_rng(0), 3, 2))
    if isinstance(value, Exception):
        return [str(value), told(vars(value))]
    if dataclasses.is_dataclass(value):
        named = [name for name in dir(type(value)) if isinstance(getattr(type(value), name), property)]
        return [told(vars(value)), [told(getattr(value, name)) for name in named]]
    return repr(value) if not hasattr(value, "__dict__") else [type(value).__name__, told(vars(value))]


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_come_back_with_every_bit_and_do_the_same(name):
    for trip in trips():
        value = OBJECTS[name]()
        back = trip(value)
        assert type(back) is type(value)
        assert told(back) == told(OBJECTS[name]())


def test_an_optimizer_takes_its_state_along():
    steps = []
    for trip in (lambda value: value, *trips()):
        learner, opt = trip((mg.mlp([4, 3], rng=0), mg.Adam(0.1)))
        for _ in range(3):
            opt.step(learner, mg.backprop(learner, mg.CrossEntropyLoss(), X, Y))
            learner, opt = trip((learner, opt))
        steps.append(told(learner.state()))
    assert all(state == steps[0] for state in steps)


def test_an_instrument_can_be_a_job_in_another_process():
    inputs = [X, X + 1]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        found = mg.sweep(dg.coherence, inputs, executor, progress=False)
        drawn = executor.submit(INITIALIZERS["he_normal"], np.random.default_rng(0), 3, 2).result()
    assert found == [dg.coherence(x) for x in inputs]
    np.testing.assert_array_equal(drawn, INITIALIZERS["he_normal"](np.random.default_rng(0), 3, 2))
