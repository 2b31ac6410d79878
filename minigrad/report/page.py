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

from .._pictures import sign_squares
from ..studies.finding import Finding, Number, figure

QUESTION = """\
Sigmoid's outputs are always positive. So, says the lecture, all weights into one neuron get gradients of one sign, and
gradient descent has to zig-zag. But a layer has many neurons, and their errors have different signs: its weights still
get a mixture of pluses and minuses. Is something lost all the same, a kind of entropy of the updates? And is that what
makes sigmoid slow?"""

ANSWER = """\
The sign rule is true, and it is not the cause. A gradient is the product of an error and an activation, so for one
sample all weights into a neuron behind sigmoids do move up or down together. One sample at a time inputs so alike cost
a constant factor of about four. But rotate the inputs together with their weights: the updates no longer share one pair
of opposite orthants, and plain gradient descent and momentum have the same losses, so even that factor is not the
signs'. (A flip of signs instead of a rotation keeps them to the last bit, for Adam too.) What costs is, first, a start
with weights that are too small for a slope of at most 1/4, so that the error fades from layer to layer; then the mean
of the activations, large against their fluctuation: it makes one direction of the loss much steeper than all others,
and the learning rate has to be small for its sake (for Adam it also counts where that direction points); and saturation
where the loss does not cancel it. What to change first in a sigmoid net: start with weights as large as tanh's, then
centre the activations (tanh itself does both)."""

ICON = sign_squares([[1, -1], [1, -1]])  # the update in question: w1 and w3 up, w2 and w4 down

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
    pictures: dict[str, bytes],
    missing: dict[str, str],
    facts: dict[str, str],
    undrawn: dict[str, str],
) -> str:
    """The page as HTML.

    commands  claim -> the command line that measures it again
    pictures  name -> PNG
    missing   claim -> why it is not there
    facts     what the last section lists
    undrawn   name of a picture -> why there is none
    """
    return template().render(
        findings=findings,
        commands=commands,
        pictures=pictures,
        missing=missing,
        facts=facts,
        undrawn=undrawn,
        question=QUESTION,
        answer=ANSWER,
        icon=data_url("image/svg+xml", ICON.encode()),
    )


@functools.cache
def template() -> Any:
    """The template, with the filters that it uses. What a filter returns is escaped, but for that of `prose`."""
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
        "judgement": judgement,
        "needs": needs,
        "needs_class": needs_class,
        "png": functools.partial(data_url, "image/png"),
        "predicted": predicted,
        "prose": lambda text: Markup(prose(text)),
    }
    return environment.get_template("template.html")


def judgement(finding: Finding) -> str:
    """The verdict in a few words."""
    return WORDS[finding.kind] if finding.confirmed else "not confirmed in this run"


def prose(text: str) -> str:
    """Text as HTML, with delta_k, w_kj, δ_z and a^T set as formulas are, and no line break before a %."""
    text = re.sub(r"\b(delta|[δλ]|d?[A-Za-z])_(\w+)", r"<i>\1</i><sub>\2</sub>", escape(text))
    text = re.sub(r"\^(-?\w+|\([^()]*\))", r"<sup>\1</sup>", text)
    return re.sub(r"\bdelta\b", "δ", text).replace(" %", "\N{NO-BREAK SPACE}%")


def data_url(kind: str, content: bytes) -> str:
    """A file as an address, so that it is inside the page."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


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
