"""What the two estimators answer, remember and refuse, and what they work together with."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import minigrad as mg
import minigrad.diagnostics as dg

sklearn = pytest.importorskip("sklearn")
joblib = pytest.importorskip("joblib")
pipeline = pytest.importorskip("sklearn.pipeline")
bridge = pytest.importorskip("minigrad.bridges.sklearn")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
accuracy_score, r2_score = sklearn.metrics.accuracy_score, sklearn.metrics.r2_score
MLPClassifier, MLPRegressor = bridge.MLPClassifier, bridge.MLPRegressor
RNG = np.random.default_rng(3)
X = RNG.normal(size=(80, 4))
TWO, THREE = X[:, 0] > 0.3, np.digitize(X[:, 1], [-0.6, 0.4])
LABELS, VALUES = (X[:, :2] > 0).astype(int), X[:, 0] - 2 * X[:, 2]
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 30, "learning_rate_init": 0.05, "random_state": 0}


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def by_hand(mlp, x):
    """The outputs, from coefs_ and intercepts_, of a net of tanh."""
    for i, (W, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_, strict=True)):
        x = (np.tanh(x) if i else x) @ W + b
    return x


# ---- answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [[0, 1], [False, True], [7, -2], ["spam", "ham"], [0.0, 1.0]], ids=str)
def test_two_classes_of_any_kind(names):
    y = np.array(names)[TWO.astype(int)]
    mlp = MLPClassifier(**SMALL, activation="tanh").fit(X, y)
    z = by_hand(mlp, X)[:, 0]
    assert mlp.classes_.tolist() == sorted(names)
    np.testing.assert_allclose(mlp.predict_proba(X)[:, 1], 1 / (1 + np.exp(-z)), rtol=1e-12)
    np.testing.assert_allclose(mlp.predict_log_proba(X), np.log(mlp.predict_proba(X)), rtol=1e-9)
    np.testing.assert_allclose(mlp.decision_function(X), z, rtol=1e-12)
    assert mlp.predict(X).tolist() == [sorted(names)[int(value > 0)] for value in z]
    assert mlp.predict(X).dtype == mlp.classes_.dtype
    assert mlp.score(X, y) > 0.9


@pytest.mark.parametrize("names", [[0, 1, 2], ["a", "b", "c"], np.array(["x", "yy", "z"], object)], ids=str)
def test_several_classes(names):
    y = np.array(names)[THREE]
    mlp = MLPClassifier(**SMALL, activation="tanh").fit(X, y)
    z = by_hand(mlp, X)
    np.testing.assert_allclose(mlp.predict_proba(X), softmax(z), rtol=1e-12)
    np.testing.assert_allclose(mlp.predict_log_proba(X), np.log(softmax(z)), rtol=1e-9)
    np.testing.assert_allclose(mlp.decision_function(X), z, rtol=1e-12)
    assert mlp.predict(X).tolist() == [names[k] for k in z.argmax(axis=1)]


def test_labels_that_do_not_exclude_one_another():
    mlp = MLPClassifier(**SMALL, activation="tanh").fit(X, LABELS)
    p = 1 / (1 + np.exp(-by_hand(mlp, X)))
    np.testing.assert_allclose(mlp.predict_proba(X), p, rtol=1e-12)
    np.testing.assert_allclose(mlp.predict_log_proba(X), np.log(p), rtol=1e-9)
    assert mlp.predict(X).tolist() == (p > 0.5).astype(int).tolist()
    assert (mlp.n_outputs_, mlp.out_activation_) == (2, "logistic")


def test_logarithms_of_probabilities_that_round_to_0_are_finite():
    for y in (TWO, THREE, LABELS):
        mlp = MLPClassifier(**SMALL).fit(X, y)
        mlp.coefs_[-1][...] *= 1e5
        assert np.isfinite(mlp.predict_log_proba(X)).all()
        assert (mlp.predict_proba(X) == 0).any() or y is LABELS


def test_a_single_class_is_the_only_answer():
    mlp = MLPClassifier(**SMALL).fit(X, ["only"] * len(X))
    assert set(mlp.predict(X)) == {"only"}
    assert mlp.predict_proba(X).tolist() == [[1.0]] * len(X)


def test_values():
    mlp = MLPRegressor(**SMALL, activation="tanh").fit(X, VALUES)
    np.testing.assert_allclose(mlp.predict(X), by_hand(mlp, X)[:, 0], rtol=1e-12)
    several = MLPRegressor(**SMALL, activation="tanh").fit(X, X[:, :3])
    np.testing.assert_allclose(several.predict(X), by_hand(several, X), rtol=1e-12)
    with pytest.warns(sklearn.exceptions.DataConversionWarning):
        assert MLPRegressor(**SMALL).fit(X, VALUES[:, None]).predict(X).shape == (80,)


@pytest.mark.parametrize("y", [TWO, THREE, LABELS], ids=["two", "three", "labels"])
def test_float32_stays_float32(y):
    mlp = MLPClassifier(**SMALL).fit(X.astype(np.float32), y)
    assert {array.dtype for array in [*mlp.coefs_, *mlp.intercepts_, mlp.predict_proba(X[:3])]} == {np.dtype("f4")}


@pytest.mark.parametrize("activation", ["logistic", "sigmoid", "gelu", "centered_sigmoid", "mish"])
@pytest.mark.parametrize("init", ["he_normal", "torch_default", mg.initializers.normal(0.1)])
def test_activations_and_initialisers_of_minigrad(activation, init):
    mlp = MLPClassifier(**SMALL, activation=activation, init=init).fit(X, THREE)
    kind = "sigmoid" if activation == "logistic" else activation
    assert [layer.kind for layer in mlp.net_ if not isinstance(layer, mg.Linear)] == [kind]
    wanted = mg.mlp([4, 8, 3], kind, init, rng=0)[0].weight.std()
    assert mlp.set_params(max_iter=1, learning_rate_init=1e-12).fit(X, THREE).coefs_[0].std() == pytest.approx(
        wanted, rel=0.5
    )


# ---- training --------------------------------------------------------------------------------------------


def same(a, b, tolerance=0):
    for u, v in zip([*a.coefs_, *a.intercepts_], [*b.coefs_, *b.intercepts_], strict=True):
        np.testing.assert_allclose(u, v, rtol=0, atol=tolerance)


def test_the_seed_decides():
    first, again, other = (MLPClassifier(**SMALL | {"random_state": seed}).fit(X, THREE) for seed in (0, 0, 1))
    same(first, again)
    assert not np.array_equal(first.coefs_[0], other.coefs_[0])
    states = [np.random.RandomState(0) for _ in range(2)]
    runs = [MLPClassifier(**SMALL | {"random_state": states[i]}).fit(X, THREE) for i in (0, 1, 1)]
    same(runs[0], runs[1])
    assert not np.array_equal(runs[1].coefs_[0], runs[2].coefs_[0])  # a generator goes on


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_goes_on_where_it_was(solver):
    """n times one epoch is an epoch n times: the optimizer's state stays, through a pickle too."""
    settings = SMALL | {"solver": solver, "shuffle": False, "alpha": 0.1, "batch_size": 30}
    whole = MLPClassifier(**settings | {"max_iter": 6, "tol": 0.0}).fit(X, THREE)
    parts = MLPClassifier(**settings)
    for i in range(6):
        parts.partial_fit(X, THREE, classes=[0, 1, 2] if i == 0 else None)
        parts = pickle.loads(pickle.dumps(parts)) if i == 2 else parts
    same(whole, parts)
    assert parts.loss_curve_ == whole.loss_curve_
    assert parts.t_ == whole.t_ == 6 * len(X)


