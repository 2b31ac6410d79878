"""The losses of the trials, so that a learner sees what a remedy changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .setup import PARTS, Setup, Trial, constant_loss_of


@dataclass(frozen=True)
class Curve:
    """The loss in the course of a trial.

    name      the finding whose remedy was made; "" for the net as it is
    steps     how many had been taken, and losses: the loss then
    constant  the loss of the best constant output: a remedy may change the loss or the targets, so compare shares of it
    diverged  the trial ended early, because the loss grew beyond all bounds
    """

    name: str
    steps: list[int]
    losses: list[float]
    constant: float
    diverged: bool


def curve(name: str, trial: Trial, constant: float) -> Curve:
    """The curve of a trial."""
    sizes = [len(part) for part in np.array_split(np.empty(trial.steps), PARTS) if len(part)]
    steps = [0, *np.cumsum(sizes).tolist()]
    return Curve(name, steps[: len(trial.losses)], list(trial.losses), constant, trial.diverged)


def constant_after(setup: Setup, before: Setup, constant: float) -> float:
    """The loss of the best constant output after a remedy; `constant` is that before it."""
    same = setup.loss is before.loss or type(setup.loss) is type(before.loss)
    return constant if same and setup.y is before.y else constant_loss_of(setup)
