"""What the studies share: the net builder, the search for a learning rate, runs that end at a target, the bands."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.studies import Config, lab, style


def test_the_net_is_the_same_whatever_is_added():
    widths = [5, 4, 4, 4, 3]
    plain = lab.net(widths, "tanh", seed=2)
    kinds = {}
    for added in ("", "batchnorm", "residual"):
        net = lab.net(widths, "tanh", added=added, seed=2)
        weights = [array for array in net.state_dict().values() if array.ndim == 2]
        for array, same in zip(weights, [w for w in plain.state_dict().values() if w.ndim == 2], strict=True):
            np.testing.assert_array_equal(array, same)
        kinds[added] = [type(layer).__name__ for layer in net]
    block = ["Linear", "Tanh"]
    assert kinds[""] == [*block * 3, "Linear"]
    assert kinds["batchnorm"] == [*["Linear", "BatchNorm", "Tanh"] * 3, "Linear"]
    assert kinds["residual"] == [*block, "Residual", "Residual", "Linear"]
    assert lab.sizes(np.ones((7, 5)), [4, 4], np.array([0, 2, 1])) == [5, 4, 4, 3]


def costs(table, tried):
    """epochs(lr, most) for search_rates, from a table; what is asked for is noted in `tried`."""

    def epochs(lr, most):
        tried.append((lr, most))
        return table[lr] if table[lr] <= most else math.inf

    return epochs


def test_the_search_goes_from_the_middle_outwards_and_leaves_a_side_that_gets_worse():
    tried = []
    table = {1: 10, 2: 30, 0.5: 8, 4: 12, 0.25: 9, 8: 1, 0.1: 20, 0.05: 1}
    found = lab.search_rates(list(table), costs(table, tried), 25)
    assert [lr for lr, _ in tried] == [1, 2, 0.5, 4, 0.25, 0.1], "8 and 0.05 lie beyond two that were no better"
    assert [most for _, most in tried] == [25, 20, 20, 16, 16, 16], "each at most twice the best so far"
    assert found == {1: 10, 2: math.inf, 0.5: 8, 4: 12, 0.25: 9, 0.1: math.inf}


def test_the_search_goes_on_while_nothing_has_arrived():
    table = {16: math.inf, 8: math.inf, 4: math.inf, 2: 7, 1: 5, 0.5: 5, 0.25: 6, 0.125: 4}
    found = lab.search_rates(list(table), costs(table, []), 100)
    assert min(found, key=found.get) == 1
    assert 0.125 not in found, "a rate that is as good counts as no better"


def test_with_patience_one_a_slower_run_is_not_finished():
    tried = []
    table = {1: 10, 3: 6, 0.3: 9}
    assert min(lab.search_rates(list(table), costs(table, tried), 50, patience=1).values()) == 6
    assert [most for _, most in tried] == [50, 10, 6]


def test_a_run_ends_at_its_target_and_where_there_is_no_hope(rng):
    x, y = rng.standard_normal((64, 5)), rng.integers(0, 3, 64)

    def losses(lr, target, most):
        return lab.losses_until(mg.mlp([5, 8, 3], "tanh", rng=0), mg.SGD(lr), x, y, target, most, 0)

    arrived = losses(0.3, 0.9, 100)
    assert arrived[-1] <= 0.9 < min(arrived[:-1])
    assert lab.epochs_to(0.9, arrived) == len(arrived)
    assert len(losses(0.3, 0.0, 4)) == 4
    hopeless = losses(10.0, 0.0, 50)
    assert len(hopeless) == 3
    assert hopeless[-1] > 2 * math.log(3)
    assert losses(1.7e308, 0.0, 50) == []
    assert lab.epochs_to(0.0, hopeless) == lab.epochs_to(0.0, []) == math.inf


def pair(job):
    return job[1:]


def test_runs_are_grouped_by_case():
    found = lab.by_case(Config(), pair, ["a", ("b", 2)], [7, 8], "pairs")
    assert found == {"a": [("a", 7), ("a", 8)], ("b", 2): [(("b", 2), 7), (("b", 2), 8)]}


def test_a_band_is_the_median_between_the_smallest_and_the_largest():
    pytest.importorskip("matplotlib")
    with style.settings():
        ax = style.figure().subplots()
        middle = lab.band(ax, [1, 2], [[1, 5], [2, 9], [6, 6]], "#123456", "o--")
        lab.batch_axis(ax, (1, 2, 4))
    np.testing.assert_array_equal(middle, [2, 6])
    (line,) = ax.lines
    assert (line.get_ydata().tolist(), line.get_linestyle(), line.get_marker()) == ([2, 6], "--", "o")
    corners = ax.collections[0].get_paths()[0].vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == (1, 9)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "4"]
    assert ax.get_xscale() == "log"
