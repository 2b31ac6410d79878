"""Problems of every kind, healthy and absurd: what diagnose must have an answer to, whatever it says."""

import numpy as np
from own_layers import Counter, Gain, LowRank, Scale, Square
from rule_cases import (
    CE,
    CLASS,
    LOGITS,
    MSE,
    VALUE,
    YES,
    OwnSquare,
    Picky,
    Problem,
    Softmax,
    X,
    linear,
    regressor,
    relu,
    sequential,
)
from rule_cases import classifier as _classifier

import minigrad as mg

RNG = np.random.default_rng(30)
POSITIONS = RNG.standard_normal((60, 5, 4))
AT_EACH = (POSITIONS[..., 0] > 0).astype(int) + (POSITIONS[..., 1] > 0)


class Sine(mg.Layer):
    """a = sin z."""

    def forward(self, z):
        return np.sin(z), z

    def backward(self, delta, z):
        return delta * np.cos(z), {}


class Products(mg.Layer):
    """z_k = sum_ij w_kij x_i x_j: a weight of three axes, whose gradient is an array."""

    parameter_names = ("weight",)

    def __init__(self, J, K):
        self.weight = np.random.default_rng(0).normal(0, 0.3, (K, J, J))

    def forward(self, x):
        return np.einsum("kij,ni,nj->nk", self.weight, x, x), x

    def backward(self, delta, x):
        below = np.einsum("nk,kij,nj->ni", delta, self.weight, x) + np.einsum("nk,kij,ni->nj", delta, self.weight, x)
        return below, {"weight": np.einsum("nk,ni,nj->kij", delta, x, x) / len(x)}


class Absolute(mg.Loss):
    """c_n = mean_k |a_k - y_k|; its value is a NumPy number."""

    def value_and_delta(self, output, y):
        error = output - y
        return np.abs(error).mean(), np.sign(error) / error[0].size


class Logarithm(mg.Loss):
    """NaN wherever an output is below 0."""

    def value_and_delta(self, output, y):
        return float(np.square(np.log(output) - y).mean()), 2 * (np.log(output) - y) / output / output[0].size


def classifier(*between, first=None, last=None, opt=None, **rest):
    """Linear(4, 8), what is between, Linear(8, 3)."""
    net = sequential(first or linear(4, 8, 0, "he_normal"), *between, last or linear(8, 3, 1))
    return _classifier(net=net, opt=opt, **rest)


def with_x(x, y=None, opt=None, **rest):
    y = CLASS[: len(x)] if y is None else y
    return Problem(relu(np.shape(x)[-1], 8, 3, **rest), CE, x, y, opt or mg.SGD(0.1))


def few(N, between=()):
    net = sequential(linear(4, 8), *between, mg.ReLU(), linear(8, 3, 1))
    return Problem(net, CE, X[:N], CLASS[:N], mg.SGD(0.1))


def trained(opt, *between):
    p = classifier(*between, mg.ReLU(), opt=opt)
    mg.fit(p.net, p.loss, p.opt, X, CLASS, epochs=5, rng=0, progress=False)
    return p


def fresh_optimizer(p):
    p.opt = mg.Adam(0.01)
    return p


def times(factor, opt=None):
    p = _classifier(opt=opt)
    p.net[0].weight *= factor
    return p


def tied():
    first, second = linear(4, 4), linear(4, 4, 1)
    second.weight = first.weight
    return _classifier(net=sequential(first, mg.Tanh(), second, mg.Tanh(), linear(4, 3, 2)))


def with_options(**options):
    return _classifier(50 * X, opt=mg.SGD(0.05), **options)


def of_positions(net, loss=CE, y=AT_EACH, **rest):
    return Problem(net, loss, POSITIONS, y, mg.Adam(0.01), rest)


