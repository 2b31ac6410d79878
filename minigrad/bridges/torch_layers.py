"""A PyTorch module as a minigrad layer, and a PyTorch loss as a minigrad loss: for `diagnose`, which trains copies.

The layer's arrays and the module's parameters are the same memory, so that minigrad's optimizers train the module.

Index legend: n sample (N), k output (K), j input (J); "...": positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from ..layers.base import Gradients, Layer
from ..losses import Loss
from .torch_assembly import pair_of
from .torch_calls import as_array
from .torch_places import places_of
from .torch_recorder import Recorder
from .torch_run import Batch, borrowed
from .torch_samples import Place

RECTIFIERS = ("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "hardswish")


class TorchLayer(Layer, abstract=True):
    """out = module(x): x (N, ..., J) -> (N, ...), with PyTorch's gradients, and pairs of the weights that were seen.

    channels_last: x comes with the channels last, and the module takes them as axis 1.
    """

    def __init__(self, module: Any, channels_last: bool = False) -> None:
        self.module, self.channels_last = module, channels_last
        arrays = {name: _joined(p.detach().numpy()) for name, p in module.named_parameters() if p.requires_grad}
        kept = {name: b.numpy() for name, b in module.named_buffers() if b.is_floating_point()}
        self.parameter_names, self.buffer_names = tuple(arrays), tuple(kept)
        vars(self).update(arrays | kept)
        self.calls = ""  # the kind of its activation functions: "relu", "sigmoid" or another
        self._places: dict[Any, list[Place | None]] = {}  # by the sizes of what came and of what was called

    @property
    def training(self) -> bool:
        """The module's mode."""
        return bool(self.module.training)

    @training.setter
    def training(self, mode: bool) -> None:
        self.module.train(mode)

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        self._link()
        start = torch.from_numpy(np.array(x)).requires_grad_()
        given = start.movedim(-1, 1) if self.channels_last else start * 1
        recorder, random = Recorder(self.module), torch.get_rng_state()
        with torch.enable_grad(), torch.compiler.set_stance("force_eager"), recorder.modules.followed(), recorder:
            out = self.module(given)
        kinds = [function.function.__name__.strip("_") for _, function, _ in recorder.bends]
        self.calls = "relu" if kinds and kinds[0] in RECTIFIERS else kinds[0] if kinds else ""
        return as_array(out).copy(), (recorder, start, out, given.detach(), random)

    def backward(self, delta: np.ndarray, saved: Any) -> tuple[np.ndarray, Gradients]:
        recorder, start, out, given, random = saved
        N, parameters = len(delta), {n: p for n, p in self.module.named_parameters() if p.requires_grad}
        for call in recorder.calls:
            call.signal = None
        below, *found = torch.autograd.grad(
            out, [start, *parameters.values()], torch.from_numpy(delta), allow_unused=True, retain_graph=True
        )
        places = self._places_in(recorder, given, random)
        gradients: Gradients = {}
        for (name, parameter), gradient in zip(parameters.items(), found, strict=True):
            array = np.zeros(parameter.shape, delta.dtype) if gradient is None else as_array(gradient) / N
            calls = [(call, place) for call, place in zip(recorder.calls, places, strict=True) if call.name == name]
            gradients[name] = _joined(array.astype(delta.dtype, copy=False))
            if calls and parameter.ndim > 1 and all(place is not None for _, place in calls):
                pair = pair_of([call for call, _ in calls], [place for _, place in calls], parameter, N)  # type: ignore[misc]
                pair.__dict__["weight"] = gradients[name]  # known already
                gradients[name] = pair
        return np.zeros_like(as_array(start)) if below is None else as_array(below), gradients

    def inside(self, path: str, saved: Any) -> Iterator[tuple[str, Any, np.ndarray, np.ndarray, Any]]:
        """(path, function, z, f(z), z) of each activation function that the module called."""
        for name, function, z in saved[0].bends:
            array = as_array(z)
            yield f"{path}.{name}", function, array, function(array), array

    def redraw(self) -> None:
        """Weights drawn anew, as the activation functions ask that the module called last; biases 0, norms as before.

        N(0, 2 / J) for a ReLU and its like (He et al. 2015); else N(0, 2 / (J + K)) (Glorot, Bengio 2010), for sigmoids
        four times as large, and b = -W 1/2 behind a sigmoid, so that z starts around 0.
        """
        rng, arrays = np.random.default_rng(0), self.parameters()
        behind = False
        for name, array in arrays.items():
            if array.ndim == 2:
                variance = 2 / array.shape[1] if self.calls == "relu" else 2 / sum(array.shape)
                array[...] = (
                    rng.standard_normal(array.shape) * np.sqrt(variance) * (4 if self.calls == "sigmoid" else 1)
                )
                bias = arrays.get(name.removesuffix("weight") + "bias")
                if bias is not None:
                    bias[...] = -array.sum(axis=1) / 2 if behind else 0
                behind = self.calls == "sigmoid"

    def _places_in(self, recorder: Recorder, given: Any, random: Any) -> list[Place | None]:
        """Where the samples are; looked for once for each size of batch."""
        key = (tuple(given.shape), tuple((call.name, tuple(call.z_shape)) for call in recorder.calls))
        if key not in self._places:
            with borrowed(self.module):
                self._places[key] = places_of(
                    self.module, Batch((given,), {}, None, len(given), 0), recorder.calls, random
                )
        return self._places[key]

    def _link(self) -> None:
        """Let the module's parameters be the layer's arrays: a copy, or an array put here since, is not yet."""
        tensors = dict(self.module.named_parameters()) | dict(self.module.named_buffers())
        for name in (*self.parameter_names, *self.buffer_names):
            array, tensor = getattr(self, name), tensors[name]
            if tensor.data_ptr() != array.ctypes.data:
                tensor.data = torch.from_numpy(array).view(tensor.shape)

    def __repr__(self) -> str:
        return repr(self.module)


def _joined(array: np.ndarray) -> np.ndarray:
    """The array with its trailing axes joined, as a pair's weight is."""
    return array if array.ndim < 2 else array.reshape(len(array), -1)


class TorchLoss(Loss):
    """A loss function of PyTorch: loss_fn(output, y) -> C. delta = N dC/d output."""

    def __init__(self, loss_fn: Callable[[Any, Any], Any]) -> None:
        self.loss_fn = loss_fn

    def value_and_delta(self, output: Any, y: Any) -> tuple[float, np.ndarray]:
        out = torch.from_numpy(np.array(output)).requires_grad_()
        targets = torch.from_numpy(np.array(y))
        try:
            with torch.enable_grad():
                value = self.loss_fn(out, targets)
            delta = torch.autograd.grad(value, out)[0]
        except (RuntimeError, IndexError, ValueError) as error:
            raise ValueError(
                f"loss_fn refuses output {tuple(out.shape)} and y {tuple(targets.shape)}: {error}"
            ) from error
        return float(value), len(out) * as_array(delta)

    def targets(self, y: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        y = np.asarray(y)
        if not y.ndim or len(y) != shape[0]:
            raise ValueError(f"y has shape {y.shape}, expected {shape[0]} targets, one for each sample")
        return y.astype(dtype, copy=False) if y.dtype.kind == "f" else y.astype(np.int64, copy=False)

    def __repr__(self) -> str:
        return getattr(self.loss_fn, "__name__", None) or repr(self.loss_fn)
