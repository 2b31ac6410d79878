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

from . import style
from .finding import Finding, Number
from .outer_product import BATCH, HIDDEN, LAYER, LOSS, RATE

QUESTION = np.array([[1, -1], [1, -1]])  # w1 and w3 up, w2 and w4 down
SIZES = (1, 2, 4, 8, 16, 32, 64)  # of the batch
SMALL = (16, 4, 4)  # hidden layers of the net whose 4 x 4 layer is counted
COLOUR = {"sigmoid": style.AMBER, "tanh": style.PINK}


# ---- runs ------------------------------------------------------------------------------------------------


def four_weights(job):
    """Two neurons with two inputs each, random delta and z: how many patterns were seen, and the cosines.

    {"patterns": of one sample, "two": of batches of two, "question": percent of samples with the question's pattern,
    "cosine": median of the nearest one-sample update to one of that pattern, "best": the same, least of any, with
    the most favourable positive inputs}
    """
    activation, seed = job
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
    classes = int(y.max()) + 1
    net = mg.mlp([x.shape[1], *HIDDEN, classes], activation=activation, rng=seed)
    opt, how = mg.SGD(RATE[activation], momentum=0.9), {"batch_size": BATCH, "rng": seed, "progress": False}
    mg.fit(net, LOSS, opt, x, y, epochs=2, **how)
    bp = mg.backprop(net, LOSS, x, y)
    a, before = bp.gradients[LAYER].a, net[int(LAYER)].weight.copy()
    labels = {
        sign_pattern(mg.backprop(net, LOSS, x[:1], np.array([label])).gradients[LAYER]).tobytes()
        for label in range(classes)
    }
    mg.fit(net, LOSS, opt, x, y, epochs=3 if config.quick else 12, **how)
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
    net = mg.mlp([x.shape[1], *SMALL, int(y.max()) + 1], activation=activation, rng=seed)
    how = {"epochs": 3 if config.quick else 12, "batch_size": BATCH, "rng": seed, "progress": False}
    mg.fit(net, LOSS, mg.SGD(RATE[activation], momentum=0.9), x, y, **how)
    g = mg.backprop(net, LOSS, x, y).gradients["4"]
    rng, bits = np.random.default_rng(seed), []
    for B in SIZES:
        n = rng.integers(0, len(x), (4000, B))
        bits.append(sign_entropy_bits(np.einsum("tbk,tbj->tkj", g.delta[n], g.a[n])))
    return bits


# ---- findings --------------------------------------------------------------------------------------------


def run(config):
    """The findings Q4 and Q5."""
    seeds = config.seeds(3, 10)
    pairs = [(act, seed) for act in RATE for seed in seeds]
    jobs = [(config, act, seed) for act, seed in pairs]
    runs = {}
    for name, job, of in (("four", four_weights, pairs), ("wanted", wanted_update, jobs), ("bits", entropy, jobs)):
        results = config.sweep(job, of, name)
        runs[name] = {act: [r for r, pair in zip(results, pairs, strict=True) if pair[0] == act] for act in RATE}
    return [reachable(runs, seeds), bits_lost(runs, seeds)]


