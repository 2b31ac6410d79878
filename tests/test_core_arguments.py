"""What the compiled core refuses."""

import numpy as np
import pytest
from memory_layouts import LAYOUTS as OTHERS

LAYOUTS = {"C": np.ascontiguousarray} | OTHERS

# ---- bad arguments ---------------------------------------------------------------------------------------

A = np.ones((3, 2))
FROZEN = LAYOUTS["read-only"](A)
CLASSES = np.array([0, 1, 0])
BAD = {
    "a list": ("affine", [[1.0]], A, None),
    "None": ("propagate", None, A),
    "whole numbers": ("affine", np.ones((3, 2), int), A, None),
    "half floats": ("bias_gradient", np.ones((3, 2), np.float16)),
    "complex": ("activation", "tanh", np.ones(3, complex)),
    "objects": ("activation", "tanh", np.ones(3, object)),
    "a masked list": ("activation_backward", "tanh", A, [1.0]),
    "two types": ("affine", A, A.astype(np.float32), None),
    "two types in a loss": ("mse", A, A.astype(np.float32)),
    "one dimension": ("affine", A[0], A, None),
    "positions and widths": ("propagate", A[None], A),
    "one dimension of delta": ("weight_gradient", A[:, 0].copy(), A),
    "other positions": ("weight_gradient", A[None], A[:, None]),
    "positions of a alone": ("weight_gradient", A, A[:, None]),
    "no dimension": ("bias_gradient", np.array(1.0)),
    "widths": ("affine", A, np.ones((4, 3)), None),
    "length of bias": ("affine", A, A, np.ones(2)),
    "rows of weight": ("propagate", A, A),
    "samples": ("weight_gradient", A, np.ones((4, 2))),
    "shape of saved": ("activation_backward", "tanh", A, A.T.copy()),
    "dimensions of saved": ("activation_backward", "tanh", A, A[0]),
    "rows of y": ("mse", A, A[:2]),
    "width of y": ("bce", A / 2, A[:, :1]),
    "class too large": ("cross_entropy", A, CLASSES + 1),
    "class too small": ("cross_entropy", A, CLASSES - 1),
    "float classes": ("cross_entropy", A, CLASSES * 1.0),
    "classes in 2-D": ("cross_entropy", A, CLASSES[:, None]),
    "classes in 1-D": ("cross_entropy", A[None], CLASSES),
    "classes of other positions": ("cross_entropy", A[None], CLASSES[:, None]),
    "class too large at a position": ("cross_entropy", A[:, None], CLASSES[:, None] + 1),
    "y of other positions": ("mse", A[None], A[:, None]),
    "y without positions": ("mse", A[None], A),
    "wider y at positions": ("bce_with_logits", A[None], np.ones((1, 3, 3))),
    "no samples": ("mse", A[:0], A[:0]),
    "no outputs": ("soft_cross_entropy", A[:, :0], A[:, :0]),
    "frozen weight": ("sgd", FROZEN, A, None, 0.1, 0.0, False, 0.0),
    "strided weight": ("sgd", A.T, A.T, None, 0.1, 0.0, False, 0.0),
    "swapped weight": ("sgd", A.astype(A.dtype.newbyteorder()), A, None, 0.1, 0.0, False, 0.0),
    "frozen velocity": ("sgd", A, A, FROZEN, 0.1, 0.9, False, 0.0),
    "short square": ("rmsprop", A, A, A[:2].copy(), 0.1, 0.9, 1e-8, 0.0),
    "short gradient": ("adam", A, A[:2], A, A, 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False),
    "type of gradient": ("adam", A, A.astype(np.float32), A, A, 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False),
    "a word for lr": ("sgd", A, A, None, "fast", 0.0, False, 0.0),
    "kind is no word": ("activation", 3, A),
    "unknown kind": ("activation", "sine", A),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_raise_and_change_nothing(compiled, case):
    name, *args = BAD[case]
    with pytest.raises((TypeError, ValueError, KeyError)):
        getattr(compiled, name)(*args)
    assert (A == 1).all()


FAULTY = {
    "byte order": A.astype(A.dtype.newbyteorder()),
    "aligned": np.frombuffer(bytearray(1) + bytearray(A.tobytes()), np.float64, offset=1).reshape(A.shape),
    "contiguous": np.asfortranarray(A),
    "read-only": FROZEN,
}


@pytest.mark.parametrize("fault", FAULTY)
def test_an_array_that_cannot_be_updated_in_place_is_told_why(compiled, fault):
    array = FAULTY[fault]
    for weight, velocity, name in ((array, None, "weight"), (A, array, "velocity")):
        with pytest.raises(ValueError, match=f"^{name} is .*{fault}") as error:
            compiled.sgd(weight, A, velocity, 0.1, 0.9, False, 0.0)
        assert [word for word in FAULTY if word in str(error.value).split(", so it")[0]] == [fault]
        line = str(error.value).split("a copy can: ")[1]
        compiled.sgd(eval(line, {"np": np, "array": array}), A, None, 0.1, 0.9, False, 0.0)
    assert (array == 1).all()
