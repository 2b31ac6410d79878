"""Twenty-two small training programs of Stack Overflow, after the benchmark of DeepLocalize (Wardat et al. 2021).

Each was read in that benchmark (or in the question), and built again with minigrad on data of the same kind, as its
asker wrote it and as the answer mended it. Where the asker's file is not to be had, the data are drawn. Nets for
MNIST train on the shipped digits, with smaller layers. `source` is the question's address.
"""

import numpy as np
import own_parts as own
import sources as s
from corpus import Case, Setup

import minigrad as mg

L, CE, BCE, MSE = mg.Linear, mg.CrossEntropyLoss, mg.BCEWithLogitsLoss, mg.MSELoss
seeded = np.random.default_rng


def keras_uniform(rng, K, J):
    """What init='uniform' was in Keras 1: within .05 of zero."""
    return rng.uniform(-0.05, 0.05, (K, J))


small = mg.initializers.normal(0.05)  # init='normal'


def exclusive_or_absolute(seed, mended):  # 31556268
    x, y = mg.datasets.xor()
    net = s.ended(mg.mlp([2, 4, 1], "sigmoid", rng=seed + 1), mg.Sigmoid())
    if mended:  # squares, a larger rate, more epochs
        return Setup(net, MSE(), mg.SGD(1.0, 0.9, True), x, y, 4, 1200)
    return Setup(net, own.OwnAbsolute(), mg.SGD(0.05, 0.11, True), x, y, 4, 1000)


def titanic(seed, mended):  # 31627380
    rng = seeded(seed)
    n = 450
    fare, age, ticket = rng.lognormal(3, 1, n), rng.normal(30, 14, n), rng.integers(0, 900, n).astype(float)
    sex, rank = rng.integers(0, 2, n), rng.integers(1, 4, n)
    z = 2.5 * sex - 1.1 * (rank - 2) - 0.03 * (age - 30) + 0.3 * np.log(fare / 20) + 0.4 * rng.normal(size=n) - 1
    x, y = np.stack([rank, sex, age, ticket, fare, rng.integers(0, 180, n)], axis=1).astype(float), (z > 0).astype(int)
    x = s.standardised(x) if mended else x
    net = mg.mlp([6, 64, 2], "relu", rng=seed)
    net = mg.Sequential(net[0], net[1], mg.Dropout(0.5, rng=seed), net[2])
    return Setup(net, CE(), mg.Adam(1e-3), x, y, 4, 10)


def ones_and_zeros(seed, mended):  # 31880720
    x = np.repeat([[1.0], [0.0]], 200, axis=0) * np.ones((1, 128))
    y = np.repeat([[1.0], [0.0]], 200, axis=0)
    order = seeded(seed).permutation(400)
    net = mg.mlp([128, 50, 50, 1], "relu", rng=seed)
    layers = [net[0], net[1], mg.Dropout(0.2, rng=seed), net[2], net[3], mg.Dropout(0.2, rng=seed + 1), net[4]]
    end = mg.Sigmoid() if mended else own.OwnSoftmax()
    return Setup(mg.Sequential(*layers, end), mg.BCELoss(), mg.RMSprop(1e-3), x[order], y[order], 4, 3)


def plane_of_ten_thousands(seed, mended):  # 33969059
    rng = seeded(seed)
    x = rng.uniform(0, 10_000, (1000, 3))
    y = x @ [[2.0], [1.0], [0.5]] + 2.2
    net = mg.mlp([3, 3, 2, 1], "tanh", keras_uniform if not mended else "glorot_uniform", rng=seed)
    if mended:
        return Setup(net, MSE(), mg.SGD(0.1, 0.9, True), s.standardised(x), s.standardised(y), 32, 20)
    layers = [*net[:2], mg.Dropout(0.5, rng=seed), *net[2:4], mg.Dropout(0.5, rng=seed), net[4], own.OwnSoftmax()]
    return Setup(mg.Sequential(*layers), MSE(), mg.SGD(0.1, 0.9, True), x, y, 32, 20)


