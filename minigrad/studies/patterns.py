"""Q4 and Q5: which sign patterns an update can have, what a missing one costs, and how many bits are lost."""

import math

import numpy as np

import minigrad as mg
from minigrad.diagnostics import (
    nearest_reachable,
    pattern_count,
    reachable_patterns,
    sign_detour,
    sign_entropy_bits,
    sign_pattern,
)

from . import lab, style
from .claims import q04, q05
from .finding import Number
from .outer_product import HIDDEN, LAYER
from .study import register

QUESTION = np.array([[1, -1], [1, -1]])  # w1 and w3 up, w2 and w4 down
SIZES = (1, 2, 4, 8, 16, 32, 64)  # of the batch
SMALL = (16, 4, 4)  # hidden layers of the net whose 4 x 4 layer is counted
ACTIVATIONS = ("sigmoid", "tanh")
J, K = HIDDEN  # of the layer that is measured


# ---- runs ------------------------------------------------------------------------------------------------


def four_weights(job):
    """Two neurons with two inputs each, random delta and z: how many patterns were seen, and the cosines.

    {"patterns": of one sample, "two": of batches of two, "question": percent of samples with the question's pattern,
    "cosine": median of the nearest one-sample update to one of that pattern, "best": the same, least of any, with
    the most favourable positive inputs}
    """
    _, activation, seed = job
    rng = np.random.default_rng(seed)
    f = {"sigmoid": mg.Sigmoid(), "tanh": mg.Tanh()}[activation]
    seen, two, question, cosines, best = set(), set(), [], [], []
    for _ in range(1000):
        delta, a = rng.standard_normal((2, 2)), f(rng.standard_normal((2, 2)))
        one = sign_pattern(mg.WeightGradient(delta[:1], a[:1]))
        seen.add(one.tobytes())
        two.add(sign_pattern(mg.WeightGradient(delta, a)).tobytes())
        question.append(bool((one == QUESTION).all()))
        wanted = QUESTION * np.abs(rng.standard_normal((2, 2)))
        cosines.append(nearest_reachable(wanted, a[:1]).cosine)
        best.append(np.linalg.norm(wanted, axis=0).max() / np.linalg.norm(wanted))  # one input 0: the best there is
    found = {"patterns": len(seen), "two": len(two), "question": 100 * float(np.mean(question))}
    return found | {"cosine": float(np.median(cosines)), "best": min(best)}


def wanted_update(job):
    """A net on its way: the update of LAYER that the rest of its training makes, and what one batch can do of it.

    {"cosines": one for each of SIZES, "detour": largest of any neuron, "labels": sign patterns that the possible
    labels give one sample, "bits": entropy of the signs of each layer over the samples}
    """
    config, activation, seed = job
    x, y, _, _ = config.load("unit", most=2000)
    net, opt = lab.net(lab.sizes(x, HIDDEN, y), activation, seed=seed), lab.momentum(activation)
    lab.train(net, opt, x, y, 2, seed)
    bp = mg.backprop(net, lab.LOSS, x, y)
    a, before = bp.gradients[LAYER].a, net[int(LAYER)].weight.copy()
    classes = bp.output.shape[1]
    labels = {
        sign_pattern(mg.backprop(net, lab.LOSS, x[:1], np.array([label])).gradients[LAYER]).tobytes()
        for label in range(classes)
    }
    lab.train(net, opt, x, y, 3 if config.quick else 12, seed)
    wanted = net[int(LAYER)].weight - before
    rng, cosines = np.random.default_rng(seed), []
    for B in SIZES:
        batches = [rng.choice(len(a), min(B, len(a)), replace=False) for _ in range(20)]
        cosines.append(float(np.mean([nearest_reachable(wanted, a[n]).cosine for n in batches])))
    bits = {path: sign_entropy_bits(g) for path, g in bp.gradients.items()}
    detour = sign_detour(wanted)
    found = {"cosines": cosines, "labels": len(labels), "bits": bits, "samples": len(x), "classes": classes}
    return found | {"detour": float(np.nanmax(detour.ratio)), "one_sign": float(np.nanmin(detour.cosine))}


def entropy(job):
    """Bits of the sign patterns of a trained 4 x 4 layer, one number for each of SIZES: 4000 random batches each."""
    config, activation, seed = job
    x, y, _, _ = config.load("unit", most=2000)
    net = lab.net(lab.sizes(x, SMALL, y), activation, seed=seed)
    lab.train(net, lab.momentum(activation), x, y, 3 if config.quick else 12, seed)
    g = mg.backprop(net, lab.LOSS, x, y).gradients["4"]
    rng, bits = np.random.default_rng(seed), []
    for B in SIZES:
        n = rng.integers(0, len(x), (4000, B))
        bits.append(sign_entropy_bits(np.einsum("tbk,tbj->tkj", g.delta[n], g.a[n])))
    return bits


