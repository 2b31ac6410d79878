"""MLPClassifier and MLPRegressor: minigrad's nets behind scikit-learn's interface, for Pipeline and GridSearchCV.

Their parameters have scikit-learn's names, defaults and meanings, so that one can stand where the other stood:

    from minigrad.bridges.sklearn import MLPClassifier
    model = make_pipeline(StandardScaler(), MLPClassifier(activation="gelu", init="he_normal")).fit(X, y)

What was trained is model[-1].net_, an mg.Sequential that ends in a Linear: its outputs are logits, or the values of a
regression. Every diagnostic works on it. The training is mg.fit's.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Self

import numpy as np

from .._advice import shown
from ..layers.activations import sigmoid
from ..layers.containers import Sequential, mlp
from ..layers.initializers import Initializer
from ..layers.linear import Linear
from ..losses import softmax
from . import missing
from .sklearn_training import check_parameters, train

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import LabelEncoder
    from sklearn.utils import check_array, check_random_state, column_or_1d
    from sklearn.utils.multiclass import type_of_target, unique_labels
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise missing("scikit-learn") from error

FLOATS = (np.float64, np.float32)


class _MLP(BaseEstimator):  # type: ignore[misc]
    """What the two share: the parameters, the record, and training."""

    net_: Sequential
    loss_curve_: list[float]
    validation_scores_: list[float] | None

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        init: str | Initializer = "glorot_uniform",
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
    ) -> None:
        for name, value in dict(locals()).items():  # as given: scikit-learn wants the checks to wait for fit
            if name != "self":
                setattr(self, name, value)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new net, or with warm_start the one that there is, on X (N, J) and y; returns the estimator.

        sample_weight (N,), 0 or more: how much each sample counts. Raises ValueError or TypeError where a parameter or
        the data do not fit, and mg.DivergenceError where the loss stops being finite.
        """
        self._train(X, y, sample_weight, again=self.warm_start and hasattr(self, "net_"))
        if self._stale <= self.n_iter_no_change:
            text = f"the loss was still falling after the {self.max_iter} epochs of max_iter"
            warnings.warn(f"{text}; give it more, or a larger learning_rate_init", ConvergenceWarning, stacklevel=2)
        return self

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weights of each layer, (J, K) as in scikit-learn: views of net_'s."""
        return [layer.weight.T for layer in self.net_ if isinstance(layer, Linear)]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases of each layer, (K,): net_'s own."""
        return [layer.bias for layer in self.net_ if isinstance(layer, Linear)]

    @property
    def n_layers_(self) -> int:
        """How many layers there are, the input counted."""
        return len(self.coefs_) + 1

    @property
    def n_outputs_(self) -> int:
        """How many numbers the net gives for a sample."""
        return int(self.net_[-1].out_features)

    @property
    def best_loss_(self) -> float | None:
        """The lowest loss of an epoch; None with early_stopping."""
        return -self._best if self.validation_scores_ is None else None

    @property
    def best_validation_score_(self) -> float | None:
        """The best score on the samples held out; None without early_stopping."""
        return None if self.validation_scores_ is None else self._best

    @property
    def _multilabel(self) -> bool:
        return self.out_activation_ == "logistic" and self.n_outputs_ > 1

    # ---- training ----------------------------------------------------------------------------------------

    def _train(self, X: Any, y: Any, sample_weight: Any, again: bool, epochs: int = 0, classes: Any = None) -> None:
        """Train a new net, or again the one that there is: for max_iter epochs, or for `epochs` where that is not 0."""
        hidden = check_parameters(self)
        if epochs and self.early_stopping:
            raise ValueError("partial_fit trains one epoch and has no early stopping: set early_stopping=False")
        numeric = isinstance(self, RegressorMixin)
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=numeric, dtype=FLOATS, reset=not again)
        data = [X, self._targets(y, X.dtype, again, classes), _weights(sample_weight, X)]
        random = check_random_state(self.random_state)
        rng = np.random.default_rng(random.randint(2**31 - 1, size=4))
        sizes = [X.shape[1], *hidden, data[1].shape[1] if data[1].ndim == 2 else len(self.classes_)]
        activation = "sigmoid" if self.activation == "logistic" else self.activation
        net = mlp(sizes, activation, self.init, dtype=self.net_.dtype if again else X.dtype, rng=rng)
        if again and repr(net) != repr(self.net_):
            raise ValueError(
                f"training would go on with {self.net_!r}, but the parameters and y ask for {net!r}: set them back, or "
                "begin with a new estimator, sklearn.base.clone(estimator)"
            )
        if not again:
            self.net_, self.loss_curve_, self.t_, self._stale = net, [], 0, 0
        if not again or self.early_stopping != (self.validation_scores_ is not None):
            self.validation_scores_ = [] if self.early_stopping else None
            self._best = -math.inf
        held = None
        if self.early_stopping:
            data, held = self._split(data, random)
        train(self, data, held, rng, epochs)
        if held is not None:
            self.net_.load_state_dict(self._best_state)

    def _split(self, data: list[Any], random: np.random.RandomState) -> tuple[list[Any], list[Any]]:
        """(what is trained on, what is held out) of [X, targets, weights or None]; of classes equal shares."""
        given = [array for array in data if array is not None]
        classes = None if self._multilabel or self.out_activation_ == "identity" else data[1]
        parts = train_test_split(*given, test_size=self.validation_fraction, random_state=random, stratify=classes)
        if len(parts[1]) < 2:
            held = f"{len(parts[1])} of {len(data[0])} samples"
            raise ValueError(f"validation_fraction {self.validation_fraction:g} holds out {held}, expected at least 2")
        absent = [None] * (3 - len(given))
        return parts[::2] + absent, parts[1::2] + absent


