"""Q1 to Q3: the gradient of a layer is delta times a, seen on a trained net; what follows for its signs."""

import numpy as np

import minigrad as mg
from minigrad.diagnostics import delta_agreement, single_signed_share

from . import lab, style
from .claims import q01, q02, q03
from .finding import Number
from .study import register

HIDDEN = (32, 16)
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16)  # of the second hidden layer
ACTIVATIONS = ("sigmoid", "tanh")
EPOCHS, SHOWN = 15, 300
LAYER = "2"  # between the hidden layers: its a are activations, and its delta has come through a layer


# ---- runs ------------------------------------------------------------------------------------------------


def train(config, activation, hidden, seed, measure=None):
    """(net, x, y): a net trained on the data; measure(net, x, y) is called before and after each epoch."""
    x, y, _, _ = config.load("unit", most=2000)
    net = lab.net(lab.sizes(x, hidden, y), activation, seed=seed)
    callbacks = []
    if measure is not None:
        measure(net, x, y)
        callbacks = [lambda epoch, net, history: measure(net, x, y)]
    lab.train(net, lab.momentum(activation), x, y, 2 if config.quick else EPOCHS, seed, *callbacks)
    return net, x, y


def signs_of_run(job):
    """One net, before training and after each epoch: shares of the first samples, each (epochs + 1, layers).

    job: (config, (activation, hidden widths), seed). agree: all delta_k of a layer have one sign. rarer: the share of
    the rarer sign among them. rows: single-signed rows. Samples and rows that are zero throughout are left out.
    """
    config, (activation, hidden), seed = job
    found: dict[str, list] = {"agree": [], "rarer": [], "rows": []}

    def measure(net, x, y):
        bp = mg.backprop(net, lab.LOSS, x[:SHOWN], y[:SHOWN])
        found["agree"].append([100 * share for share in delta_agreement(bp).values()])
        for g in bp.gradients.values():
            found["rarer"].append(100 * float(rarer_sign(g.delta).mean()))
            found["rows"].append(100 * single_signed_share(g, per_sample=True))

    train(config, activation, hidden, seed, measure)
    return {name: np.reshape(values, (-1, len(hidden) + 1)) for name, values in found.items()}


def rarer_sign(delta):
    """(N, K) -> for each sample that has any delta_k but 0, the share of them with the rarer sign, 0 to 1/2."""
    plus, minus = (delta > 0).sum(axis=1), (delta < 0).sum(axis=1)
    nonzero = plus + minus > 0
    return np.minimum(plus, minus)[nonzero] / (plus + minus)[nonzero]


def longest(net, x, y):
    """The gradient of the layer for the one sample where it is longest, so that its colours can be seen."""
    n = int(mg.backprop(net, lab.LOSS, x, y).gradients[LAYER].per_sample_norms().argmax())
    return mg.backprop(net, lab.LOSS, x[n : n + 1], y[n : n + 1]).gradients[LAYER]


# ---- findings --------------------------------------------------------------------------------------------


def run(config):
    """The findings Q1, Q2, Q3."""
    cases = [(act, (HIDDEN[0], K)) for act in ACTIVATIONS for K in WIDTHS]
    runs = lab.by_case(config, signs_of_run, cases, config.seeds(3, 10), "signs")
    trained = {act: train(config, act, HIDDEN, config.seed) for act in ACTIVATIONS}
    return [identity(config, *trained["sigmoid"]), same_sign(config, runs, trained), mixed(config, runs)]


