"""A net that is trained step by step: a batch at a time, to the same bits as `mg.fit` over whole epochs.

    order = rng.permutation(N)                    at the start of each epoch, as fit draws it
    bp = backprop(net, loss, x[batch], y[batch])  of the next batch: this pair is what the page shows
    opt.step(net, bp)                             and what the next step takes

Whole epochs go through the compiled core where it can, which ends with the same bits.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .. import diagnostics as dg
from .._checks import instance, quiet
from ..accuracy import accuracy
from ..backprop import Backprop, backprop
from ..diagnosis import Setup
from ..layers.activations import activation
from ..layers.base import Layer
from ..layers.containers import Sequential, mlp
from ..layers.linear import Linear
from ..losses import LOSSES, CrossEntropyLoss
from ..training.divergence import overflow
from ..training.fused import compiled_epochs, obstacle
from ..training.optimizers import OPTIMIZERS, Optimizer
from .train_data import Data, load
from .train_settings import ALONE, TWIN, Settings, other

FINE = 64  # steps at the beginning, each of which is a point of the curve; after them an epoch, or several, is one
POINTS = 200  # of the curve, at most, after the fine ones
MOST, WORK = 50_000, 1e10  # steps of a run, and their sums and products: an address brings them back within seconds


class Point(NamedTuple):
    """The mean losses and the shares of right answers after so many steps; nan where nothing is held out."""

    steps: int
    loss: float
    accuracy: float
    test_loss: float
    test_accuracy: float


def data_of(setting: Settings) -> Data:
    """What the settings train on."""
    return load(setting["data"], setting["table"], setting["scale"])


def setup_of(setting: Settings) -> Setup:
    """The net, loss, optimizer and data that the settings describe, before the first step."""
    data, loss = data_of(setting), LOSSES[setting["loss"]]()
    momentum = {"momentum": setting["momentum"]} if setting["optimizer"] == "sgd" else {}
    opt = OPTIMIZERS[setting["optimizer"]](lr=setting["lr"], **momentum)
    return Setup(net_of(setting), loss, opt, data.x, targets(loss, data.y, len(data.classes)), setting["batch"])


def targets(loss: Any, y: np.ndarray, K: int) -> np.ndarray:
    """Class numbers as the loss wants them: as they are, or a yes for one of K."""
    return y if isinstance(loss, CrossEntropyLoss) else np.eye(K)[y]


def net_of(setting: Settings) -> Sequential:
    """The net that the settings describe: mlp where all hidden layers bend alike, else layer by layer."""
    data, hidden = data_of(setting), setting["hidden"]
    sizes = [data.x.shape[1], *(width for width, _ in hidden), len(data.classes)]
    kinds = [kind for _, kind in hidden]
    layers: list[Layer] = []
    if alike(kinds):
        layers += mlp(sizes, kinds[0], setting["init"], rng=setting["seed"])
    else:
        rng = np.random.default_rng(setting["seed"])
        for J, K, kind in zip(sizes, sizes[1:], [*kinds, "identity"], strict=False):
            layers += [Linear(J, K, init=setting["init"], rng=rng), *_bend(kind)]
    return Sequential(*layers, *_bend(setting["output"]))


def alike(kinds: list[str]) -> bool:
    """Whether all layers have one activation that is not the identity, as mlp builds them."""
    return len(set(kinds)) == 1 and kinds[0] != "identity"


def _bend(kind: str) -> list[Layer]:
    """The activation; nothing for the identity."""
    return [] if kind == "identity" else [activation(kind)]


def second_setup(setting: Settings) -> Setup | None:
    """That of the net which is compared; None where there is none."""
    if setting["compare"] == ALONE:
        return None
    setup = setup_of(other(setting))
    if setting["compare"] == TWIN:
        setup.net = dg.tanh_twin(setup.net)
    return setup


def most_steps(setting: Settings) -> int:
    """How many steps a run may have."""
    data = data_of(setting)
    sizes = [data.x.shape[1], *(width for width, _ in setting["hidden"]), len(data.classes)]
    weights = sum(J * K for J, K in pairwise(sizes))
    return min(MOST, int(WORK / (6 * weights * min(setting["batch"], len(data.x)))))


class Run:
    """A setup, and how far it has been trained.

    steps    taken so far
    ended    why no further step can be taken, in words; "" while one can
    numbers  what is measured at these weights; None as long as nobody asked
    points   the curve: after each of the first FINE steps, then after every epoch, or every second, fourth ... one
    """

    def __init__(self, setup: Setup, data: Data, seed: int) -> None:
        self.net, self.loss, self.x, self.y = setup.net, setup.loss, setup.x, setup.y
        self.opt = instance(setup.opt, Optimizer, "opt")
        self.data, self.batch_size, self.epoch = data, setup.batch_size, setup.steps_an_epoch
        self.opt.adopt(self.net)
        self._rng = np.random.default_rng(seed)
        self._order = self._rng.permutation(len(self.x))
        self._whole_epoch = compiled_epochs() if obstacle(self.net, self.loss, self.opt) is None else None
        self.steps, self.ended = 0, ""
        self.numbers: dict[str, float] | None = None
        self._bp: Backprop | None = None
        self._point: Point | None = None
        self.points = [self.point]
        self._check()

    def batch(self) -> np.ndarray:
        """The samples of the next step."""
        start = self.steps % self.epoch * self.batch_size
        return self._order[start : start + self.batch_size]

    @property
    def bp(self) -> Backprop:
        """The forward and backward pass of the next step."""
        if self._bp is None:
            rows = self.batch()
            self._bp = backprop(self.net, self.loss, self.x[rows], self.y[rows])
        return self._bp

    def take(self, steps: int) -> None:
        """Take so many steps, or as many as are finite."""
        end = self.steps + steps
        while self.steps < end and not self.ended:
            if self.stride(end - self.steps) > 1:
                self._take_epoch()
            else:
                self._take_one()
            if not self.ended and self._has_point(self.steps):
                self.points.append(self.point)
        self._check()
        self.points = [point for point in self.points if self._has_point(point.steps)]

    def _has_point(self, steps: int) -> bool:
        """Whether the curve, as long as it is now, has a point there."""
        every = self.epoch
        while self.steps > POINTS * every:
            every *= 2
        return steps <= FINE or steps % every == 0

    def stride(self, most: int) -> int:
        """How many steps are taken in one go, of so many: an epoch where the compiled core can take it, else 1."""
        ready = self._whole_epoch is not None and self.steps >= FINE and self.steps % self.epoch == 0
        return self.epoch if ready and self.epoch <= most else 1

    def _take_one(self) -> None:
        if math.isfinite(self.bp.loss):
            self.opt.step(self.net, self.bp)
            self._stepped(1)
        else:
            self._end(self.batch())

    def _take_epoch(self) -> None:
        before = self.opt.steps
        orders = self._order[None].astype(np.uint32)
        self._whole_epoch(self.net, self.loss, self.opt, self.x, self.y, orders, self.batch_size)  # type: ignore[misc]
        taken = self.opt.steps - before
        if taken:
            self._stepped(taken)
        if taken < self.epoch:
            self._end(self.batch())

    def _stepped(self, steps: int) -> None:
        self.steps += steps
        self.numbers = self._bp = self._point = None
        if self.steps % self.epoch == 0:
            self._order = self._rng.permutation(len(self.x))

    def _check(self) -> None:
        """End the run where the next batch, or the data as a whole, has a loss that is not finite."""
        if not math.isfinite(self.bp.loss):
            self._end(self.batch())
        elif not math.isfinite(self.point.loss):
            self._end(np.arange(len(self.x)))

    @quiet
    def _end(self, rows: np.ndarray) -> None:
        lr = self.opt.lr if self.steps else None
        place, remedy = overflow(self.net, self.loss, self.x[rows], self.y[rows], lr)
        epoch, step = divmod(self.steps, self.epoch)
        self.ended = (
            f"The loss stopped being finite in epoch {epoch + 1}, step {step + 1}, beginning in {place}; {remedy}."
        )

    @property
    def point(self) -> Point:
        """The losses and accuracies at the weights of now, on all samples."""
        if self._point is None:
            self._point = self._measured()
        return self._point

    @quiet
    def _measured(self) -> Point:
        numbers = [math.nan] * 4
        sets = [(self.x, self.y, self.data.y)]
        if self.data.x_test is not None and self.data.y_test is not None:
            y_test = self.data.y_test
            sets.append((self.data.x_test, targets(self.loss, y_test, len(self.data.classes)), y_test))
        for i, (x, y, classes) in enumerate(sets):
            output = self.net(x)
            numbers[2 * i : 2 * i + 2] = float(self.loss(output, y)), float(accuracy(output, classes))
        return Point(self.steps, *numbers)
