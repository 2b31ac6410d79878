"""The controls of the training scene: what they change, what they refuse and in which words; tables."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training import TABLE, opened_again

from minigrad.play import wire
from minigrad.play.train import Train

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
        ("a,b,c\n1,2,x\n3,1e100,y\n", "line 3, column 2 holds '1e100', expected a number"),
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
