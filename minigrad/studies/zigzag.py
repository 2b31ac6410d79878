"""Q7: does the sign rule make gradient descent zig-zag, and does the zig-zag make it slow?"""

import numpy as np

import minigrad as mg
from minigrad.diagnostics import ZigZag, condition_number, spectrum

from . import decomposition, gauges, lab, style
from .claims import q07
from .finding import Number
from .study import register

UNITS, SAMPLES, NEAR = 10, 200, 1e-3  # of the lr sweep; a run is done when its error is NEAR of the first one
SHARES = (0.5, 0.7, 1.0, 1.3, 1.6, 1.8, "best", 1.985, 1.995)  # learning rates, in units of 1 / lambda_1
WANTED, MOST = np.array([1.5, -0.7]), 20000  # the two weights to be found; steps that a run gets


# ---- one neuron ------------------------------------------------------------------------------------------


def inputs(J, seed, centred=False):
    """a (SAMPLES, J): outputs of J sigmoids with z ~ N(0, 1); centred: less their means."""
    a = mg.Sigmoid()(np.random.default_rng(seed).standard_normal((SAMPLES, J)))
    return a - a.mean(axis=0) if centred else a


def learning_rate(a, share):
    """share / lambda_1, lambda_1 the largest curvature of the loss; "best": 2 / (lambda_1 + lambda_J)."""
    curvature = 2 * spectrum(a)  # the mean squared error has no 1/2 before it
    return float(2 / (curvature[0] + curvature[-1]) if share == "best" else share / curvature[0])


def descend(a, wanted, share):
    """(weights (T+1, J), losses): full-batch gradient descent of one neuron from 0 to near `wanted` (J,)."""
    net, y = lab.linear_neuron(np.zeros(len(wanted))), (a @ wanted)[:, None]
    loss, opt = mg.MSELoss(), mg.SGD(learning_rate(a, share))
    path = [np.zeros(len(wanted))]
    losses: list[float] = []
    near = NEAR * np.linalg.norm(wanted)
    while np.linalg.norm(path[-1] - wanted) > near and len(losses) < MOST:
        bp = mg.backprop(net, loss, a, y)
        opt.step(net, bp)
        losses.append(bp.loss)
        path.append(net[0].weight[0].copy())
    return np.array(path), losses


def valley(job):
    """{"steps", "reversals", "detour"} of one run with UNITS inputs: detour is length / net displacement.

    job: (config, (learning rate, centred?), seed).
    """
    _, (share, centred), seed = job
    wanted = np.random.default_rng(seed + 500).standard_normal(UNITS)
    path, _ = descend(inputs(UNITS, seed, centred), wanted, share)
    zigzag = ZigZag.of_weights(path)
    return {"steps": len(path) - 1, "reversals": int(zigzag.reversals[0]), "detour": zigzag.ratio}


def two_weights(seed):
    """The runs of the picture, and a calm one: {name: (a, wanted, path, losses)}."""
    a, flip = inputs(2, seed), np.diag([1.0, -1.0])
    axes = {"as it is": np.eye(2), "flipped": flip, "rotated": gauges.onto_first_axis(a.mean(axis=0))}
    runs = {name: (a @ Q.T, Q @ WANTED, *descend(a @ Q.T, Q @ WANTED, "best")) for name, Q in axes.items()}
    return runs | {"calm": (a, WANTED, *descend(a, WANTED, 1.0))}


# ---- the finding -----------------------------------------------------------------------------------------


