"""What a diagnosis holds; text.py, page.py and diagnose.py show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .curves import Curve
from .finding import Finding
from .gains import Gain
from .layers import LayerNumbers


@dataclass(eq=False)
class Measured:
    """What diagnose found.

    findings  ranked: what keeps the net from learning first
    facts     {name: number}: loss, constant_loss (of the best constant output), decades of delta lost on the way down
              and the mean_field_decades expected, coherence of x, neighbour_error (of the nearest sample's target,
              as a share of chance), lr_limit, and what trials reached: score, reference_score, best_score, learns,
              trial_losses; None where there is nothing to measure
    gains     with try_remedies: what each remedy was worth, alone and one after the other; else empty
    layers    what was measured of each layer with a weight, in forward order
    curves    the losses of the trials: of the net as it is, then with each remedy

    facts, layers and curves are empty where fit would refuse to train at all.
    """

    findings: list[Finding]
    facts: dict[str, Any]
    gains: list[Gain] = field(default_factory=list)
    layers: list[LayerNumbers] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """No finding is a fault."""
        return not any(finding.level == "fault" for finding in self.findings)
