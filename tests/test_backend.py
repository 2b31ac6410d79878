"""The choice of the core: the CPU's level, import with the core missing or wrong, and the build."""

import importlib.machinery
import importlib.util
import os
import platform
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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

CODE = "import minigrad; from minigrad.kernels import backend as b; print(b.core.__name__, '|', b._config()['why'])"


def start(place, core="", flags=("-W", "always"), code=CODE):
    """Import minigrad from `place` in a process of its own, with MINIGRAD_CORE=core."""
    env = {**os.environ, "PYTHONPATH": str(place), "MINIGRAD_CORE": core}
    env.pop("PYTHONWARNINGS", None)
    command = [sys.executable, *flags, "-c", code]
    return subprocess.run(command, env=env, cwd=place, capture_output=True, text=True)


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
