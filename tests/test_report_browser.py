"""The page in a browser: the system's Chromium, without a script in the page, at several widths, and on paper."""

import re

import pytest
from findings import finding

from minigrad.report import page
from minigrad.studies.finding import Picture

pytest.importorskip("jinja2")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page of three claims with a picture each."""
    found = [finding(claim) for claim in ("Q1", "Q2", "Q7")]
    pictures = {}
    for one in found:
        one.theorem = f"theorem of {one.id}: $|delta^1| <= |delta^L| (1/4)^(L-1)$ " + 20 * "and a long text "
        one.pictures = {f"of_{one.id}": Picture("what is seen", "what is drawn")}
        pictures[f"of_{one.id}"] = (
            f'<svg id="drawing-of_{one.id}" viewBox="0 0 576 300" role="img" aria-label="drawn" '
            'style="fill:var(--ink)"><rect width="576" height="300"></rect></svg>'
        )
    out = tmp_path_factory.mktemp("page") / "index.html"
    commands = {one.id: "minigrad report" + 40 * " --only Q1" for one in found}
    out.write_text(page.render(found, commands, pictures, {}, {"a": "b"}, {}), encoding="utf-8")
    return out.as_uri()


def opened(browser, address, wide, high=800, **rest):
    """The page in a window; what it asked of the network, and complained of, is in its `told`."""
    shown = browser.new_context(viewport={"width": wide, "height": high}, **rest).new_page()
    shown.told = []
    shown.on("request", lambda request: shown.told.append(request.url))
    shown.on("console", lambda message: shown.told.append(message.text))
    shown.goto(address)
    return shown


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("wide", [390, 800, 1280, 2560])
def test_it_fits_and_asks_for_nothing(browser, address, wide, scheme):
    shown = opened(browser, address, wide, color_scheme=scheme)
    shown.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert shown.evaluate("document.documentElement.scrollWidth") <= wide
    assert [url for url in shown.told if not url.startswith(("file:", "data:"))] == []
    ink, paper = (shown.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
    lightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert (lightness[0] > lightness[1]) == (scheme == "dark")
    drawn = shown.evaluate("getComputedStyle(document.querySelector('.drawing rect')).fill")
    assert drawn == ink
    shown.context.close()


@pytest.mark.parametrize(("wide", "scheme"), [(390, "light"), (1280, "dark")])
def test_axe_finds_nothing_to_complain_of(browser, address, wide, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    shown = opened(browser, address, wide, color_scheme=scheme)
    shown.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = axe.run(shown).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    shown.context.close()


def test_contents_stay_in_view_beside_the_text(browser, address):
    shown = opened(browser, address, 1280)
    shown.goto(address + "#words")
    assert shown.evaluate("scrollY") > 500
    assert shown.locator("nav").bounding_box()["y"] >= 0
    assert shown.get_by_role("link", name="Q7 zig-zag").is_visible()
    shown.context.close()


def test_contents_are_folded_on_a_phone_and_fold_again(browser, address):
    shown = opened(browser, address, 390)
    shown.goto(address + "#Q2")
    entry = shown.get_by_role("link", name="Q7 zig-zag")
    for way_out in ("Close", "Q7 zig-zag"):
        before = shown.evaluate("scrollY")
        assert not entry.is_visible()
        shown.get_by_role("link", name="Contents").click()
        assert entry.is_visible()
        assert shown.evaluate("scrollY") == before
        shown.get_by_role("link", name=way_out).click()
        assert not entry.is_visible()
        assert (shown.evaluate("scrollY") == before) == (way_out == "Close")
    shown.context.close()


@pytest.mark.parametrize("wide", [390, 1280])
def test_a_picture_grows_and_shrinks_by_keyboard(browser, address, wide):
    shown = opened(browser, address, wide)
    small = shown.locator("#drawing-of_Q1").bounding_box()
    large = shown.locator("#large-of_Q1")
    assert not large.is_visible()
    shown.get_by_role("button", name="Enlarge the picture of Q1").focus()
    shown.keyboard.press("Enter")
    assert large.is_visible()
    assert large.locator("svg").bounding_box()["width"] > 1.3 * small["width"]
    assert shown.evaluate("getComputedStyle(document.querySelector('#large-of_Q1 use')).fill") != "none"
    shown.keyboard.press("Escape")
    assert not large.is_visible()
    assert shown.evaluate("document.activeElement.textContent") == "Enlarge"
    shown.context.close()


def test_on_paper_all_is_unfolded_and_light(browser, address, tmp_path):
    shown = opened(browser, address, 1280, color_scheme="dark")
    assert not shown.get_by_text("theorem of Q7").is_visible()
    shown.emulate_media(media="print", color_scheme="dark")
    assert shown.get_by_text("theorem of Q7").is_visible()
    assert not shown.locator("nav").is_visible()
    assert not shown.get_by_role("button").first.is_visible()
    assert shown.evaluate("getComputedStyle(document.body).color") == "rgb(34, 34, 34)"
    assert len(shown.pdf(path=tmp_path / "page.pdf")) > 10_000
    shown.context.close()
