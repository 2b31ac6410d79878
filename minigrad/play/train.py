"""Scene 3, a whole net: what it does while it learns.

The settings describe a run from its first weights on, and the steps say how far it has come: the same settings and
steps are the same run, to the bit. Every change of what is trained begins a new one.
"""

from __future__ import annotations

import inspect
import time
import weakref
from collections.abc import Mapping
from typing import Any

from .._advice import shown
from .._checks import whole_number
from .train_diagnosis import Inquiry, Remedied, described
from .train_numbers import entry, run_numbers
from .train_run import Run, data_of, most_steps, second_setup, setup_of
from .train_script import script
from .train_seeds import Seeds
from .train_settings import DEPTH, SHOWN, SPEEDS, WATCHED, Settings, changed, choices, read, samples
from .train_view import cards, confusion, curve, fan, field, images, points
from .train_words import sentence

ACTIONS = ("step", "steps", "run", "stop", "reset", "look", "diagnose", "apply", "dismiss", "seeds")
FAN = 300  # steps of the seeds, at least


class Train:
    """The scene: its settings, the run that they describe, and a second one over the same batches."""

    NAME = "train"
    TITLE = "What does a whole net do?"

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._setting, self.notes = read(state)
        steps = self._setting.pop("steps")
        self._training = False
        self._inquiry: Inquiry | None = None
        self._fan: Seeds | None = None
        self._found: tuple[str, list[Remedied]] | None = None
        self._looked: tuple[str, str, int, int] | None = None
        self._begin()
        most = most_steps(self._setting)
        if steps > most:
            self.notes.append(f"The address says {steps:,} steps, more than the {most:,} that this net may take.")
        self._take(min(steps, most))

    def _begin(self) -> None:
        """New runs, before their first steps, and nothing that was found out about the old ones."""
        setting = self._setting
        self.run = Run(setup_of(setting), data_of(setting), setting["seed"])
        self._due, self._training = 0.0, False
        self._inquiry = self._found = None
        self._drop_fan()
        self._begin_second()

    def _begin_second(self) -> None:
        """The run that is compared, as far as the first one is."""
        setting, setup = self._setting, second_setup(self._setting)
        self.second = None if setup is None else Run(setup, data_of(setting), setting["seed"])
        self._take(0)

    def _take(self, steps: int) -> None:
        """So many steps of the first run, and the second as far as the first."""
        self.run.take(steps)
        if self.second is not None:
            self.second.take(self.run.steps - self.second.steps)

    @property
    def running(self) -> bool:
        """There are steps to take, or a diagnosis or the seeds to wait for."""
        return self._training or self._inquiry is not None or (self._fan is not None and not self._fan.ended)

    @running.setter
    def running(self, value: bool) -> None:
        self._training = value

    # ---- what the page says ------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """The settings and the steps: all that is needed to see the same again."""
        return self._setting | {"steps": self.run.steps}

    def set(self, name: str, value: Any) -> None:
        """Change one control: another net, other data, or another way to train begin a new run."""
        new = changed(self._setting | {"steps": self.run.steps}, name, value)
        steps = new.pop("steps")
        if name == "steps" and steps > (most := most_steps(new)):
            raise ValueError(f"steps is {steps:,}, expected at most {most:,} for this net")
        before, self._setting = self._setting, new
        if name == "steps":
            self._go_to(steps)
        elif name not in WATCHED:
            self._begin()
        elif new["compare"] != before["compare"]:
            self._begin_second()

    def _go_to(self, steps: int) -> None:
        if steps < self.run.steps:
            kept = self._found
            self._begin()
            self._found = kept
        self._take(steps - self.run.steps)

    def act(self, action: str, **arguments: Any) -> None:
        """Do what a button says: one of ACTIONS. ValueError or TypeError, in words, for what cannot be done.

        steps takes n; look takes what ("a", "delta", "g"), layer, i, j, and without them looks away; apply takes the
        number of a finding.
        """
        if action not in ACTIONS:
            raise ValueError(f"unknown action {shown(action)}, expected one of: {', '.join(ACTIONS)}")
        method = getattr(self, f"_{action}")
        for name in arguments:
            if name not in inspect.signature(method).parameters:
                raise ValueError(f"{action} does not take {name}")
        method(**arguments)

    def _step(self) -> None:
        self._training = False
        self._steps(1)

    def _steps(self, n: Any = 1) -> None:
        self._take(min(whole_number(n, "n", 1), self._left()))

    def _left(self) -> int:
        return most_steps(self._setting) - self.run.steps

    def _run(self) -> None:
        self._training = not self._training and not self.run.ended and self._left() > 0
        self._due = 0.0

    def _stop(self) -> None:
        self._training = False

    def _reset(self) -> None:
        self._begin()

    def _look(self, what: Any = None, layer: Any = None, i: Any = None, j: Any = None) -> None:
        if what is None:
            self._looked = None
            return
        place = str(what), str(layer), whole_number(i, "i", 0), whole_number(j, "j", 0)
        if entry(self.run, self._setting["sample"], *place) is None:
            raise ValueError(f"there is no entry [{i}, {j}] of {shown(what)} in layer {shown(layer)}")
        self._looked = place

    def _diagnose(self) -> None:
        if self._inquiry is None:
            self._found, self._inquiry = None, Inquiry(self._setting)

    def _dismiss(self) -> None:
        self._found = None

    def _seeds(self) -> None:
        self._drop_fan()
        self._fan = Seeds(self._setting, max(FAN, self.run.steps))
        weakref.finalize(self, self._fan.stop)  # its thread ends with the tab

    def _drop_fan(self) -> None:
        if self._fan is not None:
            self._fan.stop()
        self._fan = None

    def _apply(self, number: Any = 0) -> None:
        findings = self._found[1] if self._found else []
        if not findings:
            raise ValueError("there is no finding to apply: press diagnose first")
        finding = findings[whole_number(number, "number", 0, len(findings) - 1)]
        if not finding.changes:
            raise ValueError(f"{finding.finding.name} has no remedy that these controls can make")
        new: Settings = self._setting
        for name, value in finding.changes:
            new = changed(new, name, value)
        self._setting = new
        self._begin()

    def advance(self, seconds: float) -> bool:
        """Take the steps of so many seconds at the speed that is set; True while there is more to do."""
        began = time.monotonic()
        if self._training:
            self._due += SPEEDS[self._setting["speed"]] * seconds
            while self._training and self._due >= 1 and time.monotonic() - began < seconds:
                steps = min(self.run.stride(int(self._due)), self._left())
                self._take(steps)
                self._due -= steps
                self._training = not self.run.ended and self._left() > 0
            self._due = min(self._due, 1.0)
        if self._inquiry is not None and self._inquiry.wait(0):
            self._found = self._inquiry.found or ("The diagnosis ended with an error.", [])
            self._inquiry = None
        if self.running:
            time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        return self.running

    # ---- what the page shows -----------------------------------------------------------------------------

    def values(self) -> dict[str, float]:
        """Every number that is shown, by its name; those of the second run begin with other-.

        An entry of a picture is among them while it is looked at.
        """
        found = run_numbers(self.run)
        if self.second is not None:
            found |= {f"other-{name}": value for name, value in run_numbers(self.second).items()}
        return found | dict([seen] if (seen := self._entry()) else [])

    def view(self) -> dict[str, Any]:
        """What the page draws: answers, curves, a card a layer, the sentence, the findings."""
        values, run, second = self.values(), self.run, self.second
        sample = min(self._setting["sample"], len(run.bp.output), SHOWN)
        return {
            "sentence": sentence(run, values, len(run.bp.output)) + self._limit(),
            "training": self._training,
            "ended": bool(run.ended),
            "cards": cards(run, sample),
            "curves": [curve(each) for each in (run, second) if each is not None],
            "answers": [self._answers(each) for each in (run, second) if each is not None],
            "points": points(run.data) if run.data.x.shape[1] == 2 else None,
            "data": {
                "train": len(run.x),
                "test": 0 if run.data.x_test is None else len(run.data.x_test),
                "features": len(run.data.features),
                "classes": list(run.data.classes),
            },
            "looked": [seen[0], *(self._looked or ())] if (seen := self._entry()) else None,
            "choices": choices(self._setting) | {"sample": samples(len(run.bp.output))},
            "limits": {"layers": DEPTH},
            "diagnosis": self._diagnosis(),
            "seeds": fan(self._fan, run.epoch) if self._fan is not None else None,
        }

    def _limit(self) -> str:
        return "" if self._left() > 0 else " More steps than these an address cannot bring back: reset begins anew."

    def _answers(self, run: Run) -> dict[str, Any]:
        if run.data.x.shape[1] == 2:
            return {"field": field(run)}
        if self._setting["data"] == "digits":
            return {"images": images(run)}
        return {"confusion": confusion(run)}

    def _entry(self) -> tuple[str, float] | None:
        """(name, number) of the entry that is looked at, while there is one."""
        return entry(self.run, self._setting["sample"], *self._looked) if self._looked else None

    def _diagnosis(self) -> dict[str, Any] | None:
        if self._inquiry is not None:
            return {"verdict": "", "findings": []}
        if self._found is None:
            return None
        verdict, findings = self._found
        return {"verdict": verdict, "findings": [described(*finding) for finding in findings]}

    def as_python(self) -> str:
        """A script that makes the same runs to the same bits and prints the values."""
        return script(self._setting, self.run, self.second)
