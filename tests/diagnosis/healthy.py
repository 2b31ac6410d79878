"""Nets as people train them, all of which learn: on none of them may anything be called a fault."""

from itertools import pairwise

import own_parts as own
import sources as s
from corpus import Case
from recipes import BCE, CE, MSE, adam, adamw, layers, recipe, rmsprop, sgd

import minigrad as mg

L = mg.Linear


def bce_moons(rng):
    return s.column(s.moons(rng))


def bce_circles(rng):
    return s.column(s.circles(rng))


def bce_tabular(rng):
    return s.column(s.tabular(rng))


def xor_points(rng):
    return mg.datasets.xor()


def tanh_stack(sizes, layer=mg.Tanh):
    """build(rng): Linear layers with layer() between them."""

    def build(rng):
        found = []
        for J, K in pairwise(sizes):
            found += [L(J, K, rng=rng), layer()]
        return found[:-1]

    return build


def normed(sizes, norm, activation=mg.ReLU, p=0.0):
    """build(rng): Linear, norm, activation (and Dropout), again and again, and a Linear."""

    def build(rng):
        found = []
        for J, K in pairwise(sizes[:-1]):
            found += [L(J, K, init="he_uniform", rng=rng), norm(K), activation()]
            found += [mg.Dropout(p, rng=rng)] if p else []
        return [*found, L(sizes[-2], sizes[-1], rng=rng)]

    return build


def residual(J, width, K, blocks, norm=None, activation=mg.ReLU):
    """build(rng): a Linear, so many residual blocks, a Linear."""

    def build(rng):
        found = [L(J, width, init="he_uniform", rng=rng)]
        for _ in range(blocks):
            first = [norm(width)] if norm else []
            inner = [L(width, width, init="he_uniform", rng=rng), activation(), L(width, width, rng=rng)]
            found.append(mg.Residual(*first, *inner))
        return [*found, activation(), L(width, K, rng=rng)]

    return build


def steep(sizes):
    def build(rng):
        return [L(sizes[0], sizes[1], rng=rng), own.OwnSteepTanh(sizes[1]), L(sizes[1], sizes[2], rng=rng)]

    return build


def steep_sigmoids(rng):
    found = []
    for J, K in pairwise([64, 32, 32, 32, 32]):
        found += [L(J, K, rng=rng), own.OwnSteepSigmoid(K)]
    return [*found, L(32, 10, rng=rng)]


def pooled(rng):
    """At each step a hidden layer, then the mean over the steps."""
    return [L(4, 16, rng=rng), mg.Tanh(), own.OwnMeanOverTime(), L(16, 2, rng=rng)]


