"""Q9 and Q10: what becomes of delta on its way down through many layers, and which two factors make it so."""

import numpy as np

import minigrad as mg
from minigrad.diagnostics import attenuation, critical_gain, mean_field_rate

from . import style
from .finding import Finding, Number

DEPTH, SAMPLES = 20, 100
SETTLED = slice(5, DEPTH - 1)  # the layers whose rate is compared with theory: far from the input
QUARTER = np.log10(0.25)
LOSS = mg.CrossEntropyLoss()
CRITICAL = round(critical_gain("sigmoid"), 3)  # 10.149

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
# M. Nielsen, Neural Networks and Deep Learning, chapter 5: |averaged delta| of the hidden layers at the start
NIELSEN = {2: (0.0657, 0.309), 3: (0.0118, 0.0600, 0.283), 4: (0.00298, 0.0171, 0.0695, 0.285)}


# ---- runs ------------------------------------------------------------------------------------------------


def build(name, width, depth, inputs, outputs, seed):
    """An untrained net of `depth` hidden layers."""
    activation, gain, added = NETS[name]
    sizes = [inputs, *[width] * depth, outputs]
    layers = list(mg.mlp(sizes, activation, lambda rng, K, J: rng.normal(0, gain / J**0.5, (K, J)), rng=seed))
    blocks = [layers[i : i + 2] for i in range(0, 2 * depth, 2)]  # a linear map and its activation
    if added == "batchnorm":
        blocks = [[linear, mg.BatchNorm(width), f] for linear, f in blocks]
    if added == "residual":  # the first changes the width, so it has no short cut
        blocks[1:] = [[mg.Residual(*block)] for block in blocks[1:]]
    return mg.Sequential(*[layer for block in blocks for layer in block], layers[-1])


def look(job):
    """One net: norms of delta at the hidden layers, the two factors, and the bound of the theorem."""
    config, name, depth, seed = job
    x, y, _, _ = config.load("standard", most=SAMPLES)
    net = build(name, 300 if config.full else 100, depth, x.shape[1], int(y.max()) + 1, seed)
    bp = mg.backprop(net, LOSS, x, y)
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
    classes = int(y.max()) + 1
    net = mg.mlp([x.shape[1], *[30] * hidden, classes], init="lecun_normal", rng=seed)
    rng = np.random.default_rng(seed)
    for layer in net:
        if isinstance(layer, mg.Linear):
            layer.bias[:] = rng.normal(size=layer.bias.shape)
    bp = mg.backprop(net, mg.BCEWithLogitsLoss(), x, np.eye(classes)[y])
    return attenuation(bp).averaged[:-1] * classes  # his cost is the sum over the outputs, ours the mean


# ---- findings --------------------------------------------------------------------------------------------


def run(config):
    """The findings Q9 and Q10."""
    seeds = config.seeds(3, 10)
    looks = [(config, name, DEPTH, seed) for name in NETS for seed in seeds]
    looks += [(config, PLAIN, depth, seed) for depth in (5, 10) for seed in seeds]
    nets: dict[tuple, list] = {}
    for (_, name, depth, _), result in zip(looks, config.sweep(look, looks, "depth"), strict=True):
        nets.setdefault((name, depth), []).append(result)
    his = [(config, hidden, seed) for hidden in NIELSEN for seed in seeds]
    ours: dict[int, list] = {}
    for (_, hidden, _), norms in zip(his, config.sweep(nielsen, his, "Nielsen's nets"), strict=True):
        ours.setdefault(hidden, []).append(norms)
    deep = {name: nets[name, DEPTH] for name in NETS}
    return [vanishing(seeds, nets, deep, ours), derivative(seeds, deep)]


def rate(name):
    """Decades of |delta| per layer that mean-field theory predicts."""
    activation, gain, _ = NETS[name]
    return mean_field_rate(activation, gain).decades


