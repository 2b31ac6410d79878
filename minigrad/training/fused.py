"""Turns a net into the flat list of operations that the compiled core trains an epoch of in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels.backend import core
from ..layers.activations import ACTIVATIONS, Sigmoid
from ..layers.containers import Residual, Sequential
from ..layers.linear import Linear
from ..losses import LOSSES, BCELoss, CrossEntropyLoss, Loss
from .optimizers import OPTIMIZERS, Optimizer, Slots


def obstacle(net: Sequential, loss: Loss, opt: Optimizer) -> str | None:
    """Why the fused epoch cannot train this, in words; None where it can."""
    if not hasattr(core, "Program"):
        return "the compiled core is not in use (see minigrad.show_config())"
    if LOSSES.get(getattr(loss, "kind", "")) is not type(loss):
        return f"{loss!r} is not one of minigrad's own losses"
    if OPTIMIZERS.get(getattr(opt, "kind", "")) is not type(opt):
        return f"{opt!r} is not one of minigrad's own optimizers"
    if type(loss) is BCELoss and type(net[-1]) is not Sigmoid:
        return "BCELoss checks its input, unless the last layer is a Sigmoid"
    weights: list[np.ndarray] = []
    if strange := _strange_layer(net, weights):
        return strange
    if len({array.dtype for array in weights}) != 1:
        return "the net has no parameters, or parameters of two float types"
    if len(set(map(id, weights))) < len(weights):
        return "a layer is used twice: its weights would be updated before the layers below have seen their delta"
    return None


def _strange_layer(net: Sequential, weights: list[np.ndarray]) -> str | None:
    """What the fused epoch cannot train, in words; the arrays that it can are added to weights."""
    for layer in net:
        if type(layer) is Linear:
            weights += [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
        elif type(layer) in (Sequential, Residual):
            if inner := _strange_layer(layer, weights):
                return inner
        elif ACTIVATIONS.get(getattr(layer, "kind", "")) is not type(layer):
            return f"{layer!r} is not a Linear or activation layer"
    return None


def lower(net: Sequential, slots: dict[str, Slots], path: str = "", ops: list[Any] | None = None) -> list[Any]:
    """The operations of net, with the arrays that the optimiser keeps for each parameter; see core.Program."""
    ops = [] if ops is None else ops
    for i, layer in enumerate(net):
        name = f"{path}{i}."
        if isinstance(layer, Linear):
            kept = (slots.get(f"{name}{kind}", ()) for kind in layer.parameter_names)
            ops.append(("linear", layer.weight, layer.bias, *kept))
        elif isinstance(layer, Residual):
            fork = len(ops)
            ops.append(None)  # its partner is not known yet
            lower(layer, slots, name, ops)
            ops[fork] = ("fork", len(ops))
            ops.append(("join", fork))
        elif isinstance(layer, Sequential):
            lower(layer, slots, name, ops)
        else:
            ops.append((layer.kind, layer.alpha))
    return ops


def kernel_of(loss: Any, y: np.ndarray) -> str:
    """The name of the kernel of one of minigrad's own losses for these targets."""
    return str(loss.soft_kind if type(loss) is CrossEntropyLoss and y.dtype.kind == "f" else loss.kind)


def compiled_epochs() -> Callable[..., tuple[np.ndarray, np.ndarray, int, bool]]:
    """A function that runs epochs in the compiled core; it compiles the net at its first call.

    It is for one run, in which no array of the net or of the optimizer is replaced by another.
    """
    program: Any = None

    def train_epochs(
        net: Sequential, loss: Any, opt: Optimizer, x: np.ndarray, y: np.ndarray, orders: np.ndarray, batch_size: int
    ) -> tuple[np.ndarray, np.ndarray, int, bool]:
        """One epoch for each row of orders -> (sums of the batch losses, right answers, steps taken, all finite?).

        No further ones after the first that is not finite.

        opt must have adopted net, so that it keeps arrays for every parameter.
        """
        nonlocal program
        if program is None:
            ops, threshold = lower(net, opt.state), loss.threshold or 0.0
            program = core.Program(ops, kernel_of(loss, y), loss.alpha, threshold, opt.kind, x, batch_size)
        total, right, steps, finite = program.run(x, y, orders, opt.rates, opt.steps)
        opt.steps += steps
        return total, right, steps, finite

    return train_epochs
