"""Q7: does the sign rule make gradient descent zig-zag, and does the zig-zag make it slow?"""

import itertools

import numpy as np

import minigrad as mg
from minigrad.diagnostics import ZigZag, condition_number, spectrum

from . import decomposition, gauges, style
from .finding import Finding, Number

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
    net = mg.Sequential(mg.Linear(len(wanted), 1, bias=False))
    net[0].weight[...] = 0
    path = [net[0].weight[0].copy()]
    near = NEAR * np.linalg.norm(wanted)

    def near_enough(epoch, net, history):
        path.append(net[0].weight[0].copy())
        return np.linalg.norm(path[-1] - wanted) <= near

    opt, y = mg.SGD(learning_rate(a, share)), (a @ wanted)[:, None]
    history = mg.fit(
        net,
        mg.MSELoss(),
        opt,
        a,
        y,
        epochs=MOST,
        batch_size=len(a),
        shuffle=False,
        callbacks=[near_enough],
        progress=False,
    )
    return np.array(path), history.loss


def valley(job):
    """{"steps", "reversals", "detour"} of one run with UNITS inputs: detour is length / net displacement."""
    seed, share, centred = job
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
    jobs = [(seed, share, False) for share in SHARES for seed in seeds] + [(s, "best", True) for s in seeds]
    runs: dict[tuple, list] = {}
    for (_, share, centred), result in zip(jobs, config.sweep(valley, jobs, "lr sweep"), strict=True):
        runs.setdefault((share, centred), []).append(result)
    found = gauges.run(config, seeds)
    pairs = two_weights(config.seed)
    steps = {name: len(path) - 1 for name, (_, _, path, _) in pairs.items()}
    losses = {name: np.array(run[3]) for name, run in pairs.items()}
    apart = abs(losses["rotated"] - losses["as it is"]).max() if steps["rotated"] == steps["as it is"] else np.inf
    same = 100 * float((losses["flipped"] == losses["as it is"]).all())
    kappas = [condition_number(inputs(UNITS, seed)) for seed in seeds]
    numbers = [
        *gauges.numbers(found),
        *valley_numbers(runs, kappas),
        Number("two weights: steps at the best learning rate", steps["as it is"], "steps", descriptive=True),
        Number("two weights: steps at 1/lambda_1", steps["calm"], "steps", descriptive=True),
        Number("two weights, flipped: losses equal in every bit", same, "%", expect=(100, 100)),
        Number("two weights, rotated: largest change of a loss", apart, expect=(0, 1e-10)),
        *decomposition.numbers(deep),
    ]
    by_name = {n.name: n.value for n in numbers}
    slower = by_name["times the steps of tanh: sigmoid, usual start"]
    return Finding(
        id="Q7",
        kind="not the cause",
        verdict="Rotate the inputs of every layer, and its weights with them: the updates no longer share one "
        "pair of opposite orthants, and plain gradient descent and momentum have the same losses. So orthants are "
        "not what makes them slow: the mean of the inputs is, for which single samples pay a constant factor of 4 "
        "and batches a factor that grows with the width. Adam takes the axes one by one: for it, where the mean "
        "points counts as well.",
        deciding=f"{gauges.deciding(numbers)}; five layers: sigmoid needs {slower:.1f} times the steps of tanh",
        numbers=numbers,
        theorem="Rotation: SGD and momentum know the inputs of a linear layer only through a_m · a_n and the first "
        "outputs, so a → Q a, W → W Qᵀ leaves every loss as it is, for each orthogonal Q. Sign flip: Q with ±1 on "
        "its diagonal, exact to the last bit, and for RMSprop and Adam too. What counts is H = E[a aᵀ]: for J units of "
        "mean/spread r its condition number is 1 + J r², and no step size for each weight makes it smaller; with "
        "the mean along one axis the right ones make it 1. One sample at a time the price is 1 + r²/2. A step lr "
        "multiplies the error along the steepest axis by 1 − lr λ₁: no zig-zag up to lr = 1/λ₁, one at every step "
        "at the fastest rate.",
        test="tests/theory/test_c10_rotation.py tests/theory/test_c1_gauge.py tests/theory/test_c11_diagonal.py "
        "tests/theory/test_c12_outlier.py tests/theory/test_c4_conditioning.py tests/theory/test_c5_zigzag.py "
        "tests/theory/test_c7_single_sample.py tests/theory/test_c9_tanh_twin.py",
        code=CODE,
        pictures=PICTURES,
        caveat="The lecture speaks of single samples, and there it is right up to a constant: rows are single-signed, "
        "and alike inputs cost 1 + r²/2 = 3.9 times the samples. But that constant is the mean's as well, for it "
        "survives the rotation. The signs say which direction is the steepest, not how steep it is: offsets of random "
        "sign cost as much as positive ones. Flips are exact for all optimisers here, rotations to rounding, and only "
        "for SGD and momentum. The step counts are of small nets on few data; their order is what carries over.",
        seeds=seeds,
        data={"pairs": pairs, "runs": runs, "kappa": np.median(kappas)} | found | deep,
    )