KINDS = {
    # ---- nets
    "healthy float32": lambda: _classifier(net=relu(4, 16, 3, dtype="float32")),
    "healthy float32, x too": lambda: _classifier(X.astype("float32"), net=relu(4, 16, 3, dtype="float32")),
    "healthy positions": lambda: of_positions(relu(4, 16, 3)),
    "healthy positions, float32": lambda: of_positions(relu(4, 16, 3, dtype="float32")),
    "healthy positions, values": lambda: of_positions(relu(4, 16, 2), MSE, np.tanh(POSITIONS[..., :2])),
    "healthy positions, yes or no": lambda: of_positions(relu(4, 16, 1), LOGITS, AT_EACH[..., None] > 0),
    "healthy positions, BatchNorm": lambda: of_positions(
        sequential(linear(4, 16), mg.BatchNorm(16), mg.ReLU(), linear(16, 3, 1))
    ),
    "healthy positions, LayerNorm": lambda: of_positions(
        sequential(linear(4, 16), mg.LayerNorm(16), mg.ReLU(), linear(16, 3, 1))
    ),
    "positions, far from 1": lambda: Problem(relu(4, 16, 3), CE, 1e3 * POSITIONS + 1e4, AT_EACH, mg.SGD(0.1)),
    "healthy BatchNorm": lambda: classifier(mg.BatchNorm(8), mg.ReLU()),
    "healthy LayerNorm": lambda: classifier(mg.LayerNorm(8), mg.ReLU()),
    "healthy Dropout": lambda: classifier(mg.ReLU(), mg.Dropout(0.2, rng=0)),
    "healthy Residual": lambda: classifier(mg.Residual(mg.ReLU(), linear(8, 8, 2)), mg.ReLU()),
    "healthy nested": lambda: classifier(sequential(sequential(mg.Tanh(), linear(8, 8, 2)), mg.Tanh())),
    "a nested end": lambda: regressor(
        y=3 * VALUE, net=sequential(linear(4, 8), sequential(linear(8, 1), mg.Sigmoid()))
    ),
    "healthy tied weights": tied,
    "healthy own sine": lambda: classifier(Sine()),
    "own square": lambda: classifier(Square()),
    "own softmax": lambda: classifier(mg.ReLU(), last=sequential(linear(8, 3), Softmax())),
    "own softmax inside": lambda: classifier(Softmax()),
    "healthy own scale": lambda: classifier(Scale(8), mg.ReLU()),
    "own scale at the end": lambda: _classifier(net=sequential(*relu(4, 8, 3), Scale(3)), opt=mg.SGD(0.1)),
    "own scale alone": lambda: Problem(sequential(Scale(4)), MSE, X, 2 * X, mg.SGD(0.1)),
    "healthy own gain": lambda: classifier(Gain(8), mg.ReLU()),
    "own buffer": lambda: classifier(Counter(8), mg.ReLU()),
    "own two weights": lambda: classifier(mg.ReLU(), first=LowRank(4, 3, 8, np.random.default_rng(0))),
    "own two weights at the end": lambda: classifier(mg.ReLU(), last=LowRank(8, 2, 3, np.random.default_rng(0))),
    "own two weights alone": lambda: _classifier(net=sequential(LowRank(4, 2, 3, np.random.default_rng(0)))),
    "own two weights, no Linear, loud": lambda: _classifier(1e3 * X, net=sequential(LowRank(4, 2, 3, RNG))),
    "own three axes": lambda: classifier(mg.ReLU(), first=Products(4, 8)),
    "own three axes at the end": lambda: classifier(mg.ReLU(), last=Products(8, 3)),
    "own three axes alone": lambda: _classifier(net=sequential(Products(4, 3)), opt=mg.SGD(0.01)),
    "no parameters": lambda: Problem(sequential(mg.Tanh()), MSE, X, np.tanh(X)),
    "no parameters, SGD": lambda: Problem(sequential(mg.Tanh()), MSE, X, 5 * X, mg.SGD(0.1)),
    "no parameters, Adam": lambda: Problem(sequential(mg.Tanh()), MSE, X, 5 * X, mg.Adam(0.1)),
    "healthy one layer": lambda: _classifier(net=sequential(linear(4, 3)), opt=mg.SGD(0.3)),
    "one layer without bias": lambda: _classifier(net=sequential(linear(4, 3, bias=False)), opt=mg.SGD(0.3)),
    "huge weights": lambda: times(1e200),
    "tiny weights": lambda: times(1e-200, mg.SGD(0.1)),
    "zero weights": lambda: times(0.0, mg.SGD(0.1)),
    "layers of two float types": lambda: classifier(mg.ReLU(), last=linear(8, 3, 1, dtype="float32")),
    # ---- losses
    "healthy own loss": lambda: regressor(loss=OwnSquare()),
    "own loss adds up": lambda: regressor(loss=OwnSquare(adds_up=("value",)), opt=mg.SGD(1e-3)),
    "own loss, wrong delta": lambda: regressor(loss=OwnSquare(0.01), opt=mg.SGD(0.1)),
    "own loss, no delta": lambda: regressor(loss=OwnSquare(0.0), opt=mg.SGD(0.1)),
    "own loss, a NumPy value": lambda: regressor(loss=Absolute()),
    "own loss refuses from the start": lambda: regressor(loss=Picky(1e-3)),
    "own loss refuses after some steps": lambda: regressor(y=3 * VALUE, loss=Picky(2.4), opt=mg.SGD(0.3)),
    "own loss refuses a plain net": lambda: regressor(y=VALUE, loss=Picky(0.7), net=times(1e-3).net),
    "own loss is NaN": lambda: regressor(loss=Logarithm()),
    "healthy Huber": lambda: regressor(loss=mg.HuberLoss()),
    "healthy BCE": lambda: Problem(sequential(*relu(4, 8, 1), mg.Sigmoid()), mg.BCELoss(), X, YES, mg.Adam(0.01)),
    "healthy BCE with logits": lambda: Problem(relu(4, 8, 1), LOGITS, X, YES, mg.Adam(0.01)),
    "healthy probabilities": lambda: _classifier(y=np.eye(3)[CLASS]),
    # ---- optimizers
    "without an optimizer": lambda: Problem(relu(4, 32, 3), CE, X, CLASS),
    "healthy SGD": lambda: _classifier(opt=mg.SGD(0.3)),
    "healthy momentum": lambda: _classifier(opt=mg.SGD(0.1, momentum=0.9, nesterov=True)),
    "healthy RMSprop": lambda: _classifier(opt=mg.RMSprop(0.01)),
    "healthy AdamW": lambda: _classifier(opt=mg.AdamW(0.01)),
    "healthy lr of the epoch": lambda: _classifier(opt=mg.SGD(lambda epoch: 0.3 / epoch)),
    "healthy Adam with lr of the epoch": lambda: _classifier(opt=mg.Adam(lambda epoch: 0.02 / epoch)),
    "healthy, a used optimizer": lambda: trained(mg.Adam(0.01)),
    "healthy, lr of the epoch, used": lambda: trained(mg.SGD(lambda epoch: 0.3 / epoch, momentum=0.5)),
    "healthy, lr of the epoch, used, BatchNorm": lambda: trained(mg.SGD(lambda epoch: 0.3 / epoch), mg.BatchNorm(8)),
    "healthy, trained": lambda: fresh_optimizer(trained(mg.Adam(0.01))),
    "huge lr": lambda: _classifier(opt=mg.SGD(1e300)),
    "tiny lr": lambda: _classifier(opt=mg.SGD(1e-300)),
    # ---- x
    **{f"{N} samples": lambda N=N: few(N) for N in (1, 2, 3, 5)},
    **{f"{N} samples, BatchNorm": lambda N=N: few(N, [mg.BatchNorm(8)]) for N in (1, 2, 3, 33)},
    "one feature": lambda: with_x(X[:, :1]),
    "constant features": lambda: with_x(X * [1, 1, 0, 0] + 1),
    "all x the same": lambda: with_x(np.ones_like(X)),
    "x all zero": lambda: with_x(0 * X),
    "x all zero, Adam": lambda: with_x(0 * X, opt=mg.Adam(0.01)),
    "x and y all zero": lambda: regressor(0 * X, 0 * VALUE, opt=mg.SGD(0.1)),
    **{f"x times {size:g}": lambda size=size: with_x(size * X) for size in (1e-300, 1e-150, 1e-6, 1e6, 1e150, 1e300)},
    "x times 1e30, float32": lambda: with_x(1e30 * X, dtype="float32"),
    "x times 1e-38, float32": lambda: with_x(1e-38 * X, dtype="float32"),
    "x beyond float32": lambda: with_x(1e100 * X, dtype="float32"),
    "healthy x of integers": lambda: with_x((3 * X).astype(int)),
    "healthy x as a list": lambda: with_x(X.tolist()),
    "healthy x of another byte order": lambda: with_x(X.astype(">f8")),
    "healthy x by columns": lambda: with_x(np.asfortranarray(X)),
    "x of one row, repeated": lambda: with_x(np.broadcast_to(X[0], X.shape)),
    # ---- y
    **{f"healthy y of {t}": lambda t=t: with_x(X, CLASS.astype(t)) for t in ("u1", "i4", ">i4", "u8")},
    "healthy y as a list": lambda: with_x(X, CLASS.tolist()),
    "healthy y of bool": lambda: _classifier(y=YES[:, 0] > 0, net=relu(4, 16, 2)),
    "healthy y of bool, one output": lambda: Problem(relu(4, 16, 1), LOGITS, X, YES > 0, mg.Adam(0.01)),
    "healthy y of integers, values": lambda: regressor(y=YES.astype(int)),
    "healthy y of float32": lambda: regressor(y=VALUE.astype("f4")),
    **{f"y times {size:g}": lambda size=size: regressor(y=size * VALUE) for size in (1e-300, 1e-6, 1e150, 1e300)},
    "y beyond float32": lambda: regressor(y=1e100 * VALUE, net=relu(4, 8, 1, dtype="float32")),
    "one class": lambda: with_x(X, 0 * CLASS),
    # ---- numbers
    "batches of one": lambda: with_options(batch_size=1),
    "batches larger than all": lambda: with_options(batch_size=1000),
    "one epoch": lambda: with_options(epochs=1),
    "a trial of one step": lambda: with_options(trial=1),
    "one of each": lambda: with_options(trial=1, epochs=1, batch_size=1, try_remedies=True),
    "with remedies": lambda: with_options(epochs=2, try_remedies=True),
}  # fmt: skip


