"""What y must be: numbers like the output's, probabilities, or class numbers; and the line of code that makes it so.

shape is that of the output, (N, ..., K); "..." are positions, none in an MLP.

Each check refuses what it cannot take, by name. The error ends with the first of some likely lines that was tried on
this very y and made something that fits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._advice import advised, shown
from ._checks import finite_rows, floats, plain_array, rectangular

Shape = tuple[int, ...]


# kinds of dtypes
INTEGERS, NUMBERS, WORDS = "iu", "iuf", "OSU"
READABLE = "b" + NUMBERS + WORDS
UNSURE = "f" + WORDS  # may hold whole numbers, or what is none


def values(y: Any, shape: Shape, dtype: np.dtype) -> np.ndarray:
    """y as floats of the output's shape (N, ..., K); bool counts as 0 and 1."""
    return _checked(_values, _number_lines, y, shape, dtype)


def probabilities(y: Any, shape: Shape, dtype: np.dtype) -> np.ndarray:
    """y as floats of the output's shape (N, ..., K), each in [0, 1]; bool counts as 0 and 1."""
    return _checked(_probabilities, _number_lines, y, shape, dtype)


def classes(y: Any, shape: Shape, dtype: np.dtype) -> np.ndarray:
    """y as class numbers (N, ...), int64 from 0 to K-1, or as floats (N, ..., K) whose rows are probabilities."""
    return _checked(_classes, _class_lines, y, shape, dtype)


def answers(y: Any, shape: Shape) -> np.ndarray:
    """What accuracy compares with: classes, as whole floats too; for one output probabilities, as (N, ...) too."""
    return _checked(_answers, _number_lines if shape[-1] == 1 else _class_lines, y, shape)


def _checked(
    check: Callable[..., np.ndarray], lines: Callable[..., list[str]], y: Any, shape: Shape, *dtype: np.dtype
) -> np.ndarray:
    plain = rectangular(y, "y")
    try:
        return check(plain, shape, *dtype)
    except (TypeError, ValueError) as error:
        raise advised(
            error,
            lines(plain, shape),
            "y",
            y,
            lambda made: finite_rows(check(plain_array(made, "y"), shape, *dtype), "y"),
        ) from None


# ---- the checks ----------------------------------------------------------------------------------------------


def _values(y: np.ndarray, shape: Shape, dtype: np.dtype | None = None) -> np.ndarray:
    """dtype None keeps float32 and float64, and makes others float64."""
    y = y.astype(dtype) if y.dtype.kind == "b" else floats(y, "y", dtype)
    if y.shape != shape:
        raise ValueError(f"y has shape {y.shape}, expected {shape} as the output")
    return y


def _probabilities(y: np.ndarray, shape: Shape, dtype: np.dtype | None = None) -> np.ndarray:
    y = _values(y, shape, dtype)
    if y.size and (y.min() < 0 or y.max() > 1):
        raise ValueError(f"y reaches from {y.min():g} to {y.max():g}, expected numbers in [0, 1]")
    return y


def _classes(y: np.ndarray, shape: Shape, dtype: np.dtype | None = None) -> np.ndarray:
    K = shape[-1]
    if y.shape == (*shape[:-1], 1):
        raise ValueError(f"y has shape {y.shape}, expected {shape[:-1]} class numbers")
    if y.ndim == len(shape):
        y = _values(y, shape, dtype)
        with np.errstate(all="ignore"):
            sums = y.sum(axis=-1)
        if y.size and (y.min() < 0 or np.abs(sums - 1).max() > 1e-3):
            raise ValueError(
                "y holds rows that are no probabilities: expected entries >= 0 that sum to 1. "
                "Classes that do not exclude one another are for BCEWithLogitsLoss"
            )
        return y
    if y.dtype.kind not in INTEGERS and not (y.dtype.kind == "b" and K == 2):
        raise TypeError(f"y has dtype {y.dtype}, expected class numbers as integers{_no_class(y, K)}")
    if y.shape != shape[:-1]:
        raise ValueError(f"y has shape {y.shape}, expected {shape[:-1]} class numbers or {shape} probabilities")
    if y.size and not (0 <= y.min() and y.max() < K):
        raise ValueError(f"y holds class numbers from {y.min()} to {y.max()}, expected 0 to {K - 1}")
    return np.asarray(y, np.int64)


