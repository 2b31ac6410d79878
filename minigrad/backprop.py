"""Backpropagation that keeps what it finds: delta at every layer, and each weight gradient as the pair (delta, a).

    a_0 = x, a_{i+1} = layer_i(a_i)         forward: keep every a
    delta_last = d c_n / d output            from the loss
    delta_i = layer_i.backward(delta_{i+1})  the chain rule, once per layer
    dC/dW = delta.T @ a / N                  WeightGradient in gradient.py, from the two factors kept here

Index legend: n sample (N), k output (K), j input (J); "...": positions, none in an MLP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _notebook as notebook
from ._checks import as_batch, instance
from .gradient import WeightGradient, joined
from .kernels.backend import core
from .layers.base import Gradients, Layer
from .layers.containers import Sequential, first_names, in_a_row
from .layers.linear import Linear
from .losses import Loss


@dataclass(eq=False)
class Backprop:
    """What one forward and backward pass found. Gradients are returned, never stored in the net: nothing to zero.

    loss         float, mean over the samples
    output       (N, ..., K)
    activations  [x, output of layer 0, output of layer 1, ...], top-level layers only
    deltas       of the same length: deltas[i][n] = d c_n / d activations[i][n] (below a BatchNorm, which couples the
                 samples, N dC / d activations[i][n]); deltas[0] is computed when deltas is first asked for
    gradients    {layer path: WeightGradient}, in forward order: "0", "2", "3.0", ...; of a weight that is used several
                 times one pair, under its first path, in which the uses are joined along the positions
    """

    loss: float
    activations: list[np.ndarray]
    gradients: dict[str, WeightGradient]
    _deltas: list[np.ndarray | None] = field(repr=False)
    _arrays: Gradients = field(repr=False)
    _first_weight: np.ndarray | None = field(repr=False, default=None)

    @property
    def output(self) -> np.ndarray:
        return self.activations[-1]

    @property
    def deltas(self) -> list[np.ndarray]:
        if self._deltas[0] is None:
            self._deltas[0] = core.propagate(self._deltas[1], self._first_weight)  # type: ignore[arg-type]
        return self._deltas  # type: ignore[return-value]

    def parameter_gradients(self) -> dict[str, np.ndarray]:
        """{parameter name: dC/dparameter}, arrays shaped like the parameters, in forward order.

        The gradients of a weight that is used several times add up, under its first name.
        """
        return {name: _as_array(g) for name, g in self._arrays.items()}

    def _repr_html_(self) -> str:
        """What a notebook shows: the sizes of each pair, and its gradient."""
        return notebook.passes(self)


def backprop(net: Sequential, loss: Loss, x: Any, y: Any) -> Backprop:
    """One forward and one backward pass of a Sequential. x (N, ..., J), y as the loss wants it -> Backprop.

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
        deltas: list[np.ndarray | None] = [delta]
        found, first_weight = [], None
        for i in reversed(range(len(net.layers))):
            layer = net.layers[i]
            if i == 0 and _is_plain(layer):  # nobody below needs this delta: leave it until it is asked for
                gradients, first_weight = layer.gradients(delta, saved[0]), layer.weight.copy()
                deltas.append(None)
            else:
                delta, gradients = layer.backward(delta, saved[i])
                deltas.append(delta)
            found.append((f"{i}.", gradients))
        uses = [(path + name, g) for path, gradients in reversed(found) for name, g in gradients.items()]
        arrays = _by_first_name(uses, net)
    pairs = {name.removesuffix(".weight"): g for name, g in arrays.items() if isinstance(g, WeightGradient)}
    return Backprop(value, activations, pairs, deltas[::-1], arrays, first_weight)


def _by_first_name(uses: list[tuple[str, Any]], net: Sequential) -> Gradients:
    """The gradients of each parameter of net from those of its uses: pairs are joined, arrays added."""
    if len({id(array) for layer in net.layers for array in layer.parameters().values()}) == len(uses):
        return dict(uses)  # none is used twice
    found: Gradients = {}
    first = first_names(net)
    for name, g in uses:
        name = first.get(name, name)
        before = found.get(name)
        if before is None:
            found[name] = g
        elif isinstance(g, WeightGradient) and isinstance(before, WeightGradient) and len(g.delta) == len(before.delta):
            found[name] = joined(before, g)
        else:
            found[name] = _as_array(before) + _as_array(g)
    return found


def _as_array(g: Any) -> np.ndarray:
    return g.weight if isinstance(g, WeightGradient) else g


def _is_plain(layer: Layer) -> bool:
    """True for a Linear whose forward and backward are Linear's own, not those of a class derived from it."""
    cls = type(layer)
    return isinstance(layer, Linear) and (cls.forward, cls.backward) == (Linear.forward, Linear.backward)
