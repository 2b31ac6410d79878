"""Random arguments, drawn cheaply from a seed: fitting ones, and what is made of them to see how they are refused."""

import datetime
import decimal
import fractions
import random

import numpy as np
from memory_layouts import LAYOUTS

FLOATS = (np.float32, np.float64)
SIZES = (1, 2, 2, 3, 3, 4, 5, 9, 17)
DTYPES = [*"?bBhHiIlLqQefdgFDGO", "U3", "S3", "M8[s]", "m8[s]", "V4", [("a", "f8"), ("b", "i4")]]
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e-40, 1e-300, 1e38, -1e38, 1e300, -1.7e308, 2.0**53, 0.5, 1.0)
MODERATE = 1e4  # above it, sums of products may cancel or overflow in one order of summation and not in another


class Unknown:
    """An object of no known type."""


ODD_OBJECTS = [
    None, True, False, 0, 1, -1, 2, 3, -7, 10**30, -(10**30), 10**400, -(10**400), 10**5000, -(10**5000), 2**50, 2**62,
    2**63, 0.0, -0.0, 0.5, 1.0, 1.5, -2.5, 1e-320, 1e308, float("nan"), float("inf"), -float("inf"), 1j, "", "x", "1",
    "sigmoid", "\0", "\udcff", "ünï ☃", b"", b"x", bytearray(8), [], (), {}, set(), [1], [1.0, 2.0], [[1, 2], [3]],
    [[1.0], [2.0]], [[[]]], [None], ["a"], [10**400], [1, "a"], [[1.0, 2.0], None], {"a": 1}, {0}, range(3), Unknown,
    Unknown(), len, slice(3), Ellipsis, NotImplemented, decimal.Decimal("0.1"), fractions.Fraction(1, 3),
    fractions.Fraction(10**400, 1), datetime.date(2020, 1, 1), np.float16(1), np.float32(0.1), np.longdouble("1e4000"),
    np.int8(1), np.int8(-1), np.uint64(2**64 - 1), np.bool_(True), np.complex64(1), np.str_("x"), np.datetime64("2020"),
    np.array(None), np.array(3), np.array(0.5), np.array([1]), np.float64, np.dtype("f4"),
]  # fmt: skip


class RandomSource(random.Random):
    """A source of arguments. Letters (N, J, K, ...) are sizes that stay the same throughout one input."""

    def begin(self):
        """A new input: other sizes, another float type."""
        self.sizes, self.dtype = {}, self.choice(FLOATS)

    def size(self, letter):
        if letter not in self.sizes:
            self.sizes[letter] = self.choice(SIZES)
        return self.sizes[letter]

    def normal(self, letters):
        """Normal numbers of that shape."""
        shape = tuple(self.size(letter) for letter in letters)
        return np.asarray(self.numpy_generator().standard_normal(shape), self.dtype)

    def numpy_generator(self):
        if not hasattr(self, "_generator"):
            self._generator = np.random.default_rng(self.getrandbits(32))
        return self._generator


# ---- the same numbers, stored in other ways ----------------------------------------------------------------

STORED = (
    *LAYOUTS.values(),
    lambda a: np.broadcast_to(a[:1], a.shape) if a.ndim and len(a) else a,  # a stride of zero
    lambda a: a.view(np.memmap),
    lambda a: a.view(np.matrix) if a.ndim == 2 else a,
    lambda a: np.ma.masked_array(a, np.indices(a.shape).sum(axis=0) % 2 == 0),
    lambda a: a.tolist(),
)

# ---- other numbers, types and shapes -----------------------------------------------------------------------


def _special(draw, a):
    a = a.copy()
    for _ in range(draw.randint(1, 3)):
        if a.size and a.dtype.kind == "f":
            with np.errstate(over="ignore"):
                a.reshape(-1)[draw.randrange(a.size)] = draw.choice(SPECIAL)
        elif a.size and a.dtype.kind in "iu":
            limits = np.iinfo(a.dtype)
            a.reshape(-1)[draw.randrange(a.size)] = draw.choice((0, 1, 99, limits.max, limits.min))
    return a


