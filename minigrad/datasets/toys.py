"""Toy sets: five generators of points in the plane.

Classes alternate, 0 1 2 0 1 2 ..., so any slice is balanced; positions along a shape are drawn, not evenly
spaced, so two calls with one Generator give two different samples of the same shape. Every argument is
checked before the first draw: an error leaves the caller's Generator as it was.
"""

import numpy as np

from .._checks import Rng, generator, real_number, whole_number

Pair = tuple[np.ndarray, np.ndarray]


def xor() -> Pair:
    """The four points of exclusive or: x (4, 2) of 0 and 1; y (4, 1) float64, 1 where the two differ, else 0.

    y is a column of probabilities, as BCELoss, BCEWithLogitsLoss and MSELoss want it; `load("xor")` gives
    class numbers (4,).
    """
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return x, np.array([[0.0], [1.0], [1.0], [0.0]])


def moons(n: int = 200, noise: float = 0.1, rng: Rng = None) -> Pair:
    """Two half circles of radius 1 that reach into each other; parting them needs a bent boundary.

    Class 0: (cos t, sin t); class 1: (1 - cos t, 1/2 - sin t), t uniform in [0, pi]. `noise` is the standard
    deviation of the Gaussian noise added to both coordinates. The shape is scikit-learn's `make_moons`.

    Returns x (n, 2) float64, y (n,) int64. Raises ValueError or TypeError for n < 1 or noise < 0.
    """
    n, noise = whole_number(n, "n", 1), _deviation(noise, "noise")
    random = generator(rng)
    y = np.arange(n, dtype=np.int64) % 2
    t = random.uniform(0.0, np.pi, n)
    upper = np.stack([np.cos(t), np.sin(t)], axis=1)
    x = np.where(y[:, None] == 0, upper, [1.0, 0.5] - upper)
    return x + random.normal(0.0, noise, (n, 2)), y


def circles(n: int = 200, noise: float = 0.05, factor: float = 0.5, rng: Rng = None) -> Pair:
    """A circle within a circle; no straight line parts them.

    Class 0 has radius 1, class 1 has radius `factor`, 0 < factor < 1; `noise` is as in `moons`. The shape is
    that of scikit-learn's `make_circles`.

    Returns x (n, 2) float64, y (n,) int64. Raises ValueError or TypeError for n < 1, noise < 0, or a factor
    that is not between 0 and 1.
    """
    n, noise = whole_number(n, "n", 1), _deviation(noise, "noise")
    factor = real_number(factor, "factor", 0, 1, open_low=True, open_high=True)
    random = generator(rng)
    y = np.arange(n, dtype=np.int64) % 2
    x = _polar(np.where(y == 0, 1.0, factor), random.uniform(0.0, 2 * np.pi, n))
    return x + random.normal(0.0, noise, (n, 2)), y


def spirals(n: int = 200, classes: int = 3, noise: float = 0.02, turns: float = 0.75, rng: Rng = None) -> Pair:
    """Arms wound around the origin, one for each class: the hardest of the toy sets.

    Arm c: radius r uniform in [0.1, 1] (the arms do not meet in the origin), angle 2 pi (turns r +
    c / classes). Along a ray the next arm is 1 / (turns classes) away; `noise`, as in `moons`, should be well
    below that.

    Returns x (n, 2) float64, y (n,) int64. Raises ValueError or TypeError for classes < 2, n < classes,
    noise < 0, or turns that are not above 0 and at most 100.
    """
    classes, noise = whole_number(classes, "classes", 2), _deviation(noise, "noise")
    n, turns = whole_number(n, "n", classes), real_number(turns, "turns", 0, 100, open_low=True)
    random = generator(rng)
    y = np.arange(n, dtype=np.int64) % classes
    radius = random.uniform(0.1, 1.0, n)
    x = _polar(radius, 2 * np.pi * (turns * radius + y / classes))
    return x + random.normal(0.0, noise, (n, 2)), y


def blobs(n: int = 200, classes: int = 3, spread: float = 0.2, rng: Rng = None) -> Pair:
    """Round clouds, one for each class; straight lines part them when `spread` is small.

    Cloud c is Gaussian with standard deviation `spread` around the point (cos, sin)(2 pi c / classes).

    Returns x (n, 2) float64, y (n,) int64. Raises ValueError or TypeError for classes < 2, n < classes
    or spread < 0.
    """
    classes, spread = whole_number(classes, "classes", 2), _deviation(spread, "spread")
    n = whole_number(n, "n", classes)
    random = generator(rng)
    y = np.arange(n, dtype=np.int64) % classes
    return _polar(np.ones(n), 2 * np.pi * y / classes) + random.normal(0.0, spread, (n, 2)), y


def _polar(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _deviation(value: float, name: str) -> float:
    # Not merely finite: the draws must be finite too; and NumPy takes no -0.0.
    return abs(real_number(value, name, 0, 1e100))