# ---- findings --------------------------------------------------------------------------------------------

PATTERN, NEAREST = "the question's pattern", "cosine of the needed update and the nearest one"
DETOUR = "trained net: longest way by single-signed steps / straight line, any neuron"


def run(config):
    """The findings Q4 and Q5."""
    seeds = config.seeds(3, 10)
    four = lab.by_case(config, four_weights, ACTIVATIONS, seeds, "four")
    wanted = lab.by_case(config, wanted_update, ACTIVATIONS, seeds, "wanted")
    bits = lab.by_case(config, entropy, ACTIVATIONS, seeds, "bits")
    return [reachable(four, wanted, seeds), bits_lost(wanted, bits, seeds)]


def reachable(four, wanted, seeds):
    """Q4: which patterns, and at what cost."""
    by_size = {act: np.array([run["cosines"] for run in wanted[act]]) for act in ACTIVATIONS}
    numbers = [*four_weights_numbers(four), *trained_numbers(by_size, wanted)]
    value = {number.name: number.value for number in numbers}
    return q04.WORDS.finding(
        numbers,
        seeds,
        {"cosines": by_size},
        patterns=value["sign patterns of one sample, of 16, sigmoid"],
        sigmoid=value[f"{PATTERN}: {NEAREST} of one sample, sigmoid"],
        tanh=value[f"{PATTERN}: {NEAREST} of one sample, tanh"],
        detour=value[DETOUR],
        K=K,
        J=J,
        groups=[len(patterns) for _, _, patterns in tile_groups()],
        **{
            word: [np.median(by_size[act][:, SIZES.index(B)]) for act in ACTIVATIONS]
            for word, B in (("one", 1), ("eight", 8), ("wide", 32))
        },
    )


def four_weights_numbers(four):
    """The numbers of the four weights."""

    def number(name, act, key, unit="", **rest):
        return Number.of(name, [run[key] for run in four[act]], unit, **rest)

    one, two, best = "sign patterns of one sample, of 16", "sign patterns of a batch of two", math.sqrt(0.5)
    return [
        number(f"{one}, sigmoid", "sigmoid", "patterns", theory=4, expect=(4, 4)),
        number(f"{one}, tanh", "tanh", "patterns", theory=8, expect=(8, 8)),
        number(f"{two}, sigmoid", "sigmoid", "two", theory=16, expect=(16, 16)),
        number(f"samples with {PATTERN}, sigmoid", "sigmoid", "question", "%", theory=0, expect=(0, 0)),
        number(f"samples with {PATTERN}, tanh", "tanh", "question", "%", theory=12.5, expect=(8, 17)),
        number(f"{PATTERN}: {NEAREST} of one sample, sigmoid", "sigmoid", "cosine", expect=(0.3, 0.55)),
        number(f"{PATTERN}: {NEAREST} of one sample, tanh", "tanh", "cosine", expect=(0.6, 0.85)),
        number(
            f"{PATTERN}: least cosine with the most favourable positive inputs",
            "sigmoid",
            "best",
            theory=best,
            expect=(0.7071, 1),
        ),
    ]


def trained_numbers(by_size, wanted):
    """The numbers of the trained nets."""
    detours = [run["detour"] for act in ACTIVATIONS for run in wanted[act]]
    numbers = [Number.of(DETOUR, detours, theory=math.sqrt(2), expect=(1, 1.41422))]
    for act in ACTIVATIONS:
        for B in (1, 8):
            values = by_size[act][:, SIZES.index(B)]
            numbers.append(Number.of(f"trained net: {NEAREST} of {B} samples, {act}", values, descriptive=True))
        wide = by_size[act][:, SIZES.index(32)]  # as many samples as the layer has inputs
        label = f"trained net: {NEAREST} of 32 samples, {act}"
        numbers.append(Number.of(label, wide, theory=1, expect=(0.99, 1 + 1e-9)))
    sigmoid, tanh = (np.median(by_size[act][:, SIZES.index(8)]) for act in ACTIVATIONS)
    label = "trained net: that cosine, 8 samples, sigmoid / tanh"
    return [*numbers, Number(label, sigmoid / tanh, expect=(0.7, 1.5))]


