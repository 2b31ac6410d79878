"""What the rules ask of a setup. Each thing is measured once, when it is first asked for, on a copy."""

from __future__ import annotations

import copy
import math
from functools import cached_property
from typing import Any

import numpy as np

from .._checks import quiet
from ..backprop import Backprop, backprop
from ..diagnostics import attenuation
from ..gradcheck import in_float64
from ..gradient import WeightGradient
from ..layers.base import Layer
from ..layers.containers import Sequential, visits
from ..layers.dropout import Dropout
from ..layers.parameters import tree
from .constant import best_constant_loss
from .remedies import plain_setup
from .setup import Setup, Trial, answers_of, run_trial

LOOKED_AT = 512  # samples that are looked at, at most
PRODUCTS = 12  # of the curvature with a vector


class Context:
    """A setup and what was measured of it. Index legend: n sample (N), p position, k output (K), j input (J)."""

    def __init__(self, setup: Setup, steps: int, seed: int) -> None:
        self.setup, self.steps, self.seed = setup, steps, seed
        rng = np.random.default_rng(seed)
        self.N = len(setup.x)
        self.looked_at = np.sort(rng.permutation(self.N)[:LOOKED_AT])
        self.sample = setup.rows(self.looked_at)
        self.net = self._measured_net()
        self.reaches: dict[str, float] = {}  # of each bending layer: how far its output goes for z from -4 to 4

    def _measured_net(self) -> Sequential:
        """A copy as training sees it, but that Dropout drops nothing."""
        net = copy.deepcopy(self.setup.net)
        for _, layer in tree(net):
            layer.training = bool(layer.buffer_names) and len(self.sample.x) > 1
        return net

    # ---- forward and backward ----------------------------------------------------------------------------

    @cached_property
    @quiet
    def bp(self) -> Backprop:
        """One pass over the samples that are looked at."""
        return backprop(copy.deepcopy(self.net), self.setup.loss, self.sample.x, self.sample.y)

    @property
    def K(self) -> int:
        return self.bp.output.shape[-1]

    @cached_property
    def pairs(self) -> dict[str, WeightGradient]:
        """The pair of each weight, in forward order."""
        return self.bp.gradients

    @cached_property
    def hidden(self) -> list[str]:
        """The paths of the weights but the last."""
        return list(self.pairs)[:-1]

    @cached_property
    def answers(self) -> str:
        """What is asked for: "classes", "entries" (each yes or no) or "values"."""
        return answers_of(self.setup.loss, self.setup.y, self.K)

    @cached_property
    def constant(self) -> float:
        """The loss of the best constant output."""
        return best_constant_loss(self.setup.loss, self.setup.y, (self.N, *self.bp.output.shape[1:]))

    @cached_property
    def skill(self) -> float:
        """1 - loss / loss of the best constant, at the start: 1 is perfect, 0 no better than a constant."""
        return 1 - self.bp.loss / self.constant if self.constant > 0 else 0.0

    @cached_property
    def neighbour_error(self) -> float:
        """The error of the nearest sample's target, as a share of chance; nan for few samples, or with positions."""
        x, y = self.sample.x, self.sample.y
        if self.N < 60 or x.ndim > 2:
            return math.nan
        spread = x.std(axis=0, dtype=np.float64)
        x = (x - x.mean(axis=0, dtype=np.float64)) / np.where(spread > 0, spread, 1)
        square = np.square(x).sum(axis=1)
        distance = square[:, None] + square - 2 * x @ x.T
        np.fill_diagonal(distance, np.inf)
        nearest = distance.argmin(axis=1)
        if self.answers == "classes":
            wanted = y if y.dtype.kind == "i" else y.argmax(axis=-1)
            error = (wanted != wanted[nearest]).mean()
            chance = 1 - np.square(np.bincount(wanted) / len(wanted)).sum()
        else:
            rows = y.reshape(len(y), -1).astype(np.float64)
            error, chance = np.square(rows - rows[nearest]).mean(), 2 * rows.var(axis=0).mean()
        return float(error / chance) if chance > 0 else 0.0

    @cached_property
    def trial(self) -> Trial:
        """A few steps as they are asked for."""
        return self.trial_of(self.setup)

    def trial_of(self, setup: Setup) -> Trial:
        """As many steps with another setup, or all that it plans where they are fewer."""
        return run_trial(setup, min(self.steps, setup.planned_steps or self.steps), self.seed, self.looked_at)

    @cached_property
    def reference(self) -> Trial:
        """The same steps with a plain net that suits most data: what can be learned from them."""
        return run_trial(plain_setup(self.setup, self.answers, self.K), self.steps, self.seed, self.looked_at)

    @property
    def best(self) -> float:
        """The better of the two scores."""
        return max(self.trial.score, self.reference.score)

    @cached_property
    @quiet
    def pairs_after(self) -> dict[str, WeightGradient]:
        """The pairs of the net after the trial; none where its loss refuses the output there."""
        try:
            return backprop(self.trial.net, self.setup.loss, self.sample.x, self.sample.y).gradients
        except (ValueError, TypeError):
            return {}

    # ---- layers ------------------------------------------------------------------------------------------

    def weight_of(self, path: str) -> np.ndarray:
        """The weight (K, J) of a pair; one that its layer does not call weight has its own name in the path."""
        arrays = self.net.parameters()
        return arrays[path] if path in arrays else arrays[f"{path}.weight"]

    def layer_at(self, path: str) -> Any:
        """The layer whose pair it is."""
        layers = dict(tree(self.net))
        while path not in layers:
            path = path.rpartition(".")[0]
        return layers[path]

    @cached_property
    @quiet
    def visits(self) -> list[tuple[str, Any, np.ndarray, np.ndarray, Any]]:
        """(path, layer, input, output, saved) of each layer without layers inside, in forward order."""
        return list(visits(copy.deepcopy(self.net), self.sample.x))

    @cached_property
    @quiet
    def slopes(self) -> dict[str, np.ndarray]:
        """f'(z) over the largest slope, of each layer that works entry by entry and bends: (N, ..., K)."""
        found = {}
        for path, layer, z, out, saved in self.visits:
            if layer.parameters() or z.shape != out.shape or isinstance(layer, Dropout):
                continue
            slope = layer.backward(np.ones_like(z), saved)[0]
            noise = np.random.default_rng(0).standard_normal(z.shape).astype(z.dtype)
            if not np.allclose(layer.backward(noise, saved)[0], noise * slope, rtol=1e-4, atol=1e-7):
                continue  # its entries are coupled, as in a softmax
            probe = np.repeat(np.linspace(-4, 4, 65)[:, None], z.shape[-1], axis=1).astype(z.dtype)
            probe = np.broadcast_to(probe.reshape(65, *[1] * (z.ndim - 2), z.shape[-1]), (65, *z.shape[1:])).copy()
            steepest = np.abs(layer.backward(np.ones_like(probe), layer.forward(probe)[1])[0])
            if np.ptp(steepest) > 1e-3 * steepest.max():
                found[path] = np.abs(slope) / steepest.max()
                self.reaches[path] = float(np.ptp(layer.forward(probe)[0]))
        return found

    @cached_property
    def decades(self) -> float:
        """log10 of |delta| at the first weight over that at the last: decades lost (negative) on the way down."""
        norms = attenuation(self.bp).norms
        with np.errstate(all="ignore"):
            return float(np.log10(norms[0]) - np.log10(norms[-1])) if len(norms) > 1 else 0.0

    # ---- the output --------------------------------------------------------------------------------------

    @cached_property
    def tail(self) -> list[Layer]:
        """The top-level layers behind the last one with a weight."""
        layers = list(self.net)
        weighted = [i for i, layer in enumerate(layers) if any(a.ndim > 1 for a in layer.parameters().values())]
        return layers[weighted[-1] + 1 :] if weighted else []

    @quiet
    def through_tail(self, z: np.ndarray) -> np.ndarray:
        """What the layers behind the last weight make of z."""
        for layer in self.tail:
            z = copy.deepcopy(layer).forward(z)[0]
        return z

    @cached_property
    def tail_outputs(self) -> list[np.ndarray]:
        """What the tail makes of normal numbers of size 1, 100 and 1e4."""
        shape = (256, *self.bp.activations[len(self.net) - len(self.tail)].shape[1:])
        z = np.random.default_rng(0).standard_normal(shape).astype(self.bp.output.dtype)
        return [self.through_tail(size * z) for size in (1, 100, 10000)]

    @cached_property
    def output_range(self) -> tuple[float, float]:
        """Between which numbers the outputs can lie; infinite where they grow with what comes in."""
        if not self.tail:
            return -math.inf, math.inf
        _, middle, far = self.tail_outputs
        low, high = float(np.nanmin(far)), float(np.nanmax(far))
        return (
            -math.inf if low < 2 * min(float(np.nanmin(middle)), -1e-3) else low,
            math.inf if high > 2 * max(float(np.nanmax(middle)), 1e-3) else high,
        )

    @cached_property
    def is_distribution(self) -> bool:
        """Each row of outputs sums to 1, whatever comes in, with no entry below 0."""
        outputs = [self.bp.output, *(self.tail_outputs if self.tail else [])]
        return (
            self.K > 1
            and bool(self.tail)
            and all((out >= 0).all() and np.allclose(out.sum(axis=-1), 1, atol=1e-4) for out in outputs)
        )

    # ---- steps -------------------------------------------------------------------------------------------

    @property
    def normalised(self) -> bool:
        """A layer keeps running statistics: what lies below it may be of any size."""
        return any(layer.buffer_names for _, layer in tree(self.net))

    @cached_property
    def weights_size(self) -> float:
        """The root mean square of all weights of two or more axes."""
        arrays = [a.ravel() for a in self.net.parameters().values() if a.ndim > 1]
        return float(np.sqrt(np.square(np.concatenate(arrays), dtype=np.float64).mean())) if arrays else 0.0

    @cached_property
    def gradient(self) -> dict[str, np.ndarray]:
        return self.bp.parameter_gradients()

    @cached_property
    def gradient_norm(self) -> float:
        return math.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in self.gradient.values()))

    @cached_property
    @quiet
    def sharpness(self) -> float:
        """|lambda_1| of the loss at these weights, by power iteration on differences of gradients; nan where none."""
        net = in_float64(self.net)
        few = slice(0, 256)
        x = self.sample.x[few].astype(np.float64)
        y = self.sample.y[few] if self.sample.y.dtype.kind == "i" else self.sample.y[few].astype(np.float64)
        arrays = net.parameters()
        start = {name: array.copy() for name, array in arrays.items()}
        rng = np.random.default_rng(0)
        v = {name: rng.standard_normal(array.shape) for name, array in arrays.items()}
        value = 0.0
        for _ in range(PRODUCTS):
            size = math.sqrt(sum(float(np.square(part).sum()) for part in v.values()))
            if not (size > 0 and math.isfinite(size)):
                return math.nan
            value, h = size, 1e-5 / size
            sides = []
            for sign in (h, -h):
                for name, array in arrays.items():
                    array[...] = start[name] + sign * v[name]
                try:
                    sides.append(backprop(net, self.setup.loss, x, y).parameter_gradients())
                except (ValueError, TypeError):  # a layer that is of one float type, a loss that refuses an output
                    return math.nan
            v = {name: (sides[0][name] - sides[1][name]) / (2e-5) for name in arrays}
        return math.sqrt(sum(float(np.square(part).sum()) for part in v.values())) if value else math.nan
