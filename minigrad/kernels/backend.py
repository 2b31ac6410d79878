"""Chooses the core that does the arithmetic: the compiled one where it can run, else its twin in plain NumPy.

The environment variable MINIGRAD_CORE decides otherwise: "numpy" takes the twin without a word, "compiled"
refuses to start without the compiled core.
"""

from __future__ import annotations

import os
import platform
import sys
import warnings
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from . import twin
from .cpu import THREADS, cpu_level, runs_on

__all__ = ["core", "show_config"]

_KNOWN = ("compiled", "numpy")


def _load_compiled() -> tuple[ModuleType | None, str]:
    """The compiled core and what it was built for; or None and why it cannot run here.

    The CPU is compared with the note that the build left beside the core, and before the core is loaded: an
    instruction that the CPU does not have ends the whole process, and no `except` would see it.
    """
    # Only in this very package: an editable install elsewhere would lend its core to a copy that has none.
    spec = PathFinder.find_spec("minigrad._core", [str(Path(__file__).parents[1])])
    if spec is None or spec.origin is None:
        return None, "it is not built"
    try:
        built_for, *extra = Path(spec.origin).with_name("_core.level").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None, "_core.level, the file that tells which CPU it was built for, is missing or unreadable"
    here = cpu_level()
    if not runs_on(built_for, here):
        return None, f"it was built for {built_for} CPUs and this one is {here}"
    try:
        from .. import _core
    except ImportError as error:
        return None, f"it cannot be loaded ({error})"
    return _core, " ".join([f"built for {built_for}", *extra])


def _choose(asked: str) -> tuple[ModuleType, str]:
    """The core for one value of MINIGRAD_CORE, and the reason in words for `show_config`."""
    if asked not in ("", *_KNOWN):
        raise ValueError(f"MINIGRAD_CORE is {asked!r}, expected one of: {', '.join(_KNOWN)} (or not set)")
    if asked == "numpy":
        return twin, "chosen by MINIGRAD_CORE=numpy"
    module, reason = _load_compiled()
    if module is not None:
        return module, reason
    if asked == "compiled":
        raise ImportError(f"MINIGRAD_CORE=compiled, but minigrad's compiled core cannot be used: {reason}")
    warnings.warn(
        f"minigrad runs on plain NumPy, which is slower: its compiled core cannot be used, because {reason}. "
        "Install it again here with a C compiler, or set MINIGRAD_CORE=numpy to be rid of this warning.",
        RuntimeWarning,
        stacklevel=3,
    )
    return twin, f"the compiled core is unusable: {reason}"


if TYPE_CHECKING:  # the twin's functions have the compiled core's types
    from .. import _core as core

    _reason = ""
else:
    core, _reason = _choose(os.environ.get("MINIGRAD_CORE", ""))


def _config() -> dict[str, str]:
    """What `show_config` prints, as a dict of strings."""
    numpy_build: Any = np.show_config(mode="dicts")
    blas = numpy_build.get("Build Dependencies", {}).get("blas", {})  # not every build of NumPy fills it in
    threads = [f"{name}={os.environ[name]}" for name in THREADS if name in os.environ]
    return {
        "core": "compiled" if core.__name__.endswith("._core") else "numpy",
        "why": _reason,
        "CPU": f"{cpu_level()} ({platform.machine()}, {os.cpu_count()} cores)",
        "Python": sys.version.split()[0],
        "NumPy": np.__version__,
        "BLAS": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
        "BLAS threads": " ".join(threads) or "the library's default",
    }


def show_config() -> None:
    """Print which core runs and why, the CPU's level, NumPy's version, its BLAS and that one's threads."""
    for name, value in _config().items():
        print(f"{name + ':':<14}{value}")
