"""Q1 to Q3: the gradient of a layer is delta times a, seen on a trained net; what follows for its signs."""

import numpy as np

import minigrad as mg
from minigrad.diagnostics import delta_agreement, single_signed_share

from . import style
from .finding import Finding, Number

HIDDEN = (32, 16)
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16)  # of the second hidden layer
RATE = {"sigmoid": 0.5, "tanh": 0.1}  # learning rates with which both nets learn well within EPOCHS
EPOCHS, BATCH, LOOKED_AT = 15, 32, 300
LAYER = "2"  # between the hidden layers: its a are activations, and its delta has come through a layer
LOSS = mg.CrossEntropyLoss()


# ---- runs ------------------------------------------------------------------------------------------------


def train(config, activation, hidden, seed, look=None):
    """(net, x, y): a net trained on the data; look(net, x, y) is called before and after each epoch."""
    x, y, _, _ = config.load("unit", most=2000)
    net = mg.mlp([x.shape[1], *hidden, int(y.max()) + 1], activation=activation, rng=seed)
    callbacks = []
    if look is not None:
        look(net, x, y)
        callbacks = [lambda epoch, net, history: look(net, x, y)]
    opt = mg.SGD(lr=RATE[activation], momentum=0.9)
    epochs = 2 if config.quick else EPOCHS
    how = {"epochs": epochs, "batch_size": BATCH, "rng": seed, "callbacks": callbacks, "progress": False}
    mg.fit(net, LOSS, opt, x, y, **how)
    return net, x, y


def signs_of_run(job):
    """One net, before training and after each epoch: shares of the first samples, each (epochs + 1, layers).

    agree: all delta_k of a layer have one sign. rarer: the share of the rarer sign among them. rows:
    single-signed rows. Samples and rows that are zero throughout are left out.
    """
    config, activation, hidden, seed = job
    found: dict[str, list] = {"agree": [], "rarer": [], "rows": []}

    def look(net, x, y):
        bp = mg.backprop(net, LOSS, x[:LOOKED_AT], y[:LOOKED_AT])
        found["agree"].append([100 * share for share in delta_agreement(bp).values()])
        for g in bp.gradients.values():
            found["rarer"].append(100 * float(rarer_sign(g.delta).mean()))
            found["rows"].append(100 * single_signed_share(g, per_sample=True))

    train(config, activation, hidden, seed, look)
    return {name: np.reshape(values, (-1, len(hidden) + 1)) for name, values in found.items()}


def rarer_sign(delta):
    """(N, K) -> of the delta_k of a sample that are not 0, the share with the rarer sign, 0 to 1/2; for each
    sample that has any."""
    plus, minus = (delta > 0).sum(axis=1), (delta < 0).sum(axis=1)
    some = plus + minus > 0
    return np.minimum(plus, minus)[some] / (plus + minus)[some]


def longest(net, x, y):
    """The gradient of the layer for the one sample where it is longest, so that its colours can be seen."""
    n = int(mg.backprop(net, LOSS, x, y).gradients[LAYER].per_sample_norms().argmax())
    return mg.backprop(net, LOSS, x[n : n + 1], y[n : n + 1]).gradients[LAYER]


# ---- findings --------------------------------------------------------------------------------------------


def run(config):
    """The findings Q1, Q2, Q3."""
    shapes = [(HIDDEN[0], K) for K in WIDTHS]
    jobs = [(config, act, hidden, seed) for act in RATE for hidden in shapes for seed in config.seeds(3, 10)]
    runs: dict[tuple, list] = {}
    for (_, act, hidden, _), result in zip(jobs, config.sweep(signs_of_run, jobs, "signs"), strict=True):
        runs.setdefault((act, hidden), []).append(result)
    trained = {act: train(config, act, HIDDEN, config.seed) for act in RATE}
    return [identity(config, *trained["sigmoid"]), same_sign(config, runs, trained), mixed(config, runs)]


