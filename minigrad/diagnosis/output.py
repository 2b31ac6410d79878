"""Rules on the output and the loss: whether they fit each other, and the targets."""

from __future__ import annotations

import math

import numpy as np

from .._checks import quiet
from ..layers.base import is_ours
from ..layers.containers import Sequential
from ..losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss
from . import remedies as cure
from .context import Context
from .rules import Suspect, rule


def _takes_logits(c: Context) -> bool:
    return isinstance(c.setup.loss, (CrossEntropyLoss, BCEWithLogitsLoss))


def _without_tail(c: Context) -> str:
    return f"net = mg.Sequential(*list(net)[:{len(c.net) - len(c.tail)}])"


@rule("softmax_of_one", "The softmax of one number is always 1.")
def softmax_of_one(c: Context) -> Suspect | None:
    if c.K > 1 or not c.tail or any(np.ptp(out) > 0 or out.flat[0] != 1 for out in c.tail_outputs):
        return None
    text = "The output is 1 whatever comes in: the softmax of a single number."
    remedy = "Leave it out, and take mg.BCEWithLogitsLoss()."
    tail = len(c.tail)
    change = cure.use_logits(tail, BCEWithLogitsLoss()) if c.answers == "entries" else cure.drop_tail(tail)
    code = f"{_without_tail(c)}; loss = mg.BCEWithLogitsLoss()"
    return Suspect(0, (0.01, np.inf), text, remedy, change, code, certain=True)


@rule("target_range", "No weights make an output leave the range of its last activation.")
def target_range(c: Context) -> Suspect | None:
    y = c.setup.y
    if _takes_logits(c) or y.dtype.kind != "f" or y.shape[1:] != c.bp.output.shape[1:]:
        return None
    low, high = c.output_range
    slack = 1e-3 * (high - low if math.isfinite(high - low) else 1)
    outside = float(((y < low - slack) | (y > high + slack)).mean())
    if outside <= 0.01:
        return None
    text = (
        f"{outside:.0%} of the targets (from {y.min():.3g} to {y.max():.3g}) lie outside what the last layer can put "
        f"out (from {low:.3g} to {high:.3g})."
    )
    remedy = "Leave the last activation out: a linear output reaches every number."
    return Suspect(outside, (0, 0.01), text, remedy, cure.drop_tail(len(c.tail)), _without_tail(c), certain=True)


@rule("softmax_twice", "CrossEntropyLoss holds the softmax: of a softmax again, the loss cannot fall to 0.")
def softmax_twice(c: Context) -> Suspect | None:
    if not isinstance(c.setup.loss, CrossEntropyLoss) or not c.is_distribution:
        return None
    reach = math.log(1 + (c.K - 1) / math.e)
    text = (
        "Each row of the output sums to 1: it is a softmax already, and CrossEntropyLoss takes another. "
        f"The loss cannot fall below {reach:.3g}."
    )
    remedy = "Leave the softmax out of the net."
    return Suspect(reach, (0, 0.01), text, remedy, cure.drop_tail(len(c.tail)), _without_tail(c), certain=True)


@rule("activation_before_logits", "Logits are any number: between bounds, no probability comes near 0 or 1.")
def activation_before_logits(c: Context) -> Suspect | None:
    if not _takes_logits(c) or not c.tail or c.is_distribution:
        return None
    low, high = c.output_range
    if not (math.isfinite(low) or math.isfinite(high)):
        return None
    span = high - low
    if isinstance(c.setup.loss, CrossEntropyLoss):
        reach = math.log(1 + (c.K - 1) * math.exp(-span)) if math.isfinite(span) else 0.0
    else:
        reach = max(
            math.log1p(math.exp(min(low, 700))) if math.isfinite(low) else 0.0,
            math.log1p(math.exp(-high)) if math.isfinite(high) else 0.0,
        )
    text = f"The loss takes logits, any number, and the last layer puts out from {low:.3g} to {high:.3g}"
    text += f": the loss cannot fall below {reach:.3g}." if reach > 0.01 else ", so half of the gradients are cut off."
    remedy = "Leave the last activation out of the net."
    change = cure.drop_tail(len(c.tail))
    measured, usual = reach, (0.0, 0.01)
    if reach <= 0.01:  # it is the bound that is wrong
        measured, usual = (low, (-math.inf, -5)) if math.isfinite(low) else (high, (5, math.inf))
    return Suspect(measured, usual, text, remedy, change, _without_tail(c), certain=reach > 0.1)


