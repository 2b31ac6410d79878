"""What the studies share: nets and their training, the search for a learning rate, the palette, plots of many runs."""

from __future__ import annotations

import math
import warnings

import numpy as np

import minigrad as mg

from .._pictures import activation_colour
from ..training.divergence import DivergenceError
from . import style

LOSS = mg.CrossEntropyLoss()
BATCH = 32
RATE = {"sigmoid": 0.5, "relu": 0.1, "tanh": 0.1}  # with momentum 0.9, nets of these learn well
NAME = {"sigmoid": "sigmoid", "relu": "ReLU", "tanh": "tanh"}
COLOUR = {kind: activation_colour(kind) for kind in ("sigmoid", "centered_sigmoid", "tanh", "relu")}


# ---- nets ------------------------------------------------------------------------------------------------


def sizes(x, hidden, y):
    """The widths of a net for these data: [inputs, *hidden, classes]."""
    return [x.shape[1], *hidden, int(y.max()) + 1]


def net(widths, activation="sigmoid", init="glorot_uniform", added="", seed=0, dtype=np.float64):
    """An untrained net of these widths; whatever is added, it has the same weights.

    added: "batchnorm", between each linear map and its activation (Ioffe and Szegedy 2015); "residual", a short cut
    past every hidden layer but the first, which changes the width; "" for neither.
    """
    layers = list(mg.mlp(widths, activation, init, dtype=dtype, rng=seed))
    blocks = [layers[i : i + 2] for i in range(0, len(layers) - 1, 2)]  # a linear map and its activation
    if added == "batchnorm":
        blocks = [[linear, mg.BatchNorm(linear.out_features), f] for linear, f in blocks]
    if added == "residual":
        blocks[1:] = [[mg.Residual(*block)] for block in blocks[1:]]
    return mg.Sequential(*[layer for block in blocks for layer in block], layers[-1])


def linear_neuron(weights):
    """A net of one linear neuron without bias, with these weights (J,)."""
    neuron = mg.Linear(len(weights), 1, bias=False)
    neuron.weight[0] = weights
    return mg.Sequential(neuron)


def momentum(activation):
    """The optimiser that trains a net of this activation well."""
    return mg.SGD(RATE[activation], momentum=0.9)


def train(net, opt, x, y, epochs, seed, *callbacks):
    """Train a net as the studies usually do: cross-entropy, batches of BATCH, no progress bar.

    No warning where it learns nothing: some studies ask for just that.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "nothing was learned", RuntimeWarning)
        mg.fit(net, LOSS, opt, x, y, epochs=epochs, batch_size=BATCH, rng=seed, callbacks=callbacks, progress=False)


# ---- many runs -------------------------------------------------------------------------------------------


def by_case(config, job, cases, seeds, label):
    """{case: [job((config, case, seed)) for each seed]}, computed where the config says."""
    jobs = [(config, case, seed) for case in cases for seed in seeds]
    found: dict = {case: [] for case in cases}
    for (_, case, _), result in zip(jobs, config.sweep(job, jobs, label), strict=True):
        found[case].append(result)
    return found


def try_rate(net, loss, opt, x, y, **settings):
    """The History of a run whose learning rate may be too high, without a warning; None where it left the floats."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "training diverged|nothing was learned", RuntimeWarning)
        try:
            return mg.fit(net, loss, opt, x, y, batch_size=BATCH, progress=False, **settings)
        except DivergenceError:
            return None


def losses_until(net, opt, x, y, target, most, seed):
    """The loss of each epoch, until it is at the target or `most` epochs are over; [] for a run that diverged.

    A run is also given up when its loss is twice what guessing costs.
    """
    hopeless = 2 * math.log(y.max() + 1)

    def over(epoch, net, history):
        return history.loss[-1] <= target or (epoch > 2 and history.loss[-1] > hopeless)

    history = try_rate(net, LOSS, opt, x, y, epochs=int(most), rng=seed, callbacks=[over])
    return [] if history is None else history.loss


def epochs_to(target, losses):
    """How many epochs it took to the target; infinite where it was not reached."""
    return len(losses) if losses and losses[-1] <= target else math.inf


def search_rates(rates, epochs, most, patience=2):
    """{lr: epochs(lr, limit)} for the learning rates that are worth a try, in their order.

    epochs(lr, limit) is how many epochs a run needs, infinite where they are more than `limit`. To save time the limit
    is `patience` times the best so far (`most` at first), and a side of the first rate, that above it or that below,
    is left after two rates in a row that were no better.
    """
    tried: dict[float, float] = {}
    best, no_better = math.inf, {True: 0, False: 0}
    for lr in rates:
        above = lr > rates[0]
        if no_better[above] == 2:
            continue
        tried[lr] = epochs(lr, min(most, patience * best))
        if tried[lr] < best:
            best, no_better[above] = tried[lr], 0
        elif best < math.inf:
            no_better[above] += 1
    return tried


# ---- pictures --------------------------------------------------------------------------------------------


def band(ax, x, runs, colour, line="-", **rest):
    """Several runs (runs, points) as the line of their medians and a band from the smallest to the largest.

    Returns the medians.
    """
    runs = np.asarray(runs)
    middle = np.median(runs, axis=0)
    ax.fill_between(x, runs.min(axis=0), runs.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    ax.plot(x, middle, line, color=colour, **rest)
    return middle


def plain_ticks(axis, values):
    """Ticks of a logarithmic axis at these values, written out, and no others."""
    axis.set_ticks(values, [f"{value:,}" for value in values])
    axis.set_minor_locator(style.need_matplotlib().ticker.NullLocator())


def batch_axis(ax, sizes):
    """The horizontal axis of pictures that have the size of the batch there."""
    ax.set_xscale("log", base=2)
    plain_ticks(ax.xaxis, sizes)
    ax.set_xlabel("samples in the batch")
