"""The same numbers, stored in other ways."""

import numpy as np


def _gaps(a):
    wide = np.full([2 * n + 1 for n in a.shape], 77, a.dtype)
    inside = wide[(..., *(slice(1, None, 2) for _ in a.shape))]
    inside[...] = a
    return inside


def _reversed(a):
    back = (..., *(slice(None, None, -1) for _ in a.shape))
    return a[back].copy()[back]


def _read_only(a):
    a = a.copy()
    a.setflags(write=False)
    return a


def _unaligned(a):
    return np.ndarray(a.shape, a.dtype, bytearray(b"\0" + a.tobytes()), offset=1)


LAYOUTS = {
    "Fortran": lambda a: np.array(a, order="F"),
    "gaps": _gaps,
    "negative strides": _reversed,
    "read-only": _read_only,
    "unaligned": _unaligned,
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder("S")),
}
