"""Builds the one compiled file, minigrad/_core.pyx; everything else about the package is in pyproject.toml.

Environment variables:
    MINIGRAD_ARCH=x86-64-v2    the CPU level to build for (x86-64-v2, -v3, -v4, baseline); else this one's
    MINIGRAD_CHECKED=1         every check Cython has, in all kernels: slow, for hunting bugs
    MINIGRAD_CORE=compiled     a core that cannot be built is an error; without it, only a message
    MINIGRAD_CORE=numpy        do not build the core at all
CC, CFLAGS and LDFLAGS work as everywhere, but for two things. Where they name a newer CPU than MINIGRAD_ARCH, the core
is built for the level that holds it, and says so. And what they ask for of fast but wrong arithmetic is undone.
"""

import os
import platform
import re
import runpy
import sys
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, CompileError

# Run, not imported: importing anything from minigrad would load the core that is not built yet.
CPU = runpy.run_path(str(Path(__file__).parent / "minigrad" / "kernels" / "cpu.py"))
CORE = os.environ.get("MINIGRAD_CORE", "")
if CORE not in ("", "compiled", "numpy"):
    sys.exit(f"MINIGRAD_CORE={CORE!r} is not known; known are: compiled, numpy")
CHECKED = os.environ.get("MINIGRAD_CHECKED", "") not in ("", "0")