def reachable(runs, seeds):
    """Q4: which patterns, and at what cost."""
    four, wanted = runs["four"], runs["wanted"]
    eight = SIZES.index(8)
    by_size = {act: np.array([run["cosines"] for run in wanted[act]]) for act in RATE}
    both = [run for act in RATE for run in wanted[act]]

    def count(act, what):
        return [run[what] for run in four[act]]

    pattern, nearest = "the question's pattern", "cosine of the needed update and the nearest one"
    numbers = [
        Number.of("sign patterns of one sample, of 16, sigmoid", count("sigmoid", "patterns"), theory=4, expect=(4, 4)),
        Number.of("sign patterns of one sample, of 16, tanh", count("tanh", "patterns"), theory=8, expect=(8, 8)),
        Number.of("sign patterns of a batch of two, sigmoid", count("sigmoid", "two"), theory=16, expect=(16, 16)),
        Number.of(f"samples with {pattern}, sigmoid", count("sigmoid", "question"), "%", theory=0, expect=(0, 0)),
        Number.of(f"samples with {pattern}, tanh", count("tanh", "question"), "%", theory=12.5, expect=(8, 17)),
        Number.of(f"{pattern}: {nearest} of one sample, sigmoid", count("sigmoid", "cosine"), expect=(0.3, 0.55)),
        Number.of(f"{pattern}: {nearest} of one sample, tanh", count("tanh", "cosine"), expect=(0.6, 0.85)),
        Number.of(
            f"{pattern}: least cosine with the most favourable positive inputs",
            count("sigmoid", "best"),
            theory=math.sqrt(0.5),
            expect=(0.7071, 1),
        ),
        Number.of(
            "trained net: longest way by single-signed steps / straight line, any neuron",
            [run["detour"] for run in both],
            theory=math.sqrt(2),
            expect=(1, 1.41422),
        ),
    ]
    for act in RATE:
        for B in (1, 8):
            values = by_size[act][:, SIZES.index(B)]
            numbers.append(Number.of(f"trained net: {nearest} of {B} samples, {act}", values, descriptive=True))
        wide = by_size[act][:, SIZES.index(32)]  # as many samples as the layer has inputs
        what = f"trained net: {nearest} of 32 samples, {act}"
        numbers.append(Number.of(what, wide, theory=1, expect=(0.99, 1 + 1e-9)))
    ratio = np.median(by_size["sigmoid"][:, eight]) / np.median(by_size["tanh"][:, eight])
    numbers.append(Number("trained net: that cosine, 8 samples, sigmoid / tanh", ratio, expect=(0.7, 1.5)))
    return Finding(
        id="Q4",
        kind="true",
        verdict="True of one sample: of the 16 patterns sigmoid reaches 4 and tanh 8, and the one in question is not "
        "among the 4. The price is bounded: two samples reach all 16, and a way by single-signed steps is at most "
        "1.41 times the straight one.",
        deciding=f"{numbers[0].value:.0f} of 16 patterns; cosine {numbers[5].value:.2f} to the question's update "
        f"(tanh {numbers[6].value:.2f}); detour at most {numbers[8].value:.2f} on a trained net",
        numbers=numbers,
        theorem="One sample gives delta aᵀ, so sgn G = sgn delta sgn aᵀ: 2^K patterns of a K x J layer if a > 0, "
        "2^(K+J−1) if a has any sign, of 2^(KJ). Some single-signed direction lies within 45 degrees of every d, and "
        "d = d₊ − d₋ takes two single-signed legs of total length at most √2 |d|.",
        test="tests/theory/test_a1_rank_one.py tests/theory/test_b1_sqrt2.py tests/theory/test_b4_oracles.py",
        code=CODE["Q4"],
        pictures={
            "four_weights": "All 16 sign patterns of the question's four weights: a tile is an update, its rows are "
            "the two neurons. Orange is up, blue is down. One sample behind sigmoid reaches the first four: each row "
            "has one colour. The framed one is the question's; behind tanh one sample can give it. Eight patterns "
            "are beyond any single sample of any net. A batch of two reaches all 16.",
            "nearest_update": f"A net after two epochs: how well can one batch point to where the layer of "
            f"{HIDDEN[1]} x {HIDDEN[0]} weights will end up? Batches of few samples cannot, but sigmoid's positive "
            "inputs do about as well as tanh's mixed ones. What limits a batch is the number of its samples.",
        },
        caveat="The errors delta were free to be anything here; a real sample has one of them, so real steps do worse "
        "in both nets. A path of many steps is not bound by what one step can do. And 1.41 is the price of the "
        "signs alone, in Euclidean length: steps along inputs that nearly agree pay more, behind sigmoids of N(0, 1) "
        "2.6 times the part of the way that leads across (theorem B3).",
        seeds=seeds,
        data={"cosines": by_size},
    )