class MLPClassifier(ClassifierMixin, _MLP):  # type: ignore[misc]
    """A net that tells classes apart, with the parameters of sklearn.neural_network.MLPClassifier and `init`.

    Two classes, or labels that do not exclude one another, take sigmoids and binary cross-entropy; more classes take
    softmax and cross-entropy. y (N,) holds classes of any kind, or (N, K) zeros and ones, a column for each label.

    hidden_layer_sizes     the widths of the hidden layers, from the input to the output; () for none
    activation             "logistic" or any of minigrad's: "sigmoid", "tanh", "relu", "gelu", ..., as mg.mlp takes it
    init                   how the weights begin: a name of mg.initializers.INITIALIZERS or a function, as for mg.mlp
    solver                 "adam" or "sgd"
    alpha                  adds alpha / 2 times the sum of the squared weights to the sum of a batch's losses
    batch_size             samples a step; "auto" is 200, or all where there are fewer
    learning_rate_init     the learning rate, at first
    learning_rate          of sgd: "constant"; "invscaling", divided by (samples seen + 1)^power_t after each epoch; or
                           "adaptive", divided by 5 where training would stop, until it is 1e-6
    max_iter, shuffle      the most epochs; whether each goes through the samples in another order
    random_state           an int, a numpy.random.RandomState or None: what the weights, the order and the held-out
                           share are drawn from. Not the numbers that scikit-learn draws
    tol, n_iter_no_change  training stops when more than so many epochs running brought no gain of tol
    early_stopping         the gain is that of the accuracy on validation_fraction of the samples, which are held out,
                           with equal shares of each class; the best weights are put back at the end
    warm_start             whether fit goes on with the net that there is
    momentum, nesterovs_momentum; beta_1, beta_2, epsilon           of sgd; of adam
    verbose                whether a progress bar is shown, on a terminal

    Raises nothing before fit. Other than in scikit-learn:

    * There is no solver "lbfgs" (and no max_fun), and X may not be sparse. A momentum of 1 is refused.
    * Biases begin at 0, and the weights of "logistic" are not made smaller; see init. alpha shrinks biases too.
    * epsilon is added to the root of the corrected mean of squares, as in Adam's paper, and a momentum is one of
      gradients, not of steps: the first differs by less than epsilon, the second while the learning rate changes.
    * In loss_curve_ all batches of an epoch count alike. A small last one makes the curve rougher, so training stops
      later: choose a batch_size that divides the samples. Its step has the penalty of the others' steps.
    * A loss that overflows raises mg.DivergenceError, with the weights of the epoch before. Ctrl-C raises
      KeyboardInterrupt, and net_ is as after the last whole epoch.
    * decision_function gives the logits, and predict_proba has one column where there is one class.

    After fit: net_, whose weights coefs_ and intercepts_ show, classes_, n_outputs_, n_layers_, out_activation_,
    n_features_in_, feature_names_in_, n_iter_, t_ (samples seen), loss_, best_loss_, loss_curve_, validation_scores_
    and best_validation_score_, all as in scikit-learn. mg.DivergenceError is an ArithmeticError.
    """

    classes_: np.ndarray

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train one epoch, with the same optimizer from call to call; returns the estimator.

        classes: all that will ever come, needed in the first call unless y is multilabel.
        """
        again = hasattr(self, "net_")
        if not again and classes is None and not type_of_target(y).startswith("multilabel"):
            raise ValueError("classes must be passed on the first call to partial_fit: classes=np.unique(all_y)")
        if again and classes is not None and not np.array_equal(unique_labels(classes), self.classes_):
            raise ValueError(
                f"classes is {shown(classes)}, not the same as on last call to partial_fit: {self.classes_}"
            )
        self._train(X, y, sample_weight, again, epochs=1, classes=classes)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The class of each sample, (N,); of a multilabel net 0 or 1 for each label, (N, K)."""
        p = self.predict_proba(X)
        return (p > 0.5).astype(np.int64) if self._multilabel else self.classes_[p.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class or label, (N, K) in the order of classes_."""
        logits = self._logits(X)
        return sigmoid(logits) if self._multilabel else softmax(logits)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithms of predict_proba, finite also where that is rounded to 0."""
        logits = self._logits(X)
        if self._multilabel:
            return -np.logaddexp(0, -logits)
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

    def decision_function(self, X: Any) -> np.ndarray:
        """The logits, which scikit-learn's own keeps to itself: (N,) for two classes, else (N, K)."""
        z = _output(self, X)
        return z[:, 0] if self.n_outputs_ == 1 else z

    def _logits(self, X: Any) -> np.ndarray:
        """(N, K), one for each class; of two classes the first has 0, for sigmoid(z) is the second of softmax(0, z)."""
        z = self.decision_function(X)
        return z if z.ndim == 2 else np.column_stack([np.zeros_like(z), z])[:, : len(self.classes_)]

    def _targets(self, y: Any, dtype: np.dtype, again: bool, classes: Any) -> np.ndarray:
        """What the loss takes for y: class numbers (N,); or (N, K) of 0 and 1, for two classes and for labels."""
        y = y.toarray() if hasattr(y, "toarray") else y
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        multilabel = kind == "multilabel-indicator"
        if kind not in ("binary", "multiclass") and not multilabel:
            raise ValueError(f"Unknown label type: y is {kind}, expected classes, or columns of 0 and 1, one a label")
        y = y if multilabel else column_or_1d(y, warn=True)
        found = unique_labels(y)
        known = self.classes_ if again else found if classes is None or multilabel else unique_labels(classes)
        strange = [label for label in found.tolist() if label not in known.tolist()]
        whole = again and (self.warm_start or multilabel)
        if strange or (whole and len(found) < len(known)) or (again and multilabel != self._multilabel):
            raise ValueError(
                f"y has the classes {found}, but training goes on with {known}: begin with a new estimator"
            )
        self.classes_ = known
        softmaxed = len(known) > 2 and not multilabel
        self.out_activation_ = "softmax" if softmaxed else "logistic"
        if multilabel:
            return y.astype(dtype)
        numbers = LabelEncoder().fit(known).transform(y)
        return numbers if softmaxed else numbers[:, None].astype(dtype)

    def _score_of(self, output: np.ndarray, targets: np.ndarray, weight: np.ndarray | None) -> float:
        """The share of the samples that are right, with all labels of theirs."""
        right = output.argmax(axis=1) == targets if targets.ndim == 1 else ((output > 0) == targets).all(axis=1)
        return float(np.average(right, weights=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(MultiOutputMixin, RegressorMixin, _MLP):  # type: ignore[misc]
    """A net that computes numbers, (N,) or (N, K), by the squared error, the only loss.

    The parameters, what differs from scikit-learn and what there is after fit are MLPClassifier's; early_stopping
    watches R^2. A pipeline with a StandardScaler, and sklearn.compose.TransformedTargetRegressor, scale X and y.
    """

    out_activation_ = "identity"

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train one epoch, with the same optimizer from call to call; returns the estimator."""
        self._train(X, y, sample_weight, again=hasattr(self, "net_"), epochs=1)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The values, (N,), or (N, K) where there are several outputs."""
        output = _output(self, X)
        return output[:, 0] if self.n_outputs_ == 1 else output

    def _targets(self, y: Any, dtype: np.dtype, again: bool, classes: Any) -> np.ndarray:
        y = y if y.ndim == 2 and y.shape[1] > 1 else column_or_1d(y, warn=True)[:, None]
        return y.astype(dtype)

    def _score_of(self, output: np.ndarray, targets: np.ndarray, weight: np.ndarray | None) -> float:
        """R^2, the mean over the outputs."""
        return float(r2_score(targets, output, sample_weight=weight))


def _weights(sample_weight: Any, X: np.ndarray) -> np.ndarray | None:
    """sample_weight as an array (N,); a ValueError where it is none, or counts nothing."""
    if sample_weight is None:
        return None
    weight = check_array(sample_weight, ensure_2d=False, dtype=X.dtype, input_name="sample_weight")
    if weight.shape != (len(X),):
        raise ValueError(f"sample_weight has shape {weight.shape}, expected ({len(X)},)")
    if weight.min() < 0 or not weight.any():
        raise ValueError(f"sample_weight has {'negative numbers' if weight.any() else 'zeros alone'}, expected weights")
    return weight


def _output(estimator: _MLP, X: Any) -> np.ndarray:
    """What the net makes of X, (N, K)."""
    check_is_fitted(estimator)
    return estimator.net_(validate_data(estimator, X, dtype=FLOATS, reset=False))
