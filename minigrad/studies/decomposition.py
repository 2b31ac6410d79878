"""Q7 on deep nets: what of sigmoid costs steps: its small slope, its mean, or the one sign of its outputs?"""

import numpy as np

import minigrad as mg
from minigrad.diagnostics import single_signed_share

from . import lab, style
from .finding import Number

HIDDEN_LAYERS = 4  # five layers of weights
TARGET = 0.05  # a run is done when the mean loss of an epoch is there
MOST = 150  # epochs that any run gets
FULL = 90  # percent of single-signed rows from which a bar is drawn full

# name -> what the picture says about it. All start as the same function where that is possible.
NETS = {
    "tanh": "tanh: the yardstick",
    "sigmoid": "sigmoid, usual start",
    "sigmoid, start of tanh": "sigmoid, started as the tanh net",
    "sigmoid - 1/2": "sigmoid − ½, usual start",
    "sigmoid - 1/2, start of tanh": "sigmoid − ½, started as the tanh net",
    "4 (sigmoid - 1/2)": "4 (sigmoid − ½): slope 1, mean 0",
    "tanh + 1": "tanh + 1: all outputs positive",
}
OFFSETS, OFFSETS_FULL = (0.0, 0.5, 0.9, 1.1, 1.5), (0.0, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)


class Shifted(mg.Layer, abstract=True):
    """a = scale f(z) + shift, for an activation f; scale and shift are numbers or one per unit (J,)."""

    def __init__(self, f, shift=0.0, scale=1.0):
        self.f, self.shift, self.scale = f, np.float32(shift), np.float32(scale)

    def forward(self, z):
        a, saved = self.f.forward(z)
        return self.scale * a + self.shift, saved

    def backward(self, delta, saved):
        return self.f.backward(self.scale * delta, saved)


# ---- the nets --------------------------------------------------------------------------------------------


def build(name, sizes, seed, offset=None):
    """One of NETS; or, with an offset (a number or one per unit), tanh + offset started as the tanh net."""
    if name.startswith("sigmoid"):
        activation = "centered_sigmoid" if "1/2" in name else "sigmoid"
        init = "tanh_equivalent" if "start" in name else "glorot_uniform"
        return lab.net(sizes, activation, init, seed=seed, dtype=np.float32)
    net = lab.net(sizes, "tanh", seed=seed, dtype=np.float32)
    if name == "tanh + 1":
        offset = 1.0
    layers = []
    for i, layer in enumerate(net):
        if isinstance(layer, mg.Linear):
            if i > 0 and offset is not None:  # take the offset out again, so that the function is the same
                layer.bias -= layer.weight @ np.broadcast_to(np.float32(offset), layer.in_features)
        elif name.startswith("4"):
            layer = Shifted(mg.CenteredSigmoid(), scale=4)
        elif offset is not None:
            layer = Shifted(layer, offset)
        layers.append(layer)
    return mg.Sequential(*layers)


def problem(config):
    """(x, y, sizes): some of the data, centred so that the first layer costs nobody anything."""
    samples, width = (512, 64) if config.full else (256, 32)
    x, y, _, _ = config.load("unit")
    x, y = x[:samples] - x[:samples].mean(axis=0), y[:samples]
    return (x / x.std()).astype(np.float32), y, lab.sizes(x, [width] * HIDDEN_LAYERS, y)


# ---- runs ------------------------------------------------------------------------------------------------


