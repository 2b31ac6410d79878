"""The same seed gives the same bits wherever the work is done: in threads, in worker processes, in a fresh process."""

import hashlib
import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import minigrad as mg
from minigrad.kernels.backend import core

PUPILS = 8
ENGINES = ["python", "fused"] if hasattr(core, "Program") else ["python"]


def train(config):
    """Train a net of its own size, activation, float type and optimiser -> a digest of all that it ends with."""
    seed, engine = config
    x, y, *_ = mg.datasets.load("iris")
    x = np.tile(x, (1, 1 + seed % 2)).astype([np.float64, np.float32][seed % 2])
    sizes, activation = [x.shape[1], 16 + seed, 30, 3], ["tanh", "sigmoid", "gelu"][seed % 3]
    net = mg.mlp(sizes, activation, dtype=x.dtype, rng=seed)
    opt = [mg.Adam(), mg.SGD(0.1, momentum=0.9), mg.RMSprop(), mg.AdamW()][seed % 4]
    history = mg.fit(net, mg.CrossEntropyLoss(), opt, x, y, epochs=6, batch_size=8 + seed, rng=seed, engine=engine,
                     progress=False)  # fmt: skip
    arrays = [*net.state_dict().values(), *(array for name in sorted(opt.state) for array in opt.state[name])]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays) + repr(history).encode()).hexdigest()


CONFIGS = [(seed, engine) for engine in ENGINES for seed in range(PUPILS)]


@pytest.fixture(scope="module")
def alone():
    """One after the other, in this thread."""
    return [train(config) for config in CONFIGS]


def test_the_pupils_differ_but_the_engines_do_not(alone):
    assert len(set(alone)) == PUPILS
    assert len({tuple(alone[i : i + PUPILS]) for i in range(0, len(alone), PUPILS)}) == 1


@pytest.fixture
def impatient():
    """Threads take turns every few microseconds, not every five milliseconds."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("impatient")
def test_threads_train_side_by_side_with_the_same_bits(engine, alone):
    barrier, together = threading.Barrier(PUPILS), {}

    def work(seed):
        barrier.wait()
        together[seed] = train((seed, engine))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(PUPILS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together.get(seed) for seed in range(PUPILS)] == alone[:PUPILS]


@pytest.mark.usefixtures("impatient")
def test_a_pool_of_threads_gives_the_same_bits(alone):
    with ThreadPoolExecutor(4) as executor:
        assert mg.sweep(train, CONFIGS, executor, progress=False) == alone


@pytest.mark.usefixtures("impatient")
def test_threads_can_read_one_net_while_another_is_trained():
    x, y, *_ = mg.datasets.load("iris")
    net, loss = mg.mlp([4, 16, 3], "tanh", rng=0), mg.CrossEntropyLoss()
    expected = mg.backprop(net, loss, x, y).gradients["0"].weight.tobytes()
    with ThreadPoolExecutor(4) as executor:
        training = [executor.submit(train, config) for config in CONFIGS]
        found = list(executor.map(lambda _: mg.backprop(net, loss, x, y).gradients["0"].weight.tobytes(), range(200)))
        assert all(future.result() for future in training)
    assert set(found) == {expected}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*use of fork.. may lead to deadlocks:DeprecationWarning")
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_worker_processes_give_the_same_bits(method, alone):
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as executor:
        assert mg.sweep(train, CONFIGS, executor, progress=False) == alone


@pytest.mark.slow
def test_fresh_processes_with_other_hash_seeds_give_the_same_bits(alone):
    code = "import test_threads_and_workers as t; print(*map(t.train, t.CONFIGS))"
    for hash_seed in ("1", "2"):
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": hash_seed}
        assert subprocess.check_output([sys.executable, "-c", code], env=env, text=True).split() == alone
