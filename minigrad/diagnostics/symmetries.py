"""Transformations: nets that compute the same function and yet are trained, or not trained, in the same way.

gauge_flip turns the signs of some inputs and of the weights they meet: training goes on bit for bit as
before, though the sign patterns of the updates are others (theorem C1). rotate turns the inputs and the
weights they meet by any rotation: plain gradient descent goes on as before, to rounding, though the inputs
no longer share a pair of opposite orthants (C10). tanh_twin writes a net of sigmoids as
a net of tanhs, and twin_preconditioner says which gradient descent on the twin is the same as plain gradient
descent on the original (C9). A Linear layer uses the same weights at all positions, so all of this holds with
positions: each feature has one sign, and all positions are rotated alike.

Index legend: n sample (N), k output neuron (K), j input (J).
"""

import copy
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from .._checks import MOST, as_batch, as_float, instance, quiet, whole_number
from ..backprop import Backprop
from ..layers.activations import Activation, CenteredSigmoid, Identity, Sigmoid, Tanh
from ..layers.base import Layer
from ..layers.containers import Sequential
from ..layers.dropout import Dropout
from ..layers.linear import Linear

ODD = (Identity, Tanh, CenteredSigmoid)  # f(-z) = -f(z), to the last bit

# ---- C1: signs -------------------------------------------------------------------------------------------


@quiet
def gauge_flip(net: Sequential, x: ArrayLike, signs: ArrayLike, layer: int = 0) -> tuple[Sequential, np.ndarray]:
    """The same net with the signs of some inputs of one Linear layer turned: (flipped net, flipped x), both new.

    x (N, ..., J); signs (J,), each 1 or -1, the same at all positions; layer: the place of that Linear in net. Column j
    of its weights is multiplied by signs[j]: w_kj -> s_j w_kj. With layer=0 the inputs are those of the net, and
    x_nj -> s_j x_nj. With a later layer they are hidden units: the rows of weights and biases that lead into them are
    flipped instead and x stays as it is, which needs odd activations (Tanh, CenteredSigmoid, Identity) between the two.

    Outputs are the same to the last bit, and stay so under SGD, momentum, RMSprop, Adam and weight decay in
    the same order of summation: negation is exact and commutes with rounding (theorem C1). Raises ValueError
    where signs do not fit or the layers in between are not odd, TypeError where layer is no Linear.
    """
    layer = whole_number(layer, "layer", -MOST)
    if not isinstance(net, Sequential) or not 0 <= layer < len(net) or not isinstance(net[layer], Linear):
        raise TypeError(f"layer {layer} of net is not a Linear layer of a Sequential")
    batch, flipped = as_batch(x, "x", net.dtype, net.in_features), copy.deepcopy(net)
    signs = _signs(signs, flipped[layer].in_features).astype(flipped.dtype)
    flipped[layer].weight *= signs
    if not any(isinstance(earlier, Linear) for earlier in flipped.layers[:layer]):
        _need_odd(flipped.layers[:layer])
        return flipped, batch * signs
    first = max(i for i in range(layer) if isinstance(flipped[i], Linear))
    _need_odd(flipped.layers[first + 1 : layer])
    flipped[first].weight *= signs[:, None]
    if flipped[first].bias is not None:
        flipped[first].bias *= signs
    return flipped, batch.copy()


def _signs(signs: ArrayLike, J: int) -> np.ndarray:
    array = np.asarray(as_float(signs, "signs"))
    if array.shape != (J,) or not (np.abs(array) == 1).all():
        raise ValueError(f"signs has shape {array.shape}, expected ({J},) with entries 1 and -1")
    return array


def _need_odd(layers: Iterable[Layer]) -> None:
    for layer in layers:
        if not isinstance(layer, (*ODD, Dropout)):
            raise ValueError(f"{layer!r} is not odd: signs cannot be moved through it")


# ---- C10: rotations --------------------------------------------------------------------------------------


@quiet
def rotate(net: Sequential, x: ArrayLike, Q: ArrayLike) -> tuple[Sequential, np.ndarray]:
    """The same net with its inputs rotated: (rotated net, rotated x), both new.

    x (N, ..., J); Q (J, J) orthogonal, a reflection or another; net: a Sequential whose first layer is Linear.
    x_n -> Q x_n, at each position, and W -> W Q^T in that layer; everything else stays. Outputs are the same, to
    rounding and not to the bit, and stay so under SGD with momentum, Nesterov's or none, and with weight_decay, in any
    batches: the gradient of W turns into G Q^T (theorem C10). Not so under Adam, AdamW and RMSprop, which take the axes
    one by one; gauge_flip is for these.

    ValueError where Q does not fit or Q Q^T is not the identity to a thousand roundings of Q's float type, TypeError
    where the first layer is no Linear.
    """
    if not isinstance(net, Sequential) or not isinstance(net[0], Linear):
        raise TypeError("the first layer of net is not a Linear layer of a Sequential")
    batch, rotated = as_batch(x, "x", net.dtype, net.in_features), copy.deepcopy(net)
    turn = _orthogonal(Q, net[0].in_features)
    weight = rotated[0].weight
    weight[...] = weight.astype(np.float64) @ turn.T
    return rotated, (batch.astype(np.float64) @ turn.T).astype(batch.dtype)


