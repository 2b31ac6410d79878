"""Prints the simulated figures of docs/theory.md, each with its seeds and, where it depends on them, its range.

    make theory-figures                          all of them
    python docs/theory_figures.py C10 C12        some sections only

A section is a function, registered under the name its section has in theory.md. It yields pairs: what was measured,
and a list of values, one for each seed (or a text). Figures in closed form are not here: the tests assert them.
"""

import sys
import time

SEEDS = range(5)
SECTIONS = {}  # name -> function, in the order of the page


def section(name):
    """Registers a function as the figures of a section."""

    def register(function):
        SECTIONS[name] = function
        return function

    return register


def shown(values):
    """The median of the seeds and their range, or the one value that all of them share."""
    if isinstance(values, str):
        return values
    ordered = sorted(float(value) for value in values)
    middle = ordered[len(ordered) // 2]
    same = ordered[0] == ordered[-1]
    return f"{middle:.4g}" if same else f"{middle:.4g} ({ordered[0]:.4g} to {ordered[-1]:.4g})"


def main(names):
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        sys.exit(f"no figures for {', '.join(unknown)}; there are some for {', '.join(SECTIONS)}")
    print(f"seeds {SEEDS.start} to {SEEDS.stop - 1} unless a line names others; the median, in brackets the range\n")
    for name, function in SECTIONS.items():
        if names and name not in names:
            continue
        begin = time.perf_counter()
        print(f"{name}  {function.__doc__.splitlines()[0]}")
        for what, values in function():
            print(f"    {what:<88} {shown(values)}", flush=True)
        print(f"    ({time.perf_counter() - begin:.0f} s)\n")


if __name__ == "__main__":
    main(sys.argv[1:])
