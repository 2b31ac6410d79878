"""What one tab of the browser holds: its scenes, and what it answers to the page's messages. There is no web in here.

The page sends JSON texts, the session answers with dicts that JSON can hold:

    {"do": "open", "address": "neuron=..."}                 show what an address says; "" is the first scene
    {"do": "scene", "name": "step"}                         show another scene, as it was left
    {"do": "set", "name": "lr", "value": "0.5"}             one control was changed
    {"do": "act", "action": "step", "with": {...}}          a button was pressed
    {"do": "python"}                                        -> {"python": the run as a script}
    {"do": "drawn"}                                         the last frame is on the screen: the next may come

A message that cannot be followed is answered with {"refused": a sentence}, and nothing has changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, unquote

from .._advice import shown
from . import wire
from .neuron import Neuron
from .step import Step
from .train import Train

LONGEST = 1_000_000  # characters of a message: room for a table that is pasted in


class Scene(Protocol):
    """What a scene offers. Scene(scene.state()) shows the same numbers to the bit."""

    NAME: str  # in the address, and of the page's file
    TITLE: str  # the question that the scene answers
    notes: list[str]  # what was wrong with the state that it was made from
    running: bool  # is there more to do for advance?

    def __init__(self, state: Mapping[str, Any] | None) -> None:
        """From a state that anybody may have written; what is missing or not allowed becomes the default."""

    def state(self) -> dict[str, Any]:
        """All that the scene needs to be made again; JSON can hold it."""

    def set(self, name: str, value: Any) -> None:
        """Change one control. ValueError or TypeError, in words, before anything changed."""

    def act(self, action: str, **arguments: Any) -> None:
        """Do what a button says. ValueError, in words, for an action that the scene does not have."""

    def advance(self, seconds: float) -> bool:
        """Work for about so long; True while there is more to do."""

    def values(self) -> dict[str, float]:
        """Every number that is shown, by its name."""

    def view(self) -> dict[str, Any]:
        """What the page draws."""

    def as_python(self) -> str:
        """A script that makes the same run to the same bits and prints the values."""


SCENES: dict[str, type[Scene]] = {scene.NAME: scene for scene in (Neuron, Step, Train)}
FIRST = Neuron.NAME


def to_address(scene: Scene) -> str:
    """What stands after # in the address: the scene and its whole state."""
    return f"{scene.NAME}={quote(json.dumps(scene.state(), separators=(',', ':')), safe=',:')}"


def from_address(address: str) -> Scene:
    """The scene that an address says; where it says something else, notes of the scene say what."""
    name, _, text = address.partition("=")
    notes, state = [], None
    if name not in SCENES:
        if address:
            notes.append(f"The address names no scene, only {', '.join(SCENES)} exist.")
        return _noted(SCENES[FIRST](None), notes)
    try:
        state = json.loads(unquote(text)) if text else None
        if state is not None and not isinstance(state, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError):
        state = None
        notes.append("The address is cut short or was changed: this is the scene as it opens.")
    return _noted(SCENES[name](state), notes)


def _noted(scene: Scene, notes: list[str]) -> Scene:
    scene.notes = notes + scene.notes
    return scene


class Session:
    """The scenes of one tab. `changed` is True while the page has not seen what is there now."""

    def __init__(self) -> None:
        self._scenes: dict[str, Scene] = {}
        self._show(SCENES[FIRST](None))

    def _show(self, scene: Scene) -> None:
        self._scenes[scene.NAME] = self.scene = scene
        self.changed = True

    def receive(self, text: str) -> dict[str, Any] | None:
        """Follow one message of the page: an answer, or None where the next frame is the answer."""
        try:
            return self._follow(_message(text))
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            return {"refused": str(error.args[0] if error.args else error)}

    def _follow(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        do = message.get("do")
        if do == "python":
            return {"python": self.scene.as_python()}
        if do == "open":
            self._show(from_address(_text(message, "address")))
        elif do == "scene":
            name = _text(message, "name")
            if name not in SCENES:
                raise ValueError(f"there is no scene {shown(name)}, only {', '.join(SCENES)}")
            self.scene.running = False
            self._show(self._scenes.get(name) or SCENES[name](None))
        elif do == "set":
            self.scene.set(_text(message, "name"), message.get("value"))
        elif do == "act":
            arguments = message.get("with", {})
            if not isinstance(arguments, dict) or "action" in arguments or "self" in arguments:
                raise ValueError("with must be an object of arguments")
            self.scene.act(_text(message, "action"), **arguments)
        else:
            raise ValueError(f"unknown message {shown(do)}, expected one of: open, scene, set, act, python, drawn")
        self.scene.notes = self.scene.notes if do == "open" else []
        self.changed = True
        return None

    @property
    def running(self) -> bool:
        return self.scene.running

    def advance(self, seconds: float) -> None:
        """Let the scene work for about so long."""
        self.scene.advance(seconds)
        self.changed = True

    def frame(self) -> dict[str, Any]:
        """All that the page shows now."""
        scene = self.scene
        self.changed = False
        return {
            "scene": scene.NAME,
            "title": scene.TITLE,
            "running": scene.running,
            "notes": list(scene.notes),
            "address": to_address(scene),
            "controls": {name: _control(value) for name, value in scene.state().items()},
            "values": wire.texts(scene.values()),
            "view": wire.drawn(scene.view()),
        }


def _message(text: str) -> dict[str, Any]:
    """A message as a dict; ValueError where it is none."""
    if len(text) > LONGEST:
        raise ValueError(f"a message has {len(text):,} characters, expected at most {LONGEST:,}")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise ValueError("a message is not a JSON object")
    return message


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {shown(value)}")
    return value


def _control(value: Any) -> Any:
    """What a form element shows: a float with all its digits, and everything else as it is."""
    return wire.exact(value) if isinstance(value, float) else wire.drawn(value)