def tuned(job):
    """{"steps": one per seed, "lr", "rows": %} of a net at its best learning rate of a common grid.

    job: (config, name, offset, random signs?). steps until the loss is at TARGET, in steps of a mini-batch; rows:
    single-signed rows per sample in the layers behind a hidden one, after training. The first seed tries the grid from
    above, all seeds its best rate and the two beside it.
    """
    config, name, offset, random_signs = job
    x, y, sizes = problem(config)
    seeds, finer = config.seeds(3, 10), 2 if config.full else 1
    shares = []

    def epochs(lr, seed, most):
        shift = offset
        if random_signs:
            shift = offset * np.random.default_rng(seed + 1000).choice([-1.0, 1.0], sizes[1])
        net = build(name, sizes, seed, shift)
        needed = epochs_needed(net, x, y, lr, seed, most)
        if needed < np.inf:
            shares.append(rows_per_sample(net, x, y))
        return needed

    grid = list(2.0 ** (np.arange(4 * finer, -4 * finer - 1, -1) / finer))
    tried = list(lab.search_rates(grid, lambda lr, most: epochs(lr, seeds[0], most), MOST).values())
    best = int(np.argmin(tried))
    most = min(MOST, 3 * tried[best])
    beside = range(max(0, best - 1), min(len(tried), best + 2))
    found = {i: [tried[i]] + [epochs(grid[i], s, most) for s in seeds[1:]] for i in beside}
    best = min(found, key=lambda i: np.median(found[i]))
    steps = [float(needed * -(-len(x) // lab.BATCH)) for needed in found[best]]
    return {"steps": steps, "lr": float(grid[best]), "rows": float(np.mean(shares or [np.nan]))}


def epochs_needed(net, x, y, lr, seed, most):
    """Epochs until the loss is at TARGET; inf where that takes more than `most`, or where it runs away."""
    return lab.epochs_to(TARGET, lab.losses_until(net, mg.SGD(lr), x, y, TARGET, most, seed))


def rows_per_sample(net, x, y):
    """Percent of single-signed rows per sample, of those that are not zero, in all layers but the first."""
    gradients = list(mg.backprop(net, lab.LOSS, x[:200], y[:200]).gradients.values())[1:]
    return 100 * float(np.mean([single_signed_share(g, per_sample=True) for g in gradients]))


def run(config):
    """{"nets": {name: result}, "offsets": {(offset, random signs?): result}} of `tuned`."""
    offsets = OFFSETS_FULL if config.full else (0.0, 0.5, 1.5) if config.quick else OFFSETS
    jobs: list[tuple] = [(config, name, None, False) for name in NETS]
    jobs.sort(key=lambda job: not job[1].startswith("sigmoid"))  # the long ones first
    jobs += [(config, "offset", c, signs) for c in offsets if c for signs in (False, True)]
    nets: dict[str, dict] = {}
    shifted: dict[tuple, dict] = {}
    for (_, name, c, signs), result in zip(jobs, config.sweep(tuned, jobs, "deep nets"), strict=True):
        if name == "offset":
            shifted[c, signs] = result
        else:
            nets[name] = result
    shifted[0.0, False] = shifted[0.0, True] = nets["tanh"]
    return {"nets": {name: nets[name] for name in NETS}, "offsets": shifted}


def numbers(result):
    """The numbers of Q7 that these runs give."""
    nets, offsets = result["nets"], result["offsets"]
    steps = {name: np.median(net["steps"]) for name, net in nets.items()}
    found = [
        Number.of(f"steps to a loss of {TARGET}, {name}", net["steps"], "steps", descriptive=True)
        for name, net in nets.items()
    ]
    plain, twin, plus = steps["sigmoid"], steps["sigmoid, start of tanh"], steps["tanh + 1"]
    largest = max(c for c, _ in offsets)
    same = [np.median(r["steps"]) for r in (offsets[largest, False], offsets[largest, True])]
    found += [
        Number("times the steps of tanh: sigmoid, usual start", plain / steps["tanh"], expect=(4, None)),
        Number("times the steps of tanh: sigmoid, started as the tanh net", twin / steps["tanh"], descriptive=True),
        Number("steps, sigmoid: usual start / started as the tanh net", plain / twin, expect=(2.5, None)),
        Number("steps, all positive: tanh + 1 / sigmoid, usual start", plus / plain, expect=(0, 0.5)),
        Number("single-signed rows per sample, tanh + 1", nets["tanh + 1"]["rows"], "%", expect=(99, 100)),
        Number(f"steps, tanh ± {largest:g} / tanh + {largest:g}", same[1] / same[0], expect=(0.6, 1.7)),
        Number(
            f"single-signed rows per sample, tanh ± {largest:g}",
            offsets[largest, True]["rows"],
            "%",
            expect=(0, 5),
        ),
    ]
    if (0.9, False) in offsets:  # not in a quick run
        below, above = (np.median(offsets[c, False]["steps"]) for c in (0.9, 1.1))
        found.append(Number("steps, tanh + 1.1 / tanh + 0.9", above / below, expect=(0.8, 2)))
    return found


def seen(result):
    """What the pictures show: the bars, and where the lines over the offset begin and end."""
    nets, offsets = result["nets"], result["offsets"]
    steps = {name: np.median(net["steps"]) for name, net in nets.items()}
    largest = max(c for c, _ in offsets)
    ends = [offsets[0.0, False], offsets[largest, False], offsets[largest, True]]
    full = {name: " (full)" if net["rows"] > FULL else "" for name, net in nets.items()}
    order = sorted(steps, key=lambda name: -steps[name])
    return {
        "bars": ", ".join(f"{steps[name]:,.0f} for {name}{full[name]}" for name in order),
        "target": TARGET,
        "twin": steps["sigmoid, start of tanh"] / steps["tanh"],
        "plus": steps["tanh + 1"] / steps["tanh"],
        "largest": largest,
        "rows": [end["rows"] for end in ends],
        "shifted": [np.median(end["steps"]) for end in ends],
    }


# ---- pictures --------------------------------------------------------------------------------------------


def draw_table(data):
    """Steps of each net, in the colour of its activation; a full bar where every row of one sample has one sign."""
    nets = data["nets"]
    fig = style.figure(4.4)
    ax = fig.subplots()
    order = sorted(nets, key=lambda name: np.median(nets[name]["steps"]), reverse=True)
    for i, name in enumerate(order):
        steps, colour = nets[name]["steps"], colour_of(name)
        bar = {"facecolor": colour, "alpha": 0.85} if nets[name]["rows"] > FULL else {"facecolor": "white"}
        ax.barh(i, np.median(steps), edgecolor=colour, linewidth=2, height=0.6, **bar)
        ax.plot(steps, [i] * len(steps), "|", color="black", markersize=12, markeredgewidth=1.5)
        style.label_line(ax, max(steps), i, f"{np.median(steps):,.0f} steps", "black", xytext=(8, 0))
    ax.set_yticks(range(len(order)), [NETS[name] for name in order])
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(0, 1.25 * max(max(net["steps"]) for net in nets.values()))
    ax.set_xlabel(f"steps to a loss of {TARGET}, learning rate tuned")
    for height, words in ((0.97, "■ every row of a sample has one sign"), (0.88, "□ rows have both signs")):
        ax.text(1, height, words, transform=ax.transAxes, ha="right", va="top", weight="bold")
    return fig


def colour_of(name):
    """The colour of a net is that of its activation."""
    return lab.COLOUR["tanh" if "tanh" in name.split(",")[0] else "centered_sigmoid" if "1/2" in name else "sigmoid"]


def draw_offsets(data):
    """tanh + c: single-signed rows above, steps below, against c."""
    offsets, colour = data["offsets"], lab.COLOUR["tanh"]
    fig = style.figure(5.2)
    above, below = fig.subplots(2, 1, sharex=True)
    names = {False: "━ tanh + c", True: "╍ tanh ± c, the sign drawn for each unit"}
    for signs, line, fill, aside in ((False, "o-", colour, -0.008), (True, "s--", "white", 0.008)):
        sizes = sorted(c for c, drawn in offsets if drawn == signs)
        results = [offsets[c, signs] for c in sizes]
        steps = np.array([r["steps"] for r in results])
        above.plot(sizes, [r["rows"] for r in results], line, color=colour, markerfacecolor=fill)
        below.plot(sizes, np.median(steps, axis=1), line, color=colour, markerfacecolor=fill)
        for c, dots in zip(sizes, steps, strict=True):
            below.plot([c + aside] * len(dots), dots, line[0], color=colour, markersize=4, markerfacecolor=fill)
        place = {"xytext": (0, 14 if signs else -14), "ha": "right"}
        style.label_line(above, sizes[-1], results[-1]["rows"], ("tanh + c", "tanh ± c")[signs], colour, **place)
        below.text(0.02, 0.82 if signs else 0.95, names[signs], color=colour, transform=below.transAxes, va="top")
    for ax in (above, below):
        ax.axvline(1, color=style.INK, linewidth=1, linestyle=":")
    place = {"xytext": (-6, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
    above.annotate("right of the line\ntanh + c is never\nnegative", (0.86, 65), **place)
    above.set(ylabel="single-signed rows\nper sample (%)", ylim=(-5, 105))
    below.set(xlabel="size c of the offset", ylabel=f"steps to a loss\nof {TARGET}", ylim=(0, None))
    return fig
