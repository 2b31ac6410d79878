"""The playground in the system's Chromium, as a reader uses it: keyboard, addresses, tabs, and no other site."""

import re
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from scripts import printed, same_bits

pytest.importorskip("uvicorn")
pytest.importorskip("websockets")
expect = pytest.importorskip("playwright.sync_api").expect

from minigrad.play.session import SCENES, from_address  # noqa: E402

REFUSE = "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')) }"
NUMBERS = """() => Object.fromEntries([...document.querySelectorAll('[data-value]')]
    .filter((element) => element.dataset.exact).map(({dataset}) => [dataset.value, dataset.exact]))"""
NAMES = "(name) => [...document.querySelectorAll(`[${name}]`)].map((element) => element.getAttribute(name))"


@pytest.fixture(scope="module")
def address():
    """The address of a server in a process of its own; at the end it has said nothing but that."""
    command = [sys.executable, "-m", "minigrad", "play", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        yield re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline()).group()
        process.terminate()
        assert process.stderr.read() == ""


@pytest.fixture
def open_page(browser, address):
    """Opens the playground at #fragment, each time as a new reader. In the end, nothing went wrong."""
    contexts, errors, asked = [], [], []

    def open_page(fragment="", **settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda ws: asked.append(ws.url))
        page.goto(f"{address}#{fragment}")
        page.wait_for_selector("main h1")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(address).netloc}


def by_id(page, name):
    return page.get_by_test_id(name)


def number(page, name):
    return page.locator(f"[data-value='{name}']")


def wait_for(page, name, text):
    expect(number(page, name)).to_have_attribute("data-exact", text)


def script_of(page):
    """The script, from where it is shown when the browser lets the page copy nothing."""
    page.evaluate(REFUSE)
    by_id(page, "copy-python").click()
    page.wait_for_function("getSelection().toString().includes('import minigrad')")
    return page.evaluate("getSelection().toString()")


@pytest.mark.parametrize("name", SCENES)
def test_the_numbers_are_those_of_python_to_the_last_bit(open_page, name):
    page = open_page(f"{name}=")
    by_id(page, {"step": "whole-step"}.get(name, "step")).click()
    wait_for(page, "steps", "1")
    shown = page.evaluate(NUMBERS)
    values = printed(script_of(page))
    assert len(shown) > 5
    assert same_bits({n: text for n, text in values.items() if n in shown}, {n: float(t) for n, t in shown.items()})


@pytest.mark.parametrize("name", SCENES)
def test_an_address_opens_the_same_numbers_in_another_tab(open_page, name):
    page = open_page(f"{name}=")
    for _ in range(2):
        by_id(page, {"step": "whole-step"}.get(name, "step")).click()
    wait_for(page, "steps", "2")
    page.wait_for_timeout(500)
    fragment = page.evaluate("location.hash.slice(1)")
    shown = page.evaluate(NUMBERS)
    again = open_page(fragment)
    wait_for(again, "steps", "2")
    assert again.evaluate(NUMBERS) == shown
    again.reload()
    wait_for(again, "steps", "2")
    assert again.evaluate(NUMBERS) == shown
    values = from_address(fragment).values()
    assert same_bits({n: t for n, t in shown.items() if n in values}, {n: values[n] for n in shown if n in values})


@pytest.mark.parametrize("name", SCENES)
def test_each_name_occurs_once_and_nothing_scrolls_sideways(open_page, name):
    page = open_page(f"{name}=")
    for key in ("data-value", "data-testid"):
        names = page.evaluate(NAMES, key)
        assert len(names) == len(set(names))
    for width in (390, 1280, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", SCENES)
def test_axe_finds_nothing_serious_in_the_light_and_in_the_dark(open_page, name):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page(f"{name}=")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = [rule for rule in axe.run(page).response["violations"] if rule["impact"] in ("serious", "critical")]
        assert [(scheme, rule["id"], node["html"]) for rule in found for node in rule["nodes"]] == []


def test_the_first_scene_by_keyboard(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    expect(by_id(page, "scene-neuron")).to_be_focused()
    by_id(page, "run").focus()
    page.keyboard.press("Enter")
    expect(number(page, "steps")).to_have_text("44", timeout=4000)
    expect(number(page, "single-signed")).to_have_text("44")
    expect(page.locator("#sentence")).to_contain_text("All 44 updates moved both weights the same way")
    loss = number(page, "loss").get_attribute("data-exact")
    by_id(page, "flip").focus()
    page.keyboard.press("Space")
    wait_for(page, "single-signed", "0")
    wait_for(page, "loss", loss)
    by_id(page, "reset").focus()
    page.keyboard.press("Space")
    wait_for(page, "steps", "0")
    expect(by_id(page, "flip")).to_be_checked()
    page.locator(".handle.start").focus()
    before = number(page, "w.0.0.1").get_attribute("data-exact")
    page.keyboard.press("ArrowUp")
    expect(number(page, "w.0.0.1")).not_to_have_attribute("data-exact", before)
    by_id(page, "turn").focus()
    page.keyboard.press("End")
    expect(number(page, "turn")).to_have_text("360")


def test_the_second_scene_by_keyboard(open_page):
    page = open_page()
    by_id(page, "scene-neuron").focus()
    page.keyboard.press("ArrowRight")
    expect(by_id(page, "scene-step")).to_be_focused()
    expect(by_id(page, "scene-step")).to_have_attribute("aria-selected", "true")
    by_id(page, "next").focus()
    for phase in ("forward: the hidden layer", "forward: the output, the loss", "back: delta of the output"):
        page.keyboard.press("Enter")
        expect(page.locator("#phases [aria-current]")).to_have_text(phase)
    number(page, "g.2.1.0").focus()
    expect(page.locator("#pointed")).to_contain_text("delta_out₂ · a₁ =")
    expect(number(page, "delta.2.1")).to_have_class(re.compile(r"\blit\b"))
    expect(number(page, "a.0.0")).to_have_class(re.compile(r"\blit\b"))
    expect(number(page, "a.0.1")).not_to_have_class(re.compile(r"\blit\b"))
    number(page, "x.0").focus()
    z = number(page, "z.0.0").get_attribute("data-exact")
    page.keyboard.press("ArrowUp")
    wait_for(page, "x.0", "0.6")
    expect(number(page, "z.0.0")).not_to_have_attribute("data-exact", z)
    number(page, "w.2.0.0").fill("-0.25")
    wait_for(page, "w.2.0.0", "-0.25")
    by_id(page, "whole-step").press("Enter")
    wait_for(page, "steps", "1")


def test_points_and_numbers_are_dragged(open_page):
    page = open_page()
    box = page.locator(".handle.start").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] - 50, steps=5)
    page.mouse.up()
    expect(number(page, "w.0.0.0")).not_to_have_attribute("data-exact", "2.0")
    by_id(page, "scene-step").click()
    expect(number(page, "x.0")).to_be_visible()
    number(page, "w.0.0.0").scroll_into_view_if_needed()
    box = number(page, "w.0.0.0").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 10, steps=5)
    page.mouse.up()
    wait_for(page, "w.0.0.0", "0.9")


