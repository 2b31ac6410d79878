"""The build of the compiled core, tried on a core of two functions."""

import importlib.machinery
import importlib.util
import os
import platform
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import start

import minigrad
from minigrad.kernels import cpu as cpus

PACKAGE = Path(minigrad.__file__).parent
HERE = Path(__file__).resolve().parent.parent
BUILT = importlib.util.find_spec("minigrad._core") is not None
WARNING = "RuntimeWarning: minigrad runs on plain NumPy"


# ---- setup.py, on a core of two functions -----------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    pytest.importorskip("setuptools")
    pytest.importorskip("Cython")
    if not (HERE / "setup.py").exists():
        pytest.skip("the tests were taken out of the source tree")
    (tmp_path / "minigrad").mkdir()
    for name in ("setup.py", "minigrad/kernels/cpu.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / name, tmp_path / name)
    (tmp_path / "minigrad" / "__init__.py").touch()
    (tmp_path / "minigrad" / "_core.pyx").write_text(
        "def entry(list a, Py_ssize_t i):\n    return a[i]\n"
        "def half(int a):\n    return a // 2\n"
        "def lost(double a, double b):\n    return (a + b) - b\n"
        "def odd(double a):\n    return a != a\n"
    )
    return tmp_path


def run_setup(project, env):
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("MINIGRAD_") and k != "CC"}, **env}
    return subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=project,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def build(project, **env):
    """Build in place: what was printed, and the note of the CPU level (None: neither core nor note)."""
    run = run_setup(project, env)
    assert run.returncode == 0, run.stdout
    note = project / "minigrad" / "_core.level"
    built = any(path.suffix in (".so", ".pyd") for path in note.parent.glob("_core.*"))
    assert built == note.exists()
    return run.stdout, note.read_text() if built else None


def build_fails(project, **env):
    run = run_setup(project, env)
    assert run.returncode != 0, run.stdout
    return run.stdout


needs_compiler = pytest.mark.skipif(not BUILT or sys.platform == "win32", reason="needs a C compiler")


@pytest.mark.slow
@needs_compiler
def test_build_for_this_cpu_and_for_another(project):
    printed, level = build(project)
    if sys.platform == "linux":
        assert level.strip() == cpus.cpu_level()
    assert "-ffast-math" not in printed
    assert "-fno-math-errno" in printed
    printed, level = build(project, MINIGRAD_ARCH="baseline")
    assert level == "generic\n"
    assert "-march" not in printed


@pytest.mark.slow
@needs_compiler
@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 only")
def test_build_for_an_asked_level_and_an_unknown_one(project):
    printed, level = build(project, MINIGRAD_ARCH="x86-64-v2")
    assert level == "x86-64-v2\n"
    assert "-march=x86-64-v2" in printed
    printed = build_fails(project, MINIGRAD_ARCH="native")
    assert "known are: baseline, x86-64-v2, x86-64-v3, x86-64-v4" in printed


X86 = pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="x86-64 Linux only")


@pytest.fixture
def flags_of(project, monkeypatch):
    """What setup.py makes of CC, CFLAGS and MINIGRAD_ARCH -> (level, flags): its own code, short of building."""
    setuptools = pytest.importorskip("setuptools")
    from distutils.ccompiler import new_compiler
    from distutils.sysconfig import customize_compiler

    def level_and_flags(arch="baseline", **env):
        monkeypatch.setattr(setuptools, "setup", lambda **rest: None)
        for name, value in {"MINIGRAD_ARCH": arch, "MINIGRAD_CORE": "", "CFLAGS": "", **env}.items():
            monkeypatch.setenv(name, value)
        command = runpy.run_path(str(project / "setup.py"))["BuildCore"](setuptools.Distribution())
        command.compiler = new_compiler()
        customize_compiler(command.compiler)
        return command.level_and_flags()

    return level_and_flags


