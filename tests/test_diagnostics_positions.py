"""Every instrument on pairs with positions, against sums over samples and positions that are written out."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from positions import SHAPES, all_inputs, pairs_with_positions, position_pairs, sample_gradients
from strategies import DTYPES, arrays, finite, seeds
from test_diagnostics_orthants import pair_by_pair

import minigrad as mg
from minigrad import diagnostics as dg


def backprop_of(**gradients):
    """A Backprop with these pairs, whose last one's delta has the shape of the output."""
    output = list(gradients.values())[-1].delta
    return mg.Backprop(0.0, [output], gradients, [output], {})


# ---- rows, signs and their entropy -----------------------------------------------------------------------


def single(row):
    return not (any(v > 0 for v in row) and any(v < 0 for v in row))


@given(pairs_with_positions())
def test_rows_of_the_batch_of_samples_and_of_positions(g):
    """Against rows that are formed; small whole numbers, so that no sum is rounded."""
    K, by_sample = g.delta.shape[-1], sample_gradients(g)
    formed = {
        "batch": np.array(sum(by_sample)),
        "per_sample": np.array(by_sample),
        "per_position": np.array([np.outer(d, a) for places in position_pairs(g) for d, a in places]),
    }
    shapes = {"batch": (K,), "per_sample": (len(g.delta), K), "per_position": g.delta.shape}
    for unit, gradients in formed.items():
        flags = {} if unit == "batch" else {unit: True}
        rows = gradients.reshape(-1, g.a.shape[-1])
        expected, zero = np.array([single(row) for row in rows]), np.array([not row.any() for row in rows])
        for found, right in ((dg.single_signed_rows(g, **flags), expected), (dg.zero_rows(g, **flags), zero)):
            assert found.dtype == bool
            np.testing.assert_array_equal(found, right.reshape(shapes[unit]))
        share = math.nan if zero.all() else (expected & ~zero).sum() / (~zero).sum()
        assert dg.single_signed_share(g, **flags) == pytest.approx(share, nan_ok=True)
    np.testing.assert_array_equal(dg.sign_pattern(g), np.sign(formed["batch"]))
    patterns = np.sign(by_sample).reshape(len(by_sample), -1)
    counts = np.array([(patterns == row).all(axis=1).sum() for row in patterns])
    assert dg.sign_entropy_bits(g) == pytest.approx(-np.log2(counts / len(by_sample)).mean(), abs=1e-12)


@given(pairs_with_positions(entries=st.one_of(finite(np.float32), st.sampled_from([1.0, -1.0, 0.0])), shapes=[(4,)]))
def test_the_signs_of_a_sample_are_those_of_exact_sums(g):
    """Wherever no two products of an entry are opposed; elsewhere unless the sum is below what rounding can make."""
    found = np.concatenate(list(dg.pairs.gradient_signs(g.delta, g.a)))
    for n, k, j in np.ndindex(found.shape):
        products = [
            Fraction(float(d)) * Fraction(float(a)) for d, a in zip(g.delta[n, :, k], g.a[n, :, j], strict=True)
        ]
        total, size = sum(products), sum(abs(product) for product in products)
        if abs(total) == size or abs(total) > 8 * Fraction(2) ** -53 * size:
            assert found[n, k, j] == (total > 0) - (total < 0)


@pytest.mark.parametrize("size", [1e-200, 1e-300, 1e200, 1e300])
def test_a_sum_that_no_float_holds_has_a_sign(size):
    g = mg.WeightGradient(np.array([[[size], [-size]]]), size * np.array([[[2.0, 1, 1], [1, 2, 1]]]))
    assert not dg.single_signed_rows(g, per_sample=True).any()
    same = mg.WeightGradient(np.abs(g.delta), g.a)
    assert dg.single_signed_rows(same, per_sample=True).all()
    assert not dg.zero_rows(same, per_sample=True).any()


