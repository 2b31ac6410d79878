"""The page: what it says of a finding, and how."""

import dataclasses
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from findings import Page, finding
from test_pictures import contrast, page_colours_of

from minigrad import diagnostics as dg
from minigrad._pictures import MINUS, PLUS
from minigrad.report import page, question
from minigrad.studies import Number
from minigrad.studies.finding import Picture


def rendered(found, **rest):
    """The page of one finding."""
    pytest.importorskip("jinja2")
    parts = {"commands": {found.id: "-"}, "pictures": {}, "missing": {}, "facts": {}, "undrawn": {}}
    return page.render([found], **parts | rest)


def test_a_section_holds_what_the_finding_says():
    parts = {"verdict": "V<1", "theorem": "T<2", "caveat": "C<3", "code": "print(4 < 5)", "test": "a.py b.py"}
    seen = {"one": Picture("I < II", "i"), "two": Picture("III", "ii")}
    shown = dataclasses.replace(finding("Q2"), **parts, seeds=[3, 4], pictures=seen)
    drawn = {name: f'<svg id="drawing-{name}" viewBox="0 0 8 9"></svg>' for name in seen}
    text = rendered(shown, commands={"Q2": "command <7>"}, pictures=drawn)
    for words in ("V&lt;1", "T&lt;2", "C&lt;3", ">print(4 &lt; 5)</pre>", "Tested in a.py, b.py.", "Seeds: 3, 4."):
        assert text.count(words) == 1, words
    assert ">command &lt;7&gt;</pre>" in text
    captions = re.findall(r'id="drawing-(\w+)" viewBox="0 0 8 9"></svg></div>\n<figcaption>(.*?)\n', text)
    assert captions == [("one", "I &lt; II"), ("two", "III")]
    assert re.findall(r'<svg viewBox="0 0 8 9"[^>]*><use href="#drawing-(\w+)">', text) == ["one", "two"]  # enlarged


def test_what_is_asked_for_is_folded_away():
    text = rendered(dataclasses.replace(finding("Q2"), theorem="the theorem", code="the code"))
    folded = "".join(re.findall(r"<details>.*?</details>", text, flags=re.DOTALL))
    for words in ("the theorem", "the code", "verdict needs", "Seeds"):
        assert words in folded
    assert "It &lt;is&gt; so." not in folded
    assert "<details open" not in text


def test_theorems_and_tests_are_linked_where_the_source_is():
    shown = dataclasses.replace(
        finding("Q2"), test="tests/theory/test_a1_rank_one.py tests/theory/test_c10_rotation.py"
    )
    text = rendered(shown, source="../src")
    links = re.findall(r'<a href="(\.\./src[^"]*)">([^<]*)</a>', text)
    assert links == [
        ("../src/docs/theory.md#a1", "A1"),
        ("../src/docs/theory.md#c10", "C10"),
        ("../src/tests/theory/test_a1_rank_one.py", "tests/theory/test_a1_rank_one.py"),
        ("../src/tests/theory/test_c10_rotation.py", "tests/theory/test_c10_rotation.py"),
    ]
    assert "Proved in docs/theory.md, A1, C10." in re.sub(r"<a href=[^>]*>|</a>", "", rendered(shown))


def test_each_theorem_has_its_place_in_the_theory():
    theory = (Path(__file__).parents[1] / "docs" / "theory.md").read_text(encoding="utf-8")
    tests = " ".join(path.name for path in (Path(__file__).parent / "theory").glob("test_*.py"))
    sections = page.theorems(tests)
    assert len(sections) > 20
    for title, part in sections.items():
        assert f'<a id="{part}"></a>' in theory
        assert f"### {title}. " in theory


def test_the_picture_beside_the_answer_is_not_shown_twice():
    seen = {page.LEAD: Picture("what it shows", "-"), "other": Picture("another", "-")}
    drawn = {name: f'<svg id="drawing-{name}" viewBox="0 0 8 9"></svg>' for name in seen}
    text = rendered(dataclasses.replace(finding("Q7"), pictures=seen), pictures=drawn)
    assert text.index('id="answer"') < text.index(f'id="drawing-{page.LEAD}"') < text.index('id="claims"')
    assert text.count(f'id="drawing-{page.LEAD}"') == text.count('id="drawing-other"') == 1
    Page(text)


def test_the_question_is_drawn_as_it_is_asked():
    drawn = [re.findall(r'<rect [^>]*fill="([^"]*)"', svg) for svg, _ in question.drawings()]
    assert drawn[1] == [PLUS, MINUS, PLUS, MINUS]  # by rows: w1, w2, w3, w4
    rows = [drawn[2][i : i + 2] for i in range(0, 16, 2)]
    assert all(len(set(row)) == 1 for row in rows)
    tiles = [tuple(drawn[2][i : i + 4]) for i in range(0, 16, 4)]
    assert len(set(tiles)) == dg.reachable_patterns(2, 2).count == 4
    for tile in tiles:
        pattern = np.reshape([1 if colour == PLUS else -1 for colour in tile], (2, 2))
        assert pattern in dg.reachable_patterns(2, 2)
    assert np.array(question.WANTED) not in dg.reachable_patterns(2, 2)
    weights = re.findall(r"w([₁₂₃₄]) ([▲▼])", question.drawings()[0][0])
    assert sorted(weights) == [("₁", "▲"), ("₂", "▼"), ("₃", "▲"), ("₄", "▼")]


def test_headings_are_in_order():
    levels = [int(level) for level in re.findall(r"<h(\d)", rendered(finding("Q1")))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_of_the_page_can_be_read(scheme):
    colours = page_colours_of(scheme)
    for name in ("ink", "soft", "link", "good", "slow", "other", "bad"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
        assert contrast(colours[name], colours["box"]) >= 4.5, name
    css = rendered(finding("Q1"))
    assert set(re.findall(r"var\(--(\w+)\)", css)) <= {*colours, "bar"}  # no name that is not defined


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
    below = "<msub><mi>δ</mi><mrow><mi>k</mi></mrow></msub>"
    assert page.prose("all $delta_k$ < 1") == f"all <math>{below}</math> &lt; 1"
    assert page.prose("0.5 % of <1 %") == "0.5\N{NO-BREAK SPACE}% of &lt;1\N{NO-BREAK SPACE}%"
    with pytest.raises(ValueError, match=r"a \$ has no partner"):
        page.prose("$5")