def bits_lost(wanted, bits, seeds):
    """Q5: how many bits of sign, and to what."""
    free, positive = reachable_patterns(K, J, positive=False), reachable_patterns(K, J)
    classes = wanted["sigmoid"][0]["classes"]
    entropies = {act: np.array(bits[act]) for act in ACTIVATIONS}
    medians = {act: np.median(entropies[act], axis=0)[[SIZES.index(B) for B in (1, 8, 64)]] for act in ACTIVATIONS}
    left = [free.all_bits, free.bits, positive.bits, math.log2(classes)]
    numbers = [
        *counted_numbers(free, positive),
        labels_number(wanted, classes),
        *entropy_numbers(entropies, medians),
        *samples_numbers(wanted, classes),
    ]
    return q05.WORDS.finding(
        numbers,
        seeds,
        {"entropies": entropies, "bits": left},
        bits=left,
        K=K,
        J=J,
        all=free.all_bits,
        one=free.bits,
        positive=positive.bits,
        rank_one=free.all_bits - free.bits,
        signs=free.bits - positive.bits,
        **medians,
    )


def counted_numbers(free, positive):
    """The numbers that are counted, and need no net."""
    rank = 100 * (free.all_bits - free.bits) / (free.all_bits - positive.bits)
    layer = f"{K} x {J} layer"
    hundred = 1 + math.log2(sum(math.comb(99, i) for i in range(10)))  # Schlaefli's sum
    label = "delta of 100 neurons that comes from 10 outputs"
    return [
        Number(f"{layer}: all sign patterns", free.all_bits, "bits", theory=K * J, expect=(K * J, K * J)),
        Number(f"{layer}: one sample, a of any sign", free.bits, "bits", theory=K + J - 1, expect=(K + J - 1,) * 2),
        Number(f"{layer}: one sample, a > 0", positive.bits, "bits", theory=K, expect=(K, K)),
        Number("of the bits lost, share lost to rank one and not to a > 0", rank, "%", expect=(90, 100)),
        Number(label, math.log2(pattern_count(100, 10)), "bits", theory=hundred, expect=(41.7, 41.9)),
    ]


def labels_number(wanted, classes):
    """How many patterns the possible labels give one sample."""
    labels = [run["labels"] for act in ACTIVATIONS for run in wanted[act]]
    label = f"{K} x {J} layer: patterns that the {classes} labels give one sample"
    return Number.of(label, labels, theory=classes, expect=(1, classes))


def entropy_numbers(entropies, medians):
    """The entropies of the small layer."""
    subject = "4 x 4 layer of a trained net, entropy of its signs"
    numbers = []
    for act, most in (("sigmoid", 4), ("tanh", 7)):
        one = entropies[act][:, SIZES.index(1)]
        numbers.append(Number.of(f"{subject}, one sample, {act}", one, "bits", theory=most, expect=(0, most)))
    for act in ACTIVATIONS:  # at most a bit for each weight
        eight = entropies[act][:, SIZES.index(8)]
        numbers.append(Number.of(f"{subject}, batches of 8, {act}", eight, "bits", expect=(0, 16)))
    one, eight, _ = medians["sigmoid"] / medians["tanh"]
    numbers.append(Number("entropy, sigmoid / tanh, one sample", one, expect=(0.3, 0.97)))
    numbers.append(Number("entropy, sigmoid / tanh, batches of 8", eight, expect=(0.5, 1.4)))
    return numbers


def samples_numbers(wanted, classes):
    """The entropies over the samples, of each layer of the trained nets."""
    numbers = []
    for act in ACTIVATIONS:
        samples = wanted[act][0]["samples"]
        for path in wanted[act][0]["bits"]:
            bits = [run["bits"][path] for run in wanted[act]]
            name = f"entropy of the signs over {samples} samples, weights {path}, {act}"
            # Behind sigmoid the signs of the last layer are those of softmax - y, and so say the class and no more.
            bound = math.log2(classes if act == "sigmoid" and path == "4" else samples)
            numbers.append(Number.of(name, bits, "bits", theory=bound, expect=(0, bound + 1e-9)))
    return numbers


# ---- pictures --------------------------------------------------------------------------------------------


def tile_groups():
    """The 16 patterns of the four weights in three groups: [(what gives them, its colour, the patterns)]."""
    patterns = [np.array([[a, b], [c, d]]) for a in (1, -1) for b in (1, -1) for c in (1, -1) for d in (1, -1)]
    sigmoid, tanh = reachable_patterns(2, 2), reachable_patterns(2, 2, positive=False)
    only_tanh = [p for p in patterns if p in tanh and p not in sigmoid]
    return [
        ("one sample,\nsigmoid or tanh", lab.COLOUR["sigmoid"], [p for p in patterns if p in sigmoid]),
        ("one sample, tanh\nbut never sigmoid", lab.COLOUR["tanh"], only_tanh),
        ("no single sample;\na batch of two", style.INK, [p for p in patterns if p not in tanh]),
    ]


