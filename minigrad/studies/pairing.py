"""Q11: which loss goes with a sigmoid output: delta at confident mistakes, what it costs, what it cannot mend."""

import math
import statistics

import numpy as np

import minigrad as mg
from minigrad.diagnostics import attenuation, mean_field_rate

from . import style
from .config import try_rate
from .finding import Finding, Number

HIDDEN, BATCH, GOAL, MOST = 30, 32, 0.95, 100  # epochs until that share of the training answers is right
RATES = (1.0, 3.0, 0.3, 10.0, 30.0)
WRONG = 6.0  # output biases of the net that starts out sure that every image is every digit: a = 0.9975
STARTS = {"usual start": 0.0, "sure and wrong": WRONG}
DEEP, WIDTH = 10, 100  # hidden layers of the net that shows what no output can mend
PAIRS = ("squared error", "cross-entropy")
SURE = (0, 2, 4, 6, 8)  # z at which the single neuron starts; its target is 0


# ---- runs ------------------------------------------------------------------------------------------------


def output_net(pair, layers):
    """(net, loss) of one of the PAIRS. Both have sigmoid outputs; with cross-entropy the loss holds the sigmoid."""
    if pair == "squared error":
        return mg.Sequential(*layers, mg.Sigmoid()), mg.MSELoss()
    return mg.Sequential(*layers), mg.BCEWithLogitsLoss()


def delta_of(pair, z):
    """dc/dz of one output with z (N,) whose target is 0."""
    net, loss = output_net(pair, [mg.Linear(1, 1, init=lambda rng, K, J: np.ones((K, J)))])
    return mg.backprop(net, loss, np.reshape(z, (-1, 1)), np.zeros((np.size(z), 1))).gradients["0"].delta[:, 0]


def steps_of_one_neuron(pair, start):
    """Steps of gradient descent (lr 0.15) until a neuron that starts at z, with target 0, is below a = 0.1."""
    linear = mg.Linear(1, 1)
    linear.weight[:], linear.bias[:] = start / 2, start / 2  # and the input is 1
    net, loss = output_net(pair, [linear])
    x, y, most = np.ones((1, 1)), np.zeros((1, 1)), 100_000

    def learnt(epoch, net, history):
        return mg.sigmoid(linear.weight + linear.bias).item() < 0.1

    return len(mg.fit(net, loss, mg.SGD(0.15), x, y, epochs=most, callbacks=[learnt], progress=False))


def epochs_needed(job):
    """The fewest epochs, over the learning rates, of one pair, start and seed."""
    config, pair, start, seed = job
    x, y, _, _ = config.load("unit", most=2000)
    classes = int(y.max()) + 1
    best = math.inf
    for lr in RATES:
        layers = list(mg.mlp([x.shape[1], HIDDEN, classes], rng=seed))
        layers[-1].bias[:] = STARTS[start]
        net, loss = output_net(pair, layers)

        def learnt(epoch, net, history):
            return float(np.mean(net(x).argmax(axis=1) == y)) >= GOAL

        most = min(MOST, best)  # a slower run need not be finished
        how = {"epochs": int(most), "batch_size": BATCH, "rng": seed, "callbacks": [learnt]}
        history = try_rate(net, loss, mg.SGD(lr), x, np.eye(classes)[y], **how)
        if history is not None and learnt(0, net, history):
            best = min(best, len(history))
    return best


def deep_norms(job):
    """|delta| of the hidden layers of a deep sigmoid net before training, for one pair and seed."""
    config, pair, seed = job
    x, y, _, _ = config.load("standard", most=100)
    classes = int(y.max()) + 1
    layers = list(mg.mlp([x.shape[1], *[WIDTH] * DEEP, classes], init="lecun_normal", rng=seed))
    layers[-1].bias[:] = WRONG
    net, loss = output_net(pair, layers)
    return attenuation(mg.backprop(net, loss, x, np.eye(classes)[y])).norms


# ---- finding ---------------------------------------------------------------------------------------------


