"""The fan of the training scene: the same net from many seeds, trained in a thread, a curve of held-out losses each."""

from __future__ import annotations

import threading

import numpy as np

from .._checks import instance, quiet
from ..training.many import fit_many
from ..training.optimizers import Optimizer
from .train_run import data_of, most_steps, setup_of, targets
from .train_settings import Settings

SEEDS, POINTS = 64, 40  # points of a curve, at most
SHARE = 16  # the seeds together take at most so many times the steps of the longest run


class Seeds:
    """SEEDS nets that differ in their first weights and the order of their samples: seeds s, s + 1, ...

    epochs   [0, ...]: those after which the losses are known, so far; last is the one at which it ends
    losses   [(SEEDS,) at each of them]: on what is held out, or else on all samples; nan where a net has diverged
    """

    def __init__(self, setting: Settings, steps: int) -> None:
        self.setting, data = setting, data_of(setting)
        an_epoch = -(-len(data.x) // setting["batch"])
        epochs = max(1, -(-min(steps, SHARE * most_steps(setting) // SEEDS) // an_epoch))
        self.every = -(-epochs // POINTS)
        self.last = -(-epochs // self.every) * self.every
        self.epochs: list[int] = []
        self.losses: list[np.ndarray] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._train, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Train no further than this epoch."""
        self._stop.set()

    @quiet
    def _train(self) -> None:
        setting, data = self.setting, data_of(self.setting)
        seeds = [setting["seed"] + i for i in range(SEEDS)]
        setups = [setup_of(setting | {"seed": seed}) for seed in seeds]
        opts = [instance(setup.opt, Optimizer, "opt") for setup in setups]
        rngs = [np.random.default_rng(seed) for seed in seeds]
        loss, x, y = setups[0].loss, setups[0].x, setups[0].y
        held_out = x, y
        if data.x_test is not None and data.y_test is not None:
            held_out = data.x_test, targets(loss, data.y_test, len(data.classes))
        self._keep(0, np.array([loss(setup.net(held_out[0]), held_out[1]) for setup in setups]))
        for epoch in range(self.every, self.last + 1, self.every):
            alive = np.flatnonzero(np.isfinite(self.losses[-1])).tolist()
            if not alive or self._stop.is_set():
                return
            histories = fit_many(
                [setups[i].net for i in alive], loss, [opts[i] for i in alive], x, y, epochs=self.every,
                batch_size=setting["batch"], rngs=[rngs[i] for i in alive], validation=held_out, progress=False,
            )  # fmt: skip
            losses = np.full(SEEDS, np.nan)
            losses[alive] = [np.nan if history.error else history.val_loss[-1] for history in histories]
            self._keep(epoch, losses)

    def _keep(self, epoch: int, losses: np.ndarray) -> None:
        self.losses.append(losses)
        self.epochs.append(epoch)  # last: who reads has a loss for every epoch

    @quiet
    def sentence(self) -> str:
        """How far they are, and how far they lie apart."""
        if not self.epochs:
            return f"{SEEDS} seeds begin."
        done = self.epochs[-1]
        now = self.losses[len(self.epochs) - 1]
        good = now[np.isfinite(now)]
        if not len(good):
            return f"All {SEEDS} seeds diverged."
        low, middle, high = np.quantile(good, [0, 0.5, 1])
        after = f"after {done} epochs" if done == self.last else f"after {done} of {self.last} epochs"
        lost = f"; {SEEDS - len(good)} diverged" if len(good) < SEEDS else ""
        return f"{SEEDS} seeds {after}: losses from {low:.3g} to {high:.3g}, half of them below {middle:.3g}{lost}."
