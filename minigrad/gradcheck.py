"""Checks backprop against the definition of the derivative: central differences, for any net and loss."""

import copy
import math

import numpy as np

from ._checks import as_batch, instance, quiet, real_number
from .backprop import backprop
from .layers import Dropout
from .networks import Sequential, walk


@quiet
def gradcheck(net, loss, x, y, *, eps=1e-6, tolerance=1e-5):
    """Compare every parameter's gradient, and dC/dx, with (C(w + eps) - C(w - eps)) / (2 eps).

    Returns {name: largest relative error} with the parameters' names and "x"; AssertionError, naming the worst entry,
    where one exceeds the tolerance. The error of an entry is |ours - numeric| / max(|ours|, |numeric|, 1e-4 (1 + |C|)),
    since differences of C carry rounding noise of about 1e-10 |C|.

    Works on a copy, so the net is not changed. Dropout draws the same mask each time. Kinks (ReLU at 0) within eps of
    some z give false alarms. float32 is checked in float64, since differences of float32 losses have no digits left.
    """
    eps = real_number(eps, "eps", 0, open_low=True)
    if not (isinstance(tolerance, float) and tolerance == math.inf):  # which asks for the errors alone
        tolerance = real_number(tolerance, "tolerance", 0)
    net = _in_float64(instance(net, Sequential, "net"))
    x = np.array(as_batch(x, "x", None, net.in_features), dtype=np.float64)
    masks = [(layer.rng, layer.rng.bit_generator.state) for _, layer in walk(net) if isinstance(layer, Dropout)]

    def run(function):
        for rng, state in masks:
            rng.bit_generator.state = state
        return function()

    bp = run(lambda: backprop(net, loss, x, y))
    gradients = bp.parameter_gradients()
    missing = [name for name in net.parameters() if name not in gradients]
    if missing:
        raise AssertionError(f"backprop found no gradient for {', '.join(missing)}")
    pairs = {name: (array, gradients[name]) for name, array in net.parameters().items()}
    pairs["x"] = (x, bp.deltas[0] / len(x))
    errors, worst = {}, (0.0, "")
    for name, (array, ours) in pairs.items():
        numeric = np.empty_like(array)
        for i in np.ndindex(array.shape):
            old = array[i]
            array[i] = old + eps
            above = run(lambda: loss(net.forward(x)[0], y))
            array[i] = old - eps
            numeric[i] = (above - run(lambda: loss(net.forward(x)[0], y))) / (2 * eps)
            array[i] = old
        scale = np.maximum(np.maximum(abs(ours), abs(numeric)), 1e-4 * (1 + abs(bp.loss)))
        error = abs(ours - numeric) / scale
        error[np.isnan(error)] = np.inf  # NaN is as wrong as can be, and must not hide behind a later entry
        errors[name] = float(error.max(initial=0))
        if errors[name] > worst[0]:
            i = np.unravel_index(int(np.argmax(error)), error.shape)
            where = f"{name}[{', '.join(map(str, i))}]: backprop {ours[i]:.10g}, central difference {numeric[i]:.10g}"
            worst = (errors[name], where)
    if worst[0] > tolerance:
        raise AssertionError(f"the gradient is wrong, worst at {worst[1]} (relative error {worst[0]:.2g})")
    return errors


def _in_float64(net):
    """A copy whose parameters and buffers are float64, in the same mode."""
    net = copy.deepcopy(net)
    for _, layer in walk(net):
        for name in (*layer.parameter_names, *layer.buffer_names):
            if getattr(layer, name) is not None:
                setattr(layer, name, getattr(layer, name).astype(np.float64))
    return net
