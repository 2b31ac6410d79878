"""Scene 3 without a browser: the same run as fit's, whole states, scripts, comparisons, refusals and remedies."""

import base64
import contextlib
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import printed

import minigrad as mg
from minigrad import diagnostics as dg
from minigrad.layers.activations import ACTIVATIONS
from minigrad.losses import LOSSES
from minigrad.play import wire
from minigrad.play.train import Train
from minigrad.play.train_run import FINE, POINTS, data_of, most_steps, second_setup, setup_of
from minigrad.play.train_settings import CONTROLS, INITS, read
from minigrad.training.optimizers import OPTIMIZERS

TABLE = "a;b;kind\n" + "".join(f"{n % 7};{n % 5 - 2};{'odd' if n % 2 else 'even'}\n" for n in range(40))
PLAIN_INITS = [name for name in INITS if name != "tanh_equivalent"]
HIDDEN = st.lists(st.tuples(st.integers(1, 6), st.sampled_from(list(ACTIVATIONS))).map(list), max_size=3)
COMPARED = st.sampled_from(["none", "activation:relu", "activation:tanh", "init:he_normal", "init:zeros"])
STATES = st.fixed_dictionaries(
    {
        "data": st.sampled_from(["xor", "moons", "circles", "spirals", "iris", "table"]),
        "table": st.just(TABLE),
        "scale": st.sampled_from(["none", "unit", "standard"]),
        "hidden": HIDDEN,
        "output": st.sampled_from(["identity", "sigmoid"]),
        "init": st.sampled_from(PLAIN_INITS),
        "loss": st.sampled_from([kind for kind in LOSSES if kind != "bce"]),
        "optimizer": st.sampled_from(list(OPTIMIZERS)),
        "lr": st.sampled_from([0.01, 0.3, 5.0, 1e200]),
        "momentum": st.sampled_from([0.0, 0.9]),
        "batch": st.sampled_from([1, 7, 32, 500]),
        "seed": st.integers(0, 9),
        "compare": COMPARED,
        "sample": st.integers(0, 3),
        "steps": st.sampled_from([0, 1, 30, 150]),
    }
)


def lines_of(text):
    return dict(line.split() for line in text.splitlines())


def exact(values):
    return {name: str(value) for name, value in values.items()}


def opened_again(scene):
    return Train(json.loads(json.dumps(scene.state())))


def drawn(scene):
    """The view as the page gets it, text."""
    return wire.dumps(wire.drawn(scene.view()))


def weights(net):
    return b"".join(array.tobytes() for array in net.state().values())


# ---- the run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "epochs"),
    [
        ({"data": "digits", "hidden": [[12, "sigmoid"]], "optimizer": "sgd", "lr": 0.5, "momentum": 0.5}, 5),
        ({"data": "moons", "loss": "mse", "hidden": [[5, "relu"], [4, "tanh"]], "batch": 100}, 12),
        ({"data": "xor", "loss": "bce", "output": "sigmoid", "hidden": [[3, "tanh"]], "batch": 3}, 90),
    ],
)
def test_whole_epochs_are_the_bits_of_fit(state, epochs):
    scene = Train(state)
    scene.act("steps", n=epochs * scene.run.epoch)
    setting, _ = read(state)
    setup, data = setup_of(setting), data_of(setting)
    held_out = None
    if data.x_test is not None:
        y_test = data.y_test if setting["loss"] == "cross_entropy" else np.eye(len(data.classes))[data.y_test]
        held_out = data.x_test, y_test
    history = mg.fit(
        setup.net, setup.loss, setup.opt, setup.x, setup.y, epochs=epochs, batch_size=setting["batch"],
        rng=setting["seed"], validation=held_out, progress=False,
    )  # fmt: skip
    assert weights(scene.run.net) == weights(setup.net)
    assert scene.values()["epochs"] == epochs
    if held_out:
        assert scene.values()["test-loss"] == history.val_loss[-1]
        assert setting["loss"] == "mse" or scene.values()["test-accuracy"] == history.val_accuracy[-1]


def test_one_step_at_a_time_ends_where_many_do():
    state = {"data": "moons", "batch": 64, "hidden": [[4, "sigmoid"]]}  # 13 steps an epoch
    slowly, quickly = Train(state), Train(state | {"steps": 300})
    for _ in range(300):
        slowly.act("step")
    assert repr(slowly.values()) == repr(quickly.values())
    assert drawn(slowly) == drawn(quickly)


