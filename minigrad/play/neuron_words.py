"""What is seen in the first scene now, in words made from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .neuron_path import Path
from .wire import rounded

EQUAL = 1e-9  # losses are the same but for rounding where they differ by less than this part of the largest


def sentence(path: Path, state: Mapping[str, Any], values: Mapping[str, float]) -> str:
    """What happened to the signs, whether the path turns round, why, and what flipping or turning changed."""
    if values["steps"] == 0:
        return f"{_inputs(path, values)} {_rate(state, values)}"
    seen = f"{_signs(int(values['steps']), int(values['single-signed']))}; {_reversals(int(values['reversals']))}."
    largest = max(path.losses)
    if not math.isfinite(largest):
        return f"{seen} {_rate(state, values)} The loss has left the floats."
    return " ".join([seen, _rate(state, values), *_differences(state, values, largest)])


def _inputs(path: Path, values: Mapping[str, float]) -> str:
    share = values["orthant-pairs"]
    if (path.x > 0).all():
        return "All inputs are positive: on each sample both weights go the way that delta says, up or down together."
    if share == 1:
        return "On each sample one weight goes up and the other down: all updates lie in one pair of opposite orthants."
    if math.isnan(share):
        return "The start is the target: there is no error, and nothing moves."
    return f"{100 * share:.0f} % of the pairs of samples push the weights into the same pair of opposite orthants."


def _signs(steps: int, single: int) -> str:
    if steps == 1:
        return f"The update {'moved' if single else 'did not move'} both weights the same way"
    count = {steps: "All", 0: "None of the"}.get(single, f"{single} of the")
    return f"{count} {steps} updates moved both weights the same way"


def _reversals(count: int) -> str:
    if count == 0:
        return "the path never turned round"
    return f"the path turned round {'once' if count == 1 else f'{count} times'}"


def _rate(state: Mapping[str, Any], values: Mapping[str, float]) -> str:
    if state["optimizer"] == "adam":
        return "Adam divides each weight's step by the size of that weight's gradients, so the axes matter to it."
    share, momentum = state["lr"] / values["lr-limit"], state["momentum"]
    rate = f"lr is {100 * share:.3g} % of 2/λ₁"
    if momentum:
        return f"{rate}; with a momentum of {momentum:g} it may be up to {100 * (1 + momentum):.3g} %."
    if share > 1:
        return f"{rate}: each step ends farther from the valley than it began."
    if share > 0.5:
        return f"{rate}: each step crosses the valley, and that is the zig-zag."
    return f"{rate}, at most half: no step crosses the valley."


def _differences(state: Mapping[str, Any], values: Mapping[str, float], largest: float) -> list[str]:
    """What turning or flipping did to the losses, where the run is turned or flipped."""
    said = []
    if state["flip"] and values["difference-flipped"] == 0:
        said.append("Without the flip every loss is the same, to the last bit: the signs did not cause this.")
    if state["turn"]:
        difference = values["difference-turned"]
        cause = "the orthants did not cause this" if difference < EQUAL * largest else "the axes made a difference"
        said.append(f"Not turned, no loss differs by more than {rounded(difference)}: {cause}.")
    return said


def compared(state: Mapping[str, Any], other_turn: float) -> list[str]:
    """What the two runs beside this one are: flipped or not, turned or not."""
    turned = f"turned by {other_turn:g}°" if state["turn"] == 0 else "not turned"
    return ["not flipped" if state["flip"] else "flipped", turned]
