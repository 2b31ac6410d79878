"""sweep on Dask, loky, processes, threads and joblib: results, errors, and nets that come back as they were."""

import pickle
import re
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from nets_for_processes import KINDS, LARGE, fails_on_two, net_of, train, train_one, trainable

import minigrad as mg


def dask_executor(**workers):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(dashboard_address=":0", **workers) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor(pure=False)  # by default, equal configs are one job


@pytest.fixture(scope="module")
def dask():
    yield from dask_executor(n_workers=2, threads_per_worker=1, processes=True)


@pytest.fixture(scope="module")
def dask_threads():
    yield from dask_executor(n_workers=1, threads_per_worker=2, processes=False)


@pytest.fixture(scope="module")
def loky():
    executor = pytest.importorskip("loky").get_reusable_executor(max_workers=2)
    yield executor
    executor.shutdown(kill_workers=True)


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, get_context("spawn")) as executor:
        yield executor


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture(params=["dask", "dask_threads", "loky", "processes", "threads"])
def executor(request):
    return request.getfixturevalue(request.param)


def only(*names):
    """For tests that concern some of the executors alone."""
    return pytest.mark.parametrize("executor", names, indirect=True)


def test_results_come_in_order(executor):
    assert mg.sweep(abs, [-1, 2, -3, 2], executor, progress=False) == [1, 2, 3, 2]
    assert mg.sweep(abs, [-1], executor, progress=False) == [1]  # it is left running


def test_the_error_of_a_job_has_its_config(executor):
    with pytest.raises(ArithmeticError, match="two") as caught:
        mg.sweep(fails_on_two, [0, 1, 2, 3], executor, progress=False)
    assert "in the sweep, with config 2" in caught.value.__notes__


@only("dask", "dask_threads", "loky", "processes")
@pytest.mark.parametrize("thing", [threading.Lock(), (n for n in [])], ids=["a lock", "a generator"])
def test_what_cannot_be_sent_has_its_config_and_a_remedy(executor, thing):
    with pytest.raises(Exception, match="pickle|serialize|thread.lock") as caught:
        mg.sweep(fails_on_two, [1, thing], executor, progress=False)
    notes = "\n".join(caught.value.__notes__)
    assert f"in the sweep, with config {thing!r}" in notes
    assert re.search(r"the config cannot be sent to another process \(.*pickle.*\): let the job make it", notes)
    assert "the job cannot" not in notes


@only("processes")
def test_an_open_file_cannot_be_sent_to_a_pool_of_processes(executor):
    with open(__file__) as file, pytest.raises(TypeError, match="TextIOWrapper") as caught:
        mg.sweep(fails_on_two, [file], executor, progress=False)
    assert "the config cannot be sent" in caught.value.__notes__[1]
    assert "the name of a file" in caught.value.__notes__[1]


@pytest.mark.parametrize("kind", ["lambda", "local"])
def test_a_job_without_a_module_is_sent_or_refused_with_a_remedy(executor, kind):
    def local(n):
        return n + 1

    job = (lambda n: n + 1) if kind == "lambda" else local
    if not isinstance(executor, ProcessPoolExecutor):  # Dask and loky send the code itself
        assert mg.sweep(job, [1, 2], executor, progress=False) == [2, 3]
        return
    with pytest.raises((AttributeError, pickle.PicklingError)) as caught:
        mg.sweep(job, [1, 2], executor, progress=False)
    [note] = caught.value.__notes__[1:]
    assert re.search(r"the job cannot be sent .*: write it with def at the top level of a module", note)
    assert mg.sweep(fails_on_two, [1], executor, progress=False) == [1]  # it still works


def returns_a_lock(n):
    return threading.Lock()


@only("loky", "processes")  # Dask tries again without end, and says so on stderr
def test_a_result_that_cannot_be_sent_back_is_named(executor):
    with pytest.raises(TypeError, match="thread.lock") as caught:
        mg.sweep(returns_a_lock, [1], executor, progress=False)
    assert "in the sweep, with config 1" in caught.value.__notes__
    assert any("what the job returned cannot be sent back" in note for note in caught.value.__notes__)


def fails_in_pickle(lock):
    return pickle.dumps(threading.Lock())


def test_an_error_of_the_job_itself_is_not_blamed_on_sending(executor):
    with pytest.raises(TypeError, match="cannot pickle") as caught:
        mg.sweep(fails_in_pickle, [1], executor, progress=False)
    assert caught.value.__notes__ == ["in the sweep, with config 1"]


@pytest.mark.parametrize("kind", KINDS)
def test_nets_come_back_and_train_on_to_the_same_bits(kind, executor, engine):
    if not trainable(kind, engine):
        pytest.skip("not for this engine")
    net, opt, bits = train(net_of(kind), engine=engine)
    back = mg.sweep(train_one, [(net_of(kind), None, engine) for _ in range(3)], executor, progress=False)
    assert [b for _, _, b in back] == [bits] * 3
    last = train(net, opt, engine)[2]
    for other_net, other_opt, _ in back:
        assert train(other_net, other_opt, engine)[2] == last


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
@pytest.mark.parametrize("kind", KINDS)
def test_joblib_may_send_nets_as_read_only_memory_maps(kind, backend, engine):
    joblib = pytest.importorskip("joblib")
    if not trainable(kind, engine):
        pytest.skip("not for this engine")
    bits = train(net_of(kind), engine=engine)[2]
    configs = [(net_of(kind), None, engine) for _ in range(3)]
    back = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(train_one)(config) for config in configs)
    assert [b for _, _, b in back] == [bits] * 3


def is_writeable(net):
    return bool(net[0].weight.flags.writeable)


def test_joblib_does_send_large_layers_as_read_only_memory_maps():
    joblib = pytest.importorskip("joblib")
    assert LARGE[0] * LARGE[1] * 8 > 1e6
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(is_writeable)(net_of("large")) for _ in range(2)) == [False, False]


@pytest.mark.parametrize("mode", ["r", "c"])
def test_a_net_that_joblib_loads_from_a_memory_map_trains_to_the_same_bits(mode, engine, tmp_path):
    joblib = pytest.importorskip("joblib")
    joblib.dump(net_of("large"), tmp_path / "net")
    mapped = joblib.load(tmp_path / "net", mmap_mode=mode)
    assert isinstance(mapped[0].weight, np.memmap)
    assert train(mapped, engine=engine)[2] == train(net_of("large"), engine=engine)[2]


# ---- the last, for it leaves workers that sleep ----------------------------------------------------------


def slow_or_broken(n):
    if n == 1:
        raise ArithmeticError("one")
    time.sleep(20)


@only("dask", "loky")
def test_an_error_does_not_wait_for_the_job_before_it(executor):
    mg.sweep(abs, [1, 2], executor, progress=False)  # the workers are up
    start = time.monotonic()
    with pytest.raises(ArithmeticError, match="one"):
        mg.sweep(slow_or_broken, [0, 1], executor, progress=False)
    assert time.monotonic() - start < 15


@pytest.mark.parametrize("executor", [4, "threads", ThreadPoolExecutor])
def test_what_is_no_executor_is_named(executor):
    with pytest.raises(TypeError, match="executor is .*, expected a concurrent.futures.Executor"):
        mg.sweep(abs, [1], executor)