ROWS = {
    # digits
    "digits_sigmoid_readme": recipe(s.digits, [64, 32, 10], "sigmoid", CE, sgd(0.5)),
    "digits_relu_adam": recipe(s.digits, [64, 32, 10], "relu", CE, adam(1e-3)),
    "digits_relu_sgd": recipe(s.digits, [64, 32, 10], "relu", CE, sgd(0.1)),
    "digits_raw_relu_adam": recipe(s.digits_raw, [64, 64, 10], "relu", CE, adam(1e-3), 32, 15),
    "digits_standard_tanh_momentum": recipe(s.digits_standard, [64, 32, 10], "tanh", CE, sgd(0.05, 0.9), 32, 10),
    "digits_deep_relu": recipe(s.digits, [64, 64, 64, 64, 10], "relu", CE, adam(1e-3), 64, 20),
    "digits_deep_twin": recipe(
        s.digits_standard, [64, 32, 32, 32, 10], "sigmoid", CE, sgd(0.1, 0.9), 32, 10, "tanh_equivalent"
    ),
    "digits_float32": recipe(s.digits, [64, 30, 10], "tanh", CE, sgd(0.2), 10, 15, float32=True),
    "digits_one_by_one": recipe(lambda r: s.digits(r, 500), [64, 20, 10], "tanh", CE, sgd(0.05), 1, 6),
    "digits_full_batch": recipe(lambda r: s.digits(r, 600), [64, 32, 10], "tanh", CE, adam(1e-2), 600, 60),
    "digits_linear": recipe(s.digits, [64, 10], "relu", CE, sgd(0.5), 32, 20),
    "digits_squares_nielsen": recipe(
        lambda r: s.one_hot(s.digits(r)), [64, 30, 10], "sigmoid", MSE, sgd(15.0), 10, 30, end=lambda: [mg.Sigmoid()]
    ),
    "digits_gelu_adamw": recipe(s.digits, [64, 48, 10], "gelu", CE, adamw(2e-3, weight_decay=0.05), 32, 12),
    "digits_batchnorm": layers(s.digits, normed([64, 32, 32, 10], mg.BatchNorm), CE, sgd(0.1), 32, 12),
    "digits_layernorm": layers(s.digits, normed([64, 32, 32, 10], mg.LayerNorm, mg.GELU), CE, adam(3e-3), 32, 12),
    "digits_dropout": layers(s.digits, normed([64, 64, 10], mg.LayerNorm, mg.ReLU, 0.3), CE, adam(3e-3), 32, 15),
    "digits_residual": layers(s.digits, residual(64, 32, 10, 3), CE, adam(1e-3), 32, 12),
    "digits_smoothed": recipe(s.digits, [64, 32, 10], "relu", own.OwnSmoothedCrossEntropy, adam(3e-3), 32, 10),
    "digits_soft_targets": recipe(lambda r: s.soft(s.digits(r), r, 10), [64, 32, 10], "tanh", CE, adam(3e-3), 32, 15),
    "digits_autoencoder": recipe(
        lambda r: (lambda x, y: (x, x))(*s.digits(r, 600)), [64, 24, 64], "tanh", MSE, adam(3e-3), 32, 40
    ),
    # iris
    "iris_tanh_sgd": recipe(s.iris, [4, 8, 3], "tanh", CE, sgd(0.1), 8, 60),
    "iris_relu_adam": recipe(s.iris, [4, 16, 3], "relu", CE, adam(1e-2), 16, 50),
    "iris_raw_relu": recipe(s.iris_raw, [4, 16, 3], "relu", CE, adam(1e-2), 16, 60),
    "iris_raw_softmax_regression": recipe(s.iris_raw, [4, 3], "relu", CE, sgd(0.1), 16, 150),
    "iris_sigmoid_one_hot": recipe(lambda r: s.one_hot(s.iris(r)), [4, 8, 3], "sigmoid", CE, adam(2e-2), 10, 100),
    "iris_float32_rmsprop": recipe(s.iris, [4, 12, 3], "elu", CE, rmsprop(3e-3), 8, 50, float32=True),
    "iris_one_by_one": recipe(s.iris, [4, 6, 3], "tanh", CE, sgd(0.05), 1, 30),
    "iris_one_against_rest": recipe(
        lambda r: (lambda x, y: (x, (y == 2).astype(float)[:, None]))(*s.iris(r)),
        [4, 8, 1],
        "tanh",
        BCE,
        sgd(0.3),
        10,
        60,
    ),
    # moons, circles, spirals, blobs, exclusive or
    "moons_tanh": recipe(s.moons, [2, 16, 2], "tanh", CE, sgd(0.3), 16, 60),
    "moons_relu_nesterov": recipe(bce_moons, [2, 32, 1], "relu", BCE, sgd(0.1, 0.9, True), 32, 60),
    "moons_leaky": recipe(bce_moons, [2, 16, 16, 1], "leaky_relu", BCE, adam(1e-2), 32, 40),
    "moons_bce_with_sigmoid": recipe(
        bce_moons, [2, 16, 1], "tanh", mg.BCELoss, adam(2e-2), 32, 60, end=lambda: [mg.Sigmoid()]
    ),
    "moons_hinge": recipe(bce_moons, [2, 24, 1], "relu", own.OwnHinge, sgd(0.1, 0.9), 32, 60),
    "moons_squares_sigmoid": recipe(bce_moons, [2, 16, 1], "tanh", MSE, adam(2e-2), 32, 80, end=lambda: [mg.Sigmoid()]),
    "moons_steep_own_layer": layers(s.moons, steep([2, 12, 2]), CE, sgd(0.2), 16, 60),
    "circles_relu": recipe(bce_circles, [2, 16, 8, 1], "relu", BCE, adam(1e-2), 32, 60),
    "circles_tanh_momentum": recipe(s.circles, [2, 12, 2], "tanh", CE, sgd(0.2, 0.9), 32, 60),
    "circles_softplus": recipe(s.circles, [2, 16, 2], "softplus", CE, adam(3e-2), 32, 80),
    "circles_torch_default": recipe(bce_circles, [2, 32, 1], "relu", BCE, adam(1e-2), 32, 80, "torch_default"),
    "spirals_relu": recipe(s.spirals, [2, 64, 64, 3], "relu", CE, adam(5e-3), 32, 100),
    "spirals_tanh": recipe(s.spirals, [2, 48, 32, 3], "tanh", CE, adam(1e-2), 32, 120),
    "spirals_silu": recipe(s.spirals, [2, 48, 48, 3], "silu", CE, adam(1e-2), 32, 80),
    "spirals_two_full_batch": recipe(lambda r: s.spirals(r, 200, 2), [2, 32, 32, 2], "tanh", CE, adam(2e-2), 200, 250),
    "blobs_logistic": recipe(lambda r: s.column(s.blobs(r, 200, 2)), [2, 1], "relu", BCE, sgd(0.5), 20, 30),
    "blobs_five_relu": recipe(lambda r: s.blobs(r, 400, 5), [2, 24, 5], "relu", CE, adam(1e-2), 32, 40),
    "blobs_selu_deep": recipe(
        lambda r: s.blobs(r, 300, 4), [2, 16, 16, 16, 4], "selu", CE, adam(3e-3), 16, 40, "lecun_normal"
    ),
    "xor_points_tanh": recipe(xor_points, [2, 8, 1], "tanh", BCE, adam(5e-2), 4, 300),
    "xor_points_squares": recipe(xor_points, [2, 8, 1], "tanh", MSE, sgd(0.5, 0.9), 4, 500, end=lambda: [mg.Sigmoid()]),
    "xor_cloud_relu": recipe(s.xor_cloud, [2, 16, 2], "relu", CE, adam(1e-2), 32, 40),
    "xor_cloud_sigmoid": recipe(s.xor_cloud, [2, 12, 2], "sigmoid", CE, adam(5e-2), 32, 60),
    "clouds_relu": recipe(s.clouds, [20, 32, 4], "relu", CE, sgd(0.1), 32, 20),
    "clouds_centered_sigmoid": recipe(s.clouds, [20, 16, 4], "centered_sigmoid", CE, sgd(0.3, 0.9), 32, 20),
    "tabular_relu": recipe(bce_tabular, [10, 32, 1], "relu", BCE, adam(1e-2), 32, 40),
    "tabular_dropout": layers(bce_tabular, normed([10, 48, 1], mg.LayerNorm, mg.ReLU, 0.2), BCE, adam(1e-2), 32, 40),
    "tabular_batchnorm_float64": layers(bce_tabular, normed([10, 32, 32, 1], mg.BatchNorm), BCE, adam(3e-3), 50, 30),
    "tags_relu": recipe(s.tags, [8, 32, 4], "relu", BCE, adam(1e-2), 32, 50),
    "tags_sigmoid_end": recipe(s.tags, [8, 32, 4], "tanh", mg.BCELoss, adam(1e-2), 32, 50, end=lambda: [mg.Sigmoid()]),
    # the nets that examples/ trains
    "example_digits": recipe(s.digits_standard, [64, 32, 10], "tanh", CE, sgd(0.1, 0.9), 32, 20),
    "example_same_sign": recipe(s.digits, [64, 32, 16, 10], "sigmoid", CE, sgd(0.1, 0.9), 32, 5),
    "example_own_layer": layers(s.digits_standard, steep_sigmoids, CE, sgd(0.5), 32, 15),
    "example_spirals": recipe(
        lambda r: mg.datasets.spirals(600, 3, 0.02, rng=r), [2, 32, 32, 3], "tanh", CE, adam(1e-2), 32, 100
    ),
    "example_xor": recipe(xor_points, [2, 4, 1], "tanh", BCE, sgd(1.0), 4, 1000),
    # one-hot targets as values
    "iris_one_hot_squares": recipe(lambda r: s.one_hot(s.iris(r)), [4, 12, 3], "tanh", MSE, sgd(0.2, 0.9), 10, 40),
    "blobs_one_hot_squares": recipe(lambda r: s.one_hot(s.blobs(r)), [2, 12, 3], "relu", MSE, sgd(0.2, 0.9), 20, 30),
    "clouds_one_hot_squares": recipe(lambda r: s.one_hot(s.clouds(r)), [20, 4], "relu", MSE, sgd(0.2), 20, 20),
    "digits_one_hot_squares": recipe(
        lambda r: s.one_hot(s.digits(r)), [64, 32, 10], "relu", MSE, sgd(0.1, 0.9), 32, 15
    ),
    # values
    "line_sgd": recipe(s.line, [3, 1], "relu", MSE, sgd(0.05), 16, 30),
    "line_full_batch": recipe(s.line, [3, 1], "relu", MSE, sgd(0.3), 200, 60),
    "line_adam": recipe(lambda r: s.line(r, 200, 8), [8, 1], "relu", MSE, adam(2e-2), 16, 60),
    "line_one_by_one": recipe(s.line, [3, 1], "relu", MSE, sgd(0.01), 1, 10),
    "sine_tanh": recipe(s.sine, [1, 16, 1], "tanh", MSE, adam(1e-2), 32, 150),
    "sine_relu": recipe(s.sine, [1, 32, 32, 1], "relu", MSE, adam(5e-3), 32, 80),
    "sine_sgd": recipe(s.sine, [1, 32, 1], "tanh", MSE, sgd(0.1, 0.9), 32, 150),
    "sine_tanh_end": recipe(
        lambda r: (lambda x, y: (x, 0.8 * y))(*s.sine(r)),
        [1, 24, 1],
        "tanh",
        MSE,
        adam(1e-2),
        32,
        150,
        end=lambda: [mg.Tanh()],
    ),
    "sine_own_activation": layers(s.sine, tanh_stack([1, 16, 1], own.OwnSine), MSE, adam(1e-2), 32, 60),
    "friedman_relu": recipe(s.friedman, [10, 32, 1], "relu", MSE, adam(5e-3), 32, 60),
    "friedman_huber": recipe(s.friedman, [10, 32, 1], "relu", own.OwnHuber, adam(5e-3), 32, 40),
    "friedman_log_cosh": recipe(s.friedman, [10, 24, 1], "tanh", own.OwnLogCosh, sgd(0.1, 0.9), 32, 40),
    "friedman_weighted": recipe(s.friedman, [10, 32, 1], "relu", own.OwnWeightedSquares, adam(5e-3), 32, 40),
    "friedman_batchnorm": layers(s.friedman, normed([10, 32, 32, 1], mg.BatchNorm), MSE, adam(3e-3), 50, 40),
    "friedman_float32": recipe(s.friedman, [10, 48, 1], "elu", MSE, rmsprop(3e-3), 32, 40, float32=True),
    "product_gelu": recipe(s.product, [3, 32, 32, 1], "gelu", MSE, adamw(5e-3), 32, 60),
    "product_residual": layers(s.product, residual(3, 24, 1, 2, activation=mg.Tanh), MSE, adam(5e-3), 32, 40),
    "waves_two_targets": recipe(s.waves, [2, 32, 2], "tanh", MSE, adam(1e-2), 32, 80),
    # positions
    "sequences_relu": recipe(s.sequences, [5, 32, 4], "relu", CE, adam(5e-3), 32, 25),
    "sequences_layernorm": layers(s.sequences, normed([5, 32, 4], mg.LayerNorm), CE, adam(5e-3), 32, 25),
    "moving_average_tanh": recipe(s.moving_average, [3, 24, 1], "tanh", MSE, adam(1e-2), 32, 25),
    "sets_pooled": layers(s.sets, pooled, CE, adam(1e-2), 32, 30),
}

VALUES = (
    "line", "sine", "friedman", "product", "waves", "moving_average", "digits_autoencoder",
)  # fmt: skip

CASES = [
    Case(name, make, kind="healthy", task="values" if name.startswith(VALUES) else "classes")
    for name, make in ROWS.items()
]