def _orthogonal(Q: ArrayLike, J: int) -> np.ndarray:
    """Q as float64 (J, J)."""
    given = np.asarray(as_float(Q, "Q"))
    if given.shape != (J, J):
        raise ValueError(f"Q has shape {given.shape}, expected ({J}, {J}), the width of the first layer")
    limit, turn = 1000 * np.finfo(given.dtype).eps, np.asarray(given, np.float64)
    defect = np.abs(turn @ turn.T - np.eye(J)).max()
    if not defect <= limit:
        raise ValueError(
            f"Q is not orthogonal: Q Q^T differs from the identity by {defect:.2g}, expected at most {limit:.2g}; "
            "use np.linalg.qr(Q)[0]"
        )
    return turn


# ---- C9: a net of sigmoids is a net of tanhs ------------------------------------------------------------


@quiet
def tanh_twin(net: Sequential) -> Sequential:
    """A net with the same outputs as a net of sigmoids, whose Sigmoid layers have become Tanh layers (theorem C9).

    From sigma(z) = (1 + tanh(z/2)) / 2: with s = 1/2 for a layer that leads into a sigmoid, else 1,
        W' = s W, b' = s b                     where the layer's input is no sigmoid
        W' = s W / 2, b' = s (b + W 1 / 2)     where it is one
    so W/2, W/4 and W/2 in the first, the hidden and the output layer. A Sigmoid that is the last layer stays:
    it belongs to the loss. The twin is trained the same way only with `twin_preconditioner`.

    net: a Sequential of Linear and activation layers, each Sigmoid between two Linear ones; ValueError where
    it is not.
    """
    roles, twin = _roles(net), copy.deepcopy(net)
    for i, to_sigmoid, from_sigmoid in roles:
        linear, s = twin[i], 0.5 if to_sigmoid else 1.0
        if from_sigmoid:
            linear.bias = (0 if linear.bias is None else linear.bias) + linear.weight.sum(axis=1) / 2
            linear.weight /= 2
        linear.weight *= s
        if linear.bias is not None:
            linear.bias *= s
    twin.layers = [Tanh() if isinstance(layer, Sigmoid) and i < len(net) - 1 else layer for i, layer in enumerate(twin)]
    return twin


@quiet
def twin_preconditioner(net: Sequential) -> dict[str, np.ndarray]:
    """For each Linear layer of a net of sigmoids, the matrix M that stands between the two gradient descents (C9).

    {layer path: M (J+1, J+1)}, the same for every row (w_k1, ..., w_kJ, b_k) of the layer. A step -lr g on
    the sigmoid net is the step -lr g' M on the twin, g' its own gradient: M = T T^T with (w', b') = T (w, b),
    a linear map. Hidden rows: M = (1/16) [[I, 1], [1^T, J+4]], with condition number lambda^2 / 4, lambda =
    ((J+5) + sqrt((J+5)^2 - 16)) / 2, about (J+5)^2 / 4; output rows the same with 1/4 for 1/16; the first
    layer I/4. A layer without bias has T without its last column, and the twin's bias moves with its weights.
    """
    matrices = {}
    for i, to_sigmoid, from_sigmoid in _roles(net):
        linear, s = net[i], 0.5 if to_sigmoid else 1.0
        J = linear.in_features
        T = np.zeros((J + 1, J + 1))
        T[:J, :J] = np.eye(J) * (s / 2 if from_sigmoid else s)
        T[J, :J] = s / 2 if from_sigmoid else 0
        T[J, J] = 0 if linear.bias is None else s
        matrices[str(i)] = T @ T.T
    return matrices


@quiet
def precondition(bp: Backprop, matrices: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The gradients of a Backprop with each row (w_k, b_k) multiplied by its layer's M: a dict for opt.step(net, ...).

    bp: of the twin; matrices: of `twin_preconditioner`. Layers that are not in matrices keep their gradients.
    """
    gradients = dict(instance(bp, Backprop, "bp").parameter_gradients())
    for path, matrix in instance(matrices, dict, "matrices").items():
        if f"{path}.weight" not in gradients:
            raise ValueError(f"matrices has layer {path!r}, bp has no weight of that name")
        weight, bias = gradients[f"{path}.weight"], gradients.get(f"{path}.bias")
        rows = np.column_stack([weight, np.zeros(len(weight)) if bias is None else bias]) @ matrix
        gradients[f"{path}.weight"] = np.ascontiguousarray(rows[:, :-1], weight.dtype)
        if bias is not None:
            gradients[f"{path}.bias"] = rows[:, -1].astype(bias.dtype)
    return gradients


def _roles(net: Sequential) -> list[tuple[int, bool, bool]]:
    """(i, leads into a sigmoid that becomes a tanh, its input is such a sigmoid) of each Linear layer."""
    instance(net, Sequential, "net")
    last = len(net) - 1
    for i, layer in enumerate(net):
        if not isinstance(layer, Linear | Activation):
            raise ValueError(f"layer {i}, {layer!r}: expected Linear and activation layers")
        is_hidden = 0 < i < last and isinstance(net[i - 1], Linear) and isinstance(net[i + 1], Linear)
        if isinstance(layer, Sigmoid) and i != last and not is_hidden:
            raise ValueError(f"layer {i}, {layer!r}, is not between two Linear layers")
    return [
        (i, i + 1 < last and isinstance(net[i + 1], Sigmoid), i > 0 and isinstance(net[i - 1], Sigmoid))
        for i, layer in enumerate(net)
        if isinstance(layer, Linear)
    ]