def run(config):
    """The finding Q7."""
    deep = decomposition.run(config)
    seeds = config.seeds(3, 10)
    cases = [(share, False) for share in SHARES] + [("best", True)]
    runs = lab.by_case(config, valley, cases, seeds, "lr sweep")
    found = gauges.run(config, seeds)
    pairs = two_weights(config.seed)
    kappas = [condition_number(inputs(UNITS, seed)) for seed in seeds]
    numbers = [
        *gauges.numbers(found),
        *valley_numbers(runs, kappas),
        *two_weights_numbers(pairs),
        *decomposition.numbers(deep),
    ]
    value = {number.name: number.value for number in numbers}
    return [
        q07.WORDS.finding(
            numbers,
            seeds,
            {"pairs": pairs, "runs": runs, "kappa": np.median(kappas)} | found | deep,
            pairs=[value[gauges.PAIRS], value[f"{gauges.PAIRS}, rotated"]],
            change=value[f"{gauges.CHANGE} (SGD, momentum)"],
            units=gauges.UNITS,
            one=value[f"{gauges.COST}: samples, one at a time"],
            all=value[f"{gauges.COST}: steps of all samples at once"],
            slower=value["times the steps of tanh: sigmoid, usual start"],
            adam=value[f"{gauges.CHANGE}, Adam"],
            samples=gauges.STEPS,
            **seen(pairs, runs),
            **decomposition.seen(deep),
        )
    ]


def seen(pairs, runs):
    """What the pictures of one neuron show: steps, how many are single-signed, and what the learning rate does."""
    three = [path for name, (_, _, path, _) in pairs.items() if name != "calm"]
    rates = {share: runs[share, False] for share in (1.0, "best", SHARES[-1])}
    return {
        "steps": [len(path) - 1 for path in three],
        "single": [np.count_nonzero(single_signed(path)) for path in three],
        "detour": [np.median([run["detour"] for run in found]) for found in rates.values()],
        "rate_steps": [np.median([run["steps"] for run in found]) for found in rates.values()],
        "last": SHARES[-1],
    }


def single_signed(path):
    """For each step of a path (T+1, J): 1 where it moves all weights up, -1 where all down, 0 else; (T,)."""
    steps = np.diff(path, axis=0)
    return (steps > 0).all(axis=1) * 1 - (steps < 0).all(axis=1)


def two_weights_numbers(pairs):
    """What the flip and the rotation change of the run with two weights: nothing but the last digits."""
    steps = {name: len(path) - 1 for name, (_, _, path, _) in pairs.items()}
    losses = {name: np.array(run[3]) for name, run in pairs.items()}
    apart = abs(losses["rotated"] - losses["as it is"]).max() if steps["rotated"] == steps["as it is"] else np.inf
    same = 100 * float((losses["flipped"] == losses["as it is"]).all())
    return [
        Number("two weights: steps at the best learning rate", steps["as it is"], "steps", descriptive=True),
        Number("two weights: steps at $1/lambda_1$", steps["calm"], "steps", descriptive=True),
        Number("two weights, flipped: losses equal in every bit", same, "%", expect=(100, 100)),
        Number("two weights, rotated: largest change of a loss", apart, expect=(0, 1e-10)),
    ]


def valley_numbers(runs, kappas):
    """What the learning rate does to zig-zag and steps."""
    best, calm, centred = runs["best", False], runs[1.0, False], runs["best", True]
    slower = [slow["steps"] / fast["steps"] for slow, fast in zip(calm, best, strict=True)]
    faster = [few["steps"] / many["steps"] for few, many in zip(centred, best, strict=True)]
    turns = [100 * run["reversals"] / run["steps"] for run in best]
    subject, fastest, small = f"{UNITS} sigmoid inputs", "at the best learning rate", "at $lr = 1/lambda_1$"
    return [
        Number.of(f"{subject}: steps {fastest}", [run["steps"] for run in best], "steps", descriptive=True),
        Number.of(f"{subject}: reversals in 100 steps {fastest}", turns, expect=(60, 100)),
        Number.of(f"{subject}: reversals {small}", [run["reversals"] for run in calm], theory=0, expect=(0, 0)),
        Number.of(f"{subject}: steps {small} / {fastest}", slower, theory=2, expect=(1.2, 2.05)),
        Number.of(f"{subject}: condition number", kappas, theory=1 + UNITS * 5.763, descriptive=True),
        Number.of(f"{subject}, centred: steps {fastest}", [run["steps"] for run in centred], "steps", descriptive=True),
        Number.of(f"{subject}: steps centred / not centred", faster, expect=(0, 0.3)),
    ]


# ---- pictures --------------------------------------------------------------------------------------------


