"""What every study is told: which data, which seed, how thorough, and where its runs are computed."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import datasets
from ..divergence import DivergenceError
from ..training import fit
from .sweep import sweep

if TYPE_CHECKING:
    from concurrent.futures import Executor

SCALES = ("none", "unit", "standard")


def try_rate(net, loss, opt, x, y, **settings):
    """The History of a run whose learning rate may be too high, without a warning; None where it left the floats."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "training diverged", RuntimeWarning)
        try:
            return fit(net, loss, opt, x, y, progress=False, **settings)
        except DivergenceError:
            return None


@dataclass(frozen=True)
class Config:
    """What `minigrad report` was asked for.

    data: a name of mg.datasets or a folder with IDX files. seed: the first one. full: more seeds, larger
    nets.
    """

    data: str | os.PathLike[str] = "digits"
    seed: int = 0
    full: bool = False
    quick: bool = False
    executor: Executor | None = None  # None: everything in this process
    progress: bool = False  # a bar for each sweep

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


def scaling(x: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """shift m and spread s, each (J,), with which (x - m) / s is the scaled data x (N, J).

    "none": as it is. "unit": one shift and one factor for all features, so that x reaches from 0 to 1 and
    stays non-negative. "standard": each feature gets mean 0 and standard deviation 1; one that never
    changes gets 0.
    """
    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}, expected one of: {', '.join(SCALES)}")
    shift, spread = np.zeros(x.shape[1]), np.ones(x.shape[1])
    if scale == "unit":
        shift[:], spread[:] = x.min(), x.max() - x.min() or 1.0
    elif scale == "standard":
        shift, spread = x.mean(axis=0), x.std(axis=0)
        spread[spread == 0] = 1.0
    return shift, spread
