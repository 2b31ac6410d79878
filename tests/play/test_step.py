"""Scene 2 without a browser: its numbers against the chain rule written out, what a step changes, and its script."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripts import printed, same_bits

from minigrad.play.step import UPDATE, Step
from minigrad.play.step_pass import ACTIVATIONS, NETS, opening, shape

F = {
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
}


@st.composite
def states(draw, low=-3.0, high=3.0):
    net = draw(st.sampled_from(sorted(NETS)))
    state = {
        "net": net,
        "activation": draw(st.sampled_from(ACTIVATIONS)),
        "lr": draw(st.floats(0.01, 2)),
        "samples": draw(st.integers(1, 4)),
        "phase": draw(st.integers(0, UPDATE)),
        "steps": draw(st.integers(0, 9)),
    }
    state["sample"] = draw(st.integers(1, state["samples"]))
    return state | {name: draw(st.floats(low, high)) for name in opening(net)}


def matrix(values, name, K, J):
    return np.array([[values[f"{name}.{k}.{j}"] for j in range(J)] for k in range(K)])


def vector(values, name, K):
    return np.array([values[f"{name}.{k}"] for k in range(K)])


def by_the_chain_rule(state):
    """Every number of the pass, by name, in NumPy alone."""
    (K0, J0), (K2, J2) = shape(state["net"], 0), shape(state["net"], 2)
    W0, W2 = matrix(state, "w.0", K0, J0), matrix(state, "w.2", K2, J2)
    b0, b2 = vector(state, "b.0", K0), vector(state, "b.2", K2)
    f, slope = F[state["activation"]]
    g0, g2, gb0, gb2, loss = 0, 0, 0, 0, 0
    for n in range(state["samples"]):
        x, y = vector(state, f"x.{n}", J0), vector(state, f"y.{n}", K2)
        z0 = W0 @ x + b0
        a = f(z0)
        z2 = W2 @ a + b2
        delta2 = 2 * (z2 - y) / K2
        delta0 = (W2.T @ delta2) * slope(z0)
        g0, g2 = g0 + np.outer(delta0, x) / state["samples"], g2 + np.outer(delta2, a) / state["samples"]
        gb0, gb2 = gb0 + delta0 / state["samples"], gb2 + delta2 / state["samples"]
        loss += ((z2 - y) ** 2).mean() / state["samples"]
        if n == state["sample"] - 1:
            shown = {"x": x, "y": y, "z.0": z0, "a.0": a, "z.2": z2, "delta.0": delta0, "delta.2": delta2}
    return shown | {"g.0": g0, "g.2": g2, "gb.0": gb0, "gb.2": gb2, "loss": np.array(loss)}


def read(values, name, array):
    names = [".".join([name, *map(str, place)]) for place in np.ndindex(array.shape)]
    return np.array([values[name] for name in names]).reshape(array.shape)


@given(states())
def test_every_number_is_that_of_the_chain_rule(state):
    values = Step(state).values()
    for name, expected in by_the_chain_rule(state).items():
        np.testing.assert_allclose(read(values, name, expected), expected, rtol=1e-12, atol=1e-14, err_msg=name)


@given(states())
def test_on_one_sample_an_entry_of_the_gradient_is_one_product(state):
    values = Step(state | {"samples": 1, "sample": 1}).values()
    for layer, inputs in ((0, "x"), (2, "a.0")):
        K, J = shape(state["net"], layer)
        for k in range(K):
            for j in range(J):
                assert values[f"g.{layer}.{k}.{j}"] == values[f"delta.{layer}.{k}"] * values[f"{inputs}.{j}"]


@given(states())
def test_a_whole_step_moves_the_weights_and_nothing_else_until_the_next(state):
    scene = Step(state | {"phase": 0})
    before = scene.values()
    scene.act("whole-step")
    after = scene.values()
    for name, value in before.items():
        if name[0] in "wb":
            gradient = before[name.replace("b.", "gb.") if name[0] == "b" else name.replace("w.", "g.")]
            assert after[name] == pytest.approx(value - state["lr"] * gradient, rel=1e-12, abs=1e-14)
        elif name != "steps":
            assert after[name] == value
    assert after["steps"] == before["steps"] + 1
    scene.act("whole-step")
    again = by_the_chain_rule(state | {name: after[name] for name in after if name[0] in "wb"})
    np.testing.assert_allclose(read(scene.values(), "z.2", again["z.2"]), again["z.2"], rtol=1e-12, atol=1e-14)
    assert scene.values()["loss"] == after["loss-after"]
    assert scene.values()["steps"] == before["steps"] + 2


def test_walking_through_the_phases_is_a_whole_step():
    walked, whole = Step(), Step()
    for _ in range(UPDATE):
        walked.act("next")
    whole.act("whole-step")
    assert walked.state() == whole.state()
    walked.act("back")
    assert walked.values() == Step().values()
    walked.act("next")
    walked.act("next")
    assert walked.state()["phase"] == 0
    assert walked.values()["loss"] == whole.values()["loss-after"]


def test_back_ends_at_the_sample_and_reset_at_the_first_weights():
    scene = Step()
    scene.act("back")
    assert scene.state() == Step().state()
    scene.set("x.1", "0.25")
    scene.set("w.0.1.1", 3)
    scene.act("whole-step")
    scene.act("reset")
    assert scene.state() == Step().state() | {"x.0.1": 0.25}


def test_every_phase_adds_numbers_and_in_the_end_all_are_reached():
    scene, seen = Step(), set()
    for _ in range(UPDATE):
        view = scene.view()
        assert set(view["focus"]) <= set(view["reached"])
        assert set(view["reached"]) > seen
        assert all(view["spelled"][name] for name in view["focus"])
        seen = set(view["reached"])
        scene.act("next")
    assert seen | set(scene.view()["focus"]) == set(scene.values()) - {"steps"}


@pytest.mark.parametrize("name", ["w.0.0.0", "w.2.0.1", "b.0.1", "b.2.0", "x.1", "y.0"])
def test_a_number_that_is_changed_changes_what_depends_on_it(name):
    scene = Step()
    before = scene.values()
    scene.set(name, "0.4321")
    after = scene.values()
    assert after[name] == 0.4321
    moved = {other for other in before if before[other] != after[other]}
    letter = name.partition(".")[0]
    assert ("z.0.0" in moved) == (name in ("w.0.0.0", "x.1"))
    assert ("a.0.1" in moved) == (name in ("b.0.1", "x.1"))
    assert ("z.2.0" in moved) == (letter != "y")
    assert {"loss", "delta.2.0", "g.2.0.0", "delta.0.0"} <= moved


def test_a_weight_changed_after_the_update_belongs_to_a_new_pass():
    scene = Step()
    scene.act("whole-step")
    updated = scene.values()
    scene.set("w.0.0.0", "0.75")
    values = scene.values()
    kept = {name for name in values if name[0] in "wb"} - {"w.0.0.0"}
    assert values["w.0.0.0"] == 0.75
    assert all(values[name] == updated[name] for name in kept)
    assert values["z.0.0"] == pytest.approx(0.75 * values["x.0"] + values["w.0.0.1"] * values["x.1"] + values["b.0.0"])
    assert values["steps"] == 1


def test_the_shown_sample_is_the_one_that_is_changed():
    scene = Step()
    scene.set("samples", "3")
    scene.set("sample", "2")
    scene.set("y.1", "7")
    assert scene.state()["y.1.1"] == 7
    assert scene.state()["y.0.1"] == 0
    scene.set("samples", 1)
    assert scene.state()["sample"] == 1


def test_the_sentence_says_which_way_the_weights_go():
    scene = Step({"phase": 4, "y.0.0": 5.0})
    assert "All three weights into neuron 1 of the output go up: its delta is negative" in scene.view()["sentence"]
    scene.set("y.0", -5)
    assert "go down: its delta is positive and every a is positive" in scene.view()["sentence"]
    scene.set("activation", "tanh")
    scene.set("w.0.1.0", -5)
    assert "both signs" in scene.view()["sentence"]
    scene.set("samples", 4)
    assert "mean of 4 products, and here the 1/N enters" in scene.view()["sentence"]


@given(states())
def test_the_state_is_whole(state):
    scene = Step(state)
    again = Step(json.loads(json.dumps(scene.state())))
    assert again.values() == scene.values()
    assert again.notes == []
    assert again.view() == scene.view()


@pytest.mark.parametrize("phase", [0, UPDATE])
@pytest.mark.parametrize("net", sorted(NETS))
def test_the_script_prints_the_same_numbers_to_the_bit(net, phase):
    scene = Step({"net": net, "phase": phase, "samples": 3, "sample": 2, "activation": "tanh", "lr": 0.3})
    scene.act("whole-step")
    scene.act("next")
    assert same_bits(printed(scene.as_python()), scene.values())


def test_numbers_that_are_not_finite_are_shown_and_kept():
    scene = Step({"activation": "relu", "lr": 1e6, "w.2.0.0": 1e200})
    for _ in range(3):
        scene.act("whole-step")
    assert not np.isfinite(scene.values()["loss"])
    assert scene.view()["sentence"]
    assert same_bits(printed(scene.as_python()), scene.values())
    scene.set("w.0.0.0", "inf")
    assert scene.values()["w.0.0.0"] == np.inf
