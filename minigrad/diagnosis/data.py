"""Rules on the data: what x and y are like before any net sees them."""

from __future__ import annotations

import numpy as np

from . import remedies as cure
from .context import Context
from .rules import Suspect, rule
from .setup import Setup

NEIGHBOURS = 512  # samples that are asked for their nearest neighbour


def _features(c: Context) -> np.ndarray:
    """x as rows (R, J) of float64."""
    return c.sample.x.reshape(-1, c.sample.x.shape[-1]).astype(np.float64)


def _classes(c: Context) -> np.ndarray | None:
    """The class of each row, all samples; None where classes are not what is asked for."""
    y = c.setup.y
    if c.answers == "classes":
        return (y if y.dtype.kind == "i" else y.argmax(axis=-1)).ravel()
    return (y[..., 0] > 0.5).astype(np.int64).ravel() if c.answers == "entries" and y.shape[-1] == 1 else None


@rule("one_class", "A constant is learned without looking at x.")
def one_class(c: Context) -> Suspect | None:
    y = c.setup.y.reshape(len(c.setup.y), -1)
    different = len(np.unique(y[:10000], axis=0))
    if different > 1:
        return None
    text = "All targets are the same, so there is nothing to learn."
    remedy = "Look at how y was made: it should hold more than one value."
    return Suspect(different, (2, np.inf), text, remedy, certain=True, hopeless=True)


@rule("imbalance", "The best constant is right as often as the most frequent class is.")
def imbalance(c: Context) -> Suspect | None:
    classes = _classes(c)
    if classes is None:
        return None
    share = np.bincount(classes).max() / len(classes)
    if not 0.85 < share < 1:
        return None
    text = f"{share:.0%} of the samples are of one class: a net that always says so is right that often."
    remedy = "Judge by the other classes, not by accuracy; repeat their samples."
    counts = np.bincount(classes)
    times = np.ceil(counts.max() / np.maximum(counts, 1)).clip(1, 20).astype(int)
    if c.setup.x.ndim > 2:
        return Suspect(share, (0, 0.85), text, remedy, costs=share > 0.94)

    def repeat(s: Setup) -> None:
        rows = np.repeat(np.arange(len(s.x)), times[classes])
        s.x, s.y = s.x[rows], s.y[rows]

    y = c.setup.y
    labels = "y" if y.dtype.kind == "i" else "y.argmax(axis=-1)" if c.answers == "classes" else "(y[:, 0] > 0.5) * 1"
    rows = f"np.repeat(np.arange(len(x)), np.array({times.tolist()})[{labels}])"
    code = f"rows = {rows}; x, y = x[rows], y[rows]"
    return Suspect(share, (0, 0.85), text, remedy, repeat, code, costs=share > 0.94)


@rule("unused_outputs", "An output that is never wanted learns only to be silent.")
def unused_outputs(c: Context) -> Suspect | None:
    y = c.setup.y
    if c.answers != "classes":
        return None
    unused = c.K - len(np.unique(y if y.dtype.kind == "i" else y.argmax(axis=-1)))
    if unused <= 0 or c.N < 3 * (c.K - unused):
        return None
    text = f"{unused} of the {c.K} outputs are of classes that no sample has."
    return Suspect(
        unused, (0, 0), text, f"Give the last layer {c.K - unused} outputs, and number the classes from 0.", costs=True
    )


@rule("unscaled_input", "Curvature grows with the square of the inputs (theorem C4); LeCun et al. 1998, section 4.3.")
def unscaled_input(c: Context) -> Suspect | None:
    x = _features(c)
    spread = x.std(axis=0)
    size = float(np.sqrt(np.square(x).mean()))
    typical = float(np.median(spread[spread > 0])) if (spread > 0).any() else 0.0
    if 0.05 <= size <= 8 or (c.K and size == 0):
        return None
    text = f"The inputs are of size {size:.3g} (root mean square; typical spread {typical:.3g}), not about 1."
    remedy = "Standardise x: each feature to mean 0 and spread 1."
    costs = not 0.005 <= size <= 100
    return Suspect(
        size, (0.05, 8), text, remedy, cure.standardise_inputs, cure.standardise_code("x", c.setup.x), costs=costs
    )


