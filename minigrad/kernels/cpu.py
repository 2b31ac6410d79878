"""Tells how modern this machine's CPU is, and how many cores BLAS may use.

The core is built for that CPU, and never loaded on an older one.

It imports nothing from minigrad, because setup.py runs it before there is a minigrad.
"""

import importlib
import os

# The x86-64 psABI's levels, oldest first; "generic" is whatever the compiler makes without being told.
LEVELS = ("generic", "x86-64-v2", "x86-64-v3", "x86-64-v4")

# NumPy names each level since 2.4. Before, it named instruction sets, and not all a level asks for: v3 needs
# BMI and MOVBE as well. No x86-64 CPU was made with those listed here and without the rest of the level.
_NAMES = {
    "x86-64-v2": ("X86_V2", ("SSE3", "SSSE3", "SSE41", "SSE42", "POPCNT")),
    "x86-64-v3": ("X86_V3", ("AVX", "AVX2", "F16C", "FMA3")),
    "x86-64-v4": ("X86_V4", ("AVX512F", "AVX512CD", "AVX512_SKX")),
}


def cpu_features() -> dict[str, bool]:
    """What NumPy found this CPU able to do; empty where NumPy does not tell."""
    for core in ("numpy._core", "numpy.core"):  # NumPy 2, NumPy 1
        try:
            return dict(importlib.import_module(f"{core}._multiarray_umath").__cpu_features__)
        except (ImportError, AttributeError):
            continue
    return {}


def level_of(features: dict[str, bool]) -> str:
    """The highest level whose features, and those of every level below it, are all there."""
    level = "generic"
    for name, (whole, parts) in _NAMES.items():
        if not (features[whole] if whole in features else all(features.get(part) for part in parts)):
            break
        level = name
    return level


def cpu_level() -> str:
    """The level of the CPU here: "x86-64-v2", "x86-64-v3", "x86-64-v4"; "generic" for any other CPU."""
    return level_of(cpu_features())


def runs_on(built_for: str, cpu: str) -> bool:
    """Whether code built for one level runs on a CPU of another; an unknown level never does."""
    return built_for in LEVELS and LEVELS.index(built_for) <= LEVELS.index(cpu)


# What tells BLAS libraries how many threads to start.
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")


def blas_cores() -> int:
    """How many cores NumPy's BLAS may use: what its variables say, else those that this process may run on."""
    asked = [os.environ[name] for name in THREADS if os.environ.get(name, "").isdecimal()]
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int(asked[0]) if asked else allowed or 1