def test_a_product_is_no_zero_beside_larger_factors():
    """1e-200 times 1e-200, where the largest delta and the largest a stand at other positions, beside zeros."""
    delta, a = np.array([[[1.0], [0], [1e-200]]]), np.array([[[0.0], [1], [1e-200]]])
    assert not dg.zero_rows(mg.WeightGradient(delta, a), per_sample=True).any()


def test_infinities_that_cancel_have_no_sign():
    one = np.ones((1, 2, 1))
    g = mg.WeightGradient(one, np.array([[[np.inf], [-np.inf]]]))
    with pytest.raises(ValueError, match="^the sum over the positions of g holds NaN"):
        dg.single_signed_rows(g, per_sample=True)
    assert dg.single_signed_rows(mg.WeightGradient(one, np.abs(g.a)), per_sample=True).all()


def test_samples_in_blocks(monkeypatch, rng):
    g = mg.WeightGradient(rng.standard_normal((23, 4, 3)), rng.standard_normal((23, 4, 5)))
    whole = dg.single_signed_rows(g, per_sample=True), dg.orthant_pairs(g), dg.sign_entropy_bits(g)
    monkeypatch.setattr("minigrad.diagnostics.pairs.BLOCK", 5 * 15)
    monkeypatch.setattr("minigrad.diagnostics.signs.PAIRS", 2 * 23 * 5)
    np.testing.assert_array_equal(dg.single_signed_rows(g, per_sample=True), whole[0])
    assert (dg.orthant_pairs(g), dg.sign_entropy_bits(g)) == whole[1:]


@given(pairs_with_positions())
def test_delta_agreement_counts_positions(g):
    moved = [d for places in position_pairs(g) for d, _ in places if d.any()]
    expected = np.mean([single(d) for d in moved]) if moved else math.nan
    assert dg.delta_agreement(backprop_of(conv=g)) == pytest.approx({"conv": expected}, nan_ok=True)


@given(pairs_with_positions())
def test_orthant_pairs_compares_the_samples_gradients(g):
    """Row k of each sample's gradient takes the place of delta_nk a_n, one k after the other."""
    rows, shares = np.array(sample_gradients(g)), []
    for k in range(rows.shape[1]):
        shares.append(pair_by_pair(mg.WeightGradient(np.ones((len(rows), 1)), rows[:, k])))
    counted = [share for share in shares if not math.isnan(share)]
    expected = np.mean(counted) if counted else math.nan
    assert dg.orthant_pairs(g) == pytest.approx(expected, nan_ok=True)
    flat = mg.WeightGradient(*g.rows())
    assert dg.orthant_pairs(flat) == pytest.approx(pair_by_pair(flat), nan_ok=True)


def test_positions_end_what_positive_inputs_share():
    """delta turns its sign over the positions: two samples with a > 0 and updates in unlike orthants."""
    g = mg.WeightGradient(np.array([[[1.0], [-1]], [[1], [1]]]), np.array([[[2.0, 1], [1, 2]], [[1, 1], [2, 1]]]))
    assert dg.orthant_pairs(g) == 0
    assert dg.orthant_pairs(mg.WeightGradient(*g.rows())) == 1


# ---- sums and means --------------------------------------------------------------------------------------


