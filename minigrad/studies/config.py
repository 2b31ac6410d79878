"""What every study is told: which data, which seed, how thorough, and where its runs are computed."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import datasets
from ..datasets import scaling
from ..training.sweep import sweep

if TYPE_CHECKING:
    from concurrent.futures import Executor


@dataclass(frozen=True)
class Config:
    """What `minigrad report` was asked for.

    data      a name of mg.datasets, or a folder with IDX files
    seed      the first one
    full      more seeds and larger nets
    quick     one seed and fewer epochs, for tests
    executor  what the runs are computed on; None for this process
    progress  show a bar for each sweep
    """

    data: str | os.PathLike[str] = "digits"
    seed: int = 0
    full: bool = False
    quick: bool = False
    executor: Executor | None = None
    progress: bool = False

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"executor": None, "progress": False}  # what travels to another process

    def seeds(self, default: int, full: int) -> list[int]:
        """That many seeds, counted from self.seed."""
        count = full if self.full else 1 if self.quick else default
        return list(range(self.seed, self.seed + count))

    def load(self, scale: str = "unit", most: int | None = 5000) -> datasets.Split:
        """x_train, y_train, x_test, y_test, scaled as `scaling` says; of each half the first `most` rows."""
        x_train, y_train, x_test, y_test = (array[:most] for array in _read(os.fspath(self.data)))
        shift, spread = scaling(x_train, scale)
        return (x_train - shift) / spread, y_train.copy(), (x_test - shift) / spread, y_test.copy()

    def sweep(self, job: Callable[[Any], Any], configs: Iterable[Any], label: str = "runs") -> list[Any]:
        """[job(config) for config in configs], on the executor if there is one."""
        return sweep(job, configs, self.executor, label=label, progress=self.progress)


@functools.lru_cache(maxsize=1)
def _read(data):
    return datasets.load(data)
