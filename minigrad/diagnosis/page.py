"""A diagnosis as HTML: one page that needs nothing else, or its parts inside a notebook. No library, no script."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from pathlib import Path

from .._pictures import page_colours, tag
from .charts import Series, bars, curves, element, number_picture, swatch
from .finding import Finding
from .layers import LayerNumbers
from .measured import Measured
from .text import SCORE, code_lines, expected_text, gain_name, is_flag, score_text, spread_text, trial_text, verdict

TITLE = "Does this net learn, and if not, why?"
CURVES = 5  # drawn at most: more cannot be told apart
FACTS = {
    "loss": "loss at the start",
    "constant_loss": "loss of the best constant output",
    "decades": "decades that |delta| gains from the last weight to the first",
    "mean_field_decades": "decades that a wide random net of these weights would gain",
    "coherence": "coherence of x: 0 centred, 1 always the same",
    "neighbour_error": "error of the nearest sample's target, as a share of chance",
    "lr_limit": "limit of lr for gradient descent at the start, 2 / lambda_1",
    "trial_steps": "steps of the trial",
    "score": "score after the trial",
    "reference_score": "score of a plain net after as many steps",
    "best_score": "best score of all trials",
    "learns": "it learns",
}


def page(d: Measured) -> str:
    """The whole page."""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += tag("title", TITLE) + _style()
    body = element("body", "minigrad-diagnosis", _content(d))
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}</head>\n{body}\n</html>\n'


def part(d: Measured) -> str:
    """The same as a part of another page."""
    return element("div", "minigrad-diagnosis", _style() + _content(d))


def _style() -> str:
    css = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return tag("style", page_colours(".minigrad-diagnosis") + "\n" + css)


def _content(d: Measured) -> str:
    level = "fault" if not d.ok else "slow" if any(f.level == "slow" for f in d.findings) else "well"
    parts = [
        tag("h1", TITLE),
        element("p", f"verdict {level}", escape(verdict(d))),
        tag("p", escape(trial_text(d))) if d.facts else "",
        *(_finding(finding) for finding in d.findings),
        _gains(d),
        _trials(d),
        _layers(d.layers),
        _facts(d),
    ]
    return "\n".join(part for part in parts if part)


def _section(title: str, *content: str) -> str:
    return tag("section", tag("h2", escape(title)) + "".join(content))


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of plain text; the head is left out where no column has a name."""
    names = list(names)
    head = tag("thead", tag("tr", "".join(tag("th", escape(name), scope="col") for name in names)))
    body = "".join(
        tag("tr", "".join(tag("td", escape(cell), data_name=name) for name, cell in zip(names, row, strict=True)))
        for row in rows
    )
    return element("div", "wide", tag("table", (head if any(names) else "") + tag("tbody", body)))


# ---- the parts -----------------------------------------------------------------------------------------------


def _finding(finding: Finding) -> str:
    layer = f", layer {finding.layer}" if finding.layer else ""
    unit = f" {finding.unit}" if finding.unit else ""
    name = element("span", f"level {finding.level}", escape(finding.level)) + " " + tag("code", escape(finding.name))
    numbers = f"measured {finding.measured:.4g}{unit}, expected {expected_text(finding)}{unit}"
    line = number_picture(finding.measured, finding.expected, numbers)
    caption = tag("figcaption", escape(numbers))
    parts = [tag("h2", name + escape(layer)), tag("p", escape(finding.text))]
    if not is_flag(finding):
        parts.append(element("figure", "number", line + caption))
    if finding.remedy:
        parts.append(tag("p", tag("b", "What to try. ") + escape(finding.remedy)))
    if finding.code:
        parts.append(tag("pre", escape("\n".join(code_lines(finding.code)))))
    parts.append(element("p", "note", tag("b", "Why. ") + escape(finding.theorem)))
    return tag("section", "".join(parts))


