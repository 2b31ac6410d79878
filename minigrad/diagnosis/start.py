"""Rules on the start: what the first weights make of the signal, forward and backward."""

from __future__ import annotations

import numpy as np

from .._checks import quiet
from ..layers.linear import Linear
from . import remedies as cure
from .context import Context
from .rules import Suspect, rule

REDRAW = (
    "net = mg.mlp(sizes, activation, init=init)  # he_normal for relu, tanh_equivalent for sigmoid, else glorot_normal"
)


@rule("symmetry", "Units with equal weights get equal gradients, and stay equal.")
def symmetry(c: Context) -> Suspect | None:
    worst, where = 0.0, None
    for path in c.hidden:
        w = c.weight_of(path)
        layer = c.layer_at(path)
        if w.ndim != 2 or len(w) < 2:
            continue
        bias = layer.bias if isinstance(layer, Linear) and layer.bias is not None else np.zeros(len(w))
        rows = np.column_stack([w, bias])
        share = 1 - (len(np.unique(rows, axis=0)) - 1) / (len(rows) - 1)
        if share > worst:
            worst, where = share, path
    if worst < 0.5:
        return None
    text = f"{worst:.0%} of the units of layer {where} have the same weights as another: they will always do the same."
    remedy = "Draw the weights at random."
    return Suspect(worst, (0, 0), text, remedy, cure.redraw_weights, REDRAW, where, certain=worst > 0.9)


@rule("dead_units", "A unit whose slope is 0 on every sample gets no gradient, and never wakes (theorem D2).")
def dead_units(c: Context) -> Suspect | None:
    worst, where = 0.0, None
    for path in c.pairs:
        delta, _ = c.pairs[path].rows()
        share = float((delta == 0).all(axis=0).mean())
        if share > worst:
            worst, where = share, path
    if worst < 0.8 or c.skill > 0.9:
        return None
    text = f"{worst:.0%} of the units of layer {where} get no error signal from any sample."
    remedy = "Draw the weights anew, at the size that the activation asks for, with biases of 0."
    return Suspect(worst, (0, 0.8), text, remedy, cure.redraw_weights, REDRAW, where)


@rule("saturation", "Beyond |z| of about 5 a sigmoid's slope is below a hundredth (theorem D1).")
def saturation(c: Context) -> Suspect | None:
    last = next(reversed(c.slopes), None) if c.tail else None
    found = {path: float((slope < 0.02).mean()) for path, slope in c.slopes.items()}
    worst = max(found, key=lambda path: found[path], default=None)
    if worst is None or found[worst] < 0.8 or c.skill > 0.9:
        return None
    text = f"{found[worst]:.0%} of the entries of layer {worst} are where its slope is nearly 0."
    remedy = "Standardise x, and draw the weights smaller, with biases of 0."
    if worst == last and len(found) > 1 and cure.last_linear(c.net)[0]:
        return Suspect(found[worst], (0, 0.8), text, remedy, cure.scale_last(0.01), _scaled(c, 0.01), worst)
    return Suspect(found[worst], (0, 0.8), text, remedy, cure.redraw_weights, REDRAW, worst)


@rule("vanishing", "Each layer multiplies |delta| by sqrt(chi) (mean field, theorem D3).")
def vanishing(c: Context) -> Suspect | None:
    if len(c.pairs) < 3 or not c.decades < -1.2 or c.skill > 0.9:
        return None
    text = f"delta loses {-c.decades:.2g} decades from the last layer to the first: the first layers hardly move."
    remedy = "Draw the weights so that delta keeps its size (init='tanh_equivalent' for sigmoid), or take tanh."
    code = "net = mg.mlp(sizes, 'sigmoid', init='tanh_equivalent')  # or activation 'tanh'"
    return Suspect(c.decades, (-1.2, 1.5), text, remedy, cure.redraw_weights, code, next(iter(c.pairs)), unit="decades")


@rule("exploding", "Each layer multiplies |delta| by sqrt(chi) (mean field, theorem D3).")
def exploding(c: Context) -> Suspect | None:
    sizes = [float(np.sqrt(np.square(a, dtype=np.float64).mean())) for a in c.bp.activations]
    grown = max(sizes[1:]) / max(sizes[0], 1e-30)
    decades = max(c.decades, float(np.log10(max(grown, 1e-30))))
    if len(c.pairs) < 2 or not decades >= 1.5:
        return None
    text = f"From layer to layer the signal grows: {decades:.2g} decades through the net."
    remedy = "Draw the weights at the size that the activation asks for."
    return Suspect(decades, (-1.2, 1.5), text, remedy, cure.redraw_weights, REDRAW, unit="decades")


@rule("blind_units", "What a layer passes on is what its units' outputs differ by, from sample to sample.")
@quiet
def blind_units(c: Context) -> Suspect | None:
    worst, where = np.inf, None
    last = c.visits[-1][0]
    bending = c.slopes
    for path, _, _, out, _ in c.visits:
        if path not in bending or path == last:
            continue
        rows = out.reshape(-1, out.shape[-1]).astype(np.float64)
        share = float(np.median(rows.std(axis=0)) / c.reaches[path])
        if share < worst and (rows.std(axis=0) > 0).any():
            worst, where = share, path
    if not worst < 0.005 or c.skill > 0.9:
        return None
    text = f"The outputs of layer {where} hardly depend on x: they vary by {worst:.2g} of their range."
    remedy = "Draw larger weights, or standardise x."
    return Suspect(
        worst,
        (0.005, 1),
        text,
        remedy,
        cure.redraw_weights,
        REDRAW,
        where,
        costs=worst < 0.001 and c.trial.score < 0.95,
    )


@rule("loud_start", "A net that begins far from the targets first learns to be silent.")
def loud_start(c: Context) -> Suspect | None:
    ratio = c.bp.loss / c.constant if c.constant > 0 else 1.0
    if not ratio >= 3:
        return None
    text = f"At the start the loss is {ratio:.3g} times that of the best constant output."
    remedy = "Start with small last weights and biases of 0."
    if not cure.last_linear(c.net)[0]:
        return Suspect(ratio, (0, 3), text, remedy, symptom=True)
    return Suspect(ratio, (0, 3), text, remedy, cure.scale_last(0.1), _scaled(c, 0.1), symptom=True)


def _scaled(c: Context, factor: float) -> str:
    """The code for the last Linear layer times a factor."""
    path, last = cure.last_linear(c.net)
    place = "net" + "".join(f"[{i}]" for i in path.split("."))
    return f"{place}.weight *= {factor}" + ("" if last.bias is None else f"; {place}.bias *= {factor}")
