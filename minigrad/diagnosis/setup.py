"""What is diagnosed: a net with its loss, optimizer and data; and the score by which two of them are compared."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._checks import quiet
from ..layers.base import Layer
from ..layers.containers import Sequential
from ..layers.parameters import tree
from ..losses import Loss
from ..training.divergence import DivergenceError
from ..training.fit import fit
from ..training.optimizers import Adam, Optimizer
from .constant import best_constant_loss

PARTS = 10  # of a trial: the loss is looked at after each


@dataclass
class Setup:
    """A net and all that it is trained with. x (N, ..., J), y as the loss wants it."""

    net: Sequential
    loss: Loss
    opt: Optimizer | None
    x: np.ndarray
    y: np.ndarray
    batch_size: int = 32
    epochs: int | None = None

    def copy(self) -> Setup:
        """The same with a net, a loss and an optimizer of its own; no step has been taken with the optimizer."""
        return replace(self, net=copy.deepcopy(self.net), loss=copy.deepcopy(self.loss), opt=fresh(self.opt))

    @property
    def steps_an_epoch(self) -> int:
        """Batches of an epoch, the last of which may be smaller."""
        return -(-len(self.x) // min(self.batch_size, len(self.x)))

    @property
    def planned_steps(self) -> int | None:
        """Steps of all epochs; None where nobody said how many."""
        return None if self.epochs is None else self.epochs * self.steps_an_epoch

    def rows(self, chosen: np.ndarray) -> Setup:
        """The same with some of the samples."""
        return replace(self, x=self.x[chosen], y=self.y[chosen])


def fresh(opt: Optimizer | None) -> Any:
    """An optimizer with the same settings that has taken no step; of a function lr, with its number for epoch 1."""
    if opt is None:
        return None
    new = copy.deepcopy(opt)
    rate: Any = opt.scheduled_lr(1) if opt.scheduled else opt.lr
    new._first_lr = rate
    new.put_back(0, rate, {})
    new.lr = rate  # which is good for every step: that of a function is only fit's to use
    return new


@dataclass
class Trial:
    """What a few steps made of a setup. losses: at the start and after each tenth of the steps."""

    losses: list[float]
    score: float  # at the end: see `score_of`
    steps: int
    diverged: bool
    net: Sequential
    refused: str = ""  # what the loss said of an output that it did not take

    @property
    def worst(self) -> float:
        return max(self.losses)


@quiet
def run_trial(setup: Setup, steps: int, seed: int, looked_at: np.ndarray) -> Trial:
    """Train a copy for so many steps. looked_at: the samples by which it is judged."""
    setup, rng = setup.copy(), np.random.default_rng(seed)
    opt = setup.opt or Adam(1e-3)
    N, batch = len(setup.x), min(setup.batch_size, len(setup.x))
    needed = steps * batch
    order = np.concatenate([rng.permutation(N) for _ in range(-(-needed // N))])[:needed]
    judged = setup.rows(looked_at)
    losses, diverged, refused = [loss_of(judged)], False, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in np.array_split(order.reshape(steps, batch), PARTS):
            if part.size == 0:
                continue
            samples = part.ravel()
            try:
                fit(
                    setup.net, setup.loss, opt, setup.x[samples], setup.y[samples],
                    epochs=1, batch_size=batch, shuffle=False, progress=False,
                )  # fmt: skip
            except (DivergenceError, ValueError, TypeError) as error:
                diverged, refused = True, "" if isinstance(error, DivergenceError) else str(error)
                losses.append(float("inf"))
                break
            losses.append(loss_of(judged))
            if not losses[-1] < 1e6 * (1 + abs(losses[0])):
                diverged = True
                break
    return Trial(losses, -1.0 if diverged else score_of(judged), steps, diverged, setup.net, refused)


@quiet
def loss_of(setup: Setup) -> float:
    """The loss on all samples of a setup, as training sees them but for Dropout; infinite where there is none."""
    try:
        value = float(setup.loss(predicted(setup.net, setup.x), setup.y))
    except (ValueError, TypeError, ArithmeticError):
        return float("inf")
    return float("inf") if np.isnan(value) else value


def predicted(net: Sequential, x: np.ndarray) -> np.ndarray:
    """The output, with batch statistics where a layer keeps running ones, else as in eval mode."""
    net = copy.deepcopy(net).eval()
    for _, layer in tree(net):
        layer.training = bool(layer.buffer_names) and len(x) > 1
    with np.errstate(all="ignore"):
        return net.forward(x)[0]


# ---- the score ---------------------------------------------------------------------------------------------


def answers_of(loss: Loss, y: np.ndarray, K: int) -> str:
    """What is asked for: "classes" (one of K), "entries" (each yes or no), or "values"."""
    if y.dtype.kind == "i":
        return "classes"
    if loss.of_classes:
        return "entries" if loss.threshold is not None else "classes"
    binary = bool(np.isin(y, (0, 1)).all()) and y.shape[-1] == K
    if binary and K > 1 and (y.sum(axis=-1) == 1).all():
        return "classes"
    return "entries" if binary else "values"


def score_of(setup: Setup) -> float:
    """How good the outputs are, whatever the loss: 1 perfect, 0 as good as the best constant, below 0 worse.

    Of values 1 - (mean square error) / variance, each output by itself; of classes and of yes or no
    1 - errors / errors of the most frequent answer, or what the loss says by the same measure where that is more.
    """
    output = predicted(setup.net, setup.x)
    if not np.isfinite(output).all():
        return -1.0
    K, y = output.shape[-1], setup.y
    kind = answers_of(setup.loss, y, K)
    if kind == "values" or (kind == "entries" and y.shape != output.shape):
        if y.shape != output.shape:
            return skill_of(setup)
        error = np.square(output - y, dtype=np.float64).reshape(-1, K).mean(axis=0)
        spread = y.reshape(-1, K).var(axis=0, dtype=np.float64)
        return float(np.clip(1 - (error / np.where(spread > 0, spread, 1)).mean(), -1, 1))
    if kind == "classes":
        wanted = (y if y.dtype.kind == "i" else y.argmax(axis=-1)).ravel()
        wrong = (output.argmax(axis=-1).ravel() != wanted).mean()
        chance = 1 - np.bincount(wanted).max() / len(wanted)
    else:
        middle = setup.loss.threshold if setup.loss.threshold is not None else 0.5
        wrong = ((output > middle) != (y > 0.5)).mean()
        share = (y > 0.5).reshape(-1, K).mean(axis=0)
        chance = np.minimum(share, 1 - share).mean()
    return float(max(1 - wrong / max(chance, 1e-12), min(skill_of(setup), 1.0)) if chance > 0 else 1 - wrong)


def skill_of(setup: Setup) -> float:
    """1 - loss / loss of the best constant output; clipped to -1 ... 1."""
    constant = constant_loss_of(setup)
    return float(np.clip(1 - loss_of(setup) / constant, -1, 1)) if constant > 0 else 0.0


def constant_loss_of(setup: Setup) -> float:
    """The loss of the best output that is the same everywhere: from the targets, or found by search."""
    return best_constant_loss(setup.loss, setup.y, (len(setup.x), *predicted(setup.net, setup.x[:1]).shape[1:]))


def leaves(net: Layer) -> list[tuple[str, Any]]:
    """The layers that hold no others, with their paths, in forward order."""
    return [(path, layer) for path, layer in tree(net) if path and not layer.children()]
