"""A diagnosis as text for a terminal of 80 columns, and as values for JSON."""

from __future__ import annotations

import math
import textwrap
from dataclasses import asdict
from typing import Any, TextIO

import numpy as np

from .finding import Finding
from .gains import Gain
from .measured import Measured
from .number_line import number_line

WIDTH = 79
BAR = 60  # columns of a line of numbers
INDENT = "    "
COLOURS = {"fault": "\033[1;31m", "slow": "\033[33m", "note": "\033[36m", "": "\033[0m"}
SCORE = "1 is perfect, 0 as good as the best constant output"


# ---- words ---------------------------------------------------------------------------------------------------


def verdict(d: Measured) -> str:
    """What was found, in a line."""
    names = {level: [f.name for f in d.findings if f.level == level] for level in ("fault", "slow", "note")}
    if not d.facts:
        return f"It cannot be trained as it is: {', '.join(names['fault'])}."
    if names["fault"]:
        return f"The net does not learn: {', '.join(names['fault'])}."
    if not d.facts["learns"]:
        return "The net hardly learns, and no rule says for certain why."
    if names["slow"]:
        return f"The net learns, but not as well as it could: {', '.join(names['slow'])}."
    return f"The net learns. Worth knowing: {', '.join(names['note'])}." if names["note"] else "The net learns."


def trial_text(d: Measured) -> str:
    """What the trial reached, in a sentence or two; "" where there was none."""
    if not d.facts:
        return ""
    score, reference, steps = (d.facts[name] for name in ("score", "reference_score", "trial_steps"))
    reached = "diverges" if d.curves and d.curves[0].diverged else f"has a score of {score_text(score)}"
    return f"After {steps} steps it {reached}, a plain net one of {score_text(reference)}. ({SCORE}.)"


def expected_text(finding: Finding) -> str:
    """The expected range in words: "0 to 8", "at least 100", "exactly 0"."""
    low, high = finding.expected
    if low == high:
        return f"exactly {low:.4g}"
    if math.isinf(low) or math.isinf(high):
        return (
            "any number"
            if math.isinf(low) and math.isinf(high)
            else (f"at least {low:.4g}" if math.isinf(high) else f"at most {high:.4g}")
        )
    return f"{low:.4g} to {high:.4g}"


def code_lines(code: str) -> list[str]:
    """A remedy's code, a statement a line; a comment at its end gets lines of its own."""
    statements, _, comment = code.partition("  # ")
    lines = statements.split("; ") if statements else []
    return lines + textwrap.wrap(comment, 66, initial_indent="# ", subsequent_indent="# ")


def is_flag(finding: Finding) -> bool:
    """It is a matter of yes or no, as "y does not fit": there is no number to be drawn."""
    return finding.expected == (1, 1) and finding.measured == 0


# ---- the terminal view -----------------------------------------------------------------------------------------


def as_text(d: Measured, colour: bool = False) -> str:
    """The verdict in a line, what the trial reached, each finding, and what the remedies gained."""
    lines = [verdict(d), *_wrapped(trial_text(d), "")]
    if not all(is_flag(finding) for finding in d.findings):
        lines += ["", "On each line of numbers [===] is the expected range and * what was measured."]
    for finding in d.findings:
        lines += ["", *_finding(finding, colour)]
    if d.gains:
        lines += ["", *_gains(d.gains)]
    return "\n".join(lines)