def run(config):
    """The finding Q11."""
    seeds = config.seeds(3, 10)
    jobs = [(config, pair, start, seed) for pair in PAIRS for start in STARTS for seed in seeds]
    epochs: dict[tuple, list] = {}
    for (_, pair, start, _), result in zip(jobs, config.sweep(epochs_needed, jobs, "pairing"), strict=True):
        epochs.setdefault((pair, start), []).append(result)
    norms = {pair: [deep_norms((config, pair, seed)) for seed in seeds] for pair in PAIRS}
    steps = {pair: [steps_of_one_neuron(pair, z) for z in SURE] for pair in PAIRS}

    numbers, wrong = [], {}
    for pair in PAIRS:
        wrong[pair] = float(delta_of(pair, 8.0)[0])
    numbers.append(
        Number(
            "δ at a mistake with z = 8 (a = 0.9997, target 0), squared error",
            wrong[PAIRS[0]],
            theory=2 * mg.sigmoid(8.0).item() ** 2 * mg.sigmoid(-8.0).item(),
            expect=(0, 0.01),
        )
    )
    numbers.append(Number("the same, cross-entropy", wrong[PAIRS[1]], theory=mg.sigmoid(8.0).item(), expect=(0.99, 1)))
    numbers.append(
        Number(
            "largest |δ| that the squared error can send, at any z",
            float(delta_of(PAIRS[0], np.linspace(-20, 20, 40001)).max()),
            theory=8 / 27,
            expect=(0.29, 0.2963),
        )
    )
    for z, squared, entropy in zip(SURE, *steps.values(), strict=True):
        numbers.append(Number(f"steps of one neuron from z = {z}, squared error", squared, "steps", descriptive=True))
        numbers.append(Number(f"steps of one neuron from z = {z}, cross-entropy", entropy, "steps", descriptive=True))
    numbers.append(
        Number(
            "steps of the squared error over those of cross-entropy, from z = 8",
            steps[PAIRS[0]][-1] / steps[PAIRS[1]][-1],
            "times",
            expect=(20, None),
        )
    )
    medians = {key: statistics.median(values) for key, values in epochs.items()}
    for (pair, start), values in epochs.items():
        what = f"epochs to {GOAL:.0%} right, {start}, {pair}, best lr"
        numbers.append(Number.of(what, values, "epochs", descriptive=True))
    price = medians[PAIRS[0], "sure and wrong"] / medians[PAIRS[1], "sure and wrong"]
    numbers.append(
        Number(
            "epochs of the squared error over those of cross-entropy, sure and wrong",
            price,
            "times",
            expect=(1.3, None),
        )
    )
    theory = mean_field_rate("sigmoid", 1.0).decades
    for pair in PAIRS:
        rates = [float(np.log10(run[3] / run[DEEP - 1]) / (DEEP - 4)) for run in norms[pair]]
        numbers.append(
            Number.of(
                f"|δ| per hidden layer down, {pair}",
                rates,
                "decades",
                theory=theory,
                expect=(theory - 0.05, theory + 0.05),
            )
        )
    return Finding(
        id="Q11",
        kind="partly",
        verdict="True for the output layer: there cross-entropy cancels the slope, and a confident mistake sends back "
        "a full error. The hidden layers below vanish exactly as before.",
        deciding=f"δ at a confident mistake (z = 8): {wrong[PAIRS[1]]:.3f} with cross-entropy, {wrong[PAIRS[0]]:.1g} "
        f"with squared error; a hidden layer leaves {10 ** numbers[-1].value:.2f} of δ with either",
        numbers=numbers,
        theorem="Sigmoid with cross-entropy: dc/dz = a − y. Sigmoid with squared error: 2(a − y) a(1 − a), for "
        "y from 0 to 1 never more than 8/27, and next to 0 where a is sure and wrong. Softmax with cross-entropy is "
        "a − y as well. For the layers below, δ is multiplied by W and σ' as ever, whatever it was at the output.",
        test="tests/theory/test_d4_pairing.py",
        code=CODE,
        pictures={
            "confident_mistakes": "An output whose target is 0: the further z is to the right, the surer and the more "
            "wrong it is. With cross-entropy the error sent back grows to 1 and stays there. With the squared error it "
            "dies away exactly where it is needed most.",
            "steps_to_learn": "Steps that one neuron needs to unlearn a mistake, against how sure it was at the start. "
            "With the squared error each further unit of z multiplies them by up to e; with cross-entropy it adds few.",
            "hidden_layers": f"|δ| by layer in a net of {DEEP} hidden sigmoid layers that starts out sure and wrong. "
            "Cross-entropy starts higher, at the output; from there both lines fall alike. The loss mends the last "
            "layer only.",
        },
        caveat="The unfused form, a sigmoid layer followed by a loss that divides by a(1 − a), gives the same δ only "
        "as long as a has not been rounded to 0 or 1. With the usual start, "
        f"{medians[PAIRS[0], 'usual start']:.0f} epochs against {medians[PAIRS[1], 'usual start']:.0f}, the loss "
        "matters less, as few outputs begin sure and wrong. The learning rate was tuned for each.",
        seeds=seeds,
        data={"steps": steps, "norms": norms},
    )


