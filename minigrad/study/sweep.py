"""One job, many configurations: in this process, or on any executor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .._progress import progress as progress_bar

if TYPE_CHECKING:  # it takes longer to import than a small net to train
    from concurrent.futures import Executor


def sweep(
    job: Callable[[Any], Any],
    configs: Iterable[Any],
    executor: Executor | None = None,
    *,
    label: str = "sweep",
    progress: bool = True,
) -> list[Any]:
    """[job(config) for config in configs], in this order, with a progress bar on a terminal.

    executor is any concurrent.futures.Executor: a ProcessPoolExecutor, or that of an engine you already
    have (Dask's client.get_executor() is one). Then job must be a function at the top level of a module and
    configs and results must be picklable. None: one after the other, here.

    The first error of a job ends the sweep and is raised as it is, with a note that says which config it
    was; jobs that have not begun are cancelled. The executor is left running.
    """
    configs = list(configs)
    if executor is None:
        results = []
        for config in progress_bar(configs, label, progress):
            with _Noted(config):
                results.append(job(config))
        return results
    futures = [executor.submit(job, config) for config in configs]
    try:
        results = []
        for i in progress_bar(range(len(futures)), label, progress):
            with _Noted(configs[i]):
                results.append(futures[i].result())
        return results
    finally:
        for future in futures:
            future.cancel()


class _Noted:
    """Adds to an error which config it belongs to."""

    def __init__(self, config):
        self.config = config

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, Exception):
            error.add_note(f"in the sweep, with config {self.config!r}")
