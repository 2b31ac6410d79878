"""Q11: which loss goes with a sigmoid output: delta at confident mistakes, what it costs, what it cannot mend."""

import statistics

import numpy as np

import minigrad as mg
from minigrad.diagnostics import attenuation, mean_field_rate

from . import lab, style
from .claims import q11
from .finding import Number
from .study import register

HIDDEN, GOAL, MOST = 30, 0.95, 100  # epochs until that share of the training answers is right
RATES = (1.0, 3.0, 0.3, 10.0, 30.0)
WRONG = 6.0  # output biases of the net that starts out sure that every image is every digit: a = 0.9975
STARTS = {"usual start": 0.0, "sure and wrong": WRONG}
DEEP, WIDTH = 10, 100  # hidden layers of the net that shows what no output can mend
SQUARED, ENTROPY = PAIRS = ("squared error", "cross-entropy")
SURE = (0, 2, 4, 6, 8)  # z at which the single neuron starts; its target is 0
ENOUGH = {SQUARED: 6_000, ENTROPY: 100}  # steps for the slowest of them


# ---- runs ------------------------------------------------------------------------------------------------


def output_net(pair, layers):
    """(net, loss) of one of the PAIRS. Both have sigmoid outputs; with cross-entropy the loss holds the sigmoid."""
    if pair == "squared error":
        return mg.Sequential(*layers, mg.Sigmoid()), mg.MSELoss()
    return mg.Sequential(*layers), mg.BCEWithLogitsLoss()


def neuron_backprop(pair, z):
    """Backprop of one output with z (N,) whose target is 0."""
    net, loss = output_net(pair, [mg.Linear(1, 1, init=lambda rng, K, J: np.ones((K, J)))])
    return mg.backprop(net, loss, np.reshape(z, (-1, 1)), np.zeros((np.size(z), 1)))


def delta_of(pair, z):
    """dc/dz of one output with z (N,) whose target is 0."""
    return neuron_backprop(pair, z).gradients["0"].delta[:, 0]


def steps_of_neurons(pair):
    """Steps of gradient descent (lr 0.15) until a neuron with target 0 is below a = 0.1, for each start in SURE."""
    nets = []
    for start in SURE:
        linear = mg.Linear(1, 1)
        linear.weight[:], linear.bias[:] = start / 2, start / 2  # and the input is 1
        net, loss = output_net(pair, [linear])
        nets.append(net)
    opts, x, y = [mg.SGD(0.15) for _ in nets], np.ones((1, 1)), np.zeros((1, 1))
    histories = mg.fit_many(nets, loss, opts, x, y, epochs=ENOUGH[pair], progress=False)
    learnt = neuron_backprop(pair, np.log(1 / 9)).loss  # where a = 0.1
    return [sum(before >= learnt for before in history.loss) for history in histories]  # the loss before each step


def epochs_needed(job):
    """The fewest epochs, over the learning rates, of one pair and start. job: (config, (pair, start), seed)."""
    config, (pair, start), seed = job
    x, y, _, _ = config.load("unit", most=2000)
    widths = lab.sizes(x, [HIDDEN], y)
    targets = np.eye(widths[-1])[y]

    def epochs(lr, most):
        layers = list(lab.net(widths, seed=seed))
        layers[-1].bias[:] = STARTS[start]
        net, loss = output_net(pair, layers)

        def learnt(epoch, net, history):
            return float(np.mean(net(x).argmax(axis=1) == y)) >= GOAL

        settings = {"epochs": int(most), "rng": seed, "callbacks": [learnt]}
        history = lab.try_rate(net, loss, mg.SGD(lr), x, targets, **settings)
        return len(history) if history is not None and learnt(0, net, history) else np.inf

    # A slower run need not be finished.
    return min(lab.search_rates(RATES, epochs, MOST, patience=1).values())


def deep_norms(pair, config, seed):
    """|delta| of the hidden layers of a deep sigmoid net before training."""
    x, y, _, _ = config.load("standard", most=100)
    layers = list(lab.net(lab.sizes(x, [WIDTH] * DEEP, y), init="lecun_normal", seed=seed))
    layers[-1].bias[:] = WRONG
    net, loss = output_net(pair, layers)
    return attenuation(mg.backprop(net, loss, x, np.eye(layers[-1].out_features)[y])).norms


# ---- finding ---------------------------------------------------------------------------------------------


def run(config):
    """The finding Q11."""
    seeds = config.seeds(3, 10)
    cases = [(pair, start) for pair in PAIRS for start in STARTS]
    epochs = lab.by_case(config, epochs_needed, cases, seeds, "pairing")
    norms = {pair: [deep_norms(pair, config, seed) for seed in seeds] for pair in PAIRS}
    steps = {pair: steps_of_neurons(pair) for pair in PAIRS}
    wrong = {pair: float(delta_of(pair, 8.0)[0]) for pair in PAIRS}
    medians = {case: statistics.median(values) for case, values in epochs.items()}
    layers = layer_numbers(norms)
    return [
        q11.WORDS.finding(
            [*delta_numbers(wrong), *step_numbers(steps), *epoch_numbers(epochs, medians), *layers],
            seeds,
            {"steps": steps, "norms": norms},
            entropy=wrong[ENTROPY],
            squared=wrong[SQUARED],
            left=10 ** layers[-1].value,
            usual=[medians[pair, "usual start"] for pair in PAIRS],
            depth=DEEP,
            **seen(steps, norms),
        )
    ]


