"""Q8: saturation: how flat the sigmoid is at its two ends, how many units get there, and where floats say 0."""

import math

import numpy as np

import minigrad as mg
from minigrad.diagnostics import saturation

from . import style
from .finding import Finding, Number

HIDDEN, EPOCHS, BATCH, LOOKED_AT = (32, 16), 30, 32, 300
FLAT = 0.01  # a slope below this counts as saturated: beyond |z| = 4.585
FLAT_FROM = math.log((1 + math.sqrt(1 - 4 * FLAT)) / (1 - math.sqrt(1 - 4 * FLAT)))
SCALES = {"unit": "inputs scaled to 0..1", "none": "inputs as in the file"}
LOSS = mg.CrossEntropyLoss()
Z_BINS, SLOPE_BINS = np.linspace(-40, 40, 81), np.linspace(-16.4, -0.4, 41)  # of z and of log10 of the slope


# ---- runs ------------------------------------------------------------------------------------------------


def watch(job):
    """One net while it learns: shares of flat entries per epoch, z of the first hidden layer, and delta there."""
    config, scale, seed = job
    x, y, _, _ = config.load(scale, most=2000)
    net = mg.mlp([x.shape[1], *HIDDEN, int(y.max()) + 1], rng=seed)
    shares, histograms = [], []

    def look(epoch, net, history):
        found = saturation(net, x[:LOOKED_AT], FLAT)
        shares.append([[100 * layer.low, 100 * layer.high] for layer in found.values()])
        z = net[0](x[:LOOKED_AT]).ravel()
        with np.errstate(divide="ignore"):
            slope = np.log10(trained_slope(z))
        histograms.append([shares_of(z, Z_BINS), shares_of(slope, SLOPE_BINS)])

    look(0, net, None)
    epochs = 3 if config.quick else EPOCHS
    how = {"epochs": epochs, "batch_size": BATCH, "rng": seed, "callbacks": [look], "progress": False}
    mg.fit(net, LOSS, mg.SGD(0.05, momentum=0.9), x, y, **how)
    return {"shares": np.array(shares), "histograms": histograms, "left": what_is_left(net, x, y)}


def shares_of(values, bins):
    """The share of the values in each bin (%); what lies beyond is counted in the outermost."""
    return 100 * np.histogram(np.clip(values, bins[0], bins[-1]), bins)[0] / values.size


