"""One forward and one backward pass of a PyTorch model, with everything recorded, that leaves the model as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from .._advice import described
from .._checks import whole_number
from .torch_recorder import Recorder, tensors_in, trained

Loss = Callable[[Any, Any], Any]


# ---- what came in -----------------------------------------------------------------------------------------------


def checked_model(model: Any) -> Any:
    """The module itself, of a compiled one that which was compiled; an error where it cannot be run."""
    if not isinstance(model, nn.Module):
        fix = "; for a minigrad net there is mg.backprop" if hasattr(model, "state_dict") else ""
        raise TypeError(f"model is {described(model)}, expected a torch.nn.Module{fix}")
    model = getattr(model, "_orig_mod", model)  # torch.compile wraps it
    parameters = dict(model.named_parameters())
    if not parameters:
        raise ValueError(f"model {type(model).__name__} has no parameters: there is no gradient to look at")
    for name, parameter in parameters.items():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise ValueError(f"{name} of model has no shape yet; call model(x) once, which gives it one")
        if parameter.is_meta:
            raise ValueError(
                f"{name} of model is on the device meta and holds no numbers; use model.to_empty or load it"
            )
        if parameter.is_complex():
            raise ValueError(
                f"{name} of model is of {parameter.dtype}; a pair is of real numbers, and so is every weight"
            )
    return model


@dataclass
class Batch:
    """x and y as tensors where the model is. args and named are what it is called with; N samples."""

    args: tuple[Any, ...]
    named: dict[str, Any]
    y: Any
    N: int
    axis: int

    @property
    def tensors(self) -> list[Any]:
        """The inputs that have the axis of the samples."""
        values = [*self.args, *self.named.values()]
        return [
            t for t in values if isinstance(t, torch.Tensor) and t.ndim > self.axis and t.shape[self.axis] == self.N
        ]

    def with_tensors(self, tensors: list[Any]) -> Batch:
        """The same with other tensors in place of these."""
        new = {id(old): t for old, t in zip(self.tensors, tensors, strict=True)}
        args = tuple(new.get(id(value), value) for value in self.args)
        return Batch(args, {n: new.get(id(value), value) for n, value in self.named.items()}, self.y, self.N, self.axis)


def batch_of(model: Any, x: Any, y: Any, axis: int) -> Batch:
    """x, a tensor, or a tuple or dict of what model takes, and y: arrays become tensors of the model's type."""
    axis = whole_number(axis, "sample_axis", 0)
    like = next(p for p in model.parameters())
    floats = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    named = {n: _tensor(value, f"x[{n!r}]", like, floats) for n, value in x.items()} if isinstance(x, Mapping) else {}
    listed = [] if named else list(x) if isinstance(x, tuple) else [x]
    args = tuple(_tensor(v, f"x[{i}]" if isinstance(x, tuple) else "x", like, floats) for i, v in enumerate(listed))
    first = next((t for t in (*args, *named.values()) if isinstance(t, torch.Tensor) and t.ndim > axis), None)
    if first is None:
        raise ValueError(
            f"x is {described(x)}, expected a tensor with an axis {axis} of samples, or a tuple or dict of such"
            f"{_conversion(x, 'x')}"
        )
    if not first.shape[axis]:
        raise ValueError(f"x has shape {tuple(first.shape)}: the mean loss of no samples is not defined")
    return Batch(args, named, mapped(y, lambda t: _tensor(t, "y", like, floats)), first.shape[axis], axis)


def _tensor(value: Any, name: str, like: Any, floats: Any) -> Any:
    """The value as a tensor where it is an array; an error where a tensor is on another device than the model."""
    if isinstance(value, np.ndarray):
        array = torch.from_numpy(np.ascontiguousarray(value))
        return array.to(like.device, floats if array.is_floating_point() else None)
    if isinstance(value, torch.Tensor) and value.device != like.device and value.ndim:
        raise ValueError(
            f"{name} is on the device {value.device}, the model on {like.device}; use {name}.to({str(like.device)!r})"
        )
    return value


def _conversion(value: Any, name: str) -> str:
    """The end of a message that says how a frame, a series or a list becomes an array; else nothing."""
    if hasattr(value, "to_numpy"):
        return f"; use {name}.to_numpy()"
    return f"; use torch.tensor({name})" if isinstance(value, list) else ""


def mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    """The value with each tensor and array in it replaced, in tuples, lists and dicts too."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return function(value)
    if isinstance(value, Mapping):
        changed = {name: mapped(inner, function) for name, inner in value.items()}
        return changed if type(value) is dict else type(value)(**changed)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(inner, function) for inner in value))
    if isinstance(value, (tuple, list)):
        return type(value)(mapped(inner, function) for inner in value)
    return value


# ---- the model, left as it was ----------------------------------------------------------------------------------


@contextmanager
def borrowed(model: Any) -> Iterator[None]:
    """Every parameter is trained inside, and nothing is compiled; after an error the buffers are as before."""
    frozen = [p for p in model.parameters() if p.is_floating_point() and not p.requires_grad]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        with torch.inference_mode(False), torch.enable_grad(), torch.compiler.set_stance("force_eager"):
            yield
    except BaseException:
        put_back(buffers)
        raise
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


def put_back(buffers: list[tuple[Any, Any]]) -> None:
    """Buffers with the values that they had."""
    with torch.no_grad():
        for buffer, kept in buffers:
            if not torch.equal(buffer, kept):
                buffer.copy_(kept)


# ---- the passes -------------------------------------------------------------------------------------------------


@dataclass
class Pass:
    """What was found.

    used          the names of the parameters that the loss depends on
    points        x and the output; point_deltas dC/d each
    """

    recorder: Recorder
    output: Any
    loss: Any
    gradients: dict[str, Any]
    used: set[str]
    points: list[Any]
    point_deltas: list[Any]


def forward_and_backward(model: Any, loss_fn: Loss, batch: Batch) -> Pass:
    """One pass of each. ValueError or TypeError where model, loss_fn, x and y do not fit."""
    parameters, recorder = trained(model), Recorder(model)
    starts = [t.detach().clone().requires_grad_(t.is_floating_point()) for t in batch.tensors]
    inputs = batch.with_tensors([t * 1 if t.is_floating_point() else t for t in starts])  # what may be changed in place
    with recorder.modules.followed(), recorder:
        output = _output(model, inputs)
        loss = _loss(loss_fn, output, batch.y)
    points = [starts[0], main_tensor(output)]
    wanted = [*parameters.values(), *(p for p in points if p.requires_grad)]
    try:
        found = list(torch.autograd.grad(loss, wanted, allow_unused=True))
    except RuntimeError as error:
        fix = "; use checkpoint(..., use_reentrant=False)" if "heckpoint" in str(error) else ""
        raise ValueError(f"the backward pass of model failed: {error}{fix}") from error
    dense = [
        p.new_zeros(p.shape) if g is None else g.to_dense() if g.is_sparse else g
        for p, g in zip(wanted, found, strict=True)
    ]
    used = {name for name, gradient in zip(parameters, found, strict=False) if gradient is not None}
    rest = iter(dense[len(parameters) :])
    deltas = [next(rest) if p.requires_grad else torch.zeros(p.shape) for p in points]
    return Pass(recorder, output, loss.detach(), dict(zip(parameters, dense, strict=False)), used, points, deltas)


def _output(model: Any, batch: Batch) -> Any:
    try:
        return model(*batch.args, **batch.named)
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        shapes = ", ".join(f"{t.dtype} {tuple(t.shape)}" for t in batch.tensors)
        raise ValueError(f"model refuses x ({shapes}): {error}{_mending_line(model, batch)}") from error


def _mending_line(model: Any, batch: Batch) -> str:
    """The end of a message that advises x.to(float type), where a copy of the model takes that; else nothing."""
    floats = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    tensors = batch.tensors
    if floats is None or all(t.dtype == floats for t in tensors):
        return ""
    try:
        with torch.no_grad():
            copy.deepcopy(model)(*batch.with_tensors([t.to(floats) for t in tensors]).args)
    except Exception:
        return ""
    return f"; use x.to({floats})"


def _loss(loss_fn: Loss, output: Any, y: Any) -> Any:
    try:
        loss = loss_fn(output, y)
    except Exception as error:
        came = [f"{t.dtype} {tuple(t.shape)}" for t in tensors_in((output, y))]
        raise ValueError(
            f"loss_fn refuses the output and y ({', '.join(came)}): {error}{_conversion(y, 'y')}"
        ) from error
    if not isinstance(loss, torch.Tensor):
        raise TypeError(f"loss_fn returned {described(loss)}, expected a tensor of a single number")
    if loss.numel() != 1:
        fix = "use lambda output, y: loss_fn(output, y).mean()"
        raise ValueError(f"loss_fn returned shape {tuple(loss.shape)}, expected a single number; {fix}")
    if not loss.requires_grad:
        raise ValueError("the loss does not depend on any parameter: is there a detach() or a no_grad() on its way?")
    return loss.reshape(())


def main_tensor(output: Any) -> Any:
    """The first tensor of floats with an axis for the samples; the first tensor where there is none."""
    found = list(tensors_in((output,)))
    return next((t for t in found if t.is_floating_point() and t.ndim > 1), found[0])


def reduction_of(loss_fn: Loss, output: Any, batch: Batch, loss: Any) -> str:
    """One of "mean", "sum" and "other", from the loss of the same batch taken twice."""
    if any(t.ndim == 0 for t in tensors_in((output,))):  # it may be the loss itself, computed in the model
        return "other"

    def twice(t: Any) -> Any:
        axes = [a for a in (batch.axis, *range(t.ndim)) if a < t.ndim and t.shape[a] == batch.N]
        return torch.cat([t, t], axes[0]) if axes else t

    try:
        with torch.random.fork_rng(), torch.no_grad():  # the loss may draw random numbers
            ratio = float(loss_fn(mapped(output, twice), mapped(batch.y, twice))) / float(loss)
    except Exception:
        return "other"
    return "mean" if abs(ratio - 1) < 1e-2 else "sum" if abs(ratio - 2) < 1e-2 else "other"