@given(pairs_with_positions())
def test_mean_and_fluctuation_over_samples_and_positions(g):
    found, inputs = dg.mean_fluctuation_split(g), all_inputs(g.a)
    bias = sum(d for places in position_pairs(g) for d, _ in places) / len(g.delta)
    np.testing.assert_allclose(found.mean_part, np.outer(bias, inputs.mean(axis=0)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        found.mean_part + found.fluctuation, sum(sample_gradients(g)) / len(g.delta), rtol=1e-5, atol=1e-5
    )


@given(pairs_with_positions(N=5), st.integers(1, 5), seeds)
def test_batches_are_drawn_from_samples_with_all_their_positions(g, B, seed):
    n = np.random.default_rng(seed).choice(5, B, replace=False)
    rows = sum(sample_gradients(mg.WeightGradient(g.delta[n], g.a[n])))
    moved = [single(row) for row in rows if row.any()]
    expected = np.mean(moved) if moved else math.nan
    assert dg.batch_survival(g, B, draws=1, rng=seed) == pytest.approx(expected, nan_ok=True)
    with pytest.raises(ValueError, match="^batch_size is 6, but g has 5 samples"):
        dg.batch_survival(g, 6)


OF_INPUTS = {
    "second_moment": dg.second_moment,
    "spectrum, with bias": lambda a: dg.spectrum(a, bias=True),
    "condition_number": dg.condition_number,
    "condition_number, null space left out": lambda a: dg.condition_number(a, null_space=False),
    "rank": dg.rank,
    "coherence": dg.coherence,
    "critical_batch": dg.critical_batch,
    "max_stable_lr": dg.max_stable_lr,
    "gram_signs, with bias": lambda a: dg.gram_signs(a, bias=True),
    "best_diagonal_condition": dg.best_diagonal_condition,
    "survival_limit": lambda a: dg.survival_limit(a, draws=50, rng=0),
    "narrow_cone": lambda a: dg.narrow_cone(a).sin_theta,
    "nearest_reachable": lambda a: dg.nearest_reachable(np.eye(a.shape[-1]), a).update,
}


@pytest.mark.parametrize("instrument", OF_INPUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 6), (2, 1, 3), (1, 2, 3)])
def test_instruments_of_inputs_take_every_position_for_a_row(instrument, dtype, shape, rng):
    a = (rng.standard_normal((*shape, 3)) + 0.5).astype(dtype)
    found, expected = (OF_INPUTS[instrument](v) for v in (a, all_inputs(a).astype(dtype)))
    np.testing.assert_array_equal(found, expected)


@given(pairs_with_positions(shapes=[(3,), (2, 2)]), st.booleans())
def test_the_second_moment_is_the_mean_over_samples_and_positions(g, bias):
    H = np.zeros((g.a.shape[-1] + bias,) * 2)
    for places in position_pairs(g):
        for _, a in places:
            a = np.append(a, 1.0) if bias else a
            H += np.outer(a, a) / (len(g.a) * len(places))
    np.testing.assert_allclose(dg.second_moment(g.a, bias), H, rtol=1e-12, atol=1e-12)


OF_PAIRS = {
    "single_signed_rows": dg.single_signed_rows,
    "single_signed_rows, per sample": lambda g: dg.single_signed_rows(g, per_sample=True),
    "single_signed_rows, per position": lambda g: dg.single_signed_rows(g, per_position=True).ravel(),
    "single_signed_share, per sample": lambda g: dg.single_signed_share(g, per_sample=True),
    "zero_rows, per sample": lambda g: dg.zero_rows(g, per_sample=True),
    "sign_pattern": dg.sign_pattern,
    "sign_entropy_bits": dg.sign_entropy_bits,
    "orthant_pairs": dg.orthant_pairs,
    "delta_agreement": lambda g: dg.delta_agreement(backprop_of(l=g))["l"],
    "mean_fluctuation_split": lambda g: dg.mean_fluctuation_split(g).fluctuation,
    "batch_survival": lambda g: dg.batch_survival(g, 2, rng=0),
    "max_stable_lr": lambda g: dg.max_stable_lr(g, loss=mg.MSELoss()),
    "attenuation": lambda g: np.concatenate(dg.attenuation(backprop_of(l=g))[1:3]),
    "curvature_outlier": lambda g: dg.curvature_outlier(backprop_of(l=g))["l"],
}


