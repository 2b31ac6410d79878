"""What an argument must be, and what the error says when it is not."""

import difflib
import functools
import math
import numbers
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ._advice import FLOAT_LINES, advised, array_lines, described, described_array, family, shown, unlike, variable
from ._frames import FILL_LINES, array_of, check_numbers, is_frame, is_series, no_numbers, number_lines

Rng = int | np.random.Generator | None  # a seed, a generator, or None for fresh randomness
T = TypeVar("T")
Parameters = ParamSpec("Parameters")
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
MOST = 2**48  # beyond any array's length, and any loop that ends


def quiet(function: Callable[Parameters, T]) -> Callable[Parameters, T]:
    """The function, run with all floating-point warnings off; the caller's np.errstate stays as it is."""

    @functools.wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> T:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    return run


def float_type(dtype: Any) -> np.dtype:
    """float32 or float64 as a NumPy dtype; anything else is a ValueError."""
    try:
        if np.dtype(dtype) in FLOATS:
            return np.dtype(dtype)
    except (TypeError, ValueError):
        pass
    word = shown(dtype).rpartition(".")[2]  # as in torch.float32
    fix = f"; use {word!r}" if word in ("float32", "float64") else ""
    raise ValueError(f"dtype must be float32 or float64, not {shown(dtype)}{fix}")