def seen(steps, norms):
    """What the pictures show: the hump of the squared error, and where the lines begin and end."""
    z = np.linspace(-6, 10, 1601)
    hump = delta_of(SQUARED, z)
    ends = {pair: np.median([run[[-1, 0]] for run in norms[pair]], axis=0) for pair in PAIRS}
    return {
        "largest": hump.max(),
        "peak": z[hump.argmax()],
        "slow": [steps[SQUARED][i] for i in (0, -1)],
        "fast": [steps[ENTROPY][i] for i in (0, -1)],
        "low": ends[SQUARED],
        "high": ends[ENTROPY],
    }


def delta_numbers(wrong):
    """The error that a confident mistake sends back."""
    right, left = mg.sigmoid(8.0).item(), mg.sigmoid(-8.0).item()
    largest = float(delta_of(SQUARED, np.linspace(-20, 20, 40001)).max())
    mistake = "δ at a mistake with z = 8 (a = 0.9997, target 0), squared error"
    at_most = "largest |δ| that the squared error can send, at any z"
    return [
        Number(mistake, wrong[SQUARED], theory=2 * right**2 * left, expect=(0, 0.01)),
        Number("the same, cross-entropy", wrong[ENTROPY], theory=right, expect=(0.99, 1)),
        Number(at_most, largest, theory=8 / 27, expect=(0.29, 0.2963)),
    ]


def step_numbers(steps):
    """The steps of one neuron."""
    numbers = []
    for z, squared, entropy in zip(SURE, *steps.values(), strict=True):
        numbers.append(Number(f"steps of one neuron from z = {z}, squared error", squared, "steps", descriptive=True))
        numbers.append(Number(f"steps of one neuron from z = {z}, cross-entropy", entropy, "steps", descriptive=True))
    label = "steps of the squared error over those of cross-entropy, from z = 8"
    return [*numbers, Number(label, steps[SQUARED][-1] / steps[ENTROPY][-1], "times", expect=(20, None))]


def epoch_numbers(epochs, medians):
    """The epochs of the nets."""
    numbers = []
    for (pair, start), values in epochs.items():
        label = f"epochs to {GOAL:.0%} right, {start}, {pair}, best lr"
        numbers.append(Number.of(label, values, "epochs", descriptive=True))
    price = medians[SQUARED, "sure and wrong"] / medians[ENTROPY, "sure and wrong"]
    label = "epochs of the squared error over those of cross-entropy, sure and wrong"
    return [*numbers, Number(label, price, "times", expect=(1.3, None))]


def layer_numbers(norms):
    """What a hidden layer leaves of the error, with either loss."""
    theory, numbers = mean_field_rate("sigmoid", 1.0).decades, []
    expect = (theory - 0.05, theory + 0.05)
    for pair in PAIRS:
        rates = [float(np.log10(run[3] / run[DEEP - 1]) / (DEEP - 4)) for run in norms[pair]]
        label = f"|δ| per hidden layer down, {pair}"
        numbers.append(Number.of(label, rates, "decades", theory=theory, expect=expect))
    return numbers


# ---- pictures --------------------------------------------------------------------------------------------

COLOURS = {SQUARED: style.ROSE, ENTROPY: style.INK}


def draw_mistakes(data):
    """delta at the output against z, target 0."""
    fig = style.figure(4.2)
    ax = fig.subplots()
    z = np.linspace(-6, 10, 321)
    for pair, colour in COLOURS.items():
        ax.plot(z, delta_of(pair, z), color=colour, linewidth=3)
    for pair, at, words, place in (
        (ENTROPY, 2.2, "cross-entropy: δ = a − y", (16, -14)),
        (SQUARED, 2.5, "squared error: δ = 2(a − y) a(1 − a)", (12, 6)),
    ):
        style.label_line(ax, at, delta_of(pair, at)[0], words, COLOURS[pair], xytext=place)
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
                shift = (0, 12) if pair == SQUARED else (0, -14)
                style.label_line(ax, z, steps, f"{steps:,}", colour, xytext=shift, ha="center")
        place = {"xytext": (-14, 14), "ha": "right"} if pair == SQUARED else {"xytext": (0, -16)}
        middle = np.sqrt(data["steps"][pair][2] * data["steps"][pair][3])  # of two dots, on the logarithmic axis
        style.label_line(ax, 5, middle, pair, colour, **place)
    ax.set(yscale="log", xlabel="z at the start (0: undecided; 8: 99.97 % sure of the wrong answer)")
    ax.set(ylabel="steps to learn", xticks=SURE, ylim=(8, 60_000))
    return fig


def draw_hidden(data):
    """|delta| by layer for the two losses."""
    fig = style.figure(4.6)
    ax = fig.subplots()
    layers = np.arange(1, DEEP + 2)
    for pair, colour in COLOURS.items():
        middle = lab.band(ax, layers, data["norms"][pair], colour, "o-", markersize=5)
        place = {"xytext": (10, 12)} if pair == ENTROPY else {"xytext": (-10, -12), "ha": "right"}
        style.label_line(ax, 6, middle[5], pair, colour, **place)
    ax.set(yscale="log", ylabel="|δ|", xlabel="layer (δ travels from the output on the left to layer 1 on the right)")
    ax.set_xlim(DEEP + 1.4, 0.6)
    ax.set_xticks(layers, [*map(str, layers[:-1]), "output"])
    return fig


register(
    "pairing",
    "sigmoid outputs and their loss",
    [q11.WORDS],
    run,
    {"confident_mistakes": draw_mistakes, "steps_to_learn": draw_steps, "hidden_layers": draw_hidden},
)
