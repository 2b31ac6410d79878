"""What fit would refuse, as findings: here it is an answer, not an exception."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._advice import evaluated
from .._checks import as_batch, rectangular
from ..backprop import backprop
from ..layers.base import is_ours
from ..layers.containers import Sequential, output_shape, walk
from ..layers.norm import BatchNorm
from ..layers.parameters import tree
from ..losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, Loss
from . import remedies as cure
from .output import refused_output
from .rules import Suspect
from .setup import Setup, predicted


def refusal(s: Setup) -> tuple[str, str, Suspect] | None:
    """(name, theorem, suspect) of the first thing that keeps a setup from being trained at all; else None.

    What it does not refuse has x and y as arrays that fit net and loss.
    """
    given = s.x
    try:
        s.x = as_batch(s.x, "x", s.net.dtype, s.net.in_features)
    except (ValueError, TypeError) as error:
        return "input_shape", "One row for each sample, features last.", _advised(error, "x", s.x)
    if len(s.x) == 0:
        nothing = Suspect(0, (1, np.inf), "x holds no samples.", "Look at how x was made.")
        return "input_shape", "The mean of no samples is not defined.", nothing
    weights = [name for name, array in s.net.state().items() if not np.isfinite(array).all()]
    if weights:
        text = f"{', '.join(weights)} hold NaN or infinity, and so does everything that is computed from them."
        redrawn = cure.applied(s, cure.redraw_weights).net.state()
        change = cure.redraw_weights if all(np.isfinite(array).all() for array in redrawn.values()) else None
        remedy = "Draw the weights anew." if change else "Make the net anew: not all are weights of a Linear layer."
        found = Suspect(len(weights), (0, 0), text, remedy, change, certain=True)
        return "nan_weights", "What is not a number stays none.", found
    return _not_finite(s, given) or _targets(s) or _batches(s) or _output(s.net, s.loss, s) or _backward(s)


def _not_finite(s: Setup, given: Any) -> tuple[str, str, Suspect] | None:
    """Samples that hold NaN or infinity, in x or in y; or do once they are of the net's float type."""
    bad = {"x": _bad_rows(s.x, s, s.x.dtype), "y": _bad_rows(s.y, s, s.x.dtype)}
    either = bad["x"] | bad["y"]
    if not either.any():
        return None
    names = [name for name, rows in bad.items() if rows.any()]
    numbers = ", ".join(map(str, np.flatnonzero(either)[:5])) + (", ..." if either.sum() > 5 else "")
    where, count = f"({' and '.join(names)}, rows {numbers})", int(either.sum())
    theorem = "What is not a number stays none."
    if not any(_bad_rows(array, s, np.dtype(np.float64)).any() for array in (given, s.y)):
        text = f"{count} of {len(either)} samples are too large for {s.x.dtype}, the type of the net {where}."
        code = "; ".join(cure.standardise_code(name, s.x if name == "x" else np.asarray(s.y)) for name in names)
        found = Suspect(count, (0, 0), text, "Scale them to mean 0 and spread 1.", None, code, certain=True)
        return "nan_data", theorem, found
    text = f"{count} of {len(either)} samples hold NaN or infinity {where}."
    finite = " & ".join(f"np.isfinite({name}).reshape(len({name}), -1).all(axis=1)" for name in names)
    code = f"good = {finite}; x, y = x[good], y[good]"
    change, remedy = None if either.all() else cure.keep_rows(~either), "Leave these samples out, or fill them in."
    return "nan_data", theorem, Suspect(count, (0, 0), text, remedy, change, code, certain=True)


def _bad_rows(array: Any, s: Setup, dtype: np.dtype) -> np.ndarray:
    """Which samples are not finite once they are of that float type; none where they are no floats, one a sample."""
    try:
        array = np.asarray(rectangular(array, "it"))
    except (ValueError, TypeError):
        return np.zeros(len(s.x), bool)
    if array.dtype.kind != "f" or not array.ndim or len(array) != len(s.x):
        return np.zeros(len(s.x), bool)
    return ~np.isfinite(array.astype(dtype)).reshape(len(array), -1).all(axis=1)


