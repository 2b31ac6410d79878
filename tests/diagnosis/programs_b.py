"""Twenty more small training programs: of forums other than the benchmark in programs_a.py, and of AUTOTRAINER's list.

Built again as their askers wrote them and as the answers mended them. The four of AUTOTRAINER (Zhang et al. 2021) are
of its generated nets on blobs and circles: `source` is the folder that lists them.
"""

import numpy as np
import own_parts as own
import sources as s
from corpus import Setup
from programs_a import both, keras_uniform, seeded

import minigrad as mg

L, CE, BCE, MSE = mg.Linear, mg.CrossEntropyLoss, mg.BCEWithLogitsLoss, mg.MSELoss


def exclusive_or_linear_first(seed, mended):
    """Dense(2) without activation, relu(2), relu(1), squares, SGD, and five epochs."""
    x, y = mg.datasets.xor()
    x, y = np.tile(x, (250, 1)), np.tile(y, (250, 1))
    if mended:
        return Setup(
            s.ended(mg.mlp([2, 8, 1], "tanh", rng=seed), mg.Sigmoid()), mg.BCELoss(), mg.SGD(0.5, 0.9), x, y, 32, 30
        )
    net = mg.Sequential(L(2, 2, rng=seed), L(2, 2, rng=seed + 1), mg.ReLU(), L(2, 1, rng=seed + 2), mg.ReLU())
    return Setup(net, MSE(), mg.SGD(0.01), x, y, 32, 5)


def exclusive_or_linear(seed, mended):
    """Two Linear layers with nothing between them."""
    x, y = mg.datasets.xor()
    between = [mg.Tanh()] if mended else []
    net = mg.Sequential(L(2, 10, rng=seed), *between, L(10, 1, rng=seed + 1), mg.Sigmoid())
    return Setup(net, MSE(), mg.SGD(0.5, 0.9), x, y, 4, 800)


def equal_gates(seed, mended):
    """1 where both bits are equal; sigmoids, all weights drawn from [0, 1], squares, SGD .01, one sample at a time."""
    x, y = mg.datasets.xor()
    net = s.ended(mg.mlp([2, 4, 1], "sigmoid", lambda r, K, J: r.uniform(0, 1, (K, J)), rng=seed), mg.Sigmoid())
    if mended:
        return Setup(mg.mlp([2, 8, 1], "tanh", rng=seed), BCE(), mg.SGD(0.1, 0.9), x, 1 - y, 1, 500)
    return Setup(net, MSE(), mg.SGD(0.01), x, 1 - y, 1, 1000)


def sine_of_thousand(seed, mended):
    """y = sin(2 pi t / 1000), t = 0 ... 999, as it is."""
    t = np.arange(1000.0)[:, None]
    x = s.standardised(t) if mended else t
    net = mg.mlp([1, 30, 1], "tanh", rng=seed)
    return Setup(net, MSE(), mg.SGD(0.1, 0.9), x, np.sin(2 * np.pi * t / 1000), 50, 100)


def sine_tiny_rate(seed, mended):
    """tanh on a sine that fits into its range, weights N(0, 1), the summed loss, and a rate of 4e-7."""
    rng = seeded(seed)
    x = rng.uniform(-1, 9, (1000, 1))
    y = np.sin(x) / 2.5 + rng.normal(0, 0.05, x.shape)
    if mended:
        net = s.ended(mg.mlp([1, 64, 1], "tanh", rng=seed), mg.Tanh())
        return Setup(net, MSE(), mg.Adam(0.01), s.standardised(x), y, 50, 100)
    net = s.ended(mg.mlp([1, 64, 1], "tanh", mg.initializers.normal(1.0), rng=seed), mg.Tanh())
    return Setup(net, own.OwnSumOfSquares(), mg.SGD(4e-7), x, y, 1000, 300)


