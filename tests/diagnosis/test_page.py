"""The page of a diagnosis: whole, escaped, alone, and drawn where the numbers are."""

import dataclasses
import html
import math
import re
import stat
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from test_pictures import contrast
from test_text import broken, diagnosis, finding

import minigrad as mg
from minigrad.diagnosis import Diagnosis
from minigrad.diagnosis.charts import Series, bars, curves, number_picture
from minigrad.diagnosis.curves import Curve
from minigrad.diagnosis.gains import Gain
from minigrad.diagnosis.layers import LayerNumbers
from minigrad.diagnosis.page import FACTS, page, part
from minigrad.diagnosis.text import expected_text, verdict

VOID = {"meta", "br", "img", "hr", "input", "link"}


class Whole(HTMLParser):
    """All text and attributes; an AssertionError where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.attributes, self.tags = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def test_the_page_and_the_part_hold_everything_that_was_found():
    d = broken()
    for text in (page(d), d._repr_html_()):
        told = Whole(text).text
        assert verdict(d) in told
        for found in d.findings:
            for words in (found.name, found.text, found.remedy, found.theorem, f"{found.measured:.4g}"):
                assert " ".join(words.split()) in told
            assert f"expected {expected_text(found)}" in told
        for layer in d.layers:
            assert f"{layer.path}: {layer.layer}" in told
        for gain in d.gains:
            assert f"{gain.median:.2f}" in told
        assert f"{d.facts['constant_loss']:.4g}" in told


def test_every_number_among_the_facts_is_told_in_words():
    numbers = {name for name, value in broken().facts.items() if isinstance(value, bool | int | float)}
    assert numbers
    assert numbers - FACTS.keys() == set()


def test_a_page_is_one_document_and_a_part_is_none():
    d = broken()
    assert page(d).startswith("<!DOCTYPE html>")
    assert Whole(page(d)).tags[:2] == ["html", "head"]
    assert not {"html", "head", "body"} & set(Whole(part(d)).tags)
    assert part(d).startswith('<div class="minigrad-diagnosis">')


def test_nothing_is_asked_of_any_network_and_no_script_runs():
    found = Whole(page(broken()))
    assert "script" not in found.tags
    assert not {"link", "img", "iframe"} & set(found.tags)
    names = {name for name, _ in found.attributes}
    assert not {"src", "href", "srcset", "onload", "onclick", "style"} & names
    addresses = [value for name, value in found.attributes if value and "//" in value and name != "xmlns"]
    assert addresses == []
    assert "url(" not in page(broken())
    assert "@import" not in page(broken())


def test_rules_of_style_reach_only_their_own_part():
    """In a notebook they must not change the rest."""
    css = re.search(r"<style>(.*?)</style>", part(diagnosis()), re.DOTALL).group(1)
    css = re.sub(r"/\*.*?\*/|:not\([^()]*\)", "", css, flags=re.DOTALL)
    for selectors in re.findall(r"([^{}]+)\{", css):
        if not selectors.strip().startswith("@media"):
            assert all(".minigrad-diagnosis" in selector for selector in selectors.split(","))


EVIL = "<script>\"'&</pre>"


def test_every_text_is_escaped():
    one = finding(text=EVIL, remedy=EVIL, theorem=EVIL, code=EVIL, layer=EVIL, unit=EVIL, name="lr_high")
    layer = LayerNumbers(EVIL, EVIL, 1.0, 2.0, 0.5, 0.5, 0.5)
    curve = Curve(EVIL, [0, 10], [1.0, 0.5], 1.0, True)
    d = Diagnosis(
        [one], {EVIL: 3.0} | diagnosis().facts, [Gain((), (0.0,) * 3), Gain((EVIL,), (1.0,) * 3)], [layer], [curve]
    )
    for text in (page(d), part(d)):
        assert "<script" not in text
        told = Whole(text)
        assert told.text.count(EVIL) >= 10


# ---- files -----------------------------------------------------------------------------------------------


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "why.html"
    broken().save_html(path)
    assert path.read_text(encoding="utf-8") == page(broken())
    path.write_text("before")
    path.chmod(0o640)
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        broken().save_html(path)
    monkeypatch.undo()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    broken().save_html(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["", "nowhere/why.html", "/dev/stdout"])
def test_what_cannot_be_a_file_is_refused_by_name(tmp_path, name):
    path = tmp_path / name if not name.startswith("/") else Path(name)
    with pytest.raises(OSError, match="folder|stream|device") as caught:
        broken().save_html(path)
    assert caught.value.filename == str(path)


def test_neither_jinja2_nor_matplotlib_is_needed(tmp_path):
    code = f"""
import sys
sys.modules["jinja2"] = sys.modules["matplotlib"] = None
import numpy as np, minigrad as mg
x, y = np.random.default_rng(0).standard_normal((50, 2)), np.arange(50) % 2
mg.diagnose(mg.mlp([2, 4, 2], rng=0), mg.CrossEntropyLoss(), x, y).save_html({str(tmp_path / "a.html")!r})
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "a.html").stat().st_size > 5000


# ---- pictures --------------------------------------------------------------------------------------------


