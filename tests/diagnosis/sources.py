"""The data of the cases, each a function (rng) -> x, y, scaled as people scale it; and mlp() with a last layer."""

import numpy as np

import minigrad as mg

D = mg.datasets


def standardised(x):
    """Mean 0 and spread 1 in each feature; a constant one becomes 0."""
    return (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)


def pick(x, y, n, rng):
    """n samples of x and y, drawn without repetition."""
    chosen = rng.permutation(len(x))[:n]
    return x[chosen], y[chosen]


# ---- classes, y (N,) -------------------------------------------------------------------------------------


def digits(rng, n=1438):
    """Pixels from 0 to 1."""
    x, y, _, _ = D.load("digits")
    return pick(x / 16, y, n, rng)


def digits_raw(rng, n=1438):
    """Pixels from 0 to 16."""
    x, y, _, _ = D.load("digits")
    return pick(x, y, n, rng)


def digits_standard(rng, n=1438):
    x, y, _, _ = D.load("digits")
    return pick(standardised(x), y, n, rng)


def iris(rng):
    x, y, _, _ = D.load("iris")
    return pick(standardised(x), y, len(x), rng)


def iris_raw(rng):
    """Centimetres, as in the file."""
    x, y, _, _ = D.load("iris")
    return pick(x, y, len(x), rng)


def moons(rng, n=300, noise=0.1):
    x, y = D.moons(n, noise, rng=rng)
    return standardised(x), y


def circles(rng, n=300, noise=0.05):
    x, y = D.circles(n, noise, rng=rng)
    return standardised(x), y


def spirals(rng, n=300, classes=3, turns=0.5):
    x, y = D.spirals(n, classes, turns=turns, rng=rng)
    return standardised(x), y


def blobs(rng, n=300, classes=3, spread=0.25):
    x, y = D.blobs(n, classes, spread, rng=rng)
    return standardised(x), y


def clouds(rng, n=500, features=20, classes=4, distance=2.5):
    """Gaussian clouds in many dimensions, one for each class."""
    y = rng.integers(0, classes, n)
    centres = rng.normal(size=(classes, features)) * distance / np.sqrt(features) * 2
    return standardised(centres[y] + rng.normal(size=(n, features))), y


def tabular(rng, n=600, noise=0.3):
    """Ten features of which four matter, two of them together: labels 0 and 1."""
    x = rng.normal(size=(n, 10))
    z = 1.5 * x[:, 0] - x[:, 1] + 1.2 * x[:, 2] * x[:, 3] + noise * rng.normal(size=n)
    return x, (z > 0).astype(np.int64)


def xor_cloud(rng, n=400, noise=0.15):
    """The four corners of exclusive or, at -1 and 1, each a cloud."""
    bits = rng.integers(0, 2, (n, 2))
    return 2.0 * bits - 1 + noise * rng.normal(size=(n, 2)), bits[:, 0] ^ bits[:, 1]


def sequences(rng, n=300, steps=8, features=5):
    """x (N, T, J), y (N, T): at each step the sign of a product of two features, and of their sum."""
    x = rng.normal(size=(n, steps, features))
    return x, (x[..., 0] * x[..., 1] > 0).astype(np.int64) + 2 * (x[..., 2] + x[..., 3] > 0).astype(np.int64)


def sets(rng, n=400, steps=6, features=4):
    """x (N, T, J), y (N,): whether the mean of the first feature over the steps is above that of the second."""
    x = rng.normal(size=(n, steps, features))
    return x, (x[..., 0].mean(axis=1) > x[..., 1].mean(axis=1)).astype(np.int64)


# ---- values, y (N, K) ------------------------------------------------------------------------------------


def sine(rng, n=300, noise=0.05):
    x = rng.uniform(-1, 1, (n, 1))
    return standardised(x), np.sin(np.pi * x) + noise * rng.normal(size=(n, 1))


def line(rng, n=200, features=3, noise=0.1):
    x = rng.normal(size=(n, features))
    return x, x @ rng.normal(1.0, 0.5, (features, 1)) + 0.5 + noise * rng.normal(size=(n, 1))


def friedman(rng, n=500, noise=1.0):
    """Friedman 1991: ten features of which five matter; y standardised."""
    x = rng.uniform(size=(n, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return standardised(x), standardised((y + noise * rng.normal(size=n))[:, None])


def product(rng, n=500):
    """y = x0 x1 + x2 / 2."""
    x = rng.normal(size=(n, 3))
    return x, (x[:, :1] * x[:, 1:2] + x[:, 2:] / 2)


def waves(rng, n=400):
    """Two targets of two features: a sine and a product."""
    x = rng.uniform(-1, 1, (n, 2))
    return standardised(x), np.stack([np.sin(3 * x[:, 0]), 2 * x[:, 0] * x[:, 1]], axis=1)


def moving_average(rng, n=200, steps=10, features=3):
    """x (N, T, J), y (N, T, 1): a smooth function of the step's own features."""
    x = rng.normal(size=(n, steps, features))
    return x, np.tanh(x[..., :1] - x[..., 1:2]) + 0.3 * x[..., 2:]


# ---- targets in other forms ------------------------------------------------------------------------------


def column(data):
    """Class numbers 0 and 1 as floats (N, 1)."""
    x, y = data
    return x, y[:, None].astype(float)


def one_hot(data, K=None):
    x, y = data
    return x, np.eye(y.max() + 1 if K is None else K)[y]


def soft(data, rng, K):
    """Probabilities: the class with .8 or so, the rest with what is left."""
    x, y = data
    p = 0.8 * np.eye(K)[y] + 0.2 * rng.dirichlet(np.ones(K), len(y))
    return x, p


def tags(rng, n=500):
    """Four labels that do not exclude one another."""
    x = rng.normal(size=(n, 8))
    z = np.stack([x[:, 0] + x[:, 1], x[:, 2] - x[:, 0], x[:, 3] * x[:, 4], x[:, 5] + 0.5 * x[:, 6]], axis=1)
    return x, (z + 0.1 * rng.normal(size=z.shape) > 0).astype(float)


# ---- nets ------------------------------------------------------------------------------------------------


def ended(net, *layers):
    """The net with further layers at its end."""
    return mg.Sequential(*net, *layers)


def as_float32(x, y):
    return x.astype(np.float32), (y.astype(np.float32) if y.dtype.kind == "f" else y)