@pytest.mark.slow
@needs_compiler
@X86
@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ("", "generic"),
        ("-O2 -march=skylake", "x86-64-v3"),
        ("-march=haswell -mtune=generic", "x86-64-v3"),
        ("-mavx2", "x86-64-v3"),
        ("-mfma", "x86-64-v3"),
        ("-mbmi2", "x86-64-v3"),
        ("-msse4.1", "x86-64-v2"),
        ("-mpopcnt", "x86-64-v2"),
        ("-march=nehalem", "x86-64-v2"),
        ("-mavx512f", "x86-64-v4"),
        ("-march=icelake-server", "x86-64-v4"),  # what it has beyond the level is left out
        ("-march=znver3", "x86-64-v3"),
        ("-march=skylake -march=x86-64", "generic"),
        ("-mtune=native -O1", "generic"),
        ("-mavx2 -mno-avx2 -mno-avx -mno-sse3 -mno-popcnt", "generic"),
    ],
)
def test_the_level_is_what_all_flags_make_of_it(flags, level, flags_of, capsys):
    found, added = flags_of(CFLAGS=flags)
    assert found == level
    assert (f"-march={level}" in added) == (level != "generic")
    assert ("-mprefer-vector-width=512" in added) == (level == "x86-64-v4")
    assert (f"flags are for {level} CPUs" in capsys.readouterr().err) == (level != "generic")


@needs_compiler
@X86
def test_a_compiler_that_brings_the_flags_is_asked_too(flags_of):
    assert flags_of(CC="gcc -mavx2")[0] == "x86-64-v3"
    assert flags_of("x86-64-v2", CFLAGS="-mfma")[0] == "x86-64-v3"
    assert flags_of("x86-64-v3", CFLAGS="-march=x86-64")[0] == "x86-64-v3"
    assert flags_of("", CFLAGS="-march=x86-64")[0] == cpus.cpu_level()


@needs_compiler
@X86
@pytest.mark.parametrize("flag", ["-mavx512vnni", "-mgfni", "-mxop", "-mavx512bf16"])
def test_instructions_of_no_level_are_refused(flag, flags_of):
    from setuptools.errors import CompileError

    with pytest.raises(CompileError, match=rf"asks for .*{flag[2:].upper()}.* which no CPU level has"):
        flags_of(CFLAGS=flag)


@needs_compiler
@X86
@pytest.mark.slow
def test_a_core_full_of_new_instructions_does_not_call_itself_generic(project):
    printed, note = build(project, MINIGRAD_ARCH="baseline", CFLAGS="-march=haswell")
    assert note == "x86-64-v3\n"
    assert "flags are for x86-64-v3 CPUs" in printed
    if shutil.which("objdump"):
        (core,) = (project / "minigrad").glob("_core.*.so")
        assert "vaddsd" in subprocess.check_output(["objdump", "-d", core], text=True)


FLUSHED = """
from minigrad import _core
print(5e-324 * 1.0 != 0, _core.lost(1.0, 1e17), _core.odd(float("nan")), _core.half(-7))
"""


@needs_compiler
@pytest.mark.skipif(sys.platform != "linux", reason="GCC's and clang's flags")
@pytest.mark.parametrize(
    "flags",
    [
        {"CFLAGS": "-Ofast", "LDFLAGS": "-Ofast"},
        {"CFLAGS": "-ffinite-math-only -fassociative-math -fno-signed-zeros -fno-trapping-math"},
        {"CC": "gcc -ffast-math", "LDFLAGS": "-funsafe-math-optimizations"},
    ],
    ids=["Ofast", "its parts", "in CC and in LDFLAGS"],
)
@pytest.mark.slow
def test_fast_math_is_undone(project, flags):
    build(project, **flags)
    assert start(project, code=FLUSHED).stdout.split() == ["True", "0.0", "True", "-3"]


@pytest.mark.slow
@needs_compiler
def test_checked_build_has_the_checks_and_keeps_the_division(project):
    _, level = build(project, MINIGRAD_ARCH="baseline", MINIGRAD_CHECKED="1")
    assert level == "generic checked\n"
    code = (
        "from minigrad import _core\n"
        "print(_core.half(-7), _core.entry([1, 2], -1))\n"
        "try: _core.entry([1, 2], 2)\n"
        "except IndexError: print('refused')\n"
    )
    assert start(project, code=code).stdout.split() == ["-3", "2", "refused"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="CC is not asked there")
def test_without_a_compiler_the_build_succeeds_and_leaves_no_old_core(project):
    if BUILT:
        assert build(project)[1] is not None
    printed, level = build(project, CC="false")
    assert level is None
    assert "core could not be compiled" in printed
    assert "build-essential" in printed
    build_fails(project, CC="false", MINIGRAD_CORE="compiled")


def test_numpy_core_needs_no_build(project):
    printed, level = build(project, MINIGRAD_CORE="numpy", CC="false")
    assert level is None
    assert "could not" not in printed


def test_an_unknown_core_is_refused_by_the_build(project):
    printed = build_fails(project, MINIGRAD_CORE="cython")
    assert "known are: compiled, numpy" in printed
