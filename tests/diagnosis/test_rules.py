"""Every name that a finding can have: a rule with its source, a problem that has it, and a healthy one close to it."""

import inspect
import re

import pytest
import test_rules_data
import test_rules_output
import test_rules_start
import test_rules_steps
import test_rules_structure

from minigrad.diagnosis.finding import LEVELS, NAMES
from minigrad.diagnosis.rules import RULES

TABLES = {
    "data": test_rules_data.CASES,
    "output": test_rules_output.CASES,
    "structure": test_rules_structure.CASES,
    "start": test_rules_start.CASES,
    "steps": test_rules_steps.CASES,
}
CASES = {name: case for table in TABLES.values() for name, case in table.items()}
# What keeps a net from being measured at all is found by refusals.py; what no rule explains, by the trial.
WITHOUT_RULE = {"input_shape", "nan_data", "target_shape", "bce_without_sigmoid", "nan_weights", "diverges", "stuck"}


@pytest.mark.parametrize("kind", NAMES)
def test_each_name_has_a_case_and_its_converse(kind):
    assert list(TABLES) == list(NAMES)
    assert [name for name in NAMES[kind] if name not in TABLES[kind]] == [], "names without a case"
    assert [name for name in TABLES[kind] if name not in NAMES[kind]] == [], "cases of no name"
    for name, case in TABLES[kind].items():
        assert callable(case.has), f"{name} has no problem that has it"
        assert callable(case.healthy), f"{name} has no healthy converse"


def test_each_name_has_one_rule():
    ruled = [rule.name for rule in RULES]
    assert sorted(ruled) == sorted(set(ruled)), "a name with two rules"
    names = {name for names in NAMES.values() for name in names}
    assert set(ruled) | WITHOUT_RULE == names
    assert not set(ruled) & WITHOUT_RULE


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_stands_with_its_kind_and_says_what_it_rests_on(rule):
    module = inspect.getmodule(rule.function).__name__.rpartition(".")[2]
    assert rule.name in NAMES[module]
    assert re.fullmatch(r"[A-Z]?.{20,}\.", rule.theorem), rule.theorem


@pytest.mark.parametrize("name", CASES)
def test_what_a_finding_says(name):
    """Numbers are floats, sentences end in a full stop, and the finding says of which kind it is."""
    for problem in (CASES[name].has(), CASES[name].healthy()):
        diagnosis = problem.diagnosed()
        for f in diagnosis.findings:
            numbers = (f.measured, *f.expected)
            assert [type(number) for number in numbers] == [float] * 3
            assert not any(number != number for number in numbers)
            assert f.expected[0] <= f.expected[1]
            assert not f.expected[0] <= f.measured <= f.expected[1], (f.name, f.measured, f.expected)
            assert f.name in NAMES[f.kind]
            assert f.level in LEVELS
            for said in (f.text, f.remedy, f.theorem):
                assert re.search(r"\w.*[.?]$", said), said
                assert "  " not in said
            compile(f.code, f.name, "exec")
            assert f.entry()["name"] == f.name
        levels = [LEVELS.index(f.level) for f in diagnosis.findings]
        assert levels == sorted(levels)
        assert diagnosis.ok == (0 not in levels)
        assert all(f.name in str(diagnosis) for f in diagnosis.findings)
