"""Pairs that are made when they are asked for: of convolutions, embeddings, and weights used in several ways.

A weight (K, J) may be used several times in a forward pass: at several places, by row slices, by groups. Each use is
two factors, and the gradient is the sum of their products; joined along positions they are one pair, with delta zero
outside the rows of the use. Of a convolution, a would hold each input as often as the kernel is large; of an embedding,
one number of a million would be 1. So these arrays are formed when somebody asks for them, and weight, per_sample and
per_sample_norms go without.

Index legend: n sample (N), p position (P), g group (G), k output (K), j input (J).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from .._norms import norms_of_sums, sums_of_products
from ..gradient import WeightGradient

ENTRIES = 2**22  # of the arrays that are formed in one go

# ---- factors: each is (n, P, G, width) for a slice of the samples ------------------------------------------


@dataclass(frozen=True)
class Rows:
    """An array that there is: (N, P, G, width)."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.array.shape

    @property
    def size(self) -> float:
        """The root of the sum of all squares."""
        return float(np.linalg.norm(self.array.ravel()))

    def part(self, samples: slice) -> np.ndarray:
        return self.array[samples]


@dataclass(frozen=True)
class Patches:
    """What each position of a convolution sees of its input: channels x kernel, in the weight's order.

    image: the input, m images a sample, (N, m, C, size...).
    A number for each axis: kernel, stride, dilation, padding before the first entry, and count, of the positions.
    """

    image: np.ndarray
    groups: int
    kernel: Sequence[int]
    stride: Sequence[int]
    dilation: Sequence[int]
    padding: Sequence[int]
    count: Sequence[int]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        N, m, C = self.image.shape[:3]
        return N, m * math.prod(self.count), self.groups, C // self.groups * math.prod(self.kernel)

    @property
    def size(self) -> float:
        return float(np.linalg.norm(self.image.ravel())) * math.sqrt(math.prod(self.kernel))

    def part(self, samples: slice) -> np.ndarray:
        image, axes = self.image[samples], range(len(self.kernel))
        image = image.reshape(-1, *image.shape[2:])
        spans = [(self.kernel[i] - 1) * self.dilation[i] + 1 for i in axes]
        ends = [(self.count[i] - 1) * self.stride[i] + spans[i] for i in axes]  # of the padded input that is seen
        after = [max(0, ends[i] - self.padding[i] - image.shape[2 + i]) for i in axes]
        image = np.pad(image, [(0, 0), (0, 0), *zip(self.padding, after, strict=True)])
        image = image[slice(None), slice(None), *(slice(end) for end in ends)]
        seen = np.lib.stride_tricks.sliding_window_view(image, spans, axis=tuple(2 + i for i in axes))
        steps = [slice(None, None, step) for step in (*self.stride, *self.dilation)]
        seen = seen[slice(None), slice(None), *steps]
        seen = np.moveaxis(seen, 1, 1 + len(self.kernel))  # (n m, positions..., C, kernel...)
        return seen.reshape(-1, *self.shape[1:])


@dataclass(frozen=True)
class OneHot:
    """Which of V rows each position looks up, numbers (N, P), as rows of zeros with a single 1; -1: none."""

    numbers: np.ndarray
    V: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return *self.numbers.shape, 1, self.V

    @property
    def size(self) -> float:
        return math.sqrt(self.numbers.size)

    def part(self, samples: slice) -> np.ndarray:
        return (self.numbers[samples, :, None, None] == np.arange(self.V)).astype(np.float32)


