"""PyTorch's models seen as pairs: capture records each linear map of a forward pass, and its error signal.

    from minigrad.bridges.torch import capture
    c = capture(model, loss_fn, x, y)
    c.gradients["layer1.0.conv1.weight"].per_sample_norms()

Index legend: n sample (N), p position (P), k output (K), j input (J); "...": positions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backprop import Backprop
from ..gradient import WeightGradient
from . import missing

try:
    import torch
except ImportError:
    raise missing("torch") from None

from .torch_activations import TorchActivation
from .torch_assembly import checked_pair, reason_why_not, tolerance
from .torch_calls import Call, as_array
from .torch_nets import load_torch, to_torch
from .torch_pairs import LazyPair
from .torch_places import places_of
from .torch_run import (
    Batch,
    Loss,
    Pass,
    batch_of,
    borrowed,
    checked_model,
    forward_and_backward,
    reduction_of,
)
from .torch_samples import Place

__all__ = ["Capture", "capture", "load_torch", "to_torch"]


@dataclass(eq=False)
class Capture(Backprop):
    """What one forward and backward pass of a PyTorch model found: a Backprop, for every instrument that takes one.

    gradients     {parameter name: WeightGradient}, of each parameter of two or more axes that was seen at work.
                  .weight is dC/dparameter with the trailing axes joined, and delta is N dC/dz. Where the parameter is
                  used as its transpose (an embedding, a transposed convolution), delta and a have changed places
    arrays        {parameter name: dC/dparameter} of all others: norms, biases, free parameters, unpaired weights
    unpaired      {parameter name: why there is no pair}, of weights; a free parameter, that is only added, is none
    activations   [x, output]; deltas: N dC/d each, 0 for an x of integers
    reduction     what became of the loss when the batch was taken twice: "mean" (the same), "sum" (twice) or "other"
    worst_error   the largest error of a pair's .weight, as a share of the size of PyTorch's own gradient
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    unpaired: dict[str, str] = field(default_factory=dict)
    reduction: str = "other"
    worst_error: float = 0.0
    bends: list[tuple[str, TorchActivation, np.ndarray]] = field(default_factory=list, repr=False)  # path, function, z
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False)  # of the parameters

    def signals(self) -> dict[str, WeightGradient]:
        """The gradients with delta the error signal and a the input, also where the two have changed places."""
        return {n: g.turned() if isinstance(g, LazyPair) and g.transposed else g for n, g in self.gradients.items()}

    def activation_inputs(self) -> list[tuple[str, TorchActivation, np.ndarray]]:
        """(path, function, z) of each activation function that was called, in forward order."""
        return self.bends

    def parameter_gradients(self) -> dict[str, np.ndarray]:
        """{parameter name: dC/dparameter}, arrays shaped like the parameters, in the model's order."""
        return {name: g.reshape(self.shapes[name]) for name, g in super().parameter_gradients().items()}


def capture(model: Any, loss_fn: Loss, x: Any, y: Any, *, sample_axis: int = 0) -> Capture:
    """The pairs of a PyTorch model: Capture, from one forward and one backward pass.

    x            what model is called with: a tensor or array with N samples along sample_axis, or a tuple (model(*x))
                 or dict (model(**x)) of such. Arrays become tensors of the model's float type, on its device
    y            handed to loss_fn as it is, arrays as tensors
    loss_fn      loss_fn(model(x), y) -> C, a tensor of a single number
    sample_axis  of x: 1 for a model that takes (time, sample). Inside the model, the samples are found by themselves

    The model stays as it was, also after an error: mode, gradients, hooks, requires_grad. Only what any forward pass
    changes does change: random numbers are drawn, and in training mode BatchNorm's running statistics move. Frozen
    parameters get their gradient too. A compiled model is run uncompiled. Recurrent layers are computed step by step:
    the same numbers to rounding, and slow. Where the sizes of the axes do not say where the samples are, the model is
    run once more, with other samples.

    TypeError where model is no nn.Module or loss_fn returns no tensor; ValueError where model, loss_fn, x and y do not
    fit, x is on another device, the loss is no single number or depends on no parameter.
    """
    model = checked_model(model)
    with borrowed(model):
        batch = batch_of(model, x, y, sample_axis)
        random = torch.get_rng_state()
        found = forward_and_backward(model, loss_fn, batch)
        places = places_of(model, batch, found.recorder.calls, random)
        return _assembled(model, batch, found, places, loss_fn)


def _assembled(model: Any, batch: Batch, found: Pass, places: list[Place | None], loss_fn: Loss) -> Capture:
    """The pairs that agree with PyTorch's gradients, and the reasons for the others."""
    arrays: dict[str, Any] = {name: as_array(gradient) for name, gradient in found.gradients.items()}
    unpaired: dict[str, str] = {}
    worst, recorder = 0.0, found.recorder
    placed: dict[str, list[tuple[Call, Place | None]]] = {}
    for call, place in zip(recorder.calls, places, strict=True):
        call.scale = batch.N
        placed.setdefault(call.name, []).append((call, place))
    weights = {name: p for name, p in model.named_parameters() if name in arrays and p.ndim > 1}
    for name, parameter in weights.items():
        calls = placed.get(name, [])
        why = reason_why_not(name, calls, recorder, name in found.used, batch.N)
        if calls and why is None:
            pair, error = checked_pair(calls, parameter, arrays[name], batch.N)
            if error <= tolerance(calls):
                arrays[name], worst = pair, max(worst, error)
            else:
                why = f"its pair misses {error:.2g} of the gradient: it is used in a way that is not seen, too"
        if why is not None:
            unpaired[name] = why
    pairs = {name: g for name, g in arrays.items() if isinstance(g, WeightGradient)}
    return Capture(
        loss=float(found.loss),
        activations=[as_array(point) for point in found.points],
        gradients=pairs,
        _deltas=[batch.N * as_array(delta) for delta in found.point_deltas],
        _arrays=arrays,
        arrays={name: g for name, g in arrays.items() if name not in pairs},
        unpaired=unpaired,
        reduction=reduction_of(loss_fn, found.output, batch, found.loss),
        worst_error=worst,
        bends=[(path, function, as_array(z)) for path, function, z in recorder.bends],
        shapes={name: tuple(parameter.shape) for name, parameter in model.named_parameters()},
    )
