"""Q12: the price list of remedies: epochs that a deep net needs to a fixed loss, each with its own best lr."""

import math
import statistics

import numpy as np

import minigrad as mg

from . import gauges, style
from .config import try_rate
from .finding import Finding, Number

WIDTH, DEPTH, BATCH = 32, 5, 32  # five hidden layers of 32: deep enough that sigmoid's troubles show
TARGET = 0.1  # mean training loss of an epoch; guessing costs ln(10) = 2.3
MOST = 200  # epochs, then a run counts as not arrived
RATES = (0.3, 1.0, 0.1, 3.0, 0.03, 10.0, 0.01, 0.003, 0.001)  # likely ones first: a good one cuts the rest short
BETWEEN = (0.55, 1.8, 0.18, 5.5, 0.055, 0.018, 0.0055, 0.0018)  # the finer grid of --full
QUICK = (0.3, 1.0, 3.0, 0.01)  # the coarse one of a quick run
PATIENCE = 2  # a run is given up when it takes this many times longer than the seed's best so far
LOSS = mg.CrossEntropyLoss()

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


def build(remedy, inputs, outputs, seed):
    """The net of a remedy: the same sizes and, where the initialiser is the same, the same weights."""
    activation, init, added, _ = REMEDIES[remedy]
    layers = list(mg.mlp([inputs, *[WIDTH] * DEPTH, outputs], activation, init, rng=seed))
    if added == "batchnorm":  # after the linear map, before the activation (Ioffe and Szegedy 2015)
        for i in range(2 * DEPTH - 1, 0, -2):
            layers.insert(i, mg.BatchNorm(WIDTH))
    if added == "residual":  # a short cut past every hidden layer but the first, which changes the width
        blocks = [mg.Residual(*layers[i : i + 2]) for i in range(2, 2 * DEPTH, 2)]
        layers = [*layers[:2], *blocks, layers[-1]]
    return mg.Sequential(*layers)


def optimizer(remedy, lr):
    """The optimiser of a remedy."""
    kind = REMEDIES[remedy][3]
    return mg.Adam(lr) if kind == "Adam" else mg.SGD(lr, momentum=0.9 if kind == "momentum" else 0.0)


def losses(remedy, lr, seed, x, y, most):
    """The loss of each epoch, until it is at the target or `most` epochs are over; [] for a run that diverged."""
    net = build(remedy, x.shape[1], int(y.max()) + 1, seed)

    hopeless = 2 * math.log(y.max() + 1)  # twice what guessing costs

    def over(epoch, net, history):
        return history.loss[-1] <= TARGET or (epoch > 2 and history.loss[-1] > hopeless)

    how = {"epochs": most, "batch_size": BATCH, "rng": seed, "callbacks": [over]}
    history = try_rate(net, LOSS, optimizer(remedy, lr), x, y, **how)
    return [] if history is None else history.loss


def try_rates(job):
    """{lr: losses} of one remedy and one seed, from the middle of the grid outwards.

    To save time a run is cut short at PATIENCE times the best so far, and a side of the grid is left after
    two rates in a row that were worse.
    """
    config, remedy, seed = job
    x, y, _, _ = config.load("standard", most=2000)  # centred inputs: the first layer is fair to every net
    found: dict[float, list] = {}
    best, worse = math.inf, {True: 0, False: 0}
    for lr in rates(config):
        side = lr > RATES[0]
        if worse[side] == 2:
            continue
        found[lr] = losses(remedy, lr, seed, x, y, min(MOST, PATIENCE * best))
        epochs = epochs_of(found[lr])
        if epochs < best:
            best, worse[side] = epochs, 0
        elif best < math.inf:
            worse[side] += 1
    return found


def to_the_end(job):
    """The losses of a run that `try_rates` cut short."""
    config, remedy, lr, seed = job
    x, y, _, _ = config.load("standard", most=2000)
    return losses(remedy, lr, seed, x, y, MOST)


def rates(config):
    """The grid, the middle first."""
    if config.quick:
        return QUICK
    return tuple(sorted(RATES + BETWEEN, key=lambda lr: abs(math.log(lr / RATES[0])))) if config.full else RATES


def epochs_of(curve):
    """Epochs to the target; infinite where it was not reached."""
    return len(curve) if curve and curve[-1] <= TARGET else math.inf


def tuned(runs):
    """(lr, its losses for each seed): the learning rate with the fewest epochs in the median of the seeds."""
    lr = min(RATES + BETWEEN, key=lambda lr: statistics.median(epochs_of(run.get(lr, [])) for run in runs))
    return lr, [run.get(lr, []) for run in runs]


# ---- finding ---------------------------------------------------------------------------------------------


