"""The pass and the step of the second scene as a Python script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .step_pass import LAYERS, NETS, shape

TEMPLATE = '''\
"""One step of a small net, as the playground of minigrad showed it: the same numbers to the last bit."""

import copy

import numpy as np
from numpy import inf, nan

import minigrad as mg

net = mg.mlp({sizes}, {activation!r}, "zeros")
{weights}
x = np.array({x})
y = np.array({y})

bp = mg.backprop(net, mg.MSELoss(), x, y)
after = copy.deepcopy(net)
mg.SGD({lr!r}).step(after, bp)


def show(name, array):
    for place, value in np.ndenumerate(array):
        print(".".join([name, *map(str, place)]), float(value))


n = {n}  # the sample that is shown
show("x", x[n])
show("y", y[n])
show("z.0", bp.activations[1][n])
show("a.0", bp.activations[2][n])
show("z.2", bp.activations[3][n])
for layer in (0, 2):
    g = bp.gradients[str(layer)]
    show(f"delta.{{layer}}", g.delta[n])
    show(f"g.{{layer}}", g.weight)
    show(f"gb.{{layer}}", g.bias)
    show(f"w.{{layer}}", {shown}[layer].weight)
    show(f"b.{{layer}}", {shown}[layer].bias)
print("loss", bp.loss)
print("loss-after", mg.backprop(after, mg.MSELoss(), x, y).loss)
print("steps", {steps})
'''


def script(state: Mapping[str, Any], updated: bool) -> str:
    """The script of a state of the scene; updated: its last phase, in which the weights are the new ones."""
    lines = []
    for layer in LAYERS:
        K, J = shape(state["net"], layer)
        weight = [[state[f"w.{layer}.{k}.{j}"] for j in range(J)] for k in range(K)]
        lines.append(f"net[{layer}].weight[...] = {weight}")
        lines.append(f"net[{layer}].bias[...] = {[state[f'b.{layer}.{k}'] for k in range(K)]}")
    N, sizes = state["samples"], NETS[state["net"]]
    return TEMPLATE.format(
        sizes=list(sizes),
        activation=state["activation"],
        weights="\n".join(lines),
        x=[[state[f"x.{n}.{j}"] for j in range(2)] for n in range(N)],
        y=[[state[f"y.{n}.{k}"] for k in range(sizes[2])] for n in range(N)],
        lr=state["lr"],
        n=state["sample"] - 1,
        shown="after" if updated else "net",
        steps=state["steps"] + updated,
    )