def random_problem(seed):
    """Layers, losses, optimizers, sizes and scales thrown together; fit trains most of them, and refuses some."""
    rng = np.random.default_rng(seed)

    def one_of(*values):
        return values[rng.integers(len(values))]

    N, J, K = one_of(1, 2, 3, 20, 130, 600), one_of(1, 2, 5), one_of(1, 2, 4)
    shape = (N, 3) if rng.random() < 0.25 else (N,)
    x = rng.standard_normal((*shape, J)) * 10.0 ** one_of(-160, -3, 0, 0, 0, 1, 3, 160) + one_of(0, 0, 0, 10, 1e3)
    x[..., 0] *= one_of(0, 1, 1, 1, 1e3)
    entries = (*shape, K)
    loss, y = {
        "classes": lambda: (CE, rng.integers(0, K, shape)),
        "probabilities": lambda: (CE, mg.softmax(rng.standard_normal(entries))),
        "yes or no": lambda: (LOGITS, rng.random(entries) > 0.5),
        "BCE": lambda: (mg.BCELoss(), rng.random(entries)),
        "values": lambda: (
            one_of(MSE, mg.HuberLoss(), OwnSquare(), OwnSquare(1, ("value", "delta")), Picky(one_of(1, 3, 30)),
                   Logarithm(), Absolute()),
            rng.standard_normal(entries) * 10.0 ** one_of(-160, -2, 0, 0, 2, 160),
        ),
    }[one_of("classes", "probabilities", "yes or no", "BCE", "values", "values")]()  # fmt: skip
    dtype, width, layers = one_of("float64", "float64", "float32"), J, []
    for _ in range(one_of(0, 1, 2, 4)):
        features, init = one_of(1, 3, 8), one_of("he_normal", "he_normal", "glorot_uniform", "zeros")
        layers.append(mg.Linear(width, features, rng.random() < 0.8, init=init, dtype=dtype, rng=seed))
        own = (Softmax(), Sine(), *([Scale(features)] if len(shape) == 1 else []))
        kept = [
            (0.15, lambda: mg.BatchNorm(features, dtype=dtype)),  # noqa: B023
            (0.1, lambda: mg.LayerNorm(features, dtype=dtype)),  # noqa: B023
            (0.9, lambda: one_of(mg.ReLU(), mg.Tanh(), mg.Sigmoid(), mg.GELU(), *own)),  # noqa: B023
            (0.1, lambda: mg.Dropout(0.5, rng=1)),
            (0.1, lambda: mg.Residual(mg.Tanh())),
        ]
        layers += [make() for share, make in kept if rng.random() < share]
        width = features
    layers.append(mg.Linear(width, K, dtype=dtype, rng=seed))
    if isinstance(loss, mg.BCELoss) or rng.random() < 0.15:
        layers.append(mg.Sigmoid())
    net = sequential(*layers)
    for array in net.parameters().values():
        array *= one_of(*[1] * 20, 1e-3, 1e3, 0)
    opt = one_of(
        None, mg.SGD(10.0 ** one_of(-6, -2, 0, 3)), mg.SGD(0.1, momentum=one_of(0.9, 0.999), nesterov=True),
        mg.Adam(10.0 ** one_of(-6, -2, 1)), mg.RMSprop(), mg.AdamW(weight_decay=one_of(0.01, 1.0)),
        mg.SGD(lambda epoch: 0.1 / epoch),
    )  # fmt: skip
    options = {"batch_size": one_of(1, 2, 8, 32, 1000), "epochs": one_of(None, 1, 5), "trial": one_of(1, 7, 40)}
    return Problem(net, loss, x, y, opt, options | {"rng": seed})
