"""The compiled core's own functions, called with anything: the twin's result, or an error that says which argument."""

import numpy as np
import pytest
from epochs import train_epoch
from fuzz_runner import CASES, check_message, described, run_fuzz
from random_arguments import (
    OneOf,
    classes,
    comparable,
    contiguous,
    finite_and_moderate,
    misfit,
    normal,
    random_inputs,
    shares,
)
from strategies import KINDS

from minigrad.kernels import twin

RELATIVE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-11}  # as in test_core.py


def perhaps(kind):
    return lambda draw: kind(draw) if draw.random() < 0.7 else None


def positive(letters):
    return lambda draw: np.abs(draw.normal(letters))


def anywhere(draw):
    """Some shape, the same for all arrays of one input."""
    return draw.normal(["NK", "N", "", "NKJ", "J"][draw.size("shape") % 5])


RATES = {"lr": OneOf(0.1, 0.7), "momentum": OneOf(0.0, 0.9), "nesterov": OneOf(False, True)}
DECAY = {"weight_decay": OneOf(0.0, 0.01)}
BETAS = {"t": OneOf(1, 2, 30), "lr": OneOf(0.1), "beta1": OneOf(0.9, 0.0), "beta2": OneOf(0.999), "eps": OneOf(1e-8)}
STEP = {"weight": normal("KJ"), "gradient": normal("KJ")}

FUNCTIONS = {
    "affine": {"a": normal("NJ"), "weight": normal("KJ"), "bias": perhaps(normal("K"))},
    "propagate": {"delta": normal("NK"), "weight": normal("KJ")},
    "weight_gradient": {"delta": normal("NK"), "a": normal("NJ")},
    "bias_gradient": {"delta": normal("NK")},
    "activation": {"kind": OneOf(*KINDS), "z": anywhere, "alpha": OneOf(0.01, 1.3)},
    "activation_backward": {
        "kind": OneOf(*KINDS), "delta": anywhere, "saved": anywhere, "alpha": OneOf(0.01, 1.3)
    },
    "exponential": {"x": anywhere},
    "mse": {"output": normal("NK"), "y": normal("NK")},
    "bce": {"output": shares("NK"), "y": shares("NK")},
    "bce_with_logits": {"output": normal("NK"), "y": shares("NK")},
    "cross_entropy": {"output": normal("NK"), "y": classes},
    "soft_cross_entropy": {"output": normal("NK"), "y": shares("NK")},
    "sgd": STEP | {"velocity": perhaps(normal("KJ"))} | RATES | DECAY,
    "rmsprop": STEP | {"square": positive("KJ"), "lr": OneOf(0.1), "alpha": OneOf(0.9), "eps": OneOf(1e-8)} | DECAY,
    "adam": STEP | {"mean": normal("KJ"), "square": positive("KJ")} | BETAS | DECAY | {"decoupled": OneOf(False, True)},
}  # fmt: skip
UPDATES = ("sgd", "rmsprop", "adam")
IN_PLACE = {"weight", "velocity", "mean", "square"}
FLAGS = ("nesterov", "decoupled")  # anything has a truth value


def tolerance(name, values, dtype):
    """(relative, absolute): a product may err by its number of terms, in terms of their absolute values."""
    eps = np.finfo(dtype).eps
    if name in ("affine", "propagate", "weight_gradient", "bias_gradient"):
        sizes = [np.where(np.isfinite(v), np.abs(v), 0) if isinstance(v, np.ndarray) else v for v in values.values()]
        terms = max((max(v.shape, default=0) for v in sizes if isinstance(v, np.ndarray)), default=0)
        return 0, 2 * (terms + 3) * eps * getattr(twin, name)(*sizes)
    if name in ("activation", "exponential"):
        return RELATIVE[dtype], 0
    largest = max(np.abs(v[np.isfinite(v)]).max(initial=1) for v in values.values() if isinstance(v, np.ndarray))
    return RELATIVE[dtype], 8 * eps * float(largest) ** 2


def compare(name, ours, theirs, values):
    """Equal where the numbers are finite, and the same NaN and infinities; beyond moderate sizes the shape alone."""
    dtype = next(v.dtype for v in values.values() if isinstance(v, np.ndarray))
    for mine, other in zip(ours, theirs, strict=True):
        assert np.shape(mine) == np.shape(other)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == other.dtype == dtype
    if not finite_and_moderate(values.values())[1]:
        return
    rtol, atol = tolerance(name, values, dtype)
    for mine, other in zip(ours, theirs, strict=True):
        mine, other = np.asarray(mine), np.asarray(other)
        finite = np.isfinite(other)
        if name in UPDATES or "y" in values:  # inf - inf in the one is inf, or 0 inf is 0, in the other
            assert not np.isfinite(mine[~finite]).any()
            finite &= np.isfinite(mine) | finite_and_moderate(values.values())[0]
        else:
            np.testing.assert_array_equal(np.where(finite, 0, mine), np.where(finite, 0, other))
        with np.errstate(all="ignore"):
            off = np.abs(mine - other) - (rtol * np.abs(other) + np.broadcast_to(atol, other.shape))
        assert (off[finite] <= np.finfo(dtype).tiny).all(), f"{mine} is not {other}"


