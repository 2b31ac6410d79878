"""Scene 1, one neuron with two weights, asks why gradient descent zig-zags, and whether it is the signs.

Each control describes the run from its start, so that moving a slider bends the whole path at once. The state is the
controls and the number of steps; the same state is the same run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from .controls import Control, checked, choice, number, settings, whole, yes_no
from .neuron_path import MOST, SAMPLES, Path, largest_difference
from .neuron_script import script
from .neuron_words import sentence

CONTROLS = {
    "mean": Control(0.5, number(-1, 1)),
    "spread": Control(0.12, number(0.02, 1)),
    "turn": Control(0.0, number(0, 360)),
    "flip": Control(False, yes_no),
    "optimizer": Control("SGD", choice(("SGD", "Adam"))),
    "lr": Control(1.87, number(1e-3, 1e3)),  # 2/lambda_1 is 1.94 where mean and spread are these
    "momentum": Control(0.0, number(0, 0.99)),
    "batch": Control("all", choice(("all", "16", "4", "1"))),
    "start-1": Control(2.0, number(-2.5, 2.5)),  # from the target along the steep axis
    "start-2": Control(0.8, number(-2.5, 2.5)),
    "target-1": Control(0.8, number(-2.5, 2.5)),
    "target-2": Control(-0.4, number(-2.5, 2.5)),
    "steps": Control(0, whole(0, MOST)),
}
OTHER_TURN = 30.0  # degrees: what a run that is not turned is compared with
HALF = 3.6  # the plane of the weights is drawn from -HALF to HALF: room for every start, however it is turned
LEVELS = tuple(0.01 * 4.0**k for k in range(7))  # of the loss, for the contours
RATE = 160  # steps a second of a run that is watched
POINTS = ("start", "target")


class Neuron:
    """The scene: its controls, the run that they describe, and that run flipped and turned."""

    NAME = "neuron"
    TITLE = "Why does it zig-zag, and is it the signs?"

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._setting, self.notes = settings(state, CONTROLS)
        self._steps = self._setting.pop("steps")
        self.running = False
        self._start()

    def _start(self) -> None:
        """The run, and those that it is compared with, up to the steps of now."""
        setting = self._setting
        flipped = setting | {"flip": not setting["flip"]}
        turned = setting | {"turn": 0.0 if setting["turn"] else OTHER_TURN}
        self.path, self.flipped, self.turned = Path(setting), Path(flipped), Path(turned)
        self._go()

    def _go(self) -> None:
        for path in (self.path, self.flipped, self.turned):
            path.go_to(self._steps)

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
            self._steps = min(self._steps, self._end())
        self._start()

    def _end(self) -> int:
        """The step at which the run ends by itself, if it does so before the steps of now."""
        path = Path(self._setting)
        while path.steps < self._steps and not path.ended:
            path.step()
        return path.steps

    def act(self, action: str, **arguments: Any) -> None:
        """Do step, run, stop or reset; or move a point ("start", "target") to where it was dragged in the picture.

        run takes watched=False to arrive at once. ValueError for anything else.
        """
        if action == "step":
            self.running, self._steps = False, min(self._steps + 1, MOST)
            self._go()
        elif action == "run":
            self.running = not self.path.ended
            while self.running and arguments.get("watched") is False:
                self._one_more()
        elif action == "stop":
            self.running = False
        elif action == "reset":
            self.running, self._steps = False, 0
            self._start()
        elif action == "move":
            self._move(arguments.get("point"), arguments.get("to"))
        else:
            raise ValueError(f"unknown action {action!r}, expected one of: step, run, stop, reset, move")

    def _move(self, point: Any, to: Any) -> None:
        """Put the start or the target where the picture, turned and flipped as it is, shows to = [w_1, w_2]."""
        if point not in POINTS or not isinstance(to, list) or len(to) != 2:
            raise ValueError("move needs a point, start or target, and where to: [w_1, w_2]")
        shown = np.array([number(-1e3, 1e3)(value, "to") for value in to])
        place = np.clip(self.path.gauge.T @ shown, -2.5, 2.5).round(3)  # the gauge is orthogonal
        for j, value in enumerate(place, 1):
            self._setting[f"{point}-{j}"] = float(value)
        self._steps = min(self._steps, self._end())
        self._start()

    def advance(self, seconds: float) -> bool:
        """Take the steps of so many seconds, which last as long: a run is there to be watched. False at its end."""
        began = time.monotonic()
        for _ in range(max(1, round(RATE * seconds))):
            if self.running:
                self._one_more()
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        return self.running

    def _one_more(self) -> None:
        self._steps += 1
        self._go()
        self.running = not self.path.ended

    def values(self) -> dict[str, float]:
        """Every number that the scene shows, by its name."""
        path = self.path
        directions = path.directions()
        (g1, g2), (w1, w2) = path.gradient.weight[0], path.weights[-1]
        return {
            "loss": path.losses[-1],
            "first-loss": path.losses[0],
            "steps": path.steps,
            "reversals": path.reversals(),
            "single-signed": sum(direction in ("plus", "minus") for direction in directions),
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
        """What the page draws: the bowl with its path, the cloud of the inputs, the sentence."""
        path, setting = self.path, self._setting
        values, axes = np.linalg.eigh(path.x.T @ path.x / SAMPLES)
        long, short = axes.T  # of the valley, and of the steep side
        radii = [[math.sqrt(level / max(value, 1e-12)) for value in values] for level in LEVELS]
        return {
            "sentence": sentence(path, self.state(), self.values()),
            "bowl": {
                "half": HALF,
                "angle": math.degrees(math.atan2(long[1], long[0])),
                "radii": radii,  # along the valley, across it
                "steep": short,
                "target": path.target,
                "start": path.weights[0],
                "path": path.finite_weights(),
                "directions": path.directions(),
            },
            "cloud": {
                "half": max(1.0, math.ceil(2.2 * float(np.abs(path.x).max())) / 2),
                "points": path.x,
                "mean": path.x.mean(axis=0),
                "steep": short,
            },
            "limit": float(2 / path.curvatures()[0]),
            "turned-by": f"{setting['turn'] or OTHER_TURN:g}",
            "has-momentum": setting["optimizer"] == "SGD",
        }

    def as_python(self) -> str:
        """A script that makes the same run to the same bits and prints the values."""
        return script(self.state(), OTHER_TURN)