def test_the_curve_has_a_point_for_each_early_step_and_then_few_however_long_the_run():
    scene = Train({"data": "xor", "batch": 4, "hidden": [[3, "tanh"]]})
    for total in (FINE, 500, 1300):
        scene.act("steps", n=total - scene.run.steps)
        steps = [point.steps for point in scene.run.points]
        assert steps[: FINE + 1] == list(range(FINE + 1))
        assert steps == sorted(set(steps))
        assert len(steps) <= FINE + POINTS + 1
        assert opened_again(scene).run.points == scene.run.points
    assert steps[-1] > 1280


def test_the_gradient_that_is_shown_is_the_one_that_the_step_takes():
    scene = Train({"optimizer": "sgd", "lr": 0.25, "hidden": [[3, "tanh"]]})
    before, gradient = scene.run.net[0].weight.copy(), scene.run.bp.gradients["0"].weight
    scene.act("step")
    np.testing.assert_array_equal(scene.run.net[0].weight, before - 0.25 * gradient)


# ---- states and scripts --------------------------------------------------------------------------------------


@given(STATES)
def test_the_state_is_whole(state):
    scene = Train(state)
    again = opened_again(scene)
    assert not again.notes
    assert repr(again.values()) == repr(scene.values())
    assert drawn(again) == drawn(scene)


ACTS = st.one_of(
    st.tuples(st.just("act"), st.sampled_from(["step", "run", "stop", "reset", "dismiss"])),
    st.tuples(st.just("steps"), st.integers(1, 80)),
    st.tuples(st.just("compare"), COMPARED),
    st.tuples(st.just("layers"), st.integers(0, 3)),
    st.tuples(st.just("activation"), st.sampled_from(list(ACTIVATIONS))),
    st.tuples(st.just("width-1"), st.integers(1, 9).map(str)),
    st.tuples(st.just("activation-1"), st.sampled_from(list(ACTIVATIONS))),
    st.tuples(st.just("lr"), st.sampled_from(["0.001", "1", "1e300"])),
    st.tuples(st.just("loss"), st.sampled_from(list(LOSSES))),
    st.tuples(st.just("init"), st.sampled_from(INITS)),
    st.tuples(st.just("data"), st.sampled_from(["xor", "moons", "table"])),
)


@given(st.lists(ACTS, max_size=8))
@settings(max_examples=15)
def test_after_any_actions_the_state_is_whole_and_the_script_prints_it(actions):
    scene = Train({"data": "xor", "hidden": [[3, "sigmoid"]], "batch": 3})
    for name, value in actions:
        with contextlib.suppress(ValueError):
            if name == "act":
                scene.act(value)
            elif name == "steps":
                scene.act("steps", n=value)
            else:
                scene.set(name, value)
        scene.advance(0.001)
    assert repr(opened_again(scene).values()) == repr(scene.values())
    out = io.StringIO()
    with contextlib.redirect_stdout(out), np.errstate():
        exec(compile(scene.as_python(), "script", "exec"), {})
    assert lines_of(out.getvalue()) == exact(scene.values())


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"data": "digits", "hidden": [[16, "sigmoid"], [9, "relu"]], "compare": "init:he_normal", "steps": 70},
        {"data": "spirals", "hidden": [[6, "sigmoid"]] * 3, "compare": "twin", "steps": 33, "optimizer": "rmsprop"},
        {"data": "xor", "output": "sigmoid", "loss": "bce", "batch": 4, "steps": 200, "compare": "activation:relu"},
        {"data": "table", "table": TABLE, "loss": "huber", "init": "tanh_equivalent", "steps": 40, "scale": "unit"},
        {"data": "iris", "hidden": [[4, "relu"]] * 2, "optimizer": "sgd", "lr": 1e200, "momentum": 0.9, "steps": 50},
    ],
)
def test_the_script_prints_the_same_numbers_to_the_bit(state):
    scene = Train(state)
    assert not scene.notes
    assert printed(scene.as_python()) == exact(scene.values())


