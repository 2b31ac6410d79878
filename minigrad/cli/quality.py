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


def print_quality(net, loss, train_data, test_data):
    """Loss and accuracy on both halves of the data."""
    for name, (x, y) in (("train", train_data), ("test", test_data)):
        output = net(x)
        K = output.shape[1]
        targets = targets_for(loss, K, y)
        right = accuracy(output, targets, loss.threshold or 0.0)
        print(f"{name:<6}loss {loss(output, targets):<8.4g} accuracy {right:.4f}")
