"""Rules on the steps: how far each one goes, and how many there are."""

from __future__ import annotations

import math

import numpy as np

from ..training.optimizers import SGD, Adam, AdamW, RMSprop
from . import remedies as cure
from .context import Context
from .rules import Suspect, rule


def _limit(c: Context) -> float:
    """The largest lr of SGD at which the loss does not grow along its steepest direction; nan where not known."""
    opt = c.setup.opt
    momentum = opt.momentum if isinstance(opt, SGD) else 0.0
    ahead = 1 + 2 * momentum if isinstance(opt, SGD) and opt.nesterov else 1  # Nesterov's step looks beyond its own
    return 2 * (1 + momentum) / ahead / c.sharpness if c.sharpness > 0 else math.nan


def _lr(c: Context) -> float:
    opt = cure.applied(c.setup, lambda s: None).opt
    return float(opt.lr) if opt is not None and opt.lr else math.nan


@rule("lr_high", "Beyond 2 (1 + momentum) / lambda_1, with Nesterov over 1 + 2 momentum, the error grows (theorem C4).")
def lr_high(c: Context) -> Suspect | None:
    opt, lr = c.setup.opt, _lr(c)
    if opt is None:
        return None
    if isinstance(opt, (Adam, RMSprop)):
        ratio = lr / c.weights_size if c.weights_size > 0 else 0.0
        if ratio < 0.4:
            return None
        text = f"Each step moves every weight by about {lr:g}, which is {ratio:.2g} of the weights' own size."
        new = cure.rounded(min(0.01, 0.05 * c.weights_size)) or 0.001
        change, code = cure.set_lr(new), f"opt.lr = {new:g}"
        return Suspect(ratio, (0, 0.4), text, f"Try lr {new:g}.", change, code, costs=ratio >= 1)
    limit = _limit(c)
    usual = (0, 1.05) if len(c.pairs) == 1 else (0, 1.5)  # the curvature of a single layer stays; of several it moves
    if not lr / limit > usual[1]:
        return None
    text = f"lr {lr:g} is {lr / limit:.3g} times its limit at these weights, {limit:.3g}."
    new = cure.rounded(0.5 * limit)
    costs = lr / limit > 5 and not c.normalised
    change, code = cure.set_lr(new), f"opt.lr = {new:g}"
    return Suspect(lr / limit, usual, text, f"Try lr {new:g}, half the limit.", change, code, costs=costs)


@rule("one_sample", "A step goes where its largest sample pulls: for that one lr is limited by 2 / |a|^2 (theorem C7).")
def one_sample(c: Context) -> Suspect | None:
    for name in ("x", "y"):
        array = getattr(c.setup, name)
        if array.dtype.kind != "f":
            continue
        size = np.abs(array.reshape(c.N, -1).astype(np.float64)).max(axis=1)
        usual = float(np.quantile(size, 0.95))
        far = size > 30 * max(usual, 1e-12)
        if c.N >= 20 and 0 < far.sum() <= max(1, 0.02 * c.N):
            ratio = float(size.max() / max(usual, 1e-12))
            row = int(size.argmax())
            text = f"A few samples ({int(far.sum())}; {name}, row {row}) are {ratio:.3g} times as large as the rest."
            limit = 30 * max(usual, 1e-12)
            code = f"good = abs({name}).reshape(len({name}), -1).max(axis=1) <= {limit!r}; x, y = x[good], y[good]"
            remedy = "Leave them out, or look whether they are mistakes."
            return Suspect(ratio, (0, 30), text, remedy, cure.keep_rows(~far), code, certain=True)
    return _single_samples(c)


def _single_samples(c: Context) -> Suspect | None:
    """Batches of one or two, with a learning rate that is too much for the largest sample."""
    opt = c.setup.opt
    if not isinstance(opt, SGD) or c.setup.batch_size > 2 or c.N < 8:
        return None
    a = next(iter(c.pairs.values())).rows()[1].astype(np.float64)
    largest, moments = float(np.square(a).sum(axis=1).max()) + 1, a.T @ a / len(a)
    if not np.isfinite(moments).all():  # squares beyond all floats
        return None
    mean = float(np.linalg.eigvalsh(moments)[-1]) + 1
    ratio = _lr(c) / (1 - opt.momentum) / _limit(c) * largest / mean
    if not ratio > 1.5:
        return None
    text = f"With batches of {c.setup.batch_size}, lr acts as {ratio:.3g} times its limit on the largest sample."
    size = min(32, c.N)
    return Suspect(ratio, (0, 1.5), text, f"Take batches of {size}.", cure.set_batch_size(size), f"batch_size = {size}")


