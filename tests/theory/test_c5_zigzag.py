"""C5, zig-zag: it comes from the learning rate and is no cause of slowness.

Statement. GD on a quadratic multiplies the error along the steepest (Perron) axis by 1 - lr lambda_1 a step.
For lr <= 1 / lambda_1 it never changes sign: no reversal, and a path along that axis of |e_1(0)| at most. At
the best lr, 2 / (lambda_1 + lambda_J), it changes sign every step and the path adds up to kappa |e_1(0)|, in
the limit; yet this run is the faster one: at 1 / lambda_1 a step shrinks the error by 1 - 1/kappa, and (1 -
1/kappa)^2 <= (kappa - 1)/(kappa + 1), so it needs at most twice the steps, and nearly twice when kappa is
large. (Of the two runs to a tolerance eps the zig-zagging one is the faster for every start with more than
about sqrt(eps) of its error off the axis. At 1 / lambda_1 the error on the axis is gone after one step, and that one
step is enough where no more than about eps of the error lies off the axis.)
Only beyond the best lr, towards 2 / lambda_1, do the zig-zags grow while the speed falls. Sigmoid, J = 100:
1994 steps with 1993 reversals against 3983 with none.

Floats. Reversals are counted while |e_1| is above 1e-12 of its beginning: below, its sign is rounding noise.

Converse. Below the best lr more zig-zag goes with MORE speed; the correlation people see is found only above
it.
"""

import numpy as np
import pytest
from exact_inputs import descend, iid_inputs, r_squared, steps_to
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from minigrad.diagnostics import ZigZag, spectrum
from minigrad.layers.activations import ACTIVATIONS

valleys = st.tuples(st.integers(2, 10), st.floats(0.5, 2), st.floats(0.4, 1))  # J, mean, spread: kappa 1.5 to 250


def along_perron(errors):
    """The component (T,) along the mean's direction, the Perron axis of iid units."""
    return errors.sum(axis=1) / np.sqrt(errors.shape[1])


def reversals(component):
    """How often the motion of a component turns round, rounding noise left out."""
    moves = np.diff(component)
    moves = moves[np.abs(moves) > 1e-12 * abs(component[0])]
    return int((moves[1:] * moves[:-1] < 0).sum())


def starting(J, seed):
    """A random error with a part along the Perron axis, and one across it, that are worth following."""
    start = np.random.default_rng(seed).standard_normal(J)
    across = np.arange(J) - (J - 1) / 2
    return start + np.sign(start.sum() or 1) / np.sqrt(J) + np.sign(start @ across or 1) * across / J


def run(valley, seed, relative_lr, target=1e-3):
    """(errors, kappa) at lr = relative_lr / lambda_1, until |e| is target times its beginning."""
    a = iid_inputs(*valley)
    values = spectrum(a)
    lr = relative_lr(values) if callable(relative_lr) else relative_lr / values[0]
    return descend(a, lr, 4000, starting(valley[0], seed), target=target), values[0] / values[-1]


def best(values):
    return 2 / (values[0] + values[-1])


@given(valleys, seeds, st.floats(0.2, 1))
def test_no_reversal_up_to_one_over_lambda(valley, seed, share):
    errors, _ = run(valley, seed, share)
    component = along_perron(errors)
    assert reversals(component) == 0
    assert np.abs(np.diff(component)).sum() <= abs(component[0]) * (1 + 1e-9)


@given(valleys, seeds)
def test_at_the_best_lr_it_zigzags_all_the_way_and_arrives_first(valley, seed):
    errors, kappa = run(valley, seed, best, target=1e-6)
    component = along_perron(errors)
    assert reversals(component) == len(errors) - 2
    np.testing.assert_allclose(np.abs(np.diff(component)).sum(), kappa * abs(component[0]), rtol=1e-4)
    slow, _ = run(valley, seed, 1.0, target=1e-6)
    assert len(errors) - 1 <= len(slow) <= 2 * len(errors)


@pytest.mark.slow
def test_figures_of_sigmoid(rng):
    a = iid_inputs(100, *ACTIVATIONS["sigmoid"]().moments())
    values, start = spectrum(a), rng.standard_normal(100)
    fast = descend(a, best(values), 5000, start, target=1e-3)
    calm = descend(a, 1 / values[0], 5000, start, target=1e-3)
    assert len(fast) - 1 == 1994
    assert reversals(along_perron(fast)) == 1993
    assert 3975 <= len(calm) - 1 <= 3990
    assert reversals(along_perron(calm)) == 0
    kappa = 1 + 100 * r_squared("sigmoid")
    path = np.abs(np.diff(along_perron(fast))).sum() / abs(along_perron(fast)[0])
    assert kappa * (1 - 2e-3) < path < kappa
    assert ZigZag.of_weights(fast, target=np.zeros(100)).length > 50 * ZigZag.of_weights(calm).length / 1.5


@pytest.mark.slow
def test_converse_only_beyond_the_best_lr_does_zigzag_go_with_slowness(rng):
    a = iid_inputs(10, 1.0, 0.5)  # kappa 41: the best lr is 1.952 / lambda_1
    start = starting(10, 0)
    shares = np.array([1.0, 1.3, 1.6, 1.9, 1.952, 1.97, 1.99, 1.997])
    steps = np.array([steps_to(a, share / spectrum(a)[0], 1e-4, start) for share in shares])
    paths = [
        np.abs(np.diff(along_perron(descend(a, share / spectrum(a)[0], 3000, start, target=1e-4)))).sum()
        for share in shares
    ]
    assert (np.diff(paths) > 0).all(), "the zig-zag grows with lr throughout"
    assert (np.diff(steps[:5]) < 0).all(), "and the run gets faster, as long as lr is below the best"
    assert (np.diff(steps[4:]) > 0).all()


def test_converse_an_error_on_the_axis_alone_is_faster_without_zigzag():
    a, start = iid_inputs(6, 1.0, 0.5), np.ones(6)
    assert steps_to(a, 1 / spectrum(a)[0], 1e-3, start) == 1
    assert steps_to(a, best(spectrum(a)), 1e-3, start) > 50


@pytest.mark.parametrize(("off", "calm", "swift"), [(9e-4, True, True), (0.01, False, True), (0.1, False, False)])
def test_one_step_needs_a_rest_of_eps_and_to_be_faster_one_of_its_root(off, calm, swift):
    """off: the part of the error across the axis, eps = 1e-3, whose root is .032."""
    a, across = iid_inputs(6, 1.0, 0.5), np.array([1, -1, 0, 0, 0, 0]) / np.sqrt(2)
    start = np.ones(6) / np.sqrt(6) + off * across
    one, zigzag = (steps_to(a, lr, 1e-3, start) for lr in (1 / spectrum(a)[0], best(spectrum(a))))
    assert (one == 1) == calm
    assert (one < zigzag) == swift


@pytest.mark.slow
def test_converse_beyond_the_best_lr_the_steps_depend_on_the_start():
    """1.999 / lambda_1, J = 100: the first axis decides, so the steps differ with the error's share there."""
    a = iid_inputs(100, *ACTIVATIONS["sigmoid"]().moments())
    values = spectrum(a)
    starts = [np.random.default_rng(seed).standard_normal(100) for seed in range(3)]
    found = [steps_to(a, 1.999 / values[0], 1e-3, start) for start in starts]
    assert max(found) > 1.5 * min(found)
    assert [steps_to(a, best(values), 1e-3, start) for start in starts] == [1994] * 3
