"""Nets that learn, with one mistake in each: `mistake@net`, the net being one of healthy.py.

verify.py trains each beside the whole net. Those that are not clearly worse for it are named in harmless.txt: they are
SPARED, of a kind of their own, and what is said of them is no part of any bar.
"""

from dataclasses import replace
from pathlib import Path

import mutations as m
import numpy as np
import own_parts as own
from corpus import Case
from hard import CASES as HARD
from healthy import CASES as HEALTHY

import minigrad as mg

BINARY = ("moons_relu_nesterov", "circles_relu", "tabular_relu", "blobs_logistic", "iris_one_against_rest")
SQUARES = ("line_sgd", "sine_sgd", "friedman_relu", "product_gelu", "waves_two_targets", "moving_average_tanh")
SGD_CLASSES = (
    "digits_relu_sgd", "iris_tanh_sgd", "moons_tanh", "clouds_relu", "digits_sigmoid_readme",
    "circles_tanh_momentum",
)  # fmt: skip
ADAM_CLASSES = ("digits_relu_adam", "iris_relu_adam", "spirals_relu", "blobs_five_relu", "xor_cloud_relu")
CURVED = ("moons_relu_nesterov", "circles_relu", "spirals_tanh", "xor_cloud_relu", "sine_tanh", "product_gelu")
RELU = ("digits_relu_sgd", "moons_relu_nesterov", "circles_relu", "clouds_relu", "friedman_relu", "sine_relu")
FLAT = ("moons_tanh", "digits_sigmoid_readme", "iris_tanh_sgd", "sine_tanh", "waves_two_targets", "spirals_tanh")
MIXED = ("digits_relu_adam", "iris_tanh_sgd", "moons_tanh", "friedman_relu", "sine_sgd", "sequences_relu")
NORMED = (
    "digits_batchnorm", "tabular_batchnorm_float64", "friedman_batchnorm", "deep_batchnorm_6",
    "deep_residual_batchnorm",
)  # fmt: skip
ONE_HOT = (
    "iris_one_hot_squares", "blobs_one_hot_squares", "clouds_one_hot_squares", "digits_one_hot_squares",
    "digits_squares_nielsen",
)  # fmt: skip
MORE_DIGITS = (
    "digits_linear", "digits_float32", "digits_one_by_one", "digits_standard_tanh_momentum", "digits_full_batch",
    "digits_residual", "digits_deep_relu", "digits_layernorm",
)  # fmt: skip
DEEPER = (
    "digits_deep_relu", "digits_deep_twin", "spirals_tanh", "spirals_relu", "moons_leaky", "blobs_selu_deep",
    "sine_relu", "product_gelu", "xor_points_squares",
)  # fmt: skip
OTHERS = (
    "digits_float32", "friedman_float32", "moving_average_tanh", "digits_layernorm", "product_residual",
    "digits_gelu_adamw", "tags_relu",
)  # fmt: skip
OWN = ("friedman_huber", "sine_own_activation", "moons_steep_own_layer", "moons_hinge")

