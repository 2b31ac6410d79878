"""Q7: does the sign rule make gradient descent zig-zag, and does the zig-zag make it slow?"""

import itertools
from collections.abc import Callable

import numpy as np

import minigrad as mg
from minigrad.diagnostics import ZigZag, condition_number, gauge_flip, single_signed_share, spectrum

from . import decomposition, style
from .decomposition import Shifted
from .finding import Finding, Number

UNITS, SAMPLES, NEAR = 10, 200, 1e-3  # of the lr sweep; a run is done when its error is NEAR of the first one
SHARES = (0.5, 0.7, 1.0, 1.3, 1.6, 1.8, "best", 1.985, 1.995)  # learning rates, in units of 1 / lambda_1
WANTED, MOST = np.array([1.5, -0.7]), 20000  # the two weights to be found; steps that a run gets
OPTIMIZERS: dict[str, Callable[[], mg.Optimizer]] = {
    "SGD": lambda: mg.SGD(lr=0.1),
    "momentum": lambda: mg.SGD(lr=0.02, momentum=0.9),
    "Adam": lambda: mg.Adam(lr=0.005),
}
HIDDEN, STEPS = (32, 16), 150


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

    def look(epoch, net, history):
        path.append(net[0].weight[0].copy())
        return np.linalg.norm(path[-1] - wanted) <= near

    opt, y = mg.SGD(learning_rate(a, share)), (a @ wanted)[:, None]
    how = {"epochs": MOST, "batch_size": len(a), "shuffle": False, "callbacks": [look], "progress": False}
    history = mg.fit(net, mg.MSELoss(), opt, a, y, **how)
    return np.array(path), history.loss


def valley(job):
    """{"steps", "reversals", "detour"} of one run with UNITS inputs: detour is length / net displacement."""
    seed, share, centred = job
    wanted = np.random.default_rng(seed + 500).standard_normal(UNITS)
    path, _ = descend(inputs(UNITS, seed, centred), wanted, share)
    zigzag = ZigZag.of_weights(path)
    return {"steps": len(path) - 1, "reversals": int(zigzag.reversals[0]), "detour": zigzag.ratio}


def two_weights(seed):
    """The three runs of the picture: {name: (a, wanted, path, losses)}."""
    a, turn = inputs(2, seed), np.array([1, -1])
    how = {"best": (a, WANTED, "best"), "calm": (a, WANTED, 1.0), "turned": (a * turn, WANTED * turn, "best")}
    return {name: (a, wanted, *descend(a, wanted, share)) for name, (a, wanted, share) in how.items()}


# ---- a net, and the same net with signs turned -----------------------------------------------------------


def turned_net(net, x, rng):
    """The same function in other signs: half of the inputs and hidden outputs are turned, with their weights."""

    def half(J):
        return rng.permutation(np.resize([1.0, -1.0], J))

    turned, x = gauge_flip(net, x, half(x.shape[1]))
    for i in range(1, len(net), 2):  # the activations
        signs = half(turned[i + 1].in_features)
        turned[i + 1].weight *= signs
        turned.layers[i] = Shifted(turned[i], scale=signs)  # its output is s_j sigma(z_j), not sigma(z_j)
    return turned, x


def gauge(job):
    """One sample at a time, a sigmoid net and its turned twin: percent of single-signed rows of each, of
    losses equal in every bit."""
    config, name, seed = job
    x, y, _, _ = config.load("unit", most=STEPS)
    x = x + 1 / 16  # strictly positive pixels: a pixel of 0 has no sign to turn
    net = mg.mlp([x.shape[1], *HIDDEN, int(y.max()) + 1], "sigmoid", rng=seed)
    seen = []
    for twin, inputs in ((net, x), turned_net(net, x, np.random.default_rng(seed + 1000))):
        losses, rows, opt = [], [], OPTIMIZERS[name]()
        for n in range(len(x)):
            bp = mg.backprop(twin, mg.CrossEntropyLoss(), inputs[n : n + 1], y[n : n + 1])
            rows.append(np.mean([single_signed_share(g) for g in bp.gradients.values()]))
            losses.append(bp.loss)
            opt.step(twin, bp)
        seen.append((np.array(losses), 100 * float(np.mean(rows))))
    (first, before), (second, after) = seen
    return {"before": before, "after": after, "same": 100 * float((first == second).mean())}


