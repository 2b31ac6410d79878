"""C2, the Perron bridge: what positive activations say about the curvature, and what they do not.

Statement. If a > 0, all entries of H = E[a a^T] are positive. Then (Perron) the largest eigenvalue of H is
simple, its eigenvector has one sign throughout, and every other eigenvector, being orthogonal to it, has both
signs. With H = S + mu mu^T, S the covariance: lambda_1(H) >= |mu|^2 and lambda_2(H) <= lambda_1(S) (Weyl). So
the sign story tells the DIRECTION of the steepest valley wall. It does not tell how steep: by Hopf only
lambda_2 <= lambda_1 (M - m) / (M + m), with M and m the largest and smallest entry of H, which bounds the
condition number from nowhere near.

Floats. The computed entries of a^T a / N are never negative, and positive unless a product underflows.
Eigenvectors are compared with a margin, for a in [0.1, 1].

Converse. a of both signs: a leading eigenvector of both signs is found. Positive entries are not sufficient
for a bad condition: H = I + eps 1 1^T (J = 8, eps = 0.01) has condition number 1.08. They are not necessary:
turned signs (C1) keep the condition number and lose the positivity.
"""

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from strategies import DTYPES, arrays, finite

from minigrad.diagnostics import condition_number, second_moment, spectrum


@st.composite
def samples(draw, low, high, least=2):
    """a (N, J) of floats between low and high, J at least 2."""
    shape = draw(st.integers(1, 6)), draw(st.integers(least, 5))
    return draw(arrays(np.float64, shape, st.floats(low, high)))


@given(samples(0.1, 1))
def test_one_eigenvector_of_one_sign_and_all_others_mixed(a):
    H = second_moment(a)
    assert (H > 0).all()
    values, vectors = np.linalg.eigh(H)
    leading = vectors[:, -1] * np.sign(vectors[0, -1])
    assert leading.min() > 1e-3
    assert values[-2] <= values[-1] * (H.max() - H.min()) / (H.max() + H.min()) + 1e-12
    for vector in vectors[:, :-1].T:
        assert vector.min() < -1e-6
        assert vector.max() > 1e-6


@given(samples(-3, 3))
def test_mean_and_covariance_bound_the_first_two_eigenvalues(a):
    mean = a.mean(axis=0)
    values, spread = spectrum(a), spectrum(a - mean)
    assert values[0] >= mean @ mean - 1e-12
    assert values[1] <= spread[0] + 1e-12


@given(st.data(), st.sampled_from(DTYPES))
def test_floats_no_entry_of_the_second_moment_is_negative(data, dtype):
    """All floats >= 0 whose squares do not overflow."""
    top = 2.0**500 if dtype is np.float64 else 2.0**60
    a = data.draw(arrays(dtype, (3, 4), finite(dtype, min_value=0, max_value=top)))
    H = second_moment(a)
    assert (H >= 0).all()
    meet = (np.minimum(a[:, :, None], a[:, None, :]) > 1e-150).any(axis=0)
    assert (H[meet] > 0).all()


# ---- converse -------------------------------------------------------------------------------------------


def test_converse_mixed_signs_mix_the_leading_eigenvector():
    def mixed(a):
        vector = np.linalg.eigh(second_moment(a))[1][:, -1]
        return vector.min() < -0.1 and vector.max() > 0.1

    find(samples(-3, 3), mixed, settings=settings(max_examples=500, phases=[Phase.generate], database=None))


def test_converse_positive_and_well_conditioned():
    """Eight one-hot samples and a faint constant one: H = (I + 0.01 1 1^T) / 9."""
    a = np.vstack([np.eye(8), np.full((1, 8), 0.1)])
    H = second_moment(a)
    np.testing.assert_allclose(9 * H, np.eye(8) + 0.01, atol=1e-15)
    assert (H > 0).all()
    assert condition_number(a) == pytest.approx(1.08, rel=1e-12)


@given(samples(0.1, 1), st.integers(0, 2**32 - 1))
def test_converse_ill_conditioned_without_positivity(a, seed):
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], a.shape[1])
    np.testing.assert_allclose(spectrum(a * signs), spectrum(a), rtol=1e-9, atol=1e-13)
    if abs(signs.sum()) < len(signs):
        assert (second_moment(a * signs) < 0).any()
