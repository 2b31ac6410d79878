"""A1 and A4 (a) for all floats, not for samples: proved by a solver, and by trying every pair of float16.

Proved, for float16, float32 and float64, in each rounding mode and for all values (subnormals, both zeros,
overflow):
  product   finite x, y:                          signbit(fl(x y)) = signbit(x) XOR signbit(y)
  sum       x, y of one sign bit (or infinite):   fl(x + y) is a number of that sign bit
  fused     signbit(x) XOR signbit(y) = signbit(z): fl(x y + z) is a number of that sign bit
By induction over the tree of additions, a sum of products of one sign keeps that sign in any order, fused or
not.

Tried, for all 63488^2 pairs of finite float16: the XOR identity, and that np.sign of the product is wrong
exactly where 0 < |x y| <= 2^-25. Converse: each lemma without its hypothesis has a counterexample, which the
solver finds.

`make proofs` runs all of it; `make test` leaves out the three that take minutes.
"""

import numpy as np
import pytest

pytestmark = pytest.mark.proof_check
FORMATS = {"float16": (5, 11), "float32": (8, 24), "float64": (11, 53)}


# ---- by a solver ------------------------------------------------------------------------------------------


def lemma(z3, name, bits):
    """(hypotheses, claim) about symbolic floats of the format, and about any rounding mode."""
    sort = z3.FPSort(*bits)
    x, y, z = (z3.FP(letter, sort) for letter in "xyz")
    mode = z3.Const("mode", z3.RNE().sort())

    def finite(value):
        return z3.Not(z3.Or(z3.fpIsNaN(value), z3.fpIsInf(value)))

    def number(value):
        return z3.Not(z3.fpIsNaN(value))

    minus = z3.fpIsNegative  # the sign bit of anything but NaN, -0 included
    opposite = z3.Xor(minus(x), minus(y))
    if name == "product":
        return [finite(x), finite(y)], minus(z3.fpMul(mode, x, y)) == opposite
    if name == "sum":
        total = z3.fpAdd(mode, x, y)
        return [number(x), number(y), minus(x) == minus(y)], z3.And(number(total), minus(total) == minus(x))
    total = z3.fpFMA(mode, x, y, z)
    same = minus(z) == opposite
    return [finite(x), finite(y), number(z), same], z3.And(number(total), minus(total) == minus(z))


def counterexample(z3, hypotheses, claim):
    """What the solver finds: None if there is no counterexample, that is, if the claim is proved."""
    solver = z3.SolverFor("QF_FP")
    solver.add(*hypotheses, z3.Not(claim))
    answer = solver.check()
    assert answer != z3.unknown, solver.reason_unknown()
    return solver.model() if answer == z3.sat else None


LONG = [("product", "float64"), ("fused", "float64")]
CASES = [
    pytest.param(name, kind, marks=pytest.mark.proofs if (name, kind) in LONG else [])
    for name in ("product", "sum", "fused")
    for kind in FORMATS
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_proved_for_all_values_and_rounding_modes(name, kind):
    z3 = pytest.importorskip("z3")
    assert counterexample(z3, *lemma(z3, name, FORMATS[kind])) is None


@pytest.mark.parametrize("name", ["product", "sum", "fused"])
def test_converse_without_its_last_hypothesis_the_lemma_falls(name):
    z3 = pytest.importorskip("z3")
    hypotheses, claim = lemma(z3, name, FORMATS["float16"])
    assert counterexample(z3, hypotheses[:-1], claim) is not None


# ---- by trying all ----------------------------------------------------------------------------------------

POSITIVE = np.arange(0x7C00, dtype=np.uint16).view(np.float16)  # 0, the subnormals, ... 65504
FINITE = np.concatenate([POSITIVE, -POSITIVE])


def try_all(xs):
    """Both statements for each x of xs with every finite float16, on the bits where that is faster."""
    wide, sign, zero = np.abs(FINITE.astype(np.float32)), FINITE.view(np.uint16) & 0x8000, FINITE == 0
    for x in xs:
        with np.errstate(all="ignore"):
            product = (x * FINITE).view(np.uint16)
        xor = sign ^ (x.view(np.uint16) & 0x8000)
        assert ((product & 0x8000) == xor).all(), x
        lost = ((product << 1) == 0) & ~zero & (x != 0)  # the product is a zero, of either sign, and should not be
        size = wide * np.abs(np.float32(x))  # exact: 22 bits, and at least 2^-48
        assert (lost == ((size > 0) & (size <= np.float32(2.0**-25)))).all(), x


def test_every_float16_with_a_sample_of_the_others():
    assert len(FINITE) == 63488
    edges = POSITIVE[[0, 1, 2, 3, 1023, 1024, 1025, 0x3BFF, 0x3C00, 0x3C01, 0x7BFE, 0x7BFF]]
    chosen = np.random.default_rng(0).choice(FINITE, 100)
    try_all(np.concatenate([edges, -edges, chosen]))


@pytest.mark.proofs
def test_every_float16_with_every_other():
    try_all(FINITE)
