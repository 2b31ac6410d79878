"""nn.MultiheadAttention taken apart: its four projections are recorded, and what lies between them is PyTorch's own."""

from __future__ import annotations

import inspect
from typing import Any

import torch


def attention(recorder: Any, function: Any, *args: Any, **options: Any) -> Any:
    """F.multi_head_attention_forward with its projections computed here, and recorded.

    query, key and value are (time, sample, E), also where the module has batch_first. The packed in_proj_weight
    (3 E, E) is used as three slices of its rows. PyTorch's function is then called on the projected values, with the
    unit matrix in place of each weight: this is exact, and masks, dropout and the mean over the heads are PyTorch's.
    """
    given = inspect.signature(function).bind(*args, **options)
    given.apply_defaults()
    options = given.arguments
    E, packed, bias = options["embed_dim_to_check"], options["in_proj_weight"], options["in_proj_bias"]
    names = ("query", "key", "value")
    if options["use_separate_proj_weight"]:
        weights = [options[f"{name[0]}_proj_weight"] for name in names]
    else:
        weights = packed.split(E)
    biases = [None] * 3 if bias is None else bias.split(E)
    axis = 1 if options["query"].ndim == 3 else None
    for name, weight, part in zip(names, weights, biases, strict=True):
        options[name] = recorder.linear(options[name], weight, part, axis=axis)
    out_weight, out_bias = options["out_proj_weight"], options["out_proj_bias"]
    unit = torch.eye(E, dtype=options["query"].dtype, device=options["query"].device)
    options |= {"in_proj_weight": None, "in_proj_bias": None, "out_proj_weight": unit, "out_proj_bias": None}
    options |= {"use_separate_proj_weight": True, "q_proj_weight": unit, "k_proj_weight": unit, "v_proj_weight": unit}
    out, shares = function(**options)
    recorder.note(function, (options["bias_k"], options["bias_v"], out), {}, out)
    return recorder.linear(out, out_weight, out_bias, axis=axis), shares
