"""Random nets for the comparisons with other libraries, and the measure by which results are compared.

A case is a net, a loss and data, drawn from one seed, so that a failure can be made again from its number:
    MINIGRAD_ORACLE_CASES=200   how many random nets the tests draw (2,000 and more in `make oracles`)
"""

import copy
import os
from dataclasses import dataclass

import catalogue
import numpy as np

import minigrad as mg

CASES = int(os.environ.get("MINIGRAD_ORACLE_CASES", "200"))
TOLERANCE = 1e-10  # relative, in float64

ACTIVATIONS = tuple(catalogue.activations((0.2, 1.3)))
LOSSES = catalogue.LOSS_CLASSES

LAYERS = {  # every layer, in its modes, and two with others inside; all take x (N, 4)
    f"{layer!r}, {'training' if layer.training else 'eval'}": layer
    for layer in (
        *catalogue.layers(),
        *ACTIVATIONS,
        mg.Residual(mg.Linear(4, 4, rng=0), mg.GELU(), mg.Residual(mg.Linear(4, 4, rng=1), mg.Tanh())),
        mg.Sequential(mg.Linear(4, 5, rng=0), mg.BatchNorm(5), mg.Sequential(mg.SiLU())),
    )
}


@dataclass
class Case:
    """One net with a loss and data; str(case) is what a failing test shows."""

    seed: int
    net: mg.Sequential
    loss: mg.Loss
    x: np.ndarray
    y: np.ndarray

    @property
    def couples_samples(self):
        """Is there a BatchNorm in training mode?"""
        return self.net.training and any("running_mean" in name for name in self.net.state())

    def __str__(self):
        mode = "train" if self.net.training else "eval"
        return f"case {self.seed}: N = {len(self.x)}, {self.loss}, {mode}, {self.x.dtype}, {self.net}"


def random_case(seed, dtype=np.float64, sizes=range(1, 9), batches=range(1, 13), per_sample=False):
    """The case of that number. sizes: the widths drawn from; batches: the N drawn from.

    per_sample: nothing that couples the samples, so no BatchNorm in training mode.
    """
    rng = np.random.default_rng([seed, 20240229])
    N = int(rng.choice(batches))
    # Two samples less their mean, over their spread, are +-1 whatever they were: the true gradient below
    # BatchNorm is then almost nothing, and what is left of it in floats is rounding. Hence N >= 5.
    training = bool(rng.random() < 0.5) and N >= 5 and not per_sample
    width = first = int(rng.choice(sizes))
    layers = [random_activation(rng)] if rng.random() < 0.1 else []
    depth = int(rng.integers(1, 6))
    while depth:
        depth -= 1
        below, width = width, int(rng.choice(sizes))
        layers.append(mg.Linear(below, width, bias=rng.random() > 0.15, dtype=dtype))
        if rng.random() < 0.25:
            layers.append(mg.BatchNorm(width, eps=float(rng.choice([1e-5, 1e-3])), momentum=0.3, dtype=dtype))
        if depth:
            layers.append(random_activation(rng))
        if depth and rng.random() < 0.2:
            # In training the two libraries would draw different masks: there the share dropped is 0.
            layers.append(mg.Dropout(0.0 if training else 0.4, rng=seed))
        if depth and rng.random() < 0.3:
            depth -= 1
            inside = [mg.Linear(width, width, dtype=dtype), random_activation(rng)]
            if rng.random() < 0.3:
                inside.append(mg.Residual(mg.Linear(width, width, dtype=dtype), random_activation(rng)))
            if rng.random() < 0.3:
                inside = [mg.Sequential(*inside)]
            layers.append(mg.Residual(*inside))
    losses = [example for example in catalogue.LOSSES.values() if example.least_outputs <= width]
    loss = losses[rng.integers(len(losses))].loss
    if isinstance(loss, mg.BCELoss):
        layers.append(mg.Sigmoid())
    net = mg.Sequential(*layers)
    fill(net, rng)
    net.train(training)
    x = rng.normal(size=(N, first)).astype(dtype)
    if isinstance(loss, mg.BCELoss):
        keep_from_0_and_1(net, x)
    return Case(seed, net, loss, x, random_targets(rng, loss, (N, width), dtype))


def random_activation(rng):
    return copy.copy(ACTIVATIONS[rng.integers(len(ACTIVATIONS))])


def random_targets(rng, loss, shape, dtype):
    """Targets of every kind the loss knows: hard and soft ones."""
    examples = catalogue.examples_of(loss)
    example = examples[rng.integers(len(examples))]
    y = example.targets(rng, *shape)
    if example.targets is catalogue.shares and rng.random() < 0.5:
        y = np.rint(y)
    return y if y.dtype.kind == "i" else y.astype(dtype)


def loss_cases(loss_class, shape, rng, count):
    """That many (loss, output, targets), with two outputs where the loss refuses a single one."""
    examples = catalogue.examples_of(loss_class())
    shape = shape[0], max(shape[1], examples[0].least_outputs)
    for _ in range(count):
        loss, output = loss_class(), rng.normal(size=shape)
        output = mg.sigmoid(output) if examples[0].of_probabilities else output
        yield loss, output, random_targets(rng, loss, shape, np.float64)


def fill(net, rng):
    """Weights, biases and running statistics that are neither 0 nor 1, where a mistake could hide."""
    gain = rng.choice([0.3, 1.0, 1.5])
    for name, array in net.state().items():
        if array.ndim == 2:
            array[...] = gain * rng.normal(size=array.shape) / np.sqrt(array.shape[1])
        elif name.endswith("running_var"):
            array[...] = rng.uniform(0.5, 2.0, array.shape)
        else:
            array[...] = rng.normal(size=array.shape)


def keep_from_0_and_1(net, x):
    """Smaller weights, until the probabilities suit BCELoss: of 1 - a = 1e-6 only ten digits are left."""
    while abs(copy.deepcopy(net)(x) - 0.5).max() > 0.499:
        for array in net.parameters().values():
            array *= 0.8


# ---- how far apart two results are -------------------------------------------------------------------------

WORST = {}  # check -> [cases, worst relative error or None, where]; conftest.py prints it at the end


def relative_error(ours, theirs, scale=0.0):
    """max |ours - theirs| / max(|theirs|, 1e-3 scale).

    scale is 0 except below BatchNorm in training. What flows there is a difference of nearly equal
    numbers, zero up to eps for a bias or for a single input feature, and rounding is all that is left of it:
    such arrays are measured on 1e-3 of the deltas they came from.
    """
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert np.isfinite(theirs).all()
    size = max(largest(theirs), 1e-3 * scale)
    difference = largest(ours - theirs)
    return difference / size if size else (0.0 if difference == 0 else np.inf)


def record(check, error=None, where="", cases=0):
    """Note the worst error of a check, and how many cases it has seen."""
    entry = WORST.setdefault(check, [0, None, ""])
    entry[0] += cases
    if error is not None and (entry[1] is None or not error <= entry[1]):
        entry[1:] = [float(error), where]


def largest(array):
    return float(np.abs(array).max(initial=0))
