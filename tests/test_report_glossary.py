"""The words of the page: each is explained once, and linked where it is used first."""

import re

import pytest

from minigrad.report import page
from minigrad.report.glossary import GLOSSARY, anchor, linked


def words(text):
    """(what is linked, to which entry) in a text."""
    return re.findall(r'href="#([^"]*)">([^<]*)<', linked(text, set()))


def test_the_first_use_is_linked_and_no_other():
    text = "gain and gain, a critical gain, saturates, and saturated"
    assert words(text) == [
        ("word-gain", "gain"),
        ("word-critical-gain", "critical gain"),
        ("word-saturated", "saturates"),
    ]


def test_a_part_of_a_word_is_not_linked():
    assert words("again, gains, a pairing of decades-old deltas") == []


@pytest.mark.parametrize("word", [word for word, (_, pattern) in GLOSSARY.items() if pattern])
def test_each_word_links_to_its_own_entry(word):
    assert words(f"the {word} of it") == [(anchor(word), word)]


def test_entries_are_in_order_and_their_anchors_differ():
    assert list(GLOSSARY) == sorted(GLOSSARY)
    assert len({anchor(word) for word in GLOSSARY}) == len(GLOSSARY)
    for said, _ in GLOSSARY.values():
        assert page.prose(said)


def test_links_stay_outside_of_formulas_and_of_what_is_escaped():
    html = page.prose("a <gain> of $gain^2$, and delta", links=True)
    assert html.count("<a ") == 2
    assert "&lt;<a" in html
    assert "<mi>gain</mi>" in html