# ---- the finding -----------------------------------------------------------------------------------------


def run(config):
    """The finding Q7."""
    deep = decomposition.run(config)
    seeds = config.seeds(3, 10)
    jobs = [(seed, share, False) for share in SHARES for seed in seeds] + [(s, "best", True) for s in seeds]
    runs: dict[tuple, list] = {}
    for (_, share, centred), result in zip(jobs, config.sweep(valley, jobs, "lr sweep"), strict=True):
        runs.setdefault((share, centred), []).append(result)
    turns = config.sweep(gauge, [(config, name, seed) for name in OPTIMIZERS for seed in seeds], "turned signs")
    pairs = two_weights(config.seed)
    steps = {name: len(path) - 1 for name, (_, _, path, _) in pairs.items()}
    same = 100 * float(pairs["best"][3] == pairs["turned"][3])
    kappas = [condition_number(inputs(UNITS, seed)) for seed in seeds]
    numbers = [*gauge_numbers(turns), *valley_numbers(runs, kappas)]
    numbers += [
        Number("two weights: steps at the best learning rate", steps["best"], "steps", descriptive=True),
        Number("two weights: steps at 1/lambda_1", steps["calm"], "steps", descriptive=True),
        Number("two weights, signs turned: runs with the same losses in every bit", same, "%", expect=(100, 100)),
        *decomposition.numbers(deep),
    ]
    after = {n.name: n.value for n in numbers}
    slower = after["times the steps of tanh: sigmoid, usual start"]
    plus = np.median(deep["nets"]["tanh + 1"]["steps"]) / np.median(deep["nets"]["tanh"]["steps"])
    return Finding(
        id="Q7",
        kind="not the cause",
        verdict="Turn the signs of inputs and weights: no row is single-signed any more, and every loss stays "
        "the same to the last bit. What makes sigmoid slow is its small slope at the start and the mean of its "
        "outputs; zig-zag is a sign of a large learning rate.",
        deciding=f"signs turned: {numbers[0].value:.0f} → {numbers[1].value:.1f} % single-signed rows, "
        f"{numbers[2].value:.0f} % of the losses identical; five layers: sigmoid needs {slower:.1f} times the "
        f"steps of tanh, tanh + 1 (all positive) {plus:.1f} times",
        numbers=numbers,
        theorem="Sign turning: a_j → s_j a_j, w_kj → s_j w_kj leaves z, delta and the loss as they are, and "
        "commutes with SGD, momentum, RMSprop and Adam, since negation is exact. What counts is H = E[a aᵀ]: "
        "for J units of mean/spread r its condition number is 1 + J r², whatever the signs. A step lr "
        "multiplies the error along its steepest axis by 1 − lr λ₁: no zig-zag up to lr = 1/λ₁, one at every "
        "step at the fastest rate.",
        test="tests/theory/test_c1_gauge.py tests/theory/test_c4_conditioning.py tests/theory/test_c5_zigzag.py "
        "tests/theory/test_c9_tanh_twin.py",
        code=CODE,
        pictures=PICTURES,
        caveat="A positive mean of the activations does cost: tanh + 1 is slower than tanh, and centring "
        "sigmoid helps. But it costs as much when the offsets have random signs. The signs say which direction "
        "is the steepest, not how steep it is. Turning signs is exact for optimisers that treat each weight "
        "alone, as all common ones do. The step counts are of small nets on few data; their order is what "
        "carries over.",
        seeds=seeds,
        data={"pairs": pairs, "runs": runs, "kappa": np.median(kappas)} | deep,
    )