@given(
    st.dictionaries(st.sampled_from([*CONTROLS, "colour"]), st.none() | st.floats() | st.text(max_size=4), max_size=4)
)
def test_a_spoilt_state_opens_with_defaults_and_names_what_was_wrong(state):
    scene = Train(state)
    for name, value in state.items():
        if scene.state().get(name) != value and not (name in CONTROLS and str(scene.state()[name]) == str(value)):
            assert any(name in note for note in scene.notes)
    assert not opened_again(scene).notes


def test_an_address_cannot_ask_for_more_than_a_run_may_have():
    heavy = {"data": "digits", "hidden": [[64, "relu"]] * 8, "batch": 2048}
    assert most_steps(read(heavy)[0]) < 100 < most_steps(read(heavy | {"batch": 32})[0])
    assert "at most 8" in Train({"hidden": [[64, "relu"]] * 9}).notes[0]
    scene = Train({"data": "xor", "hidden": [[1, "relu"]], "batch": 1, "steps": 10**9})
    assert "more than the 50,000" in scene.notes[0]
    assert scene.run.steps == 50_000
    scene.act("run")
    assert not scene.running
    assert "an address cannot bring back" in scene.view()["sentence"]
    assert scene.act("step") is None
    assert scene.run.steps == 50_000


# ---- what is measured ----------------------------------------------------------------------------------------


def test_the_numbers_of_the_layers_written_out():
    scene = Train({"data": "iris", "hidden": [[4, "sigmoid"], [3, "tanh"]], "batch": 20, "steps": 40})
    run, values = scene.run, scene.values()
    rows = run.batch()
    assert len(rows) == 20
    a = run.x[rows]
    W = [run.net[i].weight for i in (0, 2, 4)]
    b = [run.net[i].bias for i in (0, 2, 4)]
    h1 = 1 / (1 + np.exp(-(a @ W[0].T + b[0])))
    h2 = np.tanh(h1 @ W[1].T + b[1])
    e = np.exp(h2 @ W[2].T + b[2])
    delta3 = e / e.sum(axis=1, keepdims=True) - np.eye(3)[run.y[rows]]
    delta2 = delta3 @ W[2] * (1 - h2**2)
    delta1 = delta2 @ W[1] * h1 * (1 - h1)
    for path, delta, inputs in (("0", delta1, a), ("2", delta2, h1), ("4", delta3, h2)):
        gradient = delta.T @ inputs
        assert values[f"single-signed.{path}"] == np.mean([(row > 0).all() or (row < 0).all() for row in gradient])
        outer = np.einsum("nk,nj->nkj", delta, inputs).reshape(-1, inputs.shape[1])
        shares = np.mean([(row > 0).all() or (row < 0).all() for row in outer])
        assert values[f"single-signed-samples.{path}"] == shares
        assert values[f"delta-norm.{path}"] == pytest.approx(np.sqrt((delta**2).sum() / 20), rel=1e-10)
        with_bias = np.column_stack([inputs, np.ones(20)])
        assert values[f"condition.{path}"] == pytest.approx(np.linalg.cond(with_bias) ** 2, rel=1e-6)
    assert values["decades.0"] == pytest.approx(math.log10(values["delta-norm.0"] / values["delta-norm.2"]))
    assert values["saturated.0"] == (h1 * (1 - h1) < 0.01).mean()
    assert values["saturated.2"] == (1 - h2**2 < 0.01).mean()
    assert values["mean-field.4"] == values["delta-norm.4"]
    rate = dg.mean_field_rate("tanh", math.sqrt(3 * (W[2] ** 2).mean()), math.sqrt((b[1] ** 2).mean()))
    assert values["mean-field.2"] == pytest.approx(values["delta-norm.4"] * math.sqrt(rate.chi), rel=1e-10)


