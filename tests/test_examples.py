"""Every script in examples/ runs alone, prints what it shows, and draws its picture."""

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if path.name != "picture.py")  # which they import

# script -> what it must print, a regular expression
PRINTS = {
    "same_sign.py": r"sigmoid.*: 16 of 16 rows have one sign\n.*tanh.*: [0-3] of 16 rows",
    "four_weights.py": r"sigmoid reaches 4 of 16 .*: False\ntanh reaches 8 of 16 .*: True\n(.*\n)*.*two samples: 1\.00",
    "zigzag.py": r"best rate: +(\d+) steps, \d\d reversals\n.*1/lambda: +\d+ steps, 0 reversals",
    "batch.py": r"sigmoid +100 %.* 9\d %\nrelu +100 %.* \d %\ntanh +0 %.* 0 %",
    "gauge_flip.py": r"100 % of the rows.*\n.*: 0 % of the rows.*\nthe same losses, bit for bit: True",
    "kfac.py": r"K-FAC +\d+ steps",
    "vanishing.py": r"gain 1: each layer leaves 0\.2\d .*0\.24\)\ngain 4: .* 0\.6\d .*\n.*10.149: .*(0\.9\d|1\.0\d) ",
    "saturation.py": r"raw.* \d\d% at the lower tail, \d\d% .*(\n.*)+\nz = 37\.5: slope in training 0\n",
    "output_pairing.py": r"squared error: first delta 0\.0049, 827 steps\ncross-entropy: first delta 0\.9975, 57 steps",
    "xor.py": r"one layer: .*0\.50 0\.50 0\.50 0\.50\ntwo layers: .*0\.0\d (0\.9\d|1\.00) (0\.9\d|1\.00) 0\.0\d",
    "spirals.py": r"before: .*\nafter: (9\d|100)% of the new points right",
    "digits.py": r"total +2,410\nright: .* 9\d\.\d% after the last",
    "own_layer.py": r"derivative: \de-\d\d\nplain sigmoid: loss \d\.\d+, .*\nsteep sigmoid: loss 0\.\d+, (9\d|100).*\n"
    r"the same after load: True",
    "why_not_learning.py": r"a line: lr_high(.*\n)+a line: score nan, and (1\.00|0\.9\d) (.*\n)+"
    r"deep sigmoids: vanishing(.*\n)+deep sigmoids: score 0\.\d\d, and 0\.9\d (.*\n)+"
    r"percentages: target_range(.*\n)+percentages: score -\d+\.\d+, and 0\.9\d ",
    "sklearn_grid.py": r"best: \w+, \w+; 9\d\.\d% of .*\nsigmoid +100% .*\ntanh +\d% .*\nrelu +100% .*\ngelu +\d% ",
    "sweep.py": r"sigmoid +best at lr [2-5]\.(.*\n)+tanh +best at lr (0\.5|1\.)(.*\n)+relu +best at lr 0\.[23]",
    "learning_rate_map.py": r"sigmoid: 2,304 nets in \d+ s; [345]\d% learn.*\ntanh: 2,304 nets in .* [345]\d% learn",
    "table.py": r"480 rows .*; 7 inputs of 5 .*\noff by [78]\.\d .*\n\d+\.\d \(temperature\), .*, [78]\.\d \(till\)",
    "torch_model.py": r"0\.weight, 4\.weight: within \de-0[6-9] .*\nof the 30 images .*, 2\d have a wrong label",
    "onnx_export.py": r"right in minigrad: (100|9\d)%\n.* bytes\nlargest difference .*: \d\.\de-0[5-9]\n",
}

SMALLER = {"learning_rate_map.py": ["48"]}  # script -> arguments with which it is quick

NEEDS = {  # script -> the packages without which it says so and ends
    "onnx_export.py": ("onnx", "onnxruntime"),
    "torch_model.py": ("torch",),
    "sklearn_grid.py": ("sklearn",),
}


def test_each_script_has_its_line():
    assert set(PRINTS) == set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_is_short_and_opens_as_a_notebook(script):
    text = (FOLDER / script).read_text(encoding="utf-8")
    assert 20 <= len(text.splitlines()) <= 60
    assert text.startswith('"""')
    assert "\n# %%" in text


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_it_prints_what_it_shows_and_draws(script, tmp_path):
    for package in ("matplotlib", *NEEDS.get(script, ())):
        pytest.importorskip(package)
    picture = tmp_path / "picture.png"
    # Elsewhere and with a bare search path, so that nothing in the current folder helps it.
    run = subprocess.run(
        [sys.executable, FOLDER / script, picture, *SMALLER.get(script, [])],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "Agg", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(FOLDER.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert script in PRINTS, f"{script} needs a line in PRINTS: what must it print?"
    assert re.search(PRINTS[script], run.stdout), run.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def run_example(script, folder, *arguments, **env):
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(FOLDER.parent)} | env
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        env.pop(name, None)
    command = [sys.executable, "-W", "error::UserWarning", FOLDER / script, *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("script", NEEDS)
def test_without_a_package_it_says_what_it_needs(script, tmp_path):
    for package in NEEDS[script]:
        (tmp_path / f"{package}.py").write_text("raise ImportError('not here')")
    run = run_example(script, tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{FOLDER.parent}")
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert all(package in run.stderr for package in NEEDS[script])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
@pytest.mark.parametrize("backend", [{}, {"MPLBACKEND": "Agg"}, {"MPLBACKEND": "svg"}], ids=["none", "Agg", "svg"])
def test_without_a_screen_the_picture_is_saved_and_the_place_printed(backend, tmp_path):
    pytest.importorskip("matplotlib")
    run = run_example("four_weights.py", tmp_path, **backend)
    assert run.returncode == 0, run.stderr
    assert f"the picture: {tmp_path / 'four_weights.png'}\n" in run.stdout
    assert (tmp_path / "four_weights.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_place_of_a_picture_is_printed(tmp_path):
    pytest.importorskip("matplotlib")
    run = run_example("four_weights.py", tmp_path, "mine")
    assert run.returncode == 0, run.stderr
    assert f"the picture: {tmp_path / 'mine'}\n" in run.stdout
    assert (tmp_path / "mine").read_bytes().startswith(b"\x89PNG")


def test_in_a_notebook_and_on_a_screen_the_picture_is_shown(monkeypatch, tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.chdir(tmp_path)
    import picture

    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(1))
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=object))
    picture.show_or_save()
    monkeypatch.delitem(sys.modules, "IPython")
    monkeypatch.setattr(sys, "argv", ["examples/xor.py"])
    monkeypatch.setattr(plt, "get_backend", lambda: "TkAgg")
    picture.show_or_save()
    assert shown == [1, 1]
    assert not any(tmp_path.iterdir())