def bits_lost(runs, seeds):
    """Q5: how many bits of sign, and to what."""
    K, J = HIDDEN[1], HIDDEN[0]
    free, positive = reachable_patterns(K, J, positive=False), reachable_patterns(K, J)
    labels = [run["labels"] for act in RATE for run in runs["wanted"][act]]
    classes = runs["wanted"]["sigmoid"][0]["classes"]
    entropies = {act: np.array(runs["bits"][act]) for act in RATE}
    one, eight = SIZES.index(1), SIZES.index(8)
    rank = 100 * (free.all_bits - free.bits) / (free.all_bits - positive.bits)
    layer = f"{K} x {J} layer"
    who = "4 x 4 layer of a trained net, entropy of its signs"
    medians = {act: np.median(entropies[act], axis=0) for act in RATE}
    numbers = [
        Number(f"{layer}: all sign patterns", free.all_bits, "bits", theory=K * J, expect=(K * J, K * J)),
        Number(f"{layer}: one sample, a of any sign", free.bits, "bits", theory=K + J - 1, expect=(K + J - 1,) * 2),
        Number(f"{layer}: one sample, a > 0", positive.bits, "bits", theory=K, expect=(K, K)),
        Number("of the bits lost, share lost to rank one and not to a > 0", rank, "%", expect=(90, 100)),
        Number(
            "delta of 100 neurons that comes from 10 outputs",
            math.log2(pattern_count(100, 10)),
            "bits",
            theory=1 + math.log2(sum(math.comb(99, i) for i in range(10))),  # Schlaefli's sum
            expect=(41.7, 41.9),
        ),
        Number.of(
            f"{layer}: patterns that the {classes} labels give one sample",
            labels,
            theory=classes,
            expect=(1, classes),
        ),
    ]
    for act, most in (("sigmoid", 4), ("tanh", 7)):
        numbers.append(
            Number.of(f"{who}, one sample, {act}", entropies[act][:, one], "bits", theory=most, expect=(0, most))
        )
    for act in RATE:  # at most a bit for each weight
        numbers.append(Number.of(f"{who}, batches of 8, {act}", entropies[act][:, eight], "bits", expect=(0, 16)))
    ratios = [medians["sigmoid"][i] / medians["tanh"][i] for i in (one, eight)]
    numbers.append(Number("entropy, sigmoid / tanh, one sample", ratios[0], expect=(0.3, 0.97)))
    numbers.append(Number("entropy, sigmoid / tanh, batches of 8", ratios[1], expect=(0.5, 1.4)))
    for act in RATE:
        samples = runs["wanted"][act][0]["samples"]
        for path in runs["wanted"][act][0]["bits"]:
            bits = [run["bits"][path] for run in runs["wanted"][act]]
            name = f"entropy of the signs over {samples} samples, weights {path}, {act}"
            # Behind sigmoid the signs of the last layer are those of softmax - y, and so say the class and no more.
            bound = math.log2(classes if act == "sigmoid" and path == "4" else samples)
            numbers.append(Number.of(name, bits, "bits", theory=bound, expect=(0, bound + 1e-9)))
    return Finding(
        id="Q5",
        kind="partly",
        verdict=f"Bits are lost, but few of them to sigmoid: one sample has rank one, which costs a {layer} "
        f"{free.all_bits - free.bits:.0f} of its {free.all_bits:.0f} bits behind every activation; positive inputs "
        f"cost {free.bits - positive.bits:.0f} more.",
        deciding=f"{free.all_bits:.0f} → {free.bits:.0f} → {positive.bits:.0f} bits; 4 x 4 layer, measured: sigmoid "
        f"{medians['sigmoid'][one]:.1f}, tanh {medians['tanh'][one]:.1f}; batches of 8: "
        f"{medians['sigmoid'][eight]:.1f}, {medians['tanh'][eight]:.1f}",
        numbers=numbers,
        theorem="A K x J layer has 2^(KJ) sign patterns, one sample 2^(K+J−1) of them, and 2^K if a > 0. Delta is not "
        "free either: with weights and sample given, at most C(n, K) = 2 Σ_{i<K} binomial(n−1, i) patterns for n "
        "neurons below K outputs, and with one-hot targets just K gradients.",
        test="tests/theory/test_a1_rank_one.py tests/theory/test_a2_delta.py tests/theory/test_a4_batch.py",
        code=CODE["Q5"],
        pictures={
            "bits": f"How many bits the signs of a {layer} have, if everything were free, and what is left of them. "
            "The large loss comes from rank one, and every activation has it. Positive inputs take less away. Once "
            "weights and sample are given, only the label is free, and ten labels are 3.3 bits.",
            "bits_batch": "Measured on a small layer (4 x 4) of trained nets: the entropy of the sign patterns that "
            "random batches give. Sigmoid has fewer bits than tanh with one sample. Batches of a few samples have more "
            "than twice as many, in both nets.",
        },
        caveat="An entropy measured from 4000 batches cannot exceed 12 bits, so it is measured on a small layer. Bits "
        "of sign are not speed: the nets with flipped signs (Q7) have all their bits and not one step less.",
        seeds=seeds,
        data={"entropies": entropies, "bits": [free.all_bits, free.bits, positive.bits, math.log2(classes)]},
    )