def test_the_pictures_have_the_signs_and_the_entries_have_the_numbers():
    scene = Train({"data": "moons", "hidden": [[5, "tanh"]], "batch": 40, "steps": 9})
    for sample in (0, 3):
        scene.set("sample", str(sample))
        for card, (path, g) in zip(scene.view()["cards"], scene.run.bp.gradients.items(), strict=True):
            product = g.weight if sample == 0 else np.outer(g.delta[2], g.a[2])
            for what, array in (("a", g.a[:32]), ("delta", g.delta[:32]), ("g", product)):
                codes = np.frombuffer(base64.b64decode(card[what]["codes"]), np.int8).reshape(array.shape)
                np.testing.assert_array_equal(np.sign(codes), np.sign(array))
                size = np.abs(array) / np.abs(array).max()
                np.testing.assert_allclose(np.abs(codes) / 127, np.sqrt(size), atol=1 / 127)
                assert card[what]["largest"] == np.abs(array).max()
                i, j = array.shape[0] - 1, array.shape[1] - 1
                scene.act("look", what=what, layer=path, i=i, j=j)
                name = {"a": f"a.0.{j}" if path == "2" else f"x.{j}", "delta": f"delta.{path}.{j}"}
                assert scene.values()[name.get(what, f"g.{path}.{i}.{j}")] == array[i, j]
    scene.act("look")
    assert not any(name.startswith(("a.", "x.", "delta.", "g.")) for name in scene.values())


@pytest.mark.parametrize(("value", "code"), [(np.nan, -128), (np.inf, 127), (-np.inf, -127), (5e-324, 1), (0.0, 0)])
def test_a_picture_of_what_is_not_finite_or_tiny(value, code):
    from minigrad.play.train_view import picture

    found = picture(np.array([[value, 2.0]]))
    assert np.frombuffer(base64.b64decode(found["codes"]), np.int8).tolist() == [code, 127]
    assert found["largest"] == 2.0


def test_the_field_is_what_the_net_answers():
    from minigrad.play.train_view import GRID, LEVELS

    scene = Train({"data": "spirals", "hidden": [[8, "tanh"]], "steps": 200})
    view = scene.view()
    codes = np.frombuffer(base64.b64decode(view["answers"][0]["field"]), np.uint8).reshape(GRID, GRID)
    low, side = view["points"]["low"], view["points"]["side"]
    for row, column in ((0, 0), (GRID - 1, 3), (20, 41)):
        place = [low[0] + (column + 0.5) / GRID * side, low[1] + (GRID - row - 0.5) / GRID * side]
        p = np.sort(mg.softmax(scene.run.net([place]))[0])
        assert codes[row, column] // LEVELS == scene.run.net([place]).argmax()
        assert codes[row, column] % LEVELS == round((p[-1] - p[-2]) * (LEVELS - 1))
    marks = {name: np.frombuffer(base64.b64decode(view["points"]["train"][name]), np.uint8) for name in ("x", "y")}
    np.testing.assert_allclose(low[0] + marks["x"] / 255 * side, scene.run.x[:, 0], atol=side / 255)
    np.testing.assert_allclose(low[1] + marks["y"] / 255 * side, scene.run.x[:, 1], atol=side / 255)


def test_the_digits_and_the_confusion_are_those_of_the_held_out_samples():
    digits = Train({"data": "digits", "hidden": [[10, "relu"]], "steps": 60})
    images = digits.view()["answers"][0]["images"]
    ink = np.frombuffer(base64.b64decode(images["ink"]), np.uint8).reshape(-1, 64)
    _, _, x_test, y_test = mg.datasets.load("digits")
    np.testing.assert_allclose(ink, x_test[: len(ink)] / 16 * 255, atol=0.51)
    assert images["classes"].tolist() == y_test[: len(ink)].tolist()
    iris = Train({"data": "iris", "hidden": [[6, "tanh"]], "steps": 100})
    found = iris.view()["answers"][0]["confusion"]
    assert found["counts"].sum(axis=1).tolist() == [10, 10, 10]
    assert found["counts"].trace() == round(30 * iris.values()["test-accuracy"])


def test_a_scene_that_opens_says_what_is_seen():
    scene = Train()
    sentence = scene.view()["sentence"]
    assert sentence.startswith("Before the first step the loss is 0.")
    assert "all inputs of layer 4 are of one sign" in sentence, "sigmoids are never negative"
    scene.act("steps", n=200)
    assert f"In 200 steps the loss has fallen from {wire.rounded(scene.run.points[0].loss)}" in scene.view()["sentence"]
    deep = Train({"hidden": [[8, "sigmoid"]] * 8})
    assert "times smaller than at the last, so the first hardly moves" in deep.view()["sentence"]
    saturated = Train({"data": "digits", "scale": "none", "hidden": [[8, "sigmoid"]], "init": "he_normal"})
    assert "it is saturated" in saturated.view()["sentence"]


