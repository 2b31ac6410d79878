"""What is trained, for the command line: the options of `train` and `diagnose`, and the net and data they describe."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import minigrad as mg

from ..datasets import SCALES, scaling
from ..layers.activations import ACTIVATIONS
from ..layers.containers import Sequential
from ..layers.initializers import INITIALIZERS
from ..training.optimizers import OPTIMIZERS, Optimizer
from .options import add_choice, add_data, add_number, at_least, positive, share, widths
from .quality import load_data

HIDDEN = [32]  # argparse would add to a default


def usual_rate(name: str) -> float:
    """The learning rate of an optimizer where none is given: good for digits."""
    return 0.5 if name == "sgd" else 0.01


def add_training(parser: argparse.ArgumentParser) -> None:
    """The options that say what is trained, and how."""
    add_data(parser)
    parser.add_argument(
        "--hidden",
        type=widths,
        action="extend",
        metavar="N",
        help="neurons of the hidden layers: 32, or 64,32 for two layers, 0 for none (default: 32)",
    )
    add_choice(parser, "--activation", ACTIVATIONS, "sigmoid", "of the hidden neurons: {}")
    add_choice(
        parser,
        "--init",
        (*INITIALIZERS, "tanh_equivalent"),
        "glorot_uniform",
        "first weights: {}; the last starts a sigmoid net where a tanh net would start",
    )
    add_choice(parser, "--optimizer", OPTIMIZERS, "sgd", "how weights follow the gradient: {}")
    text = "learning rate, the length of a step (default: 0.5 for sgd, 0.01 for the others)"
    parser.add_argument("--lr", type=positive, metavar="X", help=text)
    text = "momentum of sgd, 0 to below 1, often 0.9 (default: 0)"
    parser.add_argument("--momentum", type=share, metavar="X", help=text)
    add_number(parser, "--epochs", at_least(0), 30, "times through the data")
    add_number(parser, "--batch-size", at_least(1), 32, "samples whose gradients are averaged for one step")
    add_number(parser, "--seed", at_least(0), 0, "start of the random numbers; the same seed gives the same net")
    add_choice(
        parser,
        "--scale",
        SCALES,
        "unit",
        "of the data: {}; unit moves all values into 0 to 1, standard each feature to mean 0 and spread 1. A saved net "
        "does it by itself",
    )


def check_training(args: Any) -> None:
    """Wrong usage where two of these options contradict each other."""
    if args.momentum is not None and args.optimizer != "sgd":
        args.usage_error("--momentum goes with --optimizer sgd only")


def scaled_data(name: str, scale: str) -> tuple[np.ndarray, ...]:
    """x, y, x_test, y_test, and the shift and spread of the training data, by which both are scaled."""
    x, y, x_test, y_test = load_data(name)
    shift, spread = scaling(x, scale)
    return (x - shift) / spread, y, (x_test - shift) / spread, y_test, shift, spread


def new_net(args: Any, x: np.ndarray, y: np.ndarray, y_test: np.ndarray) -> Sequential:
    """The net that the options describe, with an output for each class."""
    hidden = HIDDEN if args.hidden is None else args.hidden
    sizes = [x.shape[1], *hidden, int(max(y.max(), y_test.max())) + 1]
    return mg.mlp(sizes, activation=args.activation, init=args.init, rng=args.seed)


def optimizer(args: Any) -> Optimizer:
    """The optimizer that the options describe."""
    lr = usual_rate(args.optimizer) if args.lr is None else args.lr
    rest = {} if args.momentum is None else {"momentum": args.momentum}
    return OPTIMIZERS[args.optimizer](lr=lr, **rest)
