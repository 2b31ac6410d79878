"""What several tests of the playground need: the numbers that a script prints."""

import subprocess
import sys


def printed(script):
    """{name: text} of what a script prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return dict(line.split() for line in done.stdout.splitlines())


def same_bits(texts, values):
    """Do the texts stand for the same numbers, to the last bit?"""
    return {name: repr(float(text)) for name, text in texts.items()} == {n: repr(float(v)) for n, v in values.items()}
