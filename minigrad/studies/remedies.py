"""Q12: the price list of remedies: epochs that a deep net needs to a fixed loss, each with its own best lr."""

import math
import statistics

import numpy as np

import minigrad as mg

from . import gauges, lab, style
from .claims import q12
from .finding import Number
from .study import register

WIDTH, DEPTH = 32, 5  # five hidden layers of 32: deep enough that sigmoid's troubles show
TARGET = 0.1  # mean training loss of an epoch; guessing costs ln(10) = 2.3
MOST = 200  # epochs, then a run counts as not arrived
RATES = (0.3, 1.0, 0.1, 3.0, 0.03, 10.0, 0.01, 0.003, 0.001)  # likely ones first: a good one cuts the rest short
BETWEEN = (0.55, 1.8, 0.18, 5.5, 0.055, 0.018, 0.0055, 0.0018)  # the finer grid of --full
QUICK = (0.3, 1.0, 3.0, 0.01)  # the coarse one of a quick run

# name -> (activation, initial weights, what is added, optimiser)
REMEDIES = {
    "plain sigmoid": ("sigmoid", "glorot_uniform", "", "SGD"),
    "sigmoid, tanh's start": ("sigmoid", "tanh_equivalent", "", "SGD"),
    "centred sigmoid": ("centered_sigmoid", "glorot_uniform", "", "SGD"),
    "centred, tanh's start": ("centered_sigmoid", "tanh_equivalent", "", "SGD"),
    "tanh": ("tanh", "glorot_uniform", "", "SGD"),
    "ReLU": ("relu", "he_uniform", "", "SGD"),
    "sigmoid, BatchNorm": ("sigmoid", "glorot_uniform", "batchnorm", "SGD"),
    "sigmoid, residual": ("sigmoid", "glorot_uniform", "residual", "SGD"),
    "sigmoid, momentum": ("sigmoid", "glorot_uniform", "", "momentum"),
    "sigmoid, Adam": ("sigmoid", "glorot_uniform", "", "Adam"),
}
PLAIN, START, CENTRED, BOTH = list(REMEDIES)[:4]
MOMENTUM = "sigmoid, momentum"


# ---- runs ------------------------------------------------------------------------------------------------


def build(remedy, x, y, seed):
    """The net of a remedy: the same sizes and, where the initialiser is the same, the same weights."""
    activation, init, added, _ = REMEDIES[remedy]
    return lab.net(lab.sizes(x, [WIDTH] * DEPTH, y), activation, init, added, seed)


def optimizer(remedy, lr):
    """The optimiser of a remedy."""
    kind = REMEDIES[remedy][3]
    return mg.Adam(lr) if kind == "Adam" else mg.SGD(lr, momentum=0.9 if kind == "momentum" else 0.0)


def losses(config, remedy, lr, seed, most):
    """The loss of each epoch, until it is at the target or `most` epochs are over; [] for a run that diverged."""
    x, y, _, _ = config.load("standard", most=2000)  # centred inputs: the first layer is fair to every net
    return lab.losses_until(build(remedy, x, y, seed), optimizer(remedy, lr), x, y, TARGET, most, seed)


def try_rates(job):
    """{lr: losses} of one remedy and one seed, from the middle of the grid outwards."""
    config, remedy, seed = job
    found = {}

    def epochs(lr, most):
        found[lr] = losses(config, remedy, lr, seed, most)
        return epochs_of(found[lr])

    lab.search_rates(rates(config), epochs, MOST)
    return found


def to_the_end(job):
    """The losses of a run that `try_rates` cut short."""
    config, remedy, lr, seed = job
    return losses(config, remedy, lr, seed, MOST)


def rates(config):
    """The grid, the middle first."""
    if config.quick:
        return QUICK
    return tuple(sorted(RATES + BETWEEN, key=lambda lr: abs(math.log(lr / RATES[0])))) if config.full else RATES


