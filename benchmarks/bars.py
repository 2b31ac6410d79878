"""Compares the last run with what was aimed at, and writes what the pages say of it.

python benchmarks/bars.py             prints the tables
python benchmarks/bars.py --write     and replaces those in docs/performance.md, and the line in README.md
"""

import argparse
import math
from pathlib import Path

from peers import LABELS, PEERS, RIVALS
from steps import ratio
from timing import read
from workloads import DTYPES, WORKLOADS

MEASURED = ("steps", "backprop", "per_sample", "time_to_result", "width_depth")
ROOT = Path(__file__).parent.parent
PAGES = {"speed": ROOT / "README.md"}  # where each part goes; the others go into docs/performance.md
SMALL = ("toy", "digits", "nielsen")


def bars():
    """(what, aim, True where it is a least, (figure in float32, in float64)) for everything that is aimed at."""
    steps, backprop, samples = read("steps"), read("backprop"), read("per_sample")
    processes = read("time_to_result")

    def both(figure):
        return tuple(figure(dtype) for dtype in DTYPES)

    def against(name, rival):
        return both(lambda dtype: steps[f"{name} {dtype}"][rival] / steps[f"{name} {dtype}"]["ours"])

    def fastest(name):
        return both(lambda dtype: ratio(steps[f"{name} {dtype}"])[0])

    def inverse(figures):
        return tuple(1 / figure for figure in figures)

    def mean(dtype):
        return math.exp(sum(math.log(ratio(steps[f"{name} {dtype}"])[0]) for name in WORKLOADS) / len(WORKLOADS))

    def whole(dtype):
        times = processes[dtype]
        return min(times[peer]["cpu"] for peer in ("torch", "jax", "jax_scan")) / times["minigrad"]["cpu"]

    def per_sample(key):
        return both(lambda dtype: samples[f"torch_vmap {dtype}"][key] / samples[f"ours {dtype}"][key])

    def path(name, rival):
        return both(lambda dtype: backprop[f"{name} {dtype}"][rival] / backprop[f"{name} {dtype}"]["ours"])

    yield "fastest rival / ours, geometric mean of the seven", 2.0, True, both(mean)
    for name in ("online", "toy", "digits", "deep"):
        yield f"fastest rival / ours, {name}", 2.0, True, fastest(name)
    yield "fastest rival / ours, nielsen", 1.5, True, fastest("nielsen")
    yield "fastest rival / ours, mnist", 1.15, True, fastest("mnist")
    yield "ours / the bare products, mnist", 1.25, False, inverse(against("mnist", "floor"))
    yield "fastest rival / ours, wide", 1.0, True, fastest("wide")
    yield "ours / the bare products, wide", 1.10, False, inverse(against("wide", "floor"))
    for name in WORKLOADS:
        bar = 20.0 if name in ("online", "toy", "digits") else 1.0
        yield f"PyTorch eager / ours, {name}", bar, True, against(name, "torch")
    yield "time to result, fastest of PyTorch and JAX / ours", 8.0, True, both(whole)
    yield "our Python loop / our fused epoch, toy", 5.0, True, against("toy", "ours_python")
    for name in ("toy", "digits"):
        yield f"backprop(), PyTorch eager / ours, {name}", 5.0, True, path(name, "torch")
        yield f"backprop(), NumPy by hand / ours, {name}", 1.0, True, path(name, "numpy")
    yield "per-sample norms and signs, vmap(grad) / ours, time", 20.0, True, per_sample("microseconds")
    yield "per-sample norms and signs, vmap(grad) / ours, memory", 1.0, True, per_sample("peak bytes")


