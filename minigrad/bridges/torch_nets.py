"""PyTorch's nets as minigrad's, and back: the same layers with copies of the same weights.

A kind of layer is one line in the tables below. What both libraries have is taken, the rest refused by its name.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import layers as mg
from .._advice import described
from .._checks import Rng, float_type, generator, instance, whole_number
from ..layers.parameters import settle
from . import missing

try:
    import torch
    from torch import nn
    from torch.nn.utils import skip_init  # a Linear without random numbers, of which PyTorch's generator knows
except ImportError:
    raise missing("torch") from None

CAPTURE = "minigrad.bridges.torch.capture sees the pairs of any model, as it is"


# ---- modules for what PyTorch has not --------------------------------------------------------------------


class Residual(nn.Sequential):  # type: ignore[misc]
    """x + layers(x)."""

    def forward(self, x: Any) -> Any:
        return x + super().forward(x)


class CenteredSigmoid(nn.Module):  # type: ignore[misc]
    """sigma(z) - 1/2, as tanh(z/2) / 2: near 0 the difference would lose its digits."""

    def forward(self, z: Any) -> Any:
        return torch.tanh(z / 2) / 2


class BatchNorm(nn.BatchNorm1d):  # type: ignore[misc]
    """BatchNorm1d with the channels last, x (N, ..., C); PyTorch's own takes (N, C) or (N, C, L)."""

    def forward(self, x: Any) -> Any:
        return super().forward(x.reshape(-1, x.shape[-1])).reshape(x.shape)


# ---- the kinds: PyTorch's class -> a function that makes the layer, and back -----------------------------

WITHOUT_ARGUMENTS: dict[type, type[mg.Activation]] = {
    nn.Identity: mg.Identity,
    nn.Sigmoid: mg.Sigmoid,
    nn.Tanh: mg.Tanh,
    CenteredSigmoid: mg.CenteredSigmoid,
    nn.ReLU: mg.ReLU,
    nn.SELU: mg.SELU,
    nn.SiLU: mg.SiLU,
    nn.Mish: mg.Mish,
}
CHANNELS_FIRST = (nn.BatchNorm2d, nn.BatchNorm3d)


def _linear(m: Any, dtype: np.dtype, rng: Rng) -> mg.Layer:
    return mg.Linear(m.in_features, m.out_features, bias=m.bias is not None, init="zeros", dtype=dtype)


def _batchnorm(m: Any, dtype: np.dtype, rng: Rng) -> mg.Layer:
    _check(m.affine, "affine=False, and minigrad's BatchNorm always has weight and bias")
    _check(m.track_running_stats, "track_running_stats=False, and minigrad's BatchNorm keeps running statistics")
    _check(m.momentum is not None, "momentum=None, the mean of all batches, and minigrad's is a number")
    return mg.BatchNorm(m.num_features, m.eps, m.momentum, dtype)


def _layernorm(m: Any, dtype: np.dtype, rng: Rng) -> mg.Layer:
    _check(len(m.normalized_shape) == 1, f"the shape {m.normalized_shape}, and minigrad's is over the last axis alone")
    _check(m.weight is not None and m.bias is not None, "no weight or no bias, and minigrad's LayerNorm has both")
    return mg.LayerNorm(m.normalized_shape[0], m.eps, dtype)


def _gelu(m: Any, dtype: np.dtype, rng: Rng) -> mg.Layer:
    _check(m.approximate == "none", f"approximate={m.approximate!r}, and minigrad's is the exact form")
    return mg.GELU()


def _softplus(m: Any, dtype: np.dtype, rng: Rng) -> mg.Layer:
    _check(m.beta == 1, f"beta={m.beta}, and minigrad's is log(1 + e^z), that of beta=1")
    _check(m.threshold >= 20, f"threshold={m.threshold}, from where it is z; minigrad's is exact, as from 20 on")
    return mg.Softplus()


def _softmax(m: Any, dtype: np.dtype, rng: Rng) -> mg.Layer:
    raise ValueError(
        "it is a softmax, which minigrad has in its loss: leave it out, as load_torch(model[:-1]) does where it is the "
        "last, and train with mg.CrossEntropyLoss(); mg.softmax(net(x)) are the probabilities"
    )


def _ours(cls: type[mg.Activation]) -> Callable[[Any, np.dtype, Rng], mg.Layer]:
    return lambda m, dtype, rng: cls()


def _theirs(cls: type) -> Callable[[Any], Any]:
    return lambda m: cls()