def draw_paths(data):
    """The same run in three systems of axes: its inputs above, the way of its two weights below."""
    fig = style.figure(6.3)
    titles = {"as it is": "as it is", "flipped": "one sign flipped", "rotated": "rotated"}
    above, below = fig.subplots(2, 3, height_ratios=(2, 3))
    for top, ax, (name, title) in zip(above, below, titles.items(), strict=True):
        a, wanted, path, _ = data["pairs"][name]
        top.plot(*a.T, ".", color=lab.COLOUR["sigmoid"], markersize=3)
        top.axhline(0, color=style.INK, linewidth=0.8)
        top.axvline(0, color=style.INK, linewidth=0.8)
        top.set(xlim=(-1.3, 1.3), ylim=(-1.1, 1.1), aspect="equal", xlabel="input 1", xticks=[-1, 0, 1])
        top.set(yticks=[-1, 0, 1], title=title)
        middle, half = wanted / 2, 1.35
        grid = np.linspace(-half, half, 80)
        u, v = np.meshgrid(middle[0] + grid, middle[1] + grid)
        error = np.stack([u - wanted[0], v - wanted[1]], axis=-1) @ a.T
        ax.contour(u, v, np.sqrt((error**2).mean(axis=-1)), levels=10, colors=style.GREY, alpha=0.6, linewidths=0.8)
        signs = single_signed(path)
        for start, end, sign in zip(path[:-1], path[1:], signs, strict=True):
            colour = (style.INK, style.PLUS, style.MINUS)[sign]
            ax.plot(*np.stack([start, end], axis=1), color=colour, linewidth=1.6)
        ax.plot(*path[0], "o", color="black", markersize=5)
        ax.plot(*wanted, "x", color="black", markersize=9, markeredgewidth=2)
        ax.set_title(f"{len(signs)} steps,\n{np.count_nonzero(signs)} single-signed", fontsize=12)
        ax.set(xlabel="weight 1", xticks=[0, 1], yticks=[-1, 0, 1], aspect="equal")
        ax.set(xlim=(u.min(), u.max()), ylim=(v.min(), v.max()))
    above[0].set_ylabel("input 2")
    below[0].set_ylabel("weight 2")
    fig.supxlabel(" ")  # room for the key
    words = {"both weights up": style.PLUS, "both down": style.MINUS, "one up, one down": style.INK}
    for x, (word, colour) in zip((0.13, 0.42, 0.63), words.items(), strict=True):
        fig.text(x, 0.015, f"■ {word}", color=colour, va="bottom")
    return fig


def draw_rates(data):
    """Detour and steps against the learning rate."""
    fig = style.figure(5.2)
    above, below = fig.subplots(2, 1, sharex=True)
    runs = data["runs"]
    best = 2 - 2 / data["kappa"]
    rates = [best if share == "best" else share for share in SHARES]
    for ax, label, ticks in ((above, "detour", (1, 10, 100)), (below, "steps", (200, 500, 1000))):
        values = np.array([[run[label] for run in runs[share, False]] for share in SHARES])
        lab.band(ax, rates, values.T, lab.COLOUR["sigmoid"], "o-")
        for x in (1, best):
            ax.axvline(x, color=style.INK, linewidth=1, linestyle=":")
        ax.set_yscale("log")
        lab.plain_ticks(ax.yaxis, ticks)
    place = {"xytext": (-6, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
    above.annotate("up to here\nno zig-zag", (1, 30), **place)
    above.annotate("the fastest rate", (best, 60), **place)
    above.set_ylabel("length of the way /\nstraight line")
    below.set_ylabel("steps needed")
    below.set_xlabel("learning rate, in units of 1/λ₁ (at 2 it diverges)")
    return fig


register(
    "zigzag",
    "zig-zag, flipped signs, rotated axes, and what costs in deep nets",
    [q07.WORDS],
    run,
    {
        "zigzag": draw_paths,
        "three_runs": gauges.draw_losses,
        "zigzag_lr": draw_rates,
        "decomposition": decomposition.draw_table,
        "offsets": decomposition.draw_offsets,
    },
)