# ---- the second net ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compare", ["twin", "activation:relu", "init:zeros"])
def test_both_nets_see_the_same_batches(compare):
    state = {"compare": compare, "optimizer": "sgd", "lr": 0.1, "batch": 48, "seed": 3}
    scene = Train(state)
    setup = second_setup(read(state)[0])
    for _ in range(40):
        rows = scene.run.batch()
        np.testing.assert_array_equal(scene.second.batch(), rows)
        setup.opt.step(setup.net, mg.backprop(setup.net, setup.loss, setup.x[rows], setup.y[rows]))
        scene.act("step")
    assert weights(scene.second.net) == weights(setup.net)
    assert weights(scene.second.net) != weights(scene.run.net)
    assert scene.values()["other-loss"] == setup.loss(setup.net(setup.x), setup.y)


def test_the_tanh_twin_begins_with_the_same_outputs_and_goes_its_own_way():
    scene = Train({"compare": "twin"})
    values = scene.values()
    assert values["other-loss"] == pytest.approx(values["loss"], rel=1e-12)
    scene.act("steps", n=50)
    values = scene.values()
    assert abs(values["other-loss"] - values["loss"]) > 0.001
    assert [type(layer).__name__ for layer in scene.second.net] == ["Linear", "Tanh", "Linear", "Tanh", "Linear"]


def test_a_comparison_that_begins_late_catches_up_and_leaves_the_first_run_alone():
    scene = Train({"steps": 77})
    before = weights(scene.run.net)
    scene.set("compare", "activation:relu")
    assert scene.second.steps == 77
    assert weights(scene.run.net) == before
    assert repr(Train({"compare": "activation:relu", "steps": 77}).values()) == repr(scene.values())
    scene.set("activation", "tanh")
    assert scene.state()["compare"] == "activation:relu"
    scene.set("compare", "none")
    assert scene.second is None


def test_what_no_longer_fits_is_put_back():
    scene = Train({"compare": "twin", "init": "tanh_equivalent"})
    scene.set("activation", "relu")
    assert scene.state()["compare"] == "none"
    assert scene.state()["init"] == "glorot_uniform"
    with pytest.raises(ValueError, match="only a net with sigmoids has a tanh twin"):
        scene.set("compare", "twin")
    with pytest.raises(ValueError, match="tanh_equivalent is for nets of sigmoids"):
        scene.set("init", "tanh_equivalent")
    offered = [value for value, _ in scene.view()["choices"]["compare"]]
    assert "twin" not in offered
    assert "activation:tanh" in offered


# ---- controls ------------------------------------------------------------------------------------------------


def test_layers_are_added_removed_and_changed_one_by_one():
    scene = Train({"hidden": [[8, "sigmoid"], [5, "relu"]]})
    scene.set("layers", "4")
    assert scene.state()["hidden"] == [[8, "sigmoid"], [5, "relu"], [5, "relu"], [5, "relu"]]
    scene.set("width-2", "7")
    scene.set("activation-3", "tanh")
    assert scene.state()["hidden"] == [[8, "sigmoid"], [7, "relu"], [5, "tanh"], [5, "relu"]]
    scene.set("layers", 1)
    scene.set("activation", "elu")
    assert scene.state()["hidden"] == [[8, "elu"]]
    scene.set("layers", "0")
    assert scene.run.net[0].weight.shape == (2, 2)
    scene.set("layers", "1")
    assert len(scene.state()["hidden"]) == 1


