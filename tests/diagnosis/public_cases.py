"""Twenty-one nets that people asked about in public, as they were and as what helped the asker left them.

Each function (seed, mended) builds one of the two versions; the data are of the kind that the asker had.
"""

import numpy as np
import own_parts as own
import sources as s
from corpus import Case, Setup

import minigrad as mg

L, CE, BCE, MSE = mg.Linear, mg.CrossEntropyLoss, mg.BCEWithLogitsLoss, mg.MSELoss
seeded = np.random.default_rng


def uniform(limit):
    return lambda rng, K, J: rng.uniform(-limit, limit, (K, J))


def one_weight(seed, mended):
    x = np.arange(200.0)[:, None]
    net = mg.Sequential(L(1, 1, rng=seed))
    return Setup(net, MSE(), mg.SGD(1e-5 if mended else 1e-3), x, 2 * x, 1, 20)


def long_axis(seed, mended):
    x = np.arange(0, 50, 0.05)[:, None]
    y = 15 + 5 * x
    x = s.standardised(x) if mended else x
    return Setup(mg.Sequential(L(1, 1, rng=seed)), MSE(), mg.SGD(0.01, 0.9, True), x, y, 1, 5)


def sum_of_three(seed, mended):
    x = seeded(seed).normal(size=(200, 3))
    y = x.sum(axis=1)
    net = mg.Sequential(L(3, 1, bias=False, init="zeros"))
    return Setup(net, MSE(), mg.SGD(0.05), x, y[:, None] if mended else y, 20, 30)


def one_logit(seed, mended):
    x, y = s.moons(seeded(seed))
    net = mg.mlp([2, 16, 1], "tanh", rng=seed)
    if mended:
        return Setup(net, BCE(), mg.SGD(0.5), x, y[:, None].astype(float), 16, 60)
    return Setup(net, CE(), mg.SGD(0.5), x, y, 16, 60)


def softmax_before_cross_entropy(seed, mended):
    x, y = s.digits(seeded(seed))
    net = mg.mlp([64, 32, 10], "relu", "he_uniform", rng=seed)
    net = net if mended else s.ended(net, own.OwnSoftmax())
    return Setup(net, CE(), mg.SGD(0.1), x, y, 32, 20)


def relu_at_the_end(seed, mended):
    rng = seeded(seed)
    x = rng.normal(size=(300, 6))
    y = x @ rng.normal(0, 0.5, (6, 1)) - 2
    net = mg.mlp([6, 16, 1], "relu", "he_uniform", rng=seed)
    return Setup(net if mended else s.ended(net, mg.ReLU()), MSE(), mg.Adam(0.01), x, y, 32, 40)


def adam_of_one(seed, mended):
    bits = seeded(seed).integers(0, 2, (1000, 2))
    y = (bits[:, :1] ^ bits[:, 1:]).astype(float)
    net = mg.mlp([2, 5, 10, 5, 1], "relu", "he_uniform", rng=3)  # with most other seeds so narrow a net dies at once
    return Setup(net, MSE(), mg.Adam(0.01 if mended else 1.0), bits.astype(float), y, 1000, 300)


def marks_of_a_hundred(seed, mended):
    rng = seeded(seed)
    x = rng.normal(size=(300, 43))
    y = 100 * mg.sigmoid(x @ rng.normal(0, 0.3, (43, 1)))
    net = s.ended(mg.mlp([43, 20, 1], "sigmoid", rng=seed), mg.Sigmoid())
    return Setup(net, MSE(), mg.SGD(0.5), x, y / 100 if mended else y, 16, 60)


def four_sigmoid_layers(seed, mended):
    rng = seeded(seed)
    x = rng.integers(0, 2, (500, 20)).astype(float)
    y = s.standardised(x @ rng.normal(size=(20, 1)) + 2 * x[:, :1] * x[:, 1:2])
    net = mg.mlp([20, 50, 50, 50, 50, 1], "sigmoid", "tanh_equivalent" if mended else "glorot_uniform", rng=seed)
    return Setup(net, MSE(), mg.SGD(0.05), x, y, 32, 60)


def deeper_exclusive_or(seed, mended):
    x, y = mg.datasets.xor()
    init = mg.initializers.normal(1.5 if mended else 0.06)
    net = s.ended(mg.mlp([2, 10, 10, 1], "sigmoid", init, rng=seed), mg.Sigmoid())
    return Setup(net, MSE(), mg.SGD(0.1), x, y, 1, 4000)


def tiny_weights(seed, mended):
    x, y = mg.datasets.xor()
    net = s.ended(mg.mlp([2, 3, 1], "sigmoid", uniform(2 if mended else 0.01), rng=seed + 1), mg.Sigmoid())
    return Setup(net, MSE(), mg.SGD(0.1, 0.7), x, y, 1, 2000)


def zeros_everywhere(seed, mended):
    x, y = s.circles(seeded(seed))
    net = mg.mlp([2, 10, 5, 1], "relu", "he_uniform" if mended else "zeros", rng=seed)
    return Setup(net, BCE(), mg.SGD(0.1, 0.9), x, y[:, None].astype(float), 16, 80)


