"""Nets as ONNX files, for onnxruntime and whatever else runs these, on any machine, without Python.

An ONNX file is a list of operators and the arrays that they read. Each kind of layer is a function below, which writes
its operators. In float32 these are the standard ones, such as LeakyRelu. In float64 a layer with a number of its own
(alpha, eps) is written out by its formula, for an operator's own numbers are float32, whatever its arrays are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev

from .. import layers as mg
from .._advice import described
from .._checks import float_type, instance, whole_number
from ..files.archive import check_finite, replacing
from ..kernels.twin import SELU_ALPHA, SELU_SCALE
from ..layers.containers import walk
from ..layers.parameters import settle
from . import missing

try:
    from onnx import helper, numpy_helper
except ImportError:
    raise missing("onnx") from None

OPSET, IR_VERSION = 17, 8  # the first that have LayerNormalization: what runs them need not be new
LARGEST = 2**31 - 1  # bytes of a file, by the rules of protobuf
INPUT, OUTPUT = "x", "output"


def export(net: mg.Sequential, path: str | os.PathLike[str], dtype: Any = "float32", *, positions: int = 0) -> None:
    """Write net as it is in eval mode to path (.onnx), atomically. The net stays as it is.

    The file has one input "x" (N, J) and one output "output" (N, K), of the type dtype, float32 or float64; N is free.
    positions: how many axes of positions x has between the two, 1 for (N, P, J), 2 for (N, P1, P2, J), ...; they are
    free too. A net that was trained with a loss of logits (CrossEntropyLoss, BCEWithLogitsLoss) gives logits.

    The weights have the names and shapes of net.state_dict(); one that is used twice is there once. Dropout leaves
    nothing. The operators are those of opset 17, of 2022.

    Raises OSError where the file cannot be written, TypeError where net is no Sequential, ValueError with the path of a
    layer of your own, of a weight that is no finite number of that type, or where the file would exceed 2 GB.
    """
    dtype, positions = float_type(dtype), whole_number(positions, "positions", 0, 30)
    settle(instance(net, mg.Sequential, "net"))
    graph = Graph(net, dtype)
    _write_layer(graph, net, "", INPUT)
    if not graph.nodes:
        graph.node("Identity", INPUT)
    graph.nodes[-1].output[0] = OUTPUT
    content = _model(graph, net, positions).SerializeToString()
    with replacing(path) as file:
        file.write(content)


class Graph:
    """The operators and arrays that were written so far."""

    def __init__(self, net: mg.Sequential, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.is_double = dtype == np.float64
        self.names = {id(array): name for name, array in reversed(net.state().items())}  # the first name of each
        self.nodes: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}

    def node(self, operator: str, *inputs: str | float | np.ndarray, **attributes: Any) -> str:
        """Add an operator; the name of its output. Inputs are names of outputs, arrays of the net, and constants."""
        names = [value if isinstance(value, str) else self._stored(value) for value in inputs]
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [output], output, **attributes))
        return output

    def _stored(self, value: float | np.ndarray) -> str:
        """The name of an array or a number, which is stored once."""
        name = self.names[id(value)] if isinstance(value, np.ndarray) else f"constant {value!r}"
        with np.errstate(all="ignore"):  # what is beyond float32 is refused later, by its name
            self.arrays.setdefault(name, np.asarray(value).astype(self.dtype))
        return name


def _write_layer(graph: Graph, layer: mg.Layer, path: str, x: str) -> str:
    """Add the operators of a layer that reads x; the name of its output."""
    if type(layer).forward in (mg.Sequential.forward, mg.Residual.forward):
        out = x
        for name, child in layer.children():
            out = _write_layer(graph, child, f"{path}.{name}" if path else name, out)
        return graph.node("Add", x, out) if isinstance(layer, mg.Residual) else out
    if type(layer) not in OPERATORS:
        raise ValueError(
            f"layer {path} is {described(layer)}, for which ONNX has no operator that minigrad knows; compose what it "
            "computes of minigrad's own layers, such as Linear and Residual, or export the layers before it and those "
            "after it, each as mg.Sequential(*layers)"
        )
    return OPERATORS[type(layer)](graph, layer, x)


def _model(graph: Graph, net: mg.Sequential, positions: int) -> Any:
    """The ONNX model; a ValueError where it would be too large, or an array is not finite."""
    check_finite({f"{name} as {graph.dtype}": array for name, array in graph.arrays.items()})
    size = sum(array.nbytes for array in graph.arrays.values())
    if size > LARGEST - 2**20:  # the rest is for the operators
        raise ValueError(f"net has {size:,} bytes of weights, and an ONNX file no more than 2 GB")
    wide = [layer for _, layer in walk(net) if layer.in_features is not None]  # the others keep the width
    first = wide[0].in_features if wide else "J"
    last = getattr(wide[-1], "out_features", wide[-1].in_features) if wide else "J"
    between = ["P"] if positions == 1 else [f"P{i + 1}" for i in range(positions)]
    kind = helper.np_dtype_to_tensor_dtype(graph.dtype)
    described_graph = helper.make_graph(
        graph.nodes,
        "minigrad",
        [helper.make_tensor_value_info(INPUT, kind, ["N", *between, first])],
        [helper.make_tensor_value_info(OUTPUT, kind, ["N", *between, last])],
        [numpy_helper.from_array(array, name) for name, array in graph.arrays.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(described_graph, producer_name="minigrad", opset_imports=opset, ir_version=IR_VERSION)


# ---- the kinds of layers: the operators of each ----------------------------------------------------------


def _linear(g: Graph, layer: mg.Linear, a: str) -> str:
    z = g.node("MatMul", a, g.node("Transpose", layer.weight, perm=[1, 0]))
    return z if layer.bias is None else g.node("Add", z, layer.bias)


def _batchnorm(g: Graph, layer: mg.BatchNorm, x: str) -> str:
    # Written out: the operator wants the features in axis 1.
    return _scaled(g, layer, g.node("Sub", x, layer.running_mean), layer.running_var)


def _layernorm(g: Graph, layer: mg.LayerNorm, x: str) -> str:
    centred = g.node("Sub", x, g.node("ReduceMean", x, axes=[-1]))
    if not g.is_double:  # centred all the same: alone, it loses digits where the spread is small beside the mean
        return g.node("LayerNormalization", centred, layer.weight, layer.bias, axis=-1, epsilon=layer.eps)
    return _scaled(g, layer, centred, g.node("ReduceMean", g.node("Mul", centred, centred), axes=[-1]))


def _scaled(g: Graph, layer: mg.BatchNorm | mg.LayerNorm, centred: str, var: str | np.ndarray) -> str:
    """weight centred / sqrt(var + eps) + bias."""
    normal = g.node("Div", centred, g.node("Sqrt", g.node("Add", var, layer.eps)))
    return g.node("Add", g.node("Mul", normal, layer.weight), layer.bias)


def _centered_sigmoid(g: Graph, layer: mg.Activation, z: str) -> str:
    return g.node("Mul", g.node("Tanh", g.node("Mul", z, 0.5)), 0.5)


def _leaky_relu(g: Graph, layer: mg.Activation, z: str) -> str:
    return g.node("PRelu", z, layer.alpha) if g.is_double else g.node("LeakyRelu", z, alpha=layer.alpha)


def _elu(g: Graph, layer: mg.Activation, z: str) -> str:
    return _exponential(g, layer.alpha, z) if g.is_double else g.node("Elu", z, alpha=layer.alpha)


def _selu(g: Graph, layer: mg.Activation, z: str) -> str:
    return g.node("Mul", _exponential(g, SELU_ALPHA, z), SELU_SCALE) if g.is_double else g.node("Selu", z)


def _exponential(g: Graph, alpha: float, z: str) -> str:
    """max(z, 0) + alpha (e^min(z, 0) - 1)."""
    below = g.node("Sub", g.node("Exp", g.node("Min", z, 0.0)), 1.0)
    return g.node("Add", g.node("Relu", z), g.node("Mul", below, alpha))


def _gelu(g: Graph, layer: mg.Activation, z: str) -> str:
    if g.is_double:  # onnxruntime has no Erf for float64: z Phi(z) = max(z, 0) - |z| Phi(-|z|)
        t = g.node("Abs", z)
        return g.node("Sub", g.node("Relu", z), g.node("Mul", t, _normal_tail(g, g.node("Min", t, FAR))))
    twice = g.node("Add", g.node("Erf", g.node("Mul", z, math.sqrt(0.5))), 1.0)
    return g.node("Mul", g.node("Mul", z, 0.5), twice)


def _normal_tail(g: Graph, t: str) -> str:
    """Phi(-t), for t from 0 to FAR, to 2e-14: i e^(-t^2/2) times a polynomial in i = 1/(t + 2), brought to [-1, 1]."""
    middle, half = (0.5 + 1 / (FAR + 2)) / 2, (0.5 - 1 / (FAR + 2)) / 2
    points = chebyshev.chebpts1(19)
    ts = [1 / (middle + half * u) - 2 for u in points.tolist()]
    values = [math.erfc(s / math.sqrt(2)) / 2 * math.exp(s * s / 2) * (s + 2) for s in ts]
    *lower, highest = chebyshev.cheb2poly(chebyshev.chebfit(points, values, 18)).tolist()
    i = g.node("Div", 1.0, g.node("Add", t, 2.0))
    u = g.node("Div", g.node("Sub", i, middle), half)
    value = g.node("Mul", u, highest)
    for coefficient in reversed(lower[1:]):
        value = g.node("Mul", g.node("Add", value, coefficient), u)
    bell = g.node("Exp", g.node("Mul", g.node("Mul", t, t), -0.5))
    return g.node("Mul", g.node("Mul", i, bell), g.node("Add", value, lower[0]))


def _silu(g: Graph, layer: mg.Activation, z: str) -> str:
    return g.node("Mul", z, g.node("Sigmoid", z))


def _softplus(g: Graph, layer: mg.Activation, z: str) -> str:
    if not g.is_double:
        return g.node("Softplus", z)
    small = g.node("Exp", g.node("Neg", g.node("Abs", z)))
    return g.node("Add", g.node("Relu", z), g.node("Log", g.node("Add", small, 1.0)))


def _mish(g: Graph, layer: mg.Activation, z: str) -> str:
    return g.node("Mul", z, g.node("Tanh", _softplus(g, layer, z)))


def _one(operator: str) -> Callable[[Graph, Any, str], str]:
    return lambda g, layer, z: g.node(operator, z)


def _nothing(g: Graph, layer: mg.Layer, x: str) -> str:
    return x


FAR = 10.0  # Phi(-10) = 8e-24
OPERATORS: dict[type[mg.Layer], Callable[[Graph, Any, str], str]] = {
    mg.Linear: _linear,
    mg.BatchNorm: _batchnorm,
    mg.LayerNorm: _layernorm,
    mg.Dropout: _nothing,
    mg.Identity: _nothing,
    mg.Sigmoid: _one("Sigmoid"),
    mg.Tanh: _one("Tanh"),
    mg.CenteredSigmoid: _centered_sigmoid,
    mg.ReLU: _one("Relu"),
    mg.LeakyReLU: _leaky_relu,
    mg.ELU: _elu,
    mg.SELU: _selu,
    mg.GELU: _gelu,
    mg.SiLU: _silu,
    mg.Mish: _mish,
    mg.Softplus: _softplus,
}