def test_another_net_begins_a_new_run_and_another_look_does_not():
    scene = Train({"steps": 30})
    for name, value in (("sample", "2"), ("speed", "fast"), ("compare", "twin")):
        scene.set(name, value)
        assert scene.run.steps == 30
    scene.set("steps", "12")
    assert scene.run.steps == scene.second.steps == 12
    assert repr(scene.values()) == repr(Train(scene.state()).values())
    scene.set("lr", "0.5")
    assert scene.run.steps == 0
    scene.act("steps", n=5)
    scene.act("reset")
    assert scene.run.steps == 0
    assert scene.state()["lr"] == 0.5


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("data", "mnist", "unknown data 'mnist', expected one of: digits"),
        ("data", "table", "there is no table yet: paste one first"),
        ("lr", "0", "lr is 0, expected a finite number in"),
        ("lr", "fast", "lr is 'fast', expected a number"),
        ("lr", None, "lr must be a number, not None"),
        ("batch", "0", "batch is 0, expected at least 1"),
        ("batch", "1e3", "batch is '1e3', expected a whole number"),
        ("seed", "-1", "seed is -1, expected at least 0"),
        ("layers", "9", "layers is 9, expected at most 8"),
        ("width-1", "65", "width-1 is 65, expected at most 64"),
        ("width-3", "5", "the layer is 3, expected at most 2"),
        ("activation-1", "step", "unknown activation 'step', expected one of: identity"),
        ("activation", "step", "unknown activation 'step', expected one of: identity"),
        ("hidden", [[3]], "expected a list of [width, activation]"),
        ("hidden", [[0, "tanh"]], "the width of layer 1 is 0, expected at least 1"),
        ("loss", "bce", "the loss bce wants probabilities: give the output a sigmoid, or take bce_with_logits"),
        ("momentum", "1", "momentum is 1, expected a finite number in [0, 0.999]"),
        ("compare", "twins", "unknown compare 'twins'"),
        ("steps", "60000", "steps is 60,000, expected at most 50,000"),
        ("colour", "red", "there is no control 'colour'"),
    ],
)
def test_a_bad_setting_is_refused_in_words_and_changes_nothing(name, value, words):
    scene = Train({"steps": 7})
    before = scene.state(), repr(scene.values())
    with pytest.raises((ValueError, TypeError)) as refused:
        scene.set(name, value)
    assert words in str(refused.value)
    assert (scene.state(), repr(scene.values())) == before


@pytest.mark.parametrize(
    ("action", "arguments", "words"),
    [
        ("jump", {}, "unknown action 'jump', expected one of: step"),
        ("_begin", {}, "unknown action '_begin'"),
        ("steps", {"n": 0}, "n is 0, expected at least 1"),
        ("steps", {"n": 1.5}, "n must be a whole number"),
        ("step", {"watched": False}, "step does not take watched"),
        ("look", {"what": "a", "layer": "1", "i": 0, "j": 0}, "there is no entry [0, 0] of 'a' in layer '1'"),
        ("look", {"what": "g", "layer": "0", "i": 0, "j": 2}, "there is no entry [0, 2] of 'g' in layer '0'"),
        ("look", {"what": "g"}, "i must be a whole number, not None"),
        ("apply", {}, "there is no finding to apply: press diagnose first"),
    ],
)
def test_a_bad_action_is_refused_in_words(action, arguments, words):
    scene = Train()
    with pytest.raises((ValueError, TypeError)) as refused:
        scene.act(action, **arguments)
    assert words in str(refused.value)


# ---- tables --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_is_read_with_its_names_and_every_fifth_row_is_held_out(delimiter):
    scene = Train()
    scene.set("table", TABLE.replace(";", delimiter))
    assert scene.state()["data"] == "table"
    assert scene.view()["data"] == {"train": 32, "test": 8, "features": 2, "classes": ["even", "odd"]}
    assert scene.run.data.features == ("a", "b")
    rows = np.array([[n % 7, n % 5 - 2] for n in range(40) if n % 5 != 4], float)
    np.testing.assert_allclose(scene.run.data.x * scene.run.data.spread + scene.run.data.shift, rows, atol=1e-12)
    assert scene.run.data.y_test.tolist() == [n % 2 for n in range(4, 40, 5)]