# ---- uses -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Use:
    """One use of a weight: of which rows and columns, and the factors delta (N, P, G, k) and a (N, P, G, j).

    With groups the rows are G parts, each with a delta and an a of its own.
    """

    rows: slice
    columns: slice
    delta: Rows | Patches | OneHot
    a: Rows | Patches

    @property
    def size(self) -> float:
        """What the norm of the sum of the products is at most (Cauchy and Schwarz)."""
        return self.delta.size * self.a.size

    def parts(self, most: int = ENTRIES) -> Iterator[slice]:
        """The samples, so many at a time that the factors stay small."""
        N, P, G, k = self.delta.shape
        step = max(1, most // max(1, P * G * (k + self.a.shape[3])))
        yield from (slice(start, min(start + step, N)) for start in range(0, N, step))

    def summed(self) -> np.ndarray:
        """The sum over samples and positions of delta a^T, (G k, j), added up in float64."""
        if isinstance(self.delta, OneHot):
            return self._looked_up(slice(None)).sum(axis=0)
        (_, _, G, k), j = self.delta.shape, self.a.shape[3]
        total = np.zeros((G, k, j))
        for part in self.parts():
            delta, a = (f.part(part).reshape(-1, G, f.shape[3]).swapaxes(0, 1) for f in (self.delta, self.a))
            total += np.matmul(delta.swapaxes(1, 2), a)  # (G, R, k) and (G, R, j)
        return total.reshape(G * k, j)

    def per_sample(self, part: slice) -> np.ndarray:
        """The sum over positions, (n, G k, j)."""
        if isinstance(self.delta, OneHot):
            return self._looked_up(part, each=True)
        delta, a = (f.part(part).swapaxes(1, 2) for f in (self.delta, self.a))  # (n, G, P, ...)
        return sums_of_products(delta, a).reshape(len(delta), -1, a.shape[3])

    def norms(self) -> np.ndarray:
        """The norm of each sample's gradient, (N,)."""
        found = []
        for part in self.parts():
            if isinstance(self.delta, OneHot):
                found += [
                    _norm_of_lookup(n, a[:, 0])
                    for n, a in zip(self.delta.numbers[part], self.a.part(part), strict=True)
                ]
                continue
            delta, a = (f.part(part).swapaxes(1, 2) for f in (self.delta, self.a))
            n, G, P, k = delta.shape
            j = a.shape[3]
            if delta.dtype == np.float32 and P * (k + j) >= k * j:  # in float64 their squares do not overflow
                each = np.linalg.norm(sums_of_products(delta, a), axis=(2, 3))
            else:
                each = norms_of_sums(delta.reshape(n * G, P, k), a.reshape(n * G, P, j)).reshape(n, G)
            found += list(_length(each))
        return np.array(found)

    def _looked_up(self, part: slice, each: bool = False) -> np.ndarray:
        """Of an embedding: the rows of a added up by number, (1, V, J); each: (n, V, J)."""
        numbers, a = self.delta.numbers[part], self.a.part(part)[:, :, 0]  # type: ignore[union-attr]
        found = np.zeros((len(numbers) if each else 1, self.delta.shape[3], a.shape[2]))
        n = np.broadcast_to(np.arange(len(numbers))[:, None] if each else 0, numbers.shape)
        seen = numbers >= 0
        np.add.at(found, (n[seen], numbers[seen]), a[seen])
        return found


def _norm_of_lookup(numbers: np.ndarray, a: np.ndarray) -> float:
    """The norm of the rows of a (P, J) added up by their numbers (P,)."""
    _, row = np.unique(numbers, return_inverse=True)
    found = np.zeros((len(numbers), a.shape[1]))
    np.add.at(found, row[numbers >= 0], a[numbers >= 0])
    return float(np.linalg.norm(found))


def _length(norms: np.ndarray) -> np.ndarray:
    """The root of the sum of squares along the last axis, without overflow."""
    largest = norms.max(axis=-1, keepdims=True)
    safe = np.where(largest > 0, largest, 1)
    return (np.linalg.norm(norms / safe, axis=-1) * safe[..., 0]).astype(norms.dtype)


# ---- the pair -------------------------------------------------------------------------------------------------


class LazyPair(WeightGradient):
    """The pair of a weight (K, J) from its uses; delta (N, P, K) and a (N, P, J) are formed when asked for.

    transposed: the weight is used as a W, not a W^T. Then the roles are changed, so that .weight has the shape of the
    parameter: what is called delta here is the input, and a the error signal.
    """

    def __init__(self, uses: Sequence[Use], shape: tuple[int, int], dtype: np.dtype, transposed: bool = False) -> None:
        self.__dict__.update(uses=list(uses), shape=shape, dtype=dtype, transposed=transposed)

    uses: list[Use]
    shape: tuple[int, int]
    dtype: np.dtype
    transposed: bool

    @property
    def delta(self) -> np.ndarray:
        return self._joined([(use.rows, use.delta, True) for use in self.uses], self.shape[0])

    @property
    def a(self) -> np.ndarray:
        return self._joined([(use.columns, use.a, False) for use in self.uses], self.shape[1])

    def _joined(self, parts: list[tuple[slice, Rows | Patches | OneHot, bool]], width: int) -> np.ndarray:
        """The factors of all uses along the positions, those of group 0 first; 0 where a use has nothing."""
        N, positions = len(self), sum(f.shape[1] * f.shape[2] for _, f, _ in parts)
        found, at = np.zeros((N, positions, width), self.dtype), 0
        for where, factor, spread in parts:
            _, P, G, size = factor.shape
            array = factor.part(slice(None))
            for g in range(G):
                first = where.start + (g * size if spread else 0)
                found[:, at : at + P, first : first + size] = array[:, :, g]
                at += P
        return found

    @cached_property
    def weight(self) -> np.ndarray:
        """dC/dW, (K, J)."""
        total = np.zeros(self.shape)
        for use in self.uses:
            total[use.rows, use.columns] += use.summed()
        return (total / len(self)).astype(self.dtype)

    def per_sample(self) -> np.ndarray:
        """The gradients of the samples, summed over positions, (N, K, J)."""
        return self._per_sample(slice(0, len(self)))

    def _per_sample(self, part: slice) -> np.ndarray:
        found = np.zeros((part.stop - part.start, *self.shape), self.dtype)
        for use in self.uses:
            found[:, use.rows, use.columns] += use.per_sample(part)
        return found

    def per_sample_norms(self) -> np.ndarray:
        """The norm of each sample's gradient, (N,): see WeightGradient."""
        rows = sorted((use.rows.start, use.rows.stop) for use in self.uses)
        with np.errstate(all="ignore"):
            if all(before[1] <= after[0] for before, after in pairwise(rows)):  # apart
                return _length(np.stack([use.norms() for use in self.uses], axis=1)).astype(self.dtype)
            step = max(1, ENTRIES // (self.shape[0] * self.shape[1]))
            parts = [slice(n, min(n + step, len(self))) for n in range(0, len(self), step)]
            return np.concatenate([np.linalg.norm(self._per_sample(part), axis=(1, 2)) for part in parts])

    def turned(self) -> WeightGradient:
        """The same with delta and a in each other's place."""
        return TurnedPair(self)

    @property
    def size(self) -> float:
        """What the norm of .weight is at most."""
        return sum(use.size for use in self.uses) / len(self)

    def __len__(self) -> int:
        return self.uses[0].delta.shape[0]

    def __repr__(self) -> str:
        K, J = self.shape
        P = sum(use.delta.shape[1] * use.delta.shape[2] for use in self.uses)
        return f"LazyPair(delta {(len(self), P, K)}, a {(len(self), P, J)})"


class TurnedPair(WeightGradient):
    """A pair with delta and a in each other's place, formed when they are asked for."""

    pair: WeightGradient

    def __init__(self, pair: WeightGradient) -> None:
        self.__dict__["pair"] = pair

    @property
    def delta(self) -> np.ndarray:
        return self.pair.a

    @property
    def a(self) -> np.ndarray:
        return self.pair.delta
