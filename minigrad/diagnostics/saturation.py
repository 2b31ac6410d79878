"""Saturation: where the slopes of a net are nearly or exactly 0.

Index legend: n sample (N), p position (P), k neuron (K).
"""

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._checks import as_batch, instance, quiet, real_number
from ..backprop import Backprop
from ..layers.activations import Activation
from ..layers.base import Layer
from ..layers.containers import visits

# ---- slopes in a net -------------------------------------------------------------------------------------


class Saturation(NamedTuple):
    """Shares (0..1) of a layer's N P K entries: every neuron at every position of every sample.

    low     slope under the threshold at z <= 0
    high    slope under the threshold at z > 0
    zero    the slope that training multiplies with is exactly 0
    """

    low: float
    high: float
    zero: float


@quiet
def saturation(net: Layer | Backprop, x: ArrayLike | None = None, threshold: float = 0.01) -> dict[str, Saturation]:
    """How much of each activation layer is saturated on x (N, ..., J): {layer path: Saturation}, in forward order.

    net: a net; or what `bridges.torch.capture` returned, which needs no x.
    threshold: a slope f'(z); sigmoid' is under 0.01 beyond |z| = 4.585. low and high use the accurate
    slope(z), zero uses what backward multiplies with: for the sigmoid a (1 - a), which is 0 from z = 36.737
    on (16.636 in float32), while the negative tail lives to -745.13 (theorem D1). Works on a copy of net in
    net's mode: nothing is changed.
    """
    threshold = real_number(threshold, "threshold", 0, open_low=True)
    found = {}
    for path, layer, z in _activation_inputs(net, x):
        flat = layer.slope(z) < threshold
        low = flat & (z <= 0)
        found[path] = Saturation(*(float(part.mean()) for part in (low, flat & ~low, _trained_slope(layer, z) == 0)))
    return found


@quiet
def dead_units(net: Layer | Backprop, x: ArrayLike | None = None) -> dict[str, np.ndarray]:
    """Units whose slope in training is exactly 0 at every position of every sample of x (N, ..., J): {path: bool (K,)}.

    net: a net; or what `bridges.torch.capture` returned, which needs no x.
    The gradient of the weights and the bias into such a unit is exactly 0. In the first layer plain gradient
    descent on the same data leaves it so for ever, with weight decay too while lr * weight_decay <= 1; momentum,
    and weight decay inside Adam or RMSprop, can wake it (theorem D2). Nothing is changed.
    """
    return {
        path: (_trained_slope(layer, z) == 0).all(axis=tuple(range(z.ndim - 1)))
        for path, layer, z in _activation_inputs(net, x)
    }


def _trained_slope(layer: Layer, z: np.ndarray) -> np.ndarray:
    """f'(z) as training computes it."""
    slope: np.ndarray = layer.backward(np.ones_like(z), layer.forward(z)[1])[0]
    return slope


def _activation_inputs(net: Layer | Backprop, x: ArrayLike | None) -> Iterator[tuple[str, Any, np.ndarray]]:
    """(path, layer, z) of every activation layer, in forward order; of a net those that its containers lead to."""
    for path, layer, z in _visited(net, x):
        if np.isnan(z).any():
            raise ValueError(f"layer {path}, {layer!r}, gets NaN from this x: not to be judged")
        yield path, layer, z


def _visited(net: Layer | Backprop, x: ArrayLike | None) -> Iterator[tuple[str, Any, np.ndarray]]:
    """The same, of what a capture found or from a pass of a copy of net."""
    if isinstance(net, Backprop) and hasattr(net, "activation_inputs"):
        yield from net.activation_inputs()
        return
    net = instance(net, Layer, "net")
    batch = as_batch(x, "x", net.dtype, net.in_features)
    if len(batch) == 0:
        raise ValueError(f"x has shape {batch.shape}: there are no samples to look at")
    if 0 in batch.shape[1:-1]:
        raise ValueError(f"x has shape {batch.shape}: there are no positions to look at")
    for path, layer, z, _, _ in visits(copy.deepcopy(net), batch):  # a copy: BatchNorm and Dropout change
        if isinstance(layer, Activation):
            yield path, layer, z
