"""A progress bar on the terminal: tqdm's where it is installed, else a line of our own; nothing where no one looks."""

import contextlib
import sys
import time


def progress(items, label, wanted=True):
    """Iterate over items, showing how far it is once it takes longer than half a second."""
    if not wanted or not sys.stderr.isatty():
        return _Quiet(items)
    try:
        from tqdm import tqdm
    except ImportError:
        return _Line(items, label)
    return tqdm(items, desc=label, delay=0.5, leave=False)


class _Quiet:
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)

    def set_postfix_str(self, text, refresh=False):
        """A note beside the bar."""


class _Line(_Quiet):
    def __init__(self, items, label):
        super().__init__(items)
        self.label, self.note = label, ""

    def __iter__(self):
        total, start, shown = len(self.items), time.monotonic(), 0.0
        for done, item in enumerate(self.items):
            now = time.monotonic()
            if now - start > 0.5 and now - shown > 0.2:
                shown = now
                print(f"\r{self.label}: {done}/{total} {self.note}\033[K", end="", file=sys.stderr, flush=True)
            yield item
        if shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def set_postfix_str(self, text, refresh=False):
        self.note = text


def say(text):
    """Print to stderr, where there is one that can be written to."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # no stderr, a broken pipe, a closed file
        print(text, file=sys.stderr, flush=True)
