"""What can go wrong: each function takes a set-up that learns and a random generator, and puts one mistake into it."""

import numpy as np
import own_parts as own

import minigrad as mg
from minigrad.layers.containers import walk


def linears(net):
    return [layer for layer in net if isinstance(layer, mg.Linear)]


def activations(net):
    """Places of the activations between the first and the last Linear."""
    places = [i for i, layer in enumerate(net) if isinstance(layer, mg.Linear)]
    return [i for i in range(places[0], places[-1]) if isinstance(net[i], mg.layers.activations.Activation)]


def changed(setup, layers):
    setup.net = mg.Sequential(*layers)
    return setup


def ending(layer):
    """A mutation: the net ends with layer()."""
    return lambda setup, rng: changed(setup, [*setup.net, layer()])


def with_loss(loss):
    def mutate(setup, rng):
        setup.loss = loss()
        return setup

    return mutate


def with_x(change):
    """A mutation: x becomes change(x, rng)."""

    def mutate(setup, rng):
        setup.x = change(setup.x.copy(), rng).astype(setup.x.dtype)
        return setup

    return mutate


def with_y(change):
    def mutate(setup, rng):
        setup.y = change(setup.y.copy(), rng)
        return setup

    return mutate


# ---- data ------------------------------------------------------------------------------------------------


def with_entries(value, count=3):
    """change(array, rng): so many entries become value."""

    def change(array, rng):
        rows = rng.permutation(len(array))[:count]
        array.reshape(len(array), -1)[rows, 0] = value
        return array

    return change


