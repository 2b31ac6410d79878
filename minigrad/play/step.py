"""Scene 2, one step of a small net: where delta comes from, as numbers, forward and then backward a layer at a time.

All numbers are those of one forward and one backward pass. Only in the last phase, the update, the weights that are
shown are the new ones; the next step then begins with a pass of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .controls import Control, any_float, checked, choice, number, settings, whole
from .step_pass import ACTIVATIONS, LAYERS, NETS, SAMPLES, Pass, opening, shape
from .step_script import script
from .step_words import PHASES, letters, lit, sentence, spelled

UPDATE = len(PHASES) - 1
SETTINGS = {
    "net": Control("2-3-2", choice(tuple(NETS))),
    "activation": Control("sigmoid", choice(ACTIVATIONS)),
    "lr": Control(0.5, number(1e-6, 1e6)),
    "samples": Control(1, whole(1, SAMPLES)),
    "sample": Control(1, whole(1, SAMPLES)),  # the one that is shown, counted from 1
    "phase": Control(0, whole(0, UPDATE)),
    "steps": Control(0, whole(0, 10**9)),
}
# What each phase adds to what is known.
REACHED = (("x", "y"), ("z.0", "a.0"), ("z.2", "loss"), ("delta.2",), ("g.2", "gb.2"), ("delta.0",), ("g.0", "gb.0"))
FOCUS = (*REACHED, ("w", "b", "loss-after"))


def controls(net: str) -> dict[str, Control]:
    """The controls of a net: the settings, and each of its numbers."""
    checks = {"w": any_float, "b": any_float, "x": number(-1e9, 1e9), "y": number(-1e9, 1e9)}
    return SETTINGS | {name: Control(value, checks[name[0]]) for name, value in opening(net).items()}


class Step:
    """The scene: a net with its samples, the pass that they lead to, and the phase that is looked at."""

    NAME = "step"
    TITLE = "Where does delta come from?"
    running = False  # every action is done at once

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        net = (state or {}).get("net")
        self._state, self.notes = settings(state, controls(net if isinstance(net, str) and net in NETS else "2-3-2"))
        self._pass()

    def _pass(self) -> None:
        self._state["sample"] = min(self._state["sample"], self._state["samples"])
        self.found = Pass(self._state)

    def state(self) -> dict[str, Any]:
        """The settings, all numbers that can be changed, the phase and the steps so far."""
        return dict(self._state)

    @property
    def updated(self) -> bool:
        """True in the phase that shows the new weights."""
        return bool(self._state["phase"] == UPDATE)

    def set(self, name: str, value: Any) -> None:
        """Change one control. x.j and y.k are those of the sample that is shown.

        A weight that is changed after the update belongs to the next step, and its pass is shown.
        """
        if name.startswith(("x.", "y.")) and name.count(".") == 1:
            letter, _, place = name.partition(".")
            name = f"{letter}.{self._state['sample'] - 1}.{place}"
        value = checked(controls(self._state["net"]), name, value)
        if name.startswith(("w.", "b.")) and self.updated:
            self._begin_next(phase=UPDATE - 1)
        if name == "net":
            kept = {key: self._state[key] for key in SETTINGS} | {"net": value, "phase": 0, "steps": 0}
            self._state = kept | opening(value)
        else:
            self._state[name] = value
        if name == "sample":
            self._state["samples"] = max(self._state["samples"], value)
        self._pass()

    def act(self, action: str, **arguments: Any) -> None:
        """next or back by one phase, whole-step to the update, reset to the weights of the opening. Else ValueError."""
        phase = self._state["phase"]
        if action == "next" and not self.updated:
            self._state["phase"] = phase + 1
        elif action == "next":
            self._begin_next()
        elif action == "back":
            self._state["phase"] = max(phase - 1, 0)
        elif action == "whole-step":
            if self.updated:
                self._begin_next()
            self._state["phase"] = UPDATE
        elif action == "reset":
            numbers = opening(self._state["net"])
            self._state |= {"phase": 0, "steps": 0} | {k: v for k, v in numbers.items() if k[0] in "wb"}
        else:
            raise ValueError(f"unknown action {action!r}, expected one of: next, back, whole-step, reset")
        self._pass()

    def _begin_next(self, phase: int = 0) -> None:
        """The new weights are the weights, and the pass with them is looked at in this phase."""
        self._state |= self.found.weights(after=True) | {"phase": phase, "steps": self._state["steps"] + 1}

    def advance(self, seconds: float) -> bool:
        """There is nothing to wait for."""
        return False

    def values(self) -> dict[str, float]:
        """Every number of the pass; the weights after the update in that phase, else before it."""
        found = self.found
        return {
            **found.weights(after=self.updated),
            **found.sample(self._state["sample"] - 1),
            **found.gradients(),
            "loss": found.bp.loss,
            "loss-after": found.loss_after,
            "steps": self._state["steps"] + self.updated,
        }

    def view(self) -> dict[str, Any]:
        """What the page draws: what is reached and in focus, each number spelled out, and the letters of others."""
        state, values, phase = self._state, self.values(), self._state["phase"]
        words = spelled(state, self.found, values)
        reached = [name for part in REACHED[: phase + 1] for name in _of(part, values)]
        focus = _of(FOCUS[phase], values)
        weights = self.found.weights(after=False)
        return {
            "sentence": sentence(state, self.found, values),
            "sizes": list(NETS[state["net"]]),
            "shapes": {str(layer): list(shape(state["net"], layer)) for layer in LAYERS},
            "activation": state["activation"],
            "phase": PHASES[phase],
            "phases": list(PHASES),
            "backward": 3 <= phase < UPDATE,
            "first": phase == 0,
            "updated": self.updated,
            "samples": state["samples"],
            "reached": [*reached, *weights],
            "focus": focus,
            "spelled": words,
            "lines": [words[name] for name in focus if name in words],
            "lit": lit(state["net"]),
            "letters": letters(phase),
            "moved": {name: values[name] - value for name, value in weights.items()} if self.updated else {},
        }

    def as_python(self) -> str:
        """A script that makes the same pass and the same step, to the same bits, and prints the values."""
        return script(self._state, self.updated)


def _of(parts: tuple[str, ...], values: Mapping[str, float]) -> list[str]:
    """The names of values that are one of these, or inside it: "w" is of w.0.0.1."""
    return [name for name in values if any(name == part or name.startswith(f"{part}.") for part in parts)]
