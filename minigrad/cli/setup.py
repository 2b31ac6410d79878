"""What is trained, for the command line: the options of `train` and `diagnose`, and the net and data they describe."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad as mg

from .. import datasets
from ..datasets import SCALES, Encoder, scaling
from ..layers.activations import ACTIVATIONS
from ..layers.containers import Sequential
from ..layers.initializers import INITIALIZERS
from ..losses import Loss
from ..training.optimizers import OPTIMIZERS, Optimizer
from .options import add_choice, add_data, add_number, at_least, positive, share, widths
from .quality import load_data
from .tables import add_table, is_table, load_table, loss_of, refuse_table_options

HIDDEN = [32]  # argparse would add to a default


def usual_rate(name: str, loss: Loss) -> float:
    """The learning rate of an optimizer where none is given: good for digits, and for standardised numbers."""
    if name != "sgd":
        return 0.01
    return 0.5 if loss.of_classes else 0.05


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
    text = (
        "learning rate, the length of a step (default: 0.5 for sgd, 0.05 where it learns numbers, 0.01 for the others)"
    )
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
        "of a data set: {}; unit moves all values into 0 to 1, standard each feature to mean 0 and spread 1. A saved "
        "net does it by itself. The numbers of a table are always moved to mean 0 and spread 1",
    )
    parser.set_defaults(scale=None)  # told from one that was given
    add_table(parser)


def check_training(args: Any) -> None:
    """Wrong usage where two of these options contradict each other."""
    if args.momentum is not None and args.optimizer != "sgd":
        args.usage_error("--momentum goes with --optimizer sgd only")


@dataclass(frozen=True)
class Data:
    """What a net is trained and tested on, as numbers: x (N, J), y as the loss wants it, and K outputs for it.

    Of a data set, x is (values - shift) / spread; of a table, the encoder has made it from the columns.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    outputs: int
    loss: Loss
    shift: np.ndarray | None = None
    spread: np.ndarray | None = None
    encoder: Encoder | None = None

    @property
    def parts(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The two halves by name; there may be no rows to test on."""
        found = {"train": (self.x, self.y), "test": (self.x_test, self.y_test)}
        return {name: part for name, part in found.items() if len(part[0])}


def training_data(args: Any) -> Data:
    """The data set or table of --data, scaled by the training part."""
    if is_table(args.data):
        x, y, x_test, y_test, encoder = load_table(args)
        return Data(x, y, x_test, y_test, encoder.outputs, loss_of(encoder), encoder=encoder)
    if args.target is not None and args.data not in datasets.NAMES and not os.path.exists(args.data):
        raise FileNotFoundError(f"{args.data}: there is no such file")
    refuse_table_options(args, f"{args.data} is none")
    x, y, x_test, y_test = load_data(args.data)
    shift, spread = scaling(x, args.scale or "unit")
    K = int(max(y.max(), y_test.max())) + 1
    return Data((x - shift) / spread, y, (x_test - shift) / spread, y_test, K, mg.CrossEntropyLoss(), shift, spread)


def new_net(args: Any, data: Data) -> Sequential:
    """The net that the options describe, with as many inputs and outputs as the data need."""
    hidden = HIDDEN if args.hidden is None else args.hidden
    sizes = [data.x.shape[1], *hidden, data.outputs]
    return mg.mlp(sizes, activation=args.activation, init=args.init, rng=args.seed)


def optimizer(args: Any, loss: Loss) -> Optimizer:
    """The optimizer that the options describe."""
    lr = usual_rate(args.optimizer, loss) if args.lr is None else args.lr
    rest = {} if args.momentum is None else {"momentum": args.momentum}
    return OPTIMIZERS[args.optimizer](lr=lr, **rest)
