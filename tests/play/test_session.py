"""A session, without a browser: it follows every message or says why not, and an address brings everything back."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minigrad.play import wire
from minigrad.play.session import LONGEST, SCENES, Session, from_address, to_address

ACTIONS = ["step", "run", "stop", "reset", "move", "next", "back", "whole-step", "flip", "diagnose", "apply", "nothing"]
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
JSON_VALUES = st.recursive(
    SCALARS,
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=5), some, max_size=3),
    max_leaves=6,
)


def say(session, **message):
    return session.receive(json.dumps(message))


@st.composite
def messages(draw):
    """Messages that a page may send, with values that no page would."""
    names = [name for scene in SCENES.values() for name in scene().state()]
    do = draw(st.sampled_from(["open", "scene", "set", "act", "python", "drawn", "?"]))
    message = {"do": do}
    if do == "set":
        text = st.floats(-3, 3).map(str) | st.integers(0, 300).map(str)
        message |= {"name": draw(st.sampled_from(names)), "value": draw(text | JSON_VALUES)}
    elif do == "act":
        message |= {"action": draw(st.sampled_from(ACTIONS)), "with": draw(st.just({"watched": False}) | JSON_VALUES)}
    elif do == "scene":
        message |= {"name": draw(st.sampled_from([*SCENES, "none"]))}
    elif do == "open":
        message |= {"address": draw(st.sampled_from([f"{name}=%7B%7D" for name in SCENES]) | st.text(max_size=9))}
    return message


@given(st.lists(messages() | JSON_VALUES, max_size=6))
def test_no_message_breaks_a_session_and_every_refusal_is_a_sentence(sent):
    session = Session()
    for message in sent:
        answer = session.receive(json.dumps(message))
        assert answer is None or list(answer) in (["python"], ["refused"])
        assert answer is None or len(next(iter(answer.values()))) > 5
        session.advance(0.0)
        wire.dumps(session.frame())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '"set"',
        "[" * 5000,
        "{}",
        '{"do": "set"}',
        '{"do": "act", "action": "step", "with": {"self": 1}}',
    ],
)
def test_what_is_no_message_is_refused(text):
    session = Session()
    before = session.scene.state()
    assert set(session.receive(text)) == {"refused"}
    assert session.scene.state() == before


def test_a_message_has_a_longest_length():
    assert "1,000,000" in Session().receive(" " * (LONGEST + 1))["refused"]


@pytest.mark.parametrize("name", SCENES)
def test_a_refused_control_says_its_name_and_changes_nothing(name):
    session = Session()
    say(session, do="scene", name=name)
    before = session.scene.state()
    for control in before:
        answer = say(session, do="set", name=control, value={"a": []})
        assert control in answer["refused"]
    assert "nonsense" in say(session, do="set", name="nonsense", value="1")["refused"]
    assert session.scene.state() == before


@pytest.mark.parametrize("name", SCENES)
def test_an_address_brings_back_the_same_numbers(name):
    session = Session()
    say(session, do="scene", name=name)
    say(session, do="act", action="whole-step" if name == "step" else "step")
    frame = session.frame()
    again = Session()
    say(again, do="open", address=frame["address"])
    assert again.frame() == frame


def test_an_address_holds_numbers_that_are_not_finite():
    session, again = Session(), Session()
    say(session, do="scene", name="step")
    say(session, do="set", name="activation", value="relu")
    say(session, do="set", name="w.0.0.0", value="-inf")
    say(session, do="set", name="lr", value="1e5")
    for _ in range(5):
        say(session, do="act", action="whole-step")
    frame = session.frame()
    assert "nan" in frame["values"]["w.0.0.0"]
    say(again, do="open", address=frame["address"])
    assert again.frame() == frame


@pytest.mark.parametrize("address", ["neuron=%7B", "neuron=[1]", "neuron=" + "[" * 5000, "elsewhere=%7B%7D", "x"])
def test_a_spoilt_address_opens_a_scene_and_says_so(address):
    scene = from_address(address)
    assert "address" in scene.notes[0]
    assert scene.state() == SCENES["neuron"]().state()


def test_an_address_with_a_bad_entry_keeps_the_good_ones():
    scene = from_address('neuron={"lr":0.25,"mean":"much","colour":3}')
    assert scene.state()["lr"] == 0.25
    assert scene.state()["mean"] == SCENES["neuron"]().state()["mean"]
    assert len(scene.notes) == 2
    assert "mean" in scene.notes[0]
    assert "colour" in scene.notes[1]


def test_the_notes_of_an_address_are_gone_with_the_next_message():
    session = Session()
    say(session, do="open", address="elsewhere")
    assert session.frame()["notes"]
    say(session, do="act", action="step")
    assert session.frame()["notes"] == []


def test_scenes_stay_as_they_were_left_and_sessions_know_nothing_of_each_other():
    session, other = Session(), Session()
    say(session, do="set", name="lr", value="0.5")
    for name in SCENES:
        say(session, do="scene", name=name)
    say(session, do="scene", name="neuron")
    assert session.scene.state()["lr"] == 0.5
    assert other.scene.state()["lr"] != 0.5


def test_an_address_is_safe_in_a_link():
    address = to_address(SCENES["neuron"]())
    assert set(address) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~,:=%")


# ---- numbers on their way --------------------------------------------------------------------------------


@given(st.floats())
def test_the_exact_text_of_a_float_is_that_float(value):
    again = float(wire.exact(np.float64(value)))
    assert np.array(again).tobytes() == np.array(value).tobytes() or np.isnan(value)


@pytest.mark.parametrize(
    ("value", "text", "exact"),
    [
        (float("inf"), "inf", "inf"),
        (float("-inf"), "-inf", "-inf"),
        (float("nan"), "nan", "nan"),
        (1 / 3, "0.333", "0.3333333333333333"),
        (1234, "1,234", "1234"),
        (np.int64(7), "7", "7"),
        (6.25e-15, "6.25e-15", "6.25e-15"),
    ],
)
def test_a_number_is_shown_short_and_kept_whole(value, text, exact):
    assert wire.texts({"x": value}) == {"x": [text, exact]}


@given(st.lists(st.floats(), min_size=1, max_size=20))
@example([1.0, float("inf"), float("nan"), -float("inf")])
@example([0.0])
@example([5e-324, 1e-310])
@example([1.7e308, -1.0])
def test_what_is_drawn_is_json_and_right_to_six_digits_of_the_largest(values):
    array = np.array(values)
    again = [float(value) for value in json.loads(wire.dumps({"x": wire.drawn(array)}))["x"]]
    finite = np.isfinite(array)
    assert [str(a) for a in np.array(again)[~finite]] == [str(a) for a in array[~finite]]
    size = np.abs(array[finite]).max(initial=0.0)
    assert (np.abs(np.array(again)[finite] - array[finite]) <= 1e-5 * size).all()


def test_what_json_does_not_have_cannot_be_sent():
    with pytest.raises(TypeError, match="set"):
        wire.drawn({"x": {1, 2}})
