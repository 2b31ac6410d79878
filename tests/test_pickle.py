"""Whatever is public can be copied and sent to another process, and is there what it was here."""

import types
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import catalogue
import numpy as np
import pytest
from copying import COPIERS, X, Y, contents

import minigrad as mg
from minigrad import diagnostics as dg
from minigrad.layers.initializers import INITIALIZERS, normal


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
    for copied in COPIERS.values():
        assert copied(CALLABLES[name]) == CALLABLES[name]  # of functions and classes: the very same


# ---- objects -----------------------------------------------------------------------------------------------


def net(kind="sigmoid"):
    return mg.Sequential(
        mg.Linear(4, 5, rng=0), mg.BatchNorm(5), catalogue.ACTIVATION_CLASSES[kind](),
        mg.Residual(mg.Linear(5, 5, rng=1)), mg.Dropout(0.3, rng=2), mg.Linear(5, 3, rng=3),
    )  # fmt: skip


def trained():
    learner = mg.mlp([4, 5, 3], rng=0)
    return mg.fit(learner, mg.CrossEntropyLoss(), mg.SGD(0.1), X, Y, epochs=2, rng=0, progress=False)


def diverged():
    try:
        mg.fit(mg.mlp([4, 3], rng=0), mg.MSELoss(), mg.SGD(1e30), X, X[:, :3], epochs=9, rng=0, progress=False)
    except mg.DivergenceError as error:
        return error
    raise AssertionError("that should have diverged")


OBJECTS = {
    **{f"a net of {kind}": lambda kind=kind: net(kind) for kind in catalogue.KINDS},
    "every activation, with arguments too": lambda: list(catalogue.activations()),
    "every other layer": lambda: list(catalogue.layers()),
    "every loss": lambda: [example.loss for example in catalogue.LOSSES.values()],
    "every optimizer": lambda: [make(lr=0.1, weight_decay=0.1) for make in catalogue.OPTIMIZERS.values()],
    **{f"initialiser {name}": lambda name=name: INITIALIZERS[name] for name in INITIALIZERS},
    "initialiser normal": lambda: normal(0.3),
    "the table of initialisers": lambda: INITIALIZERS,
    "History": trained,
    "DivergenceError": diverged,
    "Backprop": catalogue.backward_pass,
    "WeightGradient": catalogue.pair,
    "ZigZag": lambda: dg.ZigZag.of_updates(catalogue.samples()),
    **{f"what {name} finds": lambda name=name: catalogue.diagnosed(name) for name in catalogue.DIAGNOSTIC_FUNCTIONS},
}


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_come_back_with_every_bit_and_do_the_same(name):
    for copied in COPIERS.values():
        value = OBJECTS[name]()
        back = copied(value)
        assert type(back) is type(value)
        assert contents(back) == contents(OBJECTS[name]())


def test_an_optimizer_takes_its_state_along():
    steps = []
    for copied in (lambda value: value, *COPIERS.values()):
        learner, opt = copied((mg.mlp([4, 3], rng=0), mg.Adam(0.1)))
        for _ in range(3):
            opt.step(learner, mg.backprop(learner, mg.CrossEntropyLoss(), X, Y))
            learner, opt = copied((learner, opt))
        steps.append(contents(learner.state()))
    assert all(state == steps[0] for state in steps)


def test_an_instrument_can_be_a_job_in_another_process():
    inputs = [X, X + 1]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        found = mg.sweep(dg.coherence, inputs, executor, progress=False)
        drawn = executor.submit(INITIALIZERS["he_normal"], np.random.default_rng(0), 3, 2).result()
    assert found == [dg.coherence(x) for x in inputs]
    np.testing.assert_array_equal(drawn, INITIALIZERS["he_normal"](np.random.default_rng(0), 3, 2))
