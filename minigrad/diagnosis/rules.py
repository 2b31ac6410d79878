"""How a rule is written: one function for one name, registered by its decorator.

    @rule("unscaled_input", "LeCun et al. 1998, section 4.3")
    def unscaled_input(c):
        size = ...                                       a number, measured on the context c
        if not 0.05 <= size <= 5:                        the range expected of it
            return Suspect(size, (0.05, 5), "...", "...", change=..., code="...")

A rule asks the pair and the behaviour of the net, not the class of a layer. It names a suspect; whether that is a fault
is decided later, by a trial with and without its remedy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .context import Context
from .remedies import Remedy


@dataclass(frozen=True)
class Suspect:
    """What a rule found. certain: it is a mistake whatever a short trial says. symptom: it has a cause elsewhere."""

    measured: float
    expected: tuple[float, float]
    text: str
    remedy: str
    change: Remedy | None = None
    code: str = ""
    layer: str | None = None
    certain: bool = False
    symptom: bool = False
    costs: bool = False  # even where the net learns
    hopeless: bool = False  # there is nothing to learn, so no trial can tell
    unit: str = ""


@dataclass(frozen=True)
class Rule:
    """A rule, its name, and the theorem or source that it rests on."""

    name: str
    theorem: str
    function: Callable[[Context], Suspect | None]
    place: int  # among all rules: causes stand before their consequences


RULES: list[Rule] = []


def rule(name: str, theorem: str) -> Callable[[Callable[[Context], Suspect | None]], Callable[..., Suspect | None]]:
    """Decorator: enters a rule in RULES."""

    def enter(function: Callable[[Context], Suspect | None]) -> Callable[[Context], Suspect | None]:
        RULES.append(Rule(name, theorem, function, len(RULES)))
        return function

    return enter
