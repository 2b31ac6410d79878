"""Backpropagation that keeps what it finds: delta at every layer, and each weight gradient as the pair (delta, a).

a_0 = x, a_{i+1} = layer_i(a_i)         forward: keep every a
delta_last = d c_n / d output            from the loss
delta_i = layer_i.backward(delta_{i+1})  the chain rule, once per layer
dC/dW = delta.T @ a / N                  WeightGradient in gradient.py, from the two factors kept here
"""

from dataclasses import dataclass, field

import numpy as np

from ._checks import as_batch, instance
from .gradient import WeightGradient
from .kernels.backend import core
from .layers.containers import Sequential, first_names, in_a_row
from .layers.linear import Linear
from .losses import Loss


@dataclass(eq=False)
class Backprop:
    """What one forward and backward pass found. Gradients are returned, never stored in the net: nothing to zero.

    loss         float, mean over the samples
    output       (N, K)
    activations  [x, output of layer 0, output of layer 1, ...], top-level layers only
    deltas       of the same length: deltas[i][n] = d c_n / d activations[i][n] (below a BatchNorm, which couples the
                 samples, N dC / d activations[i][n]); deltas[0] is computed when deltas is first asked for
    gradients    {layer path: WeightGradient}, in forward order: "0", "2", "3.0", ...; one for each use of a weight
    """

    loss: float
    activations: list
    gradients: dict
    _deltas: list = field(repr=False)
    _arrays: dict = field(repr=False)
    _first_weight: object = field(repr=False, default=None)
    _net: Sequential | None = field(repr=False, default=None)

    @property
    def output(self):
        return self.activations[-1]

    @property
    def deltas(self):
        if self._deltas[0] is None:
            self._deltas[0] = core.propagate(self._deltas[1], self._first_weight)
        return self._deltas

    def parameter_gradients(self):
        """{parameter name: dC/dparameter}, arrays shaped like the parameters, in forward order.

        The gradients of a weight that is used twice add up, under its first name.
        """
        first: dict[str, str] = first_names(self._net) if self._net else {}
        total: dict[str, np.ndarray] = {}
        for name, g in self._arrays.items():
            array, name = g.weight if isinstance(g, WeightGradient) else g, first.get(name, name)
            total[name] = total[name] + array if name in total else array
        return total


def backprop(net, loss, x, y):
    """One forward and one backward pass of a Sequential. x (N, J), y as the loss wants it -> Backprop.

    The net's weights are not changed. ValueError or TypeError where x, y and net do not fit.
    """
    in_a_row(net, "net")
    instance(loss, Loss, "loss")
    x = as_batch(x, "x", net.dtype, net.in_features)
    if len(x) == 0:
        raise ValueError(f"x has shape {x.shape}: the mean loss of no samples is not defined")
    with np.errstate(all="ignore"):  # what overflows shows in what is returned
        activations, saved = [x], []
        for layer in net.layers:
            a, kept = layer.forward(activations[-1])
            activations.append(a)
            saved.append(kept)

        value, delta = loss.value_and_delta(activations[-1], y)
        deltas, found, first_weight = [delta], [], None
        for i in reversed(range(len(net.layers))):
            layer = net.layers[i]
            if i == 0 and _is_plain(layer):  # nobody below needs this delta: leave it until it is asked for
                delta, gradients, first_weight = None, layer.gradients(delta, saved[0]), layer.weight.copy()
            else:
                delta, gradients = layer.backward(delta, saved[i])
            deltas.append(delta)
            found.append((f"{i}.", gradients))

    arrays = {path + name: g for path, gradients in reversed(found) for name, g in gradients.items()}
    pairs = {name.removesuffix(".weight"): g for name, g in arrays.items() if isinstance(g, WeightGradient)}
    return Backprop(value, activations, pairs, deltas[::-1], arrays, first_weight, net)


def _is_plain(layer):
    """Is it a Linear whose forward and backward are those of Linear, not of a class derived from it?"""
    cls = type(layer)
    return isinstance(layer, Linear) and (cls.forward, cls.backward) == (Linear.forward, Linear.backward)