def number(value):
    """Three figures, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def markdown(header, rows):
    """A table in Markdown: numbers to the right, floats as number() writes them."""
    numeric = (all(isinstance(cell, int | float) for cell in column) for column in zip(*rows, strict=True))
    lines = [header, ["---:" if right else "---" for right in numeric]]
    lines += [[number(cell) if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def workloads():
    """The table of the nets that are timed."""
    rows = []
    for w in WORKLOADS.values():
        net = "-".join(map(str, w.sizes))
        if len(w.sizes) > 5:
            net = f"{len(w.sizes) - 1} linear layers, {w.sizes[0]} wide, {w.sizes[-1]} outputs"
        rows.append([w.name, net, w.batch, w.activation, w.steps])
    return markdown(["workload", "net", "batch", "hidden activation", "steps in an epoch"], rows)


def wins():
    """One line for each net of the last run on which a peer was faster than minigrad, with all who were."""
    nets = list(read("steps").items())
    for point in read("width_depth"):
        nets.append((f"{point['against']} {point['value']} {point['dtype']}", point["microseconds"]))
    for net, times in nets:
        faster = [name for name in RIVALS if times.get(name, math.inf) < times["ours"]]
        if faster:
            shares = (f"{LABELS[name]} ({times[name] / times['ours']:.2f} of our time)" for name in faster)
            yield f"* {net}: {'; '.join(shares)}"


def speed(steps):
    """One sentence on the small nets: our share of the time of PyTorch, and of JAX at its fastest."""

    def shares(peers):
        keys = [f"{name} {dtype}" for name in SMALL for dtype in DTYPES]
        found = [100 * steps[key]["ours"] / min(steps[key][peer] for peer in peers) for key in keys]
        return f"{min(found):.0f} to {max(found):.0f} %"

    torch, jax = shares(("torch", "torch_tuned")), shares(("jax_scan", "jax_jit"))
    small, large = ("-".join(map(str, WORKLOADS[name].sizes)) for name in (SMALL[0], SMALL[-1]))
    return (
        f"In the last run of `make bench`, a training step of nets from {small} to {large}\n"
        f"took {torch} of PyTorch's time, and {jax} of JAX's at its fastest."
    )


def tables():
    """{name of the place in the page: its table}; all of one build, or none."""
    builds = {name: read(name, "machine")["core"] for name in MEASURED}
    if len(set(builds.values())) > 1:
        raise SystemExit(f"these results are of different builds of the core, measure them again: {builds}")
    found = []
    for name, aim, at_least, figures in bars():
        met = all(f >= aim if at_least else f <= aim for f in figures)
        found.append([name, f"{'>=' if at_least else '<='} {aim:g}", *figures, "yes" if met else "**no**"])
    mib = 2**20
    steps = [[key, *(t[name] for name in PEERS)] for key, t in read("steps").items()]
    explicit = [[key, t["ours"], t["torch"], t["numpy"]] for key, t in read("backprop").items()]
    samples = [[key, t["microseconds"], t["peak bytes"] / mib] for key, t in read("per_sample").items()]
    processes = [
        [f"{name} {dtype}", t["cpu"], t["wall"], t["peak bytes"] / mib]
        for dtype, scripts in read("time_to_result").items()
        for name, t in scripts.items()
    ]
    machine = read("steps", "machine")
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return {
        "machine": f"{machine['cpu']}, one core; Python {machine['python']}, {versions}.",
        "workloads": workloads(),
        "speed": speed(read("steps")),
        "bars": markdown(["what", "aim", *DTYPES, "reached"], found),
        "wins": "\n".join(wins()) or "* none of those above",
        "steps": markdown(["µs per step", *(LABELS[name] for name in PEERS)], steps),
        "processes": markdown(["whole process", "CPU s", "wall s", "peak MiB"], processes),
        "per_sample": markdown(["N = 1000 digits", "µs", "peak MiB more"], samples),
        "backprop": markdown(["µs", "minigrad", "PyTorch eager", "NumPy by hand"], explicit),
    }


def main():
    """Print the tables; with --write, put them into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into docs/performance.md and README.md")
    options = parser.parse_args()
    for name, table in tables().items():
        print(f"{name}\n{table}\n")
        if options.write:
            page = PAGES.get(name, ROOT / "docs" / "performance.md")
            begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
            before, rest = page.read_text(encoding="utf-8").split(begin)
            page.write_text(before + begin + table + "\n" + end + rest.split(end, 1)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
