"""Rules on the structure: what no weights can make up for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .._checks import quiet
from ..layers.dropout import Dropout
from ..layers.linear import Linear
from . import remedies as cure
from .context import Context
from .rules import Suspect, rule
from .setup import Setup, leaves, loss_of


@rule("no_activation", "Linear layers in a row are one linear layer.")
def no_activation(c: Context) -> Suspect | None:
    found = [layer for _, layer in leaves(c.net) if not isinstance(layer, Dropout)]
    rows = sum(isinstance(a, Linear) and isinstance(b, Linear) for a, b in pairwise(found))
    if not rows:
        return None
    text = f"Linear layers follow one another with nothing between (in {rows} places): together they are one."
    remedy = "Put an activation between them."
    return Suspect(rows, (0, 0), text, remedy, cure.insert_activations, "net = mg.Sequential(..., mg.Tanh(), ...)")


@rule("no_bias", "Without a bias the mean of delta has nowhere to go (theorem A3).")
@quiet
def no_bias(c: Context) -> Suspect | None:
    without = [path for path, layer in leaves(c.net) if isinstance(layer, Linear) and layer.bias is None]
    if not without or not c.pairs_after:
        return None
    delta, _ = next(reversed(c.pairs_after.values())).rows()
    size = float(np.sqrt(np.square(delta, dtype=np.float64).mean()))
    ratio = float(np.sqrt(np.square(delta.mean(axis=0, dtype=np.float64)).mean())) / size if size else 0.0
    if not ratio > 0.3:
        return None
    text = (
        f"The layers {', '.join(without)} have no bias, and the mean error, which one would take, is {ratio:.2f} of it."
    )
    return Suspect(
        ratio, (0, 0.3), text, "Give them biases.", cure.add_biases, "mg.Linear(..., bias=True)", costs=ratio > 0.5
    )


@rule("bottleneck", "A layer of K units passes on K numbers (theorem A2).")
def bottleneck(c: Context) -> Suspect | None:
    widths = {path: c.weight_of(path).shape[0] for path in c.hidden if c.weight_of(path).ndim == 2}
    if not widths:
        return None
    first, last = next(iter(c.pairs)), next(reversed(c.pairs))
    J, K = c.weight_of(first).shape[1], c.weight_of(last).shape[0]
    path, width = min(widths.items(), key=lambda pair: pair[1])
    needed = max(2, min(J, 2 * K if c.answers == "classes" else K) // 2)
    if width >= needed and width > 1:
        return None
    text = f"The width of layer {path} is {width}, between {J} inputs and {K} outputs: all must pass there."
    plain = all(isinstance(layer, Linear) or not layer.parameters() for layer in c.net) and not any(
        layer.children() for layer in c.net
    )
    change = cure.widen(max(16, 2 * K)) if plain else None
    return Suspect(width, (needed, np.inf), text, "Make it wider.", change, f"mg.Linear({J}, {max(16, 2 * K)})", path)


@rule("dropout", "Of what is dropped nothing is learned in that step; Srivastava et al. 2014 drop a half at most.")
def dropout(c: Context) -> Suspect | None:
    rates = [layer.p for _, layer in leaves(c.net) if isinstance(layer, Dropout)]
    kept = float(np.prod([1 - p for p in rates])) if rates else 1.0
    if max(rates, default=0) <= 0.6 and kept > 0.2:
        return None
    text = f"Dropout drops up to {max(rates):.0%} of a layer's units."
    remedy = "Drop a fifth or less of so small a net."
    return Suspect(max(rates), (0, 0.6), text, remedy, cure.set_dropout(0.2), "mg.Dropout(0.2)", costs=max(rates) > 0.7)


@rule("batchnorm_statistics", "In eval mode BatchNorm takes running statistics: a mean over about 1/momentum batches.")
@quiet
def batchnorm_statistics(c: Context) -> Suspect | None:
    if not any(layer.buffer_names for _, layer in leaves(c.net)):
        return None
    after = c.trial.net
    if c.trial.diverged:
        return None
    trained = loss_of(Setup(after, c.setup.loss, None, c.sample.x, c.sample.y))
    try:
        running = float(c.setup.loss(after.eval().forward(c.sample.x)[0], c.sample.y))
    except (ValueError, TypeError):  # outputs that the loss does not take
        return None
    ratio = running / trained if trained > 0 else 1.0
    momenta = [layer.momentum for _, layer in leaves(c.net) if hasattr(layer, "momentum")]
    if ratio <= 2.5 or not momenta or (min(momenta) > 0.02 and c.setup.batch_size > 4):
        return None
    text = f"In eval mode the loss is {ratio:.3g} times that with batch statistics: the running ones lag behind."
    remedy = "Take momentum 0.1 and batches of 16 or more."
    change = cure.in_turn(cure.reset_norms, cure.set_batch_size(max(16, c.setup.batch_size)))
    return Suspect(ratio, (0, 2.5), text, remedy, change, "mg.BatchNorm(..., momentum=0.1)", costs=True)
