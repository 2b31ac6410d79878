"""sweep: results in order on any executor, and errors that say where they come from."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from minigrad.study.sweep import sweep


def square(n):
    if n < 0:
        raise ValueError("negative")
    return n * n


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_results_come_in_order(threads):
    executor = threads and ThreadPoolExecutor(threads)
    assert sweep(square, iter(range(20)), executor, progress=False) == [n * n for n in range(20)]
    assert sweep(square, [], executor) == []
    if executor:
        assert executor.submit(square, 2).result() == 4  # it is left running
        executor.shutdown()


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
