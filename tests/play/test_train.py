"""Scene 3 without a browser: the same run as fit's, whole states, scripts, a second net, losses that overflow."""

import contextlib
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import printed
from training import TABLE, drawn, exact, opened_again

import minigrad as mg
from minigrad.layers.activations import ACTIVATIONS
from minigrad.losses import LOSSES
from minigrad.play import wire
from minigrad.play.train import Train
from minigrad.play.train_run import FINE, POINTS, data_of, most_steps, second_setup, setup_of
from minigrad.play.train_settings import CONTROLS, INITS, read
from minigrad.training.optimizers import OPTIMIZERS

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


@pytest.mark.slow
def test_a_run_ends_at_its_last_step_in_the_middle_of_an_epoch():
    scene = Train({"data": "moons", "hidden": [], "batch": 300, "steps": 49_998, "speed": "fast"})  # 3 steps an epoch
    scene.act("run")
    while scene.advance(0.1):
        pass
    assert scene.run.steps == 50_000


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


def test_a_loss_that_overflows_outside_the_next_batch_ends_the_run_too():
    state = {"data": "xor", "scale": "none", "batch": 1, "hidden": [[2, "relu"]], "loss": "mse", "optimizer": "sgd"}
    scene = Train(state | {"lr": 1e52, "steps": 2})
    assert math.isfinite(scene.run.bp.loss)
    assert not math.isfinite(scene.values()["loss"])
    assert "The loss stopped being finite in epoch 1, step 3" in scene.view()["sentence"]
    scene.act("run")
    assert not scene.running


def test_a_run_that_was_asked_to_go_on_has_the_curve_of_the_steps_that_it_took():
    state = {"data": "xor", "hidden": [[3, "relu"]], "loss": "mse", "optimizer": "sgd", "lr": 3.0, "batch": 4}
    scene = Train(state | {"steps": 50_000})
    assert 4 * FINE < scene.run.steps < 50_000
    assert len(scene.run.points) > FINE + POINTS / 4
    assert opened_again(scene).run.points == scene.run.points


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