LAYERS_OF: dict[type, Callable[[Any, np.dtype, Rng], mg.Layer]] = {
    nn.Linear: _linear,
    nn.LayerNorm: _layernorm,
    **dict.fromkeys((nn.BatchNorm1d, BatchNorm, *CHANNELS_FIRST), _batchnorm),
    nn.Dropout: lambda m, dtype, rng: mg.Dropout(m.p, rng),
    nn.LeakyReLU: lambda m, dtype, rng: mg.LeakyReLU(m.negative_slope),
    nn.ELU: lambda m, dtype, rng: mg.ELU(m.alpha),
    nn.GELU: _gelu,
    nn.Softplus: _softplus,
    **dict.fromkeys((nn.Softmax, nn.LogSoftmax), _softmax),
    nn.Flatten: lambda m, dtype, rng: mg.Identity(),  # for the rows that minigrad takes; see _orders
    **{theirs: _ours(ours) for theirs, ours in WITHOUT_ARGUMENTS.items()},
}

MODULES_OF: dict[type[mg.Layer], Callable[[Any], Any]] = {
    mg.Linear: lambda m: skip_init(nn.Linear, m.in_features, m.out_features, bias=m.bias is not None),
    mg.BatchNorm: lambda m: BatchNorm(m.num_features, m.eps, m.momentum),
    mg.LayerNorm: lambda m: nn.LayerNorm(m.num_features, m.eps),
    mg.Dropout: lambda m: nn.Dropout(m.p),
    mg.LeakyReLU: lambda m: nn.LeakyReLU(m.alpha),
    mg.ELU: lambda m: nn.ELU(m.alpha),
    mg.GELU: lambda m: nn.GELU(),
    mg.Softplus: lambda m: nn.Softplus(threshold=40),  # from there on log(1 + e^z) rounds to z
    **{ours: _theirs(theirs) for theirs, ours in WITHOUT_ARGUMENTS.items()},
}


def _check(right: bool, came: str) -> None:
    if not right:
        raise ValueError(f"it has {came}")


# ---- from PyTorch ----------------------------------------------------------------------------------------


class Leaf(NamedTuple):
    """A layer that holds no others, in both libraries."""

    path: str  # in the net that is converted
    module: Any
    layer: mg.Layer
    bypassed: bool  # inside a Residual


def load_torch(model: Any, dtype: Any = None, *, image: Sequence[int] | None = None, rng: Rng = None) -> mg.Sequential:
    """An nn.Sequential as a minigrad net with the same numbers: outputs, gradients, running statistics, mode.

    model: nn.Sequential, nested too, of Linear, BatchNorm1d, LayerNorm, Dropout, Flatten, and the activations that
    both libraries have; the modules that to_torch makes are among them. Weights are copies; one that is used twice
    stays one. Which of them are frozen is not taken along. dtype: float32 or float64, by default the model's own
    (float32 for shorter types, which it holds exactly). rng: for the masks of Dropout.

    **Axes.** x (N, J) means the same to both. Linear and LayerNorm work on the last axis in both, so x with positions,
    (N, ..., J), goes in as it is. BatchNorm1d, 2d and 3d take the channels first, (N, C, ...), minigrad's BatchNorm
    last: a net of these and of activations takes np.moveaxis(x, 1, -1). Beside a Linear, BatchNorm1d means the same on
    x (N, J) alone, and 2d and 3d are refused.

    **Images.** minigrad has no Flatten: an Identity keeps its place, and the net takes rows. By default these are
    x.reshape(len(x), -1) of PyTorch's x (N, C, H, W). With image=(C, H, W), or (C, L), they are the rows of
    minigrad's x (N, H, W, C): the weights behind Flatten are put in that order.

    Softplus is exact here, and z itself above a threshold in PyTorch: up to 2e-9 apart. Raises TypeError where model is
    no nn.Sequential, ValueError with the path and the class of what minigrad has not.
    """
    if not _is_sequential(model):
        fix = f"; {CAPTURE}" if isinstance(model, nn.Module) else ""
        fix = f"; use torch.nn.Sequential(model){fix}" if type(model) in LAYERS_OF else fix
        raise TypeError(f"model is {described(model)}, expected an nn.Sequential of known layers{fix}")
    leaves: list[Leaf] = []
    net = _layer(model, "", _float_type(model) if dtype is None else float_type(dtype), generator(rng), leaves)
    _fill_layers(leaves, _orders(leaves, image))
    for path, module in model.named_modules():
        with _naming(path or "model", module, CAPTURE):
            hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
            _check(not hooks, f"the forward hooks {hooks}, which may change what it computes: remove them first")
    return net if type(net) is mg.Sequential else mg.Sequential(net)


