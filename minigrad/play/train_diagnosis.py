"""The diagnosis of the training scene, beside the page in a thread, and its remedies as settings."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..diagnosis import Diagnosis, Finding, Setup, diagnose
from ..diagnosis.remedies import gain_of
from ..diagnosis.text import expected_text, is_flag, verdict
from ..layers.activations import ACTIVATIONS, Activation
from ..layers.linear import Linear
from .train_run import setup_of
from .train_settings import DEPTH, TANH_START, WIDTH, Settings, changed


class Remedied(NamedTuple):
    """A finding, and the settings that its remedy changes: [(control, value)], empty where only words can say it."""

    finding: Finding
    changes: list[tuple[str, Any]]


class Inquiry:
    """A diagnosis of the net as it starts, which takes its time in a thread of its own.

    found is None until it is there, and where it ends with an error; then the verdict and the findings.
    """

    def __init__(self, setting: Settings) -> None:
        self.setting = setting
        self.found: tuple[str, list[Remedied]] | None = None
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        setup = setup_of(self.setting)
        said = diagnose(
            setup.net, setup.loss, setup.x, setup.y, setup.opt, batch_size=setup.batch_size, rng=self.setting["seed"]
        )
        self.found = self._remedied(said)

    def _remedied(self, said: Diagnosis) -> tuple[str, list[Remedied]]:
        found = [Remedied(finding, as_settings(finding, self.setting)) for finding in said.findings]
        return verdict(said), found

    def wait(self, seconds: float | None = None) -> bool:
        """Wait at most so long; True when the thread has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


def described(finding: Finding, changes: list[tuple[str, Any]]) -> dict[str, Any]:
    """A finding for the page, and its remedy as controls in words."""
    return {
        "name": finding.name.replace("_", " "),
        "level": finding.level,
        "layer": finding.layer,
        "text": finding.text,
        "measured": "" if is_flag(finding) else f"{finding.measured:.4g} {finding.unit}".strip(),
        "expected": "" if is_flag(finding) else f"{expected_text(finding)} {finding.unit}".strip(),
        "remedy": finding.remedy,
        "changes": [f"{name}: {_said(value)}" for name, value in changes],
    }


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{width} {kind}" for width, kind in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def as_settings(finding: Finding, setting: Settings) -> list[tuple[str, Any]]:
    """What the remedy of a finding changes, as (control, value); [] where that cannot be said in settings."""
    if finding.apply is None:
        return []
    before, after = setup_of(setting), finding.apply()
    if len(after.x) != len(before.x) or len(after.y) != len(before.y):
        return []
    wanted = dict(_wanted(before, after, setting))
    found, new = [], setting
    for name, value in wanted.items():
        try:
            new = changed(new, name, value)
        except (ValueError, TypeError):
            return []
        found.append((name, value))
    return found if new != setting else []


def _wanted(before: Setup, after: Setup, setting: Settings) -> Iterable[tuple[str, Any]]:
    if not np.array_equal(after.x, before.x):
        yield "scale", "standard"
    if type(after.loss) is not type(before.loss):  # before the output: some losses want its sigmoid
        yield "loss", after.loss.kind
    layers = _layers(after.net)
    if layers is not None:
        hidden, output = layers
        if output != setting["output"]:
            yield "output", output
        if hidden != setting["hidden"]:
            yield "hidden", hidden
        elif _redrawn(before, after):
            yield "init", _init(hidden)
    if after.opt is not None and before.opt is not None:
        if after.opt.lr != before.opt.lr:
            yield "lr", after.opt.lr
        momentum = getattr(after.opt, "momentum", setting["momentum"])
        if setting["optimizer"] == "sgd" and momentum != setting["momentum"]:
            yield "momentum", momentum
    if after.batch_size != before.batch_size:
        yield "batch", after.batch_size


def _layers(net: Any) -> tuple[list[list[Any]], str] | None:
    """(hidden, output) as settings say them; None for a net that they cannot say."""
    rows: list[list[Any]] = []
    for layer in net:
        if isinstance(layer, Linear):
            rows.append([layer.out_features, "identity"])
        elif isinstance(layer, Activation) and rows and rows[-1][1] == "identity":
            rows[-1][1] = layer.kind
        else:
            return None
    if len(rows) > DEPTH + 1 or any(width > WIDTH for width, _ in rows[:-1]):
        return None
    return rows[:-1], rows[-1][1]


def _redrawn(before: Setup, after: Setup) -> bool:
    """Whether all weights are others, and not only those of one layer."""
    mine, theirs = ([layer.weight for layer in setup.net if isinstance(layer, Linear)] for setup in (before, after))
    same = [np.array_equal(weight, other) for weight, other in zip(mine, theirs, strict=True)]
    return len(same) > 1 and not any(same)


def _init(hidden: list[list[Any]]) -> str:
    """The init that keeps the size of what goes through these layers, as the diagnosis draws them."""
    kinds = {kind for _, kind in hidden}
    if kinds in ({"sigmoid"}, {"centered_sigmoid"}):
        return TANH_START
    names = {gain_of(ACTIVATIONS[kind])[0] for kind in kinds}
    return max(names, default="glorot_normal")  # he_normal where one of them asks for it