def _targets(s: Setup) -> tuple[str, str, Suspect] | None:
    """What is wrong with y, for this net and this loss."""
    try:
        shape = output_shape(copy.deepcopy(s.net), s.x)
    except (ValueError, TypeError) as error:
        return "input_shape", "Each layer takes what the one before puts out.", _said(error)
    try:
        s.y = s.loss.targets(s.y, shape, s.x.dtype)
    except (ValueError, TypeError) as error:
        if isinstance(s.loss, CrossEntropyLoss) and shape[-1] == 1:
            return "softmax_of_one", "The softmax of one number is always 1.", _one_output(s, shape, error)
        found = _advised(error, "y", s.y)
        outside = re.search(r"reaches from|class numbers from", str(error))
        name = "target_range" if outside else "target_shape"
        return name, "The loss compares each output with its target.", found
    return None


def _one_output(s: Setup, shape: tuple[int, ...], error: Exception) -> Suspect:
    y = np.asarray(s.y)

    def change(new: Setup) -> None:
        new.loss = BCEWithLogitsLoss()
        new.y = np.asarray(new.y, new.x.dtype).reshape(shape)

    fits = y.size == np.prod(shape) and y.dtype.kind in "biuf" and y.size and 0 <= y.min() and y.max() <= 1
    code = "loss = mg.BCEWithLogitsLoss(); y = y.reshape(-1, 1)"
    return Suspect(
        1, (2, np.inf), sentence(f"{error}"), "Take BCEWithLogitsLoss.", change if fits else None, code, certain=True
    )


def _batches(s: Setup) -> tuple[str, str, Suspect] | None:
    """A last batch of one sample, which BatchNorm cannot normalise."""
    N, batch = len(s.x), min(s.batch_size, len(s.x))
    one = batch == 1 or N % batch == 1
    if one and s.x[0].size == s.x.shape[-1] and any(isinstance(layer, BatchNorm) for _, layer in walk(s.net)):
        size = min(N, next((b for b in range(batch + 1, 4 * batch + 8) if N % b != 1), N))
        text = f"batch_size {s.batch_size} leaves a batch of one of the {N} samples, which BatchNorm cannot normalise."
        found = Suspect(1, (2, np.inf), text, "It needs two samples at least.", certain=True)
        if N > 1:
            change, code = cure.set_batch_size(size), f"batch_size = {size}"
            found = Suspect(1, (2, np.inf), text, f"Take batches of {size}.", change, code, certain=True)
        return "batchnorm_statistics", "One sample has no spread.", found
    return None


def _output(net: Sequential, loss: Loss, s: Setup) -> tuple[str, str, Suspect] | None:
    """Outputs that the loss does not take."""
    if is_ours(type(loss)) and not isinstance(loss, BCELoss):
        return None
    output = predicted(net, s.x)
    try:
        loss(output, s.y)
    except (ValueError, TypeError) as error:
        found = refused_output(loss, net, float(np.min(output)), float(np.max(output)))
        if found is not None:
            return "bce_without_sigmoid", "A probability lies between 0 and 1.", found
        return "target_shape", "The loss compares each output with its target.", _said(error)
    return None


def _backward(s: Setup) -> tuple[str, str, Suspect] | None:
    """Layers that do not pass on each other's error signal, because their float types differ, for example."""
    net, few = copy.deepcopy(s.net), slice(0, 4)
    for _, layer in tree(net):
        layer.training = layer.training and not isinstance(layer, BatchNorm)
    try:
        backprop(net, s.loss, s.x[few], s.y[few]).parameter_gradients()
    except (ValueError, TypeError) as error:
        return "input_shape", "Each layer takes what its neighbours give it.", _said(error)
    return None


def _said(error: Exception) -> Suspect:
    """An error that advises no line, as a suspect."""
    return Suspect(0, (1, 1), sentence(f"{error}"), "See what was expected.", certain=True)


def sentence(text: str) -> str:
    """With a full stop at its end."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _advised(error: Exception, name: str, value: Any) -> Suspect:
    """A message of fit as a suspect; the line that it advises, which was tried, is its remedy.

    The line is minigrad's own, taken from the error: never from its message, which may quote the data.
    """
    line = getattr(error, "advice", "")
    text = str(error).rpartition("; use ")[0] if line else str(error)
    if not line:
        return Suspect(0, (1, 1), sentence(text), "See what was expected.", certain=True)

    def change(s: Setup) -> None:
        setattr(s, name, evaluated(line, getattr(s, name)))

    code = line.format(a=name)
    once = isinstance(value, Iterator)  # which the line would use up
    remedy = f"Use {code}."
    return Suspect(0, (1, 1), sentence(text), remedy, None if once else change, f"{name} = {code}", certain=True)
