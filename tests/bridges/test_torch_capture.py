"""capture against PyTorch itself: gradients by backward(), and each sample's by running it alone and by torch.func."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_models import CASES, N, made  # noqa: E402

from minigrad.bridges.torch import capture  # noqa: E402
from minigrad.gradient import WeightGradient  # noqa: E402

torch.set_num_threads(1)
PAIRED = [name for name in CASES if not made(name).unpaired]
UNCOUPLED = [name for name in CASES if not made(name).coupled]


def captured(case):
    return capture(case.model, case.loss, case.x, case.y, sample_axis=case.sample_axis)


def called(model, x):
    return model(**x) if isinstance(x, dict) else model(*x) if isinstance(x, tuple) else model(x)


def gradients(case):
    """By PyTorch's own backward, of a copy in which nothing is frozen."""
    model = copy.deepcopy(case.model).requires_grad_(True)
    case.loss(called(model, case.x), case.y).backward()
    found = {n: p.grad if p.grad is not None else torch.zeros_like(p) for n, p in model.named_parameters()}
    return {n: (gradient.to_dense() if gradient.is_sparse else gradient).numpy() for n, gradient in found.items()}


def sample(x, n, axis):
    """Sample n alone."""
    if isinstance(x, dict):
        return {name: sample(value, n, axis) for name, value in x.items()}
    if isinstance(x, tuple):
        return tuple(sample(value, n, axis) for value in x)
    return x.narrow(axis if x.ndim > axis and x.shape[axis] == N else 0, n, 1)


def relative(found, expected):
    return np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_backward(name):
    case = made(name)
    expected = gradients(case)
    c = captured(case)
    found = c.parameter_gradients()
    assert list(found) == [n for n, _ in case.model.named_parameters()]
    for key, gradient in expected.items():
        assert found[key].shape == gradient.shape
        assert relative(found[key], gradient) < 1e-5, key
    for key, g in c.gradients.items():
        assert g.weight.shape == (len(expected[key]), expected[key][0].size)
        assert len(g.delta) == N
    assert c.worst_error < 1e-5


@pytest.mark.parametrize("name", CASES)
def test_each_weight_is_a_pair_or_is_named(name):
    case = made(name)
    c = captured(case)
    assert set(c.unpaired) == set(case.unpaired)
    assert all(len(reason) > 20 for reason in c.unpaired.values())
    assert set(c.gradients) | set(c.arrays) == {n for n, _ in case.model.named_parameters()}
    assert not set(c.gradients) & set(c.arrays)
    free = {"first", "place", "seed", "layer.bias_k", "layer.bias_v"}
    for key, p in case.model.named_parameters():
        assert (key in c.gradients) == (p.ndim > 1 and key not in case.unpaired and key not in free)


@pytest.mark.parametrize("name", UNCOUPLED)
def test_each_sample_has_the_gradient_that_it_has_alone(name):
    case = made(name)
    c = captured(case)
    scale = N if c.reduction == "sum" else 1
    for n in range(N):
        alone = case._replace(x=sample(case.x, n, case.sample_axis), y=sample(case.y, n, case.sample_axis))
        expected = gradients(alone)
        for key, g in c.gradients.items():
            one = scale * expected[key].reshape(len(expected[key]), -1)
            size = max(np.linalg.norm(one), 0.01 * np.linalg.norm(g.weight))
            assert np.linalg.norm(g.per_sample()[n] - one) <= 2e-5 * size, (key, n)


@pytest.mark.parametrize("name", CASES)
def test_a_pair_agrees_with_its_own_two_arrays(name):
    for key, g in captured(made(name)).gradients.items():
        plain = WeightGradient(g.delta, g.a)
        np.testing.assert_allclose(g.weight, plain.weight, rtol=1e-4, atol=1e-6, err_msg=key)
        np.testing.assert_allclose(g.per_sample(), plain.per_sample(), rtol=1e-4, atol=1e-6, err_msg=key)
        norms = np.linalg.norm(plain.per_sample(), axis=(1, 2))
        np.testing.assert_allclose(g.per_sample_norms(), norms, rtol=1e-4, atol=1e-6, err_msg=key)
        np.testing.assert_allclose(g.rows()[0].T @ g.rows()[1] / N, g.weight, rtol=1e-3, atol=1e-6)
