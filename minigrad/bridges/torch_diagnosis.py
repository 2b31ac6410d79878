"""A PyTorch model with its loss, data and optimizer, as minigrad takes them: for `mg.diagnose`, which trains copies.

An nn.Sequential becomes its modules one by one, as minigrad's own layers where there are such; any other model becomes
one layer. What cannot be turned is refused with the reason.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .._advice import described
from ..layers import Sequential
from ..losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, Loss, MSELoss
from ..training.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from .torch_calls import Convolution, as_array
from .torch_layers import TorchLayer, TorchLoss
from .torch_nets import LAYERS_OF, load_torch
from .torch_recorder import Recorder
from .torch_run import checked_model

MEASURE = "minigrad.bridges.torch.capture measures such a model"
ENTRYWISE = {kind for kind in LAYERS_OF if kind.__module__.endswith(("activation", "linear", "dropout"))}


@contextmanager
def own_random_numbers() -> Iterator[None]:
    """Inside, PyTorch draws the same numbers each time, and those outside stay as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def as_minigrad(model: Any, loss_fn: Any, x: Any, y: Any, opt: Any) -> tuple[Any, ...]:
    """(net, loss, x, y, opt, names, images) of copies.

    names: {path in net: path in model}, of what is not called alike. images: whether x, which model takes with its
    channels as axis 1, now has them last.

    ValueError or TypeError where diagnose cannot take them: an x of several tensors or of integers, parameters that
    NumPy has no type for, an optimizer that minigrad has not.
    """
    model = copy.deepcopy(checked_model(model))
    inputs = _array(x, "x")
    if inputs.dtype.kind != "f":
        raise ValueError(
            f"x is of {inputs.dtype}, and diagnose takes floats, whose size and spread mean something; {MEASURE}"
        )
    types = {p.dtype for p in model.parameters()}
    if not types <= {torch.float32, torch.float64} or any(p.device.type != "cpu" for p in model.parameters()):
        raise ValueError(
            f"the parameters of model are of {types}, expected float32 on the CPU; use model.float().cpu()"
        )
    first, output = _tried(model, inputs)
    images = isinstance(first, Convolution) and first.a.ndim == inputs.ndim
    net, names = _net(model, inputs, images)
    loss = loss_of(loss_fn, output)
    return net, loss, np.moveaxis(inputs, 1, -1) if images else inputs, _array(y, "y"), optimizer_of(opt), names, images


def _array(value: Any, name: str) -> np.ndarray:
    if isinstance(value, (tuple, dict)):
        raise ValueError(f"{name} is {described(value)}, and diagnose takes one tensor or array; {MEASURE}")
    return as_array(value) if isinstance(value, torch.Tensor) else np.asarray(value)


def _tried(model: Any, x: np.ndarray) -> tuple[Any, Any]:
    """The first linear map that a copy computes of two samples, and its output."""
    tried = copy.deepcopy(model).eval()
    recorder = Recorder(tried)
    dtype = next(p.dtype for p in model.parameters())
    try:
        with torch.no_grad(), torch.compiler.set_stance("force_eager"), recorder:
            output = tried(torch.from_numpy(x[:2]).to(dtype))
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise ValueError(f"model refuses x of shape {x.shape}: {error}") from error
    if not isinstance(output, torch.Tensor):
        raise TypeError(f"model puts out {described(output)}, and diagnose takes one tensor; {MEASURE}")
    return next(iter(recorder.calls), None), output


def _net(model: Any, x: np.ndarray, images: bool) -> tuple[Sequential, dict[str, str]]:
    if type(model) is not nn.Sequential:
        return Sequential(TorchLayer(model, images)), {"0": ""}
    if x.ndim == 2:
        try:
            return load_torch(model), {}
        except (ValueError, TypeError):
            pass  # it has modules that are no layers of minigrad's
    layers, names = [], {}
    for i, (name, module) in enumerate(_in_a_row(model)):
        layers.append(_layer(module, images and i == 0))
        names[str(i)] = name
    return Sequential(*layers), names