def identity(config, net, x, y):
    """Q1: is the gradient the outer product?"""
    one = longest(net, x, y)
    few, batch = (mg.backprop(net, lab.LOSS, x[:n], y[:n]).gradients[LAYER] for n in (8, lab.BATCH))
    equal = 100 * float((one.weight == one.delta[0][:, None] * one.a[0]).mean())
    error = max(mg.gradcheck(net, lab.LOSS, x[:4], y[:4], tolerance=np.inf).values())
    ranks = [int(np.linalg.matrix_rank(g.weight)) for g in (one, batch)]
    numbers = [
        Number("entries of one sample's dC/dW equal to $delta_k a_j$, bit for bit", equal, "%", expect=(100, 100)),
        Number("largest relative error of any dC/dw against central differences", error, expect=(0, 1e-4)),
        Number("rank of the gradient of one sample", ranks[0], theory=1, expect=(1, 1)),
        Number(f"rank of the gradient of a batch of {lab.BATCH}", ranks[1], expect=(2, min(lab.BATCH, *HIDDEN))),
    ]
    return q01.WORDS.finding(numbers, [config.seed], {"one": one, "batch": few}, equal=equal, **seen(one, few))


def seen(one, few):
    """What the pictures of Q1 show: a sample, and a batch of a few."""
    k, j = outlined(one)
    delta, a, product = (style.number(v) for v in (one.delta[0, k], one.a[0, j], one.weight[k, j]))
    plus, minus = (int((sign * one.weight > 0).all(axis=1).sum()) for sign in (1, -1))
    mixed = int(((few.weight > 0).any(axis=1) & (few.weight < 0).any(axis=1)).sum())
    found = {"delta": delta, "activation": a, "product": product, "plus": plus, "minus": minus, "mixed": mixed}
    return found | {"rows": 100 * single_signed_share(one), "K": one.weight.shape[0], "J": one.weight.shape[1]}


def outlined(g):
    """(k, j) of the square whose factors are spelled out: a large error, a middling activation."""
    return np.abs(g.delta[0]).argmax(), np.abs(g.a[0] - 0.6).argmin()


def same_sign(config, runs, trained):
    """Q2: do the weights into a neuron share the sign of its delta?"""
    hidden = {act: [run["rows"][-1, 1:].mean() for run in runs[act, HIDDEN]] for act in ACTIVATIONS}
    first = [run["rows"][-1, 0] for run in runs["tanh", HIDDEN]]
    net, x, y = trained["sigmoid"]
    with_delta = []  # that the rows are single-signed is not enough: the sign must be that of delta_k
    for n in range(min(50, len(x))):
        g = mg.backprop(net, lab.LOSS, x[n : n + 1], y[n : n + 1]).gradients[LAYER]
        with_delta.append((g.weight * np.sign(g.delta[0])[:, None] >= 0).mean())
    label = "single-signed rows per sample"
    numbers = [
        Number.of(f"{label}, hidden inputs, sigmoid", hidden["sigmoid"], "%", theory=100, expect=(100, 100)),
        Number.of(f"{label}, hidden inputs, tanh", hidden["tanh"], "%", expect=(0, 10)),
        Number("weights that do not oppose their $delta_k$", 100 * np.mean(with_delta), "%", expect=(100, 100)),
        Number.of(f"{label}, first layer (data >= 0), tanh", first, "%", theory=100, expect=(100, 100)),
    ]
    data = {act: longest(*trained[act]) for act in ACTIVATIONS}
    sigmoid, tanh = (number.value for number in numbers[:2])
    shown = [100 * single_signed_share(data[act]) for act in ACTIVATIONS]
    return q02.WORDS.finding(numbers, config.seeds(3, 10), data, sigmoid=sigmoid, tanh=tanh, shown=shown)


