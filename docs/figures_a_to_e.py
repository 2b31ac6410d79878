"""The simulated figures of sections A to E of docs/theory.md; theory_figures.py prints them.

A section is a generator function of pairs (what was measured, its values, one for each seed). Where the page's
table was made with other seeds than the usual five, the text of the line says which.
"""

import functools
import math

import numpy as np

import minigrad as mg
from minigrad import diagnostics as dg
from minigrad.layers.activations import ACTIVATIONS

SEEDS = range(5)
TEN = range(10)
LOSS = mg.CrossEntropyLoss()


def over(seeds, measure, *arguments, **options):
    """measure(seed, *arguments, **options) for each seed."""
    return [measure(seed, *arguments, **options) for seed in seeds]


# ---- A5, C3: signs ---------------------------------------------------------------------------------------


def law(seed, N, draws=8000):
    """(share of single-signed rows, of all-plus rows): batches of N samples of 100 sigmoids, normal delta."""
    rng, alike, plus = np.random.default_rng(seed), 0, 0
    for _ in range(draws // 500):
        a = mg.sigmoid(rng.standard_normal((500, N, 100), dtype=np.float32)).astype(float)
        rows = np.einsum("tn,tnj->tj", rng.standard_normal((500, N)), a)
        alike += dg.single_signed_rows(rows).sum()
        plus += (rows > 0).all(axis=1).sum()
    return alike / draws, plus / draws


def digits_net(seed, kind, epochs=0):
    """The gradients of a 64-100-100-10 net on the digits, at the start or after some epochs."""
    x, y, *_ = mg.datasets.load("digits")
    net = mg.mlp([64, 100, 100, 10], kind, rng=seed)
    if epochs:
        mg.fit(net, LOSS, mg.SGD(0.5), x / 16, y, epochs=epochs, batch_size=32, rng=seed, progress=False)
    return mg.backprop(net, LOSS, x / 16, y).gradients


def silent(seed, pairs, N):
    """The share of rows of nothing but zeros in random batches of N."""
    g, rng = pairs[seed], np.random.default_rng(seed)
    return np.mean([(g.delta[rng.choice(len(g.delta), N, replace=False)] == 0).all(axis=0).mean() for _ in range(100)])


def a5():
    """The survival law: random delta, and real ones."""
    for N in (1, 2, 4, 8, 32, 128):
        found = over(SEEDS, law, N)
        yield f"N = {N}: single-signed rows, 100 sigmoids, 8,000 batches a seed", [pair[0] for pair in found]
        yield f"N = {N}: all-plus rows", [pair[1] for pair in found]
    layers = {"output": "4", "second hidden": "2", "first hidden": "0"}
    for kind in ("sigmoid", "relu", "tanh"):
        nets = over(SEEDS, digits_net, kind)
        for name, path in layers.items():
            pairs = [net[path] for net in nets]
            for N in (1, 2, 4, 8, 32, 128, 512):
                shares = [dg.batch_survival(g, N, rng=seed) for seed, g in enumerate(pairs)]
                yield f"digits, {kind}, {name}, N = {N}", shares
            yield f"digits, {kind}, {name}, all 1,438", [dg.single_signed_share(g) for g in pairs]
            yield f"digits, {kind}, {name}, limit of the law", [dg.survival_limit(g.a, rng=0) for g in pairs]
            if kind == "sigmoid":
                errors = [(abs(g.bias) / g.delta.std(axis=0) * math.sqrt(len(g.delta))).max() for g in pairs]
                yield f"digits, sigmoid, {name}, largest |mean delta_k| in standard errors", errors
            if (kind, name) == ("relu", "second hidden"):
                yield "digits, relu, second hidden, N = 128: rows of nothing but zeros", over(SEEDS, silent, pairs, 128)
    trained = [digits_net(seed, "sigmoid", 30)["4"] for seed in SEEDS]
    for N in (8, 32, 128):
        shares = [dg.batch_survival(g, N, rng=seed) for seed, g in enumerate(trained)]
        yield f"digits, sigmoid, output, after 30 epochs (SGD .5, batches of 32), N = {N}", shares


def c3():
    """Cosines of pairs of samples, 400 samples of 300 units."""
    for kind in ("sigmoid", "relu", "elu", "tanh"):
        f = ACTIVATIONS[kind]()
        found = [dg.gram_signs(f(np.random.default_rng(seed).standard_normal((400, 300)))) for seed in SEEDS]
        yield f"{kind}: mean cosine", [pairs.mean_cosine for pairs in found]
        yield f"{kind}: share of pairs with a_m . a_n > 0", [pairs.positive for pairs in found]


# ---- C5 to C9: quadratics --------------------------------------------------------------------------------


def bowl(values, lr, start, target=1e-3, limit=100_000):
    """(steps, reversals and path of the first component over its beginning) of GD; start in H's eigenvectors."""
    error, first = start.copy(), [start[0]]
    while np.linalg.norm(error) > target * np.linalg.norm(start) and len(first) <= limit:
        error = error * (1 - lr * values)
        first.append(error[0])
    moves = np.diff(first)
    seen = moves[abs(moves) > 1e-12 * abs(first[0])]
    return len(first) - 1, int((seen[1:] * seen[:-1] < 0).sum()), abs(moves).sum() / abs(first[0])


def sigmoid_moments():
    """Mean and standard deviation of sigmoid(z) for z ~ N(0, 1)."""
    return ACTIVATIONS["sigmoid"]().moments()


def c5():
    """Zig-zag and the rate: 100 sigmoids, ten normal starts."""
    mean, spread = sigmoid_moments()
    values = np.full(100, spread**2)
    values[0] += 100 * mean**2
    best = 2 / (values[0] + values[-1])
    for name, lr in (("1", 1 / values[0]), ("1.5", 1.5 / values[0]), ("best", best), ("1.999", 1.999 / values[0])):
        runs = [bowl(values, lr, np.random.default_rng(seed).standard_normal(100)) for seed in TEN]
        for label, column in zip(("steps", "reversals", "path along the axis"), zip(*runs, strict=True), strict=True):
            yield f"lr {name} / lambda_1: {label}, seeds 0 to 9", column


def c6():
    """Steps with a bias: 100 sigmoids, ten normal starts, each at the best rate."""
    mean, spread = sigmoid_moments()
    mu = np.append(np.full(100, mean), 1.0)
    H = np.outer(mu, mu) + np.diag(np.append(np.full(100, spread**2), 0.0))
    centred = np.append(np.full(100, spread**2), 1.0)
    for name, values, vectors in (("as they are", *np.linalg.eigh(H)), ("centred", centred, np.eye(101))):
        lr = 2 / (values.max() + values.min())
        starts = [vectors.T @ np.random.default_rng(seed).standard_normal(101) for seed in TEN]
        yield f"inputs {name}: steps to 1e-3, seeds 0 to 9", [bowl(values, lr, start)[0] for start in starts]


def lms_rate(seed, kind, J, centred):
    """How fast ln |e|^2 falls per sample under normalised LMS."""
    f, rng = ACTIVATIONS[kind](), np.random.default_rng(seed)
    mean, e, logs = f.moments()[0] if centred else 0.0, rng.standard_normal(J), []
    for _ in range(40 * J):
        a = f(rng.standard_normal(J)) - mean
        e = e - a * (a @ e) / (a @ a)
        logs.append(np.log(e @ e))
    rest = np.arange(4 * J, 40 * J)
    return -np.polyfit(rest, np.array(logs)[rest], 1)[0]


def c7():
    """The price per single sample: samples needed, over those with centred inputs."""
    for kind in ("sigmoid", "relu"):
        for J in (50, 100, 400):
            price = [lms_rate(seed, kind, J, True) / lms_rate(seed, kind, J, False) for seed in SEEDS]
            yield f"{kind}, J = {J}", price


def tuned_batches(seed, kind, B, J=64):
    """Steps of SGD on fresh batches to a thousandth of the loss, at the best of 36 rates."""
    f, (mean, spread) = ACTIVATIONS[kind](), ACTIVATIONS[kind]().moments()
    H, best = spread**2 * np.eye(J) + mean**2, 3000
    for lr in 2 / (spread**2 + J * mean**2) * np.geomspace(0.01, 1.1, 36)[::-1]:
        rng = np.random.default_rng(seed)
        e = rng.standard_normal(J)
        begin = e @ H @ e
        for step in range(1, best):
            a = f(rng.standard_normal((B, J)))
            e = e - lr / B * ((a @ e) @ a)
            loss = e @ H @ e
            if not 1e-3 * begin <= loss < 100 * begin:
                best = step if loss < 1e-3 * begin else best
                break
    return best


def c8():
    """The critical batch: steps at the tuned rate, J = 64, seeds 0 to 2."""
    for kind in ("tanh", "relu", "sigmoid"):
        for B in (1, 2, 4, 8, 16, 32, 64, 128, 256):
            yield f"{kind}, B = {B}", over(range(3), tuned_batches, kind, B)


def twins_part(seed, sizes):
    """The largest difference of a loss between a sigmoid net and its preconditioned tanh twin, 300 steps."""
    rng = np.random.default_rng(seed)
    net = mg.mlp(sizes, "sigmoid", rng=seed)
    x, y = rng.standard_normal((64, sizes[0])), rng.integers(0, sizes[-1], 64)
    twin, matrices, losses = dg.tanh_twin(net), dg.twin_preconditioner(net), []
    first, second = mg.SGD(0.3), mg.SGD(0.3)
    for _ in range(300):
        bp, other = mg.backprop(net, LOSS, x, y), mg.backprop(twin, LOSS, x, y)
        first.step(net, bp)
        second.step(twin, dg.precondition(other, matrices))
        losses.append(abs(bp.loss - other.loss))
    return max(losses)


def c9():
    """The tanh twin: how far the losses part in 300 steps."""
    for sizes in ([8, 16, 16, 3], [20, 30, 30, 10]):
        yield "-".join(map(str, sizes)), over(SEEDS, twins_part, sizes)


# ---- the crucial experiments -----------------------------------------------------------------------------

DEEP = [64] * 5 + [10]  # five layers with weights
RATES = np.geomspace(0.03, 10, 30)


class Offset(mg.Tanh):
    """a = tanh(z) + c."""

    def __init__(self, c):
        self.c = c

    def forward(self, z):
        a, kept = super().forward(z)
        return a + self.c, kept


def offset_net(seed, c, random_signs=False):
    """tanh + c, with biases that make it start as the function of a plain tanh net."""
    net, layers = mg.mlp(DEEP, "tanh", rng=seed), []
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (4, 64)) if random_signs else np.ones((4, 64))
    for i, layer in enumerate(net):
        layers.append(Offset(c * signs[i // 2]) if i % 2 else layer)
        if i % 2 == 0 and i:
            layer.bias -= layer.weight @ (c * signs[i // 2 - 1])
    return mg.Sequential(*layers)


class FourTimes(mg.CenteredSigmoid):
    """4 (sigma(z) - 1/2)."""

    def forward(self, z):
        a, kept = super().forward(z)
        return 4 * a, kept

    def backward(self, delta, kept):
        return super().backward(4 * delta, kept)


def plain_net(seed, kind, init, four_times=False):
    """A net of the same shape; with four_times its activations count four times."""
    net = mg.mlp(DEEP, kind, init, rng=seed)
    return mg.Sequential(*[FourTimes() if i % 2 else layer for i, layer in enumerate(net)]) if four_times else net


def some_digits(scale=True):
    """256 digits, each pixel centred and divided by its standard deviation; or as they are, 0 to 1."""
    x, y, *_ = mg.datasets.load("digits")
    x, y = x[:256] / 16, y[:256]
    return ((x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9) if scale else x), y


def steps(net, lr, x, y, limit):
    """Full-batch steps to a loss of .01; infinite where it takes more than `limit`, or the loss runs away."""
    opt = mg.SGD(lr)
    for step in range(int(min(limit, 1200)) + 1):
        bp = mg.backprop(net, LOSS, x, y)
        if bp.loss < 0.01:
            return step
        if not bp.loss < 30:
            break
        opt.step(net, bp)
    return math.inf


def tuned(make, scale=True, seeds=range(4)):
    """Steps of each seed at the rate that is best for their median.

    A rate that fails one of the seeds does not count. The search ends on each side of .3 after two worse rates.
    """
    (x, y), best = some_digits(scale), [math.inf] * len(seeds)
    for side in (RATES[RATES >= 0.3], RATES[RATES < 0.3][::-1]):
        worse = 0
        for lr in side:
            middle, counts = np.median(best), []
            with np.errstate(all="ignore"):
                for seed in seeds:
                    counts.append(steps(make(seed), lr, x, y, 2 * middle))
                    if counts[-1] == math.inf:
                        break
            worse = 0 if np.median(counts) < middle else worse + 1
            best = counts if worse == 0 else best
            if worse == 2 and middle < math.inf:
                break
    return best


def rows_of(make, seeds=range(4)):
    """The share of single-signed rows in one sample's gradient, above the first layer."""
    x, y = some_digits()
    nets = [mg.backprop(make(seed), LOSS, x, y).gradients for seed in seeds]
    return [np.mean([dg.single_signed_share(g, per_sample=True) for g in list(net.values())[1:]]) for net in nets]


def crucial():
    """The crucial experiments: full-batch steps to a loss of .01 at the best rate, seeds 0 to 3."""
    for c in (0, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0):
        for name, signs in (("all +c", False), ("random signs", True)):
            make = functools.partial(offset_net, c=c, random_signs=signs)
            yield f"c = {c}, {name}: steps", tuned(make)
            yield f"c = {c}, {name}: single-signed rows", rows_of(make)
    for kind in ("sigmoid", "centered_sigmoid"):
        for init in ("glorot_uniform", "tanh_equivalent"):
            make = functools.partial(plain_net, kind=kind, init=init)
            yield f"{kind}, {init}: steps", tuned(make)
    make = functools.partial(plain_net, kind="centered_sigmoid", init="glorot_uniform", four_times=True)
    yield "4 (sigma - 1/2), glorot_uniform: steps", tuned(make)
    for c in (0, 1.0):
        yield f"c = {c}, pixels as they are, 0 to 1: steps", tuned(functools.partial(offset_net, c=c), scale=False)


# ---- D3: depth -------------------------------------------------------------------------------------------


def gaussian(gain):
    """Weights from N(0, gain^2 / fan-in)."""
    return lambda rng, K, J: rng.normal(0, gain / math.sqrt(J), (K, J))


def random_net(kind, gain, depth, rng, centred=False, residual=False, width=300):
    """`depth` hidden layers and a linear output; centred: with the bias -W 1/2 above the first."""
    layers = []
    for i in range(depth):
        block = [mg.Linear(width, width, init=gaussian(gain), rng=rng), ACTIVATIONS[kind]()]
        if centred and i:
            block[0].bias -= block[0].weight.sum(axis=1) / 2
        layers += [mg.Residual(*block)] if residual else block
    return mg.Sequential(*layers, mg.Linear(width, 10, init=gaussian(gain), rng=rng))


def decades(seed, kind, gain, depth=16, **options):
    """Decades of |delta| per layer (or block), two at each end left out, for 20 normal inputs and targets."""
    rng = np.random.default_rng(seed)
    net = random_net(kind, gain, depth, rng, **options)
    bp = mg.backprop(net, mg.MSELoss(), rng.standard_normal((20, 300)), rng.standard_normal((20, 10)))
    if "residual" in options:
        norms = np.log10([np.linalg.norm(delta) for delta in bp.deltas[: depth + 1]])
        return (norms[0] - norms[-1]) / depth
    return dg.attenuation(bp).decades[2:-2].mean()


def signal(seed, kind, gain, spread, depth=40, width=600):
    """The mean of a^2 after `depth` layers of `width` units, from inputs of standard deviation `spread`."""
    rng = np.random.default_rng(seed)
    a = spread * rng.standard_normal((20, width))
    for _ in range(depth):
        a = ACTIVATIONS[kind]()(a @ rng.normal(0, gain / math.sqrt(width), (width, width)))
    return np.square(a).mean()


def nielsen(seed, hidden, squared):
    """|mean of delta| at each hidden layer of his nets, on 1,000 digits; half the squared error, or cross-entropy."""
    x, y, *_ = mg.datasets.load("digits")
    x, y, rng = x[:1000] / 16, np.eye(10)[y[:1000]], np.random.default_rng(seed)
    net = mg.mlp([64] + [30] * hidden + [10], "sigmoid", init="lecun_normal", rng=rng)
    for layer in net:
        if isinstance(layer, mg.Linear):
            layer.bias[...] = rng.standard_normal(layer.out_features)
    # Both losses are means over the outputs: 10 times BCE is their sum, 5 times MSE half the sum of squares.
    loss, factor = (mg.MSELoss(), 5) if squared else (mg.BCELoss(), 10)
    bp = mg.backprop(mg.Sequential(*net, mg.Sigmoid()), loss, x, y)
    return factor * dg.attenuation(bp).averaged[:-1]


def d3():
    """Depth: decades per layer of width 300, signals in GELU and SiLU nets, and Nielsen's experiment."""
    cases = [("sigmoid", gain, {}) for gain in (1, math.sqrt(2), 4, 10.149)]
    cases += [("sigmoid", 4, {"centred": True}), ("relu", math.sqrt(2), {})]
    cases += [("tanh", 1, {"depth": depth}) for depth in (8, 16, 30, 60)]
    cases += [("sigmoid", gain, {"residual": True}) for gain in (1, 4)]
    for kind, gain, options in cases:
        name = ", ".join(f"{key} {value}" for key, value in options.items())
        yield f"decades per layer: {kind}, gain {gain:.4g} {name}", over(SEEDS, decades, kind, gain, **options)
    for kind in ("gelu", "silu"):
        for spread in (0.3, 5):
            yield f"{kind}, gain 1.5, inputs of std {spread}: a^2 at layer 40", over(SEEDS, signal, kind, 1.5, spread)
    for hidden in (2, 3, 4):
        for squared in (False, True):
            found = np.log([nielsen(seed, hidden, squared) for seed in range(20)])
            label = "half squared error" if squared else "cross-entropy"
            norms = ", ".join(f"{norm:.3g}" for norm in np.exp(found.mean(axis=0)))
            yield f"Nielsen's nets, {hidden} hidden layers, {label}, 20 seeds, geometric mean", norms


BEFORE = {"A5": a5, "C3": c3, "C5": c5, "C6": c6, "C7": c7, "C8": c8, "C9": c9}  # on the page above C10
AFTER = {"crucial": crucial, "D3": d3}  # and below