def run(config):
    """The finding Q12."""
    seeds = config.seeds(3, 10)
    jobs = [(config, remedy, seed) for remedy in REMEDIES for seed in seeds]
    results = config.sweep(try_rates, jobs, "remedies")
    chosen = {remedy: tuned(results[i * len(seeds) : (i + 1) * len(seeds)]) for i, remedy in enumerate(REMEDIES)}
    short = [
        (config, remedy, lr, seed)
        for remedy, (lr, curves) in chosen.items()
        for seed, curve in zip(seeds, curves, strict=True)
        if epochs_of(curve) == math.inf
    ]
    for (_, remedy, _, seed), curve in zip(short, config.sweep(to_the_end, short, "remedies"), strict=True):
        chosen[remedy][1][seeds.index(seed)] = curve
    epochs = {remedy: [epochs_of(curve) for curve in curves] for remedy, (_, curves) in chosen.items()}
    need = {remedy: statistics.median(counts) for remedy, counts in epochs.items()}

    def saving(before, after, what, least, most=None):
        return Number(what, need[before] / need[after], "times", expect=(least, most))

    start = saving(PLAIN, START, "fewer epochs through the start of the tanh net, sigmoid kept", 3)
    centring = saving(PLAIN, CENTRED, "fewer epochs through centring alone, start kept", 1.5)
    both = saving(PLAIN, BOTH, "fewer epochs through both", 4)
    others = [name for name in REMEDIES if name not in (PLAIN, START, CENTRED, BOTH, MOMENTUM)]
    savings = [start, centring, both, Number("start over centring", start.value / centring.value, expect=(1, None))]
    savings += [saving(PLAIN, name, f"fewer epochs, {name} for plain sigmoid", 1.5) for name in others]
    savings.append(saving(PLAIN, MOMENTUM, "fewer epochs through momentum 0.9 (below 1: more)", None, 1.5))
    prices = [
        Number.of(f"epochs to loss {TARGET}: {remedy} (best lr {lr:g})", epochs[remedy], "epochs", descriptive=True)
        for remedy, (lr, _) in chosen.items()
    ]
    valleys, axes = config.sweep(gauges.valley_steps, seeds, "valley"), gauges.by_axes(config, seeds)
    along, one, _ = gauges.MEANS
    narrow = f"fewer steps through momentum in a narrow valley, {gauges.UNITS} sigmoid inputs (root of kappa: "
    savings += [
        Number.of(
            f"{narrow}{statistics.median(v['root'] for v in valleys):.0f})",
            [v["plain"] / v["momentum"] for v in valleys],
            "times",
            expect=(8, None),
        ),
        Number(
            f"more steps of Adam when the mean lies along all {gauges.INPUTS} inputs alike, not along one",
            statistics.median(axes["Adam", along]) / statistics.median(axes["Adam", one]),
            "times",
            expect=(1.2, None),
        ),
    ]
    return Finding(
        id="Q12",
        kind="partly",
        verdict="All but momentum help here, and momentum does in a narrow valley. What matters first is the "
        "start: the same sigmoid net with the "
        f"weights and biases that correspond to tanh's learns {start.value:.0f} times faster. Centring comes next; "
        "tanh has both from birth, a residual net gets round both.",
        deciding=f"{need[PLAIN]:.0f} epochs for plain sigmoid, {need[START]:.0f} with tanh's start, "
        f"{need[CENTRED]:.0f} centred, {need[BOTH]:.0f} with both",
        numbers=savings + prices,
        theorem="sigma(z) = (1 + tanh(z/2)) / 2, so each sigmoid net is a tanh net written with other weights: W = 4V "
        "and b = c - W 1/2 between hidden layers. The usual start, W as small as V, is a tanh net with weights four "
        "times too small and with a large bias. With the start put right there remains what the mean of the "
        "activations costs: the curvature along it is larger by up to kappa = 1 + J (mean / spread)^2. Of that "
        "gradient descent pays kappa in steps, momentum its root. The best fixed step sizes, one for each weight, make "
        "kappa 1 if the mean lies along one input, Adam's own when its means have settled about the root of kappa; "
        "none lowers it if the mean lies along all inputs alike, as it does behind sigmoids.",
        test="tests/theory/test_c9_tanh_twin.py tests/theory/test_c4_conditioning.py tests/theory/test_c11_diagonal.py",
        code=CODE,
        pictures={
            "price_list": f"Epochs until the training loss is {TARGET}, each remedy with its own best learning rate, a "
            "dot for each seed. The scale is logarithmic. What plain sigmoid pays most "
            "for is its start: the green line keeps the sigmoid and changes nothing but the first weights and biases.",
            "plateau": "The loss of four nets that differ in two things only. Plain sigmoid first learns nothing at "
            "all: it sits at the loss of guessing, because next to no error reaches its lower layers. Centring "
            "shortens the wait, the right start does away with it.",
        },
        caveat=f"Measured with {DEPTH} hidden layers of {WIDTH}; with one or two the prices lie close together, with "
        "more they move apart. Epochs are not seconds: one with BatchNorm costs more. Momentum 0.9 goes on ten times "
        "as far with each step, so its best learning rate is ten times smaller and little is won on a plateau. Adam's "
        "step sizes change on the way, so it does better than fixed ones along all inputs alike. Speed on the training "
        "data says nothing about new data.",
        seeds=seeds,
        data={"epochs": epochs, "curves": {name: chosen[name][1] for name in (PLAIN, START, CENTRED, BOTH)}},
    )