@rule("mse_on_probabilities", "Of a squared error the derivative a (1 - a) stays in delta (theorem D4).")
@quiet
def mse_on_probabilities(c: Context) -> Suspect | None:
    if not isinstance(c.setup.loss, MSELoss) or not c.tail or c.answers == "values":
        return None
    low, high = c.output_range
    if not (low >= -1.001 and high <= 1.001):
        return None
    i = len(c.net) - len(c.tail)
    after, before = (float(np.linalg.norm(c.bp.deltas[j])) for j in (i, len(c.net)))
    ratio = after / before if before > 0 else 0.0
    text = (
        f"The targets are yes or no, and the loss is a squared error behind an activation: {ratio:.2g} of the error "
        "signal passes it, least where the net is most wrong."
    )
    if c.is_distribution or (c.answers == "classes" and c.K > 1 and low >= -0.001):
        new: Loss = CrossEntropyLoss()
    elif low >= -0.001 and c.setup.y.min() >= 0:
        new = BCEWithLogitsLoss()
    else:
        return None
    name = f"mg.{type(new).__name__}()"
    remedy = f"Leave the last activation out and take {name}, which cancels it."
    change = cure.use_logits(len(c.tail), new)
    return Suspect(ratio, (0.3, 1), text, remedy, change, f"{_without_tail(c)}; loss = {name}")


@rule("sum_loss", "C is the mean over the samples: of the same batch twice it is the same.")
def sum_loss(c: Context) -> Suspect | None:
    ratio = _of_twice(c)
    if abs(ratio - 1) < 0.01 or not math.isfinite(ratio):
        return None
    along = _delta_ratio(c, slice(0, 32))  # 1: delta is N times the derivative of the sum
    delta_too = along is not None and abs(along - 1) < 0.01
    text = f"The loss of a batch taken twice is {ratio:.3g} times that of the batch: it adds up over the samples."
    remedy = "Take the mean over the samples, so that a step does not grow with the batch."
    change = cure.use_loss(cure.mean_of(c.setup.loss, bool(delta_too)))
    code = "value = value / len(output)" + ("; delta = delta / len(output)" if delta_too else "")
    return Suspect(ratio, (0.99, 1.01), text, remedy, change, code, certain=True)


def _of_twice(c: Context) -> float:
    """The loss of a batch taken twice over that of the batch."""
    output, y = c.bp.output[:32], c.sample.y[:32]
    try:
        once, twice = (c.setup.loss(np.concatenate([output] * n), np.concatenate([y] * n)) for n in (1, 2))
    except (ValueError, TypeError):
        return 1.0
    return float(twice / once) if once else 1.0


@quiet
def _delta_ratio(c: Context, rows: slice) -> float | None:
    """loss.delta over N dC/d output by differences, at the loss alone; None where they are not in proportion."""
    output, y = c.bp.output[rows].astype(np.float64), c.sample.y[rows]
    y = y.astype(np.float64) if y.dtype.kind == "f" else y
    try:
        delta = np.asarray(c.setup.loss.delta(output, y), np.float64)
        rng, pairs = np.random.default_rng(0), []
        for _ in range(6):
            v = rng.standard_normal(output.shape)
            h = 1e-6 * (1 + np.abs(output).max())
            slope = (c.setup.loss(output + h * v, y) - c.setup.loss(output - h * v, y)) / (2 * h)
            pairs.append((float((delta * v).sum()), len(output) * slope))
    except (ValueError, TypeError):
        return None
    ours, theirs = np.array(pairs).T
    if not np.isfinite(pairs).all() or np.abs(theirs).max() < 1e-12:
        return None
    return float(ours @ theirs / (theirs @ theirs))


@rule("wrong_delta", "delta is the derivative of each sample's loss, without the 1/N: N dC/d output.")
def wrong_delta(c: Context) -> Suspect | None:
    if is_ours(type(c.setup.loss)):
        return None
    ratio, rows = _delta_ratio(c, slice(0, 16)), min(16, len(c.sample.x))
    if ratio is None or abs(ratio - 1) < 0.02:
        return None
    if abs(ratio * rows - 1) < 0.02 and abs(_of_twice(c) - 2) < 0.01:  # the value adds up, delta is that of its mean
        return None
    text = f"delta of this loss is {ratio:.3g} times the derivative of its value, found by differences."
    remedy = "Let value_and_delta return the mean over the samples, and delta per sample, without the 1/N."
    change = cure.use_loss(cure.rescaled(c.setup.loss, 1 / ratio)) if ratio else None
    code = f"delta = delta * {1 / ratio:.4g}" if ratio else ""
    return Suspect(ratio, (0.98, 1.02), text, remedy, change, code, certain=True)


def refused_output(loss: object, net: Sequential, low: float, high: float) -> Suspect | None:
    """Of BCELoss, which refuses outputs outside 0 to 1 before anything can be measured."""
    if not isinstance(loss, BCELoss):
        return None
    text = f"BCELoss takes probabilities, and the net puts out numbers from {low:.3g} to {high:.3g}."
    remedy = "Take mg.BCEWithLogitsLoss(), which holds the sigmoid."
    change = cure.use_loss(BCEWithLogitsLoss())
    return Suspect(max(high, 1 - low), (0, 1), text, remedy, change, "loss = mg.BCEWithLogitsLoss()", certain=True)
