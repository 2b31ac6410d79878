"""A run that is stopped and resumed ends with the same bits; a checkpoint of another run is refused."""

import contextlib
import json
import os

import numpy as np
import pytest
from catalogue import OPTIMIZERS
from oracles import same_bits, snapshot
from stopping import stop

import minigrad as mg
from minigrad.files.archive import read_archive, write_archive
from minigrad.training.run import RUN_FORMAT

X = np.random.default_rng(0).standard_normal((23, 3))
Y = (X[:, 0] > 0).astype(int)
LOSS = mg.CrossEntropyLoss()

NETS = {
    "linear": lambda: mg.mlp([3, 2], rng=0),
    "mlp": lambda: mg.mlp([3, 4, 2], activation="tanh", rng=0),
    "float32": lambda: mg.mlp([3, 4, 2], dtype=np.float32, rng=0),
    "residual": lambda: mg.Sequential(mg.Residual(mg.Linear(3, 3, rng=0), mg.ReLU()), mg.Linear(3, 2, rng=1)),
    "batchnorm": lambda: mg.Sequential(mg.Linear(3, 4, rng=0), mg.BatchNorm(4), mg.Linear(4, 2, rng=1)),
    "dropout": lambda: mg.Sequential(
        mg.Linear(3, 4, rng=0),
        mg.Dropout(0.3, rng=1),
        mg.Residual(mg.Dropout(0.2, rng=2)),
        mg.Linear(4, 2, rng=1),
    ),
}

QUICK = ("mlp", "dropout")  # the others are slow, all in all


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)


def fit(net, opt, path=None, *, x=X, y=Y, loss=LOSS, epochs=6, **others):
    others = {"batch_size": 5, "rng": 0, "validation": (X[:9], Y[:9]), "progress": False} | others
    return mg.fit(net, loss, opt, x, y, epochs=epochs, checkpoint=path, **others)


@pytest.mark.parametrize("how", [None, KeyboardInterrupt()], ids=["returned", "Ctrl-C"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in QUICK)) for n in NETS])
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(engine, name, optimizer, how, tmp_path):
    if name in ("batchnorm", "dropout"):
        engine = "python"
    build, make = NETS[name], OPTIMIZERS[optimizer]
    whole, whole_opt = build(), make(lr=0.1)
    expected = fit(whole, whole_opt, engine=engine)

    path = tmp_path / "run.npz"
    for at in (2, 3):
        with pytest.raises(KeyboardInterrupt) if how else contextlib.nullcontext():
            fit(build(), make(lr=0.1), path, callbacks=[stop(at, how)], engine=engine)
    net, opt = build(), make(lr=0.1)
    next(iter(net.parameters().values())).fill(7)  # whatever it holds: the file decides
    history = fit(net, opt, path, rng=99, engine=engine)
    assert same_bits(net.state_dict(), whole.state_dict())
    assert snapshot(net, opt) == snapshot(whole, whole_opt)
    assert history == expected


def test_a_finished_run_is_not_continued_until_more_epochs_are_asked_for(engine, tmp_path):
    path, nets = tmp_path / "run", [mg.mlp([3, 2], rng=0) for _ in range(3)]
    first = fit(nets[0], mg.SGD(0.1), path, engine=engine)
    assert fit(nets[1], mg.SGD(0.1), path, engine=engine) == first
    assert same_bits(nets[0].state_dict(), nets[1].state_dict())
    fit(nets[1], mg.SGD(0.1), path, epochs=8, engine=engine)
    assert len(fit(nets[2], mg.SGD(0.1), epochs=8, engine=engine)) == 8
    assert same_bits(nets[1].state_dict(), nets[2].state_dict())


@pytest.mark.parametrize(("every", "written"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5])])
def test_every_counts_epochs_and_the_last_is_always_written(engine, every, written, tmp_path, monkeypatch):
    path, seen, write = tmp_path / "run", [], os.replace

    def replace(source, target):
        seen.append(len(read_archive(source, RUN_FORMAT)[0]["history"]["loss"]))
        write(source, target)

    monkeypatch.setattr(os, "replace", replace)
    fit(mg.mlp([3, 2], rng=0), mg.SGD(0.1), path, epochs=5, every=every, engine=engine)
    assert seen == written


def test_a_run_that_a_callback_ends_is_written_whatever_every_says(engine, tmp_path):
    path, nets = tmp_path / "run", [mg.mlp([3, 2], rng=0) for _ in range(2)]
    fit(nets[0], mg.SGD(0.1), path, epochs=9, every=4, callbacks=[stop(6, None)], engine=engine)
    text, arrays = read_archive(path, RUN_FORMAT)
    assert len(text["history"]["loss"]) == 6
    fit(nets[1], mg.SGD(0.1), epochs=6, engine=engine)
    assert same_bits({name: arrays[f"net.{name}"] for name in nets[1].state()}, nets[1].state_dict())


