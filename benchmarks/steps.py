"""Times one training step of the seven workloads against every peer, side by side in one run.

python benchmarks/steps.py                                     everything, about ten minutes
python benchmarks/steps.py --quick --only toy,digits --peers jax_scan,ours --dtypes float64
"""

import one_core  # noqa: F401  (first: it sets the threads before NumPy is loaded)

# isort: split
import argparse
import math

from peers import PEERS, RIVALS, numpy_by_hand
from timing import CLOCKS, DifferentWork, best_times, compare, write
from workloads import DTYPES, WORKLOADS, problem


def measure(workload, dtype, names, rounds, clock="cpu"):
    """{peer: microseconds per step} for one workload and dtype."""
    data = problem(workload, dtype)
    peers = {name: PEERS[name](data.copy()) for name in names}
    compare(peers, numpy_by_hand(data), dtype)
    seconds = best_times({name: peer.run for name, peer in peers.items()}, rounds, clock=clock)
    return {name: 1e6 * s / workload.steps for name, s in seconds.items()}


def ratio(times):
    """The fastest rival's time divided by ours, and its name; (nan, "") where there is none."""
    rivals = [name for name in RIVALS if name in times]
    if not rivals or "ours" not in times:
        return math.nan, ""
    fastest = min(rivals, key=times.get)
    return times[fastest] / times["ours"], fastest


def table(results, names):
    """Print microseconds per step, then what they mean against ours."""
    width = max(len(name) for name in names) + 2
    print("\nmicroseconds per step (best of all rounds)")
    print(f"{'':<18}" + "".join(f"{name:>{width}}" for name in names) + f"{'ratio':>9}  fastest rival")
    for key, times in results.items():
        value, rival = ratio(times)
        row = "".join(f"{times[name]:>{width}.4g}" for name in names)
        print(f"{key:<18}{row}{value:>9.2f}  {rival}")
    if "ours" not in names:
        return
    others = [name for name in names if name != "ours"]
    print("\ntimes as long as ours")
    print(f"{'':<18}" + "".join(f"{name:>{width}}" for name in others))
    for key, times in results.items():
        print(f"{key:<18}" + "".join(f"{times[name] / times['ours']:>{width}.2f}" for name in others))
    for dtype in DTYPES:
        ratios = [ratio(times)[0] for key, times in results.items() if key.endswith(dtype)]
        if ratios and not math.isnan(sum(ratios)):
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            print(f"geometric mean of {len(ratios)} ratios to the fastest rival, {dtype}: {mean:.2f}")


def names_of(text, known, kind):
    """A comma-separated option -> list of known names."""
    names = text.split(",") if text else list(known)
    for name in names:
        if name not in known:
            raise SystemExit(f"{kind} {name!r} is not one of {', '.join(known)}")
    return names


def main():
    """Measure as the options say; print and write the microseconds of a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"workloads, of {','.join(WORKLOADS)}")
    parser.add_argument("--peers", help=f"peers, of {','.join(PEERS)}")
    parser.add_argument("--dtypes", help="float32,float64")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="cpu", help="cpu (the default): not misled by a busy machine"
    )
    parser.add_argument("--rounds", type=int, default=30, help="interleaved rounds, of which the best counts")
    parser.add_argument("--quick", action="store_true", help="5 rounds, and no JSON file")
    options = parser.parse_args()
    names = names_of(options.peers, PEERS, "peer")
    rounds = min(options.rounds, 5) if options.quick else options.rounds

    results = {}
    for name in names_of(options.only, WORKLOADS, "workload"):
        for dtype in names_of(options.dtypes, DTYPES, "dtype"):
            try:
                times = measure(WORKLOADS[name], DTYPES[dtype], names, rounds, options.clock)
            except DifferentWork as error:
                raise SystemExit(f"{name}, {dtype}: not timed, because {error}") from None
            results[f"{name} {dtype}"] = times
            shown = "  ".join(f"{peer} {t:.4g}" for peer, t in times.items())
            print(f"{WORKLOADS[name]} {dtype}: {shown}", flush=True)
    table(results, names)
    if not options.quick and not (options.only or options.peers or options.dtypes):
        write("steps", results)


if __name__ == "__main__":
    main()