def valley_numbers(runs, kappas):
    best, calm, centred = runs["best", False], runs[1.0, False], runs["best", True]
    slower = [slow["steps"] / fast["steps"] for slow, fast in zip(calm, best, strict=True)]
    faster = [few["steps"] / many["steps"] for few, many in zip(centred, best, strict=True)]
    turns = [100 * run["reversals"] / run["steps"] for run in best]
    who, fastest, small = f"{UNITS} sigmoid inputs", "at the best learning rate", "at lr = 1/lambda_1"
    return [
        Number.of(f"{who}: steps {fastest}", [run["steps"] for run in best], "steps", descriptive=True),
        Number.of(f"{who}: reversals in 100 steps {fastest}", turns, expect=(60, 100)),
        Number.of(f"{who}: reversals {small}", [run["reversals"] for run in calm], theory=0, expect=(0, 0)),
        Number.of(f"{who}: steps {small} / {fastest}", slower, theory=2, expect=(1.2, 2.05)),
        Number.of(f"{who}: condition number", kappas, theory=1 + UNITS * 5.763, descriptive=True),
        Number.of(f"{who}, centred: steps {fastest}", [run["steps"] for run in centred], "steps", descriptive=True),
        Number.of(f"{who}: steps centred / not centred", faster, expect=(0, 0.3)),
    ]


PICTURES = {
    "zigzag": "The same run three times: one neuron with two sigmoid inputs (above: 200 samples) looks for its "
    "two weights (the cross, below) by gradient descent at the best learning rate. Orange steps raise both weights, "
    "blue ones lower both, dark ones raise one and lower the other. Left: the textbook zig-zag. Middle: the sign of "
    "one input and its weight flipped; no step is single-signed, but all inputs still lie in one quadrant. Right: "
    "inputs and weights rotated; the inputs lie in no common quadrant, and every other step is single-signed. The "
    "losses are the same, in the middle to the last bit, on the right to rounding: what makes it slow is not "
    "which quadrant the inputs lie in, but how far their mean is from 0.",
    "three_runs": "Nets of sigmoids learn digits, a sample at a time: as they are, flipped, and with the inputs of "
    "every layer rotated so that their mean lies along one axis. SGD and momentum do not notice: three lines are "
    "one. Adam does not notice the flip, but takes the axes one by one, and so goes another way in rotated ones.",
    "zigzag_lr": "The same neuron with ten inputs, at learning rates from small to almost too large. Up to 1/λ₁ "
    "there is no zig-zag. From there the zig-zag grows and the run gets faster, up to about the rate that is "
    "best in the worst case, 2/(λ₁+λ_J). Only beyond it does more zig-zag mean slower.",
    "decomposition": "Nets of five layers. Three of the seven have single-signed rows (amber). The "
    "sigmoid net with its usual start is by far the slowest; started so that it computes what the tanh net "
    "computes, it needs less than twice tanh's steps, and tanh + 1, all of whose outputs are positive, little "
    "more. All three obey the same sign rule. Ticks are single seeds.",
    "offsets": "Nets of five tanh layers whose outputs are shifted by c (amber), all starting as the same function. "
    "Above: how many rows are single-signed. Below: the steps they need. When the shift has a random sign for "
    "each unit (green), the signs are mixed, and the cost is the same: it is the size of the mean that counts.",
}


# ---- pictures --------------------------------------------------------------------------------------------