def few_of_the_others(setup, rng):
    """All samples of the most frequent class, and one in a hundred of the rest."""
    values, counts = np.unique(setup.y, return_counts=True)
    common = (setup.y == values[counts.argmax()]).reshape(len(setup.y), -1).all(axis=1)
    others = rng.permutation(np.flatnonzero(~common))[: max(2, int(common.sum()) // 100)]
    kept = rng.permutation(np.concatenate([np.flatnonzero(common), others]))
    setup.x, setup.y = setup.x[kept], setup.y[kept]
    return setup


def many_outputs(setup, rng):
    """Four hundred outputs, of which the classes use a few; one-hot targets get as many columns."""
    last = linears(setup.net)[-1]
    wide = mg.Linear(last.in_features, 400, dtype=last.dtype, rng=rng)
    if setup.y.ndim == 2:
        setup.y = np.hstack([setup.y, np.zeros((len(setup.y), 400 - setup.y.shape[1]))])
    return changed(setup, [wide if layer is last else layer for layer in setup.net])


def sort_by_class(setup, rng):
    order = np.argsort(setup.y.reshape(len(setup.y), -1)[:, 0], kind="stable")
    setup.x, setup.y, setup.shuffle = setup.x[order], setup.y[order], False
    return setup


def uneven(x, rng):
    """A quarter of the features, one at least, in units a thousand times as small."""
    chosen = rng.permutation(x.shape[-1])[: max(1, x.shape[-1] // 4)]
    x[..., chosen] *= 1000
    return x


def odd_one_out(factor):
    def change(array, rng):
        array[rng.integers(len(array))] = factor
        return array

    return change


# ---- output and loss -------------------------------------------------------------------------------------


def squares_on_probabilities(bias):
    """Sigmoid and squares in the place of the loss on logits; the last bias starts confidently wrong where given."""

    def mutate(setup, rng):
        K = linears(setup.net)[-1].out_features
        if K > 1 and setup.y.ndim == 1:
            setup.y = np.eye(K)[setup.y]
        linears(setup.net)[-1].bias[:] += bias
        setup.loss = mg.MSELoss()
        return changed(setup, [*setup.net, mg.Sigmoid()])

    return mutate


def softmax_of_one(loss):
    def mutate(setup, rng):
        setup.loss = loss()
        return changed(setup, [*setup.net, own.OwnSoftmax()])

    return mutate


def cross_entropy_of_one(setup, rng):
    setup.loss, setup.y = mg.CrossEntropyLoss(), setup.y[:, 0].astype(int)
    return setup


def relu_and_bce(setup, rng):
    setup.loss = mg.BCELoss()
    return changed(setup, [*setup.net, mg.ReLU()])


# ---- structure -------------------------------------------------------------------------------------------


def without_activations(setup, rng):
    gone = activations(setup.net)
    return changed(setup, [layer for i, layer in enumerate(setup.net) if i not in gone])


def without_bias(shift):
    """No biases; targets of values are moved by shift."""

    def mutate(setup, rng):
        for layer in linears(setup.net):
            layer.bias = None
        setup.y = setup.y + shift if shift else setup.y
        return setup

    return mutate


def narrow(setup, rng):
    """A hidden layer of one unit before the last Linear."""
    *below, last = setup.net
    one = mg.Linear(last.in_features, 1, init="he_uniform", dtype=last.dtype, rng=rng)
    wide = mg.Linear(1, last.in_features, init="he_uniform", dtype=last.dtype, rng=rng)
    return changed(setup, [*below, one, mg.ReLU(), wide, type(below[-1])(), last])


def much_dropout(p):
    def mutate(setup, rng):
        layers = []
        for i, layer in enumerate(setup.net):
            layers += [layer, mg.Dropout(p, rng=rng)] if i in activations(setup.net) else [layer]
        return changed(setup, layers)

    return mutate


def slow_statistics(momentum):
    def mutate(setup, rng):
        for _, layer in walk(setup.net):
            if isinstance(layer, mg.BatchNorm):
                layer.momentum = momentum
        return setup

    return mutate


# ---- start -----------------------------------------------------------------------------------------------


def nan_weight(setup, rng):
    linears(setup.net)[0].weight[0, 0] = np.nan
    return setup


def all_equal(value):
    def mutate(setup, rng):
        for layer in linears(setup.net):
            layer.weight[:] = value
            layer.bias[:] = 0
        return setup

    return mutate


def hidden_bias(value):
    """The biases of the first layer start at value."""

    def mutate(setup, rng):
        linears(setup.net)[0].bias[:] = value
        return setup

    return mutate


def hidden_times(factor):
    """The weights of all hidden layers, times factor."""

    def mutate(setup, rng):
        for layer in linears(setup.net)[:-1]:
            layer.weight *= factor
        return setup

    return mutate


def all_times(factor):
    """All weights, those of the last layer too, times factor."""

    def mutate(setup, rng):
        for layer in linears(setup.net):
            layer.weight *= factor
        return setup

    return mutate


def constant_units(setup, rng):
    """Hidden units that hardly see their input, at the shoulders of their activation."""
    for layer in linears(setup.net)[:-1]:
        layer.weight *= 1e-3
        layer.bias[:] = rng.choice([-3.0, 3.0], len(layer.bias))
    return setup


def dead_output(setup, rng):
    """Targets above 0 and a ReLU for output, whose last bias is so low that no sample gets through."""
    setup.y = setup.y - setup.y.min(axis=0)
    linears(setup.net)[-1].bias[:] = -100
    return changed(setup, [*setup.net, mg.ReLU()])


def last_times(factor):
    def mutate(setup, rng):
        linears(setup.net)[-1].weight *= factor
        return setup

    return mutate


def deep(activation, init, depth=7, width=20):
    """A net of that depth between the same input and output."""

    def mutate(setup, rng):
        first, last = linears(setup.net)[0], linears(setup.net)[-1]
        sizes = [first.in_features, *[width] * depth, last.out_features]
        return changed(setup, mg.mlp(sizes, activation, init, first.dtype, rng))

    return mutate


# ---- steps -----------------------------------------------------------------------------------------------


def lr_times(factor):
    def mutate(setup, rng):
        settings = setup.opt.config()
        setup.opt = type(setup.opt)(**{**settings, "lr": settings["lr"] * factor})
        return setup

    return mutate


def with_settings(**settings):
    def mutate(setup, rng):
        setup.opt = type(setup.opt)(**{**setup.opt.config(), **settings})
        return setup

    return mutate


def hardly_trained(setup, rng):
    """A few steps on the whole data."""
    setup.epochs, setup.batch_size = 3, len(setup.x)
    return setup