def _is_sequential(module: Any) -> bool:
    return isinstance(module, nn.Sequential) and type(module).forward in (nn.Sequential.forward, Residual.forward)


def _float_type(model: Any) -> np.dtype:
    """float64 where a parameter is, else float32."""
    return np.dtype(np.float64 if any(p.dtype == torch.float64 for p in model.parameters()) else np.float32)


@contextlib.contextmanager
def _naming(path: str, part: Any, remedy: str) -> Iterator[None]:
    """Says of an error which layer it is about, and what else to do."""
    try:
        yield
    except Exception as error:
        shown = " ".join(repr(part).split())
        raise ValueError(f"layer {path}, {shown:.100}, cannot be converted: {error}. {remedy}") from None


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _layer(module: Any, path: str, dtype: np.dtype, rng: Rng, leaves: list[Leaf], bypassed: bool = False) -> Any:
    """The layer for a module, in its mode, its weights not yet filled in; adds to leaves what holds no others."""
    made: Any
    if _is_sequential(module):
        bypassed = bypassed or isinstance(module, Residual)
        # named_children() would leave out a module that stands there twice.
        inner = [_layer(m, _joined(path, n), dtype, rng, leaves, bypassed) for n, m in module._modules.items()]
        made = (mg.Residual if isinstance(module, Residual) else mg.Sequential)(*inner or [mg.Identity()])
    else:
        earlier = [leaf.layer for leaf in leaves if leaf.module is module]
        with _naming(path, module, CAPTURE):
            if type(module) not in LAYERS_OF:
                raise ValueError(f"it is {described(module)}, which minigrad has not")
            made = earlier[0] if earlier else LAYERS_OF[type(module)](module, dtype, rng)
        leaves.append(Leaf(path, module, made, bypassed))
    made.training = module.training
    return made


def _orders(leaves: list[Leaf], image: Sequence[int] | None) -> list[np.ndarray | None]:
    """For each leaf, which of PyTorch's features stands at each place of its input in minigrad; None: the same one.

    A ValueError where a layer would work on another axis in minigrad.
    """
    shape = None if image is None else tuple(whole_number(size, f"image[{i}]", 1) for i, size in enumerate(image))
    order: np.ndarray | None = None
    orders: list[np.ndarray | None] = []
    width, flat, channels_first = None, False, False  # of the last axis; what came before
    for path, module, layer, bypassed in leaves:
        with _naming(path, module, CAPTURE):
            if type(module) is nn.Flatten:
                ends = (-1,) if shape is None else (-1, len(shape))
                _check(module.start_dim == 1 and module.end_dim in ends, "other axes than all behind that of samples")
                _check(not channels_first, "an image that was normalised, and minigrad has no Flatten")
                if shape is not None and width is None and not flat:
                    width = math.prod(shape)
                    order = np.moveaxis(np.arange(width).reshape(shape), 0, -1).ravel()
                flat = True
            if layer.in_features is not None:
                if width not in (None, layer.in_features):
                    raise ValueError(f"it takes {layer.in_features} features, and gets {width}{_reason(module, flat)}")
                first = isinstance(module, CHANNELS_FIRST)
                _check(width is None or channels_first == first, "its features in another axis than those before it")
                channels_first, width = first, getattr(layer, "out_features", layer.in_features)
        linear = isinstance(layer, mg.Linear)
        if linear and bypassed and order is not None:
            raise ValueError(f"image: the Residual around layer {path} adds two orders of the pixels")
        orders.append(None if layer.in_features is None else order)
        order = None if linear else order
    if shape is not None and all(order is None for order in orders):
        raise ValueError("image is given, but no Flatten stands before the first layer with weights")
    return orders


def _reason(module: Any, flat: bool) -> str:
    """Why a layer may get another number of features in minigrad."""
    if flat:
        return ": Flatten joined axes in front of it, which minigrad cannot"
    if isinstance(module, nn.BatchNorm1d):
        return ": in PyTorch they are axis 1 of (N, C, L), in minigrad the last axis"
    return ""


def _names(layer: mg.Layer) -> list[str]:
    """The names of its arrays: parameters that it has, and buffers."""
    return [name for name in layer.parameter_names + layer.buffer_names if getattr(layer, name) is not None]


def _put_in_order(array: np.ndarray, name: str, layer: mg.Layer, order: np.ndarray | None) -> np.ndarray:
    """The array with its entries for the layer's inputs in another order; a Linear's bias has none."""
    is_bias = isinstance(layer, mg.Linear) and name == "bias"
    return array if order is None or is_bias else array[..., order]


