"""The page: all findings in one HTML file that needs nothing else, neither a network nor a script."""

from __future__ import annotations

import base64
import re
from html import escape

from ..studies.finding import Finding, figure

QUESTION = """\
Sigmoid's outputs are always positive. So, says the lecture, all weights into one neuron get gradients of
one sign, and gradient descent has to zig-zag. But a layer has many neurons, and their errors have different
signs: its weights still get a mixture of pluses and minuses. Is something lost all the same, a kind of
entropy of the updates? And is
that what makes sigmoid slow?"""

ANSWER = """\
The sign rule is true, and it is not the cause. A gradient is the product of an error and an activation, so for one
sample all weights into a neuron behind sigmoids do move up or down together. One sample at a time inputs so alike
cost a constant factor of about four. But rotate the inputs together with their weights: the updates no longer share
one pair of opposite orthants, and plain gradient descent and momentum have the same losses, so even that factor is
not the signs'. (A flip of signs instead of a rotation keeps them to the last bit, for Adam too.) What costs is,
first, a start with weights that are too small for a slope of at most 1/4, so that the error fades from layer to
layer; then the mean of the activations, large against their
fluctuation: it makes one direction of the loss much steeper than all others, and the learning rate has to be small
for its sake (for Adam it also counts where that direction points); and saturation where the loss does not cancel
it. What to change first in a sigmoid net: start with weights as large as tanh's, then centre the activations (tanh
itself does both)."""

WORDS = {"true": "true", "partly": "true only in part", "not the cause": "not the cause"}

STYLE = """\
:root { color-scheme: light dark; --paper: #fdfdfb; --ink: #222; --soft: #5c5c5c; --line: #ddd; --box:
#f2f2ee;
  --link: #00568a; --true: #00674b; --partly: #855500; --not: #9b3572; --bad: #a40000; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181a; --ink: #e8e6e1; --soft: #a9a7a2; --line:
#3a3d40;
  --box: #212427; --link: #7cc4f2; --true: #4fd1a8; --partly: #f0b64a; --not: #eda6cf; --bad: #ff8f86; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 52rem; background: var(--paper); color:
var(--ink);
  font: 1.06rem/1.6 system-ui, "Segoe UI", "Liberation Sans", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.8rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.3rem; line-height: 1.35; margin: 0 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; color: var(--soft); }
a { color: var(--link); }
p { margin: .5rem 0 .9rem; }
section { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: 1.5rem; }
.note { color: var(--soft); font-size: .95rem; }
.verdict { font-weight: 650; }
.kind { font-weight: 650; white-space: nowrap; }
.true { color: var(--true); } .partly { color: var(--partly); } .not { color: var(--not); } .bad { color:
var(--bad); } figure { margin: 1.2rem 0; } figure div { background: white; border: 1px solid var(--line);
border-radius: .4rem; padding: .4rem; overflow-x: auto; } img { display: block; width: 100%; min-width:
34rem; max-width: 50rem; height: auto; margin: 0 auto; } figcaption { margin-top: .5rem; } table { width:
100%; border-collapse: collapse; font-size: .95rem; } th, td { text-align: left; vertical-align: top;
padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); } th { color: var(--soft);
font-weight: 600; } pre { background: var(--box); border-radius: .4rem; padding: .8rem; overflow-x: auto;
font-size: .85rem;
  line-height: 1.45; }
sub, sup { line-height: 0; }
code, pre { font-family: ui-monospace, "Liberation Mono", Menlo, Consolas, monospace; }
@media (max-width: 40rem) {
  thead { display: none; }
  tr { display: block; border-bottom: 1px solid var(--line); padding: .5rem 0; }
  td { display: block; border: 0; padding: .1rem 0; }
  td:not(:first-child, :empty, [data-name=''])::before { content: attr(data-name) ": "; color: var(--soft); }
}
"""


def judgement(finding: Finding) -> str:
    """The verdict in a few words."""
    return WORDS[finding.kind] if finding.confirmed else "not confirmed in this run"


def render(
    findings: list[Finding],
    commands: dict[str, str],
    pictures: dict[str, bytes],
    missing: dict[str, str],
    facts: dict[str, str],
    undrawn: dict[str, str],
) -> str:
    """The page as HTML.

    commands: claim -> the command line that measures it again. pictures: name -> PNG. missing: claim -> why
    it is not there. facts: what the last section lists. undrawn: name of a picture -> why there is none.
    """
    absent = "".join(
        f"<p class='bad'>{escape(claim)} is missing from this report: {escape(why)}.</p>"
        for claim, why in missing.items()
    )
    sections = "".join(section(finding, commands[finding.id], pictures, undrawn) for finding in findings)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Why is sigmoid slow? Measured by minigrad</title>