# mistake: (function, right findings, nets)
MISTAKES = {
    # data
    "nan_x": (m.with_x(m.with_entries(np.nan)), ("nan_data",), MIXED),
    "infinite_x": (m.with_x(m.with_entries(np.inf, 1)), ("nan_data",), ("digits_relu_sgd", "tabular_relu")),
    "nan_y": (m.with_y(m.with_entries(np.nan)), ("nan_data",), ("line_sgd", "friedman_relu", "tags_relu")),
    "flat_y": (m.with_y(lambda y, r: y[:, 0]), ("target_shape",), ("line_sgd", "sine_tanh", *BINARY[:3])),
    "column_y": (m.with_y(lambda y, r: y[:, None]), ("target_shape",), SGD_CLASSES[:3]),
    "classes_from_one": (m.with_y(lambda y, r: y + 1), ("target_shape", "target_range"), ADAM_CLASSES),
    "classes_as_floats": (m.with_y(lambda y, r: y / 2), ("target_shape",), ADAM_CLASSES[:3]),
    "minus_one": (m.with_y(lambda y, r: 2 * y - 1), ("target_range", "target_shape"), BINARY),
    "one_class": (m.with_y(lambda y, r: 0 * y), ("one_class",), (*ADAM_CLASSES, *BINARY[:2])),
    "imbalance": (m.few_of_the_others, ("imbalance",), (*BINARY, *SGD_CLASSES)),
    "unused_outputs": (m.many_outputs, ("unused_outputs",), (*ONE_HOT, *SGD_CLASSES[:4])),
    "x_thousands": (m.with_x(lambda x, r: 1000 * x), ("unscaled_input",), (*MIXED, *OWN, *OTHERS, "circles_relu")),
    "x_thousandths": (m.with_x(lambda x, r: x / 1000), ("unscaled_input",), (*MIXED, "spirals_tanh", "clouds_relu")),
    "uneven_features": (m.with_x(m.uneven), ("uneven_features", "unscaled_input"), (*MIXED, *BINARY[:3])),
    "far_from_zero": (
        m.with_x(lambda x, r: x + 30), ("mean_input", "unscaled_input"), (*MIXED, *OTHERS, "circles_relu"),
    ),
    "y_ten_thousands": (m.with_y(lambda y, r: 1e4 * y), ("unscaled_target",), SQUARES),
    "y_plus_thousand": (m.with_y(lambda y, r: y + 1000), ("unscaled_target",), SQUARES),
    "shuffled_labels": (
        m.with_y(lambda y, r: r.permutation(y)), ("labels",),
        (*ADAM_CLASSES, "tabular_relu", "friedman_relu", "sequences_relu", "digits_float32"),
    ),
    "sorted": (m.sort_by_class, ("sorted_data",), (*SGD_CLASSES[:3], *MORE_DIGITS, "iris_one_by_one")),
    # output and loss
    "sigmoid_end": (m.ending(mg.Sigmoid), ("target_range",), SQUARES),
    "relu_end": (m.ending(mg.ReLU), ("target_range",), SQUARES),
    "relu_before_softmax": (m.ending(mg.ReLU), ("activation_before_logits", "target_range"), SGD_CLASSES),
    "sigmoid_before_softmax": (m.ending(mg.Sigmoid), ("activation_before_logits",), (*SGD_CLASSES, *ADAM_CLASSES)),
    "sigmoid_before_logits": (m.ending(mg.Sigmoid), ("activation_before_logits",), (*BINARY, "tags_relu")),
    "relu_before_logits": (m.ending(mg.ReLU), ("activation_before_logits", "target_range"), (*BINARY, "tags_relu")),
    "softmax_twice": (
        m.ending(own.OwnSoftmax), ("softmax_twice", "activation_before_logits"),
        (*SGD_CLASSES, *MORE_DIGITS, "clouds_centered_sigmoid", "sequences_relu", "iris_raw_softmax_regression"),
    ),
    "softmax_of_one_squares": (m.softmax_of_one(mg.MSELoss), ("softmax_of_one",), BINARY[:3]),
    "softmax_of_one_bce": (m.softmax_of_one(mg.BCELoss), ("softmax_of_one",), BINARY[2:]),
    "cross_entropy_of_one": (m.cross_entropy_of_one, ("softmax_of_one",), BINARY[1:4]),
    "squares_on_sigmoid": (m.squares_on_probabilities(0), ("mse_on_probabilities", "lr_low"), (*SGD_CLASSES, *BINARY)),
    "squares_confident": (
        m.squares_on_probabilities(8), ("mse_on_probabilities", "saturation", "loud_start"), (*BINARY, "moons_tanh"),
    ),
    "bce_of_logits": (m.with_loss(mg.BCELoss), ("bce_without_sigmoid",), BINARY[:4]),
    "bce_of_relu": (m.relu_and_bce, ("bce_without_sigmoid", "target_range"), BINARY[1:4]),
    "sum_of_squares": (m.with_loss(own.OwnSumOfSquares), ("sum_loss",), (*SQUARES[:2], "friedman_log_cosh")),
    "sum_of_logits": (
        m.with_loss(own.OwnSumOfLogits), ("sum_loss",), ("moons_relu_nesterov", "iris_one_against_rest"),
    ),
    "sum_of_entropy": (m.with_loss(own.OwnSumCrossEntropy), ("sum_loss",), SGD_CLASSES),
    "mean_twice": (m.with_loss(own.OwnMeanTwice), ("wrong_delta",), (*SQUARES[:2], "line_full_batch")),
    "mean_twice_entropy": (m.with_loss(own.OwnMeanTwiceCrossEntropy), ("wrong_delta",), SGD_CLASSES),
    "uphill": (m.with_loss(own.OwnUphill), ("wrong_delta",), SQUARES[:4]),
    "uphill_entropy": (m.with_loss(own.OwnUphillCrossEntropy), ("wrong_delta",), ADAM_CLASSES[:3]),
    "half_a_delta": (m.with_loss(own.OwnLogitsOnce), ("wrong_delta",), BINARY[:4]),
    # structure
    "no_activation": (m.without_activations, ("no_activation",), CURVED),
    "no_bias": (m.without_bias(0), ("no_bias",), (*BINARY, *CURVED, "iris_raw_relu")),
    "no_bias_shifted": (m.without_bias(3.0), ("no_bias",), SQUARES[:4]),
    "bottleneck": (m.narrow, ("bottleneck",), (*SGD_CLASSES, *ADAM_CLASSES, "waves_two_targets")),
    "dropout_95": (m.much_dropout(0.95), ("dropout",), ("digits_relu_sgd", "moons_relu_nesterov", *CURVED[3:])),
    "dropout_80": (m.much_dropout(0.8), ("dropout",), ("iris_tanh_sgd", "circles_relu", "sine_tanh", "tabular_relu")),
    "slow_statistics": (m.slow_statistics(1e-3), ("batchnorm_statistics",), NORMED),
    "no_statistics": (m.slow_statistics(0.0), ("batchnorm_statistics",), NORMED),
    # start
    "nan_weight": (m.nan_weight, ("nan_weights",), (*MIXED[:4], *OTHERS[:4])),
    "equal_weights": (m.all_equal(0.1), ("symmetry",), (*SGD_CLASSES, "waves_two_targets", "circles_relu")),
    "zero_weights": (m.all_equal(0.0), ("symmetry", "dead_units"), (*SGD_CLASSES[:4], "sine_relu", *OTHERS[:4])),
    "dead_units": (m.hidden_bias(-50.0), ("dead_units",), RELU),
    "saturated_weights": (m.hidden_times(200), ("saturation",), FLAT),
    "saturated_bias": (m.hidden_bias(40.0), ("saturation",), FLAT),
    "deep_sigmoids": (
        m.deep("sigmoid", "glorot_uniform"), ("vanishing", "blind_units"),
        (*SGD_CLASSES[:4], "friedman_relu", "sine_sgd"),
    ),
    "deep_small_tanh": (
        m.deep("tanh", mg.initializers.normal(0.03)), ("vanishing", "blind_units"), (*SGD_CLASSES[:4], "sine_sgd"),
    ),
    "deep_large_relu": (
        m.deep("relu", mg.initializers.normal(1.5)), ("exploding", "loud_start"), (*SGD_CLASSES, "friedman_relu"),
    ),
    "tiny_weights": (m.all_times(1e-3), ("blind_units", "vanishing"), (*DEEPER, *FLAT[:3])),
    "constant_units": (m.constant_units, ("blind_units", "vanishing", "saturation"), (*DEEPER[:4], *FLAT)),
    "dead_output": (m.dead_output, ("stuck", "dead_units"), (*SQUARES[:4], "sine_tanh")),
    "loud_start": (m.last_times(300), ("loud_start", "exploding"), (*SGD_CLASSES, *SQUARES, *OTHERS)),
    # steps
    "lr_high": (m.lr_times(100), ("lr_high",), (*SGD_CLASSES, *SQUARES, *ADAM_CLASSES, *OWN, *OTHERS)),
    "lr_rather_high": (m.lr_times(20), ("lr_high",), (*SGD_CLASSES, *SQUARES)),
    "lr_low": (
        m.lr_times(1e-3), ("lr_low", "few_steps"),
        (*SGD_CLASSES[:3], *SQUARES[:3], *ADAM_CLASSES[:3], *OWN, *OTHERS),
    ),
    "lr_rather_low": (m.lr_times(0.02), ("lr_low", "few_steps"), (*SGD_CLASSES, *SQUARES)),
    "momentum": (
        m.with_settings(momentum=0.999), ("momentum", "lr_high"),
        (*SGD_CLASSES, "line_sgd", "sine_sgd", "moons_relu_nesterov"),
    ),
    "weight_decay": (m.with_settings(weight_decay=1.0), ("weight_decay",), (*MIXED, *BINARY[:3], *OTHERS)),
    "weight_decay_tenth": (m.with_settings(weight_decay=0.1), ("weight_decay",), (*SGD_CLASSES, *SQUARES)),
    "few_steps": (m.hardly_trained, ("few_steps", "lr_low"), (*MIXED, *OTHERS, "spirals_relu")),
    "absurd_x": (m.with_x(m.odd_one_out(1e5)), ("one_sample",), (*SGD_CLASSES[:4], *SQUARES[:4], "tabular_relu")),
    "absurd_y": (m.with_y(m.odd_one_out(1e5)), ("one_sample", "unscaled_target"), SQUARES[:4]),
}  # fmt: skip

# Written by verify.py --write: those whose score, on two seeds, is not clearly worse than the whole net's.
HARMLESS = set((Path(__file__).parent / "harmless.txt").read_text(encoding="utf-8").split())


def mutated(name, base, mutate, names):
    """The case of a net with a mistake."""

    def make(seed):
        return mutate(base.make(seed), np.random.default_rng([seed, 16]))

    return Case(name, make, names, "faulty", base.task, base.name)


def candidates():
    whole = {case.name: case for case in HEALTHY + HARD}
    return [
        mutated(f"{mistake}@{base}", whole[base], mutate, names)
        for mistake, (mutate, names, bases) in MISTAKES.items()
        for base in dict.fromkeys(bases)
    ]


CASES = [case for case in candidates() if case.name not in HARMLESS]
SPARED = [replace(case, names=(), kind="harmless") for case in candidates() if case.name in HARMLESS]
