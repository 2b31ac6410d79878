"""What is measured of a run: every number that the training scene shows, by its name."""

from __future__ import annotations

import math

import numpy as np

from .. import diagnostics as dg
from .._checks import quiet
from ..gradient import WeightGradient
from .train_run import Run


def run_numbers(run: Run) -> dict[str, float]:
    """Steps, losses and shares of right answers, and the numbers of each layer."""
    if run.numbers is None:
        run.numbers = _measured(run)
    return dict(run.numbers)


def _measured(run: Run) -> dict[str, float]:
    now = run.point
    found: dict[str, float] = {"steps": run.steps, "epochs": run.steps // run.epoch}
    found |= {"loss": now.loss, "accuracy": now.accuracy}
    if run.data.x_test is not None:
        found |= {"test-loss": now.test_loss, "test-accuracy": now.test_accuracy}
    return found | layer_numbers(run)


def measurable(run: Run) -> bool:
    """Whether the pass of the next step is finite throughout, so that its signs and sizes can be told."""
    arrays = [*run.bp.activations, *(g.delta for g in run.bp.gradients.values())]
    return all(np.isfinite(array).all() for array in arrays)


@quiet
def layer_numbers(run: Run) -> dict[str, float]:
    """Of the pair of each Linear, over the batch of the next step; {} where that is not finite.

    single-signed, single-signed-samples   the share of rows that are, of the batch's gradient and of the samples'
    delta-norm, mean-field                 the root mean square of |delta_n|, and what mean field expects
    decades                                that are won or lost from the layer above down to this one
    condition                              of the inputs and the bias, over the directions that they show
    saturated                              the share of slopes below 0.01 in the activation behind the layer
    """
    if not measurable(run):
        return {}
    found = {}
    rows, size = dg.attenuation(run.bp), dg.mean_field_norms(run.net, run.bp)
    saturated = dg.saturation(run.net, run.x[run.batch()])
    for l, (path, g) in enumerate(run.bp.gradients.items()):
        found[f"single-signed.{path}"] = dg.single_signed_share(g)
        found[f"single-signed-samples.{path}"] = dg.single_signed_share(g, per_sample=True)
        found[f"delta-norm.{path}"] = float(rows.norms[l])
        if path in size:
            found[f"mean-field.{path}"] = size[path]
        if l < len(rows.decades):
            found[f"decades.{path}"] = float(rows.decades[l])
        found[f"condition.{path}"] = dg.condition_number(g.a, bias=True, null_space=False)
        behind = str(int(path) + 1)
        if behind in saturated:
            found[f"saturated.{path}"] = saturated[behind].low + saturated[behind].high
    return found


def product(g: WeightGradient, sample: int) -> np.ndarray:
    """delta a^T (K, J): the mean over the batch for sample 0, else that of one sample, from 1, or of the last."""
    n = min(sample, len(g.a)) - 1
    return g.weight if n < 0 else np.outer(g.delta[n], g.a[n])


def entry(run: Run, sample: int, what: str, path: str, i: int, j: int) -> tuple[str, float] | None:
    """(name, number) of one entry of a picture: of a (N, J), of delta (N, K), or of their product g (K, J).

    The name is that of the value in the net: an input of layer 2 is a.0.j, behind the Linear below; of the first, x.j.
    None where there is no such entry.
    """
    g = run.bp.gradients.get(path)
    if g is None or what not in ("a", "delta", "g"):
        return None
    array = {"a": g.a, "delta": g.delta, "g": product(g, sample)}[what]
    if not (0 <= i < array.shape[0] and 0 <= j < array.shape[1]):
        return None
    paths = list(run.bp.gradients)
    below = paths[paths.index(path) - 1] if path != paths[0] else None
    names = {"a": f"a.{below}.{j}" if below else f"x.{j}", "delta": f"delta.{path}.{j}", "g": f"g.{path}.{i}.{j}"}
    return names[what], float(array[i, j])


def lost(numbers: dict[str, float], paths: list[str]) -> float:
    """Decades of |delta| from the last layer to the first, negative where it shrinks; nan where they are not known."""
    decades = [numbers.get(f"decades.{path}", math.nan) for path in paths[:-1]]
    return sum(decades) if decades else 0.0
