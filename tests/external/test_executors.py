"""sweep on the executors of Dask, loky and joblib: results, errors, and nets that come back as good as they were."""

import threading
import time

import numpy as np
import pytest
from nets_for_processes import KINDS, LARGE, fails_on_two, net_of, train, train_one, trainable

import minigrad as mg


@pytest.fixture(scope="module")
def dask():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor(pure=False)


@pytest.fixture(scope="module")
def loky():
    executor = pytest.importorskip("loky").get_reusable_executor(max_workers=2)
    yield executor
    executor.shutdown()


@pytest.fixture(params=["dask", "loky"])
def executor(request):
    return request.getfixturevalue(request.param)


def slow_or_broken(n):
    if n == 1:
        raise ArithmeticError("one")
    time.sleep(20)


def test_results_come_in_order(executor):
    assert mg.sweep(abs, [-1, 2, -3, 2], executor, progress=False) == [1, 2, 3, 2]
    assert mg.sweep(abs, [-1], executor, progress=False) == [1]  # it is left running


def test_the_error_of_a_job_has_its_config(executor):
    with pytest.raises(ArithmeticError, match="two") as caught:
        mg.sweep(fails_on_two, [0, 1, 2, 3], executor, progress=False)
    assert "in the sweep, with config 2" in caught.value.__notes__


def test_an_error_does_not_wait_for_the_job_before_it(executor):
    mg.sweep(abs, [1, 2], executor, progress=False)  # the workers are up
    start = time.monotonic()
    with pytest.raises(ArithmeticError, match="one"):
        mg.sweep(slow_or_broken, [0, 1], executor, progress=False)
    assert time.monotonic() - start < 15


def test_what_cannot_be_sent_has_its_config(executor):
    with pytest.raises(Exception, match="pickle|serialize|thread.lock") as caught:
        mg.sweep(fails_on_two, [1, threading.Lock()], executor, progress=False)
    assert any("in the sweep, with config <unlocked" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("kind", KINDS)
def test_nets_come_back_and_train_on_to_the_same_bits(kind, executor, engine):
    if not trainable(kind, engine):
        pytest.skip("not for this engine")
    net, opt, bits = train(net_of(kind), engine=engine)
    back = mg.sweep(train_one, [(net_of(kind), None, engine)] * 3, executor, progress=False)
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
