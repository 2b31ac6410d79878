"""Prints the simulated figures of docs/theory.md, each with its seeds and, where it depends on them, its range.

    make theory-figures                          all of them
    python docs/theory_figures.py C10 C12        some sections only

A section is a function, registered under the name its section has in theory.md. It yields pairs: what was measured,
and a list of values, one for each seed (or a text). Figures in closed form are not here: the tests assert them.
"""

import math
import sys
import time

import numpy as np
from figures_a_to_e import AFTER, BEFORE

import minigrad as mg
from minigrad import diagnostics as dg
from minigrad.studies.gauges import onto_first_axis

SEEDS = range(5)
SECTIONS = dict(BEFORE)  # name -> function, in the order of the page


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


# ---- C10 to C12: rotations, diagonal methods, the curvature of the whole net -------------------------------


@section("C10")
def rotation():
    """digits in (0, 1], 64-30-10 sigmoid, one sample at a time, 800 steps: as it is, flipped, rotated."""
    x, y, _, _ = mg.datasets.load("digits")
    x = x / 16 + 0.02
    signs, Q = np.resize([1, -1], 64), onto_first_axis(x.mean(axis=0))
    optimizers = {
        "SGD": lambda: mg.SGD(0.1),
        "momentum": lambda: mg.SGD(0.02, momentum=0.9),
        "Nesterov, L2": lambda: mg.SGD(0.02, momentum=0.9, nesterov=True, weight_decay=0.01),
        "RMSprop": lambda: mg.RMSprop(0.002),
        "Adam": lambda: mg.Adam(0.005),
    }

    def losses(net, x, opt, seed):
        found = []
        for n in np.random.default_rng(seed).permutation(len(x))[:800]:
            bp = mg.backprop(net, mg.CrossEntropyLoss(), x[n : n + 1], y[n : n + 1])
            found.append(bp.loss)
            opt.step(net, bp)
        return np.array(found)

    def three(seed):
        net = mg.mlp([64, 30, 10], "sigmoid", rng=seed)
        return {"as it is": (net, x), "flipped": dg.gauge_flip(net, x, signs), "rotated": dg.rotate(net, x, Q)}

    starts = [mg.backprop(net, mg.CrossEntropyLoss(), a, y).gradients["0"] for net, a in three(0).values()]
    for name, g in zip(three(0), starts, strict=True):
        rows = dg.single_signed_rows(g, per_sample=True).mean()
        pairs = dg.orthant_pairs(g)
        yield f"{name}: single-signed rows, one sample; pairs that share their orthants", f"{rows:.4f}; {pairs:.6f}"
    for name, make in optimizers.items():
        runs = [[losses(net, a, make(), seed) for net, a in three(seed).values()] for seed in SEEDS]
        yield f"{name}: largest difference of a loss, flipped", [abs(run[1] - run[0]).max() for run in runs]
        yield f"{name}: largest difference of a loss, rotated", [abs(run[2] - run[0]).max() for run in runs]


def regression(kind, opt, seed, batch, J=30, r=2.4):
    """Steps until the loss of a linear neuron is at 1 % of its beginning; inputs of spread 1 and mean r, or 0."""
    rng = np.random.default_rng(seed)
    error, Q = rng.standard_normal(J), onto_first_axis(np.ones(J)) if kind == "one axis" else np.eye(J)
    mean, error = Q @ np.full(J, 0.0 if kind == "no mean" else r), Q @ error
    net = mg.Sequential(mg.Linear(J, 1, bias=False))
    net[0].weight[...] = error
    loss = first = error @ error + (mean @ error) ** 2
    for step in range(1, 2001):
        a = rng.standard_normal((batch, J)) @ Q.T + mean
        opt.step(net, {"0.weight": (a @ net[0].weight.T).T @ a / batch})
        error = net[0].weight[0]
        loss = error @ error + (mean @ error) ** 2
        if loss <= 0.01 * first:
            return step
        if not loss < 1e9 * first:
            break
    return math.inf


@section("C11")
def diagonal():
    """linear neuron, 30 inputs, r = 2.4, steps to 1 % of the loss at the best of some 12 rates."""
    rates = {"SGD": 2.0 ** np.arange(-8, -0.4, 0.5), "Adam": 2.0 ** np.arange(-6, -0.4, 0.5)}
    for batch in (1, 64):
        for name, make in (("SGD", mg.SGD), ("Adam", mg.Adam)):
            for kind in ("along 1", "one axis", "no mean"):
                runs = [[regression(kind, make(lr), seed, batch) for seed in SEEDS] for lr in rates[name]]
                yield f"batch {batch:>2}, {name}, mean {kind}", min(runs, key=np.mean)