def places(svg, kind):
    """The first x of each path or rectangle of a class."""
    found = re.findall(rf'class="{kind}" (?:d="M|x=")([\d.]+)', svg)
    return [float(x) for x in found]


@pytest.mark.parametrize(
    ("measured", "expected"),
    [(3.0, (0, 1.5)), (2101.0, (0, 1.5)), (-2.4, (-1.2, 1.5)), (50.0, (100, math.inf)), (1.0, (0, 3)), (7.0, (0, 0))],
)
def test_the_diamond_is_on_its_side_of_the_shaded_range(measured, expected):
    svg = number_picture(measured, expected, "label")
    Whole(svg)
    (start,), width = places(svg, "healthy"), float(re.search(r'class="healthy".*?width="([\d.]+)"', svg).group(1))
    (diamond,) = places(svg, "measured")
    assert (diamond < start) == (measured < expected[0])
    assert (diamond > start + width) == (measured > expected[1])
    assert f">{measured:.4g}</text>" in svg
    assert svg.count("healthy-end") == sum(map(math.isinf, expected))


def test_what_lies_beyond_the_line_is_an_arrow():
    for measured in (math.inf, 1e9):
        assert 'class="measured" d="M335.0 30.0 l-9 -7 v14z"' in number_picture(measured, (-1, 1), "")


def heights(svg, kind):
    return [float(y) for y in re.findall(rf'<circle class="dot {kind}" cx="[\d.]+" cy="([\d.]+)"', svg)]


def test_curves_are_as_high_as_their_logarithms():
    svg = curves(
        [Series("a", [(0, 1.0), (1, 10.0), (2, 1000.0)]), Series("b", [(0, 100.0)])], [(0, "0"), (2, "2")], "x", "y"
    )
    Whole(svg)
    a, b = heights(svg, "s0"), heights(svg, "s1")
    assert (a[0] - a[1]) * 2 == pytest.approx(a[1] - a[2], abs=0.3)
    assert a[0] - b[0] == pytest.approx(2 * (a[0] - a[1]), abs=0.3)
    assert ">x</text>" in svg
    assert ">y</text>" in svg


def test_what_cannot_be_drawn_interrupts_a_curve():
    svg = curves(
        [Series("a", [(0, 1.0), (1, math.inf), (2, 2.0), (3, 0.0), (4, math.nan)])], [(0, "0"), (4, "4")], "x", "y"
    )
    assert len(heights(svg, "s0")) == 2
    assert re.search(r'class="curve s0" d="M[\d.]+ [\d.]+ M[\d.]+ [\d.]+"', svg)
    Whole(curves([Series("a", [(0, math.nan)])], [(0, "0")], "x", "y"))


def test_bars_are_as_high_as_their_shares_and_none_is_said():
    svg = bars([("0", 0.25), ("2", 1.0), ("4", None)], "layer", "dead")
    tall = [float(high) for high in re.findall(r'class="bar".*?height="([\d.]+)"', svg)]
    assert tall[0] * 4 == pytest.approx(tall[1], abs=0.3)
    assert len(tall) == 2
    assert ">none</text>" in svg


def test_the_curves_of_the_trials_are_shares_of_the_constant_and_a_diverged_one_is_named():
    two = [Curve("", [0, 10], [400.0, 200.0], 100.0, True), Curve("lr_high", [0, 10], [4.0, 2.0], 1.0, False)]
    told = part(dataclasses.replace(diagnosis(finding()), curves=two))
    assert heights(told, "s0") == heights(told, "s1")
    words = Whole(told).text
    assert "It diverges, and its curve ends early: the net as it is." in words
    assert "with the remedy for lr_high" in words
    none = dataclasses.replace(diagnosis(finding()), curves=[dataclasses.replace(two[0], constant=0.0)])
    assert "Before and after" not in part(none)


def test_no_more_curves_than_can_be_told_apart():
    many = [Curve(name, [0, 1], [1.0, 0.5], 1.0, False) for name in ("", *"abcdefgh")]
    assert len(set(re.findall(r'class="curve (s\d)"', part(dataclasses.replace(diagnosis(), curves=many))))) == 5


def test_nothing_is_drawn_of_what_fit_would_refuse():
    x = np.random.default_rng(0).standard_normal((50, 2))
    d = mg.diagnose(mg.mlp([2, 4, 1], rng=0), mg.MSELoss(), x, x[:, 0])
    told = Whole(page(d)).text
    assert "It cannot be trained as it is: target_shape." in told
    assert html.escape(d.findings[0].text, quote=False) in page(d)
    assert "svg" not in Whole(page(d)).tags


def test_all_colours_can_be_read_on_their_paper():
    css = page(diagnosis())
    modes = [dict(re.findall(r"--(\w+):(#\w+);", half)) for half in css.split("prefers-color-scheme:dark", 1)]
    assert modes[0].keys() == modes[1].keys()
    for colours in modes:
        for name in ("ink", "soft", "good", "slow", "bad", "other", "last"):
            assert contrast(colours[name], colours["paper"]) >= 4.5, name  # WCAG 2, for text
