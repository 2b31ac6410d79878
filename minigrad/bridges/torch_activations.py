"""The activation functions that a PyTorch model calls, with their inputs, for `saturation` and `dead_units`.

A path is that of the module, such as "1"; of a function called inside a larger module, that module's with the name of
the function, such as "layer1.0.relu". A second call there has a 2 behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from ..layers.base import Gradients, Layer
from .torch_calls import Call, Convolution

NAMES = (
    "relu", "relu_", "sigmoid", "sigmoid_", "tanh", "tanh_", "gelu", "silu", "mish", "elu", "elu_", "selu", "selu_",
    "celu", "leaky_relu", "leaky_relu_", "softplus", "softsign", "logsigmoid", "hardtanh", "hardtanh_", "relu6",
    "hardswish", "hardsigmoid", "prelu",
)  # fmt: skip
FUNCTIONS = {getattr(place, name) for place in (F, torch, torch.Tensor) for name in NAMES if hasattr(place, name)}


class TorchActivation(Layer, abstract=True):
    """An activation function of PyTorch: a = f(z) entry by entry, its slope by PyTorch's differentiation."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.function, self.args, self.options = function, args, options

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            out: np.ndarray = self._called(torch.from_numpy(z.copy())).numpy()
        return out, z

    def backward(self, delta: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, Gradients]:
        with torch.enable_grad():
            start = torch.from_numpy(z).requires_grad_()
            below = torch.autograd.grad(self._called(start * 1), start, torch.from_numpy(delta))[0]
        return below.numpy(), {}

    def slope(self, z: Any) -> np.ndarray:
        """f'(z), in float64."""
        z = np.asarray(z, np.float64)
        return self.backward(np.ones_like(z), z)[0]

    def __call__(self, z: Any) -> np.ndarray:
        return self.forward(np.asarray(z))[0]

    def _called(self, z: Any) -> Any:
        args = (value.to(z.dtype) if isinstance(value, torch.Tensor) else value for value in self.args)
        return self.function(z, *args, **self.options)

    def __repr__(self) -> str:
        given = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.options.items())]
        return f"{self.function.__name__}({', '.join(given)})"


def bend(
    function: Any, args: tuple[Any, ...], options: dict[str, Any], calls: list[Call]
) -> tuple[TorchActivation, Any]:
    """(function, z), z with the features last: where these are, the last of the linear maps before says."""
    z, *rest = args
    in_place = function.__name__.endswith("_") or options.get("inplace")  # PyTorch hands it on by its name
    fixed = tuple(value.detach() if isinstance(value, torch.Tensor) else value for value in rest)
    z = z.detach().clone() if in_place else z.detach()
    last = calls[-1] if calls else None
    if isinstance(last, Convolution) and z.ndim == len(last.z_shape) and z.shape[1] == last.z_shape[1]:
        z = z.movedim(1, -1)
    return TorchActivation(function, fixed, options), z


class Modules:
    """Which module is running: its path in the model."""

    def __init__(self, model: Any) -> None:
        self._names = {id(module): name for name, module in model.named_modules()}
        self._stack: list[Any] = []
        self._calls: dict[str, int] = {}

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Inside, each call of a module is noted, by hooks that are on no module of the model."""

        def enter(module: Any, args: Any) -> None:
            if id(module) in self._names:
                self._stack.append(module)

        def leave(module: Any, args: Any, out: Any) -> None:
            if self._stack and self._stack[-1] is module:
                self._stack.pop()

        hooks = register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def path(self, function: str) -> str:
        """The path of a function that is called now."""
        module = self._stack[-1] if self._stack else None
        name = self._names[id(module)] if module is not None else ""
        alone = module is not None and not list(module.children()) and name
        path = name if alone else f"{name}.{function.strip('_')}".lstrip(".")
        self._calls[path] = count = self._calls.get(path, 0) + 1
        return path if count == 1 else f"{path} {count}"