def wants_colour(stream: TextIO, environment: dict[str, str] | Any) -> bool:
    """Only a terminal gets colours, and none where NO_COLOR is set (no-color.org) or it is a dumb one."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def _wrapped(text: str, indent: str, first: str | None = None) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent if first is None else first, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _finding(finding: Finding, colour: bool) -> list[str]:
    on, off = (COLOURS[finding.level], COLOURS[""]) if colour else ("", "")
    layer = f", layer {finding.layer}" if finding.layer else ""
    unit = f" {finding.unit}" if finding.unit else ""
    lines = [f"{on}{finding.level}{off}  {finding.name}{layer}", *_wrapped(finding.text, INDENT), ""]
    if not is_flag(finding):
        lines += [f"{INDENT}{line}".rstrip() for line in bar(finding)]
        lines += [f"{INDENT}measured {finding.measured:.4g}{unit}, expected {expected_text(finding)}{unit}", ""]
    wide = f"{INDENT}        "
    if finding.remedy:
        lines += _wrapped(finding.remedy, wide, f"{INDENT}remedy  ")
    lines += [f"{wide}{line}" for line in code_lines(finding.code)]
    return lines + _wrapped(finding.theorem, wide, f"{INDENT}why     ")


def bar(finding: Finding) -> list[str]:
    """A number and its range, drawn: the line, and below it the numbers at their places.

    < and > say that the range, or the number, goes on beyond that end.
    """
    line = number_line(finding.measured, finding.expected)
    cells = ["-"] * BAR

    def cell(place: float) -> int:
        return round(place * (BAR - 1))

    low, high = cell(line.low), cell(line.high)
    cells[low : high + 1] = "=" * (high - low + 1)
    cells[low] = "<" if math.isinf(finding.expected[0]) else "["
    cells[high] = ">" if math.isinf(finding.expected[1]) else "]" if high > low else "|"
    cells[cell(line.measured)] = "?" if math.isnan(finding.measured) else "*"
    ends = ("<" if line.beyond < 0 else " ", ">" if line.beyond > 0 else " ")
    return [f"{ends[0]}{''.join(cells)}{ends[1]}{' log scale' if line.logarithmic else ''}", _labels(line.marks)]


def _labels(marks: list[tuple[float, str]]) -> str:
    """Numbers below their places; the measured one, last, first finds room, and one without room is left out."""
    row = [" "] * (BAR + 10)
    for place, text in reversed(marks):
        start = min(max(1 + round(place * (BAR - 1)) - len(text) // 2, 0), len(row) - len(text))
        if all(char == " " for char in row[max(start - 1, 0) : start + len(text) + 1]):
            row[start : start + len(text)] = text
    return "".join(row).rstrip()


def _gains(gains: list[Gain]) -> list[str]:
    """A table: the score with each remedy alone, and with one after the other."""
    seeds = len(gains[0].scores)
    text = f"What the remedies are worth: the score after training, the middle of {seeds} seeds (worst to best). "
    lines = [*_wrapped(f"{text}{SCORE[0].upper()}{SCORE[1:]}; -1 also where training failed.", ""), ""]
    rows = [(gain_name(gain), gain) for gain in gains]
    width = min(max(len(name) for name, _ in rows), 44)
    together = False
    for name, gain in rows:
        if len(gain.names) > 1 and not together:
            lines.append(f"{INDENT}one after the other, in this order:")
            together = True
        lines.append(f"{INDENT}{name:<{width}}  {score_text(gain.median):>6}  ({spread_text(gain)})")
    return lines


def score_text(score: float) -> str:
    """Two decimals, and no minus before 0."""
    return f"{round(score, 2) + 0.0:.2f}"


def spread_text(gain: Gain) -> str:
    """The worst and the best seed."""
    return f"{score_text(min(gain.scores))} to {score_text(max(gain.scores))}"


def gain_name(gain: Gain) -> str:
    """What was done to the net: nothing, one remedy, or that remedy after those of the rows above."""
    if not gain.names:
        return "as it is"
    first = f"{gain.names[0]} " if len(gain.names) == 2 else ""
    return gain.names[0] if len(gain.names) == 1 else f"{first}+ {gain.names[-1]}"


# ---- JSON ------------------------------------------------------------------------------------------------------


def entries(d: Measured) -> dict[str, Any]:
    """Everything as JSON-ready values."""
    gains = [{"names": gain.names, "scores": gain.scores, "median": gain.median} for gain in d.gains]
    return {
        "ok": d.ok,
        "verdict": verdict(d),
        "findings": [finding.entry() for finding in d.findings],
        "facts": _plain(d.facts),
        "gains": _plain(gains),
        "layers": _plain([asdict(layer) for layer in d.layers]),
        "curves": _plain([asdict(curve) for curve in d.curves]),
    }


def _plain(value: Any) -> Any:
    """A value as JSON has it; a number that JSON has not as text."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value