# ---- pictures --------------------------------------------------------------------------------------------


@style.styled
def plot(finding, picture=None):
    """The Figure of one of the pictures."""
    return draw_plateau(finding.data) if picture == "plateau" else draw_prices(finding.data)


def draw_prices(data):
    """A line for each remedy, the dearest on top, a dot for each seed."""
    fig = style.figure(5.2)
    ax = fig.subplots()
    order = sorted(data["epochs"], key=lambda name: statistics.median(data["epochs"][name]))
    for row, name in enumerate(order):
        epochs = np.minimum(data["epochs"][name], MOST)
        middle = statistics.median(epochs)
        colour = {PLAIN: style.INK, START: style.GREEN, CENTRED: style.PINK, BOTH: style.AMBER}.get(name, "#8A8A8A")
        ax.plot([1, middle], [row, row], color=colour, linewidth=7, alpha=0.35, solid_capstyle="butt")
        ax.plot(epochs, [row] * len(epochs), "o", color=colour, markersize=7, clip_on=False)
        text = f"{middle:.0f}" if middle < MOST else f"more than {MOST}"
        style.label_line(ax, max(epochs), row, text, style.INK, xytext=(10, 0))
    ax.set_yticks(range(len(order)), order)
    ax.set(xscale="log", xlim=(1, MOST * 1.3), ylim=(-0.6, len(order) - 0.4))
    ax.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    ax.xaxis.set_minor_locator(style.need_matplotlib().ticker.NullLocator())
    ax.set_xlabel(f"epochs to a training loss of {TARGET} (number: median of the dots)")
    ax.tick_params(axis="y", length=0)
    return fig


def draw_plateau(data):
    """Loss against epoch of the four nets that differ in start and centring."""
    fig = style.figure(4.4)
    ax = fig.subplots()
    for name, (words, colour, height, place) in LINES.items():
        for i, curve in enumerate(data["curves"][name]):
            ax.plot(range(1, len(curve) + 1), curve, color=colour, alpha=1 if i == 0 else 0.35)
        first = data["curves"][name][0]
        at = min(int(np.argmax(np.array(first) < height)), len(first) - 1)
        style.label_line(ax, at + 1, first[at], words, colour, **place)
    ax.axhline(TARGET, color=style.INK, linewidth=1, linestyle=":")
    style.label_line(ax, 60, TARGET, "target", style.INK, xytext=(22, 8))
    ax.set(xlabel="epoch", ylabel="training loss", ylim=(0, 2.6), xlim=(1, None), xscale="log")
    ax.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    ax.xaxis.set_minor_locator(style.need_matplotlib().ticker.NullLocator())
    return fig


LINES: dict[str, tuple] = {  # words, colour, the height at which they stand, and on which side of the line
    PLAIN: ("plain sigmoid", style.INK, 1.6, {"xytext": (14, 10)}),
    CENTRED: ("centred", style.PINK, 1.9, {"xytext": (10, 4)}),
    START: ("started like tanh", style.GREEN, 1.5, {"xytext": (10, 4)}),
    BOTH: ("both", style.AMBER, 0.4, {"xytext": (-12, 2), "ha": "right"}),
}


# ---- to try at home --------------------------------------------------------------------------------------

CODE = """\
import minigrad as mg

x, y, _, _ = mg.datasets.load("digits")
x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
sizes = [64, 32, 32, 32, 32, 32, 10]
for name, activation, init, lr in (("plain sigmoid", "sigmoid", "glorot_uniform", 3),
                                   ("with tanh's start", "sigmoid", "tanh_equivalent", 1),
                                   ("tanh", "tanh", "glorot_uniform", 0.3)):
    net = mg.mlp(sizes, activation, init, rng=0)
    history = mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(lr), x, y, epochs=100, rng=0,
                     callbacks=[lambda epoch, net, history: history.loss[-1] <= 0.1])
    print(f"{name}: {len(history)} epochs to a loss of {history.loss[-1]:.3f}")
"""
