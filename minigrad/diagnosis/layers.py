"""What goes on in each layer with a weight, beside what the theory of wide random nets says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._checks import quiet
from ..diagnostics import attenuation, coherence, mean_field_norms
from ..layers.dropout import Dropout
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
    expected, behind = mean_field_norms(c.net, c.bp), _behind(c)
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
