"""sweep: results in order on any executor, and errors that come at once and say where they come from."""

import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import pytest

from minigrad.training.sweep import sweep


def square(n):
    if n < 0:
        raise ValueError("negative")
    return n * n


def dies(n):
    import os

    if n == 2:
        os._exit(1)
    time.sleep(60)


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_results_come_in_order(threads):
    executor = threads and ThreadPoolExecutor(threads)
    assert sweep(square, iter(range(20)), executor, progress=False) == [n * n for n in range(20)]
    assert sweep(square, [], executor) == []
    if executor:
        assert executor.submit(square, 2).result() == 4  # it is left running
        executor.shutdown()


def test_results_come_in_order_when_the_jobs_end_in_another():
    events = [threading.Event() for _ in range(4)]
    events[3].set()

    def job(n):
        assert events[n].wait(60)
        if n:
            events[n - 1].set()
        return n

    with ThreadPoolExecutor(4) as executor:
        assert sweep(job, range(4), executor, progress=False) == [0, 1, 2, 3]


@pytest.mark.parametrize("threads", [None, 2])
def test_an_error_says_which_config_it_was(threads):
    executor = threads and ThreadPoolExecutor(threads)
    with pytest.raises(ValueError, match="negative") as caught:
        sweep(square, [1, 2, -3, 4, -5], executor, progress=False)
    assert caught.value.__notes__ == ["in the sweep, with config -3"]


def test_an_error_cancels_what_has_not_begun():
    done, error_is_out = [], threading.Event()

    def job(n):
        if n == 0:
            raise ArithmeticError
        error_is_out.wait(60)
        done.append(n)

    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(ArithmeticError):
            sweep(job, range(100), executor, progress=False)
        error_is_out.set()
    assert done in ([], [1])


def test_an_error_does_not_wait_for_the_jobs_before_it():
    error_is_out = threading.Event()

    def job(n):
        if n == 2:
            raise ArithmeticError
        assert error_is_out.wait(60)

    with ThreadPoolExecutor(3) as executor:
        try:
            with pytest.raises(ArithmeticError) as caught:
                sweep(job, range(3), executor, progress=False)
        finally:
            error_is_out.set()
    assert caught.value.__notes__ == ["in the sweep, with config 2"]


class ByHand(Executor):
    """Jobs end when the test says so; `room` of them can be sent off."""

    def __init__(self, room=99):
        self.futures, self.room = [], room

    def submit(self, job, config):
        if len(self.futures) == self.room:
            raise RuntimeError("no room")
        self.futures.append(Future())
        return self.futures[-1]


def test_of_two_errors_the_first_in_time_is_raised():
    executor = ByHand()

    def end():
        while len(executor.futures) < 4:
            time.sleep(0.001)
        for i in (3, 1):
            executor.futures[i].set_exception(KeyError(i))

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(KeyError) as caught:
        sweep(square, "abcd", executor, progress=False)
    thread.join()
    assert caught.value.args == (3,)
    assert caught.value.__notes__ == ["in the sweep, with config 'd'"]
    assert [executor.futures[i].cancelled() for i in (0, 2)] == [True, True]


def test_where_a_job_cannot_be_sent_off_the_earlier_are_cancelled():
    executor = ByHand(room=2)
    with pytest.raises(RuntimeError, match="no room") as caught:
        sweep(square, "abc", executor, progress=False)
    assert caught.value.__notes__ == ["in the sweep, with config 'c'"]
    assert [future.cancelled() for future in executor.futures] == [True, True]


def test_an_interrupted_sweep_cancels_its_jobs():
    executor = ByHand()

    class Interrupted:
        def __init__(self, items):
            pass

        def __iter__(self):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minigrad.training.sweep.progress_bar", lambda items, label, wanted: Interrupted(items))
        with pytest.raises(KeyboardInterrupt):
            sweep(square, "ab", executor)
    assert [future.cancelled() for future in executor.futures] == [True, True]


def test_an_executor_that_is_shut_down_is_an_error_with_a_config():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown") as caught:
        sweep(square, [7], executor, progress=False)
    assert caught.value.__notes__ == ["in the sweep, with config 7"]


@pytest.mark.parametrize("config", ["x" * 10_000, None], ids=["long", "cannot be shown"])
def test_a_config_that_cannot_be_shown_hides_no_error(config):
    class Shy:
        def __repr__(self):
            raise AttributeError

    with pytest.raises(TypeError, match="not supported") as caught:
        sweep(square, [config or Shy()], progress=False)
    assert all(len(note) < 300 for note in getattr(caught.value, "__notes__", []))


@pytest.mark.slow
def test_a_worker_that_dies_is_not_laid_at_one_configs_door():
    with ProcessPoolExecutor(2, get_context("spawn")) as executor, pytest.raises(BrokenProcessPool) as caught:
        sweep(dies, [1, 2, 3], executor, progress=False)
    assert "or another one that was not done" in caught.value.__notes__[0]
