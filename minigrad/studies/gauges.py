"""Q7, by invariance: the same run as it is, with signs flipped, and rotated; and what one sample, a batch and Adam pay.

Flipping half of the inputs with their weights leaves no row single-signed, but all updates of a row in one pair of
opposite orthants, the mirrored ones. Rotating the inputs with the weights ends that as well. What is still the same
afterwards was not caused by orthants.
"""

from collections.abc import Callable

import numpy as np

import minigrad as mg
from minigrad.diagnostics import coherence, curvature_outlier, gauge_flip, orthant_pairs, rotate, single_signed_share

from . import lab, style
from .decomposition import Shifted
from .finding import Number

OPTIMIZERS: dict[str, Callable[[], mg.Optimizer]] = {
    "SGD": lambda: mg.SGD(lr=0.2),
    "momentum": lambda: mg.SGD(lr=0.02, momentum=0.9),
    "Adam": lambda: mg.Adam(lr=0.005),
}
HIDDEN, STEPS = (32,), 300
R = 2.4006  # mean / standard deviation of a sigmoid of z ~ N(0, 1)
INPUTS, BATCH, MOST = 30, 64, 500  # of the linear neuron that SGD and Adam train
RATES = {"SGD": (0.0055, 0.0078, 0.011, 0.25, 0.5, 0.7), "Adam": (0.06, 0.09, 0.125, 0.18, 0.25)}
MEANS = ("along all axes alike", "along one axis", "zero")
UNITS, SAMPLES = 100, 2000  # of the linear neuron that learns from one sample at a time, or from all at once
ROWS = "single-signed rows per sample of a sigmoid net while it learns"
PAIRS = "pairs of samples that push a neuron into the same pair of orthants"
CHANGE = "largest change of a loss, rotated"
COST = f"{UNITS} sigmoid inputs, as they are / centred"


# ---- the same net in other signs, and in other axes ------------------------------------------------------


class Rotated(mg.Layer, abstract=True):
    """a = Q f(z) for an activation f and an orthogonal Q (J, J)."""

    def __init__(self, f, Q):
        self.f, self.Q = f, Q

    def forward(self, z):
        a, saved = self.f.forward(z)
        return a @ self.Q.T, saved

    def backward(self, delta, saved):
        return self.f.backward(delta @ self.Q, saved)


def flipped_net(net, x, rng):
    """The same function in other signs: half of the inputs and hidden outputs are flipped, with their weights."""

    def half(J):
        return rng.permutation(np.resize([1.0, -1.0], J))

    flipped, x = gauge_flip(net, x, half(x.shape[1]))
    for i in range(1, len(net), 2):  # the activations
        signs = half(flipped[i + 1].in_features)
        flipped[i + 1].weight *= signs
        flipped.layers[i] = Shifted(flipped[i], scale=signs)  # its output is s_j sigma(z_j), not sigma(z_j)
    return flipped, x


def rotated_net(net, x):
    """The same function in other axes: those of every layer's inputs, with the inputs' mean along the first."""
    activations = mg.backprop(net, mg.MSELoss(), x, net(x)).activations
    rotated, x = rotate(net, x, onto_first_axis(x.mean(axis=0)))
    for i in range(1, len(net), 2):
        Q = onto_first_axis(activations[i + 1].mean(axis=0))
        rotated[i + 1].weight[...] = rotated[i + 1].weight @ Q.T
        rotated.layers[i] = Rotated(rotated[i], Q)
    return rotated, x


def onto_first_axis(mean):
    """The Householder reflection Q with Q mean = |mean| e_1."""
    normal = mean / np.linalg.norm(mean) - np.eye(len(mean))[0]
    return np.eye(len(mean)) - 2 * np.outer(normal, normal) / (normal @ normal)


