"""The page: all findings in one HTML file that needs nothing else, neither a network nor a script.

What it looks like is in template.html and page.css beside this file; here are its texts, and what turns values into
words.
"""

from __future__ import annotations

import base64
import functools
import re
from html import escape
from pathlib import Path
from typing import Any

from .._pictures import page_colours
from ..studies.finding import Finding, Number, figure
from .glossary import GLOSSARY, anchor, linked
from .mathml import mathml
from .question import ICON, drawings

QUESTION = """\
Two neurons have two inputs each, and four weights. Can one step of gradient descent move $w_1$ and $w_3$ up, $w_2$ and
$w_4$ down? Not behind sigmoids: their outputs are always positive, so for one sample all weights into a neuron move the
same way, the way of its error delta. The lecture says that gradient descent therefore has to zig-zag. But a layer has
many neurons, whose errors have different signs. Is something lost all the same, and is that what makes sigmoid slow?"""

ANSWER = """\
The sign rule is true, and it is not the cause. Rotate the inputs together with their weights: the updates no longer
share one pair of opposite orthants, and plain gradient descent and momentum have the same losses. What costs is, first,
a start with weights that are too small for a slope of at most 1/4, so that delta fades from layer to layer. Then the
mean of the activations, large against their spread: it makes one direction of the loss much steeper than all others,
and the learning rate has to be small for its sake. And saturation, where the loss does not cancel it. So first start
with weights as large as tanh's, then centre the activations. tanh itself does both."""

LEAD = "decomposition"  # the picture beside the answer

WORDS = {"true": "true", "partly": "true only in part", "not the cause": "not the cause"}


def need_jinja2() -> Any:
    """The jinja2 module, or an ImportError that says how to get it."""
    try:
        import jinja2
    except ImportError:
        raise ImportError("the page needs Jinja2, which is not installed: pip install Jinja2") from None
    return jinja2


def render(
    findings: list[Finding],
    commands: dict[str, str],
    pictures: dict[str, str],
    missing: dict[str, str],
    facts: dict[str, str],
    undrawn: dict[str, str],
    source: str = "",
) -> str:
    """The page as HTML.

    commands  claim -> the command line that measures it again
    pictures  name -> SVG element
    missing   claim -> why it is not there
    facts     what the last section lists
    undrawn   name of a picture -> why there is none
    source    the way from the page to minigrad's source, with docs/ and tests/; empty where there is none
    """
    return template().render(
        findings=findings,
        commands=commands,
        pictures=pictures,
        missing=missing,
        facts=facts,
        undrawn=undrawn,
        source=source,
        question=QUESTION,
        question_drawings=drawings(),
        answer=ANSWER,
        lead=next((one for one in findings if LEAD in one.pictures and LEAD in pictures), None),
        lead_name=LEAD,
        glossary={word: said for word, (said, _) in GLOSSARY.items()},
        colours=page_colours(":root"),
        icon=data_url("image/svg+xml", ICON.encode()),
    )


@functools.cache
def template() -> Any:
    """The template, with the filters that it uses. What a filter returns is escaped, but for prose and SVG."""
    jinja2 = need_jinja2()
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "anchor": anchor,
        "judgement": judgement,
        "linked": lambda text: Markup(prose(text, links=True)),
        "missed": missed,
        "needs": needs,
        "needs_class": needs_class,
        "predicted": predicted,
        "prose": lambda text: Markup(prose(text)),
        "svg": Markup,
        "theorems": theorems,
    }
    return environment.get_template("template.html")


def judgement(finding: Finding) -> str:
    """The verdict in a few words."""
    return WORDS[finding.kind] if finding.confirmed else "not confirmed in this run"


def prose(text: str, links: bool = False) -> str:
    """Text as HTML, with formulas as MathML and no line break before a %; links: to the words of the glossary.

    ValueError where a $ has no partner.
    """
    parts = text.split("$")
    if len(parts) % 2 == 0:
        raise ValueError(f"a $ has no partner, so a formula has no end: {text}")
    seen: set[str] = set()
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = mathml(part)
        else:
            html = escape(part).replace(" %", "\N{NO-BREAK SPACE}%")
            parts[i] = linked(html, seen) if links else html
    return "".join(parts)


def theorems(test: str) -> dict[str, str]:
    """The sections of docs/theory.md that a finding's tests guard, by the names of the files: {"A1": "a1"}."""
    return {section.upper(): section for section in re.findall(r"test_([a-f]\d+)_", test)}


def data_url(kind: str, content: bytes) -> str:
    """A file as an address, so that it is inside the page."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def missed(finding: Finding) -> int:
    """How many of the numbers are not as the verdict needs them."""
    return sum(not number.as_expected for number in finding.numbers)


def predicted(number: Number) -> str:
    """What the theorem says, with the unit."""
    return "" if number.theory is None else f"{figure(number.theory)} {number.unit}".strip()


def needs(number: Number) -> str:
    """The interval that the verdict needs, in words; they say where the number misses it, or only describes."""
    if number.expect is None:
        return "nothing, it describes" if number.descriptive else ""
    least, most = number.expect
    if least is None:
        text = "" if most is None else f"at most {figure(most)}"
    elif most is None:
        text = f"at least {figure(least)}"
    else:
        text = f"exactly {figure(least)}" if least == most else f"{figure(least)} to {figure(most)}"
    return text if number.as_expected else f"{text}: missed"


def needs_class(number: Number) -> str:
    """The class, in page.css, of what `needs` says."""
    return "bad" if not number.as_expected else "note" if number.descriptive else "needed"
