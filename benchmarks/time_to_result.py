"""Times whole processes, `python script.py` to a trained net, import and compilation included; and memory.

    python benchmarks/time_to_result.py

The scripts are in benchmarks/spirals/. They get the same data and the same first weights in a file, draw the
same batches, and print the loss of the last epoch and the accuracy on test data, which must agree. The net is
2-32-32-3 with tanh; 100 epochs of plain SGD bring it to 99.8 % of the test points.
"""

import one_core  # noqa: F401  (the scripts inherit the core and the threads)

# isort: split
# This process stays small, as a child begins with its parent's peak memory: NumPy is imported at the end.
import argparse
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

SCRIPTS = ("minigrad", "torch", "jax", "jax_scan", "sklearn")
FOLDER = Path(__file__).parent / "spirals"
TOLERANCE = {"float32": 2e-3, "float64": 1e-8}
MAKE_DATA = """
import sys, numpy as np, minigrad as mg
net = mg.mlp([2, 32, 32, 3], activation="tanh", dtype=sys.argv[2], rng=0)
x, y = mg.datasets.spirals(640, rng=0)
x_test, y_test = mg.datasets.spirals(600, rng=1)
x, x_test = x.astype(sys.argv[2]), x_test.astype(sys.argv[2])
np.savez(sys.argv[1], x=x, y=y, x_test=x_test, y_test=y_test, lr=0.2, epochs=100, **net.state_dict())
"""


def run(script, data):
    """Start a script and wait: what it printed, and its wall seconds, CPU seconds and peak bytes."""
    start = perf_counter()
    process = subprocess.Popen([sys.executable, FOLDER / f"with_{script}.py", data], stdout=subprocess.PIPE, text=True)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = perf_counter() - start
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"with_{script}.py failed")
    loss, accuracy = map(float, printed.split())
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "loss": loss,
        "accuracy": accuracy,
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak bytes": usage.ru_maxrss * unit,
    }


def measure(dtype, scripts, rounds):
    """{script: its best run}, the scripts taking turns."""
    best = {}
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "spirals.npz")
        subprocess.run([sys.executable, "-c", MAKE_DATA, data, dtype], check=True)
        for _ in range(rounds):
            for script in scripts:
                found = run(script, data)
                kept = best.setdefault(script, found)
                for key in ("wall", "cpu", "peak bytes"):
                    kept[key] = min(kept[key], found[key])
    first = best[scripts[0]]
    for script, found in best.items():
        if not math.isclose(found["loss"], first["loss"], rel_tol=TOLERANCE[dtype]):
            raise SystemExit(f"{script} ends with loss {found['loss']}, {scripts[0]} with {first['loss']}")
        if abs(found["accuracy"] - first["accuracy"]) > 0.005:
            raise SystemExit(f"{script} ends with accuracy {found['accuracy']}, not {first['accuracy']}")
    return best


def main():
    """Run the scripts, print and write time and memory of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(SCRIPTS), help="scripts, of these")
    parser.add_argument("--rounds", type=int, default=10, help="interleaved rounds, of which the best counts")
    options = parser.parse_args()
    scripts, results = options.only.split(","), {}
    for dtype in TOLERANCE:
        best = results[dtype] = measure(dtype, scripts, options.rounds)
        print(f"{dtype:<12}{'CPU s':>8}{'wall s':>8}{'x first':>9}{'peak MiB':>10}{'loss':>10}{'accuracy':>10}")
        for script, t in best.items():
            times = f"{t['cpu']:>8.3f}{t['wall']:>8.3f}{t['cpu'] / best[scripts[0]]['cpu']:>9.2f}"
            print(f"{script:<12}{times}{t['peak bytes'] / 2**20:>10.1f}{t['loss']:>10.5f}{t['accuracy']:>10.4f}")
    from timing import write

    write("time_to_result", results)


if __name__ == "__main__":
    main()
