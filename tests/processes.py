"""Python in a process of its own, with another copy of minigrad."""

import os
import subprocess
import sys

CODE = "import minigrad; from minigrad.kernels import backend as b; print(b.core.__name__, '|', b._config()['why'])"


def start(place, core="", flags=("-W", "always"), code=CODE):
    """Import minigrad from `place` in a process of its own, with MINIGRAD_CORE=core."""
    env = {**os.environ, "PYTHONPATH": str(place), "MINIGRAD_CORE": core}
    env.pop("PYTHONWARNINGS", None)
    command = [sys.executable, *flags, "-c", code]
    return subprocess.run(command, env=env, cwd=place, capture_output=True, text=True)
