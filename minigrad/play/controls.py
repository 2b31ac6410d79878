"""What a control of the page may be set to. The page sends text, a scene wants numbers: here one becomes the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from .._advice import shown
from .._checks import one_of, real_number, whole_number

Check = Callable[[Any, str], Any]  # (value, name) -> the value that is kept; ValueError or TypeError in words


class Control(NamedTuple):
    """A control: what it is set to at first, and what it may be set to."""

    default: Any
    check: Check


def number(low: float, high: float) -> Check:
    """A float from low to high, or its text."""
    return lambda value, name: real_number(_read(value, float, name, "a number"), name, low, high)


def any_float(value: Any, name: str) -> float:
    """A float or its text, infinite and NaN ones too: what a weight can become."""
    value = _read(value, float, name, "a number")
    return value if isinstance(value, float) else real_number(value, name)


def whole(low: int, high: int) -> Check:
    """An int from low to high, or its text."""
    return lambda value, name: whole_number(_read(value, int, name, "a whole number"), name, low, high)


def choice(known: Collection[str]) -> Check:
    """One of these words."""
    return lambda value, name: one_of(value, name, known)


def yes_no(value: Any, name: str) -> bool:
    """True or False, as a box that is ticked or not."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be true or false, not {shown(value)}")
    return value


def _read(value: Any, kind: Callable[[str], Any], name: str, words: str) -> Any:
    """The number that a text says; what is no text comes back as it is."""
    if not isinstance(value, str):
        return value
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{name} is {shown(value)}, expected {words}") from None


def settings(state: Mapping[str, Any] | None, controls: Mapping[str, Control]) -> tuple[dict[str, Any], list[str]]:
    """({name: value} of every control, notes): from a state that anybody may have written.

    What is missing, or not allowed, becomes the default. The notes name the latter, and entries that no control has.
    """
    given, notes = dict(state or {}), []
    found = {name: control.default for name, control in controls.items()}
    for name, value in given.items():
        try:
            found[name] = checked(controls, name, value)
        except (ValueError, TypeError) as error:
            default = f"; it is {shown(found[name])} now" if name in found else ""
            notes.append(f"The address says: {error}{default}.")
    return found, notes


def checked(controls: Mapping[str, Control], name: str, value: Any) -> Any:
    """The value that a control keeps. ValueError or TypeError, in words, where it cannot be set so."""
    if not isinstance(name, str) or name not in controls:
        raise ValueError(f"there is no control {shown(name)}, only {', '.join(controls)}")
    return controls[name].check(value, name)