def gauge_numbers(turns):
    what = "single-signed rows per sample of a sigmoid net while it learns"
    return [
        Number.of(what, [t["before"] for t in turns], "%", theory=100, expect=(100, 100)),
        Number.of(f"{what}, signs turned", [t["after"] for t in turns], "%", theory=0, expect=(0, 2)),
        Number.of(
            "losses equal in every bit, signs turned (SGD, momentum, Adam)",
            [t["same"] for t in turns],
            "%",
            theory=100,
            expect=(100, 100),
        ),
    ]


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
    "zigzag": "One neuron with two sigmoid inputs looks for its two weights (the cross), by gradient descent on "
    "200 samples. Orange steps raise both weights, blue ones lower both, dark ones raise one and lower the other. "
    "Left: the textbook zig-zag, at the best learning rate. Middle: at 1/λ₁, about half that rate, no zig-zag, and "
    "almost twice the steps. Right: the left run with the sign of one input and its weight turned. Not one "
    "step is single-signed, and all losses are the same to the last bit.",
    "zigzag_lr": "The same neuron with ten inputs, at learning rates from small to almost too large. Up to 1/λ₁ "
    "there is no zig-zag. From there to the best rate the zig-zag grows and the run gets faster. Only beyond it "
    "does more zig-zag mean slower.",
    "decomposition": "Nets of five layers. Three of the seven have single-signed rows (amber). The "
    "sigmoid net with its usual start is by far the slowest; started so that it computes what the tanh net "
    "computes, it is not slow. Nor is tanh + 1, all of whose outputs are positive. All three obey the same sign "
    "rule.",
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
        "zigzag_lr": draw_rates,
        "decomposition": decomposition.draw_table,
        "offsets": decomposition.draw_offsets,
    }[picture](finding.data)


def draw_paths(data):
    """The two weights of three runs."""
    fig = style.figure(4.1)
    titles = {"best": "best learning rate", "calm": "rate 1/λ₁", "turned": "one sign turned"}
    for ax, (name, title) in zip(fig.subplots(1, 3), titles.items(), strict=True):
        a, wanted, path, _ = data["pairs"][name]
        middle, half = wanted / 2, 1.35
        grid = np.linspace(-half, half, 80)
        u, v = np.meshgrid(middle[0] + grid, middle[1] + grid)
        error = np.stack([u - wanted[0], v - wanted[1]], axis=-1) @ a.T
        ax.contour(u, v, np.sqrt((error**2).mean(axis=-1)), levels=10, colors="#BBBBBB", linewidths=0.8)
        shares = {style.PLUS: 0, style.MINUS: 0, style.INK: 0}
        for start, end in itertools.pairwise(path):
            step = end - start
            colour = style.PLUS if (step > 0).all() else style.MINUS if (step < 0).all() else style.INK
            shares[colour] += 1
            ax.plot(*np.stack([start, end], axis=1), color=colour, linewidth=1.6)
        ax.plot(*path[0], "o", color="black", markersize=5)
        ax.plot(*wanted, "x", color="black", markersize=9, markeredgewidth=2)
        single = shares[style.PLUS] + shares[style.MINUS]
        ax.set_title(f"{title}:\n{len(path) - 1} steps,\n{single} single-signed", fontsize=12)
        ax.set(xlabel="weight 1", xlim=(u.min(), u.max()), ylim=(v.min(), v.max()), aspect="equal")
        ax.set(xticks=[0, 1], yticks=[-1, 0, 1])
    fig.axes[0].set_ylabel("weight 2")
    fig.supxlabel(" ")  # room for the key
    words = {"both weights up": style.PLUS, "both down": style.MINUS, "one up, one down": style.INK}
    for x, (word, colour) in zip((0.13, 0.42, 0.63), words.items(), strict=True):
        fig.text(x, 0.02, f"■ {word}", color=colour, va="bottom")
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
from minigrad.diagnostics import gauge_flip, single_signed_share

x, y, _, _ = mg.datasets.load("digits")
x = (x[:500] + 1) / 17                                      # all pixels positive
net = mg.mlp([64, 32, 10], activation="sigmoid", rng=0)
turned, turned_x = gauge_flip(net, x, np.tile([1, -1], 32)) # every other pixel, and its weights: sign turned
for net, x in ((net, x), (turned, turned_x)):
    g = mg.backprop(net, mg.CrossEntropyLoss(), x[:1], y[:1]).gradients["0"]
    history = mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(lr=0.1), x, y[:500], epochs=3, batch_size=1, rng=0)
    print(single_signed_share(g), "of the rows single-signed; losses", history.loss)
"""