def six_points(seed, mended):  # 34311586
    x = np.array([[1, 1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 0.0]])
    y = np.array([[0], [0], [1], [1], [0], [0.0]])
    if mended:
        net = s.ended(mg.mlp([2, 6, 1], "tanh", rng=seed + 1), mg.Sigmoid())
        return Setup(net, mg.BCELoss(), mg.SGD(0.5, 0.9, True), x, y, 6, 500)
    net = s.ended(mg.mlp([2, 2, 3, 1], "sigmoid", keras_uniform, rng=seed), own.OwnSoftmax())
    return Setup(net, MSE(), mg.SGD(0.001, 0.9, True), x, y, 32, 20)


def tags_by_softmax(seed, mended):  # 38648195
    x, y = s.tags(seeded(seed), 800)
    net = mg.mlp([8, 20, 20, 4], "relu", rng=seed)
    if mended:
        return Setup(s.ended(net, mg.Sigmoid()), mg.BCELoss(), mg.Adam(0.01), x, y, 20, 20)
    return Setup(s.ended(net, own.OwnSoftmax()), MSE(), mg.SGD(0.01), x, y, 20, 20)


def shuffled_numbers(seed, mended):  # 39217567
    x = np.array([[float(bit) for bit in f"{i:08b}"] for i in range(256)])
    y = x if mended else seeded(seed).permutation(x)  # the targets had nothing to do with the inputs
    if mended:
        return Setup(mg.mlp([8, 24, 8], "tanh", rng=seed), BCE(), mg.Adam(0.01), x, y, 50, 60)
    net = s.ended(mg.mlp([8, 8, 8, 8], "sigmoid", small, rng=seed), mg.Sigmoid())
    return Setup(net, MSE(), mg.SGD(0.01), x, y, 50, 300)


def raw_columns(seed, mended):  # 39525358
    rng = seeded(seed)
    x = np.stack([rng.uniform(1e4, 9e4, 400), rng.uniform(0, 3000, 400), rng.uniform(0, 1, 400)], axis=1)
    z = s.standardised(x) @ [1.0, -1.0, 1.5]
    x = s.standardised(x) if mended else x
    init = "glorot_uniform" if mended else keras_uniform
    net = s.ended(mg.mlp([3, 12, 3, 1], "relu", init, rng=seed + 1), mg.Sigmoid())
    return Setup(net, mg.BCELoss(), mg.Adam(1e-3), x, (z > 0)[:, None].astype(float), 1, 12)


def one_softmax(seed, mended):  # 45337371
    rng = seeded(seed)
    x = rng.uniform(size=(300, 5))
    y = (x.sum(axis=1) > 2.5)[:, None].astype(float)
    net = mg.mlp([5, 60, 50, 1], "relu", rng=seed)
    return Setup(s.ended(net, mg.Sigmoid() if mended else own.OwnSoftmax()), mg.BCELoss(), mg.Adam(1e-3), x, y, 32, 40)


def threshold(seed, mended):  # 45442843
    x = seeded(seed).uniform(-3, 3, (500, 1))
    y = (x > 0.7).astype(float)
    if mended:
        return Setup(
            s.ended(mg.mlp([1, 8, 1], "tanh", rng=seed), mg.Sigmoid()), mg.BCELoss(), mg.Adam(0.02), x, y, 50, 60
        )
    net = s.ended(mg.mlp([1, 1, 1], "sigmoid", rng=seed), own.OwnSoftmax())
    return Setup(net, own.OwnAbsolute(), mg.RMSprop(1e-3), x, y, 200, 100)


def census(seed, mended):  # 47724077
    rng = seeded(seed)
    n = 1500
    age, weight, hours = rng.normal(38, 13, n), rng.lognormal(12, 0.5, n), rng.normal(40, 12, n)
    school, gain = rng.integers(1, 17, n), np.where(rng.random(n) < 0.1, rng.lognormal(8, 1, n), 0)
    z = 0.03 * (age - 38) + 0.3 * (school - 10) + 0.04 * (hours - 40) + 0.0004 * gain - 0.7 + 0.5 * rng.normal(size=n)
    x, y = np.stack([age, weight, school, gain, hours], axis=1), (z > 0).astype(int)
    x = s.standardised(x) if mended else x
    return Setup(mg.mlp([5, 21, 2], "relu", rng=seed), CE(), mg.Adam(1e-3), x, y, 100, 50)


