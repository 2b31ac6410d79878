"""Q6: a mini-batch sums over samples. Does that give a neuron's weights the freedom of sign back?"""

import numpy as np

import minigrad as mg
from minigrad.diagnostics import batch_survival, coherence, survival_limit, survival_probability

from . import style
from .finding import Finding, Number

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # of the batch
RATE = {"sigmoid": 0.5, "relu": 0.1, "tanh": 0.1}  # learning rates with which all three nets learn well
COLOUR = {"sigmoid": style.AMBER, "relu": style.GREEN, "tanh": style.PINK}
NAME = {"sigmoid": "sigmoid", "relu": "ReLU", "tanh": "tanh"}
EPOCHS, USUAL, LARGE = 12, 32, 256
LAYER = "4"  # the output layer of the net: its inputs are the second hidden layer
LOSS = mg.CrossEntropyLoss()


# ---- runs ------------------------------------------------------------------------------------------------


def survival_of_run(job):
    """One net: percent of single-signed rows of LAYER, by batch size at the start and by epoch for USUAL."""
    config, activation, seed = job
    x, y, _, _ = config.load("unit", most=2000)
    width = 128 if config.full else 64
    net = mg.mlp([x.shape[1], width, width, int(y.max()) + 1], activation=activation, rng=seed)
    draws = 400 if config.full else 50 if config.quick else 100
    during = []

    def pair():
        return mg.backprop(net, LOSS, x[:1000], y[:1000]).gradients[LAYER]

    def look(epoch=0, net=net, history=None):
        during.append(100 * batch_survival(pair(), USUAL, draws, rng=seed))

    def sizes(g):
        return [100 * batch_survival(g, B, draws, rng=seed) for B in SIZES if len(x) >= B]

    start = pair()
    found = {"start": sizes(start), "limit": 100 * survival_limit(start.a, 10 * draws, rng=seed)}
    found["coherence"] = coherence(start.a)
    look()
    how = {"epochs": 3 if config.quick else EPOCHS, "rng": seed, "callbacks": [look], "progress": False}
    mg.fit(net, LOSS, mg.SGD(RATE[activation], momentum=0.9), x, y, **how)
    return found | {"end": sizes(pair()), "during": during}


def made_up(job):
    """Percent of single-signed rows with J independent sigmoids of z ~ N(0, 1) and a delta of pure noise."""
    seed, J, B = job
    rng = np.random.default_rng(seed)
    delta, a = rng.standard_normal((4000, 10)), mg.Sigmoid()(rng.standard_normal((4000, J)))
    return 100 * batch_survival(mg.WeightGradient(delta, a), B, 150, rng)


# ---- the finding -----------------------------------------------------------------------------------------


def run(config):
    """The finding Q6."""
    seeds = config.seeds(3, 10)
    jobs = [(config, activation, seed) for activation in RATE for seed in seeds]
    runs: dict[str, list] = {activation: [] for activation in RATE}
    for (_, activation, _), result in zip(jobs, config.sweep(survival_of_run, jobs, "batches"), strict=True):
        runs[activation].append(result)
    noise = config.sweep(made_up, [(seed, 100, 128) for seed in seeds], "noise")
    mean, spread = mg.Sigmoid().moments()
    expected = 100 * survival_probability(100, mean / spread)
    what = f"rows single-signed in batches of {LARGE}, at the start"
    large = SIZES.index(LARGE)
    start = {act: [r["start"][min(large, len(r["start"]) - 1)] for r in runs[act]] for act in RATE}
    end = {act: [run["during"][-1] for run in runs[act]] for act in RATE}
    after = f"rows single-signed in batches of {USUAL}, after training"
    numbers = [
        Number.of(f"{what}, sigmoid", start["sigmoid"], "%", expect=(75, 100)),
        Number.of(f"{what}, ReLU", start["relu"], "%", expect=(0, 25)),
        Number.of(f"{what}, tanh", start["tanh"], "%", expect=(0, 2)),
        Number.of(f"{after}, sigmoid", end["sigmoid"], "%", expect=(10, 90)),
        Number.of(f"{after}, ReLU", end["relu"], "%", expect=(0, 40)),
        Number.of(f"{after}, tanh", end["tanh"], "%", expect=(0, 2)),
        Number.of(
            "100 independent sigmoids, delta pure noise, batches of 128",
            noise,
            "%",
            theory=expected,
            expect=(expected - 8, expected + 8),
        ),
    ]
    for act, measured in zip(RATE, numbers, strict=False):  # the same as in large batches, by theory
        limits = [run["limit"] for run in runs[act]]
        what = f"limit of very large batches, at the start, {NAME[act]}"
        numbers.append(Number.of(what, limits, "%", expect=measured.expect))
    return Finding(
        id="Q6",
        kind="partly",
        verdict="Half true: a batch can mix the signs of a row, but behind sigmoid most rows stay single-signed at the "
        f"start, in batches of up to {LARGE}, and many after training. ReLU is nearly freed; tanh was never bound.",
        deciding=f"batches of {LARGE} at the start: {numbers[0].value:.0f} % of the rows single-signed behind "
        f"sigmoid, {numbers[1].value:.0f} % behind ReLU, {numbers[2].value:.0f} % behind tanh",
        numbers=numbers,
        theorem="If delta has mean zero and knows nothing of a, the chance that a row stays single-signed tends, for "
        "large batches, to twice the chance that a normal vector of covariance H = E[a aᵀ] has only positive entries. "
        "For J independent units of mean/spread r it falls only like a power of J; for centred units it is 2^(1−J).",
        test="tests/theory/test_a4_batch.py tests/theory/test_a5_survival.py",
        code=CODE,
        pictures={
            "batch_survival": "Nets before training: how many rows of the output layer's gradient still have one sign, "
            "against the size of the batch. With one sample it is all of them, behind sigmoid and ReLU alike. The sum "
            "over a batch frees ReLU, but hardly sigmoid, whose activations all lie near 1/2 and so make nearly "
            "parallel inputs. Dashed: the limit that the theorem computes from the activations.",
            "batch_training": f"The same nets while they learn, batches of {USUAL}. Behind sigmoid the share of "
            "single-signed rows falls, as its activations spread, but it does not come near tanh.",
        },
        caveat="Which share survives depends on how strongly the mean of the activations stands out against their "
        "spread, hence on the layer, the start and the data. Real delta has a mean, small at the start, so that in "
        "ever larger batches a row ends with one sign or with two for good. While a net learns, delta also knows much "
        "about a, and the theorem's limit is too low. A row of mixed signs is not yet a fast one (Q7).",
        seeds=seeds,
        data={"runs": runs},
    )


