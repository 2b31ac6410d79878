"""scikit-learn's own checks of an estimator, on the two of the bridge."""

from unittest import SkipTest

import pytest

estimator_checks = pytest.importorskip("sklearn.utils.estimator_checks")
bridge = pytest.importorskip("minigrad.bridges.sklearn")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@estimator_checks.parametrize_with_checks([bridge.MLPClassifier(), bridge.MLPRegressor()])
def test_scikit_learn_has_no_objection(estimator, check):
    try:
        check(estimator)
    except SkipTest as reason:  # a check skips itself for want of a method, too, and that would go unseen
        if "ARRAY_API" not in str(reason):
            pytest.fail(str(reason))
        pytest.skip(str(reason))
