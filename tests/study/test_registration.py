"""Studies register themselves; a claim that nobody judges, or two studies do, is told when they are imported."""

import subprocess
import sys

import pytest

from minigrad.studies import CLAIMS, STUDIES, Number, study
from minigrad.studies.claims import q06
from minigrad.studies.finding import Picture, Words


def words(claim, *pictures):
    fields = dict.fromkeys(("kind", "verdict", "deciding", "theorem", "test", "code", "caveat"), "-")
    return Words(
        id=claim, pictures=dict.fromkeys(pictures, Picture("what is {{seen}}", "{share:.0f} squares")), **fields
    )


@pytest.fixture
def registered(monkeypatch):
    """A copy of the registry, for the test to change."""
    registered = dict(study._REGISTERED)
    monkeypatch.setattr(study, "_REGISTERED", registered)
    return registered


def test_every_claim_has_one_study_and_they_are_in_order():
    assert [claim for one in STUDIES.values() for claim in one.claims] == list(CLAIMS)
    assert all(name == one.name for name, one in STUDIES.items())
    assert all(one.measure.__module__ == f"minigrad.studies.{name}" for name, one in STUDIES.items())


def test_a_claim_without_a_study_is_told(registered):
    del registered["depth"]
    with pytest.raises(ValueError, match=r"no study judges Q9, Q10: is its module imported in minigrad/studies"):
        study.in_claim_order()


def test_a_claim_that_is_judged_twice_is_told(registered):
    with pytest.raises(ValueError, match="Q6 is judged twice: by batch and by again"):
        study.register("again", "the same once more", [q06.WORDS], None, dict.fromkeys(q06.WORDS.pictures))
    assert "again" not in registered


@pytest.mark.parametrize("drawn", [(), ("warmth",), ("heat", "warmth")])
def test_every_picture_is_drawn_and_described(registered, drawn):
    del registered["batch"]
    different = ", ".join(sorted({"heat"} ^ set(drawn)))
    with pytest.raises(ValueError, match=f"batch: a picture is drawn but not described, or the reverse: {different}"):
        study.register("batch", "-", [words("Q6", "heat")], None, dict.fromkeys(drawn))


def test_words_are_filled_in_and_missing_ones_are_told():
    said = words("Q1", "shape")
    said = Words(**vars(said) | {"verdict": "{share:.0f} % of {{all}}", "code": "print({1: 2})", "kind": "true"})
    numbers = [Number("n", 1.0, expect=(0, 1))]
    assert said.finding(numbers, [0], {}, share=49.7).verdict == "50 % of {all}"
    assert said.finding(numbers, [0], {}, share=49.7).code == "print({1: 2})"
    assert said.finding(numbers, [0], {}, share=49.7).pictures == {"shape": Picture("what is {seen}", "50 squares")}
    with pytest.raises(KeyError, match="share"):
        said.finding(numbers, [0], {})


def test_importing_minigrad_imports_no_study():
    code = "import sys, minigrad; print([name for name in sys.modules if 'studies' in name or 'matplotlib' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
