"""The bridge's steps against those of scikit-learn's own networks, from the same weights, to 1e-10."""

import inspect

import numpy as np
import pytest

neural_network = pytest.importorskip("sklearn.neural_network")

bridge = pytest.importorskip("minigrad.bridges.sklearn")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(61, 5))
KINDS = {  # name -> (estimator, targets)
    "two classes": ("MLPClassifier", X[:, 0] > 0),
    "three classes": ("MLPClassifier", np.array(["b", "a", "c"])[np.digitize(X[:, 1], [-0.5, 0.5])]),
    "labels": ("MLPClassifier", (X[:, :3] > 0.2).astype(int)),
    "one value": ("MLPRegressor", 2 * X[:, 0] + X[:, 1] ** 2),
    "three values": ("MLPRegressor", np.column_stack([2 * X[:, 0], X[:, 1] ** 2, X[:, 2] * X[:, 3]])),
}
TAKES_WEIGHTS = "sample_weight" in inspect.signature(neural_network.MLPClassifier.fit).parameters  # from 1.7
SETTINGS = {
    "plain": {"momentum": 0.0},
    "nesterov": {"momentum": 0.9},
    "momentum": {"momentum": 0.6, "nesterovs_momentum": False},
    "relu": {"activation": "relu", "hidden_layer_sizes": (9,)},
    "logistic": {"activation": "logistic", "hidden_layer_sizes": (6, 3, 4)},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "batches": {"batch_size": 16},  # of which the last has 13
    "adam": {"solver": "adam", "epsilon": 1e-30},  # where both add it differently, it must not count
    "adam in batches": {"solver": "adam", "epsilon": 1e-30, "beta_1": 0.7, "beta_2": 0.95, "batch_size": 7},
    "falling rate": {"learning_rate": "invscaling", "power_t": 0.3, "momentum": 0.0, "batch_size": 20},
    "stops": {"tol": 0.05, "n_iter_no_change": 3, "max_iter": 80},
    "adaptive": {"learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1, "momentum": 0.0, "max_iter": 60},
    "penalty": {"alpha": 2.0, "max_iter": 1},  # a step from biases of 0, which alpha would shrink here alone
    "penalty with adam": {"alpha": 0.5, "max_iter": 1, "solver": "adam", "epsilon": 1e-30},
    "weights and penalty": {"alpha": 2.0, "max_iter": 1, "sample_weight": RNG.random(len(X))},
    "weights": {"sample_weight": RNG.integers(0, 4, len(X)).astype(float)},
}


def both(kind, sample_weight=None, **settings):
    """(ours, scikit-learn's), trained from the same weights, those of ours after one epoch of both."""
    name, y = KINDS[kind]
    common = {"hidden_layer_sizes": (7, 4), "activation": "tanh", "solver": "sgd", "learning_rate_init": 0.05}
    common |= {"alpha": 0.0, "shuffle": False, "max_iter": 25, "tol": 0.0, "n_iter_no_change": 1000} | settings
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    mine, theirs = (getattr(module, name)(**common, warm_start=True) for module in (bridge, neural_network))
    for mlp in (mine, theirs):
        mlp.set_params(max_iter=1, random_state=0).fit(X, y, **weights).set_params(max_iter=common["max_iter"])
        mlp.loss_curve_.clear()
    for ours, other in zip(parameters(mine), parameters(theirs), strict=True):
        ours[...] *= 1 if ours.ndim > 1 or not common["alpha"] else 0
        other[...] = ours
    mine._best, theirs.best_loss_, mine.t_, theirs.t_ = -np.inf, np.inf, 0, 0
    return mine.fit(X, y, **weights), theirs.fit(X, y, **weights)


def parameters(mlp):
    return [*mlp.coefs_, *mlp.intercepts_]


@pytest.mark.filterwarnings("ignore:the samples are sorted")
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_steps(kind, setting):
    if "sample_weight" in SETTINGS[setting] and not TAKES_WEIGHTS:
        pytest.skip("this scikit-learn's networks take no sample_weight")
    mine, theirs = both(kind, **SETTINGS[setting])
    assert mine.n_iter_ == theirs.n_iter_
    for a, b in zip(parameters(mine), parameters(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)
    assert mine.out_activation_ == theirs.out_activation_
    assert (mine.n_layers_, mine.n_outputs_, mine.t_) == (theirs.n_layers_, theirs.n_outputs_, theirs.t_)
    answer = "predict" if isinstance(mine, bridge.MLPRegressor) else "predict_proba"
    np.testing.assert_allclose(getattr(mine, answer)(X), getattr(theirs, answer)(X), rtol=0, atol=1e-9)
    if "batch_size" not in SETTINGS[setting]:  # a smaller last batch counts as much as the others in our curve
        np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, rtol=1e-10, atol=1e-12)
        assert mine.best_loss_ == pytest.approx(theirs.best_loss_, rel=1e-10)