def stuck_at_ten_classes(seed, mended):
    """The loss stays at 2.30: a softmax before the cross-entropy, and too large a rate."""
    x, y = s.digits(seeded(seed))
    net = mg.mlp([64, 64, 10], "relu", "he_uniform", rng=seed)
    if mended:
        return Setup(net, CE(), mg.SGD(0.1), x, y, 32, 10)
    return Setup(s.ended(net, own.OwnSoftmax()), CE(), mg.Adam(0.1), x, y, 32, 10)


def fast_sine(seed, mended):
    """sin(2x) on [-7.5, 7.5], two layers of relu, plain gradient descent on the whole data with 2e-3."""
    x = seeded(seed).uniform(-7.5, 7.5, (600, 1))
    net = mg.mlp([1, 64, 64, 1], "relu", "torch_default", rng=seed)
    opt = mg.Adam(0.005) if mended else mg.SGD(2e-3)
    return Setup(net, MSE(), opt, x, np.sin(2 * x), 32 if mended else 600, 120 if mended else 200)


def never_negative(seed, mended):
    """The sine of a sum of -1, 0, 1, by a sigmoid output."""
    x = seeded(seed).integers(-1, 2, (300, 4)).astype(float)
    y = np.sin(x.sum(axis=1, keepdims=True))
    net = mg.mlp([4, 12, 1], "tanh" if mended else "sigmoid", rng=seed)
    return Setup(net if mended else s.ended(net, mg.Sigmoid()), MSE(), mg.SGD(0.1, 0.9), x, y, 16, 100)


def one_to_four(seed, mended):
    """Targets 1, 2, 3, 4 for an output of tanh."""
    bits = seeded(seed).integers(0, 2, (200, 2)).astype(float)
    y = 1 + 2 * bits[:, :1] + bits[:, 1:]
    net = s.ended(mg.mlp([2, 4, 1], "tanh", rng=seed), mg.Tanh())
    return Setup(net, MSE(), mg.SGD(0.1, 0.5), bits, y / 5 if mended else y, 20, 60)


def over_fifty_thousand(seed, mended):
    """Is a number up to 100,000 above the half? relu to the end, and binary cross-entropy."""
    x = seeded(seed).integers(0, 100_000, (1000, 1)).astype(float)
    y = (x >= 50_000).astype(float)
    if mended:
        net = s.ended(mg.mlp([1, 8, 1], "relu", "he_uniform", rng=seed + 1), mg.Sigmoid())
        return Setup(net, mg.BCELoss(), mg.Adam(0.01), s.standardised(x), y, 5, 10)
    return Setup(s.ended(mg.mlp([1, 3, 5, 1], "relu", rng=seed), mg.ReLU()), mg.BCELoss(), mg.Adam(1e-3), x, y, 5, 10)


def seven_points(seed, mended):
    """y = 2x - 1 at seven points, and relu on the output."""
    x = np.arange(-1.0, 6)[:, None]
    if mended:
        return Setup(mg.Sequential(L(1, 1, rng=seed)), MSE(), mg.SGD(0.05), x, 2 * x - 1, 7, 300)
    net = s.ended(mg.mlp([1, 4, 2, 1], "relu", rng=seed), mg.ReLU())
    return Setup(net, MSE(), mg.Adam(1e-3), x, 2 * x - 1, 7, 500)


def marks_of_fifty(seed, mended):
    """50 sigma(z) for a mark between 0 and 50, of hours slept, studied, played; the answer is always 50."""
    rng = seeded(seed)
    x = rng.uniform(0, 12, (200, 4))
    y = np.clip(3.5 * x[:, 1:2] + 1.5 * x[:, :1] - x[:, 2:3] - x[:, 3:] + 12 + rng.normal(size=(200, 1)), 0, 50)
    if mended:
        return Setup(
            mg.mlp([4, 8, 1], "sigmoid", rng=seed),
            MSE(),
            mg.SGD(0.1, 0.9),
            s.standardised(x),
            s.standardised(y),
            20,
            60,
        )
    net = mg.mlp([4, 2, 1], "sigmoid", mg.initializers.normal(1.0), rng=seed)
    return Setup(s.ended(net, mg.Sigmoid(), own.OwnScale(50.0)), MSE(), mg.SGD(0.05), x, y, 200, 300)