def test_partial_fit_may_see_some_classes_only():
    mlp = MLPClassifier(**SMALL)
    for k in (2, 0, 1, 0):
        mlp.partial_fit(X[k == THREE], THREE[k == THREE], classes=[0, 1, 2])
    assert mlp.predict_proba(X).shape == (80, 3)
    several = MLPClassifier(**SMALL).partial_fit(X, LABELS).partial_fit(X[:1], LABELS[:1])
    assert several.predict(X).shape == LABELS.shape
    assert MLPRegressor(**SMALL).partial_fit(X, VALUES).partial_fit(X, VALUES).t_ == 160


def test_warm_start_goes_on_with_the_net():
    settings = SMALL | {"solver": "sgd", "momentum": 0.0, "shuffle": False, "tol": 0.0}
    whole = MLPRegressor(**settings | {"max_iter": 12}).fit(X, VALUES)
    warm = MLPRegressor(**settings | {"max_iter": 5}, warm_start=True).fit(X, VALUES)
    net = warm.net_
    warm.set_params(max_iter=7).fit(X, VALUES)
    assert warm.net_ is net
    assert (warm.n_iter_, len(warm.loss_curve_), warm.t_) == (7, 12, 12 * len(X))
    same(whole, warm)
    cold = MLPRegressor(**settings).fit(X, VALUES)
    net = cold.net_
    assert cold.fit(X, VALUES).net_ is not net


