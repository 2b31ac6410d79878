"""Trains small nets of one shape side by side in the lanes of the compiled core, each to its own bits."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Event
from typing import Any, NamedTuple

import numpy as np

from ..kernels.backend import core
from .fit import share
from .fused import kernel_of, lower
from .optimizers import Optimizer
from .orders import draw, epochs_at_once, size
from .run import Run

MOST_SAMPLES = 2**24  # orders of more of them would fill the memory
MOST_ROWS = 512  # of a batch: more of them the products add in another order
MOST_WEIGHTS = 400  # of a net: the lanes of larger ones leave the first caches, and one net at a time is faster
FEW = 3  # nets that take about as long one by one as in lanes; one more for each 32 weights
SHARE = 2**13  # samples times weights of which all lanes take as long as Python takes to validate one net


class Stopped(Exception):
    """Raised in a thread whose work nobody wants any more."""


class Kept(NamedTuple):
    """Nets side by side, as after an epoch."""

    epoch: int
    weights: np.ndarray  # (P, lane)
    slots: np.ndarray  # (S, P, lane)
    rest: list[tuple[int, float | None, dict[str, Any]]]  # steps and lr of each optimizer, the state of each generator


def outline(net: Any) -> tuple[tuple[Any, ...], ...]:
    """The operations of a net that the fused epoch can train; of the weights, only their shapes."""
    return tuple(
        ("linear", op[1].shape[1], op[1].shape[0], op[2] is not None) if op[0] == "linear" else op
        for op in lower(net, {})
    )


def why_alone(run: Run) -> str | None:
    """Why a net that the fused epoch can train cannot stand beside others, in words; None where it can."""
    if not hasattr(core, "Lanes"):
        return "the compiled core is of an older build"
    if run.x.ndim > 2:
        return "x has positions"
    N, batch = len(run.x), min(run.batch_size, len(run.x))
    if N > MOST_SAMPLES:
        return f"the orders of {N} samples would take more than a gigabyte"
    if batch > MOST_ROWS:
        return f"a batch of {batch} samples is more than {MOST_ROWS}"
    if size(run.net) > MOST_WEIGHTS:
        return f"for nets of more than {MOST_WEIGHTS} weights, as its {size(run.net)}, one at a time is faster"
    rows = {batch, N % batch or batch, len(run.validation[0]) if run.validation else batch}
    for op in outline(run.net):
        for R in rows:
            if op[0] == "linear" and not core.term_by_term(R, op[1], op[2], run.x.dtype == np.float32):
                return f"the sums of {R} samples times weights of {op[2]} x {op[1]} are not taken term by term"
    return None


def least(run: Run) -> int:
    """How many nets of its kind are trained faster in lanes than one after the other.

    One after the other, Python has the validation: of short epochs, that takes longer than all lanes do.
    """
    weights = size(run.net)
    some = min(core.LANES // 2, FEW + weights // 32)
    return some if run.validation is None else min(some, -(-len(run.x) * weights // SHARE))


def kind(net: Any, opt: Optimizer) -> Hashable:
    """What nets that the fused epoch can train must have in common to stand side by side."""
    return outline(net), net.dtype, opt.kind, len(opt.slots), getattr(opt, "nesterov", False)


def train_side_by_side(runs: list[Run], epochs: int, stop: Event) -> list[Run]:
    """Train nets of one kind -> those that did not stay finite, as before the epochs in which that was found.

    Whatever ends this early, each net is left as after a whole epoch.
    """
    first = runs[0]
    program = core.Lanes(
        outline(first.net),
        kernel_of(first.loss, first.y),
        first.loss.alpha,
        first.loss.threshold or 0.0,
        first.opt.kind,
        first.x,
        first.y,
        min(first.batch_size, len(first.x)),
        first.validation,
    )
    for run in runs:
        run.opt.adopt(run.net)
    arrays = [_arrays(run) for run in runs]
    weights, *parts = [_beside([entry[i] for entry in arrays]) for i in range(1 + len(first.opt.slots))]
    slots = np.array(parts, weights.dtype).reshape(-1, *weights.shape)
    N, live, failed, done = len(first.x), list(range(len(runs))), [], 0
    most = 1 if any(run.opt.scheduled for run in runs) else min(epochs_at_once(N, first.net), epochs)
    orders = np.zeros((most, core.LANES, N), np.uint32) if first.shuffle else None
    try:
        while live and done < epochs:
            before = Kept(done, weights.copy(), slots.copy(), [_rest(run) for run in runs])
            if stop.is_set():
                raise Stopped
            count = min(most, epochs - done)
            chosen, rates, steps = _settings(runs, live, orders, count, done + 1)
            loss, right, finite = program.run(weights, slots, chosen, count, rates, steps)
            for i in [i for i in live if not finite[i]]:
                live.remove(i)
                failed.append(runs[i])
                _put_back(runs[i], arrays[i], before, i)
            for i in live:
                runs[i].opt.steps += count * -(-N // first.batch_size)
                _record(runs[i], loss[:, :, i], right[:, :, i])
            done += count
        for i in live:
            _put(arrays[i], weights, slots, i)
    except BaseException:
        for i in live:
            _put_back(runs[i], arrays[i], before, i)
        raise
    finally:
        for i in live:
            runs[i].opt.end_fit()
            if runs[i].history.loss:
                runs[i].net.eval()
    return failed


def _settings(
    runs: list[Run], live: list[int], orders: np.ndarray | None, count: int, number: int
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Of some epochs, the first of which has this number: orders, rates and steps of each lane, for program.run."""
    rates, steps = np.ones((len(runs[0].opt.rates), core.LANES)), np.zeros(core.LANES, np.int64)
    for i in live:
        runs[i].opt.begin_epoch(number)
        rates[:, i], steps[i] = runs[i].opt.rates, runs[i].opt.steps
        if orders is not None:
            draw(orders[:count, i], runs[i].rng)
    for i in set(range(core.LANES)).difference(live):  # lanes whose results nobody wants
        rates[:, i] = rates[:, live[0]]
    return None if orders is None else orders[:count], rates, steps


