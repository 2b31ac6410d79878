"""The training scene in Chromium: settings, pictures and their numbers, comparison, diagnosis, tables, no motion."""

import json
import re
from urllib.parse import quote

import numpy as np
import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("websockets")
expect = pytest.importorskip("playwright.sync_api").expect

from test_browser import address, by_id, number, open_page, script_of, wait_for  # noqa: E402, F401

from minigrad.play.train import Train  # noqa: E402

TABLE = "a,b,c,kind\n" + "".join(f"{n % 7},{n % 5},{n % 3},{'odd' if n % 2 else 'even'}\n" for n in range(30))


def opened(open_page, state, **settings):  # noqa: F811
    page = open_page(f"train={quote(json.dumps(state))}", **settings)
    expect(number(page, "loss")).to_have_attribute("data-exact", re.compile("."))
    return page


def controls(page):
    """The state that the address holds, once it has followed."""
    page.wait_for_timeout(500)
    return json.loads(page.evaluate("decodeURIComponent(location.hash.split('=').slice(1).join('='))"))


def test_a_run_learns_and_stops(open_page):  # noqa: F811
    page = opened(open_page, {"data": "xor", "hidden": [[6, "tanh"]], "batch": 4, "optimizer": "sgd", "lr": 0.5})
    by_id(page, "run").press("Enter")
    expect(number(page, "accuracy")).to_have_text("1", timeout=20000)
    by_id(page, "run").press("Enter")
    expect(by_id(page, "run")).to_have_text("run")
    steps = number(page, "steps").get_attribute("data-exact")
    page.wait_for_timeout(300)
    assert number(page, "steps").get_attribute("data-exact") == steps
    scene = Train(controls(page))
    assert repr(scene.values()["loss"]) == number(page, "loss").get_attribute("data-exact")
    by_id(page, "reset").press("Enter")
    wait_for(page, "steps", "0")


def test_every_control_is_a_labelled_form_element_that_reaches_the_state(open_page):  # noqa: F811
    page = opened(open_page, {})
    fields = "[...document.querySelectorAll('main :is(input, select, textarea)')]"
    assert page.evaluate(f"{fields}.every((field) => field.labels.length || field.ariaLabel)")
    for name, value in (
        ("data", "circles"), ("scale", "unit"), ("activation", "tanh"), ("init", "he_normal"), ("loss", "mse"),
        ("optimizer", "sgd"), ("compare", "activation:relu"), ("speed", "fast"), ("sample", "3"),
        ("activation-2", "elu"), ("output", "softplus"),
    ):  # fmt: skip
        by_id(page, name).select_option(value)
    for name, value in (("lr", "0.125"), ("momentum", "0.5"), ("batch", "20"), ("seed", "7"), ("width-1", "5")):
        by_id(page, name).fill(value)
    wanted = {
        "data": "circles", "scale": "unit", "hidden": [[5, "tanh"], [8, "elu"]], "output": "softplus",
        "init": "he_normal", "loss": "mse", "optimizer": "sgd", "lr": 0.125, "momentum": 0.5, "batch": 20, "seed": 7,
        "compare": "activation:relu", "speed": "fast", "sample": 3, "steps": 0, "table": "",
    }  # fmt: skip
    assert controls(page) == wanted
    assert by_id(page, "activation").input_value() == ""
    by_id(page, "add-layer").click()
    by_id(page, "width-3").fill("9")
    expect(page.locator(".card")).to_have_count(4)
    by_id(page, "remove-layer").click()
    expect(page.locator(".card")).to_have_count(3)


def test_pointing_at_a_square_reads_its_number(open_page):  # noqa: F811
    page = opened(open_page, {"hidden": [[4, "tanh"]], "batch": 8, "steps": 20})
    run = Train({"hidden": [[4, "tanh"]], "batch": 8, "steps": 20}).run
    canvas = page.locator(".card canvas").nth(1)
    canvas.focus()
    wait_for(page, "g.2.0.0", repr(float(run.bp.gradients["2"].weight[0, 0])))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    wait_for(page, "g.2.1.1", repr(float(run.bp.gradients["2"].weight[1, 1])))
    page.keyboard.press("d")
    page.keyboard.press("ArrowRight")
    wait_for(page, "delta.2.0", repr(float(run.bp.gradients["2"].delta[1, 0])))
    page.keyboard.press("a")
    page.keyboard.press("ArrowDown")
    wait_for(page, "a.0.0", repr(float(run.bp.gradients["2"].a[1, 0])))
    by_id(page, "sample").select_option("5")
    canvas.blur()
    expect(page.locator("#looked [data-value]")).to_have_count(0)
    canvas.hover(position={"x": 16 + 8 * 15 + 10 + 5, "y": 16 + 8 * 15 + 10 + 5})
    g = run.bp.gradients["2"]
    wait_for(page, "g.2.0.0", repr(float(g.delta[4, 0] * g.a[4, 0])))


def test_the_squares_have_the_colours_of_their_signs_and_a_glyph(open_page):  # noqa: F811
    page = opened(open_page, {"hidden": [[3, "tanh"]], "batch": 4, "steps": 5}, color_scheme="light")
    g = Train({"hidden": [[3, "tanh"]], "batch": 4, "steps": 5}).run.bp.gradients["2"].weight  # (2, 3)
    pixels = page.evaluate("""() => {
        const canvas = document.querySelectorAll(".card canvas")[1];
        const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const place = (row, column, dx, dy) => {
            const [x, y] = [16 + 4 * 26 + 10 + 26 * (column + 0.5) + dx, 16 + 4 * 26 + 10 + 26 * (row + 0.5) + dy];
            const at = 4 * (Math.floor(y) * width + Math.floor(x));
            return [...data.slice(at, at + 4)];
        };
        return [0, 1].map((row) => [0, 1, 2].map((column) => [place(row, column, 7, 7), place(row, column, 0, -2.5)]));
    }""")
    for row in range(2):
        for column in range(3):
            (red, _, blue, _), up = pixels[row][column]
            assert (red > blue) == (g[row, column] > 0), "vermilion is plus, blue is minus"
            has_upright_stroke = up[:3] != pixels[row][column][0][:3]
            assert has_upright_stroke == (g[row, column] > 0), "a plus has an upright stroke, a minus has none"