<link rel="icon" href="data:,">
<style>
{STYLE}</style>
</head>
<body>
<h1>Why does sigmoid make gradient descent slow?</h1>
<h3>The question</h3>
<p>{escape(QUESTION)}</p>
<h3>The answer</h3>
<p>{escape(ANSWER)}</p>
<h3>Claim by claim</h3>
{overview(findings)}
{absent}
{sections}
<section>
<h2>How these numbers came about</h2>
{rows([], [(escape(name), escape(value)) for name, value in facts.items()])}
</section>
</body>
</html>
"""


def prose(text):
    """Text as HTML, with delta_k, w_kj and a^T set as formulas are."""
    text = re.sub(r"\b(delta|d?[A-Za-z])_(\w+)", r"<i>\1</i><sub>\2</sub>", escape(text))
    text = re.sub(r"\^(-?\w+|\([^()]*\))", r"<sup>\1</sup>", text)
    return re.sub(r"\bdelta\b", "δ", text)


def kind(finding):
    """The coloured words of the verdict."""
    look = finding.kind.split()[0] if finding.confirmed else "bad"
    return f"<span class='kind {look}'>{escape(judgement(finding))}</span>"


def overview(findings):
    """The table of claims."""
    body = [(f"<a href='#{f.id}'>{f.id}</a> {prose(f.claim)}", kind(f), prose(f.deciding)) for f in findings]
    return rows(["claim", "verdict", "deciding number"], body)


def section(finding, command, pictures, undrawn):
    """A finding: verdict, pictures, numbers, caveat, theorem, and how to do it again."""
    figures = "".join(
        picture(name, seen, pictures[name]) if name in pictures else not_drawn(name, seen, undrawn.get(name, ""))
        for name, seen in finding.pictures.items()
    )
    numbers = rows(
        ["number", "measured", "predicted", "verdict needs"],
        [(prose(n.name), escape(str(n)), predicted(n), needs(n)) for n in finding.numbers],
    )
    seeds = ", ".join(map(str, finding.seeds))
    return f"""
<section id="{finding.id}">
<h2>{finding.id}. {prose(finding.claim)}</h2>
<p>{kind(finding)}: <span class="verdict">{prose(finding.verdict)}</span></p>
{figures}
<h3>Numbers</h3>
{numbers}
<p class="note">Of several runs: the median, in brackets the smallest and the largest. Seeds: {seeds}.</p>
<h3>Where it ends</h3>
<p>{prose(finding.caveat)}</p>
<h3>Theorem</h3>
<p>{prose(finding.theorem)} <span class="note">Tested in {escape(finding.test)}.</span></p>
<h3>Rerun this</h3>
<pre>{escape(command)}</pre>
<p class="note">or, in Python:</p>
<pre>{escape(finding.code)}</pre>
</section>
"""


def picture(name, seen, png):
    """A PNG, inside the page, with what is seen on it."""
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return (
        f"<figure><div><img alt='{escape(name.replace('_', ' '))}' src='{source}'></div>"
        f"<figcaption>{prose(seen)}</figcaption></figure>"
    )


def not_drawn(name, seen, why):
    """In place of a picture: what would be seen, and why it is not. The numbers do not depend on it."""
    return f"<p class='bad'>The picture {escape(name)} could not be drawn: {escape(why)}.</p><p>{prose(seen)}</p>"


def predicted(number):
    """What the theorem says, with the unit."""
    return "" if number.theory is None else escape(f"{figure(number.theory)} {number.unit}")


def needs(number):
    """The interval that the verdict needs, in words; marked where the number misses it, or where it only describes."""
    if number.expect is None:
        return "<span class='note'>nothing, it describes</span>" if number.descriptive else ""
    least, most = number.expect
    if least == most:
        text = f"exactly {figure(least)}"
    elif least is None:
        text = f"at most {figure(most)}"
    elif most is None:
        text = f"at least {figure(least)}"
    else:
        text = f"{figure(least)} to {figure(most)}"
    return text if number.as_expected else f"<span class='bad'>{text}: missed</span>"


def rows(head, body):
    """A table; on a phone each row becomes a block in which the column's name stands before the value."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = []
    for row in body:
        names = head or [""] * len(row)
        cells = [f"<td data-name='{escape(name)}'>{cell}</td>" for name, cell in zip(names, row, strict=True)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    thead = f"<thead><tr>{top}</tr></thead>" if head else ""
    return f"<table>{thead}<tbody>{''.join(lines)}</tbody></table>"
