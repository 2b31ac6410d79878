"""A run that is killed leaves a whole checkpoint or none, and goes on from there to the bits of an uninterrupted run.

MINIGRAD_KILLS sets how many kills at random moments there are for each engine.
"""

import io
import itertools
import os
import pickle
import random
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
from child_processes import fork, kill_this_process, killed_after, needs_fork, outcome
from oracles import snapshot

import minigrad as mg
from minigrad.files.archive import read_archive
from minigrad.training.run import RUN_FORMAT

KILLS = int(os.environ.get("MINIGRAD_KILLS", "6"))
X = np.random.default_rng(0).standard_normal((400, 8))
Y = X[:, :3].argmax(axis=1)

pytestmark = needs_fork


def train(engine, epochs, path=None, kind="PCG64"):
    """A run, from the start or from a checkpoint -> all that it leaves in memory."""
    random_layer = [mg.Dropout(0.2, rng=2)] if engine == "python" else []
    net = mg.Sequential(mg.Linear(8, 16, rng=0), mg.Tanh(), *random_layer, mg.Linear(16, 3, rng=1))
    opt, rng = mg.Adam(0.01), np.random.Generator(getattr(np.random, kind)(0))
    history = mg.fit(net, mg.CrossEntropyLoss(), opt, X, Y, epochs=epochs, batch_size=5, rng=rng, engine=engine,
                     validation=(X[:50], Y[:50]), checkpoint=path, progress=False)  # fmt: skip
    return snapshot(net, opt), history, str(rng.bit_generator.state), rng.random(3).tolist()


def leftovers(folder):
    return [name for name in os.listdir(folder) if name.startswith(".run.") and name.endswith(".part")]


def epochs_in(path):
    """How many epochs a checkpoint has, if there is one; it is read to its last byte."""
    return read_archive(path, RUN_FORMAT)[0]["epochs"] if path.exists() else 0


# ---- at random moments -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_killed_at_any_moment_goes_on_to_the_same_bits(engine, tmp_path):
    def work(folder):
        folder.mkdir(exist_ok=True)
        (folder / "end").write_bytes(pickle.dumps(train(engine, 12, folder / "run")))

    start = time.monotonic()
    assert outcome(fork(work, tmp_path / "whole")) == 0
    seconds, expected, moments = time.monotonic() - start, train(engine, 12), Counter()
    for run in itertools.count(1):
        folder, done = tmp_path / str(run), 0
        folder.mkdir()
        while killed_after(fork(work, folder), random.uniform(0, seconds)):
            before, done = done, epochs_in(folder / "run")
            assert before <= done <= 12
            writing = len(leftovers(folder))
            assert writing in (0, 1)
            moments["during a write" if writing else "between writes" if done else "before the first write"] += 1
        assert pickle.loads((folder / "end").read_bytes()) == expected
        assert leftovers(folder) == []
        if moments.total() >= KILLS:
            break
    print(f"{engine}: {moments.total()} kills of {run} runs of {seconds:.2f} s: {dict(moments)}")


# ---- at the moments that matter --------------------------------------------------------------------------


def dies_at(module, name, *, calls=1, which=1, after=False):
    """Make a process end in a function that each write calls so many times, in the call `which` of one write."""

    def arm(write):
        function, numbers = getattr(module, name), itertools.count(1)

        def call(*args, **kwargs):
            last = next(numbers) == (write - 1) * calls + which
            if last and not after:
                kill_this_process()
            result = function(*args, **kwargs)
            if last:
                kill_this_process()
            return result

        setattr(module, name, call)

    return arm


def dies_in_the_middle_of_the_file(write):
    savez, numbers = np.savez, itertools.count(1)

    def half(file, **arrays):
        if next(numbers) < write:
            return savez(file, **arrays)
        whole = io.BytesIO()
        savez(whole, **arrays)
        file.write(whole.getvalue()[: whole.tell() // 2])
        file.flush()
        return kill_this_process()

    np.savez = half


MOMENTS = {  # how the process ends, does the file hold the new epoch, is there a leftover
    "before the file": (dies_at(os, "open", calls=2), False, False),
    "the file is empty": (dies_at(np, "savez"), False, True),
    "half of it is written": (dies_in_the_middle_of_the_file, False, True),
    "all is written": (dies_at(os, "fsync", calls=2), False, True),
    "all is on disk": (dies_at(os, "replace"), False, True),
    "it has its name": (dies_at(os, "replace", after=True), True, False),
    "the folder is on disk": (dies_at(os, "fsync", calls=2, which=2, after=True), True, False),
}


@pytest.mark.slow
@pytest.mark.parametrize("write", [1, 3])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_while_it_writes(engine, moment, write, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)  # nor does the disk fail here
    arm, new, left = MOMENTS[moment]

    def work():
        arm(write)
        train(engine, 5, tmp_path / "run")

    assert outcome(fork(work)) == -9
    assert epochs_in(tmp_path / "run") == (write if new else write - 1)
    assert len(leftovers(tmp_path)) == left
    assert train(engine, 5, tmp_path / "run") == train(engine, 5)
    assert os.listdir(tmp_path) == ["run"]


# ---- random numbers of every kind ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_every_kind_of_generator_goes_on_where_it_was(engine, kind, tmp_path):
    train(engine, 2, tmp_path / "run", kind)
    assert train(engine, 4, tmp_path / "run", kind) == train(engine, 4, kind=kind)


def test_a_run_with_another_kind_of_generator_is_refused_before_anything_changes(tmp_path):
    call = {"loss": mg.MSELoss(), "x": X, "y": X, "epochs": 2, "checkpoint": tmp_path / "run", "progress": False}
    mg.fit(mg.mlp([8, 8], rng=0), opt=mg.Adam(), rng=0, **call)
    net, opt = mg.mlp([8, 8], rng=1), mg.Adam()
    before = snapshot(net, opt)
    with pytest.raises(ValueError, match="run belongs to a run with"):
        mg.fit(net, opt=opt, rng=np.random.Generator(np.random.Philox(0)), **call)
    assert snapshot(net, opt) == before


# ---- the command line ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_command_after_a_kill_saves_the_same_file(tmp_path):
    def start(name):
        options = f"--data iris --hidden 16 --optimizer adam --epochs 80 --checkpoint run-{name} --save {name}.npz"
        return subprocess.Popen([sys.executable, "-m", "minigrad", "train", *options.split()], cwd=tmp_path,
                                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                                stdout=subprocess.DEVNULL)  # fmt: skip

    assert start("once").wait() == 0
    checkpoint, done = tmp_path / "run-twice", 0
    for _ in range(max(1, KILLS // 10)):
        process = start("twice")
        while epochs_in(checkpoint) == done and process.poll() is None:
            pass
        process.kill()
        assert process.wait() == -9
        done = epochs_in(checkpoint)
    assert not (tmp_path / "twice.npz").exists()
    assert start("twice").wait() == 0
    assert (tmp_path / "twice.npz").read_bytes() == (tmp_path / "once.npz").read_bytes()