def one_left_over(seed, mended):
    x, y = s.moons(seeded(seed), 161)
    net = mg.Sequential(L(2, 16, rng=seed), mg.BatchNorm(16), mg.ReLU(), L(16, 2, rng=seed + 1))
    return Setup(net, CE(), mg.SGD(0.1, 0.9), x, y, 23 if mended else 16, 30)


def cubes(seed, mended):
    x = np.arange(1.0, 4000)[:, None]
    y = x**3
    x, y = (s.standardised(x), s.standardised(y)) if mended else (x, y)
    net = mg.mlp([1, 50, 1], "relu", "torch_default", np.float32, seed)
    return Setup(net, MSE(), mg.Adam(1e-3), x, y, len(x), 300)


def slow_blobs(seed, mended):
    x, y = mg.datasets.blobs(300, 3, 0.2, rng=seed)
    net = mg.mlp([2, 10, 10, 10, 10, 3], "relu", "glorot_uniform", rng=seed)
    return Setup(net, CE(), mg.SGD(0.1 if mended else 0.001), x / 5, y, 32, 60)


def relu_learns_relu(seed, mended):
    x = seeded(seed).normal(size=(500, 1))
    net = mg.Sequential(L(1, 1, bias=False), mg.ReLU())
    net[0].weight[:] = 0.5 if mended else -10
    return Setup(net, MSE(), mg.SGD(0.05), x, np.maximum(x, 0), 32, 30)


def summed_loss(seed, mended):
    rng = seeded(seed)
    x = rng.normal(size=(400, 10))
    y = np.tanh(x @ rng.normal(0, 0.5, (10, 1))) + 0.1 * rng.normal(size=(400, 1))
    loss = MSE() if mended else own.OwnSumOfSquares()
    return Setup(mg.mlp([10, 16, 1], "tanh", rng=seed), loss, mg.SGD(0.05), x, y, 64, 40)


def minus_one_and_one(seed, mended):
    x, y = s.moons(seeded(seed))
    y = y[:, None].astype(float)
    net = mg.mlp([2, 16, 1], "relu", "he_uniform", rng=seed)
    return Setup(net, BCE(), mg.SGD(0.1, 0.9), x, y if mended else 2 * y - 1, 16, 40)


def sorted_digits(seed, mended):
    x, y = s.digits(seeded(seed))
    order = np.argsort(y, kind="stable")
    net = mg.mlp([64, 32, 10], "relu", "he_uniform", rng=seed)
    return Setup(net, CE(), mg.SGD(0.1), x[order], y[order], 32, 10, shuffle=mended)


def sure_and_wrong(seed, mended):
    x, y = s.iris(seeded(seed))
    y = (y == 1)[:, None].astype(float)
    net = mg.mlp([4, 8, 1], "tanh", rng=seed)
    net[-1].bias[:] = 7
    net, loss = (net, BCE()) if mended else (s.ended(net, mg.Sigmoid()), MSE())
    return Setup(net, loss, mg.SGD(0.3), x, y, 16, 60)


def corner_grid(seed, mended):
    x = np.array([[i, j] for i in range(4) for j in range(4)]) / 3
    y = ((x[:, :1] > 0.5) ^ (x[:, 1:] > 0.5)).astype(float)
    x = s.standardised(x) if mended else x
    return Setup(mg.mlp([2, 2, 1], "sigmoid", uniform(1), rng=seed), MSE(), mg.SGD(0.3), x, y, 4, 300)


# number, recipe, the right findings, values or classes
TABLE = (
    (one_weight, ("lr_high", "unscaled_input"), "values"),
    (long_axis, ("unscaled_input", "lr_high"), "values"),
    (sum_of_three, ("target_shape",), "values"),
    (one_logit, ("softmax_of_one",), "classes"),
    (softmax_before_cross_entropy, ("softmax_twice",), "classes"),
    (relu_at_the_end, ("target_range",), "values"),
    (adam_of_one, ("lr_high", "dead_units"), "classes"),
    (marks_of_a_hundred, ("target_range", "unscaled_target"), "values"),
    (four_sigmoid_layers, ("vanishing",), "values"),
    (deeper_exclusive_or, ("vanishing", "blind_units"), "classes"),
    (tiny_weights, ("vanishing", "blind_units"), "classes"),
    (zeros_everywhere, ("symmetry", "dead_units"), "classes"),
    (one_left_over, ("batchnorm_statistics",), "classes"),
    (cubes, ("unscaled_target", "unscaled_input"), "values"),
    (slow_blobs, ("lr_low",), "classes"),
    (relu_learns_relu, ("stuck", "dead_units"), "values"),
    (summed_loss, ("sum_loss",), "values"),
    (minus_one_and_one, ("target_range", "target_shape"), "classes"),
    (sorted_digits, ("sorted_data",), "classes"),
    (sure_and_wrong, ("mse_on_probabilities", "saturation", "loud_start"), "classes"),
    (corner_grid, ("mean_input",), "classes"),
)


def both(number, build, names, task):
    """The broken case and its mended twin."""
    name = f"public_{number:02}_{build.__name__}"
    broken = Case(name, lambda seed: build(seed, False), names, "public", task, f"{name}/repaired")
    return broken, Case(f"{name}/repaired", lambda seed: build(seed, True), (), "public", task, name)


CASES = [case for number, row in enumerate(TABLE, 1) for case in both(number, *row)]