# ---- pictures --------------------------------------------------------------------------------------------


@style.styled
def plot(finding, picture=None):
    """The Figure of one of the pictures."""
    draw = {"batch_survival": draw_sizes, "batch_training": draw_epochs}
    return draw[picture or next(iter(finding.pictures))](finding.data["runs"])


def band(ax, x, values, activation):
    """Median line and the range of the seeds."""
    values = np.array(values)
    colour = COLOUR[activation]
    ax.fill_between(x, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    ax.plot(x, np.median(values, axis=0), "o-", color=colour, markersize=4, clip_on=False)
    return np.median(values, axis=0)


def draw_sizes(runs):
    """Survival against batch size, with its limits."""
    fig = style.figure(4.4)
    ax = fig.subplots()
    for act in RATE:
        values = [run["start"] for run in runs[act]]
        sizes = SIZES[: len(values[0])]
        middle = band(ax, sizes, values, act)
        at = {"sigmoid": len(sizes) - 1, "relu": 3, "tanh": len(sizes) - 1}[act]
        style.label_line(ax, sizes[at], middle[at], NAME[act], COLOUR[act], xytext=(10, 4))
        if act != "tanh":
            limit = np.median([run["limit"] for run in runs[act]])
            ax.axhline(limit, color=COLOUR[act], linewidth=1.2, linestyle="--")
            if act == "sigmoid":
                look = {"xytext": (0, -18), "textcoords": "offset points", "color": COLOUR[act]}
                ax.annotate("dashed: limit of large batches", (8, limit), **look)
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [f"{size}" for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel="samples in the batch", ylabel="rows of the gradient\nwith one sign (%)", ylim=(-2, 105))
    return fig


def draw_epochs(runs):
    """Survival during training."""
    fig = style.figure(4.2)
    ax = fig.subplots()
    for act in RATE:
        epochs = np.arange(len(runs[act][0]["during"]))
        middle = band(ax, epochs, [run["during"] for run in runs[act]], act)
        style.label_line(ax, epochs[-1], middle[-1], NAME[act], COLOUR[act], xytext=(10, 0))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="epoch", ylabel=f"rows of the gradient with one\nsign, batches of {USUAL} (%)", ylim=(-2, 105))
    return fig


# ---- to try at home --------------------------------------------------------------------------------------

CODE = """\
import minigrad as mg
from minigrad.diagnostics import batch_survival, survival_limit

x, y, _, _ = mg.datasets.load("digits")
for activation in ("sigmoid", "relu", "tanh"):
    net = mg.mlp([64, 64, 64, 10], activation=activation, rng=0)
    g = mg.backprop(net, mg.CrossEntropyLoss(), x / 16, y).gradients["4"]
    shares = [round(batch_survival(g, size, rng=0), 2) for size in (1, 8, 64, 256)]
    print(activation, shares, "limit", survival_limit(g.a, rng=0))
"""
