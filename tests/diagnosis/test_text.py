"""A diagnosis as text and as JSON: every finding is told whole, in 80 columns, and drawn where its number is."""

import functools
import io
import json
import math
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import diagnostics as dg
from minigrad.diagnosis import Diagnosis, Finding
from minigrad.diagnosis.charts import number_picture
from minigrad.diagnosis.gains import Gain
from minigrad.diagnosis.number_line import number_line
from minigrad.diagnosis.text import BAR, as_text, bar, code_lines, expected_text, verdict, wants_colour


def finding(name="lr_high", level="fault", measured=3.0, expected=(0.0, 1.5), **rest):
    parts = {"layer": None, "text": f"Text of {name}.", "remedy": f"Mend {name}.", "theorem": f"Theorem of {name}."}
    return Finding(name, level, measured=measured, expected=expected, **parts | rest)


FACTS = {"learns": True, "score": 0.5, "reference_score": 0.9, "trial_steps": 100}


def diagnosis(*findings, gains=(), **facts):
    return Diagnosis(list(findings), FACTS | facts, list(gains))


@functools.cache
def broken():
    """A net that does not learn, with all that its diagnosis can hold. Nothing may change it."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (200, 20)).astype(float)
    net = mg.mlp([20, 30, 30, 30, 30, 1], "sigmoid", rng=0)
    return mg.diagnose(net, mg.MSELoss(), x, x[:, :3].sum(axis=1, keepdims=True), mg.SGD(0.05), try_remedies=True)


# ---- the verdict -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("d", "words"),
    [
        (diagnosis(), "The net learns."),
        (diagnosis(finding(level="note")), "The net learns. Worth knowing: lr_high."),
        (diagnosis(finding(level="slow"), finding("labels", "note")), "not as well as it could: lr_high."),
        (diagnosis(finding(), finding("labels", "slow"), learns=False), "The net does not learn: lr_high."),
        (diagnosis(finding(level="slow"), learns=False), "hardly learns, and no rule says for certain why"),
        (Diagnosis([finding("target_shape")], {}), "It cannot be trained as it is: target_shape."),
    ],
)
def test_the_verdict_is_the_first_line(d, words):
    assert words in verdict(d)
    assert str(d).splitlines()[0] == verdict(d)
    assert len(verdict(d)) < 80


def test_the_trial_is_told_and_its_score_explained():
    text = " ".join(str(diagnosis(score=-0.004, reference_score=0.987)).split())
    assert "After 100 steps it has a score of 0.00, a plain net one of 0.99." in text
    assert "1 is perfect, 0 as good as the best constant output" in text
    assert "steps" not in str(Diagnosis([finding("target_shape")], {}))


# ---- a finding -------------------------------------------------------------------------------------------


def test_a_finding_is_told_whole():
    one = finding(layer="2", unit="decades", code="opt.lr = 1; epochs = 2  # or 3", measured=2.5)
    lines = str(diagnosis(one)).splitlines()
    start = lines.index("fault  lr_high, layer 2")
    told = "\n".join(lines[start:])
    for words in (
        "    Text of lr_high.",
        "    measured 2.5 decades, expected 0 to 1.5 decades",
        "    remedy  Mend lr_high.",
        "            opt.lr = 1\n            epochs = 2\n            # or 3",
        "    why     Theorem of lr_high.",
    ):
        assert words in told
    assert sum("*" in line for line in lines[start:]) == 1


def test_every_finding_of_a_net_is_told_in_80_columns():
    d = broken()
    assert d.findings
    text = str(d)
    assert max(map(len, text.splitlines())) < 80
    told = " ".join(text.split())
    for found in d.findings:
        for part in (f"{found.level} {found.name}", found.text, found.remedy, found.theorem):
            assert " ".join(part.split()) in told
    assert text.isascii()  # a terminal or a file of any encoding takes it


def test_code_stays_code():
    assert code_lines("a = 1; b = a  # as it was; or not") == ["a = 1", "b = a", "# as it was; or not"]
    assert code_lines("") == []
    for found in broken().findings:
        compile("\n".join(code_lines(found.code)), "remedy", "exec")


def test_what_is_no_number_has_no_line():
    text = str(Diagnosis([finding("target_shape", measured=0, expected=(1, 1))], {}))
    assert "expected" not in text
    assert "===" not in text


# ---- the line of numbers ---------------------------------------------------------------------------------

bounds = st.floats(-1e12, 1e12) | st.sampled_from([-math.inf, math.inf, 0.0, 1.0])
ranges = st.tuples(bounds, bounds).map(sorted).map(tuple).filter(lambda r: r != (math.inf,) * 2 and r[0] < math.inf)


@given(st.floats(-1e15, 1e15) | st.sampled_from([math.inf, -math.inf]), ranges.filter(lambda r: r[1] > -math.inf))
@example(math.inf, (5e-324, 5e-324))
def test_places_are_in_the_order_of_the_numbers(measured, expected):
    line = number_line(measured, expected)
    assert 0 <= line.low <= line.high <= 1
    assert 0 <= line.measured <= 1
    low, high = expected
    if measured < low:
        assert line.measured <= line.low
    elif measured > high:
        assert line.measured >= line.high
    else:
        assert line.low <= line.measured <= line.high


@given(st.floats(), st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_every_number_has_a_drawing(measured, first, second):
    expected = (min(first, second), max(first, second))
    line, labels = bar(finding(measured=measured, expected=expected))
    assert re.fullmatch(r"[< ][-=\[\]|<>*?]+[> ]( log scale)?", line)
    assert len(line.removesuffix(" log scale")) == BAR + 2
    assert f"{measured:.4g}" in labels
    assert "nan" not in number_picture(measured, expected, "").replace(">nan<", "")


@pytest.mark.parametrize(
    ("measured", "expected", "logarithmic"),
    [(3, (0, 1.5), False), (2101, (0, 1.5), True), (0.001, (0.005, 1), True), (-3, (-1.2, 1.5), False),
     (50, (100, math.inf), False), (1e-9, (0.5, math.inf), True), (7, (0, 0), False)],
)  # fmt: skip
def test_a_number_outside_is_seen_to_be_outside(measured, expected, logarithmic):
    line = number_line(measured, expected)
    assert line.logarithmic == logarithmic
    drawn = bar(finding(measured=measured, expected=expected))
    cells = drawn[0][1 : BAR + 1]
    assert ("log scale" in drawn[0]) == logarithmic
    assert cells.count("*") == 1
    star = cells.index("*")
    healthy = [i for i, cell in enumerate(cells) if cell in "[=]|<>"]
    assert star < healthy[0] if measured < expected[0] else star > healthy[-1]
    assert f"{measured:.4g}" in drawn[1]
    assert cells.endswith(">") == math.isinf(expected[1])


def test_a_number_inside_is_seen_to_be_inside():
    cells = bar(finding(measured=1.0, expected=(0.0, 3.0)))[0][1 : BAR + 1]
    assert cells.index("[") < cells.index("*") < cells.index("]")


def test_far_off_the_range_can_still_be_seen_and_an_arrow_says_that_it_goes_on():
    line, labels = bar(finding(measured=-1e9, expected=(-1, 1)))
    assert line.startswith("<*")
    assert "[" in line
    assert "]" in line
    assert labels.strip().startswith("-1e+09")
    assert bar(finding(measured=math.inf, expected=(0, 10)))[0].endswith("*>")


def test_nan_is_a_question_mark():
    assert "?" in bar(finding(measured=math.nan))[0]


@pytest.mark.parametrize(
    ("expected", "words"),
    [((0, 1.5), "0 to 1.5"), ((1, 1), "exactly 1"), ((0.5, math.inf), "at least 0.5"), ((-math.inf, 2), "at most 2")],
)
def test_the_range_in_words(expected, words):
    assert expected_text(finding(expected=expected)) == words


# ---- colours ---------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),  # as no-color.org has it: set, and not empty
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_only_a_terminal_gets_colours(stream, environment, wanted):
    assert bool(wants_colour(stream, environment)) == wanted


def test_colours_are_of_the_levels_and_change_no_word():
    d = diagnosis(finding(), finding("labels", "slow"), finding("no_bias", "note"))
    coloured = as_text(d, colour=True)
    assert re.findall(r"\033\[[\d;]+m(\w+)\033\[0m", coloured) == ["fault", "slow", "note"]
    assert re.sub(r"\033\[[\d;]+m", "", coloured) == as_text(d) == str(d)
    assert "\033" not in str(d)


# ---- gains -----------------------------------------------------------------------------------------------


def test_gains_are_a_table_of_the_middle_and_the_spread():
    gains = [
        Gain((), (0.1, -0.001, 0.3)), Gain(("lr_high",), (0.5, 0.75, 0.6)), Gain(("labels",), (-1.0, -1.0, -1.0)),
        Gain(("lr_high", "labels"), (0.9, 0.9, 0.9)), Gain(("lr_high", "labels", "no_bias"), (1.0, 1.0, 0.99)),
    ]  # fmt: skip
    lines = str(diagnosis(finding(), gains=gains)).splitlines()
    rows = [line.split("  ") for line in lines if re.search(r"\(-?\d\.\d\d to", line)]
    assert [(row[2].strip(), row[-2].strip(), row[-1]) for row in rows] == [
        ("as it is", "0.10", "(0.00 to 0.30)"),
        ("lr_high", "0.60", "(0.50 to 0.75)"),
        ("labels", "-1.00", "(-1.00 to -1.00)"),
        ("lr_high + labels", "0.90", "(0.90 to 0.90)"),
        ("+ no_bias", "1.00", "(0.99 to 1.00)"),
    ]
    assert lines.index("    one after the other, in this order:") == len(lines) - 3
    assert "middle of 3 seeds" in " ".join(lines)


# ---- JSON ------------------------------------------------------------------------------------------------


def strict(text):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


NUMBER = (int, float)
SHAPE = {
    "ok": bool,
    "verdict": str,
    "findings": [{
        "name": str, "kind": str, "level": str, "layer": (str, type(None)), "measured": (*NUMBER, str),
        "expected": [(*NUMBER, str)], "unit": str, "text": str, "remedy": str, "code": str, "theorem": str,
    }],
    "facts": dict,
    "gains": [{"names": [str], "scores": [NUMBER], "median": NUMBER}],
    "layers": [{
        "path": str, "layer": str, "delta": NUMBER, "expected": (*NUMBER, type(None)),
        "saturated": (*NUMBER, type(None)), "dead": NUMBER, "coherence": NUMBER,
    }],
    "curves": [{"name": str, "steps": [int], "losses": [NUMBER], "constant": NUMBER, "diverged": bool}],
}  # fmt: skip


def assert_shape(value, shape):
    if isinstance(shape, dict):
        assert value.keys() == shape.keys()
        for name, inner in shape.items():
            assert_shape(value[name], inner)
    elif isinstance(shape, list):
        assert isinstance(value, list)
        for entry in value:
            assert_shape(entry, shape[0])
    else:
        assert isinstance(value, shape)


def test_the_json_of_a_net_has_everything_in_its_place():
    d = broken()
    told = strict(d.to_json())
    assert_shape(told, SHAPE)
    assert all(told[part] for part in ("findings", "facts", "gains", "layers", "curves"))
    assert told["ok"] is d.ok
    assert told["verdict"] == verdict(d)
    assert told["findings"] == [found.entry() for found in d.findings]
    assert told["facts"]["constant_loss"] == d.facts["constant_loss"]
    assert [(tuple(g["names"]), g["median"]) for g in told["gains"]] == [(g.names, g.median) for g in d.gains]
    assert [layer["path"] for layer in told["layers"]] == ["0", "2", "4", "6", "8"]
    assert told["curves"][0]["losses"] == d.facts["trial_losses"]


def test_what_json_has_no_number_for_is_text():
    d = diagnosis(finding(measured=math.nan, expected=(-math.inf, math.inf)), worst=np.float64(np.inf), n=np.int64(3))
    told = strict(d.to_json())
    assert told["findings"][0]["measured"] == "nan"
    assert told["findings"][0]["expected"] == ["-inf", "inf"]
    assert told["facts"]["worst"] == "inf"
    assert told["facts"]["n"] == 3


# ---- what the pictures are drawn from --------------------------------------------------------------------


def test_the_layers_are_those_that_the_instruments_measure():
    x, y, _, _ = mg.datasets.load("digits")
    x, y = x[:300] / 16, y[:300]
    net, loss = mg.mlp([64, 32, 32, 32, 10], "relu", init="he_normal", rng=0), mg.CrossEntropyLoss()
    net[2].weight[:5], net[2].bias[:5] = 0, -1  # five units that never fire
    layers = mg.diagnose(net, loss, x, y).layers
    bp = mg.backprop(net, loss, x, y)
    assert [layer.path for layer in layers] == list(bp.gradients)
    np.testing.assert_allclose([layer.delta for layer in layers], dg.attenuation(bp).norms)
    np.testing.assert_allclose(
        [layer.coherence for layer in layers], [dg.coherence(g.a) for g in bp.gradients.values()]
    )
    silent = [(bp.activations[i] == 0).all(axis=0).mean() for i in (2, 4, 6)]
    np.testing.assert_allclose([layer.dead for layer in layers], [*silent, 0])
    assert silent[1] >= 5 / 32
    assert layers[-1].saturated is None
    slopes = [(bp.activations[i] == 0).mean() for i in (2, 4, 6)]
    np.testing.assert_allclose([layer.saturated for layer in layers[:-1]], slopes)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_the_line_of_theory_is_mean_field_and_wide_nets_lie_on_it(activation):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 400)), rng.standard_normal((200, 1))
    net = mg.mlp([400] * 6 + [1], activation, init="he_normal", rng=0)
    layers = mg.diagnose(net, mg.MSELoss(), x, y, trial=1).layers
    assert layers[-1].expected == layers[-1].delta
    ratios = [layer.expected / layer.delta for layer in layers[1:]]
    assert max(ratios) / min(ratios) < 1.25  # decades are lost, and the line goes with them
    gain = np.sqrt(400 * np.square(net[8].weight).mean())
    step = np.log10(layers[3].expected / layers[4].expected)
    assert step == pytest.approx(dg.mean_field_rate(activation, gain).decades, rel=1e-6)


def test_theory_is_silent_where_it_knows_nothing():
    x, y = np.random.default_rng(0).standard_normal((60, 4)), np.arange(60) % 2
    net = mg.Sequential(mg.Linear(4, 4, rng=0), mg.BatchNorm(4), mg.ReLU(), mg.Linear(4, 4, rng=1), mg.Tanh(),
                        mg.Linear(4, 2, rng=2))  # fmt: skip
    assert [layer.expected is None for layer in mg.diagnose(net, mg.CrossEntropyLoss(), x, y).layers] == [
        True, False, False,
    ]  # fmt: skip
    net = mg.Sequential(mg.Linear(4, 4, rng=0), mg.Residual(mg.Linear(4, 4, rng=1), mg.Tanh()), mg.Linear(4, 2, rng=2))
    assert all(layer.expected is None for layer in mg.diagnose(net, mg.CrossEntropyLoss(), x, y).layers)


def test_a_curve_is_compared_with_the_constant_of_its_own_loss_and_targets():
    x = np.random.default_rng(0).standard_normal((100, 3))
    y = 1000 * x[:, :1] + 5000
    d = mg.diagnose(mg.mlp([3, 8, 1], "tanh", rng=0), mg.MSELoss(), x, y, mg.SGD(0.01))
    curves = {curve.name: curve for curve in d.curves}
    assert curves[""].constant == pytest.approx(y.var())
    assert curves["unscaled_target"].constant == pytest.approx(1)
    assert curves[""].steps == list(range(0, 101, 10))[: len(curves[""].losses)]