def usual(name, values):
    """Are all numbers and words among those that fit?"""
    return all(values[key] in kind for key, kind in FUNCTIONS[name].items() if isinstance(kind, OneOf))


def call_once(core, name, draw):
    """One input: refused, with nothing changed, or computed as the twin does."""
    values = random_inputs(draw, FUNCTIONS[name], FLAGS)
    before = {key: comparable(value) for key, value in values.items()}
    copies = {key: contiguous(value) for key, value in values.items()}
    try:
        result = getattr(core, name)(*values.values())
    except (ValueError, TypeError) as error:
        check_message(error)
        assert {key: comparable(value) for key, value in values.items()} == before
        return type(error).__name__
    except (KeyError, OverflowError, np.exceptions.ComplexWarning) as error:  # the layers above have looked at these
        if usual(name, values):
            raise
        return type(error).__name__
    kept = {key for key in values if name not in UPDATES or key not in IN_PLACE}
    try:
        assert not any(isinstance(value, np.ma.MaskedArray) for value in values.values())
        assert {key: comparable(values[key]) for key in kept} == {key: before[key] for key in kept}
        if not usual(name, values):
            return "a result"  # with numbers that no layer lets through
        inputs_kept = {key: contiguous(value) for key, value in copies.items()}
        with np.errstate(all="ignore"):
            expected = getattr(twin, name)(*copies.values())
        if name in UPDATES:
            changed = [key for key in values if key in IN_PLACE and values[key] is not None]
            result, expected = [values[key] for key in changed], [copies[key] for key in changed]
        as_list = [list(r) if isinstance(r, list | tuple) else [r] for r in (result, expected)]
        compare(name, *as_list, inputs_kept)
    except Exception as error:
        raise AssertionError(f"{name}({described(copies)})") from error
    return "a result"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_core_computes_what_its_twin_does_or_says_which_argument_is_wrong(compiled, name):
    run_fuzz(f"core: {name}", 0.4 * CASES / len(FUNCTIONS), lambda draw: call_once(compiled, name, draw))


# ---- the fused epoch ---------------------------------------------------------------------------------------

SLOTS = {"sgd": 1, "rmsprop": 1, "adam": 2, "adamw": 2}
LOSSES = ("mse", "bce_with_logits", "cross_entropy", "soft_cross_entropy")


def epoch(draw):
    """The arguments of train_epoch for a net with a short cut; often one of them, or one inside ops, is spoiled."""
    draw.begin()
    loss, optimizer = draw.choice(LOSSES), draw.choice(list(SLOTS))

    def linear(letters):
        arrays = draw.normal(letters), draw.normal(letters[0])
        return ("linear", *arrays, *(tuple(np.abs(a) for _ in range(SLOTS[optimizer])) for a in arrays))

    ops = [("fork", 2), linear("JJ"), ("join", 0), (draw.choice(KINDS), 0.1), linear("KJ")]
    y = {"cross_entropy": classes, "mse": normal("NK")}.get(loss, shares("NK"))(draw)
    rates = (0.1, 0.9, 0.999, 1e-8, 0.0) if SLOTS[optimizer] == 2 else (0.1, 0.9, 1e-8, 0.0)
    order = draw.numpy_generator().permutation(draw.size("N"))
    values = [ops, loss, 0.5, optimizer, rates, 0, draw.normal("NJ"), y, order, draw.choice((1, 2, 100))]
    with np.errstate(all="ignore"):
        while draw.random() < 0.6:
            place, part = (values, draw.randrange(len(values))) if draw.random() < 0.5 else (ops, draw.randrange(5))
            if place is ops and isinstance(ops[part], tuple) and ops[part] and draw.random() < 0.8:
                entry = list(ops[part])
                entry[draw.randrange(len(entry))] = misfit(draw, draw.choice(entry))
                ops[part] = tuple(entry)
            else:
                place[part] = misfit(draw, place[part])
    return values


def test_the_fused_epoch_trains_or_says_what_is_wrong(compiled):
    def call_once(draw):
        values = epoch(draw)
        before = comparable(values)
        try:
            total, right, steps, finite = train_epoch(compiled, *values)
        except Exception as error:  # only minigrad calls it: what counts is that it touches no memory but its own
            assert comparable(values) == before
            return type(error).__name__
        assert np.isfinite(total)
        assert comparable(values[6:9]) == before[6:9]
        assert 0 <= steps <= len(values[6])
        assert finite in (True, False)
        return "a result"

    run_fuzz("core: train_epoch", 0.05 * CASES, call_once)