def vanishing(seeds, nets, deep, ours):
    """Q9: does the error vanish, and is 0.25 the reason?"""
    numbers, measured = [], {}
    for name, runs in deep.items():
        per_layer = [float(run["decades"][SETTLED].mean()) for run in runs]
        theory = rate(name) if name in SIMPLE else None
        expect = (-0.1, 0.1) if theory is None else (theory - 0.05, theory + 0.05)
        measured[name] = Number.of(f"|δ| per layer down, {name}", per_layer, "decades", theory=theory, expect=expect)
        numbers.append(measured[name])
    for depth in (5, 10, DEPTH):
        left = [run["norms"][0] / run["norms"][-1] for run in nets[PLAIN, depth]]
        theory, slack = 10 ** (rate(PLAIN) * (depth - 1)), 10 ** (0.05 * (depth - 1))  # of the rate, as above
        numbers.append(
            Number.of(
                f"share of |δ| that reaches the first of {depth} hidden layers, {PLAIN}",
                left,
                theory=theory,
                expect=(theory / slack, theory * slack),
            )
        )
    over = [run["bound"] for name in GAINS for run in deep[name]]
    numbers.append(
        Number(
            "|δ| at the first layer over its bound, the largest of all samples", max(over), "decades", expect=(None, 0)
        )
    )
    tight = [run["bound"] for run in deep[PLAIN]]
    numbers.append(Number.of(f"the same, {PLAIN}", tight, "decades", expect=(None, 0)))
    ratios = [norms[i] / norms[i + 1] for runs in ours.values() for norms in runs for i in range(len(norms) - 1)]
    theory = 10 ** mean_field_rate("sigmoid", 1.0, 1.0).decades
    theirs = [norms[i] / norms[i + 1] for norms in NIELSEN.values() for i in range(len(norms) - 1)]
    numbers.append(
        Number.of(
            "ratio of neighbouring layers, Nielsen's nets on our data", ratios, theory=theory, expect=(0.15, 0.28)
        )
    )
    numbers.append(
        Number.of("ratio of neighbouring layers, as he published them (MNIST)", theirs, theory=theory, descriptive=True)
    )
    return Finding(
        id="Q9",
        kind="partly",
        verdict="The error does vanish in a sigmoid net started as usual, but 0.25 is a bound and not the rate: the "
        "weights count as much, and with larger ones the same sigmoid passes the error down undiminished.",
        deciding="|δ| per layer: times "
        + ", ".join(f"{10 ** measured[name].value:.2f} ({name})" for name in GAINS[1:]),
        numbers=numbers,
        theorem="|δ¹| <= |δᴸ| (1/4)ᴸ⁻¹ times the product of the norms |Wˡ|: only a bound. In a wide random net |δ|² is "
        "multiplied per layer by χ = gain² E[σ'(√q Z)²], Z standard normal, q the variance of z. χ = 0.056 at gain 1, "
        f"and 1 at gain {CRITICAL}; for 4(σ − 1/2), which is 2 tanh(z/2), it is 1 at gain 1.",
        test=TEST,
        code=CODE["Q9"],
        pictures={
            "by_layer": f"How much of δ is left on the way down through {DEPTH} hidden sigmoid layers, for four sizes "
            "of the first weights. Dots are measured, a line is what theory predicts, the dotted line loses a factor "
            "of 4 in each layer. All four nets have the same derivative of at most 0.25. What differs is the weights.",
            "against_vanishing": "The same for what helps. A millionth of a millionth is left of δ in the plain net. "
            "A centred sigmoid with four times larger weights, tanh, ReLU, a residual net and BatchNorm all keep it: "
            "within a factor of a few over twenty layers.",
            "nielsen": "Size of the averaged δ at each hidden layer before training, as M. Nielsen's book printed it "
            "for MNIST (crosses), and in the same nets on our data (dots, one for each seed). The line: what theory "
            "predicts for the slope. Each layer down costs a factor of about five.",
        },
        caveat="Measured at the start, before training, with independent random weights. At the critical gain of "
        "about 10 most units are saturated and the net is no good for learning; the centred sigmoid needs only 4. "
        "M. Nielsen's numbers are from MNIST, ours beside them from the data of this report (he used 1000 images, so "
        "do we), with his weights N(0, 1/inputs) and biases N(0, 1).",
        seeds=seeds,
        data={
            "deep": {name: [run["norms"] for run in runs] for name, runs in deep.items()},
            "ours": ours,
            "slope": theory,
        },
    )