@rule("uneven_features", "The condition number is at least the ratio of the features' second moments (theorem C4).")
def uneven_features(c: Context) -> Suspect | None:
    spread = _features(c).std(axis=0)
    spread = spread[spread > 0]
    if len(spread) < 2:
        return None
    ratio = float(spread.max() / np.median(spread))
    ratio = max(ratio, float(np.median(spread) / np.quantile(spread, 0.1)) if len(spread) < 30 else 0)
    if not ratio > 20:
        return None
    text = f"The spread of one feature is {ratio:.3g} times that of another: it alone decides how fast is too fast."
    remedy = "Standardise x: each feature to mean 0 and spread 1."
    return Suspect(ratio, (1, 20), text, remedy, cure.standardise_inputs, cure.standardise_code("x", c.setup.x))


@rule("mean_input", "One eigenvalue of the inputs' second moment is their squared mean (theorems C4 and C12).")
def mean_input(c: Context) -> Suspect | None:
    x = _features(c)
    if len(x) < 3:
        return None
    one = np.column_stack([x, np.ones(len(x))])
    centred = np.column_stack([x - x.mean(axis=0), np.ones(len(x))])
    moments = [rows.T @ rows / len(rows) for rows in (one, centred)]
    if not np.isfinite(moments).all():  # squares beyond all floats
        return None
    largest = [float(np.linalg.eigvalsh(moment)[-1]) for moment in moments]
    factor = largest[0] / largest[1]
    ratio = float(np.square(x.mean(axis=0)).sum() / max(x.var(axis=0).sum(), 1e-300))
    if ratio <= 4 and factor <= 50:
        return None
    text = f"The mean of the inputs is large beside their spread: its square is {ratio:.3g} times their variance."
    code = f"x = x - x.mean({cure.axis_of(c.setup.x)})"
    return Suspect(ratio, (0, 4), text, "Centre x: take its mean off each feature.", cure.centre_inputs, code)


@rule("unscaled_target", "The error signal is as large as the targets, and so is each step.")
def unscaled_target(c: Context) -> Suspect | None:
    if c.answers != "values" or c.setup.y.dtype.kind != "f":
        return None
    y = c.setup.y.reshape(-1, c.setup.y.shape[-1]).astype(np.float64)
    size = float(np.sqrt(np.square(y).mean()))
    if 0.02 <= size <= 8 or size == 0:
        return None
    text = f"The targets are of size {size:.3g} (root mean square), where a net at its start puts out about 1."
    code = cure.standardise_code("y", c.setup.y)
    remedy = "Standardise y, and undo it on the outputs."
    return Suspect(size, (0.02, 8), text, remedy, cure.standardise_targets, code)


@rule("labels", "The error of the nearest neighbour is at most twice the least possible (Cover and Hart 1967).")
def labels(c: Context) -> Suspect | None:
    ratio = c.neighbour_error
    if not ratio >= 0.9:
        return None
    text = f"The nearest neighbour's target is no better a guess than chance (error {ratio:.2f} of chance)."
    remedy = "Look whether x and y belong together: were both shuffled, sorted or cut in the same way?"
    return Suspect(ratio, (0, 0.9), text, remedy, certain=c.best < 0.3, costs=ratio > 0.95)


@rule("sorted_data", "A batch of one class teaches that class alone.")
def sorted_data(c: Context) -> Suspect | None:
    classes = _classes(c)
    if classes is None or len(classes) < 40:
        return None
    changes = (classes[1:] != classes[:-1]).mean()
    chance = 1 - np.square(np.bincount(classes) / len(classes)).sum()
    ratio = float(changes / chance) if chance > 0 else 1.0
    if ratio >= 0.1:
        return None
    text = "The samples are sorted by class. That is harmless while fit shuffles them, and ruins it with shuffle=False."
    code = "order = np.random.default_rng(0).permutation(len(x)); x, y = x[order], y[order]"
    return Suspect(ratio, (0.1, 2), text, "Shuffle x and y together.", cure.shuffle_rows, code, costs=ratio < 0.05)
