"""What an argument must be, and what the error says when it is not."""

import functools
import math
import numbers

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
MOST = 2**48  # no array is as long and no loop ends that counts so far


def quiet(function):
    """The function under floating-point settings of its own: the caller's np.errstate is neither asked nor changed."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    return run


def float_type(dtype):
    """float32 or float64 as a NumPy dtype; anything else is a ValueError."""
    try:
        if np.dtype(dtype) in FLOATS:
            return np.dtype(dtype)
    except (TypeError, ValueError):
        pass
    raise ValueError(f"dtype must be float32 or float64, not {shown(dtype)}")


def shown(value):
    """repr, for a message: cut short, and also for an int of more digits than Python writes."""
    try:
        text = repr(value)
    except ValueError:
        text = "an int of very many digits"
    return text if len(text) <= 200 else f"{text[:200]}..."


def instance(value, kind, name):
    """value itself if it is one of that class."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} is a {type(value).__name__}, expected a {kind.__name__}")
    return value


def rectangular(array, name):
    """The argument as an array of whatever type; an error where its rows differ in length or entries are masked."""
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; fill or drop its masked entries first")
    try:
        return np.asarray(array)
    except (ValueError, TypeError):
        raise ValueError(f"{name} is not a rectangular array") from None


def as_float(array, name, dtype=None):
    """The argument as a float array: integers and the other float width are converted, anything else is refused.

    dtype None keeps float32 and float64 as they are and makes integers float64.
    """
    array = rectangular(array, name)
    if array.dtype in FLOATS and (dtype is None or array.dtype == dtype):
        return array
    if array.dtype.kind in "iu" or (array.dtype.kind == "f" and array.dtype.newbyteorder("=") in FLOATS):
        with np.errstate(all="ignore"):  # what is too large for a float32 becomes infinite
            return array.astype(dtype or (np.float64 if array.dtype.kind in "iu" else array.dtype.newbyteorder("=")))
    raise TypeError(f"{name} has dtype {array.dtype}, expected float32, float64 or integers")


def as_batch(array, name, dtype=None, width=None):
    """A float array (N, width), one row per sample."""
    array = as_float(array, name, dtype)
    if array.ndim == 1:
        fix = f"{name}[:, None]" if width == 1 else f"{name}[None, :] for one sample"
        raise ValueError(f"{name} has shape {array.shape}, expected (N, {width or 'features'}); use {fix}")
    if array.ndim != 2 or (width is not None and array.shape[1] != width):
        raise ValueError(f"{name} has shape {array.shape}, expected (N, {width or 'features'})")
    return array


def usable(array, name, dtype=None):
    """The argument itself where the kernels can read and write it in place, else a copy that they can.

    A copy is made of what is read-only, not contiguous, not aligned or of another byte order, and of what as_float
    converts: integers, and the float type where dtype asks for the other one.
    """
    ready = as_float(array, name, dtype)
    if not ready.flags.carray:
        ready = aligned(ready)
    return ready


def aligned(array):
    """A copy that begins on a boundary of 64 bytes, so that no vector of the core's spans two lines of the cache."""
    memory = np.empty(array.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def all_finite(array):
    """Is no entry NaN or infinite?"""
    # One fast pass; a sum of finite squares can overflow, so look again where it does.
    return bool(math.isfinite(np.vdot(array, array)) or np.isfinite(array).all())


def finite_rows(array, name):
    """A ValueError that names the first row with a NaN or an infinity."""
    if not all_finite(array):
        good = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        raise ValueError(f"{name} holds NaN or infinity, first in row {int(np.argmin(good))}")


def whole_number(value, name, least, most=MOST):
    """An int from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, not {shown(value)}")
    if value < least:
        raise ValueError(f"{name} is {shown(value)}, expected at least {least}")
    if value > most:
        raise ValueError(f"{name} is {shown(value)}, expected at most {most}")
    return int(value)


def real_number(value, name, low=-math.inf, high=math.inf, open_low=False, open_high=False):
    """A finite float in the given interval."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, not {shown(value)}")
    try:
        value = float(value)
    except OverflowError:  # an int or a fraction beyond all floats
        value = math.copysign(math.inf, value > 0 or -1)
    inside = (low < value if open_low else low <= value) and (value < high if open_high else value <= high)
    if not (inside and math.isfinite(value)):
        bounds = f"{'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
        raise ValueError(f"{name} is {value:g}, expected a finite number in {bounds}")
    return value


def one_of(value, name, known):
    """value itself if it is among the known ones; the error lists them."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"unknown {name} {shown(value)}, expected one of: {', '.join(known)}")
    return value


def generator(rng):
    """rng: a seed, a numpy.random.Generator, or None for fresh randomness."""
    if rng is not None and not isinstance(rng, np.random.Generator):
        rng = whole_number(rng, "rng", 0, math.inf)
    return np.random.default_rng(rng)
