"""How good a net is on a data set, for the command line: which loss fits it, and whether it fits the data at all."""

import re

import numpy as np

from .. import datasets
from ..accuracy import accuracy
from ..layers.activations import Sigmoid
from ..layers.containers import Sequential, output_shape
from ..losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss


def load_data(name):
    """The data set of --data."""
    try:
        return datasets.load(name)
    except ValueError as error:
        raise ValueError(re.sub("^name:", "--data:", str(error))) from None


def check_fit(net, path, x, classes, data):
    """The number of outputs of a net, if it is one for that many classes and takes such x; a ValueError names both."""
    if net.in_features not in (None, x.shape[1]):
        raise ValueError(f"{path} takes {net.in_features} numbers a sample, {data} has {x.shape[1]}")
    try:
        K = output_shape(net, x)[-1]
    except ValueError as error:  # the first layer takes any width, a later one does not
        raise ValueError(f"{path} does not take the {x.shape[1]} numbers a sample of {data}: {error}") from None
    if classes > max(K, 2):
        outputs = "1 output, which tells 2 classes apart" if K == 1 else f"{K} outputs"
        raise ValueError(f"{path} has {outputs}, {data} has classes 0 to {classes - 1}")
    return K


def loss_for(net, K):
    """The loss that fits the net's K outputs: what a Sigmoid puts out are probabilities, all else are logits."""
    last = net[-1]
    while type(last) is Sequential:
        last = last[-1]
    if isinstance(last, Sigmoid):
        return BCELoss()
    return CrossEntropyLoss() if K > 1 else BCEWithLogitsLoss()


def targets_for(loss, K, y):
    """Class numbers as the targets of K outputs: as they are, as yes or no, or as a yes for one of K."""
    if isinstance(loss, CrossEntropyLoss):
        return y
    return y[:, None].astype(np.float64) if K == 1 else np.eye(K)[y]


def print_quality(name, net, loss, x, y, encoder=None):
    """Loss, and accuracy or R2 and RMSE, on a part of the data that has this name."""
    output = net(x)
    targets = targets_for(loss, output.shape[1], y) if loss.of_classes else y
    text = f"{name:<6}loss {loss(output, targets):<8.4g} "
    if loss.of_classes:
        print(f"{text}accuracy {accuracy(output, targets, loss.threshold or 0.0):.4f}")
        return
    print(text + "  ".join(regression_quality(output, targets, encoder.target)))


def regression_quality(output, y, target):
    """R2 and RMSE, in the units of the table, of each column of the target."""
    lines = []
    for column, spread, error, values in zip(target.columns, target.spread, (output - y).T, y.T, strict=True):
        square, variance = (error**2).mean(), values.var()
        R2 = f"{1 - square / variance:.4f}" if variance > 0 else "undefined"
        which = f"{column}: " if len(target.columns) > 1 else ""
        lines.append(f"{which}R2 {R2}, RMSE {spread * square**0.5:.4g}")
    return lines


def print_classes(output, y, names):
    """Of each class: how many rows, the share that is recognised, and the share of right answers among its answers."""
    answers = output.argmax(axis=1)
    width = max(len("class"), *(len(name) for name in names))
    print(f"\n{'class':<{width}}{'rows':>8}{'recall':>9}{'precision':>11}")
    for k, name in enumerate(names):
        of_class, answered = y == k, answers == k
        right = (of_class & answered).sum()
        recall, precision = (f"{right / n.sum():.4f}" if n.any() else "-" for n in (of_class, answered))
        print(f"{name:<{width}}{of_class.sum():>8}{recall:>9}{precision:>11}")