def what_is_left(net, x, y):
    """Root mean square of delta_z over that of delta_a: (at flat entries, at the others), first hidden layer."""
    bp = mg.backprop(net, LOSS, x[:LOOKED_AT], y[:LOOKED_AT])
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
    jobs = [(config, scale, seed) for scale in SCALES for seed in seeds]
    runs: dict[str, list] = {}
    for (_, scale, _), result in zip(jobs, config.sweep(watch, jobs, "saturation"), strict=True):
        runs.setdefault(scale, []).append(result)
    upper, lower = end_of_slope(0.0, 100.0), end_of_slope(0.0, -1000.0)
    numbers = [
        Number(
            "z from which the slope in training is exactly 0, upper tail",
            upper,
            theory=53 * math.log(2),
            expect=(36.736, 37.431),
        ),
        Number(
            "z at which the slope in training becomes exactly 0, lower tail",
            lower,
            theory=-1075 * math.log(2),
            expect=(-745.14, -744.4),
        ),
        Number("slope at z = 0, the largest", trained_slope(0).item(), theory=0.25, expect=(0.25, 0.25)),
    ]
    for z in (-10, -5, 5, 10):
        exact = math.exp(-abs(z)) / (1 + math.exp(-abs(z))) ** 2
        numbers.append(
            Number(
                f"slope at z = {z}",
                trained_slope(z).item(),
                theory=exact,
                expect=(math.exp(-abs(z)) / 4, math.exp(-abs(z))),
            )
        )
    for scale, words in SCALES.items():
        for tail, side in enumerate(("low", "high")):
            share = [run["shares"][-1, 0, tail] for run in runs[scale]]
            numbers.append(
                Number.of(
                    f"first hidden layer after training, saturated {side}, {words}",
                    share,
                    "%",
                    expect=(0.5, None) if scale == "none" else (0, 10),
                )
            )
        before = [run["shares"][0, 0].sum() for run in runs[scale]]
        numbers.append(
            Number.of(
                f"the same before training, both tails, {words}",
                before,
                "%",
                expect=(10, 100) if scale == "none" else (0, 1),
            )
        )
    flat, others = ([run["left"][i] for run in runs["none"]] for i in (0, 1))
    numbers.append(Number.of("what is left of δ behind a saturated unit (root mean square)", flat, expect=(0, FLAT)))
    numbers.append(Number.of("what is left of δ behind any other", others, expect=(2 * FLAT, 0.25)))
    low, high = shares_at_the_end(runs["none"])
    return Finding(
        id="Q8",
        kind="true",
        verdict="At both tails the slope falls like e^−|z|, and δ with it. In floats the tails differ: the upper one "
        f"is exactly 0 from z = {upper:.1f}, the lower one lives to z = {lower:.0f}.",
        deciding=f"a saturated unit lets {100 * numbers[-2].value:.1g} % of δ through, another "
        f"{100 * numbers[-1].value:.0f} %; saturated are {low:.0f} % low, {high:.0f} % high (unscaled inputs)",
        numbers=numbers,
        theorem="σ'(z) = σ(z) σ(−z), at most 1/4 at z = 0, and between e^−|z|/4 and e^−|z| everywhere. In double "
        "precision 1/(1 + e^−z) is 1 from z = 53 ln 2 = 36.737, so that a(1 − a) is 0; e^z has its last positive value "
        "at z = −745.13.",
        test="tests/theory/test_d1_saturation.py",
        code=CODE,
        pictures={
            "z_histogram": "Where z lies in the first hidden layer, before and after training. In the grey zones the "
            f"slope is below {FLAT}. With inputs from 0 to 1 (top) training widens z slowly. With the inputs as they "
            "are in the file, 0 to 16 for the digits (bottom), both tails are full from the start: scale your inputs. "
            "What lies beyond ±40 is counted in the outermost bars.",
            "slope_histogram": "The same entries by their slope, on a logarithmic scale: the factor by which each "
            "shortens δ. Scaled inputs keep most slopes near the largest possible, 1/4. Unscaled, most are below a "
            "thousandth after training, and slopes of 0 are in the bar at the left end.",
            "saturated_shares": f"Share of the first hidden layer with a slope below {FLAT}, by epoch: upper tail "
            "(a near 1) and lower tail (a near 0). The bands reach from the smallest to the largest of the seeds.",
            "float_limits": "The slope that training multiplies with, on a logarithmic scale. Mathematics has the "
            "same tail on both sides (dotted). The computer loses the upper one at z = 36.7: a is rounded to 1, and "
            "1 − a to 0. The lower one goes on twenty times as far.",
        },
        caveat="That a unit is saturated on some samples is no harm by itself: a unit that is right may be sure. Harm "
        "is done where it is sure and wrong (claim Q11 for the output) or saturated on all samples. With scaled inputs "
        f"and the usual start hardly any unit begins saturated. 4.6 is where the slope is {FLAT}; any other threshold "
        "shifts the shares.",
        seeds=seeds,
        data={"runs": runs},
    )


def shares_at_the_end(runs):
    """Median over the runs of the first layer's flat shares after training: low, high (percent)."""
    return np.median([run["shares"][-1, 0] for run in runs], axis=0)


# ---- pictures --------------------------------------------------------------------------------------------


@style.styled
def plot(finding, picture=None):
    """The Figure of one of the pictures."""
    draw = {
        "z_histogram": draw_z,
        "slope_histogram": draw_slopes,
        "saturated_shares": draw_shares,
        "float_limits": draw_limits,
    }
    return draw[picture or "z_histogram"](finding.data)