def _arrays(run: Run) -> list[list[np.ndarray]]:
    """[all parameters in the order of outline, the first slot of each, the second]."""
    found: list[list[np.ndarray]] = [[] for _ in range(1 + len(run.opt.slots))]
    for op in lower(run.net, run.opt.state):
        if op[0] == "linear":
            for parameter, slots in ((op[1], op[3]), (op[2], op[4])):
                for entry, array in zip(found, (parameter, *slots), strict=True) if parameter is not None else ():
                    entry.append(array)
    return found


def _beside(nets: list[list[np.ndarray]]) -> np.ndarray:
    """(P, lane): all numbers of each net in a column; lanes without a net get those of the first."""
    rows = [np.concatenate([array.ravel() for array in arrays]) for arrays in nets]
    return np.ascontiguousarray(np.array(rows + rows[:1] * (core.LANES - len(rows))).T)


def _rest(run: Run) -> tuple[int, float | None, dict[str, Any]]:
    return run.opt.steps, run.opt.lr, run.rng.bit_generator.state  # type: ignore[return-value]


def _put(arrays: list[list[np.ndarray]], weights: np.ndarray, slots: np.ndarray, lane: int) -> None:
    """Give a net and its optimizer the numbers of their lane."""
    for parts, stack in zip(arrays, (weights, *slots), strict=True):
        begin, numbers = 0, stack[:, lane]
        for array in parts:
            array[...] = numbers[begin : begin + array.size].reshape(array.shape)
            begin += array.size


def _put_back(run: Run, arrays: list[list[np.ndarray]], kept: Kept, lane: int) -> None:
    """Make a net, and all that changed with it, what it was."""
    _put(arrays, kept.weights, kept.slots, lane)
    steps, lr, state = kept.rest[lane]
    run.opt.put_back(steps, lr, run.opt.state)
    run.rng.bit_generator.state = state
    for values in run.history.entries().values():
        del values[kept.epoch :]


def _record(run: Run, loss: np.ndarray, right: np.ndarray) -> None:
    """Add epochs to a History: loss (epochs, 2) is the sum of the batch losses, and the validation loss."""
    history = run.history
    history.loss += (loss[:, 0] / -(-len(run.x) // run.batch_size)).tolist()
    if run.loss.of_classes:
        history.accuracy += share(run.loss, right[:, 0], run.y).tolist()
    if run.validation is not None:
        history.val_loss += loss[:, 1].tolist()
        if run.loss.of_classes:
            history.val_accuracy += share(run.loss, right[:, 1], run.validation[1]).tolist()
