"""Q9 and Q10: what becomes of delta on its way down through many layers, and which two factors make it so."""

import numpy as np

import minigrad as mg
from minigrad.diagnostics import attenuation, mean_field_rate

from . import lab, style
from .claims import q09, q10
from .finding import Number
from .study import register

DEPTH, SAMPLES = 20, 100
SETTLED = slice(5, DEPTH - 1)  # the layers whose rate is compared with theory: far from the input
QUARTER = np.log10(0.25)
CRITICAL = 10.149  # critical_gain("sigmoid"), rounded

# name -> (activation, gain, what is added); weights are drawn from N(0, gain^2 / inputs), biases are 0
NETS = {
    "sigmoid, gain ½": ("sigmoid", 0.5, ""),
    "sigmoid, gain 1": ("sigmoid", 1.0, ""),
    "sigmoid, gain 4": ("sigmoid", 4.0, ""),
    "sigmoid, critical gain": ("sigmoid", CRITICAL, ""),
    "centred sigmoid, gain 4": ("centered_sigmoid", 4.0, ""),
    "tanh, gain 1": ("tanh", 1.0, ""),
    "ReLU, gain √2": ("relu", 2**0.5, ""),
    "sigmoid, BatchNorm": ("sigmoid", 1.0, "batchnorm"),
    "sigmoid, residual": ("sigmoid", 1.0, "residual"),
}
PLAIN = "sigmoid, gain 1"
GAINS = list(NETS)[:4]
SIMPLE = [name for name, (_, _, added) in NETS.items() if not added]
NEIGHBOURS = "ratio of neighbouring layers"
# M. Nielsen, Neural Networks and Deep Learning, chapter 5: |averaged delta| of the hidden layers at the start
NIELSEN = {2: (0.0657, 0.309), 3: (0.0118, 0.0600, 0.283), 4: (0.00298, 0.0171, 0.0695, 0.285)}


# ---- runs ------------------------------------------------------------------------------------------------


def build(name, x, y, width, depth, seed):
    """An untrained net of `depth` hidden layers."""
    activation, gain, added = NETS[name]

    def normal(rng, K, J):
        return rng.normal(0, gain / J**0.5, (K, J))

    return lab.net(lab.sizes(x, [width] * depth, y), activation, normal, added, seed)


def delta_norms(job):
    """One net: norms of delta at the hidden layers, the two factors, and the bound of the theorem.

    job: (config, (name, depth), seed).
    """
    config, (name, depth), seed = job
    x, y, _, _ = config.load("standard", most=SAMPLES)
    net = build(name, x, y, 300 if config.full else 100, depth, seed)
    bp = mg.backprop(net, lab.LOSS, x, y)
    found = attenuation(bp)
    result = {"norms": found.norms[:-1], "decades": found.decades[:-1]}
    if name in SIMPLE:
        result |= factors(net, bp)
        result["bound"] = bound(net, bp)
    return result


def factors(net, bp):
    """Per hidden layer the decades that f' and that W make, and how exactly delta_z = f'(z) delta_a.

    bp.deltas[i] belongs to bp.activations[i]; layer i leads from i to i + 1.
    """
    slope: list[float] = []
    weight: list[float] = []
    error = 0.0
    for i in range(1, len(net), 2):
        z = bp.activations[i]
        delta_z, delta_a, above = bp.deltas[i : i + 3]
        gap = np.abs(net[i].slope(z) * delta_a - delta_z).max() / np.abs(delta_a).max()
        error = max(error, float(gap))
        slope.append(float(np.log10(np.linalg.norm(delta_z) / np.linalg.norm(delta_a))))
        weight.append(float(np.log10(np.linalg.norm(delta_a) / np.linalg.norm(above))))
    return {"slope": np.array(slope), "weight": np.array(weight), "error": error}


def bound(net, bp):
    """log10 of |delta^1| over its bound |delta^L| (1/4)^(L-1) prod |W^l|_2, the largest over the samples."""
    linears = [layer for layer in net if isinstance(layer, mg.Linear)]
    first, last = (np.linalg.norm(bp.gradients[path].delta, axis=1) for path in ("0", f"{2 * len(linears) - 4}"))
    slope = net[1].largest_slope
    most = sum(np.log10(slope * np.linalg.norm(linear.weight, 2)) for linear in linears[1:-1])
    return float(np.log10(first / last).max() - most)


