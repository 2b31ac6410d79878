"""The training runs that are timed: the net, the data, the batch, the learning rate.

All peers get the same Problem: the same data, the same initial weights, and the same order of the samples in
each epoch, so that they do the same arithmetic and must end with the same losses. The data have a whole
number of batches, because a short last batch would make a compiled peer compile twice.
"""

from dataclasses import dataclass, replace

import numpy as np

import minigrad as mg


@dataclass(frozen=True)
class Workload:
    """A training run, in numbers. steps: mini-batches in an epoch."""

    name: str
    sizes: tuple
    batch: int
    activation: str
    lr: float
    steps: int

    @property
    def samples(self):
        return self.batch * self.steps

    def __str__(self):
        sizes = "-".join(map(str, self.sizes)) if len(self.sizes) < 6 else f"{len(self.sizes) - 1} x {self.sizes[0]}"
        return f"{self.name} ({sizes}, B{self.batch}, {self.activation})"


WORKLOADS = {
    w.name: w
    for w in (
        Workload("online", (2, 4, 1), 1, "sigmoid", 0.1, 2000),
        Workload("toy", (2, 16, 16, 1), 32, "tanh", 0.1, 400),
        Workload("digits", (64, 32, 10), 32, "sigmoid", 0.5, 320),
        Workload("nielsen", (784, 30, 10), 10, "sigmoid", 0.2, 400),
        Workload("mnist", (784, 128, 64, 10), 64, "relu", 0.02, 100),
        Workload("deep", (32,) * 50 + (10,), 32, "sigmoid", 0.1, 100),
        Workload("wide", (1024, 1024, 1024, 10), 256, "relu", 0.01, 16),
    )
}
DTYPES = {"float32": np.float32, "float64": np.float64}


@dataclass(frozen=True)
class Problem:
    """A workload made real, in one dtype. weights (K, J) and biases (K,) are copies for each peer to change.

    x (N, J); y (N,) class numbers, or (N, 1) of 0.0 and 1.0 for a net with one output.
    """

    workload: Workload
    x: np.ndarray
    y: np.ndarray
    weights: list
    biases: list
    seed: int = 7

    @property
    def dtype(self):
        return self.x.dtype

    @property
    def binary(self):
        return self.workload.sizes[-1] == 1

    def orders(self):
        """A generator of sample orders, (steps, batch): one for each epoch, the same for everybody."""
        rng = np.random.default_rng(self.seed)
        while True:
            yield rng.permutation(len(self.x)).reshape(-1, self.workload.batch)

    def copy(self):
        """The same problem with weights of its own."""
        return replace(self, weights=[w.copy() for w in self.weights], biases=[b.copy() for b in self.biases])


def problem(workload, dtype, seed=0):
    """Workload and dtype -> Problem. The numbers are drawn in float64, so both dtypes start alike."""
    rng = np.random.default_rng(seed)
    x, y = _data(workload, rng)
    init = "he_uniform" if workload.activation == "relu" else "glorot_uniform"
    net = mg.mlp(workload.sizes, workload.activation, init=init, rng=rng)
    linear = [layer for layer in net if isinstance(layer, mg.Linear)]
    if workload.sizes[-1] == 1:
        y = y.astype(dtype)[:, None]
    return Problem(
        workload,
        np.ascontiguousarray(x, dtype),
        y,
        [layer.weight.astype(dtype) for layer in linear],
        [layer.bias.astype(dtype) for layer in linear],
    )


def _data(workload, rng):
    """x (N, J) float64 and y (N,) class numbers: digits where they fit, else noisy clouds or a xor."""
    n, width, classes = workload.samples, workload.sizes[0], workload.sizes[-1]
    if workload.name == "digits":
        x, y = mg.datasets.load("digits")[:2]
        pick = rng.permutation(np.resize(np.arange(len(x)), n))  # each image several times, for a longer epoch
        return x[pick] / 16, y[pick]
    if classes == 1:
        x = rng.normal(size=(n, width))
        return x, (x[:, 0] * x[:, -1] > 0).astype(np.int64)
    y = rng.integers(classes, size=n)
    centres = rng.uniform(0, 1, (classes, width))
    return np.clip(centres[y] + rng.normal(0, 0.3, (n, width)), 0, 1), y