def three_runs(job):
    """One optimiser, a sample at a time: {name of the twin: {"losses", "rows": %, "pairs": %}}.

    rows: single-signed rows per sample, all layers, on the way; pairs: of samples that share a row's orthants, at the
    start.
    """
    config, name, seed = job
    x, y, _, _ = config.load("unit", most=STEPS)
    x = x + 1 / 16  # strictly positive pixels: a pixel of 0 has no sign to flip
    net = lab.net(lab.sizes(x, HIDDEN, y), seed=seed)
    flipped, rotated = flipped_net(net, x, np.random.default_rng(seed + 1000)), rotated_net(net, x)
    found = {}
    for twin, (same, inputs) in {"as it is": (net, x), "flipped": flipped, "rotated": rotated}.items():
        start = mg.backprop(same, lab.LOSS, inputs, y).gradients.values()
        losses, rows, opt = [], [], OPTIMIZERS[name]()
        pairs = 100 * float(np.mean([orthant_pairs(g) for g in start]))
        for n in range(len(x)):
            bp = mg.backprop(same, lab.LOSS, inputs[n : n + 1], y[n : n + 1])
            rows.append(np.mean([single_signed_share(g) for g in bp.gradients.values()]))
            losses.append(bp.loss)
            opt.step(same, bp)
        found[twin] = {"losses": np.array(losses), "rows": 100 * float(np.mean(rows)), "pairs": pairs}
    return found


# ---- where the mean lies ---------------------------------------------------------------------------------


def steps_by_axes(job):
    """Steps of BATCH fresh samples until the loss of a linear neuron is at 1 %; inputs of spread 1 and mean R.

    job: (config, (optimiser, where the mean lies, learning rate), seed).
    """
    _, (name, mean, lr), seed = job
    rng = np.random.default_rng(seed)
    error, Q = rng.standard_normal(INPUTS), np.eye(INPUTS)
    if mean == "along one axis":  # the same inputs and the same error, rotated
        Q = onto_first_axis(np.ones(INPUTS))
    mu = Q @ np.full(INPUTS, 0.0 if mean == "zero" else R)
    net = lab.linear_neuron(Q @ error)
    w = net[0].weight
    opt, first = (mg.SGD if name == "SGD" else mg.Adam)(lr), w[0] @ w[0] + (mu @ w[0]) ** 2
    for step in range(1, MOST + 1):
        a = rng.standard_normal((BATCH, INPUTS)) @ Q.T + mu
        opt.step(net, {"0.weight": (a @ w.T).T @ a / BATCH})
        loss = w[0] @ w[0] + (mu @ w[0]) ** 2
        if not 0.01 * first < loss < 1e6 * first:
            return step if loss <= 0.01 * first else np.inf
    return np.inf


def by_axes(config, seeds):
    """{(optimiser, where the mean lies): steps of each seed at the best rate} of `steps_by_axes`."""
    cases = [(name, mean, lr) for name, rates in RATES.items() for mean in MEANS for lr in rates]
    tried = lab.by_case(config, steps_by_axes, cases, seeds, "axes")
    return {
        (name, mean): min((tried[name, mean, lr] for lr in rates), key=np.mean)
        for name, rates in RATES.items()
        for mean in MEANS
    }


# ---- one sample at a time, or all ------------------------------------------------------------------------


def one_or_all(seed):
    """Times that sigmoid inputs need more than the same inputs centred: samples one by one, steps of all at once.

    Both to |error| = 1/100. One by one: each step solves the equation of its sample (normalised LMS). All at once:
    gradient descent at its best rate. path: how much longer than straight a way made of single samples is across the
    mean, 1 / sin of the angle to it.
    """
    rng = np.random.default_rng(seed)
    a = mg.Sigmoid()(rng.standard_normal((SAMPLES, UNITS)))
    error = rng.standard_normal(UNITS)
    single, together = [], []
    for inputs in (a, a - a.mean(axis=0)):
        e, count = error.copy(), 0
        while e @ e > 1e-4 * (error @ error):
            row = inputs[count % SAMPLES]
            e -= (row @ e) / (row @ row) * row
            count += 1
        single.append(count)
        values, axes = np.linalg.eigh(inputs.T @ inputs / SAMPLES)
        start, factor = axes.T @ error, 1 - 2 * values / (values[0] + values[-1])
        steps = np.arange(1, 20_000)
        lengths = np.linalg.norm(start * factor ** steps[:, None], axis=1)
        together.append(int(steps[np.argmax(lengths <= 0.01 * np.linalg.norm(error))]))
    return {"one": single[0] / single[1], "all": together[0] / together[1], "path": (1 - coherence(a)) ** -0.5}