def identity(config, net, x, y):
    """Q1: is the gradient the outer product?"""
    one = longest(net, x, y)
    few, batch = (mg.backprop(net, LOSS, x[:n], y[:n]).gradients[LAYER] for n in (8, BATCH))
    equal = 100 * float((one.weight == one.delta[0][:, None] * one.a[0]).mean())
    error = max(mg.gradcheck(net, LOSS, x[:4], y[:4], tolerance=np.inf).values())
    ranks = [int(np.linalg.matrix_rank(g.weight)) for g in (one, batch)]
    return Finding(
        id="Q1",
        kind="true",
        verdict="The gradient of one sample is exactly the outer product of delta and a; a batch averages them.",
        deciding=f"{equal:.0f} % of the entries equal delta_k a_j",
        numbers=[
            Number(
                "entries of one sample's dC/dW equal to delta_k a_j, bit for bit",
                equal,
                "%",
                expect=(100, 100),
            ),
            Number("largest relative error of any dC/dw against central differences", error, expect=(0, 1e-4)),
            Number("rank of the gradient of one sample", ranks[0], theory=1, expect=(1, 1)),
            Number(f"rank of the gradient of a batch of {BATCH}", ranks[1], expect=(2, min(BATCH, *HIDDEN))),
        ],
        theorem="z = W a + b, so dc/dw_kj = (dc/dz_k)(dz_k/dw_kj) = delta_k a_j: rank one, and |G| = "
        "|delta| |a|. Its signs are sgn delta_k sgn a_j.",
        test="tests/theory/test_a1_rank_one.py",
        code=CODE["Q1"],
        pictures={
            "outer_product": "One sample, one layer of a trained sigmoid net. On the left the error delta "
            "of each of its neurons, on top the activation a of each of its inputs. The square is the "
            "gradient: nothing but their multiplication table. Orange is plus, blue is minus. Every a is "
            "positive, so each row has one colour. (The strength of a colour goes with the square root of "
            "the size.)",
            "outer_product_batch": "The same layer for a batch of 8 samples: delta has a column and a a "
            "row for each of them, and the gradient is the mean of 8 multiplication tables. Rows of two "
            "colours appear.",
        },
        caveat="Exactly so for one sample; a batch has the mean. A layer that uses its weights in several "
        "places (convolution, recurrence) has the sum over these places.",
        seeds=[config.seed],
        data={"one": one, "batch": few},
    )


def same_sign(config, runs, trained):
    """Q2: do the weights into a neuron share the sign of its delta?"""
    hidden = {act: [run["rows"][-1, 1:].mean() for run in runs[act, HIDDEN]] for act in RATE}
    first = [run["rows"][-1, 0] for run in runs["tanh", HIDDEN]]
    what = "single-signed rows per sample"
    sigmoid = Number.of(f"{what}, hidden inputs, sigmoid", hidden["sigmoid"], "%", theory=100, expect=(100, 100))
    tanh = Number.of(f"{what}, hidden inputs, tanh", hidden["tanh"], "%", expect=(0, 10))
    net, x, y = trained["sigmoid"]
    with_delta = []  # that the rows are single-signed is not enough: the sign must be that of delta_k
    for n in range(min(50, len(x))):
        g = mg.backprop(net, LOSS, x[n : n + 1], y[n : n + 1]).gradients[LAYER]
        with_delta.append((g.weight * np.sign(g.delta[0])[:, None] >= 0).mean())
    return Finding(
        id="Q2",
        kind="true",
        verdict="For one sample, behind a sigmoid, always: all weights into a neuron get the sign of its "
        "delta. Behind tanh hardly ever.",
        deciding=f"{sigmoid.value:.0f} % of the rows single-signed behind sigmoid, {tanh.value:.1f} % behind tanh",
        numbers=[
            sigmoid,
            tanh,
            Number("weights that do not oppose their delta_k", 100 * np.mean(with_delta), "%", expect=(100, 100)),
            Number.of(f"{what}, first layer (data >= 0), tanh", first, "%", theory=100, expect=(100, 100)),
        ],
        theorem="sgn G = sgn delta sgn a^T: with a > 0 row k has the sign of delta_k in every entry.",
        test="tests/theory/test_a1_rank_one.py",
        code=CODE["Q2"],
        pictures={
            "same_sign": "The same layer of two trained nets, one sample each: sigmoid on the left, tanh "
            "on the right. Behind sigmoid each row has one colour. Behind tanh the columns have signs as "
            "well, and rows are mixed."
        },
        caveat="It is a rule for each neuron, not for the layer (Q3), and for one sample, not for a batch "
        "(Q6). The first layer obeys it in every net, tanh included, if the data are non-negative, as "
        "pixels are. At saturation a product can round to zero: the weights never move in opposite "
        "directions, but some may not move.",
        seeds=config.seeds(3, 10),
        data={act: longest(*trained[act]) for act in RATE},
    )