@pytest.mark.parametrize("instrument", OF_PAIRS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ones", [(1,), (1, 1)])
def test_one_position_is_the_same_as_none(instrument, dtype, ones, rng):
    for N in (1, 7) if instrument != "batch_survival" else (7,):
        delta, a = (rng.standard_normal((N, width)).astype(dtype) for width in (3, 4))
        g = mg.WeightGradient(delta.reshape(N, *ones, 3), a.reshape(N, *ones, 4))
        expected = OF_PAIRS[instrument](mg.WeightGradient(delta, a))
        np.testing.assert_array_equal(OF_PAIRS[instrument](g), expected)


# ---- the curvature ---------------------------------------------------------------------------------------


def zero_net(J, K, *above):
    """A Linear with weights and bias 0, so that every output is undecided."""
    return mg.Sequential(mg.Linear(J, K, init="zeros"), *above)


@pytest.mark.parametrize("loss", [mg.MSELoss(), mg.BCEWithLogitsLoss(), mg.CrossEntropyLoss()])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3)])
def test_the_limit_of_a_last_layer_is_two_over_the_sharpness(loss, shape, rng):
    """delta and the curvature in each output carry 1/P, and each weight is used P times: nothing is left of P."""
    net, x, y = zero_net(4, 2), rng.standard_normal((5, *shape, 4)) + 0.5, rng.integers(0, 2, (5, *shape, 2))
    y = y[..., 0] if isinstance(loss, mg.CrossEntropyLoss) else y
    g = mg.backprop(net, loss, x, y).gradients["0"]
    limit = 2 / dg.sharpness(net, loss, x, y, tolerance=1e-9)
    assert dg.max_stable_lr(g, bias=True, loss=loss) == pytest.approx(limit, rel=1e-6)
    curvature = loss.largest_curvature(2)
    assert dg.max_stable_lr(g.a, bias=True, curvature=curvature) == dg.max_stable_lr(g, bias=True, loss=loss)


class Mix(mg.Layer):
    """(N, P, K) -> (N, Q, K), or (N, K): sums over the positions with weights (Q, P), or (P,), that are not trained."""

    def __init__(self, weights):
        self.weights = weights

    def forward(self, x):
        return np.einsum("...p,npk->n...k", self.weights, x), None

    def backward(self, delta, saved):
        delta = delta if delta.ndim == 3 else delta[:, None]
        return np.einsum("qp,nqk->npk", np.atleast_2d(self.weights), delta), {}


@pytest.mark.parametrize(("K", "shape"), [(2, (3, 3)), (2, (3,)), (2, (1, 3)), (3, (2, 4)), (2, (4, 2))])
def test_the_outlier_is_the_sharpness_where_labels_come_as_expected(K, shape, rng):
    """Every choice of labels for the Q positions of the output once, behind a layer whose P positions are mixed."""
    mixing, Q = rng.standard_normal(shape), shape[0] if len(shape) == 2 else 1
    net, x = zero_net(3, K, Mix(mixing)), rng.standard_normal((4, shape[-1], 3)) + 0.7
    labels = np.array(list(itertools.product(range(K), repeat=Q)))
    y = np.repeat(labels, 4, axis=0)  # (4 K^Q, Q)
    y, x = y if len(shape) == 2 else y[:, 0], np.concatenate([x] * len(labels))
    bp = mg.backprop(net, mg.CrossEntropyLoss(), x, y)
    value, bound = dg.curvature_outlier(bp)["0"]
    assert value == pytest.approx(dg.sharpness(net, mg.CrossEntropyLoss(), x, y, tolerance=1e-9), rel=1e-6)
    assert 0 < bound < np.inf


@pytest.mark.parametrize("K", [2, 3])
def test_the_bound_of_a_last_layer(K, rng):
    """P times the second moment of the summed delta is softmax's curvature, (1 - 11^T/K) / K: its lambda_1 is 1 / K."""
    x = rng.standard_normal((6, 2, 3)) + 0.7
    labels = np.repeat(np.array(list(itertools.product(range(K), repeat=2))), 6, axis=0)
    bp = mg.backprop(zero_net(3, K), mg.CrossEntropyLoss(), np.concatenate([x] * K**2), labels)
    value, bound = dg.curvature_outlier(bp)["0"]
    assert bound == pytest.approx((np.square(all_inputs(x).mean(axis=0)).sum() + 1) / K, rel=1e-9)
    assert bound < value


