"""What goes on in each layer with a weight, beside what the theory of wide random nets says of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import quiet
from ..diagnostics import attenuation, coherence, mean_field_rate
from ..layers.activations import Activation, activation
from ..layers.containers import Residual
from ..layers.dropout import Dropout
from ..layers.parameters import tree
from .context import Context
from .setup import leaves


@dataclass(frozen=True)
class LayerNumbers:
    """One layer with a weight, at the start.

    path       as in bp.gradients; layer is its repr
    delta      the root of the mean of |delta_n|^2 over the samples
    expected   what the mean field makes of the last layer's delta on the way down; None where it says nothing
    saturated  the share of the entries of the activation behind it whose slope is below a fiftieth of the steepest;
               None where none follows
    dead       the share of its units whose delta is 0 on every sample
    coherence  |E a|^2 / E |a|^2 of its inputs: 0 where they are centred, 1 where they never vary
    """

    path: str
    layer: str
    delta: float
    expected: float | None
    saturated: float | None
    dead: float
    coherence: float


@quiet
def layer_numbers(c: Context) -> list[LayerNumbers]:
    """Those of each layer with a weight, in forward order."""
    norms = attenuation(c.bp).norms
    expected, behind = _expected(c, float(norms[-1]) if len(norms) else 0.0), _behind(c)
    found = []
    for (path, g), norm in zip(c.pairs.items(), norms, strict=True):
        slopes = next((c.slopes[name] for name, _ in behind[path] if name in c.slopes), None)
        dead = float((g.rows()[0] == 0).all(axis=0).mean())
        saturated = None if slopes is None else float((slopes < 0.02).mean())
        layer = repr(c.layer_at(path))
        found.append(
            LayerNumbers(path, layer, float(norm), expected.get(path), saturated, dead, coherence(g.rows()[1]))
        )
    return found


def _behind(c: Context) -> dict[str, list[tuple[str, Any]]]:
    """The layers between each weight and the next, Dropout left out."""
    found: dict[str, list[tuple[str, Any]]] = {path: [] for path in c.pairs}
    last = None
    for path, layer in leaves(c.net):
        if path in found:
            last = path
        elif last is not None and not isinstance(layer, Dropout):
            found[last].append((path, layer))
    return found


def _expected(c: Context, norm: float) -> dict[str, float]:
    """|delta| of each weight by mean field, from the last one down, as far as a plain net goes.

    A step down multiplies E |delta|^2 by chi = gain^2 E[f'(sqrt(q) Z)^2], with gain^2 = J Var(W) of the weights above
    and the activation f between (Poole et al. 2016, Schoenholz et al. 2017; theorem D3).
    """
    paths, behind = list(c.pairs), _behind(c)
    if not paths or any(isinstance(layer, Residual) for _, layer in tree(c.net)):
        return {}
    found = {paths[-1]: norm}
    for lower, upper in zip(paths[-2::-1], paths[:0:-1], strict=True):
        between = [layer for _, layer in behind[lower]]
        weight = c.weight_of(upper)
        if len(between) > 1 or weight.ndim != 2 or not all(isinstance(layer, Activation) for layer in between):
            break
        bias = c.net.parameters().get(f"{lower}.bias")
        gain = math.sqrt(weight.shape[1] * float(np.square(weight, dtype=np.float64).mean()))
        if not 0 < gain < math.inf:
            break
        spread = 0.0 if bias is None else float(np.sqrt(np.square(bias, dtype=np.float64).mean()))
        rate = mean_field_rate(between[0] if between else activation("identity"), gain, spread)
        found[lower] = found[upper] * 10**rate.decades
    return found
