"""What goes to the page: numbers as exact text and as short text, arrays as lists that the page draws.

JSON has no infinity and no NaN, and a browser refuses text that has them. So a number that is not finite travels as
the text "inf", "-inf" or "nan".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

DIGITS = 6  # of a number that is only drawn: a screen has no more than four


def exact(value: float | np.floating) -> str:
    """The shortest text from which a float is read again to the last bit; an int without a point."""
    return repr(int(value)) if isinstance(value, int | np.integer) else repr(float(value))


def rounded(value: float) -> str:
    """What a reader sees: three digits of a float, every digit of an int."""
    return f"{value:,}" if isinstance(value, int | np.integer) else f"{value:.3g}"


def texts(values: Mapping[str, float]) -> dict[str, list[str]]:
    """{name: [what is shown, exact text]}."""
    return {name: [rounded(value), exact(value)] for name, value in values.items()}


def drawn(value: Any) -> Any:
    """Lists, dicts, texts and numbers as JSON has them; floats keep DIGITS digits. Arrays become lists of lists.

    An array keeps as many decimals as give its largest entry DIGITS digits. TypeError for anything else.
    """
    if isinstance(value, np.ndarray):
        return _drawn_array(value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | np.floating):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else exact(value)
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    if isinstance(value, Mapping):
        return {str(name): drawn(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [drawn(entry) for entry in value]
    raise TypeError(f"a {type(value).__name__} cannot be sent to the page")


def _drawn_array(array: np.ndarray) -> Any:
    if array.dtype.kind != "f":
        return array.tolist()
    largest = float(np.abs(array).max(initial=0.0))
    if not 1e-200 < largest < 1e200:  # NaN too; and where the power of ten below would leave the floats
        return drawn(array.tolist())
    return np.round(array.astype(np.float64), DIGITS - 1 - math.floor(math.log10(largest))).tolist()


def dumps(message: Mapping[str, Any]) -> str:
    """A message as JSON; ValueError for a number that JSON does not have."""
    return json.dumps(message, allow_nan=False, separators=(",", ":"))