def test_two_nets_are_compared_side_by_side(open_page):  # noqa: F811
    page = opened(open_page, {"steps": 60, "compare": "twin"})
    other = Train({"steps": 60, "compare": "twin"}).values()
    expect(page.locator("#answers figure")).to_have_count(2)
    expect(number(page, "other-loss")).to_be_visible()
    wait_for(page, "other-loss", repr(other["other-loss"]))
    wait_for(page, "other-delta-norm.2", repr(other["other-delta-norm.2"]))
    by_id(page, "compare").select_option("none")
    expect(page.locator("#answers figure")).to_have_count(1)
    expect(number(page, "other-loss")).to_be_hidden()


def test_a_finding_is_applied(open_page):  # noqa: F811
    page = opened(open_page, {"optimizer": "sgd", "lr": 5000, "hidden": [[8, "relu"]]})
    by_id(page, "diagnose").press("Enter")
    expect(page.locator(".findings")).to_contain_text("lr high", timeout=30000)
    assert "lr:" in page.locator(".findings li .change").first.inner_text()
    by_id(page, "apply").press("Enter")
    expect(by_id(page, "lr")).not_to_have_value("5000.0")
    expect(page.locator(".findings li")).to_have_count(0)
    assert float(by_id(page, "lr").input_value()) < 100


def test_a_table_is_pasted_in(open_page):  # noqa: F811
    page = opened(open_page, {"steps": 3})
    by_id(page, "data").select_option("table")
    expect(by_id(page, "table")).to_be_focused()
    by_id(page, "table").fill("1,2\n")
    by_id(page, "use-table").click()
    expect(page.locator("#refused")).to_contain_text("the table has 2 columns")
    wait_for(page, "steps", "3")
    by_id(page, "table").fill(TABLE)
    by_id(page, "use-table").click()
    expect(page.locator(".confusion")).to_be_visible()
    expect(by_id(page, "data")).to_have_value("table")
    by_id(page, "step").click()
    wait_for(page, "steps", "1")
    assert repr(Train({"data": "table", "table": TABLE, "steps": 1}).values()["loss"]) == number(
        page, "loss"
    ).get_attribute("data-exact")


def test_a_loss_that_leaves_the_floats_is_shown_and_said(open_page):  # noqa: F811
    page = opened(open_page, {"data": "spirals", "hidden": [[6, "relu"]] * 2, "optimizer": "sgd", "lr": 1e200})
    by_id(page, "run").click()
    expect(page.locator("#sentence")).to_contain_text("The loss stopped being finite in epoch 1", timeout=10000)
    expect(number(page, "loss")).to_have_attribute("data-exact", re.compile("^(nan|inf)$"))
    expect(by_id(page, "run")).to_have_text("run")
    by_id(page, "reset").click()
    wait_for(page, "steps", "0")


def test_digits_are_shown_with_their_answers(open_page):  # noqa: F811
    page = opened(open_page, {"data": "digits", "hidden": [[16, "tanh"]], "steps": 200})
    images = Train({"data": "digits", "hidden": [[16, "tanh"]], "steps": 200}).view()["answers"][0]["images"]
    right = np.asarray(images["classes"]) == images["answers"]
    expect(page.locator(".digits li")).to_have_count(len(right))
    expect(page.locator(".digits li.right")).to_have_count(int(right.sum()))
    texts = page.locator(".digits span").all_inner_texts()
    assert texts == [f"{'✓' if good else '✗'} {answer}" for good, answer in zip(right, images["answers"], strict=True)]


def test_who_wants_no_motion_gets_many_steps_at_once(open_page):  # noqa: F811
    page = opened(open_page, {"data": "xor", "batch": 4}, reduced_motion="reduce")
    by_id(page, "run").click()
    wait_for(page, "steps", "250")


def test_the_losses_are_read_by_keyboard(open_page):  # noqa: F811
    page = opened(open_page, {"data": "xor", "batch": 4, "hidden": [[3, "tanh"]], "steps": 50})
    curve = Train({"data": "xor", "batch": 4, "hidden": [[3, "tanh"]], "steps": 50}).run.points
    page.locator("#curve .chart").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#curve figcaption")).to_have_text(f"step 49: {curve[49].loss:.4g}")


@pytest.mark.slow
@pytest.mark.parametrize("data", ["digits", "iris"])
def test_nothing_scrolls_sideways_with_two_nets(open_page, data):  # noqa: F811
    page = opened(open_page, {"data": data, "hidden": [[64, "sigmoid"]] * 3, "compare": "twin"})
    for width in (360, 390, 700, 1000, 1280, 1600, 2560):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_script_of_the_page_prints_what_the_page_shows(open_page):  # noqa: F811
    from scripts import printed

    page = opened(open_page, {"data": "digits", "hidden": [[8, "relu"]], "compare": "init:he_uniform", "steps": 30})
    names = [e.get_attribute("data-value") for e in page.locator("[data-value]").all() if e.get_attribute("data-exact")]
    shown = {name: number(page, name).get_attribute("data-exact") for name in names}
    assert shown.items() <= printed(script_of(page)).items()
    assert "other-single-signed.2" in shown