def celsius(seed, mended):
    """Fahrenheit of -500 ... 500 degrees: a larger rate, for the intercept hardly moved."""
    x = seeded(seed).uniform(-500, 500, (500, 1))
    if mended:
        return Setup(
            mg.Sequential(L(1, 1, rng=seed)),
            MSE(),
            mg.SGD(0.1),
            s.standardised(x),
            s.standardised(1.8 * x + 32),
            50,
            50,
        )
    return Setup(mg.Sequential(L(1, 1, rng=seed)), MSE(), mg.SGD(5e-5), x, 1.8 * x + 32, 50, 50)


def line_of_hundred(seed, mended):
    """y = 5x + 3: fine for x in [0, 1], NaN for x in [0, 100]."""
    x = seeded(seed).uniform(0, 100, (500, 1))
    y = 5 * x + 3 + seeded(seed + 1).normal(0, 0.1, x.shape)
    x = s.standardised(x) if mended else x
    return Setup(mg.Sequential(L(1, 1, init="zeros")), MSE(), mg.SGD(0.01), x, y, 500, 1000)


def around_ninety_two(seed, mended):
    """Two clouds near (92, 92), by sigmoids: the inputs were never centred."""
    rng = seeded(seed)
    y = rng.integers(0, 2, (300, 1))
    x = 92 + 3 * (2 * y - 1) * [1.0, 1.0] + 1.5 * rng.normal(size=(300, 2))
    x = s.standardised(x) if mended else x
    net = s.ended(mg.mlp([2, 5, 1], "sigmoid", "torch_default", rng=seed), mg.Sigmoid())
    return Setup(net, mg.BCELoss(), mg.Adam(0.01 if mended else 1e-3), x, y.astype(float), 32, 60)


def five_sigmoid_outputs(seed, mended):
    """relu 14-14-14-14-5 with sigmoids before the cross-entropy, SGD .01, momentum .001, ten epochs: all zeros."""
    x, y = s.clouds(seeded(seed), 600, 14, 5)
    net = mg.mlp([14, 14, 14, 14, 5], "relu", rng=seed)
    if mended:
        return Setup(net, CE(), mg.Adam(0.005), x, y, 32, 30)
    layers = [*net[:2], mg.Dropout(0.5, rng=seed), *net[2:4], mg.Dropout(0.5, rng=seed), *net[4:], mg.Sigmoid()]
    return Setup(mg.Sequential(*layers), CE(), mg.SGD(0.01, 0.001, True), x, y, 32, 10)


def deep_relu_of_five(seed, mended):
    """Fifteen relu layers of five units on three blobs."""
    x, y = s.blobs(seeded(seed))
    if mended:
        return Setup(mg.mlp([2, 16, 16, 3], "relu", "he_uniform", rng=seed), CE(), mg.Adam(0.01), x, y, 32, 30)
    net = mg.mlp([2, *[5] * 15, 3], "relu", "he_uniform", rng=seed)
    return Setup(s.ended(net, mg.Sigmoid()), CE(), mg.SGD(0.01), x, y, 32, 30)


def deep_sigmoid_of_five(seed, mended):
    """Ten sigmoid layers of five units on two circles."""
    x, y = s.column(s.circles(seeded(seed)))
    if mended:
        return Setup(mg.mlp([2, 16, 16, 1], "tanh", rng=seed), BCE(), mg.Adam(0.01), x, y, 32, 60)
    return Setup(mg.mlp([2, *[5] * 10, 1], "sigmoid", rng=seed), BCE(), mg.SGD(0.1, 0.9), x, y, 32, 60)


def deep_small_relu(seed, mended):
    """Eight relu layers of five units, weights within .05 of zero, on two circles."""
    x, y = s.column(s.circles(seeded(seed)))
    if mended:
        return Setup(mg.mlp([2, 16, 16, 1], "relu", "he_uniform", rng=seed), BCE(), mg.Adam(0.01), x, y, 32, 60)
    return Setup(mg.mlp([2, *[5] * 8, 1], "relu", keras_uniform, rng=seed), BCE(), mg.SGD(0.01), x, y, 32, 60)