def draw_tiles(data):
    """The 16 patterns in three groups."""
    from matplotlib.patches import Rectangle

    fig = style.figure(5.6, layout=None)
    wide, high = fig.get_size_inches()
    side, gap, top = 0.8, 0.44, high - 0.05  # of a tile, in inches
    for words, colour, patterns in tile_groups():
        rows = len(patterns) // 4
        box = (0.1 / wide, (top - rows * (side + gap)) / high), 7.8 / wide, (rows * (side + gap) - 0.1) / high
        fig.add_artist(Rectangle(*box, facecolor=colour, alpha=0.15, transform=fig.transFigure, zorder=-1))
        fig.text(2.45 / wide, (top - 0.25) / high, f"{len(patterns)} patterns:\n{words}", ha="right", va="top")
        for i, pattern in enumerate(patterns):
            x, y = 3.0 + i % 4 * 1.2, top - i // 4 * (side + gap) - side - 0.22
            ax = fig.add_axes((x / wide, y / high, side / wide, side / high))
            style.coloured(ax, pattern)
            for (k, j), sign in np.ndenumerate(pattern):
                options = {"color": "white", "ha": "center", "va": "center", "weight": "bold"}
                ax.text(j, k, "+" if sign > 0 else "\N{MINUS SIGN}", **options)
            if (pattern == QUESTION).all():
                frame = {"fill": False, "edgecolor": "black", "linewidth": 4, "clip_on": False}
                ax.add_patch(Rectangle((-0.5, -0.5), 2, 2, **frame))
                fig.text((x + side / 2) / wide, (y - 0.12) / high, "the question's", ha="center", va="center", size=10)
        top -= rows * (side + gap)
    style.sign_key(fig)
    return fig


def draw_cosines(data):
    """Cosine against batch size."""
    fig = style.figure(4.2)
    ax = fig.subplots()
    for act, line, height in (("sigmoid", "o-", 0.93), ("tanh", "o--", 0.84)):
        lab.band(ax, SIZES, data["cosines"][act], lab.COLOUR[act], line, clip_on=False)
        words = f"{act} net" + (" (dashed)" if line == "o--" else "")
        ax.text(0.03, height, words, color=lab.COLOUR[act], transform=ax.transAxes)
    lab.batch_axis(ax, SIZES)
    ax.set(ylabel="cosine of the needed update\nand the nearest of one batch", ylim=(0, 1.02))
    return fig


def draw_bits(data):
    """What is left of the bits."""
    fig = style.figure(3.6)
    ax = fig.subplots()
    names = ["all signs free", "one sample: rank one", "one sample, inputs > 0", "the same, only the label free"]
    for i, bits in enumerate(data["bits"]):
        ax.barh(-i, bits, color=style.INK, height=0.6, alpha=0.85)
        style.label_line(ax, bits, -i, f"{bits:.3g} bits", "black")
    ax.set_yticks([0, -1, -2, -3], names)
    ax.tick_params(axis="y", length=0)
    ax.set(xlim=(0, 1.15 * data["bits"][0]), xlabel=f"bits of sign, layer of {K} x {J} weights")
    return fig


def draw_entropy(data):
    """Measured entropy against batch size."""
    fig = style.figure(4.4)
    ax = fig.subplots()
    for act, most in (("sigmoid", 4), ("tanh", 7)):
        colour = lab.COLOUR[act]
        middle = lab.band(ax, SIZES, data["entropies"][act], colour, "o-", clip_on=False)
        ax.plot(1, most, "_", color=colour, markersize=22, markeredgewidth=3, clip_on=False)
        style.label_line(ax, SIZES[-1], middle[-1], act, colour, xytext=(8, 0))
    ax.text(1.3, 1, "the bars: the most that one sample can have, 4 bits (sigmoid) and 7 (tanh)", color=style.INK)
    lab.batch_axis(ax, SIZES)
    ax.set(ylabel="entropy of the signs of the\n16 weights (bits)", ylim=(0, 12))
    return fig


register(
    "patterns",
    "reachable sign patterns and their bits",
    [q04.WORDS, q05.WORDS],
    run,
    {"four_weights": draw_tiles, "nearest_update": draw_cosines, "bits": draw_bits, "bits_batch": draw_entropy},
)