@rule("momentum", "lr acts as lr / (1 - momentum).")
def momentum(c: Context) -> Suspect | None:
    opt = c.setup.opt
    value = opt.momentum if isinstance(opt, SGD) else max(opt.betas[0], 0) if isinstance(opt, Adam) else 0.0
    if value < 0.98:
        return None
    text = f"Momentum {value:g} remembers {1 / (1 - value):.3g} steps and multiplies lr by as much."
    change = cure.set_options(momentum=0.9) if isinstance(opt, SGD) else cure.set_options(betas=(0.9, 0.999))
    code = "opt.momentum = 0.9" if isinstance(opt, SGD) else "opt.betas = (0.9, 0.999)"
    return Suspect(value, (0, 0.98), text, "Take 0.9.", change, code, costs=True)


@rule("weight_decay", "Decay pulls every weight to 0 at the rate wd, whatever the loss says.")
def weight_decay(c: Context) -> Suspect | None:
    opt = c.setup.opt
    if opt is None or not opt.weight_decay:
        return None
    weights = math.sqrt(sum(float(np.square(a, dtype=np.float64).sum()) for a in c.net.parameters().values()))
    ratio = opt.weight_decay * weights / c.gradient_norm if c.gradient_norm > 0 else math.inf
    decay = opt.weight_decay * (0.1 if isinstance(opt, AdamW) else 1)  # which takes lr times it off, whatever g is
    if decay < 0.01:
        return None
    text = f"Weight decay {opt.weight_decay:g} pulls at the weights {ratio:.2g} times as hard as the loss does."
    change, code = cure.set_options(weight_decay=1e-4), "opt.weight_decay = 1e-4"
    costs, usual = decay >= 0.05, (0, 0.1) if isinstance(opt, AdamW) else (0, 0.01)
    return Suspect(opt.weight_decay, usual, text, "Take 1e-4 or 0.", change, code, costs=costs)


@rule("lr_low", "A step of SGD lowers the loss by lr |g|^2 at most; Adam moves each weight by about lr.")
def lr_low(c: Context) -> Suspect | None:
    opt, lr = c.setup.opt, _lr(c)
    if opt is None or not lr > 0:
        return None
    steps = c.setup.planned_steps or max(1000, 10 * c.setup.steps_an_epoch)
    new = cure.usual_rate(opt)
    if isinstance(opt, (Adam, RMSprop)):
        reach = lr * steps / max(c.weights_size, 1e-12)
        if reach >= 0.5 or lr >= new:
            return None
        text = f"In {steps} steps of at most {lr:g} a weight moves by {reach:.2g} of the weights' size."
        return Suspect(reach, (0.5, math.inf), text, f"Try lr {new:g}.", cure.set_lr(new), f"opt.lr = {new:g}")
    limit = _limit(c)
    share = lr / (1 - getattr(opt, "momentum", 0)) * c.gradient_norm**2 * steps / max(c.bp.loss, 1e-300)
    if not ((share < 0.5 and lr < 0.05 * limit) or lr < 0.005 * limit):
        return None
    new = cure.rounded(min(0.3 * limit * (1 - getattr(opt, "momentum", 0)), 1.0))
    text = f"{steps} steps with lr {lr:g} lower the loss by {share:.2g} of it at most; the limit of lr is {limit:.3g}."
    measured, usual = (share, (0.5, math.inf)) if share < 0.5 else (lr / limit, (0.005, 1.5))
    return Suspect(measured, usual, text, f"Try lr {new:g}.", cure.set_lr(new), f"opt.lr = {new:g}")


@rule("few_steps", "A net moves one step at a time.")
def few_steps(c: Context) -> Suspect | None:
    steps = c.setup.planned_steps
    if steps is None or steps >= 100:
        return None
    epochs = -(-300 // c.setup.steps_an_epoch)
    text = f"{c.setup.epochs} epochs of {c.setup.steps_an_epoch} batches are {steps} steps."
    change, code = cure.set_epochs(epochs), f"epochs = {epochs}"
    return Suspect(steps, (100, math.inf), text, f"Train for {epochs} epochs.", change, code)
