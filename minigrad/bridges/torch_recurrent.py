"""Recurrent layers unrolled: RNN, GRU and LSTM step by step, so that each use of their weights is seen.

PyTorch computes a whole recurrent layer in one function, which shows neither the error signals nor the states. Here
it is computed step by step, with the same equations (those of the docstrings of nn.RNN, nn.GRU and nn.LSTM): exact
to rounding, and slow.

Index legend: t step of time (T), n sample (N), j input (J), h hidden unit (H).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

State = tuple[Any, ...]  # (h,), of an LSTM (h, c), each (N, H)
Step = Callable[[Any, Any, State], State]  # from what the input and the state give, and the state

# ---- one step ---------------------------------------------------------------------------------------------------


def _rnn(activation: Callable[[Any], Any]) -> Step:
    def step(from_input: Any, from_state: Any, state: State) -> State:
        return (activation(from_input + from_state),)

    return step


def _gru(from_input: Any, from_state: Any, state: State) -> State:
    (r, z, n), (r_h, z_h, n_h) = from_input.chunk(3, -1), from_state.chunk(3, -1)
    reset, update = torch.sigmoid(r + r_h), torch.sigmoid(z + z_h)
    new = torch.tanh(n + reset * n_h)
    return (new + update * (state[0] - new),)


def _lstm(from_input: Any, from_state: Any, state: State) -> State:
    i, f, g, o = (from_input + from_state).chunk(4, -1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


# ---- a layer ----------------------------------------------------------------------------------------------------


def _layer(
    recorder: Any, step: Step, x: Any, state: State, weights: tuple[Any, ...], reverse: bool
) -> tuple[Any, State]:
    """One layer in one direction: x (T, N, J) -> (out (T, N, H), last state)."""
    in_weight, state_weight, in_bias, state_bias, projection = weights
    from_input = recorder.linear(x, in_weight, in_bias, axis=1)
    out = []
    for row in reversed(from_input.unbind()) if reverse else from_input.unbind():
        from_state = recorder.linear(state[0], state_weight, state_bias, axis=0)
        state = step(row, from_state, state)
        if projection is not None:
            state = (recorder.linear(state[0], projection, axis=0), *state[1:])
        out.append(state[0])
    return torch.stack(out[::-1] if reverse else out), state


def _unrolled(step: Step, states: int) -> Callable[..., Any]:
    """The handler of torch.lstm and its like. states: 2 where there is a c beside h."""

    def handler(recorder: Any, function: Any, *args: Any) -> Any:
        if isinstance(args[3], (tuple, list)):  # packed sequences: their rows are of changing samples
            out = function(*args)
            recorder.note(function, args, {}, out)
            return out
        x, hx, flat, has_bias, layers, dropout, training, both, batch_first = args
        given = hx if states == 2 else (hx,)
        single = x.ndim == 2  # one sequence, without an axis of samples
        if single:
            x, given = x.unsqueeze(0 if batch_first else 1), tuple(h.unsqueeze(1) for h in given)
        if batch_first:
            x = x.transpose(0, 1)
        per_layer = len(flat) // (layers * (2 if both else 1))
        lasts = []
        for layer in range(layers):
            outs = []
            for reverse in (False, True) if both else (False,):
                i = layer * (2 if both else 1) + reverse
                part = list(flat[i * per_layer : (i + 1) * per_layer])
                biases = part[2:4] if has_bias else [None, None]
                projection = part[-1] if per_layer in (3, 5) else None
                weights = (*part[:2], *biases, projection)
                out, last = _layer(recorder, step, x, tuple(h[i] for h in given), weights, reverse)
                outs.append(out)
                lasts.append(last)
            x = torch.cat(outs, -1)
            if dropout and layer < layers - 1:
                x = F.dropout(x, dropout, training)
        states_out = tuple(torch.stack(each) for each in zip(*lasts, strict=True))
        if batch_first:
            x = x.transpose(0, 1)
        if single:
            x, states_out = x.squeeze(0 if batch_first else 1), tuple(h.squeeze(1) for h in states_out)
        return x, *states_out

    return handler


def _cell(step: Step, states: int) -> Callable[..., Any]:
    """The handler of torch.lstm_cell and its like."""

    def handler(
        recorder: Any, function: Any, x: Any, hx: Any, in_weight: Any, state_weight: Any,
        in_bias: Any = None, state_bias: Any = None,
    ) -> Any:  # fmt: skip
        state = tuple(hx) if states == 2 else (hx,)
        from_input = recorder.linear(x, in_weight, in_bias, axis=0)
        state = step(from_input, recorder.linear(state[0], state_weight, state_bias, axis=0), state)
        return state if states == 2 else state[0]

    return handler


def handlers() -> dict[Any, Callable[..., Any]]:
    """{function of PyTorch: its handler}."""
    tanh, relu = _rnn(torch.tanh), _rnn(torch.relu)
    return {
        torch.rnn_tanh: _unrolled(tanh, 1),
        torch.rnn_relu: _unrolled(relu, 1),
        torch.gru: _unrolled(_gru, 1),
        torch.lstm: _unrolled(_lstm, 2),
        torch.rnn_tanh_cell: _cell(tanh, 1),
        torch.rnn_relu_cell: _cell(relu, 1),
        torch.gru_cell: _cell(_gru, 1),
        torch.lstm_cell: _cell(_lstm, 2),
    }
