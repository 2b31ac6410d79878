"""The page: what it says of a finding, and how."""

import dataclasses
import re

import pytest
from findings import finding

from minigrad.report import page
from minigrad.studies import Number


def rendered(found, **rest):
    """The page of one finding."""
    pytest.importorskip("jinja2")
    parts = {"commands": {found.id: "-"}, "pictures": {}, "missing": {}, "facts": {}, "undrawn": {}}
    return page.render([found], **parts | rest)


def test_a_section_holds_what_the_finding_says():
    parts = {"verdict": "V<1", "theorem": "T<2", "caveat": "C<3", "code": "print(4 < 5)", "test": "a.py b.py"}
    shown = dataclasses.replace(finding("Q2"), **parts, seeds=[3, 4], pictures={"one": "I < II", "two": "III"})
    text = rendered(shown, commands={"Q2": "command <7>"}, pictures={"one": b"first", "two": b"second"})
    for words in ("V&lt;1", "T&lt;2", "C&lt;3", "<pre>print(4 &lt; 5)</pre>", "Tested in a.py b.py.", "Seeds: 3, 4."):
        assert text.count(words) == 1, words
    assert "<pre>command &lt;7&gt;</pre>" in text
    pictures = re.findall(r'base64,([^"]*)"></div>\n<figcaption>(.*?)</figcaption>', text)
    assert pictures == [("Zmlyc3Q=", "I &lt; II"), ("c2Vjb25k", "III")]


@pytest.mark.parametrize(("kind", "css_class"), [("true", "true"), ("partly", "partly"), ("not the cause", "not")])
def test_the_colour_is_that_of_the_verdict_and_of_none_where_numbers_miss(kind, css_class):
    good, bad = (dataclasses.replace(finding("Q2", value), kind=kind) for value in (1.0, 2.0))
    assert rendered(good).count(f'<span class="kind {css_class}">{page.WORDS[kind]}</span>') == 2
    assert rendered(bad).count('<span class="kind bad">not confirmed in this run</span>') == 2


@pytest.mark.parametrize(
    ("value", "rest", "words"),
    [
        (1.0, {"expect": (1, 1)}, "exactly 1"),
        (1.0, {"expect": (None, 2)}, "at most 2"),
        (1.0, {"expect": (0, None)}, "at least 0"),
        (1.0, {"expect": (0.5, 2)}, "0.5 to 2"),
        (3.0, {"expect": (0.5, 2)}, "0.5 to 2: missed"),
        (3.0, {"descriptive": True}, "nothing, it describes"),
        (3.0, {}, ""),
    ],
)
def test_the_page_says_what_the_verdict_needs(value, rest, words):
    number = Number("n", value, **rest)
    assert page.needs(number) == words
    css_class = "bad" if "missed" in words else "note" if "describes" in words else "needed"
    one = dataclasses.replace(finding("Q1"), numbers=[Number("one", 1.0, expect=(1, 1)), number])
    cell = f'<span class="{css_class}">{words}</span>' if words else ""  # on a phone an empty cell is left out
    assert f'<td data-name="verdict needs">{cell}</td>' in rendered(one)


def test_a_prediction_has_its_unit():
    assert page.predicted(Number("n", 1.0, "%", theory=12.5)) == "12.5 %"
    assert page.predicted(Number("n", 1.0, "%", theory=0)) == "0 %"
    assert page.predicted(Number("n", 1.0, "%")) == ""
    assert page.predicted(Number("n", 1.0, theory=2)) == "2"


def test_formulas_are_set():
    assert page.prose("delta_k a_j < 1") == "<i>δ</i><sub>k</sub> <i>a</i><sub>j</sub> &lt; 1"
    assert page.prose("0.5 % of <1 %") == "0.5\N{NO-BREAK SPACE}% of &lt;1\N{NO-BREAK SPACE}%"
    assert page.prose("delta^T a") == "δ<sup>T</sup> a"
    assert page.prose("δ_z, λ_J") == "<i>δ</i><sub>z</sub>, <i>λ</i><sub>J</sub>"