def same_start(H, seed):
    """{name: net 64-H-H-10} of sigmoids and of centred ones that are one function at the start, with one delta."""
    centred = mg.mlp([64, H, H, 10], "centered_sigmoid", rng=seed)
    plain = mg.mlp([64, H, H, 10], "sigmoid", rng=seed)
    for i in (2, 4):
        plain[i].bias[...] = -plain[i].weight.sum(axis=1) / 2
    return {"sigmoid": plain, "centred": centred}


def hessian_top(net, x, y, steps=30, eps=1e-4):
    """The largest curvature of the loss itself, by power iteration on differences of gradients."""
    start, rng = net.state_dict(), np.random.default_rng(0)
    v = {name: rng.standard_normal(array.shape) for name, array in start.items()}
    size = 0.0
    for _ in range(steps):
        length = math.sqrt(sum((array**2).sum() for array in v.values()))
        found = []
        for sign in (1, -1):
            net.load_state_dict({name: start[name] + sign * eps * v[name] / length for name in start})
            found.append(mg.backprop(net, mg.CrossEntropyLoss(), x, y).parameter_gradients())
        v = {name: (found[0][name] - found[1][name]) / (2 * eps) for name in start}
        size = math.sqrt(sum((array**2).sum() for array in v.values()))
    net.load_state_dict(start)
    return size


@section("C12")
def outlier():
    """centred digits, 64-H-H-10 at the start, sigmoid and sigmoid - 1/2 as the same function, softmax."""
    x, y, _, _ = mg.datasets.load("digits")
    x = (x - x.mean(axis=0)) / 16
    for H in (50, 100, 200, 400):
        found: dict = {"sigmoid": [], "centred": []}
        for seed in SEEDS:
            for name, net in same_start(H, seed).items():
                bp = mg.backprop(net, mg.CrossEntropyLoss(), x, y)
                gram = sum((g.delta @ g.delta.T) * (g.a @ g.a.T + 1) for g in bp.gradients.values()) / len(x)
                top = hessian_top(net, x, y) if H <= 100 else math.nan
                found[name].append((dg.curvature_outlier(bp), np.linalg.eigvalsh(gram)[-1], top))
        for path, layer in (("2", "second hidden layer"), ("4", "output layer")):
            for name, runs in found.items():
                yield f"H = {H}, {layer}, {name}: lambda_1", [run[0][path][0] for run in runs]
                yield f"H = {H}, {layer}, {name}: lambda_1 / bound", [run[0][path][0] / run[0][path][1] for run in runs]
            pair = list(zip(*found.values(), strict=True))
            ratios = [plain[0][path][0] / centred[0][path][0] for plain, centred in pair]
            yield f"H = {H}, {layer}: sigmoid / centred (1 + H/4 = {1 + H / 4:g})", ratios
        for i, label in ((1, "whole Fisher matrix"), (2, "Hessian")):
            if i == 1 or H <= 100:
                yield f"H = {H}, {label}: lambda_1, sigmoid", [a[i] for a, _ in pair]
                yield f"H = {H}, {label}: sigmoid / centred (1 + H/4 = {1 + H / 4:g})", [a[i] / b[i] for a, b in pair]


@section("C12-norms")
def norms():
    """centred digits, 64-200-200-10 sigmoid at the start: coherence of a hidden layer's outputs, and behind a norm."""
    x, y, _, _ = mg.datasets.load("digits")
    x = (x - x.mean(axis=0)) / 16
    for init in ("glorot_uniform", "tanh_equivalent"):
        nets = [mg.mlp([64, 200, 200, 10], "sigmoid", init, rng=seed) for seed in SEEDS]
        for path, layer in (("2", "first"), ("4", "second")):
            outputs = [mg.backprop(net, mg.CrossEntropyLoss(), x, y).gradients[path].a for net in nets]
            for label, axis in (("as it is", None), ("LayerNorm", 1), ("BatchNorm", 0)):
                found = [
                    a if axis is None else (a - a.mean(axis, keepdims=True)) / a.std(axis, keepdims=True)
                    for a in outputs
                ]
                yield f"{init}, {layer} hidden layer, {label}", [dg.coherence(a) for a in found]


def main(names):
    """Print the figures of the sections that are named, or of all."""
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        sys.exit(f"no figures for {', '.join(unknown)}; there are some for {', '.join(SECTIONS)}")
    print(f"seeds {SEEDS.start} to {SEEDS.stop - 1} unless a line names others; the median, in brackets the range\n")
    for name, function in SECTIONS.items():
        if names and name not in names:
            continue
        begin = time.perf_counter()
        print(f"{name}  {function.__doc__.splitlines()[0]}")
        for label, values in function():
            print(f"    {label:<88} {shown(values)}", flush=True)
        print(f"    ({time.perf_counter() - begin:.0f} s)\n")


SECTIONS.update(AFTER)

if __name__ == "__main__":
    main(sys.argv[1:])
