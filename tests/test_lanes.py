"""What the lanes of the compiled core are given: orders of samples, drawn as NumPy draws them, and refusals."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import DTYPES, seeds

import minigrad as mg
from minigrad.training import orders as drawing
from minigrad.training import side_by_side

# ---- orders ----------------------------------------------------------------------------------------------------

GENERATORS = (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)


@given(
    bits=st.sampled_from(GENERATORS),
    N=st.integers(1, 300),
    epochs=st.integers(1, 4),
    lanes=st.integers(1, 3),
    half=st.booleans(),
    seed=seeds,
)
@example(np.random.PCG64, 65537, 1, 1, True, 0)
@example(np.random.MT19937, 2**20, 1, 2, False, 1)
def test_orders_are_those_that_numpy_draws(compiled, bits, N, epochs, lanes, half, seed):
    ours, theirs = np.random.Generator(bits(seed)), np.random.Generator(bits(seed))
    if half:  # of 64 bits are used, the others kept for the next draw
        assert ours.integers(9, dtype=np.uint32) == theirs.integers(9, dtype=np.uint32)
    orders = np.full((epochs, lanes, N), 2**32 - 1, np.uint32)
    compiled.draw_orders(orders[:, -1], ours.bit_generator)
    np.testing.assert_array_equal(orders[:, -1], [theirs.permutation(N) for _ in range(epochs)])
    assert (orders[:, :-1] == 2**32 - 1).all()
    np.testing.assert_equal(ours.bit_generator.state, theirs.bit_generator.state)


def test_another_numpy_would_draw_its_own_orders(compiled, monkeypatch):
    monkeypatch.setattr(drawing, "_draws_as_numpy", lambda: False)
    monkeypatch.delattr(compiled, "draw_orders")
    orders = np.zeros((2, 9), np.uint32)
    drawing.draw(orders, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(orders, [rng.permutation(9) for _ in orders])


def test_whether_the_core_draws_as_numpy_is_tried(compiled, monkeypatch):
    def drawn():
        drawing._draws_as_numpy.cache_clear()
        return drawing._draws_as_numpy()

    assert drawn()
    with monkeypatch.context() as changed:
        changed.setattr(compiled, "draw_orders", lambda orders, bits: orders.fill(0))
        assert not drawn()
    assert drawn()


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        ([[0, 1]], "orders must be an array, not list"),
        (np.zeros((2, 3), np.int64), "int64"),
        (np.zeros(3, np.uint32), "shape"),
        (np.zeros((3, 2), np.uint32).T, "rows"),
        (np.frombuffer(bytes(24), np.uint32).reshape(2, 3), "rows"),
    ],
    ids=["no array", "type", "axes", "columns", "read-only"],
)
def test_what_is_no_array_of_orders_is_refused(compiled, orders, words):
    with pytest.raises((TypeError, ValueError), match=words):
        compiled.draw_orders(orders, np.random.default_rng(0).bit_generator)


# ---- what Lanes is given ---------------------------------------------------------------------------------------

OPS = (("linear", 3, 4, True), ("tanh", 0.0), ("linear", 4, 2, False))
P = 3 * 4 + 4 + 4 * 2


def program(compiled, dtype, **changed):
    given = {
        "ops": OPS, "loss": "mse", "alpha": 1.0, "threshold": 0.0, "optimizer": "sgd", "x": np.ones((5, 3), dtype),
        "y": np.ones((5, 2), dtype), "batch_size": 2, "validation": None,
    }  # fmt: skip
    return compiled.Lanes(*(given | changed).values())


def arguments(compiled, dtype, **changed):
    width = compiled.LANES
    given = {
        "weights": np.zeros((P, width), dtype), "slots": np.zeros((0, P, width), dtype),
        "orders": np.zeros((2, width, 5), np.uint32), "epochs": 2,
        "rates": np.ones((4, width)) * [[0.1], [0], [0], [0]], "steps": np.zeros(width, np.int64),
    }  # fmt: skip
    return (given | changed).values()


WRONG = {
    "no ops": ({"ops": ()}, "nothing to train"),
    "x without samples": ({"x": np.ones((0, 3))}, "nothing to train"),
    "x with positions": ({"x": np.ones((5, 1, 3))}, "nothing to train"),
    "batch": ({"batch_size": 0}, "batch_size is 0"),
    "long batch": ({"batch_size": 513}, "batch_size is 513"),
    "width of x": ({"x": np.ones((5, 4))}, "the width of a weight is 3, expected 4"),
    "samples of y": ({"y": np.ones((4, 2))}, "y has"),
    "outputs of y": ({"y": np.ones((5, 3))}, "y has"),
    "classes": ({"loss": "cross_entropy", "y": np.array([0, 1, 2, 0, 1])}, "y"),
    "type of classes": ({"loss": "cross_entropy", "y": np.zeros(5)}, "y has dtype float64, expected int64"),
    "width of a weight": ({"ops": (OPS[0], OPS[1], ("linear", 3, 2, False))}, "the width of a weight"),
    "a join of no fork": ({"ops": (*OPS, ("join", 1))}, "op 3 joins op 1, which is no fork"),
    "a join of another's fork": (
        {"ops": (("fork", 3), ("join", 0), *OPS)},
        "op 1 joins op 0, which is no fork that leads",
    ),
    "a join before all": ({"ops": (("fork", 1), ("join", -1), *OPS)}, "op 1 joins op -1, which is no fork"),
    "a join of itself": ({"ops": (("join", 0), *OPS)}, "op 0 joins op 0, which is no fork"),
    "a short cut of another width": (
        {"ops": (("fork", 2), OPS[0], ("join", 0), OPS[2])},
        "the width of a short cut",
    ),
    "validation": ({"validation": (np.ones((2, 4)), np.ones((2, 2)))}, "the width of x"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_no_net_can_be_trained_on_is_refused(compiled, case):
    changed, words = WRONG[case]
    with pytest.raises((TypeError, ValueError), match=words):
        program(compiled, np.float64, **changed)


def test_orders_that_would_fill_the_memory_are_not_drawn(compiled, monkeypatch, capsys):
    monkeypatch.setattr(side_by_side, "MOST_SAMPLES", 5)
    nets = [mg.mlp([3, 2], rng=i) for i in range(16)]
    opts = [mg.SGD(0.1) for _ in nets]
    for N, words in ((5, "side by side"), (6, "alone, because the orders of 6 samples")):
        mg.show_lanes(nets, mg.MSELoss(), opts, np.ones((N, 3)), np.ones((N, 2)))
        assert words in capsys.readouterr().out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "case",
    ["weights", "weights' type", "slots", "momentum", "orders", "orders of another type", "orders beyond", "rates"],
)
def test_what_does_not_fit_into_the_lanes_is_refused_and_changes_nothing(compiled, dtype, case):
    other = np.float32 if dtype is np.float64 else np.float64
    width = compiled.LANES
    weights = np.ones((P, width), dtype)
    wrong = {
        "weights": {"weights": np.ones((P + 1, width), dtype)},
        "weights' type": {"weights": np.ones((P, width), other)},
        "slots": {"slots": np.zeros((1, P + 1, width), dtype), "rates": np.full((4, width), 0.5)},
        "momentum": {"rates": np.full((4, width), 0.5)},
        "orders": {"orders": np.zeros((2, width, 4), np.uint32)},
        "orders of another type": {"orders": np.zeros((2, width, 5), np.int64)},
        "orders beyond": {"orders": np.full((2, width, 5), 5, np.uint32)},
        "rates": {"rates": np.full((5, width), 0.5)},
    }[case]
    given = arguments(compiled, dtype, **{"weights": weights} | wrong)
    with pytest.raises(ValueError, match=case.split()[0].strip("'")):
        program(compiled, dtype).run(*given)
    assert (weights == 1).all()
    loss, right, finite = program(compiled, dtype).run(*arguments(compiled, dtype, weights=weights))
    assert finite.all()
    assert (weights != 1).any()


@pytest.mark.parametrize(
    ("sizes", "nets", "N", "validated", "together"),
    [
        ((3, 4, 2), 2, 64, False, False),  # 26 weights: three nets take as long alone as in lanes
        ((3, 4, 2), 3, 64, False, True),
        ((3, 16, 16, 2), 7, 64, False, False),  # 370: more than half the lanes are never asked for
        ((3, 16, 16, 2), 8, 64, False, True),
        ((3, 4, 2), 1, 64, True, True),  # the core validates sooner than Python does,
        ((3, 4, 2), 1, 600, True, False),  # by as much as 315 samples of 26 weights take
        ((3, 4, 2), 2, 600, True, True),
        ((3, 4, 2), 2, 9000, True, False),
        ((3, 4, 2), 3, 9000, True, True),
    ],
)
def test_how_many_nets_have_to_be_there(compiled, capsys, sizes, nets, N, validated, together):
    x, y = np.ones((N, 3)), np.ones((N, 2))
    nets, opts = [mg.mlp(sizes, rng=i) for i in range(nets)], [mg.SGD(0.1) for _ in range(nets)]
    mg.show_lanes(nets, mg.MSELoss(), opts, x, y, validation=(x, y) if validated else None)
    assert ("side by side" in capsys.readouterr().out) == together