def test_classes_that_are_numbers_are_in_their_order_and_names_may_be_missing():
    scene = Train()
    scene.set("table", "1,2,10\n3,4,9\n5,6,10\n")
    assert scene.run.data.classes == ("9", "10")
    assert scene.run.data.features == ("x1", "x2")
    assert scene.run.data.x_test is None
    assert "test-loss" not in scene.values()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("\n\n", "the table is empty"),
        ("1,2\n3,4\n", "the table has 2 columns, expected from 3 to 65"),
        ("a,b,c\n1,2,x\n3,y\n", "line 3 has 2 cells, the first row 3"),
        ("a,b,c\n1,2,x\n3,tall,y\n", "line 3, column 2 holds 'tall', expected a number"),
        ("a,b,c\n1,2,x\n3,nan,y\n", "line 3, column 2 holds 'nan', expected a number"),
        ("a,b,c\n1,2,x\n", "the table has 1 rows of numbers, expected from 2"),
        ("1,2,x\n3,4,x\n", "the last column holds 1 different classes"),
        ("".join(f"1,2,{n}\n" for n in range(11)), "the last column holds 11 different classes"),
        ("1,2,x\n" * 4000, "the table has 24,000 characters, expected at most 20,000"),
        ("1,2,0\n" * 1001, "the table has 1,001 rows of numbers, expected from 2 to 1,000"),
        (3, "table must be text, not 3"),
    ],
)
def test_a_bad_table_is_refused_in_words(table, words):
    scene = Train()
    with pytest.raises((ValueError, TypeError)) as refused:
        scene.set("table", table)
    assert words in str(refused.value)
    assert scene.state() == Train().state()


@given(st.text(alphabet='0123456789.,;\t\n"ab-e', max_size=60))
def test_any_text_is_a_table_or_refused(text):
    scene = Train({"hidden": []})
    with contextlib.suppress(ValueError):
        scene.set("table", text)
        wire.dumps(wire.drawn(scene.view()))
        assert repr(opened_again(scene).values()) == repr(scene.values())


# ---- losses that leave the floats ----------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_run_that_diverges_stops_and_says_what_happened(optimizer):
    state = {"data": "spirals", "hidden": [[6, "relu"]] * 2, "optimizer": optimizer, "lr": 1e200, "speed": "fast"}
    scene = Train(state)
    scene.act("run")
    for _ in range(200):
        if not scene.advance(0.01):
            break
    assert not scene.running
    sentence = scene.view()["sentence"]
    assert sentence.startswith(f"The loss stopped being finite in epoch 1, step {scene.run.steps + 1}, beginning in ")
    assert "try a smaller lr than 1e+200" in sentence
    assert not math.isfinite(scene.values()["loss"])
    assert wire.texts(scene.values())["loss"][1] in ("nan", "inf")
    assert "nan" in drawn(scene) or "inf" in drawn(scene)
    steps = scene.run.steps
    scene.act("step")
    scene.act("run")
    assert scene.run.steps == steps
    assert not scene.running
    again = opened_again(scene)
    assert again.view()["sentence"] == sentence
    assert repr(again.values()) == repr(scene.values())


def test_the_words_are_those_of_fit():
    state = {"data": "spirals", "hidden": [[6, "relu"]] * 2, "optimizer": "sgd", "lr": 1e200}
    scene = Train(state | {"steps": 50})
    setup = setup_of(read(state)[0])
    with pytest.raises(mg.DivergenceError) as error:
        mg.fit(setup.net, setup.loss, setup.opt, setup.x, setup.y, epochs=9, rng=0, progress=False)
    what = scene.view()["sentence"].partition(";")[0]
    assert what[0].lower() + what[1:] in str(error.value)


def test_a_second_net_that_diverges_does_not_stop_the_first():
    scene = Train({"optimizer": "sgd", "lr": 1e120, "hidden": [[4, "tanh"]] * 2, "compare": "activation:relu"})
    scene.act("steps", n=40)
    assert scene.second.ended
    assert scene.second.steps < scene.run.steps == 40
    assert repr(opened_again(scene).values()) == repr(scene.values())


# ---- time ----------------------------------------------------------------------------------------------------


def test_the_speed_is_in_steps_a_second():
    taken = {}
    for speed in ("slow", "normal", "fast"):
        scene = Train({"data": "xor", "hidden": [[2, "tanh"]], "batch": 4, "speed": speed})
        scene.act("run")
        for _ in range(25):
            assert scene.advance(0.02)
        taken[speed] = scene.run.steps
    assert taken["slow"] == 2, "5 a second, for half a second"
    assert 2 < taken["normal"] <= 125, "250 a second, or fewer on a busy machine"
    assert taken["fast"] > taken["normal"]


def test_run_starts_and_stops():
    scene = Train()
    scene.act("run")
    assert scene.running
    scene.act("run")
    assert not scene.running
    scene.act("run")
    scene.act("stop")
    assert not scene.running
    scene.act("run")
    scene.act("step")
    assert not scene.running
    assert scene.run.steps == 1