def _fill_layers(leaves: list[Leaf], orders: list[np.ndarray | None]) -> None:
    """Copy PyTorch's arrays into minigrad's layers."""
    shared: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}  # by id of PyTorch's parameter
    for (path, module, layer, _), order in zip(leaves, orders, strict=True):
        with _naming(path, module, CAPTURE):
            names = _names(layer)
            more = [name for name, _ in module.named_parameters() if name not in names]
            _check(not more, f"the parameters {more}, as weight_norm gives them to it")
            arrays = {name: getattr(module, name).detach().cpu().double().numpy() for name in names}
            layer.load_state_dict({n: _put_in_order(a, n, layer, order) for n, a in arrays.items()})
            for name in names:
                first, its_order = shared.setdefault(id(getattr(module, name)), (getattr(layer, name), order))
                _check(its_order is order, "a weight of an earlier layer, and its columns in another order")
                setattr(layer, name, first)


# ---- to PyTorch ------------------------------------------------------------------------------------------


def to_torch(net: mg.Sequential, *, image: Sequence[int] | None = None) -> Any:
    """A minigrad net as an nn.Sequential with the same numbers: outputs, gradients, running statistics, mode.

    Names in the state_dict, weights (copies), float type and mode are the net's; a weight that is used twice stays one.
    Its axes are minigrad's, x (N, ..., J): BatchNorm here is an nn.BatchNorm1d that takes the channels last.

    image=(C, H, W): the net takes the rows of minigrad's x (N, H, W, C); the module has a Flatten in front and takes
    PyTorch's (N, C, H, W). The Flatten stands in place of an Identity, or before all others: then names count from 1.

    load_torch is the way back, to the bit. Raises TypeError where net is no Sequential, ValueError with the path and
    the class of a layer of your own.
    """
    settle(instance(net, mg.Sequential, "net"))
    leaves: list[Leaf] = []
    module = _module(net, "", leaves)
    orders: list[np.ndarray | None] = [None] * len(leaves)
    if image is not None:
        module, leaves = _flattened(module, leaves)
        orders = [None if order is None else np.argsort(order) for order in _orders(leaves, image)]
    _fill_modules(leaves, orders)
    return module


def _module(layer: mg.Layer, path: str, leaves: list[Leaf], bypassed: bool = False) -> Any:
    """The module for a layer, in its mode, its weights not yet filled in; adds to leaves what holds no others."""
    if type(layer) in (mg.Sequential, mg.Residual):
        bypassed = bypassed or isinstance(layer, mg.Residual)
        inner = [_module(child, _joined(path, name), leaves, bypassed) for name, child in layer.children()]
        made = (Residual if isinstance(layer, mg.Residual) else nn.Sequential)(*inner)
    else:
        earlier = [leaf.module for leaf in leaves if leaf.layer is layer]
        with _naming(
            path, layer, "Write the torch.nn.Module that computes the same, with the weights of layer.state_dict()"
        ):
            if type(layer) not in MODULES_OF:
                raise ValueError(f"it is {described(layer)}, a layer of your own, which PyTorch has not")
            made = earlier[0] if earlier else MODULES_OF[type(layer)](layer)
            made.to(None if layer.dtype is None else getattr(torch, str(layer.dtype)))
        leaves.append(Leaf(path, made, layer, bypassed))
    made.training = layer.training
    return made


def _flattened(module: Any, leaves: list[Leaf]) -> tuple[Any, list[Leaf]]:
    """The module with Flatten in front, and the leaves with its."""
    flatten = nn.Flatten().train(module.training)
    rest = [*module]
    if type(rest[0]) is nn.Identity and not isinstance(module, Residual):
        rest, leaves = rest[1:], leaves[1:]
    elif isinstance(module, Residual):
        rest = [module]
    return nn.Sequential(flatten, *rest).train(module.training), [Leaf("0", flatten, mg.Identity(), False), *leaves]


def _fill_modules(leaves: list[Leaf], orders: list[np.ndarray | None]) -> None:
    """Copy minigrad's arrays into PyTorch's modules."""
    shared: dict[int, Any] = {}  # by id of minigrad's array
    for (_, module, layer, _), order in zip(leaves, orders, strict=True):
        for name in _names(layer):
            array, parameter = getattr(layer, name), getattr(module, name)
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(_put_in_order(array, name, layer, order)))
            setattr(module, name, shared.setdefault(id(array), parameter))
