"""Training that went wrong: what overflowed, losses that rose or never fell, and data in an order that misleads."""

from __future__ import annotations

import copy
import math
import warnings
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from .._checks import quiet
from ..backprop import backprop
from ..layers.containers import Sequential, output_shape
from ..losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss

if TYPE_CHECKING:
    from .run import Run

ROWS = 1024  # samples that are looked at, at most
HINT = "mg.diagnose(net, loss, x, y, opt) says why"
FEWEST_STEPS = 100  # after which a loss that has not fallen is worth a word
LEARNED = 0.98  # of the best constant output's loss: below it something was learned
KNOWN = (CrossEntropyLoss, BCELoss, BCEWithLogitsLoss, MSELoss)  # losses whose best constant output has a formula


class DivergenceError(ArithmeticError):
    """The loss, or a weight, stopped being finite. The net keeps the weights of the last finite epoch."""


@quiet
def overflow(net: Sequential, loss: Loss, x: np.ndarray, y: np.ndarray, lr: float | None) -> tuple[str, str]:
    """(where the loss of a batch stopped being finite, what to do about it), in words. lr None: it was not used yet."""
    bp = backprop(net, loss, x, y)
    activations = bp.activations
    slower = "start from smaller weights" if lr is None else f"try a smaller lr than {lr:g}"
    if np.isfinite(bp.loss):
        return "a step that is finite when it is looked at again, with other random numbers", slower
    for i, (a, out) in enumerate(pairwise(activations)):
        if not np.isfinite(out).all():
            bad = [name for name, array in net[i].state().items() if not np.isfinite(array).all()]
            if bad:
                return f"layer {i}, {net[i]!r}: its {bad[0]} holds NaN or infinity", slower
            weights = max((np.abs(array).max() for array in net[i].parameters().values()), default=0)
            reached = f"its output overflows, with {'x' if i == 0 else 'an input'} of up to {np.abs(a).max():.3g}"
            reached += f" and weights of up to {weights:.3g}" if weights else ""
            large_x = i == 0 and np.abs(a).max() > max(weights, 1e6)
            return f"layer {i}, {net[i]!r}: {reached}", "scale x, to mean 0 and spread 1" if large_x else slower
    return (
        f"the loss itself: every output is finite, the largest is {np.abs(activations[-1]).max():.3g}, "
        f"and {loss!r} of it overflows",
        "scale x and y" if lr is None else f"{slower}, or scale x and y",
    )


@quiet
def constant_loss(loss: Loss, y: np.ndarray, shape: tuple[int, ...]) -> float:
    """The loss of the best output that is the same everywhere: the entropy of the targets, or their variance.

    shape is that of the output for y, (N, ..., K). For a loss of one's own the better of the targets' mean and zeros.
    """
    everywhere = tuple(range(y.ndim - 1))  # all samples, all positions
    if type(loss) is CrossEntropyLoss:
        shares = y.mean(axis=everywhere, dtype=np.float64) if y.dtype.kind == "f" else np.bincount(y.ravel()) / y.size
        return float(_entropy(shares).sum())
    if type(loss) in (BCELoss, BCEWithLogitsLoss):
        shares = y.mean(axis=everywhere, dtype=np.float64)
        return float((_entropy(shares) + _entropy(1 - shares)).mean())
    if type(loss) is MSELoss:
        return float(y.var(axis=everywhere, dtype=np.float64).mean())
    guesses = [np.zeros(shape, y.dtype if y.dtype.kind == "f" else np.float64)]
    if y.shape == shape:
        guesses.append(np.broadcast_to(y.mean(axis=everywhere), y.shape).copy())
    return min(loss(guess, y) for guess in guesses)


def _entropy(p: np.ndarray) -> np.ndarray:
    """-p log p, and 0 for p = 0."""
    return -p * np.log(np.where(p > 0, p, 1))


def warn_if_failed(run: Run, resumed: bool) -> None:
    """One RuntimeWarning where the loss rose, or after 100 steps and more is no better than a constant output's.

    A rise is said where it is larger than the best constant output explains: than that loss, and than the loss at the
    beginning. resumed: did the run begin before this call of fit?
    """
    try:
        text = _rise(run, resumed) or _stuck(run)
    except Exception:  # a net or a loss of one's own that cannot do what only this question asks of it
        return
    if text:
        warnings.warn(text, RuntimeWarning, stacklevel=3)  # the line that calls fit