@given(pairs_with_positions(shapes=SHAPES), pairs_with_positions(shapes=SHAPES), st.booleans())
def test_the_outlier_is_that_of_the_samples_gradients(g, last, bias):
    """The positions of the net's output count, which need not be those of the layer."""
    bp = backprop_of(hidden=g, last=last)
    if bias:
        bp._arrays["hidden.bias"] = np.zeros(1)
    P = math.prod(last.delta.shape[1:-1])
    a = np.concatenate([g.a, np.ones((*g.a.shape[:-1], 1))], axis=-1) if bias else g.a
    vectors = np.array(sample_gradients(mg.WeightGradient(g.delta, a))).reshape(len(a), -1)
    sums = np.array([sum(d for d, _ in places) for places in position_pairs(g)])
    mean = all_inputs(a).mean(axis=0)
    expected = (
        P * np.linalg.eigvalsh(vectors.T @ vectors / len(a))[-1],
        P * np.linalg.eigvalsh(sums.T @ sums / len(a))[-1] * mean @ mean,
    )
    np.testing.assert_allclose(dg.curvature_outlier(bp)["hidden"], expected, rtol=1e-6, atol=1e-9)


@given(pairs_with_positions(), pairs_with_positions())
def test_attenuation_takes_the_positions_of_a_sample_together(first, last):
    found = dg.attenuation(backprop_of(first=first, last=last))
    for g, norm, averaged in zip((first, last), found.norms, found.averaged, strict=True):
        squares = [sum(d @ d for d, _ in places) for places in position_pairs(g)]
        assert norm == pytest.approx(math.sqrt(np.mean(squares)))
        total = sum(d for places in position_pairs(g) for d, _ in places) / len(g.delta)
        assert averaged == pytest.approx(np.linalg.norm(total))


