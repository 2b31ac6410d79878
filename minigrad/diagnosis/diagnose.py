"""diagnose: the rules name suspects, and trials with and without their remedies say which of them is to blame."""

from __future__ import annotations

import copy
import json
import math
import os
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._checks import generator, instance, quiet, whole_number
from ..diagnostics import coherence
from ..files.archive import replacing
from ..layers.containers import in_a_row
from ..losses import Loss
from ..training.optimizers import Optimizer
from . import data, output, start, steps, structure  # noqa: F401  whose rules become known by being defined
from .context import Context
from .curves import Curve, constant_after, curve
from .finding import Finding
from .gains import measured_gains
from .layers import layer_numbers
from .measured import Measured
from .page import page, part
from .refusals import refusal, sentence
from .remedies import Remedy, applied, in_turn, redraw_weights, set_lr, standardise_inputs, usual_rate
from .rules import RULES, Rule, Suspect
from .setup import Setup, Trial
from .text import as_text, entries
from .torch_words import in_torch_words, is_torch

GAIN = 0.2  # of the score, 0 to 1, that counts as one


class Diagnosis(Measured):
    """What diagnose found, and how to show it: as text, in a notebook, as a page, as JSON."""

    def __str__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the page's parts."""
        return part(self)

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write one page that needs nothing else, whole or not at all. OSError where no file can be written there."""
        with replacing(path) as file:
            file.write(page(self).encode(errors="backslashreplace"))

    def to_json(self) -> str:
        """All of it as strict JSON. What JSON has no number for is text: "inf", "-inf", "nan"."""
        return json.dumps(entries(self), indent=1, allow_nan=False)


def diagnose(
    net: Any,
    loss: Any,
    x: Any,
    y: Any,
    opt: Any = None,
    *,
    batch_size: int = 32,
    epochs: int | None = None,
    trial: int = 100,
    try_remedies: bool = False,
    rng: Any = 0,
) -> Diagnosis:
    """Why does this net not learn? A Diagnosis: findings with a measured number, the range expected of it, a remedy.

    x (N, ..., J) and y as for fit. Rules name what may be wrong, and short trainings of copies, `trial` steps with and
    without each remedy, say what is to blame. opt None: nothing is said of steps, and the trials use Adam(1e-3).
    epochs None: nothing is said of their number. try_remedies: each remedy is then trained for the whole budget, alone
    and after those before it, over three seeds: see .gains.

    Nothing that is given changes, generators included; the same rng, the same findings. What fit would refuse is a
    finding. A PyTorch model may be given with its loss function, x, y and optimizer: findings then name its modules and
    speak of PyTorch, and have no apply. TypeError where net is no net, loss no loss or opt no optimizer, ValueError
    where a number does not fit.
    """
    if is_torch(net):
        return _of_torch(net, loss, x, y, opt, batch_size, epochs, trial, try_remedies, rng)
    in_a_row(net, "net")
    instance(loss, Loss, "loss")
    if opt is not None:
        instance(opt, Optimizer, "opt")
    batch_size, trial = whole_number(batch_size, "batch_size", 1), whole_number(trial, "trial", 1)
    epochs = None if epochs is None else whole_number(epochs, "epochs", 1)
    seed = int(generator(copy.deepcopy(rng)).integers(2**31))
    setup = Setup(net, loss, opt, x, y, batch_size, epochs).copy()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if (refused := refusal(setup)) is not None:
            name, theorem, suspect = refused
            return Diagnosis([_finding(name, theorem, suspect, setup, "fault")], {})
        c = Context(setup, trial, seed)
        found = _measured(c)
        if try_remedies:
            found.gains = measured_gains(c, found.findings)
        return found


def _of_torch(model: Any, loss: Any, x: Any, y: Any, opt: Any, *settings: Any) -> Diagnosis:
    """The same of a PyTorch model, in its names."""
    from ..bridges.torch_diagnosis import as_minigrad, own_random_numbers  # only here: minigrad itself needs no PyTorch

    *turned, names, images = as_minigrad(model, loss, x, y, opt)
    batch_size, epochs, trial, try_remedies, rng = settings
    options = {"batch_size": batch_size, "epochs": epochs, "trial": trial, "try_remedies": try_remedies, "rng": rng}
    with own_random_numbers():
        return in_torch_words(diagnose(*turned, **options), names, model, images)


def _finding(name: str, theorem: str, suspect: Suspect, setup: Setup, level: str) -> Finding:
    change, (low, high) = suspect.change, suspect.expected
    return Finding(
        name, level, suspect.layer, float(suspect.measured), (float(low), float(high)), suspect.text, suspect.remedy,
        theorem, suspect.code, None if change is None else lambda: _made(setup, change), suspect.unit, change,
    )  # fmt: skip


@quiet
def _made(setup: Setup, change: Remedy) -> Setup:
    """A copy with a remedy made; x and y are its own too."""
    new = applied(setup, change)
    return replace(new, x=copy.deepcopy(new.x), y=copy.deepcopy(new.y))


@dataclass
class _Judged:
    """A suspect, and what a trial with its remedy reached; None where it was not tried."""

    rule: Rule
    suspect: Suspect
    trial: Trial | None
    gain: float
    curve: Curve | None = None


def _measured(c: Context) -> Diagnosis:
    suspects = _suspects(c)
    base = c.trial
    judged = [_judge(c, base, rule, suspect) for rule, suspect in suspects]
    reference = c.reference
    best = max([base.score, reference.score, *(j.trial.score for j in judged if j.trial)])
    learns = _learns(c, base, best) and not any(suspect.hopeless for _, suspect in suspects)
    findings = _levelled(c, judged, learns, base, best)
    layers = layer_numbers(c)
    expected = layers[0].expected if layers else None
    facts = {
        "loss": c.bp.loss,
        "constant_loss": c.constant,
        "decades": c.decades,
        "mean_field_decades": math.log10(expected / layers[-1].delta) if expected and layers[-1].delta else None,
        "coherence": coherence(c.sample.x),
        "neighbour_error": None if math.isnan(c.neighbour_error) else c.neighbour_error,
        "lr_limit": 2 / c.sharpness if c.sharpness > 0 else None,
        "score": base.score,
        "reference_score": reference.score,
        "best_score": best,
        "learns": learns,
        "trial_steps": base.steps,
        "trial_losses": base.losses,
    }
    curves = [curve("", base, c.constant), *(j.curve for j in judged if j.curve)]
    return Diagnosis(findings, facts, layers=layers, curves=curves)


def _suspects(c: Context) -> list[tuple[Rule, Suspect]]:
    found = []
    for rule in RULES:
        suspect = rule.function(c)
        if suspect is not None:
            found.append((rule, suspect))
    return found


def _judge(c: Context, base: Trial, rule: Rule, suspect: Suspect) -> _Judged:
    if suspect.change is None:
        return _Judged(rule, suspect, None, 0.0)
    new = applied(c.setup, suspect.change)
    if len(new.x) != len(c.setup.x):
        return _Judged(rule, suspect, None, 0.0)
    try:
        tried = c.trial_of(new)
    except (ValueError, TypeError, ArithmeticError):  # a remedy that does not fit here
        return _Judged(rule, suspect, None, 0.0)
    constant = constant_after(new, c.setup, c.constant)
    return _Judged(rule, suspect, tried, tried.score - base.score, curve(rule.name, tried, constant))


def _learns(c: Context, base: Trial, best: float) -> bool:
    """Whether the net, as it is, learns at least a part of what can be learned in so few steps."""
    if base.diverged:
        return False
    if base.score >= 0.85 or best - base.score < GAIN:
        return True
    planned = c.setup.planned_steps or 10 * c.setup.steps_an_epoch
    share = max(0.5 * math.sqrt(min(1.0, c.steps / planned)), 0.1)
    return base.score >= share * best


def _levelled(c: Context, judged: list[_Judged], learns: bool, base: Trial, best: float) -> list[Finding]:
    def order(j: _Judged) -> Any:
        return (not j.suspect.certain, j.suspect.symptom, -round(max(j.gain, 0), 1), j.rule.place)

    judged = sorted(judged, key=order)
    found, blamed = [], False
    for j in judged:
        helps = (
            j.gain >= max(GAIN, 0.4 * (best - base.score))
            if not base.diverged
            else (j.trial is not None and not j.trial.diverged and j.trial.score > 0)
        )
        level = "note"
        if not learns and (j.suspect.certain or helps):
            level = "slow" if blamed or j.suspect.symptom else "fault"
            blamed = True
        elif j.suspect.certain or j.suspect.costs or _saves(base, j):
            level = "slow"
        found.append(_finding(j.rule.name, j.rule.theorem, j.suspect, c.setup, level))
    if not learns and not blamed and (base.diverged or base.score < 0.03):
        found.insert(0, _unexplained(c, base, best))
    return sorted(found, key=lambda f: ("fault", "slow", "note").index(f.level))


def _saves(base: Trial, j: _Judged) -> bool:
    """Whether a remedy takes away a good part of what a net that learns still gets wrong."""
    left = 1 - base.score
    return (
        j.trial is not None
        and not j.suspect.symptom
        and j.gain >= 0.08
        and base.score < 0.9
        and 1 - j.trial.score < 0.6 * left
    )


def _unexplained(c: Context, base: Trial, best: float) -> Finding:
    changes: list[Remedy] = [standardise_inputs, redraw_weights]
    if c.setup.opt is not None:
        changes.append(set_lr(usual_rate(c.setup.opt)))
    name = "diverges" if base.diverged else "stuck"
    ratio = base.worst / base.losses[0] if 0 < base.losses[0] < math.inf else math.inf
    if base.refused:
        text = sentence(f"Training ended with an error: {base.refused}")
    elif not math.isfinite(base.losses[0]):
        text = "Before the first step the loss is NaN or infinite already, and no rule says why."
    elif base.diverged:
        text = f"In {base.steps} steps the loss grew {ratio:.3g} times, and no rule says why."
    else:
        text = f"In {base.steps} steps the score went to {base.score:.2f}; a plain net reached {best:.2f}."
    suspect = Suspect(
        ratio if base.diverged else base.score, (0, 10) if base.diverged else (0.1, 1), text,
        "Standardise x, draw the weights anew and take a usual lr.", in_turn(*changes), "", certain=True,
    )  # fmt: skip
    return _finding(name, "A trial.", suspect, c.setup, "fault")
