"""Hard, but healthy: what keeps these nets from a good score is their data, and no mistake of whoever trains them.

Noisy labels, weak relations, few or rare samples, many classes, nets that are deep, and steps near the edge of
stability. What the net can reach is low; it still learns, and nothing may be called a fault.
"""

import numpy as np
import own_parts as own
import sources as s
from corpus import Case
from healthy import normed, residual, tanh_stack
from recipes import BCE, CE, MSE, adam, adamw, layers, recipe, rmsprop, sgd

import minigrad as mg


def noisy(data, share, rng):
    """Class numbers of which this share was drawn anew."""
    x, y = data
    other = rng.integers(0, y.max() + 1, y.shape)
    return x, np.where(rng.random(y.shape) < share, other, y)


def weak(data, r2, rng):
    """Values with so much noise that the relation explains r2 of their spread."""
    x, y = data
    noise = np.sqrt((1 - r2) / r2) * y.std(axis=0) * rng.normal(size=y.shape)
    return x, s.standardised(y + noise)


def with_noise_features(data, count, rng):
    """x with so many further features that say nothing."""
    x, y = data
    return np.hstack([x, rng.normal(size=(len(x), count))]), y


def rare(rng, share, n=1200, features=8):
    """Labels of which this share is 1: those of the largest scores, with some noise."""
    x = rng.normal(size=(n, features))
    z = x[:, 0] + x[:, 1] * x[:, 2] + 0.4 * rng.normal(size=n)
    return x, (z > np.quantile(z, 1 - share)).astype(float)[:, None]


def many(rng, classes=60, n=1500):
    return s.clouds(rng, n, 24, classes, 3.5)


def overlapping(rng, n=500):
    return s.blobs(rng, n, 4, 0.7)


def heavy_tails(rng, n=500):
    """A line with noise of Student's t, three degrees of freedom."""
    x = rng.normal(size=(n, 5))
    return x, s.standardised(x[:, :1] - x[:, 1:2] + 0.7 * rng.standard_t(3, (n, 1)))


def counts(rng, n=500):
    """Counts of a Poisson process, which are many zeros and some large: log(1 + count), standardised."""
    x = rng.normal(size=(n, 4))
    return x, s.standardised(np.log1p(rng.poisson(np.exp(0.7 * x[:, :1] + 0.5 * x[:, 1:2]))))


def correlated(rng, n=400):
    """Ten features that are two and a little noise."""
    base = rng.normal(size=(n, 2))
    x = base @ rng.normal(size=(2, 10)) + 0.2 * rng.normal(size=(n, 10))
    return s.standardised(x), (base[:, :1] - base[:, 1:]) + 0.5 * rng.normal(size=(n, 1))


def sparse(rng, n=800):
    """Sixty features, one in twenty of their entries not 0: bags of words."""
    x = (rng.random((n, 60)) < 0.05).astype(float)
    z = x[:, :10].sum(axis=1) - x[:, 10:20].sum(axis=1) + 0.3 * rng.normal(size=n)
    return x, (z > 0).astype(float)[:, None]


def bits(rng, n=600, size=8, parity=2):
    """Random bits and the parity of the first few."""
    x = rng.integers(0, 2, (n, size))
    return 2.0 * x - 1, (x[:, :parity].sum(axis=1) % 2).astype(np.int64)


def noisy_sequences(rng):
    x, y = s.sequences(rng)
    return noisy((x, y), 0.3, rng)


