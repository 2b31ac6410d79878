"""The README: its example does what it says, and the files that it names are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_example_of_the_readme(capsys):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = {}
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(code, "README.md", "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    section = text.partition("## Why does my net not learn?")[2].partition("\n## ")[0]
    assert lines[:1] == re.findall(r"^    (\S.*)$", section.rpartition("```")[2], flags=re.MULTILINE)
    accuracies = [float(line.split()[-1]) for line in lines if line.startswith("test accuracy")]
    assert accuracies[0] > 0.9
    assert any(line.startswith("delta  (5, 10)") for line in lines)
    assert any(line.startswith("a      (5, 32)") for line in lines)
    assert any(line.startswith("weight (10, 32)") for line in lines)
    assert "single-signed rows, per sample: 1.0" in lines
    rates = [float(line.split()[-1]) for line in lines if line.startswith("learning rate")]
    for rate, said in zip(rates, re.search(r"are ([\d.]+)\s+and ([\d.]+) here", text).groups(), strict=True):
        assert rate == pytest.approx(float(said), rel=0.02)
    assert rates[0] < 0.5 < rates[1], "README trains at 0.5 and says that it lies between"


def test_the_readme_names_files_that_are_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in re.findall(r"(?:minigrad|docs|examples)/[\w./]+", text):
        assert (ROOT / path).exists(), path