# ---- nets and updates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_saturated_and_dead_units_over_all_positions(dtype, rng):
    z = (4 * rng.standard_normal((3, 2, 5, 4))).astype(dtype)
    z[..., 1] = -abs(z[..., 1])
    relu, sigmoid = (dg.saturation(mg.Sequential(layer), z)["0"] for layer in (mg.ReLU(), mg.Sigmoid()))
    assert relu.low == relu.zero == np.mean([v <= 0 for v in z.ravel()])
    slopes = [(v, 1 / (2 + np.exp(v) + np.exp(-v))) for v in z.astype(float).ravel()]
    assert sigmoid.low == np.mean([v <= 0 and slope < 0.01 for v, slope in slopes])
    assert sigmoid.high == np.mean([v > 0 and slope < 0.01 for v, slope in slopes])
    assert dg.dead_units(mg.Sequential(mg.ReLU()), z)["0"].tolist() == [False, True, False, False]
    with pytest.raises(ValueError, match="no positions"):
        dg.dead_units(mg.Sequential(mg.ReLU()), z[:, :, :0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_flips_and_rotations_of_every_position(dtype, rng):
    net, x = mg.mlp([3, 2], dtype=dtype, rng=0), rng.standard_normal((4, 2, 5, 3)).astype(dtype)
    signs, Q = np.array([1, -1, -1]), np.linalg.qr(rng.standard_normal((3, 3)))[0]
    for (changed, turned), by in ((dg.gauge_flip(net, x, signs), np.diag(signs)), (dg.rotate(net, x, Q), Q)):
        assert turned.shape == x.shape
        assert turned.dtype == dtype
        for place in np.ndindex(x.shape[:-1]):
            np.testing.assert_allclose(turned[place], by @ x[place], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(changed(turned), net(x), rtol=1e-4, atol=1e-5)
    for refused in (dg.gauge_flip, dg.rotate):
        with pytest.raises(ValueError, match=r"^x has shape \(4, 2, 5, 2\)"):
            refused(net, x[..., :2], signs if refused is dg.gauge_flip else Q)


@given(st.data(), st.sampled_from([(4,), (2, 2), (1, 2, 2)]))
def test_positions_are_what_an_update_can_be_made_of(data, leading):
    """The delta and the coefficients come back in the shape of a, and make the update that is claimed."""
    pytest.importorskip("scipy")
    a = data.draw(arrays(np.float64, (*leading, 3), st.integers(-3, 3).map(float)))
    pattern = data.draw(arrays(np.float64, (2, 3), st.sampled_from([-1.0, 0.0, 1.0])))
    found = dg.is_reachable(pattern, a)
    assert found.rows.tolist() == dg.is_reachable(pattern, all_inputs(a)).rows.tolist()
    assert found.delta.shape == (*leading, 2)
    made = sum(sample_gradients(mg.WeightGradient(found.delta, a)))
    assert (made * pattern >= 0)[found.rows].all()
    assert ((made * pattern > 0) | (pattern == 0))[found.rows].all()
    signs = data.draw(arrays(np.float64, (*leading, 2), st.sampled_from([-1.0, 0.0, 1.0])))
    for asked in (None, signs, signs[..., 0]):
        nearest = dg.nearest_reachable(np.array([[1.0, 2, -1], [0, 1, 1]]), a, asked)
        assert nearest.coefficients.shape == (*leading, 2)
        made = sum(sample_gradients(mg.WeightGradient(nearest.coefficients, a)))
        np.testing.assert_allclose(nearest.update, made, atol=1e-9)
        if asked is not None:
            wide = asked if asked.ndim == len(leading) + 1 else asked[..., None]
            assert (nearest.coefficients * wide >= 0).all()
    with pytest.raises(ValueError, match=r"^signs has shape \(3,\), expected \(.*\) or \(.*2\)"):
        dg.nearest_reachable(np.eye(3)[:2], a, np.ones(3))


# ---- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("instrument", [dg.single_signed_rows, dg.zero_rows, dg.single_signed_share])
def test_one_unit_at_a_time(instrument):
    g = mg.WeightGradient(np.ones((2, 3, 1)), np.ones((2, 3, 2)))
    with pytest.raises(ValueError, match="^per_sample and per_position are both True.*choose one$"):
        instrument(g, per_sample=True, per_position=True)
    with pytest.raises(TypeError, match="^per_position needs a WeightGradient, got a ndarray"):
        instrument(np.ones((2, 2)), per_position=True)
    with pytest.raises(TypeError, match="^per_position must be True or False, not 1"):
        instrument(g, per_position=1)
    for flags in ({"per_sample": True}, {"per_position": True}):
        with pytest.raises(ValueError, match="^g.delta holds NaN"):
            instrument(mg.WeightGradient(g.delta * np.nan, g.a), **flags)
        with pytest.raises(ValueError, match="^g.a holds NaN"):
            instrument(mg.WeightGradient(g.delta, g.a * np.nan), **flags)


@pytest.mark.parametrize("instrument", OF_PAIRS.keys() - {"attenuation"})
@pytest.mark.parametrize(
    ("delta", "a", "message"),
    [
        (np.ones((2, 3, 1)), np.ones((2, 4, 2)), r"\(2, 3, 1\) and a of shape \(2, 4, 2\), expected .*positions"),
        (np.ones((2, 3, 1)), np.ones((2, 2)), r"\(2, 3, 1\) and a of shape \(2, 2\), expected"),
        (np.ones((2, 2, 3, 1)), np.ones((2, 6, 2)), r"\(2, 2, 3, 1\) and a of shape \(2, 6, 2\), expected"),
        (np.ones((2, 0, 1)), np.ones((2, 0, 2)), r"\(2, 0, 1\) and a of shape \(2, 0, 2\): there are no positions"),
    ],
)
def test_positions_that_do_not_fit_are_refused(instrument, delta, a, message):
    with pytest.raises(ValueError, match=rf"^(g|l) has delta of shape {message}"):
        OF_PAIRS[instrument](mg.WeightGradient(delta, a))
