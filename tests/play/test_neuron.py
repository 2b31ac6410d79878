"""Scene 1 without a browser: how it opens and ends, what flipping and turning change, and its script."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripts import printed, same_bits

from minigrad.play.neuron import CONTROLS, Neuron
from minigrad.play.neuron_path import MOST, Path, standard_cloud

BITS = ["loss", "first-loss", "steps", "reversals", "orthant-pairs", "lr-limit"]
SETTINGS = st.fixed_dictionaries(
    {
        "mean": st.floats(-1, 1),
        "spread": st.floats(0.02, 1),
        "turn": st.floats(0, 360),
        "flip": st.booleans(),
        "optimizer": st.sampled_from(["sgd", "adam"]),
        "lr": st.floats(0.001, 3),
        "momentum": st.floats(0, 0.95),
        "batch": st.sampled_from(["all", "16", "4", "1"]),
        "start-1": st.floats(-2.5, 2.5),
        "start-2": st.floats(-2.5, 2.5),
        "target-1": st.floats(-2.5, 2.5),
        "target-2": st.floats(-2.5, 2.5),
        "steps": st.integers(0, 40),
    }
)


def after_run(**state):
    scene = Neuron(state)
    scene.act("run", watched=False)
    return scene


def by_hand(state, steps):
    """Losses and weights of plain gradient descent on all samples, in NumPy alone."""
    x = state["mean"] + state["spread"] * standard_cloud()
    w, target = (np.array([state[f"{point}-{j}"] for j in (1, 2)]) for point in ("start", "target"))
    A, path = x.T @ x / len(x), [w]
    for _ in range(steps):
        path.append(path[-1] - state["lr"] * 2 * A @ (path[-1] - target))
    return [(w - target) @ A @ (w - target) for w in path], np.array(path)


def test_it_opens_with_positive_inputs_and_a_start_on_the_steep_axis():
    scene = Neuron()
    state, limit = scene.state(), scene.values()["lr-limit"]
    assert (scene.path.x > 0).all()
    assert 0.9 * limit < state["lr"] < limit
    values, axes = np.linalg.eigh(scene.path.x.T @ scene.path.x / 32)
    away = scene.path.weights[0] - scene.path.target
    assert abs(axes[:, 1] @ away) == pytest.approx(np.linalg.norm(away), rel=1e-12)
    assert limit == pytest.approx(1 / values[1], rel=1e-12)


def test_the_first_run_is_single_signed_turns_at_every_step_and_ends_by_itself():
    values = after_run().values()
    assert values["loss"] < 1e-3 * values["first-loss"]
    assert values["single-signed"] == values["steps"] == values["reversals"] + 1
    assert 20 < values["steps"] < MOST


@pytest.mark.parametrize("lr", [0.2, 0.9, 1.7])
@pytest.mark.parametrize("start", [(2.0, 0.8), (-1.0, 2.0)])
def test_a_run_is_gradient_descent(lr, start):
    scene = after_run(lr=lr, **{"start-1": start[0], "start-2": start[1]})
    losses, path = by_hand(scene.state(), scene.path.steps)
    np.testing.assert_allclose(scene.path.losses, losses, rtol=1e-9)
    np.testing.assert_allclose(scene.path.weights, path, rtol=1e-9, atol=1e-12)
    ends = [t for t, loss in enumerate(losses) if loss < 1e-3 * losses[0]]
    assert scene.path.steps == (ends[0] if ends else MOST)
    moves = np.diff(path, axis=0)
    assert scene.values()["single-signed"] == (moves[:, 0] * moves[:, 1] > 0).sum()
    assert scene.path.directions() == [
        "plus" if (move > 0).all() else "minus" if (move < 0).all() else "mixed" for move in moves
    ]


@given(SETTINGS)
def test_a_flip_keeps_every_loss_to_the_bit(state):
    scene, flipped = Neuron(state), Neuron(state | {"flip": not state["flip"]})
    assert np.array(scene.path.losses).tobytes() == np.array(flipped.path.losses).tobytes()
    assert scene.values()["difference-flipped"] == 0


def test_a_flip_leaves_no_update_single_signed_and_all_in_one_pair_of_orthants():
    scene = after_run(flip=True)
    assert scene.values()["single-signed"] == 0
    assert scene.values()["orthant-pairs"] == 1
    assert {name: scene.values()[name] for name in BITS} == {name: after_run().values()[name] for name in BITS}


@given(st.floats(1, 359), st.floats(0.1, 1.9), st.floats(0, 0.9), st.sampled_from(["all", "4"]))
def test_turning_keeps_the_losses_to_rounding_under_sgd(turn, lr, momentum, batch):
    scene, straight = (after_run(turn=angle, lr=lr, momentum=momentum, batch=batch) for angle in (turn, 0))
    largest = max(1.0, *scene.path.losses)  # they grow where a batch does not bear the rate, and so does rounding
    assert scene.values()["difference-turned"] <= 1e-13 * largest
    steps = min(scene.path.steps, straight.path.steps)
    differences = np.subtract(scene.path.losses[: steps + 1], straight.path.losses[: steps + 1])
    assert np.abs(differences).max() <= 1e-13 * largest


def test_turning_changes_the_losses_under_adam_and_the_orthants_under_both():
    for optimizer in ("sgd", "adam"):
        scene = after_run(turn=45, optimizer=optimizer, lr=0.1)
        assert scene.values()["orthant-pairs"] < 0.6
    assert scene.values()["difference-turned"] > 0.05
    assert after_run(turn=90, optimizer="adam", lr=0.1).values()["difference-turned"] < 1e-12  # the axes are exchanged


def test_the_bowl_and_the_path_turn_as_one():
    scene, turned = after_run(), after_run(turn=70)
    c, s = np.cos(np.radians(70)), np.sin(np.radians(70))
    Q = np.array([[c, -s], [s, c]])
    np.testing.assert_allclose(turned.path.weights, np.array(scene.path.weights) @ Q.T, atol=1e-12)
    np.testing.assert_allclose(turned.path.target, Q @ scene.path.target, atol=1e-12)
    angle = turned.view()["bowl"]["angle"] - scene.view()["bowl"]["angle"]
    assert (angle - 70 + 90) % 180 == pytest.approx(90, abs=1e-9)


def test_reset_returns_to_the_start_and_leaves_the_controls():
    scene = after_run(flip=True, turn=30.0, lr=0.7)
    before = scene.state()
    scene.act("reset")
    assert scene.state() == before | {"steps": 0}
    assert scene.values()["loss"] == scene.values()["first-loss"]


@given(SETTINGS, st.sampled_from(sorted(set(CONTROLS) - {"steps"})), SETTINGS)
def test_a_run_ends_at_a_step_that_depends_on_the_controls_alone(state, name, other):
    scene = after_run(**state)
    scene.set(name, other[name])
    scene.act("run", watched=False)
    assert scene.values()["steps"] == after_run(**(scene.state() | {"steps": 0})).values()["steps"]


def test_a_change_after_a_run_shows_the_new_run_to_its_end():
    scene = after_run()
    scene.set("lr", "1.2")
    assert 2 < scene.values()["steps"] < 10
    assert scene.values() == after_run(lr=1.2).values()


@given(SETTINGS)
def test_the_state_is_whole(state):
    scene = Neuron(state)
    again = Neuron(json.loads(json.dumps(scene.state())))
    assert repr(again.values()) == repr(scene.values())
    assert not again.notes
    path = Path(state)
    path.go_to(state["steps"])
    assert repr(path.losses[-1]) == repr(scene.values()["loss"])


def test_a_watched_run_ends_within_two_seconds():
    scene = Neuron({"lr": 0.001})
    scene.act("run")
    seconds = 0.0
    while scene.advance(0.05):
        seconds += 0.05
    assert scene.values()["steps"] == MOST
    assert seconds < 1.5


@pytest.mark.parametrize("flip", [False, True])
def test_a_dragged_point_goes_where_the_picture_shows_it(flip):
    scene = Neuron({"turn": 60, "flip": flip})
    scene.act("move", point="start", to=[1.0, -0.5])
    np.testing.assert_allclose(scene.path.weights[0], [1.0, -0.5], atol=1e-3)
    scene.act("move", point="target", to=[0.25, 0.75])
    np.testing.assert_allclose(scene.path.target, [0.25, 0.75], atol=1e-3)
    for bad in (
        {},
        {"point": "middle", "to": [0, 0]},
        {"point": "start", "to": [0]},
        {"point": "start", "to": ["x", 0]},
    ):
        with pytest.raises(ValueError, match="start|to is"):
            scene.act("move", **bad)


def test_a_run_that_leaves_the_floats_is_shown_as_such():
    scene = after_run(lr=500.0)
    values = scene.values()
    assert values["steps"] == MOST
    assert not np.isfinite(values["loss"])
    assert values["reversals"] > 20
    assert np.isfinite(scene.view()["bowl"]["path"]).all()


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"steps": 44},
        {"steps": 44, "flip": True, "turn": 33.3, "batch": "4", "momentum": 0.7, "lr": 0.31},
        {"steps": 60, "optimizer": "adam", "turn": 200.0, "lr": 0.07, "mean": -0.3, "spread": 0.8},
        {"steps": 200, "lr": 700.0},
    ],
)
def test_the_script_prints_the_same_numbers_to_the_bit(state):
    scene = Neuron(state)
    assert same_bits(printed(scene.as_python()), scene.values())


@given(SETTINGS)
def test_the_sentence_is_made_from_the_numbers(state):
    scene = Neuron(state)
    text, values = scene.view()["sentence"], scene.values()
    assert text.endswith(".")
    if values["steps"] > 1 and values["reversals"] > 1:
        assert f"{values['reversals']} times" in text


# ---- what the page draws ---------------------------------------------------------------------------------


@given(SETTINGS)
def test_the_contours_are_where_the_loss_has_their_level(state):
    scene = Neuron(state)
    bowl, A = scene.view()["bowl"], scene.path.x.T @ scene.path.x / 32
    angle = np.radians(bowl["angle"])
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    losses = [
        [(radius * axis) @ A @ (radius * axis) for radius, axis in zip(pair, axes, strict=True)]
        for pair in bowl["radii"]
    ]
    np.testing.assert_allclose(losses, np.repeat([[0.01 * 4.0**k] for k in range(7)], 2, axis=1), rtol=1e-6)


def test_the_grey_run_lies_under_this_one_with_sgd_and_not_with_adam():
    for optimizer, apart in (("sgd", False), ("adam", True)):
        bowl = after_run(turn=40, optimizer=optimizer, lr=0.2).view()["bowl"]
        steps = min(len(bowl["path"]), len(bowl["other"]))
        assert (np.abs(bowl["path"][:steps] - bowl["other"][:steps]).max() > 0.1) == apart
    assert len(after_run().view()["bowl"]["other"]) == 0


def test_the_strip_crosses_the_valley_at_each_reversal():
    for lr in (0.7, 1.3, 1.87):
        scene = after_run(lr=lr)
        away = scene.view()["strip"]["away"]
        assert (away[1:] * away[:-1] < 0).sum() == scene.values()["reversals"] + (lr > 0.97)
    assert Neuron().view()["strip"]["away"] == pytest.approx([1.2 * 2**0.5])


def test_the_batch_of_the_last_step_is_marked():
    scene = Neuron({"batch": "4", "steps": 9})
    assert scene.view()["cloud"]["batch"].tolist() == scene.path.x[[0, 1, 2, 3]].tolist()
    assert len(Neuron({"steps": 9}).view()["cloud"]["batch"]) == 0