def derivative(seeds, deep):
    """Q10: is delta multiplied by the derivative at every layer, and by what else?"""
    error = max(run["error"] for name in SIMPLE for run in deep[name])
    numbers = [
        Number(
            "largest difference between δ_z and f'(z) δ_a, over the largest δ_a of the layer", error, expect=(0, 1e-14)
        )
    ]
    parts = {}
    for name in SIMPLE:
        both = [[float(run[part][SETTLED].mean()) for run in deep[name]] for part in ("slope", "weight")]
        activation, gain, _ = NETS[name]
        theory = rate(name) - np.log10(gain)
        numbers.append(
            Number.of(
                f"made by f', {name}", both[0], "decades per layer", theory=theory, expect=(theory - 0.1, theory + 0.1)
            )
        )
        numbers.append(
            Number.of(
                f"made by W, {name}",
                both[1],
                "decades per layer",
                theory=float(np.log10(gain)),
                expect=(np.log10(gain) - 0.1, np.log10(gain) + 0.1),
            )
        )
        parts[name] = (float(np.median(both[0])), float(np.median(both[1])))
    return Finding(
        id="Q10",
        kind="true",
        verdict="At every layer δ is multiplied by the derivative, entry by entry and exactly; and by the weights, "
        "which can make up for it.",
        deciding=f"δ_z = f'(z) δ_a to {error:.0e}; per layer f' makes {style.number(parts[PLAIN][0])} decades of a "
        f"sigmoid net, W {abs(parts[PLAIN][1]):.2f}",
        numbers=numbers,
        theorem="a = f(z) and z' = W a' + b, so by the chain rule δ_a = Wᵀ δ_z of the layer above, and "
        "δ_z = f'(z) δ_a: one factor from the weights, one from the slope, at every layer.",
        test=TEST,
        code=CODE["Q10"],
        pictures={
            "two_factors": "What one layer does to the size of δ, in decades (powers of ten): left the factor of the "
            "slope f', right that of the weights, in black the two together. The slope only takes away. At gain 1 the "
            "weights give nothing back, at the critical gain exactly as much as the slope has taken.",
        },
        caveat="Exactly means up to rounding: training takes σ' as a(1 − a), which near a = 1 has fewer correct digits "
        "than σ(z) σ(−z), and is 0 from z = 36.74 on. A residual layer adds δ itself to the product.",
        seeds=seeds,
        data={"parts": parts},
    )


# ---- pictures --------------------------------------------------------------------------------------------


@style.styled
def plot(finding, picture=None):
    """The Figure of one of the pictures."""
    draw = {
        "by_layer": draw_gains,
        "against_vanishing": draw_helpers,
        "nielsen": draw_nielsen,
        "two_factors": draw_factors,
    }
    return draw[picture or next(iter(finding.pictures))](finding.data)


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
    layers = np.arange(1, DEPTH + 1)
    for name, colour in zip(GAINS, (style.PINK, style.INK, style.AMBER, style.GREEN), strict=True):
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
        norms = np.median([norms / norms[-1] for norms in data["deep"][name]], axis=0)
        ends[name] = norms[0]
        ax.plot(layers, norms, color=HELPERS[name])
    style.label_line(ax, 1, ends.pop(PLAIN), "plain", HELPERS[PLAIN])
    for row, name in enumerate(sorted(ends, key=lambda name: -ends[name])):  # their ends lie too close for names
        style.label_line(ax, 1, 10 ** (0.9 - 0.6 * row), name, HELPERS[name])
    return fig


HELPERS = {
    "sigmoid, gain 1": style.INK,
    "centred sigmoid, gain 4": style.AMBER,
    "tanh, gain 1": style.GREEN,
    "ReLU, gain √2": "#8A8A8A",
    "sigmoid, BatchNorm": style.PINK,
    "sigmoid, residual": "black",
}