def linear_data(seed, mended):  # 48221692
    rng = seeded(seed)
    x = rng.uniform(0, 10, (200, 1))
    y = 3 * x + 4 + rng.normal(size=x.shape)
    if mended:
        return Setup(
            mg.mlp([1, 5, 1], "tanh", rng=seed), MSE(), mg.SGD(0.1), s.standardised(x), s.standardised(y), 200, 500
        )
    return Setup(s.ended(mg.mlp([1, 5, 1], "sigmoid", rng=seed), mg.Sigmoid()), MSE(), mg.SGD(0.01), x, y, 200, 500)


def rectified_prices(seed, mended):  # 48251943
    rng = seeded(seed)
    x = np.stack([rng.uniform(50, 250, 150), rng.uniform(1, 40, 150)], axis=1)
    y = (2 * x[:, 0] - 3 * x[:, 1] + 20 * rng.normal(size=150))[:, None]
    if mended:
        return Setup(
            mg.mlp([2, 8, 1], "relu", rng=seed), MSE(), mg.SGD(0.05), s.standardised(x), s.standardised(y), 10, 50
        )
    return Setup(s.ended(mg.mlp([2, 4, 1], "relu", rng=seed), mg.ReLU()), MSE(), mg.SGD(0.01), x, y, 10, 50)


def nielsen_without_sigmoid(seed, mended):  # 48385830
    x, y = s.one_hot(s.digits(seeded(seed)))
    net = mg.mlp([64, 30, 10], "sigmoid", mg.initializers.normal(1.0), rng=seed)
    if mended:
        return Setup(s.ended(net, mg.Sigmoid()), MSE(), mg.SGD(15.0), x, y, 10, 30)
    return Setup(mg.Sequential(net[0], net[2]), MSE(), mg.SGD(3.0), x, y, 10, 30)


def parabola(seed, mended):  # 48934338
    x = np.arange(0, 5, 0.1)[:, None]
    y = 5 * x**2 + seeded(seed).normal(size=x.shape) ** 3
    if mended:
        return Setup(mg.mlp([1, 50, 30, 1], "relu", rng=seed), MSE(), mg.Adam(0.003), x, s.standardised(y), 32, 500)
    return Setup(mg.mlp([1, 50, 30, 1], "relu", rng=seed), MSE(), mg.SGD(0.1), x, y, 32, 500)


def two_squares(seed, mended):  # 50306988
    rng = seeded(seed)
    y = np.arange(200) % 2
    x = np.where(y[:, None] == 0, rng.uniform(0.2, 0.4, (200, 2)), rng.uniform(0.5, 0.7, (200, 2)))
    net = mg.mlp([2, 2, 2], "sigmoid", rng=seed)
    return Setup(net, CE(), mg.Adam(0.05 if mended else 1e-3), x, y, 32, 60 if mended else 5)


def iris_by_sigmoid(seed, mended):  # 51930566
    x, y = s.iris_raw(seeded(seed))
    x = s.standardised(x) if mended else x
    if mended:
        return Setup(mg.mlp([4, 8, 3], "relu", "he_uniform", rng=seed), CE(), mg.Adam(0.01), x, y, 5, 50)
    net = s.ended(mg.mlp([4, 4, 3], "relu", small, rng=seed), mg.Sigmoid())
    return Setup(net, CE(), mg.Adam(1e-3), x, y, 5, 50)


def fourth_power(seed, mended):  # 52800582
    x = np.arange(-100, 100, 0.5)[:, None]
    y = x**4
    first = mg.mlp([1, 50, 50], "sigmoid" if not mended else "tanh", rng=seed)
    net = mg.Sequential(*first, mg.ELU(), L(50, 1, rng=seed + 1))
    x, y = (s.standardised(x), s.standardised(y)) if mended else (x, y)
    return Setup(net, MSE(), mg.Adam(0.01 if mended else 1e-3), x, y, 400, 400)


def pixels_of_255(seed, mended):  # 55328966
    x, y = s.digits_raw(seeded(seed))
    x = x / 16 if mended else x * 16
    net = mg.Sequential(L(64, 64, rng=seed), L(64, 50, rng=seed + 1), mg.ReLU(), L(50, 10, rng=seed + 2))
    if mended:
        return Setup(net, CE(), mg.SGD(0.1), x, y, 32, 10)
    return Setup(s.ended(net, mg.Sigmoid()), CE(), mg.SGD(1e-4), x, y, 32, 10)


