"""Q6: a mini-batch sums over samples. Does that give a neuron's weights the freedom of sign back?"""

import numpy as np

import minigrad as mg
from minigrad.diagnostics import batch_survival, survival_limit, survival_probability

from . import lab, style
from .claims import q06
from .finding import Number
from .study import register

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # of the batch
ACTIVATIONS = ("sigmoid", "relu", "tanh")
EPOCHS, USUAL, LARGE = 12, 32, 256
LAYER = "4"  # the output layer of the net: its inputs are the second hidden layer
NOISE = (100, 128)  # independent sigmoids, and samples in a batch


# ---- runs ------------------------------------------------------------------------------------------------


def survival_of_run(job):
    """One net: percent of single-signed rows of LAYER, by batch size at the start and by epoch for USUAL."""
    config, activation, seed = job
    x, y, _, _ = config.load("unit", most=2000)
    width = 128 if config.full else 64
    net = lab.net(lab.sizes(x, [width, width], y), activation, seed=seed)
    draws = 400 if config.full else 50 if config.quick else 100
    during = []

    def pair():
        return mg.backprop(net, lab.LOSS, x[:1000], y[:1000]).gradients[LAYER]

    def measure(epoch=0, net=net, history=None):
        during.append(100 * batch_survival(pair(), USUAL, draws, rng=seed))

    start = pair()
    shares = [100 * batch_survival(start, B, draws, rng=seed) for B in SIZES if len(x) >= B]
    limit = 100 * survival_limit(start.a, 10 * draws, rng=seed)
    measure()
    lab.train(net, lab.momentum(activation), x, y, 3 if config.quick else EPOCHS, seed, measure)
    return {"start": shares, "limit": limit, "during": during}


def noise_survival(job):
    """Percent of single-signed rows with J independent sigmoids of z ~ N(0, 1) and a delta of pure noise."""
    _, (J, B), seed = job
    rng = np.random.default_rng(seed)
    delta, a = rng.standard_normal((4000, 10)), mg.Sigmoid()(rng.standard_normal((4000, J)))
    return 100 * batch_survival(mg.WeightGradient(delta, a), B, 150, rng)


# ---- the finding -----------------------------------------------------------------------------------------


def run(config):
    """The finding Q6."""
    seeds = config.seeds(3, 10)
    runs = lab.by_case(config, survival_of_run, ACTIVATIONS, seeds, "batches")
    noise = lab.by_case(config, noise_survival, [NOISE], seeds, "noise")[NOISE]
    mean, spread = mg.Sigmoid().moments()
    expected = 100 * survival_probability(NOISE[0], mean / spread)
    at_start = f"rows single-signed in batches of {LARGE}, at the start"
    after = f"rows single-signed in batches of {USUAL}, after training"
    large = SIZES.index(LARGE)
    start = {act: [r["start"][min(large, len(r["start"]) - 1)] for r in runs[act]] for act in ACTIVATIONS}
    ranges = {"sigmoid": (75, 100), "relu": (0, 25), "tanh": (0, 2)}
    numbers = [
        Number.of(f"{at_start}, {lab.NAME[act]}", start[act], "%", expect=expect) for act, expect in ranges.items()
    ]
    for act, expect in (("sigmoid", (10, 90)), ("relu", (0, 40)), ("tanh", (0, 2))):
        end = [run["during"][-1] for run in runs[act]]
        numbers.append(Number.of(f"{after}, {lab.NAME[act]}", end, "%", expect=expect))
    label = "{} independent sigmoids, delta pure noise, batches of {}".format(*NOISE)
    numbers.append(Number.of(label, noise, "%", theory=expected, expect=(expected - 8, expected + 8)))
    for act, expect in ranges.items():  # the same as in large batches, by theory
        limits = [run["limit"] for run in runs[act]]
        label = f"limit of very large batches, at the start, {lab.NAME[act]}"
        numbers.append(Number.of(label, limits, "%", expect=expect))
    shares = {act: number.value for act, number in zip(ranges, numbers, strict=False)}
    return [q06.WORDS.finding(numbers, seeds, {"runs": runs}, large=LARGE, usual=USUAL, **shares, **ends(runs))]


def ends(runs):
    """Where the lines of the pictures begin and end, in the median of the seeds."""
    start = {act: np.median([run["start"] for run in runs[act]], axis=0) for act in ACTIVATIONS}
    during = {act: np.median([run["during"] for run in runs[act]], axis=0) for act in ACTIVATIONS}
    return {
        "sizes": {act: line[[0, -1]] for act, line in start.items()},
        "during": {act: line[[0, -1]] for act, line in during.items()},
        "last": SIZES[len(start["sigmoid"]) - 1],
        "limit": np.median([run["limit"] for run in runs["sigmoid"]]),
        "epochs": len(during["sigmoid"]) - 1,
    }


# ---- pictures --------------------------------------------------------------------------------------------


def draw_sizes(data):
    """Survival against batch size, with its limits."""
    fig = style.figure(4.4)
    ax = fig.subplots()
    ends = {}
    for act in ACTIVATIONS:
        runs, colour = data["runs"][act], lab.COLOUR[act]
        sizes = SIZES[: len(runs[0]["start"])]
        middle = lab.band(ax, sizes, [run["start"] for run in runs], colour, "o-", markersize=4)
        ends[lab.NAME[act]] = middle[-1], colour
        if act != "tanh":
            limit = np.median([run["limit"] for run in runs])
            ax.plot(sizes, [limit] * len(sizes), "--", color=colour, linewidth=1.2)
            if act == "sigmoid":
                words = "dashed: limit of large batches"
                style.label_line(ax, sizes[-1], limit, words, style.INK, xytext=(0, -28), ha="right")
    style.label_ends(ax, sizes[-1], ends, apart=7)
    lab.batch_axis(ax, sizes)
    ax.set(ylabel="rows of the gradient\nwith one sign (%)", ylim=(-9, 105))
    return fig


def draw_epochs(data):
    """Survival during training."""
    fig = style.figure(4.2)
    ax = fig.subplots()
    ends = {}
    for act in ACTIVATIONS:
        runs, colour = [run["during"] for run in data["runs"][act]], lab.COLOUR[act]
        epochs = np.arange(len(runs[0]))
        ends[lab.NAME[act]] = lab.band(ax, epochs, runs, colour, "o-", markersize=4)[-1], colour
    style.label_ends(ax, epochs[-1], ends, apart=7)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="epoch", ylabel=f"rows of the gradient with one\nsign, batches of {USUAL} (%)", ylim=(-5, 105))
    return fig


register(
    "batch",
    "what a batch does to the signs",
    [q06.WORDS],
    run,
    {"batch_survival": draw_sizes, "batch_training": draw_epochs},
)