def test_an_infinite_slot_and_an_infinite_validation_loss_go_into_the_file_and_back(tmp_path):
    x, path = np.full((5, 3), 1e10, np.float32), tmp_path / "run"
    far = (np.full((5, 3), 1e30, np.float32), np.ones((5, 2)))

    def run(epochs, path):
        net, opt = mg.mlp([3, 2], dtype=np.float32, rng=0), mg.RMSprop(1e-3)
        history = fit(net, opt, path, x=x, y=np.ones((5, 2)), loss=mg.MSELoss(), epochs=epochs, validation=far)
        return snapshot(net, opt), history

    run(1, path)
    again, whole = run(3, path), run(3, None)
    assert again == whole
    assert whole[1].val_loss == [np.inf] * 3
    assert np.isinf(read_archive(path, RUN_FORMAT)[1]["state.0.0.weight"]).any()


# ---- another run -----------------------------------------------------------------------------------------

OTHER_X = X.copy()
OTHER_X[3, 1] += 1e-9
OTHER_Y = Y.copy()
OTHER_Y[-1] ^= 1
OTHERS = {  # what the error must name: the change
    "net": {"net": mg.mlp([3, 4, 2], rng=0)},
    "loss": {"loss": mg.BCEWithLogitsLoss(), "y": np.eye(2)[Y]},
    "optimizer": {"opt": mg.SGD(0.2, momentum=0.9)},
    "data": {"x": OTHER_X},
    "data of the same x": {"y": OTHER_Y},
    "data in another order": {"x": X[::-1], "y": Y[::-1]},
    "batch_size": {"batch_size": 6},
    "shuffle": {"shuffle": False},
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_checkpoint_of_another_run_is_refused_by_name(name, tmp_path):
    path = tmp_path / "run"
    fit(mg.mlp([3, 2], rng=0), mg.SGD(0.1, momentum=0.9), path, validation=None)
    kept, change = path.read_bytes(), dict(OTHERS[name])
    net, opt = change.pop("net", mg.mlp([3, 2], rng=0)), change.pop("opt", mg.SGD(0.1, momentum=0.9))
    before = snapshot(net, opt)
    named = name.split()[0]
    with pytest.raises(ValueError, match=f"checkpoint .*run belongs to a run with another {named}: it has"):
        fit(net, opt, path, epochs=9, validation=None, **change)
    assert snapshot(net, opt) == before
    assert path.read_bytes() == kept


def damaged(path, **changes):
    text, arrays = read_archive(path, RUN_FORMAT)
    for name, change in changes.items():
        {"text": text, "arrays": arrays}[name].update(change)
    write_archive(path, text, {n: a for n, a in arrays.items() if a is not None})


DAMAGE = {
    "a net": lambda path: mg.save(mg.mlp([3, 2]), path),
    "not a file of ours": lambda path: path.write_text(json.dumps({})),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:500]),
    "an array less": lambda path: damaged(path, arrays={"net.0.weight": None}),
    "an array too many": lambda path: damaged(path, arrays={"net.1.weight": np.ones(2)}),
    "a state less": lambda path: damaged(path, arrays={"state.0.0.bias": None}),
    "a misshapen array": lambda path: damaged(path, arrays={"net.0.bias": np.ones(3)}),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_checkpoint_is_a_valueerror_and_changes_nothing(case, tmp_path):
    path = tmp_path / "run"
    fit(mg.mlp([3, 2], rng=0), mg.SGD(0.1, momentum=0.9), path)
    DAMAGE[case](path)
    net, opt = mg.mlp([3, 2], rng=0), mg.SGD(0.1, momentum=0.9)
    before = snapshot(net, opt)
    with pytest.raises(ValueError, match="run (is not a minigrad file|does not hold the arrays)"):
        fit(net, opt, path, epochs=9)
    assert snapshot(net, opt) == before


def test_a_failed_write_ends_the_run_with_the_last_checkpoint_intact(engine, tmp_path, monkeypatch):
    path, net = tmp_path / "run", mg.mlp([3, 2], rng=0)
    fit(net, mg.SGD(0.1), path, epochs=2, engine=engine)
    kept = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        fit(net, mg.SGD(0.1), path, epochs=4, engine=engine)
    assert path.read_bytes() == kept
    assert os.listdir(tmp_path) == ["run"]