def epochs_of(curve):
    """Epochs to the target; infinite where it was not reached."""
    return lab.epochs_to(TARGET, curve)


def tuned(runs):
    """(lr, its losses for each seed): the learning rate with the fewest epochs in the median of the seeds."""
    lr = min(RATES + BETWEEN, key=lambda lr: statistics.median(epochs_of(run.get(lr, [])) for run in runs))
    return lr, [run.get(lr, []) for run in runs]


def price_list(config, seeds):
    """{remedy: (its best lr, the losses of each seed)}; a run that does not arrive is trained to the end."""
    tried = lab.by_case(config, try_rates, REMEDIES, seeds, "remedies")
    chosen = {remedy: tuned(runs) for remedy, runs in tried.items()}
    short = [
        (config, remedy, lr, seed)
        for remedy, (lr, curves) in chosen.items()
        for seed, curve in zip(seeds, curves, strict=True)
        if epochs_of(curve) == math.inf
    ]
    for (_, remedy, _, seed), curve in zip(short, config.sweep(to_the_end, short, "remedies"), strict=True):
        chosen[remedy][1][seeds.index(seed)] = curve
    return chosen


# ---- finding ---------------------------------------------------------------------------------------------


def run(config):
    """The finding Q12."""
    seeds = config.seeds(3, 10)
    chosen = price_list(config, seeds)
    epochs = {remedy: [epochs_of(curve) for curve in curves] for remedy, (_, curves) in chosen.items()}
    need = {remedy: statistics.median(counts) for remedy, counts in epochs.items()}
    prices = [
        Number.of(f"epochs to loss {TARGET}: {remedy} (best lr {lr:g})", epochs[remedy], "epochs", descriptive=True)
        for remedy, (lr, _) in chosen.items()
    ]
    four = (PLAIN, START, CENTRED, BOTH)
    plain = max(chosen[PLAIN][1], key=len)
    plateau = [loss for loss in plain if loss > 0.9 * plain[0]]
    return [
        q12.WORDS.finding(
            [*saving_numbers(need), *valley_numbers(config, seeds), *prices],
            seeds,
            {"epochs": epochs, "curves": {name: chosen[name][1] for name in four}},
            start=need[PLAIN] / need[START],
            epochs=[need[name] for name in four],
            target=TARGET,
            depth=DEPTH,
            width=WIDTH,
            prices=", ".join(
                f"{arrived(need[name])} for {name}" for name in sorted(need, key=lambda name: -need[name])
            ),
            guessing=plateau[-1],
            waits=len(plateau),
        )
    ]


def arrived(epochs):
    """A number of epochs as the price list has it."""
    return f"{epochs:.0f}" if epochs < MOST else f"more than {MOST}"


def saving_numbers(need):
    """How many times fewer epochs each remedy needs."""

    def saving(after, label, least, most=None):
        return Number(label, need[PLAIN] / need[after], "times", expect=(least, most))

    start = saving(START, "fewer epochs through the start of the tanh net, sigmoid kept", 3)
    centring = saving(CENTRED, "fewer epochs through centring alone, start kept", 1.5)
    others = [name for name in REMEDIES if name not in (PLAIN, START, CENTRED, BOTH, MOMENTUM)]
    return [
        start,
        centring,
        saving(BOTH, "fewer epochs through both", 4),
        Number("start over centring", start.value / centring.value, expect=(1, None)),
        *[saving(name, f"fewer epochs, {name} for plain sigmoid", 1.5) for name in others],
        saving(MOMENTUM, "fewer epochs through momentum 0.9 (below 1: more)", None, 1.5),
    ]


