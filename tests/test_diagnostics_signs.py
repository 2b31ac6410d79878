"""The instruments for signs: shapes, names, refusals, and what the theorems' own tests do not reach."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import problems

import minigrad as mg
from minigrad import diagnostics as dg
from minigrad.diagnostics import pairs
from minigrad.diagnostics.pairs import gradient_signs, moderate
from minigrad.diagnostics.survival import _log_integrand, _peak

small_signs = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 20), st.integers(1, 3)), elements=st.sampled_from([-1, 0, 2])
)


def pair(N=5, K=3, J=4):
    rng = np.random.default_rng(0)
    return mg.WeightGradient(rng.standard_normal((N, K)), rng.random((N, J)))


# ---- on any net -------------------------------------------------------------------------------------------


@given(problems())
def test_every_instrument_takes_every_gradient_of_every_net(problem):
    net, loss, x, y = problem
    bp = mg.backprop(net, loss, x, y)
    agreement = dg.delta_agreement(bp)
    assert list(agreement) == list(bp.gradients)
    for path, g in bp.gradients.items():
        (N, K), J = g.delta.shape, g.a.shape[1]
        assert dg.sign_pattern(g).shape == (K, J)
        assert dg.sign_pattern(g).dtype == np.int8
        assert dg.single_signed_rows(g).shape == (K,)
        assert dg.single_signed_rows(g, per_sample=True).shape == (N, K)
        assert 0 <= dg.sign_entropy_bits(g) <= math.log2(N) + 1e-12
        assert dg.mean_fluctuation_split(g).mean_part.shape == (K, J)
        # A share of nothing is NaN, and nothing else is.
        for share, some in (
            (dg.single_signed_share(g), not dg.zero_rows(g).all()),
            (dg.single_signed_share(g, per_sample=True), not dg.zero_rows(g, per_sample=True).all()),
            (dg.batch_survival(g, N, draws=2, rng=0), not dg.zero_rows(g).all()),
            (dg.survival_limit(g.a, draws=2, rng=0), g.a.any()),
            (agreement[path], g.delta.any()),
        ):
            assert 0 <= share <= 1 if some else math.isnan(share)


def test_a_million_weights_take_seconds_and_no_large_array():
    """One sample-by-weight array of this layer would have 128 million entries, a gigabyte."""
    import tracemalloc

    rng = np.random.default_rng(0)
    g = mg.WeightGradient(rng.standard_normal((128, 1000)), rng.random((128, 1000)))
    tracemalloc.start()
    dg.sign_pattern(g), dg.single_signed_rows(g, per_sample=True), dg.sign_entropy_bits(g)
    dg.mean_fluctuation_split(g), dg.batch_survival(g, 32, draws=2, rng=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def test_inputs_are_not_changed():
    g = pair()
    for array in (g.delta, g.a):
        array.flags.writeable = False
    dg.sign_pattern(g), dg.single_signed_rows(g), dg.sign_entropy_bits(g), dg.mean_fluctuation_split(g)
    dg.batch_survival(g, 2, rng=0), dg.survival_limit(g.a, draws=5, rng=0)


# ---- one by one -------------------------------------------------------------------------------------------


def test_patterns_of_plain_updates_and_of_batches():
    update = np.array([[1.0, -2, 0], [3, 0, 4]])
    np.testing.assert_array_equal(dg.sign_pattern(update), [[1, -1, 0], [1, 0, 1]])
    np.testing.assert_array_equal(dg.single_signed_rows(update), [False, True])
    g = pair()
    np.testing.assert_array_equal(dg.sign_pattern(g), np.sign(g.weight))


def test_delta_agreement_counts_samples_without_opposite_deltas():
    delta = np.array([[1.0, 2], [0, -3], [1, -1], [-1, -1]])
    bp = mg.backprop(mg.mlp([1, 2], rng=0), mg.MSELoss(), np.ones((4, 1)), np.zeros((4, 2)))
    bp.gradients["0"] = mg.WeightGradient(delta, np.ones((4, 1)))
    assert dg.delta_agreement(bp) == {"0": 0.75}
    silent = np.concatenate([delta, np.zeros((96, 2))])  # samples without an error say nothing
    bp.gradients["0"] = mg.WeightGradient(silent, np.ones((100, 1)))
    assert dg.delta_agreement(bp) == {"0": 0.75}
    bp.gradients["0"] = mg.WeightGradient(silent[4:], np.ones((96, 1)))
    assert math.isnan(dg.delta_agreement(bp)["0"])


@given(small_signs, small_signs)
def test_rows_of_zeros_and_the_share_of_the_others_are_those_of_the_products_formed(delta, a):
    N = min(len(delta), len(a))
    g = mg.WeightGradient(delta[:N], a[:N])
    for per_sample, formed in ((True, g.per_sample()), (False, g.weight)):
        zero = np.array([not any(row) for row in formed.reshape(-1, formed.shape[-1])])
        single = np.array([not max(row) > 0 > min(row) for row in formed.reshape(-1, formed.shape[-1])])
        np.testing.assert_array_equal(dg.zero_rows(g, per_sample).ravel(), zero)
        assert dg.zero_rows(g, per_sample).shape == formed.shape[:-1]
        assert dg.single_signed_rows(g, per_sample).ravel()[zero].all(), "a row of zeros stays among them"
        expected = math.nan if zero.all() else (single & ~zero).sum() / (~zero).sum()
        assert dg.single_signed_share(g, per_sample) == pytest.approx(expected, nan_ok=True)
    np.testing.assert_array_equal(dg.zero_rows(g.weight), dg.zero_rows(g))


def test_a_product_too_small_for_a_float_is_no_zero():
    g = mg.WeightGradient(np.full((1, 2), 1e-200), np.array([[1e-200, 0.0]]))
    assert not dg.zero_rows(g).any()
    assert not dg.zero_rows(g, per_sample=True).any()


def test_silent_rows_do_not_count_as_survivors():
    """Row 0 is always single-signed, row 1 never, rows 2 and 3 see no error, as behind a ReLU that is silent."""
    delta = np.zeros((6, 4))
    delta[:, 0] = 1
    delta[:, 1] = [1, -1, 1, -1, 1, -1]
    a = np.array([[1.0, 2], [2, 1]] * 3)
    g = mg.WeightGradient(delta, a)
    assert dg.batch_survival(g, 6, draws=3, rng=0) == 0.5
    assert dg.single_signed_share(g) == 0.5
    assert dg.single_signed_rows(g).mean() == 0.75
    assert math.isnan(dg.batch_survival(mg.WeightGradient(0 * delta, a), 2, rng=0))
    assert math.isnan(dg.survival_limit(0 * a, rng=0))


@given(small_signs, small_signs)
def test_entropy_of_outer_products_is_that_of_the_products_formed(delta, a):
    N = min(len(delta), len(a))
    g = mg.WeightGradient(delta[:N], a[:N])
    formed = np.sign(g.per_sample()).reshape(N, -1)
    counts = np.array([(formed == row).all(axis=1).sum() for row in formed])
    expected = -np.log2(counts / N).mean()
    assert dg.sign_entropy_bits(g) == pytest.approx(expected, abs=1e-12)
    assert dg.sign_entropy_bits(formed) == pytest.approx(expected, abs=1e-12)


def test_entropy_of_fair_coins():
    rng = np.random.default_rng(0)
    delta, tanh = rng.standard_normal((20_000, 3)), rng.standard_normal((20_000, 2))
    assert dg.sign_entropy_bits(mg.WeightGradient(delta, abs(tanh))) == pytest.approx(3, abs=0.01)
    assert dg.sign_entropy_bits(mg.WeightGradient(delta, tanh)) == pytest.approx(4, abs=0.01)
    assert dg.sign_entropy_bits(rng.standard_normal((20_000, 2, 2))) == pytest.approx(4, abs=0.01)


def test_entropy_of_one_pattern_is_a_plain_zero():
    assert str(dg.sign_entropy_bits(np.ones((3, 2)))) == "0.0"


def test_the_share_of_the_mean():
    g = mg.WeightGradient(np.array([[1.0], [1.0]]), np.array([[1.0, 3], [3, 1]]))
    np.testing.assert_array_equal(dg.mean_fluctuation_split(g).share, [1])
    g = mg.WeightGradient(np.array([[1.0], [-1.0]]), np.array([[1.0, 3], [3, 1]]))
    np.testing.assert_array_equal(dg.mean_fluctuation_split(g).share, [0])
    g = mg.WeightGradient(np.zeros((2, 1)), g.a)
    assert np.isnan(dg.mean_fluctuation_split(g).share).all()


def test_a_random_seed_repeats():
    g = pair(N=30)
    assert dg.batch_survival(g, 4, rng=3) == dg.batch_survival(g, 4, rng=np.random.default_rng(3))
    assert dg.survival_limit(g.a, rng=3) == dg.survival_limit(g.a, rng=np.random.default_rng(3))
    mixed = g.a - 0.3
    assert dg.batch_survival(g, 4, rng=3) == dg.batch_survival(g, 4, draws=100, rng=3)
    assert dg.survival_limit(mixed, rng=3) == dg.survival_limit(mixed, draws=2000, rng=3)


@pytest.mark.slow
@pytest.mark.parametrize("J", [1, 3, 1000])
@pytest.mark.parametrize("r", [0.3, 1.0, 2.0])
def test_the_peak_is_where_the_integrand_is_largest(J, r):
    x = np.linspace(0, 10, 1_000_001)
    assert _peak(J, r, 10.0) == pytest.approx(x[_log_integrand(x, J, r).argmax()], abs=1e-5)


def survival_in_20_digits(J, r):
    """2 times the integral of Phi(x)^J times the N(0, r^2) density, around its peak, by mpmath."""
    mp = pytest.importorskip("mpmath")
    with mp.workdps(20):
        J, r = mp.mpf(J), mp.mpf(r)

        def log_of_integrand(x):
            return J * mp.log(mp.ncdf(x)) - (x / r) ** 2 / 2

        low, high = mp.mpf(0), 12 + mp.sqrt(2 * mp.log(J))
        for _ in range(80):  # where it is largest: its slope J phi(x) / Phi(x) - x / r^2 falls
            x = (low + high) / 2
            low, high = (x, high) if J * mp.npdf(x) / mp.ncdf(x) > x / r**2 else (low, x)
        peak, top, step = low, log_of_integrand(low), min(r, mp.mpf(1)) / 2
        left, right = peak - step, peak + step
        while log_of_integrand(left) - top > -45:
            left = peak - (peak - left) * mp.mpf("1.3")
        while log_of_integrand(right) - top > -45:
            right = peak + (right - peak) * mp.mpf("1.3")
        edges = [*mp.linspace(left, peak, 9), *mp.linspace(peak, right, 17)[1:]]
        if r > 10:  # Phi rises within a small part of the peak
            edges = sorted({*edges, *(x for x in mp.linspace(-9, 9, 13) if left < x < right)})
        part = mp.quad(lambda x: mp.exp(log_of_integrand(x) - top), edges, method="gauss-legendre", maxdegree=4)
        return float(2 * part * mp.exp(top) / (r * mp.sqrt(2 * mp.pi)))


@pytest.mark.slow
@pytest.mark.parametrize("J", [1, 2, 30, 1000, 10**6])
def test_the_survival_law_for_every_size_of_r(J):
    """From where nothing but 2^(1-J) is left to where nearly all survive, and between: no gap between regimes."""
    for r in (1e-13, 1e-12, 1e-10, 3e-8, 1e-6, 1e-5, 1e-4, 1e-3, 4e-3, 0.01, 0.1, 1, 2.4, 30, 1000):
        expected = survival_in_20_digits(J, r)
        assert dg.survival_probability(J, r) == pytest.approx(expected, rel=1e-10, abs=1e-300)


@pytest.mark.parametrize("draws", [1, 1024, 1025, 3000])
def test_units_that_are_all_alike_survive_every_draw(draws):
    assert dg.survival_limit(np.ones((5, 4)), draws, rng=0) == 1


def test_a_batch_of_all_samples_is_the_whole_gradient():
    g = pair(N=8)
    assert dg.batch_survival(g, 8, draws=1, rng=0) == dg.single_signed_share(g) == dg.single_signed_rows(g).mean()


def test_patterns_are_listed_up_to_a_limit():
    assert dg.reachable_patterns(2, 3).patterns().dtype == np.int8
    assert dg.reachable_patterns(2, 3, positive=False).patterns().dtype == np.int8
    assert dg.reachable_patterns(16, 64).patterns().size == 2**26
    with pytest.raises(ValueError, match=r"65536 patterns of shape \(16, 65\) are too many"):
        dg.reachable_patterns(16, 65).patterns()


# ---- refusals ---------------------------------------------------------------------------------------------

NAN, ONE = np.array([[1.0, np.nan]]), np.ones((1, 2))


def pair_of(delta, a=ONE):
    return mg.WeightGradient(delta, a)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dg.sign_pattern(NAN), ValueError, "^g holds NaN"),
        (lambda: dg.sign_pattern(pair_of(ONE, NAN)), ValueError, "^g.a holds NaN"),
        (lambda: dg.sign_pattern(pair_of(NAN)), ValueError, "^g.delta holds NaN"),
        (lambda: dg.single_signed_rows(NAN), ValueError, "NaN"),
        (lambda: dg.single_signed_rows(np.ones(3)), ValueError, r"shape \(3,\), expected \(K, J\)"),
        (
            lambda: dg.single_signed_rows(ONE, per_sample=True),
            TypeError,
            "^per_sample needs a WeightGradient, got a ndarray",
        ),
        (lambda: dg.single_signed_rows(pair_of(NAN), True), ValueError, "^g.delta holds NaN"),
        (lambda: dg.single_signed_rows(pair(), "no"), TypeError, "^per_sample must be True or False, not 'no'"),
        (lambda: dg.zero_rows(pair(), np.ones(2)), TypeError, "^per_sample must be True or False"),
        (lambda: dg.zero_rows(pair_of(NAN), True), ValueError, "^g.delta holds NaN"),
        (lambda: dg.zero_rows(pair_of(ONE, NAN), False), ValueError, "^g.a holds NaN"),
        (lambda: dg.single_signed_rows(pair_of(ONE, NAN), True), ValueError, "^g.a holds NaN"),
        (lambda: dg.mean_fluctuation_split(np.ones((2, 2))), TypeError, "ndarray"),
        (lambda: dg.sign_entropy_bits(np.ones(3)), ValueError, r"\(T, ...\)"),
        (lambda: dg.reachable_patterns(0, 2), ValueError, "^K is 0"),
        (lambda: dg.reachable_patterns(2, 0), ValueError, "^J is 0"),
        (lambda: dg.sign_entropy_bits(NAN), ValueError, "^g holds NaN"),
        (lambda: dg.sign_entropy_bits(pair_of(NAN)), ValueError, "^g.delta holds NaN"),
        (lambda: dg.sign_entropy_bits(pair_of(ONE, NAN)), ValueError, "^g.a holds NaN"),
        (lambda: dg.delta_agreement(mg.Backprop(0, [], {"2": pair_of(NAN)}, [], {})), ValueError, "^delta 2 holds NaN"),
        (lambda: dg.survival_limit(NAN), ValueError, "^a holds NaN"),
        (lambda: dg.survival_limit(ONE, draws=0), ValueError, "^draws is 0"),
        (lambda: dg.batch_survival(pair(), 1, draws=0), ValueError, "^draws is 0"),
        (lambda: [[1, -1]] in dg.reachable_patterns(2, 2), ValueError, r"expected \(2, 2\)"),
        (lambda: dg.pattern_count(0, 1), ValueError, "^J is 0"),
        (lambda: dg.pattern_count(1, -1), ValueError, "^r is -1"),
        (lambda: dg.survival_probability(3, np.inf), ValueError, "^r is inf"),
        (lambda: dg.survival_probability(0, 1), ValueError, "^J is 0"),
        (lambda: dg.survival_limit(np.ones(3)), ValueError, r"\(N, J\)"),
        (lambda: dg.batch_survival(pair(), 0), ValueError, "batch_size is 0"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


OF_PAIRS = {
    "sign_pattern": dg.sign_pattern,
    "single_signed_rows": dg.single_signed_rows,
    "single_signed_rows, per sample": lambda g: dg.single_signed_rows(g, per_sample=True),
    "zero_rows": dg.zero_rows,
    "zero_rows, per sample": lambda g: dg.zero_rows(g, per_sample=True),
    "single_signed_share": dg.single_signed_share,
    "single_signed_share, per sample": lambda g: dg.single_signed_share(g, per_sample=True),
    "sign_entropy_bits": dg.sign_entropy_bits,
    "mean_fluctuation_split": dg.mean_fluctuation_split,
    "batch_survival": lambda g: dg.batch_survival(g, 1, rng=0),
    "max_stable_lr": lambda g: dg.max_stable_lr(g, loss=mg.MSELoss()),
    "delta_agreement": lambda g: dg.delta_agreement(mg.Backprop(0, [], {"g": g}, [], {})),
}


@pytest.mark.parametrize("instrument", OF_PAIRS)
@pytest.mark.parametrize(
    ("delta", "a", "error", "message"),
    [
        (np.ones((0, 2)), np.ones((0, 3)), ValueError, "^g has no samples"),
        (np.ones((3, 2)), np.ones((4, 3)), ValueError, r"^g has .*\(3, 2\) and a of shape \(4, 3\), expected"),
        (np.ones(3), np.ones((3, 3)), ValueError, r"^g has delta of shape \(3,\)"),
        (np.ones((3, 2)), np.ones(3), ValueError, r"^g has .* a of shape \(3,\)"),
        (np.ones((3, 0)), np.ones((3, 2)), ValueError, r"^g has delta of shape \(3, 0\).*no weights"),
        (np.ones((3, 2)), np.ones((3, 0)), ValueError, r"^g has .* a of shape \(3, 0\).*no weights"),
        (np.array([["a"]]), np.ones((1, 3)), TypeError, "^g.delta has dtype <U1"),
        (np.ones((1, 3)), np.array([[1j]]), TypeError, "^g.a has dtype complex128"),
    ],
)
def test_a_pair_that_is_none_is_refused_by_every_instrument(instrument, delta, a, error, message):
    with pytest.raises(error, match=message):
        OF_PAIRS[instrument](mg.WeightGradient(delta, a))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,), ()])
def test_an_update_without_weights_is_refused(shape):
    for instrument in (dg.sign_pattern, dg.single_signed_rows, dg.zero_rows, dg.single_signed_share):
        with pytest.raises(ValueError, match=r"^g has shape \(.*expected \(K, J\)"):
            instrument(np.ones(shape))
    for instrument in (dg.survival_limit, dg.narrow_cone, dg.ZigZag.of_updates, dg.sign_entropy_bits):
        with pytest.raises(ValueError, match="^(a|g|updates) (has|of) shape"):
            instrument(np.ones(shape))


def test_a_pattern_with_a_zero_is_not_among_those_counted():
    assert [[1, 0], [1, 1]] not in dg.reachable_patterns(2, 2)


def test_blocks_of_samples_are_never_empty():
    """Where two factors of a sample have as many entries as its gradient."""
    rng = np.random.default_rng(0)
    g = mg.WeightGradient(*rng.standard_normal((2, 3, 2, 4)))
    found = dg.single_signed_rows(g, per_sample=True)
    np.testing.assert_array_equal(found, (np.abs(np.sign(g.per_sample()).sum(axis=2)) == 4))


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_a_sample_s_signs_do_not_depend_on_the_size_of_another(factor):
    delta, a = np.random.default_rng(0).standard_normal((2, 2, 5, 3))
    plain = np.concatenate(list(dg.pairs.gradient_signs(delta, a)))
    scale = np.array([1, factor])[:, None, None]
    np.testing.assert_array_equal(np.concatenate(list(dg.pairs.gradient_signs(delta * scale, a * scale))), plain)


# ---- what they share --------------------------------------------------------------------------------------


def test_without_positions_no_outer_product_is_formed(rng):
    g = mg.WeightGradient(rng.standard_normal((1, 2000)), rng.standard_normal((1, 2000)))
    tracemalloc.start()
    for pair_of in (g, mg.WeightGradient(g.delta[:, None], g.a[:, None])):
        dg.single_signed_share(pair_of, per_sample=True)
        dg.zero_rows(pair_of, per_sample=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000 * 2000 / 4


def test_signs_of_hundreds_of_positions():
    """200 products of one sign: more than an int8 holds."""
    (found,) = gradient_signs(np.full((1, 200, 1), -3.0), np.ones((1, 200, 2)))
    np.testing.assert_array_equal(found, [[[-1, -1]]])
    assert found.dtype == np.int8


def test_a_moderate_array_has_its_largest_entry_near_one():
    for size in (1.0, -3.0, 7e-200, 1e300):
        assert 0.5 <= np.abs(moderate(np.array([size, size / 4]))).max() < 1
    tiny, huge = 2.0**-1074, np.finfo(float).max  # 2^1074 is no float, so these stay farther away
    assert moderate(np.array([tiny])) == 2.0**-74
    assert moderate(np.array([huge])) == huge * 2.0**-1000
    assert moderate(np.array([1e30], np.float32)).dtype == np.float64


def test_a_share_of_none_is_no_number():
    assert math.isnan(pairs.share(0, 0))
    assert pairs.share(1, 4) == 0.25


def test_a_sample_far_smaller_than_another_keeps_the_signs_of_its_sums():
    one, a = np.ones((2, 2, 1)), np.array([[[3.0], [-1.0]], [[1.0], [-3.0]]])  # the products of two positions, opposed
    scale = np.array([1e300, 1e-300])[:, None, None]
    for pair in ((one * scale, a), (one, a * scale)):
        assert np.concatenate(list(gradient_signs(*pair))).ravel().tolist() == [1, -1]
