"""Q8: saturation: how flat the sigmoid is at its two ends, how many units get there, and where floats say 0."""

import math

import numpy as np

import minigrad as mg
from minigrad.diagnostics import saturation

from . import lab, style
from .claims import q08
from .finding import Number
from .study import register

HIDDEN, EPOCHS, SHOWN = (32, 16), 30, 300
FLAT = 0.01  # a slope below this counts as saturated: beyond |z| = 4.585
FLAT_FROM = math.log((1 + math.sqrt(1 - 4 * FLAT)) / (1 - math.sqrt(1 - 4 * FLAT)))
SCALES = {"unit": "inputs scaled to 0..1", "none": "inputs as in the file"}
Z_BINS, SLOPE_BINS = np.linspace(-40, 40, 81), np.linspace(-16.4, -0.4, 41)  # of z and of log10 of the slope


# ---- runs ------------------------------------------------------------------------------------------------


def watch(job):
    """One net while it learns: shares of flat entries per epoch, z of the first hidden layer, and delta there."""
    config, scale, seed = job
    x, y, _, _ = config.load(scale, most=2000)
    net = lab.net(lab.sizes(x, HIDDEN, y), seed=seed)
    shares, histograms = [], []

    def measure(epoch, net, history):
        found = saturation(net, x[:SHOWN], FLAT)
        shares.append([[100 * layer.low, 100 * layer.high] for layer in found.values()])
        z = net[0](x[:SHOWN]).ravel()
        with np.errstate(divide="ignore"):
            slope = np.log10(trained_slope(z))
        histograms.append([shares_of(z, Z_BINS), shares_of(slope, SLOPE_BINS)])

    measure(0, net, None)
    lab.train(net, mg.SGD(0.05, momentum=0.9), x, y, 3 if config.quick else EPOCHS, seed, measure)
    return {"shares": np.array(shares), "histograms": histograms, "left": what_is_left(net, x, y)}


def shares_of(values, bins):
    """The share of the values in each bin (%); what lies beyond is counted in the outermost."""
    return 100 * np.histogram(np.clip(values, bins[0], bins[-1]), bins)[0] / values.size


def what_is_left(net, x, y):
    """Root mean square of delta_z over that of delta_a: (at flat entries, at the others), first hidden layer."""
    bp = mg.backprop(net, lab.LOSS, x[:SHOWN], y[:SHOWN])
    flat = net[1].slope(bp.activations[1]) < FLAT

    def left(part):
        above = np.linalg.norm(bp.deltas[2][part])
        return float(np.linalg.norm(bp.deltas[1][part]) / above) if above > 0 else math.nan

    return left(flat), left(~flat)


def trained_slope(z):
    """sigma'(z) as training multiplies with it, a (1 - a), for z of any shape."""
    z, layer = np.atleast_2d(np.asarray(z, float)), mg.Sigmoid()
    return layer.backward(np.ones_like(z), layer.forward(z)[1])[0]


def end_of_slope(inside, outside):
    """The z between the two nearest to `inside` at which the trained slope is 0, by halving."""
    for _ in range(100):
        middle = (inside + outside) / 2
        if trained_slope(middle).item() == 0:
            outside = middle
        else:
            inside = middle
    return outside


# ---- finding ---------------------------------------------------------------------------------------------


def run(config):
    """The finding Q8."""
    seeds = config.seeds(3, 10)
    runs = lab.by_case(config, watch, SCALES, seeds, "saturation")
    upper, lower = end_of_slope(0.0, 100.0), end_of_slope(0.0, -1000.0)
    flat, others = ([run["left"][i] for run in runs["none"]] for i in (0, 1))
    left = [
        Number.of("what is left of δ behind a saturated unit (root mean square)", flat, expect=(0, FLAT)),
        Number.of("what is left of δ behind any other", others, expect=(2 * FLAT, 0.25)),
    ]
    low, high = np.median([run["shares"][-1, 0] for run in runs["none"]], axis=0)
    return [
        q08.WORDS.finding(
            [*slope_numbers(upper, lower), *share_numbers(runs), *left],
            seeds,
            {"runs": runs},
            upper=upper,
            lower=lower,
            flat=100 * left[0].value,
            others=100 * left[1].value,
            low=low,
            high=high,
            threshold=FLAT,
            **seen(runs),
        )
    ]