@pytest.mark.parametrize(
    ("make", "y", "score"),
    [(MLPClassifier, THREE, accuracy_score), (MLPClassifier, LABELS, accuracy_score), (MLPRegressor, VALUES, r2_score)],
)
def test_early_stopping_keeps_the_weights_with_the_best_score(make, y, score):
    mlp = make(**SMALL | {"max_iter": 300, "learning_rate_init": 0.05}, early_stopping=True, n_iter_no_change=4)
    mlp.fit(X, y)
    scores = mlp.validation_scores_
    best = int(np.argmax(scores))
    assert mlp.n_iter_ == len(scores) < 300
    stale, reached = 0, -np.inf
    for i, value in enumerate(scores):  # scikit-learn's rule
        stale = stale + 1 if value < reached + mlp.tol else 0
        reached = max(reached, value)
        assert (stale > 4) == (i == len(scores) - 1)
    assert mlp.best_validation_score_ == scores[best]
    assert mlp.best_loss_ is None
    random = np.random.RandomState(0)
    random.randint(2**31 - 1, size=4)  # which the weights and the order begin with
    strata = y if y is THREE else None
    _, x_held, _, y_held = sklearn.model_selection.train_test_split(
        X, y, test_size=0.1, random_state=random, stratify=strata
    )
    assert score(y_held, mlp.predict(x_held)) == pytest.approx(scores[best], abs=1e-12)


def test_weights_of_samples_that_are_0_leave_samples_out():
    weight = (np.arange(80) % 3 > 0).astype(float)
    for make, y in ((MLPClassifier, THREE), (MLPClassifier, TWO), (MLPClassifier, LABELS), (MLPRegressor, VALUES)):
        few = make(**SMALL).fit(X[weight > 0], y[weight > 0])
        same(make(**SMALL).fit(X, y, sample_weight=weight), few, 1e-9)
        early = make(**SMALL, early_stopping=True).fit(X, y, sample_weight=weight + 0.5)
        assert len(early.validation_scores_) == early.n_iter_
    batches = MLPClassifier(**SMALL | {"batch_size": 1}).fit(X[:9], THREE[:9], weight[:9])  # some weigh nothing
    assert np.isfinite(batches.loss_curve_).all()


def test_it_says_that_it_did_not_converge_and_only_then():
    with pytest.warns(sklearn.exceptions.ConvergenceWarning, match="3 epochs of max_iter") as caught:
        MLPClassifier(max_iter=3).fit(X, TWO)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPClassifier(max_iter=50, tol=1.0, n_iter_no_change=2).fit(X, TWO)


def test_a_loss_that_overflows_leaves_the_last_finite_weights():
    mlp = MLPRegressor(**SMALL | {"solver": "sgd", "learning_rate_init": 1e3}, activation="identity")
    with pytest.raises(mg.DivergenceError):
        mlp.fit(X, VALUES)
    assert all(np.isfinite(W).all() for W in mlp.coefs_)


