"""Watches the functions that a PyTorch model calls, and records those that multiply an input with a parameter.

A Recorder is a TorchFunctionMode: while it is active, PyTorch hands it every call instead of running it. HANDLERS says
which functions are linear maps. Of the others it notes which parameters they meet, so that what could not be recorded
can be explained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from . import torch_attention, torch_recurrent
from .torch_activations import FUNCTIONS, Modules, TorchActivation, bend
from .torch_calls import Call, Convolution, Cut, Lookup, Turned, cut_of

Handler = Callable[..., Any]
SELECTING = ("nonzero", "masked_select", "index_select", "argsort", "sort", "topk", "take", "unique")


def trained(model: Any) -> dict[str, Any]:
    """{name: parameter} of those that have gradients; a tied one once, by its first name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.is_floating_point()}


class Recorder(TorchFunctionMode):  # type: ignore[misc]
    """What a forward pass did with the parameters of a model.

    calls     the linear maps, in order
    computed  {parameter name: the functions that made another weight of it, which a linear map then took}
    met       {parameter name: the other functions that it, or what was computed of it, was given to}
    bends     the activation functions, in order: path, function, z
    selects   rows were chosen by what is in them
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.modules = Modules(model)
        self.bends: list[tuple[str, TorchActivation, Any]] = []
        self.calls: list[Call] = []
        self.computed: dict[str, list[str]] = {}
        self.met: dict[str, list[str]] = {}
        self.selects = False
        self._parameters: dict[int, list[tuple[str, Any]]] = {}  # by the address of their memory
        for name, parameter in trained(model).items():
            self._parameters.setdefault(_address(parameter), []).append((name, parameter))
        self._made: dict[int, tuple[Any, dict[str, list[str]]]] = {}  # of parameters and constants, by id
        self._shared: dict[int, tuple[Any, Call]] = {}  # rows that were looked up, by id

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function in FUNCTIONS and isinstance(args[0], torch.Tensor):
            self.bends.append((self.modules.path(function.__name__), *bend(function, args, kwargs, self.calls)))
        handler = HANDLERS.get(function)
        if handler is not None:
            return handler(self, function, *args, **kwargs)
        out = function(*args, **kwargs)
        self.note(function, args, kwargs, out)
        return out

    # ---- what parameter is it? -------------------------------------------------------------------------------

    def part_of(self, tensor: Any) -> tuple[str, Any] | None:
        """(name, parameter) whose memory the tensor lies in."""
        found = self._parameters.get(_address(tensor), ())
        for name, parameter in found:
            start = tensor.storage_offset() - parameter.storage_offset()
            if 0 <= start < max(parameter.numel(), 1):
                return name, parameter
        return None

    def weight(self, tensor: Any, function: Any) -> tuple[str, Cut] | None:
        """(parameter name, the part of it) that serves as a weight; notes what it is where it is none."""
        owner = self.part_of(tensor)
        if owner is None:
            _, names = self._made.get(id(tensor), (None, {}))
            for name, functions in names.items():
                self.computed.setdefault(name, []).extend(functions)
            return None
        name, parameter = owner
        cut = cut_of(tensor, parameter) if parameter.ndim > 1 else None
        if cut is None:
            self.met.setdefault(name, []).append(_name(function))
            return None
        return name, cut

    # ---- recording -------------------------------------------------------------------------------------------

    def record(self, kind: type[Call], function: Any, weight: Any, a: Any, z: Any, **options: Any) -> Call | None:
        """Notes that z was computed from a with this weight, and waits for its error signal."""
        found = self.weight(weight, function)
        if found is None:
            return None
        call = kind(*found, a.detach(), tuple(z.shape), z.dtype, after_selection=self.selects, **options)
        self.calls.append(call)
        if z.requires_grad:
            _hooked(z).register_hook(call.receive)
        return call

    def linear(self, a: Any, weight: Any, bias: Any = None, axis: int | None = None) -> Any:
        """F.linear, recorded; for code that knows in which axis of a the samples are."""
        z = F.linear(a, weight, bias)
        self.record(Call, F.linear, weight, a, z, axis=axis)
        return z

    def spread(self, rows: Any, other: Any) -> Any:
        """Of rows that were looked up once for all samples, as many as the other has: so each sample gets its delta."""
        if id(rows) not in self._shared or not isinstance(other, torch.Tensor) or not rows.requires_grad:
            return rows
        call = self._shared[id(rows)][1]
        shape = torch.broadcast_shapes(rows.shape, other.shape)
        if shape == rows.shape or call not in self.calls:
            return rows
        spread = rows.expand(shape)
        wide = replace(call, a=call.a.expand(shape[:-1]), z_shape=tuple(shape))
        spread.register_hook(wide.receive)
        self.calls[self.calls.index(call)] = wide
        return spread

    # ---- what else happens to parameters ---------------------------------------------------------------------

    def note(self, function: Any, args: Any, kwargs: Any, out: Any) -> None:
        """Notes a function that was given parameters; and what it made of them, where all else was constant."""
        self.selects = self.selects or _name(function) in SELECTING
        if not isinstance(out, (torch.Tensor, tuple, list)):
            return
        names = [] if _name(function) in ("__get__", "__set__") else [_name(function)]  # .T is a view, .data the same
        met: dict[str, list[str]] = {}
        alone = True
        for tensor in tensors_in((args, kwargs)):
            owner = self.part_of(tensor)
            kept, made = self._made.get(id(tensor), (None, {}))
            if owner is not None:
                met.setdefault(owner[0], [])
            elif kept is tensor:
                for other, functions in made.items():
                    met.setdefault(other, []).extend(functions)
            elif tensor.requires_grad and tensor.ndim:
                alone = False
        for tensor in tensors_in((out,)):
            if alone and met and self.part_of(tensor) is None:
                self._made[id(tensor)] = (tensor, {n: [*functions, *names] for n, functions in met.items()})
        for owner_name in met:
            self.met.setdefault(owner_name, []).extend(names)


def _hooked(z: Any) -> Any:
    """The tensor whose hook fires also when z is written over, as by a ReLU in place.

    Of a view, which F.linear makes of more than two axes, that is the tensor below it.
    """
    base = z._base
    whole = base is not None and base.requires_grad and base.numel() == z.numel() and z.is_contiguous()
    return base if whole else z


def _address(tensor: Any) -> int:
    """Where the memory of a tensor begins; 0 where it has none of the usual kind."""
    try:
        address: int = tensor.untyped_storage().data_ptr()
        return address
    except (RuntimeError, NotImplementedError):  # sparse, or a subclass with several
        return 0


def _name(function: Any) -> str:
    name: str = getattr(function, "__name__", str(function))
    return name


def tensors_in(values: Any) -> Iterator[Any]:
    """All tensors in nested tuples, lists and dicts."""
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (tuple, list, dict)):
            yield from tensors_in(value)


# ---- the linear maps -------------------------------------------------------------------------------------------


def _linear(r: Recorder, function: Any, input: Any, weight: Any, bias: Any = None) -> Any:
    z = function(input, weight, bias)
    r.record(Call, function, weight, input, z)
    return z


def _product(r: Recorder, function: Any, input: Any, other: Any, **options: Any) -> Any:
    """A matrix product, of which either side may be the parameter."""
    z = function(input, other, **options)
    if r.part_of(other) is not None and r.part_of(input) is None:
        if other.ndim == 2:
            r.record(Call, function, other.t(), input, z)
            return z
    elif r.part_of(input) is not None and r.part_of(other) is None and input.ndim == 2:
        if other.ndim > 1:
            r.record(Turned, function, input, other, z)
        else:
            r.record(Call, function, input, other, z)
        return z
    r.note(function, (input, other), options, z)
    return z


def _reversed_product(r: Recorder, function: Any, other: Any, input: Any) -> Any:
    return _product(r, torch.matmul, input, other)


def _addmm(r: Recorder, function: Any, bias: Any, input: Any, other: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    z = function(bias, input, other, beta=beta, alpha=alpha)
    if alpha == 1 and r.part_of(other) is not None and r.part_of(input) is None:
        r.record(Call, function, other.t(), input, z)
    elif alpha == 1 and r.part_of(input) is not None and r.part_of(other) is None:
        r.record(Turned, function, input, other, z)
    else:
        r.note(function, (input, other), {}, z)
    return z


def _embedding(
    r: Recorder, function: Any, input: Any, weight: Any, padding_idx: Any = None, *args: Any, **kw: Any
) -> Any:
    z = function(input, weight, padding_idx, *args, **kw)
    by_frequency = kw.get("scale_grad_by_freq", args[2] if len(args) > 2 else False)
    if by_frequency:
        r.note(function, (weight, input), {}, z)
        return z
    padding = None if padding_idx is None else padding_idx % len(weight)
    return _looked_up(r, function, weight, input, z, padding)


def _item(r: Recorder, function: Any, weight: Any, index: Any) -> Any:
    z = function(weight, index)
    numbers = isinstance(index, torch.Tensor) and index.dtype in (torch.int64, torch.int32)
    if r.part_of(weight) is None:
        r.selects = r.selects or any(t.ndim and not t.is_floating_point() for t in tensors_in((index,)))
    if numbers and weight.ndim == 2 and r.part_of(weight) is not None:
        return _looked_up(r, function, weight, index % len(weight), z, None)
    r.note(function, (weight, index), {}, z)
    return z


def _looked_up(r: Recorder, function: Any, weight: Any, numbers: Any, z: Any, padding: int | None) -> Any:
    call = r.record(Lookup, function, weight, numbers, z, padding=padding)
    if call is not None:
        r._shared[id(z)] = (z, call)
    return z


def _add(r: Recorder, function: Any, input: Any, other: Any, **options: Any) -> Any:
    in_place = function in (torch.Tensor.add_, torch.Tensor.__iadd__)
    args = (input if in_place else r.spread(input, other)), r.spread(other, input)
    z = function(*args, **options)
    r.note(function, args, options, z)
    return z


def _convolution(
    r: Recorder, function: Any, input: Any, weight: Any, bias: Any = None,
    stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    z = function(input, weight, bias, stride, padding, dilation, groups)
    axes, kernel = weight.ndim - 2, tuple(weight.shape[2:])
    dilation = _for_each(dilation, axes)
    if padding == "same":
        padding = [d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True)]
    elif padding == "valid":
        padding = 0
    _record_convolution(r, function, weight, input, z, groups, stride, padding, dilation)
    return z


def _transposed_convolution(
    r: Recorder, function: Any, input: Any, weight: Any, bias: Any = None,
    stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    z = function(input, weight, bias, stride, padding, output_padding, groups, dilation)
    _record_convolution(r, function, weight, input, z, groups, stride, padding, dilation, backward=True)
    return z


def _record_convolution(
    r: Recorder, function: Any, weight: Any, a: Any, z: Any, groups: int, stride: Any, padding: Any, dilation: Any,
    backward: bool = False,
) -> None:  # fmt: skip
    axes = weight.ndim - 2
    stride, padding, dilation = (_for_each(value, axes) for value in (stride, padding, dilation))
    options = {"groups": groups, "stride": stride, "padding": padding, "dilation": dilation, "backward": backward}
    call = r.record(Convolution, function, weight, a, z, kernel=tuple(weight.shape[2:]), **options)
    if call is not None and z.ndim == axes + 1:  # a single image, without an axis of samples
        call.a, call.z_shape = call.a[None], (1, *call.z_shape)


def _for_each(value: Any, axes: int) -> tuple[int, ...]:
    values = (value,) * axes if isinstance(value, int) else tuple(value)
    return values * axes if len(values) == 1 else values


HANDLERS: dict[Any, Handler] = {
    F.linear: _linear,
    F.embedding: _embedding,
    torch.Tensor.__getitem__: _item,
    torch.addmm: _addmm,
    torch.Tensor.addmm: _addmm,
    torch.Tensor.__rmatmul__: _reversed_product,
    F.multi_head_attention_forward: torch_attention.attention,
    **torch_recurrent.handlers(),
    **dict.fromkeys((torch.matmul, torch.mm, torch.Tensor.matmul, torch.Tensor.mm, torch.Tensor.__matmul__), _product),
    **dict.fromkeys(
        (torch.add, torch.Tensor.add, torch.Tensor.add_, torch.Tensor.__iadd__, torch.Tensor.__add__), _add
    ),
    **dict.fromkeys((torch.Tensor.__radd__,), _add),
    **dict.fromkeys((F.conv1d, F.conv2d, F.conv3d), _convolution),
    **dict.fromkeys((F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d), _transposed_convolution),
}