# ---- pictures --------------------------------------------------------------------------------------------


@style.styled
def plot(finding, picture=None):
    """The Figure of one of the pictures."""
    picture = picture or next(iter(finding.pictures))
    return {"four_weights": draw_tiles, "nearest_update": draw_cosines, "bits": draw_bits, "bits_batch": draw_entropy}[
        picture
    ](finding.data)


def draw_tiles(data):
    """The 16 patterns in three groups."""
    from matplotlib.patches import Rectangle

    every = [np.array([[a, b], [c, d]]) for a in (1, -1) for b in (1, -1) for c in (1, -1) for d in (1, -1)]
    sigmoid, tanh = reachable_patterns(2, 2), reachable_patterns(2, 2, positive=False)
    groups = [
        ("one sample,\nsigmoid or tanh", style.AMBER, [p for p in every if p in sigmoid]),
        ("one sample, tanh\nbut never sigmoid", style.PINK, [p for p in every if p in tanh and p not in sigmoid]),
        ("no single sample;\na batch of two", style.INK, [p for p in every if p not in tanh]),
    ]
    fig = style.figure(5.6, layout=None)
    wide, high = fig.get_size_inches()
    side, gap, top = 0.8, 0.44, high - 0.05  # of a tile, in inches
    for words, colour, patterns in groups:
        rows = len(patterns) // 4
        box = (0.1 / wide, (top - rows * (side + gap)) / high), 7.8 / wide, (rows * (side + gap) - 0.1) / high
        fig.add_artist(Rectangle(*box, facecolor=colour, alpha=0.15, transform=fig.transFigure, zorder=-1))
        fig.text(2.45 / wide, (top - 0.25) / high, f"{len(patterns)} patterns:\n{words}", ha="right", va="top")
        for i, pattern in enumerate(patterns):
            x, y = 3.0 + i % 4 * 1.2, top - i // 4 * (side + gap) - side - 0.22
            ax = fig.add_axes((x / wide, y / high, side / wide, side / high))
            style.coloured(ax, pattern)
            for (k, j), sign in np.ndenumerate(pattern):
                look = {"color": "white", "ha": "center", "va": "center", "weight": "bold"}
                ax.text(j, k, "+" if sign > 0 else "\N{MINUS SIGN}", **look)
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
    for act, shape in (("sigmoid", "o-"), ("tanh", "o--")):
        values, colour = data["cosines"][act], COLOUR[act]
        ax.fill_between(SIZES, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, linewidth=0)
        ax.plot(SIZES, np.median(values, axis=0), shape, color=colour, clip_on=False)
        ax.text(0.03, 0.93 if act == "sigmoid" else 0.84, f"{act} net", color=colour, transform=ax.transAxes)
    batch_axis(ax)
    ax.set(ylabel="cosine of the needed update\nand the nearest of one batch", ylim=(0, 1.02))
    return fig


