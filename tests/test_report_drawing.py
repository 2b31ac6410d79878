"""Pictures as parts of the page: their ink, their names, their size, and the files beside it."""

import re
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("matplotlib")

from test_pictures import PAPER, contrast, page_colours_of

from minigrad import _pictures as pictures
from minigrad.report import drawing
from minigrad.studies import lab, style


def figure():
    """Lines and words in ink and in colours, markers, a clipped line, white fillings, signs as squares."""
    import numpy as np

    with style.settings():
        fig = style.figure(3)
        ax, squares = fig.subplots(1, 2)
        ax.plot([0, 1, 2], [0, 5, 1], "o--", color=lab.COLOUR["tanh"], markerfacecolor="white")
        ax.plot([0, 2], [1, 1], color=style.INK)
        ax.bar([1], [2], color="black")
        ax.bar([2], [2], facecolor="white", edgecolor=style.ROSE)
        ax.set(ylim=(0, 3), title="a < b")
        ax.text(0.5, 2.5, "white", color="white")
        style.label_line(ax, 1, 1, "tanh", lab.COLOUR["tanh"])
        style.coloured(squares, np.array([[1.0, -0.01], [0.0, -1.0]]))
        style.sign_key(fig)
    return fig


@pytest.fixture(scope="module")
def drawn():
    return drawing.inline(style.svg(figure()), "one", 'two lines, and a < "b"')


def test_the_same_figure_gives_the_same_bytes(drawn):
    assert drawing.inline(style.svg(figure()), "one", 'two lines, and a < "b"') == drawn


def test_a_page_can_hold_it(drawn):
    root = ET.fromstring(drawn)
    assert root.tag == "svg"
    assert (root.get("role"), root.get("aria-label")) == ("img", 'two lines, and a < "b"')
    tags = {element.tag for element in root.iter()}
    assert tags <= {"svg", "g", "path", "defs", "clipPath", "rect", "use", "text", "tspan", "image"}
    assert "http" not in drawn
    assert "<text" in drawn  # letters, not their outlines
    assert "DejaVu" not in drawn
    assert len(drawn) < 0.7 * len(style.svg(figure()))


def test_several_fit_one_page(drawn):
    other = drawing.inline(style.svg(figure()), "two", "-")
    ids = [set(re.findall(r'\bid="([^"]*)"', text)) for text in (drawn, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for name, text, names in zip(("one", "two"), (drawn, other), ids, strict=True):
        used = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
        assert used
        assert used | {f"drawing-{name}"} == names


def colours(element, tag):
    """The fill and stroke colours of the elements of that tag, and of those within."""
    found = ET.fromstring(element).iter(tag)
    return {part for one in found for part in re.findall(r"(?:fill|stroke):([^;]*)", one.get("style", ""))}


def test_ink_and_paper_follow_the_page_and_colours_stay(drawn):
    lines = colours(drawn, "path") | colours(drawn, "use")
    assert {"var(--ink)", "var(--paper)", lab.COLOUR["tanh"].lower(), style.ROSE.lower()} <= lines
    assert not {"#000000", "#222222", style.INK.lower(), "#ffffff"} & lines
    assert "#ffffff" in colours(drawn, "text")  # white words stand on a colour


def test_coloured_words_are_mixed_with_ink_and_the_mark_of_a_key_is_not(drawn):
    words = colours(drawn, "text")
    assert f"color-mix(in srgb,{lab.COLOUR['tanh'].lower()} 60%,var(--ink))" in words
    assert colours(drawn, "tspan") == {pictures.PLUS.lower(), pictures.MINUS.lower()}
    marks = [element.text for element in ET.fromstring(drawn).iter("tspan")]
    assert marks == ["■", "■"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_mixed_words_can_be_read(scheme):
    """WCAG 2: 4.5 and more for letters."""
    page = page_colours_of(scheme)
    paper, ink = page["paper"], page["ink"]
    assert contrast(ink, paper) > 10
    for colour in [*lab.COLOUR.values(), pictures.PLUS, pictures.MINUS, style.ROSE, style.GREY]:
        channels = [[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in (colour, ink)]
        mixed = "#" + "".join(f"{round(0.6 * a + 0.4 * b):02x}" for a, b in zip(*channels, strict=True))
        assert contrast(mixed, paper) >= 4.5, colour
    for colour in (style.ROSE, style.GREY):  # lines that mean neither a sign nor an activation
        assert all(contrast(colour, page) >= 3 for page in PAPER.values())


def test_the_file_beside_the_page_brings_its_paper(drawn):
    root = ET.fromstring(drawing.alone(drawn))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("aria-label") == 'two lines, and a < "b"'
    assert (root.get("width"), root.get("height")) == ("800", "300")
    assert "background:var(--paper)" in root[0].text
    assert root[0].text.startswith(pictures.page_colours("svg"))
    assert "--ink" not in drawn.split(">")[0].replace("var(--ink)", "")  # in the page it takes the page's


def test_numbers_are_rounded_and_places_kept(drawn):
    numbers = re.findall(r"\d+\.\d+", "".join(re.findall(r' d="([^"]*)"', drawn)))
    assert numbers
    assert max(len(number.partition(".")[2]) for number in numbers) == 2
    raw = re.findall(r' d="M ([\d.]+) ([\d.]+)', style.svg(figure()))
    kept = re.findall(r' d="M([\d.]+) ([\d.]+)', drawn)
    exact = {(round(float(x), 2), round(float(y), 2)) for x, y in raw}
    assert {(float(x), float(y)) for x, y in kept} <= exact
