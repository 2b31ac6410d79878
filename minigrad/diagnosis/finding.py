"""What a diagnosis says: findings, each with the number that was measured and the range expected of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .setup import Setup

LEVELS = ("fault", "slow", "note")
NAMES = {
    "data": (
        "input_shape", "nan_data", "target_shape", "one_class", "imbalance", "unused_outputs", "unscaled_input",
        "uneven_features", "mean_input", "unscaled_target", "labels", "sorted_data",
    ),
    "output": (
        "target_range", "activation_before_logits", "softmax_twice", "softmax_of_one", "mse_on_probabilities",
        "bce_without_sigmoid", "sum_loss", "wrong_delta",
    ),
    "structure": ("no_activation", "no_bias", "bottleneck", "dropout", "batchnorm_statistics"),
    "start": (
        "nan_weights", "symmetry", "dead_units", "saturation", "vanishing", "exploding", "blind_units", "loud_start",
    ),
    "steps": (
        "lr_high", "lr_low", "momentum", "weight_decay", "few_steps", "one_sample", "diverges", "stuck",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that may keep a net from learning.

    name      one of NAMES
    level     "fault": the net does not learn, and this is why; "slow": it costs; "note": worth knowing
    layer     the path of the layer, as in bp.gradients; None where it is no layer's
    measured  the number, and expected the range (low, high) that it has in nets that learn
    text      what was found, in a sentence; remedy what to do about it; theorem why, and where the range comes from
    code      the remedy as Python, for net, loss, opt, x, y, batch_size, epochs; "" where there is none
    apply     apply() returns a Setup of copies with the remedy made; None where there is no automatic remedy
    """

    name: str
    level: str
    layer: str | None
    measured: float
    expected: tuple[float, float]
    text: str
    remedy: str
    theorem: str
    code: str = ""
    apply: Callable[[], Setup] | None = field(default=None, compare=False, repr=False)
    unit: str = ""
    change: Callable[[Setup], None] | None = field(default=None, compare=False, repr=False)

    @property
    def kind(self) -> str:
        """Which of the five kinds it is of: data, output, structure, start, steps."""
        return next(kind for kind, names in NAMES.items() if self.name in names)

    def at_level(self, level: str) -> Finding:
        return replace(self, level=level)

    def entry(self) -> dict[str, Any]:
        """JSON-ready values."""
        low, high = self.expected
        return {
            "name": self.name,
            "kind": self.kind,
            "level": self.level,
            "layer": self.layer,
            "measured": _plain(self.measured),
            "expected": [_plain(low), _plain(high)],
            "unit": self.unit,
            "text": self.text,
            "remedy": self.remedy,
            "code": self.code,
            "theorem": self.theorem,
        }


def _plain(value: float) -> float | str:
    """A number as JSON has it; what it has no number for as text."""
    return float(value) if math.isfinite(value) else repr(float(value))
