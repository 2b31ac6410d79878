"""One job, many configurations: in this process, or on any executor."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from .._advice import described, shown
from .progress import progress as progress_bar

if TYPE_CHECKING:  # it takes longer to import than a small net to train
    from concurrent.futures import Executor, Future


TOP_LEVEL = "write it with def at the top level of a module, and let the config hold what it needs"
MAKE_IT = "let the job make it, of something that can: the name of a file, the items of a generator"


def sweep(
    job: Callable[[Any], Any],
    configs: Iterable[Any],
    executor: Executor | None = None,
    *,
    label: str = "sweep",
    progress: bool = True,
) -> list[Any]:
    """[job(config) for config in configs], in this order, with a progress bar on a terminal or in a notebook.

    executor is any concurrent.futures.Executor: a ProcessPoolExecutor, or that of an engine you already
    have (Dask's client.get_executor(pure=False) is one, loky's get_reusable_executor() another). Then job must be a
    function at the top level of a module and configs and results must be picklable, unless its workers are
    threads. Nets, optimizers and arrays are. None: one after the other, here.

    The first error, in time, of a job or of sending it off ends the sweep at once and is raised as it is,
    with a note that says which config it was, and what cannot be sent where that is the matter; jobs that
    have not begun are cancelled. The executor is left running.
    """
    configs = list(configs)
    if executor is None:
        results = []
        for config in progress_bar(configs, label, progress):
            with _noted(config):
                results.append(job(config))
        return results
    if isinstance(executor, type) or not hasattr(executor, "submit"):
        raise TypeError(
            f"executor is {described(executor)}, expected a concurrent.futures.Executor, as ProcessPoolExecutor(4)"
        )
    futures: list[Future[Any]] = []
    done: SimpleQueue[int] = SimpleQueue()  # the places of the jobs in the order in which they end
    try:
        for i, config in enumerate(configs):
            with _blamed(job, config), _noted(config):
                futures.append(executor.submit(job, config))
            futures[i].add_done_callback(partial(_report, done, i))
        for _ in progress_bar(range(len(futures)), label, progress):
            i = done.get()
            with _blamed(job, configs[i]), _noted(configs[i]):
                futures[i].result()
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def _report(done: SimpleQueue[int], i: int, _: Any) -> None:
    done.put(i)


@contextlib.contextmanager
def _noted(config: Any) -> Iterator[None]:
    """Adds to an error which config it belongs to."""
    try:
        yield
    except Exception as error:
        with contextlib.suppress(Exception):  # a config that cannot be shown must not hide the error
            error.add_note(f"in the sweep, with config {shown(config)}{_perhaps(error)}")
        raise


@contextlib.contextmanager
def _blamed(job: Callable[[Any], Any], config: Any) -> Iterator[None]:
    """Adds to an error of sending what it is that cannot be sent, and what to send instead."""
    try:
        yield
    except Exception as error:
        if "_sendback_result" in str(error.__cause__):  # the worker's traceback
            error.add_note("what the job returned cannot be sent back: return numbers, text, arrays or nets")
        else:
            for value, name, remedy in ((job, "the job", TOP_LEVEL), (config, "the config", MAKE_IT)):
                if reason := _unpicklable(value, f"{error} {error.__cause__}"):
                    error.add_note(f"{name} cannot be sent to another process ({reason}): {remedy}")
        raise


def _unpicklable(value: Any, text: str) -> str:
    """Why value cannot be pickled, where text speaks of that; else ""."""
    try:
        pickle.dumps(value)
    except Exception as error:  # it may have a method of its own for that
        return str(error) if str(error) in text else ""
    return ""


def _perhaps(error: BaseException) -> str:
    """A worker that dies takes all jobs of its pool with it, and nobody knows whose fault it was."""
    from concurrent.futures import BrokenExecutor

    return ", or another one that was not done: a worker has died" if isinstance(error, BrokenExecutor) else ""