def mixed(config, runs):
    """Q3: do the neurons of a layer have different signs, and how often do all agree?"""
    worst = [run["agree"].max() for act in ACTIVATIONS for run in runs[act, HIDDEN]]
    rarer = [run["rarer"][:, :-1].mean() for act in ACTIVATIONS for run in runs[act, HIDDEN]]
    all_one = "samples in which all $delta_k$ share one sign"
    numbers = [
        Number.of(f"{all_one}, layers of {HIDDEN}, the worst of any epoch", worst, "%", expect=(0, 1)),
        Number.of("rarer sign among the $delta_k$ of a hidden layer", rarer, "%", expect=(20, 50)),
    ]
    agree = {
        (act, K): [run["agree"][-1, 1] for run in runs[act, (HIDDEN[0], K)]] for act in ACTIVATIONS for K in WIDTHS
    }
    for K in (2, 4, 8):  # trained delta are no fair coins: beside the prediction, but no verdict rests on it
        measured = agree["sigmoid", K] + agree["tanh", K]
        theory = 100 * 2.0 ** (1 - K)
        numbers.append(Number.of(f"{all_one}, a layer of {K}", measured, "%", theory=theory, descriptive=True))
    shares = {act: [run["rarer"] for run in runs[act, HIDDEN]] for act in ACTIVATIONS}
    drawn = np.array([np.median(shares[act], axis=0) for act in ACTIVATIONS])  # (net, epoch, layer)
    return q03.WORDS.finding(
        numbers,
        config.seeds(3, 10),
        {"rarer": shares, "agree": agree},
        agree=numbers[0].value,
        widths=HIDDEN,
        epochs=drawn.shape[1] - 1,
        low=drawn[..., :-1].min(),
        high=drawn[..., :-1].max(),
        output=np.median(drawn[..., -1]),
        shares=[np.median(agree["sigmoid", K] + agree["tanh", K]) for K in (1, 2, 4, 16)],
    )


# ---- pictures --------------------------------------------------------------------------------------------


def table(fig, g, left, top, cell):
    """A gradient as the multiplication table of its factors: delta at the left, a on top. Returns the three Axes.

    cell is the side of a square, (left, top) the upper left corner of the gradient itself: both in inches.
    """
    N, K, J = len(g.delta), g.delta.shape[1], g.a.shape[1]

    def axes(x, y, columns, rows):
        wide, high = fig.get_figwidth(), fig.get_figheight()
        return fig.add_axes((x / wide, (y - rows * cell) / high, columns * cell / wide, rows * cell / high))

    gap = 0.6 * cell
    on_top, beside = axes(left, top + N * cell + gap, J, N), axes(left - N * cell - gap, top, N, K)
    square = axes(left, top, J, K)
    for ax, values in ((on_top, g.a), (beside, g.delta.T), (square, g.weight)):
        style.coloured(ax, values)
    return on_top, beside, square


def draw_one(data):
    """Q1: one sample."""
    g = data["one"]
    K, J = g.weight.shape
    cell = 6.4 / J
    fig = style.figure(K * cell + 1.55, layout=None)
    on_top, beside, square = table(fig, g, 1.35, K * cell + 0.9, cell)
    on_top.set_title(f"a: the activations of the {J} neurons below", pad=6)
    beside.set_ylabel(f"δ: the errors of the {K} neurons", labelpad=8)
    square.set_xlabel("gradient of the weights: every δ times every a", labelpad=6)
    k, j = outlined(g)
    for ax, column, row in ((on_top, j, 0), (beside, 0, k), (square, j, k)):
        ax.add_patch(outline(column, row))
    delta, a, product = (style.number(v) for v in (g.delta[0, k], g.a[0, j], g.weight[k, j]))
    text = f"the outlined squares: {delta} × {a} = {product}"
    fig.text(4.55 / style.WIDTH, 0.15 / fig.get_figheight(), text, ha="center")
    style.sign_key(fig)
    return fig


def outline(column, row):
    """A frame around one square."""
    from matplotlib.patches import Rectangle

    options = {"fill": False, "edgecolor": "black", "linewidth": 2, "clip_on": False}
    return Rectangle((column - 0.5, row - 0.5), 1, 1, **options)


def draw_batch(data):
    """Q1: a batch."""
    g = data["batch"]
    (K, J), N = g.weight.shape, len(g.delta)
    cell = 6.8 / (J + N + 1)
    fig = style.figure((K + N + 1) * cell + 0.9, layout=None)
    on_top, beside, square = table(fig, g, 0.8 + (N + 1) * cell, K * cell + 0.5, cell)
    on_top.set_title(f"a of {N} samples, one row each", pad=6)
    beside.set_ylabel(f"δ of {N} samples,\none column each", labelpad=6)
    square.set_xlabel(f"gradient: the mean of the {N} outer products", labelpad=6)
    style.sign_key(fig)
    return fig


