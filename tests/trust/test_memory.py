"""Memory does not grow with the number of steps, and no two nets, copies or results share any.

MINIGRAD_LEAK_STEPS sets how many steps are taken. "Flat" is: in the second half of them the process grows by less than
a megabyte, and Python by less than a hundred blocks of memory (a thousand where files are read: the interpreter keeps
up to 4,096 names of attributes, and names that come from files are new strings each time).
"""

import copy
import functools
import gc
import itertools
import os
import sys
from pathlib import Path

import catalogue
import numpy as np
import pytest
from epochs import train_epoch
from oracles import same_bits, snapshot

import minigrad as mg
from minigrad.kernels.backend import core

pytestmark = pytest.mark.slow  # thousands of calls, counted in bytes

STEPS = int(os.environ.get("MINIGRAD_LEAK_STEPS", "10000"))
X = np.random.default_rng(0).standard_normal((50, 6))
Y = X[:, :3].argmax(axis=1)
LOSS = mg.CrossEntropyLoss()

OPTIMIZERS = {name: functools.partial(catalogue.OPTIMIZERS[name], lr=0.01) for name in ("momentum", "rmsprop", "adam")}


def build(seed=0):
    return mg.Sequential(mg.Linear(6, 8, rng=seed), mg.Residual(mg.Linear(8, 8, rng=seed), mg.Tanh()),
                         mg.Linear(8, 3, rng=seed))  # fmt: skip


def build_with_all(seed=0):
    return mg.Sequential(build(seed)[0], mg.BatchNorm(8), mg.Dropout(0.1, rng=seed), *build(seed)[1:])


def fit(net, opt, rng=0, **others):
    return mg.fit(net, LOSS, opt, X, Y, rng=rng, progress=False, **{"epochs": 1, "batch_size": 1} | others)


# ---- growth ----------------------------------------------------------------------------------------------