def mixed(config, runs):
    """Q3: do the neurons of a layer have different signs, and how often do all agree?"""
    whole = [run["agree"].max() for act in RATE for run in runs[act, HIDDEN]]
    rarer = [run["rarer"][:, :-1].mean() for act in RATE for run in runs[act, HIDDEN]]
    all_one = "samples in which all delta_k share one sign"
    numbers = [
        Number.of(f"{all_one}, layers of {HIDDEN}, the worst of any epoch", whole, "%", expect=(0, 1)),
        Number.of("rarer sign among the delta_k of a hidden layer", rarer, "%", expect=(20, 50)),
    ]
    agree = {(act, K): [run["agree"][-1, 1] for run in runs[act, (HIDDEN[0], K)]] for act in RATE for K in WIDTHS}
    for K in (2, 4, 8):  # trained delta are no fair coins: beside the prediction, but no verdict rests on it
        both = agree["sigmoid", K] + agree["tanh", K]
        theory = 100 * 2.0 ** (1 - K)
        numbers.append(Number.of(f"{all_one}, a layer of {K}", both, "%", theory=theory, descriptive=True))
    return Finding(
        id="Q3",
        kind="true",
        verdict="In layers of usual width the signs of delta are mixed in every sample; only layers of a "
        "few neurons, or nets with one output, can agree.",
        deciding=f"all delta_k of one sign in {numbers[0].value:.2g} % of samples (layers of {HIDDEN[0]} "
        f"and {HIDDEN[1]})",
        numbers=numbers,
        theorem="If the K signs of delta were fair coins, all would agree with probability 2^(1-K). They "
        "are not free: softmax with cross-entropy of two classes or more has one negative delta at the output, and one "
        "single output sends the same signs down, up to a common one, for every sample.",
        test="tests/theory/test_a2_delta.py",
        code=CODE["Q3"],
        pictures={
            "mixed_layer": "How mixed the signs of delta are in each layer while the nets learn: the share "
            "of the rarer sign, mean over the samples. One half would be perfectly even, 0 would be all of "
            "one sign. The output layer has exactly one negative delta of ten, that of the right class.",
            "all_agree": "How often all delta_k of a layer share one sign, against the width of that "
            "layer. With two neurons it is every other sample, as for coins (dashed); from a width of "
            "about ten it does not happen.",
        },
        caveat="One output neuron is the exception: there delta of the layer below is that one error times "
        "its outgoing weights, so its signs agree in all samples or in none.",
        seeds=config.seeds(3, 10),
        data={"rarer": {act: [run["rarer"] for run in runs[act, HIDDEN]] for act in RATE}, "agree": agree},
    )


# ---- pictures --------------------------------------------------------------------------------------------


@style.styled
def plot(finding, picture=None):
    """The Figure of one of the pictures."""
    picture = picture or next(iter(finding.pictures))
    return {
        "outer_product": draw_one,
        "outer_product_batch": draw_batch,
        "same_sign": draw_two,
        "mixed_layer": draw_mixture,
        "all_agree": draw_agreement,
    }[picture](finding.data)