def draw_z(data):
    """z before and after training, for both scalings."""
    fig, axes = before_and_after(data, 0, Z_BINS)
    for ax in axes:
        high = ax.get_ylim()[1]
        for side, text, align in ((-1, "near 0", "left"), (1, "near 1", "right")):
            edges = sorted((side * FLAT_FROM, side * Z_BINS[-1]))
            ax.axvspan(*edges, color="#E4E4E4", linewidth=0, zorder=0)
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
        for epoch, colour in ((0, style.GREEN), (-1, style.INK)):
            share = np.mean([run["histograms"][epoch][which] for run in data["runs"][scale]], axis=0)
            ax.stairs(share, bins, color=colour, linewidth=2)
        ax.set(title=words, ylabel="share of entries (%)", ylim=(0, None), xlim=(bins[0], bins[-1]))
    at = 0.58 * bins[-1] + 0.42 * bins[0]
    for row, (text, colour) in enumerate((("before training", style.GREEN), ("after training", style.INK))):
        axes[0].text(at, (0.5 - 0.14 * row) * axes[0].get_ylim()[1], text, color=colour, weight="bold")
    return fig, axes


def draw_shares(data):
    """Flat shares by epoch, upper and lower tail."""
    fig = style.figure(4.4)
    axes = fig.subplots(1, 2, sharey=True)
    for ax, (scale, words) in zip(axes, SCALES.items(), strict=True):
        for tail, (name, colour) in enumerate((("lower tail", style.PINK), ("upper tail", style.GREEN))):
            runs = np.array([run["shares"][:, 0, tail] for run in data["runs"][scale]])
            epochs, middle = np.arange(runs.shape[1]), np.median(runs, axis=0)
            ax.fill_between(epochs, runs.min(axis=0), runs.max(axis=0), color=colour, alpha=0.2, linewidth=0)
            ax.plot(epochs, middle, color=colour)
            at = len(epochs) // 2
            if scale == "none":
                other = np.median([run["shares"][:, 0, 1 - tail] for run in data["runs"][scale]], axis=0)
                up = middle.mean() > other.mean()
                style.label_line(ax, at, middle[at], name, colour, xytext=(0, 16 if up else -18), ha="center")
        ax.set(title=words, xlabel="epoch", ylim=(0, 70), xlim=(0, max(1, len(epochs) - 1)))
    axes[0].set_ylabel(f"entries with a slope below {FLAT} (%)")
    return fig


def draw_limits(data):
    """The slope as floats have it."""
    fig = style.figure(4.2)
    ax = fig.subplots()
    z = np.linspace(-760, 760, 15201)
    ax.plot(z, -np.abs(z) / math.log(10), ":", color=style.INK, linewidth=1.5)
    slope = trained_slope(z)[0]
    ax.plot(z[slope > 0], np.log10(slope[slope > 0]), color=style.PINK, linewidth=3)
    ax.plot([36.737], [-15.95], "o", color=style.PINK, markersize=8)
    style.label_line(ax, 36.737, -16, "exactly 0 from z = 36.74", style.PINK, xytext=(12, 6))
    ax.plot([-745.13], [-323.3], "o", color=style.PINK, markersize=8)
    style.label_line(ax, -745.13, -323, "exactly 0 below z = −745.13", style.PINK, xytext=(14, -2))
    style.label_line(ax, 300, -130, "the slope itself", style.INK, xytext=(12, 0))
    ax.set(xlabel="z", ylabel="log₁₀ of the slope in training", xlim=(-790, 790), ylim=(-345, 10))
    return fig


# ---- to try at home --------------------------------------------------------------------------------------

CODE = """\
import minigrad as mg
import numpy as np

f = mg.Sigmoid()
for z in (0.0, 5.0, -5.0, 36.0, 37.5, -37.5, -745.0, -746.0):
    z = np.array([[z]])
    a, saved = f.forward(z)
    trained = f.backward(np.ones_like(z), saved)[0]  # delta = 1 comes down: what is left is the slope
    print(f"z = {z.item():7.1f}   a = {a.item():.3g}   slope in training {trained.item():.3g}",
          f"  accurate {f.slope(z).item():.3g}")
x, y, _, _ = mg.datasets.load("digits")
for path, layer in mg.diagnostics.saturation(mg.mlp([64, 32, 16, 10], rng=0), x).items():
    print(f"unscaled digits, layer {path}: {layer.low:.0%} saturated low, {layer.high:.0%} high")
"""