def valley_steps(seed):
    """{"plain", "momentum": steps of all samples at once, each at its best rates, to |error| = 1/1000; "root"}.

    Best for momentum are lr = 4 / (l + m)^2 and momentum ((l - m) / (l + m))^2, l and m the roots of the largest and
    the smallest curvature (Polyak 1964); root is l / m, the root of the condition number.
    """
    rng = np.random.default_rng(seed)
    a = mg.Sigmoid()(rng.standard_normal((SAMPLES, UNITS)))
    H, error = a.T @ a / SAMPLES, rng.standard_normal(UNITS)
    low, high = np.sqrt(np.linalg.eigvalsh(H)[[0, -1]])
    plain, best = mg.SGD(2 / (low**2 + high**2)), mg.SGD(4 / (low + high) ** 2, ((high - low) / (high + low)) ** 2)
    found = {"root": float(high / low)}
    for name, opt in (("plain", plain), ("momentum", best)):
        net = lab.linear_neuron(error)
        w, steps = net[0].weight, 0
        while w[0] @ w[0] > 1e-6 * (error @ error):
            opt.step(net, {"0.weight": w @ H})
            steps += 1
        found[name] = steps
    return found


def outlier(job):
    """The output layer's largest curvature, sigmoid / sigmoid - 1/2, both the same function at the start."""
    config, seed = job
    x, y, _, _ = config.load("unit", most=500)
    x = x - x.mean(axis=0)  # so that the first layer's outputs have a mean of f(0)
    found = []
    for kind in ("sigmoid", "centered_sigmoid"):
        net = lab.net(lab.sizes(x, [UNITS, UNITS], y), kind, seed=seed)
        for i in (2, 4):
            net[i].bias[...] = -net[i].weight.sum(axis=1) / 2 if kind == "sigmoid" else 0
        found.append(curvature_outlier(mg.backprop(net, lab.LOSS, x, y))["4"][0])
    return found[0] / found[1]


# ---- all of it -------------------------------------------------------------------------------------------


def run(config, seeds):
    """{"three": {optimiser: [three_runs]}, "axes": {(optimiser, mean): [steps]}, "prices": [...], "outlier": [...]}"""
    three = lab.by_case(config, three_runs, OPTIMIZERS, seeds, "flipped, rotated")
    prices = config.sweep(one_or_all, seeds, "one sample or all")
    factors = config.sweep(outlier, [(config, seed) for seed in seeds], "curvature")
    return {"three": three, "axes": by_axes(config, seeds), "prices": prices, "outlier": factors}