def deep_exponentials(seed, mended):
    """Four layers of e^z on three blobs."""
    x, y = s.blobs(seeded(seed))
    if mended:
        return Setup(mg.mlp([2, 8, 8, 3], "tanh", rng=seed), CE(), mg.SGD(0.1, 0.9), x, y, 32, 30)
    layers = []
    for i, (J, K) in enumerate(((2, 5), (5, 5), (5, 5), (5, 5))):
        layers += [L(J, K, init="he_uniform", rng=seed + i), own.OwnExp()]
    return Setup(mg.Sequential(*layers, L(5, 3, rng=seed + 9)), CE(), mg.SGD(0.01), x, y, 32, 30)


STATS, TORCH = "https://stats.stackexchange.com/questions", "https://discuss.pytorch.org/t"
AUTOTRAINER = "https://github.com/DeepDiagnosis/ICSE2022/tree/main/AUTOTRAINER%20Model%20Code"

# recipe, question, right findings, values or classes
TABLE = (
    (
        exclusive_or_linear_first,
        f"{STATS}/433365",
        ("few_steps", "lr_low", "bottleneck", "target_range", "dead_units"),
        "classes",
    ),
    (exclusive_or_linear, f"{TORCH}/13287", ("no_activation",), "classes"),
    (equal_gates, f"{TORCH}/98714", ("lr_low", "few_steps", "mse_on_probabilities", "vanishing"), "classes"),
    (sine_of_thousand, 46995209, ("unscaled_input", "saturation"), "values"),
    (sine_tiny_rate, f"{STATS}/320289", ("lr_low", "sum_loss", "few_steps", "saturation"), "values"),
    (stuck_at_ten_classes, f"{TORCH}/43814", ("softmax_twice", "lr_high"), "classes"),
    (fast_sine, f"{TORCH}/101647", ("lr_low", "few_steps"), "values"),
    (never_negative, 5105718, ("target_range",), "values"),
    (one_to_four, 3644795, ("target_range",), "values"),
    (
        over_fifty_thousand,
        "https://geeksmental.com/question/why-does-accuracy-remain-the-same",
        ("bce_without_sigmoid", "unscaled_input", "target_range"),
        "classes",
    ),
    (seven_points, "https://community.deeplearning.ai/t/324182", ("target_range", "dead_units", "lr_low"), "values"),
    (
        marks_of_fifty,
        "(a question on a constant prediction of 50; its address is not in the copy that was read)",
        ("lr_high", "saturation", "unscaled_input"),
        "values",
    ),
    (
        celsius,
        "https://forums.fast.ai (Celsius to Fahrenheit, July 2018)",
        ("unscaled_input", "lr_high", "lr_low"),
        "values",
    ),
    (line_of_hundred, "https://mejorcodigo.com/p/45698.html", ("unscaled_input", "lr_high"), "values"),
    (
        around_ninety_two,
        "https://python.19633.com/de/Python/1003052967.html",
        ("unscaled_input", "mean_input", "saturation"),
        "classes",
    ),
    (
        five_sigmoid_outputs,
        "https://github.com/keras-team/keras/issues/9939",
        ("activation_before_logits", "lr_low", "few_steps", "dropout"),
        "classes",
    ),
    (
        deep_relu_of_five,
        AUTOTRAINER,
        ("dead_units", "vanishing", "lr_low", "blind_units", "activation_before_logits"),
        "classes",
    ),
    (deep_sigmoid_of_five, AUTOTRAINER, ("vanishing", "blind_units"), "classes"),
    (deep_small_relu, AUTOTRAINER, ("vanishing", "blind_units", "dead_units"), "classes"),
    (deep_exponentials, AUTOTRAINER, ("exploding", "lr_high", "loud_start", "diverges"), "classes"),
)

CASES = [case for row in TABLE for case in both("programs_b", *row)]