def _gains(d: Measured) -> str:
    if not d.gains:
        return ""
    seeds = len(d.gains[0].scores)
    rows = [(gain_name(g), score_text(g.median), spread_text(g)) for g in d.gains]
    text = f"The score after training: {SCORE}; -1 also where training failed. A + means: after those above it."
    return _section(
        "What the remedies are worth",
        tag("p", escape(text)),
        _table(("remedy", f"score, middle of {seeds} seeds", "worst to best"), rows),
    )


def _trials(d: Measured) -> str:
    """The curves of the trials: the net as it is, and the remedies in the order of the findings."""
    order = {finding.name: i for i, finding in enumerate(d.findings)}
    shown = sorted(d.curves, key=lambda one: order.get(one.name, -1))[:CURVES]
    if not shown or not all(0 < one.constant < math.inf for one in shown):
        return ""
    series = [
        Series(
            f"with the remedy for {one.name}" if one.name else "as it is",
            [(step, loss / one.constant) for step, loss in zip(one.steps, one.losses, strict=True)],
        )
        for one in shown
    ]
    last = max(one.steps[-1] for one in shown)
    ticks = [(step, str(step)) for step in sorted({round(last * i / 4) for i in range(5)})]
    drawing = curves(series, ticks, "steps", "loss, constant = 1", level=1.0)
    ended = [one.name or "the net as it is" for one in shown if one.diverged]
    legend = "".join(tag("li", swatch(i) + " " + escape(one.name)) for i, one in enumerate(series))
    note = f" It diverges, and its curve ends early: {', '.join(ended)}." if ended else ""
    text = "The loss in the trial, as a share of what the best constant output has (the dotted line): below it "
    text += f"something is learned.{note}"
    return _section(
        "Before and after each remedy", tag("p", escape(text)), element("figure", "curves", drawing + tag("ul", legend))
    )


def _layers(layers: list[LayerNumbers]) -> str:
    if not layers:
        return ""
    ticks = [(float(i), layer.path) for i, layer in enumerate(layers)]
    measured = Series("measured", [(i, layer.delta) for i, layer in enumerate(layers)])
    theory = Series("mean field", [(i, layer.expected or math.nan) for i, layer in enumerate(layers)])
    known = sum(layer.expected is not None for layer in layers) > 1
    both = [measured, theory] if known else [measured]
    legend = tag("ul", "".join(tag("li", swatch(i) + " " + escape(one.name)) for i, one in enumerate(both)))
    charts = [(curves(both, ticks, "layer", "|delta|"), "The error signal |delta| at each layer.", legend)]
    for label, text, values in (
        ("saturated", "Share of entries whose slope is nearly 0.", [layer.saturated for layer in layers]),
        ("dead", "Share of units that no sample sends a delta.", [layer.dead for layer in layers]),
        ("coherence", "Of the inputs: 0 centred, 1 always the same.", [layer.coherence for layer in layers]),
    ):
        named = list(zip((layer.path for layer in layers), values, strict=True))
        charts.append((bars(named, "layer", label), text, ""))
    figures = "".join(tag("figure", drawing + tag("figcaption", escape(text)) + more) for drawing, text, more in charts)
    rows = [
        (f"{one.path}: {one.layer}", f"{one.delta:.3g}", _number(one.expected), _number(one.saturated),
         f"{one.dead:.3g}", f"{one.coherence:.3g}")
        for one in layers
    ]  # fmt: skip
    names = ("layer", "|delta|", "by mean field", "saturated", "dead", "coherence of its input")
    return _section("Layer by layer, at the start", element("div", "charts", figures), _table(names, rows))


def _facts(d: Measured) -> str:
    rows = [
        (FACTS.get(name, name), ("yes" if value else "no") if isinstance(value, bool) else _number(value))
        for name, value in d.facts.items()
        if isinstance(value, bool | int | float)
    ]
    return _section("Measured", _table(("", ""), rows)) if rows else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
