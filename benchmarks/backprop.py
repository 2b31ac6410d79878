"""Times backprop(), the explicit path with every delta and a, against PyTorch eager and NumPy by hand.

python benchmarks/backprop.py
"""

import one_core  # noqa: F401  (first: it sets the threads before NumPy is loaded)

# isort: split
import argparse

import numpy as np
from peers import minigrad_net, numpy_backprop, torch_net
from timing import CLOCKS, TOLERANCE, DifferentWork, best_times, write
from workloads import DTYPES, WORKLOADS, problem

import minigrad as mg


def calls(p):
    """{name: function of nothing -> the gradients of all weights}, each on the first batch of the Problem."""
    import torch

    batch = p.workload.batch
    x, y = p.x[:batch].copy(), p.y[:batch].copy()
    net, _ = minigrad_net(p)
    loss = mg.BCEWithLogitsLoss() if p.binary else mg.CrossEntropyLoss()
    model, criterion = torch_net(p)
    tensors = torch.from_numpy(x), torch.from_numpy(y)

    def ours():
        gradients = mg.backprop(net, loss, x, y).parameter_gradients()
        return [g for name, g in gradients.items() if name.endswith("weight")]

    def torch_eager():
        model.zero_grad()
        criterion(model(tensors[0]), tensors[1]).backward()
        return [layer.weight.grad for layer in model[::2]]

    def numpy():
        return [dw for dw, _ in numpy_backprop(p, p.weights, p.biases, x, y)[1]]

    return {"ours": ours, "torch": torch_eager, "numpy": numpy}


def repeated(call):
    """The call as a function of how often."""

    def run(times):
        for _ in range(times):
            call()

    return run


def measure(workload, dtype, rounds, clock):
    """{name: microseconds} after all three have shown the same gradients."""
    tolerance = TOLERANCE[str(np.dtype(dtype))]
    functions = calls(problem(workload, dtype))
    expected = functions["numpy"]()
    for name, call in functions.items():
        for i, (found, wanted) in enumerate(zip(call(), expected, strict=True)):
            error = np.abs(np.asarray(found) - wanted).max() / np.abs(wanted).max()
            if not error <= tolerance:
                raise DifferentWork(f"{name} differs by {error:.1e} in the gradient of linear layer {i}")
    seconds = best_times({name: repeated(call) for name, call in functions.items()}, rounds, clock=clock)
    return {name: 1e6 * s for name, s in seconds.items()}


def main():
    """Measure as the options say; print and write the microseconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="online,toy,digits", help="workloads")
    parser.add_argument("--clock", choices=CLOCKS, default="cpu")
    parser.add_argument("--rounds", type=int, default=30, help="interleaved rounds, of which the best counts")
    options = parser.parse_args()
    results = {}
    print(f"{'microseconds':<18}{'minigrad':>10}{'torch':>10}{'numpy':>10}{'torch/ours':>12}{'numpy/ours':>12}")
    for name in options.only.split(","):
        for dtype, kind in DTYPES.items():
            t = measure(WORKLOADS[name], kind, options.rounds, options.clock)
            results[f"{name} {dtype}"] = t
            row = f"{t['ours']:>10.1f}{t['torch']:>10.1f}{t['numpy']:>10.1f}"
            print(f"{name + ' ' + dtype:<18}{row}{t['torch'] / t['ours']:>12.2f}{t['numpy'] / t['ours']:>12.2f}")
    write("backprop", results)


if __name__ == "__main__":
    main()