def draw_nielsen(data):
    """Q9: published norms beside ours."""
    fig = style.figure(4.4)
    axes = fig.subplots(1, 3, sharey=True)
    for ax, (hidden, published) in zip(axes, NIELSEN.items(), strict=True):
        layers = np.arange(1, hidden + 1)
        for norms in data["ours"][hidden]:
            ax.plot(layers, norms, "o", color=style.GREEN, alpha=0.8)
        ax.plot(layers, published, "x", color="black", markersize=10, markeredgewidth=2)
        ax.plot(layers, published[-1] * data["slope"] ** (hidden - layers), color=style.INK, linewidth=1)
        ax.set(yscale="log", title=f"{hidden} hidden layers", xlim=(0.6, hidden + 0.4), xticks=layers)
    axes[1].set_xlabel("hidden layer")
    axes[0].set_ylabel("|mean of δ over 1000 images|")
    axes[0].text(0.7, 0.006, "× Nielsen, MNIST", color="black")
    axes[0].text(0.7, 0.004, "● ours, a dot a seed", color=style.GREEN)
    axes[0].text(0.7, 0.0026, "— slope in theory", color=style.INK)
    return fig


def draw_factors(data):
    """Q10: slope and weights per layer."""
    fig = style.figure(4.6)
    ax = fig.subplots()
    for row, (slope, weight) in enumerate(reversed(data["parts"].values())):
        ax.barh(row + 0.18, slope, 0.34, color=style.PINK)
        ax.barh(row + 0.18, weight, 0.34, left=slope if weight < -0.01 else 0, color=style.GREEN)
        ax.barh(row - 0.18, slope + weight, 0.22, color="black")
        ax.plot(slope + weight, row - 0.18, "o", color="black", markersize=5)
    ax.axvline(0, color=style.INK, linewidth=0.8)
    ax.axvline(QUARTER, color="black", linestyle=":", linewidth=1.5)
    names = list(data["parts"])[::-1]
    ax.set_yticks(range(len(names)), names)
    top = len(names) - 0.45
    ax.text(QUARTER + 0.02, top, "0.25")
    ax.text(-0.95, top, "slope f'", color=style.PINK, ha="center", weight="bold")
    ax.text(0.5, top, "weights W", color=style.GREEN, ha="center", weight="bold")
    ax.text(-0.15, top, "both", color="black", ha="center", weight="bold")
    ax.set(xlabel="change of |δ| in one layer (decades: −1 is a tenth)", ylim=(-0.6, len(names)))
    ax.tick_params(axis="y", length=0)
    return fig


# ---- to try at home --------------------------------------------------------------------------------------

NET = """\
import minigrad as mg
import numpy as np

x, y, _, _ = mg.datasets.load("digits")
x, y = (x[:100] - x.mean(axis=0)) / (x.std(axis=0) + 1e-9), y[:100]
"""
CODE = {
    "Q9": NET
    + """\
for gain in (1, 4, 10.149):
    net = mg.mlp([64] + [100] * 20 + [10], init=lambda rng, K, J: rng.normal(0, gain / J**0.5, (K, J)), rng=0)
    bp = mg.backprop(net, mg.CrossEntropyLoss(), x, y)
    norms = mg.diagnostics.attenuation(bp).norms[:-1]     # of the hidden layers
    theory = mg.diagnostics.mean_field_rate("sigmoid", gain).decades
    print(f"gain {gain}: |delta| per layer times {(norms[5] / norms[-1]) ** (1 / 14):.3f}, theory {10**theory:.3f}")
""",
    "Q10": NET
    + """\
net = mg.mlp([64] + [100] * 5 + [10], rng=0)
bp = mg.backprop(net, mg.CrossEntropyLoss(), x, y)
for i in range(1, len(net), 2):                           # layers 1, 3, ... are the sigmoids
    z, above, below = bp.activations[i], bp.deltas[i + 1], bp.deltas[i]
    same = np.allclose(below, net[i].slope(z) * above, rtol=1e-12, atol=0)
    print(f"layer {i}: delta below = f'(z) * delta above: {same};",
          f"|delta| {np.linalg.norm(above):.2e} -> {np.linalg.norm(below):.2e}")
""",
}
TEST = "tests/theory/test_d3_depth.py"
