"""The colours that all pictures share, and the pieces of HTML and SVG."""

import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from minigrad import _pictures as pictures
from minigrad.layers.activations import ACTIVATIONS
from minigrad.studies import lab, style

PAPER = {"light": "#ffffff", "dark": "#16181a"}
# Machado, Oliveira and Fernandes 2009: what linear RGB becomes to eyes without one kind of cone.
EYES = {
    "all cones": np.eye(3),
    "no long": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no middle": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no short": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return XYZ[1] @ linear(colour)


def contrast(first, second):
    """WCAG 2: 3 and more for what is drawn."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def difference(first, second, eyes):
    """CIE 1976: about 2 is just noticed."""

    def lab_of(colour):
        x, y, z = XYZ @ np.clip(EYES[eyes] @ linear(colour), 0, 1) / XYZ.sum(axis=1)
        f = [np.cbrt(t) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z)]
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    return np.linalg.norm(lab_of(first) - lab_of(second))


def page_colours_of(scheme):
    """{name: colour} of a page on a light or a dark screen."""
    light, dark = pictures.page_colours(":root").split("@media screen and (prefers-color-scheme:dark)")
    return dict(re.findall(r"--(\w+):(#\w{6});", light if scheme == "light" else dark))


COLOURS = {"plus": pictures.PLUS, "minus": pictures.MINUS} | {
    kind: pictures.activation_colour(kind) for kind in ACTIVATIONS
}


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("page", PAPER)
def test_colours_stand_out_on_a_light_and_on_a_dark_page(name, page):
    assert contrast(COLOURS[name], PAPER[page]) >= 3


@pytest.mark.parametrize("eyes", EYES)
def test_the_activations_that_are_compared_are_told_apart_by_every_kind_of_eye(eyes):
    for first, second in itertools.combinations(lab.COLOUR.values(), 2):
        assert difference(first, second, eyes) > 15
    assert difference(pictures.PLUS, pictures.MINUS, eyes) > 50


def test_each_activation_has_a_colour_of_its_own():
    for first, second in itertools.combinations(COLOURS, 2):
        assert difference(COLOURS[first], COLOURS[second], "all cones") > 15, (first, second)
    assert lab.COLOUR == {kind: COLOURS[kind] for kind in lab.COLOUR}
    assert not {style.INK, style.ROSE, style.GREY} & set(COLOURS.values())
    assert pictures.activation_colour("of one's own") == COLOURS["identity"]


def test_plus_and_minus_are_told_apart_without_colour():
    """Their greys differ, and neither is that of the paper, which is left bare where a number is zero."""
    plus, minus, paper = map(luminance, (pictures.PLUS, pictures.MINUS, page_colours_of("light")["paper"]))
    assert minus + 0.04 < plus < paper - 0.3


def test_every_sign_is_coloured_and_the_root_of_a_product_is_the_product_of_the_roots():
    assert (pictures.strength(0.0), pictures.strength(1.0)) == (0.25, 1)
    free = [(pictures.strength(size) - 0.25) / 0.75 for size in (0.3, 0.5, 0.3 * 0.5)]
    assert free[2] == pytest.approx(free[0] * free[1])


def test_a_page_has_the_same_colours_by_day_and_by_night():
    day, night = page_colours_of("light"), page_colours_of("dark")
    assert day.keys() == night.keys() >= {"paper", "ink", "soft", "line", "box"}
    assert luminance(day["paper"]) > luminance(day["ink"])
    assert luminance(night["paper"]) < luminance(night["ink"])
    assert night["paper"] == PAPER["dark"]
    assert pictures.page_colours(".a").replace(".a{", ":root{") == pictures.page_colours(":root")


def test_a_tag_is_escaped():
    assert pictures.tag("i", "a", title='<"b">', fill_opacity=1) == (
        '<i title="&lt;&quot;b&quot;&gt;" fill-opacity="1">a</i>'
    )


def test_numbers_as_squares():
    class Squares(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag == "rect":
                drawn.append(dict(attrs))
            else:
                boxes.append(dict(attrs)["viewbox"])

    drawn, boxes = [], []
    Squares().feed(pictures.sign_squares([[4, -1], [0, 2]], side=10))
    assert boxes == ["0 0 20 20"]
    assert [(square["x"], square["y"]) for square in drawn] == [("0", "0"), ("10", "0"), ("0", "10"), ("10", "10")]
    assert [square["fill"] for square in drawn] == [pictures.PLUS, pictures.MINUS, pictures.MINUS, pictures.PLUS]
    assert [float(square["fill-opacity"]) for square in drawn] == [1, 0.625, 0, pytest.approx(0.78, abs=0.001)]
    assert "rect" not in pictures.sign_squares([])