def valley_numbers(config, seeds):
    """What momentum and Adam are worth where one direction is steep, measured on a linear neuron."""
    valleys, axes = config.sweep(gauges.valley_steps, seeds, "valley"), gauges.by_axes(config, seeds)
    along, one, _ = gauges.MEANS
    root = statistics.median(v["root"] for v in valleys)
    narrow = (
        f"fewer steps through momentum in a narrow valley, {gauges.UNITS} sigmoid inputs (root of kappa: {root:.0f})"
    )
    saved = [v["plain"] / v["momentum"] for v in valleys]
    more = f"more steps of Adam when the mean lies along all {gauges.INPUTS} inputs alike, not along one"
    ratio = statistics.median(axes["Adam", along]) / statistics.median(axes["Adam", one])
    return [
        Number.of(narrow, saved, "times", expect=(8, None)),
        Number(more, ratio, "times", expect=(1.2, None)),
    ]


# ---- pictures --------------------------------------------------------------------------------------------


def epoch_axis(ax):
    """A logarithmic axis of epochs."""
    ax.set_xscale("log")
    lab.plain_ticks(ax.xaxis, [1, 3, 10, 30, 100])


def draw_prices(data):
    """A line for each remedy, the dearest on top, a dot for each seed."""
    fig = style.figure(5.2)
    ax = fig.subplots()
    order = sorted(data["epochs"], key=lambda name: statistics.median(data["epochs"][name]))
    for row, name in enumerate(order):
        epochs = np.minimum(data["epochs"][name], MOST)
        middle = statistics.median(epochs)
        colour = lab.COLOUR[REMEDIES[name][0]]
        ax.plot([1, middle], [row, row], color=colour, linewidth=7, alpha=0.35, solid_capstyle="butt")
        ax.plot(epochs, [row] * len(epochs), "o", color=colour, markersize=7, clip_on=False)
        style.label_line(ax, max(epochs), row, arrived(middle), style.INK, xytext=(10, 0))
    ax.set_yticks(range(len(order)), order)
    epoch_axis(ax)
    ax.set(xlim=(1, MOST * 1.3), ylim=(-0.6, len(order) - 0.4))
    ax.set_xlabel(f"epochs to a training loss of {TARGET} (number: median of the dots)")
    ax.tick_params(axis="y", length=0)
    return fig


def draw_plateau(data):
    """Loss against epoch of the four nets that differ in start and centring: the first seed bold, the others thin."""
    fig = style.figure(4.4)
    ax = fig.subplots()
    for name, (words, height, place) in LABELS.items():
        colour, line = lab.COLOUR[REMEDIES[name][0]], "--" if REMEDIES[name][1] == "tanh_equivalent" else "-"
        for i, curve in enumerate(data["curves"][name]):
            options = {"alpha": 1, "linewidth": 2.4} if i == 0 else {"alpha": 0.45, "linewidth": 1.1}
            ax.plot(range(1, len(curve) + 1), curve, line, color=colour, **options)
        first = data["curves"][name][0]
        at = min(int(np.argmax(np.array(first) < height)), len(first) - 1)
        style.label_line(ax, at + 1, first[at], words, colour, **place)
    ax.axhline(TARGET, color=style.INK, linewidth=1, linestyle=":")
    epoch_axis(ax)
    ax.set(
        xlabel="epoch (bold: the first seed, thin: the others; dashed: started like tanh)",
        ylabel="training loss",
        ylim=(0, 2.6),
    )
    ax.set_xlim(1, None)
    style.label_line(ax, ax.get_xlim()[1], TARGET, "target\n(dotted)", style.INK)
    return fig


LABELS: dict[str, tuple] = {  # words, the height at which they stand, and on which side of the line
    PLAIN: ("plain sigmoid", 1.6, {"xytext": (14, 10)}),
    CENTRED: ("centred", 1.9, {"xytext": (10, 4)}),
    START: ("started like tanh", 1.5, {"xytext": (10, 4)}),
    BOTH: ("both", 0.4, {"xytext": (-34, 3), "ha": "right"}),
}


register(
    "remedies",
    "the price list of remedies",
    [q12.WORDS],
    run,
    {"price_list": draw_prices, "plateau": draw_plateau},
)