# ---- the diagnosis -------------------------------------------------------------------------------------------


def diagnosed(state):
    scene = Train(state)
    scene.act("diagnose")
    assert scene.running
    while scene.running:
        scene.advance(0.05)
    return scene


@pytest.mark.parametrize(
    ("state", "name", "changes"),
    [
        ({"optimizer": "sgd", "lr": 5000.0, "hidden": [[8, "relu"]]}, "lr high", {"lr"}),
        ({"hidden": [[12, "identity"], [12, "identity"]]}, "no activation", {"hidden"}),
        (
            {"data": "digits", "scale": "none", "hidden": [[8, "sigmoid"]] * 6, "optimizer": "sgd", "lr": 100.0},
            "stuck",
            {"scale", "init", "lr"},
        ),
        ({"hidden": [[8, "sigmoid"]] * 6}, "vanishing", {"init"}),
        ({"data": "spirals", "output": "relu", "hidden": [[12, "relu"]]}, "activation before logits", {"output"}),
        ({"data": "digits", "output": "sigmoid", "loss": "mse"}, "mse on probabilities", {"output", "loss"}),
        ({"data": "digits", "optimizer": "sgd", "lr": 0.01, "momentum": 0.99}, "momentum", {"momentum"}),
        ({"data": "digits", "hidden": [[1, "relu"]]}, "bottleneck", {"hidden"}),
    ],
)
def test_a_remedy_is_applied_as_settings(state, name, changes):
    scene = diagnosed(state)
    found = scene.view()["diagnosis"]["findings"]
    names = [finding["name"] for finding in found]
    assert name in names, names
    number = names.index(name)
    before, wanted = scene.state(), scene._found[1][number].finding.apply()
    assert {change.partition(":")[0] for change in found[number]["changes"]} == changes
    scene.act("apply", number=number)
    after = scene.state()
    assert {key for key in after if after[key] != before[key]} == changes
    assert scene.view()["diagnosis"] is None
    made = setup_of(read(after)[0])
    assert [layer.kind for layer in made.net if hasattr(layer, "kind")] == [
        layer.kind for layer in wanted.net if hasattr(layer, "kind")
    ]
    assert [layer.out_features for layer in made.net if hasattr(layer, "out_features")] == [
        layer.out_features for layer in wanted.net if hasattr(layer, "out_features")
    ]
    assert (type(made.loss), made.opt.lr, made.batch_size) == (type(wanted.loss), wanted.opt.lr, wanted.batch_size)
    np.testing.assert_allclose(made.x, wanted.x, atol=1e-12)


def test_what_the_controls_cannot_change_is_said_in_words():
    scene = diagnosed({"lr": 5000.0, "optimizer": "sgd", "hidden": [[8, "relu"]]})
    found = scene._found[1]
    found[0] = found[0]._replace(changes=[])
    view = scene.view()["diagnosis"]["findings"][0]
    assert view["changes"] == []
    assert view["remedy"]
    with pytest.raises(ValueError, match="has no remedy that these controls can make"):
        scene.act("apply", number=0)


def test_a_diagnosis_is_of_the_net_as_it_starts_and_ends_with_its_settings():
    late = diagnosed({"hidden": [[8, "sigmoid"]] * 6, "steps": 90})
    early = diagnosed({"hidden": [[8, "sigmoid"]] * 6})
    assert late.view()["diagnosis"] == early.view()["diagnosis"]
    assert late.run.steps == 90
    late.set("lr", "0.1")
    assert late.view()["diagnosis"] is None
    early.act("dismiss")
    assert early.view()["diagnosis"] is None


def test_training_goes_on_while_a_diagnosis_thinks():
    scene = Train({"data": "digits", "hidden": [[48, "sigmoid"]] * 4, "speed": "fast"})
    scene.act("run")
    scene.act("diagnose")
    assert scene.view()["diagnosis"] == {"verdict": "", "findings": []}
    scene.advance(0.05)
    assert scene.run.steps > 0
    scene.act("stop")
    assert scene.running, "the diagnosis is still awaited"
    while scene.running:
        scene.advance(0.05)
    assert scene.view()["diagnosis"]["verdict"]
