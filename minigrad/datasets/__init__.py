"""Data to train on: two shipped sets (digits, iris), five toy generators, readers for tables and for MNIST's files.

`load(name)` is the way in. It returns `x_train, y_train, x_test, y_test` with x (N, J) float64 and y (N,)
int64 class numbers from 0. Values are as in the source, neither scaled nor centred, because what centring does
is one of this project's questions. Sources and licences of the shipped files: data/README.md.

N samples, J features. `rng` is a seed, a numpy Generator, or None for a new random one.
"""

from .encoder import Encoder, load_encoder
from .idx import Split, load_idx, load_mnist
from .load import NAMES, load
from .load_table import load_table
from .scaling import SCALES, scaling
from .table import Table, read_table
from .toys import blobs, circles, moons, spirals, xor

__all__ = [
    "NAMES",
    "SCALES",
    "Encoder",
    "Split",
    "Table",
    "blobs",
    "circles",
    "load",
    "load_encoder",
    "load_idx",
    "load_mnist",
    "load_table",
    "moons",
    "read_table",
    "scaling",
    "spirals",
    "xor",
]
