"""The run of the first scene as a Python script, line by line what `neuron_path.py` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEMPLATE = '''\
"""One neuron with two weights, as the playground of minigrad showed it: the same numbers to the last bit."""

import math

import numpy as np

import minigrad as mg
from minigrad import diagnostics as dg

u = np.random.default_rng(0).standard_normal((32, 2))  # a cloud with mean 0 and the identity as covariance
u -= u.mean(axis=0)
u = u @ np.linalg.inv(np.linalg.cholesky(u.T @ u / 32)).T
x = {mean!r} + {spread!r} * u
y = x @ np.array([{target-1!r}, {target-2!r}])[:, None]


def run(turn, flip):
    """The net, its inputs, its losses and its weights after every step; inputs and weights are turned together."""
    net = mg.Sequential(mg.Linear(2, 1, bias=False))
    net[0].weight[...] = [{start-1!r}, {start-2!r}]
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    net, inputs = dg.rotate(net, x, np.array([[c, -s], [s, c]]))
    if flip:
        net, inputs = dg.gauge_flip(net, inputs, [-1, 1])
    opt = {opt}
    weights, losses = [net[0].weight[0].copy()], [mg.backprop(net, mg.MSELoss(), inputs, y).loss]
    for t in range({steps}):
        rows = (t * {batch} + np.arange({batch})) % 32
        opt.step(net, mg.backprop(net, mg.MSELoss(), inputs[rows], y[rows]))
        weights.append(net[0].weight[0].copy())
        losses.append(mg.backprop(net, mg.MSELoss(), inputs, y).loss)
    return net, inputs, np.array(losses), np.array(weights)


np.seterr(all="ignore")  # a run that diverges leaves the floats
net, inputs, losses, weights = run({turn!r}, {flip!r})
g = mg.backprop(net, mg.MSELoss(), inputs, y).gradients["0"]
near = (np.abs(weights) < 1e140).all(axis=1)
points = weights if near.all() else weights[: np.argmin(near)]
updates = np.diff(points, axis=0)
moved = len(updates) > 0
single = (dg.single_signed_rows(updates) & ~dg.zero_rows(updates)).sum() if moved else 0
print("loss", float(losses[-1]))
print("first-loss", float(losses[0]))
print("steps", len(losses) - 1)
print("reversals", int(dg.ZigZag.of_weights(points).reversals[0]) if moved else 0)
print("single-signed", int(single))
print("orthant-pairs", dg.orthant_pairs(g) if np.isfinite(g.delta).all() else math.nan)
for name, value in {settings!r}.items():
    print(name, value)
print("lr-limit", float(2 / (2 * dg.spectrum(inputs)[0])))
print("difference-flipped", float(np.abs(losses - run({turn!r}, {unflip!r})[2]).max()))
print("difference-turned", float(np.abs(losses - run({other!r}, {flip!r})[2]).max()))
for j in range(2):
    print(f"w.0.0.{{j}}", float(weights[-1, j]))
    print(f"g.0.0.{{j}}", float(g.weight[0, j]))
'''


def script(state: Mapping[str, Any], other_turn: float) -> str:
    """The script of a state of the scene; other_turn: what a run that is not turned is compared with, in degrees."""
    opt = f"mg.SGD({state['lr']!r}, momentum={state['momentum']!r})"
    if state["optimizer"] == "adam":
        opt = f"mg.Adam({state['lr']!r})"
    made = {
        "opt": opt,
        "batch": 32 if state["batch"] == "all" else int(state["batch"]),
        "other": 0.0 if state["turn"] else other_turn,
        "unflip": not state["flip"],
        "settings": {name: state[name] for name in ("mean", "spread", "turn", "lr", "momentum")},
    }
    return TEMPLATE.format(**{**state, **made})