def draw_two(data):
    """Q2: one sample of a sigmoid net beside one of a tanh net."""
    J, K = data["sigmoid"].a.shape[1], data["sigmoid"].delta.shape[1]
    cell = 3.2 / J
    fig = style.figure(K * cell + 1.55, layout=None)
    for i, act in enumerate(ACTIVATIONS):
        on_top, beside, square = table(fig, data[act], 0.65 + i * 3.95, K * cell + 0.95, cell)
        on_top.set_title(f"a of the {act} net", pad=7)
        beside.set_ylabel("δ", labelpad=10, rotation=0)
        rows = 100 * single_signed_share(data[act])
        square.set_xlabel(f"{rows:.0f} % of the rows have one colour", labelpad=6)
    style.sign_key(fig)
    return fig


def draw_mixture(data):
    """Q3: the share of the rarer sign by layer and epoch."""
    fig = style.figure(4.2)
    axes = fig.subplots(1, 2, sharey=True)
    names = {f"layer of {HIDDEN[0]}": (style.INK, "-"), f"layer of {HIDDEN[1]}": (style.ROSE, "--")}
    names["output layer"] = (style.GREY, "-")
    for ax, act in zip(axes, ACTIVATIONS, strict=True):
        ends = {}
        for i, (name, (colour, line)) in enumerate(names.items()):
            runs = np.array([run[:, i] for run in data["rarer"][act]])
            epochs = np.arange(runs.shape[1])
            ends[name] = lab.band(ax, epochs, runs, colour, line)[-1], colour
        ax.axhline(50, color=style.INK, linewidth=1, linestyle=":")
        ax.set(title=f"{act} net", xlabel="epoch", ylim=(0, 60), xlim=(0, epochs[-1]))
        ax.xaxis.get_major_locator().set_params(integer=True)
    style.label_ends(axes[1], epochs[-1], ends, apart=4)
    axes[0].set_ylabel("share of the rarer sign\namong a layer's δ (%)")
    axes[0].annotate("evenly mixed", (epochs[-1], 50), xytext=(0, 4), textcoords="offset points", ha="right")
    return fig


def draw_agreement(data):
    """Q3: how often all delta of a layer agree, against its width."""
    fig = style.figure(4.2)
    ax = fig.subplots()
    coins = np.linspace(1, max(WIDTHS), 200)
    ax.plot(coins, 100 * 2.0 ** (1 - coins), "--", color=style.INK, linewidth=1.5)
    text = "dashed: if signs were fair coins, 2 to the power of 1 − width"
    style.label_line(ax, 3, 62, text, style.INK)
    for act, aside, height in (("sigmoid", -0.1, 50), ("tanh", 0.1, 42)):
        for K in WIDTHS:
            dots = data["agree"][act, K]
            ax.plot([K + aside] * len(dots), dots, "o", color=lab.COLOUR[act], alpha=0.8, clip_on=False)
        style.label_line(ax, 3, height, f"● {act} net, a dot for each seed", lab.COLOUR[act])
    ax.set(xlabel="neurons in the layer", ylabel="samples in which all δ of\nthe layer share one sign (%)")
    ax.set(xticks=WIDTHS, ylim=(-4, 104), xlim=(0.5, max(WIDTHS) + 0.5))
    return fig


register(
    "outer_product",
    "delta, a and their outer product",
    [q01.WORDS, q02.WORDS, q03.WORDS],
    run,
    {
        "outer_product": draw_one,
        "outer_product_batch": draw_batch,
        "same_sign": draw_two,
        "mixed_layer": draw_mixture,
        "all_agree": draw_agreement,
    },
)
