"""Finding, Number and Config: what they refuse, and what they turn into."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import minigrad as mg
from minigrad.studies import Config, Finding, Number
from minigrad.studies.config import scaling
from minigrad.studies.finding import figure

WORDS = dict.fromkeys(("verdict", "deciding", "theorem", "test", "code", "caveat"), "-")


def finding(**changes):
    fields = {
        "id": "Q1",
        "kind": "true",
        "numbers": [Number("n", 1.0, expect=(0, 1))],
        "pictures": {},
        "seeds": [0],
    }
    return Finding(**(fields | WORDS | changes))


def test_what_a_finding_refuses():
    for changes, words in (
        ({"id": "Q13"}, "Q12"),
        ({"kind": "maybe"}, "partly"),
        ({"numbers": [Number("n", 1.0)]}, "expect"),
    ):
        with pytest.raises(ValueError, match=words):
            finding(**changes)


@pytest.mark.parametrize(
    ("value", "expect", "good"),
    [
        (1.0, (1, 1), True),
        (np.float64(2), (1, 1), False),
        (2.0, (None, 2), True),
        (2.0, (2.1, None), False),
        (float("nan"), (None, None), False),
        (float("inf"), (0, None), True),
        (5.0, None, True),
    ],
)
def test_a_number_knows_whether_it_is_as_expected(value, expect, good):
    assert Number("n", value, expect=expect).as_expected is good
    numbers = [Number("n", 0.0, expect=(0, 0)), Number("n", value, expect=expect)]
    assert finding(numbers=numbers).confirmed is good


def test_a_number_is_expected_or_descriptive_and_never_both():
    with pytest.raises(ValueError, match="steps: it has an `expect` interval, so it is not descriptive"):
        Number("steps", 1.0, expect=(0, 1), descriptive=True)
    describing = Number.of("steps", [1.0, 99.0], descriptive=True)
    assert (describing.descriptive, describing.as_expected, Number("n", 1.0).descriptive) == (True, True, False)
    entry = finding(numbers=[Number("n", 1.0, expect=(0, 1)), describing]).entry()
    assert [number["descriptive"] for number in entry["numbers"]] == [False, True]


def test_numbers_of_several_runs():
    number = Number.of("steps", [30, 10, 11], "steps", theory=12)
    assert (number.value, number.low, number.high, number.runs, number.theory) == (11, 10, 30, 3, 12)
    assert str(number) == "11 steps (10 to 30, 3 runs)"
    assert str(Number("n", 0.12345)) == "0.123"
    assert [figure(v) for v in (1234567, 0.5, -3, 1e-9, 12345.678)] == [
        "1,234,567",
        "0.5",
        "-3",
        "1e-09",
        "12,346",
    ]
    assert figure(float("nan")) == "nan"
    assert [figure(v) for v in (1e15, -2.5e20, float("inf"))] == ["1e+15", "-2.5e+20", "inf"]
    assert [figure(v) for v in (999.4, 999.7, -999.5, 99.96)] == ["999", "1,000", "-1,000", "100"]
    assert Number.of("n", [1.0, 2.0, 30.0, 4.0]).value == 3.0  # the median, not the mean


def test_an_entry_is_json_whatever_numpy_made_the_numbers():
    numbers = [
        Number("rank", np.int64(3), expect=(np.int64(3), 3)),
        Number("share", np.float32(0.5), low=np.float64(0.25), high=np.inf),
    ]
    entry = finding(numbers=numbers, data={"array": np.ones(3)}).entry()
    back = json.loads(json.dumps(entry, allow_nan=False))
    assert back == entry
    assert "data" not in back
    assert [number["value"] for number in back["numbers"]] == [3, 0.5]
    assert back["numbers"][1]["high"] == "inf"


# ---- Config ----------------------------------------------------------------------------------------------


def test_seeds_are_counted_from_the_first():
    assert Config(seed=4).seeds(3, 10) == [4, 5, 6]
    assert len(Config(full=True).seeds(3, 10)) == 10
    assert Config(quick=True).seeds(3, 10) == [0]


def test_a_config_travels_without_its_executor():
    with ThreadPoolExecutor(1) as executor:
        config = Config(seed=3, executor=executor, progress=True)
        assert config.sweep(abs, [-1, 2]) == [1, 2]
        assert pickle.loads(pickle.dumps(config)) == Config(seed=3)


def test_the_data_are_the_callers_own():
    for array in Config().load():
        array[:] = 0
    assert Config().load()[1].any()


@pytest.mark.parametrize("most", [7, 50, None])
def test_a_config_scales_both_halves_by_the_rows_it_trains_on(most):
    raw = [array[:most] for array in mg.datasets.load("iris")]
    x, y, x_test, y_test = Config(data="iris").load("standard", most)
    np.testing.assert_allclose(x, (raw[0] - raw[0].mean(axis=0)) / raw[0].std(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(x_test, (raw[2] - raw[0].mean(axis=0)) / raw[0].std(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(y, raw[1])
    np.testing.assert_array_equal(y_test, raw[3])


@pytest.mark.parametrize("data", ["digits", "iris", "moons"])
def test_scales(data):
    x = mg.datasets.load(data)[0]
    scaled = {scale: (x - scaling(x, scale)[0]) / scaling(x, scale)[1] for scale in ("none", "unit", "standard")}
    np.testing.assert_array_equal(scaled["none"], x)
    assert (scaled["unit"].min(), scaled["unit"].max()) == (0, 1)
    moving = x.std(axis=0) > 0
    np.testing.assert_allclose(scaled["standard"].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled["standard"].std(axis=0), moving * 1.0, atol=1e-12)
    with pytest.raises(ValueError, match="standard"):
        scaling(x, "huge")
    assert np.isfinite(
        (np.ones((2, 3)) - scaling(np.ones((2, 3)), "unit")[0]) / scaling(np.ones((2, 3)), "unit")[1]
    ).all()