def seen(runs):
    """What the pictures show: shares of saturated entries before and after training (%), and the histograms' ends."""
    shares = {
        scale: np.median([run["shares"][:, 0] for run in runs[scale]], axis=0) for scale in SCALES
    }  # (epoch, tail)
    slopes = {scale: np.mean([run["histograms"][-1][1] for run in runs[scale]], axis=0) for scale in SCALES}
    return {
        "scaled": shares["unit"][[0, -1]].sum(axis=1),
        "raw": shares["none"][[0, -1]].sum(axis=1),
        "began": shares["none"][0],
        "most": shares["unit"].max(),
        "epochs": len(shares["unit"]) - 1,
        "near": slopes["unit"][-2:].sum(),
        "zero": slopes["none"][0],
    }


def slope_numbers(upper, lower):
    """The slope that training multiplies with: where it ends, and how large it is."""
    ends = "z from which the slope in training is exactly 0, upper tail"
    begins = "z at which the slope in training becomes exactly 0, lower tail"
    numbers = [
        Number(ends, upper, theory=53 * math.log(2), expect=(36.736, 37.431)),
        Number(begins, lower, theory=-1075 * math.log(2), expect=(-745.14, -744.4)),
        Number("slope at z = 0, the largest", trained_slope(0).item(), theory=0.25, expect=(0.25, 0.25)),
    ]
    for z in (-10, -5, 5, 10):
        bound = math.exp(-abs(z))
        slope, exact = trained_slope(z).item(), bound / (1 + bound) ** 2
        numbers.append(Number(f"slope at z = {z}", slope, theory=exact, expect=(bound / 4, bound)))
    return numbers


def share_numbers(runs):
    """How much of the first hidden layer is saturated, after training and before."""
    numbers = []
    for scale, words in SCALES.items():
        full = scale == "none"
        for tail, side in enumerate(("low", "high")):
            share = [run["shares"][-1, 0, tail] for run in runs[scale]]
            label = f"first hidden layer after training, saturated {side}, {words}"
            numbers.append(Number.of(label, share, "%", expect=(0.5, None) if full else (0, 10)))
        before = [run["shares"][0, 0].sum() for run in runs[scale]]
        label = f"the same before training, both tails, {words}"
        numbers.append(Number.of(label, before, "%", expect=(10, 100) if full else (0, 1)))
    return numbers


# ---- pictures --------------------------------------------------------------------------------------------


def draw_z(data):
    """z before and after training, for both scalings."""
    fig, axes = before_and_after(data, 0, Z_BINS)
    for ax in axes:
        high = ax.get_ylim()[1]
        for side, text, align in ((-1, "near 0", "left"), (1, "near 1", "right")):
            edges = sorted((side * FLAT_FROM, side * Z_BINS[-1]))
            ax.axvspan(*edges, color=style.GREY, alpha=0.22, linewidth=0, zorder=0)
            ax.text(side * 38, 0.9 * high, f"slope below {FLAT},\na {text}", va="top", ha=align)
    axes[1].set_xlabel("z of the first hidden layer")
    return fig


def draw_slopes(data):
    """The slopes before and after training, for both scalings."""
    fig, axes = before_and_after(data, 1, SLOPE_BINS)
    axes[1].set_xticks([-16, -12, -8, -4, -2], ["10⁻¹⁶ or 0", "10⁻¹²", "10⁻⁸", "10⁻⁴", str(FLAT)])
    for ax in axes:
        ax.axvline(math.log10(0.25), color=style.INK, linewidth=1, linestyle=":")
    axes[1].set_xlabel("slope in the first hidden layer (dotted: 1/4, the largest there is)")
    return fig