def numbers(found):
    """The numbers of Q7 that these runs give."""
    runs = [run for runs in found["three"].values() for run in runs]
    plain = [run for name, runs in found["three"].items() if name != "Adam" for run in runs]

    def apart(runs):
        return [abs(run["rotated"]["losses"] - run["as it is"]["losses"]).max() for run in runs]

    equal = [100 * float((run["flipped"]["losses"] == run["as it is"]["losses"]).mean()) for run in runs]
    return [
        Number.of(ROWS, [run["as it is"]["rows"] for run in runs], "%", theory=100, expect=(100, 100)),
        Number.of(f"{ROWS}, flipped", [run["flipped"]["rows"] for run in runs], "%", theory=0, expect=(0, 2)),
        Number.of(f"{ROWS}, rotated", [run["rotated"]["rows"] for run in runs], "%", expect=(0, 5)),
        Number.of(PAIRS, [run["as it is"]["pairs"] for run in runs], "%", theory=100, expect=(100, 100)),
        Number.of(f"{PAIRS}, flipped", [run["flipped"]["pairs"] for run in runs], "%", theory=100, expect=(100, 100)),
        Number.of(f"{PAIRS}, rotated", [run["rotated"]["pairs"] for run in runs], "%", expect=(0, 5)),
        Number.of(
            "losses equal in every bit, flipped (SGD, momentum, Adam)", equal, "%", theory=100, expect=(100, 100)
        ),
        Number.of(f"{CHANGE} (SGD, momentum)", apart(plain), expect=(0, 1e-10)),
        Number.of(f"{CHANGE}, Adam", apart(found["three"]["Adam"]), expect=(0.1, None)),
        *axes_numbers(found["axes"]),
        *price_numbers(found),
    ]


def axes_numbers(axes):
    """What it costs where the mean lies along all axes alike, along one, or is zero."""
    subject = f"linear neuron, {INPUTS} inputs"
    lines = [
        Number.of(f"{subject}: steps of {name}, mean {mean}", axes[name, mean], "steps", descriptive=True)
        for name in RATES
        for mean in MEANS
    ]

    def ratio(name, first, second):
        return float(np.median(axes[name, first]) / np.median(axes[name, second]))

    along, one, zero = MEANS
    return [
        *lines,
        Number(
            f"{subject}: steps of SGD, mean {along} / {one}", ratio("SGD", along, one), theory=1, expect=(0.98, 1.02)
        ),
        Number(f"{subject}: steps of Adam, mean {along} / {one}", ratio("Adam", along, one), expect=(1.2, None)),
        Number(f"{subject}: steps of Adam, mean {one} / {zero}", ratio("Adam", one, zero), expect=(0.5, 1.4)),
    ]


def price_numbers(found):
    """What sigmoid inputs cost one sample at a time, and all at once, and what they do to the curvature."""
    prices, factor = found["prices"], 1 + UNITS / 4
    way = f"{UNITS} sigmoid inputs: a way made of single samples / straight, across the mean"
    curvature = f"largest curvature of the output layer behind {UNITS} units, sigmoid / centred"
    return [
        Number.of(f"{COST}: samples, one at a time", [p["one"] for p in prices], theory=1 + R**2 / 2, expect=(3, 5)),
        Number.of(f"{COST}: steps of all samples at once", [p["all"] for p in prices], expect=(50, None)),
        Number.of(way, [p["path"] for p in prices], theory=np.sqrt(1 + R**2), expect=(2.5, 2.7)),
        Number.of(curvature, found["outlier"], theory=factor, expect=(0.8 * factor, 1.2 * factor)),
    ]


def draw_losses(data):
    """The losses of the three twins, for each optimiser."""
    fig = style.figure(3.9)
    looks = {"as it is": (style.GREY, 5, "-"), "flipped": (style.INK, 1.5, "-"), "rotated": (style.ROSE, 2, "--")}
    for ax, (name, runs) in zip(fig.subplots(1, 3, sharey=True), data["three"].items(), strict=True):
        for twin, (colour, width, dashes) in looks.items():
            smooth = np.convolve(runs[0][twin]["losses"], np.ones(15) / 15, mode="valid")
            ax.plot(smooth, color=colour, linewidth=width, linestyle=dashes)
        ax.set(title=name, xlabel="sample", xlim=(0, None))
    fig.axes[0].set_ylabel("loss, mean of 15 samples")
    fig.supxlabel(" ")  # room for the key
    for x, (word, (colour, _, dashes)) in zip((0.2, 0.45, 0.67), looks.items(), strict=True):
        fig.text(x, 0.02, f"{'╍' if dashes == '--' else '━'} {word}", color=colour, va="bottom")
    return fig
