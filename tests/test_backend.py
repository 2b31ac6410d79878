"""The choice of the core: the CPU's level, import with the core missing or wrong, and the build."""

import importlib.machinery
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import start

import minigrad
from minigrad.kernels import backend
from minigrad.kernels import cpu as cpus

PACKAGE = Path(minigrad.__file__).parent
HERE = Path(__file__).resolve().parent.parent
BUILT = importlib.util.find_spec("minigrad._core") is not None
WARNING = "RuntimeWarning: minigrad runs on plain NumPy"


# ---- the CPU's level ------------------------------------------------------------------------------------

OLD_V2 = dict.fromkeys(["SSE", "SSE2", "SSE3", "SSSE3", "SSE41", "SSE42", "POPCNT"], True)
OLD_V3 = {**OLD_V2, **dict.fromkeys(["AVX", "AVX2", "F16C", "FMA3"], True)}
OLD_V4 = {**OLD_V3, **dict.fromkeys(["AVX512F", "AVX512CD", "AVX512_SKX"], True)}


@pytest.mark.parametrize(
    ("features", "level"),
    [
        ({}, "generic"),
        ({"NEON": True, "ASIMD": True, "SVE": True, "X86_V2": False, "SSE42": False}, "generic"),
        ({"X86_V2": True, "X86_V3": False, "X86_V4": False}, "x86-64-v2"),
        ({"X86_V2": True, "X86_V3": True, "X86_V4": False}, "x86-64-v3"),
        ({"X86_V2": True, "X86_V3": True, "X86_V4": True}, "x86-64-v4"),
        ({"X86_V2": True, "X86_V3": False, "X86_V4": True}, "x86-64-v2"),  # a hole: nothing above it counts
        ({**OLD_V4, "X86_V2": True, "X86_V3": True, "X86_V4": False}, "x86-64-v3"),  # its own name decides
        (OLD_V2, "x86-64-v2"),
        (OLD_V3, "x86-64-v3"),
        (OLD_V4, "x86-64-v4"),
        ({**OLD_V2, "SSE42": False}, "generic"),
        ({**OLD_V3, "FMA3": False}, "x86-64-v2"),
        ({**OLD_V4, "AVX512_SKX": False}, "x86-64-v3"),
    ],
)
def test_level_of_features(features, level):
    assert cpus.level_of(features) == level


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="x86-64 Linux only")
@pytest.mark.skipif("NPY_DISABLE_CPU_FEATURES" in os.environ, reason="NumPy was told to hide features")
def test_the_kernel_reports_the_same_level():
    line = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    flags = set(line.split(":")[1].split())
    asked = {
        "x86-64-v2": {"cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"},
        "x86-64-v3": {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"},
        "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    }
    expected = "generic"
    for level, needed in asked.items():
        if not needed <= flags:
            break
        expected = level
    assert cpus.cpu_level() == expected


@pytest.mark.parametrize(
    ("variables", "allowed", "expected"),
    [
        ({}, 3, 3),
        ({}, 1, 1),
        ({"OMP_NUM_THREADS": "4"}, 1, 4),
        ({"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "1"}, 8, 1),
        ({"OPENBLAS_NUM_THREADS": ""}, 2, 2),
        ({"OPENBLAS_NUM_THREADS": "many"}, 2, 2),
    ],
)
def test_cores_of_blas(monkeypatch, variables, allowed, expected):
    for name in cpus.THREADS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(allowed)), raising=False)
    assert cpus.blas_cores() == expected


def test_cpu_runs_without_the_package():
    code = "import runpy, sys; print(runpy.run_path(sys.argv[1])['cpu_level'](), 'minigrad' in sys.modules)"
    output = subprocess.check_output([sys.executable, "-I", "-c", code, cpus.__file__], text=True)
    assert output.split() == [cpus.cpu_level(), "False"]


@pytest.mark.parametrize("built_for", cpus.LEVELS)
@pytest.mark.parametrize("cpu", cpus.LEVELS)
def test_runs_on_its_own_level_and_above(built_for, cpu):
    assert cpus.runs_on(built_for, cpu) == (cpus.LEVELS.index(cpu) >= cpus.LEVELS.index(built_for))
    assert not cpus.runs_on("x86-64-v5", cpu)


# ---- what import chooses: fresh processes, on a copy of the package that can be damaged -----------------


@pytest.fixture
def copy(tmp_path):
    """A folder with a copy of the package, without the compiled core."""
    parts = shutil.ignore_patterns("_core.*.so", "_core.*.pyd", "_core.level", "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "minigrad", ignore=parts)
    return tmp_path


def put_false_core(place, level):
    """A file where the core would be that cannot be loaded, and the note of what it was built for."""
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    (place / "minigrad" / f"_core{suffix}").write_bytes(b"this is no shared library")
    if level is not None:
        (place / "minigrad" / "_core.level").write_text(f"{level}\n")


def twin_with_one_warning(run, reason):
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("minigrad.kernels.twin |")
    assert reason in run.stdout
    assert run.stderr.count(WARNING) == 1
    assert reason in run.stderr
    assert "MINIGRAD_CORE=numpy" in run.stderr  # how to be rid of the warning


def test_asked_for_the_twin_there_is_no_warning():
    run = start(PACKAGE.parent, core="numpy", flags=("-W", "error"))
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "minigrad.kernels.twin | chosen by MINIGRAD_CORE=numpy"
    assert run.stderr == ""


@pytest.mark.skipif(not BUILT, reason="the compiled core is not built")
@pytest.mark.parametrize("core", ["", "compiled"])
def test_a_core_that_fits_is_loaded_without_a_warning(core):
    run = start(PACKAGE.parent, core=core, flags=("-W", "error"))
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("minigrad._core | built for ")
    assert run.stderr == ""


def test_no_core(copy):
    twin_with_one_warning(start(copy), "it is not built")


def test_a_core_that_cannot_be_loaded(copy):
    put_false_core(copy, "generic")
    twin_with_one_warning(start(copy), "it cannot be loaded")


def test_a_core_for_a_newer_cpu_is_not_even_opened(copy):
    put_false_core(copy, "x86-64-v2")  # opening it would give another reason
    with open(copy / "minigrad" / "kernels" / "cpu.py", "a") as file:
        file.write("\n\ndef cpu_level():\n    return 'generic'\n")
    twin_with_one_warning(start(copy), "built for x86-64-v2 CPUs and this one is generic")


@pytest.mark.skipif(not BUILT or cpus.cpu_level() != "x86-64-v4", reason="needs a core and AVX-512")
def test_a_real_core_is_left_alone_when_numpy_hides_the_level(copy, monkeypatch):
    core = Path(importlib.util.find_spec("minigrad._core").origin)
    shutil.copy(core, copy / "minigrad")
    (copy / "minigrad" / "_core.level").write_text("x86-64-v4\n")
    hidden = "X86_V4" if "X86_V4" in cpus.cpu_features() else "AVX512_SKX"
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", hidden)
    twin_with_one_warning(start(copy), "built for x86-64-v4 CPUs and this one is x86-64-v3")
    monkeypatch.delenv("NPY_DISABLE_CPU_FEATURES")
    assert start(copy, flags=("-W", "error")).stdout.startswith("minigrad._core | built for x86-64-v4")


@pytest.mark.slow
@pytest.mark.parametrize("level", ["x86-64-v9", "tea"])
def test_a_level_this_version_does_not_know(copy, level):
    put_false_core(copy, level)
    twin_with_one_warning(start(copy), f"built for {level} CPUs")


@pytest.mark.slow
@pytest.mark.parametrize("level", [None, "", "\xff\xfe"])
def test_a_core_that_does_not_say_what_it_was_built_for(copy, level):
    put_false_core(copy, level)
    twin_with_one_warning(start(copy), "_core.level")


def test_compiled_is_required_and_missing(copy):
    run = start(copy, core="compiled")
    assert run.returncode == 1
    assert "ImportError: MINIGRAD_CORE=compiled" in run.stderr
    assert "it is not built" in run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("core", ["cython", "NumPy", "0"])
def test_an_unknown_core_is_refused_and_the_known_ones_named(core):
    run = start(PACKAGE.parent, core=core)
    assert run.returncode == 1
    assert f"ValueError: MINIGRAD_CORE is {core!r}, expected one of: compiled, numpy" in run.stderr


# ---- this process -----------------------------------------------------------------------------------------


def test_show_config_prints_what_runs(capsys, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    assert backend.show_config() is None
    lines = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    names = {"compiled": "minigrad._core", "numpy": "minigrad.kernels.twin"}
    assert names[lines["core"].strip()] == backend.core.__name__
    assert lines["NumPy"].strip() == np.__version__
    assert cpus.cpu_level() in lines["CPU"]
    assert "OPENBLAS_NUM_THREADS=1" in lines["BLAS threads"]
    assert all(value.strip() for value in lines.values())


def test_small_numbers_survive_the_core():
    # -ffast-math would have set the whole process to flush them to zero when the core was loaded.
    tiny = np.array([5e-324, 1e-310])
    assert (tiny * 1.0 == tiny).all()
    assert (tiny * 1.0 != 0).all()