# ---- company ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_pipeline_grid_cross_validation_and_copies(tmp_path, n_jobs):
    x, y = X, THREE
    model = pipeline.make_pipeline(sklearn.preprocessing.StandardScaler(), MLPClassifier(**SMALL))
    grid = {"mlpclassifier__activation": ["relu", "gelu"], "mlpclassifier__init": ["he_normal"]}
    search = sklearn.model_selection.GridSearchCV(model, grid, n_jobs=n_jobs, cv=3).fit(x, y)
    scores = sklearn.model_selection.cross_val_score(search.best_estimator_, x, y, cv=3)
    assert scores.mean() == search.best_score_ > 0.7
    mlp = search.best_estimator_[-1]
    fresh = sklearn.base.clone(mlp)
    assert fresh.get_params() == mlp.get_params()
    assert not hasattr(fresh, "net_")
    scaled = search.best_estimator_[0].transform(x)
    joblib.dump(mlp, tmp_path / "mlp")
    for copy in (pickle.loads(pickle.dumps(mlp)), joblib.load(tmp_path / "mlp")):
        assert copy.predict_proba(scaled).tobytes() == mlp.predict_proba(scaled).tobytes()


def test_tables_are_known_by_their_columns():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = pipeline.make_pipeline(
        sklearn.preprocessing.StandardScaler().set_output(transform="pandas"), MLPClassifier(**SMALL)
    )
    model.fit(frame, pd.Series(THREE).map({0: "low", 1: "mid", 2: "high"}))
    assert model[-1].feature_names_in_.tolist() == list("abcd")
    assert set(model.predict(frame)) <= {"low", "mid", "high"}
    with pytest.raises(ValueError, match="feature names"):
        model[-1].predict(frame[["b", "a", "c", "d"]])


def test_coefs_are_the_net_itself():
    mlp = MLPClassifier(**SMALL).fit(X, THREE)
    linear = [layer for layer in mlp.net_ if isinstance(layer, mg.Linear)]
    assert all(np.shares_memory(W, layer.weight) for W, layer in zip(mlp.coefs_, linear, strict=True))
    assert [W.shape for W in mlp.coefs_] == [(4, 8), (8, 3)]
    mlp.intercepts_[-1][...] += [100.0, 0.0, 0.0]
    assert set(mlp.predict(X)) == {0}
    assert not hasattr(MLPClassifier(), "coefs_")


def test_instruments_and_the_diagnosis_take_the_net():
    mlp = MLPClassifier(**SMALL | {"activation": "sigmoid", "hidden_layer_sizes": (8, 6)}).fit(X, THREE)
    bp = mg.backprop(mlp.net_, mg.CrossEntropyLoss(), X, THREE)
    rows = dg.single_signed_rows(bp.gradients["2"], per_sample=True)  # what sigmoid does to the layer above it
    assert rows.all()
    assert set(dg.saturation(mlp.net_, X)) == {"1", "3"}
    found = mg.diagnose(mlp.net_, mg.CrossEntropyLoss(), X, THREE, mg.Adam(0.01), trial=5)
    assert str(found)


# ---- bad input -------------------------------------------------------------------------------------------