def nielsen(job):
    """|averaged delta| at each hidden layer of M. Nielsen's nets, on our data."""
    config, hidden, seed = job
    x, y, _, _ = config.load("unit", most=1000)
    net = lab.net(lab.sizes(x, [30] * hidden, y), init="lecun_normal", seed=seed)
    rng, classes = np.random.default_rng(seed), net[-1].out_features
    for layer in net:
        if isinstance(layer, mg.Linear):
            layer.bias[:] = rng.normal(size=layer.bias.shape)
    bp = mg.backprop(net, mg.BCEWithLogitsLoss(), x, np.eye(classes)[y])
    return attenuation(bp).averaged[:-1] * classes  # his cost is the sum over the outputs, ours the mean


# ---- findings --------------------------------------------------------------------------------------------


def run(config):
    """The findings Q9 and Q10."""
    seeds = config.seeds(3, 10)
    cases = [(name, DEPTH) for name in NETS] + [(PLAIN, depth) for depth in (5, 10)]
    nets = lab.by_case(config, delta_norms, cases, seeds, "depth")
    ours = lab.by_case(config, nielsen, NIELSEN, seeds, "Nielsen's nets")
    deep = {name: nets[name, DEPTH] for name in NETS}
    return [vanishing(seeds, nets, deep, ours), derivative(seeds, deep)]


def rate(name):
    """Decades of |delta| per layer that mean-field theory predicts."""
    activation, gain, _ = NETS[name]
    return mean_field_rate(activation, gain).decades


def vanishing(seeds, nets, deep, ours):
    """Q9: does the error vanish, and is 0.25 the reason?"""
    slope = 10 ** mean_field_rate("sigmoid", 1.0, 1.0).decades
    measured = {name: rate_number(name, runs) for name, runs in deep.items()}
    numbers = [*measured.values(), *share_numbers(nets), *bound_numbers(deep), *nielsen_numbers(ours, slope)]
    norms = {name: [run["norms"] for run in runs] for name, runs in deep.items()}
    return q09.WORDS.finding(
        numbers,
        seeds,
        {"deep": norms, "ours": ours, "slope": slope},
        factors=", ".join(f"{10 ** measured[name].value:.2f} ({name})" for name in GAINS[1:]),
        critical=CRITICAL,
        depth=DEPTH,
        **seen(norms, slope, numbers),
    )


def seen(norms, slope, numbers):
    """What the pictures show: how much of delta is left at the first layer, in the median of the seeds."""
    left = {name: float(np.median([run[0] / run[-1] for run in runs])) for name, runs in norms.items()}
    ratios = [number.value for number in numbers if number.name.startswith(NEIGHBOURS)]
    return {
        "left": ", ".join(f"{left[name]:.2g} with {name.removeprefix('sigmoid, ')}" for name in GAINS),
        "kept": ", ".join(f"{left[name]:.2g} is left by {name}" for name in list(NETS)[4:]),
        "plain": left[PLAIN],
        "quarter": 10 ** (QUARTER * (DEPTH - 1)),
        "ours": ratios[0],
        "published": ratios[1],
        "slope": slope,
    }


def rate_number(name, runs):
    """How fast the error fades in a net, beside the theory where there is one."""
    per_layer = [float(run["decades"][SETTLED].mean()) for run in runs]
    theory = rate(name) if name in SIMPLE else None
    expect = (-0.1, 0.1) if theory is None else (theory - 0.05, theory + 0.05)
    return Number.of(f"|δ| per layer down, {name}", per_layer, "decades", theory=theory, expect=expect)


def share_numbers(nets):
    """How much of the error reaches the first layer of the plain net, by depth."""
    numbers = []
    for depth in (5, 10, DEPTH):
        left = [run["norms"][0] / run["norms"][-1] for run in nets[PLAIN, depth]]
        theory, slack = 10 ** (rate(PLAIN) * (depth - 1)), 10 ** (0.05 * (depth - 1))  # of the rate, as above
        label = f"share of |δ| that reaches the first of {depth} hidden layers, {PLAIN}"
        numbers.append(Number.of(label, left, theory=theory, expect=(theory / slack, theory * slack)))
    return numbers


