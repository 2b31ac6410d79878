"""What the tests believe: derivatives taken from their definition, and states compared bit by bit."""

import numpy as np


def complex_step(f, x, h=1e-30):
    """f'(x) of an analytic f, entry by entry and without cancellation: Im f(x + ih) / h."""
    return f(x + 1j * h).imag / h


def central_difference(f, x, h=1e-3):
    """f'(x), entry by entry, with an error of h^4."""
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)


def numeric_gradient(f, array, eps=1e-6):
    """df/darray of a function f() that reads array: each entry is moved in place and put back.

    f may return an array (N,); the result has the shape of array, then of f's value.
    """
    gradient = []
    for i in np.ndindex(array.shape):
        old = array[i]
        array[i] = old + eps
        above = f()
        array[i] = old - eps
        gradient.append((above - f()) / (2 * eps))
        array[i] = old
    return np.reshape(gradient, array.shape + np.shape(gradient[0]))


def snapshot(net, *optimizers):
    """Everything a failed call must leave as it was, as a comparable value."""

    def layers(layer):
        yield layer
        for _, child in layer.children():
            yield from layers(child)

    return (
        {name: array.tobytes() for name, array in net.state().items()},
        [(layer.training, str(getattr(layer, "rng", None) and layer.rng.bit_generator.state)) for layer in layers(net)],
        [(opt.steps, {n: [a.tobytes() for a in arrays] for n, arrays in opt.state.items()}) for opt in optimizers],
    )


def same_bits(first, second):
    """Do two state_dicts hold the same names and the same bits?"""
    return {n: a.tobytes() for n, a in first.items()} == {n: a.tobytes() for n, a in second.items()}
