"""Data to train on: two shipped sets (digits, iris), five toy generators, and readers for MNIST's files.

`load(name)` is the way in. It returns `x_train, y_train, x_test, y_test` with x (N, J) float64 and y (N,)
int64 class numbers from 0. Values are as in the source, neither scaled nor centred, because what centring does
is one of this project's questions. Sources and licences of the shipped files: data/README.md.

N samples, J features. `rng` is a seed, a numpy Generator, or None for a new random one.
"""

from .idx import Split, load_idx, load_mnist
from .load import NAMES, load
from .scaling import SCALES, scaling
from .toys import blobs, circles, moons, spirals, xor

__all__ = [
    "NAMES",
    "SCALES",
    "Split",
    "blobs",
    "circles",
    "load",
    "load_idx",
    "load_mnist",
    "moons",
    "scaling",
    "spirals",
    "xor",
]
