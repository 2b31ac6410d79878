"""Where the samples are in each recorded call: from the sizes, or from a second pass with other samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .torch_calls import Call, Lookup, as_array
from .torch_recorder import Recorder
from .torch_run import Batch, put_back
from .torch_samples import Place, best_place, by_sample, candidates, with_samples_replaced


def places_of(model: Any, batch: Batch, calls: list[Call], random: Any) -> list[Place | None]:
    """Where the samples are in each call; None where none of its axes holds them. random: the state at the start."""
    N, choices = batch.N, []
    for call in calls:
        known = call.axis is not None and call.leading[call.axis] == N
        choices.append([Place(call.axis)] if known else candidates(call.leading, N, call.axis or 0))
    others: dict[tuple[str, int], Call] = {}
    replaced = np.zeros(N, bool)
    if N > 1 and any(len(choice) > 1 or call.after_selection for choice, call in zip(choices, calls, strict=True)):
        found, replaced = _calls_with_others(model, batch, random)
        others = _numbered(found) if replaced.any() else {}
    places: list[Place | None] = []
    for key, call, choice in zip(_numbered(calls), calls, choices, strict=True):
        other = others.get(key)
        changes = call.changes(other) if other is not None and other.a.shape == call.a.shape else None
        if isinstance(call, Lookup) and changes is not None and not changes.any():
            alike = [place for place in choice if _alike(as_array(call.a), place, replaced)]
            places.append(alike[0] if alike else None)  # none: no sample decides these numbers, as those of positions
        else:
            places.append(best_place(choice, changes, replaced, is_sure=not call.after_selection))
    return [p or _place_in_others(call, calls, places) for call, p in zip(calls, places, strict=True)]


def _place_in_others(call: Call, calls: list[Call], places: list[Place | None]) -> Place | None:
    """For an input with the same row everywhere, as a first state: the place in another use of the weight."""
    if type(call) is not Call or not call.rows_are_alike():
        return None
    others = zip(calls, places, strict=True)
    return next((p for c, p in others if p and (c.name, c.z_shape) == (call.name, call.z_shape)), None)


def _alike(numbers: np.ndarray, place: Place, replaced: np.ndarray) -> bool:
    """Whether the replaced samples would have the numbers of their neighbours, so that nothing could change."""
    rows = by_sample(numbers, place, len(replaced))
    return bool((rows == np.roll(rows, -1, axis=0))[replaced].all())


def _numbered(calls: list[Call]) -> dict[tuple[str, int], Call]:
    """The calls by the parameter's name and their number among its calls, in their order."""
    count: dict[str, int] = {}
    found = {}
    for call in calls:
        count[call.name] = count.get(call.name, 0) + 1
        found[call.name, count[call.name]] = call
    return found


def _calls_with_others(model: Any, batch: Batch, random: Any) -> tuple[list[Call], np.ndarray]:
    """The calls of a forward pass in which some of the samples are others; and which, bool (N,).

    The same random numbers are drawn, and the buffers are put back.
    """
    tensors, replaced = with_samples_replaced(batch.tensors, batch.axis, batch.N)
    recorder = Recorder(model)
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    other = batch.with_tensors(tensors)
    try:
        with torch.random.fork_rng(), torch.no_grad():
            torch.set_rng_state(random)
            with recorder:
                model(*other.args, **other.named)
    finally:
        put_back(buffers)
    return recorder.calls, replaced
