"""What a run says while it works: a progress bar (tqdm's, the only one; without tqdm none), and lines on stderr.

Neither may end the work: stderr can be missing (pythonw, a daemon), closed, or a stand-in that knows little.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any


def progress(items: Iterable[Any], label: str, wanted: bool = True) -> Any:
    """Iterate over items, with a bar on a terminal or in a notebook once it takes longer than half a second."""
    notebook = wanted and _in_notebook()
    if notebook or (wanted and _on_terminal()):
        try:
            if notebook:
                from tqdm.auto import tqdm
            else:
                from tqdm import tqdm
            return tqdm(items, desc=label, delay=0.5, leave=False)
        except Exception:  # no tqdm, a terminal that is gone, or a warning (of missing ipywidgets) made an error
            pass
    return _Quiet(items)


def say(text: str) -> None:
    """Print text on stderr; where there is none, or it takes nothing, the text is lost and nothing else."""
    stream = sys.stderr  # None would mean stdout to print
    if stream is None:
        return
    with contextlib.suppress(Exception):
        try:
            print(text, file=stream, flush=True)
        except UnicodeEncodeError:
            print(str(text).encode("ascii", "backslashreplace").decode(), file=stream, flush=True)


def _on_terminal() -> bool:
    try:
        return bool(sys.stderr.isatty())
    except Exception:  # None, closed, or without isatty
        return False


def _in_notebook() -> bool:
    """Is this the process of a Jupyter kernel? Its stderr is no terminal, yet somebody looks at it."""
    try:
        return "IPKernelApp" in sys.modules["IPython"].get_ipython().config
    except Exception:  # no IPython here, or no shell of it
        return False


class _Quiet:
    def __init__(self, items: Iterable[Any]) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def set_postfix_str(self, text: str, refresh: bool = False) -> None:
        """A note beside the bar."""