REFUSED = {
    "activation": ("swish", "activation 'swish', expected one of: logistic, .*gelu"),
    "init": ("he", "init 'he', expected one of: glorot_uniform, "),
    "solver": ("adamw", "solver 'adamw', expected one of: sgd, adam"),
    "learning_rate": ("cosine", "learning_rate 'cosine', expected one of: constant, "),
    "hidden_layer_sizes": ((5, 0), r"hidden_layer_sizes\[1\] is 0, expected at least 1"),
    "batch_size": (0, "batch_size is 0"),
    "max_iter": (2.5, "max_iter must be a whole number, not 2.5"),
    "n_iter_no_change": (0, "n_iter_no_change is 0"),
    "alpha": (-1, "alpha is -1"),
    "tol": (-1e-3, "tol is -0.001"),
    "power_t": ("x", "power_t must be a number"),
    "learning_rate_init": (0, "learning_rate_init is 0"),
    "epsilon": (0.0, "epsilon is 0"),
    "momentum": (1.0, r"momentum is 1, expected .* \[0, 1\)"),
    "beta_1": (1.0, "beta_1 is 1"),
    "beta_2": (-0.1, "beta_2 is -0.1"),
    "validation_fraction": (1.0, "validation_fraction is 1"),
    "warm_start": ("no", "warm_start is 'no', expected True or False"),
    "shuffle": (2, "shuffle is 2"),
    "early_stopping": (None, "early_stopping is None"),
    "nesterovs_momentum": ("yes", "nesterovs_momentum is 'yes'"),
    "random_state": ("seed", "seed"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_a_parameter_that_is_wrong_is_named_and_nothing_is_trained(make, name):
    value, message = REFUSED[name]
    mlp = make(**{name: value})
    with pytest.raises((ValueError, TypeError), match=message):
        mlp.fit(X, TWO)
    assert not hasattr(mlp, "net_")


def test_every_parameter_has_its_bad_value():
    assert set(MLPClassifier().get_params()) - set(REFUSED) == {"verbose"}


def refused(act, *words):
    with pytest.raises((ValueError, TypeError)) as caught:
        act()
    assert all(word in str(caught.value) for word in words), caught.value


def test_data_that_do_not_fit_are_refused():
    mlp, holes = MLPClassifier(**SMALL), X.copy()
    holes[3, 1] = np.nan
    refused(lambda: MLPClassifier(solver="lbfgs").fit(X, TWO), "lbfgs", "use 'adam' or 'sgd'")
    refused(lambda: mlp.fit(holes, TWO), "NaN")
    refused(lambda: mlp.fit(X, VALUES), "Unknown label type", "continuous")
    refused(lambda: mlp.fit(X, TWO[1:]), "inconsistent numbers of samples")
    refused(lambda: MLPRegressor().fit(X, np.where(TWO, np.nan, 1)), "NaN")
    sparse = pytest.importorskip("scipy.sparse")
    refused(lambda: mlp.fit(sparse.csr_array(X), TWO), "dense data is required")
    assert mlp.fit(X, sparse.csr_array(LABELS)).predict(X).shape == LABELS.shape
    refused(lambda: mlp.fit(X, TWO, sample_weight=np.ones(79)), "sample_weight has shape (79,), expected (80,)")
    refused(lambda: mlp.fit(X, TWO, sample_weight=-np.ones(80)), "sample_weight has negative numbers")
    refused(lambda: mlp.fit(X, TWO, sample_weight=np.zeros(80)), "sample_weight has zeros")
    refused(lambda: MLPRegressor(early_stopping=True).fit(X[:9], VALUES[:9]), "validation_fraction 0.1", "1 of 9")


def test_training_that_cannot_go_on_is_refused_and_the_net_stays():
    refused(lambda: MLPClassifier().partial_fit(X, TWO), "classes=np.unique(all_y)")
    refused(lambda: MLPClassifier(early_stopping=True).partial_fit(X, TWO, classes=[0, 1]), "early_stopping=False")
    mlp = MLPClassifier(**SMALL).partial_fit(X, THREE, classes=[0, 1, 2])
    before = mlp.net_.state_dict()
    refused(lambda: mlp.partial_fit(X, THREE, classes=[0, 1]), "same as on last call")
    refused(lambda: mlp.partial_fit(X, THREE + 1), "classes [1 2 3]", "[0 1 2]")
    refused(lambda: mlp.partial_fit(X, LABELS), "classes")
    refused(lambda: mlp.partial_fit(X[:, :2], THREE), "features")
    refused(lambda: mlp.set_params(hidden_layer_sizes=(9,)).partial_fit(X, THREE), "Linear(4, 9)", "clone(estimator)")
    mlp.set_params(hidden_layer_sizes=(8,), warm_start=True)
    refused(lambda: mlp.fit(X[THREE < 2], THREE[THREE < 2]), "classes [0 1]")
    assert all(array.tobytes() == before[name].tobytes() for name, array in mlp.net_.state_dict().items())
    warm = MLPRegressor(**SMALL, warm_start=True).fit(X, VALUES)
    refused(lambda: warm.fit(X, X[:, :2]), "Linear(8, 2)")
    assert warm.predict(X).shape == (80,)


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_minigrad_alone_imports_nothing_of_scikit_learn_and_the_bridge_says_what_is_missing():
    assert run("import minigrad, sys; assert 'sklearn' not in sys.modules").returncode == 0
    without = run("import sys; sys.modules['sklearn'] = None; import minigrad.bridges.sklearn")
    assert "ImportError: this bridge needs scikit-learn, which is not installed" in without.stderr
