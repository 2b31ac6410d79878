"""Times norms and signs of per-sample gradients, from delta and a, against torch.func.vmap(grad); and memory.

    python benchmarks/per_sample.py

Two questions about a batch of N = 1000 digits and the net 64-32-10: how long is the gradient of each sample,
layer by layer; and in which share of (sample, neuron) do all weights of the neuron move in one direction?
PyTorch forms N x K x J gradients to answer. delta and a hold the answer: |delta_n a_n^T| = |delta_n||a_n|,
and row k is delta_nk a_n, which has one sign if a_n has.
"""

import one_core  # noqa: F401  (first: it sets the threads before NumPy is loaded)

# isort: split
import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from peers import minigrad_net, torch_net
from timing import CLOCKS, best_times, write
from workloads import DTYPES, WORKLOADS, problem

import minigrad as mg

SAMPLES = 1000


def ours(p):
    """call(n) -> (norms {layer: (n,)}, share of single-signed rows {layer: float}), from delta and a."""
    net, _ = minigrad_net(p)
    loss = mg.CrossEntropyLoss()

    def call(n):
        bp = mg.backprop(net, loss, p.x[:n], p.y[:n])
        norms, shares = [], []
        for g in bp.gradients.values():
            norms.append(g.per_sample_norms())
            one_sign = (g.a > 0).all(axis=1) | (g.a < 0).all(axis=1)
            shares.append(float((one_sign[:, None] & (g.delta != 0)).mean()))
        return norms, shares

    return call


def torch_vmap(p):
    """The same with torch.func: vmap(grad) makes all the gradients, (n, K, J), to be looked at."""
    import torch
    from torch.func import functional_call, grad, vmap

    net, criterion = torch_net(p)
    parameters = {name: tensor.detach() for name, tensor in net.named_parameters()}
    x, y = torch.from_numpy(p.x), torch.from_numpy(p.y)

    def loss(parameters, x, y):
        return criterion(functional_call(net, parameters, (x[None],)), y[None])

    per_sample = vmap(grad(loss), in_dims=(None, 0, 0))

    def call(n):
        gradients = per_sample(parameters, x[:n], y[:n])
        weights = [g for name, g in gradients.items() if name.endswith("weight")]
        norms = [g.flatten(1).norm(dim=1).numpy() for g in weights]
        shares = [float(((g > 0).all(2) | (g < 0).all(2)).double().mean()) for g in weights]
        return norms, shares

    return call


METHODS = {"ours": ours, "torch_vmap": torch_vmap}


def data(dtype):
    """One batch of digits, as a Problem."""
    return problem(replace(WORKLOADS["digits"], batch=SAMPLES, steps=1), dtype)


def peak_growth(method, dtype):
    """The most memory, in bytes, that one call takes beyond what its process had; a fresh process, Linux."""
    arguments = [sys.executable, __file__, "--child", method, "--dtype", dtype]
    return json.loads(subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout)


def child(method, dtype):
    """What peak_growth starts: prints the bytes. Writing 5 makes Linux forget the peak of the imports."""
    call = METHODS[method](data(DTYPES[dtype]))
    call(10)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = memory("VmHWM")
    call(SAMPLES)
    print(memory("VmHWM") - before)


def memory(field):
    """A line of /proc/self/status in bytes; VmHWM is the peak of what is in memory."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def main():
    """Check that both ways agree, then measure, print and write time and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clock", choices=CLOCKS, default="cpu")
    parser.add_argument("--rounds", type=int, default=30, help="interleaved rounds, of which the best counts")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--dtype", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.dtype)
        return
    results = {}
    for dtype, kind in DTYPES.items():
        calls = {name: make(data(kind)) for name, make in METHODS.items()}
        answers = {name: call(SAMPLES) for name, call in calls.items()}
        for norms, torch_norms in zip(*(norms for norms, _ in answers.values()), strict=True):
            np.testing.assert_allclose(norms, torch_norms, rtol=1e-3 if dtype == "float32" else 1e-9)
        np.testing.assert_allclose(*(shares for _, shares in answers.values()), atol=1e-12)
        repeated = {name: lambda n, call=call: [call(SAMPLES) for _ in range(n)] for name, call in calls.items()}
        seconds = best_times(repeated, options.rounds, clock=options.clock)
        for name in METHODS:
            growth = peak_growth(name, dtype)
            results[f"{name} {dtype}"] = {"microseconds": 1e6 * seconds[name], "peak bytes": growth}
            grown = f"peak memory grows by {growth / 2**20:6.1f} MiB"
            print(f"{name:<12}{dtype}: {1e6 * seconds[name]:10.0f} us, {grown}")
        print(f"{'ratio':<12}{dtype}: {seconds['torch_vmap'] / seconds['ours']:10.1f}")
    write("per_sample", results)


if __name__ == "__main__":
    main()