def test_two_tabs_are_two_sessions(open_page):
    one, two = open_page(), open_page()
    by_id(one, "lr").fill("0.5")
    expect(one.locator("#sentence")).to_contain_text("no step crosses the valley")
    by_id(two, "step").click()
    wait_for(two, "steps", "1")
    wait_for(one, "steps", "0")
    expect(by_id(two, "lr")).to_have_value("1.87")


def test_who_wants_no_motion_gets_the_end_of_a_run_at_once(open_page):
    page = open_page(reduced_motion="reduce")
    by_id(page, "run").click()
    expect(number(page, "steps")).to_have_text("44", timeout=1000)


def test_infinite_numbers_are_shown_and_the_page_lives(open_page):
    page = open_page('neuron={"lr":900,"steps":200}')
    expect(number(page, "loss")).to_have_text(re.compile("^(inf|nan)$"))
    by_id(page, "reset").click()
    wait_for(page, "steps", "0")


def test_a_link_is_copied_or_shown(open_page, address):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    by_id(page, "copy-link").click()
    expect(page.locator("#said")).to_contain_text("copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith(f"{address}#neuron=")
    page.evaluate(REFUSE)
    by_id(page, "copy-link").click()
    page.wait_for_function("getSelection().toString().includes('#neuron=')")


def test_a_spoilt_address_is_said_and_the_scene_opens(open_page):
    page = open_page('neuron={"lr":"much"}')
    expect(page.locator("#refused")).to_contain_text("lr is 'much'")
    by_id(page, "step").click()
    wait_for(page, "steps", "1")
    expect(page.locator("#refused")).to_have_text("")


def test_another_sites_page_is_refused(browser, address):
    page = browser.new_page()
    page.goto("data:text/html,<h1>another site</h1>")
    opened = page.evaluate(
        """(url) => new Promise((done) => {
            const socket = new WebSocket(url);
            socket.onopen = () => done(true);
            socket.onerror = () => done(false);
        })""",
        address.replace("http", "ws") + "session",
    )
    assert opened is False
    page.close()


RANDOM_ACTS = """async (seed) => {
    const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    const one = (list) => list[Math.floor(random() * list.length)];
    for (let count = 0; count < 200; count++) {
        const things = document.querySelectorAll("main :is(button, input, select, [tabindex], summary), [role=tab]");
        const element = one([...things].filter((thing) => thing.getClientRects().length));
        const say = (value) => {
            element.value = value;
            element.dispatchEvent(new Event("input", { bubbles: true }));
        };
        if (element.type === "range") say(Number(element.min) + random() * (element.max - element.min));
        else if (element.localName === "select") say(one([...element.options]).value);
        else if (element.type === "number") say(one(["3", "-1e3", ".5", "1e300"]));
        else if (element.type === "text") say(one(["3", "-1e3", "x", "1e400", "-"]));
        else if (element.localName === "g") {
            element.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
        } else element.click();
        await new Promise((done) => setTimeout(done, 10));
    }
}"""


@pytest.mark.parametrize("name", SCENES)
def test_200_random_clicks_and_inputs_break_nothing(open_page, name):
    page = open_page(f"{name}=")
    page.evaluate(RANDOM_ACTS, 7)
    by_id(page, f"scene-{name}").click()
    expect(by_id(page, f"scene-{name}")).to_have_attribute("aria-selected", "true")
    expect(page.locator("main h1")).to_be_visible()