def bound_numbers(deep):
    """How far the error stays below the bound of the theorem."""
    over = max(run["bound"] for name in GAINS for run in deep[name])
    plain = [run["bound"] for run in deep[PLAIN]]
    label = "|δ| at the first layer over its bound, the largest of all samples"
    return [
        Number(label, over, "decades", expect=(None, 0)),
        Number.of(f"the same, {PLAIN}", plain, "decades", expect=(None, 0)),
    ]


def nielsen_numbers(ours, slope):
    """M. Nielsen's experiment, on our data and as he published it."""

    def ratios(runs):
        return [norms[i] / norms[i + 1] for norms in runs for i in range(len(norms) - 1)]

    measured = ratios(norms for runs in ours.values() for norms in runs)
    return [
        Number.of(f"{NEIGHBOURS}, Nielsen's nets on our data", measured, theory=slope, expect=(0.15, 0.28)),
        Number.of(
            f"{NEIGHBOURS}, as he published them (MNIST)", ratios(NIELSEN.values()), theory=slope, descriptive=True
        ),
    ]


def derivative(seeds, deep):
    """Q10: is delta multiplied by the derivative at every layer, and by what else?"""
    error = max(run["error"] for name in SIMPLE for run in deep[name])
    label = "largest difference between $δ_z$ and $f'(z) δ_a$, over the largest $δ_a$ of the layer"
    numbers, parts = [Number(label, error, expect=(0, 1e-14))], {}
    for name in SIMPLE:
        gain = float(np.log10(NETS[name][1]))
        pair = []
        for factor, part, theory in (("f'", "slope", rate(name) - gain), ("W", "weight", gain)):
            runs = [float(run[part][SETTLED].mean()) for run in deep[name]]
            expect = (theory - 0.1, theory + 0.1)
            pair.append(Number.of(f"made by {factor}, {name}", runs, "decades per layer", theory=theory, expect=expect))
        numbers += pair
        parts[name] = tuple(number.value for number in pair)
    slope, weight = parts[PLAIN]
    return q10.WORDS.finding(
        numbers,
        seeds,
        {"parts": parts},
        error=error,
        slope=style.number(slope),
        weight=abs(weight),
        parts="; ".join(f"{name}: {style.number(f)} and {style.number(W)}" for name, (f, W) in parts.items()),
    )


# ---- pictures --------------------------------------------------------------------------------------------


def layers_axes(fig):
    """Axes for |delta| against layer, the output at the left, as the error travels."""
    ax = fig.subplots()
    ax.axhline(1, color=style.INK, linewidth=0.8)
    ax.set(yscale="log", xlim=(DEPTH + 0.3, 0.7), xlabel="hidden layer (δ travels from left to right, down to layer 1)")
    ax.set_ylabel("|δ| over that of the last hidden layer")
    ax.set_xticks([20, 15, 10, 5, 1])
    return ax


def draw_gains(data):
    """Q9: four sizes of weights, theory, and the line of a quarter per layer."""
    fig = style.figure(5)
    ax = layers_axes(fig)
    layers, colour = np.arange(1, DEPTH + 1), lab.COLOUR["sigmoid"]
    for name in GAINS:
        ax.plot(layers, 10 ** (rate(name) * (DEPTH - layers)), color=colour, linewidth=1.5)
        for norms in data["deep"][name]:
            ax.plot(layers, norms / norms[-1], ".", color=colour, markersize=7)
        gain = name.removeprefix("sigmoid, ").replace("critical gain", f"gain {CRITICAL:.1f}")
        place = {"sigmoid, gain 1": (8, -9)}.get(name, (8, 0))
        style.label_line(ax, 1, 10 ** (rate(name) * (DEPTH - 1)), gain, colour, xytext=place)
    ax.plot(layers, 0.25 ** (DEPTH - layers), ":", color="black", linewidth=2)
    style.label_line(ax, 1, 0.25 ** (DEPTH - 1), "0.25 per layer", "black", xytext=(8, 9))
    ax.set_title("Sigmoid nets before training: the weights decide", loc="left")
    return fig


