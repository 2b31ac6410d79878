"""A small net, one forward and one backward pass of it, and the step that follows: the arithmetic of the second scene.

    z_0 = W_0 x + b_0,  a = f(z_0),  z_2 = W_2 a + b_2,  c = mean over k of (z_2k - y_k)^2
    delta_2 = dc/dz_2,  delta_0 = (W_2^T delta_2) f'(z_0),  dC/dW = mean over samples of delta a^T

All of it is done by mg.backprop. The names are those of the net: 0 and 2 are its Linear layers, w.2.k.j is the weight
from unit j to neuron k, counted from 0.

Index legend: n sample (N), k output (K), j input (J).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

import minigrad as mg

NETS = {"2-3-2": (2, 3, 2), "2-3-1": (2, 3, 1), "2-2-1": (2, 2, 1)}
ACTIVATIONS = ("sigmoid", "tanh", "relu")
LAYERS = (0, 2)
SAMPLES = 4
# As the scene opens; a smaller net takes the first rows and columns.
WEIGHTS = {0: ((0.4, -0.3), (0.8, 0.5), (-0.6, 0.9)), 2: ((0.7, -0.5, 0.6), (-0.4, 0.9, 0.3))}
BIASES = {0: (0.1, -0.2, 0.3), 2: (0.2, -0.1)}
INPUTS = ((0.5, 0.8), (0.9, 0.2), (0.3, 0.6), (0.7, 0.4))
TARGETS = ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0))


def shape(net: str, layer: int) -> tuple[int, int]:
    """(K, J) of one layer of a net that NETS names."""
    first = LAYERS.index(layer)
    return NETS[net][first + 1], NETS[net][first]


def opening(net: str) -> dict[str, float]:
    """{name: value} of all weights, biases, inputs and targets as they are at first."""
    found: dict[str, float] = {}
    for layer in LAYERS:
        K, J = shape(net, layer)
        found |= {f"w.{layer}.{k}.{j}": WEIGHTS[layer][k][j] for k in range(K) for j in range(J)}
        found |= {f"b.{layer}.{k}": BIASES[layer][k] for k in range(K)}
    for n in range(SAMPLES):
        found |= {f"x.{n}.{j}": INPUTS[n][j] for j in range(2)}
        found |= {f"y.{n}.{k}": TARGETS[n][k] for k in range(NETS[net][2])}
    return found


class Pass:
    """The forward and backward pass of a state: bp, and the net before and after the step that it leads to."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        sizes, N = NETS[state["net"]], state["samples"]
        self.net = mg.mlp(sizes, state["activation"], "zeros")
        for layer in LAYERS:
            K, J = shape(state["net"], layer)
            self.net[layer].weight[...] = [[state[f"w.{layer}.{k}.{j}"] for j in range(J)] for k in range(K)]
            self.net[layer].bias[...] = [state[f"b.{layer}.{k}"] for k in range(K)]
        self.x = np.array([[state[f"x.{n}.{j}"] for j in range(2)] for n in range(N)])
        self.y = np.array([[state[f"y.{n}.{k}"] for k in range(sizes[2])] for n in range(N)])
        self.bp = mg.backprop(self.net, mg.MSELoss(), self.x, self.y)
        self.after = copy.deepcopy(self.net)
        mg.SGD(state["lr"]).step(self.after, self.bp)
        self.loss_after = mg.backprop(self.after, mg.MSELoss(), self.x, self.y).loss

    def weights(self, after: bool) -> dict[str, float]:
        """w and b by name, before or after the step."""
        found: dict[str, float] = {}
        for layer in LAYERS:
            linear = (self.after if after else self.net)[layer]
            found |= named(f"w.{layer}", linear.weight) | named(f"b.{layer}", linear.bias)
        return found

    def sample(self, n: int) -> dict[str, float]:
        """x, y, z, a and delta of one sample, by name."""
        x, z, a, out = (activation[n] for activation in self.bp.activations)
        return {
            **named("x", x),
            **named("y", self.y[n]),
            **named("z.0", z),
            **named("a.0", a),
            **named("z.2", out),
            **named("delta.2", self.bp.gradients["2"].delta[n]),
            **named("delta.0", self.bp.gradients["0"].delta[n]),
        }

    def gradients(self) -> dict[str, float]:
        """g, the mean over the samples of delta a^T, and gb, that of delta, by name."""
        found: dict[str, float] = {}
        for layer in LAYERS:
            g = self.bp.gradients[str(layer)]
            found |= named(f"g.{layer}", g.weight) | named(f"gb.{layer}", g.bias)
        return found


def named(name: str, array: np.ndarray) -> dict[str, float]:
    """The entries of an array under their names: name.k.j."""
    return {".".join([name, *map(str, place)]): float(value) for place, value in np.ndenumerate(array)}
