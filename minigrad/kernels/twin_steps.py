"""The optimizers in NumPy: one step on one parameter, in place. Part of the readable twin; twin.py offers them too.

What remains of a running mean is taken in float64: rounded to float32, .999999 would let 1.3 % more remain.
"""

import math

import numpy as np

from .._checks import quiet


@quiet
def sgd(weight, gradient, velocity, lr, momentum, nesterov, weight_decay):
    """v = momentum v + g; w -= lr v, or lr (g + momentum v) for Nesterov; velocity None: w -= lr g."""
    step = gradient + weight_decay * weight
    if velocity is not None:
        velocity[...] = np.float64(momentum) * velocity + step
        step = step + momentum * velocity if nesterov else velocity
    weight -= lr * step


@quiet
def rmsprop(weight, gradient, square, lr, alpha, eps, weight_decay):
    """s = alpha s + (1 - alpha) g^2; w -= lr g / (sqrt(s) + eps)."""
    g = gradient + weight_decay * weight
    square[...] = np.float64(alpha) * square + (1 - alpha) * g * g
    weight -= lr * g / (np.sqrt(square) + eps)


@quiet
def adam(weight, gradient, mean, square, t, lr, beta1, beta2, eps, weight_decay, decoupled):
    """m, v: running means of g and g^2; w -= lr m/(1-beta1^t) / (sqrt(v/(1-beta2^t)) + eps)."""
    shrink = lr * weight_decay if decoupled else 0.0
    g = gradient if decoupled else gradient + weight_decay * weight
    mean[...] = np.float64(beta1) * mean + (1 - beta1) * g
    square[...] = np.float64(beta2) * square + (1 - beta2) * g * g
    root = np.sqrt(square) / math.sqrt(1 - beta2**t)
    weight -= shrink * weight + lr / (1 - beta1**t) * mean / (root + eps)


OPTIMIZERS = {"sgd": sgd, "rmsprop": rmsprop, "adam": adam, "adamw": adam}
