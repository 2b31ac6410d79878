"""Rules on the data: each on a problem that has it, and silent on one close to it."""

import numpy as np
import pytest
from rule_cases import CLASS, VALUE, Case, X, check_found, check_silent, classifier, regressor, relu, root_mean_square

ORDER = np.random.default_rng(1).permutation(len(X))
SORTED = np.argsort(CLASS)
NAN = X.copy()
NAN[[4, 5, 200], [1, 0, 3]] = np.nan, np.inf, np.nan
RARE = (X[:, 0] > np.quantile(X[:, 0], 0.97)).astype(int)


def share_of_the_largest(p):
    return np.bincount(p.y).max() / len(p.y)


def nearest_neighbour(p):
    """Errors of the nearest neighbour's class, over those of two samples at random."""
    x = (p.x - p.x.mean(axis=0)) / p.x.std(axis=0)
    wrong = 0
    for n in range(len(x)):
        distance = np.square(x - x[n]).sum(axis=1)
        distance[n] = np.inf
        wrong += p.y[n] != p.y[distance.argmin()]
    return wrong / len(x) / (1 - np.square(np.bincount(p.y) / len(p.y)).sum())


def changes_of_class(p):
    return np.mean(p.y[1:] != p.y[:-1]) / (1 - np.square(np.bincount(p.y) / len(p.y)).sum())


CASES = {
    "input_shape": Case(lambda: classifier(X.T), classifier),
    "nan_data": Case(lambda: classifier(NAN), lambda: classifier(np.nan_to_num(NAN, posinf=0)), lambda p: 3),
    "target_shape": Case(lambda: regressor(y=VALUE[:, 0]), regressor),
    "one_class": Case(lambda: classifier(y=0 * CLASS), classifier, lambda p: 1),
    "imbalance": Case(
        lambda: classifier(y=RARE, net=relu(4, 16, 2)),
        lambda: classifier(y=(X[:, 0] > 0.5).astype(int), net=relu(4, 16, 2)),
        share_of_the_largest,
    ),
    "unused_outputs": Case(lambda: classifier(net=relu(4, 16, 10)), classifier, lambda p: 7),
    "unscaled_input": Case(
        lambda: classifier(1000 * X), lambda: classifier(2 * X), lambda p: root_mean_square(p.x)
    ),
    "uneven_features": Case(
        lambda: classifier(X * [1, 1, 1, 1000]), lambda: classifier(X * [1, 1, 1, 5]),
        lambda p: p.x.std(axis=0).max() / np.median(p.x.std(axis=0)),
    ),
    "mean_input": Case(
        lambda: classifier(X + 10), lambda: classifier(X + 0.5),
        lambda p: np.square(p.x.mean(axis=0)).sum() / p.x.var(axis=0).sum(),
    ),
    "unscaled_target": Case(
        lambda: regressor(y=1000 * VALUE), lambda: regressor(y=2 * VALUE), lambda p: root_mean_square(p.y)
    ),
    "labels": Case(lambda: classifier(y=CLASS[ORDER]), classifier, nearest_neighbour),
    "sorted_data": Case(
        lambda: classifier(X[SORTED], CLASS[SORTED]), lambda: classifier(X[ORDER], CLASS[ORDER]), changes_of_class
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_problem_that_has_it(name):
    check_found(name, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_a_problem_close_to_it(name):
    check_silent(name, CASES[name])
