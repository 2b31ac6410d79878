"""Times one training step against the width (4 to 2048) and depth (1 to 200) of the net, beside the floor.

python benchmarks/width_depth.py                  some minutes, most of them JAX compiling the deep nets
"""

import one_core  # noqa: F401  (first: it sets the threads before NumPy is loaded)

# isort: split
import argparse

from steps import measure
from timing import DifferentWork, write
from workloads import DTYPES, Workload

WIDTHS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
DEPTHS = (1, 2, 5, 10, 20, 50, 100, 200)
BATCH = 32
COMPARED = ("ours", "jax_scan", "torch_tuned", "numpy", "floor")


def nets(quick):
    """("width" or "depth", its value, Workload): two hidden layers of some width; some layers of 32."""
    for width in WIDTHS[:: 3 if quick else 1]:
        steps = max(24, min(200, 40_000_000 // (BATCH * width**2)))
        yield (
            "width",
            width,
            Workload(f"width {width}", (width, width, width, 10), BATCH, "tanh", 0.01, steps),
        )
    for depth in DEPTHS[:: 3 if quick else 1]:
        sizes = (32,) * depth + (10,)
        yield "depth", depth, Workload(f"depth {depth}", sizes, BATCH, "tanh", 0.01, max(20, 200 // depth))


def main():
    """Measure net after net, print and write the microseconds of a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds, of which the best counts")
    parser.add_argument("--quick", action="store_true", help="every third net, 3 rounds, and no JSON file")
    options = parser.parse_args()
    rounds = min(options.rounds, 3) if options.quick else options.rounds

    results = []
    for axis, value, workload in nets(options.quick):
        for dtype, kind in DTYPES.items():
            try:
                times = measure(workload, kind, COMPARED, rounds)
            except DifferentWork as error:
                raise SystemExit(f"{workload.name}, {dtype}: not timed, because {error}") from None
            results.append({"against": axis, "value": value, "dtype": dtype, "microseconds": times})
            print(
                f"{axis} {value:<5}{dtype}: " + "  ".join(f"{k} {t:.4g}" for k, t in times.items()),
                flush=True,
            )
    if not options.quick:
        write("width_depth", results)


if __name__ == "__main__":
    main()