def _recast(draw, a):
    dtype = np.dtype(draw.choice(DTYPES))
    try:
        return (a.real if a.dtype.kind == "c" else a).astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return np.zeros(a.shape, dtype)


def _reshape(draw, a):
    way = draw.randrange(6)
    if way == 0:
        return a.reshape(-1)
    if way == 1:
        return a[None]
    if way == 2:
        return a.T
    if way == 3:
        return a[..., None]
    if way == 4 and a.ndim:
        return a[draw.choice((slice(0), slice(1), slice(1, None)))]
    return np.array(np.resize(a, [draw.choice((0, 1, 2, 3, 5)) for _ in range(draw.randint(0, 4))]))


def array(draw):
    """Any array at all."""
    a = draw.numpy_generator().standard_normal([draw.choice((0, 1, 2, 3, 7)) for _ in range(draw.randint(0, 4))])
    a = _recast(draw, a)
    return a if a.dtype.hasobject else draw.choice(STORED[:-2])(a)


def any_object(draw):
    """Anything at all."""
    return array(draw) if draw.random() < 0.3 else draw.choice(ODD_OBJECTS)


def misfit(draw, value):
    """Something other than the fitting value: often the same in another form, sometimes anything at all."""
    chance = draw.random()
    if not isinstance(value, np.ndarray) or value.dtype.hasobject or chance < 0.1:
        return any_object(draw)
    value = np.asarray(value)
    if chance < 0.5:
        return draw.choice(STORED)(value)
    way = _special if chance < 0.8 else _recast if chance < 0.9 else _reshape
    value = way(draw, value)
    return draw.choice(STORED)(value) if draw.random() < 0.2 and value.dtype.kind in "iuf" else value


def random_inputs(draw, kinds, flags=()):
    """A value for each argument, {name: kind}; often one of them is spoiled, sometimes all are."""
    draw.begin()
    values = {name: kind(draw) for name, kind in kinds.items()}
    chance, names = draw.random(), [name for name in kinds if name not in flags]
    if chance > 0.25 and names:
        with np.errstate(all="ignore"):
            for name in names if chance > 0.9 else [draw.choice(names)]:
                values[name] = misfit(draw, values[name])
    return values


def normal(letters):
    """A kind: normal numbers of that shape."""
    return lambda draw: draw.normal(letters)


def shares(letters):
    """A kind: numbers between 0 and 1."""
    return lambda draw: np.mod(draw.normal(letters), 1).astype(draw.dtype)


def classes(draw):
    """A kind: class numbers (N,), below K."""
    return draw.numpy_generator().integers(0, draw.size("K"), draw.size("N"))


class OneOf:
    """A kind: one of a few values."""

    def __init__(self, *values):
        self.values = values

    def __call__(self, draw):
        return draw.choice(self.values)

    def __contains__(self, value):
        return type(value) in (bool, int, float, str) and value in self.values


# ---- what a call must not change ---------------------------------------------------------------------------


def comparable(value):
    """The value's bits, comparable: of arrays, of the arrays in a net, of lists of these."""
    if isinstance(value, np.ndarray):
        value = np.asarray(value)  # a long double has bytes that mean nothing
        bits = value.tobytes() if value.dtype.char not in "gG" else str(value.tolist())
        return value.dtype.str, value.shape, bits
    if isinstance(value, list | tuple):
        return [comparable(v) for v in value]
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items()}
    if hasattr(value, "state_dict"):
        return comparable(value.state_dict())
    return None


def contiguous(value):
    """An array as a contiguous one in the machine's byte order, without its subclass; other values as they are."""
    if not isinstance(value, np.ndarray):
        return value
    return np.array(value, value.dtype.newbyteorder("="), order="C")


def finite_and_moderate(values):
    """(are all float arrays finite?, are their finite entries all of moderate size?)"""
    arrays = [v for v in values if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    finite = [np.isfinite(a) for a in arrays]
    sizes = [np.abs(a[good]) for a, good in zip(arrays, finite, strict=True)]
    return all(good.all() for good in finite), all(s.max(initial=0) <= MODERATE for s in sizes)