@quiet
def _rise(run: Run, resumed: bool) -> str:
    """What is to be said of a loss that rose; "" where it did not."""
    net, loss, history, rows = run.net, run.loss, run.history, slice(None, None, -(-len(run.x) // ROWS))
    known, x, y = type(loss) in KNOWN, run.x[rows], run.y[rows]
    constant = constant_loss(loss, run.y, ()) if known else constant_loss(loss, y, output_shape(net, x))
    if not history.loss[-1] > 1.1 * constant:
        return ""
    before = copy.deepcopy(net)
    for name, array in before.state().items():
        array[...] = run.start[f"net.{name}"]
    first, last = _outputs(before.eval(), x), _outputs(net, x)
    begin, end = history.loss[0] if resumed else loss(first[-1], y), loss(last[-1], y)
    # Dropout and BatchNorm may disturb one of the two ends, not both.
    if not min(history.loss[-1], end) - begin > max(begin, constant):
        return ""
    sizes = [(_size(a), _size(b)) for a, b in zip(first, last, strict=True)]
    grown = next((i for i, (a, b) in enumerate(sizes) if b > 2 * a), None)
    where = ""
    if grown is not None:
        where = f", and the first layer whose output grew is layer {grown}, {net[grown]!r}"
        where += ", from {:.3g} to {:.3g} (root mean square)".format(*sizes[grown])
    return (
        f"training diverged: the loss rose from {begin:.4g} to {end:.4g} after the last step, where the best constant "
        "output has "
        f"{constant:.4g}. The largest output is {np.abs(last[-1]).max():.3g}{where}. "
        f"Try a smaller lr than {run.opt.lr:g}; {HINT}"
    )


@quiet
def _stuck(run: Run) -> str:
    """What is to be said of a net that learned nothing; "" where it did, or where nobody can know."""
    loss, history, rows = run.loss, run.history.loss, slice(None, None, -(-len(run.x) // ROWS))
    steps = len(history) * -(-len(run.x) // run.batch_size)
    if type(loss) not in KNOWN or steps < FEWEST_STEPS:
        return ""
    if len(history) > 1 and history[-1] < LEARNED * history[(len(history) - 1) // 2]:
        return ""  # it is on its way
    constant = constant_loss(loss, run.y, ())
    size = 1.0 if run.y.dtype.kind == "i" else float(np.square(run.y, dtype=np.float64).mean())
    if not history[-1] > LEARNED * constant > 1e-9 * size:  # targets that never vary leave a variance of rounding
        return ""
    end = loss(_outputs(run.net, run.x[rows])[-1], run.y[rows])  # without Dropout's noise
    if not end > LEARNED * constant_loss(loss, run.y[rows], ()):
        return ""
    return (
        f"nothing was learned: after {steps} steps with lr {run.opt.lr:g} the loss is {history[-1]:.4g}, and the best "
        f"output that is the same everywhere has {constant:.4g}; {HINT}"
    )


def warn_if_sorted(loss: Loss, y: np.ndarray) -> None:
    """One RuntimeWarning where samples that stay in their order are sorted by class: each batch then holds one alone.

    Sorted: from one sample to the next the class changes less than a twentieth as often as by chance. Of fewer than
    some forty samples that cannot be told, and is not said.
    """
    if y.dtype.kind == "i":
        classes = y
    elif loss.of_classes and y.ndim == 2:
        classes = y.argmax(axis=1) if y.shape[1] > 1 else (y[:, 0] > 0.5).astype(np.int64)
    else:
        return
    if classes.ndim != 1:
        return
    chance = 1 - np.square(np.bincount(classes) / len(classes)).sum()
    changes = (classes[1:] != classes[:-1]).mean()
    if changes < 0.05 * chance:
        warnings.warn(
            "the samples are sorted by class and shuffle=False keeps them so: each batch teaches one class alone; use "
            "shuffle=True",
            RuntimeWarning,
            stacklevel=3,
        )


def _size(a: np.ndarray) -> float:
    """The root of the mean square."""
    return math.sqrt(np.square(a, dtype=np.float64).mean())


def _outputs(net: Sequential, x: np.ndarray) -> list[np.ndarray]:
    """The output of each top-level layer."""
    found = []
    for layer in net:
        x = layer.forward(x)[0]
        found.append(x)
    return found
