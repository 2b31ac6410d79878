"""From the recorded calls of a model to the pairs of its parameters, each checked against PyTorch's own gradient.

Index legend: n sample (N), p position (P), k output (K), j input (J).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from ..gradient import WeightGradient
from .torch_calls import Call, Turned, as_array
from .torch_pairs import LazyPair, Rows, Use
from .torch_samples import Place


def pair_of(calls: list[Call], places: list[Place], parameter: Any, N: int) -> WeightGradient:
    """One pair for all uses of a parameter."""
    shape = (len(parameter), math.prod(parameter.shape[1:]))
    whole = all(c.cut == ((0, shape[0]), (0, shape[1]), False) and type(c) in (Call, Turned) for c in calls)
    if whole and len(calls) == 1:
        return WeightGradient(*map(np.ascontiguousarray, calls[0].factors(places[0], N)))
    uses: list[Use] = []
    together: dict[Any, list[tuple[np.ndarray, np.ndarray]]] = {}
    for call, place in zip(calls, places, strict=True):
        if type(call) in (Call, Turned):  # all steps of time are one use
            delta, a = (v.reshape(N, -1, v.shape[-1]) for v in call.factors(place, N))
            together.setdefault(call.cut, []).append((delta, a))
        else:
            uses.append(call.use(place, N))
    for cut, factors in together.items():
        delta, a = (np.concatenate(arrays, axis=1) for arrays in zip(*factors, strict=True))
        if whole:
            return WeightGradient(delta, a)
        if cut.transposed:
            delta, a = a, delta
        uses.append(Use(slice(*cut.rows), slice(*cut.columns), Rows(delta[:, :, None]), Rows(a[:, :, None])))
    return LazyPair(uses, shape, as_array(parameter).dtype, transposed=all(c.input_first for c in calls))


def checked_pair(
    placed: list[tuple[Call, Any]], parameter: Any, gradient: np.ndarray, N: int
) -> tuple[WeightGradient, float]:
    """The pair of all uses of a parameter, and its error."""
    calls, places = [call for call, _ in placed], [place for _, place in placed]
    pair = pair_of(calls, places, parameter, N)
    return pair, error_of(pair, gradient.reshape(pair.weight.shape))


def tolerance(placed: list[tuple[Call, Any]]) -> float:
    """What error rounding can explain: half of the digits."""
    return math.sqrt(max(torch.finfo(call.precision).eps for call, _ in placed))


def error_of(pair: WeightGradient, gradient: np.ndarray) -> float:
    """|pair.weight - gradient| over |gradient|, or over a hundredth of what its factors allow where that is more.

    A gradient far below that has cancelled: its last digits are rounding, in PyTorch's as in ours.
    """
    size = pair.size if isinstance(pair, LazyPair) else _norm(pair.delta) * _norm(pair.a) / len(pair.delta)
    scale = max(_norm(gradient), 0.01 * size)
    return _norm(pair.weight - gradient) / scale if scale > 0 and math.isfinite(scale) else 0.0


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array.ravel()))


# Functions that multiply a parameter with an input: one that was given to them and not recorded is unpaired.
PRODUCTS = {
    "einsum", "tensordot", "inner", "matmul", "mm", "bmm", "mv", "addmm", "addbmm", "baddbmm", "linear", "bilinear",
    "embedding", "embedding_bag", "conv1d", "conv2d", "conv3d", "lstm", "gru", "rnn_tanh", "rnn_relu",
    "scaled_dot_product_attention", "grouped_mm", "_grouped_mm",
}  # fmt: skip


def reason_why_not(name: str, placed: list[tuple[Call, Any]], recorder: Any, used: bool, N: int) -> str | None:
    """Why a parameter has no pair; None where it may have one, or is a free parameter: one that no input multiplies."""
    if not used:
        return "the loss does not depend on it in this forward pass"
    shape = next((tuple(call.a.shape) for call, place in placed if place is None), None)
    if shape is not None:
        return f"it is used on an input of shape {shape}, of which no axis is known to hold the {N} samples"
    if placed:
        return None
    if name in recorder.computed:
        return f"a weight is computed from it, by {_listed(recorder.computed[name])}, and used in its place"
    if name not in recorder.met:
        return "it is used where no function can be seen, as in a scripted module"
    products = [function for function in recorder.met[name] if function in PRODUCTS]
    return f"it is used in {_listed(products)}, in a way that is not taken apart here" if products else None


def _listed(functions: list[str]) -> str:
    return ", ".join(dict.fromkeys(functions))
