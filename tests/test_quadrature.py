"""The rule by which averages over normal numbers are taken."""

import math

import numpy as np
import pytest

from minigrad.layers.quadrature import normal_quadrature


@pytest.fixture
def rule():
    """(nodes, weights), made in the test: `make mutants` changes what runs in one."""
    return normal_quadrature()


def test_the_nodes_are_those_of_the_docstring(rule):
    z, weight = rule
    edges = np.array([0, *(2.0**k for k in range(-10, 4)), 12])
    edges = np.concatenate([-edges[:0:-1], edges])
    assert (np.histogram(z, edges)[0] == 24).all()
    assert len(z) == 24 * (len(edges) - 1)
    assert (np.diff(z) > 0).all()
    np.testing.assert_array_equal(z, -z[::-1])
    np.testing.assert_array_equal(weight, weight[::-1])
    assert (weight > 0).all()


@pytest.mark.parametrize("power", range(0, 13, 2))
def test_the_moments_of_the_normal_distribution(rule, power):
    """1, 1, 3, 15, 105, ...; and half of each on either side of 0."""
    z, weight = rule
    moment = math.prod(range(1, power, 2))
    assert weight @ z**power == pytest.approx(moment, rel=1e-13)
    assert weight[z > 0] @ z[z > 0] ** power == pytest.approx(moment / 2, rel=1e-13)


def test_a_kink_at_0_and_a_steep_step(rule):
    z, weight = rule
    assert weight @ np.maximum(z, 0) == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-13)
    erf = np.vectorize(math.erf)
    for steepness in (1, 30, 1000):  # Williams 1997: the covariance of two erfs
        expected = 2 / math.pi * math.asin(2 * steepness**2 / (1 + 2 * steepness**2))
        assert weight @ erf(steepness * z) ** 2 == pytest.approx(expected, rel=1e-12)