# Never -ffast-math or -Ofast, whatever CFLAGS says: they compute other numbers and, when seen by the linker, make every
# process that loads the core flush small numbers to zero. The last flag wins, and the -O as well: -Ofast holds both.
NOT_FAST = ["-O3", "-fno-fast-math", "-fno-unsafe-math-optimizations"]
# The first two only give up errno and floating-point traps, which nothing here reads. The third, GCC's default, fuses
# x * y + z in vectors, as multiply_add does in scalar code.
GCC_FLAGS = [*NOT_FAST, "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]
# Lets GCC compile the product once for each way in which its matrices lie in memory; other compilers have no such
# limit.
COPIES = ["--param=ipa-cp-unit-growth=200"]

# How Cython translates the core, here alone: the sources ask for nothing themselves, so that a checked build can turn
# every check on. Division stays C's there too: x/0 is infinite, and meant to be. Only a function that computes on bits
# says overflowcheck(False) of itself, and means it.
DIRECTIVES = {
    "language_level": 3, "boundscheck": False, "wraparound": False, "initializedcheck": False, "cdivision": True
}  # fmt: skip
CHECKS = {
    "boundscheck": True, "wraparound": True, "initializedcheck": True, "nonecheck": True, "overflowcheck": True
}  # fmt: skip

# What a compiler defines where it may use instructions that came with a level. Those of AVX512F and its kin have
# names of their own; what else begins so belongs to no level.
MACROS = {
    "x86-64-v2": "SSE3 SSSE3 SSE4_1 SSE4_2 POPCNT",
    "x86-64-v3": "AVX AVX2 BMI BMI2 F16C FMA LZCNT MOVBE",
    "x86-64-v4": "AVX512F AVX512BW AVX512CD AVX512DQ AVX512VL",
}
BEYOND = r"AVX\w+|AMX\w+|APX\w+|FMA4|GFNI|SSE4A|TBM|XOP"

WITHOUT_CORE = """
*** minigrad's core could not be compiled.
*** The installation goes on without it: minigrad will run on NumPy alone, correct but slower.
*** For the core, install a C compiler and Python's headers (Debian: build-essential, python3-dev), and
*** then minigrad again.
"""


def target_level() -> str:
    """The CPU level to build for, before the compiler is asked whether it knows it."""
    asked = os.environ.get("MINIGRAD_ARCH", "").strip()
    if asked:
        known = ("baseline", *CPU["LEVELS"][1:])
        if asked not in known:
            sys.exit(f"MINIGRAD_ARCH={asked!r} is not known; known are: {', '.join(known)}")
        return "generic" if asked == "baseline" else asked
    # macOS may compile for two kinds of CPU at once; MinGW's gcc misaligns the stack for wide registers.
    if sys.platform in ("darwin", "win32", "cygwin") or platform.machine().lower() not in ("x86_64", "amd64"):
        return "generic"
    return CPU["cpu_level"]()


def march(level: str) -> list[str]:
    """The compiler's flags for a level."""
    if level == "generic":
        return []
    # The kernels are written for 64-byte vectors.
    return [f"-march={level}"] + (["-mprefer-vector-width=512"] if level == "x86-64-v4" else [])


def level_of(macros: dict[str, str]) -> tuple[str, list[str]]:
    """The lowest CPU level that holds the instructions in a compiler's macros, and the macros that no level holds."""
    if "__x86_64__" not in macros:
        return "generic", []
    names = {name.strip("_") for name in macros}
    needed = [level for level, parts in MACROS.items() if names & set(parts.split())]
    known = set(" ".join(MACROS.values()).split())
    beyond = sorted(name for name in names - known if re.fullmatch(BEYOND, name))
    return (needed or ["generic"])[-1], beyond


class BuildCore(build_ext):
    """build_ext, plus the CPU level, a note of it beside the core, and a message where no compiler is."""

    def build_extension(self, ext):
        import numpy
        from Cython.Build import cythonize

        built = Path(self.get_ext_fullpath(ext.name))
        note = built.with_name("_core.level")
        # An older one must not be packed when this build fails, nor be kept because only flags have changed.
        for stale in (built, note):
            stale.unlink(missing_ok=True)
        directives = DIRECTIVES | (CHECKS if CHECKED else {})
        (core,) = cythonize([ext], compiler_directives=directives, build_dir=self.build_temp, force=True)
        ext.sources = core.sources
        ext.include_dirs = [numpy.get_include()]
        try:
            level, ext.extra_compile_args = self.level_and_flags()
            if self.compiler.compiler_type != "msvc":
                ext.extra_link_args = NOT_FAST + self.no_flush()
            super().build_extension(ext)
        except (BaseError, CCompilerError):
            if ext.optional:
                print(WITHOUT_CORE, file=sys.stderr)
            raise
        note.write_text(f"{level}{' checked' if CHECKED else ''}\n", encoding="ascii")

    def level_and_flags(self):
        """The CPU level, and the flags for it that are added after those of CFLAGS."""
        if self.compiler.compiler_type == "msvc":
            return "generic", ["/O2"]
        level = target_level()
        if not self.accepts(march(level)):
            if os.environ.get("MINIGRAD_ARCH"):
                raise CompileError(f"the C compiler refuses {march(level)[0]}, which MINIGRAD_ARCH asked for")
            level = "generic"  # gcc before 11 and clang before 12 know no levels
        flags = GCC_FLAGS + self.no_flush() + (COPIES if self.accepts(COPIES) else [])
        needed, _ = level_of(self.macros(flags + march(level)))
        if CPU["LEVELS"].index(needed) > CPU["LEVELS"].index(level):
            print(f"*** the C compiler and its flags are for {needed} CPUs, so minigrad's core is too", file=sys.stderr)
            level = needed
        flags += march(level) if self.accepts(march(level)) else []  # it takes the place of an earlier -march
        macros = self.macros(flags)
        _, beyond = level_of(macros)
        if beyond:
            raise CompileError(f"CFLAGS asks for {', '.join(beyond)}, which no CPU level has: leave that out of CFLAGS")
        if "__FAST_MATH__" in macros or macros.get("__FINITE_MATH_ONLY__", "0") != "0":
            raise CompileError("the core cannot be right with the fast math that CC or CFLAGS asks for: leave it out")
        return level, flags

    def no_flush(self):
        """What undoes GCC's -mdaz-ftz, where that is asked for: compilers that do not know it know neither."""
        asked = {"-mdaz-ftz"} & {*self.compiler.compiler_so, *self.compiler.linker_so}
        return ["-mno-daz-ftz"] if asked else []

    def macros(self, flags):
        """{name: value} of what the compiler defines with all flags, those of CC and CFLAGS included."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "empty.c")
            source.write_text("int nothing;\n")
            try:  # -E wins over the -c that is there already
                (out,) = self.compiler.compile([str(source)], output_dir=folder, extra_postargs=[*flags, "-dM", "-E"])
                text = Path(out).read_text(encoding="utf-8", errors="replace")
            except CompileError:  # for two kinds of CPU at once, as on macOS
                return {}
        return dict(re.findall(r"^#define (\w+) (.*)$", text, re.MULTILINE))

    def accepts(self, flags):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "empty.c")
            source.write_text("int nothing;\n")
            try:
                self.compiler.compile([str(source)], output_dir=folder, extra_postargs=flags)
            except CompileError:
                return False
        return True

    def copy_extensions_to_source(self):
        package = Path(self.get_finalized_command("build_py").get_package_dir("minigrad"))
        for ext in self.extensions:
            core = Path(self.build_lib, self.get_ext_filename(ext.name))
            for built in (core, core.with_name("_core.level")):
                (package / built.name).unlink(missing_ok=True)
                if built.exists():
                    self.copy_file(str(built), str(package / built.name))


core = Extension(
    "minigrad._core",
    ["minigrad/_core.pyx"],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
    optional=CORE != "compiled",
)
setup(cmdclass={"build_ext": BuildCore}, ext_modules=[] if CORE == "numpy" else [core])
