"""The linear maps that a PyTorch model computes: each call of one whose weight is a parameter, with its input.

A Recorder sees every function that is called while it is active. What it knows becomes a Call, and a hook on the output
brings the Call its delta during the backward pass. Slices, transposes and views of a parameter are known by the memory
that they share with it.

Index legend: n sample (N), p position (P), g group (G), k output (K), j input (J).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .torch_pairs import OneHot, Patches, Rows, Use
from .torch_samples import Place, by_sample


class Cut(NamedTuple):
    """Which part of a parameter, trailing axes joined, is used as the weight of z = a W^T, and whether transposed."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    transposed: bool = False


def cut_of(weight: Any, parameter: Any) -> Cut | None:
    """How weight (K, J...), which shares the parameter's memory, lies in it; None where that is no block of rows."""
    shape = (len(parameter), parameter[0].numel())
    if weight is parameter or (weight.shape == parameter.shape and weight.stride() == parameter.stride()):
        return Cut((0, shape[0]), (0, shape[1]))
    if not parameter.is_contiguous() or weight.ndim < 2 or not weight.numel():
        return None
    if weight.ndim > 2:
        if not weight[0].is_contiguous():
            return None
        weight = weight.as_strided((len(weight), weight[0].numel()), (weight.stride(0), 1))
    (K, J), (down, right) = weight.shape, weight.stride()
    if (K == 1 or down == shape[1]) and (J == 1 or right == 1):
        transposed = False
    elif (K == 1 or down == 1) and (J == 1 or right == shape[1]):
        transposed, K, J = True, J, K
    else:
        return None
    row, column = divmod(weight.storage_offset() - parameter.storage_offset(), shape[1])
    return Cut((row, row + K), (column, column + J), transposed) if column + J <= shape[1] else None


def as_array(tensor: Any) -> np.ndarray:
    """A NumPy array, float32 where the tensor has fewer digits than that; it shares the memory where it can."""
    tensor = tensor.detach()
    if tensor.is_floating_point() and tensor.element_size() < 4:
        tensor = tensor.float()
    array: np.ndarray = tensor.cpu().numpy()
    return array


@dataclass(eq=False)
class Call:
    """z = a W^T with a part of a parameter as W; a (..., J), z (..., K). The error signal arrives by the hook.

    axis: of the samples in a and z, where the caller knows it.
    """

    name: str
    cut: Cut
    a: Any
    z_shape: Sequence[int]
    precision: Any  # PyTorch's float type of z
    axis: int | None = None
    after_selection: bool = False  # rows were chosen before, by what is in them: a size says nothing of samples
    scale: float = 1.0  # N, once it is known: delta = N dC/dz
    signal: Any = field(default=None, repr=False)

    @property
    def leading(self) -> Sequence[int]:
        """The sizes of the axes that are not the features."""
        return self.z_shape[:-1]

    @property
    def input_first(self) -> bool:
        """The input, not the error signal, gives the rows of the parameter."""
        return self.cut.transposed

    def receive(self, gradient: Any) -> None:
        self.signal = gradient.detach()

    def changes(self, other: Call) -> np.ndarray:
        """How much the input of another run differs from this one's, along the leading axes."""
        difference = np.abs(as_array(self.a).astype(np.float64) - as_array(other.a))
        spare = difference.ndim - len(self.leading)
        found: np.ndarray = difference.sum(axis=tuple(range(difference.ndim - spare, difference.ndim)))
        return found

    def rows_are_alike(self) -> bool:
        """Each sample and position has the same input."""
        rows = self.a.reshape(-1, self.a.shape[-1])
        return bool((rows == rows[:1]).all())

    def delta(self) -> np.ndarray:
        """N dC/dz, shaped as z."""
        if self.signal is None:  # the loss does not depend on it
            return np.zeros(tuple(self.z_shape), np.float64 if self.precision.itemsize == 8 else np.float32)
        signal = as_array(self.signal).reshape(self.z_shape)
        return signal * signal.dtype.type(self.scale)

    def factors(self, place: Place, N: int) -> tuple[np.ndarray, np.ndarray]:
        """delta (N, ..., K) and a (N, ..., J)."""
        a = as_array(self.a if self.signal is None else self.a.to(self.signal.dtype))
        return by_sample(self.delta(), place, N), by_sample(a, place, N)

    def use(self, place: Place, N: int) -> Use:
        delta, a = (Rows(array.reshape(N, -1, 1, array.shape[-1])) for array in self.factors(place, N))
        return self._placed(delta, a, self.cut.transposed)

    def _placed(self, delta: Any, a: Any, transposed: bool) -> Use:
        rows, columns = slice(*self.cut.rows), slice(*self.cut.columns)
        return Use(rows, columns, a, delta) if transposed else Use(rows, columns, delta, a)


@dataclass(eq=False)
class Turned(Call):
    """z = W a, a (..., J, P), z (..., K, P): the features stand before the last axis."""

    @property
    def leading(self) -> Sequence[int]:
        return (*self.z_shape[:-2], self.z_shape[-1])

    def changes(self, other: Call) -> np.ndarray:
        found: np.ndarray = np.abs(as_array(self.a).astype(np.float64) - as_array(other.a)).sum(axis=-2)
        return found

    def factors(self, place: Place, N: int) -> tuple[np.ndarray, np.ndarray]:
        delta, a = (np.swapaxes(array, -1, -2) for array in (self.delta(), as_array(self.a)))
        return by_sample(delta, place, N), by_sample(a, place, N)


@dataclass(eq=False)
class Lookup(Call):
    """z = W[a], a numbers (...), z (..., J): the rows of a weight (V, J) that are looked up."""

    padding: int | None = None  # the number whose row gets no gradient

    @property
    def input_first(self) -> bool:
        return True

    def use(self, place: Place, N: int) -> Use:
        numbers = by_sample(as_array(self.a), place, N).reshape(N, -1)
        numbers = np.where(numbers == self.padding, -1, numbers)
        signal = by_sample(self.delta(), place, N)
        signal = signal.reshape(N, -1, 1, signal.shape[-1])
        return self._placed(OneHot(numbers, self.cut.rows[1] - self.cut.rows[0]), Rows(signal), False)


@dataclass(eq=False)
class Convolution(Call):
    """z = a convolution of a (B, C, size...) -> (B, K, size...); or, transposed, that of z -> a.

    The weight is (K, C / groups, kernel...). A transposed convolution's is (C, K / groups, kernel...): it changes the
    roles of a and delta.
    """

    groups: int = 1
    kernel: Sequence[int] = ()
    stride: Sequence[int] = ()
    padding: Sequence[int] = ()
    dilation: Sequence[int] = ()
    backward: bool = False  # a transposed convolution

    @property
    def input_first(self) -> bool:
        return self.backward

    @property
    def leading(self) -> Sequence[int]:
        return self.z_shape[:1]

    def use(self, place: Place, N: int) -> Use:
        delta, a = self.factors(place, N)
        points, image = (a, delta) if self.backward else (delta, a)
        size = points.shape[-len(self.kernel) :]
        points, image = (v.reshape(N, -1, *v.shape[-1 - len(self.kernel) :]) for v in (points, image))
        rows = np.moveaxis(points, 2, -1).reshape(N, -1, self.groups, points.shape[2] // self.groups)
        patches = Patches(image, self.groups, self.kernel, self.stride, self.dilation, self.padding, size)
        return self._placed(Rows(rows), patches, False)