def table(fig, g, left, top, cell):
    """A gradient as the multiplication table of its factors, in squares of `cell` inches: delta at the
    left, a on top.

    (left, top): where the upper left corner of the gradient itself lies, in inches. Returns its Axes.
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
    k, j = np.abs(g.delta[0]).argmax(), np.abs(g.a[0] - 0.6).argmin()  # a large error, a middling activation
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

    look = {"fill": False, "edgecolor": "black", "linewidth": 2, "clip_on": False}
    return Rectangle((column - 0.5, row - 0.5), 1, 1, **look)


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
    for i, act in enumerate(RATE):
        on_top, beside, square = table(fig, data[act], 0.65 + i * 3.95, K * cell + 0.95, cell)
        on_top.set_title(f"a of the {act} net", pad=4)
        beside.set_ylabel("δ", labelpad=4, rotation=0)
        rows = 100 * single_signed_share(data[act])
        square.set_xlabel(f"{rows:.0f} % of the rows have one colour", labelpad=6)
    style.sign_key(fig)
    return fig


def draw_mixture(data):
    """Q3: the share of the rarer sign by layer and epoch."""
    fig = style.figure(4.2)
    axes = fig.subplots(1, 2, sharey=True)
    names = [f"hidden layer of {HIDDEN[0]}", f"hidden layer of {HIDDEN[1]}", "output layer"]
    for ax, act in zip(axes, RATE, strict=True):
        for i, (name, colour) in enumerate(zip(names, style.NEUTRAL, strict=False)):
            runs = np.array([run[:, i] for run in data["rarer"][act]])
            epochs = np.arange(runs.shape[1])
            ax.fill_between(epochs, runs.min(axis=0), runs.max(axis=0), color=colour, alpha=0.2, linewidth=0)
            ax.plot(epochs, np.median(runs, axis=0), color=colour)
            if act == "tanh":
                where = {"xytext": (0, -14) if i == 1 else (0, 9), "ha": "right"}
                style.label_line(ax, epochs[-1], np.median(runs[:, -1]), name, colour, **where)
        ax.axhline(50, color=style.INK, linewidth=1, linestyle=":")
        ax.set(title=f"{act} net", xlabel="epoch", ylim=(0, 55), xlim=(0, epochs[-1]))
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("share of the rarer sign\namong a layer's δ (%)")
    axes[0].annotate("evenly mixed", (epochs[-1], 50), xytext=(0, 4), textcoords="offset points", ha="right")
    return fig


def draw_agreement(data):
    """Q3: how often all delta of a layer agree, against its width."""
    fig = style.figure(4.2)
    ax = fig.subplots()
    coins = np.linspace(1, max(WIDTHS), 200)
    ax.plot(coins, 100 * 2.0 ** (1 - coins), "--", color=style.INK, linewidth=1.5)
    coin_text = "if signs were fair coins: 2 to the power of 1 − width"
    style.label_line(ax, 1.6, 100 * 2.0**-0.6, coin_text, style.INK)
    for act, colour, aside in zip(RATE, (style.PINK, style.GREEN), (-0.1, 0.1), strict=True):
        for K in WIDTHS:
            dots = data["agree"][act, K]
            ax.plot([K + aside] * len(dots), dots, "o", color=colour, alpha=0.8, clip_on=False)
        height = {"sigmoid": 44, "tanh": 36}[act]
        ax.plot(6, height, "o", color=colour)
        style.label_line(ax, 6, height, f"{act} net, a dot for each seed", colour)
    ax.set(xlabel="neurons in the layer", ylabel="samples in which all δ of\nthe layer share one sign (%)")
    ax.set(xticks=WIDTHS, ylim=(0, 100), xlim=(0.5, max(WIDTHS) + 0.5))
    return fig


# ---- to try at home --------------------------------------------------------------------------------------

NET = """\
import minigrad as mg
import numpy as np

x, y, _, _ = mg.datasets.load("digits")
net = mg.mlp([64, 32, 16, 10], activation="sigmoid", rng=0)
mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(lr=0.5, momentum=0.9), x / 16, y, epochs=15, rng=0)
"""
CODE = {
    "Q1": NET
    + """\
bp = mg.backprop(net, mg.CrossEntropyLoss(), x[:1] / 16, y[:1])  # one sample
g = bp.gradients["2"]                                            # the layer between the hidden ones
print("same:", (g.weight == np.outer(g.delta[0], g.a[0])).all())
""",
    "Q2": NET
    + """\
for n in range(3):  # one sample at a time: how many signs has each row of the gradient?
    g = mg.backprop(net, mg.CrossEntropyLoss(), x[n : n + 1] / 16, y[n : n + 1]).gradients["2"]
    print("delta", np.sign(g.delta[0]).astype(int))
    print("rows ", [sorted(set(np.sign(row).astype(int))) for row in g.weight])
""",
    "Q3": NET
    + """\
for path, g in mg.backprop(net, mg.CrossEntropyLoss(), x / 16, y).gradients.items():
    agree = (g.delta > 0).all(axis=1) | (g.delta < 0).all(axis=1)
    print("layer", path, "all delta of one sign in", 100 * agree.mean(), "% of the samples;",
          "positive:", 100 * (g.delta > 0).mean(), "%")
""",
}
