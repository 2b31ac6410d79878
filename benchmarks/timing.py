"""Compares the peers, then times them: refuses any that does different work, and keeps the best of many short turns."""

import gc
import hashlib
import json
import math
import os
import platform
from importlib import metadata
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import one_core

import minigrad
from minigrad.kernels.backend import core

RESULTS = Path(__file__).parent / "results"
# On the one core that one_core.py leaves us, the CPU time of the process is what a wall clock would show on
# an idle machine, and it stays the same on a busy one. It counts all threads; waiting counts for nothing.
CLOCKS = {"cpu": process_time, "wall": perf_counter}
# What rounding may do over some hundred steps. Found: 1e-6 and 2e-15, but 1e-4 in float32 where a relu changes sides.
TOLERANCE = {"float32": 3e-4, "float64": 1e-11}


class DifferentWork(Exception):
    """Two peers were to do the same training, and ended with different losses or weights."""


def compare(peers, reference, dtype, epochs=2):
    """Run every peer for some epochs from its first weights; raise DifferentWork where one ends elsewhere.

    peers: name -> Peer; reference: a Peer. The first runs also compile what is to be compiled.
    """
    tolerance = TOLERANCE[str(np.dtype(dtype))]
    expected = [np.asarray(reference.run(epochs)), *reference.weights()]
    for name, peer in peers.items():
        losses = peer.run(epochs)
        if peer.weights is None:
            continue
        for i, (a, b) in enumerate(zip([np.asarray(losses), *peer.weights()], expected, strict=True)):
            error = np.abs(a - b).max() / np.abs(b).max()
            if not error <= tolerance:
                place = "the losses" if i == 0 else f"the weights of linear layer {i}"
                raise DifferentWork(
                    f"{name} differs from NumPy by hand by {error:.1e} in {place}; losses of the epochs: "
                    f"{losses}, expected {expected[0].tolist()}"
                )


def best_times(calls, rounds, target=0.02, clock="cpu", budget=3.0):
    """Seconds that one unit of work takes: {name: call(units)} -> {name: best of all rounds}.

    The calls take turns, so that a slow spell of the machine hits all of them. A turn is short, so that some meet a
    quiet moment: as many units as fill `target` seconds, at least one. A call that has used up `budget` seconds has no
    more turns after the fifth round.
    """
    now, units, best, spent = CLOCKS[clock], {}, {}, dict.fromkeys(calls, 0.0)
    for name, call in calls.items():
        start = now()
        call(1)
        units[name] = max(1, min(1000, round(target / max(now() - start, 1e-9))))
    gc.collect()
    gc.disable()
    try:
        for done in range(rounds):
            for name, call in calls.items():
                if done >= 5 and spent[name] > budget:
                    continue
                start = now()
                call(units[name])
                took = now() - start
                spent[name] += took
                best[name] = min(took / units[name], best.get(name, math.inf))
    finally:
        gc.enable()
    return best


def machine():
    """What the figures were measured on, for the JSON files."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), cpu)
    versions = {"minigrad": minigrad.__version__}
    for package in ("numpy", "torch", "jax", "jaxlib", "scikit-learn"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "pinned to core": one_core.CORE,
        "python": platform.python_version(),
        "versions": versions,
        "core": hashlib.sha256(Path(core.__file__).read_bytes()).hexdigest()[:12],
    }


def write(name, results):
    """results, a dict or list, as results/name.json beside this file, with the machine they come from."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n", encoding="utf-8")
    print(f"written: {path.relative_to(Path(__file__).parent.parent)}")


def read(name, part="results"):
    """What write() wrote: the "results", or the "machine"."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))[part]
