"""What an argument must be, and what the error says when it is not."""

import math
import numbers

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def float_type(dtype):
    """float32 or float64 as a NumPy dtype; anything else is a ValueError."""
    try:
        if np.dtype(dtype) in FLOATS:
            return np.dtype(dtype)
    except TypeError:
        pass
    raise ValueError(f"dtype must be float32 or float64, not {dtype!r}")


def rectangular(array, name):
    """The argument as an array of whatever type; a ValueError where its rows differ in length."""
    try:
        return np.asarray(array)
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from None


def as_float(array, name, dtype=None):
    """The argument as a float array: integers and the other float width are converted, anything else is refused.

    dtype None keeps float32 and float64 as they are and makes integers float64.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; fill or drop its masked entries first")
    array = rectangular(array, name)
    if array.dtype in FLOATS:
        return array if dtype is None or array.dtype == dtype else array.astype(dtype)
    if array.dtype.kind in "iu" or (array.dtype.kind == "f" and array.dtype.newbyteorder("=") in FLOATS):
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


def finite_rows(array, name):
    """A ValueError that names the first row with a NaN or an infinity."""
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum()):  # one fast pass; a sum of finite numbers can overflow, so look again where it does
            return
    good = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not good.all():
        raise ValueError(f"{name} holds NaN or infinity, first in row {int(np.argmin(good))}")


def whole_number(value, name, least):
    """An int that is at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} is {value}, expected at least {least}")
    return int(value)


def real_number(value, name, low=-math.inf, high=math.inf, open_low=False, open_high=False):
    """A finite float in the given interval."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, not {value!r}")
    value = float(value)
    inside = (low < value if open_low else low <= value) and (value < high if open_high else value <= high)
    if not (inside and math.isfinite(value)):
        bounds = f"{'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
        raise ValueError(f"{name} is {value:g}, expected a finite number in {bounds}")
    return value


def one_of(value, name, known):
    """value itself if it is among the known ones; the error lists them."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"unknown {name} {value!r}, expected one of: {', '.join(known)}")
    return value


def generator(rng):
    """rng: a seed, a numpy.random.Generator, or None for fresh randomness."""
    if rng is not None and not isinstance(rng, np.random.Generator):
        rng = whole_number(rng, "rng", 0)
    return np.random.default_rng(rng)