def draw_helpers(data):
    """Q9: what keeps delta alive."""
    fig = style.figure(5)
    ax = layers_axes(fig)
    layers = np.arange(1, DEPTH + 1)
    ends = {}
    for name in [PLAIN, *list(NETS)[4:]]:
        activation, _, added = NETS[name]
        norms = np.median([norms / norms[-1] for norms in data["deep"][name]], axis=0)
        ends[name] = norms[0]
        ax.plot(layers, norms, LINES[added][0], color=lab.COLOUR[activation])
    style.label_line(ax, 1, ends.pop(PLAIN), "plain sigmoid", lab.COLOUR["sigmoid"])
    for row, name in enumerate(sorted(ends, key=lambda name: -ends[name])):  # their ends lie too close for names
        activation, _, added = NETS[name]
        style.label_line(ax, 1, 10 ** (0.9 - 0.6 * row), f"{LINES[added][1]} {name}", lab.COLOUR[activation])
    return fig


LINES = {"": ("-", "━"), "batchnorm": ("--", "╍"), "residual": (":", "┅")}  # by what is added: the line, and in words


def draw_nielsen(data):
    """Q9: published norms beside ours."""
    fig = style.figure(4.4)
    axes = fig.subplots(1, 3, sharey=True)
    for ax, (hidden, published) in zip(axes, NIELSEN.items(), strict=True):
        layers = np.arange(1, hidden + 1)
        for norms in data["ours"][hidden]:
            ax.plot(layers, norms, "o", color=lab.COLOUR["sigmoid"], alpha=0.8)
        ax.plot(layers, published, "x", color="black", markersize=10, markeredgewidth=2)
        ax.plot(layers, published[-1] * data["slope"] ** (hidden - layers), color=style.INK, linewidth=1)
        ax.set(yscale="log", title=f"{hidden} hidden layers", xlim=(0.6, hidden + 0.4), xticks=layers)
    axes[1].set_xlabel("hidden layer")
    axes[0].set_ylabel("|mean of δ over 1000 images|")
    axes[0].text(0.7, 0.006, "× Nielsen, MNIST", color="black")
    axes[0].text(0.7, 0.004, "● ours, a dot a seed", color=lab.COLOUR["sigmoid"])
    axes[0].text(0.7, 0.0026, "— slope in theory", color=style.INK)
    return fig


def draw_factors(data):
    """Q10: slope and weights per layer."""
    fig = style.figure(4.6)
    ax = fig.subplots()
    for row, (slope, weight) in enumerate(reversed(data["parts"].values())):
        ax.barh(row + 0.18, slope, 0.34, color=style.ROSE)
        ax.barh(row + 0.18, weight, 0.34, left=slope if weight < -0.01 else 0, color=style.GREY)
        ax.barh(row - 0.18, slope + weight, 0.22, color="black")
        ax.plot(slope + weight, row - 0.18, "o", color="black", markersize=5)
    ax.axvline(0, color=style.INK, linewidth=0.8)
    ax.axvline(QUARTER, color="black", linestyle=":", linewidth=1.5)
    names = list(data["parts"])[::-1]
    ax.set_yticks(range(len(names)), names)
    top = len(names) - 0.45
    ax.text(QUARTER - 0.03, 0.5, "dotted:\nsigmoid's\nlargest\nslope, 1/4", va="center", ha="right")
    ax.text(-0.95, top, "slope f'", color=style.ROSE, ha="center", weight="bold")
    ax.text(0.5, top, "weights W", color=style.GREY, ha="center", weight="bold")
    ax.text(-0.15, top, "both", color="black", ha="center", weight="bold")
    ax.set(xlabel="change of |δ| in one layer (decades: −1 is a tenth)", ylim=(-0.6, len(names)))
    ax.tick_params(axis="y", length=0)
    return fig


register(
    "depth",
    "vanishing with depth",
    [q09.WORDS, q10.WORDS],
    run,
    {
        "by_layer": draw_gains,
        "against_vanishing": draw_helpers,
        "nielsen": draw_nielsen,
        "two_factors": draw_factors,
    },
)