def instance(value: Any, kind: type[T], name: str) -> T:
    """value itself if it is one of that class."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {unlike(value, kind, name)}")
    return value


def rectangular(array: Any, name: str) -> np.ndarray:
    """The argument as an array of any type. An error where NumPy makes none, or it is masked or has fields."""
    try:
        return plain_array(array, name)
    except RecursionError:
        raise ValueError(f"{name} is a list that holds itself, expected an array") from None
    except (ValueError, TypeError) as error:
        raise advised(error, array_lines(array), name, array, lambda made: plain_array(made, name)) from None


def plain_array(array: Any, name: str) -> np.ndarray:
    """What rectangular returns; its errors name no line that would mend the call."""
    if type(array) is np.ndarray and array.dtype.kind in "biuf":  # most are
        return array
    if is_frame(array) or is_series(array):
        return array_of(array, name)
    listed = isinstance(array, list | tuple)
    if isinstance(array, np.ma.MaskedArray) or (listed and any(isinstance(row, np.ma.MaskedArray) for row in array)):
        raise TypeError(f"{name} is a masked array; fill or drop its masked entries first")
    try:
        plain = np.asarray(array)
    except MemoryError:
        raise
    except Exception as error:  # every library has its own
        if listed and isinstance(error, RecursionError):
            raise
        if listed:
            raise _misfit(array, name) from None
        raise TypeError(f"{name} is {described_array(array)}, which NumPy cannot read") from None
    if plain.dtype.names:
        raise TypeError(f"{name} has the fields {list(plain.dtype.names)}, expected numbers of one type")
    if plain.ndim == 0 and plain.dtype.kind in "OSU":
        fix = f"; use np.array(list({variable(name)}))" if isinstance(array, Iterator) else ""
        refused = TypeError(f"{name} is {described(array)}, expected an array{fix}")
        if fix:  # a line that is not tried, for that would use the iterator up
            refused.advice = "np.array(list({a}))"  # type: ignore[attr-defined]
        raise refused
    return plain


def _misfit(rows: Iterable[Any], name: str) -> Exception:
    """The error for a list that is no array: one of its entries is no array, or has another shape than the first."""
    try:
        shapes = [
            () if isinstance(row, numbers.Number) else plain_array(row, f"{name}[{i}]").shape
            for i, row in enumerate(rows)
        ]
    except (TypeError, ValueError) as error:
        return error
    for i, shape in enumerate(shapes):
        if shape != shapes[0]:
            difference = f"{name}[0] has shape {shapes[0]}, {name}[{i}] has shape {shape}"
            return ValueError(f"{name} is not a rectangular array: {difference}")
    return ValueError(f"{name} is a list that NumPy can make no array of")


def as_float(array: Any, name: str, dtype: Any = None) -> np.ndarray:
    """The argument as a float array: integers and the other float width are converted, anything else is refused.

    dtype None keeps float32 and float64 as they are and makes integers float64.
    """
    if type(array) is np.ndarray and array.dtype in FLOATS and (dtype is None or array.dtype == dtype):
        return array
    if is_frame(array):
        _check_columns(array, name)
    plain = rectangular(array, name)
    try:
        return floats(plain, name, dtype)
    except TypeError as error:
        raise advised(error, FLOAT_LINES, name, array, lambda made: _mended(made, name, plain)) from None


def _check_columns(frame: Any, name: str) -> None:
    """An error where a column of a frame is no numbers, or values are missing."""
    if columns := no_numbers(frame):
        error: Exception = TypeError(f"{name} has columns that are no numbers: {', '.join(columns)}")
        raise advised(error, number_lines(frame), name, frame, check_numbers)
    try:
        array_of(frame, name)
    except ValueError as error:
        raise advised(error, FILL_LINES, name, frame, lambda made: array_of(made, name)) from None


def floats(array: np.ndarray, name: str, dtype: Any = None) -> np.ndarray:
    """What as_float returns for an array; its errors name no line that would mend the call."""
    if array.dtype in FLOATS and (dtype is None or array.dtype == dtype):
        return array
    if array.dtype.kind in "iu" or (array.dtype.kind == "f" and array.dtype.newbyteorder("=") in FLOATS):
        with np.errstate(all="ignore"):  # what is too large for a float32 becomes infinite
            return array.astype(dtype or (np.float64 if array.dtype.kind in "iu" else array.dtype.newbyteorder("=")))
    raise TypeError(f"{name} has dtype {array.dtype}, expected float32, float64 or integers{_no_number(array)}")


def _mended(made: Any, name: str, plain: np.ndarray) -> None:
    """An error where an advised line made no floats, or made NaN of missing values; plain is the array as it came."""
    made = floats(np.asarray(made), name)
    if plain.dtype.kind in "OSU" and not np.isfinite(made).all():
        raise ValueError(f"{name} holds missing values")


def _no_number(array: np.ndarray) -> str:
    """The end of a message, "; entry [0, 1] is 'a'": the first entry of objects or text that is no finite number."""
    if array.dtype.kind in "OSU":
        for i in np.ndindex(array.shape):
            entry = array.item(*i)
            try:
                good = math.isfinite(float(entry))
            except (TypeError, ValueError, OverflowError):
                good = False
            if not good:
                return f"; entry {list(i)} is {shown(entry)}"
    return ""


def as_batch(array: Any, name: str, dtype: Any = None, width: int | None = None) -> np.ndarray:
    """A float array (N, ..., width): the sample first, features last, positions between them where there are any."""
    given, array = array, as_float(array, name, dtype)
    if array.ndim >= 2 and width in (None, array.shape[-1]):
        return array
    error: Exception = ValueError(f"{name} has shape {array.shape}, expected (N, {width or 'features'})")
    for lines, remark in _batch_lines(array, width):
        error = advised(error, lines, name, given, lambda made: _batch(made, width), remark)
    raise error


def _batch(made: Any, width: int | None) -> None:
    shape = np.asarray(made).shape
    if len(shape) < 2 or width not in (None, shape[-1]):
        raise ValueError(f"it has shape {shape}")


def _batch_lines(array: np.ndarray, width: int | None) -> list[tuple[list[str], str]]:
    """Lines that may make one row per sample of it: [(lines, what they take the array for)]."""
    if array.ndim == 1:
        column = ["{a}[:, None]", "np.asarray({a})[:, None]"], "" if width == 1 else " for one feature"
        row = ["{a}[None, :]", "np.asarray({a})[None, :]"], " for one sample"
        return [column] if width == 1 else [row, column]
    if array.ndim == 2:
        return [(["{a}.T", "np.transpose({a})"], " if its columns are the samples")] if array.shape[0] == width else []
    return [(["{a}.reshape(len({a}), -1)", "np.reshape({a}, (len({a}), -1))"], "")] if width else []


def usable(array: Any, name: str, dtype: Any = None) -> np.ndarray:
    """The argument itself where the kernels can read and write it in place, else a copy for which they can.

    An array is copied where it is read-only, not contiguous, not aligned or of another byte order. as_float makes a
    copy too, of integers and where dtype asks for the other float type.
    """
    ready = as_float(array, name, dtype)
    if not ready.flags.carray:
        ready = aligned(ready)
    return ready


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy that begins on a 64-byte boundary, so that no vector register is loaded from two lines of the cache."""
    memory = np.empty(array.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def all_finite(array: np.ndarray) -> bool:
    """True where no entry is NaN or infinite."""
    # One fast pass; a sum of finite squares can overflow, so look again where it does.
    return bool(math.isfinite(np.vdot(array, array)) or np.isfinite(array).all())


def finite_rows(array: np.ndarray, name: str) -> None:
    """A ValueError that names the first row with a NaN or an infinity."""
    if not all_finite(array):
        good = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        raise ValueError(f"{name} holds NaN or infinity, first in row {int(np.argmin(good))}")


def whole_number(value: Any, name: str, least: float, most: float = MOST) -> int:
    """An int from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        error = TypeError(f"{name} must be a whole number, not {shown(value)}")
        lines = () if isinstance(value, bool) else ["int({a})"]
        raise advised(error, lines, name, value, lambda made: _equal(made, value))
    number = int(value)
    if number < least:
        raise ValueError(f"{name} is {shown(value)}, expected at least {least}")
    if number > most:
        raise ValueError(f"{name} is {shown(value)}, expected at most {most}")
    return number


def _equal(made: Any, value: Any) -> None:
    """An error where an advised line made another number of the value."""
    if made != value:
        raise ValueError(f"{made!r} is another number")


def real_number(
    value: Any,
    name: str,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """A finite float in the given interval."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        error = TypeError(f"{name} must be a number, not {shown(value)}")
        lines = () if isinstance(value, bool) else ["float({a})"]
        raise advised(error, lines, name, value, lambda made: None)
    try:
        value = float(value)
    except OverflowError:  # an int or a fraction beyond all floats
        value = math.copysign(math.inf, value > 0 or -1)
    inside = (low < value if open_low else low <= value) and (value < high if open_high else value <= high)
    if not (inside and math.isfinite(value)):
        bounds = f"{'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
        raise ValueError(f"{name} is {value:g}, expected a finite number in {bounds}")
    return value


def one_of(value: Any, name: str, known: Collection[str]) -> str:
    """value itself if it is among the known ones; the error lists them."""
    if not isinstance(value, str) or value not in known:
        word = getattr(value, "kind", value)  # activations have a name there
        matches = difflib.get_close_matches(word.lower(), known, 1, 0.8) if isinstance(word, str) else []
        fix = f"; use {matches[0]!r}" if matches else ""
        raise ValueError(f"unknown {name} {shown(value)}, expected one of: {', '.join(known)}{fix}")
    return value


def generator(rng: Rng) -> np.random.Generator:
    """rng: a seed, a numpy.random.Generator, or None for fresh randomness."""
    if rng is not None and not isinstance(rng, np.random.Generator):
        if isinstance(rng, bool) or not isinstance(rng, numbers.Integral):
            raise TypeError(f"rng must be a whole number, a numpy.random.Generator or None, not {shown(rng)}")
        rng = whole_number(rng, "rng", 0, math.inf)
    return np.random.default_rng(rng)


def kinds_of(base: type[T], kernels: Collection[str]) -> dict[str, type[T]]:
    """{kind: class} of the classes derived from base so far; kind names the kernel that computes it.

    ImportError, by name, for a class without a kind of its own, two of one kind, a kind without a kernel, or a kernel
    without a class: what was forgotten must not compute.
    """
    found: dict[str, type[T]] = {}
    for cls in list(family(base))[1:]:
        kind = vars(cls).get("kind")
        if not kind or kind in found:
            raise ImportError(f"{cls.__name__}.kind is {kind!r}: expected a name of its own, that of its kernel")
        if kind not in kernels:
            raise ImportError(
                f"{cls.__name__} is of kind {kind!r}, for which there is no kernel; write it in both cores"
            )
        found[kind] = cls
    if unused := set(kernels) - set(found):
        raise ImportError(f"no class derived from {base.__name__} is of kind {', '.join(sorted(unused))}")
    return found