@style.styled
def plot(finding, picture=None):
    """The Figure of one of the pictures."""
    picture = picture or next(iter(finding.pictures))
    return {
        "zigzag": draw_paths,
        "three_runs": gauges.draw_losses,
        "zigzag_lr": draw_rates,
        "decomposition": decomposition.draw_table,
        "offsets": decomposition.draw_offsets,
    }[picture](finding.data)


def draw_paths(data):
    """The same run in three systems of axes: its inputs above, the way of its two weights below."""
    fig = style.figure(6.3)
    titles = {"as it is": "as it is", "flipped": "one sign flipped", "rotated": "rotated"}
    above, below = fig.subplots(2, 3, height_ratios=(2, 3))
    for top, ax, (name, title) in zip(above, below, titles.items(), strict=True):
        a, wanted, path, _ = data["pairs"][name]
        top.plot(*a.T, ".", color=style.GREEN, markersize=3)
        top.axhline(0, color=style.INK, linewidth=0.8)
        top.axvline(0, color=style.INK, linewidth=0.8)
        top.set(xlim=(-1.3, 1.3), ylim=(-1.1, 1.1), aspect="equal", xlabel="input 1", xticks=[-1, 0, 1])
        top.set(yticks=[-1, 0, 1], title=title)
        middle, half = wanted / 2, 1.35
        grid = np.linspace(-half, half, 80)
        u, v = np.meshgrid(middle[0] + grid, middle[1] + grid)
        error = np.stack([u - wanted[0], v - wanted[1]], axis=-1) @ a.T
        ax.contour(u, v, np.sqrt((error**2).mean(axis=-1)), levels=10, colors="#BBBBBB", linewidths=0.8)
        single = 0
        for start, end in itertools.pairwise(path):
            step = end - start
            colour = style.PLUS if (step > 0).all() else style.MINUS if (step < 0).all() else style.INK
            single += colour != style.INK
            ax.plot(*np.stack([start, end], axis=1), color=colour, linewidth=1.6)
        ax.plot(*path[0], "o", color="black", markersize=5)
        ax.plot(*wanted, "x", color="black", markersize=9, markeredgewidth=2)
        ax.set_title(f"{len(path) - 1} steps,\n{single} single-signed", fontsize=12)
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
    shares = [best if share == "best" else share for share in SHARES]
    for ax, what, colour in ((above, "detour", style.PINK), (below, "steps", style.GREEN)):
        values = np.array([[run[what] for run in runs[share, False]] for share in SHARES])
        ax.plot(shares, np.median(values, axis=1), "o-", color=colour)
        ax.fill_between(shares, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.2, linewidth=0)
        for x in (1, best):
            ax.axvline(x, color=style.INK, linewidth=1, linestyle=":")
        ax.set_yscale("log")
        ticks = (1, 10, 100) if what == "detour" else (200, 500, 1000)
        ax.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
        ax.minorticks_off()
    where = {"xytext": (-6, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
    above.annotate("up to here\nno zig-zag", (1, 30), **where)
    above.annotate("the fastest rate", (best, 60), **where)
    above.set_ylabel("length of the way /\nstraight line", color=style.PINK)
    below.set_ylabel("steps needed", color=style.GREEN)
    below.set_xlabel("learning rate, in units of 1/λ₁ (at 2 it diverges)")
    return fig


# ---- to try at home --------------------------------------------------------------------------------------

CODE = """\
import minigrad as mg
import numpy as np
from minigrad.diagnostics import gauge_flip, orthant_pairs, rotate, single_signed_share

x, y, _, _ = mg.datasets.load("digits")
x, y = (x[:500] + 1) / 17, y[:500]                          # all pixels positive
net = mg.mlp([64, 32, 10], activation="sigmoid", rng=0)
v = x.mean(axis=0) / np.linalg.norm(x.mean(axis=0)) - np.eye(64)[0]
Q = np.eye(64) - 2 * np.outer(v, v) / (v @ v)               # turns the mean onto the first axis
for net, x in ((net, x), gauge_flip(net, x, np.tile([1, -1], 32)), rotate(net, x, Q)):
    g = mg.backprop(net, mg.CrossEntropyLoss(), x, y).gradients["0"]
    print(single_signed_share(g, per_sample=True), "of the rows single-signed,", orthant_pairs(g), "of the pairs")
    print(mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(lr=0.1), x, y, epochs=3, batch_size=1, rng=0).loss)
"""
