"""Scene 1, one neuron with two weights, asks why gradient descent zig-zags, and whether it is the signs.

Each control describes the run from its start, so that moving a slider bends the whole path at once. The state is the
controls and the number of steps; the same state is the same run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from .controls import Control, checked, choice, number, settings, whole, yes_no
from .neuron_path import MOST, Path, largest_difference
from .neuron_picture import bowl, cloud, strip
from .neuron_script import script
from .neuron_words import compared, sentence

MOST_AWAY = 2.5  # of a start or target from 0, along each axis
CONTROLS = {
    "mean": Control(0.5, number(-1, 1)),
    "spread": Control(0.12, number(0.02, 1)),
    "turn": Control(0.0, number(0, 360)),
    "flip": Control(False, yes_no),
    "optimizer": Control("sgd", choice(("sgd", "adam"))),
    "lr": Control(1.87, number(1e-3, 1e3)),  # 2/lambda_1 is 1.94 where mean and spread are these
    "momentum": Control(0.0, number(0, 0.99)),
    "batch": Control("all", choice(("all", "16", "4", "1"))),
    "start-1": Control(2.0, number(-MOST_AWAY, MOST_AWAY)),  # from the target along the steep axis
    "start-2": Control(0.8, number(-MOST_AWAY, MOST_AWAY)),
    "target-1": Control(0.8, number(-MOST_AWAY, MOST_AWAY)),
    "target-2": Control(-0.4, number(-MOST_AWAY, MOST_AWAY)),
    "steps": Control(0, whole(0, MOST)),
}
OTHER_TURN = 30.0  # degrees: what a run that is not turned is compared with
RATE = 160  # steps a second of a run that is watched


class Neuron:
    """The scene: its controls, the run that they describe, and that run flipped and turned."""

    NAME = "neuron"
    TITLE = "Why does it zig-zag, and is it the signs?"

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._setting, self.notes = settings(state, CONTROLS)
        self._steps = self._setting.pop("steps")
        self.running, self._began = False, (0.0, 0)  # of a run that is watched: the time and the step
        self._start(to_its_end=False)

    def _start(self, to_its_end: bool) -> None:
        """The run anew, as far as it was or to its end, and those that it is compared with."""
        setting = self._setting
        self.path = Path(setting)
        self.path.go_to(self._steps, to_its_end)
        self._steps = self.path.steps
        self.flipped = Path(setting | {"flip": not setting["flip"]})
        self.turned = Path(setting | {"turn": 0.0 if setting["turn"] else OTHER_TURN})
        self._go()

    def _go(self) -> None:
        for path in (self.path, self.flipped, self.turned):
            path.go_to(self._steps)
        self._values = self._measure()

    def state(self) -> dict[str, Any]:
        """The controls and the steps: all that is needed to see the same again."""
        return self._setting | {"steps": self._steps}

    def set(self, name: str, value: Any) -> None:
        """Change one control; the run starts again with it and goes as far as it was, or to its end."""
        value = checked(CONTROLS, name, value)
        if name == "steps":
            self._steps = value
        else:
            self._setting[name] = value
        self._start(to_its_end=name != "steps")

    def act(self, action: str, **arguments: Any) -> None:
        """Do step, run, stop or reset; or move a point ("start", "target") to where it was dragged in the picture.

        run takes watched=False to arrive at once. ValueError for anything else.
        """
        if action == "step":
            self.running, self._steps = False, min(self._steps + 1, MOST)
            self._go()
        elif action == "run":
            self.running, self._began = not self.path.ended, (time.monotonic(), self._steps)
            if arguments.get("watched") is False:
                self._take(MOST)
        elif action == "stop":
            self.running = False
        elif action == "reset":
            self.running, self._steps = False, 0
            self._start(to_its_end=False)
        elif action == "move":
            self._move(arguments.get("point"), arguments.get("to"))
        else:
            raise ValueError(f"unknown action {action!r}, expected one of: step, run, stop, reset, move")

    def _move(self, point: Any, to: Any) -> None:
        """Put the start or the target where the picture, turned and flipped as it is, shows to = [w_1, w_2]."""
        if point not in ("start", "target") or not isinstance(to, list) or len(to) != 2:
            raise ValueError("move needs a point, start or target, and where to: [w_1, w_2]")
        shown = np.array([number(-1e3, 1e3)(value, "to") for value in to])
        place = np.clip(self.path.gauge.T @ shown, -MOST_AWAY, MOST_AWAY).round(3)  # the gauge is orthogonal
        for j, value in enumerate(place, 1):
            self._setting[f"{point}-{j}"] = float(value)
        self._start(to_its_end=True)

    def advance(self, seconds: float) -> bool:
        """Wait so long and take the steps that are due: a run is there to be watched. False at its end."""
        time.sleep(seconds)
        began, first = self._began
        self._take(max(1, round(RATE * (time.monotonic() - began)) + first - self._steps))
        return self.running

    def _take(self, count: int) -> None:
        """So many steps of a run, or as many as there are to its end."""
        if self.running:
            self.path.go_to(self._steps + count, to_its_end=True)
            self._steps = self.path.steps
            self.running = not self.path.ended
            self._go()

    def values(self) -> dict[str, float]:
        """Every number that the scene shows, by its name."""
        return dict(self._values)

    def _measure(self) -> dict[str, float]:
        path = self.path
        (w1, w2), (g1, g2) = path.weights[-1], path.gradient()
        return {
            **{name: self._setting[name] for name in ("mean", "spread", "turn", "lr", "momentum")},
            "loss": path.losses[-1],
            "first-loss": path.losses[0],
            "steps": path.steps,
            "reversals": path.reversals(),
            "single-signed": sum(direction in ("plus", "minus") for direction in path.directions()),
            "orthant-pairs": path.orthant_pairs(),
            "lr-limit": float(2 / path.curvatures()[0]),
            "difference-flipped": largest_difference(path, self.flipped),
            "difference-turned": largest_difference(path, self.turned),
            "w.0.0.0": float(w1),
            "w.0.0.1": float(w2),
            "g.0.0.0": float(g1),
            "g.0.0.1": float(g2),
        }

    def view(self) -> dict[str, Any]:
        """What the page draws: the bowl with its path, its zig-zag by steps, the cloud of the inputs, the sentence."""
        state = self.state()
        return {
            "sentence": sentence(self.path, state, self._values),
            "compared": compared(state, OTHER_TURN),
            "bowl": bowl(self.path, self.turned if state["turn"] else None),
            "strip": strip(self.path),
            "cloud": cloud(self.path),
            "has-momentum": state["optimizer"] == "sgd",
        }

    def as_python(self) -> str:
        """A script that makes the same run to the same bits and prints the values."""
        return script(self.state(), OTHER_TURN)