def _answers(y: np.ndarray, shape: Shape) -> np.ndarray:
    if shape[-1] == 1:
        return _probabilities(y[..., None] if y.shape == shape[:-1] and y.dtype.kind not in WORDS else y, shape)
    if y.ndim == len(shape) - 1 and y.dtype.kind == "f" and y.size:
        with np.errstate(all="ignore"):
            whole = y.astype(np.int64)
        y = whole if (whole == y).all() else y
    return _classes(y, shape)


def _no_class(y: np.ndarray, K: int) -> str:
    """The end of a message, "; entry 3 is nan": the first that is no whole number. Of words: how many, if too many."""
    if y.ndim != 1 or y.dtype.kind not in UNSURE:
        return ""
    labels = y.tolist()
    if all(isinstance(label, str | bytes) for label in labels):
        return f"; it holds {len(set(labels))} classes, the output {K}" if len(set(labels)) > K else ""
    bad = next((i for i, label in enumerate(labels) if not _is_class(label)), None)
    return "" if bad is None else f"; entry {bad} is {shown(labels[bad])}"


def _is_class(label: Any) -> bool:
    """True for text and for whole numbers."""
    try:
        return isinstance(label, str | bytes) or int(label) == label
    except (TypeError, ValueError, OverflowError):
        return False


# ---- the lines -----------------------------------------------------------------------------------------------


PLAIN = ("{a}", "np.asarray({a})")  # all that numbers need
CASTS = (*PLAIN, "{a}.to_numpy(float)", "{a}.float()", "{a}.astype(float)", "np.asarray({a}, float)")


def _number_lines(plain: np.ndarray, shape: Shape) -> list[str]:
    """Lines that may make (N, K) numbers of a y, the plainest first; plain is that y as an array."""
    K, kind, text = shape[-1], plain.dtype.kind, "np.unique({a}, return_inverse=True)[1]"
    column = ("[:, None]" if plain.ndim == 1 else "[..., None]") if plain.shape == shape[:-1] and K == 1 else ""
    lines = [*(cast + column for cast in CASTS), *_turned(plain, shape)]
    if kind in NUMBERS:
        labels = np.unique(plain).tolist()
        if labels == [-1, 1]:
            lines += [f"({cast}{column} + 1) / 2" for cast in PLAIN]
        if labels == [1, 2]:
            lines += [f"{cast}{column} - 1" for cast in PLAIN]
    if K == 1:
        two_words = kind in WORDS and len(set(plain.ravel().tolist())) == 2
        return [*lines, f"{text}[:, None]"] if two_words else lines
    if kind in INTEGERS and plain.size and plain.min() >= 0:
        lines += [f"np.eye({K})[{{a}}]", f"np.eye({K})[np.ravel({{a}})]"]
    if kind in WORDS:
        lines.append(f"np.eye({K})[{text}]")
    return lines


def _class_lines(plain: np.ndarray, shape: Shape) -> list[str]:
    """Lines that may make class numbers of a y, the plainest first; none where that would round."""
    column = plain.ndim == len(shape)  # of class numbers, where it is no probabilities
    if column and plain.shape != (*shape[:-1], 1):
        return [*CASTS, *_turned(plain, shape)]
    if plain.dtype.kind not in READABLE or not all(map(_is_class, plain.ravel().tolist())):
        return []
    index, flat = ("[:, 0]" if plain.ndim == 2 else "[..., 0]", "np.ravel({a})") if column else ("", "{a}")
    as_they_are = [f"{{a}}{index}", f"np.asarray({{a}}){index}"]
    as_integers = [f"{{a}}{index}.astype(int)", f"np.asarray({{a}}, int){index}"]
    from_one = [f"{{a}}{index} - 1", f"np.asarray({{a}}, int){index} - 1"]
    return [*as_they_are, *as_integers, *from_one, f"np.unique({flat}, return_inverse=True)[1]"]


def _turned(plain: np.ndarray, shape: Shape) -> list[str]:
    """The line for a y that has the samples as columns; none where it could as well have them as rows."""
    N, K = shape[0], shape[-1]
    return ["{a}.T"] if plain.shape == (K, N) and N != K else []
