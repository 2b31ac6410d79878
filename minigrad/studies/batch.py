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
    return [q06.WORDS.finding(numbers, seeds, {"runs": runs}, large=LARGE, usual=USUAL, **shares)]


# ---- pictures --------------------------------------------------------------------------------------------


def draw_sizes(data):
    """Survival against batch size, with its limits."""
    fig = style.figure(4.4)
    ax = fig.subplots()
    for act in ACTIVATIONS:
        runs, colour = data["runs"][act], lab.COLOUR[act]
        sizes = SIZES[: len(runs[0]["start"])]
        middle = lab.band(ax, sizes, [run["start"] for run in runs], colour, "o-", markersize=4, clip_on=False)
        at, place = {"relu": (3, (10, 8))}.get(act, (len(sizes) - 1, (10, 0)))
        style.label_line(ax, sizes[at], middle[at], lab.NAME[act], colour, xytext=place)
        if act != "tanh":
            limit = np.median([run["limit"] for run in runs])
            ax.plot(sizes, [limit] * len(sizes), "--", color=colour, linewidth=1.2)
            if act == "sigmoid":
                words = "dashed: limit of large batches"
                style.label_line(ax, sizes[-1], limit, words, style.INK, xytext=(0, -20), ha="right")
    lab.batch_axis(ax, sizes)
    ax.set(ylabel="rows of the gradient\nwith one sign (%)", ylim=(-2, 105))
    return fig


def draw_epochs(data):
    """Survival during training."""
    fig = style.figure(4.2)
    ax = fig.subplots()
    for act in ACTIVATIONS:
        runs, colour = [run["during"] for run in data["runs"][act]], lab.COLOUR[act]
        epochs = np.arange(len(runs[0]))
        middle = lab.band(ax, epochs, runs, colour, "o-", markersize=4, clip_on=False)
        style.label_line(ax, epochs[-1], middle[-1], lab.NAME[act], colour, xytext=(10, 0))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="epoch", ylabel=f"rows of the gradient with one\nsign, batches of {USUAL} (%)", ylim=(-2, 105))
    return fig


register(
    "batch",
    "what a batch does to the signs",
    [q06.WORDS],
    run,
    {"batch_survival": draw_sizes, "batch_training": draw_epochs},
)
