"""Which axis of a tensor inside a PyTorch model holds the samples.

PyTorch's tensors have no names for their axes. Most keep the samples in front; a sequence model may have (time,
sample), and many models put time, windows or pixels into the axis of the samples. Where the sizes leave one reading, it
is taken. Where they leave several, the model is run once more with half of the samples replaced by others: it must be
these that change.

Index legend: n sample (N), m entries of the samples' axis that belong to one sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Place(NamedTuple):
    """Where the samples are. axis: of N, or of N m entries; None: all belongs to the only sample there is.

    apart: the m entries of one sample lie N apart, as in (time, sample) made one axis, and not side by side.
    """

    axis: int | None
    apart: bool = False


def candidates(leading: Sequence[int], N: int, front: int = 0) -> list[Place]:
    """What the sizes of the axes before the features allow. front: the axis where a model usually has its samples.

    Where that has N m entries, they may be the windows of N samples, though another axis has just N.
    """
    exact = [Place(i) for i, size in enumerate(leading) if size == N]
    if N == 1:
        return exact[:1] or [Place(None)]
    merged = [Place(i, apart) for i, n in enumerate(leading) if n > N and n % N == 0 for apart in (False, True)]
    return exact + [place for place in merged if place.axis == front] if exact else merged


def by_sample(array: np.ndarray, place: Place, N: int) -> np.ndarray:
    """The array with an axis of N samples in front; what m there is follows as an axis of its own."""
    if place.axis is None:
        return array[None]
    array = np.moveaxis(array, place.axis, 0)
    if len(array) == N:
        return array
    if place.apart:
        return array.reshape(-1, N, *array.shape[1:]).swapaxes(0, 1)
    return array.reshape(N, -1, *array.shape[1:])


def changes_of_samples(changes: np.ndarray, place: Place, N: int) -> np.ndarray:
    """How much each sample would have changed, (N,), if the samples were at this place. changes: the leading axes."""
    return by_sample(changes, place, N).reshape(N, -1).sum(axis=1)


def best_place(places: list[Place], changes: np.ndarray | None, replaced: np.ndarray, is_sure: bool) -> Place | None:
    """The place at which just the replaced samples changed; None where there is none.

    replaced: bool (N,). is_sure: where the size of an axis is N, the samples are there if anywhere.
    """
    N = len(replaced)
    if not places or (changes is None and not is_sure):
        return None
    if changes is None or N == 1:
        return places[0]
    each = [changes_of_samples(changes, place, N) for place in places]
    best = int(np.argmax([change[replaced].sum() for change in each]))
    change = each[best]
    if is_sure and changes.shape[places[best].axis] == N:  # type: ignore[index]
        return places[best]
    return places[best] if change[replaced].min() > change[~replaced].max() else None


def with_samples_replaced(tensors: Sequence[Any], axis: int, N: int) -> tuple[list[Any], np.ndarray]:
    """Copies in which half of the samples are their neighbours, and which ones that changes, bool (N,)."""
    half = np.random.default_rng(0).permutation(N)[: N // 2].tolist()
    copies, replaced = [t.clone() for t in tensors], np.zeros(N, bool)
    for n in half:
        for copy, t in zip(copies, tensors, strict=True):
            before, after = t.select(axis, n), t.select(axis, (n + 1) % N)
            replaced[n] |= bool((before != after).any())
            copy.select(axis, n).copy_(after)
    return copies, replaced