def divided_labels(seed, mended):  # 59325381
    x, y = s.digits(seeded(seed))
    net = mg.mlp([64, 32, 10], "relu", "he_uniform", rng=seed)
    return Setup(net, CE(), mg.Adam(1e-3), x, y if mended else (y / 255)[:, None], 32, 15)


def relu_for_softmax(seed, mended):  # 47352366
    x, y = s.digits(seeded(seed))
    net = mg.mlp([64, 32, 10], "relu", rng=seed)
    return Setup(net if mended else s.ended(net, mg.ReLU()), CE(), mg.Adam(1e-3), x, y, 50, 10)


def packets(seed, mended):  # 44066044
    rng = seeded(seed)
    x = rng.lognormal(4, 2, (400, 11))
    z = s.standardised(np.log(x)) @ rng.normal(size=11)
    x = s.standardised(np.log(x)) if mended else x
    net = mg.mlp([11, 12, 12, 1], "relu", "he_uniform" if mended else small, rng=seed)
    y = (z > 0)[:, None].astype(float)
    return Setup(s.ended(net, mg.Sigmoid() if mended else mg.ReLU()), mg.BCELoss(), mg.Adam(3e-3), x, y, 5, 30)


# recipe, question, right findings, values or classes
TABLE = (
    (exclusive_or_absolute, 31556268, ("lr_low", "few_steps", "vanishing", "blind_units"), "classes"),
    (titanic, 31627380, ("unscaled_input", "uneven_features"), "classes"),
    (ones_and_zeros, 31880720, ("softmax_of_one",), "classes"),
    (
        plane_of_ten_thousands,
        33969059,
        ("softmax_of_one", "target_range", "unscaled_target", "unscaled_input"),
        "values",
    ),
    (six_points, 34311586, ("softmax_of_one",), "classes"),
    (tags_by_softmax, 38648195, ("target_range", "mse_on_probabilities", "lr_low"), "classes"),
    (shuffled_numbers, 39217567, ("labels", "vanishing", "blind_units", "lr_low"), "classes"),
    (raw_columns, 39525358, ("unscaled_input", "uneven_features"), "classes"),
    (one_softmax, 45337371, ("softmax_of_one",), "classes"),
    (threshold, 45442843, ("softmax_of_one",), "classes"),
    (census, 47724077, ("unscaled_input", "uneven_features"), "classes"),
    (linear_data, 48221692, ("target_range", "unscaled_target"), "values"),
    (rectified_prices, 48251943, ("unscaled_input", "target_range", "unscaled_target", "lr_high"), "values"),
    (nielsen_without_sigmoid, 48385830, ("lr_high", "no_activation"), "classes"),
    (parabola, 48934338, ("lr_high", "unscaled_target"), "values"),
    (two_squares, 50306988, ("few_steps", "lr_low"), "classes"),
    (iris_by_sigmoid, 51930566, ("activation_before_logits", "lr_low", "few_steps"), "classes"),
    (fourth_power, 52800582, ("unscaled_target", "unscaled_input"), "values"),
    (pixels_of_255, 55328966, ("unscaled_input", "activation_before_logits", "lr_low"), "classes"),
    (divided_labels, 59325381, ("target_shape", "one_class"), "classes"),
    (relu_for_softmax, 47352366, ("activation_before_logits", "target_range"), "classes"),
    (packets, 44066044, ("bce_without_sigmoid", "unscaled_input", "target_range"), "classes"),
)


def both(kind, build, source, names, task):
    """The broken program and its mended twin."""
    name = f"{kind}_{build.__name__}"
    if isinstance(source, int):
        source = f"https://stackoverflow.com/questions/{source}"
    broken = Case(name, lambda seed: build(seed, False), names, kind, task, f"{name}/repaired", source)
    return broken, Case(f"{name}/repaired", lambda seed: build(seed, True), (), kind, task, name, source)


CASES = [case for row in TABLE for case in both("programs_a", *row)]
