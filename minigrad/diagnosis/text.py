"""A diagnosis as text for a terminal."""

from __future__ import annotations

from typing import Any

from .finding import Finding


def as_text(findings: list[Finding], facts: dict[str, Any]) -> str:
    """The verdict in a line, and each finding in four."""
    faults = [f for f in findings if f.level == "fault"]
    lines = ["It learns." if not faults else f"It does not learn: {faults[0].text}"]
    for f in findings:
        where = f" (layer {f.layer})" if f.layer else ""
        low, high = f.expected
        lines.append(f"\n{f.level:<6}{f.name}{where}: {f.measured:.4g}, expected {low:g} to {high:g}")
        lines.append(f"      {f.text}\n      -> {f.remedy}" + (f"\n         {f.code}" if f.code else ""))
        lines.append(f"      {f.theorem}")
    return "\n".join(lines)
