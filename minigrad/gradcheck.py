"""Checks backprop against the definition of the derivative: central differences, for any net and loss."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ._checks import as_batch, instance, quiet, real_number
from .backprop import backprop
from .layers.containers import Sequential
from .layers.parameters import generators, tree
from .losses import Loss

T = TypeVar("T")
Arrays = dict[str, np.ndarray]
Repeat = Callable[[Callable[[], Any]], Any]  # calls a function with the same random numbers each time

SUSPECT = 1e-5  # an entry with a larger relative error is looked at for a kink
POINTS = 32  # around a kink: enough to see each z on both sides of it
TRIES = 4  # to get away from it: at each, another kink lies within eps in one of ten thousand cases


@quiet
def gradcheck(
    net: Sequential, loss: Loss, x: Any, y: Any, *, eps: float = 1e-6, tolerance: float = 1e-5
) -> dict[str, float]:
    """Compare every parameter's gradient, and dC/dx, with (C(w + eps) - C(w - eps)) / (2 eps).

    Returns {name: largest relative error} with the parameters' names and "x"; AssertionError, naming the worst entry,
    where one exceeds the tolerance. The error of an entry is |ours - numeric| / max(|ours|, |numeric|, 1e-4 (1 + |C|)),
    since differences of C carry rounding noise of about 1e-10 |C|.

    At a kink there is no derivative to compare with, as where x has a row of zeros, so that a ReLU gets z = 0. There
    backprop's own gradient jumps from point to point, a few eps around the given one. An entry whose error such a jump
    explains is compared on both sides of the kink instead, with x and all parameters moved by random numbers of a
    hundredth of their size, and by the opposite ones. It counts as right, with the error that it has there, where it is
    right on both sides.

    Works on a copy, so the net is not changed. Dropout draws the same mask each time. float32 is checked in float64,
    since differences of float32 losses have no digits left.
    """
    eps = real_number(eps, "eps", 0, open_low=True)
    if not (isinstance(tolerance, float) and tolerance == math.inf):  # which asks for the errors alone
        tolerance = real_number(tolerance, "tolerance", 0)
    net, run = repeatable(net)
    x = np.array(as_batch(x, "x", None, net.in_features), dtype=np.float64)
    ours, numeric, error = _compared(net, loss, x, y, eps, run)
    if any((entries > SUSPECT).any() for entries in error.values()):
        _look_beside(net, loss, x, y, eps, run, ours, numeric, error)
    errors = {name: float(entries.max(initial=0)) for name, entries in error.items()}
    worst = max(errors, key=lambda name: errors[name])
    if errors[worst] > tolerance:
        i = np.unravel_index(int(np.argmax(error[worst])), error[worst].shape)
        where = f"{worst}[{', '.join(map(str, i))}]"
        values = f"backprop {ours[worst][i]:.10g}, central difference {numeric[worst][i]:.10g}"
        raise AssertionError(f"the gradient is wrong, worst at {where}: {values} (relative error {errors[worst]:.2g})")
    return errors


def _gradients(net: Sequential, loss: Loss, x: np.ndarray, y: Any, run: Repeat) -> tuple[float, Arrays]:
    """(C, {name: dC/dparameter, and dC/dx as "x"}) by backprop."""
    bp = run(lambda: backprop(net, loss, x, y))
    gradients = bp.parameter_gradients()
    missing = [name for name in net.parameters() if name not in gradients]
    if missing:
        raise AssertionError(f"backprop found no gradient for {', '.join(missing)}")
    return bp.loss, {name: gradients[name] for name in net.parameters()} | {"x": bp.deltas[0] / len(x)}


def _compared(
    net: Sequential, loss: Loss, x: np.ndarray, y: Any, eps: float, run: Repeat, entries: Arrays | None = None
) -> tuple[Arrays, Arrays, Arrays]:
    """Three {name: array}: backprop's derivative, the difference quotient, their relative error; of the marked entries
    only, where there are marks.
    """
    value, ours = _gradients(net, loss, x, y, run)
    numeric, error = {}, {}
    for name, array in (net.parameters() | {"x": x}).items():
        numeric[name] = np.full(array.shape, np.nan)
        for i in np.ndindex(array.shape) if entries is None else zip(*np.nonzero(entries[name]), strict=True):
            old = array[i]
            array[i] = old + eps
            above = run(lambda: loss(net.forward(x)[0], y))
            array[i] = old - eps
            numeric[name][i] = (above - run(lambda: loss(net.forward(x)[0], y))) / (2 * eps)
            array[i] = old
        scale = np.maximum(np.maximum(abs(ours[name]), abs(numeric[name])), 1e-4 * (1 + abs(value)))
        error[name] = abs(ours[name] - numeric[name]) / scale
        error[name][np.isnan(error[name])] = np.inf  # as wrong as can be, and must not hide behind a later entry
    return ours, numeric, error


def _look_beside(
    net: Sequential,
    loss: Loss,
    x: np.ndarray,
    y: Any,
    eps: float,
    run: Repeat,
    ours: Arrays,
    numeric: Arrays,
    error: Arrays,
) -> None:
    """Replaces the error of each entry at a kink by the larger one of its two sides, where both are right."""
    arrays, rng = net.parameters() | {"x": x}, np.random.default_rng(0)
    given = {name: array.copy() for name, array in arrays.items()}

    def move(share: float, noise: Arrays) -> None:
        for name, array in arrays.items():
            array[...] = given[name] + share * (_size(given[name]) or 1) * noise[name]

    def drawn() -> Arrays:
        return {name: rng.standard_normal(array.shape) for name, array in arrays.items()}

    def gradients() -> Arrays:
        return _gradients(net, loss, x, y, run)[1]

    around = []
    for share in np.resize([4 * eps, -4 * eps], POINTS):
        move(share, drawn())
        around.append(gradients())
    move(0, drawn())
    left = {}
    for name, array in arrays.items():
        left[name] = error[name] > SUSPECT
        for i in zip(*np.nonzero(left[name]), strict=True):
            values = [point[name][i] for point in around]
            for side in (2 * eps, -2 * eps):
                array[i] = given[name][i] + side
                values.append(gradients()[name][i])
            array[i] = given[name][i]
            left[name][i] = np.ptp(values) > 0.1 * abs(ours[name][i] - numeric[name][i])
    for _ in range(TRIES):
        if not any(entries.any() for entries in left.values()):
            break
        noise, sides = drawn(), []
        try:
            for sign in (1, -1):
                move(0.01 * sign, noise)
                sides.append(_compared(net, loss, x, y, eps, run, left)[2])
        except ValueError:  # a loss need not take all outputs, as BCELoss does not
            continue
        for name, entries in left.items():
            beside = np.maximum(sides[0][name], sides[1][name])
            right = entries & (beside <= SUSPECT)
            error[name][right] = beside[right]
            entries &= ~right


def repeatable(net: Sequential) -> tuple[Sequential, Repeat]:
    """(copy of a Sequential in float64 and in the same mode, run): run(f) is f() with the same random numbers."""
    net = in_float64(instance(net, Sequential, "net"))
    states = [(rng, rng.bit_generator.state) for rng in generators(net)]

    def run(function: Callable[[], T]) -> T:
        for rng, state in states:
            rng.bit_generator.state = state
        return function()

    return net, run


def in_float64(net: Sequential) -> Sequential:
    """A copy whose parameters and buffers are float64, in the same mode."""
    net = copy.deepcopy(net)
    for _, layer in tree(net):
        for name in (*layer.parameter_names, *layer.buffer_names):
            if getattr(layer, name) is not None:
                setattr(layer, name, getattr(layer, name).astype(np.float64))
    return net


def _size(array: np.ndarray) -> float:
    """The root mean square of the entries; 0 where they overflow, which no difference survives anyway."""
    size = math.sqrt(np.square(array).mean()) if array.size else 0.0
    return size if math.isfinite(size) else 0.0
