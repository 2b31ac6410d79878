"""The losses at the edge against torch: probabilities of exactly 0 and 1, huge logits, certain mistakes."""

import numpy as np
import pytest
from peers import record, relative_error
from torch_peer import nn, torch

import minigrad as mg

DTYPES = (np.float64, np.float32)


def same_in_torch(check, loss, peer, output, y, relative=(1e-10, 1.3e-6), absolute=0.0):
    """Loss and delta equal torch's, and both are finite."""
    theirs = torch.tensor(output, requires_grad=True)
    value = peer(theirs, torch.tensor(y))
    value.backward()
    before = output.copy()
    ours, delta = loss.value_and_delta(output, y)
    np.testing.assert_array_equal(output, before)
    assert np.isfinite(ours)
    assert delta.dtype == output.dtype
    exact = output.dtype == np.float64
    for a, b in ((np.array(ours), value.detach().numpy()), (delta, len(output) * theirs.grad.numpy())):
        if absolute and abs(a - b).max() <= absolute:
            continue
        error = relative_error(a, b)
        assert error <= relative[0 if exact else 1], f"{a} against torch's {b}, for output {output} and y {y}"
        if exact:
            record(check, error)
    record(check, cases=1)
    return ours, delta


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_bce_of_probabilities_at_and_near_0_and_1(dtype, target):
    check, relative = (
        "BCELoss at 0 and 1",
        (1e-8, 1.3e-6),
    )  # torch clamps a (1 - a) at 1e-12 rounded to float32
    info = np.finfo(dtype)
    edges = [0.0, 1.0, info.smallest_subnormal, info.tiny, 1e-30, 1e-13, 1e-12, 1e-6, 1 - info.epsneg, 0.5]
    for a in edges:  # one by one, so that the largest delta does not hide the others
        output = np.array([[a]], dtype)
        same_in_torch(check, mg.BCELoss(), nn.BCELoss(), output, np.full_like(output, target), relative)
    output = np.array([edges, edges[::-1]], dtype)
    same_in_torch(check, mg.BCELoss(), nn.BCELoss(), output, np.full_like(output, target), relative)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_bce_with_huge_logits(dtype, target):
    """nn.BCEWithLogitsLoss is right to the last place of z; torch's softplus keeps the tail."""
    info = np.finfo(dtype)
    for z in (0.0, 1e-30, 1.0, 17.0, 40.0, 88.0, 100.0, 710.0, 746.0, 1e4, 1e30, float(info.max) / 2):
        for sign in (1, -1):
            output = np.array([[sign * z]], dtype)
            y = np.full_like(output, target)
            place = 2 * float(info.eps) * max(z, 1.0)  # nn.BCEWithLogitsLoss subtracts numbers of the size of z
            peer = nn.BCEWithLogitsLoss()
            loss, _ = same_in_torch(
                "BCEWithLogitsLoss, huge logits", mg.BCEWithLogitsLoss(), peer, output, y, absolute=place
            )
            logit = torch.tensor(output, dtype=torch.float64)
            right = (
                nn.functional.softplus(-logit, threshold=700),
                nn.functional.softplus(logit, threshold=700),
            )
            share = float(y[0, 0])  # 0.3 of that dtype
            # softplus(-z) where y is 1, softplus(z) where it is 0
            exact = sum(w * s.item() for w, s in zip((share, 1 - share), right, strict=True) if w)
            assert loss == pytest.approx(
                exact, rel=4e-7 if dtype == np.float32 else 1e-14, abs=2 * float(info.smallest_subnormal)
            )
            if exact and dtype == np.float64:
                record("BCEWithLogitsLoss, huge logits", abs(loss - exact) / exact)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_with_huge_logits(dtype):
    top = float(np.finfo(dtype).max)
    for z in (1.0, 40.0, 88.8, 1e3, 1e4, 1e30, top / 4):
        for row in ([z, 0, 0], [-z, 0, z], [z, z, z], [-z, -z, -z], [0, -z, -z]):
            output = np.array([row, row[::-1]], dtype)
            for y in (np.array([0, 0]), np.array([1, 2]), np.array([[1, 0, 0], [0.2, 0.3, 0.5]], dtype)):
                same_in_torch("CrossEntropyLoss, huge logits", mg.CrossEntropyLoss(), nn.CrossEntropyLoss(), output, y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_of_the_largest_floats(dtype, compiled):
    """The difference of two logits overflows, and the answer is still torch's: certain and right."""
    top = np.finfo(dtype).max
    output, y = np.array([[top, -top, 0]], dtype), np.array([0])
    same_in_torch("CrossEntropyLoss, huge logits", mg.CrossEntropyLoss(), nn.CrossEntropyLoss(), output, y)