def before_and_after(data, which, bins):
    """Two axes, one for each scaling, with the histogram before and after training."""
    fig = style.figure(5.4)
    axes = fig.subplots(2, 1, sharex=True)
    for ax, (scale, words) in zip(axes, SCALES.items(), strict=True):
        for epoch, colour in ((0, style.ROSE), (-1, style.INK)):
            share = np.mean([run["histograms"][epoch][which] for run in data["runs"][scale]], axis=0)
            ax.stairs(share, bins, color=colour, linewidth=2)
        ax.set(title=words, ylabel="share of entries (%)", ylim=(0, None), xlim=(bins[0], bins[-1]))
    at = 0.58 * bins[-1] + 0.42 * bins[0]
    for row, (text, colour) in enumerate((("before training", style.ROSE), ("after training", style.INK))):
        axes[0].text(at, (0.5 - 0.14 * row) * axes[0].get_ylim()[1], text, color=colour, weight="bold")
    return fig, axes


def draw_shares(data):
    """Flat shares by epoch, upper and lower tail."""
    fig = style.figure(4.4)
    axes = fig.subplots(1, 2, sharey=True)
    for ax, (scale, words) in zip(axes, SCALES.items(), strict=True):
        ends, most = {}, 0.0
        for tail, (name, (colour, line)) in enumerate(TAILS.items()):
            runs = np.array([run["shares"][:, 0, tail] for run in data["runs"][scale]])
            epochs = np.arange(runs.shape[1])
            ends[name] = lab.band(ax, epochs, runs, colour, line)[-1], colour
            most = max(most, runs.max())
        ax.set(title=words, xlabel="epoch", ylim=(-1, 70), xlim=(0, max(1, len(epochs) - 1)))
        if scale == "unit":
            ax.text(epochs[-1] / 2, 6, f"both tails: never\nmore than {most:.1f} %", ha="center")
    style.label_ends(axes[1], epochs[-1], ends, apart=9)
    axes[0].set_ylabel(f"entries with a slope below {FLAT} (%)")
    return fig


TAILS = {"lower tail\n(a near 0)": (style.ROSE, "-"), "upper tail\n(a near 1)": (style.INK, "--")}


def draw_limits(data):
    """The slope as floats have it."""
    fig = style.figure(4.2)
    ax = fig.subplots()
    z = np.linspace(-760, 760, 15201)
    ax.plot(z, -np.abs(z) / math.log(10), ":", color=style.INK, linewidth=1.5)
    slope = trained_slope(z)[0]
    ax.plot(z[slope > 0], np.log10(slope[slope > 0]), color=lab.COLOUR["sigmoid"], linewidth=3)
    ax.plot([36.737], [-15.95], "o", color=lab.COLOUR["sigmoid"], markersize=8)
    style.label_line(ax, 36.737, -16, "exactly 0 from z = 36.74", lab.COLOUR["sigmoid"], xytext=(12, 6))
    ax.plot([-745.13], [-323.3], "o", color=lab.COLOUR["sigmoid"], markersize=8)
    style.label_line(ax, -745.13, -323, "exactly 0 below z = −745.13", lab.COLOUR["sigmoid"], xytext=(14, -2))
    style.label_line(ax, 300, -130, "the slope itself", style.INK, xytext=(12, 0))
    ax.set(xlabel="z", ylabel="log₁₀ of the slope in training", xlim=(-790, 790), ylim=(-345, 10))
    return fig


register(
    "saturation",
    "saturation at both tails",
    [q08.WORDS],
    run,
    {
        "z_histogram": draw_z,
        "slope_histogram": draw_slopes,
        "saturated_shares": draw_shares,
        "float_limits": draw_limits,
    },
)