ROWS = {
    # labels that are partly noise
    "noise20_digits": recipe(lambda r: noisy(s.digits(r), 0.2, r), [64, 32, 10], "relu", CE, adam(1e-3), 32, 20),
    "noise30_digits_tanh": recipe(lambda r: noisy(s.digits(r), 0.3, r), [64, 32, 10], "tanh", CE, sgd(0.1), 32, 30),
    "noise40_digits_sgd": recipe(lambda r: noisy(s.digits(r), 0.4, r), [64, 48, 10], "relu", CE, sgd(0.1), 32, 20),
    "noise30_moons": recipe(lambda r: s.column(noisy(s.moons(r), 0.3, r)), [2, 16, 1], "tanh", BCE, adam(1e-2)),
    "noise40_circles": recipe(
        lambda r: s.column(noisy(s.circles(r, 500), 0.4, r)), [2, 24, 1], "relu", BCE, adam(1e-2), 32, 50
    ),
    "noise40_iris": recipe(lambda r: noisy(s.iris(r), 0.4, r), [4, 12, 3], "relu", CE, adam(1e-2), 16, 40),
    "noise30_clouds": recipe(lambda r: noisy(s.clouds(r), 0.3, r), [20, 24, 4], "tanh", CE, sgd(0.1, 0.9), 32, 15),
    "noise30_sequences": recipe(noisy_sequences, [5, 32, 4], "relu", CE, adam(5e-3), 32, 25),
    "overlapping_blobs": recipe(overlapping, [2, 16, 4], "tanh", CE, adam(1e-2), 32, 40),
    # relations that explain little
    "r2_20_friedman": recipe(lambda r: weak(s.friedman(r), 0.2, r), [10, 16, 1], "relu", MSE, adam(3e-3), 32, 30),
    "r2_20_line": recipe(lambda r: weak(s.line(r, 400), 0.2, r), [3, 1], "relu", MSE, sgd(0.05), 32, 30),
    "r2_20_sine": recipe(lambda r: weak(s.sine(r, 500), 0.2, r), [1, 24, 1], "tanh", MSE, adam(1e-2), 32, 60),
    "r2_30_product": recipe(lambda r: weak(s.product(r), 0.3, r), [3, 32, 1], "gelu", MSE, adam(5e-3), 32, 40),
    "r2_15_huber": recipe(
        lambda r: weak(s.friedman(r), 0.15, r), [10, 16, 1], "tanh", own.OwnHuber, sgd(0.05, 0.9), 32, 30
    ),
    "heavy_tails": recipe(heavy_tails, [5, 16, 1], "relu", MSE, adam(3e-3), 32, 30),
    "counts": recipe(counts, [4, 16, 1], "relu", MSE, rmsprop(3e-3), 32, 30),
    "correlated_features": recipe(correlated, [10, 16, 1], "tanh", MSE, sgd(0.05), 32, 30),
    # classes of unequal size
    "imbalance_9_to_1": recipe(lambda r: rare(r, 0.1), [8, 24, 1], "relu", BCE, adam(5e-3), 32, 40),
    "imbalance_9_to_1_sgd": recipe(lambda r: rare(r, 0.1), [8, 16, 1], "tanh", BCE, sgd(0.2, 0.9), 32, 40),
    "rare_events_4": recipe(lambda r: rare(r, 0.04, 2000), [8, 24, 1], "relu", BCE, adam(5e-3), 32, 40),
    "rare_events_2_batch128": recipe(lambda r: rare(r, 0.02, 3000), [8, 32, 1], "relu", BCE, adam(1e-2), 128, 60),
    # nets that are deep
    "deep_residual_12": layers(s.digits, residual(64, 24, 10, 6), CE, adam(1e-3), 32, 10),
    "deep_residual_20_layernorm": layers(s.spirals, residual(2, 16, 3, 10, mg.LayerNorm), CE, adam(3e-3), 32, 25),
    "deep_residual_batchnorm": layers(s.moons, residual(2, 16, 2, 8, mg.BatchNorm), CE, adam(3e-3), 50, 20),
    "deep_tanh_8": layers(s.digits_standard, tanh_stack([64, *[32] * 8, 10]), CE, sgd(0.02, 0.9), 32, 15),
    "deep_relu_8": recipe(s.digits_standard, [64, *[48] * 8, 10], "relu", CE, adam(1e-3), 32, 12),
    "deep_batchnorm_6": layers(s.digits, normed([64, *[24] * 6, 10], mg.BatchNorm), CE, sgd(0.05, 0.9), 32, 5),
    # near the edge of stability
    "edge_digits_full_batch": recipe(lambda r: s.digits_standard(r, 500), [64, 24, 10], "tanh", CE, sgd(0.6), 500, 100),
    "edge_line": recipe(lambda r: s.line(r, 200), [3, 1], "relu", MSE, sgd(0.75), 200, 40),
    "edge_sine_full_batch": recipe(s.sine, [1, 24, 1], "tanh", MSE, sgd(0.25), 300, 1500),
    "large_batch_momentum": recipe(s.digits, [64, 32, 10], "relu", CE, sgd(0.3, 0.9), 512, 40),
    # few samples, many classes, features that say nothing
    "twelve_samples": recipe(lambda r: s.pick(*s.iris(r), 12, r), [4, 6, 3], "tanh", CE, adam(1e-2)),
    "thirty_samples_moons": recipe(lambda r: s.moons(r, 30), [2, 8, 2], "relu", CE, adam(1e-2), 8, 60),
    "forty_digits": recipe(lambda r: s.digits(r, 40), [64, 16, 10], "relu", CE, adam(3e-3), 8, 40),
    "sixty_classes": recipe(many, [24, 48, 60], "relu", CE, adam(3e-3), 32, 20),
    "noise_features_40": recipe(
        lambda r: with_noise_features(s.tabular(r), 40, r), [50, 24, 2], "relu", CE, adam(3e-3), 32, 20
    ),
    "noise_features_moons": recipe(
        lambda r: with_noise_features(s.moons(r), 20, r), [22, 24, 2], "tanh", CE, adamw(5e-3, weight_decay=0.1)
    ),
    "sparse_words": recipe(sparse, [60, 16, 1], "relu", BCE, adam(3e-3), 32, 30),
    "parity_of_three": recipe(lambda r: bits(r, 800, 6, 3), [6, 32, 2], "tanh", CE, adam(1e-2), 32, 50),
    "parity_sgd": recipe(lambda r: bits(r, 800, 6, 2), [6, 24, 2], "tanh", CE, sgd(0.2), 16, 60),
}

VALUES = ("r2", "heavy", "counts", "correlated", "edge_line", "edge_sine")

CASES = [
    Case(name, make, kind="hard", task="values" if name.startswith(VALUES) else "classes")
    for name, make in ROWS.items()
]