# ---- pictures --------------------------------------------------------------------------------------------

COLOURS = dict(zip(PAIRS, (style.PINK, style.GREEN), strict=True))


@style.styled
def plot(finding, picture=None):
    """The Figure of one of the pictures."""
    draw = {"confident_mistakes": draw_mistakes, "steps_to_learn": draw_steps, "hidden_layers": draw_hidden}
    return draw[picture or "confident_mistakes"](finding.data)


def draw_mistakes(data):
    """delta at the output against z, target 0."""
    fig = style.figure(4.2)
    ax = fig.subplots()
    z = np.linspace(-6, 10, 321)
    for pair, colour in COLOURS.items():
        ax.plot(z, delta_of(pair, z), color=colour, linewidth=3)
    style.label_line(
        ax, 2.2, delta_of(PAIRS[1], 2.2)[0], "cross-entropy: δ = a − y", COLOURS[PAIRS[1]], xytext=(16, -14)
    )
    style.label_line(
        ax, 2.5, delta_of(PAIRS[0], 2.5)[0], "squared error: δ = 2(a − y) a(1 − a)", COLOURS[PAIRS[0]], xytext=(12, 6)
    )
    ax.axvline(0, color=style.INK, linewidth=0.8)
    ax.text(-5.8, -0.12, "right", va="center")
    ax.text(9.9, -0.12, "sure and wrong", ha="right", va="center")
    ax.set(xlabel="z of the output (target 0)", ylabel="δ = dc/dz", ylim=(-0.2, 1.08), xlim=(-6, 10))
    return fig


def draw_steps(data):
    """Steps of one neuron against where it starts."""
    fig = style.figure(4.2)
    ax = fig.subplots()
    for pair, colour in COLOURS.items():
        ax.plot(SURE, data["steps"][pair], "o-", color=colour)
        for z, steps in zip(SURE, data["steps"][pair], strict=True):
            if z in (SURE[0], SURE[-1]):
                shift = (0, 12) if pair == PAIRS[0] else (0, -14)
                style.label_line(ax, z, steps, f"{steps:,}", colour, xytext=shift, ha="center")
        style.label_line(
            ax,
            5,
            np.sqrt(data["steps"][pair][2] * data["steps"][pair][3]),
            pair,
            colour,
            xytext=(-14, 14) if pair == PAIRS[0] else (0, -16),
            ha="right" if pair == PAIRS[0] else "left",
        )
    ax.set(yscale="log", xlabel="z at the start (0: undecided; 8: 99.97 % sure of the wrong answer)")
    ax.set(ylabel="steps to learn", xticks=SURE, ylim=(8, 60_000))
    return fig


def draw_hidden(data):
    """|delta| by layer for the two losses."""
    fig = style.figure(4.6)
    ax = fig.subplots()
    layers = np.arange(1, DEEP + 2)
    for pair, colour in COLOURS.items():
        for i, norms in enumerate(data["norms"][pair]):
            ax.plot(layers, norms, "o-", color=colour, alpha=1 if i == 0 else 0.4, markersize=5)
        first = data["norms"][pair][0]
        place = {"xytext": (10, 12)} if pair == PAIRS[1] else {"xytext": (-10, -12), "ha": "right"}
        style.label_line(ax, 6, first[5], pair, colour, **place)
    ax.set(yscale="log", ylabel="|δ|", xlabel="layer (δ travels from the output on the left to layer 1 on the right)")
    ax.set_xlim(DEEP + 1.4, 0.6)
    ax.set_xticks(layers, [*map(str, layers[:-1]), "output"])
    return fig


# ---- to try at home --------------------------------------------------------------------------------------

CODE = """\
import minigrad as mg
import numpy as np

x, y = np.ones((1, 1)), np.zeros((1, 1))               # one input, one output, target 0
for z in (0.0, 2.0, 4.0, 8.0):
    linear = mg.Linear(1, 1)
    linear.weight[:], linear.bias[:] = 0, z
    squared = mg.backprop(mg.Sequential(linear, mg.Sigmoid()), mg.MSELoss(), x, y).gradients["0"].delta
    entropy = mg.backprop(mg.Sequential(linear), mg.BCEWithLogitsLoss(), x, y).gradients["0"].delta
    print(f"z = {z}: delta {squared.item():.4f} with squared error, {entropy.item():.4f} with cross-entropy")
"""