def _in_a_row(model: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The modules of nested nn.Sequentials, with their paths."""
    for name, module in model.named_children():
        if type(module) is nn.Sequential:
            yield from _in_a_row(module, f"{path}{name}.")
        else:
            yield f"{path}{name}", module


def _layer(module: Any, channels_last: bool) -> Any:
    trained = all(p.requires_grad for p in module.parameters())
    if type(module) in ENTRYWISE and trained and not channels_last:
        try:
            return load_torch(nn.Sequential(module))[0]
        except (ValueError, TypeError):
            pass  # an argument that minigrad does not share
    return TorchLayer(module, channels_last)


# ---- the loss -----------------------------------------------------------------------------------------------

LOSSES: dict[Any, Callable[[Any], Loss]] = {
    nn.CrossEntropyLoss: lambda m: CrossEntropyLoss(),
    nn.MSELoss: lambda m: MSELoss(),
    nn.BCELoss: lambda m: BCELoss(),
    nn.BCEWithLogitsLoss: lambda m: BCEWithLogitsLoss(),
    nn.HuberLoss: lambda m: HuberLoss(m.delta),
    F.cross_entropy: lambda m: CrossEntropyLoss(),
    F.mse_loss: lambda m: MSELoss(),
    F.binary_cross_entropy: lambda m: BCELoss(),
    F.binary_cross_entropy_with_logits: lambda m: BCEWithLogitsLoss(),
    F.huber_loss: lambda m: HuberLoss(),
}
SETTINGS = {"reduction": "mean", "weight": None, "pos_weight": None, "label_smoothing": 0.0, "ignore_index": -100}


def loss_of(loss_fn: Any, output: Any) -> Loss:
    """minigrad's own where it means the same, else the function itself, differentiated by PyTorch."""
    if not callable(loss_fn):
        raise TypeError(f"loss is {described(loss_fn)}, expected a function (output, y) -> C")
    usual = all(getattr(loss_fn, name, value) == value for name, value in SETTINGS.items())
    make = LOSSES.get(type(loss_fn) if isinstance(loss_fn, nn.Module) else loss_fn)
    ours = make(loss_fn) if make is not None and usual else None
    if ours is None or (isinstance(ours, CrossEntropyLoss) and output.ndim > 2):  # whose classes are axis 1
        return TorchLoss(loss_fn)
    return ours


# ---- the optimizer -------------------------------------------------------------------------------------------

# PyTorch's class -> (minigrad's, the settings that both have, those that minigrad has not, with what they must be)
OPTIMIZERS: dict[type, tuple[type[Optimizer], tuple[str, ...], dict[str, Any]]] = {
    torch.optim.SGD: (SGD, ("momentum", "nesterov"), {"dampening": 0}),
    torch.optim.RMSprop: (RMSprop, ("alpha", "eps"), {"momentum": 0, "centered": False}),
    torch.optim.Adam: (Adam, ("betas", "eps"), {"amsgrad": False, "decoupled_weight_decay": False}),
    torch.optim.AdamW: (AdamW, ("betas", "eps"), {"amsgrad": False}),
}


def optimizer_of(opt: Any) -> Optimizer | None:
    """minigrad's optimizer with the same settings; the steps that were taken do not count."""
    if opt is None or isinstance(opt, Optimizer):
        return opt
    if type(opt) not in OPTIMIZERS:
        known = ", ".join(f"torch.optim.{kind.__name__}" for kind in OPTIMIZERS)
        raise TypeError(f"opt is {described(opt)}, expected one of {known}; leave it out, and nothing is said of steps")
    ours, shared, others = OPTIMIZERS[type(opt)]
    others = {**others, "maximize": False}
    settings = [{name: value for name, value in group.items() if name != "params"} for group in opt.param_groups]
    if any(group != settings[0] for group in settings):
        raise ValueError(
            "opt has groups of parameters with different settings, and diagnose takes one for all; leave opt out"
        )
    group = settings[0]
    for name, value in others.items():
        if group.get(name, value) != value:
            raise ValueError(
                f"opt has {name}={group[name]!r}, and minigrad's {ours.__name__} has {value!r}; leave opt out"
            )
    taken = inspect.signature(ours).parameters
    values = {name: group[name] for name in ("weight_decay", *shared) if name in taken}
    return ours(lr=float(group["lr"]), **values)