def draw_bits(data):
    """What is left of the bits."""
    fig = style.figure(3.6)
    ax = fig.subplots()
    names = ["all signs free", "one sample: rank one", "one sample, inputs > 0", "the same, only the label free"]
    for i, (bits, colour) in enumerate(
        zip(data["bits"], (style.INK, style.PINK, style.AMBER, style.GREEN), strict=True)
    ):
        ax.barh(-i, bits, color=colour, height=0.6, alpha=0.85)
        style.label_line(ax, bits, -i, f"{bits:.3g} bits", "black")
    ax.set_yticks([0, -1, -2, -3], names)
    ax.tick_params(axis="y", length=0)
    ax.set(xlim=(0, 1.15 * data["bits"][0]), xlabel=f"bits of sign, layer of {HIDDEN[1]} x {HIDDEN[0]} weights")
    return fig


def draw_entropy(data):
    """Measured entropy against batch size."""
    fig = style.figure(4.4)
    ax = fig.subplots()
    for act, most in (("sigmoid", 4), ("tanh", 7)):
        values, colour = data["entropies"][act], COLOUR[act]
        ax.fill_between(SIZES, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, linewidth=0)
        ax.plot(SIZES, np.median(values, axis=0), "o-", color=colour, clip_on=False)
        ax.plot(1, most, "_", color=colour, markersize=22, markeredgewidth=3, clip_on=False)
        style.label_line(ax, SIZES[-1], np.median(values[:, -1]), act, colour, xytext=(8, 0))
    ax.text(1.3, 1, "the bars: the most that one sample can have, 4 bits (sigmoid) and 7 (tanh)", color=style.INK)
    batch_axis(ax)
    ax.set(ylabel="entropy of the signs of the\n16 weights (bits)", ylim=(0, 12))
    return fig


def batch_axis(ax):
    ax.set_xscale("log", base=2)
    ax.set_xticks(SIZES, [f"{size}" for size in SIZES])
    ax.minorticks_off()
    ax.set_xlabel("samples in the batch")


# ---- to try at home --------------------------------------------------------------------------------------

CODE = {
    "Q4": """\
import numpy as np
from minigrad.diagnostics import nearest_reachable, reachable_patterns

question = np.array([[1, -1], [1, -1]])  # w1, w3 up; w2, w4 down
for name, positive in (("sigmoid", True), ("tanh", False)):
    possible = reachable_patterns(2, 2, positive)
    print(name, possible.count, "of", possible.all, "patterns; the question's among them:", question in possible)
a = np.array([[0.6, 0.5], [0.4, 0.7]])   # outputs of two sigmoids, for two samples
print("cosine, one sample:", nearest_reachable(question, a[:1]).cosine)
print("cosine, two samples:", nearest_reachable(question, a).cosine)
""",
    "Q5": """\
import minigrad as mg
from minigrad.diagnostics import reachable_patterns, sign_entropy_bits

for positive in (False, True):
    layer = reachable_patterns(16, 32, positive)
    print(layer.all_bits, "bits; one sample:", layer.bits, "with a > 0" if positive else "")
x, y, _, _ = mg.datasets.load("digits")
for activation in ("sigmoid", "tanh"):
    net = mg.mlp([64, 16, 4, 4, 10], activation=activation, rng=0)
    g = mg.backprop(net, mg.CrossEntropyLoss(), x / 16, y).gradients["4"]
    print(activation, "4 x 4 layer, measured:", sign_entropy_bits(g), "bits")
""",
}