def resident():
    """The bytes of memory that this process occupies."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell how much memory a process has")
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def assert_flat(step, steps, blocks=100):
    def half():
        for _ in range(steps // 2):
            step()
        gc.collect()
        return resident(), sys.getallocatedblocks()

    (before, blocks_before), (after, blocks_after) = half(), half()
    print(f"{steps} steps: {after - before} bytes and {blocks_after - blocks_before} blocks in the second half")
    assert after - before < 1 << 20
    assert blocks_after - blocks_before < blocks


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_backprop_and_step_keep_nothing(optimizer):
    net, opt, starts = build_with_all(), OPTIMIZERS[optimizer](), itertools.cycle(range(0, 48, 4))

    def step():
        start = next(starts)
        opt.step(net, mg.backprop(net, LOSS, X[start : start + 4], Y[start : start + 4]))

    assert_flat(step, STEPS // len(OPTIMIZERS))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_epochs_keep_nothing(engine, optimizer):
    """On the Python engine these are fewer steps: the test above has taken them."""
    net, opt = build(), OPTIMIZERS[optimizer]()
    assert_flat(lambda: fit(net, opt, engine=engine), STEPS // len(X) // (1 if engine == "fused" else 10))


def test_nets_in_files_keep_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)
    net = build_with_all()

    def step():
        mg.save(net, tmp_path / "net.npz")
        mg.load(tmp_path / "net.npz")

    assert_flat(step, 100 + STEPS // 200, blocks=1000)


def test_runs_in_files_keep_nothing(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)
    net, opt = build(), mg.Adam()

    def step():
        (tmp_path / "run").unlink(missing_ok=True)
        for epochs in (1, 2):
            fit(net, opt, checkpoint=tmp_path / "run", epochs=epochs, batch_size=25, engine=engine)

    assert_flat(step, 50 + STEPS // 500, blocks=1000)


A, D, W, B = X[:4], X[4:8, :3].copy(), X[:3].copy(), X[0, :3].copy()
LONG = np.arange(5)


def epoch(**changes):
    call = {
        "ops": [("linear", W, B, (), ()), ("tanh", 0.0)], "loss": "cross_entropy", "threshold": 0.0, "optimizer": "SGD",
        "rates": (0.1, 0.0, 0, 0.0), "steps": 0, "x": A, "y": Y[:4], "order": np.arange(4), "batch_size": 2,
    } | changes  # fmt: skip
    return train_epoch(core, *call.values())


FAILING = {
    "affine": lambda: core.affine(A, W, X[0]),
    "affine: width": lambda: core.affine(A, D, None),
    "affine: type": lambda: core.affine(A, W.astype(np.float32), B),
    "affine: dimensions": lambda: core.affine(A, W, W),
    "propagate": lambda: core.propagate(D, A[::2]),
    "weight_gradient": lambda: core.weight_gradient(D[::2], A),
    "bias_gradient": lambda: core.bias_gradient(B),
    "activation": lambda: core.activation("tan", A),
    "activation_backward": lambda: core.activation_backward("tanh", A, A[:3]),
    "activation_backward: kind": lambda: core.activation_backward("tan", A, A),
    "mse": lambda: core.mse(D, D[:2]),
    "cross_entropy": lambda: core.cross_entropy(D, LONG[1:]),
    "no loss": lambda: core.cross_entropy(D[:0], LONG[:0]),
    "sgd": lambda: core.sgd(W.copy(), W[:2], None, 0.1, 0.0, False, 0.0),
    "rmsprop": lambda: core.rmsprop(W.copy(), W, W[:, ::2], 0.1, 0.9, 1e-8, 0.0),
    "adam": lambda: core.adam(W.copy(), W, W.copy(), B, 1.0, 0.1, 0.9, 0.99, 1e-8, 0.0, False),
    "epoch: order": lambda: epoch(order=LONG[1:]),
    "epoch: loss": lambda: epoch(loss="none"),
    "epoch: optimizer": lambda: epoch(optimizer="none"),
    "epoch: activation": lambda: epoch(ops=[("linear", W, B, (), ()), ("tan", 0.0)]),
    "epoch: width": lambda: epoch(ops=[("linear", D, None, (), ())]),
    "epoch: state": lambda: epoch(ops=[("linear", W, B, (B,), ())]),
    "epoch: classes": lambda: epoch(y=LONG[1:]),
}


@pytest.mark.parametrize("call", FAILING)
def test_calls_that_fail_keep_nothing(compiled, call):
    def step():
        try:
            FAILING[call]()
        except (ValueError, TypeError, KeyError):
            return
        pytest.fail("it did not fail")

    assert_flat(step, STEPS // 10)


# ---- sharing ---------------------------------------------------------------------------------------------


def arrays(*owners):
    """Every array of nets, optimisers, backprops and state_dicts."""
    for owner in owners:
        if isinstance(owner, mg.Sequential):
            yield from owner.state().values()
        elif isinstance(owner, mg.Optimizer):
            yield from itertools.chain(*owner.state.values())
        elif isinstance(owner, mg.Backprop):
            yield from owner.parameter_gradients().values()
            for g in owner.gradients.values():
                yield from (g.delta, g.weight)
        else:
            yield from owner.values()


def disjoint(first, second):
    return not any(np.shares_memory(a, b) for a in arrays(*first) for b in arrays(*second))


def loaded(net, tmp_path):
    mg.save(net, tmp_path / "net.npz")
    return mg.load(tmp_path / "net.npz")


COPIES = {"deepcopy": lambda net, _: copy.deepcopy(net), "save and load": loaded}


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_shares_nothing_with_the_original(way, tmp_path):
    net, opt = build_with_all(), mg.Adam()
    fit(net, opt, batch_size=10)
    other, opt_of_other = COPIES[way](net, tmp_path), copy.deepcopy(opt)
    assert same_bits(other.state_dict(), net.state_dict())
    assert disjoint([net, opt], [other, opt_of_other, net.state_dict()])
    before = snapshot(net, opt)
    fit(other, opt_of_other, batch_size=10)
    assert snapshot(net, opt) == before
    assert not same_bits(other.state_dict(), net.state_dict())


def test_the_result_of_a_backprop_outlives_the_next_one():
    net = build()
    first = mg.backprop(net, LOSS, X[:4], Y[:4])
    kept = [array.tobytes() for array in arrays(first)]
    second = mg.backprop(net, LOSS, X[4:8], Y[4:8])
    assert disjoint([first], [second, net])
    fit(net, mg.SGD(0.1))
    assert [array.tobytes() for array in arrays(first)] == kept


@pytest.mark.parametrize("others", list(itertools.combinations(OPTIMIZERS, 2)), ids="-".join)
def test_two_nets_trained_in_turn_end_as_each_does_alone(engine, others):
    def pupils():
        for seed, name in enumerate(others):
            yield build(seed), OPTIMIZERS[name](), np.random.default_rng(seed)

    alone, in_turn = list(pupils()), list(pupils())
    for pupil in alone:
        fit(*pupil, epochs=4, batch_size=7, engine=engine)
    for _ in range(4):
        for pupil in in_turn:
            fit(*pupil, batch_size=7, engine=engine)
    assert [snapshot(*pupil[:2]) for pupil in in_turn] == [snapshot(*pupil[:2]) for pupil in alone]


def test_steps_of_two_nets_taken_in_turn_end_as_each_does_alone():
    alone, in_turn = ([(build_with_all(seed), mg.Adam()) for seed in (0, 1)] for _ in range(2))
    batches = [slice(i, i + 5) for i in range(0, 50, 5)]
    for net, opt in alone:
        for b in batches:
            opt.step(net, mg.backprop(net, LOSS, X[b], Y[b]))
    for b in batches:
        results = [mg.backprop(net, LOSS, X[b], Y[b]) for net, _ in in_turn]
        for (net, opt), bp in zip(in_turn, results, strict=True):
            opt.step(net, bp)
    assert [snapshot(*pair) for pair in in_turn] == [snapshot(*pair) for pair in alone]
