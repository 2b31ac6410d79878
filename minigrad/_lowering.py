"""Turns a net into the flat list of operations that the compiled core trains an epoch of in one call."""

import numpy as np

from ._backend import core
from .activations import ACTIVATIONS, Sigmoid
from .layers import Linear
from .losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from .networks import Residual, Sequential, first_names
from .optimizers import SGD, Adam, AdamW, RMSprop

LOSSES = {MSELoss: "mse", BCELoss: "bce", BCEWithLogitsLoss: "bce_with_logits", CrossEntropyLoss: "cross_entropy"}
KERNELS = {SGD: "SGD", RMSprop: "RMSprop", Adam: "Adam", AdamW: "AdamW"}


def obstacle(net, loss, opt):
    """Why the fused epoch cannot train this, in words; None where it can."""
    if not hasattr(core, "train_epoch"):
        return "the compiled core is not in use (see minigrad.show_config())"
    if type(loss) not in LOSSES:
        return f"{loss!r} is not one of minigrad's own losses"
    if type(opt) not in KERNELS:
        return f"{opt!r} is not one of minigrad's own optimizers"
    if type(loss) is BCELoss and type(net[-1]) is not Sigmoid:
        return "BCELoss checks its input, unless the last layer is a Sigmoid"
    parameters = net.parameters()
    if len({array.dtype for array in parameters.values()}) != 1:
        return "the net has no parameters, or parameters of two float types"
    if first_names(net):
        return "a layer is used twice: its weights would be updated before the layers below have seen their delta"
    return _strange_layer(net)


def _strange_layer(net):
    for layer in net:
        if type(layer) in (Sequential, Residual):
            if inner := _strange_layer(layer):
                return inner
        elif type(layer) is not Linear and type(layer) not in ACTIVATIONS.values():
            return f"{layer!r} is not a Linear or activation layer"
    return None


def lower(net, slots, path="", ops=None):
    """The operations of net, with the arrays that the optimiser keeps for each parameter; see core.train_epoch."""
    ops = [] if ops is None else ops
    for i, layer in enumerate(net):
        name = f"{path}{i}."
        if isinstance(layer, Linear):
            kept = (slots.get(name + kind, ()) for kind in ("weight", "bias"))
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


def train_epoch(net, loss, opt, x, y, order, batch_size):
    """One epoch in the compiled core -> (sum of the batch losses, right answers, steps taken, all finite?)."""
    kind = "soft_cross_entropy" if type(loss) is CrossEntropyLoss and y.ndim == 2 else LOSSES[type(loss)]
    ops = lower(net, opt.adopt(net, net.parameters()))
    total, right, steps, finite = core.train_epoch(
        ops, kind, loss.threshold or 0.0, KERNELS[type(opt)], opt.rates, opt.steps, x, y,
        np.ascontiguousarray(order), batch_size,
    )
    opt.steps += steps
    return total, right, steps, finite
